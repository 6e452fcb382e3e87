"""Jobs of epw.x that its stages share: where settings become keywords, and how a failed one is run again."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aiida import orm
from aiida.common import AttributeDict

from workflows.calculations.epw_checks import assumed_version
from workflows.handlers import EpwContext, EpwRecovery, recover_epw
from workflows.pw import job_options

# EPW wants fsthick >= 4 degaussw; 0.41 eV is what the trial runs with 0.1 eV used.
_FSTHICK_MARGIN_EV, _LEAST_FSTHICK_EV = 0.01, 0.41


def fsthick_ev(degaussw_ev: float) -> float:
    """Return the half-width of the Fermi window that epw.x wants for a smearing, both in eV."""
    return max(4 * degaussw_ev + _FSTHICK_MARGIN_EV, _LEAST_FSTHICK_EV)


def largest_fsthick_ev(settings: Mapping[str, Any]) -> float:
    """Return the widest Fermi window (eV) that the settings of the coupling lead to."""
    return max(fsthick_ev(sigma) for sigma in (*settings["smearings_ev"], settings["estimate_degaussw_ev"]))


def mesh_keywords(name: str, mesh: Sequence[int]) -> dict[str, int]:
    """Return the three keywords of a mesh, such as ``nk1``."""
    return {f"{name}{axis + 1}": int(mesh[axis]) for axis in range(3)}


def epw_job(inputs: AttributeDict, parameters: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return the inputs of an ``EpwCalculation`` but for its folders.

    Parameters
    ----------
    inputs : AttributeDict
        The calling process's inputs: ``codes.epw``, ``structure`` and ``options``.
    parameters : mapping
        Keywords of INPUTEPW.
    label : str
        Of the link from the caller.
    """
    return {
        "code": inputs.codes.epw,
        "structure": inputs.structure,
        "parameters": orm.Dict({"INPUTEPW": dict(parameters)}),
        "metadata": {"options": job_options(inputs.options.get_dict(), "epw"), "call_link_label": label},
    }


def recovery_of(job: orm.CalcJobNode, relaxation: orm.Dict, again: Mapping[str, Any]) -> EpwRecovery | None:
    """Say how a job that did not end well may be run again; None where that can't help.

    Parameters
    ----------
    job : CalcJobNode
        Of an ``EpwCalculation``.
    relaxation : Dict
        Of the crystal: electrons and Fermi energy (eV).
    again : mapping
        What `run_again` returned for the attempt before; empty for the first.
    """
    if not job.is_finished:
        return None
    starts: tuple[Literal["epw_folder", "wannier_folder"], ...] = ("epw_folder", "wannier_folder")
    resources = job.get_option("resources") or {}
    context = EpwContext(
        start=next((name for name in starts if name in job.inputs), "nscf"),
        outputs=job.outputs.output_parameters.get_dict() if "output_parameters" in job.outputs else {},
        assumed_version=assumed_version(job.inputs),
        has_alpha2f="alpha2f" in job.outputs,
        n_electrons=relaxation["n_electrons"],
        fermi_energy_ev=relaxation["fermi_ev"],
        ranks=resources.get("num_machines", 1) * resources.get("num_mpiprocs_per_machine", 1),
        history=tuple(again.get("history", ())),
    )
    return recover_epw(job.exit_status, job.inputs.parameters["INPUTEPW"], context)


def run_again(job: orm.CalcJobNode, recovery: EpwRecovery, again: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `retried` needs to submit a job once more: plain types, and the folder of the failed one."""
    return {
        "attempt": again.get("attempt", 1) + 1,
        "history": [*again.get("history", ()), job.exit_status],
        "parameters": recovery.parameters,
        "start": recovery.start,
        "ranks": recovery.ranks,
        "epw_version": recovery.epw_version or again.get("epw_version"),
        "folder": job.outputs.remote_folder,
    }


def retried(inputs: dict[str, Any], again: Mapping[str, Any], coarse: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a further attempt; those given if there was none before.

    Parameters
    ----------
    inputs : dict
        Of the first attempt.
    again : mapping
        As `run_again` returns it, or empty.
    coarse : mapping
        Folders to begin from the coarse meshes: ``nscf_folder`` and, where there are any, ``ph_folders``.
    """
    if not again:
        return inputs
    metadata = {**inputs["metadata"], "call_link_label": f"{inputs['metadata']['call_link_label']}_{again['attempt']}"}
    if again["ranks"] is not None:
        resources = {**metadata["options"]["resources"], "num_machines": 1, "num_mpiprocs_per_machine": again["ranks"]}
        metadata["options"] = {**metadata["options"], "resources": resources, "withmpi": again["ranks"] > 1}
    changed = {**inputs, "parameters": orm.Dict({"INPUTEPW": again["parameters"]}), "metadata": metadata}
    if again["epw_version"] is not None:
        settings = changed["settings"].get_dict() if "settings" in changed else {}
        changed["settings"] = orm.Dict({**settings, "epw_version": again["epw_version"]})
    folders = ("nscf_folder", "ph_folders", "wannier_folder", "epw_folder")
    without = {key: value for key, value in changed.items() if key not in folders}
    if again["start"] == "matrix_elements":
        return {**without, "epw_folder": again["folder"]}
    if again["start"] == "wannier_functions":
        return {**without, **coarse, "wannier_folder": again["folder"]}
    if again["start"] == "coarse":
        return {**without, **coarse}
    return changed
