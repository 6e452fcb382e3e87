"""The gap against BCS theory, an independent dense solution, EPW, and the Tc of the linearised equations."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.alpha2f import read_alpha2f
from hts.eliashberg import EliashbergTc, eliashberg_tc, largest_eigenvalue
from hts.eliashberg_gap import EliashbergGap, eliashberg_gap, gap_equations, solve
from hts.superconductivity import moments, quadrature_weights
from hts.units import BOLTZMANN_MEV_PER_K

ALUMINIUM = Path(__file__).parent.parent / "data" / "epw" / "al_isotropic" / "aiida.a2f"
SHARP = 1e-4


def peaks(*lines: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Narrow triangular peaks given as (energy in meV, lambda), by increasing energy."""
    energy = np.array([omega * (1 + side * SHARP) for omega, _ in lines for side in (-1, 0, 1)])
    spectrum = np.array([height for _, lambda_ in lines for height in (0.0, lambda_ / (2 * SHARP), 0.0)])
    return energy, spectrum


def two_peaks(lambda_: float, omega_log_mev: float, omega_2_mev: float) -> tuple[np.ndarray, np.ndarray]:
    """Two peaks of equal lambda that have these three moments."""
    spread = 0.5 * np.arccosh((omega_2_mev / omega_log_mev) ** 2)
    return peaks((omega_log_mev * np.exp(-spread), lambda_ / 2), (omega_log_mev * np.exp(spread), lambda_ / 2))


def dense_gap(
    spectrum: tuple[np.ndarray, np.ndarray], temperature_k: float, mu_star: float, n_frequencies: int
) -> tuple[float, float]:
    """Iterate the equations over both signs of every frequency as the textbook writes them: gap in meV and Z."""
    energy, alpha2f = spectrum
    weights = 2 * energy * alpha2f * quadrature_weights(energy)
    thermal_mev = np.pi * BOLTZMANN_MEV_PER_K * temperature_k
    n = np.arange(-n_frequencies, n_frequencies)
    omega = thermal_mev * (2 * n + 1)
    nu = omega[:, None] - omega
    coupling = (weights[:, None, None] / (energy[:, None, None] ** 2 + nu**2)).sum(axis=0)
    # The frequencies beyond the cutoff are normal: their share of Z is that of the whole normal state less the sum.
    steps = 2 * thermal_mev * np.arange(1, n_frequencies)
    rising = np.concatenate([[0.0], 2 * np.cumsum((weights / (energy**2 + steps[:, None] ** 2)).sum(axis=1))])
    whole = moments(*spectrum).lambda_ + rising
    whole = np.concatenate([whole[::-1], whole])
    gaps = np.full(omega.size, 5 * thermal_mev)
    for _ in range(5000):
        length = np.hypot(omega, gaps)
        lost = coupling @ (np.sign(omega) - omega / length)
        z = 1 + thermal_mev / omega * (np.sign(omega) * whole - lost)
        new = thermal_mev * ((coupling - mu_star) @ (gaps / length)) / z
        if np.abs(new - gaps).max() < 1e-12 * gaps.max():
            break
        gaps = 0.3 * gaps + 0.7 * new
    return float(gaps[n_frequencies]), float(z[n_frequencies])


def ratio(spectrum: tuple[np.ndarray, np.ndarray], mu_star: float, **tc_settings: bool) -> float:
    found = eliashberg_gap(*spectrum, eliashberg_tc(*spectrum, mu_star, **tc_settings))
    assert found.status == "superconducting"
    assert found.gap_ratio is not None
    return found.gap_ratio


@pytest.mark.parametrize(("share", "mu_star"), [(0.15, 0.0), (0.15, 0.13), (0.6, 0.13), (0.97, 0.13)])
def test_gap_and_z_equal_the_dense_ones(share: float, mu_star: float) -> None:
    spectrum = peaks((8.0, 0.9), (30.0, 0.8))
    tc = eliashberg_tc(*spectrum, mu_star)
    # A whole number of frequencies below the cutoff, so that no frequency counts in part.
    n_frequencies = int(np.ceil(300.0 / (2 * np.pi * BOLTZMANN_MEV_PER_K * share * tc.tc_k)))
    temperature_k = 300.0 / (2 * np.pi * BOLTZMANN_MEV_PER_K * n_frequencies)
    assert tc.cutoff_mev == pytest.approx(300.0)
    found = eliashberg_gap(*spectrum, tc, temperature_k)
    gap_mev, z = dense_gap(spectrum, temperature_k, mu_star, n_frequencies)
    assert found.gap_mev == pytest.approx(gap_mev, rel=1e-5)
    assert found.z == pytest.approx(z, rel=1e-6)


@pytest.mark.parametrize(("lambda_", "mu_star"), [(0.2, 0.0), (0.3, 0.1), (0.3, 0.2)])
def test_weak_coupling_is_bcs(lambda_: float, mu_star: float) -> None:
    """2 Delta / kB Tc = 2 pi exp(-0.5772) = 3.528 (Bardeen, Cooper and Schrieffer, Phys. Rev. 108, 1175)."""
    assert ratio(peaks((20.0, lambda_)), mu_star) == pytest.approx(2 * np.pi * np.exp(-np.euler_gamma), rel=5e-4)


