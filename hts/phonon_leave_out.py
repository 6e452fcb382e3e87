"""How good phonon interpolation is between q-points: leave every other one out, or compute one beside the mesh.

Force constants of an N1 x N2 x N3 mesh give every commensurate frequency exactly. Folded onto the supercell of a
sub-mesh they are those that ph.x would have given on the sub-mesh alone; what these interpolate at the q-points left
out is held against what ph.x found there. The interpolation is that of bands and densities of states: phonopy's, with
the shortest vectors between the atoms of a supercell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy
from pymatgen.core import Structure

from hts.interpolation import phonopy_from_q2r
from hts.phonons import irreducible_qpoints, qpoint_images, star_sizes
from hts.symmetry import rotations
from hts.units import CM1_PER_THZ

_SAME_POINT = 1e-5
# Distances that differ by less are equal, 1/Angstrom.
_SAME_DISTANCE = 1e-6


@dataclass(frozen=True)
class PointDeviation:
    """Interpolated against computed frequencies at one q-point, each set in ascending order.

    Attributes
    ----------
    qpoint : tuple of three float
        Fractional.
    max_cm1, rms_cm1 : float
        Largest and root-mean-square deviation over the modes, cm^-1. An imaginary frequency counts as a negative one.
    lowest_cm1, lowest_interpolated_cm1 : float
    sign_flips : bool
        Whether one of the two lowest is an instability and the other is not.
    star_size : int
        How many q-points symmetry makes of it.
    """

    qpoint: tuple[float, float, float]
    max_cm1: float
    rms_cm1: float
    lowest_cm1: float
    lowest_interpolated_cm1: float
    sign_flips: bool
    star_size: int


@dataclass(frozen=True)
class LeaveOut:
    """What a sub-mesh interpolates at the q-points that it lacks.

    Attributes
    ----------
    sub_mesh : tuple of three int, or None
    points : tuple of PointDeviation
        The q-points left out, in the order given.
    max_cm1, rms_cm1 : float or None
        Over all of them and all modes; the mean square is weighted by the stars. None where nothing could be compared.
    sum_rule_cm1 : float or None
        Largest deviation at these points of the force constants of the whole mesh, which interpolate nothing there:
        what a sum rule of q2r.x (``zasr``) adds to the deviations.
    reason : str or None
        Why nothing could be compared.
    """

    sub_mesh: tuple[int, int, int] | None
    points: tuple[PointDeviation, ...]
    max_cm1: float | None
    rms_cm1: float | None
    sum_rule_cm1: float | None
    reason: str | None


@dataclass(frozen=True)
class OffMeshPoint:
    """A q-point of the doubled mesh.

    Attributes
    ----------
    qpoint : tuple of three float
        Fractional, folded into (-1/2, 1/2].
    mesh : tuple of three int
        The doubled mesh.
    index : int
        From 1, among its irreducible q-points in the order of ph.x (``start_q``).
    distance_inv_ang : float
        To the nearest q-point of the mesh, with the factor 2 pi.
    star_size : int
    """

    qpoint: tuple[float, float, float]
    mesh: tuple[int, int, int]
    index: int
    distance_inv_ang: float
    star_size: int


def proper_sub_mesh(mesh: Sequence[int]) -> tuple[int, int, int] | None:
    """Return the densest mesh of every second (third, ...) q-point with at least two along each axis that was thinned.

    Parameters
    ----------
    mesh : sequence of three int

    Returns
    -------
    tuple of three int, or None
        4 gives 2, 6 gives 3, 9 gives 3; an axis with a prime number or one of points stays whole. None if all do.
    """
    thinned = [next((count // step for step in range(2, count) if count % step == 0), count) for count in mesh]
    return None if thinned == list(mesh) else (thinned[0], thinned[1], thinned[2])


def fold_onto(phonon: Phonopy, sub_mesh: Sequence[int]) -> Phonopy:
    """Fold force constants onto the supercell of a sub-mesh: Phi_sub(R) is the sum of Phi(R + L) over its lattice L.

    Parameters
    ----------
    phonon : Phonopy
        With compact force constants, shape (N, N times mesh, 3, 3), of a diagonal supercell.
    sub_mesh : sequence of three int
        Each a divisor of the mesh's.

    Returns
    -------
    Phonopy
        At the q-points of the sub-mesh its dynamical matrices are those of the given one, because exp(2 pi i q.L) = 1.
    """
    sub = np.array(sub_mesh)
    cell = phonon.primitive
    folded = Phonopy(phonon.unitcell, supercell_matrix=np.diag(sub), primitive_matrix="P", calculator="qe")
    places = {label: index for index, label in enumerate(_labels(folded, sub))}
    constants = np.zeros((len(cell), len(folded.supercell), 3, 3))
    given = np.asarray(phonon.force_constants)
    for source, label in enumerate(_labels(phonon, sub)):
        constants[:, places[label]] += given[:, source]
    folded.force_constants = constants
    return folded


def _labels(phonon: Phonopy, sub_mesh: NDArray[np.int_]) -> list[tuple[int, ...]]:
    """Return of each atom of a supercell its atom in the primitive cell and its lattice vector modulo the sub-mesh."""
    homes = [phonon.primitive.p2p_map[atom] for atom in phonon.primitive.s2p_map]
    mesh = np.diag(phonon.supercell_matrix)
    apart = phonon.supercell.scaled_positions * mesh - phonon.primitive.scaled_positions[homes]
    cells = np.rint(apart).astype(int) % sub_mesh
    return [(home, *cell) for home, cell in zip(homes, cells.tolist(), strict=True)]


def leave_out(
    force_constants: str,
    structure: Structure,
    qpoints: ArrayLike,
    frequencies_cm1: Sequence[Sequence[float]],
    *,
    min_frequency_cm1: float = 0.0,
) -> LeaveOut:
    """Interpolate from a sub-mesh, and compare at the q-points left out.

    Parameters
    ----------
    force_constants : str
        The text of ``flfrc``: of all q-points.
    structure : Structure
        Primitive cell as ph.x had it.
    qpoints : array_like, shape (n, 3)
        Fractional: the irreducible q-points of the mesh. What the sub-mesh has, Gamma too, is passed over.
    frequencies_cm1 : sequence of n sequences of 3 N float
        What ph.x found there, imaginary ones negative. At Gamma the translations may be missing.
    min_frequency_cm1 : float
        Below it a frequency is an instability.

    Returns
    -------
    LeaveOut
        Without points and with the reason for a mesh without proper sub-mesh (2x2x2, 3x3x3, 5x5x5).

    Raises
    ------
    ValueError
        If a q-point is not on the mesh, or does not have 3 N frequencies.
    """
    whole = phonopy_from_q2r(force_constants, structure, acoustic_sum_rule=False)
    mesh = np.diag(whole.supercell_matrix).tolist()
    sub_mesh = proper_sub_mesh(mesh)
    name = "x".join(map(str, mesh))
    if sub_mesh is None:
        reason = f"a {name} mesh has no sub-mesh of at least two q-points an axis; compute one q-point beside it"
        return LeaveOut(None, (), None, None, None, reason)
    points = np.asarray(qpoints, dtype=np.float64).reshape(-1, 3)
    if not _is_on(points, mesh).all():
        raise ValueError(f"q-points {points[~_is_on(points, mesh)].tolist()} are not on the {name} mesh; give its own")
    outside = np.flatnonzero(~_is_on(points, sub_mesh))
    if not len(outside):
        return LeaveOut(sub_mesh, (), None, None, None, f"all {len(points)} q-points given are on the sub-mesh")
    sizes = star_sizes(rotations(structure), points[outside], mesh)
    left = [(points[place], frequencies_cm1[int(place)]) for place in outside]
    folded = fold_onto(whole, sub_mesh)
    found = [_compare(folded, *each, size, min_frequency_cm1) for each, size in zip(left, sizes, strict=True)]
    return LeaveOut(
        sub_mesh=sub_mesh,
        points=tuple(found),
        max_cm1=max(each.max_cm1 for each in found),
        rms_cm1=float(np.sqrt(np.average([each.rms_cm1**2 for each in found], weights=sizes))),
        sum_rule_cm1=max(_compare(whole, *each, 1, min_frequency_cm1).max_cm1 for each in left),
        reason=None,
    )


def compare_at(
    force_constants: str,
    structure: Structure,
    qpoint: ArrayLike,
    frequencies_cm1: Sequence[float],
    *,
    min_frequency_cm1: float = 0.0,
) -> PointDeviation:
    """Compare what the force constants interpolate at one q-point with what ph.x found there.

    Parameters
    ----------
    force_constants : str
        The text of ``flfrc``.
    structure : Structure
        Primitive cell as ph.x had it.
    qpoint : array_like, shape (3,)
        Fractional; beside the mesh (`off_mesh_qpoint`). On it the deviation is none but what a sum rule of q2r.x adds.
    frequencies_cm1 : sequence of 3 N float
        Imaginary ones negative.
    min_frequency_cm1 : float
        Below it a frequency is an instability.

    Returns
    -------
    PointDeviation
        With the star in the whole of reciprocal space.

    Raises
    ------
    ValueError
        If there are not 3 N frequencies.
    """
    phonon = phonopy_from_q2r(force_constants, structure, acoustic_sum_rule=False)
    point = np.asarray(qpoint, dtype=np.float64)
    size = _star_size(rotations(structure), point)
    return _compare(phonon, point, frequencies_cm1, size, min_frequency_cm1)


def off_mesh_qpoint(mesh: Sequence[int], structure: Structure) -> OffMeshPoint:
    """Choose the q-point of the doubled mesh where interpolation has most to show.

    Parameters
    ----------
    mesh : sequence of three int
    structure : Structure
        Primitive cell.

    Returns
    -------
    OffMeshPoint
        The one farthest from all q-points of the mesh; of equally far ones that with the smallest star, whose symmetry
        leaves ph.x the fewest irreducible representations, and of these the first.
    """
    doubled = (2 * mesh[0], 2 * mesh[1], 2 * mesh[2])
    group = rotations(structure)
    candidates = irreducible_qpoints(group, doubled)
    distances = _distances_inv_ang(candidates, mesh, structure)
    sizes = star_sizes(group, candidates, doubled)
    farthest = np.flatnonzero(distances > distances.max() - _SAME_DISTANCE)
    chosen = min(farthest.tolist(), key=lambda index: (sizes[index], index))
    x, y, z = candidates[chosen].tolist()
    return OffMeshPoint((x, y, z), doubled, chosen + 1, float(distances[chosen]), sizes[chosen])


def _is_on(qpoints: NDArray[np.float64], mesh: Sequence[int]) -> NDArray[np.bool_]:
    """Say of each q-point, shape (n, 3), whether it is on a mesh."""
    steps = qpoints * np.array(mesh)
    on_mesh: NDArray[np.bool_] = np.abs(steps - np.rint(steps)).max(axis=1) < _SAME_POINT * max(mesh)
    return on_mesh


def _star_size(group: NDArray[np.int_], qpoint: NDArray[np.float64]) -> int:
    images = qpoint_images(group, qpoint)
    folded = np.round(images - np.floor(images + _SAME_POINT), 4) + 0.0
    return len({tuple(row) for row in folded.tolist()})


def _distances_inv_ang(qpoints: NDArray[np.float64], mesh: Sequence[int], structure: Structure) -> NDArray[np.float64]:
    """Return the distance of each q-point to the nearest of a mesh, which is a lattice of its own."""
    step = structure.lattice.reciprocal_lattice.matrix / np.array(mesh)[:, None]
    offsets = np.array(list(np.ndindex(5, 5, 5))) - 2
    fractions = qpoints * np.array(mesh)
    apart = (fractions - np.rint(fractions))[:, None, :] + offsets[None, :, :]
    nearest: NDArray[np.float64] = np.linalg.norm(apart @ step, axis=2).min(axis=1)
    return nearest


def _compare(
    phonon: Phonopy,
    qpoint: NDArray[np.float64],
    frequencies_cm1: Sequence[float],
    star_size: int,
    min_frequency_cm1: float,
) -> PointDeviation:
    phonon.run_qpoints([qpoint.tolist()])
    interpolated = np.sort(np.array(phonon.get_qpoints_dict()["frequencies"][0]) * CM1_PER_THZ)
    computed = np.sort(np.asarray(frequencies_cm1, dtype=np.float64))
    if computed.shape != interpolated.shape:
        place = " ".join(f"{value:.4g}" for value in qpoint)
        raise ValueError(f"{computed.size} frequencies at q = ({place}), wanted {interpolated.size}; give all modes")
    apart = interpolated - computed
    x, y, z = qpoint.tolist()
    return PointDeviation(
        qpoint=(x, y, z),
        max_cm1=float(np.abs(apart).max()),
        rms_cm1=float(np.sqrt((apart**2).mean())),
        lowest_cm1=float(computed[0]),
        lowest_interpolated_cm1=float(interpolated[0]),
        sign_flips=bool((computed[0] < min_frequency_cm1) != (interpolated[0] < min_frequency_cm1)),
        star_size=star_size,
    )
