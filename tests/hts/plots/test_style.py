"""Formulas, space groups and labels as pictures print them."""

from itertools import combinations

import pytest
from matplotlib.text import Text

from hts.plots import style


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("CaH6", r"$\mathrm{CaH_{6}}$"),
        ("Mg(AlH4)2", r"$\mathrm{Mg(AlH_{4})_{2}}$"),
        ("Al", r"$\mathrm{Al}$"),
        ("H0.5", r"$\mathrm{H_{0.5}}$"),
    ],
)
def test_numbers_of_a_formula_are_subscripts(formula: str, text: str) -> None:
    assert style.formula_text(formula) == text


@pytest.mark.parametrize(
    ("number", "text"), [(229, r"$Im\bar{3}m$"), (194, r"$P6_{3}/mmc$"), (2, r"$P\bar{1}$"), (15, "$C2/c$")]
)
def test_symbols_of_space_groups(number: int, text: str) -> None:
    assert style.space_group_text(number) == text


def test_labels_of_a_crowd_keep_apart_and_inside() -> None:
    figure = style.new_figure(6, 5)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    points = [(0.5 + 0.02 * (i % 3), 0.5 + 0.01 * i) for i in range(12)] + [(1.0, 1.0), (0.0, 0.0)]
    placed = style.place_labels(axes, points, [f"phase {i}" for i in range(13)] + [None], [[(0, 0.5), (1, 0.5)]])
    assert [label.get_text() for label in placed] == [f"phase {i}" for i in range(13)]
    figure.canvas.draw()
    boxes = [Text.get_window_extent(label) for label in placed]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and box.y1 <= axes.bbox.y1 for box in boxes)
    assert not any(box.contains(*axes.transData.transform(point)) for box in boxes for point in points)
    # Far from its point a label has a line to it; the first one is right beside.
    assert placed[0].arrow_patch is None
    assert any(label.arrow_patch is not None for label in placed)


def test_nothing_to_label() -> None:
    axes = style.new_figure(3, 3).add_axes((0, 0, 1, 1))
    assert style.place_labels(axes, [], []) == []
