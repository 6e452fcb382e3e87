"""From stored results to curves: those of the present version, and those of older ones, which have stored less."""

from copy import deepcopy
from typing import Any

import pytest

from hts.coupling_results import coupling_result, gate_failures, series_points, tc_point, unverified_reasons
from hts.errors import UserError

IDENTITY = {"key": "perovskite-Al4H", "formula": "Al4H"}
LIMITS = {"max_dos_deviation": 0.1, "max_fermi_deviation_ev": 0.1}


def member(k: int, smearing_ev: float, lambda_: float, dos: float | None, fermi: float | None, **more: Any) -> dict:
    passed = dos is not None and abs(dos) <= 0.1 and fermi is not None and abs(fermi) <= 0.1
    label = f"k{k}_q4_{1000 * smearing_ev:.0f}meV"
    deviations = {"dos_deviation": dos, "fermi_deviation_ev": fermi, "gates_passed": passed}
    return {"label": label, "lambda": lambda_, "omega_log_mev": 45.0, **deviations, **more}


def meshes(k: int, smearing_ev: float) -> dict[str, Any]:
    return {"kpoints": [k, k, 12], "qpoints": [4, 4, 4], "degaussw_ev": smearing_ev}


# lambda of Al4H as one epmatwp gave it on fine k-meshes of 24, 16 and 12; the temperatures are made up.
PRESENT: dict[str, Any] = {
    "verdict": "passed",
    "reason": "lambda 0.51; fine",
    "flags": [],
    "thresholds": LIMITS,
    "numbers": {
        "pressure_gpa": 10.0,
        "chosen": "k24_q4_100meV",
        "series": [
            member(24, 0.1, 0.512, -0.06, 0.01, allen_dynes_k=7.1, **meshes(24, 0.1)),
            member(16, 0.25, 0.548, 0.02, -0.02, allen_dynes_k=8.9, **meshes(16, 0.25)),
            member(12, 0.1, 0.82, 0.595, 0.02, allen_dynes_k=22.0, **meshes(12, 0.1)),
        ],
        "convergence": {
            "status": "not_converged", "tolerance": 0.05, "tolerance_k": 1.0, "change_k": 1.8,
            "spread_k": [7.1, 8.9], "reason": "Tc changes by 1.8 K",
        },
        "estimate": {"label": "estimate", "lambda": 0.6, "omega_log_mev": 44.0, "allen_dynes_k": 10.5, "scale": 0.63},
        "unverified": [],
    },
}  # fmt: skip
TABLE = [{"mu_star": 0.1, "mcmillan_k": 7.0, "allen_dynes_k": 7.1, "eliashberg_k": 7.9, "status": "superconducting"}]
TC: dict[str, Any] = {
    "lambda": 0.512,
    "tc": TABLE,
    "chosen": "k24_q4_100meV",
    "series": {"k24_q4_100meV": {"tc": TABLE}, "k16_q4_250meV": {"tc": [{**TABLE[0], "allen_dynes_k": 8.9}]}},
    "allen_dynes_spread_k": [7.1, 8.9],
}


def older() -> dict[str, Any]:
    """Return what a screening of the first version has stored."""
    found = deepcopy(PRESENT)
    found["numbers"] = {key: found["numbers"][key] for key in ("series", "chosen")}
    for item in found["numbers"]["series"]:
        for key in ("kpoints", "qpoints", "degaussw_ev", "allen_dynes_k"):
            del item[key]
    return found


def test_the_present_contract() -> None:
    found = coupling_result(IDENTITY, 10.0, PRESENT, TC)
    assert (found.key, found.formula, found.pressure_gpa) == ("perovskite-Al4H", "Al4H", 10.0)
    assert (found.chosen, found.lambda_, found.omega_log_mev) == ("k24_q4_100meV", 0.512, 45.0)
    assert found.points[0].kpoints == (24, 24, 12)
    assert [point.allen_dynes_k for point in found.points] == [7.1, 8.9, 22.0]
    assert [point.gates_passed for point in found.points] == [True, True, False]
    assert found.points[2].failures == ("N(E_F) +59.5%",)
    assert found.convergence is not None
    assert (found.convergence.status, found.convergence.tolerance_k) == ("not_converged", 1.0)
    assert found.estimate is not None
    assert (found.estimate.lambda_, found.estimate.allen_dynes_k) == (0.6, 10.5)
    assert found.spread_k == (7.1, 8.9)
    assert (found.tc[0].mu_star, found.tc[0].eliashberg_k) == (0.1, 7.9)
    assert not found.estimated
    assert found.unverified == ()


