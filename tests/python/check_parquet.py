"""check_parquet.py BINARY: columns of Parquet files equal pyarrow's and awkward's reading of them, and analyses of
Parquet copies give the histograms of the ROOT files.

The files are made here, seeded: every type, codec, version of pages and form of encoding that pyarrow writes, and the
records that `ak.to_parquet` writes. `conformance`, beside BINARY, reads every column of them in ranges and batches.
"""

import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from make_reference import leaf, text
from oracle import FIXTURES, REPOSITORY, passed, run, skip

CODECS = ["none", "snappy", "gzip", "zstd", "lz4"]
# Row groups of 300 entries, pages of about 100 rows.
LAYOUT = {"row_group_size": 300, "data_page_size": 500, "write_batch_size": 50}


def lists(random: np.random.Generator, n: int, of: np.dtype) -> ak.Array:
    counts = random.integers(0, 5, n)
    return ak.unflatten(random.integers(0, 100, counts.sum()).astype(of), counts)


def columns(random: np.random.Generator, n: int) -> dict[str, ak.Array | pa.Array]:
    """A column of each type that a processor can declare."""
    found: dict[str, ak.Array | pa.Array] = {}
    for width in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(width)
        found[width] = ak.Array(random.integers(limits.min, limits.max, n, dtype=width, endpoint=True))
        found[f"{width}_list"] = lists(random, n, np.dtype(width))
    for width in ("float32", "float64"):
        found[width] = ak.Array(random.normal(size=n).astype(width))
        found[f"{width}_list"] = lists(random, n, np.dtype(width)) / np.array(7, width)
    found["float64"] = ak.Array(np.where(random.random(n) < 0.01, np.nan, ak.to_numpy(found["float64"])))
    found["constant"] = ak.Array(np.full(n, 5, np.int32))
    found["rising"] = ak.Array(np.arange(n, dtype=np.int64) + 2**40)
    found["bool"] = ak.Array(random.random(n) < 0.5)
    found["bool_list"] = lists(random, n, np.dtype("int8")) % 2 == 0
    found["string"] = ak.Array(["ä" * int(k) + str(k) for k in random.integers(0, 20, n)])
    found["empty_lists"] = ak.unflatten(np.zeros(0, np.float32), np.zeros(n, int))
    found["fixed"] = ak.Array(random.normal(size=(n, 3)).astype(np.float32))
    return found


def by_pyarrow(folder: Path) -> dict[str, dict]:
    """Files of every codec and both versions of pages, with and without dictionaries and index."""
    random = np.random.default_rng(1)
    files = {}
    for codec, version, dictionary in product(CODECS, ["1.0", "2.0"], [False, True]):
        made = columns(random, 1000)
        table = pa.table({name: ak.to_arrow(array, extensionarray=False) for name, array in made.items()})
        name = f"{codec}-{version}-{'dictionary' if dictionary else 'plain'}.parquet"
        index = {"write_page_index": version == "2.0"}
        pq.write_table(table, folder / name, compression=codec, data_page_version=version, use_dictionary=dictionary, **LAYOUT, **index)
        assert pq.ParquetFile(folder / name).num_row_groups == 4
        read = pq.read_table(folder / name)
        files[name] = {column: ak.from_arrow(read[column]) for column in made}
    # Encodings of numbers that no writer takes by itself; and columns that may hold nulls and hold none.
    made = columns(random, 500)
    made = {name: array for name, array in made.items() if "string" not in name and array.ndim == 1}
    encodings = {name: "DELTA_BINARY_PACKED" for name in made if name[-5:] in ("int32", "int64") or name == "rising"}
    encodings |= {name: "BYTE_STREAM_SPLIT" for name in made if name.startswith("float")}
    table = pa.table({name: pa.array(ak.to_numpy(array)) for name, array in made.items()})
    assert all(field.nullable for field in table.schema)
    pq.write_table(table, folder / "encodings.parquet", use_dictionary=False, column_encoding=encodings, **LAYOUT)
    pq.write_table(table.slice(0, 0), folder / "empty.parquet")
    for name in ("encodings.parquet", "empty.parquet"):
        read = pq.read_table(folder / name)
        files[name] = {column: ak.Array(read[column].to_numpy()) for column in made}
    return files


