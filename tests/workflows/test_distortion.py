"""Following a soft mode with the real codes: rocksalt AlH, which is unstable at X and L, finds a lower crystal."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm

pytestmark = pytest.mark.engine


@pytest.fixture
def coarse(alh: dict[str, Any]) -> dict[str, Any]:
    """Return cheaper settings than those of the other AlH tests: an instability of 0.1 eV needs no fine k-mesh."""
    given = alh["overrides"]
    quick = {"etot_conv_thr_ry": 1e-3, "forc_conv_thr_ry_bohr": 1e-2, "press_conv_thr_kbar": 20.0}
    quick |= {"pressure_tolerance_gpa": 3.0}
    return {
        "overrides": {
            **given,
            "dft": {**given["dft"], "ecutwfc_ry": 15.0, "kpoints_distance_inv_ang": 0.7},
            "relax": {**given["relax"], **quick},
        }
    }


@pytest.fixture
def unstable(
    run: Callable[..., Any],
    crystal: Callable[..., orm.StructureData],
    coarse: dict[str, Any],
    uuids: dict[str, str],
) -> dict[str, Any]:
    """Return rocksalt AlH at 0 GPa with its phonons."""
    if "distortion_relax" not in uuids:
        _, relaxed = run("hts.relax", crystal("AlH"), pressure_gpa=0.0, **coarse)
        assert relaxed.is_finished_ok, relaxed.exit_message
        _, phonons = run(
            "hts.phonons",
            relaxed.outputs.structure,
            scf_folder=relaxed.outputs.scf_folder,
            kpoints_mesh=relaxed.outputs.relaxation["kpoints_mesh"],
            options={"qpoints_at_once": 1},
            **coarse,
        )
        assert phonons.is_finished_ok, phonons.exit_message
        uuids |= {"distortion_relax": relaxed.uuid, "distortion_ph": phonons.uuid}
    relaxed = orm.load_node(uuids["distortion_relax"])
    return {
        "structure": relaxed.outputs.structure,
        "relaxation": relaxed.outputs.relaxation,
        "phonons": orm.load_node(uuids["distortion_ph"]).outputs.phonons,
        "pressure_gpa": 0.0,
    }


def test_an_unstable_crystal_leads_to_a_lower_one(
    run: Callable[..., Any], unstable: dict[str, Any], coarse: dict[str, Any]
) -> None:
    outputs, node = run("hts.distortion", amplitude_ang=0.4, **unstable, **coarse)
    assert node.is_finished_ok, node.exit_message
    found = outputs["distortion"].get_dict()
    assert found["verdict"] == "lower"
    # Layers of hydrogen pair up along a cubic axis, two formula units: P4/nmm, a subgroup of Fm-3m at X.
    assert found["parent_space_group_number"] == 225
    assert found["space_group_number"] == found["displaced_space_group_number"] == 129
    assert found["n_cells"] == 2 and len(outputs["structure"].sites) == 4
    # 794i cm-1 at X with a good k-mesh; this one exaggerates.
    assert found["mode"]["frequency_cm1"] < -700
    assert np.abs(found["mode"]["qpoint"]).tolist() == pytest.approx([0, 0.5, 0.5])
    # hbar omega of the instability is 0.1 eV; what is won is of that order.
    gain = outputs["relaxation"]["enthalpy_ev_per_atom"] - unstable["relaxation"]["enthalpy_ev_per_atom"]
    assert found["enthalpy_gain_ev_per_atom"] == pytest.approx(gain) and -0.3 < gain < -0.05
    # The same basis as on a hull, and the k-mesh a multiple of the q-mesh.
    assert outputs["relaxation"]["basis"] == unstable["relaxation"]["basis"]
    assert all(number % 2 == 0 for number in found["kpoints_meshes"][1])
    # The graph leads from the parent to the child.
    query = orm.QueryBuilder().append(orm.StructureData, filters={"uuid": unstable["structure"].uuid}, tag="parent")
    query.append(orm.StructureData, with_ancestors="parent", filters={"uuid": outputs["structure"].uuid})
    assert query.count() > 0


def test_a_relaxation_that_fails_proposes_nothing(
    run: Callable[..., Any],
    unstable: dict[str, Any],
    coarse: dict[str, Any],
    wrapped: Callable[[str, str], orm.AbstractCode],
) -> None:
    outputs, node = run("hts.distortion", replace={"pw": wrapped("pw", "exit 1")}, **unstable, **coarse)
    assert node.exit_status == 401
    assert "PwCalculation<" in node.exit_message
    assert set(outputs) == {"distortion"}
    found = outputs["distortion"].get_dict()
    assert found["verdict"] == "undecided" and found["reason"].startswith("RelaxWorkChain<")
    assert found["enthalpy_gain_ev_per_atom"] is None and found["space_group_number"] is None


def test_a_mode_that_wants_too_many_atoms_is_not_followed(
    run: Callable[..., Any], unstable: dict[str, Any], coarse: dict[str, Any]
) -> None:
    outputs, node = run("hts.distortion", max_atoms=2, **unstable, **coarse)
    assert node.exit_status == 402
    assert set(outputs) == {"distortion"}
    assert "repeats in no supercell of up to 1 cells" in outputs["distortion"]["reason"]
    assert outputs["distortion"]["verdict"] == "undecided"
    assert not [child for child in node.called if isinstance(child, orm.WorkChainNode)]


def test_a_stable_crystal_has_nothing_to_follow(
    run: Callable[..., Any], unstable: dict[str, Any], coarse: dict[str, Any]
) -> None:
    stable = orm.Dict({**unstable["phonons"].get_dict(), "verdict": "stable"})
    outputs, node = run("hts.distortion", **{**unstable, "phonons": stable}, **coarse)
    assert (node.exit_status, outputs) == (210, {})