@pytest.mark.parametrize("share", [0.9, 0.99, 0.999])
def test_the_bcs_gap_closes_with_a_square_root(share: float) -> None:
    """Near Tc the BCS gap is pi sqrt(8 / (7 zeta(3))) kB Tc sqrt(1 - T/Tc), 3.06 in numbers, and falls below it."""
    spectrum = peaks((20.0, 0.25))
    tc = eliashberg_tc(*spectrum, 0.0)
    found = eliashberg_gap(*spectrum, tc, share * tc.tc_k)
    limit = np.pi * np.sqrt(8 / (7 * 1.2020569)) * np.sqrt(1 - share)
    expected = pytest.approx(limit, rel=0.6 * (1 - share) + 1e-3)
    assert found.gap_mev / (BOLTZMANN_MEV_PER_K * tc.tc_k) == expected


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("lambda_", [0.5, 2.0, 60.0])
def test_the_gap_closes_at_the_tc_of_the_linearised_equations(lambda_: float, rescale: bool) -> None:
    spectrum = peaks((20.0, lambda_))
    tc = eliashberg_tc(*spectrum, 0.1, rescale_mu_star=rescale)
    below, above = (eliashberg_gap(*spectrum, tc, (1 + side * 1e-6) * tc.tc_k) for side in (-1, 1))
    assert below.status == "superconducting"
    assert 0 < below.gap_mev < 1e-2 * BOLTZMANN_MEV_PER_K * tc.tc_k
    assert above == EliashbergGap("above_tc", (1 + 1e-6) * tc.tc_k, 0.0, pytest.approx(1 + lambda_))
    # The square of the gap, linear there, vanishes where the eigenvalue is 1 and not elsewhere.
    shares = np.array([1 - 2e-3, 1 - 1e-3])
    squares = [eliashberg_gap(*spectrum, tc, share * tc.tc_k).gap_mev ** 2 for share in shares]
    closing = shares[1] + squares[1] * (shares[1] - shares[0]) / (squares[0] - squares[1])
    assert closing == pytest.approx(1.0, abs=2e-5)


# What epw.x 5.3.1 printed for fcc Al without repulsion (tests/data/epw/al_isotropic/aiida.out): temperature in K,
# number of frequencies, gap in meV and Z.
EPW_ALUMINIUM = [(1.0, 554, 1.250606, 1.420865), (2.0, 277, 1.249455, 1.420809), (4.0, 139, 1.199747, 1.420906)]


@pytest.mark.parametrize(("temperature_k", "n_frequencies", "gap_mev", "z"), EPW_ALUMINIUM)
def test_gap_and_z_of_an_epw_run(
    monkeypatch: pytest.MonkeyPatch, temperature_k: float, n_frequencies: int, gap_mev: float, z: float
) -> None:
    """The same numbers once the sum for Z ends at the cutoff, as EPW's does; 1 % apart with the whole sum."""
    spectrum = read_alpha2f(ALUMINIUM)
    cutoff_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k * n_frequencies
    ours = solve(gap_equations(*spectrum, temperature_k, 0.0, cutoff_mev), 5.0)
    assert ours is not None
    assert ours[0] == pytest.approx(gap_mev, rel=0.012)
    # A sum that ends at the cutoff does not cancel exactly where frequencies are gathered: keep all.
    monkeypatch.setattr("hts.matsubara.SINGLE_FREQUENCIES", n_frequencies + 1)
    equations = gap_equations(*spectrum, temperature_k, 0.0, cutoff_mev)
    epw = replace(equations, normal_z=1 + equations.z_loss.sum(axis=1))
    gaps = solve(epw, 5.0)
    assert gaps is not None
    assert gaps[0] == pytest.approx(gap_mev, rel=2e-4)
    assert epw.z(gaps)[0] == pytest.approx(z, rel=1e-5)


def test_gap_and_z_of_epw_from_three_moments() -> None:
    """EPW at 3 K, mu* = 0.13, cutoff 500 meV: 2.8019 meV and 2.7241 (aiida-epw f6844e4, full_iso_eliashberg).

    Its a2f has lambda 1.9918, omega_log 6.8073 and omega_2 7.3614 meV, which do not fix a gap further than this; the
    whole spectrum is compared in examples/alpha2f-benchmarks.py, to 0.4 and 0.2 %.
    """
    spectrum = two_peaks(1.9918, 6.8073, 7.3614)
    tc = eliashberg_tc(*spectrum, 0.13, cutoff_factor=500.0 / spectrum[0][-1])
    assert tc.cutoff_mev == pytest.approx(500.0, rel=1e-3)
    found = eliashberg_gap(*spectrum, tc, 3.0)
    assert found.gap_mev == pytest.approx(2.8019, rel=0.02)
    assert found.z == pytest.approx(2.7241, rel=0.005)


