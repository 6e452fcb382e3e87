"""`hts prototypes`: the families that a campaign can name, and what else can stand in its lists."""

import json
from pathlib import Path
from typing import Any

import click

from hts.cli.options import json_option

TABLE_WIDTH = 100
KINDS = {"mission": "families to screen", "reference": "reference families: benchmarks, hulls, parents"}


@click.command(name="prototypes")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--folder", type=click.Path(path_type=Path), metavar="DIR", help="Families of your own, too.")
@click.option("--groups", is_flag=True, help="The element groups that sites and exclusions can name.")
@click.option("--descriptors", is_flag=True, help="The descriptors that filters can name.")
@json_option
def prototypes(names: tuple[str, ...], folder: Path | None, groups: bool, descriptors: bool, as_json: bool) -> None:
    """List the prototype families with their sites, space groups and sources; with NAME, one in full.

    \b
    A campaign names a family and the elements of its sites:
      families:
        - {prototype: fluorite_axh8, sites: {A: [La, rare_earth, -Ce], X: [Be, B]}}
    \b
    Example:
      hts prototypes
      hts prototypes mh10 --json
      hts prototypes --folder my-families/
    """
    if groups:
        _print_mapping(_groups(), as_json)
        return
    if descriptors:
        _print_mapping(_descriptors(), as_json)
        return
    records = prototype_records(names, folder)
    if as_json:
        click.echo(json.dumps(records, indent=2))
    elif names:
        for record in records:
            _print_in_full(record)
    else:
        _print_table(records)


def prototype_records(names: tuple[str, ...] = (), folder: Path | None = None) -> list[dict[str, Any]]:
    """Return the JSON records of prototypes.

    Parameters
    ----------
    names : tuple[str, ...]
        Which ones; all when empty.
    folder : Path, optional
        With further families.

    Returns
    -------
    list of dict
        prototype, kind, title, formula, source_doi, best_electron_count, choose (the sites that a campaign fills), and
        variants: variant (None when there is only one), title, space_group_number, space_group_symbol, source_doi,
        cell, sites, free_parameters.

    Raises
    ------
    UserError
        An unknown name, or a mistake in a file of the folder.
    """
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    from hts.prototypes import load_prototype, prototype_names

    records = []
    for name in names or prototype_names(folder):
        prototype = load_prototype(name, folder)
        variants = [
            {
                "variant": variant,
                "title": arrangement.title or prototype.title,
                "space_group_number": arrangement.space_group_number,
                "space_group_symbol": sg_symbol_from_int_number(arrangement.space_group_number),
                "source_doi": arrangement.source_doi or prototype.source_doi,
                "cell": list(arrangement.cell),
                "sites": [site.model_dump(mode="json") for site in arrangement.sites],
                "free_parameters": {key: value.model_dump() for key, value in arrangement.free_parameters.items()},
            }
            for variant, arrangement in prototype.variants.items()
        ]
        records.append(
            {
                "prototype": name,
                "kind": prototype.kind,
                "title": prototype.title,
                "formula": prototype.formula,
                "source_doi": prototype.source_doi,
                "best_electron_count": prototype.best_electron_count,
                "choose": list(prototype.choose_sites),
                "variants": variants,
            }
        )
    return records


def _groups() -> dict[str, str]:
    from hts.element_groups import element_groups

    return {name: " ".join(members) for name, members in element_groups().items()}


def _descriptors() -> dict[str, str]:
    from hts.descriptors import DESCRIPTORS

    return dict(DESCRIPTORS)


def _print_mapping(content: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(content, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in content.items():
        table.add_row(name, text)
    Console(width=TABLE_WIDTH).print(table)


def _print_table(records: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    for kind, heading in KINDS.items():
        table = Table(title=heading, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
        for name in ("prototype", "formula", "choose", "variant", "group", "source (DOI)"):
            table.add_column(name, no_wrap=True)
        for record in (record for record in records if record["kind"] == kind):
            named = (record["prototype"], record["formula"], " ".join(record["choose"]) or "-")
            for index, variant in enumerate(record["variants"]):
                group = f"{variant['space_group_symbol']} ({variant['space_group_number']})"
                first = named if index == 0 else ("", "", "")
                table.add_row(*first, variant["variant"] or "-", group, variant["source_doi"])
        Console(width=TABLE_WIDTH).print(table)
    click.echo(
        "Type next: hts prototypes NAME for its sites; --groups, --descriptors for what a campaign can name", err=True
    )


def _print_in_full(record: dict[str, Any]) -> None:
    lines = [f"{record['prototype']}: {record['title']}", f"  formula {record['formula']}, {KINDS[record['kind']]}"]
    if record["best_electron_count"] is not None:
        lines.append(f"  best electron count {record['best_electron_count']:g}")
    for variant in record["variants"]:
        group = f"{variant['space_group_symbol']} ({variant['space_group_number']})"
        name = f"variant {variant['variant']}: {variant['title']}, " if variant["variant"] else ""
        lines.append(f"  {name}{group}, doi:{variant['source_doi']}")
        b, c, *angles = (f"{number:g}" for number in variant["cell"][1:])
        lines.append(f"    cell: a, {b} a, {c} a, {', '.join(angles)} degrees")
        for site in variant["sites"]:
            coords = ", ".join(str(coordinate) for coordinate in site["coords"])
            lines.append(f"    {site['label']:<4} {site['wyckoff']:<5} {site['element']:<7} ({coords})")
        lines += [f"    {key} = {value['start']}: {value['doc']}" for key, value in variant["free_parameters"].items()]
    click.echo("\n".join(lines))
