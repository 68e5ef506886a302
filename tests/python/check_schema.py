"""check_schema.py BINARY: what `inspect FILE:TREE --schema rust` prints compiles, for every tree, whatever its branches are
called; and every tree can be addressed."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import uproot
from oracle import FIXTURES, REPOSITORY, passed, run

# `Columnar` takes a while for hundreds of columns.
MOST_COLUMNS = 150
MOST_TREES = 120
NAMES = REPOSITORY / "io" / "tests" / "data" / "odd" / "names.root"
# More names that differ in the file and not as Rust has them.
ODD = ["pT", "pt", "p_t", "PT", "self", "Self", "super", "crate", "type", "gen", "yield", "union", "marker", "_", "__", "0", "é", "日本"]
# Collections, each with its counter, and lists without one.
COLLECTIONS = ["muon", "Muon", "MUON", "MuonRow", "Event", "String", "Option", "4e", "µ", "x.y", "Jagged"]


def odd_file(path: Path) -> None:
    """A tree of odd names, and one of collections that are called as Rust calls something else."""
    entries, lists = 3, [[1.0], [], [2.0, 3.0]]
    with uproot.recreate(path) as file:
        file.mktree("plain", {name: "f4" for name in ODD}).extend({name: np.zeros(entries, "f4") for name in ODD})
        names = [f"{name}_{member}" for name in COLLECTIONS for member in ("pt", "Pt", "type", "self", "1")]
        types = {name: "var * float32" for name in names}
        file.mktree("jagged", types, counter_name=lambda name: f"n{name}").extend({name: lists for name in names})
        for at, name in enumerate(COLLECTIONS):
            # uproot takes a colon for the start of a path: the tree is filled as it was made.
            tree = file.mktree(f"collection{at}:{name}", {f"n{name}": "i4", f"{name}s": "f4", name: "f4"})
            tree.extend({f"n{name}": np.zeros(entries, "i4"), f"{name}s": np.zeros(entries, "f4"), name: np.zeros(entries, "f4")})


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        odd_file(folder / "odd:names.root")
        shutil.copy(NAMES, folder / "names.dat")
        files = [NAMES, folder / "odd:names.root", folder / "names.dat", *sorted((REPOSITORY / "datasets").glob("*.root"))]
        if FIXTURES.is_dir():
            files += sorted(FIXTURES.rglob("*.root"))
        modules = schemas(binary, folder, files)
        compiles(folder, modules)
        passed(f"the schemas of {len(modules)} trees compile, and each tree is found by its name")


def schemas(binary: Path, folder: Path, files: list[Path]) -> list[str]:
    """The structs of the trees of some files, each in a module."""
    modules: list[str] = []
    for file in files:
        said = subprocess.run([binary, "inspect", file, "--format", "json"], capture_output=True, text=True, check=False)
        if said.returncode:
            continue
        for tree, about in json.loads(said.stdout)["trees"].items():
            if len(modules) >= MOST_TREES or len(about["branches"]) > MOST_COLUMNS:
                continue
            schema = run(binary, "inspect", f"{file}:{tree}", "--schema", "rust", folder=folder)
            modules.append(f"mod tree_{len(modules)} {{ // {json.dumps(file.name + ':' + tree)}\n{schema}}}\n")
    return modules


def compiles(folder: Path, modules: list[str]) -> None:
    """Compiles them as one crate, with what an analysis imports."""
    crate = folder / "schemas"
    (crate / "src").mkdir(parents=True)
    manifest = '[package]\nname = "schemas"\nversion = "0.1.0"\nedition = "2024"\n\n[workspace]\n\n[dependencies]\n'
    # The prelude of hep-run is that of hep-analysis, which takes less time.
    manifest += f'hep_run = {{ package = "hep-analysis", path = "{REPOSITORY / "analysis"}" }}\n'
    (crate / "Cargo.toml").write_text(manifest)
    shutil.copy(REPOSITORY / "Cargo.lock", crate)
    (crate / "src" / "lib.rs").write_text("#![allow(dead_code)]\n" + "".join(modules))
    os.environ.setdefault("CARGO_TARGET_DIR", str(REPOSITORY / "target"))
    run("cargo", "check", "--quiet", "--offline", folder=crate)


if __name__ == "__main__":
    main()
