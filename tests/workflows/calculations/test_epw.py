"""EpwCalculation: input checks, and the whole fcc Al chain with the real codes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.common.exceptions import InputValidationError
from aiida.common.folders import SandboxFolder
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory, DataFactory

from hts.electrons import full_kpoint_list
from hts.epw_input import VERSION_EXTRA
from hts.wannier90_output import bands_wdata
from workflows.calculations.epw import EpwCalculation


@pytest.fixture
def epw_inputs(
    aiida_localhost: orm.Computer,
    aiida_code_installed: Any,
    aluminium: orm.StructureData,
    epw_keywords: dict[str, Any],
) -> dict[str, Any]:
    """Return inputs of a coarse run, with folders that nothing is read from at this stage."""

    def remote(name: str) -> orm.RemoteData:
        return orm.RemoteData(computer=aiida_localhost, remote_path=f"/scratch/{name}").store()

    return {
        "code": aiida_code_installed(default_calc_job_plugin="hts.epw", filepath_executable="/usr/bin/epw.x"),
        "structure": aluminium,
        "parameters": orm.Dict({"INPUTEPW": epw_keywords}),
        "nscf_folder": remote("nscf"),
        "ph_folders": {"q_1": remote("q1"), "q_2": remote("q23"), "q_3": remote("q23")},
        "metadata": {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 2}}},
    }


def _prepare(inputs: dict[str, Any], folder: SandboxFolder) -> Any:
    process = instantiate_process(get_manager().get_runner(), EpwCalculation, **inputs)
    return process.prepare_for_submission(folder)


def test_files_are_gathered_from_several_runs(epw_inputs: dict[str, Any]) -> None:
    with SandboxFolder() as folder:
        info = _prepare(epw_inputs, folder)
        text = folder.get_content_list(), Path(folder.abspath, "aiida.in").read_text()
    assert set(text[0]) == {"aiida.in", "out", "save"}
    links = {target: source for _, source, target in info.remote_symlink_list}
    assert links == {
        "out/aiida.save": "/scratch/nscf/out/aiida.save",
        "out/aiida.xml": "/scratch/nscf/out/aiida.xml",
        "save/aiida.dvscf_q1": "/scratch/q1/out/_ph0/aiida.dvscf1",
        "save/aiida.dvscf_q2": "/scratch/q23/out/_ph0/aiida.q_2/aiida.dvscf1",
        "save/aiida.dvscf_q3": "/scratch/q23/out/_ph0/aiida.q_3/aiida.dvscf1",
    }
    copies = {target: source for _, source, target in info.remote_copy_list}
    assert copies["save/aiida.dyn_q3"] == "/scratch/q23/DYN_MAT/dynamical-matrix-3"
    assert copies["save/aiida.phsave/patterns.2.xml"] == "/scratch/q23/out/_ph0/aiida.phsave/patterns.2.xml"
    assert info.codes_info[0].cmdline_params == ["-npool", "2", "-in", "aiida.in"]
    assert "amass(1) = 26.98" in text[1] and "epwread = .false." in text[1] and "outdir = './out/'" in text[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nbndsub": 5}, "proj makes 4 functions"),
        ({"nq1": 1, "nq2": 1, "nq3": 1}, "q-mesh is 1x1x1"),
        ({"band_plot": True}, "without fine_points"),
        ({"scdm_proj": True}, "auto_projections and scdm_proj differ"),
        ({"scdm_proj": True, "auto_projections": True}, "proj is given with auto_projections"),
        ({"fbw": True}, r"fbw came with EPW 5\.5"),
    ],
)
def test_inputs_that_epw_would_choke_on(
    epw_inputs: dict[str, Any], epw_keywords: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    epw_inputs["parameters"] = orm.Dict({"INPUTEPW": epw_keywords | changes})
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match=message):
        _prepare(epw_inputs, folder)


@pytest.mark.parametrize("keyword", ["prefix", "amass", "epwread", "IVERBOSITY"])
def test_the_plugins_keywords_are_blocked(
    epw_inputs: dict[str, Any], epw_keywords: dict[str, Any], keyword: str
) -> None:
    epw_inputs["parameters"] = orm.Dict({"INPUTEPW": epw_keywords | {keyword: 1}})
    with pytest.raises(ValueError, match="which the plugin sets"):
        _prepare(epw_inputs, SandboxFolder())


def test_folders_that_do_not_belong_together(epw_inputs: dict[str, Any]) -> None:
    gap = epw_inputs | {"ph_folders": {"q_1": epw_inputs["nscf_folder"], "q_3": epw_inputs["nscf_folder"]}}
    both = epw_inputs | {"epw_folder": epw_inputs["nscf_folder"]}
    alone = {key: value for key, value in epw_inputs.items() if key != "ph_folders"}
    for inputs, message in ((gap, "without gaps"), (both, "not both"), (alone, "belong together")):
        with pytest.raises(ValueError, match=message):
            _prepare(inputs, SandboxFolder())


def test_a_restart_from_an_unknown_folder_is_refused(epw_inputs: dict[str, Any]) -> None:
    inputs = {key: value for key, value in epw_inputs.items() if key not in ("nscf_folder", "ph_folders")}
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match="unknown"):
        _prepare(inputs | {"epw_folder": epw_inputs["nscf_folder"]}, folder)


def test_matrix_elements_are_read_with_the_settings_they_were_made_with(epw_inputs: dict[str, Any]) -> None:
    inputs = {key: value for key, value in epw_inputs.items() if key not in ("nscf_folder", "ph_folders")}
    inputs |= {"matrix_elements_folder": _made_by(epw_inputs, "5.3.1")}
    with SandboxFolder() as folder:
        info = _prepare(inputs, folder)
        text = Path(folder.abspath, "aiida.in").read_text()
    assert all(f"{word} = .false." in text for word in ("elph", "ep_coupling", "ephwrite", "wannierize"))
    assert [target for _, _, target in info.remote_symlink_list] == ["out/aiida.ephmat"]
    assert [target for _, _, target in info.remote_copy_list] == ["crystal.fmt", "selecq.fmt"]
    inputs["parameters"] = orm.Dict({"INPUTEPW": epw_inputs["parameters"]["INPUTEPW"] | {"fsthick": 0.5}})
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match="fsthick"):
        _prepare(inputs, folder)
    with pytest.raises(ValueError, match="give no other folder"):
        _prepare(inputs | {"epw_folder": inputs["matrix_elements_folder"]}, SandboxFolder())


def _made_by(inputs: dict[str, Any], printed: str | None = None) -> orm.RemoteData:
    """Return a folder as an earlier EpwCalculation with these inputs leaves it."""
    node = orm.CalcJobNode(computer=inputs["nscf_folder"].computer, process_type="aiida.calculations:hts.epw")
    for label in ("structure", "parameters", "nscf_folder", "code"):
        node.base.links.add_incoming(inputs[label].store(), LinkType.INPUT_CALC, label)
    node.store()
    remote = orm.RemoteData(computer=node.computer, remote_path="/scratch/earlier")
    remote.base.links.add_incoming(node, LinkType.CREATE, "remote_folder")
    if printed is not None:
        outputs = orm.Dict({"code_version": printed})
        outputs.base.links.add_incoming(node, LinkType.CREATE, "output_parameters")
        outputs.store()
    return remote.store()


def _wannierise(inputs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the inputs of a run that only makes Wannier functions."""
    keywords = inputs["parameters"]["INPUTEPW"] | {"elph": False, "eliashberg": False, "ephwrite": False} | changes
    return {key: value for key, value in inputs.items() if key != "ph_folders"} | {
        "parameters": orm.Dict({"INPUTEPW": keywords})
    }


