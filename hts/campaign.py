"""The campaign file: frozen models, and every mistake in it told in one line.

Units stand in the keys. What is checked here needs neither AiiDA nor a code; whether the codes, the pseudopotentials
and the profile exist is checked when a campaign is submitted.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pymatgen.core import Element

from hts.campaign_file import did_you_mean, one_line, read_yaml
from hts.errors import UserError
from hts.prototypes import load_prototype

# What `overrides` may name: the WorkChains of the funnel, by the stem of their protocol files.
STAGES = ("dft", "relax", "hull", "phonons", "decompression", "coupling", "tc")
# A pressure ladder longer than this is a slip of the pen (step 0.1 instead of 10).
MAX_RUNGS = 200
# Pressures are compared after rounding to this many decimals of a GPa: finer than any code resolves.
PRESSURE_DECIMALS = 9


def _no_bool(value: object) -> object:
    # pydantic would read `true` as 1.
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_no_bool)]
# These end in scripts of the scheduler, where a newline would add a line of shell.
ShellSafe = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.,:@/+-]{1,128}$")]
CampaignName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
CodeLabel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.+-]+@[A-Za-z0-9_.+-]+$")]
ProgramName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Family(_Model):
    """One prototype and the elements to try on each of its sites; without `variant`, every variant is tried."""

    prototype: str
    sites: dict[str, tuple[str, ...]]
    variant: str | None = None

    @property
    def identity(self) -> tuple[str, str | None, tuple[tuple[str, frozenset[str]], ...]]:
        """What makes two families the same: prototype, variant, and the set of elements of each site."""
        return self.prototype, self.variant, tuple(sorted((k, frozenset(v)) for k, v in self.sites.items()))


class Pressures(_Model):
    """The ladder in GPa: from `start` to `stop` by `step`, then bisected to `resolution` (= `step`: no bisection)."""

    start: Annotated[Number, Field(ge=0)]
    stop: Annotated[Number, Field(ge=0)]
    step: Annotated[Number, Field(gt=0)]
    resolution: Annotated[Number, Field(gt=0)]

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.stop > self.start:
            raise ValueError(f"stop {self.stop:g} is above start {self.start:g}; the ladder goes down: stop <= start")
        if self.resolution > self.step:
            raise ValueError(f"resolution {self.resolution:g} is above step {self.step:g}; 0 < resolution <= step")
        steps = (self.start - self.stop) / self.step
        if steps > MAX_RUNGS - 1:
            ladder = f"from {self.start:g} to {self.stop:g} by {self.step:g}"
            raise ValueError(f"{steps + 1:.0f} rungs {ladder}; at most {MAX_RUNGS}: take a larger step")
        return self

    def rungs_gpa(self) -> list[float]:
        """Return the pressures from `start` down, strictly descending, always ending at `stop`."""
        rungs = [self.start]
        while (lower := round(self.start - len(rungs) * self.step, PRESSURE_DECIMALS)) > self.stop:
            rungs.append(lower)
        return rungs if self.start == self.stop else [*rungs, self.stop]


class Gates(_Model):
    """The thresholds: energy above hull, frequency off Gamma (negative means imaginary), Tc at the first mu*."""

    max_hull_ev_per_atom: Annotated[Number, Field(ge=0)] = 0.30
    min_frequency_cm1: Annotated[Number, Field(le=0)] = -20.0
    min_tc_k: Annotated[Number, Field(ge=0)] = 1.0


class Resources(_Model):
    """What one job asks of its scheduler."""

    num_machines: Annotated[Whole, Field(ge=1)] = 1
    num_mpiprocs: Annotated[Whole, Field(ge=1)] = 1
    max_wallclock_seconds: Annotated[Whole, Field(ge=1)] = 3600
    queue_name: ShellSafe | None = None
    account: ShellSafe | None = None
    qos: ShellSafe | None = None
    max_memory_kb: Annotated[Whole, Field(ge=1)] | None = None


class Campaign(_Model):
    """A whole campaign file. Collections are tuples or mappings; nothing can be set after validation."""

    name: CampaignName
    protocol: Literal["fast", "balanced", "stringent"]
    pseudo_family: ShellSafe
    families: Annotated[tuple[Family, ...], Field(min_length=1)]
    pressures_gpa: Pressures
    gates: Gates = Gates()
    mu_star: Annotated[tuple[Annotated[Number, Field(ge=0, le=0.5)], ...], Field(min_length=1)] = (0.10, 0.13, 0.16)
    codes: dict[ProgramName, CodeLabel]
    resources: dict[str, Resources] = {}
    max_candidates: Annotated[Whole, Field(ge=1)] = 2
    max_jobs: Annotated[Whole, Field(ge=1)] = 2
    overrides: dict[str, dict[str, Any]] = {}

    @classmethod
    def from_yaml(cls, path: Path | str) -> "Campaign":
        """Read and check a campaign file.

        Parameters
        ----------
        path : Path | str
            A YAML file of at most 1 MB.

        Returns
        -------
        Campaign

        Raises
        ------
        UserError
            One line: file, dotted key, what was found, what is allowed.
        """
        path = Path(path)
        data = read_yaml(path)
        try:
            campaign = cls.model_validate(data)
        except ValidationError as error:
            raise UserError(f"{path}: {one_line(error, cls)}") from None
        for complaint in (_families_complaint(campaign), _keys_complaint(campaign)):
            if complaint:
                raise UserError(f"{path}: {complaint}")
        return campaign

    def rungs_gpa(self) -> list[float]:
        """Return the pressures of the ladder, strictly descending, always ending at `stop`."""
        return self.pressures_gpa.rungs_gpa()

    def resources_for(self, *keys: str) -> Resources:
        """Return the resources of a job: `default`, then what each of `keys` sets over it, the last one strongest.

        Parameters
        ----------
        *keys : str
            Stage and program, such as `("coupling", "epw")`; keys the campaign does not mention change nothing.
        """
        fields: dict[str, Any] = {}
        for key in ("default", *keys):
            if key in self.resources:
                fields |= self.resources[key].model_dump(exclude_unset=True)
        return Resources(**fields)


def _families_complaint(campaign: Campaign) -> str | None:
    """Return what is wrong with the families, or None."""
    seen: dict[object, int] = {}
    for index, family in enumerate(campaign.families):
        key = f"families.{index}"
        complaint = _family_complaint(family, key)
        if complaint:
            return complaint
        first = seen.setdefault(family.identity, index)
        if first != index:
            return f"{key}: the same family as families.{first}; remove one of the two"
    return None


def _family_complaint(family: Family, key: str) -> str | None:
    try:
        prototype = load_prototype(family.prototype)
    except UserError as error:
        return f"{key}.prototype: {error}"
    wanted = prototype.choose_sites
    unknown = [label for label in family.sites if label not in wanted]
    if unknown:
        implied = " (hydrogen is implied on its own sites)" if prototype.fixed_elements else ""
        return f"{key}.sites.{unknown[0]}: unknown site; {did_you_mean(unknown[0], wanted)}{implied}"
    for label in wanted:
        if not family.sites.get(label):
            return f"{key}.sites.{label}: no elements; list at least one, such as {label}: [Al]"
        for symbol in family.sites[label]:
            if not _is_element(symbol):
                return f"{key}.sites.{label}: {symbol!r} is not an element; {_element_hint(symbol)}"
    if "H" not in {*prototype.fixed_elements.values(), *(s for symbols in family.sites.values() for s in symbols)}:
        return f"{key}.sites: hydrogen is on no site; add H to one of {', '.join(wanted)}"
    known = [variant for variant in prototype.variants if variant]
    if family.variant is not None and family.variant not in known:
        allowed = did_you_mean(family.variant, known) if known else f"{prototype.name} has no variants: leave it out"
        return f"{key}.variant: {family.variant!r} is unknown; {allowed}"
    return None


def _keys_complaint(campaign: Campaign) -> str | None:
    """Return what is wrong with the free keys (codes, resources, overrides) and mu_star, or None."""
    for program in ("pw", "ph", "q2r", "epw"):
        if program not in campaign.codes:
            return f"codes.{program}: missing; give label@computer, such as {program}: {program}@localhost"
    for name, keys, allowed, what in (
        ("resources", campaign.resources, ("default", *STAGES, *campaign.codes), "stage or program"),
        ("overrides", campaign.overrides, STAGES, "stage"),
    ):
        for key in keys:
            if key not in allowed:
                return f"{name}.{key}: unknown {what}; {did_you_mean(key, allowed)}"
    if len(set(campaign.mu_star)) < len(campaign.mu_star):
        return f"mu_star: {list(campaign.mu_star)} holds a value twice; give each once"
    return None


def _is_element(symbol: str) -> bool:
    # pymatgen knows the isotopes D and T as elements; here hydrogen is H.
    return symbol not in ("D", "T") and Element.is_valid_symbol(symbol)


def _element_hint(symbol: str) -> str:
    if symbol in ("D", "T"):
        return "isotopes are not told apart: write H"
    symbols = [element.symbol for element in Element if element.symbol not in ("D", "T")]
    stem = re.sub(r"[^A-Za-z]", "", symbol).capitalize()
    near = next(([s] for s in (stem, stem[:2]) if s in symbols), difflib.get_close_matches(stem, symbols, cutoff=0.5))
    named = next(([e.symbol] for e in Element if e.long_name.lower() == symbol.lower()), near)
    suggestion = " or ".join(repr(name) for name in named)
    return f"did you mean {suggestion}?" if named else "give a symbol of the periodic table, such as Al"
