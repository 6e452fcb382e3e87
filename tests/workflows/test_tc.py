"""Tc from a stored alpha2F; no code runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import run_get_node
from aiida.plugins import WorkflowFactory

TcWorkChain = WorkflowFactory("hts.tc")


def _einstein(lambda_: float, energy_mev: float) -> orm.ArrayData:
    """Return a narrow peak with a given lambda."""
    energies = np.linspace(0.05, 2 * energy_mev, 800)
    peak = np.exp(-0.5 * ((energies - energy_mev) / (0.01 * energy_mev)) ** 2)
    peak *= lambda_ / (2 * np.sum(peak / energies) * (energies[1] - energies[0]))
    spectrum = orm.ArrayData()
    spectrum.set_array("energy_mev", energies)
    spectrum.set_array("alpha2f", peak[None, :])
    return spectrum


def test_the_chosen_one_answers_and_the_others_give_the_spread(stages: Any) -> None:
    builder = TcWorkChain.get_builder_from_protocol(
        {"weak": _einstein(0.6, 30.0), "strong": _einstein(1.2, 30.0)}, "strong"
    )
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    tc = outputs["tc"].get_dict()
    assert tc["chosen"] == "strong"
    assert tc["lambda"] == pytest.approx(1.2, rel=1e-3)
    assert tc["omega_log_mev"] == pytest.approx(30.0, rel=1e-3)
    assert [row["mu_star"] for row in tc["tc"]] == [0.10, 0.13, 0.16]
    # McMillan's exponent at lambda 1.2, mu* 0.1, omega_log 30 meV = 348.1 K: 27.8 K; f1 f2 raise it by some per cent.
    mcmillan_k = 348.1 / 1.2 * np.exp(-1.04 * 2.2 / (1.2 - 0.1 * (1 + 0.62 * 1.2)))
    assert tc["tc"][0]["allen_dynes_k"] == pytest.approx(mcmillan_k, rel=0.15)
    assert tc["tc"][0]["allen_dynes_k"] > mcmillan_k
    assert tc["tc"][0]["allen_dynes_k"] > tc["tc"][1]["allen_dynes_k"] > tc["tc"][2]["allen_dynes_k"]
    lowest, highest = tc["allen_dynes_spread_k"]
    assert lowest < highest == pytest.approx(tc["tc"][0]["allen_dynes_k"])


@pytest.mark.engine
def test_table_of_fcc_aluminium(
    al_funnel: orm.WorkChainNode, child_of: Callable[[orm.WorkChainNode, str], Any]
) -> None:
    tc = al_funnel.outputs.verdicts["tc"]
    table = child_of(al_funnel, "tc").outputs.tc.get_dict()
    assert [row["mu_star"] for row in table["tc"]] == [0.10, 0.13, 0.16]
    assert table["lambda"] > 0
    # EPW integrates the same spectrum.
    chosen = al_funnel.outputs.verdicts["coupling"]["numbers"]["chosen"]
    epw = child_of(child_of(al_funnel, "coupling"), f"epw_{chosen}")
    assert table["lambda"] == pytest.approx(epw.outputs.output_parameters["lambda"], rel=0.03)
    assert table["chosen"] == chosen
    assert set(table["series"]) == {f"k{k}_q4_{mev}meV" for k in (16, 20) for mev in (100, 200)}
    assert tc["numbers"]["tc_k"] == table["tc"][0]["allen_dynes_k"]
    assert 0 <= table["tc"][0]["allen_dynes_k"] < 10
