// The classes of the zoo. rootcling reads this header: the comments behind members are part of the
// format.
#pragma once

#include <array>
#include <bitset>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <Math/Vector4D.h>
#include <TClonesArray.h>
#include <TLorentzVector.h>
#include <TObject.h>
#include <TRef.h>
#include <TString.h>
#include <TVector2.h>
#include <TVector3.h>

namespace zoo {

enum Color { kRed = 1, kGreen = -7, kBlue = 100000 };
enum class Flavour : unsigned char { up, down = 200 };

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
   TClonesArray hits;
   TLorentzVector p4;
   Track track;
   double last = 0;
   Event() : hits("zoo::Hit", 8) {}
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

} // namespace zoo
