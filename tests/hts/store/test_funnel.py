"""The funnel in numbers."""

import pytest

from hts.errors import UserError
from hts.store import funnel


def stage(snapshot: funnel.Snapshot, name: str) -> dict:
    return next(stage for stage in snapshot.status["stages"] if stage["stage"] == name)


def test_an_empty_profile(graph) -> None:
    status = funnel.snapshot().status
    assert [one["stage"] for one in status["stages"]] == ["relax", "hull", "decompress", "coupling", "tc"]
    assert all(value == 0 for one in status["stages"] for key, value in one.items() if key != "stage")
    assert (status["wall_seconds"], status["code_seconds"], status["idle_seconds"]) == (0, 0, 0)
    assert status["jobs"] == {"submitted": 0, "reused": 0, "failed": 0, "recovered": 0}
    with pytest.raises(UserError, match="not found in this profile"):
        funnel.snapshot("one")


def test_every_candidate_that_entered_a_stage_is_counted_once(graph) -> None:
    passed, rejected, failed, lost, running = (graph.screening(f"AlH{n}") for n in range(2, 7))
    running = graph.screening("MgH2", state="waiting")
    lost = graph.screening("MgH3", state="killed")
    for node in (passed, rejected):
        graph.call(node, "relax")
        graph.judge(node, "relax", "passed")
        graph.call(node, "hull", "HullWorkChain")
    graph.judge(passed, "hull", "passed")
    graph.judge(rejected, "hull", "failed")
    graph.call(failed, "relax", exit_status=401)
    graph.call(running, "relax", state="waiting")
    graph.call(lost, "relax", state="killed")
    snapshot = funnel.snapshot("one")
    counts = {"entered": 5, "passed": 2, "failed": 0, "undecided": 2, "running": 1}
    assert {key: stage(snapshot, "relax")[key] for key in counts} == counts
    counts = {"entered": 2, "passed": 1, "failed": 1, "undecided": 0, "running": 0}
    assert {key: stage(snapshot, "hull")[key] for key in counts} == counts
    for one in snapshot.status["stages"]:
        assert one["entered"] == sum(one[key] for key in ("passed", "failed", "undecided", "running"))


def test_a_descent_that_broke_off_is_undecided_although_its_ladder_was_judged(graph) -> None:
    screening = graph.screening(exit_status=403)
    graph.call(screening, "decompress", "DecompressionWorkChain", exit_status=410)
    graph.judge(screening, "decompress", "passed")
    assert stage(funnel.snapshot(), "decompress")["undecided"] == 1


def test_coupling_is_judged_by_its_own_result(graph) -> None:
    screening = graph.screening()
    coupling = graph.call(screening, "coupling", "CouplingWorkChain")
    graph.result(coupling, "coupling", {"verdict": "passed"})
    assert stage(funnel.snapshot(), "coupling")["passed"] == 1


def test_rungs_above_cost_but_do_not_count(graph) -> None:
    """The answer is that of the lowest stable pressure, however Tc comes out above it."""
    screening = graph.screening()
    for stage_name, verdict in (("coupling", "passed"), ("tc", "failed")):
        child = graph.call(screening, stage_name)
        graph.job(child, ran=(-40.0, -30.0))
        if stage_name == "coupling":
            graph.result(child, "coupling", {"verdict": verdict})
    graph.judge(screening, "tc", "failed")
    above = graph.call(screening, "coupling_10GPa")
    graph.job(above, ran=(-30.0, -10.0))
    graph.result(above, "coupling", {"verdict": "undecided"})
    graph.job(graph.call(screening, "tc_10GPa", exit_status=401), ran=(-10.0, -5.0))
    snapshot = funnel.snapshot()
    coupling, tc = stage(snapshot, "coupling"), stage(snapshot, "tc")
    counts = ("entered", "passed", "failed", "undecided", "running")
    assert [coupling[key] for key in counts] == [1, 1, 0, 0, 0]
    assert [tc[key] for key in counts] == [1, 0, 1, 0, 0]
    assert coupling["core_hours"] == pytest.approx(30.0 / 3600, abs=1e-5)
    assert tc["core_hours"] == pytest.approx(15.0 / 3600, abs=1e-5)
    assert [one["stage"] for one in snapshot.status["stages"]] == ["relax", "hull", "decompress", "coupling", "tc"]
    [progress] = snapshot.progress
    assert progress.stage == "tc"


def test_a_rung_above_that_still_runs_leaves_the_counts_alone(graph) -> None:
    screening = graph.screening(state="waiting")
    child = graph.call(screening, "coupling")
    graph.result(child, "coupling", {"verdict": "passed"})
    graph.call(screening, "coupling_10GPa", state="waiting")
    coupling = stage(funnel.snapshot(), "coupling")
    assert (coupling["entered"], coupling["passed"], coupling["running"]) == (1, 1, 0)


def test_idle_time_is_the_wall_time_without_any_code(graph) -> None:
    screening = graph.screening(age_seconds=100.0)
    relax = graph.call(screening, "relax")
    # two side by side, a gap, one alone: 30 s + 10 s of 100 s
    graph.job(relax, "a", ran=(-90.0, -70.0), ranks=2)
    graph.job(relax, "b", ran=(-80.0, -60.0))
    graph.job(relax, "c", ran=(-30.0, -20.0))
    status = funnel.snapshot().status
    assert status["code_seconds"] == pytest.approx(70.0, abs=0.2)
    # the test itself has taken some time since the screening's date
    assert status["wall_seconds"] - status["idle_seconds"] == pytest.approx(40.0, abs=0.2)
    assert status["wall_seconds"] >= 100.0
    assert stage(funnel.snapshot(), "relax")["core_hours"] == pytest.approx(70.0 / 3600, abs=1e-4)


def test_what_runs_is_not_idle(graph) -> None:
    screening = graph.screening(state="waiting", age_seconds=100.0)
    relax = graph.call(screening, "relax", state="waiting")
    graph.job(relax, "a", ran=(-90.0, -70.0))
    graph.job(relax, "b", state="waiting")
    snapshot = funnel.snapshot()
    assert snapshot.status["idle_seconds"] == pytest.approx(10.0, abs=0.2)
    [progress] = snapshot.progress
    assert progress.stage == "relax"
    assert progress.running_jobs == ("b",)
    assert not progress.ended


def test_a_failure_that_something_above_got_over_is_recovered(graph) -> None:
    screening = graph.screening()
    relax = graph.call(screening, "relax")
    base = graph.call(relax, "relax_1", "PwBaseWorkChain", exit_status=501)
    graph.job(base, exit_status=501)  # the final scf of a vc-relax asks for another pass: no failure
    graph.job(base, exit_status=410)
    graph.job(graph.call(relax, "scf_1", "PwBaseWorkChain"))
    hull = graph.call(screening, "hull", "HullWorkChain", exit_status=401)
    graph.job(graph.call(hull, "reference_Al", exit_status=402), exit_status=312)
    graph.job(hull, "lost", state="killed")
    jobs = funnel.snapshot().status["jobs"]
    assert jobs == {"submitted": 5, "failed": 3, "recovered": 1, "reused": 0}


def test_only_the_asked_identities_are_looked_at(graph) -> None:
    graph.screening("AlH3", label="one/perovskite-AlH3/old", state="waiting")
    wanted = graph.screening("AlH3", label="one/perovskite-AlH3/new")
    assert len(funnel.snapshot("one").progress) == 2
    [progress] = funnel.snapshot("one", {wanted.label}).progress
    assert progress.screening.pk == wanted.pk
