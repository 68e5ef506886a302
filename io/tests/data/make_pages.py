"""Writes pages.root with PyROOT 6.40: one cluster of many pages, whose values follow from the entries' numbers."""

import ROOT

model = ROOT.RNTupleModel.Create()
model.MakeField["std::vector<float>"]("list")
model.MakeField["std::vector<std::vector<std::int16_t>>"]("nested")
model.MakeField["std::int32_t"]("number")
options = ROOT.RNTupleWriteOptions()
options.SetCompression(505)
options.SetInitialUnzippedPageSize(512)
options.SetMaxUnzippedPageSize(512)
writer = ROOT.RNTupleWriter.Recreate(model, "pages", "pages.root", options)
entry = writer.CreateEntry()
for i in range(6000):
    entry["number"] = i
    entry["list"] = ROOT.std.vector["float"]([i + 0.5] * (i % 4))
    nested = ROOT.std.vector["std::vector<short>"]()
    for j in range(i % 3):
        nested.push_back(ROOT.std.vector["short"]([i - j] * (j + 1)))
    entry["nested"] = nested
    writer.Fill(entry)
del entry, writer
