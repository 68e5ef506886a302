"""check_dask.py FAULTY: runs on Dask clusters give the histograms of a run in threads, byte for byte, or say clearly what
failed and keep a truthful ledger, whatever happens to workers, scheduler and driver.

FAULTY is the binary of tests/src/bin/faulty.rs. HEP_RUN_OTHER_PYTHON may name a Python with other versions of itself
and of Dask.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dask_bed import LONGEST, Bed, children, cluster, command_of, descendants, program, wait_for
from faulty import ENTRIES, FILES, Outcome, Runs, write_files
from oracle import end_tidily, passed, skip

INCOMPLETE, NOTHING, USAGE = 3, 2, 1
AT = 13_500  # an entry in the middle of range 13000..14000: 3000..4000 of part1.root
LOST = [("part1.root", [3000, 4000])]
# Dask gives up a connection after 30 s, and a worker that is silent after 300 s.
IMPATIENT = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s", "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "3s"}
SLOWLY = {"name": "faulty", "delay": 60}


@dataclass
class Begun:
    """A run that goes on."""

    process: subprocess.Popen
    messages: Path
    output: Path

    def said(self) -> str:
        return self.messages.read_text()

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> Outcome:
        return Runs.outcome(self.process.wait(timeout=LONGEST), self.said(), self.output)


class Check:
    def __init__(self, binary: Path, folder: Path) -> None:
        self.folder = folder
        self.runs = Runs(binary, folder, write_files(folder))
        whole = self.runs.run({"name": "faulty"}, "--executor", "threads")
        assert whole.status == 0, whole.error
        self.want, self.ledger = whole.objects(), whole.content["ledger"]
        self.beds = 0

    def bed(self, workers: int = 2, nanny: bool = True, **settings: object):
        self.beds += 1
        return cluster(self.folder / f"bed{self.beds}", workers, nanny, **settings)

    def options(self, bed: Bed) -> list[str]:
        return ["--executor", "dask", "--scheduler", bed.address]

    def run(self, bed: Bed, processor: dict, *options: str) -> Outcome:
        return self.runs.run(processor, *self.options(bed), *options, variables=bed.variables)

    def faulty(self, bed: Bed, mode: str, *options: str, **settings: object) -> Outcome:
        return self.run(bed, {"name": "faulty", "mode": mode, "at": AT, **settings}, *options)

    def during(self, bed: Bed, happens: Callable[[subprocess.Popen], None], processor: dict, *options: str) -> Outcome:
        """A run, and what happens in it when it is connected, and at work if anybody works."""
        command, output = self.runs.command(processor, *self.options(bed), *options)
        said = output.with_suffix(".txt")
        before = set(bed.resident())
        with (
            open(said, "wb") as errors,
            program(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ | bed.variables) as process,
        ):  # fmt: skip
            wait_for("a connection", lambda: process.poll() is not None or f"on {bed.address}" in said.read_text())
            if bed.workers and not before:
                wait_for("work", lambda: process.poll() is not None or bed.resident())
            time.sleep(0.3)
            assert process.poll() is None, f"it was too fast\n{said.read_text()}"
            happens(process)
            try:
                process.wait(timeout=LONGEST)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"the run does not end\n{said.read_text()}\n{bed.log()}") from None
        return self.runs.outcome(process.returncode, said.read_text(), output)

    @contextlib.contextmanager
    def begun(self, bed: Bed, processor: dict, binary: Path | None = None) -> Iterator[Begun]:
        """A run that goes on meanwhile, of this binary."""
        command, output = self.runs.command(processor, *self.options(bed))
        command[0] = str(binary or command[0])
        said = output.with_suffix(".txt")
        with open(said, "wb") as errors, program(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=errors) as process:
            yield Begun(process, said, output)

    def same(self, name: str, outcome: Outcome, retries: int | None = None) -> None:
        assert outcome.status == 0, f"{name}: ended with {outcome.status}\n{outcome.error}"
        assert outcome.objects() == self.want, f"{name}: other histograms\n{outcome.error}"
        outcome.adds_up()
        assert outcome.done() == FILES * ENTRIES and not outcome.lost(), outcome.content["ledger"]
        if retries is not None:
            assert sum(file.get("retries", 0) for file in outcome.files()) == retries, outcome.content["ledger"]
        passed(f"dask: {name}")

    def lost(self, name: str, outcome: Outcome, *words: str) -> None:
        """One range is lost, and it is said why."""
        assert outcome.status == INCOMPLETE, f"{name}: ended with {outcome.status}\n{outcome.error}"
        outcome.adds_up()
        assert outcome.lost() == LOST, outcome.lost()
        reasons = [missed["reason"] for file in outcome.files() for missed in file.get("failed", [])]
        for word in (*words, "entries 3000..4000 of"):
            assert word in outcome.error and any(word in reason for reason in reasons), f"{name}: {word}\n{outcome.error}\n{reasons}"
        passed(f"dask: {name}")

    def failed(self, name: str, outcome: Outcome, *words: str, status: int = NOTHING) -> None:
        assert outcome.status == status, f"{name}: ended with {outcome.status}\n{outcome.error}"
        for word in words:
            assert word in outcome.error, f"{name}: `{word}` is not in\n{outcome.error}"
        assert not outcome.content["datasets"], f"{name}: there is an output"
        passed(f"dask: {name}")


def counts(check: Check) -> None:
    for workers in "124":
        outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", "--workers", workers, variables=without_scheduler())
        check.same(f"{workers} workers of a cluster of our own", outcome)
        assert outcome.content["ledger"] == check.ledger, outcome.content["ledger"]
        assert "dashboard http" in outcome.error, outcome.error


def without_scheduler() -> dict[str, str]:
    assert not any(name.startswith("DASK_SCHEDULER") for name in os.environ)
    return {}


def addresses(check: Check) -> None:
    with check.bed() as bed:
        ways = {
            "DASK_SCHEDULER_ADDRESS": bed.address,
            "DASK_SCHEDULER_IP": bed.address,
            "DASK_SCHEDULER_FILE": str(bed.file),
            "DASK_SCHEDULER_ADDRESS over DASK_SCHEDULER_IP": bed.address,
        }
        for name, value in ways.items():
            variables = {name.split()[0]: value} | ({"DASK_SCHEDULER_IP": "tcp://127.0.0.1:9"} if " " in name else {})
            outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", variables=variables)
            assert f"on {bed.address}" in outcome.error, outcome.error
            check.same(f"found by {name}", outcome)
        outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", "--scheduler", str(bed.file))
        assert f"on {bed.address}" in outcome.error, outcome.error
        check.same("found by a scheduler file", outcome)
    outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", "--scheduler", "tcp://127.0.0.1:9", variables=IMPATIENT)
    check.failed("nobody at the address", outcome, "cannot connect to the scheduler tcp://127.0.0.1:9 (--scheduler)")
    outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", "--scheduler", "missing.json")
    check.failed("no scheduler file", outcome, "missing.json cannot be read: No such file")
    outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", "--python", "/missing/python")
    check.failed("no Python", outcome, "/missing/python cannot be started", "--python", status=USAGE)
    # The binary is replaced after it was started: what is shipped is what runs.
    replaced, python = check.folder / "replaced-binary", check.folder / "replacing-python"
    shutil.copy(check.runs.binary, replaced)
    python.write_text(f'#!/bin/sh\nrm -f {replaced}\necho other > {replaced}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    command, output = check.runs.command({"name": "faulty"}, "--executor", "dask", "--workers", "1", "--python", str(python))
    result = subprocess.run([str(replaced), *command[1:]], cwd=check.folder, capture_output=True, text=True, timeout=LONGEST, check=False)
    check.same("a binary that was replaced meanwhile", check.runs.outcome(result.returncode, result.stderr, output))
    (check.folder / "here.txt").touch()
    outcome = check.runs.run({"name": "faulty", "once": "here.txt"}, "--executor", "dask", "--workers", "1")
    assert "warning: `once` names here.txt, which workers look for in their own folders" in outcome.error, outcome.error
    check.same("a setting that is a relative path", outcome)
    bare = check.folder / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    outcome = check.runs.run({"name": "faulty"}, "--executor", "dask", "--python", str(bare))
    check.failed("no distributed", outcome, "has no `distributed`", "-m pip install distributed", status=USAGE)


def processors(check: Check) -> None:
    """What a processor does costs its range, or a retry of it."""
    with check.bed() as bed:
        for mode, words in {
            "panic": ["it panicked: it panics at entry 13500"],
            "fail": ["it fails at entry 13500"],
            "abort": ["its process died: it was ended by SIGABRT", "tried 2 times"],
            "exit": ["its process died: it ended with status 0"],
            "hang": ["its process died: time limit: no answer within 2 s"],
        }.items():
            options = ["--range-timeout", "2"] if mode == "hang" else []
            once = check.faulty(bed, mode, *options, once=str(check.folder / f"once-{mode}"))
            assert "tried once more" in once.error, once.error
            check.same(f"{mode}, once", once, retries=1)
            check.lost(f"{mode}, always", check.faulty(bed, mode, *options), *words)
        outcome = check.faulty(bed, "print")
        check.same("garbage on standard output", outcome, retries=0)
        assert "garbage garbage" in bed.log(), bed.log()


def memory(check: Check) -> None:
    with check.bed(workers=0) as bed:
        for _ in range(2):
            bed.worker("--memory-limit", "700MB")
        pids = [worker.pid() for worker in bed.workers]
        outcome = check.faulty(bed, "leak", megabytes=1500)
        check.lost("a process that takes all memory", outcome, "its process died: memory limit")
        assert pids == [worker.pid() for worker in bed.workers], "a worker died of its child's memory"
        once = check.faulty(bed, "leak", megabytes=1500, once=str(check.folder / "once-leak"))
        check.same("a process that takes all memory, once", once, retries=1)


def deaths(check: Check) -> None:
    """Whatever of the cluster ends, but its scheduler."""
    with check.bed() as bed:
        outcome = check.during(bed, lambda _: os.kill(bed.workers[0].pid(), signal.SIGKILL), SLOWLY)
        check.same("a worker is killed", outcome)

        def child(number: signal.Signals) -> Callable[[subprocess.Popen], None]:
            def act(_: subprocess.Popen) -> None:
                os.kill(wait_for("a process of ours", bed.resident)[0], number)

            return act

        check.same("a resident process is killed", check.during(bed, child(signal.SIGKILL), SLOWLY))
        check.same("a resident process is stopped", check.during(bed, child(signal.SIGSTOP), SLOWLY, "--range-timeout", "2"))
    with check.bed(nanny=False) as bed:
        outcome = check.during(bed, lambda _: bed.workers[0].process.kill(), SLOWLY)
        check.same("a worker without a nanny is killed", outcome)
    with check.bed(variables=IMPATIENT) as bed:
        outcome = check.during(bed, lambda _: os.kill(bed.workers[0].pid(), signal.SIGSTOP), SLOWLY)
        check.same("a worker is stopped", outcome)
    with check.bed(workers=0) as bed:
        outcome = check.during(bed, lambda _: bed.worker(), {**SLOWLY, "mode": "nothing"})
        check.same("a worker that comes late", outcome)
    with check.bed() as bed:

        def one_more(_: subprocess.Popen) -> None:
            bed.worker()
            bed.workers[0].process.terminate()

        check.same("a worker comes and one goes", check.during(bed, one_more, {**SLOWLY, "delay": 300}))


def pre_emptions(check: Check) -> None:
    """A range whose workers die more often than Dask allows is a range that failed."""
    with check.bed(variables={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}) as bed:

        def hunt(process: subprocess.Popen) -> None:
            # The range takes longer than any worker lives.
            deadline = time.monotonic() + 3 * LONGEST
            while process.poll() is None:
                assert time.monotonic() < deadline, f"the run goes on and on\n{bed.log()}"
                for worker in bed.workers:
                    if any(time.time() - started(pid) > 1.0 for pid in worker.resident()):
                        os.kill(worker.pid(), signal.SIGKILL)
                time.sleep(0.1)

        outcome = check.during(bed, hunt, {"name": "faulty", "mode": "slow", "at": AT})
        assert outcome.status == INCOMPLETE, outcome.error
        outcome.adds_up()
        assert LOST[0] in outcome.lost(), outcome.lost()
        assert "its worker died" in outcome.error and "times, the last was tcp://" in outcome.error, outcome.error
        passed("dask: more deaths than Dask allows")


def started(pid: int) -> float:
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    except OSError:
        return time.time()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def ends(check: Check) -> None:
    """The end of the scheduler ends a run; that of the driver frees the cluster."""
    hanging = {"name": "faulty", "mode": "hang", "at": AT, "delay": 60}
    with check.bed() as bed:
        for who in ("hep-run", "the driver"):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):

                def end(process: subprocess.Popen, who: str = who, number: signal.Signals = number) -> None:
                    wait_for("a range that sleeps", lambda: any(map(sleeps, bed.resident())))
                    driver = next(pid for pid in children(process.pid) if "-c" in command_of(pid))
                    os.kill(process.pid if who == "hep-run" else driver, number)

                outcome = check.during(bed, end, hanging)
                if who == "hep-run" and number != signal.SIGKILL:
                    # What is done is written, and is no complete result.
                    assert outcome.status == 128 + number, f"{number.name}: {outcome.status} {outcome.error}"
                    outcome.adds_up()
                    assert f"interrupted by {number.name}" in outcome.error, outcome.error
                else:
                    assert outcome.status != 0 and not outcome.content["datasets"], f"{who} {number.name}: {outcome.status}"
                if who == "the driver":
                    assert "driver of the cluster has ended" in outcome.error or "cancelled" in outcome.error, outcome.error
                wait_for(f"idleness after {who} got {number.name}", lambda: not any(map(sleeps, bed.resident())))
                passed(f"dask: {who} gets {number.name}, and the cluster is free")
        assert bed.scheduler.poll() is None and all(worker.process.poll() is None for worker in bed.workers)
        check.same("the cluster is as it was", check.run(bed, {"name": "faulty"}))
    # A cluster of our own ends with its driver.
    for number in (signal.SIGINT, signal.SIGKILL):
        command, _ = check.runs.command(hanging, "--executor", "dask", "--workers", "2")
        with program(command, cwd=check.folder, stderr=subprocess.DEVNULL) as process:
            wait_for("a process of ours", lambda: any(command_of(pid)[1:2] == ["worker"] for pid in descendants(process.pid)))
            below = descendants(process.pid)
            process.send_signal(number)
            process.wait(timeout=LONGEST)
        wait_for("the end of a cluster", lambda: not any(command_of(pid) for pid in below))
        passed(f"dask: a cluster of our own ends when hep-run gets {number.name}")
    with check.bed(variables=IMPATIENT) as bed:
        outcome = check.during(bed, lambda _: bed.scheduler.kill(), hanging)
        check.failed("the scheduler is killed", outcome, "the scheduler")
    with check.bed(variables=IMPATIENT) as bed:
        outcome = check.during(bed, lambda _: bed.scheduler.send_signal(signal.SIGSTOP), hanging)
        check.failed("the scheduler is stopped", outcome, "the scheduler")


def sleeps(pid: int) -> bool:
    """It is in a range that hangs, or in a delay; what waits for a request does not sleep."""
    try:
        return any("nanosleep" in path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/wchan"))
    except OSError:
        return False


def files(check: Check) -> None:
    """Files that one worker cannot read, and files that are bad everywhere."""
    with check.bed(workers=1) as bed:
        hidden = ("unshare", "-m", "sh", "-c", f'mount -t tmpfs none "{check.folder}/data" && exec "$0" "$@"')
        data = check.folder / "data"
        data.mkdir(exist_ok=True)
        for path in check.folder.glob("part*.root"):
            shutil.copy(path, data)
        runs = Runs(check.runs.binary, check.folder / "elsewhere", sorted(data.glob("*.root")))
        runs.folder.mkdir()
        if subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode != 0:
            skip("check_dask", "no mount namespaces here: a file that one worker cannot read")
        else:
            bed.worker(before=hidden)
            outcome = runs.run({"name": "faulty", "delay": 30}, *check.options(bed))
            assert "tried once more" in outcome.error, outcome.error
            check.same("files that one worker cannot read", outcome)
        broken = data / "part1.root"
        content = bytearray(broken.read_bytes())
        fifth = len(content) // 5
        content[fifth : 3 * fifth] = b"\xff" * (2 * fifth)
        broken.write_bytes(content)
        want = runs.run({"name": "faulty"})
        assert want.status == INCOMPLETE and want.lost(), want.error
        with check.bed() as other:
            outcome = runs.run({"name": "faulty"}, *check.options(other))
        assert outcome.status == INCOMPLETE and outcome.lost() == want.lost(), outcome.error
        assert outcome.objects() == want.objects()
        outcome.adds_up()
        passed("dask: a file that is bad everywhere")


def nodes(check: Check) -> None:
    """Nodes where the binary cannot be stored or executed as usual, or has been tampered with."""

    def mounted(*mounts: str) -> tuple[str, ...]:
        return ("unshare", "-m", "sh", "-c", " && ".join([*mounts, 'exec "$0" "$@"']))

    scratch = check.folder / "scratch"
    scratch.mkdir()
    noexec = mounted(f"mount -t tmpfs -o noexec none {scratch}", "mount -t tmpfs -o noexec none /dev/shm")
    full = mounted(f"mount -t tmpfs -o size=1M none {scratch}", "mount -t tmpfs -o size=1M none /dev/shm")
    if subprocess.run([*noexec, "true"], capture_output=True, check=False).returncode != 0:
        skip("check_dask", "no mount namespaces here: folders that are full, or where nothing is executed")
    else:
        for name, before in {"where nothing is executed": noexec, "that is full": full}.items():
            with check.bed(workers=0) as bed:
                bed.worker("--local-directory", str(scratch), before=before, TMPDIR=str(scratch), HEP_RUN_CACHE="")
                check.same(f"a scratch folder {name}", check.run(bed, {"name": "faulty"}))
                assert "hep-run's binary is in memory, because of" in bed.log(), bed.log()
    cache = check.folder / "cache"
    cache.mkdir()
    with check.bed(workers=0) as bed:
        bed.worker(HEP_RUN_CACHE=str(cache))
        check.same("a cache", check.run(bed, {"name": "faulty"}))
    (stored,) = [path for path in cache.glob("*/*") if path.suffix != ".lock"]
    stamp = stored.stat().st_ino
    with check.bed(workers=0) as bed:
        bed.worker(HEP_RUN_CACHE=str(cache))
        check.same("a cache, again", check.run(bed, {"name": "faulty"}))
    assert stored.stat().st_ino == stamp, "the binary was stored again"
    sound = stored.read_bytes()
    stored.write_bytes(sound[:-100] + b"x" * 100)
    with check.bed(workers=0) as bed:
        bed.worker(HEP_RUN_CACHE=str(cache))
        check.same("a cache that was tampered with", check.run(bed, {"name": "faulty"}))
    assert stored.read_bytes() == sound
    if os.getuid() == 0:
        os.chown(stored.parent, 12345, 12345)
        with check.bed(workers=0) as bed:
            bed.worker(HEP_RUN_CACHE=str(cache))
            check.same("a cache that belongs to somebody else", check.run(bed, {"name": "faulty"}))
            assert "belongs to user 12345" in bed.log(), bed.log()
    else:
        skip("check_dask", "only root can make a folder of somebody else")


def set_up(check: Check) -> None:
    """Workers on which our plug-in cannot be set up."""
    preload = check.folder / "preload.py"
    preload.write_text("""
