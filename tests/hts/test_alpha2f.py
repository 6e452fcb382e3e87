"""Reading alpha2F: real files of QE 6.7 and EPW 5.3.1, then every way in which a file can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.alpha2f import read_alpha2f, smearing_columns
from hts.errors import UserError
from hts.superconductivity import mcmillan_tc_k, moments
from hts.units import BOLTZMANN_MEV_PER_K, MEV_PER_CM1, MEV_PER_RY, MEV_PER_THZ

DATA = Path(__file__).parent.parent / "data" / "alpha2f"
EPW = DATA / "fcc_al.a2f"
MATDYN = DATA / "a2F.dos5"
LAMBDA_X = DATA / "alpha2F.dat"


def written(folder: Path, text: str, name: str = "a2f.dat") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def epw_text(n_smearings: int, n_rows: int = 4) -> str:
    """Rows as EPW's format (f12.7, 20f12.7) writes them: 21 numbers in a line, then the next line."""
    text = f" w[meV] a2f and integrated 2*a2f/w for {n_smearings:4d} smearing values\n"
    for row in range(1, n_rows + 1):
        values = [float(row), *(row + 0.01 * i for i in range(1, n_smearings + 1)), *([9.0] * n_smearings)]
        for start in range(0, len(values), 21):
            text += "".join(f"{value:12.7f}" for value in values[start : start + 21]) + "\n"
    couplings = "".join(f"{9.0:12.7f}" for _ in range(n_smearings))
    return (
        text
        + f" Integrated el-ph coupling\n  #         {couplings}\n Phonon smearing (meV)\n  #            0.5000000\n"
    )


def test_epw_file_gives_the_lambda_that_epw_printed() -> None:
    energy, spectrum = read_alpha2f(EPW)
    assert energy.shape == spectrum.shape
    printed = EPW.read_text(encoding="utf-8").split("Integrated el-ph coupling\n  #")[1].split()[0]
    assert moments(energy, spectrum).lambda_ == pytest.approx(float(printed), rel=1e-4)


def test_matdyn_file_gives_the_lambda_that_matdyn_printed() -> None:
    energy, spectrum = read_alpha2f(MATDYN)
    assert energy.size == 40
    assert energy[-1] == pytest.approx(0.304265e-2 * MEV_PER_RY)
    assert moments(energy, spectrum).lambda_ == pytest.approx(0.370896513514, rel=1e-5)


def test_matdyn_modes_add_up_to_the_total() -> None:
    total = read_alpha2f(MATDYN)[1]
    modes = [read_alpha2f(MATDYN, column=column)[1] for column in (2, 3, 4)]
    assert np.sum(modes, axis=0) == pytest.approx(total, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("column", "lambda_", "omega_log_k"), [(1, 0.828587, 237.290), (5, 0.351358, 268.105), (10, 0.336738, 290.112)]
)
def test_lambda_x_file_gives_what_lambda_x_printed(column: int, lambda_: float, omega_log_k: float) -> None:
    found = moments(*read_alpha2f(LAMBDA_X, column=column))
    assert found.lambda_ == pytest.approx(lambda_, rel=1e-3)
    assert found.omega_log_mev / BOLTZMANN_MEV_PER_K == pytest.approx(omega_log_k, rel=1e-3)


def test_lambda_x_file_gives_the_tc_that_lambda_x_printed() -> None:
    """0.480 K from lambda summed over modes and mu* = 0.1, fifth smearing."""
    found = moments(*read_alpha2f(LAMBDA_X, column=5))
    assert mcmillan_tc_k(0.35031, found.omega_log_mev, 0.1) == pytest.approx(0.480, abs=2e-3)


@pytest.mark.parametrize("n_smearings", [1, 3, 10, 11, 20, 21])
def test_epw_rows_of_any_number_of_smearings(tmp_path: Path, n_smearings: int) -> None:
    path = written(tmp_path, epw_text(n_smearings))
    energy, spectrum = read_alpha2f(path, column=n_smearings)
    assert energy == pytest.approx([1, 2, 3, 4])
    assert spectrum == pytest.approx([row + 0.01 * n_smearings for row in (1, 2, 3, 4)])
    with pytest.raises(UserError, match=f"the file has 1 to {n_smearings}"):
        read_alpha2f(path, column=n_smearings + 1)


def test_epw_projected_file(tmp_path: Path) -> None:
    text = "w[meV] a2f a2f_modeproj\n 1.0 0.3 0.1 0.2\n 2.0 0.7 0.3 0.4\nlambda_int =  0.5   lambda_sum =  0.5\n"
    path = written(tmp_path, text)
    assert read_alpha2f(path)[1] == pytest.approx([0.3, 0.7])
    assert read_alpha2f(path, column=3)[1] == pytest.approx([0.2, 0.4])


