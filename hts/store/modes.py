"""The softest mode of a candidate, with its displacements, as its descent has stored it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from hts.errors import UserError
from hts.phonon_curves import computed_points, folded
from hts.store.query import find_candidate
from hts.store.softening import PhononRung, crystal_of, no_modes, phonon_rungs, rung_at


@dataclass(frozen=True)
class StoredMode:
    """One mode that a candidate's phonons hold.

    Attributes
    ----------
    key : str
        Of the candidate.
    pressure_gpa : float
    structure : Structure
        Primitive cell at that pressure.
    qpoint : tuple of three float
        Fractions of the reciprocal vectors, in (-1/2, 1/2].
    frequency_cm1 : float
        Negative: imaginary.
    irrep : str or None
        Its symmetry, where that was told.
    eigenvector : NDArray, shape (3 N,), complex
        Mass-weighted and normalised, at that q-point.
    """

    key: str
    pressure_gpa: float
    structure: Structure
    qpoint: tuple[float, float, float]
    frequency_cm1: float
    irrep: str | None
    eigenvector: NDArray[np.complex128]


def load_softest_mode(key: str, pressure_gpa: float | None = None) -> StoredMode:
    """Return the softest mode of a candidate.

    Parameters
    ----------
    key : str
        As for `hts.store.query.find_candidate`.
    pressure_gpa : float, optional
        At this rung; default: the rung with the lowest of all.

    Raises
    ------
    UserError
        If there is no such candidate or rung, no phonons are stored, or they are stored without displacements.
    """
    screening = find_candidate(key)
    rungs = phonon_rungs(screening)[1]
    if pressure_gpa is not None:
        rungs = [rung_at(screening, rungs, pressure_gpa, "phonons are")]
    found = [(rung, point) for rung in rungs for point in computed_points(rung.phonons.get_dict())]
    if not found:
        raise no_modes(screening)
    rung, point = min(found, key=lambda pair: pair[1]["lowest_cm1"])
    return _mode(screening.key, rung, point)


def _mode(key: str, rung: PhononRung, point: Mapping[str, Any]) -> StoredMode:
    mode = point.get("softest_mode")
    if not mode:
        raise UserError(
            f"the phonons of {key} at {rung.pressure_gpa:g} GPa were stored without displacements, by an earlier "
            "version; run the candidate again to animate its modes"
        )
    pairs = np.array(mode["eigenvector"], dtype=np.float64)
    return StoredMode(
        key=key,
        pressure_gpa=rung.pressure_gpa,
        structure=crystal_of(rung.phonons).get_pymatgen(),
        qpoint=folded(point["qpoint"]),
        frequency_cm1=mode["frequency_cm1"],
        irrep=mode["irrep"],
        eigenvector=pairs[:, 0] + 1j * pairs[:, 1],
    )
