// What the classes hold, for describe.h and values.h, in the order and under the names of the file.
#pragma once

#include "classes.h"
#include "columns.h"
#include "values.h"

template <> struct zoo::Fill<zoo::Color> {
   static void fill(Rng &rng, Color &value)
   {
      static const Color colors[] = {kRed, kGreen, kBlue};
      value = colors[rng.below(3)];
   }
};
template <> struct zoo::Fill<zoo::Flavour> {
   static void fill(Rng &rng, Flavour &value) { value = rng.below(2) ? Flavour::up : Flavour::down; }
};

ZOO_MEMBERS(zoo::Point, f("x", o.x); f("y", o.y); f("z", o.z);)
ZOO_MEMBERS(zoo::Record, f("d", o.d); f("l", o.l); f("f", o.f); f("i", o.i); f("s", o.s); f("b", o.b);)
ZOO_MEMBERS(zoo::Base, f("id", o.id);)
ZOO_MEMBERS(zoo::Other, f("other", o.other); f("shorts", o.shorts);)
ZOO_MEMBERS(zoo::Derived, ZOO_BASE(zoo::Base) f("w", o.w); f("v", o.v);)
ZOO_MEMBERS(zoo::Twice, ZOO_BASE(zoo::Derived) ZOO_BASE(zoo::Other) f("c", o.c);)
ZOO_MEMBERS(zoo::Empty, (void)o; (void)f;)
ZOO_MEMBERS(zoo::Numbers, f("o", o.o); f("b", o.b); f("ub", o.ub); f("s", o.s); f("us", o.us); f("i", o.i);
            f("ui", o.ui); f("l", o.l); f("ul", o.ul); f("ll", o.ll); f("ull", o.ull); f("f", o.f); f("d", o.d);
            f("color", o.color); f("a", o.a); f("m", o.m); f("flags", o.flags); f("h", o.h);)
ZOO_MEMBERS(zoo::Packed, f("h", o.h); f("hr", o.hr); f("hn", o.hn); f("e", o.e); f("er", o.er); f("en", o.en);
            f("e32", o.e32); f("pi", o.pi); f("ea", o.ea); f("era", o.era); f("ha", o.ha); f("ev", o.ev);)
ZOO_MEMBERS(zoo::Strings, f("s", o.s); f("t", o.t); f("v", o.v);)
ZOO_MEMBERS(zoo::CString, f("c", o.c); f("after", o.after);)
ZOO_MEMBERS(zoo::Containers, f("vi", o.vi); f("vvf", o.vvf); f("vo", o.vo); f("mid", o.mid); f("msv", o.msv);
            f("si", o.si); f("ld", o.ld); f("ds", o.ds); f("p", o.p); f("a", o.a); f("vp", o.vp);)
ZOO_MEMBERS(zoo::Bits, f("bits", o.bits); f("after", o.after);)
ZOO_MEMBERS(zoo::Nested, f("p", o.p); f("d", o.d); f("grid", o.grid); f("points", o.points);
            f("deriveds", o.deriveds); f("named", o.named); f("deep", o.deep);)
ZOO_MEMBERS(zoo::Hit, f("e", o.e); f("channel", o.channel); f("pos", o.pos);)
ZOO_MEMBERS(zoo::Track, f("id", o.id); f("p", o.p); f("name", o.name); f("chi2", o.chi2);)
ZOO_MEMBERS(zoo::Event, f("run", o.run); f("vertex", o.vertex); f("points", o.points); f("clones", o.clones);
            f("p4", o.p4); f("track", o.track); f("last", o.last);)
ZOO_MEMBERS(zoo::Referring, f("before", o.before); f("ref", o.ref); f("after", o.after);)
ZOO_MEMBERS(zoo::Pointing, f("point", o.point); f("track", o.track); f("after", o.after);)

// The objects that are referred to live as long as the process, the first one of the file.
template <> struct zoo::Fill<TRef> {
   static void fill(Rng &rng, TRef &value)
   {
      static Hit hits[20];
      std::size_t at = rng.below(25);
      value = at < 20 ? &hits[at] : nullptr;
   }
};
template <> struct zoo::Describe<TRef> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<unsigned int>(node.child(0, "ref"));
   }
   static void add(Node &node, const TRef &value)
   {
      ++node.n;
      zoo::add<unsigned int>(node.child(0), value.GetUniqueID() & 0xffffff);
   }
};

