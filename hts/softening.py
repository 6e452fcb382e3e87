"""How the lowest modes soften with pressure, and where the first of them is expected to become imaginary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SAME_PRESSURE_GPA = 1e-6


@dataclass(frozen=True)
class ModesAtPressure:
    """The lowest frequency of each q-point at one pressure.

    Attributes
    ----------
    pressure_gpa : float
    stable : bool
    lowest_cm1 : mapping of int to float
        q index -> cm^-1, imaginary ones negative. At an unstable pressure only some are known.
    """

    pressure_gpa: float
    stable: bool
    lowest_cm1: Mapping[int, float]


@dataclass(frozen=True)
class CriticalPressure:
    """Where the first mode is expected to become imaginary.

    Attributes
    ----------
    pressure_gpa : float or None
        None: nothing softens on the way down, or two pressures with a common q-point are not known yet.
    qpoint_index : int or None
        Whose mode it is.
    reason : str
    """

    pressure_gpa: float | None
    qpoint_index: int | None
    reason: str


def critical_pressure(known: Sequence[ModesAtPressure], min_frequency_cm1: float = 0.0) -> CriticalPressure:
    """Predict the pressure at which the crystal becomes unstable, from squared frequencies linear in pressure.

    A mode goes soft because its restoring force constant, omega^2, passes through zero, and to first order it does so
    linearly in the parameter that drives it (W. Cochran, Phys. Rev. Lett. 3, 412 (1959),
    https://doi.org/10.1103/PhysRevLett.3.412). With an unstable pressure below the lowest stable one the zero is
    interpolated at the q-points known at both; without, it is extrapolated from the two lowest stable pressures.

    Parameters
    ----------
    known : sequence of ModesAtPressure
        In any order.
    min_frequency_cm1 : float
        What counts as imaginary; the crossing of this value is looked for.

    Returns
    -------
    CriticalPressure
        The highest crossing of all q-points. It is a guess that chooses what to compute next, never a result.
    """
    failed = max((rung for rung in known if not rung.stable), key=lambda rung: rung.pressure_gpa, default=None)
    stable = sorted(
        (rung for rung in known if rung.stable and (failed is None or rung.pressure_gpa > failed.pressure_gpa)),
        key=lambda rung: rung.pressure_gpa,
    )
    if not stable or (failed is None and len(stable) < 2):
        return CriticalPressure(None, None, "two pressures are needed for a trend")
    upper, lower = (stable[0], failed) if failed is not None else (stable[1], stable[0])
    how = "interpolated" if failed is not None else "extrapolated"
    crossings = {
        index: _crossing(upper, lower, index, min_frequency_cm1)
        for index in upper.lowest_cm1
        if index in lower.lowest_cm1
    }
    found = {index: pressure for index, pressure in crossings.items() if pressure is not None}
    if not found:
        return CriticalPressure(
            None, None, f"no mode softens from {upper.pressure_gpa:g} to {lower.pressure_gpa:g} GPa"
        )
    first = max(found, key=lambda index: found[index])
    return CriticalPressure(
        round(found[first], 3),
        first,
        f"omega^2 of q {first} {how} from {upper.pressure_gpa:g} and {lower.pressure_gpa:g} GPa",
    )


def _crossing(upper: ModesAtPressure, lower: ModesAtPressure, index: int, threshold_cm1: float) -> float | None:
    """Return where the squared frequency of one q-point meets the threshold, None if it does not fall on the way."""
    high, low = (_signed_square(rung.lowest_cm1[index]) for rung in (upper, lower))
    apart_gpa = upper.pressure_gpa - lower.pressure_gpa
    if high <= low or apart_gpa < _SAME_PRESSURE_GPA:
        return None
    return lower.pressure_gpa + (_signed_square(threshold_cm1) - low) * apart_gpa / (high - low)


def _signed_square(frequency_cm1: float) -> float:
    return frequency_cm1 * abs(frequency_cm1)
