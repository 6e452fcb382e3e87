"""Starting volumes: sums of atomic volumes, those of electropositive atoms reduced by the hydrogen around them.

Atoms compress along the Vinet equation, with the bulk modulus of the element. Beside hydrogen an atom gives up valence
charge in proportion to its electronegativity difference: it loses that part of its volume, becomes stiffer, and is held
under a chemical pressure. Hydrogen, which takes the charge, has one volume and one bulk modulus in all hydrides. Those
are four fitted numbers. Without hydrogen the sum is that of the elements.

Accuracy, in the lattice constant, over 49 known lattices from 0 to 500 GPa (A2XH6, ABH3, M3XH8, AXH8, MH6, MXH12, MH9,
MH10, H3S and other hydrides): rms 2.8 %, worst 5.7 %; rms 3.1 % for lattices left out of the fit. Too small come out
binary hydrides at 0 GPa: salts (KH 9 %, CsH 11 %, BaH2 10 %, LaH2 12 %) and open networks of hydrogen bridges (AlH3
7 %, BeH2 14 %).
The numbers only let a relaxation start close; nothing that is reported comes from them.
"""

import math
from collections.abc import Mapping
from functools import cache, lru_cache

from pymatgen.core import Element
from scipy.optimize import brentq

from hts.errors import UserError

ANG3_PER_CM3_MOL = 1e24 / 6.02214076e23

# The four fitted constants: least squares of the 49 lattice constants of the module's docstring, 33 at 0 GPa (most from
# https://arxiv.org/abs/2506.03837) and 16 at 50-500 GPa; rounded within the flat minimum to where the worst error is
# small.
#
# Between the 2-3 Angstrom^3 of hydrogen in d metals (Y. Fukai, The Metal-Hydrogen System, 2nd ed., Springer 2005,
# https://doi.org/10.1007/3-540-28883-X) and the 8-10 of the hydride ion; decided by A2XH6 and ABH3 at 0 GPa.
HYDROGEN_IN_HYDRIDE_ANG3 = 4.6
# Decided by the hydrides at 100 GPa and above; gives 1.5 Angstrom^3 per atom at 300 GPa.
HYDROGEN_IN_HYDRIDE_BULK_MODULUS_GPA = 40.0
# Part of the volume that an atom loses for each unit of Pauling electronegativity below hydrogen; decided by K, Rb, Na,
# Sr and Ca in ABH3 and A2XH6. Lithium to caesium lose 40-50 %, as metal and saline hydride differ.
VOLUME_LOST_PER_ELECTRONEGATIVITY = 0.34
# Chemical pressure for the same unit; matters for the softest atoms, K and Rb.
CHEMICAL_PRESSURE_PER_ELECTRONEGATIVITY_GPA = 2.0

# Elements whose bulk modulus pymatgen leaves out: C. Kittel, Introduction to Solid State Physics, 8th ed. (2005),
# chapter 3, table 3.
KITTEL_BULK_MODULUS_GPA = {"Ga": 56.9, "Ge": 77.2, "In": 41.1, "Os": 418.0, "Sr": 11.6, "Tc": 297.0, "Zr": 83.3}
# The middle of the metals, for what neither table has.
FALLBACK_BULK_MODULUS_GPA = 80.0
# Between 3 and 5 for nearly every metal.
BULK_MODULUS_DERIVATIVE = 4.0
# Molecules, rings and chains: soft between them and stiff within. S (7.7 GPa) and Se (8.3 GPa) stand for those without
# a modulus; B' as of H2 (6.8, P. Loubeyre et al., Nature 383, 702 (1996), https://doi.org/10.1038/383702a0), which
# gives the 8.8 Angstrom^3 that sulphur has at 200 GPa.
MOLECULAR_ELEMENTS = frozenset({"He", "N", "O", "F", "Ne", "P", "S", "Cl", "Ar", "Se", "Br", "Kr", "I", "Xe"})
MOLECULAR_FALLBACK_BULK_MODULUS_GPA = 8.0
MOLECULAR_BULK_MODULUS_DERIVATIVE = 7.0


