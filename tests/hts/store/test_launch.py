"""Submission as wanted minus present: identities, what counts as missing, and what a campaign asks for.

What is really submitted, and once, is in tests/hts/cli/test_run.py: that needs a daemon.
"""

import fcntl
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage.configuration import get_config
from pymatgen.core import Lattice, Structure

from hts.campaign import Campaign
from hts.errors import UserError
from hts.store import launch, pseudos

SCREENING_TYPE = "aiida.workflows:hts.screening"
KEY = "perovskite-Al2H3-Al_Al_H"

pytestmark = pytest.mark.usefixtures("ready_profile")


@pytest.fixture
def prepare(campaign: Callable[..., dict[str, Any]]) -> Callable[..., launch.PreparedCampaign]:
    """Return a function that prepares the campaign with some keys changed."""

    def prepared(**changes: Any) -> launch.PreparedCampaign:
        return launch.prepare(Campaign.model_validate(campaign(**changes)))

    return prepared


def screening(label: str, state: str = "waiting", exit_status: int | None = None) -> orm.WorkChainNode:
    """Store a screening as the engine would, in no group."""
    node = orm.WorkChainNode(label=label, process_type=SCREENING_TYPE)
    node.set_process_state(state)
    if exit_status is not None:
        node.set_exit_status(exit_status)
    return node.store()


def test_labels_are_deterministic(prepare) -> None:
    labels = prepare().labels
    assert list(labels) == [KEY, "perovskite-MgAlH3-Mg_Al_H"]
    assert prepare().labels == labels
    assert all(label.startswith(f"tiny/{key}/") for key, label in labels.items())
    assert len(set(labels.values())) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"gates": {"max_hull_ev_per_atom": 0.1, "min_frequency_cm1": -5, "min_tc_k": 20}},
        {"mu_star": [0.2]},
        {"resources": {"default": {"num_mpiprocs": 2}}},
        {"max_jobs": 7, "max_candidates": 3},
        {"overrides": {"tc": {"matsubara_cutoff_factor": 12.0}}},
    ],
)
def test_what_judges_or_only_runs_is_no_part_of_the_identity(prepare, changes: dict[str, Any]) -> None:
    assert prepare(**changes).labels == prepare().labels


@pytest.mark.parametrize(
    "changes",
    [
        {"overrides": {"dft": {"ecutwfc_ry": 31}}},
        {"overrides": {"phonons": {"tr2_ph": 1e-13}}},
        {"pressures_gpa": {"start": 20, "stop": 10, "step": 10, "resolution": 10}},
        {"protocol": "balanced"},
        {"name": "other"},
    ],
)
def test_what_decides_numbers_is_part_of_the_identity(prepare, changes: dict[str, Any]) -> None:
    assert not set(prepare(**changes).labels.values()) & set(prepare().labels.values())


def test_another_file_of_an_element_is_another_identity(prepare, tmp_path: Path, debian_pseudos: Path) -> None:
    for name in ("Al.pz-vbc.UPF", "H.pz-vbc.UPF", "Mg.pz-n-vbc.UPF"):
        text = (debian_pseudos / name).read_text()
        changed = text.replace("<PP_INFO>", "<PP_INFO>\nchanged", 1) if name.startswith("Mg") else text
        (tmp_path / name).write_text(changed)
    cutoffs = pseudos.debian_cutoffs_ry(["Al", "H", "Mg"])
    pseudos.install_family("LDA/changed", tmp_path, "*.UPF", cutoffs)
    before, after = prepare().labels, prepare(pseudo_family="LDA/changed").labels
    assert [before[key] == after[key] for key in before] == [True, False]


def test_absent_killed_and_excepted_are_missing(prepare) -> None:
    prepared = prepare(name="missing")
    running, candidate = prepared.labels.values()
    # one runs, and no more than one may: nothing can be submitted here
    screening(running)
    assert launch.submit_missing(prepared) == launch.Pass((), active=1, waiting=1)
    for state in ("killed", "excepted"):
        pk = screening(candidate, state).pk
        assert launch.submit_missing(prepared).waiting == 1
        assert launch.submit_missing(prepared, ended_up_to_pk=pk).waiting == 1
        # what was submitted in this run and ended so again is left alone
        assert launch.submit_missing(prepared, ended_up_to_pk=pk - 1).waiting == 0
    assert launch.has_work(prepared)


