"""A provenance graph made by hand: real nodes with real links, as the engine stores them, without running anything."""

import hashlib
import io
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage import get_manager
from aiida_pseudo.data.pseudo.upf import UpfData
from pymatgen.core import Composition, Lattice, Structure

from hts.job_times import FINISHED_LINE, STARTED_LINE
from hts.store import codes as store_codes
from hts.store import daemon as store_daemon
from hts.store import profile as store_profile
from hts.store import pseudos as store_pseudos
from hts.store.launch import campaign_group

SCREENING_TYPE = "aiida.workflows:hts.screening"
DFT: dict[str, Any] = {
    "ecutwfc_ry": 60.0,
    "ecutrho_ry": 240.0,
    "kpoints_distance_inv_ang": 0.27,
    "smearing": "mp",
    "degauss_ry": 0.02,
}


def stamp(line: str, seconds: float) -> str:
    """Return what a stamp's echo prints."""
    return line.removeprefix('echo "').removesuffix('"').replace("$(date +%s.%N)", f"{seconds:.9f}")


class Graph:
    """Stores screenings, their children and their results."""

    def __init__(self) -> None:
        self.computer = orm.Computer("graph", "localhost", "", "core.local", "core.direct", "/scratch").store()
        self.now = datetime.now(tz=UTC)

    def screening(
        self,
        formula: str = "AlH3",
        *,
        campaign: str = "one",
        label: str | None = None,
        state: str = "finished",
        exit_status: int | None = 0,
        age_seconds: float = 0.0,
        grouped: bool = True,
        inputs: dict[str, orm.Data] | None = None,
    ) -> orm.WorkChainNode:
        """Store a screening of a candidate `perovskite-<formula>`."""
        key = f"perovskite-{formula}"
        identity = orm.Dict({"key": key, "prototype": "perovskite", "formula": formula}).store()
        node = orm.WorkChainNode(
            label=label or f"{campaign}/{key}/0123456789ab",
            process_type=SCREENING_TYPE,
            ctime=self.now - timedelta(seconds=age_seconds),
        )
        for name, value in {"identity": identity, **(inputs or {})}.items():
            node.base.links.add_incoming(value.store(), LinkType.INPUT_WORK, name)
        self._end(node, "ScreeningWorkChain", state, exit_status)
        node.store()
        if grouped:
            campaign_group(campaign, create=True).add_nodes([node])
        return node

    def call(
        self,
        parent: orm.WorkChainNode,
        link_label: str,
        process_label: str = "RelaxWorkChain",
        *,
        state: str = "finished",
        exit_status: int | None = 0,
        message: str | None = None,
        process_type: str | None = None,
    ) -> orm.WorkChainNode:
        """Store a work chain that a process has called."""
        node = orm.WorkChainNode(process_type=process_type)
        node.base.links.add_incoming(parent, LinkType.CALL_WORK, link_label)
        self._end(node, process_label, state, exit_status, message)
        return node.store()

    def job(
        self,
        parent: orm.WorkChainNode,
        link_label: str = "iteration_01",
        process_label: str = "PwCalculation",
        *,
        state: str = "finished",
        exit_status: int | None = 0,
        ranks: int = 1,
        ran: tuple[float, float | None] | None = None,
        stdout: str | None = None,
    ) -> orm.CalcJobNode:
        """Store a job; `ran` are seconds from now between which its code ran, as its stamps tell."""
        node = orm.CalcJobNode(computer=self.computer, ctime=self.now - timedelta(seconds=50))
        node.base.links.add_incoming(parent, LinkType.CALL_CALC, link_label)
        self._end(node, process_label, state, exit_status)
        node.set_option("resources", {"num_machines": 1, "num_mpiprocs_per_machine": ranks})
        node.set_option("scheduler_stdout", "_scheduler-stdout.txt")
        node.set_remote_workdir(f"/scratch/ab/cd/{node.uuid}")
        node.store()
        if ran is not None:
            lines = [stamp(STARTED_LINE, self.now.timestamp() + ran[0])]
            lines += [stamp(FINISHED_LINE, self.now.timestamp() + ran[1])] if ran[1] is not None else []
            stdout = "\n".join(lines)
        if stdout is not None:
            retrieved = orm.FolderData()
            retrieved.base.repository.put_object_from_bytes(stdout.encode(), "_scheduler-stdout.txt")
            retrieved.base.links.add_incoming(node, LinkType.CREATE, "retrieved")
            retrieved.store()
        return node

    def judge(self, screening: orm.WorkChainNode, stage: str, verdict: str, **numbers: float) -> orm.Dict:
        """Store the judgement of a stage, as `judge_stage` does."""
        content = {"stage": stage, "verdict": verdict, "reason": f"{stage} {verdict}", "numbers": numbers}
        return self._create(screening, "judge_stage", {**content, "thresholds": {"gate": 0.3}, "flags": []})

    def result(self, process: orm.WorkChainNode, label: str, content: dict[str, Any]) -> orm.Dict:
        """Store a result of a process, made by a calcfunction."""
        node = self._create(process, "summarise", content)
        node.base.links.add_incoming(process, LinkType.RETURN, label)
        return node

    def record(self, screening: orm.WorkChainNode, **changes: Any) -> orm.Dict:
        """Store the summary of a screening."""
        identity = screening.inputs.identity.get_dict()
        tc_k = changes.pop("tc_k", {})
        content = {**identity, "verdict": "ambient", "reason": "as it is", "tc_k": {"allen_dynes": tc_k}, **changes}
        return self.result(screening, "candidate", content)

    def structure(self, screening: orm.WorkChainNode, structure: Any) -> orm.StructureData:
        """Store the relaxed crystal of a screening."""
        node = orm.StructureData(pymatgen=structure).store()
        node.base.links.add_incoming(screening, LinkType.RETURN, "structure")
        return node

    def relaxation(
        self,
        formula: str,
        enthalpy_ev_per_atom: float = 0.0,
        *,
        pressure_gpa: float = 0.0,
        label: str = "",
        called_by: orm.WorkChainNode | None = None,
        exit_status: int = 0,
        dft: dict[str, Any] | None = None,
        files: str = "first",
        **changes: Any,
    ) -> orm.WorkChainNode:
        """Store a relaxation with its inputs and, where it did not fail, its result; `files` names its pseudos."""
        symbols = [element.symbol for element in Composition(formula).elements]
        settings = dict(DFT) | (dft or {})
        node = orm.WorkChainNode(label=label, process_type="aiida.workflows:hts.relax")
        sites = [[index / len(symbols), 0, 0] for index in range(len(symbols))]
        crystal = orm.StructureData(pymatgen=Structure(Lattice.cubic(4.0), symbols, sites)).store()
        inputs = {"structure": crystal, "pressure_gpa": orm.Float(pressure_gpa).store()}
        inputs["settings"] = orm.Dict({"dft": settings}).store()
        pseudos = {symbol: self.pseudo(symbol, files) for symbol in symbols}
        inputs |= {f"pseudos__{symbol}": pseudo for symbol, pseudo in pseudos.items()}
        for name, value in inputs.items():
            node.base.links.add_incoming(value, LinkType.INPUT_WORK, name)
        if called_by is not None:
            node.base.links.add_incoming(called_by, LinkType.CALL_WORK, label.replace("/", "_") or "relax")
        message = "vc-relax failed:\nno convergence" if exit_status else None
        self._end(node, "RelaxWorkChain", "finished", exit_status, message)
        node.store()
        if not exit_status:
            md5s = {symbol: pseudo.md5 for symbol, pseudo in pseudos.items()}
            content = {"formula": formula, "enthalpy_ev_per_atom": enthalpy_ev_per_atom, "pressure_gpa": pressure_gpa}
            content |= {"n_atoms": 2, "volume_ang3": 20.0, "space_group_number": 225}
            basis = {"pressure_gpa": pressure_gpa, **settings, "pseudos": md5s}
            self.result(node, "relaxation", {**content, "basis": basis, **changes})
        return node

    def pseudo(self, symbol: str, files: str = "first") -> UpfData:
        """Return the pseudopotential of an element from a set of files, stored once."""
        text = f'<UPF version="2.0.1">\n<!-- {files} -->\n<PP_HEADER element="{symbol}" z_valence="1.0"/>\n</UPF>\n'
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        found = orm.QueryBuilder().append(UpfData, filters={"attributes.md5": md5}).first(flat=True)
        return found or UpfData(io.BytesIO(text.encode()), filename=f"{symbol}.upf").store()

    def hull(self, relaxation: orm.WorkChainNode, missing: list[str]) -> orm.WorkChainNode:
        """Store a hull that placed a relaxation and missed something."""
        node = orm.WorkChainNode(process_type="aiida.workflows:hts.hull")
        node.base.links.add_incoming(relaxation.outputs.relaxation, LinkType.INPUT_WORK, "relaxation")
        self._end(node, "HullWorkChain", "finished", 0)
        node.store()
        self.result(node, "placement", {"missing": missing})
        return node

    def _create(self, caller: orm.WorkChainNode, name: str, content: dict[str, Any]) -> orm.Dict:
        function = orm.CalcFunctionNode()
        function.base.links.add_incoming(caller, LinkType.CALL_CALC, name)
        self._end(function, name, "finished", 0)
        function.store()
        node = orm.Dict(content)
        node.base.links.add_incoming(function, LinkType.CREATE, "result")
        return node.store()

    @staticmethod
    def _end(
        node: orm.ProcessNode, process_label: str, state: str, exit_status: int | None, message: str | None = None
    ) -> None:
        node.set_process_label(process_label)
        node.set_process_state(state)
        if state == "finished":
            node.set_exit_status(exit_status)
            node.set_exit_message(message)


