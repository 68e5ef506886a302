"""What has happened on this worker since it was last told."""

from __future__ import annotations

import threading
import time
from typing import Any

# Seconds between two messages of a worker.
INTERVAL = 0.25


class Progress:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: dict[str, list[list[int]]] = {}
        self._told: dict[str, int] = {}
        self._next = 0.0

    def done(self, run: str, index: int, success: bool, entries: int, size: int) -> None:
        """A range has ended."""
        with self._lock:
            self._done.setdefault(run, []).append([index, int(success), entries, size])

    def quiet(self) -> bool:
        """Whether there is nothing to tell, now or when what runs has ended."""
        with self._lock:
            return not self._done and not self._told

    def take(self, running: dict[str, int]) -> list[tuple[str, dict[str, Any]]]:
        """Messages by run, where there is something new; `running` is how many tasks each run has here."""
        now = time.monotonic()
        with self._lock:
            if now < self._next or not (self._done or running != self._told):
                return []
            self._next = now + INTERVAL
            done, self._done = self._done, {}
            runs = {*done, *running, *self._told}
            self._told = dict(running)
        return [(run, {"run": run, "running": running.get(run, 0), "ranges": done.get(run, [])}) for run in sorted(runs)]
