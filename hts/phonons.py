"""Dynamic stability from dynamical matrices at commensurate q-points: exact there, no interpolation involved."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.dynmat import DynamicalMatrix
from hts.units import CM1_PER_RY

_SAME_POINT = 1e-5


@dataclass(frozen=True)
class QPointModes:
    """The normal modes at one q-point after the acoustic sum rule.

    Attributes
    ----------
    frequencies_cm1 : NDArray, shape (3 N,) or (3 N - 3,) at Gamma
        Ascending; an imaginary frequency is given as a negative number. At Gamma the translations are left out.
    eigenvectors : NDArray, shape (3 N, number of modes), complex
        Mass-weighted polarisation, a column a mode.
    translations_cm1 : NDArray, shape (3,) at Gamma, (0,) elsewhere
        What the three translations came out at before they were projected out: a measure of the numerical error.
    """

    frequencies_cm1: NDArray[np.float64]
    eigenvectors: NDArray[np.complex128]
    translations_cm1: NDArray[np.float64]


def signed_frequencies_cm1(eigenvalues_ry2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn squared frequencies (Ry^2) into cm^-1, imaginary ones negative; same shape."""
    return np.sign(eigenvalues_ry2) * np.sqrt(np.abs(eigenvalues_ry2)) * CM1_PER_RY


def qpoint_modes(matrix: DynamicalMatrix) -> QPointModes:
    """Diagonalise a dynamical matrix; at Gamma project the translations out exactly.

    At Gamma the acoustic sum rule is imposed by projecting the rigid translations, recognised by their eigenvector
    and not by their rank, out of the mass-weighted matrix, so that a soft optical mode can't hide behind them.

    Parameters
    ----------
    matrix : DynamicalMatrix
        As read from ph.x.

    Returns
    -------
    QPointModes
    """
    root_mass = np.repeat(np.sqrt(matrix.masses_ry), 3)
    dynamical = matrix.force_constants_ry_bohr2 / np.outer(root_mass, root_mass)
    dynamical = (dynamical + dynamical.conj().T) / 2
    if np.linalg.norm(matrix.qpoint_2pi_over_a) > _SAME_POINT:
        values, vectors = np.linalg.eigh(dynamical)
        return QPointModes(signed_frequencies_cm1(values), vectors, np.empty(0))
    translations = np.kron(np.sqrt(matrix.masses_ry)[:, None], np.eye(3))
    translations /= np.linalg.norm(translations, axis=0)
    rigid = np.linalg.eigvalsh(translations.T @ dynamical @ translations)
    # The left singular vectors beyond the third span everything orthogonal to the translations.
    rest = np.linalg.svd(translations)[0][:, 3:]
    values, vectors = np.linalg.eigh(rest.T @ dynamical @ rest)
    return QPointModes(signed_frequencies_cm1(values), rest @ vectors, signed_frequencies_cm1(rigid))


