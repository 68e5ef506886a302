#!/usr/bin/env python3
"""Writes the golden files beside it: what ROOT and boost-histogram answer.

Run with ROOT 6.40, boost-histogram 1.8, awkward 2.14, numpy 2.4 (`pip install --pre ROOT==0.1a12
boost-histogram awkward numpy`, Python 3.11, x86-64 Linux with glibc). Doubles are written as the 16 hex
digits of their bits, so that NaN, infinities and the last bit survive JSON.
"""
import itertools
import json
import math
import pathlib
import random
import struct

import awkward as ak
import boost_histogram as bh
import numpy as np
import ROOT

HERE = pathlib.Path(__file__).parent
NAN, INF = math.nan, math.inf
LV = ROOT.Math.PtEtaPhiMVector
XYZT = ROOT.Math.PxPyPzEVector
random.seed(20120101)


def bits(x):
    return struct.pack(">d", x).hex()


def f32(x):
    return float(np.float32(x))


def write(name, **content):
    content = {"made_by": f"make.py, ROOT {ROOT.gROOT.GetVersion()}, boost-histogram {bh.__version__}"} | content
    # One line for each case: a changed value is a changed line.
    def dump(value):
        if isinstance(value, list):
            return "[\n" + ",\n".join(json.dumps(item, separators=(",", ":")) for item in value) + "\n]"
        return json.dumps(value)
    body = ",\n".join(f"{json.dumps(key)}: {dump(value)}" for key, value in content.items())
    (HERE / f"{name}.json").write_text("{\n" + body + "\n}\n")


# ---------------------------------------------------------------- four-vectors
def particle():
    return (f32(random.expovariate(1 / 35) + 3), f32(random.gauss(0, 1.6)),
            f32(random.uniform(-math.pi, math.pi)), f32(random.choice([0, 0.000511, 0.10565837, random.uniform(2, 30)])))


def unusual():
    pi32 = f32(math.pi)
    yield from [
        (20.0, 0.0, 0.0, 0.0), (20.0, -0.0, -0.0, 0.0), (20.0, 0.0, math.pi, 1.0), (20.0, 0.0, -math.pi, 1.0),
        (20.0, 1.0, pi32, 0.1), (20.0, 1.0, -pi32, 0.1), (20.0, 1.0, 7.0, 0.1), (20.0, 1.0, -100.0, 0.1),
        (30.0, 2.5, 1.0, -0.0125), (30.0, 0.1, 1.0, -5.0), (3.0, 0.0, 1.0, -5.0),   # negative masses
        (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, 91.2), (0.0, 22800.0, 1.0, 0.0), (0.0, -22800.0, 1.0, 5.0),
        (1e-3, 10.0, 2.0, 0.1), (5.0, 20.0, 2.0, 0.1), (5.0, -20.0, 2.0, 0.1), (5.0, 300.0, 2.0, 0.1),
        (5.0, -800.0, 2.0, 0.1), (1e-300, 1.0, 2.0, 0.0), (1e200, 1.0, 2.0, 0.0), (6500.0, 0.01, -2.0, 172.5),
        (INF, 1.0, 1.0, 0.0), (NAN, 1.0, 1.0, 0.0), (10.0, INF, 1.0, 0.0), (10.0, 1.0, NAN, 0.0), (10.0, 1.0, INF, 0.0),
        (10.0, 1.0, 1.0, INF),
    ]


def cartesian():
    yield from [
        (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 5.0, 5.0), (0.0, 0.0, -5.0, 5.0), (0.0, 0.0, 5.0, 13.0), (3.0, 4.0, 0.0, 5.0),
        (3.0, 4.0, 12.0, 13.0), (3.0, 4.0, 12.0, 5.0), (-3.0, 0.0, 1.0, 4.0), (-3.0, -0.0, 1.0, 4.0), (0.0, -2.0, 1.0, 1.0),
        (1e-9, 0.0, 1e3, 1e3), (1e-9, 1e-9, -1e3, 1e3), (1.0, 0.0, 8191.0, 9000.0), (1.0, 0.0, 8192.0, 9000.0),
        (1.0, 0.0, -8192.0, 9000.0), (1.0, 0.0, -8191.5, 9000.0), (NAN, 1.0, 1.0, 1.0), (INF, 1.0, 1.0, INF),
        (1e-320, 0.0, 1.0, 1.0), (1.0, 1.0, 1.0, -5.0),
    ]
    for _ in range(60):
        v = XYZT(LV(*particle()) + LV(*particle()))
        yield v.Px(), v.Py(), v.Pz(), v.E()


