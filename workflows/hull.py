"""Enthalpy above hull at one pressure, against references that a profile computes once."""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common import AttributeDict
from aiida.engine import ExitCode, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.manage import get_manager
from aiida.manage.configuration import get_config

from hts.file_lock import exclusive
from hts.references import ElementalReference, elemental_reference, missing_competitors
from workflows import functions
from workflows.pw import settings_fingerprint
from workflows.relax import RelaxWorkChain
from workflows.stage import StageWorkChain


class HullWorkChain(StageWorkChain):
    """Place one relaxed crystal on the hull at its pressure.

    A reference is one relaxation per (phase, pressure, settings) in the profile: an existing one is used, a running one
    is waited for, whoever started it; only a missing one is submitted, under a lock that all workers of the profile
    share.
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
        """List the elements whose references are wanted."""
        self.ctx.pressure_gpa = self.inputs.relaxation["pressure_gpa"]
        self.ctx.elements = sorted({kind.symbol for kind in self.inputs.structure.kinds})
        self.ctx.found = {}
        self.ctx.caveats = []
        self.ctx.attempts = 0
        self.ctx.failure = None

    def should_get_references(self) -> bool:
        """Try again only for references that were lost with the process that ran them."""
        wanted = len(self.ctx.elements) > len(self.ctx.found)
        left = self.ctx.attempts < self.inputs.settings["hull"]["max_reference_attempts"]
        return wanted and left and self.ctx.failure is None

    def get_references(self) -> None:
        """Use, await or submit the relaxation of every element that is still missing."""
        self.ctx.attempts += 1
        for element in self.ctx.elements:
            if element in self.ctx.found:
                continue
            reference = elemental_reference(element, self.ctx.pressure_gpa)
            if reference.structure is None:
                self.ctx.failure = reference.caveat
                return
            if reference.caveat:
                self.ctx.caveats.append(reference.caveat)
            settings = settings_fingerprint(self._settings_of(element))
            label = f"reference/{reference.label}/{self.ctx.pressure_gpa:g}GPa/{settings}"
            with _profile_lock():
                node: orm.ProcessNode | None = find_reference(label, failed_after=self._failures_count_from())
                if node is None:
                    node = self.submit(RelaxWorkChain, **self._reference_inputs(element, reference, label))
                    self.report(f"{label}: submitted as {node.pk}")
                elif not node.is_terminated:
                    self.report(f"{label}: waiting for {node.pk}")
            self.to_context(**{f"reference_{element}": node})

    def _failures_count_from(self) -> datetime | None:
        """Believe a reference's failure; when asked to retry, only one that came after this process was made."""
        return self.node.ctime if self.inputs.options.get_dict().get("retry_failed_references") else None

    def _settings_of(self, element: str) -> AttributeDict:
        """Narrow the pseudopotentials to the phase's own, so that its identity doesn't depend on who asks."""
        return AttributeDict({"settings": self.inputs.settings, "pseudos": {element: self.inputs.pseudos[element]}})

    def _reference_inputs(self, element: str, reference: ElementalReference, label: str) -> dict[str, Any]:
        return {
            **self.shared_inputs("pw"),
            "structure": orm.StructureData(pymatgen=reference.structure),
            "pressure_gpa": orm.Float(self.ctx.pressure_gpa),
            "metadata": {"label": label, "call_link_label": f"reference_{element}"},
        }

    def inspect_references(self) -> None:
        """Keep what finished; what was killed with somebody else's screening is asked for again."""
        failures = []
        for element in self.ctx.elements:
            node = self.ctx.get(f"reference_{element}")
            if node is None or element in self.ctx.found:
                continue
            if node.is_finished_ok:
                self.ctx.found[element] = node
            elif node.is_finished or self.ctx.attempts >= self.inputs.settings["hull"]["max_reference_attempts"]:
                failures.append(f"reference {node.label.split('/')[1]}: {self.reason_of(node)}")
        self.ctx.failure = self.ctx.failure or "; ".join(failures) or None

    def has_every_element(self) -> bool:
        """Without every element there is no hull."""
        return self.ctx.failure is None and len(self.ctx.found) == len(self.ctx.elements)

    def place(self) -> None:
        """Compute the hull from the stored relaxations."""
        computed = {frozenset([element]) for element in self.ctx.elements}
        missing = missing_competitors(set(self.ctx.elements), computed)
        self.ctx.placement = functions.place_relaxed(
            candidate=self.inputs.relaxation,
            missing=orm.List([*missing, *dict.fromkeys(self.ctx.caveats)]),
            **{f"phase_{element}": node.outputs.relaxation for element, node in self.ctx.found.items()},
        )

    def results(self) -> ExitCode | None:
        """Attach the placement, or say which reference failed."""
        if not self.has_every_element():
            return self.exit_codes.ERROR_REFERENCE_FAILED.format(
                reason=self.ctx.failure or "a reference was lost twice"
            )
        self.out("placement", self.ctx.placement)
        return None


def find_reference(label: str, failed_after: datetime | None = None) -> orm.WorkChainNode | None:
    """Return the newest relaxation with this label that has finished or is still running, whoever submitted it.

    Parameters
    ----------
    label : str
    failed_after : datetime, optional
        Ignore one that failed before this moment.

    Returns
    -------
    WorkChainNode or None
    """
    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"label": label, "attributes.process_state": {"!in": ["killed", "excepted"]}},
        tag="relaxation",
    )
    query.order_by({"relaxation": [{"id": "desc"}]})
    query.limit(1)
    found = query.first(flat=True)
    if found is None or (failed_after is not None and found.is_failed and found.mtime < failed_after):
        return None
    return found if isinstance(found, orm.WorkChainNode) else None


def _profile_lock() -> AbstractContextManager[None]:
    """Serialise look-up and submission over all workers of the profile; held for milliseconds."""
    profile = get_manager().get_profile()
    name = profile.name if profile is not None else "none"
    return exclusive(Path(get_config().dirpath) / "access" / f"hts-references-{name}.lock")
