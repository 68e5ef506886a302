"""What reference.json says of what zoo::Columns held: the form of tests/src/conformance/reference.rs.

A node is a part of a column with all its entries, from Node::json in describe.h.
"""

import hashlib
import re
from collections.abc import Iterator

import numpy as np



def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def numbers(values, dtype: str) -> str:
    return sha(np.array(values, dtype).tobytes())


def content(data: bytes, dtype: str) -> dict:
    """The type of numbers, their hash, and the least and most of integers."""
    says = {"dtype": dtype, "content_sha256": sha(data)}
    if dtype[0] in "iu" and data:
        values = np.frombuffer(data, f"<{dtype}")
        says |= {"imin": str(values.min()), "imax": str(values.max())}
    return says


def level(node: dict) -> dict:
    """What reference.json says of a list, an array or a pointer."""
    match node["kind"]:
        case "l":
            return {"offsets_sha256": numbers(node["offsets"], "<i8")}
        case "f":
            return {"fixed": node["size"]}
    valid = bytes.fromhex(node["bytes"])
    return {"option_valid_sha256": sha(valid), "n": node["n"], "n_valid": valid.count(1)}


def leaves(node: dict, field: str = "", levels: tuple = ()) -> list[dict]:
    """What reference.json says of the numbers and strings inside of a node."""
    leaf = {"field": field, "levels": list(levels), "n": node["n"]}
    children = node["children"]
    match node["kind"]:
        case "n" | "h":
            if node["kind"] == "h" and field:
                return []
            return [{**leaf, "kind": "number", **content(bytes.fromhex(node["bytes"]), node["dtype"])}]
        case "s":
            offsets = numbers(node["offsets"], "<i8")
            return [{**leaf, "kind": "string", "content_sha256": sha(bytes.fromhex(node["bytes"])), "offsets_sha256": offsets}]
        case "r" if not any(child["kind"] != "h" for _, child in children):
            return [{**leaf, "kind": "empty-record"}]
        case "r":
            return [leaf for name, child in children for leaf in leaves(child, f"{field}.{name}".strip("."), levels)]
        case "u":
            tags = sha(bytes.fromhex(node["bytes"]))
            found = []
            for tag, (name, child) in enumerate(children, 1):
                around = {"union_tags_sha256": tags, "tag": tag}
                found += leaves(child, f"{field}.{name}".strip("."), (*levels, around))
            return found
    return leaves(children[0][1], field, (*levels, level(node)))


def count(node: dict, levels: tuple) -> list[dict] | None:
    """What reference.json says of a branch that counts what is in the branches inside of it."""
    if node["kind"] != "l" or levels:
        return None
    counts = np.diff(node["offsets"])
    return [{"field": "", "levels": [], "n": len(counts), "kind": "number", **content(counts.astype("<i4").tobytes(), "i4")}]


def member(node: dict, path: list[str], levels: tuple = ()) -> tuple[dict, tuple] | None:
    """The node at the end of a path of members, and the levels around it."""
    if not path:
        return node, levels
    if node["kind"] == "r":
        children = dict(node["children"])
        return member(children[path[0]], path[1:], levels) if path[0] in children else None
    if node["kind"] in "lfo":
        return member(node["children"][0][1], path, (*levels, level(node)))
    return None


def members(node: dict, path: str = "", levels: tuple = ()) -> Iterator[tuple[str, dict, tuple]]:
    """The members of the records in a node that an RNTuple has fields for: numbers and strings, lists of them…"""
    if node["kind"] in "lf":
        yield from members(node["children"][0][1], path, (*levels, level(node)))
    if node["kind"] == "r":
        for name, child in node["children"]:
            inside = f"{path}.{'_' if name.isdigit() else ''}{name}".lstrip(".")
            if not any(True for _ in members(child)):
                yield inside, child, levels
            yield from members(child, inside, levels)


def sub_branches(branch, path: str) -> Iterator[tuple[str, object]]:
    """The branches inside of a branch with their paths."""
    for sub in branch.GetListOfBranches():
        inside = f"{path}/{sub.GetName()}"
        yield inside, sub
        yield from sub_branches(sub, inside)


# What base classes hold: they have branches of their own, whose members do not name them.
BASES = {"zoo::Base": ["id"], "zoo::Derived": ["id", "w", "v"], "zoo::Other": ["other", "shorts"], "TObject": ["fUniqueID", "fBits"], "TNamed": ["fName", "fTitle"], "zoo::Empty": [], "zoo::CounterBase": ["n"]}

# What may be of any class, or of its own: it is not compared.
UNDESCRIBED = {"any", "all", "inside"}


def inside_leaves(node: dict, top: str, branch) -> list[dict] | None:
    """What reference.json says of a branch inside of another: `top.member`, or `member` alone."""
    numbered = {"first": "0", "second": "1"}
    names = [numbered.get(name, name) for name in re.sub(r"\[.*", "", branch.GetName()).split(".")]
    # A branch of numbers holds the bits as they are in memory.
    if names[-1] == "fBits" and branch.ClassName() == "TBranch":
        return None
    base = BASES.get(names[-1])
    names = [name for name in names if name not in BASES]
    for path in (names, names[1:]) if names[:1] == [top] else (names,):
        if not (found := member(node, path)):
            continue
        node, levels = found
        if branch.GetListOfBranches().GetEntries():
            return count(node, levels)
        if base is not None:
            while node["kind"] in "lfo":
                node, levels = node["children"][0][1], (*levels, level(node))
            children = [(name, {**child, "kind": "n"} if child["kind"] == "h" else child) for name, child in node["children"]]
            node = {**node, "children": [(name, child) for name, child in children if name in base]}
        return leaves(node, "", levels)
    if UNDESCRIBED.isdisjoint(names):
        raise ValueError(f"no member {branch.GetName()} in {top}")
    return None


def reference(tree, nodes: dict) -> dict:
    """What reference.json says of a tree whose columns hold these nodes."""
    branches = {}

    def add(path: str, branch, found: list[dict] | None) -> None:
        kind = branch.GetClassName() or branch.GetTitle().split("/")[-1]
        branches[path] = {"typename": kind, "n_entries": branch.GetEntries(), **({"leaves": found} if found else {})}
        branches[path] |= {} if found else {"kind": "AsGrouped"}

    for top in tree.GetListOfBranches():
        node = nodes.get(top.GetName().rstrip("."))
        if node is None:
            continue
        group = top.GetListOfBranches().GetEntries()
        whole = count(node, ()) if group else leaves(node)
        add(top.GetName(), top, whole)
        for path, sub in sub_branches(top, top.GetName()):
            add(path, sub, inside_leaves(node, top.GetName().rstrip("."), sub))
    return {"entries": tree.GetEntries(), "branches": branches}