// Numbers within the ranges that the packed members have.
template <> struct zoo::Fill<zoo::Packed> {
   static void fill(Rng &rng, Packed &o)
   {
      auto small = [&] { return ordinary(rng); };
      o.h = static_cast<float>(small());
      o.hr = static_cast<float>(rng.uniform() * 10);
      o.hn = static_cast<float>(small());
      zoo::fill(rng, o.e);
      o.er = rng.uniform() * 12 - 6; // some of them outside
      o.en = small();
      o.e32 = rng.uniform();
      o.pi = (rng.uniform() * 2 - 1) * 3.14159;
      for (auto &item : o.ea)
         item = small();
      for (auto &item : o.era)
         item = rng.uniform() * 10;
      for (auto &item : o.ha)
         item = static_cast<float>(small());
      zoo::fill(rng, o.ev);
   }
};

// What ROOT cannot read leaves a pointer that leads nowhere.
template <class T> std::vector<T> counted(const T *first, int n)
{
   return first && n > 0 ? std::vector<T>(first, first + n) : std::vector<T>();
}

template <> struct zoo::Fill<zoo::Counted> {
   static void fill(Rng &rng, Counted &o)
   {
      o.resize(static_cast<int>(length(rng)));
      for (int i = 0; i < o.n; ++i) {
         zoo::fill(rng, o.x[i]);
         zoo::fill(rng, o.y[i]);
      }
   }
};
template <> struct zoo::Describe<zoo::Counted> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<int>(node.child(0, "n"));
      zoo::shape<std::vector<float>>(node.child(1, "x"));
      zoo::shape<std::vector<double>>(node.child(2, "y"));
   }
   static void add(Node &node, const Counted &o)
   {
      ++node.n;
      zoo::add(node.child(0), o.n);
      zoo::add(node.child(1), counted<float>(o.x, o.n));
      zoo::add(node.child(2), counted<double>(o.y, o.n));
   }
};

template <> struct zoo::Fill<zoo::CString> {
   static void fill(Rng &rng, CString &o)
   {
      delete[] o.c;
      std::string value = text(rng);
      o.c = new char[value.size() + 1];
      std::memcpy(o.c, value.c_str(), value.size() + 1);
      zoo::fill(rng, o.after);
   }
};

template <> struct zoo::Fill<TVector2> {
   static void fill(Rng &rng, TVector2 &o)
   {
      double c[2];
      zoo::fill(rng, c);
      o.Set(c[0], c[1]);
   }
};
template <> struct zoo::Fill<TVector3> {
   static void fill(Rng &rng, TVector3 &o)
   {
      double c[3];
      zoo::fill(rng, c);
      o.SetXYZ(c[0], c[1], c[2]);
   }
};
template <> struct zoo::Fill<TLorentzVector> {
   static void fill(Rng &rng, TLorentzVector &o)
   {
      double c[4];
      zoo::fill(rng, c);
      o.SetPxPyPzE(c[0], c[1], c[2], c[3]);
   }
};
ZOO_MEMBERS(TVector2, f("fX", o.X()); f("fY", o.Y());)
ZOO_MEMBERS(TVector3, f("fX", o.X()); f("fY", o.Y()); f("fZ", o.Z());)
ZOO_MEMBERS(TLorentzVector, f("fP", o.Vect()); f("fE", o.E());)

template <class T> struct zoo::Members<ROOT::Math::PtEtaPhiM4D<T>> {
   static void known() {}
   template <class O, class F> static void each(O &o, F &&f)
   {
      f("fPt", o.Pt());
      f("fEta", o.Eta());
      f("fPhi", o.Phi());
      f("fM", o.M());
   }
};
template <class T> struct zoo::Members<ROOT::Math::PxPyPzE4D<T>> {
   static void known() {}
   template <class O, class F> static void each(O &o, F &&f)
   {
      f("fX", o.Px());
      f("fY", o.Py());
      f("fZ", o.Pz());
      f("fT", o.E());
   }
};
template <class C> struct zoo::Members<ROOT::Math::LorentzVector<C>> {
   static void known() {}
   template <class O, class F> static void each(O &o, F &&f) { f("fCoordinates", o.Coordinates()); }
};
template <class V> struct FillLorentz {
   static void fill(zoo::Rng &rng, V &o)
   {
      using S = typename V::Scalar;
      auto one = [&] { return static_cast<S>(rng.uniform() * 100); };
      // Within ±π, so that setting does not change it.
      o.SetCoordinates(one(), static_cast<S>(rng.uniform() * 4 - 2), static_cast<S>(rng.uniform() * 6 - 3), one());
   }
};
template <>
struct zoo::Fill<ROOT::Math::LorentzVector<ROOT::Math::PtEtaPhiM4D<float>>>
   : FillLorentz<ROOT::Math::LorentzVector<ROOT::Math::PtEtaPhiM4D<float>>> {};
