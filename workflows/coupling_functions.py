"""Calcfunctions of the coupling: each hands stored nodes to a pure function of hts and stores what comes back."""

from dataclasses import asdict
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine import calcfunction
from numpy.typing import NDArray

from hts.coupling_estimate import estimate_coupling, ranking_tc_k
from hts.coupling_gates import check, judge_coupling, preferred_first
from hts.electrons import fermi_dos, unfold_eigenvalues
from hts.epw_decay import outer_ratio
from hts.errors import ParseError
from hts.fine_meshes import ESTIMATE_ONLY, FineMesh, FineMeshPlan, convergence
from hts.phonon_leave_out import compare_at, leave_out
from hts.phonons import qpoint_modes, star_sizes
from hts.projectability import total_projectability
from hts.simple_coupling import ImaginaryModesError, compare_at_dos, total_lambda
from hts.simple_output import SimpleCoupling
from hts.superconductivity import moments
from hts.symmetry import rotations
from hts.wannier import WannierProjections
from hts.wannier_bands import bands_deviation
from workflows.parsers.ph import dynamical_matrix_of

# What must decay with distance in the Wannier basis: over the cells of the k-mesh, and of the q-mesh.
_DECAYING = {"H": "Hamiltonian", "epmate": "matrix elements", "epmatp": "matrix elements between phonon cells"}
# EPW's distance is that of lattice vectors, not of atoms: on a smaller q-mesh all it knows are equivalent neighbours.
_FEWEST_QPOINTS = 4


def projectability_of(projections: orm.ProjectionData, wanted: WannierProjections) -> NDArray[np.float64]:
    """Return how much of each state the projections of a Wannierisation describe, (nk, nb)."""
    chosen = {
        (element, "spdf".index(letter))
        for element, _, letters in (string.partition(":") for string in wanted.strings)
        for letter in letters.split(";")
    }
    found = projections.get_projections()
    orbitals = [orbital.get_orbital_dict() for orbital, _ in found]
    names = [(content["kind_name"], content["angular_momentum"]) for content in orbitals]
    return total_projectability(np.array([values for _, values in found]), names, chosen)


@calcfunction
def compare_bands(dft: orm.BandsData, wannier: orm.ArrayData, context: orm.Dict) -> orm.Dict:
    """Hold Wannier bands against those of pw.x on the same k-points: RMS (eV) within 1 eV of the Fermi energy."""
    found = bands_deviation(
        dft.get_bands(), wannier.get_array("energies_ev"), context["fermi_ev"], n_excluded=context["n_excluded"]
    )
    return orm.Dict(asdict(found))


@calcfunction
def collect_wannier(context: orm.Dict, structure: orm.StructureData, epw: orm.Dict) -> orm.Dict:
    """Add up the attempts at Wannier functions; the chosen one's keywords, mesh and spreads on top."""
    content = context.get_dict()
    chosen = content["attempts"][content["chosen"]]
    spread_ang2 = chosen["largest_spread_ang2"]
    edges_ang = np.linalg.norm(structure.cell, axis=1) * np.array(chosen["coarse_mesh"])
    reach = None if spread_ang2 is None else float(np.sqrt(spread_ang2) / (0.5 * edges_ang.min()))
    return orm.Dict({**content, **chosen, "spread": reach, "code_version": epw.get_dict().get("code_version")})


@calcfunction
def fermi_level_dos(
    bands: orm.BandsData, structure: orm.StructureData, parameters: orm.Dict, context: orm.Dict
) -> orm.Dict:
    """Density of states by tetrahedra at the dense mesh's own E_F, per spin, eV and cell, smeared by Gaussians.

    At the E_F of the scf, whose mesh is coarse (0.13 eV off in Al4H), it would be that of another energy.
    """
    mesh = tuple(context["mesh"])
    crystal = structure.get_pymatgen()
    grid_ev = unfold_eigenvalues(bands.get_kpoints(), bands.get_bands(), rotations(crystal), mesh)
    reciprocal = crystal.lattice.reciprocal_lattice.matrix
    fermi_ev = parameters["fermi_energy"]
    values = {f"{sigma:g}": fermi_dos(grid_ev, reciprocal, fermi_ev, sigma) for sigma in context["smearings_ev"]}
    return orm.Dict({"dos_per_spin_ev_cell": values, "fermi_ev": fermi_ev, "mesh": list(mesh)})


