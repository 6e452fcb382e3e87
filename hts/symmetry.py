"""Symmetry of a crystal, by spglib."""

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from hts.errors import HtsError
from hts.spglib_calls import or_none

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


def with_symmetry_of(structure: Structure, start: Structure, symprec_ang: float) -> Structure:
    """Put a crystal back on the symmetry of the one it came from, by averaging over that one's operations.

    Parameters
    ----------
    structure : Structure
        A step of the relaxation of ``start``: the same atoms in the same order.
    start : Structure
    symprec_ang : float
        With which the operations of ``start`` are found.

    Returns
    -------
    Structure
        Its lattice is not rotated against that of ``structure``. What kept the symmetry comes back as it was.

    Raises
    ------
    HtsError
        As `rotations`.
    """
    dataset = _dataset(start, symprec_ang)
    operations = list(zip(np.array(dataset.rotations), np.array(dataset.translations), strict=True))
    lattice = structure.lattice.matrix
    metric = np.mean([rotation.T @ (lattice @ lattice.T) @ rotation for rotation, _ in operations], axis=0)
    # Of all lattices with that metric the one nearest to the given lattice: an orthogonal Procrustes problem.
    factor = np.linalg.cholesky(metric)
    left, _, right = np.linalg.svd(factor.T @ lattice)
    points = np.zeros((len(start), 3))
    for rotation, translation in operations:
        images = start.frac_coords @ rotation.T + translation
        for source, image in enumerate(images):
            apart = image - start.frac_coords
            target = _same_species_nearest(apart - np.rint(apart), start, source)
            points[target] += structure.frac_coords[source] @ rotation.T + translation - np.rint(apart[target])
    return Structure(factor @ left @ right, structure.species, points / len(operations))


def _same_species_nearest(apart: NDArray[np.float64], start: Structure, source: int) -> int:
    """Return the atom that a rotated one falls on."""
    distances = np.linalg.norm(apart @ start.lattice.matrix, axis=1)
    other = [site.specie != start[source].specie for site in start]
    return int(np.argmin(np.where(other, np.inf, distances)))


def _dataset(structure: Structure, symprec_ang: float) -> spglib.SpglibDataset:
    cell = (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), [site.specie.Z for site in structure])
    dataset: spglib.SpglibDataset | None = or_none(spglib.get_symmetry_dataset, cell, symprec=symprec_ang)
    if dataset is None:
        raise HtsError(
            f"spglib finds no space group of {structure.formula} within {symprec_ang:g} Angstrom; do atoms coincide?"
        )
    return dataset
