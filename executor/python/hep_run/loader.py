"""Modules from sources in memory: how the binary starts the driver, and how the driver ships `hep_run.node`.

The text of this file is executed by itself too, where no other module of this package can be imported.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from typing import Optional

Spec = Optional[importlib.machinery.ModuleSpec]


class Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the package `name`, and the modules in it, in `sources`: texts by dotted names relative to the package,
    where a package has the name that its folder has. The package itself is the empty name."""

    def __init__(self, name: str, sources: dict[str, str]) -> None:
        self.name = name
        self.sources = sources

    def _key(self, fullname: str) -> str:
        return "" if fullname == self.name else fullname[len(self.name) + 1 :]

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Spec:
        if fullname != self.name and not fullname.startswith(self.name + "."):
            return None
        if self._key(fullname) not in self.sources:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=f"<{fullname}>", is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        key = self._key(fullname)
        return key == "" or any(other.startswith(key + ".") for other in self.sources)

    def get_source(self, fullname: str) -> str:
        return self.sources[self._key(fullname)]


def load(name: str, sources: dict[str, str], module: str) -> types.ModuleType:
    """A module of the package `name`, which is made from `sources` unless it is there already."""
    if not any(getattr(finder, "name", None) == name and hasattr(finder, "sources") for finder in sys.meta_path):
        # First: an installed package of the same name may be another version.
        sys.meta_path.insert(0, Sources(name, sources))
    return importlib.import_module(f"{name}.{module}")
