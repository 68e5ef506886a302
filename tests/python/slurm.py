"""slurm.py -- COMMAND...: runs a command beside a real Slurm of one node on this machine.

The command finds `SLURM_CONF` in its environment, so that `sbatch`, `squeue` and `scancel` are those of this Slurm.
Everything listens on loopback, on ports of its own, as whoever starts it; nothing is written outside of a temporary
folder, and all of it is taken down at the end, however that comes. It needs what Debian calls slurm-wlm and munge.
"""

import getpass
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "xrootd")]
from daemons import Daemon, free_port  # noqa: E402
from network import Unavailable  # noqa: E402

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo"]
# What the node says that it has; the machine may have less.
CPUS, MEGABYTES = 8, 8000
# Guards against hanging; it takes about a second.
LONGEST = 30


def program(name: str) -> str:
    """Debian has the daemons in folders that a user's PATH lacks."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not found:
        raise Unavailable(f"there is no {name}")
    return found


def version() -> tuple[int, int]:
    said = subprocess.check_output([program("slurmctld"), "-V"], text=True)
    found = re.search(r"(\d+)\.(\d+)", said)
    if not found:
        raise Unavailable(f"slurmctld is of an unknown version: {said.strip()}")
    return int(found[1]), int(found[2])


class Slurm:
    """A controller and a node, for as long as it is entered; `Unavailable` if this machine cannot have them."""

    def __enter__(self) -> "Slurm":
        missing = [name for name in PROGRAMS if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")]
        if missing:
            raise Unavailable(f"there is no {missing[0]}")
        # A socket's path has at most 107 characters: not in a TMPDIR of any length.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
        self.daemons: list[Daemon] = []
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self) -> None:
        folder, name = self.folder, socket.gethostname().split(".")[0]
        for part in ("state", "spool", "munge", "munge/log", "ctld", "node"):
            (folder / part).mkdir(mode=0o700)
        key = folder / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        # `--force`: it mistrusts any folder below one that all may write into.
        munge = [program("munged"), "--foreground", "--force", "--num-threads=2", f"--key-file={key}"]
        munge += [f"--{what}-file={folder}/munge/{what}" for what in ("pid", "log", "seed")]
        self.run(Daemon([*munge, f"--socket={folder}/munge/socket"], folder / "munge" / "log", None))
        self.wait("munged", lambda: (folder / "munge" / "socket").exists())
        controller, node = free_port(), free_port()
        self.configuration = folder / "slurm.conf"
        self.configuration.write_text(self.settings(name, controller, node))
        if version() >= (23, 11):
            (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        named = ["-D", "-f", str(self.configuration)]
        self.run(Daemon([program("slurmctld"), *named], folder / "ctld", ("127.0.0.1", controller)))
        self.run(Daemon([program("slurmd"), *named], folder / "node", ("127.0.0.1", node)))
        self.wait("the node", lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T"))

    def settings(self, name: str, controller: int, node: int) -> str:
        folder, user = self.folder, getpass.getuser()
        return f"""
ClusterName=hep
SlurmctldHost={name}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld/pid
SlurmdPidFile={folder}/node/pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
KillWait=5
MinJobAge=300
PropagateResourceLimits=NONE
NodeName={name} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory={MEGABYTES} State=UNKNOWN
PartitionName=hep Nodes={name} Default=YES MaxTime=1:00:00 State=UP
"""

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.configuration)}

    def run(self, daemon: Daemon) -> None:
        daemon.start()
        self.daemons.append(daemon)

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands says; nothing if it fails."""
        result = subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True, timeout=LONGEST)
        return result.stdout.strip() if result.returncode == 0 else ""

    def jobs(self) -> list[str]:
        """Those that wait or run, the elements of an array apart: `12` or `12_3`."""
        return self.ask("squeue", "--noheader", "--array", "--format=%i").split()

    def cancel(self, *jobs: str) -> None:
        if jobs:
            self.ask("scancel", *jobs)

    def wait(self, what: str, done) -> None:
        deadline = time.monotonic() + LONGEST
        while not done():
            if time.monotonic() > deadline:
                logs = "\n".join(f"{daemon.log}:\n{daemon.log.read_text(errors='replace')[-800:]}" for daemon in self.daemons)
                raise Unavailable(f"{what} is not ready after {LONGEST} s\n{logs}")
            time.sleep(0.05)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if len(self.daemons) == 3:
            self.cancel(*self.jobs())
            try:
                self.wait("the end of the jobs", lambda: not self.jobs())
            except Unavailable as error:
                print(error, file=sys.stderr)
        for daemon in reversed(self.daemons):
            daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    command = sys.argv[2:]
    if sys.argv[1:2] != ["--"] or not command:
        sys.exit(__doc__)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    with Slurm() as slurm:
        return subprocess.run(command, env=os.environ | slurm.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
