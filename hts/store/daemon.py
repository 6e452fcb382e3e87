"""The AiiDA daemon of the loaded profile: start, stop, notice what died, and mend what that left behind.

With the ZeroMQ broker, three kinds of processes belong to a profile: circus (`start-circus`, the supervisor), the
broker and the workers. Killing workers, or all of them, loses nothing: the tasks are files. Killing the broker alone
does: circus starts another one on a new socket, the workers stay connected to the old one, and what was submitted in
between is lost. Killing circus alone leaves the others running without a supervisor.
"""

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
from aiida.brokers.zeromq.queue import PersistentQueue
from aiida.brokers.zeromq.service import ZeromqBrokerService
from aiida.engine.daemon.client import DaemonClient, DaemonException
from aiida.engine.processes.control import get_active_processes
from aiida.manage import get_manager
from aiida.manage.configuration import Profile, get_config
from plumpy.process_comms import create_continue_body

from hts.errors import HtsError, UserError
from hts.file_lock import exclusive

ZEROMQ_BACKEND = "core.zeromq"
START_SECONDS = 30
STOP_SECONDS = 30
KILL_SECONDS = 5
RESPAWN_SECONDS = 5  # circus replaces a dead worker within two
POLL_SECONDS = 0.1
# A socket's path may have 107 characters (man 7 unix); AiiDA adds "/aiida_zeromq_abcdefgh/router.sock" to TMPDIR.
LONGEST_TMPDIR = 107 - len("/aiida_zeromq_abcdefgh/router.sock")


class DaemonError(HtsError):
    """The daemon does not start or does not end."""


@dataclasses.dataclass(frozen=True)
class Repair:
    """What a repair changed: processes that had lost their task, and tasks that had no process or were double."""

    revived: tuple[int, ...] = ()
    dropped: int = 0


class _Client(DaemonClient):
    """AiiDA's client, also where the virtual environment is not activated and `verdi` therefore not on PATH."""

    @property
    def _verdi_bin(self) -> str:
        return str(Path(sys.executable).with_name("verdi"))


def is_running() -> bool:
    """Return whether the daemon's supervisor lives; whether what it supervises works is `healthy`."""
    return any(True for _ in _processes("start-circus"))


def healthy() -> bool:
    """Return whether everything of the daemon works together.

    That is: supervisor, broker and at least one worker live, and no worker is older than the broker. An older worker
    is connected to a broker that is dead. Costs some milliseconds; neither the broker nor a worker is asked.

    Returns
    -------
    bool
        False also when the daemon is not running at all, and for the second in which circus replaces a dead worker.
    """
    if not is_running() or not any(True for _ in _processes("worker")):
        return False
    return not _has_zeromq() or _has_current_broker()


def start(workers: int = 1) -> Repair:
    """Start the daemon, after mending what a crash has left behind.

    Parameters
    ----------
    workers
        Number of worker processes, at least 1.

    Returns
    -------
    Repair
        What had to be mended; empty after a clean stop.

    Raises
    ------
    UserError
        If the profile has no broker, or the folder for temporary files has too long a name for sockets.
    DaemonError
        If the daemon is running already, or does not start within `daemon.timeout`.
    """
    if is_running():
        raise DaemonError("the daemon is running already; stop it first")
    _require_startable()
    _end_processes()
    _forget_broker()
    repaired = repair()
    _disconnect()
    try:
        _client().start_daemon(number_workers=workers)
    except DaemonException as error:
        raise DaemonError(f"the daemon did not start: {' '.join(str(error).split())}; see {log_file()}") from error
    if not _becomes_healthy(START_SECONDS):
        raise DaemonError(f"no worker and broker within {START_SECONDS} s of the daemon's start; see {log_file()}")
    return repaired


def stop() -> bool:
    """Stop the daemon with its workers and broker, also those that a crash has orphaned.

    Jobs that run go on, and their processes continue when the daemon is started again.

    Returns
    -------
    bool
        True if something was stopped, False if nothing was running.

    Raises
    ------
    DaemonError
        If a process does not even end when killed.
    """
    had_processes = any(True for kind in _KINDS for _ in _processes(kind))
    if is_running():
        # If it does not answer, what follows ends it by signals.
        with contextlib.suppress(DaemonException):
            _client().stop_daemon(wait=True, timeout=STOP_SECONDS)
    _end_processes()
    _disconnect()
    return had_processes


def restart(workers: int = 1) -> Repair:
    """Stop the daemon, mend what was left behind, and start it: the remedy when `healthy` says no.

    Raises
    ------
    UserError, DaemonError
        As `start` and `stop`.
    """
    stop()
    return start(workers)


def ensure_running(workers: int = 1) -> bool:
    """Start the daemon unless it runs and is healthy, or is about to be again; two at once start one.

    Returns
    -------
    bool
        True if it had to be started or restarted.

    Raises
    ------
    UserError, DaemonError
        As `start` and `stop`.
    """
    if healthy():
        return False
    # Without the lock the second one would take the half-started daemon of the first for a sick one, and end it.
    with exclusive(Path(get_config().dirpath) / "access" / f"hts-daemon-{_profile().name}.lock"):
        if healthy() or (is_running() and _becomes_healthy(RESPAWN_SECONDS)):
            return False
        restart(workers)
    return True


