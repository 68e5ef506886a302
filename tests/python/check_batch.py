"""check_batch.py BINARY: parts of a run give, merged, what the run gives, byte for byte: `--shard`, `plan` and `map`
in any grouping, merged in any order and in several steps. What cannot be merged is refused with a message that names
the files, and what is missing is missing in the ledger."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from oracle import REPOSITORY, passed

CLUSTER = 500
MIN_PT, MAX_ETA = 10.0, 2.4  # of the processor
# Entries of the files of each data set. One has a single entry, one has none.
FILES = {"signal": [7_300, 500, 1, 4_100], "background": [2_600, 0, 6_000]}
NANO = REPOSITORY / "datasets" / "nano_dy.root"
NANO_ENTRIES = 40
CUT = ("--entries-per-range", str(CLUSTER))
# Exit statuses.
USAGE, FAILED, INCOMPLETE = 1, 2, 3
SHARDS = 7


@dataclass
class Result:
    """How a command ended."""

    status: int
    output: str
    error: str


@dataclass
class Check:
    """What all checks need."""

    binary: Path
    folder: Path
    # What the cutflow of each data set is, from the columns themselves: events and weights of three cuts.
    cutflows: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    reference: dict = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    def run(self, *arguments: object, binary: Path | None = None, **options) -> Result:
        command = [str(binary or self.binary), *map(str, arguments)]
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120,
                                **options)  # fmt: skip
        return Result(result.returncode, result.stdout, result.stderr)

    def good(self, *arguments: object, **options) -> Result:
        result = self.run(*arguments, **options)
        assert result.status == 0, f"{arguments} ended with {result.status}\n{result.error}"
        return result

    def refused(self, status: int, words: list[str], *arguments: object, leaves: str | None = None, **options) -> None:
        """The command ends with this status and a message with these words, and does not write `leaves`."""
        result = self.run(*arguments, **options)
        assert result.status == status, f"{arguments} ended with {result.status}, not {status}\n{result.error}"
        assert result.error.count("error:") == 1, result.error
        for word in words:
            assert word in result.error, f"{arguments}: `{word}` is not in\n{result.error}"
        if leaves:
            assert not self.path(leaves).exists(), leaves

    def path(self, name: str) -> Path:
        return self.folder / name

    def content(self, name: str) -> dict:
        return json.loads(self.path(name).read_text())

    def same(self, name: str, output: str, binary: Path | None = None) -> None:
        """An output holds what a serial run gives: objects and ledger, as they are written. Another binary says so."""
        content = self.content(output)
        if binary:
            (made,), (own,) = content["ledger"]["provenance"], self.reference["ledger"]["provenance"]
            assert made["binary"] != own["binary"], f"{name}: it does not say that another binary made it"
            made["binary"] = own["binary"]
        for dataset, wanted in self.reference["datasets"].items():
            got = content["datasets"][dataset]["objects"]
            assert json.dumps(got) == json.dumps(wanted["objects"]), f"{name}: other objects of {dataset}"
        assert json.dumps(content["ledger"]) == json.dumps(self.reference["ledger"]), f"{name}: another ledger"
        same = binary or self.path(output).read_bytes() == self.path("serial.json").read_bytes()
        assert same, f"{name}: other bytes"
        passed(f"batch: {name}")

    def shards(self, stem: str, fileset: str = "f.json", *options: str, of: int = SHARDS, **more) -> list[str]:
        names = [f"{stem}.{number}.partial" for number in range(1, of + 1)]
        for number, name in enumerate(names, 1):
            self.good(fileset, *CUT, "--shard", f"{number}/{of}", "-o", name, *options, **more)
        return names

    def shuffled(self, names: list[str]) -> list[str]:
        return self.dice.sample(names, len(names))

    def write(self) -> None:
        """The files and the fileset."""
        datasets = {}
        for dataset, sizes in FILES.items():
            flags = []
            for number, entries in enumerate(sizes):
                flags.append(write(self.path(f"{dataset}{number}.root"), entries, len(datasets) * 10 + number))
            events = np.concatenate([part[0] for part in flags], axis=1)
            weights = np.concatenate([part[1] for part in flags])
            self.cutflows[dataset] = (events.sum(axis=1), (events * weights.astype(float)).sum(axis=1))
            datasets[dataset] = {"files": [f"{dataset}{n}.root" for n in range(len(sizes))], "metadata": {"xs": 1.5}}
        datasets["nano"] = {"files": [str(NANO)]}
        fileset = {"processor": {"name": "dimuon", "min_pt": MIN_PT}, "tree": "Events", "datasets": datasets}
        self.path("f.json").write_text(json.dumps(fileset))
        self.good("f.json", *CUT, "--executor", "serial", "-o", "serial.json")
        self.reference = self.content("serial.json")


def write(path: Path, entries: int, seed: int, weighted: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A file with muons and perhaps weights; which of its events pass each cut, and the weights."""
    dice = np.random.default_rng(seed)
    counts = dice.integers(0, 5, entries)
    total = int(counts.sum())
    flat = {
        "pt": dice.exponential(25, total),
        "eta": dice.normal(0, 1.5, total),
        "phi": dice.uniform(-np.pi, np.pi, total),
        "mass": np.full(total, 0.10566),
    }
    columns = {name: ak.unflatten(values.astype(np.float32), counts) for name, values in flat.items()}
    columns["charge"] = ak.unflatten(dice.choice(np.array([-1, 1], np.int32), total), counts)
    weights = dice.normal(0.7, 1.3, entries).astype(np.float32)
    muons = ak.zip(columns)
    with uproot.recreate(path) as file:
        branches = {"Muon": muons, "genWeight": weights} if weighted else {"Muon": muons}
        types = {"Muon": muons.type.content, "genWeight": np.float32}
        tree = file.mktree("Events", {name: types[name] for name in branches})
        for start in range(0, entries, CLUSTER):
            tree.extend({name: values[start : start + CLUSTER] for name, values in branches.items()})
    good = (columns["pt"] > MIN_PT) & (abs(columns["eta"]) < MAX_ETA)
    positive = ak.to_numpy(ak.sum(good & (columns["charge"] > 0), axis=1)).astype(int)
    negative = ak.to_numpy(ak.sum(good & (columns["charge"] < 0), axis=1)).astype(int)
    passes = [np.ones(entries, bool), positive + negative >= 2, (positive > 0) & (negative > 0)]
    return np.stack(passes), weights


