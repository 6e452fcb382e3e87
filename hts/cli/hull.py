"""`hts hull`: every stored phase of a chemical system on its hull at a pressure."""

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hts.cli.options import STDOUT, csv_option, json_option, profile_option, require_one_on_stdout
from hts.errors import UserError

if TYPE_CHECKING:
    from hts.system_hull import HullRow, SystemHull

TABLE_WIDTH = 120
# As in hts.plots.hull, whose import would load matplotlib.
_DRAWN_ELEMENTS = (2, 3)

Command = TypeVar("Command", bound=Callable[..., Any])


def settings_options(command: Command) -> Command:
    """Add `--campaign` and `--basis`, which choose among the settings that a profile holds."""
    command = click.option(
        "--basis", metavar="NAME", help="Settings to take where several are stored; the error lists their names."
    )(command)
    return click.option("--campaign", metavar="NAME", help="Take the settings that this campaign used.")(command)


def pressure_option(command: Command) -> Command:
    """Add `--pressure-gpa`."""
    return click.option("--pressure-gpa", type=float, help="Pressure; may be left out where only one is stored.")(
        command
    )


def limit_option(command: Command) -> Command:
    """Add `--max-hull-ev-per-atom`."""
    return click.option(
        "--max-hull-ev-per-atom",
        type=click.FloatRange(min=0),
        metavar="EV",
        help="Leave out phases further above the hull; they were on it all the same.",
    )(command)


@click.command()
@click.argument("system")
@pressure_option
@settings_options
@limit_option
@csv_option
@json_option
@profile_option
def hull(
    system: str,
    pressure_gpa: float | None,
    campaign: str | None,
    basis: str | None,
    max_hull_ev_per_atom: float | None,
    csv_file: str | None,
    as_json: bool,
    profile: str | None,
) -> None:
    """Show the hull of enthalpies of SYSTEM (such as Al-H) at a pressure, from the relaxations in the profile.

    All relaxations with the same settings compete: candidates of every campaign, known phases, elements. Nothing is
    computed. What is known to be missing is listed: the true hull can only lie lower.

    \b
    Example:
      hts hull Al-H --pressure-gpa 100
      hts hull Ca-H --pressure-gpa 150 --max-hull-ev-per-atom 0.1 --json
      hts hull Al-Mg-H --campaign al-mg-h-perovskites --csv hull.csv
    """
    require_one_on_stdout(as_json, csv_file)
    from hts.store import hulls
    from hts.store import profile as profiles
    from hts.stored_phases import parse_system

    elements = parse_system(system)
    profiles.load(profile)
    found = hulls.load_hull(elements, pressure_gpa, campaign=campaign, basis=basis)
    rows = found.within(max_hull_ev_per_atom)
    if csv_file not in (None, STDOUT):
        _write(Path(str(csv_file)), csv_text(rows))
        click.echo(f"{len(rows)} phases written to {csv_file}", err=True)
    if as_json:
        click.echo(json.dumps(as_record(found, rows), indent=2))
    elif csv_file == STDOUT:
        click.echo(csv_text(rows), nl=False)
    else:
        _print(found, rows)
        click.echo(f"Type next: {_next_command(found, chosen=bool(campaign or basis))}", err=True)


def as_record(found: "SystemHull", rows: "Sequence[HullRow]") -> dict[str, Any]:
    """Return a hull as JSON-serialisable keys, units in their names.

    Parameters
    ----------
    found : SystemHull
    rows : sequence of HullRow
        Those to list.

    Returns
    -------
    dict
        ``system``, ``pressure_gpa``, ``basis``, ``phases``, ``missing``, ``caveats``.
    """
    settings = {"name": found.basis.name, **found.basis.settings, "pseudos": found.basis.pseudos}
    return {
        "system": found.system,
        "pressure_gpa": found.pressure_gpa,
        "basis": settings,
        "phases": [_row_record(row) for row in rows],
        "missing": list(found.missing),
        "caveats": list(found.caveats),
    }


def _row_record(row: "HullRow") -> dict[str, Any]:
    phase, placement = row.phase, row.placement
    return {
        "label": phase.label,
        "also": list(phase.twins),
        "kind": phase.kind,
        "formula": phase.formula,
        "space_group_number": phase.space_group_number,
        "volume_ang3_per_atom": phase.volume_ang3_per_atom,
        "enthalpy_ev_per_atom": phase.enthalpy_ev_per_atom,
        "formation_ev_per_atom": placement.formation_ev_per_atom,
        "hull_ev_per_atom": placement.hull_ev_per_atom,
        "stabilisation_ev_per_atom": placement.stabilisation_ev_per_atom,
        "reaction": placement.reaction,
        "competing_phases": placement.competing_decomposition,
        "magnetic_state": phase.magnetic_state,
        "uuid": phase.uuid,
    }


def csv_text(rows: "Sequence[HullRow]") -> str:
    """Return the phases as comma-separated values: a header whose names end in their units, then one line a phase."""
    records = [_row_record(row) for row in rows]
    for record in records:
        record["also"] = " ".join(record["also"])
        parts = record["competing_phases"].items()
        record["competing_phases"] = " + ".join(f"{part:.4g} {label}" for label, part in parts)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def hull_table(found: "SystemHull", rows: "Sequence[HullRow]") -> Any:
    """Return the rows as a rich table, energies per atom."""
    from rich import box
    from rich.table import Table

    from hts.stored_phases import space_group_symbol

    table = Table(
        title=f"{found.system} at {found.pressure_gpa:g} GPa",
        caption=f"{found.settings} (basis {found.basis.name})",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    table.add_column("phase", overflow="fold")
    table.add_column("formula", no_wrap=True)
    table.add_column("space\ngroup", no_wrap=True)
    for column in ("V/atom\nÅ³", "formation\neV/atom", "above hull\neV/atom", "to others\neV/atom"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("decomposition into the others", overflow="fold")
    for row in rows:
        phase, placement = row.phase, row.placement
        distance = placement.distance_ev_per_atom
        table.add_row(
            f"{phase.label}{' *' if phase.kind == 'candidate' else ''}",
            phase.formula,
            space_group_symbol(phase.space_group_number),
            f"{phase.volume_ang3_per_atom:.3f}",
            f"{placement.formation_ev_per_atom:.4f}",
            f"{placement.hull_ev_per_atom:.4f}" if not row.is_stable else "on hull",
            "-" if distance is None else f"{distance:+.4f}",
            placement.reaction,
        )
    return table


def _print(found: "SystemHull", rows: "Sequence[HullRow]") -> None:
    from rich.console import Console

    console = Console(width=TABLE_WIDTH, file=sys.stdout)
    console.print(hull_table(found, rows))
    lines = [f"{len(found.rows) - len(rows)} phases further above the hull are not shown"] if rows != found.rows else []
    if any(row.phase.kind == "candidate" for row in rows):
        lines.append("* a candidate of a campaign")
    lines += [f"{row.phase.label} is also {', '.join(row.phase.twins)}" for row in rows if row.phase.twins]
    lines += [f"note: {line}" for line in found.caveats]
    lines += [f"hull incomplete: {line}" for line in found.missing]
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _next_command(found: "SystemHull", *, chosen: bool) -> str:
    """Return the command that draws what was printed; of systems that no hull shows, enthalpy against pressure."""
    settings = f" --basis {found.basis.name}" if chosen else ""
    if len(found.elements) in _DRAWN_ELEMENTS:
        return f"hts plot hull {found.system} --pressure-gpa {found.pressure_gpa:g}{settings} -o hull.png"
    return f"hts plot enthalpy {found.system}{settings} -o enthalpy.png"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); give another place") from None
