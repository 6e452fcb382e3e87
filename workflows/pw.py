"""Inputs of pw.x: the one place where settings become namelists, so that no two stages can differ by accident."""

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ProcessHandlerReport, process_handler
from aiida.plugins import WorkflowFactory
from aiida_quantumespresso.calculations.pw import PwCalculation

from hts.fingerprint import fingerprint
from hts.pseudopotentials import read_upf_header
from hts.units import KBAR_PER_GPA
from workflows.replay import ReplaySafe

_CODES = PwCalculation.exit_codes
# Ended from outside, at whatever moment: the scheduler's limit, a node that failed, a process that was killed.
_INTERRUPTED = [
    _CODES.ERROR_SCHEDULER_OUT_OF_WALLTIME,
    _CODES.ERROR_SCHEDULER_NODE_FAILURE,
    _CODES.ERROR_OUTPUT_STDOUT_INCOMPLETE,
    _CODES.ERROR_IONIC_INTERRUPTED_PARTIAL_TRAJECTORY,
]
_MAX_INTERRUPTIONS = 3


class PwBaseWorkChain(ReplaySafe, WorkflowFactory("quantumespresso.pw.base")):  # type: ignore[misc]
    """pw.x with the restarts and handlers of aiida-quantumespresso, submitted once whatever is killed in between."""

    @process_handler(priority=700, exit_codes=_INTERRUPTED)
    def run_again_what_was_interrupted(self, calculation: orm.CalcJobNode) -> ProcessHandlerReport | None:
        """Run an interrupted job again, a few times, with the same physics.

        aiida-quantumespresso 5.1 has no handler for the first three, and for a relaxation it takes an output structure
        for granted, which one that was ended within its first step does not have: the process raises.
        """
        partial = calculation.exit_status == _CODES.ERROR_IONIC_INTERRUPTED_PARTIAL_TRAJECTORY.status
        if partial and "output_structure" in calculation.outputs:
            return None
        # Exit codes from 400 on are taken from the cache: it would be "run" again in no time, and interrupted again.
        calculation.base.caching.is_valid_cache = False
        self.ctx.interruptions = self.ctx.get("interruptions", 0) + 1
        if self.ctx.interruptions > _MAX_INTERRUPTIONS:
            self.report(f"PwCalculation<{calculation.pk}> was interrupted for the {self.ctx.interruptions}th time")
            return ProcessHandlerReport(do_break=True, exit_code=self.exit_codes.ERROR_KNOWN_UNRECOVERABLE_FAILURE)
        self.report_error_handled(calculation, "interrupted from outside, run again with the same inputs")
        return ProcessHandlerReport(do_break=True)


def job_options(options: Mapping[str, Any], code: str) -> dict[str, Any]:
    """Return ``metadata.options`` of a job of one code: ``default`` with the code's own entries over it.

    Parameters
    ----------
    options : mapping
        ``default`` and code names (pw, ph, q2r, epw) to AiiDA job options.
    code : str
    """
    merged = {**options.get("default", {}), **options.get(code, {})}
    merged.setdefault("resources", {"num_machines": 1, "num_mpiprocs_per_machine": 1})
    merged.setdefault("max_wallclock_seconds", 3600)
    ranks = merged["resources"].get("num_machines", 1) * merged["resources"].get("num_mpiprocs_per_machine", 1)
    # Starting mpirun for one rank costs more than some of the jobs.
    merged.setdefault("withmpi", ranks > 1)
    return merged


