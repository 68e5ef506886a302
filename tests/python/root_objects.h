// What ROOT has in memory after it has read an entry: the numbers and strings of an object, member by member.
//
// ROOT builds classes without a dictionary from the file's streamer info ("emulated"); `TTree::Draw` and
// `TBufferJSON` fail for some of them (maps, bases that are `TObject`). This reads the memory itself, by the offsets
// of the streamer info and by the collections' proxies.

#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "TArrayC.h"
#include "TArrayD.h"
#include "TArrayF.h"
#include "TArrayI.h"
#include "TArrayL.h"
#include "TArrayL64.h"
#include "TArrayS.h"
#include "TBranchElement.h"
#include "TClass.h"
#include "TClonesArray.h"
#include "TDataType.h"
#include "TLeaf.h"
#include "TLeafC.h"
#include "TStreamerElement.h"
#include "TVirtualCollectionProxy.h"
#include "TVirtualStreamerInfo.h"

namespace oracle {

using Info = TVirtualStreamerInfo;

/// The values at one place of a class, of all entries one after the other, and the places inside of it.
struct Place {
   int type = 0;                 // EDataType of the numbers, kCharStar for strings, 0 where there are none
   Long64_t n = 0;               // how many numbers or strings
   Long64_t objects = 0;         // how many objects of a class
   std::vector<unsigned char> bytes; // the numbers as they are in memory, the strings without what ends them
   std::vector<Long64_t> ends;   // of the strings in `bytes`
   std::vector<std::vector<Long64_t>> lists; // ends of the lists around the values, outer ones first
   std::map<std::string, Place> inside;
   std::map<std::string, TClass *> owners; // the first class with a member of that name
   bool unordered = false;       // whether the innermost lists have no order

   Place &at(const std::string &name)
   {
      return inside[name];
   }

   bool has(const std::string &name) const { return inside.count(name) > 0; }

   void numbers(int of, const void *from, Long64_t count, size_t size)
   {
      type = of;
      n += count;
      if (count > 0)
         bytes.insert(bytes.end(), (const char *)from, (const char *)from + count * size);
   }

   void string(const char *from, size_t size)
   {
      type = Info::kCharStar;
      n += 1;
      bytes.insert(bytes.end(), from, from + size);
      ends.push_back(bytes.size());
   }

   void list(size_t depth, Long64_t size)
   {
      if (lists.size() <= depth)
         lists.resize(depth + 1);
      auto &of = lists[depth];
      of.push_back((of.empty() ? 0 : of.back()) + size);
   }
};

inline size_t size_of(int type)
{
   switch (type) {
   case Info::kChar: case Info::kUChar: case Info::kBool: case Info::kLegacyChar: return 1;
   case Info::kShort: case Info::kUShort: return 2;
   case Info::kInt: case Info::kUInt: case Info::kFloat: case Info::kFloat16: case Info::kBits: case Info::kCounter:
      return 4;
   case Info::kLong: case Info::kULong: case Info::kLong64: case Info::kULong64: case Info::kDouble:
   case Info::kDouble32:
      return 8;
   default: throw std::runtime_error("numbers of type " + std::to_string(type));
   }
}

class Reader {
public:
   Reader(std::vector<std::string> steps) : fSteps(std::move(steps)) {}

   Place place;
   bool found = false;

   /// An object of that class, from which the steps lead to what is wanted.
   void object(const char *from, TClass *of, size_t step, Place &into, size_t depth)
   {
      if (step == fSteps.size())
         found = true;
      if (auto *proxy = of->GetCollectionProxy())
         return collection(from, of, *proxy, step, into, depth);
      std::string name = of->GetName();
      if (of == TClass::GetClass<TClonesArray>())
         return clones(*(TClonesArray *)from, step, into, depth);
      if (step == fSteps.size()) {
         if (name == "string") {
            auto &value = *(const std::string *)from;
            return into.string(value.data(), value.size());
         }
         if (name == "TString") {
            auto &value = *(const TString *)from;
            return into.string(value.Data(), value.Length());
         }
         if (array(from, name, into, depth))
            return;
         if (name == "TRef")
            return into.at("ref").numbers(Info::kUInt, from + of->GetDataMemberOffset("fUniqueID"), 1, 4);
         into.objects += 1;
      }
      members(from, of, step, into, step == fSteps.size() ? 0 : depth);
   }

private:
   std::vector<std::string> fSteps;

