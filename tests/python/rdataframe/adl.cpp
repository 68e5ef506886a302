// The eight ADL benchmark queries as compiled RDataFrame with typed lambdas: no JIT.
// adl FILE QUERY runs a query once and prints its histograms with under- and overflow, as a line of JSON.
// adl FILE QUERY THREADS is for benchmarks: it says what its start has cost, then runs the query once for each
// line of its input and says what the event loop has taken, of the processor and by the clock.

#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>
#include <Math/Vector4D.h>
#include <TH1D.h>
#include <sys/resource.h>
#include <chrono>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

using ROOT::RVec;
using Floats = const RVec<float> &;
using Ints = const RVec<int> &;
using P4 = ROOT::Math::PtEtaPhiMVector;
using Cartesian = ROOT::Math::PxPyPzEVector;
using Result = ROOT::RDF::RResultPtr<TH1D>;

static double cpu() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval &t) { return t.tv_sec + 1e-6 * t.tv_usec; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static double delta_r2(double eta1, double eta2, double phi1, double phi2) {
  const double phi = ROOT::VecOps::DeltaPhi(phi1, phi2), eta = eta1 - eta2;
  return eta * eta + phi * phi;
}

// The histograms of a query, booked.
static std::vector<Result> book(ROOT::RDataFrame &df, int query) {
  const TH1D met("met", "", 100, 0, 2000), jet("jet_pt", "", 100, 15, 60);
  std::vector<Result> results;
  switch (query) {
  case 1:
    results.push_back(df.Histo1D<float>(ROOT::RDF::TH1DModel(met), "MET_pt"));
    break;
  case 2:
    results.push_back(df.Histo1D<RVec<float>>(ROOT::RDF::TH1DModel(jet), "Jet_pt"));
    break;
  case 3: {
    auto central = [](Floats pt, Floats eta) { return pt[abs(eta) < 1.0f]; };
    results.push_back(df.Define("x", central, {"Jet_pt", "Jet_eta"}).Histo1D<RVec<float>>(ROOT::RDF::TH1DModel(jet), "x"));
    break;
  }
  case 4: {
    auto two = [](Floats pt) { return Sum(pt > 40.0f) >= 2; };
    results.push_back(df.Filter(two, {"Jet_pt"}).Histo1D<float>(ROOT::RDF::TH1DModel(met), "MET_pt"));
    break;
  }
  case 5: {
    auto pair = [](Floats pt, Floats eta, Floats phi, Floats mass, Ints charge) {
      for (size_t i = 0; i < pt.size(); ++i)
        for (size_t j = i + 1; j < pt.size(); ++j) {
          if (charge[i] == charge[j]) continue;
          const Cartesian a(P4(pt[i], eta[i], phi[i], mass[i])), b(P4(pt[j], eta[j], phi[j], mass[j]));
          const double m = (a + b).M();
          if (m > 60 && m < 120) return true;
        }
      return false;
    };
    auto two = [](unsigned n) { return n >= 2; };
    results.push_back(df.Filter(two, {"nMuon"})
                          .Filter(pair, {"Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge"})
                          .Histo1D<float>(ROOT::RDF::TH1DModel(met), "MET_pt"));
    break;
  }
  case 6: {
    auto vectors = [](Floats pt, Floats eta, Floats phi, Floats mass) {
      RVec<Cartesian> p4(pt.size());
      for (size_t i = 0; i < pt.size(); ++i) p4[i] = Cartesian(P4(pt[i], eta[i], phi[i], mass[i]));
      return p4;
    };
    auto best = [](const RVec<Cartesian> &jets) {
      RVec<size_t> found{0, 1, 2};
      double least = INFINITY;
      for (size_t i = 0; i < jets.size(); ++i)
        for (size_t j = i + 1; j < jets.size(); ++j) {
          for (size_t k = j + 1; k < jets.size(); ++k) {
            const double away = std::abs((jets[i] + jets[j] + jets[k]).M() - 172.5);
            if (away < least) {
              least = away;
              found = {i, j, k};
            }
          }
        }
      return found;
    };
    auto pt = [](const RVec<Cartesian> &jets, const RVec<size_t> &t) { return (jets[t[0]] + jets[t[1]] + jets[t[2]]).Pt(); };
    auto btag = [](Floats tags, const RVec<size_t> &t) { return std::max({tags[t[0]], tags[t[1]], tags[t[2]]}); };
    auto node = df.Filter([](unsigned n) { return n >= 3; }, {"nJet"})
                    .Define("p4", vectors, {"Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"})
                    .Define("best", best, {"p4"})
                    .Define("x", pt, {"p4", "best"})
                    .Define("b", btag, {"Jet_btag", "best"});
    results.push_back(node.Histo1D<double>(ROOT::RDF::TH1DModel("trijet_pt", "", 100, 15, 40), "x"));
    results.push_back(node.Histo1D<float>(ROOT::RDF::TH1DModel("max_btag", "", 100, 0, 1), "b"));
    break;
  }
  case 7: {
    auto sum = [](Floats jpt, Floats jeta, Floats jphi, Floats ept, Floats eeta, Floats ephi, Floats mpt, Floats meta, Floats mphi) {
      auto near = [&](size_t j, Floats pt, Floats eta, Floats phi) {
        for (size_t i = 0; i < pt.size(); ++i)
          if (pt[i] > 10 && std::sqrt(delta_r2(jeta[j], eta[i], jphi[j], phi[i])) < 0.4) return true;
        return false;
      };
      double sum = 0;
      for (size_t j = 0; j < jpt.size(); ++j)
        if (jpt[j] > 30 && !near(j, ept, eeta, ephi) && !near(j, mpt, meta, mphi)) sum += jpt[j];
      return sum;
    };
    results.push_back(df.Define("x", sum, {"Jet_pt", "Jet_eta", "Jet_phi", "Electron_pt", "Electron_eta", "Electron_phi", "Muon_pt", "Muon_eta", "Muon_phi"})
                          .Histo1D<double>(ROOT::RDF::TH1DModel("sum_pt", "", 100, 15, 200), "x"));
    break;
  }
  case 8: {
    auto mt = [](float met, float metphi, Floats ept, Floats eeta, Floats ephi, Floats emass, Ints echarge, Floats mpt, Floats meta, Floats mphi, Floats mmass, Ints mcharge) {
      const auto pt = Concatenate(ept, mpt), phi = Concatenate(ephi, mphi);
      const size_t electrons = ept.size(), all = pt.size();
      RVec<Cartesian> p4(all);
      for (size_t i = 0; i < all; ++i) {
        const size_t k = i - electrons;
        p4[i] = i < electrons ? Cartesian(P4(ept[i], eeta[i], ephi[i], emass[i])) : Cartesian(P4(mpt[k], meta[k], mphi[k], mmass[k]));
      }
      size_t a = all, b = all;
      double least = INFINITY;
      for (size_t i = 0; i < all; ++i)
        for (size_t j = i + 1; j < all; ++j) {
          if ((i < electrons) != (j < electrons)) continue;
          const int qi = i < electrons ? echarge[i] : mcharge[i - electrons];
          const int qj = j < electrons ? echarge[j] : mcharge[j - electrons];
          if (qi == qj) continue;
          const double away = std::abs((p4[i] + p4[j]).M() - 91.2);
          if (away < least) {
            least = away;
            a = i;
            b = j;
          }
        }
      if (a == all) return -1.0;
      size_t other = all;
      for (size_t i = 0; i < all; ++i)
        if (i != a && i != b && (other == all || pt[i] > pt[other])) other = i;
      const double dphi = ROOT::VecOps::DeltaPhi<double>(metphi, phi[other]);
      return std::sqrt(2.0 * pt[other] * met * (1.0 - std::cos(dphi)));
    };
    auto three = [](unsigned e, unsigned m) { return e + m >= 3; };
    results.push_back(df.Filter(three, {"nElectron", "nMuon"})
                          .Define("x", mt, {"MET_pt", "MET_phi", "Electron_pt", "Electron_eta", "Electron_phi", "Electron_mass", "Electron_charge", "Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass", "Muon_charge"})
                          .Filter([](double x) { return x >= 0; }, {"x"})
                          .Histo1D<double>(ROOT::RDF::TH1DModel("transverse_mass", "", 100, 15, 250), "x"));
    break;
  }
  }
  return results;
}

static void print(std::vector<Result> &results) {
  std::cout << "\"histograms\": {";
  for (size_t r = 0; r < results.size(); ++r) {
    const TH1D &histogram = *results[r];
    std::cout << (r ? ", " : "") << "\"" << histogram.GetName() << "\": {\"entries\": " << histogram.GetEntries() << ", \"bins\": [";
    for (int bin = 0; bin <= histogram.GetNbinsX() + 1; ++bin) std::cout << (bin ? ", " : "") << histogram.GetBinContent(bin);
    std::cout << "]}";
  }
  std::cout << "}}" << std::endl;
}

int main(int argc, char **argv) {
  if (argc < 3) return 1;
  const int query = std::stoi(argv[2]), threads = argc > 3 ? std::stoi(argv[3]) : 0;
  std::cout.precision(17);
  if (threads > 1) ROOT::EnableImplicitMT(threads);
  if (threads) std::cout << "{\"startup_cpu\": " << cpu() << "}" << std::endl;
  for (std::string line; !threads || std::getline(std::cin, line);) {
    ROOT::RDataFrame df("Events", argv[1]);
    auto results = book(df, query);
    if (results.empty()) return 1;
    const double before = cpu();
    const auto start = std::chrono::steady_clock::now();
    for (auto &result : results) result.GetValue();
    const double after = cpu();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    std::cout << "{\"cpu\": " << after - before << ", \"wall\": " << wall.count() << ", ";
    print(results);
    if (!threads) break;
  }
}
