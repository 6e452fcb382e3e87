"""Leaving q-points out: exact where it must be, springs whose error is known by hand, and real force constants."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from hts.dynmat import DynamicalMatrix, read_dynamical_matrix, read_qpoint_list
from hts.interpolation import phonopy_from_q2r
from hts.phonon_leave_out import LeaveOut, compare_at, fold_onto, leave_out, off_mesh_qpoint, proper_sub_mesh
from hts.phonons import fractional_qpoint, irreducible_qpoints
from hts.symmetry import rotations
from hts.units import BOHR_TO_ANG, CM1_PER_RY, CM1_PER_THZ, RY_MASS_PER_AMU

DATA = Path(__file__).parents[1] / "data"
AL_MASS_AMU = 26.9815385
FCC = [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
# The cells that pw.x makes of ibrav 2 and 3.
FCC_OF_PW_X = [[-0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [-0.5, 0.5, 0.0]]
BCC_OF_PW_X = [[0.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [-0.5, -0.5, 0.5]]


def one_atom(vectors: list[list[float]], edge_ang: float) -> Structure:
    return Structure(Lattice(edge_ang * np.array(vectors)), ["Al"], [[0, 0, 0]])


@pytest.fixture(scope="module")
def simple_cubic() -> Structure:
    return one_atom([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 4.0)


@pytest.fixture(scope="module")
def aluminium() -> Structure:
    return one_atom(FCC, 3.944)


def recorded_force_constants(case: str) -> str:
    return gzip.decompress((DATA / case / "force_constants.gz").read_bytes()).decode()


@pytest.fixture(scope="module")
def al_force_constants() -> str:
    return recorded_force_constants("q2r/al_444")


@pytest.fixture(scope="module")
def al_matrices() -> list[DynamicalMatrix]:
    """Return what ph.x found at the eight irreducible q-points of the 4x4x4 mesh."""
    return [read_dynamical_matrix((DATA / "q2r" / "al_444" / f"dyn{i}").read_text()) for i in range(1, 9)]


@pytest.fixture(scope="module")
def al_left_out(al_force_constants: str, aluminium: Structure, al_matrices: list[DynamicalMatrix]) -> LeaveOut:
    qpoints = [fractional_qpoint(each.qpoint_2pi_over_a, aluminium.lattice.matrix) for each in al_matrices]
    frequencies = [each.printed_frequencies_cm1.tolist() for each in al_matrices]
    return leave_out(al_force_constants, aluminium, qpoints, frequencies)


def springs(near: float, second: float, mesh: int) -> str:
    """Write force constants (Ry/bohr^2) of a simple cubic crystal as q2r.x does.

    Every atom hangs on those at a and at 2a along the axes by springs without direction.
    """
    constants = np.zeros((mesh, mesh, mesh))
    for axis in range(3):
        for reach, spring in ((1, near), (2, second)):
            for step in (reach, -reach):
                cell = [0, 0, 0]
                cell[axis] = step % mesh
                constants[tuple(cell)] -= spring
                constants[0, 0, 0] += spring
    lines = ["1 1 1 7.55890 0 0 0 0 0", f"1 'Al ' {AL_MASS_AMU * RY_MASS_PER_AMU}", "1 1 0.0 0.0 0.0", "F"]
    lines.append(f"{mesh} {mesh} {mesh}")
    for first in range(3):
        for second_axis in range(3):
            lines.append(f"{first + 1} {second_axis + 1} 1 1")
            for z, y, x in np.ndindex(mesh, mesh, mesh):
                value = constants[x, y, z] if first == second_axis else 0.0
                lines.append(f"{x + 1} {y + 1} {z + 1} {value:.11E}")
    return "\n".join(lines) + "\n"


def springs_cm1(near: float, second: float, qpoint: np.ndarray) -> float:
    """Return the threefold frequency: M omega^2 = sum over axes of 2 k1 (1 - cos 2 pi q) + 2 k2 (1 - cos 4 pi q)."""
    stiffness = (2 * near * (1 - np.cos(2 * np.pi * qpoint)) + 2 * second * (1 - np.cos(4 * np.pi * qpoint))).sum()
    return float(np.sign(stiffness) * np.sqrt(abs(stiffness) / (AL_MASS_AMU * RY_MASS_PER_AMU)) * CM1_PER_RY)


def springs_left_out(near: float, second: float, crystal: Structure) -> LeaveOut:
    qpoints = irreducible_qpoints(rotations(crystal), [4, 4, 4])
    computed = [[springs_cm1(near, second, qpoint)] * 3 for qpoint in qpoints]
    return leave_out(springs(near, second, 4), crystal, qpoints, computed)


@pytest.mark.parametrize(
    ("mesh", "sub_mesh"),
    [
        ((4, 4, 4), (2, 2, 2)), ((6, 6, 6), (3, 3, 3)), ((8, 8, 8), (4, 4, 4)), ((9, 9, 9), (3, 3, 3)),
        ((4, 4, 2), (2, 2, 2)), ((4, 4, 1), (2, 2, 1)), ((6, 6, 5), (3, 3, 5)),
        ((2, 2, 2), None), ((3, 3, 3), None), ((5, 5, 5), None), ((1, 1, 1), None),
    ],
)  # fmt: skip
def test_sub_meshes(mesh: tuple[int, int, int], sub_mesh: tuple[int, int, int] | None) -> None:
    assert proper_sub_mesh(mesh) == sub_mesh


@pytest.mark.parametrize("sub_mesh", [(2, 2, 2), (2, 4, 1), (1, 1, 1)])
def test_folding_is_exact_on_the_sub_mesh(
    al_force_constants: str, aluminium: Structure, sub_mesh: tuple[int, int, int]
) -> None:
    whole = phonopy_from_q2r(al_force_constants, aluminium, acoustic_sum_rule=False)
    folded = fold_onto(whole, sub_mesh)
    for index in np.ndindex(*sub_mesh):
        qpoint = np.array(index) / np.array(sub_mesh)
        wanted = whole.get_dynamical_matrix_at_q(qpoint)
        assert folded.get_dynamical_matrix_at_q(qpoint) == pytest.approx(wanted, abs=1e-13)
        assert np.abs(wanted).max() > 1e-6 or not any(index)


@pytest.mark.parametrize("sub_mesh", [(3, 3, 1), (1, 3, 1)])
def test_folding_of_a_crystal_with_two_atoms(sub_mesh: tuple[int, int, int]) -> None:
    """AlH on 3x3x3, by ph.x and q2r.x."""
    text = recorded_force_constants("ph/alh_333")
    edge_ang = 5.5039650 * np.sqrt(2) * BOHR_TO_ANG
    alh = Structure(Lattice(edge_ang * np.array(FCC)), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    whole = phonopy_from_q2r(text, alh, acoustic_sum_rule=False)
    folded = fold_onto(whole, sub_mesh)
    for index in np.ndindex(*sub_mesh):
        qpoint = np.array(index) / np.array(sub_mesh)
        wanted = whole.get_dynamical_matrix_at_q(qpoint)
        assert folded.get_dynamical_matrix_at_q(qpoint) == pytest.approx(wanted, abs=1e-13)
    between = np.array([0.1, 0.2, 0.3])
    apart = folded.get_dynamical_matrix_at_q(between) - whole.get_dynamical_matrix_at_q(between)
    assert np.abs(apart).max() > 1e-7


@pytest.mark.parametrize(("case", "index"), [("al_l", 2), ("al_x", 3)])
def test_folded_force_constants_are_those_of_the_sub_mesh_alone(
    al_force_constants: str, aluminium: Structure, case: str, index: int
) -> None:
    """Against ph.x runs of their own on 2x2x2."""
    matrix = read_dynamical_matrix((DATA / "ph_simple" / case / "DYN_MAT" / f"dynamical-matrix-{index}").read_text())
    folded = fold_onto(phonopy_from_q2r(al_force_constants, aluminium, acoustic_sum_rule=False), (2, 2, 2))
    qpoint = fractional_qpoint(matrix.qpoint_2pi_over_a, aluminium.lattice.matrix)
    folded.run_qpoints([qpoint])
    found = np.array(folded.get_qpoints_dict()["frequencies"][0]) * CM1_PER_THZ
    assert found == pytest.approx(matrix.printed_frequencies_cm1, abs=0.05)


def test_springs_that_reach_one_cell_are_interpolated_exactly(simple_cubic: Structure) -> None:
    result = springs_left_out(0.02, 0.0, simple_cubic)
    assert result.sub_mesh == (2, 2, 2)
    # 64 points but for the eight of the sub-mesh; ten are irreducible, four of them on it.
    assert len(result.points) == 6
    assert sum(point.star_size for point in result.points) == 56
    assert result.max_cm1 == pytest.approx(0.0, abs=1e-4)
    assert result.sum_rule_cm1 == pytest.approx(0.0, abs=1e-4)


def test_springs_that_reach_two_cells_are_lost_on_the_sub_mesh(simple_cubic: Structure) -> None:
    """On 2x2x2 an atom at 2a is the atom itself: the sub-mesh interpolates as if those springs were not there."""
    near, second = 0.02, 0.005
    result = springs_left_out(near, second, simple_cubic)
    apart = []
    for point in result.points:
        qpoint = np.array(point.qpoint)
        wanted = springs_cm1(near, 0.0, qpoint) - springs_cm1(near, second, qpoint)
        assert point.lowest_interpolated_cm1 - point.lowest_cm1 == pytest.approx(wanted, abs=1e-3)
        assert [point.max_cm1, point.rms_cm1] == pytest.approx([abs(wanted)] * 2, abs=1e-3)
        apart += [wanted] * point.star_size
    # At (1/4 0 0): sqrt(2 k1) against sqrt(2 k1 + 4 k2).
    first = result.points[0]
    assert first.qpoint == (0.0, 0.0, 0.25)
    assert first.lowest_interpolated_cm1 / first.lowest_cm1 == pytest.approx(np.sqrt(0.04 / 0.06), rel=1e-5)
    assert result.max_cm1 == pytest.approx(np.abs(apart).max(), abs=1e-3)
    assert result.rms_cm1 == pytest.approx(np.sqrt(np.mean(np.square(apart))), abs=1e-3)
    assert result.sum_rule_cm1 == pytest.approx(0.0, abs=1e-4)
    assert not any(point.sign_flips for point in result.points)


def test_an_instability_that_the_sub_mesh_does_not_see(simple_cubic: Structure) -> None:
    result = springs_left_out(0.02, -0.012, simple_cubic)
    flipped = {point.qpoint for point in result.points if point.sign_flips}
    assert (0.0, 0.0, 0.25) in flipped
    for point in result.points:
        assert point.sign_flips is (springs_cm1(0.02, -0.012, np.array(point.qpoint)) < 0)
        assert point.lowest_interpolated_cm1 > 0


def test_aluminium_on_444(al_left_out: LeaveOut) -> None:
    """ph.x and q2r.x, LDA, 15 Ry, k 8x8x8: a 2x2x2 mesh is good to 11 cm-1, at worst 20 of 300."""
    assert al_left_out.sub_mesh == (2, 2, 2) and al_left_out.reason is None
    assert [point.star_size for point in al_left_out.points] == [8, 6, 24, 12, 6]
    assert al_left_out.max_cm1 == pytest.approx(19.85, abs=0.05)
    assert al_left_out.rms_cm1 == pytest.approx(10.98, abs=0.05)
    # The mesh itself interpolates nothing there; its last digits and the mass of Al are all that differs.
    assert al_left_out.sum_rule_cm1 == pytest.approx(0.0, abs=0.02)
    assert not any(point.sign_flips for point in al_left_out.points)


def test_what_a_sum_rule_adds_is_told_apart(
    al_force_constants: str, aluminium: Structure, al_matrices: list[DynamicalMatrix]
) -> None:
    """An on-site constant more, as ``zasr`` takes away, shifts every squared frequency alike."""
    lines = al_force_constants.splitlines()
    shift = 0.002
    for axis in "123":
        row = next(i for i, line in enumerate(lines) if line.split() == [axis, axis, "1", "1"]) + 1
        place, value = lines[row].rsplit(maxsplit=1)
        lines[row] = f"{place} {float(value) + shift:.11E}"
    qpoints = [fractional_qpoint(each.qpoint_2pi_over_a, aluminium.lattice.matrix) for each in al_matrices]
    frequencies = [each.printed_frequencies_cm1 for each in al_matrices]
    found = leave_out("\n".join(lines) + "\n", aluminium, qpoints, [each.tolist() for each in frequencies])
    added_cm2 = shift / (AL_MASS_AMU * RY_MASS_PER_AMU) * CM1_PER_RY**2
    softest = min(float(each[0]) for each in frequencies[1:])
    assert found.sum_rule_cm1 == pytest.approx(np.sqrt(softest**2 + added_cm2) - softest, abs=0.02)
    assert found.sum_rule_cm1 is not None and found.sum_rule_cm1 > 3


@pytest.mark.parametrize(("case", "mesh"), [("al4h", "2x2x2"), ("alh_333", "3x3x3")])
def test_a_mesh_without_sub_mesh_says_so(case: str, mesh: str) -> None:
    text = recorded_force_constants(f"ph/{case}")
    places = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    crystals = {
        "al4h": Structure(Lattice.cubic(3.88), ["H", "Al", "Al", "Al", "Al"], places),
        "alh_333": Structure(Lattice(4.119 * np.array(FCC)), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    }
    result = leave_out(text, crystals[case], [], [])
    assert (result.sub_mesh, result.points, result.max_cm1, result.rms_cm1) == (None, (), None, None)
    assert result.reason is not None and result.reason.startswith(f"a {mesh} mesh has no sub-mesh of at least two")


def test_nothing_to_compare_and_points_that_do_not_belong(al_force_constants: str, aluminium: Structure) -> None:
    only_gamma = leave_out(al_force_constants, aluminium, [[0, 0, 0]], [[]])
    assert only_gamma.max_cm1 is None
    assert only_gamma.reason == "all 1 q-points given are on the sub-mesh"
    with pytest.raises(ValueError, match="not on the 4x4x4 mesh"):
        leave_out(al_force_constants, aluminium, [[1 / 3, 0, 0]], [[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match=r"2 frequencies at q = \(0.25 0 0\), wanted 3"):
        leave_out(al_force_constants, aluminium, [[0.25, 0, 0]], [[1.0, 2.0]])


def test_one_qpoint_beside_the_mesh(simple_cubic: Structure) -> None:
    """The interpolation of a 2x2x2 mesh at (1/4 1/4 1/4), as ph.x would be asked to compute there."""
    near, second = 0.02, 0.005
    point = off_mesh_qpoint([2, 2, 2], simple_cubic)
    exact = springs_cm1(near, second, np.array(point.qpoint))
    # q2r.x on 2x2x2 sees springs to 2a as none: its force constants are those of the near ones.
    found = compare_at(springs(near, 0.0, 2), simple_cubic, point.qpoint, [exact] * 3)
    assert found.star_size == point.star_size == 8
    assert found.lowest_cm1 == exact
    wanted = springs_cm1(near, 0.0, np.array(point.qpoint))
    assert found.lowest_interpolated_cm1 == pytest.approx(wanted, abs=1e-3)
    assert found.max_cm1 == pytest.approx(exact - wanted, abs=1e-3)
    assert not found.sign_flips
    assert compare_at(springs(near, 0.0, 2), simple_cubic, point.qpoint, [-30.0, exact, exact]).sign_flips
    tolerant = compare_at(
        springs(near, 0.0, 2), simple_cubic, point.qpoint, [-30.0, exact, exact], min_frequency_cm1=-50.0
    )
    assert not tolerant.sign_flips
    with pytest.raises(ValueError, match="1 frequencies"):
        compare_at(springs(near, 0.0, 2), simple_cubic, point.qpoint, [exact])


def test_leaving_out_and_computing_one_more_agree(
    aluminium: Structure, al_matrices: list[DynamicalMatrix], al_left_out: LeaveOut
) -> None:
    """ph.x and q2r.x on 2x2x2 alone, and ph.x at halfway to X: the deviation that leaving it out of 4x4x4 gives."""
    point = off_mesh_qpoint([2, 2, 2], aluminium)
    assert point.qpoint == (0.0, 0.25, 0.25)
    computed = al_matrices[point.index - 1]
    found_at = fractional_qpoint(computed.qpoint_2pi_over_a, aluminium.lattice.matrix)
    assert found_at == pytest.approx(point.qpoint, abs=1e-6)
    frequencies = computed.printed_frequencies_cm1.tolist()
    found = compare_at(recorded_force_constants("q2r/al_222"), aluminium, point.qpoint, frequencies)
    left_out = next(each for each in al_left_out.points if each.qpoint == pytest.approx(point.qpoint, abs=1e-6))
    assert (found.max_cm1, found.rms_cm1) == pytest.approx((left_out.max_cm1, left_out.rms_cm1), abs=0.05)
    assert found.max_cm1 == pytest.approx(3.3, abs=0.1)


@pytest.mark.parametrize(
    ("lattice", "vectors", "norm", "star"),
    [
        # Length of the q-point in 2 pi / a: (1/4 1/4 1/4) of sc, P of bcc, halfway from Gamma to X of fcc.
        ("sc", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.sqrt(3) / 4, 8),
        ("bcc", BCC_OF_PW_X, np.sqrt(3) / 2, 2),
        ("fcc", FCC_OF_PW_X, 0.5, 6),
    ],
)
def test_the_farthest_qpoint_is_the_one_ph_x_numbers_so(
    lattice: str, vectors: list[list[float]], norm: float, star: int
) -> None:
    crystal = one_atom(vectors, 4.0)
    found = off_mesh_qpoint([2, 2, 2], crystal)
    assert (found.mesh, found.star_size) == ((4, 4, 4), star)
    cartesian = np.array(found.qpoint) @ crystal.lattice.reciprocal_lattice.matrix
    assert np.linalg.norm(cartesian) * 4.0 / (2 * np.pi) == pytest.approx(norm)
    _, listed = read_qpoint_list((DATA / "ph" / "qpoint_lists" / f"{lattice}-444.dyn0").read_text())
    assert np.linalg.norm(listed[found.index - 1]) == pytest.approx(norm, abs=1e-6)
    # No q-point of the doubled mesh is farther from the mesh, searched among all of them and their images.
    points = np.array(list(np.ndindex(4, 4, 4))) / 4
    images = np.array(list(np.ndindex(7, 7, 7))) / 2 - 1
    apart = (points[:, None, :] - images[None, :, :]) @ crystal.lattice.reciprocal_lattice.matrix
    assert found.distance_inv_ang == pytest.approx(np.linalg.norm(apart, axis=2).min(axis=1).max())


def test_an_odd_mesh_leaves_the_zone_boundary_for_last(simple_cubic: Structure) -> None:
    found = off_mesh_qpoint([3, 3, 3], simple_cubic)
    assert (found.qpoint, found.star_size) == ((0.5, 0.5, 0.5), 1)
    assert found.distance_inv_ang == pytest.approx(np.sqrt(3) / 6 * 2 * np.pi / 4.0)
