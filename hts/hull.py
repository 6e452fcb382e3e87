"""Energy above the convex hull of enthalpies at one pressure, and what that hull does not know."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from hts.errors import InconsistentSettingsError

# Settings that went through a file or a unit differ by rounding and are the same.
_ROUNDING = 1e-9
# Total energies of 1e3 eV/atom carry sixteen digits; closer to the hull than this is on it.
_ON_HULL_EV_PER_ATOM = 1e-8
# Two relaxations of one phase agree to well below 1 meV/atom; further apart they are two phases.
_SAME_PHASE_EV_PER_ATOM = 1e-3
_SAME_VOLUME = 0.01
# Solving for the fractions leaves crumbs; no phase has a million atoms in its formula.
_LEAST_FRACTION = 1e-6


@dataclass(frozen=True)
class PhaseEnthalpy:
    """The enthalpy of one phase and the settings it was computed with.

    Attributes
    ----------
    label : str
        Name of the phase, as shown in a decomposition; two phases of one composition (polymorphs) want two labels.
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
    stabilisation_ev_per_atom : float or None
        For a candidate on the hull, how far the hull of all the others lies above it, as a number <= 0 (the "inverse
        distance to the hull"). None above the hull, and for an element that has no other phase.
    competing_decomposition : dict of str to float
        Fractions of atoms of the phases that the others would form at this composition, on the hull or above it.
    reaction : str
        That decomposition per formula unit, such as ``CaH6 -> CaH4 + H2``; empty when there are no others.
    """

    hull_ev_per_atom: float
    formation_ev_per_atom: float
    decomposition: dict[str, float]
    missing: tuple[str, ...]
    stabilisation_ev_per_atom: float | None = None
    competing_decomposition: dict[str, float] = field(default_factory=dict)
    reaction: str = ""

    @property
    def distance_ev_per_atom(self) -> float | None:
        """Signed distance from the hull of the others: positive above, negative below; None where it is unknown."""
        return self.hull_ev_per_atom if self.hull_ev_per_atom > 0 else self.stabilisation_ev_per_atom


def is_same_phase(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Say whether two relaxations ended in one and the same crystal.

    Parameters
    ----------
    first, second : mapping
        ``formula``, ``space_group_number``, ``enthalpy_ev_per_atom``, ``volume_ang3`` and ``n_atoms`` at one pressure.

    Returns
    -------
    bool
        True where formula and space group agree, the enthalpies to 1 meV/atom and the volumes to 1 %.
    """
    close = abs(first["enthalpy_ev_per_atom"] - second["enthalpy_ev_per_atom"]) <= _SAME_PHASE_EV_PER_ATOM
    volumes = (crystal["volume_ang3"] / crystal["n_atoms"] for crystal in (first, second))
    alike = all(first[key] == second[key] for key in ("formula", "space_group_number"))
    return alike and close and math.isclose(*volumes, rel_tol=_SAME_VOLUME)


def require_same_basis(phases: Sequence[PhaseEnthalpy]) -> None:
    """Refuse to mix results of different settings; numbers that differ by rounding (1e-9) are the same.

    Pseudopotentials are compared between any two phases that share an element.

    Raises
    ------
    InconsistentSettingsError
        Naming the two phases, the quantity and both values.
    """
    users: dict[str, PhaseEnthalpy] = {}
    for other in phases:
        first = phases[0]
        for key in sorted((set(first.basis) | set(other.basis)) - {"pseudos"}):
            if not _same(first.basis.get(key), other.basis.get(key)):
                raise _difference(first, other, key, first.basis.get(key), other.basis.get(key))
        if (first.basis.get("pseudos") is None) != (other.basis.get("pseudos") is None):
            raise _difference(first, other, "pseudos", first.basis.get("pseudos"), other.basis.get("pseudos"))
        for element in other.basis.get("pseudos") or {}:
            user = users.setdefault(element, other)
            mine, theirs = user.basis["pseudos"], other.basis["pseudos"]
            if mine[element] != theirs[element]:
                shared = sorted(set(mine) & set(theirs))
                values = [{symbol: table[symbol] for symbol in shared} for table in (mine, theirs)]
                raise _difference(user, other, "pseudos", *values)


def _same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return math.isclose(mine, theirs, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    return bool(mine == theirs)


def _difference(
    first: PhaseEnthalpy, other: PhaseEnthalpy, key: str, mine: Any, theirs: Any
) -> InconsistentSettingsError:
    return InconsistentSettingsError(
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
        Must hold every element of the candidate. Polymorphs compete with each other; a phase with the candidate's
        label is the candidate and does not compete with it; phases of other elements are left out.
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
        If an elemental reference is missing, naming it: without it there is no hull. If an enthalpy is not a number.
        If one label names two phases, so that leaving "the candidate" out would hide a competitor.
    """
    return place_many([candidate], competitors, missing)[0]


def place_many(
    candidates: Sequence[PhaseEnthalpy], competitors: Sequence[PhaseEnthalpy], missing: Sequence[str] = ()
) -> list[HullPlacement]:
    """Place each candidate on the hull of the competitors, building that hull once per chemical system.

    A candidate competes with another candidate only if that is among the competitors too; both lists may be the same.
    One more hull is built for each candidate that is itself a competitor on the hull, to leave it out.

    Parameters
    ----------
    candidates, competitors : sequence of PhaseEnthalpy
        As for `place_on_hull`.
    missing : sequence of str
        Carried into every result.

    Returns
    -------
    list of HullPlacement
        In the order of the candidates: what `place_on_hull` gives for each. Empty for no candidates.

    Raises
    ------
    InconsistentSettingsError, ValueError
        As `place_on_hull`, for the first candidate at fault.

    References
    ----------
    Hull by quickhull, S. P. Ong et al., Chem. Mater. 20, 1798 (2008), https://doi.org/10.1021/cm702327g.
    """
    require_same_basis([*candidates, *competitors])
    _require_numbers([*candidates, *competitors])
    named: dict[str, list[PhaseEnthalpy]] = {}
    for phase in competitors:
        same_label = named.setdefault(phase.label, [])
        _require_one_formula([*same_label[:1], phase])
        same_label.append(phase)
    systems: dict[frozenset[str], _System] = {}
    placements = []
    for candidate in candidates:
        _require_one_phase(candidate, named.get(candidate.label, []))
        elements = _elements(candidate)
        if elements not in systems:
            systems[elements] = _System(elements, competitors)
        placements.append(_place(candidate, systems[elements], tuple(missing)))
    return placements


class _System:
    """The competitors of one chemical system, their elemental references and their hulls."""

    def __init__(self, elements: frozenset[str], competitors: Sequence[PhaseEnthalpy]) -> None:
        self.phases = [phase for phase in competitors if _elements(phase) <= elements]
        self.references: dict[str, float] = {}
        for phase in self.phases:
            if len(_elements(phase)) == 1:
                (symbol,) = _elements(phase)
                known = self.references.get(symbol, math.inf)
                self.references[symbol] = min(known, phase.enthalpy_ev_per_atom)
        absent = sorted(elements - set(self.references))
        if absent:
            present = sorted({composition_of(phase.formula).reduced_formula for phase in competitors})
            raise ValueError(
                f"no enthalpy of {', '.join(absent)} among {', '.join(present) or 'nothing'}; "
                "a hull wants every element: see why its relaxation failed"
            )
        self._hulls: dict[str | None, _Hull] = {}

    def formation_ev_per_atom(self, phase: PhaseEnthalpy) -> float:
        """Return the enthalpy of formation from the lowest elemental competitors."""
        parts = composition_of(phase.formula).fractional_composition.get_el_amt_dict()
        return phase.enthalpy_ev_per_atom - sum(part * self.references[symbol] for symbol, part in parts.items())

    def decompose(self, phase: PhaseEnthalpy) -> list[tuple[PhaseEnthalpy, float]]:
        """Return what the others form at this composition, with fractions of atoms; empty if there are no others."""
        if len(self.references) == 1:
            others = [other for other in self.phases if other.label != phase.label]
            return [(min(others, key=_enthalpy_and_label), 1.0)] if others else []
        hull = self._hull(None)
        if phase.label in hull.labels:
            hull = self._hull(phase.label)
        return hull.decompose(phase)

    def _hull(self, without: str | None) -> "_Hull":
        if without not in self._hulls:
            lowest: dict[str, PhaseEnthalpy] = {}
            for phase in sorted(self.phases, key=_enthalpy_and_label):
                if phase.label != without:
                    lowest.setdefault(composition_of(phase.formula).reduced_formula, phase)
            # Measured from the elements: quickhull's tolerance scales with the largest number it is given.
            heights = [(phase, self.formation_ev_per_atom(phase)) for phase in lowest.values()]
            self._hulls[without] = _Hull(heights)
        return self._hulls[without]


class _Hull:
    """One convex hull of formation enthalpies."""

    def __init__(self, formation_ev_per_atom: Sequence[tuple[PhaseEnthalpy, float]]) -> None:
        entries = [_entry(phase, height) for phase, height in formation_ev_per_atom]
        self._diagram = PhaseDiagram(entries)
        # The diagram hands out the entries that it was given; by name they are not typed.
        self._phases = {id(entry): phase for entry, (phase, _) in zip(entries, formation_ev_per_atom, strict=True)}
        self.labels = {self._phases[id(entry)].label for entry in self._diagram.stable_entries}

    def decompose(self, phase: PhaseEnthalpy) -> list[tuple[PhaseEnthalpy, float]]:
        """Return the phases of the facet above which a composition lies, compounds first."""
        found = self._diagram.get_decomposition(composition_of(phase.formula))
        parts = [
            (self._phases[id(entry)], float(part)) for entry, part in found.items() if float(part) > _LEAST_FRACTION
        ]
        return sorted(parts, key=lambda pair: (-len(_elements(pair[0])), pair[0].label))


def _place(candidate: PhaseEnthalpy, system: _System, missing: tuple[str, ...]) -> HullPlacement:
    formation = system.formation_ev_per_atom(candidate)
    parts = system.decompose(candidate)
    competing = {phase.label: part for phase, part in parts}
    distance = formation - sum(part * system.formation_ev_per_atom(phase) for phase, part in parts)
    above = bool(parts) and distance > _ON_HULL_EV_PER_ATOM
    return HullPlacement(
        hull_ev_per_atom=distance if above else 0.0,
        # An element below its references is the reference.
        formation_ev_per_atom=max(formation, 0.0) if len(system.references) == 1 else formation,
        decomposition=dict(competing) if above else {candidate.label: 1.0},
        missing=missing,
        stabilisation_ev_per_atom=min(distance, 0.0) if parts and not above else None,
        competing_decomposition=competing,
        reaction=_reaction(candidate, parts),
    )


def _reaction(candidate: PhaseEnthalpy, parts: Sequence[tuple[PhaseEnthalpy, float]]) -> str:
    """Write a decomposition per formula unit of the candidate; a polymorph of it is told apart by its label."""
    left = _formula_unit(candidate)
    terms = []
    for phase, part in parts:
        right = _formula_unit(phase)
        amount = part * composition_of(left).num_atoms / composition_of(right).num_atoms
        coefficient = f"{round(amount, 3):g}"
        name = f"{right} ({phase.label})" if right == left and phase.label != right else right
        terms.append(name if coefficient == "1" else f"{coefficient} {name}")
    return f"{left} -> {' + '.join(terms)}" if terms else ""


def _formula_unit(phase: PhaseEnthalpy) -> str:
    """Return the formula as it was given if that is a formula unit, else the reduced one (H2 for hydrogen)."""
    composition = composition_of(phase.formula)
    if composition.is_element or not math.isclose(composition.num_atoms, composition.reduced_composition.num_atoms):
        return composition.reduced_formula
    return phase.formula


def _require_numbers(phases: Sequence[PhaseEnthalpy]) -> None:
    for phase in phases:
        if not math.isfinite(phase.enthalpy_ev_per_atom):
            raise ValueError(
                f"the enthalpy of {phase.label} is {phase.enthalpy_ev_per_atom}; a hull wants a number: "
                "see why its relaxation failed"
            )


def _require_one_formula(phases: Sequence[PhaseEnthalpy]) -> None:
    if len({composition_of(phase.formula).reduced_formula for phase in phases}) > 1:
        raise ValueError(
            f"{phases[0].label} names {phases[0].formula} and {phases[-1].formula}; a hull wants a label to name one "
            "composition: rename one of them"
        )


def _require_one_phase(candidate: PhaseEnthalpy, same_label: Sequence[PhaseEnthalpy]) -> None:
    """Refuse a label that would hide a competing polymorph as if it were the candidate itself."""
    for other in same_label:
        _require_one_formula([candidate, other])
        if abs(candidate.enthalpy_ev_per_atom - other.enthalpy_ev_per_atom) > _SAME_PHASE_EV_PER_ATOM:
            raise ValueError(
                f"{candidate.label} names phases of {candidate.enthalpy_ev_per_atom:.6f} and "
                f"{other.enthalpy_ev_per_atom:.6f} eV/atom; a hull wants a label for each polymorph: rename one of them"
            )


def _enthalpy_and_label(phase: PhaseEnthalpy) -> tuple[float, str]:
    return phase.enthalpy_ev_per_atom, phase.label


@lru_cache(maxsize=8192)
def composition_of(formula: str) -> Composition:
    """Return the composition of a formula; the same formulas are read again and again."""
    return Composition(formula)


def elements_of(formula: str) -> frozenset[str]:
    """Return the symbols of a formula."""
    return frozenset(composition_of(formula).get_el_amt_dict())


def _elements(phase: PhaseEnthalpy) -> frozenset[str]:
    return elements_of(phase.formula)


def _entry(phase: PhaseEnthalpy, formation_ev_per_atom: float) -> PDEntry:
    composition = composition_of(phase.formula)
    return PDEntry(composition, formation_ev_per_atom * composition.num_atoms, name=phase.label)
