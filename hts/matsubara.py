"""Matsubara frequencies and the phonon kernel on them, which the Tc and the gap of Migdal-Eliashberg theory share.

With x = n + 1/2 the frequencies are omega_n = 2 pi kB T x. Low temperatures are cheap: the first 128 frequencies are
kept one by one; above, they are gathered in intervals that grow by 3 % each, with exact weights and with lambda
averaged over the wider of two intervals. The matrices grow with the logarithm of 1/T only, and the largest eigenvalue
of the pairing kernel is within 2e-6 of the one from all frequencies.

References
----------
P. B. Allen and B. Mitrovic, Solid State Physics 37, 1 (1982), https://doi.org/10.1016/S0081-1947(08)60665-7
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import digamma

from hts.superconductivity import quadrature_weights, spectrum_on_positive_energies
from hts.units import BOLTZMANN_MEV_PER_K

FEWEST_FREQUENCIES = 8
SINGLE_FREQUENCIES = 128
INTERVAL_GROWTH = 1.03
TABLE_POINTS = 800


@dataclass(frozen=True)
class MatsubaraGrid:
    """Positive Matsubara frequencies, single or gathered; arrays of shape (m,).

    Attributes
    ----------
    unit_mev
        2 pi kB T in meV.
    x
        Frequencies in that unit: n + 1/2, or the centre of an interval.
    widths
        Widths of the intervals in that unit; 0 for a single frequency.
    weights
        Sum of 1/(2n + 1) over the frequencies of an interval.
    self_energy
        Sum over |k| <= n of lambda(k), divided by 2x.
    """

    unit_mev: float
    x: NDArray[np.floating]
    widths: NDArray[np.floating]
    weights: NDArray[np.floating]
    self_energy: NDArray[np.floating]


@dataclass(frozen=True)
class PhononKernel:
    """lambda(nu) of a spectrum (even in nu) and its integral from 0 to nu (odd), nu in meV."""

    coupling: Callable[[ArrayLike], NDArray[np.floating]]
    integral: Callable[[ArrayLike], NDArray[np.floating]]


def phonon_kernel(energy_mev: ArrayLike, alpha2f: ArrayLike, highest_mev: float) -> PhononKernel:
    """Tabulate lambda(nu) = Int dw 2 w alpha2F / (w^2 + nu^2) and its integral over nu.

    Parameters
    ----------
    energy_mev
        Energies in meV, shape (n,), strictly increasing.
    alpha2f
        Dimensionless Eliashberg function, shape (n,), not zero everywhere.
    highest_mev
        Largest |nu| in meV that will be asked for.

    Returns
    -------
    PhononKernel
        Cubic splines in arsinh(nu/s), s being a tenth of the energy below which 1 % of lambda lies; lambda(0) is the
        lambda of `hts.superconductivity.moments`.

    Raises
    ------
    ValueError
        As `hts.superconductivity.spectrum_on_positive_energies`.
    """
    energy, spectrum = spectrum_on_positive_energies(energy_mev, alpha2f)
    weighted = 2 * quadrature_weights(energy) * spectrum
    energy, weighted = energy[weighted > 0], weighted[weighted > 0]
    cumulative = np.cumsum(weighted / energy)
    scale = 0.1 * float(energy[np.searchsorted(cumulative, 0.01 * cumulative[-1])])
    steps = np.linspace(0.0, np.arcsinh(highest_mev / scale), TABLE_POINTS)
    nu = scale * np.sinh(steps)[:, None]
    coupling = CubicSpline(steps, (weighted * energy / (energy**2 + nu**2)).sum(axis=1))
    integral = CubicSpline(steps, (weighted * np.arctan(nu / energy)).sum(axis=1))
    return PhononKernel(
        lambda value: coupling(np.arcsinh(np.abs(value) / scale)),
        lambda value: np.sign(value) * integral(np.arcsinh(np.abs(value) / scale)),
    )


def highest_argument_mev(temperature_k: float, cutoff_mev: float) -> float:
    """Largest boson energy in meV at which the pairing matrix needs lambda: the sum of its two highest frequencies."""
    unit_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k
    return 2 * (max(cutoff_mev, unit_mev * FEWEST_FREQUENCIES) + unit_mev)


def matsubara_grid(kernel: PhononKernel, temperature_k: float, cutoff_mev: float) -> MatsubaraGrid:
    """Frequencies up to the cutoff (at least 8): the first 128 singly, those above gathered in growing intervals."""
    unit_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * temperature_k
    cutoff = max(cutoff_mev / unit_mev, FEWEST_FREQUENCIES)
    n_single = int(min(np.ceil(cutoff), SINGLE_FREQUENCIES))
    n = np.arange(n_single)
    x = n + 0.5
    weights = np.minimum(cutoff - n, 1.0) / (2 * x)
    couplings = kernel.coupling(unit_mev * n)
    # sum over |k| <= n of lambda(k)
    sums = 2 * np.cumsum(couplings) - couplings[0]
    if cutoff <= SINGLE_FREQUENCIES:
        return MatsubaraGrid(unit_mev, x, np.zeros_like(x), weights, sums / (2 * x))
    count = int(np.ceil(np.log(cutoff / SINGLE_FREQUENCIES) / np.log(INTERVAL_GROWTH)))
    edges = SINGLE_FREQUENCIES * (cutoff / SINGLE_FREQUENCIES) ** (np.arange(count + 1) / count)
    widths = np.diff(edges)
    # The exact sum of 1/(2n + 1) over an interval, and its centre of gravity.
    gathered_weights = np.diff(digamma(edges + 0.5)) / 2
    centres = widths / (2 * gathered_weights)
    # From here on the sum over k is an integral between half-integers: an error of 1e-6.
    passed = kernel.integral(unit_mev * centres) - kernel.integral(unit_mev * x[-1:])
    gathered_sums = sums[-1] + 2 * passed / unit_mev
    return MatsubaraGrid(
        unit_mev,
        np.concatenate([x, centres]),
        np.concatenate([np.zeros_like(x), widths]),
        np.concatenate([weights, gathered_weights]),
        np.concatenate([sums / (2 * x), gathered_sums / (2 * centres)]),
    )


def couplings(kernel: PhononKernel, grid: MatsubaraGrid) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """lambda(n - m) and lambda(n + m + 1) between the frequencies of a grid, both of shape (m, m), dimensionless."""
    distance_mev = grid.unit_mev * np.abs(np.subtract.outer(grid.x, grid.x))
    half_width_mev = grid.unit_mev * np.maximum.outer(grid.widths, grid.widths) / 2
    scattering = np.empty_like(distance_mev)
    single = half_width_mev == 0
    scattering[single] = kernel.coupling(distance_mev[single])
    distance, half_width = distance_mev[~single], half_width_mev[~single]
    rise = kernel.integral(distance + half_width) - kernel.integral(distance - half_width)
    scattering[~single] = rise / (2 * half_width)
    return scattering, kernel.coupling(grid.unit_mev * np.add.outer(grid.x, grid.x))
