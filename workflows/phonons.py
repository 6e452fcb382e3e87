"""Dynamic stability of one crystal: one ph.x job an irreducible q-point, stopped at the first imaginary mode."""

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from hts.dynmat import read_qpoint_list
from hts.electrons import denser_mesh
from hts.phonons import fractional_qpoint, irreducible_qpoints, search_order, star_sizes
from hts.qpoint_search import UNSTABLE, QPointSearch
from hts.stopped_jobs import STOPPED_BY_MONITOR
from hts.symmetry import rotations
from workflows import phonon_functions
from workflows.calculations.ph import PhQPointCalculation
from workflows.handlers import recover_ph
from workflows.parsers.ph import read_matrix_file, read_partial_modes
from workflows.pw import PwBaseWorkChain, afresh, job_options, mesh_kpoints, pw_inputs
from workflows.scratch import clean, is_gone
from workflows.stability import StabilityWorkChain

Q2rCalculation = CalculationFactory("quantumespresso.q2r")
_FRACTION_OF_WALLTIME = 0.9


class PhononsWorkChain(StabilityWorkChain):
    """Decide whether a crystal is dynamically stable on its q-mesh.

    q-points run side by side, the likeliest unstable first; the first imaginary mode ends the others
    (`workflows.monitors`). Which comes next and when all is decided, also the second opinion that every imaginary or
    borderline mode needs, says `hts.qpoint_search`. A point is named ``q_N`` on the q-mesh and ``i_N`` on the doubled
    mesh, which is asked where only the interpolation is imaginary.
    """

    _codes = ("pw", "ph", "q2r")

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("scf_folder", valid_type=orm.RemoteData, help="Scratch of the scf of this very crystal.")
        spec.input(
            "softest_first", valid_type=orm.List, required=False, help="q indices from 1, from the pressure above."
        )
        spec.outline(
            cls.setup,
            while_(cls.should_go_on)(
                if_(cls.should_run_scf)(cls.run_scf, if_(cls.is_scratch_gone)(cls.run_scf_afresh), cls.inspect_scf),
                if_(cls.should_compute)(cls.run_qpoints, cls.inspect_qpoints),
                if_(cls.should_interpolate)(cls.run_q2r, cls.inspect_q2r),
            ),
            cls.judge,
            cls.results,
        )
        spec.output(
            "scf_folder", valid_type=orm.RemoteData, help="Scratch of the scf that the final q-points belong to."
        )
        spec.output_namespace(
            "ph_folders", valid_type=orm.RemoteData, dynamic=True, help="q_N -> scratch with its dvscf."
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
        mesh = self.inputs.settings["dft"]["qpoints_mesh"]
        found = rotations(self.inputs.structure.get_pymatgen())
        qpoints = irreducible_qpoints(found, mesh)
        known = self.inputs.softest_first.get_list() if "softest_first" in self.inputs else []
        order = search_order(qpoints, star_sizes(found, qpoints, mesh), [index - 1 for index in known])
        self.ctx.qpoints = qpoints.tolist()
        names = [f"q_{index + 1}" for index in order]
        self.ctx.search = QPointSearch(names, self.inputs.settings["phonons"]["max_confirmations"]).to_dict()
        self.ctx.levels = {
            "0": {"mesh": self.inputs.kpoints_mesh.get_list(), "scf_folder": self.inputs.scf_folder},
        }
        self.ctx.done = {}  # level -> point -> job
        self.ctx.again = {}  # level:point -> how to run it again
        self.ctx.recovered = []
        self.ctx.interpolation = None
        return None

    def should_run_scf(self) -> bool:
        """Stricter settings need an scf of their own, once."""
        return self.should_compute() and str(self._step.level) not in self.ctx.levels

    def run_scf(self) -> Any:
        """Submit the scf of the same crystal on the next k-mesh with a smaller smearing."""
        return ToContext(denser_scf=self.submit(PwBaseWorkChain, **self._scf_inputs()))

    def _scf_inputs(self) -> dict[str, Any]:
        level = self._step.level
        qpoints_mesh = tuple(self.inputs.settings["dft"]["qpoints_mesh"])
        mesh = denser_mesh(tuple(self.ctx.levels[str(level - 1)]["mesh"]), qpoints_mesh)
        self.ctx.next_mesh = list(mesh)
        inputs = pw_inputs(
            self.inputs,
            structure=self.inputs.structure,
            kpoints=mesh_kpoints(mesh),
            calculation="scf",
            extra={"SYSTEM": {"degauss": self._degauss_ry(level)}},
        )
        inputs["metadata"] = {"call_link_label": f"scf_k{'x'.join(map(str, mesh))}"}
        return inputs

    def is_scratch_gone(self) -> bool:
        """Notice a cached scf without its wavefunctions."""
        return is_gone(self.ctx.denser_scf)

    def run_scf_afresh(self) -> Any:
        """Submit it again, this time not from the cache."""
        return ToContext(denser_scf=self.submit(PwBaseWorkChain, **afresh(self._scf_inputs())))

    def inspect_scf(self) -> ExitCode | None:
        """Keep its scratch for the q-points of that level."""
        child = self.ctx.denser_scf
        if not child.is_finished_ok:
            return self.exit_codes.ERROR_DENSER_SCF_FAILED.format(reason=self.reason_of(child))
        level = {"mesh": self.ctx.next_mesh, "scf_folder": child.outputs.remote_folder}
        self.ctx.levels[str(self._step.level)] = level
        return None

    def run_qpoints(self) -> None:
        """Submit the next q-points; the first few alone where other candidates can use the machine meanwhile."""
        step = self._step
        options = self.inputs.options.get_dict()
        at_once = options.get("qpoints_at_once", 4)
        if not self.ctx.done:
            at_once = min(at_once, options.get("qpoints_first", at_once))
        self.ctx.wave = [[point, step.level] for point in step.points[:at_once]]
        self.ctx.jobs = []
        for point, level in self.ctx.wave:
            self.to_context(jobs=append_(self.submit(PhQPointCalculation, **self._ph_inputs(point, level))))

    def _ph_inputs(self, point: str, level: int) -> dict[str, Any]:
        settings = self.inputs.settings
        phonons = settings["phonons"]
        options = job_options(self.inputs.options.get_dict(), "ph")
        again = self.ctx.again.get(f"{level}:{point}", {})
        kind, index = point.split("_")
        mesh = [(2 if kind == "i" else 1) * count for count in settings["dft"]["qpoints_mesh"]]
        parameters = again.get("parameters") or {
            "tr2_ph": phonons["tr2_ph"] * phonons["confirmation_tr2_factor"] ** level,
            "alpha_mix(1)": phonons["alpha_mix"],
            "max_seconds": int(_FRACTION_OF_WALLTIME * options["max_wallclock_seconds"]),
        }
        watch = {
            "entry_point": "hts.imaginary_mode",
            "kwargs": {"min_frequency_cm1": self.inputs.min_frequency_cm1.value},
        }
        k_mesh = "x".join(map(str, self.ctx.levels[str(level)]["mesh"]))
        inputs = {
            "code": self.inputs.codes.ph,
            "parent_folder": self.ctx.levels[str(level)]["scf_folder"],
            "qpoints": mesh_kpoints((mesh[0], mesh[1], mesh[2])),
            "qpoint_index": orm.Int(int(index)),
            "parameters": orm.Dict({"INPUTPH": parameters}),
            "monitors": {"imaginary_mode": orm.Dict(watch)},
            "metadata": {
                "options": options,
                "call_link_label": f"{point.replace('_', '')}_k{k_mesh}_{again.get('attempt', 1)}",
            },
        }
        if again.get("disable_cache"):
            inputs["metadata"]["disable_cache"] = True
        if again.get("restart_folder") is not None:
            inputs["restart_folder"] = again["restart_folder"]
        return inputs

    def inspect_qpoints(self) -> None:
        """Judge each job; put failed ones back with what may help. One stopped for a sibling's sake is put back too."""
        for (point, level), job in zip(self.ctx.wave, self.ctx.jobs, strict=True):
            if is_gone(job):
                self.report(f"{point.replace('_', ' ')}: cached, but its dvscf is gone; run afresh")
                self.ctx.again[f"{level}:{point}"] = {"disable_cache": True}
            elif job.is_finished_ok:
                self.ctx.done.setdefault(str(level), {})[point] = job
                if point.startswith("q_"):
                    self._replan(job)
                self._judge_matrix(point, level, job.outputs.retrieved, job.inputs.qpoint_index.value)
            elif job.exit_status != STOPPED_BY_MONITOR:
                self._recover(point, level, job)
            elif read_partial_modes(job.outputs.retrieved) is not None:
                self.ctx.done.setdefault(str(level), {})[point] = job
                self._record(point, level, UNSTABLE, job.exit_message)

    def _recover(self, point: str, level: int, job: orm.CalcJobNode) -> None:
        key = f"{level}:{point}"
        attempt = self.ctx.again.get(key, {}).get("attempt", 1)
        recovery = recover_ph(job.exit_status, job.inputs.parameters["INPUTPH"]) if job.is_finished else None
        if recovery is None or attempt >= self.inputs.settings["phonons"]["max_attempts"]:
            self.ctx.search["failure"] = f"{point.replace('_', ' ')}: {self.reason_of(job)} (attempt {attempt})"
            return
        self.report(f"{point.replace('_', ' ')}: {recovery.reason}")
        self.ctx.recovered.append({"pk": job.pk, "reason": recovery.reason})
        restart_folder = job.outputs.remote_folder if recovery.restart else None
        self.ctx.again[key] = {
            "attempt": attempt + 1,
            "parameters": recovery.parameters,
            "restart_folder": restart_folder,
        }

    def _replan(self, job: orm.CalcJobNode) -> None:
        """Replace the predicted list of q-points by that of ph.x, should they ever differ."""
        _, cartesian = read_qpoint_list(read_matrix_file(job.outputs.retrieved, 0))
        found = fractional_qpoint(cartesian, np.array(self.inputs.structure.cell))
        predicted = np.array(self.ctx.qpoints)
        if found.shape == predicted.shape and np.allclose(found - predicted, np.rint(found - predicted), atol=1e-4):
            return
        self.report(f"ph.x lists {len(found)} irreducible q-points, {len(predicted)} were predicted: following ph.x")
        self.ctx.qpoints = found.tolist()
        names = [f"q_{index + 1}" for index in search_order(found)]
        search = QPointSearch.from_dict(self.ctx.search)
        search.order = [point for point in search.order if point in names]
        search.add(names)
        self.ctx.search = search.to_dict()

    def run_q2r(self) -> Any:
        """Submit q2r.x on the merged dynamical matrices."""
        whole = {point: job for point, job in self.ctx.done[str(self._step.level)].items() if point.startswith("q_")}
        merged = phonon_functions.merge_dynamical_matrices(
            **{point: job.outputs.retrieved for point, job in whole.items()}
        )
        inputs = {
            "code": self.inputs.codes.q2r,
            "parent_folder": merged,
            "parameters": orm.Dict({"INPUT": {"zasr": "simple"}}),
            "metadata": {"options": job_options(self.inputs.options.get_dict(), "q2r"), "call_link_label": "q2r"},
        }
        return ToContext(q2r=self.submit(Q2rCalculation, **inputs))

    def inspect_q2r(self) -> ExitCode | None:
        """Interpolate with phonopy; where only the interpolation is imaginary ask for that q-point itself."""
        job = self.ctx.q2r
        if not job.is_finished_ok:
            return self.exit_codes.ERROR_Q2R_FAILED.format(reason=self.reason_of(job))
        max_checks = self.inputs.settings["phonons"]["max_interpolation_checks"]
        check = self._interpolate(job.outputs.force_constants, max_checks)
        search = QPointSearch.from_dict(self.ctx.search)
        search.add([f"i_{point['index']}" for point in check["points"]])
        self.ctx.search = search.to_dict()
        return None

    def judge(self) -> None:
        """Put the verdict into the graph."""
        context = {**self._judging_context("dfpt", len(self.ctx.qpoints)), "recovered": self.ctx.recovered}
        self.ctx.phonons = phonon_functions.judge_phonons(
            structure=self.inputs.structure, context=orm.Dict(context), **self._findings()
        )

    def _findings(self) -> dict[str, orm.FolderData]:
        """Return what each point of the judged level, and each second opinion one level up, has left in the graph."""
        level = self.ctx.search["level"]
        return {
            prefix + point: job.outputs.retrieved
            for prefix, one in (("", level), ("second_", level + 1))
            for point, job in self.ctx.done.get(str(one), {}).items()
        }

    def results(self) -> ExitCode | None:
        """Attach the verdict and where its dvscf lie; remove the scratch that nothing will read."""
        level = str(self.ctx.search["level"])
        kept = {
            point: job
            for point, job in self.ctx.done.get(level, {}).items()
            if point.startswith("q_") and job.is_finished_ok
        }
        self.out("phonons", self.ctx.phonons)
        self.out("scf_folder", self.ctx.levels[level]["scf_folder"])
        self.out("ph_folders", {point: job.outputs.remote_folder for point, job in kept.items()})
        self._out_products()
        if self.inputs.settings["decompression"]["clean_scratch"]:
            readers = {job.pk for job in kept.values()} | {self.ctx.levels[level]["scf_folder"].creator.pk}
            clean(self, readers)
        if self.ctx.phonons["verdict"] == "undecided":
            return self.exit_codes.ERROR_PH_FAILED.format(reason=self.ctx.phonons["reason"])
        return None
