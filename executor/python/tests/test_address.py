import json
import tempfile
import unittest
from pathlib import Path

import dask
import support  # noqa: F401
from hep_run.address import Address, find


class Addresses(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name, "scheduler.json")
        self.file.write_text(json.dumps({"address": "tls://10.0.0.5:8786"}))

    def test_the_first_that_names_one_is_used(self):
        names = {"DASK_SCHEDULER_ADDRESS": "tcp://b:1", "DASK_SCHEDULER_IP": "tcp://c:1", "DASK_SCHEDULER_FILE": str(self.file)}
        configured = {"scheduler-address": "tcp://e:1", "scheduler-file": str(self.file)}
        order = []
        with dask.config.set(configured):
            order.append(find("tcp://a:1", names))
            for variable in list(names):
                order.append(find(None, names))
                del names[variable]
            order.append(find(None, names))
            with dask.config.set({"scheduler-address": None}):
                order.append(find(None, names))
        self.assertEqual([address.url for address in order],
                         ["tcp://a:1", "tcp://b:1", "tcp://c:1", "tls://10.0.0.5:8786", "tcp://e:1", "tls://10.0.0.5:8786"])  # fmt: skip
        self.assertEqual(order[0].source, "--scheduler")

    def test_without_any_there_is_none(self):
        with dask.config.set({"scheduler-address": None, "scheduler-file": None}):
            self.assertIsNone(find(None, {}))
            self.assertIsNone(find("", {"DASK_SCHEDULER_ADDRESS": ""}))

    def test_forms_of_addresses(self):
        for given, url in {
            "tls://host:8786": "tls://host:8786",
            "host:1234": "tcp://host:1234",
            "10.1.2.3": "tcp://10.1.2.3:8786",
            "[::1]": "tcp://[::1]:8786",
            "[::1]:99": "tcp://[::1]:99",
        }.items():
            self.assertEqual(find(given, {}), Address(url, "--scheduler"))

    def test_a_file_that_is_none(self):
        for content, words in (("{", "no JSON"), ("[]", "names no address"), ('{"address": 7}', "names no address")):
            self.file.write_text(content)
            with self.assertRaisesRegex(ValueError, words):
                find(str(self.file), {})
        with self.assertRaisesRegex(ValueError, "No such file"):
            find("/missing/scheduler.json", {})


if __name__ == "__main__":
    unittest.main()
