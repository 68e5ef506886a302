// What a C++ value is, as lists, records and numbers: the truth that a reader must find in a file.
//
// A Node gathers all entries of a column. Its JSON is read by make_zoo.py, which makes of it what
// reference.json says of a column: the offsets of its lists and the bytes of its values.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <ROOT/RVec.hxx>
#include <TObject.h>
#include <TString.h>

namespace zoo {

struct Node {
   char kind = '?'; // n(umbers) s(trings) l(ist) f(ixed) r(ecord) o(ptional) u(nion) h(idden numbers)
   std::string dtype;
   std::uint64_t n = 0;
   std::uint64_t size = 0;                // of a fixed list
   std::vector<std::int64_t> offsets{0};  // of lists and strings
   std::string bytes;                     // of numbers and strings; validity or tags of the others
   std::vector<std::pair<std::string, std::unique_ptr<Node>>> children;

   Node &child(std::size_t at, const std::string &name = "")
   {
      if (children.size() == at)
         children.emplace_back(name, std::make_unique<Node>());
      return *children[at].second;
   }
   // Hidden are the id and bits of a TObject, which change in memory and have a column only if split.
   bool operator==(const Node &o) const
   {
      if (kind == 'h' && o.kind == 'h')
         return true;
      bool same = kind == o.kind && dtype == o.dtype && n == o.n && size == o.size && offsets == o.offsets &&
                  bytes == o.bytes && children.size() == o.children.size();
      for (std::size_t i = 0; same && i < children.size(); ++i)
         same = children[i].first == o.children[i].first && *children[i].second == *o.children[i].second;
      return same;
   }
   void json(std::ostream &out) const
   {
      static const char *digits = "0123456789abcdef";
      out << "{\"kind\":\"" << kind << "\",\"dtype\":\"" << dtype << "\",\"n\":" << n << ",\"size\":" << size
          << ",\"offsets\":[";
      for (std::size_t i = 0; i < offsets.size(); ++i)
         out << (i ? "," : "") << offsets[i];
      out << "],\"bytes\":\"";
      for (unsigned char c : bytes)
         out << digits[c >> 4] << digits[c & 15];
      out << "\",\"children\":[";
      for (std::size_t i = 0; i < children.size(); ++i) {
         out << (i ? "," : "") << "[\"" << children[i].first << "\",";
         children[i].second->json(out);
         out << "]";
      }
      out << "]}";
   }
};

// Members<T>::each(object, f) calls f("name", object.name) for each member, those of bases first.
template <class T> struct Members;

template <class T, class = void> struct HasMembers : std::false_type {};
template <class T> struct HasMembers<T, std::void_t<decltype(&Members<T>::known)>> : std::true_type {};

#define ZOO_MEMBERS(T, ...)                                                                        \
   template <> struct zoo::Members<T> {                                                            \
      static void known() {}                                                                       \
      template <class O, class F> static void each(O &o, F &&f) { __VA_ARGS__ }                    \
   };
#define ZOO_BASE(B) zoo::Members<B>::each(o, f);

template <class T, class = void> struct Describe;

template <class T> void shape(Node &node) { Describe<std::remove_cv_t<T>>::shape(node); }
template <class T> void add(Node &node, const T &value)
{
   shape<T>(node);
   Describe<std::remove_cv_t<T>>::add(node, value);
}

template <class T> const char *dtype()
{
   if (std::is_same_v<T, bool>) return "bool";
   if (std::is_floating_point_v<T>) return sizeof(T) == 4 ? "f4" : "f8";
   constexpr bool is_signed = std::is_signed_v<T> && !std::is_same_v<T, std::byte>;
   switch (sizeof(T)) {
   case 1: return is_signed ? "i1" : "u1";
   case 2: return is_signed ? "i2" : "u2";
   case 4: return is_signed ? "i4" : "u4";
   default: return is_signed ? "i8" : "u8";
   }
}

template <class T> struct Describe<T, std::enable_if_t<std::is_arithmetic_v<T> || std::is_same_v<T, std::byte>>> {
   static void shape(Node &node)
   {
      node.kind = 'n';
      node.dtype = dtype<T>();
   }
   static void add(Node &node, T value)
   {
      ++node.n;
      node.bytes.append(reinterpret_cast<const char *>(&value), sizeof(T)); // a little-endian machine
   }
};

template <class T> struct Describe<T, std::enable_if_t<std::is_enum_v<T> && !std::is_same_v<T, std::byte>>> {
   using U = std::underlying_type_t<T>;
   // An enumeration without a type of its own is an int in files, whatever the compiler takes.
   using I = std::conditional_t<std::is_convertible_v<T, int>, int, U>;
   static void shape(Node &node) { zoo::shape<I>(node); }
   static void add(Node &node, T value) { zoo::add<I>(node, static_cast<I>(value)); }
};

template <> struct Describe<std::string> {
   static void shape(Node &node) { node.kind = 's'; }
   static void text(Node &node, const char *data, std::size_t size)
   {
      node.bytes.append(data, size);
      node.offsets.push_back(static_cast<std::int64_t>(node.bytes.size()));
      ++node.n;
   }
   static void add(Node &node, const std::string &value) { text(node, value.data(), value.size()); }
};
template <> struct Describe<TString> {
   static void shape(Node &node) { node.kind = 's'; }
   static void add(Node &node, const TString &value)
   {
      Describe<std::string>::text(node, value.Data(), static_cast<std::size_t>(value.Length()));
   }
};
template <> struct Describe<char *> {
   static void shape(Node &node) { node.kind = 's'; }
   static void add(Node &node, const char *value)
   {
      Describe<std::string>::text(node, value ? value : "", value ? std::strlen(value) : 0);
   }
};

template <class T, class Range> void add_list(Node &node, const Range &range)
{
   std::int64_t last = node.offsets.back();
   for (const auto &item : range) {
      add<T>(node.child(0), item);
      ++last;
   }
   node.offsets.push_back(last);
}

template <class T> struct List {
   static void shape(Node &node)
   {
      node.kind = 'l';
      zoo::shape<T>(node.child(0));
   }
   template <class Range> static void add(Node &node, const Range &range) { add_list<T>(node, range); }
};
template <class T, class A> struct Describe<std::vector<T, A>> : List<T> {};
template <class T> struct Describe<ROOT::RVec<T>> : List<T> {};
template <class T> struct Describe<std::list<T>> : List<T> {};
template <class T> struct Describe<std::forward_list<T>> : List<T> {};
template <class T> struct Describe<std::deque<T>> : List<T> {};
template <class T> struct Describe<std::set<T>> : List<T> {};
template <class T> struct Describe<std::multiset<T>> : List<T> {};
template <class T> struct Describe<std::unordered_set<T>> : List<T> {};
template <class T> struct Describe<std::unordered_multiset<T>> : List<T> {};
template <class K, class V> struct Describe<std::map<K, V>> : List<std::pair<const K, V>> {};
template <class K, class V> struct Describe<std::multimap<K, V>> : List<std::pair<const K, V>> {};
template <class K, class V> struct Describe<std::unordered_map<K, V>> : List<std::pair<const K, V>> {};
template <class K, class V> struct Describe<std::unordered_multimap<K, V>> : List<std::pair<const K, V>> {};

template <class... Ts> struct Items {
   template <std::size_t... I> static void shapes(Node &node, std::index_sequence<I...>)
   {
      (zoo::shape<Ts>(node.child(I, std::to_string(I))), ...);
   }
   static void shape(Node &node)
   {
      node.kind = 'r';
      shapes(node, std::index_sequence_for<Ts...>());
   }
   template <class T, std::size_t... I> static void adds(Node &node, const T &value, std::index_sequence<I...>)
   {
      (zoo::add<Ts>(node.child(I), std::get<I>(value)), ...);
   }
   template <class T> static void add(Node &node, const T &value)
   {
      ++node.n;
      adds(node, value, std::index_sequence_for<Ts...>());
   }
};
template <class A, class B> struct Describe<std::pair<A, B>> : Items<A, B> {};
template <class... Ts> struct Describe<std::tuple<Ts...>> : Items<Ts...> {};

template <class T, std::size_t N> struct Fixed {
   static void shape(Node &node)
   {
      node.kind = 'f';
      node.size = N;
      zoo::shape<T>(node.child(0));
   }
   template <class A> static void add(Node &node, const A &array)
   {
      ++node.n;
      for (std::size_t i = 0; i < N; ++i)
         zoo::add<T>(node.child(0), array[i]);
   }
};
template <class T, std::size_t N> struct Describe<std::array<T, N>> : Fixed<T, N> {};
template <class T, std::size_t N> struct Describe<T[N]> : Fixed<T, N> {};
template <std::size_t N> struct Describe<std::bitset<N>> : Fixed<bool, N> {};

template <class T> struct Option {
   static void shape(Node &node)
   {
      node.kind = 'o';
      zoo::shape<T>(node.child(0));
   }
   template <class P> static void add(Node &node, const P &pointer)
   {
      ++node.n;
      node.bytes.push_back(pointer ? 1 : 0);
      if (pointer)
         zoo::add<T>(node.child(0), *pointer);
   }
};
template <class T> struct Describe<std::optional<T>> : Option<T> {};
template <class T> struct Describe<std::unique_ptr<T>> : Option<T> {};
template <class T> struct Describe<T *> : Option<T> {};
// Of a pointer to a collection, ROOT writes an empty one where there is none.
template <class T> struct Describe<std::vector<T> *> {
   static void shape(Node &node) { zoo::shape<std::vector<T>>(node); }
   static void add(Node &node, const std::vector<T> *value) { zoo::add(node, value ? *value : std::vector<T>()); }
};

template <class T> struct Describe<std::complex<T>> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<T>(node.child(0, "_real"));
      zoo::shape<T>(node.child(1, "_imag"));
   }
   static void add(Node &node, const std::complex<T> &value)
   {
      ++node.n;
      zoo::add<T>(node.child(0), value.real());
      zoo::add<T>(node.child(1), value.imag());
   }
};

