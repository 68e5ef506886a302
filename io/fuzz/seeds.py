"""Makes the fuzz targets' templates and seeds with ROOT: run it with a Python that has ROOT, uproot
and pyarrow.

    python seeds.py            # writes templates/ and corpus/

Everything is written uncompressed, so that a changed byte is a changed structure and not a failed
checksum. `templates/` is compiled into the targets; `corpus/` is what a corpus begins with.
"""

import array
import os
import pathlib
import struct
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ROOT
import uproot

# ROOT writes the name of a file into it: no more than these.
os.chdir(pathlib.Path(__file__).parent)
TEMPLATES = pathlib.Path("templates")
CORPUS = pathlib.Path("corpus")


def flat(tree):
    """Every type of leaf, fixed dimensions and leaf lists."""
    values = []
    for letter, code in zip("BbSsIiLlFDOG", "bBhHiIqQfdBq"):
        value = array.array(code, [0])
        tree.Branch(f"v{letter}" + ("1" if letter.islower() else ""), value, f"v/{letter}")
        values.append(value)
    matrix = array.array("f", 6 * [0])
    tree.Branch("matrix", matrix, "matrix[2][3]/F")
    record = ROOT.List()
    tree.Branch("list", ROOT.addressof(record), "x/I:y/F:z[2]/D")

    def fill(entry):
        for at, value in enumerate(values):
            value[0] = 1 if at == 10 else entry + at
        for at in range(6):
            matrix[at] = entry + at / 8
        record.x, record.y, record.z[0], record.z[1] = entry, entry / 2, entry / 4, -1

    return fill, (values, matrix, record)


def counted(tree):
    """Arrays that another branch counts."""
    n, m = array.array("i", [0]), array.array("B", [0])
    pt, hits, bits, ids = (array.array(code, 8 * [0]) for code in "fhBq")
    tree.Branch("n", n, "n/I")
    tree.Branch("pt", pt, "pt[n]/F")
    tree.Branch("hits", hits, "hits[n][2]/S")
    tree.Branch("m", m, "m/b")
    tree.Branch("bits", bits, "bits[m]/O")
    tree.Branch("ids", ids, "ids[m]/L")

    def fill(entry):
        n[0], m[0] = entry % 3, (entry + 1) % 4
        for at in range(8):
            pt[at], hits[at], bits[at], ids[at] = entry + at / 8, -at, at % 2, entry * at

    return fill, (n, m, pt, hits, bits, ids)


def vectors(tree):
    """Standard sequences and strings, nested ones included."""
    inner = ["float", "int", "bool", "unsigned long long", "short"]
    plain = [ROOT.std.vector[name]() for name in inner]
    for at, vector in enumerate(plain):
        tree.Branch(f"v{at}", vector)
    nested, strings = ROOT.std.vector["std::vector<float>"](), ROOT.std.vector["std::string"]()
    text, letters = ROOT.std.string(""), bytearray(16)
    members = ROOT.std.set["int"](), ROOT.std.map["int", "float"]()
    tree.Branch("nested", nested)
    tree.Branch("strings", strings)
    tree.Branch("text", text)
    tree.Branch("letters", letters, "letters/C")
    tree.Branch("set", members[0])
    tree.Branch("map", members[1])

    def fill(entry):
        for at, vector in enumerate(plain):
            vector.clear()
            for value in range((entry + at) % 3):
                vector.push_back(bool(value) if inner[at] == "bool" else value)
        nested.clear(), strings.clear()
        members[0].clear(), members[1].clear()
        for at in range(entry % 3):
            part = ROOT.std.vector["float"]()
            for value in range(at + 1):
                part.push_back(value)
            nested.push_back(part)
            strings.push_back("x" * at)
            members[0].insert(at)
            members[1][at] = at / 2
        text.assign("s" * entry)
        letters[:entry] = b"c" * entry
        letters[entry] = 0

    return fill, (plain, nested, strings, text, letters, members)


