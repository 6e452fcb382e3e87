"""The record of a candidate: which verdict follows from which results, and that a failure never becomes one."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.coupling_gates import check, judge_coupling
from hts.records import CandidateRecord
from hts.rungs import collect_ladder, excerpt
from hts.summary import candidate_record

IDENTITY = {"key": "perovskite-Al4H", "prototype": "perovskite", "formula": "Al4H", "insulator_gap_ev": 0.05}
GATES = {"max_hull_ev_per_atom": 0.3, "min_frequency_cm1": -20, "min_tc_k": 1.0}
# design/cli.md: the keys that `hts candidates --json` promises; more may be added.
CONTRACT = {
    "key", "prototype", "formula", "verdict", "reason", "lowest_stable_pressure_gpa", "highest_unstable_pressure_gpa",
    "hull_ev_per_atom", "hull_pressure_gpa", "decomposition", "lambda", "omega_log_mev", "tc_k", "figure_of_merit",
    "flags", "cost_core_hours", "uuid",
}  # fmt: skip
PHYSICAL_NO = {"insulator", "above_hull", "dynamically_unstable", "not_superconducting"}
Results = dict[str, dict[str, Any]]
SERIES = {
    "label": "k24", "lambda": 0.52, "dos_ef_epw": 0.6, "dos_ef_tetrahedra": 0.6, "fermi_epw_ev": 9.5,
    "fermi_dense_ev": 9.5, "fermi_scf_ev": 9.5,
}  # fmt: skip


def placement(pressure: float = 10.0, above: float = 0.1, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    parts = {"Al": 0.8, "H2": 0.2}
    return {"hull_ev_per_atom": above, "pressure_gpa": pressure, "decomposition": parts, "missing": list(missing)}


def rung(pressure: float, verdict: str, above: float | None = 0.1, mesh: int = 2) -> dict[str, Any]:
    found = {"pressure_gpa": pressure, "verdict": verdict, "reason": verdict, "phonons": {"qpoints_mesh": [mesh] * 3}}
    return found | ({} if above is None else {"placement": excerpt("placement", placement(pressure, above))})


def tc_result(tc_k: float | None = 8.0) -> dict[str, Any]:
    rows = [
        {"mu_star": mu, "mcmillan_k": 7.0, "allen_dynes_k": tc_k, "eliashberg_k": 9.0, "status": "superconducting"}
        for mu in (0.1, 0.13)
    ]
    return {"lambda": 0.52, "omega_log_mev": 46.0, "tc": rows, "allen_dynes_spread_k": [7.0, 9.0]}


def everything(*rungs: dict[str, Any], tc_k: float | None = 8.0) -> Results:
    return {
        "relaxation": {
            "gap_ev": 0.0, "space_group_number": 221, "initial_space_group_number": 221, "pressure_gpa": 10.0
        },
        "placement": placement(),
        "ladder": collect_ladder(list(rungs) or [rung(10.0, "stable"), rung(0.0, "stable", 0.12)]),
        "coupling": judge_coupling([SERIES], 0.1, 0.1).to_dict(),
        "tc": tc_result(tc_k),
    }  # fmt: skip


def record(results: Results, failure: str | None = None, **gates: float) -> CandidateRecord:
    return candidate_record(IDENTITY, results, GATES | gates, failure)


def until(results: Results, last: str) -> Results:
    names = list(results)
    return {name: results[name] for name in names[: names.index(last) + 1]}


def changed(results: Results, stage: str, **changes: Any) -> Results:
    return copy.deepcopy(results) | {stage: results[stage] | changes}


DOWN_TO_5 = everything(rung(10.0, "stable"), rung(0.0, "unstable"), rung(5.0, "stable", 0.11))
CASES: dict[str, tuple[Results, str | None, str]] = {
    "ambient": (everything(), None, "ambient"),
    "stable to 5 GPa": (DOWN_TO_5, None, "stable_to_pressure"),
    "above hull at 0": (everything(rung(10.0, "stable"), rung(0.0, "above_hull", 0.4)), None, "stable_to_pressure"),
    "unstable at the start": (until(everything(rung(10.0, "unstable")), "ladder"), None, "dynamically_unstable"),
    "insulator": (until(changed(everything(), "relaxation", gap_ev=2.0), "relaxation"), None, "insulator"),
    "insulator on the ladder": (until(everything(rung(10.0, "insulator")), "ladder"), None, "insulator"),
    "above hull": (until(changed(everything(), "placement", hull_ev_per_atom=0.31), "placement"), None, "above_hull"),
    "above hull on the ladder": (until(everything(rung(10.0, "above_hull")), "ladder"), None, "above_hull"),
    "no superconductor": (everything(tc_k=0.2), None, "not_superconducting"),
    "no Tc": (everything(tc_k=None), None, "undecided"),
    "nothing": ({}, None, "undecided"),
    "relaxation failed": ({}, "relax: scf did not converge", "undecided"),
    "hull failed": (until(everything(), "relaxation"), "hull: Al failed", "undecided"),
    "rung undecided": (until(everything(rung(10.0, "undecided")), "ladder"), "decompress: ph.x", "undecided"),
    "lower rung undecided": (
        until(everything(rung(10.0, "stable"), rung(0.0, "undecided")), "ladder"), "decompress: ph.x", "undecided"
    ),
    "epw failed": (until(everything(), "ladder"), "coupling: epw.x", "undecided"),
    "coupling undecided": (
        changed(until(everything(), "coupling"), "coupling", verdict="undecided", reason="no alpha2F"),
        None, "undecided"
    ),
    "no hull at 0": (everything(rung(10.0, "stable"), rung(0.0, "stable", None)), None, "undecided"),
    "a rung without its ladder": (until(everything(), "placement") | {"tc": everything()["tc"]}, None, "undecided"),
}  # fmt: skip


@pytest.mark.parametrize(("results", "failure", "verdict"), CASES.values(), ids=list(CASES))
def test_verdicts(results: Results, failure: str | None, verdict: str) -> None:
    found = record(results, failure)
    assert found.verdict == verdict
    assert found.reason
    if failure is not None:
        assert found.reason == failure


def test_every_verdict_is_reached() -> None:
    reached = {verdict for _, _, verdict in CASES.values()}
    assert reached == set(CandidateRecord.model_fields["verdict"].annotation.__args__)  # type: ignore[union-attr]


@given(
    names=st.sets(st.sampled_from(list(everything()))),
    failure=st.none() | st.just("job was killed"),
    gap=st.sampled_from([0.0, 2.0, float("nan")]),
    above=st.sampled_from([0.1, 0.31, float("nan")]),
    verdicts=st.lists(st.sampled_from(["stable", "unstable", "above_hull", "insulator", "undecided"]), max_size=3),
    placed=st.booleans(),
    tc_k=st.sampled_from([8.0, 0.2, 0.0, None, float("nan")]),
)
def test_no_failure_becomes_a_physical_verdict(
    names: set[str],
    failure: str | None,
    gap: float,
    above: float,
    verdicts: list[str],
    placed: bool,
    tc_k: float | None,
) -> None:
    """Whatever is missing or not a number: a "no" needs a stage that said no, a "yes" needs all of them."""
    rungs = [rung(10.0 - 5 * index, name, 0.1 if placed else None) for index, name in enumerate(verdicts)]
    full = everything(tc_k=tc_k) | {"ladder": collect_ladder(rungs)}
    full["relaxation"]["gap_ev"], full["placement"]["hull_ev_per_atom"] = gap, above
    verdict = record({name: content for name, content in full.items() if name in names}, failure).verdict
    ladder = full["ladder"]
    said_no = {
        "insulator": ("relaxation" in names and gap == 2.0) or "insulator" in verdicts,
        "above_hull": ("placement" in names and above == 0.31) or "above_hull" in verdicts,
        "dynamically_unstable": "ladder" in names and ladder["verdict"] == "failed",
        "not_superconducting": "tc" in names and tc_k in (0.2, 0.0),
    }
    if verdict in PHYSICAL_NO:
        assert said_no[verdict]
    elif verdict != "undecided":
        assert failure is None
        assert names == set(full)
        assert (gap, tc_k, ladder["verdict"]) == (0.0, 8.0, "passed")
        assert verdict != "ambient" or (ladder["lowest_stable_pressure_gpa"] == 0.0 and placed)


def test_a_stricter_gate_judges_the_stored_numbers_again() -> None:
    """0.12 eV/atom at 0 GPa and 0.1 at 10: ambient under a gate of 0.3, above hull under one of 0.05."""
    assert record(everything()).verdict == "ambient"
    strict = record(everything(), max_hull_ev_per_atom=0.05)
    assert strict.verdict == "above_hull"
    assert "0.100 eV/atom" in strict.reason and "at 10 GPa" in strict.reason
    assert record(everything(), min_tc_k=50.0).verdict == "not_superconducting"


def test_a_gate_that_ends_the_descent_earlier_asks_for_another_tc() -> None:
    """Under 0.11 the descent would have ended at 10 GPa, where nobody computed a Tc."""
    between = record(everything(), max_hull_ev_per_atom=0.11)
    assert between.verdict == "undecided"
    assert "0.120 eV/atom" in between.reason
    assert between.reason.endswith("stable and within it down to 10 GPa, where no Tc was computed")


def test_keys_are_those_of_the_contract() -> None:
    for results, failure, _ in CASES.values():
        content = json.loads(json.dumps(record(results, failure).model_dump(by_alias=True), allow_nan=False))
        assert set(content) >= CONTRACT
        assert set(content["tc_k"]) == {"allen_dynes", "eliashberg"}


def test_what_was_not_computed_is_none() -> None:
    empty = record({}, "relax: failed").model_dump(by_alias=True)
    filled = {"key", "prototype", "formula", "verdict", "reason", "tc_k"}
    nothing: dict[str, Any] = {
        "flags": [], "hull_by_pressure": {}, "tc_spread": {}, "tc_unverified": [], "tc_by_pressure": []
    }  # fmt: skip
    assert {key for key, value in empty.items() if value is not None} == filled | set(nothing)
    assert {key: empty[key] for key in nothing} == nothing
    assert empty["tc_k"] == {"allen_dynes": {}, "eliashberg": {}}
    no_tc = record(everything(tc_k=None))
    assert no_tc.figure_of_merit is None
    assert no_tc.tc_k.allen_dynes == {"0.10": None, "0.13": None}
    assert no_tc.tc_k.eliashberg == {"0.10": 9.0, "0.13": 9.0}


def test_hull_belongs_to_the_lowest_stable_pressure() -> None:
    found = record(DOWN_TO_5)
    assert (found.hull_pressure_gpa, found.hull_ev_per_atom) == (5.0, 0.11)
    assert found.hull_by_pressure == {"10": 0.1, "5": 0.11, "0": 0.1}
    assert found.hull_stability is not None
    assert (found.hull_stability["status"], found.hull_stability["lowest_pressure_gpa"]) == ("stable_at_all", 0)
    assert (found.lowest_stable_pressure_gpa, found.highest_unstable_pressure_gpa) == (5.0, 0.0)
    nowhere = record(CASES["unstable at the start"][0])
    assert (nowhere.hull_pressure_gpa, nowhere.lowest_stable_pressure_gpa) == (10.0, None)


def test_figure_of_merit() -> None:
    """Tc / sqrt(P^2 + 39^2): 1 for MgB2; https://doi.org/10.1146/annurev-conmatphys-031218-013413."""
    assert record(everything(tc_k=39.0)).figure_of_merit == pytest.approx(1.0)
    assert record(DOWN_TO_5).figure_of_merit == pytest.approx(8.0 / (5**2 + 39**2) ** 0.5)


