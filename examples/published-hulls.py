"""Relax every known phase of a chemical system at a pressure with the engine, for a hull to hold against publications.

Needs a profile with pw@localhost and a PBE norm-conserving family:

    hts setup --pseudo-family PBE/SR-ONCV --pseudo-folder DIR --cutoffs FILE.json
    python examples/published-hulls.py --pseudo-family PBE/SR-ONCV --system Ca-H --pressure-gpa 150 --ecutwfc-ry 72
    hts hull Ca-H --pressure-gpa 150
    hts plot hull Ca-H --pressure-gpa 150 -o ca-h.png

Runs one relaxation after the other in this process, smallest cells first, no daemon needed. They are labelled as the
references of a screening are: what has finished is not run again, and a screening with the same settings uses it.
"""

import argparse
from typing import Any

import click
from aiida import orm
from aiida.common import AttributeDict, NotExistent
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory

from hts.competitors import Competitor, competitors
from hts.errors import UserError
from hts.store import profile
from workflows.once import find_process
from workflows.pw import settings_fingerprint


def relaxation(phase: Competitor, arguments: argparse.Namespace) -> orm.ProcessNode:
    """Return the relaxation of a phase, finished before or run now."""
    pressure_gpa = float(arguments.pressure_gpa)
    workflow: Any = WorkflowFactory("hts.relax")
    cutoffs = {"ecutwfc_ry": arguments.ecutwfc_ry, "ecutrho_ry": 4 * arguments.ecutwfc_ry}
    try:
        builder = workflow.get_builder_from_protocol(
            {"pw": orm.load_code(arguments.code)},
            orm.StructureData(pymatgen=phase.structure),
            arguments.pseudo_family,
            protocol=arguments.protocol,
            overrides={"dft": {**cutoffs, "kpoints_distance_inv_ang": arguments.kpoints_distance}},
            options={
                "pw": {
                    "resources": {"num_machines": 1, "num_mpiprocs_per_machine": arguments.np},
                    "max_wallclock_seconds": arguments.max_seconds,
                }
            },
            pressure_gpa=pressure_gpa,
        )
    except (ValueError, NotExistent) as error:
        raise UserError(f"{phase.label}: {error}") from error
    identity = settings_fingerprint(AttributeDict({"settings": builder.settings, "pseudos": builder.pseudos}))
    builder.metadata.label = f"reference/{phase.label}/{pressure_gpa:g}GPa/{identity}"
    found = find_process(builder.metadata.label)
    if found is not None and found.is_finished_ok:
        return found
    click.echo(f"{builder.metadata.label}: relaxing {len(phase.structure)} atoms")
    return run_get_node(builder)[1]


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Relax every known phase of a system at a pressure.")
    parser.add_argument("--pseudo-family", required=True, help="label of an installed PBE family")
    parser.add_argument("--system", required=True, help="elements, such as Ca-H")
    parser.add_argument("--pressure-gpa", type=float, required=True)
    parser.add_argument("--ecutwfc-ry", type=float, required=True, help="Ry, of the whole system; the density has 4x")
    parser.add_argument("--kpoints-distance", type=float, default=0.27, help="1/Angstrom (default 0.27)")
    parser.add_argument("--protocol", default="fast", choices=("fast", "balanced", "stringent"))
    parser.add_argument("--np", type=int, default=1, help="MPI ranks of pw.x (default 1)")
    parser.add_argument("--code", default="pw@localhost", help="pw.x (default pw@localhost)")
    parser.add_argument("--profile", help="AiiDA profile (default hts)")
    parser.add_argument("--max-seconds", type=int, default=3600, help="wall time of one job (default 3600)")
    parser.add_argument("--scope", default="known", choices=("known", "library"), help="which phases (default known)")
    parser.add_argument("--only", nargs="+", default=[], metavar="LABEL", help="of these, only the named ones")
    return parser.parse_args()


def main() -> int:
    """Run what is missing; 1 if something did not finish."""
    arguments = parse()
    try:
        profile.load(arguments.profile)
        listed = competitors(arguments.system.split("-"), arguments.pressure_gpa, arguments.scope)
        unknown = set(arguments.only) - {phase.label for phase in listed.phases}
        if unknown:
            known = ", ".join(phase.label for phase in listed.phases)
            raise UserError(f"--only {', '.join(sorted(unknown))}: choose from {known}")
        wanted = [phase for phase in listed.phases if not arguments.only or phase.label in arguments.only]
        ended = [(phase, relaxation(phase, arguments)) for phase in sorted(wanted, key=lambda p: len(p.structure))]
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    failed = [(phase, node) for phase, node in ended if not node.is_finished_ok]
    for phase, node in failed:
        click.echo(f"{phase.label}: exit {node.exit_status}: {node.exit_message}")
    click.echo(f"type next: hts hull {arguments.system} --pressure-gpa {arguments.pressure_gpa:g}")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
