"""`hts candidates` on a graph made by hand."""

import csv
import io
import json
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from hts.cli.candidates import TABLE_WIDTH, candidates_table, csv_text
from hts.cli.main import run
from hts.records import CandidateRecord

VERDICTS = "ambient, stable_to_pressure, dynamically_unstable, insulator, not_superconducting, above_hull, undecided"


@pytest.fixture(scope="module")
def candidates(module_graph):
    """Store a superconductor at ambient pressure, one under pressure, an unstable one, and one that still runs."""
    graph = module_graph
    ambient = graph.screening("Al4H")
    graph.record(
        ambient,
        lowest_stable_pressure_gpa=0.0,
        hull_ev_per_atom=0.1,
        hull_pressure_gpa=0.0,
        hull_by_pressure={"10": 0.2, "0": 0.1},
        decomposition={"Al": 0.8, "H2": 0.2},
        tc_k={"0.10": 5.0, "0.13": 3.0},
        figure_of_merit=0.13,
        flags=["hull_incomplete", "provisional_q_grid"],
        **{"lambda": 0.5},
    )
    graph.structure(ambient, Structure(Lattice.cubic(4.0), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    pressed = graph.screening("MgAl3H", campaign="two")
    graph.record(
        pressed,
        verdict="stable_to_pressure",
        lowest_stable_pressure_gpa=10.0,
        hull_ev_per_atom=0.3,
        hull_pressure_gpa=10.0,
        tc_k={"0.10": 0.0},
        figure_of_merit=0.0,
    )
    graph.record(graph.screening("MgAlH3"), verdict="dynamically_unstable", reason="imaginary", hull_ev_per_atom=0.05)
    graph.screening("Al2H3", state="waiting")
    return graph


def keys(capsys, *arguments: str) -> list[str]:
    assert run(["candidates", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    return [record["formula"] for record in json.loads(captured.out)]


@pytest.mark.parametrize(
    ("arguments", "formulas"),
    [
        ([], ["Al4H", "MgAl3H", "Al2H3", "MgAlH3"]),
        (["one"], ["Al4H", "Al2H3", "MgAlH3"]),
        (["--max-pressure-gpa", "0"], ["Al4H"]),
        (["--max-pressure-gpa", "10"], ["Al4H", "MgAl3H"]),
        (["--min-tc-k", "0"], ["Al4H", "MgAl3H"]),
        (["--min-tc-k", "5"], ["Al4H"]),
        (["--min-tc-k", "5.1"], []),
        (["--max-hull-ev-per-atom", "0.1"], ["Al4H", "MgAlH3"]),
        (["--verdict", "undecided"], ["Al2H3"]),
        (["--element", "Mg"], ["MgAl3H", "MgAlH3"]),
        (["--element", "Mg", "--element", "Al", "--max-pressure-gpa", "50"], ["MgAl3H"]),
        (["--family", "perovskite", "--verdict", "ambient"], ["Al4H"]),
        (["--family", "a2xh6"], []),
    ],
)
def test_filters(candidates, capsys, arguments: list[str], formulas: list[str]) -> None:
    assert keys(capsys, *arguments) == formulas


def test_json_has_the_keys_of_the_contract(candidates, capsys) -> None:
    assert run(["candidates", "--json", "--verdict", "ambient"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    [record] = json.loads(captured.out)
    contract = """
        key prototype formula verdict reason lowest_stable_pressure_gpa highest_unstable_pressure_gpa hull_ev_per_atom
        hull_pressure_gpa decomposition lambda omega_log_mev tc_k figure_of_merit flags cost_core_hours uuid
        """
    assert set(contract.split()) <= set(record)
    assert record["tc_k"]["allen_dynes"] == {"0.10": 5.0, "0.13": 3.0}
    assert record["lambda"] == 0.5


def test_the_table_says_why(candidates, capsys) -> None:
    assert run(["candidates"]) == 0
    captured = capsys.readouterr()
    assert max(len(line) for line in captured.out.splitlines()) <= TABLE_WIDTH
    assert "4 candidates" in captured.out
    assert "Allen-Dynes at mu* 0.10" in captured.out
    assert "MgAlH3: imaginary" in captured.out
    assert "Al2H3: still running: waiting for the daemon" in captured.out
    assert "Type next: hts explain KEY" in captured.err


def test_the_widest_record_fits() -> None:
    from rich.console import Console

    record = CandidateRecord(
        key="sodalite_mxh12-pm-3m-LaLuH12",
        prototype="sodalite_mxh12",
        formula="LaLuH12",
        verdict="dynamically_unstable",
        reason="-",
        lowest_stable_pressure_gpa=122.5,
        hull_ev_per_atom=-0.123,
        tc_k={"allen_dynes": {"0.10": 250.1}},
        figure_of_merit=10.25,
        flags=["provisional_q_grid", "quantum_sensitive"],
        **{"lambda": 2.25},
    )
    text = io.StringIO()
    Console(width=TABLE_WIDTH, file=text).print(candidates_table([record]))
    for words in ("dynamically_unstable", "provisional_q_grid", "LaLuH12", "122.5", "-0.123", "2.25", "250.1", "10.25"):
        assert words in text.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--verdict", "nonsense"], f"--verdict 'nonsense' is unknown; give one of {VERDICTS}"),
        (["--element", "Xx"], "--element 'Xx' is not an element"),
        (["--family", "perovskit"], "--family 'perovskit' is unknown; did you mean 'perovskite'? allowed: a15, "),
        (["--json", "--csv", "-"], "--json and --csv - were both given"),
        (["--csv", "/dev/null/x.csv"], "/dev/null/x.csv cannot be written"),
        (["--cif", "/dev/null"], "cannot be written"),
        (["nope"], "campaign 'nope' not found in this profile; there are: one, two"),
        (["nope.yaml"], "nope.yaml: cannot be read"),
        (["--profile", "nope"], "profile 'nope' not found"),
        (["--min-tc-k", "warm"], "'warm' is not a valid float"),
    ],
)
def test_mistakes_are_one_line(candidates, capsys, arguments: list[str], message: str) -> None:
    assert run(["candidates", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line


def test_csv(candidates, capsys, tmp_path: Path) -> None:
    assert run(["candidates", "--csv", "-"]) == 0
    text = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["formula"] for row in rows] == ["Al4H", "MgAl3H", "Al2H3", "MgAlH3"]
    assert rows[0]["tc_allen_dynes_mu0.13_k"] == "3.0"
    assert rows[0]["lowest_stable_pressure_gpa"] == "0.0"
    assert rows[0]["decomposition"] == "0.8 Al + 0.2 H2"
    assert rows[0]["hull_ev_per_atom_by_gpa"] == "10:0.2 0:0.1"
    assert rows[0]["flags"] == "hull_incomplete provisional_q_grid"
    assert rows[3]["tc_allen_dynes_mu0.10_k"] == ""
    file = tmp_path / "new" / "all.csv"
    assert run(["candidates", "--csv", str(file), "--json"]) == 0
    assert file.read_text() == text
    assert len(json.loads(capsys.readouterr().out)) == 4


def superconductor(**changes: object) -> CandidateRecord:
    """Return the record of what was computed at 5 and at 10 GPa."""
    points = [
        {"pressure_gpa": pressure, "lambda": 0.5, "omega_log_mev": 46.0, "figure_of_merit": 0.1, "flags": [],
         "unverified": [], "tc_k": {"allen_dynes": allen_dynes, "eliashberg": {}}}
        for pressure, allen_dynes in ((5.0, {"0.10": 8.0, "0.13": 6.0}), (12.5, {"0.10": None}), (20.0, {"0.10": 0.25}))
    ]  # fmt: skip
    content = {
        "key": "perovskite-Al4H", "prototype": "perovskite", "formula": "Al4H", "verdict": "stable_to_pressure",
        "reason": "-", "tc_k": {"allen_dynes": {"0.10": 8.0, "0.13": 6.0}}, "tc_spread_k": [7.0, 9.5],
        "tc_spread": {"formulas_k": None, "mu_star_k": [6.0, 8.0], "meshes_and_smearings_k": [7.0, 9.5]},
        "tc_by_pressure": points, "tc_convergence": "converged",
    }  # fmt: skip
    return CandidateRecord.model_validate({**content, **changes})


UNVERIFIED = ["N(E_F) +50.0% at k24", "Wannier bands 0.400 eV RMS (limit 0.1 eV)"]


def table_text(*records: CandidateRecord) -> str:
    from rich.console import Console

    text = io.StringIO()
    Console(width=TABLE_WIDTH, file=text).print(candidates_table(records))
    return text.getvalue()


def test_an_unverified_tc_is_marked_where_it_is_shown() -> None:
    sound, doubtful = superconductor(), superconductor(tc_unverified=UNVERIFIED, formula="MgAl3H")
    text = table_text(sound, doubtful)
    tc_of = {line.split()[0]: line.split() for line in text.splitlines() if "stable_to_pressure" in line}
    assert "8.0" in tc_of["Al4H"] and "8.0?" not in tc_of["Al4H"]
    assert "8.0?" in tc_of["MgAl3H"]
    assert "unverified, see below" in " ".join(text.split())
    assert "?" not in table_text(sound)
    # The reason, which the table is followed by, says what is not verified: see `hts.summary`.
    widest = superconductor(tc_unverified=UNVERIFIED, tc_k={"allen_dynes": {"0.10": 250.1}}, tc_spread_k=[230.0, 260.0])
    assert "250.1?" in table_text(widest) and "230-260" in table_text(widest)


def test_csv_of_what_a_tc_rests_on() -> None:
    bare = CandidateRecord(key="k", prototype="p", formula="AlH3", verdict="undecided", reason="-")
    text = csv_text([superconductor(tc_unverified=UNVERIFIED), bare])
    full, empty = csv.DictReader(io.StringIO(text))
    wanted = {
        "tc_lowest_k": "7.0",
        "tc_highest_k": "9.5",
        "tc_formulas_lowest_k": "",
        "tc_formulas_highest_k": "",
        "tc_mu_star_lowest_k": "6.0",
        "tc_mu_star_highest_k": "8.0",
        "tc_meshes_and_smearings_lowest_k": "7.0",
        "tc_meshes_and_smearings_highest_k": "9.5",
        "tc_unverified": "; ".join(UNVERIFIED),
        "tc_convergence": "converged",
        # Without the pressure whose Tc is not known.
        "tc_allen_dynes_k_by_gpa": "5:8 20:0.25",
    }
    assert {name: full[name] for name in wanted} == wanted
    assert {empty[name] for name in wanted} == {""}
    assert not [name for name in full if name in {"tc_spread", "tc_by_pressure", "tc_spread_k"}]
    assert not [value for value in full.values() if "{" in value or "[" in value]


def test_cif(candidates, capsys, tmp_path: Path) -> None:
    # the same candidate with other settings
    other = candidates.screening("Al4H", label="one/perovskite-Al4H/ffffffffffff")
    candidates.record(other, lowest_stable_pressure_gpa=0.0)
    candidates.structure(other, Structure(Lattice.cubic(4.1), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    assert run(["candidates", "--cif", str(tmp_path / "cif")]) == 0
    names = {file.name for file in (tmp_path / "cif").iterdir()}
    assert names == {"perovskite-Al4H-0GPa.cif", f"perovskite-Al4H-0GPa-{other.uuid[:8]}.cif"}
    lattices = {Structure.from_file(tmp_path / "cif" / name).lattice.a for name in names}
    assert lattices == {4.0, 4.1}
    assert "2 CIF files written" in capsys.readouterr().err


def test_before_any_campaign(graph, capsys) -> None:
    assert run(["candidates"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "`hts run FILE.yaml` makes some" in captured.err
    assert run(["candidates", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
