// Writes RNTuples whose values are seeded, in layouts that other files seldom have, and tells what ROOT reads in them:
// many clusters and pages, groups of clusters, fields added while entries are written, projected fields, collections
// without a C++ type, and real numbers of few bits.
// write FILE COMPRESSION prints what ROOT reads, for each RNTuple and field, as JSON.

#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <ROOT/RVec.hxx>
#include <TFile.h>
#include <array>
#include <bitset>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace {

using Random = std::mt19937_64;
using Text = std::ostringstream;

// What a type is called in the reference, how its values are made, and how they are told, all as JSON.
template <typename T, typename = void>
struct Type;

template <typename T>
struct Type<T, std::enable_if_t<std::is_integral_v<T>>> {
  static std::string kind() {
    if (std::is_same_v<T, bool>) return "\"bool\"";
    return std::string("\"") + (std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T)) + "\"";
  }
  static T random(Random &random) {
    if (std::is_same_v<T, bool>) return random() & 1;
    // Small and large numbers of both signs.
    return static_cast<T>(random() >> (random() % 64)) * (std::is_signed_v<T> && (random() & 1) ? -1 : 1);
  }
  static void tell(Text &text, T value) { text << +value; }
};

template <typename T>
struct Type<T, std::enable_if_t<std::is_floating_point_v<T>>> {
  static std::string kind() { return sizeof(T) == 4 ? "\"f4\"" : "\"f8\""; }
  static T random(Random &random) {
    switch (random() % 16) {
      case 0: return std::numeric_limits<T>::quiet_NaN();
      case 1: return -std::numeric_limits<T>::infinity();
      case 2: return -T(0);
      case 3: return std::numeric_limits<T>::denorm_min() * (random() % 1000);
      default: return std::normal_distribution<T>(0, 100)(random);
    }
  }
  static void tell(Text &text, T value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.17g", double(value));
    // JSON's `-0` is an integer, without a sign.
    if (value == 0 && std::signbit(value)) return void(text << "-0.0");
    text << (std::isnan(value) ? "NaN" : std::isinf(value) ? (value < 0 ? "-Infinity" : "Infinity") : digits);
  }
};

template <>
struct Type<std::string> {
  static std::string kind() { return "\"string\""; }
  static std::string random(Random &random) {
    std::string value(random() % 4 == 0 ? 0 : random() % 12, ' ');
    for (char &letter : value) letter = 'a' + random() % 26;
    return value;
  }
  static void tell(Text &text, const std::string &value) { text << '"' << value << '"'; }
};

// Lists whose items can be appended, of up to six.
template <typename List, typename Item>
struct ListType {
  static std::string kind() { return "[\"list\", " + Type<Item>::kind() + "]"; }
  static List random(Random &random) {
    List list;
    for (auto n = random() % 7; n > 0; --n) list.insert(list.end(), Type<Item>::random(random));
    return list;
  }
  static void tell(Text &text, const List &list) {
    text << '[';
    const char *comma = "";
    for (const auto &item : list) {
      text << comma;
      Type<Item>::tell(text, item);
      comma = ",";
    }
    text << ']';
  }
};
template <typename T>
struct Type<std::vector<T>> : ListType<std::vector<T>, T> {};
template <typename T>
struct Type<ROOT::RVec<T>> : ListType<ROOT::RVec<T>, T> {};
template <typename T>
struct Type<std::set<T>> : ListType<std::set<T>, T> {};
template <typename K, typename V>
struct Type<std::map<K, V>> : ListType<std::map<K, V>, std::pair<K, V>> {
  static void tell(Text &text, const std::map<K, V> &map) {
    Type<std::vector<std::pair<K, V>>>::tell(text, std::vector<std::pair<K, V>>(map.begin(), map.end()));
  }
};

template <typename T, std::size_t N>
struct Type<std::array<T, N>> {
  static std::string kind() { return "[\"fixed\", " + std::to_string(N) + ", " + Type<T>::kind() + "]"; }
  static std::array<T, N> random(Random &random) {
    std::array<T, N> array;
    for (auto &item : array) item = Type<T>::random(random);
    return array;
  }
  static void tell(Text &text, const std::array<T, N> &array) {
    Type<std::vector<T>>::tell(text, std::vector<T>(array.begin(), array.end()));
  }
};

