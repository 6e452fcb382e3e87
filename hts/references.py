"""Elemental reference structures for hulls, and what a hull lacks."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import combinations
from typing import Any

import numpy as np
import yaml
from pymatgen.core import Lattice, Structure
from scipy.optimize import brentq

from hts.errors import UserError
from hts.volumes import ANG3_PER_CM3_MOL, compression_ratio

# The ordered molecular crystal, then C2/c: C. J. Pickard and R. J. Needs, Nat. Phys. 3, 473 (2007),
# https://doi.org/10.1038/nphys625.
MOLECULAR_H2_TO_GPA = 105.0
H2_BOND_ANG = 0.75
# hcp H2 at 4 K and no pressure, Angstrom: I. F. Silvera, Rev. Mod. Phys. 52, 393 (1980),
# https://doi.org/10.1103/RevModPhys.52.393.
H2_A_ANG, H2_C_ANG = 3.75, 6.10
# Vinet equation of solid H2: P. Loubeyre et al., Nature 383, 702 (1996), https://doi.org/10.1038/383702a0.
H2_VINET_V0_ANG3_PER_MOLECULE = 25.433 * ANG3_PER_CM3_MOL
H2_VINET_K0_GPA = 0.162
H2_VINET_K0_DERIVATIVE = 6.813

_FRACTIONAL = {
    "fcc": [[0.0, 0.0, 0.0]],
    "bcc": [[0.0, 0.0, 0.0]],
    "diamond": [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]],
    "hcp": [[1 / 3, 2 / 3, 1 / 4], [2 / 3, 1 / 3, 3 / 4]],
}
_FCC_VECTORS = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
_BCC_VECTORS = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])


@dataclass(frozen=True)
class ElementalReference:
    """The reference structure of an element at a pressure.

    Attributes
    ----------
    element : str
        Symbol.
    label : str
        Such as `Al-fcc` or `H2-hcp`; `S-unknown` where there is none.
    structure : Structure | None
        Primitive cell near the volume at the pressure; None when no structure is known here.
    caveat : str | None
        Why the hull may be incomplete: no structure, outside the window of the structure, magnetism. None when sound.
    """

    element: str
    label: str
    structure: Structure | None
    caveat: str | None


def elemental_reference(element: str, pressure_gpa: float) -> ElementalReference:
    """Return the structure that stands for an element on a hull.

    Parameters
    ----------
    element : str
        Symbol.
    pressure_gpa : float
        Pressure in GPa, 0 or above; the volume is scaled to it.

    Returns
    -------
    ElementalReference
        Without a structure for elements that are not in the table and for hydrogen above 105 GPa.

    Raises
    ------
    UserError
        When the pressure is negative.
    """
    if not pressure_gpa >= 0:
        raise UserError(f"pressure {pressure_gpa} GPa is negative; references are made for 0 GPa and above")
    if element == "H":
        return _hydrogen(pressure_gpa)
    entry = _table().get(element)
    if entry is None:
        caveat = f"no reference structure of {element} is in the table: a missing competitor"
        return ElementalReference(element, f"{element}-unknown", None, caveat)
    caveats = [f"{element}: {entry['note']}"] if "note" in entry else []
    if pressure_gpa > entry["valid_to_gpa"]:
        caveats.append(
            f"{element} {entry['type']} is used at {pressure_gpa:g} GPa, beyond its window "
            f"(up to {entry['valid_to_gpa']:g} GPa)"
        )
    structure = _metal(element, entry)
    structure.scale_lattice(structure.volume * compression_ratio(element, pressure_gpa))
    return ElementalReference(element, f"{element}-{entry['type']}", structure, "; ".join(caveats) or None)


def window_end_gpa(element: str) -> float | None:
    """Return the pressure in GPa up to which the structure of an element is known to hold; None without a structure."""
    if element == "H":
        return MOLECULAR_H2_TO_GPA
    entry = _table().get(element)
    return None if entry is None else float(entry["valid_to_gpa"])


def missing_competitors(
    elements: Collection[str], computed: Collection[frozenset[str]], lacking: str = "was computed"
) -> list[str]:
    """Return one line for every sub-system without a computed compound.

    Parameters
    ----------
    elements : Collection[str]
        Elements of the chemical system.
    computed : Collection[frozenset[str]]
        Element sets of the compounds that were computed, the candidate left out.
    lacking : str
        What did not happen to a compound of the sub-system, as the end of the line.

    Returns
    -------
    list[str]
        Such as `no competing compound of Al-H was computed`; binaries first, elements in alphabetical order. Empty
        when nothing is missing or there are fewer than two elements.
    """
    ordered = sorted(set(elements))
    systems = (s for size in range(2, len(ordered) + 1) for s in combinations(ordered, size))
    return [f"no competing compound of {'-'.join(s)} {lacking}" for s in systems if frozenset(s) not in computed]


def hydrogen_volume_ang3_per_molecule(pressure_gpa: float) -> float:
    """Return the volume of an H2 molecule in the solid.

    Parameters
    ----------
    pressure_gpa : float
        0 to about 150 GPa.

    Returns
    -------
    float
        Angstrom^3: the Vinet equation of Loubeyre et al., capped by the zero-pressure crystal at 4 K, which lies
        below the fitted V0 (300 K).
    """
    crystal = float(Lattice.hexagonal(H2_A_ANG, H2_C_ANG).volume) / 2
    vinet = H2_VINET_V0_ANG3_PER_MOLECULE * brentq(lambda x: _vinet_gpa(x) - pressure_gpa, 0.2, 1.0) ** 3
    return min(crystal, vinet)


def _vinet_gpa(x: float) -> float:
    """Return the Vinet pressure at x = (V/V0)^(1/3); P. Vinet et al., https://doi.org/10.1029/JB092iB09p09319."""
    exponent = 1.5 * (H2_VINET_K0_DERIVATIVE - 1) * (1 - x)
    return 3 * H2_VINET_K0_GPA * (1 - x) / x**2 * float(np.exp(exponent))


def _hydrogen(pressure_gpa: float) -> ElementalReference:
    if pressure_gpa > MOLECULAR_H2_TO_GPA:
        caveat = f"no structure of H2 above {MOLECULAR_H2_TO_GPA:g} GPa is in the table: a missing competitor"
        return ElementalReference("H", "H2-unknown", None, caveat)
    molecule_volume = hydrogen_volume_ang3_per_molecule(pressure_gpa)
    scale = (2 * molecule_volume / float(Lattice.hexagonal(H2_A_ANG, H2_C_ANG).volume)) ** (1 / 3)
    lattice = Lattice.hexagonal(H2_A_ANG * scale, H2_C_ANG * scale)
    # Only the distances between molecules shrink; the bond hardly changes below 100 GPa.
    half = H2_BOND_ANG / 2 / lattice.c
    points = [[x, y, z + sign * half] for x, y, z in _FRACTIONAL["hcp"] for sign in (-1, 1)]
    return ElementalReference("H", "H2-hcp", Structure(lattice, ["H"] * 4, points), None)


def _metal(element: str, entry: dict[str, Any]) -> Structure:
    kind, a = entry["type"], entry["a"]
    if kind == "hcp":
        lattice = Lattice.hexagonal(a, entry["c"])
    else:
        lattice = Lattice((_BCC_VECTORS if kind == "bcc" else _FCC_VECTORS) * a)
    points = _FRACTIONAL[kind]
    return Structure(lattice, [element] * len(points), points)


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = (resources.files("hts") / "reference_structures.yaml").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return table
