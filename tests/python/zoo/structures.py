"""Trees that are special in how they lie in a file, or in what they lack: simple columns, no C++ of our own."""

from pathlib import Path

import numpy as np

from reference import content, numbers

TYPES = {"f4": "F", "f8": "D", "i4": "I", "i8": "L", "u1": "b"}


def column(values: np.ndarray, entries: int | None = None) -> dict:
    """What reference.json says of a branch of numbers, or of arrays of one length."""
    dtype = values.dtype.str[1:]
    levels = [{"fixed": length} for length in values.shape[1:]]
    leaf = {"field": "", "levels": levels, "n": values.size, "kind": "number", **content(values.tobytes(), dtype)}
    return {"typename": dtype, "n_entries": len(values), "leaves": [leaf]}


def jagged(counts: np.ndarray, values: np.ndarray) -> dict:
    """The same of a branch of lists."""
    described = column(values)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    described["leaves"][0]["levels"] = [{"offsets_sha256": numbers(offsets, "<i8")}]
    return described | {"n_entries": len(counts)}


class Structures:
    """Writes one file, and what it holds."""

    def __init__(self, ROOT, path: Path):
        self.ROOT, self.random = ROOT, np.random.default_rng(7)
        self.file = ROOT.TFile(str(path), "RECREATE", "", 101)
        self.trees: dict = {}

    def write(self) -> dict:
        """Writes the file; what reference.json says of its trees."""
        for part in (self.folders, self.cycles, self.lacking, self.tuples, self.clusters, self.twins, self.large, self.many, self.late, self.varying):
            self.file.cd()
            part()
        self.file.Close()
        return self.trees

    def numbers(self, dtype: str, *shape: int) -> np.ndarray:
        """Any numbers: floats of ordinary sizes."""
        if dtype[0] == "f":
            return (self.random.standard_normal(shape) * 100).astype(dtype)
        limits = np.iinfo(dtype)
        return self.random.integers(limits.min, limits.max, shape, dtype)

    def tree(self, name: str, columns: dict[str, np.ndarray], **settings) -> dict:
        """Makes a tree with these columns and fills it."""
        tree = self.ROOT.TTree(name.rsplit("/", 1)[-1], "")
        for setting, value in settings.items():
            getattr(tree, setting)(value)
        filled = self.fill(tree, columns)
        tree.Write()
        self.trees[name] = {"entries": tree.GetEntries(), "branches": {name: column(all) for name, all in filled.items()}}
        return self.trees[name]

    def fill(self, tree, columns: dict[str, np.ndarray], basket: int = 2000) -> dict[str, np.ndarray]:
        """Adds branches and entries; duplicate names end with #2."""
        buffers = []
        for name, values in columns.items():
            buffer = np.zeros(values.shape[1:] or (1,), values.dtype)
            plain = name.split("#")[0]
            shape = "".join(f"[{length}]" for length in values.shape[1:])
            tree.Branch(plain, buffer, f"{plain}{shape}/{TYPES[values.dtype.str[1:]]}", basket)
            buffers.append((buffer, values))
        for entry in range(len(next(iter(columns.values())))):
            for buffer, values in buffers:
                buffer[...] = values[entry]
            tree.Fill()
        tree.ResetBranchAddresses()
        return columns

    def folders(self) -> None:
        folder = self.file.mkdir("folder").mkdir("inside")
        folder.cd()
        self.tree("folder/inside/tree", {"x": self.numbers("f4", 50), "m": self.numbers("i4", 50, 2, 3)})

    def cycles(self) -> None:
        """The same name written again: the last one counts."""
        for entries in (10, 20):
            self.tree("cycles", {"x": self.numbers("f8", entries)})

    def lacking(self) -> None:
        self.tree("empty", {"x": self.numbers("f4", 0), "a": self.numbers("u1", 0, 3)})
        self.ROOT.TTree("branchless", "").Write()
        self.trees["branchless"] = {"entries": 0, "branches": {}}

    def tuples(self) -> None:
        for kind, dtype in (("TNtuple", "f4"), ("TNtupleD", "f8")):
            rows = self.numbers(dtype, 300, 3)
            ntuple = getattr(self.ROOT, kind)(kind, "", "a:b:c", 1000)
            for row in rows:
                ntuple.Fill(row)
            ntuple.Write()
            self.trees[kind] = {"entries": 300, "branches": {name: column(rows[:, at].copy()) for at, name in enumerate("abc")}}

    def clusters(self) -> None:
        """Clusters of several lengths."""
        tree = self.ROOT.TTree("clusters", "")
        value, values = np.zeros(1, "i4"), self.numbers("i4", 400)
        tree.Branch("x", value, "x/I", 600)
        for entry, number in enumerate(values):
            if entry in (0, 100, 250):
                tree.SetAutoFlush({0: 30, 100: 45, 250: 7}[entry])
            value[0] = number
            tree.Fill()
        tree.Write()
        self.trees["clusters"] = {"entries": 400, "branches": {"x": column(values)}}

    def twins(self) -> None:
        """Two branches of one name."""
        self.tree("twins", {"x": self.numbers("i4", 40), "x#2": self.numbers("f8", 40)})

    def large(self) -> None:
        """A basket of more than 16 MiB, which is several compressed blocks."""
        tree = self.ROOT.TTree("large", "")
        tree.SetAutoFlush(0)
        values = self.random.integers(0, 9, (9, 250_000)).astype("f8")
        self.fill(tree, {"x": values}, basket=1 << 25)
        tree.Write()
        self.trees["large"] = {"entries": len(values), "branches": {"x": column(values)}}

    def many(self) -> None:
        """Lists in many baskets, some of them empty."""
        tree = self.ROOT.TTree("many", "")
        counts = np.where(np.arange(3000) % 400 < 200, 0, self.random.integers(0, 30, 3000)).astype("i4")
        values = self.numbers("f8", int(counts.sum()))
        n, x = np.zeros(1, "i4"), np.zeros(30)
        tree.Branch("n", n, "n/I", 100)
        tree.Branch("x", x, "x[n]/D", 300)
        ends = np.cumsum(counts)
        for count, end in zip(counts, ends, strict=True):
            n[0] = count
            x[:count] = values[end - count : end]
            tree.Fill()
        tree.Write()
        self.trees["many"] = {"entries": 3000, "branches": {"n": column(counts), "x": jagged(counts, values)}}

    def late(self) -> None:
        """A branch made when the tree has entries: it has fewer, and its first one is that of the tree."""
        tree = self.ROOT.TTree("late", "")
        values, later = self.numbers("i4", 100), self.numbers("f4", 40)
        x, y = np.zeros(1, "i4"), np.zeros(1, "f4")
        tree.Branch("x", x, "x/I")
        for entry in range(100):
            if entry == 60:
                tree.Branch("y", y, "y/F")
            x[0] = values[entry]
            y[0] = later[entry - 60] if entry >= 60 else 0
            tree.Fill()
        tree.Write()
        self.trees["late"] = {"entries": 100, "branches": {"x": column(values), "y": column(later)}}

    def varying(self) -> None:
        """A leaf list whose first leaf counts the values of the others."""
        entries, most = 200, 4
        tree = self.ROOT.TTree("varying", "")
        buffer = np.zeros(1, [("n", "i4"), ("x", "f4", most), ("y", "i2", most)])
        branch = tree.Branch("r", buffer.view("u1"), "n/I:x[n]/F:y[n]/S", 300)
        # ROOT takes the leaves for as long as the counter says when the branch is made.
        branch.GetListOfLeaves().At(2).SetOffset(buffer.dtype.fields["y"][1])
        branch.SetAddress(buffer.view("u1"))
        counts = self.random.integers(0, most + 1, entries).astype("i4")
        values = {"x": self.numbers("f4", int(counts.sum())), "y": self.numbers("i2", int(counts.sum()))}
        for count, end in zip(counts, np.cumsum(counts), strict=True):
            buffer["n"] = count
            for name, all_of_them in values.items():
                buffer[name][0, :count] = all_of_them[end - count : end]
            tree.Fill()
        tree.ResetBranchAddresses()
        tree.Write()
        described = column(counts)
        described["leaves"][0]["field"] = "n"
        for name, all_of_them in values.items():
            described["leaves"].append(jagged(counts, all_of_them)["leaves"][0] | {"field": name})
        self.trees["varying"] = {"entries": entries, "branches": {"r": described}}
