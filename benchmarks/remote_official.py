"""remote_official.py URL vector | random DEPTH: the reads of `xrdread`, by the official client. Prints what it prints."""

import sys
import threading
import time

from XRootD import client
from XRootD.client.flags import OpenFlags

BLOCK = 65_536
READS = 2000


def done(status) -> None:
    if not status.ok:
        sys.exit(status.message)


def one_by_one(file: client.File, offsets: list[int]) -> int:
    total = 0
    for offset in offsets:
        status, data = file.read(offset, BLOCK)
        done(status)
        total += len(data)
    return total


def at_once(file: client.File, offsets: list[int], depth: int) -> int:
    room, lengths = threading.Semaphore(depth), []

    def answered(status, data, _hosts) -> None:
        lengths.append(len(data) if status.ok else None)
        room.release()

    for offset in offsets:
        room.acquire()
        done(file.read(offset, BLOCK, callback=answered))
    for _ in range(depth):
        room.acquire()
    return sum(lengths)


def main() -> None:
    url, mode, *rest = sys.argv[1:]
    start = time.monotonic()
    file = client.File()
    status, _ = file.open(url, OpenFlags.READ)
    done(status)
    status, stat = file.stat()
    done(status)
    opened = time.monotonic() - start
    blocks = stat.size // BLOCK
    offsets = [n * 2_654_435_761 % blocks * BLOCK for n in range(READS)]
    chunks = [(n * (stat.size // 1024), 4096) for n in range(1024)]
    start = time.monotonic()
    if mode == "vector":
        status, answer = file.vector_read(chunks)
        done(status)
        total = sum(len(chunk.buffer) for chunk in answer)
    elif int(rest[0]) == 1:
        total = one_by_one(file, offsets)
    else:
        total = at_once(file, offsets, int(rest[0]))
    print(f"{total} bytes, opened in {opened:.4f} s, read in {time.monotonic() - start:.4f} s")


if __name__ == "__main__":
    main()
