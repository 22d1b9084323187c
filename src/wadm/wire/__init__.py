"""Bytes from and to the model: every promise of compatibility lives here.

One module for each thing that is said (subjects, events, control calls, commands, statuses, API, manifests, stored
applications). What is read is either a value of :mod:`wadm.model` or :class:`~wadm.errors.Malformed`; odd and old
spellings end here. No I/O, no clock, and nothing is decided.
"""
