"""What is tried after each failure of ph.x, and that trying ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.handlers import Recovery, recover_ph

INPUT = {"tr2_ph": 1e-12, "alpha_mix(1)": 0.7, "max_seconds": 3000}
LOWER = INPUT | {"alpha_mix(1)": 0.3}


@pytest.mark.parametrize(
    ("status", "parameters", "restart", "words"),
    [
        (400, INPUT, True, "walltime"),  # stopped by itself: what it finished is whole
        (410, LOWER, False, "alpha_mix lowered from 0.7 to 0.3"),
        (120, INPUT, False, "killed by the scheduler"),  # stopped by force: files may be truncated
        (140, INPUT, False, "node failure"),
        (304, INPUT, False, "not whole"),
        (312, INPUT, False, "interrupted"),
        (411, INPUT, False, "refused"),
    ],
)
def test_recoveries(status: int, parameters: dict[str, Any], restart: bool, words: str) -> None:
    recovery = recover_ph(status, INPUT)
    assert recovery is not None
    assert (recovery.parameters, recovery.restart) == (parameters, restart)
    assert words in recovery.reason


# Out of memory, disk full, symmetry, Cholesky, missing output, unknown: the same again would fail the same way.
@pytest.mark.parametrize("status", [None, 0, 1, 100, 110, 302, 306, 350, 360, 361, 462, 999])
def test_where_trying_again_cannot_help(status: int | None) -> None:
    assert recover_ph(status, INPUT) is None


def test_the_mixing_ladder_ends() -> None:
    tried, parameters = [], {"tr2_ph": 1e-12}
    while (recovery := recover_ph(410, parameters)) is not None:
        parameters = recovery.parameters
        tried.append(parameters["alpha_mix(1)"])
        assert parameters["tr2_ph"] == 1e-12
    assert tried == [0.3, 0.1]


@given(st.floats(0.0, 1.0))
def test_mixing_is_only_ever_lowered(alpha: float) -> None:
    recovery = recover_ph(410, INPUT | {"alpha_mix(1)": alpha})
    assert recovery is None or recovery.parameters["alpha_mix(1)"] < alpha
    assert (recovery is None) == (alpha <= 0.1)


@given(st.integers(0, 1000))
def test_the_failed_jobs_parameters_are_left_alone(status: int) -> None:
    given_parameters = dict(INPUT)
    recovery = recover_ph(status, given_parameters)
    assert given_parameters == INPUT
    assert recovery is None or (isinstance(recovery, Recovery) and recovery.parameters is not given_parameters)
