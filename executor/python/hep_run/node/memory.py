"""The memory of children, which Dask does not see by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Optional

import psutil

from .child import Child

# Shares of the worker's limit. Dask stops to give tasks to a worker at 0.8: children that are idle must not keep it
# there, and one that is busy must go before the worker does.
IDLE, BUSY = 0.6, 0.95

_EXTRA = "_hep_run_children"


def rss(child: Child) -> int:
    try:
        return int(psutil.Process(child.pid).memory_info().rss)
    except psutil.Error:
        return 0


def watch(worker: Any, name: str, children: Callable[[], int]) -> None:
    """Adds the children to what the worker takes for its own memory: its dashboard, and when it pauses and spills."""
    monitor = worker.monitor
    extra: Optional[dict[str, Callable[[], int]]] = getattr(monitor, _EXTRA, None)
    if extra is None:
        extra = {}
        own = monitor.get_process_memory
        setattr(monitor, _EXTRA, extra)
        monitor.get_process_memory = lambda: own() + sum(count() for count in list(extra.values()))
    extra[name] = children


def unwatch(worker: Any, name: str) -> None:
    getattr(worker.monitor, _EXTRA, {}).pop(name, None)


def own() -> int:
    """The bytes that the worker has without its children."""
    return int(psutil.Process().memory_info().rss)


def limit(worker: Any) -> Optional[int]:
    """The bytes that the worker and its children may have together."""
    manager = getattr(worker, "memory_manager", None)
    bytes_: Optional[int] = getattr(manager, "memory_limit", None)
    return bytes_ or None


def is_short(whole: Optional[int], own: int, children: Iterable[Child]) -> bool:
    """Whether the worker and its children have so much that those which do nothing should go."""
    return whole is not None and own + sum(map(rss, children)) > IDLE * whole


def check(whole: Optional[int], own: int, each: Optional[int], busy: Iterable[Child], idle: Iterable[Child]) -> int:
    """Ends children that take too much; the bytes of those that are left.

    `whole` is what worker and children may have together, `own` what the worker has, `each` what one child may have.
    """
    working = {child: rss(child) for child in busy}
    total = own + sum(working.values()) + sum(map(rss, idle))
    for child, size in sorted(working.items(), key=lambda item: -item[1]):
        if each and size > each:
            child.kill(f"memory limit: it had {_mib(size)} of {_mib(each)} MiB")
            total -= size
        elif whole and total > BUSY * whole:
            child.kill(f"memory limit: it had {_mib(size)}, all of the worker {_mib(total)} of {_mib(whole)} MiB")
            total -= size
    return max(0, total - own)


def _mib(size: int) -> int:
    return size >> 20
