"""Trees of every type in every layout."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reference import reference

# Branches and fields of these types, by name.
STANDARD = {
    "string": "std::string",
    "v_bool": "std::vector<bool>",
    "v_char": "std::vector<char>",
    "v_uchar": "std::vector<unsigned char>",
    "v_short": "std::vector<short>",
    "v_ushort": "std::vector<unsigned short>",
    "v_int": "std::vector<int>",
    "v_uint": "std::vector<unsigned int>",
    "v_long": "std::vector<long>",
    "v_ulong": "std::vector<unsigned long>",
    "v_float": "std::vector<float>",
    "v_double": "std::vector<double>",
    "v_string": "std::vector<std::string>",
    "vv_float": "std::vector<std::vector<float>>",
    "vv_bool": "std::vector<std::vector<bool>>",
    "vvv_int": "std::vector<std::vector<std::vector<int>>>",
    "vv_string": "std::vector<std::vector<std::string>>",
    "v_pair": "std::vector<std::pair<int,std::string>>",
    "m_int_float": "std::map<int,float>",
    "m_string_vi": "std::map<std::string,std::vector<int>>",
    "m_string_m": "std::map<std::string,std::map<int,double>>",
    "mm_int_string": "std::multimap<int,std::string>",
    "um_int_double": "std::unordered_map<int,double>",
    "umm_int_int": "std::unordered_multimap<int,int>",
    "set_int": "std::set<int>",
    "set_string": "std::set<std::string>",
    "mset_short": "std::multiset<short>",
    "uset_int": "std::unordered_set<int>",
    "umset_int": "std::unordered_multiset<int>",
    "pair": "std::pair<int,double>",
    "pair_nested": "std::pair<std::string,std::vector<float>>",
    "v_set": "std::vector<std::set<int>>",
    "rvec_float": "ROOT::RVec<float>",
    "rvec_int": "ROOT::RVec<int>",
    "v_point": "std::vector<zoo::Point>",
    "v_derived": "std::vector<zoo::Derived>",
    "v_nested": "std::vector<zoo::Nested>",
    "vv_point": "std::vector<std::vector<zoo::Point>>",
    "m_int_point": "std::map<int,zoo::Point>",
    "m_string_string": "std::map<std::string,std::string>",
    "m_pair": "std::map<std::pair<int,short>,float>",
    "v_m": "std::vector<std::map<int,float>>",
    "v_color": "std::vector<zoo::Color>",
    "v_empty": "std::vector<zoo::Empty>",
    "v_hollow": "std::vector<zoo::Hollow>",
    "rvec_bool": "ROOT::RVec<bool>",
}
# Only in a TTree.
TREE = {
    "list_int": "std::list<int>",
    "deque_double": "std::deque<double>",
    "forward_short": "std::forward_list<short>",
    "list_vf": "std::list<std::vector<float>>",
    "list_point": "std::list<zoo::Point>",
    "v_lorentz": "std::vector<TLorentzVector>",
    "v_vector3": "std::vector<TVector3>",
    "v_hit": "std::vector<zoo::Hit>",
    "v_track": "std::vector<zoo::Track>",
    "lorentz": "TLorentzVector",
    "vector2": "TVector2",
    "vector3": "TVector3",
    "strings": "zoo::Strings",
    "counted": "zoo::Counted",
    "c_string": "zoo::CString",
    "containers": "zoo::Containers",
    "event": "zoo::Event",
    "referring": "zoo::Referring",
    "pointing": "zoo::Pointing",
    "clones": "TClonesArray",
    "v_complex": "std::vector<std::complex<float>>",
    "complex": "std::complex<double>",
    "owned": "zoo::Owned",
    "label": "zoo::Label",
    "mixed": "zoo::Mixed",
    "both": "zoo::Both",
    "arrays": "zoo::Arrays",
    "pointers": "zoo::Pointers",
    "packed_lists": "zoo::PackedLists",
    "recursive": "zoo::Recursive",
    "series": "zoo::Series",
    "v_ptr": "std::vector<zoo::Point*>",
    "l_ptr": "std::list<zoo::Track*>",
    "v_double32": "std::vector<Double32_t>",
    "v_named": "std::vector<TNamed>",
    "v_label": "std::vector<zoo::Label>",
    "v_tstring": "std::vector<TString>",
    "heir": "zoo::CountedHeir",
    "v_counted": "std::vector<zoo::Counted>",
    "v_heir": "std::vector<zoo::CountedHeir>",
    "collections": "zoo::ArraysOfCollections",
    "v_collections": "std::vector<zoo::ArraysOfCollections>",
    "enumerations": "zoo::Enumerations",
    "v_tiny": "std::vector<zoo::Tiny>",
    "vv_small": "std::vector<std::vector<zoo::Small>>",
    "m_flavour": "std::map<zoo::Flavour,zoo::Flavour>",
    "matrices": "zoo::Matrices",
    "matrix_sym": "TMatrixDSym",
    "v_matrix_sym": "std::vector<TMatrixDSym>",
    "clones_rich": "zoo::Clones<zoo::Rich>",
    "clones_sized": "zoo::Clones<zoo::Sized>",
    "shapes": "zoo::Shapes",
    "loop": "zoo::Loop",
}
CLASSES = {
    "point": "zoo::Point",
    "derived": "zoo::Derived",
    "twice": "zoo::Twice",
    "numbers": "zoo::Numbers",
    "packed": "zoo::Packed",
    "bits": "zoo::Bits",
    "nested": "zoo::Nested",
    "hollow": "zoo::Hollow",
    "partly": "zoo::Partly",
    "holder_short": "zoo::Holder<short>",
    "holder_point": "zoo::Holder<zoo::Point>",
    "keyed": "zoo::Keyed",
    "pt_eta_phi_m": "ROOT::Math::LorentzVector<ROOT::Math::PtEtaPhiM4D<float>>",
    "px_py_pz_e": "ROOT::Math::LorentzVector<ROOT::Math::PxPyPzE4D<double>>",
}
# What is filled in the order of a hash table: read again, it has another one.
UNORDERED = ["um_int_double", "umm_int_int", "uset_int", "umset_int"]
# What is stored in fewer bits than it is given.
ROUNDED = re.compile(r".*(float16|double32).*|packed(_lists)?")
TYPES = [*{**STANDARD, **TREE, **CLASSES}.values(), "zoo::Record"]

# The letters of leaves, and what they are called here; with ranges and bits for numbers with fewer of these.
LEAVES = {
    "O": "bool", "B": "char", "b": "uchar", "S": "short", "s": "ushort", "I": "int", "i": "uint", "L": "long64", "l": "ulong64",
    "G": "long", "g": "ulong", "F": "float", "D": "double", "f": "float16", "d": "double32",
    "f[0,10,12]": "float16_range", "f[0,0,10]": "float16_bits", "f[-5,5]": "float16_short",
    "d[0,100,12]": "double32_range", "d[0,0,14]": "double32_bits", "d[-1,1]": "double32_short", "d[0,1,32]": "double32_all",
    "d[-pi,pi,16]": "double32_pi", "d[0,10,3]": "double32_few",
}  # fmt: skip


def leaf_columns(ROOT):
    """Leaves of all types: one, arrays, as many as another leaf counts, and arrays of these."""
    columns = ROOT.zoo.Columns()
    for letter in "BbSsIi":
        columns.leaf(f"n_{LEAVES[letter]}", letter)
    for at, (letter, name) in enumerate(LEAVES.items()):
        counter = f"n_{LEAVES['BbSsIi'[at % 6]]}"
        columns.leaf(name, letter)
        columns.leaf(f"fixed_{name}", letter, [3])
        columns.leaf(f"matrix_{name}", letter, [2, 1, 4])
        columns.leaf(f"counted_{name}", letter, [], counter)
        columns.leaf(f"arrays_{name}", letter, [3], counter)
    columns.leaf("text", "C")
    columns.record("record")
    return columns


def object_columns(ROOT, types: dict[str, str]):
    columns = ROOT.zoo.Columns()
    for name, type_name in types.items():
        columns.add(name, type_name)
    return columns


def old_columns(ROOT):
    """Branches of the class TBranchObject."""
    types = {"hit": "zoo::Hit", "vector2": "TVector2", "vector3": "TVector3", "lorentz": "TLorentzVector"}
    columns = object_columns(ROOT, types)
    columns.old()
    return columns


@dataclass
class Layout:
    """How trees are written, apart from the codec."""

    name: str
    split: int
    basket: int = 32000
    # Objects in collections member after member instead of object after object.
    memberwise: bool = True
    # Entry offsets are left out of baskets where they follow from the counts.
    generated: bool = False
    # Entries of a cluster.
    cluster: int | None = None
    # The names of branches of classes end with a dot, so that those inside begin with them.
    dots: bool = False


LAYOUTS = [
    Layout("split", 99),
    Layout("unsplit", 0),
    Layout("objectwise", 0, memberwise=False),
    Layout("baskets", 99, basket=600, cluster=70, dots=True),
    Layout("generated", 1, basket=1500, generated=True),
    Layout("halfsplit", 2, memberwise=False),
]
# What ROOT 6.40 itself cannot read again in a layout, though it is in the file.
UNREAD = {"generated": re.compile("(arrays|counted)_.*|counted|packed_lists|heir")}


CONTENTS: dict[str, Callable] = {
    "leaves": leaf_columns,
    "old": old_columns,
    "standard": lambda ROOT: object_columns(ROOT, STANDARD),
    "objects": lambda ROOT: object_columns(ROOT, TREE),
    "classes": lambda ROOT: object_columns(ROOT, CLASSES),
}


class Trees:
    """Writes files of all types, and what they hold."""

    def __init__(self, ROOT, entries: int):
        self.ROOT, self.entries = ROOT, entries
        # The columns of each tree as ROOT read them the first time, and what they held.
        self.columns, self.nodes = {}, {}

    def write(self, path: Path, layout: Layout, compression: int) -> dict:
        """Writes a file; what reference.json says of its trees."""
        ROOT = self.ROOT
        ROOT.TVirtualStreamerInfo.SetStreamMemberWise(layout.memberwise)
        file = ROOT.TFile(str(path), "RECREATE", "", compression)
        contents = self.contents(layout)
        for seed, (name, columns) in enumerate(contents.items()):
            tree = ROOT.TTree(name, layout.name, layout.split, file)
            if layout.cluster:
                tree.SetAutoFlush(layout.cluster)
            if layout.generated:
                features = ROOT.ROOT.TIOFeatures()
                features.Set("kGenerateOffsetMap")
                tree.SetIOFeatures(features)
            columns.branch(tree, layout.basket, layout.split)
            columns.fill(tree, self.entries, seed)
            tree.Write()
        file.Close()
        ROOT.TVirtualStreamerInfo.SetStreamMemberWise(True)
        return self.read(path, layout, contents)

    def contents(self, layout: Layout) -> dict:
        """The columns of each tree."""
        contents = {name: make(self.ROOT) for name, make in CONTENTS.items()}
        for columns in contents.values():
            if layout.dots:
                columns.dots()
        return contents

    def merge(self, path: Path, sources: list[Path]) -> None:
        """Merges files basket by basket, whatever their codecs."""
        merger = self.ROOT.TFileMerger(False)
        merger.OutputFile(str(path), "RECREATE")
        for source in sources:
            merger.AddFile(str(source))
        mode = self.ROOT.TFileMerger
        if not merger.PartialMerge(mode.kAll | mode.kRegular | mode.kKeepCompression):
            raise OSError(f"{path} cannot be merged")

    def merged(self, path: Path, sources: list[Path], layout: Layout) -> dict:
        """What reference.json says of files of one layout, merged."""
        self.merge(path, sources)
        file = self.ROOT.TFile(str(path))
        references = {}
        for name, columns in self.contents(layout).items():
            tree = file.Get(name)
            columns.read(tree)
            nodes = {name: {**column["read"], "type": column["type"]} for name, column in json.loads(str(columns.json())).items()}
            references[name] = reference(tree, {name: node for name, node in nodes.items() if name not in UNORDERED})
        file.Close()
        return references

    def read(self, path: Path, layout: Layout, contents: dict) -> dict:
        """What reference.json says of the file at `path`, after ROOT has read it."""
        file = self.ROOT.TFile(str(path))
        references = {}
        for name, columns in contents.items():
            tree = file.Get(name)
            columns.read(tree)
            first = name not in self.columns
            if first:
                self.columns[name] = columns
                self.nodes[name] = truth(columns, ROUNDED)
            else:
                unread = UNREAD.get(layout.name, re.compile(""))
                differ = [str(one) for one in columns.differs(self.columns[name])]
                if wrong := [one for one in differ if not unread.fullmatch(one)]:
                    raise ValueError(f"{path}: ROOT reads {wrong} in another way than it did")
            references[name] = reference(tree, self.nodes[name])
        file.Close()
        return references


def truth(columns, rounded: re.Pattern) -> dict[str, dict]:
    """What each column holds: what was written and what ROOT read again are the same, but for what has a reason."""
    for name in map(str, columns.changed()):
        if name not in UNORDERED and not rounded.fullmatch(name):
            raise ValueError(f"ROOT does not read {name} as it was written")
    held = json.loads(str(columns.json()))
    chosen = {name: "read" if rounded.fullmatch(name) else "written" for name in held}
    return {name: {**column[chosen[name]], "type": column["type"]} for name, column in held.items()}