@pytest.fixture
def graph(aiida_profile_clean: Any) -> Graph:
    """Return an empty profile to store nodes in."""
    return Graph()


@pytest.fixture(scope="module")
def module_graph(aiida_profile: Any) -> Graph:
    """Return an empty profile to store nodes in, for tests that only look at them."""
    aiida_profile.reset_storage()
    return Graph()


@pytest.fixture
def stored() -> Callable[[], tuple[int, int]]:
    """Return a function that counts the nodes and groups of the loaded profile."""

    def count() -> tuple[int, int]:
        return orm.QueryBuilder().append(orm.Node).count(), orm.QueryBuilder().append(orm.Group).count()

    return count


CAMPAIGN: dict[str, Any] = {
    "name": "tiny",
    "protocol": "fast",
    "pseudo_family": "LDA/vbc",
    "families": [{"prototype": "perovskite", "sites": {"A": ["Al", "Mg"], "B": ["Al"], "X": ["H"]}}],
    "pressures_gpa": {"start": 10, "stop": 10, "step": 10, "resolution": 10},
    "codes": {program: f"{program}@localhost" for program in ("pw", "ph", "q2r", "epw")},
    "max_candidates": 1,
}


@pytest.fixture
def campaign() -> Callable[..., dict[str, Any]]:
    """Return a function that gives the content of a campaign file, with some keys changed."""

    def content(**changes: Any) -> dict[str, Any]:
        return deepcopy(CAMPAIGN) | changes

    return content


