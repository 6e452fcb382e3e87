"""The phases that a hull of a chemical system should hold at a pressure, as start structures, and what is lacking.

Which phases are known, and between which pressures, stands in known_phases.yaml. A hull of too few phases makes a
candidate look better than it is: whatever is known to be absent is said in `CompetitorList.missing`.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from itertools import product
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict
from pymatgen.core import Composition, Element, Structure

from hts.competitor_files import is_same_crystal, start_structure, structure_of
from hts.competitor_list import Competitor, CompetitorList, Kind
from hts.deduplication import DistinctCrystals
from hts.enumeration import Candidate, make_candidates, plain_formula
from hts.errors import UserError
from hts.prototypes import Prototype, load_prototype, prototype_names
from hts.prototypes.model import Doi
from hts.radii import covalent_radius_ang
from hts.references import elemental_reference, window_end_gpa
from hts.volumes import atomic_volume_ang3

Scope = Literal["elements", "known", "library"]

MAX_ATOMS = 30
# How far beyond its measured end the ambient structure of an element is still computed beside the next one: about the
# error of calculated transition pressures of metals.
ELEMENT_OVERLAP_GPA = 20.0
# Members of this family are distorted members of another one, screened only where that one is unstable.
_FALLBACK_FAMILIES = frozenset({"perovskite_tilted"})


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    formula: str
    name: str | None = None
    window_gpa: tuple[float, float | None]
    doi: Doi | None = None
    memory: bool = False

    @cached_property
    def elements(self) -> frozenset[str]:
        """Symbols of the formula."""
        return frozenset(Composition(self.formula).get_el_amt_dict())

    def holds(self, pressure_gpa: float) -> bool:
        """Say whether the window holds a pressure; both ends belong to it."""
        low, high = self.window_gpa
        return low <= pressure_gpa and (high is None or pressure_gpa <= high)

    @property
    def window(self) -> str:
        """The window in words."""
        low, high = self.window_gpa
        return f"from {low:g} GPa" if high is None else f"{low:g} to {high:g} GPa"


class KnownPhase(_Entry):
    """A phase of known_phases.yaml that a family of the library can build; keys as explained there."""

    prototype: str
    variant: str | None = None
    sites: dict[str, str]
    note: str | None = None

    @property
    def source_doi(self) -> str:
        """The entry's DOI, else that of the variant, else that of the prototype."""
        prototype = load_prototype(self.prototype)
        return self.doi or prototype.variants[self.variant].source_doi or prototype.source_doi

    def candidate(self, pressure_gpa: float) -> Candidate:
        """Build the phase at its start volume."""
        return next(make_candidates(load_prototype(self.prototype), self.variant, self.sites, pressure_gpa))

    @cached_property
    def label(self) -> str:
        """Label of the competitor."""
        return competitor_label(self.candidate(0.0), self.name)


class UnbuiltPhase(_Entry):
    """A known phase that no family of the library can build."""


@cache
def known_phases() -> tuple[KnownPhase, ...]:
    """Return the phases of known_phases.yaml that can be built, in the order of the file."""
    return tuple(KnownPhase.model_validate(entry) for entry in _file()["phases"])


@cache
def unbuilt_phases() -> tuple[UnbuiltPhase, ...]:
    """Return the phases of known_phases.yaml that no family can build, in the order of the file."""
    return tuple(UnbuiltPhase.model_validate(entry) for entry in _file()["without_family"])


def competitors(
    elements: Collection[str],
    pressure_gpa: float,
    scope: Scope,
    max_atoms: int = MAX_ATOMS,
    structures: Mapping[str, Mapping[str, Any]] | None = None,
) -> CompetitorList:
    """Return the competing phases of a chemical system at a pressure.

    Parameters
    ----------
    elements : Collection[str]
        Symbols, hydrogen among them where it belongs to the system; order and repetition are immaterial.
    pressure_gpa : float
        Pressure in GPa, 0 or above.
    scope : str
        `elements`: one structure for each element. `known`: every structure of known_phases.yaml and
        reference_structures.yaml whose window holds the pressure; an element without any is stood in for by all of its
        structures, with caveats. `library`: these and every family filled with the elements in every way.
    max_atoms : int
        Primitive cells with more atoms are left out, and named in `missing`.
    structures : Mapping, optional
        Structures from files by label, see `hts.competitor_files`; at every scope, those of the system are added that
        are none of the other phases.

    Returns
    -------
    CompetitorList
        Without two equal crystals or labels; empty for no elements. Every element has a phase or a line in `missing`,
        or both (a structure that only stands in).

    Raises
    ------
    UserError
        What is no element, a negative or infinite pressure, an unknown scope.
    """
    ordered = sorted(set(elements))
    _check(ordered, pressure_gpa, scope)
    collection = _Collection(pressure_gpa, max_atoms)
    if scope == "elements":
        _add_references(collection, ordered)
        absent = "was looked for"
    else:
        usable = [element for element in ordered if collection.can_fill(element)]
        for element in usable:
            _add_element(collection, element)
        compounds = [phase for phase in known_phases() if len(phase.elements) > 1 and phase.elements <= set(usable)]
        for phase in compounds:
            if phase.holds(pressure_gpa):
                collection.add_known(phase, "known", phase.note)
        if scope == "library":
            _add_library(collection, usable)
        for unbuilt in unbuilt_phases():
            if unbuilt.elements <= set(ordered) and unbuilt.holds(pressure_gpa):
                line = f"{unbuilt.formula}, {unbuilt.name} ({unbuilt.window}), is in no family of the library"
                collection.missing.append(line)
        absent = f"is known at {pressure_gpa:g} GPa"
    _add_imported(collection, ordered, structures or {})
    return CompetitorList(tuple(collection.phases.values()), tuple(collection.missing), tuple(ordered), absent)


