"""Model hosts: what a wasmCloud 1.9.2 host says and does on the wire, without running anything.

They speak through :mod:`wadm.transport` alone, take their chances from seeded generators and their time from the
transport, so that the same hosts serve demonstrations and load over a real NATS as well as the deterministic simulator
(:mod:`wadm.sim`). What a host is told to run it hands to its runtime (:mod:`wadm.hosts.runtime`): that of a simulated
host does nothing, that of :mod:`wadm.hosts.wasm` runs components. None runs provider processes, nor speaks wRPC.

The encoding and the rules are written anew from docs/protocol/lattice.md, not taken from :mod:`wadm.wire` and
:mod:`wadm.engine`: what judges the server must not share its mistakes.
"""
