"""Electronic states on k-meshes: meshes, density of states by linear tetrahedra, the gate on N(E_F), metal or not.

k-points are in fractions of the reciprocal lattice vectors throughout, energies in eV, densities of states per spin and
cell (a spin-degenerate band integrates to 1).
"""

import math

import numpy as np

from hts.errors import UserError

Mesh = tuple[int, int, int]

# The six tetrahedra that share the main diagonal of a unit cube, as corner offsets; the cube is cut along its shortest
# diagonal, which Blöchl recommends, by mirroring the axes.
_TETRAHEDRA = np.array(
    [
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]],
        [[0, 0, 0], [1, 0, 0], [1, 0, 1], [1, 1, 1]],
        [[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]],
        [[0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 1, 1]],
        [[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]],
        [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]],
    ]
)


def kpoint_mesh(cell_ang: np.ndarray, distance_inv_ang: float, multiple_of: Mesh = (1, 1, 1)) -> Mesh:
    """Return the mesh whose neighbouring points are at most a distance apart.

    Parameters
    ----------
    cell_ang : (3, 3)
        Lattice vectors as rows, Angstrom.
    distance_inv_ang : float
        Largest distance along each reciprocal vector, 1/Angstrom, with the factor 2 pi (AiiDA's ``kpoints_distance``).
    multiple_of : (int, int, int)
        Each number is rounded up to a multiple of this one (the q-mesh).

    Returns
    -------
    (int, int, int)

    Raises
    ------
    UserError
        If the distance is not positive.
    """
    if not distance_inv_ang > 0:
        raise UserError(
            f"k-point distance is {distance_inv_ang} 1/Angstrom, wanted a positive number; give one, such as 0.2"
        )
    lengths = 2 * np.pi * np.linalg.norm(np.linalg.inv(np.asarray(cell_ang, dtype=float)).T, axis=1)
    # The 1e-9 keeps a length that is an exact multiple of the distance from being rounded up by its last digit.
    counts = [max(1, math.ceil(length / distance_inv_ang - 1e-9)) for length in lengths]
    return _rounded_up(counts, multiple_of)


def _rounded_up(counts: list[int], multiple_of: Mesh) -> Mesh:
    n1, n2, n3 = (factor * math.ceil(count / factor) for count, factor in zip(counts, multiple_of, strict=True))
    return n1, n2, n3


def denser_mesh(mesh: Mesh, multiple_of: Mesh = (1, 1, 1)) -> Mesh:
    """Return the next denser mesh that is a multiple of another one: (6, 6, 6) with q (2, 2, 2) gives (8, 8, 8).

    Parameters
    ----------
    mesh, multiple_of : (int, int, int)

    Returns
    -------
    (int, int, int)
        Every direction grows; a direction with one point (a slab) grows too.
    """
    return _rounded_up([count + 1 for count in mesh], multiple_of)


def full_kpoint_list(mesh: Mesh) -> np.ndarray:
    """List all points of a Gamma-centred mesh, as EPW wants its coarse points.

    Parameters
    ----------
    mesh : (int, int, int)

    Returns
    -------
    (n1 * n2 * n3, 3)
        Fractions in [0, 1), the third index fastest (the order of ``kmesh.pl``).
    """
    indices = np.indices(mesh).reshape(3, -1).T
    return indices / np.array(mesh)


def unfold_eigenvalues(
    kpoints_frac: np.ndarray, eigenvalues_ev: np.ndarray, rotations: np.ndarray, mesh: Mesh
) -> np.ndarray:
    """Put the eigenvalues of the symmetry-reduced points on the full mesh.

    Parameters
    ----------
    kpoints_frac : (nk, 3)
        Fractions of the reciprocal vectors; points of a Gamma-centred mesh.
    eigenvalues_ev : (nk, nb)
    rotations : (nr, 3, 3)
        All integer matrices W of the point group in the basis of the direct lattice vectors (x' = W x, what spglib
        returns). They act on k as inverse transposes; time reversal (k and -k have the same energies) is added here.
    mesh : (n1, n2, n3)

    Returns
    -------
    (n1, n2, n3, nb)

    Raises
    ------
    UserError
        If a point is off the mesh, or the images of the points do not cover it.
    """
    sizes = np.array(mesh)
    points = np.asarray(kpoints_frac, dtype=float)
    inverses = np.rint(np.linalg.inv(np.asarray(rotations, dtype=float))).astype(int)
    # k' = k W^-1 for row vectors: the inverse transpose acting on columns.
    images = np.einsum("ki,rij->rkj", points, inverses)
    images = np.concatenate([images, -images])
    indices = np.rint(images * sizes).astype(int)
    if not np.allclose(indices, images * sizes, atol=1e-4):
        raise UserError(
            f"a k-point is not on the {mesh} mesh; give the mesh of the calculation and rotations that keep it"
        )
    owner = np.full(mesh, -1)
    flat = np.ravel_multi_index(tuple((indices % sizes).reshape(-1, 3).T), mesh)
    owner.reshape(-1)[flat] = np.tile(np.arange(len(points)), len(images))
    missing = int(np.count_nonzero(owner < 0))
    if missing:
        raise UserError(f"{missing} points of the {mesh} mesh are not the image of any k-point; give all rotations")
    return np.asarray(eigenvalues_ev, dtype=float)[owner]


