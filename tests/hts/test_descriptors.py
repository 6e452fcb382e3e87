"""Descriptors against geometry done by hand, published numbers, and the path that builds no structure."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, Lattice, Structure

from hts.contacts import relabelled, structure_contacts, template_contacts
from hts.descriptors import (
    DESCRIPTORS,
    descriptors,
    descriptors_from,
    donated_electrons_per_hydrogen,
    formal_charge_per_formula_unit,
    formula_units,
    hh_bond_order_xi,
    min_distance_ang,
    packing_fraction,
    valence_electrons,
)
from hts.prototypes.geometry import PrimitiveTemplate, build_template

CUBIC = (1, 1, 1, 90, 90, 90)
PEROVSKITE = build_template(221, CUBIC, [("A", (0, 0, 0)), ("B", (0.5, 0.5, 0.5)), ("X", (0, 0.5, 0.5))])
FLUORITE = build_template(225, CUBIC, [("A", (0, 0, 0)), ("X", (0.5, 0.5, 0.5)), ("H", (0.34891, 0.34891, 0.34891))])
SODALITE = build_template(229, CUBIC, [("M", (0, 0, 0)), ("H", (0.25, 0, 0.5))])
# 10.1103/PhysRevLett.132.166001
A2XH6 = build_template(225, CUBIC, [("A", (0.25, 0.25, 0.25)), ("X", (0, 0, 0)), ("H", (0.2591, 0, 0))])


def member(template: PrimitiveTemplate, a_ang: float, **placed: str) -> Structure:
    """Return the primitive cell of a member with the cubic axis a."""
    species = [{"H": "H", **placed}[label] for label in template.labels]
    return template.decorate(species, a_ang**3 * len(species) / sum(template.conventional_counts.values()))


def h2_box(bond_ang: float, a_ang: float) -> Structure:
    """Return one H2 molecule along z in a cube."""
    return Structure(Lattice.cubic(a_ang), ["H", "H"], [[0.0, 0.0, 0.0], [0.0, 0.0, bond_ang / a_ang]])


def test_inverse_perovskite() -> None:
    """Al4H with a = 4: H-Al = a/2, H-H = a; Al 1.61, H 2.20 on Pauling's scale; 4 x 3 + 1 electrons."""
    spheres = 4 / 3 * math.pi * (4 * 1.21**3 + 0.31**3)
    assert descriptors(member(PEROVSKITE, 4.0, A="Al", B="H", X="Al")) == pytest.approx(
        {
            "min_hh_distance_ang": 4.0,
            "min_xh_distance_ang": 2.0,
            "hh_bond_order_xi": None,
            "hydrogen_fraction": 0.2,
            "packing_fraction": spheres / 64,
            "valence_electrons_per_formula_unit": 13,
            "donated_electrons_per_hydrogen": 12,
            "formal_charge_per_formula_unit": 11,
            "electronegativity_difference": 0.59,
            "metal_electronegativity_difference": None,
            "cation_radius_ang": 0.535,
            "ionic_radius_difference_ang": None,
        }
    )


def test_labeh8() -> None:
    """LaBeH8, a = 5.338 at 100 GPa (10.1103/PhysRevLett.128.047001): H8 cubes around Be.

    With d = (2 x - 1/2) a and the cube's edge e = (1 - 2 x) a = 1.613: the shortest H-H is between cubes, sqrt(2) d =
    1.494; the edge is 8 % longer and belongs to it; sqrt(2 d^2 + e^2) = 2.199 is the next shell.
    """
    values = descriptors(member(FLUORITE, 5.33821, A="La", X="Be"))
    x, a = 0.34891, 5.33821
    assert values["min_hh_distance_ang"] == pytest.approx(math.sqrt(2) * (2 * x - 0.5) * a)
    assert values["min_xh_distance_ang"] == pytest.approx(math.sqrt(3) * (0.5 - x) * a)
    gap = math.sqrt(2 * (2 * x - 0.5) ** 2 + (1 - 2 * x) ** 2) * a - math.sqrt(2) * (2 * x - 0.5) * a
    assert values["hh_bond_order_xi"] == pytest.approx(1 - gap / 2.56)
    assert values["hydrogen_fraction"] == pytest.approx(0.8)
    assert values["cation_radius_ang"] == 1.032  # La3+
    assert values["ionic_radius_difference_ang"] == pytest.approx(1.032 - 0.45)  # Be2+
    assert values["metal_electronegativity_difference"] == pytest.approx(1.57 - 1.10)
    assert values["donated_electrons_per_hydrogen"] == pytest.approx(5 / 8)
    assert values["formal_charge_per_formula_unit"] == 3 + 2 - 8


