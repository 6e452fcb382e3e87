"""A limit on how many jobs run at once, for schedulers without a queue of their own (`hts.direct`, `core.direct`).

A direct scheduler starts every job at once. Here each job waits, inside its own submit script, for one of N
lock files. The locks belong to the kernel: whatever ends the job, also `kill -9` or a crash of the daemon, frees its
slot, and nothing has to be cleaned up.
"""

import shlex

POLL_SECONDS = 0.1

# The job's shell and its children hold the lock through an inherited file descriptor. Waiting jobs queue at a second
# lock (`turn`), in which the kernel lets them sleep; only the first in the queue looks for a free slot, so that a
# hundred waiting jobs cost no more than one. `flock` exits with 1 for "taken"; anything else would wait for ever.
_TEMPLATE = """\
# hts: at most {max_jobs} jobs at once; the lock dies with the job
hts_slots={folder}
mkdir -p "$hts_slots" && exec {{hts_turn}}>"$hts_slots/turn.lock" && flock "$hts_turn" || {{
  echo "hts: no job slots in $hts_slots: make the folder writable and install flock (util-linux)" >&2; exit 73; }}
hts_slot=
while [ -z "$hts_slot" ]; do
  for hts_try in {numbers}; do
    exec {{hts_lock}}>"$hts_slots/slot-$hts_try.lock" || exit 73
    flock -n "$hts_lock" && hts_slot=$hts_try && break
    [ $? -eq 1 ] || exit 73
    exec {{hts_lock}}>&-
  done
  [ -n "$hts_slot" ] || sleep {poll_seconds}
done
exec {{hts_turn}}>&-
"""


def slot_prepend_text(max_jobs: int, folder: str) -> str:
    """Return bash lines that wait until fewer than `max_jobs` jobs run, and hold a slot until the job ends.

    To be put in a CalcJob's `metadata.options.prepend_text`, with `hts.job_times.stamped` around it so that the wait
    does not count as run time. Jobs share a limit when they name the same folder. Waiting jobs are served nearly in
    the order of their arrival.

    Parameters
    ----------
    max_jobs
        Number of jobs that may run at once, at least 1, whatever their number of ranks.
    folder
        Absolute path of a folder for the lock files on the machine where the jobs run; made when missing. It must be
        on a file system with `flock` (local disks; NFS from version 4).

    Returns
    -------
    str
        Bash lines. They end the job with exit code 73 and one line on stderr when no lock can be taken at all.

    Raises
    ------
    ValueError
        If `max_jobs` is below 1, or `folder` is relative or holds a line break.
    """
    if max_jobs < 1:
        raise ValueError(f"max_jobs is {max_jobs}, at least 1 was wanted")
    if not folder.startswith("/") or "\n" in folder:
        raise ValueError(f"the slot folder is {folder!r}, an absolute path on one line was wanted")
    numbers = " ".join(str(number) for number in range(1, max_jobs + 1))
    return _TEMPLATE.format(max_jobs=max_jobs, folder=shlex.quote(folder), numbers=numbers, poll_seconds=POLL_SECONDS)
