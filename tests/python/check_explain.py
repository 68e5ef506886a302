"""check_explain.py BINARY: what `--explain` and the summary say of bytes is what uproot, ROOT and pyarrow find in the
files; every executor and merge says the same; times add up to those of the threads; a sample is never the whole.

The bytes of a basket are `fNbytes` (with its key) and `fObjlen` (decompressed, with the table of entry offsets), those of
a page what its cluster's page list says (with the 8 bytes of its checksum, and decompressed).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet
import ROOT
import uproot

from oracle import REPOSITORY, passed, run

DATASETS = REPOSITORY / "datasets"
COLUMNS = ["nMuon", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge"]
N = 40_000
CLUSTER = 10_000
COUNTS = ("pieces", "compressed_bytes", "uncompressed_bytes")


def fileset(folder: Path, name: str, files: list, **more: object) -> str:
    """The name of a fileset of one dataset, `a`; no file of the folder has the name of its default output."""
    tree = {"processor": "dimuon", "tree": "Events", "datasets": {"a": {"files": [str(file) for file in files], **more}}}
    (folder / name).write_text(json.dumps(tree))
    return name


def write(path: Path, codec: uproot.compression.Compression | None, entries: int = N) -> Path:
    """Muons in clusters of `CLUSTER` events."""
    random = np.random.default_rng(11)
    counts = random.integers(0, 6, entries)
    n = counts.sum()
    flat = {"pt": random.exponential(40, n), "eta": random.normal(0, 1.5, n), "phi": random.uniform(-3, 3, n),
            "mass": np.full(n, 0.105), "charge": random.choice([-1, 1], n)}  # fmt: skip
    of = {name: ak.unflatten(values.astype(np.int32 if name == "charge" else np.float32), counts) for name, values in flat.items()}
    muons = ak.zip(of)
    with uproot.recreate(path, compression=codec) as file:
        file.mktree("Events", {"Muon": muons.type, "genWeight": np.float32})
        for start in range(0, entries, CLUSTER):
            part = muons[start : start + CLUSTER]
            file["Events"].extend({"Muon": part, "genWeight": np.ones(len(part), np.float32)})
    return path


def of_baskets(paths: list[Path], names: set[str]) -> dict[str, tuple[int, int, int]]:
    """How many baskets each branch has, and their bytes, by uproot."""
    found = {}
    for path in paths:
        with uproot.open(path) as file:
            for name in names:
                branch = file["Events"][name]
                assert not branch.embedded_baskets, "a basket in the tree's record has no bytes of its own"
                keys = [branch.basket_key(at) for at in range(branch.num_baskets)]
                sums = (len(keys), sum(key.fNbytes for key in keys), sum(key.fObjlen for key in keys))
                found[name] = tuple(map(sum, zip(found.get(name, (0, 0, 0)), sums, strict=True)))
    return found


def summary(binary: Path, folder: Path, *arguments: object, status: int = 0) -> dict:
    return json.loads(run(binary, *arguments, "--format", "json", "--progress", "none", folder=folder, status=status))


def columns(summary: dict, dataset: str = "a") -> dict[str, tuple[int, int, int]]:
    found = summary["explain"]["datasets"][dataset]["columns"]
    return {name: tuple(column[key] for key in COUNTS) for name, column in found.items()}


def adds_up(summary: dict) -> None:
    """Times are those of the threads, and none is counted twice."""
    explain = summary["explain"]
    stages = explain["stages"]
    assert all(time >= 0 for time in stages.values()), stages
    assert abs(sum(stages.values()) - explain["thread_seconds"]) <= 0.02 * explain["thread_seconds"] + 1e-3, explain
    assert explain["wall_seconds"] <= explain["thread_seconds"] * 1.0001
    for name in ("open", "wait", "read", "decompress", "decode", "process", "keep"):
        of_datasets = sum(dataset["stages"][name] for dataset in explain["datasets"].values())
        assert abs(of_datasets - stages[name]) < 1e-6, name
    of_columns = [column for dataset in explain["datasets"].values() for column in dataset["columns"].values()]
    assert abs(sum(column["decompress_seconds"] for column in of_columns) - stages["decompress"]) < 1e-6
    assert sum(column["decode_seconds"] for column in of_columns) <= stages["decode"] + 1e-6
    slowest = [file["seconds"] for file in explain["slowest_files"]]
    assert slowest == sorted(slowest, reverse=True)
    slowest = [found["seconds"] for found in explain["slowest_ranges"]]
    assert slowest == sorted(slowest, reverse=True) and len(slowest) <= 10


def repository_files(binary: Path, folder: Path) -> None:
    files = [DATASETS / "nano_dimuon.root", DATASETS / "nano_dy.root"]
    tree = {"processor": "dimuon", "tree": "Events", "datasets": {"dimuon": [str(files[0])], "dy": [str(files[1])]}}
    name = "repository.json"
    (folder / name).write_text(json.dumps(tree))
    found = summary(binary, folder, name)
    by_dataset = zip(files, ("dimuon", "dy"), strict=True)
    for path, dataset in by_dataset:
        of_dataset = columns(found, dataset)
        assert set(COLUMNS) <= set(of_dataset), of_dataset
        assert of_dataset == of_baskets([path], set(of_dataset)), path
    read = sum(dataset["bytes_read"] for dataset in found["datasets"].values())
    both = [*columns(found, "dimuon").values(), *columns(found, "dy").values()]
    assert sum(stored for _, stored, _ in both) == read
    adds_up(found)
    passed("explain: baskets of the files in datasets/ as uproot has them")


def codecs(binary: Path, folder: Path) -> None:
    kinds = {"zlib": uproot.ZLIB(1), "zstd": uproot.ZSTD(5), "lz4": uproot.LZ4(1), "lzma": uproot.LZMA(1), "none": None}
    for kind, codec in kinds.items():
        path = write(folder / f"{kind}.root", codec)
        expected = of_baskets([path], {*COLUMNS, "genWeight"})
        assert expected["Muon_pt"][0] == N // CLUSTER
        name = fileset(folder, f"of_{kind}.json", [path])
        # A cluster is a range, and no basket is needed twice.
        arguments = [name, "--entries-per-range", CLUSTER]
        runs = {
            "serial": summary(binary, folder, *arguments, "--executor", "serial"),
            "threads": summary(binary, folder, *arguments, "--workers", 2),
            "processes": summary(binary, folder, *arguments, "--executor", "processes", "--workers", 2),
        }
        for executor, found in runs.items():
            assert columns(found) == expected, f"{kind}, {executor}: {columns(found)} is not {expected}"
            assert sum(stored for _, stored, _ in expected.values()) == found["datasets"]["a"]["bytes_read"]
            adds_up(found)
        # Ranges that cut baskets share them: each is decompressed once. What is not compressed is read by each.
        compressed = {name for name, (_, stored, unpacked) in expected.items() if stored < unpacked}
        assert len(compressed) >= (4 if kind != "none" else 0)
        for executor in (["--executor", "serial"], ["--workers", 2]):
            cut = summary(binary, folder, name, "--entries-per-range", 2_000, *executor)
            found = {name: counts for name, counts in columns(cut).items() if name in compressed}
            assert found == {name: expected[name] for name in compressed}, f"{kind}, cut: {columns(cut)}"
            adds_up(cut)
        decompress = runs["serial"]["explain"]["stages"]["decompress"]
        assert decompress > 0 or kind == "none"
    passed("explain: baskets of every codec, by every executor, cut and whole, counted once")


def parts(binary: Path, folder: Path) -> None:
    """Partial outputs, merged in any grouping, know what one run knows."""
    name = "of_zstd.json"
    expected = columns(summary(binary, folder, name, "--entries-per-range", CLUSTER))
    for shard in (1, 2, 3):
        run(binary, name, "--entries-per-range", CLUSTER, "--shard", f"{shard}/3", "--progress", "none", folder=folder)
    run(binary, "merge", "-o", "two.partial", "of_zstd.3of3.partial", "of_zstd.1of3.partial", folder=folder)
    merged = summary_of_merge(binary, folder, "two.partial", "of_zstd.2of3.partial")
    assert columns(merged) == expected
    adds_up(merged)
    assert "time: " in run(binary, "merge", "--explain", "-o", "m.root", "two.partial", "of_zstd.2of3.partial", folder=folder)
    run(binary, "merge", "--explain", "-o", "n.root", "m.root", folder=folder, status=1)
    passed("explain: merged shards")


def summary_of_merge(binary: Path, folder: Path, *inputs: str) -> dict:
    return json.loads(run(binary, "merge", "-o", "m.root", "--format", "json", *inputs, folder=folder))


def ntuple(binary: Path, folder: Path) -> None:
    path = DATASETS / "nano_dy_rntuple.root"
    found = summary(binary, folder, fileset(folder, "rntuple.json", [path]))
    assert sum(stored for _, stored, _ in columns(found).values()) == found["datasets"]["a"]["bytes_read"]
    adds_up(found)
    inspector = ROOT.Experimental.RNTupleInspector if hasattr(ROOT.Experimental, "RNTupleInspector") else ROOT.RNTupleInspector
    inspected = inspector.Create("Events", str(path))
    known = 0
    for name, (pages, stored, unpacked) in columns(found).items():
        try:
            field = inspected.GetFieldTreeInspector(name)
        except Exception:  # noqa: BLE001: a member of a collection has a longer name there
            continue
        of_field = (field.GetCompressedSize(), field.GetUncompressedSize())
        # Of a collection its list ends alone are noted under its name, and its members under theirs.
        if name in ("genWeight", "Muon_pt", "Muon_charge"):
            assert (stored - 8 * pages, unpacked) == of_field, f"{name}: {(pages, stored, unpacked)}, and ROOT has {of_field}"
            known += 1
    assert known > 0, columns(found)
    passed("explain: pages of an RNTuple as ROOT's inspector has them")


def parquet(binary: Path, folder: Path) -> None:
    with uproot.open(folder / "zstd.root") as file:
        events = file["Events"].arrays([*COLUMNS[1:], "genWeight"])
    ak.to_parquet(events, folder / "muons.parquet", compression="zstd", row_group_size=CLUSTER)
    found = summary(binary, folder, fileset(folder, "parquet.json", [folder / "muons.parquet"]))
    expected: dict[str, int] = {}
    meta = pyarrow.parquet.ParquetFile(folder / "muons.parquet").metadata
    for group in range(meta.num_row_groups):
        for at in range(meta.num_columns):
            chunk = meta.row_group(group).column(at)
            name = chunk.path_in_schema.split(".")[0]
            expected[name] = expected.get(name, 0) + chunk.total_compressed_size
    # A counter is read from a column of its collection.
    stored = {name: stored for name, (_, stored, _) in columns(found).items()}
    total = sum(expected[name] for name in [*COLUMNS[1:], "genWeight"])
    assert sum(stored.values()) == total == found["datasets"]["a"]["bytes_read"], (stored, expected)
    assert all(expected[name] == size for name, size in stored.items() if name in expected), (stored, expected)
    assert found["explain"]["stages"]["decode"] > 0
    passed("explain: column chunks of a Parquet file as pyarrow has them")


def friends(binary: Path, folder: Path) -> None:
    muons = uproot.open(folder / "zstd.root")["Events"].arrays()
    with uproot.recreate(folder / "main.root", compression=uproot.ZSTD(5)) as file:
        of = ak.zip({name[5:]: muons[name] for name in COLUMNS[1:]})
        file.mktree("Events", {"Muon": of.type})
        file["Events"].extend({"Muon": of})
    with uproot.recreate(folder / "friend.root", compression=uproot.ZSTD(5)) as file:
        file.mktree("Events", {"genWeight": np.float32})
        file["Events"].extend({"genWeight": muons["genWeight"]})
    name = fileset(folder, "friends.json", [folder / "main.root"], friends={"weights": str(folder / "friend.root")})
    found = summary(binary, folder, name)
    expected = of_baskets([folder / "main.root"], set(COLUMNS))
    expected["weights.genWeight"] = of_baskets([folder / "friend.root"], {"genWeight"})["genWeight"]
    assert columns(found) == expected, (columns(found), expected)
    passed("explain: columns of friends under their names")


def outputs(binary: Path, folder: Path) -> None:
    """`--explain` changes no output, and knows how often its histograms were filled."""
    plain, explained = folder / "plain.json", folder / "explained.json"
    run(binary, "of_zlib.json", "--output", plain, "--progress", "none", folder=folder)
    text = run(binary, "of_zlib.json", "--output", explained, "--explain", "--progress", "none", folder=folder)
    assert plain.read_bytes() == explained.read_bytes()
    for title in ("time: ", "columns: baskets or pages", "histograms: ", "slowest ranges"):
        assert title in text, text
    found = summary(binary, folder, "of_zlib.json", "--output", "fills.root", "--explain")
    with uproot.open(folder / "fills.root") as file:
        for fill in found["explain"]["fills"]:
            histogram = file[f"{fill['dataset']}/{fill['histogram']}"]
            assert histogram.member("fEntries") == fill["fills"] and fill["seconds"] > 0, fill
            assert fill["nanoseconds_in_columns"] > 0, fill
    assert found["explain"]["fills"]
    passed("explain: outputs are the same, and fills as many as the histograms have")


def sample(binary: Path, folder: Path) -> None:
    arguments = ["of_zstd.json", "--entries-per-range", CLUSTER]
    before = set(folder.iterdir())
    found = summary(binary, folder, *arguments, "--sample", 2)
    assert set(folder.iterdir()) == before, "a sample has left files"
    # Of ranges 0 to 3 those in the middles of two halves.
    file = found["ledger"]["datasets"][0]["files"][0]
    assert file["done"] == [[CLUSTER, 2 * CLUSTER], [3 * CLUSTER, 4 * CLUSTER]], file
    assert {missed["reason"] for missed in file["skipped"]} == {"--sample 2"}
    prediction = found["explain"]["prediction"]
    of = prediction["datasets"]["a"]
    whole = sum(stored for _, stored, _ in of_baskets([folder / "zstd.root"], {*COLUMNS, "genWeight"}).values())
    assert (of["sampled_ranges"], of["ranges"], of["sampled_entries"], of["entries"]) == (2, 4, 2 * CLUSTER, N)
    assert (of["sampled_bytes"], of["bytes"]) == (found["datasets"]["a"]["bytes_read"], whole), (of, whole)
    assert of["thread_seconds"] > 0 and of["uncertainty_seconds"] >= 0
    assert prediction["wall_seconds"] * prediction["threads"] - prediction["thread_seconds"] < 1e-9
    assert "sample 0.5: what all of it would take" in run(binary, *arguments, "--sample", "50%", "--progress", "none", folder=folder)
    run(binary, *arguments, "--sample", 1, "--output", "s.root", "--progress", "none", folder=folder)
    assert (folder / "s.incomplete.root").exists() and not (folder / "s.root").exists()
    for wrong in (["--shard", "1/2"], ["--output", "s.partial"], ["--executor", "dask"], ["--checkpoint", "kept", "--resume"]):
        result = subprocess.run([binary, *map(str, arguments), "--sample", "1", *wrong], cwd=folder, capture_output=True, text=True)
        assert result.returncode == 1 and "--sample" in result.stderr, (wrong, result.stderr)
    passed("explain: a sample is spread, says of what it is, and never has the name of the whole")


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository_files(binary, folder)
        codecs(binary, folder)
        parts(binary, folder)
        ntuple(binary, folder)
        parquet(binary, folder)
        friends(binary, folder)
        outputs(binary, folder)
        sample(binary, folder)


main()
