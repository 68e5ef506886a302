"""Objects whose members are of two versions of a class, as where files of several years were merged.

Each version needs a process of its own, in which it is the only one: `versions.py write|read VERSION FILE`.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from reference import content, numbers

ENTRIES = 50
MEMBERS = {1: ["double x", "short gone", "int z"], 2: ["int z", "int y", "double x"]}
CODE = """
#include <TTree.h>
#include <memory>
#include <vector>
struct Evolving : TObject {{ {members}; ClassDefInline(Evolving, {version}) }};
struct Holding : TObject {{ int a = 0; Evolving inner; std::vector<short> v; ClassDefInline(Holding, 1) }};
void write_all(TTree &tree, int entries) {{
   auto object = std::make_unique<Holding>();
   Holding *pointer = object.get();
   tree.Branch("one", "Holding", &pointer, 1000, 0);
   for (int i = 0; i < entries; ++i) {{
      object->a = i;
      object->inner.x = i * i;
      object->inner.z = -i;
      object->v.assign(i % 3, i % 5);
      object->inner.{own} = 7;
      tree.Fill();
   }}
   tree.ResetBranchAddresses();
}}
int read_wrong(TTree &tree, int entries) {{
   auto object = std::make_unique<Holding>();
   Holding *pointer = object.get();
   tree.SetBranchAddress("one", &pointer);
   int wrong = tree.GetEntries() != 2 * entries;
   for (int at = 0; at < tree.GetEntries(); ++at) {{
      tree.GetEntry(at);
      int i = at % entries;
      wrong += object->a != i || object->inner.x != i * i || object->inner.z != -i;
      wrong += object->v != std::vector<short>(i % 3, i % 5);
   }}
   tree.ResetBranchAddresses();
   return wrong;
}}
"""


def declare(version: int):
    """ROOT with this version of the class."""
    import ROOT

    own = "gone" if version == 1 else "y"
    ROOT.gInterpreter.Declare(CODE.format(members="; ".join(MEMBERS[version]), version=version, own=own))
    return ROOT


def branch(first: int) -> dict:
    """What reference.json says of the branch after a file of the version `first` and one of the other."""
    i = np.tile(np.arange(ENTRIES), 2)
    newer = (np.arange(2 * ENTRIES) < ENTRIES) == (first == 2)
    offsets = {"offsets_sha256": numbers(np.concatenate([[0], np.cumsum(i % 3)]), "<i8")}
    members = {
        "a": i.astype("<i4"),
        "inner.z": (-i).astype("<i4"),
        "inner.y": np.where(newer, 7, 0).astype("<i4"),
        "inner.x": (i * i).astype("<f8"),
        "v": np.repeat(i % 5, i % 3).astype("<i2"),
    }
    leaves = []
    for field, data in members.items():
        leaf = {"field": field, "levels": [offsets] if field == "v" else [], "n": len(data), "kind": "number"}
        leaves.append({**leaf, **content(data.tobytes(), data.dtype.str[1:])})
    return {"typename": "Holding", "n_entries": 2 * ENTRIES, "leaves": leaves}


def write(folder: Path, merge) -> dict[str, dict]:
    """Writes both versions, each before the other; what reference.json says of the files.

    Columns are those of the newest version, with zeros where objects are of an older one.
    """

    def other(*arguments: object) -> None:
        command = [sys.executable, "-W", "ignore", __file__, *map(str, arguments)]
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if run.returncode:
            raise OSError(f"{arguments} ended with {run.returncode}\n{run.stderr}")

    parts = {version: folder / f"version{version}.part" for version in (1, 2)}
    for version, path in parts.items():
        other("write", version, path)
    files = {}
    for first in (1, 2):
        path = folder / f"versions{first}{3 - first}.root"
        merge(path, [parts[first], parts[3 - first]])
        other("read", 2, path)
        files[path.name] = {"trees": {"versions": {"entries": 2 * ENTRIES, "branches": {"one": branch(first)}}}, "rntuples": {}}
    return files


def main() -> None:
    what, version, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    ROOT = declare(version)
    if what == "write":
        file = ROOT.TFile(path, "RECREATE")
        tree = ROOT.TTree("versions", "")
        ROOT.write_all(tree, ENTRIES)
        tree.Write()
        file.Close()
    else:
        file = ROOT.TFile(path)
        if wrong := ROOT.read_wrong(file.Get("versions"), ENTRIES):
            sys.exit(f"ROOT reads {wrong} entries wrong")


if __name__ == "__main__":
    main()
