"""Operators, accounts and users of NATS with their JWTs, and certificates: made for a test, worth nothing elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]
import pytest

from wadm.server.access import Permissions

_PREFIX = {"O": nkeys.PREFIX_BYTE_OPERATOR, "A": nkeys.PREFIX_BYTE_ACCOUNT, "U": nkeys.PREFIX_BYTE_USER}


class KeyPair:
    """An NKEY of some kind: ``O``perator, ``A``ccount or ``U``ser."""

    def __init__(self, kind: str) -> None:
        self.seed = nkeys.encode_seed(secrets.token_bytes(32), _PREFIX[kind]).decode()
        self._pair = nkeys.from_seed(bytearray(self.seed.encode()))
        self.public: str = self._pair.public_key.decode()

    def jwt(self, subject: str, name: str, claims: dict[str, Any]) -> str:
        """Sign what this key says about another."""
        body = {
            "iss": self.public,
            "sub": subject,
            "name": name,
            "iat": 1_700_000_000,
            "nats": {"version": 2, **claims},
        }
        digest = hashlib.new("sha512_256", json.dumps(body).encode()).digest()
        body["jti"] = base64.b32encode(digest).decode().rstrip("=")
        signed = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(body)}"
        return f"{signed}.{_encode(self._pair.sign(signed.encode()))}"


class OperatorWorld:
    """An operator with an account that may use JetStream, and a user in it; and ``others`` more of both.

    ``other_creds`` are the credentials of the users of those.
    """

    def __init__(self, others: int = 0) -> None:
        operator, account, self.user = KeyPair("O"), KeyPair("A"), KeyPair("U")
        unlimited = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "imports": -1, "exports": -1, "leaf": -1}
        limits = {**unlimited, "wildcards": True, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        account_jwt = operator.jwt(account.public, "account", {"type": "account", "limits": limits})
        self._account = account
        self.user_jwt = account.jwt(self.user.public, "user", {"type": "user", "subs": -1, "data": -1, "payload": -1})
        system = KeyPair("A")
        system_jwt = operator.jwt(system.public, "SYS", {"type": "account", "limits": unlimited | {"wildcards": True}})
        claims = {"type": "operator", "system_account": system.public}
        known = {account.public: account_jwt, system.public: system_jwt}
        self.other_creds = []
        for _ in range(others):
            other, user = KeyPair("A"), KeyPair("U")
            known[other.public] = operator.jwt(other.public, "other", {"type": "account", "limits": limits})
            of_user = {"type": "user", "subs": -1, "data": -1, "payload": -1}
            self.other_creds.append(_creds(other.jwt(user.public, "user", of_user), user.seed))
        preload = ", ".join(f'{public}: "{jwt}"' for public, jwt in known.items())
        self.config = f"""
            operator: "{operator.jwt(operator.public, "operator", claims)}"
            system_account: {system.public}
            resolver: MEMORY
            resolver_preload: {{ {preload} }}
        """

    def user_with(self, may: Permissions) -> tuple[KeyPair, str]:
        """Return a user of the account that may do so much and no more: its key, and its JWT."""
        user = KeyPair("U")
        claims: dict[str, Any] = {"pub": {"allow": list(may.publish)}, "sub": {"allow": list(may.subscribe)}}
        if may.allow_responses:
            claims["resp"] = {"max": 1, "ttl": 120_000_000_000}
        unlimited = {"type": "user", "subs": -1, "data": -1, "payload": -1}
        return user, self._account.jwt(user.public, "user", unlimited | claims)

    @property
    def creds(self) -> str:
        return _creds(self.user_jwt, self.user.seed)

    @property
    def account(self) -> str:
        """The public key of the account."""
        return self._account.public


class Certificates:
    """A certificate authority, a certificate for a server on 127.0.0.1, and one for a client."""

    def __init__(self, directory: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the openssl program")
        self._directory = directory
        self.ca = directory / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=test authority", "-keyout", directory / "ca.key", "-out", self.ca)  # fmt: skip
        self.server = self._issue("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.client = self._issue("client", "subjectAltName=DNS:client")

    def tls_config(self, verify: bool = False, first: bool = False) -> str:
        """The server's configuration."""
        certificate, key = self.server
        trust = f'ca_file: "{self.ca}", verify: {json.dumps(verify)}, handshake_first: {json.dumps(first)}'
        return f'tls {{ cert_file: "{certificate}", key_file: "{key}", {trust} }}'

    def _issue(self, name: str, extension: str) -> tuple[Path, Path]:
        certificate, key, request, extensions = (
            self._directory / f"{name}.{end}" for end in ("pem", "key", "csr", "ext")
        )
        extensions.write_text(extension)
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={name}", "-keyout", key, "-out", request)  # fmt: skip
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._directory / "ca.key",
                      "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate)  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _creds(jwt: str, seed: str) -> str:
    """Return what a credentials file holds."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _part(value: dict[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
