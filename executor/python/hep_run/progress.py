"""What is known of a run's progress, from what the workers tell."""

from __future__ import annotations

import time
from typing import Any, Optional

# Seconds between two messages.
INTERVAL = 0.25


class Tally:
    """Counts each range once, however often it was done."""

    def __init__(self, identity: str, ranges: list[int]) -> None:
        self.identity = identity
        # 0: not yet; 1: done; 2: failed.
        self.state = dict.fromkeys(ranges, 0)
        self.counts = [len(ranges), 0, 0]
        self.running: dict[str, int] = {}
        self.entries = 0
        self.bytes = 0
        self.changed = True
        self.next = 0.0

    def heard(self, message: Any) -> None:
        """A message of `hep_run.node.progress`; others are not for us."""
        if not isinstance(message, dict) or message.get("run") != self.identity:
            return
        self.changed = True
        self.running[message["worker"]] = message["running"]
        for number, success, entries, size in message["ranges"]:
            if self.state.get(number) == 1:
                continue
            self._set(number, 1 if success else 2)
            if success:
                self.entries += entries
                self.bytes += size

    def failed(self, number: int) -> None:
        self._set(number, 2)
        self.changed = True

    def _set(self, number: int, state: int) -> None:
        if number in self.state:
            self.counts[self.state[number]] -= 1
            self.counts[state] += 1
            self.state[number] = state

    def due(self, workers: int) -> Optional[dict[str, Any]]:
        """A message, if there is something new and the last one is old enough."""
        now = time.monotonic()
        if not self.changed or now < self.next:
            return None
        self.changed, self.next = False, now + INTERVAL
        return self.message(workers)

    def end(self, failed: set[int]) -> None:
        """All is done, but what failed. What the workers have told of it may still be on its way."""
        self.running.clear()
        for number in self.state:
            self._set(number, 2 if number in failed else 1)

    def message(self, workers: int) -> dict[str, Any]:
        """How it is now."""
        running = min(sum(self.running.values()), self.counts[0])
        return {
            "event": "progress",
            "waiting": self.counts[0] - running,
            "running": running,
            "done": self.counts[1],
            "failed": self.counts[2],
            "entries": self.entries,
            "bytes": self.bytes,
            "workers": workers,
        }
