"""The lock that serialises submissions."""

import subprocess
import sys
from pathlib import Path

from hts.file_lock import exclusive

HOLDER = """
import sys
from pathlib import Path
from hts.file_lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
TRY = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def is_free(path: Path) -> bool:
    tried = subprocess.run([sys.executable, "-c", TRY, str(path)], capture_output=True, check=False)
    return tried.returncode == 0


def test_one_holder_at_a_time_and_freed_by_its_death(tmp_path: Path) -> None:
    path = tmp_path / "made" / "a.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not is_free(path)
        holder.kill()
    assert is_free(path)
    with exclusive(path):
        assert not is_free(path)
    assert is_free(path)
