#!/usr/bin/env python3
"""make_bench.py - write an ADL-benchmark-like ROOT file in the exact schema of CMS Open Data
Run2012B_SingleMu.root (the reduced NanoAOD of opendata.cern.ch / root-eos), bootstrapped from 1000
real events of that file.

Every synthetic event takes one real event (with its real multiplicities, triggers, IDs, charges,
sentinels: -999 isolations, -10 b-tags, NaN tau isolations, negative electron masses) and
  * rotates the whole event by a random azimuth, mirrors phi and/or eta at random (exact symmetries),
  * smears every object's pt, eta, phi, mass, isolation, impact parameter and b-tag a little,
  * re-sorts the jets by pt (the only collection sorted in the original),
  * gets a new run / luminosity block / event number and vertex.
So no two float values repeat and the columns compress like real ones, not like 1000 repeated events.

The content depends only on (--events, --rng-seed, --seed-file), never on codec, level, cluster or
format: files written with different codecs hold identical events.
"""
import argparse, json, os, sys, time
import numpy as np, awkward as ak, uproot

BLOCK = 65536                       # generation block; independent of --cluster
PI32 = np.float32(np.pi)
PT_MIN = {'Muon': 3.0, 'Electron': 5.0, 'Tau': 15.0, 'Photon': 9.0, 'Jet': 15.0}
PT_RES = {'Muon': .02, 'Electron': .03, 'Tau': .06, 'Photon': .04, 'Jet': .08}
ANG_RES = {'Muon': .01, 'Electron': .01, 'Tau': .02, 'Photon': .02, 'Jet': .02}
COLL = ['Muon', 'Electron', 'Tau', 'Photon', 'Jet']

class Seeds:
    def __init__(self, path):
        t = uproot.open(path)['Events']
        self.order = [b.name for b in t.branches]
        self.n = t.num_entries
        self.flat, self.cont, self.off = {}, {}, {}
        arr = t.arrays(library='ak')
        for b in self.order:
            x = arr[b]
            if x.ndim == 1:
                self.flat[b] = np.asarray(x)
            else:
                lay = x.layout.to_ListOffsetArray64(True)
                c = b.split('_')[0]
                self.off.setdefault(c, np.asarray(lay.offsets.data))
                self.cont[b] = np.asarray(lay.content.data)[: int(self.off[c][-1])]
        self.dtype = {b: (self.flat[b] if b in self.flat else self.cont[b]).dtype for b in self.order}

def wrap(phi):
    p = np.remainder(phi + np.pi, 2 * np.pi) - np.pi
    return np.clip(p.astype(np.float32), -PI32, PI32)

def lognormal(rng, x, s, keep):
    """x * exp(s N) where keep is False; x unchanged (sentinel) where keep is True"""
    y = x * np.exp(s * rng.standard_normal(x.shape[0], dtype=np.float32))
    return np.where(keep, x, y).astype(np.float32)

