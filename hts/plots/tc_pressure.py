"""Tc against pressure, between lines of equal figure of merit: what is worth the press."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from hts.coupling_curves import TcCurve, TcPoint
from hts.errors import UserError
from hts.known_superconductors import KnownSuperconductor
from hts.plots import style
from hts.plots.coupling_texts import mu_star_text
from hts.superconductivity import REFERENCE_TC_K

_WIDTH_INCH, _HEIGHT_INCH = 6.4, 5.5
_FRAME = (0.1, 0.205, 0.79, 0.665)
_MERITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_LEAST_RANGE_GPA, _LEAST_RANGE_K = 10.0, 1.0
# A line that leaves the frame lower than that part of it, on the right, says nothing.
_LOWEST_EXIT, _NEAREST_EXITS = 0.06, 0.08
_MARKER_SIZE, _STAR_SIZE = 6.0, 9.0
_MOST_NAMED, _FARTHEST_POINTS = 20, 40
_LINE_POINTS, _POINTS_PER_STROKE = 200, 12


def tc_pressure_figure(curves: Sequence[TcCurve], known: Sequence[KnownSuperconductor] = ()) -> Figure:
    """Draw Tc of candidates against pressure, with measured superconductors for comparison.

    Parameters
    ----------
    curves : sequence of TcCurve
        Pressures of one candidate are joined. Names are written beside the best point of each, best candidates first,
        as long as there is a place: in a crowd the others have none.
    known : sequence of KnownSuperconductor

    Returns
    -------
    Figure
        Pressure in GPa, Tc in K; grey lines and shades of constant S = Tc/sqrt(P^2 + 39^2). Circles are Allen-Dynes at
        the first mu* with a bar for its range over the series, diamonds isotropic Eliashberg, open ones unverified
        or cheap estimates, stars measured.

    Raises
    ------
    UserError
        If there is nothing to draw.
    """
    points = [point for curve in curves for point in curve.points]
    if not points and not known:
        raise UserError("there is no Tc to draw; run a campaign to its end, or leave out --no-known")
    figure = style.new_figure(_WIDTH_INCH, _HEIGHT_INCH)
    axes = figure.add_axes(_FRAME)
    pressures = [point.pressure_gpa for point in points] + [one.pressure_gpa for one in known]
    tops = [max(_temperatures(point)) for point in points] + [one.tc_k for one in known]
    # Room on the left of 0 GPa, or half of its markers would be cut.
    right = 1.08 * max(*pressures, _LEAST_RANGE_GPA)
    axes.set_xlim(-0.03 * right, right)
    axes.set_ylim(0, 1.12 * max(*tops, _LEAST_RANGE_K))
    lines = _draw_merits(axes)
    for curve in curves:
        _draw_curve(axes, curve)
    for one in known:
        axes.plot(
            [one.pressure_gpa], [one.tc_k], "*", ms=_STAR_SIZE, color=style.BLACK, zorder=4, clip_on=False, gid=one.name
        )
    axes.set_xlabel("pressure (GPa)")
    axes.set_ylabel(r"$T_\mathrm{c}$ (K)")
    _name(axes, curves, known, lines)
    _legend(axes, points, known)
    style.add_title(
        axes,
        r"$T_\mathrm{c}$ against pressure",
        rf"grey: constant $S = T_\mathrm{{c}}/\sqrt{{P^2 + ({REFERENCE_TC_K:g}\,\mathrm{{GPa}})^2}}$, in K/GPa",
        free_points=21,
    )
    return figure


def _temperatures(point: TcPoint) -> list[float]:
    """Return all that is drawn of a point, in K."""
    return [point.allen_dynes_k, *(point.spread_k or ()), *([point.eliashberg_k] if point.eliashberg_k else [])]


def _draw_merits(axes: Axes) -> list[list[tuple[float, float]]]:
    """Draw lines of equal merit with shades between them, name each where it leaves the frame, and return them."""
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    pressures = np.linspace(axes.get_xlim()[0], right, _LINE_POINTS)
    lines = []
    for merit, place in _merits_shown(right, top).items():
        tc_k = merit * np.hypot(pressures, REFERENCE_TC_K)
        axes.fill_between(pressures, tc_k, top, where=tc_k < top, color=style.GREEN, alpha=0.045, lw=0, zorder=-2)
        axes.plot(pressures, tc_k, color=style.GREY, lw=0.7, alpha=0.7, zorder=-1, gid=f"S = {merit:g}")
        lines.append([(float(p), float(t)) for p, t in zip(pressures, tc_k, strict=True) if t <= top])
        _name_merit(axes, merit, place)
    return lines


def _merits_shown(right: float, top: float) -> dict[float, tuple[float, float]]:
    """Return the merits whose lines are drawn, the best first, with where each leaves the frame: names keep apart."""
    shown: dict[float, tuple[float, float]] = {}
    for merit in sorted(_MERITS, reverse=True):
        if merit * REFERENCE_TC_K >= top:
            continue
        place = _exit(merit, right, top)
        apart = all(np.hypot(place[0] - x, place[1] - y) > _NEAREST_EXITS for x, y in shown.values())
        if apart and place[1] >= _LOWEST_EXIT:
            shown[merit] = place
    return shown


def _exit(merit: float, right: float, top: float) -> tuple[float, float]:
    """Return where a line of equal merit leaves the frame, in parts of the axes: above 0 GPa, at the top or right."""
    at_right = merit * float(np.hypot(right, REFERENCE_TC_K))
    if at_right <= top:
        return 1.0, at_right / top
    pressure = float(np.sqrt((top / merit) ** 2 - REFERENCE_TC_K**2))
    left = -0.03 * right
    return (pressure - left) / (right - left), 1.0


def _name_merit(axes: Axes, merit: float, place: tuple[float, float]) -> None:
    at_top = place[1] == 1.0
    axes.annotate(
        f"S = {merit:g}",
        place,
        (0, 3) if at_top else (4, 0),
        "axes fraction",
        textcoords="offset points",
        fontsize=style.NOTE_POINTS,
        color=style.GREY,
        ha="center" if at_top else "left",
        va="bottom" if at_top else "center",
    )


def _draw_curve(axes: Axes, curve: TcCurve) -> None:
    """Draw one candidate: a line through its pressures, and its marks at each."""
    pressures = [point.pressure_gpa for point in curve.points]
    if len(pressures) > 1:
        values = [point.allen_dynes_k for point in curve.points]
        axes.plot(pressures, values, color=style.BLUE, lw=1.0, zorder=1, gid=f"{curve.key} line")
    for point in curve.points:
        if point.eliashberg_k is not None:
            axes.plot(
                [point.pressure_gpa],
                [point.eliashberg_k],
                **_mark("D", style.VERMILLION, _is_open(point)),
                zorder=5,
                gid=f"{curve.key} eliashberg",
            )
        low, high = point.spread_k or (point.allen_dynes_k, point.allen_dynes_k)
        bar = [[max(point.allen_dynes_k - low, 0.0)], [max(high - point.allen_dynes_k, 0.0)]]
        container = axes.errorbar(
            [point.pressure_gpa],
            [point.allen_dynes_k],
            yerr=bar,
            **_mark("o", style.BLUE, _is_open(point)),
            ecolor=style.BLUE,
            elinewidth=1.0,
            capsize=2.5,
            zorder=3,
        )
        container.lines[0].set_gid(f"{curve.key} allen-dynes")
        container.lines[2][0].set_gid(f"{curve.key} spread")


def _is_open(point: TcPoint) -> bool:
    """Say whether a Tc is drawn open, as one that must not be quoted."""
    return point.unverified or point.estimated


def _mark(marker: str, colour: str, is_open: bool) -> dict[str, Any]:
    size = _MARKER_SIZE if marker == "o" else 0.8 * _MARKER_SIZE
    return {"marker": marker, "ms": size, "ls": "none", "color": colour, "mfc": "white" if is_open else colour}


def _name(
    axes: Axes,
    curves: Sequence[TcCurve],
    known: Sequence[KnownSuperconductor],
    lines: Sequence[Sequence[tuple[float, float]]],
) -> None:
    """Write formulas beside the measured ones and beside the best point of each candidate, if there is a place."""
    best = [(max(curve.points, key=lambda point: point.merit), curve.formula) for curve in curves]
    best.sort(key=lambda item: -item[0].merit)
    # The measured ones first: they stand still, and are what the others are compared with.
    places = [(one.pressure_gpa, one.tc_k) for one in known]
    texts: list[str | None] = [style.formula_text(one.name) for one in known]
    places += [(point.pressure_gpa, point.allen_dynes_k) for point, _ in best]
    texts += [style.formula_text(formula) if rank < _MOST_NAMED else None for rank, (_, formula) in enumerate(best)]
    # All other marks, lines and bars are kept free of names.
    named = {id(point) for point, _ in best}
    for point in (point for curve in curves for point in curve.points):
        places += [] if id(point) in named else [(point.pressure_gpa, point.allen_dynes_k)]
        places += [(point.pressure_gpa, point.eliashberg_k)] if point.eliashberg_k is not None else []
    places += _stroke_points(curves)
    texts += [None] * (len(places) - len(texts))
    for label in style.place_labels(axes, places, texts, lines):
        if not _is_near(axes, label):
            label.remove()


def _is_near(axes: Axes, label: Annotation) -> bool:
    """Say whether a name lies within the frame and so near to its mark that one sees what it names."""
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)  # noqa: S101 (new_figure's)
    renderer = canvas.get_renderer()
    label.update_positions(renderer)
    # Of the text alone: an annotation counts the line to its mark in.
    box = Text.get_window_extent(label, renderer)
    x, y = axes.transData.transform(label.xy)
    away = np.hypot(max(box.x0 - x, x - box.x1, 0), max(box.y0 - y, y - box.y1, 0))
    inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1
    return bool(inside and away * 72 / axes.figure.dpi <= _FARTHEST_POINTS)


def _stroke_points(curves: Sequence[TcCurve]) -> list[tuple[float, float]]:
    """Return points along the lines and bars of candidates, in GPa and K."""
    strokes = [[(point.pressure_gpa, point.allen_dynes_k) for point in curve.points] for curve in curves]
    points = (point for curve in curves for point in curve.points)
    strokes += [[(point.pressure_gpa, k) for k in point.spread_k] for point in points if point.spread_k is not None]
    steps = np.linspace(0, 1, _POINTS_PER_STROKE)
    return [
        (start[0] + step * (end[0] - start[0]), start[1] + step * (end[1] - start[1]))
        for stroke in strokes
        for start, end in pairwise(stroke)
        for step in steps
    ]


def _legend(axes: Axes, points: Sequence[TcPoint], known: Sequence[KnownSuperconductor]) -> None:
    """Explain the marks that are there below the axes."""
    handles = []
    if points:
        mu_stars = sorted({point.mu_star for point in points})
        values = mu_star_text(mu_stars[0]) + "".join(f", {mu_star:g}" for mu_star in mu_stars[1:])
        text = f"Allen–Dynes, {values}"
        if any(point.spread_k is not None for point in points):
            text += "; bar: range over the series"
        handles.append(Line2D([], [], **_mark("o", style.BLUE, False), label=text))
    if any(point.eliashberg_k is not None for point in points):
        handles.append(Line2D([], [], **_mark("D", style.VERMILLION, False), label="isotropic Eliashberg"))
    if any(map(_is_open, points)):
        unverified, estimated = (any(getattr(p, name) for p in points) for name in ("unverified", "estimated"))
        text = " or ".join([*(["unverified"] if unverified else []), *(["estimate only"] if estimated else [])])
        handles.append(Line2D([], [], **_mark("o", style.BLUE, True), label=f"open: {text}"))
    if known:
        handles.append(Line2D([], [], marker="*", ms=_STAR_SIZE, ls="none", color=style.BLACK, label="measured"))
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.135),
        ncols=2,
        fontsize=style.NOTE_POINTS,
        frameon=False,
        handletextpad=0.3,
        columnspacing=2.0,
    )
