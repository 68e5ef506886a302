"""A network namespace of its own at the end of a link with a delay: another host, as far as a client can tell."""

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent


class Unavailable(Exception):
    """Something that this machine does not let us have."""


def ip(*arguments: str) -> str:
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise Unavailable(f"ip {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def free_network() -> tuple[str, str]:
    """Two addresses, ours and theirs, of a small network that nobody has here."""
    used = ip("-o", "addr")
    while True:
        base = f"10.99.{random.randrange(1, 255)}."
        if base not in used:
            return f"{base}1", f"{base}2"


class Link:
    """`one_way_us` microseconds there and the same back; `mbytes_per_s` 0 is as fast as it goes."""

    def __init__(self, folder: Path, one_way_us: int = 500, mbytes_per_s: float = 0, loss_ppm: int = 0) -> None:
        if os.getuid() != 0:
            raise Unavailable("a network namespace needs root")
        if not Path("/dev/net/tun").exists():
            raise Unavailable("there is no /dev/net/tun")
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler or not shutil.which("ip"):
            raise Unavailable("there is no C compiler, or no ip")
        program = folder / "tundelay"
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-pthread", "-o", program, HERE / "tundelay.c"], check=True)
        self.namespace = f"bed{os.getpid()}"
        self.ours, self.theirs = free_network()
        self.process: subprocess.Popen[str] | None = None
        ip("netns", "add", self.namespace)
        try:
            self.connect([str(program), self.namespace], [str(one_way_us), str(mbytes_per_s), str(loss_ppm)])
        except BaseException:
            self.close()
            raise

    def connect(self, program: list[str], numbers: list[str]) -> None:
        near, far = f"bd{os.getpid()}n", f"bd{os.getpid()}f"
        inside = ("netns", "exec", self.namespace, "ip")
        ip(*inside, "link", "set", "lo", "up")
        # A session of its own: Ctrl-C must not take the link away before the servers behind it have ended.
        command = [*program, near, far, *numbers]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if self.process.stdout is None or self.process.stdout.readline() != "up\n":
            raise Unavailable("tundelay did not start")
        for prefix, device, address in (((), near, self.ours), (inside, far, self.theirs)):
            ip(*prefix, "addr", "add", f"{address}/30", "dev", device)
            ip(*prefix, "link", "set", device, "mtu", "1500", "txqueuelen", "5000", "up")

    @property
    def inside(self) -> list[str]:
        """What a command that runs at the far end begins with."""
        return ["ip", "netns", "exec", self.namespace]

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        for _ in range(20):
            if subprocess.run(["ip", "netns", "del", self.namespace], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
