"""The structures that the literature of the field names: each must come out of the library as published."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spglib
import yaml
from pymatgen.core import Composition, Structure

from hts.prototypes import load_prototype, prototype_names
from hts.prototypes.geometry import space_group_number, standard_primitive
from hts.prototypes.model import Arrangement

DATA = Path(__file__).parent.parent / "data" / "literature_structures.yaml"
LITERATURE = yaml.safe_load(DATA.read_text(encoding="utf-8"))
ENTRIES: list[dict[str, Any]] = LITERATURE["structures"]

SYMPREC_ANG = 1e-3
# Shorter than the molecule H2 (0.74 Angstrom), and than any bond of another element to hydrogen (B-H: 1.19).
SHORTEST_H_H_ANG = 0.6
SHORTEST_OTHER_ANG = 1.0


def build(entry: dict[str, Any]) -> Structure:
    prototype = load_prototype(entry["prototype"])
    return prototype.structure(entry["sites"], pressure_gpa=entry["pressure_gpa"], variant=entry.get("variant"))


def orbit_multiplicities(structure: Structure) -> dict[str, list[int]]:
    """Return the sizes of the orbits in spglib's standard conventional cell, by element."""
    numbers = [site.specie.Z for site in structure]
    standard = spglib.standardize_cell(
        (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers),
        to_primitive=False,
        symprec=SYMPREC_ANG,
    )
    assert standard is not None
    dataset = spglib.get_symmetry_dataset(standard, symprec=SYMPREC_ANG)
    assert dataset is not None
    orbits = dataset.crystallographic_orbits
    sizes: dict[int, list[int]] = defaultdict(list)
    for first in np.unique(orbits):
        sizes[int(standard[2][first])].append(int(np.sum(orbits == first)))
    symbols = {site.specie.Z: site.specie.symbol for site in structure}
    return {symbols[number]: sorted(found) for number, found in sizes.items()}


def at(name: str, variant: str | None, cell: tuple[float, ...] | None, **values: float) -> Arrangement:
    """Return an arrangement of the library with other values of its free parameters."""
    arrangement = load_prototype(name).variants[variant]
    dumped = arrangement.model_dump(exclude={"template"})
    for parameter, value in values.items():
        dumped["free_parameters"][parameter]["start"] = value
    return Arrangement.model_validate(dumped | ({"cell": cell} if cell else {}))


def members(arrangement: Arrangement, **elements: str) -> Structure:
    """Put elements on labels; sites of labels without an element stay empty."""
    template = arrangement.template
    full = template.decorate([elements.get(label, "Og") for label in template.labels], 20.0 * len(template.labels))
    full.remove_species(["Og"])
    return full


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_a_published_structure_is_reproduced(entry: dict[str, Any]) -> None:
    structure = build(entry)
    assert space_group_number(structure, SYMPREC_ANG) == entry["space_group_number"]
    assert structure.composition.reduced_formula == entry["formula"]
    assert orbit_multiplicities(structure) == entry["multiplicities"]
    # Twice the primitive cell along each axis shows the distances to periodic images as well.
    doubled = structure.make_supercell([2, 2, 2], in_place=False)
    distances = doubled.distance_matrix
    np.fill_diagonal(distances, np.inf)
    hydrogen = np.array([site.specie.symbol == "H" for site in doubled])
    both = np.logical_and.outer(hydrogen, hydrogen)
    assert distances[both].min(initial=np.inf) > SHORTEST_H_H_ANG
    assert distances[~both].min(initial=np.inf) > SHORTEST_OTHER_ANG


def test_all_published_structures_are_covered() -> None:
    assert len(ENTRIES) == 135
    assert len({entry["id"] for entry in ENTRIES}) == 135
    assert LITERATURE["not_covered"] == []
    assert {entry["prototype"] for entry in ENTRIES} <= set(prototype_names())


def test_the_orbits_of_the_data_add_up_to_the_formula() -> None:
    for entry in ENTRIES:
        total = Composition({element: sum(sizes) for element, sizes in entry["multiplicities"].items()})
        assert total.reduced_formula == entry["formula"], entry["id"]


