"""What ROOT reads at some places of a file's trees: how many numbers or strings, their hash, and the lists around them.

An object is read by ROOT and then looked at in memory (`root_objects.h`), since ROOT's own formulas and its JSON fail
for some classes that it has no dictionary of. A leaf of a branch without a class is asked itself.
"""

import hashlib
import itertools
import json
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from array import array
from pathlib import Path

import numpy as np
import ROOT

# Without dictionaries of these classes ROOT 6.40 crashes, or damages its memory.
CLASSES = (
    "bitset<8>;vector<bitset<8>>;set<short>;vector<set<short>>;map<int,double>;map<int,set<short>>;"
    "map<int,vector<set<short>>>;map<string,float>;map<string,set<short>>;map<string,set<string>>;"
    "map<string,vector<int>>;map<string,vector<string>>;map<string,TString>;multimap<int,double>;"
    "unordered_map<string,string>"
)
HEADERS = "bitset;map;set;string;unordered_map;vector;TString.h"
SECONDS = 30  # of processor time for one file, of which ROOT needs less than three
# TVirtualStreamerInfo's types.
DTYPES = {1: "i1", 2: "i2", 3: "i4", 4: "i8", 5: "f4", 6: "i4", 8: "f8", 9: "f8", 10: "i1", 11: "u1", 12: "u2"}
DTYPES |= {13: "u4", 14: "u8", 15: "u4", 16: "i8", 17: "u8", 18: "bool", 19: "f4"}
STRINGS = 7
# TObject's bits that ROOT sets on reading: of objects that are referred to, and of those that it made itself.
MUST_CLEANUP, IS_REFERENCED, MADE = 0x8, 0x10, (0x0100_0000, 0x0200_0000, 0x0300_0000)
BRANCHES: dict[str, dict] = {}  # of the trees of a process's one file


def prepare() -> None:
    ROOT.gErrorIgnoreLevel = ROOT.kBreak
    ROOT.gEnv.SetValue("Root.Stacktrace", 0)  # no debugger where it gives up
    ROOT.gInterpreter.Declare((Path(__file__).parent / "root_objects.h").read_text())
    with tempfile.TemporaryDirectory() as folder:
        said = [os.dup(1), os.dup(2)]
        quiet, here = os.open(os.devnull, os.O_WRONLY), os.getcwd()
        os.chdir(folder)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        ROOT.gInterpreter.GenerateDictionary(CLASSES, HEADERS)
        os.dup2(said[0], 1), os.dup2(said[1], 2)
        os.chdir(here)
    if ROOT.TClass.GetClass("bitset<8>").GetState() != ROOT.TClass.kHasTClassInit:
        sys.exit("ROOT cannot compile dictionaries: is there a C++ compiler?")
    # What is compiled at its first use is here compiled once for all processes.
    file = ROOT.TMemFile("first.root", "RECREATE")
    tree = ROOT.TTree("tree", "")
    numbers, named = array("f", [1.5]), ROOT.TNamed("a", "b")
    tree.Branch("number", numbers, "number/F")
    tree.Branch("named", named)
    tree.Fill()
    file.WriteTObject(tree)
    number, name = {"field": "", "dtype": "f4", "lists": []}, {"field": "fName", "kind": "string", "lists": []}
    assert answer(file, "tree", "number", [number])[0][0]["n"] == 1
    assert answer(file, "tree", "named/fName", [name | {"field": ""}])[0][0]["nbytes"] == 1
    assert answer(file, "tree", "named", [name])[0][0]["n"] == 1
    BRANCHES.clear()


class NoAnswer(Exception):
    """Why ROOT cannot be asked."""


def ask(path: Path, columns: list[tuple[str, str, list]]):
    """For each (tree, column, leaves) the answers, one of each leaf: a list of what it may be, or a string, why there
    is none. ROOT runs in another process, and in a new one for what comes after a crash."""
    done = 0
    while done < len(columns):
        for answers in in_process(path, columns[done:]):
            yield answers
            done += 1
        if done < len(columns):
            yield ["ROOT crashes"] * len(columns[done][2])
            done += 1


