"""The ladder of Wannierisations, for crystals whose projections are known, and for any bands at all."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import erfc

from hts.projectability import ScdmWindow
from hts.wannier import WannierPlanError, WannierProjections
from hts.wannier_ladder import WannierAttempt, WindowWishes, projection_sets, wannier_attempts

H = [(0, "1S", 1.0)]
AL = [(0, "3S", 2.0), (1, "3P", 1.0)]
S = [(0, "3S", 2.0), (1, "3P", 4.0)]
IR = [(0, "5S", 2.0), (1, "5P", 6.0), (2, "5D", 7.0), (0, "6S", 2.0)]
MG = [(0, "2S", 2.0), (1, "2P", 6.0), (0, "3S", 2.0)]
WISHES = WindowWishes(frozen_above_ef_ev=1.5, outer_above_ef_ev=25.0, frozen_at_least_ev=0.8)
FERMI_EV = 9.5


def al4h_bands(n_bands: int = 42) -> NDArray[np.float64]:
    """Return bands of the size of Al4H's: E_F 9.5 eV, seven filled below, the eighteenth never below 17 eV."""
    bands = np.tile(np.linspace(-5.0, 50.0, n_bands), (8, 1)) + np.linspace(0, 1, 8)[:, None]
    bands[:, 17:] += 3
    return bands


def smooth(bands: NDArray[np.float64], mu_ev: float, sigma_ev: float) -> NDArray[np.float64]:
    return 0.5 * erfc((bands - mu_ev) / sigma_ev)


def scdm_of(attempts: list[WannierAttempt]) -> WannierAttempt:
    [found] = [attempt for attempt in attempts if attempt.name == "SCDM"]
    return found


AL4H = projection_sets(["Al"] * 4 + ["H"], {"Al": AL, "H": H})


@pytest.mark.parametrize(
    ("symbols", "states", "strings"),
    [
        (["Al"] * 4 + ["H"], {"Al": AL, "H": H}, [("Al:s;p", "H:s"), ("Al:s;p;d", "H:s")]),
        # The set that ran by hand for H3S at 200 GPa has the d of S.
        (["S", "H", "H", "H"], {"S": S, "H": H}, [("S:s;p", "H:s"), ("S:s;p;d", "H:s")]),
        # Ir has its d: only Mg gets one more. The set that ran by hand for Mg2IrH6 has no p on Mg, whose atom has none.
        (
            ["Ir", "Mg", "Mg", "H"],
            {"Ir": IR, "Mg": MG, "H": H},
            [("Ir:s;p;d", "Mg:s;p", "H:s"), ("Ir:s;p;d", "Mg:s", "H:s"), ("Ir:s;p;d", "Mg:s;p;d", "H:s")],
        ),
        (["H", "H"], {"H": H}, [("H:s",)]),
        (["Ir"], {"Ir": IR}, [("Ir:s;p;d",)]),
    ],
)
def test_fewer_and_more_shells(symbols: list[str], states: dict[str, Any], strings: list[tuple[str, ...]]) -> None:
    found = projection_sets(symbols, states)
    names = ["projections", *(["occupied shells"] if "Mg" in symbols else []), "more projections"]
    assert [name for name, _ in found] == names[: len(strings)]
    assert [projections.strings for _, projections in found] == strings
    assert all(projections.n_semicore == found[0][1].n_semicore for _, projections in found)


def test_projections_need_atomic_states() -> None:
    with pytest.raises(WannierPlanError, match="Y lists no atomic"):
        projection_sets(["Y", "H"], {"H": H})


def test_the_order_of_the_ladder() -> None:
    attempts, reasons = wannier_attempts(al4h_bands(60), FERMI_EV, AL4H, WISHES)
    assert [attempt.name for attempt in attempts] == [
        "projections", "SCDM", "projections, narrow window", "more projections", "more projections, narrow window"
    ]  # fmt: skip
    assert reasons == []
    assert [attempt.plan.n_wannier for attempt in attempts] == [17, 17, 17, 37, 37]
    wide, narrow = attempts[0].plan, attempts[2].plan
    assert (wide.dis_froz_max_ev, narrow.dis_froz_max_ev) == pytest.approx((11.0, 10.3))
    assert wide.dis_win_max_ev == narrow.dis_win_max_ev == pytest.approx(34.5)


