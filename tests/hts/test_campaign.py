"""The campaign file: what it accepts, and the one line that each mistake gives."""

from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hts.campaign import Campaign, Pressures, Resources
from hts.enumeration import enumerate_candidates
from hts.errors import UserError
from hts.prototypes import load_prototype

EXAMPLE = Path(__file__).parents[2] / "examples" / "al-h-perovskites.yaml"


def example() -> dict[str, Any]:
    return yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))


def complaint(tmp_path: Path, data: dict[str, Any] | str) -> str:
    file = tmp_path / "campaign.yaml"
    file.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        Campaign.from_yaml(file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


@pytest.mark.parametrize("path", sorted(EXAMPLE.parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_has_candidates(path: Path) -> None:
    assert next(enumerate_candidates(Campaign.from_yaml(path))).key


def test_example_is_the_contract() -> None:
    campaign = Campaign.from_yaml(EXAMPLE)
    assert (campaign.name, campaign.protocol, campaign.pseudo_family) == ("al-mg-h-perovskites", "fast", "LDA/vbc")
    assert campaign.rungs_gpa() == [10.0, 0.0]
    assert campaign.mu_star == (0.10, 0.13, 0.16)
    assert campaign.gates.model_dump() == {
        "max_hull_ev_per_atom": 0.30,
        "min_frequency_cm1": -20.0,
        "min_tc_k": 1.0,
    }
    assert campaign.codes["epw"] == "epw@localhost"
    assert (campaign.max_candidates, campaign.max_jobs) == (4, 2)
    assert campaign.overrides == {"coupling": {"smearings_ev": [0.2, 0.16]}}


def test_resources_are_merged_over_the_default() -> None:
    campaign = Campaign.from_yaml(EXAMPLE)
    assert campaign.resources_for("epw") == Resources(num_mpiprocs=1, max_wallclock_seconds=3600)
    assert campaign.resources_for("pw").num_mpiprocs == 1
    data = example() | {"resources": {"default": {"num_mpiprocs": 4, "queue_name": "q"}, "pw": {"num_machines": 2}}}
    merged = Campaign.model_validate(data).resources_for("pw")
    assert (merged.num_machines, merged.num_mpiprocs, merged.queue_name) == (2, 4, "q")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"protcol": "fast"}, "protcol: unknown key; did you mean 'protocol'? allowed: name, protocol"),
        ({"protocol": "quick"}, "protocol: 'quick' found"),
        ({"name": "-rm"}, "name: '-rm' found"),
        ({"name": "a b"}, "name: 'a b' found"),
        ({"gates": {"min_tc": 1}}, "gates.min_tc: unknown key; did you mean 'min_tc_k'?"),
        ({"gates": {"min_frequency_cm1": float("nan")}}, "gates.min_frequency_cm1: nan found"),
        ({"gates": {"max_hull_ev_per_atom": float("inf")}}, "gates.max_hull_ev_per_atom: inf found"),
        ({"mu_star": []}, "mu_star: "),
        ({"mu_star": [0.6]}, "mu_star.0: 0.6 found"),
        ({"mu_star": [0.1, 0.1]}, "mu_star: [0.1, 0.1] holds a value twice"),
        ({"max_jobs": 0}, "max_jobs: 0 found"),
        ({"max_jobs": True}, "max_jobs: True found; a number is wanted"),
        ({"codes": {"pw": "pw@here", "ph": "ph@here", "q2r": "q2r@here"}}, "codes.epw: missing"),
        ({"codes": {"pw": "pw"}}, "codes.pw: 'pw' found"),
        ({"resources": {"epq": {}}}, "resources.epq: unknown stage or program; did you mean 'epw'?"),
        ({"resources": {"epw": {"queue_name": "q\n#SBATCH --x"}}}, "resources.epw.queue_name: "),
        ({"resources": {"epw": {"num_mpi": 2}}}, "resources.epw.num_mpi: unknown key; did you mean 'num_mpiprocs'?"),
        ({"overrides": {"relaxx": {}}}, "overrides.relaxx: unknown stage; did you mean 'relax'?"),
        ({"pressures_gpa": {"start": 0, "stop": 10, "step": 1, "resolution": 1}}, "pressures_gpa: stop 10 is above"),
        ({"pressures_gpa": {"start": 10, "stop": 0, "step": 0, "resolution": 1}}, "pressures_gpa.step: 0 found"),
        ({"pressures_gpa": {"start": 10, "stop": 0, "step": 5, "resolution": 6}}, "pressures_gpa: resolution 6 is"),
        ({"pressures_gpa": {"start": 10, "stop": -1, "step": 5, "resolution": 5}}, "pressures_gpa.stop: -1 found"),
        ({"pressures_gpa": {"start": 500, "stop": 0, "step": 0.1, "resolution": 0.1}}, "pressures_gpa: 5001 rungs"),
        ({"pressures_gpa": {"start": 5, "stop": 0, "step": 5e-324, "resolution": 5e-324}}, "pressures_gpa: inf rungs"),
        ({"families": []}, "families: "),
        ({"exclude": [["Tc", "Qq"]]}, "exclude.0: 'Qq' is not an element"),
        ({"exclude": ["alkali_earth"]}, "exclude.0: 'alkali_earth' is not an element; did you mean the group"),
        ({"exclude": [[]]}, "exclude.0: "),
        ({"filters": {"xi": {"min": 0}}}, "filters: 'xi' is no descriptor; allowed: min_hh_distance_ang"),
        ({"filters": {"hydrogen_fraction": {}}}, "filters.hydrogen_fraction: neither min nor max is given"),
        ({"filters": {"hydrogen_fraction": {"least": 1}}}, "filters.hydrogen_fraction.least: unknown key"),
        ({"ranking": "best"}, "ranking: 'best' found"),
        ({"prototype_folder": "nowhere"}, "families.0.prototype: prototype folder "),
        ({"competitor_folder": "nowhere"}, "competitor_folder: "),
        ({"competitor_folder": 3}, "competitor_folder: 3 found"),
    ],
)
def test_a_mistake_gives_one_line(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    assert complaint(tmp_path, example() | change).startswith(expected)


@pytest.mark.parametrize(
    ("prototype", "sites", "more", "expected"),
    [
        ("perovskit", {}, {}, ".prototype: prototype 'perovskit' is unknown; did you mean 'perovskite'?"),
        ("perovskite", {"A": ["Al"], "B": ["H"], "Y": ["Al"]}, {}, ".sites.Y: unknown site; allowed: A, B, X"),
        ("perovskite", {"A": ["Al"], "B": ["H"], "X": []}, {}, ".sites.X: no elements"),
        ("perovskite", {"A": ["Al"], "B": ["H"]}, {}, ".sites.X: no elements"),
        ("perovskite", {"A": ["Al"], "B": ["Al"], "X": ["Al"]}, {}, ".sites: hydrogen is on no site"),
        ("sodalite_mh6", {"M": ["al"]}, {}, ".sites.M: 'al' is not an element; did you mean 'Al'?"),
        ("sodalite_mh6", {"M": ["Iron"]}, {}, ".sites.M: 'Iron' is not an element; did you mean 'Fe'?"),
        ("sodalite_mh6", {"M": ["Qq"]}, {}, ".sites.M: 'Qq' is not an element; give a symbol"),
        ("sodalite_mh6", {"M": ["Ca", "D"]}, {}, ".sites.M: 'D' is not an element; isotopes"),
        ("sodalite_mh6", {"M": ["Ca"], "H": ["H"]}, {}, ".sites.H: unknown site; allowed: M (hydrogen is implied"),
        ("sodalite_mh6", {"M": ["Ca"]}, {"variant": "x"}, ".variant: 'x' is unknown; sodalite_mh6 has no"),
        ("sodalite_mxh12", {"M": ["Ca"], "X": ["Y"]}, {"variant": "pm3m"}, ".variant: 'pm3m' is unknown; did you mean"),
        ("sodalite_mh6", {"M": ["He"]}, {}, ".sites.M: element 'He' has no "),
        ("sodalite_mh6", {"M": ["Fr"]}, {}, ".sites.M: element 'Fr' has no atomic volume"),
        (
            "sodalite_mh6",
            {"M": ["rare_earths"]},
            {},
            ".sites.M: 'rare_earths' is not an element; did you mean the group",
        ),
        ("sodalite_mh6", {"M": ["Al", "-Al"]}, {}, ".sites.M: no elements are left of Al, -Al"),
        ("sodalite_mh6", {"M": ["-Qq", "Al"]}, {}, ".sites.M: 'Qq' is not an element"),
        ("sodalite_mh6", {"M": ["La0.5Ce0.4"]}, {}, ".sites.M: mixture 'La0.5Ce0.4': the fractions sum to 0.9"),
        ("sodalite_mxh12", {"M": ["La0.5Y0.5"], "X": ["Ca0.5Mg0.5"]}, {}, ".sites.X: a mixture beside that of M"),
        ("sodalite_mh6", {"M": ["Ca"]}, {"filters": {"xi": {"min": 0}}}, ".filters: 'xi' is no descriptor"),
        ("sodalite_mh6", {"M": ["Ca"]}, {"fallback_for": "mh6"}, ".fallback_for: 'mh6' is no earlier family"),
        ("hydrogen", {"M": ["Ca"]}, {}, ".sites.M: unknown site; allowed: "),
        ("element", {"M": ["Ca"]}, {}, ".sites: hydrogen is on no site"),
        ("sodalite_mh6", {"M": ["Ca"]}, {"site": {}}, ".site: unknown key; did you mean 'sites'?"),
    ],
)
def test_a_family_mistake_names_key_and_remedy(
    tmp_path: Path, prototype: str, sites: dict[str, list[str]], more: dict[str, Any], expected: str
) -> None:
    family = {"prototype": prototype, "sites": sites} | more
    assert complaint(tmp_path, example() | {"families": [family]}).startswith(f"families.0{expected}")


def test_implied_hydrogen_counts(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(example() | {"families": [{"prototype": "sodalite_mh6", "sites": {"M": ["Ca"]}}]}))
    assert Campaign.from_yaml(file).families[0].variant is None


def test_a_family_given_twice_is_an_error(tmp_path: Path) -> None:
    data = example()
    data["families"].append({"prototype": "perovskite", "sites": {"X": ["Al"], "B": ["H"], "A": ["Mg", "Al", "Al"]}})
    assert complaint(tmp_path, data).startswith("families.2: the same family as families.0")


def test_file_mistakes(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert complaint(tmp_path, text + "name: again\n").startswith("key 'name' stands twice")
    assert complaint(tmp_path, "- a list").startswith("list found")
    assert complaint(tmp_path, "").startswith("NoneType found")
    assert complaint(tmp_path, "a: [").startswith("not YAML")
    assert complaint(tmp_path, "a: !!python/object:os.system x").startswith("not YAML")
    assert complaint(tmp_path, "#" * 1_000_001).startswith("1000001 bytes found")
    assert complaint(tmp_path, "[" * 5000).startswith("nested too deeply")
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9))
    assert complaint(tmp_path, f"a0: &a0 [1]\n{levels}").startswith("more than 100000 values")
    assert complaint(tmp_path, "a: &a [*a]").startswith("the alias in line 1 contains itself")
    missing = tmp_path / "missing.yaml"
    with pytest.raises(UserError, match="cannot be read"):
        Campaign.from_yaml(missing)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        Campaign.from_yaml(binary)


