"""`hts plot alpha2f`, `convergence`, `gap` and `tc` on couplings stored by hand: pictures, their data, and mistakes."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType

from hts.alpha2f import read_alpha2f
from hts.cli.main import run
from hts.errors import UserError
from hts.store import couplings
from hts.store.query import find_candidate, screenings
from hts.superconductivity import tc_table

DATA = Path(__file__).parents[2] / "data" / "alpha2f"
# A real spectrum, made strong enough to superconduct.
ENERGY, AL = read_alpha2f(DATA / "fcc_al.a2f")
SERIES = {"k24_q4_100meV": (24, 0.1, 4.0), "k16_q4_250meV": (16, 0.25, 4.4), "k12_q4_100meV": (12, 0.1, 6.0)}
CHOSEN = "k24_q4_100meV"
UNVERIFIED = ["N(E_F) +59.5%, E_F +0.020 eV against pw.x at k24_q4_100meV", "decay of H 0.3 (limit 0.1)"]
GAPS = {2.0: ([0.6, 0.61, 0.9], [0.5, 0.3, 0.2]), 4.0: ([0.3], [1.0])}


def tables() -> dict[str, Any]:
    """Return what `hts.tc` stores of the series."""
    series = {label: tc_table(ENERGY, factor * AL, [0.1, 0.13]) for label, (_, _, factor) in SERIES.items()}
    first = [table["tc"][0]["allen_dynes_k"] for table in series.values()]
    return {**series[CHOSEN], "chosen": CHOSEN, "series": series, "allen_dynes_spread_k": [min(first), max(first)]}


def judged(tc: dict[str, Any], *, older: bool = False, unverified: list[str] | None = None, **numbers: Any) -> Any:
    """Return what `hts.coupling` stores of the series; an older version has stored less."""
    series = []
    for label, (k, smearing_ev, _) in SERIES.items():
        off = 0.595 if k == 12 else -0.06
        item: dict[str, Any] = {"label": label, "lambda": tc["series"][label]["lambda"], "dos_deviation": off}
        item |= {"omega_log_mev": tc["series"][label]["omega_log_mev"], "fermi_deviation_ev": 0.02}
        item["gates_passed"] = abs(off) < 0.1
        if not older:
            item |= {"kpoints": [k] * 3, "qpoints": [4] * 3, "degaussw_ev": smearing_ev, "mu_star": 0.1}
            item["allen_dynes_k"] = tc["series"][label]["tc"][0]["allen_dynes_k"]
        series.append(item)
    content: dict[str, Any] = {"series": series, "chosen": CHOSEN, **numbers}
    if unverified is not None and not older:
        content["unverified"] = unverified
    words = "; ".join(unverified or [])
    return {
        "stage": "coupling",
        "verdict": "passed",
        "reason": f"lambda 0.83 is unverified: {words}" if unverified else "lambda 0.83; fine",
        "flags": ["tc_unverified"] if unverified else [],
        "thresholds": {"max_dos_deviation": 0.1, "max_fermi_deviation_ev": 0.1},
        "numbers": content,
    }


class Coupled:
    """Stores the coupling and Tc of screenings."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph

    def coupling(
        self,
        screening: orm.WorkChainNode,
        content: dict[str, Any] | None,
        *,
        suffix: str = "",
        relaxed_gpa: float = 0.0,
        labels: tuple[str, ...] = tuple(SERIES),
        gaps: bool = False,
    ) -> None:
        """Store a coupling with its alpha2F; without content one that has not ended."""
        process = orm.WorkChainNode(process_type="aiida.workflows:hts.coupling")
        relaxation = orm.Dict({"pressure_gpa": relaxed_gpa}).store()
        process.base.links.add_incoming(relaxation, LinkType.INPUT_WORK, "relaxation")
        process.base.links.add_incoming(screening, LinkType.CALL_WORK, f"coupling{suffix}")
        process.set_process_label("CouplingWorkChain")
        process.set_process_state("waiting" if content is None else "finished")
        if content is not None:
            process.set_exit_status(0)
        process.store()
        if content is None:
            return
        self.graph.result(process, "coupling", content)
        for label in labels:
            job = self.graph.job(process, f"epw_{label}", "EpwCalculation")
            arrays = {"energy_mev": ENERGY, "alpha2f": np.array([SERIES[label][2] * AL])}
            node = self._arrays(job, "alpha2f", arrays)
            node.base.links.add_incoming(process, LinkType.RETURN, f"alpha2f__{label}")
        if gaps:
            arrays = {"temperatures_k": np.array(list(GAPS))}
            for index, (gap_mev, weight) in enumerate(GAPS.values()):
                arrays |= {f"gap_mev_{index}": np.array(gap_mev), f"weight_{index}": np.array(weight)}
            self._arrays(self.graph.job(process, "epw_anisotropic", "EpwCalculation"), "gap_distributions", arrays)

    def tc(self, screening: orm.WorkChainNode, content: dict[str, Any], suffix: str = "") -> None:
        """Store a table of Tc."""
        self.graph.result(self.graph.call(screening, f"tc{suffix}", "TcWorkChain"), "tc", content)

    @staticmethod
    def _arrays(job: orm.CalcJobNode, label: str, arrays: dict[str, np.ndarray]) -> orm.ArrayData:
        node = orm.ArrayData(arrays)
        node.base.links.add_incoming(job, LinkType.CREATE, label)
        return node.store()