def test_wannier_functions_alone(epw_inputs: dict[str, Any]) -> None:
    with SandboxFolder() as folder:
        info = _prepare(_wannierise(epw_inputs), folder)
        text = Path(folder.abspath, "aiida.in").read_text()
        assert set(folder.get_content_list()) == {"aiida.in", "out"}
    assert {target for _, _, target in info.remote_symlink_list} == {"out/aiida.save", "out/aiida.xml"}
    assert info.remote_copy_list == []
    assert all(line in text for line in ("wannierize = .true.", "elph = .false.", "epwwrite = .true."))
    with_phonons = _wannierise(epw_inputs) | {"ph_folders": epw_inputs["ph_folders"]}
    with pytest.raises(ValueError, match="Wannier functions alone"):
        _prepare(with_phonons, SandboxFolder())
    with pytest.raises(ValueError, match="elph is false and eliashberg true"):
        _prepare(_wannierise(epw_inputs, eliashberg=True), SandboxFolder())


def test_wannier_functions_of_an_earlier_run(epw_inputs: dict[str, Any]) -> None:
    epw_inputs["wannier_folder"] = _made_by(_wannierise(epw_inputs), "5.3.1")
    with SandboxFolder() as folder:
        info = _prepare(epw_inputs, folder)
        text = Path(folder.abspath, "aiida.in").read_text()
    links = {target: source for _, source, target in info.remote_symlink_list}
    # Restarts read aiida.ukk: as a copy it outlives the folder that it comes from.
    copies = {target: source for _, source, target in info.remote_copy_list}
    assert copies["aiida.ukk"] == "/scratch/earlier/aiida.ukk" and "save/aiida.dyn_q1" in copies
    assert {"aiida.mmn", "aiida.bvec", "out/aiida.save", "save/aiida.dvscf_q3"} < set(links)
    assert "wannierize = .false." in text and "epwwrite = .true." in text


