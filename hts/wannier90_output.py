"""Wannier90's interpolated bands, written by the library call inside epw.x.

Asked for by lines of ``wdata``: ``bands_plot = .true.``, ``begin kpoint_path``, ``G 0 0 0 X 0.5 0 0.5``, ...,
``end kpoint_path``, ``bands_num_points = N`` (of the first segment), ``bands_plot_format = gnuplot``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hts.epw_spectra import finite_floats
from hts.errors import ParseError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class WannierBands:
    """Bands on a path.

    Attributes
    ----------
    kpoints_frac : (n, 3)
        Fractions of the reciprocal lattice vectors of pw.x.
    path_inv_ang : (n,)
        Length of the path up to each point, 2 pi included.
    energies_ev : (n, n_wannier)
        On the energy scale of pw.x (not shifted to the Fermi energy), increasing at every point.
    """

    kpoints_frac: FloatArray
    path_inv_ang: FloatArray
    energies_ev: FloatArray


def path_block(segments: Sequence[str], n_points: int) -> list[str]:
    """Return the lines of ``wdata`` that ask Wannier90 for bands along segments, each a line of two labelled corners.

    ``n_points`` are those of the first segment; Wannier90 gives the others theirs by length.
    """
    return [
        "bands_plot = .true.",
        "begin kpoint_path",
        *segments,
        "end kpoint_path",
        f"bands_num_points = {n_points}",
        "bands_plot_format = gnuplot",
    ]


def bands_wdata(path: Sequence[tuple[str, Sequence[float]]], n_points: int) -> list[str]:
    """Return the lines of ``wdata`` that ask Wannier90 for bands.

    Parameters
    ----------
    path : sequence of (label, (3,))
        At least two corners in fractional coordinates, joined in order.
    n_points : int
        Points of the first segment; the others get theirs by length.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there are fewer than two corners or points.
    """
    if len(path) < 2 or n_points < 2:
        raise ValueError(f"{len(path)} corners with {n_points} points, wanted at least 2 of each")
    corners = [f"{label} {' '.join(f'{x:.8f}' for x in point)}" for label, point in path]
    segments = [f"{start} {end}" for start, end in pairwise(corners)]
    return path_block(segments, n_points)


def parse_wannier_bands(dat: str, kpt: str, n_wannier: int) -> WannierBands:
    """Read ``seedname_band.dat`` and ``seedname_band.kpt``.

    Parameters
    ----------
    dat : str
        A block per band, each with a blank line after it: path length (1/Angstrom), energy (eV).
    kpt : str
        The number of points, then one a line with its weight.
    n_wannier : int
        Bands that there must be, EPW's ``nbndsub``: a file that is cut between two bands looks whole by itself.

    Returns
    -------
    WannierBands

    Raises
    ------
    ParseError
        If one is cut or garbled, or they do not belong together.
    """
    header, _, body = kpt.partition("\n")
    points = [finite_floats(line, "prefix_band.kpt") for line in body.splitlines()]
    if header.strip() != str(len(points)) or not points or any(len(point) != 4 for point in points):
        raise ParseError(
            f"prefix_band.kpt has {len(points)} points of 4 numbers or fewer, its first line says "
            f"{header.strip()[:20]!r}: it is cut; rerun epw.x"
        )
    blocks: list[list[list[float]]] = [[]]
    for line in dat.splitlines():
        if line.strip():
            blocks[-1].append(finite_floats(line, "prefix_band.dat"))
        elif blocks[-1]:
            blocks.append([])
    # The last band, too, is closed by a blank line.
    closed = blocks.pop() == [] and len(blocks) == n_wannier and dat.endswith("\n")
    if not closed or any(len(block) != len(points) or any(len(row) != 2 for row in block) for block in blocks):
        raise ParseError(
            f"prefix_band.dat has {len(blocks)} bands, wanted {n_wannier} of {len(points)} rows of 2 columns: it is "
            "cut; rerun epw.x"
        )
    data = np.array(blocks)
    if not np.allclose(data[:, :, 0], data[0, :, 0]):
        raise ParseError("prefix_band.dat has bands on different paths: it is garbled; rerun epw.x")
    return WannierBands(np.array(points)[:, :3], data[0, :, 0], data[:, :, 1].T)
