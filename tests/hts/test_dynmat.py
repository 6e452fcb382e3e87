"""The reader of dynamical matrices on files of real runs: whole ones reproduce ph.x, damaged ones are an error."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.dynmat import read_dynamical_matrix, read_qpoint_list
from hts.errors import ParseError
from hts.phonons import qpoint_modes

DATA = Path(__file__).parents[1] / "data" / "ph"
MATRICES = sorted(
    [*DATA.glob("*/dyn[1-9]"), *(path for path in DATA.glob("*/DYN_MAT/dynamical-matrix-[1-9]") if path.stat().st_size)]
)
LISTS = sorted([*DATA.glob("*/dyn0"), *DATA.glob("qpoint_lists/*.dyn0")])
SMALL = ["al_ibrav0/dyn2", "al4h/dyn1", "mgalh3/dyn4"]


def name(path: Path) -> str:
    return str(path.relative_to(DATA))


def test_the_recorded_runs_are_there() -> None:
    assert len(MATRICES) == 23
    assert len(LISTS) == 19


@pytest.mark.parametrize("path", MATRICES, ids=name)
def test_diagonalised_frequencies_are_those_of_ph_x(path: Path) -> None:
    """ph.x prints six decimals of the frequencies of the matrix it writes with eight: 1e-3 cm^-1 off Gamma."""
    matrix = read_dynamical_matrix(path.read_text())
    modes = qpoint_modes(matrix)
    if np.linalg.norm(matrix.qpoint_2pi_over_a):
        assert modes.frequencies_cm1 == pytest.approx(matrix.printed_frequencies_cm1, abs=1e-3)
        assert modes.translations_cm1.size == 0
    else:
        assert modes.frequencies_cm1.size == matrix.printed_frequencies_cm1.size - 3


@pytest.mark.parametrize(
    ("case", "symbols", "star", "qpoint"),
    [
        ("al4h/dyn1", ("H", "Al", "Al", "Al", "Al"), 1, [0, 0, 0]),
        ("al4h/dyn2", ("H", "Al", "Al", "Al", "Al"), 3, [0, 0, -0.5]),
        ("mgalh3/dyn4", ("Al", "Mg", "H", "H", "H"), 1, [-0.5, -0.5, -0.5]),
        ("al_ibrav0/dyn2", ("Al",), 4, [-0.353553391, -0.353553391, 0.353553391]),
        ("al_ibrav0/dyn3", ("Al",), 3, [-0.707106781, 0, 0]),
    ],
)
def test_header(case: str, symbols: tuple[str, ...], star: int, qpoint: list[float]) -> None:
    """With ibrav = 0, which AiiDA always writes, three basis vectors stand before the species."""
    matrix = read_dynamical_matrix((DATA / case).read_text())
    assert matrix.symbols == symbols
    assert matrix.star_size == star
    assert matrix.qpoint_2pi_over_a == pytest.approx(qpoint)
    # 26.98 and 1.00794 or 24.305 atomic mass units, in units of twice the electron mass.
    standard = {"Al": 26.98, "H": 1.008, "Mg": 24.305}
    assert matrix.masses_ry == pytest.approx([standard[symbol] * 1822.888486 / 2 for symbol in symbols], rel=1e-3)


def test_the_force_constants_are_hermitian() -> None:
    for path in MATRICES:
        matrix = read_dynamical_matrix(path.read_text()).force_constants_ry_bohr2
        assert matrix == pytest.approx(matrix.conj().T, abs=1e-7)


@pytest.mark.parametrize("path", MATRICES, ids=name)
def test_a_file_cut_anywhere_is_an_error(path: Path) -> None:
    text = path.read_text()
    for percent in range(100):
        with pytest.raises(ParseError):
            read_dynamical_matrix(text[: len(text) * percent // 100])


@pytest.mark.parametrize("path", LISTS, ids=name)
def test_a_list_cut_anywhere_is_an_error(path: Path) -> None:
    text = path.read_text()
    for length in range(len(text)):
        with pytest.raises(ParseError):
            read_qpoint_list(text[:length])


@pytest.mark.parametrize("case", SMALL)
@pytest.mark.parametrize("garbage", ["***", "NaN", "nan", "-Infinity", "1e999", "0.1.2", "--", "é", ""])
def test_a_number_that_is_none_is_an_error(case: str, garbage: str) -> None:
    """Every number that is read, in its turn: header, atoms, q-points, matrices of the whole star, frequencies."""
    text = (DATA / case).read_text()
    head, tail = text.split("Diagonalizing", 1)
    positions = [match.span() for match in re.finditer(r"-?\d+\.\d+(?![^\n]*\[THz)", head)]
    skipped = text.index("\n", text.index("\n", text.index("\n") + 1) + 1)  # title and lattice parameters
    read = [span for span in positions if span[0] > skipped and not in_geometry(text, span[0])]
    for start, end in read[:: max(1, len(read) // 60)]:
        with pytest.raises(ParseError):
            read_dynamical_matrix(text[:start] + garbage + text[end:])
    for match in re.finditer(r"\S+(?= \[cm-1\])", tail):
        with pytest.raises(ParseError):
            read_dynamical_matrix(head + "Diagonalizing" + tail[: match.start()] + garbage + tail[match.end() :])


def in_geometry(text: str, position: int) -> bool:
    """Basis vectors and atomic positions are not read: they come from the structure that was given to pw.x."""
    return position < text.index("Dynamical  Matrix in") and "'" not in text[text.rindex("\n", 0, position) : position]


@settings(max_examples=300, deadline=None)
@given(case=st.sampled_from(SMALL), where=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255))
def test_a_flipped_byte_never_passes_as_another_spectrum(case: str, where: float, byte: int) -> None:
    raw = bytearray((DATA / case).read_bytes())
    whole = read_dynamical_matrix(raw.decode())
    raw[int(where * len(raw))] ^= byte
    try:
        damaged = read_dynamical_matrix(raw.decode("utf-8", errors="replace"))
    except ParseError:
        return
    found, wanted = qpoint_modes(damaged).frequencies_cm1, qpoint_modes(whole).frequencies_cm1
    assert found == pytest.approx(wanted, abs=1.5)
    assert damaged.qpoint_2pi_over_a == pytest.approx(whole.qpoint_2pi_over_a, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(case=st.sampled_from(SMALL), lines=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_lost_lines_are_an_error_or_were_not_read(case: str, lines: tuple[float, float]) -> None:
    """A hole in the middle, as a file system that lost a block leaves it."""
    rows = (DATA / case).read_text().splitlines(keepends=True)
    first, last = sorted(int(value * len(rows)) for value in lines)
    text = "".join(rows[:first] + rows[last:])
    try:
        damaged = read_dynamical_matrix(text)
    except ParseError:
        return
    wanted = qpoint_modes(read_dynamical_matrix("".join(rows))).frequencies_cm1
    assert qpoint_modes(damaged).frequencies_cm1 == pytest.approx(wanted)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_an_error(text: str) -> None:
    for reader in (read_dynamical_matrix, read_qpoint_list):
        with pytest.raises(ParseError):
            reader(text)


@pytest.mark.parametrize("case", SMALL)
def test_a_garbled_digit_inside_the_matrix_is_found(case: str) -> None:
    """Numbers, finite ones, but not those that ph.x diagonalised."""
    text = (DATA / case).read_text()
    whole = read_dynamical_matrix(text)
    largest = f"{np.abs(whole.force_constants_ry_bohr2.real).max():.8f}"
    assert largest in text
    with pytest.raises(ParseError, match="from the printed ones"):
        read_dynamical_matrix(text.replace(largest, f"{float(largest) * 1.1:.8f}", 1))


@pytest.mark.parametrize("case", ["al4h/dyn2", "al_ibrav0/dyn2"])
def test_garbage_in_the_rest_of_the_star_is_found(case: str) -> None:
    """q2r.x reads the equivalent q-points too."""
    text = (DATA / case).read_text()
    second = text.index("q = (", text.index("q = (") + 1)
    number = re.compile(r"-?0\.0[1-9]\d+").search(text, second)
    assert number is not None
    with pytest.raises(ParseError):
        read_dynamical_matrix(text[: number.start()] + "0.09876543" + text[number.end() :])


def test_a_garbled_qpoint_is_found() -> None:
    """The q-point stands twice: it decides whether the sum rule of Gamma applies."""
    text = (DATA / "al4h/dyn1").read_text()
    at = text.index("q = (    0.000000000")
    with pytest.raises(ParseError, match="no matrix at"):
        read_dynamical_matrix(text[:at] + "q = (    0.500000000" + text[at + 20 :])


def test_qpoint_list() -> None:
    mesh, points = read_qpoint_list((DATA / "al4h/dyn0").read_text())
    assert mesh == (2, 2, 2)
    assert points == pytest.approx(np.array([[0, 0, 0], [0, 0, -0.5], [0, -0.5, -0.5], [-0.5, -0.5, -0.5]]))


@pytest.mark.parametrize("text", ["2 2 2\n0\n", "2 2\n1\n0 0 0\n", "0 2 2\n1\n0 0 0\n", "2 2 2\n1\n0 0 nan\n"])
def test_impossible_lists(text: str) -> None:
    with pytest.raises(ParseError, match=r"rerun ph\.x"):
        read_qpoint_list(text)
