"""What may stand in the list of a site: symbols, groups of elements, mixtures, and what is taken out again."""

from collections.abc import Sequence

from hts.element_groups import members
from hts.mixtures import is_mixture, mixture_label, parse_mixture


def entry_members(entry: str) -> tuple[str, ...]:
    """Return what one entry stands for.

    Parameters
    ----------
    entry : str
        A symbol, a group of `hts.element_groups`, or a mixture such as `La0.5Ce0.5`.

    Returns
    -------
    tuple[str, ...]
        Symbols, or the canonical label of a mixture.

    Raises
    ------
    UserError
        One line for what is none of them.
    """
    return (mixture_label(parse_mixture(entry)),) if is_mixture(entry) else members(entry)


def expand(entries: Sequence[str]) -> tuple[str, ...]:
    """Return the elements and mixtures of a list such as `[transition_metal, Al, La0.5Ce0.5, -Tc]`.

    Parameters
    ----------
    entries : Sequence[str]
        As for `entry_members`; a minus before an entry takes it out, wherever it stands.

    Returns
    -------
    tuple[str, ...]
        Without repetition, in the order of the entries (within a group by atomic number); perhaps empty.

    Raises
    ------
    UserError
        As `entry_members`.
    """
    out = {symbol for entry in entries if entry.startswith("-") for symbol in entry_members(entry[1:])}
    chosen = (symbol for entry in entries if not entry.startswith("-") for symbol in entry_members(entry))
    return tuple(symbol for symbol in dict.fromkeys(chosen) if symbol not in out)
