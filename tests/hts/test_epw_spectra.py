"""EPW's spectra and bands: recorded files, and the same files cut and garbled."""

from pathlib import Path

import numpy as np
import pytest

from hts.epw_output import parse_stdout
from hts.epw_spectra import parse_a2f, parse_bands, parse_phdos
from hts.errors import ParseError

DATA = Path(__file__).parents[1] / "data" / "epw"


def _read(case: str, name: str = "aiida.out") -> str:
    return (DATA / case / name).read_text()


def test_a2f_is_consistent() -> None:
    """Twice the integral of alpha2F / omega is lambda (Allen, Dynes, PRB 12, 905 (1975)), but for rounding."""
    for case in ("al_success", "al_two_smearings", "al4h_first", "al4h_restart"):
        spectrum = parse_a2f(_read(case, "aiida.a2f"))
        step = spectrum.energy_mev[1] - spectrum.energy_mev[0]
        integral = 2 * step * (spectrum.alpha2f / spectrum.energy_mev).sum(axis=1)
        assert integral == pytest.approx(spectrum.lambda_, rel=1e-4)
        assert spectrum.lambda_[0] == pytest.approx(parse_stdout(_read(case))["lambda"], abs=1e-6)


def test_phonon_dos_counts_modes() -> None:
    energy, dos = parse_phdos(_read("al4h_first", "aiida.phdos"))
    assert np.trapezoid(dos[0], energy) == pytest.approx(15, rel=0.02)


def test_bands() -> None:
    points, values = parse_bands(_read("al_bands", "band.eig"))
    assert points.shape == (5, 3) and values.shape == (5, 4)
    assert values[-1, -1] == pytest.approx(20.294678265067)


def test_nan_spectrum_is_refused() -> None:
    """EPW ends without complaint on a 1x1x1 coarse q-mesh, with NaN in prefix.a2f."""
    with pytest.raises(ParseError):
        parse_a2f(_read("qmesh_gamma_only", "aiida.a2f"))
    assert "lambda" not in parse_stdout(_read("qmesh_gamma_only"))


@pytest.mark.parametrize("name", ["aiida.a2f", "aiida.phdos"])
def test_cut_or_starred_spectra_are_refused(name: str) -> None:
    text = _read("al_two_smearings", name)
    parse = parse_a2f if name.endswith("a2f") else parse_phdos
    for percent in range(1, 100):
        place = len(text) * percent // 100
        starred = text[:place] + "****" + text[place + 4 :]
        with pytest.raises(ParseError):
            parse(starred)
        if name.endswith("a2f"):
            with pytest.raises(ParseError):
                parse(text[:place])
