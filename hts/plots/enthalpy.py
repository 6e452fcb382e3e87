"""Enthalpy against pressure: which phase, and which decomposition, wins where."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hts.enthalpy_curves import EnthalpyCurve, SystemCurves
from hts.plots import style

# One column of the legend beside the axes holds as many as the figure is high.
_HEIGHT_INCH, _INCH_PER_ENTRY = 4.6, 0.18
_MARKER_SIZE, _STAR_SIZE = 5.0, 10.0
_LINE_STYLES = ("-", "--", ":", "-.")


def enthalpy_figure(found: SystemCurves) -> Figure:
    """Draw enthalpy against pressure, markers where it was computed and straight lines between.

    Parameters
    ----------
    found : SystemCurves

    Returns
    -------
    Figure
        Pressure in GPa, signed distance in meV/atom from the hull of the other compositions (or from a phase): stable
        below zero.
    """
    height = max(_HEIGHT_INCH, 1.2 + _INCH_PER_ENTRY * len(found.curves))
    figure = style.new_figure(7.2, height)
    axes = figure.add_axes((0.11, 0.5 / height, 0.58, 1 - 1.0 / height))
    axes.axhline(0, color=style.BLACK, lw=0.8, zorder=0)
    handles = [_draw(axes, curve, index) for index, curve in enumerate(found.curves)]
    axes.margins(x=0.04, y=0.08)
    pressures = sorted({pressure for curve in found.curves for pressure in curve.pressures_gpa})
    if len(pressures) == 1:
        axes.set_xticks(pressures)
    axes.set_xlabel("pressure (GPa)")
    axes.set_ylabel(_axis_text(found))
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        fontsize=style.NOTE_POINTS,
        frameon=False,
        handlelength=3.0,
    )
    style.add_title(axes, _title(found), found.settings, _warning(found), free_points=7)
    return figure


def _draw(axes: Axes, curve: EnthalpyCurve, index: int) -> Line2D:
    """Draw one phase; colour and marker repeat after as many phases as there are of them, with another line."""
    candidate = curve.kind == "candidate"
    [line] = axes.plot(
        curve.pressures_gpa,
        [1000 * distance for distance in curve.distances_ev_per_atom],
        color=style.CYCLE[index % len(style.CYCLE)],
        marker="*" if candidate else style.MARKERS[index % len(style.MARKERS)],
        markersize=_STAR_SIZE if candidate else _MARKER_SIZE,
        linestyle=_LINE_STYLES[index // len(style.CYCLE) % len(_LINE_STYLES)],
        lw=1.8 if candidate else 1.1,
        gid=curve.label,
        label=f"{curve_text(curve)}{' (candidate)' if candidate else ''}",
    )
    return line


def curve_text(curve: EnthalpyCurve) -> str:
    """Return what the legend calls a phase: formula and space group at the highest pressure."""
    return f"{style.formula_text(curve.formula)} {style.space_group_text(curve.space_group_number)}"


def _axis_text(found: SystemCurves) -> str:
    if found.relative_to is not None:
        return f"enthalpy relative to {found.relative_to} (meV/atom)"
    if len(found.elements) == 1:
        return "enthalpy relative to the lowest phase (meV/atom)"
    return "enthalpy relative to other compositions (meV/atom)"


def _title(found: SystemCurves) -> str:
    formulas = {curve.formula for curve in found.curves}
    name = "–".join(found.elements)
    return f"{style.formula_text(formulas.pop())} in {name}" if len(formulas) == 1 else name


def _warning(found: SystemCurves) -> str | None:
    pressures: Sequence[float] = [pressure for pressure, lines in found.missing.items() if lines]
    if not pressures or found.relative_to is not None:
        return None
    return f"hull incomplete at {', '.join(f'{pressure:g}' for pressure in pressures)} GPa"
