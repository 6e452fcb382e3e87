"""Animated modes, held against the force constants of real crystals and the alternation of a diatomic."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from pymatgen.core import Lattice, Structure

from hts.dynmat import read_dynamical_matrix
from hts.interpolation import phonopy_from_q2r
from hts.mode_animation import ModeAnimation, animate_mode, animated_xsf, commensurate_repeats, extended_xyz
from hts.phonons import fractional_qpoint, qpoint_modes
from hts.units import BOHR_TO_ANG, CM1_PER_THZ

DATA = Path(__file__).parents[1] / "data" / "ph"
AL4H = Structure(
    Lattice.cubic(7.335359444749703 * BOHR_TO_ANG),
    ["H", "Al", "Al", "Al", "Al"],
    [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)
HALF = 4.119 / 2
ALH = Structure([[0, HALF, HALF], [HALF, 0, HALF], [HALF, HALF, 0]], ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CRYSTALS = {"al4h": AL4H, "alh_333": ALH}


def recorded(case: str, index: int, mode: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the q-point, eigenvector and frequency (cm-1) of a mode that ph.x computed."""
    matrix = read_dynamical_matrix((DATA / case / f"dyn{index}").read_text())
    modes = qpoint_modes(matrix)
    qpoint = fractional_qpoint(matrix.qpoint_2pi_over_a, CRYSTALS[case].lattice.matrix)
    return qpoint, modes.eigenvectors[:, mode], float(modes.frequencies_cm1[mode])


@pytest.mark.parametrize("mode", [0, 3, 5])
@pytest.mark.parametrize(
    ("case", "index"), [*(("al4h", index) for index in (2, 3, 4)), *(("alh_333", index) for index in (2, 3, 4))]
)
def test_every_frame_is_a_normal_mode_of_the_crystal_in_real_space(case: str, index: int, mode: int) -> None:
    """Force constants times displacements are masses times displacements times omega^2, in each frame and atom.

    The force constants are those of q2r.x in the whole supercell. With the atoms' positions in the phase, or with the
    opposite sign of q (which only the mesh 3x3x3 tells), this fails.
    """
    text = gzip.decompress((DATA / case / "force_constants.gz").read_bytes()).decode()
    phonon = phonopy_from_q2r(text, CRYSTALS[case], acoustic_sum_rule=False)
    constants = compact_fc_to_full_fc(phonon.primitive, phonon.force_constants)
    size = np.diag(phonon.supercell_matrix)
    qpoint, eigenvector, frequency_cm1 = recorded(case, index, mode)
    animation = animate_mode(CRYSTALS[case], qpoint, eigenvector, 0.1, 5)
    # phonopy has its own order of atoms, and all cells of the mesh; the animation only those it needs.
    places = phonon.supercell.scaled_positions * size / np.array(animation.repeats)
    distances = places[:, None] - animation.supercell.frac_coords[None]
    same = np.abs(distances - np.rint(distances)).max(axis=2) < 1e-5
    moved = animation.displacements_ang[:, same.argmax(axis=1)]
    assert (same.sum(axis=1) == 1).all()
    forces = np.einsum("iajb,fjb->fia", constants.transpose(0, 2, 1, 3), moved)
    factor = phonon.unit_conversion_factor * CM1_PER_THZ
    omega_squared = np.sign(frequency_cm1) * (frequency_cm1 / factor) ** 2
    expected = omega_squared * phonon.supercell.masses[None, :, None] * moved
    assert forces == pytest.approx(expected, abs=2e-3 * np.abs(expected).max())


def alternating(qpoint: list[float], n_frames: int = 8) -> ModeAnimation:
    """Return a mode in which Al stands and H moves along x."""
    return animate_mode(ALH, qpoint, [0, 0, 0, 1j, 0, 0], 0.25, n_frames)


def test_a_zone_boundary_mode_alternates_between_neighbouring_cells() -> None:
    animation = alternating([0, 0.5, 0.5])
    assert animation.repeats == (1, 2, 2)
    first = animation.displacements_ang[0].reshape(4, 2, 3)
    assert first[:, 0] == pytest.approx(np.zeros((4, 3)))
    assert first[:, 1, 0] == pytest.approx([0.25, -0.25, -0.25, 0.25])
    assert first[:, 1, 1:] == pytest.approx(np.zeros((4, 2)))
    assert animation.supercell.volume == pytest.approx(4 * ALH.volume)
    assert animation.supercell.composition.as_dict() == {"Al": 4, "H": 4}
    # Al stands on lattice points, H in between.
    assert animation.supercell.distance_matrix[0, 1::2].min() == pytest.approx(HALF)


def test_at_gamma_all_cells_move_alike() -> None:
    animation = alternating([0, 0, 0])
    assert animation.repeats == (1, 1, 1)
    assert animation.displacements_ang[4, 1] == pytest.approx([-0.25, 0, 0])


