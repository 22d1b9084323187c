"""Which hosts run how many of a workload.

``targets``      spreads with their numbers: the arithmetic of the original
``constraints``  why a host may not run a workload: one small class for each reason
``strategies``   how components, providers and daemons are placed
``assign``       the matching of spreads and hosts that the strategies stand on

Theory of operation
-------------------

A *share* (:class:`~wadm.engine.placing.targets.SpreadTarget`) is a spread with its number: of ``instances`` 10 with
weights 80 and 20, one share of 8 and one of 2. Numbers follow the original to the last one
(:func:`~wadm.engine.placing.targets.allocate`): floor of each, the rest one by one from the heaviest.

A component's share lives whole on *one* host: an instance is a permit for concurrency, not a process, and the original
does the same. A host holds one entry per component, so each host serves one share; only where hosts are fewer than
shares do two live together, added up. A provider's share is a number of hosts, one provider on each.

Where a share already lives it stays (also split over several hosts, as the original sometimes leaves it, while the sum
is right): placing is asked again after every event and must not move what is right. A share that needs a host takes the
first eligible one that is free, counted round from where its name points
(:func:`~wadm.engine.placing.assign.rotation`). So every server picks the same host in the same lattice, load spreads
evenly without anybody counting it, the choice costs no more among thousands of hosts than among three, and as what
lives somewhere stays, a host that goes moves only what lived there. A host that has failed to start the thing again and
again comes last. Where spreads overlap and all hosts of one are taken by others, those move on to hosts that the first
cannot have (:meth:`~wadm.engine.placing.assign.Assigner.free_a_host`), so a share is missing a host only if there is
none for it.

Worked example: hosts a, b in zone east, c in west; shares east 8, west 2. East's rotation begins at a: a gets 8, c gets
2. Host a stops: east moves to b, west stays. Host a returns: nothing moves.
"""
