"""Crystals that screenings have proposed: what the soft modes of unstable candidates led to, as further candidates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida import orm

_SUFFIX = "-distorted"


@dataclass(frozen=True)
class Proposal:
    """A distorted crystal, to be screened like a candidate of the campaign that its parent is of.

    Attributes
    ----------
    key : str
        The parent's, and the space group number of the distorted crystal: `perovskite-MgAlH3-Mg_Al_H-sg140`.
    prototype : str
        The parent's with `-distorted`.
    formula : str
    parent_uuid : str
        Of the screening that proposed it.
    structure_uuid : str
        Of the crystal that came out of it: the very node is screened, so that the graph leads back to the parent.
    placed : Mapping of str to str
        Its elements, as a candidate has them by label.
    fallback_for : None
        It waits for nothing: its parent has ended.
    """

    key: str
    prototype: str
    formula: str
    parent_uuid: str
    structure_uuid: str
    placed: Mapping[str, str]
    fallback_for: None = None

    @property
    def node(self) -> orm.StructureData:
        """The stored crystal."""
        node: Any = orm.load_node(self.structure_uuid)
        return node


def proposals_of(labels: Mapping[str, str]) -> list[Proposal]:
    """Return what the screenings of candidates have proposed.

    Parameters
    ----------
    labels : mapping of str to str
        Key of a candidate -> its identity. Give those of the enumerated candidates only: what a proposal proposes in
        its turn is not followed.

    Returns
    -------
    list of Proposal
        At most one a candidate, in their order: that of the newest screening that has ended with one.
    """
    if not labels:  # QueryBuilder refuses an empty list
        return []
    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"label": {"in": list(labels.values())}, "attributes.process_state": "finished"},
        project=["label", "uuid"],
        tag="screening",
    )
    query.append(
        orm.StructureData,
        with_incoming="screening",
        edge_filters={"label": "distorted_structure"},
        project=["uuid", "attributes.kinds"],
    )
    query.append(
        orm.Dict,
        with_incoming="screening",
        edge_filters={"label": "candidate"},
        project=["attributes.prototype", "attributes.formula", "attributes.distortion.space_group_number"],
    )
    query.order_by({"screening": [{"id": "asc"}]})
    newest = {row[0]: row[1:] for row in query.all()}
    found = []
    for key, label in labels.items():
        if label not in newest:
            continue
        parent_uuid, structure_uuid, kinds, prototype, formula, number = newest[label]
        symbols = [symbol for kind in kinds for symbol in kind["symbols"]]
        found.append(
            Proposal(
                key=f"{key}-sg{number}",
                prototype=f"{prototype}{_SUFFIX}",
                formula=formula,
                parent_uuid=parent_uuid,
                structure_uuid=structure_uuid,
                placed={symbol: symbol for symbol in symbols},
            )
        )
    return found


def parent_of(identity: Mapping[str, str]) -> dict[str, str] | None:
    """Return key and uuid of the screening that proposed a candidate; None for an enumerated one.

    Parameters
    ----------
    identity : mapping
        Of a screening; ``parent`` is a uuid.
    """
    if "parent" not in identity:
        return None
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"uuid": identity["parent"]}, tag="screening")
    query.append(orm.Dict, with_outgoing="screening", edge_filters={"label": "identity"}, project="attributes.key")
    return {"key": query.first(flat=True) or "a screening that was deleted", "uuid": identity["parent"]}
