"""Submission as wanted minus present: idempotent, limited, and safe against two at once and a crash in between."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiida import orm
from aiida.common.exceptions import MultipleObjectsError, NotExistent
from aiida.engine import submit
from aiida.manage import get_manager
from aiida.manage.configuration import get_config
from aiida.plugins import WorkflowFactory

from hts.campaign import Campaign
from hts.competitor_files import StructureFile, read_competitors, structures_within
from hts.enumeration import Candidate, candidates_in_order
from hts.errors import UserError
from hts.file_lock import exclusive
from hts.fingerprint import fingerprint
from hts.job_slots import slot_prepend_text
from hts.job_times import FINISHED_LINE, STARTED_LINE, stamped
from hts.store.campaign_group import CampaignGroup
from hts.store.codes import CODES, WITHOUT_QUEUE, slots_folder
from hts.store.proposals import Proposal, proposals_of
from hts.store.pseudos import cutoffs_for, pseudos_for

_ENDED_WITHOUT_ANSWER = ("killed", "excepted")
# Settings that judge stored numbers but don't change what is computed: they are not part of a candidate's identity.
_JUDGING_STAGES = ("tc",)
_STAGES_OF_PROGRAM = {"pw": ("relax",), "ph": ("phonons",), "q2r": ("phonons",), "epw": ("coupling",)}


@dataclass(frozen=True)
class Pass:
    """What one pass of submission found and did.

    Attributes
    ----------
    submitted : tuple of str
        Keys of the candidates submitted just now.
    active : int
        Screenings running after the pass.
    waiting : int
        Candidates that will be submitted when others have ended.
    """

    submitted: tuple[str, ...]
    active: int
    waiting: int


@dataclass(frozen=True)
class PreparedCampaign:
    """A campaign whose codes, pseudopotentials and settings have been found and agree.

    Attributes
    ----------
    campaign : Campaign
    candidates : tuple of Candidate or Proposal
        In the order in which they are submitted; what screenings have proposed comes last, see `with_proposals`.
    codes : dict of str to Code
    structure_files : tuple of StructureFile
        Further competitors, of the campaign's `competitor_folder`.
    labels : dict of str to str
        Key of a candidate -> its identity, see `identity_label`.
    """

    campaign: Campaign
    candidates: tuple[Candidate | Proposal, ...]
    codes: dict[str, orm.AbstractCode]
    structure_files: tuple[StructureFile, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    def builder(self, candidate: Candidate | Proposal, *, retry: bool = False) -> Any:
        """Return the inputs of one candidate's screening, with its identity as the process's label."""
        campaign = self.campaign
        overrides = {stage: dict(settings) for stage, settings in campaign.overrides.items()}
        overrides.setdefault("tc", {}).setdefault("mu_star", list(campaign.mu_star))
        structures = structures_within(self.structure_files, candidate.placed.values())
        if structures:
            hull = overrides.setdefault("hull", {})
            hull["structures"] = {**hull.get("structures", {}), **structures}
        try:
            screening: Any = WorkflowFactory("hts.screening")
            builder = screening.get_builder_from_protocol(
                self.codes,
                _crystal(candidate),
                campaign.pseudo_family,
                protocol=campaign.protocol,
                overrides=overrides,
                options={**job_options(campaign, self.codes), "retry_failed_references": retry},
                identity=_identity(candidate),
                ladder=campaign.pressures_gpa.model_dump(),
                gates=campaign.gates.model_dump(),
            )
        except ValueError as error:
            raise UserError(f"{campaign.name}: {error}") from error
        if isinstance(candidate, Proposal):
            builder.settings = _without_following(builder.settings)
        builder.metadata.label = identity_label(campaign, candidate, builder)
        return builder

    def due(self) -> list[Candidate | Proposal]:
        """Return the candidates whose turn it is: all but the fallbacks of what is not known to be unstable."""
        awaited = [self.labels[key] for key in {candidate.fallback_for for candidate in self.candidates} if key]
        unstable = _with_verdict("dynamically_unstable", awaited)
        return [
            candidate
            for candidate in self.candidates
            if candidate.fallback_for is None or self.labels[candidate.fallback_for] in unstable
        ]


def prepare(campaign: Campaign) -> PreparedCampaign:
    """Check everything that a campaign needs before anything is stored.

    Parameters
    ----------
    campaign : Campaign

    Returns
    -------
    PreparedCampaign

    Raises
    ------
    UserError
        For a missing code, a code of another plugin, a missing or unsuited pseudopotential, a missing cutoff hint, a
        bad file among the competitors, or an override that the protocols don't know.
    """
    codes = {name: _load_code(name, label) for name, label in campaign.codes.items()}
    candidates = tuple(candidates_in_order(campaign))
    elements = sorted({element for candidate in candidates for element in candidate.placed.values()})
    pseudos_for(campaign.pseudo_family, elements)
    if campaign.overrides.get("dft", {}).get("ecutwfc_ry") is None:
        cutoffs_for(campaign.pseudo_family, elements)
    folder = campaign.competitor_folder
    structure_files = read_competitors(folder) if folder is not None else ()
    prepared = PreparedCampaign(campaign, candidates, codes, structure_files)
    labels = {candidate.key: str(prepared.builder(candidate).metadata.label) for candidate in candidates}
    return with_proposals(replace(prepared, labels=labels))


def with_proposals(prepared: PreparedCampaign) -> PreparedCampaign:
    """Add what the candidates' screenings have proposed since: the crystals that soft modes led to.

    Parameters
    ----------
    prepared : PreparedCampaign

    Returns
    -------
    PreparedCampaign
        The same one if there is nothing new. What a proposal proposes in its turn is not added.
    """
    enumerated = {one.key: prepared.labels[one.key] for one in prepared.candidates if isinstance(one, Candidate)}
    new = [proposal for proposal in proposals_of(enumerated) if proposal.key not in prepared.labels]
    if not new:
        return prepared
    labels = {proposal.key: str(prepared.builder(proposal).metadata.label) for proposal in new}
    return replace(prepared, candidates=(*prepared.candidates, *new), labels={**prepared.labels, **labels})


def _crystal(candidate: Candidate | Proposal) -> orm.StructureData:
    if isinstance(candidate, Proposal):
        return candidate.node
    return orm.StructureData(pymatgen=candidate.structure)


def _identity(candidate: Candidate | Proposal) -> dict[str, str]:
    identity = {"key": candidate.key, "prototype": candidate.prototype, "formula": candidate.formula}
    return identity | {"parent": candidate.parent_uuid} if isinstance(candidate, Proposal) else identity


def _without_following(settings: orm.Dict) -> orm.Dict:
    """Return the settings of a proposal: a child's own soft modes would be computed for nobody."""
    content = settings.get_dict()
    content["decompression"]["follow_soft_mode"] = False
    return orm.Dict(content)


