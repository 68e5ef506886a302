"""check_rntuple.py CONFORMANCE: RNTuples as ROOT writes and reads them, against our reader.

rntuples/write.cpp writes them, with seeded values, in each codec: many pages and clusters, groups of clusters, fields that are
added while entries are written, projected fields, collections without a type, real numbers of any number of bits. The
reference has what ROOT reads again. The program `conformance` compares each column with it.
"""

import json
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
from oracle import passed, skip

sys.path.insert(0, str(Path(__file__).parent / "rdataframe"))
from build import program  # noqa: E402

# ROOT's numbers of algorithms, times 100, and a level. Without compression, columns are not split.
CODECS = {"none": 0, "zlib": 106, "lzma": 207, "lz4": 404, "zstd": 505}


def offsets(lengths: list[int]) -> str:
    return sha256(np.concatenate([[0], np.cumsum(lengths)]).astype("<i8").tobytes()).hexdigest()


def leaves(kind: str | list, values: list, field: str = "", levels: tuple = ()) -> list[dict]:
    """The leaves of a type, as the reference has them."""

    def inside(kind: str | list, values: list, level: dict) -> list[dict]:
        return leaves(kind, values, field, (*levels, level))

    match kind:
        case "string":
            texts = [value.encode() for value in values]
            leaf = {"kind": "string", "offsets_sha256": offsets([len(text) for text in texts])}
            content = b"".join(texts)
        case str():
            leaf = {"kind": "number", "dtype": kind}
            content = np.array(values, dtype="?" if kind == "bool" else f"<{kind}").tobytes()
        case ["list", item]:
            flat = [value for values in values for value in values]
            return inside(item, flat, {"offsets_sha256": offsets([len(value) for value in values])})
        case ["fixed", length, item]:
            return inside(item, [value for values in values for value in values], {"fixed": length})
        case ["option", item]:
            there = [value for value in values if value is not None]
            valid = sha256(bytes(value is not None for value in values)).hexdigest()
            level = {"option_valid_sha256": valid, "n": len(values), "n_valid": len(there)}
            return inside(item, there, level)
        case ["record", members]:
            members = enumerate(members)
            path = f"{field}." if field else ""
            return [leaf for at, kind in members for leaf in leaves(kind, [v[at] for v in values], f"{path}{at}", levels)]
        case ["variant", types]:
            # 0 stands for no value.
            tags = sha256(bytes(tag + 1 for tag, _ in values)).hexdigest()
            found = []
            for tag, kind in enumerate(types):
                level = {"union_tags_sha256": tags, "tag": tag + 1}
                held = [value for index, value in values if index == tag]
                path = f"{field}.<{tag + 1}>" if field else f"<{tag + 1}>"
                found += leaves(kind, held, path, (*levels, level))
            return found
    return [{"field": field, "levels": list(levels), **leaf, "n": len(values), "content_sha256": sha256(content).hexdigest()}]


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    write = program(Path(__file__).parent / "rntuples" / "write.cpp")
    if write is None:
        return skip("RNTuples as ROOT writes them", "there is no g++ to compile a writer with")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, columns = {}, 0
        for codec, compression in CODECS.items():
            path = folder / f"{codec}.root"
            ntuples = {}
            for ntuple, told in json.loads(subprocess.check_output([write, path, str(compression)])).items():
                entries = told.pop("entries")
                assert all(len(one["values"]) == entries for one in told.values())
                branches = {
                    field: {"typename": ntuple, "leaves": leaves(one["kind"], one["values"])} for field, one in told.items()
                }
                columns += len(branches)
                ntuples[ntuple] = {"entries": entries, "branches": branches}
            files[path.name] = {"trees": {}, "rntuples": ntuples}
        (folder / "reference.json").write_text(json.dumps({"_doc": {}, "files": files}))
        outcomes = folder / "outcomes.json"
        command = [str(binary), str(folder), "--by-kind", "--unsupported", "--complaints", "40", "--json", str(outcomes)]
        done = subprocess.run(command, capture_output=True, text=True)
        print(done.stdout, done.stderr, file=sys.stderr)
        if done.returncode:
            sys.exit(f"{columns} columns of RNTuples: ours and ROOT's differ")
        passed(f"{columns} columns of RNTuples in {len(CODECS)} codecs are what ROOT reads")


if __name__ == "__main__":
    main()
