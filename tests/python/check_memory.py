"""check_memory.py FAULTY: runs keep to `--memory`, whatever is in the histograms and the files, and give what runs
without it give.

What is measured is the largest resident set of the process, as the system keeps it (`ru_maxrss`). It may be
`SLACK` more than was asked for: memory that the allocator has freed and not given back yet.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uproot
from faulty import LONGEST, Runs, write_files
from oracle import passed

SLACK = 40 << 20
MIB = 1 << 20

# A process's `ru_maxrss` begins with that of whoever has started it: a small one, not this one.
LAUNCHER = """
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(usage.ru_maxrss * 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass
class Measured:
    """How a run ended, and the most memory it had."""

    status: int
    error: str
    peak: int
    output: Path

    def content(self) -> str:
        """All but the ledger, hashed."""
        assert self.status == 0, self.error
        return hashlib.sha256(json.dumps(json.loads(self.output.read_text())["datasets"]).encode()).hexdigest()

    def kept(self, name: str, asked: int) -> None:
        assert self.status == 0, self.error
        line = f"{name}: {self.peak / MIB:.0f} MiB, of {asked / MIB:.0f} that were asked for"
        assert self.peak <= asked + SLACK, line
        passed(line)


class Check:
    """Runs of one kind over all the files of a folder."""

    def __init__(self, faulty: Path, files: list[Path], processor: dict, entries_per_range: int) -> None:
        self.runs = Runs(faulty, files[0].parent, files)
        self.runs.datasets = {"one": files}
        self.processor, self.entries_per_range = processor, entries_per_range

    def run(self, *options: str, suffix: str = ".json") -> Measured:
        fileset = self.runs.fileset(self.processor)
        output = fileset.with_name(f"{fileset.stem}-out{suffix}")
        command = [str(self.runs.binary), str(fileset), "--output", str(output), "--progress", "none",
                   "--entries-per-range", str(self.entries_per_range), *options]  # fmt: skip
        result = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *command], cwd=self.runs.folder,
                                capture_output=True, text=True, check=False, timeout=LONGEST)  # fmt: skip
        return Measured(result.returncode, result.stderr, int(result.stdout), output)


def refused(folder: Path, faulty: Path) -> None:
    """What cannot fit is an error before anything is read, which says what would fit; and that does."""
    files = write_files(folder, files=2, entries=1000, cluster=1000)
    check = Check(faulty, files, {"name": "spread", "filled": 100}, 1000)
    run = check.run("--memory", "512MiB", suffix=".root")
    assert run.status == 1 and not run.output.exists(), run.error
    message = run.error.strip().splitlines()[-1]
    start = "error: --memory 512MiB: the outputs of 1 dataset may take 306MiB, of which `spread` takes 306MiB"
    assert message.startswith(start), message
    would = message.split("--memory ")[2].split(" ")[0]
    check.run("--memory", would, suffix=".root").kept(f"what was said to do, {would}", int(would.removesuffix("MiB")) * MIB)
    run = check.run("--memory", "10MiB")
    assert run.status == 1 and "the least is 64MiB" in run.error, run.error
    passed("what cannot fit is refused")


def little(folder: Path, faulty: Path) -> None:
    """The least memory, and any workers."""
    files = write_files(folder, files=2, entries=200_000, cluster=1000)
    # 1.6 MB when most of it is filled.
    check = Check(faulty, files, {"name": "spread", "bins": [100, 1000], "filled": 100_000}, 1000)
    free = check.run("--workers", "16")
    content = free.content()
    for executor, workers in (("serial", 1), ("threads", 1), ("threads", 16), ("processes", 3)):
        run = check.run("--memory", "64MiB", "--executor", executor, "--workers", str(workers))
        assert run.content() == content, f"{executor} {workers}"
        run.kept(f"400 ranges, {executor}, {workers} workers", 64 * MIB)
    print(f"without --memory, 16 workers: {free.peak / MIB:.0f} MiB")


def dense(folder: Path, faulty: Path) -> None:
    """Two million bins, most of which are filled: what waits is as large as all of them, and waits in files."""
    files = write_files(folder, files=2, entries=1_000_000, cluster=10_000)
    check = Check(faulty, files, {"name": "spread", "bins": [1000, 2000], "filled": 2_000_000}, 10_000)
    free = check.run("--workers", "16")
    content = free.content()
    for workers in ("1", "16"):
        run = check.run("--workers", workers, "--memory", "160MiB")
        assert run.content() == content, workers
        run.kept(f"2 million bins, {workers} workers", 160 * MIB)
    print(f"without --memory, 16 workers: {free.peak / MIB:.0f} MiB")


def large_baskets(folder: Path, faulty: Path) -> None:
    """Ranges wait for each other rather than taking more together."""
    path = folder / "large.root"
    with uproot.recreate(path, compression=None) as file:
        tree = file.mktree("Events", {"x": np.int32})
        # Each basket 4 MB: a range takes that, a batch and the like, and sixteen at a time would be 128 MB.
        for start in range(0, 16_000_000, 1_000_000):
            tree.extend({"x": np.arange(start, start + 1_000_000, dtype=np.int32)})
    check = Check(faulty, [path], {"name": "heavy", "kbins": 1}, 1_000_000)
    check.run("--memory", "64MiB", "--workers", "16").kept("16 baskets of 4 MB, 16 workers", 64 * MIB)


def twenty_million_bins(folder: Path, faulty: Path) -> None:
    """On sixteen threads: far from sixteen copies, and what numpy says."""
    files = write_files(folder, files=2, entries=1_000_000, cluster=10_000)
    check = Check(faulty, files, {"name": "spread", "filled": 300_000}, 10_000)
    run = check.run("--memory", "1200MiB", "--workers", "16", suffix=".root")
    run.kept("20 million bins, 16 workers", 1200 * MIB)
    with uproot.open(run.output) as file:
        values = file["one/spread"].values(flow=True)
    x = np.arange(2_000_000, dtype=np.uint64)
    which = (x * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)
    at = which % np.uint64(300_000) * np.uint64(20_000_000 // 300_000)
    want = np.zeros(20_000_000)
    np.add.at(want, at.astype(np.int64), 0.1 + x.astype(np.float64) / 3.0)
    # The first axis is the fastest.
    got = values[1:-1, 1:-1].T.ravel()
    assert np.array_equal(got != 0, want != 0) and np.allclose(got, want, rtol=1e-12, atol=0)
    passed("20 million bins, against numpy")


def main() -> None:
    faulty = Path(sys.argv[1]).resolve()
    for check in (refused, little, dense, large_baskets, twenty_million_bins):
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder), faulty)


if __name__ == "__main__":
    main()
