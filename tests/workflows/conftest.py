"""A profile for whole stages: made once a session, with computer, codes and family set up as `hts setup` does it.

It is loaded for one module at a time and the one before is put back, so that other tests never see it. AiiDA's cache is
on: a job with the inputs of an earlier one is not run again, which lets many faults share the healthy part of a funnel.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.manage.configuration import profile_context
from aiida.plugins import WorkflowFactory

from hts.store import codes as store_codes
from hts.store import pseudos as store_pseudos

FAMILY = store_pseudos.DEBIAN_LABEL
CACHED = "aiida.calculations:*"
# The smallest settings that still make a metal of Al: k 8x8x8, q 2x2x2, a coarse mesh of 4x4x4, two coarse fine ones.
DFT = {"ecutwfc_ry": 15.0, "kpoints_distance_inv_ang": 0.36}
OVERRIDES = {
    "dft": DFT,
    "coupling": {
        "coarse_distance_inv_ang": 0.7,
        "max_coarse_meshes": 1,
        "estimate_distance_inv_ang": 0.35,
        "fine_distances_inv_ang": [0.18, 0.14],
        "smearings_ev": [0.1, 0.2],
    },
}
AMBIENT = {"start": 0.0, "stop": 0.0, "step": 10.0, "resolution": 10.0}
GATES = {"max_hull_ev_per_atom": 5.0, "min_frequency_cm1": -20.0, "min_tc_k": 0.0}

Run = Callable[..., tuple[dict[str, Any], orm.WorkChainNode]]


@pytest.fixture(scope="session")
def stage_profile(
    aiida_config: Any,
    aiida_profile: Any,
    aiida_profile_factory: Any,
    require_executable: Callable[[str], Path],
    debian_pseudos: Path,
) -> Any:
    """Return a profile with computer, codes and family; it is not the loaded one."""
    for executable, _ in store_codes.CODES.values():
        require_executable(executable)
    with aiida_profile_factory(aiida_config) as profile:
        store_codes.setup_computer()
        orm.load_computer(store_codes.COMPUTER_LABEL).set_minimum_job_poll_interval(0.5)
        store_codes.setup_codes(store_codes.find_executables())
        cutoffs_ry = store_pseudos.debian_cutoffs_ry(
            store_pseudos.select_files(debian_pseudos, store_pseudos.DEBIAN_PATTERN)
        )
        store_pseudos.install_family(FAMILY, debian_pseudos, store_pseudos.DEBIAN_PATTERN, cutoffs_ry)
    aiida_config.set_default_profile(aiida_profile.name, overwrite=True)
    aiida_config.store()
    return profile


@pytest.fixture(scope="module")
def stages(stage_profile: Any) -> Iterator[Any]:
    """Load the profile of the stages for one module, with caching."""
    with profile_context(stage_profile, allow_switch=True), enable_caching(identifier=CACHED):
        yield stage_profile


@pytest.fixture(scope="module")
def codes(stages: Any) -> dict[str, orm.AbstractCode]:
    """Return the real codes by label."""
    return {label: orm.load_code(f"{label}@{store_codes.COMPUTER_LABEL}") for label in store_codes.CODES}


@pytest.fixture
def wrapped(codes: dict[str, orm.AbstractCode], tmp_path: Path) -> Callable[[str, str], orm.AbstractCode]:
    """Return a function that makes a code of a bash script around a real one, which may use ``$REAL`` and ``$CALL``."""

    def make(label: str, script: str) -> orm.AbstractCode:
        real = codes[label]
        path = tmp_path / f"{label}.sh"
        path.write_text(
            f"#!/bin/bash\nREAL={real.filepath_executable}\necho >> {tmp_path}/{label}.calls\n"
            f"CALL=$(wc -l < {tmp_path}/{label}.calls)\n{script}\n"
        )
        path.chmod(0o755)
        return orm.InstalledCode(
            label=f"{label}-{tmp_path.name}",
            computer=real.computer,
            filepath_executable=str(path),
            default_calc_job_plugin=real.default_calc_job_plugin,
        ).store()

    return make


@pytest.fixture(scope="module")
def run(codes: dict[str, orm.AbstractCode]) -> Run:
    """Return a function that runs a stage to its end: entry point, structure and the builder's keywords."""

    def to_the_end(entry_point: str, structure: orm.StructureData, **inputs: Any) -> tuple[dict[str, Any], Any]:
        given = {"protocol": "fast", "overrides": OVERRIDES, **inputs}
        used = {**codes, **given.pop("replace", {})}
        builder = WorkflowFactory(entry_point).get_builder_from_protocol(used, structure, FAMILY, **given)
        return run_get_node(builder)

    return to_the_end


