"""Structures from files as competitors: labels, cells, what is refused, and how they join the others."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spglib
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from hts import competitor_files
from hts.competitor_files import (
    is_same_crystal,
    read_competitors,
    start_structure,
    structure_of,
    structures_complaint,
    structures_within,
)
from hts.competitors import competitors
from hts.errors import UserError
from hts.prototypes.geometry import space_group_number
from hts.radii import shortest_possible_ang
from hts.references import hydrogen_volume_ang3_per_molecule
from hts.volumes import starting_volume_ang3


def bcc(element: str = "Al", a_ang: float = 3.2) -> Structure:
    return Structure(Lattice.cubic(a_ang), [element] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]])


def aluminium_hydride(a_ang: float = 3.08) -> Structure:
    """Pm-3n AlH3: I. Goncharenko et al., Phys. Rev. Lett. 100, 045504 (2008), 10.1103/PhysRevLett.100.045504."""
    return Structure.from_spacegroup("Pm-3n", Lattice.cubic(a_ang), ["Al", "H"], [[0, 0, 0], [0.25, 0, 0.5]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with bcc Al and Pm-3n AlH3."""
    bcc().to(tmp_path / "bcc aluminium.cif")
    aluminium_hydride().to(tmp_path / "POSCAR_AlH3", fmt="poscar")
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_competitors(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_structures_are_primitive_and_labels_safe(folder: Path) -> None:
    hydride, aluminium = read_competitors(folder)
    assert re.fullmatch(r"Al-bcc-aluminium-[0-9a-f]{8}", aluminium.label)
    assert re.fullmatch(r"AlH3-POSCAR-AlH3-[0-9a-f]{8}", hydride.label)
    assert (aluminium.formula, len(aluminium.structure), space_group_number(aluminium.structure)) == ("Al", 1, 229)
    assert (hydride.formula, len(hydride.structure), space_group_number(hydride.structure)) == ("AlH3", 8, 223)
    assert aluminium.structure.volume == pytest.approx(3.2**3 / 2)
    assert (aluminium.source, hydride.source) == ("bcc aluminium.cif", "POSCAR_AlH3")
    assert hydride.elements == {"Al", "H"}


def test_the_label_is_that_of_the_content(folder: Path) -> None:
    before = [file.label for file in read_competitors(folder)]
    assert [file.label for file in read_competitors(folder)] == before
    bcc(a_ang=3.21).to(folder / "bcc aluminium.cif")
    after = [file.label for file in read_competitors(folder)]
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[1][:-8] == before[1][:-8]


def test_the_index_gives_id_and_source(folder: Path) -> None:
    (folder / "index.yaml").write_text(
        "structures:\n  bcc aluminium.cif: {id: mp-134, source: 'Materials Project mp-134,\\n GGA'}\n  gone.cif: {}\n"
    )
    (folder / ".hidden").write_text("no structure")
    (folder / "drafts").mkdir()
    _, aluminium = read_competitors(folder)
    assert re.fullmatch(r"Al-mp-134-[0-9a-f]{8}", aluminium.label)
    assert aluminium.source.startswith("bcc aluminium.cif: Materials Project mp-134,")
    # The formula at the beginning of a name is not said twice.
    (folder / "POSCAR_AlH3").unlink()
    (folder / "bcc aluminium.cif").rename(folder / "Al-mp-134.cif")
    assert [file.label for file in read_competitors(folder)] == [aluminium.label]


def test_of_equal_crystals_the_first_stays(folder: Path) -> None:
    supercell = bcc(a_ang=3.0) * (2, 1, 1)
    supercell.to(folder / "a-supercell.cif")
    names = [file.source for file in read_competitors(folder)]
    assert names == ["POSCAR_AlH3", "a-supercell.cif"]
    # A distorted relative is another crystal.
    tetragonal = Structure(Lattice.tetragonal(3.2, 3.28), ["Al"] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]])
    tetragonal.to(folder / "b-tetragonal.cif")
    assert [file.source for file in read_competitors(folder)] == [*names, "b-tetragonal.cif"]
    assert not is_same_crystal(bcc("Al").get_primitive_structure(), bcc("Mg").get_primitive_structure())