def competitor_label(candidate: Candidate, name: str | None = None) -> str:
    """Return the label of a filled prototype.

    Parameters
    ----------
    candidate : Candidate
        Pressure and volume do not enter.
    name : str, optional
        Of an element's structure, where that is not the variant.

    Returns
    -------
    str
        `Ca-fcc`; for compounds formula, prototype and variant, with the elements of the sites where several are chosen.
    """
    composition = Composition(candidate.formula)
    if len(composition) == 1:
        symbol = composition.elements[0].symbol
        return f"{'H2' if symbol == 'H' else symbol}-{name or candidate.variant or candidate.prototype}"
    sites = "_".join(candidate.sites.values()) if len(candidate.sites) > 1 else None
    parts = [plain_formula(composition), candidate.prototype, candidate.variant, sites]
    return "-".join(part for part in parts if part)


@dataclass
class _Collection:
    """What has been gathered: phases by label, lines of what lacks."""

    pressure_gpa: float
    max_atoms: int
    phases: dict[str, Competitor] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def can_fill(self, element: str) -> bool:
        """Say whether structures can be made of an element at all; if not, note it as missing."""
        try:
            atomic_volume_ang3(element)
            covalent_radius_ang(element)
        except UserError as error:
            self.missing.append(f"{self.no_structure(element)} ({error})")
            return False
        return True

    def no_structure(self, element: str) -> str:
        """Return the line for an element that lacks a structure."""
        return f"no structure of {element} at {self.pressure_gpa:g} GPa is known"

    def add_known(self, phase: KnownPhase, kind: Kind, caveat: str | None) -> None:
        """Add a phase of the file."""
        self.add(phase.candidate(self.pressure_gpa), kind, caveat, phase.source_doi, phase.name)

    def add(
        self, candidate: Candidate, kind: Kind, caveat: str | None, source_doi: str, name: str | None = None
    ) -> None:
        """Add a filled prototype, unless its label is there already or its cell is too large."""
        label = competitor_label(candidate, name)
        if label in self.phases:
            return
        if self._is_too_large(label, candidate.n_atoms):
            return
        structure = _reference_structure(label, candidate, self.pressure_gpa) or candidate.structure
        self.phases[label] = Competitor(label, candidate.formula, structure, caveat, kind, source_doi)

    def add_imported(self, label: str, structure: Structure) -> None:
        """Add a structure from a file, unless its cell is too large or its crystal is there already."""
        if self._is_too_large(label, len(structure)):
            return
        if any(is_same_crystal(phase.structure, structure) for phase in self.phases.values()):
            return
        formula = structure.composition.reduced_formula
        scaled = start_structure(structure, self.pressure_gpa)
        self.phases[label] = Competitor(label, formula, scaled, None, "imported", "")

    def _is_too_large(self, label: str, n_atoms: int) -> bool:
        if n_atoms <= self.max_atoms:
            return False
        line = f"{label} left out: {n_atoms} atoms, at most {self.max_atoms}"
        # The library meets the known phases again.
        self.missing += [line] if line not in self.missing else []
        return True


def _check(elements: Collection[str], pressure_gpa: float, scope: str) -> None:
    for element in elements:
        if not Element.is_valid_symbol(element):
            raise UserError(f"element {element!r} is not in the periodic table; give a symbol such as 'Al'")
    if not 0 <= pressure_gpa < math.inf:
        raise UserError(
            f"pressure {pressure_gpa} GPa is negative or not finite; competitors are made for 0 GPa and above"
        )
    if scope not in get_args(Scope):
        raise UserError(f"scope {scope!r} is unknown; choose from {', '.join(get_args(Scope))}")


def _add_references(collection: _Collection, elements: Collection[str]) -> None:
    """Add one structure for each element."""
    for element in elements:
        reference = elemental_reference(element, collection.pressure_gpa)
        structure = reference.structure
        if structure is None:
            collection.missing.append(f"no structure of {element} at {collection.pressure_gpa:g} GPa is in the table")
            continue
        formula = structure.composition.reduced_formula
        source_doi = next(phase.source_doi for phase in _element_phases(element) if phase.label == reference.label)
        phase = Competitor(reference.label, formula, structure, reference.caveat, "element", source_doi)
        collection.phases[phase.label] = phase


