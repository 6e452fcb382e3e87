"""alpha2F at any smearing of the electrons, from the matrix elements that one run of epw.x leaves behind.

A run of epw.x on fine meshes spends minutes to hours on ``prefix.ephmat`` and seconds on the sum over it. Files and sum
are those of `write_ephmat` and `evaluate_a2f_lambda` in io_eliashberg.f90 and supercond.f90 (Quantum ESPRESSO
6.7 to 7.2, EPW 5.3 to 5.7; EPW 5.8 writes other records).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.electrons import delta_function
from hts.epw_input import Version, version_tuple
from hts.errors import ParseError
from hts.units import MEV_PER_CM1, MEV_PER_RY, RY_TO_EV

FloatArray = NDArray[np.float64]
# The first EPW that writes other records.
_OTHER_FILES: Version = (5, 8)
# EPW's eps_acustic, 5 cm-1: phonons below it do not couple.
_LEAST_PHONON_MEV = 5.0 * MEV_PER_CM1


@dataclass(frozen=True)
class SmearedCoupling:
    """The sum over the Fermi surface at one smearing.

    Attributes
    ----------
    sigma_ev : float
    dos_per_spin_ev : float
        N(E_F) of the fine k-mesh and the same Gaussian, states per spin, eV and cell.
    phonons_mev : (q, modes)
        Of the q-points that connect two states at the Fermi energy.
    strength_mev : (q, modes)
        lambda_qv omega_qv of each mode times the weight of its q-point, with irreducible k-points only: of a star of
        q-points the sum means something, one alone does not.
    """

    sigma_ev: float
    dos_per_spin_ev: float
    phonons_mev: FloatArray
    strength_mev: FloatArray

    @property
    def lambda_(self) -> float:
        """Return lambda = sum over q and modes."""
        return float((self.strength_mev / np.maximum(self.phonons_mev, _LEAST_PHONON_MEV)).sum())

    def alpha2f(self, energy_mev: ArrayLike, smearing_mev: float) -> FloatArray:
        """Return alpha2F(omega) = 1/2 sum_qv w_q lambda_qv omega_qv delta(omega - omega_qv), with Gaussians.

        Parameters
        ----------
        energy_mev : (n,)
        smearing_mev : float
            EPW's ``degaussq``: exp(-(distance/smearing)^2).
        """
        energies = np.asarray(energy_mev, dtype=float)
        coupled = self.strength_mev > 0
        distance = energies[:, None] - self.phonons_mev[coupled][None, :]
        result: FloatArray = 0.5 * delta_function(distance, smearing_mev, 0) @ self.strength_mev[coupled]
        return result


def sums_smearings(version: str | None) -> bool:
    """Tell whether the files of this EPW can be read here; of an unknown one, no."""
    return version is not None and version_tuple(version) < _OTHER_FILES


def smeared_couplings(folder: Path, prefix: str, sigmas_ev: Sequence[float]) -> list[SmearedCoupling]:
    """Sum the matrix elements of a run at one or more smearings.

    lambda_qv = 1 / (N omega_qv) sum_k,ij w_k |g_ij^v(k, q)|^2 delta(e_ki - E_F) delta(e_k+qj - E_F), at the run's E_F.

    Parameters
    ----------
    folder : Path
        Holds ``prefix.ephmat/`` (egnv, freq, ikmap, ephmat1, ephmat2, …) and ``selecq.fmt``.
    prefix : str
    sigmas_ev : sequence of float
        A quarter of the run's window ``fsthick`` at most.

    Returns
    -------
    list of SmearedCoupling
        In the order of ``sigmas_ev``.

    Raises
    ------
    ParseError
        If a file is missing or cut, they do not belong together, or the window is too narrow for a smearing.

    References
    ----------
    F. Giustino, Rev. Mod. Phys. 89, 015003 (2017), https://doi.org/10.1103/RevModPhys.89.015003, for alpha2F.
    """
    source = folder / f"{prefix}.ephmat"
    try:
        states = _read_states(source)
        phonons = _read_phonons(source, folder / "selecq.fmt")
        elements = _elements(source, len(states.kpoints))
    except (OSError, ValueError, IndexError) as error:
        raise ParseError(f"{source}: {error}, wanted whole egnv, freq, ikmap and ephmat files; rerun epw.x") from error
    for sigma in sigmas_ev:
        if 4 * sigma > states.half_width_ev * (1 + 1e-6):
            raise ParseError(f"the window of epw.x is {states.half_width_ev:g} eV, wanted 4 x {sigma:g}; widen fsthick")
    return _sums(states, phonons, elements, sigmas_ev)


@dataclass(frozen=True)
class _States:
    mesh: NDArray[np.int64]
    weights: FloatArray
    kpoints: FloatArray
    distances_ev: FloatArray  # (k, bands) from E_F
    inside: NDArray[np.bool_]
    half_width_ev: float
    index_of: NDArray[np.int32]  # place on the mesh -> k-point, from 1; 0 is none


@dataclass(frozen=True)
class _Phonons:
    qpoints: FloatArray
    energies_mev: FloatArray
    number_of_qpoints: int


def _records(content: bytes) -> Iterator[bytes]:
    """Split a Fortran unformatted file into its records."""
    place = 0
    while place < len(content):
        length = int(np.frombuffer(content, np.int32, 1, place)[0])
        record = content[place + 4 : place + 4 + length]
        if len(record) < length or content[place + 4 + length : place + 8 + length] != content[place : place + 4]:
            raise ValueError(f"cut after {place} bytes")
        yield record
        place += length + 8


def _first_record(content: bytes) -> bytes:
    for record in _records(content):
        return record
    raise ValueError("empty")


def _rows(records: list[bytes], first: int, others: int) -> tuple[FloatArray, FloatArray]:
    """Read groups of one record of several numbers and several records of one."""
    groups = [records[start : start + 1 + others] for start in range(0, len(records), 1 + others)]
    heads = np.array([np.frombuffer(group[0]) for group in groups]).reshape(-1, first)
    return heads, np.array([np.frombuffer(b"".join(group[1:])) for group in groups]).reshape(-1, others)


def _read_states(source: Path) -> _States:
    head, numbers, *rest = _records((source / "egnv").read_bytes())
    _, n1, n2, n3, n_kpoints = np.frombuffer(head, np.int32)
    bands = int(np.frombuffer(numbers, np.int32, 1)[0])
    _, fermi_ry, _, _, half_width_ry = np.frombuffer(numbers, np.float64, 5, 4)
    heads, energies_ry = _rows(rest, 4, bands)
    if len(heads) != n_kpoints:
        raise ValueError(f"{len(heads)} k-points of {n_kpoints}")
    distances = energies_ry - fermi_ry
    index_of = np.frombuffer(_first_record((source / "ikmap").read_bytes()), np.int32)
    mesh = np.array([n1, n2, n3], dtype=np.int64)
    inside = np.abs(distances) < half_width_ry
    width_ev = float(half_width_ry) * RY_TO_EV
    return _States(mesh, heads[:, 0], heads[:, 1:], distances * RY_TO_EV, inside, width_ev, index_of)


def _read_phonons(source: Path, selected: Path) -> _Phonons:
    head, *rest = _records((source / "freq").read_bytes())
    number, _, _, _, modes = (int(value) for value in np.frombuffer(head, np.int32))
    heads, energies_ry = _rows(rest, 3, modes)
    wanted = int(selected.read_text(encoding="utf-8").split()[0])
    if len(heads) != wanted:
        raise ValueError(f"{len(heads)} q-points of {wanted}")
    return _Phonons(heads, energies_ry * MEV_PER_RY, number)


def _elements(source: Path, n_wanted: int) -> list[tuple[int, FloatArray]]:
    """Return number of k-points and squared matrix elements (Ry^2) of each pool's file."""
    pools = []
    for number in range(1, 1 + len(list(source.glob("ephmat*")))):
        content = (source / f"ephmat{number}").read_bytes()
        _, n_kpoints = np.frombuffer(_first_record(content[:16]), np.int32)
        values = np.frombuffer(content, np.dtype([("before", "i4"), ("value", "f8"), ("after", "i4")]), offset=16)
        if np.any(values["before"] != 8):
            raise ValueError(f"ephmat{number} holds other records than numbers")
        pools.append((int(n_kpoints), values["value"]))
    found = sum(count for count, _ in pools)
    if found != n_wanted or not found:
        raise ValueError(f"matrix elements of {found} k-points, {n_wanted} are near E_F")
    return pools


