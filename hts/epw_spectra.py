"""EPW's spectra and bands: ``prefix.a2f``, ``prefix.phdos``, ``band.eig``, ``phband.freq``.

All or nothing: a file that is cut or garbled raises :class:`hts.errors.ParseError`, because an integral over part of a
spectrum looks like any other number. The formats are the same in EPW 5.3 to 6.0.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from hts.errors import ParseError


@dataclass(frozen=True)
class EpwAlpha2F:
    """The content of ``prefix.a2f``: m phonon smearings (columns), n energies.

    Attributes
    ----------
    energy_mev : (n,)
    alpha2f : (m, n), dimensionless
    integrated_lambda : (m, n), 2 times the integral of alpha2F / energy up to that energy
    smearing_mev : (m,), the Gaussian width of each column
    lambda_ : (m,), total coupling of each column
    degaussw_ev, fsthick_ev : float
        Smearing of the electrons and half-width of the Fermi window.
    """

    energy_mev: np.ndarray
    alpha2f: np.ndarray
    integrated_lambda: np.ndarray
    smearing_mev: np.ndarray
    lambda_: np.ndarray
    degaussw_ev: float
    fsthick_ev: float


def finite_floats(line: str, what: str) -> list[float]:
    """Read numbers separated by blanks.

    Raises
    ------
    ParseError
        If one is not a number (``****``), or NaN or infinite; the message names the file as ``what``.
    """
    try:
        values = [float(word.upper().replace("D", "E")) for word in line.split()]
    except ValueError as error:
        raise ParseError(f"{what} holds {line.strip()[:60]!r}, which is not numbers; rerun epw.x") from error
    if not all(math.isfinite(value) for value in values):
        raise ParseError(f"{what} holds NaN or infinity; check the Fermi window and the fine meshes")
    return values


def _columns(lines: list[str], what: str, width: int) -> np.ndarray:
    rows = [finite_floats(line, what) for line in lines]
    if len(rows) < 2 or any(len(row) != width for row in rows):
        raise ParseError(
            f"{what} has {len(rows)} rows, wanted at least 2 of {width} columns each; it is cut: rerun epw.x"
        )
    data = np.array(rows)
    if not np.all(np.diff(data[:, 0]) > 0):
        raise ParseError(f"{what} has energies that do not increase (no phonon spectrum); check the coarse q-points")
    return data


def _number_of_smearings(header: str, what: str) -> int:
    match = re.search(r"for\s+(\d+) smearing values", header)
    if not match or not 0 < int(match.group(1)) <= 1000:
        raise ParseError(f"{what} begins with {header.strip()[:60]!r}, wanted a count of smearing values; rerun epw.x")
    return int(match.group(1))


def parse_a2f(text: str) -> EpwAlpha2F:
    """Read a whole ``prefix.a2f`` of EPW 5 (written by ``eliashberg = .true.``).

    Parameters
    ----------
    text : str

    Returns
    -------
    EpwAlpha2F

    Raises
    ------
    ParseError
        If the file is cut anywhere, holds ``****`` or NaN, or its last row is not the total that its footer gives.
    """
    what = "prefix.a2f"
    lines = text.splitlines()
    smearings = _number_of_smearings(lines[0] if lines else "", what)
    footer = next((index for index, line in enumerate(lines) if "Integrated el-ph coupling" in line), None)
    if footer is None or len(lines) < footer + 7 or not text.endswith("\n"):
        raise ParseError(f"{what} has no complete footer (lambda, smearings, Fermi window): it is cut; rerun epw.x")
    data = _columns(lines[1:footer], what, 1 + 2 * smearings)
    total = finite_floats(lines[footer + 1].replace("#", " "), what)
    widths = finite_floats(lines[footer + 3].replace("#", " "), what)
    degaussw = finite_floats(lines[footer + 4].partition("(eV)")[2], what)
    fsthick = finite_floats(lines[footer + 5].partition("(eV)")[2], what)
    summed = finite_floats(lines[footer + 6].partition("coupling")[2], what)
    if not (len(total) == len(widths) == smearings and len(degaussw) == len(fsthick) == len(summed) == 1):
        raise ParseError(f"{what} has a footer for another number of smearings than {smearings}; rerun epw.x")
    if not np.allclose(data[-1, 1 + smearings :], total, atol=1e-5):
        raise ParseError(f"{what} integrates to {data[-1, -1]}, its footer says {total[-1]}: garbled; rerun epw.x")
    return EpwAlpha2F(
        energy_mev=data[:, 0],
        alpha2f=data[:, 1 : 1 + smearings].T,
        integrated_lambda=data[:, 1 + smearings :].T,
        smearing_mev=np.array(widths),
        lambda_=np.array(total),
        degaussw_ev=degaussw[0],
        fsthick_ev=fsthick[0],
    )


def parse_phdos(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Read ``prefix.phdos``.

    Returns
    -------
    energy_mev : (n,)
    dos : (m, n), states/meV for each of m smearings; integrates to the number of modes.

    Raises
    ------
    ParseError
        If the file is cut within a row, or holds anything but finite numbers.
    """
    lines = text.splitlines()
    smearings = _number_of_smearings(lines[0] if lines else "", "prefix.phdos")
    if not text.endswith("\n"):
        raise ParseError("prefix.phdos ends within a row: it is cut; rerun epw.x")
    data = _columns(lines[1:], "prefix.phdos", 1 + smearings)
    return data[:, 0], data[:, 1:].T


def parse_bands(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Read ``band.eig`` (eV) or ``phband.freq`` (meV), written with ``band_plot = .true.``.

    Returns
    -------
    points_2pi_over_alat : (n, 3), Cartesian
    values : (n, bands)

    Raises
    ------
    ParseError
        If there are not as many numbers as the header promises.
    """
    header, _, body = text.partition("\n")
    match = re.search(r"nbnd=\s*(\d+),\s*nks=\s*(\d+)", header)
    if not match:
        raise ParseError(f"a band file begins with {header.strip()[:60]!r}, wanted '&plot nbnd=, nks='; rerun epw.x")
    bands, points = int(match.group(1)), int(match.group(2))
    values = finite_floats(body, "a band file")
    if len(values) != points * (3 + bands) or not values:
        raise ParseError(
            f"a band file has {len(values)} numbers, wanted {points * (3 + bands)}: it is cut; rerun epw.x"
        )
    data = np.array(values).reshape(points, 3 + bands)
    return data[:, :3], data[:, 3:]
