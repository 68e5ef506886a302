"""Certificates for the test bed, made with the openssl command: an authority, hosts, a user and his proxy."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

# `openssl x509` cannot make one that has expired, `openssl ca` can.
CONFIGURATION = """
[ca]
default_ca = test
[test]
database = {folder}/index.txt
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
organizationName = optional
commonName = supplied
"""
VALID = ("20240101000000Z", "20440101000000Z")
EXPIRED = ("20200101000000Z", "20200201000000Z")


def openssl(*arguments: object, given: bytes = b"") -> bytes:
    command = ["openssl", *map(str, arguments)]
    result = subprocess.run(command, input=given, capture_output=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{result.stderr.decode()}")
    return result.stdout


@dataclass(frozen=True)
class Certificate:
    """Paths of a certificate and of its key."""

    certificate: Path
    key: Path


def request(folder: Path, name: str, subject: str) -> Path:
    """Makes a key, and a request for a certificate of it."""
    # RSA: the GSI of the servers knows no other.
    path = folder / f"{name}.csr"
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", folder / f"{name}.key", "-out", path)
    return path


def names(*hosts: str) -> str:
    """The extension with a host's names and addresses."""
    kinds = ("IP" if ":" in host or host.replace(".", "").isdigit() else "DNS" for host in hosts)
    return "subjectAltName=" + ",".join(f"{kind}:{host}" for kind, host in zip(kinds, hosts, strict=True))


class Authority:
    """A certificate authority of its own, trusted by `trusted`, a folder as `X509_CERT_DIR` names one."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.trusted = folder / "trusted"
        self.trusted.mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder))
        key, certificate = folder / "ca.key", folder / "ca.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 7300, "-subj", f"/O=Test/CN={name}", "-keyout", key,
                "-out", certificate, "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
        (self.trusted / "ca.pem").write_bytes(certificate.read_bytes())
        openssl("rehash", self.trusted)

    def issue(self, name: str, subject: str, *extensions: str, dates: tuple[str, str] = VALID) -> Certificate:
        csr = request(self.folder, name, subject)
        given = self.folder / f"{name}.ext"
        given.write_text("\n".join(extensions) + "\n")
        path = self.folder / f"{name}.pem"
        openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-in", csr, "-out", path, "-startdate", dates[0],
                "-enddate", dates[1], "-extfile", given)  # fmt: skip
        return Certificate(path, self.folder / f"{name}.key")

    def host(self, name: str, *hosts: str, dates: tuple[str, str] = VALID) -> Certificate:
        """A certificate for a server that is called `hosts`."""
        use = "extendedKeyUsage=serverAuth,clientAuth"
        return self.issue(name, f"/O=Test/CN={hosts[0]}", names(*hosts), use, dates=dates)


def self_signed(folder: Path, *hosts: str) -> Certificate:
    made = Certificate(folder / "self.pem", folder / "self.key")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 7300, "-subj", f"/CN={hosts[0]}", "-addext", names(*hosts),
            "-keyout", made.key, "-out", made.certificate)  # fmt: skip
    return made


def proxy(folder: Path, user: Certificate, subject: str) -> Path:
    """A proxy certificate (RFC 3820) of a user, with its key and the user's certificate in one file."""
    csr = request(folder, "proxy", f"{subject}/CN=4711")
    given = folder / "proxy.ext"
    given.write_text("keyUsage=critical,digitalSignature,keyEncipherment\nproxyCertInfo=critical,language:id-ppl-inheritAll\n")
    certificate = openssl("x509", "-req", "-in", csr, "-CA", user.certificate, "-CAkey", user.key, "-set_serial", 4711,
                          "-days", 30, "-extfile", given)  # fmt: skip
    path = folder / "proxy.pem"
    path.write_bytes(certificate + (folder / "proxy.key").read_bytes() + user.certificate.read_bytes())
    path.chmod(0o600)
    return path
