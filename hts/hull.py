"""Energy above the convex hull of enthalpies at one pressure, and what that hull does not know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from hts.errors import InconsistentSettingsError


@dataclass(frozen=True)
class PhaseEnthalpy:
    """The enthalpy of one phase and the settings it was computed with.

    Attributes
    ----------
    label : str
        Name of the phase, as shown in a decomposition.
    formula : str
    enthalpy_ev_per_atom : float
        H = E + P V at ``basis['pressure_gpa']``.
    basis : mapping
        Everything that must agree on one hull: pressure_gpa, functional, ecutwfc_ry, ecutrho_ry,
        kpoints_distance_inv_ang, smearing, degauss_ry, and ``pseudos`` (element -> md5).
    """

    label: str
    formula: str
    enthalpy_ev_per_atom: float
    basis: Mapping[str, Any]


@dataclass(frozen=True)
class HullPlacement:
    """Where a candidate lies relative to the hull.

    Attributes
    ----------
    hull_ev_per_atom : float
        Energy above hull; 0 for a phase on it.
    formation_ev_per_atom : float
        Enthalpy of formation from the elements at the same pressure.
    decomposition : dict of str to float
        Competing phase -> fraction of atoms; the candidate itself when it is on the hull.
    missing : tuple of str
        Competitors that were not computed: the true hull can only lie lower.
    """

    hull_ev_per_atom: float
    formation_ev_per_atom: float
    decomposition: dict[str, float]
    missing: tuple[str, ...]


def require_same_basis(phases: Sequence[PhaseEnthalpy]) -> None:
    """Refuse to mix results of different settings.

    Raises
    ------
    InconsistentSettingsError
        Naming the two phases, the quantity and both values.
    """
    first = phases[0]
    for other in phases[1:]:
        for key in sorted(set(first.basis) | set(other.basis)):
            mine, theirs = first.basis.get(key), other.basis.get(key)
            if key == "pseudos":
                shared = set(mine or {}) & set(theirs or {})
                mine, theirs = ({element: (x or {})[element] for element in sorted(shared)} for x in (mine, theirs))
            if mine != theirs:
                raise InconsistentSettingsError(
                    f"{first.label} has {key} = {mine}, {other.label} has {theirs}; one hull wants one {key}: "
                    "recompute one of them with the settings of the other"
                )


def place_on_hull(
    candidate: PhaseEnthalpy, competitors: Sequence[PhaseEnthalpy], missing: Sequence[str] = ()
) -> HullPlacement:
    """Place a candidate on the hull of its competitors and itself.

    Parameters
    ----------
    candidate : PhaseEnthalpy
    competitors : sequence of PhaseEnthalpy
        Must hold every element of the candidate.
    missing : sequence of str
        Competitors known to be absent, carried into the result.

    Returns
    -------
    HullPlacement

    Raises
    ------
    InconsistentSettingsError
        If the phases were not computed alike.
    ValueError
        If an elemental reference is missing, naming it: without it there is no hull.
    """
    require_same_basis([candidate, *competitors])
    elements = {element.symbol for element in Composition(candidate.formula).elements}
    present = {Composition(phase.formula).reduced_formula for phase in competitors}
    have = {
        element.symbol
        for phase in competitors
        if len(Composition(phase.formula).elements) == 1
        for element in Composition(phase.formula).elements
    }
    if elements - have:
        raise ValueError(
            f"no enthalpy of {', '.join(sorted(elements - have))} among {', '.join(sorted(present)) or 'nothing'}; "
            "a hull wants every element: see why its relaxation failed"
        )
    relevant = [phase for phase in competitors if {e.symbol for e in Composition(phase.formula).elements} <= elements]
    entries = [_entry(phase) for phase in relevant]
    own = _entry(candidate)
    diagram = PhaseDiagram([*entries, own])
    parts, above = diagram.get_decomp_and_e_above_hull(own)
    fractions = {str(getattr(entry, "name", "")): float(fraction) for entry, fraction in (parts or {}).items()}
    return HullPlacement(
        hull_ev_per_atom=float(max(above or 0.0, 0.0)),
        formation_ev_per_atom=float(diagram.get_form_energy_per_atom(own)),
        decomposition=fractions,
        missing=tuple(missing),
    )


def _entry(phase: PhaseEnthalpy) -> PDEntry:
    composition = Composition(phase.formula)
    return PDEntry(composition, phase.enthalpy_ev_per_atom * composition.num_atoms, name=phase.label)