@pytest.fixture(scope="module")
def ready_profile(aiida_profile: Any, debian_pseudos: Path) -> Any:
    """Return the temporary profile with computer, codes and pseudopotentials, as `hts setup` makes them."""
    aiida_profile.reset_storage()
    store_codes.setup_computer()
    # Nothing is run in this profile: the codes need not be there.
    store_codes.setup_codes({label: Path("/usr/bin") / name for label, (name, _) in store_codes.CODES.items()})
    files = store_pseudos.select_files(debian_pseudos, store_pseudos.DEBIAN_PATTERN)
    values = store_pseudos.debian_cutoffs_ry(files)
    store_pseudos.install_family(CAMPAIGN["pseudo_family"], debian_pseudos, store_pseudos.DEBIAN_PATTERN, values)
    return aiida_profile


@pytest.fixture
def hts_profile(aiida_config_tmp: Any) -> Iterator[str]:
    """Load a fresh profile `hts` with its computer; afterwards its daemon is stopped and the old profile is back."""
    manager = get_manager()
    before = manager.get_profile()
    store_profile.create(store_profile.PROFILE_NAME)
    store_profile.load(store_profile.PROFILE_NAME)
    store_codes.setup_computer()
    yield store_profile.PROFILE_NAME
    store_daemon.stop()
    manager.load_profile(before, allow_switch=True)


@pytest.fixture
def sleeping_codes(hts_profile: str, debian_pseudos: Path, tmp_path: Path) -> None:
    """Set up a pw.x that takes five minutes, codes that do nothing, and Debian's pseudopotentials."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for label, (name, _) in store_codes.CODES.items():
        (folder / name).write_text(f"#!/bin/sh\n{'sleep 300' if label == 'pw' else 'true'}\n")
        (folder / name).chmod(0o755)
    store_codes.setup_codes(store_codes.find_executables(folder))
    cutoffs = store_pseudos.debian_cutoffs_ry(store_pseudos.select_files(debian_pseudos, store_pseudos.DEBIAN_PATTERN))
    store_pseudos.install_family(store_pseudos.DEBIAN_LABEL, debian_pseudos, store_pseudos.DEBIAN_PATTERN, cutoffs)
