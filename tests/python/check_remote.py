"""check_remote.py BINARY: runs over files on real servers give the histograms of a local run, byte for byte, or say
clearly what failed and keep a truthful ledger, whatever happens to the server.

The servers are those of xrootd/bed.py. Where something has to happen in the middle of a run, it happens when a
certain byte passes (xrootd/interposer.py), so that no test depends on how fast a machine is.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "xrootd"))
from bed import Bed  # noqa: E402
from daemons import Daemon, give  # noqa: E402
from interposer import Interposer  # noqa: E402
from oracle import end_tidily, passed, skip  # noqa: E402
from recipes import Server  # noqa: E402

EVENTS, CLUSTER = 200_000, 10_000
FILE = "events.root"
MIN_PT, MAX_ETA = 10.0, 2.4  # of the processor
# A server that is silent is given up early; see `hep-run --help` and the variables of XRootD.
STALL = 2
IMPATIENT = {"XRD_CONNECTIONWINDOW": "3", "XRD_REQUESTTIMEOUT": "20", "XRD_CONNECTIONRETRY": "2"}
# Guards against hanging, and measures nothing.
LONGEST = 120
PROCESSES = ["--executor", "processes", "--workers", "2"]
# Exit statuses: entries are missing; all are.
INCOMPLETE, NOTHING = 3, 2


@dataclass
class Muons:
    """What a file holds, and what the processor's cutflow is over any of its entries."""

    columns: dict[str, ak.Array]
    flags: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        good = (self.columns["pt"] > MIN_PT) & (abs(self.columns["eta"]) < MAX_ETA)
        positive = ak.sum(good & (self.columns["charge"] > 0), axis=1)
        negative = ak.sum(good & (self.columns["charge"] < 0), axis=1)
        two = (positive + negative) >= 2
        self.flags = np.stack([np.ones(EVENTS, bool), ak.to_numpy(two), ak.to_numpy((positive > 0) & (negative > 0))])

    @classmethod
    def random(cls, seed: int) -> "Muons":
        random = np.random.default_rng(seed)
        counts = random.integers(0, 5, EVENTS)
        total = int(counts.sum())
        flat = {
            "pt": random.exponential(25, total),
            "eta": random.normal(0, 1.5, total),
            "phi": random.uniform(-np.pi, np.pi, total),
            "mass": np.full(total, 0.10566),
        }
        columns = {name: ak.unflatten(values.astype(np.float32), counts) for name, values in flat.items()}
        columns["charge"] = ak.unflatten(random.choice(np.array([-1, 1], np.int32), total), counts)
        return cls(columns)

    def write(self, path: Path) -> None:
        with uproot.recreate(path) as file:
            muons = ak.zip(self.columns)
            tree = file.mktree("Events", {"Muon": muons.type.content})
            for start in range(0, EVENTS, CLUSTER):
                tree.extend({"Muon": muons[start : start + CLUSTER]})

    def cutflow(self, ranges: list[list[int]]) -> list[int]:
        chosen = [self.flags[:, start:end].sum(axis=1) for start, end in ranges]
        return np.sum(chosen, axis=0).tolist() if chosen else [0, 0, 0]


@dataclass
class Outcome:
    """How a run ended."""

    status: int
    error: str
    datasets: dict
    ledger: dict

    def objects(self, dataset: str = "events") -> str:
        """The histograms and the cutflow, as written."""
        return json.dumps(self.datasets[dataset]["objects"])

    def file(self, dataset: str = "events") -> dict:
        return next(d["files"][0] for d in self.ledger["datasets"] if d["name"] == dataset)


