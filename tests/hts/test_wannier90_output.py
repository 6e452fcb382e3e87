"""Wannier90's bands from inside epw.x: two real runs of fcc Al, cut and garbled."""

from pathlib import Path

import numpy as np
import pytest

from hts.errors import ParseError
from hts.wannier90_output import bands_wdata, parse_wannier_bands

DATA = Path(__file__).parents[1] / "data" / "epw"
PATH = [("G", (0, 0, 0)), ("X", (0.5, 0, 0.5)), ("W", (0.5, 0.25, 0.75)), ("L", (0.5, 0.5, 0.5)), ("G", (0, 0, 0))]


def _texts(case: str) -> tuple[str, str]:
    return (DATA / case / "aiida_band.dat").read_text(), (DATA / case / "aiida_band.kpt").read_text()


@pytest.mark.parametrize("case", ["al_wannierised", "al_scdm"])
def test_real_bands(case: str) -> None:
    bands = parse_wannier_bands(*_texts(case), 4)
    assert bands.kpoints_frac.shape == (124, 3) and bands.energies_ev.shape == (124, 4)
    assert np.all(np.diff(bands.energies_ev, axis=1) >= 0)
    assert np.all(np.diff(bands.path_inv_ang) >= 0)
    # Gamma to X is 2 pi / edge, 40 steps of it; the path ends at Gamma, where the bands are those of its beginning.
    assert bands.path_inv_ang[40] == pytest.approx(2 * np.pi / 3.944, abs=1e-4)
    assert bands.kpoints_frac[40] == pytest.approx([0.5, 0.0, 0.5])
    assert bands.energies_ev[-1] == pytest.approx(bands.energies_ev[0], abs=1e-6)


def test_the_bottom_of_the_band_is_that_of_pw() -> None:
    """pw.x at Gamma gives -3.125014 eV; the band is inside the frozen window there."""
    for case in ("al_wannierised", "al_scdm"):
        assert parse_wannier_bands(*_texts(case), 4).energies_ev[0, 0] == pytest.approx(-3.125014, abs=1e-4)


def test_what_is_asked_for() -> None:
    lines = bands_wdata(PATH[:3], 40)
    assert lines == [
        "bands_plot = .true.",
        "begin kpoint_path",
        "G 0.00000000 0.00000000 0.00000000 X 0.50000000 0.00000000 0.50000000",
        "X 0.50000000 0.00000000 0.50000000 W 0.50000000 0.25000000 0.75000000",
        "end kpoint_path",
        "bands_num_points = 40",
        "bands_plot_format = gnuplot",
    ]
    with pytest.raises(ValueError, match="at least 2 of each"):
        bands_wdata(PATH[:1], 40)


def test_cut_at_every_percent() -> None:
    dat, kpt = _texts("al_wannierised")
    for percent in range(100):
        with pytest.raises(ParseError):
            parse_wannier_bands(dat[: len(dat) * percent // 100], kpt, 4)
        with pytest.raises(ParseError):
            parse_wannier_bands(dat, kpt[: len(kpt) * percent // 100], 4)


def test_a_missing_band_or_row_is_noticed() -> None:
    dat, kpt = _texts("al_wannierised")
    lines = dat.splitlines(keepends=True)
    with pytest.raises(ParseError):
        parse_wannier_bands("".join(lines[:10] + lines[11:]), kpt, 4)
    with pytest.raises(ParseError):
        parse_wannier_bands(dat.replace("-0.31250146E+01", "***************", 1), kpt, 4)
    with pytest.raises(ParseError):
        parse_wannier_bands(dat.rstrip() + "\n", kpt, 4)
    with pytest.raises(ParseError, match="has 4 bands, wanted 5"):
        parse_wannier_bands(dat, kpt, 5)
