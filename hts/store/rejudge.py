"""Verdicts under other gates from what is stored: no new job, and nothing that is stored changes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from aiida import orm

from hts.summary import candidate_record


def records_under(gates: Mapping[str, float], pks: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Judge the stored results of screenings by other gates than their own.

    Parameters
    ----------
    gates : mapping
        ``max_hull_ev_per_atom``, ``min_frequency_cm1``, ``min_tc_k``.
    pks : iterable of int
        Of screenings.

    Returns
    -------
    dict
        Of pk to record. Without those that have no record and those that were judged by these very gates. What a
        looser gate lets through and was never computed is ``undecided``, and so is everything under another
        ``min_frequency_cm1``: that one decided which phonons were computed at all.
    """
    records = {}
    for pk, stored in _summaries(list(pks)).items():
        identity, given, failure = stored.pop("identity"), stored.pop("gates"), stored.pop("failure")["value"]
        if dict(given) == dict(gates):
            continue
        if given["min_frequency_cm1"] != gates["min_frequency_cm1"]:
            failure = (
                f"the phonons were judged with min_frequency_cm1 {given['min_frequency_cm1']:g}, "
                f"now it is {gates['min_frequency_cm1']:g}"
            )
            stored.pop("ladder", None)
        records[pk] = candidate_record(identity, stored, gates, failure or None).model_dump(by_alias=True)
    return records


def _summaries(pks: list[int]) -> dict[int, dict[str, Any]]:
    """Return what each screening's summary was made of, by the names of its inputs."""
    if not pks:  # QueryBuilder refuses an empty list
        return {}
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": {"in": pks}}, tag="screening", project="id")
    query.append(orm.Dict, with_incoming="screening", edge_filters={"label": "candidate"}, tag="record")
    query.append(orm.CalcFunctionNode, with_outgoing="record", tag="summary")
    query.append(orm.Data, with_outgoing="summary", edge_project="label", project="attributes")
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for pk, attributes, name in query.all():
        found[pk][name] = attributes
    return dict(found)
