"""Provider archives and components made by tests: what a host can start, cannot load, or sees crash.

A provider archive is a gzipped tar file of an executable for each target and ``claims.jwt``, which is signed with the
Ed25519 key of an account and names the SHA-256 of each executable.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

_ACCOUNT, _PROVIDER = 0, 21 << 3
"""Prefix bytes of public keys: they make them begin with an A, or with a V."""
TARGET = "x86_64-linux"


def write_provider(path: Path, executable: bytes, name: str = "made-by-a-test") -> Path:
    """Write a provider archive whose process is this executable."""
    issuer, provider = SigningKey(hashlib.sha256(b"issuer").digest()), SigningKey(hashlib.sha256(b"provider").digest())
    claims = {
        "jti": "made-by-a-test",
        "iat": 0,
        "iss": _public(_ACCOUNT, issuer),
        "sub": _public(_PROVIDER, provider),
        "wascap": {
            "name": name,
            "vendor": "tests",
            "rev": 1,
            "ver": "0.1.0",
            "target_hashes": {TARGET: hashlib.sha256(executable).hexdigest().upper()},
        },
        "wascap_revision": 3,
    }
    signed = f"{_part({'typ': 'jwt', 'alg': 'Ed25519'})}.{_part(claims)}"
    token = f"{signed}.{_text(issuer.sign(signed.encode()).signature)}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file, content in (("claims.jwt", token.encode()), (f"{TARGET}.bin", executable)):
            entry = tarfile.TarInfo(file)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    path.write_bytes(gzip.compress(packed.getvalue()))
    return path


def write_crashing_provider(path: Path) -> Path:
    """Write an archive whose process ends as soon as it has been told what it needs, each time."""
    return write_provider(path, b"#!/bin/sh\nread -r _\nexit 1\n")


def write_component_in_want(path: Path) -> Path:
    """Write a component that imports a function which nothing provides. It is one of an interface that the host
    provides itself: all others it passes on to whatever may be linked, and only a call would tell."""
    name = b"wasi:cli/environment@0.2.0"
    instance_type = b"\x42\x02" + b"\x01\x40\x00\x01\x00" + b"\x04\x00\x01f\x01\x00"
    types = b"\x01" + instance_type
    imports = b"\x01\x00" + bytes([len(name)]) + name + b"\x05\x00"
    sections = b"".join(bytes([number, len(body)]) + body for number, body in ((7, types), (10, imports)))
    path.write_bytes(b"\0asm\x0d\x00\x01\x00" + sections)
    return path


def _public(prefix: int, key: SigningKey) -> str:
    raw = bytes([prefix]) + bytes(key.verify_key)
    return base64.b32encode(raw + _crc16(raw).to_bytes(2, "little")).decode().rstrip("=")


def _crc16(data: bytes) -> int:
    """Return the CRC-16/XMODEM that ends a public key as text."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