def block(seeds, ib, rng_seed):
    """the BLOCK events number ib as {branch: flat array or (counts, content)}"""
    rng = np.random.Generator(np.random.Philox(key=[rng_seed, ib]))
    B = BLOCK
    s = rng.integers(0, seeds.n, B)
    rot = rng.uniform(-np.pi, np.pi, B); mphi = rng.choice(np.array([-1., 1.]), B)
    meta = rng.choice(np.array([-1., 1.]), B).astype(np.float32)
    scale = .02 * rng.standard_normal(B)
    out = {}
    # identification: synthetic runs inside the real Run2012B range, ~45 events a lumi block
    g = np.arange(ib * B, (ib + 1) * B, dtype=np.int64)
    runno = g // 120_000
    out['run'] = (193833 + (runno * 37) % 2699).astype(np.int32)
    lumi = (g % 120_000) // 45 + 1
    out['luminosityBlock'] = lumi.astype(np.uint32)
    out['event'] = (lumi * 880_000 + (g % 45) * 19_500 + rng.integers(0, 19_500, B)).astype(np.uint64)
    for b in ('HLT_IsoMu24_eta2p1', 'HLT_IsoMu24', 'HLT_IsoMu17_eta2p1_LooseIsoPFTau20'):
        out[b] = seeds.flat[b][s]
    out['PV_npvs'] = np.maximum(1, seeds.flat['PV_npvs'][s] + rng.integers(-1, 2, B)).astype(np.int32)
    for b, w in (('PV_x', .0015), ('PV_y', .0015), ('PV_z', .6)):
        out[b] = (seeds.flat[b][s] + w * rng.standard_normal(B)).astype(np.float32)
    esc = np.exp(scale)
    out['MET_pt'] = (seeds.flat['MET_pt'][s] * esc * np.exp(.08 * rng.standard_normal(B))).astype(np.float32)
    out['MET_phi'] = wrap(mphi * seeds.flat['MET_phi'][s] + rot + .03 * rng.standard_normal(B))
    for b, w in (('MET_sumet', .08), ('MET_significance', .15), ('MET_CovXX', .08), ('MET_CovYY', .08)):
        out[b] = (seeds.flat[b][s] * np.exp(w * rng.standard_normal(B))).astype(np.float32)
    out['MET_CovXY'] = (seeds.flat['MET_CovXY'][s] * mphi * meta * np.exp(.1 * rng.standard_normal(B))).astype(np.float32)
    for c in COLL:
        off = seeds.off[c]; cnt = (off[1:] - off[:-1])[s]
        ev = np.repeat(np.arange(B), cnt)
        dst = np.zeros(B + 1, np.int64); np.cumsum(cnt, out=dst[1:])
        idx = np.arange(dst[-1]) - dst[ev] + off[s[ev]]
        m = idx.shape[0]; v = {b: seeds.cont[b][idx] for b in seeds.order if b in seeds.cont and b.startswith(c + '_')}
        k = PT_RES[c] * rng.standard_normal(m) + scale[ev]
        fac = np.exp(k).astype(np.float32)
        pt = v[c + '_pt'] * fac; lo = np.float32(PT_MIN[c])
        v[c + '_pt'] = np.where(pt < lo, lo * lo / pt, pt).astype(np.float32)
        v[c + '_eta'] = (meta[ev] * (v[c + '_eta'] + ANG_RES[c] * rng.standard_normal(m))).astype(np.float32)
        v[c + '_phi'] = wrap(mphi[ev] * v[c + '_phi'] + rot[ev] + ANG_RES[c] * rng.standard_normal(m))
        if c in ('Jet', 'Tau'):
            v[c + '_mass'] = (v[c + '_mass'] * fac).astype(np.float32)
        elif c in ('Electron', 'Photon'):
            v[c + '_mass'] = (v[c + '_mass'] * np.exp(.3 * rng.standard_normal(m))).astype(np.float32)
        for b in v:
            f = b[len(c) + 1:]
            if f in ('pfRelIso03_all', 'pfRelIso04_all', 'relIso_all', 'idIsoRaw', 'dxyErr', 'dzErr'):
                x = v[b]; v[b] = lognormal(rng, x, .2, ~(x > 0))
            elif f in ('dxy', 'dz'):
                x = v[b]; y = lognormal(rng, x, .25, x <= -900)
                v[b] = np.where(x <= -900, x, y * rng.choice(np.array([-1., 1.], np.float32), m)).astype(np.float32)
            elif f == 'btag':
                x = v[b].astype(np.float64); ok = (x > 0) & (x < 1)
                l = np.log(np.where(ok, x, .5) / (1 - np.where(ok, x, .5))) + .3 * rng.standard_normal(m)
                v[b] = np.where(ok, 1 / (1 + np.exp(-l)), x).astype(np.float32)
        if c == 'Jet':                                   # pt-descending within the event, as the original
            o = np.lexsort((-v['Jet_pt'].astype(np.float64), ev))
            v = {b: x[o] for b, x in v.items()}
        out['n' + c] = cnt.astype(np.uint32)
        for b, x in v.items():
            out[b] = (cnt, x.astype(seeds.dtype[b], copy=False))
    return out

