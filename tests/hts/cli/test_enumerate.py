"""`hts enumerate` and `hts prototypes`: JSON keys, tables of 100 columns, CIF files, mistakes."""

import json
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from pymatgen.core import Structure

from hts.cli.enumerate import enumerate_
from hts.cli.prototypes import prototypes
from hts.descriptors import DESCRIPTORS
from hts.errors import UserError
from hts.ranking import WEIGHTS

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


def test_filters_rank_and_limit() -> None:
    def formulas(*options: str) -> list[str]:
        result = CliRunner().invoke(enumerate_, [str(EXAMPLE), "--json", *options])
        assert result.exit_code == 0
        return [record["formula"] for record in json.loads(result.stdout)]

    assert formulas("--filter", "hydrogen_fraction>=0.5") == ["Al2H3", "MgAlH3"]
    assert formulas("--filter", "hydrogen_fraction>=0.5", "--filter", "packing_fraction<=0.01") == []
    assert formulas("--limit", "1") == ["Al4H"]
    ranked = formulas("--rank")
    assert sorted(ranked) == sorted(formulas())
    assert ranked[0] in ("Al2H3", "MgAlH3")  # more hydrogen, and nearer to each other
    limited = CliRunner().invoke(enumerate_, [str(EXAMPLE), "--limit", "3"])
    assert "4 assignments, 4 candidates" in limited.stderr
    assert "1 more with --limit 0" in limited.stderr
    wrong = CliRunner().invoke(enumerate_, [str(EXAMPLE), "--filter", "xi>=1"])
    assert isinstance(wrong.exception, UserError)


def test_the_record_explains_its_rank() -> None:
    record = json.loads(CliRunner().invoke(enumerate_, [str(EXAMPLE), "--json"]).stdout)[0]
    assert 0 <= record["ranking"]["score"] <= 1
    assert set(record["ranking"]["terms"]) <= set(WEIGHTS)
    assert set(record["descriptors"]) == set(DESCRIPTORS)


def test_prototypes() -> None:
    records = json.loads(CliRunner().invoke(prototypes, ["--json"]).stdout)
    by_name = {record["prototype"]: record for record in records}
    assert by_name["sodalite_mxh12"]["choose"] == ["M", "X"]
    assert [v["space_group_number"] for v in by_name["sodalite_mxh12"]["variants"]] == [221, 227]
    assert all(v["source_doi"].startswith("10.") for record in records for v in record["variants"])
    table = CliRunner().invoke(prototypes, [])
    assert table.exit_code == 0
    assert all(len(line) <= 100 for line in table.stdout.splitlines())
    assert all(f"\n {name} " in table.stdout for name in by_name)
    assert "…" not in table.stdout


def test_one_prototype_in_full() -> None:
    shown = CliRunner().invoke(prototypes, ["a2xh6", "mh10"])
    assert "H    24e   H       (x_h, 0.0, 0.0)" in shown.stdout
    assert "best electron count 19" in shown.stdout
    assert "variant p63-mmc" in shown.stdout
    wrong = CliRunner().invoke(prototypes, ["a2xh66"])
    assert isinstance(wrong.exception, UserError)
    assert "did you mean 'a2xh6'" in str(wrong.exception)


def test_what_a_campaign_can_name() -> None:
    groups = json.loads(CliRunner().invoke(prototypes, ["--groups", "--json"]).stdout)
    assert groups["alkali_metal"] == "Li Na K Rb Cs"
    descriptors = json.loads(CliRunner().invoke(prototypes, ["--descriptors", "--json"]).stdout)
    assert descriptors == DESCRIPTORS
    assert "hydrogen_fraction" in CliRunner().invoke(prototypes, ["--descriptors"]).stdout


def test_families_of_a_folder(tmp_path: Path) -> None:
    text = (resources.files("hts.prototypes") / "sodalite_mh6.yaml").read_text(encoding="utf-8")
    (tmp_path / "my_mh6.yaml").write_text(text.replace("sodalite_mh6", "my_mh6"), encoding="utf-8")
    shown = CliRunner().invoke(prototypes, ["--folder", str(tmp_path)])
    assert " my_mh6 " in shown.stdout
    (tmp_path / "my_mh6.yaml").write_text("name: my_mh6\n", encoding="utf-8")
    bad = CliRunner().invoke(prototypes, ["--folder", str(tmp_path / "deeper")])
    assert "not a folder" in str(bad.exception)
