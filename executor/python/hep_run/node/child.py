"""One resident child: the user's binary as `hep-run worker`."""

from __future__ import annotations

import collections
import contextlib
import errno
import fcntl
import itertools
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO, Optional, cast

from . import frames
from .binary import Binary
from .frames import Buffer, Header

log = logging.getLogger("distributed.worker.hep_run")

PROTOCOL = 1
# What is kept of the child's stderr, to say what it said before it died.
TAIL = 40
# Lines of a child's stderr that reach the log of the worker; the rest is counted.
LOGGED = 200
F_SETPIPE_SZ = 1031


class Died(Exception):
    """The child has ended, or was ended, before it answered."""


class Refused(Exception):
    """The child answered with an error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _spawn(binary: Binary, folder: Optional[str]) -> subprocess.Popen[bytes]:
    for attempt in itertools.count():
        try:
            return subprocess.Popen(
                [binary.path, "worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                pass_fds=binary.descriptors,
            )
        except OSError as error:
            # A process that another thread is just starting still has the file open as it was written.
            if error.errno != errno.ETXTBSY or attempt == 100:
                raise
            time.sleep(0.02)
    raise AssertionError


class Child:
    """A process that answers one request at a time. `cancel` and `kill` may come from any thread."""

    def __init__(self, binary: Binary, folder: Optional[str] = None) -> None:
        self.process = _spawn(binary, folder)
        raw = cast(BinaryIO, self.process.stdout)
        self._input = cast(BinaryIO, self.process.stdin)
        for pipe in (raw, self._input):
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe, F_SETPIPE_SZ, 1 << 20)
        # If memory is short, it is the child that has to go, not the worker with what it holds.
        with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/oom_score_adj", "w") as file:
            file.write("900")
        self._output = open(raw.fileno(), "rb", buffering=1 << 16, closefd=False)
        self._writing = threading.Lock()
        self._last = 0
        self._current: Optional[int] = None
        self._why: Optional[str] = None
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL)
        self._stderr = threading.Thread(target=self._listen, daemon=True, name="hep-run-stderr")
        self._stderr.start()
        # The jobs that it was sent, the one that was used last at the end.
        self.jobs: list[str] = []
        # Monotonic times: when it has to have answered; since when it is idle.
        self.deadline: Optional[float] = None
        self.idle_since = time.monotonic()

    @property
    def pid(self) -> int:
        return self.process.pid

    def greet(self, patience: float) -> Header:
        """The child's first frame."""
        timer = threading.Timer(patience, self.kill, [f"it said nothing within {patience:g} s"])
        timer.start()
        try:
            hello, _ = self._read()
        finally:
            timer.cancel()
        if hello.get("event") != "hello" or hello.get("protocol") != PROTOCOL:
            self.kill("it speaks another protocol")
            raise Died(f"it speaks another protocol: {hello}")
        return hello

    def call(
        self, header: Header, buffers: Sequence[Buffer] = (), progress: Optional[Callable[[Header], None]] = None
    ) -> tuple[Header, list[bytes]]:
        """The answer to a request; `Died` or `Refused` where it is none."""
        self._last += 1
        number = self._current = self._last
        try:
            self._write({**header, "id": number}, buffers)
            while True:
                answer, out = self._read()
                if answer.get("id") != number:
                    self.kill("it answered something else than it was asked")
                elif answer.get("event") == "ok":
                    return answer, out
                elif answer.get("event") == "error":
                    raise Refused(str(answer.get("kind")), str(answer.get("message")))
                elif answer.get("event") == "progress" and progress:
                    progress(answer)
        finally:
            self._current = None

    def cancel(self) -> None:
        """Asks the child to give up what it does."""
        if (current := self._current) is not None:
            with contextlib.suppress(Died):
                self._write({"op": "cancel", "target": current, "id": 0}, ())

    def kill(self, why: Optional[str] = None) -> None:
        """Ends the child; whoever waits for it is told why."""
        self._why = self._why or why
        with contextlib.suppress(OSError):
            self.process.kill()

    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """Ends the child, and waits until it is gone."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self._stderr.join(1)
        for pipe in (self._input, self._output, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _write(self, header: Header, buffers: Sequence[Buffer]) -> None:
        with self._writing:
            try:
                frames.write(self._input, header, buffers)
            except (OSError, ValueError) as error:
                raise self._death(str(error)) from None

    def _read(self) -> tuple[Header, list[bytes]]:
        try:
            frame = frames.read(self._output)
        except frames.Garbage as error:
            self.kill(f"it answered with {error}")
            raise self._death("") from None
        except (frames.Cut, OSError, ValueError):
            frame = None
        if frame is None:
            raise self._death("")
        return frame

    def _death(self, otherwise: str) -> Died:
        """What is known of its end."""
        # Its end of the pipe is closed: it is gone, or it has lost its mind.
        try:
            status = self.process.wait(1)
        except subprocess.TimeoutExpired:
            self.kill("it closed its output and went on")
            status = self.process.wait()
        self._stderr.join(1)
        if self._why:
            return Died(self._why)
        if status < 0:
            try:
                ended = f"it was ended by {signal.Signals(-status).name}"
            except ValueError:
                ended = f"it was ended by signal {-status}"
            if -status == signal.SIGKILL:
                ended += " (if nobody did so, memory was short)"
        else:
            ended = f"it ended with status {status}"
        said = " | ".join(line for line in list(self._tail)[-6:] if line.strip())
        return Died(f"{ended}; it said: {said[-800:]}" if said else f"{ended} {otherwise}".rstrip())

    def _listen(self) -> None:
        """Logs what the child says, and keeps the last of it."""
        pipe = cast(BinaryIO, self.process.stderr)
        reader = open(pipe.fileno(), "rb", closefd=False)
        lines = 0
        with contextlib.suppress(OSError, ValueError):
            while line := reader.readline(4096):
                text = line.decode(errors="replace").rstrip()
                self._tail.append(text)
                lines += 1
                if lines <= LOGGED:
                    log.info("%d: %s", self.process.pid, text)
                elif lines == LOGGED + 1:
                    log.info("%d: … and more, which is not logged", self.process.pid)
