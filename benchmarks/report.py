"""report.py RESULTS.jsonl: the tables of a run, as Markdown beside it. --readme puts a summary into README.md.

A run is a file of lines of JSON, one for each thing that was measured. Where something was measured twice, the later
line counts.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
PEERS = ("RDataFrame", "coffea", "uproot")
TITLES = {"hep-run": "hep-run", "RDataFrame": "RDataFrame", "coffea": "coffea", "uproot": "uproot + awkward"}
Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """What was measured, the later of two that are of the same thing; and every machine and build it was measured with."""
    latest: dict[tuple[Any, ...], Record] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        build = {name: value for name, value in record.get("machine", {}).items() if name != "load before"}
        key = (record["kind"], record.get("file"), record.get("query"), json.dumps(build))
        latest.pop(key, None)
        latest[key] = record
    return list(latest.values())


def files(records: list[Record]) -> Iterator[tuple[str, int, list[Record]]]:
    """Label, events and queries, in order, of each file."""
    adl = [record for record in records if record["kind"] == "adl"]
    for name in dict.fromkeys(record["file"] for record in adl):
        of_file = sorted((record for record in adl if record["file"] == name), key=lambda record: record["query"])
        yield of_file[0]["label"], of_file[0]["events"], of_file


def mean(ratios: Iterable[float | None]) -> float | None:
    """The geometric one, of what there is."""
    known = [ratio for ratio in ratios if ratio]
    return prod(known) ** (1 / len(known)) if known else None


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def number(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def ratio(value: float | None) -> str:
    """Bold where the peer is the faster one."""
    return number(value) if value is None or value >= 1 else f"**{value:.2f}**"


def of(record: Record, who: str, what: str) -> float | None:
    found = record["spent"].get(who, {}).get(what)
    return None if found is None else float(found)


def over(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def peer_ratio(record: Record, name: str, workers: int = 1, what: str = "cpu", ours: str | None = None) -> float | None:
    return over(of(record, f"{name} {workers}", what), of(record, f"hep-run {workers}", ours or what))


def floor_ratio(record: Record) -> float | None:
    """hep-run's ranges in multiples of decompression; none of a file that is not compressed."""
    below = record["floor"]
    return over(of(record, "hep-run 1", "loop"), below["full_cpu"]) if below["stored_bytes"] < below["bytes"] else None


def one_thread(records: list[Record], events: int) -> str:
    """Nanoseconds of the processor for an event, and the ratios."""
    def ns(seconds: float | None) -> str:
        return number(seconds / events * 1e9 if seconds else None)

    header = ["query", "reading", "floor", "floor to the values", "hep-run (its ranges)", *(TITLES[name] for name in PEERS)]
    header += ["ranges / floor", "ranges, ns per byte", *(f"{TITLES[name]} / hep-run" for name in PEERS)]
    rows = []
    for record in records:
        row = [f"Q{record['query']}", *(ns(record["floor"][f"{what}_cpu"]) for what in ("read", "full", "values"))]
        row.append(f"{ns(of(record, 'hep-run 1', 'cpu'))} ({ns(of(record, 'hep-run 1', 'loop'))})")
        row += [ns(of(record, f"{name} 1", "cpu")) for name in PEERS]
        each = over(of(record, "hep-run 1", "loop"), record["floor"]["bytes"])
        row += [number(floor_ratio(record), 2), number(each * 1e9 if each else None, 2)]
        rows.append(row + [ratio(peer_ratio(record, name)) for name in PEERS])
    if len(records) > 1:
        means = [ratio(mean(peer_ratio(record, name) for record in records)) for name in PEERS]
        loops = [ratio(mean(peer_ratio(record, name, ours="loop") for record in records)) for name in PEERS]
        blank = [""] * 7
        rows.append(["geometric mean", *blank, number(mean(map(floor_ratio, records)), 2), "", *means])
        rows.append(["the same to hep-run's ranges", *blank, "", "", *loops])
    return table(header, rows)


def more_threads(records: list[Record], workers: int) -> str:
    """Wall time of `workers` threads, how much better than one it is, and what it costs."""
    names = [name for name in ("hep-run", *PEERS) if any(of(record, f"{name} {workers}", "wall") for record in records)]
    header = ["query", *(f"{TITLES[name]}: wall ms, speed-up, CPU" for name in names), *(f"wall: {TITLES[name]} / hep-run" for name in names[1:])]
    rows = []
    for record in records:
        row = [f"Q{record['query']}"]
        for name in names:
            one, many = f"{name} 1", f"{name} {workers}"
            wall = of(record, many, "wall")
            faster, dearer = over(of(record, one, "least_wall"), of(record, many, "least_wall")), over(of(record, many, "cpu"), of(record, one, "cpu"))
            row.append(f"{number(wall * 1e3 if wall else None)}, {number(faster, 2)}, {number(dearer, 2)}")
        rows.append(row + [ratio(peer_ratio(record, name, workers, "wall")) for name in names[1:]])
    return table(header, rows)


