"""Which atoms are how far from each other: the distances of a crystal, or of a prototype for all its members at once.

In the members of a prototype distances grow with the cube root of the volume and depend on nothing else, as long as
free parameters stand at their start values. So they are found once per template, by site label, and every member only
renames and scales them.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

if TYPE_CHECKING:  # not at run time, so that hts.prototypes can import this module
    from hts.prototypes.geometry import PrimitiveTemplate

# (name, name) in sorted order -> the distinct distances in ascending order, periodic images included. All pairs are
# complete up to one common cutoff, which is not smaller than the second shell of any pair.
Contacts = Mapping[tuple[str, str], tuple[float, ...]]

# Relative. Lengths closer than this are one: rounding in a file of coordinates, not chemistry.
SAME_LENGTH = 1e-4
# Relative. Bonds up to 10 % longer than the shortest one are its shell: molecules or bonds of slightly different
# length, as in the layered phases of solid hydrogen.
SHELL_WIDTH = 0.1
# The first cutoff in units of (volume per atom)^(1/3), and its growth until every pair has its two shells.
START_CUTOFF = 1.5
CUTOFF_GROWTH = 1.4


def structure_contacts(structure: Structure) -> Contacts:
    """Return the distances of a structure by element.

    Parameters
    ----------
    structure : Structure
        Any periodic structure; at least one site.

    Returns
    -------
    Contacts
        Angstrom. Two atoms on one point have the distance 0.
    """
    return _contacts(structure, [site.specie.symbol for site in structure])


@cache
def template_contacts(template: "PrimitiveTemplate") -> Contacts:
    """Return the distances of a template by site label, for a cell of volume 1.

    Parameters
    ----------
    template : PrimitiveTemplate
        A label may stand on several orbits; its distances are those of all of them.

    Returns
    -------
    Contacts
        In units of the cube root of the primitive cell's volume.
    """
    scale = abs(np.linalg.det(template.matrix)) ** (-1 / 3)
    lattice = Lattice(template.matrix * scale)
    # The element does not matter to the distances.
    return _contacts(Structure(lattice, ["H"] * len(template.labels), template.frac_coords), template.labels)


def relabelled(contacts: Contacts, placed: Mapping[str, str], scale: float) -> Contacts:
    """Put elements in place of site labels and scale all lengths.

    Parameters
    ----------
    contacts : Contacts
        By site label, such as those of `template_contacts`.
    placed : Mapping[str, str]
        Element of each label; several labels may have the same one.
    scale : float
        Factor of all lengths: the cube root of the cell's volume in Angstrom^3 for contacts of a template.

    Returns
    -------
    Contacts
        By element, complete up to the scaled common cutoff: that of `structure_contacts` or further out.

    Raises
    ------
    KeyError
        When a label has no element.
    """
    sources: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    for (first, second), lengths in contacts.items():
        a, b = placed[first], placed[second]
        sources.setdefault((a, b) if a <= b else (b, a), []).append(lengths)
    return {
        pair: tuple([length * scale for length in (parts[0] if len(parts) == 1 else _merged(parts))])
        for pair, parts in sources.items()
    }


def shortest_contact(contacts: Contacts) -> float:
    """Return the shortest distance between any two atoms, in the unit of the contacts."""
    return min(lengths[0] for lengths in contacts.values())


def shortest_and_next_shell(lengths: Sequence[float]) -> tuple[float, float]:
    """Return the shortest length and the first one beyond its shell (`SHELL_WIDTH`).

    Parameters
    ----------
    lengths : Sequence[float]
        Ascending, with at least two shells, as every pair of `Contacts` has.

    Returns
    -------
    tuple[float, float]
        In the unit of the lengths.
    """
    shortest = lengths[0]
    outside = shortest * (1 + SHELL_WIDTH)
    return shortest, next(length for length in lengths if length > outside)


def _contacts(structure: Structure, names: Sequence[str]) -> Contacts:
    known = sorted(set(names))
    numbers = np.array([known.index(name) for name in names])
    cutoff = START_CUTOFF * (structure.volume / len(structure)) ** (1 / 3)
    while True:
        found = _within(structure, numbers, len(known), cutoff)
        shells = [_beyond_first_shell(lengths) for lengths in found.values()]
        wanted = len(known) * (len(known) + 1) // 2
        if len(shells) == wanted and all(len(beyond) for beyond in shells):
            break
        cutoff *= CUTOFF_GROWTH
    # The smallest cutoff that serves all pairs, so that the result does not depend on the steps of the search.
    common = max(float(beyond[0]) for beyond in shells) * (1 + SAME_LENGTH)
    return {
        (known[first], known[second]): _distinct(lengths[lengths <= common].tolist())
        for (first, second), lengths in found.items()
    }


def _within(
    structure: Structure, numbers: NDArray[np.int_], n_names: int, cutoff: float
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return the sorted distances up to the cutoff by pair of name numbers."""
    centres, neighbours, _, lengths = structure.get_neighbor_list(cutoff)
    low = np.minimum(numbers[centres], numbers[neighbours])
    high = np.maximum(numbers[centres], numbers[neighbours])
    pairs = low * n_names + high
    return {divmod(int(pair), n_names): np.sort(lengths[pairs == pair]) for pair in np.unique(pairs)}


def _beyond_first_shell(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    return lengths[lengths > lengths[0] * (1 + SHELL_WIDTH)]


def _merged(parts: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return _distinct(sorted(length for lengths in parts for length in lengths))


def _distinct(ascending: Iterable[float]) -> tuple[float, ...]:
    """Return the lengths without those that equal the one before."""
    kept: list[float] = []
    for length in ascending:
        if not kept or length > kept[-1] * (1 + SAME_LENGTH):
            kept.append(length)
    return tuple(kept)
