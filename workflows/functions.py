"""Calcfunctions: each hands stored nodes to a pure function of hts and stores what comes back."""

import io
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from aiida_pseudo.data.pseudo import UpfData

from hts.cell_prediction import volume_ratio_to_target
from hts.electrons import band_gap_ev
from hts.hull import PhaseEnthalpy, is_same_phase, place_on_hull
from hts.magnetism import (
    FERROMAGNETIC,
    compare_magnetic_states,
    ground_state_enthalpy,
    magnetic_doubt,
    magnetic_doubt_line,
    spin_polarised_gap_ev,
    unknown_state,
)
from hts.pseudopotentials import with_null_projector
from hts.rungs import collect_ladder
from hts.summary import candidate_record
from hts.superconductivity import tc_table
from hts.symmetry import space_group_number, with_symmetry_of
from hts.units import GPA_PER_EV_ANG3
from hts.verdict import judge_hull, judge_ladder, judge_relaxation, judge_tc
from hts.zero_point import with_zero_point


@calcfunction
def evaluate_relaxation(
    parameters: orm.Dict,
    trajectory: orm.TrajectoryData,
    bands: orm.BandsData,
    structure: orm.StructureData,
    start: orm.StructureData,
    context: orm.Dict,
) -> orm.Dict:
    """Turn the scf in the relaxed cell into enthalpy (eV/atom), residual pressure (GPa), gap (eV) and space group."""
    given = context.get_dict()
    crystal = structure.get_pymatgen()
    stress_gpa = np.array(trajectory.get_array("stress"))[-1]
    energy_ev = parameters["energy"]
    eigenvalues_ev = bands.get_bands()
    precision = given["symmetry_precision_ang"]
    # H at the target pressure: at the minimum of H the error from a residual pressure is of second order.
    enthalpy_ev = energy_ev + given["pressure_gpa"] * crystal.volume / GPA_PER_EV_ANG3
    spin_polarised = eigenvalues_ev.ndim == 3
    if spin_polarised:
        gap_ev = spin_polarised_gap_ev(eigenvalues_ev, parameters["fermi_energy"])
    else:
        gap_ev = band_gap_ev(eigenvalues_ev, parameters["number_of_electrons"])
    return orm.Dict(
        {
            "formula": crystal.composition.reduced_formula,
            "n_atoms": len(crystal),
            "pressure_gpa": given["pressure_gpa"],
            "residual_gpa": float(np.trace(stress_gpa) / 3 - given["pressure_gpa"]),
            "energy_ev": energy_ev,
            "volume_ang3": crystal.volume,
            "enthalpy_ev_per_atom": enthalpy_ev / len(crystal),
            "fermi_ev": parameters["fermi_energy"],
            "n_electrons": parameters["number_of_electrons"],
            "n_bands": eigenvalues_ev.shape[-1],
            "gap_ev": gap_ev,
            "space_group_number": space_group_number(crystal, precision),
            "initial_space_group_number": space_group_number(start.get_pymatgen(), precision),
            "kpoints_mesh": given["kpoints_mesh"],
            "passes": given["passes"],
            "basis": given["basis"],
            **({"spin_polarised": True, **_moments(parameters)} if spin_polarised else {}),
        }
    )


def _moments(parameters: orm.Dict) -> dict[str, float]:
    return {
        "moment_bohr_mag_per_cell": parameters["total_magnetization"],
        "absolute_moment_bohr_mag_per_cell": parameters["absolute_magnetization"],
    }


@calcfunction
def add_magnetism(relaxation: orm.Dict, context: orm.Dict, **spin_polarised: orm.Dict) -> orm.Dict:
    """Say which magnetic state lies lower, from the spin-polarised `scf` in the same cell or that state `relaxed`."""
    own = relaxation.get_dict()
    given = context.get_dict()
    failure = given.pop("failure")
    if failure is not None:
        return orm.Dict({**own, "magnetism": unknown_state(failure)})
    if "relaxed" in spin_polarised:
        other = spin_polarised["relaxed"].get_dict()
    else:
        parameters = spin_polarised["scf"]
        enthalpy_ev = parameters["energy"] + own["pressure_gpa"] * own["volume_ang3"] / GPA_PER_EV_ANG3
        other = {**_moments(parameters), "enthalpy_ev_per_atom": enthalpy_ev / own["n_atoms"]}
    return orm.Dict({**own, "magnetism": compare_magnetic_states(own, other, **given)})


