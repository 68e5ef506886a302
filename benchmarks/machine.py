"""What was measured on, and with which versions of everything. No names of hosts or folders."""

import hashlib
import os
import platform
import subprocess
from pathlib import Path

PACKAGES = ("ROOT", "uproot", "awkward", "coffea", "numpy", "cramjam")


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gb() -> float:
    kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
    return kilobytes / 1e6


def versions(python: Path) -> dict[str, str]:
    """Of the packages that an interpreter has, and ROOT's own."""
    code = """
import importlib.metadata, pathlib, re, sys
have = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
for path in sys.path:
    header = pathlib.Path(path, "ROOT", "include", "ROOT", "RVersion.hxx")
    if header.exists():
        numbers = re.findall(r"define ROOT_VERSION_(?:MAJOR|MINOR|PATCH) +(\\d+)", header.read_text())
        have["ROOT"] = ".".join(numbers)
for name in sys.argv[1:]:
    if name in have:
        print(name, have[name])
"""
    said = subprocess.check_output([python, "-c", code, *PACKAGES], text=True)
    return dict(line.split(" ", 1) for line in said.splitlines())


def first_line(command: list[str]) -> str:
    try:
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def describe(binary: Path, *pythons: Path) -> dict[str, str]:
    """A line for each thing that a figure depends on."""
    repository = Path(__file__).resolve().parents[1]
    packages: dict[str, str] = {}
    for python in pythons:
        packages |= versions(python)
    with open(binary, "rb") as content:
        # Piece by piece: what this process has ever held counts as its children's memory.
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {
        "CPU": f"{cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory_gb():.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "rustc": first_line(["rustc", "--version"]).removeprefix("rustc "),
        "g++": first_line(["g++", "--version"]),
        "hep-run": f"commit {first_line(['git', '-C', str(repository), 'describe', '--always', '--dirty', '--abbrev=9'])}, "
        f"binary {digest[:12]}",
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }
