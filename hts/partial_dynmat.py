"""Modes from a part of a dynamical matrix: enough to prove an instability before ph.x has finished a q-point.

ph.x works through a q-point one irreducible representation of the displacements at a time and stores the rows of each
when it is done. The matrix restricted to what is there has eigenvalues no lower than the lowest of the whole matrix
(Cauchy's interlacing theorem; R. A. Horn and C. R. Johnson, Matrix Analysis, 2nd ed., Cambridge 2013, theorem 4.3.28).
So an imaginary mode in the part is a lower bound for the instability of the whole. The reverse proves nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from hts.errors import ParseError
from hts.little_group import LittleGroup
from hts.phonons import signed_frequencies_cm1

_PATTERN = re.compile(r"<DISPLACEMENT_PATTERN>(.*?)</DISPLACEMENT_PATTERN>", re.DOTALL)
_SIZE = re.compile(r"<NUMBER_OF_PERTURBATIONS>\s*(\d+)\s*</NUMBER_OF_PERTURBATIONS>")
_MATRIX = re.compile(r"<PARTIAL_DYN>(.*?)</PARTIAL_DYN>", re.DOTALL)
# Patterns have sixteen digits, the atoms' positions eight or so.
_NOT_INVARIANT = 1e-4
_DONE = re.compile(r"<DONE_IRR>\s*true\s*</DONE_IRR>")


@dataclass(frozen=True)
class Patterns:
    """The displacement patterns of one q-point, grouped into irreducible representations.

    Attributes
    ----------
    vectors : NDArray, shape (3 N, 3 N), complex
        A column a pattern, orthonormal.
    sizes : tuple of int
        How many patterns each representation has, in the order in which ph.x takes them.
    """

    vectors: NDArray[np.complex128]
    sizes: tuple[int, ...]

    def columns_of(self, representation: int) -> NDArray[np.int_]:
        """Return which columns belong to a representation, counted from 1 as ph.x does."""
        start = sum(self.sizes[: representation - 1])
        return np.arange(start, start + self.sizes[representation - 1])


def read_patterns(text: str) -> Patterns:
    """Read ``patterns.<q>.xml``.

    Raises
    ------
    ParseError
        If it is truncated, or the patterns are no orthonormal set.
    """
    sizes = tuple(int(size) for size in _SIZE.findall(text))
    vectors = np.array([_complex_numbers(block) for block in _PATTERN.findall(text)]).T
    count = sum(sizes)
    if not count or vectors.shape != (count, count):
        raise ParseError(f"patterns: found {vectors.shape} numbers for {count} modes; the file is truncated")
    if not np.allclose(vectors.conj().T @ vectors, np.eye(count), atol=1e-8):
        raise ParseError("patterns: they are not orthonormal; the file is garbled")
    return Patterns(vectors, sizes)


def read_partial_matrix(text: str, n_modes: int) -> NDArray[np.complex128]:
    """Read ``dynmat.<q>.<representation>.xml``.

    Parameters
    ----------
    text : str
    n_modes : int
        3 N.

    Returns
    -------
    NDArray, shape (3 N, 3 N), complex
        In the basis of the patterns, Ry/bohr^2; only the rows of the representation are filled. That of
        representation 0 is what does not depend on the response of the electrons, and is whole.

    Raises
    ------
    ParseError
        If it is not whole, or ph.x has not finished with it.
    """
    found = _MATRIX.search(text)
    if found is None or not _DONE.search(text):
        raise ParseError("partial dynamical matrix: not finished")
    numbers = _complex_numbers(found.group(1))
    if len(numbers) != n_modes**2 or not np.isfinite(numbers).all():
        raise ParseError(f"partial dynamical matrix: found {len(numbers)} numbers, wanted {n_modes**2}")
    return numbers.reshape(n_modes, n_modes, order="F")


def _complex_numbers(block: str) -> NDArray[np.complex128]:
    fields = block.split()
    try:
        values = np.array([float(field) for field in fields])
    except ValueError as error:
        raise ParseError("partial dynamical matrix: not a number; the file is garbled") from error
    if len(values) % 2:
        raise ParseError("partial dynamical matrix: half a complex number; the file is truncated")
    return values[::2] + 1j * values[1::2]


@dataclass(frozen=True)
class PartialModes:
    """The modes within the representations that are known.

    Attributes
    ----------
    frequencies_cm1 : NDArray, shape (n,)
        Ascending, imaginary ones negative. The first is not below the lowest frequency of the whole.
    eigenvectors : NDArray, shape (3 N, n), complex
        Mass-weighted polarisation, a column a mode, orthonormal.
    representations : tuple of int
        Which were used.
    """

    frequencies_cm1: NDArray[np.float64]
    eigenvectors: NDArray[np.complex128]
    representations: tuple[int, ...]


def partial_modes(
    patterns: Patterns,
    partial: Mapping[int, NDArray[np.complex128]],
    masses_ry: NDArray[np.float64],
    group: LittleGroup,
) -> PartialModes:
    """Diagonalise the dynamical matrix within the representations that ph.x has finished.

    Parameters
    ----------
    patterns : Patterns
    partial : mapping of int to NDArray
        Representation -> its rows; 0 must be among them.
    masses_ry : NDArray, shape (N,)
        Rydberg atomic units.
    group : LittleGroup
        Of this q-point.

    Returns
    -------
    PartialModes
        Of all representations: the modes of the whole. Without one: no mode. Gamma's translations are not taken out.

    Raises
    ------
    ParseError
        If representation 0 is missing, or the patterns are no representation of the group.
    """
    if 0 not in partial:
        raise ParseError("partial dynamical matrix: the part without the electrons' response (0) is missing")
    done = tuple(sorted(set(partial) - {0}))
    if not done:
        return PartialModes(np.empty(0), np.empty((len(patterns.vectors), 0), dtype=np.complex128), ())
    columns = np.concatenate([patterns.columns_of(representation) for representation in done])
    total = np.sum(list(partial.values()), axis=0)
    span = patterns.vectors[:, columns]
    outside = [operation @ span - span @ (span.conj().T @ operation @ span) for operation in group.unitary]
    if np.abs(outside).max() > _NOT_INVARIANT:
        raise ParseError("partial dynamical matrix: its patterns are not those of this q-point and crystal")
    # Invariant under the group, so that the average of the restriction is the restriction of the average.
    force_constants = group.symmetrised(span @ total[np.ix_(columns, columns)] @ span.conj().T)
    root_mass = np.repeat(np.sqrt(masses_ry), 3)
    # Mass-weighting takes the span of displacements into another one; the vectors stay within the latter.
    basis = scipy.linalg.orth(span * root_mass[:, None])
    dynamical = force_constants / np.outer(root_mass, root_mass)
    restricted = basis.conj().T @ dynamical @ basis
    values, vectors = np.linalg.eigh((restricted + restricted.conj().T) / 2)
    return PartialModes(signed_frequencies_cm1(values), basis @ vectors, done)