@dataclass
class Check:
    """What all checks need."""

    binary: Path
    folder: Path
    bed: Bed
    muons: Muons
    local: str = ""
    number: int = 0

    def run(self, files: dict[str, list[str]], *options: str, variables: dict[str, str] | None = None, parts: int = 0) -> Outcome:
        """A run over a file for each data set, the first of its places and the replicas; if so asked, in parts that are merged."""
        self.number += 1
        stem = f"run{self.number}"
        datasets = {name: {"files": [{"path": places[0], "replicas": places[1:]}], "metadata": {"is_mc": False, "year": 2018}}
                    for name, places in files.items()}  # fmt: skip
        for dataset in datasets.values():
            if not dataset["files"][0]["replicas"]:
                del dataset["files"][0]["replicas"]
        fileset = {"processor": {"name": "dimuon", "min_pt": MIN_PT}, "tree": "Events", "datasets": datasets}
        (self.folder / f"{stem}.json").write_text(json.dumps(fileset))
        output = self.folder / f"{stem}-out.json"
        command = [str(self.binary), f"{stem}.json", "--progress", "none", *options]
        names = [f"{stem}-{number}.partial" for number in range(1, parts + 1)]
        commands = [[*command, "--shard", f"{number}/{parts}", "--output", name] for number, name in enumerate(names, 1)]
        commands.append([str(self.binary), "merge", *names] if parts else command)
        commands[-1] += ["--output", output.name]
        for command in commands:
            result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=LONGEST,
                                    env=os.environ | IMPATIENT | (variables or {}))  # fmt: skip
        written = output if output.exists() else output.with_suffix(".incomplete.json")
        content = json.loads(written.read_text()) if written.exists() else {"datasets": {}, "ledger": {"datasets": []}}
        return Outcome(result.returncode, result.stderr, content["datasets"], content["ledger"])

    def same(self, name: str, outcome: Outcome) -> None:
        """The run gave what a local one gives, and its ledger says that it has all."""
        assert outcome.status == 0, f"{name}: ended with {outcome.status}\n{outcome.error}"
        assert outcome.objects() == self.local, f"{name}: other histograms than those of a local run"
        assert outcome.file()["done"] == [[0, EVENTS]] and "failed" not in outcome.file(), f"{name}: {outcome.file()}"
        passed(f"remote: {name}")

    def failed(self, name: str, outcome: Outcome, *words: str, dataset: str = "events") -> None:
        """The run says what failed; its ledger has each entry once, and its cutflow is of those that are done."""
        done = any(file["done"] for part in outcome.ledger["datasets"] for file in part["files"])
        assert outcome.status == (INCOMPLETE if done else NOTHING), f"{name}: ended with {outcome.status}\n{outcome.error}"
        file = outcome.file(dataset)
        reasons = " ".join(missed["reason"] for missed in file["failed"])
        for word in words:
            assert word in outcome.error and word in reasons, f"{name}: `{word}` is not in\n{outcome.error}\n{reasons}"
        if file["entries"] is None:
            assert file["done"] == [] and [missed["entries"] for missed in file["failed"]] == [None], f"{name}: {file}"
        else:
            parts = sorted(file["done"] + [missed["entries"] for missed in file["failed"]])
            ends = [0, *(end for _, end in parts)]
            assert [start for start, _ in parts] == ends[:-1] and ends[-1] == EVENTS, f"{name}: {parts}"
        cutflow = outcome.datasets[dataset]["objects"].get("cutflow", {}).get("cutflow", [])
        counted = [cut["events"] for cut in cutflow] or [0, 0, 0]
        assert counted == self.muons.cutflow(file["done"]), f"{name}: {counted} of {file['done']}"
        passed(f"remote: {name}")

    def server(self, name: str) -> Server | None:
        return self.bed.servers.get(name)


def needs(server: Server) -> dict[str, str]:
    """The variables by which a client is let in."""
    names = {"ca": "X509_CERT_DIR", "token": "BEARER_TOKEN_FILE", "keytab": "XrdSecSSSKT"}
    return {variable: str(server.facts[fact]) for fact, variable in names.items() if fact in server.facts}


def url(server: Server, path: str = FILE, scheme: str = "root") -> str:
    return f"{scheme}://{server.host}:{server.port}//{path}"


