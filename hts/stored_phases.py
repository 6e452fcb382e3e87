"""Relaxed phases as a profile holds them: which were computed alike, and which of them are one crystal."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import spglib
from pymatgen.core import Element

from hts.errors import UserError
from hts.fingerprint import fingerprint
from hts.hull import PhaseEnthalpy, elements_of, is_same_phase

Kind = Literal["candidate", "reference", "other"]

# The order in which one of several names is kept for one crystal.
_KINDS = ("candidate", "reference", "other")
# Settings and pressures went through files and units; what agrees to nine digits is the same (as in hts.hull).
_DIGITS = 9
_NUMBER_OF_HALL_SYMBOLS = 530


@dataclass(frozen=True)
class StoredPhase:
    """One relaxation at one pressure.

    Attributes
    ----------
    label : str
        Label of the reference (`Al-fcc`), else the key of the candidate, else formula and node.
    kind : str
        `candidate`: relaxed by a screening; `reference`: a competing phase of a hull; `other`.
    formula : str
        pymatgen's reduced formula.
    enthalpy_ev_per_atom, volume_ang3_per_atom : float
        Of the lower magnetic state, where that was looked at.
    space_group_number : int
    basis : mapping
        As in `hts.hull.PhaseEnthalpy`, with ``pressure_gpa``.
    uuid : str
        Of the relaxation's result.
    magnetic_state : str or None
        As `hts.magnetism` names it; None where nobody looked.
    magnetic_doubt : str or None
        Why the lower magnetic state is not known, see `hts.magnetism.magnetic_doubt`.
    nonmagnetic : tuple of float or None
        Enthalpy (eV/atom) and volume (Ang^3/atom) of the non-magnetic state where another one lies lower.
    twins : tuple of str
        Other names of the same crystal, see `merge_twins`.
    """

    label: str
    kind: Kind
    formula: str
    enthalpy_ev_per_atom: float
    volume_ang3_per_atom: float
    space_group_number: int
    basis: Mapping[str, Any]
    uuid: str
    magnetic_state: str | None = None
    magnetic_doubt: str | None = None
    nonmagnetic: tuple[float, float] | None = None
    twins: tuple[str, ...] = ()

    @property
    def pressure_gpa(self) -> float:
        """Target pressure, rounded as pressures are compared."""
        return round(float(self.basis["pressure_gpa"]), _DIGITS)

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the formula."""
        return elements_of(self.formula)

    @property
    def names(self) -> tuple[str, ...]:
        """Label and twins."""
        return self.label, *self.twins

    def enthalpy(self) -> PhaseEnthalpy:
        """Return what `hts.hull` works with."""
        return PhaseEnthalpy(self.label, self.formula, self.enthalpy_ev_per_atom, self.basis)

    def is_same_crystal(self, other: "StoredPhase") -> bool:
        """Say whether two relaxations at one pressure ended in one crystal, see `hts.hull.is_same_phase`."""
        return is_same_phase(self._crystal(), other._crystal())

    def _crystal(self) -> dict[str, Any]:
        # Every phase has a non-magnetic state, and the other need not have been looked for in both.
        enthalpy, volume = self.nonmagnetic or (self.enthalpy_ev_per_atom, self.volume_ang3_per_atom)
        return {
            "formula": self.formula,
            "space_group_number": self.space_group_number,
            "enthalpy_ev_per_atom": enthalpy,
            "volume_ang3": volume,
            "n_atoms": 1,
        }


@dataclass(frozen=True)
class Basis:
    """Settings that were used for some phases, whatever their pressures.

    Attributes
    ----------
    name : str
        What `--basis` chooses: a fingerprint of the settings, followed by one of the pseudopotentials where the same
        settings were used with several.
    settings : dict
        Without pressure and pseudopotentials.
    pseudos : dict of str to str
        Element -> md5, for every element that a phase has.
    phases : tuple of StoredPhase
    """

    name: str
    settings: dict[str, Any]
    pseudos: dict[str, str]
    phases: tuple[StoredPhase, ...]

    @property
    def pressures_gpa(self) -> list[float]:
        """Pressures at which there is a phase, ascending."""
        return pressures_gpa(self.phases)

    def agrees_with(self, settings: Mapping[str, Any], pseudos: Mapping[str, str]) -> bool:
        """Say whether other settings are these, as far as both name the same things."""
        mine, theirs = _rounded(self.settings), _rounded(settings)
        same_settings = all(theirs[key] == value for key, value in mine.items() if key in theirs)
        return same_settings and _agree(self.pseudos, pseudos)


