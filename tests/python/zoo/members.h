// What the classes hold, for describe.h and values.h, in the order and under the names of the file.
#pragma once

#include "classes.h"
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
ZOO_MEMBERS(zoo::Event, f("run", o.run); f("vertex", o.vertex); f("points", o.points); f("hits", o.hits);
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
      zoo::add(node.child(1), std::vector<float>(o.x, o.x + o.n));
      zoo::add(node.child(2), std::vector<double>(o.y, o.y + o.n));
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
