"""What the picture of a hull shows, read from the figure."""

from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from hts.errors import UserError
from hts.plots.hull import hull_figure, tie_lines
from hts.stored_phases import StoredPhase, elements_of, group_by_basis
from hts.system_hull import SystemHull, place_system

# Ca-H at 150 GPa: CaH2, CaH4 and CaH6 on the hull as published (H. Wang et al., PNAS 109, 6463 (2012),
# https://doi.org/10.1073/pnas.1118168109); the numbers are made up in that order. Formula -> polymorphs.
CALCIUM = {
    "Ca": [("Ca-sc", 221, 0.0), ("Ca-bcc", 229, 0.26)],
    "H2": [("H2-c2-c", 15, 0.0)],
    "CaH2": [("CaH2-p6-mmm", 191, -0.75), ("CaH2-p63-mmc", 194, -0.73)],
    "CaH4": [("CaH4-i4-mmm", 139, -0.62)],
    "CaH6": [("sodalite-CaH6", 229, -0.46)],
    "CaH10": [("clathrate-CaH10", 225, -0.2)],
}
TERNARY = {
    "Al": [("Al", 225, 0.0)],
    "Mg": [("Mg", 194, 0.0)],
    "H2": [("H2", 15, 0.0)],
    "MgH2": [("MgH2", 136, -0.25), ("MgH2-pbcn", 60, -0.24)],
    "AlH3": [("AlH3", 167, -0.1)],
    "MgAlH3": [("perovskite-MgAlH3", 221, 0.05)],
}


def hull(
    elements: tuple[str, ...], content: dict[str, list[tuple[str, int, float]]], missing: tuple[str, ...] = ()
) -> SystemHull:
    phases = []
    for formula, polymorphs in content.items():
        basis = {"pressure_gpa": 150.0, "pseudos": {element: element for element in elements_of(formula)}}
        for label, number, enthalpy in polymorphs:
            kind: Any = "candidate" if label.startswith(("sodalite", "clathrate", "perovskite")) else "reference"
            phases.append(StoredPhase(label, kind, formula, enthalpy, 10.0, number, basis, label))
    [basis_] = group_by_basis(phases)
    return SystemHull(
        elements, 150.0, basis_, "PBE, 72 Ry, k-points 0.27/Å", place_system(elements, 150.0, basis_)[1], missing
    )


def markers(figure: Figure) -> dict[str, Line2D]:
    return {str(line.get_gid()): line for line in figure.axes[0].lines if line.get_gid()}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_line_of_a_binary_joins_what_is_stable() -> None:
    figure = hull_figure(hull(("Ca", "H"), CALCIUM))
    [axes] = figure.axes
    assert axes.get_ylabel() == "formation enthalpy (eV/atom)"
    assert axes.get_xlabel() == r"fraction of H atoms in $\mathrm{Ca}_{1-x}\mathrm{H}_{x}$"
    [line] = [line for line in axes.lines if line.get_label() == "hull"]
    expected = [(0, 0), (2 / 3, -0.75), (4 / 5, -0.62), (6 / 7, -0.46), (1, 0)]
    assert np.array(line.get_xydata()) == pytest.approx(np.array(expected))


def test_markers_of_a_binary_tell_stable_metastable_and_candidate() -> None:
    found = markers(hull_figure(hull(("Ca", "H"), CALCIUM)))
    assert set(found) == {label for polymorphs in CALCIUM.values() for label, _, _ in polymorphs}
    for label, stable, star in (
        ("CaH4-i4-mmm", True, False),
        ("CaH2-p63-mmc", False, False),
        ("sodalite-CaH6", True, True),
        ("clathrate-CaH10", False, True),
    ):
        face, edge = (to_hex(found[label].get_markerfacecolor()), to_hex(found[label].get_markeredgecolor()))
        assert (face == edge) is stable
        assert (face == "#ffffff") is not stable
        assert (found[label].get_marker() == "*") is star
    assert np.array(found["clathrate-CaH10"].get_xydata()) == pytest.approx(np.array([(10 / 11, -0.2)]))


def test_names_and_energies_of_a_binary() -> None:
    written = texts(hull_figure(hull(("Ca", "H"), CALCIUM)))
    assert r"$\mathrm{CaH_{6}}$ $Im\bar{3}m$" in written
    assert r"$\mathrm{CaH_{2}}$ $P6_{3}/mmc$ +20" in written
    # CaH10 lies above CaH6 and H2, 7/11 and 4/11 of the atoms: -0.2 + 0.46 * 7 / 11 = 0.0927 eV/atom.
    assert r"$\mathrm{CaH_{10}}$ $Fm\bar{3}m$ +93" in written
    assert "Ca–H at 150 GPa" in written
    assert "PBE, 72 Ry, k-points 0.27/Å" in written
    assert not any("incomplete" in text for text in written)


@pytest.mark.parametrize(
    ("missing", "text"),
    [(("one",), "hull incomplete: 1 competitor missing"), (("one", "two"), "hull incomplete: 2 competitors missing")],
    ids=["one", "two"],
)
def test_an_incomplete_hull_says_so(missing: tuple[str, ...], text: str) -> None:
    for elements, content in ((("Ca", "H"), CALCIUM), (("Al", "Mg", "H"), TERNARY)):
        assert text in texts(hull_figure(hull(elements, content, missing)))


