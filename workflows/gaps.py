"""Anisotropic superconducting gaps: the Eliashberg equations of epw.x, one temperature a job."""

from typing import Any

from aiida import orm
from aiida.engine import ExitCode, ToContext
from aiida.engine.processes.workchains.workchain import WorkChainSpec
from aiida.plugins import CalculationFactory

from workflows import coupling_functions
from workflows.epw_jobs import epw_job
from workflows.stage import StageWorkChain

EpwCalculation = CalculationFactory("hts.epw")
# Iterations at most, and the relative change that ends them.
_EQUATIONS = {"laniso": True, "limag": True, "nsiter": 500, "conv_thr_iaxis": 1.0e-3, "nstemp": 1}


class GapsWorkChain(StageWorkChain):
    """Solve the equations at fractions of a Tc; the first job interpolates the matrix elements, the others read them.

    EPW 5.3.1 corrupts its memory in some of these runs. MgAl3H at 6, 20 and 33 K in one job: a segmentation fault at
    the end, which takes the last lines of the output with it, without which nobody knows what had converged. One by
    one 6 and 20 K end well and 33 K dies: then that temperature is lost, and no other.
    """

    _codes = ("epw",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("parameters", valid_type=orm.Dict, help="Keywords of INPUTEPW of a run on the fine meshes.")
        spec.input("tc_k", valid_type=orm.Float, help="K; the fractions of the settings are of this one.")
        spec.input("epw_folder", valid_type=orm.RemoteData, help="The coarse run with the Wannier matrix elements.")
        spec.outline(cls.run_lowest, cls.inspect_lowest, cls.run_others, cls.results)
        spec.output("gap_distributions", valid_type=orm.ArrayData, help="Gaps (meV) and weights, by temperature (K).")
        spec.exit_code(402, "ERROR_EPW_FAILED", message="no gaps: {reason}")

    @property
    def _temperatures_k(self) -> list[float]:
        """Rising, in the two decimals that the names of EPW's files have."""
        fractions = self.inputs.settings["coupling"]["anisotropic_fractions"]
        return sorted({round(fraction * self.inputs.tc_k.value, 2) for fraction in fractions})

    def _job(self, temperature_k: float) -> dict[str, Any]:
        mu_star = self.inputs.settings["tc"]["mu_star"][0]
        parameters = {**self.inputs.parameters, **_EQUATIONS, "muc": mu_star, "temps": temperature_k}
        return epw_job(self.inputs, parameters, f"epw_{temperature_k:g}K".replace(".", "p"))

    def run_lowest(self) -> Any:
        """Submit the lowest temperature, from the coarse matrix elements."""
        inputs = {**self._job(self._temperatures_k[0]), "epw_folder": self.inputs.epw_folder}
        return ToContext(lowest=self.submit(EpwCalculation, **inputs))

    def inspect_lowest(self) -> ExitCode | None:
        """Go on where the matrix elements are there, whatever became of the equations: they come before."""
        if self.ctx.lowest.is_finished and "alpha2f" in self.ctx.lowest.outputs:
            return None
        return self.exit_codes.ERROR_EPW_FAILED.format(reason=self.reason_of(self.ctx.lowest))

    def run_others(self) -> None:
        """Submit the other temperatures side by side."""
        folder = self.ctx.lowest.outputs.remote_folder
        self.ctx.others = len(self._temperatures_k) - 1
        for index, temperature_k in enumerate(self._temperatures_k[1:]):
            inputs = {**self._job(temperature_k), "matrix_elements_folder": folder}
            self.to_context(**{f"other_{index}": self.submit(EpwCalculation, **inputs)})

    def results(self) -> ExitCode | None:
        """Attach the temperatures that converged."""
        jobs = [self.ctx.lowest, *(self.ctx[f"other_{index}"] for index in range(self.ctx.others))]
        failed = [self.reason_of(job) for job in jobs if not job.is_finished_ok]
        for reason in failed:
            self.report(reason)
        found = {f"job_{job.pk}": job.outputs.gap_distributions for job in jobs if "gap_distributions" in job.outputs}
        if not found:
            return self.exit_codes.ERROR_EPW_FAILED.format(reason="; ".join(failed))
        self.out("gap_distributions", coupling_functions.merge_gaps(**found))
        return None
