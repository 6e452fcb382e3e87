"""EPW's standard output: recorded runs, lines of other versions, and the same cut and garbled."""

from pathlib import Path

import pytest

from hts.epw_output import classify_error, error_text, parse_stdout

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
    "wannier_folder_without_bvec": "ERROR_RESTART_FILES",
    "wigner_seitz_weights": "ERROR_WIGNER_SEITZ",
    "window_too_small": "ERROR_DISENTANGLEMENT_WINDOW",
}
FAILURES["al_above_tc"] = "ERROR_MIX_BROYDEN"
# Lines as each version's source writes them, with numbers of our own. The first lines are the same in all.
_COMMON = """
     Program EPW v.{version} starts on  1Jan2025 at 12: 0: 0
     Parallel version (MPI), running on     4 processors
     Wannierization on  4 x  4 x  4 electronic grid

      - Number of bands is ( 12)
      - Number of excluded bands is (  2)
      - Number of wannier functions is (  4)

     Wannier Function centers (cartesian, alat) and spreads (ang):

     (   0.00000   0.00000   0.00000) :   1.50000
     (   0.50000   0.50000   0.50000) :   2.25000

     -------------------------------------------------------------------
     WANNIER      :      1.00s CPU      2.50s WALL (       1 calls)

     irreducible q point #    3

     Writing Hamiltonian, Dynamical matrix and EP vertex in Wann rep to file

     Memory usage:  VmHWM =        40Mb
     Using uniform q-mesh: {q}
     Using uniform MP k-mesh: {k}

     Fermi energy coarse grid =   8.000000 eV

     {fermi}   8.250000 eV
     We only need to compute       64 q-points
     DOS(states/spin/eV/Unit Cell) =     4.0000000000E-01
            Electron smearing (eV) =     1.0000000000E-01
                 Fermi window (eV) =     5.0000000000E-01
           2 bands within the Fermi window

     Electron-phonon coupling strength =    0.8700000

{tc}
     temp(  1) =     15.00000 K
     Solve {kind} Eliashberg equations on imaginary-axis
     Total number of frequency points nsiw(     1) =     54
{before}        iter      ethr          znormi      deltai [meV]{columns}
          1   2.725055E+00   1.842711E+00   4.796926E+00{one}
          2   1.214253E-03   1.839269E+00   5.445808E+00{two}
     Convergence was reached in nsiter =      2
{after}
     Pade approximant of {kind} Eliashberg equations from imaginary-axis to real-axis
        pade    Re[znorm]   Re[delta] [meV]
         48   1.675122E+00   5.250000E+00
     Convergence was reached for N =     48 Pade approximants
{clocks}
     Total program execution
     EPW          :   1m 2.00s CPU   1m 3.00s WALL
"""
_FINE = "Fermi energy is calculated from the fine k-mesh: Ef ="
_TC_5 = """     Estimated Allen-Dynes Tc =    26.500000 K for muc =    0.16000
     Estimated w_log in Allen-Dynes Tc =    61.500000 meV
     Estimated BCS superconducting gap =     4.005000 meV"""
_LEARNED = "\n     Estimated Tc from machine learning model =    31.500000 K"
_TC_6 = """     Estimated Tc using McMillan expression =  26.5000 K for muc =   0.1600
     Estimated Tc using Allen-Dynes modified McMillan expression =  27.5000 K
     Estimated Tc using SISSO machine learning model =  31.5000 K
     Estimated w_log =  61.5000 meV
     Estimated BCS superconducting gap using McMillan Tc =   4.0050 meV"""
_RANGE = "     Min. / Max. values of superconducting gap =     2.399912   14.222181 meV"
_OLD_CLOCKS = "     ephwann      :      0.21s CPU      0.75s WALL (       1 calls)"
_NEW_CLOCKS = "     ep-interp    :      0.21s CPU      0.75s WALL (      64 calls)"


def _sample(version: str, full_bandwidth: bool = False) -> str:
    number = tuple(int(part) for part in version.split("."))
    return _COMMON.format(
        version=version,
        q="   4   4   4" if number < (5, 8) else "    4    4    4",
        k="  24  24  24" if number < (5, 8) else "   24   24   24",
        fermi=_FINE,
        tc=_TC_6 if number >= (6,) else _TC_5 + (_LEARNED if number >= (5, 5) else ""),
        kind="full-bandwidth anisotropic" if full_bandwidth else "anisotropic",
        before="     broyden mixing factor =      0.70000\n" if number >= (5, 9) else "",
        columns="   shifti [meV]       mu [eV]" if full_bandwidth else "",
        one="   4.676658E+00   7.664475E+00" if full_bandwidth else "",
        two="   8.518706E+00   7.664475E+00" if full_bandwidth else "",
        after=_RANGE if number >= (5, 5) else "",
        clocks=_NEW_CLOCKS if number >= (5, 9) else _OLD_CLOCKS,
    )


