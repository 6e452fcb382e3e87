"""The phonons that a candidate's descent has stored, rung by rung; nothing is computed anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiida import orm
from aiida.common.links import LinkType

from hts.errors import UserError
from hts.phonon_curves import PhononBands, Softening, bands_of, folded, meshes_text, softening_curves
from hts.store.query import Screening, find_candidate
from hts.symmetry import rotations

_SAME_PRESSURE_GPA = 1e-6


@dataclass(frozen=True)
class PhononRung:
    """One pressure of a descent with its stored phonons.

    Attributes
    ----------
    pressure_gpa : float
    verdict : str
        Of the rung.
    phonons : orm.Dict
        Verdict, meshes and the modes by q-point.
    """

    pressure_gpa: float
    verdict: str
    phonons: orm.Dict


def load_softening(key: str) -> Softening:
    """Return how a candidate softens along its ladder.

    Parameters
    ----------
    key : str
        As for `hts.store.query.find_candidate`.

    Raises
    ------
    UserError
        If there is no such candidate, or no mode of it is stored.
    """
    screening = find_candidate(key)
    ladder, rungs = phonon_rungs(screening)
    curves = softening_curves([(rung.pressure_gpa, rung.phonons.get_dict()) for rung in rungs])
    if not curves:
        raise no_modes(screening)
    predicted = ladder.get("softening") or {}
    return Softening(
        key=screening.key,
        formula=screening.identity["formula"],
        settings=meshes_text(rungs[-1].phonons.get_dict()),
        curves=curves,
        lowest_stable_gpa=ladder["lowest_stable_pressure_gpa"],
        highest_unstable_gpa=ladder["highest_unstable_pressure_gpa"],
        critical_pressure_gpa=predicted.get("critical_pressure_gpa"),
        critical_qpoint=_qpoint_of(predicted.get("qpoint_index"), rungs),
    )


def load_bands(key: str, pressure_gpa: float | None = None) -> PhononBands:
    """Return the interpolated bands of a candidate at one pressure.

    Parameters
    ----------
    key : str
        As for `hts.store.query.find_candidate`.
    pressure_gpa : float, optional
        A stable rung; default: the lowest stable one.

    Raises
    ------
    UserError
        If there is no such candidate or rung, or it has no bands: those of an unstable crystal are not interpolated.
    """
    screening = find_candidate(key)
    ladder, rungs = phonon_rungs(screening)
    wanted = ladder["lowest_stable_pressure_gpa"] if pressure_gpa is None else pressure_gpa
    found = {rung.pressure_gpa: bands for rung in rungs if (bands := _bands_node(rung.phonons)) is not None}
    if not found:
        raise UserError(
            f"no bands of {screening.key} are stored, they are interpolated where a crystal is stable; "
            f"`hts plot softening {screening.key} -o FILE` draws the modes that there are"
        )
    if wanted is None:
        # Stable somewhere below an unstable rung: the ladder does not count that.
        wanted = min(found)
    rung = rung_at(screening, [rung for rung in rungs if rung.pressure_gpa in found], wanted, "bands are")
    bands = found[rung.pressure_gpa]
    crystal = crystal_of(rung.phonons).get_pymatgen()
    path = (crystal.lattice.matrix, bands.get_kpoints(), bands.labels, bands.get_bands())
    dos, operations = _dos_of(bands), rotations(crystal)
    return bands_of(screening.identity, rung.phonons.get_dict(), rung.pressure_gpa, path, dos, operations)


def phonon_rungs(screening: Screening) -> tuple[dict[str, Any], list[PhononRung]]:
    """Return a candidate's ladder, and its rungs with phonons in the order in which they were computed.

    Raises
    ------
    UserError
        If the descent has not ended, or no phonons are stored.
    """
    query = orm.QueryBuilder().append(orm.WorkChainNode, filters={"id": screening.pk}, tag="screening")
    query.append(orm.WorkChainNode, with_incoming="screening", edge_filters={"label": "decompress"}, tag="decompress")
    query.append(orm.Dict, with_incoming="decompress", edge_filters={"label": "ladder"}, project="attributes")
    ladder = query.first(flat=True)
    if ladder is None:
        why = "it ended before its descent in pressure" if screening.ended else "its descent in pressure has not ended"
        raise UserError(f"no phonons of {screening.key} are stored: {why}; `hts explain {screening.key}` tells more")
    stored = [rung for rung in ladder["rungs"] if "phonons" in rung.get("nodes", {})]
    if not stored:
        raise UserError(
            f"no phonons of {screening.key} are stored: no rung of its descent came to them; "
            f"`hts explain {screening.key}` tells why"
        )
    uuids = [rung["nodes"]["phonons"] for rung in stored]
    nodes = orm.QueryBuilder().append(orm.Dict, filters={"uuid": {"in": uuids}}, project=["uuid", "*"])
    by_uuid = dict(nodes.all())
    rungs = [
        PhononRung(rung["pressure_gpa"], rung["verdict"], by_uuid[uuid])
        for rung, uuid in zip(stored, uuids, strict=True)
    ]
    return ladder, rungs


def no_modes(screening: Screening) -> UserError:
    """Return the error for phonons without a single mode."""
    return UserError(
        f"{screening.key} has a mode at no stored q-point (one atom at Gamma only translates); compute a denser q-mesh"
    )


def rung_at(screening: Screening, rungs: Sequence[PhononRung], pressure_gpa: float, what: str) -> PhononRung:
    """Return the rung at a pressure.

    Raises
    ------
    UserError
        If there is none; it names those that there are, `what` says of what.
    """
    for rung in rungs:
        if abs(rung.pressure_gpa - pressure_gpa) < _SAME_PRESSURE_GPA:
            return rung
    there = ", ".join(f"{pressure:g}" for pressure in sorted(rung.pressure_gpa for rung in rungs))
    raise UserError(
        f"{screening.key} at {pressure_gpa:g} GPa: no {what} stored there, only at {there} GPa; choose one with "
        "--pressure-gpa"
    )


def crystal_of(phonons: orm.Dict) -> orm.StructureData:
    """Return the crystal whose phonons these are: what they were judged with.

    Raises
    ------
    UserError
        If the graph does not hold it, as after an import without the processes.
    """
    query = orm.QueryBuilder().append(orm.Dict, filters={"id": phonons.pk}, tag="phonons")
    query.append(orm.CalcFunctionNode, with_outgoing="phonons", tag="judge")
    query.append(orm.StructureData, with_outgoing="judge", edge_filters={"label": "structure"}, project="*")
    found: orm.StructureData | None = query.first(flat=True)
    if found is None:
        raise UserError(f"the crystal of phonons {phonons.uuid[:8]} is not in this profile; import its whole history")
    return found


def _bands_node(phonons: orm.Dict) -> orm.BandsData | None:
    """Return the bands beside stored phonons; the phonons pass through several processes, the bands belong to one."""
    for link in phonons.base.links.get_incoming(node_class=orm.WorkChainNode, link_type=LinkType.RETURN).all():
        if "bands" in link.node.outputs:
            bands: orm.BandsData = link.node.outputs.bands
            return bands
    return None


def _dos_of(bands: orm.BandsData) -> tuple[Any, Any] | None:
    """Return the density of states interpolated together with bands: frequencies in THz, states per THz and cell."""
    creator = bands.creator
    if creator is None or "dos" not in creator.outputs:
        return None
    dos = creator.outputs.dos
    return dos.get_x()[1], dos.get_y()[0][1]


def _qpoint_of(index: int | None, rungs: Sequence[PhononRung]) -> tuple[float, float, float] | None:
    """Return the q-point of an index of ph.x, the same at every rung of one symmetry."""
    for rung in rungs:
        for point in rung.phonons["qpoints"]:
            if index is not None and point["index"] == index:
                return folded(point["qpoint"])
    return None
