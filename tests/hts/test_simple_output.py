"""Standard output of ph.x with ``electron_phonon = 'simple'``: recorded runs, cut and garbled ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hts.dynmat import DynamicalMatrix, read_dynamical_matrix
from hts.errors import ParseError
from hts.simple_output import SimpleCoupling, identify_translations, parse_simple
from hts.units import RY_MASS_PER_AMU

DATA = Path(__file__).parents[1] / "data" / "ph_simple"


def text_of(case: str) -> str:
    return (DATA / case / "aiida.out").read_text()


def matrix_of(case: str, index: int) -> DynamicalMatrix:
    return read_dynamical_matrix((DATA / case / "DYN_MAT" / f"dynamical-matrix-{index}").read_text())


def same(first: SimpleCoupling, second: SimpleCoupling) -> bool:
    plain = (first.to_dict(), second.to_dict())
    return plain[0] == plain[1]


def test_what_is_printed_at_l() -> None:
    (found,) = parse_simple(text_of("al_l"))
    assert found.qpoint_2pi_over_a == pytest.approx([-0.353553391, -0.353553391, 0.353553391])
    assert found.frequencies_cm1 == pytest.approx([154.951932, 154.951932, 334.722114])
    assert found.translations == ()
    assert found.sigma_ry == pytest.approx(np.arange(1, 11) / 100)
    assert found.lambda_.shape == found.gamma_ghz.shape == (10, 3)
    assert found.dos_ef[1] == 2.692175 and found.fermi_ev[1] == 8.471821
    assert found.lambda_[1] == pytest.approx([0.0054, 0.0054, 0.0233])
    assert found.gamma_ghz[1] == pytest.approx([0.30, 0.30, 6.04])


def test_one_run_over_all_qpoints_says_what_one_run_each_says() -> None:
    together = parse_simple(text_of("al_all"))
    alone = [parse_simple(text_of(case))[0] for case in ("al_gamma", "al_l", "al_x")]
    assert len(together) == 3
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


def test_frequencies_are_those_of_the_dynamical_matrix() -> None:
    for case, index in (("al_gamma", 1), ("al_l", 2), ("al_x", 3), ("alh_gamma", 1), ("alh_x", 3)):
        (found,) = parse_simple(text_of(case))
        assert found.frequencies_cm1 == pytest.approx(matrix_of(case, index).printed_frequencies_cm1, abs=0.01)
        assert len(identify_translations(found, matrix_of(case, index)).translations) == (3 if index == 1 else 0)


def test_sigma_comes_from_the_input() -> None:
    (found,) = parse_simple(text_of("al_l_four_smearings"), 0.00735, 4)
    assert found.sigma_ry == pytest.approx([0.00735, 0.0147, 0.02205, 0.0294])
    with pytest.raises(ParseError, match="4 smearings found, wanted 10"):
        parse_simple(text_of("al_l_four_smearings"))
    with pytest.raises(ParseError, match=r"found the smearing 0\.007 Ry, wanted 0\.01"):
        parse_simple(text_of("al_l_four_smearings"), 0.01, 4)


@pytest.mark.parametrize("case", sorted(path.name for path in DATA.iterdir()))
def test_an_output_cut_anywhere_is_whole_or_refused(case: str) -> None:
    text = text_of(case)
    smearings = (0.00735, 4) if case == "al_l_four_smearings" else (0.01, 10)
    try:
        whole: tuple[SimpleCoupling, ...] = parse_simple(text, *smearings)
    except ParseError:
        whole = ()
    for percent in range(100):
        try:
            found = parse_simple(text[: len(text) * percent // 100], *smearings)
        except ParseError:
            continue
        # Nothing is lost with what follows JOB DONE.
        assert percent == 99 and len(found) == len(whole)
        assert all(same(one, other) for one, other in zip(found, whole, strict=True))


@pytest.mark.parametrize("case", ["al_l", "alh_gamma"])
def test_a_missing_piece_in_the_middle_is_refused(case: str) -> None:
    """Every 1 % from the first result on, 80 characters that are not there."""
    text = text_of(case)
    first, last = text.index("     q = ("), text.rindex("GHz") + len("GHz")
    (whole,) = parse_simple(text)
    for percent in range(100):
        start = first + (last - first) * percent // 100
        try:
            (found,) = parse_simple(text[:start] + text[start + 80 :])
        except ParseError:
            continue
        # What is lost can be a line that nothing is read from.
        assert same(found, whole)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DOS =  2.720885", "DOS =**********", "N\\(E_F\\) is '\\*\\*"),
        ("DOS =  2.720885", "DOS =       NaN", "wanted a finite number"),
        ("154.951932 [cm-1]", "154.9519x2 [cm-1]", "wanted a number"),
        ("lambda(    2)=  0.0654", "lambda(    3)=  0.0654", "lambda of 3 modes found, wanted 3 in order"),
        ("lambda(    3)=  0.1307", "lambda(    3)=  0.7307", "contradict each other"),
        ("gamma=   34.20 GHz", "gamma=    4.20 GHz", "contradict each other"),
        ("freq (    3)", "freq (    4)", "three for each atom in order"),
        ("JOB DONE", "", "ends before JOB DONE"),
        ("Diagonalizing the dynamical", "", "no electron-phonon block"),
        ("     q = (   -0.353553391", "     q   (   -0.353553391", "a q-point or its frequencies are missing"),
    ],
)
def test_garbled_output(old: str, new: str, message: str) -> None:
    text = text_of("al_l")
    assert text.count(old) >= 1
    with pytest.raises(ParseError, match=message):
        parse_simple(text.replace(old, new))


def test_bytes_that_are_no_text() -> None:
    for text in ("", "\x00" * 4096, "\ufffd" * 100 + "JOB DONE", "JOB DONE Diagonalizing the dynamical matrix"):
        with pytest.raises(ParseError):
            parse_simple(text)


def test_a_number_too_large_for_its_field_is_no_number() -> None:
    text = text_of("al_l").replace("lambda(    3)=  0.1307   gamma=   34.20", "lambda(    3)=********   gamma=********")
    (found,) = parse_simple(text)
    assert np.isnan(found.lambda_[4, 2]) and np.isnan(found.gamma_ghz[4, 2])
    assert np.isnan(found.lambda_).sum() == np.isnan(found.gamma_ghz).sum() == 1
    content = found.to_dict()
    assert content["smearings"][4]["lambda"] == [0.0654, 0.0654, None]
    assert np.isnan(SimpleCoupling.from_dict(content).lambda_[4, 2])


def test_plain_types_and_back() -> None:
    (found,) = parse_simple(text_of("alh_x"))
    restored = SimpleCoupling.from_dict({"qpoint_index": 3, **found.to_dict()})
    assert same(restored, found)
    assert restored.lambda_.shape == (10, 6)


def test_the_matrix_of_another_qpoint_is_noticed() -> None:
    """ph.x takes the matrix at X where it is asked for L, and prints q = L above the frequencies of X."""
    (found,) = parse_simple(text_of("other_dynamical_matrix"))
    (x_point,) = parse_simple(text_of("al_x"))
    assert found.frequencies_cm1 == pytest.approx(x_point.frequencies_cm1)
    with pytest.raises(ParseError, match=r"it is of q = \[-0\.70"):
        identify_translations(found, matrix_of("other_dynamical_matrix", 2))
    (l_point,) = parse_simple(text_of("al_l"))
    with pytest.raises(ParseError, match="its frequencies are not those"):
        identify_translations(found, matrix_of("al_l", 2))
    assert identify_translations(l_point, matrix_of("al_l", 2)).translations == ()


def test_translations_are_told_by_eigenvector_and_not_by_rank() -> None:
    """Two atoms on springs, the translations badly off at +40, and an optical mode that is softer than they are."""
    masses = np.array([26.98, 1.008]) * RY_MASS_PER_AMU
    root = np.repeat(np.sqrt(masses), 3)
    rigid = np.kron(np.sqrt(masses)[:, None], np.eye(3)) / np.sqrt(masses.sum())
    optical = np.kron(np.array([[-np.sqrt(masses[1])], [np.sqrt(masses[0])]]), np.eye(3)) / np.sqrt(masses.sum())
    per_cm1 = 1 / 109737.3156816
    dynamical = (40 * per_cm1) ** 2 * rigid @ rigid.T + optical @ np.diag(
        np.array([25.0, 25.0, 900.0]) * per_cm1
    ) ** 2 @ optical.T
    frequencies = np.array([25.0, 25.0, 40.0, 40.0, 40.0, 900.0])
    matrix = DynamicalMatrix(np.zeros(3), dynamical * np.outer(root, root) + 0j, masses, ("Al", "H"), 1, frequencies)
    (recorded,) = parse_simple(text_of("alh_gamma"))
    by_rank = replace(recorded, frequencies_cm1=frequencies, translations=(0, 1, 2))
    assert identify_translations(by_rank, matrix).translations == (2, 3, 4)
