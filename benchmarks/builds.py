"""builds.py --file F.root BINARY...: processor time of several builds of one and the same `hep-run`.

Interleaved, the median of --repeat runs, on one thread and on two; the first build is what the others are compared
with. Start-up is `--version`. See README.md, "The portable binary".
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from math import prod
from pathlib import Path


def spend(command: list[str], folder: Path) -> float:
    """Processor seconds of a process."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries", type=Path, nargs="+")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    builds = [str(binary.resolve()) for binary in options.binaries]
    print("| run | " + " | ".join(builds) + " |\n| --- |" + " --- |" * len(builds))
    print("| size, MB | " + " | ".join(f"{os.path.getsize(build) / 1e6:.1f}" for build in builds) + " |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "f.yaml").write_text(f"tree: Events\ndatasets: {{events: [{options.file.resolve()}]}}\n")
        runs = {"start-up": ["--version"]}
        for query in range(1, 9):
            for threads in ("serial",) if query not in (5, 6) else ("serial", "threads"):
                runs[f"Q{query}, {threads}"] = ["f.yaml", "--processor", f"adl_q{query}", "--executor", threads,
                                               "--workers", "2", "--output", "o.root", "--progress", "none"]
        ratios: list[list[float]] = [[] for _ in builds]
        for run, arguments in runs.items():
            times: list[list[float]] = [[] for _ in builds]
            for _ in range(options.repeat):
                for at, build in enumerate(builds):
                    times[at].append(spend([build, *arguments], folder))
            medians = [statistics.median(each) for each in times]
            if run != "start-up":
                for at, median in enumerate(medians):
                    ratios[at].append(median / medians[0])
            print(f"| {run} | " + " | ".join(f"{median * 1e3:.1f} ms" for median in medians) + " |", flush=True)
        means = [prod(each) ** (1 / len(each)) for each in ratios]
        print("| geometric mean of ratios | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")


if __name__ == "__main__":
    main()
