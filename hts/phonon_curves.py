"""Phonons of a candidate as curves: the softest modes against pressure, and bands along a path of q-points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.phonons import qpoint_images
from hts.units import CM1_PER_THZ

_SAME_POINT = 1e-5
_DECIMALS = 6
_LARGEST_DENOMINATOR = 24


@dataclass(frozen=True)
class SofteningCurve:
    """The lowest mode at one q-point, pressure by pressure.

    Attributes
    ----------
    qpoint : tuple of three float
        Fractions of the reciprocal vectors, in (-1/2, 1/2].
    pressures_gpa : tuple of float
        Ascending; where the q-point was computed.
    lowest_cm1 : tuple of float
        Imaginary ones negative; at Gamma without the translations.
    upper_bound : tuple of bool
        Where the job was stopped at an imaginary mode, so that a lower one may have been missed.
    """

    qpoint: tuple[float, float, float]
    pressures_gpa: tuple[float, ...]
    lowest_cm1: tuple[float, ...]
    upper_bound: tuple[bool, ...]


@dataclass(frozen=True)
class Softening:
    """How a crystal softens along its ladder of pressures.

    Attributes
    ----------
    key, formula : str
        Of the candidate.
    settings : str
        Meshes, for the picture's second line.
    curves : tuple of SofteningCurve
        The softest first.
    lowest_stable_gpa, highest_unstable_gpa : float or None
        The bracket in which stability ends.
    critical_pressure_gpa : float or None
        Where a mode is predicted to reach zero.
    critical_qpoint : tuple of three float or None
        Whose mode that is.
    """

    key: str
    formula: str
    settings: str
    curves: tuple[SofteningCurve, ...]
    lowest_stable_gpa: float | None
    highest_unstable_gpa: float | None
    critical_pressure_gpa: float | None = None
    critical_qpoint: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class PhononBands:
    """Bands of one crystal along a path, with its density of states.

    Attributes
    ----------
    key, formula : str
        Of the candidate.
    settings : str
        Meshes, for the picture's second line.
    pressure_gpa : float
    distances : tuple of NDArray, shapes (n_i,)
        One a continuous segment, in 1/Angstrom (with 2 pi); a segment starts where the one before has ended.
    frequencies_cm1 : tuple of NDArray, shapes (n_i, 3 N)
        Imaginary ones negative.
    ticks : tuple of (float, str)
        Distance and name of every high-symmetry point; where the path jumps both names with a bar between.
    dos_cm1, dos : NDArray, shape (m,), or None
        Frequencies, and states per cm^-1 and cell.
    computed : tuple of (float, tuple of float)
        Where the path meets a q-point that was computed and not interpolated: distance and frequencies in cm^-1.
    """

    key: str
    formula: str
    settings: str
    pressure_gpa: float
    distances: tuple[NDArray[np.float64], ...]
    frequencies_cm1: tuple[NDArray[np.float64], ...]
    ticks: tuple[tuple[float, str], ...]
    dos_cm1: NDArray[np.float64] | None = None
    dos: NDArray[np.float64] | None = None
    computed: tuple[tuple[float, tuple[float, ...]], ...] = ()


def has_modes(point: Mapping[str, Any]) -> bool:
    """Say whether a stored q-point has a mode at all: Gamma of a crystal with one atom has translations only."""
    return point.get("lowest_cm1") is not None and point.get("frequencies_cm1") != []


def computed_points(phonons: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the latest of the stored q-points that have a mode; see `latest_points`."""
    return [point for point in latest_points(phonons) if has_modes(point)]


