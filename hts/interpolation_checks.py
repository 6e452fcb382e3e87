"""Imaginary modes that only the interpolation shows: which q-points to compute before anything is concluded.

Between the commensurate q-points frequencies are interpolated from truncated force constants. An imaginary one there is
a question, not an answer: the q-points of the doubled mesh where it lies are computed exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy

from hts.phonons import irreducible_qpoints
from hts.units import CM1_PER_THZ

_SAME_POINT = 1e-6


@dataclass(frozen=True)
class InterpolationCheck:
    """What an interpolation leaves to be computed.

    Attributes
    ----------
    points : list of dict
        ``index`` (from 1) among the irreducible q-points of the doubled mesh in the order of ph.x, ``qpoint``
        (fractional), ``interpolated_cm1``; the lowest first.
    failure : str or None
        Why computing them would not settle it.
    """

    points: list[dict[str, object]]
    failure: str | None


def check_interpolation(
    phonon: Phonopy,
    rotations: NDArray[np.int_],
    qpoints_mesh: Sequence[int],
    lowest: tuple[float, Sequence[float]],
    min_frequency_cm1: float,
    max_checks: int,
) -> InterpolationCheck:
    """Choose the q-points that must be computed because the interpolation is imaginary near them.

    Parameters
    ----------
    phonon : Phonopy
        With force constants; calculator ``qe``.
    rotations : NDArray, shape (n, 3, 3)
        Of the space group, fractional.
    qpoints_mesh : sequence of three int
        On which the force constants are exact.
    lowest : tuple of float and sequence of three float
        The lowest interpolated frequency anywhere (cm^-1) and its q-point.
    min_frequency_cm1 : float
        Below this a frequency is imaginary beyond tolerance.
    max_checks : int
        How many q-points may be computed.

    Returns
    -------
    InterpolationCheck
        Without points and failure if nothing is imaginary. With a failure where no q-point of the doubled mesh shows
        it (an acoustic branch close to Gamma, say), or more than ``max_checks`` do: the q-mesh is too coarse to tell.
    """
    lowest_cm1, where = lowest
    if lowest_cm1 >= min_frequency_cm1:
        return InterpolationCheck([], None)
    doubled = [2 * count for count in qpoints_mesh]
    qpoints = irreducible_qpoints(rotations, doubled)
    on_mesh = qpoints * np.array(qpoints_mesh)
    new = np.abs(on_mesh - np.rint(on_mesh)).max(axis=1) > _SAME_POINT
    phonon.run_qpoints(qpoints)
    frequencies_cm1 = np.array(phonon.get_qpoints_dict()["frequencies"]).min(axis=1) * CM1_PER_THZ
    imaginary = [
        index for index in np.argsort(frequencies_cm1) if new[index] and frequencies_cm1[index] < min_frequency_cm1
    ]
    place = " ".join(f"{value:.3g}" for value in where)
    mesh = "x".join(map(str, qpoints_mesh))
    question = f"only the interpolation is imaginary, {lowest_cm1:.0f} cm-1 at ({place})"
    if not imaginary:
        failure = f"{question}, and no q-point of the doubled mesh shows it; use a q-mesh denser than {mesh}"
        return InterpolationCheck([], failure)
    if len(imaginary) > max_checks:
        failure = (
            f"{question}, and at {len(imaginary)} q-points of the doubled mesh, more than the {max_checks} that are "
            f"computed for it; use a q-mesh denser than {mesh}"
        )
        return InterpolationCheck([], failure)
    points = [
        {"index": int(i) + 1, "qpoint": qpoints[i].tolist(), "interpolated_cm1": float(frequencies_cm1[i])}
        for i in imaginary
    ]
    return InterpolationCheck(points, None)