def _load_code(name: str, label: str) -> orm.AbstractCode:
    try:
        code = orm.load_code(label)
    except (NotExistent, MultipleObjectsError) as error:
        raise UserError(
            f"codes.{name}: code {label!r} not found; `hts setup` makes it, `verdi code list` shows what is there"
        ) from error
    wanted = CODES[name][1] if name in CODES else None
    if wanted is not None and code.default_calc_job_plugin != wanted:
        raise UserError(
            f"codes.{name}: {label} is of plugin {code.default_calc_job_plugin}, {wanted} was wanted; give another code"
        )
    return code


def job_options(campaign: Campaign, codes: dict[str, orm.AbstractCode]) -> dict[str, Any]:
    """Return AiiDA's job options by code.

    A program takes `default`, what the stage that is mostly its own asks for (pw: relax, ph and q2r: phonons, epw:
    coupling), and its own entry over both. On `hts.direct` and `core.direct`, which have no queue, a job waits for one
    of `max_jobs` slots.
    """
    # The first q-points are the likeliest unstable ones: as few of them at once as keeps the machine busy.
    first = -(-campaign.max_jobs // campaign.max_candidates)
    options: dict[str, Any] = {"qpoints_at_once": campaign.max_jobs, "qpoints_first": first}
    for name, code in codes.items():
        asked = campaign.resources_for(*_STAGES_OF_PROGRAM.get(name, ()), name)
        entry: dict[str, Any] = {
            "resources": {"num_machines": asked.num_machines, "num_mpiprocs_per_machine": asked.num_mpiprocs},
            "max_wallclock_seconds": asked.max_wallclock_seconds,
        }
        for key in ("queue_name", "account", "qos", "max_memory_kb"):
            if getattr(asked, key) is not None:
                entry[key] = getattr(asked, key)
        if code.computer is not None and code.computer.scheduler_type in WITHOUT_QUEUE:
            entry["prepend_text"] = stamped(slot_prepend_text(campaign.max_jobs, str(slots_folder())))
        else:
            # A computer that `hts setup` has not made stamps nothing: its jobs would cost their time in the queue, too.
            entry |= {"prepend_text": STARTED_LINE, "append_text": FINISHED_LINE}
        options[name] = entry
    return options


def identity_label(campaign: Campaign, candidate: Candidate | Proposal, builder: Any) -> str:
    """Return what a candidate is known by: campaign, key, and a fingerprint of everything that decides its numbers."""
    settings = {
        stage: content for stage, content in builder.settings.get_dict().items() if stage not in _JUDGING_STAGES
    }
    content = {
        "settings": settings,
        "pressures": campaign.pressures_gpa.model_dump(),
        "pseudos": {element: pseudo.md5 for element, pseudo in sorted(builder.pseudos.items())},
    }
    return f"{campaign.name}/{candidate.key}/{fingerprint(content)}"


def submit_missing(prepared: PreparedCampaign, *, retry: bool = False, ended_up_to_pk: int | None = None) -> Pass:
    """Submit what is wanted, not present, and allowed; run twice or twice at once it submits nothing twice.

    What screenings have proposed since is wanted, too.

    Parameters
    ----------
    prepared : PreparedCampaign
    retry : bool
        Count screenings that ended with an exit code as missing, too; killed and excepted ones always are.
    ended_up_to_pk : int, optional
        Of those, only the ones up to this node count, so that what ends the same way again is not submitted for ever.

    Returns
    -------
    Pass
    """
    campaign = prepared.campaign
    submitted = []
    with _submission_lock():
        group = campaign_group(campaign.name, create=True)
        content = campaign.model_dump(mode="json")
        if group.base.extras.get("campaign", None) != content:
            group.base.extras.set("campaign", content)
        # In this order: a parent that ends in between still counts as active, and its proposal is for the next pass.
        states = _states(campaign.name)
        prepared = with_proposals(prepared)
        missing = [
            candidate
            for candidate in prepared.due()
            if _is_missing(states.get(prepared.labels[candidate.key]), retry, ended_up_to_pk)
        ]
        active = sum(1 for _, state, _ in states.values() if state not in (*_ENDED_WITHOUT_ANSWER, "finished"))
        for candidate in missing[: max(0, campaign.max_candidates - active)]:
            group.add_nodes([submit(prepared.builder(candidate, retry=retry))])
            submitted.append(candidate.key)
        # A crash between submitting and grouping is mended here: the label says which campaign a process belongs to.
        group.add_nodes(_screenings(campaign.name))
    return Pass(tuple(submitted), active + len(submitted), len(missing) - len(submitted))


def has_work(prepared: PreparedCampaign, *, retry: bool = False) -> bool:
    """Return whether a candidate of a campaign is still to be submitted, or runs.

    Parameters
    ----------
    prepared : PreparedCampaign
    retry : bool
        As for `submit_missing`.
    """
    states = _states(prepared.campaign.name)
    prepared = with_proposals(prepared)
    newest = [states.get(prepared.labels[candidate.key]) for candidate in prepared.due()]
    return any(state is None or state[1] != "finished" or _is_missing(state, retry, None) for state in newest)


def judged_otherwise(prepared: PreparedCampaign) -> list[str]:
    """Return the keys of candidates that were submitted with other gates or mu* than the campaign has now.

    Those are not part of an identity, so that changing them computes nothing again; but a stored verdict rests on those
    it was given.
    """
    campaign = prepared.campaign
    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"label": {"in": list(prepared.labels.values())}}, project="label", tag="screening"
    )
    query.append(orm.Dict, with_outgoing="screening", edge_filters={"label": "gates"}, project="attributes")
    query.append(
        orm.Dict, with_outgoing="screening", edge_filters={"label": "settings"}, project="attributes.tc.mu_star"
    )
    now = (campaign.gates.model_dump(), [float(mu_star) for mu_star in campaign.mu_star])
    otherwise = {label for label, gates, mu_star in query.all() if (gates, mu_star) != now}
    return [key for key, label in prepared.labels.items() if label in otherwise]


