"""From a campaign to its distinct candidates: cross product, exclusions, filters, removal of equal crystals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod
from types import MappingProxyType

from pymatgen.core import Composition, Element, Structure

from hts.campaign import Campaign, Family
from hts.contacts import relabelled, template_contacts
from hts.deduplication import DistinctCrystals
from hts.descriptors import descriptors_from
from hts.filters import is_excluded, passes
from hts.mixtures import is_mixture, parse_mixture
from hts.orderings import ordered_approximants
from hts.prototypes import Prototype, load_prototype
from hts.prototypes.geometry import PrimitiveTemplate, equality_pattern, member_symmetry
from hts.prototypes.model import member_structure
from hts.prototypes.start_volume import start_volume_ang3
from hts.ranking import Ranking, rank_score


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
        Site label -> element (or mixture), for the sites that the campaign fills.
    space_group_number : int
        The real one: equal elements on inequivalent sites can raise that of the prototype.
    n_atoms : int
        Atoms of the primitive cell.
    template : PrimitiveTemplate
        Cell with labels; that of an ordered approximant where a site holds a mixture.
    placed : Mapping[str, str]
        Label of the template -> element.
    volume_ang3 : float
        Of the template's cell at the campaign's start pressure.
    best_electron_count : float | None
        Of the prototype, for the ranking.
    fallback_for : str | None
        Key of the candidate that has to turn out dynamically unstable before this one is screened.
    """

    key: str
    prototype: str
    variant: str | None
    formula: str
    sites: dict[str, str]
    space_group_number: int
    n_atoms: int
    template: PrimitiveTemplate
    placed: Mapping[str, str]
    volume_ang3: float
    best_electron_count: float | None = None
    fallback_for: str | None = None

    @cached_property
    def structure(self) -> Structure:
        """Primitive cell at the campaign's start pressure."""
        return member_structure(self.template, self.placed, self.volume_ang3)

    @property
    def volume_ang3_per_atom(self) -> float:
        """Starting volume."""
        return self.volume_ang3 / len(self.template.labels)

    @cached_property
    def contacts(self) -> Mapping[tuple[str, str], tuple[float, ...]]:
        """Distances by pair of elements in Angstrom, see `hts.contacts`."""
        return relabelled(template_contacts(self.template), self.placed, self.volume_ang3 ** (1 / 3))

    @property
    def min_distance_ang(self) -> float:
        """The shortest distance between two atoms."""
        return min(lengths[0] for lengths in self.contacts.values())

    @cached_property
    def descriptors(self) -> dict[str, float | None]:
        """The descriptors, see `hts.descriptors`."""
        return descriptors_from(self.template.counts(self.placed), self.contacts, self.volume_ang3)

    @property
    def ranking(self) -> Ranking:
        """Where the descriptors put it, see `hts.ranking`."""
        return rank_score(self.descriptors, self.best_electron_count)


def enumerate_candidates(campaign: Campaign) -> Iterator[Candidate]:
    """Yield the distinct candidates of a campaign as they are found.

    Parameters
    ----------
    campaign : Campaign
        Its families, exclusions and filters, and its start pressure (for the volume) are used.

    Yields
    ------
    Candidate
        In the order of families, variants and listed elements, the last site fastest. Assignments without hydrogen
        are left out; of equal crystals the first one stays.

    Raises
    ------
    UserError
        When an element has no atomic volume, or a mixture would need too large a cell.
    """
    crystals = DistinctCrystals()
    # Assignment of a family that others fall back from -> the candidate that stands for it: what a fallback waits for.
    kept: dict[tuple[str, tuple[str, ...]], str] = {}
    with_fallback = {family.fallback_for for family in campaign.families}
    for family in campaign.families:
        prototype = load_prototype(family.prototype, campaign.prototype_folder)
        filters = (*campaign.filters.items(), *family.filters.items())
        for variant, sites in _assignments(family, prototype):
            assignment = tuple(sites.values())
            parent = kept.get((family.fallback_for, assignment)) if family.fallback_for else None
            if family.fallback_for and parent is None:
                continue
            for candidate in make_candidates(prototype, variant, sites, campaign.pressures_gpa.start):
                if is_excluded(candidate.placed.values(), campaign.exclude):
                    continue
                if not passes(candidate.descriptors, filters):
                    continue
                equal = crystals.add(candidate)
                if prototype.name in with_fallback:
                    kept.setdefault((prototype.name, assignment), equal or candidate.key)
                if equal is None:
                    yield replace(candidate, fallback_for=parent) if parent else candidate


