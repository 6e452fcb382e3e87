"""Groups of elements that a campaign can name in place of symbols."""

import difflib
import re
from collections.abc import Iterable
from functools import cache

from pymatgen.core import Element

from hts.errors import UserError

# In no group: too short-lived for a material, or without the volume and radius that a starting structure needs. A
# campaign may still name Ac, Th, Pa, U or Tc.
_NOBLE_GASES = ("He", "Ne", "Ar", "Kr", "Xe")
_SHORT_LIVED = ("Pm", "Po", "At", "Rn", "Fr", "Ra", "Np", "Pu")
_RADIOACTIVE = (*_SHORT_LIVED, "Tc", "Ac", "Th", "Pa", "U")
_LAST_Z = 94
_POST_TRANSITION_METALS = ("Al", "Ga", "In", "Tl", "Sn", "Pb", "Bi")
_METALLOIDS = ("B", "Si", "Ge", "As", "Sb", "Te")
_NONMETALS = ("C", "N", "O", "P", "S", "Se")


@cache
def element_groups() -> dict[str, tuple[str, ...]]:
    """Return the groups by name, each with its elements by atomic number.

    Returns
    -------
    dict[str, tuple[str, ...]]
        Chemical families (hydrogen is in none of them), the columns `group_1` to `group_16` of the periodic table, and
        `radioactive` (for exclusions: Tc and what follows Bi without a stable isotope). Noble gases and elements beyond
        use for a material are in no other group.
    """
    absent = {*_NOBLE_GASES, *_SHORT_LIVED}
    usable = [el for el in map(Element.from_Z, range(2, _LAST_Z + 1)) if el.symbol not in absent]
    lanthanides = [el for el in usable if 57 <= el.Z <= 71]
    actinides = [el for el in usable if 89 <= el.Z <= 92]
    f_block = {*lanthanides, *actinides}
    columns = {n: [el for el in usable if el.group == n and el not in f_block] for n in range(1, 18)}
    d_block = [el for n in range(3, 13) for el in columns[n]]
    main = [el for n in range(13, 18) for el in columns[n]]
    groups: dict[str, Iterable[Element]] = {
        "alkali_metal": columns[1],
        "alkaline_earth": columns[2],
        "transition_metal": d_block,
        "lanthanide": lanthanides,
        "actinide": actinides,
        "rare_earth": [*columns[3], *lanthanides],
        "post_transition_metal": [el for el in main if el.symbol in _POST_TRANSITION_METALS],
        "metalloid": [el for el in main if el.symbol in _METALLOIDS],
        "nonmetal": [el for el in main if el.symbol in _NONMETALS],
        "halogen": columns[17],
        **{f"group_{n}": columns[n] for n in range(1, 17)},
        "radioactive": [Element(symbol) for symbol in _RADIOACTIVE],
    }
    return {
        name: tuple(el.symbol for el in sorted(set(members), key=lambda el: el.Z)) for name, members in groups.items()
    }


def is_element(symbol: str) -> bool:
    """Say whether a text is the symbol of an element; the isotopes D and T, which pymatgen knows, are not."""
    return symbol not in ("D", "T") and Element.is_valid_symbol(symbol)


def members(name: str) -> tuple[str, ...]:
    """Return the elements that a name stands for.

    Parameters
    ----------
    name : str
        A symbol or a group of `element_groups`.

    Returns
    -------
    tuple[str, ...]

    Raises
    ------
    UserError
        One line with the nearest symbol or group.
    """
    if is_element(name):
        return (name,)
    if name in element_groups():
        return element_groups()[name]
    raise UserError(f"{name!r} is not an element; {_hint(name)}")


def _hint(name: str) -> str:
    if name in ("D", "T"):
        return "isotopes are not told apart: write H"
    group = difflib.get_close_matches(name, element_groups(), n=1, cutoff=0.7)
    if group:
        return f"did you mean the group {group[0]!r}?"
    symbols = [element.symbol for element in Element if is_element(element.symbol)]
    stem = re.sub(r"[^A-Za-z]", "", name).capitalize()
    near = next(([s] for s in (stem, stem[:2]) if s in symbols), difflib.get_close_matches(stem, symbols, cutoff=0.5))
    named = next(([e.symbol] for e in Element if e.long_name.lower() == name.lower()), near)
    if named:
        return f"did you mean {' or '.join(repr(symbol) for symbol in named)}?"
    return f"give a symbol of the periodic table, such as Al, or a group: {', '.join(element_groups())}"
