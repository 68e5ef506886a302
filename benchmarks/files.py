"""The files that are measured: made once, from real events, in the folder of tests/python/environment.py's cache."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DATASETS = REPOSITORY / "datasets"
sys.path[:0] = [str(REPOSITORY / "tests" / "python"), str(DATASETS)]
from environment import alone, cache, log  # noqa: E402
from real_events import Unavailable, real_events  # noqa: E402

# ROOT's name for the algorithm, and the level that files are written with.
CODECS = {"zlib": (1, 1), "lzma": (2, 1), "lz4": (4, 1), "zstd": (5, 5), "none": (0, 0)}


@dataclass(frozen=True)
class BenchFile:
    """What a file holds, and how."""

    codec: str
    events: int
    # "ttree" or "rntuple"
    format: str = "ttree"
    # Events in a basket of a TTree; 98,329 as in the original.
    basket: int = 98_329

    def __str__(self) -> str:
        small = f"-baskets-of-{self.basket}" if self.basket != type(self).basket else ""
        return f"{self.format}-{self.codec}{small}-{self.events}"

    @property
    def label(self) -> str:
        """What tables call it."""
        return {"ttree": "TTree", "rntuple": "RNTuple"}[self.format] + f", {self.codec}"


def parse(name: str, events: int) -> BenchFile:
    """`zstd` is a TTree of that codec, `rntuple-zstd` an RNTuple."""
    codec = name.removeprefix("rntuple-")
    if codec not in CODECS:
        sys.exit(f"no codec `{codec}`; there are {', '.join(CODECS)}, each also as rntuple-CODEC")
    return BenchFile(codec, events, "ttree" if codec == name else "rntuple")


def seed_file(asked: Path | None) -> Path:
    """The real events to draw from: those that were asked for, or those of CMS open data."""
    try:
        path = asked or real_events()
    except Unavailable as why:
        sys.exit(f"error: {why}; name a file with SEED=")
    if not path.exists():
        sys.exit(f"error: there is no {path} to draw from")
    return path


def make(file: BenchFile, python: Path, seed: Path) -> Path:
    """The path of the file, which is made if it is not there. `python` has ROOT and uproot."""
    scripts = [DATASETS / "make_bench.py", DATASETS / "to_rntuple.py"]
    content = b"".join(path.read_bytes() for path in [seed, *scripts])
    folder: Path = cache() / "bench" / hashlib.sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file}.root"
    with alone(f"bench-{file}"):
        if not path.exists():
            log(f"making {path}")
            fresh = path.with_suffix(".tmp")
            fresh.unlink(missing_ok=True)
            write(file, fresh, python, seed)
            os.replace(fresh, path)
    return path


def write(file: BenchFile, to: Path, python: Path, seed: Path) -> None:
    algorithm, level = CODECS[file.codec]
    if file.format == "rntuple":
        tree = make(BenchFile(file.codec, file.events), python, seed)
        command = [python, DATASETS / "to_rntuple.py", tree, to, "--compression", 100 * algorithm + level]
    else:
        command = [python, DATASETS / "make_bench.py", to, "--seed-file", seed, "--events", file.events]
        command += ["--codec", file.codec, "--level", level, "--cluster", file.basket]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
