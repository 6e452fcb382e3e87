"""The atoms' displacements in one normal mode: the supercell it repeats in, its pattern, the symmetry it leaves."""

from fractions import Fraction
from itertools import product
from math import lcm

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Lattice, Structure
from pymatgen.util.coord import lattice_points_in_supercell

from hts.symmetry import atom_images

# A q-point that ph.x wrote with nine decimals is a fraction to well below this.
_COMMENSURATE = 1e-4
# Symmetry of a displacement pattern, relative to its length: a matrix of ph.x is symmetric to its eighth decimal.
_SAME_PATTERN = 1e-3
# Of a pattern's length: what a projection leaves of it is noise below.
_VANISHED = 1e-2


class DistortionError(ValueError):
    """A mode that cannot be followed; the message says why."""


def commensurate_supercell(qpoint: ArrayLike, max_cells: int) -> NDArray[np.int_]:
    """Return the smallest supercell that a wave repeats in.

    Its lattice are the vectors R with q.R integer; it need not be a multiple of the cell along each axis: at R of a
    cubic crystal it has two cells, not eight.

    Parameters
    ----------
    qpoint : array_like, shape (3,)
        Fractions of the reciprocal vectors.
    max_cells : int
        The largest supercell that is wanted.

    Returns
    -------
    NDArray of int, shape (3, 3)
        Supercell vectors as rows, in the vectors of the cell: a Hermite normal form.

    Raises
    ------
    DistortionError
        If the wave repeats in none of up to ``max_cells`` cells.
    """
    point = np.asarray(qpoint, dtype=float)
    fractions = [Fraction(value).limit_denominator(max(1, max_cells)) for value in point.tolist()]
    n_cells = lcm(*(fraction.denominator for fraction in fractions))
    apart = max(abs(float(fraction) - value) for fraction, value in zip(fractions, point.tolist(), strict=True))
    if apart > _COMMENSURATE or n_cells > max_cells:
        raise DistortionError(
            f"the mode at q = ({', '.join(f'{value:.4g}' for value in point)}) repeats in no supercell of up to "
            f"{max_cells} cells; allow more atoms, or follow a mode of a coarser q-mesh"
        )
    wave = np.array([int(fraction * n_cells) for fraction in fractions])
    for first, second in product(range(1, n_cells + 1), repeat=2):
        third, rest = divmod(n_cells, first * second)
        if rest or not third:
            continue
        for b, c, e in product(range(second), range(third), range(third)):
            matrix = np.array([[first, b, c], [0, second, e], [0, 0, third]])
            if not np.any(matrix @ wave % n_cells):
                return matrix
    raise AssertionError("every cyclic wave has a sublattice of that index")


def displacement_pattern(
    structure: Structure, qpoint: ArrayLike, eigenvector: ArrayLike, supercell: ArrayLike
) -> tuple[Structure, NDArray[np.float64]]:
    """Return an undistorted supercell and the displacements of one mode in it.

    The convention is that of ph.x and matdyn.x (Quantum ESPRESSO): the phase counts lattice vectors, not positions, so
    that atom kappa of cell R moves by Re[e_kappa / sqrt(m_kappa) exp(2 pi i q.R)].

    Parameters
    ----------
    structure : Structure
        The cell that ph.x had, its atoms where they were there: another cell for an atom is another phase.
    qpoint : array_like, shape (3,)
        Fractions of the reciprocal vectors.
    eigenvector : array_like, shape (3 N,), complex
        Mass-weighted polarisation, atom-major, Cartesian.
    supercell : array_like of int, shape (3, 3)
        As from `commensurate_supercell`.

    Returns
    -------
    supercell : Structure
    displacements : NDArray, shape (n_cells N, 3)
        Cartesian, the largest of length 1.

    Raises
    ------
    DistortionError
        If the eigenvector is of another length than three times the atoms, or zero.
    """
    vector = np.asarray(eigenvector, dtype=complex)
    if vector.shape != (3 * len(structure),):
        raise DistortionError(
            f"the eigenvector has shape {vector.shape}, wanted ({3 * len(structure)},) for {len(structure)} atoms; "
            "give the mode of this very crystal"
        )
    matrix = np.asarray(supercell, dtype=int)
    cells = np.rint(lattice_points_in_supercell(matrix) @ matrix)
    masses = np.array([float(site.specie.atomic_mass) for site in structure])
    motion = vector.reshape(-1, 3) / np.sqrt(masses)[:, None]
    # The overall phase is free: a real mode that was written with another one must not come out small.
    motion = motion * np.exp(-0.5j * np.angle((motion**2).sum()))
    phases = np.exp(2j * np.pi * cells @ np.asarray(qpoint, dtype=float))
    displacements = np.einsum("a,ki->kai", phases, motion).real.reshape(-1, 3)
    longest = np.linalg.norm(displacements, axis=1).max()
    if not longest > 0:
        raise DistortionError("the eigenvector is zero; give a normalised one")
    points = (structure.frac_coords[:, None, :] + cells[None, :, :]).reshape(-1, 3) @ np.linalg.inv(matrix)
    species = [site.specie for site in structure for _ in cells]
    return Structure(Lattice(matrix @ structure.lattice.matrix), species, points), displacements / longest


