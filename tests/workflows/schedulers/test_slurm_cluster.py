"""The scheduler `hts.slurm` with a real SLURM of one node."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiida.engine import CalcJob
from aiida.schedulers.datastructures import JobState
from aiida.schedulers.plugins.slurm import SlurmJobResource
from aiida.transports.plugins.local import LocalTransport

from tests.one_node_slurm import OneNodeSlurm
from tests.waiting import wait_until
from workflows.schedulers.slurm import ERROR_CANCELLED, SlurmScheduler

SCRIPT = "_aiidasubmit.sh"
DEADLINE_SECONDS = 60.0
# SLURM looks for jobs beyond their limit every 30 s, and its limits are whole minutes.
TIME_LIMIT_SECONDS = 150.0

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNodeSlurm]:
    with OneNodeSlurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def scheduler(cluster: OneNodeSlurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmScheduler]:
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    made = SlurmScheduler()
    with LocalTransport(use_login_shell=False) as transport:
        made.set_transport(transport)
        yield made


def submit(scheduler: SlurmScheduler, folder: Path, command: str, minutes: int = 5) -> str:
    """Write a job's script with the header that AiiDA writes, and submit it."""
    from aiida.schedulers.datastructures import JobTemplate

    template = JobTemplate()
    template.job_resource = SlurmJobResource(num_machines=1, num_mpiprocs_per_machine=1)
    template.max_wallclock_seconds = 60 * minutes
    template.sched_error_path, template.sched_output_path = "stderr", "stdout"
    header = scheduler._get_submit_script_header(template)
    (folder / SCRIPT).write_text(f"#!/bin/bash\n{header}\n{command}\n")
    job_id = scheduler.submit_job(str(folder), SCRIPT)
    assert isinstance(job_id, str)
    return job_id


def state(scheduler: SlurmScheduler, job_id: str) -> JobState | None:
    found = scheduler.get_jobs(jobs=[job_id], as_dict=True)
    return found[job_id].job_state if job_id in found else None


def reason(scheduler: SlurmScheduler, folder: Path, job_id: str) -> object:
    """Return what the scheduler says of a job that has ended, asked as AiiDA asks."""
    details = scheduler.get_detailed_job_info(job_id)
    return scheduler.parse_output(details, (folder / "stdout").read_text(), (folder / "stderr").read_text())


def test_a_job_runs_once_whatever_is_lost_of_its_submission(
    scheduler: SlurmScheduler, cluster: OneNodeSlurm, tmp_path: Path
) -> None:
    job_id = submit(scheduler, tmp_path, "echo ran >> runs")
    assert scheduler.submit_job(str(tmp_path), SCRIPT) == job_id
    wait_until(lambda: state(scheduler, job_id) in (None, JobState.DONE), "the job ends", DEADLINE_SECONDS)
    # as if the shell had been killed between sbatch and the keeping of its answer
    (tmp_path / ".hts_sbatch").unlink()
    assert scheduler.submit_job(str(tmp_path), SCRIPT) == job_id
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert cluster.ask("squeue", "--noheader", "--states=all", "--format=%i|%Z").count(str(tmp_path)) == 1
    assert reason(scheduler, tmp_path, job_id) is None


def test_a_cancelled_job_says_so(scheduler: SlurmScheduler, tmp_path: Path) -> None:
    job_id = submit(scheduler, tmp_path, "sleep 600")
    wait_until(lambda: state(scheduler, job_id) is JobState.RUNNING, "the job runs", DEADLINE_SECONDS)
    assert scheduler.kill_job(job_id)
    wait_until(lambda: state(scheduler, job_id) in (None, JobState.DONE), "the job ends", DEADLINE_SECONDS)
    assert reason(scheduler, tmp_path, job_id) == ERROR_CANCELLED


def test_a_job_beyond_its_time_says_so(scheduler: SlurmScheduler, tmp_path: Path) -> None:
    job_id = submit(scheduler, tmp_path, "sleep 600", minutes=1)
    wait_until(lambda: state(scheduler, job_id) in (None, JobState.DONE), "the job is ended", TIME_LIMIT_SECONDS)
    assert reason(scheduler, tmp_path, job_id) == CalcJob.exit_codes.ERROR_SCHEDULER_OUT_OF_WALLTIME
