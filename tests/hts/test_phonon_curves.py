"""Lowest modes against pressure, and paths of q-points measured, as the pictures of phonons draw them."""

import numpy as np
import pytest

from hts.phonon_curves import band_path, bands_of, computed_points, folded, meshes_text, qpoint_text, softening_curves
from hts.units import CM1_PER_THZ


def point(index: int, qpoint: list[float], *frequencies_cm1: float) -> dict:
    lowest = min(frequencies_cm1, default=0.0)
    return {"index": index, "qpoint": qpoint, "lowest_cm1": lowest, "frequencies_cm1": list(frequencies_cm1)}


def test_one_curve_a_q_point_the_softest_first() -> None:
    between = [point(1, [0, 0, 0.25], 40.0)]
    rungs = [
        (20.0, {"qpoints": [point(1, [0, 0, 0]), point(2, [0, 0, 0.5], 90.0, 200.0), point(3, [0.5] * 3, 110.0)]}),
        (10.0, {"qpoints": [point(1, [0, 0, 0]), point(2, [0, 0, 0.5], 80.0), point(3, [0.5] * 3, 70.0)]}),
        # Unstable: one q-point was enough, and ph.x may name it by an equal one.
        (0.0, {"qpoints": [point(3, [-0.5, 0.5, 0.5], -60.0, 3.0) | {"complete": False}], "between_mesh": between}),
    ]
    corner, quarter, face = softening_curves(rungs)
    assert corner.qpoint == (0.5, 0.5, 0.5)
    assert corner.pressures_gpa == (0.0, 10.0, 20.0)
    assert corner.lowest_cm1 == (-60.0, 70.0, 110.0)
    assert corner.upper_bound == (True, False, False)
    assert (quarter.qpoint, quarter.pressures_gpa, quarter.lowest_cm1) == ((0.0, 0.0, 0.25), (0.0,), (40.0,))
    assert (face.qpoint, face.pressures_gpa, face.lowest_cm1) == ((0.0, 0.0, 0.5), (10.0, 20.0), (80.0, 90.0))


def test_a_second_opinion_takes_the_place_of_the_first() -> None:
    """AlH at X: -1295 cm-1 on a coarse k-mesh, -847 on a denser one."""
    phonons = {
        "qpoints": [point(1, [0, 0, 0], 100.0), point(3, [0, -0.5, -0.5], -1295.0)],
        "second_opinions": [point(3, [0, 0.5, 0.5], -847.0)],
    }
    assert [one["lowest_cm1"] for one in computed_points(phonons)] == [100.0, -847.0]


@pytest.mark.parametrize(
    ("qpoint", "inside", "text"),
    [
        ([0, -0.5, 0.5], (0.0, 0.5, 0.5), "(0, 1/2, 1/2)"),
        ([0.33333333, -0.33333333, 0.66666667], (0.333333, -0.333333, -0.333333), "(1/3, -1/3, -1/3)"),
        ([1.0, -1e-9, 0.123], (0.0, 0.0, 0.123), "(0, 0, 0.123)"),
    ],
)
def test_q_points_are_folded_and_named(qpoint: list[float], inside: tuple[float, float, float], text: str) -> None:
    assert folded(qpoint) == pytest.approx(inside)
    assert qpoint_text(folded(qpoint)) == text


def test_meshes_in_words() -> None:
    assert meshes_text({"qpoints_mesh": [2, 2, 2], "kpoints_mesh": [8, 8, 6]}) == "q 2×2×2, k 8×8×6"
    assert meshes_text({"qpoints_mesh": [2, 2, 2]}) == "q 2×2×2"


# A simple cubic path with a jump: Gamma-X, X-M, then R-X.
CUBE = 3.0 * np.eye(3)
CORNERS = {"GAMMA": [0, 0, 0], "X": [0, 0.5, 0], "M": [0.5, 0.5, 0], "R": [0.5, 0.5, 0.5]}


def line(start: str, end: str) -> np.ndarray:
    return np.linspace(CORNERS[start], CORNERS[end], 5)


PATH = np.concatenate([line("GAMMA", "X"), line("X", "M"), line("R", "X")])
LABELS = [(0, "GAMMA"), (4, "X"), (5, "X"), (9, "M"), (10, "R"), (14, "X")]


def test_a_path_is_as_long_as_it_is_in_reciprocal_space() -> None:
    segments, distances, ticks = band_path(CUBE, PATH, LABELS)
    edge = np.pi / 3.0
    assert segments == (slice(0, 10), slice(10, 15))
    places, names = zip(*ticks, strict=True)
    assert names == ("GAMMA", "X", "M|R", "X")
    assert places == pytest.approx([0, edge, 2 * edge, (2 + np.sqrt(2)) * edge])
    assert distances[9] == distances[10]
    assert (np.diff(distances) >= 0).all()


def test_bands_know_where_they_were_computed() -> None:
    """X is stored as (1/2, 0, 0) and met twice as (0, 1/2, 0), which a rotation about the diagonal makes of it."""
    diagonal = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    rotations = np.array([np.eye(3, dtype=int), diagonal, diagonal @ diagonal])
    phonons = {"qpoints": [point(1, [0, 0, 0], 300.0), point(2, [0.5, 0, 0], 90.0, 200.0)], "qpoints_mesh": [2, 2, 2]}
    frequencies_thz = np.arange(45.0).reshape(15, 3)
    dos = (np.array([0.0, 10.0]), np.array([0.0, 3.0]))
    identity = {"key": "k", "formula": "AlH"}
    found = bands_of(identity, phonons, 10.0, (CUBE, PATH, LABELS, frequencies_thz), dos, rotations)
    edge = np.pi / 3.0
    assert [place for place, _ in found.computed] == pytest.approx([0, edge, (2 + np.sqrt(2)) * edge], abs=1e-5)
    assert [modes for _, modes in found.computed] == [(300.0,), (90.0, 200.0), (90.0, 200.0)]
    assert [part.shape for part in found.frequencies_cm1] == [(10, 3), (5, 3)]
    assert found.frequencies_cm1[0][1] == pytest.approx(np.array([3, 4, 5]) * CM1_PER_THZ)
    # As many states as before.
    assert found.dos_cm1 is not None and found.dos is not None
    assert np.trapezoid(found.dos, found.dos_cm1) == pytest.approx(15.0)
