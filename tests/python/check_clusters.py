"""check_clusters.py FAULTY: clusters that are started for one run: what is submitted for each batch system, what is
said when that fails, and whole runs in a real Slurm and a real dask-gateway, with workers lost on the way.

Of the batch systems only Slurm is here; for the others a program by the name of theirs keeps what is submitted, and
that is compared with clusters/*. With `--write` these files are made anew: read what has changed.
"""

import gc
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
DRIVER = HERE.parents[1] / "executor" / "python"
GOLDEN = HERE / "clusters"
sys.path[:0] = [str(HERE), str(HERE / "xrootd"), str(DRIVER)]
import dask  # noqa: E402
from distributed import Client  # noqa: E402
from faulty import ENTRIES, FILES, Outcome, Runs, write_files  # noqa: E402
from gateway import Gateway  # noqa: E402
from network import Unavailable  # noqa: E402
from oracle import end_tidily, passed, skip  # noqa: E402
from slurm import Slurm  # noqa: E402

from hep_run.clusters import ClusterError, Started, start_cluster  # noqa: E402

# Guards against hanging, and measures nothing; what is lost is replaced within 20 s, by dask's own wait of 15 s.
LONGEST = 90
JOB = {"cores": "4", "memory": "8GB"}

# What each system's program answers to a job, and where the job is.
FAKES = {
    "slurm": ("sbatch", 'cp "$1" "$SUBMITTED"; echo "Submitted batch job 17"'),
    "htcondor": ("condor_submit", 'cp "$1" "$SUBMITTED"; echo "Submitting job(s)."; echo "1 job(s) submitted to cluster 17."'),
    "pbs": ("qsub", 'cp "$1" "$SUBMITTED"; echo "17.head.example.org"'),
    "lsf": ("bsub", 'cat > "$SUBMITTED"; echo "Job <17> is submitted to queue <short>."'),
    "sge": ("qsub", 'cp "$1" "$SUBMITTED"; echo "Your job 17 (dask-worker) has been submitted"'),
}
CANCEL = {"slurm": "scancel", "htcondor": "condor_rm", "pbs": "qdel", "lsf": "bkill", "sge": "qdel"}
# What each says of a job that waits, by its manual, and of one that has ended: the program, what it writes, its status.
LISTS = {
    "slurm": ("squeue", ("17 PENDING Resources", "", 0), ("", "slurm_load_jobs error: Invalid job id specified", 1)),
    "htcondor": ("condor_q", ("17.0 status 5 The job was put on hold", "", 0), ("", "", 0)),
    "pbs": ("qstat", ("Job id  Name  User\n------  ----  ----\n17.head  dask-worker  me  0 Q short", "", 0),
            ("", "qstat: 17.head Job has finished, use -x or -H to obtain historical job information", 35)),
    "lsf": ("bjobs", ("17 PEND New job is waiting for scheduling", "", 0), ("17 EXIT -", "", 0)),
    "sge": ("qstat", ("job-ID prior name\n-----\n     17 0.55500 dask-worker me qw", "", 0), ("", "", 0)),
}  # fmt: skip
# Options of which some are numbers, some lists and some text that looks like neither.
OPTIONS = {
    "slurm": {"queue": "short", "account": "cms", "walltime": "01:00:00", "job_extra_directives": '["--qos=debug", "--nice"]'},
    "htcondor": {"disk": "2GB", "job_extra_directives": '{"+JobFlavour": "\\"longlunch\\"", "Requirements": "(OpSysAndVer == \\"AlmaLinux9\\")"}'},
    "pbs": {"queue": "short", "resource_spec": "select=1:ncpus=4:mem=8gb", "walltime": "01:00:00"},
    "lsf": {"queue": "short", "project": "atlas", "walltime": "01:00", "lsf-units": "mb"},
    "sge": {"queue": "short.q", "resource_spec": "h_vmem=2G", "walltime": "01:00:00"},
}  # fmt: skip
# A site's own, which is the one that no option here contradicts.
CONFIGURATION = """
jobqueue:
  {name}:
    job-script-prologue: ["source /cvmfs/site.example.org/setup.sh"]
    death-timeout: 45
    worker-extra-args: ["--lifetime", "55m"]
"""


