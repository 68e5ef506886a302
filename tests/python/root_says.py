"""root_says.py FILE < questions > answers: what ROOT reads at some places of a file's trees.

A question is a JSON list [tree, column, field, dtype], an answer [count, SHA-256] of the numbers as little-endian
`dtype`, or null where ROOT cannot be asked: strings, and what its formulas do not reach. One process for each file,
since ROOT crashes on some.
"""

import hashlib
import json
import re
import sys

import numpy as np
import ROOT

ROOT.gErrorIgnoreLevel = ROOT.kFatal
MEMBERS = {"0": "first", "1": "second"}


def expressions(column: str, field: str) -> list[str]:
    """What the place may be called in a formula. A column is the path of a branch; ROOT knows its last part."""
    names = [column.rsplit("/", 1)[-1], column.replace("/", ".")]
    names = [name.split("[", 1)[0] for name in names]
    members = ".".join(MEMBERS.get(part, part) for part in field.split("."))
    # The numbers of a `TArrayD` and its like, a base class or a member.
    array = re.sub(r"\bTArray\w$", "fArray", members)
    fields = dict.fromkeys([array if array != members else f"{members}.fArray", field, members]) if field else [""]
    return [f"{name.rstrip('.')}.{field}" if field else name for name in names for field in fields]


def ask(tree, column: str, field: str, dtype: str):
    # ROOT sets bits of its own in objects that it reads: kIsOnHeap, kNotDeleted.
    if (field or column).endswith("fBits"):
        return None
    for expression in expressions(column, field):
        formula = ROOT.TTreeFormula("formula", expression, tree)
        if not formula.GetNdim() or formula.IsString():
            continue
        count = tree.Draw(expression, "", "goff")
        if count < 0:
            continue
        values = np.frombuffer(tree.GetV1(), count=count, dtype="f8") if count else np.zeros(0)
        # Beyond 2^53 a double has no place for every integer.
        if dtype in ("i8", "u8") and np.any(np.abs(values) >= 2**53):
            return None
        with np.errstate(all="ignore"):
            stored = values.astype("u1" if dtype == "bool" else "<" + dtype)
        return [int(count), hashlib.sha256(stored.tobytes()).hexdigest()]
    return None


def main() -> None:
    file = ROOT.TFile.Open(sys.argv[1])
    for line in sys.stdin:
        tree, column, field, dtype = json.loads(line)
        tree = file.Get(tree)
        tree.SetEstimate(-1 if tree.GetEntries() < 1_000_000 else 100_000_000)
        tree.SetEstimate(50_000_000)
        print(json.dumps(ask(tree, column, field, dtype)), flush=True)


if __name__ == "__main__":
    main()
