"""Which q-point comes next, and when a crystal's dynamic stability is decided: the rules without the codes.

Levels are settings of growing strictness: 0 those of the campaign, each further one a denser k-mesh with a smaller
smearing. A crystal is judged on one level, because force constants and EPW must not mix meshes. An imaginary mode, and
one too close to zero to tell, is computed again one level up before it counts. If the two agree the judgement stands;
if they don't, the coarser level was not good enough and everything moves up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

STABLE, BORDERLINE, UNSTABLE, UNDECIDED = "stable", "borderline", "unstable", "undecided"


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes
    ----------
    kind : str
        ``compute`` (these points on this level) or ``decided``.
    points : tuple of str
        In the order in which to try them. For a decision: the point that decided, or none.
    level : int
    verdict : str
        ``stable``, ``unstable`` or ``undecided``; empty while there is something to compute.
    """

    kind: str
    points: tuple[str, ...]
    level: int
    verdict: str = ""


@dataclass
class QPointSearch:
    """What is known of the q-points of one crystal at one pressure.

    Attributes
    ----------
    order : list of str
        Names of the points, the likeliest unstable first.
    max_level : int
        How many levels above 0 may be tried.
    level : int
        The one the judgement is made on.
    findings : dict of str to dict
        Level -> point -> verdict (stable, borderline, unstable).
    failure : str or None
        Why nothing further can be found out.
    """

    order: list[str]
    max_level: int
    level: int = 0
    findings: dict[str, dict[str, str]] = field(default_factory=dict)
    failure: str | None = None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "QPointSearch":
        """Restore what `to_dict` returned, also where a checkpoint has made other mappings of its dictionaries."""
        findings = {level: dict(points) for level, points in content["findings"].items()}
        return cls(**{**content, "findings": findings})

    def to_dict(self) -> dict[str, Any]:
        """Return plain built-in types."""
        return asdict(self)

    def record(self, point: str, level: int, verdict: str, reason: str = "") -> None:
        """Note what was found at a point; an undecided one ends the search.

        Parameters
        ----------
        point : str
        level : int
        verdict : str
        reason : str
            Why it is undecided.
        """
        if verdict == UNDECIDED:
            self.failure = f"{point.replace('_', ' ')}: {reason}"
        else:
            self.findings.setdefault(str(level), {})[point] = verdict

    def add(self, points: Sequence[str]) -> None:
        """Add points that turned out to matter."""
        self.order += [point for point in points if point not in self.order]

    def next_step(self) -> Step:
        """Say what comes next; moves up a level where a second opinion has contradicted the first.

        Returns
        -------
        Step
            A suspicion of instability before further points, and these before points too close to zero to tell, which
            don't matter once another one is unstable.
        """
        while self.failure is None:
            found = self.findings.get(str(self.level), {})
            second = self.findings.get(str(self.level + 1), {})
            if any(self._contradicted(found[point], second.get(point)) for point in self.order if point in found):
                self.level += 1
                continue
            suspects = [point for point in self.order if found.get(point) == UNSTABLE]
            confirmed = [point for point in suspects if point in second]
            if confirmed:
                return Step("decided", (confirmed[0],), self.level, UNSTABLE)
            if suspects:
                if self.level < self.max_level:
                    return Step("compute", (suspects[0],), self.level + 1)
                self.failure = self._unconfirmed(suspects[0])
                break
            missing = tuple(point for point in self.order if point not in found)
            if missing:
                return Step("compute", missing, self.level)
            doubtful = [point for point in self.order if found[point] == BORDERLINE and point not in second]
            if doubtful and self.level < self.max_level:
                return Step("compute", (doubtful[0],), self.level + 1)
            return Step("decided", (), self.level, STABLE)
        return Step("decided", (), self.level, UNDECIDED)

    @staticmethod
    def _contradicted(first: str, second: str | None) -> bool:
        return second is not None and (first == UNSTABLE) != (second == UNSTABLE)

    def _unconfirmed(self, point: str) -> str:
        name = point.replace("_", " ")
        if self.max_level == 0:
            return f"{name} is imaginary, not confirmed on a denser k-mesh (max_confirmations is 0)"
        return (
            f"{name} is imaginary at the last of {self.max_level + 1} k-meshes, after others were so only on coarser "
            "ones; converge the k-mesh"
        )
