"""Filesets for the binary `faulty` (tests/src/bin/faulty.rs), and runs over them."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uproot

FILES, ENTRIES, CLUSTER = 4, 10_000, 1_000
# Guards against hanging, and measures nothing.
LONGEST = 120


def write_files(folder: Path, files: int = FILES, entries: int = ENTRIES, cluster: int = CLUSTER) -> list[Path]:
    """Files whose branch `x` is the entry's number, over all of them."""
    paths = []
    for number in range(files):
        path = folder / f"part{number}.root"
        with uproot.recreate(path) as file:
            tree = file.mktree("Events", {"x": np.int32})
            first = number * entries
            for start in range(first, first + entries, cluster):
                tree.extend({"x": np.arange(start, min(start + cluster, first + entries), dtype=np.int32)})
        paths.append(path)
    return paths


@dataclass
class Outcome:
    """How a run ended."""

    status: int
    error: str
    content: dict

    def objects(self) -> str:
        """The histograms and cutflows, as written."""
        return json.dumps({name: dataset["objects"] for name, dataset in self.content["datasets"].items()})

    def done(self) -> int:
        return sum(end - start for file in self.files() for start, end in file["done"])

    def files(self) -> list[dict]:
        return [file for dataset in self.content["ledger"]["datasets"] for file in dataset["files"]]

    def lost(self) -> list[tuple[str, list[int]]]:
        return [(Path(file["path"]).name, missed["entries"]) for file in self.files() for missed in file.get("failed", [])]

    def adds_up(self) -> None:
        """Each entry is in the ledger once, and what is done is what was counted."""
        for file in self.files():
            parts = sorted(file["done"] + [missed["entries"] for kind in ("failed", "skipped") for missed in file.get(kind, [])])
            ends = [0, *(end for _, end in parts)]
            assert [start for start, _ in parts] == ends[:-1] and ends[-1] == file["entries"], parts
        for name, dataset in self.content["datasets"].items():
            files = next(entry["files"] for entry in self.content["ledger"]["datasets"] if entry["name"] == name)
            done = sum(end - start for file in files for start, end in file["done"])
            counted = dataset["objects"].get("cutflow", {}).get("cutflow", [{"events": done}])[0]["events"]
            assert counted == done, f"{name}: {counted} were counted, and {done} are done"


class Runs:
    """Runs of `binary` in `folder`, over the files there."""

    def __init__(self, binary: Path, folder: Path, files: list[Path]) -> None:
        self.binary, self.folder = binary, folder
        self.datasets = {"first set": files[: len(files) // 2], "second-set 2": files[len(files) // 2 :]}
        self.number = 0
        # What the fileset has besides.
        self.more: dict = {}

    def fileset(self, processor: dict) -> Path:
        self.number += 1
        path = self.folder / f"run{self.number}.json"
        datasets = {name: {"files": [str(file) for file in files]} for name, files in self.datasets.items()}
        path.write_text(json.dumps({"processor": processor, "tree": "Events", "datasets": datasets, **self.more}))
        return path

    def command(self, processor: dict, *options: str) -> tuple[list[str], Path]:
        fileset = self.fileset(processor)
        output = fileset.with_name(f"{fileset.stem}-out.json")
        command = [str(self.binary), str(fileset), "--output", str(output), "--progress", "plain", "--entries-per-range", str(CLUSTER)]
        return [*command, *options], output

    def run(self, processor: dict, *options: str, variables: dict[str, str] | None = None) -> Outcome:
        command, output = self.command(processor, *options)
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=LONGEST,
                                env=os.environ | (variables or {}))  # fmt: skip
        return self.outcome(result.returncode, result.stderr, output)

    @staticmethod
    def outcome(status: int, error: str, output: Path) -> Outcome:
        written = output if output.exists() else output.with_suffix(".incomplete.json")
        content = json.loads(written.read_text()) if written.exists() else {"datasets": {}, "ledger": {"datasets": []}}
        return Outcome(status, error, content)
