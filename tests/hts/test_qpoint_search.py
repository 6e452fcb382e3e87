"""The rules of the search, against crystals whose verdict on every level is known."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.qpoint_search import QPointSearch


def walk(
    truth: Mapping[tuple[str, int], str], order: list[str], max_level: int = 2
) -> tuple[str, list[tuple[str, int]]]:
    """Follow the steps one point at a time; return the verdict and what was computed, in order."""
    search = QPointSearch(list(order), max_level)
    computed: list[tuple[str, int]] = []
    while True:
        step = search.next_step()
        if step.kind == "decided":
            return step.verdict, computed
        search = QPointSearch.from_dict(search.to_dict())
        point = step.points[0]
        computed.append((point, step.level))
        search.record(point, step.level, truth[point, step.level], "because")
        assert len(computed) < 50


def truth_of(levels: list[dict[str, str]], points: list[str]) -> dict[tuple[str, int], str]:
    return {(p, level): found.get(p, "stable") for level, found in enumerate(levels) for p in points}


POINTS = ["q_3", "q_2", "q_1"]


@pytest.mark.parametrize(
    ("levels", "verdict", "computed"),
    [
        ([{}, {}, {}], "stable", [("q_3", 0), ("q_2", 0), ("q_1", 0)]),
        # Confirmed at once: no other point is computed.
        ([{"q_3": "unstable"}, {"q_3": "unstable"}, {}], "unstable", [("q_3", 0), ("q_3", 1)]),
        # Gone on the denser mesh: everything is done there, the suspect not twice.
        ([{"q_3": "unstable"}, {}, {}], "stable", [("q_3", 0), ("q_3", 1), ("q_2", 1), ("q_1", 1)]),
        # There another one is imaginary, and needs a mesh denser still.
        (
            [{"q_3": "unstable"}, {"q_2": "unstable"}, {"q_2": "unstable"}],
            "unstable",
            [("q_3", 0), ("q_3", 1), ("q_2", 1), ("q_2", 2)],
        ),
        # Flips to the last level and is imaginary there, unconfirmed.
        (
            [{"q_3": "unstable"}, {"q_2": "unstable"}, {"q_1": "unstable"}],
            "undecided",
            [("q_3", 0), ("q_3", 1), ("q_2", 1), ("q_2", 2), ("q_3", 2), ("q_1", 2)],
        ),
        # Too close to zero: looked at again, but only when the others are known to be stable.
        ([{"q_3": "borderline"}, {}, {}], "stable", [("q_3", 0), ("q_2", 0), ("q_1", 0), ("q_3", 1)]),
        (
            [{"q_3": "borderline"}, {"q_3": "borderline"}, {}],
            "stable",
            [("q_3", 0), ("q_2", 0), ("q_1", 0), ("q_3", 1)],
        ),
        (
            [{"q_3": "borderline"}, {"q_3": "unstable"}, {"q_3": "unstable"}],
            "unstable",
            [("q_3", 0), ("q_2", 0), ("q_1", 0), ("q_3", 1), ("q_3", 2)],
        ),
        (
            [{"q_3": "borderline", "q_1": "unstable"}, {"q_1": "unstable"}, {}],
            "unstable",
            [("q_3", 0), ("q_2", 0), ("q_1", 0), ("q_1", 1)],
        ),
        ([{"q_2": "undecided"}, {}, {}], "undecided", [("q_3", 0), ("q_2", 0)]),
    ],
)
def test_by_hand(levels: list[dict[str, str]], verdict: str, computed: list[tuple[str, int]]) -> None:
    assert walk(truth_of(levels, POINTS), POINTS) == (verdict, computed)


def test_without_a_second_opinion_nothing_is_unstable() -> None:
    assert walk(truth_of([{"q_3": "unstable"}], POINTS), POINTS, max_level=0)[0] == "undecided"
    assert walk(truth_of([{"q_3": "borderline"}], POINTS), POINTS, max_level=0)[0] == "stable"


def test_a_point_between_the_mesh_counts_like_any_other() -> None:
    search = QPointSearch(["q_1"], 1)
    search.record("q_1", 0, "stable")
    assert search.next_step().verdict == "stable"
    search.add(["i_5", "q_1"])
    assert search.next_step().points == ("i_5",)
    search.record("i_5", 0, "unstable")
    step = search.next_step()
    assert (step.points, step.level) == (("i_5",), 1)
    search.record("i_5", 1, "unstable")
    assert search.next_step().points == ("i_5",) and search.next_step().verdict == "unstable"


class OfAMapping(dict[str, Any]):
    """A dictionary that is made of a mapping and of nothing else, as AiiDA's AttributeDict in a checkpoint is."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        super().__init__()
        for key in mapping.keys():  # noqa: SIM118  # what has no keys is no mapping
            value = mapping[key]
            self[key] = OfAMapping(value) if isinstance(value, dict) else value


def test_a_checkpoint_may_have_made_other_mappings_of_it() -> None:
    """`dataclasses.asdict` makes each dictionary anew from pairs, which not every kind of mapping can be made of."""
    search = QPointSearch(list(POINTS), 2)
    search.record("q_3", 0, "borderline")
    search.record("q_3", 1, "unstable")
    stored = OfAMapping(search.to_dict())
    assert type(stored["findings"]["0"]) is OfAMapping
    restored = QPointSearch.from_dict(stored)
    assert restored == search
    assert restored.to_dict() == search.to_dict()
    assert {type(level) for level in restored.to_dict()["findings"].values()} == {dict}
    restored.record("q_2", 0, "stable")
    assert "q_2" not in stored["findings"]["0"]
    assert QPointSearch.from_dict(OfAMapping(restored.to_dict())).next_step() == restored.next_step()


verdicts = st.sampled_from(["stable", "stable", "stable", "borderline", "unstable"])


@given(st.dictionaries(st.tuples(st.sampled_from(POINTS), st.integers(0, 3)), verdicts))
def test_nothing_twice_and_no_verdict_without_its_reason(found: dict[tuple[str, int], str]) -> None:
    truth = {(point, level): found.get((point, level), "stable") for point in POINTS for level in range(4)}
    verdict, computed = walk(truth, POINTS)
    assert len(set(computed)) == len(computed)
    imaginary = [(point, level) for point, level in computed if truth[point, level] == "unstable"]
    if verdict == "unstable":
        assert any((point, level + 1) in imaginary for point, level in imaginary)
    elif verdict == "stable":
        levels = [level for level in range(3) if all((point, level) in computed for point in POINTS)]
        assert any(all(truth[point, level] != "unstable" for point in POINTS) for level in levels)
    else:
        assert imaginary