def every_server(check: Check) -> None:
    for name in ("plain", "tls", "tlsdata", "unix", "host", "sss", "ztn", "man", "xcache", "thr", "wan", "wantls"):
        if server := check.server(name):
            check.same(f"server {name}", check.run({"events": [url(server)]}, variables=needs(server)))
    if server := check.server("tls"):
        check.same("server tls, encrypted", check.run({"events": [url(server, scheme="roots")]}, variables=needs(server)))
    if server := check.server("redir"):
        check.same("a redirect", check.run({"events": [url(server, f"good/{FILE}")]}))
        check.same("in processes, a redirect", check.run({"events": [url(server, f"good/{FILE}")]}, *PROCESSES))
    if server := check.server("http"):
        check.same("in parts, http", check.run({"events": [url(server, scheme="http")]}, parts=3, variables=needs(server)))
        check.same("in processes, http", check.run({"events": [url(server, scheme="http")]}, *PROCESSES, variables=needs(server)))
    if server := check.server("plain"):
        check.same("in processes", check.run({"events": [url(server)]}, *PROCESSES))
        check.same("in parts", check.run({"events": [url(server)]}, parts=3))
        for mode in ("plain", "paged"):
            check.same(f"read mode {mode}", check.run({"events": [url(server)]}, "--read-mode", mode))
        check.same("nothing read ahead, one thread",
                   check.run({"events": [url(server)]}, "--prefetch", "0", "--executor", "serial"))  # fmt: skip


Action = Callable[[Interposer], None]