@pytest.mark.parametrize("use_ws", [True, False])
def test_centres_are_tidied_where_cells_are_built_around_them(epw_inputs: dict[str, Any], use_ws: bool) -> None:
    """Of the copied aiida.ukk alone; `tests/hts/test_wannier_centres.py` runs the program."""
    keywords = epw_inputs["parameters"]["INPUTEPW"] | {"use_ws": use_ws}
    epw_inputs |= {"parameters": orm.Dict({"INPUTEPW": keywords})}
    epw_inputs["wannier_folder"] = _made_by(_wannierise(epw_inputs), "5.3.1")
    with SandboxFolder() as folder:
        info = _prepare(epw_inputs, folder)
        assert ("centres.awk" in folder.get_content_list()) == use_ws
    assert ("centres.awk aiida.ukk aiida.ukk" in (info.prepend_text or "")) == use_ws


def test_matrix_elements_are_fetched_where_they_are_written_and_can_be_read(epw_inputs: dict[str, Any]) -> None:
    """Also where no further smearing is asked for: then the parser only looks whether epw.x has read them right."""
    keywords = epw_inputs["parameters"]["INPUTEPW"] | {"ngaussw": 0}
    epw_inputs |= {"parameters": orm.Dict({"INPUTEPW": keywords}), "settings": orm.Dict({"smearings_ev": [0.1, 0.2]})}

    def fetched(**changes: Any) -> list[Any] | None:
        with SandboxFolder() as folder:
            return _prepare(epw_inputs | changes, folder).get("retrieve_temporary_list")

    everything = ["selecq.fmt", ("out/aiida.ephmat/*", ".", 2)]
    assert fetched() == everything
    assert fetched(settings=orm.Dict({})) == everything
    assert not fetched(settings=orm.Dict({"epw_version": "5.9"}))
    unwritten = {**keywords, "ephwrite": False, "eliashberg": False}
    assert not fetched(settings=orm.Dict({}), parameters=orm.Dict({"INPUTEPW": unwritten}))
    epw_inputs["parameters"] = orm.Dict({"INPUTEPW": keywords | {"ngaussw": 1}})
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match="wanted ngaussw = 0"):
        _prepare(epw_inputs, folder)


