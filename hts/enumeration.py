"""From a campaign to its distinct candidates: cross product, hydrogen rule, removal of equal crystals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Element, Structure

from hts.campaign import Campaign, Family
from hts.prototypes import Prototype, load_prototype


@dataclass(frozen=True)
class Candidate:
    """One crystal to screen.

    Attributes
    ----------
    key : str
        Deterministic, safe in shells and file names, without the pressure: `perovskite-Al4H-Al_H_Al`.
    prototype : str
        Name of the prototype.
    variant : str | None
        Variant of the prototype, where it has some.
    formula : str
        pymatgen's reduced formula.
    sites : dict[str, str]
        Site label -> element, for the sites that the campaign fills.
    space_group_number : int
        The real one: equal elements on inequivalent sites can raise that of the prototype.
    structure : Structure
        Primitive cell at the campaign's start pressure.
    """

    key: str
    prototype: str
    variant: str | None
    formula: str
    sites: dict[str, str]
    space_group_number: int
    structure: Structure


def enumerate_candidates(campaign: Campaign) -> Iterator[Candidate]:
    """Yield the distinct candidates of a campaign.

    Parameters
    ----------
    campaign : Campaign
        Its families, in their order, and its start pressure (for the volume) are used.

    Yields
    ------
    Candidate
        In the order of families, variants and listed elements, the last site fastest. Assignments without hydrogen
        are left out; of equal crystals the first one stays.

    Raises
    ------
    UserError
        When an element has no atomic volume.
    """
    seen_assignments: set[tuple[object, ...]] = set()
    # Only crystals of one formula and space group can be equal; the costly comparison stays inside such a bucket.
    buckets: dict[tuple[str, int, int], list[Structure]] = {}
    matcher = crystal_matcher()
    for family in campaign.families:
        prototype = load_prototype(family.prototype)
        for variant, sites in _assignments(family, prototype):
            assignment = (prototype.name, variant, *_canonical(prototype, sites))
            if assignment in seen_assignments:
                continue
            seen_assignments.add(assignment)
            candidate = make_candidate(prototype, variant, sites, campaign.pressures_gpa.start)
            bucket_key = (candidate.formula, candidate.space_group_number, len(candidate.structure))
            bucket = buckets.setdefault(bucket_key, [])
            if any(matcher.fit(candidate.structure, other) for other in bucket):
                continue
            bucket.append(candidate.structure)
            yield candidate


def make_candidate(
    prototype: Prototype, variant: str | None, sites: Mapping[str, str], pressure_gpa: float
) -> Candidate:
    """Build one candidate.

    Parameters
    ----------
    prototype : Prototype
        Family.
    variant : str | None
        One of its variants; None when it has none.
    sites : Mapping[str, str]
        Element of each site to choose.
    pressure_gpa : float
        For the starting volume.

    Returns
    -------
    Candidate

    Raises
    ------
    UserError
        From `Prototype.structure`.
    """
    structure = prototype.structure(sites, pressure_gpa=pressure_gpa, variant=variant)
    formula = structure.composition.reduced_formula
    ordered = {label: sites[label] for label in prototype.choose_sites}
    parts = [prototype.name, variant, plain_formula(structure.composition), "_".join(ordered.values())]
    return Candidate(
        key="-".join(part for part in parts if part),
        prototype=prototype.name,
        variant=variant,
        formula=formula,
        sites=ordered,
        space_group_number=prototype.space_group(ordered, variant),
        structure=structure,
    )


def plain_formula(composition: Composition) -> str:
    """Return the reduced formula without parentheses, which shells read: Mg(AlH3)2 becomes MgAl2H6."""
    formula: str = composition.reduced_formula
    if formula.isalnum():
        return formula
    counts = composition.reduced_composition.get_el_amt_dict()
    ordered = sorted(counts, key=lambda symbol: (Element(symbol).X, symbol))
    return "".join(f"{symbol}{counts[symbol]:.0f}" if counts[symbol] > 1 else symbol for symbol in ordered)


def crystal_matcher() -> StructureMatcher:
    """Return the matcher that decides whether two generated crystals are one.

    Volumes are normalised. Cells are primitive already and free parameters stand at their start values, so equal
    crystals agree closely: the tolerances are tighter than pymatgen's defaults, which would merge relatives.
    """
    return StructureMatcher(ltol=0.05, stol=0.05, angle_tol=1, primitive_cell=False, scale=True)


def _assignments(family: Family, prototype: Prototype) -> Iterator[tuple[str | None, dict[str, str]]]:
    """Yield variant and site assignment of a family, those without hydrogen left out."""
    labels = prototype.choose_sites
    variants = prototype.variants if family.variant is None else (family.variant,)
    has_own_hydrogen = "H" in prototype.fixed_elements.values()
    for variant in variants:
        for symbols in product(*(family.sites[label] for label in labels)):
            if has_own_hydrogen or "H" in symbols:
                yield variant, dict(zip(labels, symbols, strict=True))


def _canonical(prototype: Prototype, sites: Mapping[str, str]) -> tuple[str, ...]:
    """Return the assignment with interchangeable sites in sorted order: equal for swaps that give the same crystal."""
    canonical = dict(sites)
    for group in prototype.interchangeable_sites:
        canonical |= zip(group, sorted(sites[label] for label in group), strict=True)
    return tuple(canonical[label] for label in prototype.choose_sites)
