"""Dynamic stability of one crystal from displaced supercells: for what ph.x does not support."""

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import ExitCode, append_, if_, while_
from aiida.engine.processes.workchains.workchain import WorkChainSpec

from hts.electrons import denser_mesh
from hts.finite_displacement import supercell_bands, supercell_mesh
from hts.phonons import irreducible_qpoints
from hts.pseudopotentials import read_upf_header
from hts.qpoint_search import QPointSearch
from hts.symmetry import rotations
from workflows import displacement_functions, phonon_functions
from workflows.pw import PwBaseWorkChain, mesh_kpoints, pw_inputs
from workflows.scratch import clean
from workflows.stability import StabilityWorkChain

# conv_thr is an energy, of second order in the error of the density, and forces are of first order: they want it
# tighter. It also counts the whole cell. Measured on Al (8 cells, 0.01 Angstrom): L is 0.2 cm-1 off at 1e-10 Ry, less
# than 0.01 cm-1 at 1e-12 Ry, for two more iterations.
_CONV_THR_FACTOR = 0.01


class FiniteDisplacementWorkChain(StabilityWorkChain):
    """Decide whether a crystal is dynamically stable on its q-mesh, from the forces on displaced supercells.

    The supercell has as many cells along each lattice vector as the q-mesh has points, so that every q-point of the
    mesh is exact, as with ph.x. Symmetry leaves few displacements; each is one scf of pw.x, side by side. All q-points
    of a level come at once. What an imaginary or borderline mode needs before it counts says `hts.qpoint_search`, as in
    `workflows.phonons.PhononsWorkChain`, whose outputs these are but for the scratch: nothing here can feed EPW.
    """

    _codes = ("pw",)

    @classmethod
    def define(cls, spec: WorkChainSpec) -> None:  # type: ignore[override]
        """Define inputs, outline, outputs and exit codes."""
        super().define(spec)
        spec.input("softest_first", valid_type=orm.List, required=False, help="Not used: all q-points come at once.")
        spec.input("scf_folder", valid_type=orm.RemoteData, required=False, help="Not used: supercells have their own.")
        spec.outline(
            cls.setup,
            while_(cls.should_go_on)(
                if_(cls.should_compute)(
                    cls.start_level,
                    while_(cls.should_run_supercells)(cls.run_supercells, cls.inspect_supercells),
                    cls.collect_level,
                ),
                if_(cls.should_interpolate)(cls.interpolate),
            ),
            cls.judge,
            cls.results,
        )
        spec.output(
            "force_sets",
            valid_type=orm.SinglefileData,
            required=False,
            help="phonopy.yaml: displacements, forces, force constants before any sum rule.",
        )
        spec.exit_code(401, "ERROR_SUPERCELL_FAILED", message="undecided: {reason}")

    def setup(self) -> None:
        """Displace the atoms, and list the irreducible q-points that this decides."""
        settings = self.inputs.settings
        mesh = settings["dft"]["qpoints_mesh"]
        qpoints = irreducible_qpoints(rotations(self.inputs.structure.get_pymatgen()), mesh)
        names = [f"q_{index}" for index in range(1, len(qpoints) + 1)]
        self.ctx.search = QPointSearch(names, settings["phonons"]["max_confirmations"]).to_dict()
        self.ctx.mesh = orm.List(list(mesh))
        self.ctx.plan = displacement_functions.displace(
            self.inputs.structure, self.ctx.mesh, orm.Float(settings["phonons"]["displacement_ang"])
        )
        self.ctx.number = len(self.ctx.plan) - 1
        # A mesh that is no multiple of the q-mesh becomes the next one that is.
        folded = supercell_mesh(self.inputs.kpoints_mesh.get_list(), mesh)
        self.ctx.levels = {"0": {"mesh": (np.array(folded) * np.array(mesh)).tolist()}}
        self.ctx.interpolation = None

    def start_level(self) -> None:
        """Queue all displacements, from the second level on with a denser k-mesh and a smaller smearing."""
        level = self._step.level
        settings = self.inputs.settings
        content = self.ctx.levels.get(str(level))
        if content is None:
            below = self.ctx.levels[str(level - 1)]["mesh"]
            content = {"mesh": list(denser_mesh(tuple(below), tuple(settings["dft"]["qpoints_mesh"])))}
        self.ctx.levels[str(level)] = content
        self.ctx.queue = list(range(1, self.ctx.number + 1))
        self.ctx.forces = {}

    def should_run_supercells(self) -> bool:
        """Go on while supercells are left and none has failed."""
        return bool(self.ctx.queue) and self.ctx.search["failure"] is None

    def run_supercells(self) -> None:
        """Submit the next supercells."""
        at_once = self.inputs.options.get_dict().get("qpoints_at_once", 4)
        self.ctx.wave, self.ctx.queue = self.ctx.queue[:at_once], self.ctx.queue[at_once:]
        self.ctx.jobs = []
        for number in self.ctx.wave:
            self.to_context(jobs=append_(self.submit(PwBaseWorkChain, **self._scf_inputs(number))))

    def _scf_inputs(self, number: int) -> dict[str, Any]:
        content = self.ctx.levels[str(self._step.level)]
        dft, cells = self.inputs.settings["dft"], self.ctx.mesh.get_list()
        extra = {
            "CONTROL": {"tstress": False},
            "SYSTEM": {
                "degauss": self._degauss_ry(self._step.level),
                "nbnd": supercell_bands(self._electrons(), cells),
            },
            "ELECTRONS": {"conv_thr": _CONV_THR_FACTOR * dft["conv_thr_ry"] * int(np.prod(cells))},
        }
        inputs = pw_inputs(
            self.inputs,
            structure=self.ctx.plan[f"supercell_{number}"],
            kpoints=mesh_kpoints(supercell_mesh(content["mesh"], cells)),
            calculation="scf",
            extra=extra,
        )
        inputs["metadata"] = {"call_link_label": f"displacement_{number}_k{'x'.join(map(str, content['mesh']))}"}
        return inputs

    def _electrons(self) -> float:
        """Return the valence electrons of the primitive cell."""
        found = {
            symbol: read_upf_header(pseudo.get_content(), pseudo.filename).z_valence
            for symbol, pseudo in self.inputs.pseudos.items()
        }
        structure = self.inputs.structure
        return float(sum(found[structure.get_kind(site.kind_name).symbol] for site in structure.sites))

    def inspect_supercells(self) -> None:
        """Keep the forces; a supercell that failed leaves the crystal undecided."""
        for number, child in zip(self.ctx.wave, self.ctx.jobs, strict=True):
            if child.is_finished_ok:
                self.ctx.forces[f"forces_{number}"] = child.outputs.output_trajectory
            else:
                self.ctx.search["failure"] = f"displacement {number}: {self.reason_of(child)}"

    def collect_level(self) -> None:
        """Build the dynamical matrices and judge every q-point of the level."""
        if self.inputs.settings["decompression"]["clean_scratch"]:
            clean(self, ())
        if self.ctx.search["failure"] is not None:
            return
        level = str(self._step.level)
        made = displacement_functions.collect_forces(
            structure=self.inputs.structure,
            qpoints_mesh=self.ctx.mesh,
            displacements=self.ctx.plan["displacements"],
            **self.ctx.forces,
        )
        self.ctx.levels[level] = {**self.ctx.levels[level], "products": made}
        for point in self.ctx.search["order"]:
            self._judge_matrix(point, self._step.level, made["matrices"], int(point[2:]))

    def interpolate(self) -> None:
        """Interpolate with phonopy; imaginary modes between the q-points leave it undecided.

        To compute them exactly, as with ph.x, would take a supercell of eight times the size.
        """
        level = str(self._step.level)
        self._interpolate(self.ctx.levels[level]["products"]["force_constants"], max_checks=0)

    def judge(self) -> None:
        """Put the verdict into the graph, with the very function that judges what ph.x wrote."""
        search = self.ctx.search
        level = self.ctx.levels[str(search["level"])]
        context = {
            **self._judging_context("finite_displacement", len(search["order"])),
            "displacement_ang": self.inputs.settings["phonons"]["displacement_ang"],
            "number_of_displacements": self.ctx.number,
            "asymmetry": level["products"]["quality"]["asymmetry"] if "products" in level else None,
        }
        found: dict[str, orm.Node] = {}
        for prefix, index in (("", search["level"]), ("second_", search["level"] + 1)):
            products = self.ctx.levels.get(str(index), {}).get("products")
            if products is not None:
                found |= {prefix + point: products["matrices"] for point in search["order"]}
        self.ctx.phonons = phonon_functions.judge_phonons(
            structure=self.inputs.structure, context=orm.Dict(context), **found
        )

    def results(self) -> ExitCode | None:
        """Attach the verdict, the forces it rests on, and what was interpolated from them."""
        level = self.ctx.search["level"]
        self.out("phonons", self.ctx.phonons)
        products = self.ctx.levels[str(level)].get("products", {})
        if "force_sets" in products:
            self.out("force_sets", products["force_sets"])
        self._out_products()
        if self.ctx.phonons["verdict"] == "undecided":
            return self.exit_codes.ERROR_SUPERCELL_FAILED.format(reason=self.ctx.phonons["reason"])
        return None
