"""Notifications: to whom, signed how, tried again, and what becomes of those that nobody takes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import READ, TOKENS, Stage, stage
from wadm.cli.gateway import gateway_beside
from wadm.dashboard import webhooks
from wadm.dashboard.options import Options
from wadm.dashboard.webhooks import Hook, read_hooks, signature
from wadm.errors import Misconfigured
from wadm.server.settings import HttpSettings, Settings

SECRET = "a-secret-of-some-length"


class Receiver:
    """Takes notifications, and answers with what is in ``answers``, then with 204."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.got: list[tuple[dict[str, str], bytes]] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        answers, got = self.answers, self.got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(answers.pop(0) if answers else 204)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        server.shutdown()
        server.server_close()
        thread.join()


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to be")


def deploy(running: Stage, name: str) -> None:
    running.put(an_app(name))
    running.deploy(name)
    running.wait_for(name, "deployed")


def test_a_change_is_told_signed_and_tried_again(
    nats_server_factory: NatsServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAUSES", (0.05, 0.05))
    receiver = Receiver(500, 302)
    with receiver.listening() as url:
        hook = Hook(name="chat", url=url, secret=SECRET, applications=("hel*",), statuses=("deployed",))
        with stage(nats_server_factory(), options=Options(tokens=TOKENS, hooks=(hook,))) as running:
            deploy(running, "other")
            deploy(running, "hello")
            until(lambda: len(receiver.got) == 3)
            assert running.get("/api/v1/webhooks", token=READ).json["delivered"] == 1
    headers, body = receiver.got[-1]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told = json.loads(body)
    assert (told["type"], told["data"]["application"], told["data"]["status"]) == (
        "application.status",
        "hello",
        "deployed",
    )


def test_what_nobody_takes_is_kept_and_can_be_sent_again(
    nats_server_factory: NatsServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAUSES", (0.02,))
    receiver = Receiver(500, 500)
    with receiver.listening() as url:
        hook = Hook(name="chat", url=url, secret=SECRET, statuses=("deployed",))
        with stage(nats_server_factory(), options=Options(tokens=TOKENS, hooks=(hook,))) as running:
            deploy(running, "hello")
            told = until(lambda: running.get("/api/v1/webhooks").json["dead"])
            assert (told[0]["attempts"], "500" in told[0]["error"]) == (2, True)
            assert SECRET not in running.get("/api/v1/webhooks").data.decode()
            again = f"/api/v1/webhooks/dead/{told[0]['id']}/retry"
            assert running.post(again, token=READ).status == 403
            assert running.post(again).status == 200
            until(lambda: running.get("/api/v1/webhooks").json["delivered"] == 1)
            assert running.get("/api/v1/webhooks").json["dead"] == []
            assert running.post(again).status == 404


def test_a_subject_is_told_too(nats_server_factory: NatsServerFactory) -> None:
    hook = Hook(name="bus", subject="alerts.wadm", statuses=("deployed",))
    heard: list[dict[str, Any]] = []
    with stage(nats_server_factory(), options=Options(tokens=TOKENS, hooks=(hook,))) as running:
        transport = running._transports[0]
        running.run(transport.subscribe("alerts.wadm", lambda message: heard.append(json.loads(message.data))))
        running.run(transport.flush())
        deploy(running, "hello")
        until(lambda: heard)
    assert heard[0]["data"]["application"] == "hello"


def test_the_signature_of_the_specification() -> None:
    """The example that the Standard Webhooks libraries are tested with, with its secret decoded."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = hmac.digest(secret, b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', hashlib.sha256)
    assert base64.b64encode(made).decode() == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature("x" * 16, "msg_1", 1, b"{}").startswith("v1,")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: a}", "either a url or a subject"),
        ("- {name: a, url: 'http://x', subject: y, secret: 0123456789abcdef}", "either a url or a subject"),
        ("- {name: a, url: 'http://x'}", "a secret of 16"),
        ("- {name: a, url: 'file:///etc/passwd', secret: 0123456789abcdef}", "http"),
        ("- {name: a, subject: b, statuses: [broken]}", "no status: broken"),
        ("- {name: a, subject: b, colour: red}", "colour"),
        ("- {name: a, subject: b}\n- {name: a, subject: c}", "the same name"),
        ("{", "cannot read"),
    ],
)
def test_files_of_webhooks_that_cannot_be_meant(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "hooks.yaml"
    file.write_text(text)
    with pytest.raises(Misconfigured, match=words):
        read_hooks(file)


def test_a_file_of_webhooks(tmp_path: Path) -> None:
    file = tmp_path / "hooks.yaml"
    file.write_text("- name: chat\n  subject: alerts.wadm\n  applications: ['shop-*']\n  statuses: [failed]\n")
    (hook,) = read_hooks(file)
    assert hook.wants("default", "shop-eu", "failed")
    assert not hook.wants("default", "shop-eu", "deployed")
    assert not hook.wants("default", "pay", "failed")


@pytest.mark.parametrize("subject", ["wadm.api.other.model.del.shop", "$KV.wadm_manifests.x", "_INBOX.x", "alerts.*"])
def test_a_webhook_cannot_be_used_to_publish_where_somebody_listens(tmp_path: Path, subject: str) -> None:
    file = tmp_path / "hooks.yaml"
    file.write_text(f"- name: chat\n  subject: '{subject}'\n")
    settings = Settings(http=HttpSettings(address=("127.0.0.1", 0), open_reading=True, webhooks=str(file)))
    with pytest.raises(Misconfigured, match="cannot publish to"), gateway_beside(settings, lambda: "", lambda _: b""):
        pass
