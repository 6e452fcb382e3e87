"""`hts prototypes`: the families that a campaign can name."""

import json
from typing import Any

import click

from hts.cli.options import json_option

TABLE_WIDTH = 100


@click.command(name="prototypes")
@json_option
def prototypes(as_json: bool) -> None:
    r"""List the prototype families with their sites, space groups and sources.

    \b
    A campaign names a family and the elements of its sites:
      families:
        - {prototype: fluorite_axh8, sites: {A: [La, Y], X: [Be, B]}}
    """
    records = prototype_records()
    if as_json:
        click.echo(json.dumps(records, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Prototype families", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("prototype", "formula", "choose", "variant", "group"):
        table.add_column(heading, no_wrap=True)
    table.add_column("sites", no_wrap=True)
    table.add_column("source (DOI)", no_wrap=True)
    for record in records:
        for index, variant in enumerate(record["variants"]):
            sites = "\n".join(f"{site['label']} {site['wyckoff']}" for site in variant["sites"])
            named = (record["prototype"], record["formula"], ", ".join(record["choose"]))
            first = named if index == 0 else ("", "", "")
            group = f"{variant['space_group_symbol']} ({variant['space_group_number']})"
            table.add_row(*first, variant["variant"] or "-", group, sites, variant["source_doi"])
    Console(width=TABLE_WIDTH).print(table)


def prototype_records() -> list[dict[str, Any]]:
    """Return the JSON records of all prototypes.

    Returns
    -------
    list of dict
        prototype, title, formula, source_doi, choose (the sites that a campaign fills), and variants: variant (None
        when there is only one), title, space_group_number, space_group_symbol, source_doi, sites, free_parameters.
    """
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    from hts.prototypes import load_prototype, prototype_names

    records = []
    for name in prototype_names():
        prototype = load_prototype(name)
        variants = [
            {
                "variant": variant,
                "title": arrangement.title or prototype.title,
                "space_group_number": arrangement.space_group_number,
                "space_group_symbol": sg_symbol_from_int_number(arrangement.space_group_number),
                "source_doi": arrangement.source_doi or prototype.source_doi,
                "sites": [site.model_dump(mode="json") for site in arrangement.sites],
                "free_parameters": {key: value.model_dump() for key, value in arrangement.free_parameters.items()},
            }
            for variant, arrangement in prototype.variants.items()
        ]
        records.append(
            {
                "prototype": name,
                "title": prototype.title,
                "formula": prototype.formula,
                "source_doi": prototype.source_doi,
                "choose": list(prototype.choose_sites),
                "variants": variants,
            }
        )
    return records
