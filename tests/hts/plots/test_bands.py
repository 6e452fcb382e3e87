"""What the picture of phonon bands shows, read from the figure."""

from dataclasses import replace

import numpy as np
import pytest

from hts.phonon_curves import PhononBands
from hts.plots.bands import bands_figure, point_text

X = np.linspace(0, 2, 9)
BANDS = np.stack([100 * np.sin(X), 300 + 0 * X], axis=1)
TICKS = ((0.0, "GAMMA"), (1.0, "X|K"), (2.0, "S_0"))
DOS = (np.array([-5.0, 150.0, 310.0]), np.array([0.0, 0.02, 0.01]))
FOUND = PhononBands(
    "rocksalt-AlH", "AlH", "q 2×2×2", 10.0, (X[:5], X[4:]), (BANDS[:5], BANDS[4:]), TICKS, *DOS, ((0.0, (300.0,)),)
)


def test_bands_points_and_states_share_their_axis() -> None:
    figure = bands_figure(FOUND)
    axes, beside = figure.axes
    bands = [line for line in axes.lines if line.get_gid() == "bands"]
    # Two segments of two bands each.
    assert len(bands) == 4
    assert np.array(bands[0].get_xydata()) == pytest.approx(np.column_stack([X[:5], BANDS[:5, 0]]))
    [computed] = [line for line in axes.lines if line.get_gid() == "computed"]
    assert np.array(computed.get_xydata()) == pytest.approx(np.array([(0, 300)]))
    [states] = [line for line in beside.lines if line.get_gid() == "dos"]
    assert np.array(states.get_xydata()) == pytest.approx(np.column_stack([DOS[1], DOS[0]]))
    assert axes.get_ylim() == beside.get_ylim()
    assert axes.get_ylim()[0] == 0.0
    assert axes.get_ylabel() == "frequency (cm$^{-1}$)"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Γ", "X|K", "S$_{0}$"]
    assert [text.get_text() for text in axes.texts] == [
        r"$\mathrm{AlH}$ at 10 GPa",
        "rocksalt-AlH, q 2×2×2, points: computed by ph.x",
    ]


def test_imaginary_bands_are_seen() -> None:
    soft = replace(FOUND, frequencies_cm1=(BANDS[:5] - 50, BANDS[4:] - 50))
    assert bands_figure(soft).axes[0].get_ylim()[0] < -50


def test_without_states_there_is_one_panel() -> None:
    [axes] = bands_figure(replace(FOUND, dos=None, dos_cm1=None, computed=())).axes
    assert not [line for line in axes.lines if line.get_gid() == "computed"]
    assert axes.texts[1].get_text() == "rocksalt-AlH, q 2×2×2"


def test_names_that_would_overlap_are_lowered() -> None:
    crowded = replace(FOUND, ticks=((0.0, "GAMMA"), (1.0, "X"), (1.02, "U"), (2.0, "L")))
    assert [label.get_text() for label in bands_figure(crowded).axes[0].get_xticklabels()] == ["Γ", "X", "\nU", "L"]


@pytest.mark.parametrize(
    ("name", "text"), [("GAMMA", "Γ"), ("SIGMA_0", "Σ$_{0}$"), ("U|K", "U|K"), ("X_1|GAMMA", "X$_{1}$|Γ")]
)
def test_names_of_points(name: str, text: str) -> None:
    assert point_text(name) == text
