"""What each server of the test bed is: its configuration, and what a client needs to know of it."""

import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import certificates
import served
from certificates import Authority, Certificate
from daemons import Daemon, account, free_port, give
from network import Link, Unavailable
from tokens import Issuer

# Names are not looked up: a machine without a name server would wait for each.
COMMON = """
all.export /
oss.localroot {root}
all.adminpath {folder}
all.pidpath {folder}
xrd.network nodnr norpipa
"""
DATA = "xrootd.chksum max 2 adler32 crc32c md5\n"
SECURITY = "xrootd.seclib libXrdSec.so\nsec.protocol {method}\nsec.protbind * only {name}\n"
CLUSTER = """
cms.delay startup 2 lookup 1 qdl 2 suspend 1
cms.space linger 0 recalc 15 min 1% 1g 2% 2g
cms.sched affinity none
"""
ALICE = "/O=Test/CN=alice"


@dataclass
class Server:
    """One server, or a cluster: `daemons[0]` is the xrootd that listens on `port`."""

    name: str
    host: str
    port: int
    root: Path
    daemons: list[Daemon]
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Ends with one slash; an absolute path follows."""
        return f"root://{self.host}:{self.port}/"

    def description(self) -> dict[str, object]:
        first = self.daemons[0]
        process = {"pid": first.pid, "command": first.command, "environment": first.environment, "folder": str(first.folder)}
        place = {"host": self.host, "port": self.port, "url": self.url, "data": str(self.root), "log": str(first.log)}
        return place | process | self.facts


class Site:
    """What the servers of a bed share. Everything is made when it is first needed."""

    def __init__(self, folder: Path, one_way_us: int, mbytes_per_s: float) -> None:
        self.folder = folder
        self.one_way_us = one_way_us
        self.mbytes_per_s = mbytes_per_s
        self.user = account()
        self.servers: dict[str, Server] = {}
        self.daemons: list[Daemon] = []

    @cached_property
    def data(self) -> Path:
        path = self.folder / "data"
        served.make(path)
        give(path, self.user)
        return path

    @cached_property
    def authority(self) -> Authority:
        return Authority(self.folder / "authority", "test bed")

    @cached_property
    def other_authority(self) -> Authority:
        return Authority(self.folder / "other-authority", "nobody trusts this one")

    @cached_property
    def host_certificate(self) -> Certificate:
        return self.authority.host("host", "localhost", "127.0.0.1", "::1")

    @cached_property
    def issuer(self) -> Issuer:
        path = self.folder / "tokens"
        path.mkdir()
        issuer = Issuer(path)
        give(issuer.cache, self.user)
        return issuer

    @cached_property
    def link(self) -> Link:
        return Link(self.folder, self.one_way_us, self.mbytes_per_s)

    def close(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.stop()
        if "link" in self.__dict__:
            self.link.close()

    def copies(self, name: str, *files: str) -> Path:
        """A folder of a server that shares some of the files."""
        path = self.folder / f"data-{name}"
        served.share(path, self.data, *files)
        give(path, self.user)
        return path

    def own(self, folder: Path, certificate: Certificate) -> Certificate:
        """A server's own copy of its certificate: only the owner of a key may read it."""
        copy = Certificate(folder / "host.pem", folder / "host.key")
        for source, target in ((certificate.certificate, copy.certificate), (certificate.key, copy.key)):
            shutil.copyfile(source, target)
            target.chmod(0o400)
            give(target, self.user)
        return copy

    def place(self, name: str) -> Path:
        """The folder of a server's configuration, log and state."""
        path = self.folder / name
        if not path.exists():
            path.mkdir()
            give(path, self.user)
        return path

    def daemon(self, name: str, text: str, port: int, root: Path, program: str = "xrootd", inside: bool = False) -> Daemon:
        """Starts a daemon with this configuration, at the far end of the link or here."""
        folder = self.place(name)
        configuration = folder / f"{program}.cfg"
        configuration.write_text(f"xrd.port {port}\n" + COMMON.format(root=root, folder=folder) + text)
        drop = ["-R", self.user] if self.user else []
        # A daemon writes its environment beside the file of its pid, and to /tmp without one: cmsd ends where it must not.
        pid = ["-s", str(folder / f"{program}.pid")]
        command = [*(self.link.inside if inside else []), program, *drop, "-c", str(configuration), "-n", name, *pid]
        environment = {"XDG_CACHE_HOME": str(self.issuer.cache)} if "scitokens" in text else {}
        # A data server's cmsd is told where its manager is and listens to nobody else.
        listens = program == "xrootd" or "all.role manager" in text
        address = (self.link.theirs if inside else "localhost", port) if listens else None
        daemon = Daemon(command, folder, address, environment)
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    def serve(self, name: str, text: str = "", facts: dict[str, object] | None = None, *, root: Path | None = None,
              inside: bool = False) -> Server:  # fmt: skip
        """A data server without a cluster; `facts` are what else a client needs to know."""
        port = free_port()
        root = root or self.data
        daemon = self.daemon(name, text.replace("{port}", str(port)), port, root, inside=inside)
        return Server(name, self.link.theirs if inside else "localhost", port, root, [daemon], facts or {})

    def tls(self, name: str, certificate: Certificate, demand: str, inside: bool = False) -> Server:
        """A data server with TLS; `demand` as `xrootd.tls` has it."""
        own = self.own(self.place(name), certificate)
        text = DATA + f"xrd.tls {own.certificate} {own.key}\nxrd.tlsca noverify\nxrootd.tls {demand}\n"
        return self.serve(name, text, {"ca": str(self.authority.trusted)}, inside=inside)

    def security(self, name: str, method: str, facts: dict[str, object] | None = None) -> Server:
        return self.serve(name, DATA + SECURITY.format(method=method, name=method.split()[0]), facts)


