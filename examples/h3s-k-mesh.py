"""H3S at 200 GPa: an instability that is none, and how it is found out.

On a k-mesh of 8x8x8, which is no multiple of the q-mesh 3x3x3, ph.x gives an imaginary mode of several hundred cm-1 at
q = (0, 1/3, 1/3); on 9x9x9 and 12x12x12 it is real. Give these meshes and see the verdict and what it rests on.

Needs a profile with pw, ph and q2r at localhost and a PBE norm-conserving family with H and S:

    hts setup --pseudo-family PBE/SR-ONCV --pseudo-folder DIR --cutoffs FILE.json
    python examples/h3s-k-mesh.py --pseudo-family PBE/SR-ONCV --kpoints 8 9 12

Ten to twenty minutes a mesh on one core. The rule that k is a multiple of q is put aside on purpose here.
"""

import argparse
from typing import Any

import click
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory
from pymatgen.core import Lattice, Structure

from hts.store import profile
from workflows.pw import PwBaseWorkChain, mesh_kpoints, pw_inputs

# At 200 GPa in PBE; Im-3m as in D. Duan et al., Sci. Rep. 4, 6968 (2014), https://doi.org/10.1038/srep06968.
EDGE_ANG = 2.983
BCC = ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5))


def decide(kpoints: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the scf and the phonons on one k-mesh; return what was found."""
    structure = Structure(
        Lattice(EDGE_ANG * Lattice(BCC).matrix),
        ["S", "H", "H", "H"],
        [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )
    workflow: Any = WorkflowFactory("hts.phonons")
    builder = workflow.get_builder_from_protocol(
        {code: orm.load_code(f"{code}@localhost") for code in ("pw", "ph", "q2r")},
        orm.StructureData(pymatgen=structure),
        arguments.pseudo_family,
        protocol="fast",
        overrides={"dft": {"ecutwfc_ry": 60.0, "ecutrho_ry": 240.0, "qpoints_mesh": [3, 3, 3]}},
        options={"default": {"max_wallclock_seconds": 4 * 3600}, "qpoints_at_once": arguments.at_once},
        kpoints_mesh=[kpoints] * 3,
    )
    mesh = mesh_kpoints((kpoints, kpoints, kpoints))
    scf = run_get_node(
        PwBaseWorkChain, **pw_inputs(builder, structure=builder.structure, kpoints=mesh, calculation="scf")
    )[1]
    if not scf.is_finished_ok:
        raise SystemExit(f"scf at k {kpoints}: exit {scf.exit_status}, {scf.exit_message}")
    builder.scf_folder = scf.outputs.remote_folder
    node = run_get_node(builder)[1]
    if "phonons" not in node.outputs:
        raise SystemExit(f"phonons at k {kpoints}: exit {node.exit_status}, {node.exit_message}")
    content: dict[str, Any] = node.outputs.phonons.get_dict()
    return content


def main() -> None:
    """Print a line a mesh."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile")
    parser.add_argument("--pseudo-family", required=True)
    parser.add_argument("--kpoints", type=int, nargs="+", default=[8, 9, 12])
    parser.add_argument("--at-once", type=int, default=2, help="ph.x jobs side by side")
    arguments = parser.parse_args()
    profile.load(arguments.profile)
    for kpoints in arguments.kpoints:
        found = decide(kpoints, arguments)
        meshes = " then ".join("x".join(map(str, mesh)) for mesh in found["kpoints_meshes_tried"])
        click.echo(f"k {meshes}: {found['verdict']}, {found['reason']}")
        for point in found["qpoints"]:
            click.echo(f"  {point['name']}: {point['lowest_cm1']:.0f} cm-1 at k {found['kpoints_mesh'][0]}")


if __name__ == "__main__":
    main()
