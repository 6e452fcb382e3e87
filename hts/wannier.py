"""Projections, number of bands and energy windows for the Wannierisation, computed before anything is launched."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hts.errors import HtsError

# One state of a pseudopotential: angular momentum, label such as "3S", occupation of the free atom.
AtomicState = tuple[int, str, float]

_LETTERS = "spdf"
_FUNCTIONS = {
    "s": 1, "p": 3, "d": 5, "f": 7, "sp": 2, "sp2": 3, "sp3": 4, "sp3d": 5, "sp3d2": 6,
    "l=0": 1, "l=1": 3, "l=2": 5, "l=3": 7, "l=-1": 2, "l=-2": 3, "l=-3": 4, "l=-4": 5, "l=-5": 6,
    "px": 1, "py": 1, "pz": 1, "dz2": 1, "dxz": 1, "dyz": 1, "dx2-y2": 1, "dxy": 1,
}  # fmt: skip
# Wannier90 compares eigenvalues with the window edges; this margin keeps rounding from deciding on which side one lies.
_MARGIN_EV = 1e-3


class WannierPlanError(HtsError):
    """No projections or windows can be given for these states; the message says what to change."""


@dataclass(frozen=True)
class WannierProjections:
    """Starting projections of a crystal.

    Attributes
    ----------
    strings : tuple of str
        One per kind, as EPW's ``proj(i)`` wants them: ``'Al:s;p'``.
    n_wannier : int
        Their number in the cell: EPW's ``nbndsub``.
    n_semicore : int
        Lowest bands, filled semicore shells, which these projections do not describe.
    """

    strings: tuple[str, ...]
    n_wannier: int
    n_semicore: int


@dataclass(frozen=True)
class WannierPlan:
    """Windows of one Wannierisation, checked against the eigenvalues of the coarse mesh.

    Attributes
    ----------
    n_wannier : int
    dis_froz_max_ev, dis_win_max_ev : float
        Upper edges of the frozen and outer window; frozen is strictly below outer.
    bands_skipped : str or None
        EPW's keyword of that name.
    frozen_bands_max : int
        The most bands in the frozen window at any k-point, at most ``n_wannier``.
    outer_bands_min : int
        The fewest bands in the outer window at any k-point, at least ``n_wannier``.
    """

    n_wannier: int
    dis_froz_max_ev: float
    dis_win_max_ev: float
    bands_skipped: str | None
    frozen_bands_max: int
    outer_bands_min: int

    def epw_keywords(self) -> dict[str, Any]:
        """Return the part of EPW's namelist that this plan decides."""
        keywords: dict[str, Any] = {
            "nbndsub": self.n_wannier,
            "dis_froz_max": round(self.dis_froz_max_ev, 6),
            "dis_win_max": round(self.dis_win_max_ev, 6),
        }
        if self.bands_skipped:
            keywords["bands_skipped"] = self.bands_skipped
        return keywords


def _principal(label: str) -> int:
    match = re.match(r"\s*(\d+)", label)
    return int(match.group(1)) if match else 0


def _is_semicore(state: AtomicState, valence_n: int) -> bool:
    """Tell whether a filled shell lies below the valence: 5s, 5p and 4d beside 6s do, a filled 5d does not."""
    angular, label, occupation = state
    full = occupation >= 2 * (2 * angular + 1) - 1e-6
    return full and _principal(label) < valence_n - max(0, angular - 1)


