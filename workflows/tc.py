"""Critical temperature from alpha2F, always by our own formulas, for several mu* and every fine mesh."""

from collections.abc import Mapping
from typing import Any

from aiida import orm
from aiida.engine import ProcessBuilder, WorkChain
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from workflows import functions
from workflows.protocol import resolve_settings


class TcWorkChain(WorkChain):
    """Solve for Tc on each alpha2F of a series; no code runs."""

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline and outputs."""
        super().define(spec)
        spec.input_namespace(
            "alpha2f", valid_type=orm.ArrayData, dynamic=True, help="Name -> alpha2F (energies in meV)."
        )
        spec.input("chosen", valid_type=orm.Str, help="Which of them answers; the others give the spread.")
        spec.input("settings", valid_type=orm.Dict, help="With `tc`: mu_star, matsubara_cutoff_factor.")
        spec.outline(cls.solve)
        spec.output(
            "tc", valid_type=orm.Dict, help="lambda, omega_log (meV), and a table of Tc (K) by formula and mu*."
        )

    @classmethod
    def get_builder_from_protocol(
        cls,
        alpha2f: Mapping[str, orm.ArrayData],
        chosen: str,
        protocol: str | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> ProcessBuilder:
        """Return a builder; ``overrides`` may replace settings of ``tc``."""
        builder: Any = cls.get_builder()
        builder.alpha2f = alpha2f
        builder.chosen = orm.Str(chosen)
        builder.settings = orm.Dict(resolve_settings(protocol, overrides, cutoffs_ry=(0.0, 0.0)))
        return builder  # type: ignore[no-any-return]

    def solve(self) -> None:
        """Compute moments, McMillan, Allen-Dynes and Eliashberg for each alpha2F."""
        settings = orm.Dict(self.inputs.settings["tc"])
        self.out("tc", functions.solve_tc(chosen=self.inputs.chosen, settings=settings, **self.inputs.alpha2f))
