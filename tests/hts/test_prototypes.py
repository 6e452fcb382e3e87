"""Prototypes: Wyckoff sites, symmetry, stoichiometry, and starting volumes against published lattices."""

from importlib import resources
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Element, Lattice, Structure

from hts.descriptors import min_distance_ang
from hts.errors import UserError
from hts.prototypes import load_prototype, parse_prototype, prototype_names
from hts.prototypes.geometry import evaluate, orbit, space_group_number, symmetry_operations
from hts.prototypes.start_volume import start_volume_ang3
from hts.radii import shortest_possible_ang
from hts.volumes import starting_volume_ang3

VARIANTS = [(name, variant) for name in prototype_names() for variant in load_prototype(name).variants]
# Every element up to uranium with a volume; noble gases form no lattice here, but nothing forbids them.
ELEMENTS = [Element.from_Z(z).symbol for z in range(1, 93) if z not in (85, 87)]


def point_group_order(number: int) -> int:
    return len(np.unique(symmetry_operations(number)[0], axis=0))


def member(name: str, symbols: str, pressure_gpa: float, variant: str | None = None) -> Structure:
    prototype = load_prototype(name)
    sites = dict(zip(prototype.choose_sites, symbols.split(), strict=True))
    return prototype.structure(sites, pressure_gpa=pressure_gpa, variant=variant)


def test_the_families_of_the_campaign_contract_exist() -> None:
    contract = {
        "a2xh6": ("A", "X"),
        "fluorite_axh8": ("A", "X"),
        "perovskite": ("A", "B", "X"),
        "sodalite_mh6": ("M",),
        "sodalite_mxh12": ("M", "X"),
    }
    assert {name: load_prototype(name).choose_sites for name in contract} == contract
    assert list(load_prototype("sodalite_mxh12").variants) == ["pm-3m", "fd-3m"]
    assert all(load_prototype(name).kind == "mission" for name in contract)
    assert {"h3x", "mh9", "mh10", "a2xh16", "hydrogen", "element", "mh2", "mh3"} <= set(prototype_names())


def assert_no_overlap(structure: Structure, pressure_gpa: float) -> None:
    """No pair of elements is nearer than it can be, by pymatgen's neighbours."""
    symbols = np.array([site.specie.symbol for site in structure])
    for first, second in combinations_with_replacement(sorted(set(symbols)), 2):
        # The neighbour list counts what lies on its radius, and a start volume may sit right there.
        allowed_ang = shortest_possible_ang(first, second, pressure_gpa) * (1 - 1e-5)
        centres, points, _, _ = structure.get_neighbor_list(allowed_ang)
        pairs = {tuple(sorted(pair)) for pair in zip(symbols[centres], symbols[points], strict=True)}
        assert (first, second) not in pairs, f"{first}-{second} nearer than {allowed_ang:.3f} A"


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_member_has_the_stated_symmetry(name: str, variant: str | None, data: st.DataObject) -> None:
    prototype = load_prototype(name)
    sites = {label: data.draw(st.sampled_from(ELEMENTS), label=label) for label in prototype.choose_sites}
    pressure_gpa = data.draw(st.floats(0, 300), label="pressure_gpa")
    structure = prototype.structure(sites, pressure_gpa=pressure_gpa, variant=variant)
    arrangement = prototype.variants[variant]
    stated = arrangement.space_group_number
    found = space_group_number(structure, 1e-3)
    assert found == prototype.space_group(sites, variant)
    placed = {**prototype.fixed_elements, **sites}
    counts: dict[str, float] = {}
    for site in arrangement.sites:
        counts[placed[site.label]] = counts.get(placed[site.label], 0) + site.multiplicity
    scale = sum(counts.values()) / len(structure)
    assert {el.symbol: n * scale for el, n in structure.composition.items()} == pytest.approx(counts)
    assert_no_overlap(structure, pressure_gpa)
    if len(set(placed.values())) == len(placed):
        assert found == stated
    else:
        # Equal elements can only add symmetry: the point group never shrinks.
        assert point_group_order(found) >= point_group_order(stated)


