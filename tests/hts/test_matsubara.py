"""Frequencies, gathered or not, and the phonon kernel on them, against direct sums."""

import numpy as np
import pytest

from hts.matsubara import couplings, highest_argument_mev, matsubara_grid, phonon_kernel
from hts.superconductivity import moments, quadrature_weights
from hts.units import BOLTZMANN_MEV_PER_K

SHARP = 1e-4


def peaks(*lines: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Narrow triangular peaks given as (energy in meV, lambda), by increasing energy."""
    energy = np.array([omega * (1 + side * SHARP) for omega, _ in lines for side in (-1, 0, 1)])
    spectrum = np.array([height for _, lambda_ in lines for height in (0.0, lambda_ / (2 * SHARP), 0.0)])
    return energy, spectrum


def test_tabulated_kernel_and_its_integral() -> None:
    energy, alpha2f = spectrum = peaks((0.5, 0.3), (200.0, 1.5))
    kernel = phonon_kernel(*spectrum, 1e5)
    nu = np.geomspace(1e-4, 1e5, 333)
    weights = 2 * alpha2f * quadrature_weights(energy)
    exact = (weights * energy / (energy**2 + nu[:, None] ** 2)).sum(axis=1)
    assert np.abs(kernel.coupling(nu) - exact).max() < 1e-6
    assert kernel.coupling(0.0) == pytest.approx(moments(*spectrum).lambda_)
    assert kernel.integral(nu) == pytest.approx((weights * np.arctan(nu[:, None] / energy)).sum(axis=1), abs=1e-5)
    assert kernel.integral(-nu) == pytest.approx(-kernel.integral(nu))


@pytest.mark.parametrize("temperature_k", [0.05, 1.0, 40.0])
def test_no_frequency_is_lost_when_they_are_gathered(temperature_k: float) -> None:
    """Their number and the sum of 1/(2n + 1), whose logarithm makes superconductivity, are those of all frequencies."""
    cutoff_mev = 300.0
    kernel = phonon_kernel(*peaks((30.0, 1.0)), highest_argument_mev(temperature_k, cutoff_mev))
    grid = matsubara_grid(kernel, temperature_k, cutoff_mev)
    exact = cutoff_mev / (2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k)
    whole, part = int(exact), exact - int(exact)
    n = np.arange(whole)
    assert (2 * grid.x * grid.weights).sum() == pytest.approx(exact, rel=1e-9)
    assert grid.weights.sum() == pytest.approx((1 / (2 * n + 1)).sum() + part / (2 * whole + 1), rel=1e-6)
    assert grid.x.size < 500


def test_couplings_of_single_frequencies() -> None:
    temperature_k, cutoff_mev = 100.0, 500.0
    kernel = phonon_kernel(*peaks((30.0, 1.0)), highest_argument_mev(temperature_k, cutoff_mev))
    grid = matsubara_grid(kernel, temperature_k, cutoff_mev)
    difference, total = couplings(kernel, grid)
    n = np.arange(grid.x.size)
    unit_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k

    def einstein(k: np.ndarray) -> np.ndarray:
        return 30.0**2 / (30.0**2 + (unit_mev * k) ** 2)

    assert difference == pytest.approx(einstein(n[:, None] - n), abs=1e-6)
    assert total == pytest.approx(einstein(n[:, None] + n + 1), abs=1e-6)
    assert grid.self_energy * (2 * n + 1) == pytest.approx([einstein(np.arange(-k, k + 1)).sum() for k in n], abs=1e-5)
