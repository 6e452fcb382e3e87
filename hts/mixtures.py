"""Mixtures of elements on one site of a family, such as `La0.5Ce0.5`."""

import re
from collections.abc import Mapping
from fractions import Fraction

from hts.element_groups import is_element
from hts.errors import UserError

# A supercell of more than eight cells is beyond an electron-phonon calculation.
MAX_DENOMINATOR = 8
# Two decimals of 1/3 or 2/3 stay inside; two fractions with denominators up to 8 are at least 1/56 apart.
SNAP_WIDTH = Fraction(1, 200)

_TERM = r"([A-Z][a-z]?)([0-9]{1,3}(?:\.[0-9]{0,16})?|\.[0-9]{1,16})"
_FORM = "write every element with its fraction, such as La0.5Ce0.5"


def is_mixture(text: str) -> bool:
    """Say whether a text is meant as a mixture: a capital first and a digit somewhere (`parse_mixture` may refuse it).

    Symbols have no digit and the names of element groups no capital.
    """
    return re.match(r"[A-Z].*[0-9]", text) is not None


def parse_mixture(text: str) -> dict[str, Fraction]:
    """Read a mixture such as `La0.5Ce0.5` or `La0.667Ce0.333`.

    Parameters
    ----------
    text : str
        Elements, each with its fraction. Ratios such as `La3Ce1` are refused: they would read like a formula.

    Returns
    -------
    dict[str, Fraction]
        By symbol, sorted; each fraction snapped to the one with a denominator up to `MAX_DENOMINATOR` that is at most
        0.005 away; their sum is 1.

    Raises
    ------
    UserError
        One line: not of this form, unknown or repeated element, one element only, a fraction that is none of the
        allowed ones, a sum other than 1.
    """
    where = f"mixture {text[:60]!r}"
    if not re.fullmatch(f"(?:{_TERM})+", text):
        raise UserError(f"{where}: not elements with fractions; {_FORM}")
    terms = re.findall(_TERM, text)
    symbols = [symbol for symbol, _ in terms]
    for symbol in symbols:
        if not is_element(symbol):
            raise UserError(f"{where}: {symbol!r} is not an element; {_FORM}")
        if symbols.count(symbol) > 1:
            raise UserError(f"{where}: {symbol} stands {symbols.count(symbol)} times; give each element once")
    mixture = {symbol: _snapped(where, symbol, number) for symbol, number in sorted(terms)}
    check_mixture(where, mixture)
    return mixture


def mixture_label(mixture: Mapping[str, Fraction]) -> str:
    """Return the canonical text of a mixture, such as `Ce0.5La0.5` or `Ce0.333La0.667`, sorted by symbol.

    `parse_mixture` reads it back; letters, digits and points only.
    """
    return "".join(f"{symbol}{_decimal(fraction)}" for symbol, fraction in sorted(mixture.items()))


def check_mixture(where: str, mixture: Mapping[str, Fraction]) -> None:
    """Refuse what is no mixture.

    Parameters
    ----------
    where : str
        Begins the message.
    mixture : Mapping[str, Fraction]
        Element -> fraction.

    Raises
    ------
    UserError
        Fewer than two elements, a fraction that is not positive, a sum other than 1.
    """
    if len(mixture) < 2:
        raise UserError(f"{where}: {len(mixture)} element found, two or more wanted; give a pure site its symbol only")
    for symbol, fraction in mixture.items():
        if fraction <= 0:
            raise UserError(f"{where}: {symbol} has {_decimal(fraction)}, more than 0 wanted; leave the element out")
    total = sum(mixture.values(), Fraction(0))
    if total != 1:
        scaled = {symbol: fraction / total for symbol, fraction in mixture.items()}
        allowed = all(fraction.denominator <= MAX_DENOMINATOR for fraction in scaled.values())
        advice = f"did you mean {mixture_label(scaled)}?" if allowed else _FORM
        raise UserError(f"{where}: the fractions sum to {_decimal(total)}, 1 wanted; {advice}")


def _snapped(where: str, symbol: str, number: str) -> Fraction:
    exact = Fraction(number)
    near = exact.limit_denominator(MAX_DENOMINATOR)
    if abs(near - exact) > SNAP_WIDTH:
        raise UserError(
            f"{where}: {symbol} has {number}, allowed are fractions with a denominator up to {MAX_DENOMINATOR} "
            f"(within {float(SNAP_WIDTH):g}); the nearest is {_decimal(near)} ({near})"
        )
    return near


def _decimal(fraction: Fraction) -> str:
    return f"{float(fraction):.3f}".rstrip("0").rstrip(".")