def fractional_qpoint(qpoint_2pi_over_a: NDArray[np.float64], cell_ang: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert a Cartesian q-point of ph.x into fractions of the reciprocal vectors.

    Parameters
    ----------
    qpoint_2pi_over_a : NDArray, shape (..., 3)
        Units of 2 pi / alat, where alat is the length of the first lattice vector (what pw.x takes with ibrav = 0).
    cell_ang : NDArray, shape (3, 3)
        Lattice vectors as rows.

    Returns
    -------
    NDArray, shape (..., 3)
    """
    return np.asarray(qpoint_2pi_over_a) @ (cell_ang / np.linalg.norm(cell_ang[0])).T


def irreducible_qpoints(rotations: NDArray[np.int_], mesh: Sequence[int]) -> NDArray[np.float64]:
    """List the irreducible q-points of a mesh in the order in which ph.x numbers them.

    The algorithm is that of ``kpoint_grid`` in Quantum ESPRESSO: walk the mesh with the last index fastest and keep
    each point that no rotation (or time reversal) has reached yet. The first job's ``dyn0`` is compared with this list.

    Parameters
    ----------
    rotations : NDArray, shape (n, 3, 3)
        Point-group rotations in fractional real-space coordinates (spglib's).
    mesh : sequence of three int

    Returns
    -------
    NDArray, shape (n_irreducible, 3)
        Fractional coordinates folded into (-1/2, 1/2]; the first is Gamma.
    """
    seen: set[tuple[int, ...]] = set()
    kept = []
    for index in np.ndindex(*mesh):
        if index in seen:
            continue
        point = np.array(index) / np.array(mesh)
        seen.update(_star(rotations, point, mesh))
        kept.append(point - np.ceil(point - 0.5))
    return np.array(kept)


def star_sizes(rotations: NDArray[np.int_], qpoints: ArrayLike, mesh: Sequence[int]) -> list[int]:
    """Count the points of a mesh that symmetry (or time reversal) makes of each irreducible q-point.

    Parameters
    ----------
    rotations : NDArray, shape (n, 3, 3)
        As for `irreducible_qpoints`.
    qpoints : array_like, shape (n_q, 3)
        Fractional coordinates of points of the mesh.
    mesh : sequence of three int

    Returns
    -------
    list of int
        Their sum is the size of the mesh if the q-points are all its irreducible ones.
    """
    return [len(_star(rotations, point, mesh)) for point in np.asarray(qpoints, dtype=np.float64)]


def qpoint_images(rotations: NDArray[np.int_], qpoint: ArrayLike) -> NDArray[np.float64]:
    """Return what the rotations and time reversal make of a q-point.

    Parameters
    ----------
    rotations : NDArray, shape (n, 3, 3)
        Of the whole group, fractional real-space coordinates.
    qpoint : array_like, shape (3,)
        Fractional.

    Returns
    -------
    NDArray, shape (2 n, 3)
        Not folded, and with every image as often as operations lead to it.
    """
    # A q-point transforms with the inverse transpose; over the whole group the transpose gives the same set.
    images = np.transpose(np.asarray(rotations), (0, 2, 1)) @ np.asarray(qpoint, dtype=np.float64)
    return np.concatenate([images, -images])


def _star(rotations: NDArray[np.int_], point: NDArray[np.float64], mesh: Sequence[int]) -> set[tuple[int, ...]]:
    """Return the indices of a mesh that a q-point of it is rotated into; images beside the mesh are left out."""
    size = np.array(mesh)
    images = qpoint_images(rotations, point) * size
    integral = np.abs(images - np.rint(images)).max(axis=1) < _SAME_POINT * size.max()
    return {tuple(row) for row in (np.rint(images[integral]).astype(int) % size).tolist()}


def search_order(
    qpoints: NDArray[np.float64], stars: Sequence[int] | None = None, softest_first: Sequence[int] = ()
) -> list[int]:
    """Order q-points so that an instability is found early and cheaply.

    Parameters
    ----------
    qpoints : NDArray, shape (n, 3)
        Fractional coordinates.
    stars : sequence of int, optional
        How many q-points symmetry makes of each; all 1 otherwise.
    softest_first : sequence of int
        Indices (from 0) known from the pressure above, softest first: they come before everything else.

    Returns
    -------
    list of int
        All indices: the given ones; then the zone boundary, where cells double (on an odd mesh what is nearest to it):
        the smallest star first, because its symmetry makes it cheap, and among equals the farthest from Gamma; then
        Gamma with its optical modes; then the rest from the boundary inwards.
    """
    known = list(dict.fromkeys(index for index in softest_first if 0 <= index < len(qpoints)))
    sizes = [1] * len(qpoints) if stars is None else list(stars)
    distance = np.abs(qpoints).sum(axis=1)
    outermost = np.abs(qpoints).max(axis=0)
    boundary = np.minimum(np.abs(qpoints), np.abs(np.abs(qpoints) - outermost)).max(axis=1) < _SAME_POINT

    def place(index: int) -> tuple[int, float, float]:
        if distance[index] <= _SAME_POINT:
            return 1, 0.0, 0.0
        return (0, sizes[index], -distance[index]) if boundary[index] else (2, -distance[index], sizes[index])

    return known + sorted((index for index in range(len(qpoints)) if index not in known), key=place)


@dataclass(frozen=True)
class QPointVerdict:
    """Whether one q-point speaks for or against stability.

    Attributes
    ----------
    verdict : str
        ``stable``, ``borderline`` (too close to zero to tell at these settings), ``unstable`` (imaginary beyond
        tolerance) or ``undecided`` (numerically not good enough to say).
    lowest_cm1 : float
        The lowest frequency that is not a translation; infinite where there is none (Gamma, one atom).
    reason : str
    """

    verdict: str
    lowest_cm1: float
    reason: str


def judge_qpoint(
    modes: QPointModes, min_frequency_cm1: float, acoustic_tolerance_cm1: float, borderline_cm1: float = 0.0
) -> QPointVerdict:
    """Decide one q-point.

    Parameters
    ----------
    modes : QPointModes
    min_frequency_cm1 : float
        A frequency below this (negative = imaginary) is an instability.
    acoustic_tolerance_cm1 : float
        How far from zero the translations at Gamma may come out before the sum rule; beyond it the calculation is too
        inaccurate and the point is undecided, whatever its optical modes say.
    borderline_cm1 : float
        A real frequency below this is too close to zero to be believed at once.

    Returns
    -------
    QPointVerdict
    """
    lowest = float(modes.frequencies_cm1[0]) if len(modes.frequencies_cm1) else math.inf
    if len(modes.translations_cm1) and np.abs(modes.translations_cm1).max() > acoustic_tolerance_cm1:
        worst = float(modes.translations_cm1[np.abs(modes.translations_cm1).argmax()])
        reason = (
            f"translations at Gamma at {worst:.0f} cm-1, tolerance {acoustic_tolerance_cm1:g}; "
            "tighten tr2_ph or the cutoff"
        )
        return QPointVerdict("undecided", lowest, reason)
    if lowest < min_frequency_cm1:
        return QPointVerdict("unstable", lowest, f"{lowest:.0f} cm-1 is below {min_frequency_cm1:g} cm-1")
    if lowest < borderline_cm1:
        return QPointVerdict("borderline", lowest, f"lowest {lowest:.0f} cm-1, within {borderline_cm1:g} of zero")
    return QPointVerdict("stable", lowest, f"lowest {lowest:.0f} cm-1" if lowest < math.inf else "translations only")
