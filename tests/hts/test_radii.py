"""Radii against the published tables, and the shortest possible distance against published structures."""

import math

import pytest

from hts.errors import UserError
from hts.radii import covalent_radius_ang, has_radius, ionic_radius_ang, shortest_possible_ang


@pytest.mark.parametrize(
    ("element", "radius"),
    # R. D. Shannon, Acta Cryst. A32, 751 (1976), table 1, coordination VI, 10.1107/S0567739476001551.
    [("Li", 0.76), ("Be", 0.45), ("Mg", 0.72), ("Ca", 1.00), ("Cs", 1.67), ("La", 1.032), ("B", 0.27), ("Ir", 0.68)],
)
def test_shannon_radii(element: str, radius: float) -> None:
    assert ionic_radius_ang(element) == radius


def test_what_the_table_lists_otherwise() -> None:
    """The nearest coordination, the low spin, the nearest charge, the anion."""
    assert ionic_radius_ang("Ra") == 1.48  # VIII, there is no VI
    assert ionic_radius_ang("Fe") == 0.61  # 2+: 0.61 low spin, 0.78 high spin
    assert ionic_radius_ang("At") == 0.62  # 7+ alone is listed, the common state is 1+
    assert ionic_radius_ang("O") == 1.40  # O2-
    assert ionic_radius_ang("F") == 1.33  # F-, although F7+ is listed
    assert ionic_radius_ang("Eu") == 1.17  # 2+, next to an entry without a charge in pymatgen's table


def test_hydride_ion_fits_the_rock_salt_hydrides() -> None:
    """Half the lattice constants of LiH 4.08, NaH 4.88 and KH 5.70 Angstrom are sums of radii within 8 %."""
    for metal, a_ang in {"Li": 4.08, "Na": 4.88, "K": 5.70}.items():
        assert ionic_radius_ang(metal) + ionic_radius_ang("H") == pytest.approx(a_ang / 2, rel=0.08)


@pytest.mark.parametrize("element", ["He", "Ne", "Ar", "Kr", "Rn"])
def test_noble_gases_have_no_ionic_radius(element: str) -> None:
    assert not has_radius(element)
    with pytest.raises(UserError, match=f"element '{element}' has no ionic radius in Shannon's table; leave it out"):
        ionic_radius_ang(element)


def test_unknown_elements() -> None:
    assert not has_radius("Xx")
    with pytest.raises(UserError, match="'Xx' is not in the periodic table"):
        ionic_radius_ang("Xx")
    with pytest.raises(UserError, match="'Xx' has no covalent radius"):
        covalent_radius_ang("Xx")
    with pytest.raises(UserError, match="'Es' has no covalent radius"):
        shortest_possible_ang("H", "Es", 0.0)


def test_has_radius() -> None:
    assert all(has_radius(element) for element in ("H", "La", "Be", "O", "Xe", "U"))


@pytest.mark.parametrize(
    # B. Cordero et al., Dalton Trans. 2008, 2832, table 2, 10.1039/B801115J.
    ("element", "radius"),
    [("H", 0.31), ("Be", 0.96), ("B", 0.84), ("Al", 1.21), ("Ir", 1.41), ("La", 2.07), ("Cs", 2.44)],
)
def test_covalent_radii(element: str, radius: float) -> None:
    assert covalent_radius_ang(element) == radius


def test_hydrogen_molecules_are_possible() -> None:
    """0.74 Angstrom in H2, and 0.70 is the limit at any pressure."""
    assert shortest_possible_ang("H", "H", 0.0) == shortest_possible_ang("H", "H", 500.0) == 0.70


@pytest.mark.parametrize(
    ("first", "second", "pressure_gpa", "published_ang"),
    [
        ("Be", "H", 100.0, math.sqrt(3) * (0.5 - 0.3489) * 5.338),  # LaBeH8, 10.1103/PhysRevLett.128.047001
        ("La", "H", 100.0, 5.338 * math.sqrt(2 * 0.1511**2 + 0.3489**2)),
        ("Ca", "H", 150.0, 3.497 * math.sqrt(5) / 4),  # CaH6, 10.1073/pnas.1118168109
        ("Ca", "Ca", 150.0, 3.497 * math.sqrt(3) / 2),
        ("S", "H", 200.0, 2.984 / 2),  # H3S, 10.1038/srep06968
        ("Ir", "H", 0.0, 0.2591 * 6.64),  # Mg2IrH6, 10.1103/PhysRevLett.132.166001
        ("Nb", "Nb", 0.0, 3.30 * math.sqrt(3) / 2),  # bcc niobium: among the shortest against its covalent radius
    ],
)
def test_published_structures_are_possible(first: str, second: str, pressure_gpa: float, published_ang: float) -> None:
    """Real distances stand well above the limit, and 15 % less would still be a crystal to relax."""
    limit = shortest_possible_ang(first, second, pressure_gpa)
    assert limit < 0.85 * published_ang
    assert limit > 0.4 * published_ang  # the limit still says something
    assert shortest_possible_ang(second, first, pressure_gpa) == pytest.approx(limit)


def test_pressure_lets_atoms_come_closer() -> None:
    limits = [shortest_possible_ang("La", "H", pressure_gpa) for pressure_gpa in (0.0, 50.0, 200.0)]
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == pytest.approx(0.7 * (2.07 + 0.31))
