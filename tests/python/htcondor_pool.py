"""A personal HTCondor pool of this machine, for as long as it is entered.

It is whose who starts it, or, since HTCondor takes no jobs of root's, user 1000's; it listens on loopback, and writes
to a temporary folder. `HEP_RUN_CONDOR_ROOT` names a folder with another Debian in it, where this one has no HTCondor:
`debootstrap --variant=minbase trixie DIR`, `chroot DIR apt-get install minicondor`, `chroot DIR useradd -u 1000 hep`. It is entered in a mount namespace
of its own, and sees the same /tmp.
"""

import os
import shutil
import signal
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

USER = 1000
# Guards against hanging; it takes a few seconds.
LONGEST = 60

SETTINGS = """
RELEASE_DIR = /usr
LOCAL_DIR = {folder}
LOG = $(LOCAL_DIR)/logs
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/lock
LIBEXEC = {libexec}
SHARE = /usr/share/condor
LIB = /usr/lib/condor
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
USE_SHARED_PORT = False
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD
SEC_DEFAULT_AUTHENTICATION = OPTIONAL
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_DEFAULT_ENCRYPTION = OPTIONAL
SEC_DEFAULT_INTEGRITY = OPTIONAL
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_NEGOTIATOR = *
ALLOW_DAEMON = *
ALLOW_ADMINISTRATOR = *
FILESYSTEM_DOMAIN = hep
UID_DOMAIN = hep
NUM_CPUS = 4
MEMORY = 4000
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SUSPEND = False
PREEMPT = False
KILL = False
WANT_SUSPEND = False
WANT_VACATE = False
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 2
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
JOB_START_DELAY = 0
"""


class Pool:
    """`Unavailable` if this machine cannot have it."""

    def __enter__(self) -> "Pool":
        place = os.environ.get("HEP_RUN_CONDOR_ROOT", "")
        self.root = Path(place) if place else None
        master = self.root / "usr/sbin/condor_master" if self.root else shutil.which("condor_master", path="/usr/sbin:/usr/bin")
        if not master or not Path(master).exists():
            raise Unavailable("there is no condor_master; HEP_RUN_CONDOR_ROOT may name a Debian that has it")
        if self.root and os.getuid() != 0:
            raise Unavailable("only root can enter another root")
        self.user = os.getuid() or USER
        self.folder = Path(tempfile.mkdtemp(prefix="condor", dir="/tmp"))
        self.holder: subprocess.Popen[bytes] | None = None
        self.master: Daemon | None = None
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self) -> None:
        for part in ("logs", "spool", "execute", "lock"):
            (self.folder / part).mkdir()
        base = self.root or Path("/")
        libexec = next(place for place in ("/usr/libexec/condor", "/usr/lib/condor/libexec") if (base / place[1:]).exists())
        port = free_port()
        self.configuration = self.folder / "condor_config"
        self.configuration.write_text(SETTINGS.format(folder=self.folder, port=port, libexec=libexec))
        self.give(self.folder)
        if self.root:
            mounts = " && ".join(f"mount --rbind /{part} {self.root}/{part}" for part in ("proc", "dev", "sys", "tmp"))
            self.holder = subprocess.Popen(["unshare", "-m", "sh", "-c", f"{mounts} && echo && exec sleep infinity"],
                                           stdout=subprocess.PIPE)  # fmt: skip
            assert self.holder.stdout
            if not self.holder.stdout.readline():
                raise Unavailable("nothing can be mounted")
        self.master = Daemon(self.command("condor_master", "-f"), self.folder, ("127.0.0.1", port))
        self.master.start()
        deadline = time.monotonic() + LONGEST
        while "slot" not in self.ask("condor_status", "-af", "Name"):
            if time.monotonic() > deadline:
                logs = "\n".join(f"{log}:\n{log.read_text(errors='replace')[-800:]}" for log in (self.folder / "logs").glob("*Log"))
                raise Unavailable(f"the pool has no slot after {LONGEST} s\n{logs}")
            time.sleep(0.2)

    def give(self, folder: Path) -> None:
        """Makes a folder, and all in it, the user's."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.user, self.user)

    def command(self, *words: object, folder: Path | None = None) -> list[str]:
        """Words that run others where the pool is, as its user."""
        inner = ["env", f"CONDOR_CONFIG={self.configuration}", f"HOME={self.folder}", "USER=hep",
                 "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin", *map(str, words)]  # fmt: skip
        if folder:
            inner = ["sh", "-c", f'cd {folder} && exec "$@"', "sh", *inner]
        if self.holder and self.root:
            enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "chroot", f"--userspec={self.user}:{self.user}"]
            return [*enter, str(self.root), *inner]
        if os.getuid() == 0:
            return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *inner]
        return inner

    def ask(self, *words: str) -> str:
        """What one of its programs says; nothing if it fails."""
        answer = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=LONGEST, check=False)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    def jobs(self) -> list[str]:
        return self.ask("condor_q", "-allusers", "-af:j", "JobStatus").splitlines()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self.master:
            self.ask("condor_rm", "-all")
            # The other daemons end with it, if it is given the time.
            if self.master.process and self.master.process.poll() is None:
                self.master.process.send_signal(signal.SIGQUIT)
                try:
                    self.master.process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    pass
            self.master.kill()
        if self.holder:
            self.holder.kill()
            self.holder.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> int:
    """`htcondor_pool.py -- COMMAND...` runs a command as the pool's user, in the folder that this is run in."""
    command = sys.argv[2:]
    if sys.argv[1:2] != ["--"] or not command:
        sys.exit(__doc__)
    with Pool() as pool:
        return subprocess.run(pool.command(*command), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
