"""The tasks of a run. Only builtin types and exceptions leave them: whoever takes them may not have this module.

A task gives `(partial, failures)`: the partial output as bytes, empty where there is none, and for each range that is
not in it as done `[range, worker, reason]`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from distributed import get_worker

from .child import Died, Refused
from .plugin import CANCELLED, Node, Run

Result = tuple[bytes, list[list[Any]]]

# A worker that cannot run anything must not be the fastest to take tasks.
UNFIT_PAUSE = 1.0
# Outputs of ranges that a task holds before it merges them.
AT_ONCE = 16
# Characters of a reason that are passed on.
LONGEST = 4000


def process(plugin: str, identity: str, indices: Sequence[int]) -> Result:
    """The output of ranges that share what is read: one process does them, in order, and keeps it for the next one."""
    worker = get_worker()
    node, run, key = _here(worker, plugin, identity)
    results: list[Result] = []
    left = list(indices)
    while left:
        if len(results) >= AT_ONCE:
            results = [merge(plugin, identity, results)]
        results += _ranges(node, run, key, left, AT_ONCE - len(results))
    return results[0] if len(results) == 1 else merge(plugin, identity, results)


def _ranges(node: Node, run: Run, key: Any, left: list[int], most: int) -> list[Result]:
    """The outputs of the first of these ranges, up to the first that ends its process. They are taken from `left`."""
    address = node.worker.address
    results: list[Result] = []
    try:
        with node.hold(key, run) as call:
            while left and len(results) < most:
                index = left[0]
                header = {"op": "range", "range": index, "last": True} if run.last else {"op": "range", "range": index}
                answer, buffers = call(header)
                del left[0]
                done = bool(answer.get("done"))
                node.done(run, index, done, int(answer.get("entries") or 0), int(answer.get("bytes") or 0))
                failures = [] if done else [[index, address, str(answer.get("reason"))[:LONGEST]]]
                results.append((buffers[0] if buffers else b"", failures))
    except Died as death:
        if str(death) == CANCELLED:
            raise RuntimeError(f"range {left[0]} on {address}: {death}") from None
        node.done(run, left[0], False, 0, 0)
        results.append((b"", [[left.pop(0), address, f"its process died: {death}"[:LONGEST]]]))
    except Refused as refusal:
        raise RuntimeError(f"range {left[0]} on {address}: {refusal}") from None
    return results


def merge(plugin: str, identity: str, results: Sequence[Result]) -> Result:
    """The merged outputs of other tasks."""
    failures = [failure for _, failed in results for failure in failed]
    partials = [partial for partial, _ in results if len(partial)]
    if len(partials) < 2:
        return partials[0] if partials else b"", failures
    worker = get_worker()
    node, run, key = _here(worker, plugin, identity)
    for last in (False, True):
        try:
            _, buffers = node.call(key, run, {"op": "merge"}, partials)
            return buffers[0], failures
        except Died as death:
            if last:
                raise RuntimeError(f"merging on {worker.address}: its process died: {death}") from None
        except Refused as refusal:
            raise RuntimeError(f"merging on {worker.address}: {refusal}") from None
    raise AssertionError


def _here(worker: Any, plugin: str, identity: str) -> tuple[Node, Run, Any]:
    node = worker.plugins.get(plugin)
    if node is None:
        raise RuntimeError(f"hep-run has no plug-in on worker {worker.address}: {__package__}")
    failure = getattr(node, "failure", "it has not been set up; its log says why")
    if failure:
        time.sleep(UNFIT_PAUSE)
        raise RuntimeError(f"hep-run cannot run on worker {worker.address}: {failure}")
    return node, node.run(identity), worker.get_current_task()
