"""Answers hep-run, which plans and concludes, over a pair of pipes."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import signal
import sys
import threading
from types import FrameType
from typing import Any, BinaryIO, Optional, cast

from distributed import Client

from .engine import Engine, versions
from .execution import Cancelled, Failed
from .node import frames

PROTOCOL = 1
# Seconds that the end may take before the process is gone whatever happens.
LAST = 90.0

Request = tuple[frames.Header, list[bytes]]


class Driver:
    def __init__(self, requests: BinaryIO, answers: BinaryIO, client: Optional[Client] = None) -> None:
        self.requests = requests
        self.answers = answers
        self.writing = threading.Lock()
        self.engine = Engine(client)
        self.queue: queue.SimpleQueue[Optional[Request]] = queue.SimpleQueue()
        self.ended = threading.Event()
        # The request that is being answered.
        self.current: Optional[int] = None

    def serve(self) -> None:
        """Until the other end closes, or asks for it. Then nothing of ours is left on the cluster."""
        self._tell({"event": "hello", "protocol": PROTOCOL, "python": platform.python_version(), **versions()})
        threading.Thread(target=self._listen, daemon=True, name="hep-run-requests").start()
        try:
            while (request := self.queue.get()) is not None and not self.ended.is_set():
                if not self._answer(*request):
                    break
        finally:
            self.engine.close()

    def stop(self) -> None:
        """From any thread, or a signal."""
        self.ended.set()
        self.engine.ended = True
        self.engine.cancel()
        self.queue.put(None)

    def _listen(self) -> None:
        """Reads requests; a run can be cancelled while it is answered."""
        try:
            while (frame := frames.read(self.requests)) is not None:
                if frame[0].get("op") == "cancel":
                    self.engine.cancel()
                else:
                    self.queue.put(frame)
        except (frames.Garbage, frames.Cut, OSError, ValueError) as error:
            if not self.ended.is_set():
                print(f"hep-run's driver: {error}", file=sys.stderr)
        self.stop()

    def _answer(self, header: frames.Header, buffers: list[bytes]) -> bool:
        """Whether to go on."""
        number = self.current = header.get("id")
        operation = header.get("op")
        arguments = {name: value for name, value in header.items() if name not in ("id", "op")}
        out: list[bytes] = []
        try:
            if operation == "connect":
                answer = self.engine.connect(**arguments)
            elif operation == "run":
                answer, out = {}, [self._run(arguments, buffers)]
            elif operation == "close":
                self.engine.close()
                answer = {}
            else:
                raise Failed(f"the driver knows no `{operation}`")
            self._tell({"id": number, "event": "ok", **answer}, out)
        except Cancelled:
            self._tell({"id": number, "event": "error", "kind": "cancelled", "message": "cancelled"})
        except Failed as error:
            self._tell({"id": number, "event": "error", "kind": "failed", "message": str(error)})
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            self._tell({"id": number, "event": "error", "kind": "internal", "message": message})
            sys.excepthook(*cast(Any, sys.exc_info()))
        return operation != "close"

    def _run(self, arguments: dict[str, Any], buffers: list[bytes]) -> bytes:
        job, graph = buffers
        # What the graph is was decided when it was made.
        arguments.pop("fan_in", None)
        failures = self.engine.run(job=job, graph=graph, emit=self._emit, deliver=self._deliver, **arguments)
        # Ranges that could not be had may be many, and a header is short.
        return json.dumps(failures).encode()

    def _deliver(self, partial: bytes) -> None:
        self._tell({"id": self.current, "event": "partial"}, [partial])

    def _emit(self, event: dict[str, Any]) -> None:
        self._tell({"id": self.current, **event})

    def _tell(self, header: frames.Header, buffers: list[bytes] = []) -> None:  # noqa: B006
        # If nobody listens any more, the end of the requests ends this.
        with self.writing, contextlib.suppress(OSError):
            try:
                frames.write(self.answers, header, buffers)
            except ValueError as error:
                if self.answers.closed:
                    return
                text = {"id": header.get("id"), "event": "error", "kind": "internal", "message": f"the answer: {error}"}
                frames.write(self.answers, text, [])


def main() -> None:
    """The driver as a process of its own: frames on standard input and output."""
    answers = cast(BinaryIO, os.fdopen(os.dup(1), "wb", buffering=0))
    # What a cluster's code prints must not get between the frames.
    os.dup2(2, 1)
    driver = Driver(sys.stdin.buffer, answers)

    def stop(number: int, frame: Optional[FrameType]) -> None:
        driver.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)

    def end() -> None:
        driver.ended.wait()
        threading.Timer(LAST, os._exit, [1]).start()

    threading.Thread(target=end, daemon=True).start()
    driver.serve()
    sys.stderr.flush()
    # Threads of Dask may still wait for something.
    os._exit(0)
