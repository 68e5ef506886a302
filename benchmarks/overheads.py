"""What scheduling, merging and baskets cost beyond decompression: runs executor/benches/overhead.rs and io/benches/baskets.rs."""

import json
import subprocess
from pathlib import Path
from typing import Any

from files import REPOSITORY, BenchFile, make
from startup import Figure

EVENTS = 200_000
SMALL_BASKET = 1_000


def bench(crate: str, name: str, *arguments: object) -> list[dict[str, Any]]:
    """The lines that a bench prints."""
    command = ["cargo", "bench", "--quiet", "-p", crate, "--bench", name, "--", *map(str, arguments)]
    said = subprocess.check_output(command, cwd=REPOSITORY, text=True)
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def measure(python: Path, seed: Path) -> list[Figure]:
    large = make(BenchFile("none", EVENTS), python, seed)
    small = make(BenchFile("none", EVENTS, basket=SMALL_BASKET), python, seed)
    figures: list[Figure] = []
    for line in bench("hep-run", "overhead", large):
        if "threads" in line:
            threads = line["threads"]
            note = f"{line['wall_us']:.2f} µs by the clock, {line['wall_us'] * threads:.2f} of each thread"
            figures.append((f"100,000 empty ranges, {threads} threads", f"{line['cpu_us']:.2f} µs CPU a range", note))
        elif "wall_us" in line:
            figures.append((line["what"], f"{line['wall_us']:.1f} µs by the clock", ""))
        else:
            note = "1,000 partials of 200 histograms of 100 bins and 41 variations"
            note += f"; {line['making_ns']:.2f} ns a bin to make a partial, {line['writing_ns']:.0f} to write the result"
            figures.append((line["what"], f"{line['cpu_ns']:.2f} ns CPU for a bin and partial", note))
    for line in bench("hep-io", "baskets", large, small):
        note = f"{line['small']:,} baskets of {SMALL_BASKET:,} events against {line['large']}, uncompressed"
        figures.append(("a basket beyond its codec", f"{line['decode_us']:.2f} µs CPU to decode, {line['plan_us']:.2f} to plan", note))
    return figures
