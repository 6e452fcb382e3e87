"""Relaxation at a pressure with the real pw.x."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm

pytestmark = pytest.mark.engine


def test_fcc_aluminium_at_its_lda_lattice_constant(
    al_funnel: orm.WorkChainNode, child_of: Callable[[orm.WorkChainNode, str], Any]
) -> None:
    relax = child_of(al_funnel, "relax")
    assert relax.is_finished_ok, relax.exit_message
    relaxation = relax.outputs.relaxation.get_dict()
    edge_ang = (4 * relaxation["volume_ang3"]) ** (1 / 3)
    # 3.94 Angstrom is what the same pseudopotential and cutoff gave by hand; LDA is 2 % below the measured 4.05.
    assert edge_ang == pytest.approx(3.94, abs=0.02)
    assert abs(relaxation["residual_gpa"]) <= relax.inputs.settings["relax"]["pressure_tolerance_gpa"]
    assert relaxation["space_group_number"] == relaxation["initial_space_group_number"] == 225
    assert relaxation["gap_ev"] == pytest.approx(0, abs=1e-9)
    assert relaxation["kpoints_mesh"] == [8, 8, 8]
    assert relaxation["basis"]["ecutwfc_ry"] == 15.0


def test_a_pressure_that_is_not_reached_is_an_error_with_outputs(
    run: Callable[..., Any], crystal: Callable[..., orm.StructureData]
) -> None:
    overrides = {
        "dft": {"ecutwfc_ry": 15.0, "kpoints_distance_inv_ang": 0.7},
        "relax": {"max_passes": 1, "pressure_tolerance_gpa": 1e-4},
    }
    outputs, node = run("hts.relax", crystal("Al", scale=1.1), pressure_gpa=20.0, overrides=overrides)
    assert node.exit_status == 501
    assert "after 1 passes, wanted 0.0001 GPa at 20 GPa" in node.exit_message
    assert abs(outputs["relaxation"]["residual_gpa"]) > 1e-4
    assert outputs["relaxation"]["passes"] == 1
    assert {"structure", "relaxation", "scf_folder"} <= set(outputs)


def test_a_scf_that_does_not_converge_is_no_result(
    run: Callable[..., Any],
    crystal: Callable[..., orm.StructureData],
    wrapped: Callable[[str, str], orm.AbstractCode],
) -> None:
    """The real pw.x, told to stop after two steps whatever AiiDA asks for."""
    script = 'sed -i "/electron_maxstep/d; s/&ELECTRONS/&ELECTRONS\\n electron_maxstep = 2/" aiida.in\n"$REAL" "$@"'
    overrides = {"dft": {"ecutwfc_ry": 8.0, "kpoints_distance_inv_ang": 1.4}}
    outputs, node = run(
        "hts.relax", crystal("Al"), pressure_gpa=0.0, overrides=overrides, replace={"pw": wrapped("pw", script)}
    )
    assert node.exit_status == 401
    assert "vc-relax at 0 GPa failed: PwBaseWorkChain<" in node.exit_message
    assert "(last job: PwCalculation<" in node.exit_message
    assert "relaxation" not in outputs
