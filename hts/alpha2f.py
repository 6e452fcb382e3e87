"""Reading alpha2F from the files that the codes write, and from plain columns.

Known by their headers: EPW's ``prefix.a2f`` and ``prefix.a2f_proj`` (meV), ``a2F.dosN`` of QE's matdyn.x (Ry) and
``alpha2F.dat`` of QE's lambda.x (THz). Anything else is columns of numbers, energies first, separated by blanks, commas
or semicolons, and needs its unit said unless its header names one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hts.errors import UserError
from hts.units import MEV_PER_CM1, MEV_PER_RY, MEV_PER_THZ

MEV_PER_UNIT = {"meV": 1.0, "THz": MEV_PER_THZ, "cm-1": MEV_PER_CM1, "Ry": MEV_PER_RY}

_UNIT_NAMES = {
    "meV": re.compile(r"\bmeV\b", re.IGNORECASE),
    "THz": re.compile(r"\bTHz\b", re.IGNORECASE),
    "cm-1": re.compile(r"\bcm\s*(?:\^|\*\*)?\s*\{?\(?(?:-|\N{MINUS SIGN})1|\bcm⁻¹", re.IGNORECASE),
    "Ry": re.compile(r"\bRy(?:d|dberg)?s?\b", re.IGNORECASE),
}
_EPW_HEADER = re.compile(r"a2f and integrated 2\*a2f/w for\s+(\d+)\s+smearing")
# Its format is (f12.7, 20f12.7): with more than 10 smearings a row goes on in the next line.
_EPW_NUMBERS_IN_LINE = (21, 21)
# EPW after 5.9 (`write_a2f`) always writes energy, alpha2F and its integral, whatever number its header gives.
_EPW_SINGLE = 3
_LAMBDA_X_HEADER = re.compile(r"#\s*E\s*\(THz\)((?:\s+\d*\.\d+(?:[eE][-+]?\d+)?)+)\s*")
# Its formats are ('# E(THz)', 10(f10.3)) and (f8.4, 10(f10.5)): with more than 10 smearings both go on in next lines.
_LAMBDA_X_NUMBERS_IN_LINE = (11, 10)
# Fortran drops the E before an exponent of three digits and may write D for it.
_FORTRAN_NUMBER = re.compile(r"([+-]?(?:\d+\.\d*|\.\d+))(?:[dD]([+-]?\d+)|([+-]\d{3}))")


@dataclass(frozen=True)
class _Layout:
    """What the header says.

    Name of the format, unit, number of alpha2F columns and what they are, numbers in a row and in its first and further
    lines, end mark, number of header lines that look like rows.
    """

    name: str = "columns"
    unit: str | None = None
    n_spectra: int | None = None
    columns: str = "unknown"
    width: int | None = None
    numbers_in_line: tuple[int, int] | None = None
    end_mark: str | None = None
    n_header: int = 0


def read_alpha2f(
    path: str | Path, unit: str | None = None, column: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the Eliashberg function from a file.

    Parameters
    ----------
    path
        The file: EPW's prefix.a2f or prefix.a2f_proj, QE's a2F.dosN or alpha2F.dat, or columns of numbers.
    unit
        Unit of the energies: ``meV``, ``THz``, ``cm-1`` or ``Ry``. None takes it from the header. One that contradicts
        the header is an error.
    column
        Which alpha2F column, 1 being the first after the energies: a phonon smearing in prefix.a2f, an electronic one
        in alpha2F.dat; in a2F.dosN and prefix.a2f_proj, 1 is the total and the others are modes.

    Returns
    -------
    tuple
        Energies in meV and alpha2F, both of shape (n,), as they stand in the file: energies strictly increasing, all
        values finite, n >= 2. Negative energies and small negative alpha2F are left to `hts.superconductivity`.

    Raises
    ------
    UserError
        In one line with the file's name: unreadable, empty, truncated, not numbers (``***`` included), not finite, rows
        of different length, too few columns, energies out of order, no such column, unit unknown or contradictory.
    """
    if unit is not None and unit not in MEV_PER_UNIT:
        raise UserError(f"{path}: unit {unit!r} is unknown, wanted {', '.join(MEV_PER_UNIT)}: choose one with --unit")
    lines = _lines(path)
    layout = _layout(lines)
    mev_per_unit = MEV_PER_UNIT[_unit(path, unit, layout)]
    table = _table(path, lines, layout)
    n_spectra = layout.n_spectra or table.shape[1] - 1
    if not 1 <= column <= n_spectra:
        raise UserError(
            f"{path}: column {column} is not an alpha2F column, the file has 1 to {n_spectra}: choose with --column"
        )
    energy, spectrum = table[:, 0], table[:, column]
    if not (np.isfinite(energy).all() and np.isfinite(spectrum).all()):
        raise UserError(
            f"{path}: NaN or infinity in column {column}, wanted finite numbers: rerun the code that wrote it"
        )
    disorder = np.flatnonzero(np.diff(energy) <= 0)
    if disorder.size:
        here = int(disorder[0])
        raise UserError(
            f"{path}: energy {energy[here + 1]:g} follows {energy[here]:g} in data row {here + 2}, wanted strictly "
            "increasing energies: sort the rows"
        )
    return energy * mev_per_unit, spectrum


