"""Structures that a user gives as files, as further competitors of a hull.

Only the crystal of a file is used: it is relaxed at the hull's pressure like any other competitor. In the settings a
structure is a mapping of lattice, species, frac_coords and source under a label that ends in a hash of the crystal, so
that relaxations with the same label are relaxations of the same crystal, in whichever campaign.
"""

import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pymatgen.core import Element, Lattice, Structure

from hts.contacts import structure_contacts
from hts.deduplication import crystal_matcher
from hts.enumeration import plain_formula
from hts.errors import UserError
from hts.fingerprint import fingerprint
from hts.prototypes.geometry import space_group_number, standard_primitive
from hts.radii import shortest_possible_ang
from hts.references import hydrogen_volume_ang3_per_molecule
from hts.volumes import starting_volume_ang3

INDEX_NAME = "index.yaml"
MAX_FILE_BYTES = 5_000_000
# Coordinates in files are often written with three or four decimals: 0.333 for 1/3 is 2e-3 Angstrom off in a cell of 5.
SYMPREC_ANG = 0.01
# Decimals of Angstrom and of fractions: beyond the precision of files, within the 14 digits that AiiDA stores.
DECIMALS = 8
HASH_DIGITS = 8
MAX_STEM = 40

# Below what any crystal has: hydrogen in hydrides takes 1.5 Angstrom^3 at 300 GPa (`hts.volumes`), the bond of H2 has
# 0.74 Angstrom.
MIN_ATOM_ANG3 = 0.5
MIN_DISTANCE_ANG = 0.5

_LABEL = re.compile(rf"[A-Za-z0-9_-]{{1,120}}-[0-9a-f]{{{HASH_DIGITS}}}")
_ENTRY_KEYS = ("lattice", "species", "frac_coords", "source")
# What pymatgen's readers raise on files that are truncated or of another kind; an XML error is a SyntaxError.
_READ_ERRORS = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, SyntaxError, AssertionError,
)  # fmt: skip


@dataclass(frozen=True)
class StructureFile:
    """A crystal that was read from a file.

    Attributes
    ----------
    label : str
        Formula, the id of the index or the file's stem, and 8 hexadecimal digits of the crystal:
        `AlH3-mp-23933-0a1b2c3d`. Safe in file names; the same for the same content of a file of this name.
    formula : str
        Reduced, without parentheses.
    structure : Structure
        spglib's standard primitive cell, at the volume of the file.
    source : str
        One line: the file's name, and what the index says of it.
    """

    label: str
    formula: str
    structure: Structure
    source: str

    @property
    def elements(self) -> frozenset[str]:
        """Symbols."""
        return frozenset(self.structure.symbol_set)

    @property
    def entry(self) -> dict[str, Any]:
        """The mapping that stands in the settings: lattice (Angstrom, rows), species, frac_coords, source."""
        return {**_cell(self.structure), "source": self.source}


def read_competitors(folder: Path) -> tuple[StructureFile, ...]:
    """Read the structure files of a folder.

    Parameters
    ----------
    folder : Path
        Every file in it is a structure in a format that `pymatgen.core.Structure.from_file` knows by its name (CIF,
        POSCAR, …), but for hidden ones and `index.yaml`. That may say, under `structures`, `id` and `source` of a file;
        files that it does not name are read, too. Folders in the folder are left alone.

    Returns
    -------
    tuple of StructureFile
        By file name; of files with the same crystal (volumes normalised) the first one. Size is not looked at here:
        `hts.competitors.competitors` leaves out what is too large, and says so.

    Raises
    ------
    UserError
        One line: no folder, no structure in it, a file that cannot be read, partial occupancies, an element without a
        volume or radius, an index that is no mapping.
    """
    if not folder.is_dir():
        raise UserError(f"competitor folder {folder}: not a folder; give one that holds structure files (CIF, POSCAR)")
    index = _index(folder / INDEX_NAME)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and _is_structure(path.name))
    if not paths:
        raise UserError(f"competitor folder {folder}: no structure file found; put CIF or POSCAR files there")
    kept: list[StructureFile] = []
    for path in paths:
        found = _read(path, index.get(path.name, {}))
        if not any(is_same_crystal(other.structure, found.structure) for other in kept):
            kept.append(found)
    return tuple(kept)