def events(seeds, n, rng_seed, cluster):
    """yield {branch: numpy array | awkward array} of `cluster` events each, n events in all"""
    buf = []; have = 0; ib = 0; done = 0
    def cat(parts, take):
        res, rest = {}, {}
        for b in seeds.order:
            if isinstance(parts[0][b], tuple):
                cnt = np.concatenate([p[b][0] for p in parts]); con = np.concatenate([p[b][1] for p in parts])
                cut = int(cnt[:take].sum())
                off = np.zeros(take + 1, np.int64); np.cumsum(cnt[:take], out=off[1:])
                res[b] = ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(off), ak.contents.NumpyArray(con[:cut])))
                rest[b] = (cnt[take:], con[cut:])
            else:
                x = np.concatenate([p[b] for p in parts]); res[b] = x[:take]; rest[b] = x[take:]
        return res, rest
    while done < n:
        want = min(cluster, n - done)
        while have < want:
            buf.append(block(seeds, ib, rng_seed)); ib += 1; have += BLOCK
        res, rest = cat(buf, want)
        buf = [rest]; have -= want; done += want
        yield res

def compression(codec, level):
    c = {'zlib': uproot.ZLIB, 'lz4': uproot.LZ4, 'zstd': uproot.ZSTD, 'lzma': uproot.LZMA}
    return None if codec == 'none' else c[codec](level)

def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out'); ap.add_argument('--events', type=int, default=2_000_000)
    ap.add_argument('--codec', choices=['zlib', 'lz4', 'zstd', 'lzma', 'none'], default='zlib')
    ap.add_argument('--level', type=int, default=1)
    ap.add_argument('--cluster', type=int, default=98329,
                    help='events a basket (uproot writes one basket a branch a cluster); 98329 is fAutoFlush of the original')
    ap.add_argument('--format', choices=['ttree', 'rntuple'], default='ttree')
    ap.add_argument('--seed-file', required=True)
    ap.add_argument('--rng-seed', type=int, default=2012)
    a = ap.parse_args()
    seeds = Seeds(a.seed_file)
    # uproot writes counters as Int_t; the original has UInt_t (nMuon/i)
    from uproot.writing._cascadetree import Tree
    orig = Tree._branch_np
    def branch_np(self, name, btype, bdtype, counter=None, kind='normal'):
        if kind == 'counter': btype = bdtype = np.dtype(np.uint32)
        return orig(self, name, btype, bdtype, counter=counter, kind=kind)
    Tree._branch_np = branch_np
    t0 = time.time(); tgen = 0.; raw = 0
    with uproot.recreate(a.out, compression=compression(a.codec, a.level)) as f:
        w = None
        it = events(seeds, a.events, a.rng_seed, a.cluster)
        while True:
            t = time.time(); d = next(it, None); tgen += time.time() - t
            if d is None: break
            raw += sum((x.nbytes if isinstance(x, np.ndarray) else x.layout.content.data.nbytes) for x in d.values())
            if a.format == 'ttree':
                d = {b: x for b, x in d.items() if b not in {'n' + c for c in COLL}}
                if w is None:
                    types = {b: (seeds.dtype[b] if b in seeds.flat else f'var * {seeds.dtype[b].name}') for b in d}
                    w = f.mktree('Events', types, counter_name=lambda b: 'n' + b.split('_')[0], title='Events',
                                 initial_basket_capacity=max(10, -(-a.events // a.cluster)))
                w.extend(d)
            else:
                arr = ak.zip({b: (ak.Array(x) if isinstance(x, np.ndarray) else x) for b, x in d.items()}, depth_limit=1)
                if w is None: w = f.mkrntuple('Events', arr)
                else: w.extend(arr)
    dt = time.time() - t0; size = os.path.getsize(a.out)
    info = dict(out=a.out, format=a.format, events=a.events, codec=a.codec, level=a.level, cluster=a.cluster, rng_seed=a.rng_seed,
                seconds=round(dt, 1), seconds_generating=round(tgen, 1), bytes=size, bytes_per_event=round(size / a.events, 1),
                raw_payload_bytes=raw, ratio=round(raw / size, 3))
    print(json.dumps(info)); json.dump(info, open(a.out + '.info.json', 'w'))
if __name__ == '__main__':
    main()