@pytest.mark.parametrize(
    ("unit", "factor"), [("meV", 1.0), ("THz", MEV_PER_THZ), ("cm-1", MEV_PER_CM1), ("Ry", MEV_PER_RY)]
)
def test_plain_columns_in_every_unit(tmp_path: Path, unit: str, factor: float) -> None:
    path = written(tmp_path, "1 0.1\n2 0.2\n\n3 0.3\n")
    energy, spectrum = read_alpha2f(path, unit)
    assert energy == pytest.approx(factor * np.array([1, 2, 3]))
    assert spectrum == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("# omega (meV)  a2F", 1.0),
        ('"freqs, THz","a2f"', MEV_PER_THZ),
        ("# w [cm-1]", MEV_PER_CM1),
        ("# w (cm^-1)", MEV_PER_CM1),
        ("# w cm^{-1}", MEV_PER_CM1),
        ("# w / cm⁻¹", MEV_PER_CM1),
        ("# energy (Ry)", MEV_PER_RY),
    ],
)
def test_a_header_that_names_one_unit_is_believed(tmp_path: Path, header: str, factor: float) -> None:
    path = written(tmp_path, f"\ufeff{header}\r\n1,0.1\r\n2,0.2\r\n# end\r\n")
    assert read_alpha2f(path)[0] == pytest.approx([factor, 2 * factor])


