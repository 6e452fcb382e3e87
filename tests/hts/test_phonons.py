"""Modes, irreducible q-points and stability, held against what ph.x printed and against textbook counts."""

from pathlib import Path

import numpy as np
import pytest
import spglib
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hts.dynmat import DynamicalMatrix, read_dynamical_matrix, read_qpoint_list
from hts.phonons import fractional_qpoint, irreducible_qpoints, judge_qpoint, qpoint_modes, search_order, star_sizes
from hts.units import CM1_PER_RY

DATA = Path(__file__).parents[1] / "data" / "ph"
# The cells that pw.x made of ibrav 1, 2, 3, 4, 5, 6 and 14, rows in units of celldm(1).
CELLS: dict[str, list[list[float]]] = {
    "sc": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "fcc": [[-0.5, 0, 0.5], [0, 0.5, 0.5], [-0.5, 0.5, 0]],
    "bcc": [[0.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [-0.5, -0.5, 0.5]],
    "hcp": [[1, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, 1.633]],
    "rhombo": [[0.3**0.5, -(0.1**0.5), 0.6**0.5], [0, 2 * 0.1**0.5, 0.6**0.5], [-(0.3**0.5), -(0.1**0.5), 0.6**0.5]],
    "tet": [[1, 0, 0], [0, 1, 0], [0, 0, 1.2]],
    "tric": [[1, 0, 0], [0.055, 1.098624, 0], [0.24, 0.108135, 1.170772]],
}
# Monkhorst-Pack meshes through Gamma, e.g. https://doi.org/10.1103/PhysRevB.13.5188; QE's own output.
COUNTS = {
    "sc-222": 4, "fcc-222": 3, "bcc-222": 3, "sc-333": 4, "fcc-333": 4, "bcc-333": 4, "sc-444": 10, "fcc-444": 8,
    "bcc-444": 8, "hcp-332": 6, "rhombo-333": 6, "tet-332": 6, "tric-222": 8,
}  # fmt: skip


def rotations_of(lattice: str) -> NDArray[np.int_]:
    positions = [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]] if lattice == "hcp" else [[0.0, 0.0, 0.0]]
    dataset = spglib.get_symmetry_dataset((CELLS[lattice], positions, [13] * len(positions)), symprec=1e-5)
    assert dataset is not None
    return np.array(dataset.rotations, dtype=int)


@pytest.mark.parametrize(("case", "count"), COUNTS.items())
def test_irreducible_qpoints_in_the_order_of_ph_x(case: str, count: int) -> None:
    lattice, digits = case.split("-")
    mesh, cartesian = read_qpoint_list((DATA / "qpoint_lists" / f"{case}.dyn0").read_text())
    assert mesh == tuple(int(digit) for digit in digits)
    cell = np.array(CELLS[lattice], dtype=float)
    # With these ibrav ph.x counts in 2 pi / celldm(1), the cubic edge, not in lengths of the first vector.
    found = fractional_qpoint(cartesian, cell) * np.linalg.norm(cell[0])
    predicted = irreducible_qpoints(rotations_of(lattice), mesh)
    assert len(predicted) == count
    assert found - predicted == pytest.approx(np.rint(found - predicted), abs=1e-5)


@pytest.mark.parametrize("case", ["al4h", "al2h3", "mgalh3"])
def test_irreducible_qpoints_of_a_perovskite(case: str) -> None:
    mesh, cartesian = read_qpoint_list((DATA / case / "dyn0").read_text())
    predicted = irreducible_qpoints(rotations_of("sc"), mesh)
    assert np.abs(predicted) == pytest.approx(np.abs(cartesian), abs=1e-9)


def test_ibrav_0_counts_in_lengths_of_the_first_vector() -> None:
    """As AiiDA writes fcc: L is (0 0 1/2) and X (0 1/2 1/2) in fractions of the reciprocal vectors."""
    _, cartesian = read_qpoint_list((DATA / "al_ibrav0/dyn0").read_text())
    cell = np.array([[0, 1.972, 1.972], [1.972, 0, 1.972], [1.972, 1.972, 0]])
    wanted = irreducible_qpoints(rotations_of("fcc"), (2, 2, 2))
    found = fractional_qpoint(cartesian, cell)
    assert found - wanted == pytest.approx(np.rint(found - wanted), abs=1e-8)