@calcfunction
def rescale_alpha2f(alpha2f: orm.ArrayData, epw: orm.Dict, dos: orm.Dict, context: orm.Dict) -> dict[str, orm.Data]:
    """Rescale a coarse alpha2F by N(E_F) of the dense mesh: `hts.coupling_estimate`."""
    energy, spectra = alpha2f.get_array("energy_mev"), alpha2f.get_array("alpha2f")
    reason = "EPW printed no N(E_F) for the coarse mesh: nothing is estimated"
    try:
        found = estimate_coupling(
            energy,
            spectra[0],
            epw.get_dict().get("dos_ef_per_spin_ev"),
            dos["dos_per_spin_ev_cell"][f"{context['degaussw_ev']:g}"],
            mu_star=context["mu_star"],
            margin=context["margin"],
        )
    except ValueError as error:  # a spectrum that is none
        found, reason = None, f"nothing is estimated: {error}"
    if found is None:
        return {"estimate": orm.Dict({"label": context["label"], "upper_bound_k": None, "reason": reason})}
    reason = (
        f"estimate from {context['label']}, rescaled by {found.scale:.2f}: lambda {found.lambda_:.2f}, Tc "
        f"{found.tc_k:.1f} K, at most {found.upper_bound_k:.1f} K with {context['margin']:.0%} more coupling"
    )
    scaled = orm.ArrayData()
    scaled.set_array("energy_mev", energy)
    scaled.set_array("alpha2f", found.scale * spectra[:1])
    scaled.set_array("integrated_lambda", found.scale * alpha2f.get_array("integrated_lambda")[:1])
    scaled.set_array("smearing_mev", alpha2f.get_array("smearing_mev")[:1])
    scaled.set_array("lambda", np.array([found.lambda_]))
    summary = {
        "label": context["label"],
        "lambda": found.lambda_,
        "omega_log_mev": found.omega_log_mev,
        "allen_dynes_k": found.tc_k,
        "mu_star": context["mu_star"],
        "scale": found.scale,
        "upper_bound_k": found.upper_bound_k,
        "reason": reason,
    }
    return {"estimate": orm.Dict(summary), "alpha2f": scaled}


@calcfunction
def alpha2f_by_smearing(smeared: orm.ArrayData, epw: orm.Dict, labels: orm.List) -> dict[str, Any]:
    """Give each smearing of one run of epw.x an alpha2F of its own, and what epw.x would have printed of it."""
    energy, fermi_ev = smeared.get_array("energy_mev"), epw.get_dict().get("fermi_energy_fine_ev")
    found: dict[str, Any] = {"alpha2f": {}, "epw": {}}
    for place, label in enumerate(labels.get_list()):
        spectrum = orm.ArrayData()
        spectrum.set_array("energy_mev", energy)
        spectrum.set_array("alpha2f", smeared.get_array("alpha2f")[place : place + 1])
        found["alpha2f"][label] = spectrum
        dos = float(smeared.get_array("dos_per_spin_ev")[place])
        found["epw"][label] = orm.Dict({"dos_ef_per_spin_ev": dos, "fermi_energy_fine_ev": fermi_ev})
    return found


