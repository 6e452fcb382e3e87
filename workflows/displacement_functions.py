"""Calcfunctions of finite displacements: from a crystal to displaced supercells, from their forces to phonons."""

from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.calculations.ph import PhCalculation

from hts.finite_displacement import (
    asymmetry,
    displaced_supercells,
    dynamical_matrices,
    phonopy_from_forces,
)
from hts.interpolation import phonopy_yaml
from hts.phonon_files import dynamical_matrix_text, force_constants_text


@calcfunction
def displace(structure: orm.StructureData, qpoints_mesh: orm.List, displacement_ang: orm.Float) -> dict[str, Any]:
    """Make the displaced supercells, and note which atoms are displaced by what (bohr, as phonopy has it)."""
    plan = displaced_supercells(structure.get_pymatgen(), qpoints_mesh.get_list(), displacement_ang.value)
    kinds = [structure.get_kind(site.kind_name) for site in structure.sites]
    made: dict[str, Any] = {"displacements": orm.Dict(plan.dataset)}
    for number, displaced in enumerate(plan.structures, start=1):
        supercell = orm.StructureData(cell=displaced.lattice.matrix.tolist(), pbc=structure.pbc)
        for parent, position in zip(plan.parents, displaced.cart_coords.tolist(), strict=True):
            supercell.append_atom(position=position, symbols=kinds[parent].symbol, mass=kinds[parent].mass)
        made[f"supercell_{number}"] = supercell
    return made


@calcfunction
def collect_forces(
    structure: orm.StructureData, qpoints_mesh: orm.List, displacements: orm.Dict, **trajectories: orm.TrajectoryData
) -> dict[str, orm.Data]:
    """Turn the forces on all supercells (`forces_N`) into what ph.x and q2r.x would have written.

    ``matrices`` holds the dynamical matrix of each irreducible q-point, ``force_constants`` the text of ``flfrc``,
    ``force_sets`` a phonopy.yaml with displacements, forces and force constants before any sum rule, ``quality`` by how
    much action and reaction differ.
    """
    crystal, mesh = structure.get_pymatgen(), qpoints_mesh.get_list()
    numbered = {int(key.removeprefix("forces_")): node for key, node in trajectories.items()}
    forces = [np.array(numbered[number].get_array("forces")[-1]) for number in sorted(numbered)]
    masses_amu = [structure.get_kind(site.kind_name).mass for site in structure.sites]
    phonon = phonopy_from_forces(crystal, mesh, displacements.get_dict(), forces, masses_amu)
    matrices = dynamical_matrices(phonon, crystal, mesh)
    folder = orm.FolderData()
    for index, matrix in matrices.items():
        folder.base.repository.put_object_from_bytes(
            dynamical_matrix_text(matrix, crystal).encode(), f"{PhCalculation._OUTPUT_DYNAMICAL_MATRIX_PREFIX}{index}"
        )
    return {
        "matrices": folder,
        "force_constants": orm.SinglefileData.from_string(force_constants_text(phonon, crystal), "force_constants"),
        "force_sets": orm.SinglefileData.from_string(phonopy_yaml(phonon, force_sets=True), "phonopy_force_sets.yaml"),
        "quality": orm.Dict({"asymmetry": asymmetry(matrices.values())}),
    }
