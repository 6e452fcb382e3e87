"""Moments and Tc formulas against closed forms and published numbers."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.superconductivity import (
    Moments,
    allen_dynes_tc_k,
    figure_of_merit,
    isotope_coefficient,
    mcmillan_tc_k,
    moments,
    tc_table,
)
from hts.units import BOLTZMANN_MEV_PER_K

# arXiv:2012.04787, Table S6: lambda, omega_log and omega_2 in K, mu*, Allen-Dynes Tc in K.
LANTHANUM_YTTRIUM_HYDRIDES = [
    (3.87, 868, 1208, 0.10, 266),
    (3.87, 868, 1208, 0.15, 232),
    (2.82, 847, 1251, 0.10, 203),
    (2.82, 847, 1251, 0.15, 176),
    (2.74, 964, 1525, 0.10, 229),
    (2.74, 964, 1525, 0.15, 197),
    (2.68, 1046, 1437, 0.10, 237),
    (2.68, 1046, 1437, 0.15, 206),
    (2.41, 1011, 1312, 0.10, 207),
    (2.41, 1011, 1312, 0.15, 180),
]


def debye(lambda_: float, omega_debye_mev: float = 30.0, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """alpha2F = lambda (w/w_D)^2 up to w_D, whose moments are known in closed form."""
    energy = np.linspace(0.0, omega_debye_mev, n)
    return energy, lambda_ * (energy / omega_debye_mev) ** 2


def test_moments_of_a_debye_spectrum() -> None:
    found = moments(*debye(0.7))
    assert found.lambda_ == pytest.approx(0.7, rel=1e-5)
    assert found.omega_log_mev == pytest.approx(30.0 * math.exp(-0.5), rel=1e-5)
    assert found.omega_2_mev == pytest.approx(30.0 / math.sqrt(2), rel=1e-5)


def test_energies_at_or_below_zero_are_ignored() -> None:
    energy, spectrum = debye(0.7)
    wider = np.concatenate([[-3.0, -1.0], energy]), np.concatenate([[5.0, 2.0], spectrum])
    assert moments(*wider) == moments(energy, spectrum)


def test_a_zero_spectrum_has_no_average_energy_and_no_tc() -> None:
    energy = np.linspace(0.1, 10, 50)
    assert moments(energy, np.zeros(50)) == Moments(0.0, None, None)
    table = tc_table(energy, np.zeros(50), [0.1])
    assert table["tc"] == [
        {
            "mu_star": 0.1,
            "mcmillan_k": 0.0,
            "allen_dynes_k": 0.0,
            "eliashberg_k": 0.0,
            "status": "not_superconducting",
            "mu_star_at_cutoff": 0.1,
            "cutoff_mev": 0.0,
        }
    ]
    assert table["spread"] == {"formulas_k": [0.0, 0.0], "mu_star_k": [0.0, 0.0]}
    assert json.loads(json.dumps(table, allow_nan=False))["omega_log_mev"] is None


def test_tiny_negative_values_count_as_zero() -> None:
    energy, spectrum = debye(0.7)
    noisy = spectrum.copy()
    noisy[5] = -1e-3 * spectrum.max()
    assert moments(energy, noisy).lambda_ == pytest.approx(0.7, rel=1e-4)


@pytest.mark.parametrize(
    ("energy", "spectrum", "message"),
    [
        ([1, 2, 3], [1, 2], "equal length"),
        ([[1, 2]], [[1, 2]], "one-dimensional"),
        ([1, 2, np.nan], [1, 2, 3], "not finite"),
        ([1, 2, 3], [1, np.inf, 3], "not finite"),
        ([1, 3, 2], [1, 2, 3], "do not increase"),
        ([1, 1, 2], [1, 2, 3], "do not increase"),
        ([-2, -1, 1], [1, 2, 3], "positive energies"),
        ([], [], "positive energies"),
        ([1, 2, 3], [1.0, -0.5, 1.0], "negative"),
        ([1, 2, 3], [-1.0, -1.0, -1.0], "negative"),
    ],
)
def test_a_spectrum_that_is_none_is_refused(energy: list, spectrum: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        moments(energy, spectrum)


@given(scale=st.floats(0.01, 100), strength=st.floats(0.05, 5))
def test_moments_scale_with_the_energies_and_lambda_does_not(scale: float, strength: float) -> None:
    energy, spectrum = debye(1.0, n=200)
    reference, scaled = moments(energy, spectrum), moments(scale * energy, strength * spectrum)
    assert scaled.lambda_ == pytest.approx(strength * reference.lambda_)
    assert scaled.omega_log_mev == pytest.approx(scale * reference.omega_log_mev)
    assert scaled.omega_2_mev == pytest.approx(scale * reference.omega_2_mev)
    assert scaled.omega_log_mev <= scaled.omega_2_mev


@pytest.mark.parametrize(
    ("lambda_", "omega_log_mev", "mu_star", "tc_k"),
    [
        # Printed by EPW: q-e ddbec465 test-suite epw_super (MgB2), then the parser fixtures of aiida-epw f6844e44.
        (0.8714948, 61.4704, 0.16, 26.4082),
        (1.2658267, 6.3939, 0.13, 6.3282),
        (0.6331292, 61.6043, 0.13, 13.9152),
        (3.1076643, 5.114145, 0.13, 10.325787),
    ],
)
def test_mcmillan_agrees_with_epw(lambda_: float, omega_log_mev: float, mu_star: float, tc_k: float) -> None:
    assert mcmillan_tc_k(lambda_, omega_log_mev, mu_star) == pytest.approx(tc_k, rel=1e-4)


@pytest.mark.parametrize(("lambda_", "omega_log_k", "omega_2_k", "mu_star", "tc_k"), LANTHANUM_YTTRIUM_HYDRIDES)
def test_allen_dynes_agrees_with_published_hydrides(
    lambda_: float, omega_log_k: float, omega_2_k: float, mu_star: float, tc_k: float
) -> None:
    found = allen_dynes_tc_k(lambda_, omega_log_k * BOLTZMANN_MEV_PER_K, omega_2_k * BOLTZMANN_MEV_PER_K, mu_star)
    assert found == pytest.approx(tc_k, abs=1.0)


def test_allen_dynes_at_strong_coupling() -> None:
    """The formula tends to kB Tc = 0.188 omega_2 sqrt(lambda), close to the exact 0.1827 (PRB 12, 905)."""
    tc_k = allen_dynes_tc_k(1e6, 20.0, 25.0, 0.0)
    assert tc_k * BOLTZMANN_MEV_PER_K / (25.0 * 1e3) == pytest.approx(0.1878, abs=2e-4)


def test_formulas_end_where_the_repulsion_wins() -> None:
    mu_star = 0.13
    limit = mu_star / (1 - 0.62 * mu_star)
    for lambda_ in (0.0, 0.5 * limit, limit * (1 - 1e-9)):
        assert mcmillan_tc_k(lambda_, 30.0, mu_star) == 0.0
        assert allen_dynes_tc_k(lambda_, 30.0, 32.0, mu_star) == 0.0
    assert mcmillan_tc_k(1.5 * limit, 30.0, mu_star) > 0


@pytest.mark.parametrize("mu_star", [-0.1, math.nan, math.inf])
def test_an_impossible_mu_star_is_refused(mu_star: float) -> None:
    with pytest.raises(ValueError, match=r"mu\*"):
        mcmillan_tc_k(1.0, 30.0, mu_star)


@given(
    lambda_=st.floats(0.3, 5),
    mu_star=st.floats(0, 0.15),
    ratio=st.floats(1, 2),
    scale=st.floats(0.1, 10),
)
def test_allen_dynes_is_above_mcmillan_and_scales(lambda_: float, mu_star: float, ratio: float, scale: float) -> None:
    tc_k = allen_dynes_tc_k(lambda_, 50.0, 50.0 * ratio, mu_star)
    assert tc_k >= mcmillan_tc_k(lambda_, 50.0, mu_star)
    assert allen_dynes_tc_k(lambda_, 50.0 * scale, 50.0 * ratio * scale, mu_star) == pytest.approx(scale * tc_k)


@pytest.mark.parametrize(
    ("tc_k", "pressure_gpa", "merit"), [(39.0, 0.0, 1.0), (203.0, 155.0, 1.270), (250.0, 170.0, 1.433)]
)
def test_figure_of_merit(tc_k: float, pressure_gpa: float, merit: float) -> None:
    """MgB2, H3S and LaH10 on the scale of Pickard, Errea and Eremets."""
    assert figure_of_merit(tc_k, pressure_gpa) == pytest.approx(merit, abs=1e-3)


# lambda, mu* and "beta (McMillan isotope coefficient)" in the result.json of GitGreg228/a2f 22ece66, examples-public:
# CaH6 at 150 GPa, LaYH20 at 200 GPa, Nb3Sn, ThH9 at 100 and 200 GPa.
PUBLISHED_ISOTOPE = [
    (3.246, 0.1, 0.49233),
    (2.699, 0.1, 0.4913),
    (1.613, 0.1, 0.48639),
    (1.428, 0.1, 0.4845),
    (0.772, 0.1, 0.46506),
]


@pytest.mark.parametrize(("lambda_", "mu_star", "published"), PUBLISHED_ISOTOPE)
def test_isotope_coefficient_of_mcmillan_is_the_published_one(lambda_: float, mu_star: float, published: float) -> None:
    found = isotope_coefficient(lambda mu: mcmillan_tc_k(lambda_, 50.0, mu), mu_star)
    assert found == pytest.approx(published, abs=5e-5)


@given(lambda_=st.floats(0.4, 5), mu_star=st.floats(0.01, 0.15))
def test_isotope_coefficient_of_mcmillan_in_closed_form(lambda_: float, mu_star: float) -> None:
    """McMillan, Phys. Rev. 167, 331 (1968): half of 1 + mu*^2 dlnTc/dmu*, the derivative that of his exponent."""
    net = lambda_ - mu_star * (1 + 0.62 * lambda_)
    closed = 0.5 * (1 - mu_star**2 * 1.04 * (1 + lambda_) * (1 + 0.62 * lambda_) / net**2)
    found = isotope_coefficient(lambda mu: mcmillan_tc_k(lambda_, 50.0, mu), mu_star)
    assert found == pytest.approx(closed, abs=1e-4)


def test_isotope_coefficient_without_repulsion_or_without_tc() -> None:
    assert isotope_coefficient(lambda mu: allen_dynes_tc_k(1.0, 50.0, 60.0, mu), 0.0) == 0.5
    assert isotope_coefficient(lambda mu: mcmillan_tc_k(0.1, 50.0, mu), 0.13) is None
    assert isotope_coefficient(lambda _: None, 0.1) is None


ROW = ["mu_star", "mcmillan_k", "allen_dynes_k", "eliashberg_k", "status", "mu_star_at_cutoff", "cutoff_mev"]


def test_tc_table_is_the_contract_of_hts_tc() -> None:
    table = tc_table(*debye(1.0, n=300), [0.10, 0.13])
    assert list(table) == [
        "lambda",
        "omega_log_mev",
        "omega_2_mev",
        "mu_star_convention",
        "tc",
        "status",
        "spread",
    ]
    assert [row["mu_star"] for row in table["tc"]] == [0.10, 0.13]
    for row in table["tc"]:
        assert list(row) == ROW
        assert row["status"] == "superconducting"
        assert row["eliashberg_k"] > row["allen_dynes_k"] > row["mcmillan_k"] > 0
        assert row["mu_star_at_cutoff"] == row["mu_star"]
        assert row["cutoff_mev"] == pytest.approx(300.0)
    first, second = table["tc"]
    assert table["status"] == "superconducting"
    assert table["spread"] == {
        "formulas_k": [first["mcmillan_k"], first["eliashberg_k"]],
        "mu_star_k": [second["allen_dynes_k"], first["allen_dynes_k"]],
    }


def test_a_rescaled_mu_star_lowers_the_eliashberg_tc_only() -> None:
    plain = tc_table(*debye(1.0, n=300), [0.10])
    rescaled = tc_table(*debye(1.0, n=300), [0.10], mu_star_convention="rescaled")
    assert (plain["mu_star_convention"], rescaled["mu_star_convention"]) == ("at_cutoff", "rescaled")
    # The cutoff is 10 sqrt(2) omega_2 of a Debye spectrum.
    assert 1 / rescaled["tc"][0]["mu_star_at_cutoff"] == pytest.approx(10 - math.log(10 * math.sqrt(2)), rel=1e-4)
    assert rescaled["tc"][0]["eliashberg_k"] < plain["tc"][0]["eliashberg_k"]
    assert rescaled["tc"][0]["allen_dynes_k"] == plain["tc"][0]["allen_dynes_k"]


def test_an_unknown_member_makes_the_spread_over_formulas_unknown() -> None:
    table = tc_table(*debye(0.12, n=300), [0.10, 0.0])
    assert [row["status"] for row in table["tc"]] == ["not_bracketed", "superconducting"]
    assert table["status"] == "not_bracketed"
    assert table["spread"]["formulas_k"] is None
    assert table["spread"]["mu_star_k"] == [row["allen_dynes_k"] for row in table["tc"]]


def test_figure_of_merit_and_gap_on_request() -> None:
    table = tc_table(*debye(1.0, n=300), [0.0, 0.13], pressure_gpa=52.0, gap=True)
    for row in table["tc"]:
        assert list(row) == [*ROW, "figure_of_merit", "eliashberg_figure_of_merit", "gap", "isotope_coefficient"]
        # 39, 52, 65: a Pythagorean triple.
        assert row["figure_of_merit"] == pytest.approx(row["allen_dynes_k"] / 65.0)
        assert row["eliashberg_figure_of_merit"] == pytest.approx(row["eliashberg_k"] / 65.0)
        assert 3.53 < row["gap"]["gap_ratio"] < 5.0
        assert row["gap"]["temperature_k"] == pytest.approx(0.1 * row["eliashberg_k"])
    free, repelled = (row["isotope_coefficient"] for row in table["tc"])
    assert free == {"mcmillan": 0.5, "allen_dynes": 0.5, "eliashberg": 0.5}
    assert all(0.4 < value < 0.5 for value in repelled.values())
    json.dumps(table, allow_nan=False)


def test_figure_of_merit_and_gap_where_tc_is_unknown() -> None:
    (row,) = tc_table(*debye(0.12, n=300), [0.12], pressure_gpa=0.0, gap=True)["tc"]
    assert row["status"] == "not_bracketed"
    assert row["figure_of_merit"] == 0.0
    assert row["eliashberg_figure_of_merit"] is None
    assert row["gap"] == {
        "status": "not_bracketed",
        "temperature_k": None,
        "gap_mev": None,
        "z": None,
        "gap_ratio": None,
    }
    assert row["isotope_coefficient"] == {"mcmillan": None, "allen_dynes": None, "eliashberg": None}


def test_a_table_needs_a_mu_star_and_a_known_convention() -> None:
    with pytest.raises(ValueError, match=r"no mu\* was given"):
        tc_table(*debye(1.0, n=300), [])
    with pytest.raises(ValueError, match="wanted at_cutoff or rescaled"):
        tc_table(*debye(1.0, n=300), [0.1], mu_star_convention="at-cutoff")
