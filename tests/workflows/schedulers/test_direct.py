"""The scheduler `hts.direct` with real processes: jobs that end by themselves, are ended, or whose number is reused."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import psutil
import pytest
from aiida.engine import ExitCode
from aiida.plugins import SchedulerFactory
from aiida.schedulers.datastructures import JobState
from aiida.transports.plugins.local import LocalTransport

from workflows.schedulers import direct

DEADLINE_SECONDS = 20.0


@pytest.fixture
def scheduler() -> Iterator[direct.DirectScheduler]:
    """Return the scheduler as AiiDA loads it, with an open transport to this machine."""
    made = SchedulerFactory("hts.direct")()
    assert isinstance(made, direct.DirectScheduler)
    with LocalTransport(use_login_shell=False) as transport:
        made.set_transport(transport)
        yield made


def submit(scheduler: direct.DirectScheduler, folder: Path, script: str) -> str:
    """Start a job of its own, in a folder that may have had another one."""
    (folder / direct._NUMBER).unlink(missing_ok=True)
    (folder / direct.SUBMIT_SCRIPT).write_text(script)
    job_id = scheduler.submit_job(str(folder), direct.SUBMIT_SCRIPT)
    assert isinstance(job_id, str)
    return job_id


def state(scheduler: direct.DirectScheduler, job_id: str) -> JobState:
    return scheduler.get_jobs(jobs=[job_id], as_dict=True)[job_id].job_state


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        Event().wait(0.02)


def read_pids(file: Path, number: int) -> list[int]:
    """Return the process ids that a job writes down, once all are there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not file.is_file() or len(file.read_text().splitlines()) < number:
        assert time.monotonic() < deadline, f"{file} is not written"
        Event().wait(0.02)
    return [int(line) for line in file.read_text().splitlines()]


def test_a_job_that_has_just_ended_counts_as_killed(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    job_id = submit(scheduler, tmp_path, "true\n")
    wait_until_gone(int(job_id))
    assert scheduler.kill_job(job_id) is True
    assert state(scheduler, job_id) is JobState.DONE


def test_a_job_may_end_while_it_is_being_killed(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    """Jobs and children of some milliseconds: whichever moment of their lives is met, the kill succeeds."""
    for number in range(20):
        job_id = submit(scheduler, tmp_path, f"sleep 0.0{number % 4} | sleep 0.0{number % 3}\n")
        assert scheduler.kill_job(job_id) is True
        wait_until_gone(int(job_id))


def test_a_running_job_ends_with_its_children(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    """Also with those in other sessions and process groups, as mpirun makes them."""
    script = "setsid bash -c 'echo $$ >> pids; sleep 300 & echo $! >> pids; wait' &\nwait\n"
    job_id = submit(scheduler, tmp_path, script)
    pids = read_pids(tmp_path / "pids", 2)
    assert state(scheduler, job_id) is JobState.RUNNING
    assert [info.job_id for info in scheduler.get_jobs(jobs=[job_id])] == [job_id]
    assert scheduler.kill_job(job_id) is True
    for pid in (int(job_id), *pids):
        wait_until_gone(pid)
    assert state(scheduler, job_id) is JobState.DONE


@pytest.mark.parametrize(
    "command",
    [["sleep", "300"], ["bash", "-c", "read -r line"], ["tail", "-f", "/dev/null", direct.SUBMIT_SCRIPT]],
    ids=["program", "shell", "reader of the script"],
)
def test_another_program_with_the_number_of_a_job_is_left_alone(
    scheduler: direct.DirectScheduler, command: list[str]
) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        assert scheduler.kill_job(str(other.pid)) is True
        assert state(scheduler, str(other.pid)) is JobState.DONE
        Event().wait(0.2)
        assert other.poll() is None
        other.kill()


def test_a_job_is_known_from_its_first_moment(scheduler: direct.DirectScheduler) -> None:
    """Between fork and exec it still has the command line of the shell that starts it."""
    command = scheduler._get_submit_command(f"'{direct.SUBMIT_SCRIPT}'")
    with subprocess.Popen(["bash", "-c", f"sleep 300; {command}"]) as shell:
        assert state(scheduler, str(shell.pid)) is JobState.RUNNING
        scheduler.kill_job(str(shell.pid))
        assert shell.wait(DEADLINE_SECONDS) != 0


def test_a_job_that_was_just_started_runs(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    for _ in range(20):
        job_id = submit(scheduler, tmp_path, "sleep 300\n")
        deadline = time.monotonic() + 0.1
        while time.monotonic() < deadline:
            assert direct._is_job(job_id)
        assert state(scheduler, job_id) is JobState.RUNNING
        assert scheduler.kill_job(job_id) is True


def test_without_ids_everything_is_listed_and_only_jobs_run(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    job_id = submit(scheduler, tmp_path, "sleep 300\n")
    with subprocess.Popen(["sleep", "300"]) as other:
        found = scheduler.get_jobs(as_dict=True)
        assert found[job_id].job_state is JobState.RUNNING
        assert found[str(other.pid)].job_state is JobState.DONE
        other.kill()
    assert scheduler.kill_job(job_id) is True


def test_a_script_of_another_name_is_refused(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("touch started\n")
    ended = scheduler.submit_job(str(tmp_path), "run.sh")
    assert isinstance(ended, ExitCode)
    assert "is called run.sh, _aiidasubmit.sh was wanted" in str(ended.message)
    assert not (tmp_path / "started").exists()


def test_a_submission_that_is_repeated_starts_one_job(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    job_id = submit(scheduler, tmp_path, "echo $$ >> pids; sleep 300\n")
    assert [scheduler.submit_job(str(tmp_path), direct.SUBMIT_SCRIPT) for _ in range(3)] == [job_id] * 3
    assert read_pids(tmp_path / "pids", 1) == [int(job_id)]
    assert scheduler.kill_job(job_id) is True
    wait_until_gone(int(job_id))
    # also one that has ended: its process knows what became of it
    assert scheduler.submit_job(str(tmp_path), direct.SUBMIT_SCRIPT) == job_id
    assert read_pids(tmp_path / "pids", 1) == [int(job_id)]


def test_whenever_a_submission_is_killed_the_job_starts_once(scheduler: direct.DirectScheduler, tmp_path: Path) -> None:
    """The shell of the submission, after 0 to 11 ms; what it has started by then goes on."""
    (tmp_path / direct.SUBMIT_SCRIPT).write_text("echo $$ >> pids; sleep 0.2\n")
    command = scheduler._get_submit_command(direct.SUBMIT_SCRIPT)
    for moment in range(12):
        folder = tmp_path / str(moment)
        folder.mkdir()
        (folder / direct.SUBMIT_SCRIPT).write_text((tmp_path / direct.SUBMIT_SCRIPT).read_text())
        with subprocess.Popen(["bash", "-c", command], cwd=folder, stdout=subprocess.DEVNULL) as shell:
            Event().wait(0.001 * moment)
            shell.kill()
        job_id = scheduler.submit_job(str(folder), direct.SUBMIT_SCRIPT)
        assert isinstance(job_id, str)
        wait_until_gone(int(job_id))
        assert read_pids(folder / "pids", 1) == [int(job_id)]
