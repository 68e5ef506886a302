"""Runs from Python: histograms as `hist.Hist`, and the account of every entry."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Optional, Union, cast

# The exit statuses of the program: all is there; more is missing than was allowed.
COMPLETE, INCOMPLETE = 0, 3
# Beyond this: a signal has ended the run in order.
SIGNALLED = 128
# Lines of what it said last, for an error's message.
TAIL = 30

Fileset = Union[str, "os.PathLike[str]", Mapping[str, Any]]


class RunError(RuntimeError):
    """The run could not be done; the message is what `hep-run` said."""


class Incomplete(RunError):
    """More is missing than was allowed; `result` has what was done, and the ledger what was not, and why."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


@dataclass
class Result:
    """What a run has made."""

    # By dataset and name: `hist.Hist`, with under- and overflow.
    histograms: dict[str, dict[str, Any]]
    # By dataset and name: a list of `{"name", "events", "weight", …}`, a cut each.
    cutflows: dict[str, dict[str, list[dict[str, Any]]]]
    # By dataset and name.
    numbers: dict[str, dict[str, float]]
    # What became of every entry: done, failed or skipped.
    ledger: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether nothing that was asked for is missing."""
        files = (file for dataset in self.ledger["datasets"] for file in dataset["files"])
        return not any(file.get("failed") for file in files)


def run(
    fileset: Fileset,
    client: Optional[Any] = None,
    *,
    processor: Optional[str] = None,
    settings: Optional[Mapping[str, Any]] = None,
    allow_missing: float = 0.0,
    options: Sequence[str] = (),
    binary: Optional[Union[str, "os.PathLike[str]"]] = None,
    progress: str = "plain",
) -> Result:
    """Runs a processor over a fileset and returns the merged result.

    `fileset` is a file (YAML or JSON), or what would be in one; then relative paths start at the working folder. With a
    `client` of Dask, ranges are processed and merged on its cluster, which is left as it was; without, on this machine's
    cores. `settings` are the processor's, over those of the fileset. `allow_missing` is the fraction of the entries that
    may be missing. `options` are further ones of the command line, `["--dataset", "DY"]`. `binary` is the program, your
    analysis or `hep-run` itself; else `HEP_RUN_BINARY`, the one that is installed with this package, or the first on the
    `PATH`.

    Raises `RunError` with what the program said where nothing could be done, and `Incomplete` where more is missing than
    was allowed.
    """
    program = find(binary)
    # What is missing should cost no run.
    _readers()
    with _folder() as (folder, keep), _file(fileset) as path:
        output = folder / "output.json"
        command = [program, path, "--output", str(output), "--progress", progress]
        command += ["--allow-missing", repr(float(allow_missing))]
        if processor is not None:
            command += ["--processor", processor]
        for key, value in (settings or {}).items():
            command += ["--set", f"{key}={json.dumps(value)}"]
        command += options
        status, said = _here(command) if client is None else _on_cluster(command, client)
        written = output if status == COMPLETE else output.with_suffix(".incomplete.json")
        if not (status in (COMPLETE, INCOMPLETE) or status > SIGNALLED) or not written.exists():
            if any(folder.glob("*.rescued-*")):
                keep()
            raise RunError(said or f"{program} ended with {status}")
        try:
            result = read(written)
        except Exception as error:
            keep()
            raise RunError(f"the result cannot be read ({type(error).__name__}: {error}); it is kept in {written}") from error
    if status != COMPLETE:
        raise Incomplete(said, result)
    return result


def find(binary: Optional[Union[str, "os.PathLike[str]"]] = None) -> str:
    """The program: the one given, `HEP_RUN_BINARY`, the one installed with this package, or the first on the `PATH`."""
    if given := binary or os.environ.get("HEP_RUN_BINARY"):
        found = shutil.which(os.fspath(given))
    else:
        scripts = os.pathsep.join([sysconfig.get_path("scripts"), os.path.dirname(sys.executable)])
        found = shutil.which("hep-run", path=scripts) or shutil.which("hep-run")
    if found is None:
        raise FileNotFoundError(f"there is no program {os.fspath(given) if given else 'hep-run'}; name it with `binary=`")
    return os.path.abspath(found)


@contextlib.contextmanager
def _folder() -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder for the time of the run, and what keeps it beyond that."""
    folder = Path(tempfile.mkdtemp(prefix="hep-run-"))
    kept = []
    try:
        yield folder, lambda: kept.append(folder)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _file(fileset: Fileset) -> Iterator[str]:
    """The fileset as a file. One in memory lies in the working folder for the time of the run, since relative paths in a
    fileset start where it lies."""
    if not isinstance(fileset, Mapping):
        yield os.fspath(fileset)
        return
    descriptor, path = tempfile.mkstemp(dir=Path.cwd(), prefix=".hep-run-", suffix=".json")
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(fileset, file)
        yield path
    finally:
        os.unlink(path)


