"""Displaced supercells with the real pw.x: the same phonons as ph.x, and the same care before anything is unstable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import phonopy
import pytest
from aiida import orm

pytestmark = pytest.mark.engine


def _scf_jobs(node: orm.WorkChainNode) -> list[orm.CalcJobNode]:
    return [job for job in node.called_descendants if job.process_label == "PwCalculation"]


def test_fcc_aluminium_has_the_phonons_of_ph_x(
    al_funnel: orm.WorkChainNode,
    child_of: Callable[[orm.WorkChainNode, str], Any],
    run: Callable[..., Any],
    tmp_path: Path,
) -> None:
    relax = child_of(al_funnel, "relax")
    response = child_of(child_of(al_funnel, "decompress"), "phonons_0GPa")
    assert response.outputs.phonons["kpoints_mesh"] == [8, 8, 8]
    outputs, node = run("hts.finite_displacement", relax.outputs.structure, kpoints_mesh=[8, 8, 8])
    assert node.is_finished_ok, node.exit_message
    content, theirs = outputs["phonons"].get_dict(), response.outputs.phonons.get_dict()
    assert content["verdict"] == theirs["verdict"] == "stable"
    assert content["method"] == "finite_displacement"
    assert set(theirs) <= set(content)
    assert content["number_of_qpoints"] == len(content["qpoints"]) == 3
    assert content["number_of_displacements"] == len(_scf_jobs(node)) == 1
    for mine, other in zip(content["qpoints"], theirs["qpoints"], strict=True):
        assert mine["index"] == other["index"] and set(mine) == set(other)
        apart = np.array(mine["qpoint"]) - other["qpoint"]
        assert apart == pytest.approx(np.rint(apart), abs=1e-6)
        # Same k-points, cutoff and smearing: 0.1 cm-1 apart at most in a trial. What is left are the thresholds of the
        # response (1e-12 here) and of the scf, and the fourth order in 0.01 Angstrom (0.02 cm-1).
        assert mine["frequencies_cm1"] == pytest.approx(other["frequencies_cm1"], abs=0.5)
    # The forces of a supercell add up to zero, so that its translations are no measure of anything.
    assert content["qpoints"][0]["translations_cm1"] == pytest.approx([0, 0, 0], abs=0.5)
    zero_point = response.outputs.interpolation["zero_point_ev_per_atom"]
    assert outputs["interpolation"]["zero_point_ev_per_atom"] == pytest.approx(zero_point, rel=0.002)
    assert outputs["bands"].get_bands() == pytest.approx(response.outputs.bands.get_bands(), abs=0.02)
    assert all(job.outputs.remote_folder.is_empty for job in _scf_jobs(node))
    path = tmp_path / "phonopy.yaml"
    path.write_text(outputs["force_sets"].get_content("r"))
    assert phonopy.load(path, is_nac=False).forces.shape == (1, 8, 3)


def test_rocksalt_alh_is_unstable_once_two_k_meshes_agree(
    run: Callable[..., Any], crystal: Callable[..., orm.StructureData], alh: dict[str, Any]
) -> None:
    outputs, node = run("hts.finite_displacement", crystal("AlH"), kpoints_mesh=[2, 2, 2], **alh)
    assert node.exit_status == 0, node.exit_message
    content = outputs["phonons"].get_dict()
    assert content["verdict"] == "unstable"
    assert "confirmed on a denser k-mesh" in content["reason"]
    # The first mesh finds Gamma imaginary and L real, the second the opposite: the second and the third count.
    assert content["kpoints_meshes_tried"] == [[2, 2, 2], [4, 4, 4], [6, 6, 6]]
    assert content["kpoints_mesh"] == [4, 4, 4]
    assert content["degauss_ry"] == pytest.approx(0.015)
    # Al and H, on three k-meshes, folded, with ever smaller smearing.
    jobs = _scf_jobs(node)
    folded = [job.inputs.kpoints.get_kpoints_mesh()[0] for job in sorted(jobs, key=lambda job: job.pk)]
    assert folded == [[1, 1, 1]] * 2 + [[2, 2, 2]] * 2 + [[3, 3, 3]] * 2
    smearings = sorted({job.inputs.parameters["SYSTEM"]["degauss"] for job in jobs})
    assert smearings == pytest.approx([0.01125, 0.015, 0.02])
    # ph.x at k 6^3 and a smearing of 0.02 Ry has 822i cm-1 at L and 1323i at X; here the smearing is smaller.
    second = {point["index"]: point["lowest_cm1"] for point in content["second_opinions"]}
    assert second[2] == pytest.approx(-822, rel=0.05) and second[3] == pytest.approx(-1323, rel=0.05)
    unstable = [point for point in content["qpoints"] if point["lowest_cm1"] < -20]
    assert [point["index"] for point in unstable] == [2, 3]
    # At L inversion about each atom keeps the two apart; at X they mix.
    assert unstable[0]["species_weight"]["H"] == pytest.approx(1, abs=1e-3)
    assert unstable[1]["species_weight"]["H"] > 0.5
    # Al pushes H as much as H pushes Al: what there is to tell how good the forces are.
    assert content["asymmetry"] < 1e-3
    assert "force_sets" in outputs and "bands" not in outputs


def test_a_failed_supercell_is_undecided(
    run: Callable[..., Any], crystal: Callable[..., orm.StructureData], wrapped: Callable[[str, str], orm.AbstractCode]
) -> None:
    outputs, node = run(
        "hts.finite_displacement", crystal("Al"), kpoints_mesh=[2, 2, 2], replace={"pw": wrapped("pw", "exit 137")}
    )
    assert node.exit_status == 401
    assert node.exit_message.startswith("undecided: displacement 1: PwBaseWorkChain")
    assert outputs["phonons"]["verdict"] == "undecided"
    assert outputs["phonons"]["qpoints"] == []
