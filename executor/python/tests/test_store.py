import unittest

import support  # noqa: F401
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


if __name__ == "__main__":
    unittest.main()