Recipe: TypeAlias = Callable[[Site], Server]
RECIPES: dict[str, Recipe] = {}
# Beds that another one leads to.
NEEDS = {"redir": ["plain"], "xcache": ["plain"]}


def recipe(function: Recipe) -> Recipe:
    RECIPES[function.__name__] = function
    return function


@recipe
def plain(site: Site) -> Server:
    """No authentication; read and write."""
    return site.serve("plain", DATA)


@recipe
def tls(site: Site) -> Server:
    """TLS for whom asks for it."""
    return site.tls("tls", site.host_certificate, "capable all")


@recipe
def tlsdata(site: Site) -> Server:
    """TLS for everything, of everybody."""
    return site.tls("tlsdata", site.host_certificate, "all")


@recipe
def wronghost(site: Site) -> Server:
    return site.tls("wronghost", site.authority.host("wronghost", "elsewhere.example"), "all")


@recipe
def expired(site: Site) -> Server:
    certificate = site.authority.host("expired", "localhost", "127.0.0.1", dates=certificates.EXPIRED)
    return site.tls("expired", certificate, "all")


@recipe
def otherca(site: Site) -> Server:
    """A certificate of an authority that is not in the folder of the trusted ones."""
    certificate = site.other_authority.host("otherca", "localhost", "127.0.0.1")
    server = site.tls("otherca", certificate, "all")
    server.facts["other_ca"] = str(site.other_authority.trusted)
    return server


@recipe
def selfsigned(site: Site) -> Server:
    return site.tls("selfsigned", certificates.self_signed(site.place("selfsigned"), "localhost", "127.0.0.1"), "all")


@recipe
def unix(site: Site) -> Server:
    return site.security("unix", "unix")


@recipe
def host(site: Site) -> Server:
    return site.security("host", "host")


@recipe
def sss(site: Site) -> Server:
    """A shared secret: the server and the client have the same key."""
    folder = site.place("sss")
    ours, theirs = folder / "client.keytab", folder / "server.keytab"
    answer = subprocess.run(["xrdsssadmin", "-k", "test", "-u", "alice", "-g", "users", "add", ours],
                            input="y\n", capture_output=True, text=True, check=False)  # fmt: skip
    if not ours.exists():
        raise Unavailable(f"xrdsssadmin: {answer.stdout}{answer.stderr}")
    shutil.copyfile(ours, theirs)
    for path in (ours, theirs):
        path.chmod(0o600)
    give(theirs, site.user)
    return site.security("sss", f"sss -c {theirs} -s {theirs}", {"keytab": str(ours)})


@recipe
def ztn(site: Site) -> Server:
    """A token, shown over TLS, that is looked at for what it allows; HTTP on the same port."""
    own = site.own(site.place("ztn"), site.host_certificate)
    library = "libXrdAccSciTokens.so"
    settings = site.issuer.configuration(site.user or "nobody")
    text = (
        DATA
        + SECURITY.format(method=f"ztn -tokenlib {library}", name="ztn")
        + f"""
xrd.protocol XrdHttp:{{port}} libXrdHttp.so
xrd.tls {own.certificate} {own.key}
xrd.tlsca certdir {site.authority.trusted}
xrootd.tls capable all
ofs.authorize 1
ofs.authlib {library} config={settings}
http.header2cgi Authorization authz
"""
    )
    token = site.issuer.token
    facts = {
        "token": token("good", "storage.read:/ storage.modify:/write storage.create:/write"),
        "expired_token": token("expired", "storage.read:/", -3600),
        "scopeless_token": token("scopeless", None),
        "other_scope_token": token("other_scope", "storage.read:/other"),
        "ca": site.authority.trusted,
    }
    return site.serve("ztn", text, {name: str(path) for name, path in facts.items()})


