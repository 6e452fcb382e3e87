"""The Materials Project: documents to phases to files, the client's errors, and that its numbers stay off every hull.

No network and no mp-api: a stand-in for the client answers with documents of the Materials Project's form.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import pytest
import yaml
from pymatgen.core import Lattice, Structure

from hts.competitor_files import read_competitors, structures_complaint, structures_within
from hts.errors import HtsError, InconsistentSettingsError, UserError
from hts.hull import PhaseEnthalpy, place_on_hull, require_same_basis
from hts.materials_project import (
    KEY_LENGTH,
    MATERIALS_PROJECT_DOI,
    ImportedPhase,
    fetch_phases,
    parse_system,
    phase_of,
    write_phases,
)

KEY = "k" * KEY_LENGTH
TODAY = date(2026, 3, 1)


def document(material_id: str, structure: Structure, above: float, **changes: Any) -> dict[str, Any]:
    """Return a summary document as the API sends it."""
    number = structure.get_space_group_info()
    base = {
        "material_id": material_id,
        "structure": structure.as_dict(),
        "symmetry": {"crystal_system": "Cubic", "symbol": number[0], "number": number[1]},
        "energy_above_hull": above,
        "formation_energy_per_atom": -0.1 if len(structure.composition) > 1 else 0.0,
    }
    return {**base, **changes}


@pytest.fixture
def documents() -> list[dict[str, Any]]:
    """Return aluminium with moments and charges, and two aluminium hydrides."""
    al = Structure(Lattice.cubic(4.04), ["Al0+"] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    al.add_site_property("magmom", [0.0] * 4)
    pressed = Structure.from_spacegroup("Pm-3n", Lattice.cubic(3.9), ["Al", "H"], [[0, 0, 0], [0.25, 0, 0.5]])
    cubic = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.3), ["Al", "H"], [[0, 0, 0], [0.5, 0, 0]])
    return [
        document("mp-1184", pressed, 0.04),
        document("mp-134", al, 0.0),
        document("mp-23933", cubic, 0.01, formation_energy_per_atom=None, symmetry=None),
    ]


@pytest.fixture
def phases(documents: list[dict[str, Any]]) -> list[ImportedPhase]:
    """Return them as they are imported."""
    functionals = {"mp-134": "r2SCAN", "mp-1184": "GGA"}
    return [phase_of(content, functionals) for content in documents]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, documents: list[dict[str, Any]]) -> type:
    """Install a stand-in for mp-api that notes what it is asked, and answers or raises."""

    class MPRestError(Exception):
        pass

    class Rester:
        asked: list[tuple[str, dict[str, Any]]] = []
        error: Exception | None = None
        answers = documents

        def __init__(self, api_key: str, **options: Any) -> None:
            self.asked.append(("key", {"api_key": api_key, **options}))
            self.materials = self
            self.summary = self._route("summary", lambda: deepcopy(self.answers))
            self.thermo = self._route("thermo", lambda: [{"material_id": "mp-134", "energy_type": "r2SCAN"}])

        def _route(self, name: str, answer: Callable[[], list[dict[str, Any]]]) -> Any:
            def search(**criteria: Any) -> list[dict[str, Any]]:
                self.asked.append((name, criteria))
                if self.error is not None:
                    raise self.error
                return answer()

            route = ModuleType(name)
            route.search = search  # type: ignore[attr-defined]
            return route

        def __enter__(self) -> "Rester":
            return self

        def __exit__(self, kind: type | None, error: Exception | None, trace: TracebackType | None) -> None:
            return None

    for name in ("mp_api", "mp_api.client", "mp_api.client.core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["mp_api.client"], "MPRester", Rester, raising=False)
    monkeypatch.setattr(sys.modules["mp_api.client.core"], "MPRestError", MPRestError, raising=False)
    monkeypatch.setenv("MP_API_KEY", KEY)
    return Rester


def test_systems() -> None:
    assert parse_system("Mg-Al-H") == ("Al", "H", "Mg")
    assert parse_system("H-H") == ("H",)
    for text in ("AlH", "Al-", "", "al-h", "Al-D"):
        with pytest.raises(UserError, match="is not an element; join symbols by -, such as Al-H"):
            parse_system(text)


def test_documents_become_phases(phases: list[ImportedPhase]) -> None:
    hydride, aluminium, other = phases
    assert (hydride.material_id, hydride.formula, hydride.label) == ("mp-1184", "AlH3", "AlH3-mp-1184")
    assert hydride.space_group == "Pm-3n (223)"
    assert hydride.functional == "GGA"
    assert hydride.mp_energy_above_hull_ev_per_atom == 0.04
    assert hydride.mp_formation_energy_ev_per_atom == -0.1
    assert (aluminium.formula, aluminium.functional) == ("Al", "r2SCAN")
    assert {site.species_string for site in aluminium.structure} == {"Al"}
    assert aluminium.structure.site_properties == {}
    assert (other.space_group, other.functional, other.mp_formation_energy_ev_per_atom) == ("unknown", "unknown", None)
    assert hydride.record()["kind"] == "imported"
    assert hydride.record()["doi"] == MATERIALS_PROJECT_DOI == "10.1063/1.4812323"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"material_id": "../../etc"}, r"\.\./\.\./etc of the Materials Project cannot be understood \(its id is none"),
        ({"material_id": None}, "None of the Materials Project cannot be understood"),
        ({"structure": None}, "mp-134 of the Materials Project cannot be understood"),
        ({"structure": {"lattice": 1}}, "mp-134 of the Materials Project cannot be understood"),
        ({"energy_above_hull": None}, "mp-134 of the Materials Project cannot be understood"),
        ({"symmetry": {"symbol": "Fm-3m"}}, r"mp-134 of the Materials Project cannot be understood \('number'\)"),
    ],
)
def test_documents_that_cannot_be_understood(
    documents: list[dict[str, Any]], changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(HtsError, match=expected):
        phase_of({**documents[1], **changes}, {})
    mixed = Structure(Lattice.cubic(4), [{"Al": 0.5, "Mg": 0.5}], [[0, 0, 0]])
    with pytest.raises(HtsError, match="partial occupancies"):
        phase_of({**documents[1], "structure": mixed.as_dict()}, {})


def test_files_read_back_as_competitors(phases: list[ImportedPhase], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "competitors"
    names = write_phases(phases, folder, TODAY)
    assert names == ["AlH3-mp-1184.cif", "Al-mp-134.cif", "AlH3-mp-23933.cif"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "index.yaml"])
    files = read_competitors(folder)
    assert [file.label[:-9] for file in files] == ["Al-mp-134", "AlH3-mp-1184", "AlH3-mp-23933"]
    assert files[0].source == "Al-mp-134.cif: Materials Project mp-134, r2SCAN, imported 2026-03-01"
    for file, phase in zip(files, (phases[1], phases[0], phases[2]), strict=True):
        atom_ang3 = phase.structure.volume / len(phase.structure)
        assert file.structure.volume / len(file.structure) == pytest.approx(atom_ang3, rel=1e-6)
        assert file.structure.get_space_group_info()[1] == phase.structure.get_space_group_info()[1]
    entries = structures_within(files, {"Al", "H"})
    assert structures_complaint(entries) is None
    # No number of the Materials Project goes with a structure.
    assert {key for entry in entries.values() for key in entry} == {"lattice", "species", "frac_coords", "source"}


def test_the_index_says_what_the_numbers_are(phases: list[ImportedPhase], tmp_path: Path) -> None:
    write_phases(phases, tmp_path, TODAY)
    index = yaml.safe_load((tmp_path / "index.yaml").read_text(encoding="utf-8"))
    assert index["kind"] == "imported"
    assert "never used on a hull" in index["warning"]
    assert index["source_doi"] == MATERIALS_PROJECT_DOI
    said = index["structures"]["AlH3-mp-1184.cif"]
    assert said["mp_energy_above_hull_ev_per_atom"] == 0.04
    assert said["imported_on"] == "2026-03-01"
    assert "never used on a hull" in (tmp_path / "AlH3-mp-1184.cif").read_text(encoding="utf-8")


def test_what_is_there_is_kept(phases: list[ImportedPhase], tmp_path: Path) -> None:
    write_phases(phases[:1], tmp_path, TODAY)
    (tmp_path / "AlH3-mp-1184.cif").write_text("mine")
    before = (tmp_path / "index.yaml").read_text()
    assert write_phases(phases[:1], tmp_path, date(2027, 1, 1)) == []
    assert (tmp_path / "index.yaml").read_text() == before
    assert write_phases(phases, tmp_path, date(2027, 1, 1)) == ["Al-mp-134.cif", "AlH3-mp-23933.cif"]
    assert (tmp_path / "AlH3-mp-1184.cif").read_text() == "mine"
    days = {
        name: said["imported_on"]
        for name, said in yaml.safe_load((tmp_path / "index.yaml").read_text())["structures"].items()
    }
    assert days["AlH3-mp-1184.cif"] == "2026-03-01"
    assert days["Al-mp-134.cif"] == "2027-01-01"
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_written_where_it_should_not_be(phases: list[ImportedPhase], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written \(.*\); give a writable folder"):
        write_phases(phases, tmp_path / "file", TODAY)
    for text in ("- 1", "a: [", "structures: 3"):
        (tmp_path / "index.yaml").write_text(text)
        with pytest.raises(UserError, match="not an index of structures; move it away"):
            write_phases(phases, tmp_path, TODAY)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "index.yaml"]


def test_what_the_client_is_asked(client: Any) -> None:
    phases = fetch_phases(["H", "Al"], 0.05)
    assert [phase.material_id for phase in phases] == ["mp-134", "mp-23933", "mp-1184"]
    assert phases[0].functional == "r2SCAN"
    (_, opened), (_, summary), (_, thermo) = client.asked[-3:]
    assert opened["api_key"] == KEY
    assert summary["chemsys"] == ["Al", "H", "Al-H"]
    low, high = summary["energy_above_hull"]
    assert (low, high) == (pytest.approx(0, abs=1e-5), 0.05)
    assert set(summary["fields"]) >= {"material_id", "structure", "energy_above_hull"}
    assert thermo["material_ids"] == ["mp-1184", "mp-134", "mp-23933"]
    client.answers = []
    asked = len(client.asked)
    assert fetch_phases(["H"], 0.0, api_key="x" * KEY_LENGTH) == []
    # Without phases there is nothing to ask the functional of: the client would take no ids for all ids.
    assert [name for name, _ in client.asked[asked:]] == ["key", "summary"]
    assert client.asked[asked][1]["api_key"] == "x" * KEY_LENGTH


def test_keys(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("", "  "):
        monkeypatch.setenv("MP_API_KEY", key)
        with pytest.raises(UserError, match=r"no key of the Materials Project; .* type: export MP_API_KEY="):
            fetch_phases(["Al"], 0.05)
    monkeypatch.setenv("MP_API_KEY", "secret")
    with pytest.raises(UserError, match="MP_API_KEY has 6 characters, 32 letters and digits are wanted") as caught:
        fetch_phases(["Al"], 0.05)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("MP_API_KEY", KEY)
    for distance in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="0 or above wanted"):
            fetch_phases(["Al"], distance)


def test_without_mp_api(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in this table is how Python is told that a module cannot be imported.
    for name in ("mp_api", "mp_api.client", "mp_api.client.core"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("MP_API_KEY", KEY)
    with pytest.raises(UserError, match=r"mp-api is not installed, .*type: pip install 'hts-hydrides\[mp\]'"):
        fetch_phases(["Al"], 0.05)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("no route\nto host"),
        TimeoutError("timed out"),
        ValueError("expected a JSON value"),
        KeyError("db_version"),
        None,
    ],
    ids=["connection", "timeout", "garbage", "format", "refused"],
)
def test_failures_on_the_way_are_one_line(client: Any, error: Exception | None) -> None:
    refusal = sys.modules["mp_api.client.core"].MPRestError
    client.error = error or refusal(f"REST query returned 401 on URL https://x/?a=1 with message:\nInvalid key {KEY}")
    with pytest.raises(HtsError, match="the Materials Project did not answer as expected") as caught:
        fetch_phases(["Al"], 0.05)
    assert not isinstance(caught.value, UserError)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert "https://x" not in str(caught.value)


def test_imported_energies_are_refused_on_a_hull(phases: list[ImportedPhase]) -> None:
    """There is no way from an imported phase to a hull; forced onto one, it differs from every computed phase."""
    basis = {"pressure_gpa": 0.0, "ecutwfc_ry": 60.0, "functional": "GGA", "pseudos": {"Al": "a", "H": "b"}}
    computed = [PhaseEnthalpy(name, name, -1.0, basis) for name in ("Al", "H2")]
    imported = phases[0]
    assert not isinstance(imported, PhaseEnthalpy)
    assert not hasattr(imported, "enthalpy_ev_per_atom")
    energy = imported.mp_formation_energy_ev_per_atom
    assert energy is not None
    forced = PhaseEnthalpy(imported.label, imported.formula, energy, imported.basis)
    for mixed in ([*computed, forced], [forced, *computed]):
        with pytest.raises(InconsistentSettingsError, match="the Materials Project"):
            require_same_basis(mixed)
    with pytest.raises(InconsistentSettingsError, match=r"AlH3-mp-1184 has the Materials Project \(imported\)"):
        place_on_hull(computed[0], [*computed, forced])
    # Even a basis that is filled up with the computed settings keeps where it comes from.
    filled = PhaseEnthalpy(imported.label, imported.formula, energy, {**basis, **imported.basis})
    with pytest.raises(InconsistentSettingsError, match="one hull wants one computed_by"):
        require_same_basis([*computed, filled])