template <>
struct zoo::Fill<ROOT::Math::LorentzVector<ROOT::Math::PxPyPzE4D<double>>>
   : FillLorentz<ROOT::Math::LorentzVector<ROOT::Math::PxPyPzE4D<double>>> {};

template <> inline TClonesArray *zoo::create<TClonesArray>() { return new TClonesArray("zoo::Hit", 8); }
template <> struct zoo::Describe<TClonesArray> {
   static void shape(Node &node)
   {
      node.kind = 'l';
      zoo::shape<Hit>(node.child(0));
   }
   static void add(Node &node, const TClonesArray &hits)
   {
      std::vector<Hit> items;
      for (int i = 0; i < hits.GetEntriesFast(); ++i)
         items.push_back(*static_cast<const Hit *>(hits.At(i)));
      add_list<Hit>(node, items);
   }
};
template <> struct zoo::Fill<TClonesArray> {
   static void fill(Rng &rng, TClonesArray &hits)
   {
      hits.Delete();
      int n = static_cast<int>(length(rng));
      for (int i = 0; i < n; ++i)
         zoo::fill(rng, *static_cast<Hit *>(hits.ConstructedAt(i)));
   }
};

ZOO_MEMBERS(zoo::Arrays, f("s", o.s); f("t", o.t); f("v", o.v); f("m", o.m); f("p", o.p); f("d", o.d); f("ap", o.ap);
            f("aas", o.aas); f("after", o.after);)
ZOO_MEMBERS(zoo::Pointers, f("v", o.v); f("p", o.p); f("d", o.d); f("pp", o.pp); f("u", o.u); f("after", o.after);)
ZOO_MEMBERS(zoo::Hollow, f("e", o.e); f("i", o.i); f("v", o.v); f("after", o.after);)
ZOO_MEMBERS(zoo::Partly, f("a", o.a); f("b", o.b);)
template <class T> struct zoo::Members<zoo::Holder<T>> {
   static void known() {}
   template <class O, class F> static void each(O &o, F &&f)
   {
      f("one", o.one);
      f("many", o.many);
   }
};
template <> struct zoo::Fill<zoo::Series> {
   static void fill(Rng &rng, Series &o)
   {
      zoo::fill(rng, static_cast<std::vector<float> &>(o));
      zoo::fill(rng, o.id);
   }
};
ZOO_MEMBERS(zoo::Series, f("vector<float>", static_cast<const std::vector<float> &>(o)); f("id", o.id);)
ZOO_MEMBERS(zoo::Keyed, f("pairs", o.pairs); f("lists", o.lists); f("set", o.set); f("flavours", o.flavours);
            f("colors", o.colors); f("bits", o.bits); f("maps", o.maps);)
ZOO_MEMBERS(zoo::Blob, f("a", o.a); f("v", o.v);)
ZOO_MEMBERS(zoo::Recursive, f("id", o.id);)

