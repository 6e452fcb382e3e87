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
        "softest": {
            "index": 4, "qpoint": [0.5] * 3, "lowest_cm1": 149.0, "species_weight": {"H": 1.0}, "irrep": None,
        },
        "lowest_cm1_by_qpoint": {"1": 232.0, "4": 149.0},
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


def phonon_rung(pressure_gpa: float, verdict: str, **lowest_cm1: float) -> dict[str, Any]:
    phonons = {
        "lowest_cm1_by_qpoint": {name[1:]: value for name, value in lowest_cm1.items()},
        "min_frequency_cm1": -20.0,
    }
    return {"pressure_gpa": pressure_gpa, "verdict": verdict, "reason": "", "phonons": phonons}


def test_the_ladder_knows_where_stability_should_end() -> None:
    """N of bcc Al as pw.x and ph.x gave it in LDA: 241, 176, 73 cm-1 at 300, 200, 100 GPa, -91 at 50 GPa."""
    above = [phonon_rung(300, "stable", q1=700, q2=241), phonon_rung(200, "stable", q1=650, q2=176)]
    predicted = collect_ladder(above)["softening"]
    assert predicted["qpoint_index"] == 2 and predicted["critical_pressure_gpa"] == pytest.approx(84.2, abs=2.5)
    rungs = [*above, phonon_rung(100, "stable", q1=574, q2=73), phonon_rung(50, "unstable", q2=-91)]
    ladder = collect_ladder(rungs)
    assert ladder["softening"]["critical_pressure_gpa"] == pytest.approx(80.0, abs=2)
    assert "interpolated" in ladder["softening"]["reason"]
    assert ladder["reentrant_pressures_gpa"] == []


def test_what_is_stable_again_is_said_and_not_counted() -> None:
    ladder = collect_ladder([rung(20.0, "stable"), rung(10.0, "unstable"), rung(0.0, "stable")])
    assert ladder["reentrant_pressures_gpa"] == [0.0]
    assert ladder["lowest_stable_pressure_gpa"] == 20.0
