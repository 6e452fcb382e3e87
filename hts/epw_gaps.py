"""What EPW says of the superconducting gap: per temperature in standard output, and over the Fermi surface in files.

The distribution is computed from ``prefix.imag_aniso_gap_FS_TTT.TT``, one row per k-point and band of the full fine
mesh, not from the histogram ``prefix.imag_aniso_gap0_TTT.TT``. EPW 5.3.1 counts a gap in bin ``nint(gap / width) + 1``
of the latter and writes that bin at ``width * bin``, one bin too high; when no gap is near zero, the bins lie beyond
the end of its array and the file holds NaN. From 5.4 on the bins are right, from 5.9 on they are smeared.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hts.epw_spectra import finite_floats
from hts.errors import ParseError

FloatArray = NDArray[np.float64]

_TEMPERATURE = re.compile(r"^ *temp\(\s*\d+\) =\s*(\d+\.\d+) K", re.MULTILINE)
_CONTINUATION = re.compile(r"(?:Pade approximant of|Analytic continuation of)")
_ITERATION = re.compile(r"^ +(\d+)((?: +\S+){3,5}) *$", re.MULTILINE)
_PADE = re.compile(r"pade\s+Re\[znorm\]\s+Re\[delta\][^\n]*\n\s*\d+\s+(\S+)\s+(\S+)")
_RANGE = re.compile(r"Min\. / Max\. values of superconducting gap =\s*(\S+)\s+(\S+) meV")
_SURFACE_NAME = re.compile(r"\.imag_aniso_gap_FS_(\d{3}\.\d\d)$")
# Fortran drops the E before an exponent of three digits.
_EXPONENT = re.compile(r"(\d)([+-]\d{3})$")
# Two states of one star print the same gap to about this; the file holds 1e-15 meV.
_SAME_GAP_MEV = 1e-6
# Energies are printed to 1e-6 eV; the sum over the mesh repeats EPW's density of states to this.
_DOS_TOLERANCE = 1e-3
# A state counts for the extremes of the gap if it has this part of the largest weight.
_NEGLIGIBLE_WEIGHT = 1e-4
# The gap of the last iteration against the first when the solution falls to the normal state.
_COLLAPSED = 1e-2


@dataclass(frozen=True)
class EliashbergTemperature:
    """How the Eliashberg equations ended at one temperature; None: not printed, or not a finite number.

    Attributes
    ----------
    temperature_k : float
    anisotropic : bool
    iterations : int
        Iterations on the imaginary axis that were printed.
    converged : bool or None
        None if the output ends before EPW says so.
    gap_mev : float or None
        At the lowest Matsubara frequency, averaged over the Fermi surface if anisotropic; of the last iteration.
    collapsed : bool
        The gap fell below 1 % of its first value: the normal state, this temperature is above Tc.
    gap_min_mev, gap_max_mev : float or None
        Over the states within the Fermi window; printed since EPW 5.5.
    pade_gap_mev : float or None
        Continued to the real axis.
    pade_failed : bool
        The continuation gave NaN.
    """

    temperature_k: float
    anisotropic: bool
    iterations: int
    converged: bool | None
    gap_mev: float | None
    collapsed: bool
    gap_min_mev: float | None
    gap_max_mev: float | None
    pade_gap_mev: float | None
    pade_failed: bool


@dataclass(frozen=True)
class GapSurface:
    """The gap on the states of the fine mesh that lie within the Fermi window.

    Attributes
    ----------
    kpoints_2pi_over_alat : (n, 3), Cartesian
    band : (n,), counted from the lowest band within the window
    energy_ev : (n,), from the Fermi energy
    gap_mev : (n,)
    """

    kpoints_2pi_over_alat: FloatArray
    band: NDArray[np.int64]
    energy_ev: FloatArray
    gap_mev: FloatArray


@dataclass(frozen=True)
class GapDistribution:
    """How the gap is spread over the Fermi surface at one temperature.

    Attributes
    ----------
    temperature_k : float
    gap_mev : (n,), increasing
    weight : (n,), the part of the density of states at the Fermi energy with that gap; sums to 1
    """

    temperature_k: float
    gap_mev: FloatArray
    weight: FloatArray

    @property
    def mean_mev(self) -> float:
        """The gap averaged over the density of states at the Fermi energy."""
        return float(self.weight @ self.gap_mev)

    @property
    def range_mev(self) -> tuple[float, float]:
        """The smallest and largest gap of the states that matter (more than 1e-4 of the largest weight)."""
        counted = self.gap_mev[self.weight > _NEGLIGIBLE_WEIGHT * self.weight.max()]
        return float(counted[0]), float(counted[-1])


def _finite(text: str) -> float | None:
    try:
        value = float(_EXPONENT.sub(r"\1e\2", text.upper().replace("D", "E")))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _pair(match: re.Match[str] | None) -> tuple[float | None, float | None]:
    return (_finite(match.group(1)), _finite(match.group(2))) if match else (None, None)


def _temperature(kelvin: str, block: str) -> EliashbergTemperature:
    start = _CONTINUATION.search(block)
    imaginary, real = (block[: start.start()], block[start.start() :]) if start else (block, "")
    _, _, table = imaginary.partition("iter      ethr")
    rows = [(int(number), _finite(columns.split()[2])) for number, columns in _ITERATION.findall(table)]
    gaps = [gap for _, gap in rows]
    first, last = (gaps[0], gaps[-1]) if gaps else (None, None)
    collapsed = bool(first and last is not None and abs(last) < _COLLAPSED * abs(first))
    ending = re.search(r"Convergence was (not )?reached in nsiter", imaginary)
    pade = _PADE.search(real)
    lowest, highest = _pair(_RANGE.search(imaginary))
    return EliashbergTemperature(
        temperature_k=float(kelvin),
        anisotropic="anisotropic Eliashberg equations on imaginary-axis" in imaginary,
        iterations=rows[-1][0] if rows else 0,
        converged=None if ending is None else ending.group(1) is None,
        gap_mev=last,
        collapsed=collapsed,
        gap_min_mev=lowest,
        gap_max_mev=highest,
        pade_gap_mev=_pair(pade)[1],
        pade_failed=pade is not None and "nan" in " ".join(pade.groups()).lower(),
    )


def parse_temperatures(stdout: str) -> list[EliashbergTemperature]:
    """Read how the Eliashberg equations went, temperature by temperature (EPW 5.3 to 6.0).

    Parameters
    ----------
    stdout : str
        Whole or cut.

    Returns
    -------
    list of EliashbergTemperature
        In the order of the output; empty if the equations were not begun.
    """
    starts = list(_TEMPERATURE.finditer(stdout))
    ends = [*(match.start() for match in starts[1:]), len(stdout)]
    return [_temperature(match.group(1), stdout[match.end() : end]) for match, end in zip(starts, ends, strict=False)]


def surface_temperature_k(name: str) -> float | None:
    """Return the temperature in the name of a gap file, to 0.01 K; None if it is not one."""
    match = _SURFACE_NAME.search(name)
    return float(match.group(1)) if match else None


def parse_gap_surface(text: str) -> GapSurface:
    """Read ``prefix.imag_aniso_gap_FS_TTT.TT``.

    Parameters
    ----------
    text : str

    Returns
    -------
    GapSurface

    Raises
    ------
    ParseError
        If there is no row, or one is cut or not of finite numbers. A file that is cut between two rows is not told from
        a whole one here; :func:`gap_distribution` does.
    """
    what = "prefix.imag_aniso_gap_FS"
    header, _, body = text.partition("\n")
    if "delta(0)" not in header or not body.strip():
        raise ParseError(f"{what} begins with {header.strip()[:60]!r} and holds no state, wanted rows; rerun epw.x")
    rows = [finite_floats(line, what) for line in body.splitlines()]
    if not text.endswith("\n") or any(len(row) != 6 for row in rows):
        raise ParseError(f"{what} has a row that is not of 6 columns: it is cut; rerun epw.x")
    data = np.array(rows)
    return GapSurface(data[:, :3], data[:, 3].astype(np.int64), data[:, 4], data[:, 5])


def _delta_function(x: FloatArray, ngaussw: int) -> FloatArray:
    """Return the smeared delta function of QE, of unit area in x = energy / smearing."""
    gaussian = np.exp(-np.minimum(x**2, 200.0)) / math.sqrt(math.pi)
    if ngaussw == 0:
        return gaussian
    if ngaussw == 1:
        return gaussian * (1.5 - x**2)
    if ngaussw == -1:
        shifted = x - 1 / math.sqrt(2)
        return np.exp(-np.minimum(shifted**2, 200.0)) * (2 - math.sqrt(2) * x) / math.sqrt(math.pi)
    if ngaussw == -99:
        return 1 / (2 + np.exp(-np.minimum(np.abs(x), 200.0)) + np.exp(np.minimum(np.abs(x), 200.0)))
    raise ParseError(f"ngaussw is {ngaussw}, wanted -99, -1, 0 or 1 to weigh the gaps; use one of these")


def gap_distribution(
    surface: GapSurface,
    temperature_k: float,
    degaussw_ev: float,
    kmesh: Sequence[int],
    dos_ef_per_spin_ev: float,
    ngaussw: int = 1,
) -> GapDistribution:
    """Weigh the gaps by a Gaussian delta function at the Fermi energy.

    EPW's own weights (Methfessel-Paxton) are negative beyond 1.2 smearings; they serve to check that the file is whole:
    their mean over the mesh must repeat the density of states that EPW printed.

    Parameters
    ----------
    surface : GapSurface
    temperature_k : float
    degaussw_ev : float
        Smearing of the run.
    kmesh : sequence of int, (3,)
        The fine mesh.
    dos_ef_per_spin_ev : float
        As EPW printed it, states/(spin eV cell).
    ngaussw : int
        EPW's keyword.

    Returns
    -------
    GapDistribution
        States of equal gap (to 1e-6 meV, one star) are one entry.

    Raises
    ------
    ParseError
        If the density of states differs by more than 0.1 %: rows are missing.
    """
    scaled = surface.energy_ev / degaussw_ev
    dos = float(_delta_function(scaled, ngaussw).sum() / degaussw_ev / math.prod(kmesh))
    if not math.isclose(dos, dos_ef_per_spin_ev, rel_tol=_DOS_TOLERANCE):
        raise ParseError(
            f"prefix.imag_aniso_gap_FS adds up to N(E_F) = {dos:.5f}, EPW printed {dos_ef_per_spin_ev:.5f}, wanted the "
            "same: rows are missing; rerun epw.x"
        )
    weight = _delta_function(scaled, 0)
    # Adding zero turns -0 into 0.
    keys, place = np.unique(np.round(surface.gap_mev / _SAME_GAP_MEV) + 0.0, return_inverse=True)
    summed = np.bincount(place, weights=weight, minlength=len(keys))
    return GapDistribution(temperature_k, keys * _SAME_GAP_MEV, summed / summed.sum())