VERSIONS = ("5.3.0", "5.4", "5.4.1", "5.5", "5.7", "5.8", "5.8.1", "5.9", "6.0")


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


@pytest.mark.parametrize("version", VERSIONS)
def test_lines_of_other_versions(version: str) -> None:
    """EPW 5 prints McMillan under "Allen-Dynes" (the exponential alone); EPW 6 prints both under their names."""
    values = parse_stdout(_sample(version))
    expected = {
        "code_version": version, "job_done": True, "number_of_ranks": 4, "coarse_kmesh": [4, 4, 4],
        "fine_kmesh": [24, 24, 24], "fine_qmesh": [4, 4, 4], "number_of_bands": 12, "number_of_excluded_bands": 2,
        "number_of_wannier_functions": 4, "number_of_irreducible_qpoints": 3, "number_of_fine_qpoints": 64,
        "fermi_energy_coarse_ev": 8.0, "fermi_energy_fine_ev": 8.25, "dos_ef_per_spin_ev": 0.4, "degaussw_ev": 0.1,
        "fsthick_ev": 0.5, "number_of_bands_in_fermi_window": 2, "lambda": 0.87, "omega_log_mev": 61.5,
        "printed_mcmillan_k": 26.5, "printed_mu_star": 0.16, "total_spread_ang2": 3.75, "wall_time_seconds": 63.0,
        "timings_seconds": {"wannierisation": 2.5, "fine": 0.75}, "wannierised": True, "coarse_finished": True,
    }  # fmt: skip
    assert {key: values[key] for key in expected} == expected
    assert values.get("printed_allen_dynes_k") == (27.5 if version == "6.0" else None)
    learned = None if version in ("5.3.0", "5.4", "5.4.1") else 31.5
    assert values.get("printed_machine_learning_k") == learned


def test_builds_between_releases_print_the_lines_of_6() -> None:
    """The test-suite of Quantum ESPRESSO 7.5 holds outputs that call themselves 5.9 and have the lines of 6.0."""
    values = parse_stdout(_sample("6.0").replace("v.6.0", "v.5.9"))
    assert (values["printed_mcmillan_k"], values["printed_allen_dynes_k"]) == (26.5, 27.5)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_gap_of_other_versions(version: str) -> None:
    for full_bandwidth in (False, True):
        (entry,) = parse_stdout(_sample(version, full_bandwidth))["eliashberg"]
        assert (entry["temperature_k"], entry["anisotropic"], entry["converged"]) == (15.0, True, True)
        assert (entry["iterations"], entry["gap_mev"], entry["pade_gap_mev"]) == (2, 5.445808, 5.25)
        assert entry["gap_max_mev"] == (None if version in ("5.3.0", "5.4", "5.4.1") else 14.222181)


def test_a_given_fermi_energy_is_not_a_computed_one() -> None:
    """The gate on the Fermi energy would compare it with itself."""
    values = parse_stdout(_sample("6.0").replace(_FINE, "Fermi energy is read from the input file: Ef ="))
    assert values["fermi_energy_read_ev"] == 8.25
    assert "fermi_energy_fine_ev" not in values


@pytest.mark.parametrize("version", VERSIONS)
def test_other_versions_cut_at_every_percent(version: str) -> None:
    text = _sample(version)
    whole = parse_stdout(text)
    for percent in range(100):
        cut = text[: len(text) * percent // 100]
        values = parse_stdout(cut)
        assert not values["job_done"]
        assert classify_error(cut) is None
        assert set(values) <= set(whole)


def test_what_is_whole_when_it_stops() -> None:
    done = {case: parse_stdout(_read(case)) for case in ("al_wannierised", "al_success", "al_anisotropic", "killed")}
    flags = {case: (values["wannierised"], values["coarse_finished"]) for case, values in done.items()}
    assert flags["al_wannierised"] == (True, False)
    assert flags["al_success"] == (True, True)
    assert flags["al_anisotropic"] == (False, False)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("0.11s", 0.11), ("2m 8.85s", 128.85), ("1m49.31s", 109.31), ("1h23m", 4980.0), ("2d 1h 5m", 176700.0)],
)
def test_clocks(line: str, seconds: float) -> None:
    text = f"     Total program execution\n     EPW          :   1m49.31s CPU   {line} WALL\n"
    assert parse_stdout(text)["wall_time_seconds"] == pytest.approx(seconds)


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


def test_starred_stdout_never_raises() -> None:
    text = _read("al4h_restart")
    for percent in range(100):
        place = len(text) * percent // 100
        parse_stdout(text[:place] + "****" + text[place + 4 :])
    starred = text.replace("0.4223562", "*********")
    assert "lambda" not in parse_stdout(starred)
