"""`hts tc` as a user calls it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hts.cli.tc import tc
from hts.errors import UserError

DATA = Path(__file__).parent.parent.parent / "data" / "alpha2f"


def invoked(*arguments: str | Path) -> Result:
    return CliRunner().invoke(tc, [str(argument) for argument in arguments])


def test_json_of_the_contract() -> None:
    result = invoked(DATA / "a2F.dos5", "--json")
    assert result.exit_code == 0
    table = json.loads(result.stdout)
    assert set(table) == {"lambda", "omega_log_mev", "omega_2_mev", "tc"}
    assert [row["mu_star"] for row in table["tc"]] == [0.10, 0.13, 0.16]
    assert [row["status"] for row in table["tc"]] == ["superconducting"] * 3
    temperatures = [row["eliashberg_k"] for row in table["tc"]]
    assert temperatures == sorted(temperatures, reverse=True)


def test_the_file_of_a_real_epw_run() -> None:
    table = json.loads(invoked(DATA / "fcc_al.a2f", "--mu-star", "0", "--mu-star", "0.3", "--json").stdout)
    assert table["lambda"] == pytest.approx(0.2084, abs=1e-4)
    free, repelled = table["tc"]
    assert free["status"] == "superconducting"
    assert 0.3 < free["allen_dynes_k"] < free["eliashberg_k"] < 1.0
    assert repelled["mcmillan_k"] == repelled["allen_dynes_k"] == 0.0
    assert repelled["status"] == "not_bracketed"
    assert repelled["eliashberg_k"] is None


def test_table_for_people() -> None:
    result = invoked(DATA / "alpha2F.dat", "--column", "5", "--mu-star", "0.1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("lambda 0.35")
    assert "K)" in lines[0]
    assert lines[-1].split()[0] == "0.1"
    assert lines[-1].endswith("superconducting")


def test_unit_is_accepted_in_any_case(tmp_path: Path) -> None:
    plain = tmp_path / "plain.dat"
    plain.write_text("1 0.2\n5 1.0\n9 0.1\n", encoding="utf-8")
    assert invoked(plain, "--unit", "thz", "--json").stdout == invoked(plain, "--unit", "THz", "--json").stdout


def test_a_spectrum_without_coupling_is_an_answer(tmp_path: Path) -> None:
    zero = tmp_path / "zero.dat"
    zero.write_text("# meV\n1 0\n2 0\n3 0\n", encoding="utf-8")
    table = json.loads(invoked(zero, "--mu-star", "0.1", "--json").stdout)
    assert table["lambda"] == 0
    assert table["omega_log_mev"] is None
    assert table["tc"][0]["eliashberg_k"] == 0
    assert invoked(zero).exit_code == 0


@pytest.mark.parametrize("mu_star", ["-0.01", "0.51", "nan", "inf"])
def test_mu_star_out_of_range(mu_star: str) -> None:
    result = invoked(DATA / "a2F.dos5", "--mu-star", mu_star)
    assert isinstance(result.exception, UserError)
    assert "wanted 0 to 0.5" in str(result.exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [("# meV\n1 0.1\n2 -0.5\n3 0.2\n", "negative"), ("# meV\n-2 0.1\n-1 0.5\n", "positive energies")],
)
def test_a_spectrum_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.dat"
    path.write_text(text, encoding="utf-8")
    result = invoked(path)
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith(f"{path}: ")
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)


def test_an_absent_file_is_the_users_mistake(tmp_path: Path) -> None:
    result = invoked(tmp_path / "absent.a2f")
    assert isinstance(result.exception, UserError)
    assert result.stdout == ""


def test_help_shows_an_example() -> None:
    result = invoked("--help")
    assert result.exit_code == 0
    assert "hts tc aiida.a2f --mu-star 0.10" in result.output
