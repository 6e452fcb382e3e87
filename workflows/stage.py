"""What all stages share: the same inputs, one way to build them from a protocol, one way to say why a child failed."""

from collections.abc import Mapping
from typing import Any, ClassVar

from aiida import orm
from aiida.engine import ProcessBuilder
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida_pseudo.data.pseudo import UpfData

from hts.stopped_jobs import STOPPED_BY_MONITOR
from workflows.protocol import resolve_settings
from workflows.replay import ReplaySafe


class StageWorkChain(ReplaySafe):
    """Base of every stage: a crystal, codes, pseudopotentials, one node of settings, and job options."""

    #: The codes a stage needs: entry-point names are those of the plugins, keys are pw, ph, q2r, epw.
    _codes: ClassVar[tuple[str, ...]] = ()
    #: Those it can do without.
    _optional_codes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define the common inputs."""
        super().define(spec)
        spec.input("structure", valid_type=orm.StructureData, help="The crystal, primitive cell.")
        for code in cls._codes:
            spec.input(f"codes.{code}", valid_type=orm.AbstractCode, help=f"Code that runs {code}.x.")
        for code in cls._optional_codes:
            spec.input(f"codes.{code}", valid_type=orm.AbstractCode, required=False, help=f"Code that runs {code}.x.")
        spec.input_namespace("pseudos", valid_type=UpfData, dynamic=True, help="Element -> norm-conserving UPF.")
        spec.input(
            "settings",
            valid_type=orm.Dict,
            help="Stage -> settings, as `workflows.protocol.resolve_settings` gives them.",
        )
        spec.input(
            "options", valid_type=orm.Dict, help="Job options: `default` and one entry a code (pw, ph, q2r, epw)."
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        codes: Mapping[str, orm.AbstractCode],
        structure: orm.StructureData,
        pseudo_family: str,
        protocol: str | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
        **inputs: Any,
    ) -> ProcessBuilder:
        """Return a builder with everything set but what only the caller knows.

        Parameters
        ----------
        codes : mapping
            ``pw``, ``ph``, ``q2r``, ``epw`` as far as the stage needs them, ``projwfc`` if there is one; more are
            ignored.
        structure : StructureData
        pseudo_family : str
            Label of an installed aiida-pseudo family; gives the cutoffs unless ``overrides['dft']`` does.
        protocol : str, optional
            ``fast``, ``balanced`` (default) or ``stringent``.
        overrides : mapping, optional
            Stage -> settings to replace; an unknown stage or key is an error.
        options : mapping, optional
            ``default`` and code names to ``metadata.options``; one rank and one hour a job otherwise.
        **inputs
            Inputs of the particular stage; Python numbers, lists and dictionaries are wrapped into nodes.

        Raises
        ------
        ValueError
            For a missing code, an unknown key, or a family without a pseudopotential or cutoff for an element.
        """
        missing = [code for code in cls._codes if code not in codes]
        if missing:
            raise ValueError(
                f"{cls.__name__} needs a code for {', '.join(missing)}.x; found {', '.join(codes) or 'none'}"
            )
        family = orm.load_group(pseudo_family)
        elements = tuple(sorted({kind.symbol for kind in structure.kinds}))
        wants_cutoffs = ((overrides or {}).get("dft") or {}).get("ecutwfc_ry") is None
        cutoffs_ry = family.get_recommended_cutoffs(elements=elements, unit="Ry") if wants_cutoffs else None
        builder: Any = cls.get_builder()
        builder.structure = structure
        for code in (*cls._codes, *cls._optional_codes):
            if code in codes:
                builder.codes[code] = codes[code]
        builder.pseudos = {element: family.get_pseudo(element) for element in elements}
        builder.settings = orm.Dict(resolve_settings(protocol, overrides, cutoffs_ry))
        builder.options = orm.Dict(dict(options or {}))
        for name, value in inputs.items():
            builder[name] = value if isinstance(value, orm.Node | dict) else orm.to_aiida_type(value)
        return builder

    def shared_inputs(self, *codes: str) -> dict[str, Any]:
        """Return the inputs that a child stage takes over unchanged."""
        return {
            "codes": {code: self.inputs.codes[code] for code in codes if code in self.inputs.codes},
            "pseudos": dict(self.inputs.pseudos),
            "settings": self.inputs.settings,
            "options": self.inputs.options,
        }

    @staticmethod
    def reason_of(child: orm.ProcessNode) -> str:
        """Say in one line why a child did not finish: its own message and that of the job that decided it."""
        if child.is_killed or child.is_excepted or not child.is_terminated:
            state = "was killed" if child.is_killed else "raised an exception" if child.is_excepted else "did not end"
            return f"{child.process_label}<{child.pk}> {state}"
        reason = f"{child.process_label}<{child.pk}> exit {child.exit_status}: {child.exit_message}"
        jobs = [
            node
            for node in child.called_descendants
            if isinstance(node, orm.CalcJobNode) and not node.is_finished_ok and node.exit_status != STOPPED_BY_MONITOR
        ]
        if jobs:
            last = max(jobs, key=lambda node: node.pk or 0)
            reason += f" (last job: {last.process_label}<{last.pk}> exit {last.exit_status}: {last.exit_message})"
        return reason
