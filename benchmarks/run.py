"""run.py: measures hep-run against compiled RDataFrame, coffea, and uproot + awkward, and against decompression alone.

Everything is in one run: of each query over each file, all contestants take turns, after they have given the same
histogram. What has been measured is written after each query to benchmarks/results/NAME.jsonl, with the tables in
NAME.md; a run that is interrupted keeps it, and another one of the same name adds to it. See `make bench`.
"""

import argparse
import datetime
import json
import subprocess
import sys
import time
from pathlib import Path

import adl
import machine
import overheads
import report
import startup
from contestants import PEERS, Lost, Programs
from files import REPOSITORY, make, parse, seed_file
from environment import environment  # of tests/python, whose path files.py has added

HERE = Path(__file__).parent
TESTS = REPOSITORY / "tests" / "python"


class Results:
    """The lines of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(exist_ok=True)

    def add(self, record: report.Record) -> None:
        with open(self.path, "a") as lines:
            lines.write(json.dumps(record) + "\n")
        report.write(self.path)


def rounded(value: object) -> object:
    """Without the digits that no clock has."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return value


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hep_run", type=Path)
    parser.add_argument("floor", type=Path, help="the example `floor` of hep-io")
    parser.add_argument("--events", type=int, nargs="+", default=[2_000_000], help="each with each of the codecs")
    parser.add_argument("--codecs", nargs="+", default=["zlib", "zstd", "lz4", "none", "lzma", "rntuple-zstd"], help="also rntuple-CODEC")
    parser.add_argument("--queries", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed", type=Path, help="other real events than those of datasets/real_events.py")
    parser.add_argument("--name", default=datetime.date.today().isoformat())
    parser.add_argument("--only-adl", action="store_true", help="neither start-up nor overheads")
    return parser.parse_args()


def main() -> None:
    given = options()
    files = [parse(codec, events) for events in given.events for codec in given.codecs]
    seed = seed_file(given.seed)
    root = environment(TESTS / "requirements.txt")
    python = environment(HERE / "requirements.txt")
    compiled = subprocess.check_output([root, TESTS / "rdataframe" / "build.py"], text=True).strip()
    rdataframe = None if compiled == "None" else Path(compiled)
    programs = Programs(given.hep_run.resolve(), given.floor.resolve(), rdataframe, python)
    # Made before anything is measured: the machine is then quiet, and the files are in its memory.
    paths = [make(file, root, seed) for file in files]
    results = Results(HERE / "results" / f"{given.name}.jsonl")
    results.add({"kind": "machine", "machine": machine.describe(programs.hep_run, root, python)})
    begun, wrong = time.monotonic(), False
    for file, path in zip(files, paths, strict=True):
        for query in given.queries:
            record = adl.measure(programs, file, path, query, given.threads, given.peers, given.repeat)
            wrong |= any(adl.DIFFERS in why for why in record["lost"].values())
            results.add({"kind": "adl"} | {key: rounded(value) for key, value in record.items()})
            print(f"{(time.monotonic() - begun) / 60:5.1f} min: {file}, Q{query}", file=sys.stderr, flush=True)
    if not given.only_adl:
        results.add({"kind": "figures", "file": "Start-up", "figures": startup.measure(programs, given.repeat)})
        results.add({"kind": "figures", "file": "Overheads", "figures": overheads.measure(root, seed)})
    subprocess.run([python, HERE / "plot.py", results.path], check=True)
    report.write(results.path)
    print(results.path.with_suffix(".md").read_text())
    if wrong:
        sys.exit("histograms differ")


if __name__ == "__main__":
    try:
        main()
    except Lost as why:
        sys.exit(f"error: {why}")
