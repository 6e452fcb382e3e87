"""From Wyckoff sites to primitive cells, and the arithmetic of coordinate expressions."""

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from hts.spglib_calls import or_none

# Angstrom; generated cells are exact, so this only has to cover rounding.
SYMPREC_ANG = 1e-3

# Rows: primitive vectors in the conventional ones, International Tables vol. A (2016), table 1.5.1.1 (R obverse).
CENTRINGS: dict[str, list[list[float]]] = {
    "P": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "F": [[0, 1 / 2, 1 / 2], [1 / 2, 0, 1 / 2], [1 / 2, 1 / 2, 0]],
    "I": [[-1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [1 / 2, 1 / 2, -1 / 2]],
    "A": [[1, 0, 0], [0, 1 / 2, -1 / 2], [0, 1 / 2, 1 / 2]],
    "C": [[1 / 2, 1 / 2, 0], [-1 / 2, 1 / 2, 0], [0, 0, 1]],
    "R": [[2 / 3, 1 / 3, 1 / 3], [-1 / 3, 1 / 3, 1 / 3], [-1 / 3, -2 / 3, 1 / 3]],
}

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True, eq=False)  # known by identity, so that what is derived from it can be cached
class PrimitiveTemplate:
    """A primitive cell with site labels in place of elements.

    Attributes
    ----------
    matrix : numpy.ndarray
        (3, 3) lattice vectors as rows, conventional a = 1.
    frac_coords : numpy.ndarray
        (N, 3), in the primitive vectors.
    labels : tuple[str, ...]
        N site labels; a label may stand on several orbits.
    conventional_counts : Mapping[str, int]
        Positions per conventional cell by label.
    """

    matrix: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    labels: tuple[str, ...]
    conventional_counts: Mapping[str, int]

    def coinciding_labels(self) -> tuple[str, str] | None:
        """Return two labels (of different orbits, so perhaps the same) whose sites lie on one point, or None."""
        seen: dict[tuple[float, ...], str] = {}
        for label, point in zip(self.labels, np.round(self.frac_coords, 6).tolist(), strict=True):
            if tuple(point) in seen:
                return seen[tuple(point)], label
            seen[tuple(point)] = label
        return None

    def counts(self, placed: Mapping[str, str]) -> dict[str, int]:
        """Return the atoms per cell of each element, for one element on each label."""
        totals: dict[str, int] = {}
        for label in self.labels:
            totals[placed[label]] = totals.get(placed[label], 0) + 1
        return totals

    def decorate(self, species: Sequence[str], volume_ang3: float) -> Structure:
        """Put elements on the sites and scale the cell to a volume in Angstrom^3."""
        scale = (volume_ang3 / abs(np.linalg.det(self.matrix))) ** (1 / 3)
        lattice = Lattice(self.matrix * scale)
        return Structure(lattice, list(species), self.frac_coords, site_properties={"site": list(self.labels)})


def evaluate(expression: float | str, values: Mapping[str, float]) -> float:
    """Evaluate a coordinate such as `1/2`, `-x` or `x + 1/4`.

    Parameters
    ----------
    expression : float | str
        A number, or an expression with + - * / and parentheses; nothing else is run.
    values : Mapping[str, float]
        The free parameters.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        When it is no such expression or names an unknown parameter.
    """
    try:
        return _value(ast.parse(str(expression), mode="eval").body, values)
    except (SyntaxError, ZeroDivisionError, RecursionError) as error:
        raise ValueError(f"{expression!r} is not a number or an expression of the free parameters ({error})") from None


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in values:
        return values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, values)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    known = ", ".join(values) or "none"
    raise ValueError(f"{ast.unparse(node)!r} found, numbers, + - * / and free parameters ({known}) are allowed")


def build_template(
    number: int, cell: Sequence[float], orbits: Sequence[tuple[str, tuple[float, float, float]]]
) -> PrimitiveTemplate:
    """Generate the orbits of labelled points in a space group and reduce them to the primitive cell.

    Parameters
    ----------
    number : int
        Space group number; origin choice 1, hexagonal axes for rhombohedral groups.
    cell : Sequence[float]
        Conventional a, b, c (a is 1) and angles in degrees.
    orbits : Sequence[tuple[str, tuple]]
        Label and fractional coordinates of one point per orbit; a label may come again.

    Returns
    -------
    PrimitiveTemplate
        Sites grouped by orbit, in the given order.
    """
    vectors = np.array(CENTRINGS[sg_symbol_from_int_number(number)[0]])
    labels: list[str] = []
    points: list[NDArray[np.float64]] = []
    counts: dict[str, int] = {}
    for label, point in orbits:
        conventional = orbit(number, point)
        primitive = _distinct(conventional @ np.linalg.inv(vectors))
        counts[label] = counts.get(label, 0) + len(conventional)
        labels += [label] * len(primitive)
        points.append(primitive)
    lattice = Lattice.from_parameters(*cell)
    return PrimitiveTemplate(vectors @ lattice.matrix, np.vstack(points), tuple(labels), counts)