def test_nobelium_is_no_boolean(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8").replace("A: [Al, Mg]", "A: [No, Y]", 1)
    assert complaint(tmp_path, text).startswith("families.0.sites.A: element 'No' has no atomic volume")


def test_a_group_given_as_its_elements_is_the_same_family(tmp_path: Path) -> None:
    data = example() | {
        "families": [
            {"prototype": "sodalite_mh6", "sites": {"M": ["alkali_metal", "-Cs"]}},
            {"prototype": "sodalite_mh6", "sites": {"M": ["Rb", "K", "Na", "Li"]}},
        ]
    }
    assert complaint(tmp_path, data).startswith("families.1: the same family as families.0")


def test_a_fallback_wants_the_sites_of_its_family(tmp_path: Path) -> None:
    data = example() | {
        "families": [
            {"prototype": "a2xh6", "sites": {"A": ["Mg"], "X": ["Ir"]}},
            {"prototype": "sodalite_mh6", "sites": {"M": ["Ca"]}, "fallback_for": "a2xh6"},
        ]
    }
    assert complaint(tmp_path, data).startswith("families.1.fallback_for: a2xh6 has other sites than sodalite_mh6")


def test_the_prototype_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    text = (resources.files("hts.prototypes") / "sodalite_mh6.yaml").read_text(encoding="utf-8")
    (folder / "my_mh6.yaml").write_text(text.replace("sodalite_mh6", "my_mh6"), encoding="utf-8")
    family = {"prototype": "my_mh6", "sites": {"M": ["Ca"]}}
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(example() | {"families": [family], "prototype_folder": "mine"}), encoding="utf-8")
    campaign = Campaign.from_yaml(file)
    assert campaign.prototype_folder == folder
    assert [candidate.key for candidate in enumerate_candidates(campaign)] == ["my_mh6-CaH6-Ca"]
    (folder / "my_mh6.yaml").write_text(text.replace("sodalite_mh6", "my_mh6").replace("12d", "12e"), encoding="utf-8")
    load_prototype.cache_clear()
    with pytest.raises(UserError, match=r"prototype file .*mine/my_mh6\.yaml: sites\.H\.wyckoff: 12e stated"):
        Campaign.from_yaml(file)


