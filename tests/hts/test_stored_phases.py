"""Which stored relaxations belong on one hull, and which are one crystal."""

from typing import Any

import pytest

from hts.errors import UserError
from hts.stored_phases import (
    StoredPhase,
    choose_basis,
    complete_pressures_gpa,
    elements_of,
    group_by_basis,
    merge_twins,
    parse_system,
    space_group_symbol,
)

SETTINGS: dict[str, Any] = {"ecutwfc_ry": 60.0, "smearing": "mp"}


def phase(label: str, formula: str, enthalpy: float = 0.0, **changes: Any) -> StoredPhase:
    md5s = {element: f"{element}-{changes.get('files', 'pbe')}" for element in elements_of(formula)}
    settings = SETTINGS | changes.get("settings", {})
    return StoredPhase(
        label=label,
        kind=changes.get("kind", "reference"),
        formula=formula,
        enthalpy_ev_per_atom=enthalpy,
        volume_ang3_per_atom=changes.get("volume", 10.0),
        space_group_number=changes.get("space_group", 225),
        basis={"pressure_gpa": changes.get("pressure", 0.0), **settings, "pseudos": md5s},
        uuid="-",
        nonmagnetic=changes.get("nonmagnetic"),
    )


@pytest.mark.parametrize(
    ("text", "elements"),
    [("Al-H", ("Al", "H")), ("H-Al", ("Al", "H")), ("Mg-H-Al-H", ("Al", "Mg", "H")), ("H", ("H",))],
)
def test_a_system_is_its_elements(text: str, elements: tuple[str, ...]) -> None:
    assert parse_system(text) == elements


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Xx-H", "system 'Xx-H': 'Xx' is no element, symbols such as Al-H were wanted$"),
        ("al-H", "'al' is no element, .*; did you mean Al\\?"),
        ("AlH", "'AlH' is no element"),
        ("Al-", "'' is no element"),
    ],
)
def test_what_is_no_system(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_system(text)


def test_rounding_is_no_other_basis_but_a_cutoff_is() -> None:
    phases = [phase("Al", "Al"), phase("H2", "H2", settings={"ecutwfc_ry": 60.0 + 1e-12}), phase("AlH3", "AlH3")]
    other = phase("Al-30", "Al", settings={"ecutwfc_ry": 30})
    large, small = group_by_basis([*phases, other])
    assert [one.label for one in large.phases] == ["Al", "H2", "AlH3"]
    assert [one.label for one in small.phases] == ["Al-30"]
    assert choose_basis([large]) is large
    assert choose_basis([large, small], small.name[:5]) is small
    with pytest.raises(UserError) as raised:
        choose_basis([large, small])
    assert str(raised.value) == (
        f"2 sets of settings, one hull wants one: {large.name} (ecutwfc_ry 60; 3 phases at 0 GPa); {small.name} "
        "(ecutwfc_ry 30; 1 phase at 0 GPa); choose with --basis or --campaign"
    )


def test_a_setting_that_one_does_not_have_is_a_difference() -> None:
    assert len(group_by_basis([phase("Al", "Al"), phase("Al-u", "Al", settings={"functional": "PBE"})])) == 2


def test_compounds_say_which_pseudopotentials_go_together() -> None:
    pbe = [phase("Al", "Al"), phase("H2", "H2"), phase("AlH3", "AlH3")]
    lda = [phase("Al-lda", "Al", files="lda"), phase("H2-lda", "H2", files="lda"), phase("AlH3-l", "AlH3", files="lda")]
    groups = group_by_basis([*pbe, *lda])
    assert sorted(sorted(one.label for one in group.phases) for group in groups) == [
        ["Al", "AlH3", "H2"],
        ["Al-lda", "AlH3-l", "H2-lda"],
    ]
    # The same settings: the pseudopotentials tell the names apart, and the line that lists them says so.
    assert groups[0].name.split("-")[0] == groups[1].name.split("-")[0]
    assert groups[0].name != groups[1].name
    with pytest.raises(UserError, match=r"Al pseudopotential Al-(pbe|lda), H pseudopotential H-(pbe|lda); 3 phases"):
        choose_basis(groups)
    # Elements of the other set alone are no group of their own where there are compounds.
    assert len(group_by_basis([*pbe, *lda[:2]])) == 1
    assert len(group_by_basis([pbe[0], pbe[1], lda[1]])) == 2


def test_sub_systems_share_a_basis_with_the_whole() -> None:
    phases = [phase("Al", "Al"), phase("AlH3", "AlH3"), phase("MgH2", "MgH2"), phase("MgAl3H", "MgAl3H")]
    [group] = group_by_basis(phases)
    assert len(group.phases) == 4
    assert group.pseudos == {"Al": "Al-pbe", "H": "H-pbe", "Mg": "Mg-pbe"}
    assert group.agrees_with({"ecutwfc_ry": 60, "other": 1}, {"Al": "Al-pbe", "Ca": "Ca-lda"})
    assert not group.agrees_with({"ecutwfc_ry": 61}, {})
    assert not group.agrees_with({}, {"Al": "Al-lda"})


def test_twins_are_one_crystal_under_the_name_of_the_candidate() -> None:
    known = [phase("CaH6-known", "CaH6", -5.0, pressure=p) for p in (100.0, 150.0)]
    candidate = phase("sodalite-CaH6", "CaH6", -4.9995, pressure=150.0, kind="candidate")
    merged = merge_twins([*known, candidate])
    assert [(one.label, one.kind, one.pressure_gpa, one.twins) for one in merged] == [
        ("sodalite-CaH6", "candidate", 100.0, ("CaH6-known",)),
        ("sodalite-CaH6", "candidate", 150.0, ("CaH6-known",)),
    ]
    assert merged[1].enthalpy_ev_per_atom == -5.0
    assert merged[0].names == ("sodalite-CaH6", "CaH6-known")


@pytest.mark.parametrize(
    "changes",
    [{"enthalpy": -5.002}, {"space_group": 229}, {"volume": 10.2}, {"formula": "CaH4"}],
    ids=lambda c: next(iter(c)),
)
def test_other_crystals_are_no_twins(changes: dict[str, Any]) -> None:
    other = {"label": "two", "formula": "CaH6", "enthalpy": -5.0} | changes
    assert len(merge_twins([phase("one", "CaH6", -5.0), phase(**other)])) == 2


def test_a_polymorph_that_turns_into_another_at_one_pressure_stays_itself_elsewhere() -> None:
    rutile = [phase("rutile", "MgH2", -1.0, pressure=p, space_group=136) for p in (0.0, 10.0)]
    other = [phase("pbcn", "MgH2", -0.99, space_group=60), phase("pbcn", "MgH2", -1.0, space_group=136, pressure=10.0)]
    assert {one.label for one in merge_twins([*rutile, *other])} == {"rutile", "pbcn"}
    [alone] = merge_twins([rutile[1], other[1]])
    assert (alone.label, alone.twins) == ("pbcn", ("rutile",))


def test_twins_are_known_by_the_state_that_both_have() -> None:
    magnetic = phase("a", "Fe", -1.3, volume=12.0, nonmagnetic=(-1.0, 10.0))
    [merged] = merge_twins([magnetic, phase("b", "Fe", -1.0, volume=10.0)])
    assert (merged.enthalpy_ev_per_atom, merged.twins) == (-1.3, ("b",))


def test_pressures_at_which_every_element_is_there() -> None:
    phases = [phase("Al", "Al", pressure=p) for p in (0.0, 50.0)] + [
        phase("H2", "H2", pressure=p) for p in (50.0, 100.0)
    ]
    assert complete_pressures_gpa([*phases, phase("AlH3", "AlH3", pressure=0.0)], ("Al", "H")) == [50.0]


# International Tables for Crystallography A, short symbols.
@pytest.mark.parametrize(
    ("number", "symbol"), [(1, "P1"), (15, "C2/c"), (136, "P4_2/mnm"), (167, "R-3c"), (229, "Im-3m")]
)
def test_short_symbols_of_space_groups(number: int, symbol: str) -> None:
    assert space_group_symbol(number) == symbol
