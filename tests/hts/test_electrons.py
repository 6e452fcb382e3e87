"""Meshes and densities of states against textbook limits."""

import itertools

import numpy as np
import pytest

from hts.electrons import (
    band_gap_ev,
    delta_function,
    denser_mesh,
    fermi_dos,
    full_kpoint_list,
    is_metal,
    kpoint_mesh,
    smear_dos,
    tetrahedron_dos,
    unfold_eigenvalues,
)
from hts.errors import UserError

# hbar^2 / 2m in eV Angstrom^2 (CODATA 2018).
HBAR2_OVER_2M = 3.80998211
FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def _reciprocal(cell: np.ndarray) -> np.ndarray:
    return 2 * np.pi * np.linalg.inv(cell).T


def _empty_lattice(cell: np.ndarray, mesh: tuple[int, int, int], bands: int) -> np.ndarray:
    """Lowest bands of free electrons, (n1, n2, n3, bands) in eV."""
    shifts = np.array(list(itertools.product(range(-2, 3), repeat=3)))
    points = full_kpoint_list(mesh)
    vectors = (points[:, None, :] + shifts[None]) @ _reciprocal(cell)
    energies = np.sort(HBAR2_OVER_2M * (vectors**2).sum(axis=2), axis=1)[:, :bands]
    return energies.reshape(*mesh, bands)


def _cubic_band(points: np.ndarray) -> np.ndarray:
    """Return the s band of a simple cubic lattice, -2 sum cos k."""
    return -2 * np.cos(2 * np.pi * points).sum(axis=-1)


def test_meshes_of_known_systems() -> None:
    """0.27 1/Angstrom gives Al4H (simple cubic, 4.009 A) 6^3 and H3S (bcc, 2.984 A) 12^3, both multiples of q = 2."""
    assert kpoint_mesh(4.009 * np.eye(3), 0.27, (2, 2, 2)) == (6, 6, 6)
    bcc = 2.984 / 2 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    assert kpoint_mesh(bcc, 0.27, (2, 2, 2)) == (12, 12, 12)
    assert kpoint_mesh(np.diag([1.0, 1.0, 100.0]), 2 * np.pi) == (1, 1, 1)
    assert denser_mesh((6, 6, 6), (2, 2, 2)) == (8, 8, 8)
    assert denser_mesh((6, 6, 1)) == (7, 7, 2)
    with pytest.raises(UserError):
        kpoint_mesh(np.eye(3), 0.0)


def test_full_list_has_the_third_index_fastest() -> None:
    points = full_kpoint_list((2, 1, 2))
    assert points.tolist() == [[0, 0, 0], [0, 0, 0.5], [0.5, 0, 0], [0.5, 0, 0.5]]


def test_dos_of_free_electrons() -> None:
    """N(E) = 3 n / 4 E per spin (Ashcroft & Mermin, eq. 2.65) for fcc aluminium's cell and 3 electrons."""
    cell = 4.05 * FCC
    fermi = HBAR2_OVER_2M * (3 * np.pi**2 * 3 / abs(np.linalg.det(cell))) ** (2 / 3)
    assert fermi == pytest.approx(11.65, abs=0.05)
    energies = np.array([2.0, 4.0, fermi])
    exact = 0.75 * 3 / fermi * np.sqrt(energies / fermi)
    # Band crossings, of which an empty lattice is full, cost 6 % at E_F on 16^3 points and 0.3 % on 32^3.
    fine = _empty_lattice(cell, (32, 32, 32), 4)
    assert tetrahedron_dos(fine, energies, _reciprocal(cell)) == pytest.approx(exact, rel=0.01)
    medium = _empty_lattice(cell, (24, 24, 24), 4)
    assert fermi_dos(medium, _reciprocal(cell), fermi, 0.2) == pytest.approx(exact[2], rel=0.02)


