"""real_events.py: prints the path of 1,000 real events of `Run2012B_SingleMu.root`, CMS open data of 2012.

They are looked for in the tests' fixture folder, and else fetched once into the cache from the repository that
publishes them, at one commit. Only a file with exactly the expected bytes is taken, wherever it comes from. Needs
nothing but Python's standard library.
"""

import hashlib
import os
import sys
import urllib.request
from pathlib import Path

NAME = "Run2012B_SingleMu_1000.root"
# tests/Run2012B_SingleMu_1000.root of iris-hep/func_adl_uproot, under the MIT licence; 293,333 bytes.
URL = f"https://raw.githubusercontent.com/iris-hep/func_adl_uproot/1d22aeaadfee4c97f9bbaf1fb9e2d4cc5a93c6f8/tests/{NAME}"
SHA256 = "27f7db2b30a77b6aecbabdbad81a90bc5ac4c181ba35fc7ea663993a391213a5"
REPOSITORY = Path(__file__).resolve().parents[1]


def places() -> list[Path]:
    """Where the file may be: in the fixture folder, or where it was kept."""
    fixtures = Path(os.environ.get("HEP_FIXTURES") or REPOSITORY.parent / "shared" / "fixtures")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [fixtures / "adl_real_1000" / NAME, cache / "hep-run" / NAME]


class Unavailable(Exception):
    """The events are nowhere, or what was fetched are others."""


def is_sound(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256


def real_events(url: str = URL) -> Path:
    """The path of the file; fetched if it is nowhere. Raises `Unavailable`."""
    for path in places():
        if path.exists() and is_sound(path.read_bytes()):
            return path
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content = answer.read()
    except OSError as why:
        raise Unavailable(f"no real events to draw from: {places()[1]} is not there, and {url} cannot be fetched: {why}") from why
    if not is_sound(content):
        raise Unavailable(f"{url} is not the file that is expected: its sha256 is not {SHA256}")
    kept = places()[1]
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(content)
    os.replace(fresh, kept)
    return kept


if __name__ == "__main__":
    try:
        print(real_events())
    except Unavailable as why:
        sys.exit(f"error: {why}")
