"""Stop a campaign without losing anything, and let it go on: its processes are paused and played.

What is paused keeps its place: a job that runs on its machine runs to its end there, and is fetched when its process is
played again. References that other campaigns may wait for are not paused; they end by themselves.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiida import orm
from aiida.common.exceptions import InternalError, NotExistent
from aiida.engine.processes import control

from hts.errors import UserError
from hts.store import daemon
from hts.store.launch import active_screenings, campaign_group
from hts.store.paused import SHARED, STOPPED, ask, paused_processes

# Extra of a campaign's group.
_STOPPED = "stopped"
# A worker answers between two steps of its processes; one that is busy with many of them takes its time.
_ANSWER_SECONDS, _PAUSE_SECONDS, _POLL_SECONDS = 30.0, 120.0, 0.2


@dataclass(frozen=True)
class Resumed:
    """What a resumption did.

    Attributes
    ----------
    played : tuple of int
        Processes that go on.
    unreachable : dict of str to str
        Computers that do not answer, and why; what waits for them was left paused.
    """

    played: tuple[int, ...]
    unreachable: dict[str, str]


def stop(name: str, *, kill: bool = False) -> tuple[int, ...]:
    """Keep a campaign from going on, until `resume`.

    Parameters
    ----------
    name : str
        Of the campaign.
    kill : bool
        End its screenings instead, with the jobs that run: what those have computed so far is lost, and the next
        submission begins these candidates anew.

    Returns
    -------
    tuple of int
        The processes that were paused or killed.

    Raises
    ------
    UserError
        If there is no such campaign.
    DaemonError
        If the daemon, which alone can reach processes, does not start, or a process does not answer.
    """
    group = campaign_group(name)
    group.base.extras.set(_STOPPED, True)
    if not kill:
        return _pause_all(name)
    chosen: list[Any] = active_screenings(name)
    if chosen:
        daemon.ensure_running()
        ask(chosen, _kill, _ANSWER_SECONDS)
    return tuple(node.pk for node in chosen)


def resume(name: str) -> Resumed:
    """Let a campaign go on: what was stopped, and what AiiDA has paused because a step failed five times in a row.

    Parameters
    ----------
    name : str
        Of the campaign.

    Returns
    -------
    Resumed

    Raises
    ------
    UserError
        If there is no such campaign.
    DaemonError
        If the daemon does not start.
    """
    group = campaign_group(name)
    if is_stopped(name):
        group.base.extras.delete(_STOPPED)
    found: list[Any] = [orm.load_node(process.pk) for process in paused_processes(name)]
    computers = {node.computer.label: node.computer for node in found if node.computer is not None}
    unreachable = {label: why for label, computer in computers.items() if (why := _silence(computer)) is not None}
    chosen = [node for node in found if node.computer is None or node.computer.label not in unreachable]
    if chosen:
        daemon.ensure_running()
        ask(chosen, control.play_processes, _ANSWER_SECONDS)
    return Resumed(tuple(node.pk for node in chosen), unreachable)


def is_stopped(name: str) -> bool:
    """Return whether a campaign was stopped and not resumed; False for one that has never been submitted."""
    try:
        return bool(campaign_group(name).base.extras.get(_STOPPED, False))
    except UserError:
        return False


def require_not_stopped(name: str) -> None:
    """Refuse to submit more of a campaign that was stopped.

    Raises
    ------
    UserError
        With what lets it go on.
    """
    if is_stopped(name):
        raise UserError(f"campaign {name} was stopped; `hts resume {name}` lets it go on")


def _pause_all(name: str) -> tuple[int, ...]:
    """Pause until nothing is left that goes on: while some are asked, others may call children."""
    paused: set[int] = set()
    deadline = time.monotonic() + _PAUSE_SECONDS
    while going := [node for node in _with_descendants(active_screenings(name)) if not node.paused]:
        if time.monotonic() > deadline:
            pks = ", ".join(str(node.pk) for node in going)
            raise daemon.DaemonError(
                f"processes {pks} do not pause; see {daemon.log_file()}, type `hts stop {name}` again"
            )
        daemon.ensure_running()
        ask(going, _pause, _ANSWER_SECONDS)
        paused |= {node.pk for node in going}
        time.sleep(_POLL_SECONDS)  # one that no worker has taken up yet can't answer
    # What has ended instead needs no pause.
    return tuple(pk for pk in sorted(paused) if not orm.load_node(pk).is_terminated)


def _with_descendants(screenings: Sequence[orm.ProcessNode]) -> list[Any]:
    """Return unfinished screenings and what they have called, callers first, but for what other campaigns may share."""
    found = []
    for node in screenings:
        if not node.is_terminated and not node.label.startswith(SHARED):
            found += [node, *_with_descendants(node.called)]
    return found


def _pause(nodes: list[Any], timeout: float) -> None:
    control.pause_processes(nodes, msg_text=STOPPED, timeout=timeout)


def _kill(nodes: list[Any], timeout: float) -> None:
    control.kill_processes(nodes, msg_text=STOPPED, timeout=timeout)


def _silence(computer: orm.Computer) -> str | None:
    """Return why a computer cannot be reached, None if it can."""
    try:
        with computer.get_transport():
            return None
    except NotExistent:
        return "it is not configured for this user"
    except (OSError, RuntimeError, ValueError, InternalError) as error:
        return str(error) or type(error).__name__
