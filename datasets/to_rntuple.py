"""to_rntuple.py IN.root OUT.root: the tree `Events` of a file as an RNTuple, by ROOT's own importer."""

import argparse
from pathlib import Path

import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--compression", type=int, default=505, help="ROOT's number for codec and level")
    options = parser.parse_args()
    importer = ROOT.Experimental.RNTupleImporter.Create(str(options.tree), "Events", str(options.out))
    settings = importer.GetWriteOptions()
    settings.SetCompression(options.compression)
    importer.SetWriteOptions(settings)
    importer.SetIsQuiet(True)
    importer.Import()


if __name__ == "__main__":
    main()
