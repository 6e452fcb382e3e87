"""Phonon bands along the high-symmetry path, with the density of states beside them."""

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hts.phonon_curves import PhononBands
from hts.plots import style

_GREEK = {"GAMMA": "Γ", "DELTA": "Δ", "LAMBDA": "Λ", "SIGMA": "Σ"}
_MARGIN = 0.04
# Names nearer to each other than this part of the path would overlap: the second goes one line lower.
_CROWDED = 0.035


def bands_figure(found: PhononBands) -> Figure:
    """Draw interpolated bands, points where ph.x has computed the modes, and the density of states.

    Parameters
    ----------
    found : PhononBands

    Returns
    -------
    Figure
        Frequencies in cm^-1, imaginary ones negative; states per cm^-1 and cell.
    """
    figure = style.new_figure(7.2, 4.6)
    axes = figure.add_axes((0.11, 0.11, 0.66 if found.dos is not None else 0.86, 0.77))
    axes.axhline(0, color=style.GREY, lw=0.6, zorder=0)
    for distances, frequencies in zip(found.distances, found.frequencies_cm1, strict=True):
        axes.plot(distances, frequencies, color=style.BLUE, lw=1.1, zorder=1, gid="bands")
    places = [place for place, modes in found.computed for _ in modes]
    modes = [mode for _, modes in found.computed for mode in modes]
    if modes:
        axes.plot(places, modes, "o", color=style.VERMILLION, ms=3.0, zorder=2, label="computed", gid="computed")
    values = np.concatenate([*(part.ravel() for part in found.frequencies_cm1), modes, [0.0]])
    margin = _MARGIN * (values.max() - values.min() or 1.0)
    axes.set_ylim(values.min() - (margin if values.min() < 0 else 0), values.max() + margin)
    axes.set_xlim(found.distances[0][0], found.distances[-1][-1])
    axes.set_ylabel("frequency (cm$^{-1}$)")
    _name_points(axes, found.ticks)
    if found.dos is not None and found.dos_cm1 is not None:
        _draw_dos(figure, axes, found.dos_cm1, found.dos)
    title = f"{style.formula_text(found.formula)} at {found.pressure_gpa:g} GPa"
    points = ", points: computed by ph.x" if modes else ""
    style.add_title(axes, title, f"{found.key}, {found.settings}{points}", free_points=7)
    return figure


def _name_points(axes: Axes, ticks: tuple[tuple[float, str], ...]) -> None:
    whole = ticks[-1][0] - ticks[0][0] if ticks else 0.0
    names: list[str] = []
    last = -np.inf
    for place, name in ticks:
        low = bool(names) and place - last < _CROWDED * whole and not names[-1].startswith("\n")
        names.append(("\n" if low else "") + point_text(name))
        last = place
    axes.set_xticks([place for place, _ in ticks], names)
    axes.tick_params(axis="x", length=0)
    for place, _ in ticks:
        axes.axvline(place, color=style.GREY, lw=0.5, zorder=0)


def _draw_dos(figure: Figure, axes: Axes, frequencies_cm1: np.ndarray, dos: np.ndarray) -> None:
    """Draw the density of states with the bands' axis of frequencies."""
    beside = figure.add_axes((0.81, 0.11, 0.165, 0.77), sharey=axes)
    beside.axhline(0, color=style.GREY, lw=0.6, zorder=0)
    beside.plot(dos, frequencies_cm1, color=style.BLUE, lw=1.0, gid="dos")
    beside.fill_betweenx(frequencies_cm1, 0, dos, color=style.SKY, alpha=0.35, lw=0)
    beside.set_xlim(0, 1.08 * float(dos.max()) or 1.0)
    beside.tick_params(axis="y", labelleft=False)
    beside.tick_params(axis="x", labelsize=style.NOTE_POINTS)
    beside.locator_params(axis="x", nbins=3)
    beside.set_xlabel("states/(cm$^{-1}$ cell)", fontsize=style.NOTE_POINTS)


def point_text(name: str) -> str:
    """Return the name of a high-symmetry point as it is printed: Greek letters, and indices below the line."""
    parts = []
    for part in name.split("|"):
        letter, _, index = part.partition("_")
        letter = _GREEK.get(letter, letter)
        parts.append(rf"{letter}$_{{{re.sub(r'[{}]', '', index)}}}$" if index else letter)
    return "|".join(parts)
