"""Families of pseudopotentials from Debian's real files."""

import json
from pathlib import Path
from typing import Any

import pytest

from hts.errors import UserError
from hts.store import pseudos

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")

PATTERN = pseudos.DEBIAN_PATTERN


def install_debian(folder: Path, label: str = "LDA/vbc") -> Any:
    files = pseudos.select_files(folder, PATTERN)
    return pseudos.install_family(label, folder, PATTERN, pseudos.debian_cutoffs_ry(files))


def test_the_debian_family(debian_pseudos: Path) -> None:
    family = install_debian(debian_pseudos)
    assert {"Al", "B", "H", "Mg", "Si"} <= set(family.elements)
    assert pseudos.cutoffs_for("LDA/vbc", ["Al", "H"]) == pytest.approx((30.0, 120.0))
    files = pseudos.pseudos_for("LDA/vbc", ["Al", "H", "Al"])
    assert {element: file.filename for element, file in files.items()} == {
        "Al": "Al.pz-vbc.UPF",
        "H": "H.pz-vbc.UPF",
    }
    assert all(file.is_stored for file in files.values())


def test_installing_twice_keeps_the_first(debian_pseudos: Path) -> None:
    assert install_debian(debian_pseudos).pk == install_debian(debian_pseudos).pk
    assert pseudos.family_labels() == ["LDA/vbc"]


def test_the_same_label_with_other_content_is_refused(debian_pseudos: Path) -> None:
    install_debian(debian_pseudos)
    with pytest.raises(UserError, match="installed with other cutoffs; choose another"):
        pseudos.install_family("LDA/vbc", debian_pseudos, PATTERN, {"Al": {"cutoff_wfc": 15}})
    with pytest.raises(UserError, match="installed with other files; choose another"):
        pseudos.install_family("LDA/vbc", debian_pseudos, "Al.pz-vbc.UPF", {"Al": {"cutoff_wfc": 30}})


@pytest.mark.parametrize("suffix", ["", "_ry"])
def test_cutoffs_from_json_and_elements_without_a_hint(debian_pseudos: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "cutoffs.json"
    entries = {
        "Al": {f"cutoff_wfc{suffix}": 20, "filename": "Al.upf"},
        "H": {f"cutoff_wfc{suffix}": 40, f"cutoff_rho{suffix}": 170},
        "Mg": {"filename": "Mg.upf"},
    }
    path.write_text(json.dumps(entries))
    family = pseudos.install_family("part", debian_pseudos, PATTERN, path)
    assert pseudos.cutoff_elements(family) == {"Al", "H"}
    assert pseudos.cutoffs_for("part", ["Al"]) == pytest.approx((20, 80))
    assert pseudos.cutoffs_for("part", ["H", "Al"]) == pytest.approx((40, 170))
    with pytest.raises(UserError, match="'part' has no cutoff hint for Mg"):
        pseudos.cutoffs_for("part", ["Al", "Mg"])
    # as the builders of aiida-quantumespresso ask for it
    assert family.get_recommended_cutoffs(elements=("Al", "H"), unit="Ry") == pytest.approx((40, 170))


def test_a_family_without_any_cutoff(debian_pseudos: Path) -> None:
    family = pseudos.install_family("bare", debian_pseudos, PATTERN)
    assert pseudos.cutoff_elements(family) == set()
    with pytest.raises(UserError, match="no cutoff hint for Al"):
        pseudos.cutoffs_for("bare", ["Al"])
    with pytest.raises(UserError, match="'bare' has no pseudopotential of U; it has Al, B"):
        pseudos.pseudos_for("bare", ["U"])


def test_an_unknown_family_is_named_with_those_that_exist(debian_pseudos: Path) -> None:
    install_debian(debian_pseudos)
    with pytest.raises(UserError, match="family 'PBE' not found; there are: LDA/vbc; install it by"):
        pseudos.cutoffs_for("PBE", ["Al"])


@pytest.mark.parametrize(
    ("pattern", "cutoffs", "message"),
    [
        ("*.nothing", None, "no file in .* matches"),
        ("H.*.UPF", None, "EPW wants norm-conserving"),
        ("H.[bt]*-*.UPF", None, "two files of H match"),
        ("Al.pz-vbc.UPF", {"Al": {"cutoff_wfc": -1}}, "cutoffs of Al are -1"),
        ("Al.pz-vbc.UPF", {"Al": {"cutoff_wfc": "30"}}, "cutoffs of Al are '30'"),
        ("Al.pz-vbc.UPF", {"Al": 30}, "Al is 30"),
        ("Al.pz-vbc.UPF", {"Cu": {"cutoff_wfc": 30}}, "given for Cu"),
    ],
)
def test_what_cannot_be_installed(debian_pseudos: Path, pattern: str, cutoffs: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        pseudos.install_family("bad", debian_pseudos, pattern, cutoffs)
    assert "\n" not in str(raised.value)
    assert pseudos.family_labels() == []


def test_unreadable_cutoffs_and_folders(debian_pseudos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{Al: 30}")
    for name in ("bad.json", "missing.json"):
        with pytest.raises(UserError, match="cannot be read as JSON"):
            pseudos.install_family("bad", debian_pseudos, PATTERN, tmp_path / name)
    with pytest.raises(UserError, match=r"folder .* not found"):
        pseudos.install_family("bad", tmp_path / "nowhere")


def test_an_ultrasoft_file_of_a_foreign_family_is_refused(debian_pseudos: Path) -> None:
    from aiida_pseudo.data.pseudo.upf import UpfData
    from aiida_pseudo.groups.family import PseudoPotentialFamily

    family = PseudoPotentialFamily("foreign").store()
    family.add_nodes([UpfData(debian_pseudos / "O.pz-van_ak.UPF").store()])
    with pytest.raises(UserError, match=r"O.pz-van_ak.UPF .*ultrasoft.*EPW wants norm-conserving"):
        pseudos.pseudos_for("foreign", ["O"])