def by_awkward(folder: Path) -> dict[str, dict]:
    """Records, as an analysis of NanoAOD in awkward has them, under the names of NanoAOD."""
    random = np.random.default_rng(2)
    n = 700
    counts = random.integers(0, 4, n)
    member = lambda of: random.integers(0, 1000, counts.sum()).astype(of)  # noqa: E731
    hits = lists(random, int(counts.sum()), np.dtype("uint8"))
    muons = ak.zip({"pt": member("float32"), "charge": member("int32"), "hits": hits, "tight": member("int8") % 2 == 0}, depth_limit=1)
    met = ak.zip({"pt": random.normal(size=n).astype(np.float32), "sum": ak.zip({"et": random.normal(size=n)})})
    events = ak.zip({"run": np.arange(n, dtype=np.uint32), "Muon": ak.unflatten(muons, counts), "MET": met}, depth_limit=1)
    files = {}
    for name, options in {"awkward.parquet": {}, "awkward-32.parquet": {"list_to32": True, "extensionarray": True}}.items():
        ak.to_parquet(events, folder / name, row_group_size=200, **options)
        back = ak.from_parquet(folder / name)
        files[name] = {
            "run": back.run, "nMuon": ak.values_astype(ak.num(back.Muon), np.uint32), "MET_pt": back.MET.pt, "MET_sum_et": back.MET.sum.et,
        } | {f"Muon_{field}": back.Muon[field] for field in ("pt", "charge", "hits", "tight")}  # fmt: skip
    return files


def reference(column: ak.Array) -> dict:
    """A column as an entry of a reference.json."""
    if "string" in str(column.type):
        return {"leaves": [text(column)]}
    if column.ndim == 2 and "var" not in str(column.type):
        values = ak.to_numpy(column, allow_missing=False)
        return {"leaves": [leaf(ak.Array(values.reshape(-1))) | {"levels": [{"fixed": values.shape[1]}]}]}
    column = ak.drop_none(column)
    if column.ndim == 3:
        inner = leaf(ak.flatten(column))
        return {"leaves": [inner | {"levels": leaf(ak.num(column, axis=2))["levels"] + inner["levels"]}]}
    return {"leaves": [leaf(column)]}


def conformance(binary: Path, folder: Path, files: dict[str, dict]) -> None:
    described = {}
    for name, found in files.items():
        branches = {column: {"kind": "parquet"} | reference(array) for column, array in found.items()}
        entries = len(next(iter(found.values())))
        described[name] = {"trees": {"Events": {"entries": entries, "branches": branches}}}
    (folder / "reference.json").write_text(json.dumps({"files": described}))
    output = folder / "outcome.json"
    result = subprocess.run([binary.with_name("conformance"), folder, "--json", output], capture_output=True, text=True)
    outcome = json.loads(output.read_text()) if output.exists() else sys.exit(result.stderr)
    for name, found in outcome["files"].items():
        wrong = [one for one in found if one["outcome"] != "equal"]
        if wrong or len(found) != len(files[name]):
            sys.exit(f"{name}: {len(found)} columns of {len(files[name])}, and not equal: {wrong[:5]}")
    passed(f"{outcome['total']['equal']} columns of {len(files)} files equal pyarrow's and awkward's reading")


def complaint(binary: Path, table: pa.Table, column: str, folder: Path, **options: object) -> str:
    """Why the binary cannot list `column` or read it with a processor."""
    pq.write_table(table, folder / "bad.parquet", **options)
    listed = json.loads(run(binary, "inspect", "bad.parquet", "--format", "json", folder=folder))
    found = {branch["name"]: branch for branch in listed["trees"]["Events"]["branches"]}
    return found[column]["unreadable"] or ""


