"""`hts hull` on relaxations stored by hand."""

import csv
import io
import json
from pathlib import Path

import pytest

from hts.cli.main import run
from hts.errors import UserError
from hts.store import hulls


@pytest.fixture(scope="module")
def hydrides(module_graph):
    """Store Al-H at 10 GPa with a candidate and a failed phase, at 100 GPa with two cutoffs, and MgH2 without Mg."""
    graph = module_graph

    def reference(label: str, formula: str, enthalpy: float, pressure_gpa: float, **changes) -> None:
        graph.relaxation(
            formula,
            enthalpy,
            pressure_gpa=pressure_gpa,
            label=f"reference/{label}/{pressure_gpa:g}GPa/0123456789ab",
            **changes,
        )

    reference("Al-fcc", "Al", -55.4, 10.0)
    reference("H2-hcp", "H2", -15.0, 10.0, space_group_number=194)
    reference("H2-p63-m", "H2", -14.99, 10.0, space_group_number=176)
    reference("AlH3-mh3-r-3c", "AlH3", -25.2, 10.0, space_group_number=167)
    reference("AlH-rocksalt", "AlH", 0.0, 10.0, exit_status=401)
    screening = graph.screening("Al4H")
    graph.relaxation("Al4H", -47.22, pressure_gpa=10.0, called_by=screening, space_group_number=221)
    for dft in ({}, {"ecutwfc_ry": 90.0}):
        reference("Al-fcc", "Al", -50.0, 100.0, dft=dft)
        reference("H2-c2-c", "H2", -13.0, 100.0, dft=dft)
    reference("Mg-hcp", "Mg", -50.0, 10.0)
    reference("MgH2", "MgH2", -30.0, 50.0)
    return graph


