"""What a profile computes once: look-up by label, and the lock that makes look-up and submission one step."""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from aiida import orm
from aiida.manage import get_manager
from aiida.manage.configuration import get_config

from hts.file_lock import exclusive


def find_process(label: str, failed_after: datetime | None = None) -> orm.WorkChainNode | None:
    """Return the newest process with this label that has finished or is still running, whoever submitted it.

    Parameters
    ----------
    label : str
    failed_after : datetime, optional
        Ignore one that failed before this moment.

    Returns
    -------
    WorkChainNode or None
    """
    query = orm.QueryBuilder().append(
        orm.WorkChainNode,
        filters={"label": label, "attributes.process_state": {"!in": ["killed", "excepted"]}},
        tag="process",
    )
    query.order_by({"process": [{"id": "desc"}]})
    query.limit(1)
    found = query.first(flat=True)
    if found is None or (failed_after is not None and found.is_failed and found.mtime < failed_after):
        return None
    return found if isinstance(found, orm.WorkChainNode) else None


def profile_lock() -> AbstractContextManager[None]:
    """Serialise look-up and submission over all workers of the profile; held for milliseconds."""
    profile = get_manager().get_profile()
    name = profile.name if profile is not None else "none"
    return exclusive(Path(get_config().dirpath) / "access" / f"hts-references-{name}.lock")
