"""check_dimuon.py BINARY: the README's run. ROOT, uproot and JSROOT open its output and agree with each
other, and its numbers equal an independent computation with uproot and numpy."""

import json
import shutil
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import uproot

from environment import JSROOT, cache
from oracle import REPOSITORY, passed, run, skip

MIN_PT = 10.0  # as in datasets/dimuon.yaml
FILES = {"DoubleMuon2018": "nano_dimuon.root", "DYJetsToLL": "nano_dy.root"}
CUTS = ["all", "two muons", "opposite charge"]


def expected(file: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bins, variances (60 bins with flow) and the cutflow, rows of (events, weights, squares)."""
    tree = uproot.open(REPOSITORY / "datasets" / file)["Events"]
    names = ["pt", "eta", "phi", "mass", "charge"]
    columns = tree.arrays([f"Muon_{name}" for name in names], library="np")
    weights = tree["genWeight"].array(library="np") if "genWeight" in tree else np.ones(tree.num_entries)
    sumw, sumw2, cutflow = np.zeros(62), np.zeros(62), np.zeros((3, 3))
    for event, weight in enumerate(weights.astype(float)):
        pt, eta, phi, mass, charge = (columns[f"Muon_{name}"][event].astype(float) for name in names)
        good = [i for i in range(len(pt)) if pt[i] > MIN_PT and abs(eta[i]) < 2.4]
        pair = next(((i, j) for i, j in combinations(good, 2) if charge[i] != charge[j]), None)
        for cut, ok in enumerate([True, len(good) >= 2, pair is not None]):
            cutflow[cut] += np.array([1, weight, weight**2]) if ok else 0
        if pair is not None:
            p = list(pair)
            x, y, z = pt[p] * np.cos(phi[p]), pt[p] * np.sin(phi[p]), pt[p] * np.sinh(eta[p])
            e = np.sqrt(x**2 + y**2 + z**2 + mass[p] ** 2)
            m = np.sqrt(e.sum() ** 2 - x.sum() ** 2 - y.sum() ** 2 - z.sum() ** 2)
            place = int(np.clip(np.floor(60 * (m - 60) / 60) + 1, 0, 61))
            sumw[place] += weight
            sumw2[place] += weight**2
    return sumw, sumw2, cutflow


def by_uproot(path: Path) -> dict:
    out = {}
    with uproot.open(path) as file:
        for key in file.keys(cycle=False, filter_classname="TH1D"):
            h = file[key]
            hist = h.to_hist()
            labels = h.axis().labels() or []
            # uproot makes a labelled axis a category, which has no underflow.
            values = h.values(flow=True)
            assert labels or np.array_equal(hist.values(flow=True), values)
            title = h.member("fXaxis").member("fTitle")
            out[key] = [values.tolist(), h.variances(flow=True).tolist(), h.member("fEntries"), list(labels), title]
    return out


def by_root(path: Path) -> dict:
    import ROOT

    ROOT.gErrorIgnoreLevel = ROOT.kWarning
    out = {}
    file = ROOT.TFile.Open(str(path))
    for directory in file.GetListOfKeys():
        if directory.GetClassName() not in ("TDirectory", "TDirectoryFile"):
            continue
        for key in directory.ReadObj().GetListOfKeys():
            h = key.ReadObj()
            n = h.GetNbinsX()
            axis = h.GetXaxis()
            labels = [str(axis.GetBinLabel(i)) for i in range(1, n + 1)] if axis.GetLabels() else []
            assert h.GetSumw2N() == n + 2
            values = [h.GetBinContent(i) for i in range(n + 2)]
            variances = [h.GetSumw2().At(i) for i in range(n + 2)]
            out[f"{directory.GetName()}/{h.GetName()}"] = [values, variances, h.GetEntries(), labels, str(axis.GetTitle())]
    return out


def by_jsroot(path: Path) -> dict | None:
    module = cache() / f"jsroot-{JSROOT}" / "node_modules" / "jsroot"
    if not shutil.which("node") or not module.exists():
        skip("jsroot", "node or the npm package jsroot is missing")
        return None
    script = Path(__file__).with_name("jsroot.mjs")
    return json.loads(subprocess.check_output(["node", script, module, path], text=True))


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(binary, REPOSITORY / "datasets" / "dimuon.yaml", "--progress", "none", folder=folder)
        output = folder / "dimuon.root"
        uproots = by_uproot(output)
        assert sorted(uproots) == sorted(f"{d}/{o}" for d in FILES for o in ("mass", "cutflow", "cutflow_events")), uproots.keys()
        assert by_root(output) == uproots, (by_root(output), uproots)
        passed("ROOT and uproot agree on dimuon.root")
        if (jsroots := by_jsroot(output)) is not None:
            assert jsroots == uproots, (jsroots, uproots)
            passed("JSROOT and uproot agree on dimuon.root")
        with uproot.open(output) as file:
            ledger = json.loads(str(file["ledger"]))
        for (dataset, file), account in zip(FILES.items(), ledger["datasets"], strict=True):
            sumw, sumw2, cutflow = expected(file)
            assert sumw.any()
            mass = uproots[f"{dataset}/mass"]
            np.testing.assert_allclose(mass[0], sumw, rtol=1e-14)
            np.testing.assert_allclose(mass[1], sumw2, rtol=1e-14)
            assert mass[2] == cutflow[2, 0] and mass[4] == "m(μμ) [GeV]"
            weights, events = uproots[f"{dataset}/cutflow"], uproots[f"{dataset}/cutflow_events"]
            assert weights[3] == events[3] == CUTS
            np.testing.assert_allclose(weights[0][1:-1], cutflow[:, 1], rtol=1e-14)
            np.testing.assert_allclose(weights[1][1:-1], cutflow[:, 2], rtol=1e-14)
            np.testing.assert_array_equal(events[0][1:-1], cutflow[:, 0])
            assert account["name"] == dataset and account["files"][0]["done"] == [[0, 40]]
            passed(f"{dataset} equals uproot and numpy: {int(cutflow[2, 0])} of 40 events kept")


if __name__ == "__main__":
    main()
