"""`hts setup` with the real codes and Debian's pseudopotentials, and what it refuses."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiida.manage import get_manager
from aiida.orm import load_computer

from hts.cli.main import run
from hts.store import codes, daemon, profile, pseudos


@pytest.fixture
def empty_configuration(aiida_config_tmp: Any) -> Iterator[None]:
    """Give an AiiDA folder without profiles; afterwards the profile of before is loaded again."""
    manager = get_manager()
    before = manager.get_profile()
    yield
    manager.load_profile(before, allow_switch=True)


pytestmark = pytest.mark.usefixtures("empty_configuration", "debian_pseudos")


def test_set_up_makes_everything_once(
    require_executable: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    require_executable("epw.x")
    assert run(["setup"]) == 0
    made = capsys.readouterr()
    assert {line.split()[0] for line in made.out.splitlines()} == {"made"}
    assert "Type next: hts doctor" in made.err
    assert run(["setup"]) == 0
    kept = capsys.readouterr().out
    assert {line.split()[0] for line in kept.splitlines()} == {"kept"}
    assert [line.split()[1:] for line in kept.splitlines()] == [line.split()[1:] for line in made.out.splitlines()]
    assert pseudos.cutoffs_for("LDA/vbc", ["Al", "H", "Mg", "B", "Si"]) == pytest.approx((30, 120))
    assert set(codes.installed_codes()) == set(codes.CODES)
    assert run(["setup", "--pseudo-family", "LDA/vbc"]) == 0


@pytest.mark.engine
@pytest.mark.parametrize("with_daemon", [False, True])
def test_an_older_profile_gets_the_new_scheduler(
    with_daemon: bool, require_executable: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon that runs does not know a scheduler that was installed after its start: it is stopped."""
    require_executable("epw.x")
    assert run(["setup"]) == 0
    computer = load_computer("localhost")
    computer.scheduler_type = "core.direct"
    computer.store()
    capsys.readouterr()
    stopped = "; the daemon was stopped for it, `hts run` starts it again" if with_daemon else ""
    try:
        if with_daemon:
            daemon.start()
        assert run(["setup"]) == 0
        assert not daemon.is_running()
    finally:
        daemon.stop()
    [line] = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("kept")]
    assert line == f"set   scheduler         hts.direct instead of core.direct on localhost{stopped}"
    assert load_computer("localhost").scheduler_type == "hts.direct"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bin-dir", "{tmp}"], "pw.x, ph.x, q2r.x, epw.x, projwfc.x not found in {tmp}"),
        (["--profile", "a b"], "profile name 'a b' found"),
        (["--pseudo-folder", "{tmp}"], "--pseudo-folder is given without a label"),
        (["--cutoffs", "{tmp}/c.json"], "--cutoffs is given without files"),
        (["--pseudo-family", "x", "--pseudo-folder", "{tmp}/no"], "folder {tmp}/no not found"),
        (["--pseudo-family", "x", "--pseudo-folder", "{tmp}"], "no file in {tmp} matches"),
        (["--pseudo-family", "PBE"], "family 'PBE' not found; there are: none"),
        (
            ["--pseudo-family", "x", "--pseudo-folder", "{debian}", "--pseudo-pattern", "O.pz-van*"],
            "EPW wants norm-conserving",
        ),
        (
            ["--pseudo-family", "x", "--pseudo-folder", "{debian}", "--pseudo-pattern", "Al*", "--cutoffs", "{tmp}/c"],
            "{tmp}/c cannot be read as JSON",
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    tmp_path: Path, debian_pseudos: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    words = [word.format(tmp=tmp_path / "empty", debian=debian_pseudos) for word in arguments]
    assert run(["setup", *words]) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if "[REPORT]" not in line]
    assert line.startswith("Error: ")
    assert message.format(tmp=tmp_path / "empty") in line
    assert profile.profile_names() == []
