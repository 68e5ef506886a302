"""check_portable.py PORTABLE [BINARY] [--system ROOT --python PATH]: the portable binary needs nothing of a system but its kernel.

It runs where there is nothing but itself: no C library, no /etc, no /proc; reads over TLS by a host's name with what
musl has for that; and is a worker there. BINARY, which is linked as usual, must fail in that place, or it proves nothing.

ROOT is another system, with an older C library than this one's and a Python (PATH in it) that has `distributed`: the
binary is then on the workers of a Dask cluster there. To make one, as root:

    debootstrap --variant=minbase --include=python3-venv bullseye ROOT
    pip download --python-version 3.9 --only-binary=:all: -d ROOT/wheels distributed==2024.8.0
    chroot ROOT sh -c 'python3 -m venv /venv && /venv/bin/pip install --no-index --find-links /wheels distributed'
"""

import argparse
import contextlib
import http.server
import json
import os
import re
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "xrootd"))
from certificates import Authority, Certificate  # noqa: E402
from oracle import REPOSITORY, end_tidily, passed, run, skip  # noqa: E402

# glibc 2.17 is that of CentOS 7, and older than that of any system in use.
OLDEST_GLIBC = 17
INTERPRETER = 3  # PT_INTERP
HOST = "storage.test"
PORTS = range(13300, 13400)
# Guards against hanging, and measures nothing.
LONGEST = 120
DATA = ("nano_dimuon.root", "nano_dy.root")
FILESET = "processor: {name: dimuon, min_pt: 10}\ntree: Events\ndatasets:\n"


def is_static(binary: Path) -> bool:
    """Whether an ELF file needs no other to run."""
    content = binary.read_bytes()
    assert content[:5] == b"\x7fELF\x02", f"{binary} is no 64-bit ELF file"
    (start,), (size, count) = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
    return all(struct.unpack_from("<I", content, start + at * size)[0] != INTERPRETER for at in range(count))


