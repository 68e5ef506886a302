"""Starts the driver where this package is not installed: hep-run gives its sources on standard input.

This text is executed behind that of `loader`, by a Python that may be any.
"""

import json
import struct
import sys


def refuse(message: str) -> None:
    """Tells hep-run why there will be no driver."""
    text = json.dumps({"event": "error", "message": message}).encode()
    sys.stdout.buffer.write(struct.pack("<4sII", b"HRW1", len(text), 0) + text)
    sys.stdout.buffer.flush()
    sys.exit(1)


def start() -> None:
    python = "%s (Python %s)" % (sys.executable, sys.version.split()[0])
    otherwise = "or name another Python with --python or HEP_RUN_PYTHON"
    length = int.from_bytes(sys.stdin.buffer.read(8), "little")
    sources = json.loads(sys.stdin.buffer.read(length).decode())
    if sys.version_info < (3, 9):
        refuse("%s is too old for --executor dask, which needs 3.9; name another with --python" % python)
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        if error.name == "distributed":
            refuse("%s has no `distributed`: `%s -m pip install distributed`, %s" % (python, sys.executable, otherwise))
        refuse("%s cannot import `distributed`: %s; mend it, %s" % (python, error, otherwise))
    # An exception of the driver's own goes to standard error, with its lines.
    load("hep_run", sources, "driver").main()  # type: ignore[name-defined]  # noqa: F821


if __name__ == "__main__":
    start()
