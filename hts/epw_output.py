"""EPW's standard output: values, timings, and the name of what went wrong.

Read by a table of patterns with the EPW versions they hold for (5.3 to 6.0, from the output statements of its source);
a value that was not printed, or printed as ``****``, is left out. The files beside it: :mod:`hts.epw_spectra`,
:mod:`hts.epw_gaps`, :mod:`hts.epw_decay`, :mod:`hts.wannier90_output`.
"""

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hts.epw_gaps import parse_temperatures
from hts.epw_input import DEFAULT_EPW_VERSION, Version, header_version, version_tuple

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
    # Not the one above: it was given, so that agreeing with it proves nothing.
    StdoutField("fermi_energy_read_ev", _real, rf"Fermi energy is read from the input file: Ef =\s*{_NUMBER} eV"),
    StdoutField("dos_ef_per_spin_ev", _real, rf"DOS\(states/spin/eV/Unit Cell\) =\s*{_NUMBER}\s"),
    StdoutField("degaussw_ev", _real, rf"Electron smearing \(eV\) =\s*{_NUMBER}\s"),
    StdoutField("fsthick_ev", _real, rf"Fermi window \(eV\) =\s*{_NUMBER}\s"),
    StdoutField("number_of_bands_in_fermi_window", int, r"(\d+) bands within the Fermi window"),
    StdoutField("lambda", _real, rf"Electron-phonon coupling strength =\s*{_NUMBER}\s"),
    StdoutField("lambda_tr", _real, rf"lambda_tr\s*:\s*{_NUMBER}\s"),
    StdoutField("omega_log_mev", _real, rf"Estimated w_log(?: in Allen-Dynes Tc)? =\s*{_NUMBER} meV"),
    # Up to EPW 5 the line that says Allen-Dynes holds the plain McMillan-Dynes formula (no f1, f2). Some builds that
    # call themselves 5.9 already print the lines of 6.
    StdoutField("printed_mcmillan_k", _real, rf"Estimated Allen-Dynes Tc =\s*{_NUMBER} K", until=(6,)),
    StdoutField("printed_mcmillan_k", _real, rf"Estimated Tc using McMillan expression =\s*{_NUMBER} K", since=(5, 9)),
    StdoutField(
        "printed_allen_dynes_k",
        _real,
        rf"Estimated Tc using Allen-Dynes modified McMillan expression =\s*{_NUMBER} K",
        since=(5, 9),
    ),
    StdoutField(
        "printed_machine_learning_k",
        _real,
        rf"Estimated Tc (?:from|using SISSO) machine learning model =\s*{_NUMBER} K",
        since=(5, 5),
    ),
    StdoutField("printed_mu_star", _real, rf"Tc.* =.* K for muc =\s*{_NUMBER}\s"),
    StdoutField("memory_peak_mb", int, r"VmHWM =\s*(\d+)Mb"),
)

_CLOCK = re.compile(r"^ *([\w-]+) *:.*?CPU\s+([\ddhms. ]+?)\s*WALL", re.MULTILINE)
# From EPW 5.9 on the clock ephwann is no longer printed; a later one here wins over an earlier one.
_TIMED_STEPS = {
    "WANNIER": "wannierisation",
    "elphon_wrap": "coarse",
    "ep-interp": "fine",
    "ephwann": "fine",
    "ELIASHBERG": "alpha2f",
}
_CENTRE = re.compile(rf"^\s*\(\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*\)\s*:\s*{_NUMBER}\s*$", re.MULTILINE)
_WRITING_COARSE = "Writing Hamiltonian, Dynamical matrix and EP vertex in Wann rep to file"
_CENTRES_HEADER = "Wannier Function centers (cartesian, alat) and spreads (ang):"
_ERROR_BLOCK = re.compile(r"%{20,}\n(.*?)(?:\n\s*%{20,}|\Z)", re.DOTALL)

# Patterns in standard output or standard error, in lower case, and the name of the failure. The order matters: the
# specific come first.
ERROR_PATTERNS = (
    (r"cannot bracket ef", "ERROR_CANNOT_BRACKET_EF"),
    (
        r"dis_windows:|more states in the frozen window|check disentanglement (?:frozen )?windows"
        r"|energy window contains fewer",
        "ERROR_DISENTANGLEMENT_WINDOW",
    ),
    (
        r"dis_spheres_first_wann is larger|something wrong with num_bands|wrong excluded band index",
        "ERROR_TOO_FEW_BANDS",
    ),
    (
        r"param_get_projections?:|could not find projections block|error in routine compute_amn_with_scdm",
        "ERROR_PROJECTIONS",
    ),
    (r"error in routine wigner_seitz", "ERROR_WIGNER_SEITZ"),
    (r"inconsistent nscf and elph k-grids|nscf run inconsistent with epw input", "ERROR_KPOINTS_MISMATCH"),
    (r"nqc /= nq1\*nq2\*nq3|file = '[^']*\.dyn_q\d+'", "ERROR_QPOINTS_MISMATCH"),
    (
        r"error opening \S*dvscf|dvscf_q\d+ too short|check_is_xml_file|problem with modes file|tag root not found",
        "ERROR_MISSING_DVSCF",
    ),
    (r"error in routine mix_broyden", "ERROR_MIX_BROYDEN"),
    (r"only one proc per pool|number of (?:cores|processes) (?:is different|must be)", "ERROR_POOLS"),
    (
        r"error in mpi_file_open|file =? ?'(?:crystal|epwdata|vmedata|dmedata|wigner)\.fmt'"
        r"|error opening (?:crystal|epwdata|vmedata|dmedata)\.fmt|error opening ?\S+\.(?:bvec|mmn)"
        r"|error opening \S*epmatw|file = '[^']*\.ukk'",
        "ERROR_RESTART_FILES",
    ),
    (
        r"error allocating|cannot allocate memory|out of memory|allocation would exceed",
        "ERROR_OUT_OF_MEMORY",
    ),
    (r"no space left on device|error writing (?:file|to file)|error in routine davcio", "ERROR_DISK_FULL"),
    (r"maximum cpu time exceeded", "ERROR_OUT_OF_WALLTIME"),
    (r"error in routine (?:epw_)?readin|error in routine epw_setup", "ERROR_INVALID_INPUT"),
)
_CRASH = re.compile(r"Error in routine|Fortran runtime error|SIGSEGV|SIGABRT|SIGFPE|Error: examine the output")


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
        ``wannierised`` and ``coarse_finished`` tell which files of the folder are whole: prefix.ukk and its kin, and
        those of the matrix elements. ``eliashberg`` is a list with one mapping per temperature, keys as in
        :class:`hts.epw_gaps.EliashbergTemperature`. An absent key means: not printed.
    """
    version = header_version(stdout)
    numbers = version_tuple(version or DEFAULT_EPW_VERSION)
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
    result["wannierised"] = "WANNIER" in clocks
    # What follows the writing of epwdata.fmt and epmatwp says that they are closed.
    result["coarse_finished"] = "Memory usage:" in stdout.partition(_WRITING_COARSE)[2]
    temperatures = [asdict(temperature) for temperature in parse_temperatures(stdout)]
    return result | ({"eliashberg": temperatures} if temperatures else {})


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
    lower = both.lower()
    for pattern, name in ERROR_PATTERNS:
        if re.search(pattern, lower):
            return name
    return "ERROR_UNKNOWN" if _CRASH.search(both) else None
