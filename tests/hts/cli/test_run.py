"""`hts run`: what it refuses before anything is stored, and a whole campaign interrupted in the rudest way."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine.processes.control import kill_processes, pause_processes
from aiida_pseudo.data.pseudo.upf import UpfData
from aiida_pseudo.groups.family import PseudoPotentialFamily

from hts.campaign import Campaign
from hts.cli.main import run
from hts.store import daemon, launch, paused, pseudos, query
from tests.waiting import wait_until

HTS = [sys.executable, "-m", "hts.cli.main"]
LIMIT_SECONDS = 240
DAEMON_KINDS = {"start-circus", "worker", "broker"}

PEROVSKITE = {"prototype": "perovskite"}
ALUMINIUM = {**PEROVSKITE, "sites": {"A": ["Al"], "B": ["Al"], "X": ["H"]}}


def family(a: str) -> list[dict[str, Any]]:
    return [{**PEROVSKITE, "sites": {"A": [a], "B": ["Al"], "X": ["H"]}}]


@pytest.fixture(scope="module")
def odd_families(ready_profile: Any, debian_pseudos: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install a family in which Mg has no cutoff hint, and, past hts, one with a PAW and one with an ultrasoft file."""
    cutoffs = pseudos.debian_cutoffs_ry(["Al", "H", "B", "Si"])
    pseudos.install_family("LDA/no-hint", debian_pseudos, pseudos.DEBIAN_PATTERN, cutoffs)
    for label, name in (("PAW", "Li.pbesol-s-kjpaw_psl.0.2.1.UPF"), ("US", "Li.pbesol-s-rrkjus_psl.0.2.1.UPF")):
        folder = tmp_path_factory.mktemp(label)
        for file in ("Al.pz-vbc.UPF", "H.pz-vbc.UPF", name):
            (folder / file).write_text((debian_pseudos / file).read_text(errors="replace"))
        PseudoPotentialFamily.create_from_folder(folder, label, pseudo_type=UpfData)


