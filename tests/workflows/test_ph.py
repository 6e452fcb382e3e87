"""PhQPointCalculation and its parser: recorded outputs of ph.x 6.7, and real runs that stop, fail and go on."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common import LinkType
from aiida.common.exceptions import InputValidationError
from aiida.common.folders import SandboxFolder
from aiida.engine import run_get_node
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import CalculationFactory, DataFactory
from aiida_quantumespresso.calculations.ph import PhCalculation

from hts.dynmat import read_dynamical_matrix
from tests.parsing import parse_folder
from workflows.calculations.ph import PhQPointCalculation
from workflows.parsers.ph import PhQPointParser

DATA = Path(__file__).parents[1] / "data" / "ph"
# Exit status of the recorded runs of fcc Al at q 2, which is L; the last one as a restart.
STATUS = {
    "success": 0, "out_of_walltime": 400, "out_of_walltime_in_bands": 400, "not_converged": 410, "disk_full": 306,
}  # fmt: skip
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}


@pytest.fixture
def parse(aiida_profile: Any, aiida_localhost: orm.Computer) -> Callable[..., Any]:
    """Return a function that runs the parser on a folder of files."""

    def run(folder: Path, status: int | None = None, restarted: bool = False, index: int = 2) -> tuple[Any, int]:
        node = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:hts.ph")
        node.set_option("output_filename", "aiida.out")
        node.base.links.add_incoming(orm.Int(index).store(), LinkType.INPUT_CALC, "qpoint_index")
        if restarted:
            previous = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/before").store()
            node.base.links.add_incoming(previous, LinkType.INPUT_CALC, "restart_folder")
        return parse_folder(PhQPointParser, node, folder, status)

    return run


@pytest.mark.parametrize(("case", "status"), STATUS.items())
def test_every_recorded_run_has_its_exit_code(parse: Callable[..., Any], case: str, status: int) -> None:
    parser, found = parse(DATA / case)
    assert found == status
    assert ("output_parameters" in parser.outputs) == (status == 0)


def test_what_a_whole_run_says(parse: Callable[..., Any]) -> None:
    content = parse(DATA / "success")[0].outputs["output_parameters"].get_dict()
    assert content["qpoint_index"] == 2
    assert content["qpoint_mesh"] == [2, 2, 2]
    assert (content["number_of_qpoints"], content["star_size"]) == (3, 4)
    assert content["frequencies_cm1"] == pytest.approx([154.951929, 154.951929, 334.722120], abs=1e-3)
    assert content["frequencies_cm1"] == pytest.approx(content["printed_frequencies_cm1"], abs=1e-3)
    assert content["translations_cm1"] == []
    assert content["code_version"] == "6.7MaX"
    assert content["wall_time_seconds"] == pytest.approx(1.03, abs=0.5)


def test_refused_recover_files(parse: Callable[..., Any]) -> None:
    """Files of another q-point: ph.x gives up before its first iteration, exits with 1, and prints JOB DONE."""
    assert "JOB DONE" in (DATA / "stale_recover" / "aiida.out").read_text()
    assert parse(DATA / "stale_recover", restarted=True, index=3)[1] == 411
    assert parse(DATA / "stale_recover", index=3)[1] == 410
    assert parse(DATA / "not_converged", restarted=True)[1] == 410
    # Files that a restart can't read look like a full disk; run afresh, a full disk says so again.
    assert parse(DATA / "disk_full", restarted=True)[1] == 411


@pytest.mark.parametrize("status", [100, 110, 120, 140])
@pytest.mark.parametrize("case", ["success", "not_converged"])
def test_the_schedulers_reason_is_kept(parse: Callable[..., Any], case: str, status: int) -> None:
    assert parse(DATA / case, status=status)[1] == status


def copied(case: str, folder: Path) -> Path:
    shutil.copytree(DATA / case, folder, dirs_exist_ok=True)
    return folder


def test_missing_and_damaged_files(parse: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert parse(tmp_path / "empty")[1] == 302
    for index, (name, text) in enumerate(
        [
            ("dynamical-matrix-2", None),
            ("dynamical-matrix-2", ""),
            ("dynamical-matrix-2", "\x00" * 4096),
            ("dynamical-matrix-0", None),
            ("dynamical-matrix-0", "2 2 2\n"),
        ]
    ):
        path = copied("success", tmp_path / str(index)) / "DYN_MAT" / name
        path.unlink() if text is None else path.write_text(text)
        parser, status = parse(tmp_path / str(index))
        assert status == 304
        assert "output_parameters" not in parser.outputs


def test_the_matrix_of_another_qpoint_is_refused(parse: Callable[..., Any], tmp_path: Path) -> None:
    """A mix-up of files would put the modes of X where those of L belong."""
    folder = copied("success", tmp_path) / "DYN_MAT"
    (folder / "dynamical-matrix-2").write_text((DATA / "al_ibrav0" / "dyn3").read_text())
    assert parse(tmp_path)[1] == 304


def test_an_output_cut_anywhere_is_no_success(parse: Callable[..., Any], tmp_path: Path) -> None:
    folder = copied("success", tmp_path)
    text = (folder / "aiida.out").read_text()
    for percent in range(0, 99, 24):
        (folder / "aiida.out").write_text(text[: len(text) * percent // 100])
        assert parse(folder)[1] == 312
    (folder / "aiida.out").write_bytes(b"\xff\xfe" + text[: len(text) // 2].encode())
    assert parse(folder)[1] == 312


@pytest.fixture
def ph_inputs(aiida_profile: Any, aiida_localhost: orm.Computer, aiida_code_installed: Any) -> dict[str, Any]:
    """Return inputs of a q-point behind a pw.x run that nothing is read from at this stage."""
    parent = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:quantumespresso.pw").store()
    folder = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/scf")
    folder.base.links.add_incoming(parent, LinkType.CREATE, "remote_folder")
    folder.store()
    return {
        "code": aiida_code_installed(default_calc_job_plugin="hts.ph", filepath_executable="/usr/bin/ph.x"),
        "parent_folder": folder,
        "qpoints": qmesh(),
        "qpoint_index": orm.Int(2),
        "parameters": orm.Dict({"INPUTPH": {"tr2_ph": 1e-12}}),
        "metadata": {"options": OPTIONS},
    }


def qmesh() -> orm.KpointsData:
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([2, 2, 2])
    return kpoints


def prepare(inputs: dict[str, Any], folder: SandboxFolder) -> Any:
    process: Any = instantiate_process(get_manager().get_runner(), PhQPointCalculation, **inputs)
    return process.prepare_for_submission(folder)


def test_input_and_links(ph_inputs: dict[str, Any]) -> None:
    with SandboxFolder() as folder:
        info = prepare(ph_inputs, folder)
        text = Path(folder.abspath, "aiida.in").read_text()
    assert text.startswith("&INPUTPH\n") and text.rstrip().endswith("/")
    for line in ("start_q = 2", "last_q = 2", "fildvscf = 'dvscf'", "recover = .false.", "nq1 = 2", "ldisp = .true."):
        assert line in text
    assert info.remote_copy_list == []
    links = {target: source for _, source, target in info.remote_symlink_list}
    assert links == {
        "out/aiida.save": "/scratch/scf/out/aiida.save", "out/aiida.xml": "/scratch/scf/out/aiida.xml"
    }  # fmt: skip


@pytest.mark.parametrize(("index", "own"), [(1, "out/_ph0"), (2, "out/_ph0/aiida.q_2"), (11, "out/_ph0/aiida.q_11")])
def test_a_restart_takes_finished_irreps_only(ph_inputs: dict[str, Any], index: int, own: str) -> None:
    """Neither recover files nor the bands at k+q: with them ph.x 6.7 goes on to wrong frequencies."""
    previous = orm.RemoteData(computer=ph_inputs["parent_folder"].computer, remote_path="/scratch/before").store()
    inputs = ph_inputs | {"qpoint_index": orm.Int(index), "restart_folder": previous}
    with SandboxFolder() as folder:
        info = prepare(inputs, folder)
        assert "recover = .true." in Path(folder.abspath, "aiida.in").read_text()
        assert Path(folder.abspath, own).is_dir()
    copies = {target: source for _, source, target in info.remote_copy_list}
    assert copies == {
        "out/_ph0/aiida.phsave": "/scratch/before/out/_ph0/aiida.phsave",
        f"{own}/aiida.dvscf1": f"/scratch/before/{own}/aiida.dvscf1",
    }


@pytest.mark.parametrize("keyword", ["start_q", "last_q", "recover", "fildvscf", "outdir", "nq1"])
def test_the_plugins_keywords_are_blocked(ph_inputs: dict[str, Any], keyword: str) -> None:
    inputs = ph_inputs | {"parameters": orm.Dict({"INPUTPH": {keyword: 1}})}
    with SandboxFolder() as folder, pytest.raises(InputValidationError, match=keyword):
        prepare(inputs, folder)


def test_blocked_keywords_do_not_grow_in_a_long_lived_worker(ph_inputs: dict[str, Any]) -> None:
    classes: tuple[Any, Any] = (PhCalculation, PhQPointCalculation)
    before = list(classes[0]._blocked_keywords)
    for _ in range(3):
        with SandboxFolder() as folder:
            prepare(ph_inputs | {"settings": orm.Dict({"PREPARE_FOR_EPW": True})}, folder)
    assert [each._blocked_keywords for each in classes] == [before, before]


@pytest.fixture(scope="module")
def scratch_computer(aiida_profile: Any, tmp_path_factory: pytest.TempPathFactory) -> orm.Computer:
    """Return a computer that this module's runs of real codes share."""
    computer = orm.Computer(
        label="ph-tests",
        hostname="localhost",
        transport_type="core.local",
        scheduler_type="core.direct",
        workdir=str(tmp_path_factory.mktemp("scratch")),
    ).store()
    computer.set_minimum_job_poll_interval(0.5)
    computer.set_default_mpiprocs_per_machine(1)
    computer.configure(safe_interval=0, use_login_shell=False)
    return computer


