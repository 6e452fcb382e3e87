"""The wheel and the sdist, as a user gets them.

The wheel is installed by pip, without its dependencies, into a virtual environment that is empty otherwise. The
dependencies come from the environment that runs the tests, through a `.pth` file: downloading them again would take
minutes and tell nothing about our wheel (that they are declared is `test_architecture`'s business, and `make install`
installs them). A path added by a `.pth` file is searched last, and the `.pth` files in it are not read, so that an
editable install of hts in the outer environment is out of reach; the test asserts that every module that was loaded
lies inside the new environment.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA_SUFFIXES = {".yaml", ".typed"}

LOAD_EVERYTHING = """
import importlib.metadata, json, sys
found = {}
for entry in importlib.metadata.distribution("hts-hydrides").entry_points:
    entry.load()
    found[f"{entry.group}:{entry.name}"] = sys.modules[entry.module].__file__
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build both once; `--no-isolation` because hatchling is a development dependency."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


@pytest.fixture(scope="module")
def environment(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into an empty environment and return the folder of that."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], timeout=120, check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", built["wheel"]]
    ended = subprocess.run(pip, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [site_packages] = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def shipped() -> set[str]:
    """Return all code and data files of the two packages, relative to the project."""
    files = [path for package in ("hts", "workflows") for path in (ROOT / package).rglob("*") if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in files if path.suffix in {".py", *DATA_SUFFIXES}}


def test_the_wheel_carries_code_and_data(built: dict[str, Path]) -> None:
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = set(wheel.namelist())
    assert shipped() <= names
    assert {Path(name).suffix for name in shipped()} == {".py", *DATA_SUFFIXES}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"hts", "workflows"}


def test_the_sdist_carries_what_is_needed_to_build_and_test(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    assert shipped() <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/conftest.py"} <= names


def test_every_entry_point_loads_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        [environment / "bin" / "python", "-I", "-c", LOAD_EVERYTHING],
        cwd=tmp_path,
        env=variables | {"AIIDA_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    loaded = json.loads(ended.stdout)
    declared = importlib.metadata.distribution("hts-hydrides").entry_points
    assert set(loaded) == {f"{entry.group}:{entry.name}" for entry in declared}
    outside = [path for path in loaded.values() if not Path(path).is_relative_to(environment)]
    assert outside == []


def test_the_console_script_runs_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    command = [environment / "bin" / "hts", "--version"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.split() == ["hts", importlib.metadata.version("hts-hydrides")]
