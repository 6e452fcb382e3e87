"""The prototype families: one YAML file each, checked while it is loaded.

A file names the space group, the Wyckoff sites with their coordinates (numbers, fractions or expressions of the free
parameters), the element of a site (`H`, or `choose` for the campaign to fill), and the DOI it comes from.
"""

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pymatgen.core import Element, Structure

from hts.errors import UserError
from hts.prototypes.geometry import (
    SYMPREC_ANG,
    PrimitiveTemplate,
    build_template,
    evaluate,
    orbit,
    space_group_number,
    standard_primitive,
)
from hts.volumes import starting_volume_ang3

CHOOSE = "choose"
Label = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,3}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FreeParameter(_Model):
    """A coordinate that symmetry leaves free: its start value (fractional) and what it is."""

    start: float
    doc: str


class WyckoffSite(_Model):
    """One orbit: its label, Wyckoff position such as `32f`, a representative point and what sits on it."""

    label: Label
    wyckoff: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,2}[a-zA-Z]$")]
    coords: tuple[float | str, float | str, float | str]
    element: str

    @property
    def multiplicity(self) -> int:
        """Positions per conventional cell."""
        return int(self.wyckoff[:-1])


class Arrangement(_Model):
    """One crystal structure of a family: space group, sites, free parameters.

    `cell` holds the conventional lengths as multiples of a and the angles in degrees.
    """

    title: str | None = None
    source_doi: str | None = None
    space_group_number: Annotated[int, Field(ge=1, le=230)]
    cell: tuple[float, float, float, float, float, float] = (1, 1, 1, 90, 90, 90)
    free_parameters: dict[str, FreeParameter] = {}
    sites: Annotated[tuple[WyckoffSite, ...], Field(min_length=1)]

    def start_coords(self, site: WyckoffSite) -> tuple[float, float, float]:
        """Return the fractional coordinates of a site at the start values of the free parameters."""
        values = {name: parameter.start for name, parameter in self.free_parameters.items()}
        x, y, z = (evaluate(expression, values) for expression in site.coords)
        return x, y, z

    def template(self) -> PrimitiveTemplate:
        """Build the primitive cell with site labels in place of elements."""
        orbits = [(site.label, self.start_coords(site)) for site in self.sites]
        return build_template(self.space_group_number, self.cell, orbits)