@pytest.fixture(scope="module")
def aluminium_scf(
    scratch_computer: orm.Computer, require_executable: Callable[[str], Path], debian_pseudos: Path
) -> orm.RemoteData:
    """Run the scf of fcc Al (LDA, 15 Ry, k 8x8x8: so that ph.x takes long enough to be stopped); return its scratch."""
    edge = 3.944 / 2
    structure = orm.StructureData(cell=[[0, edge, edge], [edge, 0, edge], [edge, edge, 0]])
    structure.append_atom(position=(0, 0, 0), symbols="Al", mass=26.98)
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([8, 8, 8])
    system = {"ecutwfc": 15.0, "occupations": "smearing", "smearing": "mp", "degauss": 0.02}
    pw_class: Any = CalculationFactory("quantumespresso.pw")
    outputs, node = run_get_node(
        pw_class,
        code=orm.InstalledCode(scratch_computer, str(require_executable("pw.x")), label="pw").store(),
        structure=structure,
        pseudos={"Al": DataFactory("pseudo.upf")(debian_pseudos / "Al.pz-vbc.UPF")},
        kpoints=kpoints,
        parameters=orm.Dict({"CONTROL": {"calculation": "scf"}, "SYSTEM": system, "ELECTRONS": {"conv_thr": 1e-10}}),
        metadata={"options": OPTIONS},
    )
    assert node.is_finished_ok, node.exit_message
    return outputs["remote_folder"]


