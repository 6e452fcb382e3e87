"""The words beside a Tc."""

from dataclasses import replace

import pytest

from hts.coupling_curves import Convergence, CouplingResult, Estimate
from hts.plots import coupling_texts as texts

FOUND = CouplingResult("perovskite-Al4H", "Al4H", 10.0, "k24_q4_100meV", 0.51, 45.0)


@pytest.mark.parametrize(
    ("value_k", "text"),
    [
        (129.06, r"$T_\mathrm{c}$ = 129 K"),
        (99.97, r"$T_\mathrm{c}$ = 100 K"),
        (12.44, r"$T_\mathrm{c}$ = 12.4 K"),
        (0.0, r"$T_\mathrm{c}$ = 0 K"),
        (0.0005, r"$T_\mathrm{c}$ < 0.01 K"),
    ],
)
def test_tc_has_three_digits_at_most(value_k: float, text: str) -> None:
    assert texts.tc_text(value_k) == text


def test_a_range_that_is_none_is_one_number() -> None:
    assert texts.range_text(103.4, 154.0) == "103 to 154 K"
    assert texts.range_text(7.101, 7.102) == "7.1 K"


@pytest.mark.parametrize(("mu_star", "text"), [(0.1, "0.10"), (0.125, "0.125"), (0.16, "0.16")])
def test_mu_star_keeps_its_digits(mu_star: float, text: str) -> None:
    assert texts.mu_star_text(mu_star) == rf"$\mu^*$ = {text}"


def test_titles() -> None:
    assert texts.title_text("Al4H", 10.0, "perovskite-Al4H") == r"$\mathrm{Al_{4}H}$ at 10 GPa"
    assert texts.title_text("Al4H", None, "perovskite-Al4H") == r"$\mathrm{Al_{4}H}$"
    assert texts.title_text(None, None, "my.a2f") == "my.a2f"


def test_notes_are_broken_into_lines_of_their_own() -> None:
    lines = texts.note_lines(["one two three", "four"], width_inch=0.6)
    assert lines == ["one two", "    three", "four"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"convergence": Convergence("converged", "Tc changes by 0.1 K")}, []),
        ({"unverified": ("N(E_F) +33.0%", "spread 9 Å")}, ["unverified: N(E_F) +33.0%; spread 9 Å"]),
        (
            {"unverified": ("why",), "convergence": Convergence("not_converged", "one mesh")},
            ["unverified: why", "not converged: one mesh"],
        ),
        ({"convergence": Convergence("not_converged")}, ["not converged"]),
        ({"convergence": Convergence("converged", "by 9 K", smearing_settled=True)}, []),
        (
            {"convergence": Convergence("converged", "by 9 K", smearing_settled=False)},
            ["depends on the smearing: by 9 K"],
        ),
        (
            {
                "chosen": "estimate",
                "estimate": Estimate("estimate", 0.2, 30.0, 0.1),
                "convergence": Convergence("estimate_only", "at most 0.4 K"),
            },
            ["estimate without fine meshes: at most 0.4 K"],
        ),
    ],
)
def test_what_must_stand_beside_a_tc(changes: dict, words: list[str]) -> None:
    assert texts.warnings_of(replace(FOUND, **changes)) == words
