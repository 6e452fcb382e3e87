"""Relaxation at a pressure: vc-relax and a new scf in the final cell, until that scf is at the target."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.electrons import kpoint_mesh
from workflows import functions
from workflows.pw import (
    PwBaseWorkChain,
    basis_of,
    mesh_kpoints,
    pw_inputs,
    relaxation_namelists,
    without_projectors,
)
from workflows.stage import StageWorkChain


class RelaxWorkChain(StageWorkChain):
    """Relax a crystal at a pressure and report its enthalpy, symmetry and whether it is a metal.

    The last scf is done in the basis of the final cell; it gives the enthalpy and is the parent of the phonons.
    """

    _codes = ("pw",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("pressure_gpa", valid_type=orm.Float, help="Target pressure in GPa.")
        spec.input(
            "kpoints_mesh", valid_type=orm.List, required=False, help="k-mesh; default: from the settings' distance."
        )
        spec.outline(
            cls.setup,
            while_(cls.should_relax)(cls.run_relax, cls.inspect_relax, cls.run_scf, cls.inspect_scf),
            if_(cls.should_confirm_gap)(cls.run_dense, cls.inspect_dense),
            cls.results,
        )
        spec.output("structure", valid_type=orm.StructureData, help="The relaxed crystal.")
        spec.output(
            "relaxation",
            valid_type=orm.Dict,
            help="Enthalpy (eV/atom), residual pressure (GPa), space group, gap (eV).",
        )
        spec.output("scf_folder", valid_type=orm.RemoteData, help="Scratch of the scf in the final cell.")
        spec.exit_code(401, "ERROR_RELAX_FAILED", message="vc-relax at {pressure:g} GPa failed: {reason}")
        spec.exit_code(
            402, "ERROR_SCF_FAILED", message="the scf in the relaxed cell at {pressure:g} GPa failed: {reason}"
        )
        spec.exit_code(
            403,
            "ERROR_DENSE_BANDS_FAILED",
            message="the dense-mesh bands that decide metal or insulator failed: {reason}",
        )
        spec.exit_code(
            501,
            "ERROR_PRESSURE_NOT_REACHED",
            message="residual pressure {residual:.2f} GPa after {passes} passes, wanted {tolerance:g} GPa "
            "at {pressure:g} GPa",
        )

    def setup(self) -> None:
        """Choose the k-mesh once; it stays the same for every pass."""
        self.ctx.structure = self.inputs.structure
        self.ctx.passes = 0
        if "kpoints_mesh" in self.inputs:
            self.ctx.mesh = tuple(self.inputs.kpoints_mesh.get_list())
        else:
            distance = self.inputs.settings["dft"]["kpoints_distance_inv_ang"]
            self.ctx.mesh = kpoint_mesh(self.inputs.structure.cell, distance)
        self.ctx.kpoints = mesh_kpoints(self.ctx.mesh)
        self.ctx.residual_gpa = None
        self.ctx.relax_pseudos = {}
        if without_projectors(self.inputs, self.inputs.structure):
            # Only for vc-relax, which pw.x 6.7 does not survive without any projector; the scf uses the file as it is.
            kinds = self.inputs.structure.kinds
            self.ctx.relax_pseudos = {
                kind.name: functions.null_projector(self.inputs.pseudos[kind.symbol]) for kind in kinds
            }

    def should_relax(self) -> bool:
        """Go on until the scf is at the pressure, within the tolerance, or the passes are used up."""
        relax = self.inputs.settings["relax"]
        if self.ctx.residual_gpa is None:
            return True
        return abs(self.ctx.residual_gpa) > relax["pressure_tolerance_gpa"] and self.ctx.passes < relax["max_passes"]

    def run_relax(self) -> Any:
        """Submit one variable-cell relaxation; a further one in a cell that is predicted from the one before."""
        if self.ctx.passes and "output_trajectory" in self.ctx.relax.outputs:
            self.ctx.structure = functions.cell_at_pressure(
                self.ctx.structure, self.ctx.relax.outputs.output_trajectory, self.ctx.relaxation
            )
        self.ctx.passes += 1
        extra = relaxation_namelists(self.inputs.settings["relax"], self.inputs.pressure_gpa.value)
        inputs = pw_inputs(
            self.inputs, structure=self.ctx.structure, kpoints=self.ctx.kpoints, calculation="vc-relax", extra=extra
        )
        inputs["pw"]["pseudos"] |= self.ctx.relax_pseudos
        inputs["metadata"] = {"call_link_label": f"relax_{self.ctx.passes}"}
        return ToContext(relax=self.submit(PwBaseWorkChain, **inputs))

    def inspect_relax(self) -> ExitCode | None:
        """Take the structure; a final scf beyond vc-relax's own thresholds is what the next pass is for."""
        child = self.ctx.relax
        if not child.is_finished_ok and child.exit_status != 501:
            return self.exit_codes.ERROR_RELAX_FAILED.format(
                pressure=self.inputs.pressure_gpa.value, reason=self.reason_of(child)
            )
        self.ctx.structure = child.outputs.output_structure
        return None

    def run_scf(self) -> Any:
        """Submit the scf in the basis of the new cell."""
        inputs = pw_inputs(self.inputs, structure=self.ctx.structure, kpoints=self.ctx.kpoints, calculation="scf")
        inputs["metadata"] = {"call_link_label": f"scf_{self.ctx.passes}"}
        return ToContext(scf=self.submit(PwBaseWorkChain, **inputs))

    def inspect_scf(self) -> ExitCode | None:
        """Compare the pressure with the target."""
        child = self.ctx.scf
        if not child.is_finished_ok:
            return self.exit_codes.ERROR_SCF_FAILED.format(
                pressure=self.inputs.pressure_gpa.value, reason=self.reason_of(child)
            )
        self.ctx.relaxation = functions.evaluate_relaxation(
            parameters=child.outputs.output_parameters,
            trajectory=child.outputs.output_trajectory,
            bands=child.outputs.output_band,
            structure=self.ctx.structure,
            start=self.inputs.structure,
            context=orm.Dict(
                {
                    "pressure_gpa": self.inputs.pressure_gpa.value,
                    "kpoints_mesh": list(self.ctx.mesh),
                    "passes": self.ctx.passes,
                    "symmetry_precision_ang": self.inputs.settings["relax"]["symmetry_precision_ang"],
                    "basis": basis_of(self.inputs, self.inputs.pressure_gpa.value),
                }
            ),
        )
        self.ctx.residual_gpa = self.ctx.relaxation["residual_gpa"]
        return None

    def should_confirm_gap(self) -> bool:
        """Look at a gap of the scf mesh on a denser one: a coarse mesh can miss a band crossing E_F."""
        return bool(self.ctx.relaxation["gap_ev"] > self.inputs.settings["relax"]["insulator_gap_ev"])

    def run_dense(self) -> Any:
        """Submit an nscf on twice the mesh."""
        inputs = pw_inputs(
            self.inputs,
            structure=self.ctx.structure,
            kpoints=mesh_kpoints(tuple(2 * n for n in self.ctx.mesh)),
            calculation="nscf",
            parent_folder=self.ctx.scf.outputs.remote_folder,
            extra={"SYSTEM": {"nbnd": self.ctx.relaxation["n_bands"]}},
        )
        inputs["metadata"] = {"call_link_label": "dense_bands"}
        return ToContext(dense=self.submit(PwBaseWorkChain, **inputs))

    def inspect_dense(self) -> ExitCode | None:
        """Replace the gap by that of the dense mesh."""
        child = self.ctx.dense
        if not child.is_finished_ok:
            return self.exit_codes.ERROR_DENSE_BANDS_FAILED.format(reason=self.reason_of(child))
        self.ctx.relaxation = functions.confirm_gap(self.ctx.relaxation, child.outputs.output_band)
        return None

    def results(self) -> ExitCode | None:
        """Attach the outputs; also where the pressure was not reached, to show how far it got."""
        self.out("structure", self.ctx.structure)
        self.out("relaxation", self.ctx.relaxation)
        self.out("scf_folder", self.ctx.scf.outputs.remote_folder)
        tolerance = self.inputs.settings["relax"]["pressure_tolerance_gpa"]
        if abs(self.ctx.residual_gpa) > tolerance:
            return self.exit_codes.ERROR_PRESSURE_NOT_REACHED.format(
                residual=self.ctx.residual_gpa,
                passes=self.ctx.passes,
                tolerance=tolerance,
                pressure=self.inputs.pressure_gpa.value,
            )
        return None
