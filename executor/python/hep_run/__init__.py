"""Analyse ROOT files over many cores and clusters; see https://github.com/hep-run/hep-run.

import hep_run
out = hep_run.run("fileset.yaml", client=client)
out.histograms["DYJetsToLL"]["mass"].plot()
"""

from .notebook import Incomplete, Result, RunError, read, run

__all__ = ["Incomplete", "Result", "RunError", "read", "run"]
