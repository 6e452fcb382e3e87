"""The hull on a textbook binary worked by hand, and what it refuses to mix."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition
from scipy.optimize import linprog

from hts.errors import InconsistentSettingsError
from hts.hull import HullPlacement, PhaseEnthalpy, is_same_phase, place_many, place_on_hull, require_same_basis

BASIS: dict[str, Any] = {
    "pressure_gpa": 10.0, "functional": "PBE", "ecutwfc_ry": 60.0, "ecutrho_ry": 240.0,
    "kpoints_distance_inv_ang": 0.17, "smearing": "mp", "degauss_ry": 0.02,
}  # fmt: skip
MD5 = {"Al": "aaa", "H": "bbb", "Mg": "ccc"}


def phase(formula: str, enthalpy: float, label: str | None = None, **changes: Any) -> PhaseEnthalpy:
    pseudos = {element: md5 for element, md5 in MD5.items() if element in formula}
    return PhaseEnthalpy(label or formula, formula, enthalpy, BASIS | {"pseudos": pseudos} | changes)


def random_phases(rng: np.random.Generator, elements: Sequence[str], number: int) -> list[PhaseEnthalpy]:
    """Return the elements at energies of their own, then compounds around a bowl."""
    own = dict(zip(elements, rng.uniform(-30, 0, len(elements)), strict=True))
    phases = [phase(element, energy) for element, energy in own.items()]
    while len(phases) < number:
        counts = dict(zip(elements, rng.integers(0, 7, len(elements)).tolist(), strict=True))
        total = sum(counts.values())
        if sum(count > 0 for count in counts.values()) > 1:
            height = sum((n / total) ** 2 for n in counts.values()) - 1 + 0.3 * rng.random()
            formula = "".join(f"{element}{n}" for element, n in counts.items() if n)
            elemental = sum(n * own[element] for element, n in counts.items()) / total
            phases.append(phase(formula, height + elemental, f"{formula} #{len(phases)}"))
    return phases


def cheapest_mixture(candidate: PhaseEnthalpy, others: Sequence[PhaseEnthalpy]) -> float:
    """Return the lowest enthalpy per atom of a mixture with the candidate's composition, by linear programming."""
    target = Composition(candidate.formula).fractional_composition.get_el_amt_dict()
    fractions = [Composition(other.formula).fractional_composition.get_el_amt_dict() for other in others]
    inside = [index for index, parts in enumerate(fractions) if set(parts) <= set(target)]
    solved = linprog(
        [others[index].enthalpy_ev_per_atom for index in inside],
        A_eq=[[fractions[index].get(element, 0.0) for index in inside] for element in target],
        b_eq=list(target.values()),
    )
    assert solved.success
    return float(solved.fun)


# Al at 0 and H at 0; AlH3 forms with -0.2 eV/atom. By hand: AlH (x_H = 1/2) on the line Al - AlH3 (x_H = 3/4) has
# the hull at -0.2 * (1/2) / (3/4) = -0.4/3; 1/3 of its atoms go to Al and 2/3 to AlH3.
AL, H2, ALH3 = phase("Al", 0.0), phase("H2", 0.0), phase("AlH3", -0.2)


def test_a_binary_by_hand() -> None:
    placed = place_on_hull(phase("AlH", 0.05), [AL, H2, ALH3])
    assert placed.hull_ev_per_atom == pytest.approx(0.05 + 0.4 / 3)
    assert placed.formation_ev_per_atom == pytest.approx(0.05)
    assert placed.decomposition == pytest.approx({"Al": 1 / 3, "AlH3": 2 / 3})
    assert placed.missing == ()


def test_elements_with_energies_of_their_own() -> None:
    """Shifting the elements' enthalpies, and every compound with them, changes nothing."""
    shift = {"Al": -40.0, "H": -15.8}
    shifted = [phase("Al", -40.0), phase("H2", -15.8), phase("AlH3", -0.2 + (shift["Al"] + 3 * shift["H"]) / 4)]
    placed = place_on_hull(phase("AlH", 0.05 + sum(shift.values()) / 2), shifted)
    assert placed.hull_ev_per_atom == pytest.approx(0.05 + 0.4 / 3)
    assert placed.formation_ev_per_atom == pytest.approx(0.05)