def test_wannier_functions_that_do_not_fit(epw_inputs: dict[str, Any]) -> None:
    def refused(message: str, **inputs: Any) -> None:
        with SandboxFolder() as folder, pytest.raises(InputValidationError, match=message):
            _prepare(epw_inputs | inputs, folder)

    other_window = _made_by(_wannierise(epw_inputs, dis_froz_max=9.0))
    refused("dis_froz_max = 9.0, now 9.9", wannier_folder=other_window)
    other_phases = orm.RemoteData(computer=epw_inputs["nscf_folder"].computer, remote_path="/scratch/nscf2").store()
    refused("was made from /scratch/nscf, nscf_folder is /scratch/nscf2", nscf_folder=other_phases,
            wannier_folder=_made_by(_wannierise(epw_inputs)))  # fmt: skip
    refused("unknown", wannier_folder=epw_inputs["nscf_folder"])


def test_scdm_needs_no_projections(epw_inputs: dict[str, Any], epw_keywords: dict[str, Any]) -> None:
    keywords = {key: value for key, value in epw_keywords.items() if key != "proj"}
    scdm = {
        "auto_projections": True,
        "scdm_proj": True,
        "scdm_entanglement": "erfc",
        "scdm_mu": 10.0,
        "scdm_sigma": 2.0,
    }
    epw_inputs["parameters"] = orm.Dict({"INPUTEPW": keywords | scdm})
    with SandboxFolder() as folder:
        _prepare(epw_inputs, folder)
        text = Path(folder.abspath, "aiida.in").read_text()
    assert "scdm_entanglement = 'erfc'" in text and "proj(" not in text.replace("auto_projections", "")


def test_the_input_is_written_for_the_version_at_hand(epw_inputs: dict[str, Any]) -> None:
    """Given, else what set-up saw of the code, else what the earlier run printed, else 5.3.1."""

    def written(**inputs: Any) -> str:
        with SandboxFolder() as folder:
            _prepare(epw_inputs | inputs, folder)
            return Path(folder.abspath, "aiida.in").read_text()

    assert "eps_acoustic" not in written()
    epw_inputs["code"].base.extras.set(VERSION_EXTRA, "6.0")
    assert "eps_acoustic = 5.0" in written()
    assert "eps_acoustic" not in written(settings=orm.Dict({"epw_version": "5.7"}))
    epw_inputs["code"].base.extras.delete(VERSION_EXTRA)
    assert "eps_acoustic = 5.0" in written(wannier_folder=_made_by(_wannierise(epw_inputs), "6.0"))


def test_a_restart_on_another_version_is_refused(epw_inputs: dict[str, Any]) -> None:
    folder_of_6 = _made_by(epw_inputs, "6.0")
    inputs = {key: value for key, value in epw_inputs.items() if key not in ("nscf_folder", "ph_folders")}
    inputs |= {"epw_folder": folder_of_6}
    with SandboxFolder() as folder:
        info = _prepare(inputs, folder)
        assert "kmaps" not in Path(folder.abspath, "aiida.in").read_text()
    assert "wigner.fmt" in {target for _, _, target in info.remote_symlink_list}
    inputs["settings"] = orm.Dict({"epw_version": "5.3.1"})
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match=r"epw_version = 6\.0, now 5\.3\.1"):
        _prepare(inputs, folder)


