"""What the picture of enthalpy against pressure shows, read from the figure."""

from dataclasses import replace

import numpy as np
import pytest

from hts.enthalpy_curves import EnthalpyCurve, SystemCurves
from hts.plots.enthalpy import enthalpy_figure

# AlH3: R-3c below Pm-3n up to 73 GPa (C. J. Pickard and R. J. Needs, https://doi.org/10.1103/PhysRevB.76.144114).
LOW = EnthalpyCurve("AlH3-r-3c", "reference", "AlH3", 167, (0.0, 73.0, 100.0), (-0.03, -0.08, -0.11))
HIGH = EnthalpyCurve("AlH3-pm-3n", "reference", "AlH3", 223, (73.0, 100.0), (-0.08, -0.13))
CANDIDATE = EnthalpyCurve("perovskite-Al4H", "candidate", "Al4H", 221, (0.0, 100.0), (0.1, 0.05))
FOUND = SystemCurves(("Al", "H"), "PBE, 72 Ry", None, (CANDIDATE, HIGH, LOW), (), {0.0: ("one",), 100.0: ()})


def test_lines_between_what_was_computed() -> None:
    [axes] = enthalpy_figure(FOUND).axes
    lines = {line.get_gid(): line for line in axes.lines if line.get_gid()}
    assert np.array(lines["AlH3-r-3c"].get_xydata()) == pytest.approx(np.array([(0, -30), (73, -80), (100, -110)]))
    assert np.array(lines["AlH3-pm-3n"].get_xydata()) == pytest.approx(np.array([(73, -80), (100, -130)]))
    assert all(line.get_marker() not in ("", "None") for line in lines.values())
    assert [label for label, line in lines.items() if line.get_marker() == "*"] == ["perovskite-Al4H"]
    assert len({line.get_color() for line in lines.values()}) == 3


def test_axes_title_and_legend() -> None:
    [axes] = enthalpy_figure(FOUND).axes
    assert axes.get_xlabel() == "pressure (GPa)"
    assert axes.get_ylabel() == "enthalpy relative to other compositions (meV/atom)"
    assert [text.get_text() for text in axes.texts] == ["Al–H", "PBE, 72 Ry", "hull incomplete at 0 GPa"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        r"$\mathrm{Al_{4}H}$ $Pm\bar{3}m$ (candidate)",
        r"$\mathrm{AlH_{3}}$ $Pm\bar{3}n$",
        r"$\mathrm{AlH_{3}}$ $R\bar{3}c$",
    ]


@pytest.mark.parametrize(
    ("changes", "title", "axis"),
    [
        ({"curves": (HIGH, LOW), "missing": {}}, r"$\mathrm{AlH_{3}}$ in Al–H", "other compositions"),
        ({"relative_to": "AlH3-r-3c", "curves": (HIGH,)}, r"$\mathrm{AlH_{3}}$ in Al–H", "AlH3-r-3c"),
        ({"elements": ("Al",), "curves": (LOW,), "missing": {}}, r"$\mathrm{AlH_{3}}$ in Al", "the lowest phase"),
    ],
    ids=["formula", "phase", "element"],
)
def test_what_is_zero(changes: dict, title: str, axis: str) -> None:
    [axes] = enthalpy_figure(replace(FOUND, **changes)).axes
    assert axes.get_ylabel() == f"enthalpy relative to {axis} (meV/atom)"
    assert [text.get_text() for text in axes.texts] == [title, "PBE, 72 Ry"]


def test_many_phases_differ_and_fit_beside_the_axes() -> None:
    curves = tuple(replace(LOW, label=f"phase-{number}") for number in range(40))
    figure = enthalpy_figure(replace(FOUND, curves=curves))
    [axes] = figure.axes
    styles = {(line.get_color(), line.get_linestyle()) for line in axes.lines if line.get_gid()}
    assert len(styles) == 4 * 7
    figure.canvas.draw()
    assert axes.get_legend().get_window_extent().y0 >= 0
