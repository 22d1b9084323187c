"""Schemathesis sends what the OpenAPI document allows, and what it does not, and holds every answer to the document."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import FULL, TOKENS, stage
from wadm.dashboard.limits import Allowance
from wadm.dashboard.options import Options

CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = os.environ.get("WADM_SCHEMATHESIS_EXAMPLES", "10")
"""Requests of each kind for each operation."""
ENDLESS = ("followTopics", "followLattice", "followApplication")
"""Operations whose answers do not end; tests of their own read them."""


def test_schemathesis_finds_nothing(nats_server_factory: NatsServerFactory, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    unlimited = Options(tokens=TOKENS, allowance=Allowance(rate=1e6, burst=10**6, wrong_rate=1e6, wrong_burst=10**6))
    with stage(nats_server_factory(), options=unlimited) as running:
        running.put(an_app("hello"))
        running.deploy("hello")
        running.wait_for("hello", "deployed")
        command = [
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "--config-file",
                str(CONFIG),
                "run",
                f"{running.url}/api/openapi.json",
            ),
            *("--header", f"Authorization: Bearer {FULL}", "--seed", "1", "--max-examples", EXAMPLES),
            *("--generation-database", "none", "--no-color", "--workers", "1", "--request-timeout", "20"),
            *(word for id_ in ENDLESS for word in ("--exclude-operation-id", id_)),
        ]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
        assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-2000:]
        passed = re.search(r"(\d+) passed, \d+ skipped", ended.stdout)
        assert passed, ended.stdout[-3000:]
        assert int(passed[1]) > 500  # it has sent something
        assert running.get("/readyz").status == 200
