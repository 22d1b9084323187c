"""The outside as a few small protocols: messages, streams, key-value buckets.

:mod:`~wadm.transport.base` says what they promise, :mod:`~wadm.transport.nats` keeps it on a NATS server,
:mod:`~wadm.transport.memory` in memory, in virtual time, for the simulator and fast tests. One contract
suite (``tests/transport``) holds both to the same promises.
"""
