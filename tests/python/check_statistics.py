"""check_statistics.py FAULTY: means, standard deviations and their sums in the output are those of ROOT's histograms that
were filled with the same numbers, for every kind of histogram; so are those with four axes and more (THnD, THnSparseD),
which ROOT, uproot and our own `inspect` and `merge` read; weights that are no numbers are counted and said."""

import array
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import boost_histogram as bh
import numpy as np
import ROOT
import uhi.io.json
import uproot
from boost_histogram.serialization import from_uhi
from faulty import write_files
from oracle import passed, run

ROOT.gErrorIgnoreLevel = ROOT.kError
ROOT.TH1.AddDirectory(False)
ENTRIES = 3000
X, Y, Z = (10, 0.0, 1.0), np.array([0.0, 0.2, 0.5, 1.0]), (5, 0.0, 5.0)
NAMES = ["a", "b", "c"]


def book() -> dict:
    def label(axis: "ROOT.TAxis") -> None:
        for i, name in enumerate(NAMES):
            axis.SetBinLabel(i + 1, name)
        axis.SetCanExtend(False)

    def many(cls: str, name: str, title: str, bins: list[int], low: list[float], high: list[float]) -> "ROOT.THnBase":
        h = getattr(ROOT, cls)(name, title, len(bins), array.array("i", bins), array.array("d", low), array.array("d", high))
        h.GetAxis(1).Set(3, Y)
        h.GetAxis(len(bins) - 1).SetTitle("which")
        label(h.GetAxis(len(bins) - 1))
        return h

    z = np.arange(6.0)
    histograms = {
        "count": ROOT.TH1D("count", "", *X),
        "one": ROOT.TH1D("one", "", *X),
        "two": ROOT.TH2D("two", "", *X, 3, Y),
        "three": ROOT.TH3D("three", "", 10, np.linspace(0, 1, 11), 3, Y, 5, z),
        "name": ROOT.TH1D("name", "", 3, 0, 3),
        "varied": ROOT.TH2D("varied", "", 3, 0, 3, *X),
        "four": many("THnD", "four", "four axes", [10, 3, 5, 3], [0, 0, 0, 0], [1, 1, 5, 3]),
        "sparse": many("THnSparseD", "sparse", "", [40, 3, 5, 300, 3], [0, 0, 0, -1, 0], [1, 1, 5, 1.5, 3]),
    }
    histograms["four"].GetAxis(0).SetTitle("x [cm]")
    label(histograms["name"].GetXaxis())
    label(histograms["varied"].GetXaxis())
    for h in histograms.values():
        h.Sumw2()
    return histograms


def fill(histograms: dict, numbers: range, odd: int) -> dict:
    for n in numbers:
        x, y = (1.4 * ((n * step) % 997 / 997.0) - 0.2 for step in (37, 101))
        z, w = n % 7 - 1, 1.5 - (n * 59) % 997 / 997.0 * 2.0
        if odd and n % (2 * odd) == 0:
            w = math.nan
        elif odd and n % odd == 0:
            w = math.inf
        name, which = NAMES[n % 3], n % 3 + 0.5
        histograms["count"].Fill(x)
        histograms["one"].Fill(x, w)
        histograms["two"].Fill(x, y, w)
        histograms["three"].Fill(x, y, z, w)
        histograms["name"].Fill(name, w)
        for variation, factor in zip(NAMES, (1.0, 1.5, -0.5)):
            histograms["varied"].Fill(variation, y, factor * w)
        histograms["four"].Fill(array.array("d", [x, y, z, which]), w)
        histograms["sparse"].Fill(array.array("d", [x, y, z, x - y, which]), w)
    return histograms


def close(ours: float, roots: float, what: str) -> None:
    same = math.isclose(ours, roots, rel_tol=1e-10, abs_tol=1e-9) or (math.isnan(ours) and math.isnan(roots))
    assert same, f"{what}: {ours!r}, ROOT {roots!r}"


def stats(h: "ROOT.TH1") -> list[float]:
    sums = array.array("d", [0.0] * 13)
    h.GetStats(sums)
    return list(sums[: {1: 4, 2: 7, 3: 11}[h.GetDimension()]])


def filled(h: "ROOT.THnBase") -> dict:
    bins, at = {}, np.zeros(h.GetNdimensions(), dtype=np.int32)
    for i in range(h.GetNbins()):
        content = h.GetBinContent(i, at)
        if content != 0 or h.GetBinError2(i) != 0:
            bins[tuple(at.tolist())] = (content, h.GetBinError2(i))
    return bins


