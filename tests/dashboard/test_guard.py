"""What is refused: without a token, from elsewhere, too much, too slow, malformed; and that nobody else notices."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import FULL, READ, TOKENS, Stage, stage
from wadm.dashboard import guard, listener
from wadm.dashboard.options import Options
from wadm.dashboard.tokens import Tokens, generated, read_tokens
from wadm.errors import Misconfigured

LIST = "/api/v1/lattices/default/applications"
WRITES = [
    ("POST", LIST),
    ("POST", f"{LIST}/hello/deploy"),
    ("POST", f"{LIST}/hello/undeploy"),
    ("POST", f"{LIST}/hello/rollback"),
    ("DELETE", f"{LIST}/hello"),
    ("POST", "/api/v1/lattices/default/requests/model.put"),
    ("POST", "/api/v1/lattices/default/requests/model.del.hello"),
    ("POST", "/api/v1/lattices/default/requests/model.anything"),
]


def raw(running: Stage, data: bytes, patience: float = 5) -> bytes:
    """Send bytes and return all that comes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", running.listener.port), timeout=patience) as connection:
        connection.sendall(data)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
        except (TimeoutError, ConnectionError):
            pass
        return found


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_nothing_is_written_without_a_token_that_may(hostless: Stage, method: str, path: str) -> None:
    assert hostless.ask(method, path, an_app("hello"), token=None).status == 401
    assert hostless.ask(method, path, an_app("hello"), token="guessed-by-somebody").status == 401
    assert hostless.ask(method, path, an_app("hello"), token=READ).status == 403
    assert hostless.get(LIST).json["models"] == []


def test_a_token_to_read_reads(hostless: Stage) -> None:
    assert hostless.get(LIST, token=READ).status == 200
    assert hostless.get("/api/v1/session", token=READ).json["role"] == "read"
    assert hostless.get("/api/v1/session", token=FULL).json["name"] == "ada"
    assert hostless.post("/api/v1/lattices/default/requests/model.get", token=READ).status == 200


def test_without_a_token_there_is_the_page_and_no_data(hostless: Stage) -> None:
    assert hostless.get("/", token=None).status == 200
    assert hostless.get(LIST, token=None).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header", ["Basic abc", "Bearer", "Bearer ", f"Bearer {FULL}x", f"bearer{FULL}", "Bearer \xff"]
)
def test_what_is_no_token(hostless: Stage, header: str) -> None:
    assert hostless.get(LIST, token=None, Authorization=header).status == 401


def test_open_reading_is_for_this_machine_under_its_own_name(nats_server_factory: NatsServerFactory) -> None:
    with stage(nats_server_factory(), hosts=(), options=Options(open_reading=True)) as running:
        assert running.get(LIST, token=None).status == 200
        assert running.ask("POST", LIST, an_app("hello"), token=None).status == 403
        assert running.get(LIST, token=None, Host="rebound.example:80").status == 403


def test_read_only_holds_for_every_token(nats_server_factory: NatsServerFactory) -> None:
    with stage(nats_server_factory(), hosts=(), options=Options(tokens=TOKENS, read_only=True)) as running:
        assert running.put(an_app("hello")).status == 403
        assert running.get("/api/v1/session").json["role"] == "read"


def test_other_sites_are_refused_unless_they_are_named(nats_server_factory: NatsServerFactory) -> None:
    ours = Options(tokens=TOKENS, origins=("https://ours.example",))
    with stage(nats_server_factory(), hosts=(), options=ours) as running:
        assert running.get(LIST, Origin="https://evil.example").status == 403
        assert "access-control-allow-origin" not in running.get(LIST, Origin="https://evil.example").headers
        assert running.ask("OPTIONS", LIST, token=None, Origin="https://evil.example").status == 403
        allowed = running.get(LIST, Origin="https://ours.example")
        assert allowed.headers["access-control-allow-origin"] == "https://ours.example"
        preflight = running.ask("OPTIONS", LIST, token=None, Origin="https://ours.example")
        assert (preflight.status, "authorization" in preflight.headers["access-control-allow-headers"]) == (204, True)
        assert running.get(LIST, Origin=running.url).status == 200


