"""check_submit.py BINARY OTHER: runs that are submitted and left alone: `submit`, `status`, `resubmit`, `merge DIR`.

On a real Slurm with jobs that are cancelled, files that are gone for a while and outputs that come late, the result is
that of threads, byte for byte. What is written for each system is compared with submit/*, and given to the system's own
programs as far as they are here. With `--write` these files are made anew: read what has changed. OTHER is any other
binary of the framework.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "xrootd")]
from htcondor_pool import Pool  # noqa: E402
from network import Unavailable  # noqa: E402
from oracle import end_tidily, passed, skip  # noqa: E402
from slurm import Slurm  # noqa: E402

GOLDEN = HERE / "submit"
FILES, EVENTS, CLUSTER = 4, 20_000, 1_000
RANGES = FILES * EVENTS // CLUSTER
# Guards against hanging, and measures nothing.
LONGEST = 120
INCOMPLETE = 3
OPTIONS = {
    "slurm": ["--partition", "short", "--qos=debug", "--time=30", "--comment=two words"],
    "htcondor": ['+JobFlavour = "longlunch"', "requirements = (OpSysAndVer =?= \"AlmaLinux9\")"],
    "panda": ["--vo", "wlcg", "--site", "ANALY_SITE", "--workingGroup", "it's two words"],
}


def write_files(folder: Path) -> None:
    for number in range(FILES):
        random = np.random.default_rng(number)
        counts = random.integers(0, 5, EVENTS)
        total = int(counts.sum())
        flat = {"pt": random.exponential(25, total), "eta": random.normal(0, 1.5, total),
                "phi": random.uniform(-np.pi, np.pi, total), "mass": np.full(total, 0.10566)}  # fmt: skip
        columns = {name: ak.unflatten(values.astype(np.float32), counts) for name, values in flat.items()}
        columns["charge"] = ak.unflatten(random.choice(np.array([-1, 1], np.int32), total), counts)
        muons = ak.zip(columns)
        with uproot.recreate(folder / f"events{number}.root") as file:
            tree = file.mktree("Events", {"Muon": muons.type.content})
            for start in range(0, EVENTS, CLUSTER):
                tree.extend({"Muon": muons[start : start + CLUSTER]})


@dataclass
class Check:
    binary: Path
    other: Path
    folder: Path
    write: bool
    reference: bytes = b""
    # Where the binary runs, if not here.
    pool: Pool | None = None

    def fileset(self, name: str = "muons", **datasets: dict) -> str:
        metadata = {"is_mc": False, "year": 2018}
        usual = {"data-2018": {"files": ["events0.root", "events1.root"], "metadata": metadata},
                 "Überlauf": {"files": ["events2.root", "events3.root"], "metadata": metadata}}  # fmt: skip
        content = {"processor": {"name": "dimuon", "min_pt": 10.0}, "tree": "Events", "datasets": datasets or usual}
        (self.folder / f"{name}.json").write_text(json.dumps(content))
        return f"{name}.json"

    def run(self, *arguments: object, status: int = 0, binary: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(binary or self.binary), *map(str, arguments)]
        if self.pool:
            command = self.pool.command(*command, folder=self.folder)
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=LONGEST, check=False)
        assert result.returncode == status, f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def refused(self, name: str, words: list[str], *arguments: object, status: int = 1, binary: Path | None = None) -> None:
        error = self.run(*arguments, status=status, binary=binary).stderr
        for word in words:
            assert word in error, f"{name}: `{word}` is not in\n{error}"
        passed(f"submit: {name}")

    def submit(self, system: str, state: str, *arguments: object, jobs: int = 6, options: list[str] | None = None) -> Path:
        fileset = arguments[0] if arguments else self.fileset()
        cut = [] if system == "panda" else ["--output", f"{state}.json", "--entries-per-range", CLUSTER]
        self.run("submit", "--system", system, "-n", jobs, fileset, "--state", state, *cut, "--memory", "300MB",
                 "--progress", "none", *arguments[1:], *(["--", *options] if options else []))  # fmt: skip
        return self.folder / state

    def status(self, state: Path) -> dict:
        return json.loads(self.run("status", state, "--format", "json").stdout)

    def same(self, name: str, state: Path) -> None:
        """The result is there, and that of threads."""
        output = self.folder / f"{state.name}.json"
        assert output.read_bytes() == self.reference, f"{name}: {output} is not what threads make"
        passed(f"submit: {name}")


def normal(check: Check, state: Path, text: str) -> str:
    text = text.replace(str(state), "/state").replace("--noCompile", "--noBuild")
    return re.sub(r"hep-run-[0-9a-f]{12}", "hep-run-HASH", re.sub(r"\.[0-9a-f]{6}\.\$now", ".HASH.$now", text))


def golden(check: Check, system: str, state: Path, names: list[str]) -> None:
    place = GOLDEN / system
    texts = {name: normal(check, state, (state / name).read_text()) for name in names}
    if check.write:
        place.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (place / name.replace("/", "-")).write_text(text)
    for name, text in texts.items():
        known = (place / name.replace("/", "-")).read_text()
        assert text == known, f"{system}: {name} is not {place / name.replace('/', '-')}:\n{text}"
    for name in names:
        if name.endswith(".sh"):
            subprocess.run(["bash", "-n", state / name], check=True)
    passed(f"submit: what is written for {system}")


def what_is_written(check: Check) -> None:
    slurm = check.submit("slurm", "slurm", options=OPTIONS["slurm"])
    golden(check, "slurm", slurm, ["round-0.sh", "merge-0.sh", "submit-0.sh", "round-0.parts"])
    condor = check.submit("htcondor", "htcondor", options=OPTIONS["htcondor"])
    golden(check, "htcondor", condor, ["round-0.sub", "merge-0.sub", "merge-0.sh", "submit-0.sh", "round-0.parts"])
    # All ranges are in a part, once; and as many entries in each, about.
    parts = (slurm / "round-0.parts").read_text().split()
    numbers = [number for part in parts for number in range(*map(int, part.split("..")))]
    assert numbers == list(range(RANGES)) and {len(range(*map(int, part.split("..")))) for part in parts} <= {13, 14}, parts
    for state in (slurm, condor):
        assert (state / "job.json").stat().st_mode & 0o077 == 0 and state.stat().st_mode & 0o077 == 0
    few = check.submit("slurm", "few", jobs=1000)
    assert len((few / "round-0.parts").read_text().split()) == RANGES
    passed("submit: no more parts than ranges")


def on_the_grid(check: Check) -> None:
    metadata = {"is_mc": False, "year": 2018}
    fileset = check.fileset(
        "grid",
        data={"files": ["events0.root"], "metadata": metadata | {"did": "data18:data18.muons"}},
        urls={"files": ["root://one.example.org//a.root", "https://two.example.org/b.root"], "metadata": metadata},
    )
    state = check.submit("panda", "panda", fileset, jobs=40, options=OPTIONS["panda"])
    golden(check, "panda", state, ["submit-0.sh", "grid/run.sh", "grid/0.json", "grid/1.json", "grid/1.pfns"])
    assert state.stat().st_mode & 0o077 == 0 and (state / "grid/1.pfns").stat().st_mode & 0o077 == 0
    submit = ["submit", "--system", "panda", "-n", 2]
    for option, value in {"--max-files": 1, "--max-entries": 10, "--entries-per-range": 10, "--range-size": "1MB", "--retries": 5,
                          "--skip-checksums": None, "--checkpoint": "kept", "--output": "a.root", "--allow-missing": 0.5,
                          "--cache": "cache", "--stall": 3, "--read-mode": "plain"}.items():  # fmt: skip
        words = [option] if value is None else [option, value]
        check.refused(f"PanDA: {option}", [option, "PanDA"], *submit, fileset, *words, "--state", "no-option", "--", "--site", "S")
    check.refused("PanDA: a dataset that is not there", ["Typo"], *submit, fileset, "--dataset", "Typo", "--state", "no-typo")
    for name, file in {"steps": {"steps": [[0, 10]]}, "replicas": {"replicas": ["root://two.example.org//a.root"]}}.items():
        told = check.fileset(name, data={"files": [{"path": "root://one.example.org//a.root"} | file], "metadata": metadata})
        check.refused(f"PanDA: {name}", [name], *submit, told, "--state", f"no-{name}", "--", "--site", "S")
    assert not list(check.folder.glob("no-*"))
    local = check.fileset("local", data={"files": ["events0.root"], "metadata": metadata})
    check.refused("PanDA: local files", ["did", "local files"], "submit", "--system", "panda", "-n", 2, local, "--state", "no")

    check.refused("PanDA: URLs for any site", ["--site"], "submit", "--system", "panda", "-n", 2, fileset, "--state", "no-site")
    check.refused("PanDA: jobs of 3 processors", ["--cpus 3"], "submit", "--system", "panda", "-n", 2, fileset,
                  "--cpus", 3, "--state", "no-cpus")  # fmt: skip

    # What a job does: it is given the files by PanDA, which are where it is.
    job = check.folder / "gridjob"
    shutil.copytree(state / "grid", job)
    for number in range(2):
        shutil.copy(check.folder / f"events{number}.root", job)
    subprocess.run(["./run.sh", "0.json", "events0.root,events1.root"], cwd=job, check=True, capture_output=True,
                   env=os.environ | {"ATHENA_CORE_NUMBER": "2"})  # fmt: skip
    alone = check.fileset("alone", data={"files": ["events0.root", "events1.root"], "metadata": metadata})
    check.run(alone, "--output", "alone.root", "--progress", "none")
    counts = [uproot.open(path)["data"]["mass"].values() for path in (job / "output.root", check.folder / "alone.root")]
    assert counts[0].sum() > 0 and (counts[0] == counts[1]).all()
    passed("submit: a job of PanDA's")

    submitted = prun(check, state)
    assert [line[line.index("--exec") + 1] for line in submitted] == ["./run.sh 0.json %IN", "./run.sh 1.json %IN"]
    assert all(re.fullmatch(r"user\.me\.grid\.(data|urls)\.[0-9a-f]{6}\.\d+", line[line.index("--outDS") + 1]) for line in submitted)
    if not importlib.util.find_spec("pandaclient"):
        skip("submit: prun", f"{sys.executable} has no panda-client")
        return
    # The client's own reading of what it is told, without a server.
    code = ("import json, sys; from pandaclient import PrunScript; "
            "print('\\n' + json.dumps(PrunScript.main(get_taskparams=True, dry_mode=True, ext_args=sys.argv[1:]), default=str))")  # fmt: skip
    for line, dataset in zip(submitted, ("data18:data18.muons", None), strict=True):
        said = subprocess.run([sys.executable, "-c", code, *line], cwd=state / "grid", capture_output=True, text=True, check=False,
                              env=os.environ | {"PANDA_BEHIND_REAL_LB": "1", "PANDA_SYS": sys.prefix})  # fmt: skip
        assert said.returncode == 0, f"{said.stdout}\n{said.stderr}"
        task = json.loads(said.stdout.splitlines()[-1])
        values = [parameter["value"] for parameter in task["jobParameters"]]
        inputs = [parameter.get("dataset") for parameter in task["jobParameters"] if parameter.get("param_type") == "input"]
        assert task["ramCount"] == 300 and any("output.root" in str(value) for value in values), task
        assert any("./run.sh%20" in str(value) for value in values), task
        assert dataset is None or inputs == [dataset], task
    passed("submit: prun understands it")


def prun(check: Check, state: Path) -> list[list[str]]:
    """What a `prun` is told by the script that submits."""
    place = check.folder / "programs"
    place.mkdir()
    (place / "prun").write_text(f'#!/bin/bash\nprintf "%q " "$@" >> {place}/told\necho >> {place}/told\n')
    (place / "prun").chmod(0o755)
    environment = os.environ | {"PATH": f"{place}:{os.environ['PATH']}", "USER": "me", "RUCIO_ACCOUNT": ""}
    subprocess.run(["bash", state / "submit-0.sh"], check=True, env=environment)
    return [shlex.split(line) for line in (place / "told").read_text().splitlines()]


def refusals(check: Check) -> None:
    check.submit("slurm", "there")
    fileset = check.fileset()
    submit = ["submit", "--system", "slurm", "-n", 2, fileset, "--progress", "none"]
    check.refused("a state that is there", ["is there already", "status"], *submit, "--state", "there")
    check.refused("a state's path with a space", ["without spaces"], *submit, "--state", "a state")
    check.refused("a folder that is no state", ["is no state"], "status", check.folder)
    check.refused("a merge of nothing", ["no partial output yet"], "merge", "there", status=2)
    check.refused("a resubmission that would double", ["submit-0.sh was not run", "--force"], "resubmit", "there")
    programs = check.folder / "broken"
    programs.mkdir()
    (programs / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid account' >&2\nexit 1\n")
    (programs / "sbatch").chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{programs}:{before}"
    try:
        check.refused("a failing sbatch", ["submit-0.sh", "invalid account"], *submit, "--state", "failing", "--go")
        # The array is taken, and the job that merges not; the second time, that one is too.
        told = programs / "told"
        (programs / "sbatch").write_text(f"""#!/bin/sh
