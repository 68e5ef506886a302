"""check_conformance.py CONFORMANCE: ROOT agrees wherever the fixtures' reference, which is uproot's, does not say the
same as we do: of what uproot cannot read or leaves out, and where we follow ROOT.

What `conformance` says of every number and string is compared literally, without its knowledge of uproot. Of the rest
ROOT is asked for the values and the lists around them.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from oracle import FIXTURES, passed, skip

# Where ROOT 6.40 crashes. The objects of issue-76 have `TObject` as their second base class, of which ROOT calls
# virtual functions that a class without a dictionary has not; of the other one it frees what it has not allocated.
CRASHES = {
    ("skhep/uproot-issue-76.root", "KM3NET_TIMESLICE/KM3NETDAQ::JDAQTimesliceHeader"),
    ("skhep/uproot-issue-76.root", "KM3NET_EVENT/KM3NETDAQ::JDAQEventHeader"),
    ("skhep/uproot-issue-76.root", "KM3NET_SUMMARYSLICE/KM3NETDAQ::JDAQSummarysliceHeader"),
    ("km3net/gseagen_v7.0.0_numuCC_diffuse.aa.root", "Evt/mc_trks"),
}
CRASHED = "not asked: ROOT crashes"
EQUAL = "equal, says ROOT"
COUNTED = "equal, says ROOT: so many objects without members"
EMPTY = "equal, says ROOT: nothing in any entry"
BEST = (EQUAL, COUNTED, EMPTY)
FAILED = ("unsupported", "error")


def main() -> None:
    conformance = Path(sys.argv[1])
    if not (FIXTURES / "reference.json").exists():
        skip("conformance with ROOT", "the fixtures are not beside this repository")
        return
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder) / "outcomes.json"
        subprocess.run([conformance, FIXTURES, "--json", outcomes], stdout=subprocess.DEVNULL, check=False)
        files = json.loads(outcomes.read_text())["files"]
    reference = json.loads((FIXTURES / "reference.json").read_text())["files"]
    rows = (FIXTURES / "unreadable_by_uproot.tsv").read_text().splitlines()[1:]
    unreadable = {tuple(row.split("\t")[:3]) for row in rows}

    read = 0
    places: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    wrong = []
    for file, all_columns in files.items():
        if not file.endswith(".root"):
            continue  # Parquet
        questions = []
        for column in all_columns:
            said = reference.get(file, {})
            if column["tree"] in said.get("rntuples", {}):
                continue  # check_rntuple.py
            read += (file, column["tree"], column["column"]) in unreadable and column["outcome"] not in FAILED
            said = said.get("trees", {}).get(column["tree"], {}).get("branches", {}).get(column["column"], {})
            said = {canonical(leaf["field"]): leaf for leaf in said.get("leaves") or []}
            leaves = [leaf for leaf in column["leaves"] if leaf.get("kind") != "nothing"]
            literal = [leaf for leaf in leaves if is_same(leaf, said.get(canonical(leaf["field"])))]
            places["equal, says uproot"] += len(literal)
            if asked := [leaf for leaf in leaves if leaf not in literal]:
                questions.append(column | {"leaves": asked})
        for column, answers in zip(questions, ask(file, questions), strict=True):
            outcomes = []
            for leaf, answer in zip(column["leaves"], answers, strict=True):
                outcome = compare(leaf, answer)
                outcomes.append(outcome)
                places[outcome] += 1
                crashes = outcome == CRASHED and (file, column["column"]) in CRASHES
                if outcome not in BEST and not crashes:
                    place = f"{file} {column['tree']} {column['column']}"
                    wrong.append(f"{outcome}: {place}\n  we   {leaf}\n  ROOT {answer}")
            columns[of_column(outcomes)] += (file, column["tree"], column["column"]) in unreadable
    print(f"{'places':>8} {'columns':>8}  (numbers or strings in the columns read; columns that uproot cannot read)")
    for what in sorted(places, key=lambda what: (-places[what], what)):
        print(f"{places[what]:8} {columns[what]:8}  {what}")
    print("\n".join(wrong[:20]))
    if wrong:
        sys.exit(f"ROOT reads something else, or nothing, in {len(wrong)} places")
    equal = sum(columns[outcome] for outcome in BEST)
    if 2 * equal < len(unreadable):
        sys.exit(f"of {len(unreadable)} columns that uproot cannot read only {equal} are equal")
    passed(f"ROOT, of {len(unreadable)} columns that uproot cannot read: {read} read, {equal} of them equal")


def canonical(field: str) -> str:
    """A leaf's path with the members of pairs, tuples and maps numbered."""
    names = {"first": "0", "key": "0", "keys": "0", "second": "1", "value": "1", "values": "1"}
    return ".".join(names.get(name, re.sub(r"^_(\d+)$", r"\1", name)) for name in field.split("."))


def is_same(leaf: dict, reference: dict | None) -> bool:
    if reference is None:
        return False
    said = [level["offsets_sha256"] for level in reference.get("levels", []) if "offsets_sha256" in level]
    keys = ("n", "nbytes", "content_sha256", "offsets_sha256")
    return leaf["lists"] == said and all(leaf[key] == reference.get(key) for key in keys if key in leaf)


def ask(file: str, columns: list):
    if not columns:
        return
    from root_says import ask  # takes a second

    for column in columns:
        for leaf in column["leaves"]:
            leaf["bits"] = (leaf["field"] or column["column"]).endswith("fBits")
    yield from ask(FIXTURES / file, [(column["tree"], column["column"], column["leaves"]) for column in columns])


def compare(leaf: dict, answer: list | str) -> str:
    if isinstance(answer, str):
        return f"not asked: {answer}"
    equal = any(all(leaf[key] == of[key] for key in of if key != "lists") and lists(leaf, of) for of in answer)
    if not equal:
        return "different"
    return EMPTY if not leaf["n"] else COUNTED if leaf.get("kind") == "empty-record" else EQUAL


def lists(leaf: dict, answer: dict) -> bool:
    """Whether the lists are the same. ROOT knows nothing of those inside of nothing."""
    ours, its = leaf["lists"], answer["lists"]
    return ours[: len(its)] == its and (len(ours) == len(its) or answer["n"] == 0)


def of_column(outcomes: list[str]) -> str:
    """What is wrong with it, or else what most is known of."""
    wrong = [outcome for outcome in outcomes if outcome not in BEST]
    return wrong[0] if wrong else min(outcomes, key=BEST.index)


if __name__ == "__main__":
    main()