def vectors():
    polar = list(unusual()) + [particle() for _ in range(120)]
    from_polar = []
    for c in polar:
        v = LV(*c)
        from_polar.append([[*map(bits, c)], [bits(v.Px()), bits(v.Py()), bits(v.Pz()), bits(v.E())]])
    to_polar = []
    for c in cartesian():
        v = XYZT(*c)
        out = [v.Pt(), v.Eta(), v.Phi(), v.M(), v.P(), v.Rapidity(), v.Mt()]
        to_polar.append([[*map(bits, c)], [*map(bits, out)]])
    same = particle()
    edge = [(same, same), ((20.0, 1.0, 3.1, 0.1), (30.0, 1.0, -3.1, 0.1)), ((20.0, 1.0, 0.0, 0.0), (20.0, 1.0, 0.0, 0.0)),
            ((20.0, -4.0, 1.0, 0.0), (25.0, 4.0, -2.0, -0.01)), ((20.0, 0.0, 0.0, 0.0), (20.0, 0.0, f32(math.pi), 0.0))]
    pairs = []
    for a, b in edge + [(particle(), particle()) for _ in range(100)]:
        va, vb = LV(*a), LV(*b)
        out = [(va + vb).M(), ROOT.Math.VectorUtil.DeltaPhi(va, vb), ROOT.Math.VectorUtil.DeltaR(va, vb),
               math.sqrt(2 * a[0] * b[0] * (1 - math.cos(ROOT.Math.VectorUtil.DeltaPhi(va, vb))))]
        pairs.append([[*map(bits, a + b)], [*map(bits, out)]])
    triples = []
    for _ in range(60):
        t = [particle() for _ in range(3)]
        polar = LV(*t[0]) + LV(*t[1]) + LV(*t[2])
        flat = XYZT(LV(*t[0])) + XYZT(LV(*t[1])) + XYZT(LV(*t[2]))
        triples.append([[*map(bits, itertools.chain(*t))], [*map(bits, [flat.M(), flat.Pt(), polar.M(), polar.Pt()])]])
    angles = []
    pi = math.pi
    for a, b in [(0.0, pi), (0.0, -pi), (pi, -pi), (-pi, pi), (3.0, -3.0), (-3.0, 3.0), (0.0, 0.0), (0.0, 7.0),
                 (0.0, 20.0), (-30.0, 30.0), (0.0, NAN), (0.0, INF)] + [
                 (random.uniform(-pi, pi), random.uniform(-pi, pi)) for _ in range(30)]:
        angles.append([bits(a), bits(b), bits(ROOT.VecOps.DeltaPhi["double"](a, b))])
    write("vectors", from_polar=from_polar, to_polar=to_polar, pairs=pairs, triples=triples, delta_phi=angles)


# ---------------------------------------------------------------- bins
def around(edges):
    xs = [NAN, INF, -INF, 0.0, -0.0, 1e300, -1e300, 5e-324]
    for e in edges:
        xs += [e, math.nextafter(e, -INF), math.nextafter(e, INF)]
    return xs