def test_a_ternary_by_hand() -> None:
    """MgAlH3 against MgH2 + Al + H: 5 atoms, 3 of them MgH2 at -0.3."""
    placed = place_on_hull(phase("MgAlH3", 0.0), [AL, H2, phase("Mg", 0.0), phase("MgH2", -0.3)])
    assert placed.hull_ev_per_atom == pytest.approx(0.3 * 3 / 5)
    assert placed.decomposition == pytest.approx({"MgH2": 3 / 5, "Al": 1 / 5, "H2": 1 / 5})


def test_a_candidate_on_the_hull_is_its_own_decomposition() -> None:
    placed = place_on_hull(phase("AlH", -0.5, "AlH*"), [AL, H2, ALH3])
    assert placed.hull_ev_per_atom == 0.0
    assert placed.decomposition == pytest.approx({"AlH*": 1.0})
    assert placed.formation_ev_per_atom == pytest.approx(-0.5)


def test_a_polymorph_of_a_competitor() -> None:
    placed = place_on_hull(phase("AlH3", -0.15, "AlH3*"), [AL, H2, ALH3])
    assert placed.hull_ev_per_atom == pytest.approx(0.05)
    assert placed.decomposition == pytest.approx({"AlH3": 1.0})


def test_phases_of_other_elements_do_not_compete() -> None:
    alone = place_on_hull(phase("AlH", 0.05), [AL, H2])
    with_others = place_on_hull(phase("AlH", 0.05), [AL, H2, phase("Mg", -1.0), phase("MgH2", -9.0)])
    assert with_others == alone


def test_the_lowest_of_several_references_counts() -> None:
    """Molecular hydrogen has several phases; the candidate is held against the lowest."""
    placed = place_on_hull(phase("AlH", 0.05), [AL, phase("H2", 0.1, "H2 hcp"), phase("H2", 0.0, "H2 P63/m")])
    assert placed.hull_ev_per_atom == pytest.approx(0.05)
    assert placed.decomposition == pytest.approx({"Al": 0.5, "H2 P63/m": 0.5})


def test_what_was_not_computed_is_carried_along() -> None:
    assert place_on_hull(phase("AlH", 0.05), [AL, H2], ["AlH3"]).missing == ("AlH3",)


def test_a_missing_element_is_named() -> None:
    with pytest.raises(ValueError, match=r"no enthalpy of H, Mg among Al, AlH3; a hull wants every element"):
        place_on_hull(phase("MgAlH3", 0.0), [AL, ALH3])
    with pytest.raises(ValueError, match="among nothing"):
        place_on_hull(phase("AlH", 0.0), [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pressure_gpa", 0.0), ("functional", "LDA"), ("ecutwfc_ry", 80.0), ("ecutrho_ry", 320.0),
        ("kpoints_distance_inv_ang", 0.27), ("smearing", "gauss"), ("degauss_ry", 0.01),
        ("pseudos", {"Al": "other", "H": "bbb"}),
    ],
)  # fmt: skip
def test_other_settings_are_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(InconsistentSettingsError, match=rf"AlH has {key} = .*, AlH3 has .*{key}.*recompute") as caught:
        place_on_hull(phase("AlH", 0.0), [AL, H2, phase("AlH3", -0.2, **{key: value})])
    assert "\n" not in str(caught.value)


def test_a_setting_that_is_not_recorded_is_a_difference() -> None:
    basis = {key: value for key, value in BASIS.items() if key != "smearing"}
    with pytest.raises(InconsistentSettingsError, match="smearing = mp, Al has None"):
        require_same_basis([phase("AlH", 0.0), PhaseEnthalpy("Al", "Al", 0.0, basis | {"pseudos": {"Al": "aaa"}})])


def test_pseudopotentials_are_compared_where_both_phases_have_the_element() -> None:
    require_same_basis([phase("AlH", 0.0), AL, H2, phase("Mg", 0.0)])
    with pytest.raises(InconsistentSettingsError, match="'Al': 'aaa'"):
        require_same_basis([phase("MgAlH3", 0.0), phase("Al", 0.0, pseudos={"Al": "zzz", "X": "ccc"})])


