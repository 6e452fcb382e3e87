"""Core-seconds of finding where stability ends, against the naive way: `make bench`.

The naive way computes every q-point at every pressure of a ladder spaced by the resolution, down to the stop or to the
first pressure with an imaginary mode, and runs ph.x once more at the last stable pressure for EPW. Ours is the
DecompressionWorkChain. Both relax and compute with the real codes on the same settings; what is compared is the cost of
the decision, ph.x and the scf of second opinions, and with the relaxations beside it.
"""

import argparse
import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Before AiiDA is imported: the benchmark has a profile of its own.
_FOLDER = tempfile.mkdtemp(prefix="hts-bench-")
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
os.environ["AIIDA_PATH"] = _FOLDER

from aiida import orm  # noqa: E402
from aiida.engine import run_get_node  # noqa: E402
from aiida.plugins import CalculationFactory, WorkflowFactory  # noqa: E402

from hts.store import codes, profile, pseudos  # noqa: E402
from hts.store.process_tree import job_costs  # noqa: E402

# The vectors of bcc are those of ibrav = 3: in the symmetric choice ph.x writes H as a vector three times as long, for
# which its FFT grid is too small at these cutoffs.
_LATTICES = {"fcc": [[0, 1, 1], [1, 0, 1], [1, 1, 0]], "bcc": [[1, 1, 1], [-1, 1, 1], [-1, -1, 1]]}
_MIN_FREQUENCY_CM1 = -20.0


@dataclass(frozen=True)
class Case:
    """One crystal of the panel: lattice and edge (Angstrom), sites, ladder (GPa), cutoff (Ry), k- and q-mesh."""

    name: str
    lattice: str
    edge_ang: float
    sites: tuple[tuple[str, float], ...]
    start: float
    step: float
    resolution: float
    cutoff_ry: float
    k: int
    q: int

    def structure(self) -> orm.StructureData:
        """Return the primitive cell; a site is an element and where it lies on the diagonal."""
        structure = orm.StructureData(cell=(np.array(_LATTICES[self.lattice]) * self.edge_ang / 2).tolist())
        for symbol, where in self.sites:
            position = np.full(3, where) @ np.array(structure.cell)
            structure.append_atom(position=tuple(position), symbols=symbol)
        return structure


ROCKSALT = 0.5
PANEL = (
    Case("Al fcc", "fcc", 3.75, (("Al", 0.0),), 50, 10, 5, 15, 8, 4),
    Case("Mg fcc", "fcc", 4.00, (("Mg", 0.0),), 50, 10, 5, 15, 8, 4),
    Case("Al bcc", "bcc", 2.58, (("Al", 0.0),), 150, 50, 5, 15, 8, 4),
    Case("Mg bcc", "bcc", 2.94, (("Mg", 0.0),), 60, 20, 2.5, 15, 8, 4),
    Case("AlH rocksalt", "fcc", 3.80, (("Al", 0.0), ("H", ROCKSALT)), 50, 10, 5, 20, 8, 4),
    Case("SiH rocksalt", "fcc", 3.80, (("Si", 0.0), ("H", ROCKSALT)), 50, 10, 5, 20, 8, 4),
)


