"""The ladder of one candidate as a plain record: what was found at each pressure, and the bracket it adds up to."""

from collections.abc import Mapping, Sequence
from typing import Any

from hts.ladder import Rung, bracket
from hts.phonon_curves import computed_points
from hts.softening import CriticalPressure, ModesAtPressure, critical_pressure

# What a rung keeps of each stored result; the rest stays in the node it points to.
_EXCERPTS = {
    "relaxation": (
        "enthalpy_ev_per_atom",
        "volume_ang3",
        "residual_gpa",
        "space_group_number",
        "initial_space_group_number",
        "gap_ev",
        "fermi_ev",
        "magnetism",
    ),
    "placement": (
        "hull_ev_per_atom",
        "formation_ev_per_atom",
        "decomposition",
        "stabilisation_ev_per_atom",
        "reaction",
        "upper_bound",
        "missing",
    ),
    "phonons": (
        "verdict",
        "reason",
        "method",
        "kpoints_mesh",
        "kpoints_meshes_tried",
        "qpoints_mesh",
        "recovered",
        "min_frequency_cm1",
    ),
}
_OF_A_MODE = ("name", "index", "qpoint", "lowest_cm1", "species_weight", "complete")


def excerpt(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the few numbers of a stored result that a rung is summarised by; of phonons also the softest mode.

    Parameters
    ----------
    kind : str
        ``relaxation``, ``placement`` or ``phonons``.
    content : mapping

    Returns
    -------
    dict
    """
    short = {key: content[key] for key in _EXCERPTS[kind] if key in content}
    if kind == "phonons" and content["qpoints"]:
        points = computed_points(content)
        softest = min(points, key=lambda point: point["lowest_cm1"])
        short["softest"] = {key: softest[key] for key in _OF_A_MODE if key in softest}
        short["softest"]["irrep"] = (softest.get("softest_mode") or {}).get("irrep")
        # A trend wants one and the same settings at all pressures: second opinions, on a denser k-mesh, stay out of it.
        on_mesh = computed_points({"qpoints": content["qpoints"]})
        short["lowest_cm1_by_qpoint"] = {str(point["index"]): point["lowest_cm1"] for point in on_mesh}
    return short


def softening_of(rungs: Sequence[Mapping[str, Any]]) -> CriticalPressure:
    """Predict from the rungs so far where the first mode becomes imaginary.

    Parameters
    ----------
    rungs : sequence of mapping
        Each with ``pressure_gpa``, ``verdict`` and, where phonons were computed, their excerpt.

    Returns
    -------
    CriticalPressure
        See `hts.softening.critical_pressure`.
    """
    known = [
        ModesAtPressure(
            rung["pressure_gpa"],
            rung["verdict"] == "stable",
            {int(index): lowest for index, lowest in rung["phonons"]["lowest_cm1_by_qpoint"].items()},
        )
        for rung in rungs
        if rung["verdict"] in {"stable", "unstable"} and "lowest_cm1_by_qpoint" in rung.get("phonons", {})
    ]
    thresholds = [
        rung["phonons"]["min_frequency_cm1"] for rung in rungs if "min_frequency_cm1" in rung.get("phonons", {})
    ]
    return critical_pressure(known, thresholds[0] if thresholds else 0.0)


def collect_ladder(rungs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up the rungs.

    Parameters
    ----------
    rungs : sequence of mapping
        Each with ``pressure_gpa``, ``verdict``, ``reason`` and excerpts.

    Returns
    -------
    dict
        ``rungs``; ``lowest_stable_pressure_gpa`` and ``highest_unstable_pressure_gpa`` (None where there is none; a
        rung that failed for another reason than its phonons is in ``ended_by``); ``softening`` (predicted
        ``critical_pressure_gpa``, its ``qpoint_index``, ``reason``); ``reentrant_pressures_gpa`` (stable below an
        unstable one); and ``verdict``: passed if any rung is stable, failed if the start failed, undecided if no rung
        is stable and one is undecided, or if there is none.
    """
    decided = [Rung(rung["pressure_gpa"], rung["verdict"]) for rung in rungs]
    lowest_stable, _ = bracket(decided)
    unstable = [rung.pressure_gpa for rung in decided if rung.verdict == "unstable"]
    last_failed = next((rung for rung in reversed(rungs) if rung["verdict"] != "stable"), None)
    verdict = "passed" if lowest_stable is not None else "failed"
    if lowest_stable is None and (not decided or any(rung.verdict == "undecided" for rung in decided)):
        verdict = "undecided"
    softening = softening_of(rungs)
    return {
        "rungs": [dict(rung) for rung in rungs],
        "softening": {
            "critical_pressure_gpa": softening.pressure_gpa,
            "qpoint_index": softening.qpoint_index,
            "reason": softening.reason,
        },
        "reentrant_pressures_gpa": [
            rung.pressure_gpa
            for rung in decided
            if rung.verdict == "stable" and rung.pressure_gpa < max(unstable, default=-1e9)
        ],
        "lowest_stable_pressure_gpa": lowest_stable,
        "highest_unstable_pressure_gpa": max(unstable, default=None),
        "ended_by": {key: last_failed[key] for key in ("pressure_gpa", "verdict", "reason")} if last_failed else None,
        "verdict": verdict,
        "reason": _reason(lowest_stable, last_failed),
    }


def _reason(lowest_stable: float | None, last_failed: Mapping[str, Any] | None) -> str:
    if lowest_stable is None:
        return (
            f"{last_failed['pressure_gpa']:g} GPa: {last_failed['reason']}" if last_failed else "no pressure was tried"
        )
    reason = f"dynamically stable down to {lowest_stable:g} GPa"
    if last_failed is not None:
        verdict = last_failed["verdict"].replace("_", " ")
        reason += f"; at {last_failed['pressure_gpa']:g} GPa {verdict}: {last_failed['reason']}"
    return reason
