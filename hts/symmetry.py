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


def operations(structure: Structure, symprec_ang: float = SYMPREC_ANG) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return the operations of the space group in fractional coordinates.

    Returns
    -------
    rotations : NDArray, shape (n, 3, 3)
    translations : NDArray, shape (n, 3)

    Raises
    ------
    HtsError
        As `rotations`.
    """
    dataset = _dataset(structure, symprec_ang)
    return np.array(dataset.rotations), np.array(dataset.translations)


def atom_images(
    structure: Structure, rotation: NDArray[np.int_], translation: NDArray[np.float64]
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return where an operation of the space group takes each atom.

    Parameters
    ----------
    structure : Structure
        With N atoms.
    rotation : NDArray, shape (3, 3)
    translation : NDArray, shape (3,)

    Returns
    -------
    indices : NDArray of int, shape (N,)
        The nearest atom of the same kind to where each atom comes to lie.
    cells : NDArray of int, shape (N, 3)
        The lattice vector of the cell in which that is.
    """
    points = structure.frac_coords
    apart = (points @ rotation.T + translation)[:, None, :] - points[None, :, :]
    cells = np.rint(apart)
    distances = np.linalg.norm((apart - cells) @ structure.lattice.matrix, axis=2)
    kinds = np.array([site.specie.Z for site in structure])
    indices = np.where(kinds[:, None] != kinds[None, :], np.inf, distances).argmin(axis=1)
    return indices, cells[np.arange(len(structure)), indices].astype(int)


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
    found = list(zip(*operations(start, symprec_ang), strict=True))
    lattice = structure.lattice.matrix
    metric = np.mean([rotation.T @ (lattice @ lattice.T) @ rotation for rotation, _ in found], axis=0)
    # Of all lattices with that metric the one nearest to the given lattice: an orthogonal Procrustes problem.
    factor = np.linalg.cholesky(metric)
    left, _, right = np.linalg.svd(factor.T @ lattice)
    points = np.zeros((len(start), 3))
    for rotation, translation in found:
        targets, cells = atom_images(start, rotation, translation)
        np.add.at(points, targets, structure.frac_coords @ rotation.T + translation - cells)
    return Structure(factor @ left @ right, structure.species, points / len(found))


def _dataset(structure: Structure, symprec_ang: float) -> spglib.SpglibDataset:
    cell = (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), [site.specie.Z for site in structure])
    dataset: spglib.SpglibDataset | None = or_none(spglib.get_symmetry_dataset, cell, symprec=symprec_ang)
    if dataset is None:
        raise HtsError(
            f"spglib finds no space group of {structure.formula} within {symprec_ang:g} Angstrom; do atoms coincide?"
        )
    return dataset