@pytest.fixture(scope="module")
def coupled(module_graph: Any) -> Any:
    """Store couplings of every kind: of this version and an older one, at several pressures, unfinished ones."""
    store, graph, tc = Coupled(module_graph), module_graph, tables()
    several = graph.screening("Al4H")
    convergence = {"status": "converged", "tolerance": 0.05, "tolerance_k": 1.0, "reason": "Tc changes by 0.4 K"}
    estimate = {"label": "estimate", "lambda": 0.9, "omega_log_mev": 26.0, "allen_dynes_k": 14.0}
    # The pressures above were computed before the lowest one here: order must not come from that.
    for suffix, pressure_gpa in (("_12p5GPa", 12.5), ("", 0.0)):
        numbers = {"pressure_gpa": pressure_gpa, "convergence": convergence, "estimate": estimate}
        content = judged(tc, unverified=UNVERIFIED if pressure_gpa else None, **numbers)
        store.coupling(several, content, suffix=suffix, relaxed_gpa=99.0, gaps=pressure_gpa > 0)
        store.tc(several, tc, suffix)
    graph.record(several, verdict="ambient", lowest_stable_pressure_gpa=0.0)
    older = graph.screening("AlH3", campaign="two")
    store.coupling(older, judged(tc, older=True, unverified=UNVERIFIED), relaxed_gpa=20.0)
    store.tc(older, tc)
    graph.record(older, verdict="stable_to_pressure", lowest_stable_pressure_gpa=20.0)
    store.coupling(graph.screening("MgAlH3"), judged(tc, older=True), labels=("k16_q4_250meV",))
    undecided = {"verdict": "undecided", "reason": "no alpha2F was computed", "flags": [], "numbers": {}}
    store.coupling(graph.screening("MgH3", exit_status=404), undecided, labels=())
    store.coupling(graph.screening("Mg4H", state="waiting"), None)
    graph.screening("CaH3", campaign="three")
    return graph


STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
PICTURES = {
    "alpha2f": ["alpha2f", "Al4H"],
    "file": ["alpha2f", str(DATA / "fcc_al.a2f")],
    "convergence": ["convergence", "Al4H"],
    "gap": ["gap", "Al4H"],
    "tc": ["tc", "one", "two"],
}


@pytest.mark.parametrize("ending", list(STARTS))
@pytest.mark.parametrize("arguments", PICTURES.values(), ids=PICTURES)
def test_the_ending_says_what_is_written(coupled, capsys, tmp_path: Path, arguments: list[str], ending: str) -> None:
    files = [tmp_path / f"{name}{ending}" for name in ("one", "two")]
    for file in files:
        assert run(["plot", *arguments, "-o", str(file)]) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"{file} written" in captured.err
    assert files[0].read_bytes().startswith(STARTS[ending])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_couplings_by_rising_pressure_with_all_that_belongs_to_them(coupled) -> None:
    low, high = couplings.couplings_of(find_candidate("Al4H"))
    assert (low.pressure_gpa, high.pressure_gpa) == (0.0, 12.5)
    assert low.coupling["flags"] == []
    assert high.coupling["numbers"]["unverified"] == UNVERIFIED
    for one in (low, high):
        assert one.tc is not None
        assert one.tc["chosen"] == CHOSEN
        assert set(one.alpha2f) == set(SERIES)
        assert one.alpha2f[CHOSEN].get_array("alpha2f")[0] == pytest.approx(4.0 * AL)
    assert couplings.couplings_of(find_candidate("CaH3")) == []


