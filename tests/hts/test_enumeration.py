"""Enumeration: the demo's four, duplicates removed, order and keys deterministic."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hts.campaign import Campaign
from hts.enumeration import Candidate, crystal_matcher, enumerate_candidates
from hts.prototypes import load_prototype

EXAMPLE = Path(__file__).parents[2] / "examples" / "al-h-perovskites.yaml"


def candidates(*families: dict[str, Any]) -> list[Candidate]:
    data = Campaign.from_yaml(EXAMPLE).model_dump() | {"families": families}
    return list(enumerate_candidates(Campaign.model_validate(data)))


def test_the_demo_campaign_has_exactly_four_candidates() -> None:
    found = list(enumerate_candidates(Campaign.from_yaml(EXAMPLE)))
    assert [candidate.key for candidate in found] == [
        "perovskite-Al4H-Al_H_Al",
        "perovskite-MgAl3H-Mg_H_Al",
        "perovskite-Al2H3-Al_Al_H",
        "perovskite-MgAlH3-Mg_Al_H",
    ]
    assert [candidate.formula for candidate in found] == ["Al4H", "MgAl3H", "Al2H3", "MgAlH3"]
    assert {candidate.space_group_number for candidate in found} == {221}
    assert found[0].sites == {"A": "Al", "B": "H", "X": "Al"}


def test_swapped_metals_of_a_sodalite_are_one_candidate() -> None:
    metals = ["Ca", "Mg"]
    keys = [c.key for c in candidates({"prototype": "sodalite_mxh12", "sites": {"M": metals, "X": metals}})]
    assert keys == [
        "sodalite_mxh12-pm-3m-CaH6-Ca_Ca",
        "sodalite_mxh12-pm-3m-CaMgH12-Ca_Mg",
        "sodalite_mxh12-pm-3m-MgH6-Mg_Mg",
        "sodalite_mxh12-fd-3m-CaMgH12-Ca_Mg",
    ]


def test_equal_crystals_of_different_families_are_one_candidate() -> None:
    parent = {"prototype": "sodalite_mh6", "sites": {"M": ["Ca"]}}
    ordered = {"prototype": "sodalite_mxh12", "sites": {"M": ["Ca"], "X": ["Ca"]}}
    assert [c.key for c in candidates(parent, ordered)] == ["sodalite_mh6-CaH6-Ca"]
    only = candidates(ordered)
    assert [(c.key, c.space_group_number, len(c.structure)) for c in only] == [
        ("sodalite_mxh12-pm-3m-CaH6-Ca_Ca", 229, 7)
    ]


def test_swaps_that_make_another_crystal_stay() -> None:
    """A sits in a 12-fold site of a perovskite, B in a 6-fold one; in AXH8 the H32f cages differ."""
    both = ["Al", "Mg"]
    perovskites = candidates({"prototype": "perovskite", "sites": {"A": both, "B": both, "X": ["H"]}})
    assert [c.formula for c in perovskites] == ["Al2H3", "MgAlH3", "MgAlH3", "Mg2H3"]
    fluorites = candidates({"prototype": "fluorite_axh8", "sites": {"A": ["La", "Be"], "X": ["La", "Be"]}})
    assert len(fluorites) == 4


def test_a_key_has_no_parentheses() -> None:
    """Pymatgen's reduced formula may have them; a shell and a file name should not."""
    found = candidates({"prototype": "a2xh6", "sites": {"A": ["Al"], "X": ["Mg"]}})
    assert [(c.formula, c.key) for c in found] == [("Mg(AlH3)2", "a2xh6-MgAl2H6-Al_Mg")]


def test_assignments_without_hydrogen_and_repeated_ones_are_left_out() -> None:
    found = candidates({"prototype": "perovskite", "sites": {"A": ["Al", "Al"], "B": ["H", "Al"], "X": ["Al"]}})
    assert [c.key for c in found] == ["perovskite-Al4H-Al_H_Al"]


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_candidates_are_distinct_with_safe_keys(data: st.DataObject) -> None:
    symbols = st.lists(st.sampled_from(["Al", "Mg", "H", "La", "Y", "Ir"]), min_size=1, max_size=3)
    names = data.draw(st.lists(st.sampled_from(["perovskite", "a2xh6", "sodalite_mxh12"]), min_size=1, max_size=2))
    families = [
        {"prototype": name, "sites": {label: data.draw(symbols) for label in load_prototype(name).choose_sites}}
        for name in names
    ]
    found = candidates(*families)
    assert [c.key for c in found] == [c.key for c in candidates(*families)]
    assert len({c.key for c in found}) == len(found)
    matcher = crystal_matcher()
    for index, candidate in enumerate(found):
        assert re.fullmatch(r"[a-z0-9_]+(-[a-z0-9-]+)?-[A-Za-z0-9]+-[A-Za-z_]+", candidate.key)
        assert "H" in candidate.structure.composition
        same_formula = [other for other in found[:index] if other.formula == candidate.formula]
        assert not any(matcher.fit(candidate.structure, other.structure) for other in same_formula)