def in_process(path: Path, columns: list[tuple[str, str, list]]):
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        errors, quiet = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        # A crash is one answer less, and so is a hang.
        for crash in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE):
            signal.signal(crash, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(20 * SECONDS)
        try:
            file = ROOT.TFile.Open(str(path))
            with os.fdopen(writing, "w") as pipe:
                for column in columns:
                    print(json.dumps(answer(file, *column)), file=pipe, flush=True)
            os._exit(0)  # ROOT may not survive what it has read
        except BaseException:
            os.write(errors, traceback.format_exc().encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        yield from map(json.loads, (line for line in pipe if line.endswith("\n")))
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) > 0:
        sys.exit(f"asking ROOT about {path} failed")


def answer(file, tree: str, column: str, leaves: list) -> list:
    try:
        found = read(file, tree, column, leaves)
    except NoAnswer as why:
        return [str(why)] * len(leaves)
    except ROOT.std.exception as why:
        return [str(why.what())] * len(leaves)
    answers = []
    for leaf in leaves:
        try:
            answers.append(of_leaf(found, leaf))
        except NoAnswer as why:
            answers.append(str(why))
    return answers


def of_leaf(found, leaf: dict) -> list[dict]:
    """The answers of which one must be like `leaf`, a leaf of what `conformance` says of a column."""
    place, lists, unordered = found, [list(ends) for ends in found.lists], found.unordered
    for part in leaf["field"].split(".") if leaf["field"] else []:
        if not place.has(part):
            part = {"0": "first", "1": "second"}.get(part, part)
        if not place.has(part) and (place.n or place.objects):
            raise NoAnswer(f"ROOT has no member {part}")
        # Nothing is known of what is inside of no objects.
        place = place.at(part)
        lists += [list(ends) for ends in place.lists]
        unordered = place.unordered if place.lists else unordered
    answer = {"lists": [sha256(offsets(ends)) for ends in lists]}
    if leaf.get("kind") == "empty-record":
        return [answer | {"n": int(place.objects)}]
    size = place.bytes.size()
    stored = np.frombuffer(place.bytes.data(), dtype="u1", count=size) if size else np.zeros(0, "u1")
    if leaf.get("kind") == "string":
        if place.type not in (0, STRINGS):
            raise NoAnswer("ROOT has numbers")
        texts = [stored[first:end] for first, end in itertools.pairwise(offsets(list(place.ends)))]
        return [answer | of_strings([texts[at] for at in order]) for order in orders(unordered, lists, len(texts))]
    if place.type and place.type not in DTYPES:
        raise NoAnswer("ROOT has strings")
    dtype = DTYPES.get(place.type, leaf["dtype"])
    values = stored.view(numpy_type(dtype))
    # A branch whose objects are in the branches below it says how many there are.
    if not leaf["field"] and not place.type and len(lists) == len(leaf["lists"]) + 1:
        values = np.diff(offsets(lists[-1]))
        answer["lists"].pop()
    answer |= {"n": len(values), "dtype": dtype}
    stored = [
        values[order].astype(numpy_type(dtype))
        for values in as_stored(values, leaf)
        for order in orders(unordered, lists, len(values))
    ]
    return [answer | {"content_sha256": sha256(values)} for values in stored]


def of_strings(texts: list[np.ndarray]) -> dict:
    content = np.concatenate([np.zeros(0, "u1"), *texts])
    ends = offsets(list(itertools.accumulate(len(text) for text in texts)))
    return {"n": len(texts), "nbytes": len(content), "offsets_sha256": sha256(ends), "content_sha256": sha256(content)}


def orders(unordered: bool, lists: list[list[int]], n: int) -> list[np.ndarray]:
    """The orders in which the values may be stored: an unordered set has another in memory, but the same other for all
    sets of as many values, where these are the same."""
    if not unordered:
        return [np.arange(n)]
    sizes = np.diff(offsets(lists[-1]))
    if max(sizes, default=0) > 4:
        raise NoAnswer("it is an unordered set")
    different = [list(itertools.permutations(range(size))) for size in range(max(sizes) + 1)]
    first = offsets(lists[-1])[:-1]
    return [
        np.concatenate([at + np.array(order[size], dtype="i8") for at, size in zip(first, sizes, strict=True)])
        for order in itertools.product(*different)
    ]


def as_stored(values: np.ndarray, leaf: dict) -> list[np.ndarray]:
    """What may be stored: a TObject's bits without what ROOT sets."""
    if not leaf.get("bits"):
        return [values]
    referenced = (values & IS_REFERENCED) != 0
    bits = [values, *(values & ~np.uint32(made) for made in MADE)]
    return bits + [np.where(referenced, values & ~np.uint32(MUST_CLEANUP), values) for values in bits]


def numpy_type(dtype: str) -> str:
    return "u1" if dtype == "bool" else "<" + dtype


def offsets(ends: list[int]) -> np.ndarray:
    return np.array([0, *ends], dtype="<i8")


def sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def read(file, tree_name: str, column: str, leaves: list):
    """All of a column."""
    tree = file.Get(tree_name)
    if not tree:
        raise NoAnswer("ROOT has no such tree")
    if tree_name not in BRANCHES:
        BRANCHES[tree_name] = dict(branches(tree))
    branch = BRANCHES[tree_name].get(column)
    if branch is None:
        raise NoAnswer("ROOT has no such branch")
    if isinstance(branch, ROOT.TBranchElement):
        return read_object(tree, branch, leaves)
    switch_on(branch)
    place = ROOT.oracle.Place()
    leaves = list(branch.GetListOfLeaves())
    for leaf in leaves:
        ROOT.oracle.values(leaf, tree.GetEntries(), place if len(leaves) == 1 else place.at(leaf.GetName()))
    return place


def read_object(tree, branch, leaves: list):
    top = branch.GetMother()
    # What is switched off gets no place in the object.
    tree.SetBranchStatus("*", 1)
    top.SetupAddresses()
    tree.SetBranchStatus("*", 0)
    for ancestor in ancestors(top, branch):
        ancestor.ResetBit(ROOT.kDoNotProcess)
        # Values of a map are found by their keys.
        if ancestor != branch and "map<" in str(ancestor.GetTypeName()):
            switch_on(ancestor)
    if counter := branch.GetBranchCount():
        switch_on(counter)
    # Of a branch that says how many objects are in the branches below it, these are not read.
    if any(leaf["field"] for leaf in leaves) or not branch.GetListOfBranches():
        switch_on(branch)
    reader = ROOT.oracle.Reader(ROOT.std.vector["std::string"](steps(top, branch)))
    ROOT.oracle.objects(top, tree.GetEntries(), reader)
    # Nothing is known of what is inside of no objects.
    empty = all(not ends.size() or not ends.back() for ends in reader.place.lists) and reader.place.lists.size()
    if tree.GetEntries() and not reader.found and not empty:
        raise NoAnswer("ROOT has no such member")
    return ROOT.oracle.Place(reader.place)


def branches(tree):
    """The branches, with their paths; the second of a path is told from the first by `#2`."""
    seen: dict[str, int] = {}
    for path, branch in all_branches(tree, ""):
        seen[path] = seen.get(path, 0) + 1
        yield path if seen[path] == 1 else f"{path}#{seen[path]}", branch


def all_branches(of, above: str):
    for branch in of.GetListOfBranches():
        path = above + str(branch.GetName())
        yield path, branch
        yield from all_branches(branch, path + "/")


def ancestors(top, branch) -> list:
    """From `top` to `branch`."""
    if top == branch:
        return [top]
    for below in top.GetListOfBranches():
        if path := ancestors(below, branch):
            return [top, *path]
    return []


def switch_on(branch) -> None:
    branch.ResetBit(ROOT.kDoNotProcess)
    for below in branch.GetListOfBranches():
        switch_on(below)


def steps(top, branch) -> list[str]:
    """The members, or base classes, that lead from the object of the one to that of the other."""
    if top == branch:
        return []
    name, above = str(branch.GetName()), str(top.GetName()).rstrip(".")
    if name.startswith(above + "."):
        name = name[len(above) + 1 :]
    return re.sub(r"\[[^\]]*\]", "", name).split(".")


prepare()
