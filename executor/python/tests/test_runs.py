"""Runs on clusters of real processes, with a small worker in place of the binary."""

import asyncio
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import dask
import support  # first: it says what is logged
from distributed import Client, LocalCluster
from hep_run import ship
from hep_run.engine import Engine
from hep_run.execution import Cancelled, Failed, task_of, unfit_worker, without_plugin


class Runs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Otherwise, 15 s after a worker's end its nanny goes too, if the next worker is not there at that very moment.
        cls.enterClassContext(dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}))
        cls.cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit="700MB")
        cls.client = Client(cls.cluster, set_as_default=False)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.cluster.close()

    def setUp(self):
        self.engine = Engine(self.client)
        self.engine.connect(str(support.WORKER), support.SHA)
        self.events, self.partials = [], []
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_(self, ranges=40, last=False, timeout=None, graph=None, **job):
        graph = graph or support.graph(ranges)
        job = support.encoded(job)
        partials = []
        failures = self.engine.run(
            "test", ["a-b 1"], job, support.encoded(graph), self.events.append, partials.append, last, timeout
        )
        parts = [json.loads(partial) for partial in partials]
        merged = {key: sorted(number for part in parts for number in part[key]) for key in ("done", "failed")}
        return (merged if parts else None), failures

    def expect(self, result, lost, ranges=40, words=""):
        partial, failures = result
        self.assertEqual(partial["done"], [number for number in range(ranges) if number not in lost])
        self.assertEqual([number for number, _, _ in failures], lost)
        for _, worker, reason in failures:
            self.assertRegex(worker, "^tcp://")
            self.assertRegex(reason, words)
        end = [event for event in self.events if event["event"] == "progress"][-1]
        self.assertEqual((end["done"], end["failed"], end["waiting"]), (ranges - len(lost), len(lost), 0))

    def test_all_ranges_of_all_sizes_of_graphs(self):
        for ranges in (1, 2, 31, 200):
            self.expect(self.run_(ranges), [], ranges)
        self.assertEqual(self.run_(graph={"ranges": [], "merges": []}), (None, []))

    def test_what_ends_a_child_costs_its_range(self):
        for fault, words in {
            "die": "its process died: it was ended by SIGABRT",
            "exit": "its process died: it ended with status 7; it said: .*the end is near",
            "garbage": "bytes that are no frame: b'Hello, world'",
            "huge": "a frame of 68719476736 bytes|it ended|the stream",
            "leak": "its process died: memory limit: it had",
        }.items():
            with self.subTest(fault):
                self.expect(self.run_(faults={"3": fault}), [3], words=words)
                once = f"once:{self.folder / fault}:{fault}"
                self.assertEqual(len(self.run_(faults={"3": once})[1]), 1)

    def test_what_hangs_is_ended_when_its_time_is_over(self):
        for fault in ("hang", "deaf", "stop"):
            self.expect(self.run_(faults={"3": fault}, timeout=1.0), [3], words="time limit: no answer within 1 s")

    def test_an_error_is_the_range_s(self):
        partial, failures = self.run_(faults={"3": "error"})
        self.assertEqual((partial["failed"], failures[0][2]), ([], "range 3 is bad"))
        partial, failures = self.run_(faults={"3": "error"}, last=True)
        self.assertEqual((partial["failed"], failures[0][0]), ([3], 3))

    def test_prints_do_no_harm(self):
        self.expect(self.run_(faults={str(number): "print" for number in range(40)}), [])

    def test_all_may_be_lost(self):
        partial, failures = self.run_(2, faults={"0": "die", "1": "die"})
        self.assertEqual((partial, len(failures)), (None, 2))

    def test_a_worker_that_is_killed_costs_nothing(self):
        self.expect(self.run_(faults={"3": f"once:{self.folder / 'killed'}:kill-worker"}), [])

    def test_a_range_that_kills_every_worker_is_lost_alone(self):
        result = self.run_(faults={"3": "kill-worker"})
        self.expect(result, [3], words=r"its worker died 8 times, the last was tcp://")
        self.assertIn("it is tried again", next(event["message"] for event in self.events if event["event"] == "warning"))

    def test_ranges_that_share_what_is_read_are_done_by_one_process(self):
        joined = [number for number in range(40) if number % 20]
        trace = self.folder / "trace"
        self.expect(self.run_(graph=support.graph(40, joined=joined), trace=str(trace)), [])
        by_process = {}
        for line in trace.read_text().splitlines():
            pid, number = map(int, line.split())
            by_process.setdefault(pid, []).append(number)
        for numbers in by_process.values():
            for at in range(0, len(numbers), 20):
                self.assertEqual(numbers[at : at + 20], list(range(numbers[at], numbers[at] + 20)))
                self.assertEqual(numbers[at] % 20, 0)

    def test_a_failure_among_ranges_of_one_task_is_its_range_s(self):
        joined = range(1, 40)
        for fault in ("die", "error"):
            partial, failures = self.run_(graph=support.graph(40, joined=joined), faults={"17": fault})
            self.assertEqual(partial["done"], [number for number in range(40) if number != 17])
            self.assertEqual([number for number, _, _ in failures], [17])
        result = self.run_(graph=support.graph(40, joined=joined), faults={"17": "kill-worker"})
        self.expect(result, [17], words=r"its worker died 8 times, the last was tcp://")

    def test_a_range_goes_where_it_has_not_failed(self):
        first, second = self.client.scheduler_info()["workers"]
        for avoided, taken in ((first, second), (second, first)):
            graph = support.graph(1)
            graph["ranges"][0].append([avoided])
            _, ((_, worker, _),) = self.run_(graph=graph, faults={"0": "error"})
            self.assertEqual(worker, taken)

    def test_cancelling_frees_the_workers(self):
        threading.Timer(1.0, self.engine.cancel).start()
        with self.assertRaises(Cancelled):
            self.run_(faults={str(number): "deaf" for number in range(40)})
        # The workers are free for others at once.
        self.expect(self.run_(2), [], 2)

    def test_a_binary_that_cannot_run_is_named(self):
        broken = self.folder / "broken"
        broken.write_bytes(b"#!/missing/interpreter\n")
        broken.chmod(0o755)
        engine = Engine(self.client)
        engine.connect(str(broken), hashlib.sha256(broken.read_bytes()).hexdigest())
        with self.assertRaisesRegex(
            Failed, "hep-run cannot run on worker tcp://.*what was written is not what is read back|cannot run"
        ):
            engine.run("test", ["a"], b"{}", support.encoded(support.graph(3)), self.events.append, self.partials.append)

    def test_a_binary_that_cannot_be_read_is_not_the_scheduler_s_fault(self):
        engine = Engine(self.client)
        with self.assertRaisesRegex(Failed, "^the binary that is to be shipped, /missing, cannot be read: No such file"):
            engine.connect("/missing", "0" * 64)

    def test_two_engines_of_a_client_do_not_take_from_each_other(self):
        """As two cells of a notebook: nobody's binary, job or events go with the end of another's run."""
        binaries = []
        for name in "ab":
            binary = self.folder / name
            # No worker has this one in its cache.
            binary.write_bytes(support.WORKER.read_bytes() + b"# %s" % os.urandom(8).hex().encode())
            binary.chmod(0o755)
            binaries.append((str(binary), hashlib.sha256(binary.read_bytes()).hexdigest()))
        first, second = Engine(self.client), Engine(self.client)
        first.connect(*binaries[0])
        second.connect(*binaries[1])
        events = {first: [], second: []}
        results = {}

        def run(engine, ranges, seconds):
            job, graph, partials = support.encoded({"seconds": seconds}), support.encoded(support.graph(ranges)), []
            failures = engine.run("test", ["a"], job, graph, events[engine].append, partials.append)
            results[engine] = sorted(number for partial in partials for number in json.loads(partial)["done"]), failures

        long = threading.Thread(target=run, args=(first, 40, 0.1))
        long.start()
        run(second, 2, 0.1)
        second.close()
        second.close()
        heard = len(events[first])
        long.join()
        self.assertEqual(results, {first: (list(range(40)), []), second: ([0, 1], [])})
        told = [event["done"] for event in events[first][heard:] if event["event"] == "progress"]
        self.assertTrue([done for done in told if 0 < done < 40], "nothing was told after the other's end")
        first.close()

    def test_nothing_is_left_on_the_scheduler(self):
        def held(dask_scheduler):
            stores = [plugin for name, plugin in dask_scheduler.plugins.items() if name.startswith("hep-run-store")]
            return sorted(key for store in stores for key in store.blobs), len(dask_scheduler.tasks)

        def settled(expected):
            deadline = time.monotonic() + 30
            while (now := self.client.run_on_scheduler(held)) != expected and time.monotonic() < deadline:
                time.sleep(0.05)
            return now

        binary = self.folder / "other_worker"
        binary.write_bytes(support.WORKER.read_bytes() + b"#")
        binary.chmod(0o755)
        before = self.client.run_on_scheduler(held)
        with Client(self.cluster, set_as_default=False) as client:
            engine = Engine(client)
            sha = hashlib.sha256(binary.read_bytes()).hexdigest()
            engine.connect(str(binary), sha)
            engine.run("test", ["a"], b"{}", support.encoded(support.graph(50)), self.events.append, self.partials.append)
            self.assertEqual(settled((sorted([*before[0], sha]), 0)), (sorted([*before[0], sha]), 0))
        self.assertEqual(settled((before[0], 0)), (before[0], 0))


