"""Which fine meshes are asked for, and when Tc has settled: on real series, and on any made-up one."""

import json
from dataclasses import replace
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hts.fine_meshes import CONVERGED, NOT_CONVERGED, FineMesh, FineMeshPlan, convergence, next_meshes, plan_fine_meshes
from hts.superconductivity import mcmillan_tc_k
from hts.units import BOLTZMANN_MEV_PER_K

PLAN = FineMeshPlan(tuple((k, k, k) for k in (24, 32, 40)), (4, 4, 4), (0.1, 0.2), tolerance=0.05, tolerance_k=0.5)
# lambda on fine k-meshes from one epmatwp each (EPW 5.3.1, PBE, coarse q 2^3), with omega_log in K.
H3S_200_GPA = {(24, 0.1): 1.72, (32, 0.1): 1.08, (40, 0.1): 1.455, (24, 0.2): 1.30, (32, 0.2): 1.16, (40, 0.2): 1.285}
AL4H = {(24, 0.1): 0.512, (32, 0.1): 0.519}


def label(k: int, smearing_ev: float) -> str:
    return FineMesh((k, k, k), (4, 4, 4), smearing_ev).label


def tc_of(lambdas: dict[tuple[int, float], float], omega_log_k: float) -> dict[str, float | None]:
    omega_log_mev = omega_log_k * BOLTZMANN_MEV_PER_K
    return {label(*mesh): mcmillan_tc_k(lambda_, omega_log_mev, 0.1) for mesh, lambda_ in lambdas.items()}


def series(*values: float | None, smearings: int = 2) -> dict[str, float | None]:
    """Return Tc by label in the order of the plan: all smearings of the coarsest mesh first."""
    plan = replace(PLAN, smearings_ev=PLAN.smearings_ev[:smearings])
    labels = [mesh.label for level in range(3) for mesh in plan.meshes(level)]
    return dict(zip(labels, values, strict=False))


@pytest.mark.parametrize(
    ("mesh", "name"),
    [
        (FineMesh((24, 24, 24), (4, 4, 4), 0.1), "k24_q4_100meV"),
        (FineMesh((24, 24, 18), (4, 4, 3), 0.05), "k24x24x18_q4x4x3_50meV"),
        (FineMesh((8, 8, 8), (2, 2, 2), 0.0125), "k8_q2_12p5meV"),
    ],
)
def test_labels_name_links_and_files(mesh: FineMesh, name: str) -> None:
    """AiiDA's links allow letters, digits and single underscores."""
    assert mesh.label == name
    assert name.isidentifier() and "__" not in name
    assert FineMesh.from_dict(json.loads(json.dumps(mesh.to_dict()))) == mesh


def test_smearings_that_differ_by_less_than_a_mev_do_not_share_a_label() -> None:
    assert len({FineMesh((8, 8, 8), (2, 2, 2), ev).label for ev in (0.1, 0.1004, 0.07, 0.0704)}) == 4


edges = st.floats(2.0, 25.0)


@given(
    st.tuples(edges, edges, edges), st.lists(st.floats(0.02, 0.08), min_size=1, max_size=4),
    st.tuples(*[st.integers(1, 16)] * 3),
)  # fmt: skip
def test_there_are_always_two_meshes_each_denser_and_a_multiple_of_q(
    edges_ang: tuple[float, float, float], distances: list[float], qpoints: tuple[int, int, int]
) -> None:
    """EPW stores nothing for the Eliashberg equations unless k is a multiple of q; a single mesh proves nothing."""
    plan = plan_fine_meshes(np.diag(edges_ang), distances, qpoints, [0.1], tolerance=0.05, tolerance_k=0.5)
    assert len(plan.kpoints) >= 2
    for mesh in plan.kpoints:
        assert all(k % q == 0 for k, q in zip(mesh, qpoints, strict=True))
    for coarse, fine in pairwise(plan.kpoints):
        assert coarse != fine and all(a <= b for a, b in zip(coarse, fine, strict=True))
    spacing = 2 * np.pi / (np.array(edges_ang) * plan.kpoints[-1])
    assert (spacing <= min(distances) * (1 + 1e-6)).all()