def parse_system(text: str) -> tuple[str, ...]:
    """Return the elements of a chemical system that was typed as `Al-H`, hydrogen last; order is immaterial.

    Raises
    ------
    UserError
        If a part is no element.
    """
    parts = [part.strip() for part in text.split("-")]
    for part in parts:
        if not Element.is_valid_symbol(part):
            near = part.capitalize()
            hint = f"; did you mean {near}?" if Element.is_valid_symbol(near) else ""
            raise UserError(f"system {text!r}: {part!r} is no element, symbols such as Al-H were wanted{hint}")
    return in_order(parts)


def in_order(elements: Iterable[str]) -> tuple[str, ...]:
    """Return elements as a system is written: by symbol, hydrogen last, each once."""
    return tuple(sorted(set(elements), key=lambda symbol: (symbol == "H", symbol)))


def within_system(phases: Iterable[StoredPhase], elements: Collection[str]) -> list[StoredPhase]:
    """Return the phases that consist of some of the elements and nothing else."""
    wanted = frozenset(elements)
    return [phase for phase in phases if phase.elements <= wanted]


def complete_pressures_gpa(phases: Sequence[StoredPhase], elements: Collection[str]) -> list[float]:
    """Return the pressures at which every element was relaxed, ascending: a hull wants them all."""
    pure = {(phase.pressure_gpa, symbol) for phase in phases if len(phase.elements) == 1 for symbol in phase.elements}
    return [pressure for pressure in pressures_gpa(phases) if all((pressure, symbol) in pure for symbol in elements)]


def pressures_gpa(phases: Iterable[StoredPhase]) -> list[float]:
    """Return the pressures of some phases, ascending, each once."""
    return sorted({phase.pressure_gpa for phase in phases})


def group_by_basis(phases: Sequence[StoredPhase]) -> list[Basis]:
    """Sort phases into groups, each of which may share a hull.

    Phases belong together if their settings are the same and no element has two pseudopotentials. Elements alone do
    not tell which of several pseudopotentials go together: where compounds were computed with the same settings, only
    groups with a compound count.

    Parameters
    ----------
    phases : sequence of StoredPhase
        At any pressures.

    Returns
    -------
    list of Basis
        Most phases first; each in the order given. A phase may be in several.
    """
    by_settings: dict[str, list[StoredPhase]] = {}
    for phase in phases:
        by_settings.setdefault(fingerprint(_settings(phase)), []).append(phase)
    groups = []
    for name, alike in by_settings.items():
        tables = _consistent_tables([dict(phase.basis.get("pseudos") or {}) for phase in alike])
        for pseudos in tables:
            own = tuple(p for p in alike if _agree(pseudos, p.basis.get("pseudos") or {}))
            full_name = name if len(tables) == 1 else f"{name}-{fingerprint(pseudos)[:6]}"
            groups.append(Basis(full_name, _settings(alike[0]), pseudos, own))
    return sorted(groups, key=lambda group: (-len(group.phases), group.name))


def _settings(phase: StoredPhase) -> dict[str, Any]:
    return _rounded({key: value for key, value in phase.basis.items() if key not in ("pressure_gpa", "pseudos")})


def _rounded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as floats of nine digits, so that 60 and 60.0000000001 Ry are the same."""
    return {
        key: round(float(value), _DIGITS) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for key, value in settings.items()
    }


def _agree(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    return all(second[element] == md5 for element, md5 in first.items() if element in second)


def _consistent_tables(tables: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return the largest unions of tables that give each element one pseudopotential."""
    distinct = list({tuple(sorted(table.items())): table for table in tables}.values())
    cliques = list(_cliques([], distinct, []))
    with_compound = [clique for clique in cliques if any(len(table) > 1 for table in clique)]
    return [{element: md5 for table in clique for element, md5 in table.items()} for clique in with_compound or cliques]


def _cliques(
    chosen: list[dict[str, str]], waiting: list[dict[str, str]], done: list[dict[str, str]]
) -> Iterator[list[dict[str, str]]]:
    """Yield the largest sets of tables that agree pairwise (C. Bron and J. Kerbosch, doi 10.1145/362342.362367)."""
    if not waiting and not done:
        yield chosen
    for index, table in enumerate(waiting):
        rest = [other for other in waiting[index + 1 :] if _agree(table, other)]
        past = [other for other in [*done, *waiting[:index]] if _agree(table, other)]
        yield from _cliques([*chosen, table], rest, past)


