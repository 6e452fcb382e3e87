"""What the picture of a convergence series shows, read from the figure."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text

from hts.coupling_curves import Convergence, CouplingResult, Estimate, SeriesPoint, TcRow
from hts.errors import UserError
from hts.plots import style
from hts.plots.convergence import convergence_figure


def point(k: int, smearing_ev: float, lambda_: float, tc_k: float | None, *failures: str, q: int = 4) -> SeriesPoint:
    label = f"k{k}_q{q}_{1000 * smearing_ev:.0f}meV"
    return SeriesPoint(label, (k,) * 3, (q,) * 3, smearing_ev, lambda_, tc_k, not failures, failures)


# lambda of H3S on fine meshes, as one epmatwp gave it; the temperatures are made up.
POINTS = (
    point(40, 0.2, 1.285, 128.0),
    point(24, 0.2, 1.30, 130.0),
    point(24, 0.1, 1.72, 165.0, "N(E_F) +23.0%"),
    point(40, 0.1, 1.455, 140.0),
)
FOUND = CouplingResult(
    key="h3x-H3S",
    formula="H3S",
    pressure_gpa=200.0,
    chosen="k40_q4_200meV",
    lambda_=1.285,
    omega_log_mev=119.0,
    points=POINTS,
    tc=(TcRow(0.1, 128.0, 150.0),),
    spread_k=(128.0, 165.0),
    convergence=Convergence("converged", "Tc changes by 2.0 K between k 24 and 40", 0.05, 1.0),
    estimate=Estimate("estimate", 1.6, 100.0, 150.0),
)


def marked(axes, gid: str) -> list:
    return [line for line in axes.lines if line.get_gid() == gid]


def test_one_line_a_smearing_by_rising_mesh() -> None:
    first, second = convergence_figure(FOUND).axes
    for axes, narrow, wide in ((first, (1.72, 1.455), (1.30, 1.285)), (second, (165.0, 140.0), (130.0, 128.0))):
        for smearing, values in (("0.1", narrow), ("0.2", wide)):
            [line] = marked(axes, f"smearing {smearing} eV")
            assert np.array(line.get_xydata()) == pytest.approx(np.column_stack([(24, 40), values]))
        assert [text.get_text() for text in axes.get_xticklabels()] == ["24³", "40³"]
        assert axes.get_xlabel() == "fine k-mesh"
    assert first.get_ylabel() == r"$\lambda$"
    assert second.get_ylabel() == r"Allen–Dynes $T_\mathrm{c}$ (K)"


def test_a_member_that_fails_a_gate_is_open_and_says_why() -> None:
    figure = convergence_figure(FOUND)
    for axes in figure.axes:
        faces = {line.get_gid(): line.get_markerfacecolor() for line in axes.lines}
        assert faces["k24_q4_100meV"] == "white"
        assert faces["k40_q4_100meV"] == style.BLUE
    words = " ".join(text.get_text() for text in figure.texts)
    assert "open, k 24³, q 4³, 0.1 eV: N(E_F) +23.0%" in words
    assert "Tc changes by 2.0 K between k 24 and 40" in words
    assert "open: gates not passed" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_band_ring_and_estimate() -> None:
    figure = convergence_figure(FOUND)
    for axes, value, half, estimate in zip(figure.axes, (1.285, 128.0), (0.06425, 6.4), (1.6, 150.0), strict=True):
        [band] = [patch for patch in axes.patches if patch.get_gid() == "tolerance"]
        extent = band.get_extents().transformed(axes.transData.inverted())
        assert extent.intervaly == pytest.approx([value - half, value + half])
        [ring] = marked(axes, "chosen")
        assert np.array(ring.get_xydata()) == pytest.approx(np.array([[40, value]]))
        [dotted] = marked(axes, "estimate")
        assert list(dotted.get_ydata()) == [estimate, estimate]
        assert dotted.get_linestyle() == ":"
        assert axes.get_ylim()[0] < value - half and estimate < axes.get_ylim()[1]
    assert "tolerance 5%" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_low_tc_has_the_least_tolerance_in_kelvin() -> None:
    low = replace(FOUND, points=(replace(POINTS[0], allen_dynes_k=4.0), POINTS[1]), estimate=None)
    _, axes = convergence_figure(low).axes
    [band] = [patch for patch in axes.patches if patch.get_gid() == "tolerance"]
    assert band.get_extents().transformed(axes.transData.inverted()).intervaly == pytest.approx([3.0, 5.0])
    assert not marked(axes, "estimate")


def test_the_title_has_the_spread() -> None:
    axes, beside = convergence_figure(FOUND).axes
    assert [text.get_text() for text in axes.texts] == [
        r"$\mathrm{H_{3}S}$ at 200 GPa",
        r"h3x-H3S, $\mu^*$ = 0.10, $T_\mathrm{c}$ over the series: 128 to 165 K",
    ]
    assert [text.get_text() for text in beside.texts] == ["converged"]


def test_what_has_settled_in_k_but_not_in_the_smearing_says_so() -> None:
    status = replace(FOUND.convergence, smearing_settled=False)
    figure = convergence_figure(replace(FOUND, convergence=status))
    assert [(text.get_text(), text.get_color()) for text in figure.axes[1].texts] == [
        ("converged in k, not in the smearing", style.VERMILLION)
    ]
    everything = "\n".join(text.get_text() for text in figure.texts)
    assert everything.count("Tc changes by 2.0 K between k 24 and 40") == 1
    assert "depends on the smearing: Tc changes by 2.0 K" in everything


def test_what_has_not_converged_says_so() -> None:
    status = Convergence("not_converged", "only one fine k-mesh", 0.05, 1.0)
    figure = convergence_figure(replace(FOUND, convergence=status, unverified=("why",)))
    assert [(text.get_text(), text.get_color()) for text in figure.axes[1].texts] == [
        ("not converged", style.VERMILLION)
    ]
    warnings = [text.get_text() for text in figure.texts if text.get_color() == style.VERMILLION]
    assert warnings == ["unverified: why\nnot converged: only one fine k-mesh"]


def test_an_older_series_without_tc_or_convergence() -> None:
    bare = [replace(one, allen_dynes_k=None) for one in POINTS]
    figure = convergence_figure(
        replace(FOUND, points=tuple(bare), tc=(), spread_k=None, convergence=None, estimate=None)
    )
    first, second = figure.axes
    assert not second.texts and not first.patches and not second.patches
    assert not marked(second, "chosen")
    assert len(marked(first, "chosen")) == 1


def test_q_meshes_are_named_where_there_are_several() -> None:
    figure = convergence_figure(replace(FOUND, points=(*POINTS, point(24, 0.2, 1.31, 131.0, q=8))))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:3] == ["smearing 0.1 eV, q 4³", "smearing 0.2 eV, q 4³", "smearing 0.2 eV, q 8³"]


@pytest.mark.parametrize("cubic", [True, False])
def test_nothing_overlaps_and_nothing_leaves_the_picture(cubic: bool) -> None:
    points = [replace(one, kpoints=(*one.kpoints[:2], one.kpoints[2] // (1 if cubic else 2))) for one in POINTS]
    points += [replace(points[0], label=f"k{k}", kpoints=(k, k, k if cubic else k // 2)) for k in (32, 48)]
    reasons = ("the Wannier bands miss those of pw.x by 0.21 eV within 1 eV of E_F (limit 0.05 eV)",) * 3
    figure = convergence_figure(replace(FOUND, points=tuple(points), unverified=reasons))
    figure.canvas.draw()
    boxes = [figure.legends[0].get_window_extent(), *(text.get_window_extent() for text in figure.texts)]
    for axes in figure.axes:
        boxes += [axes.xaxis.label.get_window_extent(), axes.yaxis.label.get_window_extent()]
        boxes += [Text.get_window_extent(text) for text in axes.texts]
        boxes += [label.get_window_extent() for label in axes.get_xticklabels()]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_there_must_be_a_series() -> None:
    with pytest.raises(UserError, match=r"h3x-H3S has no series: the cheap estimate was enough \(at most 0.4 K\); "):
        convergence_figure(replace(FOUND, chosen="estimate", convergence=Convergence("estimate_only", "at most 0.4 K")))
    with pytest.raises(UserError, match=r"the series of h3x-H3S has no meshes stored \(members a\); run"):
        convergence_figure(replace(FOUND, chosen="a", points=(SeriesPoint("a", None, None, None, 1.0, 2.0, True),)))
