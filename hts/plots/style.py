"""What all pictures share: colours, formulas and space groups as they are printed, labels that keep apart."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from hts.stored_phases import space_group_symbol

# Told apart by every kind of colour vision: M. Okabe and K. Ito, https://jfly.uni-koeln.de/color/
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
BLACK, GREY = "#000000", "#777777"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

DPI = 200
TITLE_POINTS, LABEL_POINTS, NOTE_POINTS = 12.0, 8.0, 8.0

_ANGLES_DEG = (45, 0, 90, 135, -45, 180, -90, -135)
_RADII_POINTS = (9, 16, 26, 38, 52, 68, 88)
_MARKER_POINTS = 4.5
# A label may lie on a line or near another point, but not on another label or a marker; nearer to its point is better.
_ON_LINE, _NEAR_ANOTHER, _ON_LABEL, _OUTSIDE = 15.0, 20.0, 1000.0, 1000.0
_STEPS_PER_LINE = 60


def new_figure(width_inch: float, height_inch: float) -> Figure:
    """Return an empty figure with a canvas of its own, so that texts can be measured before it is saved."""
    figure = Figure(figsize=(width_inch, height_inch), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def formula_text(formula: str) -> str:
    """Return a formula with its numbers as subscripts, in matplotlib's notation of mathematics."""
    lowered = re.sub(r"([0-9.]+)", r"_{\1}", formula)
    return rf"$\mathrm{{{lowered}}}$"


def space_group_text(number: int) -> str:
    """Return the symbol of a space group as it is printed: letters slanted, screw axes below, inversions barred."""
    symbol = re.sub(r"_(\d)", r"_{\1}", space_group_symbol(number))
    barred = re.sub(r"-(\d)", r"\\bar{\1}", symbol)
    return f"${barred}$"


def add_title(
    axes: Axes, first_line: str, second_line: str, warning: str | None = None, free_points: float = 20.0
) -> None:
    """Write above the axes what is drawn, a warning to its right, and below it, smaller, the settings.

    Parameters
    ----------
    axes : Axes
    first_line, second_line : str
    warning : str, optional
    free_points : float
        Height that is left to a legend between the settings and the axes.
    """
    top = free_points + 14
    texts = [(first_line, 0, top, TITLE_POINTS, BLACK), (second_line, 0, free_points, NOTE_POINTS, GREY)]
    texts += [(warning, 1, top, NOTE_POINTS, VERMILLION)] if warning else []
    for text, side, height_points, size, colour in texts:
        axes.annotate(
            text,
            (side, 1),
            (0, height_points),
            "axes fraction",
            textcoords="offset points",
            fontsize=size,
            color=colour,
            ha="right" if side else "left",
        )


def legend_above(axes: Axes, handles: Sequence[Line2D]) -> None:
    """Explain lines and markers on one line above the axes, where no phase can be."""
    axes.legend(
        handles=list(handles),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        fontsize=NOTE_POINTS,
        frameon=False,
        borderaxespad=0.1,
        borderpad=0.2,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def incomplete_text(missing: Sequence[str]) -> str | None:
    """Return the warning for a hull without all of its competitors; None for a complete one."""
    if not missing:
        return None
    return f"hull incomplete: {len(missing)} competitor{'s' if len(missing) > 1 else ''} missing"


def place_labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str | None],
    lines: Sequence[Sequence[tuple[float, float]]] = (),
) -> list[Annotation]:
    """Write a text beside each point such that texts cover neither each other nor a point, and rarely a line.

    The limits of the axes must be final. The points are served in their order; of the places around a point, nearest
    first, the one that covers least is taken, with a thin line to the point from farther away.

    Parameters
    ----------
    axes : Axes
    points : sequence of pairs
        In the axes' coordinates.
    texts : sequence of str or None
        One a point; a point without a text is kept free all the same.
    lines : sequence of sequences of pairs
        Polylines in the axes' coordinates.

    Returns
    -------
    list of Annotation
        In the order of the texts, None left out.
    """
    pixels_per_point = axes.figure.dpi / 72
    centres = axes.transData.transform(np.reshape(np.array(points, dtype=float), (-1, 2)))
    half = _MARKER_POINTS * pixels_per_point
    markers = [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in centres]
    on_lines = _line_points(axes, lines)
    taken: list[Bbox] = []
    labels = []
    for centre, text in zip(centres, texts, strict=True):
        if text is None:
            continue
        size = _size(axes, text)
        others = centres[np.hypot(*(centres - centre).T) > half]
        places = [
            (radius, _box(centre, size, radius * pixels_per_point, angle))
            for radius in _RADII_POINTS
            for angle in _ANGLES_DEG
        ]
        costs = [
            radius
            + _cost(box, taken, markers, on_lines, axes.bbox)
            + _NEAR_ANOTHER * (_nearest(box, others) < (radius + _MARKER_POINTS) * pixels_per_point)
            for radius, box in places
        ]
        radius, box = places[int(np.argmin(costs))]
        taken.append(box)
        labels.append(_annotate(axes, text, centre, box, far=radius > _RADII_POINTS[0]))
    return labels


