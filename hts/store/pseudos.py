"""Pseudopotential families: norm-conserving UPF files with a recommended cutoff for each element."""

import fnmatch
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aiida.common.exceptions import NotExistent
from aiida.orm import Group, QueryBuilder
from aiida_pseudo.data.pseudo.upf import UpfData
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily, PseudoPotentialFamily

from hts.errors import UserError
from hts.pseudopotentials import read_upf_header, require_norm_conserving

STRINGENCY = "normal"
# Density cutoff of norm-conserving files: the density of waves up to k needs waves up to 2k, so four times the energy.
RHO_OVER_WFC = 4.0

# The family that `hts setup` installs by itself, from the Debian package quantum-espresso-data.
DEBIAN_LABEL = "LDA/vbc"
DEBIAN_FOLDER = Path("/usr/share/espresso/pseudo")
DEBIAN_PATTERN = "*.pz-*vbc.UPF"
# The files carry no hint ("Suggested minimum cutoff: 0. Ry"). 30 Ry is where trial runs of Al4H and AlH started: the
# cheapest honest value, not a converged one.
DEBIAN_CUTOFF_WFC_RY = 30.0

Cutoffs = dict[str, dict[str, float]]


def install_family(
    label: str,
    folder: Path,
    pattern: str = "*.upf",
    cutoffs_ry: Mapping[str, Any] | Path | None = None,
) -> CutoffsPseudoPotentialFamily:
    """Install the norm-conserving UPF files of a folder as a family with recommended cutoffs.

    Parameters
    ----------
    label
        Name of the family, for instance "LDA/vbc".
    folder
        Folder with UPF files and whatever else; only files that match `pattern` are read.
    pattern
        Shell pattern of file names; upper and lower case differ.
    cutoffs_ry
        Cutoffs in Ry by element, or a JSON file of them: {"Al": {"cutoff_wfc": 30, "cutoff_rho": 120}}; also with
        the keys `cutoff_wfc_ry` and `cutoff_rho_ry`. A missing density cutoff is four times the other. Elements
        without an entry are installed without a hint, and `cutoffs_for` refuses them.

    Returns
    -------
    CutoffsPseudoPotentialFamily
        The family. One of that label with the same files and cutoffs is returned as it is.

    Raises
    ------
    UserError
        If the folder or the JSON cannot be read, no file or two of one element match, a file is not
        norm-conserving, or the label is taken by a family with other files or cutoffs. Nothing is stored then.
    """
    files = select_files(folder, pattern)
    cutoffs = _read_cutoffs(cutoffs_ry)
    unknown = sorted(set(cutoffs) - set(files))
    if cutoffs and not set(cutoffs) & set(files):
        raise UserError(f"cutoffs are given for {', '.join(unknown)}, {pattern} in {folder} has {', '.join(files)}")
    cutoffs = {element: values for element, values in cutoffs.items() if element in files}
    if family_exists(label):
        return _require_same(load_family(label), files, cutoffs)
    with tempfile.TemporaryDirectory() as selected:
        for path in files.values():
            shutil.copy(path, selected)
        family = CutoffsPseudoPotentialFamily.create_from_folder(
            Path(selected), label, pseudo_type=UpfData, description=f"{pattern} of {folder}, installed by hts"
        )
    _store_cutoffs(family, cutoffs)
    return family


def select_files(folder: Path, pattern: str) -> dict[str, Path]:
    """Return the norm-conserving UPF files of a folder, by element in alphabetic order.

    Raises
    ------
    UserError
        If the folder is not there, nothing matches, two files hold one element, or one is not norm-conserving.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise UserError(f"pseudopotential folder {folder} not found; give the folder of the UPF files")
    paths = sorted(path for path in folder.iterdir() if path.is_file() and fnmatch.fnmatchcase(path.name, pattern))
    if not paths:
        raise UserError(f"no file in {folder} matches {pattern!r}; give --pseudo-pattern (upper and lower case differ)")
    files: dict[str, Path] = {}
    for path in paths:
        header = read_upf_header(path.read_text(encoding="utf-8", errors="replace"), path.name)
        require_norm_conserving(header, path.name)
        if header.element in files:
            raise UserError(
                f"two files of {header.element} match {pattern!r}: {files[header.element].name}, {path.name}; "
                "one was wanted, give a narrower --pseudo-pattern"
            )
        files[header.element] = path
    return dict(sorted(files.items()))


def debian_cutoffs_ry(elements: Iterable[str]) -> Cutoffs:
    """Return the cutoffs in Ry that `hts setup` gives to Debian's LDA files, by element."""
    values = {"cutoff_wfc": DEBIAN_CUTOFF_WFC_RY, "cutoff_rho": RHO_OVER_WFC * DEBIAN_CUTOFF_WFC_RY}
    return {element: dict(values) for element in elements}


def family_labels() -> list[str]:
    """Return the labels of all installed pseudopotential families, sorted."""
    query = QueryBuilder().append(Group, filters={"type_string": {"like": "pseudo.family%"}}, project="label")
    return sorted(query.all(flat=True))


def family_exists(label: str) -> bool:
    """Return whether a pseudopotential family of that label is installed."""
    return label in family_labels()


def load_family(label: str) -> PseudoPotentialFamily:
    """Load an installed family, of any kind that aiida-pseudo knows.

    Raises
    ------
    UserError
        If there is none of that label.
    """
    query = QueryBuilder().append(Group, filters={"type_string": {"like": "pseudo.family%"}, "label": label})
    try:
        family: PseudoPotentialFamily = query.one()[0]
    except NotExistent as error:
        there_are = ", ".join(family_labels()) or "none"
        raise UserError(
            f"pseudopotential family {label!r} not found; there are: {there_are}; "
            "install it by `hts setup --pseudo-family LABEL --pseudo-folder DIR` or `aiida-pseudo install`"
        ) from error
    return family


