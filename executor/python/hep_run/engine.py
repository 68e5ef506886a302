"""A connection to a cluster, and what is shipped to it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional

import dask
import distributed
from distributed import Client

from . import address, ship
from .clusters import ClusterError, Started, start_cluster, within
from .execution import Deliver, Emit, Execution, Failed, Failure
from .graph import Graph

log = logging.getLogger("distributed.hep_run")

Heard = Callable[[tuple[float, Any]], None]

# Seconds that the end of a cluster, or of a connection, may take.
FAREWELL = 10
# What may be wrong where it is not the network.
VERSIONS = (
    f"; this Python has distributed {distributed.__version__}, and if the cluster has an older or newer one, "
    "name a Python like the cluster's with --python"
)
# Seconds that the scheduler may take for one answer, and the workers to take the plug-in.
ANSWER, EQUIP = 30, 20

# The binary that each client's last run was of. Only these stay on the scheduler between runs.
BINARIES: weakref.WeakKeyDictionary[Client, str] = weakref.WeakKeyDictionary()


class Listeners:
    """Who hears what the workers tell a client: Dask calls one function for a topic, and a client may have several runs.

    The topic is the client's id: the scheduler forgets the events of a client when it is gone; other topics stay.
    """

    of: weakref.WeakKeyDictionary[Client, list[Heard]] = weakref.WeakKeyDictionary()
    lock = threading.Lock()

    @classmethod
    def add(cls, client: Client, heard: Heard) -> None:
        with cls.lock:
            listeners = cls.of.setdefault(client, [])
            listeners.append(heard)

            def tell(event: tuple[float, Any]) -> None:
                for each in tuple(listeners):
                    each(event)

            if len(listeners) == 1:
                client.subscribe_topic(client.id, tell)

    @classmethod
    def remove(cls, client: Client, heard: Heard) -> None:
        with cls.lock:
            listeners = cls.of[client]
            listeners.remove(heard)
            if not listeners:
                client.unsubscribe_topic(client.id)


class Engine:
    """What one driver has. With a `client` given, the cluster is its owner's."""

    def __init__(self, client: Optional[Client] = None) -> None:
        self.client = client
        self.given = client is not None
        self.cluster: Optional[Started] = None
        self.binary = ""
        self.memory: Optional[int] = None
        self.execution: Optional[Execution] = None
        # Who uses what is put to the scheduler; known with the client.
        self.user = ""
        # Workers that have not taken the plug-in, and why.
        self.lacking: dict[str, str] = {}
        # Nothing is to be begun any more.
        self.ended = False

    def connect(
        self,
        binary: str,
        sha256: str,
        scheduler: Optional[str] = None,
        cluster: Optional[str] = None,
        cluster_options: Optional[dict[str, Any]] = None,
        workers: Optional[int] = None,
        memory: Optional[int] = None,
    ) -> dict[str, Any]:
        """Connects, or starts a cluster, and ships the binary. `Failed` where that cannot be."""
        self.binary, self.memory = sha256, memory
        if self.client is None:
            self.client = self._client(scheduler, cluster, cluster_options or {}, workers)
        self.user = f"{self.client.id}/{os.urandom(8).hex()}"
        try:
            threads = self.client.sync(self.client.scheduler.ncores, workers=None, callback_timeout=ANSWER)
            within(2 * ANSWER, "taking hep-run's plug-ins", self._register)
            if not self._is_there(sha256):
                try:
                    with open(binary, "rb") as file:
                        content = file.read()
                except OSError as error:
                    raise Failed(f"the binary that is to be shipped, {binary}, cannot be read: {error.strerror}") from None
                if hashlib.sha256(content).hexdigest() != sha256:
                    raise Failed(f"{binary} was replaced while it was running: start the run again")
                self._put(sha256, content)
            if self.given:
                # Its next run needs it again. Then it goes with the client, or with another binary.
                self._is_there(sha256, self.client.id)
                before = BINARIES.get(self.client, sha256)
                BINARIES[self.client] = sha256
                if before != sha256:
                    self._drop(before, self.client.id)
        except Failed:
            raise
        except Exception as error:
            raise Failed(
                f"the scheduler {self.client.scheduler.address} does not take what a run needs: {because(error)}"
            ) from None
        return {
            "dashboard": str(self.client.dashboard_link or ""),
            "address": str(self.client.scheduler.address),
            "workers": len(threads),
            "threads": sum(threads.values()),
            "owns_cluster": self.cluster is not None and self.cluster.ours,
        }

    def _client(
        self, scheduler: Optional[str], cluster: Optional[str], options: dict[str, Any], workers: Optional[int]
    ) -> Client:
        found = None
        try:
            if cluster is None:
                found = address.find(scheduler)
            if found is None:
                return self._own(cluster or "local", options, workers)
            return Client(found.url, set_as_default=False, name="hep-run")
        except ClusterError as error:
            raise Failed(str(error)) from None
        except Exception as error:
            where = f"the scheduler {found.url} ({found.source})" if found else f"the cluster `{cluster or 'local'}`"
            hint = "" if isinstance(error, OSError) else VERSIONS
            raise Failed(f"cannot connect to {where}: {because(error)}{hint}") from None

    def _own(self, spec: str, options: dict[str, Any], workers: Optional[int]) -> Client:
        """A client of a cluster that is started, or found, for this run."""
        self.cluster = start_cluster(spec, options, workers)
        return Client(self.cluster.target, set_as_default=False, name="hep-run")

    def run(
        self,
        name: str,
        labels: list[str],
        job: bytes,
        graph: bytes,
        emit: Emit,
        deliver: Deliver,
        last: bool = False,
        range_timeout: Optional[float] = None,
    ) -> list[Failure]:
        """One pass; see `Execution.run`."""
        client = self._connected()
        identity = os.urandom(16).hex()
        job_key = hashlib.sha256(job).hexdigest()
        description = {
            "name": name,
            "binary": self.binary,
            "job": job_key,
            "last": last,
            "topic": client.id,
            "range_timeout": range_timeout,
            "memory": self.memory,
        }
        blobs = {job_key: job, identity: json.dumps(description).encode()}
        self.execution = Execution(
            client, Graph(json.loads(graph), labels, identity[:8]), identity, emit, deliver, self._waiting, self._equip
        )
        self.execution.unfit.update(self.lacking)
        heard = self.execution.heard
        try:
            for key, blob in blobs.items():
                self._put(key, blob)
            if self.ended:
                self.execution.cancel()
            Listeners.add(client, heard)
            return self.execution.run()
        finally:
            self.execution = None
            with contextlib.suppress(Exception):
                Listeners.remove(client, heard)
            for key in blobs:
                self._drop(key)

    def _waiting(self) -> str:
        """Why there is no worker, as far as the cluster knows."""
        try:
            why = self.cluster.waiting() if self.cluster is not None else ""
        except ClusterError as error:
            raise Failed(str(error)) from None
        return f" ({why})" if why else ""

    def cancel(self) -> None:
        """From any thread."""
        if (execution := self.execution) is not None:
            execution.cancel()

    def close(self) -> None:
        """Leaves the cluster as it was; ends it if we have started it."""
        if self.given:
            if self.user:
                self._drop(self.binary)
            return
        if self.client is not None:
            with contextlib.suppress(Exception):
                self.client.close(timeout=FAREWELL)
        if self.cluster is not None:
            with contextlib.suppress(Exception):
                self.cluster.close()

    def _connected(self) -> Client:
        if self.client is None:
            raise Failed("there is no cluster: `connect` comes first")
        return self.client

    def _register(self) -> None:
        client = self._connected()
        # Their functions are pickled by name from here.
        ship.module("tasks")
        client.register_plugin(ship.StoreRecipe())
        self.lacking = self._equip()

    def _equip(self, lost: Sequence[str] = ()) -> dict[str, str]:
        """Gives the plug-in to workers that lack it, or have `lost` it: why some do not take it, by their addresses."""
        client = self._connected()

        async def equip() -> dict[str, str]:
            ask = getattr(client.scheduler, f"{ship.STORE}-equip")
            asked = ask(plugin=ship.NODE, content=recipe, patience=EQUIP, lost=list(lost))
            return dict(await asyncio.wait_for(asked, ANSWER))

        recipe = ship.node_recipe()
        lacking: dict[str, str] = client.sync(equip)
        return {
            worker: f"hep-run cannot run on worker {worker}: it does not take the plug-in: {reason}"
            for worker, reason in lacking.items()
        }

    def _is_there(self, key: str, user: Optional[str] = None) -> bool:
        """Whether the scheduler's store has a blob. If so, it stays until this user drops it, or the client is gone."""
        client = self._connected()

        async def use() -> bool:
            known = getattr(client.scheduler, f"{ship.STORE}-use")(user=user or self.user, key=key)
            return bool(await asyncio.wait_for(known, ANSWER))

        return bool(client.sync(use))

    def _put(self, key: str, blob: bytes) -> None:
        """Puts a blob to the scheduler's store, unless it is there."""
        if self._is_there(key):
            return
        client = self._connected()

        async def put() -> None:
            size = ship.module("store").PIECE
            pieces = [blob[start : start + size] for start in range(0, len(blob), size)] or [b""]
            for index, piece in enumerate(pieces):
                send = getattr(client.scheduler, f"{ship.STORE}-put")
                sent = send(user=self.user, key=key, pieces=len(pieces), index=index, data=piece)
                await asyncio.wait_for(sent, ANSWER)

        client.sync(put)

    def _drop(self, key: str, user: Optional[str] = None) -> None:
        client = self._connected()

        async def drop() -> None:
            await getattr(client.scheduler, f"{ship.STORE}-drop")(user=user or self.user, key=key)

        with contextlib.suppress(Exception):
            client.sync(drop, callback_timeout=FAREWELL)


def because(error: BaseException) -> str:
    """The reason under a chain of errors, in a line."""
    lines: list[str] = []
    cause: Optional[BaseException] = error
    while cause is not None and len(lines) < 6:
        text = str(cause).strip() or type(cause).__name__
        if isinstance(cause, ssl.SSLError) or "SSL" in text:
            text = f"TLS: {text}"
        if text not in lines:
            lines.append(text)
        cause = cause.__cause__ or cause.__context__
    return "; because ".join(lines)


def versions() -> dict[str, str]:
    return {"distributed": str(distributed.__version__), "dask": str(dask.__version__)}


@contextlib.contextmanager
def engine(client: Optional[Client] = None) -> Iterator[Engine]:
    """An engine that is closed in the end."""
    own = Engine(client)
    try:
        yield own
    finally:
        own.close()
