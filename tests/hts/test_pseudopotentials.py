"""UPF headers: small excerpts, the files of Debian's quantum-espresso-data, and garbage."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.errors import UserError
from hts.pseudopotentials import PseudoWavefunction, UpfHeader, read_upf_header, require_norm_conserving

DATA = Path(__file__).parents[1] / "data" / "upf"
DEBIAN = Path("/usr/share/espresso/pseudo")


def header_of(file: Path) -> UpfHeader:
    if DEBIAN in file.parents and not file.exists():
        pytest.fail(f"{file} is not there: apt-get install quantum-espresso-data")
    return read_upf_header(file.read_text(encoding="utf-8", errors="replace"), file.name)


def test_version_1() -> None:
    assert header_of(DATA / "Si.v1-ultrasoft.UPF") == UpfHeader(
        element="Si",
        kind="US",
        z_valence=4,
        functional="SLA PW PBE PBE",
        cutoff_wfc_ry=25,
        cutoff_rho_ry=150,
        pseudo_wavefunctions=(PseudoWavefunction("3S", 0, 2), PseudoWavefunction("3P", 1, 2)),
        n_projectors=4,
    )


def test_version_2() -> None:
    """ONCVPSP gives no wave function cutoff; its rho_cutoff is the extent of a mesh."""
    assert header_of(DATA / "Mg.v2-oncv.upf") == UpfHeader(
        element="Mg",
        kind="NC",
        z_valence=10,
        functional="PBE",
        cutoff_wfc_ry=None,
        cutoff_rho_ry=None,
        pseudo_wavefunctions=tuple(PseudoWavefunction(*x) for x in (("2S", 0, 2), ("2P", 1, 6), ("3S", 0, 2))),
    )


@pytest.mark.parametrize(
    ("name", "element", "kind", "z_valence", "cutoff_wfc_ry", "orbitals"),
    [
        ("Al.pz-vbc.UPF", "Al", "NC", 3, None, "3S 3P"),
        ("H.pz-vbc.UPF", "H", "NC", 1, None, "1S"),
        ("Mg.pz-n-vbc.UPF", "Mg", "NC", 2, None, "3S 3P"),
        ("H.pbe-kjpaw.UPF", "H", "PAW", 1, 45.65555, "1S"),
        ("Ni.pz-nd-rrkjus.UPF", "Ni", "US", 10, None, "4S 3D"),
        ("H.coulomb-ae.UPF", "H", "1/r", 1, None, ""),
        ("C_3.98148.UPF", "C", "NC", 3.98148, None, "2s 2p 3d"),
    ],
)
def test_files_of_debian(
    name: str, element: str, kind: str, z_valence: float, cutoff_wfc_ry: float | None, orbitals: str
) -> None:
    header = header_of(DEBIAN / name)
    assert (header.element, header.kind, header.z_valence) == (element, kind, z_valence)
    assert header.cutoff_wfc_ry == (None if cutoff_wfc_ry is None else pytest.approx(cutoff_wfc_ry, rel=1e-6))
    assert " ".join(orbital.label for orbital in header.pseudo_wavefunctions) == orbitals


def test_epw_wants_norm_conserving() -> None:
    require_norm_conserving(header_of(DATA / "Mg.v2-oncv.upf"), "Mg.upf")
    with pytest.raises(UserError, match=r"^Si\.UPF \(Si\) is ultrasoft; EPW wants .* give a norm-conserving family$"):
        require_norm_conserving(header_of(DATA / "Si.v1-ultrasoft.UPF"), "Si.UPF")
    with pytest.raises(UserError, match="is PAW"):
        require_norm_conserving(header_of(DEBIAN / "H.pbe-kjpaw.UPF"), "H.UPF")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "<PP_HEADER/>",
        '<PP_HEADER element="Al" pseudo_type="NC" z_valence="***" functional="PBE"/>',
        '<PP_HEADER element="Al" pseudo_type="XX" z_valence="3" functional="PBE"/>',
        '<PP_HEADER element="Al" pseudo_type="NC" z_valence="-1" functional="PBE"/>',
        '<PP_HEADER element="Al" pseudo_type="NC" z_valence="nan" functional="PBE"/>',
        '<PP_HEADER element="12" pseudo_type="NC" z_valence="3" functional="PBE"/>',
        "<PP_HEADER>\n0\n</PP_HEADER>",
    ],
)
def test_garbage_is_one_line(text: str) -> None:
    with pytest.raises(UserError) as caught:
        read_upf_header(text, "Al.UPF")
    assert str(caught.value).startswith("Al.UPF: ")
    assert "\n" not in str(caught.value)


@settings(deadline=None)  # the machine may be busy
@given(cut=st.integers(0, 1200), file=st.sampled_from(["Si.v1-ultrasoft.UPF", "Mg.v2-oncv.upf"]))
def test_a_truncated_file_raises_or_reads(cut: int, file: str) -> None:
    whole = (DATA / file).read_text(encoding="utf-8")
    try:
        header = read_upf_header(whole[:cut], file)
    except UserError:
        return
    assert header.element == file[:2]
