"""make_bench.py OUT.root: a file of any size in the schema of CMS open data 2012 (Run2012B_SingleMu.root, the
file of the ADL benchmark), drawn from real events of it.

Each event is a real one, picked at random, turned by a random azimuth and mirrored in φ and η, which changes no
physics, and smeared a little, so that values neither repeat nor compress better than real ones. Multiplicities,
triggers, identification, charges and the values that mean "none" (-999, -10, NaN, negative masses) stay real.

The events depend on --seed-file, --rng-seed and nothing else: files with other codecs, cluster sizes or formats
hold the same ones, and a longer file begins with the events of a shorter.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import awkward as ak
import numpy as np
import uproot
from real_events import real_events
from uproot.writing._cascadetree import Tree

# Events are drawn in blocks of this many, whatever the clusters' size: a block's content depends on its number.
BLOCK = 65536
RUNS, RUN_EVENTS, LUMI_EVENTS = range(193833, 193833 + 2699), 120_000, 45
COLLECTIONS = ("Muon", "Electron", "Tau", "Photon", "Jet")
# Of each collection: the pt below which the original holds nothing [GeV], resolution of pt (relative) and of angles.
LEAST_PT = {"Muon": 3.0, "Electron": 5.0, "Tau": 15.0, "Photon": 9.0, "Jet": 15.0}
PT_RESOLUTION = {"Muon": 0.02, "Electron": 0.03, "Tau": 0.06, "Photon": 0.04, "Jet": 0.08}
ANGLE_RESOLUTION = {"Muon": 0.01, "Electron": 0.01, "Tau": 0.02, "Photon": 0.02, "Jet": 0.02}
POSITIVE = {"pfRelIso03_all", "pfRelIso04_all", "relIso_all", "idIsoRaw", "dxyErr", "dzErr"}
SIGNED = {"dxy", "dz"}
CODECS = {"zlib": uproot.ZLIB, "lz4": uproot.LZ4, "zstd": uproot.ZSTD, "lzma": uproot.LZMA}


class Lists(NamedTuple):
    """A list for each event: its length, and the values of all lists one after the other."""

    lengths: np.ndarray
    values: np.ndarray


Columns = dict[str, "np.ndarray | Lists"]


class Seed:
    """The real events."""

    def __init__(self, path: Path) -> None:
        tree = uproot.open(path)["Events"]
        self.names = [branch.name for branch in tree.branches]
        self.events = tree.num_entries
        self.flat: dict[str, np.ndarray] = {}
        self.lists: dict[str, np.ndarray] = {}
        self.offsets: dict[str, np.ndarray] = {}
        for name in self.names:
            array = tree[name].array()
            if array.ndim == 1:
                self.flat[name] = np.asarray(array)
            else:
                layout = array.layout.to_ListOffsetArray64(start_at_zero=True)
                offsets = np.asarray(layout.offsets.data)
                self.offsets.setdefault(name.split("_")[0], offsets)
                self.lists[name] = np.asarray(layout.content.data)[: offsets[-1]]

    def dtype(self, name: str) -> np.dtype:
        return (self.flat.get(name) if name in self.flat else self.lists[name]).dtype


class Draw:
    """The random numbers of one block, and what all objects of an event have in common.

    The order of the draws is part of the files' definition: another order gives other events.
    """

    def __init__(self, seed: Seed, block: int, rng_seed: int) -> None:
        self.rng = np.random.Generator(np.random.Philox(key=[rng_seed, block]))
        self.source = self.rng.integers(0, seed.events, BLOCK)
        self.turn = self.rng.uniform(-np.pi, np.pi, BLOCK)
        self.mirror_phi = self.signs(BLOCK, np.float64)
        self.mirror_eta = self.signs(BLOCK, np.float64).astype(np.float32)
        self.scale = self.normal(BLOCK, 0.02)

    def signs(self, n: int, dtype: type) -> np.ndarray:
        return self.rng.choice(np.array([-1, 1], dtype), n)

    def normal(self, n: int, width: float) -> np.ndarray:
        return width * self.rng.standard_normal(n)

    def stretch(self, values: np.ndarray, width: float, keep: np.ndarray) -> np.ndarray:
        """Values times a log-normal factor, but for those to keep."""
        factor = np.exp(width * self.rng.standard_normal(len(values), dtype=np.float32))
        return np.where(keep, values, values * factor).astype(np.float32)


def azimuth(phi: np.ndarray) -> np.ndarray:
    """Angles in [-π, π], which rounding to single precision would leave."""
    pi = np.float32(np.pi)
    return np.clip((np.remainder(phi + np.pi, 2 * np.pi) - np.pi).astype(np.float32), -pi, pi)


def event_columns(seed: Seed, draw: Draw, block: int) -> Columns:
    """What an event has one of."""
    real = {name: values[draw.source] for name, values in seed.flat.items()}
    number = np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.int64)
    lumi = number % RUN_EVENTS // LUMI_EVENTS + 1
    columns: Columns = {
        "run": RUNS.start + number // RUN_EVENTS * 37 % len(RUNS),
        "luminosityBlock": lumi,
        "event": lumi * 880_000 + number % LUMI_EVENTS * 19_500 + draw.rng.integers(0, 19_500, BLOCK),
    }
    columns |= {name: values for name, values in real.items() if name.startswith("HLT_")}
    columns["PV_npvs"] = np.maximum(1, real["PV_npvs"] + draw.rng.integers(-1, 2, BLOCK))
    for name, width in (("PV_x", 0.0015), ("PV_y", 0.0015), ("PV_z", 0.6)):
        columns[name] = real[name] + draw.normal(BLOCK, width)
    columns["MET_pt"] = real["MET_pt"] * np.exp(draw.scale) * np.exp(draw.normal(BLOCK, 0.08))
    columns["MET_phi"] = azimuth(draw.mirror_phi * real["MET_phi"] + draw.turn + draw.normal(BLOCK, 0.03))
    for name, width in (("MET_sumet", 0.08), ("MET_significance", 0.15), ("MET_CovXX", 0.08), ("MET_CovYY", 0.08)):
        columns[name] = real[name] * np.exp(draw.normal(BLOCK, width))
    columns["MET_CovXY"] = real["MET_CovXY"] * draw.mirror_phi * draw.mirror_eta * np.exp(draw.normal(BLOCK, 0.1))
    return columns


def smear_field(draw: Draw, field: str, values: np.ndarray) -> np.ndarray:
    """A property other than the four-vector; values that mean "none" stay."""
    if field in POSITIVE:
        return draw.stretch(values, 0.2, ~(values > 0))
    if field in SIGNED:
        none = values <= -900
        smeared = draw.stretch(values, 0.25, none)
        return np.where(none, values, smeared * draw.signs(len(values), np.float32))
    if field == "btag":
        # Smeared where it is unbounded, as a logit.
        tag = values.astype(np.float64)
        inside = (tag > 0) & (tag < 1)
        odds = np.where(inside, tag, 0.5) / (1 - np.where(inside, tag, 0.5))
        return np.where(inside, 1 / (1 + np.exp(-(np.log(odds) + draw.normal(len(tag), 0.3)))), tag)
    return values


def collection_columns(seed: Seed, draw: Draw, name: str) -> Columns:
    """The objects of one collection, and their number `nName`."""
    offsets = seed.offsets[name]
    lengths = np.diff(offsets)[draw.source]
    event = np.repeat(np.arange(BLOCK), lengths)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    n = len(event)
    source = np.arange(n) - first[event] + offsets[draw.source[event]]
    prefix = f"{name}_"
    fields = {b.removeprefix(prefix): seed.lists[b][source] for b in seed.names if b in seed.lists and b.startswith(prefix)}

    angle = ANGLE_RESOLUTION[name]
    factor = np.exp(draw.normal(n, PT_RESOLUTION[name]) + draw.scale[event]).astype(np.float32)
    pt, least = fields["pt"] * factor, np.float32(LEAST_PT[name])
    fields["pt"] = np.where(pt < least, least * least / pt, pt)
    fields["eta"] = draw.mirror_eta[event] * (fields["eta"] + draw.normal(n, angle))
    fields["phi"] = azimuth(draw.mirror_phi[event] * fields["phi"] + draw.turn[event] + draw.normal(n, angle))
    if name in ("Jet", "Tau"):
        fields["mass"] = fields["mass"] * factor
    elif name in ("Electron", "Photon"):
        fields["mass"] = fields["mass"] * np.exp(draw.normal(n, 0.3))
    fields = {field: smear_field(draw, field, values) for field, values in fields.items()}
    if name == "Jet":
        # By falling pt: the only collection that the original sorts.
        order = np.lexsort((-fields["pt"].astype(np.float64), event))
        fields = {field: values[order] for field, values in fields.items()}
    return {f"n{name}": lengths} | {prefix + field: Lists(lengths, values) for field, values in fields.items()}


def block(seed: Seed, number: int, rng_seed: int) -> Columns:
    """The events of one block, in the types and the order of the original's branches."""
    draw = Draw(seed, number, rng_seed)
    columns = event_columns(seed, draw, number)
    for name in COLLECTIONS:
        columns |= collection_columns(seed, draw, name)

    def typed(name: str) -> np.ndarray | Lists:
        column, dtype = columns[name], seed.dtype(name)
        if isinstance(column, Lists):
            return Lists(column.lengths, column.values.astype(dtype, copy=False))
        return column.astype(dtype, copy=False)

    return {name: typed(name) for name in seed.names}


