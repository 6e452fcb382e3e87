"""Relaxation at a pressure: vc-relax and a new scf in the final cell, until that scf is at the target."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.electrons import kpoint_mesh
from hts.magnetism import keeps_moment, magnetic_elements, magnetism_text, starting_magnetisation
from workflows import functions
from workflows.pw import (
    PwBaseWorkChain,
    afresh,
    basis_of,
    mesh_kpoints,
    pw_inputs,
    relaxation_namelists,
    spin_namelists,
    without_projectors,
)
from workflows.scratch import clean, is_gone
from workflows.stage import StageWorkChain

# PwCalculation's exit code ERROR_SYMMETRY_NON_ORTHOGONAL_OPERATION.
_SYMMETRY_BROKEN = 541


class RelaxWorkChain(StageWorkChain):
    """Relax a crystal at a pressure and report its enthalpy, symmetry and whether it is a metal.

    The last scf is done in the basis of the final cell; it gives the enthalpy and is the parent of the phonons. Where
    an element calls for it, a spin-polarised scf in the relaxed cell looks for a moment, and if it keeps one, a
    relaxation of that state gives its enthalpy. All outputs are of the non-magnetic state; `relaxation` says which
    state lies lower.
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
        spec.input(
            "starting_magnetisation",
            valid_type=orm.Dict,
            required=False,
            help="Element -> fraction: relax the spin-polarised state that this leads to, and look for no other.",
        )
        spec.outline(
            cls.setup,
            while_(cls.should_relax)(
                cls.run_relax,
                cls.inspect_relax,
                if_(cls.has_relaxed)(cls.run_scf, if_(cls.is_scratch_gone)(cls.run_scf_afresh), cls.inspect_scf),
            ),
            if_(cls.should_confirm_gap)(cls.run_dense, cls.inspect_dense),
            if_(cls.should_check_magnetism)(
                cls.run_magnetic_scf,
                if_(cls.has_moment)(cls.run_magnetic_relax),
                cls.inspect_magnetism,
            ),
            cls.results,
        )
        spec.output("structure", valid_type=orm.StructureData, help="The relaxed crystal.")
        spec.output(
            "relaxation",
            valid_type=orm.Dict,
            required=False,
            help="Enthalpy (eV/atom), residual pressure (GPa), space group, gap (eV), magnetic state.",
        )
        spec.output(
            "magnetic_state",
            valid_type=orm.Dict,
            required=False,
            help="In place of `relaxation` where `starting_magnetisation` is given: a state is no phase of its own.",
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
        self.ctx.broken = False
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
        if self.ctx.residual_gpa is None or self.ctx.broken:
            return True
        return abs(self.ctx.residual_gpa) > relax["pressure_tolerance_gpa"] and self.ctx.passes < relax["max_passes"]

    def run_relax(self) -> Any:
        """Submit one variable-cell relaxation; a further one in a cell that is predicted from the one before."""
        if self.ctx.passes and "output_trajectory" in self.ctx.relax.outputs:
            self.ctx.structure = functions.cell_at_pressure(
                self.ctx.structure, self.ctx.relax.outputs.output_trajectory, self.ctx.relaxation
            )
        self.ctx.passes += 1
        extra = relaxation_namelists(self.inputs.settings["relax"], self.inputs.pressure_gpa.value) | self._spin()
        inputs = pw_inputs(
            self.inputs, structure=self.ctx.structure, kpoints=self.ctx.kpoints, calculation="vc-relax", extra=extra
        )
        inputs["pw"]["pseudos"] |= self.ctx.relax_pseudos
        inputs["metadata"] = {"call_link_label": f"relax_{self.ctx.passes}"}
        return ToContext(relax=self.submit(PwBaseWorkChain, **inputs))

    def inspect_relax(self) -> ExitCode | None:
        """Take the structure; a final scf beyond vc-relax's own thresholds is what the next pass is for."""
        child = self.ctx.relax
        broken = symmetry_broken_by(child)
        self.ctx.broken = False
        if broken is not None and self.ctx.passes < self.inputs.settings["relax"]["max_passes"]:
            self.ctx.broken = True
            self.report(f"pass {self.ctx.passes}: {broken.exit_message} Going on from its last step, put back on it.")
            precision = orm.Float(self.inputs.settings["relax"]["symmetry_precision_ang"])
            self.ctx.structure = functions.put_back_on_symmetry(
                broken.outputs.output_structure, broken.inputs.structure, precision
            )
            return None
        if not child.is_finished_ok and child.exit_status != 501:
            return self.exit_codes.ERROR_RELAX_FAILED.format(
                pressure=self.inputs.pressure_gpa.value, reason=self.reason_of(child)
            )
        self.ctx.structure = child.outputs.output_structure
        return None

    def has_relaxed(self) -> bool:
        """Spend an scf only on a pass that came to its end."""
        return not self.ctx.broken

    def run_scf(self) -> Any:
        """Submit the scf in the basis of the new cell, from the density that the relaxation ended with.

        That halves it (Al4H: one iteration instead of seven, the same energy to 1e-8 Ry). pw.x 6.7 aborts when it is
        given the wavefunctions of another cell, and a relaxation gains nothing from the density of another pressure.
        """
        return ToContext(scf=self.submit(PwBaseWorkChain, **self._scf_inputs()))

    def _scf_inputs(self) -> dict[str, Any]:
        extra = self._spin()
        density = self.ctx.relax.outputs.remote_folder if "remote_folder" in self.ctx.relax.outputs else None
        # A relaxation with other pseudopotentials is no start, nor a cached one whose scratch was removed since.
        if self.ctx.relax_pseudos or density is None or density.is_empty:
            density = None
        else:
            extra = {**extra, "ELECTRONS": {"startingpot": "file"}}
        inputs = pw_inputs(
            self.inputs,
            structure=self.ctx.structure,
            kpoints=self.ctx.kpoints,
            calculation="scf",
            extra=extra,
            parent_folder=density,
        )
        inputs["metadata"] = {"call_link_label": f"scf_{self.ctx.passes}"}
        return inputs

    def is_scratch_gone(self) -> bool:
        """Notice a cached scf whose scratch was removed: its numbers are there, its wavefunctions are not."""
        return is_gone(self.ctx.scf)

    def run_scf_afresh(self) -> Any:
        """Submit the scf again, this time not from the cache: ph.x needs its wavefunctions."""
        return ToContext(scf=self.submit(PwBaseWorkChain, **afresh(self._scf_inputs())))

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
        """Look at a gap of the scf mesh on a denser one: a coarse mesh can miss a band crossing E_F.

        Nobody decides by the gap of a spin-polarised state; what is judged is the non-magnetic one.
        """
        if "starting_magnetisation" in self.inputs:
            return False
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

    def should_check_magnetism(self) -> bool:
        """Look for a ferromagnetic state where an element calls for it and the relaxation has arrived."""
        relax = self.inputs.settings["relax"]
        return bool(
            relax.get("check_magnetism", False)
            and "starting_magnetisation" not in self.inputs
            and magnetic_elements(kind.symbol for kind in self.ctx.structure.kinds)
            and abs(self.ctx.residual_gpa) <= relax["pressure_tolerance_gpa"]
        )

    def run_magnetic_scf(self) -> Any:
        """Submit a spin-polarised scf in the relaxed cell, with everything else as in the last one."""
        self.ctx.magnetic_relax = None
        self.ctx.starting_magnetisation = starting_magnetisation(
            {symbol: self.inputs.pseudos[symbol].z_valence for symbol in self._symbols()}
        )
        inputs = pw_inputs(
            self.inputs,
            structure=self.ctx.structure,
            kpoints=self.ctx.kpoints,
            calculation="scf",
            extra=spin_namelists(self.ctx.starting_magnetisation, self.ctx.structure),
        )
        inputs["metadata"] = {"call_link_label": "magnetic_scf"}
        return ToContext(magnetic_scf=self.submit(PwBaseWorkChain, **inputs))

    def has_moment(self) -> bool:
        """Relax any state that keeps a moment: one that lies higher in this cell may lie lower in its own."""
        child = self.ctx.magnetic_scf
        if not child.is_finished_ok:
            return False
        absolute = child.outputs.output_parameters["absolute_magnetization"]
        threshold = self.inputs.settings["relax"]["min_moment_bohr_mag"]
        return keeps_moment(absolute, self._symbols(), threshold)

    def run_magnetic_relax(self) -> Any:
        """Submit the relaxation of the spin-polarised state, from the relaxed crystal and on the same k-mesh."""
        inputs = {
            **self.shared_inputs("pw"),
            "structure": self.ctx.structure,
            "pressure_gpa": self.inputs.pressure_gpa,
            "kpoints_mesh": orm.List(list(self.ctx.mesh)),
            "starting_magnetisation": orm.Dict(self.ctx.starting_magnetisation),
            "metadata": {"call_link_label": "magnetic_relax"},
        }
        return ToContext(magnetic_relax=self.submit(RelaxWorkChain, **inputs))

    def inspect_magnetism(self) -> None:
        """Add to the relaxation which state lies lower; a failure makes that unknown and fails nothing else."""
        scf, relax = self.ctx.magnetic_scf, self.ctx.magnetic_relax
        failed = next((child for child in (scf, relax) if child is not None and not child.is_finished_ok), None)
        settings = self.inputs.settings["relax"]
        context: dict[str, Any] = {
            "symbols": self._symbols(),
            "failure": None if failed is None else self.reason_of(failed),
            "min_moment_bohr_mag": settings["min_moment_bohr_mag"],
            "min_gain_ev_per_atom": settings["min_magnetic_gain_ev_per_atom"],
        }
        results = {}
        if failed is None and relax is not None:
            results["relaxed"] = relax.outputs.magnetic_state
        elif failed is None:
            results["scf"] = scf.outputs.output_parameters
        self.ctx.relaxation = functions.add_magnetism(self.ctx.relaxation, orm.Dict(context), **results)
        self.report(magnetism_text(self.ctx.relaxation["magnetism"]))

    def _symbols(self) -> list[str]:
        """Return the element of every site."""
        structure = self.ctx.structure
        return [structure.get_kind(site.kind_name).symbol for site in structure.sites]

    def _spin(self) -> dict[str, Any]:
        """Return the namelists of a spin-polarised state if that is to be relaxed, else nothing."""
        if "starting_magnetisation" not in self.inputs:
            return {}
        return spin_namelists(self.inputs.starting_magnetisation.get_dict(), self.ctx.structure)

    def results(self) -> ExitCode | None:
        """Attach the outputs; also where the pressure was not reached, to show how far it got."""
        self.out("structure", self.ctx.structure)
        self.out("magnetic_state" if "starting_magnetisation" in self.inputs else "relaxation", self.ctx.relaxation)
        self.out("scf_folder", self.ctx.scf.outputs.remote_folder)
        if self.inputs.settings["decompression"]["clean_scratch"]:
            clean(self, {self.ctx.scf.outputs.remote_folder.creator.pk})
        tolerance = self.inputs.settings["relax"]["pressure_tolerance_gpa"]
        if abs(self.ctx.residual_gpa) > tolerance:
            return self.exit_codes.ERROR_PRESSURE_NOT_REACHED.format(
                residual=self.ctx.residual_gpa,
                passes=self.ctx.passes,
                tolerance=tolerance,
                pressure=self.inputs.pressure_gpa.value,
            )
        return None


def symmetry_broken_by(relax: orm.WorkChainNode) -> orm.CalcJobNode | None:
    """Return the job that ended a vc-relax because its cell had drifted off its symmetry; None if none did.

    pw.x 6.7 moves the cell with the stress as it comes, and dies ("not orthogonal operation") when what that has of
    noise adds up. Nothing is wrong with the crystal then.
    """
    jobs = [node for node in relax.called if isinstance(node, orm.CalcJobNode)]
    if relax.is_finished_ok or not jobs:
        return None
    last = max(jobs, key=lambda node: node.pk or 0)
    return last if last.exit_status == _SYMMETRY_BROKEN and "output_structure" in last.outputs else None
