"""Starting volumes: sums of elemental atomic volumes, compressed to the pressure with the Murnaghan equation.

They only have to be good enough for a relaxation to start close (within 10 % of the lattice constant for the
hydrides of the tests); nothing that is reported comes from them.
"""

from collections.abc import Mapping
from functools import cache

from pymatgen.core import Element

from hts.errors import UserError

ANG3_PER_CM3_MOL = 1e24 / 6.02214076e23

# Volume that one hydrogen atom adds to a metal, about 2.5-2.9 Angstrom^3: Y. Fukai, The Metal-Hydrogen System,
# 2nd ed., Springer 2005, https://doi.org/10.1007/3-540-28883-X. The elemental H2 crystal (19 A^3/H) says nothing here.
HYDROGEN_IN_HYDRIDE_ANG3 = 2.5
# Chosen so that LaBeH8 at 100 GPa and CaH6 at 150 GPa (tests) start close; atomic hydrogen is as stiff as that.
HYDROGEN_IN_HYDRIDE_BULK_MODULUS_GPA = 100.0

# Elements whose bulk modulus pymatgen leaves out: C. Kittel, Introduction to Solid State Physics, 8th ed. (2005),
# chapter 3, table 3.
KITTEL_BULK_MODULUS_GPA = {"Ga": 56.9, "Ge": 77.2, "In": 41.1, "Os": 418.0, "Sr": 11.6, "Tc": 297.0, "Zr": 83.3}
# The middle of the metals, for what neither table has.
FALLBACK_BULK_MODULUS_GPA = 80.0
# Between 3 and 5 for nearly every metal.
BULK_MODULUS_DERIVATIVE = 4.0


@cache
def atomic_volume_ang3(element: str) -> float:
    """Return the volume of one atom of the element at 0 GPa.

    Parameters
    ----------
    element : str
        Symbol. Hydrogen counts as an atom in a hydride, not as half of H2.

    Returns
    -------
    float
        Angstrom^3, from `pymatgen.core.Element.molar_volume` (cm^3/mol).

    Raises
    ------
    UserError
        When the element is unknown or has no molar volume.
    """
    if element == "H":
        return HYDROGEN_IN_HYDRIDE_ANG3
    if not Element.is_valid_symbol(element):
        raise UserError(f"element {element!r} is not in the periodic table; give a symbol such as 'Al'")
    molar_volume = Element(element).data.get("Molar volume")
    try:
        return float(str(molar_volume).split()[0]) * ANG3_PER_CM3_MOL
    except ValueError:
        raise UserError(
            f"element {element!r} has no atomic volume in pymatgen's table ({molar_volume!r}), so no starting volume "
            "can be made; leave the element out of the campaign"
        ) from None


@cache
def bulk_modulus_gpa(element: str) -> float:
    """Return the bulk modulus in GPa: pymatgen's table, then Kittel's, then 80 GPa."""
    if element == "H":
        return HYDROGEN_IN_HYDRIDE_BULK_MODULUS_GPA
    if element in KITTEL_BULK_MODULUS_GPA:
        return KITTEL_BULK_MODULUS_GPA[element]
    try:
        return float(str(Element(element).data.get("Bulk modulus")).split()[0])
    except ValueError:
        return FALLBACK_BULK_MODULUS_GPA


def compression_ratio(element: str, pressure_gpa: float) -> float:
    """Return V(P)/V(0) of an element from the Murnaghan equation with B' = 4.

    Parameters
    ----------
    element : str
        Symbol.
    pressure_gpa : float
        Pressure in GPa, 0 or above.

    Returns
    -------
    float
        (1 + B' P / B0)^(-1/B'); exactly 1 at 0 GPa.

    Raises
    ------
    UserError
        When the pressure is negative.

    References
    ----------
    F. D. Murnaghan, Proc. Natl. Acad. Sci. 30, 244 (1944), https://doi.org/10.1073/pnas.30.9.244
    """
    if not pressure_gpa >= 0:
        raise UserError(f"pressure {pressure_gpa} GPa is negative; starting volumes are made for 0 GPa and above")
    return (1 + BULK_MODULUS_DERIVATIVE * pressure_gpa / bulk_modulus_gpa(element)) ** (-1 / BULK_MODULUS_DERIVATIVE)


def starting_volume_ang3(counts: Mapping[str, float], pressure_gpa: float) -> float:
    """Return the starting volume of a cell that holds `counts` atoms of each element.

    Parameters
    ----------
    counts : Mapping[str, float]
        Atoms per cell by symbol.
    pressure_gpa : float
        Pressure in GPa, 0 or above.

    Returns
    -------
    float
        Angstrom^3 per cell; 0 for no atoms.

    Raises
    ------
    UserError
        When an element has no volume or the pressure is negative.
    """
    return sum(n * atomic_volume_ang3(el) * compression_ratio(el, pressure_gpa) for el, n in counts.items())