def orbit(number: int, point: Sequence[float]) -> NDArray[np.float64]:
    """Return all positions of a point in the conventional cell.

    Parameters
    ----------
    number : int
        Space group number, in the first setting that International Tables list.
    point : Sequence[float]
        Fractional coordinates.

    Returns
    -------
    numpy.ndarray
        (multiplicity, 3), fractional, in [0, 1).
    """
    rotations, translations = symmetry_operations(number)
    return _distinct(rotations @ np.asarray(point, dtype=float) + translations)


@cache
def symmetry_operations(number: int) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return rotations (n, 3, 3) and translations (n, 3) of a space group in its first setting."""
    for hall_number in range(1, 531):  # spglib's settings, ordered by space group
        kind = spglib.get_spacegroup_type(hall_number)
        operations = spglib.get_symmetry_from_database(hall_number)
        if kind is not None and operations is not None and kind.number == number:
            return operations["rotations"], operations["translations"]
    raise ValueError(f"space group {number} is unknown to spglib; 1 to 230 are allowed")


def _distinct(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points without repetition modulo lattice vectors, in their first order."""
    inside = np.round(points - np.floor(points + 1e-7), 12)
    _, first = np.unique(np.round(inside, 6), axis=0, return_index=True)
    return np.asarray(inside[np.sort(first)])


@cache
def member_symmetry(template: PrimitiveTemplate, pattern: tuple[int, ...]) -> tuple[int, int]:
    """Return the space group number and the atoms of the primitive cell for one pattern of equal elements.

    Parameters
    ----------
    template : PrimitiveTemplate
    pattern : tuple[int, ...]
        From `equality_pattern`. Which elements they are is immaterial to the symmetry.

    Returns
    -------
    tuple[int, int]
        Equal elements on inequivalent sites can raise the symmetry and make a smaller cell primitive.
    """
    labels = tuple(dict.fromkeys(template.labels))
    symbols = {label: Element.from_Z(index + 1).symbol for label, index in zip(labels, pattern, strict=True)}
    species = [symbols[label] for label in template.labels]
    # 20 A^3 per atom makes SYMPREC_ANG mean in every prototype what it means in a real cell.
    structure = template.decorate(species, 20.0 * len(species))
    return space_group_number(structure, SYMPREC_ANG), len(standard_primitive(structure))


def equality_pattern(template: PrimitiveTemplate, placed: Mapping[str, str]) -> tuple[int, ...]:
    """Return which labels hold equal elements: the first label with the same one, in the order of the template."""
    symbols = [placed[label] for label in dict.fromkeys(template.labels)]
    return tuple(symbols.index(symbol) for symbol in symbols)


def space_group_number(structure: Structure, symprec_ang: float = SYMPREC_ANG) -> int:
    """Return the space group number that spglib finds.

    Raises
    ------
    ValueError
        When spglib finds none (atoms on top of each other).
    """
    dataset = or_none(spglib.get_symmetry_dataset, _spglib_cell(structure), symprec=symprec_ang)
    if dataset is None:
        raise ValueError(f"spglib finds no symmetry in {structure.formula}; are atoms on top of each other?")
    return int(dataset.number)


def standard_primitive(structure: Structure, symprec_ang: float = SYMPREC_ANG) -> Structure:
    """Return spglib's standard primitive cell (idealised), in its own orientation.

    Raises
    ------
    ValueError
        When spglib finds none (atoms on top of each other).
    """
    standard = or_none(spglib.standardize_cell, _spglib_cell(structure), to_primitive=True, symprec=symprec_ang)
    if standard is None:
        raise ValueError(f"spglib cannot standardise {structure.formula}; are atoms on top of each other?")
    matrix, points, numbers = standard
    return Structure(Lattice(matrix), [Element.from_Z(number) for number in numbers], points)


def _spglib_cell(structure: Structure) -> tuple[list[list[float]], list[list[float]], list[int]]:
    numbers = [site.specie.Z for site in structure]
    return structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers
