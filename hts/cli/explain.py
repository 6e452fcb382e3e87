"""`hts explain`: the story of one candidate, read from the provenance graph."""

import json
import os
from pathlib import PurePosixPath
from typing import Any

import click

from hts.cli.options import json_option, profile_option
from hts.stopped_jobs import STOPPED_BY_MONITOR


@click.command()
@click.argument("key")
@json_option
@profile_option
def explain(key: str, as_json: bool, profile: str | None) -> None:
    """Explain every verdict of one candidate: numbers, thresholds, nodes, folders, cost.

    KEY is a candidate's key, a beginning of it, its formula, or the uuid of its screening.

    \b
    Example:
      hts explain Al4H
      hts explain perovskite-Al4H --json
    """
    from hts.store import profile as profiles
    from hts.store import query, story

    profiles.load(profile)
    told = story.tell(query.find_candidate(key))
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for line in lines(told):
        click.echo(line)


def lines(told: dict[str, Any]) -> list[str]:
    """Return the story as lines of text."""
    record = told["record"]
    text = [
        f"{record['key']}: {record['verdict']}",
        f"  {record['reason']}",
        f"  flags: {', '.join(record['flags']) or 'none'}; {record['cost_core_hours']:.3f} core-hours; "
        f"screening {told['pk']} ({told['uuid']})",
    ]
    for stage in told["stages"]:
        cost = f"{stage['process_label']} {stage['pk']}, {stage['seconds']:.0f} core-s"
        text += ["", f"{stage['stage']}: {stage['verdict']}  [{cost}]"]
        text.append(f"  {stage['reason']}")
        if stage["thresholds"]:
            text.append("  thresholds: " + ", ".join(f"{name} {value}" for name, value in stage["thresholds"].items()))
        text += [f"  {line}" for line in stage["details"]]
    return [*text, "", *_job_lines(told["jobs"])]


def _job_lines(jobs: list[dict[str, Any]]) -> list[str]:
    """Return one line a job, with the part of its folder that it does not share with the others."""
    folders = [job["folder"] for job in jobs if job["folder"]]
    # A job's folder is root/ab/cd/efgh-…; all jobs of one computer share the root.
    root = os.path.commonpath([str(PurePosixPath(folder).parents[2]) for folder in folders]) if folders else ""
    where = f", folders below {root}" if root else ""
    width = max((len(job["label"]) for job in jobs), default=0)
    text = [f"jobs ({len(jobs)}){where}:"]
    for job in jobs:
        folder = os.path.relpath(job["folder"], root) if job["folder"] else "-"
        text.append(
            f"  {job['pk']:>6} {job['stage']:10} {job['label']:{width}} {_ending(job):9} {job['seconds']:7.1f} core-s "
            f"{folder}"
        )
    return text


def _ending(job: dict[str, Any]) -> str:
    if job["state"] == "finished":
        return "stopped" if job["exit_status"] == STOPPED_BY_MONITOR else f"exit {job['exit_status']}"
    return str(job["state"]) if job["state"] in {"killed", "excepted"} else "running"
