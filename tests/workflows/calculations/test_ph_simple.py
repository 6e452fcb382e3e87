"""PhSimpleCalculation: input checks, and the real ph.x on fcc Al."""

import hashlib
import shutil
import subprocess
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

from hts.simple_coupling import total_lambda
from hts.simple_output import SimpleCoupling, parse_simple
from workflows.calculations.ph import PhQPointCalculation
from workflows.calculations.ph_simple import PhSimpleCalculation

DATA = Path(__file__).parents[2] / "data" / "ph_simple"
OPTIONS = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1}, "withmpi": False}


@pytest.fixture
def inputs(aiida_profile: Any, aiida_localhost: orm.Computer, aiida_code_installed: Any) -> dict[str, Any]:
    """Return inputs of a q-point behind runs that nothing is read from at this stage."""
    scf = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/scf").store()
    creator = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:hts.ph")
    for label, node in (("qpoints", qmesh(2)), ("qpoint_index", orm.Int(2)), ("parent_folder", scf)):
        creator.base.links.add_incoming(node.store(), LinkType.INPUT_CALC, label)
    creator.store()
    ph = orm.RemoteData(computer=aiida_localhost, remote_path="/scratch/ph")
    ph.base.links.add_incoming(creator, LinkType.CREATE, "remote_folder")
    ph.store()
    return {
        "code": aiida_code_installed(default_calc_job_plugin="hts.ph_simple", filepath_executable="/usr/bin/ph.x"),
        "scf_folder": scf,
        "ph_folder": ph,
        "qpoints": qmesh(2),
        "qpoint_index": orm.Int(2),
        "metadata": {"options": OPTIONS},
    }


def qmesh(count: int, offset: float = 0.0) -> orm.KpointsData:
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([count] * 3, offset=[offset] * 3)
    return kpoints


def prepare(inputs: dict[str, Any], folder: SandboxFolder) -> Any:
    process: Any = instantiate_process(get_manager().get_runner(), PhSimpleCalculation, **inputs)
    return process.prepare_for_submission(folder)


def test_input_links_and_copies(inputs: dict[str, Any]) -> None:
    """What is only read is linked; what ph.x may write is copied."""
    with SandboxFolder() as folder:
        info = prepare(inputs, folder)
        text = Path(folder.abspath, "aiida.in").read_text()
    assert text.startswith("&INPUTPH\n") and text.endswith("/\n")
    for line in (
        "start_q = 2", "last_q = 2", "fildvscf = 'dvscf'", "recover = .false.", "nq1 = 2", "ldisp = .true.",
        "trans = .false.", "electron_phonon = 'simple'", "el_ph_nsigma = 10",
    ):  # fmt: skip
        assert f"  {line}\n" in text
    assert "el_ph_sigma =   1.0000000000d-02" in text
    assert {target: source for _, source, target in info.remote_symlink_list} == {
        "out/aiida.save": "/scratch/scf/out/aiida.save",
        "out/aiida.xml": "/scratch/scf/out/aiida.xml",
        "out/_ph0/aiida.q_2/aiida.dvscf1": "/scratch/ph/out/_ph0/aiida.q_2/aiida.dvscf1",
    }
    assert {target: source for _, source, target in info.remote_copy_list} == {
        "DYN_MAT/dynamical-matrix-2": "/scratch/ph/DYN_MAT/dynamical-matrix-2",
        "out/_ph0/aiida.phsave": "/scratch/ph/out/_ph0/aiida.phsave",
    }


