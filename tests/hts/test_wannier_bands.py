"""The path is that of the crystal whatever its cell; real Wannier bands of fcc Al against those of pw.x."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation

from hts.wannier90_output import parse_wannier_bands
from hts.wannier_bands import BandsMismatchError, bands_deviation, wannier90_path

DATA = Path(__file__).parents[1] / "data"
AL_FERMI_EV = 8.4718  # of the scf on 8x8x8

FCC = Structure(Lattice([[0, 2, 2], [2, 0, 2], [2, 2, 0]]), ["Al"], [[0, 0, 0]])
BCC = Structure(
    Lattice(np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) * 1.49),
    ["S", "H", "H", "H"],
    [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
)
HEXAGONAL = Structure(
    Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
)
# Tetragonal by its atoms alone: the lattice is cubic.
LAYERED = Structure(Lattice.cubic(4.0), ["Al", "H"], [[0, 0, 0], [0, 0, 0.3]])
CRYSTALS = {"fcc": FCC, "bcc H3S": BCC, "MgB2": HEXAGONAL, "layered": LAYERED}


def path_of(structure: Structure, distance_inv_ang: float = 0.1) -> dict[str, NDArray[np.float64]]:
    """Return the labelled points, fractional, that the lines for Wannier90 name."""
    lines = wannier90_path(structure, distance_inv_ang)
    assert lines[0] == "bands_plot = .true."
    block = lines[lines.index("begin kpoint_path") + 1 : lines.index("end kpoint_path")]
    points: dict[str, NDArray[np.float64]] = {}
    for line in block:
        words = line.split()
        assert len(words) == 8
        for name, place in ((words[0], words[1:4]), (words[4], words[5:8])):
            point = np.array(place, dtype=float)
            assert points.setdefault(name, point) == pytest.approx(point)
    return points


def spectrum(structure: Structure, kpoint_frac: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lowest nearly-free-electron bands: plane waves in Gaussian wells, deeper for heavier atoms."""
    reciprocal = structure.lattice.reciprocal_lattice.matrix
    millers = np.array(list(itertools.product(range(-9, 10), repeat=3)))
    kinetic = np.sum(((millers + kpoint_frac) @ reciprocal) ** 2, axis=1)
    # A sphere of plane waves, not a box of Miller indices: a box would know the cell.
    kept = kinetic < 22.0
    waves, kinetic = millers[kept], kinetic[kept]
    between = waves[:, None, :] - waves[None, :, :]
    size = np.sum((between @ reciprocal) ** 2, axis=-1)
    wells = sum(site.specie.Z * np.exp(2j * np.pi * between @ site.frac_coords) for site in structure)
    return np.linalg.eigvalsh(np.diag(kinetic) - 0.1 * wells * np.exp(-size / 4))[:6]


def other_cell(structure: Structure, rotation: Rotation, shears: list[tuple[int, int, int]]) -> Structure:
    """Return the same crystal, turned, in other primitive vectors."""
    combination = np.eye(3, dtype=int)
    for row, other, times in shears:
        if row != other:
            combination[row] += times * combination[other]
    lattice = Lattice(combination @ structure.lattice.matrix)
    places = structure.frac_coords @ np.linalg.inv(combination)
    return Structure(Lattice(lattice.matrix @ rotation.as_matrix().T), structure.species, places)


@pytest.mark.parametrize("name", list(CRYSTALS))
@settings(max_examples=6)
@given(
    seed=st.integers(0, 2**32 - 1),
    shears=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([-1, 1])), max_size=2),
)
def test_a_label_is_the_same_state_in_every_cell(name: str, seed: int, shears: list[tuple[int, int, int]]) -> None:
    """Seekpath speaks of its own cell: the bands at X must be those at X in ours, however it lies in space."""
    crystal = CRYSTALS[name]
    other = other_cell(crystal, Rotation.random(random_state=seed), shears)
    here, there = path_of(crystal), path_of(other)
    assert set(here) == set(there)
    for label, point in here.items():
        assert spectrum(other, there[label]) == pytest.approx(spectrum(crystal, point), abs=1e-4), label


