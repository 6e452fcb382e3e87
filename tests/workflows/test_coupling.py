"""Coupling with the real epw.x: fed by the very ph.x run that decided stability, held against pw.x and ph.x."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm

pytestmark = pytest.mark.engine

Child = Callable[[orm.WorkChainNode, str], Any]
# Of fcc Al on the meshes of the tests: what is not overridden there.
SHARED = ("structure", "relaxation", "phonons", "scf_folder", "force_constants")
SERIES = ["k20_q4_100meV", "k20_q4_200meV", "k16_q4_100meV", "k16_q4_200meV"]


def jobs_of(node: orm.WorkChainNode, label: str) -> list[orm.CalcJobNode]:
    """Return the jobs of one kind below a process, in the order of their making."""
    return sorted((job for job in node.called_descendants if job.process_label == label), key=lambda job: job.pk or 0)


def epw_jobs(node: orm.WorkChainNode) -> dict[str, orm.CalcJobNode]:
    """Return the epw.x jobs that a coupling itself called, by link label."""
    links = node.base.links.get_outgoing().all()
    return {link.link_label: link.node for link in links if getattr(link.node, "process_label", "") == "EpwCalculation"}


@pytest.fixture
def couple(al_funnel: orm.WorkChainNode, child_of: Child, run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that couples the phonons of the funnel again, with other settings or inputs."""

    def again(**changes: Any) -> tuple[dict[str, Any], orm.WorkChainNode]:
        inputs = child_of(al_funnel, "coupling").inputs
        given = {key: inputs[key] for key in SHARED if key in inputs}
        given["ph_folders"] = dict(inputs.ph_folders)
        return run("hts.coupling", given.pop("structure"), **{**given, **changes})

    return again


def test_epw_reads_the_phonons_that_decided_stability(al_funnel: orm.WorkChainNode, child_of: Child) -> None:
    coupling = child_of(al_funnel, "coupling")
    assert coupling.is_finished_ok, coupling.exit_message
    jobs = jobs_of(al_funnel, "PhQPointCalculation")
    computed = {f"q_{job.inputs.qpoint_index.value}": job.pk for job in jobs}
    assert len(jobs) == len(computed) == 3
    epw = epw_jobs(coupling)
    assert {key: folder.creator.pk for key, folder in epw["epw_estimate"].inputs.ph_folders.items()} == computed


def test_wannierised_once_and_refined_from_one_coarse_run(al_funnel: orm.WorkChainNode, child_of: Child) -> None:
    coupling = child_of(al_funnel, "coupling")
    epw = epw_jobs(coupling)
    assert sorted(epw) == ["epw_estimate", "epw_k16_q4_100meV", "epw_k20_q4_100meV"]
    coarse = epw.pop("epw_estimate")
    made = coupling.outputs.wannier["attempts"][coupling.outputs.wannier["chosen"]]
    wannierised = coarse.inputs.wannier_folder.creator
    assert "ph_folders" not in wannierised.inputs or not wannierised.inputs.ph_folders
    assert wannierised.inputs.parameters["INPUTEPW"]["nbndsub"] == made["n_wannier"]
    assert {job.inputs.epw_folder.creator.pk for job in epw.values()} == {coarse.pk}
    # One run serves both smearings.
    assert set(coupling.outputs.alpha2f) == set(SERIES)
    assert epw["epw_k20_q4_100meV"].inputs.settings["smearings_ev"] == [0.1, 0.2]
    # Interpolated over cells around the functions and atoms, or lambda would depend on the gauge.
    assert all(job.inputs.parameters["INPUTEPW"]["use_ws"] for job in (coarse, wannierised, *epw.values()))
    # N(E_F) of the delta functions that alpha2F is made of, and their centres on the atoms where they belong.
    assert all(job.inputs.parameters["INPUTEPW"]["ngaussw"] == 0 for job in (coarse, *epw.values()))
    assert "centres.awk" in coarse.base.repository.list_object_names()


def test_the_ladder_of_wannierisations_is_climbed_and_the_best_is_taken(
    al_funnel: orm.WorkChainNode, child_of: Child
) -> None:
    """On 4x4x4 nothing follows the bands of fcc Al: by hand, s and p projections are 1.0 eV off within 1 eV of E_F."""
    wannier = child_of(al_funnel, "coupling").outputs.wannier
    names = [attempt["name"] for attempt in wannier["attempts"]]
    assert names[:2] == ["projections", "SCDM"] and "more projections" in names
    rms = {attempt["name"]: attempt["rms_ev"] for attempt in wannier["attempts"] if attempt["failure"] is None}
    assert rms["projections"] == pytest.approx(1.0, abs=0.1)
    assert wannier["rms_ev"] == min(rms.values())
    assert wannier["n_wannier"] == (9 if wannier["name"].startswith("more projections") else 4)


