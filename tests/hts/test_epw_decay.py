"""Decay of the Wannier-basis matrix elements: files of a real run, cut and garbled, and an exponential."""

from pathlib import Path

import numpy as np
import pytest

from hts.epw_decay import DECAY_UNITS, outer_ratio, parse_decay
from hts.errors import ParseError

DATA = Path(__file__).parents[1] / "data" / "epw" / "al_decay"
# Number of lattice vectors that EPW printed for electrons and for phonons.
ROWS = {"H": 93, "dynmat": 19, "epmate": 93, "epmatp": 19, "v": 93}


@pytest.mark.parametrize(("name", "rows"), ROWS.items())
def test_real_files(name: str, rows: int) -> None:
    distance, magnitude = parse_decay((DATA / f"decay.{name}").read_text())
    assert distance.shape == magnitude.shape == (rows,)
    assert distance[0] == pytest.approx(0.0, abs=1e-6) and np.all(np.diff(distance) >= 0)
    # Distances in Angstrom: the nearest neighbours of fcc Al (edge 3.944 A).
    assert distance[1] == pytest.approx(3.944 / np.sqrt(2), abs=1e-3)
    assert 0 < outer_ratio(distance, magnitude) < 0.2
    assert name in DECAY_UNITS


def test_an_exponential_falls_as_it_should() -> None:
    distance = np.linspace(0.0, 10.0, 101)
    magnitude = np.exp(-distance)
    assert outer_ratio(distance, magnitude) == pytest.approx(np.exp(-9.0))
    assert outer_ratio(distance, magnitude, outer_fraction=1.0) == pytest.approx(np.exp(-10.0))
    assert outer_ratio(distance, np.ones(101)) == 1.0


def test_nothing_but_zeros_is_no_decay() -> None:
    with pytest.raises(ParseError, match="only zeros"):
        outer_ratio(np.array([0.0, 1.0]), np.zeros(2))


@pytest.mark.parametrize("name", ROWS)
def test_cut_at_every_percent(name: str) -> None:
    text = (DATA / f"decay.{name}").read_text()
    for percent in range(100):
        with pytest.raises(ParseError):
            parse_decay(text[: len(text) * percent // 100])


@pytest.mark.parametrize("name", ROWS)
def test_a_missing_row_is_noticed(name: str) -> None:
    lines = (DATA / f"decay.{name}").read_text().splitlines(keepends=True)
    for row in range(3, len(lines)):
        with pytest.raises(ParseError, match="partner -R"):
            parse_decay("".join(lines[:row] + lines[row + 1 :]))


def test_garbled_files_are_refused() -> None:
    text = (DATA / "decay.H").read_text()
    for garbled in (text.replace("E-003", "****", 1), text.replace("7.9174", "NaN "), text.partition("Ry]")[2], "\0\0"):
        with pytest.raises(ParseError):
            parse_decay(garbled)
