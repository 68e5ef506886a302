"""One pass over a graph on a cluster."""

from __future__ import annotations

import ast
import logging
import queue
import time
from collections.abc import Callable, Sequence
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
LOOK, LOST, LONELY = 1.0, 15.0, 20.0

Emit = Callable[[dict[str, Any]], None]
Deliver = Callable[[bytes], None]
Failure = list[Any]


class Failed(Exception):
    """The run cannot go on."""


class Cancelled(Exception):
    """The run was cancelled."""


class Execution:
    """`deliver` takes the partial outputs, `tell` says why there is no worker, or raises `Failed` where none will come,
    and `equip` sees to it that all workers have the plug-in, also those that have lost it, and says why some do not
    take it."""

    def __init__(
        self,
        client: Client,
        graph: Graph,
        identity: str,
        emit: Emit,
        deliver: Deliver,
        tell: Callable[[], str],
        equip: Callable[[Sequence[str]], dict[str, str]],
    ) -> None:
        self.client = client
        self.graph = graph
        self.identity = identity
        self.emit = emit
        self.deliver = deliver
        self.tell = tell
        self.equip = equip
        self.events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.tally = Tally(identity, list(graph.ranges))
        self.waiting = sorted(graph.blocks.values(), key=lambda block: min(block.ranges), reverse=True)
        self.batches = 0
        # Blocks, and merges of blocks: those that are held, how often each was submitted, and those that are done.
        self.futures: dict[int, Future] = {}
        self.attempts: dict[int, int] = {}
        self.ready: set[int] = set()
        # Workers that they may go to, where these are not all.
        self.only: dict[int, set[str]] = {}
        # How many ranges there are in blocks that are submitted and not done.
        self.open: dict[int, int] = {}
        self.killed: dict[int, int] = {}
        # How often a worker had no plug-in for them, and when the workers were last looked through for that.
        self.strange: dict[int, int] = {}
        self.equipped = 0.0
        self.failures: list[Failure] = []
        self.workers: dict[str, int] = {}
        self.unfit: dict[str, str] = {}
        self.cancelled = False
        # When the scheduler was seen, when there was a worker, and when it was told that there is none.
        self.seen = self.populated = self.told = time.monotonic()
        tasks = ship.module("tasks")
        self.process, self.merge = tasks.process, tasks.merge

    def cancel(self) -> None:
        """From any thread."""
        self.cancelled = True
        self.events.put(("cancel", None))

    def heard(self, event: tuple[float, Any]) -> None:
        """An event of the scheduler, in the client's thread."""
        self.events.put(("event", event[1]))

    def run(self) -> list[Failure]:
        """The ranges that could not be had; the outputs of the others have been delivered."""
        try:
            self._look()
            for worker in self.unfit.keys() & self.workers.keys():
                self._is_unfit(worker, self.unfit.pop(worker))
            self._submit()
            self._loop()
        finally:
            self._release()
        self.failures.sort()
        self.tally.end({number for number, _, _ in self.failures})
        self.emit(self.tally.message(len(self.workers)))
        return self.failures

    def _loop(self) -> None:
        looked = time.monotonic()
        while self.graph.roots - self.ready:
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
                self._submit()
            if progress := self.tally.due(len(self.workers)):
                self.emit(progress)
            if time.monotonic() > looked + LOOK:
                self._look()
                self._stranded()
                self._submit()
                looked = time.monotonic()

    def _look(self) -> None:
        """Whether the scheduler is there, and who works."""
        now = time.monotonic()
        status = getattr(self.client, "status", "running")
        if status == "running":
            try:
                self.workers = dict(self.client.sync(self.client.scheduler.ncores, workers=None, callback_timeout=LOST))
                self.seen = time.monotonic()
            except Exception as error:  # whatever the connection's end looks like in this version of Dask
                log.info("the scheduler does not answer: %s", error)
        if status in ("closed", "closing") or now > self.seen + LOST:
            raise Failed("the scheduler is gone, or does not answer; what was done is lost with it")
        if self.workers:
            self.populated = self.told = now
        elif now > self.told + LONELY:
            self.told = now
            seconds = round(now - self.populated)
            self.emit({"event": "warning", "message": f"no worker for {seconds} s{self.tell()}; waiting"})

    def _submit(self) -> None:
        """Blocks, as far as the window goes."""
        window = max(WINDOW, PER_THREAD * sum(self.workers.values()))
        while self.waiting and sum(self.open.values()) < window:
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
        """Which workers a task may go to."""
        if not avoid and not self.unfit:
            return {}
        fit = [address for address in self.workers if address not in self.unfit]
        others = [address for address in fit if address not in avoid]
        return {"workers": others or fit} if fit else {}

    def _submit_batch(self, batch: list[Block], avoid: frozenset[str]) -> None:
        tasks: dict[Key, Any] = {}
        roots = []
        for block in batch:
            self._tasks(block, tasks)
            self.attempts[block.root] = block.attempt
            if block.ranges:
                roots.append(block)
                self.open[block.root] = len(block.ranges)
            else:
                self._finished(block.root)
        if not roots:
            return
        # Earlier batches first, whenever they were submitted: so what is done is merged before more is begun.
        self.batches += 1
        keys = [self.graph.key(block.root, block.attempt) for block in roots]
        where = self._where(avoid)
        futures = self.client.get(tasks, keys, sync=False, retries=RETRIES, priority=-self.batches, **where)
        for block, future in zip(roots, futures):
            self._follow(block.root, future, where)

    def _tasks(self, block: Block, tasks: dict[Key, Any]) -> None:
        there = set()
        for group in self.graph.groups(block):
            tasks[self.graph.key(group[0], block.attempt)] = (self.process, ship.NODE, self.identity, group)
            there.add(group[0])
        for at in block.merges:
            inputs = [task for task in self.graph.merges[at].inputs if task in there]
            if inputs:
                there.add(-1 - at)
                keys = [self.graph.key(task, block.attempt) for task in inputs]
                tasks[self.graph.key(-1 - at, block.attempt)] = (self.merge, ship.NODE, self.identity, keys)

    def _follow(self, task: int, future: Future, where: dict[str, Any]) -> None:
        attempt = self.attempts[task]
        self.futures[task] = future
        if where:
            self.only[task] = set(where["workers"])
        future.add_done_callback(lambda _: self.events.put(("done", (task, attempt))))

    def _is_current(self, task: int, attempt: int) -> bool:
        return task in self.futures and self.attempts[task] == attempt and task not in self.ready

    def _done(self, task: int) -> None:
        future = self.futures[task]
        if future.status == "finished":
            self._finished(task)
        elif future.status == "error":
            self._erred(task, future.exception())
        elif future.status == "cancelled":
            self._look()
            raise Failed("the scheduler has forgotten the run: it was restarted, or somebody has cancelled it")
        else:
            # It was lost with its worker, and is done again.
            self._follow(task, future, {})

    def _finished(self, task: int) -> None:
        self.ready.add(task)
        self.open.pop(task, None)
        if task in self.graph.upper:
            # From here on it is this merge that is held, and not what it is of.
            for each in self.graph.merges[-1 - task].inputs:
                self.futures.pop(each, None)
        if task in self.graph.roots and (future := self.futures.get(task)) is not None:
            partial, failures = future.result()
            self.failures += failures
            if partial:
                self.deliver(bytes(partial))
            # What it was made of goes with it from the scheduler.
            del self.futures[task]
        if (parent := self.graph.parents.get(task)) is not None:
            self._submit_merge(parent)

    def _submit_merge(self, task: int) -> None:
        """A merge of blocks, if they are done."""
        inputs = self.graph.merges[-1 - task].inputs
        if any(each not in self.ready for each in inputs):
            return
        attempt = self.attempts[task] = self.attempts.get(task, -1) + 1
        futures = [self.futures[each] for each in inputs if each in self.futures]
        if not futures:
            self._finished(task)
            return
        arguments = ship.NODE, self.identity, futures
        where = self._where(frozenset())
        key = self.graph.key(task, attempt)
        future = self.client.submit(self.merge, *arguments, key=key, retries=RETRIES, priority=1, **where)
        self._follow(task, future, where)

    def _erred(self, task: int, error: Optional[BaseException]) -> None:
        """A task failed for good, by Dask's rules: whose fault is it, and what can be done?"""
        if isinstance(error, KilledWorker):
            task = task_of(error.task)
            self._was_killed(task, error)
        else:
            text = f"{error}" if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
            if ship.PACKAGE in text:
                self._was_strange(task, text)
            elif (worker := unfit_worker(text)) is None:
                raise Failed(text)
            else:
                self._look()
                self._is_unfit(worker, text)
        self._again(task)

    def _is_unfit(self, worker: str, text: str) -> None:
        if worker not in self.unfit:
            self.emit({"event": "warning", "message": text})
        self.unfit[worker] = text
        if self.workers and self.unfit.keys() >= self.workers.keys():
            raise Failed(text)

    def _was_strange(self, task: int, text: str) -> None:
        """A worker did not know what its task is: it has no plug-in yet, or has lost it."""
        times = self.strange[task] = self.strange.get(task, 0) + 1
        if times > OTHERWISE:
            raise Failed(f"a worker could not be set up, and its log says why: {text}")
        if time.monotonic() < self.equipped + LOOK:
            return
        try:
            lacking = self.equip([worker] if (worker := without_plugin(text)) else [])
        except Exception as error:
            raise Failed(f"a worker could not be set up: {text}; {error}") from None
        self.equipped = time.monotonic()
        for worker, reason in lacking.items():
            self._is_unfit(worker, reason)

    def _was_killed(self, task: int, error: KilledWorker) -> None:
        groups = self.graph.groups(self.graph.block(task)) if task >= 0 else []
        if others := next((group[1:] for group in groups if group[0] == task), []):
            # Any of them may have done it.
            self.graph.apart.update(others)
            text = f"{self.graph.ranges[task].text} and {len(others)} more: the worker died; each is tried alone"
            self.emit({"event": "warning", "message": text})
            return
        times = self.killed[task] = self.killed.get(task, 0) + 1
        deaths = times * (getattr(error, "allowed_failures", 0) + 1)
        address = str(getattr(error.last_worker, "address", error.last_worker))
        what = self.graph.ranges[task].text if task >= 0 else str(self.graph.key(task))
        text = f"its worker died {deaths} times, the last was {address}"
        if times <= KILLED:
            self.emit({"event": "warning", "message": f"{what}: {text}; it is tried again"})
        elif task >= 0:
            self.failures.append([task, address, text])
            self.tally.failed(task)
            self.graph.block(task).ranges.remove(task)
        elif times > OTHERWISE:
            raise Failed(f"{what}: {text}")

    def _stranded(self) -> None:
        """Submits again what may only go to workers that are gone.

        `allow_other_workers` is of no use: it lets any worker steal, and if there was no worker at all when the last of
        them went, Dask waits for them all the same.
        """
        for task, workers in list(self.only.items()):
            if task not in self.futures or task in self.ready:
                del self.only[task]
            elif self.workers and not workers & self.workers.keys():
                del self.only[task]
                self._again(task, failed=False)

    def _again(self, task: int, failed: bool = True) -> None:
        """Does again what a task needs, and later what needs it."""
        if task in self.graph.upper:
            self.futures.pop(task, None)
            self._reset(task, task)
            return
        root = self.graph.block(task).root
        self._requeue(root, failed)
        below = root
        above = self.graph.parents.get(root)
        while above is not None:
            self.futures.pop(above, None)
            self.ready.discard(above)
            self._reset(above, below)
            below = above
            above = self.graph.parents.get(above)

    def _reset(self, merge: int, but: int) -> None:
        """What a merge is of is to be had again where it is held no more."""
        for each in self.graph.merges[-1 - merge].inputs:
            if each == but or each in self.futures or each not in self.ready:
                continue
            if each in self.graph.blocks:
                self._requeue(each)
            else:
                self.ready.discard(each)
                self._reset(each, each)
        self._submit_merge(merge)

    def _requeue(self, root: int, failed: bool = False) -> None:
        block = self.graph.blocks[root]
        self.ready.discard(root)
        self.open.pop(root, None)
        self.futures.pop(root, None)
        block.attempt += 1
        block.failures += failed
        if block.failures > len(block.ranges) * (KILLED + 1) + OTHERWISE:
            raise Failed(f"tasks of {self.graph.key(root)[0]} failed {block.failures} times")
        self.waiting.append(block)

    def _release(self) -> None:
        """Frees what the cluster holds, and stops what it does."""
        futures = list(self.futures.values())
        self.futures.clear()
        for future in futures:
            try:
                future.cancel()
            except Exception as error:  # the scheduler may be gone
                log.info("cannot cancel: %s", error)


def task_of(key: Any) -> int:
    """The task that has this key, or this key as text."""
    parts = ast.literal_eval(key) if isinstance(key, str) else key
    number = int(parts[1])
    return number if parts[0].startswith("process:") else -1 - number


def without_plugin(text: str) -> Optional[str]:
    """The worker that says that our plug-in is not there. One that cannot even import it has no word in what it says."""
    start, _, rest = text.partition("hep-run has no plug-in on worker ")
    return rest.split(": ", 1)[0] if rest and not start else None


def unfit_worker(text: str) -> Optional[str]:
    """The worker that says that it cannot run the binary."""
    start, _, rest = text.partition("hep-run cannot run on worker ")
    return rest.split(": ", 1)[0] if rest and not start else None