template <std::size_t N>
struct Type<std::bitset<N>> {
  static std::string kind() { return "[\"fixed\", " + std::to_string(N) + ", \"bool\"]"; }
  static std::bitset<N> random(Random &random) {
    std::bitset<N> bits;
    for (std::size_t at = 0; at < N; ++at) bits[at] = random() & 1;
    return bits;
  }
  static void tell(Text &text, const std::bitset<N> &bits) {
    std::vector<bool> all;
    for (std::size_t at = 0; at < N; ++at) all.push_back(bits[at]);
    Type<std::vector<bool>>::tell(text, all);
  }
};

template <typename T>
struct Type<std::optional<T>> {
  static std::string kind() { return "[\"option\", " + Type<T>::kind() + "]"; }
  static std::optional<T> random(Random &random) {
    if (random() & 1) return std::nullopt;
    return Type<T>::random(random);
  }
  static void tell(Text &text, const std::optional<T> &value) {
    value ? Type<T>::tell(text, *value) : void(text << "null");
  }
};

template <typename... T>
struct Type<std::tuple<T...>> {
  static std::string kind() {
    std::string kinds;
    ((kinds += (kinds.empty() ? "" : ", ") + Type<T>::kind()), ...);
    return "[\"record\", [" + kinds + "]]";
  }
  static std::tuple<T...> random(Random &random) { return {Type<T>::random(random)...}; }
  static void tell(Text &text, const std::tuple<T...> &value) {
    const char *comma = "[";
    std::apply([&](const T &...item) { ((text << comma, Type<T>::tell(text, item), comma = ","), ...); }, value);
    text << ']';
  }
};
template <typename A, typename B>
struct Type<std::pair<A, B>> {
  static std::string kind() { return Type<std::tuple<A, B>>::kind(); }
  static std::pair<A, B> random(Random &random) { return {Type<A>::random(random), Type<B>::random(random)}; }
  static void tell(Text &text, const std::pair<A, B> &value) { Type<std::tuple<A, B>>::tell(text, value); }
};

template <typename... T>
struct Type<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static std::string kind() {
    std::string kinds;
    ((kinds += (kinds.empty() ? "" : ", ") + Type<T>::kind()), ...);
    return "[\"variant\", [" + kinds + "]]";
  }
  static Variant random(Random &random) {
    Variant value;
    auto left = random() % sizeof...(T);
    ((left-- == 0 ? void(value = Variant(Type<T>::random(random))) : void()), ...);
    return value;
  }
  static void tell(Text &text, const Variant &value) {
    // What was never written holds nothing.
    if (value.index() >= sizeof...(T)) return void(text << "[-1,null]");
    text << '[' << value.index() << ',';
    std::visit([&](const auto &held) { Type<std::decay_t<decltype(held)>>::tell(text, held); }, value);
    text << ']';
  }
};

// One RNTuple while it is written, and the fields it has.
class Writing {
public:
  Writing(const std::string &path, const std::string &name, int compression)
      : fPath(path), fName(name), fModel(ROOT::RNTupleModel::Create()), fRandom(20261121) {
    fOptions.SetCompression(compression);
    // Small pages, so that there are many.
    fOptions.SetInitialUnzippedPageSize(64);
    fOptions.SetMaxUnzippedPageSize(256);
  }