def test_the_coupling_of_a_pressure(coupled) -> None:
    lowest, chosen = couplings.load_coupling("Al4H"), couplings.load_coupling("Al4H", 12.5)
    assert (lowest.pressure_gpa, lowest.unverified) == (0.0, ())
    assert (chosen.pressure_gpa, chosen.unverified) == (12.5, tuple(UNVERIFIED))
    assert lowest.lambda_ == pytest.approx(4 * 0.2084, abs=4e-4)
    drawn = {one.label: one for one in lowest.spectra}
    assert drawn[CHOSEN].cumulative_lambda[-1] == pytest.approx(lowest.lambda_)
    assert [(point.kpoints, point.gates_passed) for point in lowest.points] == [
        ((24, 24, 24), True),
        ((16, 16, 16), True),
        ((12, 12, 12), False),
    ]
    assert lowest.points[2].failures == ("N(E_F) +59.5%",)
    assert lowest.estimate is not None
    assert lowest.estimate.allen_dynes_k == 14.0


def test_an_older_screening_has_its_pressure_from_its_relaxation(coupled) -> None:
    found = couplings.load_coupling("AlH3")
    assert found.pressure_gpa == 20.0
    assert found.unverified == ("; ".join(UNVERIFIED),)
    assert [point.degaussw_ev for point in found.points] == [0.1, 0.25, 0.1]
    assert found.points[0].allen_dynes_k == found.tc[0].allen_dynes_k
    assert (found.convergence, found.estimate) == (None, None)


def test_gaps_of_the_first_pressure_that_has_them(coupled) -> None:
    found = couplings.load_gaps("Al4H")
    assert (found.key, found.formula, found.pressure_gpa) == ("perovskite-Al4H", "Al4H", 12.5)
    assert [one.temperature_k for one in found.distributions] == [2.0, 4.0]
    assert found.distributions[0].gap_mev.tolist() == GAPS[2.0][0]
    assert found.distributions[0].weight.tolist() == GAPS[2.0][1]


def test_tc_against_pressure(coupled) -> None:
    curves = {curve.formula: curve for curve in couplings.tc_curves(screenings())}
    assert set(curves) == {"Al4H", "AlH3"}
    low, high = curves["Al4H"].points
    assert (low.pressure_gpa, high.pressure_gpa) == (0.0, 12.5)
    assert (low.unverified, high.unverified) == (False, True)
    assert low.mu_star == 0.1
    assert low.spread_k is not None
    assert low.spread_k[0] == low.allen_dynes_k < low.spread_k[1]
    assert low.eliashberg_k is not None
    assert low.eliashberg_k > low.allen_dynes_k
    [older] = curves["AlH3"].points
    assert (older.pressure_gpa, older.unverified) == (20.0, True)
    assert couplings.tc_curves([]) == []


