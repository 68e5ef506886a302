"""check_objects.py BINARY: objects other than trees. `hep-run inspect` shows of every histogram, graph, parameter and
text of the fixtures what uproot and ROOT read; `hep-run merge` makes of seeded objects, and of the fixtures' own, what
hadd (TFileMerger) makes of them."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import ROOT
import uproot

from check_merge import hadd, numbers
from oracle import FIXTURES, passed, run, skip

ROOT.gErrorIgnoreLevel = ROOT.kError
ROOT.TH1.AddDirectory(False)
SEEDS = range(12)
# A wrapped object must not be deleted by Python while ROOT holds it, nor the other way round.
KEPT = []


def keep(item):
    ROOT.SetOwnership(item, False)
    KEPT.append(item)
    return item


GRAPHS = ("TGraph", "TGraphErrors", "TGraphAsymmErrors")
KNOWN = ("TH1", "TH2", "TH3", "TProfile", "TGraph", "TEfficiency", "TParameter", "TObjString", "TNamed")

# --- what ROOT reads ---------------------------------------------------------------------------------------------


def content(item) -> dict:
    """Every number and text of an object that ROOT has read."""
    out = {"class": item.ClassName(), "name": item.GetName(), "title": item.GetTitle()}
    if item.InheritsFrom("TH1"):
        out |= numbers(item) | drawing(item)
        out["axis styles"] = [axis_style(axis) for axis in (item.GetXaxis(), item.GetYaxis(), item.GetZaxis())]
        out["extremes"] = (item.GetMaximumStored(), item.GetMinimumStored(), item.GetNormFactor(), item.GetOption())
    elif item.InheritsFrom("TGraph2D"):
        out["points"] = [[getattr(item, f"Get{c}")()[i] for i in range(item.GetN())] for c in "XYZ"]
    elif item.InheritsFrom("TGraph"):
        names = {"TGraph": ["X", "Y"], "TGraphErrors": ["X", "Y", "EX", "EY"]}
        asymmetric = ["X", "Y", "EXlow", "EXhigh", "EYlow", "EYhigh"]
        columns = names.get(item.ClassName(), asymmetric)
        out["points"] = [[getattr(item, f"Get{c}")()[i] for i in range(item.GetN())] for c in columns]
        out |= drawing(item)
        out["bits"] = item.TestBits(0x00FFFFEF)
        out["range"] = (item.GetMinimum(), item.GetMaximum())
        if item.GetN():
            out["axis titles"] = (item.GetXaxis().GetTitle(), item.GetYaxis().GetTitle())
    elif item.InheritsFrom("TEfficiency"):
        passed_events, total = item.GetPassedHistogram(), item.GetTotalHistogram()
        out |= drawing(item)
        out["passed"], out["total"] = content(passed_events), content(total)
        cells = range(total.GetNcells())
        out["values"] = [item.GetEfficiency(i) for i in cells]
        if item.GetStatisticOption() != 4:
            out["errors"] = [(item.GetEfficiencyErrorLow(i), item.GetEfficiencyErrorUp(i)) for i in cells]
        out["priors"] = [(item.GetBetaAlpha(i), item.GetBetaBeta(i)) for i in cells]
        out["settings"] = (item.GetWeight(), item.GetConfidenceLevel(), int(item.GetStatisticOption()))
        out["bits"] = item.TestBits(0x007FC000)
    elif item.ClassName().startswith("TParameter"):
        out["value"], out["bits"] = item.GetVal(), item.TestBits(0x003F0000)
    elif item.ClassName() == "TObjString":
        out["value"] = str(item.GetString())
    elif item.InheritsFrom("TF1"):
        out["value"] = [item.Eval(x) for x in (0.1, 0.5, 0.9)]
    elif item.ClassName() == "TMacro":
        out["value"] = [str(line) for line in item.GetListOfLines()]
    elif item.ClassName() == "TVectorT<double>":
        out["value"] = [item[i] for i in range(item.GetNrows())]
    return out


def drawing(item) -> dict:
    lines = (item.GetLineColor(), item.GetLineStyle(), item.GetLineWidth(), item.GetFillColor(), item.GetFillStyle())
    return {"drawing": (*lines, item.GetMarkerColor(), item.GetMarkerStyle(), item.GetMarkerSize())}


def axis_style(axis) -> tuple:
    sizes = (axis.GetLabelSize(), axis.GetLabelOffset(), axis.GetTitleSize(), axis.GetTitleOffset(), axis.GetTickLength())
    fonts = (axis.GetAxisColor(), axis.GetLabelColor(), axis.GetLabelFont(), axis.GetTitleColor(), axis.GetTitleFont())
    return (axis.GetNdivisions(), *sizes, *fonts, axis.GetFirst(), axis.GetLast())


def contents(path: Path) -> dict:
    """All objects of a file by path and cycle."""
    found = {}

    def walk(directory, prefix: str) -> None:
        for key in directory.GetListOfKeys():
            if not key.GetClassName().startswith((*KNOWN, "TDirectory", "TF1", "TMacro", "TVectorT")):
                continue
            item = keep(key.ReadObj())
            if item.InheritsFrom("TDirectory"):
                walk(item, f"{prefix}{key.GetName()}/")
            else:
                found[f"{prefix}{key.GetName()};{key.GetCycle()}"] = content(item)

    file = keep(ROOT.TFile.Open(str(path)))
    walk(file, "")
    return found


def same(got, want, where: str) -> None:
    """Equal, numbers to 12 digits."""
    if isinstance(want, dict):
        assert got.keys() == want.keys(), (where, sorted(got.keys() ^ want.keys()))
        for name in want:
            same(got[name], want[name], f"{where} {name}")
    elif isinstance(want, list | tuple) and want and not isinstance(want[0], str):
        assert len(got) == len(want), (where, len(got), len(want))
        for at, (one, other) in enumerate(zip(got, want, strict=True)):
            same(one, other, f"{where} [{at}]")
    elif isinstance(want, float) and isinstance(got, float):
        equal = math.isclose(got, want, rel_tol=1e-12, abs_tol=1e-300) or (math.isnan(got) and math.isnan(want))
        assert equal, (where, got, want)
    else:
        assert got == want, (where, got, want)


# --- seeded objects ----------------------------------------------------------------------------------------------

MODES = "0+*Mmfl"
TYPES = ("bool", "int", "long", "Long64_t", "float", "double")


def parameters(random, file) -> None:
    for kind in TYPES:
        for mode in MODES:
            value = random.integers(0, 2) if kind == "bool" else random.integers(-9, 9)
            value = bool(value) if kind == "bool" else float(value) / 4 if kind in ("float", "double") else int(value)
            name = f"{kind}_{ord(mode)}"
            parameter = ROOT.TParameter[kind](name, value) if mode == "0" else ROOT.TParameter[kind](name, value, mode)
            file.WriteObject(keep(parameter), name)
    file.WriteObject(keep(ROOT.TParameter["int"]("other name", 7)), "constant")


def graphs(random, file, seed: int) -> None:
    for kind in ("TGraph", "TGraphErrors", "TGraphAsymmErrors"):
        for name, points in ((kind, int(random.integers(1, 9))), (f"{kind}_some", seed % 3), (f"{kind}_none", 0)):
            graph = keep(getattr(ROOT, kind)(points))
            graph.SetName(f"own name {seed}")
            graph.SetTitle(f"title {seed};x [GeV];y")
            for i, values in enumerate(random.normal(0, 10, (points, 6))):
                graph.SetPoint(i, values[0], values[1])
                if kind == "TGraphErrors":
                    graph.SetPointError(i, *map(abs, values[2:4]))
                if kind == "TGraphAsymmErrors":
                    graph.SetPointError(i, *map(abs, values[2:]))
            graph.SetMarkerStyle(20 + seed)
            graph.SetMarkerSize(0.5)
            if seed % 2 and points > 1:
                graph.GetHistogram()
                graph.GetXaxis().SetTitle(f"frame {seed}")
                graph.SetMaximum(100.0 + seed)
            if seed % 3 == 0:
                graph.Sort()
            file.WriteObject(graph, name)


def efficiencies(random, file, seed: int) -> None:
    def fill(efficiency, dimension: int, weighted: bool) -> None:
        for x in random.uniform(-0.5, 3.5, (40, dimension)):
            accept = bool(random.random() < 0.6)
            if weighted:
                efficiency.FillWeighted(accept, float(random.uniform(0.5, 2.0)), *map(float, x))
            else:
                efficiency.Fill(accept, *map(float, x))

    for dimension in (1, 2, 3):
        efficiency = keep(ROOT.TEfficiency(f"own{dimension}", f"t{seed};x;y", *([3, 0.0, 3.0] * dimension)))
        efficiency.SetDirectory(ROOT.nullptr)
        fill(efficiency, dimension, False)
        efficiency.SetLineColor(seed + 1)
        efficiency.SetStatisticOption(seed % 4)
        file.WriteObject(efficiency, f"efficiency{dimension}")
    weighted = keep(ROOT.TEfficiency("w", "", 4, 0.0, 3.0))
    weighted.SetDirectory(ROOT.nullptr)
    weighted.SetUseWeightedEvents()
    weighted.SetStatisticOption(1)
    fill(weighted, 1, True)
    weighted.SetWeight(0.5 + seed)
    file.WriteObject(weighted, "weighted")
    bayesian = keep(ROOT.TEfficiency("b", "", 3, np.array([0.0, 0.5, 1.0, 3.0])))
    bayesian.SetDirectory(ROOT.nullptr)
    fill(bayesian, 1, False)
    bayesian.SetStatisticOption(7)
    for bin in range(5):
        bayesian.SetBetaBinParameters(bin, 1.0 + bin, 2.0 + seed)
    bayesian.SetPosteriorMode(seed % 2 == 1)
    bayesian.SetConfidenceLevel(0.9)
    file.WriteObject(bayesian, "bayesian")


def drawn(random, file, seed: int) -> None:
    for kind, dimension in (("TH1F", 1), ("TH2D", 2), ("TH3I", 3), ("TProfile", 1)):
        arguments = [5, 0.0, 5.0] * dimension
        histogram = keep(getattr(ROOT, kind)(kind, f"drawn {seed};x;y", *arguments))
        for x in random.uniform(-1, 6, (20, dimension + (kind == "TProfile"))):
            histogram.Fill(*map(float, x))
        histogram.SetLineColor(seed + 2)
        histogram.SetFillStyle(3004)
        histogram.SetMarkerSize(0.25)
        histogram.SetMaximum(50.0 + seed)
        histogram.SetOption("HIST")
        histogram.GetXaxis().SetRange(2, 4)
        histogram.GetYaxis().SetTitleOffset(1.5)
        histogram.GetXaxis().SetNdivisions(204 + seed)
        file.WriteObject(histogram, f"drawn/{kind}".replace("/", "_"))


def others(random, file, seed: int) -> None:
    """What does not add up: hadd keeps all."""
    file.WriteObject(keep(ROOT.TObjString(f"text {seed}" * (1 + 100 * (seed % 2)))), "text")
    file.WriteObject(keep(ROOT.TNamed("named", f"title {seed}")), "named")
    function = keep(ROOT.TF1(f"f{seed}", f"x*{seed + 1}+[0]", 0, 1))
    function.SetParameter(0, seed)
    file.WriteObject(function, "function")
    macro = keep(ROOT.TMacro("macro"))
    macro.AddLine(f"// {seed}")
    file.WriteObject(macro, "macro")
    vector = keep(ROOT.TVectorD(3))
    for at in range(3):
        vector[at] = float(random.normal())
    file.WriteObject(vector, "vector")
    surface = keep(ROOT.TGraph2D(4))
    for at, (x, y, z) in enumerate(random.normal(0, 3, (4, 3))):
        surface.SetPoint(at, x, y, z)
    file.WriteObject(surface, "surface")


def write(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    file = keep(ROOT.TFile(str(path), "RECREATE"))
    parameters(random, file.mkdir("parameters/deep", "", True))
    graphs(random, file, seed)
    efficiencies(random, file, seed)
    drawn(random, file, seed)
    others(random, file.mkdir("others"), seed)
    file.WriteObject(keep(ROOT.TObjString("everywhere the same")), "same")
    file.Close()


def seeded(binary: Path, folder: Path) -> None:
    for seed in SEEDS:
        write(folder / f"{seed}.root", seed)
    compared = 0
    for group in ([0, 1], [1, 2], [2, 3, 4], [5, 6, 7, 8], [9], [11, 10]):
        names = [f"{seed}.root" for seed in group]
        hadd(folder / "hadd.root", [folder / name for name in names])
        run(binary, "merge", "--force", "-o", "out.root", *names, folder=folder)
        want = contents(folder / "hadd.root")
        # Of what is the same everywhere ours keeps one.
        want = {path: value for path, value in want.items() if path.startswith("same;1") or not path.startswith("same;")}
        same(contents(folder / "out.root"), want, str(group))
        compared += len(want)
        with uproot.open(folder / "out.root") as ours, uproot.open(folder / "hadd.root") as theirs:
            as_uproot(ours, theirs)
    passed(f"merge equals hadd on {compared} graphs, efficiencies, parameters, histograms and copies")


def as_uproot(ours, theirs) -> None:
    """uproot reads every object that it reads of hadd's output, and the same."""
    for path, class_name in theirs.classnames().items():
        if class_name == "TDirectory" or path.startswith("same") or class_name in ("TF1", "TMacro"):
            continue
        try:
            want = theirs[path]
        except NotImplementedError:
            assert class_name == "TEfficiency"  # of ROOT 6.40, that is
            continue
        got = ours[path]
        if class_name.startswith("TH"):
            same(got.values(flow=True).ravel().tolist(), want.values(flow=True).ravel().tolist(), path)
        elif class_name.startswith("TGraph"):
            for member in ("fX", "fY"):
                same(list(got.member(member)), list(want.member(member)), path)
        elif class_name.startswith("TParameter"):
            assert got.member("fVal") == want.member("fVal"), path
        elif class_name == "TEfficiency":
            for member in ("fPassedHistogram", "fTotalHistogram"):
                same(got.member(member).values().ravel().tolist(), want.member(member).values().ravel().tolist(), path)


