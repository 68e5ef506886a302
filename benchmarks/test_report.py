"""python3 -m unittest benchmarks/test_report.py: what the tables say of figures made up for it."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import report  # noqa: E402


def adl(query: int, events: int = 1000, peak: float = 50.0, **floor: float) -> report.Record:
    """hep-run takes 4 s, 1 of them outside of its ranges; RDataFrame 12."""
    below = {"read_cpu": 1.0, "full_cpu": 4.0, "values_cpu": 2.0, "stored_bytes": 10, "bytes": 20} | floor
    spent = {
        "hep-run 1": {"cpu": 4.0, "loop": 3.0, "first_cpu": 4.5, "startup_cpu": 0.0, "peak_mb": peak},
        "RDataFrame 1": {"cpu": 12.0, "first_cpu": 13.0, "startup_cpu": 0.5, "peak_mb": 400.0},
    }
    return {"kind": "adl", "file": f"ttree-zlib-{events}", "label": "TTree, zlib", "events": events, "query": query, "repeat": 5,
            "spent": spent, "floor": below, "lost": {}}  # fmt: skip


def machine(binary: str, commit: str, load: str) -> report.Record:
    return {"kind": "machine", "machine": {"CPU": "one", "hep-run": f"commit {commit}, binary {binary}", "load before": load}}


def read(*records: report.Record) -> list[report.Record]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "lines.jsonl")
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return report.read(path)


class Report(unittest.TestCase):
    def test_a_machine_and_a_binary_have_one_column(self) -> None:
        text = report.machines(read(machine("aa", "c1", "0.1"), adl(1), machine("aa", "c2", "0.7"), adl(2)))
        self.assertEqual(text.count("binary aa"), 1)
        self.assertNotIn("measured with it", text)

    def test_of_two_binaries_it_is_told_what_each_was_measured_with(self) -> None:
        lines = [machine("aa", "c1", "0.1"), adl(1), machine("bb", "c2", "0.1"), adl(1, events=2000)]
        self.assertIn("| measured with it | TTree, zlib, 0.001 M | TTree, zlib, 0.002 M |", report.machines(read(*lines)))
        # All that the first one had measured was measured again.
        self.assertNotIn("binary aa", report.machines(read(*lines, adl(1))))

    def test_the_ratios_with_start_up_and_without_and_their_limits(self) -> None:
        query = adl(1)
        self.assertEqual(report.peer_ratio(query, "RDataFrame"), 3.0)
        self.assertEqual(report.peer_ratio(query, "RDataFrame", ours="loop"), 4.0)
        self.assertEqual(report.ceiling(query, reading=True), 4.0)
        self.assertEqual(report.ceiling(query, reading=False), 6.0)
        self.assertEqual(report.start_cpu(query, "hep-run 1"), 1.0)
        self.assertEqual(report.floor_ratio(query), 0.75)

    def test_where_there_is_nothing_to_decompress_there_is_no_limit_to_it(self) -> None:
        stored = adl(1, values_cpu=0.01, full_cpu=0.01, stored_bytes=20)
        self.assertIsNone(report.ceiling(stored, reading=False))
        self.assertAlmostEqual(report.ceiling(stored, reading=True) or 0, 12 / 1.01)
        self.assertIsNone(report.mean_of_all([2.0, None]))
        self.assertAlmostEqual(report.mean_of_all([2.0, 8.0]) or 0, 4.0)

    def test_memory_is_compared_over_the_queries_that_both_sizes_have(self) -> None:
        # Query 2 is only of the small file: its 90 MB are not compared with anything.
        text = report.memory(read(adl(1, peak=50.0), adl(2, peak=90.0), adl(1, events=5000, peak=55.0)))
        self.assertIn("| TTree, zlib | hep-run | 1 | 50 | 55 | 1.10 |", text)
        self.assertEqual(report.memory(read(adl(1), adl(2))), "")


if __name__ == "__main__":
    unittest.main()
