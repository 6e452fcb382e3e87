"""Two ways in which spglib says that it finds nothing, and one in which hts hears it."""

import pytest
import spglib
from pymatgen.core import Lattice, Structure

from hts.errors import HtsError
from hts.prototypes import geometry
from hts.spglib_calls import or_none
from hts.symmetry import rotations

COINCIDING = Structure(Lattice.cubic(3), ["H", "H"], [[0, 0, 0], [0, 0, 1e-9]])


@pytest.mark.parametrize("returns_none", [True, False])
def test_nothing_found_is_none_whatever_another_package_has_set(
    returns_none: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spglib.error, "OLD_ERROR_HANDLING", returns_none)
    cell = (COINCIDING.lattice.matrix.tolist(), COINCIDING.frac_coords.tolist(), [1, 1])
    assert or_none(spglib.get_symmetry_dataset, cell, symprec=1e-5) is None
    with pytest.raises(HtsError, match="do atoms coincide"):
        rotations(COINCIDING)
    with pytest.raises(ValueError, match="are atoms on top of each other"):
        geometry.space_group_number(COINCIDING)


def test_what_is_found_is_passed_on() -> None:
    cell = ([[3, 0, 0], [0, 3, 0], [0, 0, 3]], [[0, 0, 0]], [1])
    assert or_none(spglib.get_symmetry_dataset, cell, symprec=1e-5).number == 221
