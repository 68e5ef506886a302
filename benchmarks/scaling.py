"""scaling.py BINARY: how a run would do on up to 128 threads, by simulation, and what it saturates at.

Measures on this machine what a run is made of, on one thread and on two: each range by itself, start-up, ranges that
do nothing, merging, and what goes to memory. Then schedule.py simulates the schedule for other numbers of threads and
files. What this machine cannot tell is assumed, and is said to be: how fast memory and storage of a large machine are.
Writes benchmarks/results/scaling-NAME.md. See README.md, "Up to 128 threads".
"""

import argparse
import datetime
import json
import re
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import machine
import overheads
from contestants import spend
from environment import environment  # of tests/python, whose path files.py has added
from files import REPOSITORY, BenchFile, make, seed_file
from report import number, table
from schedule import Job, Shape, Shared, depth, simulate

THREADS = (1, 2, 4, 8, 16, 32, 64, 128)
QUERIES = (1, 5, 6, 8)
EVENTS = 2_000_000, 10_000_000
# Bytes per second, assumed: three quarters of 12 channels of DDR5-4800; storage of a node that streams well, all
# threads together, and one of them that waits for each of its reads.
MEMORY, STORAGE, STREAM = 0.75 * 12 * 4.8e9 * 8, 20e9, 2.5e9
# Histograms of an analysis with systematics, as in executor/benches/overhead.rs.
MANY_BINS = 200 * 100 * 41
# Files that stay open; the others are opened again by the worker that comes to them.
OPEN_FILES = 64
LINE = 64
# From this load on, what the clock says of two threads is about other processes.
BUSY = 1.0


@dataclass(frozen=True)
class Query:
    """One query over one file, in seconds of one thread; of the processor, which are those of a clock where nothing else
    runs and files are warm, but for whole processes."""

    number: int
    file: BenchFile
    # Compressed bytes that it reads, and those of the file.
    read: int
    size: int
    # Of each range, where the worker's buffers are there, and where it has none yet.
    ranges: list[float]
    first: list[float]
    # Bytes per second that go through the second-level cache, counted both ways.
    memory: float
    # The whole process by the clock, the best on one thread and on two.
    one: float
    two: float
    # Of the processor's time, what is spent before the first range and after the last; and a run that only plans.
    outside: float
    planning: float


@dataclass(frozen=True)
class Engine:
    """What everything but the ranges takes, in seconds."""

    start: float
    opening: float
    ending: float
    spawn: float
    each: float
    locked: float
    merge: float
    making: float
    writing: float


def hep_run(binary: Path, folder: Path, *arguments: str) -> tuple[float, float, dict[str, object]]:
    """Processor time, the clock's, and what it says."""
    with open(folder / "said.json", "w+") as said:
        command = [str(binary), "f.json", *arguments, "--progress", "none", "--format", "json"]
        cpu, wall, _ = spend(command, folder, said)
        said.seek(0)
        return cpu, wall, json.load(said)


def fileset(folder: Path, path: Path, *entries: list[int]) -> None:
    """All of a file, or some entries as one range."""
    file = {"path": str(path), "steps": list(entries)} if entries else str(path)
    (folder / "f.json").write_text(json.dumps({"tree": "Events", "datasets": {"events": {"files": [file]}}}))


def loop(said: dict[str, object]) -> float:
    """Processor time of the ranges."""
    return said["datasets"]["events"]["cpu_seconds"]  # type: ignore[index]


def traffic(binary: Path, folder: Path, run: list[str]) -> float:
    """Bytes that missed the second-level cache, if perf may count that, and once more for what is written back."""
    command = ["perf", "stat", "-x", ",", "-e", "cache-misses", "-o", "counted", str(binary), "f.json", *run]
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = re.search(r"^(\d+),,cache-misses", (folder / "counted").read_text(), re.MULTILINE)
    except (OSError, subprocess.CalledProcessError):
        found = None
    return 2.0 * LINE * int(found[1]) if found else 0.0


