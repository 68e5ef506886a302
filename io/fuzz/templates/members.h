// Classes whose members are of every kind that a streamer list can describe: `seeds.py` compiles them.
#include <array>
#include <bitset>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "TArrayF.h"
#include "TDatime.h"
#include "TRef.h"
#include "TRefArray.h"
#include "TString.h"
#include "TVector2.h"

struct Base {
  int number = 1;
  double weight = 2;
};

struct Small : Base {
  Small() {}
  float x = 1;
  Small *next = nullptr;
};

struct Packed {
  Double32_t ranged = 0.5;   //[-1,1,10]
  Float16_t truncated = 1.5; //[0,0,8]
  Float16_t half = 2.5;
  Double32_t single = 2.5;
  Double32_t angles[2] = {1, 2}; //[-pi,pi]
};

struct Members : Base {
  Packed packed;
  int n = 0;
  float *counted = nullptr; //[n]
  signed char letters[4] = {1, 2, 3, 4};
  short grid[2][3] = {};
  TString text;
  TString texts[2];
  std::string word;
  TArrayF numbers;
  TRef reference;
  TRefArray references;
  TDatime date;
  std::bitset<5> bits;
  std::array<int, 3> three = {};
  std::map<int, std::vector<float>> table;
  std::vector<std::vector<short>> nested;
  std::vector<Small> smalls;
  std::vector<Small *> pointers;
  std::set<std::string> words;
  std::pair<int, std::string> pair;
  TVector2 vectors[2];
  Small here;
  Small *there = nullptr;
  Small *again = nullptr;
  const char *name = nullptr;
  bool flag = true;
  unsigned long long big = 1;

  void fill(int entry, Small *small) {
    static float values[16] = {1, 2, 3};
    n = entry % 3;
    counted = values;
    text = TString('t', entry);
    word = std::string(entry, 'w');
    numbers.Set(entry % 3);
    table.clear(), nested.clear(), smalls.clear(), pointers.clear(), words.clear();
    for (int at = 0; at < entry % 3; ++at) {
      table[at] = std::vector<float>(at, 0.5f);
      nested.push_back(std::vector<short>(at, at));
      smalls.emplace_back();
      pointers.push_back(small);
      words.insert(std::string(at, 'x'));
    }
    pair = {entry, "p"};
    there = again = entry % 2 ? small : nullptr;
    small->next = entry % 3 == 2 ? small : nullptr;
    name = entry ? "name" : nullptr;
  }
};

#ifdef __ROOTCLING__
#pragma link C++ class Base + ;
#pragma link C++ class Small + ;
#pragma link C++ class Packed + ;
#pragma link C++ class Members + ;
#pragma link C++ class std::vector < Small> + ;
#pragma link C++ class std::vector < Small *> + ;
#pragma link C++ class std::vector < Members> + ;
#pragma link C++ class std::map < int, std::vector < float>> + ;
#pragma link C++ class std::bitset < 5> + ;
#pragma link C++ class std::pair < int, std::string> + ;
#endif