def _angular_momenta(
    symbol: str, states: Sequence[AtomicState], *, occupied_only: bool = False
) -> tuple[list[int], int]:
    """Return the l to project on for one element, and the number of semicore bands that one atom brings."""
    if symbol in ("H", "He"):
        return [0], 0
    if not states:
        raise WannierPlanError(
            f"the pseudopotential of {symbol} lists no atomic wavefunctions, wanted some to choose projections from; "
            "give the projections, or a file with PP_PSWFC"
        )
    valence_n = max((_principal(label) for angular, label, _ in states if angular == 0), default=0)
    semicore = [state for state in states if _is_semicore(state, valence_n)]
    chosen = {state[0] for state in states if state[2] > 0 and state not in semicore}
    # Metals fill their p (and d) bands in a solid though the free atom does not: s alone can't follow the bands at E_F.
    # Beside H an element whose free atom has s alone may be an ion, and its p only adds bands far above.
    if not (occupied_only and chosen == {0}):
        chosen |= {0, 1}
    return sorted(chosen), sum(2 * state[0] + 1 for state in semicore)


def projections(
    symbols: Sequence[str],
    atomic_states: Mapping[str, Sequence[AtomicState]],
    extra: Mapping[str, Sequence[int]] | None = None,
    *,
    occupied_only: bool = False,
) -> WannierProjections:
    """Choose starting projections from what the pseudopotentials describe.

    s for H; s and p for main-group elements; s, p and d (f) where the pseudopotential has an occupied d (f) shell
    that is not semicore.

    Parameters
    ----------
    symbols : sequence of str
        One per atom of the cell; equal symbols are one kind, in the order of first appearance.
    atomic_states : mapping of symbol to (l, label, occupation)
        The atomic wavefunctions of each pseudopotential (PP_PSWFC); the label has the principal quantum number:
        ``(0, "3S", 2.0)``.
    extra : mapping of symbol to l
        Angular momenta to add, such as ``{"S": [2]}`` for H3S.
    occupied_only : bool
        Leave out the p of elements whose free atom has s electrons alone, such as Mg.

    Returns
    -------
    WannierProjections

    Raises
    ------
    WannierPlanError
        If an element other than H has no atomic wavefunctions.
    """
    counts = Counter(symbols)
    strings = []
    n_wannier = n_semicore = 0
    for symbol, count in counts.items():
        chosen, semicore = _angular_momenta(symbol, atomic_states.get(symbol, ()), occupied_only=occupied_only)
        chosen = sorted({*chosen, *(extra or {}).get(symbol, ())})
        strings.append(f"{symbol}:{';'.join(_LETTERS[angular] for angular in chosen)}")
        n_wannier += count * sum(2 * angular + 1 for angular in chosen)
        n_semicore += count * semicore
    return WannierProjections(tuple(strings), n_wannier, n_semicore)


def count_projections(strings: Sequence[str], symbols: Sequence[str]) -> int | None:
    """Count the functions that Wannier90 makes of projection strings.

    Parameters
    ----------
    strings : sequence of str
        ``'Al:s;p'``, ``'f=0,0,0:sp3'``, ``'Al:l=1,mr=1,3'``.
    symbols : sequence of str
        One per atom of the cell.

    Returns
    -------
    int or None
        None if a string is of a form that is not understood here (``random``, axes): then nothing is known. An element
        that is not in the cell counts nothing, as Wannier90 refuses it.
    """
    total = 0
    for string in strings:
        site, found, functions = (part.strip() for part in string.partition(":"))
        if not found or ":" in functions:
            return None
        number = 0
        for function in functions.lower().replace(" ", "").split(";"):
            angular, _, mr = function.partition(",mr=")
            if angular not in _FUNCTIONS:
                return None
            number += len(mr.split(",")) if mr else _FUNCTIONS[angular]
        sites = 1 if re.match(r"[fc]\s*=", site) else Counter(symbols)[site]
        total += sites * number
    return total


def number_of_bands(n_wannier: int, n_electrons: float, n_semicore: int = 0) -> int:
    """Suggest ``nbnd`` for the coarse nscf: Al4H (17 functions, 13 electrons) gets 26.

    Parameters
    ----------
    n_wannier : int
    n_electrons : float
        In the cell, semicore included.
    n_semicore : int
        Bands that will be excluded below.

    Returns
    -------
    int
        Semicore + half again as many as functions (at least 8 more); never fewer than the occupied bands and a fifth.
    """
    wanted = n_semicore + max(math.ceil(1.5 * n_wannier), n_wannier + 8)
    return max(wanted, math.ceil(0.6 * n_electrons) + 4)


