"""Which fine mesh and smearing epw.x is asked for next, and when Tc has settled: the rules without the codes.

From one and the same epmatwp a single pair of mesh and smearing can be lucky, so that at least two k-meshes and, where
the protocol names two, two smearings are computed; then finer meshes until Tc changes by less than a tolerance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hts.electrons import Mesh, denser_mesh, kpoint_mesh

CONVERGED, NOT_CONVERGED, ESTIMATE_ONLY = "converged", "not_converged", "estimate_only"


@dataclass(frozen=True)
class FineMesh:
    """One run of the fine meshes.

    Attributes
    ----------
    kpoints, qpoints : (int, int, int)
    degaussw_ev : float
        Smearing of the electrons, eV.
    """

    kpoints: Mesh
    qpoints: Mesh
    degaussw_ev: float

    @property
    def label(self) -> str:
        """Name for links and tables: ``k24_q4_100meV``, ``k24x24x18_q4x4x3_12p5meV``."""
        smearing = f"{1000 * self.degaussw_ev:g}".replace(".", "p")
        return f"k{_mesh_name(self.kpoints)}_q{_mesh_name(self.qpoints)}_{smearing}meV"

    def to_dict(self) -> dict[str, Any]:
        """Return plain built-in types."""
        return {"kpoints": list(self.kpoints), "qpoints": list(self.qpoints), "degaussw_ev": self.degaussw_ev}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "FineMesh":
        """Restore what `to_dict` returned."""
        return cls(_mesh(content["kpoints"]), _mesh(content["qpoints"]), content["degaussw_ev"])


@dataclass(frozen=True)
class FineMeshPlan:
    """All meshes that may be computed.

    Attributes
    ----------
    kpoints : tuple of (int, int, int)
        Ever denser; the first two are always computed.
    qpoints : (int, int, int)
    smearings_ev : tuple of float
        The first one ranks.
    tolerance : float
        Relative change of Tc between two k-meshes that counts as settled.
    tolerance_k : float
        K; a smaller change counts as settled, however large it is relative to Tc.
    """

    kpoints: tuple[Mesh, ...]
    qpoints: Mesh
    smearings_ev: tuple[float, ...]
    tolerance: float
    tolerance_k: float

    def meshes(self, level: int) -> list[FineMesh]:
        """Return the runs of one k-mesh, one a smearing."""
        return [FineMesh(self.kpoints[level], self.qpoints, smearing) for smearing in self.smearings_ev]

    def allows(self, tc_k: float, other_k: float) -> bool:
        """Tell whether two temperatures (K) agree within the tolerance."""
        return abs(tc_k - other_k) <= max(self.tolerance * max(tc_k, other_k), self.tolerance_k)


@dataclass(frozen=True)
class Convergence:
    """What the series says of itself.

    Attributes
    ----------
    status : str
        ``converged``, ``not_converged`` or ``estimate_only`` (the fine meshes were not needed).
    change_k : float or None
        K; largest change of Tc between the two finest k-meshes, over the smearings. None where there are not two.
    spread_k : tuple of two float or None
        K; lowest and highest Tc over the two finest k-meshes and all smearings.
    reason : str
    smearing_change_k : float or None
        K; how far Tc differs between the smearings on the finest k-mesh. None where there are not two.
    smearing_settled : bool or None
        Whether that is within the tolerance. A series may have settled in the k-mesh and not in this: then Tc still
        depends on how the states at the Fermi energy are broadened.
    """

    status: str
    change_k: float | None
    spread_k: tuple[float, float] | None
    reason: str
    smearing_change_k: float | None = None
    smearing_settled: bool | None = None


def plan_fine_meshes(
    cell_ang: Any, distances_inv_ang: Sequence[float], qpoints: Mesh, smearings_ev: Sequence[float], **tolerances: float
) -> FineMeshPlan:
    """Turn densities into meshes.

    Parameters
    ----------
    cell_ang : (3, 3)
        Lattice vectors as rows, Angstrom.
    distances_inv_ang : sequence of float
        1/Angstrom, in any order; one that gives the mesh of a larger one is left out. Where only one mesh remains, as
        in a large cell, the next denser one is added: there is nothing to be said of a single one. Every k-mesh is a
        multiple of the q-mesh, as EPW's ``ephwrite`` wants it.
    qpoints : (int, int, int)
        Fine q-mesh.
    smearings_ev : sequence of float
    **tolerances
        ``tolerance`` and ``tolerance_k`` of the plan.

    Returns
    -------
    FineMeshPlan
    """
    kpoints: list[Mesh] = []
    for distance in sorted(distances_inv_ang, reverse=True):
        mesh = kpoint_mesh(cell_ang, distance, multiple_of=qpoints)
        if mesh not in kpoints:
            kpoints.append(mesh)
    if len(kpoints) == 1:
        kpoints.append(denser_mesh(kpoints[0], qpoints))
    return FineMeshPlan(tuple(kpoints), qpoints, tuple(smearings_ev), **tolerances)


def by_kpoints(meshes: Iterable[FineMesh]) -> list[list[FineMesh]]:
    """Group runs that differ in nothing but the smearing, in the order they come in."""
    groups: dict[tuple[Mesh, Mesh], list[FineMesh]] = {}
    for mesh in meshes:
        groups.setdefault((mesh.kpoints, mesh.qpoints), []).append(mesh)
    return list(groups.values())


def next_meshes(plan: FineMeshPlan, tc_k: Mapping[str, float | None]) -> list[FineMesh]:
    """Say what to run next.

    Parameters
    ----------
    plan : FineMeshPlan
    tc_k : mapping of str to float or None
        Label -> Tc in K of the runs that have ended; None for one that failed. What is here is not asked for again.

    Returns
    -------
    list of FineMesh
        The two coarsest k-meshes together, then one k-mesh at a time; empty when Tc has settled or the plan is used up.
    """
    needed = min(2, len(plan.kpoints))
    first = [mesh for level in range(needed) for mesh in plan.meshes(level) if mesh.label not in tc_k]
    if first:
        return first
    for level in range(needed, len(plan.kpoints)):
        if _settled(plan, tc_k, level - 1):
            return []
        wave = [mesh for mesh in plan.meshes(level) if mesh.label not in tc_k]
        if wave:
            return wave
    return []


def convergence(plan: FineMeshPlan, tc_k: Mapping[str, float | None]) -> Convergence:
    """Judge a series that has ended.

    Parameters
    ----------
    plan : FineMeshPlan
    tc_k : mapping of str to float or None
        As in `next_meshes`.

    Returns
    -------
    Convergence
        Converged only if every smearing has a Tc on the two finest k-meshes that were asked for, and they agree;
        whether the smearings agree with each other is told apart.
    """
    tried = [level for level in range(len(plan.kpoints)) if any(mesh.label in tc_k for mesh in plan.meshes(level))]
    if not tried:
        return Convergence(NOT_CONVERGED, None, None, "no fine mesh was computed")
    top = tried[-1]
    finest = [level for level in (top - 1, top) if level in tried]
    last_two = [mesh for level in finest for mesh in plan.meshes(level)]
    known = [value for mesh in last_two if (value := tc_k.get(mesh.label)) is not None]
    spread = (min(known), max(known)) if known else None
    meshes = " and ".join(_mesh_name(plan.kpoints[level]) for level in finest)
    if len(finest) < 2:
        return Convergence(NOT_CONVERGED, None, spread, f"only one fine k-mesh ({meshes}): nothing to compare with")
    failed = [mesh.label for mesh in last_two if tc_k.get(mesh.label) is None]
    if failed:
        return Convergence(NOT_CONVERGED, None, spread, f"no Tc on {', '.join(failed)}")
    change = max(abs(low - high) for low, high in _pairs(plan, tc_k, top))
    settled = _settled(plan, tc_k, top)
    wanted = f"{plan.tolerance:.0%} or {plan.tolerance_k:g} K"
    relation = "within" if settled else "more than"
    reason = f"Tc changes by {change:.1f} K between k {meshes}, {relation} {wanted}"
    status = CONVERGED if settled else NOT_CONVERGED
    finest_k = [value for mesh in plan.meshes(top) if (value := tc_k[mesh.label]) is not None]
    if len(finest_k) < 2:
        return Convergence(status, change, spread, reason)
    across_k = max(finest_k) - min(finest_k)
    alike = plan.allows(min(finest_k), max(finest_k))
    reason += f"; by {across_k:.1f} K between smearings" + ("" if alike else ", more than that")
    return Convergence(status, change, spread, reason, across_k, alike)


def _pairs(plan: FineMeshPlan, tc_k: Mapping[str, float | None], level: int) -> list[tuple[float, float]]:
    """Return Tc on a k-mesh and on the one before, for every smearing that has both."""
    pairs = []
    for one, other in zip(plan.meshes(level - 1), plan.meshes(level), strict=True):
        low, high = tc_k.get(one.label), tc_k.get(other.label)
        if low is not None and high is not None:
            pairs.append((low, high))
    return pairs


def _settled(plan: FineMeshPlan, tc_k: Mapping[str, float | None], level: int) -> bool:
    """Tell whether Tc agrees on a k-mesh and the one before, for all smearings."""
    pairs = _pairs(plan, tc_k, level) if level else []
    return len(pairs) == len(plan.smearings_ev) and all(plan.allows(low, high) for low, high in pairs)


def _mesh(counts: Sequence[int]) -> Mesh:
    n1, n2, n3 = counts
    return n1, n2, n3


def _mesh_name(mesh: Mesh) -> str:
    return str(mesh[0]) if len(set(mesh)) == 1 else "x".join(map(str, mesh))