def test_the_stabilisation_of_a_phase_on_the_hull_by_hand() -> None:
    """AlH at -0.5 against the line Al - AlH3, which is at -0.4/3 there."""
    placed = place_on_hull(phase("AlH", -0.5), [AL, H2, ALH3])
    assert placed.stabilisation_ev_per_atom == pytest.approx(-0.5 + 0.4 / 3)
    assert placed.distance_ev_per_atom == placed.stabilisation_ev_per_atom
    assert placed.competing_decomposition == pytest.approx({"Al": 1 / 3, "AlH3": 2 / 3})
    assert placed.reaction == "AlH -> 0.333 AlH3 + 0.667 Al"


def test_above_the_hull_there_is_no_stabilisation() -> None:
    placed = place_on_hull(phase("AlH", 0.05), [AL, H2, ALH3])
    assert placed.stabilisation_ev_per_atom is None
    assert placed.distance_ev_per_atom == placed.hull_ev_per_atom
    assert placed.competing_decomposition == placed.decomposition


def test_a_placement_of_four_numbers_is_still_one() -> None:
    placed = HullPlacement(0.0, -0.1, {"AlH": 1.0}, ())
    assert placed.distance_ev_per_atom is None
    assert (placed.competing_decomposition, placed.reaction) == ({}, "")


def test_a_candidate_does_not_compete_with_itself() -> None:
    """It was computed as a competitor for another candidate: by its label it is the same phase."""
    once = place_on_hull(phase("AlH", -0.5), [AL, H2, ALH3])
    assert place_on_hull(phase("AlH", -0.5), [AL, phase("AlH", -0.5), H2, ALH3]) == once
    high = place_on_hull(phase("AlH", 0.05), [AL, H2, ALH3])
    assert place_on_hull(phase("AlH", 0.05), [AL, phase("AlH", 0.05), H2, ALH3]) == high


def test_a_polymorph_competes() -> None:
    cubic, layered = phase("AlH3", -0.2, "AlH3 Pm-3n"), phase("AlH3", -0.18, "AlH3 R-3c")
    placed = {one.label: place_on_hull(one, [AL, H2, cubic, layered]) for one in (cubic, layered)}
    assert placed[cubic.label].stabilisation_ev_per_atom == pytest.approx(-0.02)
    assert placed[cubic.label].reaction == "AlH3 -> AlH3 (AlH3 R-3c)"
    assert placed[layered.label].hull_ev_per_atom == pytest.approx(0.02)
    assert placed[layered.label].decomposition == {"AlH3 Pm-3n": 1.0}


def test_a_polymorph_above_the_hull_of_the_rest_is_no_competitor() -> None:
    """Without AlH at -0.5 its polymorph at +0.3 stays above Al + AlH3, which is what counts."""
    placed = place_on_hull(phase("AlH", -0.5), [AL, H2, ALH3, phase("AlH", 0.3, "AlH high")])
    assert placed.stabilisation_ev_per_atom == pytest.approx(-0.5 + 0.4 / 3)


def test_a_label_for_two_phases_is_refused() -> None:
    """Left out as "the candidate itself", the lower polymorph would make it look stable."""
    with pytest.raises(ValueError, match=r"^AlH names phases of 0\.05\d+ and -0\.5\d+ eV/atom; .*rename one of them$"):
        place_on_hull(phase("AlH", 0.05), [AL, H2, phase("AlH", -0.5)])
    with pytest.raises(ValueError, match="x names AlH and AlH3"):
        place_on_hull(phase("AlH", 0.0, "x"), [AL, H2, phase("AlH3", -0.2, "x")])
    with pytest.raises(ValueError, match="x names AlH and AlH3"):
        place_on_hull(phase("Al2H", 0.0), [AL, H2, phase("AlH", -0.2, "x"), phase("AlH3", -0.2, "x")])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_enthalpy_that_is_no_number_is_refused(bad: float) -> None:
    for arguments in ((phase("AlH", bad), [AL, H2]), (phase("AlH", 0.0), [AL, phase("H2", bad)])):
        with pytest.raises(ValueError, match=r"the enthalpy of (AlH|H2) is (nan|inf); a hull wants a number"):
            place_on_hull(*arguments)


