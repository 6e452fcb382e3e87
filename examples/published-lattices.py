"""Relax one member of each mission family with the engine and compare its lattice with the known one.

Needs a profile with pw@localhost and a PBE norm-conserving family, with cutoffs, of the elements below:

    hts setup --pseudo-family PBE/SR-ONCV --pseudo-folder DIR --cutoffs FILE.json
    python examples/published-lattices.py --pseudo-family PBE/SR-ONCV --np 2

Runs one relaxation after the other in this process, no daemon needed; those that have finished with the same inputs are
read from the profile. Twenty minutes on two cores.

The cutoffs are those of the family. Too low ones show here first: with 60 Ry for a magnesium that has 2s and 2p in its
valence, the pressure of Mg2IrH6 is 20 GPa off.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory
from pymatgen.core import Structure

from hts.errors import UserError
from hts.fingerprint import fingerprint
from hts.prototypes import load_prototype
from hts.store import profile


@dataclass(frozen=True)
class Known:
    """A crystal whose lattice is known.

    Attributes
    ----------
    name : str
    prototype, variant
        Family of the library, and its arrangement.
    sites : dict of str to str
        Site -> element.
    pressure_gpa, a_ang : float
        Pressure and lattice constant of the conventional cell.
    cells : int
        Primitive cells in the conventional one.
    x_h : float, optional
        Free coordinate of hydrogen; None where symmetry fixes it.
    centre : str
        Element from whose atoms `x_of` measures.
    x_of : callable, optional
        Shortest distance from `centre` to hydrogen over a -> x_h.
    """

    name: str
    prototype: str
    sites: dict[str, str]
    pressure_gpa: float
    a_ang: float
    cells: int
    x_h: float | None = None
    centre: str = ""
    x_of: Callable[[float], float] | None = None
    variant: str | None = None


KNOWN = (
    # Predicted by Z. Zhang et al., https://doi.org/10.1103/PhysRevLett.128.047001; a and x: PBE, pw.x, the same kind of
    # pseudopotentials, 60 Ry, static lattice, computed independently of hts. H on (x, x, x), Be on (1/2, 1/2, 1/2).
    Known(
        "LaBeH8", "fluorite_axh8", {"A": "La", "X": "Be"}, 100, 5.338, 4, 0.3489, "Be", lambda d: 0.5 - d / math.sqrt(3)
    ),
    # Predicted by H. Wang et al., https://doi.org/10.1073/pnas.1118168109; a as for LaBeH8.
    Known("CaH6", "sodalite_mh6", {"M": "Ca"}, 150, 3.497, 2),
    # Predicted by W. Sukmas et al., https://doi.org/10.1016/j.jallcom.2020.156434 (from memory); a and x as for LaBeH8.
    # H on (x, 1/2, 0), Ca on (0, 0, 0).
    Known(
        "CaMgH12",
        "sodalite_mxh12",
        {"M": "Ca", "X": "Mg"},
        200,
        3.285,
        1,
        0.2510,
        "Ca",
        lambda d: math.sqrt(d**2 - 0.25),
        "pm-3m",
    ),
    # Predicted by K. Dolui et al., https://doi.org/10.1103/PhysRevLett.132.166001; a and x published with the HTSC-2025
    # set, https://arxiv.org/abs/2506.03837. H on (x, 0, 0), Ir on (0, 0, 0).
    Known("Mg2IrH6", "a2xh6", {"A": "Mg", "X": "Ir"}, 0, 6.618, 4, 0.2608, "Ir", lambda d: d),
    # Measured by neutrons: A. J. Maeland and A. F. Andresen, https://doi.org/10.1063/1.1668040.
    Known("BaLiH3", "perovskite", {"A": "Ba", "B": "Li", "X": "H"}, 0, 4.023, 1),
    # a published with the HTSC-2025 set, https://arxiv.org/abs/2506.03837, in which PBE finds pressures of 5 GPa (this
    # one) to 22 GPa (SrAuH3) for the perovskites: more a test of that set than of ours.
    Known("KScH3", "perovskite", {"A": "K", "B": "Sc", "X": "H"}, 0, 3.980, 1),
)


def relaxation(known: Known, arguments: argparse.Namespace) -> tuple[Any, float]:
    """Return the relaxation of a crystal, finished before or run now, and its start lattice constant in Angstrom."""
    start = load_prototype(known.prototype).structure(
        known.sites, pressure_gpa=known.pressure_gpa, variant=known.variant
    )
    workflow: Any = WorkflowFactory("hts.relax")
    try:
        builder = workflow.get_builder_from_protocol(
            {"pw": orm.load_code(arguments.code)},
            orm.StructureData(pymatgen=start),
            arguments.pseudo_family,
            protocol=arguments.protocol,
            overrides={"dft": {"kpoints_distance_inv_ang": arguments.kpoints_distance}},
            options={
                "pw": {
                    "resources": {"num_machines": 1, "num_mpiprocs_per_machine": arguments.np},
                    "max_wallclock_seconds": arguments.max_seconds,
                }
            },
            pressure_gpa=float(known.pressure_gpa),
        )
    except ValueError as error:
        raise UserError(f"{known.name}: {error}") from error
    content = {
        "settings": {stage: builder.settings[stage] for stage in ("dft", "relax")},
        "pseudos": {element: pseudo.md5 for element, pseudo in builder.pseudos.items()},
        "volume_ang3": round(start.volume, 4),
    }
    builder.metadata.label = f"published-lattices/{known.name}/{fingerprint(content)}"
    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"label": builder.metadata.label, "attributes.exit_status": 0, "attributes.process_state": "finished"},
    )
    node = query.first(flat=True)
    if node is None:
        click.echo(f"{known.name}: relaxing at {known.pressure_gpa:g} GPa")
        node = run_get_node(builder)[1]
    return node, conventional_a_ang(known, start)


def conventional_a_ang(known: Known, structure: Structure) -> float:
    """Return the cubic lattice constant in Angstrom of a primitive cell."""
    return float((structure.volume * known.cells) ** (1 / 3))


def hydrogen_coordinate(known: Known, structure: Structure) -> float | None:
    """Return the free coordinate of hydrogen in a crystal, None where symmetry fixes it."""
    if known.x_of is None:
        return None
    hydrogen, centre = (structure.indices_from_symbol(symbol) for symbol in ("H", known.centre))
    shortest_ang = structure.distance_matrix[centre[0], list(hydrogen)].min()
    return known.x_of(float(shortest_ang) / conventional_a_ang(known, structure))


def seconds(node: orm.WorkChainNode) -> float:
    """Return how long a relaxation took, from its first to its last change."""
    return float((node.mtime - node.ctime).total_seconds())


def line(known: Known, node: orm.WorkChainNode, start_a_ang: float) -> str:
    """Return a line of the table; the reason where the relaxation failed."""
    if not node.is_finished_ok:
        return f"{known.name:<8} {known.pressure_gpa:>5g}   exit {node.exit_status}: {node.exit_message}"
    relaxed = node.outputs.structure.get_pymatgen()
    a_ang = conventional_a_ang(known, relaxed)
    x_h = hydrogen_coordinate(known, relaxed)
    result = node.outputs.relaxation
    return (
        f"{known.name:<8} {known.pressure_gpa:>5g} {known.a_ang:>8.3f} {a_ang:>8.4f} {_percent(a_ang, known):>7} "
        f"{_coordinate(known.x_h):>8} {_coordinate(x_h):>8} {_percent(start_a_ang, known):>7} {result['passes']:>6} "
        f"{result['residual_gpa']:>9.3f} {seconds(node):>7.0f}"
    )


def _percent(a_ang: float, known: Known) -> str:
    return f"{100 * (a_ang / known.a_ang - 1):+.2f}"


def _coordinate(value: float | None) -> str:
    return "fixed" if value is None else f"{value:.4f}"


HEADER = (
    f"{'crystal':<8} {'P GPa':>5} {'a known':>8} {'a here':>8} {'diff %':>7} {'x known':>8} {'x here':>8} "
    f"{'start %':>7} {'passes':>6} {'P-P0 GPa':>9} {'wall s':>7}"
)


def main() -> int:
    """Run what is missing and print the table; 1 if something did not finish."""
    parser = argparse.ArgumentParser(description="Relax one member of each mission family.")
    parser.add_argument("--pseudo-family", required=True, help="label of an installed PBE family")
    parser.add_argument("--np", type=int, default=1, help="MPI ranks of pw.x (default 1)")
    parser.add_argument("--protocol", default="balanced", choices=("fast", "balanced", "stringent"))
    # That of the protocol fast: a relaxation takes minutes, a is within 0.1 %, x_h of a metal within 0.003.
    parser.add_argument("--kpoints-distance", type=float, default=0.27, help="1/Angstrom (default 0.27)")
    parser.add_argument("--code", default="pw@localhost", help="pw.x (default pw@localhost)")
    parser.add_argument("--profile", help="AiiDA profile (default hts)")
    parser.add_argument("--max-seconds", type=int, default=3600, help="wall time of one job (default 3600)")
    parser.add_argument("--only", nargs="*", choices=[known.name for known in KNOWN], help="some of them")
    arguments = parser.parse_args()
    try:
        profile.load(arguments.profile)
        wanted = [known for known in KNOWN if not arguments.only or known.name in arguments.only]
        rows = [(known, *relaxation(known, arguments)) for known in wanted]
    except UserError as error:
        parser.error(str(error))
    click.echo(HEADER)
    for known, node, start_a_ang in rows:
        click.echo(line(known, node, start_a_ang))
    return int(any(not node.is_finished_ok for _, node, _ in rows))


if __name__ == "__main__":
    raise SystemExit(main())
