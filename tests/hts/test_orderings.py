"""Ordered approximants against published counts and structures, a brute-force search, and what holds for all."""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from hts.errors import UserError
from hts.mixtures import parse_mixture
from hts.orderings import MAX_ARRANGEMENTS, OrderedApproximant, ordered_approximants
from hts.prototypes.geometry import (
    PrimitiveTemplate,
    build_template,
    space_group_number,
    standard_primitive,
    symmetry_operations,
)

CUBIC = (1, 1, 1, 90, 90, 90)
# sqrt(8/3): close packing.
HEXAGONAL = (1, 1, 1.632993, 90, 90, 120)
# Free coordinates of LaH10 and YH9 under pressure, rounded: the symmetry does not depend on their digits.
X_LAH10 = 0.1206
BCC = build_template(229, CUBIC, [("M", (0, 0, 0))])
FCC = build_template(225, CUBIC, [("M", (0, 0, 0))])
HCP = build_template(194, HEXAGONAL, [("M", (1 / 3, 2 / 3, 1 / 4))])
MH6 = build_template(229, CUBIC, [("M", (0, 0, 0)), ("H", (1 / 4, 0, 1 / 2))])
MH10 = build_template(
    225, CUBIC, [("M", (1 / 2, 1 / 2, 1 / 2)), ("H", (1 / 4, 1 / 4, 1 / 4)), ("H", (X_LAH10, X_LAH10, X_LAH10))]
)
MH9 = build_template(
    194,
    (1, 1, 1.578, 90, 90, 120),
    [
        ("M", (1 / 3, 2 / 3, 1 / 4)),
        ("H", (0, 0, 3 / 4)),
        ("H", (1 / 3, 2 / 3, 0.655)),
        ("H", (0.155, 0.845, 0.553)),
    ],
)
MIXTURES = ["La0.5Ce0.5", "La0.25Ce0.75", "La0.667Ce0.333", "Ce0.2La0.8", "La0.5Ce0.25Y0.25", "Y0.333La0.333Ce0.333"]
PARENTS = {"bcc": BCC, "fcc": FCC, "hcp": HCP, "mh6": MH6, "mh10": MH10, "mh9": MH9}
# Both crystals are exact, so only rounding has to be forgiven.
MATCHER = StructureMatcher(ltol=1e-3, stol=1e-3, angle_tol=0.01, primitive_cell=False)


def orders(template: PrimitiveTemplate, text: str, **limits: int) -> list[OrderedApproximant]:
    return ordered_approximants(template, "M", parse_mixture(text), **limits)


def crystal(order: OrderedApproximant, elements: Mapping[str, str] | None = None) -> Structure:
    placed = {"H": "H", **(elements or order.elements)}
    return order.template.decorate(
        [placed[label] for label in order.template.labels], 20.0 * len(order.template.labels)
    )


def groups(found: list[OrderedApproximant]) -> list[int]:
    return [order.space_group_number for order in found]


def point_group_order(number: int) -> int:
    return len(np.unique(symmetry_operations(number)[0], axis=0))


@pytest.mark.parametrize("parent", [BCC, FCC], ids=["bcc", "fcc"])
@pytest.mark.parametrize(
    ("texts", "published"),
    [
        # Derivative structures of n cells, Hart and Forcade, 10.1103/PhysRevB.77.224115 (the same for fcc and bcc).
        # With a prime n every composition needs n cells; compositions x and 1 - x are counted there once.
        (["La0.5Ce0.5"], 2),
        (["La0.667Ce0.333"], 3),
        (["La0.8Ce0.2", "La0.6Ce0.4"], 14),
        (["La0.857Ce0.143", "La0.714Ce0.286", "La0.571Ce0.429"], 52),
        # One atom of the second kind: the superlattices of index n, ibid. and oeis.org/A159842.
        (["La0.75Ce0.25"], 7),
        (["La0.833Ce0.167"], 10),
        (["La0.875Ce0.125"], 20),
        # Ternary, ibid.; at n = 4 every ternary is 2:1:1.
        (["La0.333Ce0.333Y0.333"], 3),
        (["La0.5Ce0.25Y0.25"], 13),
    ],
)
def test_the_orders_are_as_many_as_published(parent: PrimitiveTemplate, texts: list[str], published: int) -> None:
    assert sum(len(orders(parent, text, max_orders=100)) for text in texts) == published


