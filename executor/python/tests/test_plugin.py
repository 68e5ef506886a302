import tempfile
import threading
import time
import unittest
from types import SimpleNamespace
from unittest import mock

import support  # noqa: F401
from hep_run.node import plugin
from hep_run.node.plugin import PATIENCE, SLOW, Node, Run


def worker(folder: str) -> SimpleNamespace:
    """As much of a worker as a plug-in needs that has no child."""
    return SimpleNamespace(
        local_directory=folder,
        address="tcp://here:1",
        monitor=SimpleNamespace(get_process_memory=lambda: 0),
        loop=SimpleNamespace(add_callback=lambda *_: None),
        log_event=None,
    )


class Nodes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.before = threading.enumerate()
        self.node = Node("node", "store")
        self.node.setup(worker(folder.name))
        self.assertEqual(self.node.failure, "")
        self.addCleanup(self.node.teardown, self.node.worker)
        self.run_ = Run("identity", {"binary": "sha", "job": "key", "topic": "topic"}, b"{}")

    def wait(self, what, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.01)

    def test_the_watch_sleeps_where_nothing_is_done(self):
        looks = []
        look = self.node._look
        self.node._look = lambda: (looks.append(0), look())
        self.wait("rest", lambda: self.node._rests() and len(looks) >= 1)
        before = len(looks)
        time.sleep(6 * plugin.TICK)
        self.assertLessEqual(len(looks), before + 1)
        # A range that has ended is told, and then nothing is kept.
        told = []
        self.node.worker.loop.add_callback = lambda _, topic, message: told.append((topic, message["ranges"]))
        self.node.done(self.run_, 7, True, 10, 100)
        self.wait("a message", lambda: told)
        self.assertEqual(told, [("topic", [[7, 1, 10, 100]])])
        self.wait("rest", lambda: not self.node.runs)

    def test_the_watch_ends_with_the_plug_in(self):
        (watch,) = (thread for thread in threading.enumerate() if thread.name == "hep-run-watch" and thread not in self.before)
        self.wait("rest", self.node._rests)
        self.node.teardown(self.node.worker)
        watch.join(30)
        self.assertFalse(watch.is_alive())

    def test_the_end_of_a_run_says_nothing_about_a_worker(self):
        def over(_):
            raise plugin.Over("the run that this task belongs to is over")

        self.node.cache.fetch = over
        with self.assertRaisesRegex(plugin.Over, "^the run that"):
            self.node._start("sha")
        self.assertEqual(self.node.unfit, {})

    def pauses(self, ranges, others):
        self.node.stopped = mock.Mock(**{"wait.return_value": False})
        self.addCleanup(setattr, self.node, "stopped", self.node.stopped)
        self.node._others_succeed = lambda _: others
        for index in range(ranges):
            self.node.done(self.run_, index, False, 0, 0)
        return self.node.stopped.wait.call_args_list.count(mock.call(SLOW))

    def test_it_takes_its_time_if_others_can_do_what_it_cannot(self):
        self.assertEqual(self.pauses(1000, others=True), 998)

    def test_it_is_not_waited_for_ever_for_what_nobody_can_do(self):
        self.assertEqual(self.pauses(1000, others=False), PATIENCE / SLOW)


if __name__ == "__main__":
    unittest.main()
