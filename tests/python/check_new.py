"""check_new.py BINARY: `hep-run new` makes a crate outside of the repository that builds with one dependency,
has the same command line, and runs from a fileset that names its folder."""

import sys
import tempfile
from pathlib import Path

from oracle import REPOSITORY, passed, run

import uproot


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(binary, "new", "zpeak", folder=folder)
        manifest = (folder / "zpeak" / "Cargo.toml").read_text()
        dependencies = manifest.split("[dependencies]")[1].split("[")[0].split("\n")
        assert sum("=" in line for line in dependencies) == 1, manifest
        data = REPOSITORY / "datasets" / "nano_dimuon.root"
        fileset = f"processor: {{path: ./zpeak, min_pt: 10}}\ntree: Events\ndatasets: {{data: [{data}]}}\n"
        (folder / "own.yaml").write_text(fileset)
        run(binary, "own.yaml", "--progress", "none", folder=folder)
        with uproot.open(folder / "own.root") as own:
            entries = own["data/dimuon"].member("fEntries")
        run(binary, REPOSITORY / "datasets" / "dimuon.yaml", "--progress", "none", folder=folder)
        with uproot.open(folder / "dimuon.root") as ours:
            assert entries == ours["DoubleMuon2018/mass"].member("fEntries") == 12
        run(binary, "new", "zpeak", folder=folder, status=1)
        passed("a new crate builds, runs from a fileset and gives the built-in processor's histogram")


if __name__ == "__main__":
    main()
