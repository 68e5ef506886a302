"""Writes streamers.bin: the decompressed StreamerInfo record of a file in which ROOT 6.40 has written
every class that hep-run writes. Run with PyROOT: `python streamers.py`."""

import os
import tempfile
from array import array
from pathlib import Path

import ROOT


def fill(file: "ROOT.TFile") -> None:
    """One object of each class, with labels and squared weights so that no member class is missing."""
    for dim, args in ((1, (2, 0, 1)), (2, (2, 0, 1) * 2), (3, (2, 0, 1) * 3)):
        for kind in "CSILFD":
            name = f"TH{dim}{kind}"
            if not hasattr(ROOT, name):
                continue
            hist = getattr(ROOT, name)(name, "", *args)
            hist.SetDirectory(ROOT.nullptr)
            hist.Sumw2()
            hist.GetXaxis().SetBinLabel(1, "a")
            file.WriteObject(hist, name)
    for name, args in (
        ("TProfile", (2, 0, 1)),
        ("TProfile2D", (2, 0, 1) * 2),
        ("TProfile3D", (2, 0, 1) * 3),
    ):
        hist = getattr(ROOT, name)(name, "", *args)
        hist.SetDirectory(ROOT.nullptr)
        file.WriteObject(hist, name)
    bins, low, high = array("i", [2, 2]), array("d", [0, 0]), array("d", [1, 1])
    for kind in "CSILFD":
        for name in (f"THn{kind}", f"THnSparse{kind}"):
            hist = getattr(ROOT, name)(name, "", 2, bins, low, high)
            hist.Sumw2()
            hist.Fill(array("d", [0.5, 0.5]), 1)
            file.WriteObject(hist, name)
    file.WriteObject(ROOT.TObjString("x"), "string")
    for name in ("TGraph", "TGraphErrors", "TGraphAsymmErrors"):
        graph = getattr(ROOT, name)(2)
        graph.GetHistogram().SetDirectory(ROOT.nullptr)
        file.WriteObject(graph, name)
    efficiency = ROOT.TEfficiency("e", "", 2, 0, 1)
    efficiency.SetDirectory(ROOT.nullptr)
    efficiency.SetBetaBinParameters(1, 2, 3)
    file.WriteObject(efficiency, "TEfficiency")
    for kind in ("bool", "int", "long", "Long64_t", "float", "double"):
        parameter = ROOT.TParameter[kind]("p", kind != "bool" and 1)
        file.WriteObject(parameter, kind)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "all.root")
        file = ROOT.TFile(path, "RECREATE", "", 0)
        fill(file)
        file.Close()
        file = ROOT.TFile(path)
        seek, length = file.GetSeekInfo(), file.GetNbytesInfo()
        data = Path(path).read_bytes()[seek : seek + length]
        key_length = int.from_bytes(data[14:16], "big")
        Path(__file__).with_name("streamers.bin").write_bytes(data[key_length:])
        print(f"streamers.bin: {length - key_length} bytes, key {key_length}")


main()