  // A field of the model; of the model as it is extended, once entries were written.
  template <typename T>
  void Field(const std::string &name) {
    auto field = std::make_unique<ROOT::RField<T>>(name);
    Own<T>(std::move(field));
  }
  template <typename T>
  void Own(std::unique_ptr<ROOT::RField<T>> field) {
    const std::string name = field->GetFieldName();
    fUpdater ? fUpdater->AddField(std::move(field)) : fModel->AddField(std::move(field));
    fBind.push_back([this, name] {
      auto value = fWriter->GetModel().GetDefaultEntry().GetPtr<T>(name);
      fFill.push_back([this, value] { *value = Type<T>::random(fRandom); });
    });
    fTell.push_back([name](ROOT::RNTupleReader &reader, Text &text) {
      text << ", \"" << name << "\": {\"kind\": " << Type<T>::kind() << ", \"values\": [";
      auto view = reader.GetView<T>(name);
      const char *comma = "";
      for (auto entry : reader.GetEntryRange()) {
        text << comma;
        Type<T>::tell(text, view(entry));
        comma = ",";
      }
      text << "]}";
    });
  }

  void Start() {
    fFile.reset(TFile::Open(fPath.c_str(), "UPDATE"));
    fWriter = ROOT::RNTupleWriter::Append(std::move(fModel), fName, *fFile, fOptions);
    Bind();
  }

  void Entries(int n) {
    for (; n > 0; --n) {
      for (auto &fill : fFill) fill();
      fWriter->Fill();
    }
  }

  void Commit(bool group) { fWriter->CommitCluster(group); }

  void Extend(const std::function<void()> &fields) {
    fUpdater = fWriter->CreateModelUpdater();
    fUpdater->BeginUpdate();
    fields();
    fUpdater->CommitUpdate();
    fUpdater.reset();
    Bind();
  }

  // Ends the RNTuple, and tells what ROOT reads in it.
  std::string Tell() {
    fWriter.reset();
    fFile.reset();
    auto reader = ROOT::RNTupleReader::Open(fName, fPath);
    Text text;
    text << "{\"entries\": " << reader->GetNEntries();
    for (auto &tell : fTell) tell(*reader, text);
    text << '}';
    return text.str();
  }

private:
  void Bind() {
    for (auto &bind : fBind) bind();
    fBind.clear();
  }

  std::string fPath, fName;
  std::unique_ptr<ROOT::RNTupleModel> fModel;
  ROOT::RNTupleWriteOptions fOptions;
  Random fRandom;
  std::unique_ptr<TFile> fFile;
  std::unique_ptr<ROOT::RNTupleWriter> fWriter;
  std::unique_ptr<ROOT::RNTupleModel::RUpdater> fUpdater;
  // What takes the values of new fields, and what sets them anew.
  std::vector<std::function<void()>> fBind, fFill;
  std::vector<std::function<void(ROOT::RNTupleReader &, Text &)>> fTell;
};

// One field of each type, with `suffix` behind their names.
void all(Writing &writing, const std::string &suffix) {
  auto name = [&](const char *field) { return field + suffix; };
  writing.Field<bool>(name("bool"));
  writing.Field<std::int8_t>(name("i1"));
  writing.Field<std::uint8_t>(name("u1"));
  writing.Field<std::int16_t>(name("i2"));
  writing.Field<std::uint16_t>(name("u2"));
  writing.Field<std::int32_t>(name("i4"));
  writing.Field<std::uint32_t>(name("u4"));
  writing.Field<std::int64_t>(name("i8"));
  writing.Field<std::uint64_t>(name("u8"));
  writing.Field<float>(name("f4"));
  writing.Field<double>(name("f8"));
  writing.Field<std::string>(name("string"));
  writing.Field<std::vector<float>>(name("floats"));
  writing.Field<ROOT::RVec<std::int16_t>>(name("rvec"));
  writing.Field<std::vector<bool>>(name("bools"));
  writing.Field<std::vector<std::string>>(name("strings"));
  writing.Field<std::vector<std::vector<double>>>(name("nested"));
  writing.Field<std::array<std::int32_t, 3>>(name("array"));
  writing.Field<std::array<std::vector<float>, 2>>(name("array_of_lists"));
  writing.Field<std::vector<std::array<std::uint8_t, 5>>>(name("list_of_arrays"));
  writing.Field<std::array<std::array<bool, 3>, 3>>(name("matrix"));
  writing.Field<std::bitset<11>>(name("bitset"));
  writing.Field<std::bitset<70>>(name("long_bitset"));
  writing.Field<std::vector<std::bitset<5>>>(name("bitsets"));
  writing.Field<std::optional<float>>(name("option"));
  writing.Field<std::vector<std::optional<std::int32_t>>>(name("options"));
  writing.Field<std::optional<std::vector<std::int64_t>>>(name("option_of_list"));
  writing.Field<std::pair<float, std::string>>(name("pair"));
  writing.Field<std::tuple<std::int32_t, std::vector<float>, bool>>(name("tuple"));
  writing.Field<std::vector<std::pair<std::int16_t, std::vector<std::uint16_t>>>>(name("pairs"));
  writing.Field<std::map<std::string, double>>(name("map"));
  writing.Field<std::set<std::int64_t>>(name("set"));
  writing.Field<std::variant<std::int32_t, std::string, std::vector<float>>>(name("variant"));
  writing.Field<std::vector<std::variant<double, std::array<std::int16_t, 2>>>>(name("variants"));
}

