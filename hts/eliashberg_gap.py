"""The gap of isotropic Migdal-Eliashberg theory on the Matsubara axis, below Tc.

With omega_n = (2n + 1) pi kB T and R_m = omega_m / sqrt(omega_m^2 + Delta_m^2), over the positive frequencies,

    Delta_n Z_n = pi kB T sum_m [lambda(n-m) + lambda(n+m+1) - 2 mu*] R_m Delta_m / omega_m,
    Z_n = 1 + (pi kB T / omega_n) { sum over |k| <= n of lambda(k) - sum_m [lambda(n-m) - lambda(n+m+1)] (1 - R_m) }.

Z is written as the normal state, which has all frequencies, less what superconductivity takes away, which falls as
1/omega^2. So it has no cutoff bias, and the gap closes at the very Tc of `hts.eliashberg`, whose conventions for the
cutoff and mu* hold here.

What comes out is Delta(i omega_0), the gap function at the lowest Matsubara frequency. It is not the spectral gap, the
edge seen in tunnelling, which solves Delta(omega) = omega on the real axis: the two agree at weak coupling and low
temperature only; at strong coupling the edge lies higher by some per cent.

References
----------
P. B. Allen and B. Mitrovic, Solid State Physics 37, 1 (1982), https://doi.org/10.1016/S0081-1947(08)60665-7
J. P. Carbotte, Rev. Mod. Phys. 62, 1027 (1990), https://doi.org/10.1103/RevModPhys.62.1027
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.eliashberg import NOT_BRACKETED, NOT_SUPERCONDUCTING, SUPERCONDUCTING, EliashbergTc
from hts.matsubara import FEWEST_FREQUENCIES, couplings, highest_argument_mev, matsubara_grid, phonon_kernel
from hts.superconductivity import moments
from hts.units import BOLTZMANN_MEV_PER_K

ABOVE_TC = "above_tc"
NOT_CONVERGED = "not_converged"

# In units of Tc: within 0.2 % of the limit of low temperature for lambda up to 20, and cheap.
LOW_TEMPERATURE = 0.1
# Delta(i omega_0) / kB Tc runs from 1.76 at weak coupling to about 6; starting above leads away from Delta = 0.
START_PER_TC = 8.0
MIXING_STEPS = 20
MIXING = 0.5
NEWTON_STEPS = 60
HALVINGS = 8
# In units of Tc: below, the gap does not change any more and gathering, good to 4e-5 until here, costs accuracy.
LOWEST_TEMPERATURE = 0.01
RELATIVE_RESIDUAL = 1e-10


@dataclass(frozen=True)
class EliashbergGap:
    """Outcome of the search for the gap.

    Attributes
    ----------
    status
        ``superconducting``; ``above_tc``; ``not_superconducting`` (no Tc at all); ``not_bracketed`` (Tc lies below what
        was looked at, and so may the temperature); ``not_converged``.
    temperature_k
        Temperature in K; None if none was given and there is no Tc to take a tenth of.
    gap_mev
        Delta(i omega_0) in meV, not the spectral gap; 0 in the normal state, None if not bracketed or not converged.
    z
        Z(i omega_0), 1 + lambda in the normal state; None where the gap is.
    gap_ratio
        2 Delta(i omega_0) / kB Tc, 3.53 in BCS theory at low temperature; None without a gap.
    """

    status: str
    temperature_k: float | None
    gap_mev: float | None = None
    z: float | None = None
    gap_ratio: float | None = None


@dataclass(frozen=True)
class GapEquations:
    """The equations on a grid of m frequencies.

    Attributes
    ----------
    frequencies_mev
        Matsubara frequencies in meV, shape (m,).
    pairing
        What multiplies R_m Delta_m in the first equation, shape (m, m).
    normal_z
        Z of the normal state, shape (m,).
    z_loss
        What multiplies 1 - R_m in the second equation, shape (m, m).
    """

    frequencies_mev: NDArray[np.floating]
    pairing: NDArray[np.floating]
    normal_z: NDArray[np.floating]
    z_loss: NDArray[np.floating]

    def z(self, gaps_mev: NDArray[np.floating]) -> NDArray[np.floating]:
        """Z of the gaps given in meV, both of shape (m,)."""
        ratio = self.frequencies_mev / np.hypot(self.frequencies_mev, gaps_mev)
        return self.normal_z - self.z_loss @ (1 - ratio)

    def pairing_mev(self, gaps_mev: NDArray[np.floating]) -> NDArray[np.floating]:
        """Right-hand side of the first equation in meV, shape (m,)."""
        return self.pairing @ (gaps_mev * self.frequencies_mev / np.hypot(self.frequencies_mev, gaps_mev))

    def residual_mev(self, gaps_mev: NDArray[np.floating]) -> NDArray[np.floating]:
        """Left less right side of the first equation in meV, shape (m,)."""
        return gaps_mev * self.z(gaps_mev) - self.pairing_mev(gaps_mev)

    def jacobian(self, gaps_mev: NDArray[np.floating]) -> NDArray[np.floating]:
        """Matrix of the derivatives of the residual by the gaps, shape (m, m)."""
        length = np.hypot(self.frequencies_mev, gaps_mev)
        ratio = self.frequencies_mev / length
        slope = -gaps_mev * self.frequencies_mev / length**3
        return np.diag(self.z(gaps_mev)) + gaps_mev[:, None] * self.z_loss * slope[None, :] - self.pairing * ratio**3


def eliashberg_gap(
    energy_mev: ArrayLike, alpha2f: ArrayLike, tc: EliashbergTc, temperature_k: float | None = None
) -> EliashbergGap:
    """Gap at the lowest Matsubara frequency.

    Parameters
    ----------
    energy_mev
        Energies in meV, shape (n,), strictly increasing; those at or below zero are ignored.
    alpha2f
        Dimensionless Eliashberg function, shape (n,).
    tc
        What `hts.eliashberg.eliashberg_tc` found for this spectrum; it brings the cutoff and mu* at the cutoff along.
    temperature_k
        Temperature in K, at least a hundredth of Tc; None takes a tenth of Tc.

    Returns
    -------
    EliashbergGap
        The gap where there is one, 0 in the normal state, None where it is not known; see its ``status``.

    Raises
    ------
    ValueError
        As `hts.superconductivity.moments`, and for a temperature that is not above 0 or below a hundredth of Tc.
    """
    if temperature_k is not None and not (np.isfinite(temperature_k) and temperature_k > 0):
        raise ValueError(f"temperature {temperature_k} K: wanted more than 0")
    normal_z = 1 + moments(energy_mev, alpha2f).lambda_
    if tc.status == NOT_SUPERCONDUCTING:
        return EliashbergGap(NOT_SUPERCONDUCTING, temperature_k, 0.0, normal_z)
    if tc.tc_k is None:
        if temperature_k is None or temperature_k < tc.floor_k:
            return EliashbergGap(NOT_BRACKETED, temperature_k)
        return EliashbergGap(ABOVE_TC, temperature_k, 0.0, normal_z)
    chosen_k = LOW_TEMPERATURE * tc.tc_k if temperature_k is None else temperature_k
    if chosen_k >= tc.tc_k:
        return EliashbergGap(ABOVE_TC, chosen_k, 0.0, normal_z)
    if chosen_k < LOWEST_TEMPERATURE * tc.tc_k:
        raise ValueError(
            f"temperature {chosen_k:.4g} K with a Tc of {tc.tc_k:.4g} K: wanted at least a hundredth of it, below "
            "which the gap does not change: raise the temperature"
        )
    thermal_mev = BOLTZMANN_MEV_PER_K * tc.tc_k
    # At very strong coupling Tc itself needs more than the phonons' cutoff, and the gap not less.
    cutoff_mev = max(tc.cutoff_mev, 2 * np.pi * thermal_mev * FEWEST_FREQUENCIES)
    equations = gap_equations(energy_mev, alpha2f, chosen_k, tc.mu_star_at_cutoff, cutoff_mev)
    gaps_mev = solve(equations, START_PER_TC * thermal_mev)
    if gaps_mev is None:
        return EliashbergGap(NOT_CONVERGED, chosen_k)
    gap_mev = float(gaps_mev[0])
    return EliashbergGap(SUPERCONDUCTING, chosen_k, gap_mev, float(equations.z(gaps_mev)[0]), 2 * gap_mev / thermal_mev)


def gap_equations(
    energy_mev: ArrayLike, alpha2f: ArrayLike, temperature_k: float, mu_star: float, cutoff_mev: float
) -> GapEquations:
    """Equations for a spectrum, a temperature in K, mu* at the cutoff and the cutoff in meV.

    Raises
    ------
    ValueError
        As `hts.superconductivity.spectrum_on_positive_energies`.
    """
    kernel = phonon_kernel(energy_mev, alpha2f, highest_argument_mev(temperature_k, cutoff_mev))
    grid = matsubara_grid(kernel, temperature_k, cutoff_mev)
    difference, total = couplings(kernel, grid)
    # pi kB T / omega = 1/2x; a gathered frequency stands for 2x times its weight of them.
    counts = 2 * grid.x * grid.weights
    return GapEquations(
        grid.unit_mev * grid.x,
        (difference + total - 2 * mu_star) * grid.weights,
        1 + grid.self_energy,
        (difference - total) * counts / (2 * grid.x[:, None]),
    )


def solve(equations: GapEquations, start_mev: float) -> NDArray[np.floating] | None:
    """Gaps in meV, shape (m,), from a start above them in meV, or None if they do not converge.

    Mixed fixed-point steps come down from the start, then Newton's method with halved steps where the residual grows.
    Delta = 0 always solves the equations; it is no answer below Tc and counts as not converged.
    """
    omega = equations.frequencies_mev
    gaps = start_mev / (1 + (omega / start_mev) ** 2)
    for _ in range(MIXING_STEPS):
        gaps = (1 - MIXING) * gaps + MIXING * equations.pairing_mev(gaps) / equations.z(gaps)
    residual = equations.residual_mev(gaps)
    for _ in range(NEWTON_STEPS):
        if not gaps[0] > 0:
            return None
        if np.abs(residual).max() <= RELATIVE_RESIDUAL * gaps[0]:
            return gaps
        step = np.linalg.solve(equations.jacobian(gaps), -residual)
        for _ in range(HALVINGS):
            tried = equations.residual_mev(gaps + step)
            if np.linalg.norm(tried) < np.linalg.norm(residual):
                break
            step = step / 2
        gaps, residual = gaps + step, tried
    return None
