"""peer.py NAME FILE QUERY WORKERS: one ADL query by a peer in Python, once for each line of its input.

The first line that it prints says what its start has cost, above all its imports. Each line after it is of one turn:
seconds of the processor (its children's included) and of the clock, and the bins of the query's first histogram.
"""

import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout

Query = Callable[[], list[int]]


def uproot_awkward(file: str, number: int, workers: int) -> Query:
    """With more than one worker, baskets are decompressed by so many threads; all else is done by one."""
    import uproot
    from adl_awkward import histogram

    executor = uproot.ThreadPoolExecutor(workers) if workers > 1 else None
    return lambda: histogram(file, number, decompression_executor=executor)


def coffea(file: str, number: int, workers: int) -> Query:
    """IterativeExecutor, or FuturesExecutor with forked processes, which need not import coffea again as its default
    ones must; chunks of 100,000 events. The schema that costs least, as the query needs no cross-references."""
    from concurrent.futures import ProcessPoolExecutor

    from coffea import processor
    from coffea.nanoevents import BaseSchema
    from coffea_adl import Adl

    def run() -> list[int]:
        if workers > 1:
            executor = processor.FuturesExecutor(workers=workers, pool=ProcessPoolExecutor, status=False)
        else:
            executor = processor.IterativeExecutor(status=False)
        # A runner that remembers the file would not open it again.
        runner = processor.Runner(executor=executor, schema=BaseSchema, chunksize=100_000, metadata_cache={})
        return runner({"events": {"files": {file: "Events"}}}, processor_instance=Adl(number))["bins"].tolist()

    return run


PEERS = {"uproot": uproot_awkward, "coffea": coffea}


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    name, file, number, workers = sys.argv[1:]
    warnings.simplefilter("ignore")
    run = PEERS[name](file, int(number), int(workers))
    print(json.dumps({"startup_cpu": cpu()}), flush=True)
    answers = sys.stdout
    for _ in sys.stdin:
        # coffea draws its progress on standard output, whatever `status` says.
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            cpu_before, start = cpu(), time.perf_counter()
            bins = run()
            wall = time.perf_counter() - start
        print(json.dumps({"cpu": cpu() - cpu_before, "wall": wall, "bins": bins}), file=answers, flush=True)


if __name__ == "__main__":
    main()
