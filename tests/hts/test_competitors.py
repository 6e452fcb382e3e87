"""Competing phases: what a hull holds at a pressure, under which labels, and what is said to lack."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from hts.competitors import CompetitorList, KnownPhase, Scope, competitors, known_phases, unbuilt_phases
from hts.deduplication import crystal_matcher
from hts.errors import UserError
from hts.prototypes.geometry import space_group_number
from hts.references import elemental_reference

SYSTEMS = [{"Ca", "H"}, {"H", "Mg", "Ir"}, {"La", "Be", "H"}, {"Al", "H"}]


def labels(elements: set[str], pressure_gpa: float, scope: Scope = "known") -> set[str]:
    return {phase.label for phase in competitors(elements, pressure_gpa, scope).phases}


def assert_distinct(found: CompetitorList) -> None:
    names = [phase.label for phase in found.phases]
    assert len(set(names)) == len(names)
    # No file system may take two of them for one.
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    matcher = crystal_matcher()
    by_formula: dict[str, list[tuple[int, str]]] = {}
    for index, phase in enumerate(found.phases):
        by_formula.setdefault(phase.formula, []).append((index, phase.label))
    for alike in by_formula.values():
        for position, (first, name) in enumerate(alike):
            for second, other in alike[position + 1 :]:
                one, two = found.phases[first].structure, found.phases[second].structure
                assert not matcher.fit(one, two), f"{name} is {other}"


@pytest.mark.parametrize("phase", known_phases(), ids=lambda phase: phase.label)
def test_every_known_phase_builds(phase: KnownPhase) -> None:
    low, high = phase.window_gpa
    assert 0 <= low < (high or 1000)
    candidate = phase.candidate(low)
    assert candidate.structure.composition.reduced_composition == Composition(phase.formula).reduced_composition
    assert candidate.n_atoms == len(candidate.structure)
    assert phase.source_doi.startswith("10.")


def test_tables_are_consistent() -> None:
    names = [phase.label for phase in known_phases()]
    assert len(set(names)) == len(names)
    for phase in unbuilt_phases():
        assert phase.name
        assert phase.elements
        low, high = phase.window_gpa
        assert 0 <= low < (high or 1000)


def test_calcium_hydrogen_at_150_gpa() -> None:
    """The phases between which CaH6 is decided: Wang et al. 2012, https://doi.org/10.1073/pnas.1118168109."""
    found = competitors({"H", "Ca"}, 150, "known")
    assert {phase.formula for phase in found.phases} == {"Ca", "H2", "CaH2", "CaH4", "CaH6"}
    numbers = {phase.label: space_group_number(phase.structure, 0.01) for phase in found.phases}
    assert numbers["H2-c2-c"] == 15
    assert numbers["CaH2-mh2-p6-mmm"] == 191
    assert numbers["CaH4-mh4-i4-mmm"] == 139
    assert numbers["CaH6-sodalite_mh6"] == 229
    assert numbers["Ca-sc"] == 221
    kinds = {phase.formula: phase.kind for phase in found.phases}
    assert (kinds["Ca"], kinds["H2"], kinds["CaH6"]) == ("element", "element", "known")
    # The host-guest phase of calcium above 134 GPa: what stands in for it says so.
    assert "no structure of Ca at 150 GPa is known; standing in: Ca-fcc, Ca-bcc, Ca-sc" in found.missing
    assert "Ca, host-guest phase (from 134 GPa), is in no family of the library" in found.missing
    caveats = {phase.label: phase.caveat for phase in found.phases}
    assert caveats["Ca-sc"] == "Ca is used outside its window (20 to 130 GPa)"
    assert caveats["CaH6-sodalite_mh6"] is None
    doi = {phase.label: phase.source_doi for phase in found.phases}
    assert doi["CaH6-sodalite_mh6"] == "10.1073/pnas.1118168109"
    # 21 Angstrom^3 a formula unit at 150 GPa (PBE); the start volume is within 10 %.
    volume = next(phase.structure.volume for phase in found.phases if phase.formula == "CaH6")
    assert volume == pytest.approx(21, rel=0.1)


def test_magnesium_hydrogen() -> None:
    """MgH2 is rutile at 0 GPa; polyhydrides come near 100 GPa: https://doi.org/10.1103/PhysRevB.87.054107."""
    ambient = competitors({"Mg", "H"}, 0, "known")
    by_label = {phase.label: phase for phase in ambient.phases}
    assert space_group_number(by_label["MgH2-mh2-p42-mnm"].structure) == 136
    assert {phase.formula for phase in ambient.phases} == {"Mg", "H2", "MgH2"}
    assert ambient.missing == ()
    assert labels({"Mg", "H"}, 0) >= {"Mg-hcp", "H2-hcp", "H2-p63-m"}
    assert {"MgH4-mh4-cmcm", "MgH12-mh12-r-3", "Mg-bcc"} <= labels({"Mg", "H"}, 120)
    assert "Mg-hcp" not in labels({"Mg", "H"}, 120)
    pressed = competitors({"Mg", "H"}, 120, "known")
    assert "MgH16-mh16-p-1 left out: 34 atoms, at most 30" in pressed.missing
    assert "MgH16-mh16-p-1" in {phase.label for phase in competitors({"Mg", "H"}, 120, "known", max_atoms=34).phases}


