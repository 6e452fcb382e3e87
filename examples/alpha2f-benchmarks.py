"""Tc and gap from public alpha2F files, against what the programs that published them give.

No file is part of this project. Get them first:

    mkdir benchmarks && cd benchmarks
    git clone https://github.com/GitGreg228/a2f              # 22ece66: hydrides and Nb3Sn, with Eliashberg Tc
    git clone https://github.com/aiidaplugins/aiida-epw      # f6844e4: an EPW run, with gaps on the imaginary axis
    git clone https://github.com/cheil/IsoME.jl              # de03897: Nb
    cd .. && python examples/alpha2f-benchmarks.py benchmarks

Prints Markdown tables. mu* means the same in a row for both programs: the convention column says what.

GitGreg228/a2f cuts the Matsubara sum at 25 frequencies whatever the temperature, which at low Tc is less than the
phonons need: the last column solves ours with 25 too, so that what is left is the solver alone.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from hts.alpha2f import read_alpha2f
from hts.eliashberg import eliashberg_tc, highest_phonon_mev, largest_eigenvalue, rescaled_mu_star
from hts.eliashberg_gap import eliashberg_gap
from hts.superconductivity import moments
from hts.units import BOLTZMANN_MEV_PER_K

REPOSITORIES = ("a2f", "aiida-epw", "IsoME.jl")
A2F_FREQUENCIES = 25
# A result whose lambda is further than this from that of the file beside it belongs to another spectrum.
LAMBDA_TOLERANCE = 0.01
# IsoME's default mu*, at the highest phonon energy, carried to its cutoff; and the bracket of Tc in its test. The test
# takes mu from the screened interaction of its Weep.dat instead, so this row is no check to a per cent.
ISOME_COLUMN, ISOME_MU_STAR, ISOME_CUTOFF_MEV, ISOME_TC_K = 15, 0.12, 7000.0, (9, 10)
EPW_MU_STAR, EPW_CUTOFF_MEV = 0.13, 500.0
EPW_FILES = Path("tests/files/tools/parsers")
TITLE = (
    "| alpha2F | lambda | mu* | convention | reference Tc (K) | our Tc (K) | deviation (%) | with 25 frequencies (%) |"
)


def row(*cells: object) -> str:
    """Return a Markdown row."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def rule(title: str) -> str:
    """Return the line under a Markdown title."""
    return "|" + " --- |" * (title.count("|") - 1)


def tc_of_25_frequencies(energy_mev: NDArray[np.float64], alpha2f: NDArray[np.float64], mu_star: float) -> float:
    """Tc in K with the Matsubara sum of GitGreg228/a2f."""

    def excess(tc_k: float) -> float:
        cutoff_mev = 2 * np.pi * BOLTZMANN_MEV_PER_K * tc_k * A2F_FREQUENCIES
        return largest_eigenvalue(energy_mev, alpha2f, tc_k, mu_star, cutoff_mev) - 1

    return float(brentq(excess, 1.0, 1000.0, xtol=1e-4))


def a2f_rows(folder: Path) -> Iterator[str]:
    """Compare with the Eliashberg Tc of GitGreg228/a2f."""
    for file in sorted(folder.glob("examples-public/**/results/a2f_*.csv")):
        published = json.loads((file.parent / "result.json").read_text(encoding="utf-8"))
        energy_mev, alpha2f = read_alpha2f(file)
        lambda_, mu_star = moments(energy_mev, alpha2f).lambda_, published["mu"]
        name = str(file.parent.parent.relative_to(folder / "examples-public"))
        published_lambda, published_k = published["lambda"]["a2f"]["lambda"], published["Tc, K"]["Eliashberg"]
        solved = eliashberg_tc(energy_mev, alpha2f, mu_star)
        ours = f"{solved.tc_k:.1f}"
        if abs(lambda_ / published_lambda - 1) > LAMBDA_TOLERANCE:
            why = f"not compared: published for lambda {published_lambda:g}"
            yield row(name, f"{lambda_:.3f}", mu_star, "at the cutoff", f"{published_k:.1f}", ours, why, "")
            continue
        same = tc_of_25_frequencies(energy_mev, alpha2f, mu_star)
        deviations = [f"{100 * (tc_k / published_k - 1):+.2f}" for tc_k in (solved.tc_k, same)]
        yield row(name, f"{lambda_:.3f}", mu_star, "at the cutoff", f"{published_k:.1f}", ours, *deviations)


