"""Options that several commands share."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import click

from hts.errors import UserError

# The file name that stands for standard output.
STDOUT = "-"

Command = TypeVar("Command", bound=Callable[..., Any])


def profile_option(command: Command) -> Command:
    """Add `--profile` to a command, passed on as `profile: str | None`."""
    return click.option(
        "--profile",
        metavar="NAME",
        default=None,
        help="AiiDA profile; default: the one `hts setup` made (hts), else AiiDA's default.",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json` to a command, passed on as `as_json: bool`; JSON goes to standard output, the rest to stderr."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")(command)


def csv_option(command: Command) -> Command:
    """Add `--csv FILE`, passed on as `csv_file: str | None`; `-` is standard output."""
    return click.option(
        "--csv", "csv_file", metavar="FILE", help="Write a table with units in its header; - for stdout."
    )(command)


def output_option(help_text: str) -> Callable[[Command], Command]:
    """Return `-o FILE`, required, passed on as `path: Path`."""
    return click.option(
        "-o", "--output", "path", type=click.Path(path_type=Path), required=True, metavar="FILE", help=help_text
    )


def require_writable(path: Path, endings: Collection[str], wanted: str) -> None:
    """Refuse a file that cannot be written as what it is called before anything is read.

    Parameters
    ----------
    path : Path
    endings : collection of str
        Known ones, with the point.
    wanted : str
        How they are spoken of: `a picture ends in png`.

    Raises
    ------
    UserError
        For an unknown ending, or a folder that is not there.
    """
    if path.suffix.lower() not in endings:
        raise UserError(f"{path} ends in {path.suffix or 'nothing'!r}, {wanted}; rename it")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it, or give another place")


def unwritable(path: Path, error: OSError) -> UserError:
    """Return the error for a file that could not be written."""
    return UserError(f"{path} cannot be written ({error.strerror}); give another place")


def require_one_on_stdout(as_json: bool, csv_file: str | None) -> None:
    """Refuse JSON and a table on standard output at once.

    Raises
    ------
    UserError
        For `--json` with `--csv -`.
    """
    if as_json and csv_file == STDOUT:
        raise UserError("--json and --csv - were both given, one of them can have standard output; give --csv FILE")
