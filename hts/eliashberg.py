"""Tc from the isotropic, linearised Migdal-Eliashberg equations on the Matsubara axis.

At Tc the largest (algebraic) eigenvalue of the pairing kernel is 1. With x = n + 1/2 for omega_n = 2 pi kB T x, and
symmetrised with the weights 1/(2x), the kernel is

    S(x, y) = [lambda(x - y) + lambda(x + y) - 2 mu*] / sqrt(2x 2y) - delta(x, y) [sum over |k| <= n of lambda(k)] / 2x.

Conventions
-----------
- Cutoff omega_c = 10 omega_max, omega_max being the highest energy with a sizeable alpha2F; never fewer than 8
  frequencies, so that very strong coupling meets no temperature ceiling. The frequency at the cutoff counts with the
  part of its interval that lies below, which makes the eigenvalue a continuous function of temperature.
- ``mu* at the cutoff`` (default): mu* is used as given, as EPW does. ``mu* rescaled to the cutoff``: 1/mu*_c = 1/mu* +
  ln(omega_2/omega_c), as ebmb does. The two differ by several per cent of Tc for the same mu*.
- The self-energy term carries the full sum over frequencies, without cutoff bias.
- High frequencies are gathered, so that low temperatures are cheap: see `hts.matsubara`.

References
----------
P. B. Allen and B. Mitrovic, Solid State Physics 37, 1 (1982), eqs. 11.10-11,
https://doi.org/10.1016/S0081-1947(08)60665-7
P. B. Allen and R. C. Dynes, Phys. Rev. B 12, 905 (1975), https://doi.org/10.1103/PhysRevB.12.905
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.optimize import brentq

from hts.matsubara import PhononKernel, couplings, highest_argument_mev, matsubara_grid, phonon_kernel
from hts.superconductivity import (
    allen_dynes_tc_k,
    check_couplings,
    isotope_coefficient,
    moments,
    spectrum_on_positive_energies,
)
from hts.units import BOLTZMANN_MEV_PER_K

SUPERCONDUCTING = "superconducting"
NOT_SUPERCONDUCTING = "not_superconducting"
NOT_BRACKETED = "not_bracketed"

# Lowest kB T looked at, in units of omega_log: 0.3 mK in fcc Al, 1 mK in a hydride. A multiple of omega_log, so that Tc
# scales with the energies exactly.
FLOOR_PER_OMEGA_LOG = 1e-6
# kB Tc never exceeds 0.1827 omega_2 sqrt(lambda), its limit at strong coupling (Allen and Dynes), with some room.
CEILING = 0.2
RELATIVE_TOLERANCE = 1e-8


@dataclass(frozen=True)
class EliashbergTc:
    """Outcome of the search for Tc.

    Attributes
    ----------
    tc_k
        Tc in K if superconducting, 0.0 if not, None if it exists but lies below `floor_k`.
    status
        ``superconducting``, ``not_superconducting`` or ``not_bracketed``.
    floor_k
        Lowest temperature looked at in K: an upper bound of Tc when not bracketed (0 for a zero spectrum).
    cutoff_mev
        Matsubara cutoff in meV (0 for a zero spectrum).
    mu_star_at_cutoff
        The mu* in the kernel: as given, or rescaled to the cutoff.
    """

    tc_k: float | None
    status: str
    floor_k: float
    cutoff_mev: float
    mu_star_at_cutoff: float


def eliashberg_tc(
    energy_mev: ArrayLike,
    alpha2f: ArrayLike,
    mu_star: float,
    *,
    cutoff_factor: float = 10.0,
    rescale_mu_star: bool = False,
) -> EliashbergTc:
    """Tc of isotropic Migdal-Eliashberg theory with a constant density of states.

    Parameters
    ----------
    energy_mev
        Energies in meV, shape (n,), strictly increasing; those at or below zero are ignored.
    alpha2f
        Dimensionless Eliashberg function, shape (n,).
    mu_star
        Coulomb pseudopotential.
    cutoff_factor
        Matsubara cutoff in units of the highest phonon energy.
    rescale_mu_star
        False: ``mu* at the cutoff``; True: ``mu* rescaled to the cutoff`` (see the module).

    Returns
    -------
    EliashbergTc
        ``superconducting``; ``not_superconducting`` when no temperature, however low, has a pairing instability (or
        the spectrum is zero); ``not_bracketed`` when there is one below the floor of kB T = 1e-6 omega_log. The last
        two are told apart by `coupling_left_at_zero`.

    Raises
    ------
    ValueError
        As `hts.superconductivity.moments`; for a negative mu*; for a cutoff factor of 1 or less; for a mu* so large
        that rescaling it to the cutoff has no solution. References: see the module.
    """
    found = moments(energy_mev, alpha2f)
    check_couplings(found.lambda_, mu_star)
    if not (np.isfinite(cutoff_factor) and cutoff_factor > 1):
        raise ValueError(f"cutoff factor {cutoff_factor}: wanted more than 1, 10 is usual")
    if found.omega_log_mev is None or found.omega_2_mev is None:
        return EliashbergTc(0.0, NOT_SUPERCONDUCTING, 0.0, 0.0, mu_star)
    cutoff_mev = cutoff_factor * highest_phonon_mev(energy_mev, alpha2f)
    mu_c = rescaled_mu_star(mu_star, found.omega_2_mev, cutoff_mev) if rescale_mu_star else mu_star
    floor_k = FLOOR_PER_OMEGA_LOG * found.omega_log_mev / BOLTZMANN_MEV_PER_K
    ceiling_k = CEILING * found.omega_2_mev * float(np.sqrt(found.lambda_)) / BOLTZMANN_MEV_PER_K
    guess_k = 0.8 * allen_dynes_tc_k(found.lambda_, found.omega_log_mev, found.omega_2_mev, mu_star)
    kernel = phonon_kernel(energy_mev, alpha2f, highest_argument_mev(ceiling_k, cutoff_mev))

    def excess(log_tc: float) -> float:
        return top_eigenvalue(pairing_matrix(kernel, float(np.exp(log_tc)), mu_c, cutoff_mev)) - 1.0

    for lower_k in (guess_k, floor_k):
        if lower_k >= floor_k and excess(float(np.log(lower_k))) > 0:
            log_tc = brentq(excess, np.log(lower_k), np.log(ceiling_k), xtol=RELATIVE_TOLERANCE)
            return EliashbergTc(float(np.exp(log_tc)), SUPERCONDUCTING, floor_k, cutoff_mev, mu_c)
    exists = coupling_left_at_zero(kernel, floor_k, mu_c, cutoff_mev) > 0
    tc_k, status = (None, NOT_BRACKETED) if exists else (0.0, NOT_SUPERCONDUCTING)
    return EliashbergTc(tc_k, status, floor_k, cutoff_mev, mu_c)


def eliashberg_isotope_coefficient(
    energy_mev: ArrayLike,
    alpha2f: ArrayLike,
    mu_star: float,
    *,
    cutoff_factor: float = 10.0,
    rescale_mu_star: bool = False,
) -> float | None:
    """Isotope coefficient of the Eliashberg Tc when all masses scale together, by `isotope_coefficient`.

    Parameters
    ----------
    energy_mev, alpha2f, mu_star, cutoff_factor, rescale_mu_star
        As for `eliashberg_tc`.

    Returns
    -------
    float or None
        -dlnTc/dlnM: 0.5 for mu* = 0, less otherwise; None where there is no Tc above the floor.

    Raises
    ------
    ValueError
        As `eliashberg_tc`.
    """

    def tc_k(mu: float) -> float | None:
        return eliashberg_tc(energy_mev, alpha2f, mu, cutoff_factor=cutoff_factor, rescale_mu_star=rescale_mu_star).tc_k

    return isotope_coefficient(tc_k, mu_star)


def largest_eigenvalue(
    energy_mev: ArrayLike, alpha2f: ArrayLike, temperature_k: float, mu_star: float, cutoff_mev: float
) -> float:
    """Largest algebraic eigenvalue of the pairing kernel: above 1 below Tc, 1 at Tc.

    Parameters
    ----------
    energy_mev
        Energies in meV, shape (n,), strictly increasing.
    alpha2f
        Dimensionless Eliashberg function, shape (n,), not zero everywhere.
    temperature_k
        Temperature in K, above 0.
    mu_star
        Coulomb pseudopotential in the kernel, used as given.
    cutoff_mev
        Matsubara cutoff in meV.

    Returns
    -------
    float
        The eigenvalue; the largest in magnitude may be a negative one and means nothing.

    Raises
    ------
    ValueError
        As `hts.superconductivity.moments`; for a zero spectrum, a temperature or a cutoff that is not positive.
    """
    lambda_ = moments(energy_mev, alpha2f).lambda_
    check_couplings(lambda_, mu_star)
    if lambda_ == 0.0 or not temperature_k > 0 or not cutoff_mev > 0:
        raise ValueError(
            f"lambda {lambda_}, temperature {temperature_k} K, cutoff {cutoff_mev} meV: wanted all three above 0"
        )
    kernel = phonon_kernel(energy_mev, alpha2f, highest_argument_mev(temperature_k, cutoff_mev))
    return top_eigenvalue(pairing_matrix(kernel, temperature_k, mu_star, cutoff_mev))


def rescaled_mu_star(mu_star: float, omega_mev: float, cutoff_mev: float) -> float:
    """Coulomb pseudopotential carried from the phonon energy `omega_mev` to a cutoff, both in meV.

    1/mu*_c = 1/mu* + ln(omega/omega_c); 0 stays 0.

    Raises
    ------
    ValueError
        If mu* ln(omega_c/omega) >= 1: no positive pseudopotential at the cutoff gives this mu*.

    References
    ----------
    P. Morel and P. W. Anderson, https://doi.org/10.1103/PhysRev.125.1263
    """
    remaining = 1 - mu_star * float(np.log(cutoff_mev / omega_mev))
    if remaining <= 0:
        raise ValueError(
            f"mu* = {mu_star} at {omega_mev:.4g} meV has no counterpart at the cutoff of {cutoff_mev:.4g} meV: "
            "lower mu* or the cutoff, or do not rescale"
        )
    return mu_star / remaining


def highest_phonon_mev(energy_mev: ArrayLike, alpha2f: ArrayLike) -> float:
    """Highest energy in meV with alpha2F above 1e-6 of its maximum, so that a smearing tail does not set the cutoff."""
    energy, spectrum = spectrum_on_positive_energies(energy_mev, alpha2f)
    return float(energy[spectrum > 1e-6 * spectrum.max()][-1])


def pairing_matrix(
    kernel: PhononKernel, temperature_k: float, mu_star: float, cutoff_mev: float
) -> NDArray[np.float64]:
    """Symmetrised pairing kernel, shape (m, m), dimensionless.

    Parameters
    ----------
    kernel
        lambda(nu) up to `highest_argument_mev` of the same cutoff and this or a higher temperature.
    temperature_k
        Temperature in K.
    mu_star
        Coulomb pseudopotential at the cutoff.
    cutoff_mev
        Matsubara cutoff in meV.
    """
    grid = matsubara_grid(kernel, temperature_k, cutoff_mev)
    difference, total = couplings(kernel, grid)
    roots = np.sqrt(grid.weights)
    pairing = roots[:, None] * (difference + total - 2 * mu_star) * roots
    return np.asarray(pairing - np.diag(grid.self_energy), dtype=np.float64)


def top_eigenvalue(matrix: NDArray[np.float64]) -> float:
    """Largest algebraic eigenvalue of a symmetric matrix of shape (m, m)."""
    last = matrix.shape[0] - 1
    return float(eigh(matrix, eigvals_only=True, subset_by_index=(last, last))[0])


def coupling_left_at_zero(kernel: PhononKernel, floor_k: float, mu_star: float, cutoff_mev: float) -> float:
    """Effective coupling at zero frequency once all frequencies above a floor temperature are folded in.

    Below the floor, far under every phonon energy, each lowering of T by a factor e adds 1/2 to the weight of the
    frequencies at which the kernel is constant. With that weight W and S the matrix at the floor, an eigenvalue 1
    appears when (1 + lambda)/W equals k + b.(1 - S)^-1.b, where k = 2 lambda(0) - 2 mu* and b couples frequency zero to
    the others. So there is a Tc, about floor_k exp(-2 (1 + lambda) / result), if the result is positive, else none.

    Parameters
    ----------
    kernel
        lambda(nu).
    floor_k
        Temperature in K at which the largest eigenvalue is still below 1.
    mu_star
        Coulomb pseudopotential at the cutoff.
    cutoff_mev
        Matsubara cutoff in meV.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the largest eigenvalue at `floor_k` is 1 or more.
    """
    grid = matsubara_grid(kernel, floor_k, cutoff_mev)
    matrix = pairing_matrix(kernel, floor_k, mu_star, cutoff_mev)
    to_zero = np.sqrt(grid.weights) * (2 * kernel.coupling(grid.unit_mev * grid.x) - 2 * mu_star)
    folded = to_zero @ cho_solve(cho_factor(np.eye(grid.x.size) - matrix), to_zero)
    return float(2 * kernel.coupling(np.zeros(1))[0] - 2 * mu_star + folded)
