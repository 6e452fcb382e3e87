"""Distances against textbook geometry, pymatgen's neighbours, and the template path against the structure path."""

import math
from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from hts.contacts import (
    SAME_LENGTH,
    relabelled,
    shortest_and_next_shell,
    shortest_contact,
    structure_contacts,
    template_contacts,
)
from hts.prototypes.geometry import PrimitiveTemplate, build_template

CUBIC = (1, 1, 1, 90, 90, 90)
PEROVSKITE = build_template(221, CUBIC, [("A", (0, 0, 0)), ("B", (0.5, 0.5, 0.5)), ("X", (0, 0.5, 0.5))])
# LaBeH8: 10.1103/PhysRevLett.128.047001
FLUORITE = build_template(225, CUBIC, [("A", (0, 0, 0)), ("X", (0.5, 0.5, 0.5)), ("H", (0.349, 0.349, 0.349))])
# LaH10: one label on two orbits
MH10 = build_template(225, CUBIC, [("M", (0, 0, 0)), ("H", (0.25, 0.25, 0.25)), ("H", (0.12, 0.12, 0.12))])
# A tilted perovskite (GdFeO3 type): nothing in it is fixed by symmetry alone
TILTED = build_template(
    62,
    (1, 1.4, 1.02, 90, 90, 90),
    [("A", (0.03, 0.25, 0.99)), ("B", (0, 0, 0.5)), ("X", (0.48, 0.25, 0.07)), ("X", (0.29, 0.04, 0.71))],
)
TEMPLATES = [PEROVSKITE, FLUORITE, MH10, TILTED]


def brute_force(structure: Structure, pair: tuple[str, str], cutoff: float) -> list[float]:
    """Return all distances of a pair up to the cutoff from every image in a large block, one by one."""
    shifts = np.array(np.meshgrid(*[np.arange(-6, 7)] * 3)).reshape(3, -1).T @ structure.lattice.matrix
    symbols = [site.specie.symbol for site in structure]
    found: list[float] = []
    for i, first in enumerate(symbols):
        for j, second in enumerate(symbols):
            if tuple(sorted((first, second))) == pair:
                lengths = np.linalg.norm(structure.cart_coords[j] - structure.cart_coords[i] + shifts, axis=1)
                found += [length for length in lengths.tolist() if 1e-8 < length <= cutoff]
    return sorted(found)


def test_fcc() -> None:
    """The shells of fcc are a sqrt(n/2), n = 1, 2, 3, …; the second one ends the list."""
    aluminium = Structure(Lattice.cubic(4.05).matrix @ [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], ["Al"], [[0] * 3])
    assert structure_contacts(aluminium) == {("Al", "Al"): pytest.approx((4.05 / math.sqrt(2), 4.05))}


def test_perovskite() -> None:
    """SrTiO3 with a = 3.905: Ti-O a/2, Sr-O and O-O a/sqrt(2), Sr-Ti a sqrt(3)/2, equal metals a."""
    a = 3.905
    contacts = relabelled(template_contacts(PEROVSKITE), {"A": "Sr", "B": "Ti", "X": "O"}, a)
    first = {pair: lengths[0] / a for pair, lengths in contacts.items()}
    assert first == pytest.approx(
        {
            ("O", "Ti"): 1 / 2,
            ("O", "Sr"): math.sqrt(1 / 2),
            ("O", "O"): math.sqrt(1 / 2),
            ("Sr", "Ti"): math.sqrt(3 / 4),
            ("Sr", "Sr"): 1,
            ("Ti", "Ti"): 1,
        }
    )
    # The common cutoff is the second shell of Sr-Ti, a sqrt(11)/2: everything up to it is there.
    squares = {pair: [(length / a) ** 2 for length in lengths] for pair, lengths in contacts.items()}
    assert squares["Sr", "Ti"] == pytest.approx([3 / 4, 11 / 4])
    assert squares["O", "Ti"] == pytest.approx([1 / 4, 5 / 4, 9 / 4])
    assert squares["O", "O"] == pytest.approx([1 / 2, 1, 3 / 2, 2, 5 / 2])
    assert squares["Sr", "Sr"] == pytest.approx([1, 2])


