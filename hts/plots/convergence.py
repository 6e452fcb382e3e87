"""The convergence series of one candidate: lambda and Tc against the fine k-mesh, one line a smearing."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hts.coupling_curves import CONVERGED, CouplingResult, Mesh, SeriesPoint, mesh_text, point_text
from hts.errors import UserError
from hts.plots import style
from hts.plots.coupling_texts import (
    LINE_INCH,
    mu_star_text,
    note_lines,
    range_text,
    title_text,
    warnings_of,
    write_notes,
)

_WIDTH_INCH, _AXES_INCH = 7.2, 2.7
_LEFT, _BETWEEN, _PANEL = 0.1, 0.11, 0.375
_TOP_INCH, _BOTTOM_INCH, _INCH_PER_ROW = 0.62, 0.6, 0.18
_MARKER_SIZE, _CHOSEN_SIZE = 6.0, 12.0
_LABEL_POINTS = 10.0
_COLUMNS = 4
_NOTES_INCH = 0.96 * _WIDTH_INCH

Key = tuple[float, Mesh]


def convergence_figure(found: CouplingResult) -> Figure:
    """Draw lambda and Tc of every member of a series.

    Parameters
    ----------
    found : CouplingResult

    Returns
    -------
    Figure
        Two panels over the fine k-mesh: lambda, and Allen-Dynes Tc at the first mu* in K. A circle is around the chosen
        member, the band of the tolerance lies around its value, members that fail a gate are open and their reasons
        are listed, the cheap estimate is a dotted line.

    Raises
    ------
    UserError
        If the cheap estimate answers and there is no series, or if no member has its meshes stored.
    """
    if found.estimated:
        reason = found.convergence.reason if found.convergence is not None else "no reason is stored"
        raise UserError(
            f"{found.key} has no series: the cheap estimate was enough ({reason}); a lower gates.min_tc_k makes one"
        )
    lines = _lines(found.points)
    if not lines:
        raise UserError(
            f"the series of {found.key} has no meshes stored (members {', '.join(p.label for p in found.points)}); "
            "run the candidate again with this version"
        )
    notes = note_lines(_notes(found), _NOTES_INCH)
    warning = note_lines(warnings_of(found), _NOTES_INCH)
    n_lines = len(notes) + len(warning)
    handles = _handles(found, lines)
    rows = -(-len(handles) // _COLUMNS)
    labels = _BOTTOM_INCH + (0.0 if _is_cubic(found.points) else LINE_INCH)
    below = labels + _INCH_PER_ROW * rows + (LINE_INCH * n_lines + 0.14 if n_lines else 0.05)
    height = _TOP_INCH + _AXES_INCH + below
    figure = style.new_figure(_WIDTH_INCH, height)
    panels = [
        figure.add_axes((_LEFT + index * (_PANEL + _BETWEEN), below / height, _PANEL, _AXES_INCH / height))
        for index in range(2)
    ]
    _draw(panels[0], found, lines, lambda point: point.lambda_)
    _draw(panels[1], found, lines, lambda point: point.allen_dynes_k)
    panels[0].set_ylabel(r"$\lambda$")
    panels[1].set_ylabel(r"Allen–Dynes $T_\mathrm{c}$ (K)")
    _bands(panels, found)
    top = (below - labels + 0.04) / height
    _legend(figure, handles, top)
    _write_titles(panels, found)
    write_notes(figure, notes, 0.02, LINE_INCH * n_lines + 0.06, style.BLACK)
    write_notes(figure, warning, 0.02, LINE_INCH * len(warning) + 0.06)
    return figure


def _legend(figure: Figure, handles: list[Line2D], top: float) -> None:
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, top),
        ncols=_COLUMNS,
        fontsize=style.NOTE_POINTS,
        frameon=False,
        borderpad=0.0,
        borderaxespad=0.0,
        handlelength=2.4,
    )


def _write_titles(panels: Sequence[Axes], found: CouplingResult) -> None:
    """Write crystal and spread above the first panel, and whether the series is converged above the second."""
    title = title_text(found.formula, found.pressure_gpa, found.key)
    style.add_title(panels[0], title, _second_line(found), free_points=7)
    if found.convergence is None:
        return
    converged = found.convergence.status == CONVERGED
    alike = found.convergence.smearing_settled is not False
    settled = "converged" if alike else "converged in k, not in the smearing"
    panels[1].annotate(
        settled if converged else "not converged",
        (1, 1),
        (0, 7),
        "axes fraction",
        textcoords="offset points",
        fontsize=style.NOTE_POINTS,
        color=style.GREY if converged and alike else style.VERMILLION,
        ha="right",
    )


def _lines(points: Sequence[SeriesPoint]) -> dict[Key, list[SeriesPoint]]:
    """Return the members by smearing and q-mesh, each line by rising k-mesh; those without meshes are left out."""
    found: dict[Key, list[SeriesPoint]] = {}
    for point in points:
        if point.kpoints is not None and point.qpoints is not None and point.degaussw_ev is not None:
            found.setdefault((point.degaussw_ev, point.qpoints), []).append(point)
    return {key: sorted(found[key], key=_density) for key in sorted(found)}


def _density(point: SeriesPoint) -> float:
    """Return the mean number of k-points along an axis, the place of a mesh in the picture."""
    return float(np.prod(point.kpoints or (0, 0, 0))) ** (1 / 3)


def _draw(
    axes: Axes,
    found: CouplingResult,
    lines: dict[Key, list[SeriesPoint]],
    value: Callable[[SeriesPoint], float | None],
) -> None:
    """Draw one quantity of all members, and name the k-meshes below it."""
    for index, (key, members) in enumerate(lines.items()):
        there = [(_density(point), number, point) for point in members if (number := value(point)) is not None]
        colour, marker = _look(index)
        axes.plot([x for x, _, _ in there], [y for _, y, _ in there], color=colour, lw=1.2, gid=_line_text(key, lines))
        for x, y, point in there:
            axes.plot(
                [x],
                [y],
                marker=marker,
                ms=_MARKER_SIZE,
                color=colour,
                mfc=colour if point.gates_passed else "white",
                ls="none",
                gid=point.label,
            )
            if point.label == found.chosen:
                axes.plot([x], [y], "o", ms=_CHOSEN_SIZE, mfc="none", mec=style.BLACK, mew=1.0, gid="chosen")
    places = {
        round(_density(point), 6): _tick_text(point.kpoints)
        for members in lines.values()
        for point in members
        if point.kpoints is not None
    }
    axes.set_xticks(list(places), list(places.values()))
    axes.tick_params(axis="x", labelsize=_LABEL_POINTS if _is_cubic(found.points) else style.NOTE_POINTS)
    axes.set_xlabel("fine k-mesh")
    axes.margins(x=0.1, y=0.12)
    if len(places) == 1:
        axes.set_xlim(next(iter(places)) - 1, next(iter(places)) + 1)


def _tick_text(mesh: Mesh) -> str:
    """Return a mesh as it stands below its tick; three numbers need two lines to keep apart."""
    return mesh_text(mesh) if len(set(mesh)) == 1 else f"{mesh[0]}×{mesh[1]}\n×{mesh[2]}"


def _is_cubic(points: Sequence[SeriesPoint]) -> bool:
    return all(point.kpoints is None or len(set(point.kpoints)) == 1 for point in points)


def _bands(panels: Sequence[Axes], found: CouplingResult) -> None:
    """Shade the tolerance around the chosen value, and draw the cheap estimate."""
    chosen = next(point for point in found.points if point.label == found.chosen)
    relative = (found.convergence.tolerance if found.convergence else None) or 0.0
    least_k = (found.convergence.tolerance_k if found.convergence else None) or 0.0
    estimate = found.estimate
    for axes, value, least, estimated in (
        (panels[0], chosen.lambda_, 0.0, estimate.lambda_ if estimate else None),
        (panels[1], chosen.allen_dynes_k, least_k, estimate.allen_dynes_k if estimate else None),
    ):
        half = 0.0 if value is None else max(relative * value, least)
        if value is not None and half > 0:
            axes.axhspan(value - half, value + half, color=style.GREY, alpha=0.18, lw=0, zorder=-1, gid="tolerance")
        if estimated is not None:
            axes.axhline(estimated, color=style.BLACK, lw=1.0, ls=":", zorder=0, gid="estimate")


def _handles(found: CouplingResult, lines: dict[Key, list[SeriesPoint]]) -> list[Line2D]:
    """Return what the legend explains: smearings, and the marks that are there."""
    handles = []
    for index, key in enumerate(lines):
        colour, marker = _look(index)
        text = _line_text(key, lines)
        handles.append(Line2D([], [], color=colour, marker=marker, ms=_MARKER_SIZE, lw=1.2, label=text))
    ring: dict[str, Any] = {"marker": "o", "ls": "none", "color": style.BLACK, "mfc": "none"}
    handles.append(Line2D([], [], **ring, ms=_CHOSEN_SIZE * 0.75, label="chosen"))
    if any(not point.gates_passed for point in found.points):
        handles.append(Line2D([], [], **ring, ms=_MARKER_SIZE, label="open: gates not passed"))
    if found.convergence is not None and (found.convergence.tolerance or found.convergence.tolerance_k):
        handles.append(Line2D([], [], color=style.GREY, alpha=0.3, lw=7, label=f"tolerance{_tolerance_text(found)}"))
    if found.estimate is not None:
        handles.append(Line2D([], [], color=style.BLACK, lw=1.0, ls=":", label="cheap estimate"))
    return handles


def _tolerance_text(found: CouplingResult) -> str:
    relative = found.convergence.tolerance if found.convergence else None
    return f" {relative:.0%}" if relative else ""


def _line_text(key: Key, lines: dict[Key, list[SeriesPoint]]) -> str:
    """Return what the legend calls a line: its smearing, with the q-mesh where there are several."""
    degaussw_ev, qpoints = key
    several = len({mesh for _, mesh in lines}) > 1
    return f"smearing {degaussw_ev:g} eV" + (f", q {mesh_text(qpoints)}" if several else "")


def _look(index: int) -> tuple[str, str]:
    return style.CYCLE[index % len(style.CYCLE)], style.MARKERS[index % len(style.MARKERS)]


def _second_line(found: CouplingResult) -> str:
    """Return key, mu* and the spread of Tc over the series."""
    parts = [found.key]
    if found.tc:
        parts.append(mu_star_text(found.tc[0].mu_star))
    if found.spread_k is not None:
        parts.append(rf"$T_\mathrm{{c}}$ over the series: {range_text(*found.spread_k)}")
    return ", ".join(parts)


def _notes(found: CouplingResult) -> list[str]:
    """Return why members are open, and how far a converged series still changes, unless a warning says so."""
    notes = [
        f"open, {point_text(point.label, found.points)}: {', '.join(point.failures) or 'gates not checked'}"
        for point in found.points
        if not point.gates_passed
    ]
    judged = found.convergence
    if judged is not None and judged.reason and judged.status == CONVERGED and judged.smearing_settled is not False:
        notes.append(judged.reason)
    return notes
