"""Protocols: complete, commented, ordered from fast to stringent, and intolerant of slips of the pen."""

import json
import re
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from hts.competitor_files import StructureFile, structures_within
from hts.fine_meshes import FineMeshPlan, plan_fine_meshes
from hts.fingerprint import fingerprint
from workflows.protocol import STAGES, resolve_settings, stage_settings

PROTOCOLS = ("fast", "balanced", "stringent")
# Which way each number gets stricter; what is a choice and not an accuracy is in neither.
SMALLER = {
    "kpoints_distance_inv_ang", "degauss_ry", "conv_thr_ry", "tr2_ph", "acoustic_tolerance_cm1",
    "pressure_tolerance_gpa", "etot_conv_thr_ry",
    "forc_conv_thr_ry_bohr", "press_conv_thr_kbar", "symmetry_precision_ang", "insulator_gap_ev",
    "degaussq_mev", "max_dos_deviation", "max_fermi_deviation_ev", "dense_distance_inv_ang",
    "coarse_distance_inv_ang", "path_distance_inv_ang", "estimate_distance_inv_ang", "fine_distances_inv_ang",
    "smearings_ev", "tc_tolerance", "tc_tolerance_k", "max_bands_rms_ev", "max_phonon_deviation", "max_decay",
    "max_lambda_deviation", "max_spread",
    "min_moment_bohr_mag", "min_magnetic_gain_ev_per_atom", "displacement_ang", "confirmation_degauss_factor",
    "confirmation_tr2_factor",
}  # fmt: skip
LARGER = {
    "qpoints_mesh", "max_passes", "max_attempts", "max_confirmations", "interpolation_mesh", "max_coarse_meshes",
    "fine_qpoints_per_q", "estimate_margin", "phonon_check", "lambda_check", "anisotropic", "outer_above_ef_ev",
    "disentanglement_iterations", "localisation_iterations", "matsubara_cutoff_factor", "max_reference_attempts",
    "borderline_cm1", "max_interpolation_checks",
}  # fmt: skip
# A choice that has an order.
SCOPES = {"pressures": ["lowest", "above", "ladder"]}
CHOICES = {
    "ecutwfc_ry", "ecutrho_ry", "smearing", "mixing_beta", "alpha_mix", "clean_scratch", "frozen_above_ef_ev",
    "mu_star", "competitors", "structures", "zero_point", "check_magnetism",
    "estimate_degaussw_ev", "anisotropic_fractions",
    "method", "predict", "reentrant", "follow_soft_mode", "distortion_amplitude_ang", "distortion_max_atoms",
}  # fmt: skip


def text_of(stage: str) -> str:
    return (files("workflows.protocols") / f"{stage}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("protocol", [*PROTOCOLS, None])
def test_every_stage_resolves(stage: str, protocol: str | None) -> None:
    settings = stage_settings(stage, protocol)
    assert set(settings) == set(yaml.safe_load(text_of(stage))["default_inputs"])
    if protocol is None:
        assert settings == stage_settings(stage, "balanced")


def test_there_is_a_file_for_every_stage_and_none_besides() -> None:
    found = {entry.name for entry in files("workflows.protocols").iterdir() if entry.name.endswith(".yaml")}
    assert found == {f"{stage}.yaml" for stage in STAGES}


def strictness(key: str, value: Any) -> list[float]:
    """Return numbers that grow with the accuracy."""
    if key in SCOPES:
        return [SCOPES[key].index(value)]
    numbers = value if isinstance(value, list) else [value]
    return [-number if key in SMALLER else number for number in numbers]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("loose", "tight"), [("fast", "balanced"), ("balanced", "stringent")])
def test_a_stricter_protocol_is_never_looser(stage: str, loose: str, tight: str) -> None:
    looser, tighter = stage_settings(stage, loose), stage_settings(stage, tight)
    assert set(looser) <= SMALLER | LARGER | set(SCOPES) | CHOICES, "say here which way the new setting gets stricter"
    for key in set(looser) & (SMALLER | LARGER | set(SCOPES)):
        pairs = zip(strictness(key, looser[key]), strictness(key, tighter[key]), strict=True)
        assert all(a <= b for a, b in pairs), key


def fine_meshes(protocol: str, cell_ang: np.ndarray) -> FineMeshPlan:
    """Plan the fine meshes of a cell (vectors as rows, Angstrom) as the WorkChain does."""
    settings = stage_settings("coupling", protocol)
    n1, n2, n3 = (settings["fine_qpoints_per_q"] * n for n in stage_settings("dft", protocol)["qpoints_mesh"])
    distances, smearings = settings["fine_distances_inv_ang"], settings["smearings_ev"]
    return plan_fine_meshes(cell_ang, distances, (n1, n2, n3), smearings, tolerance=0.05, tolerance_k=0.5)