def smearing_columns(path: str | Path) -> list[int]:
    """Columns of a file that hold alpha2F of one material at different smearings, for `read_alpha2f`.

    Parameters
    ----------
    path
        EPW's prefix.a2f (phonon smearings) or QE's alpha2F.dat (electronic ones).

    Returns
    -------
    list
        1 to the number of smearings.

    Raises
    ------
    UserError
        As `read_alpha2f` for a file that cannot be read; for any other format, whose columns are modes (a2F.dosN,
        prefix.a2f_proj) or unknown.
    """
    layout = _layout(_lines(path))
    if layout.n_spectra is None or layout.columns != "smearings":
        raise UserError(
            f"{path}: the columns of {layout.name} are {layout.columns}, wanted smearings as in EPW's prefix.a2f or "
            "alpha2F.dat of lambda.x: name the columns to compare with --column"
        )
    return list(range(1, layout.n_spectra + 1))


def _lines(path: str | Path) -> list[str]:
    """Read the lines of a text file that is not empty."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file, wanted columns of numbers: give an alpha2F file") from error
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise UserError(f"{path}: {reason}, wanted a readable alpha2F file: check the path") from error
    if not text.strip():
        raise UserError(
            f"{path}: the file is empty, wanted columns of energy and alpha2F: rerun the code that wrote it"
        )
    return text.splitlines()


def _layout(lines: list[str]) -> _Layout:
    """Recognise the format by what stands above the first row of numbers."""
    n_header = next((index for index, line in enumerate(lines) if _numbers(line)), len(lines))
    header = "\n".join(lines[:n_header])
    epw = _EPW_HEADER.search(header)
    if epw:
        single = n_header < len(lines) and len(_numbers(lines[n_header])) == _EPW_SINGLE
        n_smearings = 1 if single else int(epw[1])
        return _Layout(
            "EPW prefix.a2f",
            "meV",
            n_smearings,
            "smearings",
            1 + 2 * n_smearings,
            _EPW_NUMBERS_IN_LINE,
            "integrated el-ph coupling",
        )
    if "a2f_modeproj" in header:
        return _Layout("EPW prefix.a2f_proj", "meV", columns="modes", end_mark="lambda_int")
    if "Eliashberg function a2F" in header and "frequencies in Rydberg" in header:
        return _Layout("matdyn.x a2F.dos", "Ry", columns="modes", end_mark="lambda")
    lambda_x = _LAMBDA_X_HEADER.fullmatch(header.strip())
    if lambda_x:
        return _lambda_x_layout(lines, n_header, len(lambda_x[1].split()))
    named = [name for name, pattern in _UNIT_NAMES.items() if pattern.search(header)]
    return _Layout(unit=named[0] if len(named) == 1 else None)


def _lambda_x_layout(lines: list[str], n_header: int, n_smearings: int) -> _Layout:
    """Count the smearings of alpha2F.dat: a header of more than ten goes on in lines without a mark.

    A row begins with its energy and has 11 numbers in its first line then, so that it is told from the header.
    """
    first, further = _LAMBDA_X_NUMBERS_IN_LINE
    while n_smearings % further == 0 and n_header < len(lines) and 0 < len(_numbers(lines[n_header])) < first:
        n_smearings += len(_numbers(lines[n_header]))
        n_header += 1
    return _Layout(
        "lambda.x alpha2F.dat",
        "THz",
        n_smearings,
        "smearings",
        1 + n_smearings,
        _LAMBDA_X_NUMBERS_IN_LINE,
        n_header=n_header,
    )


def _unit(path: str | Path, unit: str | None, layout: _Layout) -> str:
    """Take the unit of the energies from the user, else from the header."""
    if unit is not None and layout.unit is not None and unit != layout.unit:
        raise UserError(
            f"{path}: unit {unit} was given but the header says {layout.unit}, wanted one of them: drop --unit, "
            "or remove the header if it is wrong"
        )
    found = unit or layout.unit
    if found is None:
        raise UserError(
            f"{path}: the header names no unit of energy (or several), wanted one of {', '.join(MEV_PER_UNIT)}: "
            "give it with --unit"
        )
    return found


def _table(path: str | Path, lines: list[str], layout: _Layout) -> NDArray[np.float64]:
    """Collect the rows of numbers, shape (n, columns), and hold the file to its layout."""
    rows: list[list[float]] = []
    width, ended, broken = layout.width, False, False
    for number, values in _data_lines(path, lines, layout):
        if values is None:
            ended = True
            break
        further = broken
        row = rows.pop() + values if further else values
        rows.append(row)
        width = width or len(row)
        broken = len(row) < width and _line_is_full(layout, len(values), further)
        if len(row) != width and not broken:
            raise UserError(
                f"{path}: the row ending in line {number} has {len(row)} columns, wanted {width}: the file is damaged "
                "or not an alpha2F file, rerun the code that wrote it"
            )
    if broken or (layout.end_mark is not None and not ended):
        raise UserError(
            f"{path}: the end of {layout.name} (last row, then {layout.end_mark or 'nothing'!r}) is missing, wanted a "
            "whole file: it is truncated, rerun the code that wrote it"
        )
    if width is None or width < 2 or len(rows) < 2:
        raise UserError(
            f"{path}: {len(rows)} rows of {width or 0} columns, wanted at least 2 rows of energy and alpha2F: "
            "give an alpha2F file"
        )
    return np.array(rows)


def _line_is_full(layout: _Layout, n_numbers: int, further: bool) -> bool:
    """Tell whether a line of a row, the first or a further one, is as long as its format allows."""
    return layout.numbers_in_line is not None and n_numbers == layout.numbers_in_line[further]


def _data_lines(path: str | Path, lines: list[str], layout: _Layout) -> Iterator[tuple[int, list[float] | None]]:
    """Yield line number and numbers of each row below the header; None in place of numbers at the end mark."""
    started = False
    for number, line in enumerate(lines[layout.n_header :], start=1 + layout.n_header):
        stripped = line.strip()
        values = _numbers(stripped)
        if values:
            started = True
            yield number, values
        elif layout.end_mark is not None and started and stripped.lower().startswith(layout.end_mark):
            yield number, None
            return
        elif stripped and stripped[0] not in "#!@%" and (started or "***" in stripped or _numbers(stripped.split()[0])):
            raise UserError(
                f"{path}: line {number} is not a row of numbers ({stripped[:40]!r}), wanted energy and alpha2F: "
                "repair the file or rerun the code that wrote it"
            )


def _numbers(line: str) -> list[float]:
    """Numbers of a line, or an empty list if any of its words is not one."""
    try:
        return [_number(word) for word in re.split(r"[,;\s]+", line.strip(" \t,;")) if word]
    except ValueError:
        return []


def _number(word: str) -> float:
    """Read a number as Python or Fortran writes it; ValueError if it is none."""
    fortran = _FORTRAN_NUMBER.fullmatch(word)
    if fortran:
        return float(f"{fortran[1]}e{fortran[2] or fortran[3]}")
    return float(word)
