"""`hts mode` on a descent of Al4H stored by hand."""

import re
from pathlib import Path

import numpy as np
import pytest

from hts.cli.main import run


def read(path: Path) -> tuple[dict[str, str], list[str], np.ndarray]:
    """Return the remarks of the first frame, the symbols, and positions and displacements of all frames."""
    lines = path.read_text().splitlines()
    count = int(lines[0])
    remarks = {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', lines[1])}
    rows = [line.split() for index, line in enumerate(lines) if index % (count + 2) > 1]
    numbers = np.array([row[1:] for row in rows], dtype=float).reshape(-1, count, 6)
    return remarks, [row[0] for row in rows[:count]], numbers


def test_the_softest_mode_of_the_whole_ladder(descents, capsys, tmp_path: Path) -> None:
    path = tmp_path / "al4h.xyz"
    assert run(["mode", "Al4H", "-o", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == (
        f"{path} written: -120.0 cm-1 at q = (1/2, 1/2, 1/2), R15, 0 GPa; 40 atoms in 2x2x2 cells, 24 frames"
    )
    remarks, symbols, numbers = read(path)
    assert remarks["candidate"] == "perovskite-Al4H"
    assert (remarks["pressure_gpa"], remarks["frequency_cm1"]) == ("0.0", "-120.0")
    assert (remarks["qpoint"], remarks["irrep"]) == ("(1/2, 1/2, 1/2)", "R15")
    assert symbols == ["H", "Al", "Al", "Al", "Al"] * 8
    assert len(numbers) == 24
    moved = numbers[:, :, 3:]
    assert np.linalg.norm(moved, axis=2).max() == pytest.approx(0.3, abs=1e-6)
    assert moved.mean(axis=0) == pytest.approx(np.zeros((40, 3)), abs=1e-7)
    # At R every neighbouring cell is on the other side.
    by_cell = moved.reshape(24, 2, 2, 2, 5, 3)
    assert by_cell[:, 0, 0, 0] == pytest.approx(-by_cell[:, 1, 0, 0], abs=1e-7)
    assert by_cell[:, 0, 0, 0] == pytest.approx(by_cell[:, 1, 1, 0], abs=1e-7)


def test_a_rung_an_amplitude_and_the_other_format(descents, capsys, tmp_path: Path) -> None:
    path = tmp_path / "al4h.axsf"
    chosen = ["--pressure-gpa", "20", "--amplitude-ang", "0.1", "--frames", "8"]
    assert run(["mode", "Al4H", "-o", str(path), *chosen]) == 0
    assert re.search(r"written: 14\d\.\d cm-1 at q = \(1/2, 1/2, 1/2\), 20 GPa; .* 8 frames", capsys.readouterr().err)
    assert path.read_text().startswith("ANIMSTEPS 8\nCRYSTAL\nPRIMVEC\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Al9H", "-o", "x.xyz"], "no candidate 'Al9H' in this profile; did you mean"),
        (["Al4H", "-o", "x.gif"], "x.gif ends in '.gif', an animation ends in xyz or axsf; rename it"),
        (["Al4H", "-o", "/nowhere/x.xyz"], "/nowhere/x.xyz: there is no folder /nowhere; "),
        (["Al4H"], "Missing option '-o'"),
        (["Al4H", "-o", "x.xyz", "--amplitude-ang", "0"], "0"),
        (
            ["Al4H", "-o", "x.xyz", "--pressure-gpa", "5"],
            "perovskite-Al4H at 5 GPa: no phonons are stored there, only at 0, 10, 20 GPa; choose one with",
        ),
        (["AlH3", "-o", "x.xyz"], "no phonons of perovskite-AlH3 are stored: no rung of its descent came to them"),
        (["Mg4H", "-o", "x.xyz"], "no phonons of perovskite-Mg4H are stored: its descent in pressure has not ended"),
        (["CaH3", "-o", "x.xyz"], "no phonons of perovskite-CaH3 are stored: it ended before its descent"),
        (["MgH3", "-o", "x.xyz"], "perovskite-MgH3 has a mode at no stored q-point"),
        (
            ["MgAlH3", "-o", "x.xyz"],
            "the phonons of perovskite-MgAlH3 at 10 GPa were stored without displacements, by an earlier version; run",
        ),
    ],
)
def test_mistakes_are_one_line(descents, refused, arguments: list[str], message: str) -> None:
    refused(["mode", *arguments], message)


def test_a_folder_is_no_file(descents, capsys, tmp_path: Path) -> None:
    (tmp_path / "x.xyz").mkdir()
    assert run(["mode", "Al4H", "-o", str(tmp_path / "x.xyz")]) == 2
    assert "x.xyz cannot be written (Is a directory)" in capsys.readouterr().err
