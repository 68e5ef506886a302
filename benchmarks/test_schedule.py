"""python3 -m unittest benchmarks/test_schedule.py: what schedule.py simulates against calculations by hand."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from schedule import Job, Shape, Shared, depth, simulate, stretched  # noqa: E402


def job(ranges: list[float], files: list[int] | None = None, **costs: float) -> Job:
    return Job(Shape(files or [len(ranges)]), ranges, ranges, **costs)


class Schedule(unittest.TestCase):
    def test_equal_ranges_take_as_many_rounds_as_there_must_be(self) -> None:
        for n in (1, 2, 5, 21, 102):
            for threads in (1, 2, 3, 7, 21, 128):
                rounds = -(-n // threads)
                self.assertAlmostEqual(simulate(job([1.0] * n), threads).seconds, rounds)

    def test_ranges_are_taken_in_order_by_whoever_is_free(self) -> None:
        # 3 | 1 1 1, and then 2 behind either: 5. The other way round 2 | 1 1, 1 | 3: 5 as well; 3 last would be 2 + 3.
        self.assertEqual(simulate(job([3.0, 1.0, 1.0, 1.0, 2.0]), 2).seconds, 5.0)
        self.assertEqual(simulate(job([2.0, 1.0, 1.0, 1.0, 3.0]), 2).seconds, 5.0)
        self.assertEqual(simulate(job([3.0, 2.0, 1.0, 1.0, 1.0]), 2).seconds, 4.0)

    def test_every_output_but_one_is_merged_once(self) -> None:
        for files in ([1], [2], [5], [3, 1, 2], [7] * 13):
            for threads in (1, 2, 5, 64):
                run = simulate(job([1.0] * sum(files), files, merge=0.25), threads)
                self.assertEqual(run.merges, sum(files) - 1)

    def test_one_thread_pays_for_all_merges_and_locks(self) -> None:
        costs = {"merge": 0.5, "each": 0.25, "before": 3.0, "opening": 4.0, "after": 2.0}
        # 5 × 1.25, 4 merges, 9 before and after.
        self.assertAlmostEqual(simulate(job([1.0] * 5, **costs), 1).seconds, 5 * 1.25 + 4 * 0.5 + 9)

    def test_the_last_merges_follow_each_other(self) -> None:
        # Four ranges end together: two merges side by side, one behind them.
        self.assertEqual(simulate(job([1.0] * 4, merge=0.5), 4).seconds, 2.0)
        # (((0 1) (2 3)) 4): the fifth has nobody to merge with before.
        self.assertEqual(simulate(job([1.0] * 5, merge=0.5), 5).seconds, 2.5)
        # Two files of two: (0 1), (2 3), and then the files.
        self.assertEqual(simulate(job([1.0] * 4, [2, 2], merge=0.5), 4).seconds, 2.0)
        self.assertEqual([depth(Shape(files)) for files in ([1], [4], [5], [2, 2], [21] * 20)], [0, 2, 3, 2, 10])

    def test_one_passes_a_lock_at_a_time(self) -> None:
        # Four ranges end at 1 and pass one after the other; merging is free, but each merge passes it again: 4 + 3.
        self.assertAlmostEqual(simulate(job([1.0] * 4, locked=0.1), 4).seconds, 1.7)
        # With locks alone no number of threads is faster than one.
        self.assertAlmostEqual(simulate(job([0.0] * 50, locked=0.1), 128).seconds, 9.9)

    def test_threads_start_one_after_the_other_and_the_first_range_costs_more(self) -> None:
        self.assertAlmostEqual(simulate(job([1.0] * 4, spawn=0.25), 4).seconds, 1.75)
        cold = Job(Shape([4]), [1.0] * 4, [1.5] * 4)
        self.assertEqual([simulate(cold, threads).seconds for threads in (1, 2, 4)], [4.5, 2.5, 1.5])

    def test_files_are_opened_by_all_threads(self) -> None:
        many = job([1.0] * 8, [2] * 4, opening=4.0)
        self.assertEqual([simulate(many, threads).seconds for threads in (1, 2, 4, 8)], [12.0, 6.0, 3.0, 2.0])

    def test_what_is_shared_slows_down_those_that_are_busy(self) -> None:
        # Of 10 bytes per second each wants 4: two do not feel each other, eight have 10 of 32.
        memory = Shared(there=10.0, wanted=4.0)
        self.assertEqual(simulate(job([1.0] * 8), 2, [memory]).seconds, 4.0)
        self.assertAlmostEqual(simulate(job([1.0] * 8), 8, [memory]).seconds, 3.2)
        # Four until 1, three of which go on to 2: 4 × 4 / 10, and 3 × 4 / 10.
        self.assertAlmostEqual(stretched([1.0, 2.0, 2.0, 2.0], [memory]), 1.6 + 1.2)
        # The scarcest of two counts.
        self.assertAlmostEqual(simulate(job([1.0] * 8), 8, [memory, Shared(1.0, 1.0)]).seconds, 8.0)


if __name__ == "__main__":
    unittest.main()
