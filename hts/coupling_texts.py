"""What is said of a coupling and its Tc, line by line."""

from collections.abc import Mapping
from typing import Any

from hts.coupling_gates import deviations_text, limited_text
from hts.fine_meshes import ESTIMATE_ONLY
from hts.tc_summary import mu_key


def coupling_lines(coupling: Mapping[str, Any]) -> list[str]:
    """Return the story of a judged coupling: Wannier functions, estimate, fine meshes, convergence, checks.

    Parameters
    ----------
    coupling : mapping
        As `hts.coupling_gates.judge_coupling` returns it; couplings of older versions have less to tell.

    Returns
    -------
    list of str
    """
    numbers = coupling["numbers"]
    lines = [_attempt(one) for one in (numbers.get("wannier") or {}).get("attempts", [])]
    convergence = numbers.get("convergence")
    # Where the estimate answers, its reason is that of the convergence.
    if numbers.get("estimate") and (convergence or {}).get("status") != ESTIMATE_ONLY:
        lines.append(numbers["estimate"]["reason"])
    lines += [_member(item) for item in numbers.get("series", [])]
    if convergence:
        lines.append(f"{convergence['status'].replace('_', ' ')}: {convergence['reason']}")
    lines += [_check(one) for one in numbers.get("checks", [])]
    return lines


def _attempt(attempt: Mapping[str, Any]) -> str:
    mesh = "x".join(map(str, attempt["coarse_mesh"]))
    name = f"{attempt['n_wannier']} Wannier functions on k {mesh}, {attempt['name']}"
    if attempt["failure"]:
        return f"{name}: failed, {attempt['failure']}"
    rms = attempt["rms_ev"]
    return f"{name}: " + ("bands not compared" if rms is None else f"bands {rms:.3f} eV RMS from those of pw.x")


def _member(item: Mapping[str, Any]) -> str:
    gates = "gates passed" if item["gates_passed"] else "gates not passed"
    tc_k = item.get("allen_dynes_k")
    solved = "" if tc_k is None else f", Tc {tc_k:.1f} K"
    return (
        f"{item['label']}: lambda {item['lambda']:.3f}, omega_log {item['omega_log_mev']:.1f} meV{solved}; "
        f"{deviations_text(item)} against pw.x ({item['dos_ef_tetrahedra']:.3f} states/(spin eV cell)): {gates}"
    )


def _check(one: Mapping[str, Any]) -> str:
    outcome = {True: "passed", False: "FAILED", None: "not checked"}[one["passed"]]
    return f"{outcome}: {one['text'] if one['passed'] is None else limited_text(one)}"


def tc_lines(tc: Mapping[str, Any]) -> list[str]:
    """Return the table of Tc and its spread.

    Parameters
    ----------
    tc : mapping
        The result of the last stage.

    Returns
    -------
    list of str
    """
    omega_log = "none" if tc["omega_log_mev"] is None else f"{tc['omega_log_mev']:.1f} meV"
    lines = [f"alpha2F of {tc['chosen']}: lambda {tc['lambda']:.3f}, omega_log {omega_log}"]
    for line in tc["tc"]:
        eliashberg = "none" if line["eliashberg_k"] is None else f"{line['eliashberg_k']:.2f} K"
        lines.append(
            f"mu* {mu_key(line['mu_star'])}: McMillan {line['mcmillan_k']:.2f} K, "
            f"Allen-Dynes {line['allen_dynes_k']:.2f} K, Eliashberg {eliashberg} ({line['status']})"
        )
    low, high = tc["allen_dynes_spread_k"]
    lines.append(f"spread over fine meshes and smearings at the first mu*: {low:.2f} to {high:.2f} K")
    return lines
