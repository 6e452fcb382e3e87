"""The typed answer for one candidate: what ``hts candidates --json`` prints, key by key."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal[
    "ambient",
    "stable_to_pressure",
    "dynamically_unstable",
    "insulator",
    "not_superconducting",
    "above_hull",
    "undecided",
]


class TcTable(BaseModel):
    """Critical temperatures in K by formula and mu*.

    The keys are mu* with two decimals (more where it has more); None where there is no number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allen_dynes: dict[str, float | None] = Field(default_factory=dict, description="K, Allen-Dynes with f1 and f2")
    eliashberg: dict[str, float | None] = Field(default_factory=dict, description="K, isotropic Migdal-Eliashberg")


class CandidateRecord(BaseModel):
    """One candidate of a campaign with its verdict; a number that was not computed is None, and ``reason`` says why."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    key: str
    prototype: str
    formula: str = Field(description="pymatgen's reduced formula")
    verdict: Verdict
    reason: str
    lowest_stable_pressure_gpa: float | None = None
    highest_unstable_pressure_gpa: float | None = None
    hull_ev_per_atom: float | None = Field(default=None, description="eV/atom at hull_pressure_gpa")
    hull_pressure_gpa: float | None = None
    hull_by_pressure: dict[str, float] = Field(default_factory=dict, description="GPa -> eV/atom above hull")
    hull_stability: dict[str, Any] | None = Field(
        default=None, description="down to which pressure it stays within the gate of the hull, see stability_pressure"
    )
    hull_zero_point: dict[str, Any] | None = Field(
        default=None,
        description="the distance from the hull at hull_pressure_gpa with zero-point energy, see hts.zero_point; no "
        "verdict rests on it",
    )
    decomposition: dict[str, float] | None = Field(default=None, description="competing phase -> fraction of atoms")
    lambda_: float | None = Field(default=None, alias="lambda")
    omega_log_mev: float | None = None
    tc_k: TcTable = Field(default_factory=TcTable)
    tc_spread_k: list[float] | None = Field(
        default=None, description="K, lowest and highest Allen-Dynes Tc at the first mu* over fine meshes and smearings"
    )
    tc_spread: dict[str, list[float] | None] = Field(
        default_factory=dict,
        description="K, [lowest, highest] from the ranking Tc by what is varied: formulas_k, mu_star_k, "
        "meshes_and_smearings_k",
    )
    tc_unverified: list[str] = Field(
        default_factory=list, description="what the Tc rests on and did not pass its check, one line each"
    )
    tc_convergence: str | None = Field(
        default=None, description="whether Tc has settled with the fine meshes, see hts.fine_meshes"
    )
    tc_by_pressure: list[dict[str, Any]] = Field(
        default_factory=list,
        description="every pressure with a Tc, ascending: pressure_gpa, lambda, omega_log_mev, tc_k, figure_of_merit, "
        "flags, unverified",
    )
    figure_of_merit: float | None = Field(default=None, description="Tc / sqrt(P^2 + 39^2), K and GPa")
    distortion: dict[str, Any] | None = Field(
        default=None, description="where the softest mode of an unstable crystal led to, see workflows.distortion"
    )
    parent: str | None = Field(default=None, description="uuid of the screening whose soft mode led to this crystal")
    flags: list[str] = Field(default_factory=list)
    cost_core_hours: float | None = None
    uuid: str | None = None
