"""Calcfunctions of the phonons: from the files of ph.x and q2r.x to verdict, interpolation and zero-point energy."""

from dataclasses import asdict
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_quantumespresso.calculations.ph import PhCalculation
from pymatgen.core import Structure

from hts.interpolation import interpolate_phonon, phonopy_from_q2r, phonopy_yaml
from hts.interpolation_checks import check_interpolation as choose_points
from hts.little_group import little_group
from hts.phonons import QPointModes, fractional_qpoint, judge_qpoint, qpoint_modes, star_sizes
from hts.soft_mode import soft_mode
from hts.symmetry import rotations
from hts.verdict import judge_dynamics
from hts.zero_point import UnstableCrystalError, crystal_zero_point
from workflows.parsers.ph import dynamical_matrix_of, read_matrix_file, read_partial_modes


@calcfunction
def judge_phonons(structure: orm.StructureData, context: orm.Dict, **found: orm.FolderData) -> orm.Dict:
    """Decide dynamic stability and list every q-point's modes in cm^-1.

    `found` holds, by name of the point, what a ph.x job has brought back, finished or stopped at an imaginary mode;
    second opinions on stricter settings are called `second_<point>`.
    """
    given = context.get_dict()
    crystal = structure.get_pymatgen()
    entries = {name: _entry(name.removeprefix("second_"), node, crystal) for name, node in found.items()}
    tolerances = (given["min_frequency_cm1"], given["acoustic_tolerance_cm1"], given["borderline_cm1"])
    verdicts = {name: judge_qpoint(modes, *tolerances) for name, (modes, _) in entries.items()}
    first = {name: verdict for name, verdict in verdicts.items() if not name.startswith("second_")}
    second = {name.removeprefix("second_"): verdict for name, verdict in verdicts.items() if name not in first}
    names = {name: entry["name"] for name, (_, entry) in entries.items()}
    verdict, reason = judge_dynamics(first, second, names, given["number_of_qpoints"], given["failure"])
    records = {name: {**entry, "verdict": verdicts[name].verdict} for name, (_, entry) in entries.items()}
    on_mesh = sorted((name for name in first if name.startswith("q_")), key=lambda name: int(name[2:]))
    return orm.Dict(
        {
            **given,
            "verdict": verdict,
            "reason": reason,
            "qpoints": [records[name] for name in on_mesh],
            "between_mesh": [records[name] for name in sorted(first) if name.startswith("i_")],
            "second_opinions": [records[name] for name in sorted(records) if name not in first],
            "softest_first": [int(name[2:]) for name in sorted(on_mesh, key=lambda name: first[name].lowest_cm1)],
        }
    )


def _entry(point: str, retrieved: orm.FolderData, crystal: Structure) -> tuple[QPointModes, dict[str, Any]]:
    """Return the modes of one point, and what is stored of them."""
    index = int(point[2:])
    symbols = [site.specie.symbol for site in crystal]
    stored = read_partial_modes(retrieved)
    if stored is not None:
        fraction = fractional_qpoint(np.array(stored["qpoint_2pi_over_a"]), crystal.lattice.matrix)
        modes = QPointModes(np.array(stored["frequencies_cm1"]), np.empty((3 * len(crystal), 0)), np.empty(0))
        lowest = stored["softest_mode"]
    else:
        matrix = dynamical_matrix_of(retrieved, index)
        fraction = fractional_qpoint(matrix.qpoint_2pi_over_a, crystal.lattice.matrix)
        modes = qpoint_modes(matrix)
        group = little_group(crystal, fraction)
        lowest = soft_mode(modes.frequencies_cm1, modes.eigenvectors, group, symbols)
    place = " ".join(f"{value:.3g}" for value in np.round(fraction, 6) + 0.0)
    return modes, {
        "index": index,
        "name": f"q {index} ({place})" if point.startswith("q_") else f"q ({place})",
        "qpoint": np.round(fraction, 8).tolist(),
        # Of a job that was stopped only upper bounds of some modes are known.
        "complete": stored is None,
        "lowest_cm1": float(modes.frequencies_cm1[0]) if len(modes.frequencies_cm1) else 0.0,
        "species_weight": lowest["species_weight"] if lowest else {},
        "softest_mode": lowest,
        "frequencies_cm1": np.round(modes.frequencies_cm1, 4).tolist(),
        "translations_cm1": np.round(modes.translations_cm1, 4).tolist(),
    }