@given(lattice=st.sampled_from(sorted(CELLS)), mesh=st.tuples(*[st.integers(1, 5)] * 3))
def test_stars_fill_the_mesh(lattice: str, mesh: tuple[int, int, int]) -> None:
    """Whatever the mesh, the irreducible points and their images are every point of it."""
    rotations = rotations_of(lattice)
    if lattice != "tric":
        mesh = (mesh[0], mesh[0], mesh[0] if lattice not in {"hcp", "tet"} else mesh[2])
    kept = irreducible_qpoints(rotations, mesh)
    images = np.concatenate([sign * kept @ rotation for rotation in rotations for sign in (1, -1)]) * mesh
    assert len({tuple(row) for row in (np.rint(images).astype(int) % mesh).tolist()}) == np.prod(mesh)
    assert kept[0] == pytest.approx([0, 0, 0])
    assert (kept > -0.5).all() and (kept <= 0.5).all()
    assert sum(star_sizes(rotations, kept, mesh)) == np.prod(mesh)


def crystal_at_gamma(optical_cm1: float, acoustic_cm1: float = 0.0) -> DynamicalMatrix:
    """Two atoms of different mass on springs, with a noise that breaks translational invariance."""
    masses = np.array([24590.8, 918.7])
    reduced = masses.prod() / masses.sum()
    spring = np.sign(optical_cm1) * reduced * (optical_cm1 / CM1_PER_RY) ** 2
    noise = np.sign(acoustic_cm1) * masses * (acoustic_cm1 / CM1_PER_RY) ** 2
    pair = spring * np.array([[1.0, -1.0], [-1.0, 1.0]]) + np.diag(noise)
    return DynamicalMatrix(np.zeros(3), np.kron(pair, np.eye(3)).astype(complex), masses, ("Al", "H"), 1, np.zeros(6))


@pytest.mark.parametrize("optical", [-300.0, -30.0, -5.0, 3.0, 20.0, 1500.0])
@pytest.mark.parametrize("acoustic", [-45.0, 0.0, 45.0])
def test_a_soft_optical_mode_does_not_hide_behind_the_translations(optical: float, acoustic: float) -> None:
    """Recognised by eigenvector: by rank, an optical mode at -30 would pass as one of three translations at -45."""
    modes = qpoint_modes(crystal_at_gamma(optical, acoustic))
    squared = np.sign(optical) * optical**2 + np.sign(acoustic) * acoustic**2
    assert modes.frequencies_cm1 == pytest.approx([np.sign(squared) * abs(squared) ** 0.5] * 3, abs=1e-3)
    assert modes.translations_cm1 == pytest.approx([acoustic] * 3, abs=1e-2)
    assert np.abs(modes.eigenvectors.conj().T @ modes.eigenvectors) == pytest.approx(np.eye(3), abs=1e-9)


def test_recorded_translations_at_gamma() -> None:
    """ph.x printed -8.4 cm^-1 for Al4H, a translation with a little of an optical mode; Al2H3 is really unstable."""
    stable = qpoint_modes(read_dynamical_matrix((DATA / "al4h/dyn1").read_text()))
    assert stable.translations_cm1 == pytest.approx([-7.91] * 3, abs=0.05)
    assert stable.frequencies_cm1[0] == pytest.approx(232.17, abs=0.1)
    unstable = qpoint_modes(read_dynamical_matrix((DATA / "al2h3/dyn1").read_text()))
    assert unstable.frequencies_cm1[0] == pytest.approx(-647.87, abs=0.1)
    assert np.abs(unstable.translations_cm1).max() < 50


@pytest.mark.parametrize(
    ("case", "verdicts"),
    [("al4h", ["stable"] * 4), ("al2h3", ["unstable"] * 4), ("mgalh3", ["unstable"] * 4)],
)
def test_recorded_crystals(case: str, verdicts: list[str]) -> None:
    matrices = [read_dynamical_matrix((DATA / case / f"dyn{n}").read_text()) for n in range(1, 5)]
    assert [judge_qpoint(qpoint_modes(matrix), -20, 50).verdict for matrix in matrices] == verdicts


