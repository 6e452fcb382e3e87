"""What a campaign leaves out before any calculation: combinations of elements, and ranges of descriptors."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hts.descriptors import DESCRIPTORS
from hts.element_groups import members
from hts.errors import UserError

_COMPARISON = re.compile(r"\s*([a-z_]+)\s*(<=|>=|=)\s*([-+.\deE]+)\s*")


class Range(BaseModel):
    """The values of a descriptor that stay; both ends belong to it, and a missing end is open."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    min: Annotated[float, Field(allow_inf_nan=False)] | None = None
    max: Annotated[float, Field(allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("neither min nor max is given; give at least one")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    def holds(self, value: float | None) -> bool:
        """Say whether a value lies in the range; one that does not exist does not."""
        if value is None:
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


def known_descriptor(name: str) -> str:
    """Return the name of a descriptor.

    Raises
    ------
    UserError
        When there is none of that name; the nearest one is told.
    """
    if name in DESCRIPTORS:
        return name
    near = difflib.get_close_matches(name, DESCRIPTORS, n=1)
    question = f"did you mean {near[0]!r}? " if near else ""
    raise UserError(f"{name!r} is no descriptor; {question}allowed: {', '.join(DESCRIPTORS)}")


def parse_filter(text: str) -> tuple[str, Range]:
    """Read a filter such as `hydrogen_fraction>=0.6`.

    Parameters
    ----------
    text : str
        A descriptor, `>=`, `<=` or `=`, and a number.

    Returns
    -------
    tuple[str, Range]

    Raises
    ------
    UserError
        When it is no such text.
    """
    match = _COMPARISON.fullmatch(text)
    try:
        value = float(match[3]) if match else None
    except ValueError:
        value = None
    if match is None or value is None:
        raise UserError(f"filter {text!r}: DESCRIPTOR>=NUMBER, <= or = is wanted, such as 'hydrogen_fraction>=0.6'")
    lowest, highest = (None if match[2] == "<=" else value), (None if match[2] == ">=" else value)
    return known_descriptor(match[1]), Range(min=lowest, max=highest)


def passes(values: Mapping[str, float | None], filters: Iterable[tuple[str, Range]]) -> bool:
    """Say whether the descriptors of a candidate lie in all ranges."""
    return all(allowed.holds(values[name]) for name, allowed in filters)


def is_excluded(elements: Collection[str], rules: Iterable[tuple[str, ...]]) -> bool:
    """Say whether a set of elements falls under an exclusion rule.

    Parameters
    ----------
    elements : Collection[str]
        The elements of a candidate.
    rules : Iterable[tuple[str, ...]]
        Each rule is a list of symbols and groups; it excludes what holds an element of every one of them, distinct
        elements for distinct entries: `[Tc]`, `[radioactive]`, `[Li, alkaline_earth]`.

    Returns
    -------
    bool
    """
    return any(_has_one_of_each(set(elements), [set(members(name)) for name in rule]) for rule in rules)


def _has_one_of_each(elements: set[str], wanted: list[set[str]]) -> bool:
    """Assign a distinct element to every entry of a rule; rules have a few entries, so trying all is cheap."""
    if not wanted:
        return True
    return any(_has_one_of_each(elements - {symbol}, wanted[1:]) for symbol in elements & wanted[0])
