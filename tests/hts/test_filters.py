"""Exclusion rules and ranges of descriptors."""

import pytest
from pydantic import ValidationError

from hts.errors import UserError
from hts.filters import Range, is_excluded, known_descriptor, parse_filter, passes


def test_a_rule_wants_a_distinct_element_for_every_entry() -> None:
    assert is_excluded({"Mg", "Tc", "H"}, [("Tc",)])
    assert not is_excluded({"Mg", "Re", "H"}, [("Tc",)])
    assert is_excluded({"Li", "Ca", "H"}, [("Li", "alkaline_earth")])
    assert not is_excluded({"Li", "H"}, [("Li", "alkaline_earth")])
    # One alkali metal does not count twice.
    assert not is_excluded({"Li", "H"}, [("alkali_metal", "alkali_metal")])
    assert is_excluded({"Li", "K", "H"}, [("alkali_metal", "alkali_metal")])
    assert is_excluded({"Li", "Na", "K"}, [("alkali_metal", "Li")])
    assert not is_excluded({"Li", "K"}, [])


def test_ranges_hold_their_ends_and_nothing_that_does_not_exist() -> None:
    eighteen = Range(min=18, max=19)
    assert [eighteen.holds(value) for value in (17.9, 18, 19, 19.1, None)] == [False, True, True, False, False]
    assert Range(max=2).holds(-1e9)
    values = {"hydrogen_fraction": 0.8, "hh_bond_order_xi": None}
    assert passes(values, [("hydrogen_fraction", Range(min=0.5))])
    assert not passes(values, [("hydrogen_fraction", Range(min=0.5)), ("hh_bond_order_xi", Range(min=-9))])
    for wrong in ({}, {"min": 2, "max": 1}, {"min": float("nan")}, {"at_least": 3}):
        with pytest.raises(ValidationError):
            Range(**wrong)


def test_filters_of_the_command_line() -> None:
    assert parse_filter("hydrogen_fraction>=0.6") == ("hydrogen_fraction", Range(min=0.6))
    assert parse_filter(" hh_bond_order_xi <= -1.5e-1 ") == ("hh_bond_order_xi", Range(max=-0.15))
    assert parse_filter("valence_electrons_per_formula_unit=19")[1] == Range(min=19, max=19)
    for wrong in ("hydrogen_fraction>0.6", "hydrogen_fraction>=", "hydrogen_fraction>=1e", "0.6<=hydrogen_fraction"):
        with pytest.raises(UserError, match="DESCRIPTOR>=NUMBER"):
            parse_filter(wrong)
    with pytest.raises(UserError, match="did you mean 'hydrogen_fraction'"):
        parse_filter("hydrogen_fractoin>=0.6")
    assert known_descriptor("packing_fraction") == "packing_fraction"