def test_the_spectrum_can_tell_the_axes_of_a_layered_crystal() -> None:
    """Or the test above would not notice a path along the wrong axis."""
    along_x, along_z = (spectrum(LAYERED, np.array(point)) for point in ([0.5, 0, 0], [0, 0, 0.5]))
    assert np.abs(along_x - along_z).max() > 0.05


@pytest.mark.parametrize(
    ("crystal", "distances"),
    [
        # In units of 2 pi / a: X 1, W sqrt(5)/2, L sqrt(3)/2, K and U sqrt(9/8), for a face-centred cube of 4 Angstrom.
        (FCC, {"G": 0.0, "X": 1.0, "W": 5**0.5 / 2, "L": 3**0.5 / 2, "K": 1.125**0.5, "U": 1.125**0.5}),
        # H 1, N sqrt(2)/2, P sqrt(3)/2 for the body-centred one of 2.98.
        (BCC, {"G": 0.0, "H": 1.0, "N": 2**-0.5, "P": 3**0.5 / 2}),
        # In units of 2 pi / a: M 1/sqrt(3), K 2/3, A a/(2c).
        (HEXAGONAL, {"G": 0.0, "M": 3**-0.5, "K": 2 / 3, "A": 3.086 / 3.524 / 2}),
    ],
)
def test_points_of_the_zone(crystal: Structure, distances: dict[str, float]) -> None:
    """Shortest distance from the reciprocal lattice, as in every table of Brillouin zones."""
    edge_ang = {id(FCC): 4.0, id(BCC): 2.98, id(HEXAGONAL): 3.086}[id(crystal)]
    reciprocal = crystal.lattice.reciprocal_lattice.matrix
    shifts = np.array(list(itertools.product(range(-2, 3), repeat=3)))
    points = path_of(crystal)
    for label, wanted in distances.items():
        found = np.linalg.norm((points[label] + shifts) @ reciprocal, axis=1).min()
        assert found * edge_ang / (2 * np.pi) == pytest.approx(wanted, abs=1e-5), label


@pytest.mark.parametrize(("distance", "number"), [(0.1, 16), (0.05, 32), (0.4, 4), (9.0, 2)])
def test_the_first_segment_has_the_wanted_density(distance: float, number: int) -> None:
    """Gamma to X is 2 pi / 4 Angstrom = 1.571 1/Angstrom long; one interval alone is no path."""
    assert f"bands_num_points = {number}" in wannier90_path(FCC, distance)


def test_a_lattice_that_cannot_be_turned_back_gets_a_plain_path() -> None:
    """Two cells in one: what seekpath says of its half of it is not on our reciprocal lattice."""
    doubled = FCC.make_supercell([2, 1, 1], in_place=False)
    assert set(path_of(doubled)) == {"G", "A", "B", "C", "D"}


def test_a_triclinic_cell_has_a_path() -> None:
    lattice = Lattice.from_parameters(3.1, 3.7, 4.4, 81, 97, 104)
    points = path_of(Structure(lattice, ["Al", "H"], [[0, 0, 0], [0.13, 0.31, 0.47]]))
    assert "G" in points and len(points) >= 5
    assert all(np.abs(2 * point - np.rint(2 * point)).max() < 1e-6 for point in points.values())


# Real bands: see the two folders.
DFT_EV = np.loadtxt(DATA / "pw" / "al_path" / "eigenvalues_ev.txt")
KPOINTS = np.loadtxt(DATA / "epw" / "al_wannierised" / "aiida_band.kpt", skiprows=1)[:, :3]


def wannier_ev(case: str) -> NDArray[np.float64]:
    folder = DATA / "epw" / case
    texts = [(folder / name).read_text() for name in ("aiida_band.dat", "aiida_band.kpt")]
    return parse_wannier_bands(*texts, 4).energies_ev


