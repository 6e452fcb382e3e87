"""The judges: numbers and thresholds in, a verdict with its reason out. None ever rests on a failed calculation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hts.magnetism import FERROMAGNETIC, magnetic_doubt, magnetism_text
from hts.phonons import QPointVerdict

PASSED, FAILED, UNDECIDED = "passed", "failed", "undecided"
# A 2x2x2 q-mesh sees the zone boundary only: instabilities at, say, q = 1/3 escape it.
_PROVISIONAL_MESH = 2


@dataclass(frozen=True)
class Judgement:
    """The verdict of one stage.

    Attributes
    ----------
    stage : str
    verdict : str
        ``passed``, ``failed`` (nature says no) or ``undecided`` (we don't know, and ``reason`` says why).
    reason : str
    numbers, thresholds : dict
        What was compared with what.
    flags : tuple of str
        What qualifies the answer.
    """

    stage: str
    verdict: str
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)
    thresholds: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable copy."""
        return {
            "stage": self.stage,
            "verdict": self.verdict,
            "reason": self.reason,
            "numbers": self.numbers,
            "thresholds": self.thresholds,
            "flags": list(self.flags),
        }


def judge_relaxation(relaxation: Mapping[str, Any], insulator_gap_ev: float) -> Judgement:
    """Judge a relaxed crystal: whether it is a metal, and whether it kept its symmetry.

    Parameters
    ----------
    relaxation : mapping
        ``gap_ev``, ``gap_confirmed`` (seen on the denser mesh), ``space_group_number``, ``initial_space_group_number``,
        ``pressure_gpa``; of crystals whose elements call for it also ``magnetism`` (see
        `hts.magnetism.compare_magnetic_states`) and ``basis``.
    insulator_gap_ev : float
        A larger gap, on the dense mesh, makes an insulator.

    Returns
    -------
    Judgement
        Failed for an insulator only; a change of space group is a flag, because the relaxed crystal is what it is. So
        is magnetism, ``magnetic`` or ``magnetism_unknown``: the funnel goes on with the non-magnetic state.
    """
    numbers = {
        key: relaxation[key] for key in ("gap_ev", "space_group_number", "initial_space_group_number", "pressure_gpa")
    }
    thresholds = {"insulator_gap_ev": insulator_gap_ev}
    lost = relaxation["space_group_number"] != relaxation["initial_space_group_number"]
    magnetic_flags, magnetic_reason = _magnetism(relaxation)
    flags = (*(("symmetry_lost",) if lost else ()), *magnetic_flags)
    if "magnetism" in relaxation:
        numbers["magnetism"] = relaxation["magnetism"]
    pressure = relaxation["pressure_gpa"]
    if not math.isfinite(relaxation["gap_ev"]):
        return Judgement("relax", UNDECIDED, f"no gap at {pressure:g} GPa", numbers, thresholds, flags)
    if relaxation["gap_ev"] > insulator_gap_ev:
        reason = f"insulator at {pressure:g} GPa: gap {relaxation['gap_ev']:.2f} eV on the dense mesh{magnetic_reason}"
        return Judgement("relax", FAILED, reason, numbers, thresholds, flags)
    reason = f"metal at {pressure:g} GPa, space group {relaxation['space_group_number']}"
    if lost:
        reason += f" (was {relaxation['initial_space_group_number']})"
    return Judgement("relax", PASSED, reason + magnetic_reason, numbers, thresholds, flags)


def _magnetism(relaxation: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return the flags and the end of the reason that magnetism, or not knowing of it, asks for."""
    doubt = magnetic_doubt(relaxation)
    if doubt is not None:
        return ("magnetism_unknown",), f"; magnetic state unknown: {doubt}"
    magnetism = relaxation.get("magnetism")
    if magnetism is not None and magnetism["state"] == FERROMAGNETIC:
        return ("magnetic",), f"; {magnetism_text(magnetism)}, of which gap, phonons and Tc are"
    return (), ""


def judge_hull(placement: Mapping[str, Any], max_hull_ev_per_atom: float) -> Judgement:
    """Judge the energy above hull at one pressure; an incomplete hull is a flag, because it can only rise.

    Parameters
    ----------
    placement : mapping
        ``hull_ev_per_atom``, ``pressure_gpa``, ``decomposition``, ``missing``; on the hull also ``reaction`` and
        ``stabilisation_ev_per_atom``. With ``upper_bound``, a reason, the crystal itself may lie lower.
    max_hull_ev_per_atom : float
        The gate, inclusive.

    Returns
    -------
    Judgement
        Undecided where the number is none, or beyond the gate but an upper bound.
    """
    above, pressure = placement["hull_ev_per_atom"], placement["pressure_gpa"]
    flags = ("hull_incomplete",) if placement["missing"] else ()
    thresholds = {"max_hull_ev_per_atom": max_hull_ev_per_atom}
    if not math.isfinite(above):
        return Judgement("hull", UNDECIDED, f"no hull at {pressure:g} GPa", dict(placement), thresholds, flags)
    parts = " + ".join(f"{fraction:.2f} {name}" for name, fraction in placement["decomposition"].items())
    inside = above <= max_hull_ev_per_atom
    relation = "within" if inside else "beyond"
    reason = f"{above:.3f} eV/atom above {parts} at {pressure:g} GPa, {relation} the gate of {max_hull_ev_per_atom:g}"
    if not inside and placement.get("upper_bound"):
        reason += f"; the crystal may lie lower, its magnetic state is unknown: {placement['upper_bound']}"
        return Judgement("hull", UNDECIDED, reason, dict(placement), thresholds, flags)
    if not above and placement.get("stabilisation_ev_per_atom") is not None:
        below = -placement["stabilisation_ev_per_atom"]
        reason = f"on the hull at {pressure:g} GPa, {below:.3f} eV/atom against {placement['reaction']}"
    return Judgement(
        "hull",
        PASSED if inside else FAILED,
        reason,
        dict(placement),
        thresholds,
        flags,
    )


def judge_dynamics(
    points: Mapping[str, QPointVerdict],
    second: Mapping[str, QPointVerdict],
    names: Mapping[str, str],
    number_of_qpoints: int,
    failure: str | None,
) -> tuple[str, str]:
    """Decide the dynamic stability of one crystal from its q-points.

    Parameters
    ----------
    points : mapping of str to QPointVerdict
        By point, all with one k-mesh and smearing: ``q_N`` on the q-mesh, others between.
    second : mapping of str to QPointVerdict
        The same points computed again on stricter settings.
    names : mapping of str to str
        What a person calls each point.
    number_of_qpoints : int
        How many irreducible ones the q-mesh has.
    failure : str or None
        Why the q-points could not all be computed, or don't suffice.

    Returns
    -------
    verdict, reason : str
        ``stable`` only if every q-point is there and stable; ``unstable`` only with a confirmed mode.
    """
    for point, found in points.items():
        again = second.get(point)
        if found.verdict == "unstable" and again is not None and again.verdict == "unstable":
            return (
                "unstable",
                f"imaginary mode at {names[point]}: {again.lowest_cm1:.0f} cm-1, confirmed on a denser k-mesh "
                f"(before: {found.lowest_cm1:.0f})",
            )
    if failure is not None:
        return UNDECIDED, failure
    absent = number_of_qpoints - sum(1 for point in points if point.startswith("q_"))
    if absent or not points:
        return UNDECIDED, f"{absent} of {number_of_qpoints} irreducible q-points were not computed"
    doubtful = [point for point, found in points.items() if found.verdict in {"unstable", UNDECIDED}]
    if doubtful:
        return UNDECIDED, f"{names[doubtful[0]]}: {points[doubtful[0]].reason}, not confirmed on a denser k-mesh"
    softest = min(points, key=lambda point: points[point].lowest_cm1)
    reason = f"no imaginary mode at {number_of_qpoints} irreducible q-points"
    if math.isfinite(points[softest].lowest_cm1):
        reason += f"; softest {points[softest].lowest_cm1:.0f} cm-1 at {names[softest]}"
    if second:
        looked = ", ".join(f"{names[point]} {second[point].lowest_cm1:.0f} cm-1" for point in second)
        reason += f"; looked at again on a denser k-mesh: {looked}"
    between = [point for point in points if not point.startswith("q_")]
    if between:
        reason += f"; imaginary in the interpolation only, exact: {', '.join(names[point] for point in between)}"
    return "stable", reason


def judge_ladder(ladder: Mapping[str, Any]) -> Judgement:
    """Judge the descent: passed if the crystal is dynamically stable anywhere on the ladder.

    Parameters
    ----------
    ladder : mapping
        As `hts.rungs.collect_ladder` returns it.

    Returns
    -------
    Judgement
        With ``provisional_q_grid`` where stability rests on a 2x2x2 q-mesh alone, ``magnetic`` where a rung has a
        ferromagnetic state below the one that was followed, ``magnetism_unknown`` where that could not be told.
    """
    numbers = {key: ladder[key] for key in ("lowest_stable_pressure_gpa", "highest_unstable_pressure_gpa", "ended_by")}
    stable = [rung for rung in ladder["rungs"] if rung["verdict"] == "stable"]
    coarse = any(max(rung["phonons"]["qpoints_mesh"]) <= _PROVISIONAL_MESH for rung in stable)
    flags = ["provisional_q_grid"] if coarse else []
    by_flag: dict[str, list[float]] = {}
    for rung in ladder["rungs"]:
        for flag in _magnetism(rung.get("relaxation", {}))[0]:
            by_flag.setdefault(flag, []).append(rung["pressure_gpa"])
    reason = ladder["reason"]
    for flag, pressures in by_flag.items():
        what = "ferromagnetic" if flag == "magnetic" else "magnetic state unknown"
        reason += f"; {what} at {', '.join(f'{pressure:g}' for pressure in pressures)} GPa"
    numbers |= {f"{flag}_at_gpa": pressures for flag, pressures in by_flag.items()}
    return Judgement("decompress", ladder["verdict"], reason, numbers, {}, (*flags, *by_flag))


def judge_tc(tc_k: float | None, mu_star: float, min_tc_k: float) -> Judgement:
    """Judge the ranking Tc (Allen-Dynes with f1 and f2 at the first mu*).

    Returns
    -------
    Judgement
        Failed (not superconducting) below ``min_tc_k``; undecided where there is no number.
    """
    thresholds = {"min_tc_k": min_tc_k, "mu_star": mu_star}
    numbers = {"tc_k": tc_k}
    if tc_k is None or not math.isfinite(tc_k):
        return Judgement("tc", UNDECIDED, f"no Tc at mu* = {mu_star:g}", numbers, thresholds)
    relation = "at least" if tc_k >= min_tc_k else "below"
    reason = f"Allen-Dynes Tc {tc_k:.1f} K at mu* = {mu_star:g}, {relation} {min_tc_k:g} K"
    return Judgement("tc", PASSED if tc_k >= min_tc_k else FAILED, reason, numbers, thresholds)
