"""Reading the dynamical-matrix files of ph.x (``fildyn``), strictly: a truncated file is an error, never a spectrum."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hts.errors import ParseError
from hts.units import CM1_PER_RY

_Q_LINE = re.compile(r"^\s*q = \(\s*(\S+)\s+(\S+)\s+(\S+)\s*\)\s*$")
_FREQ_LINE = re.compile(r"^\s*freq \(\s*\d+\)\s*=\s*(\S+) \[THz\] =\s*(\S+) \[cm-1\]\s*$")
_RERUN = "rerun this q-point"
# Between the printed frequencies and those of the printed matrix; recorded files agree to 1e-3 cm^-1. The matrix has
# eight decimals, which is up to 1 cm^-2 in the square: that is what counts for the acoustic modes.
_TOLERANCE_CM1 = 0.5
_TOLERANCE_SQUARED_CM2 = 1.0


@dataclass(frozen=True)
class DynamicalMatrix:
    """The dynamical matrix at one irreducible q-point, as ph.x wrote it.

    Attributes
    ----------
    qpoint_2pi_over_a : NDArray, shape (3,)
        The q-point in Cartesian axes, in units of 2 pi / alat.
    force_constants_ry_bohr2 : NDArray, shape (3 N, 3 N), complex
        Fourier transform of the force constants (not divided by the masses), atom-major Cartesian order.
    masses_ry : NDArray, shape (N,)
        Masses in Rydberg atomic units (the electron has mass 1/2).
    symbols : tuple of str, length N
        Element of each atom.
    star_size : int
        Number of q-points in the star, q and its equivalents.
    printed_frequencies_cm1 : NDArray, shape (3 N,)
        What ph.x printed: no acoustic sum rule, imaginary ones negative.
    """

    qpoint_2pi_over_a: NDArray[np.float64]
    force_constants_ry_bohr2: NDArray[np.complex128]
    masses_ry: NDArray[np.float64]
    symbols: tuple[str, ...]
    star_size: int
    printed_frequencies_cm1: NDArray[np.float64]


def _floats(line: str, count: int) -> list[float]:
    fields = line.split()
    if len(fields) < count:
        raise ParseError(
            f"dynamical matrix: found {line.strip()[:60]!r}, wanted {count} numbers; the file is truncated"
        )
    try:
        return [float(field) for field in fields[:count]]
    except ValueError as error:
        raise ParseError(f"dynamical matrix: {line.strip()[:60]!r} is not numeric; {_RERUN}") from error


def _read_header(lines: list[str]) -> tuple[NDArray[np.float64], tuple[str, ...], int]:
    """Return masses (N,), symbols and the index of the first line after the header."""
    n_types, n_atoms, ibrav = (int(value) for value in _floats(lines[2], 3))
    cursor = 3
    if ibrav == 0:
        cursor += 4  # the words "Basis vectors" and three vectors
    species = []
    for line in lines[cursor : cursor + n_types]:
        match = re.match(r"^\s*\d+\s+'(\S+)\s*'\s+(\S+)\s*$", line)
        if match is None:
            raise ParseError(
                f"dynamical matrix: found {line.strip()[:60]!r}, wanted a species line; the file is truncated"
            )
        species.append((re.sub(r"[\d_].*$", "", match.group(1)), float(match.group(2))))
    cursor += n_types
    types = [int(_floats(line, 2)[1]) - 1 for line in lines[cursor : cursor + n_atoms]]
    if len(types) != n_atoms or not all(0 <= index < len(species) for index in types):
        raise ParseError(f"dynamical matrix: the list of atoms is truncated or garbled; {_RERUN}")
    masses = np.array([species[index][1] for index in types])
    if not (np.isfinite(masses).all() and (masses > 0).all()):
        raise ParseError(f"dynamical matrix: found masses {sorted(set(masses))}, wanted positive ones; {_RERUN}")
    return masses, tuple(species[index][0] for index in types), cursor + n_atoms


def _read_blocks(lines: list[str], cursor: int, n_atoms: int) -> NDArray[np.complex128]:
    """Read the N x N blocks of 3 x 3 complex numbers that follow a q line."""
    matrix = np.zeros((3 * n_atoms, 3 * n_atoms), dtype=complex)
    for first, second in np.ndindex(n_atoms, n_atoms):
        if _floats(lines[cursor], 2) != [first + 1, second + 1]:
            found = lines[cursor].strip()[:60]
            raise ParseError(f"dynamical matrix: found {found!r}, wanted block {first + 1} {second + 1}; {_RERUN}")
        for axis in range(3):
            numbers = _floats(lines[cursor + 1 + axis], 6)
            row = matrix[3 * first + axis, 3 * second : 3 * second + 3]
            row.real, row.imag = numbers[::2], numbers[1::2]
        cursor += 4
    return matrix


def read_dynamical_matrix(text: str) -> DynamicalMatrix:
    """Read a ``fildyn`` file of one irreducible q-point.

    Parameters
    ----------
    text : str
        The file's content.

    Returns
    -------
    DynamicalMatrix
        The matrix at the first q-point of the file (the irreducible one); the others are counted in ``star_size``.

    Raises
    ------
    ParseError
        If anything is missing, truncated or not a finite number, or if a matrix of the star does not give the printed
        frequencies within 0.5 cm^-1. Nothing is ever guessed.
    """
    lines = text.splitlines()
    try:
        masses, symbols, start = _read_header(lines)
        diagonal = next(index for index, line in enumerate(lines) if "Diagonalizing the dynamical matrix" in line)
        # Two lines below each heading stands its q-point, and two lines below that its matrix.
        star = [index + 2 for index in range(start, diagonal) if "Matrix in cartesian axes" in lines[index]]
        qpoints = [_read_qpoint(lines[index]) for index in star]
        matrices = [_read_blocks(lines, index + 2, len(masses)) for index in star]
        diagonalised = _read_qpoint(lines[diagonal + 2])
        stars, closing = lines[diagonal + 4].strip(), lines[-1].strip()
    except (IndexError, StopIteration, ValueError, OverflowError) as error:
        raise ParseError(f"dynamical matrix: the file is truncated or garbled; {_RERUN}") from error
    if not stars or stars.strip("*") or closing != stars:
        raise ParseError(f"dynamical matrix: the file ends with {closing[:60]!r}, wanted a line of stars; {_RERUN}")
    if not matrices or not np.array_equal(qpoints[0], diagonalised):
        raise ParseError(f"dynamical matrix: no matrix at {diagonalised}, where it was diagonalised; {_RERUN}")
    frequencies = _read_frequencies(lines[diagonal:], len(masses))
    for matrix in matrices:
        _check_frequencies(matrix, masses, frequencies)
    return DynamicalMatrix(qpoints[0], matrices[0], masses, symbols, len(star), frequencies)


def _read_qpoint(line: str) -> NDArray[np.float64]:
    match = _Q_LINE.match(line)
    qpoint = np.array([float(value) for value in match.groups()] if match else [np.nan])
    if not np.isfinite(qpoint).all():
        raise ParseError(f"dynamical matrix: found {line.strip()[:60]!r}, wanted a q-point; {_RERUN}")
    return qpoint


def _read_frequencies(lines: list[str], n_atoms: int) -> NDArray[np.float64]:
    """Return what ph.x printed, shape (3 N,), cm^-1."""
    printed = [match.group(2) for line in lines if (match := _FREQ_LINE.match(line))]
    if len(printed) != 3 * n_atoms:
        raise ParseError(f"dynamical matrix: {len(printed)} frequencies found, {3 * n_atoms} wanted; {_RERUN}")
    frequencies = np.array([_floats(value, 1)[0] for value in printed])
    if not np.isfinite(frequencies).all():
        raise ParseError(f"dynamical matrix: it holds frequencies that are not finite; {_RERUN}")
    return frequencies


def _check_frequencies(
    matrix: NDArray[np.complex128], masses: NDArray[np.float64], printed_cm1: NDArray[np.float64]
) -> None:
    """Refuse a matrix that does not give the printed frequencies: a number in it was garbled on the way.

    Every q-point of a star has the same spectrum, so that the whole file can be held against the one list it prints.
    """
    if not np.isfinite(matrix).all():
        raise ParseError(f"dynamical matrix: it holds numbers that are not finite; {_RERUN}")
    root_mass = np.repeat(np.sqrt(masses), 3)
    dynamical = matrix / np.outer(root_mass, root_mass)
    squared = np.linalg.eigvalsh((dynamical + dynamical.conj().T) / 2) * CM1_PER_RY**2
    printed = np.sort(printed_cm1)
    apart = np.abs(np.sign(squared) * np.sqrt(np.abs(squared)) - printed)
    apart_squared = np.abs(squared - np.sign(printed) * printed**2)
    if ((apart > _TOLERANCE_CM1) & (apart_squared > _TOLERANCE_SQUARED_CM2)).any():
        raise ParseError(
            f"dynamical matrix: its frequencies are {apart.max():.1f} cm-1 from the printed ones, wanted "
            f"{_TOLERANCE_CM1:g}; the file is garbled: {_RERUN}"
        )


def read_qpoint_list(text: str) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Read ``fildyn0``: the mesh and the irreducible q-points in the order in which ph.x numbers them.

    Parameters
    ----------
    text : str
        The file's content.

    Returns
    -------
    mesh : tuple of three int
    qpoints_2pi_over_a : NDArray, shape (n, 3)
        Cartesian, in units of 2 pi / alat.

    Raises
    ------
    ParseError
        If the list is truncated.
    """
    lines = text.splitlines()
    try:
        mesh = tuple(int(value) for value in lines[0].split())
        count = int(lines[1])
        points = np.array([_floats(line, 3) for line in lines[2 : 2 + count]])
    except (IndexError, ValueError) as error:
        raise ParseError("dyn0: not a list of q-points; rerun ph.x") from error
    # Without the end of its last line a coordinate may have lost digits: 0.3333 would read as 0.3.
    if len(mesh) != 3 or min(mesh) < 1 or len(points) != count or not count or not text.endswith("\n"):
        raise ParseError(f"dyn0: {len(points)} q-points found, {count} announced; the file is truncated: rerun ph.x")
    if not np.isfinite(points).all():
        raise ParseError("dyn0: a q-point is not finite; rerun ph.x")
    return (mesh[0], mesh[1], mesh[2]), points
