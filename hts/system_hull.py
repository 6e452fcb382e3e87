"""The hull of all stored relaxations of a chemical system at one pressure, and what it does not know."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hts.competitor_list import Competitor
from hts.competitors import competitors
from hts.errors import HtsError
from hts.hull import HullPlacement, place_many
from hts.magnetism import magnetic_doubt_line
from hts.stored_phases import Basis, StoredPhase, merge_twins, within_system
from hts.symmetry import space_group_number

# Of a start structure made from coordinates with five digits.
_SYMPREC_ANG = 1e-3
# Lines of a stored hull that hold for the phases it listed, not for those that are stored by now.
_OF_THAT_LIST = re.compile(
    r"no competing compound of |no structure of \w+ at \S+ GPa is in the table|\S+: its magnetic state "
)
_FAILED_REFERENCE = re.compile(r"reference (\S+): ")


@dataclass(frozen=True)
class HullRow:
    """One phase and its place on the hull of all phases."""

    phase: StoredPhase
    placement: HullPlacement

    @property
    def is_stable(self) -> bool:
        """Whether it is on the hull."""
        return self.placement.hull_ev_per_atom == 0


@dataclass(frozen=True)
class SystemHull:
    """All phases of a chemical system at one pressure.

    Attributes
    ----------
    elements : tuple of str
    pressure_gpa : float
    basis : Basis
    settings : str
        The settings in a few words, for titles.
    rows : tuple of HullRow
        By formula, lowest enthalpy first.
    missing : tuple of str
        Competitors that are not on this hull, with the reason: the true hull can only lie lower.
    caveats : tuple of str
        What is known against phases that are on it.
    """

    elements: tuple[str, ...]
    pressure_gpa: float
    basis: Basis
    settings: str
    rows: tuple[HullRow, ...]
    missing: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def system(self) -> str:
        """Name of the chemical system, such as `Al-H`."""
        return "-".join(self.elements)

    def within(self, max_hull_ev_per_atom: float | None) -> tuple[HullRow, ...]:
        """Return the rows up to an energy above hull; all of them without a limit."""
        if max_hull_ev_per_atom is None:
            return self.rows
        return tuple(row for row in self.rows if row.placement.hull_ev_per_atom <= max_hull_ev_per_atom)


def place_system(
    elements: Sequence[str], pressure_gpa: float, basis: Basis
) -> tuple[tuple[StoredPhase, ...], tuple[HullRow, ...]]:
    """Place every phase of a system at a pressure on the hull of all of them.

    Parameters
    ----------
    elements : sequence of str
    pressure_gpa : float
    basis : Basis
        Its phases at other pressures and of other systems are left out.

    Returns
    -------
    tuple
        The distinct phases, and their rows by formula, lowest enthalpy first.

    Raises
    ------
    HtsError
        If an element has no phase, naming it.
    """
    phases = merge_twins([phase for phase in within_system(basis.phases, elements) if _is_at(phase, pressure_gpa)])
    require_elements(elements, pressure_gpa, phases)
    enthalpies = [phase.enthalpy() for phase in phases]
    rows = [HullRow(p, placed) for p, placed in zip(phases, place_many(enthalpies, enthalpies), strict=True)]
    return tuple(phases), tuple(sorted(rows, key=_row_order))


def _row_order(row: HullRow) -> tuple[int, str, float, str]:
    return len(row.phase.elements), row.phase.formula, row.phase.enthalpy_ev_per_atom, row.phase.label


def _is_at(phase: StoredPhase, pressure_gpa: float) -> bool:
    return phase.pressure_gpa == round(pressure_gpa, 9)


def require_elements(elements: Sequence[str], pressure_gpa: float, phases: Sequence[StoredPhase]) -> None:
    """Refuse a hull without every element.

    Raises
    ------
    HtsError
        Naming the elements that lack among the phases at this pressure.
    """
    present = {symbol for phase in phases if len(phase.elements) == 1 for symbol in phase.elements}
    absent = sorted(set(elements) - present)
    if absent:
        lack = f"{', '.join(absent)} {'were' if len(absent) > 1 else 'was'} not relaxed there"
        stored = ", ".join(sorted({phase.formula for phase in phases})) or "nothing"
        raise HtsError(
            f"no hull of {'-'.join(elements)} at {pressure_gpa:g} GPa: {lack}, only {stored}; `hts run` of a campaign "
            "in this system relaxes the elements"
        )


def lacking(
    elements: Sequence[str],
    pressure_gpa: float,
    phases: Sequence[StoredPhase],
    failed: Mapping[str, str],
    reported: Sequence[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Say what a hull of stored phases does not know.

    Parameters
    ----------
    elements : sequence of str
    pressure_gpa : float
    phases : sequence of StoredPhase
        Those on the hull.
    failed : mapping
        Label of a reference -> why its relaxation at this pressure failed.
    reported : sequence of str
        ``missing`` of the stored hulls of this system.

    Returns
    -------
    tuple of tuple of str
        Lines for what is missing: known phases that failed or were never relaxed, other references that failed, what
        no one can build, magnetic states that were not looked at. Then the caveats of the phases that are there.
    """
    listed = competitors(elements, pressure_gpa, "known") if pressure_gpa >= 0 else None
    known = listed.phases if listed else ()
    names = {name for phase in phases for name in phase.names}
    missing = list(listed.missing_beside([phase.elements for phase in phases])) if listed else []
    caveats = []
    for competitor in known:
        if competitor.label in names or _is_among(competitor, phases):
            names.add(competitor.label)
            caveats += [f"{competitor.label}: {competitor.caveat}"] if competitor.caveat else []
        elif competitor.label not in failed:
            missing.append(f"{competitor.label}: not relaxed at {pressure_gpa:g} GPa with these settings")
    missing += [f"reference {label}: {reason}" for label, reason in failed.items() if label not in names]
    missing += [magnetic_doubt_line(phase.label, phase.magnetic_doubt) for phase in phases if phase.magnetic_doubt]
    all_caveats = {competitor.caveat for competitor in known}
    for line in reported:
        match = _FAILED_REFERENCE.match(line)
        settled = match is not None and (match.group(1) in names or match.group(1) in failed)
        if not settled and line not in all_caveats and not _OF_THAT_LIST.match(line):
            missing.append(line)
    return tuple(dict.fromkeys(missing)), tuple(dict.fromkeys(caveats))


def _is_among(competitor: Competitor, phases: Sequence[StoredPhase]) -> bool:
    """Say whether a known phase was relaxed under another name, as a candidate."""
    rivals = [phase for phase in phases if phase.formula == competitor.formula and phase.kind != "reference"]
    if not rivals:
        return False
    number = space_group_number(competitor.structure, _SYMPREC_ANG)
    return any(phase.space_group_number == number for phase in rivals)
