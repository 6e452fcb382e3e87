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
    stable = {"lambda", "omega_log_mev", "omega_2_mev", "tc"}
    assert set(table) == stable | {"mu_star_convention", "status", "spread"}
    assert (table["mu_star_convention"], table["status"]) == ("at_cutoff", "superconducting")
    assert set(table["spread"]) == {"formulas_k", "mu_star_k"}
    assert {"mu_star", "mcmillan_k", "allen_dynes_k", "eliashberg_k", "status"} < set(table["tc"][0])
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
    assert lines[3].split()[0] == "0.1"
    assert lines[3].endswith("superconducting")
    assert lines[-2].startswith("mu* is taken at the Eliashberg cutoff of ")
    assert lines[-1].startswith("spread around Allen-Dynes at mu* = 0.1: formulas 0.")
    assert "columns" not in lines[-1]


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


def test_both_conventions_of_mu_star() -> None:
    arguments = (DATA / "a2F.dos5", "--mu-star", "0.1", "--mu-star-convention")
    plain, rescaled = (json.loads(invoked(*arguments, name, "--json").stdout) for name in ("at-cutoff", "rescaled"))
    assert plain == json.loads(invoked(DATA / "a2F.dos5", "--mu-star", "0.1", "--json").stdout)
    assert rescaled["mu_star_convention"] == "rescaled"
    assert rescaled["tc"][0]["mu_star_at_cutoff"] > 0.13
    assert rescaled["tc"][0]["eliashberg_k"] < plain["tc"][0]["eliashberg_k"]
    people = invoked(*arguments, "rescaled").stdout.splitlines()[-2]
    carried = f"{rescaled['tc'][0]['mu_star_at_cutoff']:.3f}"
    assert people.startswith("mu* is that of omega_2, rescaled to the Eliashberg cutoff of ")
    assert people.endswith(f"meV: {carried}")


def test_a_mu_star_that_cannot_be_rescaled() -> None:
    result = invoked(DATA / "a2F.dos5", "--mu-star", "0.5", "--mu-star-convention", "rescaled")
    assert isinstance(result.exception, UserError)
    assert "no counterpart at the cutoff" in str(result.exception)


def test_cutoff_factor() -> None:
    """A wider cutoff at the same mu* means less repulsion."""
    low, high = (
        json.loads(invoked(DATA / "a2F.dos5", "--cutoff-factor", factor, "--json").stdout)["tc"][0]
        for factor in ("10", "40")
    )
    assert high["cutoff_mev"] == pytest.approx(4 * low["cutoff_mev"])
    assert high["eliashberg_k"] > low["eliashberg_k"]
    result = invoked(DATA / "a2F.dos5", "--cutoff-factor", "1")
    assert isinstance(result.exception, UserError)
    assert "cutoff factor 1.0: wanted more than 1" in str(result.exception)


def test_figure_of_merit_for_each_mu_star() -> None:
    table = json.loads(invoked(DATA / "a2F.dos5", "--pressure-gpa", "52", "--json").stdout)
    for row in table["tc"]:
        assert row["figure_of_merit"] == pytest.approx(row["allen_dynes_k"] / 65.0)
    lines = invoked(DATA / "a2F.dos5", "--pressure-gpa", "52").stdout.splitlines()
    assert "S (A-D)" in lines[2]
    assert f"{table['tc'][0]['figure_of_merit']:.3f}" in lines[3]
    assert "S (A-D)" not in invoked(DATA / "a2F.dos5").stdout


@pytest.mark.parametrize("pressure", ["-1", "nan", "inf"])
def test_a_pressure_that_is_none(pressure: str) -> None:
    result = invoked(DATA / "a2F.dos5", "--pressure-gpa", pressure)
    assert isinstance(result.exception, UserError)
    assert "wanted 0 or more" in str(result.exception)


def test_gap_and_isotope_coefficient_on_request() -> None:
    arguments = (DATA / "fcc_al.a2f", "--mu-star", "0", "--mu-star", "0.3", "--gap")
    free, repelled = json.loads(invoked(*arguments, "--json").stdout)["tc"]
    assert free["gap"]["status"] == "superconducting"
    # Weak coupling: BCS theory.
    assert free["gap"]["gap_ratio"] == pytest.approx(3.528, abs=5e-3)
    assert free["isotope_coefficient"]["eliashberg"] == 0.5
    assert repelled["gap"]["status"] == "not_bracketed"
    assert repelled["gap"]["gap_mev"] is None
    lines = invoked(*arguments).stdout.splitlines()
    assert "Delta(i w0) (meV)" in lines[6]
    assert lines[7].split()[-4:] == ["0.500", "0.500", "0.500", "superconducting"]
    assert lines[8].split()[1:] == ["-"] * 7 + ["not_bracketed"]


def test_several_columns_give_the_spread_over_smearings() -> None:
    file = DATA / "alpha2F.dat"
    everything = json.loads(invoked(file, "--all-columns", "--mu-star", "0.1", "--json").stdout)
    assert [table["column"] for table in everything["columns"]] == list(range(1, 11))
    ranking = [table["tc"][0]["allen_dynes_k"] for table in everything["columns"]]
    assert everything["spread"]["columns_k"] == [min(ranking), max(ranking)]
    first = json.loads(invoked(file, "--mu-star", "0.1", "--json").stdout)
    assert {key: everything[key] for key in first if key != "spread"} == {
        key: value for key, value in first.items() if key != "spread"
    }
    two = invoked(file, "--column", "5", "--column", "10", "--mu-star", "0.1")
    assert [line.split(":")[0] for line in two.stdout.splitlines() if "lambda" in line] == ["column 5", "column 10"]
    assert ", columns 0.3" in two.stdout.splitlines()[-1]


def test_modes_are_not_smearings() -> None:
    result = invoked(DATA / "a2F.dos5", "--all-columns")
    assert isinstance(result.exception, UserError)
    assert "are modes" in str(result.exception)


def test_all_columns_and_one_column_are_a_contradiction() -> None:
    result = invoked(DATA / "alpha2F.dat", "--all-columns", "--column", "2")
    assert isinstance(result.exception, UserError)
    assert "drop the other" in str(result.exception)


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
