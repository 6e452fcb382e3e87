"""Measured superconductors to hold computed ones against: a small table, each value with the DOI that it is from."""

from functools import cache
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class KnownSuperconductor(BaseModel):
    """A measured superconducting transition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="formula")
    tc_k: Annotated[float, Field(gt=0)]
    pressure_gpa: Annotated[float, Field(ge=0)]
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")]


@cache
def known_superconductors() -> tuple[KnownSuperconductor, ...]:
    """Return the measured superconductors of the package, by rising pressure.

    Returns
    -------
    tuple of KnownSuperconductor
        Tc in K, pressures in GPa.
    """
    text = (resources.files("hts") / "known_superconductors.yaml").read_text(encoding="utf-8")
    found = TypeAdapter(tuple[KnownSuperconductor, ...]).validate_python(yaml.safe_load(text))
    return tuple(sorted(found, key=lambda known: (known.pressure_gpa, known.name)))