class Beginnings(unittest.TestCase):
    """Clusters that have not seen us yet, in this process."""

    def setUp(self):
        self.cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None)
        self.addCleanup(self.cluster.close)
        self.tell = self.cluster.scheduler.broadcast
        self.cluster.scheduler.broadcast = self.broadcast
        self.told = []
        self.without = []

    def run_(self):
        with Client(self.cluster, set_as_default=False) as client:
            engine, partials, events = Engine(client), [], []
            engine.connect(str(support.WORKER), support.SHA)
            without = [worker.address for worker in self.cluster.workers.values() if ship.NODE not in worker.plugins]
            self.assertEqual(without, self.without)
            graph = support.encoded(support.graph(20))
            engine.run("test", ["a"], support.encoded({"seconds": 0.01}), graph, events.append, partials.append)
            self.assertEqual(sorted(n for partial in partials for n in json.loads(partial)["done"]), list(range(20)))
            self.assertEqual([event for event in events if event["event"] == "warning"], [])

    async def broadcast(self, *, msg, **more):
        if msg["op"] == "plugin-add":
            self.told.append(more.get("workers"))
            await self.fault()
        return await self.tell(msg=msg, **more)

    def test_a_second_driver_waits_until_the_workers_have_the_plug_in(self):
        begun = threading.Event()

        async def slowly():
            begun.set()
            await asyncio.sleep(1.0)

        self.fault = slowly
        errors = []

        def first():
            try:
                self.run_()
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=first)
        thread.start()
        begun.wait(30)
        self.run_()
        thread.join()
        self.assertEqual(errors, [])

    def test_a_worker_that_could_not_be_told_is_told_again(self):
        async def once():
            if len(self.told) == 1:
                raise OSError("connection refused")

        self.fault = once
        self.run_()
        self.run_()

    def test_a_worker_that_has_lost_the_plug_in_gets_it_again(self):
        async def well():
            pass

        self.fault = well
        self.run_()
        first, second = self.cluster.workers.values()
        asyncio.run_coroutine_threadsafe(first.plugin_remove(name=ship.NODE), self.cluster.loop.asyncio_loop).result(30)
        self.without = [first.address]
        self.run_()
        self.assertIn(ship.NODE, first.plugins)
        self.assertEqual(self.told, [[first.address], [second.address], [first.address]])


