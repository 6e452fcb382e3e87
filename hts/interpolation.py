"""From the force constants of q2r.x to bands, density of states and zero-point energy, by phonopy and in memory."""

import re
import tempfile
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

from hts.units import BOHR_TO_ANG, CM1_PER_THZ, MEV_PER_THZ

_POINTS_A_SEGMENT = 21


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
        Lowest interpolated frequency on path and mesh.
    dos_thz, dos : NDArray, shape (m,)
        Frequencies, and states per THz and cell.
    """

    qpoints: NDArray[np.float64]
    labels: list[tuple[int, str]]
    frequencies_thz: NDArray[np.float64]
    zero_point_ev_per_atom: float | None
    lowest_cm1: float
    dos_thz: NDArray[np.float64]
    dos: NDArray[np.float64]


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


def interpolate(force_constants: str, structure: Structure, mesh: int) -> InterpolatedPhonons:
    """Interpolate along the path of Hinuma et al. and on a dense mesh.

    Parameters
    ----------
    force_constants : str
    structure : Structure
        Primitive cell.
    mesh : int
        Points along each reciprocal vector for the density of states and the zero-point energy.

    Returns
    -------
    InterpolatedPhonons

    References
    ----------
    Path: Y. Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), https://doi.org/10.1016/j.commatsci.2016.10.015.
    """
    phonon = phonopy_from_q2r(force_constants, structure)
    qpoints, labels = _path(phonon)
    phonon.run_qpoints(qpoints)
    frequencies = np.array(phonon.get_qpoints_dict()["frequencies"])
    phonon.run_mesh([mesh] * 3, with_eigenvectors=False)
    sampled: Any = phonon.get_mesh_dict()
    weights = sampled["weights"] / sampled["weights"].sum()
    lowest_cm1 = float(min(frequencies.min(), sampled["frequencies"].min()) * CM1_PER_THZ)
    # The three acoustic modes at Gamma are zero by the sum rule and carry no energy.
    energy_mev = float((weights[:, None] * np.clip(sampled["frequencies"], 0, None)).sum() * MEV_PER_THZ / 2)
    phonon.run_total_dos()
    dos = phonon.get_total_dos_dict()
    return InterpolatedPhonons(
        qpoints=qpoints,
        labels=labels,
        frequencies_thz=frequencies,
        zero_point_ev_per_atom=energy_mev / 1000 / len(structure) if lowest_cm1 > -1 else None,
        lowest_cm1=lowest_cm1,
        dos_thz=np.array(dos["frequency_points"]),
        dos=np.array(dos["total_dos"]),
    )


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