def whole_runs(check: Check) -> None:
    for dataset, (events, weights) in check.cutflows.items():
        cutflow = check.reference["datasets"][dataset]["objects"]["cutflow"]["cutflow"]
        assert [cut["events"] for cut in cutflow] == events.tolist(), f"{dataset}: {cutflow}"
        assert np.allclose([cut["sumw"] for cut in cutflow], weights, rtol=1e-9), f"{dataset}: {cutflow}"
        files = next(part["files"] for part in check.reference["ledger"]["datasets"] if part["name"] == dataset)
        sizes = FILES[dataset]
        assert [file["done"] for file in files] == [[[0, size]] if size else [] for size in sizes], files
    passed("batch: the cutflows are those of the columns")
    # Otherwise it would not show in which order was summed.
    check.good("f.json", "--entries-per-range", "1000", "-o", "coarse.json")
    coarse = check.content("coarse.json")["datasets"]
    assert any(json.dumps(coarse[name]["objects"]) != json.dumps(part["objects"])
               for name, part in check.reference["datasets"].items()), "sums do not depend on their order"  # fmt: skip
    for name, options in [("threads", ["--workers", "3"]), ("one thread", ["--workers", "1"]),
                          ("processes", ["--executor", "processes", "--workers", "2"])]:  # fmt: skip
        check.good("f.json", *CUT, *options, "-o", "whole.json")
        check.same(name, "whole.json")


