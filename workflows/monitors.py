"""A monitor of running ph.x jobs: it ends a q-point at its first imaginary mode, and its siblings with it."""

import json
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from aiida import orm
from aiida.engine.processes.calcjobs.monitors import CalcJobMonitorResult
from aiida.transports import Transport
from aiida_quantumespresso.calculations.ph import PhCalculation

from hts.dynmat import read_qpoint_list
from hts.errors import ParseError
from hts.little_group import little_group
from hts.partial_dynmat import partial_modes, read_partial_matrix, read_patterns
from hts.phonons import fractional_qpoint
from hts.soft_mode import soft_mode
from hts.stopped_jobs import STOPPED_KEY
from hts.units import RY_MASS_PER_AMU
from workflows.calculations.ph import PARTIAL_MODES_FILE

IMAGINARY_KEY = "hts_imaginary_cm1"
# Job -> how many representations of it were found real: at most polls there is no further one, and nothing to fetch.
_judged: dict[int | None, int] = {}
# AiiDA looks at every poll, once a second; with its queries a look costs up to 0.2 s of a core that a job could use.
_SHARE_OF_A_CORE, _LONGEST_PAUSE_SECONDS = 0.05, 3.0
_next_look: dict[int | None, float] = {}
_PHSAVE = PurePosixPath(PhCalculation._OUTPUT_SUBFOLDER) / "_ph0" / f"{PhCalculation._PREFIX}.phsave"


def imaginary_mode(
    node: orm.CalcJobNode, transport: Transport, min_frequency_cm1: float
) -> CalcJobMonitorResult | None:
    """Stop a q-point that has shown an imaginary mode, or whose sibling on the same scf has.

    ph.x stores the rows of each irreducible representation when it is done with it. The part that is there can prove an
    instability (`hts.partial_dynmat`); the remaining representations would cost time and change nothing.

    Parameters
    ----------
    node : CalcJobNode
        A running ``hts.ph`` job.
    transport : Transport
        To its machine.
    min_frequency_cm1 : float
        A frequency below this is an instability.

    Returns
    -------
    CalcJobMonitorResult or None
        The job leaves a file of its modes (`workflows.parsers.ph.read_partial_modes`) if it has the mode itself, none
        where a sibling has. None: go on.
    """
    if time.monotonic() < _next_look.get(node.pk, 0.0):
        return None
    started = time.thread_time()
    try:
        return _look(node, transport, min_frequency_cm1)
    finally:
        pause = (time.thread_time() - started) / _SHARE_OF_A_CORE
        _next_look[node.pk] = time.monotonic() + min(pause, _LONGEST_PAUSE_SECONDS)


def _look(node: orm.CalcJobNode, transport: Transport, min_frequency_cm1: float) -> CalcJobMonitorResult | None:
    sibling = _unstable_sibling(node, min_frequency_cm1)
    if sibling is not None:
        node.base.extras.set(STOPPED_KEY, time.time())
        return CalcJobMonitorResult(message=f"no longer needed: {sibling} has an imaginary mode", parse=False)
    try:
        found = _read_modes(node, transport)
    except (ParseError, OSError):
        return None  # not written yet, or just being written: the next look will tell
    if found is None:
        return None
    if found["lowest_cm1"] >= min_frequency_cm1:
        _judged[node.pk] = len(found["representations"])
        return None
    node.base.extras.set_many({IMAGINARY_KEY: found["lowest_cm1"], STOPPED_KEY: time.time()})
    # Retrieved with the other files. An output of the monitor would be lost: aiida-core 2.9 can't checkpoint it.
    _write(transport, PurePosixPath(node.get_remote_workdir()) / PARTIAL_MODES_FILE, json.dumps(found))
    message = f"imaginary mode at {found['lowest_cm1']:.0f} cm-1; the rest of this q-point is not needed"
    return CalcJobMonitorResult(message=message, parse=False)


def _unstable_sibling(node: orm.CalcJobNode, min_frequency_cm1: float) -> str | None:
    """Return the name of another q-point of the same process and scf that has an imaginary mode."""
    if node.caller is None:
        return None
    lowest = {"<": min_frequency_cm1}
    for flagged, parameters in (({f"extras.{IMAGINARY_KEY}": lowest}, None), ({}, {"attributes.lowest_cm1": lowest})):
        query = orm.QueryBuilder()
        query.append(orm.RemoteData, filters={"id": node.inputs.parent_folder.pk}, tag="scf")
        query.append(orm.CalcJobNode, with_incoming="scf", filters={"id": {"!==": node.pk}, **flagged}, tag="job")
        query.append(orm.WorkChainNode, with_outgoing="job", filters={"id": node.caller.pk})
        query.append(orm.Int, with_outgoing="job", edge_filters={"label": "qpoint_index"}, project="attributes.value")
        if parameters is not None:
            query.append(orm.Dict, with_incoming="job", filters=parameters)
        found = query.first(flat=True)
        if found is not None:
            return f"q {found}"
    return None


def _read_modes(node: orm.CalcJobNode, transport: Transport) -> dict[str, Any] | None:
    """Diagonalise what a job has stored so far; None at Gamma, whose translations are told apart in the whole only."""
    root = PurePosixPath(node.get_remote_workdir())
    index = node.inputs.qpoint_index.value
    names = transport.listdir(str(root / _PHSAVE), f"dynmat.{index}.*.xml")
    stored = sorted(int(name.split(".")[2]) for name in names)
    creator = node.inputs.parent_folder.creator
    if len(stored) < 2 or index == 1 or creator is None or len(stored) - 1 == _judged.get(node.pk):
        return None
    _, cartesian = read_qpoint_list(_read(transport, root / f"{PhCalculation._OUTPUT_DYNAMICAL_MATRIX_PREFIX}0"))
    structure = creator.inputs.structure
    crystal = structure.get_pymatgen()
    masses_ry = RY_MASS_PER_AMU * np.array([structure.get_kind(site.kind_name).mass for site in structure.sites])
    group = little_group(crystal, fractional_qpoint(cartesian[index - 1], crystal.lattice.matrix))
    patterns = read_patterns(_read(transport, root / _PHSAVE / f"patterns.{index}.xml"))
    size = len(patterns.vectors)
    parts = {
        number: read_partial_matrix(_read(transport, root / _PHSAVE / f"dynmat.{index}.{number}.xml"), size)
        for number in stored
    }
    modes = partial_modes(patterns, parts, masses_ry, group)
    lowest = soft_mode(modes.frequencies_cm1, modes.eigenvectors, group, [site.specie.symbol for site in crystal])
    return {
        "qpoint_index": index,
        "qpoint_2pi_over_a": cartesian[index - 1].tolist(),
        "representations": list(modes.representations),
        "number_of_representations": len(patterns.sizes),
        "frequencies_cm1": modes.frequencies_cm1.tolist(),
        "lowest_cm1": float(modes.frequencies_cm1[0]),
        "softest_mode": lowest,
    }


def _write(transport: Transport, path: PurePosixPath, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "file"
        local.write_text(text, encoding="utf-8")
        transport.putfile(str(local), str(path))


def _read(transport: Transport, path: PurePosixPath) -> str:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "file"
        transport.getfile(str(path), str(local))
        return local.read_text(encoding="utf-8", errors="replace")