@pytest.mark.parametrize(
    ("optical", "verdict"),
    [(51, "stable"), (49, "borderline"), (0, "borderline"), (-19.9, "borderline"), (-21, "unstable")],
)
def test_what_is_close_to_zero_is_borderline(optical: float, verdict: str) -> None:
    assert judge_qpoint(qpoint_modes(crystal_at_gamma(optical)), -20, 50, borderline_cm1=50).verdict == verdict


@pytest.mark.parametrize(
    ("optical", "acoustic", "verdict"),
    [
        (300, 0, "stable"), (-19.9, 0, "borderline"), (-20.1, 0, "unstable"), (300, 49.9, "stable"),
        (300, 50.1, "undecided"), (300, -50.1, "undecided"), (-300, -49.9, "unstable"), (-300, 60, "undecided"),
    ],
)  # fmt: skip
def test_tolerances_at_gamma(optical: float, acoustic: float, verdict: str) -> None:
    point = judge_qpoint(qpoint_modes(crystal_at_gamma(optical, acoustic)), -20, 50)
    assert point.verdict == verdict
    assert f"{acoustic:.0f} cm-1" in point.reason or verdict != "undecided"


def test_off_gamma_there_is_no_tolerance_for_translations() -> None:
    matrix = crystal_at_gamma(300, -45)
    off = DynamicalMatrix(np.array([0.5, 0, 0]), *(getattr(matrix, field) for field in FIELDS))
    assert judge_qpoint(qpoint_modes(matrix), -20, 50).verdict == "stable"
    assert judge_qpoint(qpoint_modes(off), -20, 50).verdict == "unstable"
    assert qpoint_modes(off).frequencies_cm1.size == 6


FIELDS = ("force_constants_ry_bohr2", "masses_ry", "symbols", "star_size", "printed_frequencies_cm1")


def test_one_atom_has_nothing_but_translations_at_gamma() -> None:
    matrix = read_dynamical_matrix((DATA / "al_ibrav0/dyn1").read_text())
    modes = qpoint_modes(matrix)
    assert modes.frequencies_cm1.size == 0
    assert modes.translations_cm1 == pytest.approx([1.735] * 3, abs=0.01)
    point = judge_qpoint(modes, -20, 50, borderline_cm1=50)
    assert (point.verdict, point.lowest_cm1, point.reason) == ("stable", float("inf"), "translations only")
    assert judge_qpoint(modes, -20, 1).verdict == "undecided"


def test_search_goes_from_the_zone_corner_to_gamma() -> None:
    points = irreducible_qpoints(rotations_of("sc"), (2, 2, 2))
    assert search_order(points) == [3, 2, 1, 0]
    assert search_order(points, softest_first=[1, 0]) == [1, 0, 3, 2]


def test_search_takes_the_cheap_boundary_then_gamma_then_the_rest() -> None:
    """On 4x4x4 of an fcc crystal: X (star 3), L (4), W (6), Gamma, and then the points inside."""
    rotations = rotations_of("fcc")
    points = irreducible_qpoints(rotations, (4, 4, 4))
    sizes = star_sizes(rotations, points, (4, 4, 4))
    order = search_order(points, sizes)
    found = [(sizes[index], bool(np.any(points[index]))) for index in order]
    assert found[:3] == [(3, True), (4, True), (1, False)]
    assert len(found) == 8 and all(size > 4 for size, _ in found[3:])


def test_an_odd_mesh_has_its_outermost_points_for_a_boundary() -> None:
    points = irreducible_qpoints(rotations_of("fcc"), (3, 3, 3))
    assert search_order(points)[-1] == 0  # Gamma


@given(count=st.integers(1, 12), known=st.lists(st.integers(-3, 15), max_size=15), data=st.data())
def test_search_visits_every_point_once(count: int, known: list[int], data: st.DataObject) -> None:
    points = np.array(data.draw(st.lists(st.tuples(*[st.floats(-0.5, 0.5)] * 3), min_size=count, max_size=count)))
    assert sorted(search_order(points, softest_first=known)) == list(range(count))
