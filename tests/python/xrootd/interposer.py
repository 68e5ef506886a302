"""Stands between a client and a server, and does something when a certain byte of the answers passes."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

CHUNK = 1 << 16


class Interposer:
    """Listens on `port`, and passes on to `target` and back.

    Before byte `at` of all that the server says, over all connections, `action` is called, once, and nothing passes until
    it has returned: a client may have several connections. The bytes of `flipped` are changed on their way to the client.
    """

    def __init__(self, target: tuple[str, int], at: int | None = None, action: Callable[["Interposer"], None] | None = None,
                 flipped: frozenset[int] = frozenset()) -> None:  # fmt: skip
        self.target = target
        self.at, self.action = at, action
        self.flipped = flipped
        self.passed = 0
        self.fired = self.held = False
        self.lock = threading.Lock()
        self.passing = threading.Event()
        self.passing.set()
        self.connections: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> "Interposer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.listener.close()
        self.passing.set()
        self.cut()

    def hold(self) -> None:
        """For an action: passes nothing on after it either. What a server has sent before it stops may be megabytes."""
        self.held = True

    def cut(self) -> None:
        """Ends all connections without a goodbye."""
        with self.lock:
            connections, self.connections = self.connections, []
        for connection in connections:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = socket.create_connection(self.target, timeout=5)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                with self.lock:
                    self.connections += [client, server]
                threading.Thread(target=self.carry, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self.carry, args=(server, client, True), daemon=True).start()

    def carry(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                passed = self.look_at(data) if answers else data
                self.passing.wait()
                target.sendall(passed)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def look_at(self, data: bytes) -> bytes:
        with self.lock:
            start = self.passed
            self.passed += len(data)
            fires = self.action is not None and not self.fired and self.at is not None and self.passed > self.at
            self.fired |= fires
            if fires:
                self.passing.clear()
        if fires and self.action:
            self.action(self)
            if not self.held:
                self.passing.set()
        hit = [at - start for at in self.flipped if start <= at < start + len(data)]
        if not hit:
            return data
        changed = bytearray(data)
        for at in hit:
            changed[at] ^= 0x40
        return bytes(changed)
