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
LEGEND = """A ratio in bold is below 1: the peer is faster. *Ranges / floor*: hep-run's ranges in multiples of decompressing all of
what they need. *RDataFrame / hep-run* charges hep-run for its whole process and RDataFrame for its event loop alone; *start-up
apart* compares the loop with hep-run's ranges. *Limit*: what the latter would be for a program that decompresses as far as values
go and does nothing else, and *with reading*, if it reads the bytes too. Dashes: not measured, or nothing to decompress."""


def build(machine: dict[str, str]) -> str:
    """What tells machines and binaries apart: neither the load, nor which commit gave the same binary."""
    same = {name: value.rsplit("binary", 1)[-1] for name, value in machine.items() if name != "load before"}
    return json.dumps(same)


def read(path: Path) -> list[Record]:
    """What was measured, the later of two that are of the same thing, each with the `build` it was measured with; and
    every machine and binary once."""
    latest: dict[tuple[Any, ...], Record] = {}
    measured_with = ""
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "machine":
            measured_with = build(record["machine"])
        key = (record["kind"], record.get("file"), record.get("query"), measured_with if record["kind"] == "machine" else "")
        latest.pop(key, None)
        latest[key] = record | {"build": measured_with}
    return list(latest.values())


def machines(records: list[Record]) -> str:
    """A column for each machine and binary that something here was measured with."""
    used = {record["build"]: list[str]() for record in records if record["kind"] != "machine"}
    for record in records:
        if record["kind"] != "machine":
            what = f"{record['label']}, {record['events'] / 1e6:g} M" if record["kind"] == "adl" else record["file"]
            used[record["build"]] += [what] if what not in used[record["build"]] else []
    each = {record["build"]: record["machine"] for record in records if record["kind"] == "machine" and (record["build"] in used or not used)}
    names = list(dict.fromkeys(name for machine in each.values() for name in machine))
    rows = [[name, *(machine.get(name, "") for machine in each.values())] for name in names]
    if len(each) > 1:
        rows.append(["measured with it", *("; ".join(used[one]) for one in each)])
    return table([""] * (1 + len(each)), rows) if each else ""


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
    text = number(value, 1 if value is None or value >= 3 else 2)
    return text if value is None or value >= 1 else f"**{text}**"


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


def ceiling(record: Record, reading: bool) -> float | None:
    """RDataFrame in multiples of what a framework takes that does nothing beyond decompressing as far as the values
    go, with or without reading the bytes; none where there is next to nothing to decompress and it is not about
    reading."""
    below = record["floor"]
    if not reading and below["values_cpu"] < 0.1 * below["read_cpu"]:
        return None
    return over(of(record, "RDataFrame 1", "cpu"), below["values_cpu"] + (below["read_cpu"] if reading else 0))


def mean_of_all(ratios: Iterable[float | None]) -> float | None:
    """The geometric mean, if all of them are there."""
    every = list(ratios)
    return mean(every) if all(every) else None


def start_cpu(record: Record, who: str) -> float | None:
    """Seconds of the processor before the first event, and after the last one. hep-run's are in its figures: its
    start, the opening of the file, and the output."""
    if not who.startswith("hep-run "):
        return of(record, who, "startup_cpu")
    whole, loop = of(record, who, "cpu"), of(record, who, "loop")
    return None if whole is None or loop is None else whole - loop


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
        rows.append(["geometric mean, hep-run's whole process", *blank, "", "", *means])
        rows.append(["geometric mean, start-up apart on both sides", *blank, number(mean(map(floor_ratio, records)), 2), "", *loops])
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
    """The largest of the queries: the start, what the first turn takes more than the others; memory."""
    who = list(dict.fromkeys(name for record in records for name in record["spent"]))

    def most(name: str, find: Callable[[Record], float | None]) -> float | None:
        return max((value for record in records if name in record["spent"] and (value := find(record)) is not None), default=None)

    rows = []
    for name in who:
        start = most(name, lambda record: start_cpu(record, name))
        extra = most(name, lambda record: max(0.0, record["spent"][name]["first_cpu"] - record["spent"][name]["cpu"]))
        peak = most(name, lambda record: of(record, name, "peak_mb"))
        title, workers = name.rsplit(" ", 1)
        milliseconds = [number(None if value is None else value * 1e3) for value in (start, extra)]
        milliseconds[0] += ", in its figures" if title == "hep-run" else ""
        rows.append([TITLES[title], workers, *milliseconds, number(peak, 0)])
    return table(["", "threads", "start, CPU ms", "first turn, more CPU ms", "peak MB of a process"], rows)


def memory(records: list[Record]) -> str:
    """How peak memory grows with the number of events: the largest of the queries that were done with all of them."""
    each: dict[str, dict[int, list[Record]]] = {}
    for label, events, queries in files(records):
        each.setdefault(label, {})[events] = queries
    text = ""
    for counts in sorted({tuple(sorted(sizes)) for sizes in each.values() if len(sizes) > 1}):
        rows = []
        for label, sizes in each.items():
            if tuple(sorted(sizes)) != counts:
                continue
            common = set.intersection(*({record["query"] for record in sizes[events]} for events in counts))
            who = [name for name in sizes[counts[0]][0]["spent"] if all(of(record, name, "peak_mb") for events in counts for record in sizes[events])]
            for name in who:
                peaks = [max(of(record, name, "peak_mb") or 0 for record in sizes[events] if record["query"] in common) for events in counts]
                title, workers = name.rsplit(" ", 1)
                rows.append([label, TITLES[title], workers, *(number(peak, 0) for peak in peaks), number(peaks[-1] / peaks[0], 2)])
        text += table(["file", "", "threads", *(f"{events / 1e6:g} M events" for events in counts), "growth"], rows)
    return f"## Memory\n\nPeak MB of a process, the largest of the queries:\n\n{text}" if text else ""


def summary(records: list[Record]) -> str:
    """A row for each file: geometric means over the queries."""
    header = ["file", "events", "hep-run, ns per event, Q1 … Q8", "ranges / floor", "RDataFrame / hep-run", "start-up apart", "limit with reading", "limit"]
    header += [*(f"{TITLES[name]} / hep-run" for name in PEERS[1:]), "peak MB: hep-run, RDataFrame"]
    rows = []
    for label, events, queries in files(records):
        each = [of(record, "hep-run 1", "cpu") for record in queries]
        row = [label, f"{events:,}", " ".join(number(seconds / events * 1e9 if seconds else None, 0) for seconds in each)]
        row.append(number(mean(map(floor_ratio, queries)), 2))
        row += [ratio(mean(peer_ratio(record, "RDataFrame", ours=ours) for record in queries)) for ours in ("cpu", "loop")]
        row += [ratio(mean_of_all(ceiling(record, reading) for record in queries)) for reading in (True, False)]
        row += [ratio(mean(peer_ratio(record, name) for record in queries)) for name in PEERS[1:]]
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
    text += machines(records)
    if any(record["kind"] == "adl" for record in records):
        text += f"## All files\n\nProcessor time on one thread, geometric means over the queries.\n{LEGEND}\n\n"
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
    return text + memory(records) + others(records)


def publish(records: list[Record], results: Path) -> None:
    """Puts the summary between the marks in the README."""
    readme = REPOSITORY / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{readme.name} has no place for it: no {BEGIN} and {END}")
    plot = results.with_suffix(".svg")
    body = f"{LEGEND}\n\n{summary(records)}"
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
