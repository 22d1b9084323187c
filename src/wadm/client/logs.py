"""What components write, asked of the hosts that keep it (``wadm host``)."""

from __future__ import annotations

import msgspec

from wadm.client.client import Client
from wadm.model.component_logs import LogAnswer, LogLine, LogRequest
from wadm.wire import subjects

_QUIET = 0.3
"""Seconds without a further answer after which all hosts are taken to have answered."""
_decoder = msgspec.json.Decoder(LogAnswer)


class LogReader:
    """Reads the logs of an application, or of a component by its id: first the newest lines, then what is new.

    ``hosts``: how many keep logs. ``components``: the ids of those of that name that run on them.
    """

    def __init__(self, client: Client, name: str) -> None:
        if not subjects.is_token(name):
            raise ValueError(f"{name!r} cannot be the name of an application: letters, digits, - and _ only")
        self.hosts = 0
        self.components: set[str] = set()
        self._client = client
        self._subject = subjects.logs(client.lattice, name)
        self._after: dict[str, int] = {}

    async def read(self, lines: int) -> list[LogLine]:
        """Return what is new, by time; of hosts that were not asked before the newest ``lines``, in all."""
        first, found = not self._after, []
        more = True
        while more:
            answers = await self._ask(lines)
            self.hosts, self.components = len(answers), {id_ for one in answers for id_ in one.components}
            self._after |= {one.run: one.last for one in answers}
            found += [line for one in answers for line in one.lines]
            more = any(one.more for one in answers)
        found.sort(key=lambda line: line.time)
        return found[max(0, len(found) - lines) :] if first else found

    async def _ask(self, lines: int) -> list[LogAnswer]:
        request = msgspec.json.encode(LogRequest(lines, self._after))
        transport, timeout = self._client.transport, self._client.settings.timeout
        answers = []
        for message in await transport.gather(self._subject, request, timeout, _QUIET):
            try:
                answers.append(_decoder.decode(message.data))
            except msgspec.MsgspecError:
                continue  # of something that is no host of this version
        return answers