import dask

def get(key, *rest, then=dask.config.get, **more):
    if key == "hep-run.cache":
        raise RuntimeError("no configuration today")
    return then(key, *rest, **more)

dask.config.get = get
""")
    bad = ("--preload", str(preload))
    with check.bed(workers=1, nanny=False) as bed:
        bed.worker(*bad, nanny=False, HEP_RUN_CACHE="")
        check.same("one worker that cannot be set up", check.run(bed, {"name": "faulty", "delay": 100}))
    with check.bed(workers=0) as bed:
        bed.worker(*bad, nanny=False, HEP_RUN_CACHE="")
        outcome = check.run(bed, {"name": "faulty"})
        check.failed("no worker can be set up", outcome, "hep-run cannot run on worker tcp://", "RuntimeError: no configuration today")
    with check.bed(workers=0) as bed:
        late = check.during(bed, lambda _: bed.worker(*bad, nanny=False, HEP_RUN_CACHE=""), {"name": "faulty"})
        check.failed("a late worker that cannot be set up", late, "hep-run cannot run on worker tcp://", "RuntimeError: no configuration today")
    preload.write_text("import sys\ndef dask_setup(worker):\n    sys.modules['psutil'] = None\n")
    with check.bed(workers=0) as bed:
        late = check.during(bed, lambda _: bed.worker(*bad, nanny=False, HEP_RUN_CACHE=""), {"name": "faulty"})
        check.failed("a late worker that cannot take the plug-in", late, "hep-run cannot run on worker tcp://", "psutil")
    with check.bed(workers=1) as bed:
        bed.worker(*bad, nanny=False, HEP_RUN_CACHE="")
        check.same("a worker that cannot take the plug-in", check.run(bed, {"name": "faulty", "delay": 100}))


def two_drivers(check: Check) -> None:
    other = check.folder / "other-binary"
    shutil.copy(check.runs.binary, other)
    with open(other, "ab") as file:
        file.write(b"\0")
    for name, second in {"one binary": check.runs.binary, "two binaries": other}.items():
        with check.bed() as bed:
            # One ends in the middle of the other's run: nothing of the other's goes with it.
            with check.begun(bed, SLOWLY) as one, check.begun(bed, SLOWLY, second) as two:
                for driver in (one, two):
                    check.same(f"two drivers with {name}", driver.end())
            with check.begun(bed, {**SLOWLY, "delay": 200}) as long, check.begun(bed, SLOWLY, second) as victim:
                for driver in (long, victim):
                    wait_for("a connection", lambda driver=driver: driver.has_ended() or f"on {bed.address}" in driver.said())
                    assert not driver.has_ended(), f"it was too fast\n{driver.said()}"
                victim.process.kill()
                victim.process.wait()
                assert not long.has_ended(), f"it was too fast\n{long.said()}"
                check.same(f"two drivers with {name}, one is killed", long.end())


def tls(check: Check) -> None:
    if shutil.which("openssl") is None:
        skip("check_dask", "no openssl to make certificates")
        return
    folder = check.folder / "tls"
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    def authority(name: str) -> None:
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip

    def certificate(name: str, signer: str, days: str = "2") -> None:
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-CAcreateserial",
                "-days", days, "-out", f"{name}.pem")  # fmt: skip

    authority("ca")
    authority("stranger")
    certificate("node", "ca")
    certificate("intruder", "stranger")

    def client(ca: str, name: str) -> dict[str, str]:
        prefix = "DASK_DISTRIBUTED__COMM__TLS__"
        files = {"CA_FILE": f"{ca}.pem", "CLIENT__CERT": f"{name}.pem", "CLIENT__KEY": f"{name}.key"}
        return IMPATIENT | {prefix + key: str(folder / value) for key, value in files.items()}

    node = ["--tls-ca-file", str(folder / "ca.pem"), "--tls-cert", str(folder / "node.pem"), "--tls-key", str(folder / "node.key")]
    with check.bed(security=node, protocol="tls") as bed:

        def run(variables: dict[str, str], address: str = bed.address) -> Outcome:
            return check.runs.run({"name": "faulty"}, "--executor", "dask", "--scheduler", address, variables=variables)

        check.same("TLS", run(client("ca", "node")))
        check.failed("TLS, an authority that we do not know", run(client("stranger", "node")), "cannot connect", "certificate verify failed")
        check.failed("TLS, a certificate that they do not know", run(client("ca", "intruder")), "cannot connect")
        check.failed("TLS, no certificate", run(IMPATIENT), "cannot connect", "TLS")
        check.failed("TLS, asked in clear text", run(IMPATIENT, bed.address.replace("tls:", "tcp:")), "cannot connect")


def versions(check: Check) -> None:
    other = os.environ.get("HEP_RUN_OTHER_PYTHON")
    if not other:
        print("not checked: other versions of Python and Dask (HEP_RUN_OTHER_PYTHON)", file=sys.stderr)
        return
    with check.bed(python=other) as bed:
        outcome = check.runs.run({"name": "faulty"}, *check.options(bed), "--python", other)
        check.same("a driver and a cluster of other versions", outcome)
        outcome = check.runs.run({"name": "faulty"}, *check.options(bed), variables=IMPATIENT)
        if outcome.status == 0:
            check.same("a driver of other versions than the cluster", outcome)
        else:
            check.failed("a driver of other versions than the cluster", outcome, "cannot connect", "this Python has distributed")


def names(check: Check) -> None:
    runs = Runs(check.runs.binary, check.folder / "named", sorted(check.folder.glob("part*.root")))
    runs.folder.mkdir()
    paths = sorted(check.folder.glob("part*.root"))
    runs.datasets = {"TTTo2L2Nu-2018": paths[:1], "2018": paths[1:2], "µ→γ 'x'": paths[2:3], "-": paths[3:]}
    want = runs.run({"name": "faulty"})
    with check.bed() as bed:
        outcome = runs.run({"name": "faulty"}, *check.options(bed))
        assert outcome.status == 0 and outcome.objects() == want.objects(), outcome.error
        assert outcome.content["ledger"] == want.content["ledger"]
        passed("dask: names of datasets")


CHECKS = [counts, addresses, names, processors, memory, deaths, pre_emptions, ends, files, nodes, set_up, two_drivers, tls, versions]


def main() -> None:
    if importlib.util.find_spec("distributed") is None:
        skip("check_dask", f"{sys.executable} has no distributed")
        return
    os.environ.setdefault("HEP_RUN_PYTHON", sys.executable)
    end_tidily()
    chosen = sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        # What other tests, and runs of this machine's users, have stored is not for these.
        os.environ["HEP_RUN_CACHE"] = name
        # A folder that every user may pass: some caches belong to others.
        check = Check(Path(sys.argv[1]).resolve(), Path(name).resolve())
        for one in CHECKS:
            if not chosen or one.__name__ in chosen:
                one(check)


if __name__ == "__main__":
    main()
