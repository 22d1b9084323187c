"""The simulator: whole servers, hosts and users in virtual time, under faults that a seed draws.

``python -m wadm.sim --seed 7`` runs one simulation; docs/simulator.md tells what is drawn and what is checked. The
checks read manifests and the lattice protocol by themselves, not by :mod:`wadm.wire` and :mod:`wadm.engine`: what
judges the server must not share its mistakes.
"""