def test_coordinates_of_four_decimals_keep_their_symmetry(tmp_path: Path) -> None:
    """Magnesium as it is often written, 0.3333 for 1/3."""
    points = [[0.3333, 0.6667, 0.25], [0.6667, 0.3333, 0.75]]
    Structure(Lattice.hexagonal(3.2094, 5.2105), ["Mg"] * 2, points).to(tmp_path / "POSCAR", fmt="poscar")
    (magnesium,) = read_competitors(tmp_path)
    assert space_group_number(magnesium.structure) == 194


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.cif", "garbage", "no structure could be read"),
        ("a.cif", "", "no structure could be read"),
        ("POSCAR", "garbage", "no structure could be read (list index"),
        ("readme.txt", "hello", "no structure could be read (Unrecognized extension"),
        ("a.json", '{"a": 1}', "no structure could be read ('lattice')"),
        ("vasprun.xml", "<a", "no structure could be read"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nQq\n1\nDirect\n0 0 0\n", "Qq0+ found, elements wanted"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nAl\n2\nDirect\n0 0 0\n0 0 0\n", "atoms of Al2 stand within 0.5"),
        ("POSCAR", "x\n1\n4 0 0\n0 4 0\n0 0 4\nAt\n1\nDirect\n0 0 0\n", "element 'At' has no atomic volume"),
        ("POSCAR", "x\n0.0\n1 0 0\n0 1 0\n0 0 1\nAl\n1\nDirect\n0 0 0\n", "0 Angstrom^3 for 1 atoms"),
        ("index.yaml", "structures: [1]", "no mapping of files under `structures`"),
    ],
    ids=[
        "cif", "empty", "poscar", "text", "json", "xml", "no element", "one point", "no volume", "no cell", "index",
    ],
)  # fmt: skip
@pytest.mark.parametrize("old_error_handling", [True, False], ids=["spglib returns", "spglib raises"])
def test_bad_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old_error_handling: bool, name: str, text: str, expected: str
) -> None:
    """Phonopy switches spglib from returning None to raising when it is imported."""
    monkeypatch.setattr(spglib.error, "OLD_ERROR_HANDLING", old_error_handling)
    (tmp_path / name).write_text(text)
    message = refused(tmp_path)
    assert expected in message
    assert str(tmp_path / name) in message


def test_bad_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path / "nowhere").endswith("not a folder; give one that holds structure files (CIF, POSCAR)")
    assert "no structure file found" in refused(tmp_path)
    (tmp_path / "index.yaml").write_text("a: [")
    assert "index.yaml: cannot be read" in refused(tmp_path)
    (tmp_path / "index.yaml").unlink()
    disordered = Structure(Lattice.cubic(4), [{"Al": 0.5, "Mg": 0.5}], [[0, 0, 0]])
    disordered.to(tmp_path / "mixed.cif")
    assert "mixed.cif: Mg0.5 Al0.5 has partial occupancies" in refused(tmp_path)
    bcc().to(tmp_path / "mixed.cif")
    monkeypatch.setattr(competitor_files, "MAX_FILE_BYTES", 10)
    assert "bytes found, at most 10 allowed" in refused(tmp_path)


