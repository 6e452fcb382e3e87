"""Tc of known superconductors with the engine, as a series in the coarse q-mesh, against what is published.

Relax, phonons, coupling, Tc: the stages of the funnel, without a hull. Each q-mesh is a calculation of its own; the
k-mesh is the same for all. What has finished is taken from the cache, so that a further q-mesh costs only itself.

Needs a profile with pw, ph, q2r, epw and projwfc at localhost and a PBE norm-conserving family:

    hts setup --pseudo-family PBE/SR-ONCV --pseudo-folder DIR --cutoffs FILE.json
    python examples/published-tc.py --pseudo-family PBE/SR-ONCV H3S --qpoints 2 3 4
    python examples/published-tc.py --pseudo-family PBE/SR-ONCV Al4H Al

Prints a Markdown row for each; `--json FILE` keeps everything. H3S on 2x2x2 took 43 core-minutes, on 3x3x3 77; 4x4x4
has not been run to its end.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import click
from aiida import orm
from aiida.engine import run_get_node, submit
from aiida.manage.caching import enable_caching
from aiida.plugins import WorkflowFactory
from pymatgen.core import Lattice, Structure

from hts.errors import UserError
from hts.store import daemon, process_tree, profile
from hts.units import BOLTZMANN_MEV_PER_K

BCC = ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5))
FCC = ((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
CUBIC = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
# Start of the relaxation: edge (Angstrom), lattice, sites; then pressure (GPa), cutoff (Ry), k-mesh, q-meshes, what is
# published and where.
SYSTEMS: dict[str, dict[str, Any]] = {
    "H3S": {
        "edge_ang": 2.983,
        "lattice": BCC,
        "sites": [("S", (0, 0, 0)), ("H", (0.5, 0.5, 0)), ("H", (0.5, 0, 0.5)), ("H", (0, 0.5, 0.5))],
        "pressure_gpa": 200.0,
        "ecutwfc_ry": 60.0,
        "kpoints": 12,
        "qpoints": [2, 3, 4],
        # k 30 or 32, 36, 42 or 44: the fine q-mesh of 8x8x8 that 4x4x4 would get costs hours and changes little.
        "coupling": {"fine_distances_inv_ang": [0.1, 0.083, 0.0715]},
        "fine_qpoints": {2: 4, 3: 6, 4: 4},
        "published": "lambda 2.19, omega_log 1335 K, Tc 191-204 K (mu* 0.13, 0.10), https://doi.org/10.1038/srep06968",
    },
    "Al4H": {
        "edge_ang": 4.116,
        "lattice": CUBIC,
        "sites": [
            ("H", (0.5, 0.5, 0.5)),
            ("Al", (0, 0, 0)),
            ("Al", (0.5, 0.5, 0)),
            ("Al", (0.5, 0, 0.5)),
            ("Al", (0, 0.5, 0.5)),
        ],
        "pressure_gpa": 0.0,
        "ecutwfc_ry": 40.0,
        "kpoints": 6,
        "qpoints": [2],
        "coupling": {},
        "published": "Tc 54 K, https://doi.org/10.1103/PhysRevB.108.054515",
    },
    "Al": {
        "edge_ang": 4.04,
        "lattice": FCC,
        "sites": [("Al", (0, 0, 0))],
        "pressure_gpa": 0.0,
        "ecutwfc_ry": 30.0,
        "kpoints": 16,
        "qpoints": [4],
        "coupling": {"fine_distances_inv_ang": [0.085, 0.075]},
        "fine_qpoints": {4: 4},
        "published": "lambda 0.44, https://doi.org/10.1103/PhysRevB.54.16487; measured 1.18 K",
    },
}


def finish(builder: Any, what: str, *, here: bool = False) -> orm.ProcessNode:
    """Run a stage to its end: in the daemon if one is running, else here, from the cache where that holds it."""
    node: orm.ProcessNode
    if not here and daemon.is_running():
        node = submit(builder, wait=True, wait_interval=2)
    else:
        with enable_caching(identifier="aiida.calculations:*"):
            node = run_get_node(builder)[1]
    if not node.is_finished_ok:
        raise UserError(f"{what}: {node.process_label}<{node.pk}> exit {node.exit_status}: {node.exit_message}")
    return node


class Series:
    """One crystal: what all its q-meshes share."""

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self.name, self.arguments, self.system = name, arguments, SYSTEMS[name]
        sites = self.system["sites"]
        lattice = Lattice(self.system["edge_ang"] * Lattice(self.system["lattice"]).matrix)
        self.start = Structure(lattice, [symbol for symbol, _ in sites], [place for _, place in sites])
        self.mesh = [arguments.kpoints or self.system["kpoints"]] * 3

    def builder(self, entry_point: str, structure: orm.StructureData, qpoints: int, **inputs: Any) -> Any:
        """Return the builder of a stage; settings differ in the q-mesh only."""
        cutoff_ry = self.arguments.ecutwfc_ry or self.system["ecutwfc_ry"]
        fine_qpoints = self.system.get("fine_qpoints", {}).get(qpoints, 2 * qpoints)
        coupling = {**self.system["coupling"], "fine_qpoints_per_q": fine_qpoints // qpoints}
        if self.arguments.coarse_distance is not None:
            coupling["coarse_distance_inv_ang"] = self.arguments.coarse_distance
        number = self.arguments.np if entry_point != "hts.coupling" else self.arguments.np_coupling or self.arguments.np
        ranks = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": number}}
        workflow: Any = WorkflowFactory(entry_point)
        return workflow.get_builder_from_protocol(
            {code: orm.load_code(f"{code}@localhost") for code in ("pw", "ph", "q2r", "epw", "projwfc")},
            structure,
            self.arguments.pseudo_family,
            protocol=self.arguments.protocol,
            overrides={
                "dft": {"ecutwfc_ry": cutoff_ry, "ecutrho_ry": 4 * cutoff_ry, "qpoints_mesh": [qpoints] * 3},
                "coupling": coupling,
                "decompression": {"clean_scratch": False},
            },
            options={
                "default": {"max_wallclock_seconds": 6 * 3600},
                "pw": ranks,
                "epw": ranks,
                "qpoints_at_once": self.arguments.np,
            },
            **inputs,
        )

    def row(self, qpoints: int) -> dict[str, Any] | None:
        """Walk one q-mesh through the stages; None where the phonons were all that was asked for."""
        start = orm.StructureData(pymatgen=self.start)
        relax = finish(
            self.builder(
                "hts.relax", start, qpoints, pressure_gpa=self.system["pressure_gpa"], kpoints_mesh=orm.List(self.mesh)
            ),
            f"{self.name} relaxation",
            here=self.arguments.here,
        )
        crystal = relax.outputs.structure
        phonons = finish(
            self.builder(
                "hts.phonons", crystal, qpoints, scf_folder=relax.outputs.scf_folder, kpoints_mesh=orm.List(self.mesh)
            ),
            f"{self.name} phonons on q {qpoints}",
            here=self.arguments.here,
        )
        click.echo(f"{self.name} q {qpoints}: {phonons.outputs.phonons['reason']}", err=True)
        if self.arguments.phonons_only or phonons.outputs.phonons["verdict"] != "stable":
            return None
        coupling = finish(
            self.builder(
                "hts.coupling",
                crystal,
                qpoints,
                relaxation=relax.outputs.relaxation,
                phonons=phonons.outputs.phonons,
                scf_folder=phonons.outputs.scf_folder,
                ph_folders=dict(phonons.outputs.ph_folders),
                force_constants=phonons.outputs.force_constants,
            ),
            f"{self.name} coupling on q {qpoints}",
            here=self.arguments.here,
        )
        numbers = coupling.outputs.coupling["numbers"]
        workflow: Any = WorkflowFactory("hts.tc")
        builder = workflow.get_builder_from_protocol(dict(coupling.outputs.alpha2f), numbers["chosen"])
        tc = finish(builder, f"{self.name} Tc", here=True)
        stages = (relax, phonons, coupling)
        return {
            "system": self.name,
            "qpoints": qpoints,
            "coupling": coupling.outputs.coupling.get_dict(),
            "tc": tc.outputs.tc.get_dict(),
            "core_minutes": sum(core_seconds(node) for node in stages) / 60,
            "published": self.system["published"],
        }


def core_seconds(node: orm.ProcessNode) -> float:
    """Add up what the jobs of a stage cost, where they ran and not where they were taken from the cache."""
    jobs = []
    for job in node.called_descendants:
        if isinstance(job, orm.CalcJobNode):
            source = job.base.caching.get_cache_source()
            jobs.append(orm.load_node(source).pk if source else job.pk)
    return sum(cost.core_seconds for cost in process_tree.job_costs(set(jobs)).values())


def markdown(row: dict[str, Any]) -> str:
    """Return one row of the table in the README."""
    tc, first = row["tc"], row["tc"]["tc"][0]
    low, high = tc["allen_dynes_spread_k"]
    kelvin = tc["omega_log_mev"] / BOLTZMANN_MEV_PER_K
    flags = ", ".join(row["coupling"]["flags"]) or "-"
    return (
        f"| {row['system']} | {row['qpoints']}x{row['qpoints']}x{row['qpoints']} | {tc['lambda']:.2f} | {kelvin:.0f} | "
        f"{first['allen_dynes_k']:.1f} ({low:.1f}-{high:.1f}) | {first['eliashberg_k'] or 0:.1f} | {flags} | "
        f"{row['published']} | {row['core_minutes']:.0f} |"
    )


def main() -> int:
    """Run what is missing; print a row as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", choices=sorted(SYSTEMS))
    parser.add_argument("--profile")
    parser.add_argument("--pseudo-family", required=True)
    parser.add_argument("--protocol", default="fast", choices=("fast", "balanced", "stringent"))
    parser.add_argument("--qpoints", type=int, nargs="+", help="coarse q-meshes (default: those of the system)")
    parser.add_argument("--kpoints", type=int, help="k-mesh of scf and phonons (default: that of the system)")
    parser.add_argument("--coarse-distance", type=float, help="1/Angstrom; k-mesh of the Wannier functions")
    parser.add_argument("--ecutwfc-ry", type=float, help="Ry; the density has 4x (default: that of the system)")
    parser.add_argument("--np", type=int, default=2, help="ranks of pw.x and epw.x, ph.x jobs at once (default 2)")
    parser.add_argument("--np-coupling", type=int, help="ranks of pw.x and epw.x for the coupling (default: as --np)")
    parser.add_argument("--phonons-only", action="store_true", help="stop before epw.x")
    parser.add_argument("--here", action="store_true", help="in this process, even if a daemon is running")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all numbers here")
    arguments = parser.parse_args()
    rows = []
    try:
        profile.load(arguments.profile)
        for name in arguments.systems:
            series = Series(name, arguments)
            for qpoints in arguments.qpoints or series.system["qpoints"]:
                row = series.row(qpoints)
                if row is not None:
                    rows.append(row)
                    click.echo(markdown(row))
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    finally:
        if arguments.json:
            arguments.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
