"""Where EPW thinks that Wannier functions are: centres freed of their rounding, before cells are built around them.

With ``use_ws`` epw.x counts, for each pair of functions, the lattice vectors that are nearest within 1e-6 alat^2.
Wannier90 leaves the centre of a function on an atom some 1e-6 alat beside it. Of vectors that are equally far by
symmetry one may then count and the other not; weights do not add up, and epw.x stops (fcc Al, 8x8x8, s, p and d).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# alat; noise is 1e-6, a function that belongs beside its atom is farther off.
ON_AN_ATOM_ALAT = 1.0e-3
# Of the crystal coordinates of all others: coarser than the tolerance of epw.x, finer than anything of physics.
DECIMALS = 4

_PROGRAM = """\
# Reads prefix.ukk twice. Its last {n_functions} lines are centres (Cartesian, alat): those within {on_an_atom:g} of an
# atom are put there, the others are rounded to {decimals} decimals in crystal coordinates.
function nearest(x) {{ return int(x < 0 ? x - 0.5 : x + 0.5) }}
BEGIN {{
  split("{cell}", cell); split("{inverse}", inverse); split("{atoms}", atoms)
}}
NR == FNR {{ lines = FNR; next }}
FNR <= lines - {n_functions} {{ print; next }}
{{
  for (j = 1; j <= 3; j++) {{
    crystal[j] = $1 * inverse[j] + $2 * inverse[3 + j] + $3 * inverse[6 + j]
    place[j] = nearest(crystal[j] * {scale}) / {scale}
  }}
  for (atom = 0; atom < {n_atoms}; atom++) {{
    for (j = 1; j <= 3; j++) {{
      away[j] = crystal[j] - atoms[3 * atom + j]
      away[j] -= nearest(away[j])
    }}
    square = 0
    for (j = 1; j <= 3; j++) square += (away[1] * cell[j] + away[2] * cell[3 + j] + away[3] * cell[6 + j]) ^ 2
    if (square < {on_an_atom:g} ^ 2) for (j = 1; j <= 3; j++) place[j] = crystal[j] - away[j]
  }}
  for (j = 1; j <= 3; j++) printf "%24.15E", place[1] * cell[j] + place[2] * cell[3 + j] + place[3] * cell[6 + j]
  printf "\\n"
}}
"""


def centres_program(cell_ang: ArrayLike, positions_ang: Sequence[ArrayLike], n_functions: int) -> str:
    """Write the awk program that tidies the centres in ``prefix.ukk``; awk, because it runs on the cluster.

    Parameters
    ----------
    cell_ang : (3, 3)
        Lattice vectors as rows, Angstrom; the length of the first is alat, as pw.x takes it.
    positions_ang : sequence of (3,)
        Atoms, Cartesian, Angstrom.
    n_functions : int
        Number of Wannier functions.

    Returns
    -------
    str
        For ``awk -f PROGRAM aiida.ukk aiida.ukk``, which prints the whole file. A function stays in the cell it is in.
    """
    cell = np.asarray(cell_ang, dtype=float)
    inverse = np.linalg.inv(cell)
    alat_ang = float(np.linalg.norm(cell[0]))
    return _PROGRAM.format(
        n_functions=n_functions,
        n_atoms=len(positions_ang),
        on_an_atom=ON_AN_ATOM_ALAT,
        decimals=DECIMALS,
        scale=10**DECIMALS,
        cell=_numbers(cell / alat_ang),
        inverse=_numbers(inverse * alat_ang),
        atoms=_numbers(np.asarray(positions_ang, dtype=float) @ inverse),
    )


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.16g}" for value in values.ravel())