@calcfunction
def check_interpolation(
    force_constants: orm.SinglefileData, structure: orm.StructureData, interpolation: orm.Dict, context: orm.Dict
) -> orm.Dict:
    """List the q-points of the doubled mesh that must be computed because the interpolation is imaginary there."""
    crystal = structure.get_pymatgen()
    check = choose_points(
        phonopy_from_q2r(force_constants.get_content("r"), crystal),
        rotations(crystal),
        context["qpoints_mesh"],
        (interpolation["lowest_cm1"], interpolation["lowest_qpoint"]),
        context["min_frequency_cm1"],
        context["max_interpolation_checks"],
    )
    return orm.Dict({"points": check.points, "failure": check.failure})


@calcfunction
def merge_dynamical_matrices(**retrieved: orm.FolderData) -> orm.FolderData:
    """Gather the dynamical matrices of all q-points in one folder, as q2r.x wants them."""
    merged = orm.FolderData()
    names = {int(key[2:]): folder for key, folder in retrieved.items()}
    texts = {0: read_matrix_file(next(iter(names.values())), 0)}
    texts |= {index: read_matrix_file(folder, index) for index, folder in names.items()}
    for index, text in texts.items():
        merged.base.repository.put_object_from_bytes(
            text.encode(), f"{PhCalculation._OUTPUT_DYNAMICAL_MATRIX_PREFIX}{index}"
        )
    return merged


@calcfunction
def interpolate_phonons(
    force_constants: orm.SinglefileData, structure: orm.StructureData, mesh: orm.Int
) -> dict[str, orm.Data]:
    """Interpolate with phonopy: bands in THz along the high-symmetry path, density of states, thermal properties.

    ``phonopy`` is a phonopy.yaml with the force constants; ``thermal`` is there only where no mode is imaginary, else
    ``interpolation`` says why not.
    """
    phonon = phonopy_from_q2r(force_constants.get_content("r"), structure.get_pymatgen())
    result = interpolate_phonon(phonon, structure.get_pymatgen(), mesh.value)
    bands = orm.BandsData()
    bands.set_cell_from_structure(structure)
    bands.set_kpoints(result.qpoints, labels=result.labels)
    bands.set_bands(result.frequencies_thz, units="THz")
    summary = {
        "zero_point_ev_per_atom": result.zero_point_ev_per_atom,
        "lowest_cm1": result.lowest_cm1,
        "lowest_qpoint": result.lowest_qpoint.tolist(),
        "thermal_reason": result.thermal_reason,
    }
    dos = orm.XyData()
    dos.set_x(result.dos_thz, "frequency", "THz")
    dos.set_y(result.dos, "density of states", "1/THz")
    stored = orm.SinglefileData.from_string(phonopy_yaml(phonon), "phonopy.yaml")
    outputs = {"bands": bands, "interpolation": orm.Dict(summary), "dos": dos, "phonopy": stored}
    return outputs if result.thermal is None else {**outputs, "thermal": orm.ArrayData(asdict(result.thermal))}


@calcfunction
def crystal_zero_point_energy(phonons: orm.Dict, structure: orm.StructureData, **interpolation: orm.Dict) -> orm.Dict:
    """Return the zero-point energy (eV/atom) of a crystal and its kind, or why it has none."""
    points = phonons["qpoints"]
    interpolated = interpolation["interpolation"]["zero_point_ev_per_atom"] if interpolation else None
    crystal = structure.get_pymatgen()
    sizes = star_sizes(rotations(crystal), [point["qpoint"] for point in points], phonons["qpoints_mesh"])
    try:
        if phonons["verdict"] != "stable":
            raise UnstableCrystalError(phonons["reason"])
        found = crystal_zero_point([point["frequencies_cm1"] for point in points], sizes, len(crystal), interpolated)
    except UnstableCrystalError as error:
        return orm.Dict({"ev_per_atom": None, "kind": None, "reason": str(error)})
    return orm.Dict({**asdict(found), "reason": None})
