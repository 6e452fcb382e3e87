"""The ladder as a record: what each rung keeps, and the bracket they add up to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.rungs import collect_ladder, excerpt

VERDICTS = ["stable", "unstable", "above_hull", "insulator", "undecided"]


def rung(pressure: float, verdict: str) -> dict[str, Any]:
    return {"pressure_gpa": pressure, "verdict": verdict, "reason": f"{verdict} there"}


@pytest.mark.parametrize(
    ("rungs", "lowest", "unstable", "ended", "verdict"),
    [
        ([], None, None, None, "undecided"),
        ([rung(10, "stable")], 10, None, None, "passed"),
        ([rung(10, "stable"), rung(0, "stable")], 0, None, None, "passed"),
        ([rung(10, "stable"), rung(0, "unstable")], 10, 0, (0, "unstable"), "passed"),
        ([rung(10, "stable"), rung(0, "unstable"), rung(5, "stable")], 5, 0, (0, "unstable"), "passed"),
        ([rung(10, "stable"), rung(0, "undecided")], 10, None, (0, "undecided"), "passed"),
        ([rung(10, "stable"), rung(0, "above_hull")], 10, None, (0, "above_hull"), "passed"),
        ([rung(10, "stable"), rung(0, "insulator")], 10, None, (0, "insulator"), "passed"),
        ([rung(10, "unstable")], None, 10, (10, "unstable"), "failed"),
        ([rung(10, "above_hull")], None, None, (10, "above_hull"), "failed"),
        ([rung(10, "undecided")], None, None, (10, "undecided"), "undecided"),
    ],
)
def test_the_bracket(
    rungs: list[dict[str, Any]], lowest: float | None, unstable: float | None, ended: Any, verdict: str
) -> None:
    ladder = collect_ladder(rungs)
    assert ladder["rungs"] == rungs
    assert ladder["lowest_stable_pressure_gpa"] == lowest
    assert ladder["highest_unstable_pressure_gpa"] == unstable
    assert ladder["verdict"] == verdict
    found = ladder["ended_by"]
    assert (found and (found["pressure_gpa"], found["verdict"])) == ended


def test_reasons() -> None:
    assert collect_ladder([])["reason"] == "no pressure was tried"
    assert collect_ladder([rung(10, "unstable")])["reason"] == "10 GPa: unstable there"
    assert collect_ladder([rung(10, "stable")])["reason"] == "dynamically stable down to 10 GPa"
    both = collect_ladder([rung(10, "stable"), rung(0, "above_hull")])["reason"]
    assert both == "dynamically stable down to 10 GPa; at 0 GPa above hull: above_hull there"


@given(st.lists(st.sampled_from(VERDICTS), max_size=6))
def test_only_a_rung_that_was_decided_decides(verdicts: list[str]) -> None:
    rungs = [rung(10.0 * (6 - index), verdict) for index, verdict in enumerate(verdicts)]
    ladder = collect_ladder(rungs)
    if ladder["verdict"] == "passed":
        assert "stable" in verdicts
    elif ladder["verdict"] == "failed":
        assert set(verdicts) & {"unstable", "above_hull", "insulator"}
        assert "undecided" not in verdicts
    else:
        assert not verdicts or "undecided" in verdicts


def test_excerpts_point_at_the_softest_mode() -> None:
    points = [
        {
            "index": 1,
            "qpoint": [0, 0, 0],
            "lowest_cm1": 232.0,
            "species_weight": {"Al": 1.0},
            "frequencies_cm1": [232.0],
        },
        {
            "index": 4,
            "qpoint": [0.5] * 3,
            "lowest_cm1": 149.0,
            "species_weight": {"H": 1.0},
            "frequencies_cm1": [149.0],
        },
    ]
    content = {"verdict": "stable", "reason": "all real", "qpoints_mesh": [2, 2, 2], "qpoints": points, "extra": 1}
    short = excerpt("phonons", content)
    assert short == {
        "verdict": "stable", "reason": "all real", "qpoints_mesh": [2, 2, 2],
        "softest": {"index": 4, "qpoint": [0.5] * 3, "lowest_cm1": 149.0, "species_weight": {"H": 1.0}},
    }  # fmt: skip
    assert "softest" not in excerpt("phonons", {"verdict": "undecided", "qpoints": []})


def test_excerpts_leave_the_rest_in_its_node() -> None:
    relaxation = {"enthalpy_ev_per_atom": -1.0, "volume_ang3": 60.0, "basis": {"long": "story"}}
    assert excerpt("relaxation", relaxation) == {"enthalpy_ev_per_atom": -1.0, "volume_ang3": 60.0}
    placement = {"hull_ev_per_atom": 0.1, "pressure_gpa": 10.0, "decomposition": {"Al": 1.0}, "missing": []}
    assert "pressure_gpa" not in excerpt("placement", placement)


def test_a_rung_keeps_its_magnetism() -> None:
    magnetism = {"state": "unknown", "reason": "pw.x was killed"}
    assert excerpt("relaxation", {"magnetism": magnetism, "passes": 1}) == {"magnetism": magnetism}
