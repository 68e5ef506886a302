"""check_notebook.py BINARY: the example notebook runs from beginning to end; and `hep_run.run` from Python gives what uproot
finds in the ROOT output of the same run, on this machine and on a cluster that it leaves as it was."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import numpy as np
import uproot
from nbclient import NotebookClient
from oracle import REPOSITORY, end_tidily, passed

PACKAGE = REPOSITORY / "executor" / "python"
DIMUON = REPOSITORY / "datasets" / "dimuon.yaml"
# Guards against hanging, and measures nothing.
LONGEST = 180


def notebook() -> None:
    content = nbformat.read(REPOSITORY / "examples" / "notebook.ipynb", as_version=4)
    client = NotebookClient(content, timeout=LONGEST, resources={"metadata": {"path": str(REPOSITORY / "examples")}})
    client.execute()
    texts = [output.get("text", "") for cell in content.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(texts)
    # Of 40 events each; see check_dimuon.py, which counts them with awkward.
    assert "DoubleMuon2018 40 entries, done: [[0, 40]]" in printed, printed
    assert "gone.root: No such file or directory" in printed, printed
    passed("notebook: the example runs")


def same_as_uproot(binary: Path, folder: Path) -> None:
    import hep_run

    subprocess.run([binary, DIMUON, "--output", folder / "o.root", "--progress", "none"], check=True, stdout=subprocess.DEVNULL)
    out = hep_run.run(DIMUON)
    with uproot.open(folder / "o.root") as file:
        for dataset in ("DoubleMuon2018", "DYJetsToLL"):
            mass, theirs = out.histograms[dataset]["mass"], file[f"{dataset}/mass"].to_hist()
            assert mass.values(flow=True).tolist() == theirs.values(flow=True).tolist()
            assert mass.variances(flow=True).tolist() == theirs.variances(flow=True).tolist()
            assert mass.axes[0].edges.tolist() == theirs.axes[0].edges.tolist() and mass.axes[0].label == theirs.axes[0].label
            events = [cut["events"] for cut in out.cutflows[dataset]["cutflow"]]
            assert events == file[f"{dataset}/cutflow_events"].values().tolist()
        ledger = json.loads(str(file["ledger"]))
        assert ledger.pop("checksums")["objects"]
        assert out.ledger == ledger and out.complete
    passed("notebook: histograms, cutflows and ledger are those of the ROOT output")


def on_a_cluster() -> None:
    import hep_run
    from distributed import Client, LocalCluster

    want = hep_run.run(DIMUON)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        for _ in range(2):
            out = hep_run.run(str(DIMUON), client=client)
            assert out.histograms == want.histograms and out.ledger == want.ledger
        harder = hep_run.run(DIMUON, client=client, settings={"min_pt": 1e6})
        assert harder.histograms["DYJetsToLL"]["mass"].sum(flow=True).value == 0
        try:
            hep_run.run("nowhere.yaml", client=client)
        except hep_run.RunError as error:
            assert "nowhere.yaml" in str(error) and "cannot be read" in str(error), error
        else:
            raise AssertionError("a fileset that is not there")
        assert client.status == "running" and len(client.scheduler_info()["workers"]) == 2
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0
    passed("notebook: a client's cluster gives the same, and is left as it was")


def without_ranges(folder: Path) -> None:
    """A run with nothing to do says so to people, and not to its driver."""
    import hep_run
    from distributed import Client, LocalCluster

    with uproot.recreate(folder / "empty.root") as file:
        file.mktree("Events", {"MET_pt": np.float32})
    fileset = {"tree": "Events", "processor": "adl_q1", "datasets": {"empty": {"files": [str(folder / "empty.root")]}}}
    said = io.StringIO()
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster, Client(cluster) as client:
        with contextlib.redirect_stderr(said):
            out = hep_run.run(fileset, client=client)
    assert out.complete and "hep-run's driver" not in said.getvalue(), said.getvalue()
    passed("notebook: a run without ranges")


def nothing_is_lost() -> None:
    """Without `hist` nothing is run; a result that cannot be read is kept, and the message says where."""
    from unittest import mock

    import hep_run
    import hep_run.notebook

    hep_run.notebook._readers()
    fileset = REPOSITORY / "datasets" / "dimuon.yaml"
    with mock.patch.dict(sys.modules, {"hist": None}), mock.patch("hep_run.notebook._here") as ran:
        with contextlib.suppress(ImportError):
            hep_run.run(fileset)
            raise AssertionError("it does without hist")
        assert not ran.called, "it runs before it looks for hist"
    with mock.patch("hep_run.notebook.read", side_effect=ValueError("no such axis")):
        try:
            hep_run.run(fileset)
            raise AssertionError("it has read what cannot be read")
        except hep_run.RunError as error:
            message = str(error)
    assert "no such axis" in message and "kept in " in message, message
    kept = Path(message.rsplit("kept in ", 1)[1])
    assert json.loads(kept.read_text())["ledger"]["datasets"], kept
    kept.unlink()
    kept.parent.rmdir()
    passed("notebook: a result is not lost for what comes after the run")


def main() -> None:
    binary = Path(sys.argv[1]).resolve()
    os.environ["HEP_RUN_BINARY"] = str(binary)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    sys.path.insert(0, str(PACKAGE))
    end_tidily()
    with tempfile.TemporaryDirectory() as name:
        os.environ["HEP_RUN_CACHE"] = name
        same_as_uproot(binary, Path(name))
        without_ranges(Path(name))
        nothing_is_lost()
        on_a_cluster()
        notebook()


if __name__ == "__main__":
    main()
