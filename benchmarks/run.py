"""run.py BINARY FILE...: processor time of the ADL queries against compiled RDataFrame and uproot + awkward.

All on one thread, interleaved, the median of --repeat runs. Times are of whole processes (user + system); the
ratios in brackets leave out the others' start-up: for RDataFrame they take its event loop alone, for uproot the
process less the import of its modules. Ours is always the whole process. Before a query is timed, the three
must give the same histogram. See `make bench`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from math import prod
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "python"), str(HERE.parent / "tests" / "python" / "rdataframe")]
from build import program  # noqa: E402


def spend(command: list, folder: Path) -> tuple[float, int]:
    """Processor seconds and peak kB of a process.

    The peak begins with what this script itself holds (13 MB): keep large modules out of it.
    """
    process = subprocess.Popen([str(c) for c in command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def agree(query: int, commands: dict[str, list], folder: Path) -> None:
    """Ends the benchmark where the three programs do not do the same work."""
    ours = ["o.json" if argument == "o.root" else argument for argument in commands["ours"]]
    spend(ours, folder)
    spend(commands["root"], folder)
    objects = json.loads((folder / "o.json").read_text())["datasets"]["events"]["objects"]
    theirs = json.loads((folder / "r.json").read_text())["histograms"]
    for name, histogram in theirs.items():
        if objects[name]["storage"]["values"] != histogram["bins"]:
            sys.exit(f"query {query}: {name} differs between hep-run and RDataFrame")
    bins = json.loads(subprocess.check_output([str(c) for c in commands["uproot"]]))
    if bins != next(iter(theirs.values()))["bins"]:
        sys.exit(f"query {query}: uproot + awkward and RDataFrame differ")


def mean(ratios: list[float]) -> float:
    return prod(ratios) ** (1 / len(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rdataframe = program() or sys.exit("no g++ to compile RDataFrame with")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imports = [sys.executable, "-c", "import uproot, awkward, numpy"]
        imported = statistics.median(spend(imports, folder)[0] for _ in range(options.repeat))
        for file in options.files:
            (folder / "f.yaml").write_text(f"tree: Events\ndatasets: {{events: [{file.resolve()}]}}\n")
            print(f"\n### {file.name}\n")
            print("| query | hep-run s | RDataFrame s (loop) | uproot + awkward s (without imports) | RDataFrame / hep-run | uproot / hep-run | peak MB: hep-run, RDataFrame, uproot |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            ratios: dict[str, list[float]] = {"root": [], "loop": [], "uproot": [], "bare": []}
            for query in range(1, 9):
                times: dict[str, list[float]] = {"ours": [], "root": [], "loop": [], "uproot": []}
                peak = {"ours": 0, "root": 0, "uproot": 0}
                commands = {
                    "ours": [options.binary.resolve(), "f.yaml", "--processor", f"adl_q{query}", "--executor", "serial",
                             "--output", "o.root", "--progress", "none"],
                    "root": [rdataframe, file.resolve(), query, "r.json"],
                    "uproot": [sys.executable, HERE / "adl_awkward.py", file.resolve(), query],
                }  # fmt: skip
                agree(query, commands, folder)
                for _ in range(options.repeat):
                    for who, command in commands.items():
                        seconds, kilobytes = spend(command, folder)
                        times[who].append(seconds)
                        peak[who] = max(peak[who], kilobytes)
                    times["loop"].append(json.loads((folder / "r.json").read_text())["loop_cpu"])
                m = {who: statistics.median(values) for who, values in times.items()}
                m["bare"] = m["uproot"] - imported
                for who, all_queries in ratios.items():
                    all_queries.append(m[who] / m["ours"])
                row = [f"Q{query}", f"{m['ours']:.3f}", f"{m['root']:.3f} ({m['loop']:.3f})", f"{m['uproot']:.3f} ({m['bare']:.3f})"]
                row += [f"{ratios[a][-1]:.1f} ({ratios[b][-1]:.1f})" for a, b in (("root", "loop"), ("uproot", "bare"))]
                row.append(", ".join(str(round(kb / 1000)) for kb in peak.values()))
                print(f"| {' | '.join(row)} |", flush=True)
            g = {who: mean(all_queries) for who, all_queries in ratios.items()}
            print(f"| geometric mean | | | | {g['root']:.1f} ({g['loop']:.1f}) | {g['uproot']:.1f} ({g['bare']:.1f}) | |")


if __name__ == "__main__":
    main()
