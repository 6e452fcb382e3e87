"""What ph.x can say of an EPW calculation: phonons between the q-points, and lambda without Wannier functions."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, append_, if_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from hts.phonon_leave_out import off_mesh_qpoint, proper_sub_mesh
from workflows import coupling_functions
from workflows.calculations.ph import PhQPointCalculation
from workflows.pw import job_options, mesh_kpoints
from workflows.stage import StageWorkChain

PhSimpleCalculation = CalculationFactory("hts.ph_simple")
_FRACTION_OF_WALLTIME = 0.9
# Ten smearings in steps of this, 0.07 to 0.7 eV: EPW's 0.1 and 0.2 eV lie among them.
_SIGMA_STEP_RY = 0.005


class CouplingChecksWorkChain(StageWorkChain):
    """Check the interpolation of phonons and the coupling constant by ph.x alone; nothing is decided here.

    Phonons: where the q-mesh has a sub-mesh, its other points are left out and predicted, which costs nothing; else
    ph.x runs at one more q-point. lambda: `electron_phonon = simple` on the stored dvscf, one job a q-point.
    """

    _codes = ("ph",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("phonons", valid_type=orm.Dict, help="Of the crystal: q-mesh, modes by q-point.")
        spec.input("scf_folder", valid_type=orm.RemoteData, help="The scf those phonons belong to.")
        spec.input_namespace("ph_folders", valid_type=orm.RemoteData, dynamic=True, help="q_N -> ph.x scratch.")
        spec.input("force_constants", valid_type=orm.SinglefileData, required=False, help="Of q2r.x.")
        spec.outline(if_(cls.should_run)(cls.run_jobs, cls.inspect_jobs), cls.results)
        spec.output("phonon_check", valid_type=orm.Dict, required=False, help="Interpolated against ph.x, cm^-1.")
        spec.output("simple_lambda", valid_type=orm.Dict, required=False, help="lambda by smearing (Ry), from ph.x.")
        spec.exit_code(401, "ERROR_CHECK_FAILED", message="not everything could be checked: {reason}")

    @property
    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.inputs.settings["coupling"]
        return settings

    def should_run(self) -> bool:
        """Ask whether any job is needed."""
        return bool(self._settings["lambda_check"] or self._needs_a_qpoint())

    def _needs_a_qpoint(self) -> bool:
        wanted = self._settings["phonon_check"] and "force_constants" in self.inputs
        return bool(wanted and proper_sub_mesh(self.inputs.phonons["qpoints_mesh"]) is None)

    def run_jobs(self) -> None:
        """Submit one job a q-point for lambda, and one for the q-point between the others."""
        self.ctx.simple, self.ctx.extra = [], None
        mesh = self.inputs.phonons["qpoints_mesh"]
        options = job_options(self.inputs.options.get_dict(), "ph")
        if self._settings["lambda_check"]:
            for name, folder in sorted(self.inputs.ph_folders.items()):
                index = int(name.removeprefix("q_"))
                inputs = {
                    "code": self.inputs.codes.ph,
                    "scf_folder": self.inputs.scf_folder,
                    "ph_folder": folder,
                    "qpoints": mesh_kpoints(tuple(mesh)),
                    "qpoint_index": orm.Int(index),
                    "parameters": orm.Dict({"INPUTPH": {"el_ph_sigma": _SIGMA_STEP_RY, "el_ph_ngauss": 0}}),
                    "metadata": {"options": options, "call_link_label": f"simple_q{index}"},
                }
                self.to_context(simple=append_(self.submit(PhSimpleCalculation, **inputs)))
        if self._needs_a_qpoint():
            self.to_context(extra=self.submit(PhQPointCalculation, **self._extra_inputs(mesh, options)))

    def _extra_inputs(self, mesh: list[int], options: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs of ph.x at the q-point of the doubled mesh that is farthest from the mesh."""
        point = off_mesh_qpoint(mesh, self.inputs.structure.get_pymatgen())
        self.ctx.extra_point = {"index": point.index, "qpoint": list(point.qpoint)}
        phonons = self.inputs.settings["phonons"]
        parameters = {
            "tr2_ph": phonons["tr2_ph"],
            "alpha_mix(1)": phonons["alpha_mix"],
            "max_seconds": int(_FRACTION_OF_WALLTIME * options["max_wallclock_seconds"]),
        }
        return {
            "code": self.inputs.codes.ph,
            "parent_folder": self.inputs.scf_folder,
            "qpoints": mesh_kpoints(point.mesh),
            "qpoint_index": orm.Int(point.index),
            "parameters": orm.Dict({"INPUTPH": parameters}),
            "metadata": {"options": options, "call_link_label": f"ph_between_{point.index}"},
        }

    def inspect_jobs(self) -> None:
        """Nothing is run again here: what failed is a check that was not made."""
        jobs = [*self.ctx.simple, *([self.ctx.extra] if self.ctx.extra is not None else [])]
        self.ctx.failed = [self.reason_of(job) for job in jobs if not job.is_finished_ok]

    def results(self) -> ExitCode | None:
        """Compare, and attach."""
        self._out_phonons()
        simple = self.ctx.simple if "simple" in self.ctx else []
        if simple and all(job.is_finished_ok for job in simple):
            by_name = {f"q_{job.inputs.qpoint_index.value}": job.outputs.output_parameters for job in simple}
            total = coupling_functions.sum_simple_lambda(self.inputs.structure, self.inputs.phonons, **by_name)
            self.out("simple_lambda", total)
        failed = self.ctx.failed if "failed" in self.ctx else []
        if failed:
            return self.exit_codes.ERROR_CHECK_FAILED.format(reason="; ".join(failed))
        return None

    def _out_phonons(self) -> None:
        if not self._settings["phonon_check"] or "force_constants" not in self.inputs:
            return
        common = (self.inputs.force_constants, self.inputs.structure, self.inputs.phonons)
        if not self._needs_a_qpoint():
            self.out("phonon_check", coupling_functions.leave_out_phonons(*common))
        elif self.ctx.extra.is_finished_ok:
            point = self.ctx.extra_point
            found = coupling_functions.compare_one_qpoint(
                *common, self.ctx.extra.outputs.retrieved, orm.List(list(point["qpoint"])), orm.Int(point["index"])
            )
            self.out("phonon_check", found)
