"""The transport contract in memory: for the simulator, and for tests that have no need of a server.

A :class:`MemoryBroker` is the server, and every :class:`MemoryTransport` one client of it. What happens on the way, and
what goes wrong, is up to the broker's :class:`Network`; the default one is perfect and takes no time. On a
:class:`~wadm.transport.virtual_time.VirtualTimeLoop` the same program takes the same course every time.

Left out, because nothing of wadm relies on it: duplicate windows, permissions, flow control, leaders.
"""

from wadm.transport.memory.broker import MemoryBroker
from wadm.transport.memory.network import Fault, Network
from wadm.transport.memory.transport import MemoryTransport

__all__ = ["Fault", "MemoryBroker", "MemoryTransport", "Network"]
