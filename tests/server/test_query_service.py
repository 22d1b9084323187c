"""What the owner of a lattice answers to other servers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

from tests.server.lab import in_virtual_time
from wadm.server.logging import get_logger
from wadm.server.metrics import LatticeMetrics
from wadm.server.owner import LatticeRunner
from wadm.server.query_service import QueryService, Question
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.wire import subjects


class Talkative(QueryService):
    """Has more to say than a message holds."""

    async def _explain(self, question: Question) -> bytes:
        return b'"' + b"x" * (2 << 20) + b'"'


@in_virtual_time
async def test_an_answer_that_no_message_holds_is_an_answer_that_says_so() -> None:
    broker = MemoryBroker()
    transport = MemoryTransport(broker, "server")
    owner = SimpleNamespace(metrics=LatticeMetrics())
    desk = Talkative(cast(LatticeRunner, owner), transport, "default", get_logger("desk"))
    await desk.open()
    subject = subjects.owner("default", "explain")
    answer = await MemoryTransport(broker, "asker").request(subject, b'{"name":"shop"}', 5)
    assert json.loads(answer.data)["message"].startswith("The reply is too large: ")
    await desk.close()