def test_fortran_exponents(tmp_path: Path) -> None:
    path = written(tmp_path, "0.1D+01 0.5d-1\n0.2E+01 0.123456-102\n3. 1.d0\n")
    energy, spectrum = read_alpha2f(path, "meV")
    assert energy == pytest.approx([1, 2, 3])
    assert spectrum == pytest.approx([0.05, 0.123456e-102, 1.0], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("", "meV", "the file is empty"),
        (" \n\n", "meV", "the file is empty"),
        ("hello\nworld\n", "meV", "0 rows"),
        ("1 0.1\n2 0.2\n", None, "give it with --unit"),
        ("# THz or meV\n1 0.1\n2 0.2\n", None, "give it with --unit"),
        ("# THz\n1 0.1\n2 0.2\n", "meV", "the header says THz"),
        ("1 0.1\n2 0.2\n", "eV", "unit 'eV' is unknown"),
        ("1\n2\n3\n", "meV", "3 rows of 1 columns"),
        ("1 0.1\n", "meV", "1 rows of 2 columns"),
        ("1 0.1\n2 ******\n3 0.3\n", "meV", "line 2 is not a row of numbers"),
        ("1 *****\n2 0.2\n3 0.3\n", "meV", "line 1 is not a row of numbers"),
        ("1 0.1x\n2 0.2\n3 0.3\n", "meV", "line 1 is not a row of numbers"),
        ("1 0.1\ntwo 0.2\n3 0.3\n", "meV", "line 2 is not a row of numbers"),
        ("1 0.1\n2 1234.56789012345.6789012\n", "meV", "line 2 is not a row of numbers"),
        ("1 0.1\n2 NaN\n3 0.3\n", "meV", "NaN or infinity"),
        ("1 0.1\n2 Infinity\n3 0.3\n", "meV", "NaN or infinity"),
        ("1 0.1\n2\n3 0.3\n", "meV", "line 2 has 1 columns, wanted 2"),
        ("1 0.1\n3 0.3\n2 0.2\n", "meV", "energy 2 follows 3 in data row 3"),
        ("1 0.1\n1 0.3\n2 0.2\n", "meV", "strictly increasing"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path: Path, text: str, unit: str | None, message: str) -> None:
    path = written(tmp_path, text, "wrong.dat")
    with pytest.raises(UserError) as caught:
        read_alpha2f(path, unit)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def lambda_x_text(n_smearings: int, n_rows: int = 4) -> str:
    """Text in the formats of lambda.x, ('# E(THz)', 10(f10.3)) and (f8.4, 10(f10.5)): past ten, the next line."""

    def lines(start: str, values: list[str]) -> str:
        chunks = ["".join(values[first : first + 10]) for first in range(0, len(values), 10)]
        return start + "\n".join(chunks) + "\n"

    text = lines("# E(THz)", [f"{0.005 * i:10.3f}" for i in range(1, n_smearings + 1)])
    for row in range(n_rows):
        text += lines(f"{row:8.4f}", [f"{row + 0.01 * i:10.5f}" for i in range(1, n_smearings + 1)])
    return text


@pytest.mark.parametrize("n_smearings", [1, 9, 10, 11, 20, 25, 50])
def test_lambda_x_breaks_rows_after_ten_smearings(tmp_path: Path, n_smearings: int) -> None:
    path = written(tmp_path, lambda_x_text(n_smearings), "alpha2F.dat")
    assert smearing_columns(path) == list(range(1, n_smearings + 1))
    energy, spectrum = read_alpha2f(path, column=n_smearings)
    assert energy == pytest.approx(MEV_PER_THZ * np.arange(4))
    assert spectrum == pytest.approx(np.arange(4) + 0.01 * n_smearings)
    with pytest.raises(UserError, match=f"the file has 1 to {n_smearings}"):
        read_alpha2f(path, column=n_smearings + 1)


def test_a_lambda_x_row_broken_in_the_middle_is_refused(tmp_path: Path) -> None:
    lines = lambda_x_text(20).splitlines(keepends=True)
    with pytest.raises(UserError, match="truncated"):
        read_alpha2f(written(tmp_path, "".join(lines[:-1])))
    with pytest.raises(UserError, match="damaged"):
        read_alpha2f(written(tmp_path, "".join(lines[:3] + lines[4:])))


def test_newer_epw_announces_ten_smearings_and_writes_one(tmp_path: Path) -> None:
    """`write_a2f` of EPW after 5.9 prints nqsmear, 10 by default, in the header of a file with three columns."""
    text = EPW.read_text(encoding="utf-8")
    assert "for    1 smearing" in text
    newer = written(tmp_path, text.replace("for    1 smearing", "for   10 smearing"), "newer.a2f")
    assert smearing_columns(newer) == [1]
    assert np.array_equal(read_alpha2f(newer), read_alpha2f(EPW))
    with pytest.raises(UserError, match="the file has 1 to 1"):
        read_alpha2f(newer, column=2)


def test_smearings_are_told_from_modes(tmp_path: Path) -> None:
    assert smearing_columns(EPW) == [1]
    assert smearing_columns(LAMBDA_X) == list(range(1, 11))
    assert smearing_columns(written(tmp_path, epw_text(20), "many.a2f")) == list(range(1, 21))
    with pytest.raises(UserError, match="are modes, wanted smearings"):
        smearing_columns(MATDYN)
    with pytest.raises(UserError, match="are unknown, wanted smearings"):
        smearing_columns(written(tmp_path, "# meV\n1 0.1 0.2\n2 0.2 0.3\n", "plain.dat"))


@pytest.mark.parametrize("column", [-1, 0, 2, 7])
def test_a_column_that_is_not_there(column: int) -> None:
    """Column 2 of this EPW file is the running integral of lambda, not a spectrum."""
    with pytest.raises(UserError, match="the file has 1 to 1: choose with --column"):
        read_alpha2f(EPW, column=column)


@pytest.mark.parametrize("source", [EPW, MATDYN])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, source: Path, kept: float) -> None:
    text = source.read_text(encoding="utf-8")
    with pytest.raises(UserError, match=r"truncated|damaged"):
        read_alpha2f(written(tmp_path, text[: int(kept * len(text))], source.name))


def test_an_epw_row_broken_in_the_middle_is_refused(tmp_path: Path) -> None:
    lines = epw_text(20).splitlines(keepends=True)
    with pytest.raises(UserError, match="truncated"):
        read_alpha2f(written(tmp_path, "".join(lines[:8] + lines[9:])))
    with pytest.raises(UserError, match="damaged"):
        read_alpha2f(written(tmp_path, "".join(lines[:2] + lines[3:])))


def test_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_alpha2f(tmp_path / "absent.a2f")
    with pytest.raises(UserError, match="Is a directory"):
        read_alpha2f(tmp_path)
    binary = tmp_path / "a2f.npy"
    binary.write_bytes(b"\x93NUMPY\x00\xff\xfe")
    with pytest.raises(UserError, match="not a text file"):
        read_alpha2f(binary)


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=2, max_size=6),
    order=st.permutations([0, 1, 2]),
)
def test_columns_can_be_permuted(
    tmp_path_factory: pytest.TempPathFactory, values: list[list[float]], order: list[int]
) -> None:
    rows = "".join(f"{i} " + " ".join(repr(row[j]) for j in order) + "\n" for i, row in enumerate(values, start=1))
    path = written(tmp_path_factory.mktemp("permuted"), rows)
    for place, original in enumerate(order, start=1):
        assert read_alpha2f(path, "meV", place)[1].tolist() == [row[original] for row in values]
