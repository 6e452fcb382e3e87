"""From the force constants of q2r.x to bands, density of states and zero-point energy, by phonopy and in memory."""

import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.interface.qe import PH_Q2R
from phonopy.phonon.band_structure import get_band_qpoints_by_seekpath
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Structure

from hts.dynmat import DynamicalMatrix
from hts.phonons import qpoint_modes
from hts.thermal import ThermalProperties, thermal_properties
from hts.units import BOHR_TO_ANG, CM1_PER_THZ, MEV_PER_THZ, RY_MASS_PER_AMU

_POINTS_A_SEGMENT = 21
_SAME_POINT = 1e-6
# Interpolated modes are imaginary only beyond this: numerical noise, cm^-1.
_NOISE_CM1 = 1.0


@dataclass(frozen=True)
class InterpolatedPhonons:
    """Phonons between the commensurate q-points; they illustrate, the commensurate ones decide.

    Attributes
    ----------
    qpoints : NDArray, shape (n, 3)
        Fractional, along the high-symmetry path.
    labels : list of (int, str)
        Index into ``qpoints`` and name of each high-symmetry point.
    frequencies_thz : NDArray, shape (n, 3 N)
        Imaginary ones negative.
    zero_point_ev_per_atom : float or None
        Harmonic; None where an interpolated mode is imaginary by more than numerical noise (1 cm^-1).
    lowest_cm1 : float
        Lowest interpolated frequency on path and mesh. The translations at Gamma do not count: they are zero by the
        sum rule and say nothing.
    lowest_qpoint : NDArray, shape (3,)
        Where that is: fractional, folded into (-1/2, 1/2]; on the path where the mesh is no lower.
    dos_thz, dos : NDArray, shape (m,)
        Frequencies, and states per THz and cell.
    thermal : ThermalProperties or None
        None wherever ``zero_point_ev_per_atom`` is.
    thermal_reason : str or None
        Why there are no thermal properties.
    """

    qpoints: NDArray[np.float64]
    labels: list[tuple[int, str]]
    frequencies_thz: NDArray[np.float64]
    zero_point_ev_per_atom: float | None
    lowest_cm1: float
    lowest_qpoint: NDArray[np.float64]
    dos_thz: NDArray[np.float64]
    dos: NDArray[np.float64]
    thermal: ThermalProperties | None
    thermal_reason: str | None


