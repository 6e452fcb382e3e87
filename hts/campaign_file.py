"""Reading a campaign file safely, and turning pydantic's errors into one line each."""

import difflib
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from hts.errors import UserError

MAX_FILE_BYTES = 1_000_000
# Aliases can blow a small file up without bound; a real campaign, aliases written out, has some thousand nodes.
MAX_EXPANDED_NODES = 100_000


class _CampaignLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and reads only true and false as booleans (`No` is nobelium)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if isinstance(key, str) and key != "<<" and keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise UserError(f"key {key!r} stands twice in the mapping that begins in line {line}; keep one")
        return super().construct_mapping(node, deep)


_CampaignLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping of at most 1 MB.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict

    Raises
    ------
    UserError
        One line, beginning with the file: not there, too large, not UTF-8, not YAML, a duplicate key, not a mapping.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UserError(f"{path}: {size} bytes found, at most {MAX_FILE_BYTES} allowed; is it a campaign file?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the path of a campaign file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8 text; give a YAML campaign file") from None
    try:
        node = yaml.compose(text, Loader=_CampaignLoader)
        if node is not None:
            _expanded_size(node, {}, ())
        # _CampaignLoader is a SafeLoader: it makes plain Python values only.
        data = yaml.load(text, Loader=_CampaignLoader)  # noqa: S506
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; a campaign file has a few levels") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: {type(data).__name__} found, a mapping with name, families, … wanted")
    return data


def _expanded_size(node: yaml.Node, sizes: dict[int, int], path: tuple[int, ...]) -> int:
    """Return the number of nodes with every alias written out; refuse what is too large or contains itself."""
    if id(node) in path:
        raise UserError(f"the alias in line {node.start_mark.line + 1} contains itself; write the value out")
    if id(node) not in sizes:
        inner = (*path, id(node))
        children: Iterable[yaml.Node] = ()
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes, inner) for child in children)
    if sizes[id(node)] > MAX_EXPANDED_NODES:
        raise UserError(f"more than {MAX_EXPANDED_NODES} values with the aliases written out; use fewer aliases")
    return sizes[id(node)]


def one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first error of a validation as `dotted.key: what was found; what is allowed`.

    Parameters
    ----------
    error : ValidationError
        From `model.model_validate`.
    model : type[BaseModel]
        The model, for the keys that are allowed.

    Returns
    -------
    str
        One line; the number of further errors is appended.
    """
    errors = error.errors()
    # An unknown key often causes the missing one beside it, so it is told first.
    first = min(errors, key=lambda item: item["type"] != "extra_forbidden")
    location = [part for part in first["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in location) or "campaign"
    if first["type"] == "extra_forbidden":
        text = f"unknown key; {did_you_mean(str(location[-1]), _allowed_keys(model, location[:-1]))}"
    elif first["type"] == "missing":
        text = "missing; it has no default"
    else:
        message = first["msg"].removeprefix("Value error, ")
        found = first.get("input")
        text = message if isinstance(found, dict) else f"{_shortened(found)} found; {message}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return " ".join(f"{key}: {text}{more}".split())


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """Return `did you mean 'x'? allowed: x, y, z`, the question only where something is near."""
    names = list(allowed)
    near = difflib.get_close_matches(found, names, n=1)
    question = f"did you mean {near[0]!r}? " if near else ""
    return f"{question}allowed: {', '.join(names)}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _allowed_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the keys of the (sub-)model that a location leads to."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[str(part)].annotation
        else:  # a tuple or dict of models: the part is an index or a free key
            current = next((arg for arg in get_args(current) if isinstance(arg, type) and arg is not str), None)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []
