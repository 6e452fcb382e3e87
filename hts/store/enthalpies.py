"""Every finished relaxation of a profile as a plain record, and what is known of those that are missing."""

from collections.abc import Collection, Sequence
from typing import Any

from aiida import orm
from aiida.common.links import LinkType
from aiida_pseudo.data.pseudo.upf import UpfData
from aiida_pseudo.groups.family import PseudoPotentialFamily

from hts.hull import elements_of
from hts.magnetism import ground_state_enthalpy, magnetic_doubt
from hts.store.campaign_group import CampaignGroup
from hts.store.launch import campaign_group
from hts.stored_phases import Basis, Kind, StoredPhase

_RELAX = "aiida.workflows:hts.relax"
_HULL = "aiida.workflows:hts.hull"
_DECOMPRESSION = "aiida.workflows:hts.decompression"
_SCREENING = "aiida.workflows:hts.screening"
_FINISHED = {"attributes.process_state": "finished", "attributes.exit_status": 0}
_KEYS = ("formula", "enthalpy_ev_per_atom", "volume_ang3", "n_atoms", "space_group_number", "basis", "magnetism")


def stored_phases() -> list[StoredPhase]:
    """Return every finished relaxation of the profile, oldest first.

    Returns
    -------
    list of StoredPhase
        Several may be of one phase at one pressure, see `hts.stored_phases.merge_twins`.
    """
    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"process_type": _RELAX, **_FINISHED}, tag="relax", project=["id", "label"]
    )
    query.append(
        orm.Dict,
        with_incoming="relax",
        edge_filters={"label": "relaxation"},
        tag="result",
        project=["id", "uuid", *(f"attributes.{key}" for key in _KEYS)],
    )
    query.order_by({"result": [{"id": "asc"}]})
    keys = _candidate_keys()
    phases = []
    for process_pk, process_label, pk, uuid, *values in query.all():
        content = dict(zip(_KEYS, values, strict=True))
        label, kind = _name(process_label, keys.get(process_pk), f"{content['formula']}-{pk}")
        phases.append(_phase(label, kind, uuid, content))
    return phases


def _phase(label: str, kind: Kind, uuid: str, content: dict[str, Any]) -> StoredPhase:
    magnetism = content["magnetism"] or {}
    n_atoms = content["n_atoms"]
    own = (content["enthalpy_ev_per_atom"], content["volume_ang3"] / n_atoms)
    is_lower = ground_state_enthalpy(content) < own[0]
    return StoredPhase(
        label=label,
        kind=kind,
        formula=content["formula"],
        enthalpy_ev_per_atom=ground_state_enthalpy(content),
        volume_ang3_per_atom=magnetism["volume_ang3"] / n_atoms if is_lower else own[1],
        space_group_number=content["space_group_number"],
        basis=content["basis"],
        uuid=uuid,
        magnetic_state=magnetism.get("state"),
        magnetic_doubt=magnetic_doubt(content),
        nonmagnetic=own if is_lower else None,
    )


def _name(process_label: str, key: str | None, otherwise: str) -> tuple[str, Kind]:
    """Return what a phase is called: reference/LABEL/PRESSURE/SETTINGS, else its candidate, else its node."""
    reference = reference_label(process_label)
    if reference is not None:
        return reference, "reference"
    return (key, "candidate") if key is not None else (otherwise, "other")


def reference_label(process_label: str) -> str | None:
    """Return the phase that a relaxation of a competing phase is labelled with; None for any other relaxation."""
    parts = process_label.split("/")
    return parts[1] if parts[0] == "reference" and len(parts) > 1 else None


def _candidate_keys() -> dict[int, str]:
    """Return the candidate that a relaxation was made for: by its screening itself, or by its descent in pressure."""
    keys: dict[int, str] = {}
    calls = {"type": LinkType.CALL_WORK.value}
    for between in ([], [_DECOMPRESSION]):
        query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"process_type": _SCREENING}, tag="screening")
        query.append(orm.Dict, with_outgoing="screening", edge_filters={"label": "identity"}, project="attributes.key")
        above = "screening"
        for process_type in between:
            query.append(
                orm.WorkChainNode,
                with_incoming=above,
                edge_filters=calls,
                filters={"process_type": process_type},
                tag="descent",
            )
            above = "descent"
        query.append(
            orm.WorkChainNode,
            with_incoming=above,
            edge_filters=calls,
            filters={"process_type": _RELAX},
            project="id",
        )
        keys |= {pk: key for key, pk in query.all()}
    return keys


