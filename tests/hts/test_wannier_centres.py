"""The awk program that tidies the centres of Wannier functions, run by the awk at hand."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hts.wannier_centres import centres_program

FCC_ANG = 2.02 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
HEXAGONAL_ANG = np.array([[3.2, 0, 0], [-1.6, 1.6 * np.sqrt(3), 0], [0, 0, 5.2]])
# What Wannier90 left of the nine functions of fcc Al (s, p and d on 8x8x8), at which epw.x 6.7 stopped; alat.
OF_ALUMINIUM = """\
   -0.105069626084E-06   -0.119398218025E-06   -0.744930616562E-07
   -0.267671471346E-06    0.253953626360E-07    0.506073475535E-06
    0.770318608406E-06   -0.174474911255E-06   -0.189549365811E-06
   -0.250599793980E-06    0.748137575891E-06   -0.100408318288E-06
   -0.173333896998E-06    0.177107783287E-06   -0.921021997259E-06
    0.408213522093E-06    0.133325853168E-06    0.145521011780E-06
    0.301731876985E-06    0.832316282180E-07    0.325656161909E-06
   -0.153130878289E-05   -0.159443916343E-05    0.108861863159E-08
    0.566375385595E-06    0.308165877094E-06    0.135643672283E-06
"""
# Band numbers, matrices and flags come first in prefix.ukk.
BEFORE = "           1           4\n (0.1000000E+01,-0.25000E-16)\n T\n F\n"


def tidied(folder: Path, cell_ang: np.ndarray, positions_ang: Sequence[np.ndarray], centres: str) -> np.ndarray:
    """Return the centres that the program makes of a file's; all else must stay as it is."""
    (folder / "aiida.ukk").write_text(BEFORE + centres)
    (folder / "centres.awk").write_text(centres_program(cell_ang, positions_ang, centres.count("\n")))
    command = ["awk", "-f", "centres.awk", "aiida.ukk", "aiida.ukk"]
    printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout
    assert printed.startswith(BEFORE)
    return np.array([line.split() for line in printed.removeprefix(BEFORE).splitlines()], dtype=float)


def as_text(centres: np.ndarray) -> str:
    return "".join("".join(f"{value:22.12E}" for value in row) + "\n" for row in centres)


def test_functions_at_an_atom_are_put_on_it(tmp_path: Path) -> None:
    assert np.all(tidied(tmp_path, FCC_ANG, [np.zeros(3)], OF_ALUMINIUM) == 0)


@pytest.mark.parametrize("cell", [(0, 0, 0), (1, -2, 0), (-1, 0, 3)])
def test_a_function_stays_in_its_cell(tmp_path: Path, cell: tuple[int, int, int]) -> None:
    """On an atom with thirds as coordinates, whatever cell Wannier90 left it in."""
    atom = np.array([1 / 3, 2 / 3, 1 / 4])
    noise = np.array([[3e-6, -2e-6, 1e-6], [-4e-6, 0, 2e-6]])
    exact = (atom + np.array(cell)) @ HEXAGONAL_ANG / 3.2
    found = tidied(tmp_path, HEXAGONAL_ANG, [np.zeros(3), atom @ HEXAGONAL_ANG], as_text(exact + noise))
    assert found == pytest.approx(np.array([exact, exact]), abs=1e-13)


def test_others_are_rounded_in_crystal_coordinates(tmp_path: Path) -> None:
    """A bond centre loses its noise; a function beside its atom stays there."""
    fractions = np.array([[0.5, 0.5, -0.5], [0.0, 0.0, 0.0123]])
    alat_ang = np.linalg.norm(FCC_ANG[0])
    noisy = fractions @ FCC_ANG / alat_ang + 2e-6
    found = tidied(tmp_path, FCC_ANG, [np.zeros(3)], as_text(noisy))
    assert found @ np.linalg.inv(FCC_ANG) * alat_ang == pytest.approx(fractions, abs=1e-12)