@recipe
def gsi(site: Site) -> Server:
    """A proxy certificate of alice, who may read all and write nothing."""
    folder = site.place("gsi")
    own = site.own(folder, site.host_certificate)
    user = site.authority.issue("alice", ALICE, "extendedKeyUsage=clientAuth")
    proxy = certificates.proxy(site.authority.folder, user, ALICE)
    (folder / "gridmap").write_text(f'"{ALICE}" alice\n')
    (folder / "authdb").write_text("u alice / lr\n")
    trusted = site.authority.trusted
    method = (f"gsi -certdir:{trusted} -cert:{own.certificate} -key:{own.key} -crl:try -gridmap:{folder}/gridmap "
              "-gmapopt:trymap,usedn -md:sha512:sha256:sha1 -exppxy:=creds -trustdns:false")  # fmt: skip
    text = DATA + SECURITY.format(method=method, name="gsi") + f"ofs.authorize 1\nacc.authdb {folder}/authdb\n"
    return site.serve("gsi", text, {"proxy": str(proxy), "ca": str(trusted)})


@recipe
def http(site: Site) -> Server:
    """HTTP and HTTPS beside root:// on one port."""
    own = site.own(site.place("http"), site.host_certificate)
    text = (
        DATA
        + f"""
xrd.protocol XrdHttp:{{port}} libXrdHttp.so
xrd.tls {own.certificate} {own.key}
xrd.tlsca noverify
xrootd.tls capable none
"""
    )
    server = site.serve("http", text, {"ca": str(site.authority.trusted)})
    server.facts |= {f"{scheme}_url": f"{scheme}://{server.host}:{server.port}/" for scheme in ("http", "https")}
    return server


@recipe
def man(site: Site) -> Server:
    """A redirector and two data servers on two hosts: one that failed is told by its host (`tried=`).

    Both have `random.bin` and the data sets, `only-near.bin` and `only-far.bin` are on one each.
    """
    link = site.link
    port, cluster_port = free_port(), free_port()
    files = ["random.bin", "small.txt", "nano_dimuon.root", "nano_dy.root", "nano_dy_rntuple.root"]
    text = CLUSTER + f"all.manager {link.ours}:{cluster_port}\n"
    # The manager's cmsd first: a server that does not find it looks for it again only after a while.
    root = site.copies("man")
    role = f"all.role manager\n{text}"
    cmsd = site.daemon("man", role, cluster_port, root, "cmsd")
    server = Server("man", link.ours, port, root, [site.daemon("man", role, port, root), cmsd])
    for name, inside in (("near", False), ("far", True)):
        root = site.copies(name, *files)
        (root / f"only-{name}.bin").write_bytes(served.random_bytes(100_000))
        give(root, site.user)
        number, role = free_port(), f"all.role server\n{text}"
        xrootd = site.daemon(name, DATA + role, number, root, inside=inside)
        cmsd = site.daemon(name, role, free_port(), root, "cmsd", inside=inside)
        server.daemons += [xrootd, cmsd]
        server.facts[name] = Server(name, link.theirs if inside else link.ours, number, root, [xrootd]).description()
    wait_for_both(server)
    return server


def wait_for_both(server: Server) -> None:
    deadline = time.monotonic() + 40
    command = ["xrdfs", f"{server.host}:{server.port}", "locate", "-r", "/random.bin"]
    while time.monotonic() < deadline:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
        if len(found.split("\n")) > 2:
            return
        time.sleep(0.3)
    raise Unavailable(f"the cluster did not find both its servers: {found}")


@recipe
def redir(site: Site) -> Server:
    """Redirects by path: to itself, to where nobody listens, to `plain`. The path stays as it is."""
    target = site.servers["plain"].port
    leads = {"/loop": "{port}", "/dead": "1", "/good": target}
    return site.serve("redir", "".join(f"xrootd.redirect localhost:{port} {path}\n" for path, port in leads.items()))


@recipe
def xcache(site: Site) -> Server:
    """A cache of `plain`: it answers a read in pieces."""
    root = site.copies("xcache")
    origin = site.servers["plain"].port
    text = f"ofs.osslib libXrdPss.so\npss.cachelib libXrdPfc.so\npss.origin localhost:{origin}\npfc.ram 1g\npfc.blocksize 128k\n"
    # What is served is what the other server has; the root of this one is where it keeps it.
    return site.serve("xcache", text, {"data": str(site.data)}, root=root)


@recipe
def thr(site: Site) -> Server:
    """20 MB/s for all together, four requests at a time."""
    return site.serve("thr", DATA + "xrootd.fslib throttle default\nthrottle.throttle concurrency 4 data 20971520\n")


@recipe
def wan(site: Site) -> Server:
    """A plain server, and HTTP, at the far end of the link."""
    return site.serve("wan", DATA + "xrd.protocol XrdHttp:{port} libXrdHttp.so\n", inside=True)


@recipe
def wantls(site: Site) -> Server:
    """The same with TLS."""
    address = site.link.theirs
    # As a name too: the official client looks for an address among the names only.
    san = f"subjectAltName=IP:{address},DNS:{address}"
    certificate = site.authority.issue("far", f"/O=Test/CN={address}", san, "extendedKeyUsage=serverAuth")
    return site.tls("wantls", certificate, "all", inside=True)
