"""The Eliashberg Tc against exact limits, an independent dense solution and published numbers."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from hts.eliashberg import (
    coupling_left_at_zero,
    eliashberg_isotope_coefficient,
    eliashberg_tc,
    highest_phonon_mev,
    largest_eigenvalue,
    rescaled_mu_star,
)
from hts.matsubara import highest_argument_mev, phonon_kernel
from hts.superconductivity import allen_dynes_tc_k, moments, quadrature_weights
from hts.units import BOLTZMANN_MEV_PER_K

SHARP = 1e-4
# arXiv:2012.04787, Table S6: lambda, omega_log and omega_2 in K, mu*, Allen-Dynes and Eliashberg Tc in K.
PUBLISHED = [
    (3.87, 868, 1208, 0.10, 266, 300),
    (3.87, 868, 1208, 0.15, 232, 281),
    (2.82, 847, 1251, 0.10, 203, 241),
    (2.82, 847, 1251, 0.15, 176, 223),
    (2.74, 964, 1525, 0.10, 229, 270),
    (2.74, 964, 1525, 0.15, 197, 248),
    (2.68, 1046, 1437, 0.10, 237, 265),
    (2.68, 1046, 1437, 0.15, 206, 245),
    (2.41, 1011, 1312, 0.10, 207, 235),
    (2.41, 1011, 1312, 0.15, 180, 217),
]


def peaks(*lines: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Narrow triangular peaks given as (energy in meV, lambda), by increasing energy."""
    energy = np.array([omega * (1 + side * SHARP) for omega, _ in lines for side in (-1, 0, 1)])
    spectrum = np.array([height for _, lambda_ in lines for height in (0.0, lambda_ / (2 * SHARP), 0.0)])
    return energy, spectrum


def two_peaks(lambda_: float, omega_log_mev: float, omega_2_mev: float) -> tuple[np.ndarray, np.ndarray]:
    """Two peaks of equal lambda that have these three moments."""
    spread = 0.5 * np.arccosh((omega_2_mev / omega_log_mev) ** 2)
    return peaks((omega_log_mev * np.exp(-spread), lambda_ / 2), (omega_log_mev * np.exp(spread), lambda_ / 2))


def aluminium_like(lambda_: float) -> tuple[np.ndarray, np.ndarray]:
    """alpha2F growing as the energy squared up to 36 meV."""
    energy = np.arange(1, 181) * 0.2
    return energy, lambda_ * (energy / 36.0) ** 2


def dense_eigenvalue(
    spectrum: tuple[np.ndarray, np.ndarray], temperature_k: float, mu_star: float, n_frequencies: int
) -> float:
    """Solve the kernel of Allen and Mitrovic with every frequency on its own and lambda summed directly."""
    energy, alpha2f = spectrum
    weights = 2 * energy * alpha2f * quadrature_weights(energy)
    unit_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k
    nu = unit_mev * np.arange(2 * n_frequencies + 1)
    coupling = (weights / (energy**2 + nu[:, None] ** 2)).sum(axis=1)
    n = np.arange(n_frequencies)
    kernel = coupling[np.abs(n[:, None] - n)] + coupling[n[:, None] + n + 1] - 2 * mu_star
    kernel[n, n] -= 2 * np.cumsum(coupling[:n_frequencies]) - coupling[0]
    roots = np.sqrt(2 * n + 1)
    return float(np.linalg.eigvalsh(kernel / np.outer(roots, roots))[-1])


@pytest.mark.parametrize(("temperature_k", "n_frequencies"), [(300.0, 9), (100.0, 20), (40.0, 127)])
def test_eigenvalue_equals_the_dense_one(temperature_k: float, n_frequencies: int) -> None:
    spectrum = peaks((30.0, 0.8), (120.0, 1.5))
    cutoff_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k * n_frequencies
    found = largest_eigenvalue(*spectrum, temperature_k, 0.12, cutoff_mev)
    assert found == pytest.approx(dense_eigenvalue(spectrum, temperature_k, 0.12, n_frequencies), rel=1e-7)


