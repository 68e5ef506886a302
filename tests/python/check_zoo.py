"""check_zoo.py CONFORMANCE: every type in every layout and codec that ROOT can write is read as ROOT reads it.

make_zoo.py writes the files, here and now, and says what they hold; CONFORMANCE reads every column of them.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from make_zoo import make
from oracle import passed, skip

# What we say that we cannot read, and why it is so: nothing else may be, and what is read by now may not stay here.
UNSUPPORTED = {
    "v_color": "the file does not say that its items are of an enumeration",
    "keyed": "the same, of a map",
    "keyed/flavours": "the same, of a map",
    "recursive": "a class that contains itself has no columns",
    "blob": "a field that is streamed as in a tree",
    "o_variant": "a variant that may be absent",
}


def main() -> None:
    conformance = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not make(folder):
            skip("the zoo of types", "there is no C++ compiler")
            return
        outcomes = folder / "outcomes.json"
        run = subprocess.run([conformance, folder, "--json", outcomes], capture_output=True, text=True, check=False)
        if not outcomes.exists():
            sys.exit(f"{conformance} ended with {run.returncode}\n{run.stderr}")
        files = json.loads(outcomes.read_text())["files"]
    counts: Counter[str] = Counter()
    failed, unsupported, kinds = [], set(), set()
    for file, columns in files.items():
        for column in columns:
            counts[column["outcome"]] += 1
            kinds.add((column["tree"], column["column"]))
            if column["outcome"] == "unsupported" and column["column"] in UNSUPPORTED:
                unsupported.add(column["column"])
            elif column["outcome"] not in ("equal", "no_reference"):
                failed.append(f"{column['outcome']} {file}:{column['tree']}:{column['column']}: {column['why']}")
    for name in sorted(unsupported):
        print(f"not supported: {name}: {UNSUPPORTED[name]}")
    if stale := set(UNSUPPORTED) - unsupported:
        failed.append(f"read, or gone, and still said to be unsupported: {sorted(stale)}")
    if failed or not counts["equal"]:
        print("\n".join(failed[:40]))
        sys.exit(f"{len(failed)} columns of the zoo are not read as ROOT reads them: {dict(counts)}")
    passed(f"{counts['equal']} columns in {len(files)} files are what ROOT wrote and reads ({len(kinds)} kinds of column)")


if __name__ == "__main__":
    main()
