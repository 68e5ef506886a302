"""Dask clusters of real processes on loopback, for tests: a scheduler, and workers that come and go."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

# Guards against hanging, and measures nothing.
LONGEST = 120

Answer = TypeVar("Answer")


def wait_for(what: str, condition: Callable[[], Answer]) -> Answer:
    """What the condition gives when it is true."""
    deadline = time.monotonic() + LONGEST
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)
    return answer


@contextlib.contextmanager
def program(command: list[str], **settings: object) -> Iterator[subprocess.Popen]:
    """A program that ends with the block at the latest: `Popen` alone would wait for it, for ever if it hangs."""
    with subprocess.Popen(command, **settings) as process:
        try:
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """Those of each of its threads, which come and go."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in list(Path(f"/proc/{pid}/task").iterdir()):
            with contextlib.suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return sorted(found)


def descendants(pid: int) -> list[int]:
    below = children(pid)
    return below + [pid for child in below for pid in descendants(child)]


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


@dataclass
class Worker:
    process: subprocess.Popen
    folder: Path
    nanny: bool

    def pid(self) -> int:
        """The process that the tasks are in: the nanny's child, if there is a nanny."""
        if not self.nanny:
            return self.process.pid
        return wait_for("a worker below a nanny", self._below)[0]

    def _below(self) -> list[int]:
        return [pid for pid in children(self.process.pid) if "multiprocessing.spawn" in " ".join(command_of(pid))]

    def resident(self) -> list[int]:
        """Our own processes below it."""
        return [pid for pid in descendants(self.process.pid) if command_of(pid)[1:2] == ["worker"]]


@dataclass
class Bed:
    """A cluster. Everything that was started is ended with it."""

    folder: Path
    python: str = sys.executable
    variables: dict[str, str] = field(default_factory=dict)
    security: list[str] = field(default_factory=list)
    protocol: str = "tcp"
    workers: list[Worker] = field(default_factory=list)
    processes: list[subprocess.Popen] = field(default_factory=list)

    def __enter__(self) -> "Bed":
        self.folder.mkdir(parents=True)
        self.file = self.folder / "scheduler.json"
        try:
            self.scheduler = self._start(
                "scheduler", "distributed.cli.dask_scheduler", "--host", f"{self.protocol}://127.0.0.1", "--port", "0",
                "--no-dashboard", "--scheduler-file", str(self.file)
            )  # fmt: skip
            wait_for("a scheduler file", self._is_there)
        except BaseException:
            # Python ends only what was begun.
            self.__exit__()
            raise
        self.address = json.loads(self.file.read_text())["address"]
        return self

    def _is_there(self) -> bool:
        assert self.scheduler.poll() is None, f"the scheduler has ended\n{self.log()}"
        return self.file.exists() and self.file.read_text().rstrip().endswith("}")

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def worker(self, *options: str, nanny: bool = True, before: tuple[str, ...] = (), **variables: str) -> Worker:
        """A worker of one thread, which may not be there yet. `before` is a command that runs it."""
        folder = self.folder / f"worker{len(self.workers)}"
        folder.mkdir()
        arguments = [self.address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder), "--death-timeout", "60"]
        if not nanny:
            arguments.append("--no-nanny")
        process = self._start(folder.name, "distributed.cli.dask_worker", *arguments, *options, before=before, variables=variables)
        self.workers.append(Worker(process, folder, nanny))
        return self.workers[-1]

    def resident(self) -> list[int]:
        return [pid for worker in self.workers for pid in worker.resident()]

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    def _start(self, name: str, module: str, *arguments: str, before: tuple[str, ...] = (), variables: dict[str, str] | None = None):
        command = [*before, self.python, "-m", module, *arguments, *self.security]
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                       cwd=self.folder, env=os.environ | self.variables | (variables or {}))  # fmt: skip
        self.processes.append(process)
        return process


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2, nanny: bool = True, **settings: object) -> Iterator[Bed]:
    """A cluster with so many workers."""
    with Bed(folder, **settings) as bed:
        for _ in range(workers):
            bed.worker(nanny=nanny)
        yield bed
