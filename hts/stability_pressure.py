"""The lowest pressure at which a candidate is on, or close enough to, the hull: from its distances along a ladder."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Status = Literal["stable_at_all", "crosses", "never", "undecided"]

_SAME_PRESSURE_GPA = 1e-6


@dataclass(frozen=True)
class HullRung:
    """Where a candidate lies relative to the hull at one pressure.

    Attributes
    ----------
    pressure_gpa : float
    hull_ev_per_atom : float or None
        Energy above hull, 0 on it. None (or nan) where it is unknown.
    missing : bool
        Competitors are missing from this hull: the candidate can only lie higher above the true one.
    stabilisation_ev_per_atom : float or None
        For a candidate on the hull, how far below the hull of all others it lies, as a number <= 0.
    """

    pressure_gpa: float
    hull_ev_per_atom: float | None
    missing: bool = False
    stabilisation_ev_per_atom: float | None = None


@dataclass(frozen=True)
class StabilityPressure:
    """Down to which pressure a candidate is within the gate of the hull.

    Attributes
    ----------
    lowest_pressure_gpa : float or None
        The lowest computed pressure such that the candidate is within the gate there and at every rung above it.
    bracket_gpa : tuple of float or None
        (low, high): the rung where it is beyond the gate and the neighbouring one where it is within, when it crosses.
    interpolated_gpa : float or None
        Where the straight line between the distances at the two ends of the bracket meets the gate.
    status : str
        ``stable_at_all``: within the gate at every rung. ``crosses``: within from the top down to the bracket.
        ``never``: beyond the gate at the highest rung. ``undecided``: an unknown rung comes before the answer, or
        there is no rung.
    hull_incomplete : bool
        A rung within the gate, at or above ``lowest_pressure_gpa``, lacks competitors: the pressure can only be higher.
    not_counted_gpa : tuple of float
        Rungs within the gate below one that is beyond it or unknown (re-entrant stability), highest first.
    """

    lowest_pressure_gpa: float | None
    bracket_gpa: tuple[float, float] | None
    interpolated_gpa: float | None
    status: Status
    hull_incomplete: bool = False
    not_counted_gpa: tuple[float, ...] = ()


def stability_pressure(rungs: Sequence[HullRung], gate_ev_per_atom: float = 0.0) -> StabilityPressure:
    """Find the lowest pressure of the unbroken descent within the gate of the hull.

    Between two neighbouring rungs the signed distance from the hull of the others, an enthalpy difference Delta H, is
    taken as linear in pressure: d(Delta H)/dP = Delta V, which is smooth as long as the competing phases stay the same.
    Where they change inside the bracket Delta H has a kink; the bracket holds nevertheless. An energy above hull is
    clipped at 0, so a rung on the hull without a stabilisation gives the bracket only.

    Parameters
    ----------
    rungs : sequence of HullRung
        In any order, each pressure once.
    gate_ev_per_atom : float
        The energy above hull that is still tolerated, inclusive; 0 asks for the hull itself.

    Returns
    -------
    StabilityPressure
        The status is the one that every value of the unknown rungs would leave standing, else ``undecided``; the lowest
        pressure is then that of the known descent above the first unknown rung. Nothing is interpolated across one.

    Raises
    ------
    ValueError
        For a gate that is negative or no number, a pressure that is given twice or is no number, a negative energy
        above hull, or a positive stabilisation.
    """
    _require_sound(rungs, gate_ev_per_atom)
    descent = sorted(rungs, key=lambda rung: -rung.pressure_gpa)
    verdicts = [_is_within(rung, gate_ev_per_atom) for rung in descent]
    length = next((index for index, verdict in enumerate(verdicts) if verdict is not True), len(descent))
    unbroken, below = descent[:length], descent[length:]
    lowest = unbroken[-1] if unbroken else None
    status: Status
    if not descent or (below and verdicts[length] is None):
        status = "undecided"
    elif not below:
        status = "stable_at_all"
    else:
        status = "crosses" if unbroken else "never"
    bracketed = lowest is not None and status == "crosses"
    return StabilityPressure(
        lowest_pressure_gpa=lowest.pressure_gpa if lowest else None,
        bracket_gpa=(below[0].pressure_gpa, lowest.pressure_gpa) if lowest and bracketed else None,
        interpolated_gpa=_interpolate(below[0], lowest, gate_ev_per_atom) if lowest and bracketed else None,
        status=status,
        hull_incomplete=any(rung.missing for rung in unbroken),
        not_counted_gpa=tuple(rung.pressure_gpa for rung in below if _is_within(rung, gate_ev_per_atom)),
    )


def _is_within(rung: HullRung, gate_ev_per_atom: float) -> bool | None:
    if rung.hull_ev_per_atom is None or math.isnan(rung.hull_ev_per_atom):
        return None
    return rung.hull_ev_per_atom <= gate_ev_per_atom


def _interpolate(beyond: HullRung, within: HullRung, gate_ev_per_atom: float) -> float | None:
    """Return where the line between two rungs meets the gate; None if one of the two distances is not known."""
    high, low = _signed_distance(beyond), _signed_distance(within)
    if high is None or low is None or not math.isfinite(high):
        return None
    share = (high - gate_ev_per_atom) / (high - low)
    return beyond.pressure_gpa + share * (within.pressure_gpa - beyond.pressure_gpa)


def _signed_distance(rung: HullRung) -> float | None:
    above = rung.hull_ev_per_atom
    return above if above is not None and above > 0 else rung.stabilisation_ev_per_atom


def _require_sound(rungs: Sequence[HullRung], gate_ev_per_atom: float) -> None:
    if not (math.isfinite(gate_ev_per_atom) and gate_ev_per_atom >= 0):
        raise ValueError(
            f"the gate is {gate_ev_per_atom} eV/atom, wanted 0 or more; an energy above hull is never less"
        )
    pressures = sorted(rung.pressure_gpa for rung in rungs)
    for pressure in pressures:
        if not math.isfinite(pressure):
            raise ValueError(f"a rung is at {pressure} GPa, wanted a number; leave out what has no pressure")
    for lower, higher in pairwise(pressures):
        if higher - lower <= _SAME_PRESSURE_GPA:
            raise ValueError(f"two rungs are at {higher:g} GPa, wanted each pressure once; keep the better one")
    for rung in rungs:
        if rung.hull_ev_per_atom is not None and rung.hull_ev_per_atom < 0:
            raise ValueError(
                f"{rung.hull_ev_per_atom:g} eV/atom above hull at {rung.pressure_gpa:g} GPa, wanted 0 or more; "
                "give what lies below the hull as stabilisation_ev_per_atom"
            )
        if rung.stabilisation_ev_per_atom is not None and not rung.stabilisation_ev_per_atom <= 0:
            raise ValueError(
                f"a stabilisation of {rung.stabilisation_ev_per_atom:g} eV/atom at {rung.pressure_gpa:g} GPa, wanted "
                "0 or less; give what lies above the hull as hull_ev_per_atom"
            )
