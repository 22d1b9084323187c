"""Measures wadm, and the original beside it: how long, how much work, how much memory.

Everything is real but the hosts: a nats-server process, the manager as a process of its own, and model hosts
(:mod:`wadm.sim`) in a third one. The manager is seen from outside only, by what it answers, what it asks of hosts and
what the system says it used, so that any manager can be measured by the same rule. See docs/performance.md.
"""
