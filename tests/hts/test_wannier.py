"""Projections and windows for systems whose Wannierisation is known to run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.wannier import WannierPlanError, count_projections, number_of_bands, plan_windows, projections

H = [(0, "1S", 1.0)]
AL = [(0, "3S", 2.0), (1, "3P", 1.0)]
MG_LDA = [(0, "3S", 2.0), (1, "3P", 0.0)]
MG_ONCV = [(0, "2S", 2.0), (1, "2P", 6.0), (0, "3S", 2.0)]
IR_ONCV = [(0, "5S", 2.0), (1, "5P", 6.0), (2, "5D", 7.0), (0, "6S", 2.0)]
S_ONCV = [(0, "3S", 2.0), (1, "3P", 4.0)]


def test_al4h() -> None:
    found = projections(["Al"] * 4 + ["H"], {"Al": AL, "H": H})
    assert (found.strings, found.n_wannier, found.n_semicore) == (("Al:s;p", "H:s"), 17, 0)
    assert number_of_bands(17, 13) == 26


def test_mgal3h_gets_the_p_of_magnesium() -> None:
    found = projections(["H", "Mg", "Al", "Al", "Al"], {"Al": AL, "H": H, "Mg": MG_LDA})
    assert found.strings == ("H:s", "Mg:s;p", "Al:s;p")
    assert found.n_wannier == 17


def test_mg2irh6_leaves_out_the_semicore() -> None:
    """Ir 5s 5p (4 bands) and Mg 2s 2p (4 each) lie far below what s;p;d of Ir and s;p of Mg describe."""
    found = projections(["Ir", "Mg", "Mg"] + ["H"] * 6, {"Ir": IR_ONCV, "Mg": MG_ONCV, "H": H})
    assert found.strings == ("Ir:s;p;d", "Mg:s;p", "H:s")
    assert found.n_wannier == 9 + 8 + 6
    assert found.n_semicore == 4 + 8


def test_h3s_with_d() -> None:
    found = projections(["S", "H", "H", "H"], {"S": S_ONCV, "H": H}, extra={"S": [2]})
    assert (found.strings, found.n_wannier) == (("S:s;p;d", "H:s"), 12)


def test_a_pseudopotential_without_wavefunctions_is_named() -> None:
    with pytest.raises(WannierPlanError, match="Y lists no atomic"):
        projections(["Y", "H"], {"H": H})


@pytest.mark.parametrize(
    ("strings", "count"),
    [
        (["Al:s;p", "H:s"], 17),
        (["Al:sp3", "H:l=0"], 17),
        (["Al:l=1,mr=1,3"], 8),
        (["f=0,0,0:s"], 1),
        (["Mg:s"], 0),
        (["random"], None),
        (["Al:s:z=0,0,1"], None),
    ],
)
def test_counting(strings: list[str], count: int | None) -> None:
    assert count_projections(strings, ["Al"] * 4 + ["H"]) == count


def test_al4h_windows_are_those_that_ran() -> None:
    """Al4H at 10 GPa: E_F 9.4788 eV, band 18 never below 17.56 eV: frozen to 10.9788, outer to 34.4788 eV."""
    bands = np.tile(np.linspace(-5.0, 27.0, 26), (64, 1))
    bands[:, 17:] += 3
    plan = plan_windows(bands, 9.4788, 17)
    assert plan.epw_keywords() == {"nbndsub": 17, "dis_froz_max": 10.9788, "dis_win_max": 34.4788}
    assert plan.frozen_bands_max <= 17 <= plan.outer_bands_min


def test_frozen_window_is_lowered_and_outer_raised() -> None:
    bands = np.array([[-3.0, 0.0, 1.0, 8.0], [-2.0, 0.5, 4.0, 9.0]])
    plan = plan_windows(bands, 0.0, 2, outer_above_ef_ev=0.2)
    assert 0.5 < plan.dis_froz_max_ev < 1.0
    assert plan.frozen_bands_max == 2
    assert plan.dis_win_max_ev > plan.dis_froz_max_ev
    assert plan.outer_bands_min >= 2


def test_semicore_bands_are_skipped_when_there_is_a_gap() -> None:
    bands = np.array([[-50.0, -49.0, -3.0, 0.5, 6.0]] * 3)
    plan = plan_windows(bands, 0.0, 2, n_semicore=2)
    assert plan.epw_keywords()["bands_skipped"] == "exclude_bands = 1:2"
    with pytest.raises(WannierPlanError, match="gap"):
        plan_windows(bands, 0.0, 2, n_semicore=1)


def test_impossible_plans_say_why() -> None:
    with pytest.raises(WannierPlanError, match="raise nbnd"):
        plan_windows(np.zeros((2, 3)), 0.0, 4)
    with pytest.raises(WannierPlanError, match="add projections"):
        plan_windows(np.array([[-1.0, 0.0, 0.2]]), 0.0, 2)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_windows_are_never_refused_by_wannier90(nk: int, functions: int, more: int, seed: int) -> None:
    bands = np.sort(np.random.default_rng(seed).uniform(-10, 30, (nk, functions + more)), axis=1)
    try:
        plan = plan_windows(bands, 5.0, functions)
    except WannierPlanError:
        assert bands[:, functions].min() < 5.5 + 2e-3
        return
    assert ((bands <= plan.dis_froz_max_ev).sum(axis=1) <= functions).all()
    assert ((bands <= plan.dis_win_max_ev).sum(axis=1) >= functions).all()
    assert plan.dis_froz_max_ev < plan.dis_win_max_ev
