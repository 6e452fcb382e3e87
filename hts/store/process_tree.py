"""The processes below a set of screenings, level by level: a handful of queries however many there are."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiida import orm
from aiida.common.links import LinkType

from hts.job_times import parse_job_times
from hts.stopped_jobs import STOPPED_KEY

STAGES = ("relax", "hull", "decompress", "coupling", "tc")
_TIMES_KEY = "hts_job_times"


@dataclass(frozen=True)
class ProcessRow:
    """One process of a screening.

    Attributes
    ----------
    pk : int
    parent_pk : int
    screening_pk : int
    stage : str
        The stage of the funnel it belongs to.
    link_label : str
        What its caller named it.
    process_label : str
    state : str
    exit_status : int or None
    is_job : bool
        A CalcJob: something that a code ran for.
    """

    pk: int
    parent_pk: int
    screening_pk: int
    stage: str
    link_label: str
    process_label: str
    state: str
    exit_status: int | None
    is_job: bool


def descend(screening_pks: Iterable[int]) -> list[ProcessRow]:
    """Return every process below the given screenings, calcfunctions left out.

    Parameters
    ----------
    screening_pks : iterable of int

    Returns
    -------
    list of ProcessRow
        Parents before children, siblings in the order in which they were made.
    """
    rows: list[ProcessRow] = []
    # pk -> (screening, stage) of the level above
    level = {pk: (pk, "") for pk in screening_pks}
    while level:
        query = orm.QueryBuilder().append(
            orm.WorkChainNode, filters={"id": {"in": list(level)}}, project="id", tag="parent"
        )
        query.append(
            orm.ProcessNode,
            tag="child",
            with_incoming="parent",
            edge_filters={"type": {"in": [LinkType.CALL_WORK.value, LinkType.CALL_CALC.value]}},
            filters={"node_type": {"!in": ["process.calculation.calcfunction.CalcFunctionNode."]}},
            edge_project="label",
            project=[
                "id",
                "node_type",
                "attributes.process_label",
                "attributes.process_state",
                "attributes.exit_status",
            ],
        )
        query.order_by({"child": [{"id": "asc"}]})
        below = {}
        for parent, pk, node_type, label, state, status, link in query.all():
            screening, stage = level[parent]
            is_job = "calcjob" in node_type
            # coupling_10GPa, that of a rung above the lowest stable one, belongs to the stage coupling.
            row = ProcessRow(
                pk, parent, screening, stage or link.partition("_")[0], link, label, state or "created", status, is_job
            )
            rows.append(row)
            if not is_job:
                below[pk] = (screening, row.stage)
        level = below
    return rows


def rows_by_screening(rows: Iterable[ProcessRow]) -> dict[int, list[ProcessRow]]:
    """Return the rows of each screening, in their order; an empty list for a screening that has none yet."""
    found: dict[int, list[ProcessRow]] = defaultdict(list)
    for row in rows:
        found[row.screening_pk].append(row)
    return found


@dataclass(frozen=True)
class JobCost:
    """What one job took.

    Attributes
    ----------
    pk : int
    started, finished : float
        Seconds since 1970, of the code itself where the computer stamps its jobs, else estimated (see `stamped`).
    core_seconds : float
        Wall time times ranks.
    stamped : bool
        False: the interval is the engine's, from creation to last change of the node; an upper bound.
    """

    pk: int
    started: float
    finished: float
    core_seconds: float
    stamped: bool


def job_costs(pks: Iterable[int]) -> dict[int, JobCost]:
    """Return the run intervals of finished jobs; read once from the scheduler's output, then kept as an extra.

    Parameters
    ----------
    pks : iterable of int
        CalcJob nodes.

    Returns
    -------
    dict
        Without jobs that have not ended or never started.
    """
    wanted = list(pks)
    if not wanted:
        return {}
    query = orm.QueryBuilder().append(
        orm.CalcJobNode,
        filters={"id": {"in": wanted}, "attributes.process_state": {"in": ["finished", "excepted", "killed"]}},
        project=["id", f"extras.{_TIMES_KEY}", "attributes.resources"],
    )
    costs = {}
    for pk, times, resources in query.all():
        known = times or _read_times(pk)
        if known is None:
            continue
        started, finished, stamped = known
        ranks = (resources or {}).get("num_machines", 1) * (resources or {}).get("num_mpiprocs_per_machine", 1)
        costs[pk] = JobCost(pk, started, finished, (finished - started) * ranks, bool(stamped))
    return costs


def _read_times(pk: int) -> tuple[float, float, bool] | None:
    job: Any = orm.load_node(pk)
    output = job.get_scheduler_stdout() if "retrieved" in job.outputs else None
    times = parse_job_times(output) if output else None
    if times is not None:
        # A job that was killed has no second stamp: a monitor says when, else the engine noticed a little later.
        ended = times[1] or job.base.extras.get(STOPPED_KEY, job.mtime.timestamp())
        result = (times[0], ended, True)
    elif "retrieved" in job.outputs:
        result = (job.ctime.timestamp(), job.mtime.timestamp(), False)
    else:
        return None
    job.base.extras.set(_TIMES_KEY, list(result))
    return result