std::string clusters(const std::string &path, int compression) {
  Writing writing(path, "clusters", compression);
  all(writing, "");
  writing.Start();
  // Groups of three clusters, one of two, and a last cluster of one entry.
  for (int at = 0; at < 5; ++at) {
    writing.Entries(29 + 31 * at);
    writing.Commit(at == 2);
  }
  writing.Entries(1);
  return writing.Tell();
}

std::string extended(const std::string &path, int compression) {
  Writing writing(path, "extended", compression);
  all(writing, "");
  writing.Start();
  writing.Entries(37);
  writing.Extend([&] { all(writing, "_inside_the_first"); });
  writing.Entries(20);
  writing.Commit(false);
  writing.Extend([&] { all(writing, "_between"); });
  writing.Entries(41);
  writing.Commit(true);
  writing.Entries(13);
  writing.Extend([&] { all(writing, "_inside_another"); });
  writing.Entries(29);
  writing.Commit(false);
  writing.Entries(11);
  // Nothing is written after these: all their values are zeros.
  writing.Extend([&] { all(writing, "_last"); });
  return writing.Tell();
}

std::string reals(const std::string &path, int compression) {
  Writing writing(path, "reals", compression);
  auto each = [&](const std::string &name, auto &&set) {
    auto floats = std::make_unique<ROOT::RField<float>>("f4_" + name);
    set(*floats, 0.f);
    writing.Own<float>(std::move(floats));
    auto doubles = std::make_unique<ROOT::RField<double>>("f8_" + name);
    set(*doubles, 0.);
    writing.Own<double>(std::move(doubles));
  };
  each("half", [](auto &field, auto) { field.SetHalfPrecision(); });
  for (std::size_t bits = 10; bits <= 31; ++bits) {
    each("truncated_" + std::to_string(bits), [&](auto &field, auto) { field.SetTruncated(bits); });
  }
  auto encoded = [&](const std::string &name, ROOT::ENTupleColumnType type) {
    each(name, [&](auto &field, auto) { field.SetColumnRepresentatives({{type}}); });
  };
  encoded("plain", ROOT::ENTupleColumnType::kReal32);
  encoded("split", ROOT::ENTupleColumnType::kSplitReal32);
  writing.Start();
  for (int at = 0; at < 3; ++at) {
    writing.Entries(150 + at);
    writing.Commit(false);
  }
  return writing.Tell();
}

