"""The slots, with real bash processes and the real kernel locks."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from hts.job_slots import slot_prepend_text
from hts.job_times import FINISHED_LINE, parse_job_times, stamped

DEADLINE_SECONDS = 20.0


@contextlib.contextmanager
def jobs(script: str, outputs: list[Path]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start one bash a job, each in its own session as AiiDA does, and end what is left."""
    with contextlib.ExitStack() as stack:
        started = []
        for output in outputs:
            handle = stack.enter_context(output.open("wb"))
            started.append(subprocess.Popen(["bash", "-c", script], stdout=handle, start_new_session=True))
        try:
            yield started
        finally:
            for job in started:
                if job.poll() is None:
                    os.killpg(job.pid, signal.SIGKILL)
                job.wait()


def wait_for(output: Path, text: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while text not in output.read_text():
        assert time.monotonic() < deadline, f"{output.name} has no {text!r} after {DEADLINE_SECONDS} s"
        Event().wait(0.02)


@pytest.mark.parametrize("max_jobs", [1, 2])
def test_no_more_than_max_jobs_run_at_once(tmp_path: Path, max_jobs: int) -> None:
    folder = tmp_path / "a folder with 'quotes'"
    script = f"{stamped(slot_prepend_text(max_jobs, str(folder)))}\nsleep 0.3\n{FINISHED_LINE}"
    outputs = [tmp_path / f"{index}.out" for index in range(5)]
    with jobs(script, outputs) as started:
        assert [job.wait(DEADLINE_SECONDS) for job in started] == [0] * len(started)
    intervals = [parse_job_times(output.read_text()) for output in outputs]
    events = []
    for times in intervals:
        assert times is not None
        assert times[1] is not None
        events += [(times[0], 1), (times[1], -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    # All slots were used and never more: the stamps lie inside the time in which a slot is held.
    assert most == max_jobs


def test_kill_9_of_a_whole_job_frees_its_slot(tmp_path: Path) -> None:
    script = f"{stamped(slot_prepend_text(1, str(tmp_path / 'slots')))}\nsleep 60"
    outputs = [tmp_path / "first.out", tmp_path / "second.out"]
    with jobs(script, outputs[:1]) as first:
        wait_for(outputs[0], "hts started")
        with jobs(script, outputs[1:]):
            os.killpg(first[0].pid, signal.SIGKILL)
            wait_for(outputs[1], "hts started")


def test_a_killed_waiter_does_not_block_the_queue(tmp_path: Path) -> None:
    hold = f"{stamped(slot_prepend_text(1, str(tmp_path / 'slots')))}\nread -t 60 <> <(:)"
    outputs = [tmp_path / f"{index}.out" for index in range(3)]
    with jobs(hold, outputs[:1]) as first:
        wait_for(outputs[0], "hts started")
        with jobs(hold, outputs[1:2]) as second, jobs(hold, outputs[2:]):
            os.killpg(second[0].pid, signal.SIGKILL)
            second[0].wait()
            assert "hts started" not in outputs[2].read_text()
            os.killpg(first[0].pid, signal.SIGKILL)
            wait_for(outputs[2], "hts started")


def test_a_child_that_survives_its_shell_keeps_the_slot(tmp_path: Path) -> None:
    """If only the shell is killed, the code goes on computing: its cores are not free, and neither is the slot."""
    folder = tmp_path / "slots"
    script = f"{stamped(slot_prepend_text(1, str(folder)))}\nsleep 60 & wait"
    output = tmp_path / "first.out"
    with jobs(script, [output]) as first:
        wait_for(output, "hts started")
        first[0].kill()
        first[0].wait()
        taken = subprocess.run(["flock", "-n", str(folder / "slot-1.lock"), "true"], check=False).returncode
        os.killpg(first[0].pid, signal.SIGKILL)
    assert taken == 1
    freed = subprocess.run(["flock", "-w", "10", str(folder / "slot-1.lock"), "true"], check=False).returncode
    assert freed == 0


def test_a_folder_that_cannot_be_made_ends_the_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    script = f"{slot_prepend_text(1, str(tmp_path / 'file' / 'slots'))}\necho ran"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 73
    assert ended.stdout == ""
    assert "hts: no job slots" in ended.stderr


@pytest.mark.parametrize(("max_jobs", "folder"), [(0, "/tmp/x"), (1, "relative"), (1, "/tmp/a\nb")])  # noqa: S108
def test_bad_arguments_are_refused(max_jobs: int, folder: str) -> None:
    with pytest.raises(ValueError, match="was wanted"):
        slot_prepend_text(max_jobs, folder)
