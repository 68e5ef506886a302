"""What all workers of a run need, kept on the scheduler: the plug-in, the binary, the job, and what the run is.

The plug-in could carry the others, but then they would be sent to every worker, and stay for good. Here each node asks
for what it lacks, also a worker that comes late, and what nobody uses is dropped. A user is one engine of a client,
`CLIENT/ENGINE`, or the client itself; what they use goes with the client at the latest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from distributed import SchedulerPlugin

# Bytes that are sent at once, so that the scheduler can do other things in between.
PIECE = 8 << 20
# Seconds before a worker is told of the plug-in again that did not take it.
AGAIN = (0.2, 1.0, 3.0)


class Store(SchedulerPlugin):  # type: ignore[misc]
    idempotent = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.blobs: dict[str, list[bytes]] = {}
        self.arriving: dict[tuple[str, str], list[bytes]] = {}
        self.users: dict[str, set[str]] = {}
        # By the runs' identities, when workers last told of a range that they had done.
        self.successes: dict[str, dict[str, float]] = {}
        # The plug-in's name, the workers that have it, and those that are just being told.
        self.plugin = ""
        self.equipped: set[str] = set()
        self.telling: dict[str, asyncio.Task[str]] = {}

    async def start(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        for operation in (self.put, self.use, self.drop, self.piece, self.equip, self.others):
            scheduler.handlers[f"{self.name}-{operation.__name__}"] = operation

    async def equip(self, plugin: str, content: bytes, patience: float, lost: Sequence[str] = ()) -> dict[str, str]:
        """Sees to it that every worker has the plug-in, also those that have `lost` it. Gives the reasons of those that
        have not taken it within `patience` seconds.

        Dask's own way is to keep it for workers that come, and then to tell those that are there: whoever registers it
        meanwhile goes on before they have it, and a worker that could not be told once never gets it.
        """
        self.plugin = plugin
        content = self.scheduler.worker_plugins.setdefault(plugin, bytes(content))
        self.equipped.difference_update(lost)
        lacking = [worker for worker in self.scheduler.workers if worker not in self.equipped]
        for worker in lacking:
            if worker not in self.telling:
                self.telling[worker] = asyncio.ensure_future(self._tell(worker, plugin, content))
        tasks = {worker: self.telling[worker] for worker in lacking}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=patience)
        reasons = {}
        for worker, task in tasks.items():
            reason = task.result() if task.done() else f"no answer within {patience:g} s"
            if reason and worker in self.scheduler.workers:
                reasons[worker] = reason
        return reasons

    async def _tell(self, worker: str, plugin: str, content: bytes) -> str:
        """Gives a worker the plug-in; the reason if it does not take it."""
        message = {"op": "plugin-add", "name": plugin, "plugin": content}
        reason = ""
        try:
            for pause in (*AGAIN, None):
                if worker not in self.scheduler.workers or worker in self.equipped:
                    return ""
                try:
                    answers = await self.scheduler.broadcast(msg=message, workers=[worker])
                    answer = answers.get(worker) or {}
                    if answer.get("status") == "OK":
                        self.equipped.add(worker)
                        return ""
                    reason = str(answer.get("exception_text") or answer)
                except Exception as error:  # whatever a connection's end looks like in this version of Dask
                    reason = f"{type(error).__name__}: {error}"
                if pause is not None:
                    await asyncio.sleep(pause)
            return reason
        finally:
            self.telling.pop(worker, None)

    def log_event(self, topic: str, message: Any) -> None:
        """Hears what workers tell of runs (`progress`), among others."""
        run = message.get("run") if isinstance(message, dict) else None
        if isinstance(run, str) and run in self.blobs and any(success for _, success, _, _ in message["ranges"]):
            self.successes.setdefault(run, {})[message["worker"]] = time.monotonic()

    def others(self, run: str, worker: str, seconds: float) -> bool:
        """Whether another worker has told within the last `seconds` of a range of this run that it has done."""
        since = time.monotonic() - seconds
        return any(other != worker and when > since for other, when in self.successes.get(run, {}).items())

    def add_worker(self, scheduler: Any, worker: str) -> None:
        if self.plugin in scheduler.worker_plugins:
            # It gets it with the answer to its registration.
            self.equipped.add(worker)

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        self.equipped.discard(worker)

    def use(self, user: str, key: str) -> bool:
        """Whether it is there. If so, it stays as long as this user."""
        if key in self.blobs:
            self.users[key].add(user)
        return key in self.blobs

    def put(self, user: str, key: str, pieces: int, index: int, data: bytes) -> None:
        """One of the pieces, in order."""
        arriving = self.arriving.setdefault((user, key), [])
        arriving[index:] = [data]
        if len(arriving) == pieces:
            # Another user may have been faster.
            self.blobs.setdefault(key, self.arriving.pop((user, key)))
            self.users.setdefault(key, set()).add(user)

    def piece(self, key: str, index: int) -> Any:
        """A piece, and how many there are; none if the key is not known."""
        pieces = self.blobs.get(key)
        return None if pieces is None else [pieces[index], len(pieces)]

    def drop(self, user: str, key: str) -> None:
        """The user does not need it any more."""
        users = self.users.get(key, set())
        users.discard(user)
        if not users:
            self.users.pop(key, None)
            self.blobs.pop(key, None)
            self.successes.pop(key, None)

    def remove_client(self, scheduler: Any, client: str) -> None:
        for user, key in [(user, key) for key, users in self.users.items() for user in users if is_of(user, client)]:
            self.drop(user, key)
        for arriving in [arriving for arriving in self.arriving if is_of(arriving[0], client)]:
            del self.arriving[arriving]


def is_of(user: str, client: str) -> bool:
    return user == client or user.startswith(f"{client}/")