def main() -> None:
    """Print a line a case and the sums; write them as JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="Names of cases; default: all.")
    parser.add_argument("--out", type=Path, help="Folder for decision_cost.json.")
    given = parser.parse_args()
    installed = _setup()
    rows = []
    print("| crystal | verdict | rungs | jobs | decision, core-s | with relaxations |\n|---|---|---|---|---|---|")
    for case in PANEL:
        if given.only and case.name not in given.only:
            continue
        rows.append(_compare(case, installed))
        print(_line(rows[-1]), flush=True)
    total = {key: sum(row[key] for row in rows) for key in ("ours", "naive", "ours_all", "naive_all")}
    print(
        f"| **panel** | | | | **{total['naive']:.0f} / {total['ours']:.0f} = {total['naive'] / total['ours']:.1f}** | "
        f"{total['naive_all']:.0f} / {total['ours_all']:.0f} = {total['naive_all'] / total['ours_all']:.1f} |"
    )
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "decision_cost.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")


def _setup() -> dict[str, orm.AbstractCode]:
    profile.create("bench")
    profile.load("bench")
    codes.setup_computer()
    orm.load_computer(codes.COMPUTER_LABEL).set_minimum_job_poll_interval(0.1)
    codes.setup_codes(codes.find_executables())
    pseudos.install_family("bench", pseudos.DEBIAN_FOLDER, pseudos.DEBIAN_PATTERN, {})
    return {label: orm.load_code(f"{label}@{codes.COMPUTER_LABEL}") for label in ("pw", "ph", "q2r")}


def _compare(case: Case, installed: dict[str, orm.AbstractCode]) -> dict[str, Any]:
    ladder, ours, ours_all, n_jobs = _ours(case, installed)
    naive_pressures, naive, naive_all, lowest_stable = _naive(case, installed)
    stable, unstable = ladder["lowest_stable_pressure_gpa"], ladder["highest_unstable_pressure_gpa"]
    agree = (
        lowest_stable == stable
        if stable is None or unstable is None
        else abs(lowest_stable - stable) <= case.resolution
    )
    if not agree:
        raise SystemExit(
            f"{case.name}: naive stable down to {lowest_stable} GPa, ours to {stable}; not the same verdict"
        )
    return {
        "name": case.name,
        "lowest_stable_gpa": stable,
        "highest_unstable_gpa": unstable,
        "rungs": [rung["pressure_gpa"] for rung in ladder["rungs"]],
        "naive_rungs": len(naive_pressures),
        "jobs": n_jobs,
        "ours": ours,
        "naive": naive,
        "ours_all": ours_all,
        "naive_all": naive_all,
    }


def _builder(case: Case, entry_point: str, installed: dict[str, orm.AbstractCode], **inputs: Any) -> Any:
    dft = {"ecutwfc_ry": case.cutoff_ry, "qpoints_mesh": [case.q] * 3}
    overrides = {"dft": dft, "relax": {"check_magnetism": False}}
    structure = inputs.pop("structure", None) or case.structure()
    return WorkflowFactory(entry_point).get_builder_from_protocol(
        installed, structure, "bench", protocol="fast", overrides=overrides, kpoints_mesh=[case.k] * 3, **inputs
    )


def _relax(case: Case, installed: dict[str, orm.AbstractCode], structure: orm.StructureData, pressure: float) -> Any:
    node = run_get_node(_builder(case, "hts.relax", installed, structure=structure, pressure_gpa=float(pressure)))[1]
    if not node.is_finished_ok:
        raise SystemExit(f"{case.name} at {pressure:g} GPa: {node.exit_message}")
    return node


def _ours(case: Case, installed: dict[str, orm.AbstractCode]) -> tuple[dict[str, Any], float, float, int]:
    """Return the ladder, core-seconds of the decision and of everything but the hull's references, and ph.x jobs."""
    ladder = {"start": case.start, "stop": 0.0, "step": case.step, "resolution": case.resolution}
    gates = {"max_hull_ev_per_atom": 100.0, "min_frequency_cm1": _MIN_FREQUENCY_CM1}
    start = _relax(case, installed, case.structure(), case.start)
    inputs = {
        "structure": start.outputs.structure,
        "ladder": ladder,
        "gates": gates,
        "start_relaxation": start.outputs.relaxation,
        "start_scf_folder": start.outputs.scf_folder,
        # The hull is not what is measured here; below the start it is computed, and left out of the sum.
        "start_placement": orm.Dict(
            {"hull_ev_per_atom": 0.0, "missing": [], "pressure_gpa": case.start, "decomposition": {}}
        ),
        "options": {"qpoints_at_once": 2, "qpoints_first": 1},
    }
    node = run_get_node(_builder(case, "hts.decompression", installed, **inputs))[1]
    hulls = [child for child in node.called if child.process_label == "HullWorkChain"]
    of_hulls = {job.pk for hull in hulls for job in hull.called_descendants}
    jobs = [job for job in [*start.called_descendants, *node.called_descendants] if job.pk not in of_hulls]
    relaxing = {
        job.pk
        for child in [start, *node.called]
        if child.process_label == "RelaxWorkChain"
        for job in child.called_descendants
    }
    if "ladder" not in node.outputs:
        raise SystemExit(f"{case.name}: {node.exit_message}")
    decision = _core_seconds(job for job in jobs if job.pk not in relaxing)
    n_ph = sum(1 for job in jobs if job.process_label == "PhQPointCalculation")
    return node.outputs.ladder.get_dict(), decision, _core_seconds(jobs), n_ph