def shards(check: Check) -> None:
    names = check.shards("s")
    assert all(check.path(name).stat().st_mode & 0o777 == 0o600 for name in names)
    check.good("merge", "-o", "m.json", *names)
    check.same("7 shards, in order", "m.json")
    check.path("m.json").unlink()
    check.good("merge", "m.json", *check.shuffled(names))
    check.same("7 shards, in any order, with the output first", "m.json")
    check.good("merge", "-o", "left.partial", *names[4:], names[1])
    check.good("merge", "-o", "right.partial", names[0], names[3], names[2])
    check.good("merge", "-o", "m.json", "right.partial", "left.partial")
    check.same("7 shards, in two steps", "m.json")
    check.good("merge", "-o", "m.json", "-o", "m.root", "-o", "all.partial", *names)
    check.same("7 shards, to several outputs", "m.json")
    with uproot.open(check.path("m.root")) as file:
        sumw = check.reference["datasets"]["signal"]["objects"]["mass"]["storage"]["values"]
        assert file["signal/mass"].values(flow=True).tolist() == sumw
    check.good("merge", "-o", "m.json", "all.partial")
    check.same("a partial output of everything", "m.json")
    check.good("f.json", *CUT, "-o", "whole.partial", "-o", "whole.json")
    check.same("a run with a partial output beside", "whole.json")
    check.good("merge", "-o", "m.json", "whole.partial")
    check.same("that partial output", "m.json")
    # What says how files are opened, and how often, may differ.
    cache = str(check.path("cache"))
    mixed = [*check.shards("p", "f.json", "--executor", "processes", "--workers", "2", "--retries", "5")[:3],
             *check.shards("t", "f.json", "--workers", "1", "--cache", cache)[3:]]  # fmt: skip
    check.good("merge", "-o", "m.json", *check.shuffled(mixed))
    check.same("7 shards, in processes and with other storage options", "m.json")
    for name in [name for stem in "spt" for name in (f"{stem}.{n}.partial" for n in range(1, SHARDS + 1))]:
        content = check.path(name).read_bytes()
        assert content[:4] == b"HRF1", name

    result = check.good("f.json", *CUT, "--shard", "2/7", "--format", "json")
    assert check.path("f.2of7.partial").exists() and json.loads(result.output)["outputs"] == ["f.2of7.partial"]
    passed("batch: a shard's default name")


def shards_concluded(check: Check) -> None:
    """A shard may be a result of its own."""
    total = sum(map(sum, FILES.values())) + NANO_ENTRIES
    all_done = {}
    for number in range(1, SHARDS + 1):
        check.good("f.json", *CUT, "--shard", f"{number}/{SHARDS}", "-o", "part.json", "-o", f"part{number}.root")
        content = check.content("part.json")
        done = 0
        for dataset in content["ledger"]["datasets"]:
            for file in dataset["files"]:
                assert "failed" not in file
                skipped = file.get("skipped", [])
                assert all(missed["reason"] == f"--shard {number}/{SHARDS}" for missed in skipped)
                runs = sorted(file["done"] + [missed["entries"] for missed in skipped])
                ends = [0, *(end for _, end in runs)]
                assert [start for start, _ in runs] == ends[:-1] and ends[-1] == file["entries"], file
                done += sum(end - start for start, end in file["done"])
                all_done.setdefault((dataset["name"], file["path"]), []).extend(map(tuple, file["done"]))
        assert abs(done - total / SHARDS) <= CLUSTER, f"shard {number} has {done} of {total}"
        events = sum(part["objects"]["cutflow"]["cutflow"][0]["events"] for part in content["datasets"].values())
        assert events == done
    for runs in all_done.values():
        assert all(one[1] == other[0] for one, other in zip(sorted(runs), sorted(runs)[1:])), runs
    passed("batch: shards have about as many entries each, and each entry is in one")
    check.good("merge", "-o", "parts.root", *(f"part{number}.root" for number in range(1, SHARDS + 1)))
    with uproot.open(check.path("parts.root")) as file:
        ledger = json.loads(str(file["ledger"]))
        assert ledger.pop("checksums")["objects"]
        weights = check.cutflows["signal"][1]
        assert np.allclose(file["signal/cutflow"].values(), weights, rtol=1e-9)
    assert ledger == check.reference["ledger"]
    passed("batch: finished outputs of shards merge too")