def compare(ours: "ROOT.TObject", want: "ROOT.TObject", name: str) -> None:
    close(ours.GetEntries(), want.GetEntries(), f"{name}, entries")
    if not want.InheritsFrom("THnBase"):
        for at, (mine, root) in enumerate(zip(stats(ours), stats(want), strict=True)):
            close(mine, root, f"{name}, sum {at}")
        for axis in range(1, want.GetDimension() + 1):
            close(ours.GetMean(axis), want.GetMean(axis), f"{name}, mean on axis {axis}")
            close(ours.GetStdDev(axis), want.GetStdDev(axis), f"{name}, standard deviation on axis {axis}")
        close(ours.GetEffectiveEntries(), want.GetEffectiveEntries(), f"{name}, effective entries")
        return
    close(ours.GetSumw(), want.GetSumw(), f"{name}, sum of weights")
    close(ours.GetSumw2(), want.GetSumw2(), f"{name}, sum of squares")
    for axis in range(want.GetNdimensions()):
        close(ours.GetSumwx(axis), want.GetSumwx(axis), f"{name}, sum on axis {axis}")
        close(ours.GetSumwx2(axis), want.GetSumwx2(axis), f"{name}, squares on axis {axis}")
        mine, root = ours.GetAxis(axis), want.GetAxis(axis)
        assert (mine.GetNbins(), str(mine.GetTitle())) == (root.GetNbins(), str(root.GetTitle())), (name, axis)
        for i in range(1, root.GetNbins() + 2):
            close(mine.GetBinLowEdge(i), root.GetBinLowEdge(i), f"{name}, edge {i} of axis {axis}")
            assert str(mine.GetBinLabel(i)) == str(root.GetBinLabel(i)) or i > root.GetNbins(), (name, axis, i)
    assert str(ours.GetTitle()) == str(want.GetTitle())
    mine, root = filled(ours), filled(want)
    assert mine.keys() == root.keys() and len(root) > 300, (name, len(mine), len(root))
    for at, numbers in root.items():
        for which in (0, 1):
            close(mine[at][which], numbers[which], f"{name}, bin {at}")


def read(path: Path, folder: str) -> dict:
    file = ROOT.TFile.Open(str(path))
    directory = file.Get(folder)
    found = {key.GetName(): key.ReadObj() for key in directory.GetListOfKeys()}
    return found


def outputs(faulty: Path, folder: Path, files: list[Path], name: str, odd: int = 0) -> tuple[Path, dict]:
    fileset = folder / f"{name}.json"
    fileset.write_text(json.dumps({"processor": {"name": "weighed", "odd": odd}, "tree": "Events",
                                   "datasets": {"data": {"files": [str(file) for file in files]}}}))
    out, text = folder / f"{name}-out.root", folder / f"{name}-out.json"
    run(faulty, fileset, "-o", out, "-o", text, "--progress", "none", "--entries-per-range", 700, folder=folder)

    def no_number(word: str) -> None:
        raise AssertionError(f"{word} in JSON")

    return out, json.loads(text.read_text(), parse_constant=no_number)


