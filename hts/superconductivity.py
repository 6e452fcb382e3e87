"""Moments of the Eliashberg function and the Tc formulas built on them.

Numpy in, plain numbers out: no AiiDA, no files. Energies are in meV, temperatures in K, pressures in GPa; lambda and
mu* are dimensionless. Integrals use the trapezoidal rule on the grid given; nothing is assumed below its first positive
energy, where a physical alpha2F falls as the energy squared and alpha2F/omega vanishes.

References
----------
W. L. McMillan, Phys. Rev. 167, 331 (1968), https://doi.org/10.1103/PhysRev.167.331
P. B. Allen and R. C. Dynes, Phys. Rev. B 12, 905 (1975), https://doi.org/10.1103/PhysRevB.12.905
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.units import BOLTZMANN_MEV_PER_K

# Interpolation leaves small negative lobes; more than this share of the maximum is not noise.
NEGATIVE_TOLERANCE = 0.01
# Tc of MgB2 in K, the scale of the figure of merit.
REFERENCE_TC_K = 39.0
# What a given mu* means to the Eliashberg equations: see `hts.eliashberg`.
AT_CUTOFF, RESCALED = "at_cutoff", "rescaled"
MU_STAR_CONVENTIONS = (AT_CUTOFF, RESCALED)
# Step in 1/mu* of the isotope coefficient: Tc, known to 1e-8, then gives it to 1e-6.
ISOTOPE_STEP = 0.01


@dataclass(frozen=True)
class Moments:
    """Moments of alpha2F.

    Attributes
    ----------
    lambda_
        Electron-phonon coupling constant.
    omega_log_mev
        Logarithmic average energy in meV; None where lambda is 0, for it is not defined there.
    omega_2_mev
        Root of the second moment in meV; None where lambda is 0.
    """

    lambda_: float
    omega_log_mev: float | None
    omega_2_mev: float | None


def spectrum_on_positive_energies(
    energy_mev: ArrayLike, alpha2f: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check a spectrum and keep what counts: positive energies, with tiny negative alpha2F set to zero.

    Parameters
    ----------
    energy_mev
        Energies in meV, shape (n,), strictly increasing; those at or below zero are dropped.
    alpha2f
        Dimensionless Eliashberg function on them, shape (n,).

    Returns
    -------
    tuple
        Energies in meV and alpha2F, both of shape (m,) with 2 <= m <= n.

    Raises
    ------
    ValueError
        Wrong shapes, values that are not finite, energies that do not increase, fewer than two positive energies, or
        alpha2F more negative than 1 % of its maximum.
    """
    energy, spectrum = np.asarray(energy_mev, dtype=float), np.asarray(alpha2f, dtype=float)
    if energy.ndim != 1 or energy.shape != spectrum.shape:
        raise ValueError(
            f"energies of shape {energy.shape} and alpha2F of shape {spectrum.shape}: "
            "wanted two one-dimensional arrays of equal length"
        )
    if not (np.isfinite(energy).all() and np.isfinite(spectrum).all()):
        raise ValueError(
            "energies or alpha2F hold values that are not finite: wanted numbers only, repair the spectrum"
        )
    if np.any(np.diff(energy) <= 0):
        raise ValueError("energies do not increase: wanted a strictly increasing grid, sort the spectrum by energy")
    positive = energy > 0
    energy, spectrum = energy[positive], spectrum[positive]
    if energy.size < 2:
        raise ValueError(f"{energy.size} positive energies: wanted at least 2 to integrate alpha2F")
    lowest, highest = float(spectrum.min()), float(spectrum.max())
    if lowest < -NEGATIVE_TOLERANCE * max(highest, 0.0):
        raise ValueError(
            f"alpha2F falls to {lowest:.3g} with a maximum of {highest:.3g}: wanted no negative values below "
            f"-{NEGATIVE_TOLERANCE:.0%} of the maximum, use a denser grid or a Gaussian smearing"
        )
    return energy, np.clip(spectrum, 0.0, None)