def test_series_and_gates_are_consistent(al_funnel: orm.WorkChainNode, child_of: Child) -> None:
    judgement = child_of(al_funnel, "coupling").outputs.coupling.get_dict()
    numbers, thresholds = judgement["numbers"], judgement["thresholds"]
    assert [item["label"] for item in numbers["series"]] == SERIES
    for series in numbers["series"]:
        assert series["fermi_deviation_ev"] == pytest.approx(series["fermi_epw_ev"] - series["fermi_dense_ev"])
        # States per spin, eV and atom: 0.19, as of free electrons; meshes below 24x24x24 find less.
        assert series["dos_ef_tetrahedra"] == pytest.approx(0.19, rel=0.08)
        good = (
            abs(series["dos_deviation"]) <= thresholds["max_dos_deviation"]
            and abs(series["fermi_deviation_ev"]) <= thresholds["max_fermi_deviation_ev"]
        )
        assert series["gates_passed"] is good
    checks = {one["name"]: one for one in numbers["checks"]}
    # What this mesh is known for must show: the Wannier bands miss those of pw.x.
    assert checks["bands_rms_ev"]["passed"] is False
    assert checks["bands_rms_ev"]["value"] > 0.1
    assert 0 < checks["decay_H"]["value"] < 0.1 and checks["decay_H"]["passed"] is True
    assert 0 < checks["decay_epmate"]["value"] < 1
    # A q-mesh of 2x2x2 holds neighbours only, and the settings of these tests ask for no further ph.x.
    unknown = ("decay_epmatp", "phonon_interpolation", "lambda_without_epw")
    assert [checks[name]["passed"] for name in unknown] == [None] * 3
    assert "tc_unverified" in judgement["flags"]
    assert any(line.startswith("Wannier bands") for line in numbers["unverified"])


def test_the_flag_is_shown_with_its_reason_in_the_record(al_funnel: orm.WorkChainNode) -> None:
    record = al_funnel.outputs.candidate.get_dict()
    assert "tc_unverified" in record["flags"]
    assert any(line.startswith("Wannier bands") for line in record["tc_unverified"])
    assert "unverified: " in record["reason"]


def test_a_hopeless_estimate_spares_the_fine_meshes(couple: Callable[..., Any]) -> None:
    """Aluminium does not superconduct at 300 K, whatever the margin; one epw.x run says so."""
    outputs, node = couple(min_tc_k=300.0)
    assert node.is_finished_ok, node.exit_message
    numbers = outputs["coupling"]["numbers"]
    assert list(epw_jobs(node)) == ["epw_estimate"]
    assert (numbers["chosen"], numbers["convergence"]["status"]) == ("estimate", "estimate_only")
    estimate = numbers["estimate"]
    assert 0 <= estimate["allen_dynes_k"] < estimate["upper_bound_k"] < 300
    spectrum = outputs["alpha2f"]["estimate"]
    assert spectrum.get_array("lambda")[0] == pytest.approx(estimate["lambda"])
    coarse = epw_jobs(node)["epw_estimate"].outputs
    scale = spectrum.get_array("alpha2f")[0].max() / coarse.alpha2f.get_array("alpha2f")[0].max()
    assert scale == pytest.approx(estimate["scale"], rel=1e-6)


def test_phonons_and_lambda_are_checked_by_ph(couple: Callable[..., Any], settings: dict[str, Any]) -> None:
    """One q-point between those of the mesh, and the sum of ph.x itself: its k-mesh is too coarse for 0.1 eV."""
    overrides = {**settings, "coupling": {**settings["coupling"], "phonon_check": True, "lambda_check": True}}
    outputs, node = couple(overrides=overrides)
    assert node.is_finished_ok, node.exit_message
    assert len(jobs_of(node, "PhSimpleCalculation")) == 3
    (between,) = jobs_of(node, "PhQPointCalculation")
    assert between.inputs.qpoints.get_kpoints_mesh()[0] == [4, 4, 4]
    checks = {one["name"]: one for one in outputs["coupling"]["numbers"]["checks"]}
    # From 2x2x2 the frequencies between are some per cent off: a few cm-1 of 358.
    assert 0 < checks["phonon_interpolation"]["value"] < 0.15
    assert checks["phonon_interpolation"]["passed"] is (checks["phonon_interpolation"]["value"] <= 0.10)
    simple = checks["lambda_without_epw"]
    # At 0.01 Ry the 8x8x8 k-points of ph.x have twice the N(E_F) they should; at the broader smearing they can tell.
    assert abs(simple["value"]) < 0.2 and simple["passed"] is True
    assert "of ph.x at sigma = 0.0147 Ry" in simple["text"]


def test_a_killed_epw_is_run_again(couple: Callable[..., Any], wrapped: Callable[[str, str], Any]) -> None:
    """The denser fine mesh dies once without a word; its second attempt answers, and nothing else is repeated."""
    once = (
        'MARK=$(dirname "$0")/died; if grep -q "nkf1 = 20" aiida.in && [ ! -e "$MARK" ]; then touch "$MARK"; exit 1; fi'
    )
    outputs, node = couple(replace={"epw": wrapped("epw", f'{once}\nexec "$REAL" "$@"')})
    assert node.is_finished_ok, node.exit_message
    jobs = epw_jobs(node)
    assert sorted(jobs) == ["epw_estimate", "epw_k16_q4_100meV", "epw_k20_q4_100meV", "epw_k20_q4_100meV_2"]
    assert [label for label, job in jobs.items() if not job.is_finished_ok] == ["epw_k20_q4_100meV"]
    assert [item["label"] for item in outputs["coupling"]["numbers"]["series"]] == SERIES


def test_emptied_scratch_is_noticed_before_a_job_is_wasted(
    al_funnel: orm.WorkChainNode, child_of: Child, couple: Callable[..., Any], tmp_path: Path
) -> None:
    inputs = child_of(al_funnel, "coupling").inputs
    folders = dict(inputs.ph_folders)
    folders["q_2"] = orm.RemoteData(computer=inputs.scf_folder.computer, remote_path=str(tmp_path)).store()
    _, node = couple(ph_folders=folders)
    assert node.exit_status == 210
    assert node.exit_message == "the scratch of q_2 is empty; decompress again before coupling"
    assert not node.called
