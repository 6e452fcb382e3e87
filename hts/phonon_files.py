"""Writing what ph.x and q2r.x write, so that phonons from elsewhere are read, judged and interpolated like theirs."""

from collections.abc import Iterator, Sequence

import numpy as np
from phonopy import Phonopy
from pymatgen.core import Structure

from hts.dynmat import DynamicalMatrix
from hts.units import BOHR_TO_ANG, RY_MASS_PER_AMU

_STARS = " " + "*" * 74
_THZ_PER_CM1 = 0.0299792458  # the speed of light, exact


def dynamical_matrix_text(matrix: DynamicalMatrix, structure: Structure) -> str:
    """Return a ``fildyn`` file that `hts.dynmat.read_dynamical_matrix` reads.

    Parameters
    ----------
    matrix : DynamicalMatrix
    structure : Structure
        Its crystal.

    Returns
    -------
    str
        The matrix of the irreducible q-point with twelve decimals, without the others of its star and without
        eigenvectors: q2r.x would ask for the former, see `force_constants_text`.
    """
    place = " ".join(f"{value:14.9f}" for value in matrix.qpoint_2pi_over_a + 0.0)
    lines = ["Dynamical matrix file", "hts", *_header(structure, matrix.masses_ry.tolist(), basis_vectors=True)]
    lines += ["", "     Dynamical  Matrix in cartesian axes", "", f"     q = ( {place} ) ", ""]
    blocks = matrix.force_constants_ry_bohr2.reshape(len(structure), 3, len(structure), 3)
    for first, second in np.ndindex(len(structure), len(structure)):
        lines.append(f"{first + 1:5d}{second + 1:5d}")
        for row in blocks[first, :, second, :]:
            lines.append("  ".join(f"{value.real:16.12f} {value.imag:16.12f}" for value in row))
    lines += ["", "     Diagonalizing the dynamical matrix", "", f"     q = ( {place} ) ", "", _STARS]
    for number, value in enumerate(matrix.printed_frequencies_cm1, start=1):
        lines.append(f"     freq ({number:5d}) = {value * _THZ_PER_CM1:16.9f} [THz] = {value:16.9f} [cm-1]")
    return "\n".join([*lines, _STARS, ""])


def force_constants_text(phonon: Phonopy, structure: Structure) -> str:
    """Return a ``flfrc`` file, as matdyn.x and `hts.interpolation.phonopy_from_q2r` read it.

    Parameters
    ----------
    phonon : Phonopy
        Calculator ``qe``, with compact force constants (primitive against all atoms) of a supercell along the lattice
        vectors.
    structure : Structure
        Its primitive cell.

    Returns
    -------
    str
        Without dielectric data.
    """
    masses_ry = np.asarray(phonon.primitive.masses) * RY_MASS_PER_AMU
    mesh = np.rint(np.diag(phonon.supercell_matrix)).astype(int)
    n_atoms = len(structure)
    values = np.zeros((n_atoms, n_atoms, *mesh, 3, 3))
    force_constants = np.asarray(phonon.force_constants)
    for index, (parent, shift) in enumerate(_places(phonon, mesh)):
        # q2r.x counts the cell of the first atom against the second.
        cell = tuple((-shift) % mesh)
        values[(slice(None), parent, *cell)] = force_constants[:, index]
    lines = [*_header(structure, masses_ry.tolist(), basis_vectors=False), " F", "".join(f"{n:4d}" for n in mesh)]
    for axis, other, first, second in np.ndindex(3, 3, n_atoms, n_atoms):
        lines.append(f"{axis + 1:4d}{other + 1:4d}{first + 1:4d}{second + 1:4d}")
        for m3, m2, m1 in np.ndindex(*mesh[::-1]):
            value = values[first, second, m1, m2, m3, axis, other]
            lines.append(f"{m1 + 1:4d}{m2 + 1:4d}{m3 + 1:4d} {value:19.11E}")
    return "\n".join([*lines, ""])


def _places(phonon: Phonopy, mesh: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield for each atom of the supercell its atom in the primitive cell, and the cell (3 integers) it is in."""
    home = np.asarray(phonon.primitive.scaled_positions)
    places = np.asarray(phonon.supercell.scaled_positions) * mesh
    for place, representative in zip(places, phonon.primitive.s2p_map, strict=True):
        parent = phonon.primitive.p2p_map[representative]
        yield int(parent), np.rint(place - home[parent]).astype(int)


def _header(structure: Structure, masses_ry: Sequence[float], *, basis_vectors: bool) -> list[str]:
    """Return species, lattice and atoms; lengths in units of the first lattice vector, masses in Rydberg units."""
    alat_ang = float(np.linalg.norm(structure.lattice.matrix[0]))
    species = [(site.specie.symbol, mass) for site, mass in zip(structure, masses_ry, strict=True)]
    kinds = list(dict.fromkeys(species))
    lengths = "".join(f"{value:12.7f}" for value in (alat_ang / BOHR_TO_ANG, 0, 0, 0, 0, 0))
    lines = [f"{len(kinds):3d}{len(structure):5d}{0:4d}{lengths}"]
    lines += ["Basis vectors"] if basis_vectors else []
    lines += ["".join(f"{value:17.12f}" for value in vector / alat_ang) for vector in structure.lattice.matrix]
    lines += [f"{number:12d}  '{symbol:<4s}'  {mass:22.14f}" for number, (symbol, mass) in enumerate(kinds, start=1)]
    for number, (site, kind) in enumerate(zip(structure, species, strict=True), start=1):
        place = "".join(f"{value:17.12f}" for value in site.coords / alat_ang)
        lines.append(f"{number:5d}{kinds.index(kind) + 1:5d} {place}")
    return lines