def isome_row(folder: Path) -> str:
    """Compare with the test of IsoME.jl."""
    energy_mev, alpha2f = read_alpha2f(folder / "test/Nb/Nb.a2F", column=ISOME_COLUMN)
    highest_mev = float(energy_mev[alpha2f > 0.01][-1])
    mu_star = rescaled_mu_star(ISOME_MU_STAR, highest_mev, ISOME_CUTOFF_MEV)
    factor = ISOME_CUTOFF_MEV / highest_phonon_mev(energy_mev, alpha2f)
    solved = eliashberg_tc(energy_mev, alpha2f, mu_star, cutoff_factor=factor)
    low, high = ISOME_TC_K
    convention = f"rescaled from omega_max to {ISOME_CUTOFF_MEV:g} meV ({mu_star:.3f})"
    lambda_ = f"{moments(energy_mev, alpha2f).lambda_:.3f}"
    place = "inside" if low <= solved.tc_k <= high else "outside"
    verdict = f"{place}; reference with mu from W"
    return row(
        "Nb (IsoME.jl)", lambda_, ISOME_MU_STAR, convention, f"{low} to {high}", f"{solved.tc_k:.2f}", verdict, ""
    )


def epw_rows(folder: Path) -> Iterator[str]:
    """Compare with the gaps that EPW found on the imaginary axis."""
    energy_mev, alpha2f = read_alpha2f(folder / EPW_FILES / "a2f/aiida.a2f")
    factor = EPW_CUTOFF_MEV / highest_phonon_mev(energy_mev, alpha2f)
    solved = eliashberg_tc(energy_mev, alpha2f, EPW_MU_STAR, cutoff_factor=factor)
    for file in sorted((folder / EPW_FILES / "full_iso_eliashberg").glob("aiida.imag_iso_*")):
        temperature_k = float(file.name.removeprefix("aiida.imag_iso_"))
        _, published_z, published_ev = np.loadtxt(file, skiprows=1, max_rows=1)
        found = eliashberg_gap(energy_mev, alpha2f, solved, temperature_k)
        if found.gap_mev is None or found.z is None:
            yield row(
                f"{temperature_k:g}", f"{1000 * published_ev:.4f}", found.status, "", f"{published_z:.4f}", "", ""
            )
            continue
        yield row(
            f"{temperature_k:g}",
            f"{1000 * published_ev:.4f}",
            f"{found.gap_mev:.4f}",
            f"{100 * (found.gap_mev / (1000 * published_ev) - 1):+.2f}",
            f"{published_z:.4f}",
            f"{found.z:.4f}",
            f"{100 * (found.z / published_z - 1):+.2f}",
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the three repositories are")
    folder = parser.parse_args().folder
    missing = [name for name in REPOSITORIES if not (folder / name).is_dir()]
    if missing:
        parser.error(
            f"{folder} lacks {', '.join(missing)}, wanted {', '.join(REPOSITORIES)}: clone them as --help says"
        )
    click.echo("\n".join([TITLE, rule(TITLE), *a2f_rows(folder / "a2f"), isome_row(folder / "IsoME.jl")]))
    title = "| T (K) | EPW: Delta_0 (meV) | ours | deviation (%) | EPW: Z_0 | ours | deviation (%) |"
    click.echo(f"\nGap at i omega_0, mu* = {EPW_MU_STAR} at the cutoff of {EPW_CUTOFF_MEV:g} meV (lambda 1.99):\n")
    click.echo("\n".join([title, rule(title), *epw_rows(folder / "aiida-epw")]))


if __name__ == "__main__":
    main()
