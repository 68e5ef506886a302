"""Files whose writer was killed: `--recover` finds what ROOT's recovery finds, and the trees of subdirectories besides.

Usage: check_recover.py HEP_RUN
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import ROOT

ROOT.gErrorIgnoreLevel = ROOT.kFatal

# The trees that ROOT does not find, because it recovers the keys of the top directory only.
BEYOND_ROOT = {"subdirectories": {"d/t": 400, "d/e/u": 200}}


class Writer:
    def __init__(self, path):
        self.file = ROOT.TFile(path, "RECREATE")
        self.number, self.list = np.zeros(1), ROOT.std.vector["int"]()

    def tree(self, name, folder=None):
        (folder or self.file).cd()
        tree = ROOT.TTree(name, "")
        tree.SetAutoSave(0)
        tree.SetAutoFlush(0)
        tree.Branch("x", self.number, "x/D", 2000)
        tree.Branch("v", self.list, 2000)
        return tree

    def fill(self, tree, entries, save=None):
        for _ in range(entries):
            self.number[0] = tree.GetEntries()
            self.list.clear()
            for n in range(tree.GetEntries() % 3):
                self.list.push_back(n)
            tree.Fill()
        if save is not None:
            tree.AutoSave(save)


def write(case, path):
    """Writes a file, and ends the process before it is closed."""
    writer = Writer(path)
    file = writer.file
    if case == "saved twice":
        tree = writer.tree("t")
        writer.fill(tree, 1000, "")
        writer.fill(tree, 1500, "")
        writer.fill(tree, 700)
    elif case == "never saved":
        writer.fill(writer.tree("t"), 3000)
    elif case == "several trees":
        one, other = writer.tree("t"), writer.tree("u")
        writer.fill(one, 1000, "")
        writer.fill(other, 300, "")
        writer.fill(one, 1000)
        writer.fill(other, 900, "")
    elif case == "subdirectories":
        inner = file.mkdir("d")
        writer.fill(writer.tree("t", inner), 400, "")
        writer.fill(writer.tree("u", inner.mkdir("e")), 200, "")
        writer.fill(writer.tree("w"), 100, "")
    elif case == "subdirectory":
        tree = writer.tree("t", file.mkdir("d"))
        writer.fill(tree, 400, "SaveSelf")
        writer.fill(tree, 600, "")
    elif case == "SaveSelf":
        tree = writer.tree("t")
        writer.fill(tree, 1000, "SaveSelf")
        writer.fill(tree, 1000)
    elif case == "written":
        tree = writer.tree("t")
        writer.fill(tree, 500)
        tree.Write()
        writer.fill(writer.tree("u"), 5000)
    elif case == "RNTuple":
        model = ROOT.RNTupleModel.Create()
        model.MakeField["float"]("x")
        ntuple = ROOT.RNTupleWriter.Append(model, "n", file)
        entry = ntuple.CreateEntry()
        for i in range(2000):
            entry["x"] = i
            ntuple.Fill(entry)
        ntuple.CommitCluster()
    os._exit(0)


CASES = [
    "saved twice",
    "never saved",
    "several trees",
    "subdirectories",
    "subdirectory",
    "SaveSelf",
    "written",
    "RNTuple",
]


def by_root(path):
    """The trees that ROOT finds, with their entries."""
    try:
        file = ROOT.TFile.Open(path)
    except OSError:
        return {}
    found = {}

    def walk(folder, prefix):
        for name in {key.GetName() for key in folder.GetListOfKeys()}:
            key = folder.GetKey(name)
            if key.GetClassName() == "TTree":
                found[prefix + name] = folder.Get(name).GetEntries()
            elif key.GetClassName().startswith("TDirectory") and (inner := folder.Get(name)):
                walk(inner, f"{prefix}{name}/")

    walk(file, "")
    file.Close()
    return found


def main(binary):
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            path = str(Path(folder) / f"{case.replace(' ', '_')}.root")
            subprocess.run([sys.executable, "-W", "ignore", __file__, "--write", case, path], check=True)
            inspect = [binary, "inspect", path, "--format", "json"]
            plain = subprocess.run(inspect, capture_output=True, text=True, check=False)
            saved = case == "SaveSelf"
            assert (plain.returncode == 0) == saved, (case, plain)
            assert saved or "was not closed: it has no list of keys" in plain.stderr, (case, plain.stderr)
            recovered = subprocess.run([*inspect, "--recover"], capture_output=True, text=True, check=False)
            expected = by_root(path)
            if not saved:
                expected |= BEYOND_ROOT.get(case, {})
            if not expected:
                assert recovered.returncode != 0 and "no tree or other object" in recovered.stderr, (case, recovered)
                continue
            assert recovered.returncode == 0, (case, recovered.stderr)
            trees = json.loads(recovered.stdout)["trees"]
            found = {name: tree["entries"] for name, tree in trees.items()}
            assert found == expected, (case, found, expected)
            assert saved or json.loads(recovered.stdout)["recovered"] is True, case
    print(f"recovery: {len(CASES)} files agree with ROOT")


if sys.argv[1] == "--write":
    write(*sys.argv[2:])
else:
    main(sys.argv[1])