def refusals(binary: Path, folder: Path) -> None:
    """What cannot be read says so, and why."""
    x = pa.array([1.0, 2.0])
    said = complaint(binary, pa.table({"x": x}), "x", folder, compression="brotli")
    assert said == "it is compressed with brotli", said
    cases = {
        "times": pa.array([1, 2], pa.timestamp("us")), "dates": pa.array([1, 2], pa.date32()),
        "decimal numbers": pa.array([1, 2], pa.decimal128(5)), "it is a map": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int32())),
    }  # fmt: skip
    for reason, array in cases.items():
        said = complaint(binary, pa.table({"x": array}), "x", folder)
        assert reason in said, (reason, said)
    # Nulls are found when they are read; with them no part of the range is in the output.
    with uproot.open(REPOSITORY / "datasets" / "nano_dimuon.root") as file:
        arrays = file["Events"].arrays(filter_name="/Muon_(pt|eta|phi|mass|charge)/")
    arrays["Muon_pt"] = ak.mask(arrays.Muon_pt, arrays.Muon_pt < 50)
    ak.to_parquet(arrays, folder / "nulls.parquet")
    (folder / "nulls.yaml").write_text("processor: {name: dimuon}\ndatasets: {d: {files: [nulls.parquet]}}\n")
    command = [binary, "nulls.yaml", "--progress", "none", "--retries", "0"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode in (2, 3) and "Muon_pt" in result.stderr and "are null" in result.stderr, result.stderr
    passed("other types, codecs and nulls are errors that say so")


def histograms(binary: Path, processor: str, file: Path, folder: Path) -> dict:
    (folder / "f.yaml").write_text(f"processor: {processor}\ntree: Events\ndatasets: {{events: [{file}]}}\n")
    run(binary, "f.yaml", "--output", "f.root", "--progress", "none", folder=folder)
    with uproot.open(folder / "f.root") as out:
        names = out.keys(cycle=False, filter_classname="TH1D")
        assert names
        return {name: (out[name].values(flow=True).tolist(), out[name].member("fEntries")) for name in names}


def same(binary: Path, processor: str, root: Path, copies: list[Path], folder: Path) -> None:
    want = histograms(binary, processor, root, folder)
    assert any(entries > 0 for _, entries in want.values())
    for copy in copies:
        assert histograms(binary, processor, copy, folder) == want, (processor, copy.name)
        passed(f"{processor} of {copy.name} equals {root.name}'s: {', '.join(want)}")


def analyses(binary: Path, folder: Path) -> None:
    for root in sorted((REPOSITORY / "datasets").glob("*.root")):
        with uproot.open(root) as file:
            flat = file["Events"].arrays(filter_name="/genWeight|run|n?(Muon|Jet)(_.*)?/")
        records = {name: flat[name] for name in ("run", "genWeight") if name in flat.fields}
        for kind in ("Muon", "Jet"):
            prefix = f"{kind}_"
            members = {name.removeprefix(prefix): flat[name] for name in flat.fields if name.startswith(prefix)}
            records[kind] = ak.zip(members, depth_limit=2)
        copies = [folder / f"{root.stem}-{form}.parquet" for form in ("flat", "records")]
        ak.to_parquet(flat, copies[0], row_group_size=11)
        ak.to_parquet(ak.zip(records, depth_limit=1), copies[1], row_group_size=7)
        same(binary, "dimuon", root, copies, folder)
    adl = FIXTURES / "adl_real_1000"
    if not adl.exists():
        skip("adl of Parquet files", f"no {adl}")
        return
    root = adl / "Run2012B_SingleMu_1000.root"
    with uproot.open(root) as file:
        events = file["Events"].arrays()
    own = folder / "adl.parquet"
    ak.to_parquet(events, own, row_group_size=130)
    for query in range(1, 9):
        same(binary, f"adl_q{query}", root, [own, adl / "Run2012B_SingleMu-1000.parquet"], folder)


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        made, folder = Path(name) / "made", Path(name) / "work"
        made.mkdir()
        folder.mkdir()
        conformance(binary, made, by_pyarrow(made) | by_awkward(made))
        refusals(binary, folder)
        analyses(binary, folder)


if __name__ == "__main__":
    main()
