// The columns of a tree or an RNTuple: what fills them, and what ROOT reads of them again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "describe.h"
#include "values.h"

class TFile;
class TTree;

namespace zoo {

// One value of some type, at an address that branches and fields are bound to.
struct Value {
   virtual ~Value() = default;
   virtual void fill(Rng &rng) = 0;
   virtual void add(Node &node) const = 0;
   virtual void *address() = 0;
   // Where the pointer to an object is.
   virtual void *slot() = 0;
};

template <class T> T *create() { return new T{}; }

template <class T> struct Held : Value {
   T *object = create<T>();
   Held() = default;
   Held(const Held &) = delete;
   Held &operator=(const Held &) = delete;
   ~Held() override { delete object; }
   void fill(Rng &rng) override { zoo::fill(rng, *object); }
   void add(Node &node) const override { zoo::add<T>(node, *object); }
   void *address() override { return object; }
   void *slot() override { return &object; }
};

// A value of the type with this name, one of those that make_zoo.py lists.
std::unique_ptr<Value> make_value(const std::string &type);

struct Column {
   std::string name;
   std::string type;      // of an object; empty for leaves
   std::string leaf_list; // of leaves
   std::string branch;    // the branch's name, if it is another
   const char *branch_name() const { return (branch.empty() ? name : branch).c_str(); }
   std::unique_ptr<Value> value;
   // Of a float in an RNTuple: its bits there, and its range if that is not empty; none where it has all.
   int bits = 0;
   double low = 0, high = 0;
   // Of a field of an RNTuple: whether it is added when half of the entries are written.
   bool late = false;
   // Of a projected field of an RNTuple: the one whose columns it has.
   const Column *source = nullptr;
   Node written, read;
};

// How an RNTuple is written, apart from the codec.
struct TupleLayout {
   long long cluster = 1 << 30; // entries
   bool groups = false;         // each cluster in a group of its own
   std::size_t page = 0;        // bytes of the largest page, if not what ROOT takes
   bool checksums = true;
};

class Columns {
public:
   // A branch or field of a class or collection.
   void add(const std::string &name, const std::string &type);
   // A branch of one leaf: the letter of its type and what follows it, its fixed dimensions, and the
   // leaf that counts the first one.
   void leaf(const std::string &name, const std::string &letter, const std::vector<int> &dims = {},
             const std::string &counter = "");
   // A branch of several leaves.
   void record(const std::string &name);

   // A projected field of an RNTuple that counts what is in a collection.
   void cardinality(const std::string &name, const std::string &source);
   // These say something of the last column.
   void bits(int bits, double low = 0, double high = 0);
   void late();
   void project(const std::string &source);

   // The names of branches of classes end with a dot.
   void dots();
   // Branches of classes are as they were before TBranchElement.
   void old() { before = true; }
   void branch(TTree &tree, int basket, int split);
   void fill(TTree &tree, long long entries, unsigned long long seed);
   void read(TTree &tree);
   void write_ntuple(TFile &file, const std::string &name, int compression, const TupleLayout &layout,
                     long long entries, unsigned long long seed);
   void read_ntuple(const std::string &file, const std::string &name);

   // The columns that ROOT does not read as they were written.
   std::vector<std::string> changed() const;
   // The columns that ROOT does not read as it reads the other's.
   std::vector<std::string> differs(const Columns &other) const;
   // The columns as JSON: as they were written, and as ROOT reads them.
   std::string json() const;

private:
   bool before = false;
   Column &find(const std::string &name);
   std::vector<std::unique_ptr<Column>> columns;
};

} // namespace zoo
