"""What the picture of alpha2F shows, read from the figure."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text

from hts.coupling_curves import Convergence, CouplingResult, SeriesPoint, TcRow, spectrum
from hts.errors import UserError
from hts.plots import style
from hts.plots.alpha2f import alpha2f_figure

ENERGY = np.linspace(0.5, 120.0, 240)
LABELS = ("k24_q4_100meV", "k16_q4_250meV", "k12_q4_100meV")
SPECTRA = tuple(
    spectrum(label, ENERGY, height * np.exp(-(((ENERGY - 50) / 9) ** 2)))
    for label, height in zip(LABELS, (1.0, 0.9, 1.4), strict=True)
)
POINTS = tuple(SeriesPoint(label, (24,) * 3, (4,) * 3, 0.1, 0.7, 12.0, True) for label in LABELS)
FOUND = CouplingResult(
    key="perovskite-Al4H",
    formula="Al4H",
    pressure_gpa=10.0,
    chosen=LABELS[0],
    lambda_=SPECTRA[0].cumulative_lambda[-1],
    omega_log_mev=48.5,
    spectra=SPECTRA,
    points=POINTS,
    tc=(TcRow(0.1, 12.34, 14.5), TcRow(0.13, 9.0, 11.0)),
    spread_k=(10.0, 31.0),
)
REASONS = ("N(E_F) of epw.x is 23 % above that of pw.x", "Wannier bands miss those of pw.x by 0.21 eV near E_F")


def lines(axes) -> dict:
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts() if text.get_text().strip()]


def test_the_chosen_spectrum_is_bold_and_the_others_are_thin() -> None:
    axes, beside = alpha2f_figure(FOUND).axes
    for drawn, bold, values in ((axes, "alpha2f", "alpha2f"), (beside, "lambda", "cumulative_lambda")):
        found = lines(drawn)
        assert set(found) == {bold, *LABELS[1:]}
        assert np.array(found[bold].get_xydata()) == pytest.approx(
            np.column_stack([ENERGY, getattr(SPECTRA[0], values)])
        )
        assert found[LABELS[2]].get_ydata() == pytest.approx(getattr(SPECTRA[2], values))
        assert all(found[bold].get_linewidth() > 2 * found[label].get_linewidth() for label in LABELS[1:])
    # The right axis ends above the largest lambda of the series, not only of the chosen one.
    assert beside.get_ylim()[1] > SPECTRA[2].cumulative_lambda[-1]


def test_units_stand_on_every_axis_and_the_upper_one_is_in_wavenumbers() -> None:
    axes, beside = alpha2f_figure(FOUND).axes
    [above] = axes.child_axes
    assert axes.get_xlabel() == "phonon energy (meV)"
    assert above.get_xlabel() == "wavenumber (cm$^{-1}$)"
    assert axes.get_ylabel() == r"$\alpha^2F(\omega)$"
    assert beside.get_ylabel() == r"cumulative $\lambda(\omega)$"
    axes.figure.canvas.draw()
    # 1 meV = 8.0655 cm^-1
    assert above.get_xlim()[1] == pytest.approx(8.0655 * axes.get_xlim()[1], rel=1e-4)


def test_the_numbers_stand_in_the_legend() -> None:
    assert legend(alpha2f_figure(FOUND)) == [
        r"$\alpha^2F$, k 24³, q 4³, 0.1 eV",
        r"$\lambda(\omega)$, k 24³, q 4³, 0.1 eV",
        "thin: 2 other fine meshes or smearings",
        rf"$\lambda$ = {FOUND.lambda_:.2f}",
        r"$\omega_\mathrm{log}$ = 48.5 meV (563 K)",
        r"$T_\mathrm{c}$ = 12.3 K, Allen–Dynes, $\mu^*$ = 0.10",
        r"$T_\mathrm{c}$ = 14.5 K, isotropic Eliashberg",
        "Allen–Dynes over the series: 10 to 31 K",
    ]


def test_numbers_that_are_not_there_are_not_made_up() -> None:
    alone = replace(FOUND, spectra=SPECTRA[:1], omega_log_mev=None, tc=(), spread_k=None)
    assert legend(alpha2f_figure(alone)) == [
        r"$\alpha^2F$",
        r"$\lambda(\omega)$",
        rf"$\lambda$ = {FOUND.lambda_:.2f}",
        r"$T_\mathrm{c}$ not computed",
    ]
    unknown = replace(FOUND, tc=(TcRow(0.1, 0.0, None),))
    assert not any("Eliashberg" in text for text in legend(alpha2f_figure(unknown)))


def test_an_unverified_coupling_says_so_in_the_picture() -> None:
    figure = alpha2f_figure(replace(FOUND, unverified=REASONS, convergence=Convergence("not_converged", "one mesh")))
    [notes] = [text for text in figure.texts if text.get_gid() == "notes"]
    words = " ".join(notes.get_text().split())
    assert words == f"unverified: {REASONS[0]}; {REASONS[1]} not converged: one mesh"
    assert notes.get_color() == style.VERMILLION
    assert not [text for text in alpha2f_figure(FOUND).texts if text.get_gid() == "notes"]


@pytest.mark.parametrize("unverified", [(), REASONS, REASONS * 4])
def test_nothing_overlaps_and_nothing_leaves_the_picture(unverified: tuple[str, ...]) -> None:
    figure = alpha2f_figure(replace(FOUND, unverified=unverified))
    figure.canvas.draw()
    axes = figure.axes[0]
    [above] = axes.child_axes
    boxes = [axes.get_legend().get_window_extent(), axes.xaxis.label.get_window_extent()]
    boxes += [above.xaxis.label.get_window_extent(), *(Text.get_window_extent(text) for text in axes.texts)]
    boxes += [text.get_window_extent() for text in figure.texts]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_a_spectrum_of_zeros_is_drawn() -> None:
    zero = spectrum("zero.a2f", ENERGY, 0 * ENERGY)
    axes, beside = alpha2f_figure(replace(FOUND, chosen="zero.a2f", spectra=(zero,), lambda_=0.0)).axes
    assert axes.get_ylim() == beside.get_ylim() == (0.0, 1.0)
    assert axes.get_xlim()[1] == pytest.approx(1.04 * 120.0)


def test_without_the_chosen_spectrum_there_is_no_picture() -> None:
    with pytest.raises(UserError, match="chosen mesh k24_q4_100meV is stored, it has k16_q4_250meV, k12_q4_100meV; "):
        alpha2f_figure(replace(FOUND, spectra=SPECTRA[1:]))
