"""The hull of a chemical system at one pressure: two elements against composition, three in a triangle."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from hts.errors import UserError
from hts.plots import style
from hts.system_hull import HullRow, SystemHull

_BINARY, _TERNARY = 2, 3
_MEV_PER_EV = 1000.0
# With more phases only those on the hull and the candidates are named.
_MOST_NAMED = 30
_HEIGHT = math.sqrt(3) / 2
_STABLE_SIZE, _OPEN_SIZE, _STAR_SIZE = 7.0, 5.5, 11.0
# Differences of some meV/atom should not look like much: the axis spans at least twice this.
_LEAST_MARGIN_EV = 0.01
_COLOURS = "viridis"


def hull_figure(hull: SystemHull, max_hull_ev_per_atom: float | None = None) -> Figure:
    """Draw a hull.

    Parameters
    ----------
    hull : SystemHull
        Of two or three elements.
    max_hull_ev_per_atom : float, optional
        Leave out what lies further above the hull.

    Returns
    -------
    Figure
        Two elements: formation enthalpy (eV/atom) against the fraction of the second element of the system, hydrogen
        where there is any. Three: Gibbs' triangle with the tie lines, colours for the energy above hull (meV/atom).

    Raises
    ------
    UserError
        For one element or more than three.
    """
    require_drawable(hull.elements)
    rows = hull.within(max_hull_ev_per_atom)
    return _binary(hull, rows) if len(hull.elements) == _BINARY else _ternary(hull, rows)


def require_drawable(elements: Sequence[str]) -> None:
    """Refuse systems that no picture shows.

    Raises
    ------
    UserError
        For one element or more than three.
    """
    if len(elements) not in (_BINARY, _TERNARY):
        raise UserError(
            f"{'-'.join(elements)} has {len(elements)} element{'s'[: len(elements) != 1]}, a picture of a hull shows "
            f"two or three; `hts hull {'-'.join(elements)}` prints it as a table"
        )


def _binary(hull: SystemHull, rows: Sequence[HullRow]) -> Figure:
    """Draw formation enthalpy against composition."""
    figure = style.new_figure(6.4, 4.8)
    axes = figure.add_axes((0.14, 0.11, 0.83, 0.75))
    points = [(_fraction(row, hull.elements[1]), row.placement.formation_ev_per_atom) for row in rows]
    line = sorted({point for point, row in zip(points, rows, strict=True) if row.is_stable})
    axes.axhline(0, color=style.GREY, lw=0.6, zorder=0)
    axes.plot(*zip(*line, strict=True), color=style.BLUE, lw=1.4, zorder=1, label="hull")
    for (x, y), row in zip(points, rows, strict=True):
        colour = style.VERMILLION if row.phase.kind == "candidate" else style.BLUE if row.is_stable else style.GREY
        _mark(axes, x, y, row, face=colour if row.is_stable else "white", edge=colour)
    axes.set_xlim(-0.04, 1.04)
    heights = [y for _, y in points]
    margin = max(0.14 * (max(heights) - min(heights)), _LEAST_MARGIN_EV)
    axes.set_ylim(min(heights) - margin, max(heights) + margin)
    axes.set_xlabel(f"fraction of {hull.elements[1]} atoms in {_general_formula(hull.elements)}")
    axes.set_ylabel("formation enthalpy (eV/atom)")
    _decorate(axes, hull, rows, points, [line, [(0, 0), (1, 0)]])
    kinds = [_key("o", style.BLUE, style.BLUE, "stable")]
    if any(not row.is_stable for row in rows):
        kinds.append(_key("o", "white", style.GREY, "metastable, with meV/atom above hull"))
    if any(row.phase.kind == "candidate" for row in rows):
        kinds.append(_key("*", style.VERMILLION, style.VERMILLION, "candidate (open: metastable)"))
    style.legend_above(axes, kinds)
    return figure


def _ternary(hull: SystemHull, rows: Sequence[HullRow]) -> Figure:
    """Draw Gibbs' triangle, hydrogen at its top."""
    figure = style.new_figure(7.2, 5.9)
    axes = figure.add_axes((0.04, 0.02, 0.80, 0.82))
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-0.1, 1.1)
    axes.set_ylim(-0.07, 0.94)
    points = [_in_triangle(row, hull.elements) for row in rows]
    lines = tie_lines(hull)
    for start, end in lines:
        axes.plot(*zip(start, end, strict=True), color=style.GREY, lw=0.9, zorder=1)
    above = [row.placement.hull_ev_per_atom * _MEV_PER_EV for row in rows if not row.is_stable]
    scale, colours = Normalize(0, max(above, default=1.0)), colormaps[_COLOURS]
    # Polymorphs share a point: the lowest is drawn last.
    for (x, y), row in reversed(list(zip(points, rows, strict=True))):
        if row.is_stable:
            face: Any = style.VERMILLION if row.phase.kind == "candidate" else style.BLACK
        else:
            face = colours(scale(row.placement.hull_ev_per_atom * _MEV_PER_EV))
        _mark(axes, x, y, row, face=face, edge=style.BLACK)
    _decorate(axes, hull, rows, points, lines)
    kinds = [_key("o", style.BLACK, style.BLACK, "stable")]
    if above:
        bar = figure.colorbar(ScalarMappable(scale, colours), cax=figure.add_axes((0.87, 0.2, 0.025, 0.5)))
        bar.set_label("energy above hull (meV/atom)")
        kinds.append(_key("o", "white", style.BLACK, "metastable (colour)"))
    if any(row.phase.kind == "candidate" for row in rows):
        kinds.append(_key("*", style.VERMILLION, style.BLACK, "candidate (red: stable)"))
    style.legend_above(axes, kinds)
    return figure


