"""Logging in to the API server: with a service account, with every kind of kubeconfig, and what is said of bad ones."""

from __future__ import annotations

import ssl
import stat
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from wadm.errors import Misconfigured
from wadm.operator import login
from wadm.operator.login import Access, Kubeconfig, Login, ServiceAccount


def kubeconfig(
    directory: Path, user: dict[str, Any], name: str = "config", current: str = "here", **cluster: Any
) -> str:
    config = {
        "current-context": current,
        "clusters": [{"name": "c", "cluster": {"server": "https://api.local:6443", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
    }
    path = directory / name
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def access(path: str) -> Access:
    found, _ = await Kubeconfig([path]).read()
    return found


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "secret"}, "Bearer secret"),
        ({"tokenFile": "token"}, "Bearer from-file"),
        ({"username": "me", "password": "it"}, f"Basic {b64encode(b'me:it').decode()}"),
        ({}, None),
    ],
    ids=["token", "file", "password", "nobody"],
)
async def test_what_is_shown(tmp_path: Path, user: dict[str, Any], header: str | None) -> None:
    (tmp_path / "token").write_text("from-file\n")
    found = await access(kubeconfig(tmp_path, user))
    assert found.server == "https://api.local:6443"
    assert found.headers.get("Authorization") == header


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    directory = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -keyout key -out crt"
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True, timeout=60)
    return directory / "crt", directory / "key"


async def test_certificates_are_files_beside_the_kubeconfig_or_are_in_it(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    crt, key = (path.read_bytes() for path in certificate)
    (tmp_path / "crt").write_bytes(crt)
    (tmp_path / "key").write_bytes(key)
    named = {"client-certificate": "crt", "client-key": "key"}
    held = {"client-certificate-data": b64encode(crt).decode(), "client-key-data": b64encode(key).decode()}
    for user in (named, held):
        found = await access(kubeconfig(tmp_path, user, **{"certificate-authority": "crt"}))
        assert isinstance(found.ssl, ssl.SSLContext)
        assert [one["subject"] for one in found.ssl.get_ca_certs()] == [((("commonName", "x"),),)]
        assert found.ssl.verify_mode == ssl.CERT_REQUIRED


async def test_how_the_server_is_reached(tmp_path: Path) -> None:
    cluster = {"insecure-skip-tls-verify": True, "proxy-url": "http://proxy:3128", "tls-server-name": "api.inside"}
    found = await access(kubeconfig(tmp_path, {"token": "x"}, **cluster))
    assert (found.proxy, found.server_name) == ("http://proxy:3128", "api.inside")
    assert found.ssl.verify_mode == ssl.CERT_NONE


async def test_of_several_files_the_first_definition_counts(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path, {"token": "first"}, "first", current="")
    second = kubeconfig(tmp_path, {"token": "second"}, "second")
    found, _ = await Kubeconfig([first, str(tmp_path / "none"), second]).read()
    assert found.headers == {"Authorization": "Bearer first"}


def plugin(directory: Path, script: str) -> dict[str, Any]:
    program = directory / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "args": ["a"]}}


async def test_a_plugin_is_asked_and_asked_again_when_the_server_refuses(tmp_path: Path) -> None:
    user = plugin(tmp_path, f'echo x >> {tmp_path}/asked; echo \'{{"status": {{"token": "made-\'$1-$E\'"}}}}\'')
    user["exec"]["env"] = [{"name": "E", "value": "env"}]
    found = Login(Kubeconfig([kubeconfig(tmp_path, user)]))
    shown = await found.access()
    assert shown.headers == {"Authorization": "Bearer made-a-env"}
    assert await found.access() is shown
    assert (tmp_path / "asked").read_text() == "x\n"
    await found.access(refused=shown)
    assert (tmp_path / "asked").read_text() == "x\nx\n"


async def test_what_a_plugin_gives_holds_until_shortly_before_its_end(tmp_path: Path) -> None:
    answer = '{"status": {"token": "t", "expirationTimestamp": "2999-01-01T00:00:00Z"}}'
    _, lasts = await Kubeconfig([kubeconfig(tmp_path, plugin(tmp_path, f"echo '{answer}'"))]).read()
    assert 1e9 < lasts < 1e11


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo no such account >&2; exit 3", "ended with 3: no such account"), ("echo hello", "printed no ExecCred")],
)
async def test_a_plugin_that_fails_is_named_with_what_it_said(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        await access(kubeconfig(tmp_path, plugin(tmp_path, script)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("current-context: nowhere", "no context 'nowhere'"),
        ("[", "kubeconfig"),
        ("just text", "holds no configuration"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(Misconfigured, match=words):
        Kubeconfig([str(tmp_path / "config")])


def test_without_any_the_places_that_were_looked_at_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match="neither a service account nor a kubeconfig"):
        Login()


async def test_the_token_of_a_service_account_is_read_again(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("one")
    (tmp_path / "ca.crt").write_bytes(certificate[0].read_bytes())
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(login, "SERVICE_ACCOUNT", tmp_path)
    assert isinstance(login.find_source(), ServiceAccount)
    found = Login()
    shown = await found.access()
    assert (shown.server, shown.headers) == ("https://[fd00::1]:443", {"Authorization": "Bearer one"})
    (tmp_path / "token").write_text("two")
    assert (await found.access(refused=shown)).headers == {"Authorization": "Bearer two"}
