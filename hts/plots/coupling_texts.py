"""What the pictures of coupling and Tc write in words: titles, warnings and notes below the axes."""

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from hts.coupling_curves import CONVERGED, CouplingResult
from hts.plots import style

LINE_INCH = 0.155
# Mean width of a letter of the font, in parts of its size: enough to break lines by.
_LETTER_WIDTH = 0.53
_SAME_MU_STAR = 1e-9
_LEAST_K = 0.01


def title_text(formula: str | None, pressure_gpa: float | None, key: str) -> str:
    """Return formula and pressure; a file, which has neither, has its name."""
    name = key if formula is None else style.formula_text(formula)
    return name if pressure_gpa is None else f"{name} at {pressure_gpa:g} GPa"


def kelvin_text(value_k: float) -> str:
    """Return a temperature with three digits at most: 129, 12.4, 0.31."""
    return f"{value_k:.0f}" if value_k >= 99.95 else f"{value_k:.3g}"


def tc_text(value_k: float) -> str:
    """Return a Tc as an equation; one that nobody could measure is not printed to its digits."""
    if 0 < value_k < _LEAST_K:
        return rf"$T_\mathrm{{c}}$ < {_LEAST_K:g} K"
    return rf"$T_\mathrm{{c}}$ = {kelvin_text(value_k)} K"


def mu_star_text(mu_star: float) -> str:
    """Return mu* with two decimals, more where it has more."""
    short = f"{mu_star:.2f}"
    return rf"$\mu^*$ = {short if abs(float(short) - mu_star) < _SAME_MU_STAR else format(mu_star, 'g')}"


def range_text(low_k: float, high_k: float) -> str:
    """Return a range of temperatures: 103 to 154 K, or one number where they are printed alike."""
    low, high = kelvin_text(low_k), kelvin_text(high_k)
    return f"{low} K" if low == high else f"{low} to {high} K"


def note_lines(texts: Sequence[str], width_inch: float) -> list[str]:
    """Break notes into lines of a picture, each note beginning its own; continued lines are indented.

    Parameters
    ----------
    texts : sequence of str
    width_inch : float
        Of the place that they have.

    Returns
    -------
    list of str
    """
    letters = int(width_inch * 72 / (style.NOTE_POINTS * _LETTER_WIDTH))
    return [line for text in texts for line in textwrap.wrap(text, letters, subsequent_indent="    ")]


def write_notes(
    figure: Figure, lines: Sequence[str], left: float, top_inch: float, colour: str = style.VERMILLION
) -> None:
    """Write lines one below the other.

    Parameters
    ----------
    figure : Figure
    lines : sequence of str
    left : float
        Where they begin, in parts of the figure's width.
    top_inch : float
        Upper edge of the first, from the bottom of the figure.
    colour : str
    """
    if not lines:
        return
    figure.text(
        left,
        top_inch / figure.get_figheight(),
        "\n".join(lines),
        fontsize=style.NOTE_POINTS,
        color=colour,
        ha="left",
        va="top",
        linespacing=1.2,
        gid="notes",
        parse_math=False,
    )


def warnings_of(found: CouplingResult) -> list[str]:
    """Return what must stand beside a Tc: why it is unverified, an estimate, not converged, or a matter of smearing."""
    texts = [f"unverified: {'; '.join(found.unverified)}"] if found.unverified else []
    reason = found.convergence.reason if found.convergence is not None else ""
    if found.estimated:
        return [*texts, f"estimate without fine meshes: {reason}" if reason else "estimate without fine meshes"]
    if found.convergence is not None and found.convergence.status != CONVERGED:
        return [*texts, f"not converged: {reason}" if reason else "not converged"]
    if found.convergence is not None and found.convergence.smearing_settled is False:
        return [*texts, f"depends on the smearing: {reason}" if reason else "depends on the smearing"]
    return texts
