"""Descriptors against geometry done by hand and pymatgen's neighbour lists."""

import pytest
from pymatgen.core import Lattice, Structure

from hts.descriptors import descriptors, min_distance_ang, valence_electrons
from hts.prototypes import load_prototype


def test_inverse_perovskite() -> None:
    """Al4H with a = 4: H-Al = a/2, H-H = a; Al 1.61, H 2.20 on Pauling's scale; 4 x 3 + 1 electrons."""
    structure = load_prototype("perovskite").structure({"A": "Al", "B": "H", "X": "Al"}, volume_ang3_per_atom=64 / 5)
    assert descriptors(structure) == pytest.approx(
        {
            "min_hh_distance_ang": 4.0,
            "min_xh_distance_ang": 2.0,
            "hydrogen_fraction": 0.2,
            "valence_electrons_per_formula_unit": 13,
            "electronegativity_difference": 0.59,
        }
    )
    assert min_distance_ang(structure) == pytest.approx(2.0)


def test_mg2irh6_has_19_electrons() -> None:
    """The count of 10.1103/PhysRevLett.132.166001; Ir-H is x a = 0.2591 x 6.64 Angstrom."""
    structure = load_prototype("a2xh6").structure({"A": "Mg", "X": "Ir"}, volume_ang3_per_atom=6.64**3 / 36)
    values = descriptors(structure)
    assert values["valence_electrons_per_formula_unit"] == 19
    assert values["min_xh_distance_ang"] == pytest.approx(0.2591 * 6.64, abs=1e-6)
    assert values["hydrogen_fraction"] == pytest.approx(6 / 9)


@pytest.mark.parametrize(
    ("name", "symbols"), [("fluorite_axh8", "La Be"), ("sodalite_mh6", "Ca"), ("perovskite", "K Ga H")]
)
def test_distances_agree_with_pymatgen(name: str, symbols: str) -> None:
    prototype = load_prototype(name)
    sites = dict(zip(prototype.choose_sites, symbols.split(), strict=True))
    structure = prototype.structure(sites, pressure_gpa=50)
    hydrogens = [site for site in structure if site.specie.symbol == "H"]
    near = [n for site in hydrogens for n in structure.get_neighbors(site, 6)]
    values = descriptors(structure)
    assert values["min_hh_distance_ang"] == pytest.approx(min(n.nn_distance for n in near if n.specie.symbol == "H"))
    assert values["min_xh_distance_ang"] == pytest.approx(min(n.nn_distance for n in near if n.specie.symbol != "H"))


def test_what_does_not_exist_is_none() -> None:
    aluminium = Structure(Lattice.cubic(3), ["Al"], [[0, 0, 0]])
    values = descriptors(aluminium)
    assert values["min_hh_distance_ang"] is None
    assert values["min_xh_distance_ang"] is None
    assert values["hydrogen_fraction"] == 0
    helium = Structure(Lattice.cubic(3), ["He", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert descriptors(helium)["electronegativity_difference"] is None
    assert descriptors(helium)["valence_electrons_per_formula_unit"] == 3


def test_atoms_on_top_of_each_other_are_seen() -> None:
    clash = Structure(Lattice.cubic(3), ["Al", "H"], [[0, 0, 0], [0, 0, 0]])
    assert min_distance_ang(clash) == 0


def test_valence_electrons() -> None:
    counts = {"H": 1, "Be": 2, "Al": 3, "Ir": 9, "La": 3, "Lu": 3, "S": 6, "Zn": 12, "Xe": 8}
    assert {symbol: valence_electrons(symbol) for symbol in counts} == counts
