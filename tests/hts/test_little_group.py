"""Little groups against what ph.x prints of the same q-points, and against textbook characters."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from hts.dynmat import read_dynamical_matrix
from hts.little_group import little_group
from hts.phonons import fractional_qpoint, qpoint_modes
from tests.hts.test_partial_dynmat import ALH, DATA

PEROVSKITE = Structure(
    Lattice.cubic(4.0),
    ["Al", "Al", "Al", "Al", "H"],
    [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5] * 3],
)


# ph.x 6.7 printed A_1, E, A_1, E; E, A_1, E, A_1; and B_2, A_1, B_1, B_2, B_1, A_1 (B_1 and B_2 depend on which of the
# two mirror planes is called the first).
@pytest.mark.parametrize(
    ("index", "labels"),
    [
        (2, ["A1 (3m)", "E (3m)", "A1 (3m)", "E (3m)"]),
        (3, ["E (4mm)", "A1 (4mm)", "E (4mm)", "A1 (4mm)"]),
        (4, ["B1 (mm2)", "A1 (mm2)", "B2 (mm2)", "B1 (mm2)", "B2 (mm2)", "A1 (mm2)"]),
    ],
)
def test_names_of_modes_are_those_of_ph_x(index: int, labels: list[str]) -> None:
    matrix = read_dynamical_matrix((DATA / f"dyn{index}").read_text())
    group = little_group(ALH, fractional_qpoint(matrix.qpoint_2pi_over_a, ALH.lattice.matrix))
    modes = qpoint_modes(matrix)
    found = []
    start = 0
    while start < 6:
        end = start + int((np.abs(modes.frequencies_cm1[start:] - modes.frequencies_cm1[start]) < 1).sum())
        found.append(group.mulliken_label(modes.eigenvectors[:, start:end]))
        start = end
    assert found == labels


@pytest.mark.parametrize(
    ("qpoint", "order", "antiunitary"),
    [
        ((0, 0, 0), 48, 48),
        ((0.5, 0.5, 0.5), 48, 48),
        ((0.5, 0, 0), 16, 16),
        ((0.25, 0, 0), 8, 8),
        ((0.1, 0.2, 0.3), 1, 1),
    ],
)
def test_orders_in_a_cubic_crystal(qpoint: tuple[float, ...], order: int, antiunitary: int) -> None:
    group = little_group(PEROVSKITE, qpoint)
    assert (len(group.unitary), len(group.antiunitary)) == (order, antiunitary)
    size = 3 * len(PEROVSKITE)
    for matrix in group.unitary:
        np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(size), atol=1e-9)


def test_the_matrices_multiply_as_the_group_does() -> None:
    """Up to a phase, which is 1 here: the group is symmorphic."""
    group = little_group(PEROVSKITE, (0.5, 0.5, 0))
    for first, one in zip(group.rotations, group.unitary, strict=True):
        for second, other in zip(group.rotations[:4], group.unitary[:4], strict=True):
            product = next(
                matrix
                for rotation, matrix in zip(group.rotations, group.unitary, strict=True)
                if np.array_equal(rotation, first @ second)
            )
            np.testing.assert_allclose(one @ other, product, atol=1e-9)


def test_the_average_is_a_projection() -> None:
    group = little_group(PEROVSKITE, (0.5, 0, 0))
    random = np.random.default_rng(1)
    matrix = random.normal(size=(15, 15)) + 1j * random.normal(size=(15, 15))
    once = group.symmetrised(matrix)
    np.testing.assert_allclose(group.symmetrised(once), once, atol=1e-12)
    np.testing.assert_allclose(once, once.conj().T, atol=1e-12)


def test_two_sets_that_coincide_have_no_name() -> None:
    matrix = read_dynamical_matrix((DATA / "dyn3").read_text())
    group = little_group(ALH, fractional_qpoint(matrix.qpoint_2pi_over_a, ALH.lattice.matrix))
    assert group.mulliken_label(qpoint_modes(matrix).eigenvectors[:, :3]) is None  # E and A1


def test_a_projective_representation_has_no_name() -> None:
    """At A of the hcp structure (P6_3/mmc, non-symmorphic) all modes pair up, for no point group's sake."""
    hcp = Structure(Lattice.hexagonal(3.2, 5.2), ["Mg", "Mg"], [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])
    group = little_group(hcp, (0, 0, 0.5))
    random = np.random.default_rng(2)
    vectors = np.linalg.eigh(group.symmetrised(random.normal(size=(6, 6)) + 0j))[1]
    assert group.mulliken_label(vectors[:, :2]) is None
