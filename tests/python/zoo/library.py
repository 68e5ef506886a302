"""Compiles the zoo's classes with their dictionary into a library, once."""

import hashlib
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from environment import alone, cache  # noqa: E402

CLASSES = """
    zoo::Point zoo::Record zoo::Base zoo::Other zoo::Derived zoo::Twice zoo::Empty zoo::Numbers zoo::Packed zoo::Counted
    zoo::Strings zoo::CString zoo::Containers zoo::Bits zoo::Nested zoo::Hit zoo::Track zoo::Event zoo::Referring
    zoo::Pointing zoo::Arrays zoo::Pointers zoo::Hollow zoo::Partly zoo::Holder<short> zoo::Holder<zoo::Point> zoo::Series
    zoo::PackedLists zoo::Keyed zoo::Recursive zoo::Owned zoo::Label zoo::Mixed zoo::Both zoo::CounterBase zoo::CountedHeir
    zoo::ArraysOfCollections zoo::Enumerations zoo::Matrices zoo::Rich zoo::Sized zoo::Clones<zoo::Rich>
    zoo::Clones<zoo::Sized> zoo::Shape zoo::Circle zoo::Named zoo::Shapes zoo::Loop
""".split()


# ROOT has dictionaries of these; besides, rootcling takes vector<double> for vector<Double32_t>.
KNOWN = re.compile(r"std::vector<[a-zD0-9_ ]+>|ROOT::.*|std::(atomic|variant|optional|unique_ptr|array|tuple|bitset).*")


def selection(types: list[str]) -> str:
    """What rootcling makes dictionaries for."""
    classes = [f"#pragma link C++ class {name}+;" for name in CLASSES]
    classes.append("#pragma link C++ options=rntupleStreamerMode(true) class zoo::Blob+;")
    templates = [f"#pragma link C++ class {name}+;" for name in types if "<" in name and not KNOWN.fullmatch(name)]
    enums = [f"#pragma link C++ enum {name};" for name in ("zoo::Color", "zoo::Flavour", "zoo::Tiny", "zoo::Small")]
    return "\n".join(["#pragma link off all functions;", *enums, "#pragma link C++ class zoo::Columns-;", "#pragma link C++ struct zoo::TupleLayout-;", *classes, *templates, ""])


def registry(types: list[str]) -> str:
    """The function that makes a value from the name of its type."""
    # A Double32_t in memory is a double.
    cases = [f'   if (type == "{name}") return std::make_unique<Held<{name}>>();' for name in types]
    lines = ['#include "columns.h"', '#include "members.h"', "#include <stdexcept>"]
    lines += ["std::unique_ptr<zoo::Value> zoo::make_value(const std::string &type)", "{", *cases]
    lines += ['   throw std::invalid_argument("the zoo has no type " + type);', "}", ""]
    return "\n".join(lines)


def library(types: list[str]) -> Path | None:
    """The library; none where there is no C++ compiler or no ROOT."""
    compiler = shutil.which("g++")
    root = next((Path(p) / "ROOT" for p in sys.path if (Path(p) / "ROOT" / "include").is_dir()), None)
    if compiler is None or root is None:
        return None
    sources = [path for path in sorted(HERE.iterdir()) if path.suffix in (".h", ".cpp")]
    parts = [selection(types), registry(types), str(root), *(path.read_text() for path in (*sources, HERE / "library.py"))]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    place = cache() / f"zoo-{key}"
    with alone(place.name):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            build(place, sources, types, compiler, root)
            (place / "complete").touch()
    return place / "libZoo.so"


def build(folder: Path, sources: list[Path], types: list[str], compiler: str, root: Path) -> None:
    (folder / "LinkDef.h").write_text(selection(types))
    (folder / "registry.cpp").write_text(registry(types))
    for path in sources:
        shutil.copy(path, folder)

    def run(*command: object) -> None:
        subprocess.run([str(part) for part in command], check=True, cwd=folder)

    run(root / "bin" / "rootcling", "-f", "dictionary.cpp", "-s", "libZoo.so", "-rml", "libZoo.so", "-rmf", "libZoo.rootmap", "members.h", "columns.h", "LinkDef.h")
    units = ["dictionary", "registry", "columns"]
    with ThreadPoolExecutor(2) as pool:
        compiled = [pool.submit(run, compiler, "-c", "-O0", "-fPIC", "-std=c++17", f"-I{root / 'include'}", f"{unit}.cpp") for unit in units]
    for unit in compiled:
        unit.result()
    run(compiler, "-shared", "-o", "libZoo.so", *(f"{unit}.o" for unit in units))