def tie_lines(hull: SystemHull) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the edges between stable phases of a ternary hull, as pairs of points in the triangle.

    The corners of the triangle are (0, 0), (1, 0) and (1/2, sqrt(3)/2), in the order of the elements.
    """
    lowest: dict[str, HullRow] = {}
    for row in hull.rows:
        if row.is_stable:
            lowest.setdefault(row.phase.formula, row)
    rows = list(lowest.values())
    entries = []
    for index, row in enumerate(rows):
        composition = Composition(row.phase.formula)
        energy = row.placement.formation_ev_per_atom * composition.num_atoms
        entries.append(PDEntry(composition, energy, attribute=index))
    diagram = PhaseDiagram(entries)
    at = [_in_triangle(rows[entry.attribute], hull.elements) for entry in diagram.qhull_entries]
    edges = {tuple(sorted(pair)) for facet in diagram.facets for pair in combinations(map(int, facet), 2)}
    return [(at[first], at[second]) for first, second in sorted(edges)]


def _fraction(row: HullRow, element: str) -> float:
    return float(Composition(row.phase.formula).get_atomic_fraction(element))


def _in_triangle(row: HullRow, elements: Sequence[str]) -> tuple[float, float]:
    second, third = (_fraction(row, element) for element in elements[1:])
    return second + third / 2, third * _HEIGHT


def _general_formula(elements: Sequence[str]) -> str:
    first, second = elements
    return rf"$\mathrm{{{first}}}_{{1-x}}\mathrm{{{second}}}_{{x}}$"


def _mark(axes: Axes, x: float, y: float, row: HullRow, *, face: Any, edge: str) -> None:
    """Draw one phase: candidates as stars, what is stable in front."""
    candidate = row.phase.kind == "candidate"
    size = _STAR_SIZE if candidate else _STABLE_SIZE if row.is_stable else _OPEN_SIZE
    axes.plot(
        [x],
        [y],
        "*" if candidate else "o",
        markerfacecolor=face,
        markeredgecolor=edge,
        markersize=size,
        markeredgewidth=1.0,
        linestyle="none",
        zorder=4 if row.is_stable else 3,
        gid=row.phase.label,
        clip_on=False,
    )


def _decorate(
    axes: Axes,
    hull: SystemHull,
    rows: Sequence[HullRow],
    points: Sequence[tuple[float, float]],
    lines: Sequence[Sequence[tuple[float, float]]],
) -> None:
    """Write title, warning and names: those of stable phases first, they get the best places."""
    order = sorted(range(len(rows)), key=lambda i: (not rows[i].is_stable, rows[i].phase.kind != "candidate", i))
    all_named = len(rows) <= _MOST_NAMED
    texts = [
        label_text(rows[i]) if all_named or rows[i].is_stable or rows[i].phase.kind == "candidate" else None
        for i in order
    ]
    style.place_labels(axes, [points[i] for i in order], texts, lines)
    title = f"{'–'.join(hull.elements)} at {hull.pressure_gpa:g} GPa"
    style.add_title(axes, title, hull.settings, style.incomplete_text(hull.missing))


def label_text(row: HullRow) -> str:
    """Return the name of a phase in a picture: formula and space group, and how far above the hull it is."""
    name = f"{style.formula_text(row.phase.formula)} {style.space_group_text(row.phase.space_group_number)}"
    if row.is_stable:
        return name
    return f"{name} +{row.placement.hull_ev_per_atom * _MEV_PER_EV:.0f}"


def _key(marker: str, face: str, edge: str, text: str) -> Line2D:
    size = _STAR_SIZE if marker == "*" else _OPEN_SIZE
    return Line2D([], [], marker=marker, ls="none", ms=size, markerfacecolor=face, markeredgecolor=edge, label=text)
