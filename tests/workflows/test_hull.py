"""The hull and its shared references, with the real pw.x: AlH in the rocksalt structure against Al and H2."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.plugins import WorkflowFactory
from pymatgen.core import Lattice, Structure

from hts.competitor_files import read_competitors, structures_within
from hts.pseudopotentials import read_upf_header
from hts.verdict import judge_hull
from hts.volumes import starting_volume_ang3
from workflows.once import find_process

pytestmark = pytest.mark.engine
RelaxWorkChain = WorkflowFactory("hts.relax")


def _references_of(hull: orm.WorkChainNode) -> list[str]:
    """Return the labels of the relaxations that a hull rests on, whoever ran them."""
    (place,) = [node for node in hull.called if node.process_label == "place_relaxed"]
    phases = [link.node for link in place.base.links.get_incoming() if link.link_label.startswith("phase_")]
    returned = [phase.base.links.get_incoming(link_type=LinkType.RETURN).one().node for phase in phases]
    return sorted(node.label for node in returned)


def _labelled(label: str) -> list[int]:
    """Return the relaxations of one phase, pressure and settings; other tests share the profile with other settings."""
    return orm.QueryBuilder().append(orm.WorkChainNode, filters={"label": label}, project="id").all(flat=True)


def _references(phase: str) -> list[orm.WorkChainNode]:
    query = orm.QueryBuilder().append(RelaxWorkChain, filters={"label": {"like": f"reference/{phase}/%"}})
    return query.all(flat=True)


def _pw_jobs(node: orm.WorkChainNode) -> list[orm.CalcJobNode]:
    jobs = [job for job in node.called_descendants if isinstance(job, orm.CalcJobNode)]
    return sorted(jobs, key=lambda job: job.pk)


@pytest.fixture
def above(screen: Callable[..., Any], crystal: Callable[..., Any], alh: dict[str, Any], uuids: dict[str, str]) -> Any:
    """Return the funnel of AlH that ended at a gate of 0 eV/atom."""
    if "above" not in uuids:
        uuids["above"] = screen(crystal("AlH"), gates={"max_hull_ev_per_atom": 0.0}, **alh)[1].uuid
    return orm.load_node(uuids["above"])


def test_above_hull_ends_the_funnel_with_a_decomposition(above: orm.WorkChainNode) -> None:
    assert above.exit_status == 0, above.exit_message
    record = above.outputs.candidate.get_dict()
    assert record["verdict"] == "above_hull"
    assert record["decomposition"] == {"Al": pytest.approx(0.5), "H2": pytest.approx(0.5)}
    assert 0.1 < record["hull_ev_per_atom"] < 1.5
    assert record["hull_pressure_gpa"] == 0.0
    assert "hull_incomplete" in record["flags"]
    assert above.outputs.verdicts["hull"]["verdict"] == "failed"
    assert "decompress" not in above.outputs.verdicts
    assert {job.process_label for job in _pw_jobs(above)} == {"PwCalculation"}


def test_references_are_computed_once_whoever_asks(
    above: orm.WorkChainNode, run: Callable[..., Any], child_of: Callable[..., Any], alh: dict[str, Any]
) -> None:
    relax = child_of(above, "relax")
    labels = _references_of(child_of(above, "hull"))
    assert [label.split("/")[1] for label in labels] == ["Al-fcc", "H2-hcp"]
    before = {label: _labelled(label) for label in labels}
    assert [len(found) for found in before.values()] == [1, 1]
    outputs, node = run("hts.hull", relax.outputs.structure, relaxation=relax.outputs.relaxation, **alh)
    assert node.is_finished_ok, node.exit_message
    assert {label: _labelled(label) for label in labels} == before
    assert not _pw_jobs(node)
    first = child_of(above, "hull").outputs.placement.get_dict()
    assert outputs["placement"].get_dict() == first
    reference = _references("H2-hcp")[0]
    assert find_process(reference.label).pk == reference.pk
    assert find_process("reference/H2-hcp/0GPa/of-other-settings") is None


def test_hydrogen_relaxes_although_its_pseudopotential_has_no_projector(above: orm.WorkChainNode) -> None:
    """pw.x 6.7 dies in a vc-relax without any projector, so that one gets a projector of no weight; the scf doesn't."""
    hydrogen = _references("H2-hcp")[0]
    assert hydrogen.is_finished_ok, hydrogen.exit_message
    given = hydrogen.inputs.pseudos["H"]
    last = {}
    for job in _pw_jobs(hydrogen):
        used = job.inputs.pseudos["H"]
        calculation = job.inputs.parameters["CONTROL"]["calculation"]
        n_projectors = read_upf_header(used.get_content(), used.filename).n_projectors
        assert n_projectors == (1 if calculation == "vc-relax" else 0)
        assert calculation == "vc-relax" or used.md5 == given.md5
        last[calculation] = job
    # The projector weighs nothing: both have the same energy but for the basis, which is that of another cell.
    relaxed_ev = last["vc-relax"].outputs.output_trajectory.get_array("energy")[-1]
    assert relaxed_ev == pytest.approx(last["scf"].outputs.output_parameters["energy"], abs=0.04)
    assert hydrogen.outputs.relaxation["basis"]["pseudos"] == {"H": given.md5}


