"""The anisotropic superconducting gap: its distribution over the Fermi surface, temperature by temperature."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hts.coupling_curves import GapCurves
from hts.errors import UserError
from hts.plots import style
from hts.plots.coupling_texts import title_text

# A histogram reaches that far to the next temperature.
_REACH = 0.85
_ONLY_SPACING_PART = 0.3
_BINS = 100


def gap_figure(found: GapCurves) -> Figure:
    """Draw a histogram of the gap, lying on its side, at each temperature.

    Parameters
    ----------
    found : GapCurves

    Returns
    -------
    Figure
        Temperature in K, gap in meV. The longest bin of every histogram has the same length, and all share
        their bins; a circle is a temperature without gap.

    Raises
    ------
    UserError
        If there is no gap at any temperature.
    """
    there = [one for one in found.distributions if one.weight.size and one.gap_mev.max() > 0]
    if not there:
        raise UserError(
            f"the anisotropic run of {found.key} found no gap at any of its {len(found.distributions)} temperatures; "
            "compute it at lower ones"
        )
    temperatures = np.array([one.temperature_k for one in found.distributions])
    spacing = float(np.diff(temperatures).min()) if temperatures.size > 1 else _ONLY_SPACING_PART * temperatures[0]
    highest_mev = max(float(one.gap_mev.max()) for one in there)
    edges = np.linspace(0, (1 + 1 / _BINS) * highest_mev, _BINS + 1)
    shares = [np.histogram(one.gap_mev, edges, weights=one.weight)[0] for one in there]
    figure = style.new_figure(5.6, 4.2)
    axes = figure.add_axes((0.115, 0.115, 0.86, 0.755))
    for one, share in zip(there, shares, strict=True):
        _draw(axes, one.temperature_k, _REACH * spacing / share.max() * share, edges)
    closed = [one.temperature_k for one in found.distributions if not any(one is gapped for gapped in there)]
    if closed:
        axes.plot(
            closed, [0.0] * len(closed), "o", ms=4, ls="none", mfc="white", mec=style.BLUE, gid="no gap", clip_on=False
        )
    axes.set_ylim(0, 1.08 * highest_mev)
    axes.set_xlim(0, temperatures.max() + 1.2 * spacing)
    axes.set_xlabel("temperature (K)")
    axes.set_ylabel(r"superconducting gap $\Delta$ (meV)")
    title = title_text(found.formula, found.pressure_gpa, found.key)
    no_gap = ", circles: no gap" if closed else ""
    style.add_title(axes, title, f"{found.key}, anisotropic Eliashberg{no_gap}", free_points=7)
    return figure


def _draw(axes: Axes, temperature_k: float, lengths_k: NDArray[np.float64], edges_mev: NDArray[np.float64]) -> None:
    """Draw one histogram from its temperature to the right, without the empty bins around it."""
    filled = np.flatnonzero(lengths_k)
    used = slice(filled[0], filled[-1] + 1)
    values, edges = temperature_k + lengths_k[used], edges_mev[filled[0] : filled[-1] + 2]
    shape: dict[str, Any] = {"baseline": temperature_k, "orientation": "horizontal"}
    axes.stairs(values, edges, **shape, fill=True, color=style.SKY, alpha=0.5, lw=0, gid=f"{temperature_k:g} K")
    axes.stairs(values, edges, **shape, color=style.BLUE, lw=0.8)
    axes.axvline(temperature_k, color=style.GREY, lw=0.4, zorder=0)
