"""Zero-point energies of textbook oscillators, and hulls that do not mix corrected with bare enthalpies."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.errors import HtsError, InconsistentSettingsError
from hts.hull import PhaseEnthalpy, place_on_hull
from hts.zero_point import UnstableCrystalError, with_zero_point, zero_point_ev_per_atom, zero_point_kind

# omega_e of H2: K. P. Huber and G. Herzberg, Constants of Diatomic Molecules (1979), in the NIST Chemistry WebBook.
H2_STRETCH_CM1 = 4401.2
BARE: dict[str, Any] = {"pressure_gpa": 0.0, "functional": "PBE"}


def bare(formula: str, enthalpy: float) -> PhaseEnthalpy:
    return PhaseEnthalpy(formula, formula, enthalpy, BARE)


def test_the_hydrogen_molecule() -> None:
    """Half a quantum of the stretching mode is 0.273 eV per molecule; a free molecule has five modes at zero."""
    molecule = [[0.0, 0.0, 0.0, 0.0, 0.0, H2_STRETCH_CM1]]
    assert 2 * zero_point_ev_per_atom(molecule, [1]) == pytest.approx(0.2728, abs=1e-4)


def test_the_einstein_crystal() -> None:
    """3/2 hbar omega per atom: k_B Theta_E for 1000 K is 86.17 meV, so 129.26 meV per atom."""
    omega_cm1 = 1000 * 0.08617333262 / 0.1239841984
    everywhere = np.full((5, 6), omega_cm1)
    energy = zero_point_ev_per_atom(everywhere, [1, 2, 3, 4, 5], gamma_index=None)
    assert energy == pytest.approx(0.12926, abs=1e-5)
    assert zero_point_ev_per_atom([[omega_cm1] * 3], [1], gamma_index=None) == pytest.approx(0.12926, abs=1e-5)


def test_the_debye_crystal() -> None:
    """9/8 k_B Theta_D per atom, from modes spread as omega^2: Al, 428 K (Kittel): 41.5 meV."""
    theta_ev = 428 * 8.617333262e-5
    edges = (np.arange(2000) + 0.5) / 2000
    modes_cm1 = np.repeat((theta_ev * 1000 / 0.1239841984 * edges ** (1 / 3))[:, None], 3, axis=1)
    energy = zero_point_ev_per_atom(modes_cm1, np.ones(2000), gamma_index=None)
    assert energy == pytest.approx(9 / 8 * theta_ev, rel=1e-4)
    assert energy == pytest.approx(0.0415, abs=1e-4)


def test_weights_are_shares() -> None:
    frequencies = [[0.0, 0.0, 0.0, 800.0, 800.0, 800.0], [100.0] * 6, [300.0] * 6]
    by_hand = (1 * 2400 + 3 * 600 + 4 * 1800) / 8 * 0.1239841984e-3 / 2 / 2
    for weights in ([1, 3, 4], [0.125, 0.375, 0.5]):
        assert zero_point_ev_per_atom(frequencies, weights) == pytest.approx(by_hand)


@given(scale=st.floats(0.1, 10), sizes=st.lists(st.integers(1, 48), min_size=3, max_size=3))
def test_a_lighter_isotope_vibrates_more(scale: float, sizes: list[int]) -> None:
    """The energy goes with the frequencies, so with mass to the power of -1/2."""
    frequencies = np.array([[0, 0, 0, 300, 400, 500], [100] * 6, [200, 250, 300, 700, 800, 900]], dtype=float)
    light = zero_point_ev_per_atom(frequencies * scale, sizes)
    assert light == pytest.approx(scale * zero_point_ev_per_atom(frequencies, sizes))


def test_translations_count_for_nothing_within_tolerance() -> None:
    """-9 to +46 cm^-1 is what they come out at before the sum rule."""
    exact = zero_point_ev_per_atom([[0, 0, 0, 500, 500, 500]], [1])
    assert zero_point_ev_per_atom([[-9, 20, 46, 500, 500, 500]], [1]) == exact
    given_array = np.array([[-9.0, 20, 46, 500, 500, 500]])
    zero_point_ev_per_atom(given_array, [1])
    assert given_array[0, 0] == -9


@pytest.mark.parametrize(
    ("frequencies", "qpoint", "worst"),
    [
        ([[0, 0, 0, 500, 500, 500], [-1, 100, 200, 500, 500, 500]], 2, "-1"),
        ([[0, 0, 0, -30, 500, 500], [100] * 6], 1, "-30"),
        ([[-60, 0, 0, 500, 500, 500], [100] * 6], 1, "-60"),
        ([[5, 5, 5, -700, 500, 500], [-20] * 6], 1, "-700"),
        ([[-794, 0, 0, 500, 500, 500], [100] * 6], 1, "-794"),
    ],
)
def test_an_unstable_crystal_has_no_zero_point_energy(frequencies: list[list[float]], qpoint: int, worst: str) -> None:
    """Off Gamma any imaginary mode; at Gamma an optical one, however soft, or a translation beyond the tolerance."""
    with pytest.raises(UnstableCrystalError, match=f"a mode at {worst} cm-1 at q-point {qpoint}, .*leave") as caught:
        zero_point_ev_per_atom(frequencies, [1, 7])
    assert isinstance(caught.value, HtsError)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_gamma_may_be_elsewhere_or_absent() -> None:
    gamma, edge = [-9.0, 0, 9, 500, 500, 500], [100.0] * 6
    assert zero_point_ev_per_atom([edge, gamma], [7, 1], gamma_index=1) == zero_point_ev_per_atom([gamma, edge], [1, 7])
    with pytest.raises(UnstableCrystalError, match="-9 cm-1 at q-point 2"):
        zero_point_ev_per_atom([edge, gamma], [7, 1], gamma_index=None)


@pytest.mark.parametrize(
    ("frequencies", "weights", "index", "message"),
    [
        ([[1.0] * 4], [1], None, r"frequencies of shape \(1, 4\), wanted \(n_q, 3 n_atoms\)"),
        ([1.0] * 3, [1], None, r"frequencies of shape \(3,\)"),
        (np.empty((0, 3)), [], None, r"frequencies of shape \(0, 3\)"),
        ([[1.0] * 6], [1, 2], None, r"weights of shape \(2,\), wanted \(1,\)"),
        ([[math.nan] * 6], [1], None, "no number"),
        ([[1.0] * 6], [0], None, "not positive"),
        ([[1.0] * 6], [1], 1, "Gamma is row 1"),
        ([[100.0] * 6], [1], 0, "a translation at Gamma at 100 cm-1, wanted within 50"),
        ([[0.0] * 3], [1], 0, "Gamma alone for one atom, wanted a mesh"),
    ],
)
def test_what_makes_no_sense_is_refused(frequencies: Any, weights: Any, index: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        zero_point_ev_per_atom(frequencies, weights, gamma_index=index)
    assert "\n" not in str(caught.value)


def test_a_single_q_point_is_labelled() -> None:
    assert [zero_point_kind(number) for number in (1, 2, 8)] == ["gamma_only", "mesh", "mesh"]


def test_the_correction_is_added_and_recorded() -> None:
    corrected = with_zero_point(bare("AlH", -1.0), 0.15, "mesh")
    assert corrected == PhaseEnthalpy("AlH", "AlH", -0.85, {**BARE, "zero_point": "mesh"})
    assert "zero_point" not in BARE


def test_a_corrected_hull() -> None:
    """By hand: AlH lies 0.05 below Al + H, and 0.15 - (0.04 + 0.14) / 2 - 0.05 = 0.01 above them when corrected."""
    phases = [bare("AlH", -0.05), bare("Al", 0.0), bare("H2", 0.0)]
    assert place_on_hull(phases[0], phases[1:]).stabilisation_ev_per_atom == pytest.approx(-0.05)
    energies = (0.15, 0.04, 0.14)
    corrected = [with_zero_point(one, energy, "mesh") for one, energy in zip(phases, energies, strict=True)]
    assert place_on_hull(corrected[0], corrected[1:]).hull_ev_per_atom == pytest.approx(0.01)


def test_corrected_and_bare_enthalpies_do_not_mix() -> None:
    phases = [bare("Al", 0.0), bare("H2", 0.0)]
    corrected = with_zero_point(bare("AlH", -0.05), 0.15, "mesh")
    with pytest.raises(InconsistentSettingsError, match="AlH has zero_point = mesh, Al has None"):
        place_on_hull(corrected, phases)
    rough = [with_zero_point(phase, 0.1, "gamma_only") for phase in phases]
    with pytest.raises(InconsistentSettingsError, match="AlH has zero_point = mesh, Al has gamma_only"):
        place_on_hull(corrected, rough)


@pytest.mark.parametrize(
    ("energy", "kind", "message"),
    [
        (-0.1, "mesh", "the zero-point energy of AlH is -0.1 eV/atom"),
        (math.nan, "mesh", "the zero-point energy of AlH is nan"),
        (0.1, "none", "of kind 'none', wanted one of mesh, gamma_only"),
    ],
)
def test_a_correction_that_is_none_is_refused(energy: float, kind: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_zero_point(bare("AlH", 0.0), energy, kind)


def test_correcting_twice_is_refused() -> None:
    once = with_zero_point(bare("AlH", 0.0), 0.1, "gamma_only")
    with pytest.raises(ValueError, match=r"AlH has a zero-point energy \(gamma_only\) already"):
        with_zero_point(once, 0.1, "mesh")
