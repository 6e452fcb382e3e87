"""The sum of lambda over q-points: moments known by hand, recorded runs of fcc Al, and EPW's lambda beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hts.errors import InconsistentSettingsError
from hts.simple_coupling import ImaginaryModesError, compare, compare_at_dos, total_lambda
from hts.simple_output import SimpleCoupling, parse_simple
from hts.superconductivity import moments
from hts.units import BOLTZMANN_MEV_PER_K, MEV_PER_CM1, RY_TO_EV

DATA = Path(__file__).parents[1] / "data" / "ph_simple"
# The stars of Gamma, L and X on 2x2x2.
WEIGHTS = [1 / 8, 4 / 8, 3 / 8]


def recorded(case: str) -> tuple[SimpleCoupling, ...]:
    return parse_simple((DATA / case / "aiida.out").read_text())


def made_up(frequencies_cm1: list[float], lambdas: list[float], translations: tuple[int, ...] = ()) -> SimpleCoupling:
    """Return one q-point with one smearing."""
    return SimpleCoupling(
        qpoint_2pi_over_a=np.array([0.5, 0.0, 0.0]),
        frequencies_cm1=np.array(frequencies_cm1),
        translations=translations,
        sigma_ry=np.array([0.02]),
        dos_ef=np.array([2.0]),
        fermi_ev=np.array([8.0]),
        lambda_=np.array([lambdas]),
        gamma_ghz=np.zeros((1, len(lambdas))),
    )


def test_one_einstein_mode() -> None:
    """omega_log of a single frequency is that frequency, whatever lambda is."""
    total = total_lambda([made_up([300.0], [1.7])], [1.0])
    (only,) = total.smearings
    assert only.lambda_ == pytest.approx(1.7)
    assert only.omega_log_mev == pytest.approx(300.0 * MEV_PER_CM1)
    assert total.notes == ()


def test_two_modes_of_equal_strength_give_the_geometric_mean() -> None:
    (only,) = total_lambda([made_up([100.0, 400.0], [0.5, 0.5])], [1.0]).smearings
    assert only.omega_log_mev == pytest.approx(200.0 * MEV_PER_CM1)


def test_the_moments_are_those_of_alpha2f() -> None:
    """Against `moments` of alpha2F(omega) = 1/2 sum_q w_q sum_v lambda_qv omega_qv delta(omega - omega_qv)."""
    qpoints = [made_up([90.0, 250.0, 700.0], [0.3, 0.0, 0.4]), made_up([120.0, 310.0, 1200.0], [0.9, 0.2, 0.5])]
    weights = [0.25, 0.75]
    energy_mev = np.linspace(0.01, 200.0, 200001)
    alpha2f = np.zeros_like(energy_mev)
    width = 0.05
    for qpoint, weight in zip(qpoints, weights, strict=True):
        for frequency, lambda_ in zip(qpoint.frequencies_cm1 * MEV_PER_CM1, qpoint.lambda_[0], strict=True):
            line = np.exp(-(((energy_mev - frequency) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
            alpha2f += 0.5 * weight * lambda_ * frequency * line
    wanted = moments(energy_mev, alpha2f)
    (found,) = total_lambda(qpoints, weights).smearings
    assert found.lambda_ == pytest.approx(wanted.lambda_, rel=1e-4)
    assert found.omega_log_mev == pytest.approx(wanted.omega_log_mev, rel=1e-4)


def test_translations_are_left_out_but_the_weight_of_gamma_stays() -> None:
    gamma = made_up([-8.0, 30.0, 46.0, 900.0], [0.0, 5.0, 7.0, 0.2], translations=(0, 1, 2))
    total = total_lambda([gamma, made_up([300.0, 300.0, 300.0, 900.0], [0.1, 0.1, 0.1, 0.1])], [0.125, 0.875])
    (only,) = total.smearings
    assert only.lambda_ == pytest.approx(0.125 * 0.2 + 0.875 * 0.4)
    assert total.notes == ("3 translations at Gamma are left out: their lambda means nothing",)


def test_aluminium_by_hand() -> None:
    """Fcc Al on q 2x2x2, k 8x8x8: 0.27 to 0.30 where the k-mesh will do. Published is 0.42-0.44, of dense q-meshes.

    At 0.05 Ry: (4 (0.0654 + 0.0654 + 0.1307) + 3 (0.1459 + 0.1459 + 0.1515)) / 8.
    """
    total = total_lambda(recorded("al_all"), WEIGHTS)
    found = total.lambda_by_sigma()
    assert found[0.05] == pytest.approx(0.29699, abs=1e-4)
    assert all(0.26 < lambda_ < 0.30 for sigma_ry, lambda_ in found.items() if sigma_ry > 0.025)
    # Too few k-points for 0.01 Ry: twice the density of states, and a lambda that is none.
    assert total.smearings[0].dos_ef == pytest.approx(2 * total.smearings[4].dos_ef, rel=0.1)
    assert total.smearings[4].omega_log_mev is not None
    assert total.smearings[4].omega_log_mev / BOLTZMANN_MEV_PER_K == pytest.approx(347, abs=1)
    assert [each.sigma_ry for each in total.smearings] == pytest.approx(np.arange(1, 11) / 100)


def test_nothing_couples() -> None:
    (only,) = total_lambda([made_up([300.0], [0.0])], [1.0]).smearings
    assert (only.lambda_, only.omega_log_mev) == (0.0, None)


def test_a_smearing_without_number_is_left_out() -> None:
    first, *others = recorded("al_all")
    lambdas = others[0].lambda_.copy()
    lambdas[3, 2] = np.nan
    total = total_lambda([first, replace(others[0], lambda_=lambdas), others[1]], WEIGHTS)
    assert len(total.smearings) == 9
    assert 0.04 not in total.lambda_by_sigma()
    assert total.notes[-1] == "sigma = 0.04 Ry is left out: a lambda was too large for its field"


def test_an_unstable_crystal_has_no_lambda() -> None:
    """AlH at X, as ph.x printed it: lambda is negative there."""
    (x_point,) = recorded("alh_x")
    assert x_point.lambda_.sum() < 0
    with pytest.raises(ImaginaryModesError, match=r"-1323 cm-1 at q = \(-0\.7071 0 0\)"):
        total_lambda([x_point], [1.0])


def test_weights_and_smearings_must_fit() -> None:
    qpoints = recorded("al_all")
    for weights in ([0.5, 0.5], [0.2, 0.2, 0.2], [1.5, -0.25, -0.25]):
        with pytest.raises(ValueError, match="weights"):
            total_lambda(qpoints, weights)
    with pytest.raises(ValueError, match="0 q-points"):
        total_lambda([], [])
    (four,) = parse_simple((DATA / "al_l_four_smearings" / "aiida.out").read_text(), 0.00735, 4)
    with pytest.raises(InconsistentSettingsError, match="wanted the same at every"):
        total_lambda([qpoints[0], four, qpoints[2]], WEIGHTS)


SIMPLE = {0.02: 0.4, 0.01: 0.6, 0.04: 0.3}


@pytest.mark.parametrize(("sigma_ry", "lambda_"), [(0.01, 0.6), (0.015, 0.5), (0.02, 0.4), (0.03, 0.35), (0.04, 0.3)])
def test_linear_between_the_two_nearest(sigma_ry: float, lambda_: float) -> None:
    found = compare(1.1 * lambda_, sigma_ry * RY_TO_EV, SIMPLE)
    assert found.lambda_simple == pytest.approx(lambda_)
    assert found.relative_deviation == pytest.approx(0.1)
    assert found.sigma_ry == pytest.approx(sigma_ry)
    assert found.within_range


@pytest.mark.parametrize(("degaussw_ev", "sigma_ry", "lambda_"), [(0.1, 0.01, 0.6), (1.0, 0.04, 0.3)])
def test_outside_the_range_the_nearest_one_and_said_so(degaussw_ev: float, sigma_ry: float, lambda_: float) -> None:
    found = compare(0.45, degaussw_ev, SIMPLE)
    assert (found.sigma_ry, found.lambda_simple, found.within_range) == (sigma_ry, lambda_, False)
    assert found.relative_deviation == pytest.approx(0.45 / lambda_ - 1)
    assert f"{degaussw_ev / RY_TO_EV:.4g} Ry is outside the 0.01 to 0.04 Ry of ph.x" in found.text


def test_one_line_of_text() -> None:
    assert compare(0.44, 0.02 * RY_TO_EV, SIMPLE).text == (
        "lambda 0.440 of EPW, 0.400 of ph.x at sigma = 0.02 Ry: +10 %"
    )


def test_no_deviation_from_nothing() -> None:
    found = compare(0.5, 0.02 * RY_TO_EV, {0.02: 0.0})
    assert (found.lambda_simple, found.relative_deviation) == (0.0, None)
    assert "no states at E_F" in found.text
    with pytest.raises(ValueError, match="at no smearing"):
        compare(0.5, 0.1, {})
    with pytest.raises(ValueError, match="finite"):
        compare(float("nan"), 0.1, SIMPLE)


# Per spin, Ry and cell: fcc Al has 0.19 per eV, 2.585 per Ry.
AL_DOS_PER_EV = 0.19


def al_smearings(dos_factor: float) -> list[dict[str, float]]:
    """Return a sum over q-points whose k-mesh has so much too large an N(E_F), and lambda with it."""
    dos = AL_DOS_PER_EV * RY_TO_EV * dos_factor
    return [{"sigma_ry": sigma, "lambda_": 0.28 * dos_factor, "dos_ef": dos} for sigma in (0.01, 0.02)]


@pytest.mark.parametrize("dos_factor", [0.85, 1.0, 1.2])
def test_lambda_is_compared_at_the_density_of_states_of_a_dense_mesh(dos_factor: float) -> None:
    """Lambda is proportional to N(E_F): a mesh that is off by a little in both says the same after rescaling."""
    found = compare_at_dos(0.35, 0.2, AL_DOS_PER_EV, al_smearings(dos_factor))
    assert found.lambda_simple == pytest.approx(0.28)
    assert found.relative_deviation == pytest.approx(0.25)
    assert "+25 %" in found.text


@pytest.mark.parametrize(("dos_factor", "degaussw_ev"), [(2.0, 0.2), (0.0, 0.2), (1.0, 0.05)])
def test_nothing_is_concluded_from_a_mesh_that_does_not_resolve_the_smearing(
    dos_factor: float, degaussw_ev: float
) -> None:
    assert compare_at_dos(0.35, degaussw_ev, AL_DOS_PER_EV, al_smearings(dos_factor)).relative_deviation is None
