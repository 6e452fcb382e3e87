"""`hts candidates`: the answer."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from hts.cli.options import STDOUT, csv_option, json_option, profile_option, require_one_on_stdout
from hts.cli.status import campaign_file
from hts.errors import UserError

if TYPE_CHECKING:
    from hts.records import CandidateRecord

TABLE_WIDTH = 100
# From here on a range is shown in whole K: the column has no room for more, nor has the method.
_WHOLE_KELVIN = 10.0


@click.command()
@click.argument("campaign", required=False)
@click.option("--max-pressure-gpa", type=float, help="Dynamically stable at or below this pressure.")
@click.option("--min-tc-k", type=float, help="Allen-Dynes Tc at the first mu* of at least this.")
@click.option("--max-hull-ev-per-atom", type=float, help="Energy above hull of at most this.")
@click.option("--family", help="Prototype.")
@click.option("--verdict", help="One of the verdicts, such as ambient.")
@click.option("--element", multiple=True, help="Holds this element; repeatable.")
@csv_option
@click.option(
    "--cif",
    "cif_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the relaxed crystals at their lowest stable pressures to DIR.",
)
@json_option
@profile_option
def candidates(
    campaign: str | None,
    csv_file: str | None,
    cif_folder: Path | None,
    as_json: bool,
    profile: str | None,
    **filters: Any,
) -> None:
    """List the candidates with their verdicts, best figure of merit first.

    CAMPAIGN is a name or a campaign file; without it, all campaigns of the profile. With a file, the stored numbers
    are judged by the gates that stand in it now, whatever they were when it ran; nothing is computed.

    \b
    Example:
      hts candidates --verdict ambient
      hts candidates examples/al-h-perovskites.yaml
      hts candidates al-mg-h-perovskites --max-pressure-gpa 10 --min-tc-k 1 --json
      hts candidates --csv candidates.csv --cif structures/
    """
    require_known(filters)
    require_one_on_stdout(as_json, csv_file)
    from hts.store import profile as profiles
    from hts.store import query

    profiles.load(profile)
    given = campaign_file(campaign)
    if given is None:
        found = query.candidates(campaign)
    else:
        found = query.candidates(given.name, gates=given.gates.model_dump())
    require_family(filters.get("family"), {record.prototype for record in found})
    records = [record for record in found if fits(record, filters)]
    if cif_folder is not None:
        _write_cifs(records, cif_folder)
    if csv_file not in (None, STDOUT):
        _write(Path(str(csv_file)), csv_text(records))
        click.echo(f"{len(records)} candidates written to {csv_file}", err=True)
    if as_json:
        click.echo(json.dumps([record.model_dump(by_alias=True) for record in records], indent=2))
    elif csv_file == STDOUT:
        click.echo(csv_text(records), nl=False)
    elif records:
        _print(records)
    else:
        click.echo("No candidates here; with fewer filters there may be more, `hts run FILE.yaml` makes some", err=True)


def require_known(filters: dict[str, Any]) -> None:
    """Refuse names that no candidate can have.

    Raises
    ------
    UserError
        For an unknown verdict or element.
    """
    from pymatgen.core import Element

    from hts.records import Verdict

    verdict = filters.get("verdict")
    if verdict is not None and verdict not in get_args(Verdict):
        raise UserError(f"--verdict {verdict!r} is unknown; give one of {', '.join(get_args(Verdict))}")
    for symbol in filters.get("element") or ():
        if not Element.is_valid_symbol(symbol):
            raise UserError(f"--element {symbol!r} is not an element; give a symbol of the periodic table, such as Al")


def require_family(name: str | None, screened: set[str]) -> None:
    """Refuse a family that is neither in the package nor among the candidates, as a user's own one is."""
    from hts.campaign_file import did_you_mean
    from hts.prototypes import prototype_names

    known = sorted({*prototype_names(), *screened})
    if name is not None and name not in known:
        raise UserError(f"--family {name!r} is unknown; {did_you_mean(name, known)}")


def fits(record: "CandidateRecord", filters: dict[str, Any]) -> bool:
    """Return whether a record passes all filters that are set; a number that is not there passes none."""
    from pymatgen.core import Composition

    tc_k = first_tc_k(record)
    lowest = record.lowest_stable_pressure_gpa
    above = record.hull_ev_per_atom
    checks = {
        "max_pressure_gpa": lambda limit: lowest is not None and lowest <= limit,
        "min_tc_k": lambda limit: tc_k is not None and tc_k >= limit,
        "max_hull_ev_per_atom": lambda limit: above is not None and above <= limit,
        "family": lambda name: record.prototype == name,
        "verdict": lambda verdict: record.verdict == verdict,
        "element": lambda elements: set(elements) <= {e.symbol for e in Composition(record.formula).elements},
    }
    return all(check(filters[name]) for name, check in checks.items() if filters.get(name) not in (None, ()))


def first_tc_k(record: "CandidateRecord") -> float | None:
    """Return the ranking Tc: Allen-Dynes at the first mu* of the campaign."""
    return next(iter(record.tc_k.allen_dynes.values()), None)