def test_merged_labels_are_one_element() -> None:
    """Al4H, the inverse perovskite: A and X hold Al, which makes an fcc lattice with distances a/sqrt(2) and a."""
    contacts = relabelled(template_contacts(PEROVSKITE), {"A": "Al", "B": "H", "X": "Al"}, 4.0)
    assert set(contacts) == {("Al", "Al"), ("Al", "H"), ("H", "H")}
    assert contacts["Al", "Al"][:3] == pytest.approx((4 / math.sqrt(2), 4, 4 * math.sqrt(1.5)))
    assert contacts["Al", "H"][:2] == pytest.approx((2, 2 * math.sqrt(3)))  # a/2, and a sqrt(3)/2 from A


def test_label_on_two_orbits() -> None:
    """LaH10: both hydrogens under one label; the shortest H-H is 8c-32f, sqrt(3) (1/4 - x) a."""
    a = 5.1
    contacts = relabelled(template_contacts(MH10), {"M": "La", "H": "H"}, a / 4 ** (1 / 3))
    assert set(contacts) == {("H", "H"), ("H", "La"), ("La", "La")}
    assert contacts["H", "La"][0] == pytest.approx(math.sqrt(3) * 0.12 * a)
    assert contacts["H", "H"][0] == pytest.approx(min(math.sqrt(3) * 0.13, 0.24) * a)


@pytest.mark.parametrize("template", TEMPLATES, ids=["perovskite", "fluorite", "mh10", "tilted"])
def test_shells_are_complete(template: PrimitiveTemplate) -> None:
    """Every pair has two shells, and up to the common cutoff no distance is left out and none is invented."""
    labels = sorted(set(template.labels))
    placed = dict(zip(labels, ["H", "La", "Be"], strict=False))
    structure = template.decorate([placed[label] for label in template.labels], 60.0)
    contacts = structure_contacts(structure)
    assert set(contacts) == {tuple(sorted(pair)) for pair in combinations_with_replacement(placed.values(), 2)}
    common = max(shortest_and_next_shell(lengths)[1] for lengths in contacts.values())
    for pair, lengths in contacts.items():
        every = brute_force(structure, pair, common + 1e-6)
        assert lengths[0] == pytest.approx(every[0])
        assert lengths[-1] <= common * (1 + 2 * SAME_LENGTH)
        assert all(b > a * (1 + SAME_LENGTH) for a, b in pairwise(lengths))
        assert all(min(abs(length - known) for known in lengths) <= 2 * SAME_LENGTH * length for length in every)


ELEMENTS = st.sampled_from(["H", "Li", "Be", "Al", "Ca", "Ir", "La"])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TEMPLATES), st.lists(ELEMENTS, min_size=3, max_size=3), st.floats(15, 400))
def test_template_path_equals_structure_path(template: PrimitiveTemplate, elements: list[str], volume: float) -> None:
    """For any elements, equal ones included, and any volume."""
    placed = dict(zip(sorted(set(template.labels)), elements, strict=False))
    fast = relabelled(template_contacts(template), placed, volume ** (1 / 3))
    slow = structure_contacts(template.decorate([placed[label] for label in template.labels], volume))
    assert set(fast) == set(slow)
    for pair, lengths in slow.items():
        assert fast[pair][: len(lengths)] == pytest.approx(lengths)


def test_atoms_on_one_point_are_at_distance_zero() -> None:
    clash = Structure(Lattice.cubic(3), ["Al", "H"], [[0, 0, 0], [0, 0, 0]])
    contacts = structure_contacts(clash)
    assert contacts["Al", "H"][0] == 0
    assert contacts["Al", "Al"][0] == pytest.approx(3)
    assert shortest_contact(contacts) == 0


def test_own_images_in_a_flat_cell() -> None:
    """The nearest neighbour of an atom can be its image two cells away in a skewed cell."""
    skewed = Structure([[1.0, 0, 0], [2.9, 0.2, 0], [0, 0, 5.0]], ["H"], [[0, 0, 0]])
    assert structure_contacts(skewed)["H", "H"][0] == pytest.approx(math.hypot(0.1, 0.2))


def test_shortest_and_next_shell() -> None:
    """A bond 10 % longer is in the shell, one longer than that begins the next."""
    assert shortest_and_next_shell((1.0, 1.05, 1.099, 1.2, 2.0)) == (1.0, 1.2)


def test_label_without_an_element() -> None:
    with pytest.raises(KeyError, match="X"):
        relabelled(template_contacts(PEROVSKITE), {"A": "Sr", "B": "Ti"}, 1.0)