def test_a_restart_with_other_cells_of_interpolation_is_refused(epw_inputs: dict[str, Any]) -> None:
    """The stored matrix elements belong to the lattice vectors that use_ws chose; left out it is .false. for epw.x."""
    inputs = {key: value for key, value in epw_inputs.items() if key not in ("nscf_folder", "ph_folders")}
    inputs |= {"epw_folder": _made_by(epw_inputs, "5.3.1")}
    keywords = epw_inputs["parameters"]["INPUTEPW"]
    for use_ws, same in ((False, True), (None, True), (True, False)):
        changed = {key: value for key, value in keywords.items() if key != "use_ws"}
        changed |= {} if use_ws is None else {"use_ws": use_ws}
        inputs["parameters"] = orm.Dict({"INPUTEPW": changed})
        with SandboxFolder() as folder:
            if same:
                _prepare(inputs, folder)
            else:
                with pytest.raises(InputValidationError, match="use_ws = False, now True"):
                    _prepare(inputs, folder)


def _pw_inputs(code: orm.Code, structure: orm.StructureData, upf: Path, calculation: str) -> dict[str, Any]:
    system = {"ecutwfc": 15.0, "occupations": "smearing", "smearing": "mp", "degauss": 0.02}
    electrons: dict[str, Any] = {"conv_thr": 1e-10}
    kpoints = orm.KpointsData()
    if calculation == "nscf":
        system["nbnd"] = 12
        electrons["diago_full_acc"] = True
        kpoints.set_kpoints(full_kpoint_list((4, 4, 4)), weights=[1 / 64] * 64)
    else:
        kpoints.set_kpoints_mesh([8, 8, 8])
    pseudo = DataFactory("pseudo.upf")(upf)
    return {
        "code": code,
        "structure": structure,
        "pseudos": {"Al": pseudo},
        "kpoints": kpoints,
        "parameters": orm.Dict({"CONTROL": {"calculation": calculation}, "SYSTEM": system, "ELECTRONS": electrons}),
        "metadata": {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}},
    }


def _two_steps_give_the_same(
    inputs: dict[str, Any], epw_keywords: dict[str, Any], whole: Any, nscf: orm.RemoteData, phonons: orm.RemoteData
) -> None:
    """Wannierise, look at the bands, then the matrix elements: alpha2F is that of one run, digit for digit."""
    keywords = epw_keywords | {"elph": False, "eliashberg": False, "ephwrite": False}
    path = bands_wdata([("G", (0, 0, 0)), ("X", (0.5, 0, 0.5))], 10)
    keywords["wdata"] = [*epw_keywords["wdata"], *path]
    outputs, node = run_get_node(
        EpwCalculation, parameters=orm.Dict({"INPUTEPW": keywords}), nscf_folder=nscf, **inputs
    )
    assert node.is_finished_ok, node.exit_message
    assert outputs["wannier_bands"].get_array("energies_ev").shape == (11, 4)
    second, node = run_get_node(
        EpwCalculation,
        parameters=orm.Dict({"INPUTEPW": epw_keywords}),
        nscf_folder=nscf,
        ph_folders={f"q_{index}": phonons for index in (1, 2, 3)},
        wannier_folder=outputs["remote_folder"],
        **inputs,
    )
    assert node.is_finished_ok, node.exit_message
    assert second["alpha2f"].get_array("alpha2f").tolist() == whole["alpha2f"].get_array("alpha2f").tolist()
    assert {"H_magnitude", "epmate_magnitude"} < set(second["decay"].get_arraynames())


