"""`hts enumerate`: the candidates of a campaign, without DFT."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hts.cli.options import json_option
from hts.errors import UserError

if TYPE_CHECKING:
    from hts.campaign import Campaign
    from hts.enumeration import Candidate

TABLE_WIDTH = 100
# Lines of the table, unless more are asked for; a terminal holds no ten thousand.
DEFAULT_LIMIT = 50


@click.command(name="enumerate")
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="'NAME>=NUMBER'",
    help="Only candidates whose descriptor is >=, <= or = a number; repeatable.",
)
@click.option("--rank", is_flag=True, help="Best score first, as with `ranking: true` in the campaign.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the first N (0: all; table: 50).")
@click.option("--cif", "cif_folder", type=click.Path(path_type=Path), metavar="DIR", help="Write KEY.cif files to DIR.")
@json_option
def enumerate_(
    campaign: Path, filters: tuple[str, ...], rank: bool, limit: int | None, cif_folder: Path | None, as_json: bool
) -> None:
    """List the candidates of CAMPAIGN (a YAML file); nothing is calculated.

    Volumes are estimates at the campaign's start pressure, where its relaxations begin. The score orders computing
    time by what the literature found promising; it is no result. `hts prototypes --descriptors` names the descriptors.

    \b
    Example:
      hts enumerate examples/al-h-perovskites.yaml
      hts enumerate examples/al-h-perovskites.yaml --filter 'hydrogen_fraction>=0.5' --rank
      hts enumerate examples/al-h-perovskites.yaml --json --cif structures/
    """
    from hts.campaign import Campaign
    from hts.enumeration import n_assignments
    from hts.filters import parse_filter

    started = time.perf_counter()
    loaded = Campaign.from_yaml(campaign)
    if rank:
        loaded = loaded.model_copy(update={"ranking": True})
    extra = [parse_filter(text) for text in filters]
    if cif_folder is not None:
        _make_folder(cif_folder)
    shown = _Limited(_candidates(loaded, extra), limit, as_json)
    if as_json:
        count = _print_json(candidate_record(candidate) for candidate in _saved(shown, cif_folder))
    else:
        kept = list(_saved(shown, cif_folder))
        _print_table(kept, loaded)
        count = len(kept)
    if cif_folder is not None:
        click.echo(f"{count} CIF files written to {cif_folder}", err=True)
    more = f", {shown.n_seen - count} more with --limit 0" if shown.n_seen > count else ""
    click.echo(
        f"{n_assignments(loaded)} assignments, {shown.n_seen} candidates, {time.perf_counter() - started:.1f} s{more}",
        err=True,
    )
    click.echo(f"Type next: hts run {campaign}", err=True)


class _Limited:
    """Lets the first candidates through and counts them all."""

    def __init__(self, candidates: Iterable[Candidate], limit: int | None, as_json: bool) -> None:
        self._candidates = candidates
        self._limit = limit if limit is not None else (0 if as_json else DEFAULT_LIMIT)
        self.n_seen = 0

    def __iter__(self) -> Iterator[Candidate]:
        for candidate in self._candidates:
            self.n_seen += 1
            if not self._limit or self.n_seen <= self._limit:
                yield candidate


def _candidates(campaign: Campaign, filters: list[Any]) -> Iterator[Candidate]:
    """Yield the candidates in the order asked for; unranked ones as they are found."""
    from hts.enumeration import candidates_in_order, enumerate_candidates
    from hts.filters import passes

    found = candidates_in_order(campaign) if campaign.ranking else enumerate_candidates(campaign)
    yield from (candidate for candidate in found if passes(candidate.descriptors, filters))


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
    ranking = candidate.ranking
    return {
        "key": candidate.key,
        "prototype": candidate.prototype,
        "variant": candidate.variant,
        "formula": candidate.formula,
        "sites": candidate.sites,
        "space_group_number": candidate.space_group_number,
        "n_atoms": candidate.n_atoms,
        "volume_ang3_per_atom": candidate.volume_ang3_per_atom,
        "min_distance_ang": candidate.min_distance_ang,
        "descriptors": candidate.descriptors,
        "ranking": {"score": ranking.score, "terms": dict(ranking.terms)},
        "fallback_for": candidate.fallback_for,
    }


def _print_json(records: Iterable[dict[str, Any]]) -> int:
    """Print a JSON list as its members come and return how many there were."""
    count = 0
    click.echo("[", nl=False)
    for record in records:
        click.echo(("," if count else "") + "\n" + json.dumps(record), nl=False)
        count += 1
    click.echo("\n]")
    return count


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--cif {folder}: cannot be written ({error.strerror}); give a writable folder") from None


def _saved(candidates: Iterable[Candidate], folder: Path | None) -> Iterator[Candidate]:
    """Hand the candidates on, each written as a CIF file where a folder is given."""
    if folder is None:
        yield from candidates
        return
    from pymatgen.io.cif import CifWriter

    from hts.prototypes.geometry import SYMPREC_ANG

    for candidate in candidates:
        path = folder / f"{candidate.key}.cif"
        try:
            path.write_text(str(CifWriter(candidate.structure, symprec=SYMPREC_ANG)), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); give a writable folder") from None
        yield candidate


def _print_table(candidates: list[Candidate], campaign: Campaign) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = f"{campaign.name}: volumes estimated at {campaign.pressures_gpa.start:g} GPa"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("key", overflow="fold")
    headings = "space\ngroup|atoms|Å³ per\natom|d min\nÅ|d H-H\nÅ|d X-H\nÅ|xi|H frac-\ntion|e per\nf.u.|score"
    for heading in headings.split("|"):
        table.add_column(heading, justify="right")
    for candidate in candidates:
        values = candidate.descriptors
        table.add_row(
            candidate.key,
            str(candidate.space_group_number),
            str(candidate.n_atoms),
            _number(candidate.volume_ang3_per_atom),
            _number(candidate.min_distance_ang),
            _number(values["min_hh_distance_ang"]),
            _number(values["min_xh_distance_ang"]),
            _number(values["hh_bond_order_xi"]),
            _number(values["hydrogen_fraction"]),
            _number(values["valence_electrons_per_formula_unit"], 0),
            _number(candidate.ranking.score),
        )
    Console(width=TABLE_WIDTH).print(table)


def _number(value: float | None, decimals: int = 2) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