@pytest.mark.parametrize("qpoint", [[0.5, 0.5, 0.5], [1 / 3, 0, -1 / 3], [0.25, 0.5, 0], [0, 0, 0]])
def test_one_period_and_its_amplitude(qpoint: list[float]) -> None:
    rng = np.random.default_rng(7)
    vector = rng.normal(size=15) + 1j * rng.normal(size=15)
    animation = animate_mode(AL4H, qpoint, vector, 0.4, 12)
    moved = animation.displacements_ang
    assert moved.mean(axis=0) == pytest.approx(np.zeros(moved.shape[1:]), abs=1e-12)
    assert np.linalg.norm(moved, axis=2).max() == pytest.approx(0.4)
    assert np.linalg.norm(moved[0], axis=1).max() == pytest.approx(0.4)
    # Half a period later everything is on the other side; a phase and a factor change nothing.
    assert moved[6:] == pytest.approx(-moved[:6])
    other = animate_mode(AL4H, qpoint, vector * (0.3 - 2j), 0.4, 12)
    assert np.abs(other.displacements_ang[0]) == pytest.approx(np.abs(moved[0]))


def test_light_atoms_move_farther() -> None:
    animation = animate_mode(ALH, [0, 0, 0], [1, 0, 0, 1, 0, 0], 0.3, 4)
    aluminium, hydrogen = animation.displacements_ang[0, :, 0]
    assert hydrogen / aluminium == pytest.approx(np.sqrt(26.98 / 1.008), rel=1e-3)
    assert hydrogen == pytest.approx(0.3)


def test_hydrogen_leaves_its_octahedron_in_rocksalt_hydride() -> None:
    """The imaginary mode of AlH that ph.x found at (2/3, 1/3, 1/3): Al is all but at rest in every frame."""
    qpoint, eigenvector, frequency_cm1 = recorded("alh_333", 3, 0)
    assert frequency_cm1 == pytest.approx(-732.6, abs=0.1)
    animation = animate_mode(ALH, qpoint, eigenvector, 0.3)
    moved = np.linalg.norm(animation.displacements_ang, axis=2).max(axis=0)
    assert moved[1::2] == pytest.approx(np.full(len(moved) // 2, 0.3), rel=0.05)
    assert moved[::2].max() < 0.03


@pytest.mark.parametrize(
    ("qpoint", "repeats"),
    [([0, 0, 0], (1, 1, 1)), ([0.33333333, -0.5, 0.25], (3, 2, 4)), ([2 / 3, 1, 0.125], (3, 1, 8))],
)
def test_cells_that_a_q_point_needs(qpoint: list[float], repeats: tuple[int, int, int]) -> None:
    assert commensurate_repeats(qpoint) == repeats


def test_extended_xyz_frame_by_frame() -> None:
    animation = alternating([0.5, 0.5, 0.5])
    text = extended_xyz(animation, frequency_cm1=-793.5, qpoint="1/2 1/2 1/2")
    lines = text.splitlines()
    assert len(lines) == 8 * (2 + 16)
    for index, moved in enumerate(animation.displacements_ang):
        count, comment, *rows = lines[18 * index : 18 * (index + 1)]
        assert count == "16"
        said = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', comment))
        assert said["Properties"] == "species:S:1:pos:R:3:displacement:R:3"
        assert said["frequency_cm1"] == "-793.5"
        assert said["qpoint"] == '"1/2 1/2 1/2"'
        assert said["frame"] == str(index)
        lattice = np.array(said["Lattice"].strip('"').split(), dtype=float).reshape(3, 3)
        assert lattice == pytest.approx(animation.supercell.lattice.matrix, abs=1e-7)
        assert [row.split()[0] for row in rows] == ["Al", "H"] * 8
        numbers = np.array([row.split()[1:] for row in rows], dtype=float)
        assert numbers[:, :3] == pytest.approx(animation.supercell.cart_coords + moved, abs=1e-7)
        assert numbers[:, 3:] == pytest.approx(moved, abs=1e-7)
    assert "-0.00000000" not in text


def test_animated_xsf_frame_by_frame() -> None:
    animation = alternating([0, 0.5, 0.5])
    lines = animated_xsf(animation).splitlines()
    assert lines[:3] == ["ANIMSTEPS 8", "CRYSTAL", "PRIMVEC"]
    lattice = np.array([line.split() for line in lines[3:6]], dtype=float)
    assert lattice == pytest.approx(animation.supercell.lattice.matrix, abs=1e-7)
    frames = lines[6:]
    assert len(frames) == 8 * (2 + 8)
    for index, moved in enumerate(animation.displacements_ang):
        head, count, *rows = frames[10 * index : 10 * (index + 1)]
        assert (head, count) == (f"PRIMCOORD {index + 1}", "8 1")
        numbers = np.array([row.split()[1:] for row in rows], dtype=float)
        assert numbers[:, :3] == pytest.approx(animation.supercell.cart_coords + moved, abs=1e-7)
        assert numbers[:, 3:] == pytest.approx(moved, abs=1e-7)


@pytest.mark.parametrize(
    ("qpoint", "vector", "message"),
    [
        ([0, 0, 0], [1, 0, 0], "the eigenvector has 3 components, wanted 3 for each of 2 atoms"),
        ([0, 0, 0], [0] * 6, "the eigenvector is zero"),
        ([0, 0, 0.01234], [1] * 6, r"q = \[0.0, 0.0, 0.01234\] repeats after more than 24 cells"),
    ],
)
def test_what_is_no_mode_is_refused(qpoint: list[float], vector: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        animate_mode(ALH, qpoint, vector)
