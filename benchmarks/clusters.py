"""clusters.py BINARY FILE...: the ADL queries on one Dask cluster of this machine, against coffea's DaskExecutor and
distributed RDataFrame.

All three use the same workers and are called from one Python, interleaved, the median of --repeat runs after one that is
not counted. Wall time is from
the fileset to the merged histograms, the opening of files included; CPU is that of the client, the scheduler, the workers
and their children together. Before a query is timed, the three must give the same histogram.

Needs coffea and ROOT in one environment: see `make bench-clusters`.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from math import prod
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "python"), str(HERE.parent / "executor" / "python")]
from environment import mend_root  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def tree_cpu() -> float:
    """Processor seconds of this process and all that it has started, the ended ones included."""
    parents: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parents.setdefault(int(fields[1]), []).append(pid)
        seconds[pid] = sum(map(int, fields[11:15])) / TICK
    total, left = 0.0, [os.getpid()]
    while left:
        pid = left.pop()
        total += seconds.get(pid, 0)
        left += parents.get(pid, [])
    return total


def timed(task: Callable[[], object]) -> tuple[float, float]:
    cpu, start = tree_cpu(), time.perf_counter()
    task()
    wall = time.perf_counter() - start
    # Children of children are counted when their parent has waited for them.
    time.sleep(0.3)
    return wall, tree_cpu() - cpu


class Peers:
    """The same query by each of the three, on the same workers."""

    def __init__(self, binary: Path, files: list[Path], folder: Path, client) -> None:
        import coffea.processor as processor
        from adl_distributed import distribute
        from coffea.nanoevents import BaseSchema

        self.binary, self.files, self.folder, self.client = binary, files, folder, client
        self.partitions = 2 * len(client.nthreads())
        for module in ("adl_awkward.py", "coffea_adl.py"):
            client.upload_file(str(HERE / module))
        executor = processor.DaskExecutor(client=client, status=False)
        self.runner = processor.Runner(executor=executor, schema=BaseSchema, chunksize=100_000, savemetrics=False)
        distribute()
        fileset = {"tree": "Events", "datasets": {"events": [str(file) for file in files]}}
        (folder / "f.json").write_text(json.dumps(fileset))

    def ours(self, query: int) -> list[float]:
        import hep_run

        out = hep_run.run(self.folder / "f.json", client=self.client, processor=f"adl_q{query}", binary=self.binary, progress="none")
        return next(iter(out.histograms["events"].values())).values(flow=True).tolist()

    def coffea(self, query: int) -> list[float]:
        from coffea_adl import Adl

        files = {str(file): "Events" for file in self.files}
        # A runner that knows the files would not open them.
        self.runner.metadata_cache.clear()
        return self.runner({"events": {"files": files}}, processor_instance=Adl(query))["bins"].tolist()

    def rdataframe(self, query: int) -> list[float]:
        import ROOT
        from adl_distributed import bins
        from adl_distributed import query as book

        files = [str(file) for file in self.files]
        df = ROOT.RDataFrame("Events", files, executor=self.client, npartitions=self.partitions)
        with open(os.devnull, "w") as nowhere:
            # It draws a progress bar on standard output.
            kept, sys.stdout = sys.stdout, nowhere
            try:
                histograms = book(query, df)
                return [bins(histogram.GetValue()) for histogram in histograms][0]
            finally:
                sys.stdout = kept


def mean(ratios: list[float]) -> float:
    return prod(ratios) ** (1 / len(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queries", type=int, nargs="+", default=range(1, 9))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    mend_root(Path(sys.executable))
    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory() as name,
        LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        peers = Peers(options.binary.resolve(), [file.resolve() for file in options.files], Path(name), client)
        tasks = {"hep-run": peers.ours, "coffea": peers.coffea, "RDataFrame": peers.rdataframe}
        print("| query | wall s: hep-run, coffea, RDataFrame | CPU s | wall: coffea / hep-run, RDataFrame / hep-run | CPU |")
        print("| --- | --- | --- | --- | --- |")
        ratios: dict[tuple[str, int], list[float]] = {(who, which): [] for who in tasks for which in (0, 1)}
        for query in options.queries:
            results = {who: task(query) for who, task in tasks.items()}
            for who, found in results.items():
                if [float(count) for count in found] != [float(count) for count in results["RDataFrame"]]:
                    sys.exit(f"query {query}: {who} and RDataFrame give other histograms")
            spent: dict[str, list[tuple[float, float]]] = {who: [] for who in tasks}
            for _ in range(options.repeat):
                for who, task in tasks.items():
                    spent[who].append(timed(lambda task=task: task(query)))
            medians = {who: [statistics.median(run[which] for run in runs) for which in (0, 1)] for who, runs in spent.items()}
            for who, which in ratios:
                ratios[who, which].append(medians[who][which] / medians["hep-run"][which])
            both = [", ".join(f"{medians[who][which]:.2f}" for who in tasks) for which in (0, 1)]
            both += [", ".join(f"{ratios[who, which][-1]:.1f}" for who in ("coffea", "RDataFrame")) for which in (0, 1)]
            print(f"| Q{query} | {' | '.join(both)} |", flush=True)
        means = [", ".join(f"{mean(ratios[who, which]):.1f}" for who in ("coffea", "RDataFrame")) for which in (0, 1)]
        print(f"| geometric mean | | | {' | '.join(means)} |")


if __name__ == "__main__":
    main()
