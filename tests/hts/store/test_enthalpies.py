"""Stored relaxations as plain records, and what is known of those that are missing."""

import pytest
from aiida import orm
from aiida_pseudo.groups.family import PseudoPotentialFamily

from hts.errors import HtsError, UserError
from hts.store import enthalpies, hulls
from hts.stored_phases import group_by_basis, merge_twins


def reference(graph, label: str, formula: str, enthalpy: float = 0.0, **changes):
    pressure_gpa = changes.get("pressure_gpa", 0.0)
    return graph.relaxation(formula, enthalpy, label=f"reference/{label}/{pressure_gpa:g}GPa/0123456789ab", **changes)


def elements(graph, **changes) -> None:
    reference(graph, "Al-fcc", "Al", -56.40, **changes)
    reference(graph, "H2-hcp", "H2", -15.88, **changes)


def the_basis(graph):
    [basis] = group_by_basis(enthalpies.stored_phases())
    return basis


def test_a_reference_a_candidate_and_another_are_named_apart(graph) -> None:
    reference(graph, "Al-fcc", "Al", -56.4, volume_ang3=16.7, n_atoms=1)
    screening = graph.screening("Al4H")
    start = graph.relaxation("Al4H", -48.0, pressure_gpa=10.0, called_by=screening)
    descent = graph.call(
        screening, "decompress", "DecompressionWorkChain", process_type="aiida.workflows:hts.decompression"
    )
    rung = graph.relaxation("Al4H", -48.1, called_by=descent)
    free = graph.relaxation("AlH3", -26.0, space_group_number=167)
    graph.relaxation("AlH", -1.0, exit_status=401)
    found = enthalpies.stored_phases()
    assert [(phase.label, phase.kind, phase.pressure_gpa) for phase in found] == [
        ("Al-fcc", "reference", 0.0),
        ("perovskite-Al4H", "candidate", 10.0),
        ("perovskite-Al4H", "candidate", 0.0),
        (f"AlH3-{free.outputs.relaxation.pk}", "other", 0.0),
    ]
    assert (found[0].volume_ang3_per_atom, found[0].enthalpy_ev_per_atom) == (16.7, -56.4)
    assert [phase.uuid for phase in found[1:3]] == [node.outputs.relaxation.uuid for node in (start, rung)]
    assert found[3].space_group_number == 167
    assert found[3].basis["ecutwfc_ry"] == 60.0


def test_the_lower_magnetic_state_counts_and_an_unknown_one_is_told(graph) -> None:
    magnetism = {"state": "ferromagnetic", "enthalpy_ev_per_atom": -10.5, "volume_ang3": 24.0}
    reference(graph, "Fe-bcc", "Fe", -10.0, magnetism=magnetism)
    reference(graph, "Fe-fcc", "Fe", -9.0, magnetism={"state": "unknown", "reason": "no convergence"})
    reference(graph, "Al-fcc", "Al", -56.4)
    iron, doubtful, aluminium = enthalpies.stored_phases()
    assert (iron.enthalpy_ev_per_atom, iron.volume_ang3_per_atom) == (-10.5, 12.0)
    assert (iron.magnetic_state, iron.nonmagnetic) == ("ferromagnetic", (-10.0, 10.0))
    assert (doubtful.enthalpy_ev_per_atom, doubtful.magnetic_doubt) == (-9.0, "no convergence")
    assert (aluminium.magnetic_state, aluminium.magnetic_doubt, aluminium.nonmagnetic) == (None, None, None)
    assert any(
        line.startswith("Fe-fcc: its magnetic state is unknown") for line in hulls.load_hull(["Fe"], 0.0).missing
    )


