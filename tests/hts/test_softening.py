"""The predicted end of stability, against a crystal whose squared frequencies are linear in pressure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.ladder import Ladder, Rung, bracket
from hts.softening import ModesAtPressure, critical_pressure


def modes(pressure_gpa: float, critical_gpa: dict[int, float], slope: float = 400.0) -> ModesAtPressure:
    """Return a crystal whose q-points soften to zero at the given pressures."""
    squares = {index: slope * (pressure_gpa - critical) for index, critical in critical_gpa.items()}
    lowest = {index: abs(square) ** 0.5 * (1 if square >= 0 else -1) for index, square in squares.items()}
    return ModesAtPressure(pressure_gpa, min(lowest.values()) >= 0, lowest)


def test_the_first_mode_to_soften_decides() -> None:
    critical = {1: -40.0, 2: 12.5, 3: 3.0}
    found = critical_pressure([modes(50, critical), modes(30, critical)])
    assert (found.pressure_gpa, found.qpoint_index) == (pytest.approx(12.5), 2)
    assert found.reason == "omega^2 of q 2 extrapolated from 50 and 30 GPa"
    between = critical_pressure([modes(50, critical), modes(30, critical), modes(10, critical)])
    assert between.pressure_gpa == pytest.approx(12.5)
    assert "interpolated from 30 and 10 GPa" in between.reason


def test_the_threshold_is_what_counts_as_imaginary() -> None:
    """-20 cm-1 is reached one GPa below zero when omega^2 falls by 400 cm^-2 a GPa."""
    critical = {1: 10.0}
    assert critical_pressure([modes(50, critical), modes(30, critical)], -20.0).pressure_gpa == pytest.approx(9.0)


def test_without_a_trend_nothing_is_predicted() -> None:
    assert critical_pressure([]).pressure_gpa is None
    assert critical_pressure([modes(50, {1: 10.0})]).pressure_gpa is None
    hardening = [modes(50, {1: 10.0}, slope=400), modes(30, {1: -100.0}, slope=400)]
    assert "no mode softens" in critical_pressure(hardening).reason
    apart = [modes(50, {1: 10.0}), modes(30, {2: 10.0})]
    assert critical_pressure(apart).pressure_gpa is None


def follow(ladder: Ladder, critical: dict[int, float], predict: bool) -> list[Rung]:
    """Walk down as the WorkChain does; an unstable rung knows its worst q-point only."""
    known: list[ModesAtPressure] = []
    rungs: list[Rung] = []
    while True:
        predicted = critical_pressure(known).pressure_gpa if predict else None
        pressure = ladder.next_pressure_gpa(rungs, predicted)
        if pressure is None:
            return rungs
        found = modes(pressure, critical)
        if not found.stable:
            worst = min(found.lowest_cm1, key=lambda index: found.lowest_cm1[index])
            found = ModesAtPressure(pressure, False, {worst: found.lowest_cm1[worst]})
        known.append(found)
        rungs.append(Rung(pressure, "stable" if found.stable else "unstable"))
        assert len(rungs) < 100


@given(
    critical=st.floats(-30, 99),
    other=st.floats(-60, 90),
    step=st.sampled_from([5.0, 20.0, 100.0]),
    resolution=st.sampled_from([1.0, 2.5, 5.0]),
)
def test_a_prediction_changes_the_path_and_not_the_bracket(
    critical: float, other: float, step: float, resolution: float
) -> None:
    ladder = Ladder(100.0, 0.0, step, resolution)
    truth = {1: critical, 2: other}
    with_it, without = follow(ladder, truth, True), follow(ladder, truth, False)
    worst = max(truth.values())
    for rungs in (with_it, without):
        stable, failed = bracket(rungs)
        assert stable is not None
        if worst > 0:
            assert failed is not None and failed < worst + 1e-6 and stable >= worst - 1e-6
            assert stable - failed <= resolution + 1e-6
        else:
            assert (stable, failed) == (0.0, None)


def test_a_linear_mode_is_bracketed_by_two_rungs_at_either_side() -> None:
    ladder = Ladder(100.0, 0.0, 20.0, 2.0)
    pressures = [rung.pressure_gpa for rung in follow(ladder, {1: 33.3}, True)]
    assert pressures == [100.0, 80.0, 32.2, 34.2]
    assert len(follow(ladder, {1: 33.3}, False)) == 9


def test_a_stiff_crystal_is_asked_at_the_stop_at_once() -> None:
    ladder = Ladder(100.0, 0.0, 10.0, 2.0)
    assert [rung.pressure_gpa for rung in follow(ladder, {1: -50.0}, True)] == [100.0, 90.0, 0.0]


def test_one_rung_below_an_unstable_one_on_request() -> None:
    def walk(reentrant: bool) -> list[float]:
        ladder = Ladder(60.0, 0.0, 20.0, 20.0, reentrant)
        rungs: list[Rung] = []
        while (pressure := ladder.next_pressure_gpa(rungs)) is not None:
            rungs.append(Rung(pressure, "unstable" if pressure == 40 else "stable"))
        return [rung.pressure_gpa for rung in rungs]

    assert walk(False) == [60.0, 40.0]
    assert walk(True) == [60.0, 40.0, 20.0]
    start_unstable = Ladder(40.0, 0.0, 30.0, 10.0, True)
    assert start_unstable.next_pressure_gpa([Rung(40.0, "unstable")]) == 10.0
    assert start_unstable.next_pressure_gpa([Rung(40.0, "unstable"), Rung(10.0, "stable")]) is None
    assert Ladder(0.0, 0.0, 10.0, 10.0, True).next_pressure_gpa([Rung(0.0, "unstable")]) is None