def repair() -> Repair:
    """Give every unfinished process exactly one task, as `verdi process repair` does; the daemon must be stopped.

    Beyond what verdi does, the second of two tasks of one process is dropped, so that no process runs twice.

    Returns
    -------
    Repair
        Nothing for other brokers than ZeroMQ: theirs outlive the daemon and keep their tasks.

    Raises
    ------
    DaemonError
        If a daemon process is still running.
    """
    if any(True for kind in _KINDS for _ in _processes(kind)):
        raise DaemonError("the daemon is running; stop it before its tasks are repaired")
    if not _has_zeromq():
        return Repair()
    queue = PersistentQueue(_queue_folder())
    active = set(get_active_processes(project="id"))
    with_task: set[int] = set()
    dropped = 0
    for task_id, task in queue.get_all_pending():
        pid = task.get("body", {}).get("args", {}).get("pid")
        if pid in active and pid not in with_task:
            with_task.add(pid)
        else:
            queue.remove_pending(task_id)
            dropped += 1
    revived = tuple(sorted(active - with_task))
    for pid in revived:
        queue.push(uuid.uuid4().hex, {"body": create_continue_body(pid=pid, nowait=True), "no_reply": True})
    return Repair(revived, dropped)


def log_file() -> Path:
    """Return the path of the workers' log."""
    return Path(_client().daemon_log_file)


_KINDS = ("start-circus", "worker", "broker")


def _processes(kind: str) -> Iterator[psutil.Process]:
    """Yield the living processes of one kind that belong to the loaded profile, by command line and environment."""
    profile = _profile()
    root = get_config().dirpath
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if "daemon" not in words or "-p" not in words or process.status() == psutil.STATUS_ZOMBIE:
                continue
            after_daemon = words[words.index("daemon") + 1 :][:1]
            if after_daemon != [kind] or words[words.index("-p") + 1] != profile.name:
                continue
            if process.environ().get("AIIDA_PATH") == root:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _orphaned_statistics() -> Iterator[psutil.Process]:
    """Yield circus's own helper processes whose circus was killed: they serve nobody and would poll for ever."""
    root = get_config().dirpath
    for process in psutil.process_iter():
        try:
            is_helper = any("from circus import stats" in word for word in process.cmdline())
            if is_helper and process.ppid() == 1 and process.environ().get("AIIDA_PATH") == root:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _becomes_healthy(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not healthy():
        outlived = _has_zeromq() and any(True for _ in _processes("broker")) and not _has_current_broker()
        if outlived or time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _has_current_broker() -> bool:
    """Return whether there is one broker and no worker is older, that is, connected to another one that has died."""
    started = [broker.create_time() for broker in _processes("broker")]
    return len(started) == 1 and all(started[0] <= worker.create_time() for worker in _processes("worker"))


def _disconnect() -> None:
    """Drop this process's connections: they lead to the broker of before."""
    manager = get_manager()
    manager.reset_broker()
    manager.reset_runner()


def _end_processes() -> None:
    """End what is left, the supervisor first so that it starts nothing anew: by request, then by force."""
    for kind in _KINDS:
        left = list(_processes(kind))
        for process in left:
            _signal(process, force=False)
        _, left = psutil.wait_procs(left, timeout=KILL_SECONDS)
        for process in left:
            _signal(process, force=True)
        _, left = psutil.wait_procs(left, timeout=KILL_SECONDS)
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise DaemonError(f"daemon processes {pids} do not end when killed; end them by hand")
    for process in list(_orphaned_statistics()):
        _signal(process, force=True)


def _signal(process: psutil.Process, *, force: bool) -> None:
    try:
        if force:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def _require_startable() -> None:
    profile = _profile()
    if profile.process_control_backend is None:
        raise UserError(f"profile {profile.name!r} has no broker, one was wanted; run `hts setup --profile hts`")
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > LONGEST_TMPDIR:
        raise UserError(
            f"the folder for temporary files, {folder}, has more than {LONGEST_TMPDIR} characters, too long for the "
            "broker's sockets; type `export TMPDIR=/tmp`"
        )


def _profile() -> Profile:
    profile = get_manager().get_profile()
    if profile is None:
        raise DaemonError("no profile is loaded; call hts.store.profile.load first")
    return profile


def _client() -> _Client:
    return _Client(_profile())


def _has_zeromq() -> bool:
    return bool(_profile().process_control_backend == ZEROMQ_BACKEND)


def _queue_folder() -> Path:
    return Path(_broker_files().storage_path) / "tasks"


def _broker_files() -> ZeromqBrokerService.FilepathLayout:
    return ZeromqBrokerService.FilepathLayout(get_config().filepaths(_profile())["broker_service"]["dir"])


def _forget_broker() -> None:
    """Remove what a killed broker says of itself.

    A worker that starts faster than the new broker would read the old one's socket there, connect to nothing, and wait
    for ever while it looks alive.
    """
    if _has_zeromq():
        files = _broker_files()
        for file in (files.sockets_file, files.status_file, files.pid_file):
            Path(file).unlink(missing_ok=True)