def pseudos_for(label: str, elements: Iterable[str]) -> dict[str, UpfData]:
    """Return the norm-conserving UPF files of some elements.

    Parameters
    ----------
    label
        Label of an installed family.
    elements
        Chemical symbols.

    Returns
    -------
    dict
        One stored `UpfData` for each element.

    Raises
    ------
    UserError
        If there is no such family, it lacks an element, or a file is not norm-conserving (EPW needs that).
    """
    family = load_family(label)
    wanted = list(dict.fromkeys(elements))
    missing = sorted(set(wanted) - set(family.elements))
    if missing:
        raise UserError(
            f"family {label!r} has no pseudopotential of {', '.join(missing)}; "
            f"it has {', '.join(sorted(family.elements))}"
        )
    pseudos = {element: family.get_pseudo(element) for element in wanted}
    for pseudo in pseudos.values():
        require_norm_conserving(read_upf_header(pseudo.get_content(), pseudo.filename), pseudo.filename)
    return pseudos


def cutoffs_for(label: str, elements: Iterable[str]) -> tuple[float, float]:
    """Return the cutoffs that satisfy all of some elements.

    Parameters
    ----------
    label
        Label of an installed family.
    elements
        Chemical symbols, at least one.

    Returns
    -------
    tuple of float
        (wavefunction cutoff, density cutoff) in Ry: the largest of the elements.

    Raises
    ------
    UserError
        If there is no such family, or an element of it has no cutoff hint.
    """
    family = load_family(label)
    wanted = tuple(dict.fromkeys(elements))
    missing = sorted(set(wanted) - cutoff_elements(family))
    if missing:
        raise UserError(
            f"family {label!r} has no cutoff hint for {', '.join(missing)}; "
            f"install it with one under another label: `hts setup --pseudo-family LABEL --cutoffs FILE.json …`"
        )
    wfc_ry, rho_ry = family.get_recommended_cutoffs(elements=wanted, unit="Ry")
    return float(wfc_ry), float(rho_ry)


def cutoff_elements(family: PseudoPotentialFamily) -> set[str]:
    """Return the elements of a family that carry a cutoff hint; none for a family without any."""
    get_stringencies = getattr(family, "get_cutoff_stringencies", tuple)
    return set(family.get_cutoffs()) if get_stringencies() else set()


def _read_cutoffs(cutoffs_ry: Mapping[str, Any] | Path | None) -> Cutoffs:
    if cutoffs_ry is None:
        return {}
    source = "the cutoffs"
    if isinstance(cutoffs_ry, Path):
        source = str(cutoffs_ry)
        try:
            cutoffs_ry = json.loads(cutoffs_ry.expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{source} cannot be read as JSON: {error}; give cutoffs by element in Ry") from error
    if not isinstance(cutoffs_ry, Mapping):
        raise UserError(f'{source}: {type(cutoffs_ry).__name__} found, {{"Al": {{"cutoff_wfc": 30}}, …}} was wanted')
    read = {element: _one_cutoff(source, element, entry) for element, entry in cutoffs_ry.items()}
    return {element: values for element, values in read.items() if values is not None}


def _one_cutoff(source: str, element: str, entry: object) -> dict[str, float] | None:
    """Return the two cutoffs of one entry, None if it carries no hint."""
    if not isinstance(entry, Mapping):
        raise UserError(f'{source}: {element} is {entry!r}, {{"cutoff_wfc": 30, "cutoff_rho": 120}} in Ry was wanted')
    wfc = entry.get("cutoff_wfc", entry.get("cutoff_wfc_ry"))
    if wfc is None:
        return None
    rho = entry.get("cutoff_rho", entry.get("cutoff_rho_ry"))
    if rho is None and _is_positive(wfc):
        rho = RHO_OVER_WFC * wfc
    if not (_is_positive(wfc) and _is_positive(rho)):
        raise UserError(f"{source}: cutoffs of {element} are {wfc!r} and {rho!r}, positive numbers in Ry were wanted")
    return {"cutoff_wfc": float(wfc), "cutoff_rho": float(rho)}


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _store_cutoffs(family: CutoffsPseudoPotentialFamily, cutoffs: Cutoffs) -> None:
    if set(cutoffs) == set(family.elements):
        family.set_cutoffs(cutoffs, STRINGENCY, unit="Ry")
    elif cutoffs:
        # set_cutoffs insists on all elements; a family in which some have no hint is written as it would write it.
        family.base.extras.set(family._key_cutoffs, {STRINGENCY: cutoffs})
        family.base.extras.set(family._key_cutoffs_unit, {STRINGENCY: "Ry"})
        family.set_default_stringency(STRINGENCY)


def _require_same(
    family: PseudoPotentialFamily, files: Mapping[str, Path], cutoffs: Cutoffs
) -> CutoffsPseudoPotentialFamily:
    found = {element: family.get_pseudo(element).get_content() for element in family.elements}
    wanted = {element: path.read_text(encoding="utf-8") for element, path in files.items()}
    found_cutoffs = family.get_cutoffs() if cutoff_elements(family) else {}
    if found != wanted or found_cutoffs != cutoffs:
        what = "files" if found != wanted else "cutoffs"
        raise UserError(f"family {family.label!r} is installed with other {what}; choose another --pseudo-family label")
    return family
