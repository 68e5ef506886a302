"""Modules from sources in memory: how the binary starts the driver, and how the driver ships `hep_run.node`.

The text of this file is executed by itself too, where no other module of this package can be imported.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys


class Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the package `name`, and the modules in it, in `sources`: texts by dotted names relative to the package,
    where a package has the name that its folder has. The package itself is the empty name."""

    def __init__(self, name, sources):  # type: ignore[no-untyped-def]
        self.name = name
        self.sources = sources

    def _key(self, fullname):  # type: ignore[no-untyped-def]
        return "" if fullname == self.name else fullname[len(self.name) + 1 :]

    def find_spec(self, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
        if fullname != self.name and not fullname.startswith(self.name + "."):
            return None
        if self._key(fullname) not in self.sources:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=f"<{fullname}>", is_package=self.is_package(fullname))

    def is_package(self, fullname):  # type: ignore[no-untyped-def]
        key = self._key(fullname)
        return key == "" or any(other.startswith(key + ".") for other in self.sources)

    def get_source(self, fullname):  # type: ignore[no-untyped-def]
        return self.sources[self._key(fullname)]


def load(name, sources, module):  # type: ignore[no-untyped-def]
    """A module of the package `name`, which is made from `sources` unless it is there already."""
    if not any(getattr(finder, "name", None) == name and hasattr(finder, "sources") for finder in sys.meta_path):
        # First: an installed package of the same name may be another version.
        sys.meta_path.insert(0, Sources(name, sources))
    return importlib.import_module(f"{name}.{module}")