def test_the_dvscf_of_gamma_lies_elsewhere(inputs: dict[str, Any]) -> None:
    folder_of_gamma = orm.RemoteData(computer=inputs["scf_folder"].computer, remote_path="/scratch/gamma").store()
    with SandboxFolder() as folder:
        info = prepare(inputs | {"qpoint_index": orm.Int(1), "ph_folder": folder_of_gamma}, folder)
    links = {target: source for _, source, target in info.remote_symlink_list}
    assert links["out/_ph0/aiida.dvscf1"] == "/scratch/gamma/out/_ph0/aiida.dvscf1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qpoint_index": 3}, "is of q-point 2, qpoint_index says 3"),
        ({"qpoints": 3}, r"q-mesh \[2, 2, 2\], qpoints says \[3, 3, 3\]"),
        ({"scf_folder": "/scratch/other"}, "behind the scf in /scratch/scf, scf_folder is /scratch/other"),
        ({"parameters": {"INPUT": {}}}, "wanted the one namelist INPUTPH"),
        ({"parameters": {"INPUTPH": {"trans": True}}}, "parameters sets trans"),
        ({"parameters": {"INPUTPH": {"el_ph_sigma": -0.01}}}, "el_ph_sigma = -0.01, wanted a positive float"),
        ({"parameters": {"INPUTPH": {"el_ph_nsigma": 2.5}}}, "el_ph_nsigma = 2.5, wanted a positive int"),
        ({"parameters": {"INPUTPH": {"el_ph_ngauss": -1}}}, "el_ph_ngauss = -1, wanted 0 or a positive int"),
    ],
)
def test_what_does_not_belong_together_is_refused(inputs: dict[str, Any], change: dict[str, Any], message: str) -> None:
    """ph.x takes the dynamical matrix of another q-point without a word, and gives another lambda."""
    make: dict[str, Callable[[Any], orm.Data]] = {
        "qpoint_index": orm.Int,
        "qpoints": qmesh,
        "scf_folder": lambda path: orm.RemoteData(computer=inputs["scf_folder"].computer, remote_path=path),
        "parameters": orm.Dict,
    }
    changed = {key: make[key](value) for key, value in change.items()}
    with SandboxFolder() as folder, pytest.raises(ValueError, match=message):
        prepare(inputs | changed, folder)


def test_a_shifted_mesh_or_a_list_is_refused(inputs: dict[str, Any]) -> None:
    unknown = orm.RemoteData(computer=inputs["scf_folder"].computer, remote_path="/scratch/unknown").store()
    points = orm.KpointsData()
    points.set_kpoints([[0.0, 0.0, 0.0]])
    for qpoints, message in ((qmesh(2, 0.5), "through Gamma"), (points, "is a list")):
        with SandboxFolder() as folder, pytest.raises(InputValidationError, match=message):
            prepare(inputs | {"ph_folder": unknown, "qpoints": qpoints}, folder)


def checksums(folder: orm.RemoteData) -> dict[str, str]:
    root = Path(folder.get_remote_path())
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(root)): hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in files
    }


