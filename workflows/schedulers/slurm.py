"""AiiDA's scheduler for SLURM, with a submission that can be repeated, and with every reason why a job was ended."""

import re
from typing import Any

from aiida.engine import CalcJob, ExitCode
from aiida.schedulers.plugins import slurm

# In the folder of a job: what sbatch said, that it was asked, and who may ask.
_ANSWER, _ASKED, _LOCK = ".hts_sbatch", ".hts_sbatch_asked", ".hts_sbatch_lock"
# EX_TEMPFAIL of sysexits.h; AiiDA tries again later, as after any other code but 0.
_LATER = 75
_SACCT_FIELDS = ("JobID", "State", "ExitCode", "Elapsed", "Timelimit", "CPUTimeRAW", "MaxRSS", "ReqMem", "NodeList")

# https://slurm.schedmd.com/job_state_codes.html. What is somebody's decision (CANCELLED) is not run again by itself.
_EXIT_CODES = {
    "OUT_OF_MEMORY": "ERROR_SCHEDULER_OUT_OF_MEMORY",
    "TIMEOUT": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    "DEADLINE": "ERROR_SCHEDULER_OUT_OF_WALLTIME",
    "NODE_FAIL": "ERROR_SCHEDULER_NODE_FAILURE",
    "BOOT_FAIL": "ERROR_SCHEDULER_NODE_FAILURE",
    "LAUNCH_FAILED": "ERROR_SCHEDULER_NODE_FAILURE",
    "PREEMPTED": "ERROR_SCHEDULER_NODE_FAILURE",
    "REVOKED": "ERROR_SCHEDULER_NODE_FAILURE",
}
ERROR_CANCELLED = ExitCode(170, "The job was cancelled by a user or an administrator.", invalidates_cache=True)

# What slurmstepd and slurmd write into the job's own stderr, where no accounting tells more (slurmstepd/mgr.c and
# req.c of SLURM 22.05: "*** JOB 7 ON node CANCELLED AT 2026-11-28T07:00:00 DUE TO TIME LIMIT ***").
_MESSAGES = (
    (r"oom[-_ ]?kill|exceeded .*memory limit|out of memory", "OUT_OF_MEMORY"),
    (r"cancelled at .*due to time limit", "TIMEOUT"),
    (r"cancelled at .*due to preemption", "PREEMPTED"),
    (r"cancelled at .*due to node failure|due to job requeue", "NODE_FAIL"),
    (r"(job|step) \S+ on \S+ cancelled at", "CANCELLED"),
)


class SlurmScheduler(slurm.SlurmScheduler):
    """Asks sbatch once for each job, however often it is told to, and says why a job has ended.

    `core.slurm` of aiida-core 2.9 submits again when it was killed, or lost its connection, between sbatch and storing
    the job's number: two jobs then write into one folder, and the result counts as a success. Here the answer of sbatch
    is kept in the folder of the job and given again; where sbatch was asked and no answer was kept, the queue is
    searched for a job in this folder. And it knows three of the reasons why SLURM ends a job: PREEMPTED, CANCELLED,
    BOOT_FAIL and DEADLINE end as a job that wrote nonsense.
    """

    def _get_submit_command(self, submit_script: str) -> str:
        """Return a command that may be repeated: it prints what sbatch said, and asks it only if it never was.

        Parameters
        ----------
        submit_script : str
            Path in the folder of the job, quoted for the shell by AiiDA.

        Returns
        -------
        str
            Ends with 75 where sbatch was asked before, without an answer, and the queue cannot be read now.
        """
        queue = "squeue --noheader --states=all --user=\"$(id -un)\" --format='%i|%Z'"
        find = 'awk -F"|" -v here="$(pwd -P)" \'$2 == here {print "Submitted batch job " $1; exit}\''
        # Without flock (or on a file system without locks) two at once could both ask; one after the other never.
        steps = (
            "flock 9 2>/dev/null",
            f'if [ ! -s {_ANSWER} ] && [ -e {_ASKED} ]; then jobs="$({queue})" || exit {_LATER}; '
            f'printf "%s\\n" "$jobs" | {find} > {_ANSWER}; fi',
            f"if [ ! -s {_ANSWER} ]; then : > {_ASKED}; sbatch {submit_script} > {_ANSWER}.part || exit; "
            f"mv {_ANSWER}.part {_ANSWER}; fi",
            f"cat {_ANSWER}",
        )
        command = f"( {'; '.join(steps)} ) 9> {_LOCK}"
        self.logger.info(f"submitting with: {command}")
        return command

    def _get_detailed_job_info_command(self, job_id: str) -> str:
        """Ask for a few columns only: a job's comment or name may hold the character that separates them."""
        return f"sacct --parsable2 --format={','.join(_SACCT_FIELDS)} --jobs={job_id}"

    def parse_output(
        self, detailed_job_info: dict[str, Any] | None = None, stdout: str | None = None, stderr: str | None = None
    ) -> ExitCode | None:
        """Return why SLURM ended a job, from sacct, and where that knows nothing from what the job printed.

        Parameters
        ----------
        detailed_job_info : dict, optional
            ``stdout`` of sacct; anything that is no table (no accounting, an unknown job) says nothing.
        stdout, stderr : str, optional
            Of the job, or both in one where the two were joined.

        Returns
        -------
        ExitCode or None
            One of AiiDA's for the scheduler (110 memory, 120 time, 140 node failure or preemption), 170 for a
            cancelled job, None for one that has ended by itself.
        """
        for state in _states(str((detailed_job_info or {}).get("stdout") or "")):
            if (found := _exit_code(state)) is not None:
                return found
        for line in f"{stderr or ''}\n{stdout or ''}".lower().splitlines():
            for pattern, state in _MESSAGES:
                if re.search(pattern, line):
                    return _exit_code(state)
        return None


def _states(table: str) -> list[str]:
    """Return the states of a job and of its steps, the job first."""
    lines = [line.split("|") for line in table.splitlines()]
    if len(lines) < 2 or "State" not in lines[0]:
        return []
    column = lines[0].index("State")
    return [line[column] for line in lines[1:] if len(line) == len(lines[0])]


def _exit_code(state: str) -> ExitCode | None:
    """Return the exit code of a state; sacct writes ``CANCELLED by 1000``, and a + after what it has cut off."""
    word = state.split()[0].rstrip("+") if state.strip() else ""
    if word == "CANCELLED":
        return ERROR_CANCELLED
    name = _EXIT_CODES.get(word)
    return None if name is None else getattr(CalcJob.exit_codes, name)
