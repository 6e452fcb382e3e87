"""Interpolation of the recorded force constants of Al4H at 10 GPa: phonopy must give back what ph.x printed."""

import gzip
from pathlib import Path

import numpy as np
import phonopy
import pytest
from phonopy import Phonopy
from pymatgen.core import Lattice, Structure

from hts.dynmat import read_dynamical_matrix
from hts.interpolation import interpolate, interpolate_phonon, phonopy_from_q2r, phonopy_yaml
from hts.units import BOHR_TO_ANG, CM1_PER_THZ, MEV_PER_CM1

DATA = Path(__file__).parents[1] / "data" / "ph" / "al4h"
POINTS: dict[str, list[float]] = {"Gamma": [0, 0, 0], "X": [0, 0, 0.5], "M": [0, 0.5, 0.5], "R": [0.5, 0.5, 0.5]}


@pytest.fixture(scope="module")
def force_constants() -> str:
    return gzip.decompress((DATA / "force_constants.gz").read_bytes()).decode()


@pytest.fixture(scope="module")
def al4h() -> Structure:
    places: list[list[float]] = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return Structure(Lattice.cubic(7.335359444749703 * BOHR_TO_ANG), ["H", "Al", "Al", "Al", "Al"], places)


def frequencies_cm1(phonon: Phonopy, qpoint: list[float]) -> np.ndarray:
    phonon.run_qpoints([qpoint])
    return np.array(phonon.get_qpoints_dict()["frequencies"][0]) * CM1_PER_THZ


@pytest.mark.parametrize(("index", "name"), list(enumerate(POINTS, start=1)))
def test_commensurate_points_are_those_of_ph_x(force_constants: str, al4h: Structure, index: int, name: str) -> None:
    """Without any sum rule the interpolation is exact there; the masses of H differ by 6e-5 (1.008 and 1.00794)."""
    printed = read_dynamical_matrix((DATA / f"dyn{index}").read_text()).printed_frequencies_cm1
    phonon = phonopy_from_q2r(force_constants, al4h, acoustic_sum_rule=False)
    assert frequencies_cm1(phonon, POINTS[name]) == pytest.approx(printed, rel=3.5e-5, abs=2e-3)


def test_the_sum_rule_makes_gamma_acoustic(force_constants: str, al4h: Structure) -> None:
    raw = frequencies_cm1(phonopy_from_q2r(force_constants, al4h, acoustic_sum_rule=False), [0, 0, 0])
    ruled = frequencies_cm1(phonopy_from_q2r(force_constants, al4h), [0, 0, 0])
    assert raw[:3] == pytest.approx([-8.41] * 3, abs=0.05)
    assert ruled[:3] == pytest.approx([0] * 3, abs=0.05)
    assert ruled[3:] == pytest.approx(raw[3:], rel=0.01)


def test_zero_point_energy_of_al4h(force_constants: str, al4h: Structure) -> None:
    """Against the 2x2x2 q-points alone: half the sum of all printed frequencies, weighted by the stars."""
    result = interpolate(force_constants, al4h, 8)
    matrices = [read_dynamical_matrix((DATA / f"dyn{index}").read_text()) for index in range(1, 5)]
    total = sum(m.star_size * np.clip(m.printed_frequencies_cm1, 0, None).sum() for m in matrices)
    coarse = total * MEV_PER_CM1 / 2 / 8 / len(al4h) / 1000
    assert result.zero_point_ev_per_atom == pytest.approx(0.064, abs=0.001)
    assert result.zero_point_ev_per_atom == pytest.approx(coarse, rel=0.05)
    assert result.lowest_cm1 > -1


def test_density_of_states_counts_the_modes(force_constants: str, al4h: Structure) -> None:
    result = interpolate(force_constants, al4h, 16)
    assert np.trapezoid(result.dos, result.dos_thz) == pytest.approx(3 * len(al4h), rel=0.02)


