"""EPW's input file for each version from 5.3 to 6.0, and the files that one run hands to the next.

What changed is taken from the namelists and defaults in the source of Quantum ESPRESSO 6.6 (EPW 5.3.0), 6.7 (5.3.1),
6.8 (5.4), 7.0 (5.4.1), 7.1 (5.5), 7.2 (5.7), 7.3 (5.8), 7.4 (5.9) and 7.5 (6.0). Users write the keywords of 5.3.1; a
later EPW gets the same physics under its own names.
"""

import re
from collections.abc import Mapping
from typing import Any

from hts.errors import HtsError

Version = tuple[int, ...]

# The EPW whose keywords users write.
DEFAULT_EPW_VERSION = "5.3.1"
OLDEST_EPW_VERSION = "5.3"
# Where a code node keeps the version that its executable printed.
VERSION_EXTRA = "epw_version"
# Keyword to the first version that refuses it; it did nothing that a Tc depends on, or its effect is now always on.
_REMOVED: dict[str, Version] = {
    "kmaps": (5, 4),
    "lunif": (5, 5),
    "nswc": (5, 5),
    "nswfc": (5, 5),
    "pwc": (5, 5),
    "wsfc": (5, 5),
}
_RENAMED: dict[str, tuple[Version, str]] = {
    "eps_acustic": ((5, 9), "eps_acoustic"),
    "cumulant": ((5, 9), "lcumulant"),
    "longrange": ((5, 9), "longrange_only"),
    "wfpt": ((5, 9), "lwfpt"),
}
# Keyword to the first version that has it: an older one would stop at it, and without it do something else.
_ADDED: dict[str, Version] = {
    "npade": (5, 3, 1),
    "fermi_plot": (5, 3, 1),
    "tc_linear": (5, 4),
    "tc_linear_solver": (5, 4),
    "fbw": (5, 5),
    "gridsamp": (5, 5),
    "griddens": (5, 5),
    "dos_del": (5, 5),
    "muchem": (5, 5),
    "a_gap0": (5, 8),
    "positive_matsu": (5, 9),
    "epw_memdist": (5, 9),
    "calc_nelec_wann": (5, 9),
    "icoulomb": (5, 9),
    "a2f_iso": (6,),
    "dos_tetra": (6,),
    "lfast_kmesh": (6,),
    "max_seconds": (6,),
}
# Defaults that changed, held at the value of 5.3.1: phonons below 5 cm-1 are left out of alpha2F; 6.0 leaves out those
# below 0.1.
_PINNED: dict[str, tuple[Version, Any]] = {"eps_acustic": ((6,), 5.0)}
_VME_STRINGS: Version = (5, 4)
_SYSTEM_2D_STRINGS: Version = (5, 8)
# etf_mem = 2, a loop over modes to save memory, was dropped; 3 is now lfast_kmesh.
_ETF_MEM_BELOW_2: Version = (5, 9)
_WIGNER_FILE: Version = (5, 9)

_HEADER = re.compile(r"Program EPW v\.\s*(\d+(?:\.\d+)*)")


class EpwKeywordError(HtsError):
    """A keyword that this version of EPW does not have, and that can't be left out."""


def version_tuple(version: str) -> Version:
    """Turn '5.3.1' into (5, 3, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def header_version(stdout: str) -> str | None:
    """Return the version in EPW's header ('5.3.1'), or None if it is not there."""
    match = _HEADER.search(stdout)
    return match.group(1) if match else None


def banner_version(banner: str | None) -> str | None:
    """Return the version in a line such as 'EPW 5.3.1' (what `hts doctor` shows), None if it is of another program."""
    match = re.fullmatch(r"EPW (\d+(?:\.\d+)*)\S*", banner or "")
    return match.group(1) if match else None


def fortran_value(value: bool | int | float | str) -> str:
    """Write a value for a Fortran namelist; floats keep every digit.

    Raises
    ------
    EpwKeywordError
        If a string has a line break or both kinds of quotes, or the value is of another type.
    """
    if isinstance(value, bool):
        return ".true." if value else ".false."
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).replace("e", "d")
    if isinstance(value, str) and "\n" not in value:
        return "'" + value.replace("'", "''") + "'"
    raise EpwKeywordError(f"a keyword has the value {value!r}, wanted a bool, int, float or one-line str; mend it")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _value_for(key: str, value: Any, version: Version) -> Any:
    """Return the value that means the same in that version."""
    if key == "vme":
        names = {True: "wannier", False: "dipole"}
        if version >= _VME_STRINGS:
            return names.get(value, value) if isinstance(value, bool) else value
        return value == "wannier" if isinstance(value, str) else value
    if key == "system_2d":
        if version >= _SYSTEM_2D_STRINGS:
            return ("gaussian" if value else "no") if isinstance(value, bool) else value
        return value != "no" if isinstance(value, str) else value
    if key == "etf_mem" and version >= _ETF_MEM_BELOW_2:
        return min(int(value), 1)
    return value