def test_the_picture_says_what_is_unverified(coupled, capsys, tmp_path: Path) -> None:
    import matplotlib as mpl

    file = tmp_path / "alpha2f.svg"
    with mpl.rc_context({"svg.fonttype": "none"}):
        assert run(["plot", "alpha2f", "Al4H", "--pressure-gpa", "12.5", "-o", str(file)]) == 0
        assert "unverified: N(E_F) +59.5%, E_F +0.020 eV" in file.read_text(encoding="utf-8")
        assert run(["plot", "alpha2f", "Al4H", "-o", str(file)]) == 0
        assert "unverified" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "there", "absent", "count"),
    [
        ([], ["Al4H", "AlH3", "H3S"], [], 2),
        (["--no-known"], ["Al4H", "AlH3"], ["H3S"], 2),
        (["--no-known", "--verdict", "ambient"], ["Al4H"], ["AlH3"], 1),
        (["two", "--no-known"], ["AlH3"], ["Al4H"], 1),
        (["--no-known", "--element", "Al", "--family", "perovskite"], ["Al4H", "AlH3"], [], 2),
    ],
)
def test_filters_and_campaigns(
    coupled, capsys, monkeypatch, tmp_path: Path, arguments: list[str], there: list[str], absent: list[str], count: int
) -> None:
    figures = []

    def keep(figure, path) -> None:
        figures.append(figure)

    monkeypatch.setattr("hts.cli.plot_coupling.save", keep)
    assert run(["plot", "tc", *arguments, "-o", str(tmp_path / "tc.png")]) == 0
    marks = {str(line.get_gid()).removeprefix("perovskite-").split()[0] for line in figures[0].axes[0].lines}
    assert set(there) <= marks
    assert not set(absent) & marks
    assert f"{count} of " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["alpha2f", "Al4H", "-o", "x.jpg"], "x.jpg ends in '.jpg', a picture ends in one of png, svg, pdf; "),
        (["convergence", "Al4H"], "Missing option '-o'"),
        (["alpha2f", "Al9H", "-o", "x.png"], "no candidate 'Al9H' in this profile"),
        (
            ["convergence", "Mg4H", "-o", "x.png"],
            "no coupling of perovskite-Mg4H is stored: its coupling has not ended",
        ),
        (["gap", "CaH3", "-o", "x.png"], "no coupling of perovskite-CaH3 is stored: it ended before its coupling"),
        (["alpha2f", "MgH3", "-o", "x.png"], "perovskite-MgH3 has no alpha2F (no alpha2F was computed); `hts explain"),
        (["alpha2f", "MgAlH3", "-o", "x.png"], "at the chosen mesh k24_q4_100meV is stored, it has k16_q4_250meV; "),
        (["alpha2f", "Al4H", "--pressure-gpa", "7", "-o", "x.png"], "no coupling is stored there, only at 0, 12.5 GPa"),
        (
            ["gap", "Al4H", "--pressure-gpa", "0", "-o", "x.png"],
            "no anisotropic gap of perovskite-Al4H at 0 GPa is stored",
        ),
        (["gap", "AlH3", "-o", "x.png"], "`overrides: {coupling: {anisotropic: true}}` in the campaign file, or with "),
        (
            ["alpha2f", "Al4H", "--unit", "THz", "-o", "x.png"],
            "Al4H is not a file, wanted one with --unit; leave out",
        ),
        (["alpha2f", "none.a2f", "-o", "x.png"], "none.a2f: No such file or directory, wanted a readable alpha2F file"),
        (
            ["alpha2f", str(DATA / "fcc_al.a2f"), "--unit", "cm-1", "-o", "x.png"],
            "unit cm-1 was given but the header says",
        ),
        (["alpha2f", str(DATA / "fcc_al.a2f"), "--unit", "eV", "-o", "x.png"], "unit 'eV' is unknown, wanted meV"),
        (
            ["alpha2f", str(DATA / "fcc_al.a2f"), "--pressure-gpa", "0", "-o", "x.png"],
            "is for a candidate; leave it out",
        ),
        (["alpha2f", "Al4H", "--profile", "nowhere", "-o", "x.png"], "profile 'nowhere' not found"),
        (
            ["tc", "three", "-o", "x.png"],
            "none of 1 candidate(s) has a Tc yet, there is nothing to draw; `hts",
        ),
        (["tc", "--element", "Ca", "-o", "x.png"], "none of 1 candidate(s) that fit has a Tc yet"),
        (["tc", "--verdict", "good", "-o", "x.png"], "--verdict 'good' is unknown"),
        (["tc", "four", "-o", "x.png"], "campaign 'four' not found in this profile; there are: "),
    ],
)
def test_mistakes_are_one_line(coupled, refused, arguments: list[str], message: str) -> None:
    refused(["plot", *arguments], message)


def test_a_file_needs_neither_profile_nor_aiida(tmp_path: Path) -> None:
    shutil.copy(DATA / "alpha2F.dat", tmp_path / "my.dat")
    script = (
        "import sys\n"
        "from hts.cli.main import run\n"
        "code = run(['plot', 'alpha2f', 'my.dat', '--unit', 'thz', '--column', '5', '-o', 'my.png'])\n"
        "sys.exit(code or any(name.split('.')[0] == 'aiida' for name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "my.png").read_bytes().startswith(STARTS[".png"])


def test_without_known_pressure_there_is_no_point(graph: Callable[..., Any]) -> None:
    screening = graph.screening("Al4H")
    process = graph.call(screening, "coupling", "CouplingWorkChain")
    graph.result(process, "coupling", judged(tables(), older=True))
    Coupled(graph).tc(screening, tables())
    [stored] = couplings.couplings_of(find_candidate("Al4H"))
    assert stored.pressure_gpa is None
    assert couplings.tc_curves(screenings()) == []
    with pytest.raises(UserError, match="no coupling is stored there, only at unknown GPa"):
        couplings.load_coupling("Al4H", 0.0)


@pytest.mark.parametrize("name", ["alpha2f", "convergence", "gap", "tc"])
def test_every_picture_has_help_with_an_example(capsys, name: str) -> None:
    assert run(["plot", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"hts plot {name} " in out
    assert "Example:" in out
