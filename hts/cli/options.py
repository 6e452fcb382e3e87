"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

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