def test_mu_star_keys_do_not_collide() -> None:
    results = everything()
    results["tc"]["tc"] = [row | {"mu_star": mu} for row, mu in zip(results["tc"]["tc"], (0.12, 0.125), strict=True)]
    assert set(record(results).tc_k.allen_dynes) == {"0.12", "0.125"}


@pytest.mark.parametrize(
    ("stage", "changes", "flag"),
    [
        ("relaxation", {"space_group_number": 1}, "symmetry_lost"),
        ("placement", {"missing": ["AlH3"]}, "hull_incomplete"),
        ("coupling", {"flags": ["tc_unverified"]}, "tc_unverified"),
    ],
)
def test_flags(stage: str, changes: dict[str, Any], flag: str) -> None:
    assert record(everything()).flags == ["provisional_q_grid"]
    found = record(changed(everything(), stage, **changes))
    assert found.verdict == "ambient"
    assert sorted(found.flags) == sorted({"provisional_q_grid", flag})


def test_flags_of_the_rungs() -> None:
    fine = everything(rung(10.0, "stable", mesh=4), rung(0.0, "stable", mesh=4))
    assert record(fine).flags == []
    fine["ladder"]["rungs"][1]["placement"]["missing"] = ["AlH3"]
    assert record(fine).flags == ["hull_incomplete"]


