"""Harmonic zero-point energy from phonon frequencies, as a correction of the enthalpies on a hull."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.errors import HtsError
from hts.hull import PhaseEnthalpy
from hts.units import MEV_PER_CM1

ZeroPointKind = Literal["mesh", "gamma_only"]

KINDS: tuple[ZeroPointKind, ...] = ("mesh", "gamma_only")
# Translations of good runs came out between -9 and +46 cm^-1 before the acoustic sum rule.
ACOUSTIC_TOLERANCE_CM1 = 50.0
_N_TRANSLATIONS = 3


class UnstableCrystalError(HtsError, ValueError):
    """A crystal with imaginary modes, which has no harmonic zero-point energy."""


def zero_point_ev_per_atom(
    frequencies_cm1: ArrayLike,
    weights: ArrayLike,
    *,
    gamma_index: int | None = 0,
    acoustic_tolerance_cm1: float = ACOUSTIC_TOLERANCE_CM1,
) -> float:
    """Return sum_q w_q sum_m (hbar omega_qm / 2) / n_atoms.

    At Gamma the three frequencies nearest to zero are the translations and count as exactly zero. Give 0 for them where
    a sum rule has taken them out, as `hts.phonons.qpoint_modes` does: then no soft optical mode can pass for one.

    Parameters
    ----------
    frequencies_cm1 : array_like, shape (n_q, 3 n_atoms)
        Imaginary ones negative.
    weights : array_like, shape (n_q,)
        Positive, in any unit (sizes of the stars, say): they are divided by their sum.
    gamma_index : int or None
        The row that is Gamma, the first by default; None for a mesh without Gamma.
    acoustic_tolerance_cm1 : float
        How far from zero the translations may come out.

    Returns
    -------
    float
        A single q-point gives the Gamma-only estimate, which lacks the acoustic branches (3 of 3 n_atoms): label it
        with `zero_point_kind`.

    Raises
    ------
    UnstableCrystalError
        For an imaginary mode, naming the worst: the zero-point energy of an unstable crystal is none.
    ValueError
        If shapes don't fit, a number is none, a translation is beyond the tolerance, or Gamma alone is given for one
        atom, which has translations only.

    References
    ----------
    The harmonic free energy at T = 0: A. Togo and I. Tanaka, Scr. Mater. 108, 1 (2015),
    https://doi.org/10.1016/j.scriptamat.2015.07.021.
    """
    frequencies, shares = _checked(frequencies_cm1, weights, gamma_index)
    if gamma_index is not None:
        frequencies[gamma_index] = _without_translations(frequencies[gamma_index], acoustic_tolerance_cm1)
    lowest = float(frequencies.min())
    if lowest < 0:
        qpoint = int(np.argmin(frequencies.min(axis=1))) + 1
        raise UnstableCrystalError(
            f"a mode at {lowest:g} cm-1 at q-point {qpoint}, wanted none below 0; an unstable crystal has no "
            "zero-point energy: relax along that mode, or leave the correction out"
        )
    n_atoms = frequencies.shape[1] // 3
    return float(shares @ frequencies.sum(axis=1)) * MEV_PER_CM1 / 1000 / 2 / n_atoms


def zero_point_kind(number_of_qpoints: int) -> ZeroPointKind:
    """Return the label of a zero-point energy: ``gamma_only`` for a single q-point, else ``mesh``."""
    return "gamma_only" if number_of_qpoints == 1 else "mesh"


def with_zero_point(phase: PhaseEnthalpy, zpe_ev_per_atom: float, kind: ZeroPointKind) -> PhaseEnthalpy:
    """Add a zero-point energy to an enthalpy and record it in the basis as ``zero_point``.

    The basis of an uncorrected phase has no ``zero_point``, so that `hts.hull.require_same_basis` refuses to mix it
    with corrected ones; it refuses to mix ``mesh`` with ``gamma_only`` as well, because the error of the latter, which
    lacks 3 of 3 n_atoms branches, does not cancel.

    Parameters
    ----------
    phase : PhaseEnthalpy
        Not yet corrected.
    zpe_ev_per_atom : float
    kind : str
        ``mesh`` or ``gamma_only``.

    Returns
    -------
    PhaseEnthalpy
        A new one; the label stays.

    Raises
    ------
    ValueError
        If the phase is corrected already, the energy is negative or no number, or the kind is another one.
    """
    if kind not in KINDS:
        raise ValueError(f"zero-point energy of kind {kind!r}, wanted one of {', '.join(KINDS)}; see zero_point_kind")
    if not (math.isfinite(zpe_ev_per_atom) and zpe_ev_per_atom >= 0):
        raise ValueError(
            f"the zero-point energy of {phase.label} is {zpe_ev_per_atom} eV/atom, wanted 0 or more; see its phonons"
        )
    if phase.basis.get("zero_point") is not None:
        raise ValueError(
            f"{phase.label} has a zero-point energy ({phase.basis['zero_point']}) already, wanted a bare enthalpy; "
            "correct it once"
        )
    return replace(
        phase,
        enthalpy_ev_per_atom=phase.enthalpy_ev_per_atom + zpe_ev_per_atom,
        basis={**phase.basis, "zero_point": kind},
    )


def _checked(
    frequencies_cm1: ArrayLike, weights: ArrayLike, gamma_index: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a copy of the frequencies, and the weights divided by their sum."""
    frequencies = np.array(frequencies_cm1, dtype=np.float64)
    shares = np.array(weights, dtype=np.float64)
    if frequencies.ndim != 2 or frequencies.size == 0 or frequencies.shape[1] % 3:
        raise ValueError(
            f"frequencies of shape {frequencies.shape}, wanted (n_q, 3 n_atoms); give 0 for the translations at Gamma "
            "where they were projected out"
        )
    if shares.shape != frequencies.shape[:1]:
        raise ValueError(f"weights of shape {shares.shape}, wanted {frequencies.shape[:1]}; give one for each q-point")
    if not (np.isfinite(frequencies).all() and np.isfinite(shares).all() and (shares > 0).all()):
        raise ValueError("a frequency or weight is no number or not positive; see the phonons of that q-point")
    if gamma_index is not None and not 0 <= gamma_index < len(frequencies):
        raise ValueError(f"Gamma is row {gamma_index}, wanted one of {len(frequencies)} from 0; None if it is absent")
    if gamma_index is not None and frequencies.shape == (1, 3):
        raise ValueError("Gamma alone for one atom, wanted a mesh; at Gamma it has no mode but the translations")
    return frequencies, shares / shares.sum()


def _without_translations(modes_cm1: NDArray[np.float64], tolerance_cm1: float) -> NDArray[np.float64]:
    """Put the translations to zero, unless a mode is too imaginary to be one: it stays for the caller to refuse."""
    if float(modes_cm1.min()) < -tolerance_cm1:
        return modes_cm1
    nearest = np.argsort(np.abs(modes_cm1), kind="stable")[:_N_TRANSLATIONS]
    worst = float(modes_cm1[nearest[-1]])
    if worst > tolerance_cm1:
        raise ValueError(
            f"a translation at Gamma at {worst:g} cm-1, wanted within {tolerance_cm1:g}; tighten tr2_ph or the cutoff, "
            "or say which row is Gamma"
        )
    kept = modes_cm1.copy()
    kept[nearest] = 0.0
    return kept