def keywords_for(parameters: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Translate keywords of EPW 5.3.1 (or later ones) to those of a version.

    Parameters
    ----------
    parameters : mapping
        Lower-case keyword to value.
    version : str
        Such as '5.9'.

    Returns
    -------
    dict
        Removed keywords are left out, renamed ones renamed, values of changed type or meaning converted, and defaults
        that changed are written out.

    Raises
    ------
    EpwKeywordError
        If a keyword came later than that version, or the version is older than 5.3.
    """
    number = version_tuple(version)
    if number < version_tuple(OLDEST_EPW_VERSION):
        raise EpwKeywordError(f"EPW is {version}, wanted {OLDEST_EPW_VERSION} or later; install Quantum ESPRESSO 6.6+")
    old_names = {new: old for old, (_, new) in _RENAMED.items()}
    given = {old_names.get(key, key): value for key, value in parameters.items()}
    for key, (since, default) in _PINNED.items():
        if number >= since:
            given.setdefault(key, default)
    result = {}
    for key, value in given.items():
        if key in _ADDED and number < _ADDED[key]:
            raise EpwKeywordError(
                f"{key} came with EPW {'.'.join(map(str, _ADDED[key]))}, this is {version}; remove it or take a newer"
            )
        if key in _REMOVED and number >= _REMOVED[key]:
            continue
        since, new = _RENAMED.get(key, ((), key))
        result[new if since and number >= since else key] = _value_for(key, value, number)
    return result


def namelist_text(parameters: Mapping[str, Any], version: str = DEFAULT_EPW_VERSION) -> str:
    """Write EPW's input: the title line, then the namelist, lists as ``key(i) = value``.

    Parameters
    ----------
    parameters : mapping
        Keyword to bool, int, float, str, or a list of them. ``temps`` becomes one blank-separated entry.
    version : str
        The EPW that will read it; see :func:`keywords_for`.

    Returns
    -------
    str

    Raises
    ------
    EpwKeywordError
        If that EPW can't be told what the keywords say.
    """
    lines = ["--", "&inputepw"]
    for key, value in sorted(keywords_for({key.lower(): value for key, value in parameters.items()}, version).items()):
        if key == "temps":
            lines.append("  temps = " + " ".join(str(float(item)) for item in _as_list(value)))
        elif isinstance(value, list | tuple):
            lines += [f"  {key}({index}) = {fortran_value(item)}" for index, item in enumerate(value, 1)]
        else:
            lines.append(f"  {key} = {fortran_value(value)}")
    return "\n".join([*lines, "/", ""])


def _velocities_from_wannier(parameters: Mapping[str, Any]) -> bool:
    return parameters.get("vme", True) not in (False, "dipole")


def restart_files(parameters: Mapping[str, Any], version: str, prefix: str) -> list[str]:
    """Return what a run on other fine grids reads of the folder of a coarse run.

    Checked on 5.3.1 by leaving out each; not even ``prefix.save`` is opened. ``restart.fmt``, ``selecq.fmt`` and
    ``ephmat`` are not among them: they would carry the old fine grids over. From 5.9 on, both files of velocities and
    ``wigner.fmt`` are read without condition (read in its source, not tried).
    """
    files = ["crystal.fmt", "epwdata.fmt", f"{prefix}.ukk", f"out/{prefix}.epmatwp"]
    if version_tuple(version) >= _WIGNER_FILE:
        return [*files, "vmedata.fmt", "dmedata.fmt", "wigner.fmt"]
    return [*files, "vmedata.fmt" if _velocities_from_wannier(parameters) else "dmedata.fmt"]


def wannier_files(parameters: Mapping[str, Any], prefix: str) -> list[str]:
    """Return what a coarse run reads of the folder of a run that only Wannierised.

    Checked on 5.3.1 by leaving out each: alpha2F comes out byte for byte as from one run, also with another number of
    pools. ``prefix.chk`` and ``prefix.nnkp`` are not read.
    """
    files = [f"{prefix}.ukk"]
    return [*files, f"{prefix}.mmn", f"{prefix}.bvec"] if _velocities_from_wannier(parameters) else files


def projects_automatically(parameters: Mapping[str, Any]) -> bool:
    """Tell whether SCDM chooses the projections, so that ``proj`` must not be given."""
    return bool(parameters.get("auto_projections")) and bool(parameters.get("scdm_proj"))
