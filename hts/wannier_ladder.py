"""The ladder of Wannierisations: which projections and windows are tried, in which order, before epw.x starts.

From the bands of the coarse mesh and, where it is known, their projectability: first the atomic states of the
pseudopotentials; then the selected columns of the density matrix (SCDM), which need no projections at all; then a
narrower frozen window, only the shells that are occupied in the free atoms, and one more shell on every element but
hydrogen. With the spread minimised afterwards SCDM is the better of the two where the states at the Fermi energy are
not those of the atoms (Mg2IrH6, 4x4x4: bands 0.034 eV RMS from those of pw.x, with projections 0.37 eV); the atomic
states come first because they lie at their atoms: fewer lattice vectors, and half the time on the fine meshes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hts.projectability import (
    ProjectabilityError,
    ScdmWindow,
    lowest_projectability,
    scdm_window,
    well_described_up_to_ev,
)
from hts.wannier import AtomicState, WannierPlan, WannierPlanError, WannierProjections, plan_windows, projections

# A frozen window must reach beyond the Fermi surface whatever fsthick is.
_LEAST_FROZEN_EV = 0.2
# States that the orbitals describe worse than this are not frozen: forced into the Wannier functions they spoil them.
_FROZEN_PROJECTABILITY = 0.7
# Occupied states near E_F below this show that the orbitals are not those of the bands.
_LEAST_PROJECTABILITY = 0.4
_NEAR_FERMI_EV = 1.0
# Without projectabilities: mu above E_F and width that followed the bands of fcc Al best among those tried (RMS 0.20 eV
# on a 4x4x4 mesh where s and p projections gave 1.00, neither with its spread minimised).
_SCDM_ABOVE_EF_EV, _SCDM_SIGMA_EV = 1.5, 2.0
# The highest l that is added to an element that lacks it.
_HIGHEST_ADDED = 2


@dataclass(frozen=True)
class WannierAttempt:
    """One way to make Wannier functions.

    Attributes
    ----------
    name : str
        ``projections``, ``occupied shells``, ``more projections`` (all also with ``, narrow window`` behind),
        or ``SCDM``.
    strings : tuple of str
        EPW's ``proj``; empty for SCDM.
    plan : WannierPlan
    n_excluded : int
        Lowest bands left out.
    scdm : ScdmWindow or None
    """

    name: str
    strings: tuple[str, ...]
    plan: WannierPlan
    n_excluded: int
    scdm: ScdmWindow | None = None

    def epw_keywords(self) -> dict[str, Any]:
        """Return the part of EPW's namelist that this attempt decides."""
        keywords = self.plan.epw_keywords()
        if self.scdm is None:
            return {**keywords, "proj": list(self.strings)}
        return {
            **keywords,
            "auto_projections": True,
            "scdm_proj": True,
            "scdm_entanglement": "erfc",
            "scdm_mu": round(self.scdm.mu_ev, 4),
            "scdm_sigma": round(self.scdm.sigma_ev, 4),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return what is kept of it in the result."""
        return {
            "name": self.name,
            "projections": list(self.strings),
            "n_wannier": self.plan.n_wannier,
            "n_excluded": self.n_excluded,
            "dis_froz_max_ev": self.plan.dis_froz_max_ev,
            "dis_win_max_ev": self.plan.dis_win_max_ev,
        }


@dataclass(frozen=True)
class WindowWishes:
    """What the protocol asks of the windows, in eV above the Fermi energy.

    Attributes
    ----------
    frozen_above_ef_ev, outer_above_ef_ev : float
    frozen_at_least_ev : float
        Half-width of the Fermi window that epw.x will sum over (its largest ``fsthick``).
    """

    frozen_above_ef_ev: float
    outer_above_ef_ev: float
    frozen_at_least_ev: float


def projection_sets(
    symbols: Sequence[str], atomic_states: Mapping[str, Sequence[AtomicState]]
) -> list[tuple[str, WannierProjections]]:
    """Return the sets of projections to try: atomic states, occupied ones alone, one more shell on all but hydrogen.

    Parameters
    ----------
    symbols, atomic_states
        As in `hts.wannier.projections`.

    Returns
    -------
    list of (name, WannierProjections)

    Raises
    ------
    WannierPlanError
        If an element other than H has no atomic wavefunctions.
    """
    base = projections(symbols, atomic_states)
    present = {string.partition(":")[0]: string.partition(":")[2].split(";") for string in base.strings}
    extra = {
        element: [lacking[0]]
        for element, letters in present.items()
        if element not in {"H", "He"}
        and (lacking := [angular for angular in range(_HIGHEST_ADDED + 1) if "spd"[angular] not in letters])
    }
    sets = [("projections", base)]
    fewer = projections(symbols, atomic_states, occupied_only=True)
    if fewer != base:
        sets.append(("occupied shells", fewer))
    if extra:
        sets.append(("more projections", projections(symbols, atomic_states, extra)))
    return sets


def wannier_attempts(
    eigenvalues_ev: NDArray[np.float64],
    fermi_ev: float,
    sets: Sequence[tuple[str, WannierProjections]],
    wishes: WindowWishes,
    projectability: NDArray[np.float64] | None = None,
) -> tuple[list[WannierAttempt], list[str]]:
    """Plan every Wannierisation that the bands allow.

    Parameters
    ----------
    eigenvalues_ev : (nk, nb)
        Of the coarse mesh, semicore bands included, ascending.
    fermi_ev : float
        Of the scf run.
    sets : sequence of (name, WannierProjections)
        As `projection_sets` returns them.
    wishes : WindowWishes
    projectability : (nk, nb), optional
        Of the first of the sets.

    Returns
    -------
    attempts : list of WannierAttempt
        In the order in which to try them; empty if none is possible.
    reasons : list of str
        Why the others are not possible.
    """
    attempts: list[WannierAttempt] = []
    reasons: list[str] = []
    for name, found in sets:
        described = projectability if name == sets[0][0] else None
        for window, narrow in ((name, False), (f"{name}, narrow window", True)):
            try:
                plan = _plan(eigenvalues_ev, fermi_ev, found, wishes, described, narrow=narrow)
            except WannierPlanError as error:
                reasons.append(f"{window}: {error}")
                continue
            if not attempts or plan != attempts[-1].plan:
                attempts.append(WannierAttempt(window, found.strings, plan, found.n_semicore))
    try:
        attempts.insert(min(1, len(attempts)), _scdm(eigenvalues_ev, fermi_ev, sets[0][1], wishes, projectability))
    except WannierPlanError as error:
        reasons.append(f"SCDM: {error}")
    return attempts, reasons


def _plan(
    eigenvalues_ev: NDArray[np.float64],
    fermi_ev: float,
    found: WannierProjections,
    wishes: WindowWishes,
    projectability: NDArray[np.float64] | None,
    *,
    narrow: bool,
) -> WannierPlan:
    """Return the windows of one set; raises WannierPlanError where the bands forbid them."""
    frozen_ev = wishes.frozen_at_least_ev if narrow else wishes.frozen_above_ef_ev
    if projectability is not None:
        valence = slice(found.n_semicore, None)
        bands, described = eigenvalues_ev[:, valence], projectability[:, valence]
        least = lowest_projectability(bands, described, fermi_ev - _NEAR_FERMI_EV, fermi_ev)
        if least is not None and least < _LEAST_PROJECTABILITY:
            raise WannierPlanError(
                f"the atomic states describe only {least:.0%} of a state within {_NEAR_FERMI_EV:g} eV below the Fermi "
                f"energy, wanted {_LEAST_PROJECTABILITY:.0%}; other projections are needed"
            )
        limit = well_described_up_to_ev(bands, described, fermi_ev, _FROZEN_PROJECTABILITY) - fermi_ev
        frozen_ev = max(min(frozen_ev, limit - 1e-3), _LEAST_FROZEN_EV)
    return plan_windows(
        eigenvalues_ev,
        fermi_ev,
        found.n_wannier,
        n_semicore=found.n_semicore,
        frozen_above_ef_ev=frozen_ev,
        outer_above_ef_ev=wishes.outer_above_ef_ev,
        frozen_at_least_ev=min(_LEAST_FROZEN_EV if narrow else wishes.frozen_at_least_ev, frozen_ev),
    )


def _scdm(
    eigenvalues_ev: NDArray[np.float64],
    fermi_ev: float,
    found: WannierProjections,
    wishes: WindowWishes,
    projectability: NDArray[np.float64] | None,
) -> WannierAttempt:
    """Return the attempt without projections: as many functions as the atomic states would make."""
    plan = _plan(eigenvalues_ev, fermi_ev, found, wishes, None, narrow=True)
    window = ScdmWindow(fermi_ev + _SCDM_ABOVE_EF_EV, _SCDM_SIGMA_EV)
    if projectability is not None:
        valence = slice(found.n_semicore, None)
        try:
            fitted = scdm_window(eigenvalues_ev[:, valence], projectability[:, valence])
            # Below E_F the states at E_F itself would hardly be in the window.
            window = fitted if fitted.mu_ev > fermi_ev else window
        except ProjectabilityError:
            pass
    return WannierAttempt("SCDM", (), plan, found.n_semicore, window)
