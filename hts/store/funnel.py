"""The funnel in numbers: what entered, passed, failed or is undecided at each stage, its cost, and the idle time."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida import orm

from hts.stopped_jobs import STOPPED_BY_MONITOR
from hts.store.process_tree import STAGES, JobCost, ProcessRow, descend, job_costs, rows_by_screening
from hts.store.query import Screening, screenings

# Exit codes that are no failure: ERROR_IONIC_CONVERGENCE_REACHED_EXCEPT_IN_FINAL_SCF of aiida-quantumespresso asks for
# another pass; STOPPED_BY_MONITOR is a q-point that was ended because an imaginary mode had been found.
_NO_FAILURE = {("PwCalculation", 501), ("PhQPointCalculation", STOPPED_BY_MONITOR)}
_ENDED = ("finished", "excepted", "killed")


@dataclass(frozen=True)
class CandidateProgress:
    """What one candidate is doing.

    Attributes
    ----------
    screening : Screening
    stage : str
        The last stage it entered; empty before the first.
    running_jobs : tuple of str
        What its jobs in the engine are called.
    ended : bool
    """

    screening: Screening
    stage: str
    running_jobs: tuple[str, ...]
    ended: bool


@dataclass(frozen=True)
class Snapshot:
    """A campaign at one moment: ``status`` as `hts status --json` prints it, and each candidate's progress."""

    status: dict[str, Any]
    progress: tuple[CandidateProgress, ...]
    rows: tuple[ProcessRow, ...]


def snapshot(campaign: str | None = None, labels: Collection[str] | None = None) -> Snapshot:
    """Look at a campaign.

    Parameters
    ----------
    campaign : str, optional
        All of the profile's otherwise.
    labels : collection of str, optional
        Only these identities, as for `hts.store.query.screenings`.

    Returns
    -------
    Snapshot

    Raises
    ------
    UserError
        If there is no such campaign.
    """
    found = screenings(campaign, labels)
    rows = descend(screening.pk for screening in found)
    costs = job_costs(row.pk for row in rows if row.is_job)
    by_screening = rows_by_screening(rows)
    progress = tuple(_progress(screening, by_screening[screening.pk]) for screening in found)
    job_is_running = any(row.is_job and row.state not in _ENDED for row in rows)
    wall, busy = _wall_and_busy_seconds([screening.pk for screening in found], costs, job_is_running)
    verdicts = _verdicts([screening.pk for screening in found])
    core_seconds = _seconds_by_stage(rows, costs)
    status = {
        "campaign": campaign,
        "wall_seconds": round(wall, 1),
        "code_seconds": round(sum(cost.core_seconds for cost in costs.values()), 1),
        "idle_seconds": round(max(wall - busy, 0.0), 1),
        "stages": [
            {
                "stage": stage,
                **_counts(stage, found, by_screening, verdicts),
                "core_hours": round(core_seconds[stage] / 3600, 5),
            }
            for stage in STAGES
        ],
        "jobs": _jobs(rows),
    }
    return Snapshot(status, progress, tuple(rows))


def _progress(screening: Screening, rows: Sequence[ProcessRow]) -> CandidateProgress:
    entered = [row.stage for row in rows if row.parent_pk == screening.pk]
    running = tuple(row.link_label for row in rows if row.is_job and row.state not in _ENDED)
    return CandidateProgress(screening, entered[-1] if entered else "", running, screening.ended)


def _counts(
    stage: str,
    found: Sequence[Screening],
    rows: Mapping[int, Sequence[ProcessRow]],
    verdicts: Mapping[tuple[int, str], str],
) -> dict[str, int]:
    """Count one stage; what entered and neither passed, failed nor runs is undecided."""
    counts = {"entered": 0, "passed": 0, "failed": 0, "undecided": 0, "running": 0}
    for screening in found:
        # The answer is that of the lowest stable pressure; a rung above it is called coupling_10GPa.
        entered = [row for row in rows[screening.pk] if row.parent_pk == screening.pk and row.link_label == stage]
        if not entered:
            continue
        counts["entered"] += 1
        verdict = verdicts.get((screening.pk, stage))
        if entered[-1].exit_status:
            # A stage that ended with an error is undecided, whatever was judged of the part that it did finish.
            verdict = "undecided"
        elif verdict is None:
            verdict = "undecided" if screening.ended else "running"
        counts[verdict] += 1
    return counts


