"""The campaign file: frozen models, and every mistake in it told in one line.

Units stand in the keys. What is checked here needs neither AiiDA nor a code; whether the codes, the pseudopotentials
and the profile exist is checked when a campaign is submitted.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from hts.campaign_families import families_complaint
from hts.campaign_file import did_you_mean, one_line, read_yaml
from hts.errors import UserError
from hts.filters import Range
from hts.site_entries import expand

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


def _listed(value: object) -> object:
    # An exclusion of one element or group may stand without brackets.
    return (value,) if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Family(_Model):
    """One prototype and the elements to try on each of its sites; without `variant`, every variant is tried.

    A site lists elements, groups of them, mixtures (`La0.5Ce0.5`), and with a minus what is taken out of a group again.
    `filters` hold for this family beside those of the campaign. With `fallback_for`, a member is screened only after
    the member of that family with the same elements has turned out dynamically unstable.
    """

    prototype: str
    sites: dict[str, tuple[str, ...]] = {}
    variant: str | None = None
    filters: dict[str, Range] = {}
    fallback_for: str | None = None

    def choices(self, label: str) -> tuple[str, ...]:
        """Return the elements and mixtures of a site, groups written out, in their order and without repetition."""
        return expand(self.sites[label])


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
    prototype_folder: Path | None = None
    competitor_folder: Path | None = None
    exclude: tuple[Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)], ...] = ()
    filters: dict[str, Range] = {}
    ranking: bool = False
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
        for key in ("prototype_folder", "competitor_folder"):
            if isinstance(data.get(key), str):
                # Relative to the file that names it, wherever the command is typed.
                data[key] = str((path.parent / data[key]).resolve())
        try:
            campaign = cls.model_validate(data)
        except ValidationError as error:
            raise UserError(f"{path}: {one_line(error, cls)}") from None
        for complaint in (families_complaint(campaign), _keys_complaint(campaign)):
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


def _keys_complaint(campaign: Campaign) -> str | None:
    """Return what is wrong with the free keys (codes, resources, overrides), a folder and mu_star, or None."""
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
    folder = campaign.competitor_folder
    if folder is not None and not folder.is_dir():
        return f"competitor_folder: {folder} is not a folder; give one that holds structure files (CIF, POSCAR)"
    if len(set(campaign.mu_star)) < len(campaign.mu_star):
        return f"mu_star: {list(campaign.mu_star)} holds a value twice; give each once"
    return None