template <> struct zoo::Fill<zoo::PackedLists> {
   static void fill(Rng &rng, PackedLists &o)
   {
      zoo::fill(rng, o.v);
      zoo::fill(rng, o.m);
      o.resize(static_cast<int>(length(rng)));
      for (int i = 0; i < o.n; ++i) {
         zoo::fill(rng, o.x[i]);
         o.y[i] = rng.uniform() * 10;
         o.h[i] = static_cast<float>(ordinary(rng));
      }
   }
};
template <> struct zoo::Describe<zoo::PackedLists> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<std::vector<double>>(node.child(0, "v"));
      zoo::shape<std::map<short, double>>(node.child(1, "m"));
      zoo::shape<int>(node.child(2, "n"));
      zoo::shape<std::vector<double>>(node.child(3, "x"));
      zoo::shape<std::vector<double>>(node.child(4, "y"));
      zoo::shape<std::vector<float>>(node.child(5, "h"));
   }
   static void add(Node &node, const PackedLists &o)
   {
      ++node.n;
      zoo::add(node.child(0), o.v);
      zoo::add(node.child(1), o.m);
      zoo::add(node.child(2), o.n);
      zoo::add(node.child(3), counted<double>(o.x, o.n));
      zoo::add(node.child(4), counted<double>(o.y, o.n));
      zoo::add(node.child(5), counted<float>(o.h, o.n));
   }
};

template <> struct zoo::Fill<TDatime> {
   static void fill(Rng &rng, TDatime &value) { value.Set(static_cast<UInt_t>(rng.next() >> 33)); }
};
template <> struct zoo::Describe<TDatime> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<unsigned int>(node.child(0, "fDatime"));
   }
   static void add(Node &node, const TDatime &value)
   {
      ++node.n;
      zoo::add<unsigned int>(node.child(0), value.Get());
   }
};
template <class A, class T> struct FillArray {
   static void fill(zoo::Rng &rng, A &value)
   {
      value.Set(static_cast<int>(zoo::length(rng)));
      for (int i = 0; i < value.GetSize(); ++i)
         zoo::fill(rng, value[i]);
   }
};
template <class A, class T> struct DescribeArray {
   static void shape(zoo::Node &node) { zoo::shape<std::vector<T>>(node); }
   static void add(zoo::Node &node, const A &value)
   {
      zoo::add(node, std::vector<T>(value.GetArray(), value.GetArray() + value.GetSize()));
   }
};
template <> struct zoo::Fill<TArrayI> : FillArray<TArrayI, int> {};
template <> struct zoo::Fill<TArrayF> : FillArray<TArrayF, float> {};
template <> struct zoo::Fill<TArrayD> : FillArray<TArrayD, double> {};
template <> struct zoo::Describe<TArrayI> : DescribeArray<TArrayI, int> {};
template <> struct zoo::Describe<TArrayF> : DescribeArray<TArrayF, float> {};
template <> struct zoo::Describe<TArrayD> : DescribeArray<TArrayD, double> {};
template <> struct zoo::Fill<TNamed> {
   static void fill(Rng &rng, TNamed &value)
   {
      std::string name = text(rng), title = text(rng);
      value.SetNameTitle(name.c_str(), title.c_str());
   }
};
ZOO_MEMBERS(TNamed, f("fName", TString(o.GetName())); f("fTitle", TString(o.GetTitle()));)
template <> struct zoo::Fill<TObjString> {
   static void fill(Rng &rng, TObjString &value) { value.SetString(text(rng).c_str()); }
};
ZOO_MEMBERS(TObjString, f("fString", o.GetString());)
template <> struct zoo::Fill<TBits> {
   static void fill(Rng &rng, TBits &value)
   {
      value.Clear();
      for (std::size_t n = length(rng); n > 0; --n)
         value.SetBitNumber(static_cast<UInt_t>(rng.below(100)));
   }
};
template <> struct zoo::Describe<TBits> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<unsigned int>(node.child(0, "fNbits"));
      zoo::shape<unsigned int>(node.child(1, "fNbytes"));
      zoo::shape<std::vector<unsigned char>>(node.child(2, "fAllBits"));
      zoo::hidden(node, 3);
   }
   static void add(Node &node, const TBits &value)
   {
      ++node.n;
      zoo::add<unsigned int>(node.child(0), value.GetNbits());
      zoo::add<unsigned int>(node.child(1), value.GetNbytes());
      std::vector<unsigned char> bytes(value.GetNbytes());
      for (UInt_t bit = 0; bit < value.GetNbits(); ++bit)
         if (value.TestBitNumber(bit))
            bytes[bit / 8] |= static_cast<unsigned char>(1 << bit % 8);
      zoo::add(node.child(2), bytes);
      zoo::hidden(node, 3, value);
   }
};
ZOO_MEMBERS(zoo::Owned, f("before", o.before); f("time", o.time); f("ai", o.ai); f("af", o.af); f("ad", o.ad);
            f("named", o.named); f("text", o.text); f("bits", o.bits); f("refs", o.refs); f("names", o.names);
            f("texts", o.texts); f("after", o.after);)
