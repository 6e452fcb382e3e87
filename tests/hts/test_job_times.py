"""The stamps that jobs write, as written by bash and read back."""

import subprocess

import pytest

from hts.job_times import FINISHED_LINE, STARTED_LINE, parse_job_times, stamped


def test_stamps_of_bash_are_read_back() -> None:
    script = f"{STARTED_LINE}\nsleep 0.2\n{FINISHED_LINE}\n"
    text = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    times = parse_job_times(text)
    assert times is not None
    started, finished = times
    assert finished is not None
    assert 0.2 <= finished - started < 2.0


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("", None),
        ("hts finished 12.0\n", None),
        ("noise\nhts started 10.5\n", (10.5, None)),
        ("hts started 10.5\nhts finished 12.25\n", (10.5, 12.25)),
        # the computer's stamp, then the one behind the wait for a slot
        ("hts started 10\nhts started 20\nhts finished 21\n", (20.0, 21.0)),
        # cut short in the second stamp
        ("hts started 10\nhts finis", (10.0, None)),
        # a restart in the same folder that is still running
        ("hts started 10\nhts finished 11\nhts started 12\n", (12.0, None)),
        ("the word hts started 10\n", None),
    ],
)
def test_parse_job_times(text: str, times: tuple[float, float | None] | None) -> None:
    assert parse_job_times(text) == times


def test_stamped_puts_the_stamp_last() -> None:
    assert stamped("module load qe\n") == f"module load qe\n{STARTED_LINE}"
    assert stamped("") == STARTED_LINE
