"""Which magnetic state of a crystal lies lower: where to look, with what to start, and what to make of the answer.

Looked for is a ferromagnetic state, from moments that all start parallel. Antiferromagnetic order in a larger cell, the
4f moments of a pseudopotential that keeps its 4f electrons in the core, and what a Hubbard U would do are not seen.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from pymatgen.core import Element

from hts.errors import UserError

FERROMAGNETIC, NONMAGNETIC, UNKNOWN = "ferromagnetic", "nonmagnetic", "unknown"
# Groups 3 to 11 hold the open d shells, and the lanthanides and actinides, which count as group 3; Zn, Cd, Hg are full.
_OPEN_SHELL_GROUPS = range(3, 12)
# Hund's first rule for a half-filled shell. From above, a scf falls into the high-spin state before the low-spin one; a
# start near zero would stay at zero, which is always a stationary point.
_MOMENT_D_BOHR_MAG = 5.0
_MOMENT_F_BOHR_MAG = 7.0
# More of the valence electrons than this turned over is a poor starting density (Sc without semicore has three).
_LARGEST_FRACTION = 0.7


def magnetic_elements(symbols: Iterable[str]) -> tuple[str, ...]:
    """Return those elements that call for a look at magnetism: transition metals, rare earths, actinides.

    Parameters
    ----------
    symbols : iterable of str

    Returns
    -------
    tuple of str
        Sorted, each once; empty where nothing calls for it. Group 12, with its full d shell, doesn't.
    """
    return tuple(sorted({symbol for symbol in symbols if Element(symbol).group in _OPEN_SHELL_GROUPS}))


def starting_magnetisation(valence_electrons: Mapping[str, float]) -> dict[str, float]:
    """Return the fraction of each element's valence electrons that starts polarised, as pw.x wants it.

    Parameters
    ----------
    valence_electrons : mapping of str to float
        Symbol -> valence electrons of its pseudopotential.

    Returns
    -------
    dict of str to float
        (n_up - n_down) / n of the elements of `magnetic_elements`: 5 Bohr magnetons for a d shell, 7 for an f shell, at
        most 0.7. The other elements follow their neighbours and are left out.

    Raises
    ------
    UserError
        Where the number of valence electrons is not positive.
    """
    fractions = {}
    for symbol in magnetic_elements(valence_electrons):
        count = valence_electrons[symbol]
        if not count > 0:
            raise UserError(
                f"{symbol} has {count} valence electrons, a positive number was wanted; give a complete UPF"
            )
        has_f_shell = Element(symbol).is_lanthanoid or Element(symbol).is_actinoid
        moment = _MOMENT_F_BOHR_MAG if has_f_shell else _MOMENT_D_BOHR_MAG
        fractions[symbol] = min(moment / count, _LARGEST_FRACTION)
    return fractions


def spin_polarised_gap_ev(eigenvalues_ev: np.ndarray, fermi_ev: float) -> float:
    """Return the gap over both spins between what is filled and what is empty.

    Parameters
    ----------
    eigenvalues_ev : (2, nk, nb)
        Of spin up and spin down, at any set of k-points.
    fermi_ev : float
        The Fermi energy that both share.

    Returns
    -------
    float
        Zero where a band of either spin crosses the Fermi energy: a half-metal is a metal.

    Raises
    ------
    UserError
        If no band is filled or none is empty.
    """
    bands = np.asarray(eigenvalues_ev, dtype=float)
    lowest, highest = bands.min(axis=1), bands.max(axis=1)
    if np.any((lowest <= fermi_ev) & (highest > fermi_ev)):
        return 0.0
    filled, empty = highest[highest <= fermi_ev], lowest[lowest > fermi_ev]
    if not filled.size or not empty.size:
        missing = "empty" if filled.size else "filled"
        raise UserError(f"no {missing} band beside the Fermi energy of {fermi_ev:.3f} eV, wanted both; raise nbnd")
    return float(empty.min() - filled.max())


def keeps_moment(absolute_moment_bohr_mag: float, symbols: Iterable[str], min_moment_bohr_mag: float) -> bool:
    """Say whether a spin-polarised calculation kept a moment.

    Parameters
    ----------
    absolute_moment_bohr_mag : float
        Integral of |m| over the cell, which opposite moments don't cancel in.
    symbols : iterable of str
        Element of every site.
    min_moment_bohr_mag : float
        Per atom of `magnetic_elements`: per atom of any kind, hydrogen would dilute a moment below the threshold.

    Returns
    -------
    bool
        False also where no atom calls for it.
    """
    counts = Counter(symbols)
    carriers = sum(counts[symbol] for symbol in magnetic_elements(counts))
    return carriers > 0 and absolute_moment_bohr_mag >= min_moment_bohr_mag * carriers


def compare_magnetic_states(
    nonmagnetic: Mapping[str, Any],
    spin_polarised: Mapping[str, Any],
    symbols: Iterable[str],
    min_moment_bohr_mag: float,
    min_gain_ev_per_atom: float,
) -> dict[str, Any]:
    """Say which state of one crystal at one pressure is the lower one.

    Parameters
    ----------
    nonmagnetic : mapping
        ``enthalpy_ev_per_atom`` and ``n_atoms``.
    spin_polarised : mapping
        ``enthalpy_ev_per_atom``, ``moment_bohr_mag_per_cell`` (total), ``absolute_moment_bohr_mag_per_cell``, and
        ``volume_ang3``: of the same cell where that keeps no moment, else relaxed by itself.
    symbols : iterable of str
        Element of every site.
    min_moment_bohr_mag : float
        As for `keeps_moment`.
    min_gain_ev_per_atom : float
        By how much the ferromagnetic state must lie lower.

    Returns
    -------
    dict
        ``state`` (ferromagnetic or nonmagnetic), ``gain_ev_per_atom`` (positive where the spin-polarised calculation
        lies lower), ``moment_bohr_mag_per_cell``, ``absolute_moment_bohr_mag_per_cell`` and
        ``moment_bohr_mag_per_atom`` of that calculation; of a ferromagnetic state also ``enthalpy_ev_per_atom`` and
        ``volume_ang3``. The sign of a moment has no meaning without spin-orbit coupling and is dropped.
    """
    gain = nonmagnetic["enthalpy_ev_per_atom"] - spin_polarised["enthalpy_ev_per_atom"]
    moment, absolute = (spin_polarised[f"{kind}_bohr_mag_per_cell"] for kind in ("moment", "absolute_moment"))
    magnetic = keeps_moment(absolute, symbols, min_moment_bohr_mag) and gain > min_gain_ev_per_atom
    found = {
        "state": FERROMAGNETIC if magnetic else NONMAGNETIC,
        "gain_ev_per_atom": gain,
        "moment_bohr_mag_per_cell": abs(moment),
        "absolute_moment_bohr_mag_per_cell": absolute,
        "moment_bohr_mag_per_atom": abs(moment) / nonmagnetic["n_atoms"],
    }
    if magnetic:
        found |= {key: spin_polarised[key] for key in ("enthalpy_ev_per_atom", "volume_ang3")}
    return found


def unknown_state(reason: str) -> dict[str, Any]:
    """Return what stands for the comparison where the spin-polarised calculation failed."""
    return {"state": UNKNOWN, "reason": reason}


def ground_state_enthalpy(relaxation: Mapping[str, Any]) -> float:
    """Return the enthalpy of the lower magnetic state in eV/atom; of the non-magnetic one where no other is known.

    Parameters
    ----------
    relaxation : mapping
        ``enthalpy_ev_per_atom`` of the non-magnetic state, and ``magnetism`` where that was looked at.
    """
    magnetism = relaxation.get("magnetism") or {}
    own: float = relaxation["enthalpy_ev_per_atom"]
    return min(own, magnetism["enthalpy_ev_per_atom"]) if magnetism.get("state") == FERROMAGNETIC else own


def magnetic_doubt(relaxation: Mapping[str, Any]) -> str | None:
    """Return why the magnetic state of a relaxed crystal is not known; None where it is, or nothing calls for it.

    Parameters
    ----------
    relaxation : mapping
        ``magnetism`` where that was looked at, and ``basis`` whose ``pseudos`` are by element. Without either (an
        excerpt, or an old result without a basis) there is nothing to go by, and no doubt is raised.
    """
    magnetism = relaxation.get("magnetism")
    if magnetism is not None:
        return str(magnetism["reason"]) if magnetism["state"] == UNKNOWN else None
    called_for = magnetic_elements(relaxation.get("basis", {}).get("pseudos") or {})
    return f"it was not looked at, for all its {' and '.join(called_for)}" if called_for else None


def magnetic_doubt_line(label: str, doubt: str) -> str:
    """Return the line with which a hull says that a phase on it may lie lower; ``doubt`` as of `magnetic_doubt`."""
    return f"{label}: its magnetic state is unknown ({doubt}); a ferromagnetic one would lie lower"


def magnetism_text(magnetism: Mapping[str, Any]) -> str:
    """Say in a few words what `compare_magnetic_states` or `unknown_state` returned."""
    if magnetism["state"] == UNKNOWN:
        return f"magnetic state unknown: {magnetism['reason']}"
    moment = f"{magnetism['moment_bohr_mag_per_cell']:.2f} Bohr magnetons a cell"
    gain = magnetism["gain_ev_per_atom"]
    if magnetism["state"] == FERROMAGNETIC:
        return f"ferromagnetic: {moment}, {gain:.4f} eV/atom below the non-magnetic state"
    return f"non-magnetic: a spin-polarised calculation ends with {moment}, {-gain:+.4f} eV/atom"