def test_elements_are_placed_among_their_own_phases() -> None:
    low, high = phase("H2", 0.0, "H2 P63/m"), phase("H4", 0.1, "H2 hcp")
    placed = place_on_hull(high, [AL, low, high])
    assert (placed.hull_ev_per_atom, placed.formation_ev_per_atom) == pytest.approx((0.1, 0.1))
    assert placed.decomposition == {"H2 P63/m": 1.0}
    assert placed.reaction == "H2 -> H2 (H2 P63/m)"
    placed = place_on_hull(low, [high])
    assert placed.stabilisation_ev_per_atom == pytest.approx(-0.1)
    assert (placed.hull_ev_per_atom, placed.formation_ev_per_atom) == (0.0, 0.0)


def test_an_element_without_another_phase_is_its_own_reference() -> None:
    placed = place_on_hull(H2, [H2, AL])
    assert placed == HullPlacement(0.0, 0.0, {"H2": 1.0}, (), None, {}, "")


@pytest.mark.parametrize(
    ("candidate", "competitors", "reaction"),
    [
        ("CaH6", {"CaH4": -0.3}, "CaH6 -> CaH4 + H2"),
        ("Ca2H12", {"Ca4H16": -0.3}, "CaH6 -> CaH4 + H2"),
        ("CaH6", {}, "CaH6 -> Ca + 3 H2"),
        ("LaH10", {"La3H12": -0.3}, "LaH10 -> LaH4 + 3 H2"),
        ("Mg2IrH6", {"MgH2": -0.3}, "Mg2IrH6 -> 2 MgH2 + H2 + Ir"),
        ("Mg2IrH6", {"Mg3H5": -0.3}, "Mg2IrH6 -> 0.667 Mg3H5 + 1.333 H2 + Ir"),
    ],
)
def test_reactions_per_formula_unit(candidate: str, competitors: dict[str, float], reaction: str) -> None:
    elements = [phase(element, 0.0) for element in ("Ca", "La", "Mg", "Ir", "H")]
    placed = place_on_hull(phase(candidate, 0.5), [*elements, *(phase(*pair) for pair in competitors.items())])
    assert placed.reaction == reaction


def test_a_quaternary_against_linear_programming() -> None:
    """The hull is the cheapest mixture of the competitors that has the right composition."""
    competitors = random_phases(np.random.default_rng(4), ["Ca", "Mg", "Al", "H"], 60)
    candidates = random_phases(np.random.default_rng(5), ["Ca", "Mg", "Al", "H"], 30)[4:]
    on_hull = 0
    for candidate, placed in zip(candidates, place_many(candidates, competitors), strict=True):
        expected = candidate.enthalpy_ev_per_atom - cheapest_mixture(candidate, competitors)
        assert placed.distance_ev_per_atom == pytest.approx(expected, abs=1e-7)
        assert placed.hull_ev_per_atom == pytest.approx(max(expected, 0.0), abs=1e-7)
        assert sum(placed.competing_decomposition.values()) == pytest.approx(1)
        on_hull += placed.hull_ev_per_atom == 0
    assert 0 < on_hull < len(candidates)


def test_competitors_as_candidates_against_linear_programming() -> None:
    """Each is held against the hull of the others, on which phases may show that it hid."""
    phases = random_phases(np.random.default_rng(6), ["Mg", "Al", "H"], 25)
    for candidate, placed in zip(phases[3:], place_many(phases[3:], phases), strict=True):
        others = [other for other in phases if other.label != candidate.label]
        expected = candidate.enthalpy_ev_per_atom - cheapest_mixture(candidate, others)
        assert placed.distance_ev_per_atom == pytest.approx(expected, abs=1e-7)
        assert candidate.label not in placed.competing_decomposition


def test_many_are_placed_like_each_alone() -> None:
    competitors = random_phases(np.random.default_rng(1), ["Ca", "Mg", "H"], 12)
    candidates = [*competitors, phase("CaH", -0.9), phase("MgH", 0.2), phase("H2", 0.3, "H2 high")]
    many = place_many(candidates, competitors, ["CaMg2"])
    assert many == [place_on_hull(candidate, competitors, ["CaMg2"]) for candidate in candidates]
    assert place_many([], competitors) == []


def test_the_same_pressure_up_to_rounding() -> None:
    require_same_basis([phase("AlH", 0.0), phase("Al", 0.0, pressure_gpa=10.0 + 5e-10), H2])
    with pytest.raises(InconsistentSettingsError, match=r"AlH has pressure_gpa = 10\.0, Al has 10\.00001;"):
        require_same_basis([phase("AlH", 0.0), phase("Al", 0.0, pressure_gpa=10.00001)])


