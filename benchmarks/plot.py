"""plot.py RESULTS.jsonl: an SVG beside it: processor time for an event, of each query and file, by each contestant."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from report import TITLES, files, floor_ratio, of, read  # noqa: E402

COLOURS = {"floor": "#bbbbbb", "hep-run": "#c1272d", "RDataFrame": "#0b6e99", "coffea": "#e0a526", "uproot": "#5a8f3c"}


def main() -> None:
    path = Path(sys.argv[1])
    panels = list(files(read(path)))
    plt.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "hep-run", "font.size": 9, "font.family": "sans-serif"}
    rows = -(-len(panels) // 3)
    figure, axes = plt.subplots(rows, min(3, len(panels)), figsize=(4 * min(3, len(panels)), 2.9 * rows), sharey=True, squeeze=False, layout="constrained")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (label, events, queries) in zip(axes.flat, panels, strict=False):
        where = [record["query"] for record in queries]
        below = [record["floor"]["full_cpu"] / events * 1e9 for record in queries]
        if any(floor_ratio(record) for record in queries):
            axis.bar(where, below, width=0.7, color=COLOURS["floor"], label="decompression alone")
        for name, title in TITLES.items():
            seconds = [of(record, f"{name} 1", "cpu") for record in queries]
            each = [value / events * 1e9 if value else None for value in seconds]
            axis.plot(where, [float("nan") if value is None else value for value in each], "o-", markersize=4, color=COLOURS[name], label=title)
        axis.set(title=f"{label}, {events / 1e6:g} M events", yscale="log", xticks=where, xticklabels=[f"Q{query}" for query in where])
        axis.grid(axis="y", alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_ylabel("CPU ns per event, one thread")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
