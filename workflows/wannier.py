"""Wannier functions of a crystal: planned from its bands, tried until they follow them, before anything dear is run."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from hts.electrons import denser_mesh, full_kpoint_list, kpoint_mesh
from hts.pseudopotentials import read_upf_header
from hts.wannier import WannierPlanError, number_of_bands
from hts.wannier_bands import wannier90_path
from hts.wannier_ladder import WindowWishes, projection_sets, wannier_attempts
from workflows import coupling_functions
from workflows.epw_jobs import epw_job, largest_fsthick_ev, mesh_keywords, recovery_of, retried, run_again
from workflows.pw import PwBaseWorkChain, job_options, pw_inputs
from workflows.stage import StageWorkChain

EpwCalculation = CalculationFactory("hts.epw")
ProjwfcCalculation = CalculationFactory("quantumespresso.projwfc")

# Of Wannier90: the spread is minimal once it changes by less than that (Angstrom^2) in so many iterations.
_CONVERGED_SPREAD = ("conv_tol = 1.0e-4", "conv_window = 5")


class WannierWorkChain(StageWorkChain):
    """Make Wannier functions whose bands follow those of pw.x, or say what was tried.

    epw.x runs without matrix elements, which costs a fifth of a run with them. The first attempt within the limit is
    taken; if none is, on the coarsest mesh or a denser one, the best of them: its deviation is the reader's warning.
    """

    _codes = ("pw", "epw")
    _optional_codes = ("projwfc",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("relaxation", valid_type=orm.Dict, help="Of this crystal: Fermi energy (eV), electrons.")
        spec.input("scf_folder", valid_type=orm.RemoteData, help="The scf that its phonons belong to.")
        spec.outline(
            cls.setup,
            while_(cls.should_go_on)(
                if_(cls.should_run_bands)(
                    cls.run_bands,
                    cls.inspect_bands,
                    if_(cls.should_project)(cls.run_projectability),
                    cls.plan_attempts,
                ),
                if_(cls.has_attempt)(
                    cls.run_wannierisation,
                    cls.inspect_wannierisation,
                    if_(cls.should_run_path)(cls.run_path),
                    cls.compare_bands,
                ),
            ),
            cls.results,
        )
        spec.output("wannier", valid_type=orm.Dict, help="Every attempt, the chosen one, its keywords for EPW.")
        spec.output("nscf_folder", valid_type=orm.RemoteData, help="Scratch of the bands on the coarse mesh.")
        spec.output("wannier_folder", valid_type=orm.RemoteData, help="Scratch with the chosen Wannier functions.")
        spec.output("path_bands", valid_type=orm.BandsData, required=False, help="pw.x, along the path, eV.")
        spec.output("wannier_bands", valid_type=orm.ArrayData, required=False, help="Along the path, eV.")
        spec.exit_code(
            401, "ERROR_BANDS_FAILED", message="the bands that Wannier functions are made from failed: {reason}"
        )
        spec.exit_code(501, "ERROR_NO_WANNIER", message="no Wannier functions: {reason}")

    def setup(self) -> ExitCode | None:
        """Choose projections from the pseudopotentials, and the coarse mesh."""
        headers = {
            element: read_upf_header(pseudo.get_content(), pseudo.filename)
            for element, pseudo in self.inputs.pseudos.items()
        }
        states = {
            element: [(wave.l, wave.label, wave.occupation) for wave in header.pseudo_wavefunctions]
            for element, header in headers.items()
        }
        symbols = [site.kind_name for site in self.inputs.structure.sites]
        try:
            projection_sets(symbols, states)
        except WannierPlanError as error:
            return self.exit_codes.ERROR_NO_WANNIER.format(reason=str(error))
        self.ctx.symbols, self.ctx.states = symbols, states
        self.ctx.mesh = None
        self.ctx.n_meshes = 0
        self.ctx.attempts = []  # still to be tried on this mesh
        self.ctx.again = {}  # how the attempt that was interrupted is run again
        self.ctx.tried = []
        self.ctx.reasons = []
        self.ctx.path_bands = None
        self.ctx.chosen = None
        return None

    @property
    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.inputs.settings["coupling"]
        return settings

    @property
    def _sets(self) -> list[Any]:
        return projection_sets(self.ctx.symbols, self.ctx.states)

    def has_attempt(self) -> bool:
        """Ask whether something is left to try on this mesh."""
        return bool(self.ctx.attempts)

    def should_run_bands(self) -> bool:
        """Follow a mesh whose attempts are used up by a denser one."""
        return not self.ctx.attempts

    def should_go_on(self) -> bool:
        """Go on until one follows the bands, or everything has been tried."""
        if self.ctx.chosen is not None and self.ctx.chosen["follows"]:
            return False
        return bool(self.ctx.attempts) or self.ctx.n_meshes < self._settings["max_coarse_meshes"]

    def run_bands(self) -> Any:
        """Submit the nscf on the full coarse mesh."""
        qpoints_mesh = tuple(self.inputs.settings["dft"]["qpoints_mesh"])
        if self.ctx.mesh is None:
            distance = self._settings["coarse_distance_inv_ang"]
            mesh = kpoint_mesh(self.inputs.structure.cell, distance, multiple_of=qpoints_mesh)
        else:
            mesh = denser_mesh(tuple(self.ctx.mesh), qpoints_mesh)
        self.ctx.mesh = list(mesh)
        self.ctx.n_meshes += 1
        base = self._sets[0][1]
        kpoints = orm.KpointsData()
        points = full_kpoint_list(mesh)
        kpoints.set_kpoints(points, weights=[1.0 / len(points)] * len(points))
        n_bands = number_of_bands(base.n_wannier, self.inputs.relaxation["n_electrons"], base.n_semicore)
        inputs = pw_inputs(
            self.inputs,
            structure=self.inputs.structure,
            kpoints=kpoints,
            calculation="nscf",
            parent_folder=self.inputs.scf_folder,
            extra={"SYSTEM": {"nbnd": n_bands}, "ELECTRONS": {"diago_full_acc": True}},
        )
        inputs["metadata"] = {"call_link_label": f"bands_coarse_{self.ctx.n_meshes}"}
        return ToContext(bands=self.submit(PwBaseWorkChain, **inputs))

    def inspect_bands(self) -> ExitCode | None:
        """Nothing can be planned without them; a denser mesh that failed leaves what there is."""
        if self.ctx.bands.is_finished_ok:
            return None
        reason = self.reason_of(self.ctx.bands)
        if self.ctx.chosen is None:
            return self.exit_codes.ERROR_BANDS_FAILED.format(reason=reason)
        self.report(f"no bands on the denser mesh: {reason}")
        return None

    def should_project(self) -> bool:
        """Only where there is a code for it: windows can be planned from the eigenvalues alone."""
        return "projwfc" in self.inputs.codes and self.ctx.bands.is_finished_ok

    def run_projectability(self) -> Any:
        """Submit projwfc.x on the coarse mesh; it decides nothing if it fails."""
        inputs = {
            "code": self.inputs.codes.projwfc,
            "parent_folder": self.ctx.bands.outputs.remote_folder,
            # The densities of states it writes besides are not wanted: a few points.
            "parameters": orm.Dict({"PROJWFC": {"DeltaE": 2.0, "ngauss": 0, "degauss": 0.05}}),
            "metadata": {
                "options": {**job_options(self.inputs.options.get_dict(), "projwfc"), "withmpi": False,
                            "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}},
                "call_link_label": f"projectability_{self.ctx.n_meshes}",
            },
        }  # fmt: skip
        return ToContext(projwfc=self.submit(ProjwfcCalculation, **inputs))

    def plan_attempts(self) -> None:
        """Plan windows for every set of projections."""
        if not self.ctx.bands.is_finished_ok:
            return
        described = None
        if "projwfc" in self.ctx:
            job = self.ctx.projwfc
            if job.is_finished_ok and "projections" in job.outputs:
                described = coupling_functions.projectability_of(job.outputs.projections, self._sets[0][1])
            else:
                self.report(f"no projectabilities: {self.reason_of(job)}")
        settings = self._settings
        attempts, reasons = wannier_attempts(
            self.ctx.bands.outputs.output_band.get_bands(),
            self.inputs.relaxation["fermi_ev"],
            self._sets,
            WindowWishes(settings["frozen_above_ef_ev"], settings["outer_above_ef_ev"], largest_fsthick_ev(settings)),
            described,
        )
        self.ctx.attempts = [{**one.to_dict(), "keywords": one.epw_keywords()} for one in attempts]
        self.ctx.reasons = [*self.ctx.reasons, *reasons]
        for reason in reasons:
            self.report(reason)

    def run_wannierisation(self) -> Any:
        """Submit epw.x without matrix elements."""
        attempt = self.ctx.attempts[0]
        parameters = {
            **attempt["keywords"],
            "elph": False,
            "num_iter": self._settings["localisation_iterations"],
            "use_ws": True,
            "wdata": [
                f"dis_num_iter={self._settings['disentanglement_iterations']}",
                *_CONVERGED_SPREAD,
                *wannier90_path(self.inputs.structure.get_pymatgen(), self._settings["path_distance_inv_ang"]),
            ],
            **mesh_keywords("nk", self.ctx.mesh),
            **mesh_keywords("nq", self.inputs.settings["dft"]["qpoints_mesh"]),
        }
        coarse = {"nscf_folder": self.ctx.bands.outputs.remote_folder}
        inputs = {**epw_job(self.inputs, parameters, f"wannierise_{len(self.ctx.tried) + 1}"), **coarse}
        return ToContext(epw=self.submit(EpwCalculation, **retried(inputs, self.ctx.again, coarse)))

    def inspect_wannierisation(self) -> None:
        """Run again what was interrupted; note what failed."""
        job, attempt = self.ctx.epw, self.ctx.attempts[0]
        if job.is_finished_ok:
            return
        recovery = recovery_of(job, self.inputs.relaxation, self.ctx.again)
        attempts = self.ctx.again.get("attempt", 1)
        if recovery is not None and recovery.kind == "rerun" and attempts < self._settings["max_attempts"]:
            self.report(f"{attempt['name']}: {recovery.reason}")
            self.ctx.again = run_again(job, recovery, self.ctx.again)
            return
        self._note(failure=self.reason_of(job))

    def should_run_path(self) -> bool:
        """Compute the bands of pw.x along the path once: the path is that of the crystal."""
        return self.ctx.path_bands is None and self.ctx.epw.is_finished_ok and "wannier_bands" in self.ctx.epw.outputs

    def run_path(self) -> Any:
        """Submit pw.x at the very k-points of Wannier90's bands."""
        kpoints = orm.KpointsData()
        kpoints.set_kpoints(self.ctx.epw.outputs.wannier_bands.get_array("kpoints_frac"))
        attempt = self.ctx.attempts[0]
        inputs = pw_inputs(
            self.inputs,
            structure=self.inputs.structure,
            kpoints=kpoints,
            calculation="bands",
            parent_folder=self.inputs.scf_folder,
            extra={"SYSTEM": {"nbnd": attempt["n_excluded"] + attempt["n_wannier"]}},
        )
        inputs["metadata"] = {"call_link_label": "bands_path"}
        return ToContext(path_bands=self.submit(PwBaseWorkChain, **inputs))

    def compare_bands(self) -> None:
        """Hold the Wannier bands against those of pw.x; keep the best."""
        job = self.ctx.epw
        if not job.is_finished_ok:
            return
        if self.ctx.path_bands is None or not self.ctx.path_bands.is_finished_ok:
            reason = "no Wannier bands" if self.ctx.path_bands is None else self.reason_of(self.ctx.path_bands)
            self._note(job=job, text=f"bands not compared: {reason}")
            return
        found = coupling_functions.compare_bands(
            dft=self.ctx.path_bands.outputs.output_band,
            wannier=job.outputs.wannier_bands,
            context=orm.Dict(
                {"fermi_ev": self.inputs.relaxation["fermi_ev"], "n_excluded": self.ctx.attempts[0]["n_excluded"]}
            ),
        )
        self._note(job=job, **found.get_dict())

    def _note(self, *, job: orm.CalcJobNode | None = None, failure: str | None = None, **found: Any) -> None:
        """Record what became of the attempt that was tried, and prefer it if it is the best so far."""
        attempt = self.ctx.attempts[0]
        self.ctx.attempts = self.ctx.attempts[1:]
        self.ctx.again = {}
        record = {**attempt, "coarse_mesh": list(self.ctx.mesh), "failure": failure, "rms_ev": None, **found}
        if job is not None:
            parameters = job.outputs.output_parameters.get_dict()
            spreads = parameters.get("wannier_spreads_ang2") or [None]
            record |= {"total_spread_ang2": parameters.get("total_spread_ang2"), "largest_spread_ang2": max(spreads)}
        self.ctx.tried = [*self.ctx.tried, record]
        name = f"{record['name']} on {'x'.join(map(str, record['coarse_mesh']))}"
        if job is None:
            self.report(f"{name}: {failure}")
            return
        rms = record["rms_ev"]
        self.report(f"{name}: " + ("bands not compared" if rms is None else f"RMS {rms:.3f} eV from the bands of pw.x"))
        if self.ctx.chosen is None or _better(rms, self.ctx.chosen["rms_ev"]):
            self.ctx.chosen = {
                "index": len(self.ctx.tried) - 1,
                "rms_ev": rms,
                "follows": rms is not None and rms <= self._settings["max_bands_rms_ev"],
                "job": job,
                "nscf_folder": self.ctx.bands.outputs.remote_folder,
            }

    def results(self) -> ExitCode | None:
        """Attach the chosen one."""
        if self.ctx.chosen is None:
            failures = [f"{record['name']}: {record['failure']}" for record in self.ctx.tried]
            return self.exit_codes.ERROR_NO_WANNIER.format(reason="; ".join([*self.ctx.reasons, *failures]))
        job = self.ctx.chosen["job"]
        context = {"attempts": list(self.ctx.tried), "chosen": self.ctx.chosen["index"], "reasons": self.ctx.reasons}
        self.out(
            "wannier",
            coupling_functions.collect_wannier(orm.Dict(context), self.inputs.structure, job.outputs.output_parameters),
        )
        self.out("nscf_folder", self.ctx.chosen["nscf_folder"])
        self.out("wannier_folder", job.outputs.remote_folder)
        if self.ctx.path_bands is not None and self.ctx.path_bands.is_finished_ok:
            self.out("path_bands", self.ctx.path_bands.outputs.output_band)
        if "wannier_bands" in job.outputs:
            self.out("wannier_bands", job.outputs.wannier_bands)
        return None


def _better(rms_ev: float | None, than_ev: float | None) -> bool:
    return rms_ev is not None and (than_ev is None or rms_ev < than_ev)
