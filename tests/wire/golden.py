"""Recorded conversations: what one real host 1.9.2 said and was asked, and what the original answered."""

from __future__ import annotations

import json
from typing import Any

from tests.real import shared


def host_messages(part: str) -> list[tuple[str, str, Any]]:
    """Story, subject and payload of the recorded messages whose subject has ``part`` in it."""
    lines = shared("golden/host-1.9.2.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    return [(r["story"], r["subject"], r["payload"]) for r in records if part in r["subject"]]


def host_replies(*stories: str) -> list[dict[str, Any]]:
    """The answers to control calls, of all stories or of these."""
    return [
        payload
        for story, _, payload in host_messages("_INBOX.")
        if isinstance(payload, dict) and "success" in payload and (not stories or story in stories)
    ]


def api_steps() -> list[dict[str, Any]]:
    """All requests to the original's API, with its answers."""
    return [step for scenario in json.loads(shared("golden/api.json").read_text()) for step in scenario["steps"]]


def compact(value: Any) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
