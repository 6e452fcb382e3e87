"""The Eliashberg function with the coupling that it adds up to: which phonons pair the electrons."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from hts.coupling_curves import CouplingResult, Spectrum, point_text
from hts.errors import UserError
from hts.plots import style
from hts.plots.coupling_texts import (
    LINE_INCH,
    mu_star_text,
    note_lines,
    range_text,
    tc_text,
    title_text,
    warnings_of,
    write_notes,
)
from hts.units import BOLTZMANN_MEV_PER_K, MEV_PER_CM1

_WIDTH_INCH, _AXES_INCH = 5.6, 2.9
_LEFT, _RIGHT = 0.115, 0.885
# Above the axes: title, settings and the second axis of energies. Below: numbers and name of the first one.
_TOP_INCH, _BOTTOM_INCH, _INCH_PER_ENTRY = 0.95, 0.58, 0.16
_BOLD, _THIN = 2.0, 0.7
# A spectrum ends where it has fallen below this part of its maximum.
_NOTHING = 1e-3


def alpha2f_figure(found: CouplingResult) -> Figure:
    """Draw alpha2F of the chosen fine mesh bold, those of the others thin, and the cumulative lambda of each.

    Parameters
    ----------
    found : CouplingResult
        With the spectrum of the chosen mesh.

    Returns
    -------
    Figure
        Energies in meV, above in cm^-1; alpha2F on the left, cumulative lambda on the right; lambda, omega_log and Tc
        in the legend, and below it why the Tc is unverified or not converged, if it is.

    Raises
    ------
    UserError
        If there is no spectrum of the chosen mesh.
    """
    chosen = next((one for one in found.spectra if one.label == found.chosen), None)
    if chosen is None:
        raise UserError(
            f"no alpha2F of {found.key} at the chosen mesh {found.chosen} is stored, it has "
            f"{', '.join(one.label for one in found.spectra) or 'none'}; import the whole history of the candidate"
        )
    others = [one for one in found.spectra if one is not chosen]
    lines = note_lines(warnings_of(found), _WIDTH_INCH * (1 - _LEFT))
    numbers = _numbers(found)
    entries = max(len(numbers), 3 if others else 2)
    below = _BOTTOM_INCH + _INCH_PER_ENTRY * entries + (LINE_INCH * len(lines) + 0.15 if lines else 0.05)
    height = _TOP_INCH + _AXES_INCH + below
    figure = style.new_figure(_WIDTH_INCH, height)
    axes = figure.add_axes((_LEFT, below / height, _RIGHT - _LEFT, _AXES_INCH / height))
    beside = axes.twinx()
    handles = _draw(axes, beside, chosen, others, point_text(found.chosen, found.points))
    _finish_axes(axes, beside, found.spectra)
    _legend(axes, handles, numbers, entries)
    title = title_text(found.formula, found.pressure_gpa, found.key)
    style.add_title(axes, title, found.key if found.formula else "Eliashberg function", free_points=36)
    write_notes(figure, lines, 0.03, LINE_INCH * len(lines) + 0.08)
    return figure


def _draw(axes: Axes, beside: Axes, chosen: Spectrum, others: list[Spectrum], name: str) -> list[Line2D]:
    """Draw all spectra and return what the legend explains."""
    for one in others:
        axes.plot(one.energy_mev, one.alpha2f, color=style.SKY, lw=_THIN, zorder=1, gid=one.label)
        beside.plot(one.energy_mev, one.cumulative_lambda, color=style.ORANGE, lw=_THIN, zorder=1, gid=one.label)
    axes.fill_between(chosen.energy_mev, 0, chosen.alpha2f, color=style.SKY, alpha=0.25, lw=0, zorder=0)
    [spectrum] = axes.plot(
        chosen.energy_mev, chosen.alpha2f, color=style.BLUE, lw=_BOLD, zorder=2, gid="alpha2f", label=r"$\alpha^2F$"
    )
    [coupling] = beside.plot(
        chosen.energy_mev,
        chosen.cumulative_lambda,
        color=style.VERMILLION,
        lw=_BOLD,
        ls=(0, (5, 1.5)),
        zorder=2,
        gid="lambda",
        label=r"$\lambda(\omega)$",
    )
    if not others:
        return [spectrum, coupling]
    spectrum.set_label(rf"$\alpha^2F$, {name}")
    coupling.set_label(rf"$\lambda(\omega)$, {name}")
    thin = Line2D([], [], color=style.GREY, lw=_THIN, label=f"thin: {len(others)} other fine meshes or smearings")
    return [spectrum, coupling, thin]


def _finish_axes(axes: Axes, beside: Axes, spectra: tuple[Spectrum, ...]) -> None:
    highest = max(float(one.energy_mev[one.alpha2f > _NOTHING * one.alpha2f.max()].max(initial=0.0)) for one in spectra)
    axes.set_xlim(0, 1.04 * (highest or max(float(one.energy_mev[-1]) for one in spectra)))
    for axis, largest in (
        (axes, max(float(one.alpha2f.max()) for one in spectra)),
        (beside, max(float(one.cumulative_lambda[-1]) for one in spectra)),
    ):
        axis.set_ylim(0, 1.08 * largest or 1.0)
    # The line of lambda stays above the spectra, the frame of its axis does not hide them.
    beside.patch.set_visible(False)
    axes.set_xlabel("phonon energy (meV)")
    axes.set_ylabel(r"$\alpha^2F(\omega)$", color=style.BLUE)
    beside.set_ylabel(r"cumulative $\lambda(\omega)$", color=style.VERMILLION)
    above = axes.secondary_xaxis("top", functions=(_wavenumber_cm1, _energy_mev))
    above.set_xlabel("wavenumber (cm$^{-1}$)", fontsize=style.NOTE_POINTS, labelpad=3)
    above.tick_params(labelsize=style.NOTE_POINTS)


def _wavenumber_cm1(energy_mev: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(energy_mev, dtype=float) / MEV_PER_CM1


def _energy_mev(wavenumber_cm1: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(wavenumber_cm1, dtype=float) * MEV_PER_CM1


def _numbers(found: CouplingResult) -> list[str]:
    """Return lambda, omega_log and Tc as the legend prints them."""
    texts = [rf"$\lambda$ = {found.lambda_:.2f}"]
    if found.omega_log_mev is not None:
        kelvin = found.omega_log_mev / BOLTZMANN_MEV_PER_K
        texts.append(rf"$\omega_\mathrm{{log}}$ = {found.omega_log_mev:.1f} meV ({kelvin:.0f} K)")
    if not found.tc:
        return [*texts, r"$T_\mathrm{c}$ not computed"]
    first = found.tc[0]
    texts.append(f"{tc_text(first.allen_dynes_k)}, Allen–Dynes, {mu_star_text(first.mu_star)}")
    if first.eliashberg_k is not None:
        texts.append(f"{tc_text(first.eliashberg_k)}, isotropic Eliashberg")
    if found.spread_k is not None and len(found.spectra) > 1:
        texts.append(f"Allen–Dynes over the series: {range_text(*found.spread_k)}")
    return texts


def _legend(axes: Axes, handles: list[Line2D], numbers: list[str], entries: int) -> None:
    """Explain the lines in a column below the axes, and write the numbers in a second one."""
    blank = [Line2D([], [], ls="none", label=" ") for _ in range(entries - len(handles))]
    columns = [*handles, *blank, *(Line2D([], [], ls="none", label=text) for text in numbers)]
    columns += [Line2D([], [], ls="none", label=" ") for _ in range(entries - len(numbers))]
    axes.legend(
        handles=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, -_BOTTOM_INCH / _AXES_INCH),
        ncols=2,
        fontsize=style.NOTE_POINTS,
        frameon=False,
        borderaxespad=0.0,
        borderpad=0.0,
        labelspacing=0.35,
        columnspacing=1.0,
        handlelength=2.2,
    )
