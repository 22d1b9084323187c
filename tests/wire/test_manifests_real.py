"""The same manifests read and judged by the real programs: the original server, and wash."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest

from tests.conftest import NatsServerFactory
from tests.real import real_program
from tests.wire.manifest_refusals import JSON, REFUSAL, YAML
from tests.wire.manifest_texts import HEAD, component, trait
from wadm.engine.validate import refusal, validate
from wadm.wire.manifests import encode_manifest, read_manifest

pytestmark = pytest.mark.real

OWN_ADVICE = "W02"
"""Codes from here on are warnings of our own."""

LINK = "namespace: wasi, package: keyvalue, interfaces: [store]"
MANIFESTS = {
    "plain": component(),
    "scaled": trait("{instances: 3, spread: [{name: a, requirements: {zone: b}}]}", "spreadscaler"),
    "half a link": trait("{target: {name: kv}}", "link"),
    "no target": trait("{values: {a: b}}", "link"),
    "no name of a target": trait("{target: kv}", "link"),
    "no scaler": trait("{instances: many, b: 1.50, a: 1e3}", "daemonscaler"),
    "targets": trait(f"{{{LINK}, name: x, target: nobody}}", "link"),
    "interfaces": trait("{namespace: wasi, package: keyvalue, interfaces: [atomic, b], target: api}", "link"),
    "keys": HEAD.replace("{version: v1}", "{-x: 'say \"hi\"', version: latest}") + "  components: []\n",
    "name": HEAD.replace("shop", "two words") + "  components: []\n",
    "neither": component("id: x"),
    "shared": component("application: {name: a, component: b}, config: [{name: c}]"),
    "secrets": component("image: a, secrets: [{name: s, properties: {policy: p, key: k}}]")
    + "  policies: [{name: p, type: other, properties: {}}]\n",
    "twice": component(rest="    - {name: api, type: capability, properties: {image: a}}\n"),
    "links twice": component(
        rest=f"      traits: [{{type: link, properties: &l {{{LINK}, target: {{name: api, config: [&c {{name: c, "
        "properties: {a: b}}]}}}, {type: link, properties: *l}]\n"
    ),
}  # fmt: skip


def judged_by_wash(text: str, directory: Path) -> dict[str, Any]:
    path = directory / "manifest.yaml"
    path.write_text(text)
    wash = subprocess.run(
        [real_program("wash"), "app", "validate", path, "-o", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
        check=True,
    )
    found, _ = json.JSONDecoder().raw_decode(wash.stdout.lstrip())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in MANIFESTS.items()])
def test_wash_finds_the_same(text: str, tmp_path: Path) -> None:
    judged = judged_by_wash(text, tmp_path)
    problems = [problem for problem in validate(read_manifest(text.encode())) if problem.code < OWN_ADVICE]
    for level in ("error", "warning"):
        assert [p.message for p in problems if p.level == level] == [found["msg"] for found in judged[f"{level}s"]]


class Original:
    """The original server, asked over NATS."""

    def __init__(self, connection: nats.NATS) -> None:
        self._nats = connection
        self._lattices = 0

    async def put(self, text: str | bytes, content_type: str) -> tuple[str, Any]:
        """Put into a lattice of its own; return the message and, if it was put, the manifest that is got."""
        self._lattices += 1
        models = f"wadm.api.manifests{self._lattices}.model"
        data = text.encode() if isinstance(text, str) else text
        answer = await self._ask(f"{models}.put", data, {"Content-Type": content_type})
        if answer["result"] == "error":
            return answer["message"], None
        got = await self._ask(f"{models}.get.{answer['name']}", b"", None)
        return answer["message"], got["manifest"]

    async def is_there(self) -> None:
        """Wait until it answers."""
        for _ in range(100):
            try:
                await self._ask("wadm.api.manifests.model.list", b"", None)
                return
            except nats.errors.NoRespondersError:
                await asyncio.sleep(0.1)
        pytest.fail("the original does not answer")

    async def _ask(self, subject: str, data: bytes, headers: dict[str, str] | None) -> Any:
        return json.loads((await self._nats.request(subject, data, timeout=10, headers=headers)).data)


@pytest.fixture
def url(nats_server_factory: NatsServerFactory, tmp_path: Path) -> Iterator[str]:
    """The URL of a NATS with the original server on it."""
    url = nats_server_factory().url
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUST_")}
    with (tmp_path / "log").open("w") as log:
        command = [real_program("wadm"), "--nats-server", url]
        wadm = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        yield url
        wadm.kill()
        wadm.wait()


@pytest.fixture
async def original(url: str) -> AsyncIterator[Original]:
    async with await nats.connect(url) as connection:
        server = Original(connection)
        await server.is_there()
        yield server


async def test_the_original_refuses_in_these_words(original: Original) -> None:
    for texts, content_type in ((YAML, "application/yaml"), (JSON, "application/json")):
        for text, message in texts:
            assert await original.put(text, content_type) == (REFUSAL + message, None), text


async def test_the_original_takes_and_keeps_the_same(original: Original) -> None:
    for name, text in MANIFESTS.items():
        message, kept = await original.put(text, "application/yaml")
        manifest = read_manifest(text.encode(), "application/yaml")
        problem = refusal(manifest)
        if kept is None:
            assert problem is not None, name
            assert problem.message == message
        else:
            assert problem is None, name
            assert json.loads(encode_manifest(manifest)) == kept