def candidates_table(records: "Sequence[CandidateRecord]") -> Any:
    """Return the records as a rich table of at most 100 columns."""
    from rich import box
    from rich.table import Table

    # All campaigns of a profile need not have the same first mu*.
    mu_stars = sorted({next(iter(record.tc_k.allen_dynes)) for record in records if record.tc_k.allen_dynes})
    table = Table(
        title=f"{len(records)} candidate{'' if len(records) == 1 else 's'}",
        caption="Tc: Allen-Dynes"
        + (f" at mu* {', '.join(mu_stars)}, and its range over fine meshes and smearings" if mu_stars else "")
        + ("; ? unverified, see below" if any(record.tc_unverified for record in records) else ""),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    # Only the prototype's name may be cut where a hundred columns are too few: its key has it in full.
    table.add_column("formula", overflow="fold")
    table.add_column("prototype", overflow="fold", min_width=9)
    table.add_column("verdict", no_wrap=True)
    for column in ("P min\nGPa", "hull\neV/atom", "λ", "Tc\nK", "merit"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("flags", no_wrap=True)
    for record in records:
        table.add_row(
            record.formula,
            record.prototype,
            record.verdict,
            _number(record.lowest_stable_pressure_gpa, "g"),
            _number(record.hull_ev_per_atom, ".3f"),
            _number(record.lambda_, ".2f"),
            _tc_and_spread(record),
            _number(record.figure_of_merit, ".2f"),
            "\n".join(record.flags),
        )
    return table


def csv_text(records: "Sequence[CandidateRecord]") -> str:
    """Return the records as comma-separated values; empty where there is no number.

    Parameters
    ----------
    records : sequence of CandidateRecord

    Returns
    -------
    str
        A header whose names end in their units, then one line a record; Tc has one column for each formula and mu*.
    """
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for row in flat for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _flat(record: "CandidateRecord") -> dict[str, Any]:
    """Return a record without nested values, in the order of its keys."""
    row: dict[str, Any] = {}
    for name, value in record.model_dump(by_alias=True).items():
        if name == "tc_k":
            row |= {f"tc_{form}_mu{mu}_k": tc for form, by_mu in value.items() for mu, tc in by_mu.items()}
        elif name == "tc_spread":
            ends = {key: low_high or ("", "") for key, low_high in value.items()}
            row |= {f"tc_{key.removesuffix('_k')}_{end}_k": ends[key][at]
                    for key in ends for at, end in enumerate(("lowest", "highest"))}  # fmt: skip
        elif name == "tc_unverified":
            row[name] = "; ".join(value)
        elif name == "tc_by_pressure":
            tc_k = [(one["pressure_gpa"], next(iter(one["tc_k"]["allen_dynes"].values()), None)) for one in value]
            row["tc_allen_dynes_k_by_gpa"] = " ".join(f"{gpa:g}:{tc:g}" for gpa, tc in tc_k if tc is not None)
        elif name == "tc_spread_k":
            low_high = value or (None, None)
            row |= {"tc_lowest_k": low_high[0], "tc_highest_k": low_high[1]}
        elif name == "hull_by_pressure":
            row["hull_ev_per_atom_by_gpa"] = " ".join(f"{pressure}:{above:g}" for pressure, above in value.items())
        elif name == "decomposition":
            row[name] = " + ".join(f"{part:.4g} {phase}" for phase, part in (value or {}).items())
        elif name == "flags":
            row[name] = " ".join(value)
        else:
            row[name] = value
    return row


def _print(records: "Sequence[CandidateRecord]") -> None:
    from rich.console import Console

    console = Console(width=TABLE_WIDTH, file=sys.stdout)
    console.print(candidates_table(records))
    for record in records:
        console.print(f"{record.formula}: {record.reason}", highlight=False, markup=False)
    click.echo("Type next: hts explain KEY", err=True)


def _write_cifs(records: "Sequence[CandidateRecord]", folder: Path) -> None:
    from pymatgen.io.cif import CifWriter

    from hts.prototypes.geometry import SYMPREC_ANG
    from hts.store import query

    structures = query.relaxed_structures(record.uuid for record in records if record.uuid)
    written: set[str] = set()
    for record in records:
        if record.uuid not in structures:
            continue
        name = f"{record.key}-{record.lowest_stable_pressure_gpa:g}GPa"
        # Two campaigns, or two settings of one, may hold the same candidate.
        name = f"{name}-{record.uuid[:8]}" if name in written else name
        _write(folder / f"{name}.cif", str(CifWriter(structures[record.uuid], symprec=SYMPREC_ANG)))
        written.add(name)
    left_out = len(records) - len(written)
    click.echo(
        f"{len(written)} CIF files written to {folder}; {left_out} candidates without a stable pressure", err=True
    )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); give another place") from None


def _tc_and_spread(record: "CandidateRecord") -> str:
    """Return the ranking Tc, and below it the range over fine meshes and smearings, which is part of it."""
    text = _number(first_tc_k(record), ".1f") + ("?" if record.tc_unverified else "")
    if record.tc_spread_k is None:
        return text
    low, high = (format(value, ".0f" if value >= _WHOLE_KELVIN else ".1f") for value in record.tc_spread_k)
    return f"{text}\n{low}-{high}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
