"""check_conformance.py CONFORMANCE: ROOT agrees wherever the fixtures' reference, which is uproot's, does not say the same
as we do: of what uproot cannot read or leaves out, and where we follow ROOT.

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

# Where ROOT is not followed: a file's column, and why.
EQUAL = "equal, says ROOT"
FAILED = ("unsupported", "error")
EXPLAINED: dict[tuple[str, str], str] = {}


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
        questions = []
        for column in all_columns:
            said = reference.get(file, {})
            if column["tree"] in said.get("rntuples", {}):
                continue
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
                outcomes.append(compare(leaf, answer))
                places[outcomes[-1]] += 1
                if "-v" in sys.argv and outcomes[-1] not in (EQUAL, "different"):
                    print(f"{outcomes[-1]}: {file} {column['tree']} {column['column']} {leaf['field']}")
                if outcomes[-1] == "different":
                    wrong.append((file, column["tree"], column["column"], leaf, answer))
            columns[worst(outcomes)] += (file, column["tree"], column["column"]) in unreadable
    print(f"{'places':>8} {'columns':>8}  (numbers or strings in the columns read; the columns that uproot cannot read)")
    for what in sorted(places, key=lambda what: (-places[what], what)):
        print(f"{places[what]:8} {columns[what]:8}  {what}")
    for file, tree, column, leaf, answer in wrong:
        print(f"different: {file} {tree} {column}\n  we   {leaf}\n  ROOT {answer}")
    if wrong:
        sys.exit("ROOT reads something else")
    if 2 * columns[EQUAL] < len(unreadable):
        sys.exit(f"ROOT says so of {columns[EQUAL]} of {len(unreadable)} columns that uproot cannot read only")
    passed(f"ROOT, of {len(unreadable)} columns that uproot cannot read: {read} read, {columns[EQUAL]} of them equal")


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
    if not columns or not file.endswith(".root"):
        return
    from root_says import ask  # takes a second

    for column in columns:
        for leaf in column["leaves"]:
            leaf["bits"] = (leaf["field"] or column["column"]).endswith("fBits")
    answers = ask(FIXTURES / file, [(column["tree"], column["column"], column["leaves"]) for column in columns])
    for column, answer in zip(columns, answers, strict=True):
        why = EXPLAINED.get((file, column["column"]))
        yield [f"explained: {why}"] * len(answer) if why else answer


def compare(leaf: dict, answer: list | str) -> str:
    if isinstance(answer, str):
        return answer if answer.startswith("explained") else f"not asked: {answer}"
    equal = any(all(leaf[key] == of[key] for key in of if key != "lists") and lists(leaf, of) for of in answer)
    return EQUAL if equal else "different"


def lists(leaf: dict, answer: dict) -> bool:
    """Whether the lists are the same. ROOT knows nothing of those inside of nothing."""
    ours, its = leaf["lists"], answer["lists"]
    return ours[: len(its)] == its and (len(ours) == len(its) or answer["n"] == 0)


def worst(outcomes: list[str]) -> str:
    """Of a column."""
    return next((outcome for outcome in outcomes if outcome != EQUAL), EQUAL)


if __name__ == "__main__":
    main()
