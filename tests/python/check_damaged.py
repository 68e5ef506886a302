"""check_damaged.py FAULTY: bytes that arrive damaged cost nothing where sound ones are to be had: past a cache that kept
them, or from a replica. Where none are, the error names the host that gave them.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import uproot

from faulty import LONGEST
from oracle import passed
from ranged import Ranged, Served

ENTRIES, CLUSTER = 6_000, 500
EXECUTORS = {
    "serial": ["--executor", "serial"],
    "threads": ["--executor", "threads", "--workers", "2"],
    "processes": ["--executor", "processes", "--workers", "2"],
}


class Host(Ranged):
    """Files with an ETag, of which one may have another byte than on disk."""

    etag = '"1"'
    damage: dict[str, int] = {}

    def content(self, name: str) -> bytes:
        data = bytearray(super().content(name))
        if name in self.damage:
            data[self.damage[name]] ^= 0xFF
        return bytes(data)


def damage(served: Served, **places: int) -> None:
    served.handler.damage = {f"{name}.root": place for name, place in places.items()}


def write(folder: Path, name: str, columns: list[str]) -> None:
    """One file with two trees of the same entries, in clusters."""
    with uproot.recreate(folder / f"{name}.root", compression=uproot.ZLIB(1)) as file:
        for tree in ("Events", "Others"):
            booked = file.mktree(tree, dict.fromkeys(columns, np.int32))
            for start in range(0, ENTRIES, CLUSTER):
                numbers = np.arange(start, start + CLUSTER, dtype=np.int32)
                booked.extend({column: numbers for column in columns})


def basket(path: Path, column: str, tree: str = "Events") -> int:
    """A byte of the compressed block of the third basket."""
    with uproot.open(path) as file:
        seek = int(file[tree][column].member("fBasketSeek")[2])
    # The header of a key says its own length at byte 14; a block begins with the name of its codec.
    return seek + int.from_bytes(path.read_bytes()[seek + 14 : seek + 16], "big")


def directory_of(path: Path, tree: str) -> int:
    """A byte of the compressed description of a tree."""
    with uproot.open(path) as file:
        key = file.key(tree)
        return key.fSeekKey + key.fKeylen


class Runs:
    """Runs over files in one folder."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder

    def run(self, fileset: dict, *options: str) -> tuple[int, str, dict]:
        """The exit status, what was said, and the output."""
        for output in self.folder.glob("out*"):
            output.unlink()
        text = {"processor": {"name": "faulty"}, "tree": "Events", **fileset}
        (self.folder / "f.json").write_text(json.dumps(text))
        command = [str(self.binary), "f.json", "-o", "out.json", "--entries-per-range", str(CLUSTER), *options]
        ended = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=LONGEST, check=False)
        outputs = list(self.folder.glob("out*.json"))
        assert len(outputs) == 1, f"{outputs}\n{ended.stderr}"
        return ended.returncode, ended.stderr, json.loads(outputs[0].read_text())

    def whole(self, name: str, fileset: dict, *options: str) -> str:
        """Makes sure that all entries are in the result, as they are of the sound file; what was said."""
        status, said, out = self.run(fileset, *options)
        assert status == 0, f"{name}: ended with {status}\n{said}"
        (file,) = out["ledger"]["datasets"][0]["files"]
        assert file["done"] == [[0, ENTRIES]] and "failed" not in file, f"{name}: {file}"
        values = out["datasets"]["a"]["objects"]["x"]["storage"]["values"]
        assert sum(values) == self.sum, f"{name}: {values}"
        return said

    def learn(self) -> None:
        """What the sound file gives."""
        status, said, out = self.run({"datasets": {"a": ["a.root"]}}, "--executor", "serial")
        assert status == 0, said
        self.sum = sum(out["datasets"]["a"]["objects"]["x"]["storage"]["values"])
        assert out["ledger"]["datasets"][0]["files"][0]["done"] == [[0, ENTRIES]]


