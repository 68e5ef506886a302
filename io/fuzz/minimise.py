"""Keeps of all inputs that fuzzing found the few that reach most: `python minimise.py WORK`.

WORK has a folder for each target. libFuzzer says which features (edges of the program, and how often each
was taken) every input reaches; inputs are chosen one by one, the one with the most new features for its size
next, until nothing is new or the target's limits are reached. Inputs with a name that is no hash or number
are always kept.
"""

import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent

# How many inputs and how many bytes are kept.
LIMITS = {
    "basket": (90, 120_000),
    "codec": (40, 40_000),
    "file": (50, 150_000),
    "histogram": (40, 60_000),
    "ntuple": (90, 150_000),
    "parquet": (80, 120_000),
    "streamers": (12, 300_000),
    "tree": (90, 400_000),
    "xrootd": (80, 40_000),
}
# An input costs so many bytes more than it has: otherwise the smallest would always come first.
EACH = 2000


def features(target, folders):
    """What each input reaches."""
    with tempfile.TemporaryDirectory() as merged, tempfile.TemporaryDirectory() as control:
        control = pathlib.Path(control) / "control"
        run = ["cargo", "+nightly", "fuzz", "run", "--fuzz-dir", HERE, "-s", "none", target, merged, *folders]
        options = ["-merge=1", f"-merge_control_file={control}", "-timeout=60", "-max_len=100000"]
        subprocess.run([*run, "--", *options], check=True, capture_output=True, cwd=HERE.parent.parent)
        lines = control.read_text().splitlines()
    # The number of files, that of those before, and the files; then a line for each as it is run.
    files = lines[2 : 2 + int(lines[0])]
    reached, known = {}, set()
    for line in lines[2 + len(files) :]:
        kind, number, *found = line.split()
        path = pathlib.Path(files[int(number)])
        if kind == "FT" and (data := path.read_bytes()) not in known:
            known.add(data)
            reached[path] = set(map(int, found))
    return reached


def chosen(reached, most_files, most_bytes):
    named = [path for path in reached if not re.fullmatch("[0-9a-f]+", path.name)]
    kept, seen = [], set()
    left = {path: path.read_bytes() for path in reached}

    def keep(path):
        kept.append((path.name, left.pop(path)))
        seen.update(reached[path])

    for path in sorted(named, key=lambda path: path.name):
        keep(path)
    while left and len(kept) < most_files:
        room = most_bytes - sum(len(data) for _, data in kept)
        fitting = {path: len(data) for path, data in left.items() if len(data) <= room}
        worth = {path: len(reached[path] - seen) / (EACH + size) for path, size in fitting.items()}
        best = max(worth, key=lambda path: (worth[path], path.name), default=None)
        if best is None or worth[best] == 0:
            break
        keep(best)
    everything = set().union(*reached.values())
    print(f"  {len(kept)} of {len(reached)} inputs, {len(seen)} of {len(everything)} features")
    return kept


def main():
    work = pathlib.Path(sys.argv[1]).resolve()
    for target, limits in LIMITS.items():
        corpus = HERE / "corpus" / target
        folders = [folder for folder in (corpus, work / target) if folder.exists()]
        print(target)
        kept = chosen(features(target, folders), *limits)
        for path in corpus.iterdir():
            path.unlink()
        for name, data in kept:
            is_new = re.fullmatch("[0-9a-f]+", name)
            name = hashlib.sha1(data).hexdigest()[:12] if is_new else name
            (corpus / name).write_bytes(data)
        print(f"  {sum(len(data) for _, data in kept)} bytes")


if __name__ == "__main__":
    main()
