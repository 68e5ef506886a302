"""run.py BINARY FILE...: processor time of the ADL queries against compiled RDataFrame and uproot + awkward.

All on one thread, interleaved, the median of --repeat runs, whole processes (user + system). RDataFrame's
start-up is subtracted: its column is the event loop alone, while ours and uproot's are the whole process less
the import of the Python modules. Run it with the tests' Python: see `make bench`.
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
    """Processor seconds and peak kB of a process."""
    process = subprocess.Popen([str(c) for c in command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


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
            print("| query | hep-run s | RDataFrame loop s | uproot + awkward s | RDataFrame / hep-run | uproot / hep-run | peak MB (hep-run, RDataFrame, uproot) |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            against_root, against_uproot = [], []
            for query in range(1, 9):
                times: dict[str, list[float]] = {"ours": [], "root": [], "uproot": []}
                peak = {"ours": 0, "root": 0, "uproot": 0}
                for _ in range(options.repeat):
                    ours = [options.binary.resolve(), "f.yaml", "--processor", f"adl_q{query}", "--executor", "serial"]
                    seconds, peak["ours"] = spend([*ours, "--output", "o.root", "--progress", "none"], folder)
                    times["ours"].append(seconds)
                    _, peak["root"] = spend([rdataframe, file.resolve(), query, "r.json"], folder)
                    times["root"].append(json.loads((folder / "r.json").read_text())["loop_cpu"])
                    seconds, peak["uproot"] = spend([sys.executable, HERE / "adl_awkward.py", file.resolve(), query], folder)
                    times["uproot"].append(seconds - imported)
                m = {who: statistics.median(values) for who, values in times.items()}
                against_root.append(m["root"] / m["ours"])
                against_uproot.append(m["uproot"] / m["ours"])
                peaks = ", ".join(str(round(kb / 1000)) for kb in peak.values())
                print(f"| Q{query} | {m['ours']:.3f} | {m['root']:.3f} | {m['uproot']:.3f} | {against_root[-1]:.1f} | {against_uproot[-1]:.1f} | {peaks} |", flush=True)
            print(f"| geometric mean | | | | {mean(against_root):.1f} | {mean(against_uproot):.1f} | |")


if __name__ == "__main__":
    main()