def objects(tree):
    """Classes, split and not, and collections of them."""
    named, vector = ROOT.TNamed("a", "b"), ROOT.TVector2(1, 2)
    many, clones = ROOT.std.vector["TVector2"](), ROOT.TClonesArray("TVector2")
    pair = ROOT.std.vector["std::pair<int,float>"]()
    tree.Branch("named", named)
    tree.Branch("vector.", vector)
    tree.Branch("whole", vector, 32000, 0)
    tree.Branch("many", many)
    tree.Branch("clones", clones)
    tree.Branch("pairs", pair)
    # An unsplit collection of objects, whose entries are written member by member.
    tree.Branch("memberwise", many, 32000, 0)

    def fill(entry):
        named.SetName("n" * entry)
        vector.Set(float(entry), 2.0)
        many.clear(), clones.Clear(), pair.clear()
        for at in range(entry % 3):
            many.push_back(ROOT.TVector2(at, -at))
            clones.ConstructedAt(at).Set(float(at), 1.0)
            pair.push_back(ROOT.std.pair["int", "float"](at, at / 2))

    return fill, (named, vector, many, clones, pair)


def members(tree):
    """Classes with members of every kind, split and not, and packed floats."""
    whole, small = ROOT.Members(), ROOT.Small()
    whole.fill(0, small)
    smalls, many = ROOT.std.vector["Small"](), ROOT.std.vector["Members"]()
    half, packed = array.array("f", [0]), array.array("d", [0])
    tree.Branch("whole", whole, 32000, 0)
    tree.Branch("split.", whole)
    tree.Branch("smalls", smalls)
    tree.Branch("unsplit", smalls, 32000, 0)
    tree.Branch("many", many, 32000, 0)
    tree.Branch("half", half, "half/f")
    tree.Branch("ranged", packed, "ranged/d[0,10,6]")
    tree.Branch("truncated", packed, "truncated/d[0,0,9]")

    def fill(entry):
        whole.fill(entry, small)
        half[0], packed[0] = entry / 2, entry + 0.5
        smalls.clear(), many.clear()
        for at in range(entry % 3):
            smalls.push_back(small)
        if entry == 1:
            many.push_back(whole)

    return fill, (whole, small, smalls, many, half, packed)


KINDS = [flat, counted, vectors, objects, members]


class Tree:
    """A tree with those of a kind's branches that are chosen, without room for baskets to come."""

    def __init__(self, kind, name, chosen=None):
        self.names = []
        self.chosen = chosen
        self.tree = ROOT.TTree(name, "")
        self.tree.SetAutoFlush(0)
        self.tree.SetAutoSave(0)
        self.fill_entry, self.keep = kind(self)

    def Branch(self, name, address, *more):
        self.names.append(name)
        counts = name in ("n", "m") and self.chosen in ("pt", "hits", "bits", "ids")
        if self.chosen in (None, name) or counts:
            self.tree.Branch(name, address, *more).SetBasketSize(1000)

    def fill(self, entries):
        for entry in entries:
            self.fill_entry(entry)
            self.tree.Fill()


def templates():
    """Trees of all kinds in one file, each branch in two baskets."""
    file = ROOT.TFile(str(TEMPLATES / "kinds.root"), "RECREATE", "", 0)
    trees = []
    for kind in KINDS:
        tree = Tree(kind, kind.__name__)
        tree.fill(range(3))
        tree.tree.FlushBaskets()
        tree.fill(range(3, 5))
        tree.tree.Write()
        trees.append(tree)
    file.Close()


def ntuples():
    file = ROOT.TFile(str(TEMPLATES / "ntuples.root"), "RECREATE", "", 0)
    ROOT.ntuple(file, "plain", 0)
    ROOT.ntuple(file, "split", 505)
    file.Close()