def test_one_phase_relaxed_twice_is_one(graph) -> None:
    screening = graph.screening("AlH3")
    for enthalpy in (-26.0, -26.0003):
        graph.relaxation("AlH3", enthalpy, called_by=screening)
        screening = graph.screening("AlH3", campaign="two")
    reference(graph, "AlH3-mh3", "AlH3", -26.0001)
    [phase] = merge_twins(enthalpies.stored_phases())
    assert (phase.label, phase.kind, phase.twins) == ("perovskite-AlH3", "candidate", ("AlH3-mh3",))
    assert phase.enthalpy_ev_per_atom == -26.0003


def test_a_failed_reference_is_missing_until_it_is_there(graph) -> None:
    elements(graph)
    reference(graph, "AlH3-mh3-r-3c", "AlH3", exit_status=401)
    reference(graph, "AlH3-mh3-r-3c", "AlH3", exit_status=401, pressure_gpa=10.0)
    reference(graph, "AlH-rocksalt", "AlH", exit_status=401, dft={"ecutwfc_ry": 30.0})
    reference(graph, "AlH2-fluorite", "AlH2", exit_status=401, files="second")
    reference(graph, "MgH2-mh2", "MgH2", exit_status=401)
    reason = "exit 401: vc-relax failed: no convergence"
    assert enthalpies.failed_references(["Al", "H"], 0.0, the_basis(graph)) == {"AlH3-mh3-r-3c": reason}
    assert f"reference AlH3-mh3-r-3c: {reason}" in hulls.load_hull(["Al", "H"], 0.0).missing
    reference(graph, "AlH3-mh3-r-3c", "AlH3", -26.0)
    assert enthalpies.failed_references(["Al", "H"], 0.0, the_basis(graph)) == {}
    assert not any("AlH3-mh3" in line for line in hulls.load_hull(["Al", "H"], 0.0).missing)


def test_what_stored_hulls_missed(graph) -> None:
    elements(graph)
    candidate = graph.relaxation("Al4H", -48.0)
    graph.hull(candidate, ["reference X-lost: killed", "no competing compound of Al-H was computed"])
    graph.hull(candidate, ["reference X-lost: killed", "reference Al-fcc: failed once"])
    graph.hull(graph.relaxation("Al4H", -48.0, pressure_gpa=10.0), ["of another pressure"])
    graph.hull(graph.relaxation("MgH2", -48.0), ["of another system"])
    graph.hull(graph.relaxation("AlH", -48.0, dft={"degauss_ry": 0.01}), ["of other settings"])
    first = group_by_basis(enthalpies.stored_phases())[0]
    lines = enthalpies.reported_missing(["Al", "H"], 0.0, first)
    assert lines == [
        "reference X-lost: killed",
        "no competing compound of Al-H was computed",
        "reference Al-fcc: failed once",
    ]
    # Aluminium is there by now, and so is a compound: what is left is what is still lacking.
    missing = hulls.load_hull(["Al", "H"], 0.0, basis=first.name).missing
    assert "reference X-lost: killed" in missing
    assert not any(line.startswith(("no competing compound", "reference Al-fcc")) for line in missing)


def test_a_campaign_chooses_the_settings(graph) -> None:
    for files in ("first", "second"):
        elements(graph, files=files)
        graph.relaxation("AlH3", -26.0, files=files)
    elements(graph, dft={"ecutwfc_ry": 30.0})
    graph.screening(
        "Al4H",
        inputs={
            "settings": orm.Dict({"dft": {"ecutwfc_ry": 60.0, "degauss_ry": 0.02}}),
            "pseudos__Al": graph.pseudo("Al", "second"),
        },
    )
    with pytest.raises(UserError, match="3 sets of settings, one hull wants one: ") as raised:
        hulls.load_hull(["Al", "H"], 0.0)
    for words in (
        "ecutwfc_ry 30",
        "ecutwfc_ry 60",
        "Al pseudopotential ",
        "2 phases at 0 GPa",
        "--basis or --campaign",
    ):
        assert words in str(raised.value)
    found = hulls.load_hull(["Al", "H"], 0.0, campaign="one")
    assert found.basis.pseudos["Al"] == graph.pseudo("Al", "second").md5
    assert hulls.load_hull(["Al", "H"], 0.0, basis=found.basis.name).basis == found.basis
    with pytest.raises(UserError, match="'nonsense' is none of those stored: "):
        hulls.load_hull(["Al", "H"], 0.0, basis="nonsense")
    with pytest.raises(UserError, match="campaign 'two' not found"):
        hulls.load_hull(["Al", "H"], 0.0, campaign="two")
    graph.screening("MgH2", campaign="two", inputs={"settings": orm.Dict({"dft": {"ecutwfc_ry": 90.0}})})
    with pytest.raises(UserError, match="campaign 'two' has used none of the settings stored here: "):
        hulls.load_hull(["Al", "H"], 0.0, campaign="two")


