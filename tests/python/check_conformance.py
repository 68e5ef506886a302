"""check_conformance.py CONFORMANCE: ROOT agrees where uproot reads nothing, or something else than we do.

Of every column of the fixtures that uproot cannot read and we can, and of every one at which we follow ROOT rather than
uproot (`Float16_t`, `Double32_t`, references that are not to be trusted), ROOT is asked for the numbers.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oracle import FIXTURES, passed, skip


def main() -> None:
    conformance = Path(sys.argv[1])
    if not (FIXTURES / "reference.json").exists():
        skip("conformance with ROOT: the fixtures are not beside this repository")
        return
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Path(folder) / "outcomes.json"
        subprocess.run([conformance, FIXTURES, "--json", outcomes], stdout=subprocess.DEVNULL, check=False)
        files = json.loads(outcomes.read_text())["files"]
    rows = (FIXTURES / "unreadable_by_uproot.tsv").read_text().splitlines()[1:]
    unreadable = {tuple(row.split("\t")[:3]) for row in rows}

    questions: dict[str, list] = {}
    read = 0
    for file, columns in files.items():
        for column in columns:
            place = (file, column["tree"], column["column"])
            packed = column["kind"] in ("AsFloat16", "AsDouble32")
            if place not in unreadable and not packed and column["outcome"] != "suspect":
                continue
            read += place in unreadable and column["outcome"] not in ("unsupported", "error")
            for leaf in column["leaves"]:
                if "dtype" in leaf:
                    questions.setdefault(file, []).append((place, column, leaf))

    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(questions, pool.map(lambda file: ask(file, questions[file]), questions), strict=True))
    counts: Counter[str] = Counter()
    wrong = []
    for file, asked in questions.items():
        for (place, _, leaf), answer in zip(asked, answers[file], strict=True):
            if answer is None:
                counts["not asked"] += 1
            elif answer == [leaf["n"], leaf["content_sha256"]]:
                counts["equal"] += 1
            else:
                counts["different"] += 1
                wrong.append((*place, leaf["field"], leaf["dtype"], leaf["n"], answer[0]))
    passed(f"{read} of {len(unreadable)} columns that uproot cannot read are read")
    print(f"ROOT, of their numbers and those where uproot is not followed: {dict(counts)}")
    for one in wrong:
        print("different:", *one)
    if wrong or 2 * read < len(unreadable) or counts["equal"] == 0:
        sys.exit("ROOT reads something else")


def ask(file: str, asked: list) -> list:
    """ROOT's answers. What makes it crash or hang is left out, and the rest asked again."""
    answers: list = []
    while len(answers) < len(asked):
        lines = [json.dumps([place[1], place[2], leaf["field"], leaf["dtype"]]) for place, _, leaf in asked[len(answers) :]]
        says = [sys.executable, "-W", "ignore", Path(__file__).parent / "root_says.py", FIXTURES / file]
        try:
            run = subprocess.run(says, input="\n".join(lines), capture_output=True, text=True, timeout=300, check=False)
            output = run.stdout
        except subprocess.TimeoutExpired as late:
            output = (late.stdout or b"").decode()
        answers += [json.loads(line) for line in output.splitlines() if line.startswith(("[", "null"))]
        if len(answers) < len(asked):
            answers.append(None)
    return answers


if __name__ == "__main__":
    main()