def test_the_competitor_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    file = tmp_path / "campaign.yaml"
    file.write_text(yaml.safe_dump(example() | {"competitor_folder": "mine"}), encoding="utf-8")
    campaign = Campaign.from_yaml(file)
    assert campaign.competitor_folder == tmp_path / "mine"
    # A campaign is kept as JSON in its group.
    assert Campaign.model_validate(campaign.model_dump(mode="json")) == campaign
    (tmp_path / "mine").rmdir()
    assert complaint(tmp_path, file.read_text()) == (
        f"competitor_folder: {tmp_path / 'mine'} is not a folder; give one that holds structure files (CIF, POSCAR)"
    )
    assert Campaign.from_yaml(EXAMPLE).competitor_folder is None


@settings(deadline=None)  # the machine may be busy
@given(stop=st.floats(0, 300), rungs=st.integers(1, 150), step=st.floats(0.1, 50), rest=st.floats(0.01, 0.99))
def test_rungs_descend_from_start_to_stop(stop: float, rungs: int, step: float, rest: float) -> None:
    start = stop + (rungs - rest) * step
    ladder = Pressures(start=start, stop=stop, step=step, resolution=step).rungs_gpa()
    assert ladder[0] == start
    assert ladder[-1] == stop
    assert all(0 < high - low <= step * (1 + 1e-6) for high, low in pairwise(ladder))
    assert len(ladder) == rungs + 1


def test_rungs_at_the_edges() -> None:
    assert Pressures(start=50, stop=50, step=10, resolution=1).rungs_gpa() == [50]
    assert Pressures(start=25, stop=0, step=10, resolution=10).rungs_gpa() == [25, 15, 5, 0]
    assert Pressures(start=0.3, stop=0, step=0.1, resolution=0.1).rungs_gpa() == [0.3, 0.2, 0.1, 0]
