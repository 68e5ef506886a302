"""A run on many threads as it is scheduled, in simulated time: executor/src/local.rs and merge_tree.rs.

Workers take ranges in their order. A worker that has processed one passes the locks of the account and of the merge
tree, one at a time, and merges as far up as siblings are there; then it takes the next. The last merge is the result.
What all threads share, memory and storage, is a fluid: if the busy threads want more than there is, all become slower
by the same factor. Nothing here is measured; see scaling.py.
"""

import heapq
from dataclasses import dataclass, field
from itertools import accumulate

# A place in a merge tree: the file, or -1 above the files; the level; the index.
Place = tuple[int, int, int]


@dataclass
class Shape:
    """The merge tree of a dataset: binary over the ranges of each file, which all have some, and then over the files."""

    files: list[int]

    def leaves(self) -> list[Place]:
        return [(file, 0, index) for file, ranges in enumerate(self.files) for index in range(ranges)]

    def above(self, place: Place) -> tuple[Place, Place | None] | None:
        """What a place merges into, and with which sibling; nothing for the top."""
        file, level, index = place
        leaves = len(self.files) if file < 0 else self.files[file]
        width = -(-leaves // 2**level)
        if width > 1:
            sibling = index ^ 1
            return (file, level + 1, index // 2), (file, level, sibling) if sibling < width else None
        return None if file < 0 else ((-1, 0, file), None)


@dataclass
class Job:
    """What is to be done, in seconds. `first` is what each range takes a worker that has no buffers yet."""

    shape: Shape
    ranges: list[float]
    first: list[float]
    # Beside every range, in parallel, and under locks.
    each: float = 0.0
    locked: float = 0.0
    merge: float = 0.0
    # Before the first range on any thread, of which `opening` is divided among them; and after the last merge.
    before: float = 0.0
    opening: float = 0.0
    after: float = 0.0
    # To start one more thread: they start one after the other.
    spawn: float = 0.0


@dataclass
class Shared:
    """Bytes per second that there are, and that a busy thread wants."""

    there: float
    wanted: float

    def pace(self, busy: int) -> float:
        return min(1.0, self.there / (busy * self.wanted)) if busy and self.wanted else 1.0


@dataclass
class Run:
    """What came of it."""

    seconds: float
    # When each worker had nothing to do any more, were nothing shared.
    idle: list[float] = field(default_factory=list)
    merges: int = 0


def simulate(job: Job, threads: int, shared: list[Shared] = []) -> Run:  # noqa: B006
    """The whole run. Time is first that of threads that have all the memory and storage to themselves, and stretched at
    the end: until ranges run out all workers are busy, so that what they share slows them down together."""
    workers = max(1, min(threads, len(job.ranges)))
    # When each is free, and whether it has no buffers.
    free = [(number * job.spawn if threads > 1 else 0.0, number) for number in range(workers)]
    heapq.heapify(free)
    begun: set[int] = set()
    leaves = job.shape.leaves()
    lock_free = 0.0
    # Arrivals in the order of time: (time, worker, place, is it a range that has just ended).
    events: list[tuple[float, int, Place]] = []
    waiting: set[Place] = set()
    merges, next_range = 0, 0
    idle = [0.0] * workers

    def take(time: float, worker: int) -> None:
        nonlocal next_range
        if next_range == len(leaves):
            idle[worker] = time
            return
        work = job.ranges[next_range] if worker in begun else job.first[next_range]
        begun.add(worker)
        heapq.heappush(events, (time + job.each + work, worker, leaves[next_range]))
        next_range += 1

    while free:
        take(*heapq.heappop(free))
    while events:
        time, worker, place = heapq.heappop(events)
        # A lock, or several in a row: whoever comes first passes first.
        lock_free = time = max(time, lock_free) + job.locked
        while (up := job.shape.above(place)) is not None:
            above, sibling = up
            if sibling is None:
                place = above
            elif sibling in waiting:
                waiting.remove(sibling)
                merges += 1
                # Later arrivals may come before this one has merged: it comes again at what it merges into.
                heapq.heappush(events, (time + job.merge, worker, above))
                break
            else:
                waiting.add(place)
                take(time, worker)
                break
        else:
            take(time, worker)
    loop = stretched(idle, shared)
    opening = job.opening / min(threads, len(job.shape.files))
    return Run(job.before + opening + loop + job.after, idle, merges)


def stretched(idle: list[float], shared: list[Shared]) -> float:
    """When the last of these workers ends, where all share something."""
    ends = sorted(idle)
    lengths = [end - start for start, end in zip([0.0, *ends], ends, strict=False)]
    paces = [min((one.pace(busy) for one in shared), default=1.0) for busy in range(len(ends), 0, -1)]
    return sum(length / pace for length, pace in zip(lengths, paces, strict=True))


def depth(shape: Shape) -> int:
    """The merges that follow each other behind the last range, at most."""
    levels = [max(0, n - 1).bit_length() for n in (max(shape.files), len(shape.files))]
    return list(accumulate(levels))[-1]
