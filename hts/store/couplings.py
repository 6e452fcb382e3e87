"""The coupling and Tc that screenings have stored, pressure by pressure; nothing is computed anew."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiida import orm

from hts.coupling_curves import CouplingResult, GapCurves, GapDistribution, TcCurve, spectrum
from hts.coupling_results import coupling_result, tc_point
from hts.errors import UserError
from hts.store.query import Screening, find_candidate

# A screening calls `coupling` and `tc` for its lowest stable pressure, `coupling_12p5GPa` and `tc_12p5GPa` for others.
_STAGE = re.compile(r"(coupling|tc)(?:_(\d+(?:p\d+)?)GPa)?")
_ANISOTROPIC = "epw_anisotropic"
_SAME_PRESSURE_GPA = 1e-6
_SPECTRUM = "alpha2f__"


@dataclass(frozen=True)
class StoredCoupling:
    """What a screening has stored of one pressure.

    Attributes
    ----------
    pressure_gpa : float or None
        None where neither the coupling nor its relaxation says so.
    process_pk : int
        Of the coupling's process.
    coupling : dict
        Judged series.
    tc : dict or None
        Tables of Tc; None where it was not solved for, or not yet.
    alpha2f : dict
        Label -> ArrayData; empty where they were not asked for.
    """

    pressure_gpa: float | None
    process_pk: int
    coupling: dict[str, Any]
    tc: dict[str, Any] | None = None
    alpha2f: dict[str, orm.ArrayData] = field(default_factory=dict)


def couplings_of(screening: Screening) -> list[StoredCoupling]:
    """Return the finished couplings of one screening with their spectra, the lowest pressure first.

    Parameters
    ----------
    screening : Screening

    Returns
    -------
    list of StoredCoupling
        Empty where none has finished.
    """
    return _stored([screening.pk], spectra=True)[screening.pk]


def load_coupling(key: str, pressure_gpa: float | None = None) -> CouplingResult:
    """Return coupling, series and spectra of a candidate at one pressure.

    Parameters
    ----------
    key : str
        As for `hts.store.query.find_candidate`.
    pressure_gpa : float, optional
        Default: the lowest at which there is a coupling.

    Raises
    ------
    UserError
        If there is no such candidate, no coupling of it, none at that pressure, or one without alpha2F.
    """
    screening = find_candidate(key)
    found = _at(screening, pressure_gpa)
    spectra = [
        spectrum(label, node.get_array("energy_mev"), node.get_array("alpha2f")[0])
        for label, node in found.alpha2f.items()
    ]
    return coupling_result(screening.identity, found.pressure_gpa, found.coupling, found.tc, spectra)


def load_gaps(key: str, pressure_gpa: float | None = None) -> GapCurves:
    """Return the gap distributions of a candidate's anisotropic Eliashberg run.

    Parameters
    ----------
    key : str
        As for `hts.store.query.find_candidate`.
    pressure_gpa : float, optional
        Default: the lowest at which there is one.

    Raises
    ------
    UserError
        If there is no such candidate, no coupling of it, none at that pressure, or none that is anisotropic.
    """
    screening = find_candidate(key)
    stored = [_at(screening, pressure_gpa)] if pressure_gpa is not None else _finished(screening)
    for one in stored:
        node = _gap_node(one.process_pk)
        if node is not None:
            identity = screening.identity
            return GapCurves(identity["key"], identity["formula"], one.pressure_gpa, _distributions(node))
    where = f" at {pressure_gpa:g} GPa" if pressure_gpa is not None else ""
    raise UserError(
        f"no anisotropic gap of {screening.key}{where} is stored, it is computed on request only: run it with "
        "`overrides: {coupling: {anisotropic: true}}` in the campaign file, or with protocol stringent"
    )


def tc_curves(screenings: Sequence[Screening]) -> list[TcCurve]:
    """Return Tc against pressure of every screening that has one.

    Parameters
    ----------
    screenings : sequence of Screening

    Returns
    -------
    list of TcCurve
        In the order of the screenings; those without Tc, or without a known pressure, are left out.
    """
    stored = _stored([screening.pk for screening in screenings], spectra=False)
    curves = []
    for screening in screenings:
        points = [
            tc_point(one.pressure_gpa, one.coupling, one.tc)
            for one in stored[screening.pk]
            if one.tc is not None and one.pressure_gpa is not None
        ]
        there = tuple(point for point in points if point is not None)
        if there:
            curves.append(TcCurve(screening.key, screening.identity["formula"], there))
    return curves


def _finished(screening: Screening) -> list[StoredCoupling]:
    """Return the finished couplings of a screening, at least one.

    Raises
    ------
    UserError
        If there is none; it says how far the screening came.
    """
    found = couplings_of(screening)
    if not found:
        why = "it ended before its coupling" if screening.ended else "its coupling has not ended"
        raise UserError(f"no coupling of {screening.key} is stored: {why}; `hts explain {screening.key}` tells more")
    return found


def _at(screening: Screening, pressure_gpa: float | None) -> StoredCoupling:
    """Return the coupling at a pressure, the lowest one by default."""
    found = _finished(screening)
    if pressure_gpa is None:
        return found[0]
    for one in found:
        if one.pressure_gpa is not None and abs(one.pressure_gpa - pressure_gpa) < _SAME_PRESSURE_GPA:
            return one
    there = ", ".join("unknown" if one.pressure_gpa is None else f"{one.pressure_gpa:g}" for one in found)
    raise UserError(
        f"{screening.key} at {pressure_gpa:g} GPa: no coupling is stored there, only at {there} GPa; choose one with "
        "--pressure-gpa"
    )


def _stored(screening_pks: Collection[int], *, spectra: bool) -> dict[int, list[StoredCoupling]]:
    """Return the finished couplings of several screenings, each list by rising pressure."""
    found: dict[int, list[StoredCoupling]] = defaultdict(list)
    judged = _results(screening_pks, "coupling")
    solved = {(screening, rung): content for screening, rung, _, content in _results(screening_pks, "tc")}
    processes = [process for _, _, process, _ in judged]
    relaxed = _relaxed_pressures_gpa(processes)
    arrays = _spectra(processes) if spectra else {}
    for screening, rung, process, content in judged:
        pressure_gpa = content.get("numbers", {}).get("pressure_gpa", rung)
        pressure_gpa = relaxed.get(process) if pressure_gpa is None else pressure_gpa
        tc = solved.get((screening, rung))
        found[screening].append(StoredCoupling(pressure_gpa, process, content, tc, arrays.get(process, {})))
    for couplings in found.values():
        couplings.sort(key=lambda one: (one.pressure_gpa is None, one.pressure_gpa or 0.0, one.process_pk))
    return found


def _results(screening_pks: Collection[int], stage: str) -> list[tuple[int, float | None, int, dict[str, Any]]]:
    """Return the results of a stage: screening, pressure that the call names (None: the lowest), process, content."""
    if not screening_pks:  # QueryBuilder refuses an empty list
        return []
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": list(screening_pks)}}, tag="screening", project="id")
    query.append(
        orm.WorkChainNode,
        with_incoming="screening",
        edge_filters={"label": {"like": f"{stage}%"}},
        edge_project="label",
        edge_tag="call",
        tag="process",
        project="id",
    )
    query.append(orm.Dict, with_incoming="process", edge_filters={"label": stage}, tag="result", project="attributes")
    rows = []
    for row in query.iterdict():
        match = _STAGE.fullmatch(row["call"]["label"])
        if match is not None:
            rung = float(match[2].replace("p", ".")) if match[2] else None
            rows.append((row["screening"]["id"], rung, row["process"]["id"], row["result"]["attributes"]))
    return sorted(rows, key=lambda row: row[2])


def _relaxed_pressures_gpa(process_pks: Collection[int]) -> dict[int, float]:
    """Return the pressure of the crystal that each coupling was given: older ones do not repeat it in their result."""
    if not process_pks:
        return {}
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": list(process_pks)}}, tag="process", project="id")
    query.append(
        orm.Dict, with_outgoing="process", edge_filters={"label": "relaxation"}, project="attributes.pressure_gpa"
    )
    return {pk: pressure_gpa for pk, pressure_gpa in query.all() if pressure_gpa is not None}


def _spectra(process_pks: Collection[int]) -> dict[int, dict[str, orm.ArrayData]]:
    """Return the alpha2F of each coupling by label."""
    found: dict[int, dict[str, orm.ArrayData]] = defaultdict(dict)
    if not process_pks:
        return found
    query = orm.QueryBuilder()
    query.append(orm.WorkChainNode, filters={"id": {"in": list(process_pks)}}, tag="process", project="id")
    query.append(
        orm.ArrayData,
        with_incoming="process",
        edge_filters={"label": {"like": f"{_SPECTRUM}%"}},
        edge_project="label",
        edge_tag="output",
        tag="spectrum",
        project="*",
    )
    for row in query.iterdict():
        found[row["process"]["id"]][row["output"]["label"].removeprefix(_SPECTRUM)] = row["spectrum"]["*"]
    return found


def _gap_node(process_pk: int) -> orm.ArrayData | None:
    """Return the gaps that the anisotropic run of a coupling has left."""
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": process_pk}, tag="coupling")
    query.append(orm.ProcessNode, with_incoming="coupling", edge_filters={"label": _ANISOTROPIC}, tag="epw")
    query.append(orm.ArrayData, with_incoming="epw", edge_filters={"label": "gap_distributions"}, project="*")
    node: orm.ArrayData | None = query.first(flat=True)
    return node


def _distributions(node: orm.ArrayData) -> tuple[GapDistribution, ...]:
    """Return the stored distributions by rising temperature."""
    found = [
        GapDistribution(float(temperature_k), node.get_array(f"gap_mev_{index}"), node.get_array(f"weight_{index}"))
        for index, temperature_k in enumerate(node.get_array("temperatures_k"))
    ]
    return tuple(sorted(found, key=lambda one: one.temperature_k))