def phonopy_from_q2r(force_constants: str, structure: Structure, *, acoustic_sum_rule: bool = True) -> Phonopy:
    """Build a Phonopy object from the text of ``flfrc``.

    Parameters
    ----------
    force_constants : str
        What q2r.x wrote, without dielectric data.
    structure : Structure
        The primitive cell as ph.x had it.
    acoustic_sum_rule : bool
        Impose translational invariance; without it every commensurate frequency is that of ph.x.

    Returns
    -------
    Phonopy
        Calculator ``qe``; lengths in bohr, frequencies in THz.
    """
    cell = PhonopyAtoms(
        symbols=[site.specie.symbol for site in structure],
        cell=structure.lattice.matrix / BOHR_TO_ANG,
        scaled_positions=structure.frac_coords,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "force_constants"
        path.write_text(force_constants, encoding="utf-8")
        q2r = PH_Q2R(str(path))
        q2r.run(cell)
    phonon = Phonopy(cell, supercell_matrix=np.diag(np.asarray(q2r.dimension)), primitive_matrix="P", calculator="qe")
    phonon.force_constants = q2r.fc
    if acoustic_sum_rule:
        phonon.symmetrize_force_constants()
    return phonon


def interpolate(force_constants_text: str, structure: Structure, mesh: int) -> InterpolatedPhonons:
    """Interpolate what q2r.x wrote; see `interpolate_phonon`.

    Parameters
    ----------
    force_constants_text : str
        The text of ``flfrc``.
    structure : Structure
        Primitive cell.
    mesh : int
        Points along each reciprocal vector for the density of states and the zero-point energy.

    Returns
    -------
    InterpolatedPhonons
    """
    return interpolate_phonon(phonopy_from_q2r(force_constants_text, structure), structure, mesh)


def interpolate_phonon(phonon: Phonopy, structure: Structure, mesh: int) -> InterpolatedPhonons:
    """Interpolate along the path of Hinuma et al. and on a dense mesh.

    Parameters
    ----------
    phonon : Phonopy
        With force constants; calculator ``qe`` (lengths in bohr), so that frequencies are in THz.
    structure : Structure
        Its primitive cell.
    mesh : int
        Points along each reciprocal vector for the density of states and the zero-point energy.

    Returns
    -------
    InterpolatedPhonons

    References
    ----------
    Path: Y. Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), https://doi.org/10.1016/j.commatsci.2016.10.015.
    """
    qpoints, labels = _path(phonon)
    phonon.run_qpoints(qpoints)
    frequencies = np.array(phonon.get_qpoints_dict()["frequencies"])
    with warnings.catch_warnings():
        # Meshes beside Gamma sample best; that some of them can't be reduced by symmetry costs seconds.
        warnings.filterwarnings("ignore", message="Half-grid shift")
        phonon.run_mesh([mesh] * 3, with_eigenvectors=False)
    sampled: Any = phonon.get_mesh_dict()
    weights = sampled["weights"] / sampled["weights"].sum()
    lowest_cm1, lowest_qpoint = _lowest(
        phonon,
        np.concatenate([qpoints, sampled["qpoints"]]),
        np.concatenate([frequencies, sampled["frequencies"]]) * CM1_PER_THZ,
    )
    # The three acoustic modes at Gamma are zero by the sum rule and carry no energy.
    energy_mev = float((weights[:, None] * np.clip(sampled["frequencies"], 0, None)).sum() * MEV_PER_THZ / 2)
    phonon.run_total_dos()
    dos = phonon.get_total_dos_dict()
    imaginary = None
    if lowest_cm1 <= -_NOISE_CM1:
        place = " ".join(f"{x:.4g}" for x in lowest_qpoint)
        imaginary = f"an interpolated mode is imaginary: {lowest_cm1:.1f} cm-1 at q = ({place})"
    return InterpolatedPhonons(
        qpoints=qpoints,
        labels=labels,
        frequencies_thz=frequencies,
        zero_point_ev_per_atom=energy_mev / 1000 / len(structure) if imaginary is None else None,
        lowest_cm1=lowest_cm1,
        lowest_qpoint=lowest_qpoint,
        dos_thz=np.array(dos["frequency_points"]),
        dos=np.array(dos["total_dos"]),
        thermal=thermal_properties(phonon) if imaginary is None else None,
        thermal_reason=imaginary,
    )


def phonopy_yaml(phonon: Phonopy, *, force_sets: bool = False) -> str:
    """Return crystal and force constants as a ``phonopy.yaml``.

    ``phonopy.load`` reads it back: bands, eigenvectors, animations and whatever else phonopy knows, at any q-point.

    Parameters
    ----------
    phonon : Phonopy
        With force constants.
    force_sets : bool
        The displacements and forces that they came from, too.

    Returns
    -------
    str
        It names no folder of the machine it was written on.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phonopy.yaml"
        phonon.save(path, settings={"force_constants": True, "force_sets": force_sets, "displacements": force_sets})
        return path.read_text(encoding="utf-8")


def _lowest(
    phonon: Phonopy, qpoints: NDArray[np.float64], frequencies_cm1: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the lowest frequency (cm^-1) without the translations at Gamma, and its q-point in (-1/2, 1/2]."""
    at_gamma = np.abs(qpoints - np.rint(qpoints)).max(axis=1) < _SAME_POINT
    lowest = frequencies_cm1.min(axis=1)
    optical = _optical_cm1(phonon)
    lowest[at_gamma] = optical.min() if len(optical) else np.inf
    where = int(lowest.argmin())
    folded = qpoints[where] - np.ceil(qpoints[where] - 0.5 - _SAME_POINT)
    return float(lowest[where]), np.round(folded, 8) + 0.0


def _optical_cm1(phonon: Phonopy) -> NDArray[np.float64]:
    """Return the frequencies (cm^-1) at Gamma but for the translations, which are told by their eigenvectors."""
    masses = np.asarray(phonon.primitive.masses)
    root_mass = np.repeat(np.sqrt(masses), 3)
    matrix = DynamicalMatrix(
        qpoint_2pi_over_a=np.zeros(3),
        force_constants_ry_bohr2=phonon.get_dynamical_matrix_at_q([0, 0, 0]) * np.outer(root_mass, root_mass),
        masses_ry=masses * RY_MASS_PER_AMU,
        symbols=tuple(phonon.primitive.symbols),
        star_size=1,
        printed_frequencies_cm1=np.empty(0),
    )
    return qpoint_modes(matrix).frequencies_cm1


def _plain(label: str) -> str:
    """Turn phonopy's LaTeX label into plain text."""
    return re.sub(r"\$|\\mathrm|[{}]", "", label).replace("\\Gamma", "GAMMA")


def _path(phonon: Phonopy) -> tuple[NDArray[np.float64], list[tuple[int, str]]]:
    """Return q-points in fractions of this very cell's reciprocal vectors, and the labels along them."""
    segments, names, connected = get_band_qpoints_by_seekpath(phonon.primitive, _POINTS_A_SEGMENT)
    labels: list[tuple[int, str]] = []
    start, name = 0, iter(names)
    last = ""
    for index, segment in enumerate(segments):
        first = last if index and connected[index - 1] else next(name)
        last = next(name)
        labels += [(start, _plain(first)), (start + len(segment) - 1, _plain(last))]
        start += len(segment)
    return np.concatenate(segments), labels
