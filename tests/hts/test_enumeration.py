"""Enumeration: the demo's four, duplicates removed, order and keys deterministic."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.campaign import Campaign
from hts.deduplication import crystal_matcher
from hts.descriptors import descriptors, min_distance_ang
from hts.enumeration import Candidate, candidates_in_order, enumerate_candidates, n_assignments
from hts.errors import UserError
from hts.prototypes import load_prototype

EXAMPLE = Path(__file__).parents[2] / "examples" / "al-h-perovskites.yaml"


def campaign(*families: dict[str, Any], **keys: Any) -> Campaign:
    data = Campaign.from_yaml(EXAMPLE).model_dump() | {"families": families, **keys}
    return Campaign.model_validate(data)


def candidates(*families: dict[str, Any], **keys: Any) -> list[Candidate]:
    return list(enumerate_candidates(campaign(*families, **keys)))


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


def test_candidates_come_as_they_are_found() -> None:
    """Half a million assignments, of which only the first are built."""
    groups = ["transition_metal", "rare_earth", "alkali_metal", "alkaline_earth", "post_transition_metal", "metalloid"]
    huge = campaign({"prototype": "perovskite", "sites": {"A": groups, "B": groups, "X": [*groups, "H"]}})
    assert n_assignments(huge) > 250_000
    assert [candidate.formula for candidate in islice(enumerate_candidates(huge), 2)] == ["Sc2H3", "ScTiH3"]


def test_descriptors_of_a_candidate_are_those_of_its_structure() -> None:
    for candidate in candidates(
        {"prototype": "fluorite_axh8", "sites": {"A": ["La", "Be"], "X": ["Be"]}},
        {"prototype": "perovskite", "sites": {"A": ["H"], "B": ["Al"], "X": ["H", "Al"]}},
        {"prototype": "sodalite_mxh12", "sites": {"M": ["Ca"], "X": ["Ca", "Y"]}},
    ):
        assert candidate.n_atoms == len(candidate.structure)
        assert candidate.volume_ang3_per_atom == pytest.approx(candidate.structure.volume / len(candidate.structure))
        theirs = descriptors(candidate.structure)
        assert candidate.descriptors.keys() == theirs.keys()
        for name, value in theirs.items():
            assert candidate.descriptors[name] == (None if value is None else pytest.approx(value, rel=1e-4)), name
        assert candidate.min_distance_ang == pytest.approx(min_distance_ang(candidate.structure), rel=1e-4)


def test_exclusions() -> None:
    sites = {"A": ["Li", "Mg", "Ca"], "X": ["Tc", "Ir", "Be"]}
    found = candidates(
        {"prototype": "a2xh6", "sites": sites}, exclude=[["radioactive"], ["alkaline_earth", "alkaline_earth"]]
    )
    assert [" ".join(c.sites.values()) for c in found] == ["Li Ir", "Li Be", "Mg Ir", "Ca Ir"]


def test_filters_of_campaign_and_family() -> None:
    """Mg2IrH6 has 19 electrons, one above the full shell of Mg2OsH6: 10.1103/PhysRevLett.132.166001."""
    hydrides = {"prototype": "a2xh6", "sites": {"A": ["Mg"], "X": ["Os", "Ir", "Pt"]}}
    nineteen = {"filters": {"valence_electrons_per_formula_unit": {"min": 19, "max": 19}}}
    assert [c.sites["X"] for c in candidates(hydrides | nineteen)] == ["Ir"]
    assert [c.sites["X"] for c in candidates(hydrides, **nineteen)] == ["Ir"]
    poor = {"prototype": "perovskite", "sites": {"A": ["Al"], "B": ["H"], "X": ["Al"]}}
    assert [c.sites["X"] for c in candidates(poor, hydrides | nineteen)] == ["Al", "Ir"]
    assert candidates(poor, filters={"hydrogen_fraction": {"min": 0.5}}) == []


def test_the_ranking_only_sorts() -> None:
    family = {"prototype": "a2xh6", "sites": {"A": ["Mg"], "X": ["Os", "Ir", "Pt"]}}
    ranked = candidates_in_order(campaign(family, ranking=True))
    scores = [candidate.ranking.score for candidate in ranked]
    assert scores == sorted(scores, reverse=True)
    assert ranked[0].sites["X"] == "Ir"
    assert {c.key for c in ranked} == {c.key for c in candidates_in_order(campaign(family))}
    assert [c.sites["X"] for c in candidates_in_order(campaign(family))] == ["Os", "Ir", "Pt"]


def test_a_mixture_becomes_its_orders() -> None:
    """(La,Ce)H9 needs no larger cell and has one order; (La,Y)H10 has two, of which R-3m is the published LaYH20."""
    (found,) = candidates({"prototype": "mh9", "variant": "p63-mmc", "sites": {"M": ["La0.5Ce0.5"]}})
    assert found.key == "mh9-p63-mmc-LaCeH18-Ce0.5La0.5"
    assert (found.space_group_number, found.n_atoms, found.sites) == (187, 20, {"M": "Ce0.5La0.5"})
    assert sorted(found.placed.values()) == ["Ce", "H", "La"]
    mixed = {"prototype": "mh10", "variant": "fm-3m", "sites": {"M": ["Y0.5La0.5"]}}
    published = {"prototype": "mxh20", "sites": {"M": ["La"], "X": ["Y"]}}
    orders = candidates(mixed, published)
    assert [c.key for c in orders] == ["mh10-fm-3m-LaYH20-La0.5Y0.5-1", "mh10-fm-3m-LaYH20-La0.5Y0.5-2"]
    assert [c.space_group_number for c in orders] == [123, 166]


def test_the_orders_of_another_pair_of_elements_are_the_same() -> None:
    family = {"prototype": "mh10", "variant": "fm-3m"}
    la_y, la_ce = (candidates(family | {"sites": {"M": [mixture]}}) for mixture in ("La0.25Y0.75", "Ce0.75La0.25"))
    assert [c.space_group_number for c in la_y] == [c.space_group_number for c in la_ce]
    with pytest.raises(UserError, match="at most 64 allowed; choose a simpler fraction"):
        candidates(family | {"sites": {"M": ["La0.875Y0.125"]}})


def test_a_fallback_names_what_it_waits_for() -> None:
    sites = {"A": ["Na", "H"], "B": ["Mg"], "X": ["H"]}
    tilted = {"prototype": "perovskite_tilted", "sites": sites, "fallback_for": "perovskite"}
    found = candidates({"prototype": "perovskite", "sites": sites}, tilted)
    assert [(c.prototype, c.variant, c.space_group_number) for c in found if "Na" in c.formula] == [
        ("perovskite", None, 221),
        ("perovskite_tilted", "p4-mbm", 127),
        ("perovskite_tilted", "pnma", 62),
    ]
    parent, *fallbacks = (c for c in found if c.formula == "NaMgH3")
    assert parent.fallback_for is None
    assert {c.fallback_for for c in fallbacks} == {parent.key}
    # What is excluded has no fallback either.
    excluded = candidates({"prototype": "perovskite", "sites": sites}, tilted, exclude=[["Na"]])
    assert not [c for c in excluded if "Na" in c.formula]
