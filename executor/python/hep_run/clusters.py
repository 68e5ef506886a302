"""Clusters that are started for one run: on this machine, in a batch system, by a gateway, in Kubernetes.

`start_cluster` asks for one, with the options and the configuration files that its package knows (dask-jobqueue,
dask-gateway, dask-kubernetes; none of them is imported before it is asked for). What was started is kept at its size:
`adapt`, not `scale`, since only that replaces a worker whose job is lost. A system that refuses a job says so here,
within seconds; by itself dask would wait for workers until its time is out.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dask.config

# Seconds for a batch system to accept a job, for a gateway to answer, and for a cluster to be taken down.
SUBMISSION, ANSWER, CLOSING = 60.0, 30.0, 30.0
# Seconds between two looks at jobs without a worker: it is everybody's batch system.
SOONEST, LATEST = 5.0, 60.0
# Jobs that may end in a row before any worker comes.
MOST_ENDED = 5
# Seconds without work after which the operator of Kubernetes deletes a cluster that we have made, if nobody says
# otherwise: it is what ends one whose driver was killed, as the guard does of a gateway's.
IDLE = 600
# Of what a job wrote before it ended.
LAST_LINES = 12

logger = logging.getLogger("hep_run.clusters")

Answer = TypeVar("Answer")


class ClusterError(RuntimeError):
    """A cluster that could not be started, with what its own system said."""


class Started:
    """One that runs, whoever started it.

    `target` is what `distributed.Client` takes. `ours` says that it was started here, and ends with `close`.
    """

    def __init__(self, target: Any, described: str, *, ours: bool) -> None:
        self.target, self.described, self.ours = target, described, ours

    def waiting(self) -> str:
        """Why there is no worker yet, as far as can be known; `ClusterError` if none will come."""
        return ""

    def close(self) -> None:
        """Takes down what was started here, and nothing else. Never waits longer than `CLOSING` seconds."""
        if self.ours:
            with suppress(Exception):
                within(CLOSING, "closing the cluster", self.target.close)


@dataclass(frozen=True)
class System:
    """A batch system as dask-jobqueue knows it, and how to ask it about jobs."""

    kind: str
    # A line for each that waits or runs, which begins with its number; the numbers are appended.
    listing: tuple[str, ...]
    # Between the numbers; None where the command lists all jobs of the user's.
    between: str | None = " "


SYSTEMS = {
    "slurm": System("SLURMCluster", ("squeue", "--noheader", "--format=%i %T %r", "--jobs"), ","),
    "htcondor": System("HTCondorCluster", ("condor_q", "-format", "%d.", "ClusterId", "-format", "%d ", "ProcId",
                                           "-format", "status %d", "JobStatus", "-format", " %s", "HoldReason",
                                           "-format", "\n", "ProcId")),  # fmt: skip
    "pbs": System("PBSCluster", ("qstat",)),
    "lsf": System("LSFCluster", ("bjobs", "-noheader", "-o", "jobid stat pend_reason")),
    "sge": System("SGECluster", ("qstat",), None),
}
# Said of jobs that have ended: as an error, or in a line of theirs.
UNKNOWN = re.compile(r"nvalid job id|nknown Job|has finished|is not found|o unfinished job")
ENDED = re.compile(r"\s(DONE|EXIT)\b")
NAMES = ("local", *SYSTEMS, "kubernetes", "gateway")


def start_cluster(spec: str, options: Mapping[str, str], workers: int | None) -> Started:
    """Starts what `--cluster` names: one of `NAMES`, or `MODULE:FUNCTION`, a function of the user's.

    An option's value is read as JSON where it is some (`cores=4`, `nanny=false`,
    `job_extra_directives=["--qos=debug"]`) and is text otherwise (`memory=8GB`, `walltime=01:00:00`). `minimum` and
    `maximum`, in workers, are for a cluster that grows and shrinks with its work, and stand in the place of `workers`.
    """
    values = {name.replace("-", "_"): read(value) for name, value in options.items()}
    size = Size.of(values, workers)
    if spec == "local":
        return local(values, size)
    if spec in SYSTEMS:
        return queue(spec, values, size)
    if spec == "gateway":
        return gateway(values, size)
    if spec == "kubernetes":
        return kubernetes(values, size)
    if ":" in spec:
        return custom(spec, values, size)
    raise ClusterError(f"there is no cluster {spec!r}: it is one of {', '.join(NAMES)} or MODULE:FUNCTION")


def read(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


@dataclass(frozen=True)
class Size:
    """How many workers: between `minimum` and `maximum`; both None is whatever the system's default is."""

    minimum: int | None
    maximum: int | None

    @classmethod
    def of(cls, values: dict[str, Any], workers: int | None) -> Size:
        """Takes what says so out of the options; then `workers`, then dask's configuration of adaptive clusters."""
        minimum, maximum = values.pop("minimum", None), values.pop("maximum", None)
        workers = values.pop("n_workers", workers)
        if minimum is None and maximum is None:
            if workers is not None:
                return cls(workers, workers)
            highest = dask.config.get("distributed.adaptive.maximum", math.inf)
            if highest == math.inf:
                return cls(None, None)
            minimum, maximum = dask.config.get("distributed.adaptive.minimum", 0), int(highest)
        for name, value in (("minimum", minimum), ("maximum", maximum)):
            if value is not None and (type(value) is not int or value < 0):
                raise ClusterError(f"{name}={value!r} is not a number of workers")
        if maximum is None:
            maximum = max(minimum or 0, workers or 0)
        if not (minimum or 0) <= maximum or maximum == 0:
            raise ClusterError(f"from {minimum or 0} to {maximum} workers: there is no such number above 0")
        return cls(minimum or 0, maximum)

    def given(self, spec: str) -> tuple[int, int]:
        if self.minimum is None or self.maximum is None:
            raise ClusterError(f"how many workers shall {spec} start? Say --workers N, or the options minimum=N and "
                               "maximum=N")  # fmt: skip
        return self.minimum, self.maximum

    def __str__(self) -> str:
        if self.minimum == self.maximum:
            return "1 worker" if self.maximum == 1 else f"{self.maximum} workers"
        return f"{self.minimum} to {self.maximum} workers"


