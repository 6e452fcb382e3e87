"""A vibrational mode at a commensurate q-point as frames of moving atoms, for OVITO, VMD, Jmol, ASE or XCrySDen."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure

# No mesh of q-points is denser, and the printed digits of one at 1/24 still tell it from its neighbours.
_MOST_CELLS = 24
_SAME_POINT = 1e-5


@dataclass(frozen=True)
class ModeAnimation:
    """One period of a mode in the smallest diagonal supercell that it fits.

    Attributes
    ----------
    supercell : Structure
        Undistorted; all atoms of the first primitive cell, then those of the next.
    repeats : tuple of three int
        How many primitive cells along each lattice vector.
    displacements_ang : NDArray, shape (n_frames, N, 3)
        Cartesian. The frame after the last would be the first again.
    """

    supercell: Structure
    repeats: tuple[int, int, int]
    displacements_ang: NDArray[np.float64]


def animate_mode(
    structure: Structure, qpoint: ArrayLike, eigenvector: ArrayLike, amplitude_ang: float = 0.3, n_frames: int = 24
) -> ModeAnimation:
    """Move the atoms along one mode.

    Atom k in the cell at the lattice vector R is displaced by Re[e_k / sqrt(m_k) exp(2 pi i (q R - t))], t from 0 to 1
    over the period. R is where the cell is, not where the atom is: that is the convention of ph.x, of which e is an
    eigenvector. The real crystal of an imaginary mode would not swing but go on to where the mode points.

    Parameters
    ----------
    structure : Structure
        Primitive cell, atoms in the order of the eigenvector.
    qpoint : array_like, shape (3,)
        Fractions of the reciprocal vectors, commensurate.
    eigenvector : array_like, shape (3 N,), complex
        Mass-weighted polarisation, atom-major and Cartesian, as in `hts.phonons.QPointModes`; its norm and phase do not
        matter.
    amplitude_ang : float
        The largest displacement of any atom, reached in the first frame.
    n_frames : int
        In one period.

    Returns
    -------
    ModeAnimation

    Raises
    ------
    ValueError
        If the eigenvector does not belong to the structure or is zero, or no supercell holds the q-point.
    """
    vector = np.asarray(eigenvector, dtype=np.complex128).reshape(-1)
    if len(vector) != 3 * len(structure):
        raise ValueError(
            f"the eigenvector has {len(vector)} components, wanted 3 for each of {len(structure)} atoms; give that of "
            "this structure"
        )
    q = np.asarray(qpoint, dtype=np.float64)
    repeats = commensurate_repeats(q)
    masses = np.array([float(site.specie.atomic_mass) for site in structure])
    pattern = _with_amplitude(vector.reshape(-1, 3) / np.sqrt(masses)[:, None], amplitude_ang)
    cells = np.array(list(np.ndindex(*repeats)))
    phases = np.exp(2j * np.pi * ((cells @ q)[None, :] - np.arange(n_frames)[:, None] / n_frames))
    moving = (phases[:, :, None, None] * pattern[None, None]).real
    places = (cells[:, None, :] + structure.frac_coords[None]).reshape(-1, 3) @ structure.lattice.matrix
    supercell = Structure(
        structure.lattice.matrix * np.array(repeats)[:, None],
        [site.specie for _ in cells for site in structure],
        places,
        coords_are_cartesian=True,
    )
    return ModeAnimation(supercell, repeats, moving.reshape(n_frames, -1, 3))


def commensurate_repeats(qpoint: ArrayLike) -> tuple[int, int, int]:
    """Return how many cells along each lattice vector a q-point (fractional, shape (3,)) needs to repeat.

    Raises
    ------
    ValueError
        If that is more than 24 along any.
    """
    found = []
    q = np.asarray(qpoint, dtype=np.float64)
    for fraction in q.tolist():
        near = Fraction(fraction).limit_denominator(_MOST_CELLS)
        if abs(float(near) - fraction) > _SAME_POINT:
            raise ValueError(
                f"q = {np.round(q, 6).tolist()} repeats after more than {_MOST_CELLS} cells, wanted a point of a "
                "coarse mesh; give a commensurate q-point"
            )
        found.append(near.denominator)
    return found[0], found[1], found[2]


def _with_amplitude(pattern: NDArray[np.complex128], amplitude_ang: float) -> NDArray[np.complex128]:
    """Scale a pattern (N, 3) and turn its phase, so that the atom that moves farthest does so at phase zero.

    An atom runs along an ellipse, Re[w exp(-i t)]; its square, (|w|^2 + Re[w w exp(-2 i t)]) / 2, is largest where the
    second term is real and positive.
    """
    unconjugated = (pattern**2).sum(axis=1)
    farthest_squared = ((np.abs(pattern) ** 2).sum(axis=1) + np.abs(unconjugated)) / 2
    # Of equivalent atoms the first, whatever the last digits say.
    first = int(np.flatnonzero(farthest_squared >= farthest_squared.max() * (1 - 1e-6))[0])
    if not farthest_squared[first] > 0:
        raise ValueError("the eigenvector is zero, wanted one that moves an atom; give another mode")
    turn = np.exp(-0.5j * np.angle(unconjugated[first]))
    turned: NDArray[np.complex128] = pattern * turn * amplitude_ang / np.sqrt(farthest_squared[first])
    return turned


def extended_xyz(animation: ModeAnimation, **remarks: str | float) -> str:
    """Return the frames as extended XYZ, positions and displacements in Angstrom.

    The columns after the position are the displacement of that frame: arrows in OVITO and Jmol, an array in ASE.

    Parameters
    ----------
    animation : ModeAnimation
    **remarks : str or float
        Written on the second line of every frame.
    """
    cell = animation.supercell
    lattice = " ".join(f"{x:.8f}" for x in cell.lattice.matrix.ravel())
    said = "".join(f" {key}={_quoted(value)}" for key, value in remarks.items())
    symbols = [site.specie.symbol for site in cell]
    lines = []
    for index, moved in enumerate(animation.displacements_ang):
        lines.append(str(len(cell)))
        lines.append(
            f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:displacement:R:3 pbc="T T T"{said} '
            f"frame={index} frames={len(animation.displacements_ang)}"
        )
        rows = np.hstack([cell.cart_coords + moved, moved])
        lines += [f"{symbol:2} {_row(row)}" for symbol, row in zip(symbols, rows, strict=True)]
    return "\n".join(lines) + "\n"


def _quoted(value: str | float) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def animated_xsf(animation: ModeAnimation) -> str:
    """Return the frames as animated XSF of XCrySDen, positions in Angstrom; the displacements are drawn as forces."""
    cell = animation.supercell
    symbols = [site.specie.symbol for site in cell]
    lines = [f"ANIMSTEPS {len(animation.displacements_ang)}", "CRYSTAL", "PRIMVEC"]
    lines += [_row(vector) for vector in cell.lattice.matrix]
    for index, moved in enumerate(animation.displacements_ang, start=1):
        lines += [f"PRIMCOORD {index}", f"{len(cell)} 1"]
        rows = np.hstack([cell.cart_coords + moved, moved])
        lines += [f"{symbol:2} {_row(row)}" for symbol, row in zip(symbols, rows, strict=True)]
    return "\n".join(lines) + "\n"


def _row(values: NDArray[np.float64]) -> str:
    # Adding zero makes -0.00000000 a plain zero.
    return " ".join(f"{value:14.8f}" for value in np.round(values, 8) + 0.0)
