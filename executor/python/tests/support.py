"""What the tests share: the package, and a small worker in place of the binary."""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

# What other tests, and this machine's users, have stored is not for these.
_CACHE = tempfile.TemporaryDirectory(prefix="hep-run-cache-")
os.environ["HEP_RUN_CACHE"] = _CACHE.name
# What happens in these tests is what Dask complains about.
os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

WORKER = HERE / "fake_worker.py"
SHA = hashlib.sha256(WORKER.read_bytes()).hexdigest()


def graph(ranges: int, fan_in: int = 4, dataset: int = 0, joined: tuple = ()) -> dict:
    """A graph as hep-run sends it."""
    merges: list = []
    level = list(range(ranges))
    while len(level) > 1 or not merges:
        above = []
        for start in range(0, len(level), fan_in):
            merges.append([level[start : start + fan_in], dataset])
            above.append(-len(merges))
        level = above
    return {"ranges": [[number, dataset, f"file.root:{number}"] for number in range(ranges)], "merges": merges, "joined": list(joined)}


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()