template <> struct zoo::Fill<zoo::Label> {
   static void fill(Rng &rng, Label &o)
   {
      zoo::fill(rng, static_cast<TNamed &>(o));
      zoo::fill(rng, o.value);
   }
};
ZOO_MEMBERS(zoo::Label, ZOO_BASE(TNamed) f("value", o.value);)
template <> struct zoo::Fill<zoo::Mixed> {
   static TObject *object(Rng &rng)
   {
      std::string name = text(rng);
      switch (rng.below(4)) {
      case 0: return nullptr;
      case 1: return new TObjString(name.c_str());
      case 2: return new TNamed(name.c_str(), "title");
      default: return new Hit;
      }
   }
   static void fill(Rng &rng, Mixed &o)
   {
      zoo::fill(rng, o.before);
      delete o.any;
      o.any = object(rng);
      o.all.Delete();
      for (std::size_t n = length(rng); n > 0; --n)
         o.all.Add(object(rng));
      zoo::fill(rng, o.after);
   }
};
ZOO_MEMBERS(zoo::Mixed, f("before", o.before); f("after", o.after);)
template <> struct zoo::Fill<zoo::Both> {
   static void fill(Rng &rng, Both &o)
   {
      zoo::fill(rng, static_cast<TNamed &>(o));
      zoo::fill(rng, static_cast<Derived &>(o));
      zoo::fill(rng, o.hits);
      for (Track *track : o.tracks)
         delete track;
      o.tracks.clear();
      for (std::size_t n = length(rng); n > 0; --n)
         zoo::fill(rng, *o.tracks.emplace_back(new Track));
   }
};
ZOO_MEMBERS(zoo::Both, ZOO_BASE(TNamed) ZOO_BASE(zoo::Derived) f("hits", o.hits); f("tracks", o.tracks);)

template <> struct zoo::Fill<zoo::Tiny> {
   static void fill(Rng &rng, Tiny &value)
   {
      static const Tiny values[] = {Tiny::none, Tiny::some, Tiny::most};
      value = values[rng.below(3)];
   }
};
template <> struct zoo::Fill<zoo::Small> {
   static void fill(Rng &rng, Small &value) { value = rng.below(2) ? Small::below : Small::zero; }
};
template <class E> struct DescribeInt {
   static void shape(zoo::Node &node) { zoo::shape<int>(node); }
   static void add(zoo::Node &node, E value) { zoo::add<int>(node, static_cast<int>(value)); }
};
template <> struct zoo::Describe<zoo::Tiny> : DescribeInt<zoo::Tiny> {};
template <> struct zoo::Describe<zoo::Small> : DescribeInt<zoo::Small> {};
ZOO_MEMBERS(zoo::Enumerations, f("color", o.color); f("tiny", o.tiny); f("small", o.small); f("colors", o.colors);
            f("tinies", o.tinies); f("smalls", o.smalls); f("nested", o.nested); f("keys", o.keys);
            f("values", o.values); f("set", o.set); f("after", o.after);)
ZOO_MEMBERS(zoo::ArraysOfCollections, f("v", o.v); f("m", o.m); f("s", o.s); f("vv", o.vv); f("p", o.p); f("aa", o.aa);
            f("after", o.after);)
ZOO_MEMBERS(zoo::Rich, f("v", o.v); f("m", o.m); f("s", o.s); f("vv", o.vv); f("points", o.points); f("last", o.last);)

