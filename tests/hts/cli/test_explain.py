"""`hts explain` on a graph made by hand."""

import json

import pytest

from hts.cli.main import run


def explain(capsys, key: str) -> str:
    assert run(["explain", key]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_a_decided_candidate(graph, capsys) -> None:
    screening = graph.screening("Al4H")
    relax = graph.call(screening, "relax")
    job = graph.job(graph.call(relax, "relax_1", "PwBaseWorkChain"), ran=(-30.0, -10.0))
    graph.job(graph.call(relax, "scf_1", "PwBaseWorkChain"), exit_status=312, ran=(-10.0, -9.0))
    graph.judge(screening, "relax", "failed")
    graph.record(screening, verdict="insulator", reason="gap 2 eV", flags=["hull_incomplete"])
    out = explain(capsys, "Al4H")
    assert out.startswith(
        "perovskite-Al4H: insulator\n  gap 2 eV\n  flags: hull_incomplete; 0.006 core-hours; screening"
    )
    assert f"relax: failed  [RelaxWorkChain {relax.pk}, 21 core-s]\n  relax failed\n  thresholds: gate 0.3\n" in out
    assert "jobs (2), folders below /scratch:" in out
    [first, second] = [line for line in out.splitlines() if "core-s " in line]
    assert first.split() == [str(job.pk), "relax", "relax_1", "exit", "0", "20.0", "core-s", f"ab/cd/{job.uuid}"]
    assert "exit 312" in second


def test_what_runs_was_killed_or_waits(graph, capsys) -> None:
    running = graph.screening("AlH3", state="waiting")
    graph.job(graph.call(running, "relax", state="waiting"), state="waiting")
    out = explain(capsys, "AlH3")
    assert "perovskite-AlH3: undecided\n  still running: relax\n" in out
    assert "exit None" not in out
    assert " running " in out
    killed = graph.screening("MgH2", state="killed")
    graph.job(graph.call(killed, "relax", state="killed"), state="killed", ran=(-10.0, None))
    out = explain(capsys, "MgH2")
    assert "killed during relax; `hts run` submits it again" in out
    assert "see `verdi process report" in out
    graph.screening("CaH2", state="created")
    out = explain(capsys, "CaH2")
    assert "still running: waiting for the daemon" in out
    assert out.endswith("jobs (0):\n")


def test_json(graph, capsys) -> None:
    screening = graph.screening("Al4H")
    graph.call(screening, "relax", state="killed")
    assert run(["explain", screening.uuid, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    told = json.loads(captured.out)
    assert set(told) == {"pk", "uuid", "state", "record", "stages", "jobs"}
    assert told["uuid"] == screening.uuid


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Al5H"], "no candidate 'Al5H' in this profile; did you mean Al4H? there are: perovskite-Al4H"),
        (["Al4H"], "'Al4H' fits 2 screenings: one/perovskite-Al4H/"),
        (["Al4H", "--profile", "nope"], "profile 'nope' not found"),
        ([], "Missing argument 'KEY'"),
    ],
)
def test_mistakes_are_one_line(graph, capsys, arguments: list[str], message: str) -> None:
    for name in ("one", "two"):
        graph.screening("Al4H", campaign=name)
    assert run(["explain", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line