def test_keywords_of_projections_and_of_scdm() -> None:
    """SCDM wants both of its flags and no proj, or EPW 5.3.1 stops while it reads its input."""
    attempts, _ = wannier_attempts(al4h_bands(60), FERMI_EV, AL4H, WISHES)
    windows = {"nbndsub": 17, "dis_froz_max": 11.0, "dis_win_max": 34.5}
    assert attempts[0].epw_keywords() == {**windows, "proj": ["Al:s;p", "H:s"]}
    assert attempts[1].epw_keywords() == {
        **windows, "dis_froz_max": 10.3, "auto_projections": True, "scdm_proj": True, "scdm_entanglement": "erfc",
        "scdm_mu": 11.0, "scdm_sigma": 2.0,
    }  # fmt: skip
    assert attempts[0].to_dict() == {
        "name": "projections", "projections": ["Al:s;p", "H:s"], "n_wannier": 17, "n_excluded": 0,
        "dis_froz_max_ev": pytest.approx(11.0), "dis_win_max_ev": pytest.approx(34.5),
    }  # fmt: skip


def test_too_few_bands_for_more_projections_say_so() -> None:
    attempts, reasons = wannier_attempts(al4h_bands(26), FERMI_EV, AL4H, WISHES)
    assert [attempt.plan.n_wannier for attempt in attempts] == [17, 17, 17]
    assert [reason.partition(":")[0] for reason in reasons] == ["more projections", "more projections, narrow window"]
    assert all("26 bands with 0 excluded, wanted at least 37" in reason for reason in reasons)


def test_a_narrow_window_that_is_none_is_not_tried_twice() -> None:
    """The eighteenth band comes down to 0.5 eV above E_F: no window is wider than that."""
    bands = al4h_bands(60)
    bands[0, 17:] = np.maximum.accumulate(np.maximum(bands[0, 17:] - 40, FERMI_EV + 0.5))
    bands[0, :17] = np.minimum(bands[0, :17], FERMI_EV)
    wishes = WindowWishes(1.5, 25.0, 0.3)
    attempts, _ = wannier_attempts(bands, FERMI_EV, AL4H[:1], wishes)
    assert [attempt.name for attempt in attempts] == ["projections", "SCDM", "projections, narrow window"]
    assert attempts[0].plan.dis_froz_max_ev == pytest.approx(FERMI_EV + 0.499)
    same, _ = wannier_attempts(bands, FERMI_EV, AL4H[:1], WindowWishes(1.5, 25.0, 0.499))
    assert [attempt.name for attempt in same] == ["projections", "SCDM"]


def test_poorly_described_states_are_not_frozen() -> None:
    """P falls below 0.7 at mu - 0.37 sigma; what lies above may be bent, what lies below is kept as it is."""
    bands = np.sort(np.random.default_rng(3).uniform(-5, 60, (64, 60)), axis=1)
    bands[:, 17:] = np.maximum(bands[:, 17:], 16.0)
    described = smooth(bands, 11.0, 1.5)
    attempts, _ = wannier_attempts(bands, FERMI_EV, AL4H, WISHES, described)
    first = next(attempt for attempt in attempts if attempt.name == "projections")
    poor = bands[(described < 0.7) & (bands >= FERMI_EV)].min()
    assert FERMI_EV + 0.2 < poor < FERMI_EV + 1.5
    assert first.plan.dis_froz_max_ev == pytest.approx(poor - 1e-3)
    # Nothing is known of the states that the larger set describes.
    more = next(attempt for attempt in attempts if attempt.name == "more projections")
    assert more.plan.dis_froz_max_ev == pytest.approx(FERMI_EV + 1.5)


def test_a_frozen_window_reaches_beyond_the_fermi_surface_even_so() -> None:
    bands = al4h_bands(60)
    described = np.where(bands > FERMI_EV, 0.5, 1.0)
    attempts, _ = wannier_attempts(bands, FERMI_EV, AL4H, WISHES, described)
    assert attempts[0].plan.dis_froz_max_ev == pytest.approx(FERMI_EV + 0.2)


def test_orbitals_that_are_not_those_of_the_bands_are_refused() -> None:
    bands = al4h_bands(60)
    described = np.ones_like(bands)
    near = (bands > FERMI_EV - 1) & (bands <= FERMI_EV)
    assert near.any()
    described[near] = 0.2
    attempts, reasons = wannier_attempts(bands, FERMI_EV, AL4H, WISHES, described)
    assert attempts[0].name == "more projections"
    assert reasons[0].startswith("projections: the atomic states describe only 20% of a state within 1 eV below")
    # Far below the Fermi energy it does not matter.
    described = np.where(bands < FERMI_EV - 2, 0.2, 1.0)
    assert wannier_attempts(bands, FERMI_EV, AL4H, WISHES, described)[0][0].name == "projections"


