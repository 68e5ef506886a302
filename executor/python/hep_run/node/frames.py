"""Frames: how hep-run's processes talk over pipes.

Little-endian: `HRW1`, u32 length of the header, u32 number of buffers, u64 length of each, the header (a JSON object),
the buffers.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Optional, Union

MAGIC = b"HRW1"
MAX_HEADER = 16 << 20
MAX_BUFFERS = 65_536
# More than any machine has: a length beyond it is no length.
MAX_BUFFER = 1 << 40

Buffer = Union[bytes, bytearray, memoryview]
Header = dict[str, Any]

_PREFIX = struct.Struct("<4sII")


class Garbage(Exception):
    """What came is no frame."""


class Cut(Exception):
    """The stream ended inside a frame."""


def read(stream: BinaryIO) -> Optional[tuple[Header, list[bytes]]]:
    """The next frame; none at the end of the stream.

    `stream` is buffered: its `read` gives as much as was asked for, or what there is before the end.
    """
    prefix = stream.read(_PREFIX.size)
    if not prefix:
        return None
    if prefix[:4] != MAGIC[: len(prefix)]:
        raise Garbage(f"bytes that are no frame: {prefix[:12]!r}")
    if len(prefix) < _PREFIX.size:
        raise Cut("the stream ended inside a frame")
    _, header_length, count = _PREFIX.unpack(prefix)
    if header_length > MAX_HEADER or count > MAX_BUFFERS:
        raise Garbage(f"a frame with a header of {header_length} bytes and {count} buffers")
    lengths = struct.unpack(f"<{count}Q", _exactly(stream, 8 * count))
    if any(length > MAX_BUFFER for length in lengths):
        raise Garbage(f"a frame with a buffer of {max(lengths)} bytes")
    try:
        header = json.loads(_exactly(stream, header_length))
    except ValueError as error:
        raise Garbage(f"a header that is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise Garbage("a header that is no object")
    try:
        return header, [_exactly(stream, length) for length in lengths]
    except MemoryError:
        raise Garbage(f"a frame of {sum(lengths)} bytes, more than there is memory") from None


def _exactly(stream: BinaryIO, length: int) -> bytes:
    found = stream.read(length) if length else b""
    if len(found) < length:
        raise Cut("the stream ended inside a frame")
    return found


def write(stream: BinaryIO, header: Header, buffers: Sequence[Buffer] = ()) -> None:
    """Writes a frame to an unbuffered stream."""
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > MAX_HEADER or len(buffers) > MAX_BUFFERS:
        raise ValueError(f"a frame with a header of {len(text)} bytes and {len(buffers)} buffers")
    views = [memoryview(buffer).cast("B") for buffer in buffers]
    lengths = struct.pack(f"<{len(views)}Q", *(view.nbytes for view in views))
    start = _PREFIX.pack(MAGIC, len(text), len(views)) + lengths + text
    for view in (memoryview(start), *views):
        while view.nbytes:
            # An unbuffered stream may take less than it is given.
            view = view[stream.write(view) :]
