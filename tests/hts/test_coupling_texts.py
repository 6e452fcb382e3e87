"""The story of a coupling and of its Tc, line by line."""

from typing import Any

import pytest

from hts.coupling_gates import check, judge_coupling
from hts.coupling_texts import coupling_lines, tc_lines
from hts.superconductivity import tc_table

MEMBER = {
    "label": "k24_q4_100meV", "lambda": 0.512, "omega_log_mev": 46.1, "allen_dynes_k": 7.13, "dos_ef_epw": 0.63,
    "dos_ef_tetrahedra": 0.6, "fermi_epw_ev": 9.47, "fermi_dense_ev": 9.5,
}  # fmt: skip
ATTEMPTS = [
    {"name": name, "coarse_mesh": mesh, "n_wannier": 17, "failure": failure, "rms_ev": rms_ev}
    for name, mesh, failure, rms_ev in (
        ("projections", [4, 4, 4], "too few bands in the window", None),
        ("SCDM", [4, 4, 4], None, 0.2),
        ("projections", [6, 6, 4], None, None),
    )
]
CHECKS = [
    check("bands_rms_ev", 0.2, 0.1, "eV", "Wannier bands 0.200 eV RMS from those of pw.x"),
    check("decay_H", 0.01, 0.1, "", "Hamiltonian decayed to 1%"),
    check("phonons", None, 0.1, "", "phonons not checked: the protocol does not ask for it"),
]


def test_the_whole_story_in_its_order() -> None:
    judgement = judge_coupling(
        [MEMBER, MEMBER | {"label": "k16", "dos_ef_epw": None}],
        0.1,
        0.1,
        checks=CHECKS,
        convergence={"status": "not_converged", "reason": "Tc changes by 1.8 K"},
        estimate={"reason": "estimate from k12: Tc 5.0 K"},
        more={"wannier": {"attempts": ATTEMPTS}},
    )
    assert coupling_lines(judgement.to_dict()) == [
        "17 Wannier functions on k 4x4x4, projections: failed, too few bands in the window",
        "17 Wannier functions on k 4x4x4, SCDM: bands 0.200 eV RMS from those of pw.x",
        "17 Wannier functions on k 6x6x4, projections: bands not compared",
        "estimate from k12: Tc 5.0 K",
        "k24_q4_100meV: lambda 0.512, omega_log 46.1 meV, Tc 7.1 K; N(E_F) +5.0%, E_F -0.030 eV against pw.x "
        "(0.600 states/(spin eV cell)): gates passed",
        "k16: lambda 0.512, omega_log 46.1 meV, Tc 7.1 K; N(E_F) not printed, E_F -0.030 eV against pw.x "
        "(0.600 states/(spin eV cell)): gates not passed",
        "not converged: Tc changes by 1.8 K",
        "FAILED: Wannier bands 0.200 eV RMS from those of pw.x (limit 0.1 eV)",
        "passed: Hamiltonian decayed to 1% (limit 0.1)",
        "not checked: phonons not checked: the protocol does not ask for it",
    ]


def test_an_estimate_alone_and_nothing_at_all() -> None:
    spared = judge_coupling(
        [],
        0.1,
        0.1,
        convergence={"status": "estimate_only", "reason": "no fine meshes"},
        estimate={"reason": "estimate from k12: Tc 0.1 K", "upper_bound_k": 0.4},
    )
    assert coupling_lines(spared.to_dict()) == ["estimate only: no fine meshes"]
    assert coupling_lines(judge_coupling([], 0.1, 0.1).to_dict()) == []


def test_couplings_of_the_first_version_have_less_to_tell() -> None:
    judged = judge_coupling([{key: value for key, value in MEMBER.items() if key != "allen_dynes_k"}], 0.1, 0.1)
    older = {"numbers": {key: judged.numbers[key] for key in ("series", "chosen")}}
    [line] = coupling_lines(older)
    assert line.startswith("k24_q4_100meV: lambda 0.512, omega_log 46.1 meV; N(E_F) +5.0%")
    assert coupling_lines({"numbers": {}}) == []


def solved(height: float, mu_stars: list[float]) -> dict[str, Any]:
    """Return the Tc result of a box between 20 and 40 meV: lambda is 2 ln 2 times its height."""
    energy = [0.5 * step for step in range(1, 100)]
    table = tc_table(energy, [height if 20 <= omega <= 40 else 0.0 for omega in energy], mu_stars)
    first = table["tc"][0]["allen_dynes_k"]
    return {**table, "chosen": "k24", "allen_dynes_spread_k": [first, first + 1]}


def test_the_table_of_tc() -> None:
    """mu* 0.12 and 0.125 are two rows, and must not look alike."""
    tc = solved(0.6, [0.12, 0.125])
    head, *rows, last = tc_lines(tc)
    assert head == f"alpha2F of k24: lambda {tc['lambda']:.3f}, omega_log {tc['omega_log_mev']:.1f} meV"
    assert [row.partition(":")[0] for row in rows] == ["mu* 0.12", "mu* 0.125"]
    for row, numbers in zip(rows, tc["tc"], strict=True):
        assert f"Allen-Dynes {numbers['allen_dynes_k']:.2f} K" in row
        assert f"Eliashberg {numbers['eliashberg_k']:.2f} K (superconducting)" in row
        assert numbers["allen_dynes_k"] > 5
    low = tc["tc"][0]["allen_dynes_k"]
    assert last == f"spread over fine meshes and smearings at the first mu*: {low:.2f} to {low + 1:.2f} K"


@pytest.mark.parametrize(("height", "words"), [(0.0, "omega_log none"), (0.02, "omega_log 28")])
def test_what_does_not_superconduct(height: float, words: str) -> None:
    """Without a spectrum there is no average energy; without a Tc that was found there is none to print."""
    head, row, _ = tc_lines(solved(height, [0.1]))
    assert words in head
    assert "McMillan 0.00 K, Allen-Dynes 0.00 K" in row


def test_a_tc_that_was_not_bracketed() -> None:
    tc = solved(0.6, [0.1])
    tc["tc"][0] |= {"eliashberg_k": None, "status": "not_bracketed"}
    assert "Eliashberg none (not_bracketed)" in tc_lines(tc)[1]
