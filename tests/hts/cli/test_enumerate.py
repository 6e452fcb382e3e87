"""`hts enumerate` and `hts prototypes`: JSON keys, tables of 100 columns, CIF files, mistakes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pymatgen.core import Structure

from hts.cli.enumerate import enumerate_
from hts.cli.prototypes import prototypes
from hts.errors import UserError

EXAMPLE = Path(__file__).parents[3] / "examples" / "al-h-perovskites.yaml"
KEYS = {
    "key",
    "prototype",
    "formula",
    "sites",
    "space_group_number",
    "n_atoms",
    "volume_ang3_per_atom",
    "min_distance_ang",
    "descriptors",
}


def test_json() -> None:
    result = CliRunner().invoke(enumerate_, [str(EXAMPLE), "--json"])
    assert result.exit_code == 0
    records = json.loads(result.stdout)
    assert [record["formula"] for record in records] == ["Al4H", "MgAl3H", "Al2H3", "MgAlH3"]
    assert all(set(record) >= KEYS for record in records)
    assert records[0]["sites"] == {"A": "Al", "B": "H", "X": "Al"}
    assert records[0]["n_atoms"] == 5


def test_table_fits_and_names_every_candidate() -> None:
    result = CliRunner().invoke(enumerate_, [str(EXAMPLE)])
    assert result.exit_code == 0
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    assert "perovskite-MgAl3H-Mg_H_Al" in result.stdout
    assert "Type next: hts run" in result.stderr


def test_cif_files_read_back_as_the_same_crystal(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cif"
    result = CliRunner().invoke(enumerate_, [str(EXAMPLE), "--json", "--cif", str(folder)])
    assert "4 CIF files written" in result.stderr
    for record in json.loads(result.stdout):
        structure = Structure.from_file(folder / f"{record['key']}.cif")
        assert structure.composition.reduced_formula == record["formula"]
        assert structure.volume / len(structure) == pytest.approx(record["volume_ang3_per_atom"], rel=1e-6)
        assert structure.get_space_group_info()[1] == record["space_group_number"]


def test_mistakes_are_user_errors(tmp_path: Path) -> None:
    missing = CliRunner().invoke(enumerate_, [str(tmp_path / "none.yaml")])
    assert isinstance(missing.exception, UserError)
    occupied = tmp_path / "file"
    occupied.write_text("not a folder", encoding="utf-8")
    blocked = CliRunner().invoke(enumerate_, [str(EXAMPLE), "--cif", str(occupied)])
    assert isinstance(blocked.exception, UserError)
    assert "cannot be written" in str(blocked.exception)
    assert blocked.stdout == ""


def test_prototypes() -> None:
    records = json.loads(CliRunner().invoke(prototypes, ["--json"]).stdout)
    by_name = {record["prototype"]: record for record in records}
    assert by_name["sodalite_mxh12"]["choose"] == ["M", "X"]
    assert [v["space_group_number"] for v in by_name["sodalite_mxh12"]["variants"]] == [221, 227]
    assert all(v["source_doi"].startswith("10.") for record in records for v in record["variants"])
    table = CliRunner().invoke(prototypes, [])
    assert table.exit_code == 0
    assert all(len(line) <= 100 for line in table.stdout.splitlines())
    assert all(name in table.stdout for name in by_name)
