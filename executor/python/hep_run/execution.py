"""One pass over a graph on a cluster."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable
from typing import Any, Optional

from distributed import Client, Future, KilledWorker

from . import ship
from .graph import Block, Graph, Key
from .progress import Tally

log = logging.getLogger("distributed.hep_run")

# Ranges that are submitted at once, and that are submitted and not done: at least, and for each thread.
BATCH, WINDOW, PER_THREAD = 256, 1024, 4
# How often Dask tries a task again that failed on a worker which could not run it.
RETRIES = 3
# How often a range is tried again whose workers died more often than Dask allows, and anything else.
KILLED, OTHERWISE = 1, 4
# Seconds: between two looks at the workers; without a scheduler, before the run is given up; without workers, before
# that is told.
LOOK, LOST, LONELY = 1.0, 15.0, 30.0

Emit = Callable[[dict[str, Any]], None]
Failure = list[Any]


class Failed(Exception):
    """The run cannot go on."""


class Cancelled(Exception):
    """The run was cancelled."""


class Execution:
    def __init__(self, client: Client, graph: Graph, identity: str, emit: Emit) -> None:
        self.client = client
        self.graph = graph
        self.identity = identity
        self.emit = emit
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.tally = Tally(identity, list(graph.ranges))
        self.waiting = sorted(graph.blocks.values(), key=lambda block: min(block.ranges), reverse=True)
        self.batches = 0
        self.submitted: dict[int, Future] = {}
        self.attempts: dict[int, int] = {}
        self.ready: set[int] = set()
        self.unfinished = 0
        self.keys: dict[str, int] = {}
        self.killed: dict[int, int] = {}
        self.failures: list[Failure] = []
        self.workers: dict[str, int] = {}
        self.unfit: dict[str, str] = {}
        self.cancelled = False
        tasks = ship.module("tasks")
        self.process, self.merge = tasks.process, tasks.merge

    def cancel(self) -> None:
        """From any thread."""
        self.cancelled = True
        self.events.put(("cancel", None))

    def heard(self, event: tuple[float, Any]) -> None:
        """An event of the scheduler, in the client's thread."""
        self.events.put(("event", event[1]))

    def run(self) -> tuple[bytes, list[Failure]]:
        """The partial output of everything, empty if there is none, and the ranges that could not be had."""
        if not self.graph.merges:
            return b"", []
        try:
            self._look()
            self._submit()
            return self._loop()
        except BaseException:
            self._release()
            raise

    def _loop(self) -> tuple[bytes, list[Failure]]:
        looked = time.monotonic()
        while True:
            try:
                kind, what = self.events.get(timeout=0.1)
            except queue.Empty:
                kind, what = "", None
            if kind == "cancel" or self.cancelled:
                raise Cancelled
            if kind == "event":
                self.tally.heard(what)
            elif kind == "done" and self._is_current(*what):
                self._done(what[0])
                if self.graph.root in self.ready:
                    return self._result()
                self._submit()
            if progress := self.tally.due(len(self.workers)):
                self.emit(progress)
            if time.monotonic() > looked + LOOK:
                self._look()
                self._submit()
                looked = time.monotonic()

    def _look(self) -> None:
        """Whether the scheduler is there, and who works."""
        status = getattr(self.client, "status", "running")
        if status == "running":
            try:
                self.workers = dict(self.client.sync(self.client.scheduler.ncores, workers=None))
                self.seen = time.monotonic()
            except Exception as error:  # whatever the connection's end looks like in this version of Dask
                log.info("the scheduler does not answer: %s", error)
        if time.monotonic() > getattr(self, "seen", 0.0) + LOST or status in ("closed", "closing"):
            raise Failed("the scheduler is gone; what was done is lost with it")
        if self.workers:
            self.alone_since = time.monotonic()
        elif time.monotonic() > getattr(self, "alone_since", time.monotonic()) + LONELY:
            self.alone_since = time.monotonic()
            self.emit({"event": "warning", "message": "the cluster has no workers; waiting for some"})

    def _submit(self) -> None:
        """Blocks, as far as the window goes."""
        window = max(WINDOW, PER_THREAD * sum(self.workers.values()))
        while self.waiting and self.unfinished < window:
            batch: list[Block] = []
            size = 0
            avoid = self._avoid(self.waiting[-1])
            while self.waiting and size < BATCH and self._avoid(self.waiting[-1]) == avoid:
                batch.append(self.waiting.pop())
                size += len(batch[-1].ranges)
            self._submit_batch(batch, avoid)

    def _avoid(self, block: Block) -> frozenset[str]:
        return frozenset().union(*(self.graph.ranges[number].avoid for number in block.ranges))

    def _where(self, avoid: frozenset[str]) -> dict[str, Any]:
        """Which workers a task may go to. If there are none of them any more, it may go to any."""
        if not avoid and not self.unfit:
            return {}
        fit = [address for address in self.workers if address not in self.unfit]
        others = [address for address in fit if address not in avoid]
        return {"workers": others or fit, "allow_other_workers": True} if fit else {}

    def _submit_batch(self, batch: list[Block], avoid: frozenset[str]) -> None:
        tasks: dict[Key, Any] = {}
        for block in batch:
            self._tasks(block, tasks)
            self.unfinished += len(block.ranges)
        roots = [block for block in batch if block.ranges]
        keys = [self.graph.key(block.root, block.attempt) for block in roots]
        for block in batch:
            self.attempts[block.root] = block.attempt
            if not block.ranges:
                self._finished(block.root)
        if not roots:
            return
        # Earlier batches first, whenever they were submitted: so what is done is merged before more is begun.
        self.batches += 1
        futures = self.client.get(
            tasks, keys, sync=False, retries=RETRIES, priority=-self.batches, **self._where(avoid)
        )
        for block, future in zip(roots, futures):
            self._follow(block.root, block.attempt, future)

    def _tasks(self, block: Block, tasks: dict[Key, Any]) -> None:
        there = set()
        for number in block.ranges:
            key = self._key(number, block.attempt)
            tasks[key] = (self.process, ship.NODE, self.identity, number)
            there.add(number)
        for at in block.merges:
            inputs = [task for task in self.graph.merges[at].inputs if task in there]
            if inputs:
                there.add(-1 - at)
                key = self._key(-1 - at, block.attempt)
                tasks[key] = (self.merge, ship.NODE, self.identity, [self._key(task, block.attempt) for task in inputs])

    def _key(self, task: int, attempt: int) -> Key:
        key = self.graph.key(task, attempt)
        self.keys[str(key)] = task
        return key

    def _follow(self, task: int, attempt: int, future: Future) -> None:
        self.submitted[task] = future
        future.add_done_callback(lambda _: self.events.put(("done", (task, attempt))))

    def _is_current(self, task: int, attempt: int) -> bool:
        return task in self.submitted and self.attempts.get(task) == attempt and task not in self.ready

    def _done(self, task: int) -> None:
        future = self.submitted[task]
        if future.status == "finished":
            self._finished(task)
        elif future.status == "error":
            self._erred(task, future.exception())
        elif future.status == "cancelled":
            self._look()
            raise Failed("the scheduler has forgotten the run: it was restarted, or somebody cancelled it")

    def _finished(self, task: int) -> None:
        self.ready.add(task)
        if block := self.graph.blocks.get(task):
            self.unfinished -= len(block.ranges)
            for each in (*block.ranges, *(-1 - at for at in block.merges)):
                self.keys.pop(str(self.graph.key(each, block.attempt)), None)
        parent = self.graph.parents.get(task)
        if parent is None or any(each not in self.ready for each in self.graph.merges[-1 - parent].inputs):
            return
        inputs = [self.submitted[each] for each in self.graph.merges[-1 - parent].inputs if each in self.submitted]
        attempt = self.attempts[parent] = self.attempts.get(parent, -1) + 1
        if not inputs:
            self._finished(parent)
            return
        future = self.client.submit(
            self.merge,
            ship.NODE,
            self.identity,
            inputs,
            key=self._key(parent, attempt),
            retries=RETRIES,
            priority=1,
            pure=False,
            **self._where(frozenset()),
        )
        self._follow(parent, attempt, future)
        # From here on the merge keeps them, not we; but if it fails, they are needed again.

    def _erred(self, task: int, error: Optional[BaseException]) -> None:
        """A task failed for good, by Dask's rules: whose fault is it, and what can be done?"""
        if isinstance(error, KilledWorker):
            culprit = self.keys.get(str(error.task), task)
            self._was_killed(culprit, error)
        else:
            culprit = task
            text = f"{error}" if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
            if ship.PACKAGE in text:
                raise Failed(f"a worker could not be set up: {text}; its log says why")
            if (worker := _unfit_worker(text)) is None:
                raise Failed(text)
            self.unfit[worker] = text
            self.emit({"event": "warning", "message": text})
            self._look()
            if self.workers and self.unfit.keys() >= self.workers.keys():
                raise Failed(text)
        self._again(culprit)

    def _was_killed(self, task: int, error: KilledWorker) -> None:
        times = self.killed[task] = self.killed.get(task, 0) + 1
        died = getattr(error, "allowed_failures", 0) + 1
        address = str(getattr(error.last_worker, "address", error.last_worker))
        what = self.graph.ranges[task].text if task >= 0 else f"the merge {self.graph.key(task)}"
        text = f"its worker died {died * times} times, the last was {address}"
        if times <= KILLED:
            self.emit({"event": "warning", "message": f"{what}: {text}; it is tried again"})
        elif task >= 0:
            self.failures.append([task, address, text])
            self.tally.failed(task)
            block = self._block(task)
            block.ranges.remove(task)
            self.unfinished -= 1
        elif times > OTHERWISE:
            raise Failed(f"{what}: {text}")

    def _block(self, task: int) -> Block:
        """The block that a task is of."""
        while task not in self.graph.blocks:
            task = self.graph.parents[task]
        return self.graph.blocks[task]

    def _again(self, task: int) -> None:
        """Submits what a failed task needs, and later what needs it."""
        if task in self.graph.upper:
            del self.submitted[task]
            self.ready.discard(self.graph.merges[-1 - task].inputs[0])
            self._finished(self.graph.merges[-1 - task].inputs[0])
            return
        block = self._block(task)
        if block.root in self.ready:
            # It was done, was lost with its worker, and failed when it was done again.
            self.ready.discard(block.root)
        else:
            self.unfinished -= len(block.ranges)
        self.submitted.pop(block.root, None)
        above = self.graph.parents.get(block.root)
        while above is not None:
            self.submitted.pop(above, None)
            self.ready.discard(above)
            above = self.graph.parents.get(above)
        block.attempt += 1
        if block.attempt > len(block.ranges) * (KILLED + 1) + OTHERWISE:
            raise Failed(f"tasks of {self.graph.key(block.root)[0]} failed {block.attempt} times")
        self.waiting.append(block)

    def _result(self) -> tuple[bytes, list[Failure]]:
        future = self.submitted.get(self.graph.root)
        partial, failures = future.result() if future is not None else (b"", [])
        self._release()
        progress = self.tally.last(len(self.workers))
        self.emit(progress)
        return bytes(partial), sorted(self.failures + failures)

    def _release(self) -> None:
        """Frees what the cluster holds, and stops what it does."""
        futures = list(self.submitted.values())
        self.submitted.clear()
        for future in futures:
            try:
                future.cancel()
            except Exception as error:  # the scheduler may be gone
                log.info("cannot cancel: %s", error)


def _unfit_worker(text: str) -> Optional[str]:
    """The worker that says that it cannot run the binary."""
    start, _, rest = text.partition("hep-run cannot run on worker ")
    return rest.split(": ", 1)[0] if rest and not start else None