template <> struct zoo::Fill<zoo::CountedHeir> {
   static void fill(Rng &rng, CountedHeir &o)
   {
      o.resize(static_cast<int>(length(rng)));
      for (int i = 0; i < o.n; ++i) {
         zoo::fill(rng, o.s[i]);
         zoo::fill(rng, o.u[i]);
         zoo::fill(rng, o.l[i]);
         zoo::fill(rng, o.o[i]);
      }
   }
};
template <> struct zoo::Describe<zoo::CountedHeir> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<int>(node.child(0, "n"));
      zoo::shape<std::vector<short>>(node.child(1, "s"));
      zoo::shape<std::vector<unsigned char>>(node.child(2, "u"));
      zoo::shape<std::vector<long>>(node.child(3, "l"));
      zoo::shape<std::vector<bool>>(node.child(4, "o"));
   }
   static void add(Node &node, const CountedHeir &o)
   {
      ++node.n;
      zoo::add(node.child(0), o.n);
      zoo::add(node.child(1), counted<short>(o.s, o.n));
      zoo::add(node.child(2), counted<unsigned char>(o.u, o.n));
      zoo::add(node.child(3), counted<long>(o.l, o.n));
      zoo::add(node.child(4), counted<bool>(o.o, o.n));
   }
};
template <> struct zoo::Fill<zoo::Sized> {
   static void fill(Rng &rng, Sized &o)
   {
      delete[] o.x;
      o.n = static_cast<int>(length(rng));
      o.x = o.n ? new float[o.n] : nullptr;
      for (int i = 0; i < o.n; ++i)
         zoo::fill(rng, o.x[i]);
      zoo::fill(rng, o.last);
   }
};
template <> struct zoo::Describe<zoo::Sized> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<int>(node.child(0, "n"));
      zoo::shape<std::vector<float>>(node.child(1, "x"));
      zoo::shape<double>(node.child(2, "last"));
      zoo::hidden(node, 3);
   }
   static void add(Node &node, const Sized &o)
   {
      ++node.n;
      zoo::add(node.child(0), o.n);
      zoo::add(node.child(1), counted<float>(o.x, o.n));
      zoo::add(node.child(2), o.last);
      zoo::hidden(node, 3, o);
   }
};
template <class T> struct zoo::Fill<zoo::Clones<T>> {
   static void fill(Rng &rng, Clones<T> &o)
   {
      o.array.Delete();
      int n = static_cast<int>(length(rng));
      for (int i = 0; i < n; ++i)
         zoo::fill(rng, *static_cast<T *>(o.array.ConstructedAt(i)));
      zoo::fill(rng, o.after);
   }
};
template <class T> struct zoo::Describe<zoo::Clones<T>> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      Node &list = node.child(0, "array");
      list.kind = 'l';
      zoo::shape<T>(list.child(0));
      zoo::shape<int>(node.child(1, "after"));
   }
   static void add(Node &node, const Clones<T> &o)
   {
      ++node.n;
      Node &list = node.child(0);
      for (int i = 0; i < o.array.GetEntriesFast(); ++i)
         zoo::add(list.child(0), *static_cast<const T *>(o.array.At(i)));
      list.offsets.push_back(list.offsets.back() + o.array.GetEntriesFast());
      zoo::add(node.child(1), o.after);
   }
};
template <> struct zoo::Fill<zoo::Shapes> {
   static Shape *shape(Rng &rng)
   {
      Shape *made = nullptr;
      switch (rng.below(4)) {
      case 0: made = new Shape; break;
      case 1: {
         auto *circle = new Circle;
         zoo::fill(rng, circle->radius);
         made = circle;
         break;
      }
      case 2: {
         auto *named = new Named;
         zoo::fill(rng, static_cast<TNamed &>(*named));
         zoo::fill(rng, named->list);
         made = named;
         break;
      }
      default: return nullptr;
      }
      zoo::fill(rng, made->id);
      return made;
   }
   static void fill(Rng &rng, Shapes &o)
   {
      o.clear();
      for (std::size_t n = length(rng); n > 0; --n)
         o.all.push_back(shape(rng));
      o.one = shape(rng);
      zoo::fill(rng, o.after);
   }
};
ZOO_MEMBERS(zoo::Shape, f("id", o.id);)
ZOO_MEMBERS(zoo::Shapes, f("all", o.all); f("one", o.one); f("after", o.after);)
template <> struct zoo::Fill<zoo::Loop> {
   static void fill(Rng &rng, Loop &o)
   {
      delete[] o.p;
      o.n = static_cast<int>(length(rng));
      o.p = o.n ? new Point[o.n] : nullptr;
      for (int i = 0; i < o.n; ++i)
         zoo::fill(rng, o.p[i]);
      zoo::fill(rng, o.after);
   }
};
template <> struct zoo::Describe<zoo::Loop> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<int>(node.child(0, "n"));
      zoo::shape<std::vector<Point>>(node.child(1, "p"));
      zoo::shape<int>(node.child(2, "after"));
   }
   static void add(Node &node, const Loop &o)
   {
      ++node.n;
      zoo::add(node.child(0), o.n);
      zoo::add(node.child(1), counted<Point>(o.p, o.n));
      zoo::add(node.child(2), o.after);
   }
};

