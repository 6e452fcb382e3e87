"""What a prototype file holds, and how a member of the family is built from it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pymatgen.core import Element, Structure

from hts.errors import UserError
from hts.prototypes.geometry import (
    PrimitiveTemplate,
    build_template,
    equality_pattern,
    evaluate,
    member_symmetry,
    standard_primitive,
)
from hts.prototypes.start_volume import start_volume_ang3

CHOOSE = "choose"
Label = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z0-9]{0,3}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Doi = Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$")]


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

    `cell` holds the conventional lengths as multiples of a and the angles in degrees. A label may stand on several
    orbits; the element put on it goes to all of them.
    """

    title: str | None = None
    source_doi: Doi | None = None
    space_group_number: Annotated[int, Field(ge=1, le=230)]
    cell: tuple[float, float, float, float, float, float] = (1, 1, 1, 90, 90, 90)
    free_parameters: dict[str, FreeParameter] = {}
    sites: Annotated[tuple[WyckoffSite, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_element_a_label(self) -> Self:
        first: dict[str, str] = {}
        for site in self.sites:
            if first.setdefault(site.label, site.element) != site.element:
                raise ValueError(f"label {site.label} holds {first[site.label]!r} and {site.element!r}; one is wanted")
        return self

    @property
    def label_elements(self) -> dict[str, str]:
        """Label -> `choose` or the element that is always there."""
        return {site.label: site.element for site in self.sites}

    def start_coords(self, site: WyckoffSite) -> tuple[float, float, float]:
        """Return the fractional coordinates of a site at the start values of the free parameters."""
        values = {name: parameter.start for name, parameter in self.free_parameters.items()}
        x, y, z = (evaluate(expression, values) for expression in site.coords)
        return x, y, z

    @cached_property
    def template(self) -> PrimitiveTemplate:
        """The primitive cell with site labels in place of elements."""
        orbits = [(site.label, self.start_coords(site)) for site in self.sites]
        return build_template(self.space_group_number, self.cell, orbits)


class Prototype(_Model):
    """A family of structures; `variants` maps each variant (None when there is only one) to its arrangement.

    `kind` tells the families that the screening is for from those that hulls, checks and comparisons need.
    `best_electron_count` is the number of valence electrons a formula unit that the literature finds best.
    """

    name: Identifier
    kind: Literal["mission", "reference"] = "mission"
    title: str
    source_doi: Doi
    formula: str
    best_electron_count: float | None = None
    variants: Annotated[dict[Identifier | None, Arrangement], Field(min_length=1)]

    @model_validator(mode="after")
    def _same_labels(self) -> Self:
        wanted = self._first.label_elements
        for variant, arrangement in self.variants.items():
            if arrangement.label_elements != wanted:
                raise ValueError(f"variant {variant} has other labels or elements than {', '.join(wanted)}")
        return self

    @property
    def _first(self) -> Arrangement:
        return next(iter(self.variants.values()))

    @cached_property
    def choose_sites(self) -> tuple[str, ...]:
        """Labels of the sites that a campaign fills, in the order of the file."""
        return tuple(label for label, element in self._first.label_elements.items() if element == CHOOSE)

    @cached_property
    def fixed_elements(self) -> dict[str, str]:
        """Label -> element of the sites that are not chosen (hydrogen on its own sites)."""
        return {label: element for label, element in self._first.label_elements.items() if element != CHOOSE}

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
            The volume is that of `start_volume_ang3` at this pressure.
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
        placed = self.placed(elements)
        template = self.template(variant)
        if volume_ang3_per_atom is not None:
            return member_structure(template, placed, volume_ang3_per_atom * len(template.labels))
        # `or 0.0` never applies: the check above leaves exactly one None.
        return member_structure(template, placed, start_volume_ang3(template, placed, pressure_gpa or 0.0))

    def placed(self, elements: Mapping[str, str]) -> dict[str, str]:
        """Return label -> element of all sites, the fixed ones too; refuse wrong sites and what is no element."""
        if set(elements) != set(self.choose_sites):
            raise UserError(
                f"prototype {self.name}: sites {', '.join(sorted(elements)) or 'none'} given, "
                f"{', '.join(self.choose_sites) or 'none'} wanted"
            )
        for label, symbol in elements.items():
            if not Element.is_valid_symbol(symbol):
                raise UserError(f"prototype {self.name}: site {label} has {symbol!r}, which is not an element")
        return {**self.fixed_elements, **elements}

    def template(self, variant: str | None = None) -> PrimitiveTemplate:
        """Return the primitive cell of a variant with site labels in place of elements."""
        if variant not in self.variants:
            known = ", ".join(map(str, self.variants))
            raise UserError(f"prototype {self.name}: variant {variant!r} is unknown; choose from {known}")
        return self.variants[variant].template

    def space_group(self, elements: Mapping[str, str], variant: str | None = None) -> int:
        """Return the real space group number of a member; equal elements can raise the symmetry."""
        template = self.template(variant)
        return member_symmetry(template, equality_pattern(template, self.placed(elements)))[0]


def member_structure(template: PrimitiveTemplate, placed: Mapping[str, str], volume_ang3: float) -> Structure:
    """Build the primitive cell of a member.

    Parameters
    ----------
    template : PrimitiveTemplate
    placed : Mapping[str, str]
        Label -> element of all sites.
    volume_ang3 : float
        Of the template's cell.

    Returns
    -------
    pymatgen.core.Structure
        The template's cell, or spglib's standard primitive cell where equal elements make a smaller one primitive.
    """
    full = template.decorate([placed[label] for label in template.labels], volume_ang3)
    n_atoms = member_symmetry(template, equality_pattern(template, placed))[1]
    return standard_primitive(full) if n_atoms < len(full) else full
