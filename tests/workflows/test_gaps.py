"""Anisotropic gaps with the real epw.x: one temperature a job, all from the matrix elements of the first."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm

from workflows.coupling_functions import merge_gaps

# K; fcc Al on meshes this coarse: below its Tc, and high enough for few Matsubara frequencies.
FRACTIONS, TC_K = [0.8, 0.4], 10.0


@pytest.mark.engine
def test_each_temperature_is_a_job_and_the_matrix_elements_are_computed_once(
    al_funnel: orm.WorkChainNode, run: Callable[..., Any], settings: dict[str, Any], child_of: Callable[..., Any]
) -> None:
    coupling = child_of(al_funnel, "coupling")
    fine = child_of(coupling, "epw_k16_q4_100meV")
    overrides = {**settings, "coupling": {**settings["coupling"], "anisotropic_fractions": FRACTIONS}}
    keywords = dict(fine.inputs.parameters["INPUTEPW"]) | {"fsthick": 0.41}
    outputs, node = run(
        "hts.gaps",
        coupling.inputs.structure,
        overrides=overrides,
        parameters=keywords,
        tc_k=TC_K,
        epw_folder=fine.inputs.epw_folder,
    )
    assert node.is_finished_ok, node.exit_message
    first, second = child_of(node, "epw_4K"), child_of(node, "epw_8K")
    assert "epw_folder" in first.inputs and second.inputs.matrix_elements_folder.creator.pk == first.pk
    written = [job.base.repository.get_object_content("aiida.in") for job in (first, second)]
    assert ["elph = .true." in text for text in written] == [True, False]
    assert ["ephwrite = .true." in text for text in written] == [True, False]
    # What is read is what was computed: the same alpha2F, though the second job interpolated nothing.
    spectra = [job.outputs.alpha2f.get_array("alpha2f")[0] for job in (first, second)]
    assert spectra[0] == pytest.approx(spectra[1], abs=1e-6)
    found = outputs["gap_distributions"]
    assert found.get_array("temperatures_k") == pytest.approx([4.0, 8.0])
    means = [float(found.get_array(f"weight_{index}") @ found.get_array(f"gap_mev_{index}")) for index in range(2)]
    assert means[0] > means[1] > 0
    assert all(found.get_array(f"weight_{index}").sum() == pytest.approx(1.0) for index in range(2))


@pytest.mark.usefixtures("aiida_profile")
def test_distributions_are_merged_by_temperature() -> None:
    parts = {}
    for name, temperature_k in (("job_1", 20.0), ("job_2", 5.0)):
        part = orm.ArrayData()
        part.set_array("temperatures_k", np.array([temperature_k]))
        part.set_array("gap_mev_0", np.array([1.0, temperature_k]))
        part.set_array("weight_0", np.array([0.25, 0.75]))
        parts[name] = part
    merged = merge_gaps(**parts)
    assert merged.get_array("temperatures_k").tolist() == [5.0, 20.0]
    assert merged.get_array("gap_mev_0").tolist() == [1.0, 5.0]
    assert merged.get_array("gap_mev_1").tolist() == [1.0, 20.0]
    assert merged.get_array("weight_1").tolist() == [0.25, 0.75]