def kept_by_the_cache(runs: Runs, near: Served, executor: str, options: list[str]) -> None:
    folder, cache = runs.folder, runs.folder / f"cache-{executor}"
    file = {"datasets": {"a": [near.url("a")]}}
    cached = [*options, "--cache", str(cache), "--retries", "0"]
    # A small file is read, and kept, as a whole; the damage is not in what the first run decodes.
    damage(near, a=basket(folder / "a.root", "x"))
    status, said, _ = runs.run(file, *cached, "--max-entries", str(CLUSTER))
    assert status == 0, said
    damage(near)
    said = runs.whole(f"a damaged basket in the cache, {executor}", file, *cached)
    assert f"dropping what the cache {cache} has of it" in said, said
    said = runs.whole(f"the run after that, {executor}", file, *cached)
    assert "dropping" not in said, said

    damage(near, a=directory_of(folder / "a.root", "Others"))
    other = folder / f"other-{executor}"
    assert runs.run(file, *options, "--cache", str(other))[0] == 0
    damage(near)
    others = {**file, "tree": "Others"}
    said = runs.whole(f"a damaged tree in the cache, {executor}", others, *options, "--cache", str(other), "--retries", "0")
    assert "dropping" in said, said

    # What a host gives damaged is not kept.
    damage(near, a=basket(folder / "a.root", "x"))
    third = folder / f"third-{executor}"
    status, said, out = runs.run(file, *options, "--cache", str(third), "--retries", "1")
    assert status in (2, 3), said
    reasons = [missed["reason"] for missed in out["ledger"]["datasets"][0]["files"][0]["failed"]]
    assert len(reasons) == 1 and "entries 1000..1500" in reasons[0], reasons
    damage(near)
    said = runs.whole(f"damaged once, sound later, {executor}", file, *options, "--cache", str(third), "--retries", "0")
    assert "dropping" not in said, said
    passed(f"bytes that a cache kept damaged are read again past it, {executor}")


def friends(runs: Runs, near: Served, executor: str, options: list[str]) -> None:
    for kind in ({}, {"index": ["event"]}):
        cache = runs.folder / f"friends-{executor}-{len(kind)}"
        cached = [*options, "--cache", str(cache), "--retries", "0"]
        friend = {"files": [near.url("f")], "tree": "Events", **kind}
        fileset = {"datasets": {"a": {"files": [near.url("m")], "friends": {"f": friend}}}}
        # What looks up the friend's entries reads of it what the first entries need.
        damage(near, f=basket(runs.folder / "f.root", "x"))
        status, said, _ = runs.run(fileset, *cached, "--max-entries", str(CLUSTER))
        assert status == 0, said
        damage(near)
        said = runs.whole(f"a friend, {executor}, {kind}", fileset, *cached)
        assert "dropping" in said, said
    passed(f"the same of friends, by position and by index, {executor}")


def given_by_a_replica(runs: Runs, near: Served, far: Served, executor: str, options: list[str]) -> None:
    path = runs.folder / "a.root"
    file = {"datasets": {"a": {"files": [{"path": near.url("a"), "replicas": [far.url("a")]}]}}}
    damage(far)
    for what, place in (("basket", basket(path, "x")), ("tree", directory_of(path, "Events"))):
        damage(near, a=place)
        said = runs.whole(f"a damaged {what} at the first of two places, {executor}", file, *options, "--retries", "0")
        assert f"{near.url('a')}: " in said and f"reading again from {far.url('a')}" in said, said
    # At both: the error names the one that was read last, and the notices the other.
    for what, place in (("basket", basket(path, "x")), ("tree", directory_of(path, "Events"))):
        damage(near, a=place)
        damage(far, a=place)
        status, said, out = runs.run(file, *options, "--retries", "0")
        assert status in (2, 3), said
        (missed,) = out["ledger"]["datasets"][0]["files"][0]["failed"]
        named = [server.url("a") for server in (near, far) if server.url("a") in missed["reason"]]
        assert named and "reading again from" in said, f"{missed}\n{said}"
    # The first place refuses; the bytes are the second's, and so is the blame.
    damage(far, a=basket(path, "x"))
    gone = {"datasets": {"a": {"files": [{"path": near.url("none"), "replicas": [far.url("a")]}]}}}
    status, said, out = runs.run(gone, *options, "--retries", "0")
    assert status in (2, 3), said
    (missed,) = out["ledger"]["datasets"][0]["files"][0]["failed"]
    assert f"(bytes from {far.url('a')})" in missed["reason"], missed
    passed(f"damaged bytes of one replica are read from the other, and the error names whose they are, {executor}")


def main(binary: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write(folder, "a", ["x"])
        write(folder, "m", ["event"])
        write(folder, "f", ["event", "x"])
        runs = Runs(binary, folder)
        runs.learn()
        with Served(Host, folder) as near, Served(Host, folder) as far:
            for executor, options in EXECUTORS.items():
                kept_by_the_cache(runs, near, executor, options)
                friends(runs, near, executor, options)
                given_by_a_replica(runs, near, far, executor, options)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
