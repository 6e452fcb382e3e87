"""What the picture of softening modes shows, read from the figure."""

from dataclasses import replace

import numpy as np
import pytest

from hts.phonon_curves import Softening, SofteningCurve
from hts.plots.softening import softening_figure

CORNER = SofteningCurve((0.5, 0.5, 0.5), (0.0, 10.0, 20.0), (-60.0, 80.0, 110.0), (True, False, False))
FACE = SofteningCurve((0.0, 0.0, 0.5), (10.0, 20.0), (85.0, 90.0), (False, False))
FOUND = Softening("perovskite-Al4H", "Al4H", "q 2×2×2", (CORNER, FACE), 10.0, 0.0, 4.2, (0.5, 0.5, 0.5))


def drawn(figure) -> dict:
    [axes] = figure.axes
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}


def test_a_line_a_q_point_with_imaginary_modes_below_zero() -> None:
    figure = softening_figure(FOUND)
    [axes] = figure.axes
    lines = drawn(figure)
    assert np.array(lines["(1/2, 1/2, 1/2)"].get_xydata()) == pytest.approx(np.array([(0, -60), (10, 80), (20, 110)]))
    assert np.array(lines["(0, 0, 1/2)"].get_xydata()) == pytest.approx(np.array([(10, 85), (20, 90)]))
    assert any(np.allclose(line.get_ydata(), 0) for line in axes.lines if not line.get_gid())
    assert axes.get_ylabel() == "lowest frequency (cm$^{-1}$), imaginary: negative"
    assert axes.get_xlabel() == "pressure (GPa)"
    assert [text.get_text() for text in axes.texts if text.get_text()] == [
        r"$\mathrm{Al_{4}H}$",
        "perovskite-Al4H, q 2×2×2",
    ]


def test_the_bracket_and_the_prediction() -> None:
    figure = softening_figure(FOUND)
    [axes] = figure.axes
    [bracket] = [patch for patch in axes.patches if patch.get_gid() == "bracket"]
    assert bracket.get_extents().transformed(axes.transData.inverted()).intervalx == pytest.approx([0, 10])
    assert list(drawn(figure)["critical"].get_xdata()) == [4.2, 4.2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "(1/2, 1/2, 1/2)",
        "(0, 0, 1/2)",
        "stability ends between\n0 and 10 GPa",
        "predicted: 4.2 GPa\nat q = (1/2, 1/2, 1/2)",
    ]


def test_a_mode_that_may_lie_lower_has_an_arrow() -> None:
    [axes] = softening_figure(FOUND).axes
    [arrow] = [text for text in axes.texts if text.get_gid() == "upper bound"]
    assert arrow.xy == (0.0, -60.0)
    assert arrow.get_position()[1] < 0


def test_squares_of_imaginary_frequencies_are_negative() -> None:
    figure = softening_figure(FOUND, squared=True)
    assert drawn(figure)["(1/2, 1/2, 1/2)"].get_ydata() == pytest.approx([-0.36, 0.64, 1.21])
    assert "10^4" in figure.axes[0].get_ylabel()


def test_without_bracket_or_prediction_there_is_neither() -> None:
    figure = softening_figure(replace(FOUND, highest_unstable_gpa=None, critical_pressure_gpa=None))
    [axes] = figure.axes
    assert not axes.patches
    assert "critical" not in drawn(figure)
    assert len(axes.get_legend().get_texts()) == 2


def test_many_q_points_differ_and_fit_beside_the_axes() -> None:
    curves = tuple(replace(FACE, qpoint=(0.0, 0.0, number / 24)) for number in range(28))
    figure = softening_figure(replace(FOUND, curves=curves))
    lines = [line for name, line in drawn(figure).items() if name != "critical"]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 28
    figure.canvas.draw()
    legend = figure.axes[0].get_legend().get_window_extent()
    assert legend.y0 >= 0 and legend.x1 <= figure.bbox.x1
