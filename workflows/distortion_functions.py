"""Calcfunctions of a followed soft mode: displace, and judge what the relaxation made of it."""

from typing import Any

from aiida import orm
from aiida.engine import calcfunction

from hts.displacement import DistortionError
from hts.distortion import distort, imaginary_modes, judge_distortion

# A crystal on its way back to the parent is not yet within the precision with which a symmetry is reported.
_RETURN_FACTOR = 10.0


@calcfunction
def displace_along_softest_mode(
    structure: orm.StructureData, phonons: orm.Dict, context: orm.Dict
) -> dict[str, orm.Data]:
    """Displace an unstable crystal along the softest of its modes that a small supercell holds.

    `context` gives ``amplitude_ang``, ``max_atoms`` and ``symmetry_precision_ang``. Where no mode can be followed there
    is no `structure`, and the `displacement` says why for the softest one; ``passed_over`` says it for softer ones.
    """
    given = context.get_dict()
    displacement: dict[str, Any] = {"amplitude_ang": given["amplitude_ang"], "mode": None, "reason": None}
    refusals: list[str] = []
    try:
        modes = imaginary_modes(phonons.get_dict())
    except DistortionError as error:
        return {"displacement": orm.Dict({**displacement, "reason": str(error), "passed_over": []})}
    for mode in modes:
        try:
            found = distort(
                structure.get_pymatgen(),
                mode["qpoint"],
                mode["eigenvector"],
                given["amplitude_ang"],
                max_atoms=given["max_atoms"],
                symprec_ang=given["symmetry_precision_ang"],
            )
        except DistortionError as error:
            refusals.append(str(error))
            continue
        displacement |= {
            "mode": {key: mode[key] for key in ("index", "qpoint", "frequency_cm1", "irrep")},
            "parent_space_group_number": found.parent_space_group_number,
            "displaced_space_group_number": found.space_group_number,
            "n_cells": found.n_cells,
            "passed_over": refusals,
        }
        return {"displacement": orm.Dict(displacement), "structure": orm.StructureData(pymatgen=found.structure)}
    return {"displacement": orm.Dict({**displacement, "reason": refusals[0], "passed_over": refusals[1:]})}


@calcfunction
def judge_followed_mode(displacement: orm.Dict, context: orm.Dict, **relaxed: orm.Data) -> orm.Dict:
    """Hold a relaxed distorted crystal against its parent; with a ``failure`` in `context` it is undecided.

    `relaxed` are ``parent``, ``parent_structure``, ``distorted`` and ``distorted_structure``, all or none. The
    enthalpy gain is distorted minus parent, in eV/atom: negative is lower.
    """
    given = context.get_dict()
    content = {
        **displacement.get_dict(),
        "pressure_gpa": given["pressure_gpa"],
        "min_gain_ev_per_atom": given["min_gain_ev_per_atom"],
        "space_group_number": None,
        "enthalpy_gain_ev_per_atom": None,
        "kpoints_meshes": None,
        "verdict": "undecided",
        "reason": given["failure"],
    }
    if given["failure"] is not None:
        return orm.Dict(content)
    parent, distorted = (relaxed[key].get_dict() for key in ("parent", "distorted"))
    structures = [relaxed[f"{key}_structure"].get_pymatgen() for key in ("parent", "distorted")]
    precision = _RETURN_FACTOR * given["symmetry_precision_ang"]
    verdict, reason = judge_distortion((parent, distorted), structures, given["min_gain_ev_per_atom"], precision)
    content |= {
        "space_group_number": distorted["space_group_number"],
        "enthalpy_gain_ev_per_atom": distorted["enthalpy_ev_per_atom"] - parent["enthalpy_ev_per_atom"],
        "kpoints_meshes": [parent["kpoints_mesh"], distorted["kpoints_mesh"]],
        "verdict": verdict,
        "reason": reason,
    }
    return orm.Dict(content)
