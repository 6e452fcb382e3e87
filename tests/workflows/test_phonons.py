"""Dynamic stability with the real ph.x: one job an irreducible q-point, and what happens when one dies."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node

from workflows.parsers.ph import read_partial_modes

pytestmark = pytest.mark.engine


def _ph_jobs(node: orm.WorkChainNode) -> list[orm.CalcJobNode]:
    return [job for job in node.called_descendants if job.process_label == "PhQPointCalculation"]


def test_fcc_aluminium_is_stable_at_gamma_x_and_l(
    al_funnel: orm.WorkChainNode, child_of: Callable[[orm.WorkChainNode, str], Any]
) -> None:
    phonons = child_of(child_of(al_funnel, "decompress"), "phonons_0GPa")
    assert phonons.is_finished_ok, phonons.exit_message
    content = phonons.outputs.phonons.get_dict()
    assert content["verdict"] == "stable"
    assert content["number_of_qpoints"] == len(content["qpoints"]) == 3
    assert Counter(job.inputs.qpoint_index.value for job in _ph_jobs(phonons)) == {1: 1, 2: 1, 3: 1}
    gamma = next(point for point in content["qpoints"] if not np.any(point["qpoint"]))
    # One atom has no optical mode.
    assert gamma["frequencies_cm1"] == [] and np.abs(gamma["translations_cm1"]).max() < 50
    # Measured at 80 K (R. Stedman and G. Nilsson, Phys. Rev. 145, 492 (1966)): L 4.2 and 9.7 THz, X 5.8 and 9.7 THz.
    # The coarse settings are allowed 20 %.
    modes = (point["frequencies_cm1"] for point in content["qpoints"] if point["frequencies_cm1"])
    boundary = sorted((min(frequencies), max(frequencies)) for frequencies in modes)
    assert boundary[0] == (pytest.approx(140, rel=0.2), pytest.approx(323, rel=0.2))
    assert boundary[1] == (pytest.approx(193, rel=0.2), pytest.approx(323, rel=0.2))
    assert phonons.outputs.interpolation["zero_point_ev_per_atom"] == pytest.approx(0.035, rel=0.3)
    assert phonons.outputs.bands.get_bands().min() > -1.0


def test_a_job_killed_once_is_run_again(
    al_funnel: orm.WorkChainNode,
    child_of: Callable[[orm.WorkChainNode, str], Any],
    run: Callable[..., Any],
    wrapped: Callable[[str, str], orm.AbstractCode],
) -> None:
    relax = child_of(al_funnel, "relax")
    ph = wrapped("ph", 'if [ "$CALL" -eq 1 ]; then "$REAL" "$@" | head -n 60; exit 137; fi\n"$REAL" "$@"')
    outputs, node = run(
        "hts.phonons",
        relax.outputs.structure,
        scf_folder=relax.outputs.scf_folder,
        kpoints_mesh=[8, 8, 8],
        options={"qpoints_at_once": 1},
        replace={"ph": ph},
    )
    assert node.is_finished_ok, node.exit_message
    content = outputs["phonons"].get_dict()
    assert content["verdict"] == "stable"
    assert [entry["reason"] for entry in content["recovered"]] == ["it was interrupted; run again"]
    statuses = [(job.inputs.qpoint_index.value, job.exit_status) for job in sorted(_ph_jobs(node), key=lambda j: j.pk)]
    assert statuses[0] == (statuses[1][0], 312) and [status for _, status in statuses[1:]] == [0, 0, 0]
    assert all(
        job.pk in {j.pk for j in _ph_jobs(node)}
        for job in (folder.creator for folder in outputs["ph_folders"].values())
    )
    healthy = child_of(child_of(al_funnel, "decompress"), "phonons_0GPa").outputs.phonons
    for mine, theirs in zip(content["qpoints"], healthy["qpoints"], strict=True):
        assert mine["frequencies_cm1"] == pytest.approx(theirs["frequencies_cm1"], abs=0.5)


def test_emptied_scratch_is_noticed_before_a_job_is_wasted(
    al_funnel: orm.WorkChainNode,
    child_of: Callable[[orm.WorkChainNode, str], Any],
    run: Callable[..., Any],
    tmp_path: Path,
) -> None:
    relax = child_of(al_funnel, "relax")
    gone = orm.RemoteData(computer=relax.outputs.scf_folder.computer, remote_path=str(tmp_path)).store()
    _, node = run("hts.phonons", relax.outputs.structure, scf_folder=gone, kpoints_mesh=[8, 8, 8])
    assert node.exit_status == 210
    assert node.exit_message == "the scf's scratch folder is empty; relax again before the phonons"
    assert not node.called


def test_the_first_imaginary_mode_ends_the_other_jobs(
    crystal: Callable[..., orm.StructureData],
    run: Callable[..., Any],
    wrapped: Callable[[str, str], orm.AbstractCode],
    alh: dict[str, Any],
) -> None:
    """All three q-points start together; two would take a minute, and are ended within a poll of the third's mode."""
    _, relax = run("hts.relax", crystal("AlH"), pressure_gpa=0.0, kpoints_mesh=[6, 6, 6], **alh)
    slow = wrapped("ph", 'if ! grep -q "start_q = 3" aiida.in; then sleep 60; fi\n"$REAL" "$@"')
    started = time.monotonic()
    outputs, node = run(
        "hts.phonons",
        relax.outputs.structure,
        scf_folder=relax.outputs.scf_folder,
        kpoints_mesh=[6, 6, 6],
        replace={"ph": slow},
        **alh,
    )
    took = time.monotonic() - started
    assert node.is_finished_ok, node.exit_message
    content = outputs["phonons"].get_dict()
    assert content["verdict"] == "unstable"
    assert [point["index"] for point in content["qpoints"]] == [3]
    first, *others, again = sorted(_ph_jobs(node), key=lambda job: job.pk)
    assert first.inputs.qpoint_index.value == again.inputs.qpoint_index.value == 3
    assert took < 60
    for job in others:
        assert job.exit_status == 150 and "no longer needed: q 3 has an imaginary mode" in job.exit_message
        # The engine looks at every job each 0.1 s here, at what its turn and a busy machine add.
        assert (job.mtime - first.mtime).total_seconds() < 5
    assert node.outputs.phonons["second_opinions"][0]["lowest_cm1"] < -20


