"""Harmonic zero-point energy from phonon frequencies, as a correction of the distance from a hull."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.errors import HtsError
from hts.units import MEV_PER_CM1

ZeroPointKind = Literal["mesh", "qpoints", "gamma_only"]

# Translations of good runs came out between -9 and +46 cm^-1 before the acoustic sum rule.
ACOUSTIC_TOLERANCE_CM1 = 50.0
_N_TRANSLATIONS = 3
_KIND_IN_WORDS = {"mesh": "dense mesh", "qpoints": "q-mesh alone", "gamma_only": "estimate from Gamma only"}
# What the candidate is called among the phases of a report.
_CANDIDATE = "the candidate"


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
        A single q-point gives the Gamma-only estimate, which lacks the acoustic branches (3 of 3 n_atoms).

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


@dataclass(frozen=True)
class ZeroPoint:
    """The zero-point energy of one crystal.

    Attributes
    ----------
    ev_per_atom : float
    kind : str
        ``mesh``: interpolated to a dense mesh. ``qpoints``: the sum over the q-mesh itself, where the interpolation had
        imaginary modes between its points. ``gamma_only``: an estimate from the optical modes at Gamma, which lacks the
        acoustic branches (3 of 3 n_atoms).
    """

    ev_per_atom: float
    kind: ZeroPointKind


def crystal_zero_point(
    frequencies_cm1: Sequence[Sequence[float]],
    star_sizes: Sequence[int],
    n_atoms: int,
    interpolated_ev_per_atom: float | None = None,
) -> ZeroPoint:
    """Return the best zero-point energy that the phonons of a crystal give.

    Parameters
    ----------
    frequencies_cm1 : sequence of sequence of float
        Modes of each irreducible q-point; where the translations have been taken out (Gamma), 3 fewer than 3 n_atoms.
    star_sizes : sequence of int
        See `hts.phonons.star_sizes`.
    n_atoms : int
    interpolated_ev_per_atom : float, optional
        From a dense mesh, used if there is more than one q-point to interpolate.

    Returns
    -------
    ZeroPoint

    Raises
    ------
    UnstableCrystalError
        For an imaginary mode at a computed q-point.
    ValueError
        As `zero_point_ev_per_atom`.
    """
    full = [[0.0] * (3 * n_atoms - len(modes)) + list(modes) for modes in frequencies_cm1]
    gamma = next((row for row, modes in enumerate(frequencies_cm1) if len(modes) < 3 * n_atoms), None)
    summed = zero_point_ev_per_atom(full, star_sizes, gamma_index=gamma)
    if len(full) == 1:
        return ZeroPoint(summed, "gamma_only")
    if interpolated_ev_per_atom is None:
        return ZeroPoint(summed, "qpoints")
    return ZeroPoint(interpolated_ev_per_atom, "mesh")


def corrected_distance_ev_per_atom(
    distance_ev_per_atom: float,
    competing_phases: Mapping[str, float],
    candidate: ZeroPoint,
    zero_points: Mapping[str, ZeroPoint],
) -> float:
    """Return the signed distance from the hull of the others with the zero-point energies of both sides.

    Only the phases that the others form at the candidate's composition enter: a phase that the static hull leaves out
    but that zero-point motion would bring onto it is not looked for.

    Parameters
    ----------
    distance_ev_per_atom : float
        Without zero-point energy: positive above the hull, negative below it.
    competing_phases : mapping of str to float
        Fractions of atoms, as `hts.hull.HullPlacement.competing_decomposition`.
    candidate : ZeroPoint
    zero_points : mapping of str to ZeroPoint
        Of each of those phases.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If there is no competing phase, or one has no zero-point energy: the correction of one side alone is none.
    """
    absent = sorted(set(competing_phases) - set(zero_points))
    if absent or not competing_phases:
        what = f"no zero-point energy of {', '.join(absent)}" if absent else "no competing phase"
        raise ValueError(f"{what}, wanted that of every phase of the decomposition; compute its phonons")
    others = sum(part * zero_points[label].ev_per_atom for label, part in competing_phases.items())
    return distance_ev_per_atom + candidate.ev_per_atom - others


def with_zero_point(
    placement: Mapping[str, Any],
    candidate: Mapping[str, Any],
    phases: Mapping[str, Mapping[str, Any]],
    unknown: Mapping[str, str],
) -> dict[str, Any]:
    """Report the distance from the hull without and with zero-point energy.

    Parameters
    ----------
    placement : mapping
        ``pressure_gpa``, ``hull_ev_per_atom``, ``stabilisation_ev_per_atom``, ``competing_phases``, ``reaction``.
    candidate : mapping
        ``ev_per_atom`` and ``kind`` as in `ZeroPoint`, both None with a ``reason`` where there is none.
    phases : mapping of str to mapping
        The same for the competing phases.
    unknown : mapping of str to str
        Why others of them have no phonons.

    Returns
    -------
    dict
        ``distance_ev_per_atom`` and ``distance_with_zero_point_ev_per_atom`` (positive above the hull of the others),
        ``hull_ev_per_atom`` and ``hull_with_zero_point_ev_per_atom`` (0 on it), ``candidate``, ``phases``,
        ``approximate`` (labels whose energy is not that of a dense mesh) and ``reason``, None unless the corrected
        distance is: then it says what lacks.
    """
    above, stabilisation = placement["hull_ev_per_atom"], placement["stabilisation_ev_per_atom"]
    distance = above if above > 0 else stabilisation
    everything = {_CANDIDATE: candidate, **phases}
    reasons = {**unknown, **{label: energy["reason"] for label, energy in everything.items() if energy["reason"]}}
    report = {
        "pressure_gpa": placement["pressure_gpa"],
        "reaction": placement["reaction"],
        "hull_ev_per_atom": above,
        "distance_ev_per_atom": distance,
        "distance_with_zero_point_ev_per_atom": None,
        "hull_with_zero_point_ev_per_atom": None,
        "candidate": dict(candidate),
        "phases": {label: dict(energy) for label, energy in phases.items()},
        "approximate": [label for label, energy in everything.items() if energy["kind"] not in (None, "mesh")],
        "reason": "; ".join(f"{label}: {reason}" for label, reason in reasons.items()) or None,
    }
    if distance is None or not placement["competing_phases"]:
        return {**report, "reason": "there is nothing that it could decompose into"}
    if report["reason"] is None:
        own, *others = (ZeroPoint(energy["ev_per_atom"], energy["kind"]) for energy in everything.values())
        zero_points = dict(zip(phases, others, strict=True))
        corrected = corrected_distance_ev_per_atom(distance, placement["competing_phases"], own, zero_points)
        report["distance_with_zero_point_ev_per_atom"] = corrected
        report["hull_with_zero_point_ev_per_atom"] = max(corrected, 0.0)
    return report


def zero_point_lines(report: Mapping[str, Any]) -> list[str]:
    """Say in lines of text what zero-point energy does to the distance from the hull, or why that is not known.

    Parameters
    ----------
    report : mapping
        As `with_zero_point` returns it.

    Returns
    -------
    list of str
    """
    where = f"zero-point energy at {report['pressure_gpa']:g} GPa"
    if report["reason"] is not None:
        return [f"{where}: no correction, {report['reason']}"]
    before, after = report["distance_ev_per_atom"], report["distance_with_zero_point_ev_per_atom"]
    lines = [f"{where}: {before:+.3f} -> {after:+.3f} eV/atom from the hull of the others, {report['reaction']}"]
    for label, energy in {"itself": report["candidate"], **report["phases"]}.items():
        lines.append(f"  {label}: {energy['ev_per_atom']:.3f} eV/atom ({_KIND_IN_WORDS[energy['kind']]})")
    return lines


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
