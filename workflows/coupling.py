"""Electron-phonon coupling of a stable crystal: epw.x on the very ph.x runs that decided its stability."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, append_, if_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from hts.electrons import full_kpoint_list, kpoint_mesh
from hts.pseudopotentials import read_upf_header
from hts.wannier import WannierPlanError, number_of_bands, plan_windows, projections
from workflows import functions
from workflows.pw import PwBaseWorkChain, job_options, mesh_kpoints, pw_inputs
from workflows.stage import StageWorkChain

EpwCalculation = CalculationFactory("hts.epw")
# EPW wants fsthick >= 4 degaussw; 0.41 eV is what the trial runs with 0.1 eV used.
_FSTHICK_MARGIN_EV, _LEAST_FSTHICK_EV = 0.01, 0.41


class CouplingWorkChain(StageWorkChain):
    """Compute alpha2F on several fine meshes from one coarse run, and hold it against pw.x.

    Nothing of the phonons is computed again: dynamical matrices and dvscf come from the scratch of the ph.x jobs.
    """

    _codes = ("pw", "epw")

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("relaxation", valid_type=orm.Dict, help="Of this crystal: Fermi energy, electrons, k-mesh.")
        spec.input("phonons", valid_type=orm.Dict, help="Its phonons: q-mesh and number of irreducible q-points.")
        spec.input("scf_folder", valid_type=orm.RemoteData, help="The scf those phonons belong to.")
        spec.input_namespace("ph_folders", valid_type=orm.RemoteData, dynamic=True, help="q_N -> ph.x scratch.")
        spec.outline(
            cls.setup,
            cls.run_bands,
            cls.inspect_bands,
            cls.run_coarse,
            cls.inspect_coarse,
            if_(cls.should_refine)(cls.run_fine, cls.inspect_fine),
            cls.judge,
            cls.results,
        )
        spec.output(
            "coupling", valid_type=orm.Dict, help="lambda, N(E_F) and E_F of every fine mesh, gates, the chosen one."
        )
        spec.output_namespace(
            "alpha2f", valid_type=orm.ArrayData, dynamic=True, help="Fine mesh -> alpha2F (energies in meV)."
        )
        spec.output(
            "epw_folder", valid_type=orm.RemoteData, required=False, help="Scratch with the Wannier matrix elements."
        )
        spec.exit_code(
            210, "ERROR_SCRATCH_GONE", message="the scratch of {what} is empty; decompress again before coupling"
        )
        spec.exit_code(
            401, "ERROR_BANDS_FAILED", message="the bands that Wannier functions are made from failed: {reason}"
        )
        spec.exit_code(402, "ERROR_EPW_FAILED", message="epw.x failed: {reason}")
        spec.exit_code(501, "ERROR_NO_WINDOW", message="no energy window for the Wannier functions: {reason}")

    def setup(self) -> ExitCode | None:
        """Choose projections and numbers of bands from the pseudopotentials; refuse empty scratch."""
        folders = {"the scf": self.inputs.scf_folder, **self.inputs.ph_folders}
        empty = [name for name, folder in folders.items() if folder.is_empty]
        if empty:
            return self.exit_codes.ERROR_SCRATCH_GONE.format(what=", ".join(empty))
        settings = self.inputs.settings["coupling"]
        qpoints_mesh = self.inputs.phonons["qpoints_mesh"]
        self.ctx.coarse_mesh = [settings["coarse_mesh_per_q"] * n for n in qpoints_mesh]
        headers = {
            element: read_upf_header(pseudo.get_content(), pseudo.filename)
            for element, pseudo in self.inputs.pseudos.items()
        }
        states = {
            element: [(wave.l, wave.label, wave.occupation) for wave in header.pseudo_wavefunctions]
            for element, header in headers.items()
        }
        try:
            self.ctx.projections = projections([site.kind_name for site in self.inputs.structure.sites], states)
        except WannierPlanError as error:
            return self.exit_codes.ERROR_NO_WINDOW.format(reason=str(error))
        self.ctx.n_bands = number_of_bands(
            self.ctx.projections.n_wannier, self.inputs.relaxation["n_electrons"], self.ctx.projections.n_semicore
        )
        return None

    def run_bands(self) -> None:
        """Submit the nscf on the full coarse mesh for EPW, and the dense one for the density of states."""
        coarse = orm.KpointsData()
        points = full_kpoint_list(tuple(self.ctx.coarse_mesh))
        coarse.set_kpoints(points, weights=[1.0 / len(points)] * len(points))
        distance = self.inputs.settings["coupling"]["dense_distance_inv_ang"]
        self.ctx.dense_mesh = kpoint_mesh(self.inputs.structure.cell, distance)
        wanted = {
            "bands_coarse": (coarse, self.ctx.n_bands),
            "bands_dense": (mesh_kpoints(self.ctx.dense_mesh), self.inputs.relaxation["n_bands"]),
        }
        for name, (kpoints, n_bands) in wanted.items():
            inputs = pw_inputs(
                self.inputs,
                structure=self.inputs.structure,
                kpoints=kpoints,
                calculation="nscf",
                parent_folder=self.inputs.scf_folder,
                extra={"SYSTEM": {"nbnd": n_bands}, "ELECTRONS": {"diago_full_acc": True}},
            )
            inputs["metadata"] = {"call_link_label": name}
            self.to_context(**{name: self.submit(PwBaseWorkChain, **inputs)})

    def inspect_bands(self) -> ExitCode | None:
        """Compute windows and the reference density of states before epw.x starts."""
        for child in (self.ctx.bands_coarse, self.ctx.bands_dense):
            if not child.is_finished_ok:
                return self.exit_codes.ERROR_BANDS_FAILED.format(reason=self.reason_of(child))
        settings = self.inputs.settings["coupling"]
        try:
            self.ctx.windows = plan_windows(
                self.ctx.bands_coarse.outputs.output_band.get_bands(),
                self.inputs.relaxation["fermi_ev"],
                self.ctx.projections.n_wannier,
                n_semicore=self.ctx.projections.n_semicore,
                frozen_above_ef_ev=settings["frozen_above_ef_ev"],
                outer_above_ef_ev=settings["outer_above_ef_ev"],
            )
        except WannierPlanError as error:
            return self.exit_codes.ERROR_NO_WINDOW.format(reason=str(error))
        self.ctx.dos = functions.fermi_level_dos(
            bands=self.ctx.bands_dense.outputs.output_band,
            structure=self.inputs.structure,
            parameters=self.ctx.bands_dense.outputs.output_parameters,
            context=orm.Dict(
                {
                    "mesh": list(self.ctx.dense_mesh),
                    "smearings_ev": [fine["degaussw_ev"] for fine in settings["fine"]],
                }
            ),
        )
        return None

    def run_coarse(self) -> Any:
        """Wannierise, compute the coarse matrix elements, and the first fine mesh in the same job."""
        fine = self.inputs.settings["coupling"]["fine"][0]
        inputs = {
            **self._epw_inputs(fine),
            "nscf_folder": self.ctx.bands_coarse.outputs.remote_folder,
            "ph_folders": dict(self.inputs.ph_folders),
        }
        return ToContext(coarse=self.submit(EpwCalculation, **inputs))

    def inspect_coarse(self) -> ExitCode | None:
        """Nothing can be refined without it."""
        if not self.ctx.coarse.is_finished_ok:
            return self.exit_codes.ERROR_EPW_FAILED.format(reason=self.reason_of(self.ctx.coarse))
        self.ctx.finished = {series_label(self.inputs.settings["coupling"]["fine"][0]): self.ctx.coarse}
        return None

    def should_refine(self) -> bool:
        """Ask whether the protocol wants more than one fine mesh."""
        return len(self.inputs.settings["coupling"]["fine"]) > 1

    def run_fine(self) -> None:
        """Submit the other fine meshes; all restart from the same Wannier matrix elements."""
        self.ctx.fine_jobs = []
        for fine in self.inputs.settings["coupling"]["fine"][1:]:
            inputs = {**self._epw_inputs(fine), "epw_folder": self.ctx.coarse.outputs.remote_folder}
            self.to_context(fine_jobs=append_(self.submit(EpwCalculation, **inputs)))

    def inspect_fine(self) -> None:
        """Keep what finished; one that failed shortens the series and is reported."""
        for fine, job in zip(self.inputs.settings["coupling"]["fine"][1:], self.ctx.fine_jobs, strict=True):
            if job.is_finished_ok:
                self.ctx.finished[series_label(fine)] = job
            else:
                self.report(f"{series_label(fine)}: {self.reason_of(job)}")

    def _epw_inputs(self, fine: dict[str, Any]) -> dict[str, Any]:
        settings = self.inputs.settings["coupling"]
        degaussw_ev = fine["degaussw_ev"]
        parameters: dict[str, Any] = {
            "elph": True,
            "use_ws": False,
            "etf_mem": 1,
            "num_iter": 0,
            "proj": list(self.ctx.projections.strings),
            "wdata": [f"dis_num_iter={settings['wannier_iterations']}"],
            **self.ctx.windows.epw_keywords(),
            "fsthick": max(4 * degaussw_ev + _FSTHICK_MARGIN_EV, _LEAST_FSTHICK_EV),
            "degaussw": degaussw_ev,
            "degaussq": settings["degaussq_mev"],
            "nqsmear": 1,
            "ephwrite": True,
            "eliashberg": True,
            "wscut": 0.6,
            "muc": 0.1,
            "nstemp": 1,
            "temps": 1,
            "mp_mesh_k": True,
        }
        meshes = {
            "nk": self.ctx.coarse_mesh,
            "nq": self.inputs.phonons["qpoints_mesh"],
            "nkf": [fine["kpoints"]] * 3,
            "nqf": [fine["qpoints"]] * 3,
        }
        parameters |= {f"{name}{axis + 1}": mesh[axis] for name, mesh in meshes.items() for axis in range(3)}
        return {
            "code": self.inputs.codes.epw,
            "structure": self.inputs.structure,
            "parameters": orm.Dict({"INPUTEPW": parameters}),
            "metadata": {
                "options": job_options(self.inputs.options.get_dict(), "epw"),
                "call_link_label": f"epw_{series_label(fine)}",
            },
        }

    def judge(self) -> None:
        """Hold every alpha2F against the density of states and the Fermi energy of pw.x."""
        settings = self.inputs.settings["coupling"]
        keys = ("max_dos_deviation", "max_fermi_deviation_ev")
        self.ctx.coupling = functions.evaluate_coupling(
            dos=self.ctx.dos,
            relaxation=self.inputs.relaxation,
            thresholds=orm.Dict({key: settings[key] for key in keys}),
            **{label: job.outputs.output_parameters for label, job in self.ctx.finished.items()},
        )

    def results(self) -> None:
        """Attach the series."""
        self.out("coupling", self.ctx.coupling)
        self.out("alpha2f", {label: job.outputs.alpha2f for label, job in self.ctx.finished.items()})
        self.out("epw_folder", self.ctx.coarse.outputs.remote_folder)


def series_label(fine: dict[str, Any]) -> str:
    """Name a fine mesh and smearing: ``k24_q4_100meV``."""
    return f"k{fine['kpoints']}_q{fine['qpoints']}_{1000 * fine['degaussw_ev']:.0f}meV"