def test_a_single_fine_mesh_or_smearing_can_be_lucky() -> None:
    for protocol in PROTOCOLS:
        settings = stage_settings("coupling", protocol)
        distances = settings["fine_distances_inv_ang"]
        assert len(distances) >= 2
        assert all(coarse > fine for coarse, fine in pairwise(distances))
        assert len(set(settings["smearings_ev"])) == len(settings["smearings_ev"]) >= 2


CELLS_ANG = {
    "fcc Al": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 1.972,
    "Al4H": np.eye(3) * 4.009,
    "H3S": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) * 1.4915,
    "MgB2": np.array([[3.086, 0, 0], [-1.543, 2.6726, 0], [0, 0, 3.524]]),
    "long": np.diag([3.0, 4.5, 11.0]),
}


@pytest.mark.parametrize("cell", list(CELLS_ANG))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_fine_meshes_are_commensurate(protocol: str, cell: str) -> None:
    """EPW stores nothing unless the k-mesh is a multiple of the q-mesh; two meshes at least, each denser."""
    plan = fine_meshes(protocol, CELLS_ANG[cell])
    assert len(plan.kpoints) >= 2
    assert all(k % q == 0 for mesh in plan.kpoints for k, q in zip(mesh, plan.qpoints, strict=True))
    points = [np.prod(mesh) for mesh in plan.kpoints]
    assert points == sorted(set(points))


def test_the_meshes_that_the_comments_promise() -> None:
    """Al4H at 0 GPa, 4.009 Angstrom, in `fast`."""
    assert [mesh[0] for mesh in fine_meshes("fast", CELLS_ANG["Al4H"]).kpoints] == [24, 28, 32]


@pytest.mark.parametrize("cell", list(CELLS_ANG))
def test_a_stricter_protocol_has_finer_meshes(cell: str) -> None:
    finest = [fine_meshes(protocol, CELLS_ANG[cell]).kpoints[-1] for protocol in PROTOCOLS]
    assert all(a <= b for one, other in pairwise(finest) for a, b in zip(one, other, strict=True))


def test_pressures_are_asked_for_by_name() -> None:
    scopes = [stage_settings("coupling", protocol)["pressures"] for protocol in PROTOCOLS]
    assert scopes == ["lowest", "above", "above"]
    assert stage_settings("coupling", "fast", {"pressures": "ladder"})["pressures"] == "ladder"
    with pytest.raises(ValueError, match=r"coupling\.pressures is 'all'; choose from lowest, above, ladder"):
        stage_settings("coupling", "fast", {"pressures": "all"})