@pytest.mark.parametrize(("case", "rms_ev"), [("al_wannierised", 1.00), ("al_scdm", 0.20)])
def test_real_bands_of_aluminium(case: str, rms_ev: float) -> None:
    """A 4x4x4 mesh is too coarse for s and p projections of fcc Al, not quite for SCDM."""
    found = bands_deviation(DFT_EV, wannier_ev(case), AL_FERMI_EV)
    assert found.rms_ev == pytest.approx(rms_ev, abs=0.005)
    assert found.largest_ev is not None and found.largest_ev > found.rms_ev
    assert found.n_states == np.sum(np.abs(DFT_EV[:, :4] - AL_FERMI_EV) <= 1)


@pytest.mark.parametrize("case", ["al_wannierised", "al_scdm"])
def test_on_the_coarse_mesh_frozen_states_are_exact(case: str) -> None:
    """Frozen to 9.9 eV: at the points of the path that lie on the 4x4x4 mesh both follow pw.x to its last digit."""
    on_mesh = np.abs(4 * KPOINTS - np.rint(4 * KPOINTS)).max(axis=1) < 1e-6
    assert on_mesh.sum() == 6
    found = bands_deviation(DFT_EV[on_mesh], wannier_ev(case)[on_mesh], 3.0, window_ev=6.8)
    assert found.n_states == 10
    assert found.largest_ev is not None and found.largest_ev < 2e-4


bands = arrays(float, (5, 4), elements=st.floats(-10, 10))


@given(bands, st.floats(-3, 3))
def test_a_rigid_shift_is_its_own_deviation(dft: NDArray[np.float64], shift: float) -> None:
    found = bands_deviation(dft, dft + shift, 0.0, window_ev=11.0)
    assert found.rms_ev == pytest.approx(abs(shift), abs=1e-9)
    assert found.largest_ev == pytest.approx(abs(shift), abs=1e-9)
    assert found.n_states == 20


@given(bands, bands, st.integers(0, 2**32 - 1), st.floats(0.1, 12))
def test_order_within_a_kpoint_does_not_matter(
    dft: NDArray[np.float64], wannier: NDArray[np.float64], seed: int, window: float
) -> None:
    found = bands_deviation(dft, wannier, 0.0, window_ev=window)
    shuffled = np.random.default_rng(seed).permuted(wannier, axis=1)
    assert bands_deviation(dft, shuffled, 0.0, window_ev=window) == found
    assert found.n_states == np.sum(np.abs(dft) <= window)
    if found.rms_ev is None:
        assert found.n_states == 0 and found.largest_ev is None
    else:
        assert found.largest_ev is not None and found.rms_ev <= found.largest_ev * (1 + 1e-12)


def test_only_states_near_the_fermi_energy_count() -> None:
    dft = np.array([[-6.0, 0.5, 8.0]])
    off = np.array([[-9.0, 0.6, 12.0]])
    assert bands_deviation(dft, off, 0.0).rms_ev == pytest.approx(0.1)
    assert bands_deviation(dft, off, 20.0).rms_ev is None


def test_semicore_bands_are_left_out() -> None:
    dft = np.array([[-50.0, -49.0, -1.0, 0.5]])
    valence = np.array([[-1.0, 0.5]])
    assert bands_deviation(dft, valence, 0.0, n_excluded=2).rms_ev == 0
    # A band too many below the Fermi energy shifts all the numbers.
    assert bands_deviation(dft, valence, 0.0, n_excluded=1).rms_ev == pytest.approx(1.5)


def test_bands_that_are_not_numbers_are_no_agreement() -> None:
    found = bands_deviation(np.array([[0.5]]), np.array([[np.nan]]), 0.0)
    assert found.rms_ev is not None and np.isnan(found.rms_ev)


def test_bands_that_cannot_be_compared() -> None:
    with pytest.raises(BandsMismatchError, match="2 k-points of DFT and 3 of Wannier functions"):
        bands_deviation(np.zeros((2, 4)), np.zeros((3, 4)), 0.0)
    with pytest.raises(BandsMismatchError, match="4 DFT bands, 4 of them excluded"):
        bands_deviation(np.zeros((2, 4)), np.zeros((2, 4)), 0.0, n_excluded=4)
