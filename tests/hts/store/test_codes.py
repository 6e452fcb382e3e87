"""The computer and the codes, with the real executables."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from aiida.orm import Computer, QueryBuilder, load_code, load_computer

from hts.epw_input import VERSION_EXTRA
from hts.errors import UserError
from hts.job_times import parse_job_times
from hts.store import codes


def make_executables(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


def test_versions_of_the_real_codes(require_executable: Callable[[str], Path], tmp_path: Path) -> None:
    paths = [require_executable(executable) for executable, _ in codes.CODES.values()]
    versions = codes.code_versions(paths)
    names = [str(versions[path]).split() for path in paths]
    assert [name for name, _ in names] == ["PWSCF", "PHONON", "Q2R", "EPW", "PROJWFC"]
    assert all(version[0].isdigit() for _, version in names)


def test_a_program_without_banner_has_no_version(tmp_path: Path) -> None:
    make_executables(tmp_path, ["pw.x"])
    paths = [tmp_path / "pw.x", tmp_path / "not-there"]
    assert codes.code_versions(paths) == dict.fromkeys(paths)


def test_missing_executables_are_named(tmp_path: Path) -> None:
    make_executables(tmp_path, ["pw.x", "q2r.x"])
    with pytest.raises(UserError, match=r"ph\.x, epw\.x, projwfc\.x not found in .*apt-get install quantum-espresso"):
        codes.find_executables(tmp_path)


def test_set_up_is_idempotent(hts_profile: str, tmp_path: Path) -> None:
    assert codes.setup_computer() is False
    make_executables(tmp_path / "bin", [executable for executable, _ in codes.CODES.values()])
    executables = codes.find_executables(tmp_path / "bin")
    labels = [f"{label}@localhost" for label in codes.CODES]
    assert codes.setup_codes(executables) == dict.fromkeys(labels, True)
    assert codes.setup_codes(executables) == dict.fromkeys(labels, False)
    assert load_code("ph@localhost").default_calc_job_plugin == "hts.ph"
    assert codes.installed_codes() == executables


def test_the_scheduler_of_older_profiles_is_replaced(hts_profile: str) -> None:
    computer = load_computer("localhost")
    assert computer.scheduler_type == "hts.direct"
    assert codes.adopt_scheduler() is False
    for text, changed in ((computer.get_append_text(), True), ("", False)):
        computer.scheduler_type = "core.direct"
        computer.set_append_text(text)
        computer.store()
        # without its stamps it was not hts that made it: then it is left alone
        assert codes.adopt_scheduler() is changed
        query = QueryBuilder().append(Computer, filters={"label": "localhost"}, project="scheduler_type")
        assert query.all(flat=True) == ["hts.direct" if changed else "core.direct"]
    assert load_computer("localhost").pk == computer.pk


def test_the_version_of_epw_is_kept_beside_its_code(hts_profile: str, tmp_path: Path) -> None:
    """Taken anew at each set-up, as the program behind the path can change; a silent program changes nothing."""
    script = tmp_path / "epw.x"
    for banner, kept in (("Program EPW v.5.9 starts on", "5.9"), ("Program EPW v.6.0 starts", "6.0"), ("", "6.0")):
        script.write_text(f"#!/bin/sh\necho '     {banner}'\n")
        script.chmod(0o755)
        codes.setup_codes({"epw": script})
        assert load_code("epw@localhost").base.extras.get(VERSION_EXTRA) == kept


def test_another_executable_under_the_same_label_is_refused(hts_profile: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make_executables(tmp_path / folder, [executable for executable, _ in codes.CODES.values()])
    codes.setup_codes({"q2r": tmp_path / "one" / "q2r.x"})
    with pytest.raises(UserError, match=r"code q2r@localhost exists with .*/one/q2r\.x .*--bin-dir .*/one"):
        codes.setup_codes(codes.find_executables(tmp_path / "two"))
    assert set(codes.installed_codes()) == {"q2r"}


def test_the_computer_stamps_its_jobs(hts_profile: str) -> None:
    computer = load_computer("localhost")
    assert computer.is_configured
    assert codes.has_job_stamps()
    script = f"{computer.get_prepend_text()}\ntrue\n{computer.get_append_text()}"
    text = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    times = parse_job_times(text)
    assert times is not None
    assert times[1] is not None


def test_jobs_side_by_side_are_not_bound_to_one_core(require_executable: Callable[[str], Path]) -> None:
    """Open MPI 4 binds every `mpirun -np 1` to core 0: two jobs would share it while the others idle."""
    mpirun = require_executable("mpirun")
    ended = subprocess.run(
        [mpirun, "-np", "1", "sh", "-c", "grep Cpus_allowed_list /proc/self/status"],
        env=os.environ | codes.mpi_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    own = Path("/proc/self/status").read_text()
    assert ended.stdout.split()[-1] == own.split("Cpus_allowed_list:")[1].split()[0]


def test_more_ranks_than_cores_start(require_executable: Callable[[str], Path]) -> None:
    ranks = (os.cpu_count() or 1) + 1
    command = [require_executable("mpirun"), "-np", str(ranks), "echo", "rank"]
    environment = os.environ | codes.mpi_environment()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == ["rank"] * ranks