class Shipping(unittest.TestCase):
    def test_nothing_has_to_be_installed(self):
        pickled = ship.node_recipe()
        code = "import pickle, sys; plugin = pickle.load(sys.stdin.buffer); print(type(plugin).__module__, plugin.name)"
        said = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True, check=True, cwd="/")
        self.assertEqual(said.stdout.decode().split(), [f"{ship.PACKAGE}.plugin", ship.NODE])

    def test_tasks_are_pickled_by_name(self):
        self.assertLess(len(pickle.dumps(ship.module("tasks").process)), 200)


class Names(unittest.TestCase):
    def test_a_key_says_which_task_it_is(self):
        self.assertEqual(task_of(("process:a-0123abcd", 17, "f.root:0..5")), 17)
        self.assertEqual(task_of("('process:a-0123abcd', 17, 'f.root:0..5', 1)"), 17)
        self.assertEqual(task_of(("merge:a-0123abcd", 4)), -5)

    def test_a_worker_that_cannot_run_is_found_in_the_message(self):
        self.assertEqual(unfit_worker("hep-run cannot run on worker tls://h:1: because"), "tls://h:1")
        self.assertIsNone(unfit_worker("merging on tls://h:1: because"))
        self.assertEqual(without_plugin("hep-run has no plug-in on worker tls://h:1: hep_run_node"), "tls://h:1")
        self.assertIsNone(without_plugin("hep-run cannot run on worker tls://h:1: because"))


if __name__ == "__main__":
    unittest.main()
