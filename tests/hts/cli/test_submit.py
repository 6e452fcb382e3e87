"""`hts submit`, `hts stop` and `hts resume`, with a real daemon and a pw.x that takes its time."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiida import orm

from hts.cli.main import run
from hts.store import daemon, stopping
from tests.waiting import wait_until

HTS = [sys.executable, "-m", "hts.cli.main"]
DEADLINE_SECONDS = 120.0


@pytest.fixture
def file(campaign: Callable[..., dict[str, Any]], tmp_path: Path) -> Path:
    """Return a campaign of two candidates, one at a time."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(campaign()))
    return path


def screenings() -> list[orm.WorkChainNode]:
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"process_type": "aiida.workflows:hts.screening"})
    return query.all(flat=True)


def running_jobs() -> list[orm.CalcJobNode]:
    """Return the jobs that have a number, whose processes have not ended."""
    query = orm.QueryBuilder().append(orm.CalcJobNode, filters={"attributes": {"has_key": "job_id"}})
    return [node for node in query.all(flat=True) if not node.is_terminated]


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.engine
def test_passes_submit_nothing_twice_and_a_stopped_campaign_goes_on(
    sleeping_codes: None, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["submit", str(file), "--json"]) == 0
    first = answer(capsys)
    assert first == {"campaign": "tiny", "submitted": first["submitted"], "active": 1, "waiting": 1}
    assert len(first["submitted"]) == 1
    assert run(["submit", str(file), "--json"]) == 0
    assert answer(capsys) == {**first, "submitted": []}
    wait_until(lambda: len(running_jobs()) > 0, "a job runs", DEADLINE_SECONDS)

    assert run(["stop", "tiny", "--json"]) == 0
    paused = answer(capsys)["paused"]
    [job, *_] = running_jobs()
    assert {screenings()[0].pk, job.pk} <= set(paused)
    wait_until(lambda: all(orm.load_node(pk).paused for pk in paused), "all are paused", DEADLINE_SECONDS)
    for command in (["submit", str(file)], ["run", str(file)]):
        assert run(command) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line == "Error: campaign tiny was stopped; `hts resume tiny` lets it go on"
    assert run(["stop", "tiny"]) == 0
    assert "tiny: 0 processes paused" in capsys.readouterr().err

    assert run(["resume", str(file), "--json"]) == 0
    assert answer(capsys) == {"campaign": "tiny", "played": sorted(paused), "unreachable": {}}
    wait_until(lambda: not any(orm.load_node(pk).paused for pk in paused), "all go on", DEADLINE_SECONDS)
    assert [one.pk for one in running_jobs()][:1] == [job.pk]
    assert not stopping.is_stopped("tiny")

    assert run(["stop", "tiny", "--kill"]) == 0
    assert "tiny: 1 screenings killed" in capsys.readouterr().err
    wait_until(lambda: screenings()[0].is_killed and not running_jobs(), "all is killed", DEADLINE_SECONDS)
    assert len(screenings()) == 1


@pytest.mark.engine
def test_two_at_once_submit_one_screening_and_start_one_daemon(sleeping_codes: None, file: Path) -> None:
    command = [*HTS, "submit", str(file), "--json"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=DEADLINE_SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    submitted = [json.loads(out)["submitted"] for out, _ in outputs]
    assert sorted(map(len, submitted)) == [0, 1]
    assert len(screenings()) == 1
    assert daemon.healthy()
    assert [len(list(daemon._processes(kind))) for kind in daemon._KINDS] == [1, 1, 1]


@pytest.mark.usefixtures("ready_profile")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["submit", "nope.yaml"], "nope.yaml: cannot be read (No such file or directory)"),
        (["submit", "nope.yaml", "--every", "0"], "'--every'"),
        (["stop", "nope"], "campaign 'nope' not found in this profile; there are: none"),
        (["resume", "nope"], "campaign 'nope' not found in this profile"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Error: ")
    assert message in line
