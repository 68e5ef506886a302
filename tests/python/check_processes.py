"""check_processes.py FAULTY: runs in worker processes give the histograms of a run in threads, byte for byte, and
whatever ends a process costs a retry of one range, or that range."""

import hashlib
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faulty import ENTRIES, FILES, LONGEST, Outcome, Runs, write_files
from oracle import end_tidily, passed

INCOMPLETE = 3
AT = 13_500  # an entry in the middle of range 13000..14000: 3000..4000 of part1.root
LOST = [("part1.root", [3000, 4000])]


def children(pid: int) -> list[int]:
    """Those of each of its threads."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            found += map(int, thread.read_text().split())
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(what: str, condition) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


@contextmanager
def running(command: list[str], folder: Path, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block, whatever happens in it."""
    with subprocess.Popen(command, cwd=folder, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, encoding="latin-1") as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def same(runs: Runs) -> str:
    whole = runs.run({"name": "faulty"}, "--executor", "serial")
    assert whole.status == 0, whole.error
    whole.adds_up()
    assert whole.done() == FILES * ENTRIES
    for options in (["threads", "--workers", "3"], *(["processes", "--workers", n] for n in "124")):
        other = runs.run({"name": "faulty"}, "--executor", *options)
        assert other.status == 0, other.error
        assert other.objects() == whole.objects(), f"{options}: other bytes than those of a serial run"
        assert other.content["ledger"] == whole.content["ledger"]
        passed(f"processes: {' '.join(options)} gives what one thread gives")
    return whole.objects()


def run_faulty(runs: Runs, mode: str, *options: str, **settings: object) -> Outcome:
    return runs.run({"name": "faulty", "mode": mode, "at": AT, **settings}, "--executor", "processes", "--workers", "2", *options)


def once(runs: Runs, want: str) -> None:
    """What kills a process once costs a retry."""
    for mode in ("abort", "exit", "hang"):
        options = ["--range-timeout", "1"] if mode == "hang" else []
        outcome = run_faulty(runs, mode, *options, once=str(runs.folder / f"once-{mode}"))
        assert outcome.status == 0 and outcome.objects() == want, f"{mode}: {outcome.error}"
        outcome.adds_up()
        assert sum(file.get("retries", 0) for file in outcome.files()) == 1
        assert "entries 3000..4000 of" in outcome.error and "tried once more" in outcome.error, outcome.error
        passed(f"processes: {mode}, once")


def always(runs: Runs) -> None:
    """What kills every process that tries costs the range."""
    reasons = {
        "abort": ("signal: 6", []),
        "exit": ("exit status: 0", []),
        "hang": ("it took longer than 1 s", ["--range-timeout", "1"]),
        "panic": ("it panicked: it panics at entry 13500", []),
        "fail": ("it fails at entry 13500", []),
    }
    for mode, (reason, options) in reasons.items():
        outcome = run_faulty(runs, mode, *options)
        assert outcome.status == INCOMPLETE, f"{mode}: {outcome.status} {outcome.error}"
        outcome.adds_up()
        assert outcome.lost() == LOST, outcome.lost()
        assert reason in outcome.error and "entries 3000..4000 of" in outcome.error, outcome.error
        if mode in ("panic", "fail"):
            threads = runs.run({"name": "faulty", "mode": mode, "at": AT})
            assert threads.objects() == outcome.objects() and threads.lost() == LOST
        passed(f"processes: {mode}, always")


def killed(runs: Runs, want: str) -> None:
    """A worker process that somebody kills, or stops."""
    for number, options in ((signal.SIGKILL, []), (signal.SIGSTOP, ["--range-timeout", "2"])):
        command, output = runs.command({"name": "faulty", "delay": 100}, "--executor", "processes", "--workers", "2", *options)
        with running(command, runs.folder) as parent:
            wait_for("two workers", lambda: len(children(parent.pid)) == 2)
            time.sleep(0.5)
            os.kill(children(parent.pid)[0], number)
            _, error = parent.communicate(timeout=LONGEST)
        outcome = runs.outcome(parent.returncode, error, output)
        assert outcome.status == 0 and outcome.objects() == want, outcome.error
        passed(f"processes: a worker gets {number.name}")


