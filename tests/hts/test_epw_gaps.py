"""The gap over the Fermi surface of fcc Al (mu* = 0 and a coarse fine mesh: the format, not the physics of Al)."""

from pathlib import Path

import numpy as np
import pytest

from hts.epw_gaps import (
    GapSurface,
    gap_distribution,
    parse_gap_surface,
    parse_temperatures,
    surface_temperature_k,
)
from hts.epw_output import parse_stdout
from hts.errors import ParseError

DATA = Path(__file__).parents[1] / "data" / "epw"
NAMES = [f"aiida.imag_aniso_gap_FS_{temperature}" for temperature in ("001.00", "002.00", "004.00")]


def _read(case: str, name: str = "aiida.out") -> str:
    return (DATA / case / name).read_text()


def test_each_temperature_of_a_run() -> None:
    entries = parse_temperatures(_read("al_anisotropic"))
    assert [entry.temperature_k for entry in entries] == [1.0, 2.0, 4.0]
    assert all(entry.anisotropic and entry.converged and not entry.collapsed for entry in entries)
    assert [entry.gap_mev for entry in entries] == [2.243898, 2.244754, 2.242519]
    assert [entry.pade_gap_mev for entry in entries] == pytest.approx([1.966287, 1.967407, 1.967], abs=1e-3)
    assert not any(entry.pade_failed for entry in entries)


def test_the_isotropic_gap_of_weak_coupling() -> None:
    """2 gap / kB Tc of BCS is 3.53; here lambda = 0.43 and mu* = 0, and McMillan's Tc is 7.6 K (gap 1.15 meV)."""
    entries = parse_temperatures(_read("al_isotropic"))
    assert [entry.anisotropic for entry in entries] == [False] * 3
    assert entries[0].gap_mev == pytest.approx(1.25, abs=0.01)
    gaps = [entry.gap_mev or 0.0 for entry in entries]
    assert gaps == sorted(gaps, reverse=True)


def test_failures_are_told_apart() -> None:
    nan = parse_temperatures(_read("al_pade_nan"))
    assert [entry.pade_failed for entry in nan] == [True, False, False]
    assert nan[0].pade_gap_mev is None and nan[0].converged
    (unconverged,) = parse_temperatures(_read("al_eliashberg_not_converged"))
    assert (unconverged.converged, unconverged.collapsed, unconverged.iterations) == (False, False, 5)
    above = parse_temperatures(_read("al_above_tc"))
    assert [entry.collapsed for entry in above] == [False, False, True]
    assert [entry.converged for entry in above] == [True, True, False]


def test_exponents_of_three_digits() -> None:
    """Far above Tc the gap falls below 1e-99 meV, which Fortran prints without the E."""
    (entry,) = parse_temperatures(_read("mix_broyden"))
    assert entry.gap_mev is not None and abs(entry.gap_mev) < 1e-99
    assert entry.collapsed and entry.converged is None


def test_the_surface_repeats_the_density_of_states() -> None:
    """Its rows, weighed as EPW does, add up to the N(E_F) that EPW prints: the file is whole."""
    values = parse_stdout(_read("al_anisotropic"))
    for name in NAMES:
        surface = parse_gap_surface(_read("al_anisotropic", name))
        assert surface.gap_mev.shape == (110,) and surface.kpoints_2pi_over_alat.shape == (110, 3)
        found = gap_distribution(
            surface, 1.0, values["degaussw_ev"], values["fine_kmesh"], values["dos_ef_per_spin_ev"]
        )
        assert found.weight.sum() == pytest.approx(1.0)
        assert np.all(np.diff(found.gap_mev) > 0) and np.all(found.weight > 0)
        assert found.range_mev == pytest.approx((0.0, 2.945), abs=3e-3)
        assert found.mean_mev == pytest.approx(2.5025, abs=2e-3)


def test_two_sheets() -> None:
    """Two thirds of the states with a gap of 7 meV, a third with 2 meV, as on the sheets of MgB2."""
    energy = np.linspace(-0.4, 0.4, 81)
    energies = np.concatenate([energy, energy, energy])
    gaps = np.concatenate([np.full(162, 7.0), np.full(81, 2.0)])
    surface = GapSurface(np.zeros((243, 3)), np.ones(243, dtype=np.int64), energies, gaps)
    dos = 3 * 100 / 1000
    found = gap_distribution(surface, 4.0, 0.1, (10, 10, 10), dos, ngaussw=0)
    assert found.gap_mev == pytest.approx([2.0, 7.0])
    assert found.weight == pytest.approx([1 / 3, 2 / 3])
    assert found.mean_mev == pytest.approx(16 / 3)
    assert found.range_mev == pytest.approx((2.0, 7.0))


@pytest.mark.parametrize("ngaussw", [-99, -1, 0, 1])
def test_every_smearing_has_unit_area(ngaussw: int) -> None:
    energies = np.linspace(-4.0, 4.0, 8001)
    surface = GapSurface(np.zeros((8001, 3)), np.ones(8001, dtype=np.int64), energies, np.ones(8001))
    # 1000 states per eV on a mesh of 1000 points: one state per eV and point.
    assert gap_distribution(surface, 1.0, 0.1, (10, 10, 10), 1.0, ngaussw).mean_mev == pytest.approx(1.0)


def test_an_unknown_smearing_is_refused() -> None:
    surface = parse_gap_surface(_read("al_anisotropic", NAMES[0]))
    with pytest.raises(ParseError, match="ngaussw is 3"):
        gap_distribution(surface, 1.0, 0.2, (8, 8, 8), 0.37, ngaussw=3)


def test_a_surface_cut_anywhere_is_refused() -> None:
    text = _read("al_anisotropic", NAMES[1])
    values = parse_stdout(_read("al_anisotropic"))
    for percent in range(100):
        with pytest.raises(ParseError):
            gap_distribution(
                parse_gap_surface(text[: len(text) * percent // 100]),
                2.0,
                values["degaussw_ev"],
                values["fine_kmesh"],
                values["dos_ef_per_spin_ev"],
            )
    # Between two rows, as a full disk may leave it: only the sum tells.
    rows = text.splitlines(keepends=True)
    with pytest.raises(ParseError, match=r"adds up to N\(E_F\) = .*rows are missing"):
        gap_distribution(parse_gap_surface("".join(rows[:-1])), 2.0, 0.2, (8, 8, 8), values["dos_ef_per_spin_ev"])


def test_garbled_surfaces_are_refused() -> None:
    text = _read("al_anisotropic", NAMES[0])
    for garbled in (text.replace("-0.324180", "*********"), text.replace("1.9", "NaN"), "", "# delta(0) [meV\n"):
        with pytest.raises(ParseError):
            parse_gap_surface(garbled)


@pytest.mark.parametrize(
    ("name", "temperature"),
    [
        ("aiida.imag_aniso_gap_FS_001.00", 1.0),
        ("aiida.imag_aniso_gap_FS_120.50", 120.5),
        ("aiida.imag_aniso_gap0_001.00", None),
        ("aiida.pade_aniso_gap_FS_001.00", None),
        ("aiida.out", None),
    ],
)
def test_names(name: str, temperature: float | None) -> None:
    assert surface_temperature_k(name) == temperature