template <class T> struct Describe<std::atomic<T>> {
   static void shape(Node &node) { zoo::shape<T>(node); }
   static void add(Node &node, const std::atomic<T> &value) { zoo::add<T>(node, value.load()); }
};

template <class... Ts> struct Describe<std::variant<Ts...>> {
   template <std::size_t... I> static void shapes(Node &node, std::index_sequence<I...>)
   {
      (zoo::shape<Ts>(node.child(I, "<" + std::to_string(I + 1) + ">")), ...);
   }
   static void shape(Node &node)
   {
      node.kind = 'u';
      shapes(node, std::index_sequence_for<Ts...>());
   }
   static void add(Node &node, const std::variant<Ts...> &value)
   {
      ++node.n;
      node.bytes.push_back(static_cast<char>(value.index() + 1)); // 0 where it holds nothing
      if (!value.valueless_by_exception())
         std::visit([&](const auto &item) { zoo::add(node.child(value.index()), item); }, value);
   }
};

// A record's last members are the id and bits of a TObject.
inline void hidden(Node &node, std::size_t at)
{
   for (const char *name : {"fUniqueID", "fBits"}) {
      Node &child = node.child(at++, name);
      child.kind = 'h';
      child.dtype = "u4";
   }
}
inline void hidden(Node &node, std::size_t at, const TObject &value)
{
   // Where an object lies, and that it lives, is not written.
   auto bits = static_cast<std::uint32_t>(value.TestBits(~(TObject::kIsOnHeap | TObject::kNotDeleted)));
   for (std::uint32_t number : {value.GetUniqueID(), bits})
      Describe<std::uint32_t>::add(node.child(at++), number);
   hidden(node, at - 2);
}

template <class T> struct Describe<T, std::enable_if_t<HasMembers<T>::value>> {
   static void shape(Node &node)
   {
      if (node.kind == 'r')
         return;
      node.kind = 'r';
      static const T sample{};
      std::size_t at = 0;
      Members<T>::each(sample, [&](const char *name, const auto &member) {
         zoo::shape<std::remove_reference_t<decltype(member)>>(node.child(at++, name));
      });
      if constexpr (std::is_base_of_v<TObject, T>)
         hidden(node, at);
   }
   static void add(Node &node, const T &value)
   {
      ++node.n;
      std::size_t at = 0;
      Members<T>::each(value, [&](const char *, const auto &member) { zoo::add(node.child(at++), member); });
      if constexpr (std::is_base_of_v<TObject, T>)
         hidden(node, at, value);
   }
};

} // namespace zoo
