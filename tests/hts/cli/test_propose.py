"""`hts propose`: files, table and JSON of imported structures, and its mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pymatgen.core import Lattice, Structure

from hts import materials_project
from hts.cli import main
from hts.cli.propose import propose
from hts.competitor_files import read_competitors
from hts.errors import HtsError, UserError

KEYS = {
    "kind", "id", "formula", "space_group", "n_atoms", "functional", "mp_energy_above_hull_ev_per_atom",
    "mp_formation_energy_ev_per_atom", "doi", "file", "written",
}  # fmt: skip


def invoked(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(propose, ["H-Al", "--folder", str(folder), *arguments])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Answer instead of the Materials Project, and return what it is asked."""
    questions: list[tuple[Any, ...]] = []
    crystals = {
        "mp-134": Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.04), ["Al"], [[0, 0, 0]]),
        "mp-23933": Structure.from_spacegroup("Pm-3n", Lattice.cubic(3.9), ["Al", "H"], [[0, 0, 0], [0.25, 0, 0.5]]),
    }
    documents = [
        {
            "material_id": material_id,
            "structure": crystal.as_dict(),
            "symmetry": {"symbol": "x", "number": 1},
            "energy_above_hull": 0.01,
            "formation_energy_per_atom": None,
        }
        for material_id, crystal in crystals.items()
    ]

    def answer(*question: Any) -> tuple[list[dict[str, Any]], dict[str, str]]:
        questions.append(question)
        return (documents if question[1] >= 0.01 else []), {"mp-134": "GGA"}

    monkeypatch.setattr(materials_project, "fetch_documents", answer)
    monkeypatch.setenv("MP_API_KEY", "k" * 32)
    return questions


def test_table_files_and_next_step(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    folder = tmp_path / "competitors"
    result = invoked(folder)
    assert result.exit_code == 0, result.output
    assert asked == [(["Al", "H", "Al-H"], 0.05, "k" * 32)]
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    assert "never used on a hull" in result.stdout
    assert "AlH3-mp-23933.cif" in result.stdout
    assert "new" in result.stdout
    assert f"2 files written to {folder}, 0 kept" in result.stderr
    assert f"Type next, in the campaign: competitor_folder: {folder}" in result.stderr
    assert [file.formula for file in read_competitors(folder)] == ["Al", "AlH3"]


def test_again_nothing_is_written(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    invoked(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(before) == ["Al-mp-134.cif", "AlH3-mp-23933.cif", "index.yaml"]
    result = invoked(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert "0 files written" in result.stderr
    assert "2 kept" in result.stderr
    assert "new" not in result.stdout


def test_json(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    records = json.loads(invoked(tmp_path, "--json").stdout)
    assert [record["id"] for record in records] == ["mp-134", "mp-23933"]
    assert all(set(record) == KEYS for record in records)
    assert {record["kind"] for record in records} == {"imported"}
    assert [record["functional"] for record in records] == ["GGA", "unknown"]
    assert all(record["written"] for record in records)


def test_nothing_found_writes_nothing(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    result = invoked(tmp_path / "none", "--max-hull-ev-per-atom", "0", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == []
    assert "nothing within 0 eV/atom" in result.stderr
    assert not (tmp_path / "none").exists()


def test_exit_codes(
    asked: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "none")

    def unreachable(*question: Any) -> None:
        raise HtsError("the Materials Project did not answer as expected (no network); check")

    assert isinstance(CliRunner().invoke(propose, ["AlH", "--folder", folder]).exception, UserError)
    monkeypatch.setattr(materials_project, "fetch_documents", unreachable)
    assert main.run(["propose", "Al-H", "--folder", folder]) == 1
    monkeypatch.delenv("MP_API_KEY")
    assert main.run(["propose", "Al-H", "--folder", folder]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Error: the Materials Project did not answer")
    assert lines[1].startswith("Error: no key of the Materials Project")
    assert not Path(folder).exists()
