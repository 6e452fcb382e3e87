"""PhSimpleParser against the recorded outputs of ph.x."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common import LinkType

from tests.parsing import parse_folder
from workflows.parsers.ph_simple import PhSimpleParser

DATA = Path(__file__).parents[2] / "data" / "ph_simple"
# Exit status and q-point of the recorded runs.
STATUS = {
    "al_all": (310, 1),
    "al_gamma": (0, 1),
    "al_l": (0, 2),
    "al_l_four_smearings": (0, 2),
    "al_x": (0, 3),
    "alh_gamma": (0, 1),
    "alh_x": (0, 3),
    "disk_full": (306, 2),
    "missing_dvscf": (330, 2),
    "missing_dynamical_matrix": (330, 2),
    "missing_patterns": (330, 2),
    "other_dynamical_matrix": (304, 2),
    "out_of_walltime": (400, 2),
}
FOUR_SMEARINGS = {"el_ph_sigma": 0.00735, "el_ph_nsigma": 4}


@pytest.fixture
def parse(aiida_profile: Any, aiida_localhost: orm.Computer) -> Callable[..., Any]:
    """Return a function that runs the parser on a folder of files."""

    def run(
        folder: Path, index: int = 2, status: int | None = None, keywords: dict[str, Any] | None = None
    ) -> tuple[Any, int]:
        node = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:hts.ph_simple")
        for name, value in (("output_filename", "aiida.out"), ("scheduler_stderr", "_scheduler-stderr.txt")):
            node.set_option(name, value)
        node.base.links.add_incoming(orm.Int(index).store(), LinkType.INPUT_CALC, "qpoint_index")
        if keywords is not None:
            parameters = orm.Dict({"INPUTPH": keywords}).store()
            node.base.links.add_incoming(parameters, LinkType.INPUT_CALC, "parameters")
        return parse_folder(PhSimpleParser, node, folder, status)

    return run


def test_every_recorded_run_has_its_exit_code(parse: Callable[..., Any]) -> None:
    assert set(STATUS) == {path.name for path in DATA.iterdir()}
    for case, (status, index) in STATUS.items():
        keywords = FOUR_SMEARINGS if case == "al_l_four_smearings" else None
        parser, found = parse(DATA / case, index, keywords=keywords)
        assert (case, found) == (case, status)
        assert ("output_parameters" in parser.outputs) == (status == 0)


def test_what_a_whole_run_says(parse: Callable[..., Any]) -> None:
    content = parse(DATA / "al_l")[0].outputs["output_parameters"].get_dict()
    assert (content["qpoint_index"], content["code_version"], content["translations"]) == (2, "6.7MaX", [])
    assert content["frequencies_cm1"] == pytest.approx([154.951932, 154.951932, 334.722114])
    assert len(content["smearings"]) == 10
    assert content["smearings"][4] == {
        "sigma_ry": 0.05,
        "dos_ef": 2.720885,
        "fermi_ev": 8.3772,
        "lambda": [0.0654, 0.0654, 0.1307],
        "gamma_ghz": [3.67, 3.67, 34.2],
    }


def test_translations_are_told_at_gamma(parse: Callable[..., Any]) -> None:
    assert parse(DATA / "alh_gamma", 1)[0].outputs["output_parameters"]["translations"] == [0, 1, 2]


def test_other_smearings_than_asked_for_are_no_success(parse: Callable[..., Any]) -> None:
    """Only three decimals are printed: the input says what they were."""
    content = parse(DATA / "al_l_four_smearings", keywords=FOUR_SMEARINGS)[0].outputs["output_parameters"]
    assert [each["sigma_ry"] for each in content["smearings"]] == pytest.approx([0.00735, 0.0147, 0.02205, 0.0294])
    assert parse(DATA / "al_l_four_smearings")[1] == 310
    assert parse(DATA / "al_l", keywords=FOUR_SMEARINGS)[1] == 310


@pytest.mark.parametrize("status", [110, 120, 140])
def test_the_schedulers_reason_is_kept(parse: Callable[..., Any], status: int) -> None:
    assert parse(DATA / "al_l", status=status)[1] == status


def copied(case: str, folder: Path, stdout: str | None = None) -> Path:
    """Copy a recorded run, with another standard output if given."""
    (folder / "DYN_MAT").mkdir(parents=True)
    for path in (DATA / case / "DYN_MAT").iterdir():
        (folder / "DYN_MAT" / path.name).write_text(path.read_text())
    text = (DATA / case / "aiida.out").read_text()
    (folder / "aiida.out").write_text(text if stdout is None else stdout)
    return folder


def test_missing_and_damaged_files(parse: Callable[..., Any], tmp_path: Path) -> None:
    text = (DATA / "al_l" / "aiida.out").read_text()
    assert parse(copied("al_l", tmp_path / "empty", ""))[1] == 302
    (tmp_path / "nothing").mkdir()
    assert parse(tmp_path / "nothing")[1] == 302
    for percent in range(10, 99, 22):
        assert parse(copied("al_l", tmp_path / str(percent), text[: len(text) * percent // 100]))[1] == 312
    assert parse(copied("al_l", tmp_path / "garbled", text.replace("DOS =  2.7", "DOS =  x.7")))[1] == 310
    folder = copied("al_l", tmp_path / "bytes")
    (folder / "aiida.out").write_bytes(b"\xff\xfe" + text[:5000].encode())
    assert parse(folder)[1] == 312
    folder = copied("al_l", tmp_path / "no_matrix")
    (folder / "DYN_MAT" / "dynamical-matrix-2").unlink()
    assert parse(folder)[1] == 304
    # ph.x itself reads a file that is cut behind its first matrix to the same lambda.
    folder = copied("al_l", tmp_path / "cut_matrix")
    matrix = folder / "DYN_MAT" / "dynamical-matrix-2"
    matrix.write_text(matrix.read_text()[:900])
    assert parse(folder)[1] == 304


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Operating system error: Cannot allocate memory", 401),
        ("forrtl: No space left on device", 306),
        ("Program received signal SIGSEGV: Segmentation fault", 390),
    ],
)
def test_what_standard_error_says(parse: Callable[..., Any], tmp_path: Path, line: str, status: int) -> None:
    text = (DATA / "al_l" / "aiida.out").read_text()
    folder = copied("al_l", tmp_path / "run", text[: len(text) // 2])
    (folder / "_scheduler-stderr.txt").write_text(f"\n{line}\n")
    assert parse(folder)[1] == status
