"""Brings `hep_run.node` to where it is not installed, as source.

Pickling functions by value breaks between versions of Python, and by name needs them installed. Plug-ins are pickled
as an expression that makes their module from source, under a name with the hash of the source; where a plug-in has
been, the functions of that module can then be pickled by name.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
from typing import Any

from distributed import SchedulerPlugin

from . import loader

MODULES = ("", "frames", "binary", "child", "memory", "store", "progress", "plugin", "tasks")


def source(module: Any) -> str:
    """The text of a module, wherever it was loaded from."""
    text = module.__loader__.get_source(module.__name__)
    if text is None:
        raise RuntimeError(f"there is no source of {module.__name__}")
    return str(text)


def _sources() -> dict[str, str]:
    package = f"{__package__}.node"
    return {name: source(importlib.import_module(f"{package}.{name}" if name else package)) for name in MODULES}


SOURCES = _sources()
HASH = hashlib.sha256(json.dumps(SOURCES, sort_keys=True).encode()).hexdigest()[:16]
# The name that the package has on the cluster, and here too.
PACKAGE = f"hep_run_node_{HASH}"
STORE = f"hep-run-store-{HASH}"
NODE = f"hep-run-node-{HASH}"

# One expression, because `eval` is a builtin and so can be pickled by every Python.
_EXPRESSION = "(lambda g: (exec(LOADER, g), g[HOW](PACKAGE, SOURCES, MODULE, NAME, ARGUMENTS))[1])({'__name__': 'loader'})"


def module(name: str) -> Any:
    """A module of the shipped package, as it is on the cluster."""
    return loader.load(PACKAGE, SOURCES, name)


def _recipe(how: str, module: str, name: str, *arguments: str) -> tuple[Any, ...]:
    scope = {
        "HOW": how,
        "LOADER": source(loader),
        "PACKAGE": PACKAGE,
        "SOURCES": SOURCES,
        "MODULE": module,
        "NAME": name,
        "ARGUMENTS": arguments,
    }
    return eval, (_EXPRESSION, scope)


class StoreRecipe(SchedulerPlugin):  # type: ignore[misc]
    """Becomes the store on the scheduler."""

    name = STORE
    idempotent = True

    def __reduce__(self) -> tuple[Any, ...]:
        return _recipe("make", "store", "Store", STORE)


class _NodeRecipe:
    def __reduce__(self) -> tuple[Any, ...]:
        return _recipe("make_or_tell", "plugin", "Node", NODE, STORE)


def node_recipe() -> bytes:
    """What becomes the plug-in on each worker, of whichever Python."""
    return pickle.dumps(_NodeRecipe(), protocol=4)