@pytest.fixture(scope="module")
def run_ph(
    scratch_computer: orm.Computer, aluminium_scf: orm.RemoteData, require_executable: Callable[[str], Path]
) -> Callable[..., orm.CalcJobNode]:
    """Return a function that runs ph.x for one q-point of fcc Al."""
    code = orm.InstalledCode(scratch_computer, str(require_executable("ph.x")), label="ph").store()

    def run(index: int, restart: orm.RemoteData | None = None, **keywords: Any) -> orm.CalcJobNode:
        inputs: dict[str, Any] = {} if restart is None else {"restart_folder": restart}
        _, node = run_get_node(
            PhQPointCalculation,
            code=code,
            parent_folder=aluminium_scf,
            qpoints=qmesh(),
            qpoint_index=orm.Int(index),
            parameters=orm.Dict({"INPUTPH": {"tr2_ph": 1e-14, "alpha_mix(1)": 0.7, **keywords}}),
            metadata={"options": OPTIONS},
            **inputs,
        )
        assert isinstance(node, orm.CalcJobNode)
        return node

    return run


def checksums(folder: orm.RemoteData) -> dict[str, str]:
    root = Path(folder.get_remote_path())
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in files
    }


def dvscf(node: orm.CalcJobNode, index: int) -> np.ndarray:
    own = "_ph0" if index == 1 else f"_ph0/aiida.q_{index}"
    return np.fromfile(Path(node.outputs.remote_folder.get_remote_path(), "out", own, "aiida.dvscf1"))