def _add_imported(
    collection: _Collection, elements: Collection[str], structures: Mapping[str, Mapping[str, Any]]
) -> None:
    """Add the structures from files that belong to the system, by label."""
    for label, entry in sorted(structures.items()):
        if set(entry["species"]) <= set(elements):
            collection.add_imported(label, structure_of(entry))


def _add_element(collection: _Collection, element: str) -> None:
    """Add the structures of an element whose window holds the pressure; all of them, with a caveat, if none does."""
    structures = _element_phases(element)
    within = [phase for phase in structures if phase.holds(collection.pressure_gpa)]
    if not within:
        stand_ins = ", ".join(phase.label for phase in structures)
        line = collection.no_structure(element)
        collection.missing.append(f"{line}; standing in: {stand_ins}" if stand_ins else line)
    for phase in within or structures:
        notes = [] if within else [f"{element} is used outside its window ({phase.window})"]
        notes += [phase.note] if phase.note else []
        collection.add_known(phase, "element", "; ".join(notes) or None)


@cache
def _element_phases(element: str) -> tuple[KnownPhase, ...]:
    """Return the structures of an element: that at ambient conditions first, then those of known_phases.yaml."""
    listed = [phase for phase in known_phases() if phase.elements == {element}]
    end_gpa = window_end_gpa(element)
    if element == "H" or end_gpa is None:
        return tuple(listed)
    reference = elemental_reference(element, 0.0)
    kind = reference.label.removeprefix(f"{element}-")
    # An entry for the same structure replaces window and note of the table.
    if any((phase.prototype, phase.variant) == ("element", kind) for phase in listed):
        return tuple(listed)
    ambient = KnownPhase(
        formula=element,
        prototype="element",
        variant=kind,
        sites={"M": element},
        window_gpa=(0.0, end_gpa + ELEMENT_OVERLAP_GPA),
        note=reference.caveat,
    )
    return ambient, *listed


def _reference_structure(label: str, candidate: Candidate, pressure_gpa: float) -> Structure | None:
    """Return the structure with the measured lattice constants, where an element has one under this label."""
    if len(Composition(candidate.formula)) > 1:
        return None
    reference = elemental_reference(next(iter(candidate.placed.values())), pressure_gpa)
    return reference.structure if reference.label == label else None


def _add_library(collection: _Collection, elements: Collection[str]) -> None:
    """Add what the families give beyond the known phases.

    The known phases are met first at every pressure, so that the label of a crystal does not depend on the pressure.
    """
    crystals = DistinctCrystals()
    known = [phase for phase in known_phases() if len(phase.elements) > 1 and phase.elements <= set(elements)]
    for phase in [*(phase for element in elements for phase in _element_phases(element)), *known]:
        candidate = phase.candidate(collection.pressure_gpa)
        crystals.add(candidate)
        if _is_filling(load_prototype(phase.prototype), phase.sites):
            collection.add(candidate, "library", phase.note, phase.source_doi, phase.name)
    for candidate in _fillings(elements, collection.pressure_gpa):
        if crystals.add(candidate) is None:
            prototype = load_prototype(candidate.prototype)
            doi = prototype.variants[candidate.variant].source_doi or prototype.source_doi
            collection.add(candidate, "library", None, doi)


def _fillings(elements: Collection[str], pressure_gpa: float) -> Iterator[Candidate]:
    """Yield the families filled with the elements in every way, by name, variant and elements.

    Families with few sites come first: of equal crystals the one with the simplest label stays, CaH2 of the dihydrides
    and not of the M3XH8 with M = X.
    """
    families = sorted(map(load_prototype, prototype_names()), key=lambda one: (len(one.choose_sites), one.name))
    for prototype in families:
        for variant in prototype.variants:
            for symbols in product(sorted(elements), repeat=len(prototype.choose_sites)):
                sites = dict(zip(prototype.choose_sites, symbols, strict=True))
                if _is_filling(prototype, sites):
                    yield from make_candidates(prototype, variant, sites, pressure_gpa)


def _is_filling(prototype: Prototype, sites: Mapping[str, str]) -> bool:
    """Say whether a filled family belongs to the library's competitors.

    Hydrogen does not go on the sites of metals where a family has hydrogen of its own. Crystals of one element come
    from the family of the elements alone, hydrogen as an element from its own family, within its windows.
    """
    if not sites or prototype.name in _FALLBACK_FAMILIES:
        return False
    has_own_hydrogen = "H" in prototype.fixed_elements.values()
    if has_own_hydrogen:
        return "H" not in sites.values()
    return sites["M"] != "H" if prototype.name == "element" else len(set(sites.values())) > 1


@cache
def _file() -> dict[str, list[dict[str, object]]]:
    text = (resources.files("hts") / "known_phases.yaml").read_text(encoding="utf-8")
    content: dict[str, list[dict[str, object]]] = yaml.safe_load(text)
    return content
