"""``wadm backup`` and ``wadm restore``, and what is told while the bucket of the applications is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cli.world import World
from tests.server.lab import component, manifest
from wadm.client.backup import Kept, There, decide
from wadm.server.app import Server
from wadm.server.settings import Settings
from wadm.transport.base import BucketSpec, Message

BUCKET = "KV_wadm_manifests"
READING = ("host.ping", "host.get", ".inv", "link.get", "config.get")


class Watched(World):
    """A world that knows what hosts were asked to change."""

    def __init__(self) -> None:
        super().__init__("a", "b")
        self.changes: list[str] = []
        self.run(self.transport("watcher").subscribe("wasmbus.ctl.v1.default.>", self._heard))

    def _heard(self, message: Message) -> None:
        call = message.subject.removeprefix("wasmbus.ctl.v1.default.")
        if not any(word in call for word in READING):
            self.changes.append(call)

    def deploy(self, path: Path, name: str, version: str = "v1") -> None:
        (path / f"{name}.json").write_text(json.dumps(_manifest(name, version)))
        result = self.wadm("deploy", str(path / f"{name}.json"), "--wait")
        assert result.code == 0, result.err

    def wait(self, seconds: float) -> None:
        self.run(self.transport("clock").sleep(seconds))

    def lose_bucket(self) -> None:
        assert self.broker.delete(BUCKET)
        self.wait(61)
        self.changes.clear()

    def stored(self) -> list[str]:
        return self.run(self.transport("reader").bucket("wadm_manifests").keys())

    def listed(self) -> dict[str, Any]:
        return {one["name"]: one for one in json.loads(self.wadm("list", "-o", "json").out)}


async def _another_server(world: World) -> Server:
    server = Server(world.transport("another"), Settings(), "another")
    await server.start()
    return server


def _manifest(name: str, version: str) -> dict[str, Any]:
    parts = [component("api", id=f"{name}-api", config=[{"name": f"{name}-c", "properties": {"k": "v"}}])]
    return manifest(name, version, parts)


@pytest.fixture
def world() -> Iterator[Watched]:
    world = Watched()
    yield world
    world.close()


def test_a_bucket_deleted_under_the_server_loses_nothing_and_stops_nothing(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    world.deploy(tmp_path, "shop", "v2")
    world.deploy(tmp_path, "cart")
    assert world.server is not None
    assert world.server.not_ready() == ""
    world.lose_bucket()
    assert "the bucket wadm_manifests was deleted, and with it 2 applications: cart" in world.server.not_ready()
    assert "wadm restore --from-server" in world.server.not_ready()
    told = world.listed()
    assert sorted(told) == ["cart", "shop"]
    assert told["shop"]["deployed_version"] == "v2"
    assert told["shop"]["status"]["type"] == "failed"
    assert told["shop"]["status"]["message"].startswith("stands still: the bucket wadm_manifests was deleted")
    refused = world.wadm("undeploy", "shop")
    assert refused.code != 0
    assert "the bucket wadm_manifests was deleted" in refused.err
    world.wait(120)
    assert world.changes == []

    shown = world.wadm("restore", "--from-server", "--dry-run")
    assert "cart" in shown.out
    assert "Nothing was done." in shown.out
    asked = world.wadm("restore", "--from-server")
    assert asked.code == 2
    assert "--yes" in asked.err
    done = world.wadm("restore", "--from-server", "--yes", "-o", "json")
    assert json.loads(done.out)["restored"] == ["cart", "shop"]
    world.wait(5)
    assert world.server.not_ready() == ""
    assert world.stored() == ["default", "default-cart", "default-shop"]
    assert [one["status"]["type"] for one in world.listed().values()] == ["deployed", "deployed"]
    assert [one["version"] for one in json.loads(world.wadm("history", "shop", "-o", "json").out)["versions"]] == [
        "v1",
        "v2",
    ]
    assert world.changes == []
    assert world.wadm("undeploy", "shop", "--wait").code == 0


def test_a_bucket_that_somebody_made_anew_is_no_reason_to_forget(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    assert world.broker.delete(BUCKET)
    world.run(world.transport("somebody").ensure_bucket(BucketSpec("wadm_manifests")))
    world.wait(61)
    world.changes.clear()
    assert world.server is not None
    assert "lacks 1 application that nobody has deleted: shop" in world.server.not_ready()
    world.wait(60)
    assert world.changes == []
    assert world.wadm("restore", "--from-server", "--yes").code == 0
    world.wait(5)
    assert world.server.not_ready() == ""
    assert world.listed()["shop"]["status"]["type"] == "deployed"
    assert world.changes == []


def test_what_has_outlived_the_lifetime_of_the_bucket_stands_still(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    stream = world.broker.stream(BUCKET)
    stream.spec = replace(stream.spec, max_age=100.0)
    world.wait(70)
    assert world.server is not None
    assert world.server.not_ready() == ""
    assert "forgets every application 100 s after its last change" in world.server.warnings()[0]
    world.wait(100)
    world.changes.clear()
    assert "shop" in world.server.not_ready()
    assert world.listed()["shop"]["status"]["type"] == "failed"
    world.wait(60)
    assert world.changes == []
    stream.spec = replace(stream.spec, max_age=0.0)
    assert world.wadm("restore", "--from-server", "--yes").code == 0
    world.wait(5)
    assert world.listed()["shop"]["status"]["type"] == "deployed"
    assert world.changes == []


def test_an_application_that_is_missing_can_still_be_deleted_once_there_is_a_bucket(
    world: Watched, tmp_path: Path
) -> None:
    world.deploy(tmp_path, "shop")
    world.run(world.transport("somebody").purge_stream(BUCKET, "$KV.wadm_manifests.default-shop"))
    world.wait(61)
    assert world.listed()["shop"]["status"]["type"] == "failed"
    assert world.wadm("delete", "shop", "--yes", "--wait").code == 0
    assert world.listed() == {}


def test_records_are_stored_again_where_their_bucket_was_deleted(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    state = world.transport("reader").bucket("wadm_state")
    before = world.run(state.get("owned.default.shop"))
    assert before is not None
    assert world.broker.delete("KV_wadm_state")
    world.wait(70)
    after = world.run(state.get("owned.default.shop"))
    assert after is not None
    assert after.value == before.value


def test_a_backup_is_put_back_and_hosts_are_not_asked_to_change_anything(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    world.deploy(tmp_path, "shop", "v2")
    world.deploy(tmp_path, "cart")
    file = tmp_path / "backup.json"
    said = world.wadm("backup", str(file))
    assert said.out == f"Wrote 2 applications of 1 lattice to {file}.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert world.wadm("backup", str(file)).code == 1  # it is there

    # All is lost, the server too: nobody remembers anything.
    assert world.server is not None
    world.run(world.server.stop())
    for lost in (BUCKET, "KV_wadm_state", "wadm_revisions"):
        assert world.broker.delete(lost)
    world.changes.clear()
    world.server = world.run(_another_server(world))
    world.wait(60)
    assert world.listed() == {}
    assert world.changes == []

    other = world.wadm("restore", str(file), "--only", "prod", "--yes")
    assert (other.code, other.out) == (3, "")
    assert f"{file} holds nothing of lattice prod" in other.err
    assert "it holds applications of: default" in other.err
    shown = world.wadm("restore", str(file), "--dry-run")
    assert "is stored again" in shown.out
    assert world.listed() == {}
    done = world.wadm("restore", str(file), "--yes", "-o", "json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)["done"]["applications"]) == 2
    world.wait(40)
    told = world.listed()
    assert {name: one["status"]["type"] for name, one in told.items()} == {"cart": "deployed", "shop": "deployed"}
    assert told["shop"]["deployed_version"] == "v2"
    assert world.changes == []
    history = json.loads(world.wadm("history", "shop", "-o", "json").out)
    assert [one["version"] for one in history["revisions"]] == ["v1", "v2"]
    # What was put for it is known again, so it goes with it.
    assert world.wadm("undeploy", "shop", "--wait").code == 0
    world.wait(5)
    assert any("config.del.shop" in change for change in world.changes)
    again = world.wadm("restore", str(file), "--yes")
    assert again.code == 0
    assert world.listed()["shop"]["deployed_version"] is None  # what was changed since stays


def test_a_backup_writes_over_nothing_that_is_newer(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    world.deploy(tmp_path, "cart")
    world.deploy(tmp_path, "gone")
    file = tmp_path / "backup.json"
    assert world.wadm("backup", str(file)).code == 0
    world.deploy(tmp_path, "shop", "v2")
    assert world.wadm("delete", "gone", "--yes", "--wait").code == 0
    shown = world.wadm("restore", str(file), "--dry-run", "-o", "json")
    steps = {one["name"]: one["step"] for one in json.loads(shown.out)["plan"]["applications"]}
    assert steps == {"shop": "newer", "cart": "same", "gone": "deleted"}
    said = world.wadm("restore", str(file), "--yes")
    assert "There is nothing to restore." in said.out
    assert world.listed()["shop"]["deployed_version"] == "v2"
    assert world.wadm("restore", str(file), "--deleted", "--yes").code == 0
    world.wait(10)
    assert world.listed()["gone"]["status"]["type"] == "deployed"


def test_what_servers_remember_is_left_to_them(world: Watched, tmp_path: Path) -> None:
    world.deploy(tmp_path, "shop")
    file = tmp_path / "backup.json"
    assert world.wadm("backup", str(file)).code == 0
    world.deploy(tmp_path, "shop", "v2")
    world.lose_bucket()
    shown = world.wadm("restore", str(file), "--yes", "-o", "json")
    assert [one["step"] for one in json.loads(shown.out)["plan"]["applications"]] == ["remembered"]
    assert world.wadm("restore", "--from-server", "--yes").code == 0
    world.wait(5)
    assert world.listed()["shop"]["deployed_version"] == "v2"


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"[]", "backup: Expected `object`"), (b'{"wadm_backup": 2', "backup: "), (b"\xff", "backup: ")],
)
def test_what_is_no_backup_is_refused(world: Watched, tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "backup.json"
    file.write_bytes(text)
    result = world.wadm("restore", str(file), "--yes")
    assert result.code == 1
    assert said in result.err


KEPT = Kept("default-shop", 100.0, other=b"old")


@pytest.mark.parametrize(
    ("there", "remembered", "undelete", "step"),
    [
        (None, False, False, "store"),
        (None, True, False, "remembered"),
        (There(None, 7, 50.0, expired=True), True, False, "remembered"),
        (There(None, 7, 150.0), False, False, "deleted"),
        (There(None, 7, 150.0), False, True, "store"),
        (There(None, 7, 50.0), False, False, "store"),
        (There(b"old", 7, 150.0), False, False, "same"),
        (There(b"new", 7, 150.0), False, False, "newer"),
        (There(b"older", 7, 50.0), False, False, "replace"),
    ],
)
def test_the_table_of_what_becomes_of_an_entry(
    there: There | None, remembered: bool, undelete: bool, step: str
) -> None:
    assert decide(KEPT, there, remembered=remembered, undelete=undelete) == step
