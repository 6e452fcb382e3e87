"""The funnel: nothing but stages and gates."""

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.electrons import kpoint_mesh
from workflows import functions
from workflows.coupling import CouplingWorkChain
from workflows.decompression import DecompressionWorkChain
from workflows.hull import HullWorkChain
from workflows.relax import RelaxWorkChain
from workflows.stage import StageWorkChain
from workflows.tc import TcWorkChain


class ScreeningWorkChain(StageWorkChain):
    """Walk one candidate through relax, hull, decompress, coupling and Tc, cheap before dear.

    A physical "no" ends the walk with exit code 0 and its verdict; trouble ends it with a 40x code and the verdict
    `undecided`. Either way the record is attached: no candidate ends without an answer to "why?".
    """

    _codes = ("pw", "ph", "q2r", "epw")
    _optional_codes = ("projwfc",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("identity", valid_type=orm.Dict, help="key, prototype, formula; parent (uuid) of a distorted one.")
        spec.input("ladder", valid_type=orm.Dict, help="start, stop, step, resolution in GPa.")
        spec.input("gates", valid_type=orm.Dict, help="max_hull_ev_per_atom, min_frequency_cm1, min_tc_k.")
        spec.outline(
            cls.setup,
            cls.run_relax,
            cls.inspect_relax,
            if_(cls.is_in_the_funnel)(
                cls.run_hull,
                cls.inspect_hull,
            ),
            if_(cls.is_in_the_funnel)(
                cls.run_decompression,
                cls.inspect_decompression,
            ),
            if_(cls.has_dvscf)(
                cls.run_coupling,
                cls.inspect_coupling,
            ),
            if_(cls.is_in_the_funnel)(
                cls.run_tc,
                cls.inspect_tc,
            ),
            while_(cls.has_higher_rung)(
                cls.run_higher_coupling,
                if_(cls.is_coupled)(cls.run_higher_tc),
                cls.finish_higher_rung,
            ),
            cls.results,
        )
        spec.output("candidate", valid_type=orm.Dict, help="The record that `hts candidates` reads.")
        spec.output_namespace("verdicts", valid_type=orm.Dict, dynamic=True, help="Stage -> its judgement.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="At the lowest stable pressure.")
        spec.output(
            "distorted_structure",
            valid_type=orm.StructureData,
            required=False,
            help="What the softest mode leads to, if that is lower in enthalpy: a further candidate.",
        )
        spec.exit_code(401, "ERROR_RELAX_UNDECIDED", message="relax is undecided: {reason}")
        spec.exit_code(402, "ERROR_HULL_UNDECIDED", message="hull is undecided: {reason}")
        spec.exit_code(403, "ERROR_DECOMPRESS_UNDECIDED", message="decompress is undecided: {reason}")
        spec.exit_code(404, "ERROR_COUPLING_UNDECIDED", message="coupling is undecided: {reason}")
        spec.exit_code(405, "ERROR_TC_UNDECIDED", message="tc is undecided: {reason}")

    def setup(self) -> None:
        """Choose the k-mesh of the whole ladder: a multiple of the q-mesh, and never changed on the way down."""
        dft = self.inputs.settings["dft"]
        mesh = kpoint_mesh(
            self.inputs.structure.cell, dft["kpoints_distance_inv_ang"], multiple_of=tuple(dft["qpoints_mesh"])
        )
        self.ctx.kpoints_mesh = orm.List(list(mesh))
        self.ctx.results = {}
        self.ctx.verdicts = {}
        self.ctx.failure = None
        self.ctx.exit_code = None
        self.ctx.passed = True
        self.ctx.rungs_coupled = {}  # pressure label -> coupling and Tc of a rung above the lowest stable one
        self.ctx.higher = None

    def is_in_the_funnel(self) -> bool:
        """Go on while every stage so far has passed."""
        return bool(self.ctx.passed)

    def run_relax(self) -> Any:
        """Relax at the start pressure."""
        inputs = {
            **self.shared_inputs("pw"),
            "structure": self.inputs.structure,
            "pressure_gpa": orm.Float(self.inputs.ladder["start"]),
            "kpoints_mesh": self.ctx.kpoints_mesh,
            "metadata": {"call_link_label": "relax"},
        }
        return ToContext(relax=self.submit(RelaxWorkChain, **inputs))

    def inspect_relax(self) -> None:
        """Reject insulators."""
        child = self.ctx.relax
        if not child.is_finished_ok:
            self._give_up("relax", self.reason_of(child))
            return
        self.ctx.results["relaxation"] = child.outputs.relaxation
        gap_ev = self.inputs.settings["relax"]["insulator_gap_ev"]
        self._judge("relax", child.outputs.relaxation, {"insulator_gap_ev": gap_ev})

    def run_hull(self) -> Any:
        """Place it on the hull at the start pressure."""
        inputs = {
            **self.shared_inputs("pw"),
            "structure": self.ctx.relax.outputs.structure,
            "relaxation": self.ctx.relax.outputs.relaxation,
            "metadata": {"call_link_label": "hull"},
        }
        return ToContext(hull=self.submit(HullWorkChain, **inputs))

    def inspect_hull(self) -> None:
        """Reject what lies too far above the hull."""
        child = self.ctx.hull
        if not child.is_finished_ok:
            self._give_up("hull", self.reason_of(child))
            return
        self.ctx.results["placement"] = child.outputs.placement
        gate = self.inputs.gates["max_hull_ev_per_atom"]
        self._judge("hull", child.outputs.placement, {"max_hull_ev_per_atom": gate})

    def run_decompression(self) -> Any:
        """Follow it down in pressure."""
        inputs = {
            **self.shared_inputs("pw", "ph", "q2r"),
            "structure": self.ctx.relax.outputs.structure,
            "ladder": self.inputs.ladder,
            "gates": self.inputs.gates,
            "kpoints_mesh": self.ctx.kpoints_mesh,
            "start_relaxation": self.ctx.relax.outputs.relaxation,
            "start_placement": self.ctx.hull.outputs.placement,
            "start_scf_folder": self.ctx.relax.outputs.scf_folder,
            "metadata": {"call_link_label": "decompress"},
        }
        return ToContext(decompress=self.submit(DecompressionWorkChain, **inputs))

    def inspect_decompression(self) -> None:
        """Reject what is unstable everywhere; a descent that stopped undecided below a stable rung is undecided too."""
        child = self.ctx.decompress
        if "ladder" in child.outputs:
            self.ctx.results["ladder"] = child.outputs.ladder
            self._judge("decompress", child.outputs.ladder, {})
        if "zero_point" in child.outputs:
            self.ctx.results["zero_point"] = child.outputs.zero_point
        if "distortion" in child.outputs:
            self.ctx.results["distortion"] = child.outputs.distortion
        if not child.is_finished_ok:
            self._give_up("decompress", child.exit_message or self.reason_of(child))

    def has_dvscf(self) -> bool:
        """Go on to EPW only with what ph.x leaves for it; finite displacements decide stability and no more."""
        if self.ctx.passed and "ph_folders" not in self.ctx.decompress.outputs:
            self._give_up("coupling", "finite displacements leave no dvscf for epw.x; use phonons.method: dfpt")
        return bool(self.ctx.passed)

    def run_coupling(self) -> Any:
        """Compute alpha2F at the lowest stable pressure from the ph.x runs that decided it."""
        outputs = self.ctx.decompress.outputs
        found = {key: outputs[key] for key in ("structure", "relaxation", "phonons", "scf_folder")}
        found["ph_folders"] = dict(outputs.ph_folders)
        if "force_constants" in outputs:
            found["force_constants"] = outputs.force_constants
        return ToContext(coupling=self._submit_coupling(found, "coupling"))

    def _submit_coupling(self, found: Mapping[str, Any], label: str) -> orm.ProcessNode:
        inputs = {
            **self.shared_inputs("pw", "ph", "epw", "projwfc"),
            **found,
            "min_tc_k": orm.Float(self.inputs.gates["min_tc_k"]),
            "metadata": {"call_link_label": label},
        }
        return self.submit(CouplingWorkChain, **inputs)

    def inspect_coupling(self) -> None:
        """Keep the gates' verdict; an alpha2F that fails them is shown as unverified."""
        child = self.ctx.coupling
        if not child.is_finished_ok:
            self._give_up("coupling", self.reason_of(child))
            return
        self.ctx.results["coupling"] = self.ctx.verdicts["coupling"] = child.outputs.coupling
        self.ctx.passed = child.outputs.coupling["verdict"] == "passed"

    def run_tc(self) -> Any:
        """Solve for Tc."""
        return ToContext(tc=self._submit_tc(self.ctx.coupling, "tc"))

    def _submit_tc(self, coupling: orm.ProcessNode, label: str) -> orm.ProcessNode:
        inputs = {
            "alpha2f": dict(coupling.outputs.alpha2f),
            "chosen": orm.Str(coupling.outputs.coupling["numbers"]["chosen"]),
            "settings": self.inputs.settings,
            "metadata": {"call_link_label": label},
        }
        return self.submit(TcWorkChain, **inputs)

    def inspect_tc(self) -> None:
        """Hold Tc against the gate."""
        child = self.ctx.tc
        if not child.is_finished_ok:
            self._give_up("tc", self.reason_of(child))
            return
        self.ctx.results["tc"] = child.outputs.tc
        self._judge("tc", child.outputs.tc, {"min_tc_k": self.inputs.gates["min_tc_k"]})

    def has_higher_rung(self) -> bool:
        """Go on to the rungs above with what superconducts: Tc against pressure, beside the answer."""
        if not self.ctx.passed or "higher" not in self.ctx.decompress.outputs:
            return False
        rungs = dict(self.ctx.decompress.outputs.higher)
        self.ctx.higher = next((label for label in rungs if label not in self.ctx.rungs_coupled), None)
        return self.ctx.higher is not None

    def run_higher_coupling(self) -> Any:
        """Compute alpha2F at a higher rung from its own ph.x runs."""
        rung = dict(self.ctx.decompress.outputs.higher[self.ctx.higher])
        found = {**rung, "ph_folders": dict(rung["ph_folders"])}
        return ToContext(higher_coupling=self._submit_coupling(found, f"coupling_{self.ctx.higher}"))

    def is_coupled(self) -> bool:
        """Solve for Tc only with an alpha2F."""
        return bool(self.ctx.higher_coupling.is_finished_ok)

    def run_higher_tc(self) -> Any:
        """Solve for Tc at the higher rung."""
        return ToContext(higher_tc=self._submit_tc(self.ctx.higher_coupling, f"tc_{self.ctx.higher}"))

    def finish_higher_rung(self) -> None:
        """Keep what was found; a failure here leaves the answer at the lowest stable pressure as it is."""
        label = self.ctx.higher
        self.ctx.rungs_coupled[label] = "failed"
        if not self.is_coupled():
            self.report(f"coupling at {label}: {self.reason_of(self.ctx.higher_coupling)}")
            return
        self.ctx.verdicts[f"coupling_{label}"] = self.ctx.higher_coupling.outputs.coupling
        if not self.ctx.higher_tc.is_finished_ok:
            self.report(f"Tc at {label}: {self.reason_of(self.ctx.higher_tc)}")
            return
        self.ctx.rungs_coupled[label] = "done"
        self.ctx.results[f"coupling_{label}"] = self.ctx.higher_coupling.outputs.coupling
        self.ctx.results[f"tc_{label}"] = self.ctx.higher_tc.outputs.tc

    def results(self) -> ExitCode | None:
        """Attach record and verdicts, whatever happened."""
        gap_ev = self.inputs.settings["relax"]["insulator_gap_ev"]
        record = functions.summarise(
            identity=orm.Dict({**self.inputs.identity.get_dict(), "insulator_gap_ev": gap_ev}),
            failure=orm.Str(self.ctx.failure or ""),
            gates=self.inputs.gates,
            **self.ctx.results,
        )
        self.out("candidate", record)
        self.out("verdicts", self.ctx.verdicts)
        if "decompress" in self.ctx and "structure" in self.ctx.decompress.outputs:
            self.out("structure", self.ctx.decompress.outputs.structure)
        if "decompress" in self.ctx and "distorted_structure" in self.ctx.decompress.outputs:
            self.out("distorted_structure", self.ctx.decompress.outputs.distorted_structure)
        self.report(f"{record['key']}: {record['verdict']}, {record['reason']}")
        if self.ctx.exit_code is not None:
            return self.exit_codes[self.ctx.exit_code].format(reason=self.ctx.failure)
        return None

    def _judge(self, stage: str, result: orm.Dict, thresholds: dict[str, float]) -> None:
        judgement = functions.judge_stage(orm.Str(stage), result, orm.Dict(thresholds))
        self.ctx.verdicts[stage] = judgement
        self.ctx.passed = judgement["verdict"] == "passed"
        self.report(f"{stage}: {judgement['verdict']}, {judgement['reason']}")

    def _give_up(self, stage: str, reason: str) -> None:
        self.ctx.passed = False
        self.ctx.failure = f"{stage}: {reason}"
        self.ctx.exit_code = f"ERROR_{stage.upper()}_UNDECIDED"
        self.report(self.ctx.failure)
