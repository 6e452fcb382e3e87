"""`hts enumerate`: the candidates of a campaign, without DFT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hts.cli.options import json_option
from hts.errors import UserError

if TYPE_CHECKING:
    from hts.enumeration import Candidate

TABLE_WIDTH = 100


@click.command(name="enumerate")
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option("--cif", "cif_folder", type=click.Path(path_type=Path), metavar="DIR", help="Write KEY.cif files to DIR.")
@json_option
def enumerate_(campaign: Path, cif_folder: Path | None, as_json: bool) -> None:
    r"""List the candidates of CAMPAIGN (a YAML file); nothing is calculated.

    Volumes are estimates at the campaign's start pressure, where its relaxations begin.

    \b
    Example:
      hts enumerate examples/al-h-perovskites.yaml
      hts enumerate examples/al-h-perovskites.yaml --json --cif structures/
    """
    from hts.campaign import Campaign
    from hts.enumeration import enumerate_candidates

    loaded = Campaign.from_yaml(campaign)
    candidates = list(enumerate_candidates(loaded))
    if cif_folder is not None:
        _write_cifs(candidates, cif_folder)
        click.echo(f"{len(candidates)} CIF files written to {cif_folder}", err=True)
    records = [candidate_record(candidate) for candidate in candidates]
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    _print_table(records, loaded.name, loaded.pressures_gpa.start)
    click.echo(f"Type next: hts run {campaign}", err=True)


def candidate_record(candidate: Candidate) -> dict[str, Any]:
    """Return the JSON record of a candidate, with the stable keys of `hts enumerate --json`.

    Parameters
    ----------
    candidate : Candidate
        From `hts.enumeration`.

    Returns
    -------
    dict
        Distances in Angstrom, volume in Angstrom^3 per atom; a descriptor that does not exist is None.
    """
    from hts.descriptors import descriptors, min_distance_ang

    structure = candidate.structure
    return {
        "key": candidate.key,
        "prototype": candidate.prototype,
        "variant": candidate.variant,
        "formula": candidate.formula,
        "sites": candidate.sites,
        "space_group_number": candidate.space_group_number,
        "n_atoms": len(structure),
        "volume_ang3_per_atom": float(structure.volume) / len(structure),
        "min_distance_ang": min_distance_ang(structure),
        "descriptors": descriptors(structure),
    }


def _write_cifs(candidates: list[Candidate], folder: Path) -> None:
    from pymatgen.io.cif import CifWriter

    from hts.prototypes.geometry import SYMPREC_ANG

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for candidate in candidates:
            cif = CifWriter(candidate.structure, symprec=SYMPREC_ANG)
            (folder / f"{candidate.key}.cif").write_text(str(cif), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--cif {folder}: cannot be written ({error.strerror}); give a writable folder") from None


def _print_table(records: list[dict[str, Any]], name: str, pressure_gpa: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{name}: {len(records)} candidates, volumes estimated at {pressure_gpa:g} GPa")
    table.add_column("key", overflow="fold")
    for heading in (
        "space\ngroup",
        "atoms",
        "Å³ per\natom",
        "d min\nÅ",
        "d H-H\nÅ",
        "d X-H\nÅ",
        "H\nfraction",
        "e per\nf.u.",
    ):
        table.add_column(heading, justify="right")
    for record in records:
        values = record["descriptors"]
        table.add_row(
            record["key"],
            str(record["space_group_number"]),
            str(record["n_atoms"]),
            _number(record["volume_ang3_per_atom"]),
            _number(record["min_distance_ang"]),
            _number(values["min_hh_distance_ang"]),
            _number(values["min_xh_distance_ang"]),
            _number(values["hydrogen_fraction"]),
            _number(values["valence_electrons_per_formula_unit"], 0),
        )
    Console(width=TABLE_WIDTH).print(table)


def _number(value: float | None, decimals: int = 2) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
