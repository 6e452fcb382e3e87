"""The computer `localhost` and the Quantum ESPRESSO codes on it."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiida.common.exceptions import NotExistent
from aiida.manage import get_manager
from aiida.manage.configuration import get_config
from aiida.orm import Computer, InstalledCode, QueryBuilder

from hts.epw_input import VERSION_EXTRA, banner_version
from hts.errors import UserError
from hts.job_times import FINISHED_LINE, STARTED_LINE

COMPUTER_LABEL = "localhost"
# Our own for a machine without a queue, see `workflows.schedulers.direct`; older versions of hts set up AiiDA's.
SCHEDULER = "hts.direct"
FORMER_SCHEDULER = "core.direct"
# Job limits of these are up to hts, see `hts.job_slots`.
WITHOUT_QUEUE = (SCHEDULER, FORMER_SCHEDULER)
APT_LINE = "apt-get install quantum-espresso quantum-espresso-data"

# code label -> (executable, AiiDA plugin). ph and epw are our own plugins, for a single q-point and for EPW 5.3 and on.
CODES: dict[str, tuple[str, str]] = {
    "pw": ("pw.x", "quantumespresso.pw"),
    "ph": ("ph.x", "hts.ph"),
    "q2r": ("q2r.x", "quantumespresso.q2r"),
    "epw": ("epw.x", "hts.epw"),
    "projwfc": ("projwfc.x", "quantumespresso.projwfc"),
}

VERSION_SECONDS = 20
_VERSION_PATTERN = re.compile(r"Program\s+(\S+)\s+v\.\s*(\S+)\s+starts")


def mpi_environment() -> dict[str, str]:
    """Return the environment variables with which jobs run here.

    Open MPI 4 binds the ranks of *every* mpirun to the cores from 0 on, so that two jobs side by side would share
    core 0 and leave the others idle: hence no binding. It also refuses more ranks than cores, and root.
    """
    variables = {
        "OMP_NUM_THREADS": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }
    if os.geteuid() == 0:
        variables |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return variables


def find_executable(name: str, bin_dir: Path | None = None) -> Path | None:
    """Return the absolute path of a program in `bin_dir`, or on PATH when that is None; None if it is not there."""
    found = shutil.which(name, path=None if bin_dir is None else str(bin_dir.expanduser().absolute()))
    return None if found is None else Path(found).absolute()


def find_executables(bin_dir: Path | None = None) -> dict[str, Path]:
    """Find the executables of all codes.

    Parameters
    ----------
    bin_dir
        Folder to look in; None for PATH.

    Returns
    -------
    dict
        Absolute paths by code label (`pw`, `ph`, `q2r`, `epw`, `projwfc`).

    Raises
    ------
    UserError
        If one is missing.
    """
    found = {label: find_executable(executable, bin_dir) for label, (executable, _) in CODES.items()}
    missing = [CODES[label][0] for label, path in found.items() if path is None]
    if missing:
        where = "on PATH" if bin_dir is None else f"in {bin_dir}"
        raise UserError(f"{', '.join(missing)} not found {where}; `{APT_LINE}` or give their folder with --bin-dir")
    return {label: path for label, path in found.items() if path is not None}


def code_versions(executables: Iterable[Path]) -> dict[Path, str | None]:
    """Ask executables of Quantum ESPRESSO for their versions.

    Each is started once, with an empty input in a folder of its own: it prints its banner and stops. They have no
    option for that.

    Parameters
    ----------
    executables
        Paths of the programs.

    Returns
    -------
    dict
        For each path a line such as "PWSCF 6.7MaX", or None when it does not start, prints no banner, or takes
        longer than 20 s.
    """
    return {path: _version(path) for path in executables}


def setup_computer() -> bool:
    """Make the computer `localhost` of the loaded profile unless it exists.

    Returns
    -------
    bool
        True if it was made; False if there was one, which is left as it is.
    """
    try:
        Computer.collection.get(label=COMPUTER_LABEL)
    except NotExistent:
        _make_computer()
        return True
    return False


def adopt_scheduler() -> bool:
    """Give `localhost`, if an older version of hts made it with `core.direct`, the scheduler `hts.direct` instead.

    Jobs that run are known to both by the same ids. A daemon that runs has to be started anew: its workers know only
    the schedulers that were installed when they started.

    Returns
    -------
    bool
        True if it was changed.
    """
    computer = Computer.collection.get(label=COMPUTER_LABEL)
    if computer.scheduler_type != FORMER_SCHEDULER or not has_job_stamps():
        return False
    computer.scheduler_type = SCHEDULER
    computer.store()
    return True


def has_job_stamps() -> bool:
    """Return whether the jobs of `localhost` report when they started and finished (hts made the computer so)."""
    computer = Computer.collection.get(label=COMPUTER_LABEL)
    return STARTED_LINE in computer.get_prepend_text() and FINISHED_LINE in computer.get_append_text()


def setup_codes(executables: Mapping[str, Path]) -> dict[str, bool]:
    """Make the codes `pw@localhost`, `ph@localhost`, … unless they exist.

    The version of epw.x is written beside its code each time, because the keywords of its input depend on it.

    Parameters
    ----------
    executables
        Absolute paths by code label, as `find_executables` returns them.

    Returns
    -------
    dict
        By full label: True if it was made, False if the same one was there.

    Raises
    ------
    UserError
        If a code of that label has another executable or plugin; then none is made.
    """
    existing = {label: _existing_code(label) for label in executables}
    for label, code in existing.items():
        if code is not None:
            _require_same(code, executables[label], CODES[label][1])
    computer = Computer.collection.get(label=COMPUTER_LABEL)
    for label, code in existing.items():
        if code is None:
            InstalledCode(
                label=label,
                computer=computer,
                filepath_executable=str(executables[label]),
                default_calc_job_plugin=CODES[label][1],
                description=f"{CODES[label][0]} found by hts setup",
            ).store()
    if "epw" in executables:
        _record_epw_version(executables["epw"])
    return {f"{label}@{COMPUTER_LABEL}": code is None for label, code in existing.items()}


def installed_codes() -> dict[str, Path]:
    """Return the executables of the codes that the loaded profile has on `localhost`, by code label."""
    codes = {label: _existing_code(label) for label in CODES}
    return {label: Path(code.filepath_executable) for label, code in codes.items() if code is not None}


def slots_folder() -> Path:
    """Return the folder of the lock files that limit the jobs of the loaded profile (see `hts.job_slots`)."""
    return Path(get_config().dirpath) / "job-slots" / _profile_name()


def _version(path: Path) -> str | None:
    # In a folder of its own, because the programs leave CRASH and input_tmp.in behind.
    with tempfile.TemporaryDirectory() as folder:
        try:
            ended = subprocess.run(  # noqa: S603 (the user's own executable)
                [str(path)],
                cwd=folder,
                env=os.environ | mpi_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=VERSION_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    match = _VERSION_PATTERN.search(ended.stdout.decode(errors="replace"))
    return None if match is None else " ".join(match.groups())


def _profile_name() -> str:
    profile = get_manager().get_profile()
    if profile is None:
        raise UserError("no AiiDA profile is loaded, one was wanted; run `hts setup`")
    return str(profile.name)


def _make_computer() -> None:
    computer = Computer(
        label=COMPUTER_LABEL,
        hostname="localhost",
        description="This machine, set up by hts",
        transport_type="core.local",
        scheduler_type=SCHEDULER,
        workdir=str(Path(get_config().dirpath) / "scratch" / _profile_name()),
    )
    computer.set_shebang("#!/bin/bash")
    computer.set_mpirun_command(["mpirun", "-np", "{tot_num_mpiprocs}"])
    computer.set_default_mpiprocs_per_machine(1)
    exports = [f"export {name}={value}" for name, value in mpi_environment().items()]
    computer.set_prepend_text("\n".join([*exports, STARTED_LINE]))
    computer.set_append_text(FINISHED_LINE)
    computer.store()
    # Each poll of a job costs AiiDA some 0.1 s of a core: once a second two jobs took an eighth of two cores.
    computer.set_minimum_job_poll_interval(2.0)
    # A login shell costs 0.4 to 1 s per command; 0 s between connections, because there is no host to be spared.
    computer.configure(safe_interval=0, use_login_shell=False)


def _existing_code(label: str) -> InstalledCode | None:
    query = QueryBuilder().append(Computer, filters={"label": COMPUTER_LABEL}, tag="computer")
    query.append(InstalledCode, filters={"label": label}, with_computer="computer").order_by({InstalledCode: "id"})
    found = query.first(flat=True)
    return found if isinstance(found, InstalledCode) else None


def _record_epw_version(executable: Path) -> None:
    code = _existing_code("epw")
    version = banner_version(_version(executable))
    if code is not None and version is not None:
        code.base.extras.set(VERSION_EXTRA, version)


def _require_same(code: InstalledCode, executable: Path, plugin: str) -> None:
    found = (str(code.filepath_executable), code.default_calc_job_plugin)
    if found != (str(executable), plugin):
        raise UserError(
            f"code {code.full_label} exists with {found[0]} and plugin {found[1]}, {executable} with {plugin} was "
            f"wanted; keep it by --bin-dir {Path(found[0]).parent}, or rename it: "
            f"`verdi code relabel {code.full_label} {code.label}-old`"
        )
