"""What is tried after each failure of ph.x and epw.x, and that trying ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.calculations.epw import EpwCalculation
from workflows.handlers import EpwContext, EpwRecovery, Recovery, recover_epw, recover_ph

INPUT = {"tr2_ph": 1e-12, "alpha_mix(1)": 0.7, "max_seconds": 3000}
LOWER = INPUT | {"alpha_mix(1)": 0.3}


@pytest.mark.parametrize(
    ("status", "parameters", "restart", "words"),
    [
        (400, INPUT, True, "walltime"),  # stopped by itself: what it finished is whole
        (410, LOWER, False, "alpha_mix lowered from 0.7 to 0.3"),
        (120, INPUT, False, "killed by the scheduler"),  # stopped by force: files may be truncated
        (140, INPUT, False, "node failure"),
        (304, INPUT, False, "not whole"),
        (312, INPUT, False, "interrupted"),
        (411, INPUT, False, "refused"),
    ],
)
def test_recoveries(status: int, parameters: dict[str, Any], restart: bool, words: str) -> None:
    recovery = recover_ph(status, INPUT)
    assert recovery is not None
    assert (recovery.parameters, recovery.restart) == (parameters, restart)
    assert words in recovery.reason


# Out of memory, disk full, symmetry, Cholesky, missing output, unknown: the same again would fail the same way.
@pytest.mark.parametrize("status", [None, 0, 1, 100, 110, 302, 306, 350, 360, 361, 462, 999])
def test_where_trying_again_cannot_help(status: int | None) -> None:
    assert recover_ph(status, INPUT) is None


def test_the_mixing_ladder_ends() -> None:
    tried, parameters = [], {"tr2_ph": 1e-12}
    while (recovery := recover_ph(410, parameters)) is not None:
        parameters = recovery.parameters
        tried.append(parameters["alpha_mix(1)"])
        assert parameters["tr2_ph"] == 1e-12
    assert tried == [0.3, 0.1]


@given(st.floats(0.0, 1.0))
def test_mixing_is_only_ever_lowered(alpha: float) -> None:
    recovery = recover_ph(410, INPUT | {"alpha_mix(1)": alpha})
    assert recovery is None or recovery.parameters["alpha_mix(1)"] < alpha
    assert (recovery is None) == (alpha <= 0.1)


@given(st.integers(0, 1000))
def test_the_failed_jobs_parameters_are_left_alone(status: int) -> None:
    given_parameters = dict(INPUT)
    recovery = recover_ph(status, given_parameters)
    assert given_parameters == INPUT
    assert recovery is None or (isinstance(recovery, Recovery) and recovery.parameters is not given_parameters)


EPW_INPUT = {"nbndsub": 4, "nkf1": 24, "degaussw": 0.1, "temps": [2.0, 4.0, 30.0], "nstemp": 3, "laniso": True}
MESHES_AND_WINDOWS = ("nbndsub", "nkf1", "degaussw")
DONE = {"code_version": "5.3.1", "wannierised": True, "coarse_finished": True}


def _entry(temperature_k: float, **changes: Any) -> dict[str, Any]:
    return {"temperature_k": temperature_k, "converged": True, "collapsed": False, "pade_failed": False} | changes


def _epw(status: int | None, context: EpwContext | None = None, **changes: Any) -> EpwRecovery | None:
    return recover_epw(status, EPW_INPUT | changes, context or EpwContext())


def test_above_tc_the_finished_temperatures_stand() -> None:
    """The gap falls to zero and Broyden's matrix becomes singular: no mixing factor brings a gap that is not there."""
    entries = [_entry(2.0), _entry(4.0), _entry(30.0, converged=None, collapsed=True)]
    for status in (510, 511):
        recovery = _epw(status, EpwContext(outputs=DONE | {"eliashberg": entries}, has_alpha2f=True))
        assert recovery is not None and recovery.kind == "accept"
        assert "falls to zero at 30 K, above Tc" in recovery.reason


def test_temperatures_below_the_normal_state_are_still_run() -> None:
    context = EpwContext(outputs=DONE | {"eliashberg": [_entry(30.0, collapsed=True, converged=False)]})
    recovery = _epw(511, context, temps=[30.0, 4.0, 2.0])
    assert recovery is not None and recovery.kind == "rerun"
    assert (recovery.parameters["temps"], recovery.parameters["nstemp"]) == ([4.0, 2.0], 2)
    assert recovery.start == "matrix_elements"
    # Between two given ones EPW spaces nstemp temperatures evenly.
    spaced = _epw(511, context, temps=[10.0, 50.0], nstemp=5)
    assert spaced is not None and spaced.parameters["temps"] == [10.0, 20.0]
    again = EpwContext(outputs=context.outputs, history=(511,))
    assert (_epw(511, again, temps=[30.0, 4.0, 2.0]) or EpwRecovery("rerun", {}, "")).kind == "accept"


