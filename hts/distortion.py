"""Following a soft mode: from an unstable crystal and one of its modes to the distorted one, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from hts.displacement import (
    DistortionError,
    commensurate_supercell,
    displacement_pattern,
    preserves_wave,
    symmetric_combination,
)
from hts.phonon_curves import latest_points
from hts.prototypes.geometry import standard_primitive
from hts.symmetry import operations, space_group_number, with_symmetry_of

# A displaced atom is seen as displaced from this part of the amplitude on.
_SEEN = 1e-3
# Two relaxations into one structure, in fractions of the lattice parameters, of the mean spacing, and in degrees.
_SAME_LATTICE, _SAME_SITES, _SAME_ANGLES_DEG = 0.02, 0.02, 1.0


@dataclass(frozen=True)
class Distortion:
    """A crystal displaced along a mode.

    Attributes
    ----------
    structure : Structure
        Standard primitive cell of the distorted crystal, Angstrom.
    space_group_number : int
        Of the distorted crystal: a subgroup of the parent's.
    parent_space_group_number : int
    n_cells : int
        Primitive cells of the parent in the smallest supercell that the mode repeats in.
    """

    structure: Structure
    space_group_number: int
    parent_space_group_number: int
    n_cells: int


def distort(
    structure: Structure,
    qpoint: ArrayLike,
    eigenvector: ArrayLike,
    amplitude_ang: float,
    *,
    max_atoms: int = 40,
    symprec_ang: float = 1e-3,
) -> Distortion:
    """Displace a crystal along a mode and reduce it to its standard primitive cell.

    Of a degenerate mode, and of a complex wave, a combination of high symmetry is taken; of its two signs the given
    one, which matters only where the energy has a cubic term.

    Parameters
    ----------
    structure : Structure
        The cell that ph.x had, as for `displacement_pattern`.
    qpoint : array_like, shape (3,)
        Fractions of the reciprocal vectors.
    eigenvector : array_like, shape (3 N,), complex
        Mass-weighted polarisation, normalised, as `hts.phonons.QPointModes.eigenvectors` has in its columns.
    amplitude_ang : float
        Displacement of the atom that moves most, Angstrom.
    max_atoms : int
        The largest supercell that is wanted.
    symprec_ang : float
        For the parent's symmetry, Angstrom.

    Returns
    -------
    Distortion

    Raises
    ------
    DistortionError
        If the supercell would have more than ``max_atoms`` atoms, or the mode is none of this crystal.

    References
    ----------
    Subgroups by mode for perovskites: C. J. Howard and H. T. Stokes, Acta Cryst. B 54, 782 (1998),
    doi:10.1107/S0108768198004200.
    """
    if not amplitude_ang > symprec_ang:
        raise DistortionError(f"amplitude {amplitude_ang:g} Angstrom, wanted more than {symprec_ang:g}: give about 0.1")
    max_cells = max_atoms // len(structure)
    if max_cells < 1:
        raise DistortionError(f"the cell has {len(structure)} atoms, at most {max_atoms} are wanted; allow more")
    matrix = commensurate_supercell(qpoint, max_cells)
    # What the relaxation left of asymmetry must not decide the symmetry of the distorted crystal.
    parent = with_symmetry_of(structure, structure, symprec_ang)
    supercell, pattern = displacement_pattern(parent, qpoint, eigenvector, matrix)
    symmetry = operations(supercell, symprec_ang)
    pattern = symmetric_combination(supercell, pattern, preserves_wave(symmetry[0], qpoint, matrix), symmetry)
    points = supercell.cart_coords + amplitude_ang * pattern
    displaced = Structure(supercell.lattice, supercell.species, points, coords_are_cartesian=True)
    seen = _SEEN * amplitude_ang
    numbers = space_group_number(displaced, seen), space_group_number(structure, symprec_ang)
    n_cells = len(supercell) // len(structure)
    return Distortion(standard_primitive(displaced, seen), *numbers, n_cells)


def imaginary_modes(phonons: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the imaginary modes of stored phonons, one a q-point, softest first.

    Parameters
    ----------
    phonons : mapping
        Its ``qpoints`` (and ``between_mesh``) hold ``index``, ``qpoint`` and ``softest_mode`` (``frequency_cm1``,
        ``irrep``, ``eigenvector`` as pairs of real and imaginary part). An entry of ``second_opinions``, on stricter
        settings, takes the place of the first one at its q-point; one whose ``verdict`` is not ``unstable`` is left
        out.

    Returns
    -------
    list of dict
        ``index``, ``qpoint``, ``frequency_cm1``, ``irrep`` (None where it has no name) and ``eigenvector``, a complex
        array of shape (3 N,).

    Raises
    ------
    DistortionError
        If there is none.
    """
    found = []
    for point in latest_points(phonons):
        mode = point.get("softest_mode")
        if not mode or mode["frequency_cm1"] >= 0 or point.get("verdict", "unstable") != "unstable":
            continue
        pairs = np.asarray(mode["eigenvector"], dtype=float)
        found.append(
            {
                "index": point["index"],
                "qpoint": list(point["qpoint"]),
                "frequency_cm1": mode["frequency_cm1"],
                "irrep": mode.get("irrep"),
                "eigenvector": pairs[:, 0] + 1j * pairs[:, 1],
            }
        )
    if not found:
        raise DistortionError("these phonons hold no imaginary mode with its eigenvector; compute them again")
    return sorted(found, key=lambda mode: mode["frequency_cm1"])


def judge_distortion(
    relaxations: Sequence[Mapping[str, Any]],
    structures: Sequence[Structure],
    min_gain_ev_per_atom: float,
    symprec_ang: float,
) -> tuple[str, str]:
    """Say what became of a distorted crystal in its relaxation.

    Parameters
    ----------
    relaxations : sequence of two mapping
        Of the parent and of the distorted crystal, at one pressure and with one set of settings.
    structures : sequence of two Structure
        Likewise, relaxed.
    min_gain_ev_per_atom : float
        Enthalpies that differ by less are equal: k-meshes of two cells are not one mesh.
    symprec_ang : float
        With which a crystal on its way back counts as symmetric, Angstrom.

    Returns
    -------
    verdict : str
        ``lower``: another crystal, lower in enthalpy. ``higher``: another one, higher. ``returned``: the parent again.
        ``undecided``: the numbers contradict each other or are too close.
    reason : str
    """
    gain = relaxations[1]["enthalpy_ev_per_atom"] - relaxations[0]["enthalpy_ev_per_atom"]
    numbers = [space_group_number(structure, symprec_ang) for structure in structures]
    matcher = StructureMatcher(ltol=_SAME_LATTICE, stol=_SAME_SITES, angle_tol=_SAME_ANGLES_DEG, scale=False)
    same = numbers[0] == numbers[1] and matcher.fit(structures[0], structures[1])
    apart = f"{1000 * gain:+.1f} meV/atom"
    equal = abs(gain) <= min_gain_ev_per_atom
    groups = f"space group {numbers[0]} -> {numbers[1]}"
    if same and equal:
        return "returned", f"it relaxed back to the parent, {apart}"
    if same:
        return "undecided", f"it relaxed back to the parent, but {apart} from it; the k-meshes are too coarse"
    if equal:
        return "undecided", f"{groups}, {apart}: less than {1000 * min_gain_ev_per_atom:g} meV/atom decides nothing"
    return ("lower" if gain < 0 else "higher"), f"{groups}, {apart}"
