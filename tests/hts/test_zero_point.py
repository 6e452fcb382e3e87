"""Zero-point energies of textbook oscillators, and what they do to the distance from a hull."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.errors import HtsError
from hts.units import MEV_PER_CM1
from hts.zero_point import (
    UnstableCrystalError,
    ZeroPoint,
    corrected_distance_ev_per_atom,
    crystal_zero_point,
    with_zero_point,
    zero_point_ev_per_atom,
    zero_point_lines,
)

# omega_e of H2: K. P. Huber and G. Herzberg, Constants of Diatomic Molecules (1979), in the NIST Chemistry WebBook.
H2_STRETCH_CM1 = 4401.2


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


def test_the_interpolated_energy_is_the_best_and_gamma_alone_is_labelled() -> None:
    """Two atoms; three optical modes of 300 cm-1 at Gamma, six of 100 cm-1 at three other points of the mesh."""
    gamma, boundary = [300.0] * 3, [100.0] * 6
    summed = (3 * 300 + 3 * 6 * 100) / 4 / 2 / 2 * MEV_PER_CM1 / 1000
    everywhere = crystal_zero_point([gamma, boundary], [1, 3], 2)
    assert everywhere == ZeroPoint(pytest.approx(summed), "qpoints")
    assert crystal_zero_point([gamma, boundary], [1, 3], 2, 0.02) == ZeroPoint(0.02, "mesh")
    alone = crystal_zero_point([gamma], [1], 2, 0.02)
    assert alone == ZeroPoint(pytest.approx(3 * 300 / 2 / 2 * MEV_PER_CM1 / 1000), "gamma_only")


def test_an_interpolation_does_not_hide_an_imaginary_mode() -> None:
    with pytest.raises(UnstableCrystalError, match="-15 cm-1 at q-point 2"):
        crystal_zero_point([[300.0] * 3, [-15.0, *[100.0] * 5]], [1, 3], 2, 0.02)


def test_one_atom_has_nothing_at_gamma() -> None:
    with pytest.raises(ValueError, match="Gamma alone for one atom, wanted a mesh"):
        crystal_zero_point([[]], [1], 1)


def test_a_corrected_distance() -> None:
    """By hand: AlH lies 0.05 below Al + H, and 0.15 - (0.04 + 0.14) / 2 - 0.05 = 0.01 above them when corrected."""
    parts = {"Al-fcc": 0.5, "H2-hcp": 0.5}
    energies = {"Al-fcc": ZeroPoint(0.04, "mesh"), "H2-hcp": ZeroPoint(0.14, "gamma_only")}
    corrected = corrected_distance_ev_per_atom(-0.05, parts, ZeroPoint(0.15, "mesh"), energies)
    assert corrected == pytest.approx(0.01)


@given(st.floats(0.001, 0.5), st.floats(-0.2, 0.2))
def test_what_vibrates_alike_stays_where_it_is(energy: float, distance: float) -> None:
    parts = {"A": 0.25, "B": 0.75}
    same = ZeroPoint(energy, "mesh")
    assert corrected_distance_ev_per_atom(distance, parts, same, {"A": same, "B": same}) == pytest.approx(distance)


@pytest.mark.parametrize(
    ("parts", "message"),
    [({}, "no competing phase"), ({"Al-fcc": 0.5, "H2-hcp": 0.5}, "no zero-point energy of H2-hcp")],
)
def test_one_side_alone_is_no_correction(parts: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corrected_distance_ev_per_atom(0.1, parts, ZeroPoint(0.1, "mesh"), {"Al-fcc": ZeroPoint(0.04, "mesh")})


PLACEMENT: dict[str, Any] = {
    "pressure_gpa": 150.0,
    "hull_ev_per_atom": 0.0,
    "stabilisation_ev_per_atom": -0.05,
    "competing_phases": {"Al-fcc": 0.5, "H2-hcp": 0.5},
    "reaction": "AlH -> Al + 0.5 H2",
}


def energy(ev_per_atom: float | None, kind: str | None = "mesh", reason: str | None = None) -> dict[str, Any]:
    return {"ev_per_atom": ev_per_atom, "kind": kind, "reason": reason}


def test_both_hulls_are_reported_and_estimates_are_labelled() -> None:
    phases = {"Al-fcc": energy(0.04), "H2-hcp": energy(0.14, "gamma_only")}
    report = with_zero_point(PLACEMENT, energy(0.15), phases, {})
    assert report["hull_ev_per_atom"] == 0.0 and report["distance_ev_per_atom"] == -0.05
    assert report["distance_with_zero_point_ev_per_atom"] == pytest.approx(0.01)
    assert report["hull_with_zero_point_ev_per_atom"] == pytest.approx(0.01)
    assert report["approximate"] == ["H2-hcp"]
    assert zero_point_lines(report) == [
        "zero-point energy at 150 GPa: -0.050 -> +0.010 eV/atom from the hull of the others, AlH -> Al + 0.5 H2",
        "  itself: 0.150 eV/atom (dense mesh)",
        "  Al-fcc: 0.040 eV/atom (dense mesh)",
        "  H2-hcp: 0.140 eV/atom (estimate from Gamma only)",
    ]


@pytest.mark.parametrize(
    ("candidate", "phases", "unknown", "reason"),
    [
        (energy(0.15), {"Al-fcc": energy(0.04)}, {"H2-hcp": "ph.x failed"}, "H2-hcp: ph.x failed"),
        (
            energy(0.15),
            {"Al-fcc": energy(0.04), "H2-hcp": energy(None, None, "a mode at -40 cm-1")},
            {},
            "H2-hcp: a mode at -40 cm-1",
        ),
        (
            energy(None, None, "a mode at -15 cm-1"),
            {"Al-fcc": energy(0.04), "H2-hcp": energy(0.14)},
            {},
            "the candidate: a mode at -15 cm-1",
        ),
    ],
    ids=["no phonons", "unstable phase", "unstable candidate"],
)
def test_what_is_unknown_leaves_the_correction_open(
    candidate: dict[str, Any], phases: dict[str, Any], unknown: dict[str, str], reason: str
) -> None:
    report = with_zero_point(PLACEMENT, candidate, phases, unknown)
    assert report["distance_with_zero_point_ev_per_atom"] is None
    assert report["hull_with_zero_point_ev_per_atom"] is None
    assert report["reason"] == reason
    assert zero_point_lines(report) == [f"zero-point energy at 150 GPa: no correction, {reason}"]


def test_nothing_to_decompose_into() -> None:
    alone = {**PLACEMENT, "stabilisation_ev_per_atom": None, "competing_phases": {}}
    report = with_zero_point(alone, energy(0.15), {}, {})
    assert report["reason"] == "there is nothing that it could decompose into"
    assert report["distance_with_zero_point_ev_per_atom"] is None
