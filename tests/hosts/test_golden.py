"""What a model host says when it is told all that a real host 1.9.2 was told, at the same times."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from tests.hosts.lab import HOST, PREFIX, Lab, a_host
from tests.real import shared
from wadm.hosts.behaviour import containing
from wadm.transport.base import Message
from wadm.transport.memory import MemoryTransport

STARTED = 0.014
"""When the real host started, in the time of the recording: it beats at 6.014, 12.014, …"""


class Transcript:
    """What a host said, in order: the events and the answers of each story, and its heartbeats."""

    def __init__(self, host_id: str) -> None:
        self.lines: dict[str, list[str]] = defaultdict(list)
        self._host_id = host_id

    def add(self, story: str, subject: str, payload: Any) -> None:
        """Note something said, with its keys in their order but without what differs from host to host."""
        if not subject.startswith("wasmbus.evt."):
            kind = f"{story}: answers"
        elif subject.endswith("heartbeat"):
            kind = "heartbeats"
        else:
            kind = f"{story}: events"
        if "specversion" in payload:
            payload |= {"id": "ID", "time": "TIME"}
        for part in (payload.get("data"), payload.get("response")):
            if isinstance(part, dict) and "friendly_name" in part:
                part["friendly_name"] = "NAME"
        self.lines[kind].append(json.dumps(payload).replace(self._host_id, "HOST"))


async def test_a_model_host_says_what_the_real_one_said(transport: MemoryTransport) -> None:
    recording = [json.loads(line) for line in shared("golden/host-1.9.2.jsonl").read_text().splitlines()]
    real_id = next(m["payload"]["source"] for m in recording if m["subject"].endswith("host_started"))
    theirs, ours = Transcript(real_id), Transcript(HOST)
    for message in recording:
        subject, payload = message["subject"], message["payload"]
        if subject.startswith("wasmbus.evt.") or (isinstance(payload, dict) and "success" in payload):
            theirs.add(message["story"], subject, payload)

    story = "start"

    def hear(message: Message) -> None:
        ours.add(story, message.subject, json.loads(message.data))

    await transport.subscribe("wasmbus.evt.default.*", hear)
    await transport.subscribe("answer", hear)
    absent = containing("absent", error="No such file or directory (os error 2)")
    began = transport.now()
    lab = await Lab(transport, a_host(labels={"zone": "a"}, heartbeat_interval=6, images=absent)).start()
    for request in recording:
        if not request["subject"].startswith(PREFIX):
            continue
        await transport.sleep(began + request["t"] - STARTED - transport.now())
        story, body = request["story"], request["payload"]
        data = b"" if body is None else json.dumps(body).replace(real_id, HOST).encode()
        transport.publish(request["subject"].replace(real_id, HOST), data, reply="answer")
    await lab.wait(1)
    assert ours.lines == theirs.lines
