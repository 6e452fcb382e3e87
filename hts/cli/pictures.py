"""Writing pictures: what the commands of `hts plot` share."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hts.cli.options import output_option, require_writable, unwritable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What says when a file was made, so that the same picture is the same file.
_DATES = {".png": None, ".svg": "Date", ".pdf": "CreationDate"}
_ENDINGS = f"a picture ends in one of {', '.join(ending.removeprefix('.') for ending in _DATES)}"

picture_option = output_option("PNG, SVG or PDF, by its ending.")


def require_picture(path: Path) -> None:
    """Refuse a file that cannot become a picture before anything is read.

    Raises
    ------
    UserError
        As `hts.cli.options.require_writable`.
    """
    require_writable(path, _DATES, _ENDINGS)


def save(figure: "Figure", path: Path) -> None:
    """Write a picture by the ending of its file; the same picture gives the same file.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    import matplotlib as mpl

    date = _DATES[path.suffix.lower()]
    try:
        with mpl.rc_context({"svg.hashsalt": "hts"}):
            figure.savefig(path, metadata={date: None} if date else None)
    except OSError as error:
        raise unwritable(path, error) from None
    click.echo(f"{path} written", err=True)
