"""This state and release 0.22.0 side by side on one NATS: each takes over from the other, changes nothing that is
right, and loses no record (docs/operations.md promises it)."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import Stage, until

RELEASE = "0093d74"
ROOT = Path(__file__).parents[2]
NAMES = [f"app-{number}" for number in range(6)]


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Path]:
    """The sources of the release."""
    tree = tmp_path / "release"
    made = subprocess.run(
        ["git", "-C", str(ROOT), "worktree", "add", "--detach", str(tree), RELEASE], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"needs the git history: {made.stderr.strip()[-200:]}")
    assert not (tree / "src/wadm/background.py").exists(), "this is not the release"
    yield tree / "src"
    subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)


async def records(stage: Stage) -> dict[str, bytes | None]:
    """Return what is stored of applications, and of what was put for them."""
    found: dict[str, bytes | None] = {}
    for name in ("wadm_manifests", "wadm_state"):
        bucket = stage.client.bucket(name)
        for key in await bucket.keys():
            if name == "wadm_manifests" or key.startswith("owned."):
                entry = await bucket.get(key)
                found[f"{name}/{key}"] = None if entry is None else entry.value
    return found


async def taken_over(stage: Stage, by: str) -> None:
    """Wait until an instance owns the lattice, and give it time to do what it should not."""

    async def owns() -> bool:
        return await stage.owner() == by

    await until(owns)
    await asyncio.sleep(5)


@pytest.mark.timeout(180)
async def test_both_take_over_from_each_other(
    nats_server_factory: NatsServerFactory, set_up: SetUp, release: Path
) -> None:
    stage = set_up([nats_server_factory().url])
    stage.configured = True
    await stage.start()
    await stage.serve("old", PYTHONPATH=str(release))
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    before, stored = stage.changes(), await records(stage)
    assert len([key for key in stored if "/owned." in key]) == len(NAMES)

    await stage.serve("new")
    stage.instances["old"].kill()
    await taken_over(stage, "new")
    assert (stage.changes(), await records(stage)) == (before, stored)

    await stage.serve("old again", PYTHONPATH=str(release))
    stage.instances["new"].kill()
    await taken_over(stage, "old again")
    assert (stage.changes(), await records(stage)) == (before, stored)

    await stage.deploy(["one-more"])
    await stage.until_whole([*NAMES, "one-more"])
