"""Stop a campaign without losing anything, and let it go on: its processes are paused and played.

What is paused keeps its place: a job that runs on its machine runs to its end there, and is fetched when its process is
played again. References that other campaigns may wait for are not paused; they end by themselves.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiida import orm
from aiida.common.exceptions import InternalError, NotExistent
from aiida.engine.processes import control

from hts.errors import UserError
from hts.store import daemon
from hts.store.launch import active_screenings, campaign_group
from hts.store.paused import SHARED, STOPPED, paused_processes

# Extra of a campaign's group.
_STOPPED = "stopped"
# A worker answers between two steps of its processes; one that is busy with many of them takes its time.
_ANSWER_SECONDS = 30.0


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
        If the daemon, which alone can reach processes, does not start.
    """
    group = campaign_group(name)
    group.base.extras.set(_STOPPED, True)
    active = active_screenings(name)
    chosen: list[Any] = active if kill else [one for one in _with_descendants(active) if not one.paused]
    if chosen:
        daemon.ensure_running()
        _ask(chosen, _kill if kill else _pause)
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
        _ask(chosen, control.play_processes)
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


def _ask(nodes: list[Any], action: Callable[..., None]) -> None:
    """Ask the daemon's workers; what has ended meanwhile is no concern."""
    level = control.LOGGER.level
    control.LOGGER.setLevel(logging.CRITICAL)
    try:
        action(nodes, timeout=_ANSWER_SECONDS)
    finally:
        control.LOGGER.setLevel(level)


def _silence(computer: orm.Computer) -> str | None:
    """Return why a computer cannot be reached, None if it can."""
    try:
        with computer.get_transport():
            return None
    except NotExistent:
        return "it is not configured for this user"
    except (OSError, RuntimeError, ValueError, InternalError) as error:
        return str(error) or type(error).__name__