@pytest.mark.parametrize(
    ("parent", "text", "number", "name"),
    [
        (BCC, "La0.5Ce0.5", 221, "B2"),
        (BCC, "La0.667Ce0.333", 139, "C11b"),
        (BCC, "La0.75Ce0.25", 225, "D03"),
        (FCC, "La0.5Ce0.5", 123, "L10"),
        (FCC, "La0.5Ce0.5", 166, "L11"),
        (FCC, "La0.75Ce0.25", 221, "L12"),
        (FCC, "La0.75Ce0.25", 139, "D022"),
        (HCP, "La0.5Ce0.5", 187, "Bh"),
    ],
)
def test_the_well_known_orders_of_metals_are_found(
    parent: PrimitiveTemplate, text: str, number: int, name: str
) -> None:
    # Strukturbericht types on their parent lattices, 10.1103/PhysRevB.77.224115 and textbooks.
    assert number in groups(orders(parent, text)), name


def test_sodalite_one_to_one_holds_the_cscl_order() -> None:
    found = orders(MH6, "La0.5Ce0.5")
    assert groups(found)[0] == 221
    mxh12 = build_template(221, CUBIC, [("A", (0, 0, 0)), ("B", (0.5, 0.5, 0.5)), ("H", (0.25, 0, 0.5))])
    elements = {"A": "La", "B": "Ce", "H": "H"}
    wanted = mxh12.decorate([elements[label] for label in mxh12.labels], 20.0 * len(mxh12.labels))
    assert MATCHER.fit(crystal(found[0]), wanted)
    assert found[0].template.conventional_counts == {"M1": 1, "M2": 1, "H": 12}


def test_lah10_one_to_one_holds_the_published_layered_layh20() -> None:
    found = orders(MH10, "La0.5Y0.5")
    assert groups(found) == [123, 166]
    # R-3m LaYH20 at 180 GPa, relaxed: 10.1016/j.mattod.2021.03.025, supplement.
    published = Structure.from_spacegroup(
        166,
        Lattice.hexagonal(3.48, 16.874),
        ["La", "Y"] + ["H"] * 6,
        [
            (0, 0, 0.5),
            (0, 0, 0),
            (-0.16147, 0.16147, 0.23081),
            (-0.49432, 0.49432, 0.06083),
            (0, 0, 0.19121),
            (0, 0, 0.31037),
            (0, 0, 0.1252),
            (0, 0, -0.37618),
        ],
    )
    layered = StructureMatcher(stol=0.1)
    assert layered.fit(crystal(found[1]), published)
    assert not layered.fit(crystal(found[0]), published)
    assert found[1].template.conventional_counts == {"M1": 3, "M2": 3, "H": 60}


def test_ceh9_one_to_one_needs_no_supercell() -> None:
    (order,) = orders(MH9, "La0.5Ce0.5")
    assert order.space_group_number == 187
    assert Counter(order.template.labels) == {"M1": 1, "M2": 1, "H": 18}
    assert order.n_orders_found == 1


def test_nothing_is_missing_and_nothing_twice_against_all_arrangements() -> None:
    # hcp 3:1, two cells, four sites: all seven superlattices of index 2, in each all four places.
    found = orders(HCP, "La0.75Ce0.25")
    kept: list[Structure] = []
    for odd in [v for v in product((0, 1), repeat=3) if any(v)]:
        parent = HCP.decorate(["La", "La"], 40.0)
        # The vectors whose product with `odd` is even.
        axis = odd.index(1)
        rows = np.eye(3, dtype=int)
        rows[:, axis] = odd
        rows[axis, axis] = 2
        for place in range(4):
            structure = parent.make_supercell(rows, in_place=False)
            structure.replace(place, "Ce")
            if not any(MATCHER.fit(structure, other) for other in kept):
                kept.append(structure)
    assert len(kept) == len(found)
    assert all(any(MATCHER.fit(structure, crystal(order)) for order in found) for structure in kept)


