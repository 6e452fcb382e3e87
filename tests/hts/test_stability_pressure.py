"""The pressure of stability against candidates whose enthalpy difference is known at every pressure."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.hull import PhaseEnthalpy, place_on_hull
from hts.stability_pressure import HullRung, StabilityPressure, stability_pressure
from hts.units import GPA_PER_EV_ANG3


def rung(pressure_gpa: float, distance: float | None, **changes: bool) -> HullRung:
    """Return a rung at a signed distance from the hull of the others."""
    if distance is None:
        return HullRung(pressure_gpa, None, **changes)
    return HullRung(pressure_gpa, max(distance, 0.0), stabilisation_ev_per_atom=min(distance, 0.0), **changes)


def test_a_straight_line_by_hand() -> None:
    """+0.03 at 50 GPa, -0.01 at 100 GPa: zero three quarters of the way up."""
    found = stability_pressure([rung(150, -0.05), rung(100, -0.01), rung(50, 0.03), rung(0, 0.07)])
    assert found.status == "crosses"
    assert found.lowest_pressure_gpa == 100
    assert found.bracket_gpa == (50, 100)
    assert found.interpolated_gpa == pytest.approx(87.5)
    assert (found.hull_incomplete, found.not_counted_gpa) == (False, ())


def test_a_gate_is_met_where_the_line_meets_it() -> None:
    rungs = [rung(100, -0.01), rung(50, 0.03), rung(0, 0.07)]
    found = stability_pressure(rungs, 0.05)
    assert (found.lowest_pressure_gpa, found.bracket_gpa) == (50, (0, 50))
    assert found.interpolated_gpa == pytest.approx(25)
    assert stability_pressure(rungs, 0.03).interpolated_gpa == pytest.approx(50)
    assert stability_pressure(rungs, 0.07).status == "stable_at_all"


@given(
    critical=st.floats(0.5, 199.5),
    slope=st.floats(1e-5, 1e-2),
    gate=st.floats(0, 0.2),
    pressures=st.lists(st.integers(0, 40).map(lambda step: 5.0 * step), min_size=1, max_size=12, unique=True),
)
def test_a_known_line_is_found_again(critical: float, slope: float, gate: float, pressures: list[float]) -> None:
    """In whatever order the rungs come."""
    found = stability_pressure([rung(p, gate + slope * (critical - p)) for p in pressures], gate)
    stable = [pressure for pressure in pressures if gate + slope * (critical - pressure) <= gate]
    failed = sorted(set(pressures) - set(stable))
    assert found.lowest_pressure_gpa == min(stable, default=None)
    assert found.status == ("never" if not stable else "crosses" if failed else "stable_at_all")
    if stable and failed:
        assert found.bracket_gpa == (failed[-1], min(stable))
        assert found.interpolated_gpa == pytest.approx(critical, abs=1e-6)
    else:
        assert (found.bracket_gpa, found.interpolated_gpa) == (None, None)


def test_the_slope_is_a_volume() -> None:
    """d(Delta H)/dP = Delta V: with incompressible phases the hull itself gives the textbook transition pressure.

    AlH of 9 Angstrom^3/atom against Al of 16 and H of 6: Delta V = -2 Angstrom^3/atom, so 0.1 eV/atom at 0 GPa vanishes
    at 0.05 eV/Angstrom^3 = 8.01 GPa.
    """
    rungs = []
    for pressure in (0.0, 5.0, 10.0, 20.0):
        work = pressure / GPA_PER_EV_ANG3
        basis = {"pressure_gpa": pressure}
        al, h2 = PhaseEnthalpy("Al", "Al", 16 * work, basis), PhaseEnthalpy("H2", "H2", 6 * work, basis)
        placed = place_on_hull(PhaseEnthalpy("AlH", "AlH", 0.1 + 9 * work, basis), [al, h2])
        rungs.append(HullRung(pressure, placed.hull_ev_per_atom, False, placed.stabilisation_ev_per_atom))
    found = stability_pressure(rungs)
    assert found.bracket_gpa == (5, 10)
    assert found.interpolated_gpa == pytest.approx(0.05 * 160.2176634)


def test_a_clipped_distance_gives_the_bracket_only() -> None:
    found = stability_pressure([HullRung(100, 0.0), HullRung(50, 0.03)])
    assert found == StabilityPressure(100, (50, 100), None, "crosses")
    within_gate = stability_pressure([HullRung(100, 0.01), HullRung(50, 0.03)], 0.02)
    assert within_gate.interpolated_gpa == pytest.approx(75)


def test_beyond_any_number_gives_the_bracket_only() -> None:
    found = stability_pressure([rung(100, -0.01), HullRung(50, math.inf)])
    assert (found.bracket_gpa, found.interpolated_gpa) == ((50, 100), None)


def test_never_and_at_all() -> None:
    assert stability_pressure([rung(100, 0.1), rung(50, 0.2)]) == StabilityPressure(None, None, None, "never")
    assert stability_pressure([rung(0, -0.1), rung(50, -0.2)]) == StabilityPressure(0, None, None, "stable_at_all")


@pytest.mark.parametrize(
    ("rungs", "lowest", "not_counted"),
    [
        ([], None, ()),
        ([rung(100, None)], None, ()),
        ([rung(100, -0.1), rung(50, None)], 100, ()),
        ([rung(100, -0.1), rung(75, None), rung(50, 0.1)], 100, ()),
        ([rung(100, -0.1), rung(75, None), rung(50, -0.1), rung(25, 0.1)], 100, (50,)),
        ([rung(100, None), rung(50, 0.1)], None, ()),
        ([rung(100, -0.1), HullRung(50, math.nan)], 100, ()),
    ],
)
def test_nothing_is_decided_across_an_unknown_rung(
    rungs: list[HullRung], lowest: float | None, not_counted: tuple[float, ...]
) -> None:
    expected = StabilityPressure(lowest, None, None, "undecided", not_counted_gpa=not_counted)
    assert stability_pressure(rungs) == expected


def test_an_unknown_rung_below_the_answer_does_not_matter() -> None:
    found = stability_pressure([rung(100, -0.01), rung(50, 0.03), rung(0, None)])
    assert (found.status, found.bracket_gpa) == ("crosses", (50, 100))
    assert stability_pressure([rung(100, 0.1), rung(50, None)]).status == "never"


distances = st.sampled_from([-0.1, 0.1, None])


@given(known=st.lists(distances, min_size=1, max_size=5), filling=st.lists(distances, min_size=5, max_size=5))
def test_what_is_decided_stands_whatever_the_unknown_turns_out_to_be(
    known: list[float | None], filling: list[float | None]
) -> None:
    filled = [mine if mine is not None else theirs for mine, theirs in zip(known, filling, strict=False)]
    before, after = (
        stability_pressure([rung(10.0 * i, distance) for i, distance in enumerate(row)]) for row in (known, filled)
    )
    if before.status != "undecided":
        assert (after.status, after.bracket_gpa, after.interpolated_gpa) == (
            before.status, before.bracket_gpa, before.interpolated_gpa
        )  # fmt: skip
    elif before.lowest_pressure_gpa is not None:
        assert after.lowest_pressure_gpa is not None
        assert after.lowest_pressure_gpa <= before.lowest_pressure_gpa


def test_stability_that_comes_back_is_shown_but_not_counted() -> None:
    found = stability_pressure([rung(200, -0.1), rung(150, 0.1), rung(100, -0.1), rung(50, -0.1), rung(0, 0.1)])
    assert (found.lowest_pressure_gpa, found.bracket_gpa) == (200, (150, 200))
    assert found.not_counted_gpa == (100, 50)
    found = stability_pressure([rung(200, 0.1), rung(150, -0.1), rung(100, 0.1)])
    assert found == StabilityPressure(None, None, None, "never", not_counted_gpa=(150,))


def test_an_incomplete_hull_is_flagged_where_it_could_change_the_answer() -> None:
    """A missing competitor can only lower the hull: what is beyond the gate stays so."""
    assert stability_pressure([rung(100, -0.1, missing=True), rung(50, 0.1)]).hull_incomplete
    assert not stability_pressure([rung(100, -0.1), rung(50, 0.1, missing=True)]).hull_incomplete
    assert not stability_pressure([rung(100, 0.1, missing=True)]).hull_incomplete


@pytest.mark.parametrize(
    ("rungs", "gate", "message"),
    [
        ([rung(10, 0.1)], -0.1, "the gate is -0.1 eV/atom, wanted 0 or more"),
        ([rung(10, 0.1)], math.nan, "the gate is nan"),
        ([rung(10, 0.1), rung(10 + 1e-9, 0.2)], 0.0, "two rungs are at 10 GPa"),
        ([rung(math.nan, 0.1)], 0.0, "a rung is at nan GPa"),
        ([HullRung(10, -0.1)], 0.0, "-0.1 eV/atom above hull at 10 GPa"),
        ([HullRung(10, 0.0, stabilisation_ev_per_atom=0.1)], 0.0, "a stabilisation of 0.1 eV/atom at 10 GPa"),
    ],
)
def test_what_makes_no_sense_is_refused(rungs: list[HullRung], gate: float, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        stability_pressure(rungs, gate)
    assert "\n" not in str(caught.value)
