"""Coupling with the real epw.x: fed by the very ph.x run that decided stability, held against pw.x."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm

pytestmark = pytest.mark.engine


def test_epw_reads_the_phonons_that_decided_stability(
    al_funnel: orm.WorkChainNode, child_of: Callable[[orm.WorkChainNode, str], Any]
) -> None:
    coupling = child_of(al_funnel, "coupling")
    assert coupling.is_finished_ok, coupling.exit_message
    jobs = [job for job in al_funnel.called_descendants if job.process_label == "PhQPointCalculation"]
    computed = {f"q_{job.inputs.qpoint_index.value}": job.pk for job in jobs}
    assert len(jobs) == len(computed) == 3
    (epw,) = [job for job in coupling.called_descendants if job.process_label == "EpwCalculation"]
    assert {key: folder.creator.pk for key, folder in epw.inputs.ph_folders.items()} == computed


def test_series_and_gates_are_consistent(
    al_funnel: orm.WorkChainNode, child_of: Callable[[orm.WorkChainNode, str], Any]
) -> None:
    coupling = child_of(al_funnel, "coupling")
    judgement = coupling.outputs.coupling.get_dict()
    (series,) = judgement["numbers"]["series"]
    assert series["label"] == judgement["numbers"]["chosen"] == "k16_q8_100meV"
    assert set(coupling.outputs.alpha2f) == {"k16_q8_100meV"}
    # The chain test of this project gave 0.27; a Wannierisation on a 4x4x4 mesh is too coarse for more than its order.
    assert 0.1 < series["lambda"] < 0.6
    thresholds = judgement["thresholds"]
    assert series["fermi_deviation_ev"] == pytest.approx(series["fermi_epw_ev"] - series["fermi_dense_ev"])
    # States per spin, eV and atom: 0.19, as of free electrons; meshes below 24x24x24 find less.
    assert series["dos_ef_tetrahedra"] == pytest.approx(0.19, rel=0.08)
    good = (
        abs(series["dos_deviation"]) <= thresholds["max_dos_deviation"]
        and abs(series["fermi_deviation_ev"]) <= thresholds["max_fermi_deviation_ev"]
    )
    assert series["gates_passed"] is good
    assert judgement["flags"] == ([] if good else ["tc_unverified"])
    # Its Fermi energy is 0.7 eV off with this mesh, so that the gate must close.
    assert not good


def test_emptied_scratch_is_noticed_before_a_job_is_wasted(
    al_funnel: orm.WorkChainNode,
    child_of: Callable[[orm.WorkChainNode, str], Any],
    run: Callable[..., Any],
    tmp_path: Path,
) -> None:
    inputs = child_of(al_funnel, "coupling").inputs
    folders = dict(inputs.ph_folders)
    folders["q_2"] = orm.RemoteData(computer=inputs.scf_folder.computer, remote_path=str(tmp_path)).store()
    _, node = run(
        "hts.coupling",
        inputs.structure,
        relaxation=inputs.relaxation,
        phonons=inputs.phonons,
        scf_folder=inputs.scf_folder,
        ph_folders=folders,
    )
    assert node.exit_status == 210
    assert node.exit_message == "the scratch of q_2 is empty; decompress again before coupling"
    assert not node.called