def test_the_table_says_what_is_stable_and_what_is_missing(hydrides, capsys) -> None:
    assert run(["hull", "H-Al", "--pressure-gpa", "10"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert max(map(len, lines)) <= 120
    assert "Al-H at 10 GPa" in captured.out
    # (-55.4 + 3 * -15) / 4 = -25.1; (4 * -55.4 - 15) / 5 = -47.32; 4/15 of the atoms of Al4H in AlH3, at -0.1 eV/atom
    rows = {line.split()[0]: line.split() for line in lines if line and line[0].isupper()}
    assert rows["AlH3-mh3-r-3c"][1:6] == ["AlH3", "R-3c", "10.000", "-0.1000", "on"]
    assert rows["H2-p63-m"][3:7] == ["10.000", "0.0100", "0.0100", "+0.0100"]
    [candidate] = [line for line in lines if line.startswith("perovskite-Al4H *")]
    assert candidate.split()[2:8] == ["Al4H", "Pm-3m", "10.000", "0.1000", "0.1267", "+0.1267"]
    assert candidate.endswith("Al4H -> 0.333 AlH3 + 3.667 Al")
    assert "hull incomplete: reference AlH-rocksalt: exit 401: vc-relax failed: no convergence" in lines
    assert "60 Ry, k-points 0.27/Å, mp smearing 0.02 Ry (basis " in captured.out
    assert captured.err == "Type next: hts plot hull Al-H --pressure-gpa 10 -o hull.png\n"


def test_what_to_type_next_keeps_the_choice(hydrides, capsys) -> None:
    with pytest.raises(UserError) as raised:
        hulls.load_hull(["Al", "H"], 100.0)
    name = str(raised.value).split("one hull wants one: ")[1].split()[0]
    assert run(["hull", "Al", "--pressure-gpa", "100", "--basis", name]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"Type next: hts plot enthalpy Al --basis {name} -o enthalpy.png\n"
    assert "hull incomplete" not in captured.out


def test_json(hydrides, capsys) -> None:
    assert run(["hull", "Al-H", "--pressure-gpa", "10", "--json", "--max-hull-ev-per-atom", "0.05"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    told = json.loads(captured.out)
    assert set(told) == {"system", "pressure_gpa", "basis", "phases", "missing", "caveats"}
    assert (told["system"], told["pressure_gpa"]) == ("Al-H", 10.0)
    assert told["basis"]["ecutwfc_ry"] == 60.0
    assert set(told["basis"]["pseudos"]) == {"Al", "H"}
    phases = {phase["label"]: phase for phase in told["phases"]}
    assert list(phases) == ["Al-fcc", "H2-hcp", "H2-p63-m", "AlH3-mh3-r-3c"]
    alane = phases["AlH3-mh3-r-3c"]
    assert alane["formation_ev_per_atom"] == pytest.approx(-0.1)
    # Without it only the elements are left: the candidate lies above them.
    assert alane["stabilisation_ev_per_atom"] == pytest.approx(-0.1)
    assert (alane["hull_ev_per_atom"], alane["reaction"]) == (0.0, "AlH3 -> Al + 1.5 H2")
    assert (alane["kind"], alane["space_group_number"], alane["formula"]) == ("reference", 167, "AlH3")
    assert any(line.startswith("reference AlH-rocksalt: ") for line in told["missing"])


def test_csv(hydrides, capsys, tmp_path: Path) -> None:
    assert run(["hull", "Al-H", "--pressure-gpa", "10", "--csv", "-"]) == 0
    text = capsys.readouterr().out
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["perovskite-Al4H"]["kind"] == "candidate"
    assert float(rows["perovskite-Al4H"]["hull_ev_per_atom"]) == pytest.approx(0.1 + 0.1 * 4 / 15)
    assert rows["perovskite-Al4H"]["competing_phases"] == "0.2667 AlH3-mh3-r-3c + 0.7333 Al-fcc"
    file = tmp_path / "hull.csv"
    assert run(["hull", "Al-H", "--pressure-gpa", "10", "--csv", str(file)]) == 0
    assert file.read_text() == text
    assert f"5 phases written to {file}" in capsys.readouterr().err


def test_a_limit_is_told(hydrides, capsys) -> None:
    assert run(["hull", "Al-H", "--pressure-gpa", "10", "--max-hull-ev-per-atom", "0"]) == 0
    out = capsys.readouterr().out
    assert "2 phases further above the hull are not shown" in out
    assert "perovskite" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["Al-Xx"], 2, "system 'Al-Xx': 'Xx' is no element"),
        (["Ca-Sr"], 2, "no finished relaxation of Ca-Sr in this profile, there are Al, Al-H, H, Mg, Mg-H; "),
        (["Al-H", "--pressure-gpa", "20"], 2, "nothing of Al-H was relaxed at 20 GPa, only at 10, 100 GPa; "),
        (["Al-H", "--pressure-gpa", "100"], 2, "2 sets of settings, one hull wants one: "),
        (["Al-H", "--pressure-gpa", "100", "--basis", "zz"], 2, "--basis 'zz' is none of those stored: "),
        (["Al-H", "--campaign", "nope"], 2, "campaign 'nope' not found in this profile; there are: one"),
        (["Al-H", "--csv", "/dev/null/x.csv", "--pressure-gpa", "10"], 2, "/dev/null/x.csv cannot be written"),
        (["Al-H", "--json", "--csv", "-"], 2, "--json and --csv - were both given"),
        (["Al-H", "--profile", "nope"], 2, "profile 'nope' not found"),
        (["Al-H", "--max-hull-ev-per-atom", "-1"], 2, "-1.0 is not in the range x>=0"),
        ([], 2, "Missing argument 'SYSTEM'"),
    ],
)
def test_mistakes_are_one_line(hydrides, capsys, arguments: list[str], code: int, message: str) -> None:
    assert run(["hull", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line


def test_without_an_element_there_is_no_hull(hydrides, capsys) -> None:
    assert run(["hull", "Mg-H", "--pressure-gpa", "50"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: no hull of Mg-H at 50 GPa: H, Mg were not relaxed there, only MgH2; ")


def test_nothing_is_stored_by_looking(hydrides, stored) -> None:
    before = stored()
    assert run(["hull", "Al-H", "--pressure-gpa", "10"]) == 0
    assert stored() == before
