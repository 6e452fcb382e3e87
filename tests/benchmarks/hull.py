"""Time of a hull against the number of its entries: `make bench`."""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from hts.hull import PhaseEnthalpy, place_many, place_on_hull

ELEMENTS = ("La", "Be", "Mg", "H")
SIZES = (100, 300, 1000, 3000)
_SEED = 4


def phases(n_entries: int) -> list[PhaseEnthalpy]:
    """Return the elements and random compounds of them, most of them above the hull, all with one basis."""
    random = np.random.default_rng(_SEED)
    basis = {"pressure_gpa": 100.0, "pseudos": {element: element for element in ELEMENTS}}
    found = [PhaseEnthalpy(element, element, 0.0, basis) for element in ELEMENTS]
    while len(found) < n_entries:
        amounts = random.integers(0, 9, len(ELEMENTS))
        if np.count_nonzero(amounts) > 1:
            formula = "".join(f"{element}{amount}" for element, amount in zip(ELEMENTS, amounts, strict=True) if amount)
            depth = -0.5 * (1 - (amounts / amounts.sum() - 0.25) @ (amounts / amounts.sum() - 0.25))
            enthalpy = depth + random.uniform(0, 0.5)
            found.append(PhaseEnthalpy(f"{formula}-{len(found)}", formula, float(enthalpy), basis))
    return found


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    for size in SIZES:
        entries = phases(size)
        candidate = next(entry for entry in entries if all(element in entry.formula for element in ELEMENTS))
        one = seconds(lambda: place_on_hull(candidate, entries), repeats)  # noqa: B023
        every = seconds(lambda: place_many(entries, entries), repeats)  # noqa: B023
        print(f"{size:5d} entries, {len(ELEMENTS)} elements: one placed in {one:.2f} s, all of them in {every:.2f} s")


if __name__ == "__main__":
    main()
