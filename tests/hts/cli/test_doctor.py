"""`hts doctor` before and after a set-up, and on a machine without Quantum ESPRESSO."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HTS = [sys.executable, "-m", "hts.cli.main"]


def hts(aiida_path: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AIIDA_PATH": str(aiida_path), "PATH": path or os.environ["PATH"]}
    return subprocess.run([*HTS, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_before_and_after_set_up(
    tmp_path: Path, require_executable: Callable[[str], Path], debian_pseudos: Path
) -> None:
    require_executable("epw.x")
    require_executable("mpirun")
    before = hts(tmp_path, "doctor")
    assert before.returncode == 1
    assert before.stderr == ""
    wrong = [line for line in before.stdout.splitlines() if not line.startswith("ok ")]
    assert len(wrong) == 1
    assert wrong[0].startswith("no  profile")
    assert wrong[0].endswith("run `hts setup`")

    assert hts(tmp_path, "setup").returncode == 0
    after = hts(tmp_path, "doctor", "--json")
    checks = json.loads(after.stdout)
    assert [check for check in checks if not check["ok"]] == []
    assert after.returncode == 0
    names = {check["name"] for check in checks}
    assert {"pw.x", "mpi", "pseudopotentials", "profile", "broker", "daemon", "scheduler", "disk", "code epw"} <= names
    found = {check["name"]: check["found"] for check in checks}
    assert found["pw.x"].startswith("PWSCF ")
    assert found["broker"] == "core.zeromq"
    assert "LDA/vbc" in found["pseudopotentials"]


def test_without_quantum_espresso(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    ended = hts(tmp_path, "doctor", path=str(tmp_path / "bin"))
    assert ended.returncode == 1
    lines = {line.split()[1]: line for line in ended.stdout.splitlines()}
    for executable in ("pw.x", "ph.x", "q2r.x", "epw.x"):
        assert "`apt-get install quantum-espresso quantum-espresso-data`" in lines[executable]
    assert "`apt-get install openmpi-bin`" in lines["mpi"]
