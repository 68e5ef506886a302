"""The binary on a node: stored once under the hash of its content, verified, and tried before it is used."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import platform
import stat
import struct
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

log = logging.getLogger("distributed.worker.hep_run")

# How long one worker of a node waits for another one that stores the same binary.
PATIENCE = 120.0
# Binaries that nobody has used for so long are removed.
FORGET = 14 * 86400.0
# Of `memfd_create`: what may be executed, where the system asks for that. Linux before 6.3 does not know it.
MFD_EXEC = 0x10
# Machines of ELF binaries, as `platform.machine` calls them.
MACHINES = {0x3E: "x86_64", 0xB7: "aarch64", 0x15: "ppc64le", 0xF3: "riscv64", 0x16: "s390x"}


class Binary:
    """A binary that can be started: a path, and a descriptor to pass on where the path is in `/proc/self/fd`. That is
    closed when nobody has this any more."""

    def __init__(self, path: str, descriptors: tuple[int, ...] = ()) -> None:
        self.path = path
        self.descriptors = descriptors
        for descriptor in descriptors:
            weakref.finalize(self, os.close, descriptor)


@dataclass
class Cache:
    """Where binaries are kept on this node.

    `places` are the folders to try, in order: the first that can be written and executed from is used, and if there is
    none, memory. `fetch` gives a binary's bytes by its hash.
    """

    places: list[Path]
    fetch: Callable[[str], bytes]
    # Starts a binary, and raises `OSError` where it cannot be executed.
    attempt: Callable[[Binary], None]
    known: dict[str, Binary] = field(default_factory=dict)

    def get(self, sha: str) -> Binary:
        """The binary with this hash, verified. `RuntimeError` where it cannot run here, with the reasons."""
        if sha in self.known:
            return self.known[sha]
        reasons = []
        for place in self.places:
            stored = False
            try:
                binary = Binary(str(self._stored(place, sha)))
                stored = True
                self.attempt(binary)
            except OSError as error:
                reasons.append(f"{place}: {_reason(error, stored)}")
                if stored and error.errno in (errno.ENOEXEC, errno.ENOENT):
                    # It is there and is not what this machine executes, wherever it lies.
                    raise RuntimeError(f"the binary cannot run here: {self._misfit(place, sha, error)}") from None
                continue
            self.known[sha] = binary
            if reasons:
                log.warning("hep-run's binary is in %s, because of %s", place, "; ".join(reasons))
            return binary
        stored = False
        try:
            binary = self._in_memory(sha)
            stored = True
            self.attempt(binary)
        except OSError as error:
            reasons.append(f"in memory: {_reason(error, stored)}")
            raise RuntimeError("the binary cannot be stored and executed here: " + "; ".join(reasons)) from None
        log.warning("hep-run's binary is in memory, because of %s", "; ".join(reasons))
        self.known[sha] = binary
        return binary

    def _stored(self, place: Path, sha: str) -> Path:
        own_folder(place)
        path = place / sha
        with _alone(place / f"{sha}.lock"):
            if not _sound(path, sha):
                _store(path, self.fetch(sha))
                if not _sound(path, sha):
                    raise OSError(errno.EIO, "what was written is not what is read back")
            os.utime(path)
        _forget(place, keep=sha)
        return path

    def _in_memory(self, sha: str) -> Binary:
        if not hasattr(os, "memfd_create"):
            raise OSError(errno.ENOTSUP, "this system cannot execute from memory")
        content = self.fetch(sha)
        if hashlib.sha256(content).hexdigest() != sha:
            raise OSError(errno.EIO, "what came is not what was sent")
        descriptor = _memory(f"hep-run-{sha[:16]}")
        try:
            data = memoryview(content)
            while data.nbytes:
                data = data[os.write(descriptor, data) :]
            # Read-only from here on: a file that is open for writing cannot be executed.
            reader = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
        finally:
            os.close(descriptor)
        binary = Binary(f"/proc/self/fd/{reader}", (reader,))
        os.set_inheritable(reader, True)
        return binary

    def _misfit(self, place: Path, sha: str, error: OSError) -> str:
        with contextlib.suppress(OSError, struct.error):
            with open(place / sha, "rb") as file:
                head = file.read(20)
            if head[:4] == b"\x7fELF":
                machine = MACHINES.get(struct.unpack_from("<H", head, 18)[0], "another processor")
                if machine != platform.machine():
                    return f"it is for {machine}, and this is {platform.machine()}"
                if error.errno == errno.ENOENT:
                    return "the C library that it was linked with is missing: use the static binary"
        return _reason(error, stored=True)


def _memory(name: str) -> int:
    """A file in memory that can be executed, and that no other process gets."""
    try:
        return os.memfd_create(name, os.MFD_CLOEXEC | MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create(name, os.MFD_CLOEXEC)


def places(configured: Optional[str], scratch: str) -> list[Path]:
    """The folders that may hold binaries: the configured one, or the usual ones."""
    name = f"hep-run-{os.getuid()}"
    if configured:
        return [Path(configured) / name]
    return [Path(tempfile.gettempdir()) / name, Path(scratch) / name, Path("/dev/shm") / name]


def own_folder(path: Path) -> None:
    """Makes a folder that nobody else can write to, or raises `OSError`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, "it is no folder")
    if status.st_uid != os.getuid():
        raise OSError(errno.EPERM, f"it belongs to user {status.st_uid}, not to {os.getuid()}")
    if status.st_mode & 0o077:
        raise OSError(errno.EPERM, f"others may use it (mode {status.st_mode & 0o777:o})")


def hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _sound(path: Path, sha: str) -> bool:
    """Whether it is a plain file of ours that nobody else can change, with this content."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
    return ours and hash_of(path) == sha


def _store(path: Path, data: bytes) -> None:
    """Under another name first, so that nobody sees a part of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o700)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds a lock against the other workers of this node. Its holder may have been stopped: what is done under the
    lock is safe without it, so that it is waited for only so long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _forget(place: Path, keep: str) -> None:
    oldest = time.time() - FORGET
    for path in place.iterdir():
        with contextlib.suppress(OSError):
            if not path.name.startswith(keep) and path.lstat().st_mtime < oldest:
                path.unlink()


def _reason(error: OSError, stored: bool) -> str:
    if error.errno == errno.EACCES and stored:
        return "nothing may be executed there (permission denied)"
    if error.errno == errno.ENOSPC:
        return "it is full"
    return error.strerror or str(error)
