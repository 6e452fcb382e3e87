"""The program as a whole: help, exit codes, and one line for each mistake."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from hts.cli import main
from hts.errors import ParseError, UserError

HTS = [sys.executable, "-m", "hts.cli.main"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type:
    """Return a class whose `raises` makes `hts doctor` a command that raises."""

    class Failing:
        @staticmethod
        def raises(error: BaseException) -> None:
            @click.command()
            def doctor() -> None:
                raise error

            monkeypatch.setattr("hts.cli.doctor.doctor", doctor)

    return Failing


def test_help_is_quick_and_needs_no_aiida(tmp_path: Path) -> None:
    script = (
        "import sys; from hts.cli.main import run; code = run(['--help']); "
        "print(sorted({'aiida', 'numpy', 'pydantic'} & set(sys.modules)), code)"
    )
    started = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    # 0.1 s when idle; the bound leaves room for tests that run beside
    assert time.monotonic() - started < 2.0
    assert ended.stdout.splitlines()[-1] == "[] 0"
    for words in ("prototype: perovskite", "Type next:", "hts run examples/al-h-perovskites.yaml"):
        assert words in ended.stdout
    assert all(f"  {name} " in ended.stdout for name in main.COMMANDS)


@pytest.mark.parametrize("name", list(main.COMMANDS))
def test_every_command_loads_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"hts {name}" in text
    assert "\\b" not in text


@pytest.mark.parametrize("words", ["candidates", "hull", "plot hull", "plot enthalpy", "propose", "run"])
def test_examples_stand_on_lines_of_their_own(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([*words.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    example = lines.index("  Example:")
    assert lines[example + 1].startswith(f"    hts {words}")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from workflows import __version__

    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"hts {__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["--nonsense"], ["doctor", "--nonsense"]])
def test_usage_errors_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No such" in captured.err


@pytest.mark.parametrize(
    ("error", "code"), [(UserError("found a,\n  wanted b; do c"), 2), (ParseError("found a,\n wanted b; do c"), 1)]
)
def test_errors_are_one_line(failing: type, capsys: pytest.CaptureFixture[str], error: Exception, code: int) -> None:
    failing.raises(error)
    assert main.run(["doctor"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Error: found a, wanted b; do c\n"


def test_interrupt_says_that_jobs_go_on(failing: type, capsys: pytest.CaptureFixture[str]) -> None:
    failing.raises(KeyboardInterrupt())
    assert main.run(["doctor"]) == 130
    assert "what has been submitted goes on" in capsys.readouterr().err


def test_errors_of_the_program_keep_their_traceback(failing: type) -> None:
    failing.raises(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main.run(["doctor"])


def test_a_command_returns_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def doctor() -> int:
        return 1

    monkeypatch.setattr("hts.cli.doctor.doctor", doctor)
    assert main.run(["doctor"]) == 1


def test_a_closed_pipe_is_quiet() -> None:
    with subprocess.Popen([*HTS, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        assert command.stderr.read() == b""


def test_ctrl_c_of_a_real_process(tmp_path: Path) -> None:
    script = (
        "import sys, click, hts.cli.doctor\n"
        "@click.command()\n"
        "def doctor():\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
        "hts.cli.doctor.doctor = doctor\n"
        "from hts.cli.main import run\n"
        "sys.exit(run(['doctor']))\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