@pytest.mark.parametrize("name", PARENTS)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_what_holds_for_every_order(name: str, data: st.DataObject) -> None:
    parent = PARENTS[name]
    mixture = parse_mixture(data.draw(st.sampled_from(MIXTURES)))
    found = ordered_approximants(parent, "M", mixture, max_atoms=128, max_orders=5)
    parent_species = ["Mg" if label == "M" else "H" for label in parent.labels]
    parent_number = space_group_number(parent.decorate(parent_species, 20.0 * len(parent_species)))
    structures = [crystal(order) for order in found]
    sizes = [point_group_order(order.space_group_number) for order in found]
    assert sizes == sorted(sizes, reverse=True)
    for order, structure, size in zip(found, structures, sizes, strict=True):
        counts = Counter(order.template.labels)
        n_mixed = sum(counts[label] for label in order.elements)
        assert {symbol: Fraction(counts[label], n_mixed) for label, symbol in order.elements.items()} == mixture
        assert counts["H"] * parent.labels.count("M") == n_mixed * parent.labels.count("H")
        n_cells = len(structure) // len(parent.labels)
        assert np.linalg.det(order.template.matrix) == pytest.approx(n_cells * np.linalg.det(parent.matrix))
        assert order.template.coinciding_labels() is None
        assert len(standard_primitive(structure)) == len(structure)
        assert point_group_order(parent_number) % size == 0
        # With one element on all parts of the mixed site the parent is back.
        pure = crystal(order, dict.fromkeys(order.elements, "Mg"))
        assert space_group_number(pure) == parent_number
        assert len(standard_primitive(pure)) == len(parent.labels)
    assert not any(MATCHER.fit(one, other) for one, other in combinations(structures, 2))


@pytest.mark.parametrize("text", ["La0.5Ce0.25Y0.25", "Ce0.333La0.667"])
def test_the_order_of_the_elements_is_immaterial_and_the_result_repeatable(text: str) -> None:
    mixture = parse_mixture(text)
    first = ordered_approximants(MH9, "M", mixture)
    for swapped in permutations(mixture.items()):
        again = ordered_approximants(MH9, "M", dict(swapped))
        assert groups(again) == groups(first)
        for one, other in zip(first, again, strict=True):
            assert one.elements == other.elements
            assert one.template.labels == other.template.labels
            assert np.array_equal(one.template.frac_coords, other.template.frac_coords)
            assert np.array_equal(one.template.matrix, other.template.matrix)


def test_the_list_is_cut_to_the_highest_symmetries_and_says_so() -> None:
    everything = orders(MH9, "La0.667Ce0.333", max_orders=100)
    cut = orders(MH9, "La0.667Ce0.333", max_orders=4)
    assert len(everything) == everything[0].n_orders_found == cut[0].n_orders_found > 4
    assert groups(cut) == groups(everything)[:4]


def test_labels_are_split_in_place_and_never_collide() -> None:
    parent = build_template(221, CUBIC, [("A", (0, 0, 0)), ("M", (0.5, 0.5, 0.5)), ("M1", (0.5, 0.5, 0))])
    order = orders(parent, "La0.5Ce0.5")[0]
    assert list(dict.fromkeys(order.template.labels)) == ["A", "M_1", "M_2", "M1"]
    assert order.elements == {"M_1": "Ce", "M_2": "La"}
    assert orders(MH6, "La0.5Ce0.5")[0].elements == {"M1": "Ce", "M2": "La"}


@pytest.mark.parametrize(
    ("parent", "label", "text", "message"),
    [
        (MH10, "M", "La0.875Ce0.125", "needs 8 cells with 88 atoms, at most 64 allowed"),
        (MH10, "X", "La0.5Ce0.5", "no such site; give one of M, H"),
        (MH10, "H", "La0.857Ce0.143", "needs 7 cells with 77 atoms"),
        (
            MH10,
            "H",
            "La0.75Ce0.25",
            f"108528 arrangements to compare, at most {MAX_ARRANGEMENTS} allowed; choose a simpler fraction",
        ),
    ],
)
def test_what_is_too_large_is_refused(parent: PrimitiveTemplate, label: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ordered_approximants(parent, label, parse_mixture(text))
    assert "\n" not in str(caught.value)


def test_mixtures_that_did_not_come_from_a_text_are_checked_too() -> None:
    with pytest.raises(UserError, match=r"sum to 0\.75, 1 wanted"):
        ordered_approximants(FCC, "M", {"La": Fraction(1, 2), "Ce": Fraction(1, 4)})
    with pytest.raises(UserError, match="1 element found"):
        ordered_approximants(FCC, "M", {"La": Fraction(1)})


def test_a_parent_that_is_not_primitive_is_refused() -> None:
    doubled = PrimitiveTemplate(np.diag([1.0, 1, 2]), np.array([[0, 0, 0], [0, 0, 0.5]]), ("M", "M"), {"M": 2})
    with pytest.raises(ValueError, match="smaller period"):
        orders(doubled, "La0.5Ce0.5")