def amid(server: Server, action: Action, **options) -> Interposer:
    """An interposer that acts when a fourth of what is read has passed."""
    size = (server.root / FILE).stat().st_size
    return Interposer((server.host, server.port), size // 4, action, **options)


def pausing(daemon: Daemon) -> Action:
    def pause(between: Interposer) -> None:
        daemon.pause()
        between.hold()

    return pause


def killing(daemon: Daemon) -> Action:
    def kill(between: Interposer) -> None:
        daemon.kill()
        between.cut()

    return kill


def behind(interposer: Interposer) -> str:
    return f"root://127.0.0.1:{interposer.port}//{FILE}"


def killed(check: Check, server: Server, other: Server) -> None:
    daemon = server.daemons[0]
    kill = killing(daemon)

    def kill_and_restart(between: Interposer) -> None:
        kill(between)
        threading.Timer(0.5, daemon.start).start()

    with amid(server, kill_and_restart) as between:
        patient = {"XRD_CONNECTIONWINDOW": "30"}
        check.same("a server killed and restarted", check.run({"events": [behind(between)]}, variables=patient))
        assert between.fired
    with amid(server, kill) as between:
        check.same("a server killed, a replica", check.run({"events": [behind(between), url(other)]}))
        assert between.fired
        check.same("a server that is dead from the start, a replica", check.run({"events": [behind(between), url(other)]}))
    daemon.start()
    with amid(server, kill) as between:
        outcome = check.run({"events": [behind(between)], "well": [url(other)]})
        check.failed("a server killed for good", outcome, f"127.0.0.1:{between.port}", FILE)
        assert outcome.objects("well") == check.local, "the other data set is not as it was"
    daemon.start()


def stopped(check: Check, server: Server, other: Server) -> None:
    daemon = server.daemons[0]
    stall = ["--stall", str(STALL)]
    for name, places in (("without a replica", []), ("a replica", [url(other)])):
        try:
            with amid(server, pausing(daemon)) as between:
                outcome = check.run({"events": [behind(between), *places]}, *stall)
                assert between.fired
        finally:
            daemon.go_on()
        if places:
            check.same(f"a server that stops answering, {name}", outcome)
        else:
            check.failed(f"a server that stops answering, {name}", outcome, f"127.0.0.1:{between.port}", FILE)


def cut_connections(check: Check, server: Server) -> None:
    with amid(server, lambda between: between.cut()) as between:
        check.same("connections reset", check.run({"events": [behind(between)]}))
        assert between.fired


def flipped(check: Check, server: Server) -> None:
    size = (server.root / FILE).stat().st_size
    with Interposer((server.host, server.port), flipped=frozenset(range(size // 4, size // 2, size // 16))) as between:
        check.same("flipped bytes, page checksums", check.run({"events": [behind(between)]}, "--read-mode", "paged"))
        assert between.passed > size // 2


def replace(path: Path, content: bytes, user: str | None) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(content)
    give(other, user)
    other.rename(path)


def changed_files(check: Check, server: Server) -> None:
    """Files that are another one than they were, or less than they were."""
    path = server.root / FILE
    original = path.read_bytes()
    another = check.folder / "another.root"
    Muons.random(99).write(another)

    daemon = server.daemons[0]

    def exchange(between: Interposer) -> None:
        """A server goes on with the old file for whoever opens it while somebody has it open: it starts anew."""
        daemon.kill()
        replace(path, another.read_bytes(), check.bed.site.user)
        daemon.start()
        between.cut()

    try:
        with amid(server, exchange) as between:
            check.failed(
                "a file replaced in the middle",
                check.run({"events": [behind(between)]}),
                f"127.0.0.1:{between.port}",
                FILE,
                "changed",
            )
            assert between.fired
        replace(path, original[: len(original) // 2], check.bed.site.user)
        check.failed("a file cut in half", check.run({"events": [url(server)]}), FILE)
        replace(path, b"", check.bed.site.user)
        check.failed("an empty file", check.run({"events": [url(server)]}), FILE)
    finally:
        replace(path, original, check.bed.site.user)


def refused(check: Check) -> None:
    """Where nothing is read, and the reason is said."""
    certificates = {"wronghost": ["elsewhere.example"], "expired": ["expired"], "otherca": ["authority"], "selfsigned": []}
    for name, words in certificates.items():
        if server := check.server(name):
            outcome = check.run({"events": [url(server)]}, variables=needs(server))
            check.failed(f"certificate {name}", outcome, f":{server.port}", FILE, *words)
    if server := check.server("ztn"):
        for fact in ("expired_token", "scopeless_token", "other_scope_token"):
            variables = needs(server) | {"BEARER_TOKEN_FILE": str(server.facts[fact])}
            outcome = check.run({"events": [url(server)]}, variables=variables)
            check.failed(fact.replace("_", " "), outcome, f":{server.port}", FILE)
            secret = Path(str(server.facts[fact])).read_text().strip().rsplit(".", 1)[1]
            assert secret not in outcome.error and secret not in json.dumps(outcome.ledger), "a token is shown"
    if server := check.server("sss"):
        outcome = check.run({"events": [url(server)]}, variables={"XrdSecSSSKT": "/not/there"})
        check.failed("no shared secret", outcome, f":{server.port}", FILE, "sss")
    if server := check.server("redir"):
        check.failed(
            "a redirect to where nobody listens", check.run({"events": [url(server, f"dead/{FILE}")]}), "localhost:1", FILE
        )
        check.failed(
            "redirects in a circle", check.run({"events": [url(server, f"loop/{FILE}")]}), f":{server.port}", FILE, "redirect"
        )
    if server := check.server("plain"):
        check.failed(
            "a file that is not there", check.run({"events": [url(server, "none.root")]}), f":{server.port}", "none.root"
        )
    outcome = check.run({"events": [f"root://no-such-host.invalid//{FILE}"]})
    check.failed("a host without an address", outcome, "no-such-host.invalid", FILE)


def cluster(check: Check) -> None:
    """A redirector sends to the other server when one dies."""
    if not (manager := check.server("man")):
        return
    by_address = {f"{member['host']}:{member['port']}": member for member in (manager.facts["near"], manager.facts["far"])}
    daemons = {tuple(daemon.command): daemon for daemon in manager.daemons}
    serving = [daemons[tuple(member["command"])] for member in by_address.values()]
    for daemon in serving:
        daemon.kill()
        check.same(f"server {daemon.folder.name} of a cluster dead", check.run({"events": [url(manager)]}))
        daemon.start()


def over_http(check: Check, other: Server) -> None:
    """The same files by another protocol, by both together, and out of a cache."""
    if not (server := check.server("http")):
        return
    let_in = needs(server)
    for scheme in ("http", "https", "dav", "davs"):
        check.same(f"{scheme}", check.run({"events": [url(server, scheme=scheme)]}, variables=let_in))
    daemon = server.daemons[0]
    with amid(server, killing(daemon)) as between:
        check.same("a server of http killed, a replica of root",
                   check.run({"events": [f"http://127.0.0.1:{between.port}/{FILE}", url(other)]}))  # fmt: skip
        assert between.fired
    daemon.start()
    with amid(server, pausing(daemon)) as between:
        try:
            outcome = check.run({"events": [f"http://127.0.0.1:{between.port}/{FILE}"]}, "--stall", str(STALL))
        finally:
            daemon.go_on()
        check.failed("a server of http that stops answering", outcome, f"127.0.0.1:{between.port}", FILE)
    check.failed("a file that is not there, http", check.run({"events": [url(server, "none.root", "http")]}), "none.root", "404")
    if server := check.server("ztn"):
        address = [url(server, scheme="https")]
        check.same("https with a token", check.run({"events": address}, variables=needs(server)))
        for fact in ("expired_token", "other_scope_token"):
            outcome = check.run({"events": address}, variables=needs(server) | {"BEARER_TOKEN_FILE": str(server.facts[fact])})
            check.failed(f"https, {fact.replace('_', ' ')}", outcome, f":{server.port}", FILE)
    if server := check.server("expired"):
        outcome = check.run({"events": [url(server, scheme="https")]}, variables=needs(server))
        check.failed("https, expired certificate", outcome, f":{server.port}", FILE)


def without_ranges(check: Check) -> None:
    """Python's own web server gives whole files only."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(check.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            port = int(re.search(r"port (\d+)", server.stdout.readline())[1])
            place = f"http://127.0.0.1:{port}/{FILE}"
            check.same("a server without ranges", check.run({"events": [place]}))
            check.same("a server without ranges, in processes", check.run({"events": [place]}, *PROCESSES))
            size = (check.folder / FILE).stat().st_size
            words = (f"gives only whole files, not ranges of them; this one has {size} bytes", "copy it to a disk")
            outcome = check.run({"events": [place]}, "--memory", "64MiB")
            check.failed("a server without ranges, and no memory for the file", outcome, *words)
        finally:
            server.terminate()
            asked = server.communicate()[1].count('"GET /')
    # Each process opens it; openings after the first of a process take nothing of the answer but its version.
    assert asked < 20, f"{asked} requests"


def cached(check: Check, server: Server) -> None:
    cache = ["--cache", str(check.folder / "cache")]
    with Interposer((server.host, server.port)) as between:
        check.same("a cache that is filled", check.run({"events": [behind(between)]}, *cache))
        first = between.passed
        check.same("a cache that is full", check.run({"events": [behind(between)]}, *cache))
        # To know that the file is the same takes little.
        assert between.passed - first < first / 20, f"{between.passed - first} bytes of {first} were read again"


def main() -> None:
    end_tidily()
    binary = Path(sys.argv[1]).resolve()
    names = ["plain", "tls", "tlsdata", "unix", "host", "sss", "ztn", "thr", "man", "redir", "xcache", "wan", "wantls", "wronghost",
             "expired", "otherca", "selfsigned", "http"]  # fmt: skip
    with tempfile.TemporaryDirectory() as name, Bed(names) as bed:
        folder = Path(name)
        if "plain" not in bed.servers:
            skip("remote runs", "there are no servers")
            return
        muons = Muons.random(4)
        check = Check(binary, folder, bed, muons)
        muons.write(folder / FILE)
        content = (folder / FILE).read_bytes()
        places = {bed.servers["plain"].root, bed.servers["plain"].root / "good"}
        if manager := bed.servers.get("man"):
            places |= {Path(str(manager.facts[member]["data"])) for member in ("near", "far")}
        for place in places:
            (place / FILE).write_bytes(content)
            give(place / FILE, bed.site.user)
        outcome = check.run({"events": [str(folder / FILE)]})
        assert outcome.status == 0, outcome.error
        check.local = outcome.objects()
        counted = [cut["events"] for cut in outcome.datasets["events"]["objects"]["cutflow"]["cutflow"]]
        assert counted == muons.cutflow([[0, EVENTS]]), counted
        passed("remote: the local run counts as numpy does")
        plain, other = bed.servers["plain"], bed.servers["thr"]
        every_server(check)
        refused(check)
        cut_connections(check, plain)
        flipped(check, plain)
        stopped(check, plain, other)
        killed(check, plain, other)
        cluster(check)
        over_http(check, other)
        without_ranges(check)
        cached(check, plain)
        changed_files(check, plain)


if __name__ == "__main__":
    main()
