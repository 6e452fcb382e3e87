"""Electron-phonon coupling of a stable crystal: epw.x on the very ph.x runs that decided its stability."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from hts.coupling_estimate import ranking_tc_k
from hts.electrons import kpoint_mesh
from hts.epw_matrix_elements import sums_smearings
from hts.fine_meshes import FineMesh, FineMeshPlan, by_kpoints, next_meshes, plan_fine_meshes
from workflows import coupling_functions
from workflows.coupling_checks import CouplingChecksWorkChain
from workflows.epw_jobs import epw_job, fsthick_ev, mesh_keywords, recovery_of, retried, run_again
from workflows.gaps import GapsWorkChain
from workflows.pw import PwBaseWorkChain, mesh_kpoints, pw_inputs
from workflows.stage import StageWorkChain
from workflows.wannier import WannierWorkChain

EpwCalculation = CalculationFactory("hts.epw")
_ESTIMATE = "estimate"


class CouplingWorkChain(StageWorkChain):
    """Compute alpha2F on finer and finer meshes from one coarse run until Tc settles; hold it against pw.x and ph.x.

    Nothing of the phonons is computed again: dynamical matrices and dvscf come from the scratch of the ph.x jobs.
    """

    _codes = ("pw", "ph", "epw")
    _optional_codes = ("projwfc",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("relaxation", valid_type=orm.Dict, help="Of this crystal: Fermi energy, electrons, k-mesh.")
        spec.input("phonons", valid_type=orm.Dict, help="Its phonons: q-mesh and number of irreducible q-points.")
        spec.input("scf_folder", valid_type=orm.RemoteData, help="The scf those phonons belong to.")
        spec.input_namespace("ph_folders", valid_type=orm.RemoteData, dynamic=True, help="q_N -> ph.x scratch.")
        spec.input(
            "force_constants", valid_type=orm.SinglefileData, required=False, help="Of q2r.x, to check interpolation."
        )
        spec.input(
            "min_tc_k",
            valid_type=orm.Float,
            default=lambda: orm.Float(0.0),
            help="K; what a cheap estimate keeps below it is spared the fine meshes.",
        )
        spec.outline(
            cls.setup,
            cls.run_electrons,
            cls.inspect_electrons,
            while_(cls.should_run_epw)(cls.run_epw, cls.inspect_epw),
            if_(cls.should_check)(cls.run_checks, cls.inspect_checks),
            cls.judge,
            if_(cls.should_solve_anisotropic)(cls.run_anisotropic, cls.inspect_anisotropic),
            cls.results,
        )
        cls._define_outputs(spec)

    @classmethod
    def _define_outputs(cls, spec: WorkChainSpec) -> None:
        spec.output("coupling", valid_type=orm.Dict, help="Series of fine meshes, convergence, checks, the chosen one.")
        spec.output_namespace(
            "alpha2f", valid_type=orm.ArrayData, dynamic=True, help="Fine mesh -> alpha2F (energies in meV)."
        )
        spec.output("wannier", valid_type=orm.Dict, help="How the Wannier functions were made.")
        spec.output("path_bands", valid_type=orm.BandsData, required=False, help="pw.x, along the path, eV.")
        spec.output("wannier_bands", valid_type=orm.ArrayData, required=False, help="Along the same path, eV.")
        spec.output(
            "gap_distributions", valid_type=orm.ArrayData, required=False, help="Anisotropic gaps (meV) by temperature."
        )
        spec.output(
            "epw_folder", valid_type=orm.RemoteData, required=False, help="Scratch with the Wannier matrix elements."
        )
        spec.exit_code(
            210, "ERROR_SCRATCH_GONE", message="the scratch of {what} is empty; decompress again before coupling"
        )
        spec.exit_code(401, "ERROR_BANDS_FAILED", message="the dense bands failed: {reason}")
        spec.exit_code(402, "ERROR_EPW_FAILED", message="epw.x failed: {reason}")
        spec.exit_code(403, "ERROR_WANNIER_FAILED", message="no Wannier functions: {reason}")

    def setup(self) -> ExitCode | None:
        """Refuse empty scratch; plan the fine meshes."""
        folders = {"the scf": self.inputs.scf_folder, **self.inputs.ph_folders}
        empty = [name for name, folder in folders.items() if folder.is_empty]
        if empty:
            return self.exit_codes.ERROR_SCRATCH_GONE.format(what=", ".join(empty))
        self.ctx.jobs = {}  # label of its first mesh -> job that has ended well
        self.ctx.spectra = {}  # label -> alpha2F of a fine mesh, and what epw.x printed of it
        self.ctx.tc_k = {}  # label -> Allen-Dynes Tc at the first mu*, None if it failed
        self.ctx.again = {}  # label -> how to run it again
        self.ctx.estimate = None
        self.ctx.failure = None
        self.ctx.checks = {}
        return None

    @property
    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.inputs.settings["coupling"]
        return settings

    @property
    def _plan(self) -> FineMeshPlan:
        settings = self._settings
        n1, n2, n3 = (settings["fine_qpoints_per_q"] * count for count in self.inputs.phonons["qpoints_mesh"])
        return plan_fine_meshes(
            self.inputs.structure.cell,
            settings["fine_distances_inv_ang"],
            (n1, n2, n3),
            settings["smearings_ev"],
            tolerance=settings["tc_tolerance"],
            tolerance_k=settings["tc_tolerance_k"],
        )

    @property
    def _estimate_mesh(self) -> FineMesh:
        q1, q2, q3 = self.inputs.phonons["qpoints_mesh"]
        mesh = kpoint_mesh(
            self.inputs.structure.cell, self._settings["estimate_distance_inv_ang"], multiple_of=(q1, q2, q3)
        )
        return FineMesh(mesh, (q1, q2, q3), self._settings["estimate_degaussw_ev"])

    def run_electrons(self) -> None:
        """Submit the Wannier functions, and the bands on a dense mesh that N(E_F) is read from."""
        wannier = {
            **self.shared_inputs("pw", "epw", "projwfc"),
            **{key: self.inputs[key] for key in ("structure", "relaxation", "scf_folder")},
            "metadata": {"call_link_label": "wannier"},
        }
        distance = self._settings["dense_distance_inv_ang"]
        self.ctx.dense_mesh = kpoint_mesh(self.inputs.structure.cell, distance)
        dense = pw_inputs(
            self.inputs,
            structure=self.inputs.structure,
            kpoints=mesh_kpoints(self.ctx.dense_mesh),
            calculation="nscf",
            parent_folder=self.inputs.scf_folder,
            extra={"SYSTEM": {"nbnd": self.inputs.relaxation["n_bands"]}, "ELECTRONS": {"diago_full_acc": True}},
        )
        dense["metadata"] = {"call_link_label": "bands_dense"}
        self.to_context(
            wannier=self.submit(WannierWorkChain, **wannier), bands_dense=self.submit(PwBaseWorkChain, **dense)
        )

    def inspect_electrons(self) -> ExitCode | None:
        """Nothing can be coupled without Wannier functions, nothing be trusted without the density of states."""
        if not self.ctx.wannier.is_finished_ok:
            return self.exit_codes.ERROR_WANNIER_FAILED.format(reason=self.reason_of(self.ctx.wannier))
        if not self.ctx.bands_dense.is_finished_ok:
            return self.exit_codes.ERROR_BANDS_FAILED.format(reason=self.reason_of(self.ctx.bands_dense))
        sigmas = {*self._settings["smearings_ev"], self._settings["estimate_degaussw_ev"]}
        self.ctx.dos = coupling_functions.fermi_level_dos(
            bands=self.ctx.bands_dense.outputs.output_band,
            structure=self.inputs.structure,
            parameters=self.ctx.bands_dense.outputs.output_parameters,
            context=orm.Dict({"mesh": list(self.ctx.dense_mesh), "smearings_ev": sorted(sigmas)}),
        )
        return None

    def should_run_epw(self) -> bool:
        """Ask for the next meshes: first the cheap one beside the coarse matrix elements."""
        if self.ctx.failure is not None:
            return False
        if _ESTIMATE not in self.ctx.jobs:
            wave = {_ESTIMATE: [self._estimate_mesh]}
        elif self._is_hopeless():
            wave = {}
        else:
            wave = {meshes[0].label: meshes for meshes in self._as_jobs(next_meshes(self._plan, self.ctx.tc_k))}
        self.ctx.wave = {label: [mesh.to_dict() for mesh in meshes] for label, meshes in wave.items()}
        return bool(wave)

    def _as_jobs(self, meshes: list[FineMesh]) -> list[list[FineMesh]]:
        """Group a wave into jobs: one a k-mesh, where all its smearings can be summed from one run."""
        version = self.ctx.jobs[_ESTIMATE].outputs.output_parameters["code_version"]
        return by_kpoints(meshes) if sums_smearings(version) else [[mesh] for mesh in meshes]

    def _is_hopeless(self) -> bool:
        """Tell whether even a much larger lambda than the estimate would leave Tc below the gate."""
        bound_k = self.ctx.estimate["upper_bound_k"]
        return bound_k is not None and bound_k < self.inputs.min_tc_k.value

    def run_epw(self) -> None:
        """Submit a wave; all but the first restart from the same Wannier matrix elements."""
        coarse = {
            "nscf_folder": self.ctx.wannier.outputs.nscf_folder,
            "ph_folders": dict(self.inputs.ph_folders),
        }
        for label, contents in self.ctx.wave.items():
            meshes = [FineMesh.from_dict(content) for content in contents]
            inputs = epw_job(self.inputs, self._parameters(*meshes), f"epw_{label}")
            if len(meshes) > 1:
                inputs["settings"] = orm.Dict({"smearings_ev": [mesh.degaussw_ev for mesh in meshes]})
            if label == _ESTIMATE:
                inputs |= {**coarse, "wannier_folder": self.ctx.wannier.outputs.wannier_folder}
            else:
                inputs["epw_folder"] = self.ctx.jobs[_ESTIMATE].outputs.remote_folder
            inputs = retried(inputs, self.ctx.again.get(label, {}), coarse)
            self.to_context(**{f"job_{label}": self.submit(EpwCalculation, **inputs)})

    @property
    def _cells_around_functions(self) -> bool:
        """Without them lambda of a q-mesh of 2x2x2 was off by a third and more; EPW can't always build them."""
        coarse = self.ctx.jobs.get(_ESTIMATE)
        return coarse is None or bool(coarse.inputs.parameters["INPUTEPW"]["use_ws"])

    def _parameters(self, mesh: FineMesh, *others: FineMesh) -> dict[str, Any]:
        """Return the keywords of one run; other meshes differ in their smearing only, and may need a wider window."""
        wannier = self.ctx.wannier.outputs.wannier
        return {
            **wannier["keywords"],
            "elph": True,
            "use_ws": self._cells_around_functions,
            "etf_mem": 1,
            "num_iter": self._settings["localisation_iterations"],
            "fsthick": max(fsthick_ev(one.degaussw_ev) for one in (mesh, *others)),
            "degaussw": mesh.degaussw_ev,
            # The delta functions of alpha2F are Gaussians; by default (1) its N(E_F) would be of another order.
            "ngaussw": 0,
            "degaussq": self._settings["degaussq_mev"],
            "nqsmear": 1,
            "ephwrite": True,
            "eliashberg": True,
            "wscut": 0.6,
            "muc": 0.1,
            "nstemp": 1,
            "temps": 1,
            "mp_mesh_k": True,
            **mesh_keywords("nk", wannier["coarse_mesh"]),
            **mesh_keywords("nq", self.inputs.phonons["qpoints_mesh"]),
            **mesh_keywords("nkf", mesh.kpoints),
            **mesh_keywords("nqf", mesh.qpoints),
        }

    def inspect_epw(self) -> None:
        """Keep what finished; what can be mended is run again, what can't shortens the series and is reported."""
        for label in self.ctx.wave:
            job = self.ctx[f"job_{label}"]
            if job.is_finished_ok:
                self._note(label, job)
            elif not self._recover(label, job):
                self.report(f"{label}: {self.reason_of(job)}")
                if label == _ESTIMATE:
                    self.ctx.failure = self.reason_of(job)
                else:
                    self.ctx.tc_k.update(dict.fromkeys(self._labels(label)))

    def _note(self, label: str, job: orm.CalcJobNode) -> None:
        mu_star = self.inputs.settings["tc"]["mu_star"][0]
        if label == _ESTIMATE:
            self.ctx.jobs[label] = job
            scaled = coupling_functions.rescale_alpha2f(
                alpha2f=job.outputs.alpha2f,
                epw=job.outputs.output_parameters,
                dos=self.ctx.dos,
                context=orm.Dict(
                    {"degaussw_ev": self._settings["smearings_ev"][0], "margin": self._settings["estimate_margin"],
                     "mu_star": mu_star, "label": self._estimate_mesh.label}
                ),
            )  # fmt: skip
            self.ctx.estimate_nodes = scaled
            self.ctx.estimate = scaled["estimate"].get_dict()
            self.report(self.ctx.estimate["reason"])
            return
        found = {"alpha2f": {label: job.outputs.alpha2f}, "epw": {label: job.outputs.output_parameters}}
        if "smeared_alpha2f" in job.outputs:
            found = coupling_functions.alpha2f_by_smearing(
                smeared=job.outputs.smeared_alpha2f,
                epw=job.outputs.output_parameters,
                labels=orm.List(self._labels(label)),
            )
        for one, alpha2f in found["alpha2f"].items():
            energy, spectrum = alpha2f.get_array("energy_mev"), alpha2f.get_array("alpha2f")[0]
            try:
                self.ctx.tc_k[one] = ranking_tc_k(energy, spectrum, mu_star)
            except ValueError as error:  # a spectrum that is none
                self.ctx.tc_k[one] = None
                self.report(f"{one}: {error}")
                continue
            self.ctx.spectra[one] = {"alpha2f": alpha2f, "epw": found["epw"][one]}
            self.report(f"{one}: Allen-Dynes Tc {self.ctx.tc_k[one]:.1f} K at mu* = {mu_star:g}")

    def _labels(self, job_label: str) -> list[str]:
        return [FineMesh.from_dict(content).label for content in self.ctx.wave[job_label]]

    def _recover(self, label: str, job: orm.CalcJobNode) -> bool:
        again = self.ctx.again.get(label, {})
        recovery = recovery_of(job, self.inputs.relaxation, again)
        attempts = again.get("attempt", 1)
        if recovery is None or recovery.kind != "rerun" or attempts >= self._settings["max_attempts"]:
            return False
        self.report(f"{label}: {recovery.reason}")
        self.ctx.again[label] = run_again(job, recovery, again)
        return True

    def should_check(self) -> bool:
        """Check what a Tc rests on; an estimate below the gate rests on its margin."""
        wanted = self._settings["phonon_check"] or self._settings["lambda_check"]
        return bool(wanted and self.ctx.tc_k and self.ctx.failure is None)

    def run_checks(self) -> Any:
        """Submit what ph.x can say of the interpolation and of lambda."""
        inputs = {
            **self.shared_inputs("ph"),
            **{key: self.inputs[key] for key in ("structure", "phonons", "scf_folder")},
            "ph_folders": dict(self.inputs.ph_folders),
            "metadata": {"call_link_label": "checks"},
        }
        if "force_constants" in self.inputs:
            inputs["force_constants"] = self.inputs.force_constants
        return ToContext(checks_process=self.submit(CouplingChecksWorkChain, **inputs))

    def inspect_checks(self) -> None:
        """Take over what was found; a check that failed is reported as not made."""
        child = self.ctx.checks_process
        self.ctx.checks = {key: child.outputs[key] for key in ("phonon_check", "simple_lambda") if key in child.outputs}
        if not child.is_finished_ok:
            self.report(f"checks: {self.reason_of(child)}")

    def judge(self) -> ExitCode | None:
        """Hold every alpha2F against pw.x, and say what the chosen one rests on."""
        if self.ctx.failure is not None:
            return self.exit_codes.ERROR_EPW_FAILED.format(reason=self.ctx.failure)
        if not self.ctx.spectra and not self._is_hopeless():
            return self.exit_codes.ERROR_EPW_FAILED.format(reason="no fine mesh could be computed")
        context = {
            "plan": [mesh.to_dict() for level in range(len(self._plan.kpoints)) for mesh in self._plan.meshes(level)],
            "failed": sorted(label for label, tc_k in self.ctx.tc_k.items() if tc_k is None),
            "smearings_ev": self._settings["smearings_ev"],
            "tolerance": self._settings["tc_tolerance"],
            "tolerance_k": self._settings["tc_tolerance_k"],
            "limits": {key: value for key, value in self._settings.items() if key.startswith("max_")},
            "cells_around_functions": self._cells_around_functions,
            "qpoints_mesh": self.inputs.phonons["qpoints_mesh"],
            "mu_star": self.inputs.settings["tc"]["mu_star"][0],
            "wanted": {key: self._settings[key] for key in ("phonon_check", "lambda_check")},
        }
        coarse = self.ctx.jobs[_ESTIMATE].outputs
        self.ctx.coupling = coupling_functions.evaluate_coupling(
            dos=self.ctx.dos,
            relaxation=self.inputs.relaxation,
            wannier=self.ctx.wannier.outputs.wannier,
            estimate=self.ctx.estimate_nodes["estimate"],
            context=orm.Dict(context),
            **({"decay": coarse.decay} if "decay" in coarse else {}),
            **self.ctx.checks,
            **{f"{kind}_{label}": node for label, found in self.ctx.spectra.items() for kind, node in found.items()},
        )
        self.report(self.ctx.coupling["reason"])
        return None

    def should_solve_anisotropic(self) -> bool:
        """Only where it is asked for, and only for what superconducts."""
        chosen = self.ctx.coupling["numbers"]["chosen"]
        return bool(self._settings["anisotropic"] and self.ctx.tc_k.get(chosen))

    def run_anisotropic(self) -> Any:
        """Submit the anisotropic Eliashberg equations on the chosen mesh."""
        chosen = self.ctx.coupling["numbers"]["chosen"]
        member = next(one for one in self.ctx.coupling["numbers"]["series"] if one["label"] == chosen)
        inputs = {
            **self.shared_inputs("epw"),
            "structure": self.inputs.structure,
            "parameters": orm.Dict(self._parameters(FineMesh.from_dict(member))),
            "tc_k": orm.Float(self.ctx.tc_k[chosen]),
            "epw_folder": self.ctx.jobs[_ESTIMATE].outputs.remote_folder,
            "metadata": {"call_link_label": "epw_anisotropic"},
        }
        return ToContext(gaps=self.submit(GapsWorkChain, **inputs))

    def inspect_anisotropic(self) -> None:
        """Gaps rank nothing, so that a failure costs only them."""
        if not self.ctx.gaps.is_finished_ok:
            self.report(f"anisotropic gaps: {self.reason_of(self.ctx.gaps)}")

    def results(self) -> None:
        """Attach the series, or the estimate where that was enough."""
        fine = {label: found["alpha2f"] for label, found in self.ctx.spectra.items()}
        self.out("coupling", self.ctx.coupling)
        self.out("alpha2f", fine or {_ESTIMATE: self.ctx.estimate_nodes["alpha2f"]})
        outputs = self.ctx.wannier.outputs
        for key in ("wannier", "path_bands", "wannier_bands"):
            if key in outputs:
                self.out(key, outputs[key])
        gaps = self.ctx.get("gaps")
        if gaps is not None and "gap_distributions" in gaps.outputs:
            self.out("gap_distributions", gaps.outputs.gap_distributions)
        self.out("epw_folder", self.ctx.jobs[_ESTIMATE].outputs.remote_folder)
