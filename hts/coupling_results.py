"""From what the stages of a screening have stored of a coupling to curves; older screenings have stored less."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hts.coupling_curves import (
    Convergence,
    CouplingResult,
    Estimate,
    Mesh,
    SeriesPoint,
    Spectrum,
    TcPoint,
    table_rows,
)
from hts.errors import UserError

UNVERIFIED, ESTIMATED = "tc_unverified", "tc_estimate"
# Screenings from before the meshes were stored have them in their labels: k24_q4_100meV.
_LABEL = re.compile(r"k(\d+)_q(\d+)_(\d+)meV")
_MEV_PER_EV = 1000.0


def coupling_result(
    identity: Mapping[str, str],
    pressure_gpa: float | None,
    coupling: Mapping[str, Any],
    tc: Mapping[str, Any] | None,
    spectra: Sequence[Spectrum] = (),
) -> CouplingResult:
    """Return the coupling of a candidate from what its stages have stored.

    Parameters
    ----------
    identity : mapping
        ``key`` and ``formula``.
    pressure_gpa : float or None
    coupling : mapping
        Judged coupling: ``numbers`` with ``series`` and ``chosen``. What screenings of older versions have not stored
        is None, or taken from the labels and from ``tc``.
    tc : mapping or None
        Tables of Tc, if it was solved for.
    spectra : sequence of Spectrum

    Raises
    ------
    UserError
        If the coupling has no alpha2F that answers.
    """
    numbers = coupling.get("numbers", {})
    points = series_points(coupling, tc)
    estimate, convergence = _estimate(numbers.get("estimate")), numbers.get("convergence")
    chosen = numbers.get("chosen")
    if estimate is not None and chosen == estimate.label:
        lambda_, omega_log_mev = estimate.lambda_, estimate.omega_log_mev
    elif chosen in {point.label for point in points}:
        stored = next(item for item in numbers["series"] if item["label"] == chosen)
        lambda_, omega_log_mev = stored["lambda"], stored.get("omega_log_mev")
    else:
        raise UserError(
            f"the coupling of {identity['key']} has no alpha2F ({coupling.get('reason', 'no reason is stored')}); "
            f"`hts explain {identity['key']}` tells more"
        )
    return CouplingResult(
        key=identity["key"],
        formula=identity["formula"],
        pressure_gpa=pressure_gpa,
        chosen=chosen,
        lambda_=lambda_,
        omega_log_mev=omega_log_mev,
        spectra=tuple(spectra),
        points=points,
        tc=table_rows(tc or {}),
        spread_k=_spread_k(points, convergence, tc),
        unverified=unverified_reasons(coupling),
        convergence=_convergence(convergence) if convergence else None,
        estimate=estimate,
    )


def series_points(coupling: Mapping[str, Any], tc: Mapping[str, Any] | None) -> tuple[SeriesPoint, ...]:
    """Return the members of a stored series that have a lambda, in their order."""
    thresholds = coupling.get("thresholds", {})
    tables = (tc or {}).get("series", {})
    points = []
    for item in coupling.get("numbers", {}).get("series", []):
        if item.get("lambda") is None:
            continue
        kpoints, qpoints, degaussw_ev = _meshes(item)
        solved = tables.get(item["label"], {}).get("tc") or [{}]
        passed = item.get("gates_passed")
        points.append(
            SeriesPoint(
                label=item["label"],
                kpoints=kpoints,
                qpoints=qpoints,
                degaussw_ev=degaussw_ev,
                lambda_=item["lambda"],
                allen_dynes_k=item.get("allen_dynes_k", solved[0].get("allen_dynes_k")),
                gates_passed=passed,
                failures=() if passed else gate_failures(item, thresholds),
            )
        )
    return tuple(points)


def gate_failures(item: Mapping[str, Any], thresholds: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which gates a member of a stored series fails; both values where the thresholds are not known."""
    dos, fermi = item.get("dos_deviation"), item.get("fermi_deviation_ev")
    gates = (
        ("N(E_F)", None if dos is None else f"{dos:+.1%}", dos, thresholds.get("max_dos_deviation", 0.0)),
        ("E_F", None if fermi is None else f"{fermi:+.3f} eV", fermi, thresholds.get("max_fermi_deviation_ev", 0.0)),
    )
    return tuple(
        f"{name} {'not printed' if text is None else text}"
        for name, text, value, limit in gates
        if value is None or abs(value) > limit
    )


def unverified_reasons(coupling: Mapping[str, Any]) -> tuple[str, ...]:
    """Say why the Tc of a stored coupling is unverified; empty if it is not."""
    if UNVERIFIED not in coupling.get("flags", []):
        return ()
    reasons = coupling.get("numbers", {}).get("unverified")
    if reasons:
        return tuple(reasons)
    # Older screenings have one sentence: "lambda 1.10 is unverified: N(E_F) +33.0%, …".
    reason = coupling.get("reason", "")
    return (reason.partition("unverified: ")[2] or reason or "no reason is stored",)


def tc_point(pressure_gpa: float, coupling: Mapping[str, Any], tc: Mapping[str, Any]) -> TcPoint | None:
    """Return the ranking Tc at one pressure; None where the table has none."""
    rows = table_rows(tc)
    if not rows:
        return None
    spread = tc.get("allen_dynes_spread_k")
    return TcPoint(
        pressure_gpa=pressure_gpa,
        mu_star=rows[0].mu_star,
        allen_dynes_k=rows[0].allen_dynes_k,
        spread_k=(spread[0], spread[1]) if spread else None,
        eliashberg_k=rows[0].eliashberg_k,
        unverified=UNVERIFIED in coupling.get("flags", []),
        estimated=ESTIMATED in coupling.get("flags", []),
    )


def _meshes(item: Mapping[str, Any]) -> tuple[Mesh | None, Mesh | None, float | None]:
    """Return fine k-mesh, fine q-mesh and smearing in eV of a stored member."""
    if "kpoints" in item:
        return tuple(item["kpoints"]), tuple(item["qpoints"]), item["degaussw_ev"]
    match = _LABEL.fullmatch(item["label"])
    if match is None:
        return None, None, None
    k, q, smearing_mev = map(int, match.groups())
    return (k, k, k), (q, q, q), smearing_mev / _MEV_PER_EV


def _estimate(stored: Mapping[str, Any] | None) -> Estimate | None:
    if stored is None or stored.get("lambda") is None:
        return None
    return Estimate(stored["label"], stored["lambda"], stored.get("omega_log_mev"), stored.get("allen_dynes_k"))


def _convergence(stored: Mapping[str, Any]) -> Convergence:
    return Convergence(
        stored["status"],
        stored.get("reason", ""),
        stored.get("tolerance"),
        stored.get("tolerance_k"),
        stored.get("smearing_settled"),
    )


def _spread_k(
    points: Sequence[SeriesPoint], convergence: Mapping[str, Any] | None, tc: Mapping[str, Any] | None
) -> tuple[float, float] | None:
    """Return the range of Tc: as the series has judged it, else as Tc was solved, else over the members."""
    stored = (convergence or {}).get("spread_k") or (tc or {}).get("allen_dynes_spread_k")
    values = stored or [point.allen_dynes_k for point in points if point.allen_dynes_k is not None]
    return (min(values), max(values)) if values else None