def test_mg2irh6_has_19_electrons() -> None:
    """The count of 10.1103/PhysRevLett.132.166001; Ir-H is x a = 0.2591 x 6.64 Angstrom."""
    values = descriptors(member(A2XH6, 6.64, A="Mg", X="Ir"))
    assert values["valence_electrons_per_formula_unit"] == 19
    assert values["min_xh_distance_ang"] == pytest.approx(0.2591 * 6.64, abs=1e-6)
    assert values["hydrogen_fraction"] == pytest.approx(6 / 9)
    assert values["formal_charge_per_formula_unit"] == 1  # Ir3+: one electron left over


def test_cah6() -> None:
    """Sodalite: H-H sqrt(2)/4 a, next a/2; calcium gives 1/3 electron per hydrogen (10.1073/pnas.1118168109)."""
    a = 3.497
    values = descriptors(member(SODALITE, a, M="Ca"))
    assert values["min_hh_distance_ang"] == pytest.approx(math.sqrt(2) / 4 * a)
    assert values["hh_bond_order_xi"] == pytest.approx(1 - (0.5 - math.sqrt(2) / 4) * a / 2.56)
    assert values["donated_electrons_per_hydrogen"] == pytest.approx(1 / 3)
    assert values["cation_radius_ang"] == 1.00
    assert values["ionic_radius_difference_ang"] is None
    assert values["metal_electronegativity_difference"] is None


@pytest.mark.parametrize(
    ("bond_ang", "a_ang", "xi"),
    [
        (0.74, 3.3 + 0.74, 0.0),  # molecules 3.3 Angstrom apart end to end, as in solid H2 at 1 atm
        (0.74, 2.02 + 0.74, 0.5),  # half way
        (0.74, 4.58 + 0.74, -0.5),  # wider apart than at 1 atm
    ],
)
def test_xi_of_hydrogen_molecules(bond_ang: float, a_ang: float, xi: float) -> None:
    """Only the distance along the row counts: the shortest one between the molecules."""
    assert hh_bond_order_xi(structure_contacts(h2_box(bond_ang, a_ang))) == pytest.approx(xi)


def test_xi_of_the_simple_cubic_metal() -> None:
    """Here r = a, R = a sqrt(2): nearly 1, as atoms at equal distances are."""
    cubic = Structure(Lattice.cubic(1.3), ["H"], [[0, 0, 0]])
    assert hh_bond_order_xi(structure_contacts(cubic)) == pytest.approx(1 - 1.3 * (math.sqrt(2) - 1) / 2.56)


def test_xi_takes_slightly_different_molecules_as_one_shell() -> None:
    """Bonds of 0.74 and 0.78 Angstrom, 2.5 apart at the nearest: R is the next molecule, not the other bond."""
    cell = Lattice.orthorhombic(2.5, 20, 20)
    heights = [0.0, 0.74, 10.0, 10.78]
    layers = Structure(cell, ["H"] * 4, [[0.0, 0.0, z] for z in heights], coords_are_cartesian=True)
    assert hh_bond_order_xi(structure_contacts(layers)) == pytest.approx(1 - (2.5 - 0.74) / 2.56)


def test_what_does_not_exist_is_none() -> None:
    aluminium = descriptors(Structure(Lattice.cubic(3), ["Al"], [[0, 0, 0]]))
    absent = {name for name, value in aluminium.items() if value is None}
    assert absent == {
        "min_hh_distance_ang",
        "min_xh_distance_ang",
        "hh_bond_order_xi",
        "donated_electrons_per_hydrogen",
        "formal_charge_per_formula_unit",
        "metal_electronegativity_difference",
        "ionic_radius_difference_ang",
    }
    assert aluminium["hydrogen_fraction"] == 0
    # Helium has no electronegativity, ionic radius or oxidation state.
    helium = descriptors(Structure(Lattice.cubic(3), ["He", "H"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]))
    known = {name for name, value in helium.items() if value is not None}
    assert known == {
        "min_hh_distance_ang",
        "min_xh_distance_ang",
        "hh_bond_order_xi",
        "hydrogen_fraction",
        "packing_fraction",
        "valence_electrons_per_formula_unit",
    }
    assert helium["valence_electrons_per_formula_unit"] == 3
    hydrogen = descriptors(h2_box(0.74, 3.3))
    assert hydrogen["valence_electrons_per_formula_unit"] == 2  # per H2
    assert hydrogen["donated_electrons_per_hydrogen"] == 0
    assert hydrogen["formal_charge_per_formula_unit"] is None
    assert hydrogen["cation_radius_ang"] is None


def test_every_descriptor_is_named_and_explained() -> None:
    assert list(descriptors(h2_box(0.74, 3.3))) == list(DESCRIPTORS)
    assert all(meaning for meaning in DESCRIPTORS.values())


