"""The documentation: written from what it is about, built without a broken link, and true when followed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.cli.json_schema import mismatches
from tests.cli.world import World
from tests.project.following import Reader
from wadm.client.client import Client
from wadm.client.settings import Settings
from wadm.server.operations import HANDLERS
from wadm.wire.operations import PUT

ROOT = Path(__file__).parents[2]


def _writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs/reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WRITER = _writer()


@pytest.mark.parametrize("name", sorted(WRITER.FILES))
def test_the_reference_is_as_it_would_be_written_now(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert (ROOT / "docs/reference" / name).read_text() == WRITER.FILES[name](), "run scripts/reference"


def test_the_asyncapi_file_has_what_the_server_answers() -> None:
    document = yaml.safe_load((ROOT / "docs/reference/asyncapi.yaml").read_text())
    told = {channel["address"] for channel in document["channels"].values()}
    answered = {(PUT.name, PUT.named), *HANDLERS}
    assert told == {f"wadm.api.{{lattice}}.model.{op}" + (".{name}" if named else "") for op, named in answered}
    assert {operation["channel"]["$ref"].rpartition("/")[2] for operation in document["operations"].values()} == set(
        document["channels"]
    )


def test_every_reference_in_the_asyncapi_file_leads_somewhere() -> None:
    text = (ROOT / "docs/reference/asyncapi.yaml").read_text()
    document = yaml.safe_load(text)
    for reference in re.findall(r"\$ref: '?#/([^'\s]+)'?", text):
        there = document
        for part in reference.split("/"):
            there = there[part]


def test_the_server_answers_as_the_asyncapi_file_says() -> None:
    """Each operation twice: where it succeeds, and where it cannot."""
    document = yaml.safe_load((ROOT / "docs/reference/asyncapi.yaml").read_text())
    replies = {
        channel["address"].removeprefix("wadm.api.{lattice}."): channel["messages"]["reply"]["payload"]
        for channel in document["channels"].values()
    }
    world = World("a", "b")
    manifest = (ROOT / "examples/hello.yaml").read_bytes()
    asked: set[str] = set()

    async def ask() -> None:
        client = Client(world.transport("client"), Settings(timeout=5))
        for request, body in (
            ("model.put", manifest),
            ("model.put", manifest.replace(b"v1.0.0", b"v2.0.0")),
            ("model.plan.hello", b""),
            ("model.deploy.hello", b'{"version": "v1.0.0", "author": "ann", "message": "first"}'),
            ("model.plan", manifest.replace(b"instances: 6", b"instances: 3")),
            ("model.deploy.hello", b"{}"),
            ("", b"time passes"),
            *((f"model.{one}.hello", b"") for one in ("get", "versions", "status", "explain", "events", "history")),
            *((f"model.{one}", b"") for one in ("get", "list", "events")),
            ("model.rollback.hello", b""),
            ("model.undeploy.hello", b""),
            ("model.del.hello", b'{"version": "v1.0.0"}'),
            ("model.del.hello", b"{}"),
            *((address.replace("{name}", "nobody"), b"") for address in sorted(replies)),
            *((address.replace("{name}", "nobody"), b"{no json") for address in sorted(replies)),
        ):
            if not request:
                await asyncio.sleep(20)
                continue
            address = re.sub(r"\.(hello|nobody)$", ".{name}", request)
            asked.add(address)
            reply = json.loads(await client.carry(request, body))
            assert mismatches(reply, replies[address], document) == [], (request, body, reply)

    try:
        world.run(ask())
    finally:
        world.close()
    assert asked == set(replies)


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    docs = ROOT / "docs"
    found = [
        *docs.glob("*.md"),
        *(p for part in ("protocol", "reference", "tutorials") for p in docs.glob(f"{part}/*.md")),
    ]
    pages = [str(path.relative_to(docs)) for path in found]
    assert [page for page in sorted(pages) if page not in navigation] == []


def test_no_page_links_to_a_file_that_the_site_does_not_have() -> None:
    """What lies outside docs/ is named by its path; as a link it would lead nowhere on the site."""
    docs = ROOT / "docs"
    outside = [
        (path.name, target)
        for path in docs.glob("**/*.md")
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", path.read_text())
        if "://" not in target and not (path.parent / target.partition("#")[0]).resolve().is_relative_to(docs)
    ]
    assert outside == []


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")  # it writes beside what it reads
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    command = [Path(sys.executable).with_name("zensical"), "build", "--strict", "-f", "mkdocs.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "build/site/quickstart/index.html").exists()


FOLLOWED = ["quickstart.md", *(f"tutorials/{path.name}" for path in sorted((ROOT / "docs/tutorials").glob("*.md")))]


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_is_true_when_it_is_followed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each `wadm` line in memory, the others in a shell; what they print is compared with what the page shows."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    reader = Reader(ROOT / "docs" / page, tmp_path)
    reader.follow()
    assert len(reader.done) >= 5
