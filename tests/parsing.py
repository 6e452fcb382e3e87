"""How tests give a parser the files of a recorded run."""

from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common import LinkType
from aiida.parsers import Parser


def parse_folder(
    parser_class: type[Parser], node: orm.CalcJobNode, folder: Path, status: int | None = None, **fetched: str
) -> tuple[Any, int]:
    """Store a job as one that retrieved a folder, and parse it; return the parser and the exit status, 0 for success.

    ``status`` is what the scheduler has said before, ``fetched`` goes to `parse`.
    """
    node.store()
    if status is not None:
        node.set_exit_status(status)
    retrieved = orm.FolderData(tree=str(folder.resolve()))
    retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
    retrieved.store()
    parser = parser_class(node)
    exit_code = parser.parse(**fetched)
    return parser, exit_code.status if exit_code is not None else 0
