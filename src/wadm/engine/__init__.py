"""The verbs: everything wadm decides, as functions of values.

No I/O, no clock, no asyncio, no logging: time is an argument and reasons are part of the result. The server, ``plan``,
the simulator and the property tests call the same functions. Start reading at :mod:`wadm.engine.reconcile`.
"""