echo "$@" >> {told}
case "$*" in *merge*) test -e {programs}/ok || exit 1;; esac
echo 17
""")
        check.refused("a failing second sbatch", ["submit-0.sh"], *submit, "--state", "half", "--go")
        (programs / "ok").touch()
        subprocess.run(["bash", check.folder / "half/submit-0.sh"], check=True, capture_output=True)
        assert [line.split()[-1] for line in told.read_text().splitlines()] == ["round-0.sh", "merge-0.sh", "merge-0.sh"]
        assert (check.folder / "half/round-0.jobs").read_text() == "array 17\nmerge 17\n"
        again = subprocess.run(["bash", check.folder / "half/submit-0.sh"], check=False, capture_output=True, text=True)
        assert again.returncode == 1 and "submitted already" in again.stderr and len(told.read_text().splitlines()) == 3
        passed("submit: nothing is submitted twice")
    finally:
        os.environ["PATH"] = before
    nothing = check.fileset("nothing", data={"files": ["nowhere.root"], "metadata": {"is_mc": False, "year": 2018}})
    check.refused("nothing to do", ["no ranges"], "submit", "--system", "slurm", "-n", 2, nothing, "--state", "nothing",
                  "--progress", "none", status=2)  # fmt: skip
    assert not (check.folder / "nothing").exists()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"root://127.0.0.1:{silent.getsockname()[1]}//a.root"
        fileset = check.fileset("silent", data={"files": [url], "metadata": {"is_mc": False, "year": 2018}})
        words = ["submit", "--system", "slurm", "-n", "2", fileset, "--progress", "none", "--state", "stopped"]
        stopped = subprocess.Popen([check.binary, *words], cwd=check.folder, stderr=subprocess.DEVNULL)
        # It plans as soon as it wants to know something of the file.
        silent.settimeout(LONGEST)
        connection, _ = silent.accept()
        stopped.send_signal(signal.SIGINT)
        stopped.wait(LONGEST)
        connection.close()
    assert not (check.folder / "stopped").exists()
    passed("submit: stopped while it plans, nothing is left")

    # A processor of another binary is this very process.
    dies = check.folder / "dies"
    dies.write_text("#!/bin/sh\nkill -TERM $$\n")
    dies.chmod(0o755)
    check.run(check.fileset(), "--processor", "./dies", status=-signal.SIGTERM)
    passed("submit: how another binary ends is how we end")

    # Names of filesets that a shell would read.
    for name in ("a;touch x;", "ttbar(2018)", "R&D", "*?[a]{b}#~!", "Überlauf"):
        fileset = check.fileset(name)
        check.run("submit", "--system", "slurm", "-n", 2, fileset, "--progress", "none")
        state = check.folder / (re.sub(r"[^A-Za-z0-9._-]", "_", name) + ".batch")
        for script in ("round-0.sh", "merge-0.sh", "submit-0.sh"):
            subprocess.run(["bash", "-n", state / script], check=True)
        check.refused(f"a state called {name}", ["--state"], *submit, "--state", f"{name}.state")
    moved = check.folder / "there;touch x"
    shutil.copytree(check.folder / "there", moved)
    check.refused("a state that was moved to such a place", ["--state"], "resubmit", moved, "--force")
    assert not (moved / "round-1.sh").exists()


def what_is_left(check: Check) -> None:
    """Partial outputs that overlap, of a run that is in no queue."""
    state = check.submit("slurm", "overlaps")

    def do(ranges: str, part: str) -> None:
        check.run("map", state / "job.json", ranges, state / f"partials/{part}.partial", "--progress", "none")

    do(f"0..{RANGES // 2}", "0-0")
    do(f"{RANGES // 2 - 10}..{RANGES}", "0-1")
    status = check.status(state)
    assert status["ranges"] == [RANGES, RANGES // 2 + 10], status
    assert "others of its ranges" in check.run("status", state).stdout
    check.run("merge", state, status=INCOMPLETE)
    check.run("merge", state, "--allow-missing", "0.5")
    (check.folder / f"{state.name}.json").unlink()
    check.run("resubmit", state, "--force")
    parts = (state / "round-1.parts").read_text().split()
    assert [number for part in parts for number in range(*map(int, part.split("..")))] == list(range(RANGES // 2 - 10)), parts
    for number, part in enumerate(parts):
        do(part, f"1-{number}")
    assert check.status(state)["ranges"] == [RANGES, RANGES]
    check.run("merge", state)
    check.same("status counts what a merge takes, and resubmit the rest", state)

    # What was allowed to be missing when it was submitted, and is not any more.
    allowed = check.submit("slurm", "allowed", check.fileset(), "--allow-missing", "0.6")
    check.run("map", allowed / "job.json", f"0..{RANGES // 2}", allowed / "partials/0-0.partial", "--progress", "none")
    check.run("merge", allowed)
    check.run("merge", allowed, "--allow-missing", "0", status=INCOMPLETE)
    passed("submit: merge --allow-missing 0")

    binary = next(state.glob("hep-run-*"))
    (check.folder / f"{state.name}.json").unlink()
    check.run("merge", state, binary=check.other)
    check.same("merged by another binary, which lets the run's own do it", state)
    shutil.copy(check.other, binary)
    check.refused("a merge by a binary that is another one", ["another binary has planned", binary.name], "merge", state,
                  binary=check.other, status=2)  # fmt: skip
    content = json.loads((state / "state.json").read_text())
    (state / "state.json").write_text(json.dumps(content | {"binary": "../hep-run"}))
    check.refused("a binary that is elsewhere", ["no name of a file"], "merge", state)


def wait(what: str, done: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONGEST
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {LONGEST} s"
        time.sleep(0.2)


def states(status: dict, round_number: int) -> list[str]:
    return [part if isinstance(part, str) else next(iter(part)) for part in status["rounds"][round_number]]


def in_slurm(check: Check, slurm: Slurm) -> None:
    def all_done() -> None:
        wait("the end of the jobs", lambda: slurm.jobs() == [])

    for name in ("round-0.sh", "merge-0.sh"):
        plain = check.submit("slurm", f"plain-{name}", options=["--comment=two words", "--nice"])
        tested = subprocess.run(["sbatch", "--test-only", plain / name], capture_output=True, text=True, check=False)
        assert tested.returncode == 0 and "to start at" in tested.stderr, tested.stderr
    passed("submit: Slurm: sbatch --test-only")

    state = check.submit("slurm", "whole", check.fileset(), "--go")
    all_done()
    assert states(check.status(state), 0) == ["done"] * 6
    check.same("Slurm: an array and its merge", state)

    # Held, so that what is cancelled has not begun.
    state = check.submit("slurm", "cancelled", check.fileset(), "--go", options=["--hold"])
    array, merge = [line.split()[1] for line in (state / "round-0.jobs").read_text().splitlines()]
    assert states(check.status(state), 0) == ["known"] * 6
    slurm.cancel(f"{array}_3")
    wait("the cancelling", lambda: f"{array}_3" not in slurm.jobs())
    assert states(check.status(state), 0) == ["known"] * 3 + ["lost"] + ["known"] * 2
    slurm.ask("scontrol", "release", array, merge)
    all_done()
    status = check.status(state)
    assert states(status, 0) == ["done"] * 3 + ["lost"] + ["done"] * 2 and status["ranges"] == [RANGES, RANGES - 13], status
    incomplete = json.loads((check.folder / "cancelled.incomplete.json").read_text())
    files = [file for dataset in incomplete["ledger"]["datasets"] for file in dataset["files"]]
    assert sum(missed["entries"][1] - missed["entries"][0] for file in files for missed in file.get("failed", [])) == 13 * CLUSTER
    assert not (check.folder / "cancelled.json").exists()
    passed("submit: Slurm: an element cancelled; the merge says what is missing")
    # With other options: the first round's were held.
    check.run("resubmit", state, "--go", "--memory", "400MB", "--", "--nice")
    assert "--mem=400M" in (state / "round-1.sh").read_text() and "--hold" not in (state / "round-1.sh").read_text()
    assert (state / "round-1.parts").read_text().split() == [(state / "round-0.parts").read_text().split()[3]]
    all_done()
    status = check.status(state)
    assert states(status, 0)[3] == "done" and states(status, 1) == ["done"], status
    check.same("Slurm: resubmitted: what was missing, and nothing else", state)
    before = (state / "state.json").read_bytes()
    assert "complete" in check.run("resubmit", state, "--go").stdout and (state / "state.json").read_bytes() == before
    passed("submit: Slurm: nothing is resubmitted of what is complete")

    # An output that comes after all: the part is there twice.
    shutil.copy(state / "partials/1-0.partial", state / "partials/0-3.partial")
    said = check.run("merge", state)
    assert "other partial outputs hold its ranges too" in said.stderr, said.stderr
    check.same("Slurm: an output that came late, and twice", state)

    damaged = state / "partials/0-2.partial"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:])
    status = check.status(state)
    assert states(status, 0)[2] == "lost" and "0-2.partial" in status["damaged"][0], status
    (check.folder / f"{state.name}.json").unlink()
    check.run("merge", state, status=INCOMPLETE)
    check.run("resubmit", state, "--go")
    all_done()
    check.same("Slurm: a damaged output is made again", state)

    state = check.submit("slurm", "lacking", check.fileset(), options=["--hold"])
    (check.folder / "events1.root").rename(check.folder / "hidden")
    subprocess.run(["bash", state / "submit-0.sh"], check=True, capture_output=True)
    array, merge = [line.split()[1] for line in (state / "round-0.jobs").read_text().splitlines()]
    slurm.ask("scontrol", "release", array, merge)
    all_done()
    (check.folder / "hidden").rename(check.folder / "events1.root")
    status = check.status(state)
    assert sorted(set(states(status, 0))) == ["done", "failed"] and status["ranges"] == [RANGES, RANGES * 3 // 4], status
    assert "events1.root" in check.run("status", state).stdout
    check.run("resubmit", state, "--go", "--", "--nice")
    again = [number for part in (state / "round-1.parts").read_text().split() for number in range(*map(int, part.split("..")))]
    assert again == list(range(RANGES // 4, RANGES // 2)), again
    all_done()
    check.same("Slurm: a file that was gone for a while, and only its ranges again", state)

    (check.folder / f"{state.name}.json").unlink()
    check.run("merge", state, binary=check.other)
    check.same("Slurm: merged by another binary, which lets the run's own do it", state)
    check.run("merge", state, "--output", "elsewhere.json")
    assert (check.folder / "elsewhere.json").read_bytes() == check.reference
    passed("submit: Slurm: merged to another place")


def in_htcondor(check: Check, pool: Pool) -> None:
    def all_done() -> None:
        wait("the end of the jobs", lambda: pool.jobs() == [])

    # Its user is another one than us.
    binary = shutil.copy(check.binary, check.folder / "hep-run")
    check.binary, check.pool = Path(binary), pool
    check.fileset()
    pool.give(check.folder)

    state = check.submit("htcondor", "condor-dry", "muons.json", options=['+JobFlavour = "longlunch"'])
    for name, words in (("round-0.sub", ["map job.json 0..13", "longlunch"]), ("merge-0.sub", ["merge-0.sh"])):
        said = pool.command("condor_submit", "-dry-run", "-", state / name, "array=17", "wait=/usr/bin/condor_wait")
        ads = subprocess.run(said, capture_output=True, text=True, check=False, timeout=LONGEST)
        assert ads.returncode == 0 and all(word in ads.stdout for word in words), f"{name}: {ads.stdout}\n{ads.stderr}"
    passed("submit: HTCondor: condor_submit -dry-run")

    state = check.submit("htcondor", "condor-whole", "muons.json", "--go")
    all_done()
    assert states(check.status(state), 0) == ["done"] * 6
    check.same("HTCondor: a cluster of jobs, and what merges", state)

    state = check.submit("htcondor", "condor-removed", "muons.json", "--go", options=["hold = True"])
    array = (state / "round-0.jobs").read_text().split()[1]
    assert check.status(state)["rounds"][0][0]["known"].keys() == {"held"}, check.status(state)
    pool.ask("condor_rm", f"{array}.3")
    wait("the removal", lambda: f"{array}.3" not in " ".join(pool.jobs()))
    assert states(check.status(state), 0) == ["known"] * 3 + ["lost"] + ["known"] * 2
    pool.ask("condor_release", array)
    all_done()
    assert states(check.status(state), 0) == ["done"] * 3 + ["lost"] + ["done"] * 2
    assert (check.folder / "condor-removed.incomplete.json").exists()
    check.run("resubmit", state, "--go", "--", "nice_user = True")
    all_done()
    check.same("HTCondor: a job removed, and resubmitted", state)


def main() -> None:
    end_tidily()
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        check = Check(Path(arguments[0]).resolve(), Path(arguments[1]).resolve(), Path(name), "--write" in sys.argv)
        write_files(check.folder)
        check.run(check.fileset(), "--output", "reference.json", "--entries-per-range", CLUSTER, "--progress", "none")
        check.reference = (check.folder / "reference.json").read_bytes()
        what_is_written(check)
        on_the_grid(check)
        refusals(check)
        what_is_left(check)
        for what, bed, in_it in (("Slurm", Slurm, in_slurm), ("HTCondor", Pool, in_htcondor)):
            try:
                running = bed().__enter__()
            except Unavailable as error:
                # HTCondor is not in every Debian: see CONTRIBUTING.md.
                if what == "Slurm" or os.environ.get("HEP_RUN_CONDOR_ROOT"):
                    skip(f"submit: {what}", str(error))
                continue
            try:
                os.environ.update(getattr(running, "environment", {}))
                in_it(check, running)
            finally:
                running.close()


if __name__ == "__main__":
    main()