def load(package: str, name: str, distribution: str) -> Any:
    """Something of a package that not everybody has."""
    try:
        return getattr(importlib.import_module(package), name)
    except ImportError as error:
        missing = error.name or package
        if package == missing or package.startswith(f"{missing}."):
            install = f"{sys.executable} -m pip install {distribution}"
            raise ClusterError(f"{sys.executable} has no {distribution}: `{install}`, or name another Python with "
                               "--python") from error  # fmt: skip
        raise ClusterError(f"{distribution} cannot be imported: {error}") from error


def within(seconds: float, what: str, act: Callable[[], Answer]) -> Answer:
    """The answer of something that knows no time-out; what it is at then is left behind."""
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(act())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise ClusterError(f"{what}: no answer within {seconds:.0f} s")
    if errors:
        raise errors[0]
    return answers[0]


def made(what: str, make: Callable[..., Answer], options: Mapping[str, Any]) -> Answer:
    """Constructs a cluster; an option that it refuses is an error of the user's."""
    try:
        with warnings.catch_warnings():
            # Of the dashboard, which then takes another one.
            warnings.filterwarnings("ignore", r"Port \d+ is already in use")
            return make(**options)
    except ClusterError:
        raise
    except Exception as error:
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        why = f"there is no option {unknown[1]}" if unknown and unknown[1] in options else said(error)
        raise ClusterError(f"{what} cannot be started: {why}") from error


