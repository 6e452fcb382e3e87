"""Stamps that a job writes into its scheduler output, and how to read them back.

The engine's own times include its polling; what a code really used is known only inside the job. `hts status`
sums these intervals into code seconds and takes the rest of the wall time as idle.
"""

import re

# AiiDA writes prepend texts in the order computer, code, calculation, and append texts in the reverse order. The
# computer stamps every job; a job that then waits for a slot stamps again behind it, and the last stamp counts.
STARTED_LINE = 'echo "hts started $(date +%s.%N)"'
FINISHED_LINE = 'echo "hts finished $(date +%s.%N)"'

JOB_TIME_PATTERN = re.compile(r"^hts (started|finished) (\d+(?:\.\d+)?)$", re.MULTILINE)


def stamped(prepend_text: str) -> str:
    """Return a job's prepend text with the start stamp as its last line.

    Parameters
    ----------
    prepend_text
        Bash lines that run before the code, for instance those of `hts.job_slots.slot_prepend_text`; may be empty.

    Returns
    -------
    str
        The same lines and the stamp behind them, so that waiting in them is not counted as work.
    """
    return f"{prepend_text.rstrip()}\n{STARTED_LINE}".lstrip("\n")


def parse_job_times(text: str) -> tuple[float, float | None] | None:
    """Read the interval in which a job's code ran.

    Parameters
    ----------
    text
        Scheduler output of one job (`_scheduler-stdout.txt`), complete or cut short.

    Returns
    -------
    tuple of float or None
        (started, finished) in seconds since 1970-01-01 UTC. `finished` is None while the job runs and after it was
        killed. None when the job never started. Of several start stamps the last counts, of several finish stamps
        the last behind that.
    """
    started: float | None = None
    finished: float | None = None
    for kind, value in JOB_TIME_PATTERN.findall(text):
        if kind == "started":
            started, finished = float(value), None
        elif started is not None:
            finished = float(value)
    return None if started is None else (started, finished)
