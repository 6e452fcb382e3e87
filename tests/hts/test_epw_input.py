"""EPW's input for each version: what is written, left out, renamed, converted or refused."""

from typing import Any

import pytest

from hts.epw_input import (
    EpwKeywordError,
    banner_version,
    fortran_value,
    header_version,
    keywords_for,
    namelist_text,
    projects_automatically,
    restart_files,
    wannier_files,
)

OLD = {"kmaps": True, "lunif": False, "nswc": 0, "pwc": 0.3, "eps_acustic": 2.0, "vme": True, "etf_mem": 2, "muc": 0.1}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("5.3.0", OLD),
        ("5.3.1", OLD),
        # 5.4: kmaps is gone, vme is a string.
        ("5.4", {key: value for key, value in OLD.items() if key != "kmaps"} | {"vme": "wannier"}),
        # 5.5: the grids of the real axis went.
        ("5.5", {"eps_acustic": 2.0, "vme": "wannier", "etf_mem": 2, "muc": 0.1}),
        ("5.8.1", {"eps_acustic": 2.0, "vme": "wannier", "etf_mem": 2, "muc": 0.1}),
        # 5.9: the misspelt threshold was renamed, etf_mem above 1 is refused.
        ("5.9", {"eps_acoustic": 2.0, "vme": "wannier", "etf_mem": 1, "muc": 0.1}),
        ("6.0", {"eps_acoustic": 2.0, "vme": "wannier", "etf_mem": 1, "muc": 0.1}),
    ],
)
def test_the_same_physics_in_the_words_of_each_version(version: str, expected: dict[str, Any]) -> None:
    assert keywords_for(OLD, version) == expected


def test_a_default_that_changed_is_written_out() -> None:
    """EPW 6.0 lowered the phonon threshold of alpha2F from 5 to 0.1 cm-1."""
    assert "eps_acoustic" not in keywords_for({}, "5.9")
    assert keywords_for({}, "6.0") == {"eps_acoustic": 5.0}
    assert keywords_for({"eps_acoustic": 1.0}, "6.0") == {"eps_acoustic": 1.0}
    assert keywords_for({"eps_acoustic": 1.0}, "5.3.1") == {"eps_acustic": 1.0}


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [(True, True, "wannier"), (False, False, "dipole"), ("wannier", True, "wannier"), ("dipole", False, "dipole")],
)
def test_velocities(value: bool | str, old: bool, new: str) -> None:
    assert keywords_for({"vme": value}, "5.3.1") == {"vme": old}
    assert keywords_for({"vme": value}, "5.7") == {"vme": new}


def test_two_dimensions() -> None:
    assert keywords_for({"system_2d": False}, "6.0")["system_2d"] == "no"
    assert keywords_for({"system_2d": True}, "5.8")["system_2d"] == "gaussian"
    assert keywords_for({"system_2d": "no"}, "5.7")["system_2d"] is False


@pytest.mark.parametrize(
    ("keyword", "too_old", "first"),
    [("npade", "5.3.0", "5.3.1"), ("tc_linear", "5.3.1", "5.4"), ("fbw", "5.4.1", "5.5"), ("gridsamp", "5.4", "5.5"),
     ("a_gap0", "5.7", "5.8"), ("icoulomb", "5.8.1", "5.9"), ("a2f_iso", "5.9", "6.0")],
)  # fmt: skip
def test_a_keyword_that_came_later_is_refused(keyword: str, too_old: str, first: str) -> None:
    """Left out, it would mean other physics; written, that EPW would stop at it."""
    with pytest.raises(EpwKeywordError, match=f"{keyword} came with EPW .*this is {too_old}"):
        keywords_for({keyword: 1}, too_old)
    assert keywords_for({keyword: 1}, first)[keyword] == 1


def test_too_old_for_this_program() -> None:
    """Before 5.3 temperatures were tempsmin and tempsmax."""
    with pytest.raises(EpwKeywordError, match=r"EPW is 5\.2\.0, wanted 5\.3 or later"):
        namelist_text({}, "5.2.0")


def test_namelist() -> None:
    text = namelist_text({"proj": ["Al:s;p", "H:s"], "temps": [1, 2.5], "AMASS": [26.98, 1.008], "kmaps": True})
    assert text.splitlines() == [
        "--",
        "&inputepw",
        "  amass(1) = 26.98",
        "  amass(2) = 1.008",
        "  kmaps = .true.",
        "  proj(1) = 'Al:s;p'",
        "  proj(2) = 'H:s'",
        "  temps = 1.0 2.5",
        "/",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, ".true."), (False, ".false."), (3, "3"), (0.1, "0.1"), (1e-12, "1d-12"), (1 / 3, "0.3333333333333333"),
        ("it's", "'it''s'"),
    ],
)  # fmt: skip
def test_values(value: Any, text: str) -> None:
    assert fortran_value(value) == text


@pytest.mark.parametrize("value", ["two\nlines", None, {"a": 1}])
def test_values_that_would_break_the_namelist(value: Any) -> None:
    with pytest.raises(EpwKeywordError, match="wanted a bool, int, float or one-line str"):
        fortran_value(value)


@pytest.mark.parametrize("text", ["     Program EPW v.5.3.1 starts on 22Nov2026", "Program EPW v. 5.3.1 starts"])
def test_the_header_shows_the_version(text: str) -> None:
    assert header_version(text) == "5.3.1"


def test_what_is_no_header_has_no_version() -> None:
    assert header_version("Program PWSCF v.6.7MaX starts on") is None
    assert header_version("") is None


@pytest.mark.parametrize(
    ("banner", "version"),
    [("EPW 5.3.1", "5.3.1"), ("EPW 6.0", "6.0"), ("PWSCF 6.7MaX", None), ("", None), (None, None)],
)
def test_banner(banner: str | None, version: str | None) -> None:
    assert banner_version(banner) == version


def test_what_a_restart_reads() -> None:
    common = {"crystal.fmt", "epwdata.fmt", "al.ukk", "out/al.epmatwp"}
    assert set(restart_files({}, "5.3.1", "al")) == common | {"vmedata.fmt"}
    assert set(restart_files({"vme": "dipole"}, "5.7", "al")) == common | {"dmedata.fmt"}
    assert set(restart_files({}, "5.9", "al")) == common | {"vmedata.fmt", "dmedata.fmt", "wigner.fmt"}


def test_what_the_second_step_of_a_wannierisation_reads() -> None:
    assert set(wannier_files({}, "al")) == {"al.ukk", "al.mmn", "al.bvec"}
    assert wannier_files({"vme": False}, "al") == ["al.ukk"]


def test_scdm_needs_both_of_its_flags() -> None:
    assert projects_automatically({"auto_projections": True, "scdm_proj": True})
    assert not projects_automatically({"auto_projections": True})
