"""What soft modes lead to is screened as a further candidate: once, from the very node, and no further."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from pymatgen.core import Lattice, Structure

from hts.campaign import Campaign
from hts.records import CandidateRecord
from hts.store import funnel, launch, query, story
from hts.store.proposals import Proposal, parent_of, proposals_of

SCREENING_TYPE = "aiida.workflows:hts.screening"
KEY = "perovskite-Al2H3-Al_Al_H"
DISTORTION = {
    "verdict": "lower",
    "reason": "space group 221 -> 140, -12.0 meV/atom",
    "space_group_number": 140,
    "mode": {"index": 4, "qpoint": [0.5, -0.5, 0.5], "frequency_cm1": -297.0, "irrep": None},
    "amplitude_ang": 0.15,
}

pytestmark = pytest.mark.usefixtures("ready_profile")


@pytest.fixture
def prepare(campaign: Callable[..., dict[str, Any]]) -> Callable[..., launch.PreparedCampaign]:
    """Return a function that prepares the campaign of one candidate."""

    def prepared(**changes: Any) -> launch.PreparedCampaign:
        families = [{"prototype": "perovskite", "sites": {"A": ["Al"], "B": ["Al"], "X": ["H"]}}]
        return launch.prepare(Campaign.model_validate(campaign(families=families, **changes)))

    return prepared


@pytest.fixture
def without_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submit as far as that goes without a broker: the process is made and stored, and nobody continues it."""
    monkeypatch.setattr(launch, "submit", lambda builder: instantiate_process(get_manager().get_runner(), builder).node)


def ended(
    label: str, key: str, *, distorted: bool = True, state: str = "finished", space_group_number: int = 140
) -> tuple[orm.WorkChainNode, orm.StructureData | None]:
    """Store a screening as it ends for an unstable crystal, with or without what its softest mode led to."""
    identity = orm.Dict({"key": key, "prototype": "perovskite", "formula": "Al2H3"}).store()
    node = orm.WorkChainNode(label=label, process_type=SCREENING_TYPE)
    node.set_process_label("ScreeningWorkChain")
    node.set_process_state(state)
    node.set_exit_status(0)
    node.base.links.add_incoming(identity, LinkType.INPUT_WORK, "identity")
    node.store()
    if not distorted:
        return node, None
    crystal = Structure(Lattice.tetragonal(5.2, 7.4), ["Al"] * 2 + ["H"] * 3, [[0.2 * i, 0.1, 0] for i in range(5)])
    structure = orm.StructureData(pymatgen=crystal).store()
    structure.base.links.add_incoming(node, LinkType.RETURN, "distorted_structure")
    content = {**identity.get_dict(), "verdict": "dynamically_unstable", "reason": "-297 cm-1"}
    distortion = {**DISTORTION, "space_group_number": space_group_number}
    summary = orm.CalcFunctionNode()
    summary.base.links.add_incoming(node, LinkType.CALL_CALC, "summarise")
    record = orm.Dict({**content, "distortion": distortion})
    record.base.links.add_incoming(summary.store(), LinkType.CREATE, "result")
    record.store().base.links.add_incoming(node, LinkType.RETURN, "candidate")
    return node, structure


@pytest.mark.usefixtures("without_daemon")
def test_a_proposal_is_submitted_once_and_only_once(prepare) -> None:
    following = {"overrides": {"decompression": {"follow_soft_mode": True}}}
    prepared = prepare(name="once", **following)
    parent, structure = ended(prepared.labels[KEY], KEY)
    assert launch.has_work(prepared)
    found = launch.submit_missing(prepared)
    assert found == launch.Pass((f"{KEY}-sg140",), active=1, waiting=0)
    # The pass that submitted it, the next one, and a campaign that is prepared anew all know it.
    for again in (prepared, launch.with_proposals(prepared), prepare(name="once", **following)):
        assert launch.submit_missing(again) == launch.Pass((), active=1, waiting=0)
        assert launch.has_work(again)
    [child] = [node for node in launch.campaign_group("once").nodes if node.pk != parent.pk]
    assert child.inputs.structure.uuid == structure.uuid
    assert child.inputs.identity.get_dict() == {
        "key": f"{KEY}-sg140",
        "prototype": "perovskite-distorted",
        "formula": "Al2H3",
        "parent": parent.uuid,
    }
    assert child.label == again.labels[f"{KEY}-sg140"]
    assert child.inputs.ladder.get_dict() == {"start": 10, "stop": 10, "step": 10, "resolution": 10}
    # The campaign computes its child as it did the parent, but follows no soft mode of it.
    own, theirs = child.inputs.settings.get_dict(), prepared.builder(prepared.candidates[0]).settings.get_dict()
    assert theirs["decompression"].pop("follow_soft_mode") is True
    assert own["decompression"].pop("follow_soft_mode") is False
    assert own == theirs


