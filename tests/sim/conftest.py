"""Hosts in virtual time, as the tests of hosts have them."""

from __future__ import annotations

from tests.hosts.conftest import a_lab, lab, pytest_asyncio_loop_factories, transport

__all__ = ["a_lab", "lab", "pytest_asyncio_loop_factories", "transport"]
