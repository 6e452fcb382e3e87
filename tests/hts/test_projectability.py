"""Projectability against states whose projections are known: hybrids of two orbitals, and smooth steps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import erfc

from hts.projectability import (
    ProjectabilityError,
    ScdmWindow,
    lowest_projectability,
    scdm_window,
    total_projectability,
    well_described_up_to_ev,
)

ORBITALS = [("Al", 0), ("Al", 1), ("H", 0)]


@given(st.floats(0, 2 * np.pi), st.floats(0, 1))
def test_a_hybrid_is_described_by_both_of_its_orbitals_and_by_one_in_part(angle: float, outside: float) -> None:
    """sqrt(1 - x) (cos a |s> + sin a |p>) + sqrt(x) |plane wave>: 1 - x of both, (1 - x) cos^2 a of s alone."""
    inside = 1 - outside
    projections = np.array([[[inside * np.cos(angle) ** 2]], [[inside * np.sin(angle) ** 2]], [[0.0]]])
    both = total_projectability(projections, ORBITALS, {("Al", 0), ("Al", 1)})
    assert both.shape == (1, 1)
    assert both[0, 0] == pytest.approx(inside)
    s_alone = total_projectability(projections, ORBITALS, {("Al", 0)})
    assert s_alone[0, 0] == pytest.approx(inside * np.cos(angle) ** 2)


def test_all_orbitals_of_an_element_count_and_no_other_ones() -> None:
    """Four Al and one H: p of every atom is one orbital in the list, and l = 1 has three of them."""
    orbitals = [("Al", 1)] * 12 + [("Al", 0)] * 4 + [("H", 0)]
    projections = np.full((17, 2, 3), 0.05)
    assert total_projectability(projections, orbitals, {("Al", 1)}) == pytest.approx(np.full((2, 3), 0.6))
    assert total_projectability(projections, orbitals, {("Al", 2)}) == pytest.approx(np.zeros((2, 3)))
    # Not orthogonal: 17 times 0.1 would be more than the whole state.
    assert total_projectability(2 * projections, orbitals, set(orbitals)) == pytest.approx(np.ones((2, 3)))


BANDS_EV = np.array([[-5.0, 1.0, 4.0, 9.0], [-4.0, 2.0, 3.0, 8.0]])
DESCRIBED = np.array([[0.2, 0.99, 0.6, 0.1], [0.98, 0.95, 0.9, 0.3]])


@pytest.mark.parametrize(("at_least", "energy"), [(0.5, 8.0), (0.7, 4.0), (0.95, 3.0), (0.05, math.inf)])
def test_well_described_up_to(at_least: float, energy: float) -> None:
    """The poor state at -5 eV lies below the Fermi energy: a frozen window must hold it anyway."""
    assert well_described_up_to_ev(BANDS_EV, DESCRIBED, 2.0, at_least) == energy


def test_lowest_projectability() -> None:
    assert lowest_projectability(BANDS_EV, DESCRIBED, 1.0, 4.0) == 0.6
    assert lowest_projectability(BANDS_EV, DESCRIBED, 1.0, 3.9) == 0.9
    assert lowest_projectability(BANDS_EV, DESCRIBED, 4.1, 7.9) is None


def step(energies: np.ndarray, mu_ev: float, sigma_ev: float) -> np.ndarray:
    return 0.5 * erfc((energies - mu_ev) / sigma_ev)


@given(st.floats(-2, 14), st.floats(0.5, 5), st.integers(0, 2**32 - 1))
def test_the_window_is_that_of_the_step_shifted_by_three_widths(mu_ev: float, sigma_ev: float, seed: int) -> None:
    """Vitale et al., https://doi.org/10.1038/s41524-020-0312-y: mu = mu_fit - 3 sigma_fit."""
    energies = np.sort(np.random.default_rng(seed).uniform(-10, 30, (16, 12)), axis=1)
    found = scdm_window(energies, step(energies, mu_ev, sigma_ev))
    assert found.sigma_ev == pytest.approx(sigma_ev, rel=1e-3)
    assert found.mu_ev == pytest.approx(mu_ev - 3 * sigma_ev, abs=1e-2)


def test_scatter_of_real_bands_moves_the_window_little() -> None:
    random = np.random.default_rng(7)
    energies = np.sort(random.uniform(-10, 30, (64, 20)), axis=1)
    noisy = np.clip(step(energies, 9.0, 3.0) + random.normal(0, 0.08, energies.shape), 0, 1)
    found = scdm_window(energies, noisy)
    assert found == ScdmWindow(pytest.approx(0.0, abs=1.0), pytest.approx(3.0, abs=0.4))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((8, 8)), "fitted"),  # everything is described: the bands end too early
        (np.zeros((8, 8)), "fitted"),  # nothing is: the orbitals are not those of the bands
        (1 - step(np.linspace(-5, 20, 64).reshape(8, 8), 8.0, 2.0), "fitted"),  # it grows with energy
        (np.ones((3, 3)), "9 states, wanted at least 10"),
    ],
)
def test_no_step_no_window(values: np.ndarray, message: str) -> None:
    energies = np.linspace(-5, 20, values.size).reshape(values.shape)
    with pytest.raises(ProjectabilityError, match=message):
        scdm_window(energies, values)