@pytest.mark.usefixtures("odd_families")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocoll": "fast"}, "protocoll: unknown key; did you mean 'protocol'?"),
        ({"families": family("Xx")}, "families.0.sites.A: 'Xx' is not an element"),
        ({"families": family("Mg"), "pseudo_family": "LDA/no-hint"}, "has no cutoff hint for Mg"),
        ({"pressures_gpa": {"start": 0, "stop": 10, "step": 5, "resolution": 5}}, "stop 10 is above start 0"),
        ({"pressures_gpa": {"start": 10, "stop": 0, "step": 0, "resolution": 0}}, "pressures_gpa.step"),
        ({"codes": {"pw": "pw@localhost"}}, "codes.ph: missing"),
        (
            {"codes": {name: f"{name}@nowhere" for name in ("pw", "ph", "q2r", "epw")}},
            "@nowhere' not found; `hts setup` makes it",
        ),
        (
            {"codes": {"pw": "ph@localhost", "ph": "ph@localhost", "q2r": "q2r@localhost", "epw": "epw@localhost"}},
            "codes.pw: ph@localhost is of plugin hts.ph, quantumespresso.pw was wanted",
        ),
        ({"families": family("Li")}, "family 'LDA/vbc' has no pseudopotential of Li; it has Al, B, H, Mg, Si"),
        ({"pseudo_family": "PBE"}, "pseudopotential family 'PBE' not found; there are: "),
        ({"families": family("Li"), "pseudo_family": "PAW"}, "is PAW; EPW wants norm-conserving"),
        ({"families": family("Li"), "pseudo_family": "US"}, "is ultrasoft; EPW wants norm-conserving"),
        ({"overrides": {"dft": {"ecutwfc": 20}}}, "dft has no setting 'ecutwfc', did you mean ecutwfc_ry?"),
        ({"overrides": {"nonsense": {}}}, "overrides.nonsense: unknown stage"),
        ({"resources": {"default": {"queue_name": "q\nrm -rf"}}}, "resources.default.queue_name"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    changes: dict[str, Any],
    message: str,
    campaign: Callable[..., dict[str, Any]],
    stored: Callable[[], tuple[int, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(campaign(**changes)))
    before = stored()
    assert run(["run", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("Error: ")
    assert message in line
    assert stored() == before


@pytest.mark.usefixtures("ready_profile")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/nope.yaml"], "nope.yaml: cannot be read (No such file or directory)"),
        (["{tmp}"], "cannot be read (Is a directory)"),
        (["{tmp}/campaign.yaml", "--profile", "nope"], "profile 'nope' not found"),
        (["{tmp}/campaign.yaml", "--workers", "many"], "'many' is not a valid integer"),
        # the temporary profile of these tests has no broker: everything up to there is fine
        (["{tmp}/campaign.yaml"], "has no broker, one was wanted; run `hts setup --profile hts`"),
    ],
)
def test_a_wrong_argument_is_one_line_and_leaves_nothing(
    arguments: list[str],
    message: str,
    campaign: Callable[..., dict[str, Any]],
    stored: Callable[[], tuple[int, int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(campaign()))
    before = stored()
    assert run(["run", *(word.format(tmp=tmp_path) for word in arguments)]) == 2
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert message in line
    assert stored() == before


def test_without_quantum_espresso_no_profile_is_made(tmp_path: Path, campaign: Callable[..., dict[str, Any]]) -> None:
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(campaign()))
    (tmp_path / "bin").mkdir()
    environment = os.environ | {"AIIDA_PATH": str(tmp_path / "aiida"), "PATH": str(tmp_path / "bin")}
    (tmp_path / "aiida").mkdir()
    for arguments, message in (
        (["setup"], "pw.x, ph.x, q2r.x, epw.x, projwfc.x not found on PATH; `apt-get install quantum-espresso"),
        (["run", str(file)], "no AiiDA profile in "),
    ):
        ended = subprocess.run(
            [*HTS, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 2
        assert ended.stdout == ""
        [line] = ended.stderr.splitlines()
        assert line.startswith(f"Error: {message}")


def test_nothing_to_do_needs_no_daemon(
    ready_profile: Any, campaign: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A campaign that has been decided is told from the graph; this profile could not start a daemon."""
    from hts.campaign import Campaign
    from hts.store import launch

    content = campaign(name="decided", families=[ALUMINIUM])
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(content))
    prepared = launch.prepare(Campaign.model_validate(content))
    builder = prepared.builder(prepared.candidates[0])
    node = orm.WorkChainNode(label=builder.metadata.label, process_type="aiida.workflows:hts.screening")
    node.base.links.add_incoming(builder.identity.store(), LinkType.INPUT_WORK, "identity")
    node.set_process_state("finished")
    node.set_exit_status(403)
    node.store()
    launch.campaign_group("decided", create=True).add_nodes([node])
    assert run(["run", str(file)]) == 1
    captured = capsys.readouterr()
    assert "undecided: perovskite-Al2H3-Al_Al_H: ended with exit code 403" in captured.err
    assert "Type next: hts candidates decided" in captured.err


@pytest.mark.engine
def test_a_process_that_stays_paused_ends_the_run(
    sleeping_codes: None,
    campaign: Callable[..., dict[str, Any]],
    require_executable: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The run says which one, why, and what to type; its candidate is undecided."""
    require_executable("mpirun")
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(campaign(families=[ALUMINIUM])))
    daemon.start()
    launch.submit_missing(launch.prepare(Campaign.from_yaml(file)))
    jobs = orm.QueryBuilder().append(orm.CalcJobNode, filters={"attributes": {"has_key": "job_id"}})
    wait_until(lambda: jobs.count() > 0, "a job runs", LIMIT_SECONDS)
    job = jobs.first(flat=True)
    pause_processes([job], msg_text="the disk is full", timeout=LIMIT_SECONDS)
    wait_until(lambda: job.paused, "it is paused", LIMIT_SECONDS)
    monkeypatch.setattr(paused, "WAITS_SECONDS", ())
    capsys.readouterr()
    try:
        assert run(["run", str(file)]) == 1
    finally:
        kill_processes([job], timeout=LIMIT_SECONDS)
    [line] = [line for line in capsys.readouterr().err.splitlines() if "Error" in line]
    assert line.startswith(f"Error: PwCalculation<{job.pk}> of tiny/perovskite-Al2H3-Al_Al_H is still paused after ")
    assert f": the disk is full; mend that, type `verdi process play {job.pk}`" in line
    [record] = query.candidates("tiny")
    assert (record.verdict, record.reason) == ("undecided", "still running: relax")


class Installation:
    """An AIIDA_PATH of its own, in which `hts` runs as a user runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {"AIIDA_PATH": str(folder)}

    def hts(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command."""
        return subprocess.run(
            [*HTS, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    def processes(self) -> list[dict[str, Any]]:
        """Return all stored processes with caller, name given by the caller, and hash of the inputs."""
        script = (
            "import json; from aiida import load_profile, orm; from aiida.common.links import LinkType as L\n"
            "load_profile('hts')\n"
            "found = []\n"
            "for node in orm.QueryBuilder().append(orm.ProcessNode).all(flat=True):\n"
            "    calls = node.base.links.get_incoming(link_type=(L.CALL_CALC, L.CALL_WORK)).all()\n"
            "    caller, name = (calls[0].node.pk, calls[0].link_label) if calls else (None, None)\n"
            "    found.append({'label': node.process_label, 'kind': type(node).__name__, 'caller': caller,"
            " 'name': name, 'state': node.process_state.value, 'hash': node.base.caching.get_hash(),"
            " 'exception': node.exception})\n"
            "print(json.dumps(found))\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script], env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(ended.stdout.splitlines()[-1])

    def daemon(self) -> list[psutil.Process]:
        """Return supervisor, broker and workers of this installation."""
        found = []
        for process in psutil.process_iter():
            try:
                words, environment = process.cmdline(), process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if (
                "daemon" in words
                and DAEMON_KINDS & set(words)
                and str(self.folder) in environment.get("AIIDA_PATH", "")
            ):
                found.append(process)
        return found

    def kill_daemon(self) -> int:
        """Kill what `daemon` finds, as a crash of the machine would, and return how many they were."""
        processes = self.daemon()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)
        return len(processes)


@pytest.fixture
def installation(
    tmp_path: Path, require_executable: Callable[[str], Path], debian_pseudos: Path
) -> Iterator[Installation]:
    require_executable("ph.x")
    made = Installation(tmp_path)
    yield made
    made.kill_daemon()


@pytest.mark.engine
@pytest.mark.timeout(4 * LIMIT_SECONDS)
def test_a_campaign_survives_ctrl_c_and_a_killed_daemon(
    installation: Installation, campaign: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """Coarse settings, for speed: what is physical here is only that this perovskite is far from stable."""
    file = tmp_path / "tiny.yaml"
    content = campaign(
        families=[ALUMINIUM],
        gates={"max_hull_ev_per_atom": 5, "min_frequency_cm1": -20, "min_tc_k": 1},
        overrides={
            "dft": {"ecutwfc_ry": 12, "kpoints_distance_inv_ang": 0.8},
            "relax": {"pressure_tolerance_gpa": 10.0},
        },
    )
    file.write_text(yaml.safe_dump(content))
    assert installation.hts("setup").returncode == 0

    with subprocess.Popen(
        [*HTS, "run", str(file)], env=installation.environment, stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stderr is not None
        seen = next((line for line in first.stderr if "reference/" in line), "")
        assert "submitted as" in seen
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=LIMIT_SECONDS)
    assert first.returncode == 130
    assert "what has been submitted goes on" in errors
    assert "Traceback" not in errors
    assert installation.kill_daemon() >= 3
    assert installation.daemon() == []

    second = installation.hts("run", str(file))
    assert second.returncode == 0, second.stderr
    assert "10 GPa: unstable, imaginary mode" in second.stderr
    assert installation.daemon() == []

    # SIGKILL between the storing of a process and of its checkpoint leaves one that never ran; it is made anew.
    stillborn = "does not have a saved checkpoint"
    processes = [one for one in installation.processes() if stillborn not in (one["exception"] or "")]
    assert {process["state"] for process in processes} == {"finished"}
    assert Counter(process["label"] for process in processes)["ScreeningWorkChain"] == 1
    jobs = [process for process in processes if process["kind"] == "CalcJobNode"]
    assert len(jobs) >= 10
    assert [what for what, times in Counter(job["hash"] for job in jobs).items() if times > 1] == []
    calls = Counter((one["caller"], one["name"]) for one in processes if one["kind"] != "CalcFunctionNode")
    assert [call for call, times in calls.items() if times > 1] == []

    check_the_answers(installation, file)


def check_the_answers(installation: Installation, file: Path) -> None:
    """See that everything can be asked for afterwards, and that another run has nothing to do."""
    [record] = json.loads(installation.hts("candidates", "tiny", "--json").stdout)
    assert record["verdict"] == "dynamically_unstable"
    assert record["highest_unstable_pressure_gpa"] == 10
    assert record["hull_ev_per_atom"] > 0
    assert record["flags"] == ["hull_incomplete"]
    assert record["cost_core_hours"] > 0

    status = json.loads(installation.hts("status", str(file), "--json").stdout)
    counts = {
        one["stage"]: (one["entered"], one["passed"], one["failed"], one["undecided"]) for one in status["stages"]
    }
    assert counts == {
        "relax": (1, 1, 0, 0),
        "hull": (1, 1, 0, 0),
        "decompress": (1, 0, 1, 0),
        "coupling": (0, 0, 0, 0),
        "tc": (0, 0, 0, 0),
    }
    assert status["jobs"]["failed"] == status["jobs"]["recovered"]
    assert 0 < status["idle_seconds"] < status["wall_seconds"]

    told = installation.hts("explain", "Al2H3").stdout
    assert "perovskite-Al2H3-Al_Al_H: dynamically_unstable" in told
    assert "softest mode -" in told

    third = installation.hts("run", str(file))
    assert third.returncode == 0
    assert third.stderr == "Type next: hts candidates tiny\n"
    assert len(installation.processes()) > 0
