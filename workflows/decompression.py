"""The descent in pressure: relax, place on the hull, decide dynamic stability, go on while stable, then narrow down."""

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.ladder import Ladder, Rung
from hts.rungs import excerpt, softening_of
from hts.verdict import judge_hull, judge_relaxation
from workflows import functions
from workflows.distortion import DistortionWorkChain
from workflows.hull import HullWorkChain
from workflows.phonon_methods import PHONON_METHODS
from workflows.relax import RelaxWorkChain
from workflows.scratch import clean, clean_folder
from workflows.stage import StageWorkChain
from workflows.zero_point import ZeroPointWorkChain


def pressure_label(pressure_gpa: float) -> str:
    """Name a pressure in a link label: ``12p5GPa``."""
    return f"{pressure_gpa:g}GPa".replace(".", "p")


def coupling_inputs(rung: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the coupling at a rung starts from: structure, relaxation, and what its phonons left."""
    outputs = rung["child"].outputs
    found: dict[str, Any] = {
        "structure": rung["structure"],
        "relaxation": rung["relaxation"],
        "phonons": outputs.phonons,
        "scf_folder": outputs.scf_folder,
        "ph_folders": dict(outputs.ph_folders),
    }
    return {**found, **({"force_constants": outputs.force_constants} if "force_constants" in outputs else {})}


class DecompressionWorkChain(StageWorkChain):
    """Follow the dynamic stability of one crystal down in pressure.

    Each rung starts from the structure of the rung above and tries first the q-point that was softest there. Which
    pressure comes next is chosen where the softening predicts the end of stability. The first rung takes over a
    relaxation (and hull) that already exists, if it is given.
    """

    _codes = ("pw", "ph", "q2r")

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("ladder", valid_type=orm.Dict, help="start, stop, step, resolution in GPa.")
        spec.input("gates", valid_type=orm.Dict, help="max_hull_ev_per_atom, min_frequency_cm1.")
        spec.input("kpoints_mesh", valid_type=orm.List, help="k-mesh of every rung.")
        spec.input(
            "start_relaxation", valid_type=orm.Dict, required=False, help="Of `structure` at the start pressure."
        )
        spec.input("start_placement", valid_type=orm.Dict, required=False, help="Its place on the hull.")
        spec.input("start_scf_folder", valid_type=orm.RemoteData, required=False, help="Its scf.")
        spec.outline(
            cls.setup,
            while_(cls.should_descend)(
                cls.start_rung,
                if_(cls.should_relax)(cls.run_relax, cls.inspect_relax),
                if_(cls.should_place)(cls.run_hull, cls.inspect_hull),
                if_(cls.should_run_phonons)(cls.run_phonons, cls.inspect_phonons),
                cls.finish_rung,
            ),
            if_(cls.should_add_zero_point)(cls.run_zero_point, cls.inspect_zero_point),
            if_(cls.should_follow_mode)(cls.run_distortion, cls.inspect_distortion),
            cls.results,
        )
        cls._define_outputs(spec)

    @classmethod
    def _define_outputs(cls, spec: WorkChainSpec) -> None:
        spec.output("ladder", valid_type=orm.Dict, help="Every rung's verdict, the bracket in GPa, the softest modes.")
        spec.output("structure", valid_type=orm.StructureData, required=False, help="At the lowest stable pressure.")
        spec.output("relaxation", valid_type=orm.Dict, required=False, help="At the lowest stable pressure.")
        spec.output("phonons", valid_type=orm.Dict, required=False, help="At the lowest stable pressure.")
        spec.output("scf_folder", valid_type=orm.RemoteData, required=False, help="At the lowest stable pressure.")
        spec.output_namespace(
            "ph_folders", valid_type=orm.RemoteData, dynamic=True, help="q_N, at the lowest stable pressure."
        )
        spec.output(
            "force_constants", valid_type=orm.SinglefileData, required=False, help="At the lowest stable pressure."
        )
        spec.output_namespace(
            "higher",
            dynamic=True,
            help="Pressure (10GPa) -> the same of higher stable rungs, as the coupling wants it.",
        )
        spec.output(
            "zero_point",
            valid_type=orm.Dict,
            required=False,
            help="Distance from the hull with zero-point energy, at the lowest stable pressure.",
        )
        spec.output(
            "distortion",
            valid_type=orm.Dict,
            required=False,
            help="Where the softest mode led to, unstable at the stop.",
        )
        spec.output(
            "distorted_structure",
            valid_type=orm.StructureData,
            required=False,
            help="Of lower enthalpy, if it led to one.",
        )
        spec.exit_code(401, "ERROR_RUNG_UNDECIDED", message="undecided at {pressure:g} GPa: {reason}")

    def setup(self) -> None:
        """Read the ladder."""
        values = self.inputs.ladder.get_dict()
        reentrant = self.inputs.settings["decompression"]["reentrant"]
        self.ctx.ladder = Ladder(values["start"], values["stop"], values["step"], values["resolution"], reentrant)
        self.ctx.rungs = []
        self.ctx.structure = self.inputs.structure
        self.ctx.best = None
        self.ctx.higher = []  # stable rungs above the best one whose scratch is kept, the lowest last
        self.ctx.zero_point = None
        self.ctx.unstable_at_stop = None
        self.ctx.distortion = None
        self.ctx.softest_first = []

    def should_descend(self) -> bool:
        """Ask the ladder for the next pressure."""
        decided = [Rung(rung["pressure_gpa"], rung["verdict"]) for rung in self.ctx.rungs]
        predicted_gpa = None
        if self.inputs.settings["decompression"]["predict"]:
            predicted_gpa = softening_of(self.ctx.rungs).pressure_gpa
        self.ctx.pressure_gpa = self.ctx.ladder.next_pressure_gpa(decided, predicted_gpa)
        return self.ctx.pressure_gpa is not None

    def start_rung(self) -> None:
        """Take over what is given for the first rung."""
        self.ctx.rung = {"pressure_gpa": self.ctx.pressure_gpa, "verdict": None, "reason": None}
        self.ctx.nodes = {}
        self.ctx.relaxed = None
        self.ctx.phonons = None
        if not self.ctx.rungs and "start_relaxation" in self.inputs and "start_scf_folder" in self.inputs:
            self.ctx.relaxed = {
                "structure": self.inputs.structure,
                "relaxation": self.inputs.start_relaxation,
                "scf_folder": self.inputs.start_scf_folder,
            }
            self.ctx.nodes["relaxation"] = self.inputs.start_relaxation
            if "start_placement" in self.inputs:
                self.ctx.nodes["placement"] = self.inputs.start_placement

    def should_relax(self) -> bool:
        """Relax unless the relaxation was given."""
        return self.ctx.relaxed is None

    def run_relax(self) -> Any:
        """Relax at this rung, from the structure of the rung above."""
        inputs = {
            **self.shared_inputs("pw"),
            "structure": self.ctx.structure,
            "pressure_gpa": orm.Float(self.ctx.pressure_gpa),
            "kpoints_mesh": self.inputs.kpoints_mesh,
            "metadata": {"call_link_label": f"relax_{self._label()}"},
        }
        return ToContext(child=self.submit(RelaxWorkChain, **inputs))

    def inspect_relax(self) -> None:
        """Go on with a metal; an insulator or a failure ends the descent."""
        child = self.ctx.child
        if not child.is_finished_ok:
            self._decide("undecided", self.reason_of(child))
            return
        self.ctx.relaxed = {key: child.outputs[key] for key in ("structure", "relaxation", "scf_folder")}
        self.ctx.nodes["relaxation"] = child.outputs.relaxation
        judgement = judge_relaxation(
            child.outputs.relaxation.get_dict(), self.inputs.settings["relax"]["insulator_gap_ev"]
        )
        if judgement.verdict != "passed":
            self._decide("insulator" if judgement.verdict == "failed" else "undecided", judgement.reason)

    def should_place(self) -> bool:
        """Place on the hull unless that was given or the rung is already decided."""
        return self.ctx.rung["verdict"] is None and "placement" not in self.ctx.nodes

    def run_hull(self) -> Any:
        """Compute the hull at this rung."""
        inputs = {
            **self.shared_inputs("pw"),
            "structure": self.ctx.relaxed["structure"],
            "relaxation": self.ctx.relaxed["relaxation"],
            "metadata": {"call_link_label": f"hull_{self._label()}"},
        }
        return ToContext(child=self.submit(HullWorkChain, **inputs))

    def inspect_hull(self) -> None:
        """Hold the energy above hull against the gate."""
        child = self.ctx.child
        if not child.is_finished_ok:
            self._decide("undecided", self.reason_of(child))
            return
        self.ctx.nodes["placement"] = child.outputs.placement
        judgement = judge_hull(child.outputs.placement.get_dict(), self.inputs.gates["max_hull_ev_per_atom"])
        if judgement.verdict != "passed":
            self._decide("above_hull" if judgement.verdict == "failed" else "undecided", judgement.reason)

    def should_run_phonons(self) -> bool:
        """Spend ph.x only on what is still in the funnel."""
        return self.ctx.rung["verdict"] is None

    def run_phonons(self) -> Any:
        """Decide the dynamic stability at this rung."""
        method = PHONON_METHODS[self.inputs.settings["phonons"]["method"]]
        inputs = {
            **self.shared_inputs(*method._codes),
            "structure": self.ctx.relaxed["structure"],
            "scf_folder": self.ctx.relaxed["scf_folder"],
            "kpoints_mesh": self.inputs.kpoints_mesh,
            "min_frequency_cm1": orm.Float(self.inputs.gates["min_frequency_cm1"]),
            "softest_first": orm.List(self.ctx.softest_first),
            "metadata": {"call_link_label": f"phonons_{self._label()}"},
        }
        return ToContext(phonons=self.submit(method, **inputs))

    def inspect_phonons(self) -> None:
        """Keep the scratch of the lowest stable rung only."""
        child = self.ctx.phonons
        if "phonons" not in child.outputs:
            self._decide("undecided", self.reason_of(child))
            return
        phonons = child.outputs.phonons
        self.ctx.nodes["phonons"] = phonons
        self._decide(phonons["verdict"], phonons["reason"])
        self.ctx.softest_first = phonons["softest_first"]
        if phonons["verdict"] == "unstable" and self.ctx.pressure_gpa == self.ctx.ladder.stop_gpa:
            self.ctx.unstable_at_stop = {**self.ctx.relaxed, "phonons": phonons}
        if phonons["verdict"] != "stable" or self._is_below_unstable():
            return
        self._retire_best()
        self.ctx.best = {
            **self.ctx.relaxed,
            "child": child,
            "placement": self.ctx.nodes["placement"],
            "label": self._label(),
        }
        self.ctx.structure = self.ctx.relaxed["structure"]

    def _retire_best(self) -> None:
        """Keep the scratch of rungs where a coupling is wanted too, besides the lowest stable one; clean the others."""
        if self.ctx.best is None:
            return
        wanted = {"lowest": 0, "above": 1, "ladder": None}[self.inputs.settings["coupling"]["pressures"]]
        kept = [*self.ctx.higher, self.ctx.best]
        retired = kept[: len(kept) - wanted] if wanted is not None else []
        for rung in retired:
            self._clean(rung)
        self.ctx.higher = kept[len(retired) :]

    def _is_below_unstable(self) -> bool:
        """Tell a re-entrant rung: it is reported, but the descent's answer lies above."""
        return any(
            rung["verdict"] == "unstable" and rung["pressure_gpa"] > self.ctx.pressure_gpa for rung in self.ctx.rungs
        )

    def finish_rung(self) -> None:
        """Record the rung."""
        self.ctx.rung["nodes"] = {key: node.uuid for key, node in self.ctx.nodes.items()}
        for key in ("relaxation", "placement", "phonons"):
            if key in self.ctx.nodes:
                self.ctx.rung[key] = excerpt(key, self.ctx.nodes[key].get_dict())
        if self.ctx.rung["verdict"] not in {"stable", "undecided"} or self._is_below_unstable():
            self._clean({**(self.ctx.relaxed or {}), "child": self.ctx.phonons})
        self.ctx.rungs = [*self.ctx.rungs, self.ctx.rung]
        self.report(f"{self.ctx.pressure_gpa:g} GPa: {self.ctx.rung['verdict']}, {self.ctx.rung['reason']}")

    def should_add_zero_point(self) -> bool:
        """Only where it is asked for, and where the crystal vibrates at all."""
        return self.inputs.settings["hull"].get("zero_point", "none") != "none" and self.ctx.best is not None

    def run_zero_point(self) -> Any:
        """Correct the distance from the hull at the lowest stable pressure."""
        outputs = self.ctx.best["child"].outputs
        inputs = {
            **self.shared_inputs("pw", "ph", "q2r"),
            "structure": self.ctx.best["structure"],
            "placement": self.ctx.best["placement"],
            "phonons": outputs.phonons,
            **({"interpolation": outputs.interpolation} if "interpolation" in outputs else {}),
            "metadata": {"call_link_label": "zero_point"},
        }
        return ToContext(child=self.submit(ZeroPointWorkChain, **inputs))

    def inspect_zero_point(self) -> None:
        """Keep the correction; without one the descent stands as it is."""
        child = self.ctx.child
        if "zero_point" in child.outputs:
            self.ctx.zero_point = child.outputs.zero_point
        if not child.is_finished_ok:
            self.report(self.reason_of(child))

    def should_follow_mode(self) -> bool:
        """Only where it is asked for, and only of what is unstable at the very end of the ladder."""
        return self.inputs.settings["decompression"]["follow_soft_mode"] and self.ctx.unstable_at_stop is not None

    def run_distortion(self) -> Any:
        """Follow the softest mode at the stop."""
        inputs = {
            **self.shared_inputs("pw"),
            "pressure_gpa": orm.Float(self.ctx.ladder.stop_gpa),
            "amplitude_ang": orm.Float(self.inputs.settings["decompression"]["distortion_amplitude_ang"]),
            "max_atoms": orm.Int(self.inputs.settings["decompression"]["distortion_max_atoms"]),
            **{key: self.ctx.unstable_at_stop[key] for key in ("structure", "relaxation", "phonons")},
            "metadata": {"call_link_label": "distortion"},
        }
        return ToContext(child=self.submit(DistortionWorkChain, **inputs))

    def inspect_distortion(self) -> None:
        """Keep what it led to; without that the descent stands as it is."""
        child = self.ctx.child
        if "distortion" in child.outputs:
            self.ctx.distortion = child
        if not child.is_finished_ok:
            self.report(self.reason_of(child))

    def results(self) -> ExitCode | None:
        """Attach the ladder, and what belongs to the lowest stable pressure."""
        self.out("ladder", functions.collect_rungs(orm.List(self.ctx.rungs), **self._rung_nodes()))
        if self.ctx.best is not None:
            child = self.ctx.best["child"]
            self.out("structure", self.ctx.best["structure"])
            self.out("relaxation", self.ctx.best["relaxation"])
            self.out("phonons", child.outputs.phonons)
            if "ph_folders" in child.outputs:
                self.out("scf_folder", child.outputs.scf_folder)
                self.out("ph_folders", dict(child.outputs.ph_folders))
            if "force_constants" in child.outputs:
                self.out("force_constants", child.outputs.force_constants)
        for rung in self.ctx.higher:
            if "ph_folders" in rung["child"].outputs:
                self.out(f"higher.{rung['label']}", coupling_inputs(rung))
        if self.ctx.zero_point is not None:
            self.out("zero_point", self.ctx.zero_point)
        if self.ctx.distortion is not None:
            self.out("distortion", self.ctx.distortion.outputs.distortion)
            if "structure" in self.ctx.distortion.outputs:
                self.out("distorted_structure", self.ctx.distortion.outputs.structure)
        undecided = [rung for rung in self.ctx.rungs if rung["verdict"] == "undecided"]
        if undecided:
            last = undecided[-1]
            return self.exit_codes.ERROR_RUNG_UNDECIDED.format(pressure=last["pressure_gpa"], reason=last["reason"])
        return None

    def _rung_nodes(self) -> dict[str, orm.Node]:
        """Return the stored results behind every rung, as inputs of the calcfunction that collects them."""
        return {
            f"rung_{index}_{key}": orm.load_node(uuid)
            for index, rung in enumerate(self.ctx.rungs)
            for key, uuid in rung["nodes"].items()
        }

    def _decide(self, verdict: str, reason: str) -> None:
        self.ctx.rung["verdict"] = verdict
        self.ctx.rung["reason"] = reason

    def _label(self) -> str:
        return pressure_label(self.ctx.pressure_gpa)

    def _clean(self, rung: Mapping[str, Any]) -> None:
        """Remove the scratch of a rung that no later step reads: its ph.x jobs and its scf."""
        if not self.inputs.settings["decompression"]["clean_scratch"]:
            return
        if rung["child"] is not None:
            clean(self, (), below=rung["child"])
        if "scf_folder" in rung:
            clean_folder(self, rung["scf_folder"])
