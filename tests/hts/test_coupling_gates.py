"""The gates on a coupling at their thresholds, and what an answer that fails one of them says of itself."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.coupling_gates import check, deviations_text, judge_coupling, preferred_first

SERIES = {
    "label": "k24_q4", "lambda": 0.5, "dos_ef_epw": 0.6, "dos_ef_tetrahedra": 0.6, "fermi_epw_ev": 9.5,
    "fermi_dense_ev": 9.5,
}  # fmt: skip
CONVERGED = {"status": "converged", "reason": "Tc changes by 0.2 K"}
NOT_CONVERGED = {"status": "not_converged", "reason": "Tc changes by 9 K"}
ESTIMATE_ONLY = {"status": "estimate_only", "reason": "no fine meshes: estimate"}
ESTIMATE = {"label": "k12", "lambda": 0.2, "upper_bound_k": 0.4, "reason": "estimate"}
GOOD_BANDS = check("bands_rms_ev", 0.04, 0.1, "eV", "Wannier bands 0.040 eV RMS from those of pw.x")
BAD_BANDS = check("bands_rms_ev", 0.4, 0.1, "eV", "Wannier bands 0.400 eV RMS from those of pw.x")
UNKNOWN = check("decay_H", None, 0.1, "", "decay of the Hamiltonian not known: EPW wrote none")


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, ()),
        ({"dos_ef_epw": 0.66}, ()),
        ({"dos_ef_epw": 0.67}, ("tc_unverified",)),
        ({"dos_ef_epw": 0.53}, ("tc_unverified",)),
        ({"fermi_epw_ev": 9.59}, ()),
        ({"fermi_epw_ev": 8.8}, ("tc_unverified",)),
        ({"dos_ef_tetrahedra": 0.0}, ("tc_unverified",)),
        ({"dos_ef_epw": math.nan}, ("tc_unverified",)),
    ],
)
def test_coupling_gates(changes: dict[str, float], flags: tuple[str, ...]) -> None:
    judgement = judge_coupling([SERIES | changes], 0.1001, 0.1)
    assert (judgement.verdict, judgement.flags) == ("passed", flags)
    assert ("unverified" in judgement.reason) == bool(flags)


def test_the_first_of_the_series_that_passes_answers() -> None:
    bad, good, later = (SERIES | {"label": name} for name in ("bad", "good", "later"))
    judgement = judge_coupling([bad | {"dos_ef_epw": 1.0}, good, later], 0.1, 0.1)
    assert judgement.numbers["chosen"] == "good"
    assert [item["gates_passed"] for item in judgement.numbers["series"]] == [False, True, True]
    assert judgement.flags == ()


def test_no_alpha2f_is_undecided() -> None:
    assert judge_coupling([], 0.1, 0.1).verdict == "undecided"


@pytest.mark.parametrize(
    ("value", "passed"),
    [(0.1, True), (-0.1, True), (0.1001, False), (-0.2, False), (None, None), (math.nan, False), (math.inf, False)],
)
def test_a_check_counts_magnitude_and_knows_what_is_not_known(value: float | None, passed: bool | None) -> None:
    found = check("name", value, 0.1, "eV", "why")
    assert found.pop("passed") is passed
    assert found == {"name": "name", "value": value, "limit": 0.1, "unit": "eV", "text": "why"}


def test_what_epw_did_not_print_passes_no_gate() -> None:
    for key, words in (("dos_ef_epw", "N(E_F) not printed"), ("fermi_epw_ev", "E_F not printed")):
        judgement = judge_coupling([SERIES | {key: None}], 0.1, 0.1)
        assert judgement.flags == ("tc_unverified",)
        assert words in judgement.reason
        assert judgement.numbers["unverified"] == [
            f"{deviations_text(judgement.numbers['series'][0])} against pw.x at k24_q4"
        ]


def test_deviations_are_of_epw_from_pw() -> None:
    """Fcc Al on a coarse mesh, by hand: E_F of the fine mesh 9.03 eV where pw.x has 8.37, 0.66 too high."""
    item = SERIES | {"dos_ef_epw": 0.45, "fermi_epw_ev": 9.03, "fermi_dense_ev": 8.37}
    [judged] = judge_coupling([item], 0.1, 0.1).numbers["series"]
    assert judged["dos_deviation"] == pytest.approx(-0.25)
    assert judged["fermi_deviation_ev"] == pytest.approx(0.66)
    assert deviations_text(judged) == "N(E_F) -25.0%, E_F +0.660 eV"


def test_checks_of_the_interpolation_are_named() -> None:
    judgement = judge_coupling([SERIES], 0.1, 0.1, checks=[GOOD_BANDS, UNKNOWN])
    assert (judgement.verdict, judgement.flags, judgement.numbers["unverified"]) == ("passed", (), [])
    assert judgement.numbers["checks"] == [GOOD_BANDS, UNKNOWN]
    assert judgement.thresholds == {
        "max_dos_deviation": 0.1, "max_fermi_deviation_ev": 0.1, "bands_rms_ev": 0.1, "decay_H": 0.1
    }  # fmt: skip
    failed = check("decay_H", 0.3, 0.1, "", "Hamiltonian decayed to 30%")
    judgement = judge_coupling([SERIES | {"dos_ef_epw": 0.9}], 0.1, 0.1, checks=[BAD_BANDS, failed])
    assert (judgement.verdict, judgement.flags) == ("passed", ("tc_unverified",))
    assert judgement.numbers["unverified"] == [
        "N(E_F) +50.0%, E_F +0.000 eV against pw.x at k24_q4",
        "Wannier bands 0.400 eV RMS from those of pw.x (limit 0.1 eV)",
        "Hamiltonian decayed to 30% (limit 0.1)",
    ]
    assert judgement.reason == f"lambda 0.50 is unverified: {'; '.join(judgement.numbers['unverified'])}"


@pytest.mark.parametrize(
    ("convergence", "flags"),
    [
        (CONVERGED, ()),
        (NOT_CONVERGED, ("tc_not_converged",)),
        ({**CONVERGED, "smearing_settled": True}, ()),
        ({**CONVERGED, "smearing_settled": False}, ("smearing_dependent",)),
        ({**NOT_CONVERGED, "smearing_settled": False}, ("tc_not_converged", "smearing_dependent")),
        (None, ()),
    ],
)
def test_convergence_is_part_of_the_answer(convergence: dict[str, Any] | None, flags: tuple[str, ...]) -> None:
    judgement = judge_coupling([SERIES], 0.1, 0.1, convergence=convergence)
    assert (judgement.verdict, judgement.flags) == ("passed", flags)
    assert judgement.numbers["convergence"] == convergence
    assert convergence is None or judgement.reason.endswith(convergence["reason"])
    both = judge_coupling([SERIES], 0.1, 0.1, checks=[BAD_BANDS], convergence=convergence)
    assert both.flags == ("tc_unverified", *flags)


def test_an_estimate_answers_only_where_the_fine_meshes_were_spared() -> None:
    spared = judge_coupling([], 0.1, 0.1, checks=[GOOD_BANDS], convergence=ESTIMATE_ONLY, estimate=ESTIMATE)
    assert (spared.verdict, spared.flags, spared.reason) == ("passed", ("tc_estimate",), ESTIMATE_ONLY["reason"])
    assert (spared.numbers["chosen"], spared.numbers["series"]) == ("estimate", [])
    assert spared.numbers["estimate"] == ESTIMATE
    doubtful = judge_coupling([], 0.1, 0.1, checks=[BAD_BANDS], convergence=ESTIMATE_ONLY, estimate=ESTIMATE)
    assert doubtful.flags == ("tc_estimate", "tc_unverified")
    beside = judge_coupling([SERIES], 0.1, 0.1, convergence=CONVERGED, estimate=ESTIMATE)
    assert (beside.numbers["chosen"], beside.flags) == ("k24_q4", ())
    for convergence, estimate in ((NOT_CONVERGED, ESTIMATE), (ESTIMATE_ONLY, None), (None, ESTIMATE)):
        nothing = judge_coupling([], 0.1, 0.1, convergence=convergence, estimate=estimate)
        assert (nothing.verdict, nothing.reason) == ("undecided", "no alpha2F was computed")


def test_further_numbers_are_kept() -> None:
    more = {"pressure_gpa": 10.0, "wannier": {"attempts": []}}
    for series in ([SERIES], []):
        assert judge_coupling(series, 0.1, 0.1, more=more).numbers.items() >= more.items()


def test_judgements_are_json() -> None:
    judgement = judge_coupling(
        [SERIES], 0.1, 0.1, checks=[GOOD_BANDS, UNKNOWN], convergence=CONVERGED, estimate=ESTIMATE
    )
    content = json.loads(json.dumps(judgement.to_dict(), allow_nan=False))
    assert list(content) == ["stage", "verdict", "reason", "numbers", "thresholds", "flags"]


def test_the_finest_mesh_comes_first_and_on_it_the_smearing_that_ranks() -> None:
    members = [
        {"kpoints": [n, n, third], "degaussw_ev": smearing}
        for n, third in ((24, 18), (32, 24), (28, 32))
        for smearing in (0.2, 0.1)
    ]
    found = preferred_first(members, [0.1, 0.2])
    # 28 x 28 x 32 is more than 32 x 32 x 24.
    assert [(one["kpoints"], one["degaussw_ev"]) for one in found[:3]] == [
        ([28, 28, 32], 0.1), ([28, 28, 32], 0.2), ([32, 32, 24], 0.1)
    ]  # fmt: skip
    assert preferred_first(members, [0.2, 0.1])[0]["degaussw_ev"] == 0.2


numbers = st.none() | st.floats(0.0, 2.0) | st.just(math.nan)


@given(
    st.lists(st.tuples(numbers, numbers), max_size=4), st.lists(numbers, max_size=3),
    st.sampled_from([None, CONVERGED, NOT_CONVERGED]),
)  # fmt: skip
def test_no_flag_means_that_everything_known_passed(
    members: list[tuple[float | None, float | None]],
    values: list[float | None],
    convergence: dict[str, Any] | None,
) -> None:
    series = [
        SERIES | {"label": f"k{index}", "dos_ef_epw": dos, "fermi_epw_ev": None if fermi is None else 8.5 + fermi}
        for index, (dos, fermi) in enumerate(members)
    ]
    checks = [check(f"c{index}", value, 0.5, "", f"c{index}") for index, value in enumerate(values)]
    judgement = judge_coupling(series, 0.1, 0.1, checks=checks, convergence=convergence)
    if not series:
        assert judgement.verdict == "undecided"
        return
    chosen = next(one for one in judgement.numbers["series"] if one["label"] == judgement.numbers["chosen"])
    dos, fermi = members[int(chosen["label"][1:])]
    good = dos is not None and 0.54 <= dos <= 0.66 and fermi is not None and 0.9 <= fermi <= 1.1
    all_checks = all(value is None or value <= 0.5 for value in values)
    assert chosen["gates_passed"] or not any(one["gates_passed"] for one in judgement.numbers["series"])
    assert ("tc_unverified" in judgement.flags) == bool(judgement.numbers["unverified"])
    assert ("tc_unverified" in judgement.flags) == (not chosen["gates_passed"] or not all_checks)
    # Rounding at the very edge is nobody's business.
    edge = dos is not None and fermi is not None and min(abs(abs(dos - 0.6) - 0.06), abs(abs(fermi - 1) - 0.1)) < 1e-9
    assert edge or chosen["gates_passed"] == good
    assert ("tc_not_converged" in judgement.flags) == (convergence is NOT_CONVERGED)