@pytest.mark.parametrize(
    ("pressure_gpa", "wanted"),
    [(0, {"AlH3-mh3-r-3c"}), (100, {"AlH3-mh3-r-3c", "AlH3-mh3-pm-3n"}), (150, {"AlH3-mh3-pm-3n"})],
)
def test_aluminium_trihydride(pressure_gpa: float, wanted: set[str]) -> None:
    """R-3c to 64 GPa, Pm-3n from 104 GPa: https://doi.org/10.1021/cm800282b."""
    assert {label for label in labels({"Al", "H"}, pressure_gpa) if label.startswith("AlH3")} == wanted


def test_hydrogen_by_window() -> None:
    """P6_3/m to 105 GPa, C2/c to 270, Cmca-12 to 385, Cmca to 490, then I4_1/amd: https://doi.org/10.1038/nphys625."""
    best = {
        0: "p63-m",
        50: "p63-m",
        104: "p63-m",
        106: "c2-c",
        269: "c2-c",
        271: "cmca-12",
        384: "cmca-12",
        495: "i41-amd",
    }
    for pressure_gpa, variant in best.items():
        assert f"H2-{variant}" in labels({"H"}, pressure_gpa)
    assert labels({"H"}, 5) == {"H2-hcp", "H2-p63-m"}
    assert labels({"H"}, 50) == {"H2-p63-m"}
    # Both sides of a crossover, 25 GPa to either side of it.
    for crossover, below, above in [(105, "p63-m", "c2-c"), (270, "c2-c", "cmca-12")]:
        for pressure_gpa in (crossover - 25, crossover + 25):
            assert {f"H2-{below}", f"H2-{above}"} <= labels({"H"}, pressure_gpa)
    assert competitors({"H"}, 200, "known").missing == ()
    assert competitors({"H"}, 400, "known").missing == (
        "H2, Cmca (4 atoms) (385 to 490 GPa), is in no family of the library",
    )
    assert all(labels({"H"}, pressure) == labels({"H"}, pressure, "library") for pressure in (5, 150, 400, 600))


def test_scope_elements() -> None:
    """What the hull has used so far, unchanged."""
    found = competitors({"Al", "H", "S"}, 20, "elements")
    assert [phase.label for phase in found.phases] == ["Al-fcc", "H2-hcp"]
    for phase, element in zip(found.phases, ("Al", "H"), strict=True):
        assert phase.structure == elemental_reference(element, 20).structure
    assert [phase.formula for phase in found.phases] == ["Al", "H2"]
    assert found.missing[0] == "no structure of S at 20 GPa is in the table"
    assert "no competing compound of Al-H was looked for" in found.missing
    assert len(found.missing) == 5
    assert competitors({"H"}, 150, "elements").phases == ()
    caveats = {phase.label: phase.caveat for phase in competitors({"Si"}, 15, "elements").phases}
    assert caveats == {"Si-diamond": "Si diamond is used at 15 GPa, beyond its window (up to 11.7 GPa)"}
    # The ambient cells come from the same measured lattice constants in every scope.
    magnesium = competitors({"Mg"}, 10, "known").phases[0]
    assert magnesium.structure == elemental_reference("Mg", 10).structure


def test_missing_systems_and_elements() -> None:
    found = competitors({"Al", "Ca", "H"}, 0, "known")
    assert "no competing compound of Al-Ca is known at 0 GPa" in found.missing
    assert "no competing compound of Al-Ca-H is known at 0 GPa" in found.missing
    assert not any("of Al-H " in line or "of Ca-H " in line for line in found.missing)
    # In the library every pair and triple has a member.
    assert not any("no competing compound" in line for line in competitors({"Al", "Ca", "H"}, 0, "library").missing)
    astatine = competitors({"At", "H"}, 10, "library")
    assert {phase.label for phase in astatine.phases} == {"H2-hcp", "H2-p63-m"}
    assert any(line.startswith("no structure of At at 10 GPa is known (element 'At'") for line in astatine.missing)


def test_notes_are_caveats() -> None:
    yttrium = {phase.label: phase.caveat for phase in competitors({"Y"}, 60, "known").phases}
    assert yttrium == {"Y-dhcp": None, "Y-fcc": "stands in for distorted fcc yttrium"}
    # fcc only stands in for dhcp lanthanum where there is no dhcp: not here.
    assert {phase.label: phase.caveat for phase in competitors({"La"}, 0, "known").phases} == {
        "La-dhcp": None,
        "La-fcc": None,
    }
    # Ferromagnetism is looked for; antiferromagnetism is not.
    assert competitors({"Ni"}, 0, "known").phases[0].caveat is None
    assert "antiferromagnetic" in str(competitors({"Cr"}, 0, "known").phases[0].caveat)