@calcfunction
def cell_at_pressure(
    structure: orm.StructureData, trajectory: orm.TrajectoryData, relaxation: orm.Dict
) -> orm.StructureData:
    """Scale a relaxed cell to where its relaxation and the new scf say that the target pressure is."""
    volumes_ang3 = np.abs(np.linalg.det(np.array(trajectory.get_array("cells"))))
    stress_gpa = np.array(trajectory.get_array("stress"))[: len(volumes_ang3)]
    pressures_gpa = np.trace(stress_gpa, axis1=1, axis2=2) / 3
    ratio = volume_ratio_to_target(volumes_ang3.tolist(), pressures_gpa.tolist(), relaxation["residual_gpa"])
    crystal = structure.get_pymatgen()
    crystal.scale_lattice(crystal.volume * ratio)
    return orm.StructureData(pymatgen=crystal)


@calcfunction
def put_back_on_symmetry(
    structure: orm.StructureData, start: orm.StructureData, symmetry_precision_ang: orm.Float
) -> orm.StructureData:
    """Average a step of a relaxation over the symmetry that its start had."""
    crystal = with_symmetry_of(structure.get_pymatgen(), start.get_pymatgen(), symmetry_precision_ang.value)
    return orm.StructureData(pymatgen=crystal)


@calcfunction
def null_projector(pseudo: UpfData) -> UpfData:
    """Give a purely local pseudopotential a projector of no weight; `hts.pseudopotentials` says why."""
    text = with_null_projector(pseudo.get_content())
    return UpfData(io.BytesIO(text.encode()), filename=pseudo.filename)


@calcfunction
def confirm_gap(relaxation: orm.Dict, bands: orm.BandsData) -> orm.Dict:
    """Replace the gap of the scf mesh by that of a denser one."""
    content = relaxation.get_dict()
    return orm.Dict(
        {
            **content,
            "gap_scf_mesh_ev": content["gap_ev"],
            "gap_ev": band_gap_ev(bands.get_bands(), content["n_electrons"]),
        }
    )


@calcfunction
def place_relaxed(candidate: orm.Dict, missing: orm.List, labels: orm.Dict, **phases: orm.Dict) -> orm.Dict:
    """Place a relaxed candidate on the hull of relaxed phases, each in its lower magnetic state; mixes no settings."""
    own = candidate.get_dict()
    results = {labels[key.removeprefix("phase_")]: node.get_dict() for key, node in phases.items()}
    # A compound is no competitor of its own; an element may be its own reference.
    compound = len(own["basis"]["pseudos"]) > 1
    # Every phase has a non-magnetic state, so these are what is compared to tell whether two are one.
    twins = sorted(label for label, content in results.items() if compound and is_same_phase(own, content))
    # The star keeps the candidate's name apart from those of the phases.
    star = f"{own['formula']}*"
    results = {label: content for label, content in results.items() if label not in twins}
    everything = {own["formula"]: own, **results}
    placement = place_on_hull(
        _phase(star, own),
        [_phase(label, content) for label, content in results.items()],
        [*missing.get_list(), *_doubtful(results)],
    )
    formulas = {star: own["formula"], **{label: content["formula"] for label, content in results.items()}}
    return orm.Dict(
        {
            "pressure_gpa": own["pressure_gpa"],
            "hull_ev_per_atom": placement.hull_ev_per_atom,
            "formation_ev_per_atom": placement.formation_ev_per_atom,
            "decomposition": {formulas[label]: part for label, part in placement.decomposition.items()},
            "stabilisation_ev_per_atom": placement.stabilisation_ev_per_atom,
            "competing_phases": placement.competing_decomposition,
            "reaction": placement.reaction.replace("*", ""),
            "competitors": sorted(results),
            "computed_as": twins,
            "magnetic_phases": {
                label: content["magnetism"]["moment_bohr_mag_per_atom"]
                for label, content in everything.items()
                if content.get("magnetism", {}).get("state") == FERROMAGNETIC
            },
            # With its magnetic state unknown the candidate itself may lie lower.
            "upper_bound": magnetic_doubt(own),
            "missing": list(placement.missing),
        }
    )