@pytest.fixture(scope="module")
def scratch_computer(aiida_profile: Any, tmp_path_factory: pytest.TempPathFactory) -> orm.Computer:
    """Return a computer that this module's runs of real codes share."""
    computer = orm.Computer(
        label="ph-simple-tests",
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
def ph_code(scratch_computer: orm.Computer, require_executable: Callable[[str], Path]) -> orm.InstalledCode:
    """Return ph.x, for both plugins."""
    return orm.InstalledCode(scratch_computer, str(require_executable("ph.x")), label="ph").store()


@pytest.fixture(scope="module")
def aluminium_scf(
    scratch_computer: orm.Computer,
    aluminium: orm.StructureData,
    require_executable: Callable[[str], Path],
    debian_pseudos: Path,
) -> orm.RemoteData:
    """Run the scf of the recorded cases (fcc Al, LDA, 15 Ry, k 8x8x8); return its scratch."""
    kpoints = orm.KpointsData()
    kpoints.set_kpoints_mesh([8, 8, 8])
    system = {"ecutwfc": 15.0, "occupations": "smearing", "smearing": "mp", "degauss": 0.02}
    pw_class: Any = CalculationFactory("quantumespresso.pw")
    outputs, node = run_get_node(
        pw_class,
        code=orm.InstalledCode(scratch_computer, str(require_executable("pw.x")), label="pw").store(),
        structure=aluminium,
        pseudos={"Al": DataFactory("pseudo.upf")(debian_pseudos / "Al.pz-vbc.UPF")},
        kpoints=kpoints,
        parameters=orm.Dict({"CONTROL": {"calculation": "scf"}, "SYSTEM": system, "ELECTRONS": {"conv_thr": 1e-10}}),
        metadata={"options": OPTIONS},
    )
    assert node.is_finished_ok, node.exit_message
    return outputs["remote_folder"]


@pytest.fixture(scope="module")
def simple_jobs(aluminium_scf: orm.RemoteData, ph_code: orm.InstalledCode) -> list[orm.CalcJobNode]:
    """Run ph.x for each q-point of 2x2x2, and then this plugin, which must leave those folders as they are."""
    folders = {0: aluminium_scf}
    for index in (1, 2, 3):
        outputs, node = run_get_node(
            PhQPointCalculation,
            code=ph_code,
            parent_folder=aluminium_scf,
            qpoints=qmesh(2),
            qpoint_index=orm.Int(index),
            parameters=orm.Dict({"INPUTPH": {"tr2_ph": 1e-14, "alpha_mix(1)": 0.7}}),
            metadata={"options": OPTIONS},
        )
        assert node.is_finished_ok, node.exit_message
        folders[index] = outputs["remote_folder"]
    before = {index: checksums(folder) for index, folder in folders.items()}
    assert all(before.values())
    jobs = []
    for index in (1, 2, 3):
        _, node = run_get_node(
            PhSimpleCalculation,
            code=ph_code,
            scf_folder=aluminium_scf,
            ph_folder=folders[index],
            qpoints=folders[index].creator.inputs.qpoints,
            qpoint_index=orm.Int(index),
            metadata={"options": OPTIONS},
        )
        assert node.is_finished_ok, node.exit_message
        jobs.append(node)
    assert {index: checksums(folder) for index, folder in folders.items()} == before
    return jobs


@pytest.mark.engine
def test_the_real_code_gives_what_was_recorded(simple_jobs: list[orm.CalcJobNode]) -> None:
    qpoints = [SimpleCoupling.from_dict(node.outputs.output_parameters.get_dict()) for node in simple_jobs]
    assert [len(qpoint.translations) for qpoint in qpoints] == [3, 0, 0]
    recorded = parse_simple((DATA / "al_all" / "aiida.out").read_text())
    for found, wanted in zip(qpoints[1:], recorded[1:], strict=True):
        assert found.frequencies_cm1 == pytest.approx(wanted.frequencies_cm1, abs=0.1)
        # Where enough k-points lie within sigma of E_F the numbers don't hang on rounding.
        assert found.lambda_[3:] == pytest.approx(wanted.lambda_[3:], rel=0.02, abs=2e-3)
    totals = [total_lambda(each, [1 / 8, 4 / 8, 3 / 8]) for each in (qpoints, recorded)]
    for sigma_ry, lambda_ in totals[0].lambda_by_sigma().items():
        if sigma_ry > 0.035:
            assert lambda_ == pytest.approx(totals[1].lambda_by_sigma()[sigma_ry], rel=0.01)


@pytest.mark.engine
def test_the_sum_over_jobs_is_that_of_one_run(
    simple_jobs: list[orm.CalcJobNode], ph_code: orm.InstalledCode, tmp_path: Path
) -> None:
    """One ph.x over all three q-points, on the same files, prints the same numbers to the last digit."""
    out = tmp_path / "out"
    (tmp_path / "DYN_MAT").mkdir()
    for job in simple_jobs:
        scf, ph = (Path(job.inputs[name].get_remote_path()) for name in ("scf_folder", "ph_folder"))
        shutil.copytree(ph / "out" / "_ph0", out / "_ph0", dirs_exist_ok=True)
        matrix = f"DYN_MAT/dynamical-matrix-{job.inputs.qpoint_index.value}"
        shutil.copy(ph / matrix, tmp_path / matrix)
    for name in ("aiida.save", "aiida.xml"):
        (out / name).symlink_to(scf / "out" / name)
    lines = simple_jobs[0].base.repository.get_object_content("aiida.in").splitlines()
    text = "\n".join(line for line in lines if not line.strip().startswith(("start_q", "last_q")))
    run = subprocess.run(
        [str(ph_code.filepath_executable)], cwd=tmp_path, input=text, capture_output=True, text=True, check=True
    )
    together = parse_simple(run.stdout)
    assert len(together) == 3
    for job, one in zip(simple_jobs, together, strict=True):
        alone = SimpleCoupling.from_dict(job.outputs.output_parameters.get_dict())
        assert alone.qpoint_2pi_over_a == pytest.approx(one.qpoint_2pi_over_a, abs=1e-9)
        for key in ("frequencies_cm1", "fermi_ev", "dos_ef", "lambda_", "gamma_ghz"):
            assert np.array_equal(getattr(alone, key), getattr(one, key)), key


@pytest.mark.engine
def test_emptied_scratch_is_no_success(
    simple_jobs: list[orm.CalcJobNode], ph_code: orm.InstalledCode, tmp_path: Path
) -> None:
    inputs = simple_jobs[1].inputs
    _, node = run_get_node(
        PhSimpleCalculation,
        code=ph_code,
        scf_folder=inputs.scf_folder,
        ph_folder=orm.RemoteData(computer=inputs.scf_folder.computer, remote_path=str(tmp_path)),
        qpoints=inputs.qpoints,
        qpoint_index=inputs.qpoint_index,
        metadata={"options": OPTIONS},
    )
    assert node.exit_status == 330
    assert not any(tmp_path.iterdir())
