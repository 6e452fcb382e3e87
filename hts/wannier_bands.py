"""Wannier against DFT bands: the path they are compared on, and how far they are apart near the Fermi energy."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import seekpath
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from hts.errors import HtsError
from hts.spglib_calls import or_none
from hts.wannier90_output import path_block

_SAME_LATTICE = 1e-3
_PLAIN_POINTS = {"GAMMA": (0, 0, 0), "A": (0.5, 0, 0), "B": (0.5, 0.5, 0), "C": (0.5, 0.5, 0.5), "D": (0, 0, 0.5)}


class BandsMismatchError(HtsError):
    """Two sets of bands that are not on the same k-points, or too few bands."""


@dataclass(frozen=True)
class BandsDeviation:
    """How far Wannier bands are from those of DFT.

    Attributes
    ----------
    rms_ev : float or None
        Root mean square over all states within the window; None if there is no state in it.
    largest_ev : float or None
    n_states : int
    window_ev : float
        Half-width around the Fermi energy.
    """

    rms_ev: float | None
    largest_ev: float | None
    n_states: int
    window_ev: float


def wannier90_path(structure: Structure, distance_inv_ang: float) -> list[str]:
    """Return the high-symmetry path of a cell as lines for Wannier90 (EPW's ``wdata``).

    Parameters
    ----------
    structure : Structure
        In whatever primitive cell: the path of seekpath is expressed in the reciprocal vectors of this very cell.
    distance_inv_ang : float
        Wanted distance between two points, 1/Angstrom, 2 pi included.

    Returns
    -------
    list of str
        ``bands_plot``, the block ``kpoint_path`` and ``bands_num_points``, that of the first segment; Wannier90 scales
        it to the others.

    References
    ----------
    Y. Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), https://doi.org/10.1016/j.commatsci.2016.10.015
    """
    points, path = _path(structure)
    first = structure.lattice.reciprocal_lattice.get_cartesian_coords(points[path[0][1]] - points[path[0][0]])
    number = max(2, math.ceil(float(np.linalg.norm(first)) / distance_inv_ang))
    segments = [f"{_point(start, points)} {_point(end, points)}" for start, end in path]
    return path_block(segments, number)


def _path(structure: Structure) -> tuple[dict[str, NDArray[np.float64]], list[tuple[str, str]]]:
    """Return the points of seekpath's path in the reciprocal vectors of a cell, and its segments.

    seekpath speaks of its own primitive cell, which is turned and made of other vectors of the same lattice. Where that
    lattice can't be turned back (it chooses triclinic cells anew) a plain path along the reciprocal vectors is taken.
    """
    cell = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
    found = seekpath.get_path(cell)
    dataset = or_none(spglib.get_symmetry_dataset, cell)
    turned_back = found["primitive_lattice"] @ (np.eye(3) if dataset is None else dataset.std_rotation_matrix)
    combination = turned_back @ np.linalg.inv(structure.lattice.matrix)
    if np.abs(combination - np.rint(combination)).max() > _SAME_LATTICE:
        return {name: np.array(place) for name, place in _PLAIN_POINTS.items()}, list(pairwise(_PLAIN_POINTS))
    back = np.linalg.inv(np.rint(combination))
    points = {name: back @ np.array(place) for name, place in found["point_coords"].items()}
    return points, found["path"]


def _point(label: str, points: dict[str, NDArray[np.float64]]) -> str:
    name = "G" if label == "GAMMA" else label.replace("_", "")
    return f"{name} " + " ".join(f"{value + 0.0:.6f}" for value in points[label])


def bands_deviation(
    dft_ev: NDArray[np.float64],
    wannier_ev: NDArray[np.float64],
    fermi_ev: float,
    *,
    n_excluded: int = 0,
    window_ev: float = 1.0,
) -> BandsDeviation:
    """Compare bands on the same k-points within a window around the Fermi energy.

    Parameters
    ----------
    dft_ev : (nk, nb)
        Ascending, semicore bands included.
    wannier_ev : (nk, n_wannier)
    fermi_ev : float
        Of the scf run.
    n_excluded : int
        Lowest DFT bands without a Wannier function.
    window_ev : float
        Half-width; what counts is where the DFT state lies.

    Returns
    -------
    BandsDeviation

    Raises
    ------
    BandsMismatchError
        If the numbers of k-points differ, or no band is left to compare.

    Notes
    -----
    Bands are compared by their number, which is theirs in the frozen window; a band too many or too few below the Fermi
    energy therefore shows as a large deviation, as it should.
    """
    dft = np.sort(np.asarray(dft_ev, dtype=float), axis=1)[:, n_excluded:]
    wannier = np.sort(np.asarray(wannier_ev, dtype=float), axis=1)
    if dft.shape[0] != wannier.shape[0]:
        raise BandsMismatchError(
            f"{dft.shape[0]} k-points of DFT and {wannier.shape[0]} of Wannier functions, wanted the same path"
        )
    number = min(dft.shape[1], wannier.shape[1])
    if number < 1:
        raise BandsMismatchError(f"{dft_ev.shape[1]} DFT bands, {n_excluded} of them excluded: nothing to compare")
    dft, wannier = dft[:, :number], wannier[:, :number]
    inside = np.abs(dft - fermi_ev) <= window_ev
    if not inside.any():
        return BandsDeviation(None, None, 0, window_ev)
    difference = np.abs(dft - wannier)[inside]
    return BandsDeviation(float(np.sqrt(np.mean(difference**2))), float(difference.max()), int(inside.sum()), window_ev)
