"""Electron-phonon coupling of a candidate as curves: alpha2F, its convergence series, Tc against pressure, gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hts.alpha2f import read_alpha2f
from hts.errors import UserError
from hts.superconductivity import figure_of_merit, spectrum_on_positive_energies, tc_table

# mu* of the Tc in the picture of a file; 0.10 is the usual first one.
FILE_MU_STAR = 0.10
CONVERGED = "converged"

Mesh = tuple[int, int, int]


@dataclass(frozen=True)
class Spectrum:
    """The Eliashberg function of one fine mesh and smearing.

    Attributes
    ----------
    label : str
        As in the series.
    energy_mev : NDArray, shape (n,)
        Positive, increasing.
    alpha2f : NDArray, shape (n,)
        Dimensionless.
    cumulative_lambda : NDArray, shape (n,)
        2 Int alpha2F/w from the first energy to each; its end is the coupling constant.
    """

    label: str
    energy_mev: NDArray[np.float64]
    alpha2f: NDArray[np.float64]
    cumulative_lambda: NDArray[np.float64]


@dataclass(frozen=True)
class SeriesPoint:
    """One fine mesh and smearing of a convergence series.

    Attributes
    ----------
    label : str
    kpoints, qpoints : tuple of three int, or None
        The fine meshes; None where the screening has not stored them.
    degaussw_ev : float or None
        Electron smearing.
    lambda_ : float
    allen_dynes_k : float or None
        At the first mu*.
    gates_passed : bool or None
        Whether N(E_F) and E_F agree with pw.x; None where that was not checked.
    failures : tuple of str
        Which of them do not.
    """

    label: str
    kpoints: Mesh | None
    qpoints: Mesh | None
    degaussw_ev: float | None
    lambda_: float
    allen_dynes_k: float | None
    gates_passed: bool | None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class TcRow:
    """Tc of the chosen alpha2F at one mu*: Allen-Dynes, and isotropic Eliashberg (None where it was not bracketed)."""

    mu_star: float
    allen_dynes_k: float
    eliashberg_k: float | None


@dataclass(frozen=True)
class Convergence:
    """What a series says of itself.

    Attributes
    ----------
    status : str
        ``converged``, ``not_converged`` or ``estimate_only``.
    reason : str
    tolerance : float or None
        Relative.
    tolerance_k : float or None
        Least tolerance of Tc, in K.
    smearing_settled : bool or None
        Whether Tc on the finest k-mesh agrees between the smearings. None where that is not known.
    """

    status: str
    reason: str = ""
    tolerance: float | None = None
    tolerance_k: float | None = None
    smearing_settled: bool | None = None


@dataclass(frozen=True)
class Estimate:
    """The cheap estimate from a coarse alpha2F, rescaled by the density of states of a dense mesh."""

    label: str
    lambda_: float
    omega_log_mev: float | None
    allen_dynes_k: float | None


@dataclass(frozen=True)
class CouplingResult:
    """The coupling of one crystal at one pressure.

    Attributes
    ----------
    key : str
        Of the candidate, or the name of a file.
    formula : str or None
        None for a file.
    pressure_gpa : float or None
        None where it is not known.
    chosen : str
        Label of the fine mesh that answers, or of the estimate where that was enough.
    lambda_ : float
    omega_log_mev : float or None
        Both of the chosen alpha2F.
    spectra : tuple of Spectrum
    points : tuple of SeriesPoint
    tc : tuple of TcRow
        In the campaign's order of mu*; empty where Tc was not solved for.
    spread_k : tuple of two float, or None
        Lowest and highest Allen-Dynes Tc at the first mu* over the series.
    unverified : tuple of str
        Why the Tc is not to be trusted; empty if it is.
    convergence : Convergence or None
    estimate : Estimate or None
    """

    key: str
    formula: str | None
    pressure_gpa: float | None
    chosen: str
    lambda_: float
    omega_log_mev: float | None
    spectra: tuple[Spectrum, ...] = ()
    points: tuple[SeriesPoint, ...] = ()
    tc: tuple[TcRow, ...] = ()
    spread_k: tuple[float, float] | None = None
    unverified: tuple[str, ...] = ()
    convergence: Convergence | None = None
    estimate: Estimate | None = None

    @property
    def estimated(self) -> bool:
        """Whether the cheap estimate answers, because no fine mesh was needed."""
        return self.estimate is not None and self.chosen == self.estimate.label


@dataclass(frozen=True)
class TcPoint:
    """Tc of a candidate at one pressure.

    Attributes
    ----------
    pressure_gpa : float
    mu_star : float
        The first of the campaign.
    allen_dynes_k : float
        At that mu*.
    spread_k : tuple of two float, or None
        Its range over fine meshes and smearings.
    eliashberg_k : float or None
        Isotropic, at that mu*; None where it was not bracketed.
    unverified : bool
    estimated : bool
        From the cheap estimate, without fine meshes.
    """

    pressure_gpa: float
    mu_star: float
    allen_dynes_k: float
    spread_k: tuple[float, float] | None
    eliashberg_k: float | None
    unverified: bool
    estimated: bool = False

    @property
    def merit(self) -> float:
        """Figure of merit S of the Allen-Dynes Tc."""
        return figure_of_merit(self.allen_dynes_k, self.pressure_gpa)


@dataclass(frozen=True)
class TcCurve:
    """Tc of one candidate against pressure; ``points`` ascend in pressure and are at least one."""

    key: str
    formula: str
    points: tuple[TcPoint, ...]


@dataclass(frozen=True)
class GapDistribution:
    """How the superconducting gap is distributed over the Fermi surface at one temperature.

    Attributes
    ----------
    temperature_k : float
    gap_mev : NDArray, shape (n,)
        Increasing, one for each class of states with the same gap; n is 0 where there is no gap any more.
    weight : NDArray, shape (n,)
        Share of each in the Fermi surface; they add up to 1.
    """

    temperature_k: float
    gap_mev: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class GapCurves:
    """Gaps of one candidate at one pressure; ``distributions`` ascend in temperature."""

    key: str
    formula: str
    pressure_gpa: float | None
    distributions: tuple[GapDistribution, ...]


def spectrum(label: str, energy_mev: ArrayLike, alpha2f: ArrayLike) -> Spectrum:
    """Return an alpha2F with the coupling it adds up to.

    Parameters
    ----------
    label : str
        Also names the spectrum in an error.
    energy_mev : array_like, shape (n,)
        Strictly increasing; those at or below zero are dropped.
    alpha2f : array_like, shape (n,)

    Returns
    -------
    Spectrum
        Integrated by the trapezoidal rule as the moments are, so that its end is the lambda that Tc stands on, see
        `hts.superconductivity.moments`.

    Raises
    ------
    UserError
        As `hts.superconductivity.spectrum_on_positive_energies`.
    """
    try:
        energy, values = spectrum_on_positive_energies(energy_mev, alpha2f)
    except ValueError as error:
        raise UserError(f"alpha2F {label}: {error}") from error
    integrand = 2 * values / energy
    steps = (integrand[1:] + integrand[:-1]) / 2 * np.diff(energy)
    return Spectrum(label, energy, values, np.concatenate([[0.0], np.cumsum(steps)]))


def file_result(path: Path, unit: str | None = None, column: int = 1) -> CouplingResult:
    """Return the coupling of an alpha2F file, with Tc at mu* = 0.10.

    Parameters
    ----------
    path : Path
    unit : str, optional
    column : int
        Both as for `hts.alpha2f.read_alpha2f`.

    Raises
    ------
    UserError
        As `hts.alpha2f.read_alpha2f`, and for a spectrum that is none.
    """
    energy_mev, alpha2f = read_alpha2f(path, unit, column)
    drawn = spectrum(path.name, energy_mev, alpha2f)
    table = tc_table(energy_mev, alpha2f, [FILE_MU_STAR])
    return CouplingResult(
        key=path.name,
        formula=None,
        pressure_gpa=None,
        chosen=path.name,
        lambda_=table["lambda"],
        omega_log_mev=table["omega_log_mev"],
        spectra=(drawn,),
        tc=table_rows(table),
    )


def table_rows(table: Mapping[str, Any]) -> tuple[TcRow, ...]:
    """Return the rows of a table of Tc, see `hts.superconductivity.tc_table`; empty without one."""
    return tuple(TcRow(row["mu_star"], row["allen_dynes_k"], row.get("eliashberg_k")) for row in table.get("tc", []))


def mesh_text(mesh: Mesh) -> str:
    """Return a mesh as it is printed: 24³, or 24×24×12."""
    return f"{mesh[0]}³" if len(set(mesh)) == 1 else "×".join(map(str, mesh))


def point_text(label: str, points: Sequence[SeriesPoint]) -> str:
    """Return what a picture calls one member of a series: its meshes and smearing, else its label."""
    point = next((point for point in points if point.label == label), None)
    if point is None or point.kpoints is None or point.qpoints is None or point.degaussw_ev is None:
        return label
    return f"k {mesh_text(point.kpoints)}, q {mesh_text(point.qpoints)}, {point.degaussw_ev:g} eV"
