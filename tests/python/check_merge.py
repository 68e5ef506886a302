"""check_merge.py BINARY: `hep-run merge` equals hadd (TFileMerger) on plain ROOT files of every histogram
class, and merges outputs of runs by their ledgers."""

import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import ROOT
import uproot

from oracle import REPOSITORY, passed, run

ROOT.gErrorIgnoreLevel = ROOT.kWarning
DATASETS = REPOSITORY / "datasets"


def book(kind: str):
    """A histogram of the class `kind`, and how many coordinates a fill of it takes."""
    if kind.startswith("TProfile"):
        dimension = int(kind[8]) if len(kind) > 8 else 1
    else:
        dimension = int(kind[2])
    bins = [(7, -1.5, 2.0), (4, 0.0, 3.0), (3, -2.0, 2.0)][:dimension]
    arguments = [number for axis in bins for number in axis]
    histogram = getattr(ROOT, kind)(kind, f"{kind};x [GeV];y", *arguments)
    histogram.SetDirectory(ROOT.nullptr)
    return histogram, dimension


def make(path: Path, seed: int) -> None:
    """A file with one filled histogram of each class, in directories too."""
    random = np.random.default_rng(seed)
    file = ROOT.TFile(str(path), "RECREATE")
    kinds = [f"TH{d}{e}" for d in "123" for e in "CSILFD"] + ["TProfile", "TProfile2D", "TProfile3D"]
    for at, kind in enumerate(kinds):
        histogram, dimension = book(kind)
        weighted = kind[-1] in "FD" or kind == "TProfile"
        if weighted and at % 2:
            histogram.Sumw2()
        coordinates = dimension + (1 if kind.startswith("TProfile") else 0)
        for x in random.normal(0.3, 1.0, (30, coordinates)):
            weight = [float(random.integers(1, 4))] if weighted else []
            histogram.Fill(*map(float, x), *weight)
        folder = file.mkdir("deep/er", "", True) if at % 3 == 0 else file
        folder.WriteObject(histogram, kind)
    edges = ROOT.TH1D("edges", "", 3, np.array([0.0, 1.0, 10.0, 100.0]))
    edges.SetDirectory(ROOT.nullptr)
    for x in random.uniform(-1, 120, 40):
        edges.Fill(x)
    file.WriteObject(edges, "edges")
    labels = ROOT.TH1D("labels", "", 3, 0, 3)
    labels.SetDirectory(ROOT.nullptr)
    for label in (["a", "b", "c"], ["c", "d", "a"])[seed % 2]:
        labels.Fill(label, float(seed))
    file.WriteObject(labels, "labels")
    partial = ROOT.TH1D("partial", "", 3, 0, 3)
    partial.SetDirectory(ROOT.nullptr)
    if seed == 1:
        partial.GetXaxis().SetBinLabel(2, "b")
    plane = ROOT.TH2D("plane", "", 2, 0, 2, 4, 0, 4)
    plane.SetDirectory(ROOT.nullptr)
    for label in (["u", "v"], ["v", "w", "x"])[seed % 2]:
        plane.Fill(label, 2.5, float(seed))
        partial.Fill(2.5)
    file.WriteObject(partial, "partial")
    file.WriteObject(plane, "plane")
    file.Close()


def contents(path: Path) -> dict:
    """Every number of every histogram, by path."""
    found = {}

    def walk(directory, prefix):
        for key in directory.GetListOfKeys():
            item = key.ReadObj()
            if item.InheritsFrom("TDirectory"):
                walk(item, f"{prefix}{key.GetName()}/")
            elif item.InheritsFrom("TH1"):
                found[prefix + key.GetName()] = numbers(item)

    file = ROOT.TFile.Open(str(path))
    walk(file, "")
    file.Close()
    return found


def numbers(h) -> dict:
    h.BufferEmpty()
    cells = range(h.GetNcells())
    statistics = np.zeros(13)
    h.GetStats(statistics)
    axes = [h.GetXaxis(), h.GetYaxis(), h.GetZaxis()][: h.GetDimension()]
    label = lambda axis: [str(axis.GetBinLabel(i)) for i in range(1, axis.GetNbins() + 1)] if axis.GetLabels() else []  # noqa: E731
    out = {
        "class": h.ClassName(),
        "title": h.GetTitle(),
        "entries": h.GetEntries(),
        "contents": [h.GetBinContent(i) for i in cells],
        "errors": [h.GetBinError(i) for i in cells],
        "statistics": statistics.tolist(),
        "axes": [(a.GetTitle(), a.GetNbins(), [a.GetBinLowEdge(i) for i in range(1, a.GetNbins() + 2)], label(a)) for a in axes],
    }
    if h.InheritsFrom("TProfile") or h.InheritsFrom("TProfile2D") or h.InheritsFrom("TProfile3D"):
        out["bin entries"] = [h.GetBinEntries(i) for i in cells]
    return out