def _sums(
    states: _States, phonons: _Phonons, pools: list[tuple[int, FloatArray]], sigmas_ev: Sequence[float]
) -> list[SmearedCoupling]:
    deltas = [delta_function(states.distances_ev, sigma, 0) * states.inside for sigma in sigmas_ev]
    # Weights add up to 2 over the mesh, for the spins.
    dos = [0.5 * float((states.weights[:, None] * delta).sum()) for delta in deltas]
    modes = phonons.energies_mev.shape[1]
    sums = np.zeros((len(sigmas_ev), len(phonons.qpoints), modes))
    first = 0
    for n_kpoints, values in pools:
        place = 0
        kpoints = np.arange(first, first + n_kpoints)
        for q, qpoint in enumerate(phonons.qpoints):
            pairs = _pairs(states, kpoints, qpoint)
            size = modes * sum(len(one) for one, _, _ in pairs)
            chunk = values[place : place + size]
            if len(chunk) < size:
                raise ParseError(
                    "prefix.ephmat ends too early, wanted an element for every pair of states; rerun epw.x"
                )
            place += size
            sums[:, q] += _sums_of_qpoint(states.weights, deltas, pairs, chunk, modes)
        if place != len(values):
            raise ParseError("prefix.ephmat has more elements than pairs of states, wanted as many; rerun epw.x")
        first += n_kpoints
    scale = RY_TO_EV * MEV_PER_RY / phonons.number_of_qpoints
    coupled = phonons.energies_mev > _LEAST_PHONON_MEV
    return [
        SmearedCoupling(sigma, number, phonons.energies_mev, np.where(coupled, scale * one / number, 0.0))
        for sigma, number, one in zip(sigmas_ev, dos, sums, strict=True)
    ]