def said(error: BaseException) -> str:
    """All that an exception and those that it came from say, once each."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        text = str(link).strip() or type(link).__name__
        if not any(text in other for other in texts):
            texts.append(text)
        link = link.__cause__
    return ": ".join(texts)


def local(options: dict[str, Any], size: Size) -> Started:
    from distributed import LocalCluster

    if size.maximum is not None:
        options.setdefault("n_workers", size.maximum)
    cluster = made("a local cluster", LocalCluster, options)
    # Whoever is lost and has not come back after 15 s is given up by Dask otherwise.
    number = len(cluster.worker_spec)
    least, most = (number, number) if size.minimum is None or size.maximum is None else (size.minimum, size.maximum)
    if most:
        cluster.adapt(minimum=least, maximum=most)
    return Started(cluster, f"{len(cluster.worker_spec)} processes of this machine", ours=True)


class Queue(Started):
    """Workers that are jobs of a batch system; the scheduler is in this process.

    Dask asks for another job when a worker is lost that had come; and not if the job ended before its worker came, or
    had several processes. So jobs without a worker are looked for in the batch system, and those that are not there
    are forgotten, whereupon others are submitted.
    """

    def __init__(self, name: str, target: Any, described: str) -> None:
        super().__init__(target, described, ours=True)
        self.name, self.system = name, SYSTEMS[name]
        self.closing = threading.Event()

    def jobs(self) -> dict[str, str]:
        """By the worker's name their numbers, as the batch system gave them."""
        known = {str(name): getattr(job, "job_id", None) for name, job in list(self.target.workers.items())}
        return {name: str(number) for name, number in known.items() if number}

    def without_worker(self) -> dict[str, str]:
        """Those of the jobs that no worker is connected from."""
        names = {str(worker["name"]) for worker in list(self.target.scheduler_info["workers"].values())}
        # The second of a job's several processes is `NAME-1`.
        several = {name.rpartition("-")[0] for name in names}
        return {name: number for name, number in self.jobs().items() if name not in names and name not in several}

    def watch(self) -> None:
        """Replaces jobs that end before their worker comes, until the cluster is closed; gives up where all do."""
        missed: set[str] = set()
        ended, pause = 0, SOONEST
        while not self.closing.wait(pause):
            jobs = self.without_worker()
            lines = self.listed(list(jobs.values())) if jobs else None
            if len(jobs) < len(self.jobs()):
                ended = 0
            if lines is None:
                missed, pause = set(), min(2 * pause, LATEST)
                continue
            gone = {name for name, number in jobs.items() if not any(mentions(line, number) for line in lines)}
            # It may just have been submitted, or its worker just have come.
            certain = gone & missed
            missed, pause = gone, SOONEST if gone else min(2 * pause, LATEST)
            if not certain:
                continue
            ended += len(certain)
            numbers = [jobs[name] for name in sorted(certain)]
            words = self.last_words(numbers)
            logger.warning("%s: %s ended, and no worker is connected from there%s", self.name, " ".join(numbers), words)
            if ended >= max(MOST_ENDED, len(self.jobs())):
                logger.warning("%s: no further jobs are submitted instead: %d have ended in a row", self.name, ended)
                return
            self.target.loop.add_callback(self.forget, certain)

    def forget(self, names: set[str]) -> None:
        """In the loop's thread. The next look of `adapt` finds that they were not asked for."""
        for name in [name for name in self.target.workers if str(name) in names]:
            del self.target.workers[name]

    def listed(self, jobs: list[str]) -> list[str] | None:
        """What the system says about those that wait or run, a line each; None if it does not say anything."""
        separator = self.system.between
        given = [] if separator is None else jobs if separator == " " else [separator.join(jobs)]
        try:
            command = [*self.system.listing, *given]
            answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        lines = [line.strip() for line in answer.stdout.splitlines() if any(mentions(line, job) for job in jobs)]
        if not lines and answer.returncode != 0 and not UNKNOWN.search(answer.stderr):
            return None
        return [line for line in lines if not ENDED.search(line)]

    def waiting(self) -> str:
        jobs = list(self.jobs().values())
        lines = self.listed(jobs) if jobs else None
        if lines is None:
            return f"{self.name}: jobs {' '.join(jobs)} were submitted" if jobs else ""
        if not lines:
            words = self.last_words(jobs)
            raise ClusterError(f"{self.name}: all {len(jobs)} jobs have ended, and no worker has come from them{words}")
        rest = f", and {len(lines) - 3} more" if len(lines) > 3 else ""
        return f"{self.name}: {'; '.join(lines[:3])}{rest}"

    def last_words(self, jobs: list[str]) -> str:
        """The end of what one of the jobs wrote, if that is found."""
        with suppress(Exception):
            folder = Path(getattr(self.target._dummy_job, "log_directory", None) or ".")
            for job in jobs:
                number = re.escape(job.split(".")[0])
                own = [path for path in folder.iterdir() if re.search(rf"(?<!\d){number}(?!\d)", path.name)]
                for path in sorted(own, key=lambda path: path.suffix != ".err"):
                    if path.suffix in (".err", ".out", "") and path.is_file() and path.stat().st_size:
                        with path.open("rb") as file:
                            file.seek(max(0, path.stat().st_size - 8192))
                            lines = file.read().decode(errors="replace").splitlines()[-LAST_LINES:]
                        return f"; {path} ends with\n" + "\n".join(lines)
        return ""

    def close(self) -> None:
        self.closing.set()
        # A job that is being submitted right now is not among them, and dask waits for it.
        jobs = self.jobs().values()
        try:
            within(CLOSING, "closing the cluster", self.target.close)
        except Exception:
            # The scheduler may be gone; the jobs are the user's allowance.
            with suppress(Exception):
                cancel = shlex.split(self.target._dummy_job.cancel_command)
                subprocess.run([*cancel, *jobs], capture_output=True, timeout=ANSWER, check=False)


