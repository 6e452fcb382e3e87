"""EPW's text output: recorded runs, and the same runs cut and garbled."""

from pathlib import Path

import numpy as np
import pytest

from hts.epw_output import classify_error, error_text, parse_a2f, parse_bands, parse_phdos, parse_stdout
from hts.errors import ParseError

DATA = Path(__file__).parents[1] / "data" / "epw"
CASES = sorted(path.name for path in DATA.iterdir())
# What the recorded failures are; every other case is a success or was killed.
FAILURES = {
    "cannot_bracket_ef": "ERROR_CANNOT_BRACKET_EF",
    "disk_full": "ERROR_DISK_FULL",
    "fine_meshes_not_commensurate": "ERROR_INVALID_INPUT",
    "frozen_window_too_large": "ERROR_DISENTANGLEMENT_WINDOW",
    "kmesh_mismatch": "ERROR_KPOINTS_MISMATCH",
    "missing_dvscf": "ERROR_MISSING_DVSCF",
    "missing_dynamical_matrix": "ERROR_MISSING_DVSCF",
    "missing_patterns": "ERROR_MISSING_DVSCF",
    "mix_broyden": "ERROR_MIX_BROYDEN",
    "more_projections_than_nbndsub": "ERROR_UNKNOWN",
    "nbndsub_above_bands": "ERROR_TOO_FEW_BANDS",
    "one_pool_two_ranks": "ERROR_POOLS",
    "qmesh_too_dense": "ERROR_QPOINTS_MISMATCH",
    "restart_other_nbndsub": "ERROR_RESTART_FILES",
    "restart_without_epmatwp": "ERROR_RESTART_FILES",
    "smearing_above_fsthick": "ERROR_INVALID_INPUT",
    "too_few_projections": "ERROR_PROJECTIONS",
    "truncated_dvscf": "ERROR_MISSING_DVSCF",
    "unknown_keyword": "ERROR_INVALID_INPUT",
    "unknown_projection_site": "ERROR_PROJECTIONS",
    "window_too_small": "ERROR_DISENTANGLEMENT_WINDOW",
}


def _read(case: str, name: str = "aiida.out") -> str:
    path = DATA / case / name
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("case", CASES)
def test_failures_are_named(case: str) -> None:
    assert classify_error(_read(case), _read(case, "_scheduler-stderr.txt")) == FAILURES.get(case)


def test_messages_are_one_line() -> None:
    assert error_text(_read("cannot_bracket_ef")) == "Error in routine efermig (1): internal error, cannot bracket Ef"
    assert error_text(_read("window_too_small")).startswith("Wannier90: dis_windows: Energy window contains fewer")
    assert error_text(_read("al_success")) == ""
    assert all("\n" not in error_text(_read(case)) for case in CASES)


def test_al4h_stdout() -> None:
    """The 24^3 / 4^3 run of Al4H at 10 GPa: values as printed."""
    values = parse_stdout(_read("al4h_first"))
    assert values["code_version"] == "5.3.1"
    assert values["job_done"] is True
    assert values["lambda"] == 0.4132598
    assert values["omega_log_mev"] == 56.644494
    assert values["printed_mcmillan_k"] == 3.306869
    assert "printed_allen_dynes_k" not in values
    assert values["fermi_energy_coarse_ev"] == 9.097043
    assert values["fermi_energy_fine_ev"] == 9.382383
    assert values["dos_ef_per_spin_ev"] == pytest.approx(0.440308656, abs=1e-8)
    assert values["degaussw_ev"] == 0.1 and values["fsthick_ev"] == 0.41
    assert values["coarse_kmesh"] == [4, 4, 4] and values["fine_kmesh"] == [24, 24, 24]
    assert values["number_of_irreducible_qpoints"] == 4
    assert values["number_of_wannier_functions"] == len(values["wannier_spreads_ang2"]) == 17
    assert values["total_spread_ang2"] == pytest.approx(40.4168, abs=1e-3)
    assert values["wall_time_seconds"] == pytest.approx(118.8)
    assert values["timings_seconds"]["coarse"] == pytest.approx(79.77)


def test_the_line_allen_dynes_is_what_the_version_makes_it() -> None:
    """EPW 5 prints McMillan under "Allen-Dynes"; EPW 6 prints both under their names (its supercond.f90)."""
    old = "Program EPW v.5.3.1 starts\n  Estimated Allen-Dynes Tc =     3.306869 K for muc =    0.10000\n"
    new = (
        "Program EPW v.6.0 starts\n Estimated Tc using McMillan expression =   3.3069 K for muc =   0.1000\n"
        " Estimated Tc using Allen-Dynes modified McMillan expression =   3.4000 K\n Estimated w_log =  56.6 meV\n"
    )
    assert parse_stdout(old)["printed_mcmillan_k"] == 3.306869
    values = parse_stdout(new)
    assert (values["printed_mcmillan_k"], values["printed_allen_dynes_k"]) == (3.3069, 3.4)
    assert values["omega_log_mev"] == 56.6


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("0.11s", 0.11), ("2m 8.85s", 128.85), ("1m49.31s", 109.31), ("1h23m", 4980.0), ("2d 1h 5m", 176700.0)],
)
def test_clocks(line: str, seconds: float) -> None:
    text = f"     Total program execution\n     EPW          :   1m49.31s CPU   {line} WALL\n"
    assert parse_stdout(text)["wall_time_seconds"] == pytest.approx(seconds)


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


@pytest.mark.parametrize("case", CASES)
def test_cut_at_every_percent(case: str) -> None:
    """No cut raises, and no cut of a success before its end counts as one."""
    text, stderr = _read(case), _read(case, "_scheduler-stderr.txt")
    for percent in range(100):
        cut = text[: len(text) * percent // 100]
        values = parse_stdout(cut)
        classify_error(cut, stderr[: len(stderr) * percent // 100])
        error_text(cut)
        assert values["job_done"] is False or "Total program execution" in cut


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


def test_starred_stdout_never_raises() -> None:
    text = _read("al4h_restart")
    for percent in range(100):
        place = len(text) * percent // 100
        parse_stdout(text[:place] + "****" + text[place + 4 :])
    starred = text.replace("0.4223562", "*********")
    assert "lambda" not in parse_stdout(starred)