def test_stopped_at_a_part_the_mode_is_an_upper_bound(
    crystal: Callable[..., orm.StructureData], run: Callable[..., Any], alh: dict[str, Any]
) -> None:
    """What the monitor made of some representations, against the whole matrix of the same q-point."""
    _, relax = run("hts.relax", crystal("AlH"), pressure_gpa=0.0, kpoints_mesh=[6, 6, 6], **alh)
    _, stopped = run(
        "hts.phonons",
        relax.outputs.structure,
        scf_folder=relax.outputs.scf_folder,
        kpoints_mesh=[6, 6, 6],
        options={"qpoints_at_once": 1},
        **alh,
    )
    job = min(_ph_jobs(stopped), key=lambda job: job.pk)
    builder = job.get_builder_restart()
    del builder.monitors
    whole = run_get_node(builder)[1]
    lowest = whole.outputs.output_parameters["lowest_cm1"]
    found = read_partial_modes(job.outputs.retrieved)
    if found is None:  # ph.x was faster than the engine looks
        assert job.outputs.output_parameters["lowest_cm1"] == pytest.approx(lowest, abs=0.5)
        return
    assert lowest - 0.5 <= found["lowest_cm1"] < -20
    assert found["softest_mode"]["irrep"] is not None
    if len(found["representations"]) == found["number_of_representations"]:
        assert found["lowest_cm1"] == pytest.approx(lowest, abs=0.5)
