"""Another program's hosts: how it is asked, and what its figures become."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.other_hosts import play

PROGRAM = f"""#!{sys.executable}
import json, sys
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert flags["-pid"] == "7" and flags["-limit"] == "60s" and flags["-hosts"] == "3", flags
phase = {{"cpu_s": 0.25, "rss_mib": 40.04, "ctl": {{"link.put": 3, "config.get": 2}}, "redundant": 1, "refused": 0}}
print(json.dumps({{
    "hosts": 3,
    "deploy": phase | {{"done": True, "lattice_right_s": 1.5, "status_right_s": 1.75}},
    "steady": phase | {{"done": False, "lattice_right_s": 60.0, "status_right_s": 60.0, "heartbeats": 50}},
}}))
"""


async def test_its_figures_are_named_as_ours_and_what_was_not_done_took_no_time(tmp_path: Path) -> None:
    program = tmp_path / "hosts"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    found = await play(program, "nats://127.0.0.1:1", 7, "deploy,steady,upgrade", 60.0, hosts=3)
    same = {"cpu_s": 0.25, "memory_mib": 40.0, "calls": 5, "superfluous": 1, "refused": 0}
    assert found == {
        "deploy": {"right_s": 1.5, "told_s": 1.75, **same},
        "steady": {"right_s": None, "told_s": None, **same, "heartbeats": 50, "cpu_ms_per_heartbeat": 5.0},
    }