def test_a_failed_reference_says_which(
    above: orm.WorkChainNode,
    run: Callable[..., Any],
    child_of: Callable[..., Any],
    alh: dict[str, Any],
    wrapped: Callable[[str, str], orm.AbstractCode],
) -> None:
    relax = child_of(above, "relax")
    overrides = {**alh["overrides"], "dft": {**alh["overrides"]["dft"], "mixing_beta": 0.6}}
    outputs, node = run(
        "hts.hull",
        relax.outputs.structure,
        relaxation=relax.outputs.relaxation,
        overrides=overrides,
        replace={"pw": wrapped("pw", "exit 1")},
    )
    assert node.exit_status == 401
    assert re.search(r"no hull: reference (Al-fcc|H2-hcp): RelaxWorkChain<", node.exit_message)
    assert "placement" not in outputs


def _relaxed(run: Callable[..., Any], structure: orm.StructureData, pressure_gpa: float, **given: Any) -> Any:
    outputs, node = run("hts.relax", structure, pressure_gpa=pressure_gpa, **given)
    assert node.is_finished_ok, node.exit_message
    return outputs


def test_known_phases_and_what_was_computed_before_compete(
    run: Callable[..., Any], crystal: Callable[..., Any], alh: dict[str, Any]
) -> None:
    """AlSi does not exist: Al and Si do not mix, and of two structures the worse one is measured from the elements."""
    given = {"overrides": {**alh["overrides"], "hull": {"competitors": "known"}}}
    before, candidate = (_relaxed(run, crystal(name), 0.0, **given) for name in ("AlSi", "AlSi-rocksalt"))
    outputs, node = run("hts.hull", candidate["structure"], relaxation=candidate["relaxation"], **given)
    assert node.is_finished_ok, node.exit_message
    placement = outputs["placement"].get_dict()
    assert placement["competitors"] == ["Al-fcc", f"AlSi-{before['relaxation'].pk}", "Si-diamond"]
    assert placement["competing_phases"] == {"Al-fcc": pytest.approx(0.5), "Si-diamond": pytest.approx(0.5)}
    assert placement["decomposition"] == {"Al": pytest.approx(0.5), "Si": pytest.approx(0.5)}
    assert placement["hull_ev_per_atom"] == pytest.approx(placement["formation_ev_per_atom"])
    assert placement["hull_ev_per_atom"] > 0
    assert placement["reaction"] == "AlSi -> Al + Si"
    # Every reference is a reference for the other candidate, too: no new job.
    again, second = run("hts.hull", before["structure"], relaxation=before["relaxation"], **given)
    assert second.is_finished_ok, second.exit_message
    assert not _pw_jobs(second)
    assert f"AlSi-{candidate['relaxation'].pk}" in again["placement"]["competitors"]
    # The same crystal relaxed again is no competitor of its own.
    twin = _relaxed(run, crystal("AlSi", 1.01), 0.0, **given)
    third = run("hts.hull", twin["structure"], relaxation=twin["relaxation"], **given)[0]["placement"]
    assert third["computed_as"] == [f"AlSi-{before['relaxation'].pk}"]
    assert third["competing_phases"] == again["placement"]["competing_phases"]
    assert all(len(_labelled(label)) == 1 for label in _references_of(node) if label)


def test_what_was_computed_before_is_not_said_to_lack(run: Callable[..., Any], crystal: Callable[..., Any]) -> None:
    """The candidate itself, relaxed before, is no competing compound; another crystal of the system is one."""
    dft = {"ecutwfc_ry": 16.0, "kpoints_distance_inv_ang": 0.6}
    relax = {"pressure_tolerance_gpa": 1.0, "press_conv_thr_kbar": 2.0}
    given = {"overrides": {"dft": dft, "relax": relax, "hull": {"competitors": "known"}}}
    line = "no competing compound of Al-Si is known at 0 GPa"

    def missing(relaxed: Any) -> list[str]:
        outputs, node = run("hts.hull", relaxed["structure"], relaxation=relaxed["relaxation"], **given)
        assert node.is_finished_ok, node.exit_message
        return outputs["placement"]["missing"]

    candidate = _relaxed(run, crystal("AlSi-rocksalt"), 0.0, **given)
    assert line in missing(candidate)
    twin = _relaxed(run, crystal("AlSi-rocksalt"), 0.0, **given)  # from AiiDA's cache
    assert twin["relaxation"].pk != candidate["relaxation"].pk
    assert line in missing(twin)
    _relaxed(run, crystal("AlSi"), 0.0, **given)
    assert line not in missing(candidate)


