"""on_dask.py FAULTY [NAMES…]: what the engine costs on a Dask cluster of this machine, in the terms of its bars.

FAULTY is the binary of tests/src/bin/faulty.rs. The measurements: pipe, tasks, partials, many, shipping, cancel.
It is not called dask.py, since then no script in this folder could import dask.
"""

import hashlib
import json
import operator
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "executor" / "python"), str(REPOSITORY / "tests" / "python")]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import uproot  # noqa: E402
from dask_bed import Bed, cluster, wait_for  # noqa: E402
from distributed import Client  # noqa: E402
from hep_run.engine import Engine  # noqa: E402
from hep_run.node.binary import Binary  # noqa: E402
from hep_run.node.child import Child  # noqa: E402

FAN_IN = 16
ENTRIES, CLUSTER = 100_000, 100


def graph(ranges: int) -> bytes:
    """A tree as hep-run makes it of one file."""
    merges: list = []
    level = list(range(ranges))
    while len(level) > 1 or not merges:
        above = []
        for start in range(0, len(level), FAN_IN):
            merges.append([level[start : start + FAN_IN], 0])
            above.append(-len(merges))
        level = above
    described = [[number, 0, f"events.root:{number}..{number + 1}"] for number in range(ranges)]
    return json.dumps({"ranges": described, "merges": merges}).encode()


class Bench:
    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder
        self.sha = hashlib.sha256(binary.read_bytes()).hexdigest()
        self.beds = 0
        with uproot.recreate(folder / "events.root") as file:
            tree = file.mktree("Events", {"x": np.int32})
            # Small ones: a range of one entry decompresses all of its cluster.
            for start in range(0, ENTRIES, CLUSTER):
                tree.extend({"x": np.arange(start, start + CLUSTER, dtype=np.int32)})

    def bed(self, workers: int, **settings: object):
        self.beds += 1
        return cluster(self.folder / f"bed{self.beds}", workers, **settings)

    def job(self, ranges: int, **processor: object) -> bytes:
        """A job whose ranges have one entry each."""
        fileset = {"processor": processor, "tree": "Events", "datasets": {"events": {"files": [str(self.folder / "events.root")]}}}
        (self.folder / "fileset.json").write_text(json.dumps(fileset))
        command = [str(self.binary), "plan", "fileset.json", "--output", "job.json", "--progress", "none"]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        job = json.loads((self.folder / "job.json").read_text())
        job["ranges"] = [[0, start, start + 1] for start in range(ranges)]
        return json.dumps(job).encode()

    def engine(self, bed: Bed) -> Engine:
        client = Client(bed.address, set_as_default=False)
        wait_for("the workers", lambda: len(client.ncores()) == len(bed.workers))
        engine = Engine(client)
        engine.connect(str(self.binary), self.sha)
        return engine


def say(what: str, figure: str, bar: str) -> None:
    print(f"{what:64} {figure:>16}   bar: {bar}", flush=True)


def nowhere(_: object) -> None:
    """Takes events and outputs."""


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def pipe(bench: Bench) -> None:
    child = Child(Binary(str(bench.binary)))
    child.greet(60)
    best = min(timed(lambda: [child.call({"op": "noop"}) for _ in range(1000)]) for _ in range(10)) / 1000
    say("pipe: a round trip of nothing", f"{best * 1e6:.1f} µs", "30 µs")
    job = bench.job(4, name="heavy", kbins=62, full=True)
    child.call({"op": "job", "job": ""}, [job])
    key = hashlib.sha256(job).hexdigest()
    parts = [child.call({"op": "range", "job": key, "range": at})[1][0] for at in range(2)]
    one = min(timed(lambda: child.call({"op": "range", "job": key, "range": 2})) for _ in range(50))
    say(f"pipe: a range whose output has {len(parts[0]) / 1e6:.2f} MB, all of it", f"{one * 1e3:.2f} ms", "0.5 ms for the answer")
    two = min(timed(lambda: child.call({"op": "merge", "job": key}, parts)) for _ in range(50))
    say("pipe: two of them merged: to the child, decoded, added, encoded, back", f"{two * 1e3:.2f} ms", "")
    job = bench.job(1000, name="faulty")
    child.call({"op": "job", "job": ""}, [job])
    key = hashlib.sha256(job).hexdigest()
    each = min(timed(lambda: [child.call({"op": "range", "job": key, "range": at}) for at in range(1000)]) for _ in range(3))
    say("pipe: a range of one entry", f"{each * 1e3:.1f} µs", "")
    child.close()


def pure(client: Client, ranges: int) -> None:
    """The same graph of Python functions that do nothing, submitted at once."""
    tasks: dict = {("nothing", at): (operator.truth, at) for at in range(ranges)}
    level, depth = list(tasks), 0
    while len(level) > 1:
        above = []
        for start in range(0, len(level), FAN_IN):
            key = (f"together{depth}", start)
            tasks[key] = (len, level[start : start + FAN_IN])
            above.append(key)
        level, depth = above, depth + 1
    client.get(tasks, level[0])


def tasks(bench: Bench, ranges: int = 10_000) -> None:
    with bench.bed(2) as bed:
        engine = bench.engine(bed)
        job = bench.job(ranges, name="faulty")
        tree = graph(ranges)
        ours, python = [], []
        for _ in range(3):
            python.append(timed(lambda: pure(engine.client, ranges)))
            ours.append(timed(lambda: engine.run("bench", ["events"], job, tree, nowhere, nowhere)))
        per = [1e3 * min(times) / ranges for times in (python, ours)]
        say(f"{ranges} tasks of Python that do nothing, and their tree", f"{per[0]:.2f} ms each", "")
        say(f"{ranges} ranges of one entry, read and processed, and their tree", f"{per[1]:.2f} ms each", f"{per[0] + 0.25:.2f} ms")