def measure(binary: Path, path: Path, file: BenchFile, query: int, repeat: int) -> Query:
    """Least times of `repeat` runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fileset(folder, path)
        what = ["--processor", f"adl_q{query}"]
        plans = [hep_run(binary, folder, *what, "--dry-run") for _ in range(repeat)]
        plan = plans[0][2]["files"][0]  # type: ignore[index]
        serial = [*what, "--executor", "serial", "--output", "o.root"]
        threads = [*what, "--executor", "threads", "--workers", "2", "--output", "o.root"]
        # In turns, and more often than the rest: here the clock counts, and the machine may have other things to do.
        turns = [(hep_run(binary, folder, *serial), hep_run(binary, folder, *threads)) for _ in range(4 * repeat)]
        one, two = zip(*turns, strict=True)
        warm = min(loop(said) for _, _, said in one)
        missed = traffic(binary, folder, [*serial, "--progress", "none"]) or 3.0 * plan["bytes"]
        # Each range in a process of its own, whose buffers nobody has used.
        alone = []
        for entries in plan["ranges"]:
            fileset(folder, path, entries)
            alone.append(min(loop(hep_run(binary, folder, *serial)[2]) for _ in range(repeat)))
        # The first range of the process had none either; the others were warm, each as long as it is by itself.
        share = (warm - alone[0]) / sum(alone[1:]) if len(alone) > 1 else 1.0
        ranges = [min(1.0, share) * seconds for seconds in alone]
        return Query(
            query, file, plan["bytes"], path.stat().st_size, ranges, alone, missed / warm,
            min(wall for _, wall, _ in one), min(wall for _, wall, _ in two), min(cpu - loop(said) for cpu, _, said in one),
            min(cpu for cpu, _, _ in plans),
        )  # fmt: skip


def engine(binary: Path, large: Path, queries: list[Query], repeat: int) -> Engine:
    """Start-up, and what executor/benches/overhead.rs measures."""
    with tempfile.TemporaryDirectory() as name:
        start = min(spend([str(binary), "--help"], Path(name))[0] for _ in range(3 * repeat))
    lines = {line["what"] + str(line.get("threads", "")): line for line in overheads.bench("hep-run", "overhead", large)}
    merging = lines["merging, axis of variations"]
    planning, outside = (min(getattr(query, what) for query in queries) for what in ("planning", "outside"))
    one, two = lines["empty ranges1"]["cpu_us"] * 1e-6, lines["empty ranges2"]["wall_us"] * 1e-6
    return Engine(
        start=start,
        # Of a file, its metadata and its plan; and the last merge, the writing of a small output, the end.
        opening=max(0.0, planning - start),
        ending=max(0.0, outside - planning),
        spawn=lines["start of a thread"]["wall_us"] * 1e-6,
        each=one,
        # On two threads that do nothing else, all of a range's time may be spent in locks that are handed over; it
        # passes them twice, when it arrives and when its merge does.
        locked=two / 2,
        merge=merging["cpu_ns"] * 1e-9,
        making=merging["making_ns"] * 1e-9,
        writing=merging["writing_ns"] * 1e-9,
    )


def job(query: Query, engine: Engine, files: int, bins: int, is_stored: bool) -> Job:
    """So many of the query's files, read from memory, or else from storage."""
    each = engine.each + bins * engine.making
    if files > OPEN_FILES:
        each += engine.opening / len(query.ranges)
    if is_stored:
        # Local files are not read ahead: a worker waits for its own reads.
        each += query.read / STREAM / len(query.ranges)
    return Job(
        Shape([len(query.ranges)] * files), query.ranges * files, query.first * files, each, engine.locked, bins * engine.merge,
        engine.start, files * engine.opening, engine.ending + bins * engine.writing, engine.spawn,
    )  # fmt: skip


