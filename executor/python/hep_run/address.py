"""Which scheduler: the first place that names one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import dask

DEFAULT_PORT = 8786


@dataclass(frozen=True)
class Address:
    """A scheduler's address, and who named it."""

    url: str
    source: str


def find(given: Optional[str], environment: Mapping[str, str] = os.environ) -> Optional[Address]:
    """The scheduler to use; none if nothing names one, for a cluster of our own.

    In this order: `given` (`--scheduler`: an address, or a scheduler file), `DASK_SCHEDULER_ADDRESS`,
    `DASK_SCHEDULER_IP`, the scheduler file of `DASK_SCHEDULER_FILE`, Dask's configuration (`scheduler-address`,
    `scheduler-file`).
    """
    candidates = [
        ("--scheduler", given),
        ("DASK_SCHEDULER_ADDRESS", environment.get("DASK_SCHEDULER_ADDRESS")),
        ("DASK_SCHEDULER_IP", environment.get("DASK_SCHEDULER_IP")),
        ("DASK_SCHEDULER_FILE", environment.get("DASK_SCHEDULER_FILE")),
        ("Dask's configuration", dask.config.get("scheduler-address", None)),
        ("Dask's configuration", dask.config.get("scheduler-file", None)),
    ]
    for source, value in candidates:
        if value:
            return Address(_url(str(value), source), source)
    return None


def _url(value: str, source: str) -> str:
    if "://" in value:
        return value
    if source == "DASK_SCHEDULER_FILE" or value.endswith(".json") or os.sep in value:
        return _of_file(value)
    host, separator, port = value.rpartition(":")
    if not separator or "]" in port:
        return f"tcp://{value}:{DEFAULT_PORT}"
    return f"tcp://{host}:{port}"


def _of_file(path: str) -> str:
    try:
        with open(path) as file:
            content: Any = json.load(file)
    except OSError as error:
        raise ValueError(f"the scheduler file {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"the scheduler file {path} is no JSON") from None
    address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str):
        raise ValueError(f"the scheduler file {path} names no address")
    return address