@pytest.mark.parametrize(
    ("mu_ev", "sigma_ev", "window"),
    [
        (20.0, 2.0, (14.0, 2.0)),
        # mu - 3 sigma below E_F would leave half of the states at the Fermi surface out: the fixed window instead.
        (14.0, 2.0, (11.0, 2.0)),
    ],
)
def test_scdm_takes_its_window_from_projectability(mu_ev: float, sigma_ev: float, window: tuple[float, float]) -> None:
    bands = al4h_bands(60)
    attempts, _ = wannier_attempts(bands, FERMI_EV, AL4H, WISHES, smooth(bands, mu_ev, sigma_ev))
    assert scdm_of(attempts).scdm == ScdmWindow(pytest.approx(window[0], abs=0.05), pytest.approx(window[1], abs=0.05))
    assert scdm_of(attempts).strings == ()


def test_scdm_without_a_step_in_projectability() -> None:
    bands = al4h_bands(60)
    attempts, _ = wannier_attempts(bands, FERMI_EV, AL4H, WISHES, np.ones_like(bands))
    assert scdm_of(attempts).scdm == ScdmWindow(FERMI_EV + 1.5, 2.0)


def test_semicore_bands_are_left_out_of_everything() -> None:
    """Two deep bands that no orbital describes: not frozen, not in the window of SCDM, skipped by EPW."""
    valence = al4h_bands(60)
    bands = np.hstack([np.full((8, 2), -60.0), valence])
    described = np.hstack([np.zeros((8, 2)), smooth(valence, 20.0, 2.0)])
    sets = [("projections", WannierProjections(("Al:s;p", "H:s"), 17, 2))]
    attempts, reasons = wannier_attempts(bands, FERMI_EV, sets, WISHES, described)
    assert reasons == []
    assert [attempt.n_excluded for attempt in attempts] == [2, 2, 2]
    assert all(attempt.epw_keywords()["bands_skipped"] == "exclude_bands = 1:2" for attempt in attempts)
    assert scdm_of(attempts).scdm == ScdmWindow(pytest.approx(14.0, abs=0.05), pytest.approx(2.0, abs=0.05))


def test_nothing_is_possible_with_too_few_bands() -> None:
    attempts, reasons = wannier_attempts(al4h_bands(60)[:, :10], FERMI_EV, AL4H, WISHES)
    assert attempts == []
    assert len(reasons) == 5
    assert all("raise nbnd" in reason for reason in reasons)


def follows_wannier90(attempt: WannierAttempt, bands: NDArray[np.float64]) -> bool:
    plan, valence = attempt.plan, bands[:, attempt.n_excluded :]
    frozen = (valence <= plan.dis_froz_max_ev).sum(axis=1)
    outer = (valence <= plan.dis_win_max_ev).sum(axis=1)
    return bool((frozen <= plan.n_wannier).all() and (outer >= plan.n_wannier).all())


@given(
    seed=st.integers(0, 2**32 - 1), n_bands=st.integers(4, 24), fermi_ev=st.floats(-5, 15),
    frozen=st.floats(0.3, 4), at_least=st.floats(0.2, 1.5), known=st.booleans(),
)  # fmt: skip
def test_whatever_is_tried_can_be_run(
    seed: int, n_bands: int, fermi_ev: float, frozen: float, at_least: float, known: bool
) -> None:
    random = np.random.default_rng(seed)
    bands = np.sort(random.uniform(-10, 30, (6, n_bands)), axis=1)
    described = random.uniform(0, 1, bands.shape) if known else None
    sets = projection_sets(["Al", "H"], {"Al": AL, "H": H})
    attempts, reasons = wannier_attempts(bands, fermi_ev, sets, WindowWishes(frozen, 25.0, at_least), described)
    assert attempts or reasons
    for attempt in attempts:
        assert follows_wannier90(attempt, bands)
        assert fermi_ev < attempt.plan.dis_froz_max_ev < attempt.plan.dis_win_max_ev
        assert (attempt.scdm is None) == bool(attempt.strings)
        assert attempt.scdm is None or (attempt.scdm.mu_ev > fermi_ev and attempt.scdm.sigma_ev > 0)
    names = [attempt.name for attempt in attempts]
    assert len(set(names)) == len(names)
    assert len({(attempt.strings, attempt.plan.dis_froz_max_ev) for attempt in attempts}) == len(attempts)
