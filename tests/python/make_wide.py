"""make_wide.py OUT.root: a NanoAOD-like tree of 2,656 branches, as the widest real ones have, of made-up numbers.

`io/tests/data/wide.root` is this script's output with ROOT 6.40; what opening it costs is tested in `io/tests/reads.rs`.
"""

import sys
from array import array

import numpy as np
import ROOT

EVENTS, BRANCHES, COLLECTIONS = 30, 2656, 40
MEMBERS = ["pt", "eta", "phi", "mass", "charge", *(f"var{i}" for i in range(15))]


def main() -> None:
    rng = np.random.default_rng(1)
    file = ROOT.TFile(sys.argv[1], "RECREATE", "", 207)
    tree = ROOT.TTree("Events", "Events")
    keep = []

    def branch(name: str, leaf: str, room: array) -> array:
        keep.append(room)
        tree.Branch(name, room, leaf)
        return room

    ids = [branch(name, f"{name}/{code}", array(kind, [0])) for name, code, kind in
           [("run", "i", "I"), ("luminosityBlock", "i", "I"), ("event", "l", "Q")]]  # fmt: skip
    collections = []
    for number in range(COLLECTIONS):
        name = "Muon" if number == 0 else f"Collection{number}"
        count = branch(f"n{name}", f"n{name}/i", array("I", [0]))
        members = [branch(f"{name}_{m}", f"{name}_{m}[n{name}]/F", array("f", [0.0] * 8)) for m in MEMBERS]
        collections.append((count, members))
    met = branch("MET_pt", "MET_pt/F", array("f", [0.0]))
    flags = [branch(f"HLT_Path{n}", f"HLT_Path{n}/O", array("B", [0]))
             for n in range(BRANCHES - tree.GetListOfBranches().GetEntriesFast())]  # fmt: skip

    for event in range(EVENTS):
        ids[0][0], ids[1][0], ids[2][0] = 1, 1 + event // 10, event
        met[0] = rng.exponential(30)
        for count, members in collections:
            count[0] = int(rng.integers(0, 5))
            for member in members:
                member[: count[0]] = array("f", rng.normal(size=count[0]).astype("f4"))
        for flag, value in zip(flags, rng.random(len(flags)) < 0.1, strict=True):
            flag[0] = int(value)
        tree.Fill()
    tree.Write()
    print(tree.GetListOfBranches().GetEntriesFast(), "branches")
    file.Close()


if __name__ == "__main__":
    main()
