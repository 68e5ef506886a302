"""Compiles a program against the ROOT of the running interpreter, once; prints the path of that of adl.cpp."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from environment import alone, cache  # noqa: E402

LIBRARIES = "ROOTDataFrame ROOTVecOps ROOTNTuple TreePlayer Tree Hist MathCore Imt Thread RIO Net MultiProc Core".split()


def program(source: Path = HERE / "adl.cpp") -> Path | None:
    """The compiled `source`; none where there is no C++ compiler or no ROOT."""
    compiler = shutil.which("g++")
    root = next((Path(p) / "ROOT" for p in sys.path if (Path(p) / "ROOT" / "include").is_dir()), None)
    if compiler is None or root is None:
        return None
    key = hashlib.sha256(source.read_bytes() + str(root).encode()).hexdigest()[:16]
    out = cache() / f"{source.parent.name}-{source.stem}-{key}"
    with alone(out.name):
        if not out.exists():
            lib = root / "lib"
            command = [compiler, "-O2", "-std=c++17", source, "-o", f"{out}.tmp", f"-I{root / 'include'}", f"-L{lib}"]
            command += [f"-Wl,-rpath,{lib}", f"-Wl,-rpath-link,{root.parent / 'root.libs'}"]
            command += [f"-l{name}" for name in LIBRARIES]
            subprocess.run(command, check=True)
            os.replace(f"{out}.tmp", out)
    return out


if __name__ == "__main__":
    print(program())