def no_handles(runs: Runs, want: str) -> None:
    """A process that cannot be started anew at once, because handles are short, is started a moment later."""
    once = runs.folder / "once-handles"
    settings = {"name": "faulty", "mode": "abort", "at": AT, "once": str(once), "delay": 20}
    command, output = runs.command(settings, "--executor", "processes", "--workers", "2")
    with running(command, runs.folder) as parent:
        wait_for("two workers", lambda: len(children(parent.pid)) == 2)
        usual = resource.prlimit(parent.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, (4, usual[1]))
        wait_for("the abort", lambda: once.exists() or parent.poll() is not None)
        time.sleep(0.5)
        resource.prlimit(parent.pid, resource.RLIMIT_NOFILE, usual)
        _, error = parent.communicate(timeout=LONGEST)
    outcome = runs.outcome(parent.returncode, error, output)
    assert outcome.status == 0 and outcome.objects() == want, outcome.error
    passed("processes: one cannot be started anew for a moment")


def ends_with_its_input(binary: Path, folder: Path) -> None:
    """A worker that hangs, with requests behind that, ends when its input does."""
    plan = folder / "hang.json"
    fileset = {"processor": {"name": "faulty", "mode": "hang", "at": 0}, "tree": "Events", "datasets": {"a": [str(folder / "part0.root")]}}
    (folder / "hang-fileset.json").write_text(json.dumps(fileset))
    subprocess.run([binary, "plan", folder / "hang-fileset.json", "-o", plan], check=True, stdout=subprocess.DEVNULL)
    job = plan.read_bytes()
    key = hashlib.sha256(job).hexdigest()
    with running([str(binary), "worker"], folder, stdin=subprocess.PIPE) as worker:
        requests = [({"op": "job"}, [job]), ({"op": "range", "job": key, "range": 0}, []), *[({"op": "noop"}, [])] * 5]
        for number, (header, buffers) in enumerate(requests):
            text = json.dumps({**header, "id": number}).encode()
            start = struct.pack("<4sII", b"HRW1", len(text), len(buffers)) + b"".join(struct.pack("<Q", len(b)) for b in buffers)
            worker.stdin.write((start + text + b"".join(buffers)).decode("latin-1"))
        worker.stdin.flush()
        time.sleep(0.5)
        assert worker.poll() is None, "it does not hang"
        worker.stdin.close()
        assert worker.wait(LONGEST) == 0
    passed("processes: a worker that hangs ends with its input, whatever is queued")


def orphans(runs: Runs) -> None:
    """Workers end with their parent, whatever they are doing."""
    hanging = {"name": "faulty", "mode": "hang", "at": 500, "delay": 300}
    command, _ = runs.command(hanging, "--executor", "processes", "--workers", "2")
    with running(command, runs.folder) as parent:
        wait_for("two workers", lambda: len(children(parent.pid)) == 2)
        time.sleep(0.5)
        workers = children(parent.pid)
        parent.kill()
    wait_for("the end of the workers", lambda: not any(map(is_alive, workers)))
    passed("processes: no worker outlives its parent")


def prints(runs: Runs, want: str) -> None:
    outcome = run_faulty(runs, "print")
    assert outcome.status == 0 and outcome.objects() == want, outcome.error
    assert "garbage" in outcome.error
    passed("processes: what a processor prints goes to stderr")


def main() -> None:
    end_tidily()
    faulty = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = Runs(faulty, folder, write_files(folder))
        want = same(runs)
        once(runs, want)
        always(runs)
        killed(runs, want)
        no_handles(runs, want)
        orphans(runs)
        ends_with_its_input(faulty, folder)
        prints(runs, want)


if __name__ == "__main__":
    main()