def test_every_answer_keeps_pages_safe(hostless: Stage) -> None:
    for path in ("/", "/app.js", LIST, "/nothing"):
        headers = hostless.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"POST /api/v1/lattices/default/applications HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"{}" * 100,
    ],
)
def test_malformed_requests_are_refused_and_harm_nobody(hostless: Stage, request_: bytes) -> None:
    answer = raw(hostless, request_, patience=2)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert hostless.get(LIST).status == 200


def test_huge_requests_are_refused(hostless: Stage) -> None:
    told = f"POST {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {FULL}\r\nContent-Length: {10**9}\r\n\r\n"
    assert b" 413 " in raw(hostless, told.encode())[:20]
    chunks = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    head = f"POST {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {FULL}\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in raw(hostless, head.encode() + chunks * 5)[:20]
    assert hostless.put(an_app("big") + "#" * 2_000_000).status == 413  # more than NATS carries
    assert hostless.get("/api/v1/lattices?" + "x" * 5000).status == 431
    assert hostless.get(LIST, **{f"X_{n}": "y" for n in range(100)}).status == 431
    assert raw(hostless, b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000) == b""


def test_slow_requests_are_let_go(hostless: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_TIMEOUT", 0.3)
    monkeypatch.setattr(guard, "BODY_TIMEOUT", 0.3)
    began = time.monotonic()
    assert raw(hostless, b"") == b""
    assert raw(hostless, b"GET / HTTP/1.1\r\nHost:") == b""
    head = f"POST {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {FULL}\r\nContent-Length: 100\r\n\r\nab"
    assert b" 408 " in raw(hostless, head.encode())[:20]
    assert time.monotonic() - began < 5


def test_the_lattice_does_not_notice_hostile_crowds(running: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """While hundreds send slowly, too much or nonsense, the loop that keeps the lattice goes on."""
    monkeypatch.setattr(listener, "HEAD_TIMEOUT", 120)
    idle = [socket.create_connection(("127.0.0.1", running.listener.port)) for _ in range(200)]
    over = threading.Event()
    nonsense = (
        b"\x16\x03\x01" * 50,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000,
        b"POST " + LIST.encode() + b" HTTP/9\r\n\r\n",
    )

    def throw() -> None:
        while not over.is_set():
            for data in nonsense:
                with contextlib.suppress(OSError):
                    raw(running, data, patience=0.2)

    thrower = threading.Thread(target=throw)
    thrower.start()
    try:
        for connection in idle:
            connection.sendall(b"GET /api/v1/lattices HTTP/1.1\r\n")
        running.put(an_app("hello"))
        running.deploy("hello")
        running.wait_for("hello", "deployed", 60)
        running.post(f"{LIST}/hello/undeploy")
        running.wait_for("hello", "undeployed", 60)
    finally:
        over.set()
        thrower.join()
        for connection in idle:
            connection.close()


def test_tls(nats_server_factory: NatsServerFactory, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    running = Stage(nats_server_factory(), (), Options(tokens=TOKENS, tls_cert=cert, tls_key=key))
    running.get = lambda path, *_, **__: type("Answer", (), {"status": 200})  # type: ignore[method-assign]
    running.start()
    try:
        context = ssl.create_default_context(cafile=str(cert))
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", running.listener.port)) as plain, context.wrap_socket(plain) as tls:
            tls.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert tls.recv(1000).startswith(b"HTTP/1.1 200")
    finally:
        running.stop()


def test_it_starts_with_nothing_that_would_let_anybody_in() -> None:
    with pytest.raises(Misconfigured, match="--http-tokens"):
        Options(host="0.0.0.0").check()
    with pytest.raises(Misconfigured, match="belong together"):
        Options(tokens=TOKENS, tls_cert=Path("x")).check()


def test_tokens_are_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# who may\nfull 0123456789abcdef grace hopper\n\nread fedcba9876543210\n")
    tokens = read_tokens(file)
    bearer = tokens.bearer("Bearer 0123456789abcdef")
    assert bearer is not None
    assert (bearer.role, bearer.name) == ("full", "grace hopper")
    assert tokens.bearer("Bearer 0123456789abcdeF") is None
    assert "0123456789abcdef" not in repr(vars(tokens))


@pytest.mark.parametrize("text", ["", "# nobody", "admin 0123456789abcdef", "full short", "full"])
def test_files_that_let_nobody_in(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(Misconfigured):
        read_tokens(file)


def test_a_generated_token_lets_in() -> None:
    token, tokens = generated("me")
    assert tokens.bearer(f"Bearer {token}") is not None
    assert not Tokens()
