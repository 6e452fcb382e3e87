"""The hull on a textbook binary worked by hand, and what it refuses to mix."""

from typing import Any

import pytest

from hts.errors import InconsistentSettingsError
from hts.hull import PhaseEnthalpy, place_on_hull, require_same_basis

BASIS: dict[str, Any] = {
    "pressure_gpa": 10.0, "functional": "PBE", "ecutwfc_ry": 60.0, "ecutrho_ry": 240.0,
    "kpoints_distance_inv_ang": 0.17, "smearing": "mp", "degauss_ry": 0.02,
}  # fmt: skip
MD5 = {"Al": "aaa", "H": "bbb", "Mg": "ccc"}


def phase(formula: str, enthalpy: float, label: str | None = None, **changes: Any) -> PhaseEnthalpy:
    pseudos = {element: md5 for element, md5 in MD5.items() if element in formula}
    return PhaseEnthalpy(label or formula, formula, enthalpy, BASIS | {"pseudos": pseudos} | changes)


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
