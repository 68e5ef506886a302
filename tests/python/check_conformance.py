"""check_conformance.py CONFORMANCE: ROOT agrees where uproot reads nothing, or something else than we do.

Of every column of the fixtures that uproot cannot read and we can, and of every one at which we follow ROOT rather than
uproot (`Float16_t`, `Double32_t`, references that are not to be trusted), ROOT is asked for the numbers, the strings and
the lists around them.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from oracle import FIXTURES, passed, skip

# Where ROOT is not followed: a file's column, and why.
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
    rows = (FIXTURES / "unreadable_by_uproot.tsv").read_text().splitlines()[1:]
    unreadable = {tuple(row.split("\t")[:3]) for row in rows}

    read = 0
    places: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    wrong = []
    for file, all_columns in files.items():
        questions = []
        for column in all_columns:
            place = (file, column["tree"], column["column"])
            is_read = column["outcome"] not in ("unsupported", "error")
            packed = column["kind"] in ("AsFloat16", "AsDouble32")
            read += is_read and place in unreadable
            if is_read and (place in unreadable or packed or column["outcome"] in ("suspect", "different")):
                questions.append(column)
        for column, answers in zip(questions, ask(file, questions), strict=True):
            outcomes = []
            for leaf, answer in zip(column["leaves"], answers, strict=True):
                outcomes.append(compare(leaf, answer))
                places[outcomes[-1]] += 1
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
    if 2 * columns["equal"] < len(unreadable):
        sys.exit(f"ROOT says so of {columns['equal']} of {len(unreadable)} columns that uproot cannot read only")
    passed(f"ROOT, of {len(unreadable)} columns that uproot cannot read: {read} read, {columns['equal']} of them equal")


def ask(file: str, columns: list):
    if not columns:
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
    return "equal" if equal else "different"


def lists(leaf: dict, answer: dict) -> bool:
    """Whether the lists are the same. ROOT knows nothing of those inside of nothing."""
    ours, its = leaf["lists"], answer["lists"]
    return ours[: len(its)] == its and (len(ours) == len(its) or answer["n"] == 0)


def worst(outcomes: list[str]) -> str:
    """Of a column."""
    return next((outcome for outcome in outcomes if outcome != "equal"), "equal")


if __name__ == "__main__":
    main()
