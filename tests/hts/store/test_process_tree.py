"""The processes below a screening and what its jobs have cost."""

import pytest
from aiida import orm

from hts.store import process_tree


def test_every_process_knows_its_screening_and_stage(graph) -> None:
    one, two = graph.screening("AlH3"), graph.screening("MgH2")
    relax = graph.call(one, "relax")
    base = graph.call(relax, "relax_1", "PwBaseWorkChain")
    job = graph.job(base)
    hull = graph.call(one, "hull", "HullWorkChain")
    other = graph.job(graph.call(two, "relax"))
    graph.judge(one, "relax", "passed")

    rows = process_tree.descend([one.pk, two.pk])
    assert {row.pk: (row.screening_pk, row.stage) for row in rows} == {
        relax.pk: (one.pk, "relax"),
        base.pk: (one.pk, "relax"),
        job.pk: (one.pk, "relax"),
        hull.pk: (one.pk, "hull"),
        other.caller.pk: (two.pk, "relax"),
        other.pk: (two.pk, "relax"),
    }
    assert [row.pk for row in rows if row.is_job] == [other.pk, job.pk]
    order = [row.pk for row in rows]
    assert all(row.parent_pk in {one.pk, two.pk, *order[: order.index(row.pk)]} for row in rows)
    assert [row.link_label for row in rows if row.parent_pk == one.pk] == ["relax", "hull"]
    grouped = process_tree.rows_by_screening(rows)
    assert len(grouped[one.pk]) == 4
    assert len(grouped[two.pk]) == 2
    assert grouped[0] == []
    assert process_tree.descend([]) == []


def test_a_rung_above_belongs_to_the_stage_of_its_kind(graph) -> None:
    screening = graph.screening()
    links = ["coupling", "tc", "coupling_10GPa", "tc_10GPa", "coupling_12p5GPa"]
    children = {link: graph.call(screening, link, "CouplingWorkChain") for link in links}
    # What a child is called is its own affair: only the screening's children are stages.
    wannier = graph.call(children["coupling_10GPa"], "tc_of_nothing", "WannierWorkChain")
    job = graph.job(wannier)
    rows = {row.pk: row for row in process_tree.descend([screening.pk])}
    stages = {link: rows[child.pk].stage for link, child in children.items()}
    assert stages == dict(zip(links, ["coupling", "tc", "coupling", "tc", "coupling"], strict=True))
    assert {link: rows[child.pk].link_label for link, child in children.items()} == {link: link for link in links}
    assert (rows[wannier.pk].stage, rows[job.pk].stage) == ("coupling", "coupling")


def test_costs_are_wall_times_ranks_and_are_kept(graph) -> None:
    relax = graph.call(graph.screening(), "relax")
    job = graph.job(relax, ran=(-40.0, -30.0), ranks=2)
    cost = process_tree.job_costs([job.pk])[job.pk]
    assert cost.core_seconds == pytest.approx(20.0)
    assert cost.finished - cost.started == pytest.approx(10.0)
    assert cost.stamped
    kept = orm.load_node(job.pk).base.extras.get("hts_job_times")
    assert kept == pytest.approx([cost.started, cost.finished, True], abs=1e-3)
    # the second look does not read the file
    orm.load_node(job.pk).base.extras.set("hts_job_times", [1.0, 2.0, True])
    assert process_tree.job_costs([job.pk])[job.pk].core_seconds == 2.0


def test_a_killed_job_counts_until_the_engine_noticed(graph) -> None:
    relax = graph.call(graph.screening(), "relax")
    killed = graph.job(relax, state="killed", ran=(-40.0, None))
    cost = process_tree.job_costs([killed.pk])[killed.pk]
    assert cost.core_seconds == pytest.approx(40.0, abs=15.0)
    assert cost.finished == pytest.approx(killed.mtime.timestamp(), abs=1.0)


def test_a_computer_without_stamps_gives_an_upper_bound(graph) -> None:
    relax = graph.call(graph.screening(), "relax")
    job = graph.job(relax, stdout="nothing of ours")
    cost = process_tree.job_costs([job.pk])[job.pk]
    assert not cost.stamped
    assert cost.core_seconds >= 50.0


def test_jobs_that_run_or_never_started_cost_nothing_yet(graph) -> None:
    relax = graph.call(graph.screening(), "relax")
    jobs = [graph.job(relax, "a", state="waiting"), graph.job(relax, "b", state="excepted")]
    assert process_tree.job_costs(job.pk for job in jobs) == {}
    assert process_tree.job_costs([]) == {}
