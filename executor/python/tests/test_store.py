import asyncio
import unittest

import support  # noqa: F401
from hep_run.node import store
from hep_run.node.store import Store


class Stores(unittest.TestCase):
    def setUp(self):
        self.store = Store("store")

    def test_it_is_kept_while_somebody_uses_it(self):
        self.assertFalse(self.store.use("a", "key"))
        self.store.put("a", "key", 2, 0, b"one")
        self.assertIsNone(self.store.piece("key", 0))
        self.store.put("a", "key", 2, 1, b"two")
        self.assertEqual([self.store.piece("key", index) for index in (0, 1)], [[b"one", 2], [b"two", 2]])
        self.assertTrue(self.store.use("b", "key"))
        self.store.drop("a", "key")
        self.assertIsNotNone(self.store.piece("key", 0))
        self.store.remove_client(None, "b")
        self.assertIsNone(self.store.piece("key", 0))
        self.assertEqual((self.store.blobs, self.store.users), ({}, {}))

    def test_two_may_put_it_at_once(self):
        for index, data in enumerate((b"one", b"two")):
            for client in "ab":
                self.store.put(client, "key", 2, index, data)
        self.assertEqual(self.store.blobs, {"key": [b"one", b"two"]})
        self.assertEqual(self.store.users, {"key": {"a", "b"}})
        self.assertEqual(self.store.arriving, {})

    def test_half_of_it_goes_with_its_client(self):
        self.store.put("a", "key", 2, 0, b"one")
        self.store.remove_client(None, "a")
        self.assertEqual((self.store.arriving, self.store.blobs), ({}, {}))

    def test_a_piece_that_is_sent_again_is_the_same_piece(self):
        self.store.put("a", "key", 2, 0, b"one")
        self.store.put("a", "key", 2, 0, b"one")
        self.store.put("a", "key", 2, 1, b"two")
        self.assertEqual(self.store.blobs, {"key": [b"one", b"two"]})

    def test_what_engines_use_goes_with_their_client(self):
        for user in ("a/1", "a/2", "a", "ab/1"):
            self.store.put(user, f"key of {user}", 1, 0, b"one")
            self.store.use(user, "key of a/1")
        self.store.put("a/1", "half", 2, 0, b"one")
        self.store.drop("a/1", "key of a/1")
        self.assertIsNotNone(self.store.piece("key of a/1", 0))
        self.store.remove_client(None, "a")
        self.assertEqual(sorted(self.store.blobs), ["key of a/1", "key of ab/1"])
        self.assertEqual(self.store.users, {"key of a/1": {"ab/1"}, "key of ab/1": {"ab/1"}})
        self.assertEqual(self.store.arriving, {})

    def test_it_knows_whether_other_workers_get_on(self):
        self.store.put("a", "run", 1, 0, b"{}")

        def tell(run, worker, *ranges):
            self.store.log_event("topic", {"run": run, "worker": worker, "running": 1, "ranges": list(ranges)})

        tell("run", "w1", [3, 0, 0, 0])
        tell("another", "w1", [3, 1, 10, 100])
        for foreign in ("text", {"run": ["run"]}, {"action": "remove-client"}):
            self.store.log_event("all", foreign)
        self.assertFalse(self.store.others("run", "w2", 60.0))
        tell("run", "w1", [3, 0, 0, 0], [4, 1, 10, 100])
        self.assertTrue(self.store.others("run", "w2", 60.0))
        self.assertFalse(self.store.others("run", "w1", 60.0))
        self.assertFalse(self.store.others("run", "w2", -1.0))
        self.store.drop("a", "run")
        self.assertEqual(self.store.successes, {})


class Scheduler:
    """What the store needs of one; `does` says what a worker does that is told of the plug-in."""

    def __init__(self, *workers: str) -> None:
        self.workers = dict.fromkeys(workers)
        self.worker_plugins: dict[str, bytes] = {}
        self.handlers: dict = {}
        self.told: list[str] = []
        self.does = {}

    async def broadcast(self, msg, workers):
        (worker,) = workers
        self.told.append(worker)
        assert msg == {"op": "plugin-add", "name": "node", "plugin": b"plug-in"}, msg
        await self.does.get(worker, asyncio.sleep)(0)
        return {worker: {"status": "OK"}}


class Equipping(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.addCleanup(setattr, store, "AGAIN", store.AGAIN)
        store.AGAIN = (0.0, 0.0)
        self.store = Store("store")
        self.scheduler = Scheduler("a", "b")
        await self.store.start(self.scheduler)

    def equip(self, patience=60.0):
        return self.store.equip("node", b"plug-in", patience)

    async def test_each_worker_is_told_once(self):
        self.assertEqual([await self.equip(), await self.equip()], [{}, {}])
        self.assertEqual(self.scheduler.told, ["a", "b"])
        self.scheduler.workers["late"] = None
        self.store.add_worker(self.scheduler, "late")
        self.assertEqual((await self.equip(), self.scheduler.worker_plugins), ({}, {"node": b"plug-in"}))
        self.assertEqual(self.scheduler.told, ["a", "b"])

    async def test_who_comes_second_waits_until_the_workers_have_it(self):
        free = asyncio.Event()
        self.scheduler.does["b"] = lambda _: free.wait()
        first, second = asyncio.ensure_future(self.equip()), asyncio.ensure_future(self.equip())
        for _ in range(20):
            await asyncio.sleep(0)
        self.assertFalse(first.done() or second.done())
        free.set()
        self.assertEqual(await asyncio.gather(first, second), [{}, {}])
        self.assertEqual(self.scheduler.told, ["a", "b"])

    async def test_a_worker_that_could_not_be_told_is_told_again(self):
        failures = iter([OSError("connection refused")] * 4)

        async def fail(_):
            if error := next(failures, None):
                raise error

        self.scheduler.does["b"] = fail
        self.assertEqual(await self.equip(), {"b": "OSError: connection refused"})
        self.assertEqual(await self.equip(), {})
        self.assertEqual(self.scheduler.told, ["a", "b", "b", "b", "b", "b"])

    async def test_a_worker_that_does_not_answer_is_waited_for_only_so_long(self):
        self.scheduler.does["b"] = lambda _: asyncio.Event().wait()
        self.assertEqual(await self.equip(0.01), {"b": "no answer within 0.01 s"})

    async def test_a_worker_that_has_gone_is_not_missed(self):
        async def go(_):
            del self.scheduler.workers["b"]
            self.store.remove_worker(self.scheduler, "b", stimulus_id="x")
            raise OSError("it is gone")

        self.scheduler.does["b"] = go
        self.assertEqual(await self.equip(), {})
        # Another one at the same address has to be told.
        self.scheduler.workers["b"] = None
        del self.scheduler.does["b"]
        self.assertEqual((await self.equip(), self.store.equipped), ({}, {"a", "b"}))


if __name__ == "__main__":
    unittest.main()
