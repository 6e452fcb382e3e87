"""`hts run`: submit, keep the daemon going, and show the funnel until every candidate is decided."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from hts.cli.options import profile_option

# A look at the database costs some 50 ms: every three seconds that is two per cent of a core.
_POLL_SECONDS = 3.0


@click.command()
@click.argument("campaign", type=click.Path(path_type=Path))
@click.option("--retry", is_flag=True, help="Submit again what ended with an error, as undecided.")
@click.option(
    "--workers", default=1, show_default=True, help="Worker processes of the daemon, where it is not running."
)
@profile_option
def run(campaign: Path, retry: bool, workers: int, profile: str | None) -> int:
    """Run CAMPAIGN (a YAML file) until every candidate is decided; type it again after an interruption.

    Ctrl-C stops the watching only: what has been submitted goes on in the daemon. Nothing that has finished is computed
    again, whatever happened in between.

    \b
    Example:
      hts run examples/al-h-perovskites.yaml
    """
    from hts.campaign import Campaign
    from hts.store import daemon, launch, query, stopping
    from hts.store import profile as profiles

    loaded = Campaign.from_yaml(campaign)
    profiles.load(profile)
    stopping.require_not_stopped(loaded.name)
    prepared = launch.prepare(loaded)
    if not prepared.candidates:
        click.echo(f"{campaign}: no candidates; see `hts enumerate {campaign}`", err=True)
        return 0
    if launch.has_work(prepared, retry=retry):
        started_daemon = daemon.ensure_running(workers)
        prepared = _drive(prepared, retry, workers)
        if started_daemon and all(screening.ended for screening in query.screenings()):
            # Only on a normal end: after Ctrl-C the daemon goes on with what was submitted, and so it does for others.
            daemon.stop()
    records = query.candidates(loaded.name, set(prepared.labels.values()), gates=loaded.gates.model_dump())
    for key in launch.judged_otherwise(prepared):
        click.echo(
            f"note: {key} was judged with other gates or mu* than {campaign} has now; "
            f"`hts candidates {campaign}` judges its numbers by these gates",
            err=True,
        )
    undecided = [record for record in records if record.verdict == "undecided"]
    for record in undecided:
        click.echo(f"undecided: {record.key}: {record.reason}", err=True)
    click.echo(f"Type next: hts candidates {loaded.name}", err=True)
    return 1 if undecided else 0


def _drive(prepared: Any, retry: bool, workers: int) -> Any:
    """Submit and watch until nothing is missing and nothing runs; returns the campaign with what was proposed.

    Raises StillPausedError, an exit code of 1, when a process that AiiDA has paused does not go on.
    """
    from hts.store import daemon, funnel, launch, paused

    name = prepared.campaign.name
    resumer = paused.Resumer(name, paused.WAITS_SECONDS)
    ended_up_to_pk = launch.newest_pk()
    watcher = _Watcher()
    try:
        while True:
            found = launch.submit_missing(prepared, retry=retry, ended_up_to_pk=ended_up_to_pk)
            prepared = launch.with_proposals(prepared)
            seen = funnel.snapshot(name, set(prepared.labels.values()))
            watcher.show(seen, found.waiting, len(prepared.candidates))
            for line in resumer.look():
                click.echo(line, err=True)
            if not found.active and not found.waiting:
                break
            time.sleep(_POLL_SECONDS)
            if daemon.ensure_running(workers):
                click.echo("the daemon had died: repaired and started again", err=True)
    finally:
        watcher.close()
    return prepared


class _Watcher:
    """Prints decisions as they are made; on a terminal, with a live line for each candidate below."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, width=None if sys.stderr.isatty() else 160)
        self._live = Live(console=self._console, refresh_per_second=2, transient=True) if sys.stderr.isatty() else None
        if self._live is not None:
            self._live.start()
        self._start = time.time()
        self._last_log = 0
        self._first = True

    def show(self, seen: Any, waiting: int, total: int) -> None:
        """Print what has been decided since the last look."""
        from hts.store.events import events_since

        names = {one.screening.pk: one.screening.key for one in seen.progress}
        speakers = [(row.pk, row.screening_pk, row.process_label) for row in seen.rows]
        speakers += [(pk, pk, "ScreeningWorkChain") for pk in names]
        for event in events_since(self._last_log, speakers):
            self._last_log = event.log_pk
            if self._first and event.seconds < self._start:
                continue  # of an earlier run; `hts explain` has it
            line = f"{event.seconds - self._start:6.0f} s  {names[event.screening_pk]}  {event.message}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        self._first = False
        if self._live is not None:
            self._live.update(self._table(seen, waiting, total))

    def _table(self, seen: Any, waiting: int, total: int) -> Any:
        from rich.table import Table

        ended = sum(one.ended for one in seen.progress)
        elapsed = time.time() - self._start
        table = Table(title=f"{ended} of {total} decided, {waiting} waiting, {elapsed:.0f} s", expand=False)
        for column in ("candidate", "stage", "running"):
            table.add_column(column)
        for one in seen.progress:
            if not one.ended:
                table.add_row(one.screening.key, one.stage or "starting", ", ".join(one.running_jobs) or "-")
        return table

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
