"""Analyse ROOT files over many cores and clusters; see https://github.com/hep-run/hep-run.

`out = hep_run.run("fileset.yaml", client=client)` gives histograms as `hist.Hist`, cutflows, and the ledger.
"""

from .notebook import Incomplete, Result, RunError, read, run

__all__ = ["Incomplete", "Result", "RunError", "read", "run"]
