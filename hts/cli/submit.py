"""`hts submit`: one pass of submission, for a terminal or for cron, without watching."""

import json
import time
from pathlib import Path
from typing import Any

import click

from hts.cli.options import json_option, profile_option


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option("--retry", is_flag=True, help="Submit again what ended with an error, as undecided.")
@click.option("--watch", is_flag=True, help="Repeat the pass until nothing is active and nothing waits.")
@click.option(
    "--every",
    "every_seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two passes of --watch.",
)
@click.option(
    "--workers", default=1, show_default=True, help="Worker processes of the daemon, where it is not running."
)
@json_option
@profile_option
def submit(
    campaign: Path, retry: bool, watch: bool, every_seconds: float, workers: int, as_json: bool, profile: str | None
) -> None:
    """Submit what is missing of CAMPAIGN (a YAML file), as far as its max_candidates allows; then return.

    What has been submitted is never submitted again: typed twice, or at the same time by two, or by cron, it changes
    nothing. The daemon is started if it isn't running, and goes on with what was submitted.

    \b
    Example:
      hts submit examples/al-h-perovskites.yaml
      */10 * * * * hts submit /home/me/wide-search.yaml     # in a crontab
    """
    from hts.campaign import Campaign
    from hts.store import launch, stopping
    from hts.store import profile as profiles

    loaded = Campaign.from_yaml(campaign)
    profiles.load(profile)
    stopping.require_not_stopped(loaded.name)
    prepared = launch.prepare(loaded)
    ended_up_to_pk = launch.newest_pk() if watch else None
    while True:
        found = _pass(prepared, retry, workers, ended_up_to_pk)
        _tell(loaded.name, found, as_json)
        if not watch or not (found.active or found.waiting):
            return
        time.sleep(every_seconds)


def _pass(prepared: Any, retry: bool, workers: int, ended_up_to_pk: int | None) -> Any:
    """Submit once, with a daemon that works; neither is needed for a campaign that is decided."""
    from hts.store import daemon, launch

    if not launch.has_work(prepared, retry=retry):
        return launch.Pass((), 0, 0)
    daemon.ensure_running(workers)
    return launch.submit_missing(prepared, retry=retry, ended_up_to_pk=ended_up_to_pk)


def _tell(name: str, found: Any, as_json: bool) -> None:
    """Print what a pass did, the keys one a line."""
    if as_json:
        content = {"campaign": name, "submitted": list(found.submitted), "active": found.active}
        click.echo(json.dumps({**content, "waiting": found.waiting}))
        return
    for key in found.submitted:
        click.echo(f"submitted: {key}", err=True)
    click.echo(f"{name}: {len(found.submitted)} submitted, {found.active} active, {found.waiting} waiting", err=True)
    if not (found.active or found.waiting):
        click.echo(f"Type next: hts candidates {name}", err=True)
