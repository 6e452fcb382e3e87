"""The measured superconductors that pictures compare with."""

import pytest
from pymatgen.core import Composition

from hts.known_superconductors import known_superconductors
from hts.superconductivity import figure_of_merit

KNOWN = {known.name: known for known in known_superconductors()}


@pytest.mark.parametrize(
    ("name", "tc_k", "pressure_gpa", "doi"),
    [
        ("MgB2", 39, 0, "10.1038/35065039"),
        ("H3S", 203, 155, "10.1038/nature14964"),
        ("LaBeH8", 110, 80, "10.1103/PhysRevLett.130.266001"),
        ("LaH10", 250, 170, "10.1038/s41586-019-1201-8"),
        ("CaH6", 215, 172, "10.1103/PhysRevLett.128.167001"),
    ],
)
def test_published_values(name: str, tc_k: float, pressure_gpa: float, doi: str) -> None:
    found = KNOWN[name]
    assert (found.tc_k, found.pressure_gpa, found.doi) == (tc_k, pressure_gpa, doi)


def test_every_one_is_a_compound_with_a_source_of_its_own() -> None:
    assert all(len(Composition(name).elements) > 1 for name in KNOWN)
    assert len({known.doi for known in KNOWN.values()}) == len(KNOWN) == len(known_superconductors())
    pressures = [known.pressure_gpa for known in known_superconductors()]
    assert pressures == sorted(pressures)


def test_mgb2_is_the_unit_of_the_figure_of_merit() -> None:
    assert figure_of_merit(KNOWN["MgB2"].tc_k, KNOWN["MgB2"].pressure_gpa) == 1.0
    assert figure_of_merit(KNOWN["LaH10"].tc_k, KNOWN["LaH10"].pressure_gpa) == pytest.approx(1.433, abs=1e-3)