def latest_points(phonons: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the stored q-points: those of the mesh, and what was computed between them.

    Where a q-point was computed a second time on stricter settings, that is the one that counts.
    """
    second = {folded(point["qpoint"]): point for point in phonons.get("second_opinions", ())}
    first = (*phonons["qpoints"], *phonons.get("between_mesh", ()))
    return [second.get(folded(point["qpoint"]), point) for point in first]


def softening_curves(rungs: Sequence[tuple[float, Mapping[str, Any]]]) -> tuple[SofteningCurve, ...]:
    """Gather the lowest mode of every q-point over the pressures.

    Parameters
    ----------
    rungs : sequence of (float, mapping)
        Pressure in GPa, and the stored phonons with their ``qpoints`` and, where there are any, ``between_mesh`` and
        ``second_opinions`` (``qpoint``, ``lowest_cm1``, ``complete``); an unstable rung rarely has all of them.

    Returns
    -------
    tuple of SofteningCurve
        The softest first.
    """
    found: dict[tuple[float, float, float], dict[float, tuple[float, bool]]] = {}
    for pressure_gpa, phonons in rungs:
        for point in computed_points(phonons):
            here = point["lowest_cm1"], not point.get("complete", True)
            found.setdefault(folded(point["qpoint"]), {})[pressure_gpa] = here
    curves = []
    for qpoint, values in found.items():
        pressures = sorted(values)
        lowest, bounds = zip(*(values[pressure] for pressure in pressures), strict=True)
        curves.append(SofteningCurve(qpoint, tuple(pressures), lowest, bounds))
    return tuple(sorted(curves, key=lambda curve: (min(curve.lowest_cm1), curve.qpoint)))


def folded(qpoint: ArrayLike) -> tuple[float, float, float]:
    """Return a fractional q-point (shape (3,)) in (-1/2, 1/2], rounded so that equal ones compare equal."""
    point = np.asarray(qpoint, dtype=np.float64)
    x, y, z = (np.round(point - np.ceil(point - 0.5 - _SAME_POINT), _DECIMALS) + 0.0).tolist()
    return x, y, z


def qpoint_text(qpoint: Sequence[float]) -> str:
    """Return a fractional q-point as it is spoken of, such as `(0, 1/2, 1/2)`."""
    parts = []
    for x in qpoint:
        near = Fraction(x).limit_denominator(_LARGEST_DENOMINATOR)
        parts.append(str(near) if abs(float(near) - x) < _SAME_POINT else f"{x:.4g}")
    return f"({', '.join(parts)})"


def band_path(
    cell_ang: NDArray[np.float64], qpoints: NDArray[np.float64], labels: Sequence[tuple[int, str]]
) -> tuple[tuple[slice, ...], NDArray[np.float64], tuple[tuple[float, str], ...]]:
    """Measure a path of q-points and find its jumps.

    Parameters
    ----------
    cell_ang : NDArray, shape (3, 3)
        Lattice vectors as rows.
    qpoints : NDArray, shape (n, 3)
        Fractional.
    labels : sequence of (int, str)
        As `hts.interpolation.InterpolatedPhonons.labels`: the two ends of every segment.

    Returns
    -------
    segments : tuple of slice
        Continuous pieces of the path.
    distances : NDArray, shape (n,)
        Along the path in 1/Angstrom (with 2 pi); a jump has no length.
    ticks : tuple of (float, str)
        Distance and name.
    """
    cartesian = qpoints @ (2 * np.pi * np.linalg.inv(cell_ang).T)
    names = dict(labels)
    jumps = [i for i in range(1, len(qpoints)) if i in names and i - 1 in names and names[i] != names[i - 1]]
    steps = np.linalg.norm(np.diff(cartesian, axis=0, prepend=cartesian[:1]), axis=1)
    steps[jumps] = 0.0
    distances = np.cumsum(steps)
    ends = [0, *jumps, len(qpoints)]
    ticks: dict[float, str] = {}
    for index, name in sorted(names.items()):
        place = float(distances[index])
        before = ticks.get(place)
        ticks[place] = name if before in (None, name) else f"{before}|{name}"
    return tuple(map(slice, ends[:-1], ends[1:])), distances, tuple(ticks.items())


def bands_of(
    identity: Mapping[str, str],
    phonons: Mapping[str, Any],
    pressure_gpa: float,
    path: tuple[NDArray[np.float64], NDArray[np.float64], Sequence[tuple[int, str]], NDArray[np.float64]],
    dos: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    rotations: NDArray[np.int_],
) -> PhononBands:
    """Put together what a picture of the bands shows.

    Parameters
    ----------
    identity : mapping
        ``key`` and ``formula``.
    phonons : mapping
        The stored result with ``qpoints`` and meshes.
    pressure_gpa : float
    path : tuple
        Lattice vectors (3, 3) in Angstrom, q-points (n, 3), labels, and frequencies (n, 3 N) in THz.
    dos : pair of NDArray or None
        Frequencies in THz, states per THz and cell.
    rotations : NDArray, shape (m, 3, 3)
        Of the crystal, in fractional real-space coordinates.

    Returns
    -------
    PhononBands
    """
    cell_ang, qpoints, labels, frequencies_thz = path
    segments, distances, ticks = band_path(cell_ang, qpoints, labels)
    return PhononBands(
        key=identity["key"],
        formula=identity["formula"],
        settings=meshes_text(phonons),
        pressure_gpa=pressure_gpa,
        distances=tuple(distances[part] for part in segments),
        frequencies_cm1=tuple(frequencies_thz[part] * CM1_PER_THZ for part in segments),
        ticks=ticks,
        dos_cm1=None if dos is None else dos[0] * CM1_PER_THZ,
        dos=None if dos is None else dos[1] / CM1_PER_THZ,
        computed=_computed(computed_points(phonons), qpoints, distances, rotations),
    )


def meshes_text(phonons: Mapping[str, Any]) -> str:
    """Return the meshes of stored phonons, such as `q 2x2x2, k 8x8x8`; what is not stored is left out."""
    meshes = {"q": phonons.get("qpoints_mesh"), "k": phonons.get("kpoints_mesh")}
    return ", ".join(f"{name} {'×'.join(map(str, mesh))}" for name, mesh in meshes.items() if mesh)


def _computed(
    points: Sequence[Mapping[str, Any]],
    qpoints: NDArray[np.float64],
    distances: NDArray[np.float64],
    rotations: NDArray[np.int_],
) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """Return where the path meets a computed q-point or one that symmetry or time reversal makes of it."""
    found = set()
    for point in points:
        apart = qpoints[:, None] - qpoint_images(rotations, point["qpoint"])[None]
        met = (np.abs(apart - np.rint(apart)).max(axis=2) < _SAME_POINT).any(axis=1)
        # Where segments join the path has the same point twice; where it jumps, two points have the same place.
        modes = tuple(point.get("frequencies_cm1", ()))
        found |= {(place, modes) for place in np.round(distances[met], _DECIMALS).tolist()}
    return tuple(sorted(found))
