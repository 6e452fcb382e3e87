"""The little group of a q-point: how it acts on displacements, what it makes of a dynamical matrix, names of modes."""

from dataclasses import dataclass

import numpy as np
import spglib
from numpy.typing import ArrayLike, NDArray
from phonopy.phonon.irreps import IrRepLabels
from pymatgen.core import Structure

from hts.spglib_calls import or_none
from hts.symmetry import SYMPREC_ANG, atom_images, operations

_SAME_POINT = 1e-5
_SAME_PLACE = 1e-3


@dataclass(frozen=True)
class LittleGroup:
    """The operations that leave a q-point where it is, and those that take it to -q, followed by time reversal.

    Attributes
    ----------
    rotations : NDArray, shape (n, 3, 3)
        Of the first kind, in fractional real-space coordinates.
    unitary : NDArray, shape (n, 3 N, 3 N), complex
        How these act on displacements ``u_kappa exp(2 pi i q.R)``, where R is the lattice vector of the cell and not
        the position of the atom: the convention of ph.x.
    antiunitary : NDArray, shape (m, 3 N, 3 N), complex
        Likewise of the second kind; they act on the complex conjugate.
    """

    rotations: NDArray[np.int_]
    unitary: NDArray[np.complex128]
    antiunitary: NDArray[np.complex128]

    def symmetrised(self, matrix: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Average a matrix over the group, as ph.x does last of all with its dynamical matrix.

        ph.x sums over the k-points that the little group leaves inequivalent. Before this average neither the matrix
        nor a part of it means anything.

        Parameters
        ----------
        matrix : NDArray, shape (3 N, 3 N), complex

        Returns
        -------
        NDArray, shape (3 N, 3 N), complex
            Hermitian.
        """
        hermitian = (matrix + matrix.conj().T) / 2
        total = np.zeros_like(hermitian)
        for operation in self.unitary:
            total += operation @ hermitian @ operation.conj().T
        for operation in self.antiunitary:
            total += operation @ hermitian.conj() @ operation.conj().T
        return total / (len(self.unitary) + len(self.antiunitary))

    def mulliken_label(self, modes: NDArray[np.complex128]) -> str | None:
        """Name the irreducible representation of a set of degenerate modes.

        Parameters
        ----------
        modes : NDArray, shape (3 N, number of modes), complex
            Orthonormal mass-weighted polarisation vectors, all of one frequency.

        Returns
        -------
        str or None
            Mulliken symbol and point group, such as ``T2u (m-3m)``. None where there is no such name: for a projective
            representation on the zone boundary of a non-symmorphic group, or two sets that coincide by accident.
        """
        characters = np.einsum("im,nij,jm->n", modes.conj(), self.unitary, modes)
        found = or_none(spglib.get_pointgroup, self.rotations)
        if found is None:
            return None
        symbol, _, transformation = found
        standard = np.rint(np.linalg.inv(transformation) @ self.rotations @ transformation).astype(int)
        # phonopy compares characters to 1e-5; eight decimals of a dynamical matrix can leave more.
        rounded = np.round(characters, 3)
        exact = np.where(np.abs(characters - rounded) < _SAME_PLACE, rounded, characters)
        # The tables have the axis of a polar or dihedral group along z, spglib not always.
        for axes in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
            try:
                turned = standard[:, axes][:, :, axes]
                label = IrRepLabels(exact[None, :], turned, symbol.strip(), False).irrep_labels
            except RuntimeError:  # no such table, or another setting
                continue
            return f"{label[0]} ({symbol.strip()})" if label and label[0] else None
        return None


def little_group(structure: Structure, qpoint: ArrayLike, symprec_ang: float = SYMPREC_ANG) -> LittleGroup:
    """Find the little group of a q-point and how it acts on displacements.

    Parameters
    ----------
    structure : Structure
        Primitive cell, atoms in the order of the dynamical matrix.
    qpoint : array_like, shape (3,)
        Fractional.
    symprec_ang : float

    Returns
    -------
    LittleGroup

    Raises
    ------
    HtsError
        If spglib finds no symmetry at all.
    """
    q = np.asarray(qpoint, dtype=np.float64)
    rotations, translations = operations(structure, symprec_ang)
    kept = []
    unitary: list[NDArray[np.complex128]] = []
    antiunitary: list[NDArray[np.complex128]] = []
    for rotation, translation in zip(rotations, translations, strict=True):
        rotated = np.linalg.inv(rotation).T @ q
        action = None
        for image, found in ((rotated, unitary), (-rotated, antiunitary)):
            if np.abs(image - q - np.rint(image - q)).max() < _SAME_POINT:
                if action is None:
                    action = _action(structure, q, rotation, translation)
                found.append(action)
                if found is unitary:
                    kept.append(rotation)
    size = 3 * len(structure)
    return LittleGroup(
        np.array(kept), np.array(unitary), np.array(antiunitary, dtype=np.complex128).reshape(-1, size, size)
    )


def _action(
    structure: Structure, q: NDArray[np.float64], rotation: NDArray[np.int_], translation: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Return the matrix of one operation: atom k goes to atom l of the cell at R, with the phase exp(-2 pi i q.R)."""
    lattice = structure.lattice.matrix.T
    cartesian = lattice @ rotation @ np.linalg.inv(lattice)
    size = 3 * len(structure)
    matrix = np.zeros((size, size), dtype=np.complex128)
    for start, (end, cell) in enumerate(zip(*atom_images(structure, rotation, translation), strict=True)):
        matrix[3 * end : 3 * end + 3, 3 * start : 3 * start + 3] = cartesian * np.exp(-2j * np.pi * (q @ cell))
    return matrix