def queue(name: str, options: dict[str, Any], size: Size) -> Queue:
    """A cluster of dask-jobqueue, after its batch system has accepted the first jobs."""
    minimum, maximum = size.given(name)
    make = load("dask_jobqueue", SYSTEMS[name].kind, "dask-jobqueue")
    if "processes" not in options and configured(name, options, "processes") is None:
        # Threads are as good as processes for us, and dask replaces a lost job of one process faster.
        options["processes"] = 1
    missing = [what for what in ("cores", "memory") if what not in options and configured(name, options, what) is None]
    if missing:
        raise ClusterError(f"{name}: how much of a node is a job? Say it by the options cores=8 and memory=16GB, or in "
                           f"dask's configuration, jobqueue.{name}.{missing[0]}")  # fmt: skip
    command = shlex.split(str(make.job_cls.submit_command))[0]
    if not shutil.which(command):
        raise ClusterError(f"{name}: there is no {command} here; is this a host that may submit jobs?")
    cluster = made(f"a cluster of {name}", make, options)
    started = Queue(name, cluster, f"{size} of {name}")

    async def submit_one() -> None:
        # What `scale` submits fails in the background, and nobody hears of it.
        cluster.worker_spec.update(cluster.new_worker_spec())
        await cluster

    try:
        within(SUBMISSION, f"{name}: {command}", lambda: cluster.sync(submit_one))
        cluster.scale(max(minimum, 1))
        cluster.adapt(minimum=minimum, maximum=maximum)
        threading.Thread(target=started.watch, name=f"jobs of {name}", daemon=True).start()
    except BaseException as error:
        started.close()
        if isinstance(error, Exception) and not isinstance(error, ClusterError):
            raise ClusterError(f"{name} did not accept a job: {refusal(command, error)}") from error
        raise
    return started


def configured(name: str, options: Mapping[str, Any], what: str) -> Any:
    return dask.config.get(f"jobqueue.{options.get('config_name', name)}.{what}", None)


def mentions(line: str, job: str) -> bool:
    """Whether a line of a batch system is about a job: its number stands first, alone or before the name of a host."""
    return re.match(rf"{re.escape(job)}(?![0-9])", line.lstrip()) is not None


def refusal(command: str, error: Exception) -> str:
    """What the command that submits said on its way out, out of dask-jobqueue's account of it."""
    found = re.search(r"Exit code: (-?\d+)\n.*?stdout:\n(.*?)\nstderr:\n(.*)", str(error), re.DOTALL)
    if not found:
        return said(error)
    return f"{command} ended with {found[1]}: {found[3].strip() or found[2].strip() or 'without a word'}"


class Gate(Started):
    """A cluster of dask-gateway. One that was started here ends with this process, even if that is killed."""

    def __init__(self, target: Any, described: str, guard: subprocess.Popen[bytes] | None) -> None:
        super().__init__(target, described, ours=guard is not None)
        self.guard = guard

    def close(self) -> None:
        try:
            within(CLOSING, "closing the cluster", lambda: self.target.close(shutdown=self.ours))
        except Exception:
            dismiss(self.guard, closed=False)
        else:
            dismiss(self.guard, closed=True)


