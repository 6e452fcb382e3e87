"""Dynamic stability of one crystal: one ph.x job an irreducible q-point, stopped at the first confirmed instability."""

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from hts.dynmat import read_qpoint_list
from hts.electrons import denser_mesh
from hts.phonons import fractional_qpoint, irreducible_qpoints, judge_qpoint, search_order
from hts.symmetry import rotations
from workflows import functions
from workflows.calculations.ph import PhQPointCalculation
from workflows.handlers import recover_ph
from workflows.parsers.ph import dynamical_matrix_of, read_matrix_file
from workflows.pw import PwBaseWorkChain, job_options, mesh_kpoints, pw_inputs
from workflows.stage import StageWorkChain

Q2rCalculation = CalculationFactory("quantumespresso.q2r")
_FRACTION_OF_WALLTIME = 0.9


class PhononsWorkChain(StageWorkChain):
    """Decide whether a crystal is dynamically stable on its q-mesh.

    q-points run in waves, the likeliest unstable first. An imaginary mode is a suspicion, not a verdict: the scf and
    that q-point are repeated on a denser k-mesh. If the mode stays, the crystal is unstable; if it goes, everything is
    redone on the denser mesh, because force constants and EPW must not mix meshes.
    """

    _codes = ("pw", "ph", "q2r")

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("scf_folder", valid_type=orm.RemoteData, help="Scratch of the scf of this very crystal.")
        spec.input("kpoints_mesh", valid_type=orm.List, help="k-mesh of that scf.")
        spec.input(
            "min_frequency_cm1", valid_type=orm.Float, default=lambda: orm.Float(-20.0), help="cm^-1; below: imaginary."
        )
        spec.input(
            "softest_first", valid_type=orm.List, required=False, help="q indices from 1, from the pressure above."
        )
        spec.outline(
            cls.setup,
            while_(cls.should_go_on)(
                cls.run_qpoints,
                cls.inspect_qpoints,
                if_(cls.should_confirm)(cls.run_denser_scf, cls.inspect_denser_scf),
            ),
            cls.judge,
            if_(cls.should_interpolate)(cls.run_q2r, cls.inspect_q2r),
            cls.results,
        )
        spec.output(
            "phonons", valid_type=orm.Dict, help="verdict (stable, unstable, undecided), reason, modes by q (cm^-1)."
        )
        spec.output(
            "scf_folder", valid_type=orm.RemoteData, help="Scratch of the scf that the final q-points belong to."
        )
        spec.output_namespace(
            "ph_folders", valid_type=orm.RemoteData, dynamic=True, help="q_N -> scratch with its dvscf."
        )
        spec.output("force_constants", valid_type=orm.SinglefileData, required=False, help="From q2r.x.")
        spec.output("bands", valid_type=orm.BandsData, required=False, help="Interpolated on the seekpath path, THz.")
        spec.output(
            "interpolation",
            valid_type=orm.Dict,
            required=False,
            help="Zero-point energy (eV/atom) and lowest interpolated mode.",
        )
        spec.exit_code(401, "ERROR_PH_FAILED", message="undecided: {reason}")
        spec.exit_code(402, "ERROR_Q2R_FAILED", message="q2r.x failed: {reason}")
        spec.exit_code(403, "ERROR_DENSER_SCF_FAILED", message="the scf on the denser k-mesh failed: {reason}")
        spec.exit_code(
            210, "ERROR_SCRATCH_GONE", message="the scf's scratch folder is empty; relax again before the phonons"
        )

    def setup(self) -> ExitCode | None:
        """List the irreducible q-points and the order in which to try them."""
        if self.inputs.scf_folder.is_empty:
            return self.exit_codes.ERROR_SCRATCH_GONE
        found = rotations(self.inputs.structure.get_pymatgen())
        qpoints = irreducible_qpoints(found, self.inputs.settings["dft"]["qpoints_mesh"])
        self.ctx.mesh = tuple(self.inputs.kpoints_mesh.get_list())
        self.ctx.scf_folder = self.inputs.scf_folder
        self.ctx.qpoints = qpoints.tolist()
        known = self.inputs.softest_first.get_list() if "softest_first" in self.inputs else []
        self.ctx.order = [index + 1 for index in search_order(qpoints, [index - 1 for index in known])]
        self.ctx.queue = [{"index": index} for index in self.ctx.order]
        self.ctx.done = {}
        self.ctx.recovered = []
        self.ctx.meshes_tried = [list(self.ctx.mesh)]
        self.ctx.suspect = None
        self.ctx.confirmed = None
        self.ctx.failure = None
        return None

    def should_go_on(self) -> bool:
        """Go on while q-points are left and nothing is decided."""
        return bool(self.ctx.queue) and self.ctx.confirmed is None and self.ctx.failure is None

    def run_qpoints(self) -> None:
        """Submit the next wave; while a suspicion is being confirmed, that q-point alone."""
        at_once = 1 if self.ctx.suspect is not None else self.inputs.options.get_dict().get("qpoints_at_once", 4)
        self.ctx.wave = self.ctx.queue[:at_once]
        self.ctx.queue = self.ctx.queue[at_once:]
        self.ctx.jobs = []
        for task in self.ctx.wave:
            self.to_context(jobs=append_(self.submit(PhQPointCalculation, **self._ph_inputs(task))))

    def _ph_inputs(self, task: dict[str, Any]) -> dict[str, Any]:
        settings = self.inputs.settings
        options = job_options(self.inputs.options.get_dict(), "ph")
        attempt = task.get("attempt", 1)
        parameters = task.get("parameters") or {
            "tr2_ph": settings["phonons"]["tr2_ph"],
            "alpha_mix(1)": settings["phonons"]["alpha_mix"],
            "max_seconds": int(_FRACTION_OF_WALLTIME * options["max_wallclock_seconds"]),
        }
        inputs = {
            "code": self.inputs.codes.ph,
            "parent_folder": self.ctx.scf_folder,
            "qpoints": mesh_kpoints(tuple(settings["dft"]["qpoints_mesh"])),
            "qpoint_index": orm.Int(task["index"]),
            "parameters": orm.Dict({"INPUTPH": parameters}),
            "metadata": {
                "options": options,
                "call_link_label": f"q{task['index']}_k{'x'.join(map(str, self.ctx.mesh))}_{attempt}",
            },
        }
        if task.get("restart_folder") is not None:
            inputs["restart_folder"] = task["restart_folder"]
        return inputs

    def inspect_qpoints(self) -> None:
        """Judge each job of the wave; put failed ones back with what may help."""
        for task, job in zip(self.ctx.wave, self.ctx.jobs, strict=True):
            if job.is_finished_ok:
                self.ctx.done[f"q_{task['index']}"] = job
                self._replan(job)
                self._judge_job(task["index"], job)
            else:
                self._recover(task, job)

    def _judge_job(self, index: int, job: orm.CalcJobNode) -> None:
        verdict = judge_qpoint(
            dynamical_matrix_of(job.outputs.retrieved, index),
            self.inputs.min_frequency_cm1.value,
            self.inputs.settings["phonons"]["acoustic_tolerance_cm1"],
        )
        mesh = "x".join(map(str, self.ctx.mesh))
        self.report(f"q {index} at k {mesh}: {verdict.verdict}, {verdict.reason}")
        if verdict.verdict == "undecided":
            self.ctx.failure = f"q-point {index}: {verdict.reason}"
        elif index == self.ctx.suspect:
            if verdict.verdict == "unstable":
                self.ctx.confirmed = index
            else:
                self.report(
                    f"the imaginary mode at q {index} went away at k {mesh}: this pressure is redone on that mesh"
                )
            self.ctx.suspect = None
        elif verdict.verdict == "unstable" and self.ctx.suspect is None:
            self.ctx.suspect = index

    def _recover(self, task: dict[str, Any], job: orm.CalcJobNode) -> None:
        attempt = task.get("attempt", 1)
        recovery = recover_ph(job.exit_status, job.inputs.parameters["INPUTPH"]) if job.is_finished else None
        if recovery is None or attempt >= self.inputs.settings["phonons"]["max_attempts"]:
            self.ctx.failure = f"q-point {task['index']}: {self.reason_of(job)} (attempt {attempt})"
            return
        self.report(f"q {task['index']}: {recovery.reason}")
        self.ctx.recovered.append({"pk": job.pk, "reason": recovery.reason})
        again = {"index": task["index"], "attempt": attempt + 1, "parameters": recovery.parameters}
        if recovery.restart:
            again["restart_folder"] = job.outputs.remote_folder
        self.ctx.queue.insert(0, again)

    def _replan(self, job: orm.CalcJobNode) -> None:
        """Replace the predicted list of q-points by that of ph.x, should they ever differ."""
        _, cartesian = read_qpoint_list(read_matrix_file(job.outputs.retrieved, 0))
        found = fractional_qpoint(cartesian, np.array(self.inputs.structure.cell))
        predicted = np.array(self.ctx.qpoints)
        if found.shape == predicted.shape and np.allclose(found - predicted, np.rint(found - predicted), atol=1e-4):
            return
        self.report(f"ph.x lists {len(found)} irreducible q-points, {len(predicted)} were predicted: following ph.x")
        self.ctx.qpoints = found.tolist()
        taken = {task["index"] for task in [*self.ctx.wave, *self.ctx.queue]} | {int(key[2:]) for key in self.ctx.done}
        self.ctx.order = [index + 1 for index in search_order(found)]
        self.ctx.queue = [task for task in self.ctx.queue if task["index"] <= len(found)]
        self.ctx.queue += [{"index": index} for index in self.ctx.order if index not in taken]

    def should_confirm(self) -> bool:
        """Look at an imaginary mode again on a denser k-mesh before it counts."""
        if self.ctx.suspect is None or self.ctx.failure is not None:
            return False
        if len(self.ctx.meshes_tried) > self.inputs.settings["phonons"]["max_confirmations"]:
            self.ctx.failure = (
                f"q-point {self.ctx.suspect} is imaginary at k {self.ctx.mesh}, others were only on coarser meshes "
                f"({self.ctx.meshes_tried}); converge the k-mesh"
            )
            return False
        return True

    def run_denser_scf(self) -> Any:
        """Submit the scf of the same crystal on the next k-mesh."""
        self.ctx.mesh = denser_mesh(tuple(self.ctx.mesh), tuple(self.inputs.settings["dft"]["qpoints_mesh"]))
        self.ctx.meshes_tried.append(list(self.ctx.mesh))
        inputs = pw_inputs(
            self.inputs, structure=self.inputs.structure, kpoints=mesh_kpoints(self.ctx.mesh), calculation="scf"
        )
        inputs["metadata"] = {"call_link_label": f"scf_k{'x'.join(map(str, self.ctx.mesh))}"}
        return ToContext(denser_scf=self.submit(PwBaseWorkChain, **inputs))

    def inspect_denser_scf(self) -> ExitCode | None:
        """Start over on the denser mesh, the suspect first."""
        child = self.ctx.denser_scf
        if not child.is_finished_ok:
            return self.exit_codes.ERROR_DENSER_SCF_FAILED.format(reason=self.reason_of(child))
        self.ctx.scf_folder = child.outputs.remote_folder
        self.ctx.done = {}
        order = [self.ctx.suspect, *(index for index in self.ctx.order if index != self.ctx.suspect)]
        self.ctx.queue = [{"index": index} for index in order]
        return None

    def judge(self) -> None:
        """Put the verdict into the graph."""
        context = {
            "min_frequency_cm1": self.inputs.min_frequency_cm1.value,
            "acoustic_tolerance_cm1": self.inputs.settings["phonons"]["acoustic_tolerance_cm1"],
            "qpoints_mesh": self.inputs.settings["dft"]["qpoints_mesh"],
            "kpoints_mesh": list(self.ctx.mesh),
            "kpoints_meshes_tried": self.ctx.meshes_tried,
            "number_of_qpoints": len(self.ctx.qpoints),
            "confirmed": self.ctx.confirmed,
            "failure": self.ctx.failure,
            "recovered": self.ctx.recovered,
        }
        self.ctx.phonons = functions.judge_phonons(
            structure=self.inputs.structure,
            context=orm.Dict(context),
            **{key: job.outputs.retrieved for key, job in self.ctx.done.items()},
        )

    def should_interpolate(self) -> bool:
        """Force constants need every q-point of the mesh."""
        return bool(self.ctx.phonons["verdict"] == "stable")

    def run_q2r(self) -> Any:
        """Submit q2r.x on the merged dynamical matrices."""
        merged = functions.merge_dynamical_matrices(
            **{key: job.outputs.retrieved for key, job in self.ctx.done.items()}
        )
        inputs = {
            "code": self.inputs.codes.q2r,
            "parent_folder": merged,
            "parameters": orm.Dict({"INPUT": {"zasr": "simple"}}),
            "metadata": {"options": job_options(self.inputs.options.get_dict(), "q2r"), "call_link_label": "q2r"},
        }
        return ToContext(q2r=self.submit(Q2rCalculation, **inputs))

    def inspect_q2r(self) -> ExitCode | None:
        """Interpolate with phonopy."""
        job = self.ctx.q2r
        if not job.is_finished_ok:
            return self.exit_codes.ERROR_Q2R_FAILED.format(reason=self.reason_of(job))
        self.out("force_constants", job.outputs.force_constants)
        mesh = orm.Int(self.inputs.settings["phonons"]["interpolation_mesh"])
        interpolated = functions.interpolate_phonons(job.outputs.force_constants, self.inputs.structure, mesh)
        self.out("bands", interpolated["bands"])
        self.out("interpolation", interpolated["interpolation"])
        return None

    def results(self) -> ExitCode | None:
        """Attach the verdict and where its dvscf lie."""
        self.out("phonons", self.ctx.phonons)
        self.out("scf_folder", self.ctx.scf_folder)
        self.out("ph_folders", {key: job.outputs.remote_folder for key, job in self.ctx.done.items()})
        if self.ctx.phonons["verdict"] == "undecided":
            return self.exit_codes.ERROR_PH_FAILED.format(reason=self.ctx.phonons["reason"])
        return None
