"""What every stage shares: a builder from a protocol, refusals in one line, and the reason of a child that failed."""

from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.plugins import WorkflowFactory

FAMILY = "LDA/vbc"
STAGES = {
    "hts.relax": {"pw"},
    "hts.hull": {"pw"},
    "hts.phonons": {"pw", "ph", "q2r"},
    "hts.decompression": {"pw", "ph", "q2r"},
    "hts.wannier": {"pw", "epw"},
    "hts.coupling": {"pw", "ph", "epw"},
    "hts.coupling_checks": {"ph"},
    "hts.screening": {"pw", "ph", "q2r", "epw"},
}
# Those that can do without projwfc.x, and use it where there is a code for it.
WITH_PROJWFC = {"hts.wannier", "hts.coupling", "hts.screening"}


@pytest.mark.parametrize("entry_point", STAGES)
def test_builder_from_protocol(
    entry_point: str, codes: dict[str, Any], crystal: Callable[..., orm.StructureData]
) -> None:
    stage = WorkflowFactory(entry_point)
    options = {"default": {"max_wallclock_seconds": 60}}
    builder = stage.get_builder_from_protocol(codes, crystal("AlH"), FAMILY, protocol="fast", options=options)
    assert set(builder.codes) == STAGES[entry_point] | ({"projwfc"} if entry_point in WITH_PROJWFC else set())
    fewer = {name: code for name, code in codes.items() if name != "projwfc"}
    without = stage.get_builder_from_protocol(fewer, crystal("AlH"), FAMILY, protocol="fast", options=options)
    assert set(without.codes) == STAGES[entry_point]
    assert set(builder.pseudos) == {"Al", "H"}
    # The family recommends 30 Ry, and fast samples 2x2x2 q-points.
    assert builder.settings["dft"]["ecutwfc_ry"] == 30.0
    assert builder.settings["dft"]["ecutrho_ry"] == 120.0
    assert builder.settings["dft"]["qpoints_mesh"] == [2, 2, 2]
    assert builder.options.get_dict() == options
    balanced = stage.get_builder_from_protocol(codes, crystal("AlH"), FAMILY)
    assert balanced.settings["dft"]["qpoints_mesh"] == [3, 3, 3]


@pytest.mark.parametrize("entry_point", STAGES)
def test_a_missing_code_is_named(
    entry_point: str, codes: dict[str, Any], crystal: Callable[..., orm.StructureData]
) -> None:
    for label in STAGES[entry_point]:
        rest = {name: code for name, code in codes.items() if name != label}
        with pytest.raises(ValueError, match=rf"needs a code for {label}\.x; found "):
            WorkflowFactory(entry_point).get_builder_from_protocol(rest, crystal("Al"), FAMILY)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"dft": {"ecutwfc": 30.0}}, "dft has no setting 'ecutwfc', did you mean ecutwfc_ry"),
        ({"epw": {}}, "there is no stage 'epw'"),
    ],
)
@pytest.mark.parametrize("entry_point", STAGES)
def test_an_unknown_key_is_refused(
    entry_point: str,
    codes: dict[str, Any],
    crystal: Callable[..., orm.StructureData],
    overrides: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        WorkflowFactory(entry_point).get_builder_from_protocol(codes, crystal("Al"), FAMILY, overrides=overrides)


def test_an_unknown_protocol_is_refused(codes: dict[str, Any], crystal: Callable[..., orm.StructureData]) -> None:
    with pytest.raises(ValueError, match="unknown protocol 'quick'; there are fast, balanced, stringent"):
        WorkflowFactory("hts.relax").get_builder_from_protocol(codes, crystal("Al"), FAMILY, protocol="quick")


def test_python_values_become_nodes_and_unknown_inputs_are_refused(
    codes: dict[str, Any], crystal: Callable[..., orm.StructureData]
) -> None:
    relax = WorkflowFactory("hts.relax")
    builder = relax.get_builder_from_protocol(codes, crystal("Al"), FAMILY, pressure_gpa=5.0, kpoints_mesh=[4, 4, 4])
    assert isinstance(builder.pressure_gpa, orm.Float)
    assert builder.kpoints_mesh.get_list() == [4, 4, 4]
    with pytest.raises((AttributeError, ValueError)):
        relax.get_builder_from_protocol(codes, crystal("Al"), FAMILY, pressure=5.0)


def test_tc_needs_no_code(stages: Any) -> None:
    builder = WorkflowFactory("hts.tc").get_builder_from_protocol({}, "none", overrides={"tc": {"mu_star": [0.1]}})
    assert builder.settings["tc"]["mu_star"] == [0.1]
