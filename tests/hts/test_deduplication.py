"""Equal crystals are found whatever they are called, and the costly comparison does not grow with the elements."""

from itertools import product

import numpy as np
import pytest
from pymatgen.core import Structure

from hts.deduplication import DistinctCrystals, crystal_matcher
from hts.enumeration import Candidate, make_candidates
from hts.prototypes import load_prototype


def candidate(name: str, variant: str | None = None, pressure_gpa: float = 0, **sites: str) -> Candidate:
    (made,) = make_candidates(load_prototype(name), variant, sites, pressure_gpa)
    return made


def test_the_first_of_equal_crystals_stays() -> None:
    crystals = DistinctCrystals()
    assert crystals.add(candidate("sodalite_mh6", M="Ca")) is None
    assert crystals.add(candidate("sodalite_mxh12", "pm-3m", M="Ca", X="Ca")) == "sodalite_mh6-CaH6-Ca"
    # Volumes are normalised.
    assert crystals.add(candidate("sodalite_mxh12", "fd-3m", 300, M="Ca", X="Ca")) == "sodalite_mh6-CaH6-Ca"
    assert crystals.add(candidate("sodalite_mxh12", "pm-3m", M="Ca", X="Y")) is None
    assert crystals.add(candidate("sodalite_mxh12", "pm-3m", M="Y", X="Ca")) == "sodalite_mxh12-pm-3m-CaYH12-Ca_Y"
    assert crystals.add(candidate("sodalite_mxh12", "fd-3m", M="Y", X="Ca")) is None


def test_the_verdicts_are_those_of_comparing_all_with_all() -> None:
    symbols = ("Ca", "Be", "H")
    every = [
        candidate(name, variant, **dict(zip(load_prototype(name).choose_sites, chosen, strict=True)))
        for name, variant in (("perovskite", None), ("h3x", None), ("mh3", "fm-3m"), ("sodalite_mxh12", "pm-3m"))
        for chosen in product(symbols, repeat=len(load_prototype(name).choose_sites))
    ]
    crystals, matcher = DistinctCrystals(), crystal_matcher()
    new = [one for one in every if crystals.add(one) is None]
    kept: list[Candidate] = []
    for one in every:
        alike = (other for other in kept if other.structure.composition == one.structure.composition)
        if not any(matcher.fit(one.structure, other.structure) for other in alike):
            kept.append(one)
    assert [one.key for one in new] == [one.key for one in kept]
    assert len(new) < len(every)


def test_comparisons_do_not_grow_with_the_number_of_elements() -> None:
    def comparisons(metals: tuple[str, ...]) -> int:
        crystals = DistinctCrystals()
        for variant, m, x in product(("pm-3m", "fd-3m"), metals, metals):
            crystals.add(candidate("sodalite_mxh12", variant, M=m, X=x))
        return crystals.n_comparisons

    # Two metals before hydrogen in the alphabet and two behind it make all the forms there are.
    few = comparisons(("Be", "Ca", "Mg", "Y"))
    assert 0 < few == comparisons(("Ba", "Be", "Ca", "Ce", "K", "La", "Li", "Mg", "Na", "Sc", "Sr", "Y"))


@pytest.mark.parametrize(("x_h", "same"), [(0.2600, True), (0.36, False)])
def test_tolerances(x_h: float, same: bool) -> None:
    """A hydrogen parameter that differs by 0.001 is the same crystal, by 0.1 another one."""
    first = candidate("a2xh6", A="Mg", X="Ir").structure
    hydrogens = np.array([site.specie.symbol == "H" for site in first])
    points = first.frac_coords.copy()
    centre = points[~hydrogens][[site.specie.symbol == "Ir" for site in first if site.specie.symbol != "H"]][0]
    away = (points[hydrogens] - centre + 0.5) % 1 - 0.5
    points[hydrogens] = centre + away * x_h / load_prototype("a2xh6").variants[None].free_parameters["x_h"].start
    second = Structure(first.lattice, first.species, points)
    assert bool(crystal_matcher().fit(first, second)) is same
