// RNTuples with fields of every kind: `seeds.py` compiles and calls this.
#include <array>
#include <bitset>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <TFile.h>

struct Point {
  float x = 1;
  std::vector<int> hits;
};

struct Derived : Point {
  double weight = 2;
};

#ifdef __ROOTCLING__
#pragma link C++ class Point + ;
#pragma link C++ class Derived + ;
#pragma link C++ class std::map < int, float> + ;
#endif

using ROOT::RField;
using ROOT::RNTupleModel;
using ROOT::RNTupleWriteOptions;
using ROOT::RNTupleWriter;

// Pages as they are in memory with compression 0, and split, folded and summed otherwise.
inline void ntuple(TFile &file, const char *name, int compression) {
  auto model = RNTupleModel::Create();
  auto flag = model->MakeField<bool>("flag");
  auto i8 = model->MakeField<std::int8_t>("i8");
  auto u16 = model->MakeField<std::uint16_t>("u16");
  auto i32 = model->MakeField<std::int32_t>("i32");
  auto u64 = model->MakeField<std::uint64_t>("u64");
  auto i64 = model->MakeField<std::int64_t>("i64");
  auto f = model->MakeField<float>("f");
  auto d = model->MakeField<double>("d");
  auto numbers = [&](const char *name, auto set) {
    auto field = std::make_unique<RField<float>>(name);
    set(*field);
    model->AddField(std::move(field));
    return model->GetDefaultEntry().GetPtr<float>(name);
  };
  auto half = numbers("half", [](auto &field) { field.SetHalfPrecision(); });
  auto cut = numbers("cut", [](auto &field) { field.SetTruncated(13); });
  auto steps = numbers("steps", [](auto &field) { field.SetQuantized(0, 10, 7); });
  auto text = model->MakeField<std::string>("text");
  auto list = model->MakeField<std::vector<float>>("list");
  auto nested = model->MakeField<std::vector<std::vector<std::int16_t>>>("nested");
  auto array = model->MakeField<std::array<float, 2>>("array");
  auto arrays = model->MakeField<std::vector<std::array<std::int32_t, 3>>>("arrays");
  auto pair = model->MakeField<std::pair<int, std::string>>("pair");
  auto variant = model->MakeField<std::variant<int, std::string>>("variant");
  auto maybe = model->MakeField<std::optional<float>>("maybe");
  auto owned = model->MakeField<std::vector<std::optional<std::string>>>("owned");
  auto map = model->MakeField<std::map<int, float>>("map");
  auto bits = model->MakeField<std::bitset<11>>("bits");
  auto point = model->MakeField<Derived>("point");
  auto points = model->MakeField<std::vector<Point>>("points");

  RNTupleWriteOptions options;
  options.SetCompression(compression);
  options.SetEnablePageChecksums(compression != 0);
  auto writer = RNTupleWriter::Append(std::move(model), name, file, options);
  std::shared_ptr<std::vector<int>> late;
  for (int entry = 0; entry < 6; ++entry) {
    if (entry == 2)
      writer->CommitCluster();
    if (entry == 3) {
      auto updater = writer->CreateModelUpdater();
      updater->BeginUpdate();
      late = updater->MakeField<std::vector<int>>("late");
      updater->CommitUpdate();
    }
    if (entry == 4)
      writer->CommitCluster(true);
    int n = entry % 3;
    *flag = n == 1, *i8 = -n, *u16 = entry, *i32 = -entry, *u64 = 1ull << entry, *i64 = -(1ll << entry);
    *f = entry / 2.f, *d = -entry, *half = entry, *cut = entry * 1.5f, *steps = entry;
    *text = std::string(entry, 't');
    list->assign(n, 0.5f);
    nested->assign(n, std::vector<std::int16_t>(entry, 7));
    *array = {1, float(entry)};
    arrays->assign(n, {1, 2, entry});
    *pair = {entry, "p"};
    if (n == 1)
      *variant = std::string("v");
    else
      *variant = entry;
    *maybe = n ? std::optional<float>(n) : std::nullopt;
    owned->assign(n, entry % 2 ? std::optional<std::string>("o") : std::nullopt);
    map->clear();
    for (int at = 0; at < n; ++at)
      (*map)[at] = at;
    bits->set(entry);
    point->hits.assign(n, entry);
    points->assign(n, *point);
    if (late)
      late->assign(n, entry);
    writer->Fill();
  }
}