def parquets():
    """Tables with columns of every kind: pages of both versions, all encodings and codecs."""
    point = pa.struct([("x", pa.float32()), ("hits", pa.list_(pa.int16()))])
    table = pa.table(
        {
            "flag": pa.array([True, False, True, False, True]),
            "i8": pa.array([1, -2, 3, -4, 5], pa.int8()),
            "u64": pa.array([1, 2, 3, 4, 2**63], pa.uint64()),
            "f": pa.array([0.5, 1, 1.5, 2, 2.5], pa.float32()),
            "half": np.array([0.5, 1, 1.5, 2, 2.5], "f2"),
            "text": ["", "a", "bb", "a", "bb"],
            "list": pa.array([[], [1], [1, 2], [], [3]], pa.list_(pa.float32())),
            "nested": pa.array([[], [[1], []], [[1, 2]], [], [[3]]], pa.list_(pa.list_(pa.int32()))),
            "fixed": pa.array([[1, 2]] * 5, pa.list_(pa.float64(), 2)),
            "point": pa.array([{"x": 1, "hits": [1]}] * 5, point),
            "points": pa.array([[], [{"x": 1, "hits": []}], [{"x": 1, "hits": [2]}] * 2, [], []], pa.list_(point)),
        }
    )
    numbers = ["i8", "u64", "nested.list.element.list.element"]
    deltas = {name: "DELTA_BINARY_PACKED" for name in numbers}
    deltas |= {"text": "DELTA_BYTE_ARRAY", "f": "BYTE_STREAM_SPLIT", "list.list.element": "BYTE_STREAM_SPLIT"}
    options = {
        "plain": {"compression": "none", "use_dictionary": False},
        "dictionary": {"compression": "snappy", "use_dictionary": True, "write_page_checksum": True},
        "delta": {"compression": "none", "use_dictionary": False, "column_encoding": deltas},
        "zstd": {"compression": "zstd", "data_page_version": "2.0", "use_dictionary": ["text"]},
        "gzip": {"compression": "gzip", "data_page_version": "2.0", "use_dictionary": False},
        "brotli": {"compression": "brotli", "use_dictionary": False},
    }
    for name, more in options.items():
        path = TEMPLATES / f"{name}.parquet"
        pq.write_table(table, path, row_group_size=3, write_page_index=True, data_page_size=16, **more)


def raw(path, name):
    """The bytes of an object as they lie in an uncompressed file."""
    data = path.read_bytes()
    with uproot.open(path) as file:
        key = file.key(name)
        assert key.data_uncompressed_bytes == key.data_compressed_bytes, name
        start = key.fSeekKey + key.fKeylen
        return data[start : start + key.data_uncompressed_bytes]


def save(target, name, data):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data)


def trees():
    """Tree records whose baskets are inside: the same kinds, and each branch by itself."""
    scratch = CORPUS / "scratch.root"
    for kind in KINDS:
        names, at = [None], 0
        while at < len(names):
            chosen = names[at]
            at += 1
            # The name of the target's key: positions inside the record count from the key's start.
            file = ROOT.TFile(str(scratch), "RECREATE", "", 0)
            tree = Tree(kind, "t", chosen)
            names = names if at > 1 else [None, *tree.names]
            tree.fill(range(4))
            # Without flushing: the baskets stay in the record.
            file.WriteTObject(tree.tree, "t")
            file.Close()
            if (kind, chosen) != (members, None):  # too large for a seed
                save("tree", f"{kind.__name__}-{(chosen or 'all').strip('.')}", raw(scratch, "t"))
    scratch.unlink()


