"""check_silent_loss.py HEP_RUN: a server that fails once for each file, and then never again. coffea on Dask, told to skip
bad files as people tell it, loses what it read then and says nothing; hep-run counts every event.

Needs an environment with coffea (requirements-coffea.txt)."""

import errno
import http.server
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from oracle import passed

# More than the first requests of a file bring, so that ranges have to ask for more.
FILES, EVENTS = 4, 40_000
# Requests by which a file is opened.
OPENING = 2


class OnceBad(http.server.BaseHTTPRequestHandler):
    """Serves a folder, with ranges; resets one connection for each file, once the server is armed. Every request has a
    connection of its own, since clients ask again where one that they had before is lost."""

    folder: Path
    armed = False
    failed: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.folder / Path(self.path).name
        with OnceBad.lock:
            OnceBad.asked[path.name] += 1
            # The planning opens the file by two requests: what fails is a later one, of a range.
            fails = OnceBad.armed and OnceBad.asked[path.name] > OPENING and not OnceBad.failed[path.name]
            OnceBad.failed[path.name] += fails
        if fails:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, len(content)
        if asked:
            start, end = int(asked[1]), min(int(asked[2]) + 1, end) if asked[2] else end
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if body:
            self.wfile.write(content[start:end])

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: object) -> None:
        pass


def write(folder: Path) -> int:
    """Files with muons; how many events there are."""
    random = np.random.default_rng(5)
    for number in range(FILES):
        counts = random.integers(0, 4, EVENTS)
        flat = {name: random.exponential(30, counts.sum()).astype(np.float32) for name in ("pt", "eta", "phi", "mass")}
        flat["charge"] = random.choice(np.array([-1, 1], np.int32), counts.sum())
        muons = ak.zip({name: ak.unflatten(values, counts) for name, values in flat.items()})
        with uproot.recreate(folder / f"part{number}.root") as file:
            tree = file.mktree("Events", {"Muon": muons.type.content})
            tree.extend({"Muon": muons})
    return FILES * EVENTS


def coffea_counts(folder: Path) -> int:
    """How many events coffea counts of files that give one input/output error each, which is what storage that is mounted
    gives where a server resets a connection."""
    import coffea.processor as processor
    import fsspec
    from coffea.nanoevents import BaseSchema
    from distributed import Client, LocalCluster
    from fsspec.implementations.local import LocalFileSystem

    class OnceBadStorage(LocalFileSystem):
        protocol = "oncebad"

        def cat_file(self, path, start=None, end=None, **options):
            name = Path(path).name
            # Where every file fails, coffea has nothing to add up and says so: here every second one does.
            with OnceBad.lock:
                fails = OnceBad.armed and not OnceBad.failed[name] and int(name[4]) % 2 == 0
                OnceBad.failed[name] += fails
            if fails:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return super().cat_file(path, start, end, **options)

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(path.removeprefix("oncebad://"))

    class Count(processor.ProcessorABC):
        def process(self, events):
            return {"events": int(len(events.Muon_pt) + 0 * ak.sum(events.Muon_pt))}

        def postprocess(self, accumulator):
            return accumulator

    fsspec.register_implementation("oncebad", OnceBadStorage, clobber=True)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        executor = processor.DaskExecutor(client=client, status=False)
        runner = processor.Runner(executor=executor, schema=BaseSchema, skipbadfiles=True, chunksize=EVENTS)
        files = {f"oncebad://{path}": "Events" for path in sorted(folder.glob("part*.root"))}
        chunks = list(runner.preprocess({"data": {"files": files}}))
        OnceBad.armed = True
        out = runner.run(chunks, Count())
    return out["out"]["events"] if out.get("out") else 0


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        OnceBad.folder = folder
        all_events = write(folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OnceBad) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            urls = [f"http://127.0.0.1:{server.server_port}/part{number}.root" for number in range(FILES)]
            fileset = {"processor": "dimuon", "tree": "Events", "datasets": {"data": urls}}
            (folder / "f.json").write_text(json.dumps(fileset))
            for executor in ("threads", "processes", "dask"):
                OnceBad.failed.clear()
                OnceBad.asked.clear()
                OnceBad.armed = True
                command = [binary, "f.json", "--output", "out.json", "--progress", "none", "--executor", executor]
                command += ["--python", sys.executable] if executor == "dask" else []
                subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
                content = json.loads((folder / "out.json").read_text())
                counted = content["datasets"]["data"]["objects"]["cutflow"]["cutflow"][0]["events"]
                assert sum(OnceBad.failed.values()) == FILES and counted == all_events, (OnceBad.failed, counted)
                passed(f"a source that fails once for each file: hep-run, {executor}, counts all {counted} events")
            OnceBad.failed.clear()
            OnceBad.armed = False
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                counted = coffea_counts(folder)
            assert sum(OnceBad.failed.values()) == FILES // 2, OnceBad.failed
            assert counted == all_events // 2, f"coffea counts {counted}: README and this check say that it loses half"
            passed(f"a source that fails once for every second file: coffea counts {counted} of {all_events}, without an error")
            server.shutdown()


if __name__ == "__main__":
    main()
