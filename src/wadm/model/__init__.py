"""The nouns of the field: manifests, hosts, links, commands, statuses.

Plain data. No I/O, no clock, no asyncio, and nothing else of ours is imported here
(how things look as bytes is :mod:`wadm.wire`, what to do about them is :mod:`wadm.engine`).
"""