def start_and_memory(records: list[Record]) -> str:
    """The largest of the queries: seconds before the first turn, what the first one takes more than the others; memory."""
    who = list(dict.fromkeys(name for record in records for name in record["spent"]))

    def most(name: str, find: Callable[[Record], float | None]) -> float | None:
        return max((value for record in records if name in record["spent"] and (value := find(record)) is not None), default=None)

    rows = []
    for name in who:
        start = most(name, lambda record: of(record, name, "startup_cpu"))
        extra = most(name, lambda record: max(0.0, record["spent"][name]["first_cpu"] - record["spent"][name]["cpu"]))
        peak = most(name, lambda record: of(record, name, "peak_mb"))
        title, workers = name.rsplit(" ", 1)
        rows.append([TITLES[title], workers, number(start, 2) if title != "hep-run" else "in its figures", number(extra, 2), number(peak, 0)])
    return table(["", "threads", "start, CPU s", "first turn, more CPU s", "peak MB of a process"], rows)


def summary(records: list[Record]) -> str:
    """A row for each file: geometric means over the queries."""
    header = ["file", "events", "hep-run, ns per event, Q1 … Q8", "ranges / floor", *(f"{TITLES[name]} / hep-run" for name in PEERS), "peak MB: hep-run, RDataFrame"]
    rows = []
    for label, events, queries in files(records):
        each = [of(record, "hep-run 1", "cpu") for record in queries]
        row = [label, f"{events:,}", " ".join(number(seconds / events * 1e9 if seconds else None, 0) for seconds in each)]
        row.append(number(mean(map(floor_ratio, queries)), 2))
        row += [ratio(mean(peer_ratio(record, name) for record in queries)) for name in PEERS]
        peaks = [max((of(record, f"{name} 1", "peak_mb") or 0 for record in queries), default=0) for name in ("hep-run", "RDataFrame")]
        rows.append([*row, ", ".join(number(peak or None, 0) for peak in peaks)])
    return table(header, rows)


def others(records: list[Record]) -> str:
    """What is a list of figures."""
    text = ""
    for record in records:
        if record["kind"] == "figures":
            text += f"## {record['file']}\n\n" + table(["", "", ""], [[name, value, note] for name, value, note in record["figures"]])
    return text


def markdown(records: list[Record], plot: str | None) -> str:
    text = "# Benchmarks\n\nMade by `make bench`; what the columns mean is in [the README](../README.md#benchmarks).\n\n"
    for record in records:
        if record["kind"] == "machine":
            text += table(["", ""], [[name, value] for name, value in record["machine"].items()])
    if any(record["kind"] == "adl" for record in records):
        text += "## All files\n\nProcessor time on one thread, geometric means over the queries. A ratio in bold is below 1: the peer is faster.\n\n"
        text += summary(records)
    if plot:
        text += f"![Processor time of each query]({plot})\n\n"
    for label, events, queries in files(records):
        text += f"## {label}, {events:,} events\n\nProcessor time in ns per event, one thread, median of {queries[0]['repeat']}:\n\n"
        text += one_thread(queries, events)
        counts = sorted({int(name.rsplit(" ", 1)[1]) for record in queries for name in record["spent"]} - {1})
        for workers in counts:
            text += f"{workers} threads; the speed-up is that of the best turns, CPU is in multiples of one thread's:\n\n" + more_threads(queries, workers)
        text += start_and_memory(queries)
        lost = {f"{who}: {why}" for record in queries for who, why in record["lost"].items()}
        text += "".join(f"* not measured: {line}\n" for line in sorted(lost)) + ("\n" if lost else "")
    return text + others(records)


def publish(records: list[Record], results: Path) -> None:
    """Puts the summary between the marks in the README."""
    readme = REPOSITORY / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{readme.name} has no place for it: no {BEGIN} and {END}")
    plot = results.with_suffix(".svg")
    body = summary(records)
    if plot.exists():
        body += f"![Processor time of each query]({plot.relative_to(REPOSITORY)})\n\n"
    body += f"All tables, and the machine: [{results.stem}]({results.with_suffix('.md').relative_to(REPOSITORY)}).\n"
    readme.write_text(f"{before}{BEGIN}\n{body}{END}{after}")


def write(results: Path) -> None:
    plot = results.with_suffix(".svg")
    results.with_suffix(".md").write_text(markdown(read(results), plot.name if plot.exists() else None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    results = options.results.resolve()
    write(results)
    if options.readme:
        publish(read(results), results)


if __name__ == "__main__":
    main()
