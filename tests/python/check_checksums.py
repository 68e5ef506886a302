"""check_checksums.py BINARY: what lies behind the values of a basket is not decompressed, and its checksum is
verified all the same.

Jagged branches of large baskets by uproot and by ROOT, whose tables of entry offsets end differently, and by ROOT
with a table that ends as neither does it. Any byte of them may be damaged: then the histograms are right, or the
run fails and says which branch it was. There is no third outcome.
"""

import json
import lzma
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import awkward as ak
import numpy as np
import ROOT
import uproot

from oracle import passed, run

ROOT.gErrorIgnoreLevel = ROOT.kError
EVENTS = 150_000
# Damaged bytes of each basket.
DAMAGES = 40
ROOT.gInterpreter.Declare("""
#include <TFile.h>
#include <TTree.h>
void write_jets(const char *path, int codec, int level, const int *counts, const float *values, int events) {
   TFile file(path, "RECREATE", "", 100 * codec + level);
   TTree tree("Events", "");
   tree.SetAutoFlush(0);
   int n; float pt[100];
   tree.Branch("nJet", &n, "nJet/I", 8000000);
   tree.Branch("Jet_pt", pt, "Jet_pt[nJet]/F", 8000000);
   for (int i = 0; i < events; i++) {
      n = counts[i];
      std::copy(values, values + n, pt);
      values += n;
      tree.Fill();
   }
   tree.Write();
}
""")


def jets() -> ak.Array:
    random = np.random.default_rng(11)
    counts = random.integers(0, 6, EVENTS).astype(np.int32)
    # Eighths of a GeV: what an lzma of a higher level compresses better. None lies on a bin's edge.
    return ak.unflatten((15.0625 + np.floor(random.exponential(160, counts.sum())) / 8).astype(np.float32), counts)


def make(folder: Path, jets: ak.Array) -> dict[str, Path]:
    files = {}
    for name, codec in ("zlib", uproot.ZLIB(1)), ("lzma", uproot.LZMA(1)):
        files[f"uproot, {name}"] = folder / f"uproot_{name}.root"
        with uproot.recreate(files[f"uproot, {name}"], compression=codec) as file:
            file.mktree("Events", {"Jet_pt": "var * float32"}).extend({"Jet_pt": jets})
    counts, values = ak.num(jets).to_numpy().astype(np.int32), ak.flatten(jets).to_numpy()
    for name, codec in ("zlib", 1), ("lzma", 2):
        files[f"ROOT, {name}"] = folder / f"root_{name}.root"
        ROOT.write_jets(str(files[f"ROOT, {name}"]), codec, 1, counts, values, EVENTS)
    for name in "zlib", "lzma":
        files[f"another's, {name}"] = folder / f"other_{name}.root"
        files[f"another's, {name}"].write_bytes(other(files[f"ROOT, {name}"]))
    return files


def basket(file: Path) -> tuple[int, int, int]:
    """Where the first basket of the jets lies, the length of its key, and its own length."""
    branch = uproot.open(file)["Events"]["Jet_pt"]
    assert branch.num_baskets == 1 and branch.num_entries == EVENTS
    first = branch.basket(0)
    return int(branch.member("fBasketSeek")[0]), first.member("fKeylen"), first.member("fNbytes")


def other(file: Path) -> bytes:
    """The file with another last word in the table of entry offsets; every checksum is right."""
    content = bytearray(file.read_bytes())
    start, key, end = basket(file)
    at, rest = start + key, b""
    whole = b""
    while at < start + end:
        magic, sizes = bytes(content[at : at + 3]), content[at + 3 : at + 9]
        packed, length = (int.from_bytes(sizes[i : i + 3], "little") for i in (0, 3))
        stream = content[at + 9 : at + 9 + packed]
        whole += zlib.decompress(stream) if magic[:2] == b"ZL" else lzma.decompress(stream)
        at += 9 + packed
    assert whole[-4:] == bytes(4), "ROOT ends the table with a zero"
    whole = whole[:-4] + struct.pack(">I", 4711)
    # Better compression than ROOT's, so that it fits where the other was; a stored byte behind it does not matter.
    packed = zlib.compress(whole, 9) if magic[:2] == b"ZL" else lzma.compress(whole, check=lzma.CHECK_CRC32, preset=9)
    assert len(packed) + 9 <= end - key and len(whole) < 1 << 24, (len(packed), end - key)
    rest = magic + len(packed).to_bytes(3, "little") + len(whole).to_bytes(3, "little") + packed
    content[start + key : start + key + len(rest)] = rest
    return bytes(content)


class Query:
    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary, self.folder = binary, folder

    def __call__(self, file: Path, *options: str) -> tuple[int, str, list[float] | None]:
        """The exit code, what it said, and the bins, if there are any."""
        (self.folder / "f.yaml").write_text(f"tree: Events\ndatasets: {{jets: ['{file}']}}\n")
        command = [self.binary, "f.yaml", "--processor", "adl_q2", "--output", "o.json", "--progress", "none", *options]
        (self.folder / "o.json").unlink(missing_ok=True)
        result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=100)
        bins = None
        if result.returncode == 0:
            objects = json.loads((self.folder / "o.json").read_text())["datasets"]["jets"]["objects"]
            bins = next(iter(objects.values()))["storage"]["values"]
        return result.returncode, result.stderr, bins


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        array = jets()
        expected, _ = np.histogram(ak.flatten(array).to_numpy().astype(np.float64), 100, (15, 60))
        files = make(folder, array)
        query = Query(Path(sys.argv[1]).resolve(), folder)
        for name, file in files.items():
            # In one range, and in some that end inside of the basket.
            for options in [], ["--entries-per-range", "10000"], ["--skip-checksums"]:
                code, said, bins = query(file, *options)
                assert code == 0, (name, options, said)
                assert bins[1:-1] == expected.tolist(), (name, options)
        passed(f"{len(files)} kinds of tables of entry offsets are as they should be, or read anyway")
        outcomes = {"right": 0, "refused": 0}
        for name, file in files.items():
            start, key, end = basket(file)
            content = bytearray(file.read_bytes())
            for at in np.linspace(start + key, start + end - 1, DAMAGES).astype(int):
                content[at] ^= 0x10
                (folder / "damaged.root").write_bytes(content)
                content[at] ^= 0x10
                code, said, bins = query(folder / "damaged.root", "--retries", "0")
                if code == 0:
                    assert bins[1:-1] == expected.tolist(), f"{name}: byte {at} of {start}..{start + end} gave another histogram"
                else:
                    assert code == 2 and "Jet_pt" in said and "panicked" not in said, said
                outcomes["refused" if code else "right"] += 1
        assert outcomes["refused"] > outcomes["right"] > 0, outcomes
        passed(f"a damaged byte: {outcomes['refused']} runs refuse the basket, {outcomes['right']} are right, none is wrong")


if __name__ == "__main__":
    main()
