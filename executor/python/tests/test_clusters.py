import sys
import types
import unittest
from unittest import mock

import dask
import support  # noqa: F401
from hep_run.clusters import start_cluster


class Local(unittest.TestCase):
    def test_it_is_kept_at_the_size_that_it_has_by_itself(self):
        options = {"processes": "false", "dashboard_address": ":0"}
        for given, workers, size in (({}, None, None), ({}, 2, (2, 2)), ({"minimum": "1", "maximum": "3"}, None, (1, 3))):
            started = start_cluster("local", options | given, workers)
            with started.target as cluster:
                kept = cluster._adaptive
                number = len(cluster.worker_spec)
                self.assertEqual((kept.minimum, kept.maximum), size or (number, number))


class Kubernetes(unittest.TestCase):
    """What dask-kubernetes is asked for. There is none here."""

    def asked(self, options, before_2023_6=False):
        made = []

        class KubeCluster:
            name, shutdown_on_close = "made", True

            def adapt(self, **size):
                made.append(size)

        def new(self, *, idle_timeout=None, **others):
            made.append({"idle_timeout": idle_timeout, **others})

        def old(self, **others):
            made.append(others)

        KubeCluster.__init__ = old if before_2023_6 else new
        operator = types.ModuleType("dask_kubernetes.operator")
        operator.KubeCluster = KubeCluster
        package = types.ModuleType("dask_kubernetes")
        package.operator = operator
        with mock.patch.dict(sys.modules, {"dask_kubernetes": package, "dask_kubernetes.operator": operator}):
            start_cluster("kubernetes", options, 3)
        return made

    def test_a_cluster_whose_driver_was_killed_ends(self):
        given, size = self.asked({"image": "dask"})
        self.assertEqual(given, {"image": "dask", "n_workers": 3, "quiet": True, "idle_timeout": 600})
        self.assertEqual(size, {"minimum": 3, "maximum": 3})

    def test_how_long_it_may_be_idle_is_the_user_s(self):
        self.assertEqual(self.asked({"idle-timeout": "0"})[0]["idle_timeout"], 0)
        with dask.config.set({"kubernetes.idle-timeout": 60}):
            self.assertEqual(self.asked({})[0]["idle_timeout"], 60)
        # What the package has where nobody has said anything.
        with dask.config.set({"kubernetes.idle-timeout": 0}):
            self.assertEqual(self.asked({})[0]["idle_timeout"], 600)

    def test_an_old_dask_kubernetes_is_not_asked_for_what_it_does_not_know(self):
        self.assertEqual(self.asked({}, before_2023_6=True)[0], {"n_workers": 3, "quiet": True})


if __name__ == "__main__":
    unittest.main()