@pytest.mark.engine
def test_fcc_aluminium_from_pw_to_alpha2f_and_restart(
    aiida_profile: Any,
    aiida_localhost: orm.Computer,
    aiida_code_installed: Any,
    aluminium: orm.StructureData,
    epw_keywords: dict[str, Any],
    require_executable: Callable[[str], Path],
    debian_pseudos: Path,
) -> None:
    """All q-points of one ph.x job; then another fine mesh from the stored matrix elements; then a refused restart."""
    aiida_localhost.set_minimum_job_poll_interval(0.5)
    aiida_localhost.configure(safe_interval=0, use_login_shell=False)

    def code(name: str, plugin: str) -> orm.Code:
        return aiida_code_installed(
            label=name, default_calc_job_plugin=plugin, filepath_executable=str(require_executable(f"{name}.x"))
        )

    pw, ph, epw = code("pw", "quantumespresso.pw"), code("ph", "quantumespresso.ph"), code("epw", "hts.epw")
    pw_class, ph_class = CalculationFactory("quantumespresso.pw"), CalculationFactory("quantumespresso.ph")
    upf = debian_pseudos / "Al.pz-vbc.UPF"
    options = {"options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}}
    scf_outputs, scf = run_get_node(pw_class, **_pw_inputs(pw, aluminium, upf, "scf"))
    assert scf.is_finished_ok, scf.exit_message
    qpoints = orm.KpointsData()
    qpoints.set_kpoints_mesh([2, 2, 2])
    ph_outputs, phonons = run_get_node(
        ph_class,
        code=ph,
        parent_folder=scf_outputs["remote_folder"],
        qpoints=qpoints,
        parameters=orm.Dict({"INPUTPH": {"tr2_ph": 1e-12}}),
        settings=orm.Dict({"PREPARE_FOR_EPW": True}),
        metadata=options,
    )
    assert phonons.is_finished_ok, phonons.exit_message
    nscf_outputs, nscf = run_get_node(
        pw_class, parent_folder=scf_outputs["remote_folder"], **_pw_inputs(pw, aluminium, upf, "nscf")
    )
    assert nscf.is_finished_ok, nscf.exit_message
    inputs = {"code": epw, "structure": aluminium, "metadata": options}
    first_outputs, first = run_get_node(
        EpwCalculation,
        parameters=orm.Dict({"INPUTEPW": epw_keywords}),
        nscf_folder=nscf_outputs["remote_folder"],
        ph_folders={f"q_{index}": ph_outputs["remote_folder"] for index in (1, 2, 3)},
        **inputs,
    )
    assert first.is_finished_ok, first.exit_message
    # The run by hand gave 0.42777 with the same settings but for nbnd = 16.
    assert first_outputs["output_parameters"]["lambda"] == pytest.approx(0.4278, abs=0.02)
    assert first_outputs["output_parameters"]["number_of_irreducible_qpoints"] == 3
    _two_steps_give_the_same(
        inputs, epw_keywords, first_outputs, nscf_outputs["remote_folder"], ph_outputs["remote_folder"]
    )
    finer = epw_keywords | {"nkf1": 12, "nkf2": 12, "nkf3": 12}
    second_outputs, second = run_get_node(
        EpwCalculation,
        parameters=orm.Dict({"INPUTEPW": finer}),
        epw_folder=first_outputs["remote_folder"],
        **inputs,
    )
    assert second.is_finished_ok, second.exit_message
    assert second_outputs["output_parameters"]["fine_kmesh"] == [12, 12, 12]
    assert second_outputs["alpha2f"].get_array("lambda")[0] == pytest.approx(
        second_outputs["output_parameters"]["lambda"], abs=1e-3
    )
    restart = inputs | {
        "parameters": orm.Dict({"INPUTEPW": finer | {"nbndsub": 9, "proj": ["Al:s;p;d"]}}),
        "epw_folder": first_outputs["remote_folder"],
    }
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match="nbndsub"):
        _prepare(restart, folder)


def test_a_failed_run_is_never_served_from_the_cache() -> None:
    """What was interrupted may go well the next time; only what the physics forbids fails again for sure."""
    codes = EpwCalculation.exit_codes
    interrupted = (codes.ERROR_OUTPUT_STDOUT_MISSING, codes.ERROR_OUTPUT_STDOUT_INCOMPLETE, codes.ERROR_DISK_FULL)
    assert all(code.invalidates_cache for code in interrupted)
    assert not codes.ERROR_DISENTANGLEMENT_WINDOW.invalidates_cache