// Numbers in the range that their fields are declared with, its ends included.
std::string quantized(const std::string &path, int compression) {
  auto model = ROOT::RNTupleModel::Create();
  std::vector<std::string> names;
  std::vector<std::shared_ptr<float>> floats;
  std::vector<std::shared_ptr<double>> doubles;
  for (std::size_t bits = 1; bits <= 32; ++bits) {
    names.push_back("quantized_" + std::to_string(bits));
    auto single = std::make_unique<ROOT::RField<float>>("f4_" + names.back());
    single->SetQuantized(bits, {-1.25f, 3.5f});
    model->AddField(std::move(single));
    auto full = std::make_unique<ROOT::RField<double>>("f8_" + names.back());
    full->SetQuantized(bits, {-1.25, 3.5});
    model->AddField(std::move(full));
  }
  ROOT::RNTupleWriteOptions options;
  options.SetCompression(compression);
  options.SetInitialUnzippedPageSize(64);
  options.SetMaxUnzippedPageSize(256);
  {
    std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "UPDATE"));
    auto writer = ROOT::RNTupleWriter::Append(std::move(model), "quantized", *file, options);
    for (const auto &name : names) {
      floats.push_back(writer->GetModel().GetDefaultEntry().GetPtr<float>("f4_" + name));
      doubles.push_back(writer->GetModel().GetDefaultEntry().GetPtr<double>("f8_" + name));
    }
    Random random(7);
    std::uniform_real_distribution<double> within(-1.25, 3.5);
    for (int entry = 0; entry < 300; ++entry) {
      for (auto &value : floats) *value = entry == 0 ? -1.25f : entry == 1 ? 3.5f : float(within(random));
      for (auto &value : doubles) *value = entry == 0 ? -1.25 : entry == 1 ? 3.5 : within(random);
      writer->Fill();
    }
  }
  auto reader = ROOT::RNTupleReader::Open("quantized", path);
  Text text;
  text << "{\"entries\": " << reader->GetNEntries();
  auto tell = [&](const std::string &name, auto zero) {
    using T = decltype(zero);
    auto view = reader->GetView<T>(name);
    text << ", \"" << name << "\": {\"kind\": " << Type<T>::kind() << ", \"values\": [";
    for (auto entry : reader->GetEntryRange()) {
      text << (entry ? "," : "");
      Type<T>::tell(text, view(entry));
    }
    text << "]}";
  };
  for (const auto &name : names) {
    tell("f4_" + name, 0.f);
    tell("f8_" + name, 0.);
  }
  text << '}';
  return text.str();
}

