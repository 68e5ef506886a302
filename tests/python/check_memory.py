"""check_memory.py FAULTY: runs keep to `--memory`, whatever is in the histograms and the files, and give what runs
without it give.

What is measured is the largest resident set of the process, as the system keeps it (`ru_maxrss`). It may be
`SLACK` more than was asked for: memory that the allocator has freed and not given back yet.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import uproot
from faulty import LONGEST, Outcome, Runs, write_files
from oracle import passed

SLACK = 24 << 20
MIB = 1 << 20
# 1000 x 20,000 bins with under- and overflow, of 16 bytes.
LARGE = 1002 * 20_002 * 16


def measured(runs: Runs, processor: dict, *options: str) -> tuple[Outcome, int, Path]:
    """A run, its largest resident set, and its output."""
    command, output = runs.command(processor, *options)
    errors = output.with_suffix(".stderr")
    with errors.open("w") as stderr:
        process = subprocess.Popen(command, cwd=runs.folder, stdout=subprocess.DEVNULL, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return Outcome(process.returncode, errors.read_text(), {}), usage.ru_maxrss * 1024, output


def content(path: Path) -> str:
    return hashlib.sha256(json.dumps(json.loads(path.read_text())["datasets"]).encode()).hexdigest()


def kept(name: str, peak: int, asked: int) -> None:
    assert peak <= asked + SLACK, f"{name}: {peak / MIB:.0f} MiB, of {asked / MIB:.0f} that were asked for"
    passed(f"{name}: {peak / MIB:.0f} MiB, of {asked / MIB:.0f} that were asked for")


def large_histograms(folder: Path, faulty: Path) -> None:
    """Twenty million bins on sixteen threads: far from sixteen copies."""
    runs = Runs(faulty, folder, write_files(folder, files=2, entries=1_000_000, cluster=10_000))
    runs.datasets = {"one": [file for files in runs.datasets.values() for file in files]}
    processor = {"name": "spread", "filled": 300_000}
    asked = 1200 * MIB
    options = ("--memory", f"{asked}", "--entries-per-range", "10000")
    root = folder / "large.root"
    outcome, peak, _ = measured(runs, processor, *options, "--workers", "16", "--output", str(root))
    assert outcome.status == 0, outcome.error
    kept("20 million bins, 16 threads", peak, asked)
    values, edges = uproot.open(root)["one/spread"].to_numpy(flow=True)[:2]
    assert values.shape == (1002, 20_002) and len(edges) == 1003
    # The same by hand.
    x = np.arange(2_000_000, dtype=np.uint64)
    which = ((x * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) % np.uint64(300_000) * np.uint64(20_000_000 // 300_000)
    want = np.zeros(20_000_000)
    np.add.at(want, which.astype(np.int64), 0.1 + x.astype(np.float64) / 3.0)
    got = values[1:-1, 1:-1].T.ravel()
    assert np.array_equal(got != 0, want != 0) and np.allclose(got, want, rtol=1e-12, atol=0)
    passed("20 million bins, against numpy")


def spilled(folder: Path, faulty: Path) -> None:
    """Where waiting outputs have no room, they wait in files, and merge to the same bits."""
    runs = Runs(faulty, folder, write_files(folder, files=2, entries=200_000, cluster=1000))
    # 1.5 MB dense, of which every range fills all: no sparse one would help.
    processor = {"name": "spread", "bins": [100, 1000], "filled": 100_000}
    asked = 64 * MIB
    plain, free, first = measured(runs, processor, "--workers", "2")
    assert plain.status == 0, plain.error
    for executor, workers in (("serial", "1"), ("threads", "1"), ("threads", "16"), ("processes", "3")):
        outcome, peak, output = measured(runs, processor, "--memory", str(asked), "--executor", executor, *(
            () if executor == "serial" else ("--workers", workers)))  # fmt: skip
        assert outcome.status == 0, outcome.error
        assert content(output) == content(first), f"{executor} {workers}"
        kept(f"400 ranges, {executor}, {workers} workers", peak, asked)
    print(f"without --memory: {free / MIB:.0f} MiB")


def wide_events(folder: Path, faulty: Path) -> None:
    """Baskets as large as the file allows: ranges wait for each other rather than taking more."""
    path = folder / "wide.root"
    random = np.random.default_rng(1)
    with uproot.recreate(path, compression=None) as file:
        tree = file.mktree("Events", {"x": np.int32})
        # Each basket 4 MB: a range takes twice that, and sixteen at a time would be 128 MB.
        for start in range(0, 16_000_000, 1_000_000):
            tree.extend({"x": np.arange(start, start + 1_000_000, dtype=np.int32) + random.integers(0, 2)})
    runs = Runs(faulty, folder, [path])
    runs.datasets = {"one": [path]}
    asked = 64 * MIB
    options = ("--memory", str(asked), "--workers", "16", "--entries-per-range", "1000000")
    outcome, peak, _ = measured(runs, {"name": "heavy", "kbins": 1}, *options)
    assert outcome.status == 0, outcome.error
    kept("16 baskets of 4 MB, 16 threads", peak, asked)


def refused(folder: Path, faulty: Path) -> None:
    """What cannot fit is an error before anything is read, which says what would fit, and that does."""
    runs = Runs(faulty, folder, write_files(folder, files=2, entries=1000, cluster=1000))
    runs.datasets = {"one": [file for files in runs.datasets.values() for file in files]}
    processor = {"name": "spread", "filled": 100}
    outcome, _, output = measured(runs, processor, "--memory", "512MiB")
    assert outcome.status == 1 and not output.exists(), outcome.error
    message = outcome.error.strip().splitlines()[-1]
    start = "error: --memory 512MiB: the outputs of 1 dataset may take 306MiB, of which `spread` takes 306MiB"
    assert message.startswith(start), message
    would = message.split("--memory ")[2].split(" ")[0]
    outcome, peak, _ = measured(runs, processor, "--memory", would)
    assert outcome.status == 0, outcome.error
    kept(f"what was said to do, {would}", peak, int(would.removesuffix("MiB")) * MIB)
    outcome, _, _ = measured(runs, processor, "--memory", "10MiB")
    assert outcome.status == 1 and "the least is 64MiB" in outcome.error, outcome.error
    passed("what cannot fit is refused")


def main() -> None:
    faulty = Path(sys.argv[1]).resolve()
    for check in (refused, spilled, wide_events, large_histograms):
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder), faulty)


if __name__ == "__main__":
    assert LARGE == 320_672_064 and LONGEST
    main()