def test_deuterium_is_hydrogen(tmp_path: Path) -> None:
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.08), ["Li", "D"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    rocksalt.to(tmp_path / "LiD.cif")
    (found,) = read_competitors(tmp_path)
    assert found.formula == "LiH"
    assert found.elements == {"Li", "H"}


def test_the_start_cell_has_the_volume_for_the_pressure() -> None:
    """As for the families: the sum of volumes, that of the solid for H2, more where atoms would overlap."""
    hydride = aluminium_hydride(9.0)
    volumes = [start_structure(hydride, pressure).volume for pressure in (0.0, 50.0, 300.0)]
    wanted = [starting_volume_ang3({"Al": 2, "H": 6}, pressure) for pressure in (0.0, 50.0, 300.0)]
    assert volumes == pytest.approx(wanted)
    assert hydride.volume == pytest.approx(9.0**3)
    sparse = Structure(Lattice.cubic(4.0), ["H"] * 2, [[0, 0, 0.35], [0, 0, 0.65]])
    assert start_structure(sparse, 0.0).volume == pytest.approx(hydrogen_volume_ang3_per_molecule(0.0))
    # Atoms that are much nearer than others in the file set the scale.
    close = Structure(Lattice.cubic(6.0), ["Al", "H"], [[0, 0, 0], [0.1, 0, 0]])
    scaled = start_structure(close, 20.0)
    assert scaled.get_distance(0, 1) == pytest.approx(shortest_possible_ang("Al", "H", 20.0))
    assert scaled.volume > starting_volume_ang3({"Al": 1, "H": 1}, 20.0)
    with pytest.raises(UserError, match="negative"):
        start_structure(hydride, -1.0)


def test_entries_are_json_and_come_back(folder: Path) -> None:
    files = read_competitors(folder)
    entries = structures_within(files, {"Al", "H"})
    assert list(entries) == sorted(file.label for file in files)
    assert json.loads(json.dumps(entries)) == entries
    for file in files:
        back = structure_of(entries[file.label])
        assert back.composition == file.structure.composition
        assert np.allclose(back.lattice.matrix, file.structure.lattice.matrix, atol=1e-8)
        assert set(entries[file.label]) == {"lattice", "species", "frac_coords", "source"}
    assert structures_complaint(entries) is None
    assert structures_complaint({}) is None


def test_only_structures_of_the_system_are_handed_on(folder: Path) -> None:
    bcc("Mg", 3.5).to(folder / "magnesium.cif")
    files = read_competitors(folder)
    assert sorted(label.split("-")[0] for label in structures_within(files, {"Al", "H", "Si"})) == ["Al", "AlH3"]
    assert [label.split("-")[0] for label in structures_within(files, {"Al", "Mg"})] == ["Al", "Mg"]
    assert structures_within(files, {"Si", "H"}) == {}


def entry(**changes: Any) -> dict[str, Any]:
    base = {"lattice": np.diag([3.0] * 3).tolist(), "species": ["Al"], "frac_coords": [[0.0] * 3], "source": "mine"}
    return {**base, **changes}


@pytest.mark.parametrize(
    ("structures", "expected"),
    [
        ([], "list found, a mapping of label to structure wanted"),
        ({"x": 1}, "x: int found, a mapping of lattice, species, frac_coords, source wanted"),
        ({"x": entry(energy=-1.0)}, "x: lattice, species, frac_coords, source, energy found, a mapping of"),
        ({"x": entry(source=1)}, "x: source 1 is no text"),
        ({"x": entry(species=["Qq"])}, "x: species ['Qq'] found"),
        ({"x": entry(species=[])}, "x: species [] found"),
        ({"x": entry(lattice=[[1, 2, 3]])}, "x: lattice: 3 x 3 finite numbers"),
        ({"x": entry(lattice=np.diag([3.0, 3.0, 0.0]).tolist())}, "x: lattice: a cell too small for 1 atoms"),
        ({"x": entry(frac_coords=[["a", 0, 0]])}, "x: frac_coords: 1 x 3 finite numbers"),
        ({"x": entry(frac_coords=[[float("nan"), 0, 0]])}, "x: frac_coords: 1 x 3 finite numbers"),
        ({"x": entry(species=["At"])}, "x: element 'At' has no atomic volume"),
        ({"Al-mine": entry()}, "Al-mine: no label of this crystal; take letters, digits, _ and -, and -"),
        ({"Al-mine-00000000": entry()}, "Al-mine-00000000: no label of this crystal"),
        ({5: entry()}, "5: no label of this crystal"),
    ],
)
def test_complaints_about_structures_in_settings(structures: object, expected: str) -> None:
    complaint = structures_complaint(structures)
    assert complaint is not None
    assert complaint.startswith(expected)
    assert "\n" not in complaint


def test_a_label_stands_for_one_crystal() -> None:
    """Relaxations are found by label: one that stood for two crystals would hand out the wrong one."""
    digits = str(structures_complaint({"x": entry()})).split()[-4]
    assert structures_complaint({f"Al-mine{digits}": entry()}) is None
    assert structures_complaint({f"Al/mine{digits}": entry()}) is not None
    moved = entry(lattice=np.diag([3.0, 3.0, 3.1]).tolist())
    assert structures_complaint({f"Al-mine{digits}": moved}) is not None
    # Where it comes from is no part of what it is.
    assert structures_complaint({f"Al-mine{digits}": entry(source="elsewhere")}) is None


def test_they_join_the_competitors_at_every_scope(folder: Path) -> None:
    entries = structures_within(read_competitors(folder), {"Al", "H", "Mg"})
    without = competitors({"Al", "H", "Mg"}, 20, "elements")
    found = competitors({"Al", "H", "Mg"}, 20, "elements", structures=entries)
    new = found.phases[len(without.phases) :]
    assert found.phases[: len(without.phases)] == without.phases
    assert [phase.label for phase in new] == sorted(entries)
    assert {phase.kind for phase in new} == {"imported"}
    assert "no competing compound of Al-H was looked for" in without.missing
    assert "no competing compound of Al-H was looked for" not in found.missing
    assert "no competing compound of Al-Mg was looked for" in found.missing
    for phase in new:
        counts = phase.structure.composition.get_el_amt_dict()
        assert phase.structure.volume == pytest.approx(starting_volume_ang3(counts, 20))
    assert all(phase.kind != "imported" for phase in competitors({"Mg", "H"}, 20, "known", structures=entries).phases)
    # The known phase of 100 GPa is the same crystal, and stands for it.
    pressed = [phase.label for phase in competitors({"Al", "H"}, 100, "known", structures=entries).phases]
    assert "AlH3-mh3-pm-3n" in pressed
    assert [label for label in pressed if label in entries] == [label for label in entries if label.startswith("Al-")]


def test_what_is_too_large_is_missing(folder: Path) -> None:
    entries = structures_within(read_competitors(folder), {"Al", "H"})
    (hydride,) = [label for label in entries if label.startswith("AlH3")]
    found = competitors({"Al", "H"}, 20, "elements", max_atoms=7, structures=entries)
    assert f"{hydride} left out: 8 atoms, at most 7" in found.missing
    assert "no competing compound of Al-H was looked for" in found.missing
    assert hydride not in {phase.label for phase in found.phases}


def test_compounds_that_are_on_the_hull_take_their_line_away() -> None:
    found = competitors({"Al", "Ca", "H"}, 0, "known")
    line = "no competing compound of Al-Ca is known at 0 GPa"
    assert line in found.missing
    assert line not in found.missing_beside([frozenset({"Al", "Ca"})])
    assert "no competing compound of Al-Ca-H is known at 0 GPa" in found.missing_beside([frozenset({"Al", "Ca"})])
    assert found.missing_beside([frozenset({"Al"})]) == found.missing


@settings(deadline=None, max_examples=25)
@given(a_ang=st.floats(2.5, 6.0), ratio=st.floats(0.8, 1.4), x=st.floats(0.05, 0.45), pressure_gpa=st.floats(0, 400))
def test_any_crystal_comes_back_under_its_own_label(a_ang: float, ratio: float, x: float, pressure_gpa: float) -> None:
    points = [[0, 0, 0], [0.5, 0.5, x]]
    raw = Structure(Lattice.tetragonal(a_ang, a_ang * ratio), ["Ca", "H"], points)
    content = competitor_files._cell(raw)
    label = f"CaH-x-{competitor_files._hash(content)}"
    assert structures_complaint({label: {**content, "source": ""}}) is None
    assert competitor_files._cell(structure_of(content)) == content
    scaled = start_structure(structure_of(content), pressure_gpa)
    assert np.allclose(scaled.frac_coords, structure_of(content).frac_coords)
    assert scaled.get_distance(0, 1) >= shortest_possible_ang("Ca", "H", pressure_gpa) * (1 - 1e-9)