def managed(dask_scheduler) -> int:
    return sum(worker.nbytes for worker in dask_scheduler.workers.values())


def partials(bench: Bench, ranges: int = 10_000, workers: int = 2) -> None:
    with bench.bed(workers) as bed:
        engine = bench.engine(bed)
        job = bench.job(ranges, name="heavy", kbins=62, full=True)
        peak, over = 0, threading.Event()

        def sample() -> None:
            nonlocal peak
            with Client(bed.address, set_as_default=False) as client:
                while not over.wait(0.2):
                    peak = max(peak, client.run_on_scheduler(managed))

        thread = threading.Thread(target=sample)
        thread.start()
        seconds = timed(lambda: engine.run("bench", ["events"], job, graph(ranges), nowhere, nowhere))
        over.set()
        thread.join()
        say(f"{ranges} partials of 1 MB, made and merged", f"{1e3 * seconds / ranges:.2f} ms each", "10 ms")
        say("peak of what the workers hold", f"{peak / 1e6:.0f} MB", f"{4 * workers * FAN_IN} MB")


def many(bench: Bench, ranges: int = 100_000) -> None:
    with bench.bed(2) as bed:
        engine = bench.engine(bed)
        job = bench.job(ranges, name="faulty")
        tree = graph(ranges)
        marks: list[tuple[int, int]] = []
        over = threading.Event()
        scheduler, driver = psutil.Process(bed.scheduler.pid), psutil.Process()

        def sample() -> None:
            while not over.wait(0.5):
                marks.append((scheduler.memory_info().rss, driver.memory_info().rss))

        thread = threading.Thread(target=sample)
        thread.start()
        seconds = timed(lambda: engine.run("bench", ["events"], job, tree, nowhere, nowhere))
        over.set()
        thread.join()
        say(f"{ranges} ranges of one entry", f"{1e3 * seconds / ranges:.2f} ms each", "")
        for at, who in enumerate(("scheduler", "driver")):
            sizes = [mark[at] / 1e6 for mark in marks]
            third = len(sizes) // 3
            say(f"the {who}'s memory: after a third of the time, and its peak",
                f"{sizes[third]:.0f}, {max(sizes):.0f} MB", "500 MB, flat")  # fmt: skip


def shipping(bench: Bench) -> None:
    """50 MB: the binary, filled up or as large as it is."""
    binary = bench.folder / "fifty"
    content = bench.binary.read_bytes()
    binary.write_bytes(content + bytes(max(0, 50_000_000 - len(content))))
    size, sha = binary.stat().st_size, hashlib.sha256(binary.read_bytes()).hexdigest()
    with bench.bed(4) as bed:

        def connected() -> Engine:
            engine = Engine(Client(bed.address, set_as_default=False))
            engine.connect(str(binary), sha)
            return engine

        with Client(bed.address, set_as_default=False) as client:
            wait_for("the workers", lambda: len(client.ncores()) == 4)
        begun = time.perf_counter()
        first = connected()
        say(f"{size / 1e6:.0f} MB to the scheduler", f"{time.perf_counter() - begun:.2f} s", "")
        job = bench.job(40, name="faulty")
        begun = time.perf_counter()
        first.run("bench", ["events"], job, graph(40), nowhere, nowhere)
        say("and to the node of 4 workers, verified, started, 40 ranges done", f"{time.perf_counter() - begun:.2f} s", "")
        begun = time.perf_counter()
        first.connect(str(binary), sha)
        say("registered again by the same driver", f"{time.perf_counter() - begun:.2f} s", "0.5 s")
        begun = time.perf_counter()
        second = connected()
        say("by another driver, its connection included", f"{time.perf_counter() - begun:.2f} s", "0.5 s")
        for engine in (first, second):
            engine.client.close()
        begun = time.perf_counter()
        connected()
        say("by another driver, after the first ones have gone", f"{time.perf_counter() - begun:.2f} s", "0.5 s")


def cancel(bench: Bench) -> None:
    from check_dask import sleeps

    shutil.copy(bench.folder / "events.root", bench.folder / "other.root")
    files = {"a": str(bench.folder / "events.root"), "b": str(bench.folder / "other.root")}
    fileset = {"processor": {"name": "faulty", "mode": "hang", "at": 0}, "tree": "Events",
               "datasets": {name: {"files": [file]} for name, file in files.items()}}  # fmt: skip
    (bench.folder / "hang.json").write_text(json.dumps(fileset))
    with bench.bed(2) as bed:
        for number in (signal.SIGINT, signal.SIGKILL):
            command = [str(bench.binary), "hang.json", "--executor", "dask", "--scheduler", bed.address, "--progress", "none"]
            with subprocess.Popen(command, cwd=bench.folder, stdout=subprocess.DEVNULL) as process:
                wait_for("ranges that hang", lambda: sum(map(sleeps, bed.resident())) == 2)
                begun = time.perf_counter()
                process.send_signal(number)
                wait_for("idleness", lambda: not any(map(sleeps, bed.resident())))
                say(f"workers are free after hep-run got {number.name}", f"{time.perf_counter() - begun:.2f} s", "1 s")


def main() -> None:
    os.environ.setdefault("HEP_RUN_PYTHON", sys.executable)
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")
    chosen = sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(sys.argv[1]).resolve(), Path(name))
        for one in (pipe, tasks, partials, many, shipping, cancel):
            if not chosen or one.__name__ in chosen:
                one(bench)


if __name__ == "__main__":
    main()
