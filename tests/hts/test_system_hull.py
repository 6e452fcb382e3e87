"""The hull of all stored phases of a system, and what it does not know."""

from typing import Any

import pytest

from hts.errors import HtsError
from hts.stored_phases import StoredPhase, elements_of, group_by_basis
from hts.system_hull import HullRow, SystemHull, lacking, place_system


def phase(label: str, formula: str, enthalpy: float = 0.0, **changes: Any) -> StoredPhase:
    basis = {"pressure_gpa": changes.get("pressure", 0.0), "pseudos": {e: e for e in elements_of(formula)}}
    kind = changes.get("kind", "reference")
    number = changes.get("space_group", 225)
    return StoredPhase(label, kind, formula, enthalpy, 10.0, number, basis, label, magnetic_doubt=changes.get("doubt"))


def rows_of(elements: tuple[str, ...], phases: list[StoredPhase], pressure: float = 0.0) -> dict[str, HullRow]:
    [basis] = group_by_basis(phases)
    return {row.phase.label: row for row in place_system(elements, pressure, basis)[1]}


CALCIUM_HYDRIDES = [
    phase("Ca", "Ca", 0.1),
    phase("H2", "H2", 0.2),
    phase("CaH2-p6", "CaH2", -0.60),
    phase("CaH2-p63", "CaH2", -0.55, space_group=194),
    phase("CaH4", "CaH4", -0.30),
    phase("key-CaH6", "CaH6", -0.1, kind="candidate"),
    phase("MgH2", "MgH2", -9.0),
    phase("CaH6-at-100", "CaH6", -9.0, pressure=100.0),
]


def test_everything_competes_at_one_pressure_in_one_system() -> None:
    rows = rows_of(("Ca", "H"), CALCIUM_HYDRIDES)
    assert list(rows) == ["Ca", "H2", "CaH2-p6", "CaH2-p63", "CaH4", "key-CaH6"]
    # By hand: formation of CaH2 is -0.60 - (0.1 + 2 * 0.2) / 3.
    assert rows["CaH2-p6"].placement.formation_ev_per_atom == pytest.approx(-0.60 - 0.5 / 3)
    assert rows["CaH2-p63"].placement.hull_ev_per_atom == pytest.approx(0.05)
    assert rows["CaH2-p63"].placement.reaction == "CaH2 -> CaH2 (CaH2-p6)"
    # CaH6 = CaH4 + H2: (5 * -0.30 + 2 * 0.2) / 7.
    assert rows["key-CaH6"].placement.hull_ev_per_atom == pytest.approx(-0.1 - (5 * -0.30 + 2 * 0.2) / 7)
    assert rows["key-CaH6"].placement.reaction == "CaH6 -> CaH4 + H2"
    assert [label for label, row in rows.items() if row.is_stable] == ["Ca", "H2", "CaH2-p6", "CaH4"]


def test_a_limit_hides_but_does_not_remove() -> None:
    [basis] = group_by_basis(CALCIUM_HYDRIDES)
    rows = place_system(("Ca", "H"), 0.0, basis)[1]
    hull = SystemHull(("Ca", "H"), 0.0, basis, "settings", rows)
    assert hull.system == "Ca-H"
    assert [row.phase.label for row in hull.within(0.0)] == ["Ca", "H2", "CaH2-p6", "CaH4"]
    assert hull.within(None) == rows


@pytest.mark.parametrize(
    ("elements", "absent"), [(("Ca", "H"), "Ca was"), (("Ca", "Mg", "H"), "Ca, Mg were")], ids=["one", "two"]
)
def test_without_an_element_there_is_no_hull(elements: tuple[str, ...], absent: str) -> None:
    [basis] = group_by_basis([phase("H2", "H2"), phase("CaH6", "CaH6"), phase("Ca", "Ca", pressure=100.0)])
    with pytest.raises(HtsError, match=f"at 0 GPa: {absent} not relaxed there, only CaH6, H2;"):
        place_system(elements, 0.0, basis)


def test_known_phases_that_were_not_relaxed_are_missing() -> None:
    phases = [phase("Al-fcc", "Al"), phase("H2-hcp", "H2")]
    missing, caveats = lacking(("Al", "H"), 0.0, phases, {"AlH3-mh3-r-3c": "exit 401"})
    assert "reference AlH3-mh3-r-3c: exit 401" in missing
    assert "H2-p63-m: not relaxed at 0 GPa with these settings" in missing
    assert not any("Al-fcc" in line or "H2-hcp" in line for line in missing)
    assert caveats == ()


def test_a_candidate_stands_for_the_known_phase_that_it_is() -> None:
    alane = "AlH3-mh3-r-3c: not relaxed at 0 GPa with these settings"
    same = phase("key", "AlH3", kind="candidate", space_group=167)
    assert alane not in lacking(("Al", "H"), 0.0, [same], {})[0]
    other = phase("key", "AlH3", kind="candidate", space_group=223)
    assert alane in lacking(("Al", "H"), 0.0, [other], {})[0]


def test_caveats_hold_for_the_phases_that_are_there() -> None:
    # Calcium at 150 GPa has structures that only stand in: their windows end at 39.5 and 60 GPa.
    missing, caveats = lacking(
        ("Ca",), 150.0, [phase("Ca-bcc", "Ca", pressure=150.0)], {}, ["Ca is used outside its window (5 to 60 GPa)"]
    )
    assert caveats == ("Ca-bcc: Ca is used outside its window (5 to 60 GPa)",)
    assert "Ca-fcc: not relaxed at 150 GPa with these settings" in missing
    assert not any("used outside" in line for line in missing)


def test_what_stored_hulls_said_counts_as_long_as_it_is_true() -> None:
    reported = [
        "reference Al4H-perovskite: lost",
        "reference Al-fcc: failed once",
        "reference AlH-rocksalt: exit 401",
        "no competing compound of Al-H was looked for",
        "no structure of H at 150 GPa is in the table",
        "AlH5: its magnetic state is unknown (no convergence); a ferromagnetic one would lie lower",
        "a file was left out",
    ]
    phases = [phase("Al-fcc", "Al"), phase("H2-hcp", "H2"), phase("FeH", "FeH", doubt="no convergence")]
    missing = lacking(("Al", "H"), 0.0, phases, {"AlH-rocksalt": "exit 402"}, [*reported, *reported])[0]
    assert [line for line in missing if "not relaxed" not in line and "family" not in line] == [
        "reference AlH-rocksalt: exit 402",
        "FeH: its magnetic state is unknown (no convergence); a ferromagnetic one would lie lower",
        "reference Al4H-perovskite: lost",
        "a file was left out",
    ]