@pytest.mark.usefixtures("without_daemon")
def test_a_proposal_is_no_parent(prepare) -> None:
    prepared = prepare(name="grandchild")
    ended(prepared.labels[KEY], KEY)
    child = launch.with_proposals(prepared)
    assert [candidate.key for candidate in child.candidates] == [KEY, f"{KEY}-sg140"]
    ended(child.labels[f"{KEY}-sg140"], f"{KEY}-sg140")
    assert prepare(name="grandchild").labels == child.labels
    assert launch.submit_missing(prepared) == launch.Pass((), active=0, waiting=0)
    assert not launch.has_work(prepared)


@pytest.mark.usefixtures("without_daemon")
def test_a_killed_child_is_submitted_again_and_a_new_parent_changes_nothing(prepare) -> None:
    prepared = prepare(name="killed")
    ended(prepared.labels[KEY], KEY)
    launch.submit_missing(prepared)
    child = next(node for node in launch.campaign_group("killed").nodes if "sg140" in node.label)
    ended(prepared.labels[KEY], KEY)  # the parent, computed again
    assert launch.submit_missing(prepared).submitted == ()
    child.set_process_state("killed")
    assert launch.submit_missing(prepared, ended_up_to_pk=child.pk - 1).submitted == ()
    assert launch.submit_missing(prepared, ended_up_to_pk=child.pk).submitted == (f"{KEY}-sg140",)
    assert launch.submit_missing(prepared).submitted == ()


def test_only_what_has_ended_with_a_crystal_proposes(prepare) -> None:
    prepared = prepare(name="nothing-yet")
    assert proposals_of({}) == []
    assert proposals_of(prepared.labels) == []
    ended(prepared.labels[KEY], KEY, distorted=False)
    assert launch.with_proposals(prepared) is prepared
    ended(prepared.labels[KEY], KEY, state="running")
    assert launch.with_proposals(prepared) is prepared
    first, _ = ended(prepared.labels[KEY], KEY)
    second, structure = ended(prepared.labels[KEY], KEY, space_group_number=127)
    # Another crystal than before is another candidate; the newest screening with one proposes.
    [found] = proposals_of(prepared.labels)
    assert (found.key, found.parent_uuid) == (f"{KEY}-sg127", second.uuid) != (f"{KEY}-sg140", first.uuid)
    assert isinstance(found, Proposal) and found.node.uuid == structure.uuid
    assert dict(found.placed) == {"Al": "Al", "H": "H"}
    ended(prepared.labels[KEY], KEY, distorted=False)
    assert proposals_of(prepared.labels) == [found]


@pytest.mark.usefixtures("without_daemon")
def test_a_proposal_is_counted_and_found(prepare) -> None:
    prepared = prepare(name="found")
    parent, _ = ended(prepared.labels[KEY], KEY)
    launch.submit_missing(prepared)
    records = {record.key: record for record in query.candidates("found")}
    child = records[f"{KEY}-sg140"]
    assert isinstance(child, CandidateRecord)
    assert (child.verdict, child.prototype, child.parent) == ("undecided", "perovskite-distorted", parent.uuid)
    assert records[KEY].parent is None and records[KEY].distortion["verdict"] == "lower"
    seen = funnel.snapshot("found")
    assert {one.screening.key: one.ended for one in seen.progress} == {KEY: True, f"{KEY}-sg140": False}
    assert story.tell(query.find_candidate(child.uuid))["record"]["parent"] == parent.uuid
    assert parent_of({"parent": parent.uuid}) == {"key": KEY, "uuid": parent.uuid}
    assert parent_of({"key": KEY}) is None