@pytest.mark.parametrize("lattice", [np.eye(3), _reciprocal(FCC), np.diag([1.0, 3.0, 0.2])])
def test_each_band_integrates_to_one(lattice: np.ndarray) -> None:
    grid = _cubic_band(full_kpoint_list((8, 8, 8))).reshape(8, 8, 8, 1)
    grid = np.concatenate([grid, 0.3 * grid + 2], axis=3)
    energies = np.linspace(-6.5, 6.5, 6001)
    dos = tetrahedron_dos(grid, energies, lattice)
    assert np.all(dos >= 0)
    assert np.trapezoid(dos, energies) == pytest.approx(2, rel=2e-3)
    assert dos[0] == dos[-1] == 0


def test_flat_band_keeps_its_weight() -> None:
    energies = np.linspace(-5e-6, 5e-6, 4001)
    dos = tetrahedron_dos(np.zeros((3, 3, 3, 1)), energies, np.eye(3))
    assert np.trapezoid(dos, energies) == pytest.approx(1, rel=1e-2)


def _fcc_rotations() -> np.ndarray:
    signed = [
        np.array([[sign * (column == place) for column in range(3)] for place, sign in zip(order, signs, strict=True)])
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    # Lattice vectors are rows here: columns of FCC.T.
    return np.array([np.rint(np.linalg.inv(FCC.T) @ matrix @ FCC.T) for matrix in signed])


def test_unfolding_gives_the_full_mesh_back() -> None:
    mesh = (6, 6, 6)
    full = _empty_lattice(FCC, mesh, 3)
    points = full_kpoint_list(mesh)
    rotations = _fcc_rotations()
    wedge: dict[tuple[int, ...], int] = {}
    for index, point in enumerate(points):
        images = np.concatenate([point @ rotations, -point @ rotations])
        key = min(tuple(row) for row in np.rint(images * 6).astype(int) % 6)
        wedge.setdefault(key, index)
    chosen = list(wedge.values())
    assert len(chosen) == 16
    found = unfold_eigenvalues(points[chosen] - 1.0, full.reshape(-1, 3)[chosen], rotations, mesh)
    assert found == pytest.approx(full)
    with pytest.raises(UserError, match="image"):
        unfold_eigenvalues(points[chosen], full.reshape(-1, 3)[chosen], np.eye(3)[None], mesh)
    with pytest.raises(UserError, match="not on"):
        unfold_eigenvalues(np.array([[0.1, 0, 0]]), np.zeros((1, 3)), rotations, mesh)


@pytest.mark.parametrize("order", [0, 1])
def test_smearing_keeps_a_line_and_shifts_a_parabola_as_it_must(order: int) -> None:
    """Order 0 adds sigma^2 / 2 to x^2; order 1 adds nothing up to x^3 (Methfessel & Paxton 1989)."""
    x = np.linspace(-2, 2, 4001)
    sigma = 0.1
    assert np.trapezoid(delta_function(x, sigma, order), x) == pytest.approx(1)
    assert smear_dos(x, 1 + x, 0.2, sigma, order) == pytest.approx(1.2)
    assert smear_dos(x, x**2, 0.0, sigma, order) == pytest.approx(sigma**2 / 2 if order == 0 else 0, abs=1e-9)


def test_smearing_wants_range_and_resolution() -> None:
    x = np.linspace(-1, 1, 201)
    for e0, sigma, order in ((0.9, 0.1, 1), (0.0, 0.01, 1), (0.0, 0.1, 2), (0.0, -0.1, 1)):
        with pytest.raises(UserError):
            smear_dos(x, x, e0, sigma, order)


def test_gap_and_metal() -> None:
    bands = np.array([[0.0, 2.0, 5.0], [0.5, 1.5, 5.0]])
    assert band_gap_ev(bands, 2) == pytest.approx(1.0)
    assert not is_metal(bands, 2)
    assert is_metal(bands, 3)
    assert band_gap_ev(np.array([[0.0, 2.0], [2.5, 3.0]]), 2) == 0
    with pytest.raises(UserError, match="nbnd"):
        band_gap_ev(bands, 6)