def test_packing_fraction_of_fcc_aluminium() -> None:
    """Covalent spheres of 1.21 in a cell of 4.05^3 with four atoms; touching spheres would fill pi/sqrt(18) = 0.74."""
    assert packing_fraction({"Al": 4}, 4.05**3) == pytest.approx(4 * 4 / 3 * math.pi * 1.21**3 / 4.05**3)
    radius = 4.05 / math.sqrt(8)
    assert packing_fraction({"Al": 4}, 4.05**3) == pytest.approx(math.pi / math.sqrt(18) * (1.21 / radius) ** 3)
    assert packing_fraction({"Es": 1, "H": 2}, 30.0) is None


@pytest.mark.parametrize(
    ("formula", "per_hydrogen"),
    # LaH10 0.3, YH6 0.5, YH9 1/3 with trivalent metals: 10.1103/PhysRevLett.119.107001.
    [("LaH10", 0.3), ("YH6", 0.5), ("YH9", 1 / 3), ("MgH2", 1.0), ("Li2MgH16", 0.25), ("H3S", 0.0), ("Mg2IrH6", 2 / 3)],
)
def test_donated_electrons(formula: str, per_hydrogen: float) -> None:
    counts = {str(symbol): int(n) for symbol, n in Composition(formula).get_el_amt_dict().items()}
    assert donated_electrons_per_hydrogen(counts) == pytest.approx(per_hydrogen)


@pytest.mark.parametrize(
    ("formula", "charge"),
    [
        ("K2SiH6", 0),  # 2 + 4 - 6, a salt
        ("KMgH3", 0),
        ("NaAlH4", 0),
        ("LiH", 0),
        ("CaH6", -4),
        ("KGaH3", 1),
        ("SrZnH3", 1),
        ("TlH2", 1),  # Tl+ and Tl3+ are equally far: the positive one
        ("CeH4", 0),  # Ce4+ rather than Ce3+
        ("Ca2H4", 0),  # per formula unit
        ("La2H4", 1),
    ],
)
def test_formal_charge(formula: str, charge: float) -> None:
    counts = {str(symbol): int(n) for symbol, n in Composition(formula).get_el_amt_dict().items()}
    assert formal_charge_per_formula_unit(counts) == charge


def test_formal_charge_without_a_positive_state() -> None:
    assert formal_charge_per_formula_unit({"H": 2, "O": 1}) is None
    assert formal_charge_per_formula_unit({"H": 2, "Al": 1, "He": 1}) is None


ELEMENTS = st.sampled_from(["H", "Li", "Be", "Al", "S", "Ca", "Fe", "Ir", "La", "Ce", "Tl", "He", "O"])
TEMPLATES = st.sampled_from([PEROVSKITE, FLUORITE, SODALITE, A2XH6])


@settings(max_examples=60, deadline=None)
@given(TEMPLATES, st.lists(ELEMENTS, min_size=3, max_size=3), st.floats(10, 500))
def test_no_structure_is_needed(template: PrimitiveTemplate, elements: list[str], volume: float) -> None:
    """Relabelled and scaled contacts give what the built structure gives, for any elements and volume."""
    placed = dict(zip(dict.fromkeys(template.labels), elements, strict=False))
    contacts = relabelled(template_contacts(template), placed, volume ** (1 / 3))
    structure = template.decorate([placed[label] for label in template.labels], volume)
    assert descriptors_from(template.counts(placed), contacts, volume) == pytest.approx(descriptors(structure))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(ELEMENTS, st.integers(1, 12), min_size=1, max_size=3).filter(lambda counts: counts != {"O": 1}))
def test_formula_units_are_those_of_pymatgen(counts: dict[str, int]) -> None:
    """Including H2; hydrides without oxygen, whose peroxides pymatgen writes double."""
    if len(counts) == 1 or "O" not in counts:
        assert formula_units(counts) == Composition(counts).get_reduced_formula_and_factor()[1]


def test_atoms_on_top_of_each_other_are_seen() -> None:
    clash = Structure(Lattice.cubic(3), ["Al", "H"], [[0, 0, 0], [0, 0, 0]])
    assert min_distance_ang(clash) == 0
    assert min_distance_ang(member(PEROVSKITE, 4.0, A="Al", B="H", X="Al")) == pytest.approx(2.0)


def test_valence_electrons() -> None:
    counts = {"H": 1, "Be": 2, "Al": 3, "Ir": 9, "La": 3, "Lu": 3, "S": 6, "Zn": 12, "Xe": 8}
    assert {symbol: valence_electrons(symbol) for symbol in counts} == counts
