"""The story of one candidate."""

import json

from aiida import orm
from aiida.common.links import LinkType

from hts.coupling_gates import judge_coupling
from hts.store import query, story


def told(graph, screening) -> dict:
    told = story.tell(query.find_candidate(screening.uuid))
    assert json.loads(json.dumps(told)) == told
    return told


def test_stages_jobs_and_costs_in_the_order_of_their_making(graph) -> None:
    screening = graph.screening()
    relax = graph.call(screening, "relax")
    first = graph.job(graph.call(relax, "relax_1", "PwBaseWorkChain"), ran=(-40.0, -30.0))
    graph.judge(screening, "relax", "passed", gap_ev=0.0)
    hull = graph.call(screening, "hull", "HullWorkChain")
    reference = graph.call(hull, "reference_Al")
    second = graph.job(graph.call(reference, "scf_1", "PwBaseWorkChain"), "iteration_02", ran=(-20.0, -15.0))
    graph.result(hull, "placement", {"missing": ["no competing compound of Al-H was computed"]})
    graph.judge(screening, "hull", "failed")
    graph.record(screening, verdict="above_hull")

    found = told(graph, screening)
    assert [(one["stage"], one["verdict"]) for one in found["stages"]] == [("relax", "passed"), ("hull", "failed")]
    assert found["stages"][0]["numbers"] == {"gap_ev": 0.0}
    assert found["stages"][0]["thresholds"] == {"gate": 0.3}
    assert found["stages"][1]["details"] == ["missing: no competing compound of Al-H was computed"]
    assert [round(one["seconds"], 3) for one in found["stages"]] == [10.0, 5.0]
    assert [(job["pk"], job["label"]) for job in found["jobs"]] == [
        (first.pk, "relax_1"),
        (second.pk, "reference_Al/scf_1/iteration_02"),
    ]
    assert found["jobs"][0]["folder"] == first.get_remote_workdir()
    assert found["record"]["verdict"] == "above_hull"
    assert round(found["record"]["cost_core_hours"] * 3600) == 15


def test_a_screening_that_waits_for_the_daemon(graph) -> None:
    found = told(graph, graph.screening(state="created"))
    assert found["stages"] == []
    assert found["jobs"] == []
    assert found["record"]["verdict"] == "undecided"


def test_a_stage_that_runs_and_one_that_broke_off(graph) -> None:
    running = graph.screening("AlH3", state="waiting")
    relax = graph.call(running, "relax", state="waiting")
    graph.job(relax, state="waiting")
    [stage] = told(graph, running)["stages"]
    assert (stage["verdict"], stage["reason"]) == ("running", "still running")
    [job] = told(graph, running)["jobs"]
    assert (job["state"], job["exit_status"], job["seconds"]) == ("waiting", None, 0.0)

    broken = graph.screening("MgH2", exit_status=403)
    graph.call(broken, "decompress", "DecompressionWorkChain", exit_status=410, message="0 GPa is undecided")
    graph.judge(broken, "decompress", "passed")
    [stage] = told(graph, broken)["stages"]
    assert (stage["verdict"], stage["reason"]) == ("undecided", "0 GPa is undecided")


def test_a_killed_stage_names_the_report(graph) -> None:
    killed = graph.screening(state="killed")
    relax = graph.call(killed, "relax", state="killed")
    [stage] = told(graph, killed)["stages"]
    assert stage["verdict"] == "undecided"
    assert stage["reason"] == f"killed; see `verdi process report {relax.pk}`"


def test_magnetism_is_told_where_it_was_looked_at(graph) -> None:
    screening = graph.screening("NiH")
    relax = graph.call(screening, "relax")
    magnetism = {
        "state": "ferromagnetic", "gain_ev_per_atom": 0.035, "moment_bohr_mag_per_cell": 0.54,
        "moment_bohr_mag_per_atom": 0.27,
    }  # fmt: skip
    graph.result(relax, "relaxation", {"magnetism": magnetism})
    decompress = graph.call(screening, "decompress", "DecompressionWorkChain")
    unknown = {"state": "unknown", "reason": "pw.x was killed"}
    states = {20.0: {"state": "nonmagnetic"}, 10.0: magnetism, 0.0: unknown}
    rungs = [
        {"pressure_gpa": pressure, "verdict": "stable", "reason": "why", "relaxation": {"magnetism": state}}
        for pressure, state in states.items()
    ]
    graph.result(decompress, "ladder", {"rungs": rungs})
    words = "ferromagnetic: 0.54 Bohr magnetons a cell, 0.0350 eV/atom below the non-magnetic state"
    first, second = told(graph, screening)["stages"]
    assert first["details"] == [f"magnetism: {words}"]
    assert second["details"] == [
        "20 GPa: stable, why",
        "10 GPa: stable, why",
        f"  {words}",
        "0 GPa: stable, why",
        "  magnetic state unknown: pw.x was killed",
    ]


