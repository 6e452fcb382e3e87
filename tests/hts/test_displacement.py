"""Displacement patterns: the smallest supercell of a wave, the phases of ph.x, and the symmetry that a mode leaves."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from hts.displacement import (
    DistortionError,
    commensurate_supercell,
    displacement_pattern,
    preserves_wave,
    symmetric_combination,
)
from hts.dynmat import read_dynamical_matrix
from hts.phonons import qpoint_modes
from hts.symmetry import operations

DATA = Path(__file__).parents[1] / "data" / "ph"
CUBE = Structure(Lattice.cubic(2.5), ["H"], [[0, 0, 0]])


@pytest.mark.parametrize(
    ("qpoint", "n_cells"),
    [
        ((0, 0, 0), 1),
        ((1, 0, 2), 1),
        ((0, 0, 0.5), 2),
        ((0.5, 0.5, 0), 2),
        ((-0.5, 0.5, 0.5), 2),  # eight cells along the axes
        ((1 / 3, 1 / 3, 0), 3),
        ((0.5, 1 / 3, 0), 6),
        ((0.25, 0.5, 0.75), 4),
        ((0.333333333, 0.0, 0.5), 6),  # as ph.x writes it
    ],
)
def test_the_smallest_supercell_that_a_wave_repeats_in(qpoint: tuple[float, ...], n_cells: int) -> None:
    matrix = commensurate_supercell(qpoint, 8)
    assert round(abs(np.linalg.det(matrix))) == n_cells
    assert matrix @ np.array(qpoint) == pytest.approx(np.rint(matrix @ np.array(qpoint)), abs=1e-6)


@given(st.tuples(*[st.integers(0, 11)] * 3), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_supercell_holds_every_vector_that_the_wave_repeats_over(numerators: tuple[int, ...], divisor: int) -> None:
    qpoint = np.array(numerators) / divisor
    inverse = np.linalg.inv(commensurate_supercell(qpoint, 12))
    for vector in product(range(-2, 3), repeat=3):
        phase = np.array(vector) @ qpoint
        repeats = bool(abs(phase - round(phase)) < 1e-9)
        cells = np.array(vector) @ inverse
        assert repeats is bool(np.abs(cells - np.rint(cells)).max() < 1e-9)


@pytest.mark.parametrize("qpoint", [(1 / 9, 0, 0), (0.1234, 0, 0), (0.2, 1 / 3, 0)])
def test_a_wave_that_is_too_long_or_of_no_mesh_is_refused(qpoint: tuple[float, ...]) -> None:
    with pytest.raises(DistortionError, match="repeats in no supercell of up to 8 cells; allow more atoms"):
        commensurate_supercell(qpoint, 8)


@pytest.mark.parametrize("number", [2, 3])
def test_the_phases_of_ph_x_count_lattice_vectors(number: int) -> None:
    """Rocksalt AlH at thirds of the zone, where every convention gives another matrix.

    Every atom is a centre of inversion, so that with phases exp(2 pi i q.(R + tau)) the matrix would be real. That of
    ph.x is not; with the phases of the positions taken out it is, and with the other sign of q it stays complex.
    """
    text = (DATA / "alh_333" / f"dyn{number}").read_text()
    matrix = read_dynamical_matrix(text)
    positions = np.array([[0, 0, 0], [0.5**0.5] * 3])  # of hydrogen: half the cubic edge, in lengths of a vector
    assert f"2    2 {positions[1, 0]:17.10f}" in text
    constants = matrix.force_constants_ry_bohr2
    phases = np.repeat(np.exp(2j * np.pi * positions @ matrix.qpoint_2pi_over_a), 3)
    assert np.abs(constants.imag).max() > 1e-3
    assert np.abs((phases.conj()[:, None] * constants * phases).imag).max() < 1e-7
    assert np.abs((phases[:, None] * constants * phases.conj()).imag).max() > 1e-3


def test_a_real_mode_of_ph_x_moves_neighbouring_cells_in_opposite_ways() -> None:
    """The oxygen-like hydrogens of MgAlH3 at R: the mode changes sign from each cell to the next along every axis."""
    matrix = read_dynamical_matrix((DATA / "mgalh3" / "dyn4").read_text())
    sites = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    cell = Structure(Lattice.cubic(3.5), matrix.symbols, sites)
    vector = qpoint_modes(matrix).eigenvectors[:, 0]
    supercell, moves = displacement_pattern(cell, [0.5, 0.5, 0.5], vector, 2 * np.eye(3))
    assert len(supercell) == len(moves) == 40
    assert np.linalg.norm(moves, axis=1).max() == pytest.approx(1.0)
    cells = np.rint(supercell.cart_coords / 3.5 - np.repeat(sites, 8, axis=0)).astype(int)
    sign = (-1) ** cells.sum(axis=1)
    per_atom = (moves * sign[:, None]).reshape(5, 8, 3)
    assert per_atom == pytest.approx(np.repeat(per_atom[:, :1], 8, axis=1), abs=1e-6)
    # The mass-weighted eigenvector and the displacement differ by the masses.
    motion = vector.reshape(-1, 3) / np.sqrt(matrix.masses_ry)[:, None]
    ratio = np.linalg.norm(per_atom[:, 0], axis=1) / np.linalg.norm(motion, axis=1).max()
    assert ratio == pytest.approx(np.linalg.norm(motion, axis=1) / np.linalg.norm(motion, axis=1).max() ** 2, rel=1e-3)


def test_a_complex_wave_runs_with_the_phase_of_its_lattice_vectors() -> None:
    """At q = 1/3 a chain moves as cos(2 pi n / 3): 1, -1/2, -1/2; the second atom of a cell by its own phase."""
    chain = Structure(Lattice.orthorhombic(3, 9, 9), ["H", "H"], [[0, 0, 0], [0.4, 0.5, 0]])
    wave = np.array([0, 0, 1, 0, 0, 0.5j])
    supercell, moves = displacement_pattern(chain, [1 / 3, 0, 0], wave, np.diag([3, 1, 1]))
    order = np.argsort(np.round(supercell.cart_coords[:, 0], 6))
    cells = np.arange(3)
    expected = np.stack([np.cos(2 * np.pi * cells / 3), -0.5 * np.sin(2 * np.pi * cells / 3)], axis=1).ravel()
    assert moves[order, 2] == pytest.approx(expected, abs=1e-9)
    assert moves[:, :2] == pytest.approx(0.0, abs=1e-12)


def test_an_overall_phase_changes_nothing_where_the_mode_is_real() -> None:
    _, moves = displacement_pattern(CUBE, [0, 0, 0.5], [0, 0, 1], np.diag([1, 1, 2]))
    _, turned = displacement_pattern(CUBE, [0, 0, 0.5], [0, 0, 1j], np.diag([1, 1, 2]))
    assert np.abs(turned) == pytest.approx(np.abs(moves))


@pytest.mark.parametrize(("vector", "message"), [([1, 0], r"shape \(2,\), wanted \(3,\)"), ([0, 0, 0], "is zero")])
def test_an_eigenvector_of_something_else_is_refused(vector: list[float], message: str) -> None:
    with pytest.raises(DistortionError, match=message):
        displacement_pattern(CUBE, [0, 0, 0], vector, np.eye(3))


def test_operations_that_take_a_wave_to_another_arm_are_told_apart() -> None:
    """At X of the cube 16 of the 48 rotations keep the axis, at R all do; a supercell of X keeps no others."""
    matrix = np.diag([2, 2, 2])
    rotations, _ = operations(CUBE * (2, 2, 2))
    for qpoint, kept in (([0, 0, 0.5], 16), ([0.5, 0.5, 0], 16), ([0.5, 0.5, 0.5], 48)):
        # Every rotation comes with the eight translations of the supercell.
        assert preserves_wave(rotations, np.array(qpoint), matrix).sum() == 8 * kept


@given(st.floats(0, 6.28), st.floats(0.1, 3.0))
@settings(max_examples=20, deadline=None)
def test_a_mixture_of_degenerate_modes_is_given_its_symmetry_back(angle: float, phase: float) -> None:
    """Any transverse vector at X of the cube: along an axis or a diagonal 8 operations keep it, else 4 with -1's."""
    matrix = commensurate_supercell([0, 0, 0.5], 8)
    supercell, moves = displacement_pattern(CUBE, [0, 0, 0.5], [np.cos(angle), np.sin(angle), 0], matrix)
    symmetry = operations(supercell)
    every = preserves_wave(symmetry[0], np.array([0, 0, 0.5]), matrix)
    better = symmetric_combination(supercell, moves, every, symmetry)
    along = np.round(np.abs(better[0]) / np.abs(better[0]).max(), 6)
    assert sorted(along.tolist()) in ([0, 0, 1], [0, 1, 1])
    assert better.sum(axis=0) == pytest.approx(0, abs=1e-12)
    assert np.linalg.norm(better, axis=1).max() == pytest.approx(1.0)
