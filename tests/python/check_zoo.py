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

# What is not read as it should, and why: nothing else may differ, and what is read by now may not stay here.
KNOWN: dict[str, str] = {}


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
    failed, known, types = [], set(), set()
    for file, columns in files.items():
        for column in columns:
            counts[column["outcome"]] += 1
            types.add((column["tree"], column["column"]))
            if column["outcome"] in ("equal", "no_reference"):
                continue
            if column["column"] in KNOWN:
                known.add(column["column"])
            else:
                failed.append(f"{column['outcome']} {file}:{column['tree']}:{column['column']}: {column['why']}")
    for name in sorted(known):
        print(f"not read: {name}: {KNOWN[name]}")
    if stale := set(KNOWN) - known:
        failed.append(f"now read, and still said not to be: {sorted(stale)}")
    if failed or not counts["equal"]:
        print("\n".join(failed[:40]))
        sys.exit(f"{len(failed)} columns of the zoo are not read as ROOT reads them: {dict(counts)}")
    passed(f"{counts['equal']} columns in {len(files)} files are what ROOT wrote and reads ({len(types)} kinds of column)")


if __name__ == "__main__":
    main()
