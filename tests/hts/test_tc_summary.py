"""What a record says of its Tc: which numbers of the results, under which keys, with which doubts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.coupling_gates import check, judge_coupling
from hts.tc_summary import (
    merit,
    mu_key,
    tc_by_pressure,
    tc_of_estimate,
    tc_spread,
    tc_table,
    unverified_lines,
)

SERIES = {
    "label": "k24", "lambda": 0.52, "dos_ef_epw": 0.6, "dos_ef_tetrahedra": 0.6, "fermi_epw_ev": 9.5,
    "fermi_dense_ev": 9.5,
}  # fmt: skip
BAD_BANDS = check("bands_rms_ev", 0.4, 0.1, "eV", "Wannier bands 0.400 eV RMS from those of pw.x")


def tc(*allen_dynes_k: float, **more: Any) -> dict[str, Any]:
    """Return a Tc result for mu* 0.10, 0.13, 0.16."""
    rows = [
        {"mu_star": mu, "mcmillan_k": tc_k - 1, "allen_dynes_k": tc_k, "eliashberg_k": tc_k + 2, "status": "known"}
        for mu, tc_k in zip((0.10, 0.13, 0.16), allen_dynes_k, strict=False)
    ]  # fmt: skip
    return {"lambda": 0.52, "omega_log_mev": 46.0, "tc": rows, "allen_dynes_spread_k": (7.0, 9.0), **more}


def coupling(pressure_gpa: float | None = None, **changes: Any) -> dict[str, Any]:
    more = {} if pressure_gpa is None else {"pressure_gpa": pressure_gpa}
    return judge_coupling([SERIES | changes], 0.1, 0.1, more=more).to_dict()


def estimated(upper_bound_k: float | None) -> dict[str, Any]:
    estimate = {"label": "k12", "upper_bound_k": upper_bound_k, "reason": "estimate from k12"}
    convergence = {"status": "estimate_only", "reason": "no fine meshes"}
    return judge_coupling([], 0.1, 0.1, convergence=convergence, estimate=estimate).to_dict()


@pytest.mark.parametrize(
    ("mu_star", "key"),
    [(0.1, "0.10"), (0.13, "0.13"), (0.125, "0.125"), (0.0, "0.00"), (0.1 + 0.03, "0.13"), (1, "1.00")],
)
def test_keys_of_mu_star(mu_star: float, key: str) -> None:
    assert mu_key(mu_star) == key


@given(st.lists(st.integers(0, 400), min_size=2, max_size=5, unique=True))
def test_keys_of_mu_star_do_not_collide(thousandths: list[int]) -> None:
    assert len({mu_key(number / 1000) for number in thousandths}) == len(thousandths)


def test_the_table_by_formula_and_mu_star() -> None:
    table = tc_table(tc(8.0, 6.0))
    assert table.allen_dynes == {"0.10": 8.0, "0.13": 6.0}
    assert table.eliashberg == {"0.10": 10.0, "0.13": 8.0}
    assert tc_table(None).model_dump() == {"allen_dynes": {}, "eliashberg": {}}


def test_merit_is_that_of_the_ranking_tc() -> None:
    """S = Tc / sqrt(P^2 + 39^2): 1 for MgB2 and, at any pressure, for what lies on its line."""
    assert merit(tc(39.0, 1.0), 0.0) == pytest.approx(1.0)
    assert merit(tc(65.0), 52.0) == pytest.approx(1.0)
    assert merit(tc(39.0), None) is None
    assert merit(None, 0.0) is None


def test_the_spread_is_by_what_is_varied() -> None:
    spread = {"formulas_k": [7.0, 10.0], "mu_star_k": [4.0, 8.0]}
    assert tc_spread(tc(8.0, spread=spread)) == {**spread, "meshes_and_smearings_k": [7.0, 9.0]}
    assert tc_spread(tc(8.0)) == {"meshes_and_smearings_k": [7.0, 9.0]}
    assert tc_spread(None) == {}


def test_what_a_coupling_did_not_pass() -> None:
    assert unverified_lines(None) == []
    assert unverified_lines(coupling()) == []
    found = judge_coupling([SERIES | {"dos_ef_epw": 0.9}], 0.1, 0.1, checks=[BAD_BANDS]).to_dict()
    assert unverified_lines(found) == [
        "N(E_F) +50.0%, E_F +0.000 eV against pw.x at k24",
        "Wannier bands 0.400 eV RMS from those of pw.x (limit 0.1 eV)",
    ]
    # The first version stored no lines.
    older = {**found, "numbers": {key: found["numbers"][key] for key in ("series", "chosen")}}
    assert unverified_lines(older) == [found["reason"]]


@pytest.mark.parametrize(
    ("upper_bound_k", "min_tc_k", "decides"),
    [(0.8, 1.0, True), (1.0, 1.0, False), (0.8, 0.5, False), (0.0, 0.0, False), (None, 1.0, False)],
)
def test_an_estimate_decides_only_above_its_bound(upper_bound_k: float | None, min_tc_k: float, decides: bool) -> None:
    reason = tc_of_estimate(estimated(upper_bound_k), min_tc_k)
    assert (reason is None) == decides
    if reason is not None:
        assert reason == f"Tc was only estimated, which does not decide a gate of {min_tc_k:g} K: estimate from k12"


def test_a_computed_tc_is_no_estimate() -> None:
    assert tc_of_estimate(coupling(), 1.0) is None
    beside = judge_coupling(
        [SERIES], 0.1, 0.1, convergence={"status": "converged", "reason": ""}, estimate={"upper_bound_k": 9.0}
    )
    assert tc_of_estimate(beside.to_dict(), 50.0) is None
    assert tc_of_estimate({"numbers": {}}, 1.0) is None


def test_an_estimate_that_was_not_stored_decides_nothing() -> None:
    lost = estimated(0.1)
    lost["numbers"]["estimate"] = None
    assert "no estimate is stored" in str(tc_of_estimate(lost, 1.0))


def test_tc_against_pressure_ascends_and_belongs_together() -> None:
    results = {
        "tc": tc(8.0, 6.0), "coupling": coupling(), "coupling_100GPa": coupling(100.0), "tc_100GPa": tc(4.0),
        "tc_12p5GPa": tc(6.0), "coupling_12p5GPa": coupling(12.5, dos_ef_epw=0.9), "zero_point": {}, "ladder": {},
    }  # fmt: skip
    found = tc_by_pressure(results, 5.0)
    assert [one["pressure_gpa"] for one in found] == [5.0, 12.5, 100.0]
    assert [one["tc_k"]["allen_dynes"]["0.10"] for one in found] == [8.0, 6.0, 4.0]
    assert [one["flags"] for one in found] == [[], ["tc_unverified"], []]
    assert found[1]["unverified"] == ["N(E_F) +50.0%, E_F +0.000 eV against pw.x at k24"]
    assert found[0]["tc_k"] == tc_table(results["tc"]).model_dump()
    assert [one["figure_of_merit"] for one in found] == [
        pytest.approx(tc_k / (pressure**2 + 39**2) ** 0.5) for tc_k, pressure in ((8, 5), (6, 12.5), (4, 100))
    ]
    assert (found[0]["lambda"], found[0]["omega_log_mev"]) == (0.52, 46.0)


def test_the_stored_pressure_goes_before_the_one_of_the_ladder() -> None:
    assert tc_by_pressure({"tc": tc(8.0), "coupling": coupling(4.9)}, 5.0)[0]["pressure_gpa"] == 4.9


@pytest.mark.parametrize(
    "results",
    [
        {},
        {"coupling": coupling(10.0)},
        {"tc": tc(8.0)},
        {"tc_10GPa": tc(8.0), "coupling": coupling(5.0)},
        {"tc_10GPa": tc(8.0), "coupling_10GPa": coupling()},
        {"coupling_10GPa": coupling(10.0)},
    ],
)
def test_half_of_a_result_is_none(results: dict[str, Any]) -> None:
    """A Tc without its coupling, or without a pressure, is no point of a curve."""
    assert tc_by_pressure(results, 5.0 if "tc" not in results else None) == []
