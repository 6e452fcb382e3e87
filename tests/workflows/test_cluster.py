"""The whole funnel of fcc aluminium through a real SLURM of one node, with jobs that are ended at their time limit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiida import orm

from hts.records import CandidateRecord
from hts.store import codes as store_codes
from tests.one_node_slurm import OneNodeSlurm

pytestmark = [pytest.mark.full, pytest.mark.engine, pytest.mark.timeout(1500)]

LABEL = "cluster"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNodeSlurm]:
    with OneNodeSlurm(tmp_path_factory.mktemp("slurm")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(running.configuration))
        yield running


@pytest.fixture(scope="module")
def cluster(stages: Any, slurm: OneNodeSlurm, tmp_path_factory: pytest.TempPathFactory) -> orm.Computer:
    """Return a computer whose jobs go through SLURM, otherwise as examples/setup describes one."""
    computer = orm.Computer(
        label=LABEL,
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="hts.slurm",
        workdir=str(tmp_path_factory.mktemp("scratch")),
    )
    computer.set_mpirun_command(["mpirun", "-np", "{tot_num_mpiprocs}"])
    computer.set_default_mpiprocs_per_machine(1)
    exports = [f"export {name}={value}" for name, value in store_codes.mpi_environment().items()]
    computer.set_prepend_text("\n".join(exports))
    computer.store()
    computer.set_minimum_job_poll_interval(1.0)
    computer.configure(safe_interval=0, use_login_shell=False)
    return computer


@pytest.fixture
def cluster_codes(
    codes: dict[str, orm.AbstractCode], cluster: orm.Computer, tmp_path: Path
) -> dict[str, orm.AbstractCode]:
    """Return the codes on the cluster; the first pw.x and the first ph.x hang, and are ended by SLURM."""
    made: dict[str, orm.AbstractCode] = {}
    for label, code in codes.items():
        path = tmp_path / f"{label}.sh"
        hang = f"mkdir {tmp_path}/{label}.first 2>/dev/null && sleep 600\n" if label in ("pw", "ph") else ""
        path.write_text(f'#!/bin/bash\n{hang}exec {code.filepath_executable} "$@"\n')
        path.chmod(0o755)
        made[label] = orm.InstalledCode(
            label=f"{label}-{tmp_path.name}",
            computer=cluster,
            filepath_executable=str(path),
            default_calc_job_plugin=code.default_calc_job_plugin,
        ).store()
        for key, value in code.base.extras.all.items():
            made[label].base.extras.set(key, value)
    return made


def test_what_slurm_ends_is_run_again_and_the_candidate_is_decided(
    screen: Callable[..., Any],
    crystal: Callable[..., orm.StructureData],
    cluster_codes: dict[str, orm.AbstractCode],
    slurm: OneNodeSlurm,
) -> None:
    options = {"default": {"max_wallclock_seconds": 60}, "qpoints_at_once": 2}
    outputs, node = screen(crystal("Al"), replace=cluster_codes, options=options)
    assert node.is_finished_ok, node.exit_message
    record = CandidateRecord.model_validate(outputs["candidate"].get_dict())
    assert record.verdict == "ambient" and record.lambda_ is not None
    jobs = [job for job in node.called_descendants if isinstance(job, orm.CalcJobNode)]
    ran = [job for job in jobs if job.base.caching.get_cache_source() is None]
    assert {job.computer.label for job in ran} == {LABEL}
    # A relaxation that the scheduler ends has a code of its own, 503.
    ended = {(job.process_label, job.exit_status) for job in ran if job.exit_status in (120, 503)}
    assert ended == {("PwCalculation", 503), ("PhQPointCalculation", 120)}
    # One number of SLURM for each job, and none that no job has.
    numbers = sorted(int(job.get_job_id()) for job in ran)
    assert numbers == sorted(map(int, slurm.ask("squeue", "--noheader", "--states=all", "--format=%i").split()))
    assert len(set(numbers)) == len(numbers)