   void members(const char *from, TClass *of, size_t step, Place &into, size_t depth)
   {
      auto *info = of->GetStreamerInfo();
      if (!info)
         throw std::runtime_error(std::string("no streamer info of ") + of->GetName());
      bool all = step == fSteps.size();
      for (int at = 0; at < info->GetElements()->GetEntriesFast(); at++) {
         auto *element = (TStreamerElement *)info->GetElements()->UncheckedAt(at);
         // Members that are not read, and arrays of objects that another member counts.
         int type = element->GetNewType();
         if (element->TestBit(TStreamerElement::kCache) || type < 0 || type >= Info::kStreamLoop)
            continue;
         const char *there = from + element->GetOffset();
         std::string name = element->GetName();
         if (element->IsBase()) {
            auto *base = element->GetClassPointer();
            bool named = !all && name == fSteps[step];
            if (!base)
               throw std::runtime_error("no class " + name);
            if (name.rfind("TArray", 0) == 0 && name != "TArray") {
               if (all)
                  array(there, name, into.at(name), 0);
            } else if (base->GetCollectionProxy()) {
               if (all || named)
                  object(there, base, step + named, into, depth);
            } else {
               if (named && step + 1 == fSteps.size()) {
                  found = true;
                  into.objects += 1;
               }
               members(there, base, step + named, into, depth);
            }
         } else if (all) {
            // A base class may have a member of the same name.
            auto *owner = into.owners.emplace(name, of).first->second;
            member(there, from, *element, step, into.at(owner == of ? name : of->GetName() + ("::" + name)), 0);
         } else if (name == fSteps[step]) {
            if (step + 1 == fSteps.size())
               found = true;
            member(there, from, *element, step + 1, into, depth);
         }
      }
   }

   void member(const char *from, const char *object, TStreamerElement &element, size_t step, Place &into, size_t depth)
   {
      int type = element.GetNewType();
      int length = element.GetArrayLength();
      if (type > 0 && type < Info::kOffsetL && type != Info::kCharStar)
         return into.numbers(type, from, 1, size_of(type));
      if (type > Info::kOffsetL && type < Info::kOffsetP)
         return into.numbers(type - Info::kOffsetL, from, length, size_of(type - Info::kOffsetL));
      if (type > Info::kOffsetP && type < Info::kObject) {
         type -= Info::kOffsetP;
         int n = *(const int *)(object + ((TStreamerBasicPointer &)element).GetMethod());
         for (int at = 0; at < (length ? length : 1); at++) {
            auto *values = ((const char *const *)from)[at];
            into.list(depth, values ? n : 0);
            into.numbers(type, values, values ? n : 0, size_of(type));
         }
         return;
      }
      if (type == Info::kCharStar) {
         auto *value = *(const char *const *)from;
         return into.string(value ? value : "", value ? strlen(value) : 0);
      }
      auto *of = element.GetClassPointer();
      if (!of)
         throw std::runtime_error(std::string("member ") + element.GetName() + " of type " + std::to_string(type));
      for (int at = 0; at < (length ? length : 1); at++) {
         if (element.IsaPointer()) {
            auto *value = ((const char *const *)from)[at];
            if (value)
               this->object(value, actual(value, of), step, into, depth);
         } else {
            this->object(from + at * of->Size(), of, step, into, depth);
         }
      }
   }

   /// The class of the object that a pointer leads to.
   TClass *actual(const char *from, TClass *of)
   {
      if (of->GetCollectionProxy() || of == TClass::GetClass<std::string>())
         return of;
      // An emulated object has no virtual functions; its class is noted beside it.
      bool emulated = of->GetState() < TClass::kInterpreted;
      auto *is = emulated ? of->GetStreamerInfo()->GetActualClass(from) : of->GetActualClass(from);
      return is ? is : of;
   }

   void collection(const char *from, TClass *of, TVirtualCollectionProxy &proxy, size_t step, Place &into, size_t depth)
   {
      bool all = step == fSteps.size();
      std::string name = of->GetName();
      if (name.rfind("bitset<", 0) == 0) {
         int bits = std::stoi(name.substr(7));
         for (int at = 0; all && at < bits; at++) {
            char bit = (from[at / 8] >> (at % 8)) & 1;
            into.numbers(Info::kBool, &bit, 1, 1);
         }
         return;
      }
      TVirtualCollectionProxy::TPushPop inside(&proxy, (void *)from);
      UInt_t n = proxy.Size();
      into.list(depth, n);
      auto *value = proxy.GetValueClass();
      int type = proxy.GetType();
      // Some maps in memory are no lists of pairs for ROOT.
      if (!value && name.find("map<") != std::string::npos)
         return;
      into.unordered = name.rfind("unordered_", 0) == 0;
      if (!n)
         return;
      if (name == "vector<bool>") {
         for (bool one : *(const std::vector<bool> *)from) {
            char bit = one;
            into.numbers(Info::kBool, &bit, 1, 1);
         }
         return;
      }
      for (UInt_t at = 0; at < n; at++) {
         auto *item = (const char *)proxy.At(at);
         if (proxy.HasPointers())
            item = *(const char *const *)item;
         if (!value) {
            if (all)
               into.numbers(type, item, 1, size_of(type));
         } else if (item) {
            object(item, proxy.HasPointers() ? actual(item, value) : value, step, into, depth + 1);
         }
      }
   }

