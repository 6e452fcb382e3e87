"""Paused processes: which ones a campaign waits for, and playing them again with a real daemon."""

from typing import Any

import psutil
import pytest
from aiida import orm
from aiida.engine import submit
from aiida.engine.processes.control import kill_processes, pause_processes
from aiida.plugins import CalculationFactory

from hts.store import daemon, paused
from tests.waiting import wait_until

DEADLINE_SECONDS = 40.0
LABEL = "reference/Al/10GPa/0123456789ab"


def pause(node: orm.ProcessNode, reason: str = "Pausing after failed transport task: five times") -> None:
    node.pause()
    node.set_process_status(reason)


def test_own_and_shared_processes_are_found(graph: Any) -> None:
    own = graph.screening("AlH3", state="waiting")
    job = graph.job(graph.call(graph.call(own, "decompress"), "phonons"), "qpoint_3", "PhCalculation", state="waiting")
    other = graph.screening("MgH2", campaign="two", state="waiting")
    hull = graph.call(other, "hull", "HullWorkChain", state="waiting")
    reference = graph.call(hull, "reference_Al", state="waiting")
    reference.label = LABEL
    shared = graph.job(reference, state="waiting")
    foreign = graph.job(graph.call(other, "relax", state="waiting"), state="waiting")
    running = graph.job(graph.call(own, "hull", state="waiting"), state="waiting")
    killed = graph.job(graph.call(own, "relax", state="waiting"), state="killed")
    assert paused.paused_processes("one") == []
    for node in (own, job, shared, foreign, killed):
        pause(node)
    found = {process.pk: process for process in paused.paused_processes("one")}
    assert set(found) == {own.pk, job.pk, shared.pk}
    assert found[job.pk].name == f"PhCalculation<{job.pk}> of one/perovskite-AlH3"
    assert found[job.pk].reason == "Pausing after failed transport task: five times"
    assert found[shared.pk].name == f"PwCalculation<{shared.pk}> of two/perovskite-MgH2"
    assert {process.pk for process in paused.paused_processes("two")} == {shared.pk, foreign.pk}
    assert running.pk not in found
    # a name that another one begins with is another campaign
    assert {process.pk for process in paused.paused_processes("on")} == {shared.pk}


def test_what_somebody_else_has_played_is_forgotten(graph: Any) -> None:
    screening = graph.screening(state="waiting")
    resumer = paused.Resumer("one", waits_seconds=[300.0])
    assert resumer.look() == []
    pause(screening, "by hand")
    assert resumer.look() == [
        f"ScreeningWorkChain<{screening.pk}> of one/perovskite-AlH3 is paused: by hand; it is played again in 300 s "
        "(attempt 1 of 1)"
    ]
    assert resumer.look() == []
    screening.unpause()
    assert resumer.look() == []
    pause(screening, "again")
    with pytest.raises(
        paused.StillPausedError, match=f"after 1 attempt .*: again; .*`verdi process play {screening.pk}`"
    ):
        resumer.look()


def test_what_somebody_has_paused_is_named_and_left(graph: Any) -> None:
    screening = graph.screening(state="waiting")
    resumer = paused.Resumer("one", waits_seconds=[])
    pause(screening, "Paused through `verdi process pause`")
    [line] = resumer.look()
    assert line.endswith(f"is paused by hand; `verdi process play {screening.pk}` lets it go on")
    assert resumer.look() == []
    assert screening.paused


def slow_job() -> orm.CalcJobNode:
    """Submit a job of five minutes, labelled as a reference, and return it when it runs."""
    code = orm.InstalledCode(
        label="bash",
        computer=orm.load_computer("localhost"),
        filepath_executable="/bin/bash",
        default_calc_job_plugin="core.arithmetic.add",
    ).store()
    builder = CalculationFactory("core.arithmetic.add").get_builder()
    builder.code, builder.x, builder.y = code, orm.Int(1), orm.Int(2)
    builder.metadata.label = LABEL
    builder.metadata.options.sleep = 300
    builder.metadata.options.withmpi = False
    node = submit(builder)
    wait_until(lambda: node.get_job_id() is not None, "the job starts", DEADLINE_SECONDS)
    return node


@pytest.mark.engine
def test_a_paused_job_is_played_until_that_is_in_vain(hts_profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.start()
    node = slow_job()
    resumer = paused.Resumer("any", waits_seconds=[0.3, 0.6])
    for attempt in (1, 2):
        pause_processes([node], msg_text=f"out of order {attempt}", timeout=DEADLINE_SECONDS)
        wait_until(lambda: node.paused, "the job is paused", DEADLINE_SECONDS)
        capsys.readouterr()
        [line] = resumer.look()
        assert f"is paused: out of order {attempt}; it is played again in " in line
        assert node.paused
        wait_until(lambda: resumer.look() == [] and not node.paused, "the job is played", DEADLINE_SECONDS)
        assert capsys.readouterr().err == ""
        assert not node.is_terminated
    pause_processes([node], msg_text="out of order for good", timeout=DEADLINE_SECONDS)
    wait_until(lambda: node.paused, "the job is paused", DEADLINE_SECONDS)
    with pytest.raises(paused.StillPausedError, match="after 2 attempts to go on: out of order for good"):
        resumer.look()

    # While it is paused nobody looks whether its job still runs; that it does not is no obstacle to killing it.
    job = psutil.Process(int(node.get_job_id()))
    for process in [job, *job.children(recursive=True)]:
        process.kill()
    kill_processes([node], timeout=DEADLINE_SECONDS)
    wait_until(lambda: node.is_killed, "the process is killed", DEADLINE_SECONDS)