def _seconds_by_stage(rows: Sequence[ProcessRow], costs: Mapping[int, JobCost]) -> dict[str, float]:
    seconds = dict.fromkeys(STAGES, 0.0)
    for row in rows:
        if row.pk in costs and row.stage in seconds:
            seconds[row.stage] += costs[row.pk].core_seconds
    return seconds


def _verdicts(pks: list[int]) -> dict[tuple[int, str], str]:
    """Return the verdict of every judged stage: what the screening's own judging functions have stored."""
    if not pks:
        return {}
    found: dict[tuple[int, str], str] = {}
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": {"in": pks}}, tag="screening", project="id")
    query.append(orm.CalcFunctionNode, with_incoming="screening", tag="judge")
    query.append(
        orm.Dict,
        with_incoming="judge",
        filters={"attributes": {"has_key": "stage"}},
        project=["attributes.stage", "attributes.verdict"],
    )
    found |= {(pk, stage): verdict for pk, stage, verdict in query.all()}
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": {"in": pks}}, tag="screening", project="id")
    query.append(orm.WorkChainNode, with_incoming="screening", edge_filters={"label": "coupling"}, tag="coupling")
    query.append(orm.Dict, with_incoming="coupling", edge_filters={"label": "coupling"}, project="attributes.verdict")
    return found | {(pk, "coupling"): verdict for pk, verdict in query.all()}


def _wall_and_busy_seconds(pks: list[int], costs: Mapping[int, JobCost], job_is_running: bool) -> tuple[float, float]:
    """Return the wall time from the first submission to the last end (or now), and for how much of it some code ran.

    The start of a job is known only when it has ended: as long as one runs, the time since the last end counts as work.
    """
    if not pks:
        return 0.0, 0.0
    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"id": {"in": pks}}, project=["ctime", "mtime", "attributes.process_state"]
    )
    spans = query.all()
    start = min(ctime.timestamp() for ctime, _, _ in spans)
    all_ended = all(state in _ENDED for _, _, state in spans)
    end = max(mtime.timestamp() for _, mtime, _ in spans) if all_ended else time.time()
    busy, until = 0.0, start
    for cost in sorted(costs.values(), key=lambda cost: cost.started):
        busy += max(0.0, cost.finished - max(cost.started, until))
        until = max(until, cost.finished)
    if job_is_running:
        busy += max(0.0, end - until)
    return end - start, busy


def _jobs(rows: Sequence[ProcessRow]) -> dict[str, int]:
    """Count jobs: submitted, failed, recovered (a process above finished well), and results used instead of a job."""
    jobs = [row for row in rows if row.is_job]
    by_pk = {row.pk: row for row in rows}
    failed = [row for row in jobs if _is_failed(row)]
    recovered = [row for row in failed if _is_recovered(row, by_pk)]
    return {"submitted": len(jobs), "reused": _reused(rows), "failed": len(failed), "recovered": len(recovered)}


def _is_failed(job: ProcessRow) -> bool:
    if (job.process_label, job.exit_status) in _NO_FAILURE:
        return False
    return job.state in {"excepted", "killed"} or (job.state == "finished" and bool(job.exit_status))


def _is_recovered(job: ProcessRow, by_pk: Mapping[int, ProcessRow]) -> bool:
    """Return whether something above the job got over its failure, as a new pass does over an unfinished relaxation."""
    above = by_pk.get(job.parent_pk)
    while above is not None:
        if above.exit_status == 0:
            return True
        above = by_pk.get(above.parent_pk)
    return False


def _reused(rows: Sequence[ProcessRow]) -> int:
    """Count stored results that stood in for a job: ph.x q-points that fed epw.x, references of another hull."""
    epw = [row.pk for row in rows if row.process_label == "EpwCalculation"]
    phonons = 0
    if epw:
        query = orm.QueryBuilder().append(orm.CalcJobNode, filters={"id": {"in": epw}}, tag="epw")
        query.append(orm.RemoteData, with_outgoing="epw", edge_filters={"label": {"like": "ph_folders%"}}, tag="folder")
        phonons = query.count()
    hulls = {row.pk for row in rows if row.process_label == "HullWorkChain"}
    own = sum(1 for row in rows if row.parent_pk in hulls and row.process_label == "RelaxWorkChain")
    used = 0
    if hulls:
        query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": {"in": list(hulls)}}, tag="hull")
        query.append(orm.CalcFunctionNode, with_incoming="hull", tag="place")
        query.append(orm.Dict, with_outgoing="place", edge_filters={"label": {"like": "phase%"}})
        used = query.count()
    return phonons + max(used - own, 0)
