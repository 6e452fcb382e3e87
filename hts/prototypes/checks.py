"""What can be wrong with a prototype: sites against space group, symmetry against statement, formula against sites."""

import math
import re
from collections.abc import Iterator

import numpy as np
import spglib
from pymatgen.core import Element, Lattice

from hts.prototypes.geometry import SYMPREC_ANG, equality_pattern, member_symmetry, orbit
from hts.prototypes.model import CHOOSE, Arrangement, Prototype
from hts.spglib_calls import or_none


def complaints(prototype: Prototype) -> Iterator[str]:
    """Yield what is inconsistent in a prototype, the first cause first.

    Parameters
    ----------
    prototype : Prototype

    Yields
    ------
    str
        `key: what was found, what is wanted`.
    """
    for variant, arrangement in prototype.variants.items():
        prefix = f"variants.{variant}." if variant else ""
        found = list(_site_complaints(arrangement))
        if not found:
            found = list(_crystal_complaints(prototype, arrangement))
        yield from (f"{prefix}{complaint}" for complaint in found)


def _site_complaints(arrangement: Arrangement) -> Iterator[str]:
    number = arrangement.space_group_number
    for site in arrangement.sites:
        if site.element != CHOOSE and not Element.is_valid_symbol(site.element):
            yield f"sites.{site.label}.element: {site.element!r} found, an element or 'choose' wanted"
        try:
            point = arrangement.start_coords(site)
        except ValueError as error:
            yield f"sites.{site.label}.coords: {error}"
            continue
        count = len(orbit(number, point))
        if count != site.multiplicity:
            yield (
                f"sites.{site.label}.wyckoff: {site.wyckoff} stated, but the coordinates give {count} positions in "
                f"space group {number}; correct one of the two"
            )


def _crystal_complaints(prototype: Prototype, arrangement: Arrangement) -> Iterator[str]:
    template = arrangement.template
    clash = template.coinciding_labels()
    if clash:
        yield f"sites: {clash[0]} and {clash[1]} lie on the same point; each site wants its own coordinates"
        return
    counts = template.conventional_counts
    divisor = math.gcd(*counts.values())
    actual = {label: n // divisor for label, n in counts.items()}
    if actual != parse_formula(prototype.formula, list(actual)):
        yield f"formula: {prototype.formula} stated, but the sites give {actual}"
    number = member_symmetry(template, equality_pattern(template, {label: label for label in counts}))[0]
    if number != arrangement.space_group_number:
        yield (
            f"space_group_number: {arrangement.space_group_number} stated, spglib finds {number} with different "
            "elements on all labels; correct the sites or the number"
        )
        return
    for site, letter in zip(arrangement.sites, _letters(arrangement), strict=True):
        if letter not in (None, site.wyckoff[-1]):
            yield (
                f"sites.{site.label}.wyckoff: {site.wyckoff} stated, but the coordinates lie on "
                f"{site.multiplicity}{letter} of space group {number}; correct one of the two"
            )


def _letters(arrangement: Arrangement) -> list[str | None]:
    """Return spglib's Wyckoff letter of every orbit; None for all where its standard cell has another origin or axes.

    Which letter an orbit has depends on the origin (4a and 4b of a rock salt are the same up to a shift), so only a
    cell that spglib leaves where it is can be compared.
    """
    points = [orbit(arrangement.space_group_number, arrangement.start_coords(site)) for site in arrangement.sites]
    labels = list(dict.fromkeys(site.label for site in arrangement.sites))
    numbers = [
        labels.index(site.label) + 1
        for site, orbit_points in zip(arrangement.sites, points, strict=True)
        for _ in orbit_points
    ]
    lattice = Lattice.from_parameters(*arrangement.cell)
    scale = (20.0 * len(numbers) / lattice.volume) ** (1 / 3)
    cell = ((lattice.matrix * scale).tolist(), np.vstack(points).tolist(), numbers)
    dataset = or_none(spglib.get_symmetry_dataset, cell, symprec=SYMPREC_ANG)
    moved = dataset is None or not (
        np.allclose(dataset.origin_shift - np.round(dataset.origin_shift), 0, atol=1e-4)
        and np.allclose(dataset.transformation_matrix, np.eye(3), atol=1e-4)
    )
    if dataset is None or moved:
        return [None] * len(points)
    firsts = np.cumsum([0, *(len(orbit_points) for orbit_points in points[:-1])])
    return [str(dataset.wyckoffs[first]) for first in firsts]


def parse_formula(formula: str, labels: list[str]) -> dict[str, int]:
    """Split a template such as AXH8 into label -> count; {} when it holds anything but labels and counts."""
    alternatives = "|".join(sorted(map(re.escape, labels), key=len, reverse=True))
    if not re.fullmatch(rf"(?:(?:{alternatives})\d*)+", formula):
        return {}
    return {label: int(count or 1) for label, count in re.findall(rf"({alternatives})(\d*)", formula)}
