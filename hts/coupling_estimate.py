"""A first Tc from a coarse alpha2F, rescaled by the density of states at the Fermi energy of a dense mesh.

On a coarse k-mesh most of the error of alpha2F is that of N(E_F), to which it is proportional: the double sum over the
Fermi surface goes with N(E_F)^2 and is divided by N(E_F) once. Only what stays hopeless with a wide margin is judged by
such an estimate; it never answers for a superconductor.

References
----------
K. Bozier, K. Wang, B. Monserrat, C. J. Pickard, arXiv:2508.18371 (2025), https://arxiv.org/abs/2508.18371
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.superconductivity import allen_dynes_tc_k, moments


@dataclass(frozen=True)
class CouplingEstimate:
    """What a rescaled alpha2F says.

    Attributes
    ----------
    alpha2f : (n,)
        Rescaled.
    scale : float
        N(E_F) of the dense mesh over that of the coarse one.
    lambda_ : float
    omega_log_mev : float or None
    tc_k : float
        Allen-Dynes.
    upper_bound_k : float
        Allen-Dynes with lambda larger by the margin.
    """

    alpha2f: NDArray[np.float64]
    scale: float
    lambda_: float
    omega_log_mev: float | None
    tc_k: float
    upper_bound_k: float


def ranking_tc_k(energy_mev: ArrayLike, alpha2f: ArrayLike, mu_star: float) -> float:
    """Return the Tc in K that ranks: Allen-Dynes with f1 and f2; arguments as of `hts.superconductivity.moments`."""
    found = moments(energy_mev, alpha2f)
    return allen_dynes_tc_k(found.lambda_, found.omega_log_mev, found.omega_2_mev, mu_star)


def estimate_coupling(
    energy_mev: ArrayLike,
    alpha2f: ArrayLike,
    dos_coarse: float | None,
    dos_dense: float,
    *,
    mu_star: float,
    margin: float,
) -> CouplingEstimate | None:
    """Rescale alpha2F and solve for Tc.

    Parameters
    ----------
    energy_mev, alpha2f : (n,)
        On the coarse mesh.
    dos_coarse, dos_dense : float
        N(E_F) per spin, eV and cell: what EPW printed for that mesh, and tetrahedra on a dense one.
    mu_star : float
    margin : float
        By which lambda may be larger than estimated: 0.5 for half as much again.

    Returns
    -------
    CouplingEstimate or None
        None where N(E_F) of the coarse mesh is not known or not positive: then nothing can be estimated.
    """
    if dos_coarse is None or not dos_coarse > 0:
        return None
    scale = dos_dense / dos_coarse
    scaled = np.asarray(alpha2f, dtype=float) * scale
    found = moments(energy_mev, scaled)
    return CouplingEstimate(
        alpha2f=scaled,
        scale=scale,
        lambda_=found.lambda_,
        omega_log_mev=found.omega_log_mev,
        tc_k=ranking_tc_k(energy_mev, scaled, mu_star),
        upper_bound_k=ranking_tc_k(energy_mev, (1 + margin) * scaled, mu_star),
    )
