"""The ladder with the real codes: a metal that is stable all the way down, and one that is not stable at all."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm

pytestmark = pytest.mark.engine


def _ph_jobs(node: orm.WorkChainNode) -> list[orm.CalcJobNode]:
    jobs = [job for job in node.called_descendants if job.process_label == "PhQPointCalculation"]
    return sorted(jobs, key=lambda job: job.pk)


def test_two_rungs_keep_the_scratch_of_the_lower(
    run: Callable[..., Any], crystal: Callable[..., orm.StructureData], child_of: Callable[..., Any]
) -> None:
    outputs, node = run(
        "hts.decompression",
        crystal("Al"),
        ladder={"start": 10.0, "stop": 0.0, "step": 10.0, "resolution": 10.0},
        gates={"max_hull_ev_per_atom": 0.3, "min_frequency_cm1": -20.0},
        kpoints_mesh=[6, 6, 6],
    )
    assert node.is_finished_ok, node.exit_message
    ladder = outputs["ladder"].get_dict()
    assert [(rung["pressure_gpa"], rung["verdict"]) for rung in ladder["rungs"]] == [(10.0, "stable"), (0.0, "stable")]
    assert ladder["lowest_stable_pressure_gpa"] == 0.0
    upper, lower = (child_of(node, f"phonons_{rung}GPa") for rung in (10, 0))
    for phonons in (upper, lower):
        assert phonons.outputs.phonons["kpoints_meshes_tried"] == [[6, 6, 6]]
    volumes = [rung["relaxation"]["volume_ang3"] for rung in ladder["rungs"]]
    # Bulk modulus near 84 GPa in LDA, its derivative near 4.7: 10 GPa take about 9 % of the volume.
    assert volumes[0] / volumes[1] == pytest.approx(0.91, abs=0.02)
    assert all(job.outputs.remote_folder.is_empty for job in _ph_jobs(upper))
    assert not any(folder.is_empty for folder in outputs["ph_folders"].values())
    assert {folder.creator.pk for folder in outputs["ph_folders"].values()} == {job.pk for job in _ph_jobs(lower)}
    assert not outputs["scf_folder"].is_empty
    # The lower rung starts with what was softest above.
    assert lower.inputs.softest_first.get_list() == upper.outputs.phonons["softest_first"]
    assert outputs["relaxation"]["pressure_gpa"] == 0.0


def test_an_instability_counts_when_a_denser_k_mesh_sees_it_too(
    screen: Callable[..., Any],
    crystal: Callable[..., orm.StructureData],
    child_of: Callable[..., Any],
    alh: dict[str, Any],
) -> None:
    outputs, node = screen(crystal("AlH"), options={"qpoints_at_once": 1}, **alh)
    assert node.exit_status == 0, node.exit_message
    record = outputs["candidate"].get_dict()
    assert record["verdict"] == "dynamically_unstable"
    assert record["highest_unstable_pressure_gpa"] == 0.0
    assert record["lowest_stable_pressure_gpa"] is None
    assert "confirmed on a denser k-mesh" in record["reason"]
    phonons = child_of(child_of(node, "decompress"), "phonons_0GPa")
    content = phonons.outputs.phonons.get_dict()
    first, second = content["kpoints_meshes_tried"]
    assert all(denser > mesh for mesh, denser in zip(first, second, strict=True))
    # A trial at 30 Ry had 793i cm-1 at L and 794i at X; these are at a lower cutoff, and the first mesh is too coarse.
    seen, again = content["qpoints"][0], content["second_opinions"][0]
    assert seen["lowest_cm1"] < again["lowest_cm1"] == pytest.approx(-820, rel=0.1)
    # Both modes of H at X are imaginary; which one ends the job depends on when the engine looks.
    assert again["softest_mode"]["irrep"] in {"Eu (4/mmm)", "A2u (4/mmm)"} and again["species_weight"]["H"] > 0.95
    assert content["degauss_ry"] == 0.02
    rung = outputs["candidate"].get_dict() and child_of(node, "decompress").outputs.ladder["rungs"][0]
    assert rung["phonons"]["softest"]["lowest_cm1"] == again["lowest_cm1"]
    indices = [job.inputs.qpoint_index.value for job in _ph_jobs(node)]
    assert len(indices) == 2 and len(set(indices)) == 1
    assert content["number_of_qpoints"] == 3
    assert "EpwCalculation" not in {job.process_label for job in node.called_descendants}
    # Nothing will read the scratch of an unstable crystal.
    assert all(job.outputs.remote_folder.is_empty for job in _ph_jobs(node))


def test_a_crystal_that_softens_is_bracketed_where_its_mode_meets_zero(
    run: Callable[..., Any], child_of: Callable[..., Any]
) -> None:
    """By hand bcc Al has 241, 176, 73, -91 cm-1 at N for 300, 200, 100, 50 GPa; omega^2 meets zero near 80 GPa."""
    half = 2.58 / 2
    # As ibrav = 3 has it: at this cutoff the FFT grid of ph.x is too small for H in the more symmetric choice.
    bcc = orm.StructureData(cell=[[half, half, half], [-half, half, half], [-half, -half, half]])
    bcc.append_atom(position=(0, 0, 0), symbols="Al")
    outputs, node = run(
        "hts.decompression",
        bcc,
        ladder={"start": 200.0, "stop": 0.0, "step": 60.0, "resolution": 10.0},
        gates={"max_hull_ev_per_atom": 10.0, "min_frequency_cm1": -20.0},
        kpoints_mesh=[8, 8, 8],
        options={"qpoints_at_once": 2, "qpoints_first": 1},
        start_placement=orm.Dict({"hull_ev_per_atom": 0.0, "missing": [], "pressure_gpa": 200.0, "decomposition": {}}),
    )
    assert node.is_finished_ok, node.exit_message
    ladder = outputs["ladder"].get_dict()
    verdicts = {rung["pressure_gpa"]: rung["verdict"] for rung in ladder["rungs"]}
    # 200 and 140 GPa give the trend; it needs two or three rungs more, a blind bisection needs five.
    assert list(verdicts)[:2] == [200.0, 140.0] and len(verdicts) <= 5
    stable, unstable = ladder["lowest_stable_pressure_gpa"], ladder["highest_unstable_pressure_gpa"]
    assert 65 < unstable < stable < 100 and stable - unstable <= 10
    assert unstable < ladder["softening"]["critical_pressure_gpa"] < stable
    softest = next(rung for rung in ladder["rungs"] if rung["pressure_gpa"] == unstable)["phonons"]["softest"]
    assert sorted(abs(x) for x in softest["qpoint"]) == [0, 0, 0.5]  # N
    assert softest["irrep"].endswith("(mmm)")
    # Below the predicted pressure N came first, and nothing else was computed.
    phonons = child_of(node, f"phonons_{unstable:g}GPa".replace(".", "p"))
    assert {job.inputs.qpoint_index.value for job in _ph_jobs(phonons)} == {softest["index"]}
    left = [job for job in _ph_jobs(node) if not job.outputs.remote_folder.is_empty]
    assert {job.pk for job in left} == {folder.creator.pk for folder in outputs["ph_folders"].values()}