@pytest.mark.parametrize(
    ("name", "variant", "number", "counts", "n_primitive"),
    [
        ("perovskite", None, 221, {"A": 1, "B": 1, "X": 3}, 5),
        ("fluorite_axh8", None, 225, {"A": 4, "X": 4, "H": 32}, 10),
        ("a2xh6", None, 225, {"A": 8, "X": 4, "H": 24}, 9),
        ("sodalite_mh6", None, 229, {"M": 2, "H": 12}, 7),
        ("sodalite_mxh12", "pm-3m", 221, {"M": 1, "X": 1, "H": 12}, 14),
        ("sodalite_mxh12", "fd-3m", 227, {"M": 8, "X": 8, "H": 96}, 28),
    ],
)
def test_multiplicities_agree_with_pymatgen(
    name: str, variant: str | None, number: int, counts: dict[str, int], n_primitive: int
) -> None:
    arrangement = load_prototype(name).variants[variant]
    template = arrangement.template
    assert arrangement.space_group_number == number
    assert template.conventional_counts == counts
    assert len(template.labels) == n_primitive
    stand_ins = ["Ca", "Mg", "H", "Al"]
    points = [arrangement.start_coords(site) for site in arrangement.sites]
    theirs = Structure.from_spacegroup(number, Lattice.cubic(5), stand_ins[: len(points)], points)
    for symbol, point in zip(stand_ins, points, strict=False):
        expected = theirs.frac_coords[[site.specie.symbol == symbol for site in theirs]]
        mine = orbit(number, point)
        offsets = mine[:, None] - expected[None]
        assert np.abs(offsets - np.round(offsets)).max(axis=2).min(axis=1) == pytest.approx(0, abs=1e-8)
        assert len(mine) == len(expected)


def test_sodalite_orders_are_decorations_of_the_parent() -> None:
    """NaTl order: bcc sites of a 2x2x2 cell coloured by two diamond lattices give the fd-3m variant."""
    parent = Structure.from_spacegroup(229, Lattice.cubic(3.5), ["Ca", "H"], [(0, 0, 0), (0.25, 0, 0.5)]) * (2, 2, 2)
    for site in parent:
        if site.specie.symbol == "Ca":
            quarters = np.rint(site.frac_coords * 4).astype(int)
            half = (quarters - quarters[0] % 2) // 2
            site.species = "Ca" if half.sum() % 2 == 0 else "Y"
    assert space_group_number(parent) == 227
    made = member("sodalite_mxh12", "Ca Y", 0, "fd-3m")
    assert StructureMatcher(ltol=0.01, stol=0.01, angle_tol=0.5).fit(parent, made)
    for metals in ("pm-3m", "fd-3m"):
        merged = member("sodalite_mxh12", "Ca Ca", 150, metals)
        assert (len(merged), space_group_number(merged)) == (7, 229)


def test_a_perovskite_keeps_its_axes_and_labels() -> None:
    structure = member("perovskite", "Al H Al", 10)
    a = structure.lattice.a
    assert structure.lattice.matrix == pytest.approx(np.eye(3) * a)
    assert structure.site_properties["site"] == ["A", "B", "X", "X", "X"]
    assert structure.composition.reduced_formula == "Al4H"
    assert min_distance_ang(structure) == pytest.approx(a / 2)


@pytest.mark.parametrize(
    ("name", "symbols", "variant", "pressure_gpa", "a_ang", "cells"),
    [
        # Relaxed with pw.x, LDA (Al/Mg/H.pz-vbc), 30 Ry.
        ("perovskite", "Al H Al", None, 10, 3.882, 1),
        ("perovskite", "Mg H Al", None, 10, 3.974, 1),
        ("perovskite", "Al Al H", None, 10, 3.414, 1),
        ("perovskite", "Mg Al H", None, 10, 3.457, 1),
        # Relaxed with pw.x, PBE; published structures 10.1103/PhysRevLett.128.047001, 10.1073/pnas.1118168109,
        # 10.1103/PhysRevLett.132.166001.
        ("fluorite_axh8", "La Be", None, 100, 5.338, 4),
        ("sodalite_mh6", "Ca", None, 150, 3.497, 2),
        ("a2xh6", "Mg Ir", None, 0, 6.64, 4),
        ("sodalite_mxh12", "Ca Mg", "pm-3m", 200, 3.285, 1),
    ],
)
def test_starting_lattices_are_within_ten_percent(
    name: str, symbols: str, variant: str | None, pressure_gpa: float, a_ang: float, cells: int
) -> None:
    structure = member(name, symbols, pressure_gpa, variant)
    assert (structure.volume * cells) ** (1 / 3) == pytest.approx(a_ang, rel=0.10)


