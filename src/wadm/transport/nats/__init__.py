"""The transport on a NATS server.

:mod:`.connect` is the door. Under it, from the wire upwards: :mod:`.session` (one nats-py client), :mod:`.connection`
(what outlives sessions: the :mod:`.outbox`, the :mod:`.inbox`, subscriptions), :mod:`.jetstream` (the API),
:mod:`.streams`, what is done with :mod:`.consumers` (:mod:`.reading`, :mod:`.watching`, :mod:`.consuming`) and
:mod:`.kv`, put together by :mod:`.transport`.
"""

from wadm.transport.nats import library  # noqa: F401 - before anything that imports nats-py
from wadm.transport.nats.connect import ConnectOptions, connect
from wadm.transport.nats.transport import NatsTransport

__all__ = ["ConnectOptions", "NatsTransport", "connect"]
