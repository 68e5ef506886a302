"""What uproot reads in the zoo's files, in the form of reference.json: a second opinion, where it has one."""

import re
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from reference import content, numbers, sha


# Where uproot reads something else, and why it is not followed: ROOT wrote it otherwise and reads it so.
DIFFERS = {
    r"leaves:.*(float16|double32).*|classes:packed/.*": "numbers with fewer bits: it multiplies where ROOT divides",
    r"leaves:text": "of an empty C string nothing is stored",
    r"objects:.*(counted|packed_lists|CounterBase|heir|clones_sized|loop).*[/.]n": "a member that counts another has no sign",
    r"objects:(matrices/\w+|(v_)?matrix_sym)": "a symmetric matrix has n² elements by its member",
    r"objects:.*\.f(Name|Title)": "all strings of an entry are one",
    r".*/(p\[2\]\[2\]|d\[2\]|ap\[2\]|grid\[2\])": "bytes that are not turned around",
    r"classes:\w*/bits": "a bitset is a list of any length",
    r"types:(.*char|twice|twice\.c|numbers|numbers\.b)": "a char is a byte",
    r"types:.*(double32|half|truncated|quantized).*": "the type is that of the column",
    r"types:n_.*": "sizes of collections have a sign",
    r"types:.*unique.*": "what may be absent is a list",
}


def leaves(layout, field: str = "", levels: tuple = ()) -> list[dict]:
    """The numbers and strings inside of a part of an array."""
    leaf = {"field": field, "levels": list(levels)}
    kind = layout.parameter("__array__")
    if layout.is_option:
        valid = layout.mask_as_bool(valid_when=True).astype("u1")
        level = {"option_valid_sha256": sha(valid.tobytes()), "n": len(valid), "n_valid": int(valid.sum())}
        return leaves(layout.project(), field, (*levels, level))
    if layout.is_indexed:
        return leaves(layout.project(), field, levels)
    if kind in ("string", "bytestring"):
        packed = layout.to_ListOffsetArray64(True)
        offsets = np.asarray(packed.offsets)
        data = np.asarray(packed.content.data)[: offsets[-1]].tobytes()
        return [{**leaf, "kind": "string", "n": len(layout), "content_sha256": sha(data), "offsets_sha256": numbers(offsets, "<i8")}]
    if layout.is_regular:
        inner = layout.content[: layout.size * len(layout)]
        return leaves(inner, field, (*levels, {"fixed": layout.size}))
    if layout.is_list:
        packed = layout.to_ListOffsetArray64(True)
        offsets = np.asarray(packed.offsets)
        return leaves(packed.content[: offsets[-1]], field, (*levels, {"offsets_sha256": numbers(offsets, "<i8")}))
    if layout.is_record:
        if not layout.fields:
            return [{**leaf, "kind": "empty-record", "n": len(layout)}]
        inside = [(name, layout.content(name)[: len(layout)]) for name in layout.fields]
        return [one for name, inner in inside for one in leaves(inner, f"{field}.{name}".strip("."), levels)]
    if layout.is_numpy:
        data = np.asarray(layout.data)
        inner = [{"fixed": size} for size in data.shape[1:]]
        dtype = "bool" if data.dtype == bool else data.dtype.str[1:]
        plain = data.astype(data.dtype.newbyteorder("<")).tobytes()
        return [{**leaf, "levels": [*levels, *inner], "kind": "number", "n": data.size, **content(plain, dtype)}]
    raise TypeError(f"an array of kind {type(layout).__name__}")


def simple(leaves: list[dict]) -> dict:
    """Leaves that can be compared: by field, members of pairs by number, without what uproot adds."""
    found = {}
    for leaf in leaves:
        field = ".".join(re.sub(r"^_(\d+)$", r"\1", name) for name in leaf["field"].split("."))
        levels = [level for level in leaf["levels"] if "n" not in level or level["n"] != level["n_valid"]]
        found[field] = {name: value for name, value in leaf.items() if name not in ("imin", "imax", "field")} | {"levels": levels}
    return found


def compare(path: Path, reference: dict) -> dict[str, str]:
    """Of each column of the file whether uproot agrees: `agrees`, `cannot read` or how it does not."""
    answers = {}
    with uproot.open(path) as file:
        for tree, says in (reference["trees"] | reference["rntuples"]).items():
            opened = file[tree]
            for name, branch in says["branches"].items():
                if branch.get("leaves") and "#" not in name:
                    answers[f"{tree}:{name}"] = ask(opened, name, simple(branch["leaves"]))
    return answers


def ask(tree, name: str, wanted: dict) -> str:
    try:
        column = tree[name]
        # What it makes of a branch that others lie in is all of these.
        if getattr(column, "branches", None):
            return "a group"
        found = simple(leaves(ak.to_layout(column.array())))
    except Exception as error:  # it fails in many ways
        return f"cannot read: {type(error).__name__}"
    if found == wanted:
        return "agrees"
    differ = [field for field in {**wanted, **found} if wanted.get(field) != found.get(field)]
    return f"differs: {differ}"