@pytest.mark.parametrize("n_frequencies", [200, 600])
def test_gathered_frequencies_cost_no_accuracy(n_frequencies: int) -> None:
    spectrum = aluminium_like(0.44)
    temperature_k = 360.0 / (2 * np.pi * BOLTZMANN_MEV_PER_K * n_frequencies)
    found = largest_eigenvalue(*spectrum, temperature_k, 0.1, 360.0)
    assert found == pytest.approx(dense_eigenvalue(spectrum, temperature_k, 0.1, n_frequencies), abs=5e-6)


# EPW for MgB2, muc = 0.16 at wscut = 0.5 eV: q-e ddbec465, test-suite/epw_super, benchmark of epw5 (power solver), with
# the lambda, omega_log and Allen-Dynes Tc that epw1 prints.
MGB2_MOMENTS = (0.8714948, 61.4704, 27.4569)
MGB2_EIGENVALUES = [
    (1, 3.4475243),
    (5, 2.3233372),
    (10, 1.8445347),
    (15, 1.5672088),
    (20, 1.3730197),
    (25, 1.2228408),
    (30, 1.0982732),
    (34, 1.0139884),
    (35, 0.9943346),
    (36, 0.9763021),
]


@pytest.mark.parametrize(("temperature_k", "eigenvalue"), MGB2_EIGENVALUES)
def test_eigenvalues_that_epw_prints_for_mgb2(temperature_k: float, eigenvalue: float) -> None:
    """Within 2 % from its three moments alone: EPW's Allen-Dynes Tc says omega_2."""
    lambda_, omega_log_mev, tc_k = MGB2_MOMENTS

    def excess_k(omega_2_mev: float) -> float:
        return allen_dynes_tc_k(lambda_, omega_log_mev, omega_2_mev, 0.16) - tc_k

    omega_2_mev = brentq(excess_k, omega_log_mev, 2 * omega_log_mev)
    spectrum = two_peaks(lambda_, omega_log_mev, omega_2_mev)
    assert largest_eigenvalue(*spectrum, temperature_k, 0.16, 500.0) == pytest.approx(eigenvalue, rel=0.02)


def test_lambda_of_fifty_is_within_one_per_cent_of_the_strong_coupling_limit() -> None:
    for lambda_ in (60.0, 100.0, 300.0):
        tc_k = eliashberg_tc(*peaks((20.0, lambda_)), 0.0).tc_k
        assert tc_k is not None
        assert tc_k * BOLTZMANN_MEV_PER_K / (20.0 * np.sqrt(lambda_)) == pytest.approx(0.1827, rel=0.01)


@pytest.mark.parametrize("lambda_", [1e3, 1e4, 1e6])
def test_strong_coupling_limit(lambda_: float) -> None:
    """Tc tends to kB Tc = 0.1827 omega sqrt(lambda) for mu* = 0 (Allen and Dynes, PRB 12, 905): there is no ceiling."""
    tc_k = eliashberg_tc(*peaks((20.0, lambda_)), 0.0).tc_k
    assert tc_k is not None
    assert tc_k * BOLTZMANN_MEV_PER_K / (20.0 * np.sqrt(lambda_)) == pytest.approx(0.1827, abs=1e-4)


@pytest.mark.parametrize(("lambda_", "omega_log_k", "omega_2_k", "mu_star", "allen_dynes_k", "eliashberg_k"), PUBLISHED)
def test_published_hydrides_from_three_moments(
    lambda_: float, omega_log_k: float, omega_2_k: float, mu_star: float, allen_dynes_k: float, eliashberg_k: float
) -> None:
    """Two peaks stand for the whole spectrum, which three moments fix to within 5 % of Tc."""
    spectrum = two_peaks(lambda_, omega_log_k * BOLTZMANN_MEV_PER_K, omega_2_k * BOLTZMANN_MEV_PER_K)
    found = moments(*spectrum)
    formula_k = allen_dynes_tc_k(found.lambda_, found.omega_log_mev, found.omega_2_mev, mu_star)
    assert formula_k == pytest.approx(allen_dynes_k, abs=1.0)
    solved = eliashberg_tc(*spectrum, mu_star)
    assert solved.status == "superconducting"
    assert solved.tc_k == pytest.approx(eliashberg_k, rel=0.05)


