"""Symmetry that a relaxation lost to noise, and how it is given back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from hts.errors import HtsError
from hts.symmetry import rotations, space_group_number, with_symmetry_of


def crystal(name: str, z_h: float = 0.42) -> Structure:
    """Return CaH4 (body-centred tetragonal), MgH2 (rutile) or Mg (hcp), primitive."""
    if name == "CaH4":
        sites = [[0, 0, 0], [0, 0.5, 0.25], [0, 0, z_h]]
        return Structure.from_spacegroup(
            "I4/mmm", Lattice.tetragonal(2.7, 5.0), ["Ca", "H", "H"], sites
        ).get_primitive_structure()
    if name == "MgH2":
        return Structure.from_spacegroup(
            "P4_2/mnm", Lattice.tetragonal(4.5, 3.0), ["Mg", "H"], [[0, 0, 0], [0.304, 0.304, 0]]
        )
    return Structure.from_spacegroup("P6_3/mmc", Lattice.hexagonal(3.2, 5.2), ["Mg"], [[1 / 3, 2 / 3, 1 / 4]])


NUMBERS = {"CaH4": 139, "MgH2": 136, "Mg": 194}


@given(name=st.sampled_from(sorted(NUMBERS)), seed=st.integers(0, 1000), noise_ang=st.floats(1e-5, 5e-3))
def test_noise_is_averaged_out(name: str, seed: int, noise_ang: float) -> None:
    start = crystal(name)
    random = np.random.default_rng(seed)
    lattice = start.lattice.matrix * 0.97 + noise_ang * random.uniform(-1, 1, (3, 3))
    moved = Structure(
        lattice, start.species, start.frac_coords + noise_ang / 5 * random.uniform(-1, 1, (len(start), 3))
    )
    back = with_symmetry_of(moved, start, 1e-3)
    assert space_group_number(back, 1e-5) == NUMBERS[name]
    assert len(rotations(back)) == len(rotations(start))
    assert back.volume == pytest.approx(moved.volume, rel=1e-4)
    assert np.abs(back.lattice.matrix - lattice).max() < 2 * noise_ang
    assert back.species == start.species


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_what_kept_its_symmetry_stays_where_it_is(name: str) -> None:
    """A free coordinate that has moved is not pulled back to the start."""
    start, relaxed = crystal(name), crystal(name, z_h=0.43)
    relaxed.scale_lattice(start.volume * 0.8)
    back = with_symmetry_of(relaxed, start, 1e-3)
    assert back.lattice.matrix == pytest.approx(relaxed.lattice.matrix, abs=1e-9)
    assert back.frac_coords == pytest.approx(relaxed.frac_coords, abs=1e-9)


def test_coinciding_atoms_have_no_symmetry() -> None:
    twice = Structure(Lattice.cubic(3), ["H", "H"], [[0, 0, 0], [0, 0, 1e-9]])
    with pytest.raises(HtsError, match="do atoms coincide"):
        rotations(twice)
