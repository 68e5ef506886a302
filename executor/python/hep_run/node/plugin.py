"""What each worker has of hep-run: the binary, resident children, and a watch on them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dask
from distributed import WorkerPlugin
from distributed.utils import sync

from . import memory
from .binary import Binary, Cache, places
from .child import Child, Died, Refused
from .frames import Buffer, Header
from .progress import Progress

log = logging.getLogger("distributed.worker.hep_run")

# Seconds between two looks at the children.
TICK = 0.1
# A child that has had nothing to do for so long is ended.
IDLE = 60.0
# What a new child may take to say that it is there.
GREETING = 60.0
# After a request to give up, before a child is ended.
GRACE = 0.4
# Why a child is ended whose task nobody wants any more.
CANCELLED = "cancelled"
# Before the same binary is tried again after it could not be run.
AGAIN = 5.0
# Jobs that a child is sure to keep.
JOBS = 4
# What a worker waits after a range that failed, if those before it failed too; how long ago another worker may have had
# one so that this is of use, and for how long in all a run is waited for without that.
SLOW, RECENT, PATIENCE = 1.0, 30.0, 30.0
# Runs whose description and job are kept.
RUNS = 8

# Asks a child, with buffers if there are any.
Call = Callable[..., tuple[Header, list[bytes]]]


class Over(RuntimeError):
    """The run that a task belongs to has ended, and what it needs is gone."""


class Run:
    """What the tasks of a run have in common."""

    def __init__(self, identity: str, description: dict[str, Any], job: bytes) -> None:
        self.identity = identity
        self.binary = str(description["binary"])
        self.job_key = str(description["job"])
        self.job = job
        self.last = bool(description.get("last"))
        self.topic = str(description["topic"])
        timeout, memory_limit = description.get("range_timeout"), description.get("memory")
        self.timeout = None if timeout is None else float(timeout)
        self.memory = None if memory_limit is None else int(memory_limit)
        # Seconds that were waited after ranges that failed, though no other worker had any.
        self.waited = 0.0


class Node(WorkerPlugin):  # type: ignore[misc]
    """`store` is the name of the `Store` on the scheduler."""

    idempotent = True

    def __init__(self, name: str, store: str) -> None:
        self.name = name
        self.store = store

    def setup(self, worker: Any) -> None:
        """Never fails: on a worker that comes late nobody would know. The tasks raise what is wrong."""
        self.failure = ""
        try:
            self._set_up(worker)
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
            log.exception("hep-run cannot be set up")

    def _set_up(self, worker: Any) -> None:
        self.worker = worker
        self.lock = threading.Lock()
        self.preparing = threading.Lock()
        self.idle: list[tuple[str, Child]] = []
        self.busy: dict[Any, tuple[Run, Child]] = {}
        self.runs: dict[str, Run] = {}
        self.progress = Progress()
        self.unfit: dict[str, tuple[float, str]] = {}
        self.children_rss = 0
        # Ranges that failed since the last one that did not.
        self.failures = 0
        configured = os.environ.get("HEP_RUN_CACHE") or dask.config.get("hep-run.cache", None)
        folders = places(configured, worker.local_directory)
        self.cache = Cache([Path(folder) for folder in folders], self._binary, self._attempt)
        memory.watch(worker, self.name, lambda: self.children_rss)
        # Tasks that wait for a child, and those of them that nobody wants any more.
        self.pending: set[Any] = set()
        self.unwanted: set[Any] = set()
        self.stopped = threading.Event()
        # There may be something for the watch to look after.
        self.awake = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="hep-run-watch").start()

    def teardown(self, worker: Any) -> None:
        if self.failure:
            return
        self.stopped.set()
        self.awake.set()
        memory.unwatch(worker, self.name)
        with self.lock:
            children = [child for _, child in self.idle] + [child for _, child in self.busy.values()]
            self.idle.clear()
        for child in children:
            child.kill("the worker closes")

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """A task that nobody wants any more gives up its child."""
        if self.failure or finish not in ("released", "cancelled", "forgotten"):
            return
        with self.lock:
            found = self.busy.get(key)
            if key in self.pending:
                # It has no child yet, and will get none.
                self.unwanted.add(key)
        if found is None:
            return
        child = found[1]
        # A pipe may be full: the event loop does not wait for it.
        threading.Thread(target=child.cancel, daemon=True).start()

        def insist() -> None:
            with self.lock:
                now = self.busy.get(key)
            # It may be wanted again.
            task = self.worker.state.tasks.get(key)
            if now is not None and now[1] is child and (task is None or task.state not in ("executing", "long-running")):
                child.kill(CANCELLED)

        threading.Timer(GRACE, insist).start()

    def call(self, key: Any, run: Run, header: Header, buffers: Sequence[Buffer] = ()) -> tuple[Header, list[bytes]]:
        """What a child answers, in a task's thread."""
        with self.hold(key, run) as call:
            return call(header, buffers)

    @contextlib.contextmanager
    def hold(self, key: Any, run: Run) -> Iterator[Call]:
        """A child for several requests of a task, which knows the run's job."""
        with self._child(key, run) as child:
            if run.job_key in child.jobs:
                child.jobs.remove(run.job_key)
            else:
                child.call({"op": "job", "job": run.job_key}, [run.job])
            # It keeps those that were used last.
            child.jobs = [*child.jobs, run.job_key][-JOBS:]

            def call(header: Header, buffers: Sequence[Buffer] = ()) -> tuple[Header, list[bytes]]:
                child.deadline = time.monotonic() + run.timeout if run.timeout else None
                try:
                    return child.call({**header, "job": run.job_key}, buffers)
                finally:
                    child.deadline = None

            yield call

    def done(self, run: Run, index: int, success: bool, entries: int, size: int) -> None:
        """A range has ended, in its task's thread. A worker that can read nothing fails faster than others work, and
        would get all there is to do: from the third failure in a row on it takes its time, if others may try again.
        Where nobody can read anything, that is of no use, and has an end."""
        with self.lock:
            self.runs.setdefault(run.identity, run)
            self.progress.done(run.identity, index, success, entries, size)
        self.awake.set()
        self.failures = 0 if success else self.failures + 1
        if self.failures < 3 or run.last:
            return
        if not self._others_succeed(run):
            if run.waited >= PATIENCE:
                return
            run.waited += SLOW
        self.stopped.wait(SLOW)

    def _others_succeed(self, run: Run) -> bool:
        """Whether another worker has lately done a range of this run."""

        async def others() -> bool:
            ask = getattr(self.worker.scheduler, f"{self.store}-others")
            return bool(await ask(run=run.identity, worker=self.worker.address, seconds=RECENT))

        try:
            return bool(sync(self.worker.loop, others, callback_timeout=10))
        except Exception:
            log.exception("hep-run cannot ask how other workers get on")
            return False

    def run(self, identity: str) -> Run:
        """The run with this identity."""
        with self.lock:
            known = self.runs.get(identity)
        if known:
            return known
        with self.preparing:
            if identity in self.runs:
                return self.runs[identity]
            description = json.loads(self._fetch(identity))
            run = Run(identity, description, self._fetch(description["job"]))
            with self.lock:
                self.runs[identity] = run
                while len(self.runs) > RUNS:
                    del self.runs[next(iter(self.runs))]
            return run

    @contextlib.contextmanager
    def _child(self, key: Any, run: Run) -> Iterator[Child]:
        """A child for a task. It is kept for the next one if it is in good health afterwards."""
        with self.lock:
            self.pending.add(key)
            self.unwanted.discard(key)
            self.runs.setdefault(run.identity, run)
        self.awake.set()
        try:
            child = self._take(run)
            with self.lock:
                if key in self.unwanted:
                    self.idle.append((run.binary, child))
                    raise Refused("cancelled", CANCELLED)
                self.busy[key] = run, child
        finally:
            with self.lock:
                self.pending.discard(key)
                self.unwanted.discard(key)
        healthy = False
        try:
            yield child
            healthy = True
        except Refused as refusal:
            healthy = refusal.kind != "cancelled"
            raise
        finally:
            child.deadline = None
            child.idle_since = time.monotonic()
            with self.lock:
                self.busy.pop(key, None)
                keep = healthy and child.alive() and not self.stopped.is_set()
                if keep:
                    self.idle.append((run.binary, child))
            if not keep:
                child.close()

    def _take(self, run: Run) -> Child:
        while True:
            with self.lock:
                # The last one has the warmest caches.
                at = next((i for i in reversed(range(len(self.idle))) if self.idle[i][0] == run.binary), None)
                child = self.idle.pop(at)[1] if at is not None else None
                others = []
                if child is None:
                    # One child for each thread, of whichever binary.
                    spare = max(1, self.worker.state.nthreads) - len(self.busy) - 1
                    others, self.idle = (
                        self.idle[: max(0, len(self.idle) - spare)],
                        self.idle[-spare:] if spare > 0 else [],
                    )
            for _, other in others:
                other.close()
            if child is None:
                return self._start(run.binary)
            if child.alive():
                return child
            child.close()

    def _start(self, sha: str) -> Child:
        """A new child. `RuntimeError` where the binary cannot run on this worker."""
        with self.preparing:
            since, reason = self.unfit.get(sha, (0.0, ""))
            if reason and time.monotonic() < since + AGAIN:
                # Or this worker would be the fastest of all to take tasks.
                self.stopped.wait(1.0)
                raise RuntimeError(reason)
            try:
                binary = self.cache.get(sha)
            except Over:
                # That says nothing about this worker.
                raise
            except (RuntimeError, OSError) as error:
                raise self._unfit(sha, str(error)) from None
        try:
            child = self._greeted(binary)
        except (Died, OSError):
            # Its folder may have been cleaned since it was stored.
            with self.preparing:
                self.cache.known.pop(sha, None)
                try:
                    child = self._greeted(self.cache.get(sha))
                except Over:
                    raise
                except (Died, OSError, RuntimeError) as error:
                    self.cache.known.pop(sha, None)
                    raise self._unfit(sha, str(error)) from None
        self.unfit.pop(sha, None)
        return child

    def _greeted(self, binary: Binary) -> Child:
        child = Child(binary, self.worker.local_directory)
        try:
            child.greet(GREETING)
        except Died:
            child.close()
            raise
        return child

    def _unfit(self, sha: str, reason: str) -> RuntimeError:
        text = f"hep-run cannot run on worker {self.worker.address}: {reason}"
        self.unfit[sha] = time.monotonic(), text
        log.error("%s", text)
        return RuntimeError(text)

    def _attempt(self, binary: Binary) -> None:
        child = Child(binary, self.worker.local_directory)
        try:
            child.greet(GREETING)
        except Died as error:
            raise RuntimeError(f"the binary starts and ends at once: {error}") from None
        finally:
            child.close()

    def _binary(self, sha: str) -> bytes:
        return self._fetch(sha)

    def _fetch(self, key: str) -> bytes:
        """A blob of the store, from a task's thread."""

        async def fetch() -> bytes:
            pieces: list[bytes] = []
            total = 1
            while len(pieces) < total:
                ask = getattr(self.worker.scheduler, f"{self.store}-piece")
                answer = await ask(key=key, index=len(pieces))
                if answer is None:
                    raise Over("the run that this task belongs to is over")
                pieces.append(bytes(answer[0]))
                total = answer[1]
            return b"".join(pieces)

        found: bytes = sync(self.worker.loop, fetch)
        return found

    def _watch(self) -> None:
        """Looks after memory, time and progress, ten times a second while there are children or something to tell."""
        while True:
            # Before it is looked at what there is: who sets it has added something.
            self.awake.clear()
            if self.stopped.wait(TICK):
                return
            try:
                self._look()
                if self._rests():
                    self.awake.wait()
            except Exception:
                log.exception("hep-run's watch")

    def _rests(self) -> bool:
        """Whether there is nothing to look after. What is known of runs is forgotten then."""
        with self.lock:
            rests = not self.busy and not self.idle and not self.pending and self.progress.quiet()
            if rests:
                self.runs.clear()
            return rests

    def _look(self) -> None:
        now = time.monotonic()
        with self.lock:
            busy = list(self.busy.values())
            every = [child for _, child in busy] + [child for _, child in self.idle]
            # Whoever is to be ended is taken out first: a task could get it meanwhile.
            short = bool(self.idle) and memory.is_short(memory.limit(self.worker), memory.own(), every)
            old = [child for _, child in self.idle if short or child.idle_since + IDLE < now]
            self.idle = [(sha, child) for sha, child in self.idle if child not in old]
            idle = [child for _, child in self.idle]
            for run, child in busy:
                deadline = child.deadline
                if deadline is not None and deadline < now:
                    child.kill(f"time limit: no answer within {run.timeout:g} s")
        for child in old:
            child.close()
        if busy or idle:
            limits = [run.memory for run, _ in busy if run.memory]
            own = memory.own()
            self.children_rss = memory.check(
                memory.limit(self.worker), own, min(limits, default=None), [child for _, child in busy], idle
            )
        else:
            self.children_rss = 0
        running: dict[str, int] = {}
        for run, _ in busy:
            running[run.identity] = running.get(run.identity, 0) + 1
        for identity, message in self.progress.take(running):
            run_ = self.runs.get(identity)
            if run_ is not None:
                message["worker"] = self.worker.address
                self.worker.loop.add_callback(self.worker.log_event, run_.topic, message)
