"""check_zoo.py CONFORMANCE: every type in every layout and codec that ROOT can write is read as ROOT reads it.

make_zoo.py writes the files, here and now, and says what they hold; CONFORMANCE reads every column of them.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import make_zoo
import uproot_says  # from the folder that make_zoo adds
from oracle import passed, skip

# What we say that we cannot read, and why it is so: nothing else may be, and what is read by now may not stay here.
UNSUPPORTED = {
    "objects:recursive": "a class that contains itself has no columns",
    **{f"objects:heir/{name}": "split once, the base class with the counter is in one piece: ROOT cannot read it either" for name in "sulo"},
    "objects:vv_small": "enumerations inside of nested vectors have fewer than 4 bytes, and perhaps a sign",
    "types:blob": "a field that is streamed as in a tree",
    "types:o_variant": "a variant that may be absent",
    "late:y": "a branch that was made late: which entries it has, the file does not say",
}


def main() -> None:
    conformance = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not make_zoo.make(folder):
            skip("the zoo of types", "there is no C++ compiler")
            return
        outcomes = folder / "outcomes.json"
        run = subprocess.run([conformance, folder, "--json", outcomes], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if not outcomes.exists():
            sys.exit(f"{conformance} ended with {run.returncode}\n{run.stderr}")
        files = json.loads(outcomes.read_text())["files"]
        ask_uproot(folder)
    counts: Counter[str] = Counter()
    failed, unsupported, kinds = [], set(), set()
    for file, columns in files.items():
        for column in columns:
            counts[column["outcome"]] += 1
            place = f"{column['tree']}:{column['column']}"
            kinds.add(place)
            if column["outcome"] == "unsupported" and place in UNSUPPORTED:
                unsupported.add(place)
            elif column["outcome"] not in ("equal", "no_reference", "read"):
                failed.append(f"{column['outcome']} {file}:{place}: {column['why']}")
    for name in sorted(unsupported):
        print(f"not supported: {name}: {UNSUPPORTED[name]}")
    if stale := set(UNSUPPORTED) - unsupported:
        failed.append(f"read, or gone, and still said to be unsupported: {sorted(stale)}")
    if failed or not counts["equal"]:
        print("\n".join(failed[:40]))
        sys.exit(f"{len(failed)} columns of the zoo are not read as ROOT reads them: {dict(counts)}")
    passed(f"{counts['equal']} columns in {len(files)} files are what ROOT wrote and reads ({len(kinds)} kinds of column)")


def ask_uproot(folder: Path) -> None:
    """Where uproot reads something else than what reference.json says, there is a reason."""
    reference = json.loads((folder / "reference.json").read_text())["files"]
    counts: Counter[str] = Counter()
    unknown = []
    for name in ("split_zstd.root", "rntuple_zstd.root", "structures.root"):
        for place, answer in uproot_says.compare(folder / name, reference[name]).items():
            counts[answer.split(":")[0]] += 1
            if answer.startswith("differs") and not any(re.fullmatch(known, place) for known in uproot_says.DIFFERS):
                unknown.append(f"uproot does not read {name}:{place} as ROOT does: {answer}")
    if unknown:
        sys.exit("\n".join(unknown))
    passed(f"uproot's opinion of what ROOT wrote: {dict(counts)}")


if __name__ == "__main__":
    main()
