"""`hts propose`: structures of the Materials Project as competitors, imported and never mixed into a computed hull."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hts.cli.options import json_option

if TYPE_CHECKING:
    from hts.materials_project import ImportedPhase

TABLE_WIDTH = 100
DEFAULT_MAX_HULL_EV_PER_ATOM = 0.05


@click.command()
@click.argument("system")
@click.option("--folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Where the CIF files go.")
@click.option(
    "--max-hull-ev-per-atom",
    type=float,
    default=DEFAULT_MAX_HULL_EV_PER_ATOM,
    show_default=True,
    help="How far above the Materials Project's hull, at 0 GPa.",
)
@json_option
def propose(system: str, folder: Path, max_hull_ev_per_atom: float, as_json: bool) -> None:
    """Write the structures of SYSTEM (such as Al-H) that the Materials Project knows near its hull.

    They are proposals: a campaign that names the folder relaxes them at its pressures with its own settings. The
    energies shown are the Materials Project's, at 0 GPa; they are never used on a hull. Files that are there are kept
    as they are; delete what should not compete. Needs mp-api and a key:

    \b
      pip install 'hts-hydrides[mp]'
      export MP_API_KEY=…           from https://materialsproject.org/api
    \b
    Example:
      hts propose Al-H --folder competitors/
    """
    from datetime import UTC, datetime

    from hts.materials_project import fetch_phases, parse_system, write_phases

    phases = fetch_phases(parse_system(system), max_hull_ev_per_atom)
    written = write_phases(phases, folder, datetime.now(tz=UTC).date()) if phases else []
    if as_json:
        click.echo(
            json.dumps(
                [
                    {**phase.record(), "file": f"{phase.label}.cif", "written": f"{phase.label}.cif" in written}
                    for phase in phases
                ],
                indent=2,
            )
        )
    else:
        _print_table(system, phases, set(written))
    if not phases:
        click.echo(
            f"nothing within {max_hull_ev_per_atom:g} eV/atom; a larger --max-hull-ev-per-atom finds more", err=True
        )
        return
    click.echo(f"{len(written)} files written to {folder}, {len(phases) - len(written)} kept", err=True)
    click.echo(f"Type next, in the campaign: competitor_folder: {folder.resolve()}", err=True)


def _print_table(system: str, phases: list[ImportedPhase], written: set[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from hts.materials_project import MATERIALS_PROJECT_DOI

    title = f"{system}: imported from the Materials Project, doi:{MATERIALS_PROJECT_DOI}"
    caption = "Its energies, at 0 GPa, are never used on a hull."
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold")
    for heading in ("space group", "atoms", "functional", "MP above\nhull, eV", "MP forma-\ntion, eV", ""):
        table.add_column(heading, justify="right")
    for phase in phases:
        formation = phase.mp_formation_energy_ev_per_atom
        table.add_row(
            f"{phase.label}.cif",
            phase.space_group,
            str(len(phase.structure)),
            phase.functional,
            f"{phase.mp_energy_above_hull_ev_per_atom:.3f}",
            "-" if formation is None else f"{formation:.3f}",
            "new" if f"{phase.label}.cif" in written else "kept",
        )
    Console(width=TABLE_WIDTH).print(table)