class Prototype(_Model):
    """A family of structures; `variants` maps each variant (None when there is only one) to its arrangement."""

    name: Identifier
    title: str
    source_doi: Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$")]
    formula: str
    interchangeable_sites: tuple[tuple[Label, ...], ...] = ()
    variants: Annotated[dict[Identifier | None, Arrangement], Field(min_length=1)]

    @model_validator(mode="after")
    def _same_sites(self) -> Self:
        chosen = self.choose_sites
        first = [(site.label, site.element) for site in next(iter(self.variants.values())).sites]
        if len({label for label, _ in first}) < len(first):
            raise ValueError("two sites have one label; each site wants its own")
        for variant, arrangement in self.variants.items():
            if [(site.label, site.element) for site in arrangement.sites] != first:
                raise ValueError(f"variant {variant} has other sites than {', '.join(label for label, _ in first)}")
        known = {label for group in self.interchangeable_sites for label in group}
        if not known <= set(chosen):
            raise ValueError(f"interchangeable_sites may name {', '.join(chosen)} only")
        return self

    @property
    def choose_sites(self) -> tuple[str, ...]:
        """Labels of the sites that a campaign fills, in the order of the file."""
        return _chosen(next(iter(self.variants.values())))

    @property
    def fixed_elements(self) -> dict[str, str]:
        """Label -> element of the sites that are not chosen (hydrogen on its own sites)."""
        sites = next(iter(self.variants.values())).sites
        return {site.label: site.element for site in sites if site.element != CHOOSE}

    def structure(
        self,
        elements: Mapping[str, str],
        *,
        pressure_gpa: float | None = None,
        volume_ang3_per_atom: float | None = None,
        variant: str | None = None,
    ) -> Structure:
        """Build the primitive cell of one member.

        Parameters
        ----------
        elements : Mapping[str, str]
            Element of each site to choose.
        pressure_gpa : float, optional
            The volume is the starting volume of `hts.volumes` at this pressure.
        volume_ang3_per_atom : float, optional
            Volume instead of pressure; exactly one of the two is given.
        variant : str, optional
            Needed when the prototype has variants.

        Returns
        -------
        pymatgen.core.Structure
            Free parameters at their start values, site property `site` with the labels. When equal elements on
            inequivalent sites make a smaller cell primitive, that one (spglib's standard, without labels).

        Raises
        ------
        UserError
            Wrong or missing sites, unknown variant, an element without a volume.
        """
        if (pressure_gpa is None) == (volume_ang3_per_atom is None):
            raise TypeError("structure() wants exactly one of pressure_gpa and volume_ang3_per_atom")
        if set(elements) != set(self.choose_sites):
            raise UserError(
                f"prototype {self.name}: sites {', '.join(sorted(elements)) or 'none'} given, "
                f"{', '.join(self.choose_sites)} wanted"
            )
        for label, symbol in elements.items():
            if not Element.is_valid_symbol(symbol):
                raise UserError(f"prototype {self.name}: site {label} has {symbol!r}, which is not an element")
        if variant not in self.variants:
            known = ", ".join(map(str, self.variants))
            raise UserError(f"prototype {self.name}: variant {variant!r} is unknown; choose from {known}")
        template = _template(self.name, variant)
        placed = {**self.fixed_elements, **elements}
        species = [placed[label] for label in template.labels]
        if volume_ang3_per_atom is None:
            counts = {symbol: species.count(symbol) for symbol in set(species)}
            # `or 0.0` never applies: the check above leaves exactly one None.
            volume = starting_volume_ang3(counts, pressure_gpa or 0.0)
        else:
            volume = volume_ang3_per_atom * len(species)
        full = template.decorate(species, volume)
        return standard_primitive(full) if self.is_reducible(placed, variant) else full

    def pattern(self, placed: Mapping[str, str]) -> tuple[int, ...]:
        """Return which sites hold equal elements: the first site with the same one, for each site in file order."""
        symbols = [placed[site.label] for site in next(iter(self.variants.values())).sites]
        return tuple(symbols.index(symbol) for symbol in symbols)

    def space_group(self, elements: Mapping[str, str], variant: str | None = None) -> int:
        """Return the real space group number of a member; equal elements can raise the symmetry. Cached by pattern."""
        return _symmetry(self.name, variant, self.pattern({**self.fixed_elements, **elements}))[0]

    def is_reducible(self, placed: Mapping[str, str], variant: str | None) -> bool:
        """Say whether equal elements make a smaller cell primitive."""
        return _symmetry(self.name, variant, self.pattern(placed))[1]


def prototype_names() -> list[str]:
    """Return the names of the prototypes that come with the package, sorted."""
    entries = resources.files(__name__).iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