def wait(what: str, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONGEST
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {LONGEST} s"
        time.sleep(0.1)


@contextmanager
def programs(folder: Path, named: dict[str, str]) -> Iterator[None]:
    """Programs that come before all others."""
    for name, text in named.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def normal(script: str) -> str:
    """Without what is another one on each machine and in each run."""
    script = script.replace(sys.executable, "/path/to/python")
    script = re.sub(r"tcp://\S+?:\d+", "tcp://scheduler:8786", script)
    return re.sub(r"\b(\w+Cluster|[0-9a-f]{8})-0\b", "worker-0", script)


def golden(folder: Path, name: str, write: bool) -> None:
    place = folder / name
    place.mkdir()
    submitted = place / "submitted"
    os.environ["SUBMITTED"] = str(submitted)
    program, answer = FAKES[name]
    (place / "site.yaml").write_text(CONFIGURATION.format(name=name))
    with programs(place, {program: answer, CANCEL[name]: f'echo "$@" >> {place}/cancelled'}):
        dask.config.refresh(paths=[str(place)])
        started = start_cluster(name, JOB | OPTIONS[name], 1)
        waits_and_ends(name, place, started)
        started.close()
    dask.config.refresh()
    text = normal(submitted.read_text())
    known = GOLDEN / f"{name}.txt"
    if write:
        known.write_text(text)
    assert text == known.read_text(), f"{known} is not what was submitted:\n{text}"
    cancelled = (place / "cancelled").read_text().split()
    assert cancelled == ["17.0" if name == "htcondor" else "17"], f"{name}: {cancelled} was cancelled"
    passed(f"clusters: what is submitted to {name}, and taken back")


def waits_and_ends(name: str, place: Path, started: Started) -> None:
    program, waits, ended = LISTS[name]
    for output, error, status in (waits, ended):
        (place / "says").write_text(output)
        (place / "complains").write_text(error)
        with programs(place, {program: f"cat {place}/says; cat {place}/complains >&2; exit {status}"}):
            try:
                said = started.waiting()
            except ClusterError as none:
                assert output is ended[0] and "no worker has come" in str(none), f"{name}: {none}"
            else:
                assert output is waits[0] and output.splitlines()[-1].strip() in said, f"{name}: {said}"
    with programs(place, {program: "echo out of order >&2; exit 1"}):
        assert "17" in started.waiting(), name


def refused(name: str, words: list[str], spec: str, options: dict[str, str], workers: int | None = 1) -> None:
    """It says why within a time that is much less than what dask waits for workers."""
    begun = time.monotonic()
    try:
        start_cluster(spec, options, workers).close()
    except ClusterError as error:
        for word in words:
            assert word in str(error), f"{name}: `{word}` is not in: {error}"
        assert "Traceback" not in str(error), f"{name}: {error}"
    else:
        raise AssertionError(f"{name}: it was started")
    assert time.monotonic() - begun < 30, f"{name}: only after {time.monotonic() - begun:.0f} s"
    passed(f"clusters: {name}")


def refusals(folder: Path) -> None:
    broken = folder / "broken"
    broken.mkdir()
    with programs(broken, {"sbatch": "echo 'sbatch: error: invalid account' >&2; exit 1", "scancel": "exit 1"}):
        refused("a failing sbatch", ["sbatch ended with 1", "invalid account"], "slurm", JOB)
    with programs(broken, {"sbatch": "echo 'Welcome to the cluster!'", "scancel": "exit 1"}):
        refused("an sbatch that gives no number", ["Welcome to the cluster"], "slurm", JOB)
    refused("no batch system", ["no bsub here"], "lsf", JOB)
    with programs(broken, {"bsub": "exit 1"}):
        refused("a job that is refused without a word", ["bsub ended with 1"], "lsf", JOB)
    refused("an option that there is not", ["no option nonsense"], "slurm", JOB | {"nonsense": "3"})
    refused("no cores", ["cores", "memory"], "slurm", {})
    refused("no number of workers", ["--workers"], "slurm", JOB, None)
    refused("a wrong number of workers", ["minimum='few'"], "slurm", JOB | {"minimum": "few"})
    refused("more at least than at most", ["from 3 to 2"], "slurm", JOB | {"minimum": "3", "maximum": "2"})
    refused("an unknown system", ["'torque'", "MODULE:FUNCTION"], "torque", {})
    refused("no gateway", ["127.0.0.1:9"], "gateway", {"address": "http://127.0.0.1:9"})
    refused("a module that there is not", ["no_such_module"], "no_such_module:make", {})


def custom(folder: Path) -> None:
    """A function of the user's: it gets the options; a cluster that it made is closed, one that it found is not."""
    (folder / "site_clusters.py").write_text(textwrap.dedent("""
        from distributed import LocalCluster
        def make(threads_per_worker):
            return LocalCluster(n_workers=1, threads_per_worker=threads_per_worker, processes=False, dashboard_address=None)
        def find(address):
            return address
        def neither():
            return 3
    """))
    before = os.getcwd()
    os.chdir(folder)
    try:
        started = start_cluster("site_clusters:make", {"threads_per_worker": "3"}, None)
        with Client(started.target) as client:
            client.wait_for_workers(1, timeout=LONGEST)
            assert sum(client.nthreads().values()) == 3
            found = start_cluster("site_clusters:find", {"address": started.target.scheduler_address}, 4)
            assert not found.ours
            found.close()
            assert client.submit(sum, [1, 2]).result(timeout=LONGEST) == 3
        started.close()
        assert started.target.status.name == "closed"
        refused("a function that returns neither", ["int", "neither"], "site_clusters:neither", {})
    finally:
        os.chdir(before)
    passed("clusters: a function of the user's")


def local() -> None:
    started = start_cluster("local", {"threads_per_worker": "1", "dashboard_address": ":0"}, 2)
    with Client(started.target) as client:
        client.wait_for_workers(2, timeout=LONGEST)
        first = client.run(os.getpid)
        os.kill(next(iter(first.values())), signal.SIGKILL)
        wait("another process", lambda: len(set(client.run(os.getpid, on_error="ignore").values()) - set(first.values())) == 1)
    started.close()
    wait("the processes' end", lambda: not any(Path(f"/proc/{pid}").exists() for pid in first.values()))
    passed("clusters: local, and a process lost")


# Starts what it is told, says that its workers are there, and waits to be killed.
HOLD = """
import json, sys
from distributed import Client
from hep_run.clusters import start_cluster
spec, options = sys.argv[1], json.loads(sys.argv[2])
started = start_cluster(spec, options, 2)
client = Client(started.target)
client.wait_for_workers(2)
print("there", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(spec: str, options: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", HOLD, spec, options], text=True, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=os.environ | environment | {"PYTHONPATH": str(DRIVER)})  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == "there\n", "no workers"
        yield process
    finally:
        process.kill()
        process.communicate()


def connected(started: Started, number: int) -> Client:
    client = Client(started.target, set_as_default=False)
    client.wait_for_workers(number, timeout=LONGEST)
    return client


class Whole:
    """Whole runs on a cluster, which give what threads give."""

    def __init__(self, binary: Path, folder: Path) -> None:
        (folder / "runs").mkdir()
        self.runs = Runs(binary, folder / "runs", write_files(folder / "runs"))
        self.reference = self.runs.run({"name": "faulty"}, "--executor", "threads")
        assert self.reference.status == 0, self.reference.error

    @staticmethod
    def on(spec: str, options: dict[str, str], workers: int) -> list[str]:
        named = [word for name, value in options.items() for word in ("--cluster-option", f"{name}={value}")]
        return ["--executor", "dask", "--python", sys.executable, "--cluster", spec, "--workers", str(workers), *named]

    def same(self, name: str, outcome: Outcome) -> None:
        assert outcome.status == 0, f"{name}: ended with {outcome.status}\n{outcome.error}"
        assert outcome.objects() == self.reference.objects(), f"{name}: other histograms than those of threads"
        assert outcome.done() == FILES * ENTRIES and outcome.lost() == [], f"{name}: {outcome.files()}"
        outcome.adds_up()
        passed(f"clusters: {name}")

    def runs_on(self, name: str, spec: str, options: dict[str, str], workers: int = 2) -> None:
        self.same(f"{name}: a whole run", self.runs.run({"name": "faulty"}, *self.on(spec, options, workers)))

    def survives(self, name: str, spec: str, options: dict[str, str], lose: Callable[[], None]) -> None:
        """A range hangs, the first time that it is processed; then all workers are lost."""
        flag = self.runs.folder / f"hung-{spec}"
        processor = {"name": "faulty", "mode": "hang", "at": 17_500, "once": str(flag)}
        command, output = self.runs.command(processor, *self.on(spec, options, 2))
        with subprocess.Popen(command, cwd=self.runs.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            try:
                wait("a range in the middle", flag.exists)
                assert run.poll() is None
                lose()
                error = run.communicate(timeout=LONGEST)[1]
            finally:
                run.kill()
        self.same(f"{name}: all workers lost in the middle of a run", self.runs.outcome(run.returncode, error, output))


def in_slurm(slurm: Slurm, whole: Whole) -> None:
    options = {"cores": "1", "memory": "1GB", "scheduler_options": '{"dashboard_address": ":0"}'}
    refused("Slurm: a queue that there is not", ["invalid partition"], "slurm", options | {"queue": "long"})
    refused("Slurm: more memory than any node has", ["node configuration"], "slurm", options | {"memory": "900GB"})
    assert slurm.jobs() == []

    dying = start_cluster("slurm", options | {"job_script_prologue": '["echo the disk is full >&2", "exit 1"]'}, 2)
    try:
        wait("jobs that end at once", lambda: slurm.jobs() == [])
        dying.waiting()
    except ClusterError as error:
        assert "no worker has come" in str(error) and "the disk is full" in str(error), error
    else:
        raise AssertionError("jobs that have ended are waited for")
    finally:
        dying.close()
    passed("clusters: Slurm: jobs that end before a worker comes, and what they said")

    begun = time.monotonic()
    started = start_cluster("slurm", options, 2)
    with connected(started, 1) as client:
        print(f"Slurm: the first worker after {time.monotonic() - begun:.1f} s")
        client.wait_for_workers(2, timeout=LONGEST)
        first = slurm.jobs()
        begun = time.monotonic()
        slurm.cancel(first[0])
        wait("another job", lambda: len(set(slurm.jobs()) - set(first)) == 1 and first[0] not in slurm.jobs())
        client.wait_for_workers(2, timeout=LONGEST)
        print(f"Slurm: a lost job replaced after {time.monotonic() - begun:.1f} s")
        assert client.submit(sum, [1, 2]).result(timeout=LONGEST) == 3
    started.close()
    wait("the end of the jobs", lambda: slurm.jobs() == [])
    passed("clusters: Slurm: a job lost and replaced; the others taken back")

    full = start_cluster("slurm", options, 12)
    with connected(full, 8):
        said = full.waiting()
        assert "PENDING" in said or "RUNNING" in said, said
    full.close()
    wait("the end of the jobs", lambda: slurm.jobs() == [])
    passed("clusters: Slurm: more jobs than fit, and those that wait taken back too")

    # The first job on a node that is broken; the flag is on the disk that all share.
    flag = slurm.folder / "broken"
    flag.touch()
    prologue = f'["if rm {flag} 2> /dev/null; then exit 1; fi"]'
    started = start_cluster("slurm", options | {"job_script_prologue": prologue}, 2)
    connected(started, 2).close()
    started.close()
    wait("the end of the jobs", lambda: slurm.jobs() == [])
    passed("clusters: Slurm: a job that ended before its worker came is replaced")

    started = start_cluster("slurm", options | {"cores": "2", "processes": "2"}, 4)
    with connected(started, 4) as client:
        slurm.cancel(slurm.jobs()[0])
        wait("the loss", lambda: len(client.scheduler_info()["workers"]) < 4)
        client.wait_for_workers(4, timeout=LONGEST)
    started.close()
    wait("the end of the jobs", lambda: slurm.jobs() == [])
    passed("clusters: Slurm: a lost job of two processes is replaced")

    secure = start_cluster("slurm", options | {"security": "true", "shared_temp_directory": os.getcwd()}, 1)
    with connected(secure, 1) as client:
        assert client.scheduler.address.startswith("tls://")
    secure.close()
    # Its certificates are files for as long as it is known.
    del client, secure
    gc.collect()
    wait("the end of the jobs", lambda: slurm.jobs() == [])
    passed("clusters: Slurm: TLS with certificates of its own")

    job = {"cores": "1", "memory": "1GB"}
    whole.runs_on("Slurm", "slurm", job)
    whole.runs_on("Slurm, two threads in two processes", "slurm", {"cores": "4", "memory": "2GB", "processes": "2"}, 4)
    whole.survives("Slurm", "slurm", job, lambda: slurm.cancel(*slurm.jobs()))
    refusal = whole.runs.run({"name": "faulty"}, *whole.on("slurm", job | {"queue": "long"}, 2))
    assert refusal.status == 2 and "invalid partition" in refusal.error, refusal.error
    passed("clusters: Slurm: a run whose jobs are refused")
    wait("the end of the jobs", lambda: slurm.jobs() == [])

    with held("slurm", '{"cores": "1", "memory": "1GB"}', slurm.environment) as process:
        process.kill()
        wait("the end of a killed driver's jobs", lambda: slurm.jobs() == [])
    passed("clusters: Slurm: the driver killed, its jobs end")


def in_gateway(gateway: Gateway, whole: Whole) -> None:
    begun = time.monotonic()
    started = start_cluster("gateway", {"worker_cores": "2"}, 2)
    with connected(started, 1) as client:
        print(f"dask-gateway: the first worker after {time.monotonic() - begun:.1f} s")
        client.wait_for_workers(2, timeout=LONGEST)
        first = gateway.workers()
        os.kill(first[0], signal.SIGKILL)
        wait("another worker", lambda: len(set(gateway.workers()) - set(first)) == 1)
        assert client.submit(sum, [1, 2]).result(timeout=LONGEST) == 3

        name = started.target.name
        found = start_cluster("gateway", {"cluster": name}, None)
        found.close()
        assert not found.ours and gateway.clusters() == [name]
        refused("dask-gateway: an option for a cluster that is there", ["worker_cores"], "gateway",
                {"cluster": name, "worker_cores": "1"})  # fmt: skip
    started.close()
    wait("the cluster's end", lambda: gateway.clusters() == [])
    passed("clusters: dask-gateway: a worker lost and replaced; only what was started is closed")
    refused("dask-gateway: an option that it does not have", ["nonsense"], "gateway", {"nonsense": "1"})
    refused("dask-gateway: a cluster that there is not", ["nowhere"], "gateway", {"cluster": "nowhere"}, None)
    assert gateway.clusters() == []

    whole.runs_on("dask-gateway", "gateway", {})
    whole.survives("dask-gateway", "gateway", {}, gateway.kill)
    wait("the cluster's end", lambda: gateway.clusters() == [])

    with held("gateway", "{}", gateway.environment) as process:
        process.kill()
        wait("the end of a killed driver's cluster", lambda: gateway.clusters() == [])
    passed("clusters: dask-gateway: the driver killed, its cluster ends")


def main() -> None:
    write = "--write" in sys.argv
    (binary,) = (argument for argument in sys.argv[1:] if argument != "--write")
    end_tidily()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        os.environ["HEP_RUN_CACHE"] = str(folder)
        with dask.config.set({"distributed.logging": {}}):
            for system in FAKES:
                golden(folder, system, write)
            refusals(folder)
            custom(folder)
            local()
            whole = Whole(Path(binary).resolve(), folder)
            for what, bed, check in (("Slurm", Slurm, in_slurm), ("dask-gateway", Gateway, in_gateway)):
                try:
                    running = bed()
                    running.__enter__()
                except Unavailable as error:
                    skip(f"clusters: {what}", str(error))
                    continue
                try:
                    os.environ.update(running.environment)
                    # Read when dask was imported.
                    dask.config.refresh()
                    check(running, whole)
                finally:
                    running.__exit__(None, None, None)
        os.chdir("/")


if __name__ == "__main__":
    main()