def candidates_in_order(campaign: Campaign) -> list[Candidate]:
    """Return the candidates of a campaign in the order in which they are to be computed.

    Parameters
    ----------
    campaign : Campaign

    Returns
    -------
    list[Candidate]
        The order of `enumerate_candidates`, or, where the campaign asks for the ranking, the best score first (equal
        scores in the order of enumeration).
    """
    found = list(enumerate_candidates(campaign))
    return sorted(found, key=lambda candidate: -candidate.ranking.score) if campaign.ranking else found


def n_assignments(campaign: Campaign) -> int:
    """Return how many ways there are to fill the sites, before anything is left out."""
    total = 0
    for family in campaign.families:
        prototype = load_prototype(family.prototype, campaign.prototype_folder)
        n_variants = len(prototype.variants) if family.variant is None else 1
        total += n_variants * prod(len(family.choices(label)) for label in prototype.choose_sites)
    return total


def make_candidates(
    prototype: Prototype, variant: str | None, sites: Mapping[str, str], pressure_gpa: float
) -> Iterator[Candidate]:
    """Build the candidates of one assignment: one, or the ordered approximants of a mixture.

    Parameters
    ----------
    prototype : Prototype
        Family.
    variant : str | None
        One of its variants; None when it has none.
    sites : Mapping[str, str]
        Element of each site to choose; at most one of them may be a mixture such as `La0.5Ce0.5`.
    pressure_gpa : float
        For the starting volume.

    Yields
    ------
    Candidate

    Raises
    ------
    UserError
        Wrong sites, an element without volume, a mixture that needs too large a cell.
    """
    mixed = next((label for label, symbol in sites.items() if is_mixture(symbol)), None)
    parent = prototype.template(variant)
    if mixed is None:
        yield _candidate(prototype, variant, sites, parent, prototype.placed(sites), "", pressure_gpa)
        return
    approximants = ordered_approximants(parent, mixed, parse_mixture(sites[mixed]))
    for index, approximant in enumerate(approximants, start=1):
        others = {label: symbol for label, symbol in sites.items() if label != mixed}
        placed = {**prototype.fixed_elements, **others, **approximant.elements}
        suffix = f"{index}" if len(approximants) > 1 else ""
        yield _candidate(prototype, variant, sites, approximant.template, placed, suffix, pressure_gpa)


def _candidate(
    prototype: Prototype,
    variant: str | None,
    sites: Mapping[str, str],
    template: PrimitiveTemplate,
    placed: Mapping[str, str],
    suffix: str,
    pressure_gpa: float,
) -> Candidate:
    in_order = {label: placed[label] for label in dict.fromkeys(template.labels)}
    number, n_atoms = member_symmetry(template, equality_pattern(template, in_order))
    composition = Composition(template.counts(in_order))
    ordered = {label: sites[label] for label in prototype.choose_sites}
    parts = [prototype.name, variant, plain_formula(composition), "_".join(ordered.values()), suffix]
    return Candidate(
        key="-".join(part for part in parts if part),
        prototype=prototype.name,
        variant=variant,
        formula=composition.reduced_formula,
        sites=ordered,
        space_group_number=number,
        n_atoms=n_atoms,
        template=template,
        placed=MappingProxyType(in_order),
        volume_ang3=start_volume_ang3(template, in_order, pressure_gpa),
        best_electron_count=prototype.best_electron_count,
    )


def plain_formula(composition: Composition) -> str:
    """Return the reduced formula without parentheses, which shells read: Mg(AlH3)2 becomes MgAl2H6."""
    formula: str = composition.reduced_formula
    if formula.isalnum():
        return formula
    counts = composition.reduced_composition.get_el_amt_dict()
    ordered = sorted(counts, key=lambda symbol: (Element(symbol).X, symbol))
    return "".join(f"{symbol}{counts[symbol]:.0f}" if counts[symbol] > 1 else symbol for symbol in ordered)


def _assignments(family: Family, prototype: Prototype) -> Iterator[tuple[str | None, dict[str, str]]]:
    """Yield variant and site assignment of a family, those without hydrogen left out."""
    labels = prototype.choose_sites
    variants = prototype.variants if family.variant is None else (family.variant,)
    has_own_hydrogen = "H" in prototype.fixed_elements.values()
    choices = [family.choices(label) for label in labels]
    for variant in variants:
        for symbols in product(*choices):
            if has_own_hydrogen or "H" in symbols:
                yield variant, dict(zip(labels, symbols, strict=True))