def test_what_ended_undecided_is_missing_when_a_retry_is_asked_for(prepare) -> None:
    prepared = prepare(name="retry")
    running, candidate = prepared.labels.values()
    screening(running)
    pk = screening(candidate, "finished", 403).pk
    assert launch.submit_missing(prepared).waiting == 0
    assert launch.submit_missing(prepared, retry=True).waiting == 1
    assert launch.submit_missing(prepared, retry=True, ended_up_to_pk=pk - 1).waiting == 0


def test_what_has_an_answer_is_never_missing(prepare) -> None:
    prepared = prepare(name="decided")
    assert launch.has_work(prepared)
    for label in prepared.labels.values():
        screening(label, "killed")
        screening(label, "finished", 0)
    assert launch.submit_missing(prepared, retry=True) == launch.Pass((), active=0, waiting=0)
    assert not launch.has_work(prepared)
    assert not launch.has_work(prepared, retry=True)


def decided(label: str, verdict: str) -> None:
    """Store a finished screening with its verdict."""
    summary = orm.CalcFunctionNode()
    node = screening(label, "finished", 0)
    summary.base.links.add_incoming(node, LinkType.CALL_CALC, "summarise")
    summary.store()
    record = orm.Dict({"verdict": verdict})
    record.base.links.add_incoming(summary, LinkType.CREATE, "result")
    record.store()
    record.base.links.add_incoming(node, LinkType.RETURN, "candidate")


def test_a_fallback_waits_until_its_parent_is_unstable(prepare) -> None:
    """The tilted perovskites come in when the cubic one is dynamically unstable, and in no other case."""
    sites = {"A": ["Mg"], "B": ["Al"], "X": ["H"]}
    families = [
        {"prototype": "perovskite", "sites": sites},
        {"prototype": "perovskite_tilted", "sites": sites, "fallback_for": "perovskite"},
    ]
    for verdict, waiting in (("ambient", 0), ("undecided", 0), ("dynamically_unstable", 2)):
        prepared = prepare(name=f"tilts-{verdict}", families=families)
        parent, *fallbacks = prepared.candidates
        assert {candidate.fallback_for for candidate in fallbacks} == {parent.key}
        assert prepared.due() == [parent]
        decided(prepared.labels[parent.key], verdict)
        assert launch.has_work(prepared) is bool(waiting)
        screening(f"tilts-{verdict}/other/0")  # one runs, and no more than one may: nothing can be submitted here
        assert launch.submit_missing(prepared) == launch.Pass((), active=1, waiting=waiting)
        decided(prepared.labels[parent.key], "ambient")  # computed again, the newest answer counts
        assert prepared.due() == [parent]


def test_the_ranking_is_the_order_of_submission(prepare) -> None:
    families = [{"prototype": "perovskite", "sites": {"A": ["Mg", "Al"], "B": ["Al", "Mg"], "X": ["H"]}}]
    ranked = prepare(families=families, ranking=True)
    scores = [candidate.ranking.score for candidate in ranked.candidates]
    assert scores == sorted(scores, reverse=True)
    assert ranked.labels == prepare(families=families).labels


def test_a_crash_between_submission_and_grouping_is_mended(prepare) -> None:
    prepared = prepare(name="crashed")
    node = screening(prepared.labels[KEY])
    for _ in range(2):
        assert launch.submit_missing(prepared).submitted == ()
        assert [member.pk for member in launch.campaign_group("crashed").nodes] == [node.pk]
    assert launch.campaign_group("crashed").base.extras.get("campaign")["name"] == "crashed"


@pytest.mark.parametrize(("name", "other"), [("a_b", "axb"), ("a%b", "axxb"), ("a\\b", "ab"), ("a.b", "axb")])
def test_names_are_no_patterns(ready_profile: Any, name: str, other: str) -> None:
    own = screening(f"{name}/{KEY}/0", "finished", 0)
    screening(f"{other}/{KEY}/0")
    assert launch._states(name) == {own.label: (own.pk, "finished", 0)}
    assert [node.pk for node in launch._screenings(name)] == [own.pk]


def test_a_campaign_without_group(ready_profile: Any) -> None:
    with pytest.raises(UserError, match=r"campaign 'nope' not found in this profile; there are: .*; `hts run FILE"):
        launch.campaign_group("nope")


def test_two_submissions_wait_for_each_other(ready_profile: Any) -> None:
    path = Path(get_config().dirpath) / "access" / f"hts-submit-{ready_profile.name}.lock"
    with launch._submission_lock(), path.open("w") as handle, pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_newest_pk(ready_profile: Any) -> None:
    node = orm.Int(1).store()
    assert launch.newest_pk() == node.pk


