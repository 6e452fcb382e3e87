"""What the record of a candidate says of its Tc: by formula and mu*, by pressure, and what it rests on."""

from collections.abc import Mapping
from typing import Any

from hts.fine_meshes import ESTIMATE_ONLY
from hts.records import TcTable
from hts.superconductivity import figure_of_merit


def tc_fields(results: Mapping[str, Mapping[str, Any]], lowest_gpa: float | None) -> dict[str, Any]:
    """Return all fields of a record that are about Tc.

    Parameters
    ----------
    results : mapping
        Of the stages that ended, as `hts.summary.candidate_record` takes them.
    lowest_gpa : float or None
        The lowest stable pressure.

    Returns
    -------
    dict
        By the keys of `hts.records.CandidateRecord`; without a Tc they are None or empty.
    """
    tc, coupling = results.get("tc"), results.get("coupling")
    convergence = ((coupling or {}).get("numbers", {}).get("convergence") or {}).get("status")
    return {
        "lambda": tc["lambda"] if tc else None,
        "omega_log_mev": tc["omega_log_mev"] if tc else None,
        "tc_k": tc_table(tc),
        "tc_spread_k": list(tc["allen_dynes_spread_k"]) if tc else None,
        "tc_spread": tc_spread(tc),
        "tc_unverified": unverified_lines(coupling),
        "tc_convergence": convergence,
        "tc_by_pressure": tc_by_pressure(results, lowest_gpa),
        "figure_of_merit": merit(tc, lowest_gpa),
    }


def tc_table(tc: Mapping[str, Any] | None) -> TcTable:
    """Return the temperatures of a Tc result by formula and mu*; an empty table for None."""
    if tc is None:
        return TcTable()
    rows = {mu_key(row["mu_star"]): row for row in tc["tc"]}
    return TcTable(
        allen_dynes={mu: row["allen_dynes_k"] for mu, row in rows.items()},
        eliashberg={mu: row["eliashberg_k"] for mu, row in rows.items()},
    )


def merit(tc: Mapping[str, Any] | None, pressure_gpa: float | None) -> float | None:
    """Return the figure of merit of the ranking Tc; None without a Tc or a pressure (GPa)."""
    tc_k = tc["tc"][0]["allen_dynes_k"] if tc else None
    return None if tc_k is None or pressure_gpa is None else figure_of_merit(tc_k, pressure_gpa)


def mu_key(mu_star: float) -> str:
    """Return mu* with two decimals, more where they would lose digits: 0.125 must not share a key with 0.12."""
    short = f"{mu_star:.2f}"
    return short if abs(float(short) - mu_star) < 1e-9 else f"{mu_star:g}"


def tc_spread(tc: Mapping[str, Any] | None) -> dict[str, list[float] | None]:
    """Return how far Tc (K) moves when formula, mu*, or fine mesh and smearing are varied; empty for None."""
    if tc is None:
        return {}
    return {**tc.get("spread", {}), "meshes_and_smearings_k": list(tc["allen_dynes_spread_k"])}


def unverified_lines(coupling: Mapping[str, Any] | None) -> list[str]:
    """Return what a coupling did not pass, a line each; of couplings of older versions their reason."""
    if coupling is None or "tc_unverified" not in coupling["flags"]:
        return []
    return list(coupling["numbers"].get("unverified") or [coupling["reason"]])


def tc_of_estimate(coupling: Mapping[str, Any], min_tc_k: float) -> str | None:
    """Return why a Tc that was only estimated can't be held against this gate; None where it can.

    Parameters
    ----------
    coupling : mapping
        Judged coupling.
    min_tc_k : float
        K. The fine meshes were spared because the estimate with its margin stayed below the gate of its own run.
    """
    numbers = coupling["numbers"]
    if (numbers.get("convergence") or {}).get("status") != ESTIMATE_ONLY:
        return None
    estimate = numbers.get("estimate") or {}
    bound_k = estimate.get("upper_bound_k")
    if bound_k is not None and bound_k < min_tc_k:
        return None
    reason = estimate.get("reason", "no estimate is stored")
    return f"Tc was only estimated, which does not decide a gate of {min_tc_k:g} K: {reason}"


def tc_by_pressure(results: Mapping[str, Mapping[str, Any]], lowest_gpa: float | None) -> list[dict[str, Any]]:
    """Return every pressure with a Tc, ascending.

    Parameters
    ----------
    results : mapping
        Of the stages: ``coupling`` and ``tc`` of the lowest stable pressure, ``coupling_<P>GPa`` and ``tc_<P>GPa`` of
        rungs above.
    lowest_gpa : float or None
        The lowest stable pressure.

    Returns
    -------
    list of dict
        ``pressure_gpa``, ``lambda``, ``omega_log_mev``, ``tc_k`` (formula -> mu* -> K), ``figure_of_merit``, ``flags``,
        ``unverified``.
    """
    found = []
    for name, tc in results.items():
        stage, _, rung = name.partition("_")
        coupling = results.get(f"coupling_{rung}" if rung else "coupling")
        if stage != "tc" or coupling is None:
            continue
        pressure = coupling["numbers"].get("pressure_gpa", None if rung else lowest_gpa)
        if pressure is None:
            continue
        found.append(
            {
                "pressure_gpa": pressure,
                "lambda": tc["lambda"],
                "omega_log_mev": tc["omega_log_mev"],
                "tc_k": tc_table(tc).model_dump(),
                "figure_of_merit": merit(tc, pressure),
                "flags": list(coupling["flags"]),
                "unverified": unverified_lines(coupling),
            }
        )
    return sorted(found, key=lambda one: one["pressure_gpa"])