def test_the_eigenvalue_is_one_at_tc_and_falls_with_temperature() -> None:
    spectrum = peaks((60.0, 1.2))
    solved = eliashberg_tc(*spectrum, 0.1)
    assert solved.tc_k is not None
    assert solved.cutoff_mev == pytest.approx(600.0)
    below, at, above = (
        largest_eigenvalue(*spectrum, factor * solved.tc_k, 0.1, solved.cutoff_mev) for factor in (0.8, 1.0, 1.25)
    )
    assert below > 1 > above
    assert at == pytest.approx(1.0, abs=1e-6)


@settings(max_examples=12, deadline=None)
@given(scale=st.floats(0.05, 20), lambda_=st.floats(0.3, 5), mu_star=st.floats(0, 0.15))
def test_tc_scales_with_the_energies(scale: float, lambda_: float, mu_star: float) -> None:
    energy, spectrum = peaks((20.0, lambda_ / 2), (50.0, lambda_ / 2))
    reference, scaled = eliashberg_tc(energy, spectrum, mu_star), eliashberg_tc(scale * energy, spectrum, mu_star)
    assert scaled.status == reference.status
    assert scaled.tc_k == pytest.approx(scale * reference.tc_k, rel=1e-5)


@settings(max_examples=12, deadline=None)
@given(lambda_=st.floats(0.3, 5), more=st.floats(1.02, 2), mu_star=st.floats(0, 0.12))
def test_tc_grows_with_lambda_and_falls_with_mu_star(lambda_: float, more: float, mu_star: float) -> None:
    energy, spectrum = peaks((40.0, lambda_))
    tc_k = eliashberg_tc(energy, spectrum, mu_star).tc_k or 0.0
    assert (eliashberg_tc(energy, more * spectrum, mu_star).tc_k or 0.0) > tc_k
    assert (eliashberg_tc(energy, spectrum, mu_star + 0.03).tc_k or 0.0) < tc_k


def test_an_aluminium_like_metal_is_tractable() -> None:
    """With lambda 0.44 and mu* 0.1 to 0.14, a Tc of 1 to 3 K (aluminium: 1.2 K), out of reach of a full matrix."""
    for mu_star in (0.10, 0.12, 0.14):
        solved = eliashberg_tc(*aluminium_like(0.44), mu_star)
        assert solved.status == "superconducting"
        assert 1.0 < solved.tc_k < 3.0
    assert 1e-3 < eliashberg_tc(*aluminium_like(0.2), 0.1).tc_k < 1e-2


def test_weak_coupling_is_told_apart() -> None:
    """Superconducting, superconducting below the floor, and not at all, in that order as lambda falls."""
    statuses = [eliashberg_tc(*aluminium_like(lambda_), 0.1) for lambda_ in (0.25, 0.12, 0.05)]
    assert [found.status for found in statuses] == ["superconducting", "not_bracketed", "not_superconducting"]
    assert statuses[1].tc_k is None
    assert 0 < statuses[1].floor_k < 1e-3
    assert statuses[2].tc_k == 0.0
    # Without repulsion every attraction has a Tc, however small.
    assert eliashberg_tc(*aluminium_like(0.02), 0.0).status == "not_bracketed"


def test_the_threshold_is_below_the_one_of_the_formulas() -> None:
    """Retardation lets lambda < mu* superconduct, where McMillan's formula has ended long since."""
    assert eliashberg_tc(*aluminium_like(0.09), 0.1).status == "not_bracketed"


def test_folding_predicts_a_tc_that_can_be_computed() -> None:
    spectrum = aluminium_like(0.22)
    solved = eliashberg_tc(*spectrum, 0.1)
    assert solved.tc_k is not None
    warmer_k = 3 * solved.tc_k
    lambda_ = moments(*spectrum).lambda_
    kernel = phonon_kernel(*spectrum, highest_argument_mev(warmer_k, solved.cutoff_mev))
    left = coupling_left_at_zero(kernel, warmer_k, 0.1, solved.cutoff_mev)
    assert warmer_k * np.exp(-2 * (1 + lambda_) / left) == pytest.approx(solved.tc_k, rel=0.01)