def test_zero_point_energy_is_reported_beside_the_verdict() -> None:
    static = record(everything())
    report = {"distance_ev_per_atom": 0.12, "distance_with_zero_point_ev_per_atom": 0.9, "approximate": ["H2-hcp"]}
    corrected = record({**everything(), "zero_point": report})
    assert static.hull_zero_point is None
    assert corrected.hull_zero_point == report
    assert corrected.model_copy(update={"hull_zero_point": None}) == static


def test_a_followed_soft_mode_is_reported_beside_the_verdict() -> None:
    """Neither where a mode led to nor where a crystal came from decides anything."""
    unstable = until(everything(rung(10.0, "unstable")), "ladder")
    followed = {"verdict": "lower", "reason": "space group 221 -> 140, -12.0 meV/atom", "space_group_number": 140}
    parent = record({**unstable, "distortion": followed})
    assert parent.verdict == "dynamically_unstable" and parent.distortion == followed
    assert parent.model_copy(update={"distortion": None}) == record(unstable)
    child = candidate_record({**IDENTITY, "parent": "0123"}, everything(), GATES, None)
    assert child.parent == "0123" and child.model_copy(update={"parent": None}) == record(everything())


NO_GOOD = {
    "coupling": judge_coupling(
        [SERIES | {"dos_ef_epw": 0.9}],
        0.1,
        0.1,
        checks=[check("bands_rms_ev", 0.4, 0.1, "eV", "Wannier bands 0.400 eV RMS from those of pw.x")],
    ).to_dict()
}
LINES = [
    "N(E_F) +50.0%, E_F +0.000 eV against pw.x at k24",
    "Wannier bands 0.400 eV RMS from those of pw.x (limit 0.1 eV)",
]


