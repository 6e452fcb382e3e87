"""Zero-point energy on a hull with the real ph.x: what vibrates alike cancels, and what is unknown stays open."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm

from workflows.phonons import PhononsWorkChain
from workflows.zero_point import relaxations_behind, stable_phonons_of

pytestmark = pytest.mark.engine


def _with(settings: dict[str, Any], kind: str, **dft: float) -> dict[str, Any]:
    return {**settings, "dft": {**settings["dft"], **dft}, "hull": {"zero_point": kind}}


def _coarse(settings: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return settings with the 4x4x4 mesh that a semiconductor is content with."""
    return _with(settings, kind, kpoints_distance_inv_ang=0.6)


def _placed(run: Callable[..., Any], relaxed: orm.WorkChainNode, overrides: dict[str, Any]) -> orm.Dict:
    """Return the place of a relaxed crystal on the hull."""
    structure, relaxation = relaxed.outputs.structure, relaxed.outputs.relaxation
    _, hull = run("hts.hull", structure, relaxation=relaxation, overrides=overrides)
    assert hull.is_finished_ok, hull.exit_message
    return hull.outputs.placement


@pytest.fixture
def silicon(
    run: Callable[..., Any],
    crystal: Callable[..., orm.StructureData],
    settings: dict[str, Any],
    uuids: dict[str, str],
) -> dict[str, Any]:
    """Return diamond with its phonons and its place beside the reference of the table: the same crystal twice."""
    if "zero_point_relax" not in uuids:
        overrides = _coarse(settings, "gamma")
        _, relaxed = run("hts.relax", crystal("Si"), pressure_gpa=0.0, overrides=overrides)
        assert relaxed.is_finished_ok, relaxed.exit_message
        _, phonons = run(
            "hts.phonons",
            relaxed.outputs.structure,
            scf_folder=relaxed.outputs.scf_folder,
            kpoints_mesh=relaxed.outputs.relaxation["kpoints_mesh"],
            overrides=overrides,
        )
        assert phonons.is_finished_ok, phonons.exit_message
        placement = _placed(run, relaxed, overrides)
        uuids |= {"zero_point_relax": relaxed.uuid, "zero_point_ph": phonons.uuid, "zero_point_place": placement.uuid}
    phonons = orm.load_node(uuids["zero_point_ph"])
    return {
        "structure": orm.load_node(uuids["zero_point_relax"]).outputs.structure,
        "placement": orm.load_node(uuids["zero_point_place"]),
        "phonons": phonons.outputs.phonons,
        "interpolation": phonons.outputs.interpolation,
    }


def test_a_reference_that_cannot_be_computed_leaves_the_correction_open(
    silicon: dict[str, Any],
    run: Callable[..., Any],
    settings: dict[str, Any],
    wrapped: Callable[[str, str], orm.AbstractCode],
) -> None:
    broken = wrapped("ph", "exit 1")
    overrides = {**_coarse(settings, "gamma"), "phonons": {"max_attempts": 1, "tr2_ph": 1.1e-12}}
    outputs, node = run("hts.zero_point", replace={"ph": broken}, overrides=overrides, **silicon)
    assert node.exit_status == 701
    assert node.exit_message.startswith("no correction by zero-point energy: Si-diamond: PhononsWorkChain")
    report = outputs["zero_point"].get_dict()
    assert report["distance_with_zero_point_ev_per_atom"] is None
    assert report["hull_with_zero_point_ev_per_atom"] is None
    assert report["hull_ev_per_atom"] == silicon["placement"]["hull_ev_per_atom"]


