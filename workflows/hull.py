"""Enthalpy above hull at one pressure, against competing phases that a profile computes once."""

import re
from datetime import datetime
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.competitor_list import Competitor, CompetitorList
from hts.competitors import competitors
from hts.hull import is_same_phase
from workflows import functions
from workflows.once import find_process, profile_lock
from workflows.pw import basis_of, settings_fingerprint
from workflows.relax import RelaxWorkChain
from workflows.stage import StageWorkChain


class HullWorkChain(StageWorkChain):
    """Place one relaxed crystal on the hull at its pressure.

    A competing phase is one relaxation per (phase, pressure, settings) in the profile: an existing one is used, a
    running one is waited for, whoever started it; only a missing one is submitted, under a lock that all workers of the
    profile share. One that fails is named as missing; without any phase of an element there is no hull.
    """

    _codes = ("pw",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("relaxation", valid_type=orm.Dict, help="Output of the candidate's relaxation at this pressure.")
        spec.outline(
            cls.setup,
            while_(cls.should_get_references)(cls.get_references, cls.inspect_references),
            if_(cls.has_every_element)(cls.place),
            cls.results,
        )
        spec.output(
            "placement", valid_type=orm.Dict, help="Energy above hull (eV/atom), decomposition, missing competitors."
        )
        spec.exit_code(401, "ERROR_REFERENCE_FAILED", message="no hull: {reason}")

    def setup(self) -> None:
        """List the competing phases of the candidate's chemical system at its pressure."""
        self.ctx.pressure_gpa = self.inputs.relaxation["pressure_gpa"]
        self.ctx.elements = sorted({kind.symbol for kind in self.inputs.structure.kinds})
        self.ctx.scope = self.inputs.settings["hull"]["competitors"]
        listed = self._listed()
        # Link labels are made of letters, digits and underscores.
        self.ctx.wanted = {re.sub(r"\W", "_", phase.label): phase.label for phase in listed.phases}
        self.ctx.caveats = list(dict.fromkeys(phase.caveat for phase in listed.phases if phase.caveat))
        self.ctx.found = {}
        self.ctx.failed = {}
        self.ctx.attempts = 0

    def _listed(self) -> CompetitorList:
        """Return the competing phases; settings of older processes name no structures."""
        structures = self.inputs.settings["hull"].get("structures", {})
        return competitors(self.ctx.elements, self.ctx.pressure_gpa, self.ctx.scope, structures=structures)

    def should_get_references(self) -> bool:
        """Try again only for phases that were lost with the process that ran them."""
        open_ones = set(self.ctx.wanted) - set(self.ctx.found) - set(self.ctx.failed)
        return bool(open_ones) and self.ctx.attempts < self.inputs.settings["hull"]["max_reference_attempts"]

    def get_references(self) -> None:
        """Use, await or submit the relaxation of every phase that is still missing."""
        self.ctx.attempts += 1
        phases = {phase.label: phase for phase in self._listed().phases}
        for key, phase_label in self.ctx.wanted.items():
            if key in self.ctx.found or key in self.ctx.failed:
                continue
            phase = phases[phase_label]
            settings = settings_fingerprint(self._settings_of(phase))
            label = f"reference/{phase.label}/{self.ctx.pressure_gpa:g}GPa/{settings}"
            with profile_lock():
                node: orm.ProcessNode | None = find_process(label, failed_after=self._failures_count_from())
                if node is None:
                    node = self.submit(RelaxWorkChain, **self._reference_inputs(key, phase, label))
                    self.report(f"{label}: submitted as {node.pk}")
                elif not node.is_terminated:
                    self.report(f"{label}: waiting for {node.pk}")
            self.to_context(**{f"reference_{key}": node})

    def _failures_count_from(self) -> datetime | None:
        """Believe a reference's failure; when asked to retry, only one that came after this process was made."""
        return self.node.ctime if self.inputs.options.get_dict().get("retry_failed_references") else None

    def _settings_of(self, phase: Competitor) -> AttributeDict:
        """Narrow the pseudopotentials to the phase's own, so that its identity doesn't depend on who asks."""
        own = {element: self.inputs.pseudos[element] for element in sorted(phase.structure.symbol_set)}
        return AttributeDict({"settings": self.inputs.settings, "pseudos": own})

    def _reference_inputs(self, key: str, phase: Competitor, label: str) -> dict[str, Any]:
        return {
            **self.shared_inputs("pw"),
            "structure": orm.StructureData(pymatgen=phase.structure),
            "pressure_gpa": orm.Float(self.ctx.pressure_gpa),
            "metadata": {"label": label, "call_link_label": f"reference_{key}"},
        }

    def inspect_references(self) -> None:
        """Keep what finished; what was killed with somebody else's screening is asked for again."""
        last = self.ctx.attempts >= self.inputs.settings["hull"]["max_reference_attempts"]
        for key, phase_label in self.ctx.wanted.items():
            node = self.ctx.get(f"reference_{key}")
            if node is None or key in self.ctx.found:
                continue
            if node.is_finished_ok:
                self.ctx.found[key] = node
            elif node.is_finished or last:
                self.ctx.failed[key] = f"reference {phase_label}: {self.reason_of(node)}"

    def has_every_element(self) -> bool:
        """Without a phase of every element there is no hull."""
        pure = {tuple(kind.symbol for kind in node.inputs.structure.kinds) for node in self.ctx.found.values()}
        return all((element,) in pure for element in self.ctx.elements)

    def place(self) -> None:
        """Compute the hull from the stored relaxations; a phase that failed is a competitor that is missing."""
        results = {key: node.outputs.relaxation for key, node in self.ctx.found.items()}
        labels = {key: self.ctx.wanted[key] for key in results}
        own = self.inputs.relaxation.get_dict()
        systems = []
        if self.ctx.scope != "elements":
            for node in self._computed_before(results):
                results[f"computed_{node.pk}"] = node
                labels[f"computed_{node.pk}"] = f"{node['formula']}-{node.pk}"
                # The candidate itself, relaxed before, is no competitor.
                systems += [] if is_same_phase(own, node.get_dict()) else [frozenset(node["basis"]["pseudos"])]
        missing = [*self._listed().missing_beside(systems), *self.ctx.caveats, *self.ctx.failed.values()]
        self.ctx.placement = functions.place_relaxed(
            candidate=self.inputs.relaxation,
            missing=orm.List(missing),
            labels=orm.Dict(labels),
            **{f"phase_{key}": node for key, node in results.items()},
        )

    def _computed_before(self, results: dict[str, orm.Dict]) -> list[orm.Dict]:
        """Return the other relaxations of this system at this pressure with these settings that the profile holds."""
        wanted = {self.inputs.relaxation.pk, *(node.pk for node in results.values())}
        basis = basis_of(self.inputs, self.ctx.pressure_gpa)
        query = orm.QueryBuilder().append(
            RelaxWorkChain, filters={"attributes.exit_status": 0, "attributes.process_state": "finished"}, tag="relax"
        )
        query.append(
            orm.Dict,
            with_incoming="relax",
            edge_filters={"label": "relaxation"},
            filters={"attributes.pressure_gpa": self.ctx.pressure_gpa, "id": {"!in": sorted(wanted)}},
            tag="result",
        )
        query.order_by({"result": [{"id": "asc"}]})
        return [node for node in query.all(flat=True) if is_subsystem(node.get_dict(), basis)]

    def results(self) -> ExitCode | None:
        """Attach the placement, or say which reference failed."""
        if not self.has_every_element():
            lacking = [*self._listed().missing, *self.ctx.caveats]
            reason = "; ".join(self.ctx.failed.values()) or "; ".join(lacking) or "a reference was lost twice"
            return self.exit_codes.ERROR_REFERENCE_FAILED.format(reason=reason)
        self.out("placement", self.ctx.placement)
        return None


def is_subsystem(relaxation: dict[str, Any], basis: dict[str, Any]) -> bool:
    """Say whether a stored relaxation belongs on the hull of a candidate: its elements, computed alike.

    Parameters
    ----------
    relaxation : dict
        Output of a `RelaxWorkChain`.
    basis : dict
        Of the candidate, see `workflows.pw.basis_of`.

    Returns
    -------
    bool
    """
    theirs = relaxation["basis"]
    shared = {key: value for key, value in basis.items() if key != "pseudos"}
    return all(theirs.get(key) == value for key, value in shared.items()) and all(
        basis["pseudos"].get(element) == md5 for element, md5 in theirs["pseudos"].items()
    )