def campaign_group(name: str, *, create: bool = False) -> CampaignGroup:
    """Return the group of a campaign.

    Raises
    ------
    UserError
        If there is none and it is not to be made.
    """
    found = orm.QueryBuilder().append(CampaignGroup, filters={"label": name}).first(flat=True)
    if found is None and not create:
        known = ", ".join(sorted(orm.QueryBuilder().append(CampaignGroup, project="label").all(flat=True))) or "none"
        raise UserError(
            f"campaign {name!r} not found in this profile; there are: {known}; `hts run FILE.yaml` starts one"
        )
    return found if found is not None else CampaignGroup(label=name).store()


def active_screenings(name: str) -> list[orm.WorkChainNode]:
    """Return the screenings of a campaign that have not ended."""
    pks = [pk for pk, state, _ in _states(name).values() if state not in (*_ENDED_WITHOUT_ANSWER, "finished")]
    return orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": {"in": pks}}).all(flat=True) if pks else []


def newest_pk() -> int:
    """Return the highest primary key of the profile's nodes; 0 in an empty one."""
    query = orm.QueryBuilder().append(orm.Node, project="id", tag="node")
    query.order_by({"node": [{"id": "desc"}]})
    return query.limit(1).first(flat=True) or 0


def _is_missing(newest: tuple[int, str, int | None] | None, retry: bool, ended_up_to_pk: int | None) -> bool:
    if newest is None:
        return True
    pk, state, exit_status = newest
    if ended_up_to_pk is not None and pk > ended_up_to_pk:
        return False
    return state in _ENDED_WITHOUT_ANSWER or (retry and state == "finished" and bool(exit_status))


