"""The one way in which hts calls spglib where that may find nothing."""

from collections.abc import Callable
from typing import Any

import spglib

# Since 2.7 spglib returns None or raises this, as the module that was imported last has set it (phonopy does).
_SPGLIB_ERROR: type[Exception] = getattr(spglib, "SpglibError", ValueError)


def or_none(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Return what a function of spglib returns, and None where it finds nothing, in whichever way it says so.

    Parameters
    ----------
    call : callable
        Such as ``spglib.get_symmetry_dataset``.
    *arguments, **keywords
        Its own.
    """
    try:
        return call(*arguments, **keywords)
    except _SPGLIB_ERROR:
        return None
