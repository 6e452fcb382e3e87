"""What ph.x prints with ``electron_phonon = 'simple'``: electron-phonon coupling on the k-mesh of the scf, as text.

Per q-point and Gaussian width it prints the linewidth gamma and lambda of every mode (spelt out in `elphsum_simple` of
its elphon.f90, version 6.7; after P. B. Allen, Phys. Rev. B 6, 2577 (1972), https://doi.org/10.1103/PhysRevB.6.2577):

    gamma_qv  = 2 pi omega_qv sum_k,mn |g_qv(km, k+qn)|^2 delta(e_km - E_F) delta(e_k+qn - E_F)
    lambda_qv = gamma_qv / (pi N(E_F) omega_qv^2)

with the sum and N(E_F) per spin. Both delta functions are Gaussians exp(-(x / sigma)^2) / (sigma sqrt(pi)); E_F and
N(E_F) are taken with first-order Methfessel-Paxton smearing of the same width (``el_ph_ngauss`` is 1 unless set).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hts.dynmat import DynamicalMatrix
from hts.errors import ParseError
from hts.phonons import signed_frequencies_cm1
from hts.units import CM1_PER_RY, MEV_PER_RY, MEV_PER_THZ

# The smearings that the trial runs used: 0.01 to 0.10 Ry.
EL_PH_SIGMA_RY = 0.01
EL_PH_NSIGMA = 10
_GHZ_PER_RY = 1000 * MEV_PER_RY / MEV_PER_THZ
# Half a unit of the last digit that ph.x prints, of sigma (f7.3), lambda (f8.4) and gamma (f8.2).
_SIGMA_ROUNDING_RY, _LAMBDA_ROUNDING, _GAMMA_ROUNDING_GHZ = 0.5e-3, 0.5e-4, 0.5e-2
# Below 20 cm^-1 ph.x prints lambda = 0 instead of dividing by the square of the frequency.
NO_LAMBDA_BELOW_CM1 = 20.0
_SAME_POINT = 1e-6
_RERUN = "rerun ph.x with electron_phonon = 'simple'"
_HEADING = "Diagonalizing the dynamical matrix"
_QPOINT = re.compile(r"^\s*q = \(\s*(\S+)\s+(\S+)\s+(\S+)\s*\)\s*$", re.MULTILINE)
_FREQUENCY = re.compile(r"^\s*freq \(\s*(\d+)\) =.*\[THz\] =\s*(\S+) \[cm-1\]\s*$", re.MULTILINE)
_SMEARING = re.compile(r"^\s*Gaussian Broadening:\s*(\S+) Ry, ngauss=\s*0\s*$", re.MULTILINE)
_DOS = re.compile(r"^\s*DOS =\s*(\S+) states/spin/Ry/Unit Cell at Ef=\s*(\S+) eV\s*$", re.MULTILINE)
_MODE = re.compile(r"^\s*lambda\(\s*(\d+)\)=\s*(\S+)\s+gamma=\s*(\S+) GHz\s*$", re.MULTILINE)


@dataclass(frozen=True)
class SimpleCoupling:
    """What ph.x printed for one irreducible q-point: m smearings, 3 N modes.

    Attributes
    ----------
    qpoint_2pi_over_a : NDArray, shape (3,)
        Cartesian, units of 2 pi / alat.
    frequencies_cm1 : NDArray, shape (3 N,)
        Ascending, imaginary ones negative; no acoustic sum rule.
    translations : tuple of int
        At Gamma which three modes (from 0) are the translations; empty elsewhere. Their lambda means nothing.
    sigma_ry : NDArray, shape (m,)
        Width of the Gaussians that stand for both delta functions.
    dos_ef : NDArray, shape (m,)
        N(E_F) in states per spin, Ry and cell.
    fermi_ev : NDArray, shape (m,)
    lambda_ : NDArray, shape (m, 3 N)
        NaN where the number did not fit its field (``********``). Zero below 20 cm^-1, where ph.x gives none, and
        negative for an imaginary mode.
    gamma_ghz : NDArray, shape (m, 3 N)
        NaN likewise.
    """

    qpoint_2pi_over_a: NDArray[np.float64]
    frequencies_cm1: NDArray[np.float64]
    translations: tuple[int, ...]
    sigma_ry: NDArray[np.float64]
    dos_ef: NDArray[np.float64]
    fermi_ev: NDArray[np.float64]
    lambda_: NDArray[np.float64]
    gamma_ghz: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Return plain built-in types, a list entry per smearing; what did not fit its field is None."""

        def plain(values: NDArray[np.float64]) -> list[float | None]:
            return [None if math.isnan(value) else value for value in values.tolist()]

        return {
            "qpoint_2pi_over_a": self.qpoint_2pi_over_a.tolist(),
            "frequencies_cm1": self.frequencies_cm1.tolist(),
            "translations": list(self.translations),
            "smearings": [
                {
                    "sigma_ry": float(self.sigma_ry[index]),
                    "dos_ef": float(self.dos_ef[index]),
                    "fermi_ev": float(self.fermi_ev[index]),
                    "lambda": plain(self.lambda_[index]),
                    "gamma_ghz": plain(self.gamma_ghz[index]),
                }
                for index in range(len(self.sigma_ry))
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "SimpleCoupling":
        """Restore what `to_dict` returned; further keys are ignored."""
        smearings = content["smearings"]
        columns = {key: np.array([each[key] for each in smearings], dtype=np.float64) for key in smearings[0]}
        return cls(
            qpoint_2pi_over_a=np.array(content["qpoint_2pi_over_a"], dtype=np.float64),
            frequencies_cm1=np.array(content["frequencies_cm1"], dtype=np.float64),
            translations=tuple(content["translations"]),
            lambda_=columns.pop("lambda"),
            **columns,
        )


def parse_simple(
    text: str, sigma_ry: float = EL_PH_SIGMA_RY, n_sigma: int = EL_PH_NSIGMA
) -> tuple[SimpleCoupling, ...]:
    """Read the standard output of ph.x with ``electron_phonon = 'simple'``.

    Parameters
    ----------
    text : str
    sigma_ry, n_sigma : float, int
        ``el_ph_sigma`` and ``el_ph_nsigma`` of the input. Only three decimals of sigma are printed.

    Returns
    -------
    tuple of SimpleCoupling
        One for each q-point, in the order of the file. At Gamma the translations are taken to be the three modes
        nearest to zero, which a soft optical mode can upset: see `identify_translations`.

    Raises
    ------
    ParseError
        If the run did not finish, anything is missing, cut or not a finite number (all but ``********``), or a lambda
        does not belong to its linewidth.
    """
    if "JOB DONE" not in text:
        raise ParseError(f"ph.x: the output ends before JOB DONE, wanted a finished run; {_RERUN}")
    sections = text.split(_HEADING)[1:]
    if not sections:
        raise ParseError(f"ph.x: no electron-phonon block found, wanted one for each q-point; {_RERUN}")
    wanted_ry = sigma_ry * np.arange(1, n_sigma + 1, dtype=np.float64)
    return tuple(_read_qpoint(section, wanted_ry) for section in sections)


def _number(text: str, what: str) -> float:
    """Return a finite number, or NaN for a field that Fortran filled with stars."""
    if text and not text.strip("*"):
        return math.nan
    try:
        value = float(text)
    except ValueError as error:
        raise ParseError(f"ph.x: {what} is {text[:30]!r}, wanted a number; {_RERUN}") from error
    if not math.isfinite(value):
        raise ParseError(f"ph.x: {what} is {text[:30]!r}, wanted a finite number; {_RERUN}")
    return value


def _known(text: str, what: str) -> float:
    """Return a finite number; stars won't do."""
    value = _number(text, what)
    if math.isnan(value):
        raise ParseError(f"ph.x: {what} is {text[:30]!r}, wanted a number; {_RERUN}")
    return value


def _read_qpoint(section: str, wanted_ry: NDArray[np.float64]) -> SimpleCoupling:
    head, *blocks = _SMEARING.split(section)
    place = _QPOINT.search(head)
    frequencies = _FREQUENCY.findall(head)
    if place is None or not frequencies:
        raise ParseError(f"ph.x: a q-point or its frequencies are missing; {_RERUN}")
    qpoint = np.array([_known(value, "a coordinate of q") for value in place.groups()])
    n_modes = len(frequencies)
    if n_modes % 3 or [int(number) for number, _ in frequencies] != list(range(1, n_modes + 1)):
        raise ParseError(f"ph.x: {n_modes} frequencies found, wanted three for each atom in order; {_RERUN}")
    frequencies_cm1 = np.array([_known(value, "a frequency") for _, value in frequencies])
    # re.split leaves the printed widths between the blocks that belong to them.
    if len(blocks) != 2 * len(wanted_ry):
        raise ParseError(f"ph.x: {len(blocks) // 2} smearings found, wanted {len(wanted_ry)}; {_RERUN}")
    dos_ef, fermi_ev, lambdas, gammas = [], [], [], []
    for printed, body, sigma_ry in zip(blocks[::2], blocks[1::2], wanted_ry, strict=True):
        if abs(_known(printed, "a smearing") - sigma_ry) > 1.1 * _SIGMA_ROUNDING_RY:
            raise ParseError(f"ph.x: found the smearing {printed} Ry, wanted {sigma_ry:g}; {_RERUN}")
        dos, fermi, modes = _read_block(body, n_modes)
        _check_linewidths(frequencies_cm1, dos, modes)
        dos_ef.append(dos)
        fermi_ev.append(fermi)
        lambdas.append(modes[:, 0])
        gammas.append(modes[:, 1])
    nearest_zero = np.sort(np.argsort(np.abs(frequencies_cm1), kind="stable")[:3])
    return SimpleCoupling(
        qpoint_2pi_over_a=qpoint,
        frequencies_cm1=frequencies_cm1,
        translations=tuple(nearest_zero.tolist()) if np.abs(qpoint).max() < _SAME_POINT else (),
        sigma_ry=wanted_ry,
        dos_ef=np.array(dos_ef),
        fermi_ev=np.array(fermi_ev),
        lambda_=np.array(lambdas),
        gamma_ghz=np.array(gammas),
    )


def _read_block(body: str, n_modes: int) -> tuple[float, float, NDArray[np.float64]]:
    """Return N(E_F), E_F and, shape (3 N, 2), lambda and gamma of one smearing."""
    found = _DOS.search(body)
    if found is None:
        raise ParseError(f"ph.x: a density of states at E_F is missing; {_RERUN}")
    dos, fermi = _known(found.group(1), "N(E_F)"), _known(found.group(2), "E_F")
    rows = _MODE.findall(body)
    if [int(number) for number, _, _ in rows] != list(range(1, n_modes + 1)):
        raise ParseError(f"ph.x: lambda of {len(rows)} modes found, wanted {n_modes} in order; {_RERUN}")
    return dos, fermi, np.array([[_number(a, "lambda"), _number(b, "gamma")] for _, a, b in rows])


def _check_linewidths(frequencies_cm1: NDArray[np.float64], dos_ef: float, modes: NDArray[np.float64]) -> None:
    """Refuse a lambda that is not gamma / (pi N omega^2): a digit was garbled on the way."""
    squared_ry2 = np.sign(frequencies_cm1) * (frequencies_cm1 / CM1_PER_RY) ** 2
    ghz_per_lambda = np.pi * dos_ef * squared_ry2 * _GHZ_PER_RY
    apart = np.abs(modes[:, 0] * ghz_per_lambda - modes[:, 1])
    # Two per mille beside the rounding, for the digits of the frequency and of N(E_F).
    allowed = 1.5 * (_LAMBDA_ROUNDING * np.abs(ghz_per_lambda) + _GAMMA_ROUNDING_GHZ) + 2e-3 * np.abs(modes[:, 1])
    printed = np.abs(frequencies_cm1) > NO_LAMBDA_BELOW_CM1
    # Comparisons with NaN, a field of stars, are false.
    if (printed & (apart > allowed)).any():
        raise ParseError(f"ph.x: a lambda and its linewidth contradict each other; the output is garbled: {_RERUN}")


def identify_translations(coupling: SimpleCoupling, matrix: DynamicalMatrix) -> SimpleCoupling:
    """Hold a q-point against the dynamical matrix that ph.x was given, and tell translations by their eigenvectors.

    ph.x 6.7 takes whatever stands in that file, be it cut behind its first matrix or that of another q-point.

    Parameters
    ----------
    coupling : SimpleCoupling
    matrix : DynamicalMatrix

    Returns
    -------
    SimpleCoupling
        At Gamma with the three modes that are most of all rigid translations, not those that are nearest to zero.

    Raises
    ------
    ParseError
        If the matrix is of another q-point or gives other frequencies.
    """
    if not np.allclose(coupling.qpoint_2pi_over_a, matrix.qpoint_2pi_over_a, atol=_SAME_POINT):
        found, wanted = matrix.qpoint_2pi_over_a.tolist(), coupling.qpoint_2pi_over_a.tolist()
        raise ParseError(f"dynamical matrix: it is of q = {found}, ph.x ran at {wanted}; give that of this q-point")
    printed = matrix.printed_frequencies_cm1
    if printed.shape != coupling.frequencies_cm1.shape or not np.allclose(printed, coupling.frequencies_cm1, atol=0.5):
        raise ParseError(f"dynamical matrix: its frequencies are not those that ph.x found in it; {_RERUN}")
    if np.linalg.norm(matrix.qpoint_2pi_over_a) > _SAME_POINT:
        return replace(coupling, translations=())
    root_mass = np.repeat(np.sqrt(matrix.masses_ry), 3)
    dynamical = matrix.force_constants_ry_bohr2 / np.outer(root_mass, root_mass)
    values, vectors = np.linalg.eigh((dynamical + dynamical.conj().T) / 2)
    rigid = np.kron(np.sqrt(matrix.masses_ry)[:, None], np.eye(3))
    rigid /= np.linalg.norm(rigid, axis=0)
    share = (np.abs(rigid.T @ vectors) ** 2).sum(axis=0)
    order = np.argsort(signed_frequencies_cm1(values), kind="stable")
    chosen = np.sort(np.argsort(-share[order], kind="stable")[:3])
    return replace(coupling, translations=tuple(chosen.tolist()))