def glibc(binary: Path) -> int:
    """The minor version of glibc 2 that a dynamic binary needs."""
    return max(int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", binary.read_bytes()))


class Root:
    """A folder that is a system's root: with the binaries given and nothing else."""

    def __init__(self, folder: Path, **binaries: Path) -> None:
        self.folder = folder
        for name in ("data", "work", "proc"):
            (folder / name).mkdir(parents=True)
        for name, binary in binaries.items():
            shutil.copy(binary, folder / name)
        for name in DATA:
            shutil.copy(REPOSITORY / "datasets" / name, folder / "data" / name)

    def put(self, path: str, content: bytes | str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())

    def command(self, *arguments: str, proc: bool = False) -> list[str]:
        within = ["unshare", f"--root={self.folder}", "--wd=/work"]
        if os.geteuid():
            within.append("--map-root-user")
        # A process system of its own, so that it can be mounted without changing anything here.
        return within + (["--mount", "--pid", "--fork", "--mount-proc=/proc"] if proc else []) + ["--", *arguments]

    def run(self, *arguments: str, proc: bool = False, **variables: str) -> subprocess.CompletedProcess:
        """Runs in the root, with no other environment."""
        command = ["env", "-i", f"PATH={os.environ['PATH']}", *(f"{key}={value}" for key, value in variables.items())]
        return subprocess.run([*command, *self.command(*arguments, proc=proc)], capture_output=True, text=True, timeout=LONGEST)


def objects(output: Path) -> object:
    datasets = json.loads(output.read_text())["datasets"]
    assert datasets, output
    return {name: dataset["objects"] for name, dataset in datasets.items()}


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Files, whole and in parts."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
            content = content[start : end + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(certificate: Certificate) -> Iterator[int]:
    """The datasets over HTTPS; the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    for port in PORTS:
        try:
            server = http.server.ThreadingHTTPServer(
                ("127.0.0.1", port), lambda *given: Ranges(*given, directory=str(REPOSITORY / "datasets"))
            )
            break
        except OSError:
            continue
    else:
        raise AssertionError(f"no port of {PORTS} is free")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()


class Worker:
    """`hep-run worker` and its frames."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.number = 0
        assert self.read()[0]["event"] == "hello"

    def read(self) -> tuple[dict, list[bytes]]:
        magic, header, buffers = struct.unpack("<4sII", self.process.stdout.read(12))
        assert magic == b"HRW1"
        sizes = struct.unpack(f"<{buffers}Q", self.process.stdout.read(8 * buffers))
        answer = json.loads(self.process.stdout.read(header))
        return answer, [self.process.stdout.read(size) for size in sizes]

    def ask(self, op: str, *buffers: bytes, **fields: object) -> tuple[dict, list[bytes]]:
        self.number += 1
        header = json.dumps({"id": self.number, "op": op, **fields}).encode()
        head = struct.pack(f"<4sII{len(buffers)}Q", b"HRW1", len(header), len(buffers), *map(len, buffers))
        self.process.stdin.write(head + header + b"".join(buffers))
        self.process.stdin.flush()
        answer, results = self.read()
        assert answer["event"] == "ok", answer
        return answer, results

    def end(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(LONGEST) == 0


def check_alone(root: Root, folder: Path, portable: Path) -> None:
    """The histograms are those that it gives where there is a whole system."""
    local = FILESET + "".join(f"  {name[:-5]}: [{{}}/{name}]\n" for name in DATA)
    (folder / "local.yaml").write_text(local.replace("{}", str(REPOSITORY / "datasets")))
    run(portable, "local.yaml", "--output", "local.json", "--progress", "none", folder=folder)
    root.put("work/f.yaml", local.replace("{}", "/data"))
    result = root.run("/hep-run", "f.yaml", "--output", "o.json", "--output", "o.root")
    assert result.returncode == 0, result.stderr
    assert objects(root.folder / "work" / "o.json") == objects(folder / "local.json")
    passed("the portable binary runs where there is nothing but it, with the same histograms")


def check_network(root: Root, folder: Path) -> None:
    """A host's name is looked up and its certificate verified by files where they usually are."""
    authority = Authority(folder / "ca", "Portable")
    with served(authority.issue("host", f"/CN={HOST}", f"subjectAltName=DNS:{HOST}")) as port:
        root.put("work/s.yaml", FILESET + f"  nano_dimuon: ['https://{HOST}:{port}/nano_dimuon.root']\n")
        # Without a name service there, it must say so, and soon.
        result = root.run("/hep-run", "s.yaml", "--output", "s.json", "--retries", "0")
        assert result.returncode == 2 and HOST in result.stderr, result.stderr
        root.put("etc/hosts", f"127.0.0.1 {HOST}\n")
        result = root.run("/hep-run", "s.yaml", "--output", "s.json", "--retries", "0")
        assert result.returncode == 2 and "certificate" in result.stderr, result.stderr
        root.put("etc/ssl/certs/ca-certificates.crt", (authority.folder / "ca.pem").read_bytes())
        result = root.run("/hep-run", "s.yaml", "--output", "s.json")
        assert result.returncode == 0, result.stderr
    read, known = objects(root.folder / "work" / "s.json"), objects(folder / "local.json")
    assert read["nano_dimuon"] == known["nano_dimuon"]
    passed("a host of /etc/hosts is read over TLS, with the authorities of /etc/ssl")


def check_worker(root: Root) -> None:
    """As a worker, which looks at its own binary by /proc."""
    result = root.run("/hep-run", "plan", "f.yaml", "-o", "job.json", proc=True)
    assert result.returncode == 0, result.stderr
    worker = Worker(root.command("/hep-run", "worker", proc=True))
    assert "dimuon" in worker.ask("describe")[0]["processors"]
    job = worker.ask("job", (root.folder / "work" / "job.json").read_bytes())[0]
    assert job["ranges"] == len(DATA), job
    partials = []
    for at in range(job["ranges"]):
        answer, buffers = worker.ask("range", job=job["job"], range=at, last=True)
        assert answer["done"] and answer["entries"] == 40, answer
        partials += buffers
    answer, merged = worker.ask("merge", *partials, job=job["job"])
    assert len(merged) == 1 and merged[0][:4] == b"HRP1"
    worker.end()
    passed("it is a worker there")


def check_dask(system: Path, python: str, portable: Path, usual: Path | None, folder: Path) -> None:
    """On the workers of a Dask cluster of another system, with its C library and its Python."""
    place = Path(tempfile.mkdtemp(prefix="hep-run-", dir=system))
    try:
        shutil.copy(portable, place / "hep-run")
        for name in DATA:
            shutil.copy(REPOSITORY / "datasets" / name, place / name)
        (place / "f.yaml").write_text((folder / "local.yaml").read_text().replace(str(REPOSITORY / "datasets"), f"/{place.name}"))
        # Dask's processes want both; mounted for this command alone.
        mounts = f"mount -t proc proc {system}/proc; mkdir -p {system}/dev/shm; mount -t tmpfs tmpfs {system}/dev/shm"
        within = ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", f'{mounts}; exec chroot {system} "$@"', "sh"]
        if usual:
            shutil.copy(usual, place / "usual")
            result = subprocess.run([*within, f"/{place.name}/usual", "--version"], capture_output=True, timeout=LONGEST)
            assert result.returncode, f"the usual binary runs in {system}, too: it proves nothing"
        run = f"cd /{place.name} && exec ./hep-run f.yaml --executor dask --workers 2 --python {python} --output d.json"
        result = subprocess.run([*within, "sh", "-c", run], capture_output=True, text=True, timeout=LONGEST)
        assert result.returncode == 0, result.stderr
        assert objects(place / "d.json") == objects(folder / "local.json")
    finally:
        shutil.rmtree(place)
    passed(f"it is on the workers of a Dask cluster in {system}")


def main() -> None:
    end_tidily()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portable", type=Path)
    parser.add_argument("binary", type=Path, nargs="?")
    parser.add_argument("--system", type=Path)
    parser.add_argument("--python", default="/venv/bin/python")
    options = parser.parse_args()
    portable = options.portable.resolve()
    if not is_static(portable):
        needed = glibc(portable)
        assert needed <= OLDEST_GLIBC, f"{portable} needs glibc 2.{needed}"
        passed(f"the portable binary needs glibc 2.{needed}")
        skip("portable binary alone", "it is not static: the standard library for musl could not be had")
        return
    passed(f"the portable binary is static, of {portable.stat().st_size / 1e6:.1f} MB")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        usual = {"usual": options.binary} if options.binary else {}
        root = Root(folder / "root", **{"hep-run": portable}, **usual)
        result = root.run("/hep-run", "--version")
        if "unshare" in result.stderr:
            skip("portable binary alone", result.stderr.strip())
            return
        assert result.returncode == 0 and result.stdout.startswith("hep-run"), result
        for other in usual:
            assert root.run(f"/{other}", "--version").returncode, "the usual binary runs without a C library too"
        check_alone(root, folder, portable)
        check_network(root, folder)
        check_worker(root)
        if options.system:
            check_dask(options.system.resolve(), options.python, portable, options.binary, folder)


if __name__ == "__main__":
    main()