def _pairs(states: _States, kpoints: NDArray[np.int64], qpoint: FloatArray) -> list[tuple[Any, Any, int]]:
    """Return the states at k and at k+q of each k-point, flattened, in the order of the file; and the k-point."""
    sites = np.rint((states.kpoints[kpoints] + qpoint) * states.mesh).astype(np.int64) % states.mesh
    others = states.index_of[(sites[:, 0] * states.mesh[1] + sites[:, 1]) * states.mesh[2] + sites[:, 2]]
    bands = states.inside.shape[1]
    pairs = []
    for k, other in zip(kpoints[others > 0], others[others > 0] - 1, strict=True):
        at_k, at_other = np.flatnonzero(states.inside[k]), np.flatnonzero(states.inside[other])
        pairs.append((np.repeat(k * bands + at_k, len(at_other)), np.tile(other * bands + at_other, len(at_k)), int(k)))
    return pairs


def _sums_of_qpoint(
    weights: FloatArray, deltas: list[FloatArray], pairs: list[tuple[Any, Any, int]], values: FloatArray, modes: int
) -> FloatArray:
    """Return sum_k w_k delta delta |g|^2 of each smearing and mode; of a k-point the file has mode after mode."""
    result = np.zeros((len(deltas), modes))
    place = 0
    for at_k, at_other, k in pairs:
        size = modes * len(at_k)
        elements = values[place : place + size].reshape(modes, len(at_k))
        place += size
        for number, delta in enumerate(deltas):
            flat = delta.reshape(-1)
            result[number] += weights[k] * (elements @ (flat[at_k] * flat[at_other]))
    return result
