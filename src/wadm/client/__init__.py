"""The client library: applications and lattices from a program.

Works against this server and against the original wadm 0.21. See :class:`~wadm.client.client.Client`.
Nothing here decides anything: what to do about a lattice is the server's business.
"""
