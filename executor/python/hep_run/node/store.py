"""What all workers of a run need, kept on the scheduler: the binary, the job, and what the run is.

A worker plug-in could carry it, but then it would be sent to every worker, and stay for good. Here each node asks for
what it lacks, also a worker that comes late, and what no client uses is dropped.
"""

from __future__ import annotations

from typing import Any

from distributed import SchedulerPlugin

# Bytes that are sent at once, so that the scheduler can do other things in between.
PIECE = 8 << 20


class Store(SchedulerPlugin):  # type: ignore[misc]
    idempotent = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.blobs: dict[str, list[bytes]] = {}
        self.arriving: dict[tuple[str, str], list[bytes]] = {}
        self.users: dict[str, set[str]] = {}

    async def start(self, scheduler: Any) -> None:
        for operation in (self.put, self.use, self.drop, self.piece):
            scheduler.handlers[f"{self.name}-{operation.__name__}"] = operation

    def use(self, client: str, key: str) -> bool:
        """Whether it is there. If so, it stays as long as this client."""
        if key in self.blobs:
            self.users[key].add(client)
        return key in self.blobs

    def put(self, client: str, key: str, pieces: int, index: int, data: bytes) -> None:
        """One of the pieces, in order."""
        arriving = self.arriving.setdefault((client, key), [])
        arriving[index:] = [data]
        if len(arriving) == pieces:
            # Another client may have been faster.
            self.blobs.setdefault(key, self.arriving.pop((client, key)))
            self.users.setdefault(key, set()).add(client)

    def piece(self, key: str, index: int) -> Any:
        """A piece, and how many there are; none if the key is not known."""
        pieces = self.blobs.get(key)
        return None if pieces is None else [pieces[index], len(pieces)]

    def drop(self, client: str, key: str) -> None:
        """The client does not need it any more."""
        users = self.users.get(key, set())
        users.discard(client)
        if not users:
            self.users.pop(key, None)
            self.blobs.pop(key, None)

    def remove_client(self, scheduler: Any, client: str) -> None:
        for key in [key for key, users in self.users.items() if client in users]:
            self.drop(client, key)
        for arriving in [arriving for arriving in self.arriving if arriving[0] == client]:
            del self.arriving[arriving]