def binning():
    regular = []
    for n, lo, hi in [(60, 60, 120), (100, 0, 2000), (100, 15, 60), (100, 15, 40), (100, 0, 1), (7, 0.1, 0.7), (3, -1.1, 2.3),
                      (50, -2.4, 2.4), (64, -math.pi, math.pi), (1, 0, 1), (49, 0, 1), (37, -3.3, 17.7), (11, 1e6, 1e6 + 1e-3)]:
        axis = ROOT.TAxis(n, float(lo), float(hi))
        picked = sorted({0, 1, n, *random.sample(range(n + 1), min(9, n + 1))})
        edges = [axis.GetBinLowEdge(i + 1) for i in picked] + [lo + (hi - lo) * i / n for i in picked]
        xs = around(edges) + [random.uniform(lo, hi) for _ in range(10)]
        regular.append({"axis": [n, bits(lo), bits(hi)], "bins": [[bits(x), axis.FindFixBin(x)] for x in xs]})
    variable = []
    for edges in [[0, 1], [0, 20, 30, 50, 100, 200], [-2.4, -1.2, -0.9, 0, 0.9, 1.2, 2.4], [0.1, 0.2, 0.3, 0.30000000000000004]]:
        edges = [float(e) for e in edges]
        root, boost = ROOT.TAxis(len(edges) - 1, np.array(edges)), bh.axis.Variable(edges)
        cases = []
        for x in around(edges) + [random.uniform(edges[0], edges[-1]) for _ in range(8)]:
            assert root.FindFixBin(x) == boost.index(x) + 1, (edges, x)
            cases.append([bits(x), boost.index(x) + 1])
        variable.append({"edges": [*map(bits, edges)], "bins": cases})
    integer = []
    for lo, hi in [(0, 5), (-3, 4), (1, 2), (-1000, -990)]:
        # boost-histogram takes whole numbers only; ROOT's axis of unit bins covers those between.
        root, boost = ROOT.TAxis(hi - lo, float(lo), float(hi)), bh.axis.Integer(lo, hi)
        cases = []
        for i in range(lo - 3, hi + 4):
            assert root.FindFixBin(i) == boost.index(i) + 1
            cases += [[bits(x), root.FindFixBin(x)] for x in (float(i), i + 0.5, math.nextafter(i, -INF))]
        integer.append({"axis": [lo, hi], "bins": cases + [[bits(x), root.FindFixBin(x)] for x in (NAN, INF, -INF)]})
    names, asked = ["ee", "mumu", "emu"], ["mumu", "ee", "tautau", "emu", "", "EE", "emu", "eee", "tautau"]
    fixed = bh.axis.StrCategory(names)
    # `index` throws for an unknown name; a fill puts it into the overflow bin.
    category = []
    for name in asked:
        one = bh.Histogram(bh.axis.StrCategory(names))
        one.fill(name)
        category.append([name, int(np.argmax(one.view(flow=True))) + 1])
    grown = bh.Histogram(bh.axis.StrCategory([], growth=True), bh.axis.Regular(2, 0, 2), storage=bh.storage.Weight())
    fills = [[name, random.uniform(-0.5, 2.5), random.uniform(0, 2)] for name in asked * 3]
    for name, x, w in fills:
        grown.fill(name, x, weight=w)
    view = grown.view(flow=True)
    growing = {
        "fills": [[name, bits(x), bits(w)] for name, x, w in fills], "names": list(grown.axes[0]),
        "sumw": [[*map(bits, row)] for row in view.value], "sumw2": [[*map(bits, row)] for row in view.variance],
    }
    write("binning", regular=regular, variable=variable, integer=integer, category=category, growing=growing)


# ---------------------------------------------------------------- fills
def contents(h):
    n = h.GetNcells()
    assert h.GetSumw2N() == n
    return {"sumw": [bits(h.GetBinContent(i)) for i in range(n)], "sumw2": [bits(h.GetSumw2()[i]) for i in range(n)],
            "entries": int(h.GetEntries())}


def fills():
    edges = np.array([0.0, 20, 50, 200])
    h1 = ROOT.TH1D("h1", "", 7, 0.1, 0.7)
    h2 = ROOT.TH2D("h2", "", 4, -1.0, 1.0, 3, edges)
    h3 = ROOT.TH3D("h3", "", 2, 0.0, 1.0, 3, 0.0, 3.0, 2, -1.0, 1.0)
    out, special = {}, [NAN, INF, -INF]
    def pick(lo, hi):
        return random.choice(special) if random.random() < 0.04 else f32(random.uniform(lo, hi))
    ranges = {"h1": [(0, 0.8)], "h2": [(-1.3, 1.3), (-20, 230)], "h3": [(-0.3, 1.3), (-0.5, 3.5), (-1.3, 1.3)]}
    for name, h in {"h1": h1, "h2": h2, "h3": h3}.items():
        h.Sumw2()
        steps = []
        for _ in range(150):
            c, w = [pick(*r) for r in ranges[name]], random.choice([1.0, -0.5, f32(random.gauss(1, 0.3))])
            h.Fill(*c, w)
            steps.append([*map(bits, c), bits(w)])
        out[name] = {"fills": steps} | contents(h) | {"inside": bits(h.GetSumOfWeights()), "statistics": statistics(h)}
    out["named"] = named()
    out["four"] = four()
    write("fills", **out)