def _states(name: str) -> dict[str, tuple[int, str, int | None]]:
    """Return pk, process state and exit status of the newest screening of every identity."""
    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"label": {"like": f"{_escaped(name)}/%"}, "process_type": "aiida.workflows:hts.screening"},
        project=["label", "id", "attributes.process_state", "attributes.exit_status"],
        tag="screening",
    )
    query.order_by({"screening": [{"id": "asc"}]})
    return {label: (pk, state or "created", status) for label, pk, state, status in query.all()}


def _with_verdict(verdict: str, labels: list[str]) -> set[str]:
    """Return those of the identities whose newest summary has a verdict."""
    if not labels:
        return set()
    query = orm.QueryBuilder().append(
        orm.WorkChainNode, filters={"label": {"in": labels}}, project="label", tag="screening"
    )
    query.append(orm.Dict, with_incoming="screening", edge_filters={"label": "candidate"}, project="attributes.verdict")
    query.order_by({"screening": [{"id": "asc"}]})
    newest = dict(query.all())  # type: ignore[arg-type]
    return {label for label, found in newest.items() if found == verdict}


def _screenings(name: str) -> list[orm.WorkChainNode]:
    query = orm.QueryBuilder().append(CampaignGroup, filters={"label": name}, tag="group", project="id")
    query.append(orm.WorkChainNode, with_group="group", project="id")
    known = {row[1] for row in query.all()}
    found = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"label": {"like": f"{_escaped(name)}/%"}, "process_type": "aiida.workflows:hts.screening"},
    )
    return [node for node in found.all(flat=True) if node.pk not in known]


def _escaped(name: str) -> str:
    """Escape what SQL's LIKE would take for a wildcard."""
    return name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def _submission_lock() -> AbstractContextManager[None]:
    """Let one submission at a time work on a profile."""
    profile = get_manager().get_profile()
    name = profile.name if profile is not None else "none"
    return exclusive(Path(get_config().dirpath) / "access" / f"hts-submit-{name}.lock")
