"""instructions.py BINARY: how many instructions hot paths take, against those of instructions.json.

Counts are the same from run to run, whatever else the machine does, so that a slip of a few percent shows. They are
those of one compiler, and the codecs choose their instructions by the processor: the file says which. On others, take
your own counts before a change (--update, --expected FILE) and compare after it. Not a part of `make test` for this
reason. Counted by `perf stat`, or by callgrind where perf may not count; each has its own expectations.

Each run is a whole process on one thread: hep-run over files of 200,000 events, or its start.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from files import REPOSITORY, BenchFile, make, seed_file
from environment import environment  # of tests/python, whose path files.py has added
from machine import cpu_model, first_line
from startup import WIDE

EVENTS = 200_000
# Every kernel without a codec, and of each codec a query that reads flat and one that reads jagged branches.
RUNS = {
    "none": range(1, 9), "zstd": (1, 3, 6), "zlib": (1, 3, 6), "lz4": (1, 3), "lzma": (1, 3), "rntuple-zstd": (1, 3, 6),
}  # fmt: skip
# More than this is a failure. The least of three counts differs by 0.02 % from time to time, on a busy machine too.
TOLERANCE = 0.01


def perf(command: list[str], folder: Path) -> int:
    """The least of three, in user space."""
    counts = []
    for _ in range(3):
        run = ["perf", "stat", "-x", ",", "-e", "instructions:u", "-o", "counted", *command]
        subprocess.run(run, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        counts.append(int(re.search(r"^(\d+),,instructions", (folder / "counted").read_text(), re.MULTILINE)[1]))  # type: ignore[index]
    return min(counts)


def callgrind(command: list[str], folder: Path) -> int:
    run = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    said = subprocess.run(run, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    return int(re.search(r"Collected : (\d+)", said)[1])  # type: ignore[index]


COUNTERS = {"perf": perf, "callgrind": callgrind}


def counter(folder: Path) -> str:
    """The one that works here."""
    for name, count in COUNTERS.items():
        try:
            count(["true"], folder)
            return name
        except (OSError, subprocess.CalledProcessError, TypeError):
            continue
    sys.exit("neither perf nor valgrind counts instructions here")


def commands(binary: Path, seed: Path, folder: Path) -> dict[str, list[str]]:
    python = environment(REPOSITORY / "tests" / "python" / "requirements.txt")
    found = {"--help": [str(binary), "--help"]}

    def query(fileset: str, path: Path, number: int) -> list[str]:
        (folder / fileset).write_text(json.dumps({"tree": "Events", "datasets": {"events": [str(path)]}}))
        return [str(binary), fileset, "--processor", f"adl_q{number}", "--executor", "serial", "--output", "o.root", "--progress", "none"]

    found["2,656 branches"] = query("wide.json", WIDE, 1)
    for name, numbers in RUNS.items():
        codec = name.removeprefix("rntuple-")
        path = make(BenchFile(codec, EVENTS, "ttree" if codec == name else "rntuple"), python, seed)
        found |= {f"{name}, Q{number}": query(f"{name}.json", path, number) for number in numbers}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=Path)
    parser.add_argument("--expected", type=Path, default=Path(__file__).with_name("instructions.json"))
    parser.add_argument("--update", action="store_true", help="write what is counted as what is expected")
    parser.add_argument("--seed", type=Path, help="other real events than those of datasets/real_events.py")
    options = parser.parse_args()
    expected = json.loads(options.expected.read_text()) if options.expected.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tool = counter(folder)
        counts = {run: COUNTERS[tool](command, folder) for run, command in commands(options.binary.resolve(), seed_file(options.seed), folder).items()}
    here = {"rustc": first_line(["rustc", "--version"]).removeprefix("rustc "), "CPU": cpu_model(), "events": EVENTS}
    known = expected.get(tool, {})
    if not options.update and known.get("here") != here:
        print(f"what is expected was counted elsewhere: {known.get('here', 'nowhere')}, this is {here}")
    worse = 0
    for run, count in counts.items():
        was = known.get("counts", {}).get(run)
        change = f"{count / was - 1:+.2%}" if was else "new"
        is_worse = bool(was) and count > was * (1 + TOLERANCE)
        worse += is_worse
        print(f"{run:20} {count / 1e6:10.1f} M  {change:>8}{'  more than allowed' if is_worse else ''}")
    if options.update:
        options.expected.write_text(json.dumps(expected | {tool: {"here": here, "counts": counts}}, indent=1) + "\n")
    elif worse:
        sys.exit(f"{worse} of {len(counts)} take over {TOLERANCE:.0%} more instructions than expected")


if __name__ == "__main__":
    main()