def more_shards_than_ranges(check: Check) -> None:
    options = ["--dataset", "nano"]
    check.good("f.json", *CUT, *options, "-o", "nano.json")
    names = check.shards("n", "f.json", *options, of=4)
    check.good("merge", "-o", "n.json", *check.shuffled(names))
    assert check.content("n.json") == check.content("nano.json")
    passed("batch: more shards than ranges")


def friends(check: Check) -> None:
    """Weights that stand in other files, cut at other places."""
    total = 0
    for number, entries in enumerate((2_100, 900)):
        write(check.path(f"main{number}.root"), entries, 50 + number, weighted=False)
        total += entries
    weights = np.random.default_rng(3).normal(0.7, 1.3, total).astype(np.float32)
    for number, (start, end) in enumerate(((0, 700), (700, total))):
        with uproot.recreate(check.path(f"friend{number}.root")) as file:
            file.mktree("Weights", {"genWeight": np.float32}).extend({"genWeight": weights[start:end]})
    data = {"files": ["main0.root", "main1.root"], "friends": {"w": ["friend0.root", "friend1.root"]}}
    check.path("friends.json").write_text(json.dumps({"processor": "dimuon", "datasets": {"d": data}}))
    check.good("friends.json", *CUT, "-o", "want.json")
    want = check.content("want.json")
    assert np.isclose(want["datasets"]["d"]["objects"]["cutflow"]["cutflow"][0]["sumw"], weights.astype(float).sum())
    assert want["ledger"]["datasets"][0]["friends"][0]["files"][1]["entries"] == total - 700
    check.good("merge", "-o", "got.json", *check.shuffled(check.shards("w", "friends.json", of=3)))
    assert check.path("got.json").read_bytes() == check.path("want.json").read_bytes()
    passed("batch: shards of a fileset with friends")


def checkpoints(check: Check) -> None:
    """What one way of working keeps another takes."""
    kept = ("--checkpoint", check.path("kept"))
    check.good("f.json", *CUT, "--shard", f"2/{SHARDS}", *kept, "-o", "x.partial")
    check.path("x.partial").unlink()
    result = check.good("f.json", *CUT, *kept, "--resume", "--format", "json", "-o", "m.json")
    second = check.good("f.json", *CUT, "--shard", f"2/{SHARDS}", "--format", "json", "-o", "x.json")
    check.path("x.json").unlink()
    entries = json.loads(second.output)["totals"]["done"]
    assert json.loads(result.output)["entries_of_checkpoints"] == entries > 0
    check.same("with what a shard has kept", "m.json")
    names = check.shards("kept", "f.json", *map(str, kept), "--resume")
    check.good("merge", "-o", "m.json", *names[:3], *(f"s.{number}.partial" for number in range(4, SHARDS + 1)))
    check.same("shards of what a run has kept", "m.json")


