"""Recoveries as pure functions: what went wrong and what was tried in, what to try next and why out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# ph.x does not converge when its mixing is too bold; the ladder has an end, beyond it the q-point is undecided.
_ALPHA_MIX_LADDER = (0.3, 0.1)
# Interrupted from outside, or a file that was not whole: the same input is simply run again.
_RUN_AGAIN = {
    120: "killed by the scheduler at the walltime; its recover files may be truncated, so from the start",
    140: "node failure",
    304: "its dynamical matrix was not whole",
    312: "it was interrupted",
    411: "its recover files were refused",
}
_OUT_OF_WALLTIME = 400
_NOT_CONVERGED = 410


@dataclass(frozen=True)
class Recovery:
    """How to run a job again.

    Attributes
    ----------
    parameters : dict
        Keywords of the INPUTPH namelist.
    restart : bool
        Continue from the scratch of the failed run.
    reason : str
    """

    parameters: dict[str, Any]
    restart: bool
    reason: str


def recover_ph(exit_status: int | None, parameters: Mapping[str, Any]) -> Recovery | None:
    """Decide how to go on after a ph.x job of one q-point failed.

    Parameters
    ----------
    exit_status : int or None
    parameters : mapping
        INPUTPH of the failed job.

    Returns
    -------
    Recovery or None
        None where trying again can't help: the q-point stays undecided.
    """
    if exit_status == _OUT_OF_WALLTIME:
        return Recovery(
            dict(parameters), restart=True, reason="stopped at its walltime; continued from its recover files"
        )
    if exit_status == _NOT_CONVERGED:
        current = parameters.get("alpha_mix(1)", 0.7)
        lower = next((value for value in _ALPHA_MIX_LADDER if value < current), None)
        if lower is None:
            return None
        changed = {**parameters, "alpha_mix(1)": lower}
        return Recovery(
            changed, restart=False, reason=f"did not converge; alpha_mix lowered from {current:g} to {lower:g}"
        )
    if exit_status in _RUN_AGAIN:
        return Recovery(dict(parameters), restart=False, reason=f"{_RUN_AGAIN[exit_status]}; run again")
    return None