@pytest.mark.parametrize(
    ("status", "keyword", "values"),
    [(510, "broyden_beta", [0.3, 0.1]), (511, "nsiter", [500, 1000]), (512, "npade", [60, 30])],
)
def test_gentler_iterations_and_then_alpha2f_stands(status: int, keyword: str, values: list[float]) -> None:
    entries = [_entry(2.0), _entry(4.0, converged=False)]
    context = EpwContext(start="epw_folder", outputs=DONE | {"eliashberg": entries}, has_alpha2f=True)
    parameters, tried = dict(EPW_INPUT), []
    while (recovery := recover_epw(status, parameters, context)) is not None and recovery.kind == "rerun":
        assert "at 4 K" in recovery.reason and recovery.start == "same"
        parameters = recovery.parameters
        tried.append(parameters[keyword])
    assert tried == values
    assert recovery is not None and recovery.kind == "accept"
    without = EpwContext(outputs=DONE | {"eliashberg": entries})
    assert recover_epw(status, parameters, without) is None


@pytest.mark.parametrize("status", [120, 400])
def test_what_a_walltime_leaves_is_taken(status: int) -> None:
    def start(outputs: dict[str, Any], begun: Any = "nscf") -> str | None:
        recovery = _epw(status, EpwContext(start=begun, outputs=outputs))
        return None if recovery is None else recovery.start

    assert start(DONE) == "matrix_elements"
    assert start(DONE, "wannier_folder") == "matrix_elements"
    assert start({"wannierised": True}) == "wannier_functions"
    # Nothing new was finished: the same would end the same way.
    assert start({}) is None
    assert start({"wannierised": True}, "wannier_folder") is None
    assert start(DONE, "epw_folder") is None


@pytest.mark.parametrize("status", [110, 401])
def test_out_of_memory_takes_fewer_ranks_once(status: int) -> None:
    recovery = _epw(status, EpwContext(ranks=8, outputs=DONE))
    assert recovery is not None
    assert (recovery.ranks, recovery.parameters, recovery.start) == (4, EPW_INPUT, "matrix_elements")
    for earlier in (110, 401):
        assert _epw(status, EpwContext(ranks=4, history=(earlier,))) is None


def test_out_of_memory_on_one_rank() -> None:
    """etf_mem = 2 gives the same alpha2F byte for byte (EPW 5.3.1); from 5.9 on it is refused."""
    assert (_epw(110) or EpwRecovery("accept", {}, "")).parameters == EPW_INPUT | {"etf_mem": 2}
    assert (_epw(110, etf_mem=0) or EpwRecovery("accept", {}, "")).parameters["etf_mem"] == 1
    assert _epw(110, etf_mem=2) is None
    assert _epw(110, EpwContext(outputs={"code_version": "6.0"})) is None


def test_no_fermi_energy_looks_at_the_bands_first() -> None:
    room = EpwContext(n_electrons=3.0, fermi_energy_ev=8.25, outputs=DONE)
    recovery = _epw(500, room)
    assert recovery is not None and recovery.kind == "rerun"
    assert recovery.parameters == EPW_INPUT | {"efermi_read": True, "fermi_energy": 8.25}
    assert _epw(500, room, efermi_read=True) is None
    # 8 electrons fill 4 Wannier functions: no energy would bracket them. Two skipped bands hold 4 more.
    full = EpwContext(n_electrons=8.0, fermi_energy_ev=8.25)
    assert (_epw(500, full) or recovery).kind == "next_wannier_plan"
    assert (_epw(500, full, bands_skipped="exclude_bands = 1:2") or recovery).kind == "rerun"
    assert (_epw(500, EpwContext(n_electrons=14.0), bands_skipped="exclude_bands = 1, 3:4") or recovery).kind != "rerun"


def test_without_cells_around_the_functions_those_around_lattice_vectors_are_taken_once() -> None:
    recovery = _epw(504, use_ws=True)
    assert recovery is not None
    assert (recovery.kind, recovery.start) == ("rerun", "same")
    assert recovery.parameters == {**EPW_INPUT, "use_ws": False}
    assert _epw(504, use_ws=False) is None