@calcfunction
def leave_out_phonons(force_constants: orm.SinglefileData, structure: orm.StructureData, phonons: orm.Dict) -> orm.Dict:
    """Interpolate from part of the q-mesh, and hold that against ph.x at the rest: RMS in cm^-1."""
    points = _on_mesh(phonons)
    found = leave_out(
        force_constants.get_content("r"),
        structure.get_pymatgen(),
        [point["qpoint"] for point in points],
        [point["frequencies_cm1"] for point in points],
    )
    what = found.reason or f"predicted from {'x'.join(map(str, found.sub_mesh or ()))}"
    return orm.Dict({"rms_cm1": found.rms_cm1, "highest_cm1": _highest_cm1(points), "what": what, **asdict(found)})


@calcfunction
def compare_one_qpoint(
    force_constants: orm.SinglefileData,
    structure: orm.StructureData,
    phonons: orm.Dict,
    retrieved: orm.FolderData,
    qpoint: orm.List,
    index: orm.Int,
) -> orm.Dict:
    """Hold the interpolation against ph.x at a q-point that is not on the mesh: RMS in cm^-1."""
    matrix = dynamical_matrix_of(retrieved, index.value)
    found = compare_at(
        force_constants.get_content("r"),
        structure.get_pymatgen(),
        qpoint.get_list(),
        qpoint_modes(matrix).frequencies_cm1.tolist(),
    )
    place = " ".join(f"{value:.3g}" for value in qpoint.get_list())
    highest_cm1 = _highest_cm1(_on_mesh(phonons))
    return orm.Dict({**asdict(found), "highest_cm1": highest_cm1, "what": f"at q = ({place}), not on the mesh"})


def _on_mesh(phonons: orm.Dict) -> list[dict[str, Any]]:
    """Return the q-points of the mesh; those between, which an instability of the interpolation asked for, left out."""
    return [point for point in phonons["qpoints"] if point["name"].split()[1].isdigit()]


def _highest_cm1(points: list[dict[str, Any]]) -> float:
    return float(max(max(point["frequencies_cm1"], default=0.0) for point in points))


@calcfunction
def sum_simple_lambda(structure: orm.StructureData, phonons: orm.Dict, **qpoints: orm.Dict) -> orm.Dict:
    """Add up lambda over the q-points as ph.x itself computes it, by smearing (Ry)."""
    ordered = [qpoints[f"q_{index}"] for index in range(1, len(qpoints) + 1)]
    places = {point["index"]: point["qpoint"] for point in _on_mesh(phonons)}
    mesh = phonons["qpoints_mesh"]
    sizes = star_sizes(
        rotations(structure.get_pymatgen()), [places[index] for index in range(1, len(qpoints) + 1)], mesh
    )
    try:
        total = total_lambda(
            [SimpleCoupling.from_dict(node.get_dict()) for node in ordered],
            [size / int(np.prod(mesh)) for size in sizes],
        )
    except ImaginaryModesError as error:
        return orm.Dict({"smearings": [], "notes": [str(error)]})
    return orm.Dict({"smearings": [asdict(one) for one in total.smearings], "notes": list(total.notes)})


@calcfunction
def evaluate_coupling(
    dos: orm.Dict, relaxation: orm.Dict, wannier: orm.Dict, estimate: orm.Dict, context: orm.Dict, **nodes: orm.Data
) -> orm.Dict:
    """Hold every alpha2F against pw.x and ph.x, say whether Tc has settled, and choose the one that answers."""
    given = context.get_dict()
    labels = [key.removeprefix("epw_") for key in nodes if key.startswith("epw_")]
    members = [_member(label, given, nodes, dos, relaxation) for label in labels]
    series = preferred_first(members, given["smearings_ev"])
    settled = _convergence(given, series, estimate.get_dict())
    checks = _checks(given, series, wannier.get_dict(), nodes)
    limits = given["limits"]
    wanted = ("name", "coarse_mesh", "n_wannier", "failure", "rms_ev")
    judgement = judge_coupling(
        series,
        limits["max_dos_deviation"],
        limits["max_fermi_deviation_ev"],
        checks=checks,
        convergence=settled,
        estimate=estimate.get_dict(),
        more={
            "pressure_gpa": relaxation["pressure_gpa"],
            "wannier": {"attempts": [{key: one.get(key) for key in wanted} for one in wannier["attempts"]]},
        },
    )
    return orm.Dict(judgement.to_dict())


