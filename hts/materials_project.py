"""Structures of the Materials Project, proposed as competitors: imported, and never mixed into a computed hull.

The Materials Project's energies are for information. Only the crystals go further, as files that a campaign may name
as its `competitor_folder`; there each is relaxed at the campaign's pressure with the campaign's own settings.
"""

import importlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from pymatgen.core import Composition, Element, Lattice, Structure
from pymatgen.io.cif import CifWriter

from hts.competitor_files import INDEX_NAME
from hts.enumeration import plain_formula
from hts.errors import HtsError, UserError

# A. Jain et al., APL Materials 1, 011002 (2013), which the Materials Project asks to be cited.
MATERIALS_PROJECT_DOI = "10.1063/1.4812323"
KEY_VARIABLE = "MP_API_KEY"
KEY_LENGTH = 32
WARNING = (
    "Imported from the Materials Project (0 GPa, other functional and pseudopotentials). The numbers are for "
    "information only: they are never used on a hull of hts, which relaxes these structures with its own settings."
)
# The mixed hull of GGA, GGA+U and r2SCAN, which the Materials Project shows: the energies above hull belong to it.
THERMO_TYPE = "GGA_GGA+U_R2SCAN"
# The symmetry precision of the Materials Project itself is 0.1 Angstrom; a finer one keeps distorted phases distorted.
CIF_SYMPREC_ANG = 0.01
_SUMMARY_FIELDS = (
    "material_id", "structure", "symmetry", "energy_above_hull", "formation_energy_per_atom",
)  # fmt: skip
# The client's messages carry the whole query, which would bury what the server said.
_ADDRESS = re.compile(r" on URL \S+")
_MATERIAL_ID = re.compile(r"[a-z]{2,5}-[A-Za-z0-9]{1,20}")


@dataclass(frozen=True)
class ImportedPhase:
    """A phase of the Materials Project. It has no enthalpy at the settings of a campaign, and no way to become one.

    Attributes
    ----------
    material_id : str
        Such as `mp-23933`.
    formula : str
        Reduced, without parentheses.
    structure : Structure
        As the Materials Project relaxed it at 0 GPa.
    space_group : str
        Symbol and number as the Materials Project gives them, such as `R-3c (167)`; `unknown` where it gives none.
    functional : str
        Of the energies: `GGA`, `GGA+U`, `r2SCAN`; `unknown` where the Materials Project does not say.
    mp_energy_above_hull_ev_per_atom : float
        The Materials Project's own, at 0 GPa; for information.
    mp_formation_energy_ev_per_atom : float or None
        Likewise.
    """

    material_id: str
    formula: str
    structure: Structure
    space_group: str
    functional: str
    mp_energy_above_hull_ev_per_atom: float
    mp_formation_energy_ev_per_atom: float | None

    @property
    def label(self) -> str:
        """Formula and id, the stem of the file."""
        return f"{self.formula}-{self.material_id}"

    @property
    def basis(self) -> dict[str, Any]:
        """What `hts.hull.require_same_basis` compares: it differs from that of every computed phase."""
        return {"computed_by": "the Materials Project (imported)", "functional": self.functional}

    def record(self) -> dict[str, Any]:
        """Return what the index and `--json` say, labelled as imported."""
        return {
            "kind": "imported",
            "id": self.material_id,
            "formula": self.formula,
            "space_group": self.space_group,
            "n_atoms": len(self.structure),
            "functional": self.functional,
            "mp_energy_above_hull_ev_per_atom": self.mp_energy_above_hull_ev_per_atom,
            "mp_formation_energy_ev_per_atom": self.mp_formation_energy_ev_per_atom,
            "doi": MATERIALS_PROJECT_DOI,
        }


def parse_system(text: str) -> tuple[str, ...]:
    """Read a chemical system.

    Parameters
    ----------
    text : str
        Symbols joined by `-`, such as `Al-H`, in any order.

    Returns
    -------
    tuple of str
        Sorted, each once.

    Raises
    ------
    UserError
        What is no element.
    """
    symbols = text.split("-")
    for symbol in symbols:
        if not Element.is_valid_symbol(symbol) or symbol in ("D", "T"):
            raise UserError(f"system {text!r}: {symbol!r} is not an element; join symbols by -, such as Al-H")
    return tuple(sorted(set(symbols)))


