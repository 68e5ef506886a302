"""make_reference.py: writes datasets/reference.json, what uproot reads in each branch of the files there,
and in each field of their RNTuples.

The form is that of larger collections of files: for each branch its number of entries and its leaf, with the
number of values, the sha256 of the values (little-endian) and of the 64-bit offsets of its lists.
"""

import hashlib
import json
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

DATASETS = Path(__file__).resolve().parents[2] / "datasets"


def digest(array: np.ndarray) -> str:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()


def leaf(array: ak.Array) -> dict:
    """A branch of numbers, or of lists of numbers."""
    levels = []
    if array.ndim == 2:
        counts = ak.to_numpy(ak.num(array, axis=1)).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        level = {"jagged_lists": len(counts), "offsets_sha256": digest(offsets), "total": int(offsets[-1])}
        levels.append(level)
        array = ak.flatten(array)
    values = ak.to_numpy(array)
    dtype = "bool" if values.dtype == np.bool_ else values.dtype.str[1:]
    return {"field": "", "levels": levels, "kind": "number", "dtype": dtype, "n": len(values), "content_sha256": digest(values)}


def text(array: ak.Array) -> dict:
    """A branch of strings."""
    strings = [s.encode() for s in array.to_list()]
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in strings])]).astype(np.int64)
    content = hashlib.sha256(b"".join(strings)).hexdigest()
    return {"field": "", "levels": [], "kind": "string", "n": len(strings), "nbytes": int(offsets[-1]), "content_sha256": content, "offsets_sha256": digest(offsets)}


def branch(branch: uproot.TBranch | uproot.models.RNTuple.RField) -> dict:
    array = branch.array()
    is_text = array.ndim >= 1 and "string" in str(array.type)
    return {"n_entries": len(array), "typename": branch.typename, "leaves": [text(array) if is_text else leaf(array)]}


def file(path: Path) -> dict:
    with uproot.open(path) as opened:
        trees = {}
        for name in opened.keys(cycle=False, filter_classname="TTree"):
            tree = opened[name]
            trees[name] = {"entries": tree.num_entries, "branches": {b.name: branch(b) for b in tree.branches}}
        ntuples = {}
        for name in opened.keys(cycle=False, filter_classname="ROOT::RNTuple"):
            ntuple = opened[name]
            # Collections without a name show their members as fields of their own.
            names = [name for name in ntuple.keys(recursive=False) if not name.startswith("_collection")]
            ntuples[name] = {"entries": ntuple.num_entries, "branches": {name: branch(ntuple[name]) for name in names}}
        return {"size": path.stat().st_size, "uuid": str(opened.file.uuid), "trees": trees, "rntuples": ntuples}


def main() -> None:
    files = {path.name: file(path) for path in sorted(DATASETS.glob("*.root"))}
    about = f"What uproot {uproot.__version__} reads; see tests/python/make_reference.py"
    (DATASETS / "reference.json").write_text(json.dumps({"_doc": {"about": about}, "files": files}, indent=0) + "\n")


if __name__ == "__main__":
    main()
