"""The daemon with real workers and a real broker, killed in every way that a machine can think of."""

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from aiida.brokers.zeromq.queue import PersistentQueue
from aiida.engine import submit
from aiida.orm import CalcJobNode, InstalledCode, Int, Str, load_computer
from aiida.plugins import CalculationFactory

from hts.errors import UserError
from hts.store import daemon, profile
from tests.waiting import wait_until

DEADLINE_SECONDS = 90.0  # seconds on an idle machine; a busy one takes its time to start a daemon anew


def runs_file() -> Path:
    """Return the file to which each start of a job adds a line."""
    return Path(load_computer("localhost").get_workdir()).with_name("runs")


# A step that submits a job and in which the worker then dies, once: between submission and checkpoint.
DYING = """
import os, signal
from pathlib import Path
from aiida.engine import ToContext
from aiida.plugins import CalculationFactory
from workflows.replay import ReplaySafe

class Dying(ReplaySafe):
    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.inputs.dynamic = True
        spec.outline(cls.add_up, cls.ended)

    def add_up(self):
        options = {"withmpi": False, "resources": {"num_machines": 1}}
        inputs = {name: self.inputs[name] for name in ("code", "x", "y")}
        metadata = {"options": options, "call_link_label": "add"}
        node = self.submit(CalculationFactory("core.arithmetic.add"), metadata=metadata, **inputs)
        died = Path(self.inputs.died.value)
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return ToContext(add=node)

    def ended(self):
        pass
"""


def adding_code() -> InstalledCode:
    """Return bash as a code that adds, with a line for each start."""
    runs_file().parent.mkdir(parents=True, exist_ok=True)
    runs_file().unlink(missing_ok=True)
    return InstalledCode(
        label="bash",
        prepend_text=f"echo ran >> '{runs_file()}'",
        computer=load_computer("localhost"),
        filepath_executable="/bin/bash",
        default_calc_job_plugin="core.arithmetic.add",
    ).store()


def add(sleep_seconds: int) -> CalcJobNode:
    """Submit 1 + 2, computed by bash after some seconds."""
    builder = CalculationFactory("core.arithmetic.add").get_builder()
    builder.code, builder.x, builder.y = adding_code(), Int(1), Int(2)
    builder.metadata.options.sleep = sleep_seconds
    builder.metadata.options.withmpi = False
    return submit(builder)


def kill(kind: str) -> None:
    for process in daemon._processes(kind):
        process.kill()
        process.wait(10)


def assert_finishes_once(node: CalcJobNode) -> None:
    wait_until(lambda: node.is_terminated, f"{node} ends", DEADLINE_SECONDS)
    assert node.is_finished_ok, node.exit_status
    assert node.outputs.sum.value == 3
    assert runs_file().read_text() == "ran\n"


def count(kind: str) -> int:
    return len(list(daemon._processes(kind)))


@pytest.mark.engine
def test_start_and_stop_leave_nothing_behind(hts_profile: str) -> None:
    assert not daemon.is_running()
    assert not daemon.healthy()
    assert daemon.stop() is False
    assert daemon.ensure_running() is True
    assert daemon.healthy()
    assert daemon.ensure_running() is False
    with pytest.raises(daemon.DaemonError, match="running already"):
        daemon.start()
    with pytest.raises(daemon.DaemonError, match="stop it before"):
        daemon.repair()
    assert daemon.stop() is True
    assert [count(kind) for kind in daemon._KINDS] == [0, 0, 0]


@pytest.mark.engine
def test_a_killed_broker_is_noticed_and_mended(hts_profile: str) -> None:
    daemon.start()
    node = add(sleep_seconds=2)
    kill("broker")
    assert not daemon.healthy()
    # circus brings a broker back, to which no worker is connected: still not healthy
    wait_until(lambda: count("broker") == 1, "circus starts a broker", DEADLINE_SECONDS)
    assert not daemon.healthy()
    assert daemon.ensure_running() is True
    assert daemon.healthy()
    assert_finishes_once(node)
    # and this process talks to the new broker
    assert_finishes_once(add(sleep_seconds=0))


@pytest.mark.engine
def test_a_killed_worker_is_replaced_and_goes_on(hts_profile: str) -> None:
    daemon.start()
    node = add(sleep_seconds=2)
    kill("worker")
    assert daemon.ensure_running() is False
    assert_finishes_once(node)


@pytest.mark.engine
def test_a_worker_that_dies_within_a_step_submits_nothing_twice(
    hts_profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dying_chain.py").write_text(DYING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    chain = importlib.import_module("dying_chain").Dying
    daemon.start()
    died = tmp_path / "died"
    node = submit(chain, code=adding_code(), x=Int(1), y=Int(2), died=Str(str(died)))
    wait_until(lambda: node.is_terminated, "the chain ends", DEADLINE_SECONDS)
    assert died.exists()
    assert node.is_finished_ok, node.exception
    [job] = node.called
    assert job.outputs.sum.value == 3
    assert runs_file().read_text() == "ran\n"


@pytest.mark.engine
@pytest.mark.parametrize("killed", [("start-circus",), ("start-circus", "broker", "worker")])
def test_a_killed_supervisor_is_replaced_without_doubling_workers(hts_profile: str, killed: tuple[str, ...]) -> None:
    daemon.start()
    node = add(sleep_seconds=2)
    for kind in killed:
        kill(kind)
    assert not daemon.is_running()
    assert daemon.ensure_running() is True
    assert [count(kind) for kind in daemon._KINDS] == [1, 1, 1]
    assert_finishes_once(node)


@pytest.mark.engine
def test_no_worker_listens_to_a_dead_broker(hts_profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed broker leaves behind is gone before a worker can read it."""
    daemon.start()
    for kind in daemon._KINDS:
        kill(kind)
    files = daemon._broker_files()
    stale = files.sockets_file.read_text()
    start_daemon = daemon._Client.start_daemon

    def start(client: Any, **options: Any) -> Any:
        assert not any(file.exists() for file in (files.sockets_file, files.status_file, files.pid_file))
        return start_daemon(client, **options)

    monkeypatch.setattr(daemon._Client, "start_daemon", start)
    assert daemon.ensure_running() is True
    assert_finishes_once(add(sleep_seconds=0))
    assert files.sockets_file.read_text() != stale


@pytest.mark.engine
def test_repair_gives_each_process_one_task(hts_profile: str) -> None:
    daemon.start()
    node = add(sleep_seconds=30)
    wait_until(lambda: node.get_job_id() is not None, "the job starts", DEADLINE_SECONDS)
    daemon.stop()
    queue = PersistentQueue(daemon._queue_folder())
    [(_, task)] = queue.get_all_pending()
    queue.push("double", task)
    queue.push("of-nobody", {"body": {"args": {"pid": 10**6}}})
    assert daemon.repair() == daemon.Repair(revived=(), dropped=2)
    PersistentQueue(daemon._queue_folder()).clear()
    assert daemon.repair() == daemon.Repair(revived=(node.pk,), dropped=0)
    assert daemon.repair() == daemon.Repair()


def test_a_temporary_folder_too_long_for_sockets_is_refused(
    hts_profile: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * daemon.LONGEST_TMPDIR)))
    with pytest.raises(UserError, match="export TMPDIR=/tmp"):
        daemon.start()
    assert not daemon.is_running()


def test_a_profile_without_broker_is_refused(aiida_profile: Any) -> None:
    profile.load(aiida_profile.name)
    with pytest.raises(UserError, match="has no broker"):
        daemon.start()