def main() -> None:
    faulty = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_files(folder, 2, ENTRIES // 2, 500)
        whole, text = outputs(faulty, folder, files, "whole")
        want = fill(book(), range(ENTRIES), 0)
        ours = read(whole, "data")
        assert ours.keys() == want.keys(), ours.keys()
        for key, histogram in want.items():
            assert ours[key].ClassName() == histogram.ClassName(), (key, ours[key].ClassName())
            compare(ours[key], histogram, key)
        passed("sums, means and standard deviations are ROOT's; so are THnD and THnSparseD")

        metadata = text["datasets"]["data"]["objects"]["two"]["metadata"]
        names = ["sumw", "sumw2", "sumwx", "sumwx2", "sumwy", "sumwy2", "sumwxy"]
        for key, sum_ in zip(names, stats(want["two"]), strict=True):
            close(metadata[key], sum_, f"{key} in JSON")
        metadata = text["datasets"]["data"]["objects"]["four"]["metadata"]
        for axis in range(4):
            close(metadata[f"sumwx_{axis}"], want["four"].GetSumwx(axis), f"sumwx_{axis} in JSON")
            close(metadata[f"sumwx2_{axis}"], want["four"].GetSumwx2(axis), f"sumwx2_{axis} in JSON")
        passed("the sums are in JSON")

        parts = [outputs(faulty, folder, [file], f"part{i}")[0] for i, file in enumerate(files)]
        run(faulty, "merge", "-o", "merged.root", *parts, folder=folder)
        merged = read(folder / "merged.root", "data")
        for key, histogram in want.items():
            compare(merged[key], histogram, f"merged {key}")
        passed("merged outputs have the sums of a whole run")

        # Plain files of ROOT's, of every class.
        kinds = [f"{base}{letter}" for base in ("THn", "THnSparse") for letter in "CSILFD"]
        for number in range(2):
            file = ROOT.TFile(str(folder / f"plain{number}.root"), "RECREATE")
            for key, histogram in fill(book(), range(number * 1000, number * 1000 + 1000), 0).items():
                file.WriteObject(histogram, key)
            for kind in kinds:
                h = getattr(ROOT, kind)(kind, kind, 2, array.array("i", [300, 20000]), array.array("d", [0, 0]), array.array("d", [1, 1])) \
                    if kind.startswith("THnSparse") else \
                    getattr(ROOT, kind)(kind, kind, 2, array.array("i", [30, 20]), array.array("d", [0, 0]), array.array("d", [1, 1]))
                if kind[-1] in "FD":
                    h.Sumw2()
                for n in range(number * 500, number * 500 + 500):
                    h.Fill(array.array("d", [n * 37 % 997 / 997.0, n * 101 % 997 / 997.0]))
                file.WriteObject(h, kind)
            file.Close()
        plain = [folder / f"plain{number}.root" for number in range(2)]
        merger = ROOT.TFileMerger(False)
        merger.OutputFile(str(folder / "hadd.root"), "RECREATE")
        for path in plain:
            merger.AddFile(str(path))
        assert merger.Merge()
        run(faulty, "merge", "-o", "ours.root", *plain, folder=folder)
        hadd, mine = ROOT.TFile(str(folder / "hadd.root")), ROOT.TFile(str(folder / "ours.root"))
        for key in want:
            compare(mine.Get(key), hadd.Get(key), f"{key} of plain files")
        for kind in kinds:
            ours_kind, root_kind = mine.Get(kind), hadd.Get(kind)
            assert ours_kind.ClassName() == root_kind.ClassName(), kind
            assert filled(ours_kind) == filled(root_kind) and filled(root_kind), kind
            assert ours_kind.GetEntries() == root_kind.GetEntries() == 1000, kind
            # What was read is not complete unless it can be filled on.
            for n in range(200):
                ours_kind.Fill(array.array("d", [n / 200.0, 0.5]))
            assert ours_kind.GetEntries() == 1200
        passed("plain files of ROOT's merge as hadd merges them, THn and THnSparse of every number included")

        with uproot.open(whole) as file:
            four = file["data/four"]
            assert four.member("fEntries") == ENTRIES and len(four.member("fArray").member("fData")) == 12 * 5 * 7 * 5
            chunk = file["data/sparse"].member("fBinContent")[0]
            assert chunk.member("fCoordinatesSize") > 0
        shown = run(faulty, "inspect", f"{whole}:data/sparse", folder=folder)
        assert shown.startswith("THnSparseT<TArrayD> data/sparse: 40 bins 0..1 ×"), shown[:200]
        assert len(shown.splitlines()) == 1 + len(filled(want["sparse"])), shown[:500]
        passed("uproot and inspect read them")

        odd, text = outputs(faulty, folder, files, "odd", 500)
        want = fill(book(), range(ENTRIES), 500)
        ours = read(odd, "data")
        for key in ("count", "one", "two", "three", "name", "varied", "four", "sparse"):
            compare(ours[key], want[key], f"{key} with weights that are no numbers")
        counted = {"one": 6, "two": 6, "three": 6, "name": 6, "varied": 18, "four": 6, "sparse": 6}
        assert text["ledger"]["datasets"][0]["non_finite_weights"] == counted, text["ledger"]["datasets"][0]
        one = text["datasets"]["data"]["objects"]["one"]
        assert one["metadata"]["non_finite_weights"] == 6
        histogram = from_uhi(json.loads(json.dumps(one), object_hook=uhi.io.json.object_hook))
        assert isinstance(histogram, bh.Histogram) and not np.isfinite(histogram.view(flow=True)["value"]).all()
        said = subprocess.run([faulty, folder / "odd.json", "-o", "again.root", "--progress", "none"], cwd=folder,
                              capture_output=True, text=True, check=True)
        assert "histogram `one` of dataset `data`: the weights of 6 fills are infinite or not a number" in said.stdout + said.stderr, said
        # Of other settings; and of the same entries where those do not matter.
        run(faulty, "merge", "-o", "twice.root", odd, parts[0], folder=folder, status=1)
        run(faulty, "merge", "-o", "twice.root", "--allow-different", "settings", odd, parts[0], folder=folder, status=2)
        passed("weights that are no numbers are counted and said, and JSON stays JSON")


if __name__ == "__main__":
    main()
