"""alpha2F summed from matrix elements, against what epw.x made of the very same ones.

fcc Al (EPW 5.3.1, PBE, fine k 8x8x8 and q 4x4x4), window 0.81 eV; ``sigma_150meV.a2f`` is a run of its own at the E_F
of the first.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hts.epw_matrix_elements import smeared_couplings, sums_smearings
from hts.epw_spectra import EpwAlpha2F, parse_a2f
from hts.errors import ParseError

DATA = Path(__file__).parents[1] / "data" / "epw_matrix_elements"
# alpha2F is printed with seven decimals.
PRINTED = 1e-6


def printed(name: str) -> EpwAlpha2F:
    return parse_a2f((DATA / name).read_text())


@pytest.mark.parametrize("pools", ["one_pool", "two_pools"])
@pytest.mark.parametrize(("sigma_ev", "name"), [(0.2, "sigma_200meV.a2f"), (0.15, "sigma_150meV.a2f")])
def test_epw_has_the_same_at_either_smearing(pools: str, sigma_ev: float, name: str) -> None:
    wanted = printed(name)
    (found,) = smeared_couplings(DATA / pools, "aiida", [sigma_ev])
    assert found.alpha2f(wanted.energy_mev, wanted.smearing_mev[0]) == pytest.approx(wanted.alpha2f[0], abs=PRINTED)
    summed = {"sigma_200meV.a2f": 0.5296457, "sigma_150meV.a2f": 0.4633955}[name]
    assert found.lambda_ == pytest.approx(summed, abs=PRINTED)


def test_several_smearings_come_from_one_reading() -> None:
    """N(E_F) at 0.2 eV is the one that epw.x printed."""
    together = smeared_couplings(DATA / "two_pools", "aiida", [0.2, 0.1, 0.15])
    assert [one.sigma_ev for one in together] == [0.2, 0.1, 0.15]
    assert together[0].dos_per_spin_ev == pytest.approx(0.18097611, abs=1e-7)
    for one in together:
        (alone,) = smeared_couplings(DATA / "one_pool", "aiida", [one.sigma_ev])
        assert one.lambda_ == pytest.approx(alone.lambda_, rel=1e-9)


def test_the_spectrum_integrates_to_lambda() -> None:
    (found,) = smeared_couplings(DATA / "one_pool", "aiida", [0.2])
    energy = np.linspace(0.01, 60, 6000)
    integral = 2 * np.trapezoid(found.alpha2f(energy, 0.2) / energy, energy)
    assert integral == pytest.approx(found.lambda_, rel=1e-3)


def test_a_smearing_wider_than_the_window_is_refused() -> None:
    with pytest.raises(ParseError, match=r"window of epw.x is 0\.81 eV, wanted 4 x 0\.3; widen fsthick"):
        smeared_couplings(DATA / "one_pool", "aiida", [0.1, 0.3])


@pytest.mark.parametrize("name", ["egnv", "freq", "ikmap", "ephmat1", "ephmat2", "../selecq.fmt"])
def test_a_missing_or_cut_file_is_named(tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(DATA / "two_pools", tmp_path / "run"))
    file = folder / "aiida.ephmat" / name
    content = file.read_bytes()
    for percent in range(0, 100, 5):
        file.write_bytes(content[: len(content) * percent // 100])
        try:
            found = smeared_couplings(folder, "aiida", [0.2])
        except ParseError:
            continue
        # Of selecq.fmt only the count is read.
        assert name == "../selecq.fmt"
        assert found[0].lambda_ == pytest.approx(0.5296457, abs=PRINTED)
    file.unlink()
    with pytest.raises(ParseError, match=r"aiida\.ephmat"):
        smeared_couplings(folder, "aiida", [0.2])


def test_files_of_another_run_are_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "one_pool", tmp_path / "run"))
    shutil.copy(DATA / "two_pools" / "aiida.ephmat" / "ephmat1", folder / "aiida.ephmat")
    with pytest.raises(ParseError, match="wanted"):
        smeared_couplings(folder, "aiida", [0.2])


@pytest.mark.parametrize(
    ("version", "readable"), [("5.3.1", True), ("5.7", True), ("5.8", False), ("6.0", False), (None, False)]
)
def test_which_versions_write_these_files(version: str | None, readable: bool) -> None:
    assert sums_smearings(version) == readable