def _cumulative(energies: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Sum over tetrahedra of the filled fraction at each energy; ``corners`` (nt, 4) sorted, all within one block."""
    e1, e2, e3, e4 = (corners[:, i, None] for i in range(4))
    e = energies[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        low = (e - e1) ** 2 * 3 / ((e2 - e1) * (e3 - e1) * (e4 - e1))
        middle = (
            3 * (e2 - e1) + 6 * (e - e2) - 3 * ((e3 - e1) + (e4 - e2)) * (e - e2) ** 2 / ((e3 - e2) * (e4 - e2))
        ) / ((e3 - e1) * (e4 - e1))
        high = 3 * (e4 - e) ** 2 / ((e4 - e1) * (e4 - e2) * (e4 - e3))
    dos = np.where((e >= e1) & (e < e2), low, 0.0)
    dos = np.where((e >= e2) & (e < e3), middle, dos)
    dos = np.where((e >= e3) & (e < e4), high, dos)
    return np.asarray(dos.sum(axis=0))


def _diagonal_signs(reciprocal_lattice: np.ndarray, mesh: Mesh) -> np.ndarray:
    """Signs of the axes for which the cube's diagonal through the origin is the shortest of the four."""
    steps = np.asarray(reciprocal_lattice, dtype=float) / np.array(mesh)[:, None]
    candidates = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    return np.asarray(candidates[np.argmin(np.linalg.norm(candidates @ steps, axis=1))])


def tetrahedron_dos(
    eigenvalues_grid_ev: np.ndarray, energies_ev: np.ndarray, reciprocal_lattice: np.ndarray
) -> np.ndarray:
    """Density of states by linear interpolation in tetrahedra.

    Parameters
    ----------
    eigenvalues_grid_ev : (n1, n2, n3, nb)
        On the full, periodic, Gamma-centred mesh.
    energies_ev : (ne,)
        Ascending or not; need not be equidistant.
    reciprocal_lattice : (3, 3)
        Reciprocal vectors as rows, any unit: only their shape is used, to cut each cube along its shortest diagonal.

    Returns
    -------
    (ne,)
        States per eV, spin and cell. Zero outside the bands. A tetrahedron whose corners are equal in energy (a flat
        band) is widened to 1e-6 eV: it counts only on an energy grid that resolves that.

    References
    ----------
    P. E. Blöchl, O. Jepsen, O. K. Andersen, Phys. Rev. B 49, 16223 (1994), appendix C; https://doi.org/10.1103/PhysRevB.49.16223
    """
    grid = np.asarray(eigenvalues_grid_ev, dtype=float)
    energies = np.asarray(energies_ev, dtype=float)
    mesh: Mesh = (grid.shape[0], grid.shape[1], grid.shape[2])
    signs = _diagonal_signs(reciprocal_lattice, mesh)
    dos = np.zeros(len(energies))
    for tetrahedron in _TETRAHEDRA * signs:
        shifted = [np.roll(grid, tuple(-offset), axis=(0, 1, 2)).reshape(-1) for offset in tetrahedron]
        corners = np.sort(np.stack(shifted, axis=1), axis=1)
        corners += np.arange(4) * 2.5e-7
        relevant = (corners[:, 3] >= energies.min()) & (corners[:, 0] <= energies.max())
        corners = corners[relevant]
        # Blocks bound the memory: 20,000 tetrahedra x energies at a time.
        block = max(1, 4_000_000 // max(1, len(energies)))
        for start in range(0, len(corners), block):
            dos += _cumulative(energies, corners[start : start + block])
    return dos / (len(_TETRAHEDRA) * math.prod(mesh))


def delta_function(distance_ev: np.ndarray, sigma_ev: float, order: int) -> np.ndarray:
    """Return the smeared delta function of Methfessel-Paxton order 0 (Gaussian) or 1, in 1/eV.

    Parameters
    ----------
    distance_ev : array
    sigma_ev : float
        exp(-(distance/sigma)^2): ``degauss`` of pw.x and ``degaussw`` of EPW.
    order : int
        0 or 1: EPW's ``ngaussw``, for its Fermi energy and its N(E_F). The delta functions of its alpha2F are of order
        0 whatever that is.

    Raises
    ------
    UserError
        If the order is another one, or sigma is not positive.

    References
    ----------
    M. Methfessel, A. T. Paxton, Phys. Rev. B 40, 3616 (1989), https://doi.org/10.1103/PhysRevB.40.3616
    """
    if order not in (0, 1) or not sigma_ev > 0:
        raise UserError(f"smearing of order {order} and {sigma_ev} eV, wanted order 0 or 1 and a positive width")
    x2 = (np.asarray(distance_ev, dtype=float) / sigma_ev) ** 2
    gaussian = np.exp(-np.minimum(x2, 200.0)) / (sigma_ev * math.sqrt(math.pi))
    return gaussian if order == 0 else gaussian * (1.5 - x2)


def smear_dos(energies_ev: np.ndarray, dos: np.ndarray, e0_ev: float, sigma_ev: float, order: int = 0) -> float:
    """Return a density of states convolved with a smeared delta function, at one energy.

    This is what EPW's printed N(E_F) is to be compared with: same smearing, dense mesh.

    Parameters
    ----------
    energies_ev : (n,), ascending
    dos : (n,)
    e0_ev : float
        The Fermi energy.
    sigma_ev, order
        As in :func:`delta_function`.

    Returns
    -------
    float
        In the unit of ``dos``.

    Raises
    ------
    UserError
        If the energies do not reach 4 sigma to both sides, or are coarser than sigma / 4: the integral would be wrong.
    """
    energies = np.asarray(energies_ev, dtype=float)
    if energies[0] > e0_ev - 4 * sigma_ev or energies[-1] < e0_ev + 4 * sigma_ev:
        raise UserError(
            f"density of states from {energies[0]:.3f} to {energies[-1]:.3f} eV, wanted 4 x {sigma_ev} eV to both "
            f"sides of {e0_ev:.3f} eV; compute it on a wider range"
        )
    if np.diff(energies).max() > sigma_ev / 4:
        raise UserError(
            f"density of states in steps above {sigma_ev / 4:.4f} eV, too coarse for that smearing; refine it"
        )
    return float(np.trapezoid(np.asarray(dos) * delta_function(energies - e0_ev, sigma_ev, order), energies))


def fermi_dos(
    eigenvalues_grid_ev: np.ndarray, reciprocal_lattice: np.ndarray, fermi_ev: float, sigma_ev: float, order: int = 0
) -> float:
    """Return N(E_F) per spin and cell from tetrahedra, smeared as in alpha2F.

    Parameters
    ----------
    eigenvalues_grid_ev, reciprocal_lattice
        As in :func:`tetrahedron_dos`.
    fermi_ev, sigma_ev, order
        As in :func:`smear_dos`.

    Returns
    -------
    float
        States per eV, spin and cell.
    """
    energies = fermi_ev + np.linspace(-5 * sigma_ev, 5 * sigma_ev, 201)
    return smear_dos(
        energies, tetrahedron_dos(eigenvalues_grid_ev, energies, reciprocal_lattice), fermi_ev, sigma_ev, order
    )


def band_gap_ev(eigenvalues_ev: np.ndarray, n_electrons: float) -> float:
    """Return the gap between the highest filled and the lowest empty band, spin-degenerate.

    Parameters
    ----------
    eigenvalues_ev : (nk, nb)
        Any set of k-points; a dense mesh, because a band crossing between points is not seen.
    n_electrons : float
        Per cell.

    Returns
    -------
    float
        Zero if bands overlap, or if the number of electrons is odd or fractional (a half-filled band).

    Raises
    ------
    UserError
        If there is no empty band to compare with.
    """
    bands = np.asarray(eigenvalues_ev, dtype=float)
    filled = round(n_electrons / 2)
    if abs(n_electrons / 2 - filled) > 1e-6:
        return 0.0
    if not 0 < filled < bands.shape[1]:
        raise UserError(f"{bands.shape[1]} bands for {n_electrons} electrons, wanted at least {filled + 1}; raise nbnd")
    return max(0.0, float(bands[:, filled].min() - bands[:, filled - 1].max()))


def is_metal(eigenvalues_ev: np.ndarray, n_electrons: float, tolerance_ev: float = 0.01) -> bool:
    """Tell whether the gap of :func:`band_gap_ev` is at most a tolerance (eV)."""
    return band_gap_ev(eigenvalues_ev, n_electrons) <= tolerance_ev