def failed_references(elements: Collection[str], pressure_gpa: float, basis: Basis) -> dict[str, str]:
    """Return the references of a system at a pressure whose newest relaxation with these settings failed.

    Parameters
    ----------
    elements : collection of str
    pressure_gpa : float
    basis : Basis

    Returns
    -------
    dict
        Label -> reason, one line. Without what was killed: that is asked for again.
    """
    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"process_type": _RELAX, "label": {"like": "reference/%"}, "attributes.process_state": "finished"},
        tag="relax",
        project=["id", "label", "attributes.exit_status", "attributes.exit_message"],
    )
    query.append(
        orm.Float,
        with_outgoing="relax",
        edge_filters={"label": "pressure_gpa"},
        filters={"attributes.value": {"and": [{">": pressure_gpa - 1e-6}, {"<": pressure_gpa + 1e-6}]}},
    )
    query.append(
        orm.StructureData, with_outgoing="relax", edge_filters={"label": "structure"}, project="attributes.kinds"
    )
    query.append(orm.Dict, with_outgoing="relax", edge_filters={"label": "settings"}, project="attributes.dft")
    query.order_by({"relax": [{"id": "asc"}]})
    rows = [row for row in query.all() if {symbol for kind in row[4] for symbol in kind["symbols"]} <= set(elements)]
    pseudos = _pseudos_of([row[0] for row in rows])
    newest: dict[str, tuple[int, str]] = {}
    for pk, label, status, message, _, dft in rows:
        if basis.agrees_with(dft or {}, pseudos.get(pk, {})):
            newest[reference_label(label) or label] = (status or 0, f"exit {status}: {message}")
    return {label: " ".join(reason.split()) for label, (status, reason) in newest.items() if status}


def _pseudos_of(pks: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the pseudopotentials of processes: pk -> element -> md5."""
    if not pks:  # QueryBuilder refuses an empty list
        return {}
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": {"in": list(pks)}}, tag="process", project="id")
    query.append(
        UpfData,
        with_outgoing="process",
        edge_filters={"label": {"like": "pseudos\\_\\_%"}},
        project=["attributes.element", "attributes.md5"],
    )
    found: dict[int, dict[str, str]] = {}
    for pk, element, md5 in query.all():
        found.setdefault(pk, {})[element] = md5
    return found


def reported_missing(elements: Collection[str], pressure_gpa: float, basis: Basis) -> list[str]:
    """Return what the stored hulls of a system and its sub-systems said is missing at a pressure, each line once.

    Parameters
    ----------
    elements : collection of str
    pressure_gpa : float
    basis : Basis
    """
    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"process_type": _HULL, **_FINISHED}, tag="hull", project="id"
    )
    query.append(orm.Dict, with_incoming="hull", edge_filters={"label": "placement"}, project="attributes.missing")
    query.append(
        orm.Dict,
        with_outgoing="hull",
        edge_filters={"label": "relaxation"},
        filters={"attributes.pressure_gpa": {"and": [{">": pressure_gpa - 1e-6}, {"<": pressure_gpa + 1e-6}]}},
        project=["attributes.formula", "attributes.basis"],
    )
    query.order_by({"hull": [{"id": "asc"}]})
    lines: list[str] = []
    for _, missing, formula, used in query.all():
        if elements_of(formula) <= set(elements) and basis.agrees_with(used, used.get("pseudos") or {}):
            lines += missing or []
    return list(dict.fromkeys(lines))


def bases_of_campaign(name: str, groups: Sequence[Basis]) -> list[Basis]:
    """Return those groups of phases whose settings a campaign has used, whenever it did.

    Parameters
    ----------
    name : str
    groups : sequence of Basis

    Raises
    ------
    UserError
        If there is no such campaign.
    """
    campaign_group(name)
    query = orm.QueryBuilder().append(CampaignGroup, filters={"label": name}, tag="group")
    query.append(orm.WorkChainNode, with_group="group", tag="screening", project="id")
    query.append(orm.Dict, with_outgoing="screening", edge_filters={"label": "settings"}, project="attributes.dft")
    settings = dict(query.all())  # type: ignore[arg-type]
    pseudos = _pseudos_of(list(settings))
    used = [(dft or {}, pseudos.get(pk, {})) for pk, dft in settings.items()]
    return [group for group in groups if any(group.agrees_with(*one) for one in used)]


def family_name(basis: Basis) -> str:
    """Return the label of the pseudopotential family that holds all files of a basis; else their fingerprints."""
    md5s = set(basis.pseudos.values())
    if not md5s:
        return "unknown pseudopotentials"
    query = orm.QueryBuilder().append(PseudoPotentialFamily, subclassing=True, tag="family", project="label")
    query.append(
        UpfData, with_group="family", filters={"attributes.md5": {"in": sorted(md5s)}}, project="attributes.md5"
    )
    holds: dict[str, set[str]] = {}
    for label, md5 in query.all():
        holds.setdefault(label, set()).add(md5)
    complete = sorted(label for label, found in holds.items() if found == md5s)
    return complete[0] if complete else ", ".join(f"{e} {md5[:6]}" for e, md5 in sorted(basis.pseudos.items()))
