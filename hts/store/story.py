"""The story of one candidate: each stage with its verdict, numbers, nodes and cost."""

from collections.abc import Mapping
from typing import Any

from aiida import orm

from hts.coupling_texts import coupling_lines, tc_lines
from hts.magnetism import NONMAGNETIC, magnetism_text
from hts.soft_mode import moving_atoms_text
from hts.store.process_tree import JobCost, ProcessRow, descend, job_costs
from hts.store.proposals import parent_of
from hts.store.query import Screening, record_of
from hts.zero_point import zero_point_lines

# What aiida-quantumespresso calls the only iteration of most jobs: no news.
_FIRST_ITERATION = "iteration_01"


def tell(screening: Screening) -> dict[str, Any]:
    """Collect what the graph knows of one screening.

    Parameters
    ----------
    screening : Screening

    Returns
    -------
    dict
        ``record``, ``pk``, ``uuid``, ``state``, ``stages`` (verdict, reason, thresholds, details) and ``jobs`` (pk,
        state, exit status, core-seconds, folder), both in the order of their making. JSON-serialisable. The details of
        the first stage name the screening whose soft mode led to it.
    """
    rows = descend([screening.pk])
    costs = job_costs(row.pk for row in rows if row.is_job)
    hours = sum(cost.core_seconds for cost in costs.values()) / 3600
    verdicts = _verdicts(screening)
    stages = [_stage(row, rows, costs, verdicts) for row in rows if row.parent_pk == screening.pk]
    parent = parent_of(screening.identity)
    if parent is not None and stages:
        origin = f"start: what the softest mode of {parent['key']} ({parent['uuid']}) led to"
        stages[0]["details"] = [origin, *stages[0]["details"]]
    return {
        "pk": screening.pk,
        "uuid": screening.uuid,
        "state": screening.state,
        "record": record_of(screening, rows, hours).model_dump(by_alias=True),
        "stages": stages,
        "jobs": _jobs(rows, costs),
    }


def _verdicts(screening: Screening) -> dict[str, dict[str, Any]]:
    """Return the judgement of every judged stage: while it runs from the judging functions, then from the outputs."""
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": screening.pk}, tag="screening")
    query.append(
        orm.CalcFunctionNode,
        with_incoming="screening",
        filters={"attributes.process_label": "judge_stage"},
        tag="judge",
    )
    query.append(orm.Dict, with_incoming="judge", project="attributes")
    judged = {content["stage"]: content for content in query.all(flat=True)}
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": screening.pk}, tag="screening")
    query.append(
        orm.Dict,
        with_incoming="screening",
        edge_filters={"label": {"like": "verdicts\\_\\_%"}},
        edge_project="label",
        project="attributes",
    )
    return judged | {label.removeprefix("verdicts__"): content for content, label in query.all()}