def test_structures_from_files_compete(
    run: Callable[..., Any], crystal: Callable[..., Any], alh: dict[str, Any], tmp_path: Path
) -> None:
    """Al in bcc and AlSi in the CsCl structure, from files; bcc Al lies above fcc (10.1016/j.calphad.2004.05.002)."""
    corners = [[0, 0, 0], [0.5, 0.5, 0.5]]
    Structure(Lattice.cubic(3.4), ["Al", "Al"], corners).to(tmp_path / "bcc.cif")
    Structure(Lattice.cubic(3.1), ["Al", "Si"], corners).to(tmp_path / "CsCl.cif")
    entries = structures_within(read_competitors(tmp_path), {"Al", "Si"})
    bcc, caesium_chloride = entries
    elements = {"overrides": {**alh["overrides"], "hull": {"competitors": "elements"}}}
    with_files = {"overrides": {**alh["overrides"], "hull": {"competitors": "elements", "structures": entries}}}
    line = "no competing compound of Al-Si was looked for"
    candidate = _relaxed(run, crystal("AlSi-rocksalt"), 0.0, **elements)
    inputs = {"relaxation": candidate["relaxation"]}
    without = run("hts.hull", candidate["structure"], **inputs, **elements)[0]["placement"].get_dict()
    outputs, node = run("hts.hull", candidate["structure"], **inputs, **with_files)
    assert node.is_finished_ok, node.exit_message
    placement = outputs["placement"].get_dict()
    assert line in without["missing"]
    assert line not in placement["missing"]
    assert without["competitors"] == ["Al-fcc", "Si-diamond"]
    assert placement["competitors"] == sorted(["Al-fcc", bcc, caesium_chloride, "Si-diamond"])
    assert "Al-fcc" in placement["competing_phases"]
    labels = [label for label in _references_of(node) if label.split("/")[1] in entries]
    assert [label.split("/")[2] for label in labels] == ["0GPa", "0GPa"]
    (label,) = [label for label in labels if label.split("/")[1] == bcc]
    relaxed_bcc = find_process(label)
    relaxed_fcc = find_process(label.replace(bcc, "Al-fcc"))
    start_ang3 = starting_volume_ang3({"Al": 1}, 0.0)
    assert relaxed_bcc.inputs.structure.get_cell_volume() == pytest.approx(start_ang3, rel=1e-6)
    bcc_ev, fcc_ev = (one.outputs.relaxation["enthalpy_ev_per_atom"] for one in (relaxed_bcc, relaxed_fcc))
    assert 0.02 < bcc_ev - fcc_ev < 0.2
    # Another candidate of the system uses it without a new job, and leaves out the files of other systems.
    fcc = relaxed_fcc.outputs.structure
    again, second = run("hts.hull", fcc, relaxation=relaxed_fcc.outputs.relaxation, **with_files)
    assert second.is_finished_ok, second.exit_message
    assert not _pw_jobs(second)
    assert again["placement"]["competitors"] == sorted(["Al-fcc", bcc])
    assert len(_references(bcc)) == 1


def test_a_failed_competitor_is_missing_and_never_silent(
    run: Callable[..., Any],
    crystal: Callable[..., Any],
    alh: dict[str, Any],
    wrapped: Callable[[str, str], orm.AbstractCode],
) -> None:
    """Magnesium at 60 GPa is hcp or bcc; hcp, with its two atoms, fails here."""
    given = {"overrides": {**alh["overrides"], "hull": {"competitors": "known"}}}
    candidate = _relaxed(run, crystal("Mg"), 60.0, **given)
    broken = wrapped("pw", 'grep -q "nat = 2" aiida.in && exit 1\nexec "$REAL" "$@"')
    outputs, node = run(
        "hts.hull", candidate["structure"], relaxation=candidate["relaxation"], replace={"pw": broken}, **given
    )
    assert node.is_finished_ok, node.exit_message
    placement = outputs["placement"].get_dict()
    assert placement["competitors"] == ["Mg-bcc"]
    assert [line for line in placement["missing"] if line.startswith("reference Mg-hcp: RelaxWorkChain<")]
    assert judge_hull(placement, 0.3).flags == ("hull_incomplete",)