def maps(check: Check) -> int:
    plan = check.good("plan", "f.json", *CUT, "-o", "job.json")
    job = check.content("job.json")
    assert check.path("job.json").stat().st_mode & 0o777 == 0o600
    count = len(job["ranges"])
    assert f"in {count} ranges" in plan.output and count > 40
    names = []
    for at in range(count):
        names.append(f"r{at}.partial")
        check.good("map", "job.json", at, names[-1], "--workers", "1")
    check.good("merge", "-o", "m.json", *names)
    check.same(f"{count} ranges, each by itself", "m.json")
    groups: list[list[str]] = [[] for _ in range(6)]
    for name in check.shuffled(names):
        check.dice.choice(groups).append(name)
    second = []
    for number, group in enumerate(group for group in groups if group):
        second.append(f"g{number}.partial")
        check.good("merge", "-o", second[-1], *group)
    check.good("merge", "-o", "m.json", *check.shuffled(second))
    check.same("ranges in any grouping, merged in two steps", "m.json")
    third = [["h0.partial", *second[:3]], ["h1.partial", *second[3:]]]
    for output, *inputs in third:
        check.good("merge", "-o", output, *check.shuffled(inputs))
    check.good("merge", "-o", "m.json", "h1.partial", "h0.partial")
    check.same("ranges in any grouping, merged in three steps", "m.json")
    pieces = [f"{count - 3},2,7..9", "0..2", "3..7", f"9..{count - 3}", f"{count - 2}..{count}"]
    for number, ranges in enumerate(pieces):
        check.good("map", "job.json", ranges, f"piece{number}.partial")
    check.good("merge", "-o", "m.json", *(f"piece{number}.partial" for number in range(len(pieces))))
    check.same("ranges as people write them", "m.json")
    for number in (1, 2, 3):
        check.good("map", "job.json", f"{number}/3", f"third{number}.partial")
    check.good("merge", "-o", "m.json", *(f"third{number}.partial" for number in (3, 1, 2)))
    check.same("thirds of a job", "m.json")
    # A shard plans by itself, and comes to the same job.
    check.good("map", "job.json", f"1/{SHARDS}", "first.partial")
    check.good("merge", "-o", "m.json", "first.partial", *(f"s.{n}.partial" for n in range(2, SHARDS + 1)))
    check.same("map and --shard together", "m.json")
    check.good("map", "job.json", "all", "everything.json")
    check.same("everything at once", "everything.json")
    return count


def wrong_requests(check: Check, count: int) -> None:
    cases = [
        (["f.json", "--shard", "0/7"], "counted from 1"),
        (["f.json", "--shard", "8/7"], "there is no part 8 of 7"),
        (["f.json", "--shard", "x"], "such as 3/7"),
        (["map", "job.json", str(count), "x.partial"], f"the job has 0..{count}"),
        (["map", "job.json", "3..3", "x.partial"], "is empty"),
        (["map", "job.json", "1,0..4", "x.partial"], "range 1 is given twice"),
        (["map", "job.json", "1", "x.txt"], "cannot write `.txt`"),
        (["merge", "s.1.partial", "s.2.partial"], "where to?"),
        (["merge", "x.partial", "s.1.partial", "s.2.partial"], "where to?"),
        (["merge", "m.json", "s.1.partial", "s.2.partial"], "`-o m.json` replaces it"),
        (["merge", "-o", "s.1.partial", "s.1.partial", "s.2.partial"], "both an input and the output"),
        (["merge", "-o", "x.root", "s.1.partial", "m.root"], "they cannot be merged"),
        (["merge", "-o", "x.root", "m.root", "s.1.partial"], "they cannot be merged"),
        (["merge", "-o", "x.root", "s.1.partial", "./s.1.partial"], "given twice"),
        (["merge", "-o", "x.partial", "part1.root", "part2.root"], "writes .root only"),
        (["merge", "-o", "x.h5", "s.1.partial"], "cannot write `.h5`"),
    ]
    for arguments, words in cases:
        check.refused(USAGE, [words], *arguments)
    check.refused(FAILED, ["gone.partial", "No such file"], "merge", "-o", "x.root", "s.1.partial", "gone.partial")
    check.refused(FAILED, ["gone.json", "No such file"], "map", "gone.json", "1", "x.partial")
    check.refused(FAILED, ["f.json", "it is no job"], "map", "f.json", "1", "x.partial")
    check.refused(FAILED, ["nowhere"], "map", "job.json", "1", "nowhere/x.partial")
    assert not list(check.folder.glob("x.*")), list(check.folder.glob("x.*"))
    passed("batch: wrong requests")


