"""Time and memory of `hts enumerate` against the number of site assignments: `make bench`.

Every point is a process of its own, run several times; the medians and a plot are written to the folder given.
"""

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

# Families and the two sites of each that are filled.
FAMILIES: dict[str, tuple[str, ...]] = {
    "perovskite": ("A", "B"),
    "fluorite_axh8": ("A", "X"),
    "a2xh6": ("A", "X"),
    "sodalite_mxh12": ("M", "X"),
    "m3xh8": ("M", "X"),
}
GROUPS = ("alkali_metal", "alkaline_earth", "rare_earth", "transition_metal", "post_transition_metal", "metalloid")
SIZES = (1250, 2500, 5000, 10_000, 20_000)


def campaign(n_assignments: int) -> dict[str, Any]:
    """Return a campaign of about so many assignments over the families; what two sites repeat is for it to find."""
    from hts.site_entries import expand

    symbols = expand(GROUPS)
    # The sodalite has two variants, so it counts twice.
    side = math.sqrt(n_assignments / (len(FAMILIES) + 1))
    first, second = symbols[: math.ceil(side)], symbols[: math.floor(side)]
    families = []
    for name, (left, right) in FAMILIES.items():
        sites = {left: list(first), right: list(second)}
        families.append({"prototype": name, "sites": sites | ({"X": ["H"]} if name == "perovskite" else {})})
    return {
        "name": f"bench-{n_assignments}",
        "protocol": "fast",
        "pseudo_family": "any",
        "families": families,
        "pressures_gpa": {"start": 100, "stop": 0, "step": 10, "resolution": 10},
        "codes": {program: f"{program}@localhost" for program in ("pw", "ph", "q2r", "epw")},
        "ranking": True,
    }


def run_once(file: Path) -> None:
    """Enumerate, remove duplicates, describe and rank; print what it took as JSON."""
    started = time.perf_counter()
    from hts.campaign import Campaign
    from hts.enumeration import candidates_in_order, enumerate_candidates, n_assignments

    loaded = Campaign.from_yaml(file)
    imported = time.perf_counter()
    next(islice(enumerate_candidates(loaded), 1))
    first = time.perf_counter()
    found = candidates_in_order(loaded)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "assignments": n_assignments(loaded),
                "candidates": len(found),
                "seconds": ended - first,
                "first_candidate_seconds": first - imported,
                "total_seconds": ended - started,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def measure(folder: Path, repeats: int) -> list[dict[str, float]]:
    """Return the medians for every size."""
    rows = []
    for size in SIZES:
        file = folder / f"campaign-{size}.yaml"
        file.write_text(yaml.safe_dump(campaign(size)), encoding="utf-8")
        command = [sys.executable, __file__, "--once", str(file)]
        runs = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout)
            for _ in range(repeats)
        ]
        row = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        row["spread_seconds"] = max(run["seconds"] for run in runs) - min(run["seconds"] for run in runs)
        rows.append(row)
        print(
            f"{row['assignments']:6.0f} assignments {row['candidates']:6.0f} candidates {row['total_seconds']:6.2f} s "
            f"with start-up, {row['seconds']:6.2f} s without (spread {row['spread_seconds']:.2f}), "
            f"{row['peak_mb']:.0f} MB",
            flush=True,
        )
    return rows


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Draw time and memory against the number of assignments."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    assignments = [row["assignments"] for row in rows]
    figure, (times, memory) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    times.plot(assignments, [row["seconds"] for row in rows], "o-", label="measured (median)")
    slope, offset = np.polyfit(assignments, [row["seconds"] for row in rows], 1)
    ends = np.array([0, assignments[-1]])
    label = f"{1000 * slope:.2f} ms an assignment + {offset:.1f} s"
    times.plot(ends, slope * ends + offset, "k--", lw=1, label=label)
    times.set(
        xlabel="site assignments", ylabel="enumerate, compare, describe, rank (s)", ylim=(0, None), xlim=(0, None)
    )
    times.legend(frameon=False)
    memory.plot(assignments, [row["peak_mb"] for row in rows], "s-", color="tab:red")
    memory.set(xlabel="site assignments", ylabel="peak memory (MB)", ylim=(0, None), xlim=(0, None))
    for axes in (times, memory):
        axes.locator_params(axis="x", nbins=5)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", type=Path, metavar="CAMPAIGN")
    parser.add_argument("--out", type=Path, default=Path(".bench"))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.once is not None:
        run_once(arguments.once)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = measure(arguments.out, arguments.repeats)
    (arguments.out / "enumeration.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
    plot(rows, arguments.out / "enumeration.png")
    for low, high in pairwise(rows):
        cost_ms = 1000 * (high["seconds"] - low["seconds"]) / (high["assignments"] - low["assignments"])
        print(f"from {low['assignments']:.0f} to {high['assignments']:.0f} assignments: {cost_ms:.2f} ms each")
    print(f"plot in {arguments.out}/enumeration.png")


if __name__ == "__main__":
    main()