@pytest.mark.engine
def test_two_qpoints_beside_each_other(aluminium_scf: orm.RemoteData, run_ph: Callable[..., orm.CalcJobNode]) -> None:
    """Each on its own scratch; the scf that they share is only read."""
    before = checksums(aluminium_scf)
    gamma, zone_boundary = run_ph(1), run_ph(2)
    assert (gamma.exit_status, zone_boundary.exit_status) == (0, 0)
    assert checksums(aluminium_scf) == before
    at_gamma, at_l = gamma.outputs.output_parameters, zone_boundary.outputs.output_parameters
    assert at_gamma["frequencies_cm1"] == []
    assert at_gamma["translations_cm1"] == pytest.approx([1.7] * 3, abs=1.0)
    # The same by hand: pw.x and ph.x with CELL_PARAMETERS.
    recorded = read_dynamical_matrix((DATA / "al_ibrav0" / "dyn2").read_text())
    assert at_l["frequencies_cm1"] == pytest.approx(recorded.printed_frequencies_cm1, abs=0.1)
    assert at_l["qpoint_2pi_over_a"] == pytest.approx(recorded.qpoint_2pi_over_a)
    assert (at_l["star_size"], at_l["number_of_qpoints"], at_l["code_version"]) == (4, 3, "6.7MaX")
    assert dvscf(gamma, 1).size and dvscf(zone_boundary, 2).size


@pytest.mark.engine
def test_a_run_stopped_at_its_walltime_goes_on_to_the_same_answer(run_ph: Callable[..., orm.CalcJobNode]) -> None:
    """Wherever it stopped; ph.x's own recovery ends at 47 or 404 instead of 155 cm-1 here, and says JOB DONE."""
    whole = run_ph(2)
    wanted = whole.outputs.output_parameters["frequencies_cm1"]
    wall_seconds = whole.outputs.output_parameters["wall_time_seconds"]
    # 0.1 s is the least that ph.x accepts: it stops before its first iteration. The others stop it within one, as far
    # into the run as this machine lets them.
    early = run_ph(2, max_seconds=0.1)
    halfway = next(
        node
        for share in (0.7, 0.55, 0.4, 0.25)
        if (node := run_ph(2, max_seconds=max(share * wall_seconds, 0.1))).exit_status != 0
    )
    for stopped in (early, halfway):
        assert stopped.exit_status == 400
        continued = run_ph(2, restart=stopped.outputs.remote_folder)
        assert continued.exit_status == 0, continued.exit_message
        assert continued.outputs.output_parameters["frequencies_cm1"] == pytest.approx(wanted, abs=0.01)
        assert dvscf(continued, 2) == pytest.approx(dvscf(whole, 2), abs=1e-4)


@pytest.mark.engine
def test_recover_files_of_another_qpoint_and_no_convergence(run_ph: Callable[..., orm.CalcJobNode]) -> None:
    unconverged = run_ph(2, niter_ph=1)
    assert unconverged.exit_status == 410
    assert "output_parameters" not in unconverged.outputs
    other = run_ph(3, restart=unconverged.outputs.remote_folder)
    assert other.exit_status == 411
    assert "output_parameters" not in other.outputs