def _here(command: list[str]) -> tuple[int, str]:
    """Runs the program on this machine: its exit status, and what it said last."""
    with _started(command, stdin=subprocess.DEVNULL) as (process, said):
        print(cast(BinaryIO, process.stdout).read().decode(), end="", file=sys.stderr)
        status = process.wait()
    return status, said()


def _on_cluster(command: list[str], client: Any) -> tuple[int, str]:
    """The same, with this process as its driver."""
    from .driver import Driver

    command = [*command, "--executor", "dask", "--engine-stdio"]
    with _started(command, stdin=subprocess.PIPE) as (process, said):
        # What it asks comes from its standard output, and is answered to its standard input.
        Driver(cast(BinaryIO, process.stdout), cast(BinaryIO, process.stdin), client).serve()
        with contextlib.suppress(OSError):
            cast(BinaryIO, process.stdin).close()
        status = process.wait()
    return status, said()


@contextlib.contextmanager
def _started(command: list[str], stdin: int) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """The program, whose messages are shown here; it ends with the block, whatever happens in it."""
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    tail: deque[str] = deque(maxlen=TAIL)
    listener = threading.Thread(target=_listen, args=(process.stderr, tail), daemon=True, name="hep-run-messages")
    listener.start()

    def said() -> str:
        listener.join(5)
        errors = [line for line in tail if not line.startswith("warning: ")]
        start = next((at for at, line in enumerate(errors) if line.startswith("error: ")), 0)
        # The files that it names are gone when this is read: they are in the result.
        return "\n".join(errors[start:]).removeprefix("error: ").split("; what was done")[0]

    try:
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        listener.join(5)


def _listen(messages: IO[bytes], tail: deque[str]) -> None:
    """Shows what the program says: in a notebook its own standard error is the server's."""
    for raw in messages:
        line = raw.decode(errors="replace").rstrip("\n")
        tail.append(line)
        if not line.startswith("error: "):
            print(line, file=sys.stderr)


def _readers() -> tuple[Any, Any, Any]:
    """What makes histograms of a `.json` output."""
    try:
        from boost_histogram.serialization import from_uhi
        from hist import Hist
        from uhi.io.json import object_hook
    except ImportError as error:
        raise ImportError(f"the histograms need `hist` (pip install hist): {error}") from None
    return from_uhi, Hist, object_hook


def read(output: Union[str, "os.PathLike[str]"]) -> Result:
    """What a run has written to a `.json` output."""
    from_uhi, Hist, object_hook = _readers()
    with open(output) as file:
        content = json.load(file, object_hook=object_hook)
    result = Result({}, {}, {}, content["ledger"])
    for dataset, made in content["datasets"].items():
        histograms = result.histograms[dataset] = {}
        cutflows = result.cutflows[dataset] = {}
        numbers = result.numbers[dataset] = {}
        for name, value in made["objects"].items():
            if "cutflow" in value:
                cutflows[name] = value["cutflow"]
            elif "number" in value:
                numbers[name] = value["number"]
            else:
                histograms[name] = Hist(from_uhi(value))
    return result
