"""The eight ADL queries with distributed RDataFrame: strings that call compiled functions, as its users write them."""

import ROOT

CODE = """
using Floats = const ROOT::RVec<float> &;
using Ints = const ROOT::RVec<int> &;
using Cartesian = ROOT::Math::PxPyPzEVector;

ROOT::RVec<Cartesian> adl_vectors(Floats pt, Floats eta, Floats phi, Floats mass) {
  ROOT::RVec<Cartesian> p4(pt.size());
  for (size_t i = 0; i < pt.size(); ++i) p4[i] = Cartesian(ROOT::Math::PtEtaPhiMVector(pt[i], eta[i], phi[i], mass[i]));
  return p4;
}

bool adl_pair(Floats pt, Floats eta, Floats phi, Floats mass, Ints charge) {
  for (size_t i = 0; i < pt.size(); ++i)
    for (size_t j = i + 1; j < pt.size(); ++j) {
      if (charge[i] == charge[j]) continue;
      const Cartesian a(ROOT::Math::PtEtaPhiMVector(pt[i], eta[i], phi[i], mass[i]));
      const Cartesian b(ROOT::Math::PtEtaPhiMVector(pt[j], eta[j], phi[j], mass[j]));
      const double m = (a + b).M();
      if (m > 60 && m < 120) return true;
    }
  return false;
}

ROOT::RVec<size_t> adl_trijet(const ROOT::RVec<Cartesian> &jets) {
  ROOT::RVec<size_t> found{0, 1, 2};
  double least = INFINITY;
  for (size_t i = 0; i < jets.size(); ++i)
    for (size_t j = i + 1; j < jets.size(); ++j)
      for (size_t k = j + 1; k < jets.size(); ++k) {
        const double away = std::abs((jets[i] + jets[j] + jets[k]).M() - 172.5);
        if (away < least) { least = away; found = {i, j, k}; }
      }
  return found;
}

double adl_sum(Floats jpt, Floats jeta, Floats jphi, Floats ept, Floats eeta, Floats ephi, Floats mpt, Floats meta, Floats mphi) {
  auto near = [&](size_t j, Floats pt, Floats eta, Floats phi) {
    for (size_t i = 0; i < pt.size(); ++i) {
      const double de = double(jeta[j]) - eta[i], dp = ROOT::VecOps::DeltaPhi<double>(jphi[j], phi[i]);
      if (pt[i] > 10 && std::sqrt(de * de + dp * dp) < 0.4) return true;
    }
    return false;
  };
  double sum = 0;
  for (size_t j = 0; j < jpt.size(); ++j)
    if (jpt[j] > 30 && !near(j, ept, eeta, ephi) && !near(j, mpt, meta, mphi)) sum += jpt[j];
  return sum;
}

double adl_mt(float met, float metphi, Floats ept, Floats eeta, Floats ephi, Floats emass, Ints echarge,
              Floats mpt, Floats meta, Floats mphi, Floats mmass, Ints mcharge) {
  const auto pt = ROOT::VecOps::Concatenate(ept, mpt), phi = ROOT::VecOps::Concatenate(ephi, mphi);
  const size_t electrons = ept.size(), all = pt.size();
  auto p4 = ROOT::VecOps::Concatenate(adl_vectors(ept, eeta, ephi, emass), adl_vectors(mpt, meta, mphi, mmass));
  const auto charge = ROOT::VecOps::Concatenate(echarge, mcharge);
  size_t a = all, b = all;
  double least = INFINITY;
  for (size_t i = 0; i < all; ++i)
    for (size_t j = i + 1; j < all; ++j) {
      if ((i < electrons) != (j < electrons) || charge[i] == charge[j]) continue;
      const double away = std::abs((p4[i] + p4[j]).M() - 91.2);
      if (away < least) { least = away; a = i; b = j; }
    }
  if (a == all) return NAN;
  size_t other = all;
  for (size_t i = 0; i < all; ++i)
    if (i != a && i != b && (other == all || pt[i] > pt[other])) other = i;
  return std::sqrt(2.0 * pt[other] * met * (1 - std::cos(double(phi[other]) - metphi)));
}
"""

MUON = "Muon_pt, Muon_eta, Muon_phi, Muon_mass, Muon_charge"
ELECTRON = "Electron_pt, Electron_eta, Electron_phi, Electron_mass, Electron_charge"


def query(n, df):
    """The query's histograms, booked."""
    met, jet = ("met", "", 100, 0, 2000), ("jet_pt", "", 100, 15, 60)
    if n == 1:
        return [df.Histo1D(met, "MET_pt")]
    if n == 2:
        return [df.Histo1D(jet, "Jet_pt")]
    if n == 3:
        return [df.Define("x", "Jet_pt[abs(Jet_eta) < 1]").Histo1D(jet, "x")]
    if n == 4:
        return [df.Filter("Sum(Jet_pt > 40) >= 2").Histo1D(met, "MET_pt")]
    if n == 5:
        return [df.Filter("nMuon >= 2").Filter(f"adl_pair({MUON})").Histo1D(met, "MET_pt")]
    if n == 6:
        df = df.Filter("nJet >= 3").Define("p4", "adl_vectors(Jet_pt, Jet_eta, Jet_phi, Jet_mass)")
        df = df.Define("best", "adl_trijet(p4)").Define("x", "(p4[best[0]] + p4[best[1]] + p4[best[2]]).Pt()")
        df = df.Define("b", "std::max({Jet_btag[best[0]], Jet_btag[best[1]], Jet_btag[best[2]]})")
        return [df.Histo1D(("trijet_pt", "", 100, 15, 40), "x"), df.Histo1D(("max_btag", "", 100, 0, 1), "b")]
    if n == 7:
        angles = ", ".join(f"{who}_{what}" for who in ("Jet", "Electron", "Muon") for what in ("pt", "eta", "phi"))
        return [df.Define("x", f"adl_sum({angles})").Histo1D(("sum_pt", "", 100, 15, 200), "x")]
    df = df.Filter("nElectron + nMuon >= 3").Define("x", f"adl_mt(MET_pt, MET_phi, {ELECTRON}, {MUON})")
    return [df.Filter("!std::isnan(x)").Histo1D(("mt", "", 100, 15, 250), "x")]


def distribute() -> None:
    """Has the functions compiled, here and on the workers."""
    ROOT.RDF.Distributed.DistributeCppCode(CODE)


def bins(histogram) -> list[float]:
    return [histogram.GetBinContent(i) for i in range(histogram.GetNbinsX() + 2)]