def damage(check: Check) -> None:
    good = check.path("s.3.partial").read_bytes()
    others = [f"s.{number}.partial" for number in range(1, SHARDS + 1) if number != 3]
    bad = {"empty": b"", "a ROOT file": NANO.read_bytes(), "text": b"hello\n", "cut off": good[:-1],
           "a head": good[:28], "half": good[: len(good) // 2], "longer": good + b"\0"}  # fmt: skip
    flips = [0, 5, 13, 21, 40, len(good) // 2, len(good) - 1, *check.dice.sample(range(len(good)), 20)]
    for at in flips:
        bad[f"a bit of byte {at}"] = good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :]
    for name, content in bad.items():
        check.path("bad.partial").write_bytes(content)
        check.refused(FAILED, ["bad.partial"], "merge", "-o", "x.json", *others, "bad.partial", leaves="x.json")
        if name in ("empty", "half", "a ROOT file"):
            check.refused(FAILED, ["bad.partial"], "merge", "-o", "x.json", "bad.partial", *others, leaves="x.json")
    passed(f"batch: {len(bad)} damaged files are refused by name")


def other_jobs(check: Check) -> None:
    rest = [f"s.{number}.partial" for number in range(2, SHARDS + 1)]
    part = ["--shard", f"1/{SHARDS}", "-o", "other.partial"]

    def refused(name: str, *words: str) -> None:
        check.refused(FAILED, ["other.partial", *words], "merge", "-o", "x.json", *rest, "other.partial", leaves="x.json")
        check.refused(FAILED, ["other.partial", *words], "merge", "-o", "x.json", "other.partial", *rest, leaves="x.json")
        passed(f"batch: {name} is refused")

    copy = check.path("hep-run-copy")
    # With another build id: its note begins with the lengths of owner and content, its type, and its owner.
    content = bytearray(check.binary.read_bytes())
    note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"
    content[content.index(note) + len(note)] ^= 1
    copy.write_bytes(content)
    copy.chmod(0o755)
    check.good("f.json", *CUT, *part, binary=copy)
    refused("a partial output of another binary", "another binary")
    check.refused(FAILED, ["job.json", "another binary"], "map", "job.json", "1", "x.partial", binary=copy)
    check.refused(FAILED, ["s.2.partial", "another binary"], "merge", "-o", "x.json", *rest, binary=copy)
    names = check.shards("copy", of=2, binary=copy)
    check.good("merge", "-o", "m.json", *names, binary=copy)
    check.same("partial outputs of another binary, merged by it", "m.json", copy)

    check.good("f.json", *CUT, *part, "--set", "min_pt=11")
    refused("another setting", "min_pt", "11")
    check.good("f.json", "--entries-per-range", "1000", *part)
    refused("another cut", "other ranges")
    fileset = check.content("f.json")
    for name, words, change in [
        ("another fileset", ["`signal`"], lambda sets: sets["signal"]["files"].reverse()),
        ("a fileset with a file less", ["`signal`"], lambda sets: sets["signal"]["files"].pop()),
        ("a data set less", ["`nano`"], lambda sets: sets.pop("nano")),
        ("other metadata", ["metadata", "`signal`"], lambda sets: sets["signal"]["metadata"].update(xs=2)),
    ]:
        changed = json.loads(json.dumps(fileset))
        change(changed["datasets"])
        check.path("changed.json").write_text(json.dumps(changed))
        check.good("changed.json", *CUT, *part)
        refused(name, *words)
    # The same name, and another file.
    check.path("signal1.root").rename(check.path("kept.root"))
    write(check.path("signal1.root"), FILES["signal"][1], 99)
    check.good("f.json", *CUT, *part)
    check.path("kept.root").rename(check.path("signal1.root"))
    refused("a file that was replaced meanwhile", "signal1.root", "replaced")


def twice_and_missing(check: Check) -> None:
    names = [f"s.{number}.partial" for number in range(1, SHARDS + 1)]
    shutil.copy(check.path("s.4.partial"), check.path("again.partial"))
    for inputs in ([*names, "again.partial"], ["again.partial", *names], ["again.partial", "s.4.partial"]):
        words = ["again.partial", "s.4.partial", "would count twice", ".root"]
        check.refused(FAILED, words, "merge", "-o", "x.json", *inputs, leaves="x.json")
        check.refused(FAILED, words, "merge", "-o", "x.partial", *inputs, leaves="x.partial")
    check.good("map", "job.json", "2..5", "a.partial")
    check.good("map", "job.json", "0,4", "b.partial")
    words = ["a.partial", "b.partial", "would count twice"]
    check.refused(FAILED, words, "merge", "-o", "x.json", "a.partial", "b.partial", leaves="x.json")
    check.refused(FAILED, words, "merge", "-o", "x.json", "b.partial", "a.partial", leaves="x.json")
    passed("batch: the same range twice is refused, by the names of both")

    some = [name for name in names if name != "s.4.partial"]
    check.path("x.json").write_text("kept")
    check.refused(INCOMPLETE, ["were not processed", "x.incomplete.json"], "merge", "--force", "-o", "x.json", *some)
    assert check.path("x.json").read_text() == "kept"
    check.path("x.json").unlink()
    content = check.content("x.incomplete.json")
    check.good("f.json", *CUT, "--shard", f"4/{SHARDS}", "-o", "fourth.json")
    fourth = check.content("fourth.json")
    for ours, theirs, whole in zip(content["ledger"]["datasets"], fourth["ledger"]["datasets"],
                                   check.reference["ledger"]["datasets"], strict=True):  # fmt: skip
        for file, other, complete in zip(ours["files"], theirs["files"], whole["files"], strict=True):
            failed = [missed["entries"] for missed in file.get("failed", [])]
            size = lambda runs: sum(end - start for start, end in runs)  # noqa: E731
            assert size(failed) == size(other["done"]) and size(file["done"]) + size(failed) == complete["entries"]
            assert all(any(run[0] <= start and end <= run[1] for run in other["done"]) for start, end in failed)
        cut = [part["datasets"][ours["name"]]["objects"]["cutflow"]["cutflow"] for part in (content, fourth, check.reference)]
        for mine, other, complete in zip(*cut, strict=True):
            assert mine["events"] + other["events"] == complete["events"]
    check.good("merge", "-o", "x.json", "--allow-missing", "50%", *some)
    assert check.content("x.json") == content
    check.path("x.json").unlink()
    check.good("merge", "-o", "some.partial", *some)
    check.refused(INCOMPLETE, ["were not processed"], "merge", "-o", "x.json", "some.partial", leaves="x.json")
    check.good("merge", "-o", "m.json", "s.4.partial", "some.partial")
    check.same("a shard that was missing and came", "m.json")


def interrupted(check: Check) -> None:
    command = [str(check.binary), "map", "job.json", "all", "cut.partial"]
    size = check.path("whole.partial").stat().st_size
    for limit in (100, size // 2, size * 3 // 4):
        def limited(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        result = subprocess.run(command, cwd=check.folder, capture_output=True, check=False, preexec_fn=limited)
        # The system kills it amid the write.
        assert result.returncode == -signal.SIGXFSZ, result
        assert not check.path("cut.partial").exists()
    passed("batch: a write that is cut off leaves nothing of that name")
    started = time.monotonic()
    subprocess.run(command, cwd=check.folder, capture_output=True, check=True)
    whole, took = check.path("cut.partial").read_bytes(), time.monotonic() - started
    for turn in range(12):
        check.path("cut.partial").unlink(missing_ok=True)
        process = subprocess.Popen(command, cwd=check.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * (0.5 + turn / 20))
        process.kill()
        process.wait()
        if check.path("cut.partial").exists():
            assert len(check.path("cut.partial").read_bytes()) > len(whole) // 2
            check.good("merge", "-o", "m.json", "cut.partial")
    for left in check.folder.glob("cut.partial.*"):
        left.unlink()
    passed("batch: killed at any time, it has left a whole file or none")


def bad_files(check: Check, count: int) -> None:
    lost, kept = check.path("signal3.root"), check.path("signal3.kept")
    job = check.content("job.json")
    file = 3
    ranges = [at for at, (number, *_) in enumerate(job["ranges"]) if number == file]
    start, end = ranges[0], ranges[-1] + 1
    assert end - start > 4
    rest = [(0, start - 1), (end, count)]
    for number, (first, last) in enumerate(rest):
        check.good("map", "job.json", f"{first}..{last}", f"rest{number}.partial")
    # One more than the file's: some is done, and some is not.
    lost.rename(kept)
    words = ["signal3.root", "No such file", "incomplete"]
    check.refused(INCOMPLETE, words, "map", "job.json", f"{start - 1}..{start + 2}", "lost0.partial")
    check.refused(INCOMPLETE, words, "map", "job.json", str(start + 2), "lost1.partial")
    check.refused(INCOMPLETE, words, "map", "job.json", f"{start + 3}..{end}", "lost2.partial", "--format", "json")
    check.good("map", "job.json", f"{start - 1}..{start + 2}", "allowed.partial", "--allow-missing", "99.95%")
    inputs = ["rest0.partial", "rest1.partial", "lost0.partial", "lost1.partial", "lost2.partial"]
    assert all(check.path(name).exists() for name in inputs)
    check.refused(INCOMPLETE, ["signal3.root", "No such file"], "merge", "-o", "x.json", *inputs, leaves="x.json")
    check.refused(INCOMPLETE, ["signal3.root"], "merge", "-o", "x.root", *check.shuffled(inputs), leaves="x.root")
    ledger = check.content("x.incomplete.json")["ledger"]
    entry = ledger["datasets"][0]["files"][3]
    assert entry["done"] == [] and all("No such file" in missed["reason"] for missed in entry["failed"])
    assert sum(b - a for a, b in (missed["entries"] for missed in entry["failed"])) == FILES["signal"][3]
    passed("batch: a file that is gone for one worker fails its ranges")
    # It is back: what failed is done elsewhere, and takes its place.
    kept.rename(lost)
    check.good("map", "job.json", f"{start}..{start + 4}", "found0.partial")
    check.good("map", "job.json", f"{start + 4}..{end}", "found1.partial")
    check.good("merge", "-o", "m.json", *check.shuffled([*inputs, "found0.partial", "found1.partial"]))
    check.same("ranges that failed and were done later", "m.json")
    check.good("merge", "-o", "failed.partial", *inputs)
    check.good("merge", "-o", "found.partial", "found1.partial", "found0.partial")
    for order in (["failed.partial", "found.partial"], ["found.partial", "failed.partial"]):
        check.good("merge", "-o", "m.json", *order)
        check.same("the same in two steps", "m.json")

    # A file that is missing when one shard is planned.
    lost.rename(kept)
    check.good("f.json", *CUT, "--shard", f"1/{SHARDS}", "-o", "without.partial")
    missing = check.shards("missing", of=3)
    kept.rename(lost)
    rest = [f"s.{number}.partial" for number in range(2, SHARDS + 1)]
    words = ["without.partial", "signal3.root", "could not be used"]
    check.refused(FAILED, words, "merge", "-o", "x.json", *rest, "without.partial", leaves="x.json")
    passed("batch: a file that was missing for one shard's plan is named")
    # And when all are.
    lost.rename(kept)
    check.refused(INCOMPLETE, ["signal3.root"], "f.json", *CUT, "-o", "x.json")
    kept.rename(lost)
    check.path("x.incomplete.json").rename(check.path("without.json"))
    check.refused(INCOMPLETE, ["signal3.root", "No such file"], "merge", "-o", "x.json", *missing, leaves="x.json")
    assert check.path("x.incomplete.json").read_bytes() == check.path("without.json").read_bytes()
    passed("batch: a file that is missing for all is missing in the merged ledger, as in a run's")


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        check = Check(binary, Path(folder))
        check.write()
        whole_runs(check)
        shards(check)
        shards_concluded(check)
        more_shards_than_ranges(check)
        friends(check)
        checkpoints(check)
        count = maps(check)
        wrong_requests(check, count)
        damage(check)
        other_jobs(check)
        twice_and_missing(check)
        interrupted(check)
        bad_files(check, count)


if __name__ == "__main__":
    os.environ.setdefault("RUST_BACKTRACE", "0")
    main()
