"""Enthalpy against pressure relative to what a phase competes with."""

import pytest

from hts.enthalpy_curves import EnthalpyCurve, enthalpy_curves
from hts.errors import HtsError, UserError
from hts.stored_phases import Basis, StoredPhase, elements_of, group_by_basis

# Formation enthalpies in eV/atom at 0 and 100 GPa, made up so that Pm-3n wins above 60 GPa.
ENTHALPIES = {
    ("Al-fcc", "Al", 225): (-1.0, 3.0),
    ("Al-hcp", "Al", 194): (-0.97, 3.01),
    ("H2-c2-c", "H2", 15): (-2.0, 1.0),
    ("AlH3-r-3c", "AlH3", 167): (-1.80, 1.40),
    ("AlH3-pm-3n", "AlH3", 223): (-1.74, 1.36),
    ("perovskite-Al4H", "Al4H", 221): (-1.10, 2.50),
}


def basis(*left_out: str) -> Basis:
    phases = [
        StoredPhase(
            label=label,
            kind="candidate" if label.startswith("perovskite") else "reference",
            formula=formula,
            enthalpy_ev_per_atom=enthalpy,
            volume_ang3_per_atom=10.0,
            space_group_number=number,
            basis={"pressure_gpa": pressure, "pseudos": {e: e for e in elements_of(formula)}},
            uuid=label,
        )
        for (label, formula, number), enthalpies in ENTHALPIES.items()
        for pressure, enthalpy in zip((0.0, 100.0), enthalpies, strict=True)
        if f"{label}@{pressure:g}" not in left_out
    ]
    [group] = group_by_basis(phases)
    return group


def by_label(curves: tuple[EnthalpyCurve, ...]) -> dict[str, EnthalpyCurve]:
    return {curve.label: curve for curve in curves}


def test_polymorphs_share_the_hull_of_the_other_compositions() -> None:
    curves, no_hull = enthalpy_curves(("Al", "H"), basis())
    found = by_label(curves)
    assert no_hull == ()
    # At 0 GPa AlH3 is measured from the elements, at 100 GPa from Al4H (5/16 of the atoms) and H2.
    zero = ((-1.0 + 3 * -2.0) / 4, (5 * 2.50 + 11 * 1.0) / 16)
    assert found["AlH3-r-3c"].distances_ev_per_atom == pytest.approx((-1.80 - zero[0], 1.40 - zero[1]))
    assert found["AlH3-pm-3n"].distances_ev_per_atom == pytest.approx((-1.74 - zero[0], 1.36 - zero[1]))
    # Al4H is measured from the lower AlH3 (4/15 of the atoms) and Al: above it at 0 GPa, below it at 100 GPa.
    assert found["perovskite-Al4H"].distances_ev_per_atom == pytest.approx(
        (-1.10 - (4 * -1.80 + 11 * -1.0) / 15, 2.50 - (4 * 1.36 + 11 * 3.0) / 15)
    )
    assert found["perovskite-Al4H"].kind == "candidate"
    assert found["AlH3-pm-3n"].pressures_gpa == (0.0, 100.0)


@pytest.mark.parametrize(
    ("only", "labels"),
    [
        ("AlH3", ["AlH3-r-3c", "AlH3-pm-3n"]),
        ("AlH3-r-3c", ["AlH3-r-3c"]),
        ("Al", ["Al-fcc", "Al-hcp"]),
        (None, ["AlH3-r-3c", "AlH3-pm-3n", "perovskite-Al4H"]),
    ],
)
def test_what_is_chosen(only: str | None, labels: list[str]) -> None:
    curves, _ = enthalpy_curves(("Al", "H"), basis(), only=only)
    assert sorted(curve.label for curve in curves) == sorted(labels)
    assert [curve.formula for curve in curves] == sorted(curve.formula for curve in curves)


def test_an_element_is_measured_from_its_lowest_phase() -> None:
    fcc, hcp = enthalpy_curves(("Al",), basis())[0]
    assert (fcc.distances_ev_per_atom, hcp.distances_ev_per_atom) == ((0.0, 0.0), pytest.approx((0.03, 0.01)))


def test_a_chosen_phase_is_zero() -> None:
    curves, _ = enthalpy_curves(("Al", "H"), basis(), only="AlH3", relative_to="AlH3-r-3c")
    found = by_label(curves)
    assert found["AlH3-r-3c"].distances_ev_per_atom == (0.0, 0.0)
    assert found["AlH3-pm-3n"].distances_ev_per_atom == pytest.approx((0.06, -0.04))
    # It needs no hull, so no element.
    curves, no_hull = enthalpy_curves(("Al", "H"), basis("H2-c2-c@0"), only="AlH3", relative_to="AlH3-r-3c")
    assert (no_hull, len(curves[0].pressures_gpa)) == ((), 2)


def test_a_pressure_without_a_hull_is_left_out_and_told() -> None:
    curves, no_hull = enthalpy_curves(("Al", "H"), basis("H2-c2-c@0"))
    assert {curve.pressures_gpa for curve in curves} == {(100.0,)}
    [line] = no_hull
    assert line.startswith("no hull of Al-H at 0 GPa: H was not relaxed there")
    with pytest.raises(HtsError, match=r"at 0 GPa: H was not .*; no hull of Al-H at 100 GPa: H was not"):
        enthalpy_curves(("Al", "H"), basis("H2-c2-c@0", "H2-c2-c@100"))
    _, no_hull = enthalpy_curves(("Al", "H"), basis("AlH3-r-3c@0"), only="AlH3", relative_to="AlH3-r-3c")
    assert no_hull == ("the reference was not relaxed at 0 GPa",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"only": "AlH9"}, "no phase or formula 'AlH9' was relaxed in Al-H; there are Al, Al4H, AlH3, H2"),
        ({"relative_to": "AlH3-r-3c"}, r"\(Al4H, AlH3\) was wanted; choose one composition with --formula"),
        ({"only": "AlH3", "relative_to": "Al-fcc"}, "--relative-to 'Al-fcc': .* one of AlH3-pm-3n, AlH3-r-3c"),
        ({"only": "AlH3", "relative_to": "nonsense"}, "--relative-to 'nonsense'"),
    ],
    ids=["unknown", "several", "other", "no-phase"],
)
def test_mistakes(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        enthalpy_curves(("Al", "H"), basis(), **arguments)
