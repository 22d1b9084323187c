"""Names and numbers that hosts make up (docs/protocol/lattice.md#identifiers)."""

from __future__ import annotations

import base64
import binascii
import random
import re

import pytest

from wadm.hosts.ids import event_id, friendly_name, host_id, timestamp, uptime_human

REAL_ID = "NCSQ6IEWL2ZPY5HWMXXPVIRGULY3VU4PUUFCUEXNB2IMIOC4QGGWKNO6"


@pytest.mark.parametrize("id_", [REAL_ID, host_id("a"), host_id("")])
def test_host_ids_are_public_keys_of_servers(id_: str) -> None:
    raw = base64.b32decode(id_)
    assert len(id_) == 56
    assert raw[0] == 104
    assert raw[33:] == binascii.crc_hqx(raw[:33], 0).to_bytes(2, "little")


def test_host_ids_follow_from_their_seed() -> None:
    assert host_id("a") == host_id("a") != host_id("b")


def test_friendly_names() -> None:
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d{4}", friendly_name(random.Random(0)))


def test_event_ids_begin_with_the_time() -> None:
    id_ = event_id(1_700_000_000.123, random.Random(0))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_)
    assert int(id_.replace("-", "")[:12], 16) == 1_700_000_000_123


@pytest.mark.parametrize(
    ("now", "text"),
    [(0.0, "1970-01-01T00:00:00.000000000Z"), (1_700_000_000.5, "2023-11-14T22:13:20.500000000Z")],
)
def test_timestamps(now: float, text: str) -> None:
    assert timestamp(now) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (45, "45s"),
        (65, "1m 5s"),
        (7203, "2h 3s"),
        (93_600, "1day 2h"),
        (172_800, "2days"),
        (2_630_016, "1month"),
        (63_115_200, "2years"),
    ],
)
def test_uptimes(seconds: int, text: str) -> None:
    assert uptime_human(seconds) == text
