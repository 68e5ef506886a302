"""check_adl.py BINARY: the eight ADL queries equal RDataFrame's, bin for bin.

On 1000 real events, RDataFrame's published histograms (CSV, without under- and overflow); on these and on
200,000 generated ones, compiled RDataFrame run here and now (rdataframe/adl.cpp), entries and flow bins included.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import uproot

from oracle import FIXTURES, REPOSITORY, passed, run, skip

sys.path[:0] = [str(Path(__file__).parent / "rdataframe"), str(REPOSITORY / "datasets")]
from build import program  # noqa: E402
from real_events import Unavailable, real_events  # noqa: E402

PUBLISHED = FIXTURES / "adl_real_1000" / "rdataframe_csv"

NAMES = {
    1: ["met"], 2: ["jet_pt"], 3: ["jet_pt"], 4: ["met"], 5: ["met"],
    6: ["trijet_pt", "max_btag"], 7: ["sum_pt"], 8: ["transverse_mass"],
}  # fmt: skip


# A query's histograms by name: the bins, and the entries where they are known.
Histograms = dict[str, tuple[list[float], float | None]]


def ours(binary: Path, file: Path, query: int, folder: Path) -> Histograms:
    (folder / "adl.yaml").write_text(f"tree: Events\ndatasets: {{events: [{file}]}}\n")
    run(binary, "adl.yaml", "--processor", f"adl_q{query}", "--output", "adl.root", "--progress", "none", folder=folder)
    with uproot.open(folder / "adl.root") as out:
        found = {name: out[f"events/{name}"] for name in NAMES[query]}
        return {name: (h.values(flow=True).tolist(), h.member("fEntries")) for name, h in found.items()}


def compare(what: str, got: Histograms, want: Histograms) -> None:
    for name, (bins, entries) in want.items():
        ours, our_entries = got[name]
        if entries is None:
            ours, our_entries = ours[1:-1], None
        if ours != bins:
            differ = [(i, a, b) for i, (a, b) in enumerate(zip(ours, bins, strict=True)) if a != b]
            sys.exit(f"{what}, {name}: {len(differ)} bins differ (bin, ours, RDataFrame's): {differ[:5]}")
        if our_entries != entries:
            sys.exit(f"{what}, {name}: {our_entries} entries, RDataFrame has {entries}")
        if sum(bins) == 0:
            sys.exit(f"{what}, {name}: the oracle is empty")
        passed(f"{what}, {name}: {len(bins)} bins equal")


def published(query: int) -> Histograms:
    """RDataFrame's histograms as CSV: one row a bin, without under- and overflow."""
    files = ["6a", "6b"] if query == 6 else [str(query)]
    histograms: Histograms = {}
    for name, file in zip(NAMES[query], files, strict=True):
        with open(PUBLISHED / f"benchmark{file}.csv") as rows:
            histograms[name] = [float(row["content"]) for row in csv.DictReader(rows)], None
    return histograms


def live(oracle: Path, file: Path, query: int) -> Histograms:
    histograms = json.loads(subprocess.check_output([oracle, file, str(query)], text=True))["histograms"]
    return {name: (histograms[name]["bins"], histograms[name]["entries"]) for name in NAMES[query]}


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    try:
        real = real_events()
    except Unavailable as why:
        skip("adl", str(why))
        return
    if not PUBLISHED.is_dir():
        skip("adl against published histograms", "their folder of fixtures is not beside this repository")
    oracle = program()
    if oracle is None:
        skip("adl against compiled RDataFrame", "no g++")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = folder / "bench.root"
        make = [sys.executable, REPOSITORY / "datasets" / "make_bench.py", bench, "--events", "200000", "--seed-file", real]
        subprocess.run([*make, "--codec", "zstd", "--level", "5"], check=True, stdout=subprocess.DEVNULL)
        for query in NAMES:
            got = ours(binary, real, query, folder)
            if PUBLISHED.is_dir():
                compare(f"query {query}, 1000 real events, published", got, published(query))
            if oracle is not None:
                compare(f"query {query}, 1000 real events, compiled", got, live(oracle, real, query))
                compare(f"query {query}, 200,000 events", ours(binary, bench, query, folder), live(oracle, bench, query))


if __name__ == "__main__":
    main()
