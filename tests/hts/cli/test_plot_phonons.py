"""`hts plot softening` and `hts plot bands` on a descent of Al4H stored by hand: pictures, their data, and mistakes."""

from pathlib import Path

import numpy as np
import pytest

from hts.cli.main import run
from hts.errors import UserError
from hts.store.softening import load_bands, load_softening

STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("ending", list(STARTS))
@pytest.mark.parametrize(
    "arguments",
    [["softening", "Al4H"], ["softening", "Al4H", "--squared"], ["bands", "Al4H"]],
    ids=["softening", "squared", "bands"],
)
def test_the_ending_says_what_is_written(descents, capsys, tmp_path: Path, arguments: list[str], ending: str) -> None:
    files = [tmp_path / f"{name}{ending}" for name in ("one", "two")]
    for file in files:
        assert run(["plot", *arguments, "-o", str(file)]) == 0
        assert f"{file} written" in capsys.readouterr().err
    assert files[0].read_bytes().startswith(STARTS[ending])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_softening_of_a_stored_descent(descents) -> None:
    found = load_softening("Al4H")
    assert (found.key, found.formula, found.settings) == ("perovskite-Al4H", "Al4H", "q 2×2×2, k 6×6×6")
    assert [curve.qpoint for curve in found.curves] == [(0.5,) * 3, (0.0, 0.0, 0.5), (0.0, 0.5, 0.5), (0.0,) * 3]
    corner, *others = found.curves
    assert corner.pressures_gpa == (0.0, 10.0, 20.0)
    assert corner.lowest_cm1 == pytest.approx((-120.0, 149.1, 149.1), abs=0.1)
    assert all(curve.pressures_gpa == (10.0, 20.0) for curve in others)
    assert (found.lowest_stable_gpa, found.highest_unstable_gpa) == (10.0, 0.0)
    assert (found.critical_pressure_gpa, found.critical_qpoint) == (4.0, (0.5, 0.5, 0.5))


def test_without_a_prediction_there_is_none(descents) -> None:
    found = load_softening("MgAlH3")
    assert found.critical_pressure_gpa is None
    assert found.highest_unstable_gpa is None


def test_the_bands_of_the_lowest_stable_rung(descents) -> None:
    found = load_bands("Al4H")
    assert found.pressure_gpa == 10.0
    assert load_bands("Al4H", 20.0).pressure_gpa == 20.0
    names = {name for _, part in found.ticks for name in part.split("|")}
    assert {"GAMMA", "X", "M", "R"} <= names
    # Every corner of the path is a commensurate point of the 2x2x2 mesh, and has bands where it was computed.
    places = [place for place, _ in found.computed]
    assert set(np.round([place for place, _ in found.ticks], 5)) <= set(np.round(places, 5))
    distances = np.concatenate(found.distances)
    bands = np.concatenate(found.frequencies_cm1)
    for place, modes in found.computed:
        # At a jump of the path two points share a place. At Gamma the translations were left out, and the sum rule of
        # phonopy moves the other modes by some cm-1.
        there = bands[np.abs(distances - place) < 1e-5]
        assert min(np.abs(row[-len(modes) :] - np.sort(modes)).max() for row in there) < 6
    assert np.trapezoid(found.dos, found.dos_cm1) == pytest.approx(15, rel=0.05)


def test_a_wrong_pressure_names_the_right_ones(descents) -> None:
    with pytest.raises(UserError, match="perovskite-Al4H at 0 GPa: no bands are stored there, only at 10, 20 GPa; "):
        load_bands("Al4H", 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["softening", "Al4H", "-o", "x.jpg"], "x.jpg ends in '.jpg', a picture ends in one of png, svg, pdf; "),
        (["bands", "Al4H"], "Missing option '-o'"),
        (["bands", "Al9H", "-o", "x.png"], "no candidate 'Al9H' in this profile"),
        (["softening", "AlH3", "-o", "x.png"], "no phonons of perovskite-AlH3 are stored: no rung"),
        (["softening", "Mg4H", "-o", "x.png"], "its descent in pressure has not ended; `hts explain"),
        (["softening", "MgH3", "-o", "x.png"], "perovskite-MgH3 has a mode at no stored q-point"),
        (["bands", "MgAlH3", "-o", "x.png"], "no bands of perovskite-MgAlH3 are stored, they are interpolated where"),
        (["bands", "Al4H", "-o", "x.png", "--pressure-gpa", "0"], "no bands are stored there, only at 10, 20 GPa"),
    ],
)
def test_mistakes_are_one_line(descents, refused, arguments: list[str], message: str) -> None:
    refused(["plot", *arguments], message)


@pytest.mark.parametrize("name", ["softening", "bands"])
def test_every_picture_has_help_with_an_example(capsys, name: str) -> None:
    assert run(["plot", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"hts plot {name} " in out
    assert "Example:" in out