def quadrature_weights(energy_mev: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the trapezoidal rule in meV, shape (n,), on increasing energies in meV, shape (n,) with n >= 2."""
    weights = np.zeros_like(energy_mev)
    half_steps = np.diff(energy_mev) / 2
    weights[:-1] += half_steps
    weights[1:] += half_steps
    return weights


def moments(energy_mev: ArrayLike, alpha2f: ArrayLike) -> Moments:
    """Coupling constant and average energies of alpha2F.

    lambda = 2 Int alpha2F/w, ln omega_log = (2/lambda) Int alpha2F ln(w)/w, omega_2^2 = (2/lambda) Int alpha2F w.

    Parameters
    ----------
    energy_mev
        Energies in meV, shape (n,), strictly increasing; those at or below zero are ignored.
    alpha2f
        Dimensionless Eliashberg function, shape (n,).

    Returns
    -------
    Moments
        With lambda 0 and no average energies where the spectrum is zero everywhere.

    Raises
    ------
    ValueError
        As `spectrum_on_positive_energies`.

    References
    ----------
    Allen and Dynes, https://doi.org/10.1103/PhysRevB.12.905
    """
    energy, spectrum = spectrum_on_positive_energies(energy_mev, alpha2f)
    lambda_weights = 2 * quadrature_weights(energy) * spectrum / energy
    lambda_ = float(lambda_weights.sum())
    if lambda_ == 0.0:
        return Moments(0.0, None, None)
    omega_log = float(np.exp(lambda_weights @ np.log(energy) / lambda_))
    omega_2 = float(np.sqrt(lambda_weights @ energy**2 / lambda_))
    return Moments(lambda_, omega_log, omega_2)


def mcmillan_tc_k(lambda_: float, omega_log_mev: float | None, mu_star: float) -> float:
    """Tc of McMillan's formula with omega_log in front, as Dynes and Allen write it.

    Parameters
    ----------
    lambda_
        Coupling constant.
    omega_log_mev
        Logarithmic average energy in meV; None (no spectrum) gives 0.
    mu_star
        Coulomb pseudopotential.

    Returns
    -------
    float
        Tc in K; 0 where lambda <= mu* (1 + 0.62 lambda), which ends the formula but not Eliashberg theory.

    Raises
    ------
    ValueError
        If lambda or mu* is negative or not finite.

    References
    ----------
    McMillan, https://doi.org/10.1103/PhysRev.167.331; Allen and Dynes, https://doi.org/10.1103/PhysRevB.12.905
    """
    check_couplings(lambda_, mu_star)
    net_coupling = lambda_ - mu_star * (1 + 0.62 * lambda_)
    if omega_log_mev is None or net_coupling <= 0:
        return 0.0
    return omega_log_mev / (1.2 * BOLTZMANN_MEV_PER_K) * float(np.exp(-1.04 * (1 + lambda_) / net_coupling))


def allen_dynes_tc_k(lambda_: float, omega_log_mev: float | None, omega_2_mev: float | None, mu_star: float) -> float:
    """Tc of the full Allen-Dynes formula, f1 f2 times McMillan's.

    Parameters
    ----------
    lambda_
        Coupling constant.
    omega_log_mev, omega_2_mev
        Average energies in meV; None (no spectrum) gives 0.
    mu_star
        Coulomb pseudopotential.

    Returns
    -------
    float
        Tc in K; 0 where McMillan's formula ends, see `mcmillan_tc_k`.

    Raises
    ------
    ValueError
        If lambda or mu* is negative or not finite.

    References
    ----------
    Allen and Dynes, https://doi.org/10.1103/PhysRevB.12.905
    """
    mcmillan_k = mcmillan_tc_k(lambda_, omega_log_mev, mu_star)
    if omega_log_mev is None or omega_2_mev is None or mcmillan_k == 0.0:
        return 0.0
    shape = omega_2_mev / omega_log_mev
    lambda_1 = 2.46 * (1 + 3.8 * mu_star)
    lambda_2 = 1.82 * (1 + 6.3 * mu_star) * shape
    strong_coupling = (1 + (lambda_ / lambda_1) ** 1.5) ** (1 / 3)
    shape_correction = 1 + (shape - 1) * lambda_**2 / (lambda_**2 + lambda_2**2)
    return strong_coupling * shape_correction * mcmillan_k


def figure_of_merit(tc_k: float, pressure_gpa: float) -> float:
    """Figure of merit S = Tc / sqrt(P^2 + 39^2), with Tc in K and P in GPa; MgB2 at ambient pressure has 1.

    References
    ----------
    Pickard, Errea and Eremets, https://doi.org/10.1146/annurev-conmatphys-031218-013413
    """
    return tc_k / float(np.hypot(pressure_gpa, REFERENCE_TC_K))


def isotope_coefficient(tc_of_mu_star: Callable[[float], float | None], mu_star: float) -> float | None:
    """Isotope coefficient alpha = -dlnTc/dlnM when the masses of all atoms scale together.

    Heavier by a factor s, every phonon energy falls by sqrt(s) while alpha2F keeps its height, lambda with it. The
    Coulomb repulsion belongs to the electrons and stays: with the cutoff falling like the phonon energies, 1/mu* grows
    by ln(s)/2 (Morel and Anderson). Tc is a phonon energy times a function of mu*, so

        alpha = 1/2 - 1/2 dlnTc/d(1/mu*),

    which for McMillan's formula is his isotope coefficient. The same in both mu* conventions, whose 1/mu* differ by a
    constant.

    Parameters
    ----------
    tc_of_mu_star
        Tc in K (0 or None where there is none) as a function of mu*, all phonon energies fixed.
    mu_star
        Coulomb pseudopotential, at least 0.

    Returns
    -------
    float or None
        The coefficient: exactly 0.5 for mu* = 0, less otherwise, negative where Tc is about to vanish. None where there
        is no Tc within the step of 0.01 in 1/mu* that differentiates.

    References
    ----------
    McMillan, https://doi.org/10.1103/PhysRev.167.331, and Morel and Anderson,
    https://doi.org/10.1103/PhysRev.125.1263
    """
    step = ISOTOPE_STEP
    heavier_k, lighter_k = (tc_of_mu_star(mu_star / (1 + side * step * mu_star)) for side in (1, -1))
    if not heavier_k or not lighter_k:
        return None
    return 0.5 - float(np.log(heavier_k / lighter_k)) / (4 * step)


def tc_table(
    energy_mev: ArrayLike,
    alpha2f: ArrayLike,
    mu_stars: Sequence[float],
    *,
    cutoff_factor: float = 10.0,
    mu_star_convention: str = AT_CUTOFF,
    pressure_gpa: float | None = None,
    gap: bool = False,
) -> dict[str, Any]:
    """All that `hts tc --json` prints: moments, and for each mu* the Tc of two formulas and of Eliashberg theory.

    Parameters
    ----------
    energy_mev, alpha2f
        Energies in meV, strictly increasing, and the dimensionless Eliashberg function, both of shape (n,).
    mu_stars
        Coulomb pseudopotentials, in the order in which they are reported; the first one ranks.
    cutoff_factor
        Matsubara cutoff in units of the highest phonon energy.
    mu_star_convention
        ``at_cutoff``: the Eliashberg equations take mu* at their cutoff, as given; ``rescaled``: mu* is that of omega_2
        and is carried to the cutoff. The formulas take it as given.
    pressure_gpa
        Pressure in GPa, for the figure of merit.
    gap
        Solve for the gap and the isotope coefficients too: four times the work.

    Returns
    -------
    dict
        ``lambda``, ``omega_log_mev``, ``omega_2_mev`` (both None for a zero spectrum), ``mu_star_convention``, ``tc``
        (a list of `hts.tc_rows.tc_row`, one for each mu*), ``status`` (of the first mu*) and ``spread``
        (`hts.tc_rows.tc_spread`).

    Raises
    ------
    ValueError
        As `spectrum_on_positive_energies`; without any mu*, for one that is negative, not finite or impossible to
        rescale, for an unknown convention.
    """
    # Imported here: it builds on this module and brings scipy with it.
    from hts.tc_rows import tc_row, tc_spread

    if not mu_stars:
        raise ValueError("no mu* was given, wanted at least one: 0.10 is usual")
    if mu_star_convention not in MU_STAR_CONVENTIONS:
        raise ValueError(f"mu* convention {mu_star_convention!r}: wanted {' or '.join(MU_STAR_CONVENTIONS)}")
    found = moments(energy_mev, alpha2f)
    settings = {"cutoff_factor": cutoff_factor, "rescale_mu_star": mu_star_convention == RESCALED}
    rows = [tc_row(energy_mev, alpha2f, mu, settings, pressure_gpa=pressure_gpa, gap=gap) for mu in mu_stars]
    return {
        "lambda": found.lambda_,
        "omega_log_mev": found.omega_log_mev,
        "omega_2_mev": found.omega_2_mev,
        "mu_star_convention": mu_star_convention,
        "tc": rows,
        "status": rows[0]["status"],
        "spread": tc_spread(rows),
    }


def check_couplings(lambda_: float, mu_star: float) -> None:
    """Raise ValueError unless lambda and mu* are finite and not negative."""
    for name, value in (("lambda", lambda_), ("mu*", mu_star)):
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} = {value}: wanted a finite number of at least 0")