@pytest.mark.parametrize("status", [501, 502, 503])
def test_a_bad_wannierisation_asks_for_the_next_plan(status: int) -> None:
    recovery = _epw(status)
    assert recovery is not None
    assert (recovery.kind, recovery.parameters) == ("next_wannier_plan", EPW_INPUT)


@pytest.mark.parametrize(("status", "budget"), [(140, 3), (302, 1), (310, 1), (312, 3)])
def test_what_came_from_outside_is_run_again_within_a_budget(status: int, budget: int) -> None:
    for earlier in range(budget + 1):
        recovery = _epw(status, EpwContext(history=(status,) * earlier + (120,)))
        assert (recovery is None) == (earlier == budget)
        if recovery is not None:
            assert (recovery.kind, recovery.start, recovery.parameters) == ("rerun", "same", EPW_INPUT)


def test_another_version_than_assumed() -> None:
    recovery = _epw(320, EpwContext(outputs={"code_version": "6.0"}))
    assert recovery is not None
    assert (recovery.kind, recovery.epw_version, recovery.parameters) == ("rerun", "6.0", EPW_INPUT)
    assert "written for EPW 5.3.1 and refused, this is 6.0" in recovery.reason
    # The version was right, or nothing says what it is: the input itself is wrong.
    assert _epw(320, EpwContext(outputs={"code_version": "6.0"}, assumed_version="6.0")) is None
    assert _epw(320) is None


def test_files_that_do_not_fit_are_made_anew() -> None:
    for start in ("epw_folder", "wannier_folder"):
        recovery = _epw(333, EpwContext(start=start))  # type: ignore[arg-type]
        assert recovery is not None and recovery.start == "coarse"
    assert _epw(333) is None


# Missing or foreign files, pools, an invalid alpha2F, an unknown crash, a full disk: the same would fail the same way.
@pytest.mark.parametrize("status", [None, 0, 1, 100, 311, 330, 331, 332, 340, 390, 402, 999])
def test_where_epw_can_only_be_given_up(status: int | None) -> None:
    assert _epw(status, EpwContext(outputs=DONE, ranks=2)) is None


@given(
    st.sampled_from(sorted(code.status for code in EpwCalculation.exit_codes.values())),
    st.sampled_from(["nscf", "wannier_folder", "epw_folder"]),
    st.booleans(),
    st.integers(1, 8),
)
def test_every_ladder_ends_and_keeps_the_physics(status: int, start: Any, finished: bool, ranks: int) -> None:
    """The mesh, the smearing and the number of Wannier functions are the same after any number of recoveries."""
    parameters, history, version = dict(EPW_INPUT), [], "5.3.1"
    outputs = {"code_version": "5.9", "wannierised": finished, "coarse_finished": finished}
    for _ in range(20):
        context = EpwContext(start, outputs, version, True, 3.0, 8.0, ranks, tuple(history))
        recovery = recover_epw(status, parameters, context)
        if recovery is None or recovery.kind != "rerun":
            break
        assert recovery.parameters is not parameters
        assert {key: recovery.parameters[key] for key in MESHES_AND_WINDOWS} == {
            key: EPW_INPUT[key] for key in MESHES_AND_WINDOWS
        }
        parameters, version, ranks = recovery.parameters, recovery.epw_version or version, recovery.ranks or ranks
        start = {"matrix_elements": "epw_folder", "wannier_functions": "wannier_folder", "coarse": "nscf"}.get(
            recovery.start, start
        )
        history.append(status)
    else:
        pytest.fail(f"status {status} is tried without end")


def test_matrix_elements_that_do_not_fit_are_computed_in_a_wider_window() -> None:
    """The same input would end the same way: what lies before an array of EPW decides."""
    keywords, history = {**EPW_INPUT, "fsthick": 0.8}, []
    for wider in (0.92, 1.058):
        recovery = recover_epw(313, keywords, EpwContext(start="epw_folder", history=tuple(history)))
        assert recovery is not None and recovery.kind == "rerun" and recovery.start == "same"
        assert recovery.parameters == {**keywords, "fsthick": pytest.approx(wider)}
        keywords, history = recovery.parameters, [*history, 313]
    assert recover_epw(313, keywords, EpwContext(start="epw_folder", history=tuple(history))) is None
    coarse = recover_epw(
        313, {**EPW_INPUT, "fsthick": 0.8}, EpwContext(start="nscf", outputs={"coarse_finished": True})
    )
    assert coarse is not None and coarse.start == "matrix_elements"
