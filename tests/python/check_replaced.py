"""check_replaced.py FAULTY: a file that is overwritten during a run never gives a mixture: entries of its new content are
in no result, whatever the source and the executor, and the ledger says why they are missing.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import uproot

from faulty import LONGEST
from oracle import passed
from ranged import Ranged, Served

ENTRIES, CLUSTER = 6_000, 500
# Weights of `faulty` are in bins by `x`, of which the first has the old content's and another the new one's.
OTHER = 500_000


def content(folder: Path, first: int) -> bytes:
    path = folder / "new.root"
    with uproot.recreate(path, compression=None) as file:
        tree = file.mktree("Events", {"x": np.int32})
        for start in range(0, ENTRIES, CLUSTER):
            tree.extend({"x": np.arange(start, start + CLUSTER, dtype=np.int32) + first})
    return path.read_bytes()


def check(binary: Path, folder: Path, name: str, where: str, options: list[str]) -> None:
    old, new = content(folder, 0), content(folder, OTHER)
    assert len(old) == len(new) and old != new
    file = folder / "in.root"
    file.write_bytes(old)
    time.sleep(0.05)
    started = folder / "started"
    started.unlink(missing_ok=True)
    # At this entry it makes the file, and goes on after three seconds.
    processor = {"name": "faulty", "delay": 100, "mode": "slow", "at": 1200, "once": str(started)}
    (folder / "f.json").write_text(json.dumps({"processor": processor, "tree": "Events", "datasets": {"a": [where]}}))
    for output in folder.glob("out*"):
        output.unlink()
    command = [binary, "f.json", "-o", "out.json", "--progress", "none", "--retries", "0", "--entries-per-range", str(CLUSTER)]
    run = subprocess.Popen([*map(str, command), *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    begun = time.monotonic()
    while not started.exists():
        assert run.poll() is None and time.monotonic() < begun + LONGEST, "the run did not come to its third range"
        time.sleep(0.01)
    with open(file, "r+b") as opened:
        opened.write(new)
    _, said = run.communicate(timeout=LONGEST)
    assert run.returncode in (2, 3), f"{name}: ended with {run.returncode}\n{said}"
    out = json.loads((folder / "out.incomplete.json").read_text())
    ledger = out["ledger"]["datasets"][0]["files"][0]
    values = out["datasets"]["a"]["objects"]["x"]["storage"]["values"]
    # Underflow, ten bins, overflow.
    done = sum(end - start for start, end in ledger["done"])
    # A range that begins with its file open again may find that it is another one.
    reasons = " ".join(missed["reason"] for missed in ledger["failed"])
    assert "changed while it was read" in reasons or "replaced" in reasons or "written anew" in reasons, reasons
    assert values[1 + OTHER // 100_000] == 0, f"{name}: entries of the new content are in the result"
    assert done + sum(end - start for start, end in (missed["entries"] for missed in ledger["failed"])) == ENTRIES
    passed(f"a file that is overwritten: {name}, {done} entries of its old content")


def main(binary: Path) -> None:
    executors = {
        "serial": ["--executor", "serial"],
        "threads": ["--executor", "threads", "--workers", "2"],
        "processes": ["--executor", "processes", "--workers", "2"],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # Nothing tells a version.
        with Served(Ranged, folder) as server:
            for executor, options in executors.items():
                check(binary, folder, f"local, {executor}", "in.root", options)
                check(binary, folder, f"http without a version, {executor}", server.url("in"), [*options, "--prefetch", "0"])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