def join(parts: list[Columns]) -> Columns:
    def joined(columns: list) -> np.ndarray | Lists:
        if isinstance(columns[0], Lists):
            return Lists(*(np.concatenate(arrays) for arrays in zip(*columns, strict=True)))
        return np.concatenate(columns)

    return {name: joined([part[name] for part in parts]) for name in parts[0]}


def split(columns: Columns, events: int) -> tuple[Columns, Columns]:
    head: Columns = {}
    tail: Columns = {}
    for name, column in columns.items():
        if isinstance(column, Lists):
            cut = column.lengths[:events].sum()
            head[name] = Lists(column.lengths[:events], column.values[:cut])
            tail[name] = Lists(column.lengths[events:], column.values[cut:])
        else:
            head[name], tail[name] = column[:events], column[events:]
    return head, tail


def clusters(seed: Seed, events: int, size: int, rng_seed: int) -> Iterator[Columns]:
    """`events` events in clusters of `size`; the last one may be smaller."""
    parts: list[Columns] = []
    have = drawn = 0
    for start in range(0, events, size):
        want = min(size, events - start)
        while have < want:
            parts.append(block(seed, drawn, rng_seed))
            drawn, have = drawn + 1, have + BLOCK
        cluster, rest = split(join(parts), want)
        parts, have = [rest], have - want
        yield cluster


