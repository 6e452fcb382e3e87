"""`hts doctor`: one line for each thing that a campaign needs, ok or what to do."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from hts.cli.options import json_option, profile_option
from hts.errors import UserError

MPI_SECONDS = 30
# A candidate of the demo peaks below 1 GB of scratch.
WANTED_DISK_GB = 5.0


class Check(NamedTuple):
    """One line: what was looked at, whether it is fine, what was found, and what to do when it is not."""

    name: str
    ok: bool
    found: str
    todo: str = ""


@click.command()
@profile_option
@json_option
def doctor(profile: str | None, as_json: bool) -> int:
    """Check codes, MPI, pseudopotentials, profile and daemon.

    Exit code 0 when all is fine, 1 when something is missing. Works before any set-up and changes nothing.
    """
    checks: list[Check] = []
    for check in _checks(profile):
        checks.append(check)
        if not as_json:
            mark = "ok " if check.ok else "no "
            todo = f"; {check.todo}" if check.todo and not check.ok else ""
            click.echo(f"{mark} {check.name:16} {check.found}{todo}")
    if as_json:
        click.echo(json.dumps([check._asdict() for check in checks], indent=2))
    return 0 if all(check.ok for check in checks) else 1


def _checks(profile: str | None) -> Iterator[Check]:
    yield from _check_executables()
    yield _check_mpi()
    yield from _check_profile(profile)
    yield _check_disk()


def _check_executables() -> Iterator[Check]:
    from hts.store import codes

    paths = {executable: codes.find_executable(executable) for executable, _ in codes.CODES.values()}
    versions = codes.code_versions(path for path in paths.values() if path is not None)
    for executable, path in paths.items():
        if path is None:
            yield Check(executable, False, "not on PATH", f"`{codes.APT_LINE}` or hts setup --bin-dir DIR")
        elif versions[path] is None:
            yield Check(executable, False, f"{path} does not start", f"run `{path} </dev/null` and read what it says")
        else:
            yield Check(executable, True, f"{versions[path]} ({path})")


def _check_mpi() -> Check:
    """Start two ranks as a job would, because Open MPI may refuse: as root, without /dev/shm, in a container."""
    from hts.store import codes

    mpirun = codes.find_executable("mpirun")
    if mpirun is None:
        return Check("mpi", False, "mpirun not on PATH", "`apt-get install openmpi-bin`")
    command = [str(mpirun), "-np", "2", "true"]
    try:
        ended = subprocess.run(  # noqa: S603 (mpirun of the PATH)
            command,
            env=os.environ | codes.mpi_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MPI_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("mpi", False, f"`{' '.join(command)}`: {error}", "run it by hand")
    if ended.returncode != 0:
        words = " ".join(ended.stderr.replace("-", " ").split())[:120]
        return Check("mpi", False, f"`{' '.join(command)}` exits {ended.returncode}: {words}", "run it by hand")
    return Check("mpi", True, f"{mpirun} starts 2 ranks as uid {os.geteuid()}, {os.cpu_count()} cores")


def _check_profile(name: str | None) -> Iterator[Check]:
    from hts.store import profile as profiles

    try:
        profile = profiles.load(name)
    except UserError as error:
        yield Check("profile", False, str(error))
        return
    storage, broker = profile.storage_backend, profile.process_control_backend
    yield Check("profile", True, f"{profile.name} ({storage})")
    yield Check("broker", broker is not None, broker or "none", "run `hts setup --profile hts`")
    yield _check_daemon()
    yield from _check_codes()
    yield from _check_pseudos()


def _check_daemon() -> Check:
    from hts.store import daemon

    if not daemon.is_running():
        return Check("daemon", True, "not running; `hts run` starts it")
    if daemon.healthy():
        return Check("daemon", True, "running")
    return Check("daemon", False, "running, but its broker or workers are not", "`hts run` restarts it")


def _check_codes() -> Iterator[Check]:
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_computer

    from hts.store import codes

    try:
        computer = load_computer(codes.COMPUTER_LABEL)
    except NotExistent:
        yield Check("scheduler", False, "no computer localhost", "run `hts setup`")
        return
    if computer.is_configured:
        yield Check("scheduler", True, f"{computer.scheduler_type} through {computer.transport_type} on localhost")
    else:
        yield Check(
            "scheduler", False, "localhost is not configured", "`verdi computer configure core.local localhost`"
        )
    installed = codes.installed_codes()
    for label in codes.CODES:
        path = installed.get(label)
        if path is None:
            yield Check(f"code {label}", False, "not set up", "run `hts setup`")
        else:
            there = os.access(path, os.X_OK)
            yield Check(f"code {label}", there, str(path) + ("" if there else " is gone"), f"`{codes.APT_LINE}`")


def _check_pseudos() -> Iterator[Check]:
    from hts.store import pseudos

    labels = pseudos.family_labels()
    if not labels:
        yield Check("pseudopotentials", False, "no family", "run `hts setup`")
    for label in labels:
        family = pseudos.load_family(label)
        hints = pseudos.cutoff_elements(family)
        found = f"{label}: {len(family.elements)} elements, {len(hints)} with a cutoff"
        todo = "install it with cutoffs: `hts setup --pseudo-family … --cutoffs FILE.json`"
        yield Check("pseudopotentials", bool(hints), found, todo)


def _check_disk() -> Check:
    from aiida.manage.configuration.settings import AiiDAConfigDir

    folder = Path(AiiDAConfigDir.get())
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Check(
        "disk", free_gb >= WANTED_DISK_GB, f"{free_gb:.0f} GB free at {folder}", f"free {WANTED_DISK_GB:.0f} GB"
    )
