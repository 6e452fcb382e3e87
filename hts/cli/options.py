"""Options that several commands share."""

from collections.abc import Callable
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


def require_one_on_stdout(as_json: bool, csv_file: str | None) -> None:
    """Refuse JSON and a table on standard output at once.

    Raises
    ------
    UserError
        For `--json` with `--csv -`.
    """
    if as_json and csv_file == STDOUT:
        raise UserError("--json and --csv - were both given, one of them can have standard output; give --csv FILE")
