"""`hts plot` on relaxations stored by hand: files of every kind, and mistakes."""

from pathlib import Path

import pytest

from hts.cli.main import run

STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture(scope="module")
def hydrides(module_graph):
    """Store Al-Mg-H at 0 and 100 GPa, with a candidate."""
    graph = module_graph
    references = {
        "Al-fcc": ("Al", -55.0, 225),
        "Mg-hcp": ("Mg", -45.0, 194),
        "Ca-fcc": ("Ca", -35.0, 225),
        "H2-hcp": ("H2", -15.0, 194),
        "AlH3-mh3-r-3c": ("AlH3", -25.05, 167),
        "AlH3-mh3-pm-3n": ("AlH3", -25.02, 223),
        "MgH2-mh2": ("MgH2", -25.3, 136),
    }
    for pressure_gpa in (0.0, 100.0):
        for label, (formula, enthalpy, number) in references.items():
            graph.relaxation(
                formula,
                enthalpy + (0.06 if label == "AlH3-mh3-r-3c" and pressure_gpa else 0.0),
                pressure_gpa=pressure_gpa,
                label=f"reference/{label}/{pressure_gpa:g}GPa/0123456789ab",
                space_group_number=number,
            )
        graph.relaxation("Al4H", -46.9, pressure_gpa=pressure_gpa, called_by=graph.screening("Al4H"))
    return graph


@pytest.mark.parametrize("ending", list(STARTS))
@pytest.mark.parametrize(
    "arguments",
    [
        ["hull", "Al-H", "--pressure-gpa", "0"],
        ["hull", "Al-Mg-H", "--pressure-gpa", "100", "--max-hull-ev-per-atom", "0.5"],
        ["enthalpy", "Al-H"],
    ],
    ids=["binary", "ternary", "enthalpy"],
)
def test_the_ending_says_what_is_written(hydrides, capsys, tmp_path: Path, arguments: list[str], ending: str) -> None:
    files = [tmp_path / f"{name}{ending}" for name in ("one", "two")]
    for file in files:
        assert run(["plot", *arguments, "-o", str(file)]) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"{file} written" in captured.err
    assert files[0].read_bytes().startswith(STARTS[ending])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_is_missing_is_told_beside_the_picture(hydrides, capsys, tmp_path: Path) -> None:
    assert run(["plot", "hull", "Al-H", "--pressure-gpa", "0", "-o", str(tmp_path / "hull.svg")]) == 0
    assert "hull incomplete: H2-p63-m: not relaxed at 0 GPa" in capsys.readouterr().err
    assert run(["plot", "enthalpy", "Al-H", "--formula", "AlH3", "-o", str(tmp_path / "h.svg")]) == 0
    assert "hull incomplete at 0 GPa: H2-p63-m: not relaxed" in capsys.readouterr().err


def test_one_phase_from_another(hydrides, capsys, tmp_path: Path) -> None:
    file = tmp_path / "alane.SVG"
    chosen = ["--formula", "AlH3-mh3-pm-3n", "--relative-to", "AlH3-mh3-r-3c"]
    assert run(["plot", "enthalpy", "Al-H", *chosen, "-o", str(file)]) == 0
    assert "enthalpy relative to AlH3-mh3-r-3c (meV/atom)" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hull", "Al-H", "-o", "x.jpg"], "x.jpg ends in '.jpg', a picture ends in one of png, svg, pdf; "),
        (["enthalpy", "Al-H", "-o", "picture"], "picture ends in 'nothing', "),
        (["hull", "Al-H", "-o", "/nowhere/x.png"], "/nowhere/x.png: there is no folder /nowhere; "),
        (["hull", "Al-H"], "Missing option '-o'"),
        (["hull", "Al", "-o", "x.png"], "Al has 1 element, a picture of a hull shows two or three"),
        (["hull", "Al-Ca-Mg-H", "-o", "x.png"], "Al-Ca-Mg-H has 4 elements, "),
        (["hull", "Al-H", "-o", "x.png"], "Al-H was relaxed at 0, 100 GPa, a hull wants one pressure"),
        (["hull", "Sr-H", "-o", "x.png", "--pressure-gpa", "7"], "nothing of Sr-H was relaxed at 7 GPa"),
        (["enthalpy", "Al-H", "-o", "x.png", "--formula", "AlH9"], "no phase or formula 'AlH9' was relaxed in Al-H"),
        (["enthalpy", "Al-H", "-o", "x.png", "--relative-to", "Al-fcc"], "choose one composition with --formula"),
        (["funnel", "-o", "x.png"], "No such command 'funnel'"),
    ],
)
def test_mistakes_are_one_line(hydrides, refused, arguments: list[str], message: str) -> None:
    refused(["plot", *arguments], message)


def test_a_folder_is_no_file(hydrides, capsys, tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    assert run(["plot", "hull", "Al-H", "--pressure-gpa", "0", "-o", str(tmp_path / "x.png")]) == 2
    assert "x.png cannot be written (Is a directory)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["hull", "enthalpy"])
def test_every_picture_has_help_with_an_example(capsys, name: str) -> None:
    assert run(["plot", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"hts plot {name} " in out
    assert "Example:" in out
