"""The descent in pressure: which rung comes next, and between which pressures stability ends."""

from collections.abc import Sequence
from dataclasses import dataclass

_SAME_PRESSURE_GPA = 1e-6
_DECIMALS = 6
# Beyond this many rungs inside a bracket the softening has shown that it is not linear: halving is surer.
_TRUSTED_PREDICTIONS = 3
# So near to one end of the bracket, in resolutions, a prediction asks for the rung that closes it there.
_CLOSE = 0.9


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
    """The pressures a campaign asks for, in GPa: from start to stop by step, then narrowed down to the resolution.

    Attributes
    ----------
    start_gpa, stop_gpa, step_gpa, resolution_gpa : float
    reentrant : bool
        Look one step below an unstable rung, too.
    """

    start_gpa: float
    stop_gpa: float
    step_gpa: float
    resolution_gpa: float
    reentrant: bool = False

    def __post_init__(self) -> None:
        """Refuse a ladder that does not go down: it would never end."""
        if not self.step_gpa > 0:
            raise ValueError(f"ladder: step is {self.step_gpa:g} GPa, wanted more than 0; give it as a positive number")
        if not self.start_gpa >= self.stop_gpa:
            raise ValueError(
                f"ladder: start is {self.start_gpa:g} GPa, wanted at least the stop of {self.stop_gpa:g}; swap them"
            )

    def next_pressure_gpa(self, decided: Sequence[Rung], critical_gpa: float | None = None) -> float | None:
        """Choose the next pressure.

        Parameters
        ----------
        decided : sequence of Rung
            In any order.
        critical_gpa : float, optional
            Where the softening predicts the first instability (`hts.softening`). It chooses the pressures, it decides
            nothing: without it the same bracket is found with more rungs.

        Returns
        -------
        float or None
            The start; then one step below the lowest stable rung while nothing has failed, or, with a prediction, just
            below where stability should end, or ``stop`` itself if that should be reached; then a pressure inside the
            bracket, predicted or in its middle, until it is no wider than the resolution. None when the search has
            ended: at ``stop``, at the resolution, when the start itself failed, or at the first undecided rung (going
            on would rest on nothing). With ``reentrant`` one rung below the lowest unstable one comes last.
        """
        if not decided:
            return self.start_gpa
        if any(rung.verdict == "undecided" for rung in decided):
            return None
        stable, failed = bracket(decided)
        chosen = None
        if stable is not None and stable > self.stop_gpa + _SAME_PRESSURE_GPA:
            if failed is None:
                chosen = self._below(stable, critical_gpa)
            elif stable - failed > self.resolution_gpa + _SAME_PRESSURE_GPA:
                chosen = self._between(stable, failed, critical_gpa, decided)
        return chosen if chosen is not None else self._reentrant(decided)

    def _below(self, stable: float, critical_gpa: float | None) -> float:
        """Return the next rung of a descent that nothing has ended yet."""
        lower = stable - self.step_gpa
        if critical_gpa is not None:
            # An unstable rung costs one q-point, a stable one all of them: aim at the unstable side.
            lower = min(self._neat(critical_gpa - self.resolution_gpa / 2), stable - self.resolution_gpa)
        # Rounded: steps of 0.1 must arrive at 0, not at 1e-17, where "ambient" and its hull are looked up.
        lower = round(lower, _DECIMALS)
        return lower if lower > self.stop_gpa + _SAME_PRESSURE_GPA else self.stop_gpa

    def _between(
        self, stable: float, failed: float, critical_gpa: float | None, decided: Sequence[Rung]
    ) -> float | None:
        """Return the next rung inside a bracket."""
        middle = round((stable + failed) / 2, _DECIMALS)
        inside = sum(1 for rung in decided if rung.pressure_gpa < stable) - 1
        chosen = middle
        if critical_gpa is not None and failed < critical_gpa < stable and inside < _TRUSTED_PREDICTIONS:
            if critical_gpa - failed <= _CLOSE * self.resolution_gpa:
                chosen = failed + self.resolution_gpa
            elif stable - critical_gpa <= _CLOSE * self.resolution_gpa:
                chosen = stable - self.resolution_gpa
            else:
                chosen = self._neat(critical_gpa - self.resolution_gpa / 2)
            chosen = round(chosen, _DECIMALS)
        if not failed < chosen < stable:
            chosen = middle
        return chosen if failed < chosen < stable else None

    def _reentrant(self, decided: Sequence[Rung]) -> float | None:
        """Return one rung below the lowest unstable one, once."""
        unstable = [rung.pressure_gpa for rung in decided if rung.verdict == "unstable"]
        if not self.reentrant or not unstable:
            return None
        lowest = min(unstable)
        if lowest <= self.stop_gpa + _SAME_PRESSURE_GPA or any(rung.pressure_gpa < lowest for rung in decided):
            return None
        return round(max(lowest - self.step_gpa, self.stop_gpa), _DECIMALS)

    def _neat(self, pressure_gpa: float) -> float:
        """Round to a tenth of the resolution: a pressure that people write down."""
        grid = self.resolution_gpa / 10
        return round(pressure_gpa / grid) * grid if grid > 0 else pressure_gpa


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
