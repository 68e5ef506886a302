#include "columns.h"

#include <cstdio>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include <ROOT/REntry.hxx>
#include <ROOT/RFieldBase.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleReader.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <TBranch.h>
#include <TFile.h>
#include <TTree.h>

namespace zoo {
namespace {

// The most items that a counted leaf has.
constexpr std::size_t most = 23;

struct Counting {
   bool counts = false;
   virtual ~Counting() = default;
   virtual std::size_t count() const = 0;
};

template <class T> struct Leaf : Value, Counting {
   std::vector<int> dims;
   const Counting *counter;
   double low = 0, high = 0; // of a packed number
   bool packed;
   std::unique_ptr<T[]> items;

   Leaf(const std::string &letter, const std::vector<int> &dims, const Counting *counter)
      : dims(dims), counter(counter), packed(letter.find('[') != letter.npos)
   {
      std::sscanf(letter.c_str() + 1, "[%lf,%lf", &low, &high);
      if (letter.find("pi") != letter.npos)
         high = -(low = -std::acos(-1.));
      items.reset(new T[fixed() * (counter ? most : 1)]{});
   }
   std::size_t fixed() const
   {
      std::size_t product = 1;
      for (int dim : dims)
         product *= static_cast<std::size_t>(dim);
      return product;
   }
   std::size_t size() const { return fixed() * (counter ? counter->count() : 1); }
   std::size_t count() const override { return static_cast<std::size_t>(items[0]); }
   void fill(Rng &rng) override
   {
      if (counts) {
         items[0] = static_cast<T>(length(rng));
         return;
      }
      for (std::size_t i = 0; i < size(); ++i) {
         if (!packed)
            zoo::fill(rng, items[i]);
         else if (low < high) // and sometimes outside
            items[i] = static_cast<T>(low + (rng.uniform() * 1.1 - 0.05) * (high - low));
         else
            items[i] = static_cast<T>(ordinary(rng));
      }
   }
   void add(Node &node) const override
   {
      Node *inner = &node;
      std::size_t lists = 1;
      if (counter) {
         inner->kind = 'l';
         lists = counter->count();
         inner->offsets.push_back(inner->offsets.back() + static_cast<std::int64_t>(lists));
         inner = &inner->child(0);
      }
      for (int dim : dims) {
         inner->kind = 'f';
         inner->n += lists;
         inner->size = static_cast<std::size_t>(dim);
         lists *= inner->size;
         inner = &inner->child(0);
      }
      zoo::shape<T>(*inner);
      for (std::size_t i = 0; i < size(); ++i)
         zoo::add<T>(*inner, items[i]);
   }
   void *address() override { return items.get(); }
   void *slot() override { return items.get(); }
};

struct Cardinality : Value {
   ROOT::RNTupleCardinality<std::uint32_t> size;
   void fill(Rng &) override {}
   void add(Node &node) const override { zoo::add<std::uint32_t>(node, size); }
   void *address() override { return &size; }
   void *slot() override { return &size; }
};

// A number of a field with fewer bits, which has no place for others.
template <class T> struct Ranged : Held<T> {
   double low, high;
   Ranged(double low, double high) : low(low), high(high) {}
   void fill(Rng &rng) override
   {
      *this->object = static_cast<T>(low < high ? low + rng.uniform() * (high - low) : ordinary(rng));
   }
};

// Of a leaf whose letter is C.
struct Text : Value {
   char text[512] = {};
   void fill(Rng &rng) override { std::snprintf(text, sizeof text, "%s", zoo::text(rng).c_str()); }
   void add(Node &node) const override
   {
      node.kind = 's';
      Describe<char *>::add(node, text);
   }
   void *address() override { return text; }
   void *slot() override { return text; }
};

std::unique_ptr<Value> make_leaf(const std::string &letter, const std::vector<int> &dims, const Counting *counter)
{
   switch (letter[0]) {
   case 'C': return std::make_unique<Text>();
   case 'O': return std::make_unique<Leaf<bool>>(letter, dims, counter);
   case 'B': return std::make_unique<Leaf<signed char>>(letter, dims, counter);
   case 'b': return std::make_unique<Leaf<unsigned char>>(letter, dims, counter);
   case 'S': return std::make_unique<Leaf<short>>(letter, dims, counter);
   case 's': return std::make_unique<Leaf<unsigned short>>(letter, dims, counter);
   case 'I': return std::make_unique<Leaf<int>>(letter, dims, counter);
   case 'i': return std::make_unique<Leaf<unsigned int>>(letter, dims, counter);
   case 'L': case 'G': return std::make_unique<Leaf<long long>>(letter, dims, counter);
   case 'l': case 'g': return std::make_unique<Leaf<unsigned long long>>(letter, dims, counter);
   case 'F': case 'f': return std::make_unique<Leaf<float>>(letter, dims, counter);
   case 'D': case 'd': return std::make_unique<Leaf<double>>(letter, dims, counter);
   default: throw std::invalid_argument("no leaf has the letter " + letter);
   }
}

} // namespace

void Columns::add(const std::string &name, const std::string &type)
{
   columns.push_back(std::make_unique<Column>());
   columns.back()->name = name;
   columns.back()->type = type;
   columns.back()->value = make_value(type);
}

void Columns::leaf(const std::string &name, const std::string &letter, const std::vector<int> &dims,
                   const std::string &counter)
{
   Counting *counting = counter.empty() ? nullptr : dynamic_cast<Counting *>(find(counter).value.get());
   std::string list = name;
   if (counting) {
      counting->counts = true;
      list += "[" + counter + "]";
   }
   for (int dim : dims)
      list += "[" + std::to_string(dim) + "]";
   columns.push_back(std::make_unique<Column>());
   columns.back()->name = name;
   columns.back()->leaf_list = list + "/" + letter;
   columns.back()->value = make_leaf(letter, dims, counting);
}

void Columns::cardinality(const std::string &name, const std::string &source)
{
   const Column *counted = &find(source);
   columns.push_back(std::make_unique<Column>());
   columns.back()->name = name;
   columns.back()->type = "ROOT::RNTupleCardinality<std::uint32_t>";
   columns.back()->source = counted;
   columns.back()->value = std::make_unique<Cardinality>();
}

void Columns::bits(int bits, double low, double high)
{
   Column &column = *columns.back();
   column.bits = bits;
   column.low = low;
   column.high = high;
   if (column.type == "float")
      column.value = std::make_unique<Ranged<float>>(low, high);
   else
      column.value = std::make_unique<Ranged<double>>(low, high);
}

void Columns::late() { columns.back()->late = true; }

void Columns::project(const std::string &source) { columns.back()->source = &find(source); }

Column &Columns::find(const std::string &name)
{
   for (auto &column : columns)
      if (column->name == name)
         return *column;
   throw std::invalid_argument("no column " + name);
}

void Columns::record(const std::string &name)
{
   columns.push_back(std::make_unique<Column>());
   columns.back()->name = name;
   columns.back()->leaf_list = "d/D:l/L:f[2]/F:i/i:s[3]/S:b/b";
   columns.back()->value = make_value("zoo::Record");
}

void Columns::dots()
{
   for (auto &column : columns)
      if (column->type.rfind("zoo::", 0) == 0)
         column->branch = column->name + ".";
}

void Columns::branch(TTree &tree, int basket, int split)
{
   for (auto &column : columns) {
      const char *name = column->branch_name();
      if (column->type.empty())
         tree.Branch(name, column->value->address(), column->leaf_list.c_str(), basket);
      else if (before)
         tree.BranchOld(name, column->type.c_str(), column->value->slot(), basket, split > 0);
      else
         tree.Bronch(name, column->type.c_str(), column->value->slot(), basket, split);
   }
}

void Columns::fill(TTree &tree, long long entries, unsigned long long seed)
{
   Rng rng{seed};
   for (long long entry = 0; entry < entries; ++entry) {
      for (auto &column : columns) {
         column->value->fill(rng);
         column->value->add(column->written);
      }
      tree.Fill();
   }
}

void Columns::read(TTree &tree)
{
   for (auto &column : columns) {
      TBranch *branch = tree.GetBranch(column->branch_name());
      if (!branch)
         throw std::runtime_error("no branch " + column->name);
      branch->SetAddress(column->type.empty() ? column->value->address() : column->value->slot());
   }
   for (long long entry = 0; entry < tree.GetEntries(); ++entry) {
      if (tree.GetEntry(entry) < 0)
         throw std::runtime_error("an entry cannot be read");
      for (auto &column : columns)
         column->value->add(column->read);
   }
   tree.ResetBranchAddresses();
}

namespace {

std::unique_ptr<ROOT::RFieldBase> make_field(const Column &column)
{
   auto field = ROOT::RFieldBase::Create(column.name, column.type).Unwrap();
   auto pack = [&](auto *number) {
      if (!number)
         return;
      if (column.low < column.high)
         number->SetQuantized(column.bits, {column.low, column.high});
      else if (column.bits == 16)
         number->SetHalfPrecision();
      else
         number->SetTruncated(column.bits);
   };
   if (column.bits) {
      pack(dynamic_cast<ROOT::RField<float> *>(field.get()));
      pack(dynamic_cast<ROOT::RField<double> *>(field.get()));
   }
   return field;
}

} // namespace

void Columns::write_ntuple(TFile &file, const std::string &name, int compression, const TupleLayout &layout,
                           long long entries, unsigned long long seed)
{
   auto model = ROOT::RNTupleModel::CreateBare();
   for (auto &column : columns) {
      if (column->source) {
         std::string own = column->name, source = column->source->name;
         auto origin = [=](const std::string &field) { return source + field.substr(own.size()); };
         model->AddProjectedField(make_field(*column), origin);
      } else if (!column->late) {
         model->AddField(make_field(*column));
      }
   }
   ROOT::RNTupleWriteOptions options;
   options.SetCompression(static_cast<unsigned>(compression));
   options.SetEnablePageChecksums(layout.checksums);
   if (layout.page) {
      options.SetInitialUnzippedPageSize(layout.page / 2);
      options.SetMaxUnzippedPageSize(layout.page);
   }
   auto writer = ROOT::RNTupleWriter::Append(std::move(model), name, file, options);
   auto entry = writer->CreateEntry();
   auto bind = [&](bool late) {
      for (auto &column : columns)
         if (!column->source && (late || !column->late))
            entry->BindRawPtr(column->name, column->value->address());
   };
   bind(false);
   Rng rng{seed};
   for (long long at = 0; at < entries; ++at) {
      if (at == entries / 2) {
         auto updater = writer->CreateModelUpdater();
         updater->BeginUpdate();
         for (auto &column : columns)
            if (column->late)
               updater->AddField(make_field(*column));
         updater->CommitUpdate();
         entry = writer->CreateEntry();
         bind(true);
      }
      for (auto &column : columns)
         if (!column->source && (!column->late || at >= entries / 2))
            column->value->fill(rng);
      for (auto &column : columns) {
         const Column &source = column->source ? *column->source : *column;
         if (dynamic_cast<const Cardinality *>(column->value.get())) {
            Node list;
            source.value->add(list);
            zoo::add<std::uint32_t>(column->written, static_cast<std::uint32_t>(list.offsets.back()));
         } else {
            source.value->add(column->written);
         }
      }
      writer->Fill(*entry);
      if ((at + 1) % layout.cluster == 0)
         writer->CommitCluster(layout.groups);
   }
}

void Columns::read_ntuple(const std::string &file, const std::string &name)
{
   auto reader = ROOT::RNTupleReader::Open(name, file);
   auto entry = reader->GetModel().CreateBareEntry();
   for (auto &column : columns)
      entry->BindRawPtr(column->name, column->value->address());
   for (auto at : reader->GetEntryRange()) {
      reader->LoadEntry(at, *entry);
      for (auto &column : columns)
         column->value->add(column->read);
   }
}

std::vector<std::string> Columns::changed() const
{
   std::vector<std::string> names;
   for (auto &column : columns)
      if (!(column->written == column->read))
         names.push_back(column->name);
   return names;
}

std::vector<std::string> Columns::differs(const Columns &other) const
{
   std::vector<std::string> names;
   for (std::size_t i = 0; i < columns.size(); ++i)
      if (i >= other.columns.size() || !(columns[i]->read == other.columns[i]->read))
         names.push_back(columns[i]->name);
   return names;
}

std::string Columns::json() const
{
   std::ostringstream out;
   out << "{";
   for (auto &column : columns) {
      out << (&column == &columns.front() ? "" : ",") << "\"" << column->name << "\":{\"type\":\"" << column->type
          << "\",\"written\":";
      column->written.json(out);
      out << ",\"read\":";
      column->read.json(out);
      out << "}";
   }
   out << "}";
   return out.str();
}

} // namespace zoo
