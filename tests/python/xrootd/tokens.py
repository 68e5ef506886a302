"""Tokens (WLCG profile, ES256) for the test bed, and the issuer's keys where the server's verifier keeps them."""

import base64
import json
import sqlite3
import time
from pathlib import Path

from certificates import openssl

ISSUER = "https://localhost/issuer"
AUDIENCE = "https://wlcg.cern.ch/jwt/v1/any"
DAY = 86400


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(der: bytes) -> bytes:
    """The two 32-byte numbers of a signature that openssl gives as a sequence of two integers."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2 : at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


class Issuer:
    """Signs tokens. No server of its own: the verifier finds the public key in its cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        (self.cache / "scitokens").mkdir(parents=True)
        self.key = folder / "issuer.key"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.key)
        public = openssl("ec", "-in", self.key, "-pubout", "-outform", "DER")
        x, y = base64url(public[-64:-32]), base64url(public[-32:])
        keys = {"keys": [{"alg": "ES256", "kid": "k1", "use": "sig", "kty": "EC", "crv": "P-256", "x": x, "y": y}]}
        later = int(time.time()) + 20 * DAY
        with sqlite3.connect(self.cache / "scitokens" / "scitokens_cpp.sqllite") as database:
            database.execute("CREATE TABLE keycache (issuer text UNIQUE PRIMARY KEY NOT NULL, keys text NOT NULL)")
            value = json.dumps({"jwks": keys, "expires": later, "next_update": later})
            database.execute("INSERT INTO keycache VALUES (?, ?)", (ISSUER, value))

    def token(self, name: str, scope: str | None, lifetime: int = 10 * DAY) -> Path:
        """A file with a token that is good for `lifetime` seconds, or was until `-lifetime` seconds ago."""
        now = int(time.time())
        issued = min(now, now + lifetime) - 60
        claims: dict[str, object] = {"iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "wlcg.ver": "1.0", "jti": name}
        claims |= {"iat": issued, "nbf": issued, "exp": now + lifetime}
        if scope is not None:
            claims["scope"] = scope
        parts = ({"alg": "ES256", "kid": "k1", "typ": "JWT"}, claims)
        signed = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        signature = raw_signature(openssl("dgst", "-sha256", "-sign", self.key, given=signed.encode()))
        path = self.folder / name
        path.write_text(f"{signed}.{base64url(signature)}\n")
        path.chmod(0o600)
        return path

    def configuration(self, user: str) -> Path:
        """What the server's plug-in is told of us."""
        path = self.folder / "scitokens.conf"
        path.write_text(
            f"[Global]\naudience = {AUDIENCE}\n[Issuer test]\nissuer = {ISSUER}\nbase_path = /\ndefault_user = {user}\n"
        )
        return path
