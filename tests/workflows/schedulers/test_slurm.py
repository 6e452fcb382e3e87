"""The scheduler `hts.slurm`: one sbatch for a job, whatever happens in between, and why a job has ended."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiida.engine import CalcJob, ExitCode
from aiida.plugins import SchedulerFactory
from aiida.schedulers.scheduler import SchedulerError
from aiida.transports.plugins.local import LocalTransport

from workflows.schedulers.slurm import ERROR_CANCELLED, SlurmScheduler

SCRIPT = "_aiidasubmit.sh"
MEMORY = CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_MEMORY
TIME = CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_WALLTIME
NODE = CalcJob.exit_codes.ERROR_SCHEDULER_NODE_FAILURE
HEAD = "JobID|State|ExitCode|Elapsed"
# sbatch of ten lines: numbers its jobs, writes number and folder to a queue, and dies or waits where it is told to.
SBATCH = """#!/bin/bash
cd "$(dirname "$0")"; number=$(( $(cat number 2>/dev/null || echo 100) + 1 )); here="$OLDPWD"
[ -e refuse ] && { cat refuse >&2; exit 1; }
[ -e slow ] && sleep 0.5
echo $number > number; echo "$number|$here" >> queue
[ -e die ] && { rm die; exit 1; }
[ -e vanish ] && { rm vanish; kill -9 $PPID; exit 1; }
echo "Submitted batch job $number"
"""
SQUEUE = """#!/bin/bash
cd "$(dirname "$0")"; [ -e down ] && { echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1; }
cat queue 2>/dev/null || true
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a cluster of shell scripts, which is the first of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in (("sbatch", SBATCH), ("squeue", SQUEUE)):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Return the folder of a job, with a name that a shell would take apart."""
    folder = tmp_path / "a job's folder"
    folder.mkdir()
    (folder / SCRIPT).write_text("#!/bin/bash\ntrue\n")
    return folder


@pytest.fixture
def scheduler() -> Iterator[SlurmScheduler]:
    """Return the scheduler as AiiDA loads it, with an open transport to this machine."""
    made = SchedulerFactory("hts.slurm")()
    assert isinstance(made, SlurmScheduler)
    with LocalTransport(use_login_shell=False) as transport:
        made.set_transport(transport)
        yield made


def queued(cluster: Path) -> list[str]:
    return (cluster / "queue").read_text().splitlines() if (cluster / "queue").exists() else []


def test_a_submission_that_is_repeated_asks_sbatch_once(scheduler: SlurmScheduler, cluster: Path, job: Path) -> None:
    assert [scheduler.submit_job(str(job), SCRIPT) for _ in range(3)] == ["101"] * 3
    assert queued(cluster) == [f"101|{job}"]


def test_each_job_has_a_number_of_its_own(scheduler: SlurmScheduler, cluster: Path, job: Path) -> None:
    other = job.with_name("another")
    other.mkdir()
    assert [scheduler.submit_job(str(folder), SCRIPT) for folder in (job, other, job)] == ["101", "102", "101"]
    assert len(queued(cluster)) == 2


@pytest.mark.parametrize("fate", ["die", "vanish"])
def test_a_job_that_was_accepted_without_an_answer_is_found(
    scheduler: SlurmScheduler, cluster: Path, job: Path, fate: str
) -> None:
    """As when sbatch times out on its controller, or the shell around it is killed: the job is there all the same."""
    (cluster / fate).touch()
    (cluster / "queue").write_text(f"99|{job.with_name('another')}\n")
    with pytest.raises(SchedulerError):
        scheduler.submit_job(str(job), SCRIPT)
    assert queued(cluster)[1:] == [f"101|{job}"]
    assert scheduler.submit_job(str(job), SCRIPT) == "101"
    assert len(queued(cluster)) == 2


def test_without_a_queue_to_look_at_nothing_is_submitted_again(
    scheduler: SlurmScheduler, cluster: Path, job: Path
) -> None:
    (cluster / "die").touch()
    (cluster / "down").touch()
    for _ in range(2):
        with pytest.raises(SchedulerError):
            scheduler.submit_job(str(job), SCRIPT)
    assert queued(cluster) == [f"101|{job}"]
    (cluster / "down").unlink()
    assert scheduler.submit_job(str(job), SCRIPT) == "101"


def test_what_was_refused_is_submitted_later(scheduler: SlurmScheduler, cluster: Path, job: Path) -> None:
    (cluster / "refuse").write_text("sbatch: error: QOSMaxSubmitJobPerUserLimit\n")
    with pytest.raises(SchedulerError, match="QOSMaxSubmitJobPerUserLimit"):
        scheduler.submit_job(str(job), SCRIPT)
    (cluster / "refuse").unlink()
    assert scheduler.submit_job(str(job), SCRIPT) == "101"


def test_an_invalid_account_is_told_apart(scheduler: SlurmScheduler, cluster: Path, job: Path) -> None:
    (cluster / "refuse").write_text("sbatch: error: Invalid account or account/partition combination specified\n")
    assert scheduler.submit_job(str(job), SCRIPT) == CalcJob.exit_codes.ERROR_SCHEDULER_INVALID_ACCOUNT


def test_two_at_once_submit_one_job(scheduler: SlurmScheduler, cluster: Path, job: Path) -> None:
    """As when a killed worker leaves its sbatch behind and the next one comes before that has ended."""
    (cluster / "slow").touch()
    command = scheduler._get_submit_command(SCRIPT)
    both = [subprocess.Popen(["bash", "-c", command], cwd=job, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.communicate(timeout=60)[0] for one in both] == ["Submitted batch job 101\n"] * 2
    assert queued(cluster) == [f"101|{job}"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("COMPLETED", None),
        ("FAILED", None),
        ("", None),
        ("TIMEOUT", TIME),
        ("DEADLINE", TIME),
        ("OUT_OF_MEMORY", MEMORY),
        ("OUT_OF_ME+", None),
        ("NODE_FAIL", NODE),
        ("BOOT_FAIL", NODE),
        ("PREEMPTED", NODE),
        ("CANCELLED", ERROR_CANCELLED),
        ("CANCELLED by 1000", ERROR_CANCELLED),
        ("CANCELLED+", ERROR_CANCELLED),
    ],
)
def test_the_state_of_the_accounting(scheduler: SlurmScheduler, state: str, expected: ExitCode | None) -> None:
    table = f"{HEAD}\n7|{state}|0:0|00:10:00\n7.batch|COMPLETED|0:0|00:10:00\n"
    assert scheduler.parse_output({"retval": 0, "stdout": table, "stderr": ""}, "", "") == expected


def test_a_step_without_memory_fails_a_job(scheduler: SlurmScheduler) -> None:
    table = f"{HEAD}\n7|FAILED|1:0|00:10:00\n7.batch|OUT_OF_MEMORY|0:125|00:10:00\n"
    assert scheduler.parse_output({"retval": 0, "stdout": table, "stderr": ""}, "", "") == MEMORY


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-28T07:00:00 DUE TO TIME LIMIT ***", TIME),
        ("slurmstepd: error: *** JOB 7 ON node1 CANCELLED AT 2026-11-28T07:00:00 DUE TO PREEMPTION ***", NODE),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-28T07:00:00 DUE TO NODE FAILURE, SEE SLURM", NODE),
        ("slurmstepd: error: *** STEP 7.0 ON node1 CANCELLED AT 2026-11-28T07:00:00 ***", ERROR_CANCELLED),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch. Some of your processes may", MEMORY),
        ("slurmstepd: error: Exceeded job memory limit at some point.", MEMORY),
        ("Note: The following floating-point exceptions are signalling: IEEE_DENORMAL", None),
    ],
)
@pytest.mark.parametrize("accounting", ["", "Slurm accounting storage is disabled\n", f"{HEAD}\n", f"{HEAD}\n7|TIME\n"])
def test_without_accounting_the_last_words_of_the_job_tell(
    scheduler: SlurmScheduler, line: str, expected: ExitCode | None, accounting: str
) -> None:
    """On whatever line they stand; core.slurm looks at the first only, and not at all where sacct has no table."""
    stderr = f"mpirun: some warning\n{line}\n"
    assert scheduler.parse_output({"retval": 1, "stdout": accounting, "stderr": ""}, "", stderr) == expected
    assert scheduler.parse_output(None, None, stderr) == expected
    assert scheduler.parse_output(None, stderr, "") == expected


def test_no_words_no_reason(scheduler: SlurmScheduler) -> None:
    assert scheduler.parse_output(None, None, None) is None
