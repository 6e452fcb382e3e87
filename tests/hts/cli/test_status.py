"""`hts status` on a graph made by hand."""

import json
from pathlib import Path

import pytest
import yaml

from hts.cli.main import run


@pytest.fixture
def screened(graph) -> None:
    """Store a candidate that passed its first stage, with a job, and one that still runs."""
    screening = graph.screening("Al4H", campaign="tiny", age_seconds=100.0)
    graph.job(graph.call(screening, "relax"), ran=(-60.0, -10.0), ranks=2)
    graph.judge(screening, "relax", "passed")
    graph.call(graph.screening("AlH3", campaign="tiny", state="waiting"), "relax", state="waiting")


def test_json(screened, capsys) -> None:
    assert run(["status", "tiny", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    status = json.loads(captured.out)
    assert status["campaign"] == "tiny"
    assert status["code_seconds"] == pytest.approx(100.0, abs=0.2)
    assert status["wall_seconds"] >= status["idle_seconds"] > 0
    assert set(status["jobs"]) == {"submitted", "reused", "failed", "recovered"}
    relax = status["stages"][0]
    assert relax == {
        "stage": "relax",
        "entered": 2,
        "passed": 1,
        "failed": 0,
        "undecided": 0,
        "running": 1,
        "core_hours": pytest.approx(0.0278, abs=1e-3),
    }


def test_by_name_by_file_and_all_are_the_same_numbers(screened, capsys, campaign, tmp_path: Path) -> None:
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(campaign()))
    stages = []
    for arguments in (["tiny"], [str(file)], []):
        assert run(["status", *arguments, "--json"]) == 0
        stages.append(json.loads(capsys.readouterr().out)["stages"])
    assert stages[0] == stages[1] == stages[2]


def test_the_table_shows_the_idle_share(screened, capsys) -> None:
    assert run(["status"]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 100
    assert "all campaigns: the funnel" in out
    assert "of the wall time)" in out
    assert "jobs: 1 submitted, 0 failed, 0 of them recovered; 0 stored results reused" in out


def test_before_any_campaign(graph, capsys) -> None:
    assert run(["status"]) == 0
    assert "type next: hts run FILE.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "campaign 'nope' not found in this profile; there are: tiny; `hts run FILE.yaml` starts one"),
        (["nope.yaml"], "nope.yaml: cannot be read"),
        (["--profile", "nope"], "profile 'nope' not found"),
    ],
)
def test_mistakes_are_one_line(screened, capsys, arguments: list[str], message: str) -> None:
    assert run(["status", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line
