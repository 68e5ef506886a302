"""Who takes part: programs that do an ADL query over a file once for each turn, and say what it took.

hep-run is a new process each turn, and is charged for all of it: its start, the opening of the file and the writing of
its output too. The peers stay between turns, so that what they need once, imports, libraries, dictionaries, is in
their start and their first turn, which is reported apart.
"""

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

HERE = Path(__file__).parent


class Lost(Exception):
    """A contestant cannot go on."""


@dataclass
class Turn:
    """What one turn took, in seconds, and what came of it: the bins of each histogram, under- and overflow included."""

    cpu: float
    wall: float
    bins: dict[str, list[float]] = field(default_factory=dict)
    # Of hep-run: the processor time of its ranges alone.
    loop: float | None = None


class Contestant(Protocol):
    """What a benchmark asks for turns."""

    name: str
    workers: int
    startup_cpu: float
    peak_kb: int

    def turn(self) -> Turn: ...
    def end(self) -> None: ...


@dataclass(frozen=True)
class Programs:
    """Where everything is that takes part."""

    hep_run: Path
    floor: Path
    rdataframe: Path | None
    # An interpreter with coffea, uproot and awkward.
    python: Path


class HepRun:
    """A process for each turn."""

    name, startup_cpu = "hep-run", 0.0

    def __init__(self, binary: Path, file: Path, query: int, workers: int, folder: Path) -> None:
        self.workers, self.folder, self.peak_kb = workers, folder, 0
        (folder / "f.json").write_text(json.dumps({"tree": "Events", "datasets": {"events": [str(file)]}}))
        executor = ["serial"] if workers == 1 else ["threads", "--workers", str(workers)]
        self.command = [str(binary), "f.json", "--processor", f"adl_q{query}", "--executor", *executor]
        self.command += ["--output", "o.json", "--progress", "none", "--format", "json"]

    def turn(self) -> Turn:
        with open(self.folder / "said.json", "w+") as said:
            cpu, wall, peak = spend(self.command, self.folder, said)
            said.seek(0)
            loop = json.load(said)["datasets"]["events"]["cpu_seconds"]
        self.peak_kb = max(self.peak_kb, peak)
        objects = json.loads((self.folder / "o.json").read_text())["datasets"]["events"]["objects"]
        bins = {name: thing["storage"]["values"] for name, thing in objects.items() if "storage" in thing}
        return Turn(cpu, wall, bins, loop)

    def end(self) -> None:
        pass


class Peer:
    """A process that does a turn for each line of its input."""

    def __init__(self, name: str, workers: int, command: list[object]) -> None:
        self.name, self.workers, self.peak_kb = name, workers, 0
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        self.startup_cpu = float(self.answer()["startup_cpu"])

    def answer(self) -> Any:
        assert self.process.stdout
        if line := self.process.stdout.readline():
            return json.loads(line)
        self.end()
        self.errors.seek(0)
        raise Lost(f"{self.name}: {(self.errors.read().strip().splitlines() or ['no message'])[-1]}")

    def turn(self) -> Turn:
        assert self.process.stdin
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        said = self.answer()
        if "bins" in said:
            bins = {"": said["bins"]}
        else:
            bins = {name: histogram["bins"] for name, histogram in said["histograms"].items()}
        return Turn(said["cpu"], said["wall"], bins)

    def end(self) -> None:
        if self.process.returncode is None:
            assert self.process.stdin
            self.process.stdin.close()
            _, status, usage = os.wait4(self.process.pid, 0)
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self.peak_kb = usage.ru_maxrss


def peer(name: str, programs: Programs, file: Path, query: int, workers: int) -> Peer:
    if name == "RDataFrame":
        if programs.rdataframe is None:
            raise Lost("RDataFrame: no g++ to compile it with")
        return Peer(name, workers, [programs.rdataframe, file, query, workers])
    return Peer(name, workers, [programs.python, HERE / "peer.py", name, file, query, workers])


PEERS = ("RDataFrame", "coffea", "uproot")


def spend(command: list[str], folder: Path, stdout: IO[str] | None = None) -> tuple[float, float, int]:
    """Seconds of the processor and of the clock, and peak kB, of a process.

    The peak begins with what this interpreter itself holds (13 MB): keep large modules out of it.
    """
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=stdout or subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise Lost(f"{Path(command[0]).name} ended with {process.returncode}: {errors.read().strip()}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss


def floor(programs: Programs, file: Path, query: int, folder: Path) -> list[str]:
    """The command that decompresses what a query reads."""
    (folder / "f.json").write_text(json.dumps({"tree": "Events", "datasets": {"events": [str(file)]}}))
    command = [str(programs.hep_run), "f.json", "--processor", f"adl_q{query}", "--dry-run", "--format", "json"]
    plan = json.loads(subprocess.check_output(command, cwd=folder, text=True))
    return [str(programs.floor), str(file), "Events", ",".join(plan["files"][0]["columns"])]