@pytest.mark.parametrize(("lambda_", "mu_star"), [(0.6, 0.1), (1.0, 0.1), (1.5, 0.13), (2.0, 0.0)])
def test_strong_coupling_correction_of_the_gap(lambda_: float, mu_star: float) -> None:
    """2 Delta/kB Tc = 3.53 [1 + 12.5 (Tc/omega_log)^2 ln(omega_log/2 Tc)] for the edge (Carbotte, RMP 62, 1027).

    Delta(i omega_0) is below the edge: by less than the correction itself.
    """
    spectrum = peaks((20.0, lambda_))
    reduced = BOLTZMANN_MEV_PER_K * eliashberg_tc(*spectrum, mu_star).tc_k / 20.0
    edge = 3.53 * (1 + 12.5 * reduced**2 * np.log(1 / (2 * reduced)))
    assert 3.53 < ratio(spectrum, mu_star) < edge
    assert ratio(spectrum, mu_star) == pytest.approx(edge, rel=0.08)


@settings(max_examples=15, deadline=None)
@given(
    lambda_=st.floats(0.3, 30),
    mu_star=st.floats(0, 0.25),
    share=st.floats(0.01, 0.9999),
    spread=st.floats(1.5, 20),
)
def test_it_converges_wherever_there_is_a_gap(lambda_: float, mu_star: float, share: float, spread: float) -> None:
    spectrum = peaks((10.0, lambda_ / 2), (10.0 * spread, lambda_ / 2))
    tc = eliashberg_tc(*spectrum, mu_star)
    if tc.tc_k is None or tc.tc_k == 0:
        assert eliashberg_gap(*spectrum, tc).gap_ratio is None
        return
    found = eliashberg_gap(*spectrum, tc, share * tc.tc_k)
    assert found.status == "superconducting"
    assert 0 < found.gap_ratio < 10
    assert 1 < found.z < 1 + moments(*spectrum).lambda_
    assert largest_eigenvalue(*spectrum, share * tc.tc_k, mu_star, tc.cutoff_mev) > 1


def test_the_gap_grows_as_it_cools_and_settles() -> None:
    spectrum = peaks((20.0, 1.5))
    tc = eliashberg_tc(*spectrum, 0.1)
    gaps = [eliashberg_gap(*spectrum, tc, share * tc.tc_k).gap_mev for share in (0.9, 0.5, 0.2, 0.1, 0.05, 0.02)]
    assert gaps == sorted(gaps)
    # What the default temperature leaves out.
    assert gaps[-1] == pytest.approx(gaps[3], rel=2e-3)
    assert eliashberg_gap(*spectrum, tc).gap_mev == pytest.approx(gaps[3], rel=1e-9)


def test_what_has_no_gap_says_so() -> None:
    spectrum = peaks((20.0, 0.2))
    none = eliashberg_tc(*spectrum, 0.5)
    assert none.status == "not_superconducting"
    assert eliashberg_gap(*spectrum, none) == EliashbergGap("not_superconducting", None, 0.0, pytest.approx(1.2))
    hidden = eliashberg_tc(*spectrum, 0.2)
    assert hidden.status == "not_bracketed"
    assert eliashberg_gap(*spectrum, hidden) == EliashbergGap("not_bracketed", None)
    assert eliashberg_gap(*spectrum, hidden, hidden.floor_k / 2) == EliashbergGap("not_bracketed", hidden.floor_k / 2)
    assert eliashberg_gap(*spectrum, hidden, 1.0) == EliashbergGap("above_tc", 1.0, 0.0, pytest.approx(1.2))
    zero = np.linspace(1, 10, 20), np.zeros(20)
    assert eliashberg_gap(*zero, eliashberg_tc(*zero, 0.1)) == EliashbergGap("not_superconducting", None, 0.0, 1.0)


def test_no_number_where_the_equations_have_no_solution_but_zero() -> None:
    """Told that Tc is twice as high, the solver finds only Delta = 0 in between and does not call that a gap."""
    spectrum = peaks((20.0, 1.0))
    tc = eliashberg_tc(*spectrum, 0.1)
    wrong = EliashbergTc(2 * tc.tc_k, tc.status, tc.floor_k, tc.cutoff_mev, tc.mu_star_at_cutoff)
    found = eliashberg_gap(*spectrum, wrong, 1.5 * tc.tc_k)
    assert found == EliashbergGap("not_converged", 1.5 * tc.tc_k)
    assert solve(gap_equations(*spectrum, 1.5 * tc.tc_k, 0.1, tc.cutoff_mev), 10.0) is None


@pytest.mark.parametrize("temperature_k", [0.0, -1.0, np.nan, 1e-3])
def test_a_temperature_out_of_range_is_refused(temperature_k: float) -> None:
    spectrum = peaks((20.0, 1.0))
    with pytest.raises(ValueError, match="temperature"):
        eliashberg_gap(*spectrum, eliashberg_tc(*spectrum, 0.1), temperature_k)


def test_a_gap_takes_less_than_a_second() -> None:
    spectrum = peaks((20.0, 1.0), (150.0, 1.0))
    tc = eliashberg_tc(*spectrum, 0.1)
    started = time.process_time()
    assert eliashberg_gap(*spectrum, tc).status == "superconducting"
    assert time.process_time() - started < 1.0
