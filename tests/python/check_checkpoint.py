"""check_checkpoint.py FAULTY: what was kept of an interrupted run is taken, what is of anything else or damaged is not, and
the result is that of a run without, byte for byte."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import uproot
from faulty import ENTRIES, FILES, LONGEST, Outcome, Runs, write_files
from oracle import end_tidily, passed, skip

ALL = FILES * ENTRIES


class Kept:
    """Runs with a folder of checkpoints."""

    def __init__(self, runs: Runs, want: str) -> None:
        self.runs, self.want = runs, want

    def run(self, folder: Path, *options: str, processor: dict | None = None, want: str | None = None,
            within: list[str] | None = None) -> tuple[Outcome, int]:  # fmt: skip
        """A complete run with the right result, and how many entries it took from `folder`."""
        command, output = self.runs.command(processor or {"name": "faulty"}, "--checkpoint", str(folder), "--format", "json", *options)
        command = [*(within or []), *command]
        result = subprocess.run(command, cwd=self.runs.folder, capture_output=True, text=True, check=False, timeout=LONGEST)
        outcome = self.runs.outcome(result.returncode, result.stderr, output)
        assert outcome.status == 0, outcome.error
        assert outcome.objects() == (want or self.want), "another result than without checkpoints"
        outcome.adds_up()
        return outcome, json.loads(result.stdout)["entries_of_checkpoints"]

    def files(self, folder: Path) -> list[Path]:
        return sorted(path for path in folder.rglob("*") if path.is_file())


def taken(kept: Kept, folder: Path) -> None:
    for executor in ("threads", "processes", "serial"):
        place = folder / executor
        _, first = kept.run(place, "--executor", executor)
        count = len(kept.files(place))
        assert first == 0 and count == ALL // 1000, (first, count)
        _, again = kept.run(place, "--executor", executor)
        assert again == 0, "without --resume nothing is taken"
        _, again = kept.run(place, "--executor", executor, "--resume")
        assert again == ALL, again
        assert len(kept.files(place)) == count
        passed(f"checkpoints: {executor}, all is taken")
    _, other = kept.run(folder / "processes", "--executor", "threads", "--resume")
    assert other == ALL, other
    passed("checkpoints: of another executor")


def interrupted(kept: Kept, folder: Path) -> None:
    for executor in ("threads", "processes"):
        place = folder / f"killed-{executor}"
        slow = {"name": "faulty", "delay": 50}
        command, _ = kept.runs.command(slow, "--executor", executor, "--workers", "2", "--checkpoint", str(place))
        with subprocess.Popen(command, cwd=kept.runs.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                while len(kept.files(place) if place.exists() else []) < 5:
                    assert process.poll() is None, "it has ended without keeping anything"
                    time.sleep(0.01)
            finally:
                process.kill()
        there = sum(1 for path in kept.files(place) if path.suffix != ".tmp")
        _, entries = kept.run(place, "--resume", processor=slow)
        assert 1000 * (there - 2) <= entries < ALL and entries >= 4000, (there, entries)
        passed(f"checkpoints: {executor}, killed and resumed")


def other_analyses(kept: Kept, folder: Path) -> None:
    """Nothing is taken of a run of which anything was different."""
    place = folder / "threads"
    _, entries = kept.run(place, "--resume", processor={"name": "faulty", "megabytes": 1})
    assert entries == 0, entries
    passed("checkpoints: another setting")
    binary = kept.runs.binary
    kept.runs.binary = folder / "another"
    shutil.copy(binary, kept.runs.binary)
    with open(kept.runs.binary, "ab") as file:
        file.write(b"!")
    _, entries = kept.run(place, "--resume")
    assert entries == 0, entries
    kept.runs.binary = binary
    passed("checkpoints: another binary")
    _, entries = kept.run(place, "--resume", "--skip-checksums")
    assert entries == 0, entries
    passed("checkpoints: another way of reading")
    named = folder / "factors.txt"
    for content, taken in (("1.0", 0), ("1.0", ALL), ("1.1", 0), ("1.0", ALL)):
        named.write_text(content)
        _, entries = kept.run(place, "--resume", processor={"name": "faulty", "only_where": str(named)})
        assert entries == taken, (content, entries)
    passed("checkpoints: another content of a file that a setting names")


def other_files(kept: Kept, folder: Path) -> None:
    """A file that was replaced is read, the others are not."""
    place = folder / "threads"
    path = kept.runs.datasets["first set"][0]
    moved = path.with_suffix(".moved")
    path.rename(moved)
    again = folder / "again"
    again.mkdir()
    shutil.copy(write_files(again, files=1)[0], path)
    _, entries = kept.run(place, "--resume")
    assert entries == ALL - ENTRIES, entries
    passed("checkpoints: a file that was replaced")
    moved.rename(path)
    updated(kept, place, path)
    datasets = kept.runs.datasets
    kept.runs.datasets = {"another name": datasets["first set"], "second-set 2": datasets["second-set 2"]}
    want = kept.runs.run({"name": "faulty"}).objects()
    _, entries = kept.run(place, "--resume", want=want)
    assert entries == ALL // 2, entries
    kept.runs.datasets = datasets
    passed("checkpoints: a dataset of another name")


def update(path: Path, entries: int = ENTRIES) -> None:
    """Writes the tree anew, with as many entries and other values; the file's uuid stays."""
    with uproot.update(path) as file:
        tree = file.mktree("Events", {"x": np.int32})
        for start in range(0, entries, 1000):
            tree.extend({"x": np.arange(start, start + 1000, dtype=np.int32) // 2})


def updated(kept: Kept, place: Path, path: Path) -> None:
    """A file that was changed where it is has the identifier that it had."""
    whole = path.read_bytes()
    update(path)
    want = kept.runs.run({"name": "faulty"}).objects()
    assert want != kept.want
    _, entries = kept.run(place, "--resume", want=want)
    assert entries == ALL - ENTRIES, entries
    path.write_bytes(whole)
    passed("checkpoints: a file that was updated")
    other = place.with_name("friend")
    other.mkdir()
    friend = write_files(other, files=1, entries=ALL)[0]
    whole = friend.read_bytes()
    with uproot.open(friend) as file:
        known = {"path": str(friend), "tree": "Events", "uuid": str(file.file.uuid), "entries": ALL}
    for described in (str(friend), known):
        friend.write_bytes(whole)
        kept.runs.more = {"friends": {"other": {"files": [described]}}}
        kept.run(place, "--resume")
        _, entries = kept.run(place, "--resume")
        assert entries == ALL, entries
        update(friend, ALL)
        _, entries = kept.run(place, "--resume")
        assert entries == 0, entries
        shutil.rmtree(place)
        kept.runs.more = {}
        kept.run(place)
    passed("checkpoints: a friend that was updated")


def updated_meanwhile(kept: Kept, folder: Path) -> None:
    """What is read of a file that was updated after the run was planned would be kept under what it was before."""
    path = kept.runs.datasets["first set"][0]
    whole = path.read_bytes()
    fileset = kept.runs.fileset({"name": "faulty"})
    command = [str(kept.runs.binary), "plan", str(fileset), "-o", "job.json", "--checkpoint", str(folder / "meanwhile")]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    update(path)
    command = [str(kept.runs.binary), "map", "job.json", "all", "part.partial"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=LONGEST)
    path.write_bytes(whole)
    assert result.returncode == 3 and "written anew since this run was planned" in result.stderr, (result.returncode, result.stderr)
    passed("checkpoints: a file that was updated after the plan")


def named_in_metadata(kept: Kept, folder: Path) -> None:
    """What metadata name is part of what an output is made of: a file's content, and the files of a folder."""
    runs = kept.runs
    place, good = folder / "named", folder / "good-runs"
    good.mkdir()
    (good / "runs.json").write_text("{}")
    path = folder / "named.json"
    for name in (good / "runs.json", good):
        datasets = {"a": {"files": [str(runs.datasets["first set"][0])], "metadata": {"good": str(name)}}}
        path.write_text(json.dumps({"processor": "faulty", "tree": "Events", "datasets": datasets}))
        command = [runs.binary, path, "-o", folder / "named-out.json", "--checkpoint", place, "--resume", "--format", "json"]
        entries = []
        for content in ("{} ", "{} ", "{}  "):
            if (good / "runs.json").read_text() != content:
                (good / "runs.json").write_text(content)
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            entries.append(json.loads(printed)["entries_of_checkpoints"])
        assert entries == [0, ENTRIES, 0], entries
        passed(f"checkpoints: what metadata name, a {'folder' if name == good else 'file'}")


def damaged(kept: Kept, folder: Path) -> None:
    place = folder / "serial"
    paths = kept.files(place)
    whole = paths[0].read_bytes()
    another = paths[1].read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    damages = {
        "truncated": whole[: len(whole) // 2],
        "with a flipped bit": bytes(flipped),
        "empty": b"",
        "of something else": b"Something else altogether, which is longer than what comes before a checkpoint",
        "of another range": another,
        "too long": whole + b"\0",
    }
    for damage, content in damages.items():
        paths[0].write_bytes(content)
        outcome, entries = kept.run(place, "--resume")
        assert entries == ALL - 1000, f"{damage}: {entries}"
        assert re.search(r"checkpoint .* is damaged \(.*\): its range is processed again", outcome.error), outcome.error
        assert paths[0].read_bytes() == whole, f"{damage}: it is not written anew"
        passed(f"checkpoints: one that is {damage}")
    paths[0].unlink()
    paths[0].mkdir()
    outcome, entries = kept.run(place, "--resume")
    assert entries == ALL - 1000 and "nothing can be kept" in outcome.error, (entries, outcome.error)
    paths[0].rmdir()
    passed("checkpoints: a folder in the place of one")
    os.mkfifo(paths[0])
    _, entries = kept.run(place, "--resume")
    assert entries == ALL - 1000 and paths[0].read_bytes() == whole, entries
    passed("checkpoints: a pipe in the place of one")


def refused(kept: Kept, folder: Path) -> None:
    """Where nothing can be kept, the run goes on and says so once."""
    outcome, entries = kept.run(Path("/proc/checkpoints"), "--resume")
    assert entries == 0 and outcome.error.count("nothing can be kept") == 1, outcome.error
    passed("checkpoints: a folder that cannot be")


def mounted(how: str, place: Path) -> list[str]:
    """What to put before a command so that it, and nothing else, finds something mounted at `place`."""
    alone = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    return [*alone, "sh", "-ec", f'{how}; exec "$@"', str(place)]


def no_room(kept: Kept, folder: Path) -> None:
    full = folder / "full"
    full.mkdir()
    within = mounted('mount -t tmpfs -o size=16k,mode=700 none "$0"', full)
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        skip("checkpoints on a full disk and in a read-only folder", "nothing can be mounted here")
        return
    outcome, entries = kept.run(full, "--resume", within=within)
    assert entries == 0 and outcome.error.count("nothing can be kept") == 1, outcome.error
    passed("checkpoints: a full disk")
    place = folder / "threads"
    within = mounted('mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"', place)
    outcome, entries = kept.run(place, "--resume", within=within)
    assert entries == ALL and "nothing can be kept" not in outcome.error, (entries, outcome.error)
    outcome, entries = kept.run(place, "--resume", processor={"name": "faulty", "megabytes": 2}, within=within)
    assert entries == 0 and outcome.error.count("nothing can be kept") == 1, (entries, outcome.error)
    passed("checkpoints: a read-only folder")


def at_once(kept: Kept, folder: Path) -> None:
    place = folder / "together"
    commands = [kept.runs.command({"name": "faulty", "delay": 5}, "--checkpoint", str(place), "--resume") for _ in range(3)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for command, _ in commands]
    for process, (_, output) in zip(processes, commands, strict=True):
        _, error = process.communicate()
        assert kept.runs.outcome(process.returncode, error, output).objects() == kept.want, error
    assert len(kept.files(place)) == ALL // 1000
    _, entries = kept.run(place, "--resume", processor={"name": "faulty", "delay": 5})
    assert entries == ALL, entries
    passed("checkpoints: three runs at once")


def main() -> None:
    end_tidily()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = Runs(Path(sys.argv[1]).resolve(), folder, write_files(folder))
        plain = runs.run({"name": "faulty"})
        assert plain.status == 0, plain.error
        kept = Kept(runs, plain.objects())
        taken(kept, folder)
        interrupted(kept, folder)
        other_analyses(kept, folder)
        other_files(kept, folder)
        named_in_metadata(kept, folder)
        damaged(kept, folder)
        refused(kept, folder)
        no_room(kept, folder)
        updated_meanwhile(kept, folder)
        at_once(kept, folder)


if __name__ == "__main__":
    main()
