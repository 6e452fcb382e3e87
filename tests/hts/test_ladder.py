"""The descent in pressure against crystals with a hidden critical pressure: it ends, and it ends at the right place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.ladder import Ladder, Rung, bracket

FAILURES = ["unstable", "above_hull", "insulator"]
ladders = st.builds(
    lambda stop, span, step, share: Ladder(stop + span, stop, step, step * share),
    st.sampled_from([0.0, 0.0, 5.0, 12.5]),
    st.sampled_from([0.0, 0.3, 1.0, 10.0, 45.0, 100.0]),
    st.sampled_from([0.1, 0.7, 3.0, 10.0, 25.0, 200.0]),
    st.sampled_from([1.0, 0.5, 0.3, 0.06]),
).filter(lambda ladder: (ladder.start_gpa - ladder.stop_gpa) / ladder.step_gpa < 200)


def descend(ladder: Ladder, critical_gpa: float, failure: str = "unstable") -> list[Rung]:
    """Walk down a crystal that is stable above its critical pressure only."""
    rungs: list[Rung] = []
    while (pressure := ladder.next_pressure_gpa(rungs)) is not None:
        rungs.append(Rung(pressure, "stable" if pressure > critical_gpa else failure))
        assert len(rungs) < 1000, "the ladder does not end"
    return rungs


@given(ladder=ladders, share=st.floats(-0.2, 1.2), failure=st.sampled_from(FAILURES))
def test_the_critical_pressure_is_bracketed(ladder: Ladder, share: float, failure: str) -> None:
    critical = ladder.stop_gpa + share * (ladder.start_gpa - ladder.stop_gpa) - 0.01
    rungs = descend(ladder, critical, failure)
    pressures = [rung.pressure_gpa for rung in rungs]
    assert pressures[0] == ladder.start_gpa
    assert len(set(pressures)) == len(pressures)
    assert all(ladder.stop_gpa <= pressure <= ladder.start_gpa for pressure in pressures)
    stable, failed = bracket(rungs)
    if ladder.start_gpa <= critical:
        assert pressures == [ladder.start_gpa]
        assert stable is None
    elif ladder.stop_gpa > critical:
        assert (stable, failed) == (ladder.stop_gpa, None)
    else:
        assert stable is not None and failed is not None
        assert failed <= critical < stable
        assert stable - failed <= ladder.resolution_gpa + 2e-6


@given(ladder=ladders)
def test_a_crystal_that_stays_stable_is_followed_to_the_very_stop(ladder: Ladder) -> None:
    """In steps, the last one shorter; at 0 GPa exactly, because "ambient" and its hull are looked up there."""
    pressures = [rung.pressure_gpa for rung in descend(ladder, -1.0)]
    assert pressures == sorted(pressures, reverse=True)
    assert pressures[-1] == ladder.stop_gpa
    assert all(a - b <= ladder.step_gpa + 1e-6 for a, b in pairwise(pressures))
    assert all(pressure == round(pressure, 6) for pressure in pressures)


def test_the_ladder_of_the_demonstration() -> None:
    """Start 10, stop 0, step 10, resolution = step: two rungs and no bisection."""
    ladder = Ladder(10.0, 0.0, 10.0, 10.0)
    assert [rung.pressure_gpa for rung in descend(ladder, -1.0)] == [10.0, 0.0]
    assert [rung.pressure_gpa for rung in descend(ladder, 5.0)] == [10.0, 0.0]


def test_bisection_by_hand() -> None:
    rungs = descend(Ladder(100.0, 0.0, 40.0, 5.0), 33.0)
    assert [rung.pressure_gpa for rung in rungs] == [100.0, 60.0, 20.0, 40.0, 30.0, 35.0]
    assert bracket(rungs) == (35.0, 30.0)


def test_small_steps_do_not_add_up_to_noise() -> None:
    pressures = [rung.pressure_gpa for rung in descend(Ladder(1.0, 0.0, 0.1, 0.1), -1.0)]
    assert pressures == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]


@given(ladder=ladders, count=st.integers(0, 5))
def test_an_undecided_rung_ends_the_search(ladder: Ladder, count: int) -> None:
    """Going on would rest on nothing; what was stable before it stays so."""
    rungs = descend(ladder, -1.0)[:count]
    rungs.append(Rung(rungs[-1].pressure_gpa - 0.5 if rungs else ladder.start_gpa, "undecided"))
    assert ladder.next_pressure_gpa(rungs) is None
    assert bracket(rungs) == (min((rung.pressure_gpa for rung in rungs[:-1]), default=None), None)


def test_reentrant_stability_does_not_count() -> None:
    rungs = [Rung(20.0, "stable"), Rung(10.0, "unstable"), Rung(0.0, "stable")]
    assert bracket(rungs) == (20.0, 10.0)
    assert bracket(list(reversed(rungs))) == (20.0, 10.0)
    assert bracket([]) == (None, None)


@pytest.mark.parametrize("resolution", [0.0, 1e-9, 1e-7])
def test_a_bisection_below_the_rounding_ends(resolution: float) -> None:
    assert descend(Ladder(1.0, 0.0, 1.0, resolution), 0.123456)


@pytest.mark.parametrize("step", [0.0, -5.0, float("nan")])
def test_a_ladder_without_an_end_is_refused(step: float) -> None:
    with pytest.raises(ValueError, match="step"):
        Ladder(10.0, 0.0, step, 1.0)


def test_a_ladder_that_climbs_is_refused() -> None:
    with pytest.raises(ValueError, match="start"):
        Ladder(0.0, 10.0, 1.0, 1.0)
