"""`hts status`: the funnel of a campaign in numbers."""

import json
import time
from typing import TYPE_CHECKING, Any

import click

from hts.cli.options import json_option, profile_option

if TYPE_CHECKING:
    from hts.campaign import Campaign

_WATCH_SECONDS = 3.0


@click.command()
@click.argument("campaign", required=False)
@click.option("--watch", is_flag=True, help="Refresh until interrupted.")
@json_option
@profile_option
def status(campaign: str | None, watch: bool, as_json: bool, profile: str | None) -> None:
    """Show how many candidates entered, passed, failed or are undecided at each stage, and what it cost.

    CAMPAIGN is a name or a campaign file; without it, all campaigns of the profile.

    \b
    Example:
      hts status al-mg-h-perovskites
      hts status examples/al-h-perovskites.yaml --json
    """
    from rich.console import Console

    from hts.store import funnel
    from hts.store import profile as profiles

    profiles.load(profile)
    name = campaign_name(campaign)
    console = Console(width=100)
    while True:
        found = funnel.snapshot(name).status
        if as_json:
            click.echo(json.dumps(found, indent=2))
        else:
            if watch:
                console.clear()
            console.print(status_table(found))
            for line in summary_lines(found):
                console.print(line, highlight=False, markup=False)
            if not any(stage["entered"] for stage in found["stages"]):
                click.echo("No screening yet; type next: hts run FILE.yaml", err=True)
        if not watch:
            return
        time.sleep(_WATCH_SECONDS)


def campaign_name(campaign: str | None) -> str | None:
    """Return the name of a campaign given by name or by file; None stays None.

    Raises
    ------
    UserError
        If it is a file with mistakes.
    """
    given = campaign_file(campaign)
    return campaign if given is None else given.name


def campaign_file(campaign: str | None) -> "Campaign | None":
    """Return the campaign if it was given by a file, None if by a name.

    Raises
    ------
    UserError
        If it is a file with mistakes.
    """
    if campaign is None or not campaign.endswith((".yaml", ".yml")):
        return None
    from hts.campaign import Campaign

    return Campaign.from_yaml(campaign)


def status_table(found: dict[str, Any]) -> Any:
    """Return the stages as a rich table."""
    from rich.table import Table

    table = Table(title=f"{found['campaign'] or 'all campaigns'}: the funnel")
    table.add_column("stage")
    for column in ("entered", "passed", "failed", "undecided", "running", "core-hours"):
        table.add_column(column, justify="right")
    for stage in found["stages"]:
        counts = [str(stage[key]) for key in ("entered", "passed", "failed", "undecided", "running")]
        table.add_row(stage["stage"], *counts, f"{stage['core_hours']:.3f}")
    return table


def summary_lines(found: dict[str, Any]) -> list[str]:
    """Return wall time and idle share in one line, jobs in another."""
    wall, idle, jobs = found["wall_seconds"], found["idle_seconds"], found["jobs"]
    return [
        f"wall {wall:.0f} s, codes {found['code_seconds']:.0f} core-s, "
        f"idle {idle:.0f} s ({idle / wall if wall else 0.0:.0%} of the wall time)",
        f"jobs: {jobs['submitted']} submitted, {jobs['failed']} failed, {jobs['recovered']} of them recovered; "
        f"{jobs['reused']} stored results reused",
    ]
