"""The answers: typed records of a campaign's candidates, read from the provenance graph and nothing else."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from aiida import orm
from pymatgen.core import Structure

from hts.errors import UserError
from hts.records import CandidateRecord
from hts.store.campaign_group import CampaignGroup
from hts.store.launch import campaign_group
from hts.store.process_tree import ProcessRow, descend, job_costs, rows_by_screening
from hts.store.rejudge import records_under

# An error names that many candidates at most.
_MOST_NAMED = 10


@dataclass(frozen=True)
class Screening:
    """The newest screening of one candidate.

    Attributes
    ----------
    pk : int
    uuid : str
    label : str
    state : str
    exit_status : int or None
    exit_message : str or None
    identity : dict
        key, prototype, formula.
    record : dict or None
        What its summary says, once there is one.
    """

    pk: int
    uuid: str
    label: str
    state: str
    exit_status: int | None
    exit_message: str | None
    identity: dict[str, str]
    record: dict[str, object] | None

    @property
    def key(self) -> str:
        """The candidate's key."""
        return self.identity["key"]

    @property
    def ended(self) -> bool:
        """Whether its process is over, however it ended."""
        return self.state in {"finished", "excepted", "killed"}


def campaign_names() -> list[str]:
    """Return the names of the profile's campaigns."""
    return sorted(orm.QueryBuilder().append(CampaignGroup, project="label").all(flat=True))


def screenings(campaign: str | None = None, labels: Collection[str] | None = None) -> list[Screening]:
    """Return the newest screening of every candidate.

    Parameters
    ----------
    campaign : str, optional
        Name of a campaign; all of the profile otherwise.
    labels : collection of str, optional
        Only these identities; a campaign that was run with other settings before has more.

    Raises
    ------
    UserError
        If there is no such campaign.
    """
    if campaign is not None:
        campaign_group(campaign)
    query = orm.QueryBuilder().append(CampaignGroup, filters={"label": campaign} if campaign else {}, tag="group")
    query.append(
        orm.WorkChainNode,
        with_group="group",
        tag="screening",
        project=[
            "id",
            "uuid",
            "label",
            "attributes.process_state",
            "attributes.exit_status",
            "attributes.exit_message",
        ],
    )
    query.append(
        orm.Dict, with_outgoing="screening", edge_filters={"label": "identity"}, project="attributes", tag="identity"
    )
    query.order_by({"screening": [{"id": "asc"}]})
    summaries = _summaries(campaign)
    newest = {}
    for pk, uuid, label, state, status, message, identity in query.all():
        newest[label] = Screening(pk, uuid, label, state or "created", status, message, identity, summaries.get(pk))
    return [screening for label, screening in newest.items() if labels is None or label in labels]


def _summaries(campaign: str | None) -> dict[int, dict[str, object]]:
    query = orm.QueryBuilder().append(CampaignGroup, filters={"label": campaign} if campaign else {}, tag="group")
    query.append(orm.WorkChainNode, with_group="group", tag="screening", project="id")
    query.append(orm.Dict, with_incoming="screening", edge_filters={"label": "candidate"}, project="attributes")
    return dict(query.all())  # type: ignore[arg-type]


def candidates(
    campaign: str | None = None, labels: Collection[str] | None = None, gates: Mapping[str, float] | None = None
) -> list[CandidateRecord]:
    """Return the record of every candidate, best figure of merit first.

    Parameters
    ----------
    campaign : str, optional
    labels : collection of str, optional
        As for `screenings`.
    gates : mapping, optional
        Judge the stored numbers by these, see `hts.store.rejudge.records_under`.

    Returns
    -------
    list of CandidateRecord
        One that has not ended is ``undecided`` with what it is doing; one that was killed says so.
    """
    found = screenings(campaign, labels)
    if gates is not None:
        judged = records_under(gates, [screening.pk for screening in found])
        found = [replace(screening, record=judged.get(screening.pk, screening.record)) for screening in found]
    rows = descend(screening.pk for screening in found)
    costs = job_costs(row.pk for row in rows if row.is_job)
    by_screening = rows_by_screening(rows)
    records = []
    for screening in found:
        own = by_screening[screening.pk]
        hours = sum(costs[row.pk].core_seconds for row in own if row.pk in costs) / 3600
        records.append(record_of(screening, own, hours))
    return sorted(records, key=_rank)


def _rank(record: CandidateRecord) -> tuple[float, float, str]:
    worst = float("inf")
    merit = -record.figure_of_merit if record.figure_of_merit is not None else worst
    pressure = record.lowest_stable_pressure_gpa if record.lowest_stable_pressure_gpa is not None else worst
    return merit, pressure, record.key


def record_of(screening: Screening, rows: list[ProcessRow], core_hours: float) -> CandidateRecord:
    """Return the record of one screening: what its summary says, else `undecided` with what it is doing.

    Parameters
    ----------
    screening : Screening
    rows : list of ProcessRow
        The processes below it.
    core_hours : float
        What its jobs have cost.
    """
    shared = {"cost_core_hours": round(core_hours, 6), "uuid": screening.uuid}
    if screening.record is not None:
        return CandidateRecord.model_validate({**screening.record, **shared})
    return CandidateRecord.model_validate(
        {**screening.identity, "verdict": "undecided", "reason": why_undecided(screening, rows), **shared}
    )


def why_undecided(screening: Screening, rows: list[ProcessRow]) -> str:
    """Say what a screening without a record is doing, or how it ended."""
    stages = [row.stage for row in rows if row.parent_pk == screening.pk]
    stage = stages[-1] if stages else "waiting for the daemon"
    if screening.state == "killed":
        return f"killed during {stage}; `hts run` submits it again"
    if screening.state == "excepted":
        return f"stopped by an error of the program during {stage}; see `verdi process report {screening.pk}`"
    if screening.state == "finished":
        return f"ended with exit code {screening.exit_status} during {stage}: {screening.exit_message}"
    return f"still running: {stage}"


def find_candidate(key: str) -> Screening:
    """Return the newest screening of one candidate, by key, unambiguous beginning of a key, formula or uuid.

    Raises
    ------
    UserError
        If nothing or more than one candidate fits.
    """
    found = screenings()
    exact = [one for one in found if key in (one.key, one.identity["formula"], one.uuid)]
    fitting = exact or [one for one in found if one.key.startswith(key) or one.uuid.startswith(key)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        labels = _some([f"{one.label} (uuid {one.uuid[:8]})" for one in fitting])
        raise UserError(f"{key!r} fits {len(fitting)} screenings: {labels}; give a longer key or a uuid")
    keys = sorted({one.key for one in found})
    if not keys:
        raise UserError(f"no candidate {key!r}: this profile has no candidates yet; `hts run FILE.yaml` makes some")
    near = difflib.get_close_matches(key, [*keys, *sorted({one.identity["formula"] for one in found})], n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"no candidate {key!r} in this profile; {hint}there are: {_some(keys)}")


def relaxed_structures(uuids: Iterable[str]) -> dict[str, Structure]:
    """Return the crystals at the lowest stable pressure, by uuid of their screening.

    Parameters
    ----------
    uuids : iterable of str
        Of screenings.

    Returns
    -------
    dict
        pymatgen structures, Angstrom; without those that are stable at no pressure.
    """
    wanted = list(uuids)
    if not wanted:  # QueryBuilder refuses an empty list
        return {}
    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"uuid": {"in": wanted}}, tag="screening", project="uuid"
    )
    query.append(orm.StructureData, with_incoming="screening", edge_filters={"label": "structure"}, project="*")
    return {uuid: structure.get_pymatgen() for uuid, structure in query.all()}


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