@pytest.mark.parametrize("stage", STAGES)
def test_every_number_is_explained_where_it_stands(stage: str) -> None:
    block = text_of(stage).split("default_inputs:\n")[1].split("default_protocol:")[0]
    settings = [line for line in block.splitlines() if re.match(r"  \w", line)]
    assert len(settings) == len(stage_settings(stage))
    assert [line for line in settings if not re.search(r"\S\s+# \S.{3,}", line)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_differences_have_a_description_and_the_type_of_the_default(stage: str) -> None:
    document = yaml.safe_load(text_of(stage))
    assert list(document) == ["default_inputs", "default_protocol", "protocols"]
    assert tuple(document["protocols"]) == PROTOCOLS
    for difference in document["protocols"].values():
        assert difference["description"].endswith(".")
        for key, value in difference.items():
            default = document["default_inputs"].get(key)
            assert key == "description" or isinstance(value, type(default)), key


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"phonon": {}}, r"no stage 'phonon', did you mean phonons\?; the stages are dft, .*tc$"),
        ({"xyz": {}}, r"no stage 'xyz'; the stages are"),
        ({"phonons": {"tr2ph": 1e-12}}, r"phonons has no setting 'tr2ph', did you mean tr2_ph\?; it has .*tr2_ph"),
        ({"tc": {"qqq": 1}}, r"tc has no setting 'qqq'; it has"),
        ({"phonons": {"tr2_ph": "1e-12"}}, r"phonons.tr2_ph is the text '1e-12', wanted .*1e-14; YAML reads"),
        ({"dft": {"ecutwfc_ry": "60"}}, r"dft.ecutwfc_ry is the text '60'"),
    ],
)
def test_slips_of_the_pen(overrides: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_settings("fast", overrides, (30.0, 120.0))


def test_unknown_protocols_and_stages() -> None:
    with pytest.raises(ValueError, match=r"unknown protocol 'fats', did you mean fast\?; there are fast, balanced"):
        resolve_settings("fats", None, (30.0, 120.0))
    with pytest.raises(ValueError, match=r"no stage '../../etc/passwd'; the stages are"):
        stage_settings("../../etc/passwd")


def test_yaml_numbers_are_numbers() -> None:
    """PyYAML follows YAML 1.1: 1e-14 without a point is text, so that the files write 1.0e-14."""
    for stage in STAGES:
        for protocol in PROTOCOLS:
            for key, value in stage_settings(stage, protocol).items():
                assert key in ("smearing", "competitors", "zero_point", "method", "pressures") or not isinstance(
                    value, str
                )


def test_every_protocol_knows_more_competitors_than_the_one_before() -> None:
    scopes = [stage_settings("hull", protocol)["competitors"] for protocol in PROTOCOLS]
    assert scopes == ["elements", "known", "library"]
    with pytest.raises(ValueError, match=r"hull\.competitors is 'all'; choose from elements, known, library"):
        stage_settings("hull", "fast", {"competitors": "all"})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_zero_point_and_structures_are_asked_for(protocol: str) -> None:
    hull = stage_settings("hull", protocol)
    assert (hull["zero_point"], hull["structures"]) == ("none", {})
    assert stage_settings("hull", protocol, {"zero_point": "gamma"})["zero_point"] == "gamma"
    with pytest.raises(ValueError, match=r"hull\.zero_point is 'all'; choose from none, gamma, mesh"):
        stage_settings("hull", protocol, {"zero_point": "all"})


def test_structures_of_a_hull_are_checked() -> None:
    """A relaxation is found again by its label, so that a label must belong to its crystal."""
    aluminium = Structure(Lattice.cubic(3.2), ["Al"] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]])
    (file,) = [StructureFile("Al-x-00000000", "Al", aluminium, "mine")]
    wrong = structures_within([file], {"Al"})
    with pytest.raises(
        ValueError, match=r"^overrides: hull\.structures: Al-x-00000000: no label of this crystal"
    ) as told:
        resolve_settings("fast", {"hull": {"structures": wrong}}, (30.0, 120.0))
    (digits,) = re.findall(r"(-[0-9a-f]{8}) at the end", str(told.value))
    right = {f"Al-x{digits}": file.entry}
    assert stage_settings("hull", "fast", {"structures": right})["structures"] == right
    for structures, message in ((3, "int found, a mapping"), ("a.cif", "the text 'a.cif'"), ({"x": {}}, "x:  found")):
        with pytest.raises(ValueError, match=rf"hull\.structures.*{message}"):
            stage_settings("hull", "fast", {"structures": structures})


@pytest.mark.parametrize(
    ("overrides", "family", "wanted"),
    [
        ({}, (30.0, 120.0), (30.0, 120.0)),
        ({"ecutwfc_ry": 80.0}, None, (80.0, 320.0)),
        ({"ecutwfc_ry": 80.0}, (30.0, 120.0), (80.0, 320.0)),
        ({"ecutwfc_ry": 80.0, "ecutrho_ry": 400.0}, None, (80.0, 400.0)),
        ({"ecutrho_ry": 200.0}, (30.0, 120.0), (30.0, 200.0)),
    ],
)
def test_cutoffs(overrides: dict[str, float], family: tuple[float, float] | None, wanted: tuple[float, float]) -> None:
    dft = resolve_settings("fast", {"dft": overrides}, family)["dft"]
    assert (dft["ecutwfc_ry"], dft["ecutrho_ry"]) == wanted


def test_no_cutoff_is_an_error() -> None:
    with pytest.raises(ValueError, match="ecutwfc_ry is not set"):
        resolve_settings("fast")


def test_resolving_twice_shares_nothing() -> None:
    first = resolve_settings("fast", None, (30.0, 120.0))
    first["dft"]["qpoints_mesh"].append(9)
    assert resolve_settings("fast", None, (30.0, 120.0))["dft"]["qpoints_mesh"] == [2, 2, 2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(list(value))}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=5))
def test_the_fingerprint_does_not_know_the_order_of_keys(content: dict[str, Any]) -> None:
    assert fingerprint(content) == fingerprint(reordered(content)) == fingerprint(json.loads(json.dumps(content)))
    assert re.fullmatch("[0-9a-f]{12}", fingerprint(content))


def test_the_fingerprint_knows_everything_else() -> None:
    fingerprints = {fingerprint(resolve_settings(name, None, (30.0, 120.0))) for name in PROTOCOLS}
    assert len(fingerprints) == 3
    assert fingerprint([1, 2]) != fingerprint([2, 1])
