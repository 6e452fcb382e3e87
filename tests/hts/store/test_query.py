"""What the graph says of each candidate."""

import pytest
from pymatgen.core import Lattice, Structure

from hts.errors import UserError
from hts.store import query


def test_no_campaign_no_candidates(graph) -> None:
    assert query.campaign_names() == []
    assert query.screenings() == []
    assert query.candidates() == []
    with pytest.raises(UserError, match=r"campaign 'one' not found in this profile; there are: none; `hts run"):
        query.candidates("one")
    with pytest.raises(UserError, match=r"no candidate 'AlH3': this profile has no candidates yet; `hts run"):
        query.find_candidate("AlH3")


def test_campaigns_are_kept_apart(graph) -> None:
    graph.screening("AlH3", campaign="one")
    graph.screening("MgH2", campaign="two")
    assert query.campaign_names() == ["one", "two"]
    assert [one.identity["formula"] for one in query.screenings("two")] == ["MgH2"]
    assert len(query.screenings()) == 2
    with pytest.raises(UserError, match=r"campaign 'three' not found .* there are: one, two;"):
        query.screenings("three")


def test_the_newest_screening_of_an_identity_counts(graph) -> None:
    graph.record(graph.screening("AlH3", state="killed"), verdict="undecided")
    newer = graph.screening("AlH3")
    other = graph.screening("AlH3", label="one/perovskite-AlH3/ffffffffffff")
    assert {one.pk for one in query.screenings("one")} == {newer.pk, other.pk}
    [only] = query.screenings("one", {other.label})
    assert only.pk == other.pk
    assert [record.uuid for record in query.candidates("one", {other.label})] == [other.uuid]


def test_the_record_is_the_summary_with_cost_and_uuid(graph) -> None:
    screening = graph.screening("AlH3")
    graph.record(screening, tc_k={"0.10": 9.5}, flags=["hull_incomplete"])
    graph.job(graph.call(screening, "relax"), ran=(-40.0, -4.0), ranks=2)
    [record] = query.candidates()
    assert record.verdict == "ambient"
    assert record.tc_k.allen_dynes == {"0.10": 9.5}
    assert record.cost_core_hours == pytest.approx(0.02)
    assert record.uuid == screening.uuid


def test_best_figure_of_merit_first_then_lowest_pressure(graph) -> None:
    numbers = {
        "AlH3": {"figure_of_merit": 0.2, "lowest_stable_pressure_gpa": 0.0},
        "CaH2": {"figure_of_merit": 0.5, "lowest_stable_pressure_gpa": 10.0},
        "LiH": {"lowest_stable_pressure_gpa": 20.0},
        "MgH2": {"lowest_stable_pressure_gpa": 5.0},
        "NaH": {},
        "BH3": {},
    }
    for formula, values in numbers.items():
        graph.record(graph.screening(formula), **values)
    assert [record.formula for record in query.candidates()] == ["CaH2", "AlH3", "MgH2", "LiH", "BH3", "NaH"]


@pytest.mark.parametrize(
    ("state", "exit_status", "reason"),
    [
        ("created", None, "still running: hull"),
        ("waiting", None, "still running: hull"),
        ("killed", None, "killed during hull; `hts run` submits it again"),
        ("excepted", None, "stopped by an error of the program during hull; see `verdi process report"),
        ("finished", 11, "ended with exit code 11 during hull"),
    ],
)
def test_without_a_record_the_reason_says_what_is_going_on(graph, state: str, exit_status: int, reason: str) -> None:
    screening = graph.screening(state=state, exit_status=exit_status)
    graph.call(screening, "relax")
    graph.call(screening, "hull", "HullWorkChain", state="waiting")
    [record] = query.candidates()
    assert record.verdict == "undecided"
    assert record.reason.startswith(reason)
    assert "\n" not in record.reason
    assert record.formula == "AlH3"


def test_before_the_first_stage_it_waits_for_the_daemon(graph) -> None:
    graph.screening(state="created")
    assert query.candidates()[0].reason == "still running: waiting for the daemon"


def test_a_candidate_is_found_by_key_formula_uuid_or_a_beginning(graph) -> None:
    one, two = graph.screening("AlH3"), graph.screening("AlH")
    for key in ("perovskite-AlH3", "AlH3", one.uuid, one.uuid[:8]):
        assert query.find_candidate(key).pk == one.pk
    # an exact key wins over the beginning of another
    assert query.find_candidate("perovskite-AlH").pk == two.pk
    with pytest.raises(UserError, match=r"no candidate 'Alh3' in this profile; did you mean AlH3\? there are: "):
        query.find_candidate("Alh3")


def test_an_ambiguous_candidate_is_told_with_its_campaigns(graph) -> None:
    nodes = [graph.screening("AlH3", campaign=name) for name in ("one", "two")]
    with pytest.raises(UserError, match="fits 2 screenings") as raised:
        query.find_candidate("AlH3")
    for node in nodes:
        assert node.label in str(raised.value)
        assert node.uuid[:8] in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="fits 2 screenings"):
        query.find_candidate("perov")


def test_an_error_does_not_list_thousands(graph) -> None:
    for number in range(12):
        graph.screening(f"AlH{number + 2}")
    with pytest.raises(UserError, match="and 2 more"):
        query.find_candidate("nonsense")


def test_relaxed_structures(graph) -> None:
    crystal = Structure(Lattice.cubic(3.9), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    stable, unstable = graph.screening("AlH"), graph.screening("MgH")
    graph.structure(stable, crystal)
    found = query.relaxed_structures([stable.uuid, unstable.uuid])
    assert list(found) == [stable.uuid]
    assert found[stable.uuid].matches(crystal)
    assert query.relaxed_structures([]) == {}