def guarded(where: Mapping[str, Any], cluster: str) -> subprocess.Popen[bytes]:
    """A process that stops the cluster when this one has ended."""
    guard = subprocess.Popen([sys.executable, "-c", GUARD], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    assert guard.stdin
    guard.stdin.write(json.dumps({"gateway": where, "cluster": cluster}).encode() + b"\n")
    guard.stdin.flush()
    return guard


def dismiss(guard: subprocess.Popen[bytes] | None, *, closed: bool) -> None:
    """Lets the guard end; it stops the cluster if that is not closed."""
    if guard and guard.stdin:
        with suppress(OSError):
            if closed:
                guard.stdin.write(b"closed\n")
            guard.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            guard.wait(timeout=ANSWER)


# Waits for the end of the process that it was started by, and stops the cluster by its name. What it is told comes by
# its standard input, where nobody else can read it.
GUARD = """
import json, os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
told = json.loads(sys.stdin.readline())
if sys.stdin.read():
    sys.exit()
from dask_gateway import Gateway
with Gateway(**told["gateway"]) as gateway:
    gateway.stop_cluster(told["cluster"])
"""
GATEWAY_OPTIONS = ("address", "proxy_address", "public_address", "auth")


def gateway(options: dict[str, Any], size: Size) -> Gate:
    """A new cluster of a gateway, or with the option `cluster` an existing one, by its name."""
    make = load("dask_gateway", "Gateway", "dask-gateway")
    where = {name: options.pop(name) for name in GATEWAY_OPTIONS if name in options}
    name = options.pop("cluster", None)
    server = made("a gateway", make, where)
    guard = None
    try:
        within(ANSWER, f"the gateway {server.address}", server.list_clusters)
        if name is not None:
            if options:
                raise ClusterError(f"the cluster {name} is there: {', '.join(options)} can only be said of a new one")
            return Gate(server.connect(name, shutdown_on_close=False), f"the cluster {name} of {server.address}", None)
        minimum, maximum = size.given("the gateway")
        # It may wait for its scheduler for long: guarded as soon as it has a name.
        name = server.submit(**options)
        guard = guarded(where, name)
        cluster = server.connect(name, shutdown_on_close=True)
        cluster.adapt(minimum=minimum, maximum=maximum)
    except BaseException as error:
        dismiss(guard, closed=False)
        if isinstance(error, Exception) and not isinstance(error, ClusterError):
            raise ClusterError(f"the gateway {server.address}: {said(error)}") from error
        raise
    finally:
        # Its session; `close` would complain later that it was called.
        with suppress(Exception):
            server.sync(server._cleanup)
    return Gate(cluster, f"{size} of {server.address}", guard)


def kubernetes(options: dict[str, Any], size: Size) -> Started:
    """A cluster of dask-kubernetes' operator; one that exists by the option `name` is used, and left there."""
    make = load("dask_kubernetes.operator", "KubeCluster", "dask-kubernetes")
    # Its progress is drawn on the terminal, which is not ours to draw on.
    options.setdefault("quiet", True)
    if "n_workers" not in options and size.minimum is not None:
        options["n_workers"] = max(size.minimum, 1)
    # Dask-kubernetes before 2023.6 does not know it.
    if "idle_timeout" in inspect.signature(make).parameters:
        options.setdefault("idle_timeout", dask.config.get("kubernetes.idle-timeout", None) or IDLE)
    cluster = made("a cluster of Kubernetes", make, options)
    # Known only after it was made: it decides by whether there was one of that name.
    ours = bool(cluster.shutdown_on_close)
    described = f"{size} of Kubernetes" if ours else f"the cluster {cluster.name} of Kubernetes"
    started = Started(cluster, described, ours=ours)
    if ours and size.minimum is not None:
        try:
            cluster.adapt(minimum=size.minimum, maximum=size.maximum)
        except Exception as error:
            started.close()
            raise ClusterError(f"a cluster of Kubernetes cannot be kept at its size: {said(error)}") from error
    return started


def custom(spec: str, options: dict[str, Any], size: Size) -> Started:
    """What a function of the user's returns: a cluster, then ours to close, or the address of one, which is not.

    It is called with the options, and looked for in the working folder too.
    """
    module, _, function = spec.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ClusterError(f"--cluster {spec}: {error}") from error
    target = made(f"--cluster {spec}", make, options)
    if isinstance(target, str):
        return Started(target, target, ours=False)
    if not hasattr(target, "close"):
        kind = type(target).__name__
        raise ClusterError(f"--cluster {spec} returned {kind}, which is neither a cluster nor an address")
    started = Started(target, f"the cluster of {spec}", ours=True)
    if size.minimum is not None and hasattr(target, "adapt"):
        try:
            target.adapt(minimum=size.minimum, maximum=size.maximum)
        except Exception as error:
            started.close()
            raise ClusterError(f"--cluster {spec}: adapt: {error}") from error
    return started
