"""The descent of Al4H as the engine stores it, with the phonons that ph.x has recorded of it."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from pymatgen.core import Lattice, Structure

from hts.cli.main import run
from hts.dynmat import read_dynamical_matrix
from hts.interpolation import interpolate
from hts.phonons import fractional_qpoint, qpoint_modes
from hts.units import BOHR_TO_ANG

DATA = Path(__file__).parents[2] / "data" / "ph" / "al4h"
AL4H = Structure(
    Lattice.cubic(7.335359444749703 * BOHR_TO_ANG),
    ["H", "Al", "Al", "Al", "Al"],
    [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)
SOFTENING = {"critical_pressure_gpa": 4.0, "qpoint_index": 4, "reason": "squared frequencies at two pressures"}


def stored_qpoints() -> list[dict[str, Any]]:
    """Return the modes of Gamma, X, M and R of Al4H as `judge_phonons` stores them."""
    points = []
    for index in range(1, 5):
        matrix = read_dynamical_matrix((DATA / f"dyn{index}").read_text())
        modes = qpoint_modes(matrix)
        vector = modes.eigenvectors[:, 0]
        lowest = float(modes.frequencies_cm1[0])
        points.append(
            {
                "index": index,
                "qpoint": fractional_qpoint(matrix.qpoint_2pi_over_a, AL4H.lattice.matrix).tolist(),
                "lowest_cm1": lowest,
                "frequencies_cm1": modes.frequencies_cm1.tolist(),
                "softest_mode": {
                    "frequency_cm1": lowest,
                    "irrep": None,
                    "eigenvector": np.column_stack([vector.real, vector.imag]).tolist(),
                },
            }
        )
    return points


def soft_at_r() -> list[dict[str, Any]]:
    """Return what an unstable rung has stored: R alone, its lowest mode imaginary."""
    [*_, corner] = stored_qpoints()
    corner |= {"lowest_cm1": -120.0, "frequencies_cm1": [-120.0, *corner["frequencies_cm1"][1:]]}
    corner["softest_mode"] |= {"frequency_cm1": -120.0, "irrep": "R15"}
    return [corner]


class Descent:
    """Stores the descent of a screening."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.structure = orm.StructureData(pymatgen=AL4H).store()

    def decompress(
        self,
        formula: str,
        rungs: dict[float, list[dict[str, Any]] | None],
        *,
        interpolated: bool = True,
        softening: dict[str, Any] | None = None,
    ) -> orm.WorkChainNode:
        """Store rungs from their q-points, or from None where the phonons were not reached."""
        screening = self.graph.screening(formula)
        process = self.graph.call(screening, "decompress", "DecompressionWorkChain")
        stored, stable, unstable = [], [], []
        for pressure, points in rungs.items():
            rung: dict[str, Any] = {"pressure_gpa": pressure, "verdict": "above_hull", "reason": "why", "nodes": {}}
            if points is not None:
                is_stable = min(point["lowest_cm1"] for point in points) > 0
                rung["verdict"] = "stable" if is_stable else "unstable"
                (stable if is_stable else unstable).append(pressure)
                rung["nodes"]["phonons"] = self._phonons(process, points, bands=is_stable and interpolated).uuid
            stored.append(rung)
        ladder = {
            "rungs": stored,
            "lowest_stable_pressure_gpa": min(stable, default=None),
            "highest_unstable_pressure_gpa": max(unstable, default=None),
        }
        self.graph.result(process, "ladder", ladder | ({"softening": softening} if softening else {}))
        return screening

    def _phonons(self, decompress: orm.WorkChainNode, points: list[dict[str, Any]], *, bands: bool) -> orm.Dict:
        process = self.graph.call(decompress, "phonons", "PhononsWorkChain")
        judge = self._function(process, "judge_phonons")
        content = {"qpoints": points, "qpoints_mesh": [2, 2, 2], "kpoints_mesh": [6, 6, 6]}
        phonons = self._created(judge, "result", orm.Dict(content))
        phonons.base.links.add_incoming(process, LinkType.RETURN, "phonons")
        # The descent hands on the phonons of its lowest stable rung.
        if bands:
            phonons.base.links.add_incoming(decompress, LinkType.RETURN, f"phonons_{phonons.pk}")
            self._interpolated(process)
        return phonons

    def _interpolated(self, process: orm.WorkChainNode) -> None:
        force_constants = gzip.decompress((DATA / "force_constants.gz").read_bytes()).decode()
        result = interpolate(force_constants, AL4H, 8)
        bands = orm.BandsData()
        bands.set_cell_from_structure(self.structure)
        bands.set_kpoints(result.qpoints, labels=result.labels)
        bands.set_bands(result.frequencies_thz, units="THz")
        dos = orm.XyData()
        dos.set_x(result.dos_thz, "frequency", "THz")
        dos.set_y(result.dos, "density of states", "1/THz")
        function = self._function(process, "interpolate_phonons")
        self._created(function, "bands", bands).base.links.add_incoming(process, LinkType.RETURN, "bands")
        self._created(function, "dos", dos)

    def _function(self, caller: orm.WorkChainNode, name: str) -> orm.CalcFunctionNode:
        function = orm.CalcFunctionNode()
        function.base.links.add_incoming(caller, LinkType.CALL_CALC, name)
        function.base.links.add_incoming(self.structure, LinkType.INPUT_CALC, "structure")
        function.set_process_state("finished")
        function.set_exit_status(0)
        return function.store()

    @staticmethod
    def _created(function: orm.CalcFunctionNode, label: str, node: orm.Data) -> Any:
        node.base.links.add_incoming(function, LinkType.CREATE, label)
        return node.store()


@pytest.fixture(scope="module")
def descents(module_graph: Any) -> Callable[[], None]:
    """Store descents that `hts mode` and `hts plot` are asked for."""
    descent = Descent(module_graph)
    everything = stored_qpoints()
    descent.decompress("Al4H", {20.0: everything, 10.0: everything, 0.0: soft_at_r()}, softening=SOFTENING)
    descent.decompress("AlH3", {10.0: None})
    older = [{key: value for key, value in point.items() if key != "softest_mode"} for point in everything]
    descent.decompress("MgAlH3", {10.0: older}, interpolated=False)
    gamma_of_one_atom = {"index": 1, "qpoint": [0, 0, 0], "lowest_cm1": 0.0, "frequencies_cm1": []}
    descent.decompress("MgH3", {0.0: [gamma_of_one_atom]}, interpolated=False)
    module_graph.screening("Mg4H", state="waiting")
    module_graph.screening("CaH3", exit_status=402)
    return module_graph


@pytest.fixture
def refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[str], str], None]:
    """Return a check that a command ends with 2 and one line that holds a message, and writes nothing."""

    def check(arguments: list[str], message: str) -> None:
        monkeypatch.chdir(tmp_path)
        assert run(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        [line] = captured.err.splitlines()
        assert line.startswith("Error: ")
        assert message in line
        assert list(tmp_path.iterdir()) == []

    return check