def fetch_phases(
    elements: Sequence[str], max_hull_ev_per_atom: float, api_key: str | None = None
) -> list[ImportedPhase]:
    """Fetch the phases of a chemical system, and of the systems within it, that are near the Materials Project's hull.

    Parameters
    ----------
    elements : Sequence[str]
        Symbols.
    max_hull_ev_per_atom : float
        How far above that hull (at 0 GPa) a phase may be, 0 or above.
    api_key : str, optional
        Default: the environment's `MP_API_KEY`.

    Returns
    -------
    list of ImportedPhase
        By number of elements, formula and energy above hull; empty when there is none.

    Raises
    ------
    UserError
        No key or a malformed one, no mp-api, a negative or infinite distance.
    HtsError
        The Materials Project cannot be reached, refuses, or answers with what cannot be understood.
    """
    if not 0 <= max_hull_ev_per_atom < math.inf:
        raise UserError(f"energy above hull {max_hull_ev_per_atom} eV/atom found, 0 or above wanted")
    documents, functionals = fetch_documents(_subsystems(elements), max_hull_ev_per_atom, _checked_key(api_key))
    phases = [phase_of(document, functionals) for document in documents]
    return sorted(phases, key=_order)


def fetch_documents(
    systems: Sequence[str], max_hull_ev_per_atom: float, api_key: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Ask the Materials Project: the one place that needs mp-api and the network.

    Parameters
    ----------
    systems : Sequence[str]
        Such as `["Al", "H", "Al-H"]`.
    max_hull_ev_per_atom : float
    api_key : str

    Returns
    -------
    list of dict
        Summary documents as JSON: material_id, structure, symmetry, energy_above_hull, formation_energy_per_atom.
    dict of str to str
        Material id -> functional of its energies, as far as the Materials Project says.

    Raises
    ------
    UserError
        mp-api is not installed.
    HtsError
        One line: what went wrong on the way.
    """
    try:
        client = importlib.import_module("mp_api.client")
        mp_error: type[Exception] = importlib.import_module("mp_api.client.core").MPRestError
    except ImportError:
        raise UserError(
            "mp-api is not installed, which asks the Materials Project; type: pip install 'hts-hydrides[mp]'"
        ) from None
    try:
        with client.MPRester(api_key, use_document_model=False, mute_progress_bars=True) as rester:
            documents = rester.materials.summary.search(
                chemsys=list(systems),
                # Rounding can put a phase of the hull a little below it.
                energy_above_hull=(-1e-6, max_hull_ev_per_atom),
                fields=list(_SUMMARY_FIELDS),
            )
            ids = [str(document["material_id"]) for document in documents]
            thermo = (
                rester.materials.thermo.search(
                    material_ids=ids, thermo_types=[THERMO_TYPE], fields=["material_id", "energy_type"]
                )
                if ids
                else []
            )
            functionals = {str(entry["material_id"]): str(entry["energy_type"]) for entry in thermo}
    # The client lets errors of the connection (OSError) and of the answer's format through.
    except (mp_error, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        text = _ADDRESS.sub("", " ".join(str(error).split()).replace(api_key, "***")) or type(error).__name__
        raise HtsError(
            f"the Materials Project did not answer as expected ({text:.250}); check the key and the network, "
            "then type the same again"
        ) from None
    return list(documents), functionals


def phase_of(document: Mapping[str, Any], functionals: Mapping[str, str]) -> ImportedPhase:
    """Read a summary document.

    Parameters
    ----------
    document : Mapping
        JSON, see `fetch_documents`.
    functionals : Mapping[str, str]
        Material id -> functional.

    Returns
    -------
    ImportedPhase
        Charges and magnetic moments of the structure are left out.

    Raises
    ------
    HtsError
        Naming the material: a key is missing or of another kind, the structure is not ordered.
    """
    material_id = str(document.get("material_id"))
    try:
        if not _MATERIAL_ID.fullmatch(material_id):
            raise ValueError("its id is none")
        raw = Structure.from_dict(document["structure"])
        if not raw.is_ordered:
            raise ValueError("partial occupancies")
        symbols = [Element.from_Z(site.specie.Z).symbol for site in raw]
        structure = Structure(Lattice(raw.lattice.matrix), symbols, raw.frac_coords)
        above = float(document["energy_above_hull"])
        formation = document.get("formation_energy_per_atom")
        symmetry = document.get("symmetry") or {}
        group = f"{symmetry['symbol']} ({symmetry['number']})" if symmetry.get("symbol") else "unknown"
        return ImportedPhase(
            material_id=material_id,
            formula=plain_formula(structure.composition),
            structure=structure,
            space_group=group,
            functional=functionals.get(material_id, "unknown"),
            mp_energy_above_hull_ev_per_atom=above,
            mp_formation_energy_ev_per_atom=None if formation is None else float(formation),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise HtsError(
            f"{material_id:.40} of the Materials Project cannot be understood ({text:.120}); "
            "update mp-api, or leave it out by a smaller energy above hull"
        ) from None


def write_phases(phases: Sequence[ImportedPhase], folder: Path, today: date) -> list[str]:
    """Write CIF files and an index; what is there already is kept as it is.

    Parameters
    ----------
    phases : Sequence[ImportedPhase]
    folder : Path
        Made when it is not there. `index.yaml` in it is extended.
    today : date
        The day of the import, for the index.

    Returns
    -------
    list of str
        Names of the files that were written now, the index left out.

    Raises
    ------
    UserError
        The folder cannot be written, or its index is not one that this function made.
    """
    contents = {f"{phase.label}.cif": _cif(phase) for phase in phases}
    try:
        index = _read_index(folder / INDEX_NAME)
        folder.mkdir(parents=True, exist_ok=True)
        new = [name for name in contents if not (folder / name).exists()]
        for name in new:
            _write(folder / name, contents[name])
        known = index["structures"]
        said = {
            f"{phase.label}.cif": {
                "source": f"Materials Project {phase.material_id}, {phase.functional}, imported {today.isoformat()}",
                "imported_on": today.isoformat(),
                **phase.record(),
            }
            for phase in phases
        }
        if set(said) - set(known):
            index["structures"] = {**said, **known}
            _write(folder / INDEX_NAME, yaml.safe_dump(index, sort_keys=False, width=120))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); give a writable folder") from None
    return new


def _checked_key(api_key: str | None) -> str:
    key = (api_key or os.environ.get(KEY_VARIABLE, "")).strip()
    if not key:
        raise UserError(
            f"no key of the Materials Project; get one at https://materialsproject.org/api and type: "
            f"export {KEY_VARIABLE}=…"
        )
    if len(key) != KEY_LENGTH or not key.isalnum():
        raise UserError(
            f"{KEY_VARIABLE} has {len(key)} characters, {KEY_LENGTH} letters and digits are wanted; "
            "copy the key from https://materialsproject.org/api"
        )
    return key


def _subsystems(elements: Sequence[str]) -> list[str]:
    ordered = sorted(set(elements))
    return ["-".join(part) for size in range(1, len(ordered) + 1) for part in combinations(ordered, size)]


def _order(phase: ImportedPhase) -> tuple[int, str, float, str]:
    return (
        len(Composition(phase.formula)),
        phase.formula,
        phase.mp_energy_above_hull_ev_per_atom,
        phase.material_id,
    )


def _cif(phase: ImportedPhase) -> str:
    header = f"# {phase.material_id}: {WARNING}\n# Source: Materials Project, https://doi.org/{MATERIALS_PROJECT_DOI}\n"
    return header + str(CifWriter(phase.structure, symprec=CIF_SYMPREC_ANG))


def _read_index(path: Path) -> dict[str, Any]:
    """Return the index of the folder, or a new one."""
    new = {"kind": "imported", "warning": WARNING, "source_doi": MATERIALS_PROJECT_DOI, "structures": {}}
    if not path.exists():
        return new
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("structures"), dict):
        raise UserError(f"{path}: not an index of structures; move it away, or give another folder")
    return content


def _write(path: Path, text: str) -> None:
    """Write a whole file or none."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
