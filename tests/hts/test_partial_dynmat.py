"""A part of a dynamical matrix against the whole of it, from a real run of ph.x (AlH rocksalt, q 3x3x3)."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from hts.dynmat import DynamicalMatrix, read_dynamical_matrix
from hts.errors import ParseError
from hts.little_group import LittleGroup, little_group
from hts.partial_dynmat import Patterns, partial_modes, read_partial_matrix, read_patterns
from hts.phonons import fractional_qpoint

DATA = Path(__file__).parent.parent / "data" / "ph" / "partial"
ALH = Structure(Lattice(2.06 * (1 - np.eye(3))), ["Al", "H"], [[0, 0, 0], [0.5, 0.5, 0.5]])
# What ph.x printed at the three q-points beside Gamma, as (group orders, representations).
CASES = {2: (6, (1, 1, 2, 2)), 3: (8, (1, 1, 2, 2)), 4: (4, (1, 1, 1, 1, 1, 1))}


def whole(index: int) -> tuple[DynamicalMatrix, LittleGroup, Patterns, dict[int, np.ndarray]]:
    """Return everything recorded of one q-point."""
    matrix = read_dynamical_matrix((DATA / f"dyn{index}").read_text())
    group = little_group(ALH, fractional_qpoint(matrix.qpoint_2pi_over_a, ALH.lattice.matrix))
    patterns = read_patterns((DATA / f"patterns.{index}.xml").read_text())
    parts = {
        number: read_partial_matrix((DATA / f"dynmat.{index}.{number}.xml").read_text(), 6)
        for number in range(len(patterns.sizes) + 1)
    }
    return matrix, group, patterns, parts


@pytest.mark.parametrize("index", CASES)
def test_all_parts_are_the_whole(index: int) -> None:
    """Summed, taken out of the basis of patterns and averaged over the little group: what ph.x wrote, to its digits."""
    matrix, group, patterns, parts = whole(index)
    assert (len(group.unitary), patterns.sizes) == CASES[index]
    total = patterns.vectors @ sum(parts.values()) @ patterns.vectors.conj().T
    assert np.abs(total - matrix.force_constants_ry_bohr2).max() > 1e-3  # it is the average that makes them equal
    np.testing.assert_allclose(group.symmetrised(total), matrix.force_constants_ry_bohr2, atol=2e-8)
    modes = partial_modes(patterns, parts, matrix.masses_ry, group)
    np.testing.assert_allclose(modes.frequencies_cm1, np.sort(matrix.printed_frequencies_cm1), atol=0.01)


@pytest.mark.parametrize("index", CASES)
def test_a_part_never_lies_below_the_whole(index: int) -> None:
    matrix, group, patterns, parts = whole(index)
    lowest = []
    for number in range(1, len(patterns.sizes) + 1):
        known = {key: part for key, part in parts.items() if key <= number}
        modes = partial_modes(patterns, known, matrix.masses_ry, group)
        assert modes.representations == tuple(range(1, number + 1))
        overlap = modes.eigenvectors.conj().T @ modes.eigenvectors
        np.testing.assert_allclose(overlap, np.eye(len(overlap)), atol=1e-9)
        lowest.append(modes.frequencies_cm1[0])
    assert all(after <= before + 1e-6 for before, after in pairwise(lowest))
    assert lowest[-1] == pytest.approx(matrix.printed_frequencies_cm1.min(), abs=0.01)


def test_an_instability_shows_before_the_end() -> None:
    """At q 2 two of four representations give the very mode; at q 4 two of six give one 90 cm-1 above the lowest."""
    found = {}
    for index in (2, 4):
        matrix, group, patterns, parts = whole(index)
        known = {key: parts[key] for key in (0, 1, 2)}
        found[index] = partial_modes(patterns, known, matrix.masses_ry, group).frequencies_cm1[0]
    assert found[2] == pytest.approx(-466.13, abs=0.05)
    assert found[4] == pytest.approx(-762.74, abs=0.05)


def test_no_representation_no_mode() -> None:
    matrix, group, patterns, parts = whole(2)
    assert len(partial_modes(patterns, {0: parts[0]}, matrix.masses_ry, group).frequencies_cm1) == 0
    with pytest.raises(ParseError, match=r"electrons' response \(0\)"):
        partial_modes(patterns, {1: parts[1]}, matrix.masses_ry, group)


def test_patterns_of_another_qpoint_are_refused() -> None:
    """Averaged over the wrong group they would give a mode that does not exist."""
    matrix, _, _, _ = whole(2)
    _, group, _, _ = whole(2)
    _, _, patterns, parts = whole(3)
    with pytest.raises(ParseError, match="not those of this q-point"):
        partial_modes(patterns, {key: parts[key] for key in (0, 3)}, matrix.masses_ry, group)


@pytest.mark.parametrize("name", ["patterns.3.xml", "dynmat.3.2.xml"])
def test_a_truncated_file_is_an_error(name: str) -> None:
    """ph.x may be writing while it is read."""
    text = (DATA / name).read_text()

    def read(part: str) -> object:
        return read_patterns(part) if name.startswith("patterns") else read_partial_matrix(part, 6)

    full = read(text)
    end = text.rindex("</PARTIAL_DYN>" if "dynmat" in name else "</DISPLACEMENT_PATTERN>")
    for cut in range(0, end, max(1, end // 100)):
        with pytest.raises(ParseError):
            read(text[:cut])
    assert full is not None
    with pytest.raises(ParseError):
        read(text.replace("E-0", "E-x", 1) if "E-0" in text else text.replace("0.", "x.", 1))


def test_an_unfinished_representation_is_none() -> None:
    text = (DATA / "dynmat.3.2.xml").read_text()
    with pytest.raises(ParseError, match="not finished"):
        read_partial_matrix(text.replace(">true<", ">false<"), 6)