def test_wrong_requests() -> None:
    perovskite = load_prototype("perovskite")
    with pytest.raises(UserError, match="sites A given, A, B, X wanted"):
        perovskite.structure({"A": "Al"}, pressure_gpa=0)
    with pytest.raises(UserError, match="'Xx', which is not an element"):
        perovskite.structure({"A": "Xx", "B": "H", "X": "Al"}, pressure_gpa=0)
    with pytest.raises(UserError, match="variant None is unknown; choose from pm-3m, fd-3m"):
        load_prototype("sodalite_mxh12").structure({"M": "Ca", "X": "Y"}, pressure_gpa=0)
    with pytest.raises(UserError, match="did you mean 'perovskite'"):
        load_prototype("perovskit")
    with pytest.raises(UserError, match="is unknown"):
        load_prototype("../perovskite")
    fixed = perovskite.structure({"A": "Al", "B": "H", "X": "Al"}, volume_ang3_per_atom=12)
    assert fixed.volume == pytest.approx(60)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("wyckoff: 32f", "wyckoff: 24e", "sites.H.wyckoff: 24e stated, but the coordinates give 32 positions"),
        ("wyckoff: 32f", "wyckoff: f", "yaml: sites.2.wyckoff: "),
        ("formula: AXH8", "formula: AXH9", "formula: AXH9 stated, but the sites"),
        ("formula: AXH8", "formula: Q", "formula: Q stated"),
        ("[x_h, x_h, x_h]", "[z, x_h, x_h]", "sites.H.coords: 'z' found"),
        ("[x_h, x_h, x_h]", "['__import__(\"os\")', 0, 0]", "sites.H.coords: "),
        ("element: H", "element: Hh", "sites.H.element: 'Hh' found"),
        ("label: X", "label: A", "formula: AXH8 stated, but the sites give {'A': 1, 'H': 4}"),
        ("label: X", "label: H", "yaml: sites: label H holds 'choose' and 'H'; one is wanted"),
        ("wyckoff: 4b", "wyckoff: 4a", "sites.X.wyckoff: 4a stated, but the coordinates lie on 4b"),
        ("wyckoff: 4b", "wyckoff: 4b, role: cation", "yaml: sites.1.role: unknown key; allowed: name"),
        ("coords: [1/2, 1/2, 1/2]", "coords: [0, 0, 0]", "A and X lie on the same point"),
        ("space_group_number: 225", "space_group_number: 231", "yaml: space_group_number: 231 found; Input"),
        ("name: fluorite_axh8", "name: other", "name: 'other' found"),
        ("title:", "titel:", "yaml: titel: unknown key; did you mean 'title'?"),
        ("start: 0.349", "start: 0.25", "sites.H.wyckoff"),
        ("formula", "- formula", "not YAML"),
        ("title: Fluorite-type X-H backbone AXH8 (LaBeH8 type)", "", "yaml: title: missing; it has no default"),
    ],
)
def test_a_bad_prototype_file_names_file_and_key(old: str, new: str, expected: str) -> None:
    text = (resources.files("hts.prototypes") / "fluorite_axh8.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(UserError) as caught:
        parse_prototype(text.replace(old, new), "fluorite_axh8.yaml")
    assert str(caught.value).startswith("prototype file fluorite_axh8.yaml: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_symmetry_that_the_sites_exceed_is_refused() -> None:
    """A perovskite written as simple tetragonal: the cell is cubic, so spglib finds more than stated."""
    text = (resources.files("hts.prototypes") / "perovskite.yaml").read_text(encoding="utf-8")
    sites = "  - {label: A, wyckoff: 1a, coords: [0, 0, 0], element: choose}\n"
    bad = text[: text.index("sites:")].replace("221", "123").replace("ABX3", "A") + "sites:\n" + sites
    with pytest.raises(UserError, match="space_group_number: 123 stated, spglib finds 221"):
        parse_prototype(bad, "perovskite.yaml")


def test_expressions() -> None:
    assert evaluate("-x + 1/4", {"x": 0.1}) == pytest.approx(0.15)
    assert evaluate("2*(x - 1/8)", {"x": 0.25}) == pytest.approx(0.25)
    assert evaluate(0.5, {}) == 0.5
    for bad in ("y", "1/0", "x**2", "abs(x)", "'a'", "True", "", "x.real", "(" * 500):
        with pytest.raises(ValueError, match=r"found|not a number"):
            evaluate(bad, {"x": 0.1})


OWN_FAMILY = """
name: my_rocksalt
title: A family of my own
source_doi: 10.1000/182
formula: AH
space_group_number: 225
sites:
  - {label: A, wyckoff: 4a, coords: [0, 0, 0], element: choose}
  - {label: H, wyckoff: 4b, coords: [1/2, 1/2, 1/2], element: H}
"""


def test_a_folder_adds_families(tmp_path: Path) -> None:
    (tmp_path / "my_rocksalt.yaml").write_text(OWN_FAMILY, encoding="utf-8")
    assert set(prototype_names(tmp_path)) == {*prototype_names(), "my_rocksalt"}
    structure = load_prototype("my_rocksalt", tmp_path).structure({"A": "Li"}, pressure_gpa=0)
    assert (structure.composition.reduced_formula, space_group_number(structure)) == ("LiH", 225)
    assert load_prototype("perovskite", tmp_path) == load_prototype("perovskite")
    with pytest.raises(UserError, match="is unknown"):
        load_prototype("my_rocksalt")


def test_a_bad_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a folder"):
        prototype_names(tmp_path / "none")
    (tmp_path / "perovskite.yaml").write_text(OWN_FAMILY, encoding="utf-8")
    with pytest.raises(UserError, match=r"perovskite\.yaml: a duplicate of the packaged family 'perovskite'"):
        load_prototype("perovskite", tmp_path)
    (tmp_path / "perovskite.yaml").rename(tmp_path / "latin.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: ä".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.yaml: cannot be read"):
        load_prototype("latin", tmp_path)


def test_large_atoms_on_small_sites_get_room() -> None:
    """Cs in the octahedra of A2XH6: the sum of the elements would put H nearer to it than atoms can be."""
    template = load_prototype("a2xh6").template()
    placed = {"A": "Be", "X": "Cs", "H": "H"}
    volume_ang3 = start_volume_ang3(template, placed, 0)
    assert volume_ang3 > starting_volume_ang3(template.counts(placed), 0)
    structure = load_prototype("a2xh6").structure({"A": "Be", "X": "Cs"}, pressure_gpa=0)
    assert min_distance_ang(structure) == pytest.approx(shortest_possible_ang("Cs", "H", 0))
    usual = {"A": "Mg", "X": "Ir", "H": "H"}
    assert start_volume_ang3(template, usual, 0) == starting_volume_ang3(template.counts(usual), 0)


@pytest.mark.parametrize(
    ("variant", "pressure_gpa", "bond_ang"),
    # Molecules of the phases of 10.1038/nphys625; Cs-IV hydrogen at 500 GPa, relaxed with PBE: a = 1.226, c/a = 2.47.
    [("p63-m", 100, 0.74), ("c2-c", 300, 0.75), ("i41-amd", 500, 0.97)],
)
def test_hydrogen_starts_at_the_volume_of_the_solid(variant: str, pressure_gpa: float, bond_ang: float) -> None:
    structure = load_prototype("hydrogen").structure({}, pressure_gpa=pressure_gpa, variant=variant)
    assert min_distance_ang(structure) == pytest.approx(bond_ang, rel=0.03)