def _without_semicore(bands_ev: np.ndarray, n_wannier: int, n_semicore: int, gap_wanted_ev: float) -> np.ndarray:
    """Return the bands above the semicore ones; raises WannierPlanError where they are too few or not separate."""
    if bands_ev.shape[1] - n_semicore < n_wannier:
        raise WannierPlanError(
            f"{bands_ev.shape[1]} bands with {n_semicore} excluded, wanted at least {n_wannier} for as many "
            "Wannier functions; raise nbnd of the nscf run"
        )
    if n_semicore:
        gap_ev = float(bands_ev[:, n_semicore].min() - bands_ev[:, n_semicore - 1].max())
        if gap_ev < gap_wanted_ev:
            raise WannierPlanError(
                f"the lowest {n_semicore} bands end {gap_ev:.2f} eV below the next, wanted a gap of {gap_wanted_ev} eV "
                "to exclude them as semicore; add projections for them instead"
            )
    return bands_ev[:, n_semicore:]


def plan_windows(
    eigenvalues_ev: np.ndarray,
    fermi_ev: float,
    n_wannier: int,
    *,
    n_semicore: int = 0,
    frozen_above_ef_ev: float = 1.5,
    outer_above_ef_ev: float = 25.0,
    frozen_at_least_ev: float = 0.5,
    semicore_gap_ev: float = 2.0,
) -> WannierPlan:
    """Set the energy windows so that Wannier90 can't refuse them.

    Guaranteed at every k-point: at least ``n_wannier`` bands in the outer window, at most ``n_wannier`` in the frozen
    one. Frozen is lowered where more bands than functions would be in it; outer is raised where too few are.

    Parameters
    ----------
    eigenvalues_ev : (nk, nb)
        Of the coarse mesh that EPW will use, semicore bands included, ascending.
    fermi_ev : float
        Of the scf run: the coarse nscf prints another one.
    n_wannier : int
    n_semicore : int
        Lowest bands that the projections do not describe; they must lie ``semicore_gap_ev`` below all others.
    frozen_above_ef_ev, outer_above_ef_ev : float
        Wished edges above the Fermi energy.
    frozen_at_least_ev : float
        The frozen window must reach this far above the Fermi energy (EPW's ``fsthick`` has to lie within).
    semicore_gap_ev : float

    Returns
    -------
    WannierPlan

    Raises
    ------
    WannierPlanError
        If there are too few bands, no gap above the semicore bands, or too few functions for the bands near E_F.
    """
    bands = _without_semicore(np.asarray(eigenvalues_ev, dtype=float), n_wannier, n_semicore, semicore_gap_ev)
    frozen = fermi_ev + frozen_above_ef_ev
    if bands.shape[1] > n_wannier:
        frozen = min(frozen, float(bands[:, n_wannier].min()) - _MARGIN_EV)
    if frozen < fermi_ev + frozen_at_least_ev:
        raise WannierPlanError(
            f"{n_wannier} functions, but band {n_wannier + 1} comes down to {frozen - fermi_ev:.2f} eV from the "
            f"Fermi energy, wanted a frozen window of {frozen_at_least_ev} eV above it; add projections"
        )
    outer = max(fermi_ev + outer_above_ef_ev, float(bands[:, n_wannier - 1].max()) + _MARGIN_EV, frozen + _MARGIN_EV)
    return WannierPlan(
        n_wannier=n_wannier,
        dis_froz_max_ev=frozen,
        dis_win_max_ev=outer,
        bands_skipped=f"exclude_bands = 1:{n_semicore}" if n_semicore else None,
        frozen_bands_max=int((bands <= frozen).sum(axis=1).max()),
        outer_bands_min=int((bands <= outer).sum(axis=1).min()),
    )