// A collection without a C++ type, `Muon` of `pt` and `n`, as CMS writes them; a record without one, `HLT`; and fields
// that show what is in a typed collection.
std::string collections(const std::string &path, int compression) {
  struct Muon {
    float pt;
    std::int16_t n;
  };
  struct Flags {
    bool IsoMu24, Mu50;
  };
  auto model = ROOT::RNTupleModel::CreateBare();
  std::vector<std::unique_ptr<ROOT::RFieldBase>> members;
  members.push_back(std::make_unique<ROOT::RField<float>>("pt"));
  members.push_back(std::make_unique<ROOT::RField<std::int16_t>>("n"));
  auto record = std::make_unique<ROOT::RRecordField>("_0", std::move(members));
  model->AddField(ROOT::RVectorField::CreateUntyped("Muon", std::move(record)));
  members.clear();
  members.push_back(std::make_unique<ROOT::RField<bool>>("IsoMu24"));
  members.push_back(std::make_unique<ROOT::RField<bool>>("Mu50"));
  model->AddField(std::make_unique<ROOT::RRecordField>("HLT", std::move(members)));
  model->MakeField<std::vector<std::pair<float, std::vector<std::int32_t>>>>("jets");
  auto projected = [&](auto field, std::map<std::string, std::string> sources) {
    model->AddProjectedField(std::move(field), [=](const std::string &name) { return sources.at(name); });
  };
  projected(std::make_unique<ROOT::RField<std::vector<float>>>("Jet_pt"),
            {{"Jet_pt", "jets"}, {"Jet_pt._0", "jets._0._0"}});
  projected(std::make_unique<ROOT::RField<std::vector<std::vector<std::int32_t>>>>("Jet_ids"),
            {{"Jet_ids", "jets"}, {"Jet_ids._0", "jets._0._1"}, {"Jet_ids._0._0", "jets._0._1._0"}});
  projected(std::make_unique<ROOT::RField<ROOT::RNTupleCardinality<std::uint32_t>>>("nJet"), {{"nJet", "jets"}});
  projected(std::make_unique<ROOT::RField<ROOT::RNTupleCardinality<std::uint64_t>>>("nJet64"), {{"nJet64", "jets"}});
  ROOT::RNTupleWriteOptions options;
  options.SetCompression(compression);
  options.SetInitialUnzippedPageSize(64);
  options.SetMaxUnzippedPageSize(256);
  Random random(11);
  std::vector<std::vector<float>> pt, jet_pt;
  std::vector<std::vector<std::int16_t>> n;
  std::vector<std::vector<std::vector<std::int32_t>>> jet_ids;
  std::vector<bool> iso, mu50;
  {
    std::unique_ptr<TFile> file(TFile::Open(path.c_str(), "UPDATE"));
    auto writer = ROOT::RNTupleWriter::Append(std::move(model), "collections", *file, options);
    auto entry = writer->GetModel().CreateBareEntry();
    // An untyped collection in memory: the bytes of its records.
    std::vector<char> muons;
    Flags flags;
    std::vector<std::pair<float, std::vector<std::int32_t>>> jets;
    entry->BindRawPtr<void>("Muon", &muons);
    entry->BindRawPtr<void>("HLT", &flags);
    entry->BindRawPtr("jets", &jets);
    for (int at = 0; at < 400; ++at) {
      pt.push_back(Type<std::vector<float>>::random(random));
      n.emplace_back();
      muons.clear();
      for (float value : pt.back()) {
        Muon muon{value, Type<std::int16_t>::random(random)};
        n.back().push_back(muon.n);
        muons.insert(muons.end(), reinterpret_cast<char *>(&muon), reinterpret_cast<char *>(&muon + 1));
      }
      flags = {bool(random() & 1), bool(random() & 1)};
      iso.push_back(flags.IsoMu24);
      mu50.push_back(flags.Mu50);
      jets = Type<decltype(jets)>::random(random);
      jet_pt.emplace_back();
      jet_ids.emplace_back();
      for (auto &[value, ids] : jets) {
        jet_pt.back().push_back(value);
        jet_ids.back().push_back(ids);
      }
      writer->Fill(*entry);
      if (at % 150 == 149) writer->CommitCluster();
    }
  }
  Text text;
  text << "{\"entries\": " << pt.size();
  auto tell = [&](const char *name, const auto &values) {
    using T = typename std::decay_t<decltype(values)>::value_type;
    text << ", \"" << name << "\": {\"kind\": " << Type<T>::kind() << ", \"values\": ";
    Type<std::vector<T>>::tell(text, values);
    text << '}';
  };
  auto sizes = [](const auto &lists, auto zero) {
    std::vector<decltype(zero)> sizes;
    for (auto &list : lists) sizes.push_back(list.size());
    return sizes;
  };
  tell("nMuon", sizes(pt, std::uint32_t(0)));
  tell("Muon_pt", pt);
  tell("Muon_n", n);
  tell("HLT_IsoMu24", iso);
  tell("HLT_Mu50", mu50);
  tell("Jet_pt", jet_pt);
  tell("Jet_ids", jet_ids);
  tell("nJet", sizes(jet_pt, std::uint32_t(0)));
  tell("nJet64", sizes(jet_pt, std::uint64_t(0)));
  text << '}';
  // ROOT reads the projected fields alike.
  auto reader = ROOT::RNTupleReader::Open("collections", path);
  auto view = reader->GetView<std::vector<float>>("Jet_pt");
  for (auto entry : reader->GetEntryRange()) {
    Text ours, theirs;
    Type<std::vector<float>>::tell(ours, jet_pt[entry]);
    Type<std::vector<float>>::tell(theirs, view(entry));
    if (ours.str() != theirs.str()) throw std::runtime_error("ROOT does not read what it wrote");
  }
  return text.str();
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) return 1;
  const std::string path = argv[1];
  const int compression = std::stoi(argv[2]);
  TFile::Open(path.c_str(), "RECREATE")->Close();
  std::cout << "{\"clusters\": " << clusters(path, compression) << ", \"extended\": " << extended(path, compression)
            << ", \"reals\": " << reals(path, compression) << ", \"quantized\": " << quantized(path, compression)
            << ", \"collections\": " << collections(path, compression) << "}\n";
}
