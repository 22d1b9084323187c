"""The protocol by which servers share lattices and records, as models small enough to be explored completely.

:mod:`~wadm.sim.protocol.leases` shows that at most one server believes that it owns a lattice.
:mod:`~wadm.sim.protocol.records` takes that as given, and shows what holds for what owners store and send.
"""
