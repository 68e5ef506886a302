"""check_signals.py FAULTY [PYTHON]: a signal ends a run in order, wherever its ranges are processed; PYTHON, which has
`distributed`, is for Dask. What was done is written, with the reason for what is missing, and can be gone on from."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from check_processes import children, is_alive, running, wait_for
from faulty import ENTRIES, FILES, LONGEST, Outcome, Runs, write_files
from oracle import end_tidily, passed

SLOW = {"name": "faulty", "delay": 100}
ENDLESS = {"name": "faulty", "mode": "hang", "at": 500}
# One thread of 40 ranges of 100 ms each, so that a signal after some of them is long before the end.
EXECUTORS = {
    "serial": ["--executor", "serial"],
    "threads": ["--workers", "2"],
    "processes": ["--executor", "processes", "--workers", "2"],
}


def heeds(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line for line in status if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def interrupted(command: list[str], folder: Path, number: signal.Signals, group: bool = False) -> tuple[int, str, list[int]]:
    """The status of a run that gets a signal when some of it is done, what it said, and its children before."""
    with running(command, folder) as process:
        wait_for("the processing", lambda: process.poll() is not None or heeds(process.pid, number))
        time.sleep(0.8)
        workers = children(process.pid)
        for pid in [process.pid, *(workers if group else [])]:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, number)
        _, said = process.communicate(timeout=LONGEST)
        return process.returncode, said, workers


def is_in_order(outcome: Outcome, number: signal.Signals) -> None:
    assert outcome.status == 128 + number, f"{outcome.status}: {outcome.error}"
    outcome.adds_up()
    assert 0 < outcome.done() < FILES * ENTRIES, f"{outcome.done()}: {outcome.error}"
    reasons = {missed["reason"] for file in outcome.files() for missed in file.get("failed", [])}
    assert reasons == {f"interrupted by {number.name}"}, reasons
    assert "--resume" in outcome.error and "tried once more" not in outcome.error, outcome.error


def each_executor(runs: Runs) -> None:
    for name, options in EXECUTORS.items():
        for number in (signal.SIGINT, signal.SIGTERM):
            command, output = runs.command(SLOW, *options)
            # As a terminal does, also to the workers.
            status, said, workers = interrupted(command, runs.folder, number, group=True)
            is_in_order(runs.outcome(status, said, output), number)
            assert not output.exists(), "an interrupted result has the name of a complete one"
            wait_for("the end of the workers", lambda workers=workers: not any(map(is_alive, workers)))
            passed(f"signals: {number.name} ends a run on {name} in order")


def warnings(runs: Runs) -> None:
    """What batch systems send before the time is over; and a terminal that is closed."""
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGHUP):
        command, output = runs.command(SLOW, "--workers", "2", "--allow-missing", "100%")
        status, said, _ = interrupted(command, runs.folder, number)
        is_in_order(runs.outcome(status, said, output), number)
        passed(f"signals: {number.name} ends a run in order, however much may be missing")


def goes_on(runs: Runs) -> None:
    """The same command with --resume gives what a run gives that nothing stops."""
    whole = runs.run({"name": "faulty", "delay": 100}, "--workers", "4")
    command, output = runs.command(SLOW, "--workers", "2", "--checkpoint", str(runs.folder / "kept"))
    status, said, _ = interrupted(command, runs.folder, signal.SIGTERM)
    is_in_order(runs.outcome(status, said, output), signal.SIGTERM)
    again = subprocess.run([*command, "--resume"], cwd=runs.folder, capture_output=True, text=True, check=False, timeout=LONGEST)
    outcome = runs.outcome(again.returncode, again.stderr, output)
    assert outcome.status == 0 and outcome.objects() == whole.objects(), outcome.error
    passed("signals: --resume goes on from where a run was interrupted")


def parts(runs: Runs) -> None:
    """A shard and a map leave a partial output of the ranges that are done, which the others can be merged with."""
    fileset = runs.fileset(SLOW)
    folder, binary = runs.folder, str(runs.binary)
    subprocess.run([binary, "plan", fileset, "-o", "job.json", "--entries-per-range", "1000"], cwd=folder, check=True)
    command = [binary, "map", "job.json", "all", "first.partial", "--workers", "2"]
    status, said, _ = interrupted(command, folder, signal.SIGUSR1)
    assert status == 128 + signal.SIGUSR1, said
    subprocess.run([binary, "merge", "-o", "some.json", "first.partial", "--allow-missing", "1"], cwd=folder, check=True)
    some = Outcome(0, "", json.loads((folder / "some.json").read_text()))
    some.adds_up()
    assert 0 < some.done() < FILES * ENTRIES
    ranges, first = [], 0
    for file in some.files():
        missing = [range(*missed["entries"]) for missed in file.get("failed", [])]
        ranges += [first + at for at in range(10) if any(1000 * at in entries for entries in missing)]
        first += 10
    others = ",".join(map(str, ranges))
    subprocess.run([binary, "map", "job.json", others, "others.partial", "--workers", "4"], cwd=folder, check=True)
    subprocess.run([binary, "merge", "-o", "all.json", "first.partial", "others.partial"], cwd=folder, check=True)
    whole = runs.run(SLOW, "--workers", "4")
    assert Outcome(0, "", json.loads((folder / "all.json").read_text())).objects() == whole.objects()
    shard = [binary, str(fileset), "--shard", "1/2", "-o", "shard.partial", "--entries-per-range", "1000", "--executor", "serial"]
    status, said, _ = interrupted(shard, folder, signal.SIGINT)
    assert status == 128 + signal.SIGINT and (folder / "shard.partial").exists(), said
    passed("signals: a map and a shard leave the ranges that are done")


def second(runs: Runs) -> None:
    """An event that never ends: the second signal ends the process, and its workers."""
    for name, options in EXECUTORS.items():
        command, output = runs.command(ENDLESS, *options)
        with running(command, runs.folder) as process:
            wait_for("the processing", lambda process=process: heeds(process.pid, signal.SIGINT))
            time.sleep(0.8)
            workers = children(process.pid)
            process.send_signal(signal.SIGINT)
            if name == "processes":
                # They can be ended, whatever they do.
                assert process.wait(LONGEST) == 128 + signal.SIGINT
            else:
                time.sleep(0.5)
                assert process.poll() is None, "it did not wait for its ranges"
                process.send_signal(signal.SIGINT)
                assert process.wait(LONGEST) == -signal.SIGINT
        wait_for("the end of the workers", lambda workers=workers: not any(map(is_alive, workers)))
        passed(f"signals: an event that never ends is no obstacle on {name}")


def ignored(runs: Runs) -> None:
    """What nohup has set stays: a closed terminal does not end the run."""
    command, output = runs.command({"name": "faulty", "delay": 30}, "--workers", "2")
    with running(["nohup", *command], runs.folder) as process:
        wait_for("the processing", lambda: process.poll() is not None or heeds(process.pid, signal.SIGINT))
        process.send_signal(signal.SIGHUP)
        _, said = process.communicate(timeout=LONGEST)
    assert runs.outcome(process.returncode, said, output).status == 0, said
    passed("signals: one that is ignored stays so")


def dask(runs: Runs, python: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        command, output = runs.command({"name": "faulty", "delay": 400}, "--executor", "dask", "--cluster", "local", "--workers", "2", "--python", python)
        with running(command, runs.folder) as process:
            wait_for("the driver", lambda process=process: heeds(process.pid, number) and children(process.pid))
            time.sleep(8)
            workers = children(process.pid)
            process.send_signal(number)
            _, said = process.communicate(timeout=LONGEST)
        outcome = runs.outcome(process.returncode, said, output)
        assert outcome.status == 128 + number, f"{outcome.status} {outcome.error}"
        outcome.adds_up()
        assert outcome.done() < FILES * ENTRIES
        reasons = {missed["reason"] for file in outcome.files() for missed in file.get("failed", [])}
        assert reasons == {f"interrupted by {number.name}"}, reasons
        wait_for("the end of the driver", lambda workers=workers: not any(map(is_alive, workers)))
        passed(f"signals: {number.name} ends a run on Dask in order")


def main() -> None:
    end_tidily()
    faulty = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = Runs(faulty, folder, write_files(folder))
        each_executor(runs)
        warnings(runs)
        goes_on(runs)
        parts(runs)
        second(runs)
        ignored(runs)
        if len(sys.argv) > 2:
            dask(runs, sys.argv[2])


if __name__ == "__main__":
    main()
