"""Springs between neighbours as the force engine: at its own q-points a supercell must give their analytic modes."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import phonopy
import pytest
from pymatgen.core import Lattice, Structure
from scipy import constants

from hts.dynmat import DynamicalMatrix, read_dynamical_matrix
from hts.errors import ParseError, UserError
from hts.finite_displacement import (
    asymmetry,
    displaced_supercells,
    dynamical_matrices,
    phonopy_from_forces,
    supercell_bands,
    supercell_mesh,
)
from hts.interpolation import interpolate_phonon, phonopy_from_q2r, phonopy_yaml
from hts.phonons import fractional_qpoint, irreducible_qpoints, judge_qpoint, qpoint_modes
from hts.symmetry import rotations
from hts.units import BOHR_TO_ANG

DATA = Path(__file__).parents[1] / "data" / "ph"
SPRING_EV_ANG2 = 2.0
FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
AL4H = Structure(
    Lattice.cubic(7.3353594 * BOHR_TO_ANG),
    ["H", "Al", "Al", "Al", "Al"],
    [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)
ALH = Structure(Lattice(FCC * np.sqrt(2) * 5.503965 * BOHR_TO_ANG), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture
def fcc() -> Structure:
    return Structure(Lattice(4.0 * FCC), ["Al"], [[0, 0, 0]])


@pytest.fixture
def rocksalt() -> Structure:
    return Structure(Lattice(4.2 * FCC), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def spring_cm1(multiple: float, mass_amu: float) -> float:
    """Return the wavenumber of omega^2 = multiple K / m, from SI constants alone."""
    newton_m = multiple * SPRING_EV_ANG2 * constants.e / 1e-20
    omega = np.sqrt(abs(newton_m) / (mass_amu * constants.atomic_mass))
    return float(np.sign(multiple) * omega / (2 * np.pi * constants.c * 100))


def spring_forces(
    supercell: Structure, displaced: Structure, spring_ev_ang2: float = SPRING_EV_ANG2, cubic_ev_ang3: float = 0.0
) -> np.ndarray:
    """Return the forces (n, 3), eV/Angstrom, of central springs between nearest neighbours, straight or bent."""
    shift = displaced.frac_coords - supercell.frac_coords
    moved = (shift - np.rint(shift)) @ supercell.lattice.matrix
    bond_ang = supercell.distance_matrix[0, 1:].min()
    forces = np.zeros((len(supercell), 3))
    for index, neighbours in enumerate(supercell.get_all_neighbors(1.01 * bond_ang)):
        for neighbour in neighbours:
            along = (neighbour.coords - supercell[index].coords) / bond_ang
            stretch = along @ (moved[neighbour.index] - moved[index])
            forces[index] += (spring_ev_ang2 * stretch + cubic_ev_ang3 * stretch**2) * along
    return forces


def matrices_of(
    structure: Structure, mesh: Sequence[int], displacement_ang: float = 0.01, **engine: float
) -> dict[int, DynamicalMatrix]:
    plan = displaced_supercells(structure, mesh, displacement_ang)
    forces = [spring_forces(plan.supercell, displaced, **engine) for displaced in plan.structures]
    phonon = phonopy_from_forces(structure, mesh, plan.dataset, forces)
    return dynamical_matrices(phonon, structure, mesh)


def test_symmetry_leaves_one_displacement_an_element(fcc: Structure, rocksalt: Structure) -> None:
    for structure, kinds in ((fcc, 1), (rocksalt, 2)):
        plan = displaced_supercells(structure, [2, 2, 2], 0.02)
        assert len(plan.structures) == kinds
        assert len(plan.supercell) == 8 * len(structure)
        for displaced in plan.structures:
            apart = displaced.frac_coords - plan.supercell.frac_coords
            lengths = np.linalg.norm((apart - np.rint(apart)) @ plan.supercell.lattice.matrix, axis=1)
            assert np.sort(lengths)[-2:] == pytest.approx([0, 0.02], abs=1e-9)


def test_fcc_springs_at_gamma_x_and_l(fcc: Structure) -> None:
    """The sum over 12 bonds by hand: M omega^2 / K is 4, 4, 8 at X and 2, 2, 8 at L."""
    matrices = matrices_of(fcc, [2, 2, 2])
    assert len(matrices) == 3
    gamma = qpoint_modes(matrices[1])
    assert gamma.frequencies_cm1.size == 0 and gamma.translations_cm1 == pytest.approx([0, 0, 0], abs=1e-3)
    found = {}
    for index in (2, 3):
        qpoint = fractional_qpoint(matrices[index].qpoint_2pi_over_a, fcc.lattice.matrix)
        # X has two halves among its fractions, L one or three.
        found["X" if np.count_nonzero(qpoint) == 2 else "L"] = matrices[index]
    for name, multiples, size in (("X", [4, 4, 8], 3), ("L", [2, 2, 8], 4)):
        frequencies = qpoint_modes(found[name]).frequencies_cm1
        assert frequencies == pytest.approx([spring_cm1(factor, 26.9815386) for factor in multiples], rel=1e-6)
        assert found[name].printed_frequencies_cm1 == pytest.approx(frequencies, rel=1e-9)
        assert found[name].star_size == size


def test_a_finer_mesh_against_the_sum_over_bonds(fcc: Structure) -> None:
    """D(q) = K sum of n n (1 - cos q R), complex phases included: a 3x3x3 supercell is exact at every third."""
    mesh = [3, 3, 3]
    matrices = matrices_of(fcc, mesh)
    qpoints = irreducible_qpoints(rotations(fcc), mesh)
    assert len(matrices) == len(qpoints)
    assert sum(matrix.star_size for matrix in matrices.values()) == 27
    bonds = np.array([neighbour.coords for neighbour in fcc.get_neighbors(fcc[0], 2.9)])
    along = bonds / np.linalg.norm(bonds, axis=1)[:, None]
    reciprocal = 2 * np.pi * np.linalg.inv(fcc.lattice.matrix).T
    for index, fraction in enumerate(qpoints, start=1):
        weights = 1 - np.cos(bonds @ (fraction @ reciprocal))
        multiples = np.linalg.eigvalsh(np.einsum("b,bi,bj->ij", weights, along, along))
        expected = [spring_cm1(max(value, 0.0), 26.9815386) for value in multiples]
        assert matrices[index].printed_frequencies_cm1 == pytest.approx(expected, rel=1e-6, abs=1e-3)


def test_rocksalt_springs_have_the_optical_mode_of_the_reduced_mass(rocksalt: Structure) -> None:
    """Two springs along each axis: omega^2 = 2 K / mu at Gamma; at L each element vibrates alone, 2 K / m."""
    matrices = matrices_of(rocksalt, [2, 2, 2])
    reduced = 1 / (1 / 26.9815386 + 1 / 1.00794)
    gamma = qpoint_modes(matrices[1])
    assert gamma.frequencies_cm1 == pytest.approx([spring_cm1(2, reduced)] * 3, rel=1e-6)
    assert gamma.translations_cm1 == pytest.approx([0, 0, 0], abs=1e-2)
    corner = next(m for m in matrices.values() if m.star_size == 4)
    expected = [spring_cm1(2, 26.9815386)] * 3 + [spring_cm1(2, 1.00794)] * 3
    assert qpoint_modes(corner).frequencies_cm1 == pytest.approx(expected, rel=1e-6)
    weights = (np.abs(qpoint_modes(corner).eigenvectors[:, 0]) ** 2).reshape(2, 3).sum(axis=1)
    assert weights == pytest.approx([1, 0], abs=1e-6)
    assert asymmetry(matrices.values()) < 1e-6


def test_springs_that_push_are_unstable(fcc: Structure) -> None:
    matrices = matrices_of(fcc, [2, 2, 2], spring_ev_ang2=-SPRING_EV_ANG2)
    verdicts = {index: judge_qpoint(qpoint_modes(matrix), -20, 50) for index, matrix in matrices.items()}
    assert [verdicts[index].verdict for index in (1, 2, 3)] == ["stable", "unstable", "unstable"]
    assert verdicts[2].lowest_cm1 == pytest.approx(spring_cm1(-8, 26.9815386), rel=1e-6)


def test_the_opposite_displacement_removes_the_third_order() -> None:
    """A chain along c whose springs harden when pulled, in a polar cell that has no inversion."""
    chain = Structure(Lattice.tetragonal(6.0, 3.5), ["Al", "H"], [[0, 0, 0], [0, 0, 0.45]])
    straight, bent = (matrices_of(chain, [1, 1, 2], cubic_ev_ang3=cubic) for cubic in (0.0, 5.0))
    # Each of the two elements one way and the other.
    assert len(displaced_supercells(chain, [1, 1, 2], 0.01).structures) == 4
    for index, matrix in straight.items():
        expected = matrix.printed_frequencies_cm1
        assert bent[index].printed_frequencies_cm1 == pytest.approx(expected, rel=1e-6, abs=0.05)


def test_forces_that_were_there_before_drop_out() -> None:
    """What a relaxation left along the free parameter of a polar crystal, and a push on the whole supercell."""
    chain = Structure(Lattice.tetragonal(6.0, 3.5), ["Al", "H"], [[0, 0, 0], [0, 0, 0.45]])
    mesh = [1, 1, 2]
    plan = displaced_supercells(chain, mesh, 0.01)
    clean = [spring_forces(plan.supercell, displaced) for displaced in plan.structures]
    residual = np.array([[0, 0, 0.02 if site.specie.symbol == "H" else -0.02] for site in plan.supercell])
    dirty = [forces + residual + np.array([0.01, -0.02, 0.03]) for forces in clean]
    found = [phonopy_from_forces(chain, mesh, plan.dataset, forces) for forces in (clean, dirty)]
    assert found[1].force_constants == pytest.approx(found[0].force_constants, abs=1e-10)


@pytest.mark.parametrize("case", ["al4h", "alh_333"])
def test_matrices_are_those_of_ph_x(case: str) -> None:
    """Recorded force constants give the recorded matrices: units, numbering, sign of q and phases, complex ones too."""
    crystal = {"al4h": AL4H, "alh_333": ALH}[case]
    text = gzip.decompress((DATA / case / "force_constants.gz").read_bytes()).decode()
    phonon = phonopy_from_q2r(text, crystal, acoustic_sum_rule=False)
    matrices = dynamical_matrices(phonon, crystal, {"al4h": [2, 2, 2], "alh_333": [3, 3, 3]}[case])
    assert list(matrices) == [1, 2, 3, 4]
    for index, matrix in matrices.items():
        recorded = read_dynamical_matrix((DATA / case / f"dyn{index}").read_text())
        # -1/2 and 1/2 are the same point of the zone boundary.
        cell = crystal.lattice.matrix
        apart = fractional_qpoint(matrix.qpoint_2pi_over_a - recorded.qpoint_2pi_over_a, cell)
        assert apart == pytest.approx(np.rint(apart), abs=1e-8)
        assert matrix.force_constants_ry_bohr2 == pytest.approx(recorded.force_constants_ry_bohr2, abs=1e-9)
        assert matrix.star_size == recorded.star_size
        assert matrix.symbols == recorded.symbols
        # Standard atomic weights differ by 6e-5 between AiiDA and phonopy (H 1.008 and 1.00794).
        assert matrix.masses_ry == pytest.approx(recorded.masses_ry, rel=1e-4)


def test_springs_in_rydberg_units(rocksalt: Structure) -> None:
    """K on the diagonal is that of two springs along each axis; 1 Ry/bohr^2 is 48.587 eV/Angstrom^2."""
    matrix = matrices_of(rocksalt, [1, 1, 1])[1]
    assert matrix.force_constants_ry_bohr2[0, 0].real == pytest.approx(2 * SPRING_EV_ANG2 / 48.587, rel=1e-4)


def test_own_masses_move_the_frequencies(rocksalt: Structure) -> None:
    plan = displaced_supercells(rocksalt, [1, 1, 1], 0.01)
    forces = [spring_forces(plan.supercell, displaced) for displaced in plan.structures]
    phonon = phonopy_from_forces(rocksalt, [1, 1, 1], plan.dataset, forces, masses_amu=[26.98, 2.014])
    deuteride = dynamical_matrices(phonon, rocksalt, [1, 1, 1])[1]
    assert qpoint_modes(deuteride).frequencies_cm1[0] == pytest.approx(
        spring_cm1(2, 1 / (1 / 26.98 + 1 / 2.014)), rel=1e-6
    )


def test_yaml_gives_back_the_same_phonons(rocksalt: Structure, tmp_path: Path) -> None:
    mesh = [2, 2, 2]
    plan = displaced_supercells(rocksalt, mesh, 0.01)
    forces = [spring_forces(plan.supercell, displaced) for displaced in plan.structures]
    phonon = phonopy_from_forces(rocksalt, mesh, plan.dataset, forces, masses_amu=[26.98, 2.014])
    path = tmp_path / "phonopy.yaml"
    path.write_text(phonopy_yaml(phonon, force_sets=True))
    loaded = phonopy.load(path, is_nac=False, produce_fc=False)
    assert loaded.forces == pytest.approx(phonon.forces, abs=1e-9)
    again = dynamical_matrices(loaded, rocksalt, mesh)
    for index, matrix in dynamical_matrices(phonon, rocksalt, mesh).items():
        expected = matrix.printed_frequencies_cm1
        assert again[index].printed_frequencies_cm1 == pytest.approx(expected, rel=1e-7, abs=1e-2)


def test_interpolation_of_springs(fcc: Structure) -> None:
    """Nearest neighbours fit into a 2x2x2 supercell only folded, so that X and L on the path are exact, and no more."""
    plan = displaced_supercells(fcc, [2, 2, 2], 0.01)
    forces = [spring_forces(plan.supercell, displaced) for displaced in plan.structures]
    phonon = phonopy_from_forces(fcc, [2, 2, 2], plan.dataset, forces)
    result = interpolate_phonon(phonon, fcc, 8)
    highest = {name: result.frequencies_thz[index].max() for index, name in result.labels}
    top_thz = spring_cm1(8, 26.9815386) * constants.c * 100 / 1e12
    assert highest["X"] == pytest.approx(top_thz, rel=1e-5) and highest["L"] == pytest.approx(top_thz, rel=1e-5)
    assert result.lowest_cm1 > -1
    assert result.zero_point_ev_per_atom is not None and result.zero_point_ev_per_atom > 0


def test_force_sets_that_do_not_fit_are_refused(fcc: Structure) -> None:
    plan = displaced_supercells(fcc, [2, 2, 2], 0.01)
    good = spring_forces(plan.supercell, plan.structures[0])
    with pytest.raises(ParseError, match="forces of 0 supercells"):
        phonopy_from_forces(fcc, [2, 2, 2], plan.dataset, [])
    with pytest.raises(ParseError, match="forces of 1 supercells with 8 atoms found, 1 with 27"):
        phonopy_from_forces(fcc, [3, 3, 3], plan.dataset, [good])
    with pytest.raises(ParseError, match=r"forces of shape \(7, 3\)"):
        phonopy_from_forces(fcc, [2, 2, 2], plan.dataset, [good[:-1]])
    with pytest.raises(ParseError, match="8 x 3 finite numbers"):
        phonopy_from_forces(fcc, [2, 2, 2], plan.dataset, [np.full_like(good, np.nan)])
    with pytest.raises(UserError, match="wanted a positive length"):
        displaced_supercells(fcc, [2, 2, 2], 0.0)


@pytest.mark.parametrize(
    ("kpoints", "qpoints", "expected"),
    [([8, 8, 8], [2, 2, 2], (4, 4, 4)), ([6, 6, 3], [2, 2, 2], (3, 3, 2)), ([1, 1, 1], [3, 3, 3], (1, 1, 1))],
)
def test_supercell_mesh(kpoints: list[int], qpoints: list[int], expected: tuple[int, int, int]) -> None:
    assert supercell_mesh(kpoints, qpoints) == expected


@pytest.mark.parametrize(
    ("electrons", "qpoints", "expected"),
    # pw.x for one cell of Al: 1.5 bands are filled, which makes 2, and four more; for AlH 2 and four more.
    [(3, [1, 1, 1], 6), (4, [1, 1, 1], 6), (4, [2, 2, 2], 28), (13, [3, 3, 3], 212)],
)
def test_supercell_bands(electrons: float, qpoints: list[int], expected: int) -> None:
    assert supercell_bands(electrons, qpoints) == expected
