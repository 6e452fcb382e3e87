"""What the engine has stored of real descents, drawn and animated by the commands."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import phonopy
import pytest
from aiida import orm
from pytest import CaptureFixture

from hts.cli.main import run as hts
from hts.store.launch import campaign_group
from hts.store.softening import load_bands, load_softening
from hts.units import CM1_PER_THZ

pytestmark = pytest.mark.engine


@pytest.fixture
def in_campaign(stages: Any) -> Iterator[Callable[[orm.WorkChainNode], str]]:
    """Return a function that puts a screening into a campaign, where commands look for it, and gives its uuid."""
    label = "pictures"

    def put(node: orm.WorkChainNode) -> str:
        campaign_group(label, create=True).add_nodes([node])
        return str(node.uuid)

    yield put
    group = campaign_group(label)
    orm.Group.collection.delete(group.pk)


def test_the_bands_of_aluminium(
    al_funnel: orm.WorkChainNode, in_campaign: Callable[[orm.WorkChainNode], str], stages: Any, tmp_path: Path
) -> None:
    uuid = in_campaign(al_funnel)
    found = load_bands(uuid)
    assert found.pressure_gpa == 0.0
    assert {"GAMMA", "X", "L"} <= {part for _, name in found.ticks for part in name.split("|")}
    assert np.trapezoid(found.dos, found.dos_cm1) == pytest.approx(3, rel=0.1)
    # Aluminium vibrates up to 9.7 THz (R. Stedman and G. Nilsson, Phys. Rev. 145, 492 (1966)).
    highest = max(part.max() for part in found.frequencies_cm1)
    assert highest == pytest.approx(9.7 * CM1_PER_THZ, rel=0.2)
    assert len(load_softening(uuid).curves) == 2
    for picture in ("bands", "softening"):
        path = tmp_path / f"{picture}.png"
        assert hts(["plot", picture, uuid, "-o", str(path), "--profile", stages.name]) == 0
        assert path.stat().st_size > 10_000


def test_what_phonopy_reads_back_is_what_was_interpolated(
    al_funnel: orm.WorkChainNode, child_of: Callable[[orm.WorkChainNode, str], Any], tmp_path: Path
) -> None:
    phonons = child_of(child_of(al_funnel, "decompress"), "phonons_0GPa")
    stored = phonons.outputs.bands.creator.outputs
    path = tmp_path / "phonopy.yaml"
    path.write_text(stored.phonopy.get_content("r"))
    phonon = phonopy.load(path)
    bands = phonons.outputs.bands
    phonon.run_qpoints(bands.get_kpoints())
    assert phonon.get_qpoints_dict()["frequencies"] == pytest.approx(bands.get_bands(), abs=1e-3)
    interpolation = stored.interpolation
    assert interpolation["thermal_reason"] is None
    assert stored.thermal.get_array("free_energy_ev_per_atom")[0] == pytest.approx(
        interpolation["zero_point_ev_per_atom"], rel=1e-4
    )
    # At 300 K aluminium has lost a tenth of the classical heat capacity: c_V 23 of 24.9 J/(mol K).
    kelvin = stored.thermal.get_array("temperatures_k")
    capacity = stored.thermal.get_array("heat_capacity_kb_per_atom")
    assert capacity[kelvin == 300.0] == pytest.approx(3 * 23 / 24.9, rel=0.03)
    # Debye temperature 428 K: entropy at 298 K is 28.3 J/(mol K), 3.40 k_B (CODATA), a tenth of it anharmonic and less.
    assert stored.thermal.get_array("entropy_kb_per_atom")[kelvin == 300.0] == pytest.approx(3.40, rel=0.1)


def test_the_softest_mode_of_aluminium(
    al_funnel: orm.WorkChainNode,
    in_campaign: Callable[[orm.WorkChainNode], str],
    stages: Any,
    tmp_path: Path,
    capsys: CaptureFixture[str],
) -> None:
    """Transverse at L, 4.2 THz: planes that slide against their neighbours, in a cell twice as long each way."""
    uuid = in_campaign(al_funnel)
    path = tmp_path / "al.xyz"
    assert hts(["mode", uuid, "-o", str(path), "--profile", stages.name]) == 0
    said = re.search(r"written: (\S+) cm-1 at q = \((.*?)\)", capsys.readouterr().err)
    assert said is not None
    softest = load_softening(uuid).curves[0]
    assert float(said[1]) == pytest.approx(softest.lowest_cm1[0], abs=0.1)
    assert float(said[1]) == pytest.approx(4.2 * CM1_PER_THZ, rel=0.2)
    lines = path.read_text().splitlines()
    count = int(lines[0])
    assert count == np.prod([2 if x else 1 for x in softest.qpoint])
    first = np.array([line.split()[4:] for line in lines[2 : 2 + count]], dtype=float)
    assert np.linalg.norm(first, axis=1) == pytest.approx(np.full(count, 0.3), abs=1e-6)
    assert first.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    # Transverse: no displacement along the Cartesian q.
    cell = np.array(re.search(r'Lattice="(.*?)"', lines[1])[1].split(), dtype=float).reshape(3, 3)  # type: ignore[index]
    primitive = cell / np.array([2 if x else 1 for x in softest.qpoint])[:, None]
    along = np.linalg.inv(primitive) @ np.array(softest.qpoint)
    assert np.abs(first @ along / np.linalg.norm(along)).max() < 0.01