// Of a symmetric matrix the upper half is stored.
template <class M, class T, bool symmetric> struct Matrix {
   static void fill(zoo::Rng &rng, M &value)
   {
      int rows = static_cast<int>(rng.below(4)) + 1, columns = symmetric ? rows : static_cast<int>(rng.below(3)) + 1;
      value.ResizeTo(rows, columns);
      for (int r = 0; r < rows; ++r)
         for (int c = symmetric ? r : 0; c < columns; ++c) {
            value(r, c) = static_cast<T>(zoo::ordinary(rng));
            if (symmetric)
               value(c, r) = value(r, c);
         }
   }
   static void shape(zoo::Node &node)
   {
      static const char *const names[] = {"fNrows", "fNcols", "fRowLwb", "fColLwb", "fNelems", "fNrowIndex"};
      node.kind = 'r';
      for (std::size_t at = 0; at < 6; ++at)
         zoo::shape<int>(node.child(at, names[at]));
      zoo::shape<T>(node.child(6, "fTol"));
      zoo::shape<std::vector<T>>(node.child(7, "fElements"));
   }
   static void add(zoo::Node &node, const M &value)
   {
      ++node.n;
      const int numbers[] = {value.GetNrows(), value.GetNcols(), value.GetRowLwb(), value.GetColLwb(), value.GetNoElements(), 0};
      for (std::size_t at = 0; at < 6; ++at)
         zoo::add(node.child(at), numbers[at]);
      zoo::add<T>(node.child(6), value.GetTol());
      std::vector<T> elements;
      for (int r = 0; r < value.GetNrows(); ++r)
         for (int c = symmetric ? r : 0; c < value.GetNcols(); ++c)
            elements.push_back(value(r, c));
      zoo::add(node.child(7), elements);
   }
};
template <> struct zoo::Fill<TMatrixD> : Matrix<TMatrixD, double, false> {};
template <> struct zoo::Fill<TMatrixF> : Matrix<TMatrixF, float, false> {};
template <> struct zoo::Fill<TMatrixDSym> : Matrix<TMatrixDSym, double, true> {};
template <> struct zoo::Fill<TMatrixFSym> : Matrix<TMatrixFSym, float, true> {};
template <> struct zoo::Describe<TMatrixD> : Matrix<TMatrixD, double, false> {};
template <> struct zoo::Describe<TMatrixF> : Matrix<TMatrixF, float, false> {};
template <> struct zoo::Describe<TMatrixDSym> : Matrix<TMatrixDSym, double, true> {};
template <> struct zoo::Describe<TMatrixFSym> : Matrix<TMatrixFSym, float, true> {};
template <> struct zoo::Fill<TVectorD> {
   static void fill(Rng &rng, TVectorD &value)
   {
      value.ResizeTo(static_cast<int>(rng.below(5)) + 1);
      for (int i = 0; i < value.GetNrows(); ++i)
         value(i) = ordinary(rng);
   }
};
template <> struct zoo::Describe<TVectorD> {
   static void shape(Node &node)
   {
      node.kind = 'r';
      zoo::shape<int>(node.child(0, "fNrows"));
      zoo::shape<int>(node.child(1, "fRowLwb"));
      zoo::shape<std::vector<double>>(node.child(2, "fElements"));
   }
   static void add(Node &node, const TVectorD &value)
   {
      ++node.n;
      zoo::add(node.child(0), value.GetNrows());
      zoo::add(node.child(1), value.GetLwb());
      zoo::add(node.child(2), std::vector<double>(value.GetMatrixArray(), value.GetMatrixArray() + value.GetNrows()));
   }
};
ZOO_MEMBERS(zoo::Matrices, f("before", o.before); f("d", o.d); f("f", o.f); f("ds", o.ds); f("fs", o.fs); f("v", o.v);
            f("vds", o.vds); f("vd", o.vd); f("after", o.after);)