@cache
def load_prototype(name: str) -> Prototype:
    """Load a prototype by name and check it: multiplicities, stoichiometry, space group.

    Parameters
    ----------
    name : str
        One of `prototype_names()`.

    Returns
    -------
    Prototype

    Raises
    ------
    UserError
        Unknown name (with the nearest known one), or a bad file (naming file and key).
    """
    names = prototype_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"prototype {name!r} is unknown; {hint}known: {', '.join(names)}")
    return parse_prototype((resources.files(__name__) / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def parse_prototype(text: str, file_name: str) -> Prototype:
    """Read a prototype from YAML text and check it against its own space group.

    Parameters
    ----------
    text : str
        The file's content.
    file_name : str
        Named in errors; its stem must be the prototype's name.

    Returns
    -------
    Prototype

    Raises
    ------
    UserError
        One line naming file, key, what was found and what is allowed.
    """
    where = f"prototype file {file_name}"
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{where}: {type(data).__name__} found, a mapping with name, sites, … wanted")
    try:
        prototype = Prototype.model_validate(_with_variants(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "whole file"
        # The variant of a file without variants has no name, and its keys stand at the top.
        key = key.removeprefix("variants.None.")
        raise UserError(f"{where}: {key}: {first['msg']} (found {first.get('input')!r:.80})") from None
    if f"{prototype.name}.yaml" != file_name:
        raise UserError(f"{where}: name: {prototype.name!r} found, the file's own name wanted")
    for complaint in _complaints(prototype):
        raise UserError(f"{where}: {complaint}")
    return prototype


def _with_variants(data: dict[str, Any]) -> dict[str, Any]:
    """Move the keys of a single arrangement under the variant None, so that both kinds of file have one shape."""
    if "variants" in data:
        return data
    inner = {key: data[key] for key in ("space_group_number", "cell", "free_parameters", "sites") if key in data}
    return {**{key: value for key, value in data.items() if key not in inner}, "variants": {None: inner}}


def _chosen(arrangement: Arrangement) -> tuple[str, ...]:
    return tuple(site.label for site in arrangement.sites if site.element == CHOOSE)


def _complaints(prototype: Prototype) -> Iterator[str]:
    """Yield what is inconsistent in a prototype, the first cause first."""
    for variant, arrangement in prototype.variants.items():
        prefix = f"variants.{variant}." if variant else ""
        for site in arrangement.sites:
            if site.element != CHOOSE and not Element.is_valid_symbol(site.element):
                yield f"{prefix}sites.{site.label}.element: {site.element!r} found, an element or 'choose' wanted"
            try:
                point = arrangement.start_coords(site)
            except ValueError as error:
                yield f"{prefix}sites.{site.label}.coords: {error}"
                return
            count = len(orbit(arrangement.space_group_number, point))
            if count != site.multiplicity:
                yield (
                    f"{prefix}sites.{site.label}.wyckoff: {site.wyckoff} stated, but the coordinates give {count} "
                    f"positions in space group {arrangement.space_group_number}; correct one of the two"
                )
        template = arrangement.template()
        clash = template.coinciding_labels()
        if clash:
            yield f"{prefix}sites: {clash[0]} and {clash[1]} lie on the same point; each site wants its own coordinates"
            return
        counts = [template.conventional_counts[site.label] for site in arrangement.sites]
        divisor = math.gcd(*counts)
        actual = {site.label: n // divisor for site, n in zip(arrangement.sites, counts, strict=True)}
        if actual != _parse_formula(prototype.formula, list(actual)):
            yield f"formula: {prototype.formula} stated, but the sites of {prefix or 'the file'} give {actual}"
        number = _symmetry_of(template, tuple(range(len(arrangement.sites))), list(actual))[0]
        if number != arrangement.space_group_number:
            yield (
                f"{prefix}space_group_number: {arrangement.space_group_number} stated, spglib finds {number} with "
                "different elements on all sites; correct the sites or the number"
            )


def _parse_formula(formula: str, labels: list[str]) -> dict[str, int]:
    """Split a template such as AXH8 into label -> count; {} when it holds anything but labels and counts."""
    alternatives = "|".join(sorted(map(re.escape, labels), key=len, reverse=True))
    if not re.fullmatch(rf"(?:(?:{alternatives})\d*)+", formula):
        return {}
    return {label: int(count or 1) for label, count in re.findall(rf"({alternatives})(\d*)", formula)}


@cache
def _template(name: str, variant: str | None) -> PrimitiveTemplate:
    return load_prototype(name).variants[variant].template()


@cache
def _symmetry(name: str, variant: str | None, pattern: tuple[int, ...]) -> tuple[int, bool]:
    sites = load_prototype(name).variants[variant].sites
    return _symmetry_of(_template(name, variant), pattern, [site.label for site in sites])


def _symmetry_of(template: PrimitiveTemplate, pattern: tuple[int, ...], labels: list[str]) -> tuple[int, bool]:
    """Return the space group number and whether a smaller cell is primitive, for one pattern of equal elements."""
    # Which elements is immaterial to the symmetry, only which are equal: atomic numbers 1, 2, … stand for them.
    symbols = dict(zip(labels, (Element.from_Z(index + 1).symbol for index in pattern), strict=True))
    species = [symbols[label] for label in template.labels]
    # 20 A^3 per atom makes SYMPREC_ANG mean in every prototype what it means in a real cell.
    structure = template.decorate(species, 20.0 * len(species))
    return space_group_number(structure, SYMPREC_ANG), len(standard_primitive(structure)) < len(structure)
