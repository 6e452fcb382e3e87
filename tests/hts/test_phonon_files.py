"""Recorded files of ph.x and q2r.x, read and written again: nothing may change on the way."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from hts.dynmat import read_dynamical_matrix
from hts.interpolation import phonopy_from_q2r
from hts.phonon_files import dynamical_matrix_text, force_constants_text
from hts.phonons import qpoint_modes
from hts.units import BOHR_TO_ANG

DATA = Path(__file__).parents[1] / "data" / "ph"
FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
AL4H = Structure(
    Lattice.cubic(7.3353594 * BOHR_TO_ANG),
    ["H", "Al", "Al", "Al", "Al"],
    [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)
ALH = Structure(Lattice(FCC * np.sqrt(2) * 5.503965 * BOHR_TO_ANG), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CASES = {"al4h": AL4H, "alh_333": ALH}

each_case = pytest.mark.parametrize("case", list(CASES))


@each_case
@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_dynamical_matrices_come_back(case: str, index: int) -> None:
    """The second case has complex ones, at thirds of the reciprocal vectors."""
    given = read_dynamical_matrix((DATA / case / f"dyn{index}").read_text())
    again = read_dynamical_matrix(dynamical_matrix_text(given, CASES[case]))
    assert np.array_equal(again.qpoint_2pi_over_a, given.qpoint_2pi_over_a)
    assert np.array_equal(again.force_constants_ry_bohr2, given.force_constants_ry_bohr2)
    assert again.symbols == given.symbols
    assert again.masses_ry == pytest.approx(given.masses_ry, rel=1e-14)
    assert qpoint_modes(again).frequencies_cm1 == pytest.approx(qpoint_modes(given).frequencies_cm1, abs=1e-6)
    assert again.printed_frequencies_cm1 == pytest.approx(given.printed_frequencies_cm1, abs=1e-6)


@each_case
def test_force_constants_come_back(case: str) -> None:
    recorded = gzip.decompress((DATA / case / "force_constants.gz").read_bytes()).decode()
    given = phonopy_from_q2r(recorded, CASES[case], acoustic_sum_rule=False)
    text = force_constants_text(given, CASES[case])
    again = phonopy_from_q2r(text, CASES[case], acoustic_sum_rule=False)
    assert np.abs(again.force_constants).max() > 0.01
    assert again.force_constants == pytest.approx(given.force_constants, abs=1e-12)
    # The very lines of q2r.x: same order of blocks and cells.
    numbers = [line.split() for line in recorded.splitlines() if len(line.split()) == 4 and "E" in line]
    written = [line.split() for line in text.splitlines() if len(line.split()) == 4 and "E" in line]
    assert [line[:3] for line in written] == [line[:3] for line in numbers]
    assert [float(line[3]) for line in written] == pytest.approx([float(line[3]) for line in numbers], abs=1e-12)
