"""RNTuples of every type."""

import re
from pathlib import Path

from reference import leaves, members
from trees import CLASSES, STANDARD, truth

NUMBERS = {
    "bool": "bool",
    "byte": "std::byte",
    "char": "char",
    "int8": "std::int8_t",
    "uint8": "std::uint8_t",
    "int16": "std::int16_t",
    "uint16": "std::uint16_t",
    "int32": "std::int32_t",
    "uint32": "std::uint32_t",
    "int64": "std::int64_t",
    "uint64": "std::uint64_t",
    "float": "float",
    "double": "double",
    "double32": "Double32_t",
    "v_double32": "std::vector<Double32_t>",
}
# Only in an RNTuple.
FIELDS = {
    "color": "zoo::Color",
    "flavour": "zoo::Flavour",
    "a_int": "std::array<int,3>",
    "aa_float": "std::array<std::array<float,2>,3>",
    "a_string": "std::array<std::string,2>",
    "a_v_double": "std::array<std::vector<double>,2>",
    "v_a_short": "std::vector<std::array<short,3>>",
    "bitset_17": "std::bitset<17>",
    "bitset_64": "std::bitset<64>",
    "bitset_100": "std::bitset<100>",
    "optional_float": "std::optional<float>",
    "optional_string": "std::optional<std::string>",
    "optional_v_int": "std::optional<std::vector<int>>",
    "v_optional_int": "std::vector<std::optional<int>>",
    "unique_int": "std::unique_ptr<int>",
    "unique_point": "std::unique_ptr<zoo::Point>",
    "variant": "std::variant<int,std::string,double>",
    "variant_nested": "std::variant<std::vector<float>,zoo::Point>",
    "v_variant": "std::vector<std::variant<std::int64_t,std::string>>",
    "atomic": "std::atomic<int>",
    "tuple": "std::tuple<int,std::string,float>",
    "v_tuple": "std::vector<std::tuple<int,std::vector<short>>>",
    "optional_point": "std::optional<zoo::Point>",
    "v_unique_point": "std::vector<std::unique_ptr<zoo::Point>>",
    "a_point": "std::array<zoo::Point,2>",
    "m_string_point": "std::map<std::string,zoo::Point>",
    "s_pair": "std::set<std::pair<int,float>>",
    "v_bitset": "std::vector<std::bitset<12>>",
    "o_variant": "std::optional<std::variant<int,float>>",
    "hit": "zoo::Hit",
    "v_hit": "std::vector<zoo::Hit>",
    "blob": "zoo::Blob",
    # These make ROOT crash when it writes a tree of them.
    "rvec_point": "ROOT::RVec<zoo::Point>",
    "rvec_rvec": "ROOT::RVec<ROOT::RVec<float>>",
    "late_int": "int",
    "late_v_float": "std::vector<float>",
    "late_v_point": "std::vector<zoo::Point>",
    "late_string": "std::string",
}
# Of bits and ranges.
PACKED = {
    "half": (16,),
    "truncated_10": (10,),
    "truncated_24": (24,),
    "quantized_1": (1, -1.0, 1.0),
    "quantized_12": (12, -1.0, 1.0),
    "quantized_32": (32, 0.0, 100.0),
}
PROJECTED = {"alias_float": "float", "alias_v_float": "v_float", "alias_v_point": "v_point", "alias_vv_float": "vv_float"}
# Streamed as in a tree, so that it has no fields inside.
STREAMED = {"blob"}
# Clusters and pages, as in zoo::TupleLayout.
LAYOUTS = {
    "rntuple": {},
    "pages": {"cluster": 70, "groups": True, "page": 128},
    "unchecked": {"cluster": 33, "checksums": False},
}
CARDINALITY = {"n_float": "v_float", "n_string": "v_string"}
TYPES = [*NUMBERS.values(), *FIELDS.values()]
ROUNDED = re.compile(".*(half|truncated|quantized|double32).*|packed")


def columns_of(ROOT):
    """An RNTuple's fields."""
    columns = ROOT.zoo.Columns()
    types = NUMBERS | STANDARD | CLASSES | FIELDS
    del types["packed"]  # a Float16_t has no field
    for name, type_name in types.items():
        columns.add(name, type_name)
        if name.startswith("late_"):
            columns.late()
    for name, how in PACKED.items():
        for number in ("float", "double"):
            columns.add(f"{number}_{name}", number)
            columns.bits(*how)
    for name, source in PROJECTED.items():
        columns.add(name, types[source])
        columns.project(source)
    for name, source in CARDINALITY.items():
        columns.cardinality(name, source)
    return columns


def plain(node: dict) -> dict:
    """The node with the id and bits of a TObject among its members, which are fields like others."""
    children = [(name, plain(child)) for name, child in node["children"]]
    return {**node, "kind": "n" if node["kind"] == "h" else node["kind"], "children": children}


def branches(nodes: dict[str, dict]) -> dict[str, dict]:
    """What reference.json says of the fields, and of those inside of them."""
    found = {}
    for name, node in nodes.items():
        node = plain(node)
        found[name] = {"typename": node["type"], "leaves": leaves(node)}
        if name in STREAMED:
            continue
        for path, inner, levels in members(node):
            found[f"{name}.{path}"] = {"typename": "", "leaves": leaves(inner, "", levels)}
    return found


class Tuples:
    """Writes files of an RNTuple, and what they hold."""

    def __init__(self, ROOT, entries: int):
        self.ROOT, self.entries = ROOT, entries
        self.columns = None
        self.branches: dict = {}

    def write(self, path: Path, layout: dict, compression: int) -> dict:
        """Writes a file; what reference.json says of its RNTuples."""
        file = self.ROOT.TFile(str(path), "RECREATE", "", compression)
        columns = columns_of(self.ROOT)
        how = self.ROOT.zoo.TupleLayout()
        for name, value in layout.items():
            setattr(how, name, value)
        columns.write_ntuple(file, "types", compression, how, self.entries, 1)
        file.Close()
        columns.read_ntuple(str(path), "types")
        if self.columns is None:
            self.columns = columns
            nodes = truth(columns, ROUNDED)
            self.branches = branches(nodes)
        elif differ := [str(name) for name in columns.differs(self.columns)]:
            raise ValueError(f"{path}: ROOT reads {differ} in another way than it did")
        return {"types": {"entries": self.entries, "branches": self.branches}}
