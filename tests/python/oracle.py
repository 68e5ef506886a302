"""What the oracle scripts share: running our binary, and reporting what was skipped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = Path(os.environ.get("HEP_FIXTURES") or REPOSITORY.parent / "shared" / "fixtures")


def end_tidily() -> None:
    """Lets a request to end, or the end of a terminal, take its way through the `finally` of this script, so that no
    process of its beds is left."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    # A job in the background of a shell ignores some, and what it starts would too.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def skip(name: str, reason: str) -> None:
    """Reports a check that cannot run; `make test` collects these lines, and CI fails on them."""
    line = f"skipped: {name}: {reason}"
    print(line, file=sys.stderr)
    if path := os.environ.get("HEP_RUN_SKIPS"):
        with open(path, "a") as file:
            file.write(line + "\n")


def passed(name: str) -> None:
    print(f"ok: {name}", flush=True)


def run(binary: Path, *arguments: object, folder: Path, status: int = 0) -> str:
    """Runs our binary in `folder`; its stdout. Any other exit status than `status` is an error."""
    command = [str(binary), *map(str, arguments)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode != status:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}, not {status}\n{result.stderr}")
    return result.stdout