   void clones(TClonesArray &from, size_t step, Place &into, size_t depth)
   {
      int n = from.GetEntriesFast();
      into.list(depth, n);
      for (int at = 0; at < n; at++)
         if (auto *item = (const char *)from.UncheckedAt(at))
            object(item, from.GetClass(), step, into, depth + 1);
   }

   bool array(const char *from, const std::string &name, Place &into, size_t depth)
   {
      auto add = [&](int type, auto &of) {
         into.list(depth, of.GetSize());
         into.numbers(type, of.GetArray(), of.GetSize(), size_of(type));
         return true;
      };
      if (name == "TArrayC") return add(Info::kChar, *(TArrayC *)from);
      if (name == "TArrayS") return add(Info::kShort, *(TArrayS *)from);
      if (name == "TArrayI") return add(Info::kInt, *(TArrayI *)from);
      if (name == "TArrayL") return add(Info::kLong, *(TArrayL *)from);
      if (name == "TArrayL64") return add(Info::kLong64, *(TArrayL64 *)from);
      if (name == "TArrayF") return add(Info::kFloat, *(TArrayF *)from);
      if (name == "TArrayD") return add(Info::kDouble, *(TArrayD *)from);
      return false;
   }
};

/// Reads all entries of a branch of objects, or what the steps lead to from its top branch.
inline bool objects(TBranchElement &top, Long64_t entries, Reader &reader)
{
   std::string name = top.GetClonesName();
   auto *of = TClass::GetClass(top.GetClassName());
   if (!of)
      throw std::runtime_error(std::string("no class ") + top.GetClassName());
   for (Long64_t entry = 0; entry < entries; entry++) {
      if (top.GetEntry(entry) < 0 || !top.GetObject())
         throw std::runtime_error("entry " + std::to_string(entry) + " cannot be read");
      reader.object(top.GetObject(), of, 0, reader.place, 0);
   }
   return reader.found;
}

/// Reads all entries of a leaf.
template <typename T>
void leaf(TLeaf &leaf, Long64_t entries, int type, Place &into)
{
   for (Long64_t entry = 0; entry < entries; entry++) {
      leaf.GetBranch()->GetEntry(entry);
      int n = leaf.GetLen();
      if (leaf.GetLeafCount())
         into.list(0, n / leaf.GetLenStatic());
      for (int at = 0; at < n; at++) {
         T value = leaf.GetTypedValue<T>(at);
         into.numbers(type, &value, 1, sizeof(T));
      }
   }
}

inline void values(TLeaf &of, Long64_t entries, Place &into)
{
   if (of.IsA() == TClass::GetClass<TLeafC>()) {
      for (Long64_t entry = 0; entry < entries; entry++) {
         of.GetBranch()->GetEntry(entry);
         auto *value = (const char *)of.GetValuePointer();
         into.string(value, strlen(value));
      }
      return;
   }
   std::string type = of.GetTypeName();
   if (type == "Float_t" || type == "Float16_t") return leaf<float>(of, entries, Info::kFloat, into);
   if (type == "Double_t" || type == "Double32_t") return leaf<double>(of, entries, Info::kDouble, into);
   if (type == "Bool_t") return leaf<bool>(of, entries, Info::kBool, into);
   if (type == "Char_t") return leaf<signed char>(of, entries, Info::kChar, into);
   if (type == "UChar_t") return leaf<unsigned char>(of, entries, Info::kUChar, into);
   if (type == "Short_t") return leaf<short>(of, entries, Info::kShort, into);
   if (type == "UShort_t") return leaf<unsigned short>(of, entries, Info::kUShort, into);
   if (type == "Int_t") return leaf<int>(of, entries, Info::kInt, into);
   if (type == "UInt_t") return leaf<unsigned>(of, entries, Info::kUInt, into);
   if (type == "Long_t" || type == "Long64_t") return leaf<Long64_t>(of, entries, Info::kLong64, into);
   if (type == "ULong_t" || type == "ULong64_t") return leaf<ULong64_t>(of, entries, Info::kULong64, into);
   throw std::runtime_error("a leaf of type " + type);
}

} // namespace oracle