def refused(binary: Path, folder: Path) -> None:
    """What hadd would add up and hep-run does not is named, and nothing is written."""
    file = keep(ROOT.TFile(str(folder / "no.root"), "RECREATE"))
    file.WriteObject(keep(ROOT.THStack("stack", "")), "stack")
    listed = keep(ROOT.TList())
    listed.Add(keep(ROOT.TNamed("a", "b")))
    file.WriteObject(listed, "list")
    histogram = keep(ROOT.TH1D("good", "", 3, 0, 3))
    histogram.Fill(1)
    histogram.GetListOfFunctions().Add(keep(ROOT.TF1("fit", "pol1", 0, 1)))
    file.WriteObject(histogram, "good")
    tree = keep(ROOT.TTree("tree", ""))
    file.WriteObject(tree, "tree")
    file.Close()
    command = [str(binary), "merge", "-o", "never.root", "no.root"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 1 and not (folder / "never.root").exists(), result.stderr
    for what in ("`stack` (THStack)", "`list` (TList)", "`tree` (TTree)"):
        assert what in result.stderr, result.stderr
    result = subprocess.run([*command, "--leave-out"], cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr.count("note: left out:") == 3, result.stderr
    assert "`good` (TH1D) of no.root has fits or boxes" in result.stderr, result.stderr
    assert list(contents(folder / "never.root")) == ["good;1"]
    passed("what cannot be merged is refused by name, or left out with a note")


# --- fixtures ----------------------------------------------------------------------------------------------------


def shown(binary: Path, file: Path, path: str) -> dict:
    return json.loads(run(binary, "inspect", f"{file}:{path}", "--format", "json", folder=file.parent))


def nulls(values) -> list:
    return [None if not math.isfinite(value) else float(value) for value in np.asarray(values, dtype=np.float64).ravel()]


def check_histogram(ours: dict, theirs, where: str) -> None:
    dimension = len(ours["axes"])
    for at, axis in enumerate(ours["axes"]):
        same(axis["edges"], theirs.axis(at).edges().tolist(), f"{where} edges {at}")
    # uproot's arrays have x first; ROOT's bins run over x first.
    same(ours["values"], nulls(np.asarray(theirs.values(flow=True)).ravel(order="F")), f"{where} values")
    variances = np.asarray(theirs.variances(flow=True), dtype=np.float64)
    if not theirs.classname.startswith("TProfile"):
        same(ours["variances"], nulls(np.abs(variances).ravel(order="F")), f"{where} variances")
    assert ours["entries"] == theirs.member("fEntries") and dimension == len(theirs.axes), where


def check_object(ours: dict, theirs, class_name: str, where: str) -> None:
    if class_name.startswith(("TH", "TProfile")):
        check_histogram(ours, theirs, where)
    elif class_name == "TEfficiency":
        check_histogram(ours["passed"], theirs.member("fPassedHistogram"), where)
        check_histogram(ours["total"], theirs.member("fTotalHistogram"), where)
        assert ours["weight"] == theirs.member("fWeight")
    elif class_name.startswith("TGraph"):
        names = {"x": "fX", "y": "fY", "z": "fZ", "ex": "fEX", "ey": "fEY"}
        names |= {f"e{c}_{side}": f"fE{c.upper()}{side}" for c in "xy" for side in ("low", "high")}
        for name, numbers_ in ours["points"].items():
            same(numbers_, nulls(theirs.member(names[name])), f"{where} {name}")
    elif class_name.startswith("TParameter"):
        assert ours["value"] == theirs.member("fVal"), where
    elif class_name == "TObjString":
        assert ours["text"] == str(theirs), where
    elif class_name == "TNamed":
        assert ours["text"] == theirs.member("fTitle"), where


def fixtures(binary: Path) -> dict[Path, set[str]]:
    """Compares every object of the fixtures; the files that hold any, with the classes."""
    files, counts = {}, {}
    for path in sorted(FIXTURES.rglob("*.root")):
        try:
            file = uproot.open(path)
            everything = file.classnames()
            classes = {name: kind for name, kind in everything.items() if kind.startswith(KNOWN)}
        except Exception:
            continue
        for name, class_name in classes.items():
            if class_name in ("TH1K", "TH2Poly", "TGraph2DErrors", "TGraphMultiErrors"):
                continue
            try:
                theirs = file[name]
                if class_name.startswith(("TH", "TProfile")):
                    theirs.values(flow=True)
            except Exception as error:
                print(f"uproot cannot read {path.name}:{name} ({class_name}): {type(error).__name__}", flush=True)
                shown(binary, path, name)
                files[path] = set(everything.values())
                continue
            check_object(shown(binary, path, name), theirs, class_name, f"{path.name}:{name}")
            files[path] = set(everything.values())
            counts[class_name] = counts.get(class_name, 0) + 1
    described = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    passed(f"inspect shows what uproot reads: {described}")
    return files


def merged_fixtures(binary: Path, folder: Path, files: dict[Path, set[str]]) -> None:
    """Each file twice, through hadd and through merge. hadd itself crashes on classes that it does not know."""
    compared = 0
    for path, classes in files.items():
        if not all(kind.startswith((*KNOWN, "TDirectory", "TTree", "TNtuple")) for kind in classes):
            continue
        for name in ("a.root", "b.root"):
            shutil.copy(path, folder / name)
        run(binary, "merge", "--force", "--leave-out", "-o", "out.root", "a.root", "b.root", folder=folder)
        hadd(folder / "hadd.root", [folder / "a.root", folder / "b.root"])
        ours, want = contents(folder / "out.root"), contents(folder / "hadd.root")
        for key, value in want.items():
            # Of what does not add up hadd keeps both of two that are the same, and older cycles too.
            if value["class"].startswith(("TH", "TProfile", "TEff", "TParam")) or value["class"] in GRAPHS:
                same(ours[key], value, f"{path.name}:{key}")
                compared += 1
            else:
                assert key.rsplit(";")[0] + ";1" in ours, (path, key)
    passed(f"merge equals hadd on {compared} objects of {len(files)} fixtures")


def copied_fixtures(binary: Path, folder: Path) -> None:
    """Objects of other classes are copied: uproot reads the copies as it reads the originals."""
    compared = set()
    for path in sorted(FIXTURES.rglob("*.root")):
        try:
            file = uproot.open(path)
            names = file.classnames(cycle=True)
        except Exception:
            continue
        if all(kind.startswith((*KNOWN[:-2], "TDirectory", "TTree", "TNtuple", "ROOT::RNTuple")) for kind in names.values()):
            continue
        run(binary, "merge", "--force", "--leave-out", "-o", "copies.root", path, folder=folder)
        with uproot.open(folder / "copies.root") as copies:
            there = copies.classnames(cycle=True)
            for name, kind in names.items():
                if kind.startswith((*KNOWN[:-2], "TDirectory")) or name not in there:
                    continue
                try:
                    want = described(file[name])
                except Exception:
                    continue
                assert described(copies[name]) == want, f"{path.name}:{name} ({kind})"
                compared.add((path, name, kind))
    assert len(compared) > 50, len(compared)
    passed(f"{len(compared)} copies of {len({kind for *_, kind in compared})} classes are read as their originals")


def described(item) -> str:
    """An object's members as text, without places in memory."""
    members = getattr(item, "all_members", {"": item})
    return re.sub(r" at 0x[0-9a-f]+", "", str({name: str(value) for name, value in members.items()}))


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        seeded(binary, Path(name))
        refused(binary, Path(name))
        if not FIXTURES.exists():
            skip("objects of real files", f"{FIXTURES} is absent")
            return
        merged_fixtures(binary, Path(name), fixtures(binary))
        copied_fixtures(binary, Path(name))


if __name__ == "__main__":
    main()
    # ROOT's own clearing up stumbles over what Python has held.
    sys.stdout.flush()
    os._exit(0)
