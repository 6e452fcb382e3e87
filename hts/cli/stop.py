"""`hts stop` and `hts resume`: keep a campaign from going on, and let it."""

import json

import click

from hts.cli.options import json_option, profile_option
from hts.cli.status import campaign_name


@click.command()
@click.argument("campaign")
@click.option("--kill", is_flag=True, help="End its screenings and jobs instead; begun candidates start anew.")
@json_option
@profile_option
def stop(campaign: str, kill: bool, as_json: bool, profile: str | None) -> None:
    """Stop CAMPAIGN (a name or a file): nothing of it goes on until `hts resume`.

    Its processes are paused where they are. Jobs that run on their machine end there and are fetched later; nothing is
    lost. References that other campaigns may share go on.

    \b
    Example:
      hts stop al-mg-h-perovskites
      hts resume al-mg-h-perovskites
    """
    from hts.store import profile as profiles
    from hts.store import stopping

    profiles.load(profile)
    name = str(campaign_name(campaign))
    stopped = stopping.stop(name, kill=kill)
    if as_json:
        click.echo(json.dumps({"campaign": name, "killed" if kill else "paused": list(stopped)}))
        return
    what = "screenings killed" if kill else "processes paused"
    click.echo(f"{name}: {len(stopped)} {what}; `hts resume {name}` lets it go on", err=True)


@click.command()
@click.argument("campaign")
@json_option
@profile_option
def resume(campaign: str, as_json: bool, profile: str | None) -> int:
    """Let CAMPAIGN (a name or a file) go on: what `hts stop` or AiiDA has paused.

    AiiDA pauses a calculation when a step on its machine has failed five times in a row. What waits for a machine that
    does not answer stays paused, and the exit code is 1.

    \b
    Example:
      hts resume al-mg-h-perovskites
    """
    from hts.store import profile as profiles
    from hts.store import stopping

    profiles.load(profile)
    name = str(campaign_name(campaign))
    found = stopping.resume(name)
    if as_json:
        content = {"campaign": name, "played": list(found.played), "unreachable": found.unreachable}
        click.echo(json.dumps(content))
    else:
        for label, why in found.unreachable.items():
            click.echo(f"{label} does not answer, what waits for it stays paused: {why}", err=True)
        click.echo(f"{name}: {len(found.played)} processes go on; `hts submit FILE.yaml` submits the rest", err=True)
    return 1 if found.unreachable else 0