def files():
    """Whole files: directories in directories, cycles, a histogram, a tree, a subdirectory of one name."""
    for compression, name in [(0, "plain"), (101, "zlib"), (404, "lz4"), (505, "zstd"), (207, "lzma")]:
        (CORPUS / "file").mkdir(parents=True, exist_ok=True)
        path = CORPUS / "file" / f"{name}.root"
        file = ROOT.TFile(str(path), "RECREATE", "t", compression)
        ROOT.TObjString("x" * 300).Write("text")
        ROOT.TObjString("y").Write("text")
        inner = file.mkdir("a").mkdir("b")
        inner.cd()
        ROOT.TNamed("n", "t" * 300).Write()
        if compression:
            file.cd()
            tree = ROOT.TTree("t", "")
            value = array.array("i", [0])
            tree.Branch("x", value, "x/I")
            for _ in range(300):
                tree.Fill()
            tree.Write()
        file.Close()


def streamers():
    """The list of classes of the templates, whole and in parts."""
    path = TEMPLATES / "kinds.root"
    data = path.read_bytes()
    at, length = struct.unpack(">i", data[37:41])[0], struct.unpack(">i", data[41:45])[0]
    key_length = struct.unpack(">h", data[at + 14 : at + 16])[0]
    stored = data[at + key_length : at + length]
    # The first byte chooses the tree that is read, as `streamers.rs` numbers them.
    save("streamers", "objects", b"\0" + stored)
    save("streamers", "members", b"\1" + stored)
    # A version of TTree that the reader knows from the file alone.
    where = stored.index(b"\x05TTree")
    where = stored.index(struct.pack(">i", 20), where)
    save("streamers", "tree21", b"\2" + stored[:where] + struct.pack(">i", 21) + stored[where + 4 :])


def histograms():
    scratch = CORPUS / "scratch.root"
    n = 0

    def one(histogram):
        nonlocal n
        file = ROOT.TFile(str(scratch), "RECREATE", "", 0)
        file.WriteTObject(histogram, "h")
        file.Close()
        name = histogram.ClassName()
        # The first byte chooses the class, as `histogram.rs` numbers them.
        save("histogram", f"{n:02}-{name}", bytes([CLASSES.index(name)]) + raw(scratch, "h"))
        n += 1

    for letter in "CSIFD":
        one(getattr(ROOT, f"TH1{letter}")("h", "t;x;y", 3, 0, 1))
    for dimension, bins in [(2, (2, 0.0, 1.0) * 2), (3, (2, 0.0, 1.0) * 3)]:
        one(getattr(ROOT, f"TH{dimension}D")("h", "t", *bins))
    one(ROOT.TProfile("h", "t", 2, 0, 1))
    one(ROOT.TProfile2D("h", "t", 2, 0, 1, 2, 0, 1))
    one(ROOT.TProfile3D("h", "t", 1, 0, 1, 1, 0, 1, 1, 0, 1))
    edges = ROOT.TH1F("h", "t", 3, array.array("d", [0, 1, 3, 7]))
    edges.Sumw2()
    edges.Fill(2, 0.5)
    one(edges)
    labels = ROOT.TH1D("h", "t", 3, 0, 3)
    for at in (1, 3):
        labels.GetXaxis().SetBinLabel(at, "l" * at)
    one(labels)
    buffered = ROOT.TH1D("h", "t", 3, 1, 0)
    buffered.SetBuffer(10)
    buffered.Fill(3)
    one(buffered)
    scratch.unlink()


CLASSES = [f"TH{d}{letter}" for d in (1, 2, 3) for letter in "CSIFD"] + ["TProfile", "TProfile2D", "TProfile3D"]


def main():
    ROOT.gErrorIgnoreLevel = ROOT.kWarning
    ROOT.TH1.AddDirectory(False)
    for folder in (TEMPLATES, CORPUS):
        folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as built:
        for header in ("members.h", "ntuples.h"):
            assert ROOT.gSystem.CompileMacro(str(TEMPLATES / header), "k", "", built)
    ROOT.gInterpreter.Declare("struct List { int x; float y; double z[2]; };")
    templates()
    ntuples()
    parquets()
    trees()
    files()
    streamers()
    histograms()


main()