def test_a_distorted_crystal_names_its_parent_and_the_parent_where_it_led_to(graph) -> None:
    parent = graph.screening("AlH3")
    descent = graph.call(parent, "decompress", "DecompressionWorkChain")
    graph.judge(parent, "decompress", "failed")
    graph.result(descent, "ladder", {"rungs": []})
    mode = {"index": 4, "qpoint": [0.5, -0.0, 0.5], "frequency_cm1": -297.3, "irrep": "M3+"}
    followed = {"verdict": "lower", "reason": "space group 221 -> 127, -12.0 meV/atom", "amplitude_ang": 0.15}
    graph.result(descent, "distortion", {**followed, "mode": mode})
    [stage] = told(graph, parent)["stages"]
    assert stage["details"] == [
        "softest mode followed: lower, space group 221 -> 127, -12.0 meV/atom",
        "  displaced along -297 cm-1 (M3+) at q = (0.5 0 0.5), by 0.15 Angstrom",
    ]
    identity = {"key": "perovskite-AlH3-sg127", "prototype": "perovskite-distorted", "formula": "AlH3"}
    child = graph.screening(label="one/child/0", inputs={"identity": orm.Dict({**identity, "parent": parent.uuid})})
    assert told(graph, child)["stages"] == []
    graph.call(child, "relax")
    graph.call(child, "hull", "HullWorkChain")
    first, second = told(graph, child)["stages"]
    origin = f"start: what the softest mode of perovskite-AlH3 ({parent.uuid}) led to"
    assert (first["details"], second["details"]) == ([origin], [])


def test_a_mode_that_could_not_be_followed_says_why(graph) -> None:
    parent = graph.screening("AlH3")
    descent = graph.call(parent, "decompress", "DecompressionWorkChain")
    graph.result(descent, "ladder", {"rungs": []})
    graph.result(descent, "distortion", {"verdict": "undecided", "reason": "too many atoms", "mode": None})
    [stage] = told(graph, parent)["stages"]
    assert stage["details"] == ["softest mode followed: undecided, too many atoms"]


MEMBER = {
    "label": "k24_q4_100meV", "lambda": 0.512, "omega_log_mev": 46.1, "allen_dynes_k": 7.13, "dos_ef_epw": 0.63,
    "dos_ef_tetrahedra": 0.6, "fermi_epw_ev": 9.47, "fermi_dense_ev": 9.5,
}  # fmt: skip
TC = {
    "lambda": 0.512, "omega_log_mev": 46.1, "chosen": "k24_q4_100meV", "allen_dynes_spread_k": [7.0, 9.0],
    "tc": [
        {"mu_star": 0.1, "mcmillan_k": 7.0, "allen_dynes_k": 7.13, "eliashberg_k": 7.9, "status": "superconducting"}
    ],
}  # fmt: skip


def test_rungs_above_are_told_beside_the_answer(graph) -> None:
    """Each with its own verdict, numbers and cost: they share the stage, not the judgement."""
    screening = graph.screening("Al4H")
    outputs = {
        "coupling": judge_coupling([MEMBER], 0.1, 0.1).to_dict(),
        "coupling_12p5GPa": judge_coupling([MEMBER | {"dos_ef_epw": 0.9}], 0.1, 0.1).to_dict(),
    }
    for number, (link, content) in enumerate(outputs.items(), start=1):
        child = graph.call(screening, link, "CouplingWorkChain")
        graph.job(child, ran=(-40.0, -40.0 + 10 * number))
        verdict = graph.result(child, "coupling", content)
        verdict.base.links.add_incoming(screening, LinkType.RETURN, f"verdicts__{link}")
        tc = graph.call(screening, link.replace("coupling", "tc"), "TcWorkChain")
        graph.job(tc, ran=(-5.0, -5.0 + number))
        graph.result(tc, "tc", TC)
    graph.judge(screening, "tc", "passed")
    graph.call(screening, "coupling_20GPa", "CouplingWorkChain", exit_status=402, message="epw.x failed")

    stages = told(graph, screening)["stages"]
    assert [(one["stage"], one["verdict"]) for one in stages] == [
        ("coupling", "passed"),
        ("tc", "passed"),
        ("coupling at 12.5 GPa", "passed"),
        ("tc at 12.5 GPa", "reported"),
        ("coupling at 20 GPa", "undecided"),
    ]
    first, answer, second, above, third = stages
    assert first["reason"].startswith("lambda 0.51; N(E_F) +5.0%")
    assert second["reason"].startswith("lambda 0.51 is unverified: N(E_F) +50.0%")
    assert [one["details"][0].endswith("gates passed") for one in (first, second)] == [True, False]
    assert "beside the answer" in above["reason"]
    assert third["reason"] == "epw.x failed"
    assert answer["details"] == above["details"]
    assert answer["details"][1].startswith("mu* 0.10: McMillan 7.00 K, Allen-Dynes 7.13 K, Eliashberg 7.90 K")
    assert [round(one["seconds"], 3) for one in stages] == [10.0, 1.0, 20.0, 2.0, 0.0]