def test_a_distance_that_changes_nothing_is_left_out() -> None:
    """4 Angstrom: 2 pi / 4 over 0.049, 0.048, 0.045 is 32.1, 32.7, 34.9 points, over 0.035 it is 44.9."""
    plan = plan_fine_meshes(np.eye(3) * 4, [0.049, 0.048, 0.045, 0.035], (4, 4, 4), [0.1], tolerance=0, tolerance_k=0)
    assert [mesh[0] for mesh in plan.kpoints] == [36, 48]


def test_a_large_cell_gets_a_second_mesh() -> None:
    plan = plan_fine_meshes(np.eye(3) * 8, [0.032, 0.028, 0.025], (8, 8, 8), [0.1], tolerance=0, tolerance_k=0)
    assert [mesh[0] for mesh in plan.kpoints] == [32, 40]


def test_two_meshes_together_then_one_at_a_time() -> None:
    first = next_meshes(PLAN, {})
    assert [mesh.label for mesh in first] == [label(24, 0.1), label(24, 0.2), label(32, 0.1), label(32, 0.2)]
    assert [mesh.label for mesh in next_meshes(PLAN, series(9.0, 8.0, 9.1))] == [label(32, 0.2)]
    assert next_meshes(PLAN, series(9.0, 8.0, 9.1, 8.1)) == []
    third = [label(40, 0.1), label(40, 0.2)]
    assert [mesh.label for mesh in next_meshes(PLAN, series(9.0, 8.0, 9.1, 9.1))] == third
    assert [mesh.label for mesh in next_meshes(PLAN, series(9.0, 8.0, 9.1, None))] == third
    assert next_meshes(PLAN, series(9.0, 8.0, 9.1, 9.1, 9.1, 9.9)) == []


def test_al4h_has_settled() -> None:
    """Lambda 0.512 and 0.519: 0.4 K apart, within the half kelvin."""
    plan = replace(PLAN, smearings_ev=(0.1,))
    tc_k = tc_of(AL4H, 535)
    assert next_meshes(plan, tc_k) == []
    found = convergence(plan, tc_k)
    assert (found.status, found.spread_k) == (CONVERGED, (min(tc_k.values()), max(tc_k.values())))  # type: ignore[type-var]
    assert found.change_k == pytest.approx(0.38, abs=0.01)
    assert convergence(replace(plan, tolerance=0.01, tolerance_k=0.1), tc_k).status == NOT_CONVERGED


def test_h3s_on_its_van_hove_peak_has_not() -> None:
    """At 0.1 eV lambda is 1.72, 1.08, 1.455: no mesh settles, and a single pair would have said anything."""
    tc_k = tc_of(H3S_200_GPA, 1380)
    two = {name: value for name, value in tc_k.items() if not name.startswith("k40")}
    assert [mesh.label for mesh in next_meshes(PLAN, two)] == [label(40, 0.1), label(40, 0.2)]
    found = convergence(PLAN, tc_k)
    assert found.status == NOT_CONVERGED
    assert found.change_k == pytest.approx(abs(tc_k[label(40, 0.1)] - tc_k[label(32, 0.1)]))  # type: ignore[operator]
    assert found.change_k > 30
    assert found.spread_k == (tc_k[label(32, 0.1)], tc_k[label(40, 0.1)])
    assert "between k 32 and 40, more than 5% or 0.5 K" in found.reason


@pytest.mark.parametrize(
    ("tc_k", "status", "words"),
    [
        ({}, NOT_CONVERGED, "no fine mesh was computed"),
        (series(9.0, 8.0), NOT_CONVERGED, "only one fine k-mesh (24)"),
        (series(9.0, 8.0, 9.0), NOT_CONVERGED, "no Tc on k32_q4_200meV"),
        (series(9.0, 8.0, 9.0, None), NOT_CONVERGED, "no Tc on k32_q4_200meV"),
        (series(9.0, 8.0, 9.0, 8.0, None, None), NOT_CONVERGED, "no Tc on k40_q4_100meV, k40_q4_200meV"),
        ({label(24, 0.1): 9.0, label(40, 0.1): 9.0}, NOT_CONVERGED, "only one fine k-mesh (40)"),
        (series(0.0, 0.0, 0.0, 0.0), CONVERGED, "changes by 0.0 K"),
        (series(0.1, 0.1, 0.5, 0.5), CONVERGED, "within 5% or 0.5 K"),
        (series(100.0, 100.0, 105.0, 95.1), CONVERGED, "changes by 5.0 K between k 24 and 32"),
        (series(100.0, 100.0, 105.0, 94.9), NOT_CONVERGED, "changes by 5.1 K"),
        # What counts is where the series ended, not where it began.
        (series(50.0, 50.0, 100.0, 100.0, 100.0, 100.0), CONVERGED, "between k 32 and 40"),
        (series(100.0, 100.0, 100.0, 100.0, 50.0, 50.0), NOT_CONVERGED, "changes by 50.0 K between k 32 and 40"),
    ],
)
def test_convergence(tc_k: dict[str, float | None], status: str, words: str) -> None:
    found = convergence(PLAN, tc_k)
    assert found.status == status
    assert words in found.reason
    assert found.status == NOT_CONVERGED or found.change_k is not None