def shared(query: Query, whole: Job, is_stored: bool) -> dict[str, Shared]:
    """What threads share, by name; what a busy one wants of it."""
    found = {"memory": Shared(MEMORY, query.memory)}
    if is_stored:
        # A second of a busy thread is that of its ranges and of its reads.
        seconds = (sum(whole.ranges) + whole.each * len(whole.ranges)) / len(whole.shape.files)
        found["storage"] = Shared(STORAGE, query.read / seconds)
    return found


def limits(whole: Job, threads: int, fluids: dict[str, Shared]) -> dict[str, float]:
    """How much faster a run on so many threads were without each of the things that hold it up."""
    now = simulate(whole, threads, list(fluids.values())).seconds
    without = {
        "start-up, opening": replace(whole, before=0.0, opening=0.0, spawn=0.0),
        "output": replace(whole, after=0.0),
        "locks": replace(whole, locked=0.0),
        "merging": replace(whole, merge=0.0),
        "cold buffers": replace(whole, first=whole.ranges),
    }
    gains = {name: now / simulate(other, threads, list(fluids.values())).seconds for name, other in without.items()}
    for name in fluids:
        gains[name] = now / simulate(whole, threads, [one for other, one in fluids.items() if other != name]).seconds
    # Ranges that could be divided among all threads, evenly.
    pace = min(one.pace(threads) for one in fluids.values())
    even = (sum(whole.ranges) + len(whole.ranges) * whole.each) / threads / pace
    # The rest as it is, with nothing to do in the ranges.
    empty = replace(whole, ranges=[0.0] * len(whole.ranges), first=[0.0] * len(whole.ranges), each=0.0)
    gains["too few ranges"] = now / (even + simulate(empty, threads).seconds)
    return gains


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--codec", default="zstd")
    parser.add_argument("--queries", type=int, nargs="+", default=list(QUERIES))
    parser.add_argument("--events", type=int, nargs=2, default=list(EVENTS), help="of the small and of the large file")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=Path, help="other real events than those of datasets/real_events.py")
    parser.add_argument("--name", default=datetime.date.today().isoformat())
    options = parser.parse_args()
    binary = options.binary.resolve()
    python, seed = environment(REPOSITORY / "tests" / "python" / "requirements.txt"), seed_file(options.seed)
    files = [BenchFile(options.codec, events) for events in options.events]
    paths = [make(file, python, seed) for file in files]
    empty = make(BenchFile("none", overheads.EVENTS), python, seed)
    measured = [[measure(binary, path, file, query, options.repeat) for query in options.queries] for file, path in zip(files, paths, strict=True)]
    small, large = measured
    costs = engine(binary, empty, small, options.repeat)
    path = Path(__file__).parent / "results" / f"scaling-{options.name}.md"
    path.write_text(report(machine.describe(binary, python), small, large, costs))
    print(path.read_text())


def report(here: dict[str, str], small: list[Query], large: list[Query], costs: Engine) -> str:
    text = "# Up to 128 threads\n\nMade by `make bench-scaling`; the model is in [the README](../README.md#up-to-128-threads).\n\n"
    text += table(["", ""], [[name, value] for name, value in here.items()])
    text += parameters(small + large, costs)
    if (load := float(here["load before"])) > BUSY:
        text += f"## Measured and simulated\n\nNot compared: with a load of {load:.1f} before, threads did not have a core each.\n\n"
    else:
        text += validation(small + large, costs)
    return text + saturation(small, large, costs)


