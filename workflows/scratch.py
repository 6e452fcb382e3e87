"""Scratch of finished jobs: removed when its readers are done, noticed where it is gone behind a cached result."""

from collections.abc import Collection

from aiida import orm
from aiida.engine import WorkChain


def clean(process: WorkChain, kept: Collection[int], below: orm.ProcessNode | None = None) -> None:
    """Empty the scratch folders of all jobs below a process but a few.

    Parameters
    ----------
    process : WorkChain
        Reports a folder that can't be removed; that is no failure.
    kept : collection of int
        CalcJob nodes whose scratch stays.
    below : ProcessNode, optional
        Only the jobs below this one; default: below ``process``.
    """
    for job in (below or process.node).called_descendants:
        if isinstance(job, orm.CalcJobNode) and job.pk not in kept and "remote_folder" in job.outputs:
            clean_folder(process, job.outputs.remote_folder)


def clean_folder(process: WorkChain, folder: orm.RemoteData) -> None:
    """Empty one scratch folder.

    Parameters
    ----------
    process : WorkChain
        Reports a folder that can't be removed.
    folder : RemoteData
    """
    try:
        folder._clean()
    except OSError as error:
        process.report(f"{folder.get_remote_path()} could not be removed: {error}")


def is_gone(process: orm.ProcessNode) -> bool:
    """Notice a process that was served from the cache after its scratch was removed: it has numbers but no files.

    Parameters
    ----------
    process : ProcessNode
        A job, or a work chain around one, with ``remote_folder`` if it ended well.
    """
    if not process.is_finished_ok:
        return False
    # Only a job tells whether it came from the cache; that spares a look at the folder of one that ran.
    if isinstance(process, orm.CalcJobNode) and not process.base.caching.is_created_from_cache:
        return False
    return bool(process.outputs.remote_folder.is_empty)
