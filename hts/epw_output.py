"""What EPW writes, as text: standard output, ``prefix.a2f``, ``prefix.phdos``, ``band.eig``.

Nothing here knows AiiDA. Standard output is read by a table of patterns with the EPW versions they hold for; a value
that was not printed, or printed as ``****``, is left out. The spectra are all or nothing: a file that is cut or garbled
raises :class:`hts.errors.ParseError`, because an integral over part of a spectrum looks like any other number.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hts.errors import ParseError

Version = tuple[int, ...]

_NUMBER = r"([-+]?\d+\.?\d*(?:[DdEe][-+]?\d+)?)"


def _real(text: str) -> float:
    """Cast a Fortran real (``0.13D+00`` too)."""
    return float(text.upper().replace("D", "E"))


def _mesh(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


@dataclass(frozen=True)
class StdoutField:
    """One quantity of standard output; the last occurrence counts, ``until`` is exclusive."""

    key: str
    cast: Callable[[str], Any]
    pattern: str
    since: Version = (0,)
    until: Version = (999,)


STDOUT_FIELDS = (
    StdoutField("number_of_ranks", int, r"running on\s+(\d+) processors"),
    StdoutField("coarse_kmesh", _mesh, r"Wannierization on\s+(\d+ x\s+\d+ x\s+\d+)\s+electronic grid"),
    StdoutField("number_of_bands", int, r"- Number of bands is \(\s*(\d+)\)"),
    StdoutField("number_of_excluded_bands", int, r"- Number of excluded bands is \(\s*(\d+)\)"),
    StdoutField("number_of_wannier_functions", int, r"- Number of wannier functions is \(\s*(\d+)\)"),
    StdoutField("number_of_irreducible_qpoints", int, r"irreducible q point #\s*(\d+)"),
    StdoutField("fine_qmesh", _mesh, r"Using uniform (?:MP )?q-mesh:((?:\s+\d+){3})"),
    StdoutField("fine_kmesh", _mesh, r"Using uniform (?:MP )?k-mesh:((?:\s+\d+){3})"),
    StdoutField("number_of_fine_qpoints", int, r"We only need to compute\s+(\d+) q-points"),
    StdoutField("fermi_energy_coarse_ev", _real, rf"Fermi energy coarse grid =\s*{_NUMBER} eV"),
    StdoutField(
        "fermi_energy_fine_ev", _real, rf"Fermi energy is calculated from the fine k-mesh: Ef =\s*{_NUMBER} eV"
    ),
    StdoutField("dos_ef_per_spin_ev", _real, rf"DOS\(states/spin/eV/Unit Cell\) =\s*{_NUMBER}\s"),
    StdoutField("degaussw_ev", _real, rf"Electron smearing \(eV\) =\s*{_NUMBER}\s"),
    StdoutField("fsthick_ev", _real, rf"Fermi window \(eV\) =\s*{_NUMBER}\s"),
    StdoutField("number_of_bands_in_fermi_window", int, r"(\d+) bands within the Fermi window"),
    StdoutField("lambda", _real, rf"Electron-phonon coupling strength =\s*{_NUMBER}\s"),
    StdoutField("lambda_tr", _real, rf"lambda_tr\s*:\s*{_NUMBER}\s"),
    StdoutField("omega_log_mev", _real, rf"Estimated w_log(?: in Allen-Dynes Tc)? =\s*{_NUMBER} meV"),
    # Up to EPW 5 the line that says Allen-Dynes holds the plain McMillan-Dynes formula (no f1, f2).
    StdoutField("printed_mcmillan_k", _real, rf"Estimated Allen-Dynes Tc =\s*{_NUMBER} K", until=(6,)),
    StdoutField("printed_mcmillan_k", _real, rf"Estimated Tc using McMillan expression =\s*{_NUMBER} K", since=(5, 4)),
    StdoutField(
        "printed_allen_dynes_k",
        _real,
        rf"Estimated Tc using Allen-Dynes modified McMillan expression =\s*{_NUMBER} K",
        since=(5, 4),
    ),
    StdoutField("printed_mu_star", _real, rf"Tc.* =.* K for muc =\s*{_NUMBER}\s"),
    StdoutField("memory_peak_mb", int, r"VmHWM =\s*(\d+)Mb"),
)

_VERSION = re.compile(r"Program EPW v\.(\d+(?:\.\d+)*)")
_CLOCK = re.compile(r"^\s*(\w+)\s*:.*?CPU\s+([\ddhms. ]+?)\s*WALL", re.MULTILINE)
_TIMED_STEPS = {"WANNIER": "wannierisation", "elphon_wrap": "coarse", "ephwann": "fine", "ELIASHBERG": "alpha2f"}
_CENTRE = re.compile(rf"^\s*\(\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*\)\s*:\s*{_NUMBER}\s*$", re.MULTILINE)
_CENTRES_HEADER = "Wannier Function centers (cartesian, alat) and spreads (ang):"
_ERROR_BLOCK = re.compile(r"%{20,}\n(.*?)(?:\n\s*%{20,}|\Z)", re.DOTALL)

# Patterns in standard output or standard error and the name of the failure. The order matters: the specific come first.
ERROR_PATTERNS = (
    (r"cannot bracket Ef", "ERROR_CANNOT_BRACKET_EF"),
    (
        r"dis_windows:|more states in the frozen window|check disentanglement (?:frozen )?windows"
        r"|energy window contains fewer",
        "ERROR_DISENTANGLEMENT_WINDOW",
    ),
    (
        r"dis_spheres_first_wann is larger|something wrong with num_bands|wrong excluded band index",
        "ERROR_TOO_FEW_BANDS",
    ),
    (r"param_get_projections?:|Could not find projections block", "ERROR_PROJECTIONS"),
    (r"inconsistent nscf and elph k-grids|nscf run inconsistent with epw input", "ERROR_KPOINTS_MISMATCH"),
    (r"nqc /= nq1\*nq2\*nq3|file = '[^']*\.dyn_q\d+'", "ERROR_QPOINTS_MISMATCH"),
    (
        r"error opening \S*dvscf|dvscf_q\d+ too short|check_is_xml_file|Problem with modes file|tag Root not found",
        "ERROR_MISSING_DVSCF",
    ),
    (r"Error in routine mix_broyden", "ERROR_MIX_BROYDEN"),
    (r"only one proc per pool|Number of (?:cores|processes) (?:is different|must be)", "ERROR_POOLS"),
    (
        r"error in MPI_FILE_OPEN|file = '(?:crystal|epwdata|vmedata|dmedata)\.fmt'"
        r"|error opening (?:crystal|epwdata|vmedata|dmedata)\.fmt"
        r"|error opening \S*epmatw|file = '[^']*\.ukk'",
        "ERROR_RESTART_FILES",
    ),
    (
        r"Error allocating|Cannot allocate memory|out of memory|Allocation would exceed",
        "ERROR_OUT_OF_MEMORY",
    ),
    (r"No space left on device|error writing (?:file|to file)|Error in routine davcio", "ERROR_DISK_FULL"),
    (r"Maximum CPU time exceeded", "ERROR_OUT_OF_WALLTIME"),
    (r"Error in routine (?:epw_)?readin|Error in routine epw_setup", "ERROR_INVALID_INPUT"),
)
_CRASH = re.compile(r"Error in routine|Fortran runtime error|SIGSEGV|SIGABRT|SIGFPE|Error: examine the output")


def code_version(stdout: str) -> str | None:
    """Return the version that EPW prints ('5.3.1'), or None if the header is missing."""
    match = _VERSION.search(stdout)
    return match.group(1) if match else None


def _seconds(clock: str) -> float | None:
    """Turn ``1h23m``, ``2m 8.85s`` or ``0.11s`` into seconds; None if it is none of them."""
    match = re.fullmatch(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d*\.?\d+)s)?", clock.strip())
    if not match or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def is_finished(stdout: str) -> bool:
    """Tell whether EPW reached its last timing line."""
    _, found, tail = stdout.rpartition("Total program execution")
    return bool(found) and re.search(r"EPW\s*:.*CPU.*WALL", tail) is not None


def parse_stdout(stdout: str) -> dict[str, Any]:
    """Read EPW's standard output, whole or cut.

    Parameters
    ----------
    stdout : str

    Returns
    -------
    dict
        ``code_version``, ``job_done``, the keys of :data:`STDOUT_FIELDS` that were printed as finite numbers (energies
        in eV or meV as the key says, ``dos_ef_per_spin_ev`` in states/(spin eV cell) with the smearing ``degaussw_ev``
        of Methfessel-Paxton order 1 unless ``ngaussw`` says otherwise), ``wannier_centres_alat`` (n, 3),
        ``wannier_spreads_ang2`` (n,), ``total_spread_ang2``, ``wall_time_seconds``, and ``timings_seconds`` by step.
        An absent key means: not printed.
    """
    version = code_version(stdout)
    numbers: Version = tuple(int(part) for part in version.split(".")) if version else (5, 3, 1)
    result: dict[str, Any] = {"code_version": version, "job_done": is_finished(stdout)}
    for field in STDOUT_FIELDS:
        if not field.since <= numbers < field.until:
            continue
        found = re.findall(field.pattern, stdout)
        if found:
            value = field.cast(found[-1])
            if not isinstance(value, float) or math.isfinite(value):
                result[field.key] = value
    result |= _wannier_functions(stdout)
    clocks = {name: _seconds(wall) for name, wall in _CLOCK.findall(stdout)}
    result["timings_seconds"] = {
        label: clocks[name] for name, label in _TIMED_STEPS.items() if clocks.get(name) is not None
    }
    if clocks.get("EPW") is not None:
        result["wall_time_seconds"] = clocks["EPW"]
    return result


def _wannier_functions(stdout: str) -> dict[str, Any]:
    _, found, tail = stdout.partition(_CENTRES_HEADER)
    if not found:
        return {}
    block = tail.split("-----", 1)[0]
    rows = [[_real(number) for number in match] for match in _CENTRE.findall(block)]
    if not rows:
        return {}
    return {
        "wannier_centres_alat": [row[:3] for row in rows],
        "wannier_spreads_ang2": [row[3] for row in rows],
        "total_spread_ang2": round(sum(row[3] for row in rows), 6),
    }


def error_text(stdout: str) -> str:
    """Return what EPW or Wannier90 said when it stopped, in one line; empty if it said nothing."""
    blocks = [" ".join(block.split()) for block in _ERROR_BLOCK.findall(stdout)]
    for block in blocks:
        if "Error in routine" in block:
            return block[:300]
    lines = stdout.rstrip().splitlines()
    for index, line in enumerate(lines):
        if "Error: examine the output/error file" in line:
            return f"Wannier90: {lines[index - 1].strip()}"[:300] if index else "Wannier90 stopped"
    return ""


def classify_error(stdout: str, stderr: str = "") -> str | None:
    """Name the failure that standard output and standard error show.

    Parameters
    ----------
    stdout, stderr : str
        Either may be empty or cut.

    Returns
    -------
    str or None
        The label of an exit code of ``EpwCalculation``: one of :data:`ERROR_PATTERNS`, ``ERROR_UNKNOWN`` for a crash
        that none of them fits, or None if nothing went visibly wrong (which a run that was killed shares).
    """
    both = f"{stdout}\n{stderr}"
    for pattern, name in ERROR_PATTERNS:
        if re.search(pattern, both, re.IGNORECASE):
            return name
    return "ERROR_UNKNOWN" if _CRASH.search(both) else None


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


def _floats(line: str, what: str) -> list[float]:
    try:
        values = [_real(word) for word in line.split()]
    except ValueError as error:
        raise ParseError(f"{what} holds {line.strip()[:60]!r}, which is not numbers; rerun epw.x") from error
    if not all(math.isfinite(value) for value in values):
        raise ParseError(f"{what} holds NaN or infinity; check the Fermi window and the fine meshes")
    return values


def _columns(lines: list[str], what: str, width: int) -> np.ndarray:
    rows = [_floats(line, what) for line in lines]
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
    total = _floats(lines[footer + 1].replace("#", " "), what)
    widths = _floats(lines[footer + 3].replace("#", " "), what)
    degaussw = _floats(lines[footer + 4].partition("(eV)")[2], what)
    fsthick = _floats(lines[footer + 5].partition("(eV)")[2], what)
    summed = _floats(lines[footer + 6].partition("coupling")[2], what)
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
    values = _floats(body, "a band file")
    if len(values) != points * (3 + bands) or not values:
        raise ParseError(
            f"a band file has {len(values)} numbers, wanted {points * (3 + bands)}: it is cut; rerun epw.x"
        )
    data = np.array(values).reshape(points, 3 + bands)
    return data[:, :3], data[:, 3:]
