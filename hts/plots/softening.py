"""The lowest mode of every q-point against pressure: where, and through which mode, a crystal becomes unstable."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hts.phonon_curves import Softening, SofteningCurve, qpoint_text
from hts.plots import style

# One column of the legend beside the axes holds as many as the figure is high.
_HEIGHT_INCH, _INCH_PER_ENTRY = 4.6, 0.18
_MARKER_SIZE = 5.0
_LINE_STYLES = ("-", "--", ":", "-.")
# A square of a typical frequency, 100 cm^-1, is one unit of the axis.
_UNIT_OF_SQUARES = 1e4


def softening_figure(found: Softening, squared: bool = False) -> Figure:
    """Draw the lowest frequency at each q-point against pressure.

    Parameters
    ----------
    found : Softening
    squared : bool
        Draw squared frequencies: near a transition of second order they are straight lines in pressure.

    Returns
    -------
    Figure
        Pressure in GPa; frequencies in cm^-1, or squares in 10^4 cm^-2, imaginary ones negative below a line at zero;
        the bracket of the transition is shaded, a predicted pressure is a vertical line, an arrow says that a mode may
        lie lower.
    """
    height = max(_HEIGHT_INCH, 1.2 + _INCH_PER_ENTRY * (len(found.curves) + 2))
    figure = style.new_figure(7.2, height)
    axes = figure.add_axes((0.11, 0.5 / height, 0.62, 1 - 1.0 / height))
    axes.axhline(0, color=style.BLACK, lw=0.8, zorder=0)
    handles = [_draw(axes, curve, index, squared) for index, curve in enumerate(found.curves)]
    axes.margins(x=0.04, y=0.08)
    pressures = sorted({pressure for curve in found.curves for pressure in curve.pressures_gpa})
    if len(pressures) == 1:
        axes.set_xticks(pressures)
    axes.set_xlabel("pressure (GPa)")
    axes.set_ylabel(
        "squared lowest frequency ($10^4$ cm$^{-2}$), imaginary: negative"
        if squared
        else "lowest frequency (cm$^{-1}$), imaginary: negative"
    )
    axes.legend(
        handles=[*handles, *_marks(axes, found)],
        title="q-point",
        title_fontsize=style.NOTE_POINTS,
        alignment="left",
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        fontsize=style.NOTE_POINTS,
        frameon=False,
        handlelength=3.0,
    )
    style.add_title(axes, style.formula_text(found.formula), f"{found.key}, {found.settings}", free_points=7)
    return figure


def _draw(axes: Axes, curve: SofteningCurve, index: int, squared: bool) -> Line2D:
    """Draw one q-point; colour and marker repeat after as many as there are of them, with another line."""
    values = np.array(curve.lowest_cm1)
    if squared:
        values = np.sign(values) * values**2 / _UNIT_OF_SQUARES
    colour = style.CYCLE[index % len(style.CYCLE)]
    for pressure, value, bound in zip(curve.pressures_gpa, values, curve.upper_bound, strict=True):
        if bound:
            axes.annotate(
                "",
                (pressure, value),
                (0, -16),
                textcoords="offset points",
                arrowprops={"arrowstyle": "<-", "color": colour, "lw": 1.2},
                gid="upper bound",
            )
    [line] = axes.plot(
        curve.pressures_gpa,
        values,
        color=colour,
        marker=style.MARKERS[index % len(style.MARKERS)],
        markersize=_MARKER_SIZE,
        linestyle=_LINE_STYLES[index // len(style.CYCLE) % len(_LINE_STYLES)],
        lw=1.2,
        gid=qpoint_text(curve.qpoint),
        label=qpoint_text(curve.qpoint),
    )
    return line


def _marks(axes: Axes, found: Softening) -> list[Line2D]:
    """Shade the bracket, draw the predicted pressure, and return what the legend says of them."""
    handles = []
    low, high = found.highest_unstable_gpa, found.lowest_stable_gpa
    if low is not None and high is not None:
        axes.axvspan(low, high, color=style.GREY, alpha=0.2, lw=0, zorder=-1, gid="bracket")
        text = f"stability ends between\n{low:g} and {high:g} GPa"
        handles.append(Line2D([], [], color=style.GREY, alpha=0.2, lw=8, label=text))
    if found.critical_pressure_gpa is not None:
        where = f" at q = {qpoint_text(found.critical_qpoint)}" if found.critical_qpoint is not None else ""
        handles.append(
            axes.axvline(
                found.critical_pressure_gpa,
                color=style.BLACK,
                lw=1.0,
                linestyle=(0, (4, 3)),
                zorder=0,
                gid="critical",
                label=f"predicted: {found.critical_pressure_gpa:.1f} GPa{where}".replace(" at q", "\nat q"),
            )
        )
    return handles