def test_path_of_a_simple_cubic_crystal(force_constants: str, al4h: Structure) -> None:
    result = interpolate(force_constants, al4h, 4)
    names = {name for _, name in result.labels}
    assert {"GAMMA", "X", "M", "R"} <= names
    assert result.frequencies_thz.shape == (len(result.qpoints), 3 * len(al4h))
    for index, name in result.labels:
        if name == "GAMMA":
            assert result.qpoints[index] == pytest.approx([0, 0, 0])
        elif name == "R":
            assert result.qpoints[index] == pytest.approx([0.5, 0.5, 0.5])
    assert all(0 <= index < len(result.qpoints) for index, _ in result.labels)


def test_no_zero_point_energy_of_an_unstable_crystal(force_constants: str, al4h: Structure) -> None:
    """The same force constants with their sign turned: every mode is imaginary, and half of that is no energy."""
    lines = force_constants.splitlines()
    start = next(index for index, line in enumerate(lines) if line.split() == ["2", "2", "2"]) + 1

    def turned(line: str) -> str:
        fields = line.split()
        return " ".join([*fields[:3], f"{-float(fields[3]):.12e}"]) if len(fields) == 4 and "." in fields[3] else line

    text = "\n".join([*lines[:start], *map(turned, lines[start:])]) + "\n"
    result = interpolate(text, al4h, 4)
    assert result.zero_point_ev_per_atom is None
    assert result.lowest_cm1 < -500
    assert result.thermal is None
    place = " ".join(f"{x:.4g}" for x in result.lowest_qpoint)
    assert result.thermal_reason == (
        f"an interpolated mode is imaginary: {result.lowest_cm1:.1f} cm-1 at q = ({place})"
    )


def test_the_lowest_mode_is_told_with_its_place(force_constants: str, al4h: Structure) -> None:
    """On a stable crystal that is an acoustic mode near Gamma, never one of the translations at Gamma."""
    result = interpolate(force_constants, al4h, 8)
    assert 5 < result.lowest_cm1 < 50
    assert 0 < np.abs(result.lowest_qpoint).max() < 0.1
    phonon = phonopy_from_q2r(force_constants, al4h)
    assert frequencies_cm1(phonon, result.lowest_qpoint.tolist())[0] == pytest.approx(result.lowest_cm1, abs=1e-3)


def test_a_soft_mode_is_found_where_it_is(force_constants: str, al4h: Structure) -> None:
    """Constants that alternate from cell to cell lower every squared frequency at R, and at no other q-point."""
    phonon = phonopy_from_q2r(force_constants, al4h)
    corner = [0.5, 0.5, 0.5]
    lowest_cm1 = frequencies_cm1(phonon, corner)[0]
    shift = 1.5 * np.linalg.eigvalsh(phonon.get_dynamical_matrix_at_q(corner))[0]
    constants = phonon.force_constants.copy()
    places, homes = phonon.supercell.scaled_positions, phonon.primitive.p2s_map
    for row, (home, mass) in enumerate(zip(homes, phonon.primitive.masses, strict=True)):
        for atom in np.flatnonzero(phonon.supercell.s2u_map == home):
            cell = np.rint(2 * (places[atom] - places[home])).astype(int)
            constants[row, atom] -= shift * mass / 8 * (-1) ** int(cell.sum()) * np.eye(3)
    phonon.force_constants = constants
    result = interpolate_phonon(phonon, al4h, 4)
    assert result.lowest_qpoint == pytest.approx(corner)
    assert result.lowest_cm1 == pytest.approx(-np.sqrt(0.5) * lowest_cm1, rel=1e-3)
    assert result.zero_point_ev_per_atom is None
    assert "105.4 cm-1 at q = (0.5 0.5 0.5)" in str(result.thermal_reason)


def test_a_reloaded_phonopy_yaml_gives_the_same_frequencies(
    force_constants: str, al4h: Structure, tmp_path: Path
) -> None:
    phonon = phonopy_from_q2r(force_constants, al4h)
    text = phonopy_yaml(phonon)
    assert "/" not in text.replace("Ry/au^2", "").replace("Pm-3m", "")
    path = tmp_path / "phonopy.yaml"
    path.write_text(text)
    loaded = phonopy.load(path)
    for qpoint in [*POINTS.values(), [0.1, 0.2, 0.3]]:
        assert frequencies_cm1(loaded, qpoint) == pytest.approx(frequencies_cm1(phonon, qpoint), abs=1e-2)
    assert phonopy_yaml(phonon) == text
