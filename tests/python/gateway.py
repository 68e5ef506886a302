"""gateway.py -- COMMAND...: runs a command beside a real dask-gateway of this machine, with its local backend.

The command finds the address in dask's own variables, `DASK_GATEWAY__ADDRESS` and `DASK_GATEWAY__PROXY_ADDRESS`.
Whoever starts it owns the schedulers and workers: its backend without separation of users. It needs the PyPI
package `dask-gateway-server[local]` in the interpreter that runs this; its proxy, a program in Go, is in the wheel.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "xrootd")]
from daemons import Daemon, free_port  # noqa: E402
from network import Unavailable  # noqa: E402

# Guards against hanging; it takes a few seconds.
LONGEST = 60

SETTINGS = """
c.DaskGateway.address = "127.0.0.1:{server}"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.Proxy.address = "127.0.0.1:{http}"
c.Proxy.tcp_address = "127.0.0.1:{tcp}"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.LocalBackend.clusters_directory = "{folder}/clusters"
c.LocalBackend.inherited_environment = ["PATH", "LANG", "PYTHONPATH", "HEP_RUN_CACHE"]
c.LocalBackend.sigint_timeout = 2
c.LocalBackend.sigterm_timeout = 2
# A worker is only looked for again after three of its heartbeats.
c.DBBackendBase.cluster_heartbeat_period = 2
c.DBBackendBase.check_timeouts_period = 1
c.DBBackendBase.worker_status_period = 1
c.ClusterConfig.scheduler_cmd = ["{python}", "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = ["{python}", "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = "1 G"
c.ClusterConfig.cluster_max_workers = 4

from dask_gateway_server.options import Options, Integer
c.Backend.cluster_options = Options(Integer("worker_cores", default=1, min=1, max=2))
"""


class Gateway:
    """A gateway and its proxy, for as long as it is entered; `Unavailable` if this machine cannot have them."""

    def __enter__(self) -> "Gateway":
        for package in ("dask_gateway_server", "sqlalchemy"):
            if not importlib.util.find_spec(package):
                raise Unavailable(f"{sys.executable} has no {package}")
        self.folder = Path(tempfile.mkdtemp(prefix="gateway"))
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self) -> None:
        server, http, tcp = free_port(), free_port(), free_port()
        (self.folder / "clusters").mkdir()
        settings = self.folder / "settings.py"
        settings.write_text(SETTINGS.format(server=server, http=http, tcp=tcp, folder=self.folder, python=sys.executable))
        command = [sys.executable, "-m", "dask_gateway_server", "--config", str(settings)]
        self.daemon = Daemon(command, self.folder, ("127.0.0.1", server))
        self.daemon.start()
        self.environment = {
            "DASK_GATEWAY__ADDRESS": f"http://127.0.0.1:{http}",
            "DASK_GATEWAY__PROXY_ADDRESS": f"gateway://127.0.0.1:{tcp}",
        }
        self.wait(f"http://127.0.0.1:{http}/api/health")

    def wait(self, url: str) -> None:
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline:
            with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
                return
            time.sleep(0.1)
        raise Unavailable(f"the gateway does not answer\n{self.daemon.log.read_text(errors='replace')[-2000:]}")

    def workers(self) -> list[int]:
        """The processes of all clusters' workers, without those that they started."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                ours = (process / "cwd").readlink().is_relative_to(self.folder / "clusters")
                if ours and b"distributed.cli.dask_worker" in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found

    def kill(self) -> None:
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)

    def clusters(self) -> list[str]:
        """The names of those that have not been taken down."""
        return sorted(place.name for place in (self.folder / "clusters").iterdir())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if hasattr(self, "daemon") and self.daemon.process:
            # It takes its clusters down, and waits for them.
            self.daemon.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.daemon.process.wait(timeout=20)
            self.daemon.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    command = sys.argv[2:]
    if sys.argv[1:2] != ["--"] or not command:
        sys.exit(__doc__)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    with Gateway() as gateway:
        return subprocess.run(command, env=os.environ | gateway.environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