def test_competitors_are_compared_with_each_other() -> None:
    """Elements that the first phase lacks count as well; so does having no record of pseudopotentials."""
    with pytest.raises(InconsistentSettingsError, match=r"Mg has pseudos = {'Mg': 'ccc'}, MgH2 has {'Mg': 'zzz'}"):
        require_same_basis([AL, phase("Mg", 0.0), phase("MgH2", 0.0, pseudos={"Mg": "zzz", "H": "bbb"})])
    with pytest.raises(InconsistentSettingsError, match="pseudos"):
        require_same_basis([AL, PhaseEnthalpy("H", "H", 0.0, BASIS)])
    require_same_basis([])


amounts = st.integers(0, 6)
heights = st.floats(-1.0, 0.5)
compounds = st.lists(st.tuples(amounts, amounts, amounts, heights), min_size=1, max_size=8)


def three_element_phases(rows: list[tuple[int, int, int, float]]) -> list[PhaseEnthalpy]:
    phases = [phase("Mg", 0.0), phase("Al", 0.0), phase("H", 0.0)]
    for index, (*counts, height) in enumerate(rows):
        if sum(count > 0 for count in counts) > 1:
            formula = "".join(f"{element}{n}" for element, n in zip(("Mg", "Al", "H"), counts, strict=True) if n)
            phases.append(phase(formula, height, f"{formula} #{index}"))
    return phases


@given(rows=compounds)
@settings(max_examples=40, deadline=None)
def test_members_of_the_hull_are_on_it_and_nothing_is_below(rows: list[tuple[int, int, int, float]]) -> None:
    phases = three_element_phases(rows)
    candidates = [replace(one, label=f"{one.label}*") for one in phases]
    for twin, alone in zip(place_many(candidates, phases), place_many(phases, phases), strict=True):
        assert twin.hull_ev_per_atom >= 0
        assert alone.hull_ev_per_atom == pytest.approx(twin.hull_ev_per_atom, abs=1e-7)
        # A twin of a phase is on the hull exactly when the phase is, and is then worth nothing by itself.
        assert twin.stabilisation_ev_per_atom == (None if twin.hull_ev_per_atom else pytest.approx(0.0, abs=1e-7))
    lowest = min(phases, key=lambda one: one.enthalpy_ev_per_atom)
    assert place_on_hull(lowest, phases).hull_ev_per_atom == 0


@given(rows=compounds, shifts=st.tuples(*[st.floats(-2000, 0)] * 3), order=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_elemental_energies_and_order_do_not_matter(
    rows: list[tuple[int, int, int, float]], shifts: tuple[float, float, float], order: Random
) -> None:
    phases = three_element_phases(rows)
    by_element = dict(zip(("Mg", "Al", "H"), shifts, strict=True))
    shifted = []
    for one in phases:
        parts = Composition(one.formula).fractional_composition.get_el_amt_dict()
        shift = sum(part * by_element[element] for element, part in parts.items())
        shifted.append(replace(one, enthalpy_ev_per_atom=one.enthalpy_ev_per_atom + shift))
    shuffled = order.sample(shifted, len(shifted))
    for before, after in zip(place_many(phases, phases), place_many(shifted, shuffled), strict=True):
        assert after.hull_ev_per_atom == pytest.approx(before.hull_ev_per_atom, abs=1e-7)
        assert after.formation_ev_per_atom == pytest.approx(before.formation_ev_per_atom, abs=1e-7)


def test_two_relaxations_of_one_crystal_are_one_phase() -> None:
    first = {
        "formula": "AlH",
        "space_group_number": 225,
        "enthalpy_ev_per_atom": -3.0,
        "volume_ang3": 20.0,
        "n_atoms": 2,
    }
    assert is_same_phase(first, first | {"enthalpy_ev_per_atom": -3.0009, "volume_ang3": 40.2, "n_atoms": 4})
    for other in (
        {"formula": "AlH2"},
        {"space_group_number": 216},
        {"enthalpy_ev_per_atom": -3.002},
        {"volume_ang3": 21.0},
    ):
        assert not is_same_phase(first, first | other)