def test_what_a_tc_rests_on_is_said_with_the_verdict() -> None:
    found = record(everything() | NO_GOOD)
    assert found.verdict == "ambient"
    assert found.tc_unverified == LINES
    assert found.reason.endswith(f"unverified: {'; '.join(LINES)}")
    assert "tc_unverified" in found.flags
    sound = record(everything())
    assert sound.tc_unverified == [] and "unverified" not in sound.reason


def test_a_tc_below_the_gate_decides_only_if_it_is_verified() -> None:
    assert record(everything(tc_k=0.2)).verdict == "not_superconducting"
    doubtful = record(everything(tc_k=0.2) | NO_GOOD)
    assert doubtful.verdict == "undecided"
    assert ", but lambda 0.52 is unverified: " in doubtful.reason and LINES[1] in doubtful.reason
    # What another stage has said no to needs no Tc.
    assert record(changed(everything(tc_k=0.2) | NO_GOOD, "relaxation", gap_ev=2.0)).verdict == "insulator"


def spared(tc_k: float, upper_bound_k: float) -> Results:
    """Return the results of a candidate whose fine meshes were spared on the ground of an estimate."""
    estimate = {"label": "k12", "allen_dynes_k": tc_k, "upper_bound_k": upper_bound_k, "reason": "estimate from k12"}
    convergence = {"status": "estimate_only", "reason": "no fine meshes: estimate from k12"}
    coupling = judge_coupling([], 0.1, 0.1, convergence=convergence, estimate=estimate).to_dict()
    return everything(tc_k=tc_k) | {"coupling": coupling}


