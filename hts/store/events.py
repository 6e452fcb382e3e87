"""What the processes of a campaign have reported, as lines for the person who watches."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiida import orm

# Reports of these are decisions; those of the engine's own work chains are launches and restarts.
_SPEAKERS = (
    "ScreeningWorkChain",
    "DecompressionWorkChain",
    "PhononsWorkChain",
    "FiniteDisplacementWorkChain",
    "DistortionWorkChain",
    "CouplingWorkChain",
    "HullWorkChain",
)


@dataclass(frozen=True)
class Event:
    """One reported decision.

    Attributes
    ----------
    log_pk : int
    seconds : float
        Since 1970.
    screening_pk : int
    message : str
    """

    log_pk: int
    seconds: float
    screening_pk: int
    message: str


def events_since(log_pk: int, speakers: Iterable[tuple[int, int, str]]) -> list[Event]:
    """Return the reports after a given one.

    Parameters
    ----------
    log_pk : int
        The last one seen; 0 for all.
    speakers : iterable of (process pk, screening pk, process label)

    Returns
    -------
    list of Event
        In order.
    """
    screening_of = {pk: screening for pk, screening, label in speakers if label in _SPEAKERS}
    if not screening_of:
        return []
    query = orm.QueryBuilder().append(
        orm.Log,
        filters={"id": {">": log_pk}, "dbnode_id": {"in": list(screening_of)}, "levelname": "REPORT"},
        project=["id", "time", "dbnode_id", "message"],
        tag="log",
    )
    query.order_by({"log": [{"id": "asc"}]})
    return [Event(pk, time.timestamp(), screening_of[node], _plain(text)) for pk, time, node, text in query.all()]


def _plain(message: str) -> str:
    """Drop the engine's prefix "[pk|Class|method]: "."""
    return message.split("]: ", 1)[-1] if message.startswith("[") else message
