"""The loops: the API, one owner per lattice, leases, health. Nothing here is clever.

What is decided is decided in :mod:`wadm.engine`; what bytes mean is known in :mod:`wadm.wire`; this package waits,
reads, writes and answers. It takes the outside as a :class:`~wadm.transport.base.Transport`, so that the simulator
runs it unchanged.
"""
