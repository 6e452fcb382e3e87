"""alpha2F with its cumulative coupling, and what pictures call the members of a series."""

from pathlib import Path

import numpy as np
import pytest

from hts.coupling_curves import SeriesPoint, TcPoint, file_result, mesh_text, point_text, spectrum
from hts.errors import UserError
from hts.superconductivity import moments

DATA = Path(__file__).parents[1] / "data" / "alpha2f"


def test_the_coupling_of_a_debye_spectrum_grows_with_the_square_of_the_energy() -> None:
    # alpha2F = a w^2 gives lambda(w) = 2 a Int w = a w^2; the trapezoidal rule is exact for a straight integrand.
    energy = np.linspace(1.0, 40.0, 79)
    found = spectrum("k24_q4_100meV", energy, 1e-3 * energy**2)
    assert found.cumulative_lambda == pytest.approx(1e-3 * (energy**2 - 1.0))


def test_the_curve_ends_at_the_lambda_that_tc_stands_on() -> None:
    energy = np.linspace(-2.0, 90.0, 500)
    alpha2f = np.exp(-(((energy - 45) / 12) ** 2)) * (energy > 0)
    found = spectrum("one", energy, alpha2f)
    assert found.energy_mev[0] > 0
    assert found.cumulative_lambda[0] == 0.0
    assert np.all(np.diff(found.cumulative_lambda) >= 0)
    assert found.cumulative_lambda[-1] == pytest.approx(moments(energy, alpha2f).lambda_, rel=1e-12)


def test_a_spectrum_that_is_none_is_named() -> None:
    with pytest.raises(UserError, match="alpha2F k24_q4_100meV: energies do not increase"):
        spectrum("k24_q4_100meV", [2.0, 1.0], [0.1, 0.1])


def test_a_file_has_its_tc_at_the_usual_mu_star() -> None:
    found = file_result(DATA / "fcc_al.a2f")
    assert (found.key, found.formula, found.pressure_gpa) == ("fcc_al.a2f", None, None)
    assert found.lambda_ == pytest.approx(0.2084, abs=1e-4)
    [drawn] = found.spectra
    assert drawn.cumulative_lambda[-1] == pytest.approx(found.lambda_)
    [row] = found.tc
    assert row.mu_star == 0.10
    assert 0 < row.allen_dynes_k < 0.01


@pytest.mark.parametrize(("mesh", "text"), [((24, 24, 24), "24³"), ((24, 24, 12), "24×24×12")])
def test_meshes_as_they_are_printed(mesh: tuple[int, int, int], text: str) -> None:
    assert mesh_text(mesh) == text


def test_a_member_without_meshes_has_its_label() -> None:
    named = SeriesPoint("k24_q4_100meV", (24, 24, 24), (4, 4, 4), 0.1, 1.0, 12.0, True)
    bare = SeriesPoint("other", None, None, None, 1.0, None, None)
    assert point_text("k24_q4_100meV", [bare, named]) == "k 24³, q 4³, 0.1 eV"
    assert point_text("other", [bare, named]) == "other"


def test_the_merit_of_a_point() -> None:
    # CaH6, measured: https://doi.org/10.1103/PhysRevLett.128.167001
    assert TcPoint(172.0, 0.1, 215.0, None, None, False).merit == pytest.approx(1.219, abs=1e-3)
