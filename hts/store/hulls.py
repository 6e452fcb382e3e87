"""The hull and the enthalpy curves of a chemical system from what a profile holds; nothing is computed anew."""

from collections.abc import Sequence

from hts.enthalpy_curves import SystemCurves, enthalpy_curves
from hts.errors import HtsError, UserError
from hts.store import enthalpies
from hts.stored_phases import (
    Basis,
    StoredPhase,
    basis_differences,
    choose_basis,
    complete_pressures_gpa,
    group_by_basis,
    in_order,
    merge_twins,
    pressures_gpa,
    within_system,
)
from hts.system_hull import SystemHull, lacking, place_system


def load_hull(
    elements: Sequence[str], pressure_gpa: float | None, *, campaign: str | None = None, basis: str | None = None
) -> SystemHull:
    """Return the hull of a system at a pressure.

    Parameters
    ----------
    elements : sequence of str
    pressure_gpa : float or None
        None: the only one that is stored.
    campaign, basis : str, optional
        Whose settings, or the beginning of their name, where several are stored.

    Raises
    ------
    UserError
        If nothing is stored of the system or at the pressure, or the pressure or the settings are to be chosen; the
        line names what there is.
    HtsError
        If an element is missing.
    """
    phases = _phases_of(elements)
    if pressure_gpa is not None:
        stored = complete_pressures_gpa(phases, elements) or pressures_gpa(phases)
        phases = [phase for phase in phases if phase.pressure_gpa == round(pressure_gpa, 9)]
        if not phases:
            raise UserError(
                f"nothing of {'-'.join(elements)} was relaxed at {pressure_gpa:g} GPa, only at {_listed(stored)}; "
                "choose one with --pressure-gpa"
            )
    chosen = _choose(phases, campaign, basis)
    if pressure_gpa is None:
        stored = complete_pressures_gpa(chosen.phases, elements) or chosen.pressures_gpa
        if len(stored) > 1:
            raise UserError(
                f"{'-'.join(elements)} was relaxed at {_listed(stored)}, a hull wants one pressure; choose with "
                "--pressure-gpa"
            )
        [pressure_gpa] = stored
    try:
        distinct, rows = place_system(elements, pressure_gpa, chosen)
    except HtsError as error:
        failed = enthalpies.failed_references(elements, pressure_gpa, chosen)
        reasons = [f"; reference {label} ended with {reason}" for label, reason in failed.items()]
        raise HtsError(f"{error}{''.join(reasons)}") from error
    missing, caveats = _lacking(elements, pressure_gpa, chosen, distinct)
    return SystemHull(tuple(elements), pressure_gpa, chosen, settings_line(chosen), rows, missing, caveats)


def load_curves(
    elements: Sequence[str],
    *,
    only: str | None = None,
    relative_to: str | None = None,
    campaign: str | None = None,
    basis: str | None = None,
) -> SystemCurves:
    """Return enthalpy against pressure for the phases of a system.

    Parameters
    ----------
    elements : sequence of str
    only, relative_to : str, optional
        As for `hts.enthalpy_curves.enthalpy_curves`.
    campaign, basis : str, optional
        As for `load_hull`.

    Raises
    ------
    UserError, HtsError
        As `load_hull` and `enthalpy_curves`.
    """
    chosen = _choose(_phases_of(elements), campaign, basis)
    curves, no_hull = enthalpy_curves(elements, chosen, only=only, relative_to=relative_to)
    missing = {}
    for pressure in sorted({pressure for curve in curves for pressure in curve.pressures_gpa}):
        here = merge_twins([phase for phase in chosen.phases if phase.pressure_gpa == pressure])
        missing[pressure] = _lacking(elements, pressure, chosen, here)[0]
    return SystemCurves(tuple(elements), settings_line(chosen), relative_to, curves, no_hull, missing)


def settings_line(basis: Basis) -> str:
    """Return the settings in a few words, such as `LDA/vbc, 30 Ry, k-points 0.27/Ang, mp smearing 0.02 Ry`."""
    forms = {
        "ecutwfc_ry": "{:g} Ry",
        "kpoints_distance_inv_ang": "k-points {:g}/Å",
        "smearing": "{} smearing",
        "degauss_ry": "{:g} Ry",
    }
    parts = [form.format(basis.settings[key]) for key, form in forms.items() if basis.settings.get(key) is not None]
    return ", ".join([enthalpies.family_name(basis), *parts]).replace(" smearing, ", " smearing ")


def _phases_of(elements: Sequence[str]) -> list[StoredPhase]:
    everything = enthalpies.stored_phases()
    phases = within_system(everything, elements)
    if not phases:
        systems = sorted({"-".join(in_order(phase.elements)) for phase in everything})
        there_are = f"there are {', '.join(systems)}" if systems else "there is nothing yet"
        raise UserError(
            f"no finished relaxation of {'-'.join(elements)} in this profile, {there_are}; `hts run FILE.yaml` makes "
            "some"
        )
    return phases


def _choose(phases: Sequence[StoredPhase], campaign: str | None, basis: str | None) -> Basis:
    groups = group_by_basis(phases)
    if campaign is not None:
        fitting = enthalpies.bases_of_campaign(campaign, groups)
        if not fitting:
            raise UserError(
                f"campaign {campaign!r} has used none of the settings stored here: {basis_differences(groups)}; choose "
                "with --basis"
            )
        groups = fitting
    return choose_basis(groups, basis)


def _lacking(
    elements: Sequence[str], pressure_gpa: float, basis: Basis, phases: Sequence[StoredPhase]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    failed = enthalpies.failed_references(elements, pressure_gpa, basis)
    reported = enthalpies.reported_missing(elements, pressure_gpa, basis)
    return lacking(elements, pressure_gpa, phases, failed, reported)


def _listed(pressures: Sequence[float]) -> str:
    return ", ".join(f"{pressure:g}" for pressure in pressures) + " GPa"