def symmetric_combination(
    supercell: Structure,
    displacements: NDArray[np.float64],
    preserves_wave: NDArray[np.bool_],
    symmetry: tuple[NDArray[np.int_], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Choose among the modes that symmetry makes equal to the given one a combination that keeps much symmetry.

    A diagonalisation returns any vectors of a degenerate set, and any phase of a complex wave; almost all of them break
    every symmetry. What u and g u add up to is of the same set (and frequency) for every operation g of the little
    group of +-q. Greedily, that sum is taken that the most operations leave as it is, as long as their number grows.

    Parameters
    ----------
    supercell : Structure
        Undistorted.
    displacements : NDArray, shape (n, 3)
        Cartesian.
    preserves_wave : NDArray of bool, shape (g,)
        Which operations take q to q or -q: another arm of the star is another mode.
    symmetry : tuple of NDArray, shapes (g, 3, 3) and (g, 3)
        Operations of the undistorted supercell, fractional, its pure translations among them.

    Returns
    -------
    NDArray, shape (n, 3)
        The largest of length 1; exactly symmetric under what it keeps. The given one if it can't be bettered.
    """
    actions = _actions(supercell, *symmetry)
    best = displacements / np.linalg.norm(displacements)
    moved = _images(best, *actions)
    while True:
        kept = _keeping(best, moved)
        score: tuple[int, float] = (int(kept.sum()), np.inf)
        better = None
        for image in moved[preserves_wave & ~kept]:
            candidate = (best + image) / 2
            length = float(np.linalg.norm(candidate))
            if length < _VANISHED:
                continue
            candidate = candidate / length
            candidate_moved = _images(candidate, *actions)
            found = (int(_keeping(candidate, candidate_moved).sum()), round(length, 6))
            if found > score:
                score, better = found, (candidate, candidate_moved)
        if better is None:
            break
        best, moved = better
    clean = moved[kept].mean(axis=0)
    return np.asarray(clean / np.linalg.norm(clean, axis=1).max())


def _images(
    pattern: NDArray[np.float64], permutations: NDArray[np.int_], rotations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what each operation makes of a pattern, (g, n, 3)."""
    moved = np.empty((len(rotations), *pattern.shape))
    for index, (permutation, rotation) in enumerate(zip(permutations, rotations, strict=True)):
        moved[index, permutation] = pattern @ rotation.T
    return moved


def _keeping(pattern: NDArray[np.float64], images: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which operations leave a pattern as it is, (g,)."""
    apart = np.linalg.norm((images - pattern).reshape(len(images), -1), axis=1)
    return np.asarray(apart < _SAME_PATTERN * np.linalg.norm(pattern))


def _actions(
    supercell: Structure, rotations: NDArray[np.int_], translations: NDArray[np.float64]
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Return where each operation takes each atom, (g, n), and its Cartesian rotation, (g, 3, 3)."""
    lattice = supercell.lattice.matrix
    permutations = [
        atom_images(supercell, rotation, translation)[0]
        for rotation, translation in zip(rotations, translations, strict=True)
    ]
    cartesian = np.einsum("ji,gjk,kl->gil", lattice, rotations, np.linalg.inv(lattice).T)
    return np.array(permutations), cartesian


def preserves_wave(rotations: NDArray[np.int_], qpoint: ArrayLike, supercell: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Return which operations of a supercell take a wave to itself or its complex conjugate.

    Parameters
    ----------
    rotations : NDArray of int, shape (g, 3, 3)
        In fractional coordinates of the supercell.
    qpoint : array_like, shape (3,)
        Fractions of the reciprocal vectors of the small cell.
    supercell : NDArray of int, shape (3, 3)
        As from `commensurate_supercell`.

    Returns
    -------
    NDArray of bool, shape (g,)
        True where q becomes q or -q up to a reciprocal lattice vector of the small cell.
    """
    # In the small cell; a wave turns with the inverse transpose, which keeps +-q where the transpose does.
    small = np.einsum("ji,gjk,kl->gil", supercell, rotations, np.linalg.inv(supercell).T)
    point = np.array(qpoint, dtype=float)
    turned = np.transpose(small, (0, 2, 1)) @ point
    apart = np.stack([turned - point, turned + point])
    return np.asarray((np.abs(apart - np.rint(apart)).max(axis=2) < _COMMENSURATE).any(axis=0))
