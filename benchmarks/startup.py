"""How long it takes to say something, and to the first event of a file of 2,656 branches."""

import json
import statistics
import tempfile
from pathlib import Path

from contestants import Programs, spend
from files import REPOSITORY

# A NanoAOD-like tree of 30 events, as wide as the widest real ones; see tests/python/make_wide.py.
WIDE = REPOSITORY / "io" / "tests" / "data" / "wide.root"

# What was measured, in how much, and a remark.
Figure = tuple[str, str, str]


def measure(programs: Programs, repeat: int) -> list[Figure]:
    """Whole processes, in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wide.json").write_text(json.dumps({"tree": "Events", "datasets": {"wide": [str(WIDE)]}}))
        query = ["wide.json", "--processor", "adl_q1", "--executor", "serial", "--output", "o.root", "--progress", "none"]
        runs: dict[str, list[object]] = {
            "hep-run --help": [programs.hep_run, "--help"],
            "hep-run, MET of 30 events of 2,656 branches": [programs.hep_run, *query],
        }
        if programs.rdataframe:
            runs["RDataFrame, the same"] = [programs.rdataframe, WIDE, 1]
        for peer in ("uproot", "coffea"):
            code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import peer; peer.PEERS[{peer!r}]({str(WIDE)!r}, 1, 1)()"
            runs[f"{peer}, the same"] = [programs.python, "-W", "ignore", "-c", code]
        taken: dict[str, list[tuple[float, float, int]]] = {run: [] for run in runs}
        for _ in range(repeat + 1):
            for run, command in runs.items():
                taken[run].append(spend([str(part) for part in command], folder))

    def figure(run: str) -> Figure:
        # The first turn may have read programs from disk.
        cpu, wall, peak = (statistics.median(column) for column in zip(*taken[run][1:], strict=True))
        return run, f"{wall * 1e3:.1f} ms", f"{cpu * 1e3:.1f} ms CPU, {peak / 1e3:.0f} MB"

    return [figure(run) for run in runs]
