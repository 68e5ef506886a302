"""One ADL query over one file: all contestants in turns, after they have given the same histogram."""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from contestants import PEERS, Contestant, HepRun, Lost, Programs, Turn, floor, peer
from files import BenchFile

# A line of the results: of one query over one file.
Record = dict[str, Any]
# What is said of a contestant that does other work.
DIFFERS = "is not hep-run's"


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


class Contest:
    """All contestants that can do a query over a file, and what they have taken."""

    def __init__(self, programs: Programs, path: Path, query: int, workers: list[int], peers: list[str], folder: Path) -> None:
        self.query = query
        self.contestants: list[Contestant] = [HepRun(programs.hep_run, path, query, n, folder) for n in workers]
        self.turns: dict[str, list[Turn]] = {}
        # Why the others are not there.
        self.lost: dict[str, str] = {}
        for name in PEERS:
            for n in workers if name in peers else []:
                try:
                    self.contestants.append(peer(name, programs, path, query, n))
                except Lost as why:
                    self.lost[f"{name} {n}"] = str(why)

    def first_turns(self) -> None:
        """Lets those go on that give hep-run's histograms."""
        reference: dict[str, list[float]] = {}
        for contestant in list(self.contestants):
            try:
                turn = contestant.turn()
                reference = reference or turn.bins
                self.check(turn, reference)
                self.turns[called(contestant)] = [turn]
            except Lost as why:
                if isinstance(contestant, HepRun):
                    raise
                self.lost[called(contestant)] = str(why)
                contestant.end()
                self.contestants.remove(contestant)

    def check(self, turn: Turn, reference: dict[str, list[float]]) -> None:
        """A peer in Python gives the first histogram only, without its name."""
        for name, bins in turn.bins.items():
            wanted = reference[name or next(iter(reference))]
            if [float(count) for count in bins] != [float(count) for count in wanted]:
                raise Lost(f"Q{self.query}: its histogram {name} {DIFFERS}")

    def round(self, number: int) -> None:
        """A turn for each, there and back, so that nobody always follows the same one."""
        for contestant in self.contestants if number % 2 == 0 else reversed(self.contestants):
            self.turns[called(contestant)].append(contestant.turn())

    def end(self) -> dict[str, dict[str, float]]:
        for contestant in self.contestants:
            contestant.end()
        return {called(contestant): figures(contestant, self.turns[called(contestant)]) for contestant in self.contestants}


def called(contestant: Contestant) -> str:
    return f"{contestant.name} {contestant.workers}"


def measure(programs: Programs, file: BenchFile, path: Path, query: int, workers: list[int], peers: list[str], repeat: int) -> Record:
    """Medians of `repeat` turns, after a first one that is reported apart."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contest = Contest(programs, path, query, workers, peers, folder)
        contest.first_turns()
        beneath = floor(programs, path, query, folder)
        floors: list[dict[str, float]] = []
        for number in range(repeat):
            contest.round(number)
            floors.append(json.loads(subprocess.check_output(beneath, text=True)))
        spent = contest.end()
    for who, why in contest.lost.items():
        print(f"{file.label}, Q{query}: {who} is not measured: {why}", file=sys.stderr)
    below = {key: median(one[key] for one in floors) for key in floors[0]}
    return {"file": str(file), "label": file.label, "events": file.events, "query": query, "repeat": repeat,
            "spent": spent, "floor": below, "lost": contest.lost}  # fmt: skip


def figures(contestant: Contestant, turns: list[Turn]) -> dict[str, float]:
    first, *rest = turns
    found = {
        "startup_cpu": contestant.startup_cpu,
        "first_cpu": first.cpu,
        "cpu": median(turn.cpu for turn in rest),
        "wall": median(turn.wall for turn in rest),
        "least_cpu": min(turn.cpu for turn in rest),
        "least_wall": min(turn.wall for turn in rest),
        "peak_mb": contestant.peak_kb / 1e3,
    }
    loops = [turn.loop for turn in rest if turn.loop is not None]
    return found | ({"loop": median(loops)} if loops else {})
