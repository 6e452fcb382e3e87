"""The descent in pressure: which rung comes next, and between which pressures stability ends."""

from collections.abc import Sequence
from dataclasses import dataclass

_SAME_PRESSURE_GPA = 1e-6
_DECIMALS = 6


@dataclass(frozen=True)
class Rung:
    """One pressure that has been decided.

    Attributes
    ----------
    pressure_gpa : float
    verdict : str
        ``stable``, ``unstable``, ``above_hull``, ``insulator`` or ``undecided``.
    """

    pressure_gpa: float
    verdict: str


@dataclass(frozen=True)
class Ladder:
    """The pressures a campaign asks for, in GPa: from start to stop by step, then bisected to the resolution."""

    start_gpa: float
    stop_gpa: float
    step_gpa: float
    resolution_gpa: float

    def __post_init__(self) -> None:
        """Refuse a ladder that does not go down: it would never end."""
        if not self.step_gpa > 0:
            raise ValueError(f"ladder: step is {self.step_gpa:g} GPa, wanted more than 0; give it as a positive number")
        if not self.start_gpa >= self.stop_gpa:
            raise ValueError(
                f"ladder: start is {self.start_gpa:g} GPa, wanted at least the stop of {self.stop_gpa:g}; swap them"
            )

    def next_pressure_gpa(self, decided: Sequence[Rung]) -> float | None:
        """Choose the next pressure.

        Parameters
        ----------
        decided : sequence of Rung
            In any order.

        Returns
        -------
        float or None
            The start; then one step below the lowest stable rung while nothing has failed; then the middle of the
            bracket until it is no wider than the resolution. None when the search has ended: at ``stop``, at the
            resolution, when the start itself failed, or at the first undecided rung (going on would rest on nothing).
        """
        if not decided:
            return self.start_gpa
        if any(rung.verdict == "undecided" for rung in decided):
            return None
        stable, failed = bracket(decided)
        if stable is None or stable <= self.stop_gpa + _SAME_PRESSURE_GPA:
            return None
        if failed is None:
            # Rounded: steps of 0.1 must arrive at 0, not at 1e-17, where "ambient" and its hull are looked up.
            lower = round(stable - self.step_gpa, _DECIMALS)
            return lower if lower > self.stop_gpa + _SAME_PRESSURE_GPA else self.stop_gpa
        if stable - failed <= self.resolution_gpa + _SAME_PRESSURE_GPA:
            return None
        middle = round((stable + failed) / 2, _DECIMALS)
        return middle if failed < middle < stable else None


def bracket(decided: Sequence[Rung]) -> tuple[float | None, float | None]:
    """Return the lowest stable pressure of the unbroken descent, and the highest failed pressure below it.

    Parameters
    ----------
    decided : sequence of Rung

    Returns
    -------
    lowest_stable_gpa, highest_failed_gpa : float or None
        None where there is none. A stable rung below a failed one (re-entrant stability) does not count. A rung above
        the hull gate, or an insulating one, counts as failed for the descent.
    """
    failures = [rung.pressure_gpa for rung in decided if rung.verdict in {"unstable", "above_hull", "insulator"}]
    highest_failed = max(failures, default=None)
    stable = [
        rung.pressure_gpa
        for rung in decided
        if rung.verdict == "stable" and (highest_failed is None or rung.pressure_gpa > highest_failed)
    ]
    return min(stable, default=None), highest_failed
