"""The rows of a Tc table, and how far they lie apart."""

from dataclasses import asdict
from typing import Any

from numpy.typing import ArrayLike

from hts.eliashberg import eliashberg_isotope_coefficient, eliashberg_tc
from hts.eliashberg_gap import eliashberg_gap
from hts.superconductivity import (
    Moments,
    allen_dynes_tc_k,
    figure_of_merit,
    isotope_coefficient,
    mcmillan_tc_k,
    moments,
)


def tc_row(
    energy_mev: ArrayLike,
    alpha2f: ArrayLike,
    mu_star: float,
    settings: dict[str, Any],
    *,
    pressure_gpa: float | None = None,
    gap: bool = False,
) -> dict[str, Any]:
    """Tc of two formulas and of Eliashberg theory at one mu*.

    Parameters
    ----------
    energy_mev, alpha2f
        Energies in meV, strictly increasing, and the dimensionless Eliashberg function, both of shape (n,).
    mu_star
        Coulomb pseudopotential.
    settings
        ``cutoff_factor`` and ``rescale_mu_star`` of `hts.eliashberg.eliashberg_tc`.
    pressure_gpa
        Pressure in GPa, for the figure of merit.
    gap
        Solve for the gap and the isotope coefficients too.

    Returns
    -------
    dict
        ``mu_star``, ``mcmillan_k``, ``allen_dynes_k``, ``eliashberg_k``, ``status``, ``mu_star_at_cutoff``,
        ``cutoff_mev``. The status is that of the Eliashberg Tc: ``superconducting``, ``not_superconducting`` (Tc is 0)
        or ``not_bracketed`` (Tc is None: it lies below the lowest temperature that is looked at). With a pressure,
        ``figure_of_merit`` (of Allen-Dynes, as in `hts candidates`) and ``eliashberg_figure_of_merit`` (None where Tc
        is). With ``gap``, ``gap``, the fields of `hts.eliashberg_gap.EliashbergGap`, and ``isotope_coefficient`` by
        formula, None where there is no Tc.

    Raises
    ------
    ValueError
        As `hts.eliashberg.eliashberg_tc`.
    """
    found = moments(energy_mev, alpha2f)
    solved = eliashberg_tc(energy_mev, alpha2f, mu_star, **settings)
    row: dict[str, Any] = {
        "mu_star": float(mu_star),
        "mcmillan_k": mcmillan_tc_k(found.lambda_, found.omega_log_mev, mu_star),
        "allen_dynes_k": allen_dynes_tc_k(found.lambda_, found.omega_log_mev, found.omega_2_mev, mu_star),
        "eliashberg_k": solved.tc_k,
        "status": solved.status,
        "mu_star_at_cutoff": solved.mu_star_at_cutoff,
        "cutoff_mev": solved.cutoff_mev,
    }
    if pressure_gpa is not None:
        tc_k = solved.tc_k
        row["figure_of_merit"] = figure_of_merit(row["allen_dynes_k"], pressure_gpa)
        row["eliashberg_figure_of_merit"] = None if tc_k is None else figure_of_merit(tc_k, pressure_gpa)
    if gap:
        row["gap"] = asdict(eliashberg_gap(energy_mev, alpha2f, solved))
        by_eliashberg = eliashberg_isotope_coefficient(energy_mev, alpha2f, mu_star, **settings)
        row["isotope_coefficient"] = {**_isotope_coefficients(found, mu_star), "eliashberg": by_eliashberg}
    return row


def tc_spread(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How far the rows of a Tc table lie apart, one cause at a time.

    Each range starts from the number that ranks, Allen-Dynes at the first mu*, and varies one thing only.

    Parameters
    ----------
    rows
        Rows of `tc_row`, at least one.

    Returns
    -------
    dict
        [lowest, highest] in K: ``formulas_k`` over McMillan, Allen-Dynes and Eliashberg theory at the first mu* (None
        if its Eliashberg Tc is unknown), ``mu_star_k`` over the mu*. Whoever has several alpha2F adds their range.
    """
    first = [rows[0][key] for key in ("mcmillan_k", "allen_dynes_k", "eliashberg_k")]
    ranking = [row["allen_dynes_k"] for row in rows]
    return {
        "formulas_k": None if None in first else [min(first), max(first)],
        "mu_star_k": [min(ranking), max(ranking)],
    }


def _isotope_coefficients(found: Moments, mu_star: float) -> dict[str, float | None]:
    """Isotope coefficients of the two formulas."""

    def mcmillan_k(mu: float) -> float:
        return mcmillan_tc_k(found.lambda_, found.omega_log_mev, mu)

    def allen_dynes_k(mu: float) -> float:
        return allen_dynes_tc_k(found.lambda_, found.omega_log_mev, found.omega_2_mev, mu)

    return {
        "mcmillan": isotope_coefficient(mcmillan_k, mu_star),
        "allen_dynes": isotope_coefficient(allen_dynes_k, mu_star),
    }
