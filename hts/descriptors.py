"""Cheap descriptors of a candidate, before any DFT."""

import math

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Element, Structure

# First transition, lanthanide and actinide columns count their group; d and f shells of the p block are core.
LAST_D_GROUP = 12
P_BLOCK_OFFSET = 10


def descriptors(structure: Structure) -> dict[str, float | None]:
    """Return the descriptors of a structure.

    Parameters
    ----------
    structure : Structure
        Any periodic structure; distances include periodic images.

    Returns
    -------
    dict[str, float | None]
        `min_hh_distance_ang` and `min_xh_distance_ang` (Angstrom; shortest H-H and hydrogen-other distance, None
        without such a pair), `hydrogen_fraction` (0 to 1), `valence_electrons_per_formula_unit` (see
        `valence_electrons`), `electronegativity_difference` (Pauling, largest minus smallest; None where an element
        has no value).

    References
    ----------
    H-H distance as the measure of metallisation: V. Labet et al., J. Chem. Phys. 136, 074501 (2012),
    https://doi.org/10.1063/1.3679662. Hydrogen fraction and electron count against Tc: M. Belli et al.,
    Nat. Commun. 12, 5381 (2021), https://doi.org/10.1038/s41467-021-25687-0. The 18/19-electron count of A2XH6:
    K. Dolui et al., Phys. Rev. Lett. 132, 166001 (2024), https://doi.org/10.1103/PhysRevLett.132.166001.
    """
    symbols = np.array([site.specie.symbol for site in structure])
    distances = neighbour_distances_ang(structure)
    is_h = symbols == "H"
    electrons = [valence_electrons(symbol) for symbol in symbols]
    per_formula = sum(electrons) / structure.composition.get_reduced_formula_and_factor()[1]
    return {
        "min_hh_distance_ang": _smallest(distances[np.ix_(is_h, is_h)]),
        "min_xh_distance_ang": _smallest(distances[np.ix_(is_h, ~is_h)]),
        "hydrogen_fraction": float(is_h.mean()),
        "valence_electrons_per_formula_unit": float(per_formula),
        "electronegativity_difference": _electronegativity_difference(set(symbols.tolist())),
    }


def valence_electrons(element: str) -> int:
    """Return the electrons outside the noble-gas core and filled d shell: the group, less 10 in the p block.

    Lanthanides and actinides count 3 (4f electrons as core); helium counts 2. Mg2IrH6 comes out at 19.
    """
    if element == "He":
        return 2
    group = Element(element).group
    return group if group <= LAST_D_GROUP else group - P_BLOCK_OFFSET


def neighbour_distances_ang(structure: Structure) -> NDArray[np.float64]:
    """Return the shortest distance between every pair of sites.

    Parameters
    ----------
    structure : Structure
        N sites.

    Returns
    -------
    numpy.ndarray
        (N, N), Angstrom. The diagonal is the distance of a site to its own nearest image, not zero.
    """
    shifts = np.array(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1])).reshape(3, -1).T
    fractional = structure.frac_coords
    pairs = fractional[None, :, None, :] - fractional[:, None, None, :]
    # The nearest image lies within one cell for the reduced (standard primitive) cells used here.
    vectors = (pairs - np.round(pairs) + shifts) @ structure.lattice.matrix
    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=-1)
    own = np.arange(len(structure))
    lengths[own, own, len(shifts) // 2] = np.inf  # the unshifted self-pair; the shifts are symmetric about it
    return lengths.min(axis=-1)


def min_distance_ang(structure: Structure) -> float:
    """Return the shortest distance between any two atoms, periodic images included, in Angstrom."""
    return float(neighbour_distances_ang(structure).min())


def _smallest(distances: NDArray[np.float64]) -> float | None:
    return float(distances.min()) if distances.size else None


def _electronegativity_difference(symbols: set[str]) -> float | None:
    values = [float(Element(symbol).X) for symbol in sorted(symbols)]
    return None if any(math.isnan(value) for value in values) else max(values) - min(values)
