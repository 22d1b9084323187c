"""The HTTP gateway and the dashboard: the API for browsers and scripts, and a page to see a lattice by.

Stands on the client library alone, so it works for this server and, without the newer operations, for the original.
What belongs here: HTTP, tokens, the live picture that pages share. What does not: decisions about applications.
"""
