"""From the results of the stages to the record of one candidate: the place where "ambient" is defined."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hts.records import CandidateRecord, Verdict
from hts.stability_pressure import HullRung, stability_pressure
from hts.tc_summary import tc_fields, tc_of_estimate, unverified_lines
from hts.verdict import Judgement, judge_hull, judge_ladder, judge_relaxation, judge_tc

_AMBIENT_GPA = 1e-6
_STAGES = ("relax", "hull", "decompress", "coupling", "tc")


def candidate_record(
    identity: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], gates: Mapping[str, Any], failure: str | None
) -> CandidateRecord:
    """Add up what the stages found.

    Ambient means dynamically stable at 0 GPa, within the hull gate at 0 GPa, and a superconductor by the Tc gate. A
    failed calculation ends in ``undecided``, never in a physical verdict.

    Parameters
    ----------
    identity : mapping
        ``key``, ``prototype``, ``formula``, ``insulator_gap_ev`` of the relaxation's settings, and ``parent`` where a
        soft mode led to it.
    results : mapping
        Of the stages that ended: ``relaxation``, ``placement``, ``ladder``, ``zero_point``, ``distortion``,
        ``coupling``, ``tc``, and of rungs above the lowest stable one ``coupling_<P>GPa`` and ``tc_<P>GPa``.
    gates : mapping
        ``max_hull_ev_per_atom``, ``min_frequency_cm1``, ``min_tc_k``.
    failure : str or None
        Why a stage could not be finished.

    Returns
    -------
    CandidateRecord
    """
    judgements = _judge(identity, results, gates)
    verdict, reason = _verdict(judgements, results, gates, failure)
    pressure, placement = _placement(results)
    ladder = results.get("ladder", {})
    flags = list(dict.fromkeys(flag for judgement in judgements.values() for flag in judgement.flags))
    by_pressure = _hull_by_pressure(results)
    lowest = ladder.get("lowest_stable_pressure_gpa")
    if "hull_incomplete" not in flags and placement is not None and placement["missing"]:
        flags.append("hull_incomplete")
    if "tc" in results and _is_beside_instability(ladder):
        flags.append("beside_instability")
    return CandidateRecord(
        key=identity["key"],
        prototype=identity["prototype"],
        formula=identity["formula"],
        verdict=verdict,
        reason=reason,
        lowest_stable_pressure_gpa=lowest,
        highest_unstable_pressure_gpa=ladder.get("highest_unstable_pressure_gpa"),
        hull_ev_per_atom=placement["hull_ev_per_atom"] if placement else None,
        hull_pressure_gpa=pressure,
        hull_by_pressure={f"{pressure:g}": placed["hull_ev_per_atom"] for pressure, placed in by_pressure.items()},
        hull_stability=_hull_stability(by_pressure, gates["max_hull_ev_per_atom"]),
        hull_zero_point=dict(results["zero_point"]) if "zero_point" in results else None,
        decomposition=dict(placement["decomposition"]) if placement else None,
        **tc_fields(results, lowest),
        distortion=dict(results["distortion"]) if "distortion" in results else None,
        parent=identity.get("parent"),
        flags=flags,
    )


def _judge(
    identity: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]], gates: Mapping[str, Any]
) -> dict[str, Judgement]:
    """Judge every stage that has a result, in the order of the funnel."""
    judged = {}
    if "relaxation" in results:
        judged["relax"] = judge_relaxation(results["relaxation"], identity["insulator_gap_ev"])
    if "placement" in results:
        judged["hull"] = judge_hull(results["placement"], gates["max_hull_ev_per_atom"])
    if "ladder" in results:
        judged["decompress"] = judge_ladder(results["ladder"])
    if "coupling" in results:
        coupling = results["coupling"]
        fields = ("stage", "verdict", "reason", "numbers", "thresholds")
        judged["coupling"] = Judgement(**{key: coupling[key] for key in fields}, flags=tuple(coupling["flags"]))
    if "tc" in results:
        first = results["tc"]["tc"][0]
        judged["tc"] = judge_tc(first["allen_dynes_k"], first["mu_star"], gates["min_tc_k"])
    return judged


def _verdict(
    judged: Mapping[str, Judgement],
    results: Mapping[str, Mapping[str, Any]],
    gates: Mapping[str, Any],
    failure: str | None,
) -> tuple[Verdict, str]:
    """Return verdict and reason; the first stage that says no decides, and a failure decides only after that."""
    said_no: dict[str, Verdict] = {
        "relax": "insulator",
        "hull": "above_hull",
        "decompress": "dynamically_unstable",
        "tc": "not_superconducting",
    }
    for stage, verdict in said_no.items():
        if stage in judged and judged[stage].verdict == "failed":
            if stage == "decompress":
                verdict = _rejected_on_the_ladder(results["ladder"])
            doubt = _doubt(judged, results, gates) if stage == "tc" else None
            return ("undecided", f"{judged[stage].reason}, but {doubt}") if doubt else (verdict, judged[stage].reason)
    undecided = next((judgement.reason for judgement in judged.values() if judgement.verdict == "undecided"), None)
    if failure or undecided:
        return "undecided", failure or str(undecided)
    absent = next((stage for stage in _STAGES if stage not in judged), None)
    if absent is not None:
        return "undecided", f"the funnel ended before {absent}"
    return _of_the_stable(judged, results, gates)


def _of_the_stable(
    judged: Mapping[str, Judgement], results: Mapping[str, Mapping[str, Any]], gates: Mapping[str, Any]
) -> tuple[Verdict, str]:
    """Return verdict and reason of what has passed every stage: where it is stable, and what its Tc rests on."""
    only_estimated = tc_of_estimate(results["coupling"], gates["min_tc_k"])
    if only_estimated is not None:
        return "undecided", only_estimated
    lowest = results["ladder"]["lowest_stable_pressure_gpa"]
    pressure, placement = _placement(results)
    ambient = lowest <= _AMBIENT_GPA
    if placement is None or (ambient and pressure != lowest):
        return "undecided", f"stable at {lowest:g} GPa, but no hull was computed there"
    # The rungs were held against the gate of their own run; a stricter one judges the stored numbers again.
    hull = judge_hull({**placement, "pressure_gpa": pressure}, gates["max_hull_ev_per_atom"])
    if hull.verdict != "passed":
        higher = _lowest_within_gate(results["ladder"], gates["max_hull_ev_per_atom"])
        if higher is not None:
            return "undecided", f"{hull.reason}; stable and within it down to {higher:g} GPa, where no Tc was computed"
        return ("above_hull" if hull.verdict == "failed" else "undecided"), hull.reason
    reason = f"{judged['decompress'].reason}; {hull.reason}; {judged['tc'].reason}"
    unverified = unverified_lines(results["coupling"])
    if unverified:
        reason += f", unverified: {'; '.join(unverified)}"
    return ("ambient" if ambient else "stable_to_pressure"), reason


def _doubt(
    judged: Mapping[str, Judgement], results: Mapping[str, Mapping[str, Any]], gates: Mapping[str, Any]
) -> str | None:
    """Return why a Tc below the gate is no verdict: unverified, or estimated with a margin that the gate lies in."""
    if "coupling" not in judged:
        return None
    if "tc_unverified" in judged["coupling"].flags:
        return judged["coupling"].reason
    return tc_of_estimate(results["coupling"], gates["min_tc_k"])


def _is_beside_instability(ladder: Mapping[str, Any]) -> bool:
    """Tell whether the descent ended at an imaginary mode: right above it a harmonic lambda is least reliable."""
    return (ladder.get("ended_by") or {}).get("verdict") == "unstable"


def _lowest_within_gate(ladder: Mapping[str, Any], max_hull_ev_per_atom: float) -> float | None:
    """Return down to which pressure a descent would have come under this gate; None if it fails at the first rung."""
    rungs = []
    for rung in ladder["rungs"]:
        placed = rung.get("placement") if rung["verdict"] == "stable" else None
        rungs.append(HullRung(rung["pressure_gpa"], placed["hull_ev_per_atom"] if placed else None))
    return stability_pressure(rungs, max_hull_ev_per_atom).lowest_pressure_gpa


def _rejected_on_the_ladder(ladder: Mapping[str, Any]) -> Verdict:
    """Say what ended the ladder at its first rung."""
    ended = (ladder["ended_by"] or {}).get("verdict")
    physical: dict[str | None, Verdict] = {"insulator": "insulator", "above_hull": "above_hull"}
    return physical.get(ended, "dynamically_unstable")


def _hull_by_pressure(results: Mapping[str, Mapping[str, Any]]) -> dict[float, Mapping[str, Any]]:
    """Return every place on a hull that was computed, by pressure."""
    placements = {
        rung["pressure_gpa"]: rung["placement"]
        for rung in results.get("ladder", {}).get("rungs", [])
        if "placement" in rung
    }
    if "placement" in results:
        placements[results["placement"]["pressure_gpa"]] = results["placement"]
    return placements


def _hull_stability(by_pressure: Mapping[float, Mapping[str, Any]], gate_ev_per_atom: float) -> dict[str, Any] | None:
    """Return down to which pressure the crystal stays within the gate of the hull; None without any hull."""
    if not by_pressure:
        return None
    rungs = [
        HullRung(pressure, placed["hull_ev_per_atom"], bool(placed["missing"]), placed.get("stabilisation_ev_per_atom"))
        for pressure, placed in by_pressure.items()
    ]
    found = asdict(stability_pressure(rungs, gate_ev_per_atom))
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _placement(results: Mapping[str, Mapping[str, Any]]) -> tuple[float | None, Mapping[str, Any] | None]:
    """Return the hull at the lowest stable pressure, at the start if there is none."""
    lowest = results.get("ladder", {}).get("lowest_stable_pressure_gpa")
    for rung in results.get("ladder", {}).get("rungs", []):
        if lowest is not None and rung["pressure_gpa"] == lowest and "placement" in rung:
            return lowest, rung["placement"]
    if "placement" in results:
        return results["placement"]["pressure_gpa"], results["placement"]
    return None, None
