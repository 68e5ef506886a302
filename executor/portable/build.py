"""build.py [CRATE]: builds a binary that runs on any Linux of this architecture, and prints its path.

CRATE is the folder of an analysis; without it, `hep-run` itself is built. Needs cargo and Python 3.11; what else it
needs it gets, outside of the clone. Everything but the path goes to stderr.

What is built is linked statically with musl, if rustup can add the standard library for it or it is there already.
The C parts (codecs, cryptography, the allocator) are compiled by `musl-gcc` (Debian: musl-tools, Fedora: musl-gcc,
or any `x86_64-linux-musl-gcc`); where there is none, by zig, which comes from PyPI. Without the standard library for
musl, zig links with glibc 2.17 of 2012, which is older than that of any system in use.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "python"))
from environment import environment  # noqa: E402

GLIBC = "2.17"
# The profile of the workspace, for crates that have their own release profile and not this one.
PROFILE = ['profile.dist.inherits="release"', "profile.dist.debug=false", 'profile.dist.strip="symbols"', 'profile.dist.lto="thin"']


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stop(text: str) -> NoReturn:
    sys.exit(f"error: {text}")


def has_library(target: str, folder: Path) -> bool:
    """Whether the toolchain that builds `folder` has the standard library for `target`; rustup is asked for it."""
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], cwd=folder, text=True).strip()
    library = Path(sysroot) / "lib" / "rustlib" / target / "lib"
    if not library.is_dir() and shutil.which("rustup"):
        log(f"rustup target add {target}")
        subprocess.run(["rustup", "target", "add", target], cwd=folder, stdout=sys.stderr, check=False)
    return library.is_dir()


def has_compiler(target: str) -> bool:
    """Whether the C parts can be compiled for musl without zig: what cargo's build scripts look for."""
    machine = target.split("-")[0]
    named = [f"CC_{target}", f"CC_{target.replace('-', '_')}"]
    programs = [f"{machine}-linux-musl-gcc"] + (["musl-gcc"] if machine == platform.machine() else [])
    return any(name in os.environ for name in named) or any(shutil.which(program) for program in programs)


def built(cargo: list[str], folder: Path, variables: dict[str, str]) -> Path:
    """Runs cargo; the binary that it has made."""
    log(" ".join(cargo))
    result = subprocess.run(cargo, cwd=folder, env=os.environ | variables, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        stop(f"{folder} does not build: cargo ended with {result.returncode}")
    messages = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    binaries = [message["executable"] for message in messages if message.get("executable")]
    if len(binaries) != 1:
        stop(f"{folder} has {len(binaries)} binaries, not one: {', '.join(binaries)}")
    return Path(binaries[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crate", nargs="?", type=Path, help="the folder of an analysis [default: hep-run itself]")
    parser.add_argument("--machine", default=platform.machine(), help="the processor: x86_64, aarch64")
    parser.add_argument("--zig", action="store_true", help="compile with zig even if there is another compiler")
    parser.add_argument("--glibc", action="store_true", help=f"link with glibc {GLIBC} even if musl can be had")
    options = parser.parse_args()
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(options.machine, options.machine)
    folder = (options.crate or REPOSITORY).resolve()
    if not (folder / "Cargo.toml").is_file():
        stop(f"{folder} has no Cargo.toml: it is no analysis crate")

    target, library = f"{machine}-unknown-linux-musl", f"{machine}-unknown-linux-gnu"
    musl = not options.glibc and has_library(target, folder)
    if not musl:
        log(f"linking with glibc {GLIBC}")
        if not has_library(library, folder):
            stop(f"there is no standard library of Rust for {target} or {library}; install rustup, or a package that has one")
        target = f"{library}.{GLIBC}"
    what = ["--message-format=json-render-diagnostics", "--profile", "dist", "--target", target]
    what += [part for setting in PROFILE for part in ("--config", setting)] if options.crate else ["-p", "hep-run", "--bin", "hep-run"]
    if musl and not options.zig and has_compiler(target):
        print(built(["cargo", "build", *what], folder, {}))
        return
    programs = environment(HERE / "requirements.txt").parent
    variables = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "CARGO_ZIGBUILD_PYTHON_PATH": str(programs / "python")}
    print(built([str(programs / "cargo-zigbuild"), "zigbuild", *what], folder, variables))


if __name__ == "__main__":
    main()
