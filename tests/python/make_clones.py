"""make_clones.py OUT.root: TClonesArrays in one piece: branches, members, pointers, empty slots, several classes.

`io/tests/data/clones.root` is this script's output with ROOT 6.40; what is expected of it is in `io/tests/clones.rs`.
"""

import sys

import ROOT

CODE = """
struct Inner { TClonesArray items{"TVector2"}; };
struct Holder {
   int before = 1;
   TClonesArray here{"TVector2"};
   TClonesArray *direct = new TClonesArray("TVector2"); //->
   TClonesArray *pointed = nullptr;
   TClonesArray *never = nullptr;
   TClonesArray *same = nullptr;
   int after = 2;
};
struct Two { Inner first, second; int after = 3; Two() : second{TClonesArray("TNamed")} {} };

void fill(TClonesArray &items, int entry)
{
   items.Clear("C");
   for (int at = 0; at < entry; ++at)
      if (items.GetClass() == TVector2::Class())
         new (items[at]) TVector2(entry, at + 0.5);
      else
         new (items[at]) TNamed(std::to_string(entry), "a title");
}

void make(const char *path)
{
   TFile file(path, "RECREATE", "", 0); // not compressed: changed bytes are then changed entries
   TTree tree("tree", ""), empty("empty", "");
   TClonesArray vectors("TVector2"), names("TNamed"), sparse("TVector2"), pointed("TVector2");
   TClonesArray *objects = new TClonesArray("TVector2"), *members = new TClonesArray("TVector2");
   TClonesArray *changing = &vectors;
   objects->BypassStreamer(false), sparse.BypassStreamer(false);
   Holder *holder = new Holder;
   Two *two = new Two;
   int number = 0;
   tree.Branch("objects", &objects, 32000, 0);
   tree.BranchOld("members", "TClonesArray", &members, 32000, 0);
   tree.Branch("sparse", &sparse, 32000, 0);
   auto *changes = tree.BranchOld("changing", "TClonesArray", &changing, 32000, 0);
   tree.Branch("holder", &holder, 32000, 0);
   tree.Branch("two", &two, 32000, 0);
   tree.Branch("number", &number);
   empty.Branch("objects", &objects, 32000, 0);
   for (int entry = 0; entry < 6; ++entry) {
      if (entry == 3) {
         changing = &names;
         tree.FlushBaskets();
      }
      for (auto *items : {objects, members, &vectors, &names, &sparse, &pointed, &holder->here, holder->direct})
         fill(*items, entry);
      for (auto *items : {&two->first.items, &two->second.items})
         fill(*items, entry);
      if (entry > 3)
         sparse.RemoveAt(1);
      holder->pointed = holder->same = entry % 2 ? &pointed : nullptr;
      number = entry;
      tree.Fill();
   }
   tree.Write(), empty.Write();
}
"""

if __name__ == "__main__":
    ROOT.gInterpreter.Declare(CODE)
    ROOT.make(sys.argv[1])