def awkward(column: np.ndarray | Lists) -> ak.Array:
    if isinstance(column, Lists):
        return ak.unflatten(column.values, column.lengths)
    return ak.Array(column)


def unsigned_counters() -> None:
    """uproot writes `nMuon` as a signed number, the original has an unsigned one: corrected inside uproot."""
    original = Tree._branch_np

    def branch(self, name, kind_of, dtype, counter=None, kind="normal"):
        if kind == "counter":
            kind_of = dtype = np.dtype(np.uint32)
        return original(self, name, kind_of, dtype, counter=counter, kind=kind)

    Tree._branch_np = branch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed-file", type=Path, help="other real events, with the same branches")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--codec", choices=[*CODECS, "none"], default="zlib")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--cluster", type=int, default=98_329, help="events in a basket; as in the original")
    parser.add_argument("--format", choices=["ttree", "rntuple"], default="ttree")
    parser.add_argument("--rng-seed", type=int, default=2012)
    options = parser.parse_args()

    seed = Seed(options.seed_file or real_events())
    counters = {f"n{name}" for name in COLLECTIONS}
    codec = None if options.codec == "none" else CODECS[options.codec](options.level)
    unsigned_counters()
    with uproot.recreate(options.out, compression=codec) as file:
        out = None
        for columns in clusters(seed, options.events, options.cluster, options.rng_seed):
            arrays = {name: awkward(column) for name, column in columns.items()}
            if options.format == "rntuple":
                record = ak.zip(arrays, depth_limit=1)
                out = out or file.mkrntuple("Events", ak.Array(record.layout[:0]))
                out.extend(record)
                continue
            arrays = {name: array for name, array in arrays.items() if name not in counters}
            if out is None:
                types = {name: seed.dtype(name) if name in seed.flat else f"var * {seed.dtype(name).name}" for name in arrays}
                baskets = -(-options.events // options.cluster)
                out = file.mktree(
                    "Events", types, title="Events", initial_basket_capacity=max(10, baskets),
                    counter_name=lambda name: "n" + name.split("_")[0],
                )  # fmt: skip
            out.extend(arrays)
    size = options.out.stat().st_size
    about = {"out": str(options.out), "events": options.events, "codec": options.codec, "level": options.level, "bytes": size}
    print(json.dumps(about))


if __name__ == "__main__":
    main()
