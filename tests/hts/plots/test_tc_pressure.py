"""What the picture of Tc against pressure shows, read from the figure."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text

from hts.coupling_curves import TcCurve, TcPoint
from hts.errors import UserError
from hts.known_superconductors import KnownSuperconductor, known_superconductors
from hts.plots import style
from hts.plots.tc_pressure import tc_pressure_figure

FIRST = TcPoint(0.0, 0.1, 129.0, (104.0, 135.0), 154.0, False)
SECOND = TcPoint(10.0, 0.1, 111.0, None, None, False)
ALONE = TcPoint(5.0, 0.1, 9.0, (6.5, 12.0), 10.1, True)
CURVES = [TcCurve("a2xh6-Mg2IrH6", "Mg2IrH6", (FIRST, SECOND)), TcCurve("perovskite-Al4H", "Al4H", (ALONE,))]
MGB2 = KnownSuperconductor(name="MgB2", tc_k=39, pressure_gpa=0, doi="10.1038/35065039")


def marked(figure, gid: str) -> list:
    axes = figure.axes[0]
    return [artist for artist in [*axes.lines, *axes.collections] if artist.get_gid() == gid]


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_pressures_of_one_candidate_are_joined() -> None:
    figure = tc_pressure_figure(CURVES)
    [line] = marked(figure, "a2xh6-Mg2IrH6 line")
    assert np.array(line.get_xydata()).tolist() == [[0.0, 129.0], [10.0, 111.0]]
    assert marked(figure, "perovskite-Al4H line") == []
    assert [axes.get_xlabel() for axes in figure.axes] == ["pressure (GPa)"]
    assert [axes.get_ylabel() for axes in figure.axes] == [r"$T_\mathrm{c}$ (K)"]


def test_marks_of_both_theories_with_the_spread_as_a_bar() -> None:
    figure = tc_pressure_figure(CURVES)
    allen_dynes = [tuple(line.get_xydata()[0]) for line in marked(figure, "a2xh6-Mg2IrH6 allen-dynes")]
    assert allen_dynes == [(0.0, 129.0), (10.0, 111.0)]
    [eliashberg] = marked(figure, "a2xh6-Mg2IrH6 eliashberg")
    assert eliashberg.get_xydata().tolist() == [[0.0, 154.0]]
    assert eliashberg.get_marker() != marked(figure, "a2xh6-Mg2IrH6 allen-dynes")[0].get_marker()
    bar, none = marked(figure, "a2xh6-Mg2IrH6 spread")
    assert bar.get_segments()[0].tolist() == [[0.0, 104.0], [0.0, 135.0]]
    assert np.ptp(none.get_segments()[0][:, 1]) == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "open: unverified"),
        ({"unverified": False, "estimated": True}, "open: estimate only"),
        ({"estimated": True}, "open: unverified or estimate only"),
    ],
)
def test_what_must_not_be_quoted_is_open(changes: dict[str, bool], text: str) -> None:
    figure = tc_pressure_figure([CURVES[0], replace(CURVES[1], points=(replace(ALONE, **changes),))])
    for name in ("allen-dynes", "eliashberg"):
        [mark] = marked(figure, f"perovskite-Al4H {name}")
        assert mark.get_markerfacecolor() == "white"
    assert marked(figure, "a2xh6-Mg2IrH6 allen-dynes")[0].get_markerfacecolor() == style.BLUE
    assert text in legend(figure)


def test_the_legend_explains_only_what_is_there() -> None:
    bare = [replace(CURVES[0], points=(replace(SECOND, mu_star=0.13), FIRST))]
    assert legend(tc_pressure_figure(bare)) == [
        r"Allen–Dynes, $\mu^*$ = 0.10, 0.13; bar: range over the series",
        "isotropic Eliashberg",
    ]
    assert legend(tc_pressure_figure([replace(CURVES[0], points=(SECOND,))], [MGB2])) == [
        r"Allen–Dynes, $\mu^*$ = 0.10",
        "measured",
    ]


def test_lines_of_constant_merit_with_their_names() -> None:
    figure = tc_pressure_figure(CURVES, [MGB2])
    [axes] = figure.axes
    [line] = marked(figure, "S = 1")
    pressures, temperatures = np.array(line.get_xydata()).T
    assert temperatures / np.sqrt(pressures**2 + 39**2) == pytest.approx(np.ones(pressures.size))
    # MgB2 lies on it.
    assert np.interp(0.0, pressures, temperatures) == pytest.approx(39.0, rel=1e-3)
    drawn = {line.get_gid() for line in axes.lines if str(line.get_gid()).startswith("S =")}
    written = {text.get_text() for text in axes.texts if text.get_text().startswith("S =")}
    assert written == drawn
    assert {"S = 0.5", "S = 1", "S = 2", "S = 3"} <= drawn


def test_low_temperatures_have_lines_too() -> None:
    figure = tc_pressure_figure([replace(CURVES[1], points=(replace(ALONE, spread_k=None, eliashberg_k=None),))])
    assert marked(figure, "S = 0.2") and marked(figure, "S = 0.1")
    zero = tc_pressure_figure([TcCurve("a", "Al4H", (TcPoint(0.0, 0.1, 0.0, None, None, False),))])
    [mark] = marked(zero, "a allen-dynes")
    assert mark.get_xydata().tolist() == [[0.0, 0.0]]


def test_the_measured_ones_have_another_mark() -> None:
    figure = tc_pressure_figure(CURVES, known_superconductors())
    [star] = marked(figure, "H3S")
    assert star.get_xydata().tolist() == [[155.0, 203.0]]
    assert star.get_marker() == "*"
    assert "measured" in legend(figure)
    assert "measured" not in legend(tc_pressure_figure(CURVES))


def test_names_keep_apart_and_inside() -> None:
    figure = tc_pressure_figure(CURVES, known_superconductors())
    figure.canvas.draw()
    [axes] = figure.axes
    texts = [text for text in axes.texts if text.get_text()]
    boxes = [Text.get_window_extent(text) for text in texts]
    boxes += [axes.get_legend().get_window_extent(), axes.xaxis.label.get_window_extent()]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)
    words = {text.get_text() for text in texts}
    assert {style.formula_text(name) for name in ("Mg2IrH6", "Al4H", "H3S", "LaH10", "MgB2")} <= words


def test_of_a_crowd_the_best_are_named() -> None:
    points = [TcPoint(5.0 * number, 0.1, 6.0 * number + 1, None, None, False) for number in range(26)]
    curves = [TcCurve(f"one-{n}", f"Al{n + 1}H", (point,)) for n, point in enumerate(points)]
    words = {text.get_text() for text in tc_pressure_figure(curves).axes[0].texts}
    named = [n for n in range(26) if style.formula_text(f"Al{n + 1}H") in words]
    assert named == list(range(6, 26))


def test_a_name_without_a_place_is_left_out() -> None:
    curves = [
        TcCurve(f"one-{n}", f"Al{n + 1}H", (TcPoint(0.0, 0.1, 50.0 + n / 5, None, None, False),)) for n in range(20)
    ]
    figure = tc_pressure_figure(curves, known_superconductors())
    figure.canvas.draw()
    [axes] = figure.axes
    named = [text for text in axes.texts if "Al_" in text.get_text()]
    assert 3 < len(named) < 20
    assert style.formula_text("MgB2") in {text.get_text() for text in axes.texts}
    for text in named:
        box = Text.get_window_extent(text)
        assert axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
        assert np.hypot(*(np.array([box.x0, box.y0]) - axes.transData.transform(text.xy))) < 0.8 * figure.dpi


def test_nothing_is_no_picture() -> None:
    with pytest.raises(UserError, match="there is no Tc to draw; run a campaign"):
        tc_pressure_figure([])
    assert marked(tc_pressure_figure([], [MGB2]), "MgB2")
