"""An exclusive lock on a file: the kernel frees it whatever happens to its holder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock for the length of a ``with`` block; waits for whoever holds it.

    Parameters
    ----------
    path : Path
        Made, with its folder, when missing; on a file system with ``flock`` (local disks, NFS from version 4).

    Raises
    ------
    OSError
        If the file can't be made or locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
