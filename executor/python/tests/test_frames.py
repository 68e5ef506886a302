import io
import struct
import unittest

import support  # noqa: F401
from hep_run.node import frames


def parse(data: bytes):
    return frames.read(io.BufferedReader(io.BytesIO(data)))


class Frames(unittest.TestCase):
    def test_what_is_written_is_read(self):
        stream = io.BytesIO()
        frames.write(stream, {"id": 1}, [b"abc", bytearray(), memoryview(b"12")])
        frames.write(stream, {"text": "µ"})
        stream = io.BufferedReader(io.BytesIO(stream.getvalue()))
        self.assertEqual(frames.read(stream), ({"id": 1}, [b"abc", b"", b"12"]))
        self.assertEqual(frames.read(stream), ({"text": "µ"}, []))
        self.assertIsNone(frames.read(stream))

    def test_the_form_is_that_of_the_worker(self):
        # By hand, as executor/src/worker/frames.rs has it.
        stream = io.BytesIO()
        frames.write(stream, {"id": 1}, [b"\1\2\3", b""])
        self.assertEqual(stream.getvalue(), b"HRW1\x08\0\0\0\x02\0\0\0\x03" + bytes(15) + b'{"id":1}\1\2\3')

    def test_what_is_cut_off_is_no_frame(self):
        stream = io.BytesIO()
        frames.write(stream, {"id": 1}, [b"abc"])
        for end in range(1, len(stream.getvalue())):
            with self.assertRaises(frames.Cut):
                parse(stream.getvalue()[:end])

    def test_garbage_is_no_frame(self):
        for data in (
            b"Hello, world",
            b"H" * 3,
            struct.pack("<4sII", b"HRW1", (16 << 20) + 1, 0),
            struct.pack("<4sII", b"HRW1", 2, 65_537),
            struct.pack("<4sIIQ", b"HRW1", 2, 1, 1 << 63) + b"{}",
            struct.pack("<4sII", b"HRW1", 2, 0) + b"[]",
            struct.pack("<4sII", b"HRW1", 2, 0) + b"{?",
        ):
            with self.assertRaises(frames.Garbage, msg=data):
                parse(data)

    def test_a_header_that_is_too_long_is_not_sent(self):
        with self.assertRaises(ValueError):
            frames.write(io.BytesIO(), {"text": "x" * (16 << 20)})


if __name__ == "__main__":
    unittest.main()
