"""Recoveries as pure functions: what went wrong and what was tried in, what to try next and why out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hts.epw_input import DEFAULT_EPW_VERSION, version_tuple

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


# epw.x: Fermi-surface runs that stop at a temperature keep what they finished, and Tc comes from alpha2F anyway.
_BROYDEN_LADDER = (0.3, 0.1)
_PADE_LADDER = (60, 30)
_NSITER_LADDER = (500, 1000)
# Defaults of EPW 5.3 to 6.0.
_BROYDEN_BETA, _NPADE, _NSITER = 0.7, 90, 40
# Exit status to the reason and how often the same input is run again: a budget for each.
_EPW_RUN_AGAIN = {
    140: ("node failure", 3),
    302: ("it wrote no standard output", 1),
    310: ("alpha2F was not there", 1),
    312: ("it was interrupted", 3),
}
_EPW_NEXT_PLAN = {
    501: "the energy windows do not fit the bands",
    502: "the nscf run has too few bands for nbndsub",
    503: "Wannier90 refused the projections",
}
_EPW_OUT_OF_TIME = (120, 400)
_EPW_OUT_OF_MEMORY = (110, 401)
_EPW_ELIASHBERG = (510, 511, 512)
_EPW_MATRIX_ELEMENTS, _WIDER, _MAX_WIDER = 313, 1.15, 2


@dataclass(frozen=True)
class EpwContext:
    """What is known of a failed epw.x job beyond its exit status.

    Attributes
    ----------
    start : str
        From where it began: ``"nscf"``, ``"wannier_folder"`` (with nscf and phonons) or ``"epw_folder"``.
    outputs : mapping
        Its ``output_parameters``, empty if there are none.
    assumed_version : str
        The EPW that its input was written for.
    has_alpha2f : bool
        Whether a whole alpha2F is attached.
    n_electrons : float or None
        In the cell, of the pseudopotentials.
    fermi_energy_ev : float or None
        Of the coarse or the scf mesh.
    ranks : int
        MPI ranks; EPW makes each a pool.
    history : tuple of int
        Exit statuses of this job's earlier attempts, without the present one.
    """

    start: Literal["nscf", "wannier_folder", "epw_folder"] = "nscf"
    outputs: Mapping[str, Any] = field(default_factory=dict)
    assumed_version: str = DEFAULT_EPW_VERSION
    has_alpha2f: bool = False
    n_electrons: float | None = None
    fermi_energy_ev: float | None = None
    ranks: int = 1
    history: tuple[int, ...] = ()


@dataclass(frozen=True)
class EpwRecovery:
    """How to go on after an epw.x job failed.

    Attributes
    ----------
    kind : str
        ``"rerun"``: run again with ``parameters``, from where ``start`` says.
        ``"next_wannier_plan"``: other projections or windows are needed; the ladder of plans is the caller's.
        ``"accept"``: nothing to run; what is attached to the failed job stands, without the rest.
    parameters : dict
        Keywords of the INPUTEPW namelist.
    reason : str
    start : str
        ``"same"``: the failed job's own inputs. ``"matrix_elements"``: its remote folder is the ``epw_folder``.
        ``"wannier_functions"``: its remote folder is the ``wannier_folder``. ``"coarse"``: ``nscf_folder`` and
        ``ph_folders`` alone, no earlier epw.x.
    ranks : int or None
        Another number of MPI ranks, None for the same.
    epw_version : str or None
        For ``settings.epw_version``, None for the same.
    """

    kind: Literal["rerun", "next_wannier_plan", "accept"]
    parameters: dict[str, Any]
    reason: str
    start: Literal["same", "matrix_elements", "wannier_functions", "coarse"] = "same"
    ranks: int | None = None
    epw_version: str | None = None


def recover_epw(exit_status: int | None, parameters: Mapping[str, Any], context: EpwContext) -> EpwRecovery | None:
    """Decide how to go on after an epw.x job failed; the physics (meshes, windows, smearings) is never changed.

    Parameters
    ----------
    exit_status : int or None
    parameters : mapping
        INPUTEPW of the failed job, lower-case keywords.
    context : EpwContext

    Returns
    -------
    EpwRecovery or None
        None where trying again can't help: out of memory a second time, a full disk, files that are missing or do not
        belong together, an input that this EPW refuses, a crash of unknown kind.
    """
    keywords = dict(parameters)
    changes = {320: _with_printed_version, 500: _with_fermi_energy, _EPW_MATRIX_ELEMENTS: _with_wider_window}
    if exit_status in changes:
        return changes[exit_status](keywords, context)
    if exit_status in _EPW_ELIASHBERG:
        return _recover_eliashberg(exit_status, keywords, context)
    if exit_status in _EPW_OUT_OF_TIME:
        start = _newly_finished(context)
        reason = f"stopped at its walltime; its {start.replace('_', ' ')} are whole and taken"
        return None if start == "same" else EpwRecovery("rerun", keywords, reason, start)
    if exit_status in _EPW_OUT_OF_MEMORY:
        return _with_less_memory(keywords, context)
    if exit_status in _EPW_NEXT_PLAN:
        return EpwRecovery("next_wannier_plan", keywords, f"{_EPW_NEXT_PLAN[exit_status]}; the next Wannier plan")
    if exit_status in _EPW_RUN_AGAIN:
        reason, budget = _EPW_RUN_AGAIN[exit_status]
        spent = context.history.count(exit_status) >= budget
        return None if spent else EpwRecovery("rerun", keywords, f"{reason}; run again")
    if exit_status == 333 and context.start != "nscf":
        return EpwRecovery("rerun", keywords, "files of the earlier epw.x do not fit; run from the nscf", "coarse")
    if exit_status == 504 and keywords.get("use_ws"):
        # Where functions lie so that lattice vectors are equally far within rounding, EPW loses some of them.
        reason = "no Wigner-Seitz cells around these functions; with cells around lattice vectors, which is flagged"
        return EpwRecovery("rerun", {**keywords, "use_ws": False}, reason)
    return None


def _newly_finished(context: EpwContext) -> Literal["same", "matrix_elements", "wannier_functions"]:
    """Return what the failed job has finished that the next one need not repeat."""
    if context.start != "epw_folder" and context.outputs.get("coarse_finished"):
        return "matrix_elements"
    if context.start == "nscf" and context.outputs.get("wannierised"):
        return "wannier_functions"
    return "same"


def _recover_eliashberg(exit_status: int, keywords: dict[str, Any], context: EpwContext) -> EpwRecovery | None:
    """Try once more with gentler iterations, then let what is finished stand; above Tc there is nothing to try."""
    temperatures = context.outputs.get("eliashberg", [])
    last = temperatures[-1] if temperatures else {}
    where = f"at {last['temperature_k']:g} K" if last else "before the first temperature"
    stands = EpwRecovery("accept", keywords, f"the Eliashberg equations fail {where}; alpha2F and the rest stand")
    if last.get("collapsed") and exit_status != 512:
        left = [value for value in _temperatures(keywords) if value < last["temperature_k"]]
        missing = set(left) - {entry["temperature_k"] for entry in temperatures}
        if missing and context.history.count(exit_status) == 0:
            reason = f"the gap falls to zero {where}, above Tc; only the temperatures below it are run"
            changed = {**keywords, "temps": left, "nstemp": len(left)}
            return EpwRecovery("rerun", changed, reason, _newly_finished(context))
        return EpwRecovery("accept", keywords, f"the gap falls to zero {where}, above Tc; the rest stands")
    name, default, ladder = {
        510: ("broyden_beta", _BROYDEN_BETA, _BROYDEN_LADDER),
        511: ("nsiter", _NSITER, _NSITER_LADDER),
        512: ("npade", _NPADE, _PADE_LADDER),
    }[exit_status]
    current = keywords.get(name, default)
    further = next((value for value in ladder if (value > current if name == "nsiter" else value < current)), None)
    if further is None:
        return stands if context.has_alpha2f else None
    reason = f"the Eliashberg equations fail {where}; {name} from {current:g} to {further:g}"
    return EpwRecovery("rerun", {**keywords, name: further}, reason, _newly_finished(context))


def _temperatures(keywords: Mapping[str, Any]) -> list[float]:
    """Return the temperatures that EPW makes of ``temps`` and ``nstemp``: given, or evenly spaced between two."""
    given = keywords.get("temps", [])
    values = [float(value) for value in (given if isinstance(given, list | tuple) else [given])]
    number = int(keywords.get("nstemp", 0)) or len(values)
    if len(values) == 2 and number > 2:
        step = (values[1] - values[0]) / (number - 1)
        return [values[0] + index * step for index in range(number)]
    return values


def _with_wider_window(keywords: dict[str, Any], context: EpwContext) -> EpwRecovery | None:
    """Move the edge of the Fermi window: the same input would end the same way.

    EPW 5.3.1 looks up the states of a k-point outside the window in element 0 of an array that begins at 1
    (write_ephmat of io_eliashberg.f90). If what lies there in memory looks like an energy in the window, it writes
    elements that nobody expects, and reads the rest in the wrong places: alpha2F is wrong, without a word. Beyond four
    smearings a state weighs nothing, so that a wider window is the same physics.
    """
    if context.history.count(_EPW_MATRIX_ELEMENTS) >= _MAX_WIDER or "fsthick" not in keywords:
        return None
    wider = round(_WIDER * float(keywords["fsthick"]), 4)
    reason = f"its matrix elements do not fit its states; fsthick from {keywords['fsthick']:g} to {wider:g} eV"
    return EpwRecovery("rerun", {**keywords, "fsthick": wider}, reason, _newly_finished(context))


def _with_less_memory(keywords: dict[str, Any], context: EpwContext) -> EpwRecovery | None:
    """Use fewer ranks, each of which is a pool with its own copies, or keep less in memory: the same physics."""
    if any(status in context.history for status in _EPW_OUT_OF_MEMORY):
        return None
    start = _newly_finished(context)
    if context.ranks > 1:
        ranks = context.ranks // 2
        return EpwRecovery("rerun", keywords, f"out of memory; {ranks} ranks instead of {context.ranks}", start, ranks)
    version = context.outputs.get("code_version") or context.assumed_version
    current = int(keywords.get("etf_mem", 1))
    further = current + 1
    if further > (1 if version_tuple(version) >= (5, 9) else 2):
        return None
    reason = f"out of memory; etf_mem from {current} to {further}"
    return EpwRecovery("rerun", {**keywords, "etf_mem": further}, reason, start)


def _with_printed_version(keywords: dict[str, Any], context: EpwContext) -> EpwRecovery | None:
    """Write the input again for the version that the header shows, if it is another."""
    printed = context.outputs.get("code_version")
    if printed is None or printed == context.assumed_version:
        return None
    reason = f"the input was written for EPW {context.assumed_version} and refused, this is {printed}; written anew"
    return EpwRecovery("rerun", keywords, reason, epw_version=printed)


def _number_of_skipped_bands(keywords: Mapping[str, Any]) -> int:
    """Count the bands of a keyword such as ``bands_skipped = 'exclude_bands = 1:4, 7'``."""
    ranges = re.findall(r"(\d+)(?:\s*[:-]\s*(\d+))?", str(keywords.get("bands_skipped") or "").partition("=")[2])
    return sum(int(last or first) - int(first) + 1 for first, last in ranges)


def _with_fermi_energy(keywords: dict[str, Any], context: EpwContext) -> EpwRecovery | None:
    """Look whether the Wannier functions can hold the electrons; if so, give the Fermi energy of the coarse mesh."""
    excluded = context.outputs.get("number_of_excluded_bands", _number_of_skipped_bands(keywords))
    room = 2 * (keywords["nbndsub"] + excluded)
    if context.n_electrons is not None and room <= context.n_electrons:
        reason = f"{room} states can't hold {context.n_electrons:g} electrons and a Fermi energy; the next Wannier plan"
        return EpwRecovery("next_wannier_plan", keywords, reason)
    if keywords.get("efermi_read") or context.fermi_energy_ev is None:
        return None
    changed = {**keywords, "efermi_read": True, "fermi_energy": context.fermi_energy_ev}
    reason = f"no Fermi energy on the fine mesh; that of the coarse one, {context.fermi_energy_ev:.3f} eV, is given"
    return EpwRecovery("rerun", changed, reason, _newly_finished(context))