def test_a_limit_leaves_out_markers_but_not_the_line() -> None:
    figure = hull_figure(hull(("Ca", "H"), CALCIUM), max_hull_ev_per_atom=0.05)
    assert set(markers(figure)) == {
        "Ca-sc", "H2-c2-c", "CaH2-p6-mmm", "CaH2-p63-mmc", "CaH4-i4-mmm", "sodalite-CaH6",
    }  # fmt: skip
    assert len(figure.axes[0].lines[1].get_xydata()) == 5


@pytest.mark.parametrize(
    ("elements", "content"), [(("Ca", "H"), CALCIUM), (("Al", "Mg", "H"), TERNARY)], ids=["Ca-H", "Al-Mg-H"]
)
def test_labels_cover_neither_each_other_nor_a_marker(elements: tuple[str, ...], content: dict[str, Any]) -> None:
    figure = hull_figure(hull(elements, content))
    [axes] = figure.axes[:1]
    figure.canvas.draw()
    named = [text for text in axes.texts if isinstance(text, Annotation) and text.get_text().startswith(r"$\mathrm")]
    assert len(named) == sum(map(len, content.values()))
    # Without the line to the point, which an annotation's own extent includes.
    boxes = [Text.get_window_extent(text) for text in named]
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    centres = axes.transData.transform([line.get_xydata()[0] for line in markers(figure).values()])
    assert not any(box.contains(*centre) for box in boxes for centre in centres)


def test_many_phases_are_named_where_they_matter() -> None:
    crowd = {f"CaH{n}": [(f"lib-{n}-{k}", 1, 0.1 * k) for k in range(1, 6)] for n in range(11, 19)}
    figure = hull_figure(hull(("Ca", "H"), CALCIUM | crowd))
    named = [text for text in texts(figure) if text.startswith(r"$\mathrm")]
    # Five on the hull, and the candidate above it.
    assert len(named) == 6
    assert len(markers(figure)) == len(crowd) * 5 + 8


def test_the_triangle_of_a_ternary() -> None:
    drawn = hull(("Al", "Mg", "H"), TERNARY)
    height = np.sqrt(3) / 2
    at = {
        "Al": (0, 0),
        "Mg": (1, 0),
        "H2": (0.5, height),
        "MgH2": (2 / 3, 2 / 3 * height),
        "AlH3": (3 / 8, 3 / 4 * height),
    }
    found = markers(hull_figure(drawn))
    for label, (x, y) in at.items():
        assert np.array(found[label].get_xydata()) == pytest.approx(np.array([(x, y)]))
    # Five edges on the sides of the triangle, two within it.
    expected = {
        ("Al", "Mg"),
        ("Al", "AlH3"),
        ("AlH3", "H2"),
        ("H2", "MgH2"),
        ("Mg", "MgH2"),
        ("Al", "MgH2"),
        ("AlH3", "MgH2"),
    }
    named = {
        tuple(sorted(min(at, key=lambda label: np.hypot(*np.subtract(at[label], end))) for end in line))
        for line in tie_lines(drawn)
    }
    assert named == {tuple(sorted(pair)) for pair in expected}
    assert len(tie_lines(drawn)) == 7


def test_colours_of_a_ternary_are_energies_above_the_hull() -> None:
    figure = hull_figure(hull(("Al", "Mg", "H"), TERNARY))
    _, bar = figure.axes
    assert bar.get_ylabel() == "energy above hull (meV/atom)"
    found = markers(figure)
    star = found["perovskite-MgAlH3"]
    assert star.get_marker() == "*"
    # MgAlH3 = MgH2 + 1/3 AlH3 + 2/3 Al: 3/5, 4/15 and 2/15 of the atoms.
    assert bar.get_ylim() == pytest.approx((0, 1000 * (0.05 + 0.25 * 3 / 5 + 0.1 * 4 / 15)))
    colours = mpl.colormaps["viridis"]
    assert star.get_markerfacecolor() == pytest.approx(colours(1.0))
    assert found["MgH2-pbcn"].get_markerfacecolor() == pytest.approx(colours(10 / bar.get_ylim()[1]))


def test_a_ternary_without_anything_metastable_has_no_bar() -> None:
    content = {formula: phases[:1] for formula, phases in TERNARY.items() if formula != "MgAlH3"}
    assert len(hull_figure(hull(("Al", "Mg", "H"), content)).axes) == 1


@pytest.mark.parametrize(
    ("elements", "message"),
    [(("H",), "H has 1 element, "), (("Al", "Ca", "Mg", "H"), "has 4 elements, ")],
    ids=["1", "4"],
)
def test_other_numbers_of_elements_are_refused(elements: tuple[str, ...], message: str) -> None:
    content = {element if element != "H" else "H2": [(element, 225, 0.0)] for element in elements}
    with pytest.raises(UserError, match=f"{message}a picture of a hull shows two or three; `hts hull"):
        hull_figure(hull(elements, content))