def statistics(h):
    sums = np.zeros(13)
    h.GetStats(sums)
    return [*map(bits, sums[:{1: 4, 2: 7, 3: 11}[h.GetDimension()]])]


def named():
    """A fixed and a growing axis of names, with one of numbers."""
    names = ["ee", "mumu", "emu"]
    fixed = [ROOT.TH1D("fixed1", "", 3, 0, 3), ROOT.TH2D("fixed2", "", 3, 0, 3, 4, -1.0, 1.0)]
    growing = [ROOT.TH1D("growing1", "", 1, 0, 1), ROOT.TH2D("growing2", "", 1, 0, 1, 4, -1.0, 1.0)]
    for h in fixed:
        for i, name in enumerate(names):
            h.GetXaxis().SetBinLabel(i + 1, name)
        h.GetXaxis().SetCanExtend(False)
    growing[0].SetCanExtend(ROOT.TH1.kXaxis)
    growing[1].SetCanExtend(ROOT.TH1.kXaxis)
    rng, steps = random.Random(5), []
    for h in fixed + growing:
        h.Sumw2()
    for _ in range(60):
        name, y, w = rng.choice(names), f32(rng.uniform(-1.2, 1.2)), f32(rng.gauss(1, 0.4))
        for h in fixed + growing:
            h.Fill(*([name] if h.GetDimension() == 1 else [name, y]), w)
        steps.append([name, bits(y), bits(w)])
    return {"names": names, "fills": steps} | {h.GetName(): statistics(h) for h in fixed + growing}


def four():
    """THnD counts what is outside, too."""
    bins, low, high = [2, 3, 2, 4], [0.0, 0.0, -1.0, 1.0], [1.0, 3.0, 1.0, 5.0]
    h = ROOT.THnD("four", "", 4, np.array(bins, dtype=np.int32), np.array(low), np.array(high))
    h.Sumw2()
    rng, steps = random.Random(6), []
    for _ in range(300):
        at = [f32(rng.uniform(a - 0.3, b + 0.3)) for a, b in zip(low, high)]
        w = f32(rng.gauss(1, 0.4))
        h.Fill(np.array(at), w)
        steps.append([*map(bits, at), bits(w)])
    sums = [h.GetSumw(), h.GetSumw2()] + [f(d) for d in range(4) for f in (h.GetSumwx, h.GetSumwx2)]
    return {"bins": bins, "low": [*map(bits, low)], "high": [*map(bits, high)], "fills": steps,
            "statistics": [*map(bits, sums)]}


# ---------------------------------------------------------------- combinations
def rows_of(choices):
    # `choices` must outlive its columns, which PyROOT does not copy.
    return [[int(choices[j][i]) for j in range(len(choices))] for i in range(choices[0].size())]


def combinations():
    cases = []
    for n, k in [(0, 2), (1, 2), (2, 2), (5, 2), (2, 3), (3, 3), (6, 3), (5, 4), (4, 1)]:
        if n >= k:  # ROOT throws for fewer
            root = rows_of(ROOT.VecOps.Combinations(ROOT.RVecI(range(n)), k))
        rows = ak.to_list(ak.combinations([list(range(n))], k, axis=1))[0]
        rows = [list(row) for row in rows]
        assert n < k or rows == root, (n, k)
        cases.append({"of": n, "choose": k, "rows": rows})
    a, b = 3, 2
    root = rows_of(ROOT.VecOps.Combinations(ROOT.RVecI(range(a)), ROOT.RVecI(range(b))))
    write("combinations", combinations=cases, cross={"of": [a, b], "rows": root})


vectors()
binning()
fills()
combinations()
