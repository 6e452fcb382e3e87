"""The prototype families: one YAML file each, checked while it is loaded.

A file names the space group, the Wyckoff sites with their coordinates (numbers, fractions or expressions of the free
parameters), the element of a site (`H`, or `choose` for the campaign to fill), and the DOI it comes from. A campaign
can bring a folder with families of its own.
"""

import difflib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hts.campaign_file import did_you_mean
from hts.errors import UserError
from hts.prototypes.checks import complaints
from hts.prototypes.model import Arrangement, Prototype, WyckoffSite

__all__ = ["Arrangement", "Prototype", "load_prototype", "parse_prototype", "prototype_names"]

_OF_ONE_ARRANGEMENT = ("space_group_number", "cell", "free_parameters", "sites")


def prototype_names(folder: Path | None = None) -> list[str]:
    """Return the names of the prototypes, sorted.

    Parameters
    ----------
    folder : Path, optional
        Its `*.yaml` files are families, too, beside those that come with the package.

    Returns
    -------
    list[str]

    Raises
    ------
    UserError
        When there is no such folder, or a file in it has the name of a family of the package.
    """
    entries = resources.files(__name__).iterdir()
    packaged = {entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml")}
    if folder is None:
        return sorted(packaged)
    if not folder.is_dir():
        raise UserError(f"prototype folder {folder}: not a folder; give one that holds prototype files (NAME.yaml)")
    own = {path.stem for path in folder.glob("*.yaml")}
    if own & packaged:
        name = min(own & packaged)
        raise UserError(f"prototype file {folder / name}.yaml: a duplicate of the packaged family {name!r}; rename it")
    return sorted(packaged | own)


@cache
def load_prototype(name: str, folder: Path | None = None) -> Prototype:
    """Load a prototype by name and check it: multiplicities, stoichiometry, space group.

    Parameters
    ----------
    name : str
        One of `prototype_names(folder)`.
    folder : Path, optional
        A folder with further families.

    Returns
    -------
    Prototype

    Raises
    ------
    UserError
        Unknown name (with the nearest known one), or a bad file (naming file and key).
    """
    names = prototype_names(folder)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"prototype {name!r} is unknown; {hint}known: {', '.join(names)}")
    own = folder / f"{name}.yaml" if folder is not None else None
    source = own if own is not None and own.is_file() else resources.files(__name__) / f"{name}.yaml"
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prototype file {source}: cannot be read ({error}); give a readable UTF-8 file") from None
    return parse_prototype(text, str(own) if source is own else f"{name}.yaml")


def parse_prototype(text: str, file_name: str) -> Prototype:
    """Read a prototype from YAML text and check it against its own space group.

    Parameters
    ----------
    text : str
        The file's content.
    file_name : str
        Named in errors; its last part must be the prototype's name and `.yaml`.

    Returns
    -------
    Prototype

    Raises
    ------
    UserError
        One line naming file, key, what was found and what is allowed.
    """
    where = f"prototype file {file_name}"
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{where}: {type(data).__name__} found, a mapping with name, sites, … wanted")
    try:
        prototype = Prototype.model_validate(_with_variants(data))
    except ValidationError as error:
        raise UserError(f"{where}: {_first_mistake(error)}") from None
    if f"{prototype.name}.yaml" != Path(file_name).name:
        raise UserError(f"{where}: name: {prototype.name!r} found, the file's own name wanted")
    for complaint in complaints(prototype):
        raise UserError(f"{where}: {complaint}")
    return prototype


def _first_mistake(error: ValidationError) -> str:
    """Return `key: what was found; what is allowed` for the first mistake; an unknown key before the missing one."""
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    # The variant of a file without variants has no name, and its keys stand at the top.
    location = [str(part) for part in first["loc"]]
    key = ".".join(location).removeprefix("variants.None").removeprefix(".") or "sites"
    if first["type"] == "extra_forbidden":
        known = (*Prototype.model_fields, *Arrangement.model_fields, *WyckoffSite.model_fields)
        return f"{key}: unknown key; {did_you_mean(location[-1], dict.fromkeys(known))}"
    if first["type"] == "missing":
        return f"{key}: missing; it has no default"
    message = first["msg"].removeprefix("Value error, ")
    return (
        f"{key}: {message}" if isinstance(first["input"], dict) else f"{key}: {first['input']!r:.60} found; {message}"
    )


def _with_variants(data: dict[str, Any]) -> dict[str, Any]:
    """Move the keys of a single arrangement under the variant None, so that both kinds of file have one shape."""
    if "variants" in data:
        return data
    inner = {key: data[key] for key in _OF_ONE_ARRANGEMENT if key in data}
    return {**{key: value for key, value in data.items() if key not in inner}, "variants": {None: inner}}