def test_job_options_follow_the_resources(prepare) -> None:
    resources = {
        "default": {"num_mpiprocs": 2, "account": "a1", "max_wallclock_seconds": 600},
        "pw": {"num_mpiprocs": 4},
        "ph": {"num_mpiprocs": 1, "max_memory_kb": 4096, "max_wallclock_seconds": 7200},
    }
    prepared = prepare(resources=resources, max_jobs=3)
    options = launch.job_options(prepared.campaign, prepared.codes)
    ranks = {name: options[name]["resources"]["num_mpiprocs_per_machine"] for name in prepared.codes}
    assert ranks == {"pw": 4, "ph": 1, "q2r": 2, "epw": 2}
    assert {name: options[name]["max_wallclock_seconds"] for name in ("pw", "ph", "q2r")} == {
        "pw": 600,
        "ph": 7200,
        "q2r": 600,
    }
    assert options["ph"]["max_memory_kb"] == 4096
    assert options["epw"]["account"] == "a1"
    assert "qos" not in options["epw"]
    assert options["qpoints_at_once"] == 3
    # hts.direct has no queue: a job waits for a slot, and its time counts from there
    assert "for hts_try in 1 2 3;" in options["pw"]["prepend_text"]
    assert options["pw"]["prepend_text"].endswith('echo "hts started $(date +%s.%N)"')


def test_a_queue_of_its_own_needs_no_slots_but_stamps(prepare) -> None:
    """Else the time that a job waits in the queue would count as its cost."""
    computer = orm.Computer("cluster", "cluster", "", "core.local", "hts.slurm", "/scratch").store()
    code = orm.InstalledCode(
        label="pw",
        computer=computer,
        filepath_executable="/usr/bin/pw.x",
        default_calc_job_plugin="quantumespresso.pw",
    ).store()
    prepared = prepare(codes={"pw": code.full_label, **{name: f"{name}@localhost" for name in ("ph", "q2r", "epw")}})
    options = launch.job_options(prepared.campaign, prepared.codes)
    output = "\n".join(options["pw"][key] for key in ("prepend_text", "append_text"))
    assert output == 'echo "hts started $(date +%s.%N)"\necho "hts finished $(date +%s.%N)"'
    assert "for hts_try in" in options["ph"]["prepend_text"] and "append_text" not in options["ph"]


def test_competitors_from_files_reach_the_candidates_of_their_system(prepare, tmp_path: Path) -> None:
    """A further file changes the identity of the candidates that it competes with, and of no other."""
    Structure(Lattice.cubic(3.5), ["Mg"] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]]).to(tmp_path / "bcc.cif")
    without, with_magnesium = prepare(), prepare(competitor_folder=str(tmp_path))
    aluminium, magnesium = with_magnesium.candidates
    assert (aluminium.formula, magnesium.formula) == ("Al2H3", "MgAlH3")
    assert with_magnesium.labels[aluminium.key] == without.labels[aluminium.key]
    assert with_magnesium.labels[magnesium.key] != without.labels[magnesium.key]
    (label,) = with_magnesium.builder(magnesium).settings["hull"]["structures"]
    assert re.fullmatch(r"Mg-bcc-[0-9a-f]{8}", label)
    assert with_magnesium.builder(aluminium).settings["hull"]["structures"] == {}
    Structure(Lattice.cubic(4.5), ["Si"], [[0, 0, 0]]).to(tmp_path / "silicon.cif")
    assert prepare(competitor_folder=str(tmp_path)).labels == with_magnesium.labels
    # What the overrides give stays.
    given = {
        "hull": {
            "competitors": "elements",
            "structures": with_magnesium.builder(magnesium).settings["hull"]["structures"],
        }
    }
    settings = prepare(overrides=given).builder(magnesium).settings["hull"]
    assert (settings["competitors"], list(settings["structures"])) == ("elements", [label])


def test_a_bad_file_among_the_competitors_stops_the_campaign(
    prepare, tmp_path: Path, stored: Callable[[], tuple[int, int]]
) -> None:
    before = stored()
    (tmp_path / "bad.cif").write_text("garbage")
    with pytest.raises(UserError, match=r"competitor file .*bad\.cif: no structure could be read"):
        prepare(competitor_folder=str(tmp_path))
    with pytest.raises(UserError, match=r"tiny: overrides: hull\.structures: x: int found"):
        prepare(overrides={"hull": {"structures": {"x": 1}}})
    assert stored() == before


def test_preparing_stores_nothing(prepare, stored: Callable[[], tuple[int, int]]) -> None:
    before = stored()
    prepare(name="nothing")
    assert stored() == before