def parameters(queries: list[Query], costs: Engine) -> str:
    rows = [
        ["start of the process", f"{costs.start * 1e3:.2f} ms"],
        ["opening and planning a file", f"{costs.opening * 1e3:.2f} ms"],
        ["end: a small output written", f"{costs.ending * 1e3:.2f} ms"],
        ["start of a thread", f"{costs.spawn * 1e6:.1f} µs"],
        ["a range that does nothing", f"{costs.each * 1e6:.2f} µs"],
        ["locks, each time: at most", f"{costs.locked * 1e6:.2f} µs"],
        ["a bin of a partial output: made, merged; of the result: written", f"{costs.making * 1e9:.2f}, {costs.merge * 1e9:.2f}; {costs.writing * 1e9:.0f} ns"],
        ["memory, storage, a thread's reads from it (assumed)", f"{MEMORY / 1e9:.0f}, {STORAGE / 1e9:.0f}, {STREAM / 1e9:.1f} GB/s"],
    ]
    text = "## Parameters\n\n" + table(["", ""], rows)
    header = ["file", "query", "ranges", "MB read", "ms in ranges", "longest / mean", "cold / warm", "memory, GB/s of a thread"]
    rows = []
    for query in queries:
        total = sum(query.ranges)
        each = [max(query.ranges) / total * len(query.ranges), sum(query.first) / total, query.memory / 1e9]
        rows.append([called(query), f"Q{query.number}", str(len(query.ranges)), number(query.read / 1e6, 0), number(total * 1e3), *(number(value, 2) for value in each)])
    return text + table(header, rows)


def validation(queries: list[Query], costs: Engine) -> str:
    """Whole processes."""
    rows = []
    for query in queries:
        whole = job(query, costs, 1, 0, False)
        simulated = [simulate(whole, threads).seconds for threads in (1, 2)]
        rows.append([called(query), f"Q{query.number}", *(number(seconds * 1e3) for seconds in (query.one, simulated[0], query.two, simulated[1])),
                     number(query.one / query.two, 2), number(simulated[0] / simulated[1], 2)])  # fmt: skip
    header = ["file", "query", "1 thread, ms", "simulated", "2 threads, ms", "simulated", "speed-up", "simulated"]
    return "## Measured and simulated\n\nWhole processes by the clock, the best of all.\n\n" + table(header, rows)


def saturation(small: list[Query], large: list[Query], costs: Engine) -> str:
    terabyte = round(1e12 / large[0].size)
    text = "## What is simulated\n\nSpeed-up of whole processes. Behind it what holds up 128 threads: how much faster they would be without it.\n\n"
    sets = [(f"one file of {called(small[0])}", small, 1, 0, False), (f"one file of {called(large[0])}", large, 1, 0, False),
            (f"20 files of {called(large[0])}", large, 20, 0, False), (f"the same, {MANY_BINS:,} bins", large, 20, MANY_BINS, False),
            (f"1 TB: {terabyte} files of {called(large[0])}, from memory", large, terabyte, 0, False),
            ("1 TB from storage", large, terabyte, 0, True)]  # fmt: skip
    for title, queries, files, bins, is_stored in sets:
        rows = []
        for query in queries:
            whole = job(query, costs, files, bins, is_stored)
            fluids = shared(query, whole, is_stored)
            seconds = [simulate(whole, threads, list(fluids.values())).seconds for threads in THREADS]
            gains = sorted(limits(whole, THREADS[-1], fluids).items(), key=lambda gain: -gain[1])
            why = ", ".join(f"{name} {gain:.2f}" for name, gain in gains[:3] if gain > 1.02)
            half = next((threads for threads, one in zip(THREADS[::-1], seconds[::-1], strict=True) if seconds[0] / one >= threads / 2), 1)
            rows.append([f"Q{query.number}", f"{len(whole.ranges):,}, {depth(whole.shape)}", f"{seconds[0]:.3g}",
                         *(number(seconds[0] / one) for one in seconds[1:]), str(half), why or "nothing"])  # fmt: skip
        header = ["query", "ranges, depth", "1 thread, s", *(str(threads) for threads in THREADS[1:]), "at half efficiency", "held up by"]
        text += f"{title}:\n\n" + table(header, rows)
    return text


def called(query: Query) -> str:
    return f"{query.file.events / 1e6:g} M events"


if __name__ == "__main__":
    main()
