"""Each judge at its thresholds; what is not a number never decides anything."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.phonons import QPointVerdict
from hts.verdict import judge_dynamics, judge_hull, judge_ladder, judge_relaxation, judge_tc

RELAXATION = {"gap_ev": 0.0, "space_group_number": 221, "initial_space_group_number": 221, "pressure_gpa": 10.0}
PLACEMENT = {"hull_ev_per_atom": 0.1, "pressure_gpa": 10.0, "decomposition": {"Al": 0.4, "H2": 0.6}, "missing": []}


def point(verdict: str, lowest: float = 100.0) -> QPointVerdict:
    return QPointVerdict(verdict, lowest, f"lowest {lowest:.0f} cm-1")


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [(0.0, "passed"), (-1.0, "passed"), (0.05, "passed"), (0.0501, "failed"), (math.nan, "undecided")],
)
def test_relaxation(gap: float, verdict: str) -> None:
    judgement = judge_relaxation(RELAXATION | {"gap_ev": gap}, 0.05)
    assert (judgement.stage, judgement.verdict, judgement.flags) == ("relax", verdict, ())


def test_lost_symmetry_is_a_flag() -> None:
    judgement = judge_relaxation(RELAXATION | {"space_group_number": 1}, 0.05)
    assert judgement.verdict == "passed"
    assert judgement.flags == ("symmetry_lost",)
    assert "space group 1 (was 221)" in judgement.reason


@pytest.mark.parametrize(
    ("above", "verdict"), [(0.0, "passed"), (0.3, "passed"), (0.3001, "failed"), (math.nan, "undecided")]
)
@pytest.mark.parametrize("missing", [[], ["AlH3"]])
def test_hull(above: float, verdict: str, missing: list[str]) -> None:
    judgement = judge_hull(PLACEMENT | {"hull_ev_per_atom": above, "missing": missing}, 0.3)
    assert judgement.verdict == verdict
    assert judgement.flags == (("hull_incomplete",) if missing else ())
    assert verdict == "undecided" or "0.40 Al + 0.60 H2 at 10 GPa" in judgement.reason


def test_on_the_hull_says_against_what() -> None:
    placed = PLACEMENT | {
        "hull_ev_per_atom": 0.0,
        "stabilisation_ev_per_atom": -0.0423,
        "reaction": "CaH6 -> CaH4 + H2",
    }
    judgement = judge_hull(placed, 0.3)
    assert judgement.verdict == "passed"
    assert judgement.reason == "on the hull at 10 GPa, 0.042 eV/atom against CaH6 -> CaH4 + H2"


@pytest.mark.parametrize(
    ("points", "count", "second", "failure", "verdict"),
    [
        ({1: "stable", 2: "stable"}, 2, {}, None, "stable"),
        ({1: "stable", 2: "unstable"}, 2, {2: "unstable"}, None, "unstable"),
        ({2: "unstable"}, 4, {2: "unstable"}, None, "unstable"),  # the others were not run: the first one ends it
        ({2: "unstable"}, 4, {2: "unstable"}, "q 3 failed", "unstable"),
        ({1: "stable", 2: "unstable"}, 2, {}, None, "undecided"),  # nobody has looked again
        ({1: "stable", 2: "unstable"}, 2, {2: "stable"}, None, "undecided"),  # the second opinion contradicts
        ({1: "stable", 2: "unstable"}, 2, {1: "unstable"}, None, "undecided"),  # another point's
        ({1: "stable", 2: "borderline"}, 2, {2: "borderline"}, None, "stable"),
        ({1: "stable", 2: "undecided"}, 2, {}, None, "undecided"),
        ({1: "stable"}, 2, {}, None, "undecided"),
        ({1: "stable", 2: "stable"}, 2, {}, "q 2 failed", "undecided"),
        ({}, 0, {}, None, "undecided"),
        ({}, 4, {}, "all failed", "undecided"),
    ],
)
def test_dynamics(
    points: dict[int, str], count: int, second: dict[int, str], failure: str | None, verdict: str
) -> None:
    found, reason = dynamics(points, second, count, failure)
    assert found == verdict
    assert reason
    assert verdict != "undecided" or failure is None or reason == failure


def dynamics(points: dict[int, str], second: dict[int, str], count: int, failure: str | None) -> tuple[str, str]:
    first = {f"q_{index}": point(name) for index, name in points.items()}
    again = {f"q_{index}": point(name) for index, name in second.items()}
    names = {key: key.replace("_", " ") for key in [*first, *again]}
    return judge_dynamics(first, again, names, count, failure)


verdicts_of_points = st.dictionaries(
    st.integers(1, 6), st.sampled_from(["stable", "borderline", "unstable", "undecided"])
)


@given(verdicts_of_points, verdicts_of_points, st.integers(0, 6), st.none() | st.just("ph.x was killed"))
def test_dynamics_needs_everything_for_yes_and_a_confirmed_mode_for_no(
    points: dict[int, str], second: dict[int, str], count: int, failure: str | None
) -> None:
    verdict, _ = dynamics(points, second, count, failure)
    if verdict == "stable":
        assert failure is None and len(points) == count and set(points.values()) <= {"stable", "borderline"}
    elif verdict == "unstable":
        assert any(points[index] == second.get(index) == "unstable" for index in points)
    else:
        assert verdict == "undecided"


def test_the_softest_mode_is_named() -> None:
    points = {"q_1": point("stable", 230.0), "q_4": point("stable", 149.0), "i_7": point("stable", 180.0)}
    names = {"q_1": "q 1 (0 0 0)", "q_4": "q 4 (0.5 0.5 0.5)", "i_7": "q (0.25 0 0)"}
    _, reason = judge_dynamics(points, {}, names, 2, None)
    assert reason == (
        "no imaginary mode at 2 irreducible q-points; softest 149 cm-1 at q 4 (0.5 0.5 0.5); imaginary in the "
        "interpolation only, exact: q (0.25 0 0)"
    )


def rung(verdict: str, mesh: list[int]) -> dict[str, Any]:
    return {"pressure_gpa": 10.0, "verdict": verdict, "phonons": {"qpoints_mesh": mesh}}


@pytest.mark.parametrize(
    ("rungs", "flags"),
    [
        ([rung("stable", [2, 2, 2])], ("provisional_q_grid",)),
        ([rung("stable", [3, 3, 3])], ()),
        ([rung("stable", [2, 2, 1])], ("provisional_q_grid",)),
        ([rung("unstable", [2, 2, 2])], ()),
        ([], ()),
    ],
)
def test_ladder(rungs: list[dict[str, Any]], flags: tuple[str, ...]) -> None:
    ladder = {
        "rungs": rungs, "lowest_stable_pressure_gpa": None, "highest_unstable_pressure_gpa": None, "ended_by": None,
        "verdict": "failed", "reason": "why",
    }  # fmt: skip
    judgement = judge_ladder(ladder)
    assert (judgement.verdict, judgement.reason, judgement.flags) == ("failed", "why", flags)


@pytest.mark.parametrize(
    ("tc", "verdict"),
    [(1.0, "passed"), (0.999, "failed"), (0.0, "failed"), (None, "undecided"), (math.nan, "undecided")],
)
def test_tc(tc: float | None, verdict: str) -> None:
    assert judge_tc(tc, 0.1, 1.0).verdict == verdict


def test_judgements_are_json() -> None:
    for judgement in (judge_relaxation(RELAXATION, 0.05), judge_hull(PLACEMENT, 0.3)):
        content = json.loads(json.dumps(judgement.to_dict(), allow_nan=False))
        assert list(content) == ["stage", "verdict", "reason", "numbers", "thresholds", "flags"]


FERROMAGNETIC = {
    "state": "ferromagnetic", "gain_ev_per_atom": 0.05, "moment_bohr_mag_per_cell": 0.58,
    "moment_bohr_mag_per_atom": 0.58, "enthalpy_ev_per_atom": -1.0,
}  # fmt: skip
NICKEL = {"basis": {"pseudos": {"Ni": "md5"}}}


@pytest.mark.parametrize(
    ("changes", "flags", "words"),
    [
        (
            {"magnetism": FERROMAGNETIC},
            ("magnetic",),
            "0.58 Bohr magnetons a cell, 0.0500 eV/atom below the non-magnet",
        ),
        ({"magnetism": {**FERROMAGNETIC, "state": "nonmagnetic"}}, (), "space group 221"),
        (
            {"magnetism": {"state": "unknown", "reason": "scf not converged"}},
            ("magnetism_unknown",),
            "magnetic state unknown: scf not converged",
        ),
        (NICKEL, ("magnetism_unknown",), "not looked at, for all its Ni"),
        ({"space_group_number": 1, "magnetism": FERROMAGNETIC}, ("symmetry_lost", "magnetic"), "(was 221); ferro"),
    ],
)
def test_magnetism_is_a_flag(changes: dict[str, Any], flags: tuple[str, ...], words: str) -> None:
    judgement = judge_relaxation(RELAXATION | changes, 0.05)
    assert (judgement.verdict, judgement.flags) == ("passed", flags)
    assert words in judgement.reason
    assert judgement.numbers.get("magnetism") == changes.get("magnetism")
    insulator = judge_relaxation(RELAXATION | changes | {"gap_ev": 1.0}, 0.05)
    assert (insulator.verdict, insulator.flags) == ("failed", flags)


def test_magnetism_of_a_lower_rung_is_a_flag_too() -> None:
    above = {"pressure_gpa": 20.0, "verdict": "stable", "relaxation": {"magnetism": {"state": "nonmagnetic"}}}
    unknown = {
        "pressure_gpa": 10.0,
        "verdict": "stable",
        "relaxation": {"magnetism": {"state": "unknown", "reason": "x"}},
    }
    below = {"pressure_gpa": 0.0, "verdict": "unstable", "relaxation": {"magnetism": FERROMAGNETIC}}
    ladder = {
        "rungs": [{**one, "phonons": {"qpoints_mesh": [3, 3, 3]}} for one in (above, unknown, below)],
        "lowest_stable_pressure_gpa": 10.0, "highest_unstable_pressure_gpa": 0.0, "ended_by": None,
        "verdict": "passed", "reason": "why",
    }  # fmt: skip
    judgement = judge_ladder(ladder)
    assert judgement.flags == ("magnetism_unknown", "magnetic")
    assert judgement.reason == "why; magnetic state unknown at 10 GPa; ferromagnetic at 0 GPa"
    assert judgement.numbers["magnetic_at_gpa"] == [0.0]


def test_an_upper_bound_beyond_the_gate_is_no_physical_no() -> None:
    """With its magnetic state unknown a crystal may lie lower than the non-magnetic state that was computed."""
    placed = {"hull_ev_per_atom": 0.4, "pressure_gpa": 0.0, "decomposition": {"Fe": 1.0}, "missing": []}
    assert judge_hull(placed, 0.3).verdict == "failed"
    doubtful = judge_hull({**placed, "upper_bound": "pw.x failed"}, 0.3)
    assert doubtful.verdict == "undecided"
    assert doubtful.reason.endswith("the crystal may lie lower, its magnetic state is unknown: pw.x failed")
    assert judge_hull({**placed, "upper_bound": "pw.x failed"}, 0.5).verdict == "passed"
