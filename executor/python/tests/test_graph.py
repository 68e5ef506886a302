import unittest

import support
from distributed.utils import key_split
from hep_run.graph import BLOCK, Graph, name


def below(graph: Graph, task: int) -> list[int]:
    if task >= 0:
        return [task]
    return [number for each in graph.merges[-1 - task].inputs for number in below(graph, each)]


class Graphs(unittest.TestCase):
    def test_each_range_and_each_merge_is_in_one_block_or_above(self):
        for ranges in (1, 2, 31, 32, 33, 1000):
            for fan_in in (2, 16, 40):
                graph = Graph(support.graph(ranges, fan_in), ["a"], "0123abcd")
                blocks = list(graph.blocks.values())
                self.assertEqual(sorted(number for block in blocks for number in block.ranges), list(range(ranges)))
                merges = [-1 - at for block in blocks for at in block.merges]
                self.assertEqual(sorted([*merges, *graph.upper]), list(range(-len(graph.merges), 0)))
                for block in blocks:
                    self.assertLessEqual(len(block.ranges), BLOCK)
                    self.assertEqual(sorted(below(graph, block.root)), block.ranges)
                self.assertEqual(graph.roots, {-len(graph.merges)})
                self.assertEqual(below(graph, -len(graph.merges)), list(range(ranges)))

    def test_a_large_graph_has_several_outputs(self):
        for fan_in in (2, 16):
            graph = Graph(support.graph(1000, fan_in), ["a"], "0123abcd", block=8, output=100)
            self.assertGreater(len(graph.roots), 1)
            self.assertEqual(sorted(number for root in graph.roots for number in below(graph, root)), list(range(1000)))
            for root in graph.roots:
                self.assertLessEqual(len(below(graph, root)), 100)
                self.assertNotIn(root, graph.parents)
            self.assertEqual(sorted(number for block in graph.blocks.values() for number in block.ranges), list(range(1000)))

    def test_a_range_that_avoids_workers_is_a_block(self):
        value = support.graph(3)
        value["ranges"][1].append(["tcp://10.0.0.1:1"])
        graph = Graph(value, ["a"], "0123abcd")
        self.assertEqual(sorted(block.ranges for block in graph.blocks.values()), [[0], [1], [2]])
        self.assertEqual(graph.ranges[1].avoid, {"tcp://10.0.0.1:1"})

    def test_no_block_ends_between_ranges_that_share_what_is_read(self):
        for fan_in in (2, 16):
            # Groups of three, of which some lie across every place where blocks of 32 would end.
            joined = [number for number in range(300) if number % 3]
            graph = Graph(support.graph(300, fan_in, joined=joined), ["a"], "0123abcd")
            blocks = list(graph.blocks.values())
            self.assertEqual(sorted(number for block in blocks for number in block.ranges), list(range(300)))
            groups = [group for block in blocks for group in graph.groups(block)]
            self.assertEqual(sorted(groups), [[at, at + 1, at + 2] for at in range(0, 300, 3)])
        # Along the groups a graph is cut as others are.
        joined = [number for number in range(64) if number % 32]
        graph = Graph(support.graph(64, 2, joined=joined), ["a"], "0123abcd")
        self.assertEqual(sorted(len(block.ranges) for block in graph.blocks.values()), [32, 32])
        graph.apart.add(5)
        groups = [group for block in graph.blocks.values() for group in graph.groups(block)]
        self.assertEqual(sorted(groups), [list(range(5)), list(range(5, 32)), list(range(32, 64))])

    def test_the_dashboard_shows_the_whole_name_of_a_dataset(self):
        for label, shown in {
            "TTTo2L2Nu_2018": "TTTo2L2Nu_2018",
            "TTTo2L2Nu-2018-v2": "TTTo2L2Nu_2018_v2",
            "2018": "2018",
            "µ→γ": "µ→γ",
            "a b\n'c'": "a_b_c_",
            "": "_",
            "-": "_",
        }.items():
            graph = Graph(support.graph(2), [label], "0123abcd")
            self.assertEqual(key_split(graph.key(0)), f"process:{shown}")
            self.assertEqual(key_split(graph.key(-1)), f"merge:{shown}")
            self.assertEqual(graph.key(1)[1:], (1, "file.root:1"))
        self.assertEqual(len(name("x" * 1000)), 80)

    def test_keys_are_of_one_run_and_of_one_attempt(self):
        one, other = (Graph(support.graph(5), ["a"], run) for run in ("0123abcd", "abcd0123"))
        keys = {graph.key(task, attempt) for graph in (one, other) for task in (0, 4, -1, -2) for attempt in (0, 1)}
        self.assertEqual(len(keys), 16)


if __name__ == "__main__":
    unittest.main()
