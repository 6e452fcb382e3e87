"""The hull of crystals that have a magnetic state, from stored results."""

from typing import Any

import pytest
from aiida import orm

from hts.verdict import judge_hull
from workflows.functions import add_magnetism, place_relaxed

# eV/atom; NiH lies 0.05 below its non-magnetic elements and, nickel being ferromagnetic, less below the real ones.
ENTHALPIES = {"Ni": -10.0, "H2": -2.0, "NiH": -6.05}
THRESHOLDS = {"min_moment_bohr_mag": 0.05, "min_gain_ev_per_atom": 1e-4}


def relaxed(formula: str, magnetism: dict[str, Any] | None = None, **changes: Any) -> orm.Dict:
    elements = {"Ni": ["Ni"], "H2": ["H"], "NiH": ["Ni", "H"]}[formula]
    content = {
        "formula": formula, "enthalpy_ev_per_atom": ENTHALPIES[formula], "volume_ang3": 10.0 * len(elements),
        "n_atoms": len(elements), "pressure_gpa": 0.0, "space_group_number": 225,
        "basis": {"pressure_gpa": 0.0, "ecutwfc_ry": 30.0, "pseudos": dict.fromkeys(elements, "md5")},
    }  # fmt: skip
    return orm.Dict({**content, **({"magnetism": magnetism} if magnetism else {}), **changes})


def state(kind: str, gain_ev_per_atom: float, formula: str) -> dict[str, Any]:
    content = {"state": kind, "gain_ev_per_atom": gain_ev_per_atom, "moment_bohr_mag_per_atom": 0.6}
    if kind == "ferromagnetic":
        content |= {"enthalpy_ev_per_atom": ENTHALPIES[formula] - gain_ev_per_atom, "volume_ang3": 10.2}
    return content


def place(candidate: orm.Dict, **phases: orm.Dict) -> dict[str, Any]:
    labels = orm.Dict({"Ni": "Ni-fcc", "H2": "H2-hcp", "other": "NiH-7"})
    named = {f"phase_{key}": node for key, node in phases.items()}
    placement: dict[str, Any] = place_relaxed(candidate, orm.List([]), labels, **named).get_dict()
    return placement


@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize(
    ("nickel", "hydride", "formation", "magnetic"),
    [
        (("nonmagnetic", 0.0), ("nonmagnetic", 0.0), -0.05, {}),
        (("ferromagnetic", 0.06), ("nonmagnetic", 0.0), -0.02, {"Ni-fcc": 0.6}),
        (("ferromagnetic", 0.16), ("nonmagnetic", 0.0), 0.03, {"Ni-fcc": 0.6}),
        (("nonmagnetic", 0.0), ("ferromagnetic", 0.01), -0.06, {"NiH": 0.6}),
        (("ferromagnetic", 0.06), ("ferromagnetic", 0.01), -0.03, {"NiH": 0.6, "Ni-fcc": 0.6}),
    ],
)
def test_every_phase_is_in_its_lower_state(
    nickel: tuple[str, float], hydride: tuple[str, float], formation: float, magnetic: dict[str, float]
) -> None:
    placement = place(relaxed("NiH", state(*hydride, "NiH")), Ni=relaxed("Ni", state(*nickel, "Ni")), H2=relaxed("H2"))
    assert placement["formation_ev_per_atom"] == pytest.approx(formation)
    assert placement["hull_ev_per_atom"] == pytest.approx(max(formation, 0.0))
    assert placement["magnetic_phases"] == magnetic
    assert placement["missing"] == []


@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize(
    ("magnetism", "reason"),
    [({"state": "unknown", "reason": "pw.x was killed"}, "pw.x was killed"), (None, "it was not looked at")],
)
def test_a_competitor_of_unknown_state_makes_the_hull_incomplete(magnetism: dict[str, Any] | None, reason: str) -> None:
    placement = place(relaxed("NiH", state("nonmagnetic", 0.0, "NiH")), Ni=relaxed("Ni", magnetism), H2=relaxed("H2"))
    (line,) = placement["missing"]
    assert line.startswith(f"Ni-fcc: its magnetic state is unknown ({reason}")
    assert line.endswith("); a ferromagnetic one would lie lower")
    assert judge_hull(placement, 0.3).flags == ("hull_incomplete",)


@pytest.mark.usefixtures("aiida_profile")
def test_a_candidate_of_unknown_state_can_only_lie_lower() -> None:
    unknown = {"state": "unknown", "reason": "pw.x was killed"}
    placement = place(relaxed("NiH", unknown), Ni=relaxed("Ni", state("nonmagnetic", 0.0, "Ni")), H2=relaxed("H2"))
    assert placement["missing"] == []
    assert placement["formation_ev_per_atom"] == pytest.approx(-0.05)


@pytest.mark.usefixtures("aiida_profile")
@pytest.mark.parametrize("other", [("ferromagnetic", 0.01), ("nonmagnetic", 0.0)])
def test_a_twin_is_a_twin_whatever_is_known_of_its_magnetism(other: tuple[str, float]) -> None:
    phases = {"Ni": relaxed("Ni", state("nonmagnetic", 0.0, "Ni")), "H2": relaxed("H2")}
    placement = place(
        relaxed("NiH", state("ferromagnetic", 0.01, "NiH")), **phases, other=relaxed("NiH", state(*other, "NiH"))
    )
    assert placement["computed_as"] == ["NiH-7"]
    assert placement["competitors"] == ["H2-hcp", "Ni-fcc"]


@pytest.mark.usefixtures("aiida_profile")
def test_the_same_cell_is_compared_at_its_pressure() -> None:
    """E + P V over the atoms: 10 GPa on 20 Angstrom^3 are 1.248 eV."""
    relaxation = relaxed("NiH", pressure_gpa=10.0, enthalpy_ev_per_atom=(-12.1 + 1.24830) / 2)
    context = orm.Dict({"symbols": ["Ni", "H"], "failure": None, **THRESHOLDS})
    scf = orm.Dict({"energy": -12.1, "total_magnetization": 0.0, "absolute_magnetization": 0.001})
    magnetism = add_magnetism(relaxation, context, scf=scf)["magnetism"]
    assert magnetism["state"] == "nonmagnetic"
    assert magnetism["gain_ev_per_atom"] == pytest.approx(0.0, abs=1e-5)
    failed = orm.Dict({"symbols": ["Ni", "H"], "failure": "pw.x was killed", **THRESHOLDS})
    found = add_magnetism(relaxation, failed).get_dict()
    assert found["magnetism"] == {"state": "unknown", "reason": "pw.x was killed"}
    assert {key: value for key, value in found.items() if key != "magnetism"} == relaxation.get_dict()