def test_library() -> None:
    found = competitors({"Ca", "H"}, 150, "library")
    by_label = {phase.label: phase for phase in found.phases}
    assert labels({"Ca", "H"}, 150) <= set(by_label)
    assert by_label["CaH6-sodalite_mh6"].kind == "known"
    # Outside its window a known phase is one of the library.
    assert by_label["CaH2-mh2-pnma"].kind == "library"
    assert {
        "Ca-hcp",
        "CaH10-mh10-fm-3m",
        "CaH-rocksalt-Ca_H",
        "Ca4H-perovskite-H_Ca_Ca",
        "Ca2H3-perovskite-Ca_Ca_H",
    } <= {phase.label for phase in found.phases if phase.kind == "library"}
    # Equal crystals: LiH is not also HLi, and M3XH8 with M = X is fluorite CaH2.
    assert not {"CaH-rocksalt-H_Ca", "CaH2-m3xh8-Ca_Ca"} & set(by_label)
    assert not any("perovskite_tilted" in label for label in by_label)
    assert "CaH16-mh16-p-1 left out: 34 atoms, at most 30" in found.missing
    assert len(set(found.missing)) == len(found.missing)
    assert all(len(phase.structure) <= 30 for phase in found.phases)
    ternary = competitors({"La", "Be", "H"}, 100, "library")
    by_label = {phase.label: phase for phase in ternary.phases}
    assert by_label["LaBeH8-fluorite_axh8-La_Be"].kind == "known"
    assert {phase.formula for phase in ternary.phases} >= {"LaBeH8", "LaBe", "LaBe2", "La3Be", "La2BeH6", "LaBeH12"}


@pytest.mark.parametrize("elements", SYSTEMS, ids=lambda elements: "-".join(sorted(elements)))
def test_no_duplicates(elements: set[str]) -> None:
    for scope in ("known", "library"):
        assert_distinct(competitors(elements, 100, scope))


@pytest.mark.parametrize(
    "elements", [{"Mg", "H"}, {"Li", "H"}, {"Ca", "H", "Y"}], ids=lambda elements: "-".join(sorted(elements))
)
def test_labels_do_not_depend_on_the_pressure(elements: set[str]) -> None:
    """At every pressure the library holds the same crystals under the same labels, but for hydrogen's phases."""
    found = [competitors(elements, pressure_gpa, "library").phases for pressure_gpa in (0, 40, 150, 400)]
    by_label = [{phase.label: phase for phase in phases if phase.formula != "H2"} for phases in found]
    # Simple cubic calcium belongs to no family of elements, and is held only where it is known.
    names = [set(one) - {"Ca-sc"} for one in by_label]
    assert all(one == two for one, two in pairwise(names))
    matcher = crystal_matcher()
    for label in sorted(names[0])[::7]:
        assert matcher.fit(by_label[0][label].structure, by_label[-1][label].structure)
    # Nor on what else is in the system.
    wider = {phase.label for phase in competitors(elements | {"Al"}, 150, "library").phases}
    assert {phase.label for phase in found[2]} <= wider


def test_start_volume_follows_the_pressure() -> None:
    def volume_ang3(pressure_gpa: float) -> float:
        return next(
            phase.structure.volume
            for phase in competitors({"Ca", "H"}, pressure_gpa, "known").phases
            if phase.label == "CaH2-mh2-p63-mmc"
        )

    assert volume_ang3(0) > volume_ang3(50) > volume_ang3(150)


@settings(deadline=None, max_examples=40)
@given(
    elements=st.sets(
        st.sampled_from(["H", "Li", "B", "C", "S", "Ca", "Fe", "Y", "La", "Ir", "Hg", "At", "Xe"]), max_size=4
    ),
    pressure_gpa=st.floats(0, 600),
    scope=st.sampled_from(["elements", "known"]),
)
def test_every_element_and_system_is_held_or_missing(elements: set[str], pressure_gpa: float, scope: Scope) -> None:
    found = competitors(elements, pressure_gpa, scope)
    held = {frozenset(Composition(phase.formula).get_el_amt_dict()) for phase in found.phases}
    for element in elements:
        assert {element} in held or any(line.startswith(f"no structure of {element} at") for line in found.missing)
    named = {frozenset(line.split()[4].split("-")) for line in found.missing if line.startswith("no competing")}
    compounds = {system for system in held if len(system) > 1}
    assert not named & compounds
    assert len(named | compounds) == 2 ** len(elements) - len(elements) - 1
    assert all(system <= elements for system in held)
    assert competitors(elements, pressure_gpa, scope) == found


def test_bad_input() -> None:
    with pytest.raises(UserError, match="'Xx' is not in the periodic table"):
        competitors({"Xx", "H"}, 0, "known")
    for pressure_gpa in (-1, float("inf"), float("nan")):
        with pytest.raises(UserError, match="negative or not finite"):
            competitors({"Ca"}, pressure_gpa, "known")
    with pytest.raises(UserError, match="scope 'all' is unknown"):
        competitors({"Ca"}, 0, "all")  # type: ignore[arg-type]
    assert competitors(set(), 0, "library") == CompetitorList((), (), (), "is known at 0 GPa")
    assert competitors(set(), 0, "library").missing == ()