@pytest.mark.parametrize(
    ("tc_k", "change_k", "settled"),
    [
        (series(113.8, 79.1, 119.2, 79.3), 39.9, False),  # Mg2IrH6 at 0 GPa: settled in k, not in the smearing
        (series(27.8, 25.2, 27.8, 27.0), 0.8, True),
        (series(50.0, 10.0, 27.8, 27.0, 27.5, 27.0), 0.5, True),
        (series(9.0, 8.0, 9.0, None), None, None),
    ],
)
def test_smearings_are_held_against_each_other_on_the_finest_mesh(
    tc_k: dict[str, float | None], change_k: float | None, settled: bool | None
) -> None:
    found = convergence(PLAN, tc_k)
    assert found.smearing_change_k == (None if change_k is None else pytest.approx(change_k))
    assert found.smearing_settled is settled
    assert found.reason.endswith("between smearings, more than that") == (settled is False)


def test_one_smearing_says_nothing_of_others() -> None:
    found = convergence(replace(PLAN, smearings_ev=(0.1,)), series(9.0, 9.0, smearings=1))
    assert (found.status, found.smearing_change_k, found.smearing_settled) == (CONVERGED, None, None)


temperatures = st.none() | st.floats(0.0, 300.0)


@given(st.lists(temperatures, min_size=6, max_size=6), st.integers(1, 2), st.integers(1, 3))
def test_a_series_ends_and_is_converged_only_on_two_meshes_that_agree(
    values: list[float | None], smearings: int, meshes: int
) -> None:
    plan = replace(PLAN, kpoints=PLAN.kpoints[:meshes], smearings_ev=PLAN.smearings_ev[:smearings])
    answers = series(*values, smearings=smearings)
    tc_k: dict[str, float | None] = {}
    for wave_number in count():
        assert wave_number <= meshes
        wave = [mesh.label for mesh in next_meshes(plan, tc_k)]
        if not wave:
            break
        assert not set(wave) & set(tc_k)
        tc_k |= {name: answers[name] for name in wave}
    assert len(tc_k) >= min(2, meshes) * smearings
    found = convergence(plan, tc_k)
    known = [value for value in list(tc_k.values())[-2 * smearings :] if value is not None]
    assert found.spread_k == ((min(known), max(known)) if known else None)
    if found.status == CONVERGED:
        assert len(known) == 2 * smearings and found.change_k is not None
        assert found.change_k <= max(0.05 * max(known), 0.5)
    elif len(tc_k) < meshes * smearings:
        pytest.fail("it stopped before the plan was used up though nothing had settled")


@given(st.dictionaries(st.sampled_from(list(series(*[0.0] * 6))), temperatures))
def test_any_part_of_a_series_can_be_judged(tc_k: dict[str, float | None]) -> None:
    """A worker may have failed anywhere: no gap in the series raises or counts as agreement."""
    found = convergence(PLAN, tc_k)
    levels = [[tc_k.get(mesh.label) for mesh in PLAN.meshes(level)] for level in range(3)]
    complete = any(None not in [*one, *other] for one, other in pairwise(levels))
    assert found.status == NOT_CONVERGED or complete
    assert found.reason


@given(st.floats(0, 300), st.floats(0, 300))
def test_agreement_does_not_depend_on_the_order(one: float, other: float) -> None:
    assert PLAN.allows(one, other) == PLAN.allows(other, one)
    assert PLAN.allows(one, one)