@pytest.fixture(scope="module")
def screen(run: Run) -> Run:
    """Return a function that runs the whole funnel at 0 GPa, with gates that let everything through unless given."""

    def through(structure: orm.StructureData, **inputs: Any) -> tuple[dict[str, Any], Any]:
        gates = {**GATES, **inputs.pop("gates", {})}
        formula = structure.get_pymatgen().composition.reduced_formula
        identity = {"key": f"{formula}-test", "prototype": "test", "formula": formula}
        return run("hts.screening", structure, **{"identity": identity, "ladder": AMBIENT, "gates": gates, **inputs})

    return through


@pytest.fixture(scope="session")
def crystals() -> dict[str, Any]:
    """Return lattice parameters (Angstrom) and fractional sites of the primitive fcc cells that are screened."""
    return {
        "Al": (3.944, [("Al", (0, 0, 0))]),
        "AlH": (4.119, [("Al", (0, 0, 0)), ("H", (0.5, 0.5, 0.5))]),
        "AlSi": (5.5, [("Al", (0, 0, 0)), ("Si", (0.25, 0.25, 0.25))]),
        "AlSi-rocksalt": (5.1, [("Al", (0, 0, 0)), ("Si", (0.5, 0.5, 0.5))]),
        "Mg": (3.9, [("Mg", (0, 0, 0))]),
        "Si": (5.38, [("Si", (0, 0, 0)), ("Si", (0.25, 0.25, 0.25))]),
    }


@pytest.fixture
def crystal(stages: Any, crystals: dict[str, Any]) -> Callable[..., orm.StructureData]:
    """Return a function that makes one of the crystals, scaled if wanted."""

    def make(name: str, scale: float = 1.0) -> orm.StructureData:
        edge_ang, sites = crystals[name]
        half = scale * edge_ang / 2
        structure = orm.StructureData(cell=[[0, half, half], [half, 0, half], [half, half, 0]])
        for symbol, fraction in sites:
            structure.append_atom(position=tuple(2 * half * x for x in fraction), symbols=symbol)
        return structure

    return make


@pytest.fixture(scope="session")
def uuids() -> dict[str, str]:
    """Return what was run once a session and is looked at by several modules; nodes do not survive a profile switch."""
    return {}


@pytest.fixture
def al_funnel(screen: Run, crystal: Callable[..., orm.StructureData], uuids: dict[str, str]) -> orm.WorkChainNode:
    """Return the finished funnel of fcc Al, the smallest full chain."""
    if "al" not in uuids:
        uuids["al"] = screen(crystal("Al"))[1].uuid
    return orm.load_node(uuids["al"])


@pytest.fixture
def child_of() -> Callable[[orm.WorkChainNode, str], Any]:
    """Return a function that finds the process called with a link label."""

    def find(node: orm.WorkChainNode, label: str) -> Any:
        links = node.base.links.get_outgoing(link_label_filter=label).all()
        return next(link.node for link in links if isinstance(link.node, orm.ProcessNode))

    return find


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    """Return the cheap overrides that `run` uses."""
    return OVERRIDES


@pytest.fixture(scope="session")
def alh() -> dict[str, Any]:
    """Return what the AlH tests share; a softer tolerance, because solid H2 at 0 GPa is softer than 20 Ry resolves."""
    dft = {"ecutwfc_ry": 20.0, "kpoints_distance_inv_ang": 0.5}
    relax = {"pressure_tolerance_gpa": 1.0, "press_conv_thr_kbar": 2.0}
    return {"overrides": {"dft": dft, "relax": relax}}


@pytest.fixture
def epw_keywords() -> dict[str, Any]:
    """Return the keywords of a whole run of epw.x on fcc Al, which the tests of plugin and parser vary."""
    return {
        "nbndsub": 4, "num_iter": 0, "dis_win_max": 33.4, "dis_froz_max": 9.9, "proj": ["Al:s;p"],
        "wdata": ["dis_num_iter=100"], "use_ws": False, "etf_mem": 1, "fsthick": 0.81, "degaussw": 0.2, "degaussq": 0.5,
        "nqsmear": 1, "ephwrite": True, "eliashberg": True, "wscut": 0.3, "muc": 0.1, "nstemp": 1, "temps": [1.0],
        "nk1": 4, "nk2": 4, "nk3": 4, "nq1": 2, "nq2": 2, "nq3": 2, "mp_mesh_k": True,
        "nkf1": 8, "nkf2": 8, "nkf3": 8, "nqf1": 4, "nqf2": 4, "nqf3": 4,
    }  # fmt: skip
