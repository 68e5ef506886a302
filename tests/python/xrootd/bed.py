"""bed.py [NAME...] -- COMMAND...: runs a command beside real servers of XRootD on this machine.

The command finds in `XROOTD_BED` the path of a JSON file that says, by the name of the server, where it listens
(`host`, `port`, `url`), what it serves (`data`), which process it is (`pid`; `command`, `environment` and `folder`
start another one) and what a client needs (`ca`, `token`, `keytab`, `proxy`). Without a name all servers are
started; what this machine cannot have is reported as skipped, and left out. Everything is taken down at the end,
however that comes. See recipes.py for the servers.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from network import Unavailable  # noqa: E402
from oracle import skip  # noqa: E402
from recipes import NEEDS, RECIPES, Server, Site  # noqa: E402

PROGRAMS = ["xrootd", "cmsd", "xrdfs", "xrdsssadmin", "openssl"]


class Bed:
    """Servers, by name, for as long as it is entered."""

    def __init__(self, names: list[str], one_way_us: int = 500, mbytes_per_s: float = 0) -> None:
        wanted = names or list(RECIPES)
        self.names = list(dict.fromkeys(name for wish in wanted for name in [*NEEDS.get(wish, []), wish]))
        self.link = (one_way_us, mbytes_per_s)
        self.servers: dict[str, Server] = {}

    def __enter__(self) -> "Bed":
        self.folder = Path(tempfile.mkdtemp(prefix="bed"))
        # The daemons are another user.
        self.folder.chmod(0o755)
        self.site = Site(self.folder, *self.link)
        self.servers = self.site.servers
        try:
            for name in self.names:
                self.start(name)
            self.description = self.folder / "bed.json"
            self.description.write_text(
                json.dumps({name: server.description() for name, server in self.servers.items()}, indent=1)
            )
        except BaseException:
            self.close()
            raise
        return self

    def start(self, name: str) -> None:
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        try:
            if missing:
                raise Unavailable(f"there is no {missing[0]}")
            if lacking := [need for need in NEEDS.get(name, []) if need not in self.servers]:
                raise Unavailable(f"there is no server {lacking[0]}")
            self.servers[name] = RECIPES[name](self.site)
        except Unavailable as error:
            skip(f"xrootd server {name}", str(error))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.site.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(usage="bed.py [options] [NAME...] -- COMMAND...", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--one-way-us", type=int, default=500, help="delay of the link to the far servers")
    parser.add_argument("--mbytes-per-s", type=float, default=0, help="its rate; 0 is as fast as it goes")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *RECIPES])
    given = sys.argv[1:]
    at = given.index("--") if "--" in given else len(given)
    options, command = parser.parse_args(given[:at]), given[at + 1 :]
    if not command:
        parser.error("there is no command after --")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    with Bed(options.names, options.one_way_us, options.mbytes_per_s) as bed:
        child = subprocess.Popen(command, env=os.environ | {"XROOTD_BED": str(bed.description)})
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()


if __name__ == "__main__":
    sys.exit(main())
