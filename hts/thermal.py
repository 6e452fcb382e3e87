"""Harmonic thermal properties of a crystal at constant volume, by phonopy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from scipy.constants import N_A, R, elementary_charge

_J_PER_KJ = 1000.0
_EV_PER_KJ_PER_MOL = _J_PER_KJ / (N_A * elementary_charge)
# Translations at Gamma, should the mesh hold it, come out within 0.05 cm^-1 (0.0015 THz) of zero and would otherwise
# give an entropy without bound; a real mode is that soft only in a volume of reciprocal space that is nothing.
_CUTOFF_THZ = 0.01


@dataclass(frozen=True)
class ThermalProperties:
    """Harmonic vibrations in equilibrium, at constant volume.

    Attributes
    ----------
    temperatures_k : NDArray, shape (n,)
        Ascending from 0.
    free_energy_ev_per_atom : NDArray, shape (n,)
        Helmholtz free energy of the vibrations; at 0 K the zero-point energy.
    entropy_kb_per_atom, heat_capacity_kb_per_atom : NDArray, shape (n,)
        In units of Boltzmann's constant; the heat capacity tends to 3 (Dulong and Petit).
    """

    temperatures_k: NDArray[np.float64]
    free_energy_ev_per_atom: NDArray[np.float64]
    entropy_kb_per_atom: NDArray[np.float64]
    heat_capacity_kb_per_atom: NDArray[np.float64]


def thermal_properties(phonon: Phonopy, max_temperature_k: float = 1000.0, step_k: float = 10.0) -> ThermalProperties:
    """Sum the harmonic oscillators of the mesh that was run last.

    Parameters
    ----------
    phonon : Phonopy
        After ``run_mesh``, with no imaginary mode: phonopy would leave those out, and the sums would lack them.
    max_temperature_k, step_k : float

    Returns
    -------
    ThermalProperties

    References
    ----------
    A. Togo et al., J. Phys. Soc. Jpn. 92, 012001 (2023), https://doi.org/10.7566/JPSJ.92.012001.
    """
    phonon.run_thermal_properties(t_min=0, t_max=max_temperature_k, t_step=step_k, cutoff_frequency=_CUTOFF_THZ)
    found: Any = phonon.get_thermal_properties_dict()
    n_atoms = len(phonon.primitive)
    return ThermalProperties(
        temperatures_k=np.array(found["temperatures"]),
        free_energy_ev_per_atom=np.array(found["free_energy"]) * _EV_PER_KJ_PER_MOL / n_atoms,
        entropy_kb_per_atom=np.array(found["entropy"]) / R / n_atoms,
        heat_capacity_kb_per_atom=np.array(found["heat_capacity"]) / R / n_atoms,
    )
