"""How much of each Bloch state the atomic orbitals of the pseudopotentials describe, and what follows for windows.

The projectability p_nk = sum over orbitals of |<orbital|psi_nk>|^2 lies between 0 and 1. States that Wannier functions
made of these orbitals are to reproduce exactly need p close to 1; where it falls off with energy, the selected columns
of the density matrix (SCDM) get their smooth window.

References
----------
V. Vitale et al., npj Comput. Mater. 6, 66 (2020), https://doi.org/10.1038/s41524-020-0312-y (SCDM from projectability)
J. Qiao, G. Pizzi, N. Marzari, npj Comput. Mater. 9, 208 (2023), https://doi.org/10.1038/s41524-023-01146-w (windows)
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.special import erfc

from hts.errors import HtsError

# The shift of mu against the fitted midpoint, in sigma, that Vitale et al. choose for entangled bands.
_SIGMA_BELOW = 3.0
_FEWEST_STATES = 10


class ProjectabilityError(HtsError):
    """Projectabilities that no window can be read from; the message says why."""


@dataclass(frozen=True)
class ScdmWindow:
    """Smooth window 0.5 erfc((energy - mu) / sigma) of SCDM for entangled bands; both in eV, mu absolute."""

    mu_ev: float
    sigma_ev: float


def total_projectability(
    projections: NDArray[np.float64], angular_momenta: list[tuple[str, int]], chosen: set[tuple[str, int]]
) -> NDArray[np.float64]:
    """Add up the orbitals that are projected on.

    Parameters
    ----------
    projections : (ns, nk, nb)
        |<orbital|psi_nk>|^2 of every orbital.
    angular_momenta : list of (element, l)
        Of each orbital, length ns.
    chosen : set of (element, l)

    Returns
    -------
    (nk, nb)
        Between 0 and 1; orbitals of different atoms are not orthogonal, a sum beyond 1 is set to 1.
    """
    selected = [index for index, orbital in enumerate(angular_momenta) if orbital in chosen]
    return np.clip(np.asarray(projections, dtype=float)[selected].sum(axis=0), 0.0, 1.0)


def well_described_up_to_ev(
    eigenvalues_ev: NDArray[np.float64], projectability: NDArray[np.float64], fermi_ev: float, at_least: float
) -> float:
    """Return the energy up to which all states are described by the orbitals.

    Parameters
    ----------
    eigenvalues_ev, projectability : (nk, nb)
    fermi_ev : float
    at_least : float
        Projectability that counts as described.

    Returns
    -------
    float
        eV; the lowest energy at or above ``fermi_ev`` of a state below ``at_least``, infinity if there is none.
    """
    poor = (np.asarray(projectability) < at_least) & (np.asarray(eigenvalues_ev) >= fermi_ev)
    return float(np.min(np.asarray(eigenvalues_ev)[poor])) if poor.any() else math.inf


def lowest_projectability(
    eigenvalues_ev: NDArray[np.float64], projectability: NDArray[np.float64], low_ev: float, high_ev: float
) -> float | None:
    """Return the smallest projectability of the states between two energies (eV); None where there is no state."""
    energies = np.asarray(eigenvalues_ev)
    inside = (energies >= low_ev) & (energies <= high_ev)
    return float(np.min(np.asarray(projectability)[inside])) if inside.any() else None


def scdm_window(eigenvalues_ev: NDArray[np.float64], projectability: NDArray[np.float64]) -> ScdmWindow:
    """Fit 0.5 erfc((energy - mu) / sigma) to projectability against energy; SCDM takes mu - 3 sigma and sigma.

    Parameters
    ----------
    eigenvalues_ev, projectability : (nk, nb)
        Without semicore bands.

    Returns
    -------
    ScdmWindow

    Raises
    ------
    ProjectabilityError
        If there are fewer than ten states, or projectability does not fall off within the bands that were computed.
    """
    energies, values = np.ravel(eigenvalues_ev), np.ravel(projectability)
    if energies.size < _FEWEST_STATES:
        raise ProjectabilityError(f"{energies.size} states, wanted at least {_FEWEST_STATES} to fit a window to")
    width = float(energies.max() - energies.min())
    middle = float(np.average(energies, weights=np.clip(values * (1 - values), 1e-6, None)))
    try:
        (mu, sigma), _ = curve_fit(
            lambda energy, mu, sigma: 0.5 * erfc((energy - mu) / sigma), energies, values, p0=(middle, width / 5)
        )
    except RuntimeError as error:
        raise ProjectabilityError(f"projectability can't be fitted by a smooth step: {error}") from error
    if not (sigma > 0 and energies.min() < mu < energies.max() + width):
        raise ProjectabilityError(
            f"the fitted step of projectability lies at {mu:.1f} eV with a width of {sigma:.1f} eV, wanted one within "
            f"the bands ({energies.min():.1f} to {energies.max():.1f} eV); compute more bands"
        )
    return ScdmWindow(float(mu - _SIGMA_BELOW * sigma), float(sigma))
