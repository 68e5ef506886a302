"""remote_run.py HEP_RUN FILE: whole runs over FILE, from disk, from a server on loopback, and over 25 ms.

FILE is one that `make_bench.py` makes. On loopback the processor time of the queries is compared with that of
the same run from disk. Over the link the wall time is compared with what the link allows: the bytes that the
query reads at the rate at which `xrdcp` copies all of FILE over it, or the run from disk if that takes longer; and
with the same query in uproot and awkward (adl_awkward.py), which read through fsspec-xrootd. All are whole processes;
how long Python takes to import is given apart. Runs in turns, medians of --repeat.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests" / "python"
sys.path[:0] = [str(TESTS), str(TESTS / "xrootd")]
from bed import Bed  # noqa: E402
from environment import environment  # noqa: E402

ONE_WAY_US = 12_500
ROUND_TRIP = 2 * ONE_WAY_US / 1e6

def timed(command: list[str], variables: dict[str, str] | None = None) -> tuple[float, float, str]:
    """Seconds of wall and of the processor, and what it printed."""
    start = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | (variables or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    errors = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}\n{output}{errors}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, output


class Query:
    """One of the ADL queries over one file."""

    def __init__(self, number: int, url: str, folder: Path, hep_run: Path) -> None:
        self.fileset = folder / f"q{number}-{abs(hash(url))}.json"
        self.fileset.write_text(json.dumps({"processor": {"name": f"adl_q{number}"}, "tree": "Events", "datasets": {"bench": {"files": [url]}}}))
        self.command = [str(hep_run), str(self.fileset), "--progress", "none", "--output", str(folder / "out.json")]

    def run(self) -> tuple[float, float]:
        return timed(self.command)[:2]

    def plan(self) -> dict:
        return json.loads(timed([*self.command, "--dry-run", "--format", "json"])[2])["files"][0]


def loopback(local: str, url: str, folder: Path, hep_run: Path, repeat: int) -> None:
    print("\n| query | CPU s from disk | over loopback | ratio |\n| --- | --- | --- | --- |")
    for number in range(1, 9):
        pair = [Query(number, local, folder, hep_run), Query(number, url, folder, hep_run)]
        runs = [[query.run()[1] for query in pair] for _ in range(repeat)]
        disk, loop = (statistics.median(column) for column in zip(*runs))
        print(f"| Q{number} | {disk:.3f} | {loop:.3f} | {statistics.median(b / a for a, b in runs):.2f} |", flush=True)


def far(local: str, url: str, folder: Path, hep_run: Path, python: Path, repeat: int) -> None:
    size = Path(local).stat().st_size
    copies = [timed(["xrdcp", "--nopbar", "--force", url, "/dev/null"], {"XRD_CPUSEPGWRTRD": "0"})[0] for _ in range(3)]
    rate = size / statistics.median(copies)
    print(f"\nxrdcp copies {size / 1e6:.0f} MB over the link at {rate / 1e6:.0f} MB/s\n")
    imports = statistics.median(timed([str(python), "-c", "import awkward, uproot, fsspec_xrootd"])[0] for _ in range(3))
    print(f"Python imports uproot, awkward and fsspec-xrootd in {imports:.2f} s\n")
    print("| query | MB | s from disk | over the link | allowed | of the allowed | uproot + awkward | uproot / hep-run | without imports |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for number in (5, 7):
        near, remote = Query(number, local, folder, hep_run), Query(number, url, folder, hep_run)
        plan = near.plan()
        theirs = [str(python), str(HERE / "adl_awkward.py"), url, str(number)]
        runs = [(near.run()[0], remote.run()[0], timed(theirs)[0]) for _ in range(repeat)]
        disk, link, uproot = (statistics.median(column) for column in zip(*runs))
        allowed = 1.2 * max(disk, plan["bytes"] / rate) + 5 * ROUND_TRIP
        times = f"{disk:.2f} | {link:.2f} | {allowed:.2f} | {link / allowed:.2f} | {uproot:.2f} | {uproot / link:.1f} | {(uproot - imports) / link:.1f}"
        print(f"| Q{number} | {plan['bytes'] / 1e6:.0f} | {times} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hep_run", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    hep_run, local = options.hep_run.resolve(), str(options.file.resolve())
    python = environment(HERE / "remote_requirements.txt")
    with Bed(["plain", "wan"], ONE_WAY_US) as bed, tempfile.TemporaryDirectory() as folder:
        for server in bed.servers.values():
            if not (served := server.root / "bench.root").exists():
                served.symlink_to(local)
        if server := bed.servers.get("plain"):
            loopback(local, f"{server.url}/bench.root", Path(folder), hep_run, options.repeat)
        if server := bed.servers.get("wan"):
            far(local, f"{server.url}/bench.root", Path(folder), hep_run, python, options.repeat)


if __name__ == "__main__":
    main()
