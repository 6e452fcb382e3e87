"""A real SLURM of one node for tests: munged, slurmctld and slurmd in a folder of their own, without systemd.

Needs Debian's `slurm-wlm` and `munge`, and no root. Where `SLURM_CONF` points to its configuration, sbatch, squeue and
scancel speak to it.
"""

import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

import psutil

from tests.waiting import wait_until

APT_LINE = "apt-get install slurm-wlm munge"
_SBIN = ("/usr/sbin", "/usr/local/sbin")
_CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser={user}
SlurmdUser={user}
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=2
MinJobAge=300
OverTimeLimit=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} ThreadsPerCore=1 \
RealMemory={memory_mb} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class OneNodeSlurm:
    """The daemons; a context manager that ends them.

    Parameters
    ----------
    folder : Path
        Empty; its path must be short, for the socket of munged.
    cores : int
        Given to jobs, whatever the machine has.

    Attributes
    ----------
    configuration : Path
        Value for `SLURM_CONF`.
    """

    def __init__(self, folder: Path, cores: int = 2) -> None:
        self.folder, self.cores = folder, cores
        self.configuration = folder / "slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Start munged, slurmctld and slurmd, and wait until the node takes jobs."""
        self.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        self.configuration.write_text(self._configuration_text())
        try:
            self._start_munged()
            self.start("slurmctld", "-D", "-f", str(self.configuration))
            self.start("slurmd", "-D", "-f", str(self.configuration))
            wait_until(lambda: self.states() == {"idle"}, "an idle node", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Cancel what still runs, then end the daemons: a job's slurmstepd is no child of theirs."""
        if self.states():
            self.ask("scancel", f"--user={psutil.Process().username()}")
            wait_until(lambda: not self.ask("squeue", "--noheader").strip(), "an empty queue", 30)
        for daemon in reversed(self._daemons):
            if daemon.poll() is None:
                children = psutil.Process(daemon.pid).children(recursive=True)
                daemon.terminate()
                for child in children:
                    if child.is_running():
                        child.kill()
        for daemon in self._daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a daemon in the foreground of its own session, its words in a file; return the process."""
        with (self.folder / f"{name}.out").open("wb") as output:
            daemon = subprocess.Popen(
                [executable(name), *arguments],
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=self.environment,
            )
        self._daemons.append(daemon)
        return daemon

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which SLURM's commands speak to this one."""
        return {**os.environ, "SLURM_CONF": str(self.configuration)}

    def ask(self, *command: str) -> str:
        """Return what one of SLURM's commands prints; raises CalledProcessError with its stderr."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def states(self) -> set[str]:
        """Return the states of the node as sinfo names them, nothing while the controller is not there."""
        try:
            return set(self.ask("sinfo", "--noheader", "--format=%T").split())
        except subprocess.CalledProcessError:
            return set()

    def _start_munged(self) -> None:
        place = self.folder / "munge"
        names = {"--key-file": self.folder / "munge.key", "--socket": self.folder / "munge.socket"}
        names |= {f"--{kind}-file": place.with_suffix(f".{kind}") for kind in ("log", "pid", "seed")}
        self.start("munged", "--foreground", "--force", *(f"{option}={path}" for option, path in names.items()))
        wait_until((self.folder / "munge.socket").exists, "the socket of munged", 20)

    def _configuration_text(self) -> str:
        ports = [_free_port() for _ in range(2)]
        memory_mb = psutil.virtual_memory().total // 2**20 * 9 // 10
        return _CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            user=psutil.Process().username(),
            folder=self.folder,
            control_port=ports[0],
            node_port=ports[1],
            cores=self.cores,
            memory_mb=memory_mb,
        )


def executable(name: str) -> str:
    """Return the path of a daemon, which an ordinary user does not have on PATH."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))
    if found is None:
        raise FileNotFoundError(f"{name} not found, these tests run a real SLURM: {APT_LINE}")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
