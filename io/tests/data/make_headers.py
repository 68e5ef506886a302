"""Makes the files of `headers/`, whose header fields `io/tests/headers.rs` changes: one tree and one RNTuple in each codec.

Run with ROOT 6.40: `python3 make_headers.py FOLDER`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import ROOT

CODECS = {"zlib": 101, "lzma": 201, "lz4": 404, "zstd": 505, "none": 0}
ENTRIES = 240


def tree(path, codec):
    file = ROOT.TFile(str(path), "RECREATE", "", codec)
    events = ROOT.TTree("Events", "events")
    one = {
        name: np.zeros(1, dtype)
        for name, dtype in [("x", "f4"), ("n", "i4"), ("m", "i4"), ("l", "i8"), ("b", "u1"), ("d", "f8")]
    }
    for name, code in zip("xnmlbd", "FIILbD"):
        events.Branch(name, one[name], f"{name}/{code}", 400)
    a, k, c = np.zeros(8, "f4"), np.zeros(8, "i2"), bytearray(16)
    events.Branch("a", a, "a[n]/F", 400)
    events.Branch("k", k, "k[m]/S", 400)
    events.Branch("f", np.zeros(4, "f4"), "f[2][2]/F", 400)
    pair = np.zeros(2, "i4")
    events.Branch("pair", pair, "first/I:second/I", 400)
    events.Branch("c", c, "c/C", 400)
    text, vector = ROOT.std.string(), ROOT.std.vector("float")()
    events.Branch("text", text, 400)
    events.Branch("vector", vector, 400)
    for i in range(ENTRIES):
        one["x"][0], one["l"][0], one["b"][0], one["d"][0] = i / 3, i * i * 1000, i % 251, -i / 7
        one["n"][0], one["m"][0] = i % 5, i * 7 % 6
        a[:] = np.arange(8) + i
        k[:] = np.arange(8) * 3 - i
        pair[:] = i, -2 * i
        word = b"entry%d" % (i * i)
        c[: len(word) + 1] = word + b"\0"
        text.assign(f"text {i}")
        vector.clear()
        for j in range(i % 4):
            vector.push_back(i + j / 8)
        events.Fill()
    events.Write()
    file.Close()


def ntuple(path, codec):
    model = ROOT.RNTupleModel.Create()
    model.MakeField["float"]("x")
    model.MakeField["std::vector<std::int32_t>"]("v")
    model.MakeField["std::string"]("text")
    options = ROOT.RNTupleWriteOptions()
    options.SetCompression(codec)
    options.SetMaxUnzippedPageSize(400)
    options.SetInitialUnzippedPageSize(64)
    file = ROOT.TFile(str(path), "RECREATE", "", codec)
    writer = ROOT.RNTupleWriter.Append(model, "Events", file, options)
    entry = writer.CreateEntry()
    for i in range(ENTRIES):
        entry["x"] = i / 3
        entry["v"] = ROOT.std.vector["std::int32_t"](range(i % 4))
        entry["text"] = f"text {i}"
        writer.Fill(entry)
        if i % 100 == 99:
            writer.CommitCluster()
    del writer
    file.Close()


SPLIT = """
#include <string>
#include <vector>
#include <TFile.h>
#include <TTree.h>

struct Hit { float a; int b; unsigned int c; double d; short s; long long l; bool o; unsigned char u; };
struct Track : Hit { int n; float array[3]; Hit one; std::vector<Hit> many; std::string text; std::vector<double> list; };

#ifdef __CLING__
#pragma link C++ class Hit+;
#pragma link C++ class Track+;
#pragma link C++ class std::vector<Hit>+;
#endif

void write_split(const char *path)
{
   TFile file(path, "RECREATE", "", 0);
   TTree events("Events", "events");
   auto *track = new Track;
   events.Branch("track", &track, 400, 99);
   for (int i = 0; i < 100; ++i) {
      Hit hit{i / 3.f, -i, (unsigned int)(i * i), i / 7., (short)(5 * i), -1LL * i * i, i % 2 == 1, (unsigned char)i};
      static_cast<Hit &>(*track) = track->one = hit;
      track->n = i * 3, track->text = "text " + std::to_string(i);
      for (int j = 0; j < 3; ++j)
         track->array[j] = i - j;
      track->many.assign(i % 4, hit);
      for (int j = 0; j < i % 4; ++j)
         track->many[j].a += j, track->many[j].b -= j;
      track->list.assign(i % 3, i / 9.);
      events.Fill();
   }
   events.Write();
}
"""


def split(path):
    source = Path(tempfile.mkdtemp()) / "split.C"
    source.write_text(SPLIT)
    assert ROOT.gROOT.ProcessLine(f".L {source}+") == 0
    ROOT.write_split(str(path))


folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
for name, codec in CODECS.items():
    tree(folder / f"tree-{name}.root", codec)
    ntuple(folder / f"ntuple-{name}.root", codec)
split(folder / "split-none.root")
