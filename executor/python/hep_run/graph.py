"""The graph of a run, cut into blocks, and into outputs.

Dask would take the whole graph at once. It comes in blocks instead: subtrees of the merges, each with few ranges. So a
range that cannot be had costs its block and not the run. And as the scheduler keeps every task that something it holds
was made of, it is not everything that is merged on the cluster: subtrees with thousands of ranges are, and what they come
to is given away one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

# Ranges of a block, and of what comes to one output, at most.
BLOCK, OUTPUT = 32, 8192
# Ranges of a block that would otherwise end between ranges that one task does.
LONGEST = 1024

Key = tuple[Union[str, int], ...]


@dataclass
class Range:
    number: int
    dataset: Optional[int]
    # What a person calls it: the file and the entries.
    text: str
    # Addresses of workers that could not do it.
    avoid: frozenset[str] = frozenset()


@dataclass
class Merge:
    # As in the engine's protocol: a range by its number, merge `k` as `-1 - k`.
    inputs: list[int]
    dataset: Optional[int]
    # Ranges below it, and the first of them.
    size: int = 0
    first: int = 0


@dataclass
class Block:
    """What is submitted together, and comes to one output: that of `root`, a task."""

    root: int
    ranges: list[int] = field(default_factory=list)
    # Those that are needed for `root`, each after those it needs.
    merges: list[int] = field(default_factory=list)
    # How often it was submitted again, and how often of that because it failed.
    attempt: int = 0
    failures: int = 0


class Graph:
    """`labels` are the names of the datasets, `run` what tells this run's keys from others'."""

    def __init__(
        self, value: dict[str, Any], labels: Sequence[str], run: str, block: int = BLOCK, output: int = OUTPUT
    ) -> None:
        self.run = run
        self.names = [name(label) for label in labels]
        self.ranges: dict[int, Range] = {}
        for number, dataset, text, *more in value["ranges"]:
            self.ranges[number] = Range(number, dataset, text, frozenset(more[0] if more else ()))
        self.merges = [Merge(list(inputs), dataset) for inputs, dataset in value["merges"]]
        # Ranges that share baskets or pages with the one before, and those of them that are done alone all the same.
        self.joined = frozenset(value.get("joined", ()))
        self.apart: set[int] = set()
        for merge in self.merges:
            merge.size = sum(1 if task >= 0 else self.merges[-1 - task].size for task in merge.inputs)
            merge.first = min((self._first(task) for task in merge.inputs), default=0)
        # Tasks whose outputs are given away: together they are of all ranges.
        self.roots: set[int] = set()
        self.blocks: dict[int, Block] = {}
        # Merges that are of blocks.
        self.upper: set[int] = set()
        self.parents: dict[int, int] = {}
        if self.merges:
            self._cut(-len(self.merges), block, output)

    def _cut(self, last: int, block: int, output: int) -> None:
        # Where a range is done that avoids workers is chosen for it alone.
        careful = any(range_.avoid for range_ in self.ranges.values())
        waiting = [(last, False)]
        while waiting:
            task, below = waiting.pop()
            size = 1 if task >= 0 else self.merges[-1 - task].size
            if not below and size <= output:
                self.roots.add(task)
                below = True
            most = LONGEST if self._parts_joined(task) else block
            if task >= 0 or (below and size <= most and not careful):
                self._block(task)
                continue
            inputs = self.merges[-1 - task].inputs
            waiting.extend((each, below) for each in inputs)
            if below:
                self.upper.add(task)
                self.parents.update(dict.fromkeys(inputs, task))

    def _first(self, task: int) -> int:
        return task if task >= 0 else self.merges[-1 - task].first

    def _parts_joined(self, task: int) -> bool:
        """Whether ranges that one task does are below several of this merge's inputs."""
        if task >= 0 or not self.joined:
            return False
        merge = self.merges[-1 - task]
        return any(self._first(each) in self.joined for each in merge.inputs if self._first(each) != merge.first)

    def _block(self, root: int) -> None:
        block = Block(root)
        waiting = [root]
        while waiting:
            task = waiting.pop()
            if task >= 0:
                block.ranges.append(task)
            else:
                inputs = self.merges[-1 - task].inputs
                block.merges.append(-1 - task)
                waiting.extend(inputs)
                self.parents.update(dict.fromkeys(inputs, task))
        block.ranges.sort()
        block.merges.sort()
        self.blocks[root] = block

    def block(self, task: int) -> Block:
        """The block that a task is of, which is no merge of blocks."""
        while task not in self.blocks:
            task = self.parents[task]
        return self.blocks[task]

    def groups(self, block: Block) -> list[list[int]]:
        """The ranges of a block, together where they share what is read: a task does them one after the other. It is
        named by the first."""
        groups: list[list[int]] = []
        for number in block.ranges:
            if groups and groups[-1][-1] == number - 1 and number in self.joined and number not in self.apart:
                groups[-1].append(number)
            else:
                groups.append([number])
        return groups

    def key(self, task: int, attempt: int = 0) -> Key:
        """A task's key: what the dashboard shows, and which one it is."""
        again: Key = (attempt,) if attempt else ()
        if task >= 0:
            range_ = self.ranges[task]
            return (f"process:{self._name(range_.dataset)}-{self.run}", task, range_.text, *again)
        merge = self.merges[-1 - task]
        return (f"merge:{self._name(merge.dataset)}-{self.run}", -1 - task, *again)

    def _name(self, dataset: Optional[int]) -> str:
        return "datasets" if dataset is None else self.names[dataset]


def name(label: str) -> str:
    """A dataset's name as Dask shows it: it cuts a key at the first `-` that digits follow, among others."""
    plain = re.sub(r"[\s\x00-\x1f,'\"()<>]+", "_", label.replace("-", "_"))
    return plain[:80] or "_"
