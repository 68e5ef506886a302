"""remote.py XRDREAD: our client against the official ones, on loopback and over a link of 25 ms.

Reading all of a file is compared with `xrdcp` in the same mode: plain reads, reads with page checksums
(its default), TLS. Small ranges are compared with the client of PyPI's `xrootd`, the opening and its start apart.
Each pair is run in turns, --repeat times; the table has the medians of seconds, and of the ratios of the pairs.
XRDREAD is the example of that name of the crate `xrootd-rs`. See `make bench-remote`.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests" / "python"
sys.path[:0] = [str(TESTS), str(TESTS / "xrootd")]
from bed import Bed  # noqa: E402
from environment import environment  # noqa: E402

READ = re.compile(r"^(\d+) bytes, opened in [\d.]+ s, read in ([\d.]+) s$", re.MULTILINE)
ONE_WAY_US = 12_500


@dataclass
class Run:
    """What one process took, in seconds."""

    wall: float
    processor: float
    output: str

    @property
    def read(self) -> float:
        """Without the opening and the start of the process; as it says itself."""
        found = READ.search(self.output)
        if not found:
            sys.exit(f"no time in: {self.output}")
        return float(found[2])


def run(command: list[str], variables: dict[str, str]) -> Run:
    start = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}\n{output}")
    return Run(time.monotonic() - start, usage.ru_utime + usage.ru_stime, output)


@dataclass
class Pair:
    """Ours and theirs, run in turns."""

    ours: list[str]
    theirs: list[str]
    variables: dict[str, str] = field(default_factory=dict)

    def runs(self, repeat: int) -> list[tuple[Run, Run]]:
        return [(run(self.ours, self.variables), run(self.theirs, self.variables)) for _ in range(repeat)]


def compared(numbers: list[tuple[float, float]], digits: int = 3) -> str:
    """Cells: our median, theirs, and the median of the ratios of the pairs."""
    ours, theirs = (statistics.median(column) for column in zip(*numbers, strict=True))
    ratio = statistics.median(a / b for a, b in numbers)
    return f"{ours:.{digits}f} | {theirs:.{digits}f} | {ratio:.2f}"


def bulk(bed: Bed, xrdread: Path, repeat: int) -> None:
    print("\n| all of a file | wall s, ours | xrdcp | ratio | CPU s, ours | xrdcp | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for link, clear, encrypted in (("loopback", "plain", "tlsdata"), ("25 ms", "wan", "wantls")):
        for mode, name, paged in (("plain", clear, "0"), ("pgread", clear, "1"), ("TLS", encrypted, "0")):
            if not (server := bed.servers.get(name)):
                continue
            url = f"{server.url}/bench.bin"
            variables = {"XRD_CPUSEPGWRTRD": paged, "XRDREAD_MODE": "paged" if paged == "1" else "plain"}
            if ca := server.facts.get("ca"):
                variables["X509_CERT_DIR"] = str(ca)
            theirs = ["xrdcp", "--nopbar", "--force", url, "/dev/null"]
            pairs = Pair([str(xrdread), url, "bulk"], theirs, variables).runs(repeat)
            wall = compared([(a.wall, b.wall) for a, b in pairs])
            processor = compared([(a.processor, b.processor) for a, b in pairs])
            print(f"| {mode}, {link} | {wall} | {processor} |", flush=True)


def ranges(bed: Bed, xrdread: Path, python: Path, repeat: int) -> None:
    print("\n| ranges | s, ours | official | ratio | CPU s of the process, ours | official | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    kinds = {
        "1,024 × 4 KiB as a vector": ["vector"],
        "64 KiB, one at a time": ["random", "1"],
        "64 KiB, 32 at once": ["random", "32"],
    }
    for link, name in (("loopback", "plain"), ("25 ms", "wan")):
        if not (server := bed.servers.get(name)):
            continue
        for kind, arguments in kinds.items():
            if link != "loopback" and arguments[-1] == "1":
                continue  # 2,000 round trips, whoever makes them
            url = f"{server.url}/bench.bin"
            theirs = [str(python), str(HERE / "remote_official.py"), url, *arguments]
            pairs = Pair([str(xrdread), url, *arguments], theirs, {"XRDREAD_MODE": "plain"}).runs(repeat)
            read = compared([(a.read, b.read) for a, b in pairs], 4)
            processor = compared([(a.processor, b.processor) for a, b in pairs])
            print(f"| {kind}, {link} | {read} | {processor} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("xrdread", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--mbytes", type=int, default=200, help="size of the file, in MiB")
    options = parser.parse_args()
    xrdread = options.xrdread.resolve()
    python = environment(HERE / "remote_requirements.txt")
    with Bed(["plain", "tlsdata", "wan", "wantls"], ONE_WAY_US) as bed:
        if "plain" not in bed.servers:
            sys.exit("there is no server to measure with")
        # Written now, and so in the page cache.
        (bed.servers["plain"].root / "bench.bin").write_bytes(random.Random(5).randbytes(options.mbytes << 20))
        version = subprocess.check_output(["xrdcp", "--version"], stderr=subprocess.STDOUT, text=True).strip()
        print(f"{options.mbytes} MiB, medians of {options.repeat}; xrdcp {version}")
        bulk(bed, xrdread, options.repeat)
        ranges(bed, xrdread, python, options.repeat)


if __name__ == "__main__":
    main()
