"""check_friends.py BINARY: columns of friends stand beside the right events, as ROOT's TTree::AddFriend,
TTree::BuildIndex and RDataFrame's FromSpec have them.

Seeded events are cut in two: the muons' momenta in one chain of files, their masses and charges and the weights in
another, with other borders, in other directories, in another order. The dimuon masses of each arrangement must be
those that RDataFrame finds in it, and in the whole.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import ROOT
import uproot

from oracle import passed, run

ROOT.gErrorIgnoreLevel = ROOT.kError
N = 3000
ROOT.gInterpreter.Declare("""
#include <Math/Vector4D.h>
#include <ROOT/RVec.hxx>
using ROOT::RVecF; using ROOT::RVecI;
// The mass of the first pair of muons of opposite charge above 10 GeV and within 2.4; -1 if there is none.
double first_mass(const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &mass, const RVecI &charge) {
   auto good = [&](size_t i) { return pt[i] > 10 && std::abs(eta[i]) < 2.4; };
   for (size_t i = 0; i < pt.size(); i++)
      for (size_t j = i + 1; j < pt.size(); j++)
         if (good(i) && good(j) && charge[i] != charge[j]) {
            ROOT::Math::PtEtaPhiMVector a(pt[i], eta[i], phi[i], mass[i]), b(pt[j], eta[j], phi[j], mass[j]);
            return (a + b).M();
         }
   return -1;
}
""")


def events() -> ak.Array:
    """Events whose every mass and weight differs: none can be taken for another."""
    random = np.random.default_rng(5)
    counts = random.integers(0, 5, N)
    n = counts.sum()
    flat = {
        "pt": random.exponential(40, n), "eta": random.normal(0, 1.5, n), "phi": random.uniform(-3, 3, n),
        "mass": random.uniform(0, 30, n), "charge": random.choice([-1, 1], n),
    }  # fmt: skip
    muons = {name: ak.unflatten(values.astype(np.int32 if name == "charge" else np.float32), counts) for name, values in flat.items()}
    event = np.arange(N)
    keys = {
        "run": (event // 1000 + 1).astype(np.uint32), "luminosityBlock": (event // 100).astype(np.uint32),
        "event": (random.permutation(N) + 2**40).astype(np.uint64), "genWeight": random.normal(1, 0.5, N).astype(np.float32),
    }  # fmt: skip
    return ak.zip(keys | {"Muon": ak.zip(muons)}, depth_limit=1)


KEYS = ["run", "luminosityBlock", "event"]
MAIN = ([*KEYS], ["pt", "eta", "phi"])
FRIEND = ([*KEYS, "genWeight"], ["mass", "charge"])
WHOLE = (FRIEND[0], [*MAIN[1], *FRIEND[1]])


def write(path: Path, tree: str, found: ak.Array, columns: tuple[list[str], list[str]], basket: int = 170) -> None:
    flat, members = columns
    with (uproot.update if path.exists() else uproot.recreate)(path) as file:
        muons = ak.zip({name: found.Muon[name] for name in members})
        branches = {name: ak.to_numpy(found[name]) for name in flat} | {"Muon": muons}
        file.mktree(tree, {name: array.type if name == "Muon" else array.dtype for name, array in branches.items()})
        for start in range(0, len(found), basket):
            file[tree].extend({name: array[start : start + basket] for name, array in branches.items()})


def cut(folder: Path, name: str, trees: list[str], found: ak.Array, columns: tuple, borders: list[int]) -> list[str]:
    """Files of a chain, with a tree each."""
    names = []
    for at, (start, stop) in enumerate(zip([0, *borders], [*borders, N], strict=True)):
        names.append(f"{name}_{at}.root")
        write(folder / names[-1], trees[at % len(trees)], found[start:stop], columns)
    return names


Answer = tuple[np.ndarray, np.ndarray, float]


def by_rdataframe(frame: ROOT.RDataFrame) -> Answer:
    masses = frame.Define("m", "first_mass(Muon_pt, Muon_eta, Muon_phi, Muon_mass, Muon_charge)").Filter("m >= 0")
    h = masses.Histo1D(("mass", "", 60, 60.0, 120.0), "m", "genWeight").GetValue()
    values = [h.GetBinContent(i) for i in range(62)], [h.GetBinError(i) ** 2 for i in range(62)]
    assert h.GetEntries() > 300, "the oracle is empty"
    return np.array(values[0]), np.array(values[1]), h.GetEntries()


def chain(folder: Path, tree: str, files: list[str]) -> ROOT.TChain:
    made = ROOT.TChain(tree)
    for file in files:
        path, _, own = file.partition("?#")
        made.AddFile(str(folder / path), ROOT.TTree.kMaxEntries, own or tree)
    return made


def ours(binary: Path, fileset: str, folder: Path, *options: str) -> Answer:
    (folder / "f.yaml").write_text("processor: {name: dimuon, min_pt: 10}\n" + fileset)
    return ours_of(binary, folder / "f.yaml", folder, *options)


def ours_of(binary: Path, fileset: Path, folder: Path, *options: str) -> Answer:
    run(binary, fileset, "--output", "out.root", "--progress", "none", *options, folder=folder)
    values, variances, entries = np.zeros(62), np.zeros(62), 0.0
    with uproot.open(folder / "out.root") as out:
        for name in out.keys(cycle=False, filter_name="*/mass"):
            values, variances = values + out[name].values(flow=True), variances + out[name].variances(flow=True)
            entries += out[name].member("fEntries")
    return values, variances, entries


def same(what: str, got: Answer, want: Answer) -> None:
    assert got[2] == want[2], (what, got[2], want[2])
    np.testing.assert_allclose(got[0], want[0], rtol=1e-12, err_msg=what)
    np.testing.assert_allclose(got[1], want[1], rtol=1e-12, err_msg=what)
    passed(f"{what}: {got[2]:.0f} masses")


PARTITIONS = [("--executor", "serial"), ("--workers", "3", "--entries-per-range", "137"), ("--entries-per-range", "1000")]


def by_position(binary: Path, folder: Path, found: ak.Array, whole: Answer) -> None:
    main = cut(folder, "main", ["Events"], found, MAIN, [700, 2100])
    friend = cut(folder, "friend", ["Friend"], found, FRIEND, [150, 1000, 2500])
    events, friends = chain(folder, "Events", main), chain(folder, "Friend", friend)
    events.AddFriend(friends, "f")
    want = by_rdataframe(ROOT.RDataFrame(events))
    np.testing.assert_allclose(want[0], whole[0], rtol=1e-12)
    fileset = f"datasets: {{d: {{files: {json.dumps(main)}, friends: {{f: {json.dumps(friend)}}}}}}}\n"
    for options in PARTITIONS:
        same(f"by position, {' '.join(options)}", ours(binary, fileset, folder, *options), want)
    # The friend as one Parquet file.
    members = {f"Muon_{name}": found.Muon[name] for name in FRIEND[1]}
    ak.to_parquet(ak.zip({"genWeight": found.genWeight} | members, depth_limit=1), folder / "friend.parquet", row_group_size=333)
    # The same as an RNTuple.
    with uproot.recreate(folder / "ntuple.root") as file:
        file.mkrntuple("Friend", ak.zip({"genWeight": found.genWeight} | members, depth_limit=1))
    ntuple = f"datasets: {{d: {{files: {json.dumps(main)}, friends: {{f: ntuple.root}}}}}}\n"
    same("by position, the friend as RNTuple", ours(binary, ntuple, folder, "--entries-per-range", "300"), want)
    fileset = f"datasets: {{d: {{files: {json.dumps(main)}, friends: {{f: friend.parquet}}}}}}\n"
    same("by position, the friend in Parquet", ours(binary, fileset, folder), want)
    # The ledger counts the friend's files, and a run names their number.
    summary = json.loads(run(binary, "f.yaml", "--progress", "none", "--format", "json", folder=folder))
    assert summary["datasets"]["d"]["files"] == 3 and summary["datasets"]["d"]["friend_files"] == 1, summary
    assert summary["ledger"]["datasets"][0]["friends"][0]["files"][0]["entries"] == N, summary


def by_specification(binary: Path, folder: Path, found: ak.Array, whole: Answer) -> None:
    """One specification, read by ROOT and by us: two samples, trees of other names in each file, in directories."""
    main = cut(folder, "sample", ["Events", "dir/Other"], found, MAIN, [1234])
    friend = cut(folder, "deep", ["a/b/Friend", "Friend"], found, FRIEND, [800, 2000])
    both = folder / "both.root"
    write(both, "one/t", found[:1500], FRIEND)
    write(both, "two/t", found[1500:], FRIEND)
    friends = {
        "in three files": {"trees": ["a/b/Friend", "Friend", "a/b/Friend"], "files": friend},
        "in one file": {"trees": ["one/t", "two/t"], "files": ["both.root", "both.root"]},
    }
    for what, entry in friends.items():
        samples = {"s1": {"trees": ["Events"], "files": [main[0]]}, "s2": {"trees": ["dir/Other"], "files": [main[1]]}}
        absolute = {key: value | {"files": [str(folder / f) for f in value["files"]]} for key, value in ({"f": entry} | samples).items()}
        spec = folder / "spec.json"
        spec.write_text(json.dumps({"samples": {s: absolute[s] for s in samples}, "friends": {"f": absolute["f"]}}))
        want = by_rdataframe(ROOT.RDF.Experimental.FromSpec(str(spec)))
        np.testing.assert_allclose(want[0], whole[0], rtol=1e-12)
        options = ["--processor", "dimuon", "--set", "min_pt=10", "--entries-per-range", "99"]
        same(f"RDataFrame's specification, the friend {what}", ours_of(binary, spec, folder, *options), want)


def by_index(binary: Path, folder: Path, found: ak.Array, whole: Answer) -> None:
    main = cut(folder, "indexed", ["Events"], found, MAIN, [700, 2100])
    # In another order, and with events that nobody asks for.
    order = np.random.default_rng(6).permutation(N)
    extra = found[:200]
    extra["event"] = extra.event + np.uint64(2**41)
    shuffled = ak.concatenate([extra, found[order]])
    write(folder / "shuffled.root", "Friend", shuffled, FRIEND)
    file = ROOT.TFile.Open(str(folder / "shuffled.root"))
    friend = file["Friend"]
    friend.BuildIndex("run", "event")
    events = chain(folder, "Events", main)
    events.AddFriend(friend, "f")
    want = by_rdataframe(ROOT.RDataFrame(events))
    np.testing.assert_allclose(want[0], whole[0], rtol=1e-12)
    names = []
    for at, (start, stop) in enumerate([(0, 900), (900, 901), (901, len(shuffled))]):
        names.append(f"scattered_{at}.root")
        write(folder / names[-1], f"Friend{at}", shuffled[start:stop], FRIEND, basket=60)
    for friends in ("shuffled.root", json.dumps(names)):
        for index in ("[run, event]", "[run, luminosityBlock, event]"):
            fileset = f"datasets: {{d: {{files: {json.dumps(main)}, friends: {{f: {{files: {friends}, index: {index}}}}}}}}}\n"
            for options in PARTITIONS[: 3 if index == "[run, event]" else 1]:
                same(f"by index {index} in {friends}, {' '.join(options)}", ours(binary, fileset, folder, *options), want)


def per_block(binary: Path, folder: Path, found: ak.Array) -> None:
    """A friend with an entry for each luminosity block, which many events share."""
    blocks = np.arange(N // 100)
    weights = (blocks / 7 + 0.25).astype(np.float32)
    with uproot.recreate(folder / "blocks.root") as file:
        keys = {"run": (blocks // 10 + 1).astype(np.uint32), "luminosityBlock": blocks.astype(np.uint32)}
        order = np.random.default_rng(7).permutation(len(blocks))
        branches = {name: values[order] for name, values in (keys | {"genWeight": weights}).items()}
        file.mktree("Blocks", {name: values.dtype for name, values in branches.items()}).extend(branches)
    write(folder / "unweighted.root", "Events", found, (KEYS, WHOLE[1]))
    file = ROOT.TFile.Open(str(folder / "blocks.root"))
    friend = file["Blocks"]
    friend.BuildIndex("run", "luminosityBlock")
    events = chain(folder, "Events", ["unweighted.root"])
    events.AddFriend(friend, "blocks")
    want = by_rdataframe(ROOT.RDataFrame(events))
    fileset = "datasets: {d: {files: [unweighted.root], friends: {blocks: {files: blocks.root, index: [run, luminosityBlock]}}}}\n"
    same("by luminosity block", ours(binary, fileset, folder), want)


def failures(binary: Path, folder: Path, found: ak.Array) -> None:
    def complaint(fileset: str, status: int) -> str:
        (folder / "bad.yaml").write_text("processor: dimuon\n" + fileset)
        command = [binary, "bad.yaml", "--progress", "none", "--retries", "0"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert result.returncode == status, (result.returncode, result.stderr)
        return result.stderr

    write(folder / "short.root", "Friend", found[:-1], FRIEND)
    said = complaint("datasets: {d: {files: [main_0.root, main_1.root, main_2.root], friends: {f: short.root}}}\n", 2)
    assert f"dataset `d` has {N} entries, and the friend `f` {N - 1}: they must have as many" in said, said
    said = complaint(
        "datasets: {d: {files: [main_0.root, main_1.root, main_2.root], friends: {f: {files: short.root, index: [run, event]}}}}\n", 3
    )
    assert "its friend `f` has no entry with run = 3, event = " in said, said
    twice = ak.concatenate([found, found[17:18]])
    write(folder / "twice.root", "Friend", twice, FRIEND)
    said = complaint("datasets: {d: {files: [main_0.root], friends: {f: {files: twice.root, index: [run, event]}}}}\n", 2)
    assert "two of its entries have run = 1, event = " in said and f"entry 17 of {folder}" in said, said
    passed("other numbers of entries, entries without a match and doubles are errors")


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    found = events()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        write(folder / "whole.root", "Events", found, WHOLE)
        whole = by_rdataframe(ROOT.RDataFrame("Events", str(folder / "whole.root")))
        by_position(binary, folder, found, whole)
        by_specification(binary, folder, found, whole)
        by_index(binary, folder, found, whole)
        per_block(binary, folder, found)
        failures(binary, folder, found)


if __name__ == "__main__":
    main()
