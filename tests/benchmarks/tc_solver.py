"""Time of the Tc of one alpha2F at three mu* against Tc: `make bench`.

The spectrum is that of a hydride, metal modes and hydrogen modes, weakened step by step; medians, and a plot in the
folder given. Seconds are of one core (CPU time), so that other work on the machine does not count.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hts.eliashberg import eliashberg_tc
from hts.matsubara import highest_argument_mev, matsubara_grid, phonon_kernel
from hts.superconductivity import quadrature_weights, tc_table

MU_STARS = (0.10, 0.13, 0.16)
COUPLINGS = (3.0, 1.5, 0.9, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3)
N_ENERGIES = 500
# (energy in meV, width in meV, share of lambda).
PEAKS = ((25.0, 5.0, 0.35), (110.0, 25.0, 0.65))
HIGHEST_MEV = 200.0
# What was asked for: seconds, from which Tc (K) on.
LIMITS = ((10.0, 1.0), (1.0, 5.0))


def hydride(lambda_: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return energies in meV and alpha2F with this lambda."""
    energy = np.linspace(HIGHEST_MEV / N_ENERGIES, HIGHEST_MEV, N_ENERGIES)
    alpha2f = np.zeros(N_ENERGIES)
    for centre, width, share in PEAKS:
        peak = energy**2 * np.exp(-(((energy - centre) / width) ** 2))
        alpha2f += lambda_ * share * peak / (2 * quadrature_weights(energy) @ (peak / energy))
    return energy, alpha2f


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the median CPU time of a call."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return statistics.median(times)


def measure(lambda_: float, repeats: int) -> dict[str, float]:
    """Return the median times for one lambda, its Tc in K at the first mu*, and the frequencies at Tc."""
    energy_mev, alpha2f = hydride(lambda_)
    solved = eliashberg_tc(energy_mev, alpha2f, MU_STARS[0])
    if not solved.tc_k:
        raise ValueError(f"lambda {lambda_} gives no Tc to measure at")
    kernel = phonon_kernel(energy_mev, alpha2f, highest_argument_mev(solved.tc_k, solved.cutoff_mev))
    grid = matsubara_grid(kernel, solved.tc_k, solved.cutoff_mev)
    return {
        "lambda": lambda_,
        "tc_k": solved.tc_k,
        "matrix": grid.x.size,
        "frequencies": float((2 * grid.x * grid.weights).sum()),
        "seconds": seconds(lambda: tc_table(energy_mev, alpha2f, MU_STARS), repeats),
        "gap_seconds": seconds(lambda: tc_table(energy_mev, alpha2f, MU_STARS, gap=True), repeats),
    }


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Draw the times against Tc, with the limits."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    tcs_k = [row["tc_k"] for row in rows]
    axes.loglog(tcs_k, [row["seconds"] for row in rows], "o-", label="Tc")
    axes.loglog(tcs_k, [row["gap_seconds"] for row in rows], "s-", label="Tc, gap, isotope coefficient")
    for (from_k, limit), to_k in zip(LIMITS, (max(tcs_k), LIMITS[0][0]), strict=True):
        axes.plot([from_k, to_k], [limit, limit], "k--", lw=1)
    axes.set(xlabel="Tc (K) at mu* = 0.10", ylabel="three mu* (CPU s)")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".bench"))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for lambda_ in COUPLINGS:
        row = measure(lambda_, arguments.repeats)
        rows.append(row)
        print(
            f"lambda {lambda_:.2f}, Tc {row['tc_k']:8.3f} K: {row['frequencies']:9.0f} frequencies in a matrix of "
            f"{row['matrix']:.0f}; three mu* {row['seconds']:.3f} s, with gap and isotope coefficient "
            f"{row['gap_seconds']:.2f} s",
            flush=True,
        )
    first, last = rows[0], rows[-1]
    print(
        f"Tc down by {first['tc_k'] / last['tc_k']:.0f}, frequencies up by "
        f"{last['frequencies'] / first['frequencies']:.0f}: time up by {last['seconds'] / first['seconds']:.1f}"
    )
    plot(rows, arguments.out / "tc_solver.png")
    print(f"plot in {arguments.out}/tc_solver.png")


if __name__ == "__main__":
    main()
