// Seeded values that span the edges of their types.
#pragma once

#include <cmath>
#include <limits>

#include "describe.h"

namespace zoo {

// SplitMix64: the same numbers on every machine and with every standard library.
struct Rng {
   std::uint64_t state;
   std::uint64_t next()
   {
      std::uint64_t z = (state += 0x9e3779b97f4a7c15);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      return z ^ (z >> 31);
   }
   std::size_t below(std::size_t n) { return next() % n; }
   double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

// A number of an ordinary size.
inline double ordinary(Rng &rng)
{
   return (rng.uniform() - 0.5) * std::pow(10., static_cast<double>(rng.below(7)) - 3);
}

template <class T, class = void> struct Fill;
template <class T> void fill(Rng &rng, T &value) { Fill<T>::fill(rng, value); }

template <class T> struct Fill<T, std::enable_if_t<std::is_integral_v<T>>> {
   static void fill(Rng &rng, T &value)
   {
      using L = std::numeric_limits<T>;
      if constexpr (std::is_same_v<T, bool>) {
         value = rng.below(2) == 1;
      } else {
         switch (rng.below(8)) {
         case 0: value = L::min(); break;
         case 1: value = L::max(); break;
         case 2: value = static_cast<T>(rng.below(3)) - 1; break;
         case 3: value = static_cast<T>(rng.below(100)); break;
         default: value = static_cast<T>(rng.next());
         }
      }
   }
};
template <class T> struct Fill<T, std::enable_if_t<std::is_floating_point_v<T>>> {
   static void fill(Rng &rng, T &value)
   {
      using L = std::numeric_limits<T>;
      switch (rng.below(24)) {
      case 0: value = L::quiet_NaN(); break;
      case 1: value = L::infinity(); break;
      case 2: value = -L::infinity(); break;
      case 3: value = L::denorm_min(); break;
      case 4: value = -L::min(); break;
      case 5: value = L::max(); break;
      case 6: value = L::lowest(); break;
      case 7: value = static_cast<T>(-0.0); break;
      case 8: value = 0; break;
      case 9: value = L::epsilon(); break;
      case 10: value = static_cast<T>(std::ldexp(rng.uniform(), -130)); break;
      default: value = static_cast<T>((rng.uniform() - 0.5) * std::pow(10., static_cast<double>(rng.below(9)) - 3));
      }
   }
};
template <> struct Fill<std::byte> {
   static void fill(Rng &rng, std::byte &value) { value = static_cast<std::byte>(rng.next()); }
};

inline std::string text(Rng &rng)
{
   static const char *const words[] = {"", "a", "μ → e γ", "日本語", "\xf0\x9f\x92\xa5", "tab\tand\nnewline", "quote\"\\", "event"};
   if (rng.below(12) == 0) {
      static const std::size_t sizes[] = {253, 254, 255, 256, 400};
      return std::string(sizes[rng.below(5)], static_cast<char>('a' + rng.below(26)));
   }
   return words[rng.below(8)];
}
template <> struct Fill<std::string> {
   static void fill(Rng &rng, std::string &value) { value = text(rng); }
};
template <> struct Fill<TString> {
   static void fill(Rng &rng, TString &value) { value = text(rng).c_str(); }
};

// Mostly short, often empty, now and then long.
inline std::size_t length(Rng &rng)
{
   static const std::size_t sizes[] = {0, 0, 0, 1, 1, 2, 3, 5};
   return rng.below(40) == 0 ? 23 : sizes[rng.below(8)];
}

template <class C, class T> struct Sequence {
   static void fill(Rng &rng, C &value)
   {
      value.clear();
      for (std::size_t n = length(rng); n > 0; --n) {
         T item{};
         zoo::fill(rng, item);
         value.insert(value.end(), std::move(item));
      }
   }
};
template <class T> struct Fill<std::vector<T>> : Sequence<std::vector<T>, T> {};
template <class T> struct Fill<std::list<T>> : Sequence<std::list<T>, T> {};
template <class T> struct Fill<std::deque<T>> : Sequence<std::deque<T>, T> {};
template <class T> struct Fill<ROOT::RVec<T>> {
   static void fill(Rng &rng, ROOT::RVec<T> &value)
   {
      value.clear();
      for (std::size_t n = length(rng); n > 0; --n) {
         T item{};
         zoo::fill(rng, item);
         value.push_back(std::move(item));
      }
   }
};
template <class T> struct Fill<std::forward_list<T>> {
   static void fill(Rng &rng, std::forward_list<T> &value)
   {
      std::vector<T> items;
      zoo::fill(rng, items);
      value.assign(items.begin(), items.end());
   }
};

// Keys: a NaN has no place among them.
template <class T> struct Key {
   static void fill(Rng &rng, T &value)
   {
      if constexpr (std::is_floating_point_v<T>)
         value = static_cast<T>(rng.uniform() * 1000);
      else
         zoo::fill(rng, value);
   }
};
template <class C, class T> struct Keys {
   static void fill(Rng &rng, C &value)
   {
      value.clear();
      for (std::size_t n = length(rng); n > 0; --n) {
         T item{};
         Key<T>::fill(rng, item);
         value.insert(std::move(item));
      }
   }
};
template <class T> struct Fill<std::set<T>> : Keys<std::set<T>, T> {};
template <class T> struct Fill<std::multiset<T>> : Keys<std::multiset<T>, T> {};
template <class T> struct Fill<std::unordered_set<T>> : Keys<std::unordered_set<T>, T> {};
template <class T> struct Fill<std::unordered_multiset<T>> : Keys<std::unordered_multiset<T>, T> {};
template <class C, class K, class V> struct Pairs {
   static void fill(Rng &rng, C &value)
   {
      value.clear();
      for (std::size_t n = length(rng); n > 0; --n) {
         K key{};
         V item{};
         Key<K>::fill(rng, key);
         zoo::fill(rng, item);
         value.insert({std::move(key), std::move(item)});
      }
   }
};
template <class K, class V> struct Fill<std::map<K, V>> : Pairs<std::map<K, V>, K, V> {};
template <class K, class V> struct Fill<std::multimap<K, V>> : Pairs<std::multimap<K, V>, K, V> {};
template <class K, class V> struct Fill<std::unordered_map<K, V>> : Pairs<std::unordered_map<K, V>, K, V> {};
template <class K, class V> struct Fill<std::unordered_multimap<K, V>> : Pairs<std::unordered_multimap<K, V>, K, V> {};

template <class A, class B> struct Fill<std::pair<A, B>> {
   static void fill(Rng &rng, std::pair<A, B> &value)
   {
      zoo::fill(rng, value.first);
      zoo::fill(rng, value.second);
   }
};
template <class... Ts> struct Fill<std::tuple<Ts...>> {
   static void fill(Rng &rng, std::tuple<Ts...> &value)
   {
      std::apply([&](auto &...items) { (zoo::fill(rng, items), ...); }, value);
   }
};
template <class T, std::size_t N> struct Fill<std::array<T, N>> {
   static void fill(Rng &rng, std::array<T, N> &value)
   {
      for (auto &item : value)
         zoo::fill(rng, item);
   }
};
template <class T, std::size_t N> struct Fill<T[N]> {
   static void fill(Rng &rng, T (&value)[N])
   {
      for (auto &item : value)
         zoo::fill(rng, item);
   }
};
template <std::size_t N> struct Fill<std::bitset<N>> {
   static void fill(Rng &rng, std::bitset<N> &value)
   {
      for (std::size_t i = 0; i < N; ++i)
         value[i] = rng.below(2) == 1;
   }
};
template <class T> struct Fill<std::optional<T>> {
   static void fill(Rng &rng, std::optional<T> &value)
   {
      value.reset();
      if (rng.below(3) > 0)
         zoo::fill(rng, value.emplace());
   }
};
template <class T> struct Fill<std::unique_ptr<T>> {
   static void fill(Rng &rng, std::unique_ptr<T> &value)
   {
      value.reset();
      if (rng.below(3) > 0) {
         value = std::make_unique<T>();
         zoo::fill(rng, *value);
      }
   }
};
template <class T> struct Fill<T *> {
   static void fill(Rng &rng, T *&value)
   {
      delete value;
      value = nullptr;
      if (rng.below(3) > 0)
         zoo::fill(rng, *(value = new T));
   }
};
template <class T> struct Fill<std::atomic<T>> {
   static void fill(Rng &rng, std::atomic<T> &value)
   {
      T item{};
      zoo::fill(rng, item);
      value = item;
   }
};
template <class... Ts> struct Fill<std::variant<Ts...>> {
   template <std::size_t... I> static void pick(Rng &rng, std::variant<Ts...> &value, std::size_t at, std::index_sequence<I...>)
   {
      ((I == at ? zoo::fill(rng, value.template emplace<I>()) : void()), ...);
   }
   static void fill(Rng &rng, std::variant<Ts...> &value)
   {
      pick(rng, value, rng.below(sizeof...(Ts)), std::index_sequence_for<Ts...>());
   }
};
template <class T> struct Fill<T, std::enable_if_t<HasMembers<T>::value>> {
   static void fill(Rng &rng, T &value)
   {
      Members<T>::each(value, [&](const char *, auto &member) { zoo::fill(rng, member); });
      if constexpr (std::is_base_of_v<TObject, T>) {
         value.SetUniqueID(static_cast<UInt_t>(rng.below(0xffffff)));
         for (int bit = 14; bit < 24; ++bit)
            value.SetBit(BIT(bit), rng.below(2) == 1);
      }
   }
};

} // namespace zoo
