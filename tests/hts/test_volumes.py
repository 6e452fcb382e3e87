"""Starting volumes: the Vinet equation, the elements, and the lattices of known hydrides."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Composition, Element

from hts.errors import UserError
from hts.volumes import (
    ANG3_PER_CM3_MOL,
    BULK_MODULUS_DERIVATIVE,
    FALLBACK_BULK_MODULUS_GPA,
    atomic_volume_ang3,
    bulk_modulus_gpa,
    compression_ratio,
    starting_volume_ang3,
)

# Every element up to uranium with a volume.
ELEMENTS = [Element.from_Z(z).symbol for z in range(1, 93) if z not in (85, 87)]
COUNTS = st.dictionaries(st.sampled_from(ELEMENTS), st.integers(1, 12), min_size=1, max_size=4)

# Formula, pressure in GPa, cubic lattice constant in Angstrom, formula units in the cube.
# At 0 GPa: HTSC-2025, https://arxiv.org/abs/2506.03837.
A2XH6 = [
    ("Mg2IrH6", 0, 6.618, 4),
    ("Mg2RhH6", 0, 6.572, 4),
    ("Mg2PdH6", 0, 6.582, 4),
    ("Mg2PtH6", 0, 6.617, 4),
    ("Mg2NiH6", 0, 6.376, 4),
    ("Na2AgH6", 0, 7.284, 4),
    ("Na2AuH6", 0, 7.200, 4),
    ("Na2CuH6", 0, 6.525, 4),
    ("Al2MnH6", 0, 6.102, 4),
    ("Al2TcH6", 0, 6.344, 4),
    ("Al2ReH6", 0, 6.382, 4),
    ("Ca2LiH6", 0, 6.995, 4),
    ("Ga2OsH6", 0, 6.610, 4),
    ("K2CuH6", 0, 7.344, 4),
    ("Li2AuH6", 0, 6.670, 4),
]
PEROVSKITES = [
    ("SrAuH3", 0, 3.713, 1),
    ("SrZnH3", 0, 3.714, 1),
    ("SrTcH3", 0, 3.766, 1),
    ("AlHgH3", 0, 3.796, 1),
    ("PbHgH3", 0, 4.247, 1),
    ("InNiH3", 0, 3.472, 1),
    ("KScH3", 0, 3.980, 1),
    ("SrScH3", 0, 3.998, 1),
    ("RbCdH3", 0, 3.877, 1),
    ("KHgH3", 0, 3.828, 1),
    ("Ca3FeH8", 0, 4.711, 1),
    ("NbAl3H8", 0, 4.494, 1),
    ("Mg3RuH8", 0, 4.550, 1),
]
# Relaxed with pw.x (PBE, norm-conserving, 60 Ry, static lattice), but LaYH12: https://arxiv.org/abs/2012.04787.
# Predicted in 10.1103/PhysRevLett.128.047001 (AXH8), 10.1073/pnas.1118168109 (CaH6), 10.1038/srep06968 (H3S).
PRESSED = [
    ("LaBeH8", 50, 5.617, 4),
    ("LaBeH8", 100, 5.338, 4),
    ("YBeH8", 100, 5.198, 4),
    ("CaH6", 150, 3.497, 2),
    ("MgH6", 292, 3.044, 2),
    ("LaYH12", 180, 3.612, 1),
    ("CaMgH12", 200, 3.285, 1),
    ("H3S", 200, 2.983, 2),
    ("H3Se", 200, 3.144, 2),
]

KNOWN = A2XH6 + PEROVSKITES + PRESSED


def counts_of(formula: str) -> dict[str, float]:
    return {element.symbol: number for element, number in Composition(formula).items()}


def lattice_error(formula: str, pressure_gpa: float, a_ang: float, units: int) -> float:
    return (units * starting_volume_ang3(counts_of(formula), pressure_gpa)) ** (1 / 3) / a_ang - 1


def test_known_lattices() -> None:
    """The accuracy that the module states; with plain metal volumes K2CuH6 was 22 %, RbCdH3 28 % too large."""
    errors = {(formula, pressure): lattice_error(formula, pressure, a, units) for formula, pressure, a, units in KNOWN}
    assert {key: error for key, error in errors.items() if abs(error) >= 0.06} == {}
    assert math.sqrt(sum(error**2 for error in errors.values()) / len(errors)) < 0.032


def test_a_lattice_that_was_not_fitted() -> None:
    # Neutron diffraction, https://doi.org/10.1063/1.1668040.
    assert abs(lattice_error("BaLiH3", 0, 4.023, 1)) < 0.06


def test_elements_are_those_of_the_tables() -> None:
    # fcc Al, a = 4.05 Angstrom (Kittel): 16.6 Angstrom^3 per atom; bulk modulus 76 GPa.
    assert atomic_volume_ang3("Al") == pytest.approx(4.05**3 / 4, rel=0.005)
    assert atomic_volume_ang3("Al") == pytest.approx(10.0 * ANG3_PER_CM3_MOL)
    assert bulk_modulus_gpa("Al") == 76
    # Kittel, where pymatgen has none; then what stands for metals, and sulphur's (7.7 GPa) for molecules.
    assert bulk_modulus_gpa("Sr") == 11.6
    assert bulk_modulus_gpa("Po") == FALLBACK_BULK_MODULUS_GPA
    assert bulk_modulus_gpa("N") == pytest.approx(bulk_modulus_gpa("S"), rel=0.1)
    with pytest.raises(UserError, match="no atomic volume"):
        atomic_volume_ang3("Fr")
    with pytest.raises(UserError, match="not in the periodic table"):
        atomic_volume_ang3("Xx")
    with pytest.raises(UserError, match="not in the periodic table"):
        starting_volume_ang3({"Xx": 1, "H": 3}, 0)


@pytest.mark.parametrize(
    ("element", "pressure_gpa", "ratio", "within"),
    [
        # R. G. Greene et al., Phys. Rev. Lett. 73, 2075 (1994): 0.50.
        ("Al", 220, 0.50, 0.03),
        # beta-Po sulphur at 200 GPa has 8.8 of 25.8 Angstrom^3.
        ("S", 200, 0.343, 0.02),
    ],
)
def test_compression_against_measured_volumes(element: str, pressure_gpa: float, ratio: float, within: float) -> None:
    assert compression_ratio(element, pressure_gpa) == pytest.approx(ratio, abs=within)


def test_compression_solves_the_vinet_equation() -> None:
    for pressure_gpa in (1e-6, 0.01, 1, 100, 1e4):
        x = compression_ratio("Al", pressure_gpa) ** (1 / 3)
        shape = math.exp(1.5 * (BULK_MODULUS_DERIVATIVE - 1) * (1 - x))
        assert 3 * 76 * (1 - x) / x**2 * shape == pytest.approx(pressure_gpa, rel=1e-6)
    assert compression_ratio("Al", 0) == 1
    # First order in P: 1 - P/B0.
    assert compression_ratio("Al", 0.01) == pytest.approx(1 - 0.01 / 76, abs=1e-7)


def test_without_hydrogen_the_elements_add_up() -> None:
    assert starting_volume_ang3({"Al": 2}, 0) == 2 * atomic_volume_ang3("Al")
    expected = 3 * atomic_volume_ang3("K") * compression_ratio("K", 30) + atomic_volume_ang3("Al") * compression_ratio(
        "Al", 30
    )
    assert starting_volume_ang3({"K": 3, "Al": 1}, 30) == pytest.approx(expected)
    assert starting_volume_ang3({}, 10) == 0
    assert starting_volume_ang3({"H": 3}, 5) == pytest.approx(3 * atomic_volume_ang3("H") * compression_ratio("H", 5))


def test_saline_hydrides_are_smaller_than_their_metal() -> None:
    """K contracts when it takes up hydrogen (75 to 46 Angstrom^3 per K), Pd expands (14.7 to 17.1)."""
    assert starting_volume_ang3({"K": 1, "H": 1}, 0) < 0.7 * atomic_volume_ang3("K")
    assert starting_volume_ang3({"Pd": 1, "H": 1}, 0) > 1.1 * atomic_volume_ang3("Pd")
    # One hydrogen for each atom takes all that they give; more of it only adds its own volume.
    volumes = [starting_volume_ang3({"Ca": 1, "H": n}, 50) for n in (1, 2, 6)]
    assert volumes[2] - volumes[1] == pytest.approx(4 * (volumes[1] - volumes[0]))


@given(COUNTS, st.floats(0, 500), st.floats(0.001, 200))
def test_positive_and_smaller_under_pressure(counts: Mapping[str, int], low_gpa: float, more_gpa: float) -> None:
    low, high = (starting_volume_ang3(counts, pressure) for pressure in (low_gpa, low_gpa + more_gpa))
    assert 0 < high < low


@given(COUNTS, st.floats(0, 500), st.integers(2, 9))
def test_a_larger_cell_has_the_same_volume_per_atom(counts: Mapping[str, int], pressure_gpa: float, times: int) -> None:
    larger = {element: times * n for element, n in counts.items()}
    assert starting_volume_ang3(larger, pressure_gpa) == pytest.approx(
        times * starting_volume_ang3(counts, pressure_gpa)
    )


def test_pressures_that_are_none() -> None:
    for pressure_gpa in (-1.0, math.nan, math.inf):
        with pytest.raises(UserError, match="negative or not finite"):
            compression_ratio("Al", pressure_gpa)
        with pytest.raises(UserError, match="negative or not finite"):
            starting_volume_ang3({"Al": 1}, pressure_gpa)
