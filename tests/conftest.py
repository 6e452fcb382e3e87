"""What all tests share. AiiDA's fixtures give a temporary profile (SQLite, no broker) in a temporary folder."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing on a busy machine.
settings.register_profile("hts", deadline=None)
settings.load_profile("hts")

# What a shell starts in the background ignores Ctrl-C and hands that on; the tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# AiiDA makes its folder when it is imported, which the plugin below does: never in the home of whoever runs the tests.
os.environ["AIIDA_PATH"] = tempfile.mkdtemp(prefix="hts-tests-")

pytest_plugins = ["aiida.tools.pytest_fixtures"]

APT_LINE = "apt-get install quantum-espresso quantum-espresso-data openmpi-bin"
DEBIAN_PSEUDOS = Path("/usr/share/espresso/pseudo")


def pytest_unconfigure() -> None:
    """Remove the folder in which AiiDA was imported."""
    shutil.rmtree(os.environ["AIIDA_PATH"], ignore_errors=True)


@pytest.fixture(scope="session")
def require_executable() -> Callable[[str], Path]:
    """Return a function that finds a program, and fails with the line that installs it instead of skipping."""

    def find(name: str) -> Path:
        found = shutil.which(name)
        if found is None:
            pytest.fail(f"{name} not found on PATH, these tests run the real codes: {APT_LINE}", pytrace=False)
        return Path(found)

    return find


@pytest.fixture(scope="session")
def debian_pseudos() -> Path:
    """Return the folder of Debian's pseudopotentials; fails with the line that installs them."""
    if not DEBIAN_PSEUDOS.is_dir():
        pytest.fail(f"{DEBIAN_PSEUDOS} not found, these tests read its files: {APT_LINE}", pytrace=False)
    return DEBIAN_PSEUDOS