def test_rescaling_mu_star_to_the_cutoff_lowers_tc() -> None:
    spectrum = peaks((60.0, 1.2))
    plain, rescaled = eliashberg_tc(*spectrum, 0.1), eliashberg_tc(*spectrum, 0.1, rescale_mu_star=True)
    assert plain.mu_star_at_cutoff == 0.1
    assert 1 / rescaled.mu_star_at_cutoff == pytest.approx(10 - np.log(10), rel=1e-3)
    assert rescaled.tc_k < plain.tc_k
    assert rescaled_mu_star(0.0, 60.0, 600.0) == 0.0


def test_a_rescaled_mu_star_makes_the_cutoff_immaterial() -> None:
    spectrum = peaks((60.0, 1.2))
    tcs_k = [
        eliashberg_tc(*spectrum, 0.1, cutoff_factor=factor, rescale_mu_star=True).tc_k for factor in (8.0, 16.0, 32.0)
    ]
    assert np.ptp(tcs_k) < 0.01 * tcs_k[0]


def test_isotope_coefficient_without_repulsion_is_one_half() -> None:
    assert eliashberg_isotope_coefficient(*two_peaks(1.2, 50.0, 70.0), 0.0) == 0.5


@pytest.mark.parametrize("rescale", [False, True])
def test_isotope_coefficient_by_scaling_the_masses(rescale: bool) -> None:
    """Heavier atoms, the same mu* at the same cutoff in meV: a cutoff far above the phonons must give the same."""
    energy, alpha2f = two_peaks(1.0, 50.0, 60.0)
    highest_mev, factor, mass = highest_phonon_mev(energy, alpha2f), 40.0, 1.02
    mu_c = 0.14
    found = {}
    for side in (1, -1):
        softer = energy * mass ** (-side / 2)
        found[side] = eliashberg_tc(softer, alpha2f, mu_c, cutoff_factor=factor * mass ** (side / 2)).tc_k
    direct = -np.log(found[1] / found[-1]) / (2 * np.log(mass))
    omega_2_mev = moments(energy, alpha2f).omega_2_mev
    mu_star = 1 / (1 / mu_c + np.log(factor * highest_mev / omega_2_mev)) if rescale else mu_c
    by_mu_star = eliashberg_isotope_coefficient(energy, alpha2f, mu_star, cutoff_factor=factor, rescale_mu_star=rescale)
    assert direct < 0.49
    assert by_mu_star == pytest.approx(direct, abs=2e-3)


def test_isotope_coefficient_where_there_is_no_tc() -> None:
    assert eliashberg_isotope_coefficient(*aluminium_like(0.05), 0.1) is None


def test_nonsense_is_refused() -> None:
    spectrum = peaks((60.0, 1.2))
    with pytest.raises(ValueError, match="cutoff factor"):
        eliashberg_tc(*spectrum, 0.1, cutoff_factor=1.0)
    with pytest.raises(ValueError, match=r"mu\*"):
        eliashberg_tc(*spectrum, -0.1)
    with pytest.raises(ValueError, match="no counterpart at the cutoff"):
        eliashberg_tc(*spectrum, 0.45, rescale_mu_star=True)
    with pytest.raises(ValueError, match="wanted all three above 0"):
        largest_eigenvalue(*spectrum, 0.0, 0.1, 600.0)


@pytest.mark.parametrize(("strength", "lowest_k", "limit_seconds"), [(0.38, 10.0, 1.0), (0.28, 1.0, 5.0)])
def test_three_mu_star_take_seconds(strength: float, lowest_k: float, limit_seconds: float) -> None:
    """On one core: under 1 s above 10 K, under 5 s down to 1 K."""
    energy = np.linspace(0.5, 250.0, 500)
    spectrum = strength * (energy / 250.0) * np.sin(np.pi * energy / 251.0)
    started = time.process_time()
    tcs_k = [eliashberg_tc(energy, spectrum, mu_star).tc_k for mu_star in (0.10, 0.13, 0.16)]
    assert time.process_time() - started < limit_seconds
    assert lowest_k < min(tcs_k) < 10 * lowest_k
