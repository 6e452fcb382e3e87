"""Solid solutions as ordered approximants: the smallest supercells that hold a composition, and their distinct orders.

A mixture such as `La0.5Ce0.5` on the site of a family stands for every crystal in which the elements take fixed places
on it, in the smallest supercells of the family's primitive cell with whole numbers of atoms.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Element
from pymatgen.symmetry.groups import sg_symbol_from_int_number

from hts.errors import UserError
from hts.mixtures import check_mixture, mixture_label
from hts.prototypes.geometry import CENTRINGS, SYMPREC_ANG, PrimitiveTemplate, space_group_number
from hts.spglib_calls import or_none

# Superlattices times ways to place the elements: some seconds at most.
MAX_ARRANGEMENTS = 20_000
# As for the prototypes: makes SYMPREC_ANG mean in every template what it means in a real cell.
_ANG3_PER_ATOM = 20.0

IntArray = NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class OrderedApproximant:
    """One order of a mixture.

    Attributes
    ----------
    template : PrimitiveTemplate
        Primitive cell in units of the parent's conventional a (Niggli-reduced, in the parent's orientation), in which
        the mixed label is split into one label per element.
    elements : Mapping[str, str]
        New label -> element: `{"M1": "Ce", "M2": "La"}`, the elements by symbol.
    space_group_number : int
        With different elements on all labels.
    n_orders_found : int
        Distinct orders of this composition, before the list was cut to the highest symmetries.
    """

    template: PrimitiveTemplate
    elements: Mapping[str, str]
    space_group_number: int
    n_orders_found: int


def ordered_approximants(
    template: PrimitiveTemplate,
    label: str,
    mixture: Mapping[str, Fraction],
    *,
    max_atoms: int = 64,
    max_orders: int = 12,
) -> list[OrderedApproximant]:
    """Return the symmetry-distinct orders of a mixture in the smallest supercells that can hold it.

    Superlattices are the Hermite normal forms of the smallest determinant n for which n times the label's sites times
    every fraction is whole, reduced by the parent's rotations; the ways to place the elements are reduced by those
    operations of the parent's space group that keep the superlattice. No two of the results are the same crystal, and
    none has a smaller period, as a smaller n would then do.

    Parameters
    ----------
    template : PrimitiveTemplate
        Parent; its labels count as different elements. Sites and orbits of the label share the elements in every way.
    label : str
        The mixed site.
    mixture : Mapping[str, Fraction]
        Element -> fraction, sum 1; their order is immaterial.
    max_atoms, max_orders : int
        Largest cell, longest list.

    Returns
    -------
    list[OrderedApproximant]
        By falling order of the point group, then by superlattice and arrangement: the same list for the same input.

    Raises
    ------
    UserError
        No such label, no mixture, a cell of more than `max_atoms` atoms, more than `MAX_ARRANGEMENTS` arrangements.
    ValueError
        When the parent's cell is not primitive, or two of its sites coincide.

    References
    ----------
    G. L. W. Hart and R. W. Forcade, Phys. Rev. B 77, 224115 (2008), https://doi.org/10.1103/PhysRevB.77.224115;
    several sites a cell: Phys. Rev. B 80, 014120 (2009), https://doi.org/10.1103/PhysRevB.80.014120.
    """
    where = f"mixture {mixture_label(mixture)} on site {label}"
    check_mixture(where, mixture)
    sites = np.flatnonzero([name == label for name in template.labels])
    if not len(sites):
        raise UserError(f"{where}: no such site; give one of {', '.join(dict.fromkeys(template.labels))}")
    elements = dict(zip(_new_labels(template, label, len(mixture)), sorted(mixture), strict=True))
    shares = [mixture[symbol] * len(sites) for symbol in elements.values()]
    n_cells = math.lcm(*(share.denominator for share in shares))
    counts = [int(share * n_cells) for share in shares]
    _check_size(where, n_cells, n_cells * len(template.labels), counts, max_atoms)
    orders = _distinct_orders(_ParentSymmetry.of(template, sites), n_cells, counts)
    return [
        _approximant(template, label, elements, superlattice, colouring, len(orders))
        for superlattice, colouring in orders[:max_orders]
    ]


def _distinct_orders(
    parent: "_ParentSymmetry", n_cells: int, counts: Sequence[int]
) -> list[tuple[IntArray, tuple[int, ...]]]:
    """Return superlattice and colouring of every distinct order, the largest point group first."""
    found: list[tuple[int, int, tuple[int, ...], IntArray]] = []
    colourings = list(_colourings(counts))
    for index, superlattice in enumerate(_distinct_superlattices(n_cells, parent.rotations)):
        permutations = parent.permutations(superlattice)
        for colouring, orbit_size in _distinct_colourings(colourings, permutations):
            # No translation is left, so the operations that keep an order are its point group (orbit-stabiliser).
            found.append((-(len(permutations) // orbit_size), index, colouring, superlattice))
    found.sort(key=lambda order: order[:3])
    return [(superlattice, colouring) for _, _, colouring, superlattice in found]


def _check_size(where: str, n_cells: int, n_atoms: int, counts: Sequence[int], max_atoms: int) -> None:
    advice = "choose a simpler fraction, such as 0.5 or 0.75"
    if n_atoms > max_atoms:
        raise UserError(f"{where}: needs {n_cells} cells with {n_atoms} atoms, at most {max_atoms} allowed; {advice}")
    # Sites are as many as the counts together: the multinomial coefficient, for every superlattice.
    ways = math.factorial(sum(counts)) // math.prod(map(math.factorial, counts))
    total = ways * sum(1 for _ in _hermite_normal_forms(n_cells))
    if total > MAX_ARRANGEMENTS:
        raise UserError(f"{where}: {total} arrangements to compare, at most {MAX_ARRANGEMENTS} allowed; {advice}")


def _new_labels(template: PrimitiveTemplate, label: str, n_elements: int) -> list[str]:
    names = [f"{label}{index + 1}" for index in range(n_elements)]
    # Labels of prototype files have no underscore, so the second choice is always free.
    return names if not set(names) & set(template.labels) else [f"{label}_{index + 1}" for index in range(n_elements)]


@dataclass(frozen=True, eq=False)
class _ParentSymmetry:
    """The parent's space group as it acts on the k mixed sites.

    Operation g takes site i of the cell at 0 to site `targets[g, i]` of the cell at `shifts[g, i]`, in whole numbers:
    what follows has no rounding.
    """

    rotations: IntArray  # (g, 3, 3), on fractional column vectors
    targets: IntArray  # (g, k)
    shifts: IntArray  # (g, k, 3)

    @classmethod
    def of(cls, template: PrimitiveTemplate, sites: IntArray) -> "_ParentSymmetry":
        matrix = _scaled(template)
        kinds = [list(dict.fromkeys(template.labels)).index(label) for label in template.labels]
        dataset = or_none(
            spglib.get_symmetry_dataset, (matrix.tolist(), template.frac_coords.tolist(), kinds), symprec=SYMPREC_ANG
        )
        if dataset is None:
            raise ValueError("spglib finds no symmetry in the parent of a mixture; do two of its sites coincide?")
        if sum(np.array_equal(rotation, np.eye(3)) for rotation in dataset.rotations) > 1:
            raise ValueError("the parent of a mixture has a smaller period than its cell; give its primitive cell")
        points = template.frac_coords[sites]
        images = points @ dataset.rotations.transpose(0, 2, 1) + dataset.translations[:, None, :]
        apart = images[:, :, None, :] - points
        targets = np.abs(apart - np.rint(apart)).max(axis=-1).argmin(axis=-1)
        shifts = np.rint(images - points[targets]).astype(int)
        return cls(dataset.rotations.astype(int), targets, shifts)

    def permutations(self, superlattice: IntArray) -> IntArray:
        """Return how all operations and translations that keep a superlattice permute its sites, (g n, k n).

        Site i in cell c of the supercell has the number i n + c.
        """
        cells = _cells(superlattice)
        kept = _is_whole(superlattice @ self.rotations.transpose(0, 2, 1) @ np.linalg.inv(superlattice))
        turned = cells @ self.rotations[kept].transpose(0, 2, 1)  # (g, n, 3)
        landing = self.shifts[kept][:, None, :, None, :] + turned[:, None, None, :, :] + cells[None, :, None, None, :]
        numbers = self.targets[kept][:, None, :, None] * len(cells) + _cell_number(landing, superlattice)
        return numbers.reshape(-1, numbers.shape[2] * len(cells))


def _hermite_normal_forms(determinant: int) -> Iterator[IntArray]:
    """Yield one basis (rows, upper triangular) of every superlattice of this index."""
    divisors = [a for a in range(1, determinant + 1) if determinant % a == 0]
    for a in divisors:
        for c in (c for c in divisors if determinant // a % c == 0):
            f = determinant // a // c
            for b in range(c):
                for d, e in np.ndindex(f, f):
                    yield np.array([[a, b, d], [0, c, e], [0, 0, f]])


def _distinct_superlattices(determinant: int, rotations: IntArray) -> Iterator[IntArray]:
    """Yield the first of the superlattices that the rotations take into one another."""
    left = np.array(list(_hermite_normal_forms(determinant)))
    turns = rotations.transpose(0, 2, 1)
    while len(left):
        yield left[0]
        # Two bases span the same lattice when one is a whole-number combination of the other.
        same = _is_whole((left[0] @ turns)[:, None] @ np.linalg.inv(left))
        left = left[~same.any(axis=0)]


def _is_whole(matrices: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which matrices (..., 3, 3) hold whole numbers only; here all entries are multiples of 1/n."""
    return np.asarray((np.abs(matrices - np.rint(matrices)) < 1e-6).all(axis=(-1, -2)))