@pytest.mark.parametrize(
    ("min_tc_k", "verdict"),
    [
        (5.0, "not_superconducting"),
        (1.0, "not_superconducting"),
        (0.9, "undecided"),
        (0.5, "undecided"),
        (0.3, "undecided"),
    ],
)
def test_an_estimate_says_no_only_above_its_upper_bound(min_tc_k: float, verdict: str) -> None:
    """Estimated 0.4 K, at most 0.9 K: from 0.9 K down the fine meshes are needed, for a yes as for a no."""
    found = record(spared(0.4, 0.9), min_tc_k=min_tc_k)
    assert found.verdict == verdict
    assert found.tc_convergence == "estimate_only"
    assert "tc_estimate" in found.flags
    if verdict == "undecided":
        assert f"Tc was only estimated, which does not decide a gate of {min_tc_k:g} K: estimate" in found.reason


@given(st.floats(0, 5), st.floats(0, 5), st.floats(0, 10))
def test_an_estimate_never_makes_a_superconductor(tc_k: float, more_k: float, min_tc_k: float) -> None:
    bound_k = tc_k + more_k
    verdict = record(spared(tc_k, bound_k), min_tc_k=min_tc_k).verdict
    assert verdict == ("not_superconducting" if bound_k < min_tc_k else "undecided")


def test_convergence_is_reported_beside_the_verdict() -> None:
    for status in ("converged", "not_converged"):
        convergence = {"status": status, "reason": "Tc changes by 9 K"}
        coupling = judge_coupling([SERIES], 0.1, 0.1, convergence=convergence).to_dict()
        found = record(everything() | {"coupling": coupling})
        assert (found.verdict, found.tc_convergence) == ("ambient", status)
        assert ("tc_not_converged" in found.flags) == (status == "not_converged")
    assert record(everything()).tc_convergence is None


def test_rungs_above_are_reported_beside_the_answer() -> None:
    """Tc at 10 GPa decides nothing: the answer is that of the lowest stable pressure."""
    above = judge_coupling([SERIES | {"dos_ef_epw": 0.9}], 0.1, 0.1, more={"pressure_gpa": 10.0}).to_dict()
    found = record(DOWN_TO_5 | {"coupling_10GPa": above, "tc_10GPa": tc_result(0.2)})
    assert [one["pressure_gpa"] for one in found.tc_by_pressure] == [5.0, 10.0]
    assert [one["tc_k"]["allen_dynes"]["0.10"] for one in found.tc_by_pressure] == [8.0, 0.2]
    assert [one["flags"] for one in found.tc_by_pressure] == [[], ["tc_unverified"]]
    alone = record(DOWN_TO_5)
    assert found.model_copy(update={"tc_by_pressure": alone.tc_by_pressure}) == alone
    content = json.dumps(found.model_dump(by_alias=True), allow_nan=False)
    assert CandidateRecord.model_validate_json(content) == found


def test_a_harmonic_lambda_beside_an_instability_is_flagged() -> None:
    """Only where an imaginary mode ended the descent and a Tc was computed."""
    assert record(DOWN_TO_5).flags == ["provisional_q_grid", "beside_instability"]
    assert "beside_instability" not in record(until(DOWN_TO_5, "coupling")).flags
    assert "beside_instability" not in record(everything()).flags
    off_the_hull = everything(rung(10.0, "stable"), rung(0.0, "above_hull", 0.4))
    assert "beside_instability" not in record(off_the_hull).flags


def test_spread_by_what_is_varied() -> None:
    results = everything()
    results["tc"]["spread"] = {"formulas_k": None, "mu_star_k": [6.0, 8.0]}
    found = record(results)
    assert found.tc_spread == {"formulas_k": None, "mu_star_k": [6.0, 8.0], "meshes_and_smearings_k": [7.0, 9.0]}
    assert found.tc_spread_k == [7.0, 9.0]
    assert record(until(everything(), "coupling")).tc_spread == {}