@cache
def atomic_volume_ang3(element: str) -> float:
    """Return the volume of one atom of the element at 0 GPa.

    Parameters
    ----------
    element : str
        Symbol. Hydrogen counts as an atom in a hydride, not as half of H2; every other as in its elemental crystal.

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
    """Return the bulk modulus in GPa: pymatgen's table, then Kittel's, then 80 GPa (molecular elements: 8 GPa)."""
    if element == "H":
        return HYDROGEN_IN_HYDRIDE_BULK_MODULUS_GPA
    if element in KITTEL_BULK_MODULUS_GPA:
        return KITTEL_BULK_MODULUS_GPA[element]
    try:
        return float(str(Element(element).data.get("Bulk modulus")).split()[0])
    except ValueError:
        return MOLECULAR_FALLBACK_BULK_MODULUS_GPA if element in MOLECULAR_ELEMENTS else FALLBACK_BULK_MODULUS_GPA


def compression_ratio(element: str, pressure_gpa: float) -> float:
    """Return V(P)/V(0) of an element from the Vinet equation with B' = 4 (molecular elements: 7).

    Parameters
    ----------
    element : str
        Symbol. For hydrogen that of an atom in a hydride.
    pressure_gpa : float
        Pressure in GPa, 0 or above.

    Returns
    -------
    float
        Above 0; exactly 1 at 0 GPa.

    Raises
    ------
    UserError
        When the pressure is negative or not finite.

    References
    ----------
    P. Vinet et al., Phys. Rev. B 35, 1945 (1987), https://doi.org/10.1103/PhysRevB.35.1945
    """
    _require_pressure(pressure_gpa)
    return _vinet_ratio(pressure_gpa / bulk_modulus_gpa(element), _derivative(element))


def starting_volume_ang3(counts: Mapping[str, float], pressure_gpa: float) -> float:
    """Return the starting volume of a cell that holds `counts` atoms of each element.

    Twice the cell has twice the volume. The sum is not one of fixed atomic volumes: atoms other than hydrogen take the
    smaller volume of a hydride to the extent that there is one hydrogen atom for each.

    Parameters
    ----------
    counts : Mapping[str, float]
        Atoms per cell by symbol.
    pressure_gpa : float
        Pressure in GPa, 0 or above.

    Returns
    -------
    float
        Angstrom^3 per cell; 0 for no atoms. Without hydrogen the volume of the elements.

    Raises
    ------
    UserError
        When an element has no volume, or the pressure is negative or not finite.
    """
    _require_pressure(pressure_gpa)
    n_hydrogen = counts.get("H", 0)
    n_others = sum(counts.values()) - n_hydrogen
    saturation = min(1.0, n_hydrogen / n_others) if n_others > 0 else 0.0
    return sum(n * _volume_in_hydride_ang3(element, pressure_gpa, saturation) for element, n in counts.items())


def _volume_in_hydride_ang3(element: str, pressure_gpa: float, saturation: float) -> float:
    """Return the volume of one atom beside hydrogen; `saturation` goes from 0 (no hydrogen) to 1 (enough of it)."""
    transfer = saturation * _electronegativity_below_hydrogen(element)
    kept = 1 - VOLUME_LOST_PER_ELECTRONEGATIVITY * transfer
    # B V is about constant as an atom loses outer electrons, so that a smaller atom is stiffer.
    stiffness_gpa = bulk_modulus_gpa(element) / kept
    felt_gpa = pressure_gpa + CHEMICAL_PRESSURE_PER_ELECTRONEGATIVITY_GPA * transfer
    return atomic_volume_ang3(element) * kept * _vinet_ratio(felt_gpa / stiffness_gpa, _derivative(element))


@cache
def _electronegativity_below_hydrogen(element: str) -> float:
    """Return the Pauling electronegativity of hydrogen minus that of the element; 0 if negative or not in the table."""
    symbol_is_known = Element.is_valid_symbol(element)
    value = Element(element).data.get("X") if symbol_is_known else None
    return max(0.0, Element("H").X - value) if isinstance(value, int | float) and not math.isnan(value) else 0.0


def _derivative(element: str) -> float:
    return MOLECULAR_BULK_MODULUS_DERIVATIVE if element in MOLECULAR_ELEMENTS else BULK_MODULUS_DERIVATIVE


# P/B0 below which V/V0 differs from 1 by less than the rounding of the solver can resolve.
MIN_RATIO = 1e-14


# The pressures of a campaign times the elements of the periodic table, with and without hydrogen.
@lru_cache(maxsize=4096)
def _vinet_ratio(pressure_over_modulus: float, derivative: float) -> float:
    """Invert the Vinet equation P/B0 = 3 (1 - x) exp(3/2 (B' - 1) (1 - x)) / x^2, x = (V/V0)^(1/3), for V/V0."""
    eta = 1.5 * (derivative - 1)

    def excess(strain: float) -> float:
        """Return the pressure at x = exp(-strain) minus the one wanted, over B0."""
        shortening = -math.expm1(-strain)
        return 3 * shortening * math.exp(2 * strain + eta * shortening) - pressure_over_modulus

    if pressure_over_modulus < MIN_RATIO:
        return 1.0
    # At that upper end 3 (1 - x) / x^2 alone is at least P/B0, so that the root is bracketed at every pressure.
    strain = brentq(excess, 0.0, 0.5 * math.log1p(pressure_over_modulus), xtol=1e-14)
    return math.exp(-3 * strain)


def _require_pressure(pressure_gpa: float) -> None:
    if not 0 <= pressure_gpa < math.inf:
        raise UserError(
            f"pressure {pressure_gpa} GPa is negative or not finite; starting volumes are made for 0 GPa and above"
        )
