"""Decay of EPW's Wannier-basis matrix elements with distance: ``decay.H`` and its kin.

A Hamiltonian or vertex that has not decayed at the edge of the coarse mesh's supercell cannot be interpolated: the
coarse mesh is too small, or the Wannier functions are too wide.
"""

import re
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from hts.epw_spectra import finite_floats
from hts.errors import ParseError

FloatArray = NDArray[np.float64]

# File ending to the unit of the magnitude, as its header says; distances are in Angstrom in all of them.
DECAY_UNITS = {
    "H": "Ry",
    "dynmat": "Ry",
    "epmate": "Ry",
    "epmatp": "Ry",
    "v": "bohr/(2.418e-17 s)",
    "P": "bohr",
}
# Distances of R and -R agree to rounding.
_DIGITS = 5


def parse_decay(text: str) -> tuple[FloatArray, FloatArray]:
    """Read one decay file: a row per lattice vector R of the Wigner-Seitz supercell.

    Parameters
    ----------
    text : str

    Returns
    -------
    distance_ang : (n,), increasing
        |R| in Angstrom.
    magnitude : (n,)
        The largest matrix element at that R, in the file's unit (:data:`DECAY_UNITS`).

    Raises
    ------
    ParseError
        If the file is cut or garbled. There is no footer; but R = 0 is there once and every other R with its -R, so
        that a distance which occurs an odd number of times shows that rows are missing.
    """
    what = "a decay file"
    lines = text.splitlines()
    rows = [finite_floats(line, what) for line in lines if not line.lstrip().startswith("#")]
    header = "\n".join(lines[: len(lines) - len(rows)])
    if not re.search(r"\[Ang\]|Spatial decay", header) or not text.endswith("\n"):
        raise ParseError(f"{what} begins with {text[:60]!r} and has {len(rows)} rows, wanted a header; rerun epw.x")
    if len(rows) < 2 or any(len(row) != 2 for row in rows):
        raise ParseError(f"{what} has {len(rows)} rows, wanted at least 2 of 2 columns: it is cut; rerun epw.x")
    data = np.array(rows)
    counts = Counter(np.round(data[:, 0], _DIGITS).tolist())
    if counts.pop(0.0, 0) != 1 or any(count % 2 for count in counts.values()):
        raise ParseError(f"{what} lacks the partner -R of some R: it is cut; rerun epw.x")
    order = np.argsort(data[:, 0], kind="stable")
    return data[order, 0], data[order, 1]


def outer_ratio(distance_ang: FloatArray, magnitude: FloatArray, outer_fraction: float = 0.9) -> float:
    """Return how much of the largest magnitude is left at the edge of the supercell.

    Parameters
    ----------
    distance_ang, magnitude : (n,)
        As :func:`parse_decay` returns them.
    outer_fraction : float
        The edge begins at this part of the largest distance.

    Returns
    -------
    float
        Largest magnitude at the edge over the largest of all, from 0 (decayed) to 1 (not at all).

    Raises
    ------
    ParseError
        If every magnitude is zero.
    """
    largest = float(magnitude.max())
    if largest <= 0:
        raise ParseError("a decay file holds only zeros, wanted matrix elements; check the coarse run")
    edge = distance_ang >= outer_fraction * distance_ang.max()
    return float(magnitude[edge].max() / largest)