def test_settings_are_told_with_the_family(graph) -> None:
    elements(graph)
    basis = the_basis(graph)
    assert hulls.settings_line(basis) == (
        ", ".join(f"{element} {md5[:6]}" for element, md5 in sorted(basis.pseudos.items()))
        + ", 60 Ry, k-points 0.27/Å, mp smearing 0.02 Ry"
    )
    family = PseudoPotentialFamily(label="PBE/tiny").store()
    family.add_nodes([graph.pseudo("Al"), graph.pseudo("H")])
    PseudoPotentialFamily(label="AAA/aluminium").store().add_nodes([graph.pseudo("Al")])
    assert hulls.settings_line(basis) == "PBE/tiny, 60 Ry, k-points 0.27/Å, mp smearing 0.02 Ry"


def test_the_pressure_is_chosen_or_the_only_one(graph) -> None:
    elements(graph, pressure_gpa=10.0)
    reference(graph, "H2-c2-c", "H2", -12.0, pressure_gpa=150.0)
    assert hulls.load_hull(["Al", "H"], None).pressure_gpa == 10.0
    elements(graph, pressure_gpa=100.0)
    with pytest.raises(UserError, match="Al-H was relaxed at 10, 100 GPa, a hull wants one pressure"):
        hulls.load_hull(["Al", "H"], None)
    with pytest.raises(UserError, match="nothing of Al-H was relaxed at 50 GPa, only at 10, 100 GPa"):
        hulls.load_hull(["Al", "H"], 50.0)
    with pytest.raises(HtsError, match="no hull of Al-H at 150 GPa: Al was not relaxed there, only H2"):
        hulls.load_hull(["Al", "H"], 150.0)
    reference(graph, "Al-hcp", "Al", pressure_gpa=150.0, exit_status=401)
    with pytest.raises(HtsError, match="; reference Al-hcp ended with exit 401: vc-relax failed"):
        hulls.load_hull(["Al", "H"], 150.0)
    with pytest.raises(UserError, match="no finished relaxation of Mg in this profile, there are Al, H; "):
        hulls.load_hull(["Mg"], None)


def test_curves_leave_out_a_pressure_without_a_hull(graph) -> None:
    elements(graph)
    reference(graph, "AlH3-mh3", "AlH3", -26.11)
    reference(graph, "AlH3-mh3", "AlH3", -20.0, pressure_gpa=50.0)
    found = hulls.load_curves(["Al", "H"])
    [curve] = found.curves
    # (-56.40 + 3 * -15.88) / 4 = -26.01
    assert curve.pressures_gpa == (0.0,)
    assert curve.distances_ev_per_atom == (pytest.approx(-0.10),)
    assert found.no_hull == (
        "no hull of Al-H at 50 GPa: Al, H were not relaxed there, only AlH3; `hts run` of a campaign in this system "
        "relaxes the elements",
    )
    assert "AlH3, beta (Fd-3m) (0 to 2.4 GPa), is in no family of the library" in found.missing[0.0]


def test_an_empty_profile(graph) -> None:
    assert enthalpies.stored_phases() == []
    with pytest.raises(UserError, match="no finished relaxation of Al-H in this profile, there is nothing yet"):
        hulls.load_hull(["Al", "H"], 0.0)