def same(ours: dict, want: dict) -> None:
    for path, value in want.items():
        labelled = any(axis[3] for axis in value["axes"]) and path != "partial"
        for what in value:
            got = ours[path][what]
            if labelled:
                # hadd doubles the axis until all labels fit; ours has just as many bins as labels.
                got, expected = by_label(ours[path], what), by_label(value, what)
                if expected is None:
                    continue
            else:
                expected = value[what]
            if what in ("class", "title", "axes"):
                assert got == expected, (path, what, got, expected)
            else:
                np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12, err_msg=f"{path} {what}")


def by_label(value: dict, what: str):
    if what not in ("contents", "errors"):
        return None if what in ("axes", "statistics") else value[what]
    (x, *rest) = value["axes"]
    stride = x[1] + 2
    rows = math.prod(axis[1] + 2 for axis in rest)
    columns = sorted((label, i + 1) for i, label in enumerate(x[3]) if label)
    return [value[what][stride * row + column] for _, column in columns for row in range(rows)]


def hadd(output: Path, inputs: list[Path]) -> None:
    merger = ROOT.TFileMerger(False)
    merger.SetNotrees(True)
    merger.OutputFile(str(output), "RECREATE")
    for path in inputs:
        merger.AddFile(str(path))
    assert merger.Merge()


def plain(binary: Path, folder: Path) -> None:
    make(folder / "a.root", 1)
    make(folder / "b.root", 2)
    hadd(folder / "hadd.root", [folder / "a.root", folder / "b.root"])
    run(binary, "merge", "-o", "out.root", "a.root", "b.root", folder=folder)
    ours, want = contents(folder / "out.root"), contents(folder / "hadd.root")
    assert ours.keys() == want.keys() and len(want) == 25, (ours.keys(), want.keys())
    same(ours, want)
    passed(f"merge equals hadd on {len(want)} histograms")
    run(binary, "merge", "-o", "one.root", "a.root", folder=folder)
    same(contents(folder / "one.root"), contents(folder / "a.root"))
    passed("one file through merge is unchanged")


def buffer(path: Path, seed: int) -> None:
    """Histograms that look for their range: with few fills they keep them in a buffer, with many they have it."""
    random = np.random.default_rng(seed)
    file = ROOT.TFile(str(path), "RECREATE")
    for kind in ("TH1D", "TH1F", "TH1I", "TH2D", "TH3F"):
        dimension = int(kind[2])
        for name, fills in (("few", 5), ("some", 700), ("mixed", (3, 1500)[seed % 2]), ("none", 0)):
            histogram = getattr(ROOT, kind)(f"{kind}_{name}", "", *([8, 0.0, 0.0] * dimension))
            histogram.SetDirectory(ROOT.nullptr)
            for x in random.normal(10.0 * seed, 3.0, (fills, dimension)):
                histogram.Fill(*map(float, x), *([2.5] if kind == "TH1D" else []))
            file.WriteObject(histogram, histogram.GetName())
    whole = ROOT.TH1D("whole", "", 12, 0.0, 0.0)
    whole.SetDirectory(ROOT.nullptr)
    whole.GetXaxis().SetBit(ROOT.TAxis.kIsInteger)
    for x in random.integers(-3, 40, 20):
        whole.Fill(float(x))
    file.WriteObject(whole, "whole")
    file.Close()


def buffered(binary: Path, folder: Path) -> None:
    """A histogram that is still looking for its range holds its entries in a buffer: not in its bins."""
    compared = 0
    for seeds in ((1, 2), (2, 1), (3, 4, 6), (5,)):
        names = [f"buffer{seed}.root" for seed in seeds]
        for name, seed in zip(names, seeds):
            buffer(folder / name, seed)
        hadd(folder / "hadd.root", [folder / name for name in names])
        run(binary, "merge", "--force", "-o", "out.root", *names, folder=folder)
        ours, want = contents(folder / "out.root"), contents(folder / "hadd.root")
        assert ours.keys() == want.keys() and len(want) == 21
        same(ours, want)
        compared += len(want)
    passed(f"merge equals hadd on {compared} histograms that look for their range")


def runs(binary: Path, folder: Path) -> None:
    fileset = DATASETS / "dimuon.yaml"
    quiet = ["--progress", "none"]
    run(binary, fileset, "--output", "whole.root", *quiet, folder=folder)
    for name in ("DoubleMuon2018", "DYJetsToLL"):
        run(binary, fileset, "--dataset", name, "--output", f"{name}.root", *quiet, folder=folder)
    run(binary, "merge", "-o", "sum.root", "DoubleMuon2018.root", "DYJetsToLL.root", folder=folder)
    same(contents(folder / "sum.root"), contents(folder / "whole.root"))
    with uproot.open(folder / "sum.root") as merged, uproot.open(folder / "whole.root") as whole:
        assert json.loads(str(merged["ledger"])) == json.loads(str(whole["ledger"]))
    passed("outputs of two datasets merge to that of one run, and so do their ledgers")
    run(binary, "merge", "-o", "twice.root", "whole.root", "DYJetsToLL.root", folder=folder, status=2)
    assert not (folder / "twice.root").exists()
    run(binary, "merge", "-o", "mixed.root", "whole.root", "a.root", folder=folder, status=1)
    passed("the same entries twice are refused, and so is a mixture")


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        plain(binary, Path(name))
        buffered(binary, Path(name))
        runs(binary, Path(name))


if __name__ == "__main__":
    main()