def is_same_crystal(first: Structure, second: Structure) -> bool:
    """Say whether two primitive cells are one crystal before anything is relaxed.

    Parameters
    ----------
    first, second : Structure
        Primitive cells of any volume and orientation.

    Returns
    -------
    bool
        True for equal formula, number of atoms and space group, and sites that agree within the tolerances of
        `hts.deduplication.crystal_matcher`. A distorted member of a family has another space group, and is another one.
    """
    if len(first) != len(second) or first.composition != second.composition:
        return False
    if space_group_number(first) != space_group_number(second):
        return False
    return bool(crystal_matcher().fit(first, second))


def structures_within(files: Collection[StructureFile], elements: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the settings' mapping of label to structure, for those whose elements belong to a chemical system.

    Parameters
    ----------
    files : Collection[StructureFile]
    elements : Collection[str]
        Symbols of the system. What holds other elements is left out, so that a further file changes the settings only
        of candidates that it competes with.

    Returns
    -------
    dict
        By label; empty when none belongs.
    """
    within = (file for file in files if file.elements <= set(elements))
    return {file.label: file.entry for file in sorted(within, key=lambda file: file.label)}


def structure_of(entry: Mapping[str, Any]) -> Structure:
    """Return the crystal of a structure in the settings."""
    return Structure(Lattice(entry["lattice"]), list(entry["species"]), entry["frac_coords"])


def start_structure(structure: Structure, pressure_gpa: float) -> Structure:
    """Scale a crystal to the volume at which its relaxation begins.

    Parameters
    ----------
    structure : Structure
        Of any volume, at least one site.
    pressure_gpa : float
        Pressure in GPa, 0 or above.

    Returns
    -------
    Structure
        A copy: `hts.volumes.starting_volume_ang3` (for hydrogen alone the volume of the solid), raised until no two
        atoms are nearer than `hts.radii.shortest_possible_ang`, as for the members of a family.

    Raises
    ------
    UserError
        An element without volume or radius, a negative pressure, two atoms on one point.
    """
    counts = {str(symbol): float(amount) for symbol, amount in structure.composition.get_el_amt_dict().items()}
    if set(counts) == {"H"}:
        volume_ang3 = counts["H"] * hydrogen_volume_ang3_per_molecule(pressure_gpa) / 2
    else:
        volume_ang3 = starting_volume_ang3(counts, pressure_gpa)
    for (first, second), lengths in structure_contacts(structure).items():
        if not lengths[0] > 0:
            raise UserError(f"two atoms ({first}, {second}) stand on one point; give each its own")
        needed = shortest_possible_ang(first, second, pressure_gpa) / lengths[0]
        volume_ang3 = max(volume_ang3, structure.volume * needed**3)
    scaled = structure.copy()
    scaled.scale_lattice(volume_ang3)
    return scaled


def structures_complaint(structures: object) -> str | None:
    """Return what is wrong with the settings' mapping of structures, or None.

    Parameters
    ----------
    structures : object
        Wanted: label -> lattice (3 x 3, Angstrom), species (symbols), frac_coords (N x 3), source (text). A label ends
        in the hash of its crystal: relaxations are shared by label, so that one must not stand for two crystals.

    Returns
    -------
    str | None
        One line that begins with the label.
    """
    if not isinstance(structures, Mapping):
        return f"{type(structures).__name__} found, a mapping of label to structure wanted; see `competitor_folder`"
    for label, entry in structures.items():
        complaint = _entry_complaint(entry)
        if complaint:
            return f"{label}: {complaint}"
        digits = _hash(entry)
        if not isinstance(label, str) or not _LABEL.fullmatch(label) or not label.endswith(f"-{digits}"):
            return f"{label}: no label of this crystal; take letters, digits, _ and -, and -{digits} at the end"
    return None


def _entry_complaint(entry: object) -> str | None:
    if not isinstance(entry, Mapping) or set(entry) != set(_ENTRY_KEYS):
        found = ", ".join(map(str, entry)) if isinstance(entry, Mapping) else type(entry).__name__
        return f"{found} found, a mapping of {', '.join(_ENTRY_KEYS)} wanted"
    if not isinstance(entry["source"], str):
        return f"source {entry['source']!r} is no text; say where the structure comes from"
    species = entry["species"]
    if not isinstance(species, list) or not species or not all(_is_element(symbol) for symbol in species):
        return f"species {species!r:.60} found, a list of elements wanted"
    for key, shape in (("lattice", (3, 3)), ("frac_coords", (len(species), 3))):
        if not _has_shape(entry[key], shape):
            return f"{key}: {shape[0]} x {shape[1]} finite numbers are wanted"
    if abs(np.linalg.det(np.array(entry["lattice"], dtype=float))) < MIN_ATOM_ANG3 * len(species):
        return f"lattice: a cell too small for {len(species)} atoms; give the vectors in Angstrom as rows"
    try:
        start_structure(structure_of(entry), 0.0)
    except UserError as error:
        return str(error)
    return None


def _has_shape(value: object, shape: tuple[int, int]) -> bool:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        return False
    return array.shape == shape and bool(np.isfinite(array).all())


def _is_element(symbol: object) -> bool:
    return isinstance(symbol, str) and Element.is_valid_symbol(symbol)


def _is_structure(name: str) -> bool:
    return not name.startswith(".") and name != INDEX_NAME


def _read(path: Path, said: Mapping[str, Any]) -> StructureFile:
    where = f"competitor file {path}"
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UserError(f"{where}: {size} bytes found, at most {MAX_FILE_BYTES} allowed; give the structure alone")
        with warnings.catch_warnings():
            # That 0.3333 was taken for 1/3 is what is wanted.
            warnings.filterwarnings("ignore", message="(?s).*rounded to ideal values")
            raw = Structure.from_file(path)
    except _READ_ERRORS as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{where}: no structure could be read ({text:.120}); give a CIF or POSCAR file") from None
    if not raw.is_ordered:
        raise UserError(f"{where}: {raw.formula} has partial occupancies; give ordered structures, one file each")
    try:
        structure = _standard_primitive(raw)
        start_structure(structure, 0.0)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    formula = plain_formula(structure.composition)
    name = str(said.get("id") or path.stem)
    stem = re.sub(r"[^A-Za-z0-9]+", "-", name.removeprefix(f"{formula}-")).strip("-")[:MAX_STEM].rstrip("-")
    label = "-".join(part for part in (formula, stem, _hash(_cell(structure))) if part)
    source = str(said["source"]) if said.get("source") else None
    return StructureFile(label, formula, structure, " ".join(f"{path.name}{f': {source}' if source else ''}".split()))


def _standard_primitive(raw: Structure) -> Structure:
    """Return spglib's standard primitive cell, rounded to what the settings hold; deuterium is hydrogen."""
    unknown = sorted({str(site.specie) for site in raw if not _is_element(getattr(site.specie, "symbol", None))})
    if unknown:
        raise UserError(f"{', '.join(unknown)} found, elements wanted; replace what stands for them")
    if raw.volume < MIN_ATOM_ANG3 * len(raw):
        raise UserError(f"{raw.volume:.3g} Angstrom^3 for {len(raw)} atoms; give lengths in Angstrom")
    if not raw.is_valid(tol=MIN_DISTANCE_ANG):
        raise UserError(f"atoms of {raw.formula} stand within {MIN_DISTANCE_ANG:g} Angstrom; give each its own place")
    try:
        standard = standard_primitive(raw, SYMPREC_ANG)
    except ValueError:
        raise UserError(f"spglib finds no symmetry in {raw.formula}; give a structure that it understands") from None
    return structure_of(_cell(standard))


def _cell(structure: Structure) -> dict[str, Any]:
    """Return lattice, species and fractional coordinates as JSON holds them; sums of 0.0 leave no -0.0."""
    points = np.round(structure.frac_coords % 1.0, DECIMALS) % 1.0
    return {
        "lattice": (np.round(structure.lattice.matrix, DECIMALS) + 0.0).tolist(),
        "species": [site.specie.symbol for site in structure],
        "frac_coords": (points + 0.0).tolist(),
    }


def _hash(entry: Mapping[str, Any]) -> str:
    """Return what a label ends in."""
    numbers = {key: np.array(entry[key], dtype=float).tolist() for key in ("lattice", "frac_coords")}
    return fingerprint({**numbers, "species": list(entry["species"])})[:HASH_DIGITS]


def _index(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return what the index says of each file; nothing where there is no index."""
    if not path.exists():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read ({' '.join(str(error).split()):.120}); give a YAML mapping") from None
    structures = content.get("structures", {}) if isinstance(content, Mapping) else None
    if not isinstance(structures, Mapping) or not all(isinstance(said, Mapping) for said in structures.values()):
        raise UserError(
            f"{path}: no mapping of files under `structures`; wanted such as AlH3.cif: {{source: …, id: …}}"
        )
    return {str(name): said for name, said in structures.items()}
