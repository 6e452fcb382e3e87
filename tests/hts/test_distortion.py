"""From modes to distorted crystals: the subgroups of the textbooks, and the verdict on a relaxed one."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from hts.displacement import DistortionError
from hts.distortion import distort, imaginary_modes, judge_distortion
from hts.dynmat import read_dynamical_matrix
from hts.phonons import qpoint_modes

DATA = Path(__file__).parents[1] / "data" / "ph"
SITES = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
PEROVSKITE = Structure(Lattice.cubic(3.905), ["Sr", "Ti", "O", "O", "O"], SITES)
CUBE = Structure(Lattice.cubic(2.5), ["H"], [[0, 0, 0]])
R, M, GAMMA = (0.5, 0.5, 0.5), (0.5, 0.5, 0.0), (0.0, 0.0, 0.0)


def mode(**moves: tuple[float, float, float]) -> NDArray[np.complex128]:
    """Return a normalised vector of the perovskite from the moves of its sites (a: A, b: B, x, y, z: X by normal)."""
    order = {"a": 0, "b": 1, "z": 2, "y": 3, "x": 4}
    vector = np.zeros((5, 3), dtype=complex)
    for name, move in moves.items():
        vector[order[name]] = move
    return (vector / np.linalg.norm(vector)).ravel()


# Rotations of the octahedra about the three axes; in neighbouring ones they alternate as q says.
ABOUT_X = mode(z=(0, 1, 0), y=(0, 0, -1))
ABOUT_Y = mode(x=(0, 0, 1), z=(-1, 0, 0))
ABOUT_Z = mode(y=(1, 0, 0), x=(0, -1, 0))
FERROELECTRIC = mode(b=(0, 0, 1), z=(0, 0, -0.5), y=(0, 0, -0.5), x=(0, 0, -0.5))


@pytest.mark.parametrize(
    ("name", "qpoint", "vector", "number", "n_atoms"),
    [
        # C. J. Howard and H. T. Stokes, Acta Cryst. B 54, 782 (1998), table 1.
        ("a0a0c-", R, ABOUT_Z, 140, 10),
        ("a-a0a0, the same about another axis", R, ABOUT_X, 140, 10),
        ("a0a0c+", M, ABOUT_Z, 127, 10),
        # BaTiO3, PbTiO3: H. D. Megaw, Acta Cryst. 5, 739 (1952).
        ("ferroelectric along z", GAMMA, FERROELECTRIC, 99, 5),
    ],
)
def test_textbook_distortions_of_the_perovskite(
    name: str, qpoint: tuple[float, ...], vector: NDArray[np.complex128], number: int, n_atoms: int
) -> None:
    found = distort(PEROVSKITE, qpoint, vector, 0.15)
    assert (found.parent_space_group_number, found.space_group_number) == (221, number)
    assert len(found.structure) == n_atoms == 5 * found.n_cells
    assert found.structure.composition.reduced_formula == "SrTiO3"
    assert found.structure.volume == pytest.approx(found.n_cells * PEROVSKITE.volume)


@pytest.mark.parametrize("weights", [(0.37, 0.81, 0.45), (-0.2, 0.1, 0.97), (1.0, 1.0, 1.0), (0.6, 0.0, 0.8)])
def test_a_mixture_of_the_three_tilts_is_made_one_tilt(weights: tuple[float, float, float]) -> None:
    """Generic mixtures leave nothing but the inversion (P-1, a-b-c-); one tilt keeps the most operations."""
    mixture = sum(weight * tilt for weight, tilt in zip(weights, (ABOUT_X, ABOUT_Y, ABOUT_Z), strict=True))
    assert distort(PEROVSKITE, R, mixture / np.linalg.norm(mixture), 0.15).space_group_number == 140


def test_the_amplitude_is_that_of_the_atom_that_moves_most() -> None:
    """A tilt about z moves the four X atoms around each B atom by the amplitude, and not the two on the axis."""
    found = distort(PEROVSKITE, R, ABOUT_Z, 0.1).structure
    oxygen = [index for index, site in enumerate(found) if site.specie.symbol == "O"]
    titanium = next(index for index, site in enumerate(found) if site.specie.symbol == "Ti")
    near = sorted(
        neighbour.nn_distance for neighbour in found.get_neighbors(found[titanium], 2.5) if neighbour.index in oxygen
    )
    half = 3.905 / 2
    assert near[:2] == pytest.approx([half] * 2) and near[2:] == pytest.approx([np.hypot(half, 0.1)] * 4)


@pytest.mark.parametrize(
    ("vector", "number"),
    # Pairs along the axis (a Peierls distortion) keep the four-fold axis; a zigzag does not.
    [((0, 0, 1), 123), ((1, 0, 0), 51), ((1, 1, 0), 63)],
)
def test_a_chain_dimerises(vector: tuple[float, ...], number: int) -> None:
    found = distort(CUBE, (0, 0, 0.5), vector, 0.1)
    assert (found.space_group_number, found.n_cells, len(found.structure)) == (number, 2, 2)
    if number == 123:
        assert found.structure.get_distance(0, 1) == pytest.approx(2.5 - 0.2)


def test_a_complex_wave_is_given_a_phase_of_high_symmetry() -> None:
    """At q = (0, 0, 1/3) any phase of a longitudinal wave becomes one with a centre of inversion on an atom."""
    for phase in (0.0, 0.3, np.pi / 2, 2.0):
        found = distort(CUBE, (0, 0, 1 / 3), np.exp(1j * phase) * np.array([0, 0, 1]), 0.1)
        assert (found.space_group_number, len(found.structure)) == (123, 3)


@pytest.mark.parametrize(
    ("case", "number", "qpoint"),
    [("mgalh3", 4, R), ("mgalh3", 3, (0, -0.5, -0.5)), ("al2h3", 2, (0, 0, -0.5)), ("al2h3", 1, GAMMA)],
)
def test_modes_that_ph_x_computed_leave_a_subgroup(case: str, number: int, qpoint: tuple[float, ...]) -> None:
    """Whatever vector of a degenerate set the diagonalisation gives, what is left is more than a monoclinic group."""
    matrix = read_dynamical_matrix((DATA / case / f"dyn{number}").read_text())
    assert np.abs(matrix.qpoint_2pi_over_a) == pytest.approx(np.abs(qpoint))
    sites = SITES[1::-1] + SITES[2:]
    cell = Structure(Lattice.cubic(3.45), matrix.symbols, sites)
    modes = qpoint_modes(matrix)
    assert modes.frequencies_cm1[0] < -200
    found = distort(cell, qpoint, modes.eigenvectors[:, 0], 0.1)
    assert found.parent_space_group_number == 221 and 16 <= found.space_group_number < 221
    assert len(found.structure) == 5 * found.n_cells
    degenerate = np.abs(modes.frequencies_cm1 - modes.frequencies_cm1[0]) < 1.0
    mixture = modes.eigenvectors[:, degenerate] @ np.array([0.3, 0.8, -0.5])[: degenerate.sum()]
    assert distort(cell, qpoint, mixture, 0.1).space_group_number == found.space_group_number


def test_noise_of_the_relaxation_does_not_decide_the_symmetry() -> None:
    """What pw.x leaves of asymmetry is in the sixth digit; a hundredth of the precision, here."""
    random = np.random.default_rng(7)
    for _ in range(5):
        points = PEROVSKITE.cart_coords + random.uniform(-1e-5, 1e-5, (5, 3))
        noisy = Structure(PEROVSKITE.lattice, PEROVSKITE.species, points, coords_are_cartesian=True)
        assert distort(noisy, R, ABOUT_Z, 0.15).space_group_number == 140


@pytest.mark.parametrize(
    ("keywords", "qpoint", "message"),
    [
        ({"max_atoms": 9}, R, "repeats in no supercell of up to 1 cells; allow more atoms"),
        ({"max_atoms": 4}, GAMMA, "the cell has 5 atoms, at most 4 are wanted"),
        ({}, (1 / 9, 0, 0), "repeats in no supercell of up to 8 cells"),
    ],
)
def test_too_large_a_supercell_is_refused(keywords: dict[str, Any], qpoint: tuple[float, ...], message: str) -> None:
    with pytest.raises(DistortionError, match=message):
        distort(PEROVSKITE, qpoint, ABOUT_Z, 0.15, **keywords)


def test_an_amplitude_that_cannot_be_seen_is_refused() -> None:
    with pytest.raises(DistortionError, match=r"amplitude 0\.0005 Angstrom, wanted more than 0\.001"):
        distort(PEROVSKITE, R, ABOUT_Z, 5e-4)


def stored(index: int, frequency_cm1: float, **changes: Any) -> dict[str, Any]:
    """Return a q-point as the phonons of a crystal store it."""
    eigenvector = [[0.0, 1.0], [0.6, 0.8], [0.0, 0.0]]
    mode = {"frequency_cm1": frequency_cm1, "irrep": "X5-", "eigenvector": eigenvector}
    return {"index": index, "qpoint": [0, 0, index / 8], "softest_mode": mode, **changes}


def test_the_imaginary_modes_of_stored_phonons_softest_first() -> None:
    point = {"index": 2, "qpoint": [0, 0, 0], "softest_mode": None}
    content = {"qpoints": [stored(1, -50.0), stored(3, -120.0), point], "between_mesh": [stored(4, -80.0)]}
    found = imaginary_modes(content)
    assert [(mode["index"], mode["frequency_cm1"]) for mode in found] == [(3, -120.0), (4, -80.0), (1, -50.0)]
    assert found[0]["irrep"] == "X5-" and found[0]["qpoint"] == [0, 0, 3 / 8]
    assert found[0]["eigenvector"].tolist() == [1j, 0.6 + 0.8j, 0]


def test_a_second_opinion_replaces_the_first() -> None:
    qpoints = [stored(1, -50.0, verdict="unstable"), stored(3, -120.0, verdict="unstable")]
    second = [stored(3, 14.0, verdict="stable")]
    assert [mode["index"] for mode in imaginary_modes({"qpoints": qpoints, "second_opinions": second})] == [1]


@pytest.mark.parametrize(
    "point",
    [stored(1, 50.0), stored(1, -5.0, verdict="borderline"), {"index": 1, "qpoint": [0, 0, 0], "lowest_cm1": -300.0}],
)
def test_phonons_without_an_imaginary_mode_are_refused(point: dict[str, Any]) -> None:
    with pytest.raises(DistortionError, match="hold no imaginary mode with its eigenvector"):
        imaginary_modes({"qpoints": [point]})


@pytest.mark.parametrize(
    ("amplitude_ang", "gain_ev", "verdict", "reason"),
    [
        (0.15, -0.012, "lower", "space group 221 -> 140, -12.0 meV/atom"),
        (0.15, 0.012, "higher", r"space group 221 -> 140, \+12.0 meV/atom"),
        (0.15, -0.0005, "undecided", "less than 1 meV/atom decides nothing"),
        (0.003, -0.0005, "returned", "it relaxed back to the parent"),
        # The same crystal cannot have two enthalpies: the meshes of the two cells differ too much.
        (0.003, -0.012, "undecided", "k-meshes are too coarse"),
    ],
)
def test_the_verdict_on_a_relaxed_crystal(amplitude_ang: float, gain_ev: float, verdict: str, reason: str) -> None:
    relaxed = distort(PEROVSKITE, R, ABOUT_Z, amplitude_ang).structure
    enthalpies = ({"enthalpy_ev_per_atom": -10.0}, {"enthalpy_ev_per_atom": -10.0 + gain_ev})
    found, why = judge_distortion(enthalpies, (PEROVSKITE, relaxed), 1e-3, 1e-2)
    assert found == verdict
    assert re.search(reason, why)


def test_another_crystal_of_the_parents_space_group_is_another_crystal() -> None:
    """An isostructural transition: the symmetry alone would say that it returned."""
    other = PEROVSKITE.copy()
    other.scale_lattice(0.8 * PEROVSKITE.volume)
    enthalpies = ({"enthalpy_ev_per_atom": -10.0}, {"enthalpy_ev_per_atom": -10.1})
    assert judge_distortion(enthalpies, (PEROVSKITE, other), 1e-3, 1e-2)[0] == "lower"
