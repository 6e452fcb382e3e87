"""AiiDA's scheduler for a machine without a queue, corrected in what it takes for a job."""

import contextlib
import shlex
from typing import Any

import psutil
from aiida.engine import ExitCode
from aiida.schedulers.datastructures import JobState
from aiida.schedulers.plugins import direct

# AiiDA's default of the option submit_script_filename: what it starts every job with, as `bash _aiidasubmit.sh`.
SUBMIT_SCRIPT = "_aiidasubmit.sh"
# In the folder of a job: its number, and who may start it.
_NUMBER, _LOCK = ".hts_number", ".hts_number_lock"


class DirectScheduler(direct.DirectScheduler):
    """Starts every job at once, on the machine where the daemon runs; a job's id is its process id.

    `core.direct` of aiida-core 2.9 raises when the job to be killed has just ended: five times, whereupon AiiDA pauses
    the calculation and nobody plays it again. And it takes any process for the job that has got its id since. Here a
    process that is gone, or is another program by now, is a job that has ended. A submission may be repeated: a worker
    that is killed between the start of a job and the storing of its number would start a second one in its folder.
    """

    # Of all processes of a user only the jobs are worth a second look: AiiDA shall say which they are.
    _features = {"can_query_by_user": False}

    def submit_job(self, working_directory: str, filename: str) -> str | ExitCode:
        """Start a job; an exit code for a script of another name, by which it could not be told from other programs."""
        if filename != SUBMIT_SCRIPT:
            found = f"the submit script is called {filename}, {SUBMIT_SCRIPT} was wanted"
            return ExitCode(200, f"{found}; leave out the option submit_script_filename", invalidates_cache=True)
        return super().submit_job(working_directory, filename)

    def _get_submit_command(self, submit_script: str) -> str:
        """Return a command that may be repeated: it prints the number of the job, and starts it only if it has none.

        The job writes its number itself, and holds the lock until it has: whatever is killed, it is started once.
        """
        number = (
            f"echo $$ > {_NUMBER}.part && mv {_NUMBER}.part {_NUMBER} || exit; exec 9>&-; exec bash {submit_script}"
        )
        start = f"bash -c {shlex.quote(number)} > /dev/null 2>&1 &"
        wait = f"while [ ! -s {_NUMBER} ] && kill -0 $! 2> /dev/null; do sleep 0.005; done"
        command = f"( flock 9 || exit; if [ ! -s {_NUMBER} ]; then {start} {wait}; fi; cat {_NUMBER} ) 9> {_LOCK}"
        self.logger.info(f"submitting with: {command}")
        return command

    def get_jobs(self, jobs: list[str] | None = None, user: str | None = None, as_dict: bool = False) -> Any:
        """Return the states of jobs, of those asked for if any; what is no job of AiiDA, or not any more, is done."""
        found = super().get_jobs(jobs=jobs, user=user, as_dict=True)
        wanted = found if jobs is None else {job_id: found[job_id] for job_id in jobs}
        for job_id, info in wanted.items():
            if info.job_state is not JobState.DONE and not _is_job(job_id):
                info.job_state = JobState.DONE
        return wanted if as_dict else list(wanted.values())

    def kill_job(self, jobid: str) -> bool:
        """End a job and all its descendants; True also for what has ended by itself, before or meanwhile.

        Raises
        ------
        psutil.AccessDenied
            If a process of the job belongs to somebody else.
        """
        if not _is_job(jobid):
            return True
        try:
            job = psutil.Process(int(jobid))
            processes = [job, *job.children(recursive=True)]
        except psutil.NoSuchProcess:
            return True
        for process in processes:
            # psutil compares the time of creation, so that a number that is taken again in between is safe, too.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        return True


def _is_job(job_id: str) -> bool:
    """Return whether a process lives and is a job's shell, not another program that has got its number."""
    try:
        process = psutil.Process(int(job_id))
        name, words = process.name(), process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    # At its start a job is a copy of the shell that starts it, `bash -c "(bash …) &"`, with the script within a word;
    # then, while the kernel exchanges the programs, a bash without a command line.
    return name == "bash" and (not words or any(SUBMIT_SCRIPT in word for word in words))