@pytest.mark.parametrize(
    ("variant", "cell", "values"),
    [
        ("p4-mbm", (1, 1, 1 / np.sqrt(2), 90, 90, 90), {"x_eq": 0.25}),
        (
            "pnma",
            (1, np.sqrt(2), 1, 90, 90, 90),
            {"x_a": 0, "z_a": 0, "x_ap": 0.5, "z_ap": 0, "x_eq": 0.25, "y_eq": 0, "z_eq": 0.75},
        ),
    ],
)
def test_a_tilted_perovskite_without_tilt_is_the_cubic_one(
    variant: str, cell: tuple[float, ...], values: dict[str, float]
) -> None:
    untilted = members(at("perovskite_tilted", variant, cell, **values), A="Ca", B="Ti", X="O")
    primitive = standard_primitive(untilted)
    assert space_group_number(untilted) == 221
    assert len(primitive) == 5
    oxygen_around = {
        symbol: sum(near.specie.symbol == "O" for near in primitive.get_neighbors(site, 0.75 * primitive.lattice.a))
        for symbol in ("Ca", "Ti")
        for site in primitive
        if site.specie.symbol == symbol
    }
    assert oxygen_around == {"Ca": 12, "Ti": 6}


@pytest.mark.parametrize(
    ("symbols", "variant", "volume_ang3_per_atom", "bonds_ang"),
    [
        # Mg-H of NaMgH3, nearly regular octahedra in a cell of 5.463 x 7.703 x 5.411 Angstrom.
        ({"A": "Na", "B": "Mg", "X": "H"}, "pnma", 11.39, (1.95, 2.02)),
        # Sn-I of CsSnI3, 8.718 x 8.718 x 6.191 Angstrom: https://doi.org/10.1021/ja301539s.
        ({"A": "Cs", "B": "Sn", "X": "I"}, "p4-mbm", 47.05, (3.05, 3.20)),
    ],
)
def test_a_tilted_perovskite_has_regular_octahedra(
    symbols: dict[str, str], variant: str, volume_ang3_per_atom: float, bonds_ang: tuple[float, float]
) -> None:
    structure = load_prototype("perovskite_tilted").structure(
        symbols, volume_ang3_per_atom=volume_ang3_per_atom, variant=variant
    )
    centre = next(site for site in structure if site.specie.symbol == symbols["B"])
    corners = [near for near in structure.get_neighbors(centre, 3.9) if near.specie.symbol == symbols["X"]]
    lengths = sorted(corner.nn_distance for corner in corners)[:6]
    assert bonds_ang[0] < lengths[0] <= lengths[-1] < bonds_ang[1]


def test_a2xh5_is_a2xh6_with_vacancies() -> None:
    # The apices opposite to the occupied ones are the vacancies, and the cell is the cube's, turned by 45 degrees.
    ideal = at("a2xh5", None, (1, 1, np.sqrt(2), 90, 90, 90), z_x=0.25, z_apex=0.5, x_base=0.25, z_base=0.25)
    assert space_group_number(members(ideal, A="Mg", X="Co")) == 225
    structure = members(ideal, A="Mg", X="Co", H="H")
    vacancies = [(0, 1 / 2, 0), (1 / 2, 0, 0)]
    for vacancy in vacancies:
        structure.append("H", vacancy)
    assert space_group_number(structure) == 225
    assert standard_primitive(structure).composition.reduced_formula == "Mg2CoH6"


def test_mg2coh5_has_square_pyramids() -> None:
    # 4.463 x 4.463 x 6.593 Angstrom: four Co-D of 1.52, one of 1.59 Angstrom; Zolliker et al., Inorg. Chem. 24 (1985).
    volume = 4.463**2 * 6.593 / 16
    structure = load_prototype("a2xh5").structure({"A": "Mg", "X": "Co"}, volume_ang3_per_atom=volume)
    cobalt = next(site for site in structure if site.specie.symbol == "Co")
    lengths = sorted(near.nn_distance for near in structure.get_neighbors(cobalt, 2.0))
    assert lengths == pytest.approx([1.52, 1.52, 1.52, 1.52, 1.59], abs=0.01)


def test_modified_fluorite_goes_over_into_fluorite() -> None:
    assert space_group_number(members(at("mh2", "pa-3", None, x_h=0.25), M="Mg", H="H")) == 225


def test_the_cages_of_mxh20_are_those_of_mh10() -> None:
    # Equal metals in ideal layers: c/a of the cubic close packing is 2 sqrt(6) for six layers.
    metals = members(at("mxh20", None, (1, 1, 2 * np.sqrt(6), 90, 90, 120)), M="La", X="La")
    assert space_group_number(metals) == 225
