"""Makes the tests' Python environment outside of the clone, and prints its interpreter's path.

Runs on any Python 3.11 with nothing but its standard library. The environment is keyed by the hash of
requirements.txt, made by one process at a time, and marked when complete: what an interrupted run left behind is
made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
JSROOT = "7.11.2"


def cache() -> Path:
    """Where everything that is made once is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "hep-run"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Keeps other processes from making `what` in the cache meanwhile; the lock ends with its process."""
    with open(cache() / f"{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def mend_root(python: Path) -> None:
    """Links the folder that the ROOT wheel's own files name, `mock_site_packages`, to where it is."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.check_output([python, "-c", code], text=True).strip())
    if not (site / "ROOT").is_dir():
        return
    for link, target in ((site.parent / "mock_site_packages", site), (site / "ROOT" / "mock_site_packages" / "ROOT", "..")):
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink() and not link.exists():
            link.symlink_to(target)


def environment(requirements: Path) -> Path:
    """The interpreter of an environment with these requirements."""
    key = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = cache() / f"venv-{key}"
    python = place / "bin" / "python"
    with alone(place.name):
        if not (place / "complete").exists():
            log(f"making {place}")
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
            subprocess.run(install, check=True, stdout=sys.stderr)
            mend_root(python)
            (place / "complete").touch()
    return python


def jsroot() -> None:
    """Installs JSROOT with npm, if there is npm: the check that needs it reports itself as skipped."""
    place = cache() / f"jsroot-{JSROOT}"
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", f"jsroot@{JSROOT}"]
    with alone(place.name):
        if not (place / "node_modules" / "jsroot").exists() and shutil.which("npm"):
            place.mkdir(exist_ok=True)
            subprocess.run(command, cwd=place, stdout=sys.stderr, check=False)


if __name__ == "__main__":
    interpreter = environment(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "requirements.txt")
    jsroot()
    print(interpreter)
