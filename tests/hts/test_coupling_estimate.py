"""The rescaled coarse alpha2F: against published Tc of the same moments, and the limits of the formula."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.coupling_estimate import CouplingEstimate, estimate_coupling, ranking_tc_k
from hts.superconductivity import allen_dynes_tc_k, moments
from hts.units import BOLTZMANN_MEV_PER_K

ENERGY_MEV = np.linspace(0.05, 250.0, 5000)
# Allen-Dynes Tc at mu* = 0.10: D. V. Semenok et al., Mater. Today 48, 18 (2021),
# https://doi.org/10.1016/j.mattod.2021.03.025: lambda, omega_log (K), omega_2 (K), Tc (K).
PUBLISHED = [(3.87, 868, 1208, 266), (2.82, 847, 1251, 203), (2.68, 1046, 1437, 237), (2.41, 1011, 1312, 207)]


def two_modes(lambda_: float, omega_log_k: float, omega_2_k: float) -> np.ndarray:
    """Return two narrow peaks of equal lambda: w1 w2 = omega_log^2 and w1^2 + w2^2 = 2 omega_2^2."""
    total, difference = (math.sqrt(2 * omega_2_k**2 + side * 2 * omega_log_k**2) for side in (1, -1))
    spectrum = np.zeros_like(ENERGY_MEV)
    for omega_k in ((total - difference) / 2, (total + difference) / 2):
        omega = omega_k * BOLTZMANN_MEV_PER_K
        peak = np.exp(-0.5 * ((ENERGY_MEV - omega) / 0.3) ** 2) / (0.3 * math.sqrt(2 * math.pi))
        spectrum += lambda_ / 4 * omega * peak
    return spectrum


def estimate(spectrum: np.ndarray, coarse: float, dense: float, margin: float = 0.5) -> CouplingEstimate:
    found = estimate_coupling(ENERGY_MEV, spectrum, coarse, dense, mu_star=0.1, margin=margin)
    assert found is not None
    return found


@pytest.mark.parametrize(("lambda_", "omega_log_k", "omega_2_k", "tc_k"), PUBLISHED)
def test_half_the_density_of_states_is_half_the_coupling(
    lambda_: float, omega_log_k: float, omega_2_k: float, tc_k: float
) -> None:
    """A coarse mesh with half of N(E_F) has half of alpha2F: rescaled, it gives the published Tc of the whole."""
    coarse = two_modes(lambda_, omega_log_k, omega_2_k) / 2
    assert ranking_tc_k(ENERGY_MEV, 2 * coarse, 0.1) == pytest.approx(tc_k, abs=1.5)
    found = estimate(coarse, 0.146, 0.292)
    assert found.scale == pytest.approx(2)
    assert found.lambda_ == pytest.approx(lambda_, rel=1e-3)
    assert found.omega_log_mev == pytest.approx(omega_log_k * BOLTZMANN_MEV_PER_K, rel=1e-3)
    assert found.tc_k == pytest.approx(tc_k, abs=1.5)


@given(st.floats(0.01, 3.0), st.floats(0.05, 20.0), st.floats(0.0, 3.0))
def test_scale_and_margin_act_on_lambda_alone(lambda_: float, scale: float, margin: float) -> None:
    spectrum = two_modes(lambda_, 500, 600)
    bare = moments(ENERGY_MEV, spectrum)
    found = estimate(spectrum, 0.3, 0.3 * scale, margin)
    assert found.alpha2f == pytest.approx(scale * spectrum)
    assert found.lambda_ == pytest.approx(scale * bare.lambda_)
    assert found.omega_log_mev == pytest.approx(bare.omega_log_mev)
    assert found.upper_bound_k >= found.tc_k * (1 - 1e-9)
    bound_k = allen_dynes_tc_k((1 + margin) * found.lambda_, bare.omega_log_mev, bare.omega_2_mev, 0.1)
    assert found.upper_bound_k == pytest.approx(bound_k)
    assert margin > 0 or found.upper_bound_k == pytest.approx(found.tc_k)


def test_the_margin_can_make_a_superconductor() -> None:
    """Lambda = 0.10 ends McMillan's formula at mu* = 0.10, lambda = 0.15 does not: only the bound is above zero."""
    found = estimate(two_modes(0.10, 500, 600), 0.3, 0.3)
    assert found.tc_k == 0
    assert 0 < found.upper_bound_k < 0.1


def test_no_electrons_no_coupling() -> None:
    """An insulator on the dense mesh: lambda 0, no average energy, Tc 0 whatever the margin."""
    found = estimate(two_modes(1.0, 500, 600), 0.3, 0.0)
    assert (found.scale, found.lambda_, found.omega_log_mev, found.tc_k, found.upper_bound_k) == (0, 0, None, 0, 0)


@pytest.mark.parametrize("dos", [None, 0.0, -0.1, math.nan])
def test_without_the_coarse_density_of_states_nothing_is_estimated(dos: float | None) -> None:
    spectrum = two_modes(1.0, 500, 600)
    assert estimate_coupling(ENERGY_MEV, spectrum, dos, 0.3, mu_star=0.1, margin=0.5) is None


def test_a_spectrum_that_is_none_is_refused() -> None:
    broken = two_modes(1.0, 500, 600)
    broken[7] = math.nan
    with pytest.raises(ValueError, match="not finite"):
        estimate_coupling(ENERGY_MEV, broken, 0.3, 0.3, mu_star=0.1, margin=0.5)
