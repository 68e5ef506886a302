"""check_bytes.py BINARY [PYTHON]: every byte that a run needs travels once, however large a file's clusters are and whoever wrote
it: at most 1.05 times the bytes of the baskets, which uproot counts.

What is read of local files is what the kernel has counted (`rchar` of the processes), what is read of remote ones is what
a server here has sent. PYTHON is one that has Dask.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet
import ROOT
import uproot

from oracle import passed, run

BRANCHES = ["MET_pt", "nMuon", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge"]
MOST = 1.05
NEVER = 1_000_000_000

ROOT.gInterpreter.Declare("""
#include <TFile.h>
#include <TTree.h>
#include <TRandom3.h>
void write_muons(const char *path, int first, int events, long long flush, int basket, int compression) {
    TFile file(path, "RECREATE", "", compression);
    TTree tree("Events", "Events");
    if (flush != 0) tree.SetAutoFlush(flush);
    Float_t met, pt[8], eta[8], phi[8], mass[8];
    Int_t charge[8];
    UInt_t n;
    tree.Branch("MET_pt", &met, "MET_pt/F", basket);
    tree.Branch("nMuon", &n, "nMuon/i", basket);
    tree.Branch("Muon_pt", pt, "Muon_pt[nMuon]/F", basket);
    tree.Branch("Muon_eta", eta, "Muon_eta[nMuon]/F", basket);
    tree.Branch("Muon_phi", phi, "Muon_phi[nMuon]/F", basket);
    tree.Branch("Muon_mass", mass, "Muon_mass[nMuon]/F", basket);
    tree.Branch("Muon_charge", charge, "Muon_charge[nMuon]/I", basket);
    TRandom3 random(first + 1);
    for (int event = 0; event < events; ++event) {
        met = random.Exp(30);
        n = random.Integer(5);
        for (UInt_t i = 0; i < n; ++i) {
            pt[i] = 5 + random.Exp(20);
            eta[i] = random.Uniform(-2.4, 2.4);
            phi[i] = random.Uniform(-3.1, 3.1);
            mass[i] = 0.1057;
            charge[i] = random.Integer(2) ? 1 : -1;
        }
        tree.Fill();
    }
    tree.Write();
}
void write_met(const char *path, int events) {
    TFile file(path, "RECREATE", "", 101);
    TTree tree("Events", "Events");
    tree.SetAutoFlush(events);
    Float_t met;
    tree.Branch("MET_pt", &met, "MET_pt/F", 60000000);
    TRandom3 random(7);
    for (int event = 0; event < events; ++event) {
        met = random.Exp(30);
        tree.Fill();
    }
    tree.Write();
}
""")


def by_uproot(path: Path, events: int, cluster: int) -> None:
    random = np.random.default_rng(5)
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        for start in range(0, events, cluster):
            size = min(cluster, events - start)
            counts = random.integers(0, 5, size)
            n = counts.sum()
            flat = {"pt": random.exponential(20, n), "eta": random.uniform(-2, 2, n), "phi": random.uniform(-3, 3, n), "mass": np.full(n, 0.1)}
            muons = {name: ak.unflatten(values.astype(np.float32), counts) for name, values in flat.items()}
            muons["charge"] = ak.unflatten(random.choice([-1, 1], n).astype(np.int32), counts)
            part = {"Muon": ak.zip(muons), "MET_pt": random.exponential(30, size).astype(np.float32)}
            if start == 0:
                file.mktree("Events", {"Muon": part["Muon"].type, "MET_pt": np.float32})
            file["Events"].extend(part)


def by_hadd(path: Path, parts: int, events: int) -> None:
    merger = ROOT.TFileMerger(False)
    merger.OutputFile(str(path), "RECREATE", 101)
    names = [path.with_name(f"part{number}.root") for number in range(parts)]
    for number, name in enumerate(names):
        # Of different lengths, so that their clusters are too.
        ROOT.write_muons(str(name), number, events + 100 * number, 0, 32_000, 101)
        merger.AddFile(str(name), False)
    assert merger.Merge()
    for name in names:
        name.unlink()


def by_arrow(path: Path, events: int) -> None:
    """One row group, without an index of its pages."""
    random = np.random.default_rng(6)
    counts = random.integers(0, 5, events)
    n = counts.sum()
    flat = {"pt": random.exponential(20, n), "eta": random.uniform(-2, 2, n), "phi": random.uniform(-3, 3, n), "mass": np.full(n, 0.1)}
    muons = {name: ak.unflatten(values.astype(np.float32), counts) for name, values in flat.items()}
    muons["charge"] = ak.unflatten(random.choice([-1, 1], n).astype(np.int32), counts)
    table = ak.Array({"Muon": ak.zip(muons), "MET_pt": random.exponential(30, events).astype(np.float32)})
    ak.to_parquet(table, path, row_group_size=events, compression="ZSTD")


def chunks(path: Path) -> int:
    """The bytes of all column chunks of a Parquet file."""
    group = pyarrow.parquet.read_metadata(path).row_group(0)
    return sum(group.column(at).total_compressed_size for at in range(group.num_columns))


def needed(path: Path, branches: list[str] = BRANCHES) -> int:
    """The bytes of the baskets, with their keys."""
    total = 0
    with uproot.open(path) as file:
        for name in branches:
            branch = file["Events"][name]
            assert not branch.embedded_baskets, "a basket in the tree's record is not read again"
            total += int(branch.member("fBasketBytes")[: branch.num_baskets].sum())
    return total


def read_by_children() -> int:
    """Bytes that this process and those that it has waited for have read."""
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])


class Counting(BaseHTTPRequestHandler):
    """Files of a folder, in ranges."""

    protocol_version = "HTTP/1.1"
    folder: Path
    sent = 0
    lock = threading.Lock()

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        content = (self.folder / self.path.lstrip("/")).read_bytes()
        ranges = []
        for first, last in re.findall(r"(\d*)-(\d*)", (self.headers.get("Range") or "").removeprefix("bytes=")):
            start = int(first) if first else len(content) - int(last)
            ranges.append((start, min(int(last) + 1 if first and last else len(content), len(content))))
        if not ranges:
            status, kind, data = 200, "application/octet-stream", content
        elif len(ranges) == 1:
            ((start, end),) = ranges
            status, kind, data = 206, "application/octet-stream", content[start:end]
        else:
            parts = [
                b"\r\n--part\r\nContent-Range: bytes %d-%d/%d\r\n\r\n" % (start, end - 1, len(content)) + content[start:end]
                for start, end in ranges
            ]
            status, kind, data = 206, "multipart/byteranges; boundary=part", b"".join(parts) + b"\r\n--part--\r\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"one"')
        if len(ranges) == 1:
            self.send_header("Content-Range", f"bytes {ranges[0][0]}-{ranges[0][1] - 1}/{len(content)}")
        self.end_headers()
        if body:
            with self.lock:
                Counting.sent += len(data)
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def fileset(folder: Path, file: str) -> Path:
    path = folder / "fileset.json"
    path.write_text(json.dumps({"processor": "adl_q5", "tree": "Events", "datasets": {"a": [file]}}))
    return path


def others(binary: Path, folder: Path, local) -> None:
    """A friend whose only basket every range needs, and a row group that is cut."""
    met, muons, parquet = folder / "met.root", folder / "muons.root", folder / "one.parquet"
    ROOT.write_met(str(met), 600_000)
    ROOT.write_muons(str(muons), 3, 600_000, NEVER, 32_000, 101)
    frame = ROOT.RDataFrame("Events", str(muons))
    frame.Snapshot("Events", str(folder / "nomet.root"), [name for name in BRANCHES if name != "MET_pt"])
    by_arrow(parquet, 900_000)
    friend = {"friends": {"met": "met.root"}}
    cases = {
        "friend": (["nomet.root"], friend, needed(met, ["MET_pt"]) + needed(folder / "nomet.root", BRANCHES[1:])),
        "parquet": (["one.parquet"], {}, chunks(parquet)),
    }
    for name, (files, more, bytes_needed) in cases.items():
        dataset = {"files": files, **more}
        path = folder / "fileset.json"
        path.write_text(json.dumps({"processor": "adl_q5", "tree": "Events", "datasets": {"a": dataset}}))
        ratio = planned(binary, folder) / bytes_needed
        assert 0.99 < ratio < 1.01, f"{name}: {ratio:.3f} times the bytes that are needed are planned"
        for executor, ratio in local(bytes_needed):
            assert 0.99 < ratio < MOST, f"{name} with {executor}: {ratio:.3f} times the bytes that are needed"
            passed(f"bytes: {name}, {executor}: {ratio:.3f} times what is needed")


def planned(binary: Path, folder: Path) -> int:
    text = run(binary, "fileset.json", "--dry-run", "--format", "json", folder=folder)
    return sum(file["bytes"] for file in json.loads(text)["files"])


def main(binary: Path, dask: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = {name: folder / f"{name}.root" for name in ("cluster", "standard", "basket", "uproot", "hadd", "tiny")}
        ROOT.write_muons(str(files["cluster"]), 0, 600_000, NEVER, 32_000, 101)
        ROOT.write_muons(str(files["standard"]), 0, 1_200_000, 0, 32_000, 0)
        ROOT.write_muons(str(files["basket"]), 0, 300_000, NEVER, 60_000_000, 101)
        by_uproot(files["uproot"], 500_000, 60_000)
        by_hadd(files["hadd"], 12, 40_000)
        ROOT.write_muons(str(files["tiny"]), 0, 100, 0, 32_000, 101)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
        Counting.folder = folder
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            check(binary, folder, files, f"http://127.0.0.1:{server.server_port}", dask)
        finally:
            server.shutdown()


def check(binary: Path, folder: Path, files: dict[str, Path], url: str, dask: str | None) -> None:
    executors = {
        "serial": ["--executor", "serial"],
        "threads": ["--executor", "threads", "--workers", "3"],
        "processes": ["--executor", "processes", "--workers", "2"],
    }
    output = ["--output", "out.json", "--progress", "none"]

    def local(file: Path, options: list[str]) -> int:
        fileset(folder, file.name)
        before = read_by_children()
        run(binary, "fileset.json", *options, *output, folder=folder)
        return read_by_children() - before

    # What a run reads that has to do with nothing of a file.
    beside = {}
    for executor, options in executors.items():
        beside[executor] = local(files["tiny"], options)
        for name in ("cluster", "standard", "basket", "uproot", "hadd"):
            ratio = (local(files[name], options) - beside[executor]) / needed(files[name])
            assert 0.99 < ratio < MOST, f"{name} with {executor}: {ratio:.3f} times the bytes that are needed"
            passed(f"bytes: {name}, local, {executor}: {ratio:.3f} times what is needed")

    def each(bytes_needed: int):
        for executor, options in executors.items():
            before = read_by_children()
            run(binary, "fileset.json", *options, *output, folder=folder)
            yield executor, (read_by_children() - before - beside[executor]) / bytes_needed

    others(binary, folder, each)
    results = set()
    for name in ("cluster", "standard", "basket", "uproot", "hadd"):
        fileset(folder, files[name].name)
        ratio = planned(binary, folder) / needed(files[name])
        assert 0.99 < ratio < 1.01, f"{name}: {ratio:.3f} times the bytes that are needed are planned"
        passed(f"bytes: {name}, planned: {ratio:.3f}")
        fileset(folder, f"{url}/{files[name].name}")
        for executor, options in executors.items():
            for prefetch in (["--prefetch", "0"], []):
                Counting.sent = 0
                run(binary, "fileset.json", *options, *prefetch, *output, folder=folder)
                ratio = Counting.sent / needed(files[name])
                assert 0.99 < ratio < MOST, f"{name} over http with {executor} {prefetch}: {ratio:.3f}"
                results.add(json.dumps(json.loads((folder / "out.json").read_text())["datasets"]))
        if dask:
            Counting.sent = 0
            run(binary, "fileset.json", "--executor", "dask", "--workers", "2", "--python", dask, *output, folder=folder)
            ratio = Counting.sent / needed(files[name])
            assert 0.99 < ratio < MOST, f"{name} over http with Dask: {ratio:.3f}"
            results.add(json.dumps(json.loads((folder / "out.json").read_text())["datasets"]))
        passed(f"bytes: {name}, over http")
        assert len(results) == 1, "results differ"
        results.clear()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
