"""Daemons of XRootD: started on a port of their own, stopped by their process."""

import os
import pwd
import random
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from network import Unavailable


def account() -> str | None:
    """Whom the daemons run as, since they refuse to be root; nobody else if we are not root."""
    if os.getuid() != 0:
        return None
    for name in ("xrootd", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Unavailable("there is neither a user xrootd nor nobody")


def give(path: Path, user: str | None) -> None:
    """Makes a file, or a folder and all in it, the daemons' own."""
    if user is None:
        return
    entry = pwd.getpwnam(user)
    for item in (path, *path.rglob("*")) if path.is_dir() else (path,):
        os.chown(item, entry.pw_uid, entry.pw_gid)


def free_port() -> int:
    """A port that nobody listens on, outside of the range that connections take theirs from."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket(socket.AF_INET6) as probe, suppress(OSError):
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind(("::", port))
            return port


@dataclass
class Daemon:
    """One xrootd or cmsd. `command` starts it again after `kill` or `stop`, for whoever wants to do so."""

    command: list[str]
    folder: Path
    address: tuple[str, int] | None
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Starts it and waits until it listens, if it does."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=os.environ | self.environment, start_new_session=True)  # fmt: skip
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self.address is None:
                return
            with suppress(OSError), socket.create_connection(self.address, timeout=1):
                return
            time.sleep(0.05)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
        self.end(signal.SIGKILL)
        raise Unavailable(f"{' '.join(self.command)} does not listen on {self.address}:\n{tail}")

    def end(self, how: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            # One that is stopped does not see that it should end.
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def pause(self) -> None:
        """It stays connected and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