def _stage(
    row: ProcessRow, rows: list[ProcessRow], costs: Mapping[int, JobCost], verdicts: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    judged = verdicts.get(row.link_label)
    if judged is None or row.exit_status:
        # A stage that ended with an error is undecided, whatever was judged of the part that it did finish.
        node = orm.load_node(row.pk)
        ended = row.state in {"finished", "killed", "excepted"}
        message = node.exit_message or (
            f"{row.state}; see `verdi process report {row.pk}`" if ended else "still running"
        )
        judged = {"verdict": "undecided" if ended else "running", "reason": message, "numbers": {}, "thresholds": {}}
        if row.stage != row.link_label and row.exit_status == 0:
            judged |= {
                "verdict": "reported",
                "reason": "beside the answer, which is that of the lowest stable pressure",
            }
    return {
        "stage": _title(row.link_label),
        "pk": row.pk,
        "process_label": row.process_label,
        "verdict": judged["verdict"],
        "reason": judged["reason"],
        "numbers": judged["numbers"],
        "thresholds": judged["thresholds"],
        "seconds": sum(costs[pk].core_seconds for pk in _below(row, rows) if pk in costs),
        "details": _details(row),
    }


def _title(link_label: str) -> str:
    """Return ``coupling``, or ``coupling at 12.5 GPa`` of a rung above the lowest stable one."""
    stage, _, rung = link_label.partition("_")
    return f"{stage} at {rung.removesuffix('GPa').replace('p', '.')} GPa" if rung else stage


def _below(row: ProcessRow, rows: list[ProcessRow]) -> set[int]:
    """Return a process and all that it called; parents come before their children."""
    found = {row.pk}
    for one in rows:
        if one.parent_pk in found:
            found.add(one.pk)
    return found


def _details(row: ProcessRow) -> list[str]:
    """Return the lines that only one stage has: rungs, the fine meshes, the table of Tc."""
    outputs = orm.load_node(row.pk).outputs
    if row.stage == "relax" and "relaxation" in outputs:
        magnetism = outputs.relaxation.get_dict().get("magnetism")
        return [f"magnetism: {magnetism_text(magnetism)}"] if magnetism else []
    if row.stage == "hull" and "placement" in outputs:
        placement = outputs.placement.get_dict()
        reaction = [f"reaction: {placement['reaction']}"] if placement.get("reaction") else []
        competitors = [f"competitors: {', '.join(placement['competitors'])}"] if placement.get("competitors") else []
        return [*reaction, *competitors, *(f"missing: {line}" for line in placement["missing"])]
    if row.stage == "decompress" and "ladder" in outputs:
        lines = [line for rung in outputs.ladder["rungs"] for line in _rung(rung)]
        lines += _softening(outputs.ladder.get_dict())
        lines += zero_point_lines(outputs.zero_point.get_dict()) if "zero_point" in outputs else []
        return lines + (_followed(outputs.distortion.get_dict()) if "distortion" in outputs else [])
    if row.stage == "coupling" and "coupling" in outputs:
        return coupling_lines(outputs.coupling.get_dict())
    if row.stage == "tc" and "tc" in outputs:
        return tc_lines(outputs.tc.get_dict())
    return []


def _rung(rung: Mapping[str, Any]) -> list[str]:
    lines = [f"{rung['pressure_gpa']:g} GPa: {rung['verdict']}, {rung['reason']}"]
    nodes = rung.get("nodes", {})
    magnetism = rung.get("relaxation", {}).get("magnetism")
    if magnetism and magnetism["state"] != NONMAGNETIC:
        lines.append(f"  {magnetism_text(magnetism)}")
    if "placement" in rung:
        lines.append(
            f"  {rung['placement']['hull_ev_per_atom']:.3f} eV/atom above hull (node {nodes['placement'][:8]})"
        )
    if "phonons" in rung:
        phonons = rung["phonons"]
        meshes = " then ".join("x".join(map(str, mesh)) for mesh in phonons["kpoints_meshes_tried"])
        lines.append(
            f"  q-mesh {'x'.join(map(str, phonons['qpoints_mesh']))}, k-mesh {meshes} (node {nodes['phonons'][:8]})"
        )
    if "softest" in rung.get("phonons", {}):
        softest = rung["phonons"]["softest"]
        point = " ".join(f"{round(value, 6) + 0.0:.3g}" for value in softest["qpoint"])
        irrep = f", {softest['irrep']}" if softest.get("irrep") else ""
        bound = "" if softest.get("complete", True) else " or lower"
        lines.append(
            f"  softest mode {softest['lowest_cm1']:.0f} cm-1{bound} at q = ({point}){irrep}: "
            f"{moving_atoms_text(softest['species_weight'])}"
        )
    return lines


def _softening(ladder: Mapping[str, Any]) -> list[str]:
    """Return what the trend of the softest mode predicts, and rungs that are stable again below an unstable one."""
    lines = []
    predicted = ladder.get("softening", {})
    if predicted.get("critical_pressure_gpa") is not None:
        lines.append(
            f"softening: stability should end at {predicted['critical_pressure_gpa']:.3g} GPa ({predicted['reason']})"
        )
    if ladder.get("reentrant_pressures_gpa"):
        again = ", ".join(f"{pressure:g}" for pressure in ladder["reentrant_pressures_gpa"])
        lines.append(f"stable again at {again} GPa, below an unstable pressure: not counted")
    return lines


def _followed(distortion: Mapping[str, Any]) -> list[str]:
    """Return where the softest mode led to."""
    verdict = f"softest mode followed: {distortion['verdict']}, {distortion['reason']}"
    mode = distortion["mode"]
    if mode is None:
        return [verdict]
    point = " ".join(f"{value + 0:g}" for value in mode["qpoint"])
    irrep = f" ({mode['irrep']})" if mode["irrep"] else ""
    along = f"{mode['frequency_cm1']:.0f} cm-1{irrep} at q = ({point}), by {distortion['amplitude_ang']:g} Angstrom"
    return [verdict, f"  displaced along {along}"]


def _jobs(rows: list[ProcessRow], costs: Mapping[int, JobCost]) -> list[dict[str, Any]]:
    pks = [row.pk for row in rows if row.is_job]
    if not pks:  # QueryBuilder refuses an empty list
        return []
    query = orm.QueryBuilder().append(
        orm.CalcJobNode, filters={"id": {"in": pks}}, project=["id", "uuid", "attributes.remote_workdir"]
    )
    where = {pk: (uuid, folder) for pk, uuid, folder in query.all()}
    by_pk = {row.pk: row for row in rows}
    return [
        {
            "pk": row.pk,
            "uuid": where[row.pk][0],
            "stage": row.stage,
            "process_label": row.process_label,
            "label": _path(row, by_pk),
            "state": row.state,
            "exit_status": row.exit_status,
            "seconds": costs[row.pk].core_seconds if row.pk in costs else 0.0,
            "folder": where[row.pk][1] or "",
        }
        for row in sorted(rows, key=lambda row: row.pk)
        if row.is_job
    ]


def _path(row: ProcessRow, by_pk: Mapping[int, ProcessRow]) -> str:
    """Return what the callers below the stage have named a job, such as ``reference_Al/scf_1``."""
    names: list[str] = []
    above: ProcessRow | None = row
    while above is not None and above.parent_pk != above.screening_pk:
        if above.link_label != _FIRST_ITERATION:
            names.insert(0, above.link_label)
        above = by_pk.get(above.parent_pk)
    return "/".join(names) or row.link_label