def _member(
    label: str, given: dict[str, Any], nodes: dict[str, Any], dos: orm.Dict, relaxation: orm.Dict
) -> dict[str, Any]:
    """Return one run of the fine meshes as the judge wants it."""
    parameters, spectrum = nodes[f"epw_{label}"].get_dict(), nodes[f"alpha2f_{label}"]
    energy, values = spectrum.get_array("energy_mev"), spectrum.get_array("alpha2f")[0]
    found = moments(energy, values)
    mesh = next(one for one in given["plan"] if FineMesh.from_dict(one).label == label)
    return {
        "label": label,
        **mesh,
        "lambda": found.lambda_,
        "omega_log_mev": found.omega_log_mev,
        "omega_2_mev": found.omega_2_mev,
        "allen_dynes_k": ranking_tc_k(energy, values, given["mu_star"]),
        "mu_star": given["mu_star"],
        "dos_ef_epw": parameters.get("dos_ef_per_spin_ev"),
        "dos_ef_tetrahedra": dos["dos_per_spin_ev_cell"][f"{mesh['degaussw_ev']:g}"],
        "fermi_epw_ev": parameters.get("fermi_energy_fine_ev"),
        "fermi_dense_ev": dos["fermi_ev"],
        "fermi_scf_ev": relaxation["fermi_ev"],
    }


def _convergence(given: dict[str, Any], series: list[dict[str, Any]], estimate: dict[str, Any]) -> dict[str, Any]:
    if not series:
        reason = f"no fine meshes: {estimate['reason']}"
        return {"status": ESTIMATE_ONLY, "change_k": None, "spread_k": None, "reason": reason}
    meshes = [FineMesh.from_dict(content) for content in given["plan"]]
    plan = FineMeshPlan(
        tuple(dict.fromkeys(mesh.kpoints for mesh in meshes)),
        meshes[0].qpoints,
        tuple(given["smearings_ev"]),
        given["tolerance"],
        given["tolerance_k"],
    )
    tc_k: dict[str, float | None] = {item["label"]: item["allen_dynes_k"] for item in series}
    found = asdict(convergence(plan, {**tc_k, **dict.fromkeys(given["failed"])}))
    spread = found["spread_k"]
    return {
        **found,
        "spread_k": list(spread) if spread else None,
        "tolerance": given["tolerance"],
        "tolerance_k": given["tolerance_k"],
    }