def _phase(label: str, relaxation: dict[str, Any]) -> PhaseEnthalpy:
    return PhaseEnthalpy(label, relaxation["formula"], ground_state_enthalpy(relaxation), relaxation["basis"])


def _doubtful(competitors: dict[str, dict[str, Any]]) -> list[str]:
    """Return a line for every competitor that may have a lower magnetic state; for a candidate that is no risk."""
    doubts = {label: magnetic_doubt(content) for label, content in sorted(competitors.items())}
    return [magnetic_doubt_line(label, reason) for label, reason in doubts.items() if reason is not None]


@calcfunction
def correct_placement(
    placement: orm.Dict, candidate: orm.Dict, labels: orm.Dict, unknown: orm.Dict, **phases: orm.Dict
) -> orm.Dict:
    """Add zero-point energies to a distance from the hull; one that is unknown leaves it open."""
    energies = {labels[key.removeprefix("phase_")]: node.get_dict() for key, node in phases.items()}
    reasons = {labels[key]: reason for key, reason in unknown.get_dict().items()}
    return orm.Dict(with_zero_point(placement.get_dict(), candidate.get_dict(), energies, reasons))


@calcfunction
def collect_rungs(rungs: orm.List, **results: orm.Dict) -> orm.Dict:  # noqa: ARG001 - the results are there for the graph
    """Add up the rungs of a descent; the results behind them are inputs, so that the graph shows their origin."""
    return orm.Dict(collect_ladder(rungs.get_list()))


@calcfunction
def solve_tc(chosen: orm.Str, settings: orm.Dict, **alpha2f: orm.ArrayData) -> orm.Dict:
    """Solve Tc (K) for every alpha2F of a series; the chosen one answers, the others give the spread."""
    tables = {}
    for label, spectrum in alpha2f.items():
        tables[label] = tc_table(
            spectrum.get_array("energy_mev"),
            spectrum.get_array("alpha2f")[0],
            settings["mu_star"],
            cutoff_factor=settings["matsubara_cutoff_factor"],
        )
    ranking = [table["tc"][0]["allen_dynes_k"] for table in tables.values()]
    answer = {**tables[chosen.value], "chosen": chosen.value, "series": tables}
    return orm.Dict({**answer, "allen_dynes_spread_k": [min(ranking), max(ranking)]})


@calcfunction
def judge_stage(stage: orm.Str, result: orm.Dict, thresholds: orm.Dict) -> orm.Dict:
    """Judge one stage of the funnel from its stored result; new thresholds judge again without a new job."""
    given = thresholds.get_dict()
    content = result.get_dict()
    if stage.value == "relax":
        judgement = judge_relaxation(content, **given)
    elif stage.value == "hull":
        judgement = judge_hull(content, **given)
    elif stage.value == "decompress":
        judgement = judge_ladder(content)
    else:
        judgement = judge_tc(content["tc"][0]["allen_dynes_k"], content["tc"][0]["mu_star"], **given)
    return orm.Dict(judgement.to_dict())


@calcfunction
def summarise(identity: orm.Dict, failure: orm.Str, gates: orm.Dict, **results: orm.Dict) -> orm.Dict:
    """Write the record that `hts candidates` reads: one node a candidate."""
    content = {key: node.get_dict() for key, node in results.items()}
    record = candidate_record(identity.get_dict(), content, gates.get_dict(), failure.value or None)
    return orm.Dict(record.model_dump(by_alias=True))