def choose_basis(groups: Sequence[Basis], name: str | None = None) -> Basis:
    """Return the one basis, or the one that was asked for.

    Parameters
    ----------
    groups : sequence of Basis
        At least one, see `group_by_basis`.
    name : str, optional
        Name of a basis or its beginning.

    Raises
    ------
    UserError
        If no or more than one basis fits, listing them with what differs.
    """
    fitting = [group for group in groups if name is None or group.name.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    listed = basis_differences(fitting or groups)
    if not fitting:
        raise UserError(f"--basis {name!r} is none of those stored: {listed}; give the beginning of one")
    found = f"{len(fitting)} sets of settings" if name is None else f"--basis {name!r} fits {len(fitting)} sets"
    raise UserError(f"{found}, one hull wants one: {listed}; choose with --basis or --campaign")


def basis_differences(groups: Sequence[Basis]) -> str:
    """Return the groups in one line: name, the settings that are not the same in all, how many phases."""
    keys = sorted({key for group in groups for key in group.settings})
    varying = [key for key in keys if any(group.settings.get(key) != groups[0].settings.get(key) for group in groups)]
    texts = []
    for group in groups:
        parts = [f"{key} {_plain(group.settings.get(key))}" for key in varying]
        different = [e for e in group.pseudos if any(not _agree({e: group.pseudos[e]}, g.pseudos) for g in groups)]
        parts += [f"{element} pseudopotential {group.pseudos[element][:6]}" for element in sorted(different)]
        parts = parts or [f"{key} {_plain(value)}" for key, value in group.settings.items()]
        where = ", ".join(f"{pressure:g}" for pressure in group.pressures_gpa)
        number = len({phase.label for phase in group.phases})
        texts.append(f"{group.name} ({', '.join(parts)}; {number} phase{'s'[: number != 1]} at {where} GPa)")
    return "; ".join(texts)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def merge_twins(phases: Sequence[StoredPhase]) -> list[StoredPhase]:
    """Reduce relaxations of one basis to one for each crystal and pressure.

    Of several relaxations under one name at one pressure the lowest enthalpy counts. Two names stand for one crystal
    if they ended in the same phase (`hts.hull.is_same_phase`) at every pressure at which both were computed, at least
    one, and had no other space group elsewhere: a candidate that is also a known phase, a polymorph that turned into
    another. One name is kept, that of a candidate before that of a reference; the others become `twins`.

    Parameters
    ----------
    phases : sequence of StoredPhase

    Returns
    -------
    list of StoredPhase
        By kind, label and pressure.
    """
    curves: dict[str, dict[float, StoredPhase]] = {}
    for phase in sorted(phases, key=lambda one: (_KINDS.index(one.kind), one.label, one.enthalpy_ev_per_atom)):
        curves.setdefault(phase.label, {}).setdefault(phase.pressure_gpa, phase)
    kept: dict[str, dict[float, StoredPhase]] = {}
    twins: dict[str, list[str]] = {}
    for label, curve in curves.items():
        leader = next((name for name in kept if _are_twins(kept[name], curve)), label)
        own = kept.setdefault(leader, {})
        twins.setdefault(leader, []).extend([label] if label != leader else [])
        for pressure, phase in curve.items():
            rivals = [phase, own[pressure]] if pressure in own else [phase]
            own[pressure] = min(rivals, key=lambda one: one.enthalpy_ev_per_atom)
    return [
        replace(curve[pressure], label=leader, kind=_kind(curves[leader]), twins=tuple(twins[leader]))
        for leader, curve in kept.items()
        for pressure in sorted(curve)
    ]


def _kind(curve: Mapping[float, StoredPhase]) -> Kind:
    return next(iter(curve.values())).kind


def _are_twins(first: Mapping[float, StoredPhase], second: Mapping[float, StoredPhase]) -> bool:
    shared = [pressure for pressure in first if pressure in second]
    # Where only one was computed it must not be another crystal: a polymorph may turn into the other at one pressure.
    groups = [{phase.space_group_number for phase in curve.values()} for curve in (first, second)]
    alike = groups[0] <= groups[1] or groups[1] <= groups[0]
    return bool(shared) and alike and all(first[pressure].is_same_crystal(second[pressure]) for pressure in shared)


@cache
def space_group_symbol(number: int) -> str:
    """Return the short international symbol of a space group, such as ``Fm-3m`` for 225."""
    types = map(spglib.get_spacegroup_type, range(1, _NUMBER_OF_HALL_SYMBOLS + 1))
    return next(str(one.international_short) for one in types if one is not None and one.number == number)
