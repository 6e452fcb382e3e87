"""Force constants from the forces on displaced supercells: phonons without a response calculation, by phonopy.

A supercell of n1 x n2 x n3 primitive cells holds every q-point of an n1 x n2 x n3 mesh as a vibration of its own, so
that the dynamical matrices there are exact, as those of DFPT are, up to the finite length of the displacement.

References
----------
K. Parlinski, Z. Q. Li and Y. Kawazoe, Phys. Rev. Lett. 78, 4063 (1997), https://doi.org/10.1103/PhysRevLett.78.4063;
A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023), https://doi.org/10.7566/JPSJ.92.012001.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from phonopy import Phonopy
from phonopy.harmonic.dynamical_matrix import DynamicalMatrix as PhonopyMatrix
from phonopy.structure.atoms import PhonopyAtoms
from pymatgen.core import Lattice, Structure

from hts.dynmat import DynamicalMatrix
from hts.electrons import Mesh
from hts.errors import ParseError, UserError
from hts.phonons import irreducible_qpoints, signed_frequencies_cm1, star_sizes
from hts.symmetry import SYMPREC_ANG, rotations
from hts.units import BOHR_TO_ANG, RY_MASS_PER_AMU, RY_TO_EV

_RY_BOHR_PER_EV_ANG = BOHR_TO_ANG / RY_TO_EV
_SYMPREC_BOHR = SYMPREC_ANG / BOHR_TO_ANG


@dataclass(frozen=True)
class DisplacedSupercells:
    """The calculations that give all force constants of a crystal.

    Attributes
    ----------
    supercell : Structure
        Without displacement.
    parents : tuple of int
        For each atom of the supercell its atom in the primitive cell, counted from 0.
    structures : tuple of Structure
        Symmetry leaves no more than these; all have the same atoms in the same order.
    dataset : dict
        Which atom of the supercell is displaced and by what (bohr): phonopy's own, to be given back with the forces.
    """

    supercell: Structure
    parents: tuple[int, ...]
    structures: tuple[Structure, ...]
    dataset: dict[str, Any]


def displaced_supercells(
    structure: Structure, qpoints_mesh: Sequence[int], displacement_ang: float
) -> DisplacedSupercells:
    """Displace, one at a time, the atoms that symmetry does not map on each other.

    Parameters
    ----------
    structure : Structure
        Primitive cell.
    qpoints_mesh : sequence of three int
        Also the number of cells along each lattice vector.
    displacement_ang : float
        Length of a displacement. Where the opposite one is not equivalent by symmetry, it is made too: the difference
        is free of the third order and of what forces the relaxation left.

    Returns
    -------
    DisplacedSupercells

    Raises
    ------
    UserError
        If the displacement is not positive.
    """
    if not displacement_ang > 0:
        raise UserError(
            f"displacement is {displacement_ang} Angstrom, wanted a positive length; phonons.displacement_ang: 0.01"
        )
    phonon = _phonopy(structure, qpoints_mesh)
    phonon.generate_displacements(distance=displacement_ang / BOHR_TO_ANG)
    dataset: Any = phonon.dataset
    entries = [
        {"number": int(entry["number"]), "displacement": np.asarray(entry["displacement"], dtype=float).tolist()}
        for entry in dataset["first_atoms"]
    ]
    displaced = [cell for cell in phonon.supercells_with_displacements or [] if cell is not None]
    return DisplacedSupercells(
        supercell=_structure(phonon.supercell),
        parents=tuple(int(phonon.primitive.p2p_map[index]) for index in phonon.primitive.s2p_map),
        structures=tuple(_structure(cell) for cell in displaced),
        dataset={"natom": len(phonon.supercell), "first_atoms": entries},
    )


def phonopy_from_forces(
    structure: Structure,
    qpoints_mesh: Sequence[int],
    dataset: Mapping[str, Any],
    forces_ev_ang: Sequence[ArrayLike],
    masses_amu: ArrayLike | None = None,
) -> Phonopy:
    """Build the force constants; no sum rule is imposed on them beyond that of the forces.

    The mean force of each supercell is taken off: nothing pushes a crystal as a whole, so that it is an error of the
    basis (the grid in real space), and without it the sum over all atoms would not vanish. pw.x does so already. Forces
    that were there before the displacement drop out of the fit, because it holds with each displacement its opposite.

    Parameters
    ----------
    structure : Structure
        Primitive cell.
    qpoints_mesh : sequence of three int
    dataset : mapping
        Of `displaced_supercells`.
    forces_ev_ang : sequence of array_like, each of shape (atoms of the supercell, 3)
        eV/Angstrom, in the order of the displacements.
    masses_amu : array_like, shape (N,), optional
        Of the atoms of the primitive cell; those of the elements otherwise.

    Returns
    -------
    Phonopy
        Calculator ``qe``: lengths in bohr, force constants (primitive against all atoms) in Ry/bohr^2.

    Raises
    ------
    ParseError
        If forces are missing, of another number of atoms, or not finite.
    """
    phonon = _phonopy(structure, qpoints_mesh, masses_amu)
    wanted, n_atoms = len(dataset["first_atoms"]), len(phonon.supercell)
    if len(forces_ev_ang) != wanted or dataset["natom"] != n_atoms:
        raise ParseError(
            f"forces of {len(forces_ev_ang)} supercells with {dataset['natom']} atoms found, {wanted} with {n_atoms} "
            "atoms wanted; make the displacements again"
        )
    reduced = []
    for index, values in enumerate(forces_ev_ang, start=1):
        forces = np.asarray(values, dtype=float)
        if forces.shape != (n_atoms, 3) or not np.isfinite(forces).all():
            raise ParseError(
                f"displacement {index}: forces of shape {forces.shape} found, {n_atoms} x 3 finite numbers wanted; "
                "run that supercell again"
            )
        reduced.append((forces - forces.mean(axis=0)) * _RY_BOHR_PER_EV_ANG)
    displacements: Any = {"natom": n_atoms, "first_atoms": [dict(entry) for entry in dataset["first_atoms"]]}
    phonon.dataset = displacements
    phonon.forces = np.array(reduced)
    phonon.produce_force_constants(calculate_full_force_constants=False)
    return phonon


def dynamical_matrices(
    phonon: Phonopy, structure: Structure, qpoints_mesh: Sequence[int]
) -> dict[int, DynamicalMatrix]:
    """Return the dynamical matrix at each irreducible q-point of the mesh, numbered as ph.x numbers them.

    Parameters
    ----------
    phonon : Phonopy
        Of `phonopy_from_forces`.
    structure : Structure
        Primitive cell.
    qpoints_mesh : sequence of three int

    Returns
    -------
    dict of int to DynamicalMatrix
        Index from 1. Phases count from cell to cell, as in ph.x, so that modes can be compared and named alike; those
        of phonopy count from atom to atom. ``printed_frequencies_cm1`` are those of the matrix itself.
    """
    operations = rotations(structure)
    qpoints = irreducible_qpoints(operations, qpoints_mesh)
    sizes = star_sizes(operations, qpoints, qpoints_mesh)
    cell = np.asarray(structure.lattice.matrix)
    to_cartesian = np.linalg.inv(cell / np.linalg.norm(cell[0])).T
    amu = np.asarray(phonon.primitive.masses)
    root_mass = np.sqrt(np.repeat(amu, 3))
    # As they are: `hts.phonons` takes the Hermitian part, and `asymmetry` tells how much more there was.
    force_constants: Any = phonon.force_constants
    fourier = PhonopyMatrix(phonon.supercell, phonon.primitive, force_constants, hermitianize=False)
    found = {}
    for index, (qpoint, size) in enumerate(zip(qpoints, sizes, strict=True), start=1):
        fourier.run(qpoint)
        phases = np.repeat(np.exp(2j * np.pi * (structure.frac_coords @ qpoint)), 3)
        by_amu = np.asarray(fourier.dynamical_matrix) * np.outer(phases, phases.conj())
        squared = np.linalg.eigvalsh((by_amu + by_amu.conj().T) / 2) / RY_MASS_PER_AMU
        found[index] = DynamicalMatrix(
            qpoint_2pi_over_a=qpoint @ to_cartesian,
            force_constants_ry_bohr2=by_amu * np.outer(root_mass, root_mass),
            masses_ry=amu * RY_MASS_PER_AMU,
            symbols=tuple(phonon.primitive.symbols),
            star_size=size,
            printed_frequencies_cm1=signed_frequencies_cm1(squared),
        )
    return found


def asymmetry(matrices: Iterable[DynamicalMatrix]) -> float:
    """Return by how much action and reaction differ: the largest anti-Hermitian part over the largest matrix.

    Each force constant between two atoms comes twice, from displacing the one and the other. Translations can't tell
    how good they are, because the forces of each supercell add up to zero; this can, where symmetry has more than one
    atom displaced.

    Parameters
    ----------
    matrices : iterable of DynamicalMatrix

    Returns
    -------
    float
        Ratio of Frobenius norms, without dimension.
    """
    values = [matrix.force_constants_ry_bohr2 for matrix in matrices]
    largest = max(float(np.linalg.norm(value)) for value in values)
    apart = max(float(np.linalg.norm(value - value.conj().T)) / 2 for value in values)
    return apart / largest if largest > 0 else 0.0


def supercell_mesh(kpoints_mesh: Sequence[int], qpoints_mesh: Sequence[int]) -> Mesh:
    """Return the k-mesh of a supercell that samples at least what a mesh of the primitive cell samples.

    Parameters
    ----------
    kpoints_mesh : sequence of three int
        Of the primitive cell, Gamma-centred.
    qpoints_mesh : sequence of three int
        Number of cells along each lattice vector.

    Returns
    -------
    (int, int, int)
        The very same points, folded, where the mesh is a multiple of the number of cells; the next denser mesh else.
    """
    n1, n2, n3 = (-(-points // cells) for points, cells in zip(kpoints_mesh, qpoints_mesh, strict=True))
    return n1, n2, n3


def supercell_bands(electrons_per_cell: float, qpoints_mesh: Sequence[int]) -> int:
    """Return how many bands a metallic supercell needs.

    pw.x takes a fifth more than are filled, or four. Folding brings n k-points of the primitive cell together, whose
    number of filled bands differs: their scatter grows with the root of n. With the default, the supercell of AlH (8
    cells, 20 bands) never became self-consistent at one k-mesh; 24 bands took 11 iterations.

    Parameters
    ----------
    electrons_per_cell : float
        Valence electrons of the primitive cell.
    qpoints_mesh : sequence of three int
        Number of cells along each lattice vector.

    Returns
    -------
    int
        For one cell what pw.x takes itself, without spin.
    """
    n_cells = math.prod(qpoints_mesh)
    filled = math.ceil(electrons_per_cell * n_cells / 2 - 1e-9)
    return filled + math.ceil(max(0.2 * filled, 4 * math.sqrt(n_cells)))


def _phonopy(structure: Structure, qpoints_mesh: Sequence[int], masses_amu: ArrayLike | None = None) -> Phonopy:
    cell = PhonopyAtoms(
        symbols=[site.specie.symbol for site in structure],
        cell=structure.lattice.matrix / BOHR_TO_ANG,
        scaled_positions=structure.frac_coords,
        masses=None if masses_amu is None else np.asarray(masses_amu, dtype=float),
    )
    supercell = np.diag(np.asarray(qpoints_mesh, dtype=int))
    # "P": the supercell is made of the given cell, whatever smaller one phonopy may find in it.
    return Phonopy(cell, supercell, primitive_matrix="P", symprec=_SYMPREC_BOHR, calculator="qe")


def _structure(cell: PhonopyAtoms) -> Structure:
    lattice = Lattice(np.asarray(cell.cell) * BOHR_TO_ANG)
    return Structure(lattice, list(cell.symbols), np.asarray(cell.scaled_positions))
