"""Symmetry of a crystal, by spglib."""

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from hts.errors import HtsError

# pw.x itself compares positions to 1e-5 (its `accep`), in crystal coordinates of cells of some Angstrom.
SYMPREC_ANG = 1e-5


def rotations(structure: Structure, symprec_ang: float = SYMPREC_ANG) -> NDArray[np.int_]:
    """Return the rotations of the space group in fractional real-space coordinates.

    Parameters
    ----------
    structure : Structure
    symprec_ang : float

    Returns
    -------
    NDArray, shape (n, 3, 3)

    Raises
    ------
    HtsError
        If spglib finds no symmetry at all: two atoms coincide.
    """
    return np.array(_dataset(structure, symprec_ang).rotations)


def space_group_number(structure: Structure, symprec_ang: float) -> int:
    """Return the number of the space group, 1 to 230.

    Raises
    ------
    HtsError
        As `rotations`.
    """
    return int(_dataset(structure, symprec_ang).number)


def _dataset(structure: Structure, symprec_ang: float) -> spglib.SpglibDataset:
    cell = (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), [site.specie.Z for site in structure])
    dataset = spglib.get_symmetry_dataset(cell, symprec=symprec_ang)
    if dataset is None:
        raise HtsError(
            f"spglib finds no space group of {structure.formula} within {symprec_ang:g} Angstrom; do atoms coincide?"
        )
    return dataset