def _checks(
    given: dict[str, Any], series: list[dict[str, Any]], wannier: dict[str, Any], nodes: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return every check with its limit; what was not checked says why."""
    limits = given["limits"]
    rms_ev = wannier["rms_ev"]
    text = f"Wannier bands {rms_ev:.3f} eV RMS from those of pw.x within 1 eV of E_F" if rms_ev is not None else None
    checks = [check("bands_rms_ev", rms_ev, limits["max_bands_rms_ev"], "eV", text or wannier.get("text", "no bands"))]
    reach = wannier["spread"]
    text = "spreads not known: EPW printed none" if reach is None else (
        f"widest Wannier function {wannier['largest_spread_ang2']:.1f} Angstrom^2, {reach:.0%} of half the supercell"
    )  # fmt: skip
    checks.append(check("spread", reach, limits["max_spread"], "", text))
    if not given["cells_around_functions"]:
        text = "interpolated over cells around lattice vectors: epw.x could not build those around the functions"
        checks.append(check("cells", 1.0, 0.0, "", text))
    checks += _decay(nodes.get("decay"), limits["max_decay"], given["qpoints_mesh"])
    if not series:
        return checks
    checks.append(_phonons(given, nodes.get("phonon_check"), limits["max_phonon_deviation"]))
    checks.append(_simple(given, series, nodes.get("simple_lambda"), limits["max_lambda_deviation"]))
    return checks


def _decay(decay: orm.ArrayData | None, limit: float, qpoints_mesh: list[int]) -> list[dict[str, Any]]:
    """Return how far Hamiltonian and matrix elements have decayed at the edge of the supercell."""
    found = []
    for name, what in _DECAYING.items():
        value, text = None, f"decay of the {what} not known: EPW wrote none"
        if name == "epmatp" and min(qpoints_mesh) < _FEWEST_QPOINTS:
            text = (
                f"decay of the {what} not judged: a q-mesh of {'x'.join(map(str, qpoints_mesh))} holds neighbours only"
            )
        elif decay is not None and f"{name}_magnitude" in decay.get_arraynames():
            try:
                value = outer_ratio(decay.get_array(f"{name}_distance_ang"), decay.get_array(f"{name}_magnitude"))
                text = f"{what} in the Wannier basis decayed to {value:.2%} of the largest at the edge of the supercell"
            except ParseError as error:
                text = f"decay of the {what} not known: {error}"
        found.append(check(f"decay_{name}", value, limit, "", text))
    return found


def _phonons(given: dict[str, Any], node: orm.Dict | None, limit: float) -> dict[str, Any]:
    if node is None:
        asked = given["wanted"]["phonon_check"]
        text = "interpolated phonons not checked: " + ("the check failed" if asked else "phonon_check is false")
        return check("phonon_interpolation", None, limit, "of the highest frequency", text)
    found = node.get_dict()
    if found["rms_cm1"] is None:
        text = f"interpolated phonons not checked: {found['what']}"
        return check("phonon_interpolation", None, limit, "of the highest frequency", text)
    value = found["rms_cm1"] / found["highest_cm1"]
    text = (
        f"interpolated phonons {found['rms_cm1']:.0f} cm-1 RMS from ph.x ({found['what']}), {value:.1%} of the highest"
    )
    return check("phonon_interpolation", value, limit, "of the highest frequency", text)


def _simple(given: dict[str, Any], series: list[dict[str, Any]], node: orm.Dict | None, limit: float) -> dict[str, Any]:
    """Hold lambda against ph.x's own sum, at the broadest smearing: the k-mesh of the phonons resolves no finer one."""
    if node is None or not node["smearings"]:
        asked = given["wanted"]["lambda_check"]
        why = "; ".join(node["notes"]) if node is not None else ("it failed" if asked else "lambda_check is false")
        return check("lambda_without_epw", None, limit, "", f"lambda not checked without EPW: {why}")
    broadest = max(series, key=lambda item: item["degaussw_ev"])
    found = compare_at_dos(
        broadest["lambda"], broadest["degaussw_ev"], broadest["dos_ef_tetrahedra"], node["smearings"]
    )
    return check("lambda_without_epw", found.relative_deviation, limit, "", f"{found.text} ({broadest['label']})")


@calcfunction
def merge_gaps(**found: orm.ArrayData) -> orm.ArrayData:
    """Put the gap distributions of several runs into one node, by rising temperature.

    Parameters
    ----------
    **found
        ``temperatures_k`` (n,), and ``gap_mev_N`` (meV) and ``weight_N`` of each.
    """
    rows = [
        (float(temperature_k), node.get_array(f"gap_mev_{index}"), node.get_array(f"weight_{index}"))
        for node in found.values()
        for index, temperature_k in enumerate(node.get_array("temperatures_k"))
    ]
    rows.sort(key=lambda row: row[0])
    merged = orm.ArrayData()
    merged.set_array("temperatures_k", np.array([row[0] for row in rows]))
    for index, (_, gap_mev, weight) in enumerate(rows):
        merged.set_array(f"gap_mev_{index}", gap_mev)
        merged.set_array(f"weight_{index}", weight)
    return merged