def _cells(superlattice: IntArray) -> IntArray:
    """Return the n parent lattice vectors (n, 3) inside a supercell, numbered as `_cell_number` does."""
    return np.array(list(np.ndindex(*np.diag(superlattice).tolist())))


def _cell_number(vectors: IntArray, superlattice: IntArray) -> IntArray:
    """Return the number of the cell to which parent lattice vectors (..., 3) are equivalent in a supercell."""
    number = np.zeros(vectors.shape[:-1], dtype=int)
    for axis, row in enumerate(superlattice):
        vectors = vectors - (vectors[..., axis] // row[axis])[..., None] * row
        number = number * row[axis] + vectors[..., axis]
    return number


def _colourings(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield every way to give `counts[i]` sites the colour i."""
    n_sites, last = sum(counts), len(counts) - 1
    if last == 0:
        yield (0,) * n_sites
        return
    for rest in _colourings(counts[:-1]):
        for places in combinations(range(n_sites), counts[-1]):
            others = iter(rest)
            yield tuple(last if site in places else next(others) for site in range(n_sites))


def _distinct_colourings(
    colourings: Sequence[tuple[int, ...]], permutations: IntArray
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the first of the colourings that the permutations take into one another, and how many these are."""
    seen: set[bytes] = set()
    for colouring in colourings:
        row = np.array(colouring, dtype=np.uint8)
        if row.tobytes() not in seen:
            orbit = {image.tobytes() for image in row[permutations]}
            seen |= orbit
            yield colouring, len(orbit)


def _approximant(
    parent: PrimitiveTemplate,
    label: str,
    elements: Mapping[str, str],
    superlattice: IntArray,
    colouring: Sequence[int],
    n_orders_found: int,
) -> OrderedApproximant:
    new = list(elements)
    order = [name for old in dict.fromkeys(parent.labels) for name in (new if old == label else [old])]
    cells, colours = _cells(superlattice), iter(colouring)
    basis = _niggli_basis(superlattice, parent)
    to_basis = np.linalg.inv(basis)
    sites: list[tuple[str, NDArray[np.float64]]] = []
    for old, point in zip(parent.labels, parent.frac_coords, strict=True):
        for cell in cells:
            inside = (point + cell) @ to_basis
            sites.append((new[next(colours)] if old == label else old, inside - np.floor(inside + 1e-7)))
    sites.sort(key=lambda site: order.index(site[0]))
    names, points = zip(*sites, strict=True)
    matrix, coords = basis @ parent.matrix, np.round(np.array(points), 12)
    in_cell = {name: names.count(name) for name in order}
    number = _symmetry_of(PrimitiveTemplate(matrix, coords, names, in_cell))
    n_centring = round(1 / abs(np.linalg.det(CENTRINGS[sg_symbol_from_int_number(number)[0]])))
    template = PrimitiveTemplate(matrix, coords, names, {name: n * n_centring for name, n in in_cell.items()})
    return OrderedApproximant(template, dict(elements), number, n_orders_found)


def _symmetry_of(template: PrimitiveTemplate) -> int:
    kinds = {label: Element.from_Z(index + 1).symbol for index, label in enumerate(template.conventional_counts)}
    species = [kinds[label] for label in template.labels]
    return space_group_number(template.decorate(species, _ANG3_PER_ATOM * len(species)))


def _niggli_basis(superlattice: IntArray, parent: PrimitiveTemplate) -> NDArray[np.float64]:
    """Return a compact basis (rows, whole numbers of the parent's vectors) of a superlattice, of the same hand."""
    reduced = or_none(spglib.niggli_reduce, superlattice @ _scaled(parent), eps=SYMPREC_ANG)
    if reduced is None:
        raise ValueError("spglib cannot reduce a supercell of a mixture's parent; are its vectors in one plane?")
    basis = np.rint(reduced @ np.linalg.inv(_scaled(parent)))
    return np.asarray(basis * np.sign(np.linalg.det(basis)))


def _scaled(template: PrimitiveTemplate) -> NDArray[np.float64]:
    volume_ang3 = _ANG3_PER_ATOM * len(template.labels)
    return np.asarray(template.matrix * (volume_ang3 / abs(np.linalg.det(template.matrix))) ** (1 / 3))
