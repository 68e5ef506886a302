// The classes of the zoo. rootcling reads this header: the comments behind members are part of the
// format.
#pragma once

#include <array>
#include <bitset>
#include <deque>
#include <complex>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <Math/Vector4D.h>
#include <TArrayD.h>
#include <TArrayF.h>
#include <TArrayI.h>
#include <TBits.h>
#include <TClonesArray.h>
#include <TDatime.h>
#include <TLorentzVector.h>
#include <TMatrixD.h>
#include <TMatrixDSym.h>
#include <TMatrixF.h>
#include <TMatrixFSym.h>
#include <TNamed.h>
#include <TObjArray.h>
#include <TObjString.h>
#include <TObject.h>
#include <TRef.h>
#include <TString.h>
#include <TVector2.h>
#include <TVector3.h>
#include <TVectorD.h>

namespace zoo {

enum Color { kRed = 1, kGreen = -7, kBlue = 100000 };
enum class Flavour : unsigned char { up, down = 200 };
// Only in trees, where every enumeration is an int.
enum class Tiny : unsigned char { none, some = 3, most = 255 };
enum class Small : short { below = -30000, zero = 0 };

struct Point {
   float x = 0;
   double y = 0;
   int z = 0;
};

// The members of a branch with several leaves.
struct Record {
   double d = 0;
   long l = 0;
   float f[2] = {};
   unsigned int i = 0;
   short s[3] = {};
   unsigned char b = 0;
};

struct Base {
   int id = 0;
};
struct Other {
   double other = 0;
   std::vector<short> shorts;
};
struct Derived : Base {
   float w = 0;
   std::vector<float> v;
};
struct Twice : Derived, Other {
   char c = 0;
};
struct Empty {};

struct Numbers {
   bool o = false;
   char b = 0;
   unsigned char ub = 0;
   short s = 0;
   unsigned short us = 0;
   int i = 0;
   unsigned int ui = 0;
   long l = 0;
   unsigned long ul = 0;
   long long ll = 0;
   unsigned long long ull = 0;
   float f = 0;
   double d = 0;
   Color color = kRed;
   int a[3] = {};
   double m[2][3] = {};
   bool flags[4] = {};
   unsigned short h[2] = {};
};

// Values that the file holds with fewer bits.
struct Packed {
   Float16_t h = 0;
   Float16_t hr = 0;    //[0,10,12]
   Float16_t hn = 0;    //[0,0,10]
   Double32_t e = 0;
   Double32_t er = 0;   //[-5,5,10]
   Double32_t en = 0;   //[0,0,14]
   Double32_t e32 = 0;  //[0,1,32]
   Double32_t pi = 0;   //[-pi,pi,16]
   Double32_t ea[3] = {};
   Double32_t era[3] = {}; //[0,10,8]
   Float16_t ha[2] = {};
   std::vector<Double32_t> ev;
};

// Pointers that another member counts.
struct Counted {
   int n = 0;
   float *x = nullptr;  //[n]
   double *y = nullptr; //[n]
   Counted() = default;
   Counted(const Counted &o) { *this = o; }
   Counted &operator=(const Counted &o)
   {
      if (this != &o) {
         resize(o.n);
         for (int i = 0; i < n; ++i) {
            x[i] = o.x[i];
            y[i] = o.y[i];
         }
      }
      return *this;
   }
   ~Counted()
   {
      delete[] x;
      delete[] y;
   }
   void resize(int size)
   {
      delete[] x;
      delete[] y;
      n = size;
      x = n ? new float[n] : nullptr;
      y = n ? new double[n] : nullptr;
   }
};

struct Strings {
   std::string s;
   TString t;
   std::vector<std::string> v;
};
struct CString {
   char *c = nullptr;
   int after = 0;
   CString() = default;
   CString(const CString &) = delete;
   CString &operator=(const CString &) = delete;
   ~CString() { delete[] c; }
};

struct Containers {
   std::vector<int> vi;
   std::vector<std::vector<float>> vvf;
   std::vector<bool> vo;
   std::map<int, double> mid;
   std::map<std::string, std::vector<float>> msv;
   std::set<int> si;
   std::list<double> ld;
   std::deque<short> ds;
   std::pair<int, float> p;
   std::array<double, 3> a;
   std::vector<std::pair<int, std::string>> vp;
};
struct Bits {
   std::bitset<17> bits;
   int after = 0;
};

struct Nested {
   Point p;
   Derived d;
   Point grid[2];
   std::vector<Point> points;
   std::vector<Derived> deriveds;
   std::map<int, Point> named;
   std::vector<std::vector<Point>> deep;
};

// Arrays of what has no fixed size.
struct Arrays {
   std::string s[2];
   TString t[2];
   std::vector<int> v[3];
   std::map<int, float> m[2];
   Point p[2][2];
   Derived d[2];
   std::array<Point, 2> ap;
   std::array<std::array<short, 2>, 3> aas;
   int after = 0;
};
// Pointers to what this object owns.
struct Pointers {
   std::vector<int> *v = nullptr;
   Point *p = nullptr;
   Derived *d = nullptr;
   Point *pp[2] = {};
   std::unique_ptr<Point> u;
   int after = 0;
   Pointers() = default;
   Pointers(const Pointers &) = delete;
   Pointers &operator=(const Pointers &) = delete;
   ~Pointers()
   {
      delete v;
      delete p;
      delete d;
      delete pp[0];
      delete pp[1];
   }
};
struct Hollow : Empty {
   Empty e;
   int i = 0;
   std::vector<Empty> v;
   int after = 0;
};
struct Partly {
   int a = 0;
   float none = 1; //! not in files
   static int all;
   double b = 0;
};
template <class T> struct Holder {
   T one{};
   std::vector<T> many;
};
// A collection with members of its own.
struct Series : std::vector<float> {
   int id = 0;
};
// Numbers with fewer bits in collections: of those that no other class has of double, for which
// rootcling would make the same functions.
struct PackedLists {
   std::vector<Double32_t> v;
   std::map<short, Double32_t> m;
   int n = 0;
   Double32_t *x = nullptr; //[n]
   Double32_t *y = nullptr; //[n][0,10,12]
   Float16_t *h = nullptr;  //[n]
   PackedLists() = default;
   PackedLists(const PackedLists &) = delete;
   PackedLists &operator=(const PackedLists &) = delete;
   ~PackedLists() { resize(0); }
   void resize(int size)
   {
      delete[] x;
      delete[] y;
      delete[] h;
      n = size;
      x = n ? new Double32_t[n]{} : nullptr;
      y = n ? new Double32_t[n]{} : nullptr;
      h = n ? new Float16_t[n]{} : nullptr;
   }
};
struct Keyed {
   std::map<std::pair<int, short>, Point> pairs;
   std::map<int, std::vector<Derived>> lists;
   std::set<std::pair<int, float>> set;
   std::map<Flavour, int> flavours;
   std::vector<Color> colors;
   std::vector<std::bitset<10>> bits;
   std::vector<std::map<int, std::string>> maps;
};
// In an RNTuple, streamed as in a tree.
struct Blob {
   int a = 0;
   std::vector<float> v;
};
struct Recursive {
   int id = 0;
   std::vector<Recursive> inside;
};

// TObjects.
class Hit : public TObject {
public:
   float e = 0;
   int channel = 0;
   double pos[3] = {};
   ClassDefOverride(Hit, 1)
};
class Track : public TObject {
public:
   int id = 0;
   TVector3 p;
   std::string name;
   std::vector<float> chi2;
   ClassDefOverride(Track, 3)
};
class Event : public TObject {
public:
   int run = 0;
   Point vertex;
   std::vector<Point> points;
   TClonesArray clones;
   TLorentzVector p4;
   Track track;
   double last = 0;
   Event() : clones("zoo::Hit", 8) {}
   ClassDefOverride(Event, 2)
};
class Referring : public TObject {
public:
   int before = 0;
   TRef ref;
   int after = 0;
   ClassDefOverride(Referring, 1)
};
class Pointing : public TObject {
public:
   Point *point = nullptr;
   Track *track = nullptr;
   int after = 0;
   Pointing() = default;
   Pointing(const Pointing &) = delete;
   Pointing &operator=(const Pointing &) = delete;
   ~Pointing() override
   {
      delete point;
      delete track;
   }
   ClassDefOverride(Pointing, 1)
};

// A counter in a base class, and arrays of several types.
struct CounterBase {
   int n = 0;
};
struct CountedHeir : CounterBase {
   short *s = nullptr;         //[n]
   unsigned char *u = nullptr; //[n]
   long *l = nullptr;          //[n]
   bool *o = nullptr;          //[n]
   CountedHeir() = default;
   CountedHeir(const CountedHeir &o) { *this = o; }
   CountedHeir &operator=(const CountedHeir &other)
   {
      if (this != &other) {
         resize(other.n);
         for (int i = 0; i < n; ++i) {
            s[i] = other.s[i];
            u[i] = other.u[i];
            l[i] = other.l[i];
            o[i] = other.o[i];
         }
      }
      return *this;
   }
   ~CountedHeir() { resize(0); }
   void resize(int size)
   {
      delete[] s;
      delete[] u;
      delete[] l;
      delete[] o;
      n = size;
      s = n ? new short[n]{} : nullptr;
      u = n ? new unsigned char[n]{} : nullptr;
      l = n ? new long[n]{} : nullptr;
      o = n ? new bool[n]{} : nullptr;
   }
};
// Standard collections in arrays of fixed length.
struct ArraysOfCollections {
   std::array<std::vector<int>, 3> v;
   std::array<std::map<int, float>, 2> m;
   std::array<std::string, 2> s;
   std::array<std::vector<std::vector<float>>, 2> vv;
   std::array<std::vector<Point>, 2> p;
   std::array<std::array<std::vector<short>, 2>, 2> aa;
   int after = 0;
};
struct Enumerations {
   Color color = kRed;
   Tiny tiny = Tiny::none;
   Small small = Small::zero;
   Color colors[2] = {};
   std::vector<Tiny> tinies;
   std::vector<Small> smalls;
   std::vector<std::vector<Color>> nested;
   std::map<Flavour, float> keys;
   std::map<int, Flavour> values;
   std::set<Small> set;
   int after = 0;
};
struct Matrices {
   int before = 0;
   TMatrixD d;
   TMatrixF f;
   TMatrixDSym ds;
   TMatrixFSym fs;
   TVectorD v;
   std::vector<TMatrixDSym> vds;
   std::vector<TMatrixD> vd;
   int after = 0;
};
// Objects with standard collections, in a TClonesArray.
class Rich : public TObject {
public:
   std::vector<int> v;
   std::map<int, float> m;
   std::string s;
   std::vector<std::vector<float>> vv;
   std::vector<Point> points;
   int last = 0;
   ClassDefOverride(Rich, 1)
};
class Sized : public TObject {
public:
   int n = 0;
   float *x = nullptr; //[n]
   double last = 0;
   Sized() = default;
   Sized(const Sized &) = delete;
   Sized &operator=(const Sized &) = delete;
   ~Sized() override { delete[] x; }
   ClassDefOverride(Sized, 1)
};
template <class T> struct Clones {
   TClonesArray array{T::Class(), 4};
   int after = 0;
};
// Pointers to objects of derived classes.
struct Shape {
   int id = 0;
   virtual ~Shape() = default;
   ClassDef(Shape, 1)
};
struct Circle : Shape {
   double radius = 0;
   ~Circle() override = default;
   ClassDefOverride(Circle, 2)
};
class Named : public TNamed, public Shape {
public:
   std::vector<int> list;
   ClassDefOverride(Named, 1)
};
struct Shapes {
   std::vector<Shape *> all;
   Shape *one = nullptr;
   int after = 0;
   Shapes() = default;
   Shapes(const Shapes &) = delete;
   Shapes &operator=(const Shapes &) = delete;
   ~Shapes() { clear(); }
   void clear()
   {
      for (Shape *shape : all)
         delete shape;
      all.clear();
      delete one;
      one = nullptr;
   }
};
// Objects that another member counts.
struct Loop {
   int n = 0;
   Point *p = nullptr; //[n]
   int after = 0;
   Loop() = default;
   Loop(const Loop &) = delete;
   Loop &operator=(const Loop &) = delete;
   ~Loop() { delete[] p; }
};

// ROOT's own.
struct Owned {
   int before = 0;
   TDatime time;
   TArrayI ai;
   TArrayF af;
   TArrayD ad;
   TNamed named;
   TObjString text;
   TBits bits;
   std::vector<TRef> refs;
   std::vector<TNamed> names;
   std::vector<TString> texts;
   int after = 0;
};
class Label : public TNamed {
public:
   int value = 0;
   ClassDefOverride(Label, 1)
};
// Objects of any class, which are passed over.
class Mixed : public TObject {
public:
   int before = 0;
   TObject *any = nullptr;
   TObjArray all;
   int after = 0;
   Mixed() { all.SetOwner(); }
   Mixed(const Mixed &) = delete;
   Mixed &operator=(const Mixed &) = delete;
   ~Mixed() override { delete any; }
   ClassDefOverride(Mixed, 1)
};
// Both a TObject and something else.
class Both : public TNamed, public Derived {
public:
   std::vector<Hit> hits;
   std::vector<Track *> tracks;
   Both() = default;
   Both(const Both &) = delete;
   Both &operator=(const Both &) = delete;
   ~Both() override
   {
      for (Track *track : tracks)
         delete track;
   }
   ClassDefOverride(Both, 4)
};

} // namespace zoo
