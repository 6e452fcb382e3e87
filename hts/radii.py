"""How large atoms and ions are, and how close two atoms can be."""

from functools import cache

from pymatgen.analysis.molecule_structure_comparator import CovalentRadius
from pymatgen.core import Element

from hts.errors import UserError
from hts.volumes import compression_ratio

# Coordination numbers of Shannon's table; the suffixes PY and SQ (pyramidal, square) are left out before.
COORDINATION_NUMBERS = {
    "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10, "XI": 11, "XII": 12,
    "XIV": 14,
}  # fmt: skip
OCTAHEDRAL = 6

# H-: what Na+ (1.02 Angstrom) leaves of half the lattice constant of NaH, 4.88 Angstrom: C. G. Shull et al.,
# Phys. Rev. 73, 842 (1948), https://doi.org/10.1103/PhysRev.73.842. Shannon's H+ is negative, a bare proton.
HYDRIDE_ION_RADIUS_ANG = 1.42

# The bond of H2 has 0.74 Angstrom, and in the molecular phases of hydrogen up to 300 GPa hardly less.
SHORTEST_HH_ANG = 0.70
# Part of the compressed covalent sum below which no two atoms come. The published hydrides of known pressure (0 to
# 500 GPa) do not go below 0.88 (Rb-Rb in RbCdH3 at 0 GPa), and start volumes may be a little small.
SHORTEST_COVALENT_PART = 0.7


@cache
def ionic_radius_ang(element: str) -> float:
    """Return the effective ionic radius of an element's cation.

    The charge is the first common positive oxidation state in Shannon's table, else the listed charge nearest to that
    state; the coordination is VI, else the nearest listed. Where two spin states are listed the low-spin radius is
    taken: hydride is a strong-field ligand (Mg2FeH6 is diamagnetic, https://doi.org/10.1021/ic00181a032).

    Parameters
    ----------
    element : str
        Symbol. H is the hydride ion (1.42 Angstrom); oxygen and fluorine, which have no common positive state, are
        their anions.

    Returns
    -------
    float
        Angstrom.

    Raises
    ------
    UserError
        When the element is unknown or Shannon lists no radius (He, Ne, Ar, Kr, Rn, from Es on).

    References
    ----------
    R. D. Shannon, Acta Cryst. A32, 751 (1976), https://doi.org/10.1107/S0567739476001551 (pymatgen's table).
    """
    if element == "H":
        return HYDRIDE_ION_RADIUS_ANG
    table = _shannon_table(element)
    if not table:
        raise UserError(f"element {element!r} has no ionic radius in Shannon's table; leave it out of the campaign")
    positive = [state for state in Element(element).common_oxidation_states if state > 0]
    common = [state for state in positive if state in table]
    # Without a common positive state it is an anion: the most negative charge listed.
    charge = common[0] if common else min(table, key=lambda state: abs(state - (positive or [-2])[0]))
    by_coordination = table[charge]
    number = min(by_coordination, key=lambda coordination: (abs(coordination - OCTAHEDRAL), coordination))
    return by_coordination[number]


def has_radius(element: str) -> bool:
    """Say whether `ionic_radius_ang` knows the element; False for what is no element."""
    return element == "H" or (Element.is_valid_symbol(element) and bool(_shannon_table(element)))


@cache
def covalent_radius_ang(element: str) -> float:
    """Return the covalent radius of an element.

    Parameters
    ----------
    element : str
        Symbol.

    Returns
    -------
    float
        Angstrom.

    Raises
    ------
    UserError
        When the element is unknown or has none (from Bk on).

    References
    ----------
    B. Cordero et al., Dalton Trans. 2008, 2832, https://doi.org/10.1039/B801115J (pymatgen's table).
    """
    radius = CovalentRadius.radius.get(element)
    if radius is None:
        raise UserError(f"element {element!r} has no covalent radius (H to Cm have one); leave it out of the campaign")
    return float(radius)


@cache
def shortest_possible_ang(first: str, second: str, pressure_gpa: float) -> float:
    """Return the distance below which two atoms cannot be: what is shorter is a mistake of the structure.

    Parameters
    ----------
    first, second : str
        Symbols, in any order.
    pressure_gpa : float
        0 or above.

    Returns
    -------
    float
        Angstrom: 0.70 between two hydrogens at any pressure (the bond of H2 is 0.74), otherwise
        0.7 (r_1 k_1 + r_2 k_2) with covalent radii r and linear compressions k = (V(P)/V(0))^(1/3) of the elements.

    Raises
    ------
    UserError
        When an element has no covalent radius, or the pressure is negative.
    """
    if first == second == "H":
        return SHORTEST_HH_ANG
    radii = (covalent_radius_ang(el) * compression_ratio(el, pressure_gpa) ** (1 / 3) for el in (first, second))
    return SHORTEST_COVALENT_PART * sum(radii)


@cache
def _shannon_table(element: str) -> dict[int, dict[int, float]]:
    """Return charge -> coordination -> radius in Angstrom; {} for an element that is not listed."""
    if not Element.is_valid_symbol(element):
        raise UserError(f"element {element!r} is not in the periodic table; give a symbol such as 'Al'")
    listed = Element(element).data.get("Shannon radii")
    if not isinstance(listed, dict):
        return {}
    table: dict[int, dict[int, float]] = {}
    for charge, by_coordination in listed.items():
        if not charge:  # a second radius of Eu2+ that lost its charge in pymatgen's table
            continue
        for name, by_spin in by_coordination.items():
            number = COORDINATION_NUMBERS[name.removesuffix("PY").removesuffix("SQ")]
            radius = float(by_spin.get("Low Spin", next(iter(by_spin.values())))["ionic_radius"])
            # The plain coordination is listed before its planar form, IV before IVSQ, and stays.
            table.setdefault(int(charge), {}).setdefault(number, radius)
    return table
