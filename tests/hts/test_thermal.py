"""Thermal properties of Al4H at 10 GPa from its recorded force constants: limits, and thermodynamic identities."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from hts.interpolation import InterpolatedPhonons, interpolate, phonopy_from_q2r
from hts.thermal import ThermalProperties, thermal_properties
from hts.units import BOHR_TO_ANG, BOLTZMANN_MEV_PER_K, MEV_PER_THZ

DATA = Path(__file__).parents[1] / "data" / "ph" / "al4h"
FORCE_CONSTANTS = gzip.decompress((DATA / "force_constants.gz").read_bytes()).decode()
PLACES: list[list[float]] = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
AL4H = Structure(Lattice.cubic(7.335359444749703 * BOHR_TO_ANG), ["H", "Al", "Al", "Al", "Al"], PLACES)


@pytest.fixture(scope="module")
def result() -> InterpolatedPhonons:
    return interpolate(FORCE_CONSTANTS, AL4H, 8)


@pytest.fixture(scope="module")
def thermal(result: InterpolatedPhonons) -> ThermalProperties:
    assert result.thermal is not None
    return result.thermal


def at(thermal: ThermalProperties, temperature_k: float) -> int:
    return int(np.flatnonzero(thermal.temperatures_k == temperature_k)[0])


def test_temperatures_from_nothing_to_a_thousand_kelvin(thermal: ThermalProperties) -> None:
    assert thermal.temperatures_k == pytest.approx(np.arange(0, 1001, 10))
    assert thermal.temperatures_k.shape == thermal.entropy_kb_per_atom.shape == thermal.heat_capacity_kb_per_atom.shape


def test_at_zero_there_is_the_zero_point_energy_alone(result: InterpolatedPhonons, thermal: ThermalProperties) -> None:
    assert thermal.free_energy_ev_per_atom[0] == pytest.approx(result.zero_point_ev_per_atom, rel=1e-6)
    assert thermal.entropy_kb_per_atom[0] == thermal.heat_capacity_kb_per_atom[0] == 0


def test_dulong_and_petit_from_below(thermal: ThermalProperties) -> None:
    """Hydrogen at 800 cm-1 (1150 K) is not there yet at 1000 K; four Al of five atoms are."""
    capacity = thermal.heat_capacity_kb_per_atom
    assert (np.diff(capacity) > 0).all()
    assert 2.85 < capacity[-1] < 3
    hot = thermal_properties(_sampled(), max_temperature_k=20000.0, step_k=10000.0)
    assert hot.heat_capacity_kb_per_atom[-1] == pytest.approx(3, abs=0.001)


def _sampled():
    phonon = phonopy_from_q2r(FORCE_CONSTANTS, AL4H)
    phonon.run_mesh([4] * 3)
    return phonon


def test_thermodynamic_identities(thermal: ThermalProperties) -> None:
    """S = -dF/dT and C = T dS/dT: the three are one function, so that units and the number of atoms must agree."""
    kelvin, kb_ev = thermal.temperatures_k, BOLTZMANN_MEV_PER_K / 1000
    entropy = -np.gradient(thermal.free_energy_ev_per_atom, kelvin) / kb_ev
    capacity = kelvin * np.gradient(thermal.entropy_kb_per_atom, kelvin)
    middle = slice(at(thermal, 200.0), -1)
    assert thermal.entropy_kb_per_atom[middle] == pytest.approx(entropy[middle], rel=2e-3)
    assert thermal.heat_capacity_kb_per_atom[middle] == pytest.approx(capacity[middle], rel=5e-3)


def test_every_oscillator_of_the_mesh_counts(thermal: ThermalProperties) -> None:
    """The heat capacity of Einstein, summed over the modes of a mesh here and by phonopy there."""
    phonon = _sampled()
    sampled = phonon.get_mesh_dict()
    x = sampled["frequencies"] * MEV_PER_THZ / (BOLTZMANN_MEV_PER_K * 300)
    einstein = x**2 * np.exp(x) / np.expm1(x) ** 2
    mean = (sampled["weights"][:, None] * einstein).sum() / sampled["weights"].sum() / len(AL4H)
    found = thermal_properties(phonon)
    assert found.heat_capacity_kb_per_atom[at(found, 300.0)] == pytest.approx(mean, rel=1e-4)
    assert found.heat_capacity_kb_per_atom[at(found, 300.0)] == pytest.approx(
        thermal.heat_capacity_kb_per_atom[at(thermal, 300.0)], rel=0.01
    )
