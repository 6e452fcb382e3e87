"""What a Tc rests on: gates on every alpha2F of a series, and checks of the interpolation behind all of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hts.fine_meshes import CONVERGED, ESTIMATE_ONLY
from hts.verdict import PASSED, UNDECIDED, Judgement

# States per spin and eV: a pseudogap at E_F makes the ratio huge, which fails the gate, but not infinite.
_SMALLEST_DOS = 1e-6


def check(name: str, value: float | None, limit: float, unit: str, text: str) -> dict[str, Any]:
    """Hold a number against its limit.

    Parameters
    ----------
    name : str
    value : float or None
        Its magnitude counts. None: not known, and ``text`` says why.
    limit : float
        Inclusive.
    unit : str
    text : str
        What was compared with what, or why it was not.

    Returns
    -------
    dict
        ``name``, ``value``, ``limit``, ``unit``, ``passed`` (None where there is no number) and ``text``.
    """
    passed = None if value is None else bool(math.isfinite(value) and abs(value) <= limit)
    return {"name": name, "value": value, "limit": limit, "unit": unit, "passed": passed, "text": text}


def judge_coupling(
    series: Sequence[Mapping[str, Any]],
    max_dos_deviation: float,
    max_fermi_deviation_ev: float,
    *,
    checks: Sequence[Mapping[str, Any]] = (),
    convergence: Mapping[str, Any] | None = None,
    estimate: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Judgement:
    """Choose the alpha2F that answers, and say what is not verified about it.

    Parameters
    ----------
    series : sequence of mapping
        For each fine mesh and smearing, the preferred one first: ``label``, ``lambda``, ``dos_ef_epw``,
        ``dos_ef_tetrahedra`` (states per spin, eV and cell, same smearing), ``fermi_epw_ev``, ``fermi_dense_ev`` (pw.x
        on the dense mesh). What EPW did not print is None, and passes no gate.
    max_dos_deviation : float
        Relative.
    max_fermi_deviation_ev : float
    checks : sequence of mapping
        As `check` returns them.
    convergence : mapping, optional
        ``status`` and ``reason`` of `hts.fine_meshes.convergence`, and ``smearing_settled`` where it is known.
    estimate : mapping, optional
        The rescaled coarse alpha2F; answers where the convergence says that it was enough.
    more : mapping, optional
        Further numbers to keep with the judgement.

    Returns
    -------
    Judgement
        Passed when the first of the series passes both gates and no check fails. Else the first that passes is chosen;
        what remains unverified, line by line in ``numbers["unverified"]``, is flagged ``tc_unverified``: the Tc is
        shown with that flag and never ranks a candidate ``ambient`` silently. ``tc_not_converged`` flags a series that
        has not settled, ``smearing_dependent`` one whose Tc differs between smearings by more than the tolerance,
        ``tc_estimate`` an estimate. Undecided without any alpha2F.
    """
    thresholds = {"max_dos_deviation": max_dos_deviation, "max_fermi_deviation_ev": max_fermi_deviation_ev}
    thresholds |= {one["name"]: one["limit"] for one in checks}
    given = {name: dict(one) if one else None for name, one in (("estimate", estimate), ("convergence", convergence))}
    numbers: dict[str, Any] = {**(more or {}), **given, "checks": [dict(one) for one in checks]}
    failed = [limited_text(one) for one in checks if one["passed"] is False]
    if convergence is not None and convergence["status"] == ESTIMATE_ONLY and estimate is not None:
        numbers |= {"series": [], "chosen": "estimate", "unverified": failed}
        flags = ("tc_estimate", *(("tc_unverified",) if failed else ()))
        return Judgement("coupling", PASSED, str(convergence["reason"]), numbers, thresholds, flags)
    if not series:
        return Judgement("coupling", UNDECIDED, "no alpha2F was computed", numbers, thresholds)
    judged = [_with_gates(item, max_dos_deviation, max_fermi_deviation_ev) for item in series]
    best = next((item for item in judged if item["gates_passed"]), judged[0])
    detail = f"{deviations_text(best)} against pw.x at {best['label']}"
    unverified = ([] if best["gates_passed"] else [detail]) + failed
    numbers |= {"series": judged, "chosen": best["label"], "unverified": unverified}
    flags = (*(("tc_unverified",) if unverified else ()), *_flags_of_series(convergence))
    said = f" is unverified: {'; '.join(unverified)}" if unverified else f"; {detail}"
    reason = f"lambda {best['lambda']:.2f}{said}" + (f"; {convergence['reason']}" if convergence is not None else "")
    return Judgement("coupling", PASSED, reason, numbers, thresholds, flags)


def _flags_of_series(convergence: Mapping[str, Any] | None) -> tuple[str, ...]:
    if convergence is None:
        return ()
    settled = convergence["status"] == CONVERGED
    alike = convergence.get("smearing_settled") is not False
    return (*(() if settled else ("tc_not_converged",)), *(() if alike else ("smearing_dependent",)))


def _with_gates(item: Mapping[str, Any], max_dos_deviation: float, max_fermi_deviation_ev: float) -> dict[str, Any]:
    dos, fermi = _deviations(item)
    good = dos is not None and abs(dos) <= max_dos_deviation
    good = good and fermi is not None and abs(fermi) <= max_fermi_deviation_ev
    return {**item, "dos_deviation": dos, "fermi_deviation_ev": fermi, "gates_passed": good}


def _deviations(item: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the relative deviation of N(E_F) and that of E_F in eV; None for what EPW did not print."""
    dos = fermi = None
    if item["dos_ef_epw"] is not None:
        dos = item["dos_ef_epw"] / max(item["dos_ef_tetrahedra"], _SMALLEST_DOS) - 1
    if item["fermi_epw_ev"] is not None:
        fermi = item["fermi_epw_ev"] - item["fermi_dense_ev"]
    return dos, fermi


def deviations_text(item: Mapping[str, Any]) -> str:
    """Say how far N(E_F) and E_F of one judged member of a series are from those of pw.x."""
    dos, fermi = item["dos_deviation"], item["fermi_deviation_ev"]
    return ", ".join(
        (
            "N(E_F) not printed" if dos is None else f"N(E_F) {dos:+.1%}",
            "E_F not printed" if fermi is None else f"E_F {fermi:+.3f} eV",
        )
    )


def limited_text(one: Mapping[str, Any]) -> str:
    """Say what a check compared, and its limit."""
    return f"{one['text']} (limit {' '.join((format(one['limit'], 'g'), one['unit'])).strip()})"


def preferred_first(series: Sequence[Mapping[str, Any]], smearings_ev: Sequence[float]) -> list[dict[str, Any]]:
    """Sort a series: the finest k-mesh first, on it the smearing that the protocol names first.

    Parameters
    ----------
    series : sequence of mapping
        With ``kpoints`` and ``degaussw_ev``.
    smearings_ev : sequence of float
    """
    order = list(smearings_ev)
    return [
        dict(item)
        for item in sorted(series, key=lambda one: (-math.prod(one["kpoints"]), order.index(one["degaussw_ev"])))
    ]
