"""Who a request comes from."""

from __future__ import annotations

import pytest

from wadm.server.requesters import requester
from wadm.transport.base import Message


def path(reply: str, info: str | None = None) -> object:
    headers = None if info is None else {"Nats-Request-Info": info}
    return requester(Message("wadm.api.default.model.get", b"", reply, headers), "default")


def test_a_client_is_told_by_its_inbox() -> None:
    assert path("_INBOX.AzK3pNhx.17") == ("default", "", "_INBOX.AzK3pNhx")


def test_a_service_import_names_the_account() -> None:
    """As nats-server 2.15 hands it over, without and with ``share: true``."""
    assert path("_R_.Db5jbf.V57lbN", '{"acc":"TEAM","rtt":276567}') == ("default", "TEAM", ("", 0))
    shared = '{"start":"2026-11-30T09:18:40Z","host":"127.0.0.1","id":9,"acc":"TEAM","user":"team","server":"NBB4"}'
    assert path("_R_.t4VCqm.55mw5M.55QkNQEi.T", shared) == ("default", "TEAM", ("NBB4", 9))


def test_a_header_that_no_server_put_there_is_not_believed() -> None:
    assert path("_INBOX.AzK3pNhx.17", '{"acc":"FORGED"}') == ("default", "", "_INBOX.AzK3pNhx")


@pytest.mark.parametrize("info", [None, "", "{", "[]", '{"acc":7}', "null"])
def test_what_cannot_be_read_names_nobody(info: str | None) -> None:
    assert path("_R_.Db5jbf.V57lbN", info) == ("default", "", ("", 0))