def test_an_older_screening_has_its_meshes_in_labels_and_its_tc_in_tables() -> None:
    found = coupling_result(IDENTITY, None, older(), TC)
    assert [(point.kpoints, point.degaussw_ev) for point in found.points] == [
        ((24, 24, 24), 0.1),
        ((16, 16, 16), 0.25),
        ((12, 12, 12), 0.1),
    ]
    assert [point.allen_dynes_k for point in found.points] == [7.1, 8.9, None]
    assert found.spread_k == (7.1, 8.9)
    assert (found.convergence, found.estimate, found.pressure_gpa) == (None, None, None)


def test_without_tc_the_series_stands_alone() -> None:
    found = coupling_result(IDENTITY, 0.0, older(), None)
    assert found.tc == ()
    assert found.spread_k is None
    spread = coupling_result(IDENTITY, 0.0, {**PRESENT, "numbers": {**PRESENT["numbers"], "convergence": None}}, None)
    assert spread.spread_k == (7.1, 22.0)


def test_an_estimate_can_answer() -> None:
    stored = deepcopy(PRESENT)
    stored["flags"] = ["tc_estimate"]
    stored["numbers"] |= {"series": [], "chosen": "estimate"}
    found = coupling_result(IDENTITY, 10.0, stored, TC)
    assert found.estimated
    assert (found.lambda_, found.omega_log_mev, found.points) == (0.6, 44.0, ())
    point = tc_point(10.0, stored, TC)
    assert point is not None
    assert point.estimated and not point.unverified


@pytest.mark.parametrize("numbers", [{}, {"series": []}, {"series": PRESENT["numbers"]["series"], "chosen": "gone"}])
def test_a_coupling_without_alpha2f_says_why(numbers: dict[str, Any]) -> None:
    stored = {"reason": "no alpha2F was computed", "numbers": numbers}
    with pytest.raises(UserError, match=r"perovskite-Al4H has no alpha2F \(no alpha2F was computed\); `hts explain"):
        coupling_result(IDENTITY, 0.0, stored, None)


def test_a_member_without_lambda_is_left_out() -> None:
    stored = deepcopy(PRESENT)
    stored["numbers"]["series"][1]["lambda"] = None
    assert [point.label for point in series_points(stored, None)] == ["k24_q4_100meV", "k12_q4_100meV"]


@pytest.mark.parametrize(
    ("dos", "fermi", "thresholds", "words"),
    [
        (0.2, 0.0, LIMITS, ("N(E_F) +20.0%",)),
        (-0.2, 0.15, LIMITS, ("N(E_F) -20.0%", "E_F +0.150 eV")),
        (None, 0.0, LIMITS, ("N(E_F) not printed",)),
        (0.02, None, LIMITS, ("E_F not printed",)),
        (0.02, 0.03, {}, ("N(E_F) +2.0%", "E_F +0.030 eV")),
    ],
)
def test_what_fails_is_told(dos: float | None, fermi: float | None, thresholds: dict, words: tuple[str, ...]) -> None:
    assert gate_failures({"dos_deviation": dos, "fermi_deviation_ev": fermi}, thresholds) == words


@pytest.mark.parametrize(
    ("stored", "reasons"),
    [
        ({"flags": [], "reason": "lambda 0.5; fine", "numbers": {"unverified": []}}, ()),
        ({"flags": ["tc_unverified"], "numbers": {"unverified": ["one", "two"]}}, ("one", "two")),
        (
            {"flags": ["tc_unverified"], "reason": "lambda 1.10 is unverified: N(E_F) +33.0%, E_F +0.000 eV"},
            ("N(E_F) +33.0%, E_F +0.000 eV",),
        ),
        ({"flags": ["tc_unverified"], "reason": "it is so"}, ("it is so",)),
        ({"flags": ["tc_unverified"]}, ("no reason is stored",)),
    ],
)
def test_reasons_of_the_flag(stored: dict[str, Any], reasons: tuple[str, ...]) -> None:
    assert unverified_reasons(stored) == reasons


def test_the_ranking_tc_of_a_pressure() -> None:
    point = tc_point(10.0, {"flags": ["tc_unverified"]}, TC)
    assert point is not None
    assert (point.pressure_gpa, point.mu_star, point.allen_dynes_k, point.eliashberg_k) == (10.0, 0.1, 7.1, 7.9)
    assert (point.spread_k, point.unverified, point.estimated) == ((7.1, 8.9), True, False)
    assert tc_point(10.0, {}, {"tc": []}) is None
    unknown = tc_point(0.0, {}, {"tc": [{"mu_star": 0.1, "allen_dynes_k": 0.0, "eliashberg_k": None}]})
    assert unknown is not None
    assert (unknown.eliashberg_k, unknown.spread_k) == (None, None)
