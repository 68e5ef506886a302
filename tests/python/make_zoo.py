"""make_zoo.py FOLDER: writes ROOT files that hold every type in every layout and codec, and what they hold.

The values are seeded. What a file holds is what was written, and ROOT reads the same again; where numbers are stored
in fewer bits, it is what ROOT reads. reference.json has the form that `conformance` reads.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "zoo"))
import ntuples  # noqa: E402
import structures  # noqa: E402
import trees  # noqa: E402
import versions  # noqa: E402
from library import library  # noqa: E402

# ROOT's numbers of algorithms, times 100, and a level.
CODECS = {"none": 0, "zlib": 104, "lzma": 205, "old": 305, "lz4": 404, "zstd": 505}
ENTRIES = 200


def make(folder: Path) -> bool:
    """Writes the files; false where there is no C++ compiler."""
    shared = library(sorted({*trees.TYPES, *ntuples.TYPES}))
    if shared is None:
        return False
    import ROOT

    ROOT.gROOT.SetBatch(True)
    ROOT.gSystem.AddDynamicPath(str(shared.parent))
    if ROOT.gSystem.Load(str(shared)) < 0:
        raise OSError(f"{shared} cannot be loaded")
    files = {}
    writer = trees.Trees(ROOT, ENTRIES)
    for layout in trees.LAYOUTS:
        for codec, compression in CODECS.items():
            path = folder / f"{layout.name}_{codec}.root"
            files[path.name] = {"trees": writer.write(path, layout, compression), "rntuples": {}}
    layout = next(layout for layout in trees.LAYOUTS if layout.name == "baskets")
    path, sources = folder / "merged.root", [folder / f"baskets_{codec}.root" for codec in ("zstd", "lzma", "none")]
    files[path.name] = {"trees": writer.merged(path, sources, layout), "rntuples": {}}
    files |= versions.write(folder, writer.merge)
    writer = ntuples.Tuples(ROOT, ENTRIES)
    for name, layout in ntuples.LAYOUTS.items():
        for codec, compression in CODECS.items():
            path = folder / f"{name}_{codec}.root"
            files[path.name] = {"trees": {}, "rntuples": writer.write(path, layout, compression)}
    path = folder / "structures.root"
    files[path.name] = {"trees": structures.Structures(ROOT, path).write(), "rntuples": {}}
    about = f"What ROOT {ROOT.gROOT.GetVersion()} wrote and read again; see tests/python/make_zoo.py"
    (folder / "reference.json").write_text(json.dumps({"_doc": {"about": about}, "files": files}) + "\n")
    return True


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    if not make(out):
        sys.exit("there is no C++ compiler")
