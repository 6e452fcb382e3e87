"""What the picture of gap distributions shows, read from the figure."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from hts.coupling_curves import GapCurves, GapDistribution
from hts.errors import UserError
from hts.plots.gap import gap_figure

NOTHING = GapDistribution(40.0, np.array([]), np.array([]))
# The two gaps of MgB2, about 2.5 and 7 meV: three quarters and one quarter of the Fermi surface here.
LOW = GapDistribution(10.0, np.array([2.5, 2.51, 7.0]), np.array([0.5, 0.25, 0.25]))
HIGH = GapDistribution(30.0, np.array([1.8, 5.0]), np.array([0.5, 0.5]))
FOUND = GapCurves("alb2-MgB2", "MgB2", 0.0, (LOW, HIGH, NOTHING))


def histograms(figure) -> dict[str, StepPatch]:
    return {patch.get_gid(): patch for patch in figure.axes[0].patches if patch.get_gid()}


def test_a_histogram_on_its_side_at_each_temperature() -> None:
    figure = gap_figure(FOUND)
    [axes] = figure.axes
    found = histograms(figure)
    assert set(found) == {"10 K", "30 K"}
    values, edges, baseline = found["10 K"].get_data()
    assert np.all(baseline == 10.0)
    lengths = values - 10.0
    filled = np.flatnonzero(lengths)
    centres = (edges[:-1] + edges[1:])[filled] / 2
    assert centres == pytest.approx([2.5, 7.0], abs=0.08)
    # Equal gaps are added up, and the longest bin stays short of the next temperature, which is 10 K on.
    assert lengths[filled] == pytest.approx([8.5, 8.5 / 3])
    other, _, _ = found["30 K"].get_data()
    assert np.unique(other) == pytest.approx([30.0, 38.5])
    assert axes.get_xlabel() == "temperature (K)"
    assert axes.get_ylabel() == r"superconducting gap $\Delta$ (meV)"
    assert axes.get_ylim() == pytest.approx((0, 1.08 * 7.0))


def test_where_the_gap_is_closed_there_is_a_circle() -> None:
    [axes] = gap_figure(FOUND).axes
    [circles] = [line for line in axes.lines if line.get_gid() == "no gap"]
    assert np.array(circles.get_xydata()).tolist() == [[40.0, 0.0]]
    assert [text.get_text() for text in axes.texts] == [
        r"$\mathrm{MgB_{2}}$ at 0 GPa",
        "alb2-MgB2, anisotropic Eliashberg, circles: no gap",
    ]


def test_one_temperature_alone() -> None:
    figure = gap_figure(replace(FOUND, distributions=(LOW,)))
    assert set(histograms(figure)) == {"10 K"}
    [axes] = figure.axes
    assert axes.get_xlim()[1] > histograms(figure)["10 K"].get_data().values.max()


@pytest.mark.parametrize("distributions", [(NOTHING,), (replace(LOW, gap_mev=np.zeros(3)),), ()])
def test_no_gap_at_all_is_no_picture(distributions: tuple[GapDistribution, ...]) -> None:
    with pytest.raises(
        UserError, match=r"alb2-MgB2 found no gap at any of its . temperatures; compute it at lower ones"
    ):
        gap_figure(replace(FOUND, distributions=distributions))
