"""The files that the test bed serves."""

import os
import random
import shutil
import zlib
from pathlib import Path

DATASETS = Path(__file__).resolve().parents[3] / "datasets"
SIZE = 64 << 20
# Of the file `random.bin`: the first as xrdcrc32c says, the second as Python's zlib.
CRC32C = "8fc38542"
ADLER32 = "2f1bf167"


def random_bytes(size: int = SIZE) -> bytes:
    """The same on each machine; one that is cut is the beginning of one that is not."""
    return random.Random(4).randbytes(size)


def make(folder: Path) -> None:
    """What every server has below `/`; tests write below `/write` only."""
    folder.mkdir(parents=True)
    data = random_bytes()
    assert f"{zlib.adler32(data):08x}" == ADLER32
    (folder / "random.bin").write_bytes(data)
    (folder / "empty.bin").write_bytes(b"")
    (folder / "small.txt").write_bytes(b"hello, xrootd\n")
    for file in sorted(DATASETS.glob("*.root")):
        shutil.copyfile(file, folder / file.name)
    deep = folder / "list" / "deep" / "er"
    deep.mkdir(parents=True)
    for number in range(3):
        (folder / "list" / f"{number}.bin").write_bytes(data[: 1000 * number + 1])
    (deep / "file.bin").write_bytes(data[:5000])
    (folder / "write").mkdir()
    # Where a redirect leads to that keeps the path.
    good = folder / "good"
    good.mkdir()
    for name in ("random.bin", "small.txt", "nano_dimuon.root"):
        os.link(folder / name, good / name)


def share(folder: Path, source: Path, *names: str) -> None:
    """A second server's copies; they take no more space, so a test replaces one and does not write into it."""
    folder.mkdir(parents=True)
    (folder / "write").mkdir()
    for name in names:
        os.link(source / name, folder / name)
