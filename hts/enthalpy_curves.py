"""Enthalpy against pressure for the stored phases of a chemical system, relative to what they compete with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hts.errors import HtsError, UserError
from hts.hull import elements_of, place_many
from hts.stored_phases import Basis, StoredPhase, merge_twins, pressures_gpa, within_system
from hts.system_hull import require_elements


@dataclass(frozen=True)
class EnthalpyCurve:
    """Enthalpy of one phase against pressure, relative to what its composition would be otherwise.

    Attributes
    ----------
    label, kind, formula : str
    space_group_number : int
        At the highest pressure.
    pressures_gpa : tuple of float
        Where it was computed, ascending.
    distances_ev_per_atom : tuple of float
        Signed: positive above the reference, negative below it.
    """

    label: str
    kind: str
    formula: str
    space_group_number: int
    pressures_gpa: tuple[float, ...]
    distances_ev_per_atom: tuple[float, ...]


@dataclass(frozen=True)
class SystemCurves:
    """The curves of a chemical system.

    Attributes
    ----------
    elements : tuple of str
    settings : str
    relative_to : str or None
        Name of the phase that is zero; None: the hull of the other compositions, for an element its lowest phase.
    curves : tuple of EnthalpyCurve
        By formula, lowest first.
    no_hull : tuple of str
        Pressures at which there is no reference, with the reason.
    missing : mapping
        Pressure in GPa -> competitors that lack there.
    """

    elements: tuple[str, ...]
    settings: str
    relative_to: str | None
    curves: tuple[EnthalpyCurve, ...]
    no_hull: tuple[str, ...]
    missing: Mapping[float, Sequence[str]]

    @property
    def system(self) -> str:
        """Name of the chemical system."""
        return "-".join(self.elements)


def enthalpy_curves(
    elements: Sequence[str], basis: Basis, *, only: str | None = None, relative_to: str | None = None
) -> tuple[tuple[EnthalpyCurve, ...], tuple[str, ...]]:
    """Follow the phases of a system over the pressures at which they were relaxed.

    A compound is measured from the hull of all other compositions of the system, so that the polymorphs of one
    composition share their zero and are stable below it; an element from its lowest phase.

    Parameters
    ----------
    elements : sequence of str
    basis : Basis
    only : str, optional
        A formula, or the name of one phase; all compounds otherwise.
    relative_to : str, optional
        Name of a phase whose enthalpy is zero instead; the compositions must be the same, so it wants `only`.

    Returns
    -------
    tuple
        The curves by formula, lowest first; then a line for each pressure without a hull.

    Raises
    ------
    UserError
        If nothing of that name is stored, or the reference has another composition.
    HtsError
        If there is no hull at any pressure.
    """
    phases = merge_twins(within_system(basis.phases, elements))
    chosen = _chosen(phases, only, elements)
    zero = _reference(phases, chosen, relative_to)
    points: dict[str, list[tuple[StoredPhase, float]]] = {}
    no_hull = []
    for pressure in pressures_gpa(chosen):
        here = [phase for phase in phases if phase.pressure_gpa == pressure]
        try:
            if zero is None:
                require_elements(elements, pressure, here)
            found = _distances([phase for phase in chosen if phase.pressure_gpa == pressure], here, zero)
        except HtsError as error:
            no_hull.append(str(error))
            continue
        for phase, distance in found:
            points.setdefault(phase.label, []).append((phase, distance))
    if not points:
        raise HtsError("; ".join(no_hull))
    curves = [
        EnthalpyCurve(
            label=label,
            kind=curve[-1][0].kind,
            formula=curve[-1][0].formula,
            space_group_number=curve[-1][0].space_group_number,
            pressures_gpa=tuple(phase.pressure_gpa for phase, _ in curve),
            distances_ev_per_atom=tuple(distance for _, distance in curve),
        )
        for label, curve in points.items()
    ]
    curves.sort(key=lambda one: (one.formula, min(one.distances_ev_per_atom), one.label))
    return tuple(curves), tuple(no_hull)


def _chosen(phases: Sequence[StoredPhase], only: str | None, elements: Sequence[str]) -> list[StoredPhase]:
    if only is None:
        return [phase for phase in phases if len(phase.elements) > 1 or len(elements) == 1]
    named = [phase for phase in phases if only in phase.names] or [phase for phase in phases if only == phase.formula]
    if not named:
        formulas = ", ".join(sorted({phase.formula for phase in phases}))
        raise UserError(f"no phase or formula {only!r} was relaxed in {'-'.join(elements)}; there are {formulas}")
    return named


def _reference(
    phases: Sequence[StoredPhase], chosen: Sequence[StoredPhase], name: str | None
) -> dict[float, float] | None:
    """Return the enthalpies of the phase that is zero, by pressure."""
    if name is None:
        return None
    own = [phase for phase in phases if name in phase.names]
    formulas = sorted({phase.formula for phase in chosen})
    if not own or formulas != [own[0].formula]:
        labels = ", ".join(sorted({phase.label for phase in phases if phase.formula in formulas}))
        raise UserError(
            f"--relative-to {name!r}: a phase of the same composition as what is drawn ({', '.join(formulas)}) was "
            f"wanted; choose one composition with --formula and one of {labels}"
        )
    return {phase.pressure_gpa: phase.enthalpy_ev_per_atom for phase in own}


def _distances(
    chosen: Sequence[StoredPhase], here: Sequence[StoredPhase], zero: Mapping[float, float] | None
) -> list[tuple[StoredPhase, float]]:
    """Return the signed distances of phases at one pressure."""
    if zero is not None:
        if chosen[0].pressure_gpa not in zero:
            raise HtsError(f"the reference was not relaxed at {chosen[0].pressure_gpa:g} GPa")
        return [(phase, phase.enthalpy_ev_per_atom - zero[phase.pressure_gpa]) for phase in chosen]
    found = []
    for formula in sorted({phase.formula for phase in chosen}):
        own = [phase for phase in chosen if phase.formula == formula]
        if len(elements_of(formula)) == 1:
            lowest = min(phase.enthalpy_ev_per_atom for phase in here if phase.formula == formula)
            found += [(phase, phase.enthalpy_ev_per_atom - lowest) for phase in own]
            continue
        others = [phase.enthalpy() for phase in here if phase.formula != formula]
        placements = place_many([phase.enthalpy() for phase in own], others)
        found += [(phase, at.distance_ev_per_atom or 0.0) for phase, at in zip(own, placements, strict=True)]
    return found