def _line_points(axes: Axes, lines: Sequence[Sequence[tuple[float, float]]]) -> np.ndarray:
    """Return points along polylines in pixels."""
    found = [np.empty((0, 2))]
    for line in lines:
        corners = axes.transData.transform(np.array(line, dtype=float))
        for start, end in pairwise(corners):
            found.append(start + np.linspace(0, 1, _STEPS_PER_LINE)[:, None] * (end - start))
    return np.concatenate(found)


def _size(axes: Axes, text: str) -> tuple[float, float]:
    """Return width and height of a text in pixels."""
    trial = axes.text(0, 0, text, fontsize=LABEL_POINTS)
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # noqa: S101 (new_figure's)
    extent = trial.get_window_extent(canvas.get_renderer())
    trial.remove()
    return float(extent.width), float(extent.height)


def _box(centre: np.ndarray, size: tuple[float, float], radius: float, angle_deg: float) -> Bbox:
    """Return where a text lies whose nearest side or corner is at a distance and angle from a point."""
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    left = centre[0] + radius * cosine - size[0] * (1 - round(cosine, 6)) / 2
    bottom = centre[1] + radius * sine - size[1] * (1 - round(sine, 6)) / 2
    return Bbox.from_bounds(left, bottom, *size)


def _cost(box: Bbox, taken: Sequence[Bbox], markers: Sequence[Bbox], on_lines: np.ndarray, frame: Bbox) -> float:
    covered = sum(box.overlaps(other) for other in [*taken, *markers])
    inside = (
        (on_lines[:, 0] > box.x0) & (on_lines[:, 0] < box.x1) & (on_lines[:, 1] > box.y0) & (on_lines[:, 1] < box.y1)
    )
    outside = box.x0 < frame.x0 or box.x1 > frame.x1 or box.y0 < frame.y0 or box.y1 > frame.y1
    return _ON_LABEL * covered + _ON_LINE * bool(inside.any()) + _OUTSIDE * outside


def _nearest(box: Bbox, points: np.ndarray) -> float:
    """Return the distance in pixels from a box to the nearest of some points."""
    outside_x = np.maximum(np.maximum(box.x0 - points[:, 0], points[:, 0] - box.x1), 0)
    outside_y = np.maximum(np.maximum(box.y0 - points[:, 1], points[:, 1] - box.y1), 0)
    return float(np.hypot(outside_x, outside_y).min(initial=np.inf))


def _annotate(axes: Axes, text: str, centre: np.ndarray, box: Bbox, *, far: bool) -> Annotation:
    """Write a text at its place, given as an offset in points so that it stays there at any resolution."""
    points_per_pixel = 72 / axes.figure.dpi
    return axes.annotate(
        text,
        xy=tuple(axes.transData.inverted().transform(centre)),
        xytext=((box.x0 - centre[0]) * points_per_pixel, (box.y0 - centre[1]) * points_per_pixel),
        textcoords="offset points",
        fontsize=LABEL_POINTS,
        ha="left",
        va="bottom",
        arrowprops={"arrowstyle": "-", "lw": 0.4, "color": GREY, "shrinkA": 0, "shrinkB": 3} if far else None,
    )