def pw_parameters(dft: Mapping[str, Any], calculation: str, extra: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the namelists of pw.x.

    Parameters
    ----------
    dft : mapping
        The ``dft`` settings.
    calculation : str
        ``scf``, ``nscf`` or ``vc-relax``.
    extra : mapping
        Namelist -> keywords that replace or extend the common ones.
    """
    parameters: dict[str, dict[str, Any]] = {
        "CONTROL": {"calculation": calculation},
        "SYSTEM": {
            "ecutwfc": dft["ecutwfc_ry"],
            "ecutrho": dft["ecutrho_ry"],
            "occupations": "smearing",
            "smearing": dft["smearing"],
            "degauss": dft["degauss_ry"],
        },
        "ELECTRONS": {"conv_thr": dft["conv_thr_ry"], "mixing_beta": dft["mixing_beta"]},
    }
    if calculation != "nscf":
        parameters["CONTROL"] |= {"tprnfor": True, "tstress": True}
    for namelist, keywords in extra.items():
        parameters[namelist] = {**parameters.get(namelist, {}), **keywords}
    return parameters


def relaxation_namelists(relax: Mapping[str, Any], pressure_gpa: float) -> dict[str, dict[str, Any]]:
    """Return what a variable-cell relaxation at a pressure adds to the namelists."""
    return {
        "CONTROL": {"etot_conv_thr": relax["etot_conv_thr_ry"], "forc_conv_thr": relax["forc_conv_thr_ry_bohr"]},
        "CELL": {"press": pressure_gpa * KBAR_PER_GPA, "press_conv_thr": relax["press_conv_thr_kbar"]},
        # The default, 1e-3 bohr, is more than the last step of a stiff crystal to 0.1 kbar: BFGS would stop before it.
        "IONS": {"trust_radius_min": 1.0e-5},
    }


def spin_namelists(starting_magnetisation: Mapping[str, float], structure: orm.StructureData) -> dict[str, Any]:
    """Return what a spin-polarised calculation adds to the namelists; the fractions are given by element."""
    fractions = {
        kind.name: starting_magnetisation[kind.symbol]
        for kind in structure.kinds
        if kind.symbol in starting_magnetisation
    }
    return {"SYSTEM": {"nspin": 2, "starting_magnetization": fractions}}


def pw_inputs(
    inputs: AttributeDict,
    *,
    structure: orm.StructureData,
    kpoints: orm.KpointsData,
    calculation: str,
    extra: Mapping[str, Mapping[str, Any]] | None = None,
    parent_folder: orm.RemoteData | None = None,
) -> dict[str, Any]:
    """Return the inputs of a ``PwBaseWorkChain``.

    Parameters
    ----------
    inputs : AttributeDict
        The calling process's inputs: ``codes.pw``, ``pseudos``, ``settings`` and ``options``.
    structure, kpoints
        What to compute, and where in the Brillouin zone.
    calculation : str
    extra : mapping, optional
        As in `pw_parameters`.
    parent_folder : RemoteData, optional
        Of the scf that an nscf continues.
    """
    options = job_options(inputs.options.get_dict(), "pw")
    pw: dict[str, Any] = {
        "code": inputs.codes.pw,
        "structure": structure,
        "pseudos": {kind.name: inputs.pseudos[kind.symbol] for kind in structure.kinds},
        "parameters": orm.Dict(pw_parameters(inputs.settings["dft"], calculation, extra or {})),
        "metadata": {"options": options},
    }
    if parent_folder is not None:
        pw["parent_folder"] = parent_folder
    return {"pw": pw, "kpoints": kpoints}


def afresh(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of a ``PwBaseWorkChain`` so that its job runs, whatever the cache holds.

    Parameters
    ----------
    inputs : dict
        As from `pw_inputs`, with a ``call_link_label``.
    """
    pw = {**inputs["pw"], "metadata": {**inputs["pw"]["metadata"], "disable_cache": True}}
    label = f"{inputs['metadata']['call_link_label']}_afresh"
    return {**inputs, "pw": pw, "metadata": {**inputs["metadata"], "call_link_label": label}}


def mesh_kpoints(mesh: tuple[int, int, int]) -> orm.KpointsData:
    """Return an unstored Gamma-centred mesh."""
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh(list(mesh))
    return kpoints


def without_projectors(inputs: AttributeDict, structure: orm.StructureData) -> bool:
    """Tell whether all pseudopotentials of a crystal are purely local, as `H.pz-vbc.UPF` is for H2."""
    used = [inputs.pseudos[kind.symbol] for kind in structure.kinds]
    return all(read_upf_header(pseudo.get_content(), pseudo.filename).n_projectors == 0 for pseudo in used)


def basis_of(inputs: AttributeDict, pressure_gpa: float) -> dict[str, Any]:
    """Return what must agree between the phases of one hull; see `hts.hull.PhaseEnthalpy`."""
    dft = inputs.settings["dft"]
    used = {kind.symbol for kind in inputs.structure.kinds}
    keys = ("ecutwfc_ry", "ecutrho_ry", "kpoints_distance_inv_ang", "smearing", "degauss_ry")
    return {
        "pressure_gpa": pressure_gpa,
        **{key: dft[key] for key in keys},
        "pseudos": {element: inputs.pseudos[element].md5 for element in sorted(used)},
    }


def settings_fingerprint(inputs: AttributeDict) -> str:
    """Identify the settings that decide the numbers: DFT, relaxation, pseudopotentials; not the job's resources."""
    settings = inputs.settings.get_dict()
    pseudos = {element: pseudo.md5 for element, pseudo in inputs.pseudos.items()}
    return fingerprint({"dft": settings["dft"], "relax": settings["relax"], "pseudos": pseudos})
