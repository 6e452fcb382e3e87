"""What a soft mode leads to: the crystal displaced along it and relaxed in the symmetry that is left."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.electrons import kpoint_mesh
from workflows import distortion_functions
from workflows.relax import RelaxWorkChain
from workflows.stage import StageWorkChain


class DistortionWorkChain(StageWorkChain):
    """Follow the softest mode of an unstable crystal to a crystal of lower symmetry.

    The atoms are displaced along the eigenvector in the smallest supercell that the mode repeats in, and relaxed at the
    parent's pressure; pw.x keeps the symmetry that the displacement leaves. What comes out lower in enthalpy, and is
    not the parent again, is proposed as a crystal of its own. A failure proposes nothing.
    """

    _codes = ("pw",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("relaxation", valid_type=orm.Dict, help="Of the unstable crystal at `pressure_gpa`.")
        spec.input("phonons", valid_type=orm.Dict, help="Of the unstable crystal, with the eigenvectors of its modes.")
        spec.input("pressure_gpa", valid_type=orm.Float, help="Pressure of all of it in GPa.")
        spec.input(
            "amplitude_ang",
            valid_type=orm.Float,
            default=lambda: orm.Float(0.15),
            help="Displacement of the atom that moves most, Angstrom.",
        )
        spec.input(
            "max_atoms", valid_type=orm.Int, default=lambda: orm.Int(40), help="Largest supercell that is relaxed."
        )
        spec.input(
            "min_gain_ev_per_atom",
            valid_type=orm.Float,
            default=lambda: orm.Float(1.0e-3),
            help="eV/atom; enthalpies that differ by less are equal.",
        )
        spec.outline(cls.setup, if_(cls.should_relax)(cls.run_relax, cls.inspect_relax), cls.results)
        spec.output(
            "distortion",
            valid_type=orm.Dict,
            help="verdict (lower, higher, returned, undecided), reason, mode, space groups, enthalpy gain (eV/atom).",
        )
        spec.output("structure", valid_type=orm.StructureData, required=False, help="The distorted crystal if lower.")
        spec.output("relaxation", valid_type=orm.Dict, required=False, help="Of the distorted crystal.")
        spec.exit_code(
            210,
            "ERROR_NOT_UNSTABLE",
            message="the phonons say {verdict}; only an unstable crystal has a soft mode",
        )
        spec.exit_code(401, "ERROR_RELAX_FAILED", message="undecided: {reason}")
        spec.exit_code(402, "ERROR_NOT_DISPLACED", message="undecided: {reason}")

    def setup(self) -> ExitCode | None:
        """Displace the crystal."""
        verdict = self.inputs.phonons["verdict"]
        if verdict != "unstable":
            return self.exit_codes.ERROR_NOT_UNSTABLE.format(verdict=verdict)
        context = {
            "amplitude_ang": self.inputs.amplitude_ang.value,
            "max_atoms": self.inputs.max_atoms.value,
            "symmetry_precision_ang": self.inputs.settings["relax"]["symmetry_precision_ang"],
        }
        displaced = distortion_functions.displace_along_softest_mode(
            self.inputs.structure, self.inputs.phonons, orm.Dict(context)
        )
        self.ctx.displacement = displaced["displacement"]
        self.ctx.displaced = displaced.get("structure")
        self.ctx.failure = self.ctx.displacement["reason"]
        return None

    def should_relax(self) -> bool:
        """Relax what could be displaced."""
        return self.ctx.displaced is not None

    def run_relax(self) -> Any:
        """Relax at the same pressure, on a k-mesh of the same density."""
        found = self.ctx.displacement
        mode = found["mode"]
        point = " ".join(f"{value + 0:g}" for value in mode["qpoint"])
        self.report(
            f"{mode['frequency_cm1']:.0f} cm-1 at q = ({point}): space group {found['parent_space_group_number']} -> "
            f"{found['displaced_space_group_number']}, {len(self.ctx.displaced.sites)} atoms"
        )
        dft = self.inputs.settings["dft"]
        mesh = kpoint_mesh(
            self.ctx.displaced.cell, dft["kpoints_distance_inv_ang"], multiple_of=tuple(dft["qpoints_mesh"])
        )
        inputs = {
            **self.shared_inputs("pw"),
            "structure": self.ctx.displaced,
            "pressure_gpa": self.inputs.pressure_gpa,
            "kpoints_mesh": orm.List(list(mesh)),
            "metadata": {"call_link_label": "relax"},
        }
        return ToContext(relax=self.submit(RelaxWorkChain, **inputs))

    def inspect_relax(self) -> None:
        """Keep a failure apart: it says nothing about the crystal."""
        if not self.ctx.relax.is_finished_ok:
            self.ctx.failure = self.reason_of(self.ctx.relax)

    def results(self) -> ExitCode | None:
        """Attach the verdict, and the crystal only if it lies lower."""
        relaxed: dict[str, orm.Data] = {}
        if self.ctx.failure is None:
            outputs = self.ctx.relax.outputs
            relaxed = {
                "parent": self.inputs.relaxation,
                "parent_structure": self.inputs.structure,
                "distorted": outputs.relaxation,
                "distorted_structure": outputs.structure,
            }
            self.out("relaxation", outputs.relaxation)
        context = {
            "pressure_gpa": self.inputs.pressure_gpa.value,
            "min_gain_ev_per_atom": self.inputs.min_gain_ev_per_atom.value,
            "symmetry_precision_ang": self.inputs.settings["relax"]["symmetry_precision_ang"],
            "failure": self.ctx.failure,
        }
        distortion = distortion_functions.judge_followed_mode(self.ctx.displacement, orm.Dict(context), **relaxed)
        self.out("distortion", distortion)
        self.report(f"{distortion['verdict']}: {distortion['reason']}")
        if distortion["verdict"] == "lower":
            self.out("structure", relaxed["distorted_structure"])
        if self.ctx.failure is not None:
            code = "ERROR_NOT_DISPLACED" if self.ctx.displaced is None else "ERROR_RELAX_FAILED"
            return self.exit_codes[code].format(reason=self.ctx.failure)
        return None
