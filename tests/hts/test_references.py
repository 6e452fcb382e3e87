"""Elemental references: symmetry, volumes, validity windows, and what a hull lacks."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element

from hts.descriptors import min_distance_ang
from hts.errors import UserError
from hts.prototypes.geometry import space_group_number
from hts.references import (
    elemental_reference,
    hydrogen_volume_ang3_per_molecule,
    missing_competitors,
    window_end_gpa,
)
from hts.volumes import atomic_volume_ang3

NUMBERS = {"fcc": 225, "bcc": 229, "hcp": 194, "diamond": 227}
METALS = [
    element.symbol
    for element in Element
    if element.symbol not in ("H", "D", "T") and elemental_reference(element.symbol, 0).structure is not None
]


@pytest.mark.parametrize("element", METALS)
def test_symmetry_and_ambient_volume(element: str) -> None:
    """Volumes against the molar volumes of pymatgen's table, an independent source (alkalis were measured cold)."""
    reference = elemental_reference(element, 0)
    assert reference.structure is not None
    assert space_group_number(reference.structure) == NUMBERS[reference.label.removeprefix(f"{element}-")]
    per_atom = reference.structure.volume / len(reference.structure)
    assert per_atom == pytest.approx(atomic_volume_ang3(element), rel=0.07)


def test_pressure_scales_the_cell() -> None:
    ambient, pressed = (elemental_reference("Al", pressure).structure for pressure in (0, 10))
    assert ambient is not None
    assert pressed is not None
    assert ambient.volume == pytest.approx(4.05**3 / 4)
    # Vinet with B0 = 76 GPa, B' = 4: that volume gives back the pressure.
    x = (pressed.volume / ambient.volume) ** (1 / 3)
    assert 3 * 76 * (1 - x) / x**2 * math.exp(1.5 * 3 * (1 - x)) == pytest.approx(10)
    # Scaling one must not touch the other.
    assert elemental_reference("Al", 0).structure == ambient
    with pytest.raises(UserError, match="negative"):
        elemental_reference("Al", -1)


def test_caveats() -> None:
    for element in ("Al", "Mg", "H"):
        assert elemental_reference(element, 10).caveat is None
    silicon = elemental_reference("Si", 15)
    assert silicon.structure is not None
    assert silicon.caveat == "Si diamond is used at 15 GPa, beyond its window (up to 11.7 GPa)"
    assert "dhcp" in str(elemental_reference("La", 0).caveat)
    sulphur = elemental_reference("S", 0)
    assert (sulphur.structure, sulphur.label) == (None, "S-unknown")
    assert "missing competitor" in str(sulphur.caveat)
    hydrogen = elemental_reference("H", 110)
    assert hydrogen.structure is None
    assert "above 105 GPa" in str(hydrogen.caveat)


@pytest.mark.parametrize("element", ["Si", "H", "Al"])
def test_the_end_of_a_window_is_where_the_caveat_begins(element: str) -> None:
    end_gpa = window_end_gpa(element)
    assert end_gpa is not None
    assert elemental_reference(element, end_gpa).caveat is None
    assert elemental_reference(element, end_gpa + 0.1).caveat is not None
    assert window_end_gpa("S") is None


@pytest.mark.parametrize("pressure_gpa", [0, 10, 105])
def test_molecular_hydrogen(pressure_gpa: float) -> None:
    reference = elemental_reference("H", pressure_gpa)
    assert reference.structure is not None
    assert (reference.label, len(reference.structure), space_group_number(reference.structure)) == ("H2-hcp", 4, 194)
    assert min_distance_ang(reference.structure) == pytest.approx(0.75)


def test_hydrogen_volume_against_other_sources() -> None:
    """Solid H2 at 4 K: 23.1 cm3/mol (10.1103/RevModPhys.52.393). P6_3/m at 100 GPa: 2.31 A^3/H (10.1038/nphys625)."""
    assert hydrogen_volume_ang3_per_molecule(0) * 0.602214 == pytest.approx(23.1, rel=0.04)
    assert hydrogen_volume_ang3_per_molecule(100) / 2 == pytest.approx(2.31, rel=0.04)
    assert hydrogen_volume_ang3_per_molecule(0) > hydrogen_volume_ang3_per_molecule(1)


def test_missing_competitors() -> None:
    assert missing_competitors({"Al", "H"}, set()) == ["no competing compound of Al-H was computed"]
    assert missing_competitors({"Mg", "Al", "H"}, {frozenset({"Al", "H"})}) == [
        "no competing compound of Al-Mg was computed",
        "no competing compound of H-Mg was computed",
        "no competing compound of Al-H-Mg was computed",
    ]
    assert missing_competitors({"Al", "H"}, set(), "is known") == ["no competing compound of Al-H is known"]
    assert missing_competitors({"H"}, set()) == []
    assert missing_competitors(set(), set()) == []


@settings(deadline=None)
@given(elements=st.sets(st.sampled_from(["Al", "H", "Mg", "La", "Be"])))
def test_every_subsystem_is_missing_or_computed(elements: set[str]) -> None:
    everything = missing_competitors(elements, set())
    assert len(everything) == 2 ** len(elements) - len(elements) - 1
    computed = {frozenset(line.split()[4].split("-")) for line in everything}
    assert missing_competitors(elements, computed) == []
