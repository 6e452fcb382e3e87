"""EpwParser against the recorded outputs of epw.x."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common import LinkType

from hts.epw_spectra import parse_a2f
from tests.parsing import parse_folder
from workflows.parsers.epw import EpwParser

DATA = Path(__file__).parents[2] / "data" / "epw"
# Exit status of the recorded runs; 0 is success.
STATUS = {
    "al_above_tc": 510,
    "al_anisotropic": 0,
    "al_decay": 0,
    "al_eliashberg_not_converged": 511,
    "al_isotropic": 0,
    "al_pade_nan": 512,
    "al_scdm": 0,
    "al_success": 0,
    "al_two_smearings": 0,
    "al4h_first": 0,
    "al4h_restart": 0,
    "al_bands": 0,
    "al_on_imaginary_axis": 0,
    "al_wannierised": 0,
    "cannot_bracket_ef": 500,
    "disk_full": 402,
    "fine_meshes_not_commensurate": 320,
    "frozen_window_too_large": 501,
    "killed": 312,
    "kmesh_mismatch": 332,
    "missing_dvscf": 330,
    "missing_dynamical_matrix": 330,
    "missing_patterns": 330,
    "mix_broyden": 510,
    "more_projections_than_nbndsub": 390,
    "nbndsub_above_bands": 502,
    "one_pool_two_ranks": 340,
    "qmesh_gamma_only": 311,
    "qmesh_too_dense": 331,
    "restart_other_nbndsub": 333,
    "restart_without_epmatwp": 333,
    "smearing_above_fsthick": 320,
    "too_few_projections": 503,
    "truncated_dvscf": 330,
    "unknown_keyword": 320,
    "unknown_projection_site": 503,
    "wannier_folder_without_bvec": 333,
    "wigner_seitz_weights": 504,
    "window_too_small": 501,
}
# These have no alpha2F because they were not asked for one.
WITHOUT_ALPHA2F = {"al_bands", "al_scdm", "al_wannierised"}


@pytest.fixture
def parse(aiida_profile: Any, aiida_localhost: orm.Computer, epw_keywords: dict[str, Any]) -> Callable[..., Any]:
    """Return a function that runs the parser on a folder of files."""

    def run(
        folder: Path,
        status: int | None = None,
        eliashberg: bool = True,
        fetched: Path | None = None,
        smearings_ev: tuple[float, ...] | None = (0.2, 0.15),
    ) -> tuple[Any, int]:
        node = orm.CalcJobNode(computer=aiida_localhost, process_type="aiida.calculations:hts.epw")
        for name, value in (("output_filename", "aiida.out"), ("scheduler_stderr", "_scheduler-stderr.txt")):
            node.set_option(name, value)
        keywords = epw_keywords | {"eliashberg": eliashberg} | ({} if fetched is None else {"ngaussw": 0})
        parameters = orm.Dict({"INPUTEPW": keywords}).store()
        node.base.links.add_incoming(parameters, LinkType.INPUT_CALC, "parameters")
        if fetched is not None and smearings_ev is not None:
            settings = orm.Dict({"smearings_ev": list(smearings_ev)}).store()
            node.base.links.add_incoming(settings, LinkType.INPUT_CALC, "settings")
        temporary = {} if fetched is None else {"retrieved_temporary_folder": str(fetched)}
        return parse_folder(EpwParser, node, folder, status, **temporary)

    return run


def test_every_recorded_run_has_its_exit_code(parse: Callable[..., Any]) -> None:
    assert set(STATUS) == {path.name for path in DATA.iterdir()}
    found = {case: parse(DATA / case, eliashberg=case not in WITHOUT_ALPHA2F)[1] for case in STATUS}
    assert found == STATUS


def test_success_gives_spectra(parse: Callable[..., Any]) -> None:
    parser, status = parse(DATA / "al_two_smearings")
    assert status == 0
    alpha2f = parser.outputs["alpha2f"]
    assert alpha2f.get_array("alpha2f").shape == (2, 500)
    assert alpha2f.get_array("lambda") == pytest.approx([0.4277727, 0.4277957])
    assert alpha2f.get_array("smearing_mev") == pytest.approx([0.5, 0.55])
    assert parser.outputs["output_parameters"]["lambda"] == pytest.approx(0.4277727)
    assert parser.outputs["phonon_dos"].get_array("dos_per_mev").shape == (2, 500)


def test_further_smearings_are_summed_here(parse: Callable[..., Any], tmp_path: Path) -> None:
    """One run of epw.x serves two smearings, if the sum gives its own lambda at its own smearing."""
    source = DATA.parent / "epw_matrix_elements"
    shutil.copy(source / "one_pool" / "aiida.out", tmp_path)
    shutil.copy(source / "sigma_200meV.a2f", tmp_path / "aiida.a2f")
    parser, status = parse(tmp_path, fetched=source / "two_pools")
    assert status == 0
    smeared = parser.outputs["smeared_alpha2f"]
    own, other = smeared.get_array("alpha2f")
    assert smeared.get_array("smearings_ev").tolist() == [0.2, 0.15]
    assert own == pytest.approx(parser.outputs["alpha2f"].get_array("alpha2f")[0], abs=1e-6)
    assert other == pytest.approx(parse_a2f((source / "sigma_150meV.a2f").read_text()).alpha2f[0], abs=1e-6)
    assert parser.outputs["output_parameters"]["dos_ef_per_spin_ev"] == pytest.approx(
        smeared.get_array("dos_per_spin_ev")[0], rel=1e-5
    )
    nothing, status = parse(tmp_path, fetched=tmp_path)
    assert status == 313 and "smeared_alpha2f" not in nothing.outputs and "alpha2f" in nothing.outputs
    shutil.copy(source / "sigma_150meV.a2f", tmp_path / "aiida.a2f")
    assert parse(tmp_path, fetched=source / "one_pool")[1] == 313


def test_elements_that_nobody_expects_are_noticed_at_a_single_smearing_too(
    parse: Callable[..., Any], tmp_path: Path
) -> None:
    """As EPW 5.3.1 writes them for k-points outside its window: zeros, after which it misreads the rest."""
    source = DATA.parent / "epw_matrix_elements"
    shutil.copy(source / "one_pool" / "aiida.out", tmp_path)
    shutil.copy(source / "sigma_200meV.a2f", tmp_path / "aiida.a2f")
    shutil.copytree(source / "one_pool", tmp_path / "fetched")
    whole = parse(tmp_path, fetched=tmp_path / "fetched", smearings_ev=None)
    assert whole[1] == 0 and "smeared_alpha2f" not in whole[0].outputs
    elements = tmp_path / "fetched" / "aiida.ephmat" / "ephmat1"
    content = elements.read_bytes()
    zero = b"\x08\0\0\0" + 8 * b"\0" + b"\x08\0\0\0"
    elements.write_bytes(content[:16] + 3 * zero + content[16:])
    assert parse(tmp_path, fetched=tmp_path / "fetched", smearings_ev=None)[1] == 313


def test_interpolated_bands(parse: Callable[..., Any]) -> None:
    parser, status = parse(DATA / "al_bands", eliashberg=False)
    assert status == 0
    assert parser.outputs["bands"].get_array("electrons_ev").shape == (5, 4)
    assert parser.outputs["bands"].get_array("electrons_ev")[0, 0] == pytest.approx(-3.125014352843)


@pytest.mark.parametrize("status", [110, 120, 140])
def test_the_schedulers_reason_is_kept(parse: Callable[..., Any], status: int) -> None:
    assert parse(DATA / "killed", status=status)[1] == status


def test_empty_standard_output_is_no_success(parse: Callable[..., Any], tmp_path: Path) -> None:
    assert parse(tmp_path)[1] == 302
    (tmp_path / "aiida.out").write_text("")
    assert parse(tmp_path)[1] == 302


def test_cut_spectrum_is_no_success(parse: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "aiida.out").write_text((DATA / "al_success" / "aiida.out").read_text())
    text = (DATA / "al_success" / "aiida.a2f").read_text()
    (tmp_path / "aiida.a2f").write_text(text[: len(text) // 2])
    parser, status = parse(tmp_path)
    assert status == 311
    assert "alpha2f" not in parser.outputs


def test_gap_distributions_of_the_temperatures_that_converged(parse: Callable[..., Any]) -> None:
    gaps = parse(DATA / "al_anisotropic")[0].outputs["gap_distributions"]
    assert gaps.get_array("temperatures_k") == pytest.approx([1.0, 2.0, 4.0])
    for index in range(3):
        gap, weight = gaps.get_array(f"gap_mev_{index}"), gaps.get_array(f"weight_{index}")
        assert gap.shape == weight.shape and weight.sum() == pytest.approx(1.0)
        assert gap @ weight == pytest.approx(2.5025, abs=2e-3)
    # At 30 K the gap fell to zero; its file is there, and is not taken for a distribution. alpha2F stands.
    above = parse(DATA / "al_above_tc")[0].outputs
    assert above["gap_distributions"].get_array("temperatures_k") == pytest.approx([4.0, 7.0])
    assert above["alpha2f"].get_array("lambda") == pytest.approx([0.4277614])
    assert "gap_distributions" not in parse(DATA / "al_eliashberg_not_converged")[0].outputs
    # The imaginary axis is sound where the continuation to the real one failed.
    assert parse(DATA / "al_pade_nan")[0].outputs["gap_distributions"].get_array("temperatures_k") == pytest.approx(
        [1.0]
    )


def test_wannier_bands_and_decay_are_attached(parse: Callable[..., Any]) -> None:
    bands = parse(DATA / "al_scdm", eliashberg=False)[0].outputs["wannier_bands"]
    assert bands.get_array("energies_ev").shape == (124, 4)
    assert set(bands.get_arraynames()) == {"kpoints_frac", "path_inv_ang", "energies_ev"}
    decay = parse(DATA / "al_decay")[0].outputs["decay"]
    names = {name.removesuffix("_magnitude") for name in decay.get_arraynames() if name.endswith("_magnitude")}
    assert names == {"H", "dynmat", "epmate", "epmatp", "v"}
    assert decay.get_array("H_distance_ang").shape == (93,)


def test_a_cut_side_file_is_left_out(parse: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("aiida.out", "aiida.a2f", "decay.H", "decay.dynmat"):
        text = (DATA / "al_decay" / name).read_text()
        (tmp_path / name).write_text(text if name != "decay.H" else text[:1000])
    parser, status = parse(tmp_path)
    assert status == 0
    assert set(parser.outputs["decay"].get_arraynames()) == {"dynmat_distance_ang", "dynmat_magnitude"}
