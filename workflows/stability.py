"""What the ways to decide dynamic stability share: inputs, outputs, the search, how it is judged and interpolated."""

from typing import Any

from aiida import orm
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.phonons import judge_qpoint, qpoint_modes
from hts.qpoint_search import STABLE, QPointSearch, Step
from workflows import phonon_functions
from workflows.parsers.ph import dynamical_matrix_of
from workflows.stage import StageWorkChain


class StabilityWorkChain(StageWorkChain):
    """Base of the WorkChains that decide whether a crystal is dynamically stable on its q-mesh.

    Which point comes next, when all is decided, and what a second opinion needs, says `hts.qpoint_search`; its state is
    ``ctx.search``, the settings of each level are in ``ctx.levels``.
    """

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define the common inputs and outputs."""
        super().define(spec)
        spec.input("kpoints_mesh", valid_type=orm.List, help="k-mesh of the primitive cell.")
        spec.input(
            "min_frequency_cm1", valid_type=orm.Float, default=lambda: orm.Float(-20.0), help="cm^-1; below: imaginary."
        )
        spec.output(
            "phonons", valid_type=orm.Dict, help="verdict (stable, unstable, undecided), reason, modes by q (cm^-1)."
        )
        spec.output("force_constants", valid_type=orm.SinglefileData, required=False, help="In the format of q2r.x.")
        spec.output("bands", valid_type=orm.BandsData, required=False, help="Interpolated on the seekpath path, THz.")
        spec.output(
            "interpolation",
            valid_type=orm.Dict,
            required=False,
            help="Zero-point energy (eV/atom) and lowest interpolated mode.",
        )
        spec.output("dos", valid_type=orm.XyData, required=False, help="Density of states, 1/THz, on a dense mesh.")
        spec.output("thermal", valid_type=orm.ArrayData, required=False, help="Thermal properties by temperature (K).")
        spec.output("phonopy", valid_type=orm.SinglefileData, required=False, help="phonopy.yaml with force constants.")

    def should_go_on(self) -> bool:
        """Go on until the rules say that it is decided, and it is interpolated if it is stable."""
        search = QPointSearch.from_dict(self.ctx.search)
        step = search.next_step()
        self.ctx.search = search.to_dict()
        self.ctx.step = [step.kind, list(step.points), step.level, step.verdict]
        return self.should_compute() or self.should_interpolate()

    @property
    def _step(self) -> Step:
        kind, points, level, verdict = self.ctx.step
        return Step(kind, tuple(points), level, verdict)

    def should_compute(self) -> bool:
        """Compute as long as a point is asked for."""
        return self._step.kind == "compute"

    def should_interpolate(self) -> bool:
        """Interpolate what is stable, once a level: force constants need every q-point of the mesh."""
        step = self._step
        return step.verdict == STABLE and (self.ctx.interpolation or {}).get("level") != step.level

    def _judge_matrix(self, point: str, level: int, retrieved: orm.FolderData, index: int) -> None:
        """Record what the dynamical matrix of a point says."""
        phonons = self.inputs.settings["phonons"]
        found = judge_qpoint(
            qpoint_modes(dynamical_matrix_of(retrieved, index)),
            self.inputs.min_frequency_cm1.value,
            phonons["acoustic_tolerance_cm1"],
            phonons["borderline_cm1"],
        )
        self._record(point, level, found.verdict, found.reason)

    def _record(self, point: str, level: int, verdict: str, reason: str) -> None:
        search = QPointSearch.from_dict(self.ctx.search)
        search.record(point, level, verdict, reason)
        self.ctx.search = search.to_dict()
        mesh = "x".join(map(str, self.ctx.levels[str(level)]["mesh"]))
        self.report(f"{point.replace('_', ' ')} at k {mesh}: {verdict}, {reason}")

    def _interpolate(self, force_constants: orm.SinglefileData, max_checks: int) -> dict[str, Any]:
        """Interpolate with phonopy; return the points that must be computed because only that is imaginary there."""
        settings = self.inputs.settings
        products = phonon_functions.interpolate_phonons(
            force_constants, self.inputs.structure, orm.Int(settings["phonons"]["interpolation_mesh"])
        )
        context = {
            "qpoints_mesh": settings["dft"]["qpoints_mesh"],
            "min_frequency_cm1": self.inputs.min_frequency_cm1.value,
            "max_interpolation_checks": max_checks,
        }
        check: dict[str, Any] = phonon_functions.check_interpolation(
            force_constants, self.inputs.structure, products["interpolation"], orm.Dict(context)
        ).get_dict()
        self.ctx.products = {"force_constants": force_constants, **products}
        self.ctx.interpolation = {"level": self._step.level, **check}
        self.ctx.search["failure"] = check["failure"]
        return check

    def _degauss_ry(self, level: int) -> float:
        """Return the smearing of a level."""
        settings = self.inputs.settings
        factor: float = settings["phonons"]["confirmation_degauss_factor"]
        return float(settings["dft"]["degauss_ry"] * factor**level)

    def _judging_context(self, method: str, number_of_qpoints: int) -> dict[str, Any]:
        """Return what judges the findings, and what is to be known about them."""
        settings, search = self.inputs.settings, self.ctx.search
        return {
            "method": method,
            "min_frequency_cm1": self.inputs.min_frequency_cm1.value,
            "acoustic_tolerance_cm1": settings["phonons"]["acoustic_tolerance_cm1"],
            "borderline_cm1": settings["phonons"]["borderline_cm1"],
            "qpoints_mesh": settings["dft"]["qpoints_mesh"],
            "kpoints_mesh": self.ctx.levels[str(search["level"])]["mesh"],
            "kpoints_meshes_tried": [content["mesh"] for content in self.ctx.levels.values()],
            "degauss_ry": self._degauss_ry(search["level"]),
            "number_of_qpoints": number_of_qpoints,
            "failure": search["failure"],
            "recovered": [],
            "interpolation_checks": (self.ctx.interpolation or {}).get("points", []),
        }

    def _out_products(self) -> None:
        """Attach what was interpolated on the level that is judged."""
        if self.ctx.interpolation is not None and self.ctx.interpolation["level"] == self.ctx.search["level"]:
            for key, node in self.ctx.products.items():
                self.out(key, node)
