"""Cheap descriptors of a candidate, before any DFT.

All of them follow from three things: atoms per cell, distances by element, volume. `descriptors` takes them from a
structure; an enumeration takes the distances from `hts.contacts.relabelled` and builds no structure.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from itertools import product

from pymatgen.core import Element, Structure

from hts.contacts import Contacts, shortest_and_next_shell, shortest_contact, structure_contacts
from hts.errors import UserError
from hts.radii import covalent_radius_ang, has_radius, ionic_radius_ang

# First transition, lanthanide and actinide columns count their group; d and f shells of the p block are core.
LAST_D_GROUP = 12
P_BLOCK_OFFSET = 10

# Solid molecular hydrogen at 1 atm: bond and shortest distance between molecules. V. Labet et al., J. Chem. Phys. 136,
# 074501 (2012), https://doi.org/10.1063/1.3679662.
H2_BOND_ANG = 0.74
H2_MOLECULES_APART_ANG = 3.3

# Pauling's scale.
HYDROGEN_ELECTRONEGATIVITY = 2.20

# Elements whose formula unit is the molecule, as in pymatgen's reduced formulas.
DIATOMIC = frozenset({"H", "N", "O", "F", "Cl"})

DESCRIPTORS: dict[str, str] = {
    "min_hh_distance_ang": "shortest H-H distance (Angstrom)",
    "min_xh_distance_ang": "shortest distance between hydrogen and another element (Angstrom)",
    "hh_bond_order_xi": "metallisation of hydrogen: 0 = H2 molecules as at 1 atm, 1 = atomic (no unit)",
    "hydrogen_fraction": "hydrogen atoms over all atoms (0 to 1)",
    "packing_fraction": "volume of covalent spheres over cell volume (no unit)",
    "valence_electrons_per_formula_unit": "electrons outside noble-gas core and filled d shell (per formula unit)",
    "donated_electrons_per_hydrogen": "electrons that the electropositive elements can give (per hydrogen atom)",
    "formal_charge_per_formula_unit": "charge left over with hydrogen as H-: 0 = charge-balanced (e per formula unit)",
    "electronegativity_difference": "largest minus smallest electronegativity (Pauling)",
    "metal_electronegativity_difference": "backbone former X minus pre-compressing cation A (Pauling)",
    "cation_radius_ang": "ionic radius of the pre-compressing cation A (Angstrom)",
    "ionic_radius_difference_ang": "ionic radius of A minus that of the backbone former X (Angstrom)",
}


def descriptors(structure: Structure) -> dict[str, float | None]:
    """Return the descriptors of a structure.

    Parameters
    ----------
    structure : Structure
        Any periodic structure; distances include periodic images.

    Returns
    -------
    dict[str, float | None]
        See `descriptors_from`.
    """
    counts: dict[str, int] = {}
    for site in structure:
        counts[site.specie.symbol] = counts.get(site.specie.symbol, 0) + 1
    return descriptors_from(counts, structure_contacts(structure), float(structure.volume))


def descriptors_from(counts: Mapping[str, int], contacts: Contacts, volume_ang3: float) -> dict[str, float | None]:
    """Return the descriptors of a crystal from its atoms, distances and volume.

    Parameters
    ----------
    counts : Mapping[str, int]
        Atoms per cell by symbol, all above 0.
    contacts : Contacts
        Distances by element in Angstrom, from `hts.contacts`.
    volume_ang3 : float
        Volume of the cell, Angstrom^3.

    Returns
    -------
    dict[str, float | None]
        The keys of `DESCRIPTORS`, which gives the units. None stands for what does not exist: H-H and X-H distance
        without such a pair, `hh_bond_order_xi` (see there), everything about A without another element than
        hydrogen, about A and X without two of them, what is counted per hydrogen without hydrogen, and what needs an
        electronegativity, a radius or an oxidation state that an element does not have. A is the least, X the most
        electronegative element besides hydrogen.

    References
    ----------
    Hydrogen fraction and electrons against Tc: M. Belli et al., Nat. Commun. 12, 5381 (2021),
    https://doi.org/10.1038/s41467-021-25687-0. The 18/19-electron count of A2XH6: K. Dolui et al., Phys. Rev. Lett.
    132, 166001 (2024), https://doi.org/10.1103/PhysRevLett.132.166001. Large electropositive A, small X: Z. Zhang et
    al., Phys. Rev. Lett. 128, 047001 (2022), https://doi.org/10.1103/PhysRevLett.128.047001. Radii: `hts.radii`.
    Electronegativities: Pauling's scale in pymatgen.
    """
    symbols = tuple(sorted(counts))
    hh = contacts.get(("H", "H"))
    xh = [lengths[0] for pair, lengths in contacts.items() if "H" in pair and pair[0] != pair[1]]
    cation, backbone = _cation_and_backbone(symbols)
    electrons = sum(n * valence_electrons(symbol) for symbol, n in counts.items())
    return {
        "min_hh_distance_ang": hh[0] if hh else None,
        "min_xh_distance_ang": min(xh, default=None),
        "hh_bond_order_xi": hh_bond_order_xi(contacts),
        "hydrogen_fraction": counts.get("H", 0) / sum(counts.values()),
        "packing_fraction": packing_fraction(counts, volume_ang3),
        "valence_electrons_per_formula_unit": electrons / formula_units(counts),
        "donated_electrons_per_hydrogen": donated_electrons_per_hydrogen(counts),
        "formal_charge_per_formula_unit": formal_charge_per_formula_unit(counts),
        "electronegativity_difference": _electronegativity_difference(symbols),
        "metal_electronegativity_difference": _difference(_electronegativity, backbone, cation),
        "cation_radius_ang": _radius(cation) if cation else None,
        "ionic_radius_difference_ang": _difference(_radius, cation, backbone),
    }


def min_distance_ang(structure: Structure) -> float:
    """Return the shortest distance between any two atoms, periodic images included, in Angstrom."""
    return shortest_contact(structure_contacts(structure))


def formula_units(counts: Mapping[str, int]) -> float:
    """Return how many formula units the atoms make.

    Parameters
    ----------
    counts : Mapping[str, int]
        Atoms by symbol, all above 0.

    Returns
    -------
    float
        The greatest common divisor; half of it for the diatomic elements, one H being half of H2.
    """
    divisor = math.gcd(*counts.values())
    return divisor / 2 if len(counts) == 1 and DIATOMIC.issuperset(counts) else float(divisor)


@cache
def valence_electrons(element: str) -> int:
    """Return the electrons outside the noble-gas core and filled d shell: the group, less 10 in the p block.

    Lanthanides and actinides count 3 (4f electrons as core); helium counts 2. Mg2IrH6 comes out at 19.
    """
    if element == "He":
        return 2
    group = Element(element).group
    return group if group <= LAST_D_GROUP else group - P_BLOCK_OFFSET


def hh_bond_order_xi(contacts: Contacts) -> float | None:
    """Return how far hydrogen is from molecules towards the atomic metal.

    xi = 1 - (R - r) / (R_0 - r_0), with r the shortest H-H distance, R the next shell (more than 10 % longer than r),
    and r_0 = 0.74, R_0 = 3.3 Angstrom in solid H2 at 1 atm.

    Parameters
    ----------
    contacts : Contacts
        Angstrom.

    Returns
    -------
    float | None
        0 for molecules as at 1 atm, towards 1 when all neighbours are equally far; below 0 when R - r is larger than
        at 1 atm. None without H-H contacts, and for r above 3.3 Angstrom, where hydrogens are no neighbours.

    References
    ----------
    V. Labet et al., J. Chem. Phys. 136, 074501 (2012), https://doi.org/10.1063/1.3679662
    """
    lengths = contacts.get(("H", "H"))
    if not lengths or lengths[0] > H2_MOLECULES_APART_ANG:
        return None
    shortest, following = shortest_and_next_shell(lengths)
    return 1 - (following - shortest) / (H2_MOLECULES_APART_ANG - H2_BOND_ANG)


def packing_fraction(counts: Mapping[str, int], volume_ang3: float) -> float | None:
    """Return the volume of spheres with the covalent radii over the volume of the cell.

    Parameters
    ----------
    counts : Mapping[str, int]
        Atoms per cell by symbol.
    volume_ang3 : float
        Volume of the cell, Angstrom^3.

    Returns
    -------
    float | None
        Above 1 where bonded spheres overlap much; None when an element has no covalent radius (from Bk on).

    References
    ----------
    B. Cordero et al., Dalton Trans. 2008, 2832, https://doi.org/10.1039/B801115J
    """
    filled = 0.0
    for symbol, n in counts.items():
        sphere = _covalent_sphere_ang3(symbol)
        if sphere is None:
            return None
        filled += n * sphere
    return filled / volume_ang3


def donated_electrons_per_hydrogen(counts: Mapping[str, int]) -> float | None:
    """Return the electrons per hydrogen atom that the electropositive elements can give.

    They go into antibonding states of H2, which break into atomic frameworks: CaH6 has 1/3.

    Parameters
    ----------
    counts : Mapping[str, int]
        Atoms by symbol.

    Returns
    -------
    float | None
        Sum of highest common oxidation state times count over the elements less electronegative than hydrogen (2.20),
        divided by the number of hydrogen atoms. None without hydrogen, and when an element has no electronegativity
        or a donor no common oxidation state.

    References
    ----------
    H. Wang et al., Proc. Natl. Acad. Sci. 109, 6463 (2012), https://doi.org/10.1073/pnas.1118168109; F. Peng et al.,
    Phys. Rev. Lett. 119, 107001 (2017), https://doi.org/10.1103/PhysRevLett.119.107001
    """
    if "H" not in counts:
        return None
    total = 0
    for symbol, n in counts.items():
        donated = _donated_electrons(symbol)
        if donated is None:
            return None
        total += n * donated
    return total / counts["H"]


def formal_charge_per_formula_unit(counts: Mapping[str, int]) -> float | None:
    """Return the charge closest to zero that common oxidation states leave with hydrogen as H-.

    0 is a charge-balanced, probably insulating hydride (K2SiH6: 2 + 4 - 6); above 0 electrons are left over.

    Parameters
    ----------
    counts : Mapping[str, int]
        Atoms by symbol.

    Returns
    -------
    float | None
        Elementary charges, with its sign; the positive one when two are equally close. Every element has one of its
        positive common oxidation states (`pymatgen.core.Element.common_oxidation_states`). None without hydrogen or
        without another element, and when an element has no such state (O, F, He, ...).
    """
    if "H" not in counts or len(counts) == 1:
        return None
    others = [(n, _positive_states(symbol)) for symbol, n in counts.items() if symbol != "H"]
    totals = [
        sum(n * state for (n, _), state in zip(others, choice, strict=True)) - counts["H"]
        for choice in product(*(states for _, states in others))
    ]
    if not totals:
        return None
    return min(totals, key=lambda charge: (abs(charge), -charge)) / formula_units(counts)


@cache
def _cation_and_backbone(symbols: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the least and the most electronegative element besides hydrogen, None where there is none."""
    values = {symbol: _electronegativity(symbol) for symbol in symbols if symbol != "H"}
    known = [(value, symbol) for symbol, value in values.items() if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return min(known)[1], max(known)[1] if len(known) > 1 else None


@cache
def _electronegativity(symbol: str) -> float | None:
    # Not Element.X, which warns of the elements that have none.
    value = Element(symbol).data.get("X")
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else None


@cache
def _electronegativity_difference(symbols: tuple[str, ...]) -> float | None:
    values = [value for symbol in symbols if (value := _electronegativity(symbol)) is not None]
    return max(values) - min(values) if len(values) == len(symbols) else None


@cache
def _radius(symbol: str) -> float | None:
    return ionic_radius_ang(symbol) if has_radius(symbol) else None


def _difference(quantity: Callable[[str], float | None], first: str | None, second: str | None) -> float | None:
    if first is None or second is None:
        return None
    minuend, subtrahend = quantity(first), quantity(second)
    return None if minuend is None or subtrahend is None else minuend - subtrahend


@cache
def _covalent_sphere_ang3(symbol: str) -> float | None:
    try:
        return 4 / 3 * math.pi * covalent_radius_ang(symbol) ** 3
    except UserError:
        return None


@cache
def _positive_states(symbol: str) -> tuple[int, ...]:
    return tuple(state for state in Element(symbol).common_oxidation_states if state > 0)


@cache
def _donated_electrons(symbol: str) -> int | None:
    electronegativity = _electronegativity(symbol)
    if electronegativity is None:
        return None
    if electronegativity >= HYDROGEN_ELECTRONEGATIVITY:
        return 0
    return max(_positive_states(symbol), default=None)
