"""Processes that AiiDA has paused: found, played again a few times, and named when that does not help.

AiiDA pauses a calculation when a step on its machine (upload, submission, look at the queue, kill, retrieval) has
failed five times in a row, and leaves it so until somebody plays it; what waits for it waits for ever. A full disk or a
network that is down is often mended within minutes: playing it then goes on where it was.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiida import orm
from aiida.engine.processes import control

from hts.errors import HtsError

# Between the sight of a paused process and the next attempt; as many attempts as there are numbers.
WAITS_SECONDS = (60.0, 120.0, 240.0)
# A worker answers between two steps of its processes.
ANSWER_SECONDS = 10.0
_SCREENING = "aiida.workflows:hts.screening"
# What AiiDA says of a process that a person has paused: it is theirs to play.
_BY_HAND = "Paused through `verdi process pause`"
# What hts says of one that `hts stop` has paused.
STOPPED = "Stopped through `hts stop`"
# Processes that screenings of all campaigns wait for, whoever submitted them; see workflows.hull and .zero_point.
SHARED = ("reference/", "phonons/")


class StillPausedError(HtsError):
    """A process is paused again each time it is played."""


@dataclass(frozen=True)
class PausedProcess:
    """A process that waits to be played: its name for the user, and what AiiDA says of it."""

    pk: int
    name: str
    reason: str


def paused_processes(campaign: str) -> list[PausedProcess]:
    """Return the paused processes that a campaign waits for: its own, and references that it may share with others.

    Parameters
    ----------
    campaign : str
        Name of the campaign.

    Returns
    -------
    list of PausedProcess
        Oldest first. One query as long as nothing is paused.
    """
    query = orm.QueryBuilder().append(
        orm.ProcessNode,
        filters={
            "attributes.paused": True,
            "attributes.process_state": {"in": ["created", "running", "waiting"]},
        },
        # The status by itself: that of a node may be as old as an earlier look.
        project=["*", "attributes.process_status"],
        tag="process",
    )
    query.order_by({"process": [{"id": "asc"}]})
    found = []
    for node, status in query.all():
        above = [node, *_callers(node)]
        root = above[-1]
        own = root.process_type == _SCREENING and root.label.startswith(f"{campaign}/")
        if own or any(one.label.startswith(SHARED) for one in above):
            name = f"{node.process_label}<{node.pk}> of {root.label.rpartition('/')[0]}"
            found.append(PausedProcess(node.pk, name, status or "no reason given"))
    return found


class Resumer:
    """Plays the paused processes of a campaign again, each after growing waits; names those paused by hand.

    Parameters
    ----------
    campaign : str
        Name of the campaign.
    waits_seconds : sequence of float
        How long to wait before each attempt.
    """

    def __init__(self, campaign: str, waits_seconds: Sequence[float] = WAITS_SECONDS) -> None:
        self._campaign = campaign
        self._waits_seconds = tuple(waits_seconds)
        self._attempts: Counter[int] = Counter()
        self._due: dict[int, float] = {}

    def look(self) -> list[str]:
        """Look once, and play what is due; to be called again and again.

        Returns
        -------
        list of str
            A line for each process that was not known to be paused: what it is, why, and when it is played.

        Raises
        ------
        StillPausedError
            If one is paused after the last attempt.
        """
        found = paused_processes(self._campaign)
        now = time.monotonic()
        self._due = {process.pk: self._due[process.pk] for process in found if process.pk in self._due}
        lines = [self._plan(process, now) for process in found if process.pk not in self._due]
        for pk in [pk for pk, due in self._due.items() if due <= now]:
            # Whether it helped the next look will tell: then it is not paused, or counts as paused anew.
            del self._due[pk]
            ask([orm.load_node(pk)], control.play_processes, ANSWER_SECONDS)
        return lines

    def _plan(self, process: PausedProcess, now: float) -> str:
        if process.reason == _BY_HAND:
            self._due[process.pk] = math.inf
            return f"{process.name} is paused by hand; `verdi process play {process.pk}` lets it go on"
        if process.reason == STOPPED:
            self._due[process.pk] = math.inf
            return f"{process.name} was stopped; `hts resume {self._campaign}` lets it go on"
        attempts = self._attempts[process.pk]
        if attempts == len(self._waits_seconds):
            raise StillPausedError(
                f"{process.name} is still paused after {attempts} attempt{'s' * (attempts != 1)} to go on: "
                f"{process.reason}; mend that, type `verdi process play {process.pk}`, then the same `hts run` again"
            )
        wait_seconds = self._waits_seconds[attempts]
        self._attempts[process.pk] += 1
        self._due[process.pk] = now + wait_seconds
        return (
            f"{process.name} is paused: {process.reason}; it is played again in {wait_seconds:.0f} s "
            f"(attempt {attempts + 1} of {len(self._waits_seconds)})"
        )


def _callers(node: orm.ProcessNode) -> list[orm.ProcessNode]:
    callers = []
    while (caller := node.caller) is not None:
        callers.append(caller)
        node = caller
    return callers


def ask(nodes: list[Any], action: Callable[..., None], timeout_seconds: float) -> None:
    """Ask the daemon's workers to pause, play or kill processes; what has ended meanwhile is no concern.

    Parameters
    ----------
    nodes : list of ProcessNode
    action : callable
        One of `aiida.engine.processes.control`.
    timeout_seconds : float
        An answer that fails to come in time is not reported, as the processes tell.
    """
    level = control.LOGGER.level
    control.LOGGER.setLevel(logging.CRITICAL)
    try:
        action(nodes, timeout=timeout_seconds)
    finally:
        control.LOGGER.setLevel(level)