def _naive(case: Case, installed: dict[str, orm.AbstractCode]) -> tuple[list[float], float, float, float | None]:
    """Return the pressures, core-seconds of ph.x and of everything, and the lowest stable pressure (GPa)."""
    structure, pressures, lowest_stable = case.structure(), [], None
    decision = everything = last = 0.0
    for pressure in np.arange(case.start, -1e-6, -case.resolution):
        pressures.append(float(pressure))
        relax = _relax(case, installed, structure, pressure)
        structure = relax.outputs.structure
        lowest, cost = _every_qpoint(case, installed, relax)
        decision += cost
        everything += cost + _core_seconds(relax.called_descendants)
        if lowest < _MIN_FREQUENCY_CM1:
            break
        lowest_stable, last = float(pressure), cost
    return pressures, decision + last, everything + last, lowest_stable


def _every_qpoint(case: Case, installed: dict[str, orm.AbstractCode], relax: Any) -> tuple[float, float]:
    """Run ph.x once over the whole mesh; return the lowest frequency off Gamma (cm^-1) and the core-seconds."""
    mesh = orm.KpointsData()
    mesh.set_kpoints_mesh([case.q] * 3)
    ph: Any = CalculationFactory("quantumespresso.ph")
    builder = ph.get_builder()
    builder.code = installed["ph"]
    builder.parent_folder = relax.outputs.scf_folder
    builder.qpoints = mesh
    builder.parameters = orm.Dict({"INPUTPH": {"tr2_ph": 1e-12, "alpha_mix(1)": 0.7}})
    builder.metadata.options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}
    job = run_get_node(builder)[1]
    found = job.outputs.output_parameters.get_dict()
    lowest = [
        min(found[f"dynamical_matrix_{index}"]["frequencies"]) for index in range(2, 1 + found["number_of_qpoints"])
    ]
    return min(lowest), _core_seconds([job])


def _core_seconds(jobs: Iterable[Any]) -> float:
    pks = [job.pk for job in jobs if isinstance(job, orm.CalcJobNode)]
    return sum(cost.core_seconds for cost in job_costs(pks).values()) if pks else 0.0


def _line(row: dict[str, Any]) -> str:
    stable, unstable = row["lowest_stable_gpa"], row["highest_unstable_gpa"]
    if stable is None:
        verdict = f"unstable at {unstable:g} GPa"
    else:
        verdict = f"stable to {stable:g} GPa" + ("" if unstable is None else f", unstable at {unstable:g}")
    rungs = ", ".join(f"{pressure:g}" for pressure in row["rungs"])
    return (
        f"| {row['name']} | {verdict} | {rungs} ({row['naive_rungs']} naive) | {row['jobs']} | "
        f"{row['naive']:.0f} / {row['ours']:.0f} = {row['naive'] / row['ours']:.1f} | "
        f"{row['naive_all']:.0f} / {row['ours_all']:.0f} = {row['naive_all'] / row['ours_all']:.1f} |"
    )


if __name__ == "__main__":
    main()