def test_gamma_alone_is_computed_once_and_labelled(
    silicon: dict[str, Any], run: Callable[..., Any], settings: dict[str, Any]
) -> None:
    (relaxed,) = relaxations_behind(silicon["placement"]).values()
    assert stable_phonons_of(relaxed.outputs.structure) is None
    outputs, node = run("hts.zero_point", overrides=_coarse(settings, "gamma"), **silicon)
    assert node.is_finished_ok, node.exit_message
    report = outputs["zero_point"].get_dict()
    assert report["approximate"] == ["Si-diamond"]
    estimate = report["phases"]["Si-diamond"]
    assert estimate["kind"] == "gamma_only"
    # Measured: 15.53 THz at Gamma (G. Nilsson and G. Nelin, Phys. Rev. B 6, 3777 (1972)): 3/2 * 518 cm-1 for two atoms.
    assert estimate["ev_per_atom"] == pytest.approx(0.0482, rel=0.1)
    # 62 meV/atom by the full mesh: the acoustic branches are what lacks at Gamma.
    assert report["candidate"] == {"ev_per_atom": pytest.approx(0.062, rel=0.1), "kind": "mesh", "reason": None}
    difference = report["candidate"]["ev_per_atom"] - estimate["ev_per_atom"]
    before, after = report["distance_ev_per_atom"], report["distance_with_zero_point_ev_per_atom"]
    assert after - before == pytest.approx(difference)
    assert report["hull_with_zero_point_ev_per_atom"] == pytest.approx(max(after, 0.0))
    (phonons,) = [one for one in node.called if one.process_label == "PhononsWorkChain"]
    assert [job.process_label for job in phonons.called if isinstance(job, orm.CalcJobNode)].count(
        "PhQPointCalculation"
    ) == 1

    again, second = run("hts.zero_point", overrides=_coarse(settings, "gamma"), **silicon)
    assert not [one for one in second.called if one.process_label == "PhononsWorkChain"]
    assert again["zero_point"].get_dict() == report


def test_the_same_crystal_cancels_on_the_mesh(
    silicon: dict[str, Any], run: Callable[..., Any], settings: dict[str, Any]
) -> None:
    outputs, node = run("hts.zero_point", overrides=_coarse(settings, "mesh"), **silicon)
    assert node.is_finished_ok, node.exit_message
    report = outputs["zero_point"].get_dict()
    assert report["approximate"] == []
    before, after = report["distance_ev_per_atom"], report["distance_with_zero_point_ev_per_atom"]
    assert after == pytest.approx(before, abs=1e-3)
    # Now the mesh is there, the estimate is no longer asked for.
    better, second = run("hts.zero_point", overrides=_coarse(settings, "gamma"), **silicon)
    assert not [one for one in second.called if one.process_label == "PhononsWorkChain"]
    assert better["zero_point"]["phases"]["Si-diamond"]["kind"] == "mesh"


def test_a_descent_reports_both_distances(
    al_funnel: orm.WorkChainNode, run: Callable[..., Any], settings: dict[str, Any]
) -> None:
    """Aluminium beside the reference of the table: one crystal, one zero-point energy, nothing gained."""
    given = al_funnel.base.links.get_outgoing(link_label_filter="decompress").one().node.inputs
    inputs = {key: given[key] for key in ("ladder", "gates", "kpoints_mesh")}
    start = {key: given[key] for key in ("start_relaxation", "start_placement", "start_scf_folder")}
    outputs, node = run("hts.decompression", given.structure, overrides=_with(settings, "gamma"), **inputs, **start)
    assert node.is_finished_ok, node.exit_message
    report = outputs["zero_point"].get_dict()
    energies = [report["candidate"], report["phases"]["Al-fcc"]]
    # A phase of one atom has no optical modes: it takes the mesh. Debye, 428 K (Kittel): 41.5 meV, and 2x2x2 is coarse.
    assert [energy["ev_per_atom"] for energy in energies] == pytest.approx([0.035, 0.035], rel=0.2)
    assert report["distance_with_zero_point_ev_per_atom"] == pytest.approx(0.0, abs=2e-3)
    query = orm.QueryBuilder().append(PhononsWorkChain, filters={"label": {"like": "phonons/%"}})
    assert query.count() >= 1
