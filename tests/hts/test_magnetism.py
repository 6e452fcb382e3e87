"""Where magnetism is looked for, what it starts from, and which state is said to be the lower one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.errors import UserError
from hts.magnetism import (
    compare_magnetic_states,
    ground_state_enthalpy,
    keeps_moment,
    magnetic_doubt,
    magnetic_elements,
    magnetism_text,
    spin_polarised_gap_ev,
    starting_magnetisation,
    unknown_state,
)

NONMAGNETIC = {"enthalpy_ev_per_atom": -10.0, "n_atoms": 2, "volume_ang3": 20.0}
FERROMAGNETIC = {
    "enthalpy_ev_per_atom": -10.05, "volume_ang3": 20.4, "moment_bohr_mag_per_cell": 1.2,
    "absolute_moment_bohr_mag_per_cell": 1.3,
}  # fmt: skip
THRESHOLDS = {"min_moment_bohr_mag": 0.05, "min_gain_ev_per_atom": 1e-4}
UNKNOWN = unknown_state("pw.x was killed")


def compared(symbols: tuple[str, ...] = ("Ni", "H"), **changes: float) -> dict[str, Any]:
    return compare_magnetic_states(NONMAGNETIC, FERROMAGNETIC | changes, symbols, **THRESHOLDS)


@pytest.mark.parametrize("symbol", ["Sc", "Fe", "Cu", "Y", "Pd", "La", "Ce", "Gd", "Yb", "Lu", "Hf", "Au", "Th", "U"])
def test_open_shells_call_for_a_look(symbol: str) -> None:
    assert magnetic_elements(["H", symbol, "H", symbol]) == (symbol,)


@pytest.mark.parametrize("symbol", ["H", "Li", "Mg", "Ca", "Ba", "Al", "Si", "Pb", "Bi", "Zn", "Cd", "Hg"])
def test_closed_shells_do_not(symbol: str) -> None:
    assert magnetic_elements([symbol]) == ()
    assert starting_magnetisation({symbol: 10.0}) == {}


def test_start_from_a_half_filled_shell() -> None:
    given_electrons = {"Ni": 10.0, "Fe": 16.0, "Gd": 18.0, "Sc": 3.0, "H": 1.0}
    assert starting_magnetisation(given_electrons) == {
        "Ni": 0.5, "Fe": pytest.approx(5 / 16), "Gd": pytest.approx(7 / 18), "Sc": 0.7,
    }  # fmt: skip
    with pytest.raises(UserError, match="Ni has 0 valence electrons"):
        starting_magnetisation({"Ni": 0})


def two_spins(up: list[float], down: list[float]) -> np.ndarray:
    """Return bands of two k-points that move by 0.2 eV between them."""
    return np.array([[bands, [band + 0.2 for band in bands]] for bands in (up, down)])


@pytest.mark.parametrize(
    ("up", "down", "fermi", "gap"),
    [
        (
            [-2.0, -1.0, 3.0],
            [-1.5, 1.0, 3.5],
            0.0,
            1.0 - -0.8,
        ),  # filled to -0.8 by spin up, empty from 1.0 by spin down
        ([-2.0, -0.1, 3.0], [-1.5, 1.0, 3.5], 0.0, 0.0),  # a half-metal: spin up crosses
        ([-2.0, -0.1, 3.0], [-1.5, -0.1, 3.5], 0.0, 0.0),
        ([-2.0, -0.2, 3.0], [-1.5, 0.5, 3.5], 0.0, 0.5),  # touches E_F from below
    ],
)
def test_the_gap_spans_both_spins(up: list[float], down: list[float], fermi: float, gap: float) -> None:
    assert spin_polarised_gap_ev(two_spins(up, down), fermi) == pytest.approx(gap, abs=1e-12)


@pytest.mark.parametrize(("fermi", "missing"), [(9.0, "no empty band"), (-9.0, "no filled band")])
def test_a_gap_wants_two_sides(fermi: float, missing: str) -> None:
    with pytest.raises(UserError, match=missing):
        spin_polarised_gap_ev(two_spins([-1.0, 1.0], [-1.0, 1.0]), fermi)


def test_hydrogen_does_not_dilute_a_moment() -> None:
    assert keeps_moment(0.05, ["Fe", *["H"] * 9], 0.05)
    assert not keeps_moment(0.049, ["Fe", *["H"] * 9], 0.05)
    assert not keeps_moment(0.09, ["Fe", "Fe"], 0.05)
    assert not keeps_moment(5.0, ["Mg", "H"], 0.05)


def test_the_lower_state_is_the_state() -> None:
    found = compared()
    assert found["state"] == "ferromagnetic"
    assert found["gain_ev_per_atom"] == pytest.approx(0.05)
    assert found["moment_bohr_mag_per_atom"] == pytest.approx(0.6)
    assert (found["enthalpy_ev_per_atom"], found["volume_ang3"]) == (-10.05, 20.4)
    assert compared(moment_bohr_mag_per_cell=-1.2) == found


@pytest.mark.parametrize(
    "changes",
    [
        {"enthalpy_ev_per_atom": -9.9},  # metastable
        {"enthalpy_ev_per_atom": -10.00009},  # within the noise
        {"absolute_moment_bohr_mag_per_cell": 0.04, "moment_bohr_mag_per_cell": 0.04},  # no moment
    ],
)
def test_else_the_crystal_is_nonmagnetic(changes: dict[str, float]) -> None:
    found = compared(**changes)
    assert found["state"] == "nonmagnetic"
    assert not {"enthalpy_ev_per_atom", "volume_ang3"} & set(found)
    assert ground_state_enthalpy(NONMAGNETIC | {"magnetism": found}) == -10.0


def test_moments_that_cancel_count() -> None:
    found = compared(moment_bohr_mag_per_cell=0.0)
    assert (found["state"], found["moment_bohr_mag_per_atom"]) == ("ferromagnetic", 0.0)


@given(st.floats(-1, 1), st.floats(0, 10))
def test_the_ground_state_is_never_above_either(gain: float, moment: float) -> None:
    changes = {"enthalpy_ev_per_atom": -10.0 - gain, "absolute_moment_bohr_mag_per_cell": moment}
    found = compared(**changes)
    lowest = ground_state_enthalpy(NONMAGNETIC | {"magnetism": found})
    assert lowest <= -10.0
    assert lowest == (-10.0 - gain if found["state"] == "ferromagnetic" else -10.0)


def test_what_is_not_known_is_doubted() -> None:
    nickel = {"basis": {"pseudos": {"Ni": "a", "H": "b"}}}
    assert magnetic_doubt(nickel) == "it was not looked at, for all its Ni"
    assert magnetic_doubt(nickel | {"magnetism": compared()}) is None
    assert magnetic_doubt(nickel | {"magnetism": UNKNOWN}) == "pw.x was killed"
    assert magnetic_doubt({"basis": {"pseudos": {"Al": "a", "H": "b"}}}) is None
    assert magnetic_doubt({}) is None
    assert ground_state_enthalpy(NONMAGNETIC | {"magnetism": UNKNOWN}) == ground_state_enthalpy(NONMAGNETIC) == -10.0


def test_in_words() -> None:
    assert magnetism_text(compared()) == (
        "ferromagnetic: 1.20 Bohr magnetons a cell, 0.0500 eV/atom below the non-magnetic state"
    )
    assert magnetism_text(compared(enthalpy_ev_per_atom=-9.9)) == (
        "non-magnetic: a spin-polarised calculation ends with 1.20 Bohr magnetons a cell, +0.1000 eV/atom"
    )
    assert magnetism_text(UNKNOWN) == "magnetic state unknown: pw.x was killed"
